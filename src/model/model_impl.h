#pragma once
/* Private to the model room: the structs behind lt_model. */

#include "base/log.h"
#include "model/model.h"
#include "store/safetensors.h"

/* One transformer block on this rank.  BERT: norm1 follows attention, norm2 the feed-forward; LLaMA: norm1 precedes attention, norm2 the feed-forward. */
typedef struct lt_block {
    lt_lin q;                                           /* [Hl*D, C] */
    lt_lin kv;                                          /* [2*Hkvl*D, C]: keys, then values */
    lt_lin o;                                           /* [C, Hl*D] */
    lt_lin up;                                          /* [Fl, C], or [2*Fl, C] as gate then up */
    lt_lin down;                                        /* [C, Fl] */
    const float *norm1_w, *norm1_b, *norm2_w, *norm2_b; /* [C] */
    int causal;
} lt_block;

/* What backward needs of one block.  Without backward all blocks share one set. */
typedef struct lt_saved {
    lt_arr q;       /* [n_q, Hl*D] after rotation */
    lt_arr kv;      /* [T, 2*Hkvl*D] after rotation */
    lt_arr o;       /* [n_q, Hl*D] attention output */
    float *lse;     /* [n_q, Hl] */
    lt_arr u;       /* [n_q, Fl or 2*Fl] before the activation */
    float *x1, *x2; /* [T, C], [n_q, C]: inputs of norm1 (BERT: [n_q, C]) and norm2 */
    float *mean1, *rstd1, *mean2, *rstd2;
} lt_saved;

/* Where one whole tensor of the file goes on this rank. */
typedef struct lt_weight {
    char name[LT_NAME_BYTES];
    int n_dims;
    int64_t dim[2];                 /* whole shape expected */
    int64_t row0, rows, col0, cols; /* this rank's rectangle; vectors: cols = 1 */
    void *dst;                      /* [rows, cols] in dt */
    lt_dtype dt;
    const lt_st_tensor *src; /* NULL: optional and absent */
} lt_weight;

struct lt_model {
    lt_arch arch;
    lt_grid *grid;
    lt_ctx ctx;
    lt_st *st;
    char fingerprint[LT_SHA_HEX_BYTES];
    int Hl, Hkvl, kv_first; /* heads of this rank */
    int64_t Fl, v0, v1;     /* feed-forward columns, vocabulary rows of this rank */
    /* weights */
    lt_arena weights;
    size_t weights_bytes;
    lt_weight *weight;
    int n_weights, max_weights;
    void *tok; /* [v1 - v0, C] in ctx.compute */
    float *pos_tab, *type_tab;
    const float *embed_norm_w, *embed_norm_b, *final_norm_w;
    lt_block *block; /* [m] */
    lt_lin pooler;
    bool has_pooler;
    /* activations, sized by limits */
    lt_model_limits limits;
    lt_arena acts;
    size_t acts_bytes, comm_bytes;
    lt_saved *saved;                          /* [m] */
    float *cos_sin;                           /* [positions][D] */
    float *embed_x, *embed_mean, *embed_rstd; /* BERT: input of the embedding norm */
    float *final_x, *final_mean, *final_rstd; /* LLaMA: input of the final norm, [T, C] */
    lt_buffer *buf[2];                        /* [T, C] f32: partial sums of the tp group */
    lt_arr x, n, x1, h;      /* transient rows, activation type: BERT's stream, LLaMA's norm output, second norm output [T, C]; [T, Fl] */
    float *res;              /* LLaMA: the residual stream where it lies now, [T, C] */
    lt_arr pick;             /* [B, C] gathered rows of the last layer */
    float *pick_res;         /* [B, C] LLaMA: the same rows of the residual stream */
    float *g0, *g1, *g2;     /* [T, C] gradients */
    const float *grad;       /* gradient of the rows that the next block down put out */
    lt_arr dh, d_o, dq, dkv; /* [T, Fl], [T, Hl*D] x 2, [T, 2*Hkvl*D] */
    float *rows_out, *pooled, *pool_u, *d_rows;          /* [T, C], [B, C] x 2, [T, C] */
    int32_t *argmax;                                     /* [B, C] */
    int32_t *pick_row, *pick_index, *pick_pos, *pick_cu; /* read-out rows: row, index in its sequence, position; [B], cu [B + 1] */
    /* of the last forward */
    lt_attn_plan plan_all, plan_pick;
    lt_model_times times;
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

/* The same for the ops that are timed: adds to m->times.clock. */
#define LT_OP_TIMED(m, clock, name, ...)                                                                                                   \
    do {                                                                                                                                   \
        double t0_op_ = lt_time_s();                                                                                                       \
        LT_OP(m, name, __VA_ARGS__);                                                                                                       \
        (m)->times.clock += lt_time_s() - t0_op_;                                                                                          \
    } while (0)

/* model.c: this rank's share of m->arch under m->grid, and the size of its weights; m->st is open. */
lt_status lt_model_impl_prepare(lt_model *m);
/* shard.c: lists every tensor with its place, taking memory from m->weights (measuring or real). */
lt_status lt_model_impl_shard(lt_model *m);
/* shard.c: finds every listed tensor in the file and checks its shape. */
lt_status lt_model_impl_match(lt_model *m);
/* acts.c: carves the activations from m->acts (measuring or real). */
void lt_model_impl_carve(lt_model *m);

/* block_post.c (BERT): m->x -> m->x.  block_pre.c (LLaMA): m->res -> m->res.  pick: the last block, of which only the read-out rows go on. */
void lt_model_impl_post_fwd(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick);
void lt_model_impl_pre_fwd(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick);
/* m->grad: gradient of the block's output rows -> gradient of its input rows [T, C] (only if below is set). */
void lt_model_impl_post_bwd(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick, bool below);
void lt_model_impl_pre_bwd(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick, bool below);
/* attention.c: attention of one block, forward into saved[layer].o, backward from m->d_o into m->dq, m->dkv and the bank. */
void lt_model_impl_attn_fwd(lt_model *m, int layer, const lt_bank *bank, bool pick);
void lt_model_impl_attn_bwd(lt_model *m, int layer, const lt_bank *bank, bool pick);
/* Where a partial sum of the tp group is written: `alone` on one rank, a comm buffer on several. */
static inline float *lt_model_impl_sum(lt_model *m, int which, float *alone) {
    return m->grid->tp_size == 1 ? alone : (float *)lt_buffer_data(m->buf[which]);
}
/* Completes the partial sums [rows, C] written there. */
static inline void lt_model_impl_reduce(lt_model *m, int which, int64_t rows) {
    if (m->grid->tp_size > 1) lt_allreduce(m->buf[which], 0, rows * m->arch.C, m->ctx.stream);
}
/* A term that the partial sums carry once: present on tp rank 0, absent elsewhere. */
static inline lt_arr lt_model_impl_once(const lt_model *m, lt_arr term) { return (lt_arr){m->grid->tp_rank == 0 ? term.p : NULL, term.dt}; }
/* Place for a copy that backward needs of x when x lies in a comm buffer; NULL if x lies in `save` already or nothing is kept. */
static inline float *lt_model_impl_keep(const lt_model *m, const float *x, float *save) {
    return m->limits.backward && x != save ? save : NULL;
}
