#pragma once
/* The next token from its scores.
 *
 * temperature 0 takes the best, of equals the lowest id.  Otherwise scores are divided by the temperature, what top_k and top_p leave out is dropped, in
 * this order and by the rules of transformers' warpers, and one of the rest is drawn by its softmax.  The draw is a function of (seed, prompt, place): neither
 * batches nor ranks change it. */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_sampling {
    double temperature; /* >= 0 */
    double top_p;       /* 0 < top_p <= 1: the best tokens until they hold this share, at least one; 1 = all */
    int64_t top_k;      /* the k best, and what equals the last of them; 0 = all */
    uint64_t seed;
} lt_sampling;

/* Local.  Index of the largest of n > 0 scores, the first of equals; -1 if none is above minus infinity (NaN is not). */
int64_t lt_sample_best(const float *score, int64_t n);
/* Local.  One of n > 0 tokens.  prompt, place: which prompt, and which of its new tokens.  work: [n] scratch.  -1 if no score is a
 * number. */
int64_t lt_sample(const lt_sampling *s, const float *score, int64_t n, uint64_t prompt, uint32_t place, float *work);

#ifdef __cplusplus
}
#endif
