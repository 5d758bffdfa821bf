#pragma once
/* What a Hugging Face config.json says about a transformer, as data.
 *
 * The passes (forward.c, block.c, block_bwd.c, attention.c) read this struct and no family's name; tests/lint/families.sh checks it.  A family is a
 * row of families.c: how its config.json fills this struct, and its tensors' names and cuts (family_*.c).
 *
 * A block is two branches, attention and feed-forward, each
 *
 *     y = after(x + out(body(in(x))))        in, out, after: optional norms
 *
 *   BERT, DeBERTa: after.   LLaMA, Mistral, Qwen, GPT-2, BLOOM: in.   Gemma 3: in and out.   Falcon, GPT-NeoX: parallel, both branches read the block's x
 *   and their sum is added to it at once.
 * Letters: see tensor.h. */

#include "base/method.h"
#include "kernels/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LT_MAX_LAYERS = 4096, LT_MAX_ROPES = 2 };

typedef struct lt_family lt_family; /* a row of the table in families.c */

/* Norms of a branch, as bits of lt_arch.norms. */
enum { LT_NORM_IN = 1, LT_NORM_OUT = 2, LT_NORM_AFTER = 4 };
/* Matrices with a bias, as bits of lt_arch.biases. */
enum { LT_BIAS_Q = 1, LT_BIAS_K = 2, LT_BIAS_V = 4, LT_BIAS_O = 8, LT_BIAS_UP = 16, LT_BIAS_GATE = 32, LT_BIAS_DOWN = 64 };
enum { LT_BIAS_QKV = LT_BIAS_Q | LT_BIAS_K | LT_BIAS_V, LT_BIAS_ALL = 127, LT_BIAS_POS_K = 128, LT_BIAS_POS_Q = 256 };

typedef enum lt_positions {
    LT_POS_NONE,
    LT_POS_TABLE,   /* rows of a table are added to the embeddings */
    LT_POS_ROTARY,  /* q and k are rotated (Su et al. 2021), halves of a head as pairs */
    LT_POS_ALIBI,   /* scores fall with the distance (Press et al. 2022) */
    LT_POS_RELATIVE /* scores know the distance (lt_relative), the embeddings nothing */
} lt_positions;

/* Scores that know the distance of query and key (He et al. 2021); beside LT_POS_TABLE or alone.  A table has an embedding for each distance, or for each
 * bucket of far ones; every layer makes relative keys and queries of them, with matrices of its own or with those of its keys and queries. */
typedef struct lt_relative {
    bool c2p, p2c;   /* queries meet relative keys; keys meet relative queries; neither: no relative positions */
    bool shared;     /* made by the layer's key and query matrices */
    bool norm;       /* the table is normed before */
    int64_t span;    /* rows of the table: 2 span; distance (or bucket) d is row d + span, those outside the first or last */
    int64_t buckets; /* 0: every distance is its own; else up to buckets / 2 they are, and beyond they grow like logarithms up to ... */
    int64_t max_relative; /* ... this distance */
} lt_relative;

/* How rotary frequencies are stretched for sequences longer than those of pre-training. */
typedef enum lt_rope_kind {
    LT_ROPE_PLAIN,
    LT_ROPE_LINEAR, /* all by `factor` (Chen et al. 2023) */
    LT_ROPE_BANDS   /* slow ones by `factor`, fast ones not at all, those between gradually (LLaMA 3.1) */
} lt_rope_kind;

typedef struct lt_rope {
    lt_rope_kind kind;
    double theta, factor;
    double low, high, original; /* BANDS: wavelengths above original / low are slow, below original / high fast */
} lt_rope;

/* What may differ from layer to layer. */
typedef struct lt_layer {
    bool causal;
    uint8_t rope;   /* which rotary table */
    int32_t window; /* a row sees at most the last `window` keys, itself included (bidirectional: also the next window - 1); 0 = all */
} lt_layer;

typedef struct lt_arch {
    const lt_family *family; /* names of tensors; opaque to the passes */
    char model_type[32];     /* as in config.json */
    int64_t C, F, V;
    int H, Hkv, D, m;
    int64_t max_pos; /* longest sequence, prefix included */
    int64_t types;   /* token types (segments); 0 = none */
    /* block */
    int norms;      /* of each branch: LT_NORM_IN | ... */
    bool parallel;  /* both branches read the block's input */
    bool shared_in; /* parallel: one input norm for both */
    lt_norm_kind norm;
    float eps;          /* of all norms */
    bool norm_plus_one; /* norm weights are stored as w - 1 */
    bool qk_norm;       /* RMS norm of every head of q and k before the rotation */
    int biases;         /* LT_BIAS_Q | ... */
    bool norm_bias;     /* norms have a bias */
    bool glu;           /* gated feed-forward: act(gate) * up */
    lt_act act;
    float attn_scale; /* of q . k */
    lt_layer layer[LT_MAX_LAYERS];
    /* embeddings and the end */
    lt_positions positions;
    int64_t pos_offset; /* position 0 is row pos_offset of the table */
    int n_ropes;
    lt_rope rope[LT_MAX_ROPES];
    int rot;           /* numbers of a head that are rotated, from the first on */
    float alibi_scale; /* factor of the slopes */
    lt_relative relative;
    int conv_kernel; /* width of a convolution of the embeddings along the sequence, which joins behind the first block; odd, 0 = none */
    lt_act conv_act;
    float embed_scale; /* of token rows */
    bool embed_norm;   /* norm of the sum of the embeddings */
    bool final_norm;   /* norm of the last block's output */
    lt_act pool_act;   /* of the pooler: a dense layer on the row that is read out, where the file has one */
    bool causal;       /* as pre-trained: decides the default read-out */
    bool tied;         /* output embedding = input embedding */
} lt_arch;

/* Local.  Reads dir/config.json.  Errors: IO (missing), FORMAT (not JSON; a field missing, of the wrong type or beyond what any model has; an
 * architecture or option that is not known: the message names the known ones). */
lt_status lt_arch_read(const char *dir, lt_arch *arch);
/* Local.  CONFIG unless the model can write: a decoder of which every layer sees what stands before alone. */
lt_status lt_arch_check_writes(const lt_arch *arch);
/* Local.  N of the 4N rule: weights of all linear layers inside the blocks. */
int64_t lt_arch_block_weights(const lt_arch *arch);
/* Local.  Output and input width [*N, *K] of a block's matrix; false: these blocks have no such matrix. */
bool lt_arch_target(const lt_arch *arch, lt_target t, int64_t *N, int64_t *K);
/* Local.  Row of the table of relative positions for the distance query - key. */
int64_t lt_arch_relative_row(const lt_arch *arch, int64_t distance);
static inline bool lt_arch_is_relative(const lt_arch *a) { return a->relative.c2p || a->relative.p2c; }
/* Local.  One paragraph for people. */
void lt_arch_describe(const lt_arch *arch, char *buf, size_t bytes);
/* Local.  Element type of the rows between blocks: f32 where they are a running sum that an input norm reads, else the compute type. */
static inline lt_dtype lt_arch_stream_dtype(const lt_arch *a, lt_dtype compute) {
    return (a->norms & LT_NORM_IN) || !(a->norms & LT_NORM_AFTER) ? LT_F32 : compute;
}

#ifdef __cplusplus
}
#endif
