/* The trainable side but for its products: conversion, rows of a bias, column sums, sums of losses, norm of the gradients, AdamW; equations in
 * kernels/ref/{small,train}.c.
 *
 * Many small arrays are one launch: a table of them is a parameter of the kernel, and a block finds its array there. */
#include "kernels/cuda/vec_impl.h"

#include <cmath>

namespace LT_GPU_SPACE {

enum { V4 = 4 };

/* ---- conversion ---- */

/* The last piece may be shorter than V. */
template <typename X, typename Y, int V> static __global__ void __launch_bounds__(THREADS) convert_pieces(lt_convert_args a) {
    int64_t i = (int64_t)thread_number() * V;
    const X *x = at<X>(a.x, i);
    Y *y = at<Y>(a.y, i);
    if (i + V <= a.n) {
        float v[V];
        load(x, v);
        store(y, v);
        return;
    }
    for (int j = 0; i + j < a.n; j++) y[j] = lt_from_f32<Y>(lt_to_f32(x[j]));
}

template <typename X, typename Y, int V> static lt_status convert_launch(const lt_ctx *c, const lt_convert_args *a) {
    LT_COUNTABLE(div_up(a->n, V));
    LT_RUN(c, (convert_pieces<X, Y, V>), blocks_for(div_up(a->n, V), THREADS), THREADS, 0, *a);
    return LT_OK;
}
template <typename X, typename Y> static lt_status convert_typed(const lt_ctx *c, const lt_convert_args *a) {
    constexpr int V = sizeof(X) + sizeof(Y) == 4 ? 8 : 4;
    return fits(a->x, V, V) && fits(a->y, V, V) ? convert_launch<X, Y, V>(c, a) : convert_launch<X, Y, 1>(c, a);
}
lt_status convert(const lt_ctx *c, const lt_convert_args *a) {
    return a->n > 0 ? LT_BY_TYPES(a->x.dt, a->y.dt, convert_typed, c, a) : LT_OK;
}

/* ---- rows and columns ---- */

template <int V> static __global__ void __launch_bounds__(THREADS) bias_pieces(lt_bias_args a, uint32_t pieces, uint32_t total) {
    uint32_t n = thread_number(), row = n / pieces;
    if (n >= total) return;
    int64_t col = (int64_t)(n - row * pieces) * V;
    float *to = a.y + row * a.ld + col, v[V], y[V];
    load(a.v + col, v);
    if (a.accumulate) {
        load(to, y);
        for (int j = 0; j < V; j++) v[j] += y[j];
    }
    store(to, v);
}

template <int V> static lt_status bias_launch(const lt_ctx *c, const lt_bias_args *a) {
    int64_t pieces = a->n / V, total = a->rows * pieces;
    LT_COUNTABLE(total);
    LT_RUN(c, (bias_pieces<V>), blocks_for(total, THREADS), THREADS, 0, *a, (uint32_t)pieces, (uint32_t)total);
    return LT_OK;
}
lt_status bias_rows(const lt_ctx *c, const lt_bias_args *a) {
    if (a->rows <= 0 || a->n <= 0) return LT_OK;
    return fits(a->v, a->n, V4) && fits(a->y, a->ld, V4) ? bias_launch<V4>(c, a) : bias_launch<1>(c, a);
}

/* A thread has a column. */
static __global__ void __launch_bounds__(THREADS) column_sums_rows(lt_colsum_args a) {
    int64_t col = thread_number();
    if (col >= a.n) return;
    float sum = a.accumulate ? a.sum[col] : 0.0f;
    for (int64_t r = 0; r < a.rows; r++) sum += a.x[r * a.ld + col];
    a.sum[col] = sum;
}
lt_status column_sums(const lt_ctx *c, const lt_colsum_args *a) {
    if (a->n <= 0) return LT_OK;
    LT_COUNTABLE(a->n);
    LT_RUN(c, (column_sums_rows), blocks_for(a->n, THREADS), THREADS, 0, *a);
    return LT_OK;
}

/* ---- sums of losses ---- */

enum { LOSS_TABLE = 256, LOSS_WARPS = 4 };
struct loss_table {
    int n;
    int32_t row0[LOSS_TABLE], row1[LOSS_TABLE], place[LOSS_TABLE];
};

/* A warp has a place: that of the first segment with it, which adds the later ones too. */
static __global__ void __launch_bounds__(LOSS_WARPS *WARP) loss_sums_places(loss_table t, const float *loss, float *out) {
    int k = (int)(blockIdx.x * LOSS_WARPS + threadIdx.x / WARP), lane = (int)(threadIdx.x % WARP);
    if (k >= t.n) return;
    int32_t place = t.place[k];
    for (int j = 0; j < k; j++)
        if (t.place[j] == place) return;
    float sum = lane == 0 ? out[place] : 0.0f;
    int bad = 0;
    for (int j = k; j < t.n; j++)
        for (int32_t i = t.row0[j] + lane; t.place[j] == place && i < t.row1[j]; i += WARP) {
            sum += loss[i];
            bad += !std::isfinite(loss[i]);
        }
    sum = warp_sum(sum);
    float count = warp_sum((float)bad);
    if (lane > 0) return;
    out[place] = sum;
    out[place + 1] += count;
}

lt_status loss_sums(const lt_ctx *c, const lt_loss_args *a) {
    for (int64_t from = 0; from < a->n_seg; from += LOSS_TABLE) {
        loss_table t;
        t.n = (int)min(a->n_seg - from, (int64_t)LOSS_TABLE);
        for (int k = 0; k < t.n; k++) {
            t.row0[k] = (int32_t)a->seg[from + k].row0;
            t.row1[k] = (int32_t)a->seg[from + k].row1;
            t.place[k] = a->place[from + k];
        }
        LT_RUN(c, (loss_sums_places), blocks_for(t.n, LOSS_WARPS), LOSS_WARPS * WARP, 0, t, a->loss, a->out);
    }
    return LT_OK;
}

/* ---- tables of arrays, in blocks of a fixed number of elements: where an array ends depends on nothing else ---- */

enum { TABLE = 64 };
/* The array that block b belongs to: first[k] <= b < first[k + 1]. */
LT_DEVICE int array_of(const uint32_t *first, int n, uint32_t b) {
    int low = 0, high = n;
    while (high - low > 1) {
        int mid = (low + high) / 2;
        if (first[mid] <= b)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* ---- sum of squares ---- */

enum { SQUARES = 8192 /* elements of a block */ };
struct squares_table {
    int n;
    uint32_t first[TABLE];
    const float *x[TABLE];
    int64_t elems[TABLE];
};

/* Sum over the block, in thread 0. */
LT_DEVICE double block_sum(double x) {
    LT_SHARED(double, part, [THREADS / WARP]);
    for (int o = WARP / 2; o; o /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, o);
    if (threadIdx.x % WARP == 0) part[threadIdx.x / WARP] = x;
    __syncthreads();
    for (int w = 1; w < THREADS / WARP; w++) x += part[w];
    return x;
}

static __global__ void __launch_bounds__(THREADS) sumsq_parts(squares_table t, double *part) {
    int k = array_of(t.first, t.n, blockIdx.x);
    int64_t from = (int64_t)(blockIdx.x - t.first[k]) * SQUARES, end = from + SQUARES < t.elems[k] ? from + SQUARES : t.elems[k];
    const float *x = t.x[k];
    double sum = 0;
    for (int64_t i = from + threadIdx.x; i < end; i += THREADS) sum += (double)x[i] * (double)x[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) part[blockIdx.x] = sum;
}

static __global__ void __launch_bounds__(THREADS) sumsq_whole(const double *part, int64_t n, double *out) {
    double sum = 0;
    for (int64_t i = threadIdx.x; i < n; i += THREADS) sum += part[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) *out = sum;
}

/* The parts lie in the workspace of products, which is free between products. */
lt_status sumsq(const lt_ctx *c, const lt_sumsq_args *a) {
    double *part = static_cast<double *>(state_of(c)->product_ws);
    int64_t parts = 0;
    for (int next = 0; next < a->n;) {
        squares_table t;
        uint32_t blocks = 0;
        for (t.n = 0; next < a->n && t.n < TABLE; next++) {
            if (a->elems[next] <= 0) continue;
            t.first[t.n] = blocks;
            t.x[t.n] = a->x[next];
            t.elems[t.n++] = a->elems[next];
            blocks += (uint32_t)div_up(a->elems[next], SQUARES);
        }
        LT_ASSERT((size_t)(parts + blocks) * sizeof *part <= LT_GPU_WS_BYTES);
        if (blocks) LT_RUN(c, (sumsq_parts), dim3(blocks), THREADS, 0, t, part + parts);
        parts += blocks;
    }
    LT_RUN(c, (sumsq_whole), dim3(1), THREADS, 0, part, parts, a->out);
    return LT_OK;
}

/* ---- AdamW ---- */

struct adamw_common { /* what all arrays of a trial share; bias corrections are folded in: see kernels/cpu/train_strict.c */
    const double *sumsq;
    const float *loss;
    float clip, rate, root, b1, b2, d1, d2, eps;
};
struct adamw_table {
    int n;
    uint32_t first[TABLE];
    float *p[TABLE], *m[TABLE], *v[TABLE];
    const float *g[TABLE];
    int64_t elems[TABLE];
    float keep[TABLE]; /* 1 - lr * weight_decay */
};

/* Factor of the gradient that clips the norm of all; negative: this update does not happen. */
LT_DEVICE float adamw_scale(const adamw_common &c) {
    double norm = c.sumsq ? sqrt(*c.sumsq) : 0.0;
    if (!std::isfinite(norm) || (c.loss && (!std::isfinite(c.loss[0]) || c.loss[1] != 0.0f))) return -1.0f;
    return c.clip > 0.0f && norm > (double)c.clip ? (float)((double)c.clip / norm) : 1.0f;
}

template <int V>
LT_DEVICE void adamw_update(const adamw_common &c, float scale, float keep, float *p_at, float *m_at, float *v_at, const float *g_at) {
    float p[V], m[V], v[V], g[V];
    load(p_at, p), load(m_at, m), load(v_at, v), load(g_at, g);
    for (int j = 0; j < V; j++) {
        g[j] *= scale;
        m[j] = c.b1 * m[j] + c.d1 * g[j];
        v[j] = c.b2 * v[j] + c.d2 * g[j] * g[j];
        p[j] = keep * p[j] - c.rate * m[j] / (sqrtf(v[j]) * c.root + c.eps);
    }
    store(p_at, p), store(m_at, m), store(v_at, v);
}

/* A thread has V4 elements of the block's array. */
static __global__ void __launch_bounds__(THREADS) adamw_arrays(adamw_table t, adamw_common c) {
    LT_SHARED(float, shared_scale, [1]);
    int k = array_of(t.first, t.n, blockIdx.x);
    int64_t i = ((int64_t)(blockIdx.x - t.first[k]) * THREADS + threadIdx.x) * V4, n = t.elems[k];
    if (threadIdx.x == 0) shared_scale[0] = adamw_scale(c);
    __syncthreads();
    float scale = shared_scale[0], keep = t.keep[k];
    float *p = t.p[k] + i, *m = t.m[k] + i, *v = t.v[k] + i;
    const float *g = t.g[k] + i;
    if (scale < 0.0f) return;
    if (i + V4 <= n && ((uintptr_t)p | (uintptr_t)m | (uintptr_t)v | (uintptr_t)g) % 16 == 0)
        adamw_update<V4>(c, scale, keep, p, m, v, g);
    else
        for (int j = 0; j < V4 && i + j < n; j++) adamw_update<1>(c, scale, keep, p + j, m + j, v + j, g + j);
}

lt_status adamw(const lt_ctx *c, const lt_adamw_args *a) {
    double c1 = 1.0 - pow((double)a->beta1, (double)a->step), c2 = 1.0 - pow((double)a->beta2, (double)a->step);
    adamw_common common = {a->sumsq, a->loss, a->clip, 0, 0, a->beta1, a->beta2, 0, 0, a->eps};
    common.rate = (float)((double)a->lr / c1);
    common.root = (float)(1.0 / sqrt(c2));
    common.d1 = (float)(1.0 - (double)a->beta1);
    common.d2 = (float)(1.0 - (double)a->beta2);
    for (int next = 0; next < a->n;) {
        adamw_table t;
        uint32_t blocks = 0;
        for (t.n = 0; next < a->n && t.n < TABLE; next++) {
            const lt_adamw_array *x = &a->x[next];
            if (x->n <= 0) continue;
            t.first[t.n] = blocks;
            t.p[t.n] = x->p, t.m[t.n] = x->m, t.v[t.n] = x->v, t.g[t.n] = x->g;
            t.keep[t.n] = (float)(1.0 - (double)a->lr * (double)x->weight_decay);
            t.elems[t.n++] = x->n;
            blocks += (uint32_t)div_up(x->n, THREADS * V4);
        }
        if (blocks) LT_RUN(c, (adamw_arrays), dim3(blocks), THREADS, 0, t, common);
    }
    return LT_OK;
}

} // namespace LT_GPU_SPACE
