#pragma once
/* What a kernel file (kernels/cuda/<name>.cu) includes, and all that it may use.  The same source is compiled twice: by nvcc for GPUs, and by g++ against the
 * emulator, which executes it on the CPU.  No kernel knows which.
 *
 *   __global__ __device__ __host__ __forceinline__ __launch_bounds__ __restrict__   as in CUDA
 *   threadIdx blockIdx blockDim gridDim, dim3, float2 float4 uint2 uint4 int2 int4 and their make_
 *   LT_SHARED(T, name, [a][b])      shared array of a size known when compiling
 *   LT_SHARED_DYN(T, name)          the block's dynamic shared memory, 16-byte aligned; one a kernel, cut by hand
 *   __syncthreads, __syncthreads_or/_and/_count, __syncwarp(mask), __shfl_sync, __shfl_up/_down/_xor_sync, __ballot_sync, __any_sync, __all_sync
 *   atomicAdd, atomicMax, atomicMin of integers   (sums of floats in an order that varies are not allowed)
 *   expf logf tanhf erff rsqrtf sqrtf fabsf fmaxf fminf fmaf __expf __logf __fdividef, log sqrt of doubles, std::isfinite; min max of integers,
 * __popc __clz __ffs
 *   lt_bf16, lt_bf16x2 and conversions, FP8 conversions (below)
 *   lt_mma_bf16(d, a, b)            m16n8k16: float d[4] += bf16 a (uint32_t[4]) * b (uint32_t[2]); all lanes
 *   lt_ldmatrix_x4(r, row), lt_ldmatrix_x4_trans(r, row)   uint32_t r[4] from four 8 x 8 matrices; lane l gives the address of row l % 8 of matrix l / 8
 *   lt_cp_async16(shared, global, bytes = 16)   copies 16 bytes, of which `bytes` come from memory and the rest are zero; 16-byte aligned
 *   lt_cp_async_commit(), lt_cp_async_wait<n>()
 *   LT_UNROLL                       before a loop: unrolled, so that arrays indexed by its counter are registers
 *   LT_LAUNCH(stream, (kernel<...>), grid, block, shared bytes, arguments...)   an lt_status; arguments convert to the kernel's parameters
 *
 * Blocks are independent: no block waits for another. */

#include "device/gpu.h"

#if defined(__CUDACC__)
#include "device/cuda/kernel_cuda.h"
#else
#include "device/emulated/kernel_emulated.h"
#endif

#ifndef LT_UNROLL
#define LT_UNROLL
#endif

/* Each back end has the whole of kernels/cuda in a namespace of its own, so that one program can hold both. */
namespace LT_GPU_SPACE {

/* Element types as kernels are written over them: float or lt_bf16, through these. */
LT_DEVICE float lt_to_f32(float x) { return x; }
LT_DEVICE float lt_to_f32(lt_bf16 x) { return lt_bits_f32((uint32_t)x.bits << 16); }
template <typename T> LT_DEVICE T lt_from_f32(float x);
template <> LT_DEVICE float lt_from_f32<float>(float x) { return x; }
template <> LT_DEVICE lt_bf16 lt_from_f32<lt_bf16>(float x) { return lt_round_bf16(x); }
/* Two bf16 in a word, the first in the low half. */
LT_DEVICE float lt_low_f32(uint32_t two) { return lt_bits_f32(two << 16); }
LT_DEVICE float lt_high_f32(uint32_t two) { return lt_bits_f32(two & 0xFFFF0000u); }

} // namespace LT_GPU_SPACE
