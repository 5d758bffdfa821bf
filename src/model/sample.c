/* The next token from its scores; see sample.h.
 *
 * What is dropped depends on the order of the scores, of which only the top matters: it is selected and sorted in growing pieces, so that a vocabulary of a
 * quarter million is not sorted for a nucleus of ten.  What stays is a value and how many tokens that have just this value stay, the first of them by id; then
 * the draw walks over the vocabulary by id.  So two scores that swap places by a rounding change nothing but the edge of a share. */
#include "model/sample.h"

#include "base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { FIRST_PIECE = 64, GROWTH = 8 };

/* Tokens above `value` stay, and the first `equal` of those that have it. */
typedef struct cut {
    float value;
    int64_t equal;
} cut;

int64_t lt_sample_best(const float *score, int64_t n) {
    int64_t best = -1;
    float top = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (score[i] > top) {
            top = score[i];
            best = i;
        }
    return best;
}

/* Moves the k largest of x to its front, in any order (Hoare 1961). */
static void select_top(float *x, int64_t n, int64_t k) {
    for (int64_t lo = 0, hi = n - 1; lo < hi;) {
        float pivot = x[lo + (hi - lo) / 2];
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (x[i] > pivot) i++;
            while (x[j] < pivot) j--;
            if (i > j) break;
            float t = x[i];
            x[i++] = x[j];
            x[j--] = t;
        }
        if (k - 1 <= j)
            hi = j;
        else if (k - 1 >= i)
            lo = i;
        else
            return;
    }
}

static int descending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static double weight(const lt_sampling *s, float score, float top) { return exp(((double)score - (double)top) / s->temperature); }

/* Those of x [n] (any order; reordered) that hold share top_p of their weights, the best first: the first whose betters hold it already goes. */
static cut nucleus(const lt_sampling *s, float *x, int64_t n, float top) {
    double total = 0, sum = 0;
    int64_t equal = 0;
    for (int64_t i = 0; i < n; i++) total += weight(s, x[i], top);
    for (int64_t from = 0, to = FIRST_PIECE; from < n; from = to, to *= GROWTH) {
        if (to > n) to = n;
        select_top(x + from, n - from, to - from);
        qsort(x + from, (size_t)(to - from), sizeof *x, descending);
        for (int64_t i = from; i < to; i++) {
            if (i > 0 && sum >= s->top_p * total) return (cut){x[i - 1], equal};
            equal = i > 0 && x[i] == x[i - 1] ? equal + 1 : 1;
            sum += weight(s, x[i], top);
        }
    }
    return (cut){x[n - 1], equal};
}

/* What top_k and top_p leave; work [n] is scratch. */
static cut find_cut(const lt_sampling *s, const float *score, int64_t n, float top, float *work) {
    cut c = {-INFINITY, n};
    int64_t kept = 0;
    if (s->top_k > 0 && s->top_k < n) {
        for (int64_t i = 0; i < n; i++) work[i] = isnan(score[i]) ? -INFINITY : score[i];
        select_top(work, n, s->top_k);
        c.value = work[0];
        for (int64_t i = 1; i < s->top_k; i++) c.value = work[i] < c.value ? work[i] : c.value;
    }
    if (s->top_p >= 1) return c;
    for (int64_t i = 0; i < n; i++)
        if (score[i] >= c.value) work[kept++] = score[i];
    return nucleus(s, work, kept, top);
}

int64_t lt_sample(const lt_sampling *s, const float *score, int64_t n, uint64_t prompt, uint32_t place, float *work) {
    int64_t best = lt_sample_best(score, n), last = best, equal = 0;
    if (best < 0 || s->temperature == 0 || isinf(score[best])) return best;
    float top = score[best];
    cut c = find_cut(s, score, n, top, work);
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        bool stays = score[i] > c.value || (score[i] == c.value && equal++ < c.equal);
        work[i] = stays ? (float)weight(s, score[i], top) : 0;
        total += (double)work[i];
    }
    lt_rng r = {.seed = s->seed, .purpose = LT_RNG_TOKEN};
    double left = total * lt_rng_uniform(&r, prompt, place);
    for (int64_t i = 0; i < n; i++) {
        if (work[i] == 0) continue;
        last = i;
        left -= (double)work[i];
        if (left < 0) break;
    }
    return last;
}
