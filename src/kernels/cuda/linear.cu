/* Frozen linear layers y = x W^T + bias + resid and dx = dy W + resid, scores of words, and the plain f32 product.
 *
 * W is row-major, one copy for both directions (in E4M3, of which the library takes A B^T alone, there is a turned one beside it).  The library
 * multiplies; what it cannot do in one rounding is done around it:
 *
 *   operand   of another type than W: rounded (or widened) into the workspace first
 *   bias      f32.  Where the output is f32, the library's epilogue
 *   resid     of the output's type: C of the product with beta = 1, summed in f32 before the rounding.  bf16 with an f32 output: widened into the output first
 *   E4M3      the operand's rows are rounded into the workspace, each with a factor of its own (e4m3.cu); a bias is never the library's there
 *   else      (bf16 output with a bias, or with an f32 residual) the product is made in f32 in the workspace, and `finish` adds all and rounds once
 *
 * Rows that go through the workspace pass in blocks that stay in the device's L2 cache, so `finish` reads them from there, and the size of the workspace does
 * not grow with the number of rows.
 *
 * Workspace of a call: | rows of the operand | their factors | rows of f32 sums |, each part optional. */
#include "kernels/cuda/products_impl.h"
#include "kernels/cuda/vec_impl.h"

namespace LT_GPU_SPACE {

enum {
    BLOCK_BYTES = 40 << 20, /* of the workspace: an H100 has 50 MB of L2 */
    PART = 256,             /* bytes: where a part of it may begin */
    BLOCK_ROWS = 128,       /* a block is a multiple of the library's tiles where it is that large */
};

static int64_t round_up(int64_t n, int64_t step) { return div_up(n, step) * step; }

size_t linear_ws_bytes(const lt_ctx *c, const lt_dims *d) {
    int64_t row = 2 * d->width * (int64_t)sizeof(float), most = row > (int64_t)BLOCK_BYTES ? row : (int64_t)BLOCK_BYTES;
    size_t linear = (size_t)(d->rows * row < most ? d->rows * row : most) + 2 * PART, segments = segment_ws_bytes(c, d);
    return linear > segments ? linear : segments;
}

/* ---- kernels around the product ---- */

/* to[i] = from[i]; a thread V numbers. */
template <typename To, typename From, int V>
static __global__ void __launch_bounds__(THREADS) convert_kernel(To *to, const From *from, uint32_t n) {
    uint32_t i = thread_number();
    float v[V];
    if (i >= n) return;
    load(from + (int64_t)i * V, v);
    store(to + (int64_t)i * V, v);
}

/* out = sum + bias + resid, dense rows of V * groups numbers, one rounding.  resid may be out: a thread reads its own numbers and then writes them. */
template <typename Out, typename Res, int V>
static __global__ void __launch_bounds__(THREADS)
    finish_kernel(Out *out, const float *sum, const float *bias, const Res *resid, uint32_t groups, uint32_t n) {
    uint32_t i = thread_number();
    float s[V], add[V];
    if (i >= n) return;
    load(sum + (int64_t)i * V, s);
    if (bias) {
        load(bias + (int64_t)(i % groups) * V, add);
        LT_UNROLL
        for (int k = 0; k < V; k++) s[k] += add[k];
    }
    if (resid) {
        load(resid + (int64_t)i * V, add);
        LT_UNROLL
        for (int k = 0; k < V; k++) s[k] += add[k];
    }
    store(out + (int64_t)i * V, s);
}

/* C := beta C: a product without terms. */
static __global__ void __launch_bounds__(THREADS) scale_kernel(float *C, int64_t ldc, int64_t N, float beta, uint32_t n) {
    uint32_t i = thread_number();
    if (i >= n) return;
    float *p = &C[i / N * ldc + i % N];
    *p = beta == 0.0f ? 0.0f : beta * *p;
}

template <typename To, typename From> static lt_status convert_typed(const lt_ctx *c, lt_arr to, lt_arr from, int64_t n) {
    To *t = static_cast<To *>(to.p);
    const From *f = static_cast<const From *>(from.p);
    LT_COUNTABLE(n);
    if (fits(to, n, 8) && fits(from, n, 8))
        LT_RUN(c, (convert_kernel<To, From, 8>), blocks_for(n / 8, THREADS), THREADS, 0, t, f, (uint32_t)(n / 8));
    else
        LT_RUN(c, (convert_kernel<To, From, 1>), blocks_for(n, THREADS), THREADS, 0, t, f, (uint32_t)n);
    return LT_OK;
}

/* n numbers from one of f32 and bf16 to the other. */
static lt_status convert_rows(const lt_ctx *c, lt_arr to, lt_arr from, int64_t n) {
    return LT_BY_TYPES(to.dt, from.dt, convert_typed, c, to, from, n);
}

template <typename Out, typename Res> static lt_status finish_typed(const linear_run &r, lt_arr out, lt_arr resid, int64_t rows) {
    Out *o = static_cast<Out *>(out.p);
    const Res *add = static_cast<const Res *>(resid.p);
    int64_t n = rows * r.n_out;
    LT_COUNTABLE(n);
    if (fits(out, r.n_out, 4) && fits(r.sum, r.n_out, 4) && fits(r.bias, r.n_out, 4) && fits(resid, r.n_out, 4))
        LT_RUN(r.c, (finish_kernel<Out, Res, 4>), blocks_for(n / 4, THREADS), THREADS, 0, o, r.sum, r.bias, add, (uint32_t)(r.n_out / 4),
               (uint32_t)(n / 4));
    else
        LT_RUN(r.c, (finish_kernel<Out, Res, 1>), blocks_for(n, THREADS), THREADS, 0, o, r.sum, r.bias, add, (uint32_t)r.n_out,
               (uint32_t)n);
    return LT_OK;
}

static lt_status finish(const linear_run &r, int64_t t, int64_t rows) {
    lt_arr out = lt_arr_at(r.out, t * r.n_out), resid = r.resid.p ? lt_arr_at(r.resid, t * r.n_out) : r.resid;
    if (!resid.p) resid.dt = LT_F32;
    return LT_BY_TYPES(out.dt, resid.dt, finish_typed, r, out, resid, rows);
}

/* ---- layers ---- */

linear_run linear_plan(const lt_ctx *c, const lt_linear_args *a, bool forward) {
    linear_run r = {};
    const lt_lin *lin = a->lin;
    r.c = c, r.lin = lin, r.forward = forward, r.rows = a->rows;
    r.n_in = forward ? lin->K : lin->N, r.n_out = forward ? lin->N : lin->K;
    r.in = forward ? a->x : a->y, r.out = forward ? a->y : a->x, r.resid = a->resid;
    r.bias = forward && !a->no_bias ? lin->bias : nullptr;
    r.operand_dt = lin->e4m3 ? LT_E4M3 : lin->dt;
    r.converts = r.in.dt != r.operand_dt;
    bool epilogue = r.out.dt == LT_F32 && !lin->e4m3; /* of the library, for a bias */
    r.sums = (r.bias && !epilogue) || (r.out.dt != LT_F32 && (lin->dt == LT_F32 || (r.resid.p && r.resid.dt == LT_F32)));
    int64_t operand = r.converts ? r.n_in * (int64_t)lt_dtype_bytes(r.operand_dt) : 0, sums = r.sums ? r.n_out * (int64_t)sizeof(float) : 0,
            factor = lin->e4m3 ? (int64_t)sizeof(float) : 0, row = operand + factor + sums, fit = row ? BLOCK_BYTES / row : r.rows;
    if (fit > BLOCK_ROWS && fit < r.rows) fit -= fit % BLOCK_ROWS; /* one block needs no rounding */
    r.block = r.rows < fit ? r.rows : fit < 1 ? 1 : fit;
    r.operand = c->ws;
    r.factor = reinterpret_cast<float *>(static_cast<unsigned char *>(r.operand) + round_up(r.block * operand, PART));
    r.sum = reinterpret_cast<float *>(reinterpret_cast<unsigned char *>(r.factor) + round_up(r.block * factor, PART));
    r.room = (size_t)(reinterpret_cast<unsigned char *>(r.sum) - static_cast<unsigned char *>(c->ws) + r.block * sums);
    return r;
}

const void *linear_operand(const lt_lin *lin, bool forward) {
    return lin->e4m3 && !forward ? static_cast<const unsigned char *>(lin->w) + lin->N * lin->K : lin->w;
}

lt_gpu_gemm linear_product(const linear_run &r, int64_t t, int64_t n) {
    lt_gpu_gemm g = {};
    bool adds = r.resid.p && !r.sums;
    g.tb = r.forward || r.lin->e4m3;
    g.M = n, g.N = r.n_out, g.K = r.n_in;
    g.ab_dt = r.operand_dt, g.cd_dt = r.sums ? LT_F32 : r.out.dt;
    g.A = r.converts ? r.operand : lt_arr_at(r.in, t * r.n_in).p;
    g.B = linear_operand(r.lin, r.forward);
    g.D = r.sums ? r.sum : lt_arr_at(r.out, t * r.n_out).p;
    g.C = !adds ? nullptr : r.resid.dt == r.out.dt ? lt_arr_at(r.resid, t * r.n_out).p : g.D;
    g.lda = r.n_in, g.ldb = g.tb ? r.n_in : r.n_out, g.ldc = g.ldd = r.n_out;
    g.alpha = 1, g.beta = adds ? 1.0f : 0.0f;
    g.bias = r.sums ? nullptr : r.bias;
    if (r.lin->e4m3) g.a_scale = r.factor, g.b_scale = r.forward ? r.lin->factor : r.lin->factor + r.lin->N /* ones */;
    return g;
}

/* Rows [t, t + n) of the operand in the type of the product. */
static lt_status bring(const linear_run &r, int64_t t, int64_t n) {
    lt_arr in = lt_arr_at(r.in, t * r.n_in);
    if (!r.converts) return LT_OK;
    if (!r.lin->e4m3) return convert_rows(r.c, lt_arr{r.operand, r.operand_dt}, in, n * r.n_in);
    return e4m3_rows(r.c, in, r.forward ? nullptr : r.lin->factor, n, r.n_in, r.operand, r.factor);
}

static lt_status linear(const lt_ctx *c, const struct lt_linear_args *a, bool forward) {
    if (a->rows == 0) return LT_OK;
    linear_run r = linear_plan(c, a, forward);
    LT_ASSERT(r.room <= c->ws_bytes);
    for (int64_t t = 0, n; t < r.rows; t += n) {
        n = r.rows - t < r.block ? r.rows - t : r.block;
        LT_TRY(bring(r, t, n));
        if (r.resid.p && !r.sums && r.resid.dt != r.out.dt)
            LT_TRY(convert_rows(c, lt_arr_at(r.out, t * r.n_out), lt_arr_at(r.resid, t * r.n_out), n * r.n_out));
        LT_TRY(product(c, linear_product(r, t, n)));
        if (r.sums) LT_TRY(finish(r, t, n));
    }
    return LT_OK;
}

lt_status linear_fwd(const lt_ctx *c, const struct lt_linear_args *a) { return linear(c, a, true); }
lt_status linear_bwd_x(const lt_ctx *c, const struct lt_linear_args *a) { return linear(c, a, false); }

/* A table of words is a layer whose rows of output lie apart. */
lt_status logits(const lt_ctx *c, const struct lt_logits_args *a) {
    bool converts = a->x.dt != a->tok_dt;
    int64_t row = a->C * (int64_t)lt_dtype_bytes(a->tok_dt), fit = converts ? BLOCK_BYTES / row : a->rows;
    if (fit < 1) fit = 1;
    size_t room = converts ? (size_t)((a->rows < fit ? a->rows : fit) * row) : 0;
    LT_ASSERT(room <= c->ws_bytes);
    for (int64_t t = 0, n; t < a->rows && a->V > 0; t += n) {
        n = a->rows - t < fit ? a->rows - t : fit;
        lt_arr x = lt_arr_at(a->x, t * a->C);
        if (converts) LT_TRY(convert_rows(c, lt_arr{c->ws, a->tok_dt}, x, n * a->C));
        lt_gpu_gemm g = {};
        g.tb = true;
        g.M = n, g.N = a->V, g.K = a->C;
        g.ab_dt = a->tok_dt, g.cd_dt = LT_F32;
        g.A = converts ? c->ws : x.p, g.B = a->tok, g.D = a->y + t * a->ld_y;
        g.lda = g.ldb = a->C, g.ldd = a->ld_y;
        g.alpha = 1;
        LT_TRY(product(c, g));
    }
    return LT_OK;
}

lt_status gemm(const lt_ctx *c, const struct lt_gemm_args *a) {
    lt_gpu_gemm g = {};
    if (a->M == 0 || a->N == 0) return LT_OK;
    if (a->K == 0) {
        LT_RUN(c, (scale_kernel), blocks_for(a->M * a->N, THREADS), THREADS, 0, a->C, a->ldc, a->N, a->beta, (uint32_t)(a->M * a->N));
        return LT_OK;
    }
    g.ta = a->ta, g.tb = a->tb;
    g.M = a->M, g.N = a->N, g.K = a->K;
    g.ab_dt = g.cd_dt = LT_F32;
    g.A = a->A, g.B = a->B, g.D = a->C, g.C = a->beta == 0.0f ? nullptr : a->C;
    g.lda = a->lda, g.ldb = a->ldb, g.ldc = g.ldd = a->ldc;
    g.alpha = a->alpha, g.beta = a->beta;
    return product(c, g);
}

} // namespace LT_GPU_SPACE
