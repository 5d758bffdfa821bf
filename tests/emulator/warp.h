#pragma once
/* Kernels that use blocks and warps as hardware wants them, for tests of the emulator; launches on a stream. */

#include "device/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Local, all of them.  y [256]: sums over x [2, 128], each seen by 128 threads. */
lt_status warp_sum(lt_stream *s, const float *x, float *y);
/* d [16, 8] = a [16, 16] b [16, 8] in bf16, f32 sums; through shared memory, lt_cp_async16, lt_ldmatrix_x4 and lt_mma_bf16. */
lt_status warp_multiply(lt_stream *s, const uint16_t *a, const uint16_t *b, float *d);
/* r [32, 4]: registers of lt_ldmatrix_x4 from x [32, 8]. */
lt_status warp_load(lt_stream *s, bool transposed, const uint16_t *x, uint32_t *r);
/* y [10, 32]: of one warp, lane l with the value 100 + l: index 5, up 3, down 3, xor 6, down 3 in widths of 8, index 9 in widths of 8; ballot of odd lanes; any
 * of lane 7; all of lanes below 32; all of odd lanes. */
lt_status warp_shuffles(lt_stream *s, int *y);
/* y [3, 64]: how many of 64 threads are odd, whether all are below 64, whether any is 70; then y [192], [193], [194] the sum, maximum and minimum of
 * numbers by atomics over 4 blocks, which must be 0, 0 and a large number before. */
lt_status warp_votes(lt_stream *s, int *y);
/* y [n] := x [n] in dynamic shared memory of n floats, turned round. */
lt_status warp_dynamic(lt_stream *s, const float *x, int n, float *y);
/* y[b] := the number of block b of a grid (x, y, z), as its threads see it. */
lt_status warp_grid(lt_stream *s, unsigned x, unsigned y, unsigned z, int *out);
/* Conversions as kernels have them, on the host. */
uint32_t warp_round_e4m3x2(float low, float high);
uint32_t warp_round_bf16x2(float low, float high);

#ifdef __cplusplus
}
#endif
