#pragma once
/* What the CPU back end makes of the processor it runs on: level of instruction sets, and the faster element type.
 *
 * Kernels exist once for each of the levels that were built (cpu/levels.cmake), and the best that the CPU has is taken at the first use.  oneDNN
 * chooses by itself.  Levels round differently (fused multiply-add, order of sums), and ranks mirror updates instead of sending them, so a
 * program of several ranks gives all of them the lowest level among them (lt_cpu_use) before it computes.
 *
 * Environment: LT_CPU = name of a level: this one although the CPU has more; oneDNN keeps to it too (tests; to compute as another node does). */

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* In rising order; each has all that those below have.  The last two use the kernels of V4: only products of bf16 tell them apart, oneDNN's
 * and those of few rows. */
typedef enum lt_cpu_level { LT_CPU_V1, LT_CPU_V3, LT_CPU_V4, LT_CPU_V4_BF16, LT_CPU_V4_AMX, LT_CPU_LEVELS } lt_cpu_level;

/* Local.  FORMAT-free check that this CPU runs one of the levels built, and that LT_CPU names one that it has; the message names the missing instruction
 * set.  Calls no code compiled for more than the compiler's default CPU, and no library.  Errors: ARG. */
lt_status lt_cpu_check(void);
/* Local.  The level computed with. */
lt_cpu_level lt_cpu_level_now(void);
/* Local.  "x86-64-v3" and so on. */
const char *lt_cpu_level_name(lt_cpu_level level);
/* Local.  Names of the levels whose kernels are in this program, as "x86-64, x86-64-v3". */
const char *lt_cpu_levels_built(void);
/* Local.  Computes with this level from now on; it must not be above what the CPU has.  Errors: INTERNAL (lower than before, and matrix products were
 * made already). */
lt_status lt_cpu_use(lt_cpu_level level);

/* Local.  Times one real layer shape in f32 and bf16, by turns (80 ms in all, large layers more): LT_BF16 unless its median is more than 10 % slower;
 * LT_F32 where bf16 has no hardware path.
 *   rows, N, K: a typical product.  f32_gflops, bf16_gflops: out, by the medians, may be NULL (0 = not available).  Errors: NOMEM, INTERNAL. */
lt_status lt_cpu_probe_dtype(int threads, int64_t rows, int64_t N, int64_t K, lt_dtype *best, double *f32_gflops, double *bf16_gflops);
/* Local.  The median speed of this type alone, with or without a hardware path.  gflops: out.  Errors: NOMEM, INTERNAL. */
lt_status lt_cpu_probe_speed(int threads, int64_t rows, int64_t N, int64_t K, lt_dtype dt, double *gflops);

#ifdef __cplusplus
}
#endif
