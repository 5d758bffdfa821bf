#pragma once
/* The ops table: every computation on arrays that the suite does, and the memory these arrays lie in, behind one struct of functions.
 *
 * This is the device boundary.  A back end owns an address space: arrays that come from alloc() (weights, activations, banks, parameters, gradients) are
 * reached by its ops and copies only; host code passes their addresses on and never looks behind them.  Three back ends fill the table: `ref` (f64 inside,
 * plain loops: the truth for tests), `cpu` (oneDNN, OpenMP, vectorised), and for tests `guard` (cpu computations behind memory that the host cannot read);
 * a GPU is the next.  Rules for every entry:
 *   - Local: no MPI, no lock; no allocation but in the entries of plan time.  Work is enqueued on ctx->stream (CPU: done when it returns); only wait()
 *     waits.  A failure of earlier work may show up in a later call.
 *   - "device" arrays are arrays from alloc() or attach().  Argument structs, and the small tables of such structs that they point to (lt_segment, lists of
 *     arrays), are host memory and may go when the call returns.
 *   - Arrays are borrowed and dense row-major; a row stride (ld_*, in elements) exists where views of fused buffers are passed.  Outputs must not
 *     alias inputs unless the entry says "in place".
 *   - Element types: lt_arr carries its own (f32 or bf16: "activation type"); plain float pointers are f32.  Inside, sums are f32 (ref: f64).
 *   - Deterministic: same arguments, same number of threads, same bits.
 *   - Zero rows or zero sequences are allowed and do nothing.
 *   - Sizes were checked when the model was planned; a bad call is an LT_ASSERT (INTERNAL), a library failure INTERNAL with its text.
 * Trainable-side gradients (names d_... marked +=) accumulate.
 *
 * Frozen linear layers: lt_lin holds W [N, K] row-major (N = out, K = in) in the form the back end likes; y = x W^T + bias.  Backward goes to the
 * input only and saves nothing. */

#include "base/mem.h"
#include "comm/comm.h" /* lt_stream, lt_buffer: no collective is called here */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_ops lt_ops;

/* What an op runs on.  One per model; the workspace serves one op at a time. */
typedef struct lt_ctx {
    const lt_ops *ops;
    lt_stream *stream; /* NULL on the CPU */
    void *ws;          /* 64-byte aligned workspace, owned by whoever made the ctx */
    size_t ws_bytes;
    int threads;      /* OpenMP threads of this rank */
    lt_dtype compute; /* LT_F32 or LT_BF16: type of GEMM operands; sums are f32 always */
    bool e4m3;        /* with LT_BF16, set before lin_alloc and ws_bytes: frozen layers in E4M3 where their sizes are multiples of 16 */
    bool sizes_only;  /* only entries that measure are called: no device is needed */
    void *impl;       /* the back end's handles and caches: ctx_init() to ctx_fini() */
} lt_ctx;

/* ---- memory ---- */
typedef enum lt_copy_kind { LT_COPY_TO_DEVICE, LT_COPY_TO_HOST, LT_COPY_ON_DEVICE } lt_copy_kind;
struct lt_copy_args { /* rows pieces of row_bytes; pitches in bytes (rows = 1: unused).  Places must not overlap. */
    lt_copy_kind kind;
    void *dst;
    const void *src;
    int64_t rows;
    size_t row_bytes, dst_pitch, src_pitch;
};
/* A mark in the stream; owned by the caller, impl by the back end (event_fini). */
typedef struct lt_event {
    void *impl;
} lt_event;

/* Work that was recorded; owned by the caller, impl by the back end (work_fini). */
typedef struct lt_work {
    void *impl;
} lt_work;

/* Upper bounds over all calls, known before the first step: sizes the workspace. */
typedef struct lt_dims {
    int64_t rows;                  /* most rows (tokens) in a call; keys of a cache do not count */
    int64_t width;                 /* widest N or K of a linear layer */
    int64_t seqs;                  /* most sequences in a pack */
    int64_t max_len;               /* longest sequence, prompt rows and keys of a cache included */
    int64_t max_prefix;            /* longest bank slot P */
    int64_t slots;                 /* bank slots */
    int heads, kv_heads, head_dim; /* of this rank */
    bool relative;                 /* attention with lt_attn_rel */
} lt_dims;

/* ---- frozen linear layer ----
 * In E4M3 (ctx->e4m3) one quantised W serves both directions, W = diag(factor) W8 with a factor for each output, so the gradient is that of the map
 * that was used.
 * Rows of the operand get a factor each, never the whole array, so rows do not depend on their neighbours:
 *   forward    x ~ a x8 (a for each row):                y[t, n]  = a[t] factor[n] <x8[t], W8[n]> + bias[n] + resid[t, n]
 *   backward   dy[t, n] factor[n] ~ b g8 (b for each row):  dx[t, k] = b[t] sum over n of g8[t, n] W8[n, k] + resid[t, k]
 * A factor is the row's largest magnitude / 448 (1 for a row of zeros); numbers are divided by it in f32 and rounded to nearest even. */
typedef struct lt_lin {
    int64_t N, K;
    lt_dtype dt;       /* of w as it is loaded: LT_F32 or LT_BF16 */
    void *w;           /* [N, K] row-major until packed; afterwards what the back end made of it; arena memory */
    const float *bias; /* [N] f32 or NULL */
    int64_t panel;     /* load time: > 0: rows of W come through lin_rows, so many at a time; 0: the loader writes W to w */
    void *impl;        /* back end's private handles; freed by lin_fini */
    bool e4m3;         /* products in E4M3: lin_pack makes W8 of the rows of type dt */
    float *factor;     /* [N] of them, device */
} lt_lin;

struct lt_linear_args {
    lt_lin *lin;
    int64_t rows; /* cpu: up to 24 forward at the speed of reading W; by their number the order of sums may differ */
    lt_arr x;     /* fwd: [rows, K] in;  bwd: dx [rows, K] out */
    lt_arr y;     /* fwd: [rows, N] out; bwd: dy [rows, N] in */
    lt_arr resid; /* p = NULL or an array of the output's shape that is added; may be the output itself (accumulate) */
    int no_bias;  /* fwd: leave the bias out (row-parallel layers on tp ranks other than 0) */
};

/* Calls of linear_fwd and linear_bwd_x that steps will make.  Shapes, types, and whether there is a residual and whether it is the output itself
 * count; x, y and
 * resid are not read (of their addresses the alignment counts, NULL is aligned; a residual's is not NULL).  Where one library has several ways of a
 * product, all that is worth trying is tried on random numbers and the layers' own W. */
struct lt_tune_args {
    const struct lt_linear_args *call; /* [n_calls] host */
    const bool *backward;              /* [n_calls] */
    int64_t n_calls;
    const lt_lin *const *lin; /* [n_lins] packed; those of a call's shape take turns, so that no W stays in a cache */
    int64_t n_lins;
    void *room; /* [room_bytes] device memory for operands and results, or NULL; what does not fit there is allocated */
    size_t room_bytes;
    int64_t *measured; /* out, NULL: not wanted: + products that were measured; calls that are the same product to the library count once */
};

/* ---- normalisation ---- */
typedef enum lt_norm_kind { LT_NORM_LAYER, LT_NORM_RMS } lt_norm_kind;
struct lt_norm_args {
    lt_norm_kind kind;
    int64_t rows, C;
    const float *x;     /* [rows, C] f32: residual stream */
    const float *w, *b; /* [C]; b = NULL for RMS */
    float eps;
    lt_arr y;           /* fwd out [rows, C] */
    lt_arr resid;       /* fwd: p = NULL, or [rows, C] added to y; may be y itself */
    float *x_save;      /* fwd: NULL or [rows, C]: a copy of x for backward (x lies in a comm buffer that will be reused) */
    float *mean, *rstd; /* [rows]; fwd out, bwd in; mean unused for RMS */
    lt_arr dy;          /* bwd in [rows, C] */
    const float *dres;  /* bwd: NULL or [rows, C] added to dx */
    float *dx;          /* bwd out [rows, C] f32; may alias dres */
    lt_arr dx_low;      /* bwd out: p = NULL, or bf16 [rows, C]: dx rounded, for the products that read it next */
};

/* RMS norm of every head of rows (q and k of Gemma 3, Qwen 3), in place: x := x rstd w, rstd = 1 / sqrt(mean(x^2) + eps) of its D numbers. */
struct lt_head_norm_args {
    int64_t rows, ld; /* row stride of x and of dy */
    int heads, head_dim;
    lt_arr x;       /* fwd: in place [rows, heads * D]; bwd: dy in, dx out, in place */
    const float *w; /* [D] */
    float eps;
    lt_arr x_save; /* dense [rows, heads * D]; fwd: p = NULL or a copy of x for backward; bwd in */
    float *rstd;   /* [rows, heads]; fwd: NULL or out; bwd in */
};

/* ---- activations ---- */
typedef enum lt_act { LT_ACT_GELU_ERF, LT_ACT_GELU_TANH, LT_ACT_SILU, LT_ACT_RELU, LT_ACT_TANH } lt_act;
struct lt_act_args {
    lt_act act;
    int64_t rows, F;
    lt_arr u;  /* act: [rows, F]; glu: [rows, 2F] as [gate | up] */
    lt_arr h;  /* fwd out [rows, F]: act(u), or act(gate) * up */
    bool add;  /* act fwd: h += act(u) */
    lt_arr dh; /* bwd in  [rows, F] */
    lt_arr du; /* bwd out, shape of u; may alias u */
};

/* ---- rotary embedding of the first R numbers of a head, HF "rotate half" layout: pairs (d, d + R/2) ---- */
struct lt_rope_args {
    int64_t rows;
    int heads, head_dim;
    int rot;    /* R <= head_dim, even; the rest of a head stays */
    int heads2; /* heads of x2, 0 = it is not there */
    lt_arr x;   /* in place: [rows, heads * D] with row stride ld_x */
    int64_t ld_x;
    lt_arr x2; /* in place: [rows, heads2 * D], of the same type and positions: keys beside queries */
    int64_t ld_x2;
    const int32_t *pos;   /* [rows] */
    const float *cos_sin; /* [max_pos][R]: R/2 cosines then R/2 sines */
    int inverse;          /* 1: rotate by -angle (backward) */
};

/* ---- attention over packed sequences with a prefix bank ---- */

/* One micro-batch as attention sees it: which keys each query row sees.  Causal, bidirectional and window masks, a last layer of which only some rows are
 * wanted, and a cache of keys with room to grow are all cases of it.  The struct is host memory, its arrays are device. */
typedef struct lt_attn_plan {
    int64_t n_seq, n_q, n_k; /* sequences; query rows; rows of the k and v arrays, spare ones included */
    const int32_t *cu_q;     /* [n_seq + 1] query rows of sequence i: [cu_q[i], cu_q[i + 1]) */
    const int32_t *k_row0,
        *k_len; /* [n_seq] its key rows: [k_row0[i], k_row0[i] + k_len[i]); rows between sequences are neither read nor written */
    const int32_t *first,
        *end;                /* [n_q] of the keys of its sequence the query sees first <= j < end, 0 <= first, end <= k_len; may be none */
    const int32_t *q_index;  /* [n_q] place of the query among the keys of its sequence: key j lies j - q_index behind it */
    const int32_t *slot;     /* [n_seq] bank slot of each sequence, -1 = no prefix; every query sees the whole slot */
    const int32_t *slot_len; /* [n_slots] P of each slot (<= P_max) */
    int64_t n_slots, max_q, max_k, P_max; /* max_q, max_k: most query rows, most keys of a sequence */
} lt_attn_plan;

/* Keys and queries that stand for a distance (DeBERTa, He et al. 2021), constants of a layer.  For the query at place i and the text key at place j
 *   score = scale * (q_i . k_j + q_i . c2p[i - j] + k_j . p2c[i - j])
 * of the query's head; prefix keys get the first term alone.  The products are part of the op: no table of scores exists. */
typedef struct lt_attn_rel {
    int64_t reach;          /* places of queries and keys are 0 .. reach - 1 */
    const float *c2p, *p2c; /* NULL = absent; as rel_pack laid them out for the same heads, head_dim, reach and scale */
} lt_attn_rel;

/* Their layout.  Rows of a head follow each other, c2p by rising key (row s: distance reach - 1 - s), p2c by rising query (row s: distance s - reach + 1), D
 * numbers and zeros up to the width.  Behind the rows of p2c lies a copy [heads][D][cols], times scale, distance d in column d + zero; other columns are 0. */
static inline int64_t lt_rel_width(int64_t D) { return (D + 15) / 16 * 16; }
static inline int64_t lt_rel_rows(int64_t reach) { return 2 * reach - 1; }
static inline int64_t lt_rel_zero(int64_t reach) { return (reach + 30) / 16 * 16 - 1; } /* 15 modulo 16, at least reach + 14 */
static inline int64_t lt_rel_cols(int64_t reach) { return (lt_rel_zero(reach) + reach + 47) / 16 * 16; }
static inline int64_t lt_rel_elems(int heads, int64_t D, int64_t reach, bool p2c) {
    return heads * (lt_rel_rows(reach) * lt_rel_width(D) + (p2c ? D * lt_rel_cols(reach) : 0));
}
struct lt_rel_pack_args {
    int heads, head_dim;
    int64_t reach;
    float scale;
    bool p2c;
    const int32_t *row; /* host [2 * reach - 1] row of from for the distances 1 - reach .. reach - 1 */
    const float *from;  /* [rows, heads * D] with row stride ld */
    int64_t ld;
    float *to; /* [lt_rel_elems] */
};

/* Bank of prefix keys and values, f32, [S][m][2 (k, v)][P_max][Hkvl][D], keys as used (after any rotation); row p >= slot_len is unused.
 * A query that sees no key at all gives o = 0, lse = -inf and no gradient.  cpu: forward of one query row a sequence (plan->max_q = 1, no rel) reads
 * the keys that are seen once, under all heads.  cuda: where arrays are bf16, tensor cores take bank rows, constants of rel, p and ds rounded to bf16. */
struct lt_attn_args {
    const lt_attn_plan *plan;
    int heads, kv_heads, head_dim; /* of this rank; query head h reads kv head h / (heads / kv_heads) */
    float scale;                   /* 1 / sqrt(D) usually */
    const float *slopes;           /* ALiBi: NULL or [heads]: adds slope * (key place - query place); prefix row p lies at place p - P */
    const lt_attn_rel *rel;        /* NULL = none; host struct, device arrays */
    lt_arr q;
    int64_t ld_q; /* [n_q, heads*D] */
    lt_arr k;
    int64_t ld_k; /* [n_k, kv_heads*D] */
    lt_arr v;
    int64_t ld_v;        /* same shape, same stride rules */
    const float *bank;   /* NULL, or the bank at this layer: slot s, k: bank + s*slot_stride; v: + P_max*kv_heads*D */
    int64_t slot_stride; /* elements between slots */
    lt_arr o;            /* fwd out, bwd in [n_q, heads*D], dense */
    float *lse;          /* fwd out, bwd in [n_q, heads]: log of the sum of exponentials */
    lt_arr d_o;          /* bwd in, like o */
    lt_arr dq;
    int64_t ld_dq; /* bwd out, like q */
    lt_arr dk;
    int64_t ld_dk; /* bwd out, like k */
    lt_arr dv;
    int64_t ld_dv;       /* bwd out, like v */
    float *d_bank;       /* bwd: NULL, or += gradient, laid out as the bank's first slots */
    int64_t fixed_slots; /* bwd: the last so many slots have no gradient, and no place in d_bank */
};

/* ---- rows ---- */
struct lt_embed_args {
    int64_t rows, C;
    const int32_t *id;         /* [rows]: token id >= 0, or -(1 + r) for prompt row r */
    const int32_t *pos, *type; /* [rows]; type may be NULL */
    const void *tok;           /* [v1 - v0, C] in dtype tok_dt: this rank's vocabulary rows; other ids give zero */
    lt_dtype tok_dt;
    int64_t v0, v1;
    const float *pos_tab, *type_tab; /* NULL, or [max_pos, C], [types, C] */
    const float *prompt;             /* NULL (rows give zero), or [rows of the prompt bank, C] */
    float scale;                     /* of token rows only (1; Gemma: sqrt(C)) */
    float *x;                        /* fwd out [rows, C] */
    const float *dx;                 /* bwd in [rows, C] */
    float *d_prompt;                 /* bwd += ; rows with equal id add in row order */
};
/* Scores of every word of the table (the tied embedding, or lm_head) for rows of the residual stream:  y[r, v] = <x[r], tok[v]>.  bf16 is defined by its
 * operands: x is rounded to bf16 where tok is bf16.  cpu: the table is read once for 64 rows; up to 16 cost little more than one. */
struct lt_logits_args {
    int64_t rows, C, V, ld_y; /* V: words of this rank */
    const void *tok;          /* [V, C] in tok_dt */
    lt_dtype tok_dt;
    lt_arr x; /* [rows, C] */
    float *y; /* out [rows, V] with row stride ld_y >= V */
};
struct lt_rows_args {
    int64_t rows, C;      /* rows of the small array */
    const int32_t *index; /* [rows] row of the big array; distinct */
    lt_arr big, small;    /* gather: small[i] = big[index[i]];  put: big[index[i]] = small[i];  scatter_add: big[index[i]] += small[i] */
};
/* Neighbours of every row side by side, so that a convolution along the sequence is a linear layer whose matrix lies as in the file, [out][in][kernel]:
 *   y[t, c * kernel + s] = x[t + s - kernel / 2, c], 0 beyond the ends of the row's sequence */
struct lt_unfold_args {
    int64_t rows, n_seq, C;
    int kernel;        /* odd */
    const int32_t *cu; /* [n_seq + 1] rows of sequence i: [cu[i], cu[i + 1]), together all rows */
    lt_arr x;          /* unfold: in [rows, C] */
    lt_arr y;          /* unfold: out, fold: in [rows, C * kernel] */
    float *dx;         /* fold: += [rows, C] the sums of what unfold spread */
};
typedef enum lt_pool_kind { LT_POOL_MEAN, LT_POOL_MAX } lt_pool_kind;
struct lt_pool_args {
    lt_pool_kind kind;
    int64_t n_seq, C;
    const int32_t *row0, *row1; /* [n_seq]: rows [row0, row1) of sequence i are pooled (text rows; prompt rows excluded) */
    const float *x;             /* [T, C] */
    float *out;                 /* fwd out [n_seq, C] */
    int32_t *argmax;            /* MAX: fwd out, bwd in [n_seq, C] */
    const float *dout;          /* bwd in [n_seq, C] */
    float *dx;                  /* bwd out [T, C], rows outside every sequence's range are set to zero */
    int64_t T;
};

/* ---- small trainable matrices, one per segment of rows (heads of many trials; LoRA) ---- */
typedef struct lt_segment {
    int64_t row0, row1; /* rows of x and y */
    const float *w, *b; /* [N, K] with row stride ld_w, and NULL or [N] */
    float *dw, *db;     /* bwd +=, like w and b; NULL = not wanted */
    int64_t N, K;       /* N <= ld_y */
    int64_t ld_w;       /* 0: K */
    float scale;        /* 0 or 1: alpha alone; else alpha * scale (LoRA's alpha / rank of this trial) */
} lt_segment;
struct lt_segment_args {
    const lt_segment *seg; /* [n_seg] host, rows ascending */
    int64_t n_seg;
    lt_arr x;
    int64_t ld_x; /* fwd in, bwd in [rows, K] */
    lt_arr y;
    int64_t ld_y;   /* fwd out [rows, N] */
    int accumulate; /* fwd: y += */
    float alpha;    /* y = alpha x W^T + b; one segment's own factor multiplies it */
    lt_arr dy;      /* bwd in [rows, N], ld_y */
    lt_arr dx;
    int64_t ld_dx; /* bwd: p = NULL or dx = alpha dy W (accumulate: +=) */
};
/* Inverted dropout of the rows of sequences.  Whether an element stays is a function of (key of its sequence, stream, index of its row in the sequence,
 * channel) alone, so neither packing nor ranks change it, and backward finds the same again.  128 channels share 16 Philox blocks of 8 halves: channel c =
 * c0 + j of row i stays when half (c / 16) % 8 (half h: bits 16 * (h % 2) on of word h / 2) of block (i, c / 128 * 16 + c % 16) of (key, LT_RNG_DROPOUT,
 * stream) is at least p * 2^16, rounded. */
struct lt_dropout_args {
    int64_t seq0, seq1, C;
    const int32_t *cu;    /* [seq1 + 1] rows of sequence i: [cu[i], cu[i + 1]) */
    const int32_t *index; /* index of each row in its sequence; NULL: row - cu[i] */
    const uint64_t *key;  /* [seq1] */
    uint32_t stream;      /* what is dropped here: layer and target */
    int64_t c0;           /* channel of column 0 (a rank's share of the columns) */
    float p;              /* 0 <= p < 1 */
    lt_arr x, y;          /* [rows, C]: y = stays ? x / (1 - p) : 0 (accumulate: y += that) */
    int accumulate;
};
struct lt_xent_args {
    int64_t rows, K, ld; /* logits [rows, K] with stride ld */
    const float *logits;
    const int32_t *label; /* [rows]; -100 = ignored: loss 0, gradient 0; none of K: INTERNAL, but on a GPU both are NaN */
    const float *weight;  /* [rows] factor of the gradient (1 / count of the row's trial), or NULL = 1 */
    float *loss;          /* [rows] -log p(label), unweighted */
    float *dlogits;       /* NULL or [rows, K] stride ld: weight * (softmax - onehot) */
};

/* Candidates scored against each other.  Rows come in groups of n, one a candidate; the score of a row is its second logit less its first, the loss of a
 * group that of the softmax over its n scores. */
struct lt_choice_args {
    int64_t groups, n, ld; /* logits [groups * n, 2] with stride ld */
    const float *logits;
    const int32_t *label; /* [groups * n] of a group's first row: the true candidate's place, -100 = ignored: loss 0, gradient 0 */
    const float *weight;  /* [groups * n] of a group's first row: factor of its gradient; or NULL = 1 */
    float *loss;          /* [groups * n] of a group's first row: -log p(label), unweighted; 0 in its others */
    float *dlogits;       /* NULL or [groups * n, 2] stride ld: -g and g, with g = weight * (softmax - onehot) */
};

/* ---- f32 matrix product and optimizer, for trainable state ---- */
struct lt_gemm_args { /* C [M, N] = alpha op(A) op(B) + beta C, row-major, f32 */
    int ta, tb;       /* 1: A is [K, M], B is [N, K] */
    int64_t M, N, K;
    float alpha, beta;
    const float *A;
    int64_t lda;
    const float *B;
    int64_t ldb;
    float *C;
    int64_t ldc;
};
struct lt_sumsq_args { /* out[0] := sum of squares of all arrays, in f64, in list order; NaN and Inf pass through */
    int n;
    const float *const *x; /* [n] host table of device arrays */
    const int64_t *elems;  /* [n] host */
    double *out;           /* device */
};
struct lt_loss_args {      /* sums of the losses of segments of rows, as the step's message carries them */
    const float *loss;     /* [rows] */
    const lt_segment *seg; /* [n_seg] host: rows of each; weights unused */
    const int32_t *place;  /* [n_seg] host: where each adds */
    int64_t n_seg;
    float *out; /* device: out[place] += sum of losses, out[place + 1] += number of losses that are not finite */
};
/* Decoupled decay (Loshchilov & Hutter 2019): p -= lr * (mhat / (sqrt(vhat) + eps) + wd * p), with g scaled so that the norm of all gradients of the trial
 * is at most clip.  Does nothing when the norm or the loss is not finite: the host learns it later, from the same two numbers. */
typedef struct lt_adamw_array {
    int64_t n;
    float *p, *m, *v;
    const float *g;
    float weight_decay;
} lt_adamw_array;
struct lt_adamw_args {
    int n;
    const lt_adamw_array *x; /* [n] host table of device arrays */
    const double *sumsq;     /* device: square of the norm of all gradients; NULL = no clipping, no check */
    const float *loss;       /* device: {sum of losses, number not finite}; NULL = no check */
    float clip;              /* longest norm; 0 = any */
    float lr, beta1, beta2, eps;
    int64_t step; /* 1, 2, ... for the bias correction */
};
struct lt_convert_args { /* y[i] := x[i], rounded where y is bf16 */
    int64_t n;
    lt_arr x, y;
};
struct lt_bias_args { /* y[r] := v (accumulate: +=), rows of a strided array */
    int64_t rows, n, ld;
    const float *v; /* [n] */
    float *y;       /* [rows, n] with row stride ld */
    int accumulate;
};
struct lt_colsum_args { /* sum[j] := sum over r of x[r, j] (accumulate: +=), in row order */
    int64_t rows, n, ld;
    const float *x;
    float *sum; /* [n] */
    int accumulate;
};
struct lt_softmax_args { /* rows of n numbers.  fwd: y = softmax(x), may alias;  bwd: dx = y * (dy - <y, dy>), dx may alias dy */
    int64_t rows, n;
    const float *x;
    float *y;
    const float *dy;
    float *dx;
};

/* The entries of a step, X(name, its arguments).  linear_bwd_x: dx = dy W + resid.  norm_bwd reads x (or x_save passed as x), mean, rstd, w. */
#define LT_OPS_LIST(X)                                                                                                                     \
    X(linear_fwd, lt_linear_args)                                                                                                          \
    X(linear_bwd_x, lt_linear_args)                                                                                                        \
    X(norm_fwd, lt_norm_args)                                                                                                              \
    X(norm_bwd, lt_norm_args)                                                                                                              \
    X(head_norm_fwd, lt_head_norm_args)                                                                                                    \
    X(head_norm_bwd, lt_head_norm_args)                                                                                                    \
    X(act_fwd, lt_act_args)                                                                                                                \
    X(act_bwd, lt_act_args)                                                                                                                \
    X(glu_fwd, lt_act_args)                                                                                                                \
    X(glu_bwd, lt_act_args)                                                                                                                \
    X(rope, lt_rope_args)                                                                                                                  \
    X(attn_fwd, lt_attn_args)                                                                                                              \
    X(attn_bwd, lt_attn_args)                                                                                                              \
    X(embed_fwd, lt_embed_args)                                                                                                            \
    X(embed_bwd, lt_embed_args)                                                                                                            \
    X(logits, lt_logits_args)                                                                                                              \
    X(gather_rows, lt_rows_args)                                                                                                           \
    X(put_rows, lt_rows_args)                                                                                                              \
    X(scatter_add_rows, lt_rows_args)                                                                                                      \
    X(unfold, lt_unfold_args)                                                                                                              \
    X(fold, lt_unfold_args)                                                                                                                \
    X(pool_fwd, lt_pool_args)                                                                                                              \
    X(pool_bwd, lt_pool_args)                                                                                                              \
    X(segment_fwd, lt_segment_args)                                                                                                        \
    X(segment_bwd, lt_segment_args)                                                                                                        \
    X(dropout_rows, lt_dropout_args)                                                                                                       \
    X(xent, lt_xent_args)                                                                                                                  \
    X(choice, lt_choice_args)                                                                                                              \
    X(gemm, lt_gemm_args)                                                                                                                  \
    X(loss_sums, lt_loss_args)                                                                                                             \
    X(convert, lt_convert_args)                                                                                                            \
    X(bias_rows, lt_bias_args)                                                                                                             \
    X(column_sums, lt_colsum_args)                                                                                                         \
    X(softmax_fwd, lt_softmax_args)                                                                                                        \
    X(softmax_bwd, lt_softmax_args)                                                                                                        \
    X(sumsq, lt_sumsq_args)                                                                                                                \
    X(adamw, lt_adamw_args)

struct lt_ops {
    const char *name;
    const lt_gpu *gpu; /* whose memory its arrays are; NULL: the host's */
    bool plain_rows;   /* W stays row-major as loaded, but for E4M3: an lt_lin that points to some of its rows is a layer */
    /* Life of a ctx.  ctx_init: makes handles and caches in ctx->impl; the caller has set ops, threads, compute.  ctx_fini accepts a ctx that was never
     * initialised.  Errors: NOMEM, INTERNAL. */
    lt_status (*ctx_init)(lt_ctx *c);
    void (*ctx_fini)(lt_ctx *c);
    /* Host memory that copies reach at full speed (pinned), zeroed.  host_free accepts NULL.  Errors: NOMEM. */
    lt_status (*host_alloc)(const lt_ctx *c, size_t bytes, const char *what, void **p);
    void (*host_free)(const lt_ctx *c, void *p);
    /* Memory.  alloc: zeroed, 64-byte aligned, device.  free accepts NULL.  Errors: NOMEM, with what it was for and its size. */
    lt_status (*alloc)(const lt_ctx *c, size_t bytes, const char *what, void **p);
    void (*free)(const lt_ctx *c, void *p);
    /* In stream order; strided.  Host memory of a copy must stay as it is (TO_DEVICE) or unread (TO_HOST) until wait(). */
    lt_status (*copy)(const lt_ctx *c, const struct lt_copy_args *a);
    lt_status (*fill)(const lt_ctx *c, void *p, int byte, size_t bytes);
    /* record: a mark behind everything enqueued so far.  wait: the host waits for it (NULL: for everything enqueued).  Errors: INTERNAL, and those of the
     * work waited for. */
    lt_status (*record)(const lt_ctx *c, lt_event *e);
    lt_status (*wait)(const lt_ctx *c, lt_event *e);
    void (*event_fini)(const lt_ctx *c, lt_event *e);
    /* Work that is enqueued again and again with the same arguments: NULL in a table that gains nothing.  What is enqueued between begin and end is
     * recorded and
     * does not run; replay enqueues it as one piece, which finds in memory what lies there then.  In between no wait, no allocation, and no copy from or to
     * host memory that host_alloc did not give.  work_fini accepts what was never recorded.  Errors: those of the device. */
    lt_status (*work_begin)(const lt_ctx *c);
    lt_status (*work_end)(const lt_ctx *c, lt_work *w);
    lt_status (*work_replay)(const lt_ctx *c, const lt_work *w);
    void (*work_fini)(const lt_ctx *c, lt_work *w);
    /* Memory that a collective library owns and the host reads inside its calls: attach makes it device memory for ops and copies; the owner brackets
     * its own access by host_begin (waits for the stream) and host_end.  Page-aligned, whole pages. */
    lt_status (*attach)(const lt_ctx *c, void *p, size_t bytes);
    void (*detach)(const lt_ctx *c, void *p);
    void (*host_begin)(const lt_ctx *c);
    void (*host_end)(const lt_ctx *c);
    /* The same memory as the host may write it at load time, or NULL where there is no such view: the loader then goes by copy(). */
    void *(*host_view)(const lt_ctx *c, void *p, size_t bytes);
    /* Plan time (may allocate).  lin_alloc: takes the memory of W, packing included, from the arena (a measuring arena only counts it) and sets
     * lin->w where the loader writes W [N, K] in lin->dt.  lin_pack: after loading, brings W into its form in place (reorder), or only takes note that
     * another process which shares the memory does so, with the same table, threads and type; frees nothing of the arena.  lin_fini: frees handles.
     * lin_rows: where lin->panel > 0, in place of writing to lin->w and reordering: after lin_pack without reorder, rows [row0, row0 + rows) of W, host,
     * dense [rows, K] in lin->dt, straight into the form; row0 is a multiple of panel, rows too unless they are the last.  Threads may call it at once for
     * different rows.  NULL in a table that gives no panels. */
    size_t (*ws_bytes)(const lt_ctx *c, const lt_dims *d);
    lt_status (*lin_alloc)(const lt_ctx *c, lt_arena *a, int64_t N, int64_t K, lt_lin *lin);
    lt_status (*lin_pack)(const lt_ctx *c, lt_lin *lin, bool reorder);
    lt_status (*lin_rows)(const lt_ctx *c, const lt_lin *lin, int64_t row0, int64_t rows, const void *src);
    void (*lin_fini)(lt_lin *lin);
    /* Load time; NULL in a table whose memory the host writes itself.  Weights on their way from files to the device without a copy on the host: who reads
     * fills a slot, and its content travels while others are filled.  load_begin, load_end: from the master thread; the others from any, several at once.
     *   load_begin  slots of `bytes`
     *   load_take   a slot that is free, of the calling thread until it sends it; waits for one
     *   load_send   the first `bytes` of the slot go to dst, in stream order; bytes = 0: nothing does
     *   load_end    when all is there (it waits), and after a failure too; does nothing where load_begin was not called
     * Errors: NOMEM, those of the device. */
    lt_status (*load_begin)(const lt_ctx *c, size_t bytes);
    lt_status (*load_take)(const lt_ctx *c, void **slot);
    lt_status (*load_send)(const lt_ctx *c, void *slot, void *dst, size_t bytes);
    lt_status (*load_end)(const lt_ctx *c);
    lt_status (*rel_pack)(const lt_ctx *c, const struct lt_rel_pack_args *a);
    /* Plan time; NULL in a table that has one way to compute.  tune: measures the library's ways of these calls' products and keeps the fastest of each; may
     * allocate, waits.  Times vary and ways round differently, so one rank measures for all and a checkpoint keeps what it found: choices writes that
     * as plain bytes (bytes = NULL: only their number), choose takes them from a device of the same kind and a library of the same version, and leaves
     * those of others (*taken = false).  Errors: FORMAT where bytes are damaged; those of the device. */
    lt_status (*tune)(const lt_ctx *c, const struct lt_tune_args *a);
    lt_status (*choices)(const lt_ctx *c, void *bytes, size_t cap, size_t *n);
    lt_status (*choose)(const lt_ctx *c, const void *bytes, size_t n, bool *taken);
    /* Step time. */
#define LT_OPS_ENTRY(name, args) lt_status (*name)(const lt_ctx *c, const struct args *a);
    LT_OPS_LIST(LT_OPS_ENTRY)
#undef LT_OPS_ENTRY
};

/* Local.  The f64 truth.  Slow; tests only. */
const lt_ops *lt_ops_ref(void);
/* Local.  The fast CPU back end, of the level that cpu.h chooses. */
const lt_ops *lt_ops_cpu(void);

/* Local.  For tests: the computations of `cpu` over memory that host code cannot touch (mprotect), so that whatever reaches device arrays behind the back of
 * the table dies at once.  One address space a process; calls from one thread. */
const lt_ops *lt_ops_guard(void);

/* Local.  GPUs, and the same kernels executed on the CPU; NULL where the build has none. */
const lt_ops *lt_ops_cuda(void);
const lt_ops *lt_ops_cuda_emulated(void);

/* Local.  A back end by name: "cpu" (also for NULL), "cuda", "cuda-emulated", "guard", "ref"; NULL for others and those that were not built. */
const lt_ops *lt_ops_by_name(const char *name);

/* Helpers over a ctx's table.
 * Local.  Copies of dense arrays; TO_HOST ends with a wait.  Errors: as the entries. */
lt_status lt_ctx_upload(const lt_ctx *c, void *device, const void *host, size_t bytes);
lt_status lt_ctx_download(const lt_ctx *c, void *host, const void *device, size_t bytes);
/* Local.  An arena over device memory (what lt_arena_init is over host memory), and its end; accepts a zeroed or measuring arena.  Errors: NOMEM. */
lt_status lt_ctx_arena_init(const lt_ctx *c, lt_arena *a, const char *purpose, size_t bytes);
void lt_ctx_arena_fini(const lt_ctx *c, lt_arena *a);
/* Local.  Lets the host's access in all-reduces of an attached buffer go through the table's host_begin and host_end.  c must outlive the buffer. */
void lt_ctx_hook_buffer(const lt_ctx *c, lt_buffer *b);

#ifdef __cplusplus
}
#endif
