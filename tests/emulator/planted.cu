/* Kernels with faults: what the emulator is there to find. */
#include "emulator/planted.h"
#include "device/kernel.h"

namespace LT_GPU_SPACE {

template <int bug> static __global__ void sum_k(const float *x, float *y) {
    LT_SHARED(float, part, [128]);
    int i = (int)threadIdx.x;
    for (int r = 0; r < 2; r++) {
        part[i] = x[r * 128 + i];
        if (bug != 1) __syncthreads();
        float a = 0;
        for (int k = 0; k < 128; k++) a += part[(i + k) % 128];
        y[r * 128 + i] = a;
        if (bug != 2) __syncthreads();
    }
}

template <int bug> static __global__ void warp_k(const float *x, float *y) {
    LT_SHARED(float, part, [64]);
    part[threadIdx.x] = x[threadIdx.x];
    if (!bug) __syncwarp();
    y[threadIdx.x] = part[threadIdx.x ^ 1];
}

template <int bug> static __global__ void async_k(const float *x, float *y) {
    LT_SHARED(float4, part, [16]);
    int i = (int)threadIdx.x;
    if (i < 16) lt_cp_async16(&part[i], x + 4 * i);
    lt_cp_async_commit();
    if (!bug) lt_cp_async_wait<0>();
    __syncthreads();
    y[i] = reinterpret_cast<float *>(part)[i ^ 32];
    if (bug == 1) lt_cp_async_wait<0>();
}

template <int bug> static __global__ void tiles_k(const float *x, float *y) {
    LT_SHARED(float4, tile, [2][16]);
    int i = (int)threadIdx.x;
    float sum = 0;
    if (i < 16) lt_cp_async16(&tile[0][i], x + 4 * i);
    lt_cp_async_commit();
    for (int t = 0; t < 4; t++) {
        if (t + 1 < 4 && i < 16) lt_cp_async16(&tile[(t + 1) % 2][i], x + 64 * (t + 1) + 4 * i);
        lt_cp_async_commit();
        lt_cp_async_wait<1>();
        __syncthreads();
        sum += reinterpret_cast<float *>(tile[t % 2])[i];
        if (!bug) __syncthreads();
    }
    y[i] = sum;
}

template <int bug> static __global__ void shared_k(const float *x, float *y, int end) { /* end: hides 128 from the compiler */
    LT_SHARED(float, part, [128]);
    int i = (int)threadIdx.x;
    part[i] = x[i];
    if (bug == 1 && i == 5) part[end] = 0;
    __syncthreads();
    y[i] = part[bug == 2 && i == 127 ? end : i];
}

template <int bug> static __global__ void global_k(const float *x, float *y, int n) {
    int i = (int)(blockIdx.x * 128 + threadIdx.x);
    if (i < n || bug == 1) y[i] = x[i < n ? i : 0];
    if (bug == 2 && i == 0) y[n + 4096] = 0;
}

template <int bug> static __global__ void divergent_k(float *y) {
    if (bug == 1) {
        if (threadIdx.x < 64)
            __syncthreads();
        else
            __syncthreads();
    } else if (bug == 2) {
        if (threadIdx.x % 32 < 16) return;
        (void)__shfl_xor_sync(0xFFFFFFFFu, 1.0f, 16);
    } else {
        __syncthreads();
    }
    y[threadIdx.x] = 1;
}

template <int bug> static __global__ void mask_k(float *y) {
    unsigned l = threadIdx.x % 32, mask = bug == 1 ? 0xFFFFFFFFu : bug == 2 ? 0xFFFEu : 0xFFFFu;
    if (l >= 16) {
        y[threadIdx.x] = 0;
        return;
    }
    y[threadIdx.x] = __shfl_xor_sync(mask, (float)threadIdx.x, bug == 3 ? 16 : 1);
}

template <int bug> static __global__ void blocks_k(const float *x, float *y) {
    if (threadIdx.x > 0) return;
    if (bug) {
        y[0] += x[blockIdx.x] / 3;
    } else if (blockIdx.x == 0) {
        float a = y[0];
        for (int i = 0; i < (int)gridDim.x; i++) a += x[i] / 3;
        y[0] = a;
    }
}

static __global__ void copy_k(const float *x, float *y) { y[threadIdx.x] = x[threadIdx.x]; }
static __global__ void hidden_k(hidden x, float *y) { y[threadIdx.x] = x.p[threadIdx.x]; }
static __global__ void fill_k(float value, int n, float *y) {
    int i = (int)(blockIdx.x * 128 + threadIdx.x);
    if (i < n) y[i] = value;
}
template <int bug> static __global__ void aligned_k(const float *x, float *y) {
    float4 v = *reinterpret_cast<const float4 *>(x + 4 * threadIdx.x + bug);
    *reinterpret_cast<float4 *>(y + 4 * threadIdx.x) = v;
}

static __device__ __attribute__((noinline)) int deep(int n, volatile int *all) {
    volatile int here[64];
    here[n % 64] = all[0];
    return n ? deep(n - 1, here) + here[(n + 1) % 64] : 0;
}
template <int bug> static __global__ void stack_k(float *y) {
    volatile int zero[64] = {};
    int n = deep(bug ? 1 << 30 : 4, zero);
    y[threadIdx.x] = n ? 1.0f : 1;
}

} // namespace LT_GPU_SPACE

using namespace LT_GPU_SPACE;

#define PICK3(kernel, grid, block, ...)                                                                                                    \
    return bug == 0   ? LT_LAUNCH(s, (kernel<0>), grid, block, 0, __VA_ARGS__)                                                             \
           : bug == 1 ? LT_LAUNCH(s, (kernel<1>), grid, block, 0, __VA_ARGS__)                                                             \
           : bug == 2 ? LT_LAUNCH(s, (kernel<2>), grid, block, 0, __VA_ARGS__)                                                             \
                      : LT_LAUNCH(s, (kernel<3>), grid, block, 0, __VA_ARGS__)
#define PICK(kernel, grid, block, ...)                                                                                                     \
    return bug ? LT_LAUNCH(s, (kernel<1>), grid, block, 0, __VA_ARGS__) : LT_LAUNCH(s, (kernel<0>), grid, block, 0, __VA_ARGS__)

lt_status planted_sum(lt_stream *s, int bug, const float *x, float *y) { PICK3(sum_k, 1, 128, x, y); }
lt_status planted_warp(lt_stream *s, int bug, const float *x, float *y) { PICK(warp_k, 1, 64, x, y); }
lt_status planted_async(lt_stream *s, int bug, const float *x, float *y) { PICK3(async_k, 1, 64, x, y); }
lt_status planted_tiles(lt_stream *s, int bug, const float *x, float *y) { PICK(tiles_k, 1, 64, x, y); }
lt_status planted_shared(lt_stream *s, int bug, const float *x, float *y) { PICK3(shared_k, 1, 128, x, y, 128); }
lt_status planted_global(lt_stream *s, int bug, const float *x, float *y, int n) {
    PICK3(global_k, (unsigned)(n + 127) / 128, 128, x, y, n);
}
lt_status planted_divergent(lt_stream *s, int bug, float *y) { PICK3(divergent_k, 1, 128, y); }
lt_status planted_mask(lt_stream *s, int bug, float *y) { PICK3(mask_k, 1, 64, y); }
lt_status planted_blocks(lt_stream *s, int bug, const float *x, float *y) { PICK(blocks_k, 8, 32, x, y); }
lt_status planted_copy(lt_stream *s, const float *x, float *y) { return LT_LAUNCH(s, (copy_k), 1, 128, 0, x, y); }
lt_status planted_hidden(lt_stream *s, hidden x, float *y) { return LT_LAUNCH(s, (hidden_k), 1, 128, 0, x, y); }
lt_status planted_fill(lt_stream *s, float value, int n, float *y) {
    return LT_LAUNCH(s, (fill_k), (unsigned)(n + 127) / 128, 128, 0, value, n, y);
}
lt_status planted_aligned(lt_stream *s, int bug, const float *x, float *y) { PICK(aligned_k, 1, 16, x, y); }
lt_status planted_stack(lt_stream *s, int bug, float *y) { PICK(stack_k, 1, 4, y); }
