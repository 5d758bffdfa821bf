/* Layer norm, RMS norm, RMS norm of heads; equations in kernels/ref/norm.c.
 *
 * One read and one write of memory: a row's numbers stay in registers, K times 4 in a thread.  Up to 512 columns a row is a warp's, four rows a block, and no
 * thread waits for another; up to 8192 a block's, of just as many warps as the row needs (4096 columns: 8 warps of 64 registers, so four rows at once
 * on a multiprocessor).  Wider rows, and widths or addresses that do not allow 16-byte accesses, are read again from the cache. */
#include "kernels/cuda/vec_impl.h"

namespace LT_GPU_SPACE {

enum {
    K = 4, /* times V4 columns are held by a thread */
    V4 = 4,
    ROWS = 4, /* of a block whose warps have a row each */
    ROW_THREADS = 512,
    IN_WARP = K * V4 * WARP,
    IN_BLOCK = K * V4 * ROW_THREADS
};

/* Where a thread stands: its row, and its place among the threads of the row. */
struct row_place {
    int64_t row;
    unsigned lane, lanes;
};
template <bool BLOCK> LT_DEVICE row_place row_of() {
    if (BLOCK) return {(int64_t)blockIdx.x, threadIdx.x, blockDim.x};
    return {(int64_t)blockIdx.x * ROWS + threadIdx.x / WARP, threadIdx.x % WARP, WARP};
}

/* y := xhat w + b + r, x_save := x, for the V numbers from column i on. */
template <typename T, int V>
LT_DEVICE void norm_put(const lt_norm_args &a, int64_t row0, int64_t i, const float (&x)[V], const float (&w)[V], const float (&r)[V],
                        float mean, float rstd) {
    float b[V] = {}, y[V];
    if (a.b) load(a.b + i, b);
    for (int j = 0; j < V; j++) y[j] = (x[j] - mean) * rstd * w[j] + b[j] + r[j];
    store(at<T>(a.y, row0 + i), y);
    if (a.x_save) store(a.x_save + row0 + i, x);
}

LT_DEVICE void norm_put_sums(const lt_norm_args &a, const row_place &p, float mean, float rstd) {
    if (p.lane != 0) return;
    if (a.kind == LT_NORM_LAYER) a.mean[p.row] = mean;
    a.rstd[p.row] = rstd;
}

/* The row is in x[K][V4].  All that is read is on its way before the first sum is waited for. */
template <typename T, typename R, bool RESID, bool BLOCK>
static __global__ void __launch_bounds__(BLOCK ? ROW_THREADS : ROWS *WARP) norm_fwd_held(lt_norm_args a) {
    LT_SHARED(float, part, [2][WARP]);
    row_place p = row_of<BLOCK>();
    if (p.row >= a.rows) return;
    int64_t row0 = p.row * a.C, C = a.C;
    float x[K][V4] = {}, w[K][V4], r[K][V4] = {}, s[1] = {0}, q[1] = {0}, mean = 0;
    LT_UNROLL
    for (int k = 0; k < K; k++) {
        int64_t i = (int64_t)(p.lane + k * p.lanes) * V4;
        if (i >= C) continue;
        load(a.x + row0 + i, x[k]);
        load(a.w + i, w[k]);
        if constexpr (RESID) load(at<R>(a.resid, row0 + i), r[k]);
    }
    if (a.kind == LT_NORM_LAYER) {
        LT_UNROLL
        for (int k = 0; k < K; k++)
            for (int j = 0; j < V4; j++) s[0] += x[k][j];
        row_sums<BLOCK>(s, part);
        mean = s[0] / (float)C;
    }
    LT_UNROLL
    for (int k = 0; k < K; k++)
        for (int j = 0; j < V4; j++) {
            float d = (int64_t)(p.lane + k * p.lanes) * V4 < C ? x[k][j] - mean : 0.0f;
            q[0] += d * d;
        }
    row_sums<BLOCK>(q, part + 1);
    float rstd = 1.0f / sqrtf(q[0] / (float)C + a.eps);
    norm_put_sums(a, p, mean, rstd);
    LT_UNROLL
    for (int k = 0; k < K; k++) {
        int64_t i = (int64_t)(p.lane + k * p.lanes) * V4;
        if (i < C) norm_put<T>(a, row0, i, x[k], w[k], r[k], mean, rstd);
    }
}

/* Any width and any place: the row is read three times, twice from the cache. */
template <typename T, typename R, bool RESID, int V> static __global__ void __launch_bounds__(ROW_THREADS) norm_fwd_any(lt_norm_args a) {
    LT_SHARED(float, part, [2][WARP]);
    row_place p = row_of<true>();
    int64_t row0 = p.row * a.C, C = a.C;
    float s[1] = {0}, q[1] = {0}, x[V], mean = 0;
    if (a.kind == LT_NORM_LAYER) {
        for (int64_t i = p.lane * V; i < C; i += p.lanes * V) {
            load(a.x + row0 + i, x);
            for (int j = 0; j < V; j++) s[0] += x[j];
        }
        row_sums<true>(s, part);
        mean = s[0] / (float)C;
    }
    for (int64_t i = p.lane * V; i < C; i += p.lanes * V) {
        load(a.x + row0 + i, x);
        for (int j = 0; j < V; j++) q[0] += (x[j] - mean) * (x[j] - mean);
    }
    row_sums<true>(q, part + 1);
    float rstd = 1.0f / sqrtf(q[0] / (float)C + a.eps);
    norm_put_sums(a, p, mean, rstd);
    for (int64_t i = p.lane * V; i < C; i += p.lanes * V) {
        float w[V], r[V] = {};
        load(a.x + row0 + i, x);
        load(a.w + i, w);
        if constexpr (RESID) load(at<R>(a.resid, row0 + i), r);
        norm_put<T>(a, row0, i, x, w, r, mean, rstd);
    }
}

/* Whole warps that hold C columns. */
static dim3 row_threads(int64_t C) { return dim3((unsigned)(div_up(C, IN_WARP) * WARP)); }

template <typename T, typename R, bool RESID> static lt_status norm_fwd_run(const lt_ctx *c, const lt_norm_args *a) {
    bool four = fits(a->x, a->C, V4) && fits(a->w, a->C, V4) && fits(a->b, a->C, V4) && fits(a->y, a->C, V4) && fits(a->resid, a->C, V4) &&
                fits(a->x_save, a->C, V4);
    if (four && a->C <= IN_WARP)
        LT_RUN(c, (norm_fwd_held<T, R, RESID, false>), blocks_for(a->rows, ROWS), ROWS * WARP, 0, *a);
    else if (four && a->C <= IN_BLOCK)
        LT_RUN(c, (norm_fwd_held<T, R, RESID, true>), blocks_for(a->rows, 1), row_threads(a->C), 0, *a);
    else if (four)
        LT_RUN(c, (norm_fwd_any<T, R, RESID, V4>), blocks_for(a->rows, 1), ROW_THREADS, 0, *a);
    else
        LT_RUN(c, (norm_fwd_any<T, R, RESID, 1>), blocks_for(a->rows, 1), THREADS, 0, *a);
    return LT_OK;
}
template <typename T, typename R> static lt_status norm_fwd_added(const lt_ctx *c, const lt_norm_args *a) {
    return norm_fwd_run<T, R, true>(c, a);
}

lt_status norm_fwd(const lt_ctx *c, const lt_norm_args *a) {
    if (a->rows <= 0) return LT_OK;
    if (a->resid.p) return LT_BY_TYPES(a->y.dt, a->resid.dt, norm_fwd_added, c, a);
    return a->y.dt == LT_F32 ? norm_fwd_run<float, float, false>(c, a) : norm_fwd_run<lt_bf16, float, false>(c, a);
}

/* x to xhat and dy to g = dy w, V numbers from column i on, and what they add to the sums of g and of g xhat. */
template <int V>
LT_DEVICE void norm_pull(const lt_norm_args &a, int64_t i, float mean, float rstd, float (&x)[V], float (&g)[V], float (&sum)[2]) {
    float w[V] = {};
    if (i < a.C) load(a.w + i, w);
    for (int j = 0; j < V; j++) {
        x[j] = (x[j] - mean) * rstd;
        g[j] *= w[j];
        sum[0] += g[j];
        sum[1] += g[j] * x[j];
    }
}
/* g := dx without dres. */
template <int V> LT_DEVICE void norm_slope(float rstd, const float (&mean)[2], const float (&xhat)[V], float (&g)[V]) {
    for (int j = 0; j < V; j++) g[j] = rstd * (g[j] - mean[0] - xhat[j] * mean[1]);
}
/* Sums over the row to means: of g (none for RMS) and of g xhat. */
template <bool BLOCK> LT_DEVICE void norm_means(const lt_norm_args &a, float (&sum)[2], float (*part)[WARP]) {
    row_sums<BLOCK>(sum, part);
    sum[0] = a.kind == LT_NORM_LAYER ? sum[0] / (float)a.C : 0.0f;
    sum[1] /= (float)a.C;
}

/* dx may be dres: a thread reads all of its dres before it writes. */
template <typename T, bool BLOCK> static __global__ void __launch_bounds__(BLOCK ? ROW_THREADS : ROWS *WARP) norm_bwd_held(lt_norm_args a) {
    LT_SHARED(float, part, [2][WARP]);
    row_place p = row_of<BLOCK>();
    if (p.row >= a.rows) return;
    int64_t row0 = p.row * a.C, C = a.C;
    float mean = a.kind == LT_NORM_LAYER ? a.mean[p.row] : 0.0f, rstd = a.rstd[p.row];
    float xhat[K][V4] = {}, g[K][V4] = {}, r[K][V4] = {}, sum[2] = {0, 0};
    LT_UNROLL
    for (int k = 0; k < K; k++) {
        int64_t i = (int64_t)(p.lane + k * p.lanes) * V4;
        if (i < C) load(a.x + row0 + i, xhat[k]), load(at<T>(a.dy, row0 + i), g[k]);
        if (i < C && a.dres) load(a.dres + row0 + i, r[k]);
    }
    LT_UNROLL
    for (int k = 0; k < K; k++) norm_pull(a, (int64_t)(p.lane + k * p.lanes) * V4, mean, rstd, xhat[k], g[k], sum);
    norm_means<BLOCK>(a, sum, part);
    LT_UNROLL
    for (int k = 0; k < K; k++) {
        int64_t i = (int64_t)(p.lane + k * p.lanes) * V4;
        norm_slope(rstd, sum, xhat[k], g[k]);
        for (int j = 0; j < V4; j++) g[k][j] += r[k][j];
        if (i < C) store(a.dx + row0 + i, g[k]);
        if (i < C && a.dx_low.p) store(at<lt_bf16>(a.dx_low, row0 + i), g[k]);
    }
}

template <typename T, int V> static __global__ void __launch_bounds__(ROW_THREADS) norm_bwd_any(lt_norm_args a) {
    LT_SHARED(float, part, [2][WARP]);
    row_place p = row_of<true>();
    int64_t row0 = p.row * a.C, C = a.C;
    float mean = a.kind == LT_NORM_LAYER ? a.mean[p.row] : 0.0f, rstd = a.rstd[p.row];
    float xhat[V], g[V], sum[2] = {0, 0}, ignored[2] = {0, 0};
    for (int64_t i = p.lane * V; i < C; i += p.lanes * V) {
        load(a.x + row0 + i, xhat), load(at<T>(a.dy, row0 + i), g);
        norm_pull(a, i, mean, rstd, xhat, g, sum);
    }
    norm_means<true>(a, sum, part);
    for (int64_t i = p.lane * V; i < C; i += p.lanes * V) {
        float r[V] = {};
        load(a.x + row0 + i, xhat), load(at<T>(a.dy, row0 + i), g);
        norm_pull(a, i, mean, rstd, xhat, g, ignored);
        norm_slope(rstd, sum, xhat, g);
        if (a.dres) load(a.dres + row0 + i, r);
        for (int j = 0; j < V; j++) g[j] += r[j];
        store(a.dx + row0 + i, g);
        if (a.dx_low.p) store(at<lt_bf16>(a.dx_low, row0 + i), g);
    }
}

template <typename T> static lt_status norm_bwd_run(const lt_ctx *c, const lt_norm_args *a) {
    bool four = fits(a->x, a->C, V4) && fits(a->w, a->C, V4) && fits(a->dy, a->C, V4) && fits(a->dres, a->C, V4) && fits(a->dx, a->C, V4) &&
                fits(a->dx_low, a->C, V4);
    if (four && a->C <= IN_WARP)
        LT_RUN(c, (norm_bwd_held<T, false>), blocks_for(a->rows, ROWS), ROWS * WARP, 0, *a);
    else if (four && a->C <= IN_BLOCK)
        LT_RUN(c, (norm_bwd_held<T, true>), blocks_for(a->rows, 1), row_threads(a->C), 0, *a);
    else if (four)
        LT_RUN(c, (norm_bwd_any<T, V4>), blocks_for(a->rows, 1), ROW_THREADS, 0, *a);
    else
        LT_RUN(c, (norm_bwd_any<T, 1>), blocks_for(a->rows, 1), THREADS, 0, *a);
    return LT_OK;
}

lt_status norm_bwd(const lt_ctx *c, const lt_norm_args *a) {
    if (a->rows <= 0) return LT_OK;
    return a->dy.dt == LT_F32 ? norm_bwd_run<float>(c, a) : norm_bwd_run<lt_bf16>(c, a);
}

/* ---- heads: a warp each, read twice, the second time from the cache ---- */

template <typename T, int V> static __global__ void __launch_bounds__(ROWS *WARP) head_norm_fwd_warps(lt_head_norm_args a) {
    int64_t head = (int64_t)blockIdx.x * ROWS + threadIdx.x / WARP;
    if (head >= a.rows * a.heads) return;
    int D = a.head_dim, first = (int)(threadIdx.x % WARP) * V, step = WARP * V;
    T *x = at<T>(a.x, head / a.heads * a.ld + head % a.heads * D);
    float v[V], w[V], sum = 0;
    for (int i = first; i < D; i += step) {
        load(x + i, v);
        for (int j = 0; j < V; j++) sum += v[j] * v[j];
    }
    float rstd = 1.0f / sqrtf(warp_sum(sum) / (float)D + a.eps);
    if (a.rstd && first == 0) a.rstd[head] = rstd;
    for (int i = first; i < D; i += step) {
        load(x + i, v), load(a.w + i, w);
        if (a.x_save.p) store(at<T>(a.x_save, head * D + i), v);
        for (int j = 0; j < V; j++) v[j] *= rstd * w[j];
        store(x + i, v);
    }
}

template <typename T, int V> static __global__ void __launch_bounds__(ROWS *WARP) head_norm_bwd_warps(lt_head_norm_args a) {
    int64_t head = (int64_t)blockIdx.x * ROWS + threadIdx.x / WARP;
    if (head >= a.rows * a.heads) return;
    int D = a.head_dim, first = (int)(threadIdx.x % WARP) * V, step = WARP * V;
    T *x = at<T>(a.x, head / a.heads * a.ld + head % a.heads * D);
    const T *save = at<T>(a.x_save, head * D);
    float xhat[V], g[V], w[V], rstd = a.rstd[head], sum = 0;
    for (int i = first; i < D; i += step) {
        load(x + i, g), load(save + i, xhat), load(a.w + i, w);
        for (int j = 0; j < V; j++) sum += g[j] * w[j] * xhat[j] * rstd;
    }
    float mean = warp_sum(sum) / (float)D;
    for (int i = first; i < D; i += step) {
        load(x + i, g), load(save + i, xhat), load(a.w + i, w);
        for (int j = 0; j < V; j++) g[j] = rstd * (g[j] * w[j] - xhat[j] * rstd * mean);
        store(x + i, g);
    }
}

/* forward and backward of type T, by one of two widths. */
template <typename T> static lt_status head_norm_run(const lt_ctx *c, const lt_head_norm_args *a, bool backward) {
    bool four = a->ld % V4 == 0 && fits(a->x, a->head_dim, V4) && fits(a->w, a->head_dim, V4) && fits(a->x_save, a->head_dim, V4);
    auto kernel = backward ? four ? head_norm_bwd_warps<T, V4> : head_norm_bwd_warps<T, 1>
                  : four ? head_norm_fwd_warps<T, V4>
                           : head_norm_fwd_warps<T, 1>;
    LT_RUN(c, (kernel), blocks_for(a->rows * a->heads, ROWS), ROWS * WARP, 0, *a);
    return LT_OK;
}
static lt_status head_norm(const lt_ctx *c, const lt_head_norm_args *a, bool backward) {
    LT_ASSERT(!a->x_save.p || a->x_save.dt == a->x.dt);
    if (a->rows <= 0 || a->heads <= 0) return LT_OK;
    return a->x.dt == LT_F32 ? head_norm_run<float>(c, a, backward) : head_norm_run<lt_bf16>(c, a, backward);
}

lt_status head_norm_fwd(const lt_ctx *c, const lt_head_norm_args *a) { return head_norm(c, a, false); }
lt_status head_norm_bwd(const lt_ctx *c, const lt_head_norm_args *a) { return head_norm(c, a, true); }

} // namespace LT_GPU_SPACE
