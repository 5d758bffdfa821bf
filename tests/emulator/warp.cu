/* Kernels that use a warp as hardware wants it. */
#include "device/kernel.h"
#include "emulator/warp.h"

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

/* Rows of 8 as they come, matrix after matrix. */
template <bool transposed> static __global__ void load_k(const lt_bf16 *x, uint32_t *r) {
    LT_SHARED(uint4, rows, [32]);
    int l = (int)threadIdx.x;
    uint32_t got[4];
    rows[l] = reinterpret_cast<const uint4 *>(x)[l];
    __syncwarp();
    if (transposed)
        lt_ldmatrix_x4_trans(got, &rows[l]);
    else
        lt_ldmatrix_x4(got, &rows[l]);
    for (int i = 0; i < 4; i++) r[l * 4 + i] = got[i];
}

static __global__ void shuffles_k(int *y) {
    const unsigned all = 0xFFFFFFFFu;
    int l = (int)threadIdx.x, v = 100 + l;
    y[l] = __shfl_sync(all, v, 5);
    y[32 + l] = __shfl_up_sync(all, v, 3);
    y[64 + l] = __shfl_down_sync(all, v, 3);
    y[96 + l] = __shfl_xor_sync(all, v, 6);
    y[128 + l] = __shfl_down_sync(all, v, 3, 8);
    y[160 + l] = __shfl_sync(all, v, 9, 8);
    y[192 + l] = (int)__ballot_sync(all, l & 1);
    y[224 + l] = __any_sync(all, l == 7);
    y[256 + l] = __all_sync(all, l < 32);
    y[288 + l] = __all_sync(all, l & 1);
}

static __global__ void votes_k(int *y) {
    int i = (int)threadIdx.x, b = (int)blockIdx.x, n = b * 64 + i;
    int odd = __syncthreads_count(i & 1), all = __syncthreads_and(i < 64), any = __syncthreads_or(i == 70);
    if (b == 0) {
        y[i] = odd;
        y[64 + i] = all;
        y[128 + i] = any;
    }
    atomicAdd(&y[192], n);
    atomicMax(&y[193], n);
    atomicMin(&y[194], n + 3);
}

static __global__ void dynamic_k(const float *x, int n, float *y) {
    LT_SHARED_DYN(float, all);
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) all[i] = x[i];
    __syncthreads();
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) y[i] = all[n - 1 - i];
}

static __global__ void grid_k(int *out) {
    unsigned b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    if (threadIdx.x == 1 && threadIdx.y == 2 && threadIdx.z == 0) out[b] = (int)(b + 1000 * blockDim.x + 10000 * blockDim.y);
}

} // namespace LT_GPU_SPACE

using namespace LT_GPU_SPACE;

lt_status warp_sum(lt_stream *s, const float *x, float *y) { return LT_LAUNCH(s, (sum_k), 1, 128, 0, x, y); }
lt_status warp_multiply(lt_stream *s, const uint16_t *a, const uint16_t *b, float *d) {
    return LT_LAUNCH(s, (multiply_k), 1, 32, 0, (const lt_bf16 *)a, (const lt_bf16 *)b, d);
}
lt_status warp_load(lt_stream *s, bool transposed, const uint16_t *x, uint32_t *r) {
    return transposed ? LT_LAUNCH(s, (load_k<true>), 1, 32, 0, (const lt_bf16 *)x, r)
                      : LT_LAUNCH(s, (load_k<false>), 1, 32, 0, (const lt_bf16 *)x, r);
}
lt_status warp_shuffles(lt_stream *s, int *y) { return LT_LAUNCH(s, (shuffles_k), 1, 32, 0, y); }
lt_status warp_votes(lt_stream *s, int *y) { return LT_LAUNCH(s, (votes_k), 4, 64, 0, y); }
lt_status warp_dynamic(lt_stream *s, const float *x, int n, float *y) {
    return LT_LAUNCH(s, (dynamic_k), 1, 96, (size_t)n * sizeof(float), x, n, y);
}
lt_status warp_grid(lt_stream *s, unsigned x, unsigned y, unsigned z, int *out) {
    return LT_LAUNCH(s, (grid_k), dim3(x, y, z), dim3(2, 3), 0, out);
}
uint32_t warp_round_e4m3x2(float low, float high) { return lt_round_e4m3x2(low, high); }
uint32_t warp_round_bf16x2(float low, float high) { return lt_round_bf16x2(low, high); }
