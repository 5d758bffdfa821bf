#pragma once
/* Private to attention_mma*.cu: pieces of the tensor core kernels.
 *
 * A warp owns 16 stationary rows X (queries, or keys) and walks over blocks of N moving rows Y.  Its scores X Y^T [16][N] are the accumulators of mma m16n8k16,
 * whose layout is that of the next product's first operand, so weights go from one product to the next in registers:
 *
 *   forward  S = Q K^T   O  += P V          dq  S = Q K^T   dP = dO V^T   dQ += dS K          dk, dv  S^T = K Q^T   dP^T = V dO^T   dV += P^T dO   dK += dS^T Q
 *
 * Lane l, g = l / 4, t = l % 4: element j of column group n of the accumulators is row g + 8 (j / 2), column 8 n + 2 t + j % 2.
 *
 * Shared memory.  Rows of DP numbers and 8 more: 16-byte accesses of 8 neighbouring rows then fall on different banks.  Moving rows come in two stages, so that
 * block b + 1 is copied while b is worked on; two barriers a block.
 *
 * Sizes.  N = 64 up to DP = 64, else 32: with DP = 128 dk and dv hold 128 accumulators a thread, scores of 64 columns would push others out of 255 registers,
 * and two stages of 32 rows (35 KB) leave room for three or four blocks on an SM.  A block of rows may be shorter than N where no sequence is longer. */

#include "kernels/cuda/attention_impl.h"

namespace LT_GPU_SPACE {

template <int DP> struct mma_shape {
    enum {
        LD = DP + 8,               /* of a row in shared memory */
        N = DP <= 64 ? 64 : 32,    /* moving rows of a block */
        SPLIT = DP <= 128 ? 1 : 2, /* dk, dv: warps that divide the columns of 16 keys among them */
        WARPS = DP <= 128 ? 4 : 2  /* dk, dv: most groups of 16 keys a block */
    };
};

template <int N> LT_DEVICE void mma_zero(float (&x)[N][4]) {
    LT_UNROLL
    for (int i = 0; i < N; i++) x[i][0] = x[i][1] = x[i][2] = x[i][3] = 0.0f;
}

/* The warp's 16 stationary rows as first operand: in registers (KEEP: a quarter of DP a thread), or read again from shared memory for every block. */
template <int DP, bool KEEP> struct mma_left {
    uint32_t kept[KEEP ? DP / 16 : 1][4];
    const lt_bf16 *at = nullptr; /* where this lane reads */

    /* own: the first of the warp's rows, which are there when KEEP. */
    LT_DEVICE void set(const lt_bf16 *own) {
        const int lane = (int)threadIdx.x % WARP;
        at = own + lane % 16 * mma_shape<DP>::LD + lane / 16 * 8;
        if constexpr (KEEP) {
            LT_UNROLL
            for (int d = 0; d < DP / 16; d++) lt_ldmatrix_x4(kept[d], at + d * 16);
        }
    }
    LT_DEVICE void get(int d, uint32_t (&p)[4]) const {
        if constexpr (KEEP) {
            LT_UNROLL
            for (int i = 0; i < 4; i++) p[i] = kept[d][i];
        } else {
            lt_ldmatrix_x4(p, at + d * 16);
        }
    }
};

/* w [16][N] := X Y^T, y: row 0 of the moving rows; groups of 16 columns without their bit in live stay 0. */
template <int DP, bool KEEP, int N>
LT_DEVICE void mma_scores(float (&w)[N / 8][4], const mma_left<DP, KEEP> &x, const lt_bf16 *y, unsigned live) {
    const int lane = (int)threadIdx.x % WARP;
    y += (lane % 8 + lane / 16 * 8) * mma_shape<DP>::LD + lane / 8 % 2 * 8;
    mma_zero(w);
    LT_UNROLL
    for (int d = 0; d < DP / 16; d++) {
        uint32_t p[4];
        x.get(d, p);
        LT_UNROLL
        for (int n = 0; n < N / 16; n++) {
            if (!(live >> n & 1u)) continue;
            uint32_t r[4];
            lt_ldmatrix_x4(r, y + n * 16 * mma_shape<DP>::LD + d * 16);
            const uint32_t low[2] = {r[0], r[1]}, high[2] = {r[2], r[3]};
            lt_mma_bf16(w[2 * n], p, low);
            lt_mma_bf16(w[2 * n + 1], p, high);
        }
    }
}

/* Bits of the groups of 16 columns that meet [low, high). */
template <int N> LT_DEVICE unsigned mma_live(int low, int high) {
    unsigned live = 0;
    LT_UNROLL
    for (int n = 0; n < N / 16; n++) live |= (n * 16 < high && n * 16 + 16 > low ? 1u : 0u) << n;
    return live;
}

/* acc [16][DN] += W Y, W [16][N] rounded to bf16, y: row 0 of the moving rows from the first of DN columns on. */
template <int DP, int DN, int N>
LT_DEVICE void mma_weigh(float (&acc)[DN / 8][4], const float (&w)[N / 8][4], const lt_bf16 *y, unsigned live) {
    const int lane = (int)threadIdx.x % WARP;
    y += lane % 16 * mma_shape<DP>::LD + lane / 16 * 8;
    LT_UNROLL
    for (int n = 0; n < N / 16; n++) {
        if (!(live >> n & 1u)) continue;
        const uint32_t p[4] = {lt_round_bf16x2(w[2 * n][0], w[2 * n][1]), lt_round_bf16x2(w[2 * n][2], w[2 * n][3]),
                               lt_round_bf16x2(w[2 * n + 1][0], w[2 * n + 1][1]), lt_round_bf16x2(w[2 * n + 1][2], w[2 * n + 1][3])};
        LT_UNROLL
        for (int d = 0; d < DN / 16; d++) {
            uint32_t r[4];
            lt_ldmatrix_x4_trans(r, y + n * 16 * mma_shape<DP>::LD + d * 16);
            const uint32_t low[2] = {r[0], r[1]}, high[2] = {r[2], r[3]};
            lt_mma_bf16(acc[2 * d], p, low);
            lt_mma_bf16(acc[2 * d + 1], p, high);
        }
    }
}

/* Copies `rows` rows of D numbers to shared memory, asynchronously, zeros up to DP; at(r): row r, or NULL: zeros.  any: a readable address. */
template <int DP, typename F> LT_DEVICE void mma_load(lt_bf16 *to, int rows, int D, const lt_bf16 *any, F at) {
    for (int i = (int)threadIdx.x; i < rows * (DP / 8); i += (int)blockDim.x) {
        int r = i / (DP / 8), d = i % (DP / 8) * 8;
        const lt_bf16 *from = at(r);
        bool there = from && d < D;
        lt_cp_async16(to + r * mma_shape<DP>::LD + d, there ? from + d : any, there ? 16 : 0);
    }
}

/* The same of f32 rows, rounded, rows from + r * ld; rows outside [low, high) are zeros.  Not asynchronous. */
template <int DP> LT_DEVICE void mma_load_f32(lt_bf16 *to, int rows, int D, const float *from, int64_t ld, int low, int high) {
    for (int i = (int)threadIdx.x; i < rows * (DP / 8); i += (int)blockDim.x) {
        int r = i / (DP / 8), d = i % (DP / 8) * 8;
        uint4 x = make_uint4(0, 0, 0, 0);
        if (r >= low && r < high && d < D) {
            float4 a = *reinterpret_cast<const float4 *>(from + r * ld + d), b = *reinterpret_cast<const float4 *>(from + r * ld + d + 4);
            x = make_uint4(lt_round_bf16x2(a.x, a.y), lt_round_bf16x2(a.z, a.w), lt_round_bf16x2(b.x, b.y), lt_round_bf16x2(b.z, b.w));
        }
        *reinterpret_cast<uint4 *>(to + r * mma_shape<DP>::LD + d) = x;
    }
}

/* A warp's 16 rows of DN numbers, row g times f0 and row g + 8 times f1, by way of its own rows in shared memory (room: their first column) to at(r), 16 bytes
 * at a time; NULL: not stored. */
template <int DP, int DN, typename F>
LT_DEVICE void mma_store(const float (&acc)[DN / 8][4], float f0, float f1, lt_bf16 *room, int D, F at) {
    constexpr int LD = mma_shape<DP>::LD;
    const int lane = (int)threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    LT_UNROLL
    for (int n = 0; n < DN / 8; n++) {
        *reinterpret_cast<uint32_t *>(room + g * LD + n * 8 + t * 2) = lt_round_bf16x2(acc[n][0] * f0, acc[n][1] * f0);
        *reinterpret_cast<uint32_t *>(room + (g + 8) * LD + n * 8 + t * 2) = lt_round_bf16x2(acc[n][2] * f1, acc[n][3] * f1);
    }
    __syncwarp(0xFFFFFFFFu);
    for (int i = lane; i < 16 * (DN / 8); i += WARP) {
        int r = i / (DN / 8), d = i % (DN / 8) * 8;
        lt_bf16 *to = d < D ? at(r) : nullptr;
        if (to) *reinterpret_cast<uint4 *>(to + d) = *reinterpret_cast<const uint4 *>(room + r * LD + d);
    }
    __syncwarp(0xFFFFFFFFu);
}

/* Copies block b of the walk: keys to k, values to v, `rows` rows each; one group of copies. */
template <int DP>
LT_DEVICE void mma_load_keys(const attn<lt_bf16> &a, const attn_span &s, const attn_walk &w, int b, lt_bf16 *k, lt_bf16 *v, int rows) {
    constexpr int N = mma_shape<DP>::N;
    if (b < w.bank) {
        const float *from = s.bank + (int64_t)b * N * a.bank_ld;
        mma_load_f32<DP>(k, rows, a.D, from, a.bank_ld, 0, s.P - b * N);
        mma_load_f32<DP>(v, rows, a.D, from + a.bank_v, a.bank_ld, 0, s.P - b * N);
    } else {
        int j = (w.text + b - w.bank) * N, n = s.n_k - j;
        const int64_t at = s.k0 + j, column = (int64_t)s.kv * a.D;
        mma_load<DP>(k, rows, a.D, a.k, [&](int r) { return r < n ? a.k + (at + r) * a.ld_k + column : nullptr; });
        mma_load<DP>(v, rows, a.D, a.v, [&](int r) { return r < n ? a.v + (at + r) * a.ld_v + column : nullptr; });
    }
    lt_cp_async_commit();
}

/* What a block of the walk is to the scores of query rows. */
struct mma_block {
    bool bank;
    int from;     /* column 0 is bank row or key `from` */
    float place0; /* of column 0, for ALiBi: bank row p lies at p - P */
};
LT_DEVICE mma_block mma_block_of(int N, const attn_span &s, const attn_walk &w, int b) {
    mma_block x;
    x.bank = b < w.bank;
    x.from = (x.bank ? b : w.text + b - w.bank) * N;
    x.place0 = (float)(x.bank ? x.from - s.P : x.from);
    return x;
}

/* Row of a query as its two owners (lanes g, t) keep it, for one kind of columns. */
struct mma_sight {
    int low, high;
};
LT_DEVICE mma_sight mma_sight_of(const mma_block &x, const attn_row &r, int P) {
    mma_sight m;
    m.low = (x.bank ? 0 : r.low) - x.from;
    m.high = (x.bank ? P : r.high) - x.from; /* bank: also of rows that do not exist, which nobody reads */
    return m;
}

/* Runs body with DP as the next size that there is. */
#define ATTN_BY_D(D, ...)                                                                                                                  \
    do {                                                                                                                                   \
        if ((D) <= 32) {                                                                                                                   \
            constexpr int DP = 32;                                                                                                         \
            __VA_ARGS__                                                                                                                    \
        } else if ((D) <= 64) {                                                                                                            \
            constexpr int DP = 64;                                                                                                         \
            __VA_ARGS__                                                                                                                    \
        } else if ((D) <= 80) {                                                                                                            \
            constexpr int DP = 80;                                                                                                         \
            __VA_ARGS__                                                                                                                    \
        } else if ((D) <= 96) {                                                                                                            \
            constexpr int DP = 96;                                                                                                         \
            __VA_ARGS__                                                                                                                    \
        } else if ((D) <= 128) {                                                                                                           \
            constexpr int DP = 128;                                                                                                        \
            __VA_ARGS__                                                                                                                    \
        } else {                                                                                                                           \
            constexpr int DP = 256;                                                                                                        \
            __VA_ARGS__                                                                                                                    \
        }                                                                                                                                  \
    } while (0)

static inline int mma_round16(int64_t n) { return (int)((n + 15) / 16 * 16); }
/* Warps of 16 rows for tiles of up to `rows` rows: 1, 2 or 4 (at most `most`). */
static inline int mma_warps(int64_t rows, int most) {
    int w = rows <= 16 ? 1 : rows <= 32 ? 2 : 4;
    return w < most ? w : most;
}
/* The same, at most as many as bytes(warps) of shared memory allow on this device; kernels have up to 8 KB of their own.  No number depends on it. */
template <typename F> static inline int mma_fit(const lt_ctx *c, int64_t rows, int most, F bytes) {
    int w = mma_warps(rows, most);
    while (w > 1 && bytes(w) + 8192 > state_of(c)->info.smem_block) w /= 2;
    return w;
}
/* Rows of a block of moving rows. */
static inline int mma_rows(int N, int64_t most) {
    int n = mma_round16(most);
    return n < 16 ? 16 : n < N ? n : N;
}

} // namespace LT_GPU_SPACE
