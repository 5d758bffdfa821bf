/* Small ops: conversion, bias rows, column sums, softmax of rows, dropout.  Sums run in row order. */
#include "kernels/cpu/cpu_impl.h"

#include "base/rng.h"

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

enum { GROUP = 128, LANES = 16 }; /* channels that share LANES blocks */

/* Factors of all channels of group g of one row.  Philox4x32-10 (base/rng.c) in LANES blocks at once. */
static void group_factors(const lt_rng *r, uint64_t row, uint32_t g, uint32_t bound, float kept, float factor[GROUP]) {
    uint32_t word[4][LANES];
#pragma omp simd
    for (uint32_t i = 0; i < LANES; i++) {
        uint32_t k0 = (uint32_t)r->seed, k1 = (uint32_t)(r->seed >> 32) ^ (r->purpose * 0x85EBCA6Bu);
        uint32_t x0 = (uint32_t)row, x1 = (uint32_t)(row >> 32), x2 = g * LANES + i, x3 = r->a;
#pragma GCC unroll 10
        for (int round = 0; round < 10; round++) {
            uint32_t h0 = (uint32_t)((uint64_t)0xD2511F53u * x0 >> 32), l0 = 0xD2511F53u * x0;
            uint32_t h1 = (uint32_t)((uint64_t)0xCD9E8D57u * x2 >> 32), l1 = 0xCD9E8D57u * x2;
            x0 = h1 ^ x1 ^ k0;
            x1 = l1;
            x2 = h0 ^ x3 ^ k1;
            x3 = l0;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        word[0][i] = x0, word[1][i] = x1, word[2][i] = x2, word[3][i] = x3;
    }
    for (int w = 0; w < 4; w++)
#pragma omp simd
        for (int i = 0; i < LANES; i++) {
            factor[2 * w * LANES + i] = (word[w][i] & 0xFFFF) >= bound ? kept : 0.0f;
            factor[(2 * w + 1) * LANES + i] = word[w][i] >> 16 >= bound ? kept : 0.0f;
        }
}

/* Factors of columns [at, at + n) of one row, n <= LT_CPU_CHUNK, into a buffer that has room for whole groups; returns where they begin. */
static const float *keep_factors(const struct lt_dropout_args *a, const lt_rng *r, uint64_t row, int64_t at, int64_t n, float *buf) {
    int64_t first = (a->c0 + at) / GROUP, end = (a->c0 + at + n - 1) / GROUP + 1;
    for (int64_t g = first; g < end; g++)
        group_factors(r, row, (uint32_t)g, lt_dropout_bound(a), 1.0f / (1.0f - a->p), buf + (g - first) * GROUP);
    return buf + (a->c0 + at - first * GROUP);
}

lt_status lt_cpu_dropout_rows(const lt_ctx *c, const struct lt_dropout_args *a) {
    int64_t rows = a->seq1 > a->seq0 ? a->cu[a->seq1] - a->cu[a->seq0] : 0;
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, 16 * rows * a->C))
    for (int64_t s = a->seq0; s < a->seq1; s++) {
        lt_rng r = {.seed = a->key[s], .purpose = LT_RNG_DROPOUT, .a = a->stream};
        for (int64_t t = a->cu[s]; t < a->cu[s + 1]; t++)
            for (int64_t j0 = 0; j0 < a->C; j0 += LT_CPU_CHUNK) {
                float drawn[LT_CPU_CHUNK + 2 * GROUP], buf_x[LT_CPU_CHUNK], buf_y[LT_CPU_CHUNK];
                int64_t at = t * a->C + j0, n = lt_cpu_min(LT_CPU_CHUNK, a->C - j0);
                const float *factor = keep_factors(a, &r, (uint64_t)(a->index ? a->index[t] : t - a->cu[s]), j0, n, drawn);
                const float *x = lt_cpu_load(a->x, at, n, buf_x);
                float *y = lt_cpu_target(a->y, at, buf_y);
                if (a->accumulate) {
                    const float *before = lt_cpu_load(a->y, at, n, buf_y);
#pragma omp simd
                    for (int64_t j = 0; j < n; j++) y[j] = before[j] + factor[j] * x[j];
                } else {
#pragma omp simd
                    for (int64_t j = 0; j < n; j++) y[j] = factor[j] * x[j];
                }
                lt_cpu_store(a->y, at, n, y);
            }
    }
    return LT_OK;
}
