#pragma once
/* Counter-based random numbers (Philox4x32-10; Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * A number is a pure function of (seed, purpose, a, b, c): there is no state to save, ranks and layouts cannot diverge, and a resumed run
 * draws the same numbers.  `purpose` keeps uses apart; a, b, c are what the use counts, e.g. (trial, step, sample). */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lt_rng_purpose {
    LT_RNG_INIT = 1,
    LT_RNG_SHUFFLE,
    LT_RNG_NEGATIVE,
    LT_RNG_DROPOUT,
    LT_RNG_SAMPLE,
    LT_RNG_TEST,
    LT_RNG_TOKEN,
    LT_RNG_PROBE
} lt_rng_purpose;

typedef struct lt_rng {
    uint64_t seed;
    uint32_t purpose;
    uint32_t a; /* e.g. parameter or epoch number */
} lt_rng;

/* Local.  128 random bits for counter (b, c). */
void lt_rng_block(const lt_rng *r, uint64_t b, uint32_t c, uint32_t out[4]);
/* Local.  64 random bits. */
uint64_t lt_rng_u64(const lt_rng *r, uint64_t b, uint32_t c);
/* Local.  Uniform in [0, 1), 53 bits. */
double lt_rng_uniform(const lt_rng *r, uint64_t b, uint32_t c);
/* Local.  Standard normal (Box-Muller on one block). */
double lt_rng_normal(const lt_rng *r, uint64_t b, uint32_t c);
/* Local.  Uniform integer in [0, n), without modulo bias beyond 2^-64; n > 0. */
uint64_t lt_rng_below(const lt_rng *r, uint64_t n, uint64_t b, uint32_t c);
/* Local.  perm[0..n) := a random permutation of 0..n-1 (Fisher-Yates); caller-owned. */
void lt_rng_permutation(const lt_rng *r, int64_t n, int64_t *perm);

#ifdef __cplusplus
}
#endif
