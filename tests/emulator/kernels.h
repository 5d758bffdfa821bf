#pragma once
/* Kernels for tests of the emulator; launches on a stream. */

#include "device/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Local.  y [256]: sums over x [2, 128], each seen by 128 threads. */
lt_status k_sum(lt_stream *s, const float *x, float *y);
/* Local.  d [16, 8] = a [16, 16] b [16, 8] in bf16, f32 sums; through shared memory, lt_cp_async16, lt_ldmatrix_x4 and lt_mma_bf16. */
lt_status k_multiply(lt_stream *s, const uint16_t *a, const uint16_t *b, float *d);

#ifdef __cplusplus
}
#endif
