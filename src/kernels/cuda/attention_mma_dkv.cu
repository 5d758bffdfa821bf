/* Attention backward to keys and values on tensor cores (bf16): dk, dv of the text, and the gradient of the bank, in one launch.
 *
 *   p = exp(s - lse)   ds = p (<d_o, v> - delta)   dv = sum p d_o   dk = scale sum ds q,   sums over all rows (query, head of the group) that see the key
 *
 * Block: up to 64 keys (D > 128: 32) of one sequence under one kv head, 16 a warp, which walk over the rows of the sequence.  Each key has one owner: no
 * two blocks add to one number, and sums have one order.
 *
 * Bank: the keys are rows of a slot, which rows of many sequences see.  A block walks over a chunk of the slot's rows, gathered from wherever they lie in
 * the pack; its sum goes to d_bank where the slot is one chunk, else to the workspace, from where attention_bank.cu adds chunks in order.  These blocks stand
 * first in the grid, for their walks are the longest; blocks of text fill the SMs beside and behind them. */
#include "kernels/cuda/attention_mma_rel_impl.h"

namespace LT_GPU_SPACE {

enum { MOVING_STAGES = 3 }; /* block b is read while b + 1 is made, and b - 1 may still be read */

enum kind { OF_TEXT, OF_TEXT_REL, OF_BANK };

/* A warp's 16 rows of DN sums, times f, as f32 of row stride ld; rows from n on do not exist. */
template <int DN> static LT_DEVICE void store_f32(const float (&acc)[DN / 8][4], float f, float *to, int64_t ld, int n, int D, bool add) {
    const int lane = (int)threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    LT_UNROLL
    for (int c = 0; c < DN / 8; c++) LT_UNROLL
    for (int i = 0; i < 2; i++) {
        if (g + 8 * i >= n || c * 8 >= D) continue;
        float2 *at = reinterpret_cast<float2 *>(to + (g + 8 * i) * ld + c * 8 + t * 2);
        float2 x = add ? *at : make_float2(0.0f, 0.0f);
        *at = make_float2(x.x + acc[c][2 * i] * f, x.y + acc[c][2 * i + 1] * f);
    }
}

/* Shared memory of a block, whichever its kind. */
struct dkv_room {
    lt_bf16 *dynamic; /* | k | v | two stages of rows | what rel needs | */
    int *hull;        /* [8] */
    attn_moving *rows;
};

/* One block: tile `tile` of keys of the text, or, of the bank, of chunk `index`.  Stages have block_rows rows. */
template <int DP, kind KIND>
static LT_DEVICE void keys_block(const attn<lt_bf16> &a, const dkv_room &room, int index, int tile, int block_rows) {
    constexpr int LD = mma_shape<DP>::LD, N = mma_shape<DP>::N, SPLIT = mma_shape<DP>::SPLIT, DN = DP / SPLIT;
    constexpr bool BANK = KIND == OF_BANK, REL = KIND == OF_TEXT_REL;
    attn_moving *rows = room.rows;
    const int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP, g = lane / 4, t = lane % 4, kv = (int)blockIdx.y;
    const int M = (int)blockDim.x / 2 / SPLIT, own = warp / SPLIT * 16, part = warp % SPLIT * DN;
    lt_bf16 *k = room.dynamic, *v = k + M * LD, *stages = v + M * LD;
    const int stage = 2 * block_rows * LD;

    /* The keys; the rows that see them: [first, end). */
    attn_span s;
    attn_chunk chunk;
    int first = 0, end = 0, key0, keys;
    if constexpr (BANK) {
        if (!attn_find_chunk(a, index, kv, &chunk)) return;
        key0 = tile * M;
        keys = chunk.P;
        end = chunk.rows * a.group;
        if (key0 >= keys) return;
        const float *from = chunk.bank + key0 * a.bank_ld;
        mma_load_f32<DP>(k, M, a.D, from, a.bank_ld, 0, keys - key0);
        mma_load_f32<DP>(v, M, a.D, from + a.bank_v, a.bank_ld, 0, keys - key0);
    } else {
        if (!attn_find_keys(a, tile, kv, &s)) return;
        key0 = s.row0;
        keys = s.n_k;
        const int64_t column = (int64_t)kv * a.D;
        mma_load<DP>(k, M, a.D, a.k, [&](int r) { return key0 + r < keys ? a.k + (int64_t)(s.k0 + key0 + r) * a.ld_k + column : nullptr; });
        mma_load<DP>(v, M, a.D, a.v, [&](int r) { return key0 + r < keys ? a.v + (int64_t)(s.k0 + key0 + r) * a.ld_v + column : nullptr; });
        attn_rows_of_keys(a, s, key0, min(keys, key0 + M), room.hull, &first, &end);
        first = first < end ? first / N * N : 0;
    }
    lt_cp_async_commit();
    const int blocks = (end - first + N - 1) / N;
    const float key_place = (float)(BANK ? key0 + own - keys : key0 + own);

    auto make_rows = [&](int b) {
        for (int i = (int)threadIdx.x; i < N; i += (int)blockDim.x) {
            const int r = first + b * N + i;
            attn_moving m = attn_no_row();
            if (r < end) {
                if constexpr (BANK) {
                    const int q = attn_bank_query(a, chunk, r);
                    m = attn_moving_row(a, q, kv * a.group + r % a.group, 0, keys, a.slopes ? a.q_index[q] : 0);
                } else {
                    const attn_row x = attn_row_of(a, s, r, 0, ATTN_NONE);
                    m = attn_moving_row(a, s.q0 + r / a.group, kv * a.group + r % a.group, x.low, x.high, x.place);
                }
            }
            rows[b % MOVING_STAGES * 64 + i] = m;
        }
    };
    auto load_rows = [&](int b) {
        lt_bf16 *to = stages + b % 2 * stage;
        const attn_moving *m = rows + b % MOVING_STAGES * 64;
        mma_load<DP>(to, block_rows, a.D, a.q, [&](int r) { return m[r].q >= 0 ? a.q + m[r].q : nullptr; });
        mma_load<DP>(to + stage / 2, block_rows, a.D, a.d_o, [&](int r) { return m[r].o >= 0 ? a.d_o + m[r].o : nullptr; });
        lt_cp_async_commit();
    };

    mma_rel<DP> rel;
    if constexpr (REL) rel.set(stages + 2 * stage, M, warp, a.p2c != nullptr, a.c2p != nullptr);
    mma_left<DP, false> left_k, left_v;
    left_k.set(k + own * LD);
    left_v.set(v + own * LD);
    float dk[DN / 8][4], dv[DN / 8][4];
    mma_zero(dk);
    mma_zero(dv);
    if (blocks > 0) {
        make_rows(0);
        __syncthreads();
        load_rows(0);
    }
    for (int b = 0; b < blocks; b++) {
        if (b + 1 < blocks) make_rows(b + 1);
        __syncthreads(); /* block b - 1 is done with, rows of b + 1 are known */
        if (b + 1 < blocks) {
            load_rows(b + 1);
            lt_cp_async_wait<1>();
        } else {
            lt_cp_async_wait<0>();
        }
        const attn_moving *m = rows + b % MOVING_STAGES * 64;
        if constexpr (REL) {
            const int64_t head = kv * a.rel_rows * a.rel_width;
            rel.straight = mma_rel_straight<N>(m);
            if (rel.straight) rel.load(a.D, a.p2c + head, a.c2p + head, a.rel_width, (int)a.rel_rows, (int)a.reach, key0, (int)m[0].place);
        }
        __syncthreads();
        const lt_bf16 *q = stages + b % 2 * stage, *d_o = q + stage / 2;
        unsigned live = 0;
        LT_UNROLL
        for (int n = 0; n < N / 32; n++) {
            const attn_moving &x = m[n * 32 + lane];
            const unsigned sees = __ballot_sync(0xFFFFFFFFu, x.low < key0 + own + 16 && x.high > key0 + own);
            live |= ((sees & 0xFFFFu ? 1u : 0u) | (sees >> 16 ? 2u : 0u)) << 2 * n;
        }
        if (!live) continue; /* the warp's alone: no barrier below */

        float w[N / 8][4], dw[N / 8][4]; /* scores [keys][rows], then p; <d_o, v>, then ds */
        mma_scores<DP, false, N>(w, left_k, q, live);
        auto of_key = [&](int i, int c) {
            return mma_rel_of_key(m[c], key0 + own + g + 8 * i, [&](int x, int y) { return attn_p2c(a, kv, x, y); });
        };
        if constexpr (REL) {
            if (rel.straight)
                rel.scores(w, left_k, q, live);
            else
                rel.scores_one_by_one(w, a.D, k + own * LD, q, of_key, [&](int i, int c) {
                    return mma_rel_of_key(m[c], key0 + own + g + 8 * i, [&](int x, int y) { return attn_c2p(a, kv, x, y); });
                });
        }
        mma_scores<DP, false, N>(dw, left_v, d_o, live);
        LT_UNROLL
        for (int n = 0; n < N / 8; n++) LT_UNROLL
        for (int j = 0; j < 2; j++) {
            const attn_moving &x = m[n * 8 + t * 2 + j];
            LT_UNROLL
            for (int i = 0; i < 2; i++) {
                const int key = key0 + own + g + 8 * i;
                const bool sees = key >= x.low && key < x.high;
                float &p = w[n][2 * i + j], &ds = dw[n][2 * i + j];
                p = sees ? __expf(p * a.scale + (x.slope * (key_place + (float)(g + 8 * i) - x.place) - x.lse)) : 0.0f;
                ds = sees ? p * (ds - x.delta) : 0.0f;
            }
        }
        mma_weigh<DP, DN, N>(dv, w, d_o + part, live);
        mma_weigh<DP, DN, N>(dk, dw, q + part, live);
        if constexpr (REL) {
            if (rel.straight)
                rel.weigh(dk, dw);
            else
                rel.weigh_one_by_one(dk, dw, a.D, of_key);
        }
    }
    lt_cp_async_wait<0>(); /* of the keys, where no row sees them */
    __syncthreads();

    if constexpr (BANK) {
        float *to = chunk.sum + (key0 + own) * a.bank_ld + part;
        store_f32<DN>(dk, a.scale, to, a.bank_ld, keys - key0 - own, a.D - part, chunk.add);
        store_f32<DN>(dv, 1.0f, to + a.bank_v, a.bank_ld, keys - key0 - own, a.D - part, chunk.add);
    } else {
        const int64_t column = (int64_t)kv * a.D + part;
        const int key = key0 + own;
        mma_store<DP, DN>(dk, a.scale, a.scale, k + own * LD + part, a.D - part,
                          [&](int r) { return key + r < keys ? a.dk + (int64_t)(s.k0 + key + r) * a.ld_dk + column : nullptr; });
        mma_store<DP, DN>(dv, 1.0f, 1.0f, v + own * LD + part, a.D - part,
                          [&](int r) { return key + r < keys ? a.dv + (int64_t)(s.k0 + key + r) * a.ld_dv + column : nullptr; });
    }
}

/* Grid (bank_blocks, then tiles of the text; kv heads); bank_tiles of them are one chunk. */
template <int DP, kind TEXT>
__global__ void __launch_bounds__(128, 2)
    attn_dkv_mma(const attn<lt_bf16> a, int bank_blocks, int bank_tiles, int bank_rows, int text_rows) {
    LT_SHARED_DYN(lt_bf16, dynamic);
    LT_SHARED(int, hull, [8]);
    LT_SHARED(attn_moving, rows, [MOVING_STAGES * 64]);
    const dkv_room room = {dynamic, hull, rows};
    const int index = (int)blockIdx.x;
    if (index < bank_blocks)
        keys_block<DP, OF_BANK>(a, room, index / bank_tiles, index % bank_tiles, bank_rows);
    else
        keys_block<DP, TEXT>(a, room, 0, index - bank_blocks, text_rows);
}

/* Rows of a stage of either kind. */
template <int DP> static int text_rows(const attn<lt_bf16> &a, int64_t max_q) { return mma_rows(mma_shape<DP>::N, max_q * a.group); }
template <int DP> static int bank_rows(const attn<lt_bf16> &a) {
    return attn_has_bank(a) ? mma_rows(mma_shape<DP>::N, (int64_t)a.chunk * a.group) : 0;
}

template <int DP, kind TEXT> static size_t bytes_of(const attn<lt_bf16> &a, int M, int64_t max_q) {
    const int text = text_rows<DP>(a, max_q), bank = bank_rows<DP>(a), rows = text > bank ? text : bank;
    return sizeof(lt_bf16) * (size_t)(mma_shape<DP>::LD * (2 * M + 4 * rows)) + (TEXT == OF_TEXT_REL ? mma_rel<DP>::bytes(M) : 0);
}

/* Keys of a tile, of text and bank alike. */
template <int DP, kind TEXT> static int key_tile(const lt_ctx *c, const attn<lt_bf16> &a, int64_t max_q, int64_t max_k) {
    const int64_t keys = attn_has_bank(a) && a.P_max > max_k ? a.P_max : max_k;
    return 16 * mma_fit(c, keys, mma_shape<DP>::WARPS, [&](int warps) { return bytes_of<DP, TEXT>(a, 16 * warps, max_q); });
}

int attn_mma_key_tile(const lt_ctx *c, const attn<lt_bf16> &a, int64_t max_q, int64_t max_k) {
    int M = 0;
    if (a.c2p || a.p2c) return key_tile<ATTN_REL_D, OF_TEXT_REL>(c, a, max_q, max_k);
    ATTN_BY_D(a.D, { M = key_tile<DP, OF_TEXT>(c, a, max_q, max_k); });
    return M;
}

template <int DP, kind TEXT> static lt_status launch(const lt_ctx *c, const attn<lt_bf16> &a, int64_t tiles, int64_t max_q) {
    const int M = a.key_tile, of_chunk = attn_has_bank(a) ? (int)div_up(a.P_max, M) : 1;
    const int64_t bank = attn_has_bank(a) ? attn_chunks(a) * of_chunk : 0;
    if (bank + tiles == 0) return LT_OK;
    const dim3 grid((unsigned)(bank + tiles), (unsigned)a.kv_heads);
    LT_RUN(c, (attn_dkv_mma<DP, TEXT>), grid, dim3((unsigned)(2 * M * mma_shape<DP>::SPLIT)), (bytes_of<DP, TEXT>(a, M, max_q)), a,
           (int)bank, of_chunk, bank_rows<DP>(a), text_rows<DP>(a, max_q));
    return LT_OK;
}

/* tiles: of a.key_tile keys of the text, at most. */
lt_status attn_mma_dkv(const lt_ctx *c, const attn<lt_bf16> &a, int64_t tiles, int64_t max_q) {
    if (a.c2p || a.p2c) return launch<ATTN_REL_D, OF_TEXT_REL>(c, a, tiles, max_q);
    ATTN_BY_D(a.D, { LT_TRY((launch<DP, OF_TEXT>(c, a, tiles, max_q))); });
    return LT_OK;
}

} // namespace LT_GPU_SPACE
