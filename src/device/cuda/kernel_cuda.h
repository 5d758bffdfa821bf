#pragma once
/* device/kernel.h under nvcc: CUDA's own names, and inline PTX for what has none. */

#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#define LT_GPU_SPACE      lt_space_cuda
#define LT_GPU_NAME       "cuda"
#define LT_GPU_TABLE      lt_gpu_cuda
#define LT_GPU_SUM_PARTS  lt_cuda_sum_parts
#define LT_GPU_SUM_BF16   lt_cuda_sum_bf16
#define LT_GPU_ROUND_BF16 lt_cuda_round_bf16
#define LT_GPU_OPS        lt_ops_cuda
#define LT_DEVICE         __device__ __forceinline__
#define LT_UNROLL         _Pragma("unroll")

namespace LT_GPU_SPACE {

struct lt_bf16 {
    uint16_t bits;
};
LT_DEVICE float lt_bits_f32(uint32_t bits) { return __uint_as_float(bits); }
LT_DEVICE uint32_t lt_f32_bits(float x) { return __float_as_uint(x); }
/* To nearest even, NaN stays NaN. */
LT_DEVICE lt_bf16 lt_round_bf16(float x) { return lt_bf16{__bfloat16_as_ushort(__float2bfloat16_rn(x))}; }
LT_DEVICE uint32_t lt_round_bf16x2(float low, float high) {
    uint32_t r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
}

LT_DEVICE uint32_t lt_shared_address(const void *p) { return (uint32_t)__cvta_generic_to_shared(p); }
LT_DEVICE void lt_mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
LT_DEVICE void lt_ldmatrix_x4(uint32_t (&r)[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(lt_shared_address(row))
                 : "memory");
}
LT_DEVICE void lt_ldmatrix_x4_trans(uint32_t (&r)[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(lt_shared_address(row))
                 : "memory");
}
LT_DEVICE void lt_cp_async16(void *shared, const void *global, int bytes = 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(lt_shared_address(shared)), "l"(global), "r"(bytes) : "memory");
}
LT_DEVICE void lt_cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int n> LT_DEVICE void lt_cp_async_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory"); }

/* Four E4M3 in a word, the first in the lowest byte: to nearest even, beyond +-448 to +-448, NaN to NaN. */
LT_DEVICE uint32_t lt_round_e4m3x2(float low, float high) {
#if __CUDA_ARCH__ >= 890
    uint16_t r;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(r) : "f"(high), "f"(low));
    return r;
#else
    (void)low, (void)high;
    __trap(); /* the table refuses FP8 on such devices */
    return 0;
#endif
}

} // namespace LT_GPU_SPACE

#define LT_SHARED(T, name, dims) __shared__ T name dims
#define LT_SHARED_DYN(T, name)                                                                                                             \
    extern __shared__ __align__(16) unsigned char lt_dynamic_shared[];                                                                     \
    T *name = reinterpret_cast<T *>(lt_dynamic_shared)
#define LT_LAUNCH(stream, kernel, grid, block, smem, ...)                                                                                  \
    LT_GPU_SPACE::lt_launch(#kernel, stream, LT_STRIP kernel, grid, block, smem, __VA_ARGS__)
#define LT_STRIP(...) __VA_ARGS__

/* device/cuda/runtime.c: counts a launch and turns an error of it into words.  Local. */
extern "C" lt_status lt_cuda_impl_launched(const char *kernel, int error);
/* The same: lets a kernel have smem bytes of shared memory a block, on the open device; the runtime's error.  Local; master thread. */
extern "C" int lt_cuda_impl_allow_shared(const void *kernel, size_t smem);

namespace LT_GPU_SPACE {

/* Two packs of types: arguments convert to the kernel's parameters. */
template <typename... P, typename... A>
static lt_status lt_launch(const char *name, lt_stream *s, void (*kernel)(P...), dim3 grid, dim3 block, size_t smem, A... a) {
    cudaLaunchConfig_t c = {};
    c.gridDim = grid;
    c.blockDim = block;
    c.dynamicSmemBytes = smem;
    c.stream = reinterpret_cast<cudaStream_t>(s);
    cudaError_t e = cudaSuccess;
    /* 48 KB go without asking, with what the kernel declares itself (at most 16 KB). */
    if (smem > 32 * 1024) e = (cudaError_t)lt_cuda_impl_allow_shared((const void *)kernel, smem);
    if (e == cudaSuccess) e = cudaLaunchKernelEx(&c, kernel, static_cast<P>(a)...);
    return lt_cuda_impl_launched(name, (int)e);
}

} // namespace LT_GPU_SPACE
