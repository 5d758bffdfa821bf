/* Frozen linear layers y = x W^T + bias + resid and dx = dy W + resid, scores of words, and the plain f32 product.
 *
 * W is row-major, one copy for both directions.  The library multiplies; what it cannot do in one rounding is done around it:
 *
 *   operand   of another type than W: rounded (or widened) into the workspace first
 *   bias      f32.  Where the output is f32, the library's epilogue
 *   resid     of the output's type: C of the product with beta = 1, summed in f32 before the rounding.  bf16 with an f32 output: widened into the output first
 *   else      (bf16 output with a bias, or with an f32 residual) the product is made in f32 in the workspace, and `finish` adds all and rounds once
 *
 * Rows that go through the workspace pass in blocks that stay in the device's L2 cache, so `finish` reads them from there, and the size of the workspace does
 * not grow with the number of rows.
 *
 * Workspace of a call: | rows of the operand | rows of f32 sums |, each part optional. */
#include "kernels/cuda/products_impl.h"

namespace LT_GPU_SPACE {

enum {
    BLOCK_BYTES = 40 << 20, /* of the workspace: an H100 has 50 MB of L2 */
    BLOCK_ROWS = 128,       /* a block is a multiple of the library's tiles where it is that large */
    THREADS = 256,
};

static int64_t round_up(int64_t n, int64_t step) { return div_up(n, step) * step; }

size_t linear_ws_bytes(const lt_ctx *c, const lt_dims *d) {
    int64_t row = 2 * d->width * (int64_t)sizeof(float), most = row > BLOCK_BYTES ? row : BLOCK_BYTES;
    size_t linear = (size_t)(d->rows * row < most ? d->rows * row : most) + 256, segments = segment_ws_bytes(c, d);
    return linear > segments ? linear : segments;
}

/* ---- kernels around the product ---- */

/* V neighbours of an array, one access. */
template <typename T, int V> struct alignas(sizeof(T) * V) pack { T v[V]; };

/* to[i] = from[i], i < V * n. */
template <typename To, typename From, int V>
static __global__ void __launch_bounds__(THREADS) convert_kernel(To *to, const From *from, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= n) return;
    pack<From, V> in = reinterpret_cast<const pack<From, V> *>(from)[i];
    pack<To, V> out;
#pragma unroll
    for (int k = 0; k < V; k++) out.v[k] = lt_from_f32<To>(lt_to_f32(in.v[k]));
    reinterpret_cast<pack<To, V> *>(to)[i] = out;
}

/* out = sum + bias + resid, dense rows of V * groups numbers, one rounding.  resid may be out: a thread reads its own numbers and then writes them. */
template <typename Out, typename Res, int V>
static __global__ void __launch_bounds__(THREADS)
    finish_kernel(Out *out, const float *sum, const float *bias, const Res *resid, unsigned groups, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= n) return;
    pack<float, V> s = reinterpret_cast<const pack<float, V> *>(sum)[i];
    if (bias) {
        pack<float, V> b = reinterpret_cast<const pack<float, V> *>(bias)[(unsigned)i % groups];
#pragma unroll
        for (int k = 0; k < V; k++) s.v[k] += b.v[k];
    }
    if (resid) {
        pack<Res, V> r = reinterpret_cast<const pack<Res, V> *>(resid)[i];
#pragma unroll
        for (int k = 0; k < V; k++) s.v[k] += lt_to_f32(r.v[k]);
    }
    pack<Out, V> o;
#pragma unroll
    for (int k = 0; k < V; k++) o.v[k] = lt_from_f32<Out>(s.v[k]);
    reinterpret_cast<pack<Out, V> *>(out)[i] = o;
}

/* C := beta C: a product without terms. */
static __global__ void __launch_bounds__(THREADS) scale_kernel(float *C, int64_t ldc, int64_t N, float beta, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= n) return;
    float *p = &C[i / N * ldc + i % N];
    *p = beta == 0.0f ? 0.0f : beta * *p;
}

/* Whether all rows can be read four numbers at a time. */
static bool by_four(int64_t width, const void *a, const void *b, const void *c = nullptr, const void *d = nullptr) {
    return width % 4 == 0 && ((uintptr_t)a | (uintptr_t)b | (uintptr_t)c | (uintptr_t)d) % 16 == 0;
}

template <typename To, typename From> static lt_status convert_typed(const lt_ctx *c, void *to, const void *from, int64_t n) {
    To *t = static_cast<To *>(to);
    const From *f = static_cast<const From *>(from);
    if (by_four(n, to, from))
        LT_RUN(c, (convert_kernel<To, From, 4>), blocks_for(n / 4, THREADS), THREADS, 0, t, f, n / 4);
    else
        LT_RUN(c, (convert_kernel<To, From, 1>), blocks_for(n, THREADS), THREADS, 0, t, f, n);
    return LT_OK;
}

/* n numbers from one of f32 and bf16 to the other. */
static lt_status convert_rows(const lt_ctx *c, lt_arr to, lt_arr from, int64_t n) {
    return to.dt == LT_BF16 ? convert_typed<lt_bf16, float>(c, to.p, from.p, n) : convert_typed<float, lt_bf16>(c, to.p, from.p, n);
}

template <typename Out, typename Res> static lt_status finish_typed(const linear_run &r, void *out, const void *resid, int64_t rows) {
    Out *o = static_cast<Out *>(out);
    const Res *add = static_cast<const Res *>(resid);
    int64_t n = rows * r.n_out;
    if (by_four(r.n_out, out, r.sum, r.bias, resid))
        LT_RUN(r.c, (finish_kernel<Out, Res, 4>), blocks_for(n / 4, THREADS), THREADS, 0, o, r.sum, r.bias, add, (unsigned)(r.n_out / 4),
               n / 4);
    else
        LT_RUN(r.c, (finish_kernel<Out, Res, 1>), blocks_for(n, THREADS), THREADS, 0, o, r.sum, r.bias, add, (unsigned)r.n_out, n);
    return LT_OK;
}

static lt_status finish(const linear_run &r, int64_t t, int64_t rows) {
    lt_arr out = lt_arr_at(r.out, t * r.n_out), resid = r.resid.p ? lt_arr_at(r.resid, t * r.n_out) : r.resid;
    bool to_f32 = out.dt == LT_F32, from_f32 = !resid.p || resid.dt == LT_F32;
    if (to_f32)
        return from_f32 ? finish_typed<float, float>(r, out.p, resid.p, rows) : finish_typed<float, lt_bf16>(r, out.p, resid.p, rows);
    return from_f32 ? finish_typed<lt_bf16, float>(r, out.p, resid.p, rows) : finish_typed<lt_bf16, lt_bf16>(r, out.p, resid.p, rows);
}

/* ---- layers ---- */

linear_run linear_plan(const lt_ctx *c, const lt_linear_args *a, bool forward) {
    linear_run r = {};
    const lt_lin *lin = a->lin;
    r.c = c, r.lin = lin, r.forward = forward, r.rows = a->rows;
    r.n_in = forward ? lin->K : lin->N, r.n_out = forward ? lin->N : lin->K;
    r.in = forward ? a->x : a->y, r.out = forward ? a->y : a->x, r.resid = a->resid;
    r.bias = forward && !a->no_bias ? lin->bias : nullptr;
    r.converts = r.in.dt != lin->dt;
    r.sums = r.out.dt != LT_F32 && (r.bias || lin->dt == LT_F32 || (r.resid.p && r.resid.dt == LT_F32));
    int64_t operand = r.converts ? r.n_in * (int64_t)lt_dtype_bytes(lin->dt) : 0, sums = r.sums ? r.n_out * (int64_t)sizeof(float) : 0,
            fit = operand + sums ? BLOCK_BYTES / (operand + sums) : r.rows;
    if (fit > BLOCK_ROWS) fit -= fit % BLOCK_ROWS;
    r.block = r.rows < fit ? r.rows : fit < 1 ? 1 : fit;
    r.operand = c->ws;
    r.sum = reinterpret_cast<float *>(static_cast<unsigned char *>(c->ws) + round_up(r.block * operand, 256));
    return r;
}

/* Bytes of the workspace that r uses. */
static size_t room_of(const linear_run &r) {
    size_t sums = r.sums ? (size_t)(r.block * r.n_out) * sizeof(float) : 0,
           operand = (size_t)(r.block * r.n_in) * lt_dtype_bytes(r.lin->dt);
    return (r.converts ? (size_t)round_up((int64_t)operand, 256) : 0) + sums;
}

lt_gpu_gemm linear_product(const linear_run &r, int64_t t, int64_t n) {
    lt_gpu_gemm g = {};
    bool adds = r.resid.p && !r.sums;
    g.tb = r.forward;
    g.M = n, g.N = r.n_out, g.K = r.n_in;
    g.ab_dt = r.lin->dt, g.cd_dt = r.sums ? LT_F32 : r.out.dt;
    g.A = r.converts ? r.operand : lt_arr_at(r.in, t * r.n_in).p;
    g.B = r.lin->w;
    g.D = r.sums ? r.sum : lt_arr_at(r.out, t * r.n_out).p;
    g.C = !adds ? nullptr : r.resid.dt == r.out.dt ? lt_arr_at(r.resid, t * r.n_out).p : g.D;
    g.lda = r.n_in, g.ldb = r.lin->K, g.ldc = g.ldd = r.n_out;
    g.alpha = 1, g.beta = adds ? 1.0f : 0.0f;
    g.bias = r.sums ? nullptr : r.bias;
    return g;
}

static lt_status linear(const lt_ctx *c, const struct lt_linear_args *a, bool forward) {
    if (a->rows == 0) return LT_OK;
    linear_run r = linear_plan(c, a, forward);
    size_t room = room_of(r);
    LT_ASSERT(room <= c->ws_bytes);
    for (int64_t t = 0, n; t < r.rows; t += n) {
        n = r.rows - t < r.block ? r.rows - t : r.block;
        if (r.converts) LT_TRY(convert_rows(c, lt_arr{r.operand, r.lin->dt}, lt_arr_at(r.in, t * r.n_in), n * r.n_in));
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
    int64_t row = a->C * (int64_t)lt_dtype_bytes(a->tok_dt), fit = converts ? BLOCK_BYTES / row + 1 : a->rows;
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
        LT_RUN(c, (scale_kernel), blocks_for(a->M * a->N, THREADS), THREADS, 0, a->C, a->ldc, a->N, a->beta, a->M * a->N);
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
