/* Small ops: conversion, bias rows, column sums, softmax of rows.  Sums run in row order. */
#include "kernels/cpu/cpu_impl.h"

#include <math.h>
#include <string.h>

lt_status lt_cpu_convert(const lt_ctx *c, const struct lt_convert_args *a) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->n))
    for (int64_t at = 0; at < a->n; at += LT_CPU_CHUNK) {
        float buf[LT_CPU_CHUNK], buf_y[LT_CPU_CHUNK];
        int64_t n = lt_cpu_min(LT_CPU_CHUNK, a->n - at);
        const float *x = lt_cpu_load(a->x, at, n, buf);
        float *y = lt_cpu_target(a->y, at, buf_y);
        memcpy(y, x, (size_t)n * sizeof *y);
        lt_cpu_store(a->y, at, n, y);
    }
    return LT_OK;
}

lt_status lt_cpu_bias_rows(const lt_ctx *c, const struct lt_bias_args *a) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->n))
    for (int64_t r = 0; r < a->rows; r++) {
        float *y = a->y + r * a->ld;
        if (!a->accumulate) {
            memcpy(y, a->v, (size_t)a->n * sizeof *y);
            continue;
        }
#pragma omp simd
        for (int64_t i = 0; i < a->n; i++) y[i] += a->v[i];
    }
    return LT_OK;
}

lt_status lt_cpu_column_sums(const lt_ctx *c, const struct lt_colsum_args *a) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->n))
    for (int64_t i0 = 0; i0 < a->n; i0 += LT_CPU_CHUNK) {
        int64_t n = lt_cpu_min(LT_CPU_CHUNK, a->n - i0);
        float *sum = a->sum + i0;
        if (!a->accumulate) memset(sum, 0, (size_t)n * sizeof *sum);
        for (int64_t r = 0; r < a->rows; r++) {
            const float *x = a->x + r * a->ld + i0;
#pragma omp simd
            for (int64_t i = 0; i < n; i++) sum[i] += x[i];
        }
    }
    return LT_OK;
}

lt_status lt_cpu_softmax_fwd(const lt_ctx *c, const struct lt_softmax_args *a) {
    (void)c;
    for (int64_t r = 0; r < a->rows; r++) {
        const float *x = a->x + r * a->n;
        float *y = a->y + r * a->n, top = -INFINITY;
        double sum = 0;
        for (int64_t i = 0; i < a->n; i++) top = x[i] > top ? x[i] : top;
        for (int64_t i = 0; i < a->n; i++) sum += exp((double)x[i] - (double)top);
        for (int64_t i = 0; i < a->n; i++) y[i] = (float)(exp((double)x[i] - (double)top) / sum);
    }
    return LT_OK;
}

lt_status lt_cpu_softmax_bwd(const lt_ctx *c, const struct lt_softmax_args *a) {
    (void)c;
    for (int64_t r = 0; r < a->rows; r++) {
        const float *y = a->y + r * a->n, *dy = a->dy + r * a->n;
        float *dx = a->dx + r * a->n;
        double dot = 0;
        for (int64_t i = 0; i < a->n; i++) dot += (double)y[i] * (double)dy[i];
        for (int64_t i = 0; i < a->n; i++) dx[i] = (float)((double)y[i] * ((double)dy[i] - dot));
    }
    return LT_OK;
}
