/* Parts put together in order: the bank's gradient from the chunks of a slot, and o from the pieces of a sequence's keys. */
#include "kernels/cuda/attention_impl.h"

#include <math.h>

namespace LT_GPU_SPACE {

/* d_bank += chunks of slots that have several, a thread an element; grid (elements, slots). */
template <typename T> __global__ void attn_bank_add(const attn<T> a) {
    const int slot = (int)blockIdx.y, row0 = a.table.slot_row[slot], rows = a.table.slot_row[slot + 1] - row0;
    const int64_t e = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, half = (int64_t)a.slot_len[slot] * a.bank_ld;
    if (rows <= a.chunk || e >= 2 * half) return;
    const int64_t at = e < half ? e : e - half + a.bank_v;
    const float *part = a.part_b + 2 * (int64_t)row0 / a.chunk * bank_part(a) + at;
    float sum = 0.0f;
    for (int c = 0; c * a.chunk < rows; c++) sum += part[c * bank_part(a)];
    a.d_bank[slot * a.slot_stride + at] += sum;
}

template <typename T> static lt_status bank_sum(const lt_ctx *c, const attn<T> &a) {
    if (a.n_q <= a.chunk) return LT_OK; /* no slot has two chunks */
    dim3 grid((unsigned)div_up(bank_part(a), 256), (unsigned)a.n_slots);
    LT_RUN(c, (attn_bank_add<T>), grid, dim3(256), 0, a);
    return LT_OK;
}
lt_status attn_bank_sum(const lt_ctx *c, const attn<float> &a) { return bank_sum(c, a); }
lt_status attn_bank_sum(const lt_ctx *c, const attn<lt_bf16> &a) { return bank_sum(c, a); }

/* A warp a (query row, head): o = sum of the pieces, each with its own largest score.  Pieces without a key have sum 0. */
template <typename T> __global__ void attn_merge_pieces(const attn<T> a) {
    const int lane = (int)threadIdx.x % WARP;
    const int64_t n = a.n_q * a.heads, at = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) / WARP;
    if (at >= n) return;
    float top = -INFINITY, sum = 0.0f;
    for (int p = 0; p < a.pieces; p++) top = fmaxf(top, a.part_top[p * n + at]);
    const float base = top == -INFINITY ? 0.0f : top;
    for (int p = 0; p < a.pieces; p++) sum += a.part_sum[p * n + at] * expf(a.part_top[p * n + at] - base);
    const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
    for (int d = lane; d < a.D; d += WARP) {
        float o = 0.0f;
        for (int p = 0; p < a.pieces; p++)
            if (a.part_sum[p * n + at] != 0.0f) o += a.part_o[(p * n + at) * a.D + d] * expf(a.part_top[p * n + at] - base);
        a.o[at * a.D + d] = lt_from_f32<T>(o * inverse);
    }
    if (lane == 0) a.lse[at] = top + logf(sum);
}

template <typename T> static lt_status merge(const lt_ctx *c, const attn<T> &a) {
    LT_RUN(c, (attn_merge_pieces<T>), blocks_for(a.n_q * a.heads, 4), dim3(4 * WARP), 0, a);
    return LT_OK;
}
lt_status attn_merge(const lt_ctx *c, const attn<float> &a) { return merge(c, a); }
lt_status attn_merge(const lt_ctx *c, const attn<lt_bf16> &a) { return merge(c, a); }

} // namespace LT_GPU_SPACE
