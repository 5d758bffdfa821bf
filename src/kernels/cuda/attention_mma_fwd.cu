/* Attention forward on tensor cores (bf16): one pass over the keys with a softmax that is carried along (Dao 2023), prefix bank included.
 *
 * Block: up to 4 warps, each 16 rows (query, query head of the group) of one sequence under one kv head; grid (tiles of rows, kv heads, pieces of
 * keys).  With few rows a sequence blocks are of one warp, whose barriers cost nothing and of which an SM holds up to 32.  One query a sequence (decoding)
 * gives one tile of the heads of a group, and keys come in pieces, so that a long cache keeps the device busy; attention_bank.cu puts them together. */
#include "kernels/cuda/attention_mma_rel_impl.h"

namespace LT_GPU_SPACE {

template <int DP, bool REL>
__global__ void __launch_bounds__(128, DP <= 64 && !REL ? 3 : 2) attn_fwd_mma(const attn<lt_bf16> a, int block_rows) {
    constexpr int LD = mma_shape<DP>::LD, N = mma_shape<DP>::N;
    constexpr bool KEEP = DP <= 128 && (DP != 64 || REL); /* 256: o takes 128 registers; 64: q would cost the third block on an SM */
    LT_SHARED_DYN(lt_bf16, room);
    LT_SHARED(int, hull, [8]);
    const int M = (int)blockDim.x / 2, warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    attn_span s;
    if (!attn_find_rows(a, M, (int)blockIdx.x, (int)blockIdx.y, &s)) return;
    lt_bf16 *q = room, *keys = room + M * LD, *own = q + warp * 16 * LD;
    const int stage = 2 * block_rows * LD, row0 = s.row0 + warp * 16;

    mma_load<DP>(q, M, a.D, a.q, [&](int r) { return s.row0 + r < s.rows ? a.q + attn_q_at(a, s, s.row0 + r, a.ld_q) : nullptr; });
    lt_cp_async_commit();
    const int piece = (int)blockIdx.z, from = a.pieces > 1 ? piece * ATTN_PIECE : 0, to = a.pieces > 1 ? from + ATTN_PIECE : ATTN_NONE;
    if (piece > 0) s.P = 0;
    const attn_row row[2] = {attn_row_of(a, s, row0 + g, from, to), attn_row_of(a, s, row0 + g + 8, from, to)};
    int low = min(row[0].low, row[1].low), high = max(row[0].high, row[1].high);
    attn_block_hull(hull, &low, &high);
    const attn_walk walk = attn_walk_of(N, s.P, low, high);
    low = min(row[0].low, row[1].low);
    high = max(row[0].high, row[1].high);
    attn_hull(&low, &high); /* the warp's own */

    mma_rel<DP> rel;
    if constexpr (REL) mma_rel_set(rel, a, s, row, keys + 2 * stage, M);
    mma_left<DP, KEEP> left;
    float acc[DP / 8][4], top[2] = {-INFINITY, -INFINITY}, sum[2] = {0.0f, 0.0f};
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
        if (b == 0) left.set(own);
        float w[N / 8][4];
        mma_scores<DP, KEEP, N>(w, left, k, live);
        if constexpr (REL) mma_rel_scores(rel, w, a, s, x, row, left, own, k, live);

        LT_UNROLL
        for (int i = 0; i < 2; i++) {
            const mma_sight sight = mma_sight_of(x, row[i], s.P);
            const float bias = row[i].slope * (x.place0 - (float)row[i].place);
            float most = top[i];
            LT_UNROLL
            for (int n = 0; n < N / 8; n++) LT_UNROLL
            for (int j = 0; j < 2; j++) {
                const int c = n * 8 + t * 2 + j;
                float &e = w[n][2 * i + j];
                e = c >= sight.low && c < sight.high ? e * a.scale + (row[i].slope * (float)c + bias) : -INFINITY;
                most = fmaxf(most, e);
            }
            most = fmaxf(most, __shfl_xor_sync(0xFFFFFFFFu, most, 1));
            most = fmaxf(most, __shfl_xor_sync(0xFFFFFFFFu, most, 2));
            const float base = most == -INFINITY ? 0.0f : most, fall = __expf(top[i] - base);
            float part = 0.0f;
            LT_UNROLL
            for (int n = 0; n < N / 8; n++) LT_UNROLL
            for (int j = 0; j < 2; j++) part += w[n][2 * i + j] = __expf(w[n][2 * i + j] - base);
            sum[i] = sum[i] * fall + part;
            top[i] = most;
            LT_UNROLL
            for (int n = 0; n < DP / 8; n++) {
                acc[n][2 * i] *= fall;
                acc[n][2 * i + 1] *= fall;
            }
        }
        mma_weigh<DP, DP, N>(acc, w, v, live);
    }
    lt_cp_async_wait<0>(); /* of q, where there is no key */

    LT_UNROLL
    for (int i = 0; i < 2; i++) {
        sum[i] += __shfl_xor_sync(0xFFFFFFFFu, sum[i], 1);
        sum[i] += __shfl_xor_sync(0xFFFFFFFFu, sum[i], 2);
        const int r = row0 + g + 8 * i;
        if (r >= s.rows) continue;
        const int64_t at = attn_place(a, s, r);
        if (a.pieces > 1) {
            const int64_t part = piece * a.n_q * a.heads + at;
            if (t == 0) {
                a.part_top[part] = top[i];
                a.part_sum[part] = sum[i];
            }
            LT_UNROLL
            for (int n = 0; n < DP / 8; n++)
                if (n * 8 < a.D)
                    *reinterpret_cast<float2 *>(a.part_o + part * a.D + n * 8 + t * 2) = make_float2(acc[n][2 * i], acc[n][2 * i + 1]);
        } else if (t == 0) {
            a.lse[at] = top[i] + logf(sum[i]);
        }
    }
    if (a.pieces > 1) return;
    __syncthreads(); /* every warp is done with q */
    mma_store<DP, DP>(acc, sum[0] == 0.0f ? 0.0f : 1.0f / sum[0], sum[1] == 0.0f ? 0.0f : 1.0f / sum[1], own, a.D,
                      [&](int r) { return row0 + r < s.rows ? a.o + attn_place(a, s, row0 + r) * a.D : nullptr; });
}

template <int DP, bool REL> static lt_status launch(const lt_ctx *c, const attn<lt_bf16> &a, int64_t max_q, int64_t max_k) {
    constexpr int N = mma_shape<DP>::N, LD = mma_shape<DP>::LD;
    const int rows = mma_rows(N, max_k > a.P_max ? max_k : a.P_max);
    auto bytes = [&](int warps) {
        return sizeof(lt_bf16) * (size_t)(LD * (16 * warps + 4 * rows)) + (REL ? mma_rel<DP>::bytes(16 * warps) : 0);
    };
    const int warps = mma_fit(c, max_q * a.group, 4, bytes);
    dim3 grid((unsigned)attn_row_tiles(a, 16 * warps), (unsigned)a.kv_heads, (unsigned)a.pieces);
    LT_RUN(c, (attn_fwd_mma<DP, REL>), grid, dim3((unsigned)(WARP * warps)), bytes(warps), a, rows);
    return LT_OK;
}

lt_status attn_mma_fwd(const lt_ctx *c, const attn<lt_bf16> &a, int64_t max_q, int64_t max_k) {
    if (a.c2p || a.p2c) return launch<ATTN_REL_D, true>(c, a, max_q, max_k);
    ATTN_BY_D(a.D, { LT_TRY((launch<DP, false>(c, a, max_q, max_k))); });
    return LT_OK;
}

} // namespace LT_GPU_SPACE
