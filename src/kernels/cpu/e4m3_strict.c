/* Layers in E4M3 on CPUs, which have no such arithmetic: bf16 holds every E4M3 number, and products of these are exact in f32, so the bf16 product of rounded
 * operands gives what FP8 hardware gives, up to the order of sums.  For comparing with GPUs; nothing here is fast.
 *
 * W8 takes the place of W.  A block of rows is rounded into the workspace, multiplied by the layer as if it were a plain bf16 one, and its sums are scaled,
 * added to and rounded on their way home.
 *
 * Workspace of a call: | rows of the operand, bf16 | their factors | rows of f32 sums | workspace of the bf16 product | */
#include "kernels/cpu/cpu_impl.h"
#include "kernels/e4m3.h"

enum { ROWS = 64 /* a block */ };

void lt_cpu_impl_e4m3_alloc(const lt_ctx *c, lt_arena *a, lt_lin *lin) {
    lin->e4m3 = lt_lin_takes_e4m3(c, lin->N, lin->K);
    if (!lin->e4m3) return;
    lin->factor = lt_arena_take(a, lin->N, sizeof *lin->factor);
    lin->panel = 0; /* W is rounded as a whole, before it is packed */
}

void lt_cpu_impl_e4m3_pack(const lt_ctx *c, lt_lin *lin) {
    uint16_t *w = lin->w;
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, lin->N * lin->K))
    for (int64_t n = 0; n < lin->N; n++) lin->factor[n] = lt_e4m3_row((lt_arr){&w[n * lin->K], LT_BF16}, NULL, lin->K, &w[n * lin->K]);
}

size_t lt_cpu_impl_e4m3_ws_bytes(const lt_ctx *c, const lt_dims *d) {
    int64_t rows = lt_cpu_min(ROWS, d->rows);
    return c->e4m3 ? (size_t)(rows * d->width) * (sizeof(uint16_t) + sizeof(float)) + (size_t)rows * sizeof(float) + 3 * 64 : 0;
}

/* Cuts n bytes off the workspace of c, which shrinks. */
static void *take(lt_ctx *c, int64_t n) {
    void *p = c->ws;
    size_t whole = ((size_t)n + 63) / 64 * 64;
    if (whole > c->ws_bytes) return NULL;
    c->ws = (unsigned char *)c->ws + whole;
    c->ws_bytes -= whole;
    return p;
}

/* Rows [t, t + rows) of the result from their sums. */
static void finish(const lt_ctx *c, const struct lt_linear_args *a, bool forward, int64_t t, int64_t rows, const float *sum,
                   const float *factor) {
    const lt_lin *lin = a->lin;
    int64_t n = forward ? lin->N : lin->K;
    lt_arr out = forward ? a->y : a->x;
    const float *bias = forward && !a->no_bias ? lin->bias : NULL;
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, rows *n))
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < n; j++) {
            int64_t at = (t + i) * n + j;
            float r, v = sum[i * n + j] * (forward ? factor[i] * lin->factor[j] : factor[i]);
            if (bias) v += bias[j];
            if (a->resid.p) v += *lt_cpu_load(a->resid, at, 1, &r);
            if (out.dt == LT_F32)
                ((float *)out.p)[at] = v;
            else
                lt_cpu_store(out, at, 1, &v);
        }
}

lt_status lt_cpu_impl_e4m3(const lt_ctx *c, const struct lt_linear_args *a, bool forward) {
    lt_ctx inner = *c;
    lt_lin lin = *a->lin;
    int64_t n_in = forward ? lin.K : lin.N, n_out = forward ? lin.N : lin.K, block = lt_cpu_min(ROWS, a->rows);
    lt_arr in = forward ? a->x : a->y;
    uint16_t *operand = take(&inner, block * n_in * (int64_t)sizeof *operand);
    float *factor = take(&inner, block * (int64_t)sizeof *factor), *sum = take(&inner, block * n_out * (int64_t)sizeof *sum);
    LT_ASSERT(a->rows == 0 || (operand && factor && sum)); /* ws_bytes() */
    lin.e4m3 = false;
    lin.bias = NULL;
    for (int64_t t = 0; t < a->rows; t += block) {
        int64_t rows = lt_cpu_min(block, a->rows - t);
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, rows *n_in))
        for (int64_t i = 0; i < rows; i++)
            factor[i] = lt_e4m3_row(lt_arr_at(in, (t + i) * n_in), forward ? NULL : lin.factor, n_in, &operand[i * n_in]);
        struct lt_linear_args b = {.lin = &lin, .rows = rows};
        b.x = forward ? (lt_arr){operand, LT_BF16} : lt_arr_f32(sum);
        b.y = forward ? lt_arr_f32(sum) : (lt_arr){operand, LT_BF16};
        LT_TRY(forward ? lt_cpu_linear_fwd(&inner, &b) : lt_cpu_linear_bwd_x(&inner, &b));
        finish(c, a, forward, t, rows, sum, factor);
    }
    return LT_OK;
}
