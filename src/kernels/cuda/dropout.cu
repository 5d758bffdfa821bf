/* Inverted dropout; what stays is defined in kernels/ops.h, and these are its bits: Philox4x32-10 (base/rng.c), a block of 8 halves for every 16th channel.
 *
 * A warp has 256 channels of a row.  Each lane draws one block; eight ballots turn the halves into bits by channel, so that a lane finds those of 8 neighbours,
 * which are one access of 16 bytes of bf16. */
#include "kernels/cuda/vec_impl.h"

#include "base/rng.h"

namespace LT_GPU_SPACE {

enum { WARPS = 4, V8 = 8, CHANNELS = WARP * V8, GROUP = 128, BLOCKS = 16 /* of a group, GROUP / 8 */ };

struct dropout_key {
    uint32_t k0, k1, stream;
};
LT_DEVICE dropout_key key_of(uint64_t key, uint32_t stream) {
    return {(uint32_t)key, (uint32_t)(key >> 32) ^ (LT_RNG_DROPOUT * 0x85EBCA6Bu), stream};
}

/* Bit h: half h of block (row, number) is at least bound. */
LT_DEVICE uint32_t halves_kept(dropout_key k, uint64_t row, uint32_t number, uint32_t bound) {
    uint32_t x0 = (uint32_t)row, x1 = (uint32_t)(row >> 32), x2 = number, x3 = k.stream;
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * x0, p1 = (uint64_t)0xCD9E8D57u * x2;
        x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k.k0;
        x1 = (uint32_t)p1;
        x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k.k1;
        x3 = (uint32_t)p0;
        k.k0 += 0x9E3779B9u;
        k.k1 += 0xBB67AE85u;
    }
    const uint32_t x[4] = {x0, x1, x2, x3};
    uint32_t kept = 0;
    for (int w = 0; w < 4; w++) {
        kept |= (uint32_t)((x[w] & 0xFFFFu) >= bound) << 2 * w;
        kept |= (uint32_t)(x[w] >> 16 >= bound) << (2 * w + 1);
    }
    return kept;
}

/* Bits of channels 8 lane to 8 lane + 7 of the warp's 256, from the halves that each lane has drawn: lane l has block l % 16 of group l / 16, whose half h is
 * channel 16 h + l % 16 of the group. */
LT_DEVICE uint32_t by_channel(uint32_t halves, unsigned lane) {
    unsigned mine = lane % BLOCKS / 2, from = lane / BLOCKS * BLOCKS + lane % 2 * V8;
    uint32_t found = 0;
    for (unsigned h = 0; h < 8; h++) {
        uint32_t all = __ballot_sync(0xFFFFFFFFu, halves >> h & 1u);
        if (h == mine) found = all;
    }
    return found >> from & 0xFFu;
}

/* Columns from col on, bit j of kept for column col + j: V8 of them by 16 bytes, or one by one those that exist. */
template <typename X, typename Y, bool WHOLE>
LT_DEVICE void drop(const lt_dropout_args &a, int64_t row0, int64_t col, uint32_t kept, float factor) {
    if constexpr (WHOLE) {
        float x[V8], y[V8] = {};
        if (col >= a.C) return;
        load(at<X>(a.x, row0 + col), x);
        if (a.accumulate) load(at<Y>(a.y, row0 + col), y);
        for (int j = 0; j < V8; j++) y[j] += kept >> j & 1u ? factor * x[j] : 0.0f;
        store(at<Y>(a.y, row0 + col), y);
    } else {
        for (int j = 0; j < V8; j++) {
            if (col + j < 0 || col + j >= a.C) continue;
            Y *y = at<Y>(a.y, row0 + col + j);
            float before = a.accumulate ? lt_to_f32(*y) : 0.0f;
            *y = lt_from_f32<Y>(before + (kept >> j & 1u ? factor * lt_to_f32(*at<X>(a.x, row0 + col + j)) : 0.0f));
        }
    }
}

/* Grid: y counts sequences, the warps of x share the 256s of their rows. */
template <typename X, typename Y, bool WHOLE>
static __global__ void __launch_bounds__(WARPS *WARP) dropout_rows_warps(lt_dropout_args a, int64_t first, int64_t spans, uint32_t bound) {
    int64_t s = a.seq0 + blockIdx.y, from = a.cu[s], n = (a.cu[s + 1] - from) * spans;
    unsigned lane = threadIdx.x % WARP;
    dropout_key key = key_of(a.key[s], a.stream);
    float factor = 1.0f / (1.0f - a.p);
    for (int64_t i = blockIdx.x * WARPS + threadIdx.x / WARP; i < n; i += gridDim.x * WARPS) {
        int64_t t = from + i / spans, channel = (first + i % spans) * CHANNELS, group = channel / GROUP + lane / BLOCKS;
        uint64_t row = (uint64_t)(a.index ? a.index[t] : t - from);
        uint32_t kept = by_channel(halves_kept(key, row, (uint32_t)(group * BLOCKS + lane % BLOCKS), bound), lane);
        drop<X, Y, WHOLE>(a, t * a.C, channel + lane * V8 - a.c0, kept, factor);
    }
}

template <typename X, typename Y> static lt_status dropout_typed(const lt_ctx *c, const lt_dropout_args *a) {
    int64_t first = a->c0 / CHANNELS, spans = div_up(a->c0 + a->C, CHANNELS) - first;
    bool whole = a->c0 % CHANNELS == 0 && fits(a->x, a->C, V8) && fits(a->y, a->C, V8);
    dim3 grid((unsigned)(spans < 8 ? 8 : 32), (unsigned)(a->seq1 - a->seq0)); /* lengths are on the device: enough for 50 rows to fill it */
    if (whole)
        LT_RUN(c, (dropout_rows_warps<X, Y, true>), grid, WARPS * WARP, 0, *a, first, spans, lt_dropout_bound(a));
    else
        LT_RUN(c, (dropout_rows_warps<X, Y, false>), grid, WARPS * WARP, 0, *a, first, spans, lt_dropout_bound(a));
    return LT_OK;
}

lt_status dropout_rows(const lt_ctx *c, const lt_dropout_args *a) {
    if (a->seq1 <= a->seq0 || a->C <= 0) return LT_OK;
    return LT_BY_TYPES(a->x.dt, a->y.dt, dropout_typed, c, a);
}

} // namespace LT_GPU_SPACE
