/* Kernels that use a warp as hardware wants it. */
#include "device/kernel.h"
#include "emulator/kernels.h"

namespace LT_GPU_SPACE {

static __global__ void sum_k(const float *x, float *y) {
    LT_SHARED(float, part, [128]);
    LT_SHARED(float, total, );
    for (int r = 0; r < 2; r++) {
        part[threadIdx.x] = x[r * 128 + (int)threadIdx.x];
        __syncthreads();
        if (threadIdx.x < 32) {
            float a = 0;
            for (unsigned i = threadIdx.x; i < 128; i += 32) a += part[i];
            for (int o = 16; o; o >>= 1) a += __shfl_xor_sync(0xFFFFFFFFu, a, o);
            if (threadIdx.x == 0) total = a;
        }
        __syncthreads();
        y[r * 128 + (int)threadIdx.x] = total;
    }
}

/* One warp.  A by ldmatrix, B (rows of k) by ldmatrix with transposition. */
static __global__ void multiply_k(const lt_bf16 *a, const lt_bf16 *b, float *d) {
    LT_SHARED(uint4, a_rows, [16][2]);
    LT_SHARED(uint4, b_rows, [16]);
    int l = (int)threadIdx.x, g = l / 4, t = l % 4 * 2;
    uint32_t af[4], bf[4];
    float c[4] = {};
    lt_cp_async16(&a_rows[l / 2][l % 2], a + l * 8);
    if (l < 16) lt_cp_async16(&b_rows[l], b + l * 8);
    lt_cp_async_commit();
    lt_cp_async_wait<0>();
    __syncwarp();
    lt_ldmatrix_x4(af, &a_rows[l % 16][l / 16]);
    lt_ldmatrix_x4_trans(bf, &b_rows[l % 16]);
    const uint32_t b2[2] = {bf[0], bf[1]};
    lt_mma_bf16(c, af, b2);
    for (int i = 0; i < 4; i++) d[(g + 8 * (i >> 1)) * 8 + t + (i & 1)] = c[i];
}

extern "C" lt_status k_sum(lt_stream *s, const float *x, float *y) { return LT_LAUNCH(s, (sum_k), 1, 128, 0, x, y); }
extern "C" lt_status k_multiply(lt_stream *s, const uint16_t *a, const uint16_t *b, float *d) {
    return LT_LAUNCH(s, (multiply_k), 1, 32, 0, (const lt_bf16 *)a, (const lt_bf16 *)b, d);
}

} // namespace LT_GPU_SPACE
