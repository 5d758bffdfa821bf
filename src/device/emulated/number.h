#pragma once
/* Numbers as kernels use them: bf16, E4M3, CUDA's names for functions and bits.  Roundings are the hardware's, bit for bit; functions are the C library's,
 * which are more exact than a GPU's. */

#include <cstdint>
#include <cstring>
#include <math.h>

namespace lt_space_emulated {

struct lt_bf16 {
    uint16_t bits;
};

static inline float lt_bits_f32(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline uint32_t lt_f32_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* To nearest even, NaN stays NaN (the hardware knows one NaN). */
static inline lt_bf16 lt_round_bf16(float x) {
    uint32_t u = lt_f32_bits(x);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u) return lt_bf16{0x7FFF};
    return lt_bf16{(uint16_t)((u + 0x7FFFu + (u >> 16 & 1u)) >> 16)};
}
static inline uint32_t lt_round_bf16x2(float low, float high) { return lt_round_bf16(low).bits | (uint32_t)lt_round_bf16(high).bits << 16; }

/* To nearest even, beyond +-448 to +-448, NaN to NaN. */
static inline uint8_t lt_round_e4m3(float x) {
    uint32_t u = lt_f32_bits(x), size = u & 0x7FFFFFFFu, sign = u >> 24 & 0x80u, r;
    if (size > 0x7F800000u) return 0x7F;
    if (size >= 0x3C800000u) { /* from 2^-6: three bits of the fraction stay, the bias goes from 127 to 7 */
        r = ((size + 0x7FFFFu + (size >> 20 & 1u)) >> 20) - (120u << 3);
        if (r > 0x7E || size > 0x43E00000u) r = 0x7E;
    } else { /* multiples of 2^-9, which is the last place of 2^14 */
        r = lt_f32_bits(lt_bits_f32(size) + 16384.0f) & 0xFu;
    }
    return (uint8_t)(sign | r);
}
/* Two E4M3 in a word, the first in the low byte. */
uint32_t lt_round_e4m3x2(float low, float high); /* device.cpp: devices before 8.9 trap */

static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
#define __expf(x) expf(x) /* the C library has declared these names */
#define __logf(x) logf(x)
static inline float __fdividef(float a, float b) { return a / b; }

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline float __uint_as_float(unsigned x) { return lt_bits_f32(x); }
static inline unsigned __float_as_uint(float x) { return lt_f32_bits(x); }

#define LT_EMU_MIN_MAX(T)                                                                                                                  \
    static inline T min(T a, T b) { return a < b ? a : b; }                                                                                \
    static inline T max(T a, T b) { return a > b ? a : b; }
LT_EMU_MIN_MAX(int)
LT_EMU_MIN_MAX(unsigned)
LT_EMU_MIN_MAX(long)
LT_EMU_MIN_MAX(unsigned long)
LT_EMU_MIN_MAX(long long)
LT_EMU_MIN_MAX(unsigned long long)
#undef LT_EMU_MIN_MAX

} // namespace lt_space_emulated
