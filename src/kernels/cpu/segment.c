/* Small trainable matrices, one per segment of rows, and the plain f32 product.
 *
 * Every product is one call of sgemm.  f32 arrays are used as they lie; bf16 rows are widened into the workspace in blocks of LT_CPU_ROW_BLOCK, and bf16
 * results are made there and rounded once.  Segments follow each other: their gradients may be the same matrix (a trial with several segments), and
 * sums then run in segment order.
 *
 * Workspace of a call: | rows of the operand | rows of the result |, each part only where the array is bf16. */
#include "kernels/cpu/cpu_impl.h"

#include <string.h>

size_t lt_cpu_segment_ws_bytes(const lt_ctx *c, const lt_dims *d) {
    return c->compute == LT_BF16 ? 2 * (size_t)(lt_cpu_min(LT_CPU_ROW_BLOCK, d->rows) * d->width) * sizeof(float) : 0;
}

/* A view of some rows as f32. */
typedef struct view {
    float *p;
    int64_t ld;
} view;

/* Rows [t, t + rows) of x, n wide: where they lie, or widened to `at` in the workspace as dense rows. */
static lt_status rows_f32(const lt_ctx *c, lt_arr x, int64_t ld, int64_t t, int64_t rows, int64_t n, float *at, view *v) {
    if (x.dt == LT_F32) {
        *v = (view){(float *)x.p + t * ld, ld};
        return LT_OK;
    }
    LT_ASSERT((unsigned char *)(at + rows * n) <= (unsigned char *)c->ws + c->ws_bytes);
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, rows *n))
    for (int64_t i = 0; i < rows; i++) lt_cpu_load(x, (t + i) * ld, n, at + i * n);
    *v = (view){at, n};
    return LT_OK;
}

/* Where to make rows [t, t + rows) of an output that starts from what is there (keep) or from nothing. */
static lt_status target_rows(const lt_ctx *c, lt_arr y, int64_t ld, int64_t t, int64_t rows, int64_t n, float *at, bool keep, view *v) {
    if (y.dt == LT_F32 || keep) return rows_f32(c, y, ld, t, rows, n, at, v);
    LT_ASSERT((unsigned char *)(at + rows * n) <= (unsigned char *)c->ws + c->ws_bytes);
    *v = (view){at, n};
    return LT_OK;
}

/* Brings them home. */
static void store_rows(const lt_ctx *c, lt_arr y, int64_t ld, int64_t t, int64_t rows, int64_t n, view v) {
    if (y.dt == LT_F32) return;
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, rows *n))
    for (int64_t i = 0; i < rows; i++) lt_cpu_store(y, (t + i) * ld, n, v.p + i * v.ld);
}

/* Rows := bias, or += bias when accumulating; nothing to do when neither is there and the product overwrites. */
static void start_rows(view y, int64_t rows, int64_t N, const float *b, bool accumulate) {
    for (int64_t t = 0; b && t < rows; t++) {
        float *to = y.p + t * y.ld;
        if (accumulate)
            for (int64_t n = 0; n < N; n++) to[n] += b[n];
        else
            memcpy(to, b, (size_t)N * sizeof *to);
    }
}

lt_status lt_cpu_segment_fwd(const lt_ctx *c, const struct lt_segment_args *a) {
    for (const lt_segment *s = a->seg; s < a->seg + a->n_seg; s++)
        for (int64_t t = s->row0; t < s->row1; t += LT_CPU_ROW_BLOCK) {
            int64_t rows = lt_cpu_min(LT_CPU_ROW_BLOCK, s->row1 - t);
            float *ws = c->ws;
            view x = {0}, y = {0};
            LT_TRY(rows_f32(c, a->x, a->ld_x, t, rows, s->K, ws, &x));
            LT_TRY(target_rows(c, a->y, a->ld_y, t, rows, s->N, a->x.dt == LT_F32 ? ws : ws + rows * s->K, a->accumulate, &y));
            start_rows(y, rows, s->N, s->b, a->accumulate);
            LT_TRY(lt_cpu_impl_sgemm(c->threads, &(struct lt_gemm_args){.tb = 1,
                                                                        .M = rows,
                                                                        .N = s->N,
                                                                        .K = s->K,
                                                                        .alpha = (float)lt_segment_alpha(a, s),
                                                                        .A = x.p,
                                                                        .lda = x.ld,
                                                                        .B = s->w,
                                                                        .ldb = lt_segment_ld(s),
                                                                        .beta = s->b || a->accumulate ? 1.0f : 0.0f,
                                                                        .C = y.p,
                                                                        .ldc = y.ld}));
            store_rows(c, a->y, a->ld_y, t, rows, s->N, y);
        }
    return LT_OK;
}

/* db += column sums of dy, dw += alpha dy^T x over one block of rows. */
static lt_status weight_gradient(const lt_ctx *c, const struct lt_segment_args *a, const lt_segment *s, int64_t t, int64_t rows, view dy,
                                 float *ws) {
    view x = {0};
    for (int64_t i = 0; s->db && i < rows; i++)
        for (int64_t n = 0; n < s->N; n++) s->db[n] += dy.p[i * dy.ld + n];
    if (!s->dw) return LT_OK;
    LT_TRY(rows_f32(c, a->x, a->ld_x, t, rows, s->K, ws, &x));
    return lt_cpu_impl_sgemm(c->threads, &(struct lt_gemm_args){.ta = 1,
                                                                .M = s->N,
                                                                .N = s->K,
                                                                .K = rows,
                                                                .alpha = (float)lt_segment_alpha(a, s),
                                                                .beta = 1,
                                                                .A = dy.p,
                                                                .lda = dy.ld,
                                                                .B = x.p,
                                                                .ldb = x.ld,
                                                                .C = s->dw,
                                                                .ldc = lt_segment_ld(s)});
}

lt_status lt_cpu_segment_bwd(const lt_ctx *c, const struct lt_segment_args *a) {
    for (const lt_segment *s = a->seg; s < a->seg + a->n_seg; s++)
        for (int64_t t = s->row0; t < s->row1; t += LT_CPU_ROW_BLOCK) {
            int64_t rows = lt_cpu_min(LT_CPU_ROW_BLOCK, s->row1 - t);
            float *ws = c->ws, *rest = a->dy.dt == LT_F32 ? ws : ws + rows * s->N;
            view dy = {0}, dx = {0};
            LT_TRY(rows_f32(c, a->dy, a->ld_y, t, rows, s->N, ws, &dy));
            LT_TRY(weight_gradient(c, a, s, t, rows, dy, rest));
            if (!a->dx.p) continue;
            LT_TRY(target_rows(c, a->dx, a->ld_dx, t, rows, s->K, rest, a->accumulate, &dx));
            LT_TRY(lt_cpu_impl_sgemm(c->threads, &(struct lt_gemm_args){.M = rows,
                                                                        .N = s->K,
                                                                        .K = s->N,
                                                                        .alpha = (float)lt_segment_alpha(a, s),
                                                                        .beta = a->accumulate ? 1.0f : 0.0f,
                                                                        .A = dy.p,
                                                                        .lda = dy.ld,
                                                                        .B = s->w,
                                                                        .ldb = lt_segment_ld(s),
                                                                        .C = dx.p,
                                                                        .ldc = dx.ld}));
            store_rows(c, a->dx, a->ld_dx, t, rows, s->K, dx);
        }
    return LT_OK;
}

lt_status lt_cpu_gemm(const lt_ctx *c, const struct lt_gemm_args *a) {
    LT_TRY(lt_cpu_impl_sgemm(c->threads, a));
    return LT_OK;
}
