/* `lt_prefix` (L-Tuning, arXiv 2402.01643): per-layer keys and values of a label made from its states h_y [P, C]; 2-way head on pairs.
 *
 *   pooling none      row(y, j) = W h_{y,j} + b, W [m*2*Hkv*D, C]: one map for every position (the authors' encoder variant)
 *   pooling softmax   a_y = softmax(h_y w) in R^P, keys = W_k a_y, values = W_v a_y, W [m*P*Hkv*D, P], no biases (the paper)
 *   pooling scores    a_y = h_y w + b, keys = W_k a_y + b_k, values = W_v a_y + b_v (the authors' decoder code)
 *   pooling auto      none: the variant that learns (docs/RESULTS.md)
 *
 * Outputs of W_k and W_v are [m][P][Hkv][D]; sizes follow the kv heads, so grouped-query models need no more. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <string.h>

enum { MAP_W, MAP_B };                                   /* none */
enum { POOL_W, KEY_W, VALUE_W, POOL_B, KEY_B, VALUE_B }; /* softmax: the first three */

/* Elements of the keys (or values) of one label: m*P*Hkv*D. */
static int64_t half_elems(const lt_tuner *t) { return (int64_t)t->arch->m * t->P * t->arch->Hkv * t->arch->D; }

static lt_status plan(lt_tuner *t) {
    int64_t E = lt_tuner_impl_row_elems(t->arch), C = t->arch->C, K = t->labels->K;
    t->pairs = true;
    t->n_out = 2;
    t->P = t->labels->P;
    t->n_slots = (int)K;
    t->pooling = t->cfg->pooling == LT_POOLING_AUTO ? LT_POOLING_NONE : t->cfg->pooling;
    if (t->pooling == LT_POOLING_NONE) {
        LT_TRY(lt_tuner_impl_add_param(t, "map.weight", false, 2, E, C));
        LT_TRY(lt_tuner_impl_add_param(t, "map.bias", false, 1, E, 0));
        t->scratch_elems = K * t->P * E;
        return LT_OK;
    }
    LT_CHECK(t->pooling != LT_POOLING_SOFTMAX || t->P > 1, LT_ERR_CONFIG,
             "method.pooling: softmax with labels of one token: a softmax over one score is always 1, so every label gets the same prefix "
             "and nothing can "
             "be learned; use pooling: none or scores, or longer label words (method.labels)");
    LT_TRY(lt_tuner_impl_add_param(t, "pool.weight", false, 1, C, 0));
    LT_TRY(lt_tuner_impl_add_param(t, "key.weight", false, 2, half_elems(t), t->P));
    LT_TRY(lt_tuner_impl_add_param(t, "value.weight", false, 2, half_elems(t), t->P));
    if (t->pooling == LT_POOLING_SCORES) {
        LT_TRY(lt_tuner_impl_add_param(t, "pool.bias", false, 1, 1, 0));
        LT_TRY(lt_tuner_impl_add_param(t, "key.bias", false, 1, half_elems(t), 0));
        LT_TRY(lt_tuner_impl_add_param(t, "value.bias", false, 1, half_elems(t), 0));
    }
    t->scratch_elems = 2 * K * t->P + 2 * half_elems(t);
    return LT_OK;
}

/* Small enough that the labels' prefixes start as a slight push and not as noise that drowns the text. */
static lt_status init(lt_tuner *t, lt_model *m, lt_tok *tok) {
    (void)m, (void)tok;
    double fan_in = sqrt((double)t->arch->C);
    if (t->pooling == LT_POOLING_NONE) {
        lt_tuner_impl_normal(t, MAP_W, 0.3 / fan_in);
        return LT_OK;
    }
    lt_tuner_impl_normal(t, POOL_W, 1 / fan_in);
    lt_tuner_impl_normal(t, KEY_W, 1 / sqrt((double)t->P));
    lt_tuner_impl_normal(t, VALUE_W, 1 / sqrt((double)t->P));
    return LT_OK;
}

/* scores[y][j] = h_{y,j} . w (+ b); softmax in place where asked. */
static void pool(const lt_tuner *t, float *a) {
    int64_t C = t->arch->C;
    const float *w = t->param[POOL_W].value.data;
    for (int y = 0; y < t->labels->K; y++) {
        float *ay = a + (int64_t)y * t->P;
        double top = -INFINITY, sum = 0;
        for (int j = 0; j < t->P; j++) {
            const float *h = t->label_states + ((int64_t)y * t->P + j) * C;
            double s = 0;
            for (int64_t i = 0; i < C; i++) s += (double)h[i] * (double)w[i];
            ay[j] = (float)(t->pooling == LT_POOLING_SCORES ? s + (double)t->param[POOL_B].value.data[0] : s);
            top = fmax(top, (double)ay[j]);
        }
        if (t->pooling != LT_POOLING_SOFTMAX) continue;
        for (int j = 0; j < t->P; j++) sum += exp((double)ay[j] - top);
        for (int j = 0; j < t->P; j++) ay[j] = (float)(exp((double)ay[j] - top) / sum);
    }
}

/* Visits the pieces of Hkv*D elements of one label's keys or values: offset in the map's output [m][P], offset in the slot [m][2][P_max]. */
#define FOR_EACH_PIECE(t, kv, P_max, body)                                                                                                 \
    for (int64_t l_ = 0, w_ = (int64_t)(t)->arch->Hkv * (t)->arch->D; l_ < (t)->arch->m; l_++)                                             \
        for (int64_t p_ = 0; p_ < (t)->P; p_++) {                                                                                          \
            int64_t in_map = (l_ * (t)->P + p_) * w_, in_slot = ((l_ * 2 + (kv)) * (P_max) + p_) * w_;                                     \
            size_t bytes = (size_t)w_ * sizeof(float);                                                                                     \
            body                                                                                                                           \
        }

static lt_status forward(lt_tuner *t, float *kv, int64_t P_max, float *prompt) {
    (void)prompt;
    int64_t E = lt_tuner_impl_row_elems(t->arch), C = t->arch->C, K = t->labels->K, rows = K * t->P, half = half_elems(t);
    int64_t slot_elems = lt_tuner_impl_slot_elems(t->arch, P_max);
    float *slots = kv + t->slot0 * slot_elems;
    if (t->pooling == LT_POOLING_NONE) {
        for (int64_t r = 0; r < rows; r++) memcpy(t->scratch + r * E, t->param[MAP_B].value.data, (size_t)E * sizeof(float));
        LT_TRY(t->ctx->ops->gemm(t->ctx, &(struct lt_gemm_args){.tb = 1,
                                                                .M = rows,
                                                                .N = E,
                                                                .K = C,
                                                                .alpha = 1,
                                                                .beta = 1,
                                                                .A = t->label_states,
                                                                .lda = C,
                                                                .B = t->param[MAP_W].value.data,
                                                                .ldb = C,
                                                                .C = t->scratch,
                                                                .ldc = E}));
        for (int64_t y = 0; y < K; y++) lt_tuner_impl_rows_to_slot(t->arch, t->scratch + y * t->P * E, t->P, slots + y * slot_elems, P_max);
        return LT_OK;
    }
    float *a = t->scratch, *out = t->scratch + 2 * rows;
    pool(t, a);
    for (int64_t y = 0; y < K; y++)
        for (int which = 0; which < 2; which++) {
            const float *w = t->param[KEY_W + which].value.data, *ay = a + y * t->P;
            const float *b = t->pooling == LT_POOLING_SCORES ? t->param[KEY_B + which].value.data : NULL;
            for (int64_t i = 0; i < half; i++) {
                float s = b ? b[i] : 0;
                for (int j = 0; j < t->P; j++) s += w[i * t->P + j] * ay[j];
                out[i] = s;
            }
            FOR_EACH_PIECE(t, which, P_max, memcpy(slots + y * slot_elems + in_slot, out + in_map, bytes);)
        }
    return LT_OK;
}

/* Pooling part of backward: da -> gradients of pool.weight and pool.bias. */
static void pool_backward(lt_tuner *t, const float *a, float *da) {
    int64_t C = t->arch->C;
    float *dw = t->param[POOL_W].grad;
    memset(dw, 0, (size_t)C * sizeof *dw);
    double db = 0;
    for (int y = 0; y < t->labels->K; y++) {
        const float *ay = a + (int64_t)y * t->P;
        float *dy = da + (int64_t)y * t->P;
        double dot = 0;
        for (int j = 0; j < t->P; j++) dot += (double)ay[j] * (double)dy[j];
        for (int j = 0; j < t->P; j++) {
            float ds = t->pooling == LT_POOLING_SOFTMAX ? ay[j] * (float)((double)dy[j] - dot) : dy[j];
            const float *h = t->label_states + ((int64_t)y * t->P + j) * C;
            for (int64_t i = 0; i < C; i++) dw[i] += ds * h[i];
            db += (double)ds;
        }
    }
    if (t->pooling == LT_POOLING_SCORES) t->param[POOL_B].grad[0] = (float)db;
}

static lt_status backward(lt_tuner *t, const float *d_kv, int64_t P_max, const float *d_prompt) {
    (void)d_prompt;
    int64_t E = lt_tuner_impl_row_elems(t->arch), C = t->arch->C, K = t->labels->K, rows = K * t->P, half = half_elems(t);
    int64_t slot_elems = lt_tuner_impl_slot_elems(t->arch, P_max);
    const float *slots = d_kv + t->slot0 * slot_elems;
    if (t->pooling == LT_POOLING_NONE) {
        float *db = t->param[MAP_B].grad;
        for (int64_t y = 0; y < K; y++) lt_tuner_impl_slot_to_rows(t->arch, slots + y * slot_elems, P_max, t->P, t->scratch + y * t->P * E);
        memset(db, 0, (size_t)E * sizeof *db);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < E; i++) db[i] += t->scratch[r * E + i];
        return t->ctx->ops->gemm(t->ctx, &(struct lt_gemm_args){.ta = 1,
                                                                .M = E,
                                                                .N = C,
                                                                .K = rows,
                                                                .alpha = 1,
                                                                .A = t->scratch,
                                                                .lda = E,
                                                                .B = t->label_states,
                                                                .ldb = C,
                                                                .C = t->param[MAP_W].grad,
                                                                .ldc = C});
    }
    /* a is as forward left it */
    float *a = t->scratch, *da = t->scratch + rows, *d_out = t->scratch + 2 * rows;
    memset(da, 0, (size_t)rows * sizeof *da);
    for (int which = 0; which < 2; which++) {
        const float *w = t->param[KEY_W + which].value.data;
        float *dw = t->param[KEY_W + which].grad, *db = t->pooling == LT_POOLING_SCORES ? t->param[KEY_B + which].grad : NULL;
        memset(dw, 0, (size_t)(half * t->P) * sizeof *dw);
        if (db) memset(db, 0, (size_t)half * sizeof *db);
        for (int64_t y = 0; y < K; y++) {
            FOR_EACH_PIECE(t, which, P_max, memcpy(d_out + in_map, slots + y * slot_elems + in_slot, bytes);)
            for (int64_t i = 0; i < half; i++) {
                for (int j = 0; j < t->P; j++) {
                    dw[i * t->P + j] += d_out[i] * a[y * t->P + j];
                    da[y * t->P + j] += d_out[i] * w[i * t->P + j];
                }
                if (db) db[i] += d_out[i];
            }
        }
    }
    pool_backward(t, a, da);
    return LT_OK;
}

const lt_tuner_ops lt_tuner_impl_lt_prefix = {.name = "lt_prefix", .plan = plan, .init = init, .forward = forward, .backward = backward};
