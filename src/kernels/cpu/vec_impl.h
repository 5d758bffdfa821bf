#pragma once
/* Private to the CPU back end: vectors of f32 as wide as the level's registers, in the compiler's own terms, so that a kernel is written once for all
 * levels. */

#include <stdint.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#ifdef __AVX512F__
enum { LT_VL = 16 };
#else
enum { LT_VL = 8 };
#endif
typedef float lt_vf __attribute__((vector_size(4 * LT_VL), may_alias));
typedef int32_t lt_vi __attribute__((vector_size(4 * LT_VL), may_alias));

static inline lt_vf lt_vf_load(const float *p) { return *(const lt_vf *)p; }
static inline void lt_vf_store(float *p, lt_vf v) { *(lt_vf *)p = v; }
static inline lt_vf lt_vf_set(float x) { return x - (lt_vf){0}; }
static inline lt_vf lt_vf_pick(lt_vi mask, lt_vf yes, lt_vf no) { return (lt_vf)((mask & (lt_vi)yes) | (~mask & (lt_vi)no)); }

/* In arrays of others: on no particular boundary. */
typedef lt_vf lt_vf_loose __attribute__((aligned(4)));
typedef uint16_t lt_vh_loose __attribute__((vector_size(2 * LT_VL), aligned(2), may_alias));
typedef lt_vi lt_vi_loose __attribute__((aligned(2)));
static inline lt_vi lt_vi_load_loose(const void *p) { return *(const lt_vi_loose *)p; }
static inline lt_vf lt_vf_load_loose(const float *p) { return *(const lt_vf_loose *)p; }
static inline lt_vf lt_vf_load_bf16(const uint16_t *p) {
#ifdef __AVX512F__ /* gcc 12 makes two halves of the conversion and joins them */
    return (lt_vf)((lt_vi)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p)) << 16);
#else
    return (lt_vf)(__builtin_convertvector(*(const lt_vh_loose *)p, lt_vi) << 16);
#endif
}

/* Keeps a vector in a register: left alone, gcc reads it again from memory for every use, and the loads become the limit. */
#ifdef __AVX__
#define LT_PIN(v) __asm__("" : "+x"(v))
#else
#define LT_PIN(v) ((void)0)
#endif

/* Lane 2i: a[i] + a[i + LT_VL / 2]; lane 2i + 1: the same of b. */
static inline lt_vf lt_vf_fold(lt_vf a, lt_vf b) {
#if !defined(__clang__) && __GNUC__ < 12
    lt_vf v;
    for (int i = 0; i < LT_VL / 2; i++) {
        v[2 * i] = a[i] + a[i + LT_VL / 2];
        v[2 * i + 1] = b[i] + b[i + LT_VL / 2];
    }
    return v;
#elif defined(__AVX512F__)
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23) +
           __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#else
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11) + __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#endif
}

/* sum[i] += a[2i] b[2i] + a[2i + 1] b[2i + 1] of bf16 numbers, by the dot product of AVX512-BF16.  Units of levels are compiled without that instruction set,
 * which the highest of them may or may not meet, hence the assembler; who calls has asked lt_cpu_level_now() (LT_CPU_V4_BF16). */
#ifdef __AVX512F__
static inline lt_vf lt_vf_dot_bf16(lt_vf sum, lt_vi a, lt_vi b) {
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}
enum { LT_VF_DOTS_BF16 = 1 };
#else /* never reached */
static inline lt_vf lt_vf_dot_bf16(lt_vf sum, lt_vi a, lt_vi b) { return sum; }
enum { LT_VF_DOTS_BF16 = 0 };
#endif
