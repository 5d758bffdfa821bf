#pragma once
/* Private to the model room: the structs behind lt_model. */

#include "base/log.h"
#include "comm/bcast.h"
#include "model/family_impl.h"
#include "model/model.h"
#include "store/safetensors.h"

/* Branches of a block and places of a branch's norms. */
enum { LT_ATTN, LT_FFN };
enum { LT_IN, LT_OUT, LT_AFTER };

typedef struct lt_norm_weights {
    const float *w, *b; /* [C] device; b = NULL: none */
} lt_norm_weights;

/* One transformer block on this rank. */
typedef struct lt_block {
    lt_lin qkv;                 /* [Hl*D + 2*Hkvl*D, C]: queries, keys, values; N = 0: the back end keeps q and kv apart */
    lt_lin q;                   /* [Hl*D, C]; with qkv: its first rows */
    lt_lin kv;                  /* [2*Hkvl*D, C]: keys, then values; with qkv: its last rows */
    lt_lin o;                   /* [C, Hl*D] */
    lt_lin up;                  /* [Fl, C], or [2*Fl, C] as gate then up */
    lt_lin down;                /* [C, Fl] */
    lt_norm_weights norm[2][3]; /* by branch and place */
    float *q_norm, *k_norm;     /* [D] */
    lt_lin pos_k, pos_q;        /* [Hl*D, C]; N = 0: none */
    lt_attn_rel rel;            /* constants of the layer, planned with the activations, filled when loading ends */
    int plan;                   /* which of the model's masks */
} lt_block;

/* Rows that a norm reads and its statistics. */
typedef struct lt_norm_saved {
    float *x, *mean, *rstd; /* [T, C], [T] x 2 */
} lt_norm_saved;

/* What backward needs of one block.  Without backward all blocks share one set.  norm[b][LT_IN].x is also where the running sum that branch b reads lies
 * when the stream is f32. */
typedef struct lt_saved {
    lt_norm_saved norm[2][3];
    lt_arr in[2]; /* [T, C] what the branch's body reads, where that is not the f32 stream; of this block alone if adapters want it */
    lt_arr q;     /* [n_q, Hl*D] after rotation; lt_model_impl_qkv() says how it lies */
    lt_arr kv;    /* [T, 2*Hkvl*D] after rotation */
    lt_arr o;     /* [n_q, Hl*D] attention output */
    float *lse;   /* [n_q, Hl] */
    lt_arr u;     /* [n_q, Fl or 2*Fl] before the activation */
    lt_arr q_raw, k_raw;    /* with qk_norm: [n_q, Hl*D], [T, Hkvl*D] before it */
    float *q_rstd, *k_rstd; /* [n_q, Hl], [T, Hkvl] */
} lt_saved;

/* q [n_q, Hl*D] and kv [T, 2*Hkvl*D] of a layer, or their gradients, with row strides. */
typedef struct lt_qkv {
    lt_arr q, kv;
    int64_t ld_q, ld_kv;
} lt_qkv;

/* Where one whole tensor of the file goes on this rank. */
typedef struct lt_weight {
    char name[LT_NAME_BYTES];
    int n_dims;
    int64_t dim[3];                 /* whole shape expected in the file */
    int64_t row0, rows, col0, cols; /* this rank's rectangle of [out, in]; vectors: cols = 1 */
    void *dst;                      /* [rows, cols] in dt */
    lt_lin *lin;                    /* a matrix: whose rows from `at` on these are; else NULL */
    int64_t at;
    lt_dtype dt;
    bool transposed, plus_one; /* the file has [in, out]; 1 is added */
    const lt_st_tensor *src;   /* NULL: not looked up yet */
} lt_weight;

/* A mask that some layers share, as key intervals of the query rows; all of the pack's rows, and of the rows that are read out. */
typedef struct lt_mask {
    lt_layer kind;            /* rope unused */
    lt_attn_plan all, picked; /* host structs, device arrays */
} lt_mask;
enum { LT_MAX_MASKS = 8 };

/* The pack on the device: one block of int32, uploaded once (plan.c). */
typedef struct lt_device_pack {
    int32_t *host[2], *device; /* [words] staging, in turn, and block */
    lt_event sent[2];          /* the copy from each */
    int turn;
    int64_t words;
    const int32_t *id, *pos, *type, *text0, *row1; /* device: [T] x 3, [n_seq] x 2 (first text row, end) */
    const int32_t *cu;                             /* device: [n_seq + 1] */
    const int32_t *pick_row, *pick_pos;            /* device: [n_seq] read-out row, its position */
    const int32_t *cached;                         /* device: [T] row of the cache; with a cache only */
    const int32_t *target;                         /* device: [read-out rows] */
    const float *weight;
    const int32_t *read_cu; /* device: [n_seq + 1] rows that are read out of each sequence */
    const uint64_t *key;    /* device: [n_seq] */
} lt_device_pack;

/* Keys and values of earlier rows; see generate.h. */
struct lt_cache {
    const lt_model *m; /* borrowed */
    int64_t seqs, room;
    int64_t layer_elems; /* of a layer: [seqs * room, 2*Hkvl*D] */
    void *kv;            /* [m] layers, device, in ctx.compute */
};

/* A sum over the tp group that is under way, and what its end needs. */
typedef struct lt_open {
    int layer, branch;
    int64_t rows;
    float *sum;
    lt_arr x;        /* forward: the stream before the branch */
    const float *g1; /* backward: what goes to the branch's input beside the sum */
    bool pick, backward;
} lt_open;

/* A gradient of norm_bwd in the type that products read. */
typedef struct lt_low {
    const float *of;
    lt_arr rows; /* [T, C] bf16 */
    bool is;     /* it is what `of` is */
} lt_low;

struct lt_model {
    lt_arch arch;
    lt_grid *grid;
    lt_ctx ctx;
    lt_st *st;
    char fingerprint[LT_SHA_HEX_BYTES];
    int Hl, Hkvl, h_first, kv_first; /* heads of this rank (cut.h) */
    int64_t Fl, f_first, v0, v1;     /* feed-forward columns, vocabulary rows of this rank */
    /* weights */
    lt_arena weights;
    size_t weights_bytes, left_to_pack; /* load time: bytes of matrices that are packed when they are there as a whole */
    lt_shared *shared;                  /* where they lie when the dp ranks of the node have one copy together; else NULL */
    lt_bcast *handout;                  /* load time: by which dp ranks on GPUs give each other what each has read; else NULL */
    lt_weight *weight;
    int64_t n_weights, max_weights;
    int64_t places;  /* numbers of this rank that the file must give */
    void *tok;       /* [v1 - v0, C] in ctx.compute */
    bool with_head;  /* rows are made scores: generation */
    bool one_qkv;    /* blocks have qkv where their matrices are not E4M3 */
    bool e4m3;       /* matrices of the blocks in E4M3 (model.dtype: fp8) ... */
    int keep_blocks; /* ... but of so many blocks at either end */
    void *head;      /* [v1 - v0, C] in ctx.compute: the output matrix; tok where it is the same */
    float *pos_tab, *type_tab;
    lt_norm_weights embed_norm, final_norm;
    float *rel_tab; /* [2 * span, C] */
    lt_norm_weights rel_norm, conv_norm;
    lt_lin conv;     /* [C, C * kernel] */
    lt_block *block; /* [m] */
    lt_lin pooler;
    bool has_pooler;
    lt_mask mask[LT_MAX_MASKS];
    int n_masks;
    /* activations, sized by limits */
    lt_model_limits limits;
    lt_arena acts;
    size_t acts_bytes, comm_bytes;
    size_t pass_from, pass_to; /* of acts: what only a pass writes, free between two */
    lt_dtype stream_dt;
    lt_device_pack dev;
    lt_saved *saved;              /* [m] */
    float *cos_sin[LT_MAX_ROPES]; /* [positions][rot] */
    float *slopes;                /* [Hl] ALiBi */
    lt_norm_saved embed_saved, final_saved, conv_saved;
    lt_arr conv_u, conv_y; /* [T, C * kernel] unfolded rows, forward and backward; [T, C] their product before the activation */
    float *conv_g;         /* [T, C] */
    lt_buffer *buf[2];     /* [T, C] f32: partial sums of the tp group, in turn */
    int side;              /* which of them the next sum takes */
    bool bf16_sums;        /* sums inside blocks travel as bf16 */
    lt_arr onto;           /* what the next of these sums is added to */
    lt_open open;
    lt_model *half[2]; /* the same model with activations for half a pack each, NULL = packs go through whole; halves.c */
    int overlap;       /* LT_OVERLAP_* */
    float *rows_all;   /* [T, C] read-out rows of both halves */
    lt_pack half_pack[2];
    lt_forward_args half_args[2];                      /* of the pass under way */
    int n_halves;                                      /* that it takes: 1 or 2; 0 where there are none */
    lt_arr in[2];                                      /* [T, C] inputs of branches that no block keeps for itself */
    lt_arr h;                                          /* [T, Fl] activation */
    lt_arr pick, pick_x;                               /* [B, C] gathered rows of the last layer: of the branch's input, of the stream */
    float *g_after, *g_out, *g_sum, *g_x[2], *g_small; /* [T, C] gradients; g_small [B, C] */
    lt_low low[4];                                     /* of g_x, g_after and g_out in bf16, where products multiply that */
    lt_arr dh, d_o, dq, dkv;                           /* [T, Fl], [T, Hl*D] x 2, [T, 2*Hkvl*D]; the last two lie as q and kv */
    float *rows_out, *pooled, *pool_u, *d_rows;        /* [T, C], [B, C] x 2, [T, C] */
    float *logits;                                     /* [limits.scored, v1 - v0] */
    int32_t *argmax;                                   /* [B, C] */
    const lt_forward_args *args;                       /* of the pass under way */
    bool keep;                                         /* the forward under way keeps what backward reads */
    /* adapters */
    lt_segment *segment;           /* [seqs] host */
    lt_arr lora_x;                 /* [T, widest] dropped rows, room for either type */
    float *lora_t, *lora_dt;       /* [T, max_rank] */
    unsigned targets;              /* of the pass under way, as bits */
    lt_gpu_timer *timer;           /* borrowed; NULL: ops are timed by the host's clock */
    double host_s[LT_TIMED_KINDS]; /* which adds up here */
};

/* Runs an op inside a step: a failure is a bug and fatal, for other ranks wait in a collective. */
#define LT_OP(m, name, ...)                                                                                                                \
    do {                                                                                                                                   \
        lt_status st_op_ = (m)->ctx.ops->name(&(m)->ctx, __VA_ARGS__);                                                                     \
        if (st_op_ != LT_OK) {                                                                                                             \
            lt_err_trace(st_op_, __FILE__, __LINE__, __func__);                                                                            \
            lt_fatal((m)->grid->world, st_op_);                                                                                            \
        }                                                                                                                                  \
    } while (0)

/* An op that is timed begins (the host's clock then), and has been called. */
static inline double lt_model_impl_timed_begin(lt_model *m, lt_timed kind) {
    if (!m->timer) return lt_time_s();
    lt_status st = lt_gpu_timer_begin(m->timer, kind, m->ctx.stream);
    if (st != LT_OK) lt_fatal(m->grid->world, st);
    return 0;
}
static inline void lt_model_impl_timed_end(lt_model *m, lt_timed kind, double t0) {
    if (!m->timer) {
        m->host_s[kind] += lt_time_s() - t0;
        return;
    }
    lt_status st = lt_gpu_timer_end(m->timer, kind, m->ctx.stream);
    if (st != LT_OK) lt_fatal(m->grid->world, st);
}

/* The same as LT_OP for the ops that are timed, as LT_TIMED_kind. */
#define LT_OP_TIMED(m, kind, name, ...)                                                                                                    \
    do {                                                                                                                                   \
        double t0_op_ = lt_model_impl_timed_begin(m, LT_TIMED_##kind);                                                                     \
        LT_OP(m, name, __VA_ARGS__);                                                                                                       \
        lt_model_impl_timed_end(m, LT_TIMED_##kind, t0_op_);                                                                               \
    } while (0)

/* model.c: lt_model_create with an architecture that is given; NULL = as config.json says.  Tests make models of any shape with it. */
lt_status lt_model_impl_create(const char *dir, lt_grid *grid, const lt_model_options *opt, const lt_arch *arch, lt_model **model);
/* model.c: this rank's share of m->arch under m->grid, and the size of its weights; m->st is open. */
lt_status lt_model_impl_prepare(lt_model *m);
/* shard.c: lists every tensor with its place, taking memory from m->weights (measuring or real). */
lt_status lt_model_impl_shard(lt_model *m);
/* shard.c: finds every listed tensor in the file and checks its shape. */
lt_status lt_model_impl_match(lt_model *m);
/* shard.c: is the family's tensor for this part in the file? */
bool lt_model_impl_in_file(const lt_model *m, lt_part part);
/* ignored.c: a line for each kind of tensors of the file that no listed rectangle is of; all have been found.  Errors: NOMEM. */
lt_status lt_model_impl_print_ignored(const lt_model *m, FILE *out);
/* shard.c: can the model say a next word?  Errors: CONFIG (lt_arch_check_writes), FORMAT (no output matrix, or one that is not supported). */
lt_status lt_model_impl_check_head(const lt_model *m);
/* cache.c: keys and values of a layer in the cache, [rows, 2*Hkvl*D]; this forward's, saved.kv, to their rows there. */
lt_arr lt_model_impl_cached(const lt_model *m, int layer);
void lt_model_impl_cache_rows(lt_model *m, int layer);
/* load.c.  Local.  STOPPED if a signal came to this rank: loading ends with the next agreement. */
lt_status lt_model_impl_check_stop(void);
/* load.c.  Collective(dp) where the copy is shared.  Accepts a model without weights. */
void lt_model_impl_drop_weights(lt_model *m);
/* acts.c: carves the activations from m->acts (measuring or real). */
void lt_model_impl_carve(lt_model *m);
/* positions.c: rotary angles and ALiBi's slopes onto the device. */
lt_status lt_model_impl_fill_positions(lt_model *m);
/* plan.c: the masks that the layers need. */
lt_status lt_model_impl_find_masks(lt_model *m);
/* plan.c: words of the block that the largest pack takes; uploads a pack with its plans. */
int64_t lt_model_impl_pack_words(const lt_model *m);
void lt_model_impl_upload(lt_model *m, const lt_forward_args *a);
/* True if one row of each sequence is read out. */
static inline bool lt_model_impl_one_row(lt_readout r) { return r == LT_READ_FIRST || r == LT_READ_CLS || r == LT_READ_LAST; }

/* In this layer only the read-out rows go past the keys and values. */
static inline bool lt_model_impl_picks(const lt_model *m, int layer) {
    return layer == m->arch.m - 1 && lt_model_impl_one_row(m->args->readout) && !m->args->hidden;
}

/* Does one product make, or take, q and kv?  Not where queries are of few rows. */
static inline bool lt_model_impl_one_qkv(const lt_model *m, int layer, bool pick) { return m->block[layer].qkv.N > 0 && !pick; }

/* How q and kv, or their gradients, lie: each dense at its place, or, of one product, side by side from q's place on, where there is room for both. */
static inline lt_qkv lt_model_impl_qkv(const lt_model *m, int layer, bool pick, lt_arr q, lt_arr kv) {
    int64_t hd = (int64_t)m->Hl * m->arch.D, kd2 = 2 * (int64_t)m->Hkvl * m->arch.D;
    if (!lt_model_impl_one_qkv(m, layer, pick)) return (lt_qkv){q, kv, hd, kd2};
    return (lt_qkv){q, lt_arr_at(q, hd), hd + kd2, hd + kd2};
}

/* block.c: q and the k of kv of a layer, or their gradients, turned by their positions; inverse: back. */
void lt_model_impl_rotate(lt_model *m, int layer, bool pick, const lt_qkv *x, int inverse);
/* forward.c: a forward in two: what changes from pack to pack of one shape (the packs are cut and uploaded; how many parts), and the device's work
 * (m->args). */
int lt_model_impl_forward_begin(lt_model *m, const lt_forward_args *a, lt_model *part[2]);
void lt_model_impl_forward_compute(lt_model *m, lt_model *const part[2], int parts, lt_readout_rows *out);
/* block.c, block_bwd.c: one block, in stages; each leaves a sum over the tp group under way (m->open), which the end of the branch waits for.
 * pick: the last block, of which only the read-out rows go on.
 *   attention_begin     x: the stream before the block [T, C]; a parallel block is whole with it
 *   feed_forward_begin  x: the stream behind attention [rows, C]; of blocks that are not parallel
 *   branch_end          returned: the stream behind the branch */
void lt_model_impl_attention_begin(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick, lt_arr x);
void lt_model_impl_feed_forward_begin(lt_model *m, int layer, int64_t rows, lt_arr x);
lt_arr lt_model_impl_branch_end(lt_model *m);
/*   bwd_first, bwd_second   grad: of the rows that the block put out; the second begins with the end of the first's sum
 *   branch_bwd_end          returned: gradient of the rows before the branch [T, C]; NULL if no sum was begun (nothing below is wanted) */
void lt_model_impl_block_bwd_first(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick, bool below,
                                   const float *grad);
void lt_model_impl_block_bwd_second(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick, bool below);
float *lt_model_impl_branch_bwd_end(lt_model *m, const lt_pack *pack);
/* halves.c: packs in two halves.  wants: whether this model, planned so, is to; create: the halves without memory (errors: NOMEM); their end. */
bool lt_model_impl_wants_halves(const lt_model *m);
int64_t lt_model_impl_half_rows(const lt_model *m);
lt_status lt_model_impl_halves_create(lt_model *m);
/* halves.c: their sizes, from m->limits; what they hold on the host.  Errors: NOMEM. */
void lt_model_impl_halves_limit(lt_model *m);
lt_status lt_model_impl_halves_plan(lt_model *m);
void lt_model_impl_halves_destroy(lt_model *m);
/* halves.c: the models that a pass goes through, with its arguments (part->args): m itself, or one or two halves; how many.  again: of the pass before. */
int lt_model_impl_parts(lt_model *m, const lt_forward_args *args, lt_model *part[2]);
int lt_model_impl_parts_again(lt_model *m, lt_model *part[2]);
/* model.c: comm buffers and staging of a model or a half (Collective(tp)); their end (accepts what was never made). */
lt_status lt_model_impl_passes_init(lt_model *m);
void lt_model_impl_passes_fini(lt_model *m);
/* attention.c: attention of one block, forward into saved.o, backward from m->d_o into m->dq, m->dkv and the bank. */
void lt_model_impl_attn_fwd(lt_model *m, int layer, const lt_bank *bank, bool pick);
void lt_model_impl_attn_bwd(lt_model *m, int layer, const lt_bank *bank, bool pick);

/* relative.c: takes room for the constants of all layers from m->acts; fills it (weights are there).  Errors: NOMEM, INTERNAL. */
void lt_model_impl_carve_relative(lt_model *m);
lt_status lt_model_impl_fill_relative(lt_model *m);

/* conv.c: room; the convolution of the embeddings x [T, C]; its sum with the first block's rows y, normed, where y lies. */
void lt_model_impl_carve_conv(lt_model *m);
void lt_model_impl_conv_fwd(lt_model *m, const lt_pack *pack, lt_arr x);
void lt_model_impl_conv_join(lt_model *m, const lt_pack *pack, lt_arr y);
/* conv.c: from the gradient of the joined rows that of the first block's; then, wanted below only, adds to dx what reaches the embeddings. */
const float *lt_model_impl_conv_split(lt_model *m, const lt_pack *pack, bool below, const float *grad);
void lt_model_impl_conv_bwd(lt_model *m, const lt_pack *pack, float *dx);

/* adapter.c: targets (bits) that some trial of the pack has adapters for. */
unsigned lt_model_impl_targets(const lt_forward_args *args);
/* adapter.c: the trials' low-rank update of one target, y += scale (drop(x) A^T) B^T, in the pass under way; nothing if no trial has one.
 *   x [rows, K of the target] dense;  y [rows, N] with row stride ld_y */
void lt_model_impl_adapt(lt_model *m, int layer, lt_target t, lt_arr x, lt_arr y, int64_t ld_y);
/* adapter.c: from dy, gradients of A and B, and dx += (dx.p NULL: not wanted). */
void lt_model_impl_adapt_bwd(lt_model *m, int layer, lt_target t, lt_arr x, lt_arr dy, int64_t ld_dy, lt_arr dx);

static inline bool lt_model_impl_has_norm(const lt_arch *a, int branch, int place) {
    return a->norms & (1 << place) && !(branch == LT_FFN && place == LT_IN && a->parallel && a->shared_in);
}
/* What the forward under way writes for a layer. */
static inline lt_saved *lt_model_impl_saved(lt_model *m, int layer) { return &m->saved[m->keep ? layer : 0]; }
/* Does the body of a branch read rows of its own, or the f32 stream where it lies? */
static inline bool lt_model_impl_has_in(const lt_model *m) { return (m->arch.norms & LT_NORM_IN) || m->stream_dt != LT_F32; }
/* Where a partial sum of the tp group is written: `alone` on one rank, a comm buffer on several, where the one before stays readable. */
static inline float *lt_model_impl_sum(lt_model *m, float *alone) {
    if (m->grid->tp_size == 1) return alone;
    m->side ^= 1;
    return lt_buffer_data(m->buf[m->side]);
}
/* The partial sums [rows, C] written there are summed over the group: begins; has come.  Those of embeddings stay f32: rows of trained prompts are among them,
 * which no rounding may hide the last change of. */
static inline void lt_model_impl_sum_begin_f32(lt_model *m, int64_t rows) {
    if (m->grid->tp_size > 1) lt_allreduce_begin(m->buf[m->side], 0, rows * m->arch.C, m->ctx.stream);
}
static inline void lt_model_impl_sum_begin(lt_model *m, int64_t rows) {
    if (!m->bf16_sums) {
        lt_model_impl_sum_begin_f32(m, rows);
        return;
    }
    lt_allreduce_bf16_begin(m->buf[m->side], rows * m->arch.C, m->onto, m->ctx.stream);
    m->onto = (lt_arr){0};
}
static inline void lt_model_impl_sum_end(lt_model *m) {
    if (m->grid->tp_size > 1) lt_allreduce_end(m->buf[m->side], m->ctx.stream);
}
static inline void lt_model_impl_reduce_f32(lt_model *m, int64_t rows) {
    lt_model_impl_sum_begin_f32(m, rows);
    lt_model_impl_sum_end(m);
}
/* A term [rows, C] that a sum has once, as the residual of this rank's partial sum: present on tp rank 0, absent elsewhere; nowhere where sums travel as bf16,
 * which are added to it instead, so that it is not rounded. */
static inline lt_arr lt_model_impl_once(lt_model *m, lt_arr term) {
    if (m->bf16_sums) m->onto = term;
    return (lt_arr){m->grid->tp_rank == 0 && !m->bf16_sums ? term.p : NULL, term.dt};
}
/* y = norm(x) + resid of some rows; x is kept in saved->x for backward unless it lies there. */
static inline void lt_model_impl_norm(lt_model *m, const lt_norm_weights *w, const lt_norm_saved *s, int64_t rows, const float *x, lt_arr y,
                                      lt_arr resid) {
    LT_OP(m, norm_fwd,
          &(struct lt_norm_args){.kind = m->arch.norm,
                                 .rows = rows,
                                 .C = m->arch.C,
                                 .x = x,
                                 .w = w->w,
                                 .b = w->b,
                                 .eps = m->arch.eps,
                                 .y = y,
                                 .resid = resid,
                                 .x_save = m->keep && x != s->x ? s->x : NULL,
                                 .mean = s->mean,
                                 .rstd = s->rstd});
}
/* The place of dx in bf16, NULL where there is none. */
static inline lt_low *lt_model_impl_low(lt_model *m, const float *dx) {
    for (int i = 0; i < 4; i++)
        if (dx && m->low[i].of == dx) return &m->low[i];
    return NULL;
}
/* dx as products read it: rounded by norm_bwd, or as it is. */
static inline lt_arr lt_model_impl_operand(lt_model *m, const float *dx) {
    const lt_low *low = lt_model_impl_low(m, dx);
    return low && low->is ? low->rows : lt_arr_f32((float *)(uintptr_t)dx);
}
/* Something else has been written to dx. */
static inline void lt_model_impl_changed(lt_model *m, const float *dx) {
    lt_low *low = lt_model_impl_low(m, dx);
    if (low) low->is = false;
}
/* dx = norm'(dy) + dres. */
static inline void lt_model_impl_norm_bwd(lt_model *m, const lt_norm_weights *w, const lt_norm_saved *s, int64_t rows, const float *dy,
                                          const float *dres, float *dx) {
    lt_low *low = lt_model_impl_low(m, dx);
    if (low) low->is = true;
    LT_OP(m, norm_bwd,
          &(struct lt_norm_args){.kind = m->arch.norm,
                                 .rows = rows,
                                 .C = m->arch.C,
                                 .x = s->x,
                                 .w = w->w,
                                 .mean = s->mean,
                                 .rstd = s->rstd,
                                 .dy = lt_arr_f32((float *)(uintptr_t)dy),
                                 .dres = dres,
                                 .dx = dx,
                                 .dx_low = low ? low->rows : (lt_arr){0}});
}
