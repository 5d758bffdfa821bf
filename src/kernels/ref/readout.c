/* What is read out: gather and scatter, pooling; f64. */
#include "kernels/ref/ref_impl.h"

lt_status lt_ref_gather_rows(const lt_ctx *c, const struct lt_rows_args *a) {
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t i = 0; i < a->C; i++) lt_ref_put(a->small, t * a->C + i, lt_ref_get(a->big, a->index[t] * a->C + i));
    return LT_OK;
}

lt_status lt_ref_put_rows(const lt_ctx *c, const struct lt_rows_args *a) {
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t i = 0; i < a->C; i++) lt_ref_put(a->big, a->index[t] * a->C + i, lt_ref_get(a->small, t * a->C + i));
    return LT_OK;
}

lt_status lt_ref_scatter_add_rows(const lt_ctx *c, const struct lt_rows_args *a) {
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t i = 0; i < a->C; i++) {
            int64_t at = a->index[t] * a->C + i;
            lt_ref_put(a->big, at, lt_ref_get(a->big, at) + lt_ref_get(a->small, t * a->C + i));
        }
    return LT_OK;
}

/* An empty range gives 0 (and argmax -1); of equal maxima the first row counts. */
lt_status lt_ref_pool_fwd(const lt_ctx *c, const struct lt_pool_args *a) {
    for (int64_t s = 0; s < a->n_seq; s++)
        for (int64_t i = 0; i < a->C; i++) {
            double sum = 0;
            int32_t best = -1;
            for (int32_t t = a->row0[s]; t < a->row1[s]; t++) {
                sum += (double)a->x[t * a->C + i];
                if (best < 0 || a->x[t * a->C + i] > a->x[best * a->C + i]) best = t;
            }
            if (a->kind == LT_POOL_MAX) {
                a->argmax[s * a->C + i] = best;
                a->out[s * a->C + i] = best < 0 ? 0.0f : a->x[best * a->C + i];
            } else {
                a->out[s * a->C + i] = best < 0 ? 0.0f : (float)(sum / (double)(a->row1[s] - a->row0[s]));
            }
        }
    return LT_OK;
}

lt_status lt_ref_pool_bwd(const lt_ctx *c, const struct lt_pool_args *a) {
    for (int64_t i = 0; i < a->T * a->C; i++) a->dx[i] = 0.0f;
    for (int64_t s = 0; s < a->n_seq; s++)
        for (int64_t i = 0; i < a->C; i++) {
            float dout = a->dout[s * a->C + i];
            if (a->kind == LT_POOL_MAX) {
                int32_t best = a->argmax[s * a->C + i];
                if (best >= 0) a->dx[best * a->C + i] = dout;
            } else {
                for (int32_t t = a->row0[s]; t < a->row1[s]; t++)
                    a->dx[t * a->C + i] = (float)((double)dout / (double)(a->row1[s] - a->row0[s]));
            }
        }
    return LT_OK;
}
