/* Loss, gradient norm, optimizer: compiled with IEEE rules, so that NaN and Inf reach the caller, who stops the trial they belong to. */
#include "kernels/cpu/cpu_impl.h"

#include <math.h>

enum {
    IGNORED = -100, /* label of rows without a loss */
    SUM_PARTS = 64, /* partial sums of sumsq: fixed, so its bits do not depend on the number of threads */
};

/* Sum of exp(z - top) over the row, in f64 over pieces. */
static double sum_exp(int64_t K, const float *z, float top) {
    double total = 0;
    for (int64_t k0 = 0; k0 < K; k0 += LT_CPU_CHUNK) {
        int64_t n = lt_cpu_min(LT_CPU_CHUNK, K - k0);
        float part = 0;
#pragma omp simd reduction(+ : part)
        for (int64_t k = 0; k < n; k++) part += lt_cpu_exp(z[k0 + k] - top);
        total += (double)part;
    }
    return total;
}

static void xent_row(const struct lt_xent_args *a, int64_t t) {
    const float *z = a->logits + t * a->ld;
    float *dz = a->dlogits ? a->dlogits + t * a->ld : NULL;
    int32_t label = a->label[t];
    if (label == IGNORED) {
        a->loss[t] = 0.0f;
        for (int64_t k = 0; dz && k < a->K; k++) dz[k] = 0.0f;
        return;
    }
    float top = z[0];
    for (int64_t k = 1; k < a->K; k++) top = z[k] > top ? z[k] : top;
    double sum = sum_exp(a->K, z, top);
    a->loss[t] = (float)(log(sum) + (double)top - (double)z[label]);
    if (!dz) return;
    float weight = a->weight ? a->weight[t] : 1.0f, scale = (float)((double)weight / sum);
#pragma omp simd
    for (int64_t k = 0; k < a->K; k++) dz[k] = scale * lt_cpu_exp(z[k] - top);
    dz[label] -= weight;
}

lt_status lt_cpu_xent(const lt_ctx *c, const struct lt_xent_args *a) {
    for (int64_t t = 0; t < a->rows; t++) LT_ASSERT(a->label[t] == IGNORED || (a->label[t] >= 0 && a->label[t] < a->K));
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->K))
    for (int64_t t = 0; t < a->rows; t++) xent_row(a, t);
    return LT_OK;
}

static float score_of(const float *z) { return z[1] - z[0]; }

static void choice_group(const struct lt_choice_args *a, int64_t row0) {
    const float *z = a->logits + row0 * a->ld;
    float *dz = a->dlogits ? a->dlogits + row0 * a->ld : NULL;
    int32_t label = a->label[row0];
    bool ignored = label == IGNORED;
    float top = score_of(z), weight = ignored ? 0.0f : a->weight ? a->weight[row0] : 1.0f;
    double sum = 0;
    for (int64_t i = 1; i < a->n; i++) top = score_of(z + i * a->ld) > top ? score_of(z + i * a->ld) : top;
    for (int64_t i = 0; i < a->n; i++) {
        sum += (double)lt_cpu_exp(score_of(z + i * a->ld) - top);
        a->loss[row0 + i] = 0.0f;
    }
    if (!ignored) a->loss[row0] = (float)(log(sum) + (double)top - (double)score_of(z + label * a->ld));
    for (int64_t i = 0; dz && i < a->n; i++) {
        float p = ignored ? 0.0f : lt_cpu_exp(score_of(z + i * a->ld) - top),
              g = (float)((double)weight / sum) * p - (i == label ? weight : 0.0f);
        dz[i * a->ld] = ignored ? 0.0f : -g;
        dz[i * a->ld + 1] = ignored ? 0.0f : g;
    }
}

lt_status lt_cpu_choice(const lt_ctx *c, const struct lt_choice_args *a) {
    for (int64_t g = 0; g < a->groups; g++)
        LT_ASSERT(a->label[g * a->n] == IGNORED || (a->label[g * a->n] >= 0 && a->label[g * a->n] < a->n));
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, 2 * a->groups * a->n))
    for (int64_t g = 0; g < a->groups; g++) choice_group(a, g * a->n);
    return LT_OK;
}

static double sum_squares(int64_t n, const float *x) {
    double s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; i++) s += (double)x[i] * (double)x[i];
    return s;
}

static double sum_squares_of(const lt_ctx *c, const float *x, int64_t n) {
    double part[SUM_PARTS], total = 0;
    int64_t step = (n + SUM_PARTS - 1) / SUM_PARTS;
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, n))
    for (int64_t i = 0; i < SUM_PARTS; i++) {
        int64_t from = lt_cpu_min(i * step, n);
        part[i] = sum_squares(lt_cpu_min(step, n - from), x + from);
    }
    for (int i = 0; i < SUM_PARTS; i++) total += part[i];
    return total;
}

lt_status lt_cpu_sumsq(const lt_ctx *c, const struct lt_sumsq_args *a) {
    double total = 0;
    for (int i = 0; i < a->n; i++) total += sum_squares_of(c, a->x[i], a->elems[i]);
    *a->out = total;
    return LT_OK;
}

lt_status lt_cpu_loss_sums(const lt_ctx *c, const struct lt_loss_args *a) {
    (void)c;
    for (int64_t s = 0; s < a->n_seg; s++) {
        float *out = a->out + a->place[s];
        for (int64_t i = a->seg[s].row0; i < a->seg[s].row1; i++) {
            out[0] += a->loss[i];
            out[1] += isfinite(a->loss[i]) ? 0.0f : 1.0f;
        }
    }
    return LT_OK;
}

static void adamw_array(const lt_ctx *c, const struct lt_adamw_args *a, const lt_adamw_array *x, float scale) {
    /* The bias corrections folded into step size and epsilon: m_hat / (sqrt(v_hat) + eps) = (m / c1) / (sqrt(v) / sqrt(c2) + eps). */
    double c1 = 1.0 - pow((double)a->beta1, (double)a->step), c2 = 1.0 - pow((double)a->beta2, (double)a->step);
    float rate = (float)((double)a->lr / c1), root = (float)(1.0 / sqrt(c2)), keep = (float)(1.0 - (double)a->lr * (double)x->weight_decay);
    float b1 = a->beta1, b2 = a->beta2, d1 = (float)(1.0 - (double)b1), d2 = (float)(1.0 - (double)b2), eps = a->eps;
    float *p = x->p, *m = x->m, *v = x->v;
    const float *grad = x->g;
#pragma omp parallel for simd schedule(static) num_threads(lt_cpu_fork(c, x->n))
    for (int64_t i = 0; i < x->n; i++) {
        float g = grad[i] * scale;
        m[i] = b1 * m[i] + d1 * g;
        v[i] = b2 * v[i] + d2 * g * g;
        p[i] = keep * p[i] - rate * m[i] / (sqrtf(v[i]) * root + eps);
    }
}

lt_status lt_cpu_adamw(const lt_ctx *c, const struct lt_adamw_args *a) {
    float scale;
    if (!lt_adamw_scale(a, &scale)) return LT_OK;
    for (int i = 0; i < a->n; i++) adamw_array(c, a, &a->x[i], scale);
    return LT_OK;
}
