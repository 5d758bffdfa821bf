/* Frozen linear layers, scores of words and the plain matrix product, f64.
 *
 *   forward   y[t, n] = sum_k x[t, k] W[n, k] + bias[n] + resid[t, n]
 *   backward  dx[t, k] = sum_n dy[t, n] W[n, k] + resid[t, k]
 *   logits    y[t, v] = sum_k x[t, k] tok[v, k]
 *   gemm      C = alpha op(A) op(B) + beta C; with beta = 0, C is not read (as in BLAS) */
#include "kernels/e4m3.h"
#include "kernels/ref/ref_impl.h"

#include <stdlib.h>

lt_status lt_ref_lin_alloc(const lt_ctx *c, lt_arena *a, int64_t N, int64_t K, lt_lin *lin) {
    lt_dtype dt = c->compute == LT_BF16 ? LT_BF16 : LT_F32;
    *lin = (lt_lin){.N = N, .K = K, .dt = dt, .w = lt_arena_take(a, N * K, lt_dtype_bytes(dt)), .e4m3 = lt_lin_takes_e4m3(c, N, K)};
    if (lin->e4m3) lin->factor = lt_arena_take(a, N, sizeof *lin->factor);
    return LT_OK;
}

/* W8 takes the place of W, as bf16. */
lt_status lt_ref_lin_pack(const lt_ctx *c, lt_lin *lin, bool reorder) {
    uint16_t *w = lin->w;
    for (int64_t n = 0; lin->e4m3 && reorder && n < lin->N; n++)
        lin->factor[n] = lt_e4m3_row((lt_arr){&w[n * lin->K], LT_BF16}, NULL, lin->K, &w[n * lin->K]);
    return LT_OK;
}

void lt_ref_lin_fini(lt_lin *lin) {}

/* Element i of a row operand as the product with a matrix of type dt sees it. */
static double operand(lt_dtype dt, lt_arr a, int64_t i) {
    double v = lt_ref_get(a, i);
    return dt == LT_BF16 ? (double)lt_bf16_to_f32(lt_f32_to_bf16((float)v)) : v;
}

/* One direction of a layer in E4M3. */
static lt_status linear_e4m3(const struct lt_linear_args *a, bool forward) {
    const lt_lin *lin = a->lin;
    int64_t n_in = forward ? lin->K : lin->N, n_out = forward ? lin->N : lin->K;
    lt_arr in = forward ? a->x : a->y, out = forward ? a->y : a->x, w = {lin->w, LT_BF16};
    uint16_t *row;
    LT_TRY(lt_calloc(&row, n_in, sizeof *row, "a row in E4M3"));
    for (int64_t t = 0; t < a->rows; t++) {
        double factor = (double)lt_e4m3_row(lt_arr_at(in, t * n_in), forward ? NULL : lin->factor, n_in, row);
        for (int64_t j = 0; j < n_out; j++) {
            double sum = 0;
            for (int64_t i = 0; i < n_in; i++)
                sum += (double)lt_bf16_to_f32(row[i]) * lt_ref_get(w, forward ? j * n_in + i : i * n_out + j);
            sum *= factor * (forward ? (double)lin->factor[j] : 1.0);
            if (forward && lin->bias && !a->no_bias) sum += (double)lin->bias[j];
            if (a->resid.p) sum += lt_ref_get(a->resid, t * n_out + j);
            lt_ref_put(out, t * n_out + j, sum);
        }
    }
    free(row);
    return LT_OK;
}

lt_status lt_ref_linear_fwd(const lt_ctx *c, const struct lt_linear_args *a) {
    const lt_lin *lin = a->lin;
    lt_arr w = {lin->w, lin->dt};
    if (lin->e4m3) return linear_e4m3(a, true);
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t n = 0; n < lin->N; n++) {
            double sum = lin->bias && !a->no_bias ? (double)lin->bias[n] : 0.0;
            if (a->resid.p) sum += lt_ref_get(a->resid, t * lin->N + n);
            for (int64_t k = 0; k < lin->K; k++) sum += operand(lin->dt, a->x, t * lin->K + k) * lt_ref_get(w, n * lin->K + k);
            lt_ref_put(a->y, t * lin->N + n, sum);
        }
    return LT_OK;
}

lt_status lt_ref_linear_bwd_x(const lt_ctx *c, const struct lt_linear_args *a) {
    const lt_lin *lin = a->lin;
    lt_arr w = {lin->w, lin->dt};
    if (lin->e4m3) return linear_e4m3(a, false);
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t k = 0; k < lin->K; k++) {
            double sum = a->resid.p ? lt_ref_get(a->resid, t * lin->K + k) : 0.0;
            for (int64_t n = 0; n < lin->N; n++) sum += operand(lin->dt, a->y, t * lin->N + n) * lt_ref_get(w, n * lin->K + k);
            lt_ref_put(a->x, t * lin->K + k, sum);
        }
    return LT_OK;
}

lt_status lt_ref_logits(const lt_ctx *c, const struct lt_logits_args *a) {
    lt_arr tok = {(void *)a->tok, a->tok_dt};
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t v = 0; v < a->V; v++) {
            double sum = 0;
            for (int64_t k = 0; k < a->C; k++) sum += operand(a->tok_dt, a->x, t * a->C + k) * lt_ref_get(tok, v * a->C + k);
            a->y[t * a->ld_y + v] = (float)sum;
        }
    return LT_OK;
}

lt_status lt_ref_gemm(const lt_ctx *c, const struct lt_gemm_args *a) {
    for (int64_t i = 0; i < a->M; i++)
        for (int64_t j = 0; j < a->N; j++) {
            double sum = 0;
            for (int64_t k = 0; k < a->K; k++)
                sum += (double)a->A[a->ta ? k * a->lda + i : i * a->lda + k] * (double)a->B[a->tb ? j * a->ldb + k : k * a->ldb + j];
            float *out = &a->C[i * a->ldc + j];
            *out = (float)((double)a->alpha * sum + (a->beta != 0.0f ? (double)a->beta * (double)*out : 0.0));
        }
    return LT_OK;
}
