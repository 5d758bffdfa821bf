#pragma once
/* A frozen transformer, sharded over the tensor-parallel ranks of a grid: forward, and backward to its inputs (the prefix bank and the prompt rows).
 *
 * There is no tape.  Forward writes the activations that backward reads into an arena whose size is known (lt_model_plan) before the first step; a
 * frozen linear layer saves nothing.  Sharding after Shoeybi et al. 2019 (Megatron-LM): q, k, v and the first feed-forward matrix are split by
 * output (heads, F), the attention output and second feed-forward matrix by input; their partial sums meet in a comm-owned buffer, four all-reduces a
 * layer and step.  Embedding rows are split over the vocabulary.
 *
 * Of the last layer only the rows that are read out are computed (queries, output projection, feed-forward), in both directions; below the lowest
 * trained input nothing is computed backward.
 *
 * Life: create (reads config and tensor headers) -> plan (memory known) -> load (weights) -> forward / backward ... -> destroy.  Steps are Collective
 * over the tp group: every rank of it passes the same pack.  Failures inside forward and backward are our bugs and fatal (comm.h). */

#include "model/arch.h"
#include "model/pack.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_model lt_model;

/* Which rows of the last layer are read out, and how they become one row a sequence. */
typedef enum lt_readout {
    LT_READ_FIRST, /* first row of the sequence, a prompt row if there is one (what PEFT does with BERT) */
    LT_READ_CLS,   /* first text row */
    LT_READ_LAST,  /* last row */
    LT_READ_MEAN,  /* mean of the text rows */
    LT_READ_MAX,   /* maximum of the text rows, per channel */
    LT_READ_TOKENS /* every row as it is */
} lt_readout;

/* Prefix keys and values of every (trial, label) and prompt rows, of this rank's heads.  Borrowed arrays; made anew each step by the tuners. */
typedef struct lt_bank {
    int64_t S, P_max;        /* slots, longest prefix */
    const int32_t *slot_len; /* [S] */
    float *kv, *d_kv;        /* [S][m][2][P_max][Hkvl][D]; d_kv: NULL = no gradient wanted; += */
    int64_t prompt_rows;
    float *prompt, *d_prompt; /* [prompt_rows, C]; d_prompt: NULL = no gradient wanted; += */
} lt_bank;

typedef struct lt_model_options {
    lt_dtype compute;         /* LT_F32 or LT_BF16 */
    int threads;              /* OpenMP threads of this rank */
    const int *bidirectional; /* NULL = as the architecture; else [m] flags, 1 = layer sees both ways (LS-unLLaMA, BiLLM) */
    const lt_ops *ops;        /* NULL = lt_ops_cpu() */
} lt_model_options;

/* Largest sizes of any step. */
typedef struct lt_model_limits {
    int64_t tokens, seqs, max_len, P_max, slots;
    int64_t positions; /* most that one sequence takes with its own prefix; 0 = max_len + P_max */
    bool backward;     /* activations of all layers are kept */
} lt_model_limits;

/* Collective(world).  Reads dir/config.json and the tensor headers, checks that every tensor is there with the right shape and that tp fits.
 *   grid  borrowed, must outlive the model.   Errors: IO, FORMAT, SHAPE, NOMEM (agreed). */
lt_status lt_model_create(const char *dir, lt_grid *grid, const lt_model_options *opt, lt_model **model);
/* Local.  Sizes only: lt_model_memory then tells them.  Errors: SHAPE (longer than the model's positions). */
lt_status lt_model_measure(lt_model *m, const lt_model_limits *limits);
/* Collective(world).  Sizes and reserves activations, workspace and comm buffers.  Errors: SHAPE (longer than the model's positions), NOMEM (agreed). */
lt_status lt_model_plan(lt_model *m, const lt_model_limits *limits);
/* Collective(world).  Each rank reads its slices of the weights.  Errors: IO, FORMAT, NOMEM (agreed). */
lt_status lt_model_load(lt_model *m);
/* Collective(tp).  Frees everything; accepts NULL; sets NULL. */
void lt_model_destroy(lt_model **model);

typedef struct lt_forward_args {
    const lt_pack *pack;
    const lt_bank *bank; /* NULL = no prefix, no prompt rows */
    lt_readout readout;
    float *hidden; /* NULL, or out [m + 1, T, C]: embedding output, every block, the last after the final norm (needs TOKENS) */
} lt_forward_args;

/* Collective(tp).  Hidden states of the last layer, read out.
 *   out  [n_seq, C] f32 (TOKENS: [n_tok, C]), mirrored on all tp ranks, owned by the model, valid until the next forward; BERT with a pooler and a
 *        FIRST or CLS readout: after the pooler (dense + tanh), as in transformers' BertModel. */
void lt_model_forward(lt_model *m, const lt_forward_args *a, const float **out);
/* Collective(tp).  Backward of the last forward: adds to bank->d_kv and bank->d_prompt (this rank's heads; d_prompt equal on all tp ranks).
 *   d_out  in, shape of out. */
void lt_model_backward(lt_model *m, const lt_forward_args *a, const float *d_out);

/* Collective(world).  lt_agree over the ranks of the model: for callers whose local part comes before one of the calls below. */
lt_status lt_model_agree(lt_model *m, lt_status st);

/* Collective(tp).  Last-layer hidden states of one token sequence (no prefix, no pooler): label states h_y of L-Tuning.  out [n, C], caller-owned. */
void lt_model_states(lt_model *m, const int32_t *tokens, int64_t n, float *out);
/* Collective(tp).  Keys (after rotation) and values of a text in every layer, all heads: out [m][2][n][Hkv][D], caller-owned (prefix `init: text`).
 * Needs a plan with backward = true. */
void lt_model_text_kv(lt_model *m, const int32_t *tokens, int64_t n, float *out);
/* Collective(tp).  Rows of the word embedding table: out [n, C], caller-owned. */
void lt_model_token_rows(lt_model *m, const int32_t *tokens, int64_t n, float *out);

/* Local. */
const lt_arch *lt_model_arch(const lt_model *m);
const lt_ctx *lt_model_ctx(const lt_model *m);
bool lt_model_has_pooler(const lt_model *m);
/* Local.  First kv head and number of kv heads of this rank's bank slice. */
void lt_model_kv_heads(const lt_model *m, int *first, int *count);
/* Local.  SHA-256 fingerprint of the weights (store/safetensors.h). */
const char *lt_model_fingerprint(const lt_model *m);
/* Local.  Bytes of this rank: weights, activations with workspace, comm buffers; before anything is touched.  Any pointer may be NULL. */
void lt_model_memory(const lt_model *m, size_t *weights, size_t *activations, size_t *comm);
/* Seconds of this rank since the model was created. */
typedef struct lt_model_times {
    double linear;    /* products with frozen matrices, bringing their operands into form included */
    double attention; /* attention, forward and backward */
} lt_model_times;
/* Local. */
lt_model_times lt_model_get_times(const lt_model *m);

/* Local.  Bytes of weight files read so far by this rank. */
int64_t lt_model_bytes_read(const lt_model *m);

/* Local.  Checks a model folder against its architecture without loading: prints what it is, missing, misshapen and unused tensors to out.
 * Errors: as lt_model_create. */
lt_status lt_model_inspect(const char *dir, FILE *out);

#ifdef __cplusplus
}
#endif
