/* Layer norm (Ba et al. 2016) and RMS norm (Zhang and Sennrich 2019), f64.
 *
 *   xhat = (x - mean) rstd   (RMS: mean = 0),   rstd = 1 / sqrt(mean((x - mean)^2) + eps),   y = xhat w + b + resid
 *   g = dy w,   dx = rstd (g - mean(g) - xhat mean(g xhat)) + dres   (RMS: without mean(g)) */
#include "kernels/ref/ref_impl.h"

#include <math.h>

lt_status lt_ref_norm_fwd(const lt_ctx *c, const struct lt_norm_args *a) {
    for (int64_t t = 0; t < a->rows; t++) {
        const float *x = a->x + t * a->C;
        double mean = 0, var = 0;
        if (a->kind == LT_NORM_LAYER) {
            for (int64_t i = 0; i < a->C; i++) mean += (double)x[i];
            mean /= (double)a->C;
        }
        for (int64_t i = 0; i < a->C; i++) var += ((double)x[i] - mean) * ((double)x[i] - mean);
        double rstd = 1.0 / sqrt(var / (double)a->C + (double)a->eps);
        for (int64_t i = 0; i < a->C; i++) {
            double resid = a->resid.p ? lt_ref_get(a->resid, t * a->C + i) : 0;
            lt_ref_put(a->y, t * a->C + i, ((double)x[i] - mean) * rstd * (double)a->w[i] + (a->b ? (double)a->b[i] : 0.0) + resid);
            if (a->x_save) a->x_save[t * a->C + i] = x[i];
        }
        if (a->kind == LT_NORM_LAYER) a->mean[t] = (float)mean;
        a->rstd[t] = (float)rstd;
    }
    return LT_OK;
}

lt_status lt_ref_norm_bwd(const lt_ctx *c, const struct lt_norm_args *a) {
    for (int64_t t = 0; t < a->rows; t++) {
        const float *x = a->x + t * a->C;
        double mean = a->kind == LT_NORM_LAYER ? (double)a->mean[t] : 0.0, rstd = (double)a->rstd[t], g_mean = 0, gx_mean = 0;
        for (int64_t i = 0; i < a->C; i++) {
            double g = lt_ref_get(a->dy, t * a->C + i) * (double)a->w[i];
            g_mean += g / (double)a->C;
            gx_mean += g * ((double)x[i] - mean) * rstd / (double)a->C;
        }
        if (a->kind == LT_NORM_RMS) g_mean = 0;
        for (int64_t i = 0; i < a->C; i++) {
            double g = lt_ref_get(a->dy, t * a->C + i) * (double)a->w[i], xhat = ((double)x[i] - mean) * rstd;
            double dx = rstd * (g - g_mean - xhat * gx_mean);
            dx += a->dres ? (double)a->dres[t * a->C + i] : 0.0;
            a->dx[t * a->C + i] = (float)dx;
            if (a->dx_low.p) lt_ref_put(a->dx_low, t * a->C + i, dx);
        }
    }
    return LT_OK;
}

lt_status lt_ref_head_norm_fwd(const lt_ctx *c, const struct lt_head_norm_args *a) {
    int D = a->head_dim;
    for (int64_t t = 0; t < a->rows; t++)
        for (int h = 0; h < a->heads; h++) {
            int64_t at = t * a->ld + h * D, dense = (t * a->heads + h) * D;
            double sum = 0;
            for (int d = 0; d < D; d++) sum += lt_ref_get(a->x, at + d) * lt_ref_get(a->x, at + d);
            double rstd = 1.0 / sqrt(sum / D + (double)a->eps);
            if (a->rstd) a->rstd[t * a->heads + h] = (float)rstd;
            for (int d = 0; d < D; d++) {
                double x = lt_ref_get(a->x, at + d);
                if (a->x_save.p) lt_ref_put(a->x_save, dense + d, x);
                lt_ref_put(a->x, at + d, x * rstd * (double)a->w[d]);
            }
        }
    return LT_OK;
}

lt_status lt_ref_head_norm_bwd(const lt_ctx *c, const struct lt_head_norm_args *a) {
    int D = a->head_dim;
    for (int64_t t = 0; t < a->rows; t++)
        for (int h = 0; h < a->heads; h++) {
            int64_t at = t * a->ld + h * D, dense = (t * a->heads + h) * D;
            double rstd = (double)a->rstd[t * a->heads + h], mean = 0;
            for (int d = 0; d < D; d++) mean += lt_ref_get(a->x, at + d) * (double)a->w[d] * lt_ref_get(a->x_save, dense + d) * rstd / D;
            for (int d = 0; d < D; d++) {
                double xhat = lt_ref_get(a->x_save, dense + d) * rstd;
                lt_ref_put(a->x, at + d, rstd * (lt_ref_get(a->x, at + d) * (double)a->w[d] - xhat * mean));
            }
        }
    return LT_OK;
}
