/* Small trainable matrices, one per segment of rows, and the plain f32 product.
 *
 * Every product is one call of sgemm on the arrays as they lie; bf16 rows are widened into the workspace in blocks of LT_CPU_ROW_BLOCK.
 * Segments follow each other: their gradients may be the same matrix (a trial with several segments), and sums then run in segment
 * order. */
#include "kernels/cpu/cpu_impl.h"

#include <string.h>

size_t lt_cpu_segment_ws_bytes(const lt_ctx *c, const lt_dims *d) {
    return c->compute == LT_BF16 ? (size_t)(lt_cpu_min(LT_CPU_ROW_BLOCK, d->rows) * d->width) * sizeof(float) : 0;
}

/* Rows [t, t + rows) of x as f32: where they lie, or widened into the workspace as dense rows of K. */
static lt_status rows_f32(const lt_ctx *c, const struct lt_segment_args *a, int64_t t, int64_t rows, int64_t K, const float **x,
                          int64_t *ld) {
    if (a->x.dt == LT_F32) {
        *x = (const float *)a->x.p + t * a->ld_x;
        *ld = a->ld_x;
        return LT_OK;
    }
    float *ws = c->ws;
    LT_ASSERT((size_t)(rows * K) * sizeof *ws <= c->ws_bytes);
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, rows *K))
    for (int64_t i = 0; i < rows; i++) lt_cpu_load(a->x, (t + i) * a->ld_x, K, ws + i * K);
    *x = ws;
    *ld = K;
    return LT_OK;
}

/* y rows := bias, or += bias when accumulating; nothing to do when neither is there and the product overwrites. */
static void start_rows(const struct lt_segment_args *a, const lt_segment *s) {
    if (!s->b) return;
    for (int64_t t = s->row0; t < s->row1; t++) {
        float *y = a->y + t * a->ld_y;
        if (a->accumulate)
            for (int64_t n = 0; n < s->N; n++) y[n] += s->b[n];
        else
            memcpy(y, s->b, (size_t)s->N * sizeof *y);
    }
}

lt_status lt_cpu_segment_fwd(const lt_ctx *c, const struct lt_segment_args *a) {
    for (const lt_segment *s = a->seg; s < a->seg + a->n_seg; s++) {
        start_rows(a, s);
        for (int64_t t = s->row0; t < s->row1; t += LT_CPU_ROW_BLOCK) {
            struct lt_gemm_args g = {.tb = 1,
                                     .M = lt_cpu_min(LT_CPU_ROW_BLOCK, s->row1 - t),
                                     .N = s->N,
                                     .K = s->K,
                                     .alpha = a->alpha,
                                     .B = s->w,
                                     .ldb = s->K,
                                     .beta = s->b || a->accumulate ? 1.0f : 0.0f,
                                     .C = a->y + t * a->ld_y,
                                     .ldc = a->ld_y};
            LT_TRY(rows_f32(c, a, t, g.M, s->K, &g.A, &g.lda));
            LT_TRY(lt_cpu_impl_sgemm(c->threads, &g));
        }
    }
    return LT_OK;
}

/* dw += alpha dy^T x over the rows of one segment. */
static lt_status weight_gradient(const lt_ctx *c, const struct lt_segment_args *a, const lt_segment *s) {
    for (int64_t t = s->row0; t < s->row1; t += LT_CPU_ROW_BLOCK) {
        struct lt_gemm_args g = {.ta = 1,
                                 .M = s->N,
                                 .N = s->K,
                                 .K = lt_cpu_min(LT_CPU_ROW_BLOCK, s->row1 - t),
                                 .alpha = a->alpha,
                                 .beta = 1,
                                 .A = a->dy + t * a->ld_y,
                                 .lda = a->ld_y,
                                 .C = s->dw,
                                 .ldc = s->K};
        LT_TRY(rows_f32(c, a, t, g.K, s->K, &g.B, &g.ldb));
        LT_TRY(lt_cpu_impl_sgemm(c->threads, &g));
    }
    return LT_OK;
}

lt_status lt_cpu_segment_bwd(const lt_ctx *c, const struct lt_segment_args *a) {
    for (const lt_segment *s = a->seg; s < a->seg + a->n_seg; s++) {
        for (int64_t t = s->row0; s->db && t < s->row1; t++)
            for (int64_t n = 0; n < s->N; n++) s->db[n] += a->dy[t * a->ld_y + n];
        if (s->dw) LT_TRY(weight_gradient(c, a, s));
        if (a->dx) {
            struct lt_gemm_args g = {.M = s->row1 - s->row0,
                                     .N = s->K,
                                     .K = s->N,
                                     .alpha = a->alpha,
                                     .beta = a->accumulate ? 1.0f : 0.0f,
                                     .A = a->dy + s->row0 * a->ld_y,
                                     .lda = a->ld_y,
                                     .B = s->w,
                                     .ldb = s->K,
                                     .C = a->dx + s->row0 * a->ld_dx,
                                     .ldc = a->ld_dx};
            LT_TRY(lt_cpu_impl_sgemm(c->threads, &g));
        }
    }
    return LT_OK;
}

lt_status lt_cpu_gemm(const lt_ctx *c, const struct lt_gemm_args *a) {
    LT_TRY(lt_cpu_impl_sgemm(c->threads, a));
    return LT_OK;
}
