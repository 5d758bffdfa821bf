/* What is read out: rows gathered and scattered, pooling over sequences; equations in ref/readout.c.
 *
 * A thread owns rows or whole sequences, so every sum runs in row order whatever the number of threads. */
#include "kernels/cpu/cpu_impl.h"
#include <string.h>

/* Row `to` of y := row `from` of x. */
static void copy_row(int64_t C, lt_arr x, int64_t from, lt_arr y, int64_t to) {
    for (int64_t i0 = 0; i0 < C; i0 += LT_CPU_CHUNK) {
        float in[LT_CPU_CHUNK], out[LT_CPU_CHUNK];
        int64_t n = lt_cpu_min(LT_CPU_CHUNK, C - i0), at = to * C + i0;
        const float *row = lt_cpu_load(x, from * C + i0, n, in);
        float *target = lt_cpu_target(y, at, out);
        memcpy(target, row, (size_t)n * sizeof *target);
        lt_cpu_store(y, at, n, target);
    }
}

lt_status lt_cpu_gather_rows(const lt_ctx *c, const struct lt_rows_args *a) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->C))
    for (int64_t t = 0; t < a->rows; t++) copy_row(a->C, a->big, a->index[t], a->small, t);
    return LT_OK;
}

/* Rows of big are distinct, so no two threads write the same one. */
lt_status lt_cpu_put_rows(const lt_ctx *c, const struct lt_rows_args *a) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->C))
    for (int64_t t = 0; t < a->rows; t++) copy_row(a->C, a->small, t, a->big, a->index[t]);
    return LT_OK;
}

lt_status lt_cpu_scatter_add_rows(const lt_ctx *c, const struct lt_rows_args *a) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->C))
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t i0 = 0; i0 < a->C; i0 += LT_CPU_CHUNK) {
            float buf_big[LT_CPU_CHUNK], buf_small[LT_CPU_CHUNK];
            int64_t n = lt_cpu_min(LT_CPU_CHUNK, a->C - i0), at = a->index[t] * a->C + i0;
            lt_cpu_load(a->big, at, n, buf_big);
            float *big = lt_cpu_target(a->big, at, buf_big);
            lt_cpu_add_to(n, lt_cpu_load(a->small, t * a->C + i0, n, buf_small), big);
            lt_cpu_store(a->big, at, n, big);
        }
    return LT_OK;
}

/* ---- pooling: an empty range gives 0 (argmax -1); of equal maxima the first row counts ---- */

static void mean_rows(const struct lt_pool_args *a, int64_t s) {
    int64_t C = a->C;
    float *out = a->out + s * C;
    memset(out, 0, (size_t)C * sizeof *out);
    for (int64_t t = a->row0[s]; t < a->row1[s]; t++) lt_cpu_add_to(C, a->x + t * C, out);
    if (a->row1[s] <= a->row0[s]) return;
    float scale = 1.0f / (float)(a->row1[s] - a->row0[s]);
#pragma omp simd
    for (int64_t i = 0; i < C; i++) out[i] *= scale;
}

static void max_rows(const struct lt_pool_args *a, int64_t s) {
    int64_t C = a->C;
    float *out = a->out + s * C;
    int32_t *argmax = a->argmax + s * C;
    for (int64_t i = 0; i < C; i++) {
        out[i] = a->row1[s] > a->row0[s] ? a->x[a->row0[s] * C + i] : 0.0f;
        argmax[i] = a->row1[s] > a->row0[s] ? a->row0[s] : -1;
    }
    for (int32_t t = a->row0[s] + 1; t < a->row1[s]; t++) {
        const float *x = a->x + t * C;
#pragma omp simd
        for (int64_t i = 0; i < C; i++) {
            argmax[i] = x[i] > out[i] ? t : argmax[i];
            out[i] = x[i] > out[i] ? x[i] : out[i];
        }
    }
}

lt_status lt_cpu_pool_fwd(const lt_ctx *c, const struct lt_pool_args *a) {
    int threads = lt_cpu_fork(c, a->T * a->C);
    if (a->kind == LT_POOL_MEAN) {
#pragma omp parallel for schedule(static) num_threads(threads)
        for (int64_t s = 0; s < a->n_seq; s++) mean_rows(a, s);
    } else {
#pragma omp parallel for schedule(static) num_threads(threads)
        for (int64_t s = 0; s < a->n_seq; s++) max_rows(a, s);
    }
    return LT_OK;
}

static void pool_bwd_seq(const struct lt_pool_args *a, int64_t s) {
    int64_t C = a->C;
    const float *dout = a->dout + s * C;
    if (a->kind == LT_POOL_MAX) {
        const int32_t *argmax = a->argmax + s * C;
        for (int64_t i = 0; i < C; i++)
            if (argmax[i] >= 0) a->dx[argmax[i] * C + i] = dout[i];
        return;
    }
    for (int64_t t = a->row0[s]; t < a->row1[s]; t++) {
        float *dx = a->dx + t * C, scale = 1.0f / (float)(a->row1[s] - a->row0[s]);
#pragma omp simd
        for (int64_t i = 0; i < C; i++) dx[i] = scale * dout[i];
    }
}

lt_status lt_cpu_pool_bwd(const lt_ctx *c, const struct lt_pool_args *a) {
    int threads = lt_cpu_fork(c, a->T * a->C);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t t = 0; t < a->T; t++) memset(a->dx + t * a->C, 0, (size_t)a->C * sizeof *a->dx);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t s = 0; s < a->n_seq; s++) pool_bwd_seq(a, s);
    return LT_OK;
}
