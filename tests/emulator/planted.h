#pragma once
/* Kernels with a fault planted, and without (bug = 0).  One launch each; x [256], y [512] are f32 of the device. */

#include "device/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A pointer that no check of arguments sees. */
typedef struct hidden {
    const float *p;
} hidden;

/* Local, all of them.  y [2, 128] := the sums of both rows of x, in every column; bug 1: no barrier after the writes, 2: none before the next row's. */
lt_status planted_sum(lt_stream *s, int bug, const float *x, float *y);
/* y[i] := x[i ^ 1], i < 64; bug: no __syncwarp between. */
lt_status planted_warp(lt_stream *s, int bug, const float *x, float *y);
/* y[i] := x[i ^ 32], i < 64, by lt_cp_async16; bug 1: reads before the wait, 2: never waits. */
lt_status planted_async(lt_stream *s, int bug, const float *x, float *y);
/* y[i] := sum of x[t, i], t < 4, i < 64, through two tiles; bug: nothing keeps a tile from being filled again too early. */
lt_status planted_tiles(lt_stream *s, int bug, const float *x, float *y);
/* y[i] := x[i], i < 128, through shared memory; bug 1: a write one past its end, 2: a read one past its end. */
lt_status planted_shared(lt_stream *s, int bug, const float *x, float *y);
/* y[i] := x[i], i < n; bug 1: up to the next multiple of 128, 2: 4096 elements further. */
lt_status planted_global(lt_stream *s, int bug, const float *x, float *y, int n);
/* y[i] := 1, i < 128; bug 1: half of the threads are not at the barrier that the others wait in, but at another; 2: half have left. */
lt_status planted_divergent(lt_stream *s, int bug, float *y);
/* y[i] := i ^ 1 for the lower half of each warp; bug 1: the mask names all, 2: a lane is not in its own mask, 3: reads a lane outside. */
lt_status planted_mask(lt_stream *s, int bug, float *y);
/* y[0] := sum of 8 blocks' numbers; bug: each block adds to it without more ado. */
lt_status planted_blocks(lt_stream *s, int bug, const float *x, float *y);
/* y[i] := x[i], i < 128. */
lt_status planted_copy(lt_stream *s, const float *x, float *y);
lt_status planted_hidden(lt_stream *s, hidden x, float *y);
/* y[i] := value, i < n. */
lt_status planted_fill(lt_stream *s, float value, int n, float *y);
/* y[i] := x[4 i], i < 32, by 16 bytes; bug: from an odd address. */
lt_status planted_aligned(lt_stream *s, int bug, const float *x, float *y);
/* y[i] := 1; bug: a thread calls itself for ever. */
lt_status planted_stack(lt_stream *s, int bug, float *y);

#ifdef __cplusplus
}
#endif
