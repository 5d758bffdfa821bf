#pragma once
/* Private to attention_plain*.cu: attention by FMA, for f32, for any head size up to ATTN_MAX_D, and with relative positions.
 *
 * A block of 4 warps owns 4 R stationary rows, R a warp, and walks over blocks of 32 moving rows.  Scores: lane j is moving row j; both sides lie in shared
 * memory, 32 of the D numbers at a time, so that a number of the moving row serves R products and any D takes the same room.  Sums weighted by the scores:
 * lanes are columns, a moving row is read from memory (neighbouring lanes, neighbouring numbers) once for R rows.
 *
 * R = 4 up to D = 256, else 2, for 1,024 columns are 32 accumulators a row. */

#include "kernels/cuda/attention_impl.h"

namespace LT_GPU_SPACE {

enum { PLAIN_WARPS = 4, PLAIN_N = 32, PLAIN_STEP = 32 };
template <int ND> struct plain_shape {
    enum { R = ND > 8 ? 2 : 4, M = PLAIN_WARPS * R };
};

/* Shared memory of plain_dots(). */
template <int R> struct plain_room { float x[PLAIN_WARPS * R][PLAIN_STEP], y[PLAIN_N][PLAIN_STEP + 1]; };

/* Constants of the distances between a stationary row and this lane's moving row; NULL = none. */
struct plain_bands {
    const float *c2p, *p2c;
};

/* s[r] := <x(row r of the warp), y(lane)> over D for the warp's R rows, with the terms of relative positions: c2p multiplies the query, p2c the key, and x
 * is the query if X_IS_QUERY.  x(r, d), y(j, d): elements, 0 where there is none.  The whole block. */
template <int R, bool X_IS_QUERY, typename X, typename Y>
LT_DEVICE void plain_dots(plain_room<R> &room, int D, float (&s)[R], const plain_bands (&band)[R], X x, Y y) {
    const int me = (int)threadIdx.x, warp = me / WARP, lane = me % WARP;
    for (int r = 0; r < R; r++) s[r] = 0.0f;
    for (int d0 = 0; d0 < D; d0 += PLAIN_STEP) {
        const int d = d0 + lane, n = min(PLAIN_STEP, D - d0);
        __syncthreads();
        for (int r = warp; r < PLAIN_WARPS * R; r += PLAIN_WARPS) room.x[r][lane] = d < D ? x(r, d) : 0.0f;
        for (int j = warp; j < PLAIN_N; j += PLAIN_WARPS) room.y[j][lane] = d < D ? y(j, d) : 0.0f;
        __syncthreads();
        LT_UNROLL
        for (int i = 0; i < PLAIN_STEP; i++) LT_UNROLL
        for (int r = 0; r < R; r++) s[r] += room.x[warp * R + r][i] * room.y[lane][i];
        LT_UNROLL
        for (int r = 0; r < R; r++) {
            if (band[r].c2p)
                for (int i = 0; i < n; i++) s[r] += (X_IS_QUERY ? room.x[warp * R + r][i] : room.y[lane][i]) * band[r].c2p[d0 + i];
            if (band[r].p2c)
                for (int i = 0; i < n; i++) s[r] += (X_IS_QUERY ? room.y[lane][i] : room.x[warp * R + r][i]) * band[r].p2c[d0 + i];
        }
    }
}

/* Keys and values of the 32 columns of a block of the walk. */
template <typename T> struct plain_keys {
    bool bank;
    int from, n;      /* column 0 is bank row or key `from`; columns that exist */
    const float *row; /* bank: keys of column 0, and of text: */
    const T *k, *v;
    int64_t ld_k, ld_v, bank_v;

    LT_DEVICE plain_keys(const attn<T> &a, const attn_span &s, const attn_walk &w, int b) {
        bank = b < w.bank;
        from = (bank ? b : w.text + b - w.bank) * PLAIN_N;
        n = min((int)PLAIN_N, (bank ? s.P : s.n_k) - from);
        row = bank ? s.bank + from * a.bank_ld : nullptr;
        k = a.k + (int64_t)(s.k0 + from) * a.ld_k + (int64_t)s.kv * a.D;
        v = a.v + (int64_t)(s.k0 + from) * a.ld_v + (int64_t)s.kv * a.D;
        ld_k = bank ? a.bank_ld : a.ld_k;
        ld_v = bank ? a.bank_ld : a.ld_v;
        bank_v = a.bank_v;
    }
    LT_DEVICE float key(int j, int d) const { return j >= n ? 0.0f : bank ? row[j * ld_k + d] : lt_to_f32(k[j * ld_k + d]); }
    LT_DEVICE float value(int j, int d) const { return j >= n ? 0.0f : bank ? row[bank_v + j * ld_v + d] : lt_to_f32(v[j * ld_v + d]); }
};

/* What the warp's R query rows are to a block of the walk. */
template <int R> struct plain_view {
    unsigned sees[R]; /* bit j: the row sees column j */
    unsigned any;
    float place; /* of this lane's column, as ALiBi counts */

    template <typename T>
    LT_DEVICE void set(const attn<T> &a, const attn_span &s, const plain_keys<T> &b, int row0, const attn_row (&row)[R],
                       plain_bands (&band)[R]) {
        const int lane = (int)threadIdx.x % WARP, j = b.from + lane;
        any = 0;
        place = (float)(b.bank ? j - s.P : j);
        LT_UNROLL
        for (int r = 0; r < R; r++) {
            const bool mine = b.bank ? row0 + r < s.rows && lane < b.n : j >= row[r].low && j < row[r].high;
            const int head = s.kv * a.group + (row0 + r) % a.group;
            sees[r] = __ballot_sync(0xFFFFFFFFu, mine);
            any |= sees[r];
            band[r].c2p = mine && !b.bank ? attn_c2p(a, head, row[r].place, j) : nullptr;
            band[r].p2c = mine && !b.bank ? attn_p2c(a, head, row[r].place, j) : nullptr;
        }
    }
};

/* Runs body with ND: vectors of 32 columns that hold D. */
#define PLAIN_BY_D(D, ...)                                                                                                                 \
    do {                                                                                                                                   \
        if ((D) <= 64) {                                                                                                                   \
            constexpr int ND = 2;                                                                                                          \
            __VA_ARGS__                                                                                                                    \
        } else if ((D) <= 256) {                                                                                                           \
            constexpr int ND = 8;                                                                                                          \
            __VA_ARGS__                                                                                                                    \
        } else {                                                                                                                           \
            constexpr int ND = ATTN_MAX_D / WARP;                                                                                          \
            __VA_ARGS__                                                                                                                    \
        }                                                                                                                                  \
    } while (0)

} // namespace LT_GPU_SPACE
