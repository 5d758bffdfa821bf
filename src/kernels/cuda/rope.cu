/* Rotary embedding; equations in kernels/ref/embed.c.
 *
 * A thread turns V pairs of up to HEADS heads of a row by the same angles: cosines and sines are read once for them, and the pairs of all heads are on their
 * way together; heads of x2 follow those of x.  Neighbouring threads have neighbouring columns of a head. */
#include "kernels/cuda/vec_impl.h"

namespace LT_GPU_SPACE {

enum { HEADS = 2 }; /* more would need registers that hide latency better as warps */

/* Thread n: columns n % pieces, heads group, group + groups, ... with group = n / pieces % groups, row n / pieces / groups. */
template <typename T, int V>
static __global__ void __launch_bounds__(THREADS) rope_pieces(lt_rope_args a, uint32_t pieces, uint32_t groups, uint32_t total) {
    uint32_t n = thread_number(), piece = n % pieces, group = n / pieces % groups, row = n / pieces / groups;
    if (n >= total) return;
    int half = a.rot / 2;
    const float *angle = a.cos_sin + (int64_t)a.pos[row] * a.rot + piece * V;
    T *x = at<T>(a.x, row * a.ld_x + piece * V), *x2 = at<T>(a.x2, row * a.ld_x2 + piece * V) - (int64_t)a.heads * a.head_dim;
    float cosine[V], sine[V], lo[HEADS][V], hi[HEADS][V];
    load(angle, cosine);
    load(angle + half, sine);
    LT_UNROLL
    for (int k = 0; k < HEADS; k++) {
        int64_t head = group + k * groups;
        if (head >= a.heads + a.heads2) continue;
        const T *from = (head < a.heads ? x : x2) + head * a.head_dim;
        load(from, lo[k]);
        load(from + half, hi[k]);
    }
    if (a.inverse)
        for (int j = 0; j < V; j++) sine[j] = -sine[j];
    LT_UNROLL
    for (int k = 0; k < HEADS; k++) {
        int64_t head = group + k * groups;
        if (head >= a.heads + a.heads2) continue;
        T *to = (head < a.heads ? x : x2) + head * a.head_dim;
        float u[V], v[V];
        for (int j = 0; j < V; j++) {
            u[j] = lo[k][j] * cosine[j] - hi[k][j] * sine[j];
            v[j] = hi[k][j] * cosine[j] + lo[k][j] * sine[j];
        }
        store(to, u);
        store(to + half, v);
    }
}

template <typename T, int V> static lt_status rope_launch(const lt_ctx *c, const lt_rope_args *a) {
    int64_t pieces = a->rot / 2 / V, groups = div_up(a->heads + a->heads2, HEADS), total = a->rows * pieces * groups;
    LT_COUNTABLE(total);
    LT_RUN(c, (rope_pieces<T, V>), blocks_for(total, THREADS), THREADS, 0, *a, (uint32_t)pieces, (uint32_t)groups, (uint32_t)total);
    return LT_OK;
}

template <typename T> static lt_status rope_typed(const lt_ctx *c, const lt_rope_args *a) {
    constexpr int V = 16 / sizeof(T);
    bool whole = fits(a->x, a->ld_x, V) && (!a->heads2 || fits(a->x2, a->ld_x2, V)) && a->head_dim % V == 0 && a->rot / 2 % V == 0 &&
                 fits(a->cos_sin, a->rot, 4);
    return whole ? rope_launch<T, V>(c, a) : rope_launch<T, 1>(c, a);
}

lt_status rope(const lt_ctx *c, const lt_rope_args *a) {
    LT_ASSERT(a->rot % 2 == 0 && a->rot <= a->head_dim);
    if (a->rows <= 0 || a->heads <= 0 || a->rot <= 0) return LT_OK;
    return a->x.dt == LT_F32 ? rope_typed<float>(c, a) : rope_typed<lt_bf16>(c, a);
}

} // namespace LT_GPU_SPACE
