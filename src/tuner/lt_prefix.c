/* `lt_prefix` (L-Tuning, arXiv 2402.01643): per-layer keys and values of a label made from its states h_y [P, C]; 2-way head on pairs.
 *
 *   pooling none      row(y, j) = W h_{y,j} + b, W [m*2*Hkv*D, C]: one map for every position (the authors' encoder variant)
 *   pooling softmax   a_y = softmax(h_y w) in R^P, keys = W_k a_y, values = W_v a_y, W [m*P*Hkv*D, P], no biases (the paper)
 *   pooling scores    a_y = h_y w + b, keys = W_k a_y + b_k, values = W_v a_y + b_v (the authors' decoder code)
 *   pooling auto      none: the variant that learns (docs/RESULTS.md)
 *
 * Outputs of W_k and W_v are [m][P][Hkv][D]; sizes follow the kv heads, so grouped-query models need no more.
 *
 * The map of pooling none is large (10^9 values for a model of 7 * 10^9): its rows are spread over all ranks.  Each makes its columns of the prefixes' rows,
 * which are gathered (K * P rows of E numbers), and from the summed gradient of the bank each takes its rows of the map's. */
#include "tuner/tuner_impl.h"

#include <math.h>

enum { MAP_W, MAP_B };                                   /* none */
enum { POOL_W, KEY_W, VALUE_W, POOL_B, KEY_B, VALUE_B }; /* softmax: the first three */

/* Elements of the keys (or values) of one label: m*P*Hkv*D. */
static int64_t half_elems(const lt_tuner *t) { return (int64_t)t->arch->m * t->P * t->arch->Hkv * t->arch->D; }

static lt_status plan(lt_tuner *t) {
    int64_t E = lt_tuner_impl_row_elems(t->arch), C = t->arch->C, K = t->labels->K;
    t->n_out = 2;
    t->P = t->labels->P;
    t->n_slots = (int)K;
    t->pooling = t->cfg->pooling == LT_POOLING_AUTO ? LT_POOLING_NONE : t->cfg->pooling;
    if (t->pooling == LT_POOLING_NONE) {
        LT_TRY(lt_tuner_impl_add_param(t, "map.weight", LT_PARAM_SPREAD, 2, E, C, 0));
        LT_TRY(lt_tuner_impl_add_param(t, "map.bias", LT_PARAM_SPREAD, 1, E, 0, 0));
        t->scratch_elems = K * t->P * E;
        if (t->ranks > 1) t->gather_elems = K * t->P * E;
        return LT_OK;
    }
    LT_CHECK(t->pooling != LT_POOLING_SOFTMAX || t->P > 1, LT_ERR_CONFIG,
             "method.pooling: softmax with labels of one token: a softmax over one score is always 1, so every label gets the same prefix "
             "and nothing can "
             "be learned; use pooling: none or scores, or longer label words (method.labels)");
    LT_TRY(lt_tuner_impl_add_param(t, "pool.weight", LT_PARAM_PLAIN, 1, C, 0, 0));
    LT_TRY(lt_tuner_impl_add_param(t, "key.weight", LT_PARAM_PLAIN, 2, half_elems(t), t->P, 0));
    LT_TRY(lt_tuner_impl_add_param(t, "value.weight", LT_PARAM_PLAIN, 2, half_elems(t), t->P, 0));
    if (t->pooling == LT_POOLING_SCORES) {
        LT_TRY(lt_tuner_impl_add_param(t, "pool.bias", LT_PARAM_PLAIN, 1, 1, 0, 0));
        LT_TRY(lt_tuner_impl_add_param(t, "key.bias", LT_PARAM_PLAIN, 1, half_elems(t), 0, 0));
        LT_TRY(lt_tuner_impl_add_param(t, "value.bias", LT_PARAM_PLAIN, 1, half_elems(t), 0, 0));
    }
    t->scratch_elems = 2 * K * t->P + K * half_elems(t);
    return LT_OK;
}

/* Small enough that the labels' prefixes start as a slight push and not as noise that drowns the text. */
static lt_status init(lt_tuner *t, lt_model *m, lt_tok *tok, const float *states) {
    (void)m, (void)tok, (void)states;
    double fan_in = sqrt((double)t->arch->C);
    if (t->pooling == LT_POOLING_NONE) return lt_tuner_impl_normal(t, MAP_W, 0.3 / fan_in);
    LT_TRY(lt_tuner_impl_normal(t, POOL_W, 1 / fan_in));
    LT_TRY(lt_tuner_impl_normal(t, KEY_W, 1 / sqrt((double)t->P)));
    return lt_tuner_impl_normal(t, VALUE_W, 1 / sqrt((double)t->P));
}

static float *slot_of(const lt_tuner *t, float *kv, int64_t y, int64_t P_max) {
    return kv + (t->slot0 + y) * lt_tuner_impl_slot_elems(t->arch, P_max);
}

static const float *d_slot_of(const lt_tuner *t, const float *d_kv, int64_t y, int64_t P_max) {
    return d_kv + (t->slot0 + y) * lt_tuner_impl_slot_elems(t->arch, P_max);
}

/* ---- pooling none ---- */

/* The rows [K*P, E] of all labels into their slots. */
static lt_status rows_to_slots(lt_tuner *t, const float *rows, float *kv, int64_t P_max) {
    int64_t E = lt_tuner_impl_row_elems(t->arch);
    for (int64_t y = 0; y < t->labels->K; y++)
        LT_TRY(lt_tuner_impl_rows_to_slot(t, rows + y * t->P * E, t->P, slot_of(t, kv, y, P_max), P_max));
    return LT_OK;
}

/* This rank's columns of the rows. */
static lt_status map_forward(lt_tuner *t, float *kv, int64_t P_max) {
    const lt_ctx *c = t->ctx;
    const lt_param *w = &t->param[MAP_W], *b = &t->param[MAP_B];
    int64_t E = lt_tuner_impl_row_elems(t->arch), C = t->arch->C, rows = (int64_t)t->labels->K * t->P, N = w->row1 - w->row0;
    float *out = t->gather_elems ? t->gather : t->scratch;
    LT_TRY(c->ops->bias_rows(c, &(struct lt_bias_args){.rows = rows, .n = N, .ld = E, .v = b->value.data, .y = out + w->row0}));
    LT_TRY(c->ops->gemm(c, &(struct lt_gemm_args){.tb = 1,
                                                  .M = rows,
                                                  .N = N,
                                                  .K = C,
                                                  .alpha = 1,
                                                  .beta = 1,
                                                  .A = t->label_states,
                                                  .lda = C,
                                                  .B = w->value.data,
                                                  .ldb = C,
                                                  .C = out + w->row0,
                                                  .ldc = E}));
    return t->gather_elems ? LT_OK : rows_to_slots(t, out, kv, P_max);
}

static lt_status gathered(lt_tuner *t, float *kv, int64_t P_max) {
    return t->gather_elems ? rows_to_slots(t, t->gather, kv, P_max) : LT_OK;
}

static lt_status map_backward(lt_tuner *t, const float *d_kv, int64_t P_max) {
    const lt_ctx *c = t->ctx;
    const lt_param *w = &t->param[MAP_W], *b = &t->param[MAP_B];
    int64_t E = lt_tuner_impl_row_elems(t->arch), C = t->arch->C, rows = (int64_t)t->labels->K * t->P, N = w->row1 - w->row0;
    const float *d_rows = t->scratch + w->row0;
    for (int64_t y = 0; y < t->labels->K; y++)
        LT_TRY(lt_tuner_impl_slot_to_rows(t, d_slot_of(t, d_kv, y, P_max), P_max, t->P, t->scratch + y * t->P * E));
    LT_TRY(c->ops->column_sums(c, &(struct lt_colsum_args){.rows = rows, .n = N, .ld = E, .x = d_rows, .sum = b->grad}));
    return c->ops->gemm(
        c,
        &(struct lt_gemm_args){
            .ta = 1, .M = N, .N = C, .K = rows, .alpha = 1, .A = d_rows, .lda = E, .B = t->label_states, .ldb = C, .C = w->grad, .ldc = C});
}

/* ---- pooling softmax and scores ---- */

/* Scratch of the pooled forms: a [K, P] (left for backward), its gradient, and keys or values of all labels [K][m][P][Hkv*D]. */
static float *scratch_a(const lt_tuner *t) { return t->scratch; }
static float *scratch_da(const lt_tuner *t) { return t->scratch + (int64_t)t->labels->K * t->P; }
static float *scratch_half(const lt_tuner *t) { return t->scratch + 2 * (int64_t)t->labels->K * t->P; }

/* a[y][j] = h_{y,j} . w (+ b), softmax over j where asked. */
static lt_status pool(lt_tuner *t) {
    const lt_ctx *c = t->ctx;
    int64_t C = t->arch->C, K = t->labels->K, rows = K * t->P;
    float *a = scratch_a(t);
    LT_TRY(c->ops->gemm(c, &(struct lt_gemm_args){.M = rows,
                                                  .N = 1,
                                                  .K = C,
                                                  .alpha = 1,
                                                  .A = t->label_states,
                                                  .lda = C,
                                                  .B = t->param[POOL_W].value.data,
                                                  .ldb = 1,
                                                  .C = a,
                                                  .ldc = 1}));
    if (t->pooling == LT_POOLING_SCORES)
        return c->ops->bias_rows(
            c, &(struct lt_bias_args){.rows = rows, .n = 1, .ld = 1, .v = t->param[POOL_B].value.data, .y = a, .accumulate = 1});
    return c->ops->softmax_fwd(c, &(struct lt_softmax_args){.rows = K, .n = t->P, .x = a, .y = a});
}

/* da -> gradients of pool.weight and pool.bias. */
static lt_status pool_backward(lt_tuner *t) {
    const lt_ctx *c = t->ctx;
    int64_t C = t->arch->C, K = t->labels->K, rows = K * t->P;
    float *da = scratch_da(t);
    if (t->pooling == LT_POOLING_SOFTMAX)
        LT_TRY(c->ops->softmax_bwd(c, &(struct lt_softmax_args){.rows = K, .n = t->P, .y = scratch_a(t), .dy = da, .dx = da}));
    else
        LT_TRY(c->ops->column_sums(c, &(struct lt_colsum_args){.rows = rows, .n = 1, .ld = 1, .x = da, .sum = t->param[POOL_B].grad}));
    return c->ops->gemm(c, &(struct lt_gemm_args){.M = 1,
                                                  .N = C,
                                                  .K = rows,
                                                  .alpha = 1,
                                                  .A = da,
                                                  .lda = rows,
                                                  .B = t->label_states,
                                                  .ldb = C,
                                                  .C = t->param[POOL_W].grad,
                                                  .ldc = C});
}

static lt_status pooled_forward(lt_tuner *t, float *kv, int64_t P_max) {
    const lt_ctx *c = t->ctx;
    int64_t K = t->labels->K, half = half_elems(t);
    bool biased = t->pooling == LT_POOLING_SCORES;
    float *out = scratch_half(t);
    LT_TRY(pool(t));
    for (int which = 0; which < 2; which++) {
        if (biased)
            LT_TRY(c->ops->bias_rows(
                c, &(struct lt_bias_args){.rows = K, .n = half, .ld = half, .v = t->param[KEY_B + which].value.data, .y = out}));
        LT_TRY(c->ops->gemm(c, &(struct lt_gemm_args){.tb = 1,
                                                      .M = K,
                                                      .N = half,
                                                      .K = t->P,
                                                      .alpha = 1,
                                                      .beta = biased ? 1.0f : 0.0f,
                                                      .A = scratch_a(t),
                                                      .lda = t->P,
                                                      .B = t->param[KEY_W + which].value.data,
                                                      .ldb = t->P,
                                                      .C = out,
                                                      .ldc = half}));
        for (int64_t y = 0; y < K; y++) LT_TRY(lt_tuner_impl_half_to_slot(t, out + y * half, which, t->P, slot_of(t, kv, y, P_max), P_max));
    }
    return LT_OK;
}

static lt_status pooled_backward(lt_tuner *t, const float *d_kv, int64_t P_max) {
    const lt_ctx *c = t->ctx;
    int64_t K = t->labels->K, half = half_elems(t), P = t->P;
    float *a = scratch_a(t), *da = scratch_da(t), *d_out = scratch_half(t); /* a is as forward left it */
    for (int which = 0; which < 2; which++) {
        const lt_param *w = &t->param[KEY_W + which];
        for (int64_t y = 0; y < K; y++)
            LT_TRY(lt_tuner_impl_slot_to_half(t, d_slot_of(t, d_kv, y, P_max), P_max, which, t->P, d_out + y * half));
        LT_TRY(c->ops->gemm(
            c, &(struct lt_gemm_args){
                   .ta = 1, .M = half, .N = P, .K = K, .alpha = 1, .A = d_out, .lda = half, .B = a, .ldb = P, .C = w->grad, .ldc = P}));
        LT_TRY(c->ops->gemm(c, &(struct lt_gemm_args){.M = K,
                                                      .N = P,
                                                      .K = half,
                                                      .alpha = 1,
                                                      .beta = (float)which,
                                                      .A = d_out,
                                                      .lda = half,
                                                      .B = w->value.data,
                                                      .ldb = P,
                                                      .C = da,
                                                      .ldc = P}));
        if (t->pooling == LT_POOLING_SCORES)
            LT_TRY(c->ops->column_sums(
                c, &(struct lt_colsum_args){.rows = K, .n = half, .ld = half, .x = d_out, .sum = t->param[KEY_B + which].grad}));
    }
    return pool_backward(t);
}

static lt_status forward(lt_tuner *t, float *kv, int64_t P_max, float *prompt) {
    (void)prompt;
    return t->pooling == LT_POOLING_NONE ? map_forward(t, kv, P_max) : pooled_forward(t, kv, P_max);
}

static lt_status backward(lt_tuner *t, const float *d_kv, int64_t P_max, const float *d_prompt) {
    (void)d_prompt;
    return t->pooling == LT_POOLING_NONE ? map_backward(t, d_kv, P_max) : pooled_backward(t, d_kv, P_max);
}

const lt_tuner_ops lt_tuner_impl_lt_prefix = {.plan = plan, .init = init, .forward = forward, .gathered = gathered, .backward = backward};
