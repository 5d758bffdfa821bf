/* Rows that come in and go out: token embedding, gather and scatter, neighbours of a convolution; equations in kernels/ref/{embed,readout}.c. */
#include "kernels/cuda/vec_impl.h"

namespace LT_GPU_SPACE {

enum { V4 = 4 };

/* ---- embedding ---- */

/* A thread makes V columns of a row; `pieces` of them are a row. */
template <typename T, int V>
static __global__ void __launch_bounds__(THREADS) embed_pieces(lt_embed_args a, uint32_t pieces, uint32_t total) {
    uint32_t n = thread_number(), row = n / pieces;
    if (n >= total) return;
    int64_t col = (int64_t)(n - row * pieces) * V, id = a.id[row];
    float v[V] = {}, add[V];
    if (id >= a.v0 && id < a.v1) {
        load(static_cast<const T *>(a.tok) + (id - a.v0) * a.C + col, v);
        for (int j = 0; j < V; j++) v[j] *= a.scale;
    }
    if (id < 0 && a.prompt) load(a.prompt + (-1 - id) * a.C + col, v);
    if (a.pos_tab) {
        load(a.pos_tab + a.pos[row] * a.C + col, add);
        for (int j = 0; j < V; j++) v[j] += add[j];
    }
    if (a.type_tab) {
        load(a.type_tab + (a.type ? a.type[row] : 0) * a.C + col, add);
        for (int j = 0; j < V; j++) v[j] += add[j];
    }
    store(a.x + (int64_t)row * a.C + col, v);
}

template <typename T, int V> static lt_status embed_launch(const lt_ctx *c, const lt_embed_args *a) {
    int64_t pieces = a->C / V, total = a->rows * pieces;
    LT_COUNTABLE(total);
    LT_RUN(c, (embed_pieces<T, V>), blocks_for(total, THREADS), THREADS, 0, *a, (uint32_t)pieces, (uint32_t)total);
    return LT_OK;
}

lt_status embed_fwd(const lt_ctx *c, const lt_embed_args *a) {
    if (a->rows <= 0) return LT_OK;
    bool four = fits(lt_arr{const_cast<void *>(a->tok), a->tok_dt}, a->C, V4) && fits(a->x, a->C, V4) && fits(a->pos_tab, a->C, V4) &&
                fits(a->type_tab, a->C, V4) && fits(a->prompt, a->C, V4);
    LT_BY_TYPE(a->tok_dt, return four ? embed_launch<T, V4>(c, a) : embed_launch<T, 1>(c, a););
}

/* A block adds up the rows of one prompt row, for a column a thread: the block of the first row with its id; the others have nothing to do. */
static __global__ void __launch_bounds__(THREADS) embed_bwd_columns(lt_embed_args a) {
    LT_SHARED(int32_t, same, [THREADS]); /* whether a row has the id */
    int64_t first = blockIdx.x, col = (int64_t)blockIdx.y * THREADS + threadIdx.x;
    int32_t id = a.id[first];
    if (id >= 0) return;
    for (int64_t t0 = 0; t0 < first; t0 += THREADS) {
        int64_t t = t0 + threadIdx.x;
        if (__syncthreads_or(t < first && a.id[t] == id)) return;
    }
    float sum = col < a.C ? a.d_prompt[(int64_t)(-1 - id) * a.C + col] : 0.0f;
    for (int64_t t0 = first; t0 < a.rows; t0 += THREADS) {
        int64_t t = t0 + threadIdx.x;
        same[threadIdx.x] = t < a.rows && a.id[t] == id;
        if (__syncthreads_or(same[threadIdx.x]))
            for (int i = 0; i < THREADS; i++)
                if (same[i] && col < a.C) sum += a.dx[(t0 + i) * a.C + col];
        __syncthreads();
    }
    if (col < a.C) a.d_prompt[(int64_t)(-1 - id) * a.C + col] = sum;
}

lt_status embed_bwd(const lt_ctx *c, const lt_embed_args *a) {
    if (a->rows <= 0) return LT_OK;
    LT_RUN(c, (embed_bwd_columns), dim3((unsigned)a->rows, (unsigned)div_up(a->C, THREADS)), THREADS, 0, *a);
    return LT_OK;
}

/* ---- gather, put, scatter-add ---- */

enum rows_kind { GATHER, PUT, SCATTER_ADD };

template <rows_kind KIND, typename B, typename S, int V>
static __global__ void __launch_bounds__(THREADS) rows_pieces(lt_rows_args a, uint32_t pieces, uint32_t total) {
    uint32_t n = thread_number(), row = n / pieces;
    if (n >= total) return;
    int64_t col = (int64_t)(n - row * pieces) * V;
    B *big = at<B>(a.big, a.index[row] * a.C + col);
    S *small = at<S>(a.small, row * a.C + col);
    float v[V], u[V];
    if constexpr (KIND == GATHER) {
        load(big, v);
        store(small, v);
    } else {
        load(small, v);
        if constexpr (KIND == SCATTER_ADD) {
            load(big, u);
            for (int j = 0; j < V; j++) v[j] += u[j];
        }
        store(big, v);
    }
}

template <rows_kind KIND, typename B, typename S, int V> static lt_status rows_launch(const lt_ctx *c, const lt_rows_args *a) {
    int64_t pieces = a->C / V, total = a->rows * pieces;
    LT_COUNTABLE(total);
    LT_RUN(c, (rows_pieces<KIND, B, S, V>), blocks_for(total, THREADS), THREADS, 0, *a, (uint32_t)pieces, (uint32_t)total);
    return LT_OK;
}

template <rows_kind KIND> struct rows_typed {
    template <typename B, typename S> static lt_status run(const lt_ctx *c, const lt_rows_args *a) {
        bool four = fits(a->big, a->C, V4) && fits(a->small, a->C, V4);
        return four ? rows_launch<KIND, B, S, V4>(c, a) : rows_launch<KIND, B, S, 1>(c, a);
    }
    static lt_status all(const lt_ctx *c, const lt_rows_args *a) {
        return a->rows > 0 ? LT_BY_TYPES(a->big.dt, a->small.dt, run, c, a) : LT_OK;
    }
};

lt_status gather_rows(const lt_ctx *c, const lt_rows_args *a) { return rows_typed<GATHER>::all(c, a); }
lt_status put_rows(const lt_ctx *c, const lt_rows_args *a) { return rows_typed<PUT>::all(c, a); }
lt_status scatter_add_rows(const lt_ctx *c, const lt_rows_args *a) { return rows_typed<SCATTER_ADD>::all(c, a); }

/* ---- neighbours ---- */

/* The rows [from, end) of the sequence that has row t; sequences follow each other, some are empty. */
struct span {
    int64_t from, end;
};
LT_DEVICE span sequence_of(const lt_unfold_args &a, int64_t t) {
    int64_t low = 0, high = a.n_seq; /* cu[low] <= t < cu[high] */
    while (high - low > 1) {
        int64_t mid = (low + high) / 2;
        if (a.cu[mid] <= t)
            low = mid;
        else
            high = mid;
    }
    return {a.cu[low], a.cu[low + 1]};
}

/* A block has THREADS elements of a row of y. */
template <typename X, typename Y> static __global__ void __launch_bounds__(THREADS) unfold_elements(lt_unfold_args a) {
    int64_t t = blockIdx.x, e = (int64_t)blockIdx.y * THREADS + threadIdx.x, width = a.C * a.kernel;
    if (e >= width) return;
    span s = sequence_of(a, t);
    int64_t from = t + e % a.kernel - a.kernel / 2;
    float v = from >= s.from && from < s.end ? lt_to_f32(*at<X>(a.x, from * a.C + e / a.kernel)) : 0.0f;
    *at<Y>(a.y, t * width + e) = lt_from_f32<Y>(v);
}
template <typename X, typename Y> static lt_status unfold_typed(const lt_ctx *c, const lt_unfold_args *a) {
    LT_RUN(c, (unfold_elements<X, Y>), dim3((unsigned)a->rows, (unsigned)div_up(a->C * a->kernel, THREADS)), THREADS, 0, *a);
    return LT_OK;
}
lt_status unfold(const lt_ctx *c, const lt_unfold_args *a) {
    return a->rows > 0 ? LT_BY_TYPES(a->x.dt, a->y.dt, unfold_typed, c, a) : LT_OK;
}

/* A block has THREADS columns of a row of dx; element s of row `to` of y stands for this row. */
template <typename Y> static __global__ void __launch_bounds__(THREADS) fold_columns(lt_unfold_args a) {
    int64_t t = blockIdx.x, col = (int64_t)blockIdx.y * THREADS + threadIdx.x;
    if (col >= a.C) return;
    span in = sequence_of(a, t);
    float sum = a.dx[t * a.C + col];
    for (int s = 0; s < a.kernel; s++) {
        int64_t to = t - s + a.kernel / 2;
        if (to >= in.from && to < in.end) sum += lt_to_f32(*at<Y>(a.y, (to * a.C + col) * a.kernel + s));
    }
    a.dx[t * a.C + col] = sum;
}
lt_status fold(const lt_ctx *c, const lt_unfold_args *a) {
    if (a->rows <= 0) return LT_OK;
    dim3 grid((unsigned)a->rows, (unsigned)div_up(a->C, THREADS));
    LT_BY_TYPE(a->y.dt, LT_RUN(c, (fold_columns<T>), grid, THREADS, 0, *a););
    return LT_OK;
}

} // namespace LT_GPU_SPACE
