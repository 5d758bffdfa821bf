/* Attention backward by FMA; method: attention_plain_impl.h, formulas and division of work: attention_mma_dq.cu, attention_mma_dkv.cu. */
#include "kernels/cuda/attention_plain_impl.h"

namespace LT_GPU_SPACE {

/* dq, delta, and by one block more the tables.  Grid (tiles of rows + 1, kv heads). */
template <typename T, int ND> __global__ void __launch_bounds__(128, 2) attn_dq_plain(const attn<T> a) {
    constexpr int R = plain_shape<ND>::R, M = plain_shape<ND>::M;
    LT_SHARED(plain_room<R>, room, [1]);
    LT_SHARED(int, hull, [8]);
    LT_SHARED(float, slopes, [PLAIN_WARPS * R * PLAIN_N]);
    const int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    if (blockIdx.x == gridDim.x - 1) {
        if (blockIdx.y == 0) attn_make_tables(a);
        return;
    }
    attn_span s;
    if (!attn_find_rows(a, M, (int)blockIdx.x, (int)blockIdx.y, &s)) return;
    const int row0 = s.row0 + warp * R;
    float *w = slopes + warp * R * PLAIN_N;
    attn_row row[R];
    float acc[R][ND], lse[R], delta[R];
    int low = ATTN_NONE, high = 0;
    LT_UNROLL
    for (int r = 0; r < R; r++) {
        row[r] = attn_row_of(a, s, row0 + r, 0, ATTN_NONE);
        low = min(low, row[r].low);
        high = max(high, row[r].high);
        const bool there = row0 + r < s.rows;
        const int64_t at = attn_place(a, s, row0 + r);
        float sum = 0.0f;
        for (int d = lane; there && d < a.D; d += WARP) sum += lt_to_f32(a.o[at * a.D + d]) * lt_to_f32(a.d_o[at * a.D + d]);
        delta[r] = warp_sum(sum);
        lse[r] = there ? a.lse[at] : 0.0f;
        if (there && lane == 0) a.delta[at] = delta[r];
        LT_UNROLL
        for (int n = 0; n < ND; n++) acc[r][n] = 0.0f;
    }
    attn_block_hull(hull, &low, &high);
    const attn_walk walk = attn_walk_of(PLAIN_N, s.P, low, high);

    for (int b = 0; b < walk.blocks; b++) {
        const plain_keys<T> keys(a, s, walk, b);
        plain_view<R> view;
        plain_bands band[R], none[R] = {};
        float e[R], de[R];
        view.set(a, s, keys, row0, row, band);
        plain_dots<R, true>(
            room[0], a.D, e, band,
            [&](int r, int d) { return s.row0 + r < s.rows ? lt_to_f32(a.q[attn_q_at(a, s, s.row0 + r, a.ld_q) + d]) : 0.0f; },
            [&](int j, int d) { return keys.key(j, d); });
        plain_dots<R, true>(
            room[0], a.D, de, none,
            [&](int r, int d) { return s.row0 + r < s.rows ? lt_to_f32(a.d_o[attn_place(a, s, s.row0 + r) * a.D + d]) : 0.0f; },
            [&](int j, int d) { return keys.value(j, d); });
        if (!view.any) continue; /* the warp's alone: the barriers are those of the next block's dots */
        LT_UNROLL
        for (int r = 0; r < R; r++) {
            const bool sees = view.sees[r] >> lane & 1u;
            const float p = expf(e[r] * a.scale + row[r].slope * (view.place - (float)row[r].place) - lse[r]);
            w[lane * R + r] = sees ? p * (de[r] - delta[r]) : 0.0f;
        }
        __syncwarp(0xFFFFFFFFu);
        LT_UNROLL
        for (int n = 0; n < ND; n++) {
            const int d = n * WARP + lane;
            float part[R] = {};
            for (int j = 0; d < a.D && j < PLAIN_N; j++) {
                if (!(view.any >> j & 1u)) continue;
                const float k = keys.key(j, d);
                LT_UNROLL
                for (int r = 0; r < R; r++) {
                    if (!(view.sees[r] >> j & 1u)) continue;
                    const float *c2p =
                        keys.bank ? nullptr : attn_c2p(a, s.kv * a.group + (row0 + r) % a.group, row[r].place, keys.from + j);
                    part[r] += w[j * R + r] * (c2p ? k + c2p[d] : k);
                }
            }
            LT_UNROLL
            for (int r = 0; r < R; r++) acc[r][n] += part[r];
        }
        __syncwarp(0xFFFFFFFFu);
    }
    LT_UNROLL
    for (int r = 0; r < R; r++) {
        if (row0 + r >= s.rows) continue;
        T *dq = a.dq + attn_q_at(a, s, row0 + r, a.ld_dq);
        LT_UNROLL
        for (int n = 0; n < ND; n++)
            if (n * WARP + lane < a.D) dq[n * WARP + lane] = lt_from_f32<T>(acc[r][n] * a.scale);
    }
}

/* dk and dv of a sequence's keys, or (BANK) of a slot's rows from a chunk.  Grid (tiles of keys, kv heads) or (chunks, kv heads, tiles of bank rows). */
/* Shared memory of a block, whichever its kind. */
template <int R> struct dkv_room {
    plain_room<R> dots;
    int hull[8];
    attn_moving moving[PLAIN_N];
    float weights[2 * PLAIN_WARPS * R * PLAIN_N];
};

/* One block: tile `tile` of keys of the text, or, of the bank, of chunk `index`. */
template <typename T, int ND, bool BANK>
static LT_DEVICE void keys_block(const attn<T> &a, dkv_room<plain_shape<ND>::R> *room, int index, int tile) {
    constexpr int R = plain_shape<ND>::R, M = plain_shape<ND>::M;
    int *hull = room->hull;
    attn_moving *moving = room->moving;
    float *weights = room->weights;
    const int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP, kv = (int)blockIdx.y;
    float *w = weights + warp * R * PLAIN_N, *dw = w + PLAIN_WARPS * R * PLAIN_N;
    attn_span s;
    attn_chunk chunk;
    int first = 0, end = 0, key0, keys;
    if constexpr (BANK) {
        if (!attn_find_chunk(a, index, kv, &chunk)) return;
        key0 = tile * M;
        keys = chunk.P;
        end = chunk.rows * a.group;
        if (key0 >= keys) return;
    } else {
        if (!attn_find_keys(a, tile, kv, &s)) return;
        key0 = s.row0;
        keys = s.n_k;
        attn_rows_of_keys(a, s, key0, min(keys, key0 + M), hull, &first, &end);
        first = first < end ? first / PLAIN_N * PLAIN_N : 0;
    }
    const int own = key0 + warp * R; /* the warp's first key */
    const int64_t column = (int64_t)kv * a.D;
    auto key = [&](int r, int d) {
        if (key0 + r >= keys) return 0.0f;
        if constexpr (BANK)
            return chunk.bank[(key0 + r) * a.bank_ld + d];
        else
            return lt_to_f32(a.k[(int64_t)(s.k0 + key0 + r) * a.ld_k + column + d]);
    };
    auto value = [&](int r, int d) {
        if (key0 + r >= keys) return 0.0f;
        if constexpr (BANK)
            return chunk.bank[a.bank_v + (key0 + r) * a.bank_ld + d];
        else
            return lt_to_f32(a.v[(int64_t)(s.k0 + key0 + r) * a.ld_v + column + d]);
    };

    float dk[R][ND], dv[R][ND];
    LT_UNROLL
    for (int r = 0; r < R; r++) LT_UNROLL
    for (int n = 0; n < ND; n++) dk[r][n] = dv[r][n] = 0.0f;
    for (int row0 = first; row0 < end; row0 += PLAIN_N) {
        __syncthreads();
        if (warp == 0) {
            const int i = row0 + lane;
            attn_moving m = attn_no_row();
            if (i < end) {
                if constexpr (BANK) {
                    const int q = attn_bank_query(a, chunk, i);
                    m = attn_moving_row(a, q, kv * a.group + i % a.group, 0, keys, a.slopes ? a.q_index[q] : 0);
                } else {
                    const attn_row x = attn_row_of(a, s, i, 0, ATTN_NONE);
                    m = attn_moving_row(a, s.q0 + i / a.group, kv * a.group + i % a.group, x.low, x.high, x.place);
                }
            }
            moving[lane] = m;
        }
        __syncthreads();
        const attn_moving &mine = moving[lane];
        plain_bands band[R], none[R] = {};
        unsigned sees[R], any = 0;
        LT_UNROLL
        for (int r = 0; r < R; r++) {
            const int k = own + r, head = kv * a.group + (row0 + lane) % a.group;
            const bool yes = k >= mine.low && k < mine.high;
            sees[r] = __ballot_sync(0xFFFFFFFFu, yes);
            any |= sees[r];
            band[r].c2p = yes && !BANK ? attn_c2p(a, head, (int)mine.place, k) : nullptr;
            band[r].p2c = yes && !BANK ? attn_p2c(a, head, (int)mine.place, k) : nullptr;
        }
        float e[R], de[R];
        plain_dots<R, false>(room->dots, a.D, e, band, key,
                             [&](int j, int d) { return moving[j].q >= 0 ? lt_to_f32(a.q[moving[j].q + d]) : 0.0f; });
        plain_dots<R, false>(room->dots, a.D, de, none, value,
                             [&](int j, int d) { return moving[j].o >= 0 ? lt_to_f32(a.d_o[moving[j].o + d]) : 0.0f; });
        if (!any) continue; /* the warp's alone */
        LT_UNROLL
        for (int r = 0; r < R; r++) {
            const bool yes = sees[r] >> lane & 1u;
            const float place = (float)(BANK ? own + r - keys : own + r);
            const float p = yes ? expf(e[r] * a.scale + mine.slope * (place - mine.place) - mine.lse) : 0.0f;
            w[lane * R + r] = p;
            dw[lane * R + r] = yes ? p * (de[r] - mine.delta) : 0.0f;
        }
        __syncwarp(0xFFFFFFFFu);
        LT_UNROLL
        for (int n = 0; n < ND; n++) {
            const int d = n * WARP + lane;
            float part_k[R] = {}, part_v[R] = {};
            for (int j = 0; d < a.D && j < PLAIN_N; j++) {
                if (!(any >> j & 1u)) continue;
                const attn_moving &m = moving[j];
                const float q = lt_to_f32(a.q[m.q + d]), g = lt_to_f32(a.d_o[m.o + d]);
                LT_UNROLL
                for (int r = 0; r < R; r++) {
                    if (!(sees[r] >> j & 1u)) continue;
                    const float *p2c = BANK ? nullptr : attn_p2c(a, kv * a.group + (row0 + j) % a.group, (int)m.place, own + r);
                    part_v[r] += w[j * R + r] * g;
                    part_k[r] += dw[j * R + r] * (p2c ? q + p2c[d] : q);
                }
            }
            LT_UNROLL
            for (int r = 0; r < R; r++) {
                dk[r][n] += part_k[r];
                dv[r][n] += part_v[r];
            }
        }
    }
    LT_UNROLL
    for (int r = 0; r < R; r++) {
        const int k = own + r;
        if (k >= keys) continue;
        LT_UNROLL
        for (int n = 0; n < ND; n++) {
            const int d = n * WARP + lane;
            if (d >= a.D) continue;
            if constexpr (BANK) {
                float *to = chunk.sum + k * a.bank_ld + d;
                to[0] = (chunk.add ? to[0] : 0.0f) + dk[r][n] * a.scale;
                to[a.bank_v] = (chunk.add ? to[a.bank_v] : 0.0f) + dv[r][n];
            } else {
                a.dk[(int64_t)(s.k0 + k) * a.ld_dk + column + d] = lt_from_f32<T>(dk[r][n] * a.scale);
                a.dv[(int64_t)(s.k0 + k) * a.ld_dv + column + d] = lt_from_f32<T>(dv[r][n]);
            }
        }
    }
}

/* Grid (bank_blocks, then tiles of the text; kv heads); bank_tiles of them are one chunk. */
template <typename T, int ND> __global__ void __launch_bounds__(128, 2) attn_dkv_plain(const attn<T> a, int bank_blocks, int bank_tiles) {
    LT_SHARED(dkv_room<plain_shape<ND>::R>, room, [1]);
    const int index = (int)blockIdx.x;
    if (index < bank_blocks)
        keys_block<T, ND, true>(a, room, index / bank_tiles, index % bank_tiles);
    else
        keys_block<T, ND, false>(a, room, 0, index - bank_blocks);
}

int attn_plain_key_tile(int D) {
    int M = 0;
    PLAIN_BY_D(D, { M = plain_shape<ND>::M; });
    return M;
}

template <typename T> static lt_status to_queries(const lt_ctx *c, const attn<T> &a) {
    PLAIN_BY_D(a.D, {
        dim3 grid((unsigned)attn_row_tiles(a, plain_shape<ND>::M) + 1, (unsigned)a.kv_heads);
        LT_RUN(c, (attn_dq_plain<T, ND>), grid, dim3(PLAIN_WARPS * WARP), 0, a);
    });
    return LT_OK;
}
lt_status attn_plain_dq(const lt_ctx *c, const attn<float> &a) { return to_queries(c, a); }
lt_status attn_plain_dq(const lt_ctx *c, const attn<lt_bf16> &a) { return to_queries(c, a); }

template <typename T> static lt_status to_keys(const lt_ctx *c, const attn<T> &a, int64_t tiles) {
    PLAIN_BY_D(a.D, {
        const int of_chunk = attn_has_bank(a) ? (int)div_up(a.P_max, plain_shape<ND>::M) : 1;
        const int64_t bank = attn_has_bank(a) ? attn_chunks(a) * of_chunk : 0;
        dim3 grid((unsigned)(bank + tiles), (unsigned)a.kv_heads);
        if (bank + tiles > 0) LT_RUN(c, (attn_dkv_plain<T, ND>), grid, dim3(PLAIN_WARPS * WARP), 0, a, (int)bank, of_chunk);
    });
    return LT_OK;
}
lt_status attn_plain_dkv(const lt_ctx *c, const attn<float> &a, int64_t tiles) { return to_keys(c, a, tiles); }
lt_status attn_plain_dkv(const lt_ctx *c, const attn<lt_bf16> &a, int64_t tiles) { return to_keys(c, a, tiles); }

} // namespace LT_GPU_SPACE
