/* `prefix` (Li and Liang 2021; P-tuning v2): P trainable keys and values in every layer, the same for every input; K-way head.
 *
 *   direct   prefix.rows [P, m*2*Hkv*D], a row holds [m][k|v][Hkv][D] of one position (PEFT's layout)
 *   mlp > 0  rows = W2 tanh(W1 e + b1) + b2 with prefix.embedding e [P, C], W1 [mlp, C], W2 [m*2*Hkv*D, mlp] (PEFT's prefix_projection)
 *
 * Keys enter attention as they are: the prefix is not rotated. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS = 0 };                              /* direct */
enum { EMBEDDING, W1, B1, W2, B2, MLP_PARAMS }; /* reparametrised */

static lt_status plan(lt_tuner *t) {
    int64_t E = lt_tuner_impl_row_elems(t->arch), mlp = t->cfg->mlp, C = t->arch->C;
    t->n_out = t->labels->K;
    t->P = t->cfg->length;
    t->n_slots = 1;
    t->init = t->cfg->init == LT_INIT_AUTO ? (mlp ? LT_INIT_RANDOM : LT_INIT_VOCAB) : t->cfg->init;
    if (mlp == 0) return lt_tuner_impl_add_param(t, "prefix.rows", LT_PARAM_PLAIN, 2, t->P, E, 0);
    LT_CHECK(t->init == LT_INIT_RANDOM, LT_ERR_CONFIG, "method.mlp = %d starts from random values: leave method.init at auto or random",
             t->cfg->mlp);
    LT_TRY(lt_tuner_impl_add_param(t, "prefix.embedding", LT_PARAM_PLAIN, 2, t->P, C, 0));
    LT_TRY(lt_tuner_impl_add_param(t, "prefix.mlp.0.weight", LT_PARAM_PLAIN, 2, mlp, C, 0));
    LT_TRY(lt_tuner_impl_add_param(t, "prefix.mlp.0.bias", LT_PARAM_PLAIN, 1, mlp, 0, 0));
    LT_TRY(lt_tuner_impl_add_param(t, "prefix.mlp.2.weight", LT_PARAM_PLAIN, 2, E, mlp, 0));
    LT_TRY(lt_tuner_impl_add_param(t, "prefix.mlp.2.bias", LT_PARAM_PLAIN, 1, E, 0, 0));
    t->scratch_elems = 3 * t->P * mlp + t->P * E;
    return LT_OK;
}

static lt_status init(lt_tuner *t, lt_model *m, lt_tok *tok, const float *states) {
    (void)states;
    const lt_arch *a = t->arch;
    const lt_param *p = &t->param[ROWS];
    if (t->cfg->mlp) {
        LT_TRY(lt_tuner_impl_normal(t, EMBEDDING, 1.0));
        LT_TRY(lt_tuner_impl_normal(t, W1, 1 / sqrt((double)a->C)));
        return lt_tuner_impl_normal(t, W2, 1 / sqrt((double)t->cfg->mlp));
    }
    if (t->init == LT_INIT_RANDOM) return lt_tuner_impl_normal(t, ROWS, 0.02);
    if (t->init == LT_INIT_ZERO) return t->ctx->ops->fill(t->ctx, p->value.data, 0, (size_t)lt_param_elems(p) * sizeof(float));
    /* the real keys and values of P tokens under the frozen model: [m][2][P][Hkv*D] */
    int32_t *ids = NULL;
    float *slot = NULL;
    lt_status st = lt_calloc(&ids, t->P, sizeof *ids, "initial tokens");
    LT_KEEP(st, lt_calloc(&slot, lt_tuner_impl_slot_elems(a, t->P), sizeof *slot, "initial keys and values"));
    if (st == LT_OK) st = lt_tuner_impl_init_tokens(t, tok, ids);
    st = lt_model_agree(m, st);
    if (st == LT_OK) {
        size_t piece = (size_t)a->Hkv * (size_t)a->D * sizeof(float), pieces = 2 * (size_t)a->m;
        lt_model_text_kv(m, ids, t->P, slot);
        for (int64_t i = 0; st == LT_OK && i < t->P; i++) /* one position: a piece of each layer's keys and values */
            st = t->ctx->ops->copy(t->ctx, &(struct lt_copy_args){.kind = LT_COPY_TO_DEVICE,
                                                                  .dst = p->value.data + i * lt_tuner_impl_row_elems(a),
                                                                  .src = slot + i * a->Hkv * a->D,
                                                                  .rows = (int64_t)pieces,
                                                                  .row_bytes = piece,
                                                                  .dst_pitch = piece,
                                                                  .src_pitch = (size_t)t->P * piece});
        if (st == LT_OK) st = t->ctx->ops->wait(t->ctx, NULL);
    }
    free(ids);
    free(slot);
    return st;
}

/* Scratch of the reparametrised form. */
typedef struct mlp_scratch {
    float *u, *h, *dh, *rows; /* [P, mlp]: before tanh, after it (left for backward), its gradient; [P, m*2*Hkv*D] */
} mlp_scratch;

static mlp_scratch scratch_of(const lt_tuner *t) {
    int64_t n = t->P * (int64_t)t->cfg->mlp;
    return (mlp_scratch){.u = t->scratch, .h = t->scratch + n, .dh = t->scratch + 2 * n, .rows = t->scratch + 3 * n};
}

/* y [rows, N] := x [rows, K] w^T + b. */
static lt_status affine(const lt_tuner *t, int64_t rows, int64_t N, int64_t K, const float *x, const lt_param *w, const lt_param *b,
                        float *y) {
    const lt_ctx *c = t->ctx;
    LT_TRY(c->ops->bias_rows(c, &(struct lt_bias_args){.rows = rows, .n = N, .ld = N, .v = b->value.data, .y = y}));
    return c->ops->gemm(
        c,
        &(struct lt_gemm_args){
            .tb = 1, .M = rows, .N = N, .K = K, .alpha = 1, .beta = 1, .A = x, .lda = K, .B = w->value.data, .ldb = K, .C = y, .ldc = N});
}

/* Backward of affine: gradients of w and b, and dx. */
static lt_status affine_bwd(const lt_tuner *t, int64_t rows, int64_t N, int64_t K, const float *x, const float *dy, lt_param *w,
                            lt_param *b, float *dx) {
    const lt_ctx *c = t->ctx;
    LT_TRY(c->ops->column_sums(c, &(struct lt_colsum_args){.rows = rows, .n = N, .ld = N, .x = dy, .sum = b->grad}));
    LT_TRY(
        c->ops->gemm(c, &(struct lt_gemm_args){
                            .ta = 1, .M = N, .N = K, .K = rows, .alpha = 1, .A = dy, .lda = N, .B = x, .ldb = K, .C = w->grad, .ldc = K}));
    return c->ops->gemm(c, &(struct lt_gemm_args){
                               .M = rows, .N = K, .K = N, .alpha = 1, .A = dy, .lda = N, .B = w->value.data, .ldb = K, .C = dx, .ldc = K});
}

/* Where the trained rows of its slot begin, in elements of the bank: behind a lead's. */
static int64_t trained(const lt_tuner *t, int64_t P_max) {
    return t->slot0 * lt_tuner_impl_slot_elems(t->arch, P_max) + t->lead.kv_rows * lt_tuner_impl_width(t->arch);
}

static lt_status forward(lt_tuner *t, float *kv, int64_t P_max, float *prompt) {
    (void)prompt;
    int64_t E = lt_tuner_impl_row_elems(t->arch), mlp = t->cfg->mlp;
    const float *rows = t->param[ROWS].value.data;
    if (mlp) {
        mlp_scratch s = scratch_of(t);
        LT_TRY(affine(t, t->P, mlp, t->arch->C, t->param[EMBEDDING].value.data, &t->param[W1], &t->param[B1], s.u));
        LT_TRY(t->ctx->ops->act_fwd(
            t->ctx, &(struct lt_act_args){.act = LT_ACT_TANH, .rows = t->P, .F = mlp, .u = lt_arr_f32(s.u), .h = lt_arr_f32(s.h)}));
        LT_TRY(affine(t, t->P, E, mlp, s.h, &t->param[W2], &t->param[B2], s.rows));
        rows = s.rows;
    }
    return lt_tuner_impl_rows_to_slot(t, rows, t->P, kv + trained(t, P_max), P_max);
}

static lt_status backward(lt_tuner *t, const float *d_kv, int64_t P_max, const float *d_prompt) {
    (void)d_prompt;
    int64_t E = lt_tuner_impl_row_elems(t->arch), mlp = t->cfg->mlp;
    const float *d_slot = d_kv + trained(t, P_max);
    if (!mlp) return lt_tuner_impl_slot_to_rows(t, d_slot, P_max, t->P, t->param[ROWS].grad);
    /* rows = W2 h + b2, h = tanh(u), u = W1 e + b1; u and h as forward left them */
    mlp_scratch s = scratch_of(t);
    LT_TRY(lt_tuner_impl_slot_to_rows(t, d_slot, P_max, t->P, s.rows));
    LT_TRY(affine_bwd(t, t->P, E, mlp, s.h, s.rows, &t->param[W2], &t->param[B2], s.dh));
    lt_arr u = lt_arr_f32(s.u);
    LT_TRY(t->ctx->ops->act_bwd(
        t->ctx, &(struct lt_act_args){.act = LT_ACT_TANH, .rows = t->P, .F = mlp, .u = u, .dh = lt_arr_f32(s.dh), .du = u}));
    return affine_bwd(t, t->P, mlp, t->arch->C, t->param[EMBEDDING].value.data, s.u, &t->param[W1], &t->param[B1],
                      t->param[EMBEDDING].grad);
}

const lt_tuner_ops lt_tuner_impl_prefix = {.plan = plan, .init = init, .forward = forward, .backward = backward};
