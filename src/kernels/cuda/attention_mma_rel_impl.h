#pragma once
/* Private to attention_mma*.cu: relative positions (struct lt_attn_rel) on tensor cores.
 *
 * X: the warp's 16 stationary rows, Y: the N moving rows of a block.  One constant belongs to X ("own": c2p where X are queries, p2c where X are keys), the
 * other to Y.  The distance of x_r and y_c depends on c - r alone, so that both terms are products with a band of constants, skewed:
 *
 *   <x_r, own(c - r)>     T = X own^T [16][N + 16], row u of the band for c - r = u - 15:  score[r][c] += T[r][c - r + 15]
 *   <y_c, other(r - c)>   U = Y other^T of 16 moving rows at a time, [16][32], row v for r - c = v - 15:  score[r][16 m + c] += U[c][r - c + 15]
 *   sum_c ds[r][c] own(c - r)   = Z own, Z[r][u] = ds[r][u + r - 15] [16][N + 16]
 *
 * Skewing goes through shared memory of the warp.  In the layout of rel_pack both bands are rows that follow each other: own for the block of warps and the
 * block of moving rows N + M rows from `reach - 16 + y0 - x0 - (M - 16)` on, other from `reach - 16 + x0 - y0 - (N - 16)` on, with x0, y0 the first places.
 *
 * This needs rows that stand one behind the other.  Tiles where they do not (rows picked from a sequence) take their constants one by one. */

#include "kernels/cuda/attention_mma_impl.h"

namespace LT_GPU_SPACE {

/* Shared memory for it. */
template <int DP> struct mma_rel {
    enum {
        LD = mma_shape<DP>::LD,
        N = mma_shape<DP>::N,
        SKEW = N + 20, /* row stride of scores: no multiple of 8 */
        SKEW_BF16 = N + 24
    };
    lt_bf16 *own, *other;           /* [N + M][LD]; NULL: no such constant */
    float *skew;                    /* [16][SKEW] of this warp */
    const lt_bf16 *own_w, *other_w; /* first rows of this warp; of `other` for m = N / 16 - 1 */
    int M;
    int first; /* queries stationary: place of the block's first row */
    bool straight;

    static constexpr size_t bytes(int M) { return sizeof(lt_bf16) * 2 * (size_t)((N + M) * LD) + sizeof(float) * (size_t)(M * SKEW); }

    LT_DEVICE void set(lt_bf16 *room, int rows, int group, bool has_own, bool has_other) {
        M = rows;
        own = has_own ? room : nullptr;
        other = has_other ? room + (N + M) * LD : nullptr;
        skew = reinterpret_cast<float *>(room + 2 * (N + M) * LD) + group * 16 * SKEW;
        own_w = own + (M - 16 - group * 16) * LD;
        other_w = other + group * 16 * LD;
        straight = true;
    }

    /* Copies the bands for first places x0, y0.  The whole block; own_from, other_from: of this head. */
    LT_DEVICE void load(int D, const float *own_from, const float *other_from, int64_t width, int rows, int reach, int x0, int y0) {
        const int at = reach - 16 + y0 - x0 - (M - 16), at_other = reach - 16 + x0 - y0 - (N - 16);
        if (own) mma_load_f32<DP>(own, N + M, D, own_from + at * width, width, -at, rows - at);
        if (other) mma_load_f32<DP>(other, N + M, D, other_from + at_other * width, width, -at_other, rows - at_other);
    }

    /* w += both terms; y: the moving rows, groups of 16 without their bit in live excepted. */
    template <bool KEEP> LT_DEVICE void scores(float (&w)[N / 8][4], const mma_left<DP, KEEP> &x, const lt_bf16 *y, unsigned live) const {
        const int lane = (int)threadIdx.x % WARP, g = lane / 4, t = lane % 4;
        if (own) {
            float band[N / 8 + 2][4];
            mma_scores<DP, KEEP, N + 16>(band, x, own_w, ~0u);
            LT_UNROLL
            for (int n = 0; n < N / 8 + 2; n++) LT_UNROLL
            for (int e = 0; e < 4; e++) skew[(g + e / 2 * 8) * SKEW + n * 8 + t * 2 + e % 2] = band[n][e];
            __syncwarp(0xFFFFFFFFu);
            LT_UNROLL
            for (int n = 0; n < N / 8; n++) LT_UNROLL
            for (int e = 0; e < 4; e++) {
                const int r = g + e / 2 * 8, c = n * 8 + t * 2 + e % 2;
                w[n][e] += skew[r * SKEW + c - r + 15];
            }
            __syncwarp(0xFFFFFFFFu);
        }
        LT_UNROLL
        for (int m = 0; m < N / 16; m++) {
            if (!other || !(live >> m & 1u)) continue;
            float band[4][4];
            mma_left<DP, false> rows;
            rows.set(y + m * 16 * LD);
            mma_scores<DP, false, 32>(band, rows, other_w + (N - 16 - m * 16) * LD, ~0u);
            LT_UNROLL
            for (int n = 0; n < 4; n++) LT_UNROLL
            for (int e = 0; e < 4; e++) skew[(g + e / 2 * 8) * SKEW + n * 8 + t * 2 + e % 2] = band[n][e];
            __syncwarp(0xFFFFFFFFu);
            LT_UNROLL
            for (int n = 0; n < 2; n++) LT_UNROLL
            for (int e = 0; e < 4; e++) {
                const int r = g + e / 2 * 8, c = n * 8 + t * 2 + e % 2;
                w[2 * m + n][e] += skew[c * SKEW + r - c + 15];
            }
            __syncwarp(0xFFFFFFFFu);
        }
    }

    /* acc += sum_c ds[r][c] own(c - r), ds rounded to bf16. */
    LT_DEVICE void weigh(float (&acc)[DP / 8][4], const float (&ds)[N / 8][4]) const {
        const int lane = (int)threadIdx.x % WARP, g = lane / 4, t = lane % 4;
        lt_bf16 *z = reinterpret_cast<lt_bf16 *>(skew);
        if (!own) return;
        for (int i = lane; i < 16 * SKEW_BF16 / 8; i += WARP) reinterpret_cast<uint4 *>(z)[i] = make_uint4(0, 0, 0, 0);
        __syncwarp(0xFFFFFFFFu);
        LT_UNROLL
        for (int n = 0; n < N / 8; n++) LT_UNROLL
        for (int e = 0; e < 4; e++) {
            const int r = g + e / 2 * 8, c = n * 8 + t * 2 + e % 2;
            z[r * SKEW_BF16 + c - r + 15] = lt_round_bf16(ds[n][e]);
        }
        __syncwarp(0xFFFFFFFFu);
        LT_UNROLL
        for (int k = 0; k < N / 16 + 1; k++) {
            uint32_t p[4];
            lt_ldmatrix_x4(p, z + lane % 16 * SKEW_BF16 + k * 16 + lane / 16 * 8);
            LT_UNROLL
            for (int d = 0; d < DP / 16; d++) {
                uint32_t r[4];
                lt_ldmatrix_x4_trans(r, own_w + (k * 16 + lane % 16) * LD + d * 16 + lane / 16 * 8);
                const uint32_t low[2] = {r[0], r[1]}, high[2] = {r[2], r[3]};
                lt_mma_bf16(acc[2 * d], p, low);
                lt_mma_bf16(acc[2 * d + 1], p, high);
            }
        }
        __syncwarp(0xFFFFFFFFu);
    }

    /* The same, where rows do not stand one behind the other.  own_at(i, c), other_at(i, c): the constants of this lane's row g + 8 i and
     * column c, NULL = none.  x, y: rows in shared memory. */
    template <typename F, typename G>
    LT_DEVICE void scores_one_by_one(float (&w)[N / 8][4], int D, const lt_bf16 *x, const lt_bf16 *y, F own_at, G other_at) const {
        const int lane = (int)threadIdx.x % WARP, g = lane / 4, t = lane % 4;
        LT_UNROLL
        for (int n = 0; n < N / 8; n++) LT_UNROLL
        for (int e = 0; e < 4; e++) {
            const int r = g + e / 2 * 8, c = n * 8 + t * 2 + e % 2;
            const float *of_x = own_at(e / 2, c), *of_y = other_at(e / 2, c);
            float sum = 0.0f;
            for (int d = 0; of_x && d < D; d++) sum += lt_to_f32(x[r * LD + d]) * of_x[d];
            for (int d = 0; of_y && d < D; d++) sum += lt_to_f32(y[c * LD + d]) * of_y[d];
            w[n][e] += sum;
        }
    }
    template <typename F> LT_DEVICE void weigh_one_by_one(float (&acc)[DP / 8][4], const float (&ds)[N / 8][4], int D, F own_at) const {
        const int lane = (int)threadIdx.x % WARP, g = lane / 4, t = lane % 4;
        LT_UNROLL
        for (int n = 0; n < N / 8; n++) LT_UNROLL
        for (int e = 0; e < 4; e++) skew[(g + e / 2 * 8) * SKEW + n * 8 + t * 2 + e % 2] = ds[n][e];
        __syncwarp(0xFFFFFFFFu);
        LT_UNROLL
        for (int e = 0; e < 4; e++) {
            const int r = g + e / 2 * 8;
            for (int c = 0; c < N; c++) {
                const float *of_x = own_at(e / 2, c);
                LT_UNROLL
                for (int n = 0; n < DP / 8; n++)
                    if (of_x && n * 8 + t * 2 + e % 2 < D) acc[n][e] += skew[r * SKEW + c] * of_x[n * 8 + t * 2 + e % 2];
            }
        }
        __syncwarp(0xFFFFFFFFu);
    }
};

/* ---- queries as the stationary rows: forward and dq ---- */

template <int DP>
LT_DEVICE void mma_rel_set(mma_rel<DP> &rel, const attn<lt_bf16> &a, const attn_span &s, const attn_row (&row)[2], lt_bf16 *room, int M) {
    const int warp = (int)threadIdx.x / WARP, r = warp * 16 + (int)threadIdx.x % WARP / 4;
    rel.set(room, M, warp, a.c2p != nullptr, a.p2c != nullptr);
    rel.first = a.q_index[s.q0 + s.row0];
    bool straight = true;
    LT_UNROLL
    for (int i = 0; i < 2; i++) straight &= s.row0 + r + 8 * i >= s.rows || row[i].place == rel.first + r + 8 * i;
    rel.straight = __syncthreads_and(straight);
}
template <int DP> LT_DEVICE void mma_rel_load(mma_rel<DP> &rel, const attn<lt_bf16> &a, const attn_span &s, const mma_block &x) {
    const int64_t head = s.kv * a.rel_rows * a.rel_width;
    if (!x.bank && rel.straight) rel.load(a.D, a.c2p + head, a.p2c + head, a.rel_width, (int)a.rel_rows, (int)a.reach, rel.first, x.from);
}

/* The constant at(place of query, key) of one of this lane's rows and column c of the block; NULL where it is not seen. */
template <typename F> LT_DEVICE const float *mma_rel_at(const mma_block &x, const attn_row &of, int c, F at) {
    const int key = x.from + c;
    return key >= of.low && key < of.high ? at(of.place, key) : nullptr;
}
template <int DP, bool KEEP>
LT_DEVICE void mma_rel_scores(const mma_rel<DP> &rel, float (&w)[mma_rel<DP>::N / 8][4], const attn<lt_bf16> &a, const attn_span &s,
                              const mma_block &x, const attn_row (&row)[2], const mma_left<DP, KEEP> &left, const lt_bf16 *q,
                              const lt_bf16 *k, unsigned live) {
    if (x.bank) return;
    if (rel.straight) {
        rel.scores(w, left, k, live);
        return;
    }
    rel.scores_one_by_one(
        w, a.D, q, k, [&](int n, int c) { return mma_rel_at(x, row[n], c, [&](int i, int j) { return attn_c2p(a, s.kv, i, j); }); },
        [&](int n, int c) { return mma_rel_at(x, row[n], c, [&](int i, int j) { return attn_p2c(a, s.kv, i, j); }); });
}
template <int DP>
LT_DEVICE void mma_rel_weigh(const mma_rel<DP> &rel, float (&acc)[DP / 8][4], const float (&ds)[mma_rel<DP>::N / 8][4],
                             const attn<lt_bf16> &a, const attn_span &s, const mma_block &x, const attn_row (&row)[2]) {
    if (x.bank) return;
    if (rel.straight)
        rel.weigh(acc, ds);
    else
        rel.weigh_one_by_one(acc, ds, a.D,
                             [&](int n, int c) { return mma_rel_at(x, row[n], c, [&](int i, int j) { return attn_c2p(a, s.kv, i, j); }); });
}

/* ---- keys as the stationary rows: dk ---- */

/* Rows of the block stand one behind the other; all lanes of a warp ask alike. */
template <int N> LT_DEVICE bool mma_rel_straight(const attn_moving *m) {
    bool straight = true;
    for (int i = (int)threadIdx.x % WARP; i < N; i += WARP) straight &= m[i].q < 0 || m[i].place == m[0].place + (float)i;
    return __all_sync(0xFFFFFFFFu, straight);
}
/* The constant at(place of query, key); NULL where it is not seen. */
template <typename F> LT_DEVICE const float *mma_rel_of_key(const attn_moving &m, int key, F at) {
    return key >= m.low && key < m.high ? at((int)m.place, key) : nullptr;
}

} // namespace LT_GPU_SPACE
