#pragma once
/* A frozen transformer, sharded over the tensor-parallel ranks of a grid: forward, and backward to its inputs (the prefix bank and the prompt rows).
 *
 * Weights, activations and banks are device arrays (kernels/ops.h); the model and its callers reach them through the ops table only.
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

#include "device/timer.h"
#include "model/cut.h"
#include "model/pack.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_model lt_model;
typedef struct lt_cache lt_cache; /* keys and values of earlier rows: generate.h */

/* Which rows of the last layer are read out, and how they become one row a sequence. */
typedef enum lt_readout {
    LT_READ_FIRST, /* first row of the sequence, a prompt row if there is one (what PEFT does with BERT) */
    LT_READ_CLS,   /* first text row */
    LT_READ_LAST,  /* last text row */
    LT_READ_MEAN,  /* mean of the text rows, with the padding rows if there are any */
    LT_READ_MAX,   /* maximum of the same, per channel */
    LT_READ_TOKENS /* every row as it is */
} lt_readout;

/* Low-rank updates of one trial (Hu et al. 2022): y += scale * (drop(x) A^T) B^T on every layer's target.  Device arrays, whole and the same
 * on every rank of a tp group: the model reads the part that goes with its shard, and adds its share of the gradients there; their sum is the gradient. */
typedef struct lt_adapter {
    int rank; /* 0 = this trial has none */
    float scale, dropout;
    const float *A[LT_TARGET_COUNT], *B[LT_TARGET_COUNT]; /* [m][R][K], [m][N][R] (lt_arch_target); NULL = not a target */
    float *dA[LT_TARGET_COUNT], *dB[LT_TARGET_COUNT];     /* += ; NULL = no gradient wanted */
} lt_adapter;

/* Prefix keys and values of every (trial, label) and prompt rows, of this rank's heads, and the trials' adapters.  Borrowed device arrays; the bank is made
 * anew each step by the tuners. */
typedef struct lt_bank {
    int64_t S, P_max;        /* slots, longest prefix */
    int64_t fixed;           /* the last so many slots have no gradient, and no place in d_kv */
    const int32_t *slot_len; /* [S] host */
    float *kv, *d_kv;        /* [S][m][2][P_max][Hkvl][D]; d_kv: [S - fixed] ..., NULL = no gradient wanted; += */
    int64_t prompt_rows;
    float *prompt, *d_prompt;  /* [prompt_rows, C]; d_prompt: NULL = no gradient wanted; += */
    const lt_adapter *adapter; /* [n_adapters] host, by trial number */
    int n_adapters;
} lt_bank;

/* auto: on GPUs, where packs are large. */
enum { LT_OVERLAP_AUTO, LT_OVERLAP_ON, LT_OVERLAP_OFF };

typedef struct lt_model_options {
    lt_dtype compute;         /* LT_F32, LT_BF16, or LT_E4M3: bf16 with the frozen matrices of the blocks in E4M3 */
    int keep_blocks;          /* with LT_E4M3: blocks at either end that stay in bf16 */
    int threads;              /* OpenMP threads of this rank */
    const int *bidirectional; /* NULL = as the architecture; else [m] flags, 1 = layer sees both ways (LS-unLLaMA, BiLLM) */
    bool head;                /* the output matrix too: rows can be made scores (lt_model_logits) */
    const lt_ops *ops;        /* NULL = what the environment's LT_OPS names, else cpu */
    int overlap;              /* tensor parallel: packs in two halves, the sums of one behind the work of the other */
    bool sizes_only;          /* for plans: no device is touched, no weight read */
    bool apart;               /* tests: never one product for q, k and v */
    bool wide_sums;           /* tests: sums over the tp group travel as f32, whatever the compute type */
} lt_model_options;

/* Largest sizes of any step. */
typedef struct lt_model_limits {
    int64_t tokens, seqs, max_len, P_max, slots;
    int64_t positions; /* most that one sequence takes with its own prefix; 0 = max_len + P_max */
    bool backward;     /* activations of all layers can be kept */
    bool adapters;     /* layers' inputs are kept too, for LoRA */
    int max_rank;      /* largest rank of an adapter */
    int64_t scored;    /* most rows that lt_model_logits gets */
} lt_model_limits;

/* Collective(world).  Reads dir/config.json and the tensor headers, checks that every tensor is there with the right shape and that tp fits.
 *   grid  borrowed, must outlive the model.   Errors: IO, FORMAT, SHAPE, NOMEM (agreed). */
lt_status lt_model_create(const char *dir, lt_grid *grid, const lt_model_options *opt, lt_model **model);
/* Local.  Sizes only: lt_model_memory then tells them.  Errors: SHAPE (longer than the model's positions). */
lt_status lt_model_measure(lt_model *m, const lt_model_limits *limits);
/* Collective(world).  Sizes and reserves activations, workspace and comm buffers.  Errors: SHAPE (longer than the model's positions), NOMEM (agreed). */
lt_status lt_model_plan(lt_model *m, const lt_model_limits *limits);
/* Local.  True where the dp ranks of a node can use one copy of the weights: there are several, and the back end's arrays are plain host memory. */
bool lt_model_may_share(const lt_model *m);
/* Collective(world).  Reads this rank's slices of the weights.  Where lt_model_may_share, the dp ranks of a node read a part each into one copy in memory that
 * they share (read-only afterwards); without room for it, or if their threads differ, they keep a copy each and rank 0 warns.
 * Errors: IO, FORMAT, NOMEM, STOPPED (a signal came; agreed). */
lt_status lt_model_load(lt_model *m);
/* Collective(world), after loading.  Where a back end has several ways of a product: takes those of an earlier start (stored, n_stored bytes, 0 =
 * none), or measures.
 * bytes [n] out: what a checkpoint keeps, released by free(); NULL where there is nothing to choose.  Errors: NOMEM, CUDA, FORMAT (agreed). */
lt_status lt_model_tune(lt_model *m, const void *stored, size_t n_stored, void **bytes, size_t *n);
/* Collective(world).  Frees everything; accepts NULL; sets NULL. */
void lt_model_destroy(lt_model **model);

typedef struct lt_forward_args {
    const lt_pack *pack;
    const lt_bank *bank; /* NULL = no prefix, no prompt rows, no adapters */
    lt_cache *cache;     /* NULL, or what holds the sequences' earlier rows; theirs of this pack are added (pack.h: start, home) */
    bool repeats;        /* with a cache: what is enqueued is a function of the pack's shape, not of what the cache holds (replay.c) */
    lt_readout readout;
    bool backward; /* keep what lt_model_backward reads (needs a plan with backward) */
    float *hidden; /* host; NULL, or out [m + 1, T, C]: embedding output, every block, the last after the final norm (needs TOKENS) */
} lt_forward_args;

/* What was read out: device arrays owned by the model, valid until the next forward. */
typedef struct lt_readout_rows {
    int64_t n;             /* one a sequence, or all rows of the pack (TOKENS) */
    const float *rows;     /* [n, C] f32, mirrored on all tp ranks */
    const int32_t *target; /* [n] of the pack */
    const float *weight;   /* [n] of the pack */
    const int32_t *cu;     /* [n_seq + 1]: rows [cu[i], cu[i + 1]) are sequence i's */
    const uint64_t *key;   /* [n_seq] of dropout */
} lt_readout_rows;

/* Collective(tp).  Hidden states of the last layer, read out; BERT with a pooler and a FIRST or CLS readout: after the pooler (dense + tanh), as in
 * transformers' BertModel.  Uploads the pack. */
void lt_model_forward(lt_model *m, const lt_forward_args *a, lt_readout_rows *out);
/* Collective(tp).  Scores of the next word behind rows that a forward read out, this rank's share of the vocabulary (lt_model_vocabulary): device
 * [rows->n, v1 - v0] f32, valid until the next call.  Needs options with head; n at most limits.scored. */
const float *lt_model_logits(lt_model *m, const lt_readout_rows *rows);
/* Collective(tp).  Backward of the last forward, which must have had backward set: adds to bank->d_kv and bank->d_prompt (this rank's heads; d_prompt
 * equal on all tp ranks) and the adapters' gradients.  Does nothing for a pack of which no sequence has a trained input.
 *   d_out  in, device, shape of rows. */
void lt_model_backward(lt_model *m, const lt_forward_args *a, const float *d_out);

/* Collective(world).  lt_agree over the ranks of the model: for callers whose local part comes before one of the calls below. */
lt_status lt_model_agree(lt_model *m, lt_status st);

/* Collective(tp).  Last-layer hidden states of n token sequences (no prefix, no pooler), packed: label states h_y of L-Tuning.
 *   tokens  sequence i: [offset[i], offset[i + 1])      out  host [offset[n] - offset[0], C], caller-owned */
void lt_model_states(lt_model *m, int64_t n, const int32_t *tokens, const int64_t *offset, float *out);
/* Collective(tp).  Keys (after rotation) and values of a text in every layer, all heads: out host [m][2][n][Hkv][D], caller-owned (prefix
 * `init: text`).
 * Needs a plan with backward = true. */
void lt_model_text_kv(lt_model *m, const int32_t *tokens, int64_t n, float *out);
/* Collective(tp).  Rows of the word embedding table, scaled as the model reads them: out host [n, C], caller-owned.  n at most the planned tokens. */
void lt_model_token_rows(lt_model *m, const int32_t *tokens, int64_t n, float *out);

/* Local. */
const lt_arch *lt_model_arch(const lt_model *m);
const lt_ctx *lt_model_ctx(const lt_model *m);
bool lt_model_has_pooler(const lt_model *m);
/* Local.  First kv head and number of kv heads of this rank's bank slice. */
void lt_model_kv_heads(const lt_model *m, int *first, int *count);
/* Local.  Words [*first, *end) of the vocabulary whose scores this rank makes. */
void lt_model_vocabulary(const lt_model *m, int64_t *first, int64_t *end);
/* Local.  SHA-256 fingerprint of the weights (store/safetensors.h). */
const char *lt_model_fingerprint(const lt_model *m);
/* Local.  Bytes of this rank: weights, activations with workspace, comm buffers; before anything is touched.  Any pointer may be NULL. */
void lt_model_memory(const lt_model *m, size_t *weights, size_t *activations, size_t *comm);
/* Seconds of this rank since the model was created, by the host's clock: without a timer. */
typedef struct lt_model_times {
    double linear;    /* products with frozen matrices, bringing their operands into form included */
    double attention; /* attention, forward and backward */
} lt_model_times;
/* Local. */
lt_model_times lt_model_get_times(const lt_model *m);
/* Local.  On a GPU these ops are pieces of a timer (LT_TIMED_LINEAR, LT_TIMED_ATTENTION) from now on; borrowed, NULL: no more. */
void lt_model_set_timer(lt_model *m, lt_gpu_timer *timer);

/* Local.  Bytes of weight files read so far by this rank. */
int64_t lt_model_bytes_read(const lt_model *m);

/* Local.  Checks a model folder against its architecture without loading: prints what it is, missing, misshapen and unused tensors to out.
 * Errors: as lt_model_create. */
lt_status lt_model_inspect(const char *dir, FILE *out);

#ifdef __cplusplus
}
#endif
