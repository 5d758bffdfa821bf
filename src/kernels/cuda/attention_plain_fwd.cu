/* Attention forward by FMA; method: attention_plain_impl.h, softmax: as attention_mma_fwd.cu. */
#include "kernels/cuda/attention_plain_impl.h"

#include <math.h>

namespace LT_GPU_SPACE {

/* Grid (tiles of rows, kv heads, pieces of keys). */
template <typename T, int ND> __global__ void __launch_bounds__(128, 2) attn_fwd_plain(const attn<T> a) {
    constexpr int R = plain_shape<ND>::R, M = plain_shape<ND>::M;
    LT_SHARED(plain_room<R>, room, [1]);
    LT_SHARED(int, hull, [8]);
    LT_SHARED(float, weights, [PLAIN_WARPS * R * PLAIN_N]);
    const int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP, piece = (int)blockIdx.z;
    attn_span s;
    if (!attn_find_rows(a, M, (int)blockIdx.x, (int)blockIdx.y, &s)) return;
    const int row0 = s.row0 + warp * R, from = a.pieces > 1 ? piece * ATTN_PIECE : 0, to = a.pieces > 1 ? from + ATTN_PIECE : ATTN_NONE;
    if (piece > 0) s.P = 0;
    float *w = weights + warp * R * PLAIN_N;
    attn_row row[R];
    int low = ATTN_NONE, high = 0;
    LT_UNROLL
    for (int r = 0; r < R; r++) {
        row[r] = attn_row_of(a, s, row0 + r, from, to);
        low = min(low, row[r].low);
        high = max(high, row[r].high);
    }
    attn_block_hull(hull, &low, &high);
    const attn_walk walk = attn_walk_of(PLAIN_N, s.P, low, high);

    float acc[R][ND], top[R], sum[R];
    LT_UNROLL
    for (int r = 0; r < R; r++) {
        top[r] = -INFINITY;
        sum[r] = 0.0f;
        LT_UNROLL
        for (int n = 0; n < ND; n++) acc[r][n] = 0.0f;
    }
    for (int b = 0; b < walk.blocks; b++) {
        const plain_keys<T> keys(a, s, walk, b);
        plain_view<R> view;
        plain_bands band[R];
        float e[R];
        view.set(a, s, keys, row0, row, band);
        plain_dots<R, true>(
            room[0], a.D, e, band,
            [&](int r, int d) { return s.row0 + r < s.rows ? lt_to_f32(a.q[attn_q_at(a, s, s.row0 + r, a.ld_q) + d]) : 0.0f; },
            [&](int j, int d) { return keys.key(j, d); });
        if (!view.any) continue; /* the warp's alone: the barriers are those of the next block's dots */
        LT_UNROLL
        for (int r = 0; r < R; r++) {
            const bool sees = view.sees[r] >> lane & 1u;
            e[r] = sees ? e[r] * a.scale + row[r].slope * (view.place - (float)row[r].place) : -INFINITY;
            const float most = fmaxf(top[r], warp_max(e[r])), base = most == -INFINITY ? 0.0f : most, fall = expf(top[r] - base);
            e[r] = expf(e[r] - base);
            sum[r] = sum[r] * fall + warp_sum(e[r]);
            top[r] = most;
            w[lane * R + r] = e[r];
            LT_UNROLL
            for (int n = 0; n < ND; n++) acc[r][n] *= fall;
        }
        __syncwarp(0xFFFFFFFFu);
        LT_UNROLL
        for (int n = 0; n < ND; n++) {
            const int d = n * WARP + lane;
            float part[R] = {}; /* of 32 keys: sums of thousands keep their digits */
            for (int j = 0; d < a.D && j < PLAIN_N; j++) {
                if (!(view.any >> j & 1u)) continue;
                const float v = keys.value(j, d);
                LT_UNROLL
                for (int r = 0; r < R; r++)
                    if (view.sees[r] >> j & 1u) part[r] += w[j * R + r] * v;
            }
            LT_UNROLL
            for (int r = 0; r < R; r++) acc[r][n] += part[r];
        }
        __syncwarp(0xFFFFFFFFu);
    }

    LT_UNROLL
    for (int r = 0; r < R; r++) {
        if (row0 + r >= s.rows) continue;
        const int64_t at = attn_place(a, s, row0 + r), part = piece * a.n_q * a.heads + at;
        const float inverse = sum[r] == 0.0f ? 0.0f : 1.0f / sum[r];
        LT_UNROLL
        for (int n = 0; n < ND; n++) {
            const int d = n * WARP + lane;
            if (d >= a.D) continue;
            if (a.pieces > 1)
                a.part_o[part * a.D + d] = acc[r][n];
            else
                a.o[at * a.D + d] = lt_from_f32<T>(acc[r][n] * inverse);
        }
        if (lane > 0) continue;
        if (a.pieces > 1) {
            a.part_top[part] = top[r];
            a.part_sum[part] = sum[r];
        } else {
            a.lse[at] = top[r] + logf(sum[r]);
        }
    }
}

template <typename T> static lt_status forward(const lt_ctx *c, const attn<T> &a) {
    PLAIN_BY_D(a.D, {
        dim3 grid((unsigned)attn_row_tiles(a, plain_shape<ND>::M), (unsigned)a.kv_heads, (unsigned)a.pieces);
        LT_RUN(c, (attn_fwd_plain<T, ND>), grid, dim3(PLAIN_WARPS * WARP), 0, a);
    });
    return LT_OK;
}
lt_status attn_plain_fwd(const lt_ctx *c, const attn<float> &a) { return forward(c, a); }
lt_status attn_plain_fwd(const lt_ctx *c, const attn<lt_bf16> &a) { return forward(c, a); }

} // namespace LT_GPU_SPACE
