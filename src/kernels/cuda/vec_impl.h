#pragma once
/* Private to kernels/cuda: rows of numbers a few at a time.  A kernel that moves memory is written over V: 4 or 8 numbers by accesses of up to 16 bytes where
 * addresses and widths allow, 1 where they do not. */

#include "kernels/cuda/cuda_impl.h"

namespace LT_GPU_SPACE {

/* V numbers from p, which is aligned to them (to 16 bytes at most). */
template <int V> LT_DEVICE void load(const float *p, float (&v)[V]) {
    static_assert(V == 1 || V % 4 == 0, "one, or whole words of 16 bytes");
    if constexpr (V == 1) {
        v[0] = *p;
    } else {
        for (int i = 0; i < V; i += 4) {
            float4 q = *reinterpret_cast<const float4 *>(p + i);
            v[i] = q.x, v[i + 1] = q.y, v[i + 2] = q.z, v[i + 3] = q.w;
        }
    }
}
template <int V> LT_DEVICE void load(const lt_bf16 *p, float (&v)[V]) {
    static_assert(V == 1 || V == 4 || V == 8, "one, 8 or 16 bytes");
    if constexpr (V == 1) {
        v[0] = lt_to_f32(*p);
    } else if constexpr (V == 4) {
        uint2 q = *reinterpret_cast<const uint2 *>(p);
        v[0] = lt_low_f32(q.x), v[1] = lt_high_f32(q.x), v[2] = lt_low_f32(q.y), v[3] = lt_high_f32(q.y);
    } else {
        uint4 q = *reinterpret_cast<const uint4 *>(p);
        v[0] = lt_low_f32(q.x), v[1] = lt_high_f32(q.x), v[2] = lt_low_f32(q.y), v[3] = lt_high_f32(q.y);
        v[4] = lt_low_f32(q.z), v[5] = lt_high_f32(q.z), v[6] = lt_low_f32(q.w), v[7] = lt_high_f32(q.w);
    }
}

template <int V> LT_DEVICE void store(float *p, const float (&v)[V]) {
    if constexpr (V == 1) {
        *p = v[0];
    } else {
        for (int i = 0; i < V; i += 4) *reinterpret_cast<float4 *>(p + i) = make_float4(v[i], v[i + 1], v[i + 2], v[i + 3]);
    }
}
template <int V> LT_DEVICE void store(lt_bf16 *p, const float (&v)[V]) {
    if constexpr (V == 1)
        *p = lt_round_bf16(v[0]);
    else if constexpr (V == 4)
        *reinterpret_cast<uint2 *>(p) = make_uint2(lt_round_bf16x2(v[0], v[1]), lt_round_bf16x2(v[2], v[3]));
    else
        *reinterpret_cast<uint4 *>(p) =
            make_uint4(lt_round_bf16x2(v[0], v[1]), lt_round_bf16x2(v[2], v[3]), lt_round_bf16x2(v[4], v[5]), lt_round_bf16x2(v[6], v[7]));
}

/* Element `at` of an array whose type is T; of an array of either type. */
template <typename T> LT_DEVICE T *at(lt_arr a, int64_t i) { return static_cast<T *>(a.p) + i; }
template <int V> LT_DEVICE void load(lt_arr a, int64_t i, float (&v)[V]) {
    if (a.dt == LT_BF16)
        load(at<lt_bf16>(a, i), v);
    else
        load(at<float>(a, i), v);
}

/* Sums of several numbers over the threads that share a row: a warp, or the block; the same bits in every thread.  part: not used before in this kernel. */
template <bool BLOCK, int N> LT_DEVICE void row_sums(float (&s)[N], float (*part)[WARP]) {
    for (int n = 0; n < N; n++) s[n] = warp_sum(s[n]);
    if constexpr (BLOCK) {
        unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
        for (int n = 0; n < N; n++)
            if (lane == 0) part[n][warp] = s[n];
        __syncthreads();
        for (int n = 0; n < N; n++) s[n] = warp_sum(lane < warps ? part[n][lane] : 0.0f);
    }
}

/* Whether rows of `width` numbers, one behind the other from a.p on, can be moved V at a time; true where there is no array. */
static inline bool fits(lt_arr a, int64_t width, int V) {
    size_t bytes = (size_t)V * lt_dtype_bytes(a.dt);
    return !a.p || ((uintptr_t)a.p % (bytes < 16 ? bytes : 16) == 0 && width % V == 0);
}
static inline bool fits(const float *p, int64_t width, int V) { return fits(lt_arr{const_cast<float *>(p), LT_F32}, width, V); }

enum { THREADS = 256 }; /* a block of kernels whose threads do not know each other: eight fill a multiprocessor */
/* This thread's number in the grid. */
LT_DEVICE uint32_t thread_number() { return blockIdx.x * blockDim.x + threadIdx.x; }

} // namespace LT_GPU_SPACE

/* fn<types>(...) for two arrays, each f32 or bf16. */
#define LT_BY_TYPES(dt1, dt2, fn, ...)                                                                                                     \
    ((dt1) == LT_F32   ? (dt2) == LT_F32 ? fn<float, float>(__VA_ARGS__) : fn<float, lt_bf16>(__VA_ARGS__)                                 \
       : (dt2) == LT_F32 ? fn<lt_bf16, float>(__VA_ARGS__)                                                                                 \
                       : fn<lt_bf16, lt_bf16>(__VA_ARGS__))
/* More pieces of work than thread_number() can count is a bug: shapes are far below. */
#define LT_COUNTABLE(n) LT_ASSERT((n) <= (int64_t)UINT32_MAX - THREADS)
