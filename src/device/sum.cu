/* The sum of what several ranks sent, in their order: what an all-gather is followed by where bits must repeat (comm).  Part of the tables of
 * device/gpu.h. */
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

} // namespace LT_GPU_SPACE

extern "C" lt_status LT_GPU_SUM_PARTS(lt_stream *s, const float *parts, int count, int64_t ld, int64_t n, float *out);
extern "C" lt_status LT_GPU_SUM_PARTS(lt_stream *s, const float *parts, int count, int64_t ld, int64_t n, float *out) {
    if (n <= 0) return LT_OK;
    enum { THREADS = 256 };
    return LT_LAUNCH(s, (LT_GPU_SPACE::sum_parts), dim3((unsigned)((n + 4 * THREADS - 1) / (4 * THREADS))), dim3(THREADS), 0, parts, count,
                     ld, n, out);
}
