/* Attention backward to the queries on tensor cores (bf16), first launch of a backward: dq, and for the launches after it delta = <d_o, o> of every row and the
 * tables of attn_make_tables(), which one block more makes.
 *
 *   p = exp(s - lse)   ds = p (<d_o, v> - delta)   dq = scale sum ds k
 *
 * Blocks and their walk over the keys are the forward's; q and d_o stay in registers up to D = 128. */
#include "kernels/cuda/attention_mma_rel_impl.h"

namespace LT_GPU_SPACE {

/* delta of the warp's 16 rows from row0 on, to global memory and to own[16]: 8 lanes a row, 16 bytes at a time. */
static LT_DEVICE void make_delta(const attn<lt_bf16> &a, const attn_span &s, int row0, float *own) {
    const int lane = (int)threadIdx.x % WARP;
    for (int i = lane / 8; i < 16; i += 4) {
        const int64_t at = row0 + i < s.rows ? attn_place(a, s, row0 + i) : -1;
        float sum = 0.0f;
        for (int d = lane % 8 * 8; at >= 0 && d < a.D; d += 64) {
            uint4 x = *reinterpret_cast<const uint4 *>(a.o + at * a.D + d), y = *reinterpret_cast<const uint4 *>(a.d_o + at * a.D + d);
            const uint32_t u[4] = {x.x, x.y, x.z, x.w}, w[4] = {y.x, y.y, y.z, y.w};
            LT_UNROLL
            for (int j = 0; j < 4; j++) sum += lt_low_f32(u[j]) * lt_low_f32(w[j]) + lt_high_f32(u[j]) * lt_high_f32(w[j]);
        }
        for (int o = 4; o; o >>= 1) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, o);
        if (lane % 8 == 0) {
            own[i] = sum;
            if (at >= 0) a.delta[at] = sum;
        }
    }
    __syncwarp(0xFFFFFFFFu);
}

template <int DP, bool REL> __global__ void __launch_bounds__(128, 2) attn_dq_mma(const attn<lt_bf16> a, int block_rows) {
    constexpr int LD = mma_shape<DP>::LD, N = mma_shape<DP>::N;
    constexpr bool KEEP = DP <= 128 && !REL;
    LT_SHARED_DYN(lt_bf16, room);
    LT_SHARED(int, hull, [8]);
    LT_SHARED(float, deltas, [64]);
    const int M = (int)blockDim.x / 2, warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    if (blockIdx.x == gridDim.x - 1) {
        if (blockIdx.y == 0) attn_make_tables(a);
        return;
    }
    attn_span s;
    if (!attn_find_rows(a, M, (int)blockIdx.x, (int)blockIdx.y, &s)) return;
    lt_bf16 *q = room, *d_o = q + M * LD, *keys = d_o + M * LD;
    const int stage = 2 * block_rows * LD, row0 = s.row0 + warp * 16;

    mma_load<DP>(q, M, a.D, a.q, [&](int r) { return s.row0 + r < s.rows ? a.q + attn_q_at(a, s, s.row0 + r, a.ld_q) : nullptr; });
    mma_load<DP>(d_o, M, a.D, a.d_o, [&](int r) { return s.row0 + r < s.rows ? a.d_o + attn_place(a, s, s.row0 + r) * a.D : nullptr; });
    lt_cp_async_commit();
    make_delta(a, s, row0, deltas + warp * 16);
    const attn_row row[2] = {attn_row_of(a, s, row0 + g, 0, ATTN_NONE), attn_row_of(a, s, row0 + g + 8, 0, ATTN_NONE)};
    float lse[2], delta[2];
    LT_UNROLL
    for (int i = 0; i < 2; i++) {
        lse[i] = row0 + g + 8 * i < s.rows ? a.lse[attn_place(a, s, row0 + g + 8 * i)] : 0.0f;
        delta[i] = deltas[warp * 16 + g + 8 * i];
    }
    int low = min(row[0].low, row[1].low), high = max(row[0].high, row[1].high);
    attn_block_hull(hull, &low, &high);
    const attn_walk walk = attn_walk_of(N, s.P, low, high);
    low = min(row[0].low, row[1].low);
    high = max(row[0].high, row[1].high);
    attn_hull(&low, &high); /* the warp's own */

    mma_rel<DP> rel;
    if constexpr (REL) mma_rel_set(rel, a, s, row, keys + 2 * stage, M);
    mma_left<DP, KEEP> left_q, left_o;
    float acc[DP / 8][4];
    mma_zero(acc);
    if (walk.blocks > 0) mma_load_keys<DP>(a, s, walk, 0, keys, keys + stage / 2, block_rows);
    for (int b = 0; b < walk.blocks; b++) {
        __syncthreads(); /* block b - 1 is done with */
        if (b + 1 < walk.blocks) {
            lt_bf16 *next = keys + (b + 1) % 2 * stage;
            mma_load_keys<DP>(a, s, walk, b + 1, next, next + stage / 2, block_rows);
            lt_cp_async_wait<1>();
        } else {
            lt_cp_async_wait<0>();
        }
        const mma_block x = mma_block_of(N, s, walk, b);
        if constexpr (REL) mma_rel_load(rel, a, s, x);
        __syncthreads();
        const lt_bf16 *k = keys + b % 2 * stage, *v = k + stage / 2;
        const unsigned live = mma_live<N>(x.bank ? 0 : low - x.from, min(block_rows, (x.bank ? s.P : high) - x.from));
        if (b == 0) {
            left_q.set(q + warp * 16 * LD);
            left_o.set(d_o + warp * 16 * LD);
        }
        float w[N / 8][4], dw[N / 8][4];
        mma_scores<DP, KEEP, N>(w, left_q, k, live);
        if constexpr (REL) mma_rel_scores(rel, w, a, s, x, row, left_q, q + warp * 16 * LD, k, live);
        mma_scores<DP, KEEP, N>(dw, left_o, v, live);
        LT_UNROLL
        for (int i = 0; i < 2; i++) {
            const mma_sight sight = mma_sight_of(x, row[i], s.P);
            const float bias = row[i].slope * (x.place0 - (float)row[i].place) - lse[i];
            LT_UNROLL
            for (int n = 0; n < N / 8; n++) LT_UNROLL
            for (int j = 0; j < 2; j++) {
                const int c = n * 8 + t * 2 + j;
                const float p = __expf(w[n][2 * i + j] * a.scale + (row[i].slope * (float)c + bias));
                dw[n][2 * i + j] = c >= sight.low && c < sight.high ? p * (dw[n][2 * i + j] - delta[i]) : 0.0f;
            }
        }
        mma_weigh<DP, DP, N>(acc, dw, k, live);
        if constexpr (REL) mma_rel_weigh(rel, acc, dw, a, s, x, row);
    }
    lt_cp_async_wait<0>(); /* of q, where there is no key */
    __syncthreads();
    mma_store<DP, DP>(acc, a.scale, a.scale, q + warp * 16 * LD, a.D,
                      [&](int r) { return row0 + r < s.rows ? a.dq + attn_q_at(a, s, row0 + r, a.ld_dq) : nullptr; });
}

template <int DP, bool REL> static lt_status launch(const lt_ctx *c, const attn<lt_bf16> &a, int64_t max_q, int64_t max_k) {
    constexpr int N = mma_shape<DP>::N, LD = mma_shape<DP>::LD;
    const int rows = mma_rows(N, max_k > a.P_max ? max_k : a.P_max);
    auto bytes = [&](int warps) {
        return sizeof(lt_bf16) * (size_t)(LD * (32 * warps + 4 * rows)) + (REL ? mma_rel<DP>::bytes(16 * warps) : 0);
    };
    const int warps = mma_fit(c, max_q * a.group, DP <= 128 ? 4 : 2, bytes); /* 256: two blocks on an SM instead of one */
    dim3 grid((unsigned)attn_row_tiles(a, 16 * warps) + 1, (unsigned)a.kv_heads);
    LT_RUN(c, (attn_dq_mma<DP, REL>), grid, dim3((unsigned)(WARP * warps)), bytes(warps), a, rows);
    return LT_OK;
}

lt_status attn_mma_dq(const lt_ctx *c, const attn<lt_bf16> &a, int64_t max_q, int64_t max_k) {
    if (a.c2p || a.p2c) return launch<ATTN_REL_D, true>(c, a, max_q, max_k);
    ATTN_BY_D(a.D, { LT_TRY((launch<DP, false>(c, a, max_q, max_k))); });
    return LT_OK;
}

} // namespace LT_GPU_SPACE
