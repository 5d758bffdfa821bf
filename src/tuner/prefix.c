/* `prefix` (Li and Liang 2021; P-tuning v2): P trainable keys and values in every layer, the same for every input; K-way head.
 *
 *   direct   prefix.rows [P, m*2*Hkv*D], a row holds [m][k|v][Hkv][D] of one position (PEFT's layout)
 *   mlp > 0  rows = W2 tanh(W1 e + b1) + b2 with prefix.embedding e [P, C], W1 [mlp, C], W2 [m*2*Hkv*D, mlp] (PEFT's prefix_projection)
 *
 * Keys enter attention as they are: the prefix is not rotated. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 0 };                              /* direct */
enum { EMBEDDING, W1, B1, W2, B2, MLP_PARAMS }; /* reparametrised */

static lt_status plan(lt_tuner *t) {
    int64_t E = lt_tuner_impl_row_elems(t->arch), mlp = t->cfg->mlp, C = t->arch->C;
    t->n_out = t->labels->K;
    t->P = t->cfg->length;
    t->n_slots = 1;
    t->init = t->cfg->init == LT_INIT_AUTO ? (mlp ? LT_INIT_RANDOM : LT_INIT_VOCAB) : t->cfg->init;
    if (mlp == 0) return lt_tuner_impl_add_param(t, "prefix.rows", false, 2, t->P, E);
    LT_CHECK(t->init == LT_INIT_RANDOM, LT_ERR_CONFIG, "method.mlp = %d starts from random values: leave method.init at auto or random",
             t->cfg->mlp);
    LT_TRY(lt_tuner_impl_add_param(t, "prefix.embedding", false, 2, t->P, C));
    LT_TRY(lt_tuner_impl_add_param(t, "prefix.mlp.0.weight", false, 2, mlp, C));
    LT_TRY(lt_tuner_impl_add_param(t, "prefix.mlp.0.bias", false, 1, mlp, 0));
    LT_TRY(lt_tuner_impl_add_param(t, "prefix.mlp.2.weight", false, 2, E, mlp));
    LT_TRY(lt_tuner_impl_add_param(t, "prefix.mlp.2.bias", false, 1, E, 0));
    t->scratch_elems = 2 * t->P * mlp + t->P * E;
    return LT_OK;
}

static lt_status init(lt_tuner *t, lt_model *m, lt_tok *tok) {
    const lt_arch *a = t->arch;
    float *rows = t->param[ROWS].value.data, *slot = NULL;
    int32_t *ids = NULL;
    lt_status st = LT_OK;
    if (t->cfg->mlp) {
        lt_tuner_impl_normal(t, EMBEDDING, 1.0);
        lt_tuner_impl_normal(t, W1, 1 / sqrt((double)a->C));
        lt_tuner_impl_normal(t, W2, 1 / sqrt((double)t->cfg->mlp));
        return LT_OK;
    }
    if (t->init == LT_INIT_RANDOM) lt_tuner_impl_normal(t, ROWS, 0.02);
    if (t->init == LT_INIT_ZERO) memset(rows, 0, (size_t)lt_named_elems(&t->param[ROWS].value) * sizeof *rows);
    if (t->init != LT_INIT_VOCAB && t->init != LT_INIT_TEXT) return LT_OK;
    /* the real keys and values of P tokens under the frozen model */
    st = lt_calloc(&ids, t->P, sizeof *ids, "initial tokens");
    LT_KEEP(st, lt_calloc(&slot, lt_tuner_impl_slot_elems(a, t->P), sizeof *slot, "initial keys and values"));
    if (st == LT_OK) st = lt_tuner_impl_init_tokens(t, tok, ids);
    st = lt_model_agree(m, st);
    if (st == LT_OK) {
        lt_model_text_kv(m, ids, t->P, slot);
        lt_tuner_impl_slot_to_rows(a, slot, t->P, t->P, rows);
    }
    free(ids);
    free(slot);
    return st;
}

static lt_status forward(lt_tuner *t, float *kv, int64_t P_max, float *prompt) {
    (void)prompt;
    const lt_ctx *c = t->ctx;
    int64_t E = lt_tuner_impl_row_elems(t->arch), mlp = t->cfg->mlp, C = t->arch->C, P = t->P;
    const float *rows = t->param[ROWS].value.data;
    if (mlp) {
        float *hidden = t->scratch, *out = t->scratch + 2 * P * mlp;
        for (int64_t p = 0; p < P; p++) memcpy(hidden + p * mlp, t->param[B1].value.data, (size_t)mlp * sizeof *hidden);
        LT_TRY(c->ops->gemm(c, &(struct lt_gemm_args){.tb = 1,
                                                      .M = P,
                                                      .N = mlp,
                                                      .K = C,
                                                      .alpha = 1,
                                                      .beta = 1,
                                                      .A = t->param[EMBEDDING].value.data,
                                                      .lda = C,
                                                      .B = t->param[W1].value.data,
                                                      .ldb = C,
                                                      .C = hidden,
                                                      .ldc = mlp}));
        for (int64_t i = 0; i < P * mlp; i++) hidden[i] = tanhf(hidden[i]);
        for (int64_t p = 0; p < P; p++) memcpy(out + p * E, t->param[B2].value.data, (size_t)E * sizeof *out);
        LT_TRY(c->ops->gemm(c, &(struct lt_gemm_args){.tb = 1,
                                                      .M = P,
                                                      .N = E,
                                                      .K = mlp,
                                                      .alpha = 1,
                                                      .beta = 1,
                                                      .A = hidden,
                                                      .lda = mlp,
                                                      .B = t->param[W2].value.data,
                                                      .ldb = mlp,
                                                      .C = out,
                                                      .ldc = E}));
        rows = out;
    }
    lt_tuner_impl_rows_to_slot(t->arch, rows, t->P, kv + t->slot0 * lt_tuner_impl_slot_elems(t->arch, P_max), P_max);
    return LT_OK;
}

/* sum[j] := sum over rows of x [rows, n]. */
static void column_sums(const float *x, int64_t rows, int64_t n, float *sum) {
    memset(sum, 0, (size_t)n * sizeof *sum);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < n; j++) sum[j] += x[r * n + j];
}

static lt_status backward(lt_tuner *t, const float *d_kv, int64_t P_max, const float *d_prompt) {
    (void)d_prompt;
    const lt_ctx *c = t->ctx;
    int64_t E = lt_tuner_impl_row_elems(t->arch), mlp = t->cfg->mlp, C = t->arch->C, P = t->P;
    const float *d_slot = d_kv + t->slot0 * lt_tuner_impl_slot_elems(t->arch, P_max);
    if (!mlp) {
        lt_tuner_impl_slot_to_rows(t->arch, d_slot, P_max, t->P, t->param[ROWS].grad);
        return LT_OK;
    }
    /* rows = W2 h + b2, h = tanh(W1 e + b1) left in scratch by forward */
    float *h = t->scratch, *dh = t->scratch + P * mlp, *d_rows = t->scratch + 2 * P * mlp;
    lt_tuner_impl_slot_to_rows(t->arch, d_slot, P_max, t->P, d_rows);
    column_sums(d_rows, P, E, t->param[B2].grad);
    LT_TRY(c->ops->gemm(
        c,
        &(struct lt_gemm_args){
            .ta = 1, .M = E, .N = mlp, .K = P, .alpha = 1, .A = d_rows, .lda = E, .B = h, .ldb = mlp, .C = t->param[W2].grad, .ldc = mlp}));
    LT_TRY(c->ops->gemm(
        c,
        &(struct lt_gemm_args){
            .M = P, .N = mlp, .K = E, .alpha = 1, .A = d_rows, .lda = E, .B = t->param[W2].value.data, .ldb = mlp, .C = dh, .ldc = mlp}));
    for (int64_t i = 0; i < P * mlp; i++) dh[i] *= 1 - h[i] * h[i];
    column_sums(dh, P, mlp, t->param[B1].grad);
    LT_TRY(c->ops->gemm(c, &(struct lt_gemm_args){.ta = 1,
                                                  .M = mlp,
                                                  .N = C,
                                                  .K = P,
                                                  .alpha = 1,
                                                  .A = dh,
                                                  .lda = mlp,
                                                  .B = t->param[EMBEDDING].value.data,
                                                  .ldb = C,
                                                  .C = t->param[W1].grad,
                                                  .ldc = C}));
    return c->ops->gemm(c, &(struct lt_gemm_args){.M = P,
                                                  .N = C,
                                                  .K = mlp,
                                                  .alpha = 1,
                                                  .A = dh,
                                                  .lda = mlp,
                                                  .B = t->param[W1].value.data,
                                                  .ldb = C,
                                                  .C = t->param[EMBEDDING].grad,
                                                  .ldc = C});
}

const lt_tuner_ops lt_tuner_impl_prefix = {.name = "prefix", .plan = plan, .init = init, .forward = forward, .backward = backward};
