/* The sum of what several ranks sent, in their order: what an all-gather is followed by where bits must repeat (comm).  In f32; or in bf16, for sums that
 * travel with half the bytes: parts are rounded before they go, added in f32, rounded once, and what all ranks have alike is added to that in f32.  Part of
 * the tables of device/gpu.h. */
#include "device/kernel.h"

namespace LT_GPU_SPACE {

/* A thread has four numbers: 16 bytes of each part, all of whose reads are under way at once. */
static __global__ void sum_parts(const float *parts, int count, int64_t ld, int64_t n, float *out) {
    int64_t i = 4 * ((int64_t)blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= n) return;
    if (i + 4 <= n && ld % 4 == 0) {
        float4 sum = *reinterpret_cast<const float4 *>(parts + i);
        for (int p = 1; p < count; p++) {
            float4 x = *reinterpret_cast<const float4 *>(parts + p * ld + i);
            sum.x += x.x;
            sum.y += x.y;
            sum.z += x.z;
            sum.w += x.w;
        }
        *reinterpret_cast<float4 *>(out + i) = sum;
        return;
    }
    for (int64_t end = i + 4 < n ? i + 4 : n; i < end; i++) {
        float sum = parts[i];
        for (int p = 1; p < count; p++) sum += parts[p * ld + i];
        out[i] = sum;
    }
}

/* A thread has eight numbers: 16 bytes of each part. */
template <typename T> static __global__ void sum_bf16(const lt_bf16 *parts, int count, int64_t ld, int64_t n, const T *onto, float *out) {
    int64_t i = 8 * ((int64_t)blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= n) return;
    if (i + 8 <= n && ld % 8 == 0) {
        float sum[8];
        for (int p = 0; p < count; p++) {
            uint4 q = *reinterpret_cast<const uint4 *>(parts + p * ld + i);
            const uint32_t two[4] = {q.x, q.y, q.z, q.w};
            LT_UNROLL
            for (int k = 0; k < 4; k++) {
                sum[2 * k] = p ? sum[2 * k] + lt_low_f32(two[k]) : lt_low_f32(two[k]);
                sum[2 * k + 1] = p ? sum[2 * k + 1] + lt_high_f32(two[k]) : lt_high_f32(two[k]);
            }
        }
        LT_UNROLL
        for (int k = 0; k < 8; k++) {
            sum[k] = lt_to_f32(lt_round_bf16(sum[k]));
            if (onto) sum[k] += lt_to_f32(onto[i + k]);
        }
        *reinterpret_cast<float4 *>(out + i) = make_float4(sum[0], sum[1], sum[2], sum[3]);
        *reinterpret_cast<float4 *>(out + i + 4) = make_float4(sum[4], sum[5], sum[6], sum[7]);
        return;
    }
    for (int64_t end = i + 8 < n ? i + 8 : n; i < end; i++) {
        float sum = lt_to_f32(parts[i]);
        for (int p = 1; p < count; p++) sum += lt_to_f32(parts[p * ld + i]);
        sum = lt_to_f32(lt_round_bf16(sum));
        out[i] = onto ? sum + lt_to_f32(onto[i]) : sum;
    }
}

static __global__ void round_bf16(const float *x, int64_t n, lt_bf16 *out) {
    int64_t i = 8 * ((int64_t)blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= n) return;
    if (i + 8 <= n) {
        float4 a = *reinterpret_cast<const float4 *>(x + i), b = *reinterpret_cast<const float4 *>(x + i + 4);
        *reinterpret_cast<uint4 *>(out + i) =
            make_uint4(lt_round_bf16x2(a.x, a.y), lt_round_bf16x2(a.z, a.w), lt_round_bf16x2(b.x, b.y), lt_round_bf16x2(b.z, b.w));
        return;
    }
    for (; i < n; i++) out[i] = lt_round_bf16(x[i]);
}

} // namespace LT_GPU_SPACE

enum { EIGHTS = 256 /* threads of a block, with eight numbers each */ };
static dim3 blocks_of(int64_t n) { return dim3((unsigned)((n + 8 * EIGHTS - 1) / (8 * EIGHTS))); }

/* x and out begin on 32 and 16 bytes. */
extern "C" lt_status LT_GPU_ROUND_BF16(lt_stream *s, const float *x, int64_t n, void *out);
extern "C" lt_status LT_GPU_ROUND_BF16(lt_stream *s, const float *x, int64_t n, void *out) {
    if (n <= 0) return LT_OK;
    LT_ASSERT((uintptr_t)x % 32 == 0 && (uintptr_t)out % 16 == 0);
    return LT_LAUNCH(s, (LT_GPU_SPACE::round_bf16), blocks_of(n), dim3(EIGHTS), 0, x, n, static_cast<LT_GPU_SPACE::lt_bf16 *>(out));
}

/* parts and out begin on 16 and 32 bytes. */
extern "C" lt_status LT_GPU_SUM_BF16(lt_stream *s, const void *parts, int count, int64_t ld, int64_t n, lt_arr onto, float *out);
extern "C" lt_status LT_GPU_SUM_BF16(lt_stream *s, const void *parts, int count, int64_t ld, int64_t n, lt_arr onto, float *out) {
    typedef LT_GPU_SPACE::lt_bf16 bf16;
    const bf16 *from = static_cast<const bf16 *>(parts);
    if (n <= 0) return LT_OK;
    LT_ASSERT((uintptr_t)parts % 16 == 0 && (uintptr_t)out % 32 == 0);
    if (onto.p && onto.dt == LT_BF16)
        return LT_LAUNCH(s, (LT_GPU_SPACE::sum_bf16<bf16>), blocks_of(n), dim3(EIGHTS), 0, from, count, ld, n,
                         static_cast<const bf16 *>(onto.p), out);
    return LT_LAUNCH(s, (LT_GPU_SPACE::sum_bf16<float>), blocks_of(n), dim3(EIGHTS), 0, from, count, ld, n,
                     static_cast<const float *>(onto.p), out);
}

extern "C" lt_status LT_GPU_SUM_PARTS(lt_stream *s, const float *parts, int count, int64_t ld, int64_t n, float *out);
extern "C" lt_status LT_GPU_SUM_PARTS(lt_stream *s, const float *parts, int count, int64_t ld, int64_t n, float *out) {
    if (n <= 0) return LT_OK;
    enum { THREADS = 256 };
    return LT_LAUNCH(s, (LT_GPU_SPACE::sum_parts), dim3((unsigned)((n + 4 * THREADS - 1) / (4 * THREADS))), dim3(THREADS), 0, parts, count,
                     ld, n, out);
}
