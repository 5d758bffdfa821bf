/* Layer norm and RMS norm; equations in ref/norm.c.
 *
 * A thread owns whole rows.  Forward reads a row three times (mean, variance about the mean, output) while it lies in L1/L2: one pass
 * over memory, and no cancellation as in E[x^2] - E[x]^2.  The copy of x that backward may need is made on the way.  Backward reads x and
 * dy twice. */
#include "kernels/cpu/cpu_impl.h"

#include <math.h>
#include <string.h>

static float sum(int64_t n, const float *x) {
    float s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; i++) s += x[i];
    return s;
}

static float sum_squares_about(int64_t n, const float *x, float mean) {
    float s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; i++) s += (x[i] - mean) * (x[i] - mean);
    return s;
}

/* y += n elements of resid. */
static void add_row(lt_arr resid, int64_t at, int64_t n, float *y) {
    float buf[LT_CPU_CHUNK];
    const float *r = lt_cpu_load(resid, at, n, buf);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] += r[i];
}

static void forward_row(const struct lt_norm_args *a, int64_t t) {
    int64_t C = a->C;
    const float *x = a->x + t * C;
    float mean = a->kind == LT_NORM_LAYER ? sum(C, x) / (float)C : 0.0f;
    float rstd = 1.0f / sqrtf(sum_squares_about(C, x, mean) / (float)C + a->eps);
    for (int64_t i0 = 0; i0 < C; i0 += LT_CPU_CHUNK) {
        float buf[LT_CPU_CHUNK];
        int64_t n = lt_cpu_min(LT_CPU_CHUNK, C - i0);
        const float *xi = x + i0, *w = a->w + i0, *b = a->b ? a->b + i0 : NULL;
        float *y = a->resid.p ? buf : lt_cpu_target(a->y, t * C + i0, buf);
        if (b) {
#pragma omp simd
            for (int64_t i = 0; i < n; i++) y[i] = (xi[i] - mean) * rstd * w[i] + b[i];
        } else {
#pragma omp simd
            for (int64_t i = 0; i < n; i++) y[i] = (xi[i] - mean) * rstd * w[i];
        }
        if (a->resid.p) {
            add_row(a->resid, t * C + i0, n, y);
            if (a->y.dt == LT_F32) memcpy((float *)a->y.p + t * C + i0, y, (size_t)n * sizeof *y);
        }
        lt_cpu_store(a->y, t * C + i0, n, y);
    }
    if (a->x_save) memcpy(a->x_save + t * C, x, (size_t)C * sizeof *x);
    if (a->kind == LT_NORM_LAYER) a->mean[t] = mean;
    a->rstd[t] = rstd;
}

static void backward_row(const struct lt_norm_args *a, int64_t t) {
    int64_t C = a->C;
    float mean = a->kind == LT_NORM_LAYER ? a->mean[t] : 0.0f, rstd = a->rstd[t], g_sum = 0, gx_sum = 0, buf[LT_CPU_CHUNK];
    for (int64_t i0 = 0; i0 < C; i0 += LT_CPU_CHUNK) {
        int64_t n = lt_cpu_min(LT_CPU_CHUNK, C - i0);
        const float *x = a->x + t * C + i0, *w = a->w + i0, *dy = lt_cpu_load(a->dy, t * C + i0, n, buf);
        float g_part = 0, gx_part = 0;
#pragma omp simd reduction(+ : g_part, gx_part)
        for (int64_t i = 0; i < n; i++) {
            float g = dy[i] * w[i];
            g_part += g;
            gx_part += g * (x[i] - mean);
        }
        g_sum += g_part;
        gx_sum += gx_part;
    }
    /* dx = rstd g - shift - slope (x - mean) */
    float shift = a->kind == LT_NORM_LAYER ? rstd * g_sum / (float)C : 0.0f, slope = rstd * rstd * rstd * gx_sum / (float)C;
    for (int64_t i0 = 0; i0 < C; i0 += LT_CPU_CHUNK) {
        int64_t n = lt_cpu_min(LT_CPU_CHUNK, C - i0);
        const float *x = a->x + t * C + i0, *w = a->w + i0, *dy = lt_cpu_load(a->dy, t * C + i0, n, buf);
        const float *dres = a->dres ? a->dres + t * C + i0 : NULL;
        float *dx = a->dx + t * C + i0;
        if (dres) {
#pragma omp simd
            for (int64_t i = 0; i < n; i++) dx[i] = rstd * dy[i] * w[i] - shift - slope * (x[i] - mean) + dres[i];
        } else {
#pragma omp simd
            for (int64_t i = 0; i < n; i++) dx[i] = rstd * dy[i] * w[i] - shift - slope * (x[i] - mean);
        }
        if (a->dx_low.p) lt_cpu_store(a->dx_low, t * C + i0, n, dx);
    }
}

lt_status lt_cpu_norm_fwd(const lt_ctx *c, const struct lt_norm_args *a) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->C))
    for (int64_t t = 0; t < a->rows; t++) forward_row(a, t);
    return LT_OK;
}

lt_status lt_cpu_norm_bwd(const lt_ctx *c, const struct lt_norm_args *a) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->C))
    for (int64_t t = 0; t < a->rows; t++) backward_row(a, t);
    return LT_OK;
}

/* ---- heads ---- */

static float dot(int64_t n, const float *x, const float *y) {
    float s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; i++) s += x[i] * y[i];
    return s;
}

lt_status lt_cpu_head_norm_fwd(const lt_ctx *c, const struct lt_head_norm_args *a) {
    int64_t D = a->head_dim;
    LT_ASSERT(D <= LT_CPU_CHUNK && (!a->x_save.p || a->x_save.dt == a->x.dt));
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->heads * D))
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t h = 0; h < a->heads; h++) {
            float buf[LT_CPU_CHUNK], buf_y[LT_CPU_CHUNK];
            int64_t at = t * a->ld + h * D, dense = (t * a->heads + h) * D;
            const float *x = lt_cpu_load(a->x, at, D, buf);
            if (a->x_save.p) {
                size_t elem = lt_dtype_bytes(a->x.dt);
                memcpy((char *)a->x_save.p + (size_t)dense * elem, (const char *)a->x.p + (size_t)at * elem, (size_t)D * elem);
            }
            float rstd = 1.0f / sqrtf(dot(D, x, x) / (float)D + a->eps), *y = lt_cpu_target(a->x, at, buf_y);
            if (a->rstd) a->rstd[t * a->heads + h] = rstd;
#pragma omp simd
            for (int64_t d = 0; d < D; d++) y[d] = x[d] * rstd * a->w[d];
            lt_cpu_store(a->x, at, D, y);
        }
    return LT_OK;
}

lt_status lt_cpu_head_norm_bwd(const lt_ctx *c, const struct lt_head_norm_args *a) {
    int64_t D = a->head_dim;
    LT_ASSERT(D <= LT_CPU_CHUNK);
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->heads * D))
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t h = 0; h < a->heads; h++) {
            float buf[LT_CPU_CHUNK], buf_x[LT_CPU_CHUNK], g[LT_CPU_CHUNK], buf_y[LT_CPU_CHUNK], rstd = a->rstd[t * a->heads + h];
            int64_t at = t * a->ld + h * D;
            const float *dy = lt_cpu_load(a->x, at, D, buf), *x = lt_cpu_load(a->x_save, (t * a->heads + h) * D, D, buf_x);
#pragma omp simd
            for (int64_t d = 0; d < D; d++) g[d] = dy[d] * a->w[d];
            float mean = dot(D, g, x) * rstd / (float)D, *dx = lt_cpu_target(a->x, at, buf_y);
#pragma omp simd
            for (int64_t d = 0; d < D; d++) dx[d] = rstd * (g[d] - x[d] * rstd * mean);
            lt_cpu_store(a->x, at, D, dx);
        }
    return LT_OK;
}
