#pragma once
/* device/kernel.h under g++: kernels as functions that the emulator runs, a fibre a thread.  No header of CUDA. */

#define LT_GPU_SPACE      lt_space_emulated
#define LT_GPU_NAME       "cuda-emulated"
#define LT_GPU_TABLE      lt_gpu_emulated
#define LT_GPU_SUM_PARTS  lt_emulated_sum_parts
#define LT_GPU_SUM_BF16   lt_emulated_sum_bf16
#define LT_GPU_ROUND_BF16 lt_emulated_round_bf16
#define LT_GPU_OPS        lt_ops_cuda_emulated
#define LT_DEVICE         inline __attribute__((always_inline))

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

#include "device/emulated/launch.h"
#include "device/emulated/number.h"
#include "device/emulated/thread.h"
#include "device/emulated/vector.h"
