/* Bias rows, column sums, softmax of rows, dropout; f64. */
#include "kernels/ref/ref_impl.h"

#include "base/rng.h"

#include <math.h>

lt_status lt_ref_convert(const lt_ctx *c, const struct lt_convert_args *a) {
    for (int64_t i = 0; i < a->n; i++) lt_ref_put(a->y, i, lt_ref_get(a->x, i));
    return LT_OK;
}

lt_status lt_ref_bias_rows(const lt_ctx *c, const struct lt_bias_args *a) {
    for (int64_t r = 0; r < a->rows; r++)
        for (int64_t i = 0; i < a->n; i++) {
            float *y = &a->y[r * a->ld + i];
            *y = a->accumulate ? (float)((double)*y + (double)a->v[i]) : a->v[i];
        }
    return LT_OK;
}

lt_status lt_ref_column_sums(const lt_ctx *c, const struct lt_colsum_args *a) {
    for (int64_t i = 0; i < a->n; i++) {
        double sum = a->accumulate ? (double)a->sum[i] : 0;
        for (int64_t r = 0; r < a->rows; r++) sum += (double)a->x[r * a->ld + i];
        a->sum[i] = (float)sum;
    }
    return LT_OK;
}

lt_status lt_ref_softmax_fwd(const lt_ctx *c, const struct lt_softmax_args *a) {
    for (int64_t r = 0; r < a->rows; r++) {
        const float *x = a->x + r * a->n;
        double top = -INFINITY, sum = 0;
        for (int64_t i = 0; i < a->n; i++) top = fmax(top, (double)x[i]);
        for (int64_t i = 0; i < a->n; i++) sum += exp((double)x[i] - top);
        for (int64_t i = 0; i < a->n; i++) a->y[r * a->n + i] = (float)(exp((double)x[i] - top) / sum);
    }
    return LT_OK;
}

lt_status lt_ref_softmax_bwd(const lt_ctx *c, const struct lt_softmax_args *a) {
    for (int64_t r = 0; r < a->rows; r++) {
        const float *y = a->y + r * a->n, *dy = a->dy + r * a->n;
        double dot = 0;
        for (int64_t i = 0; i < a->n; i++) dot += (double)y[i] * (double)dy[i];
        for (int64_t i = 0; i < a->n; i++) a->dx[r * a->n + i] = (float)((double)y[i] * ((double)dy[i] - dot));
    }
    return LT_OK;
}

lt_status lt_ref_dropout_rows(const lt_ctx *c, const struct lt_dropout_args *a) {
    for (int64_t s = a->seq0; s < a->seq1; s++)
        for (int64_t t = a->cu[s]; t < a->cu[s + 1]; t++)
            for (int64_t j = 0; j < a->C; j++) {
                lt_rng r = {.seed = a->key[s], .purpose = LT_RNG_DROPOUT, .a = a->stream};
                uint32_t w[4];
                int64_t at = t * a->C + j, channel = a->c0 + j;
                lt_rng_block(&r, (uint64_t)(a->index ? a->index[t] : t - a->cu[s]), (uint32_t)(channel / 128 * 16 + channel % 16), w);
                int64_t half = channel / 16 % 8;
                double y = (w[half / 2] >> 16 * (half % 2) & 0xFFFF) >= lt_dropout_bound(a) ? lt_ref_get(a->x, at) / (1 - (double)a->p) : 0;
                lt_ref_put(a->y, at, y + (a->accumulate ? lt_ref_get(a->y, at) : 0));
            }
    return LT_OK;
}
