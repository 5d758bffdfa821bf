#pragma once
/* Private to the kernels room: numbers of frozen layers in E4M3 (4 bits of exponent, 3 of mantissa, largest 448), alike on every back end.  See lt_lin. */

#include "kernels/host_impl.h"

#include <math.h>

enum { LT_E4M3_MOST = 448 };

/* The factor of a row whose largest magnitude is amax; 1 where that is zero or would make a denormal number. */
static inline float lt_e4m3_factor(float amax) {
    float f = amax / LT_E4M3_MOST;
    return f >= 0x1p-126f ? f : 1.0f;
}

/* The E4M3 number nearest to x, to even in a tie; beyond the largest that one; NaN stays NaN.  Needs arithmetic that is not reordered. */
static inline float lt_e4m3_round(float x) {
    union {
        float f;
        uint32_t u;
    } v = {.f = fabsf(x)}, shift;
    if (v.f >= (float)LT_E4M3_MOST) return copysignf((float)LT_E4M3_MOST, x);
    if (v.f != v.f) return x;
    uint32_t e = v.u >> 23, least = 127 - 6;                        /* below 2^-6 the step stays 2^-9 */
    shift.u = ((e > least ? e : least) - 3 + 23) << 23 | 0x400000u; /* 1.5 * 2^23 steps: the sum has no room for less than one */
    return copysignf(v.f + shift.f - shift.f, x);
}

/* E4M3 numbers of a row x[n], times scale[n] first if it is given, as bf16 (which holds them all); returns the row's factor. */
static inline float lt_e4m3_row(lt_arr x, const float *scale, int64_t n, uint16_t *out) {
    float amax = 0;
#define LT_E4M3_AT(i) ((x.dt == LT_BF16 ? lt_bf16_to_f32(((const uint16_t *)x.p)[i]) : ((const float *)x.p)[i]) * (scale ? scale[i] : 1.0f))
    for (int64_t i = 0; i < n; i++) amax = fmaxf(amax, fabsf(LT_E4M3_AT(i)));
    float f = lt_e4m3_factor(amax);
    for (int64_t i = 0; i < n; i++) out[i] = lt_f32_to_bf16(lt_e4m3_round(LT_E4M3_AT(i) / f));
#undef LT_E4M3_AT
    return f;
}
