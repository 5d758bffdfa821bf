/* The next token from its scores; see sample.h.
 *
 * What is dropped depends on the order of the scores, of which only the edge matters: it is selected, not found by sorting, so that a vocabulary of a
 * quarter million is not sorted for a nucleus of ten, and words that cannot be in it are not even copied.  What stays is a value and how many tokens that
 * have just this value stay, the first of them by id; then the draw walks over the vocabulary by id.  So two scores that swap places by a rounding change
 * nothing but the edge of a share. */
#include "model/sample.h"

#include "base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SORTED = 256, LANES = 4 };

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

/* The largest of every few scores, so that who looks for large ones passes over the rest. */
enum { MOST_BLOCKS = 1024 };
typedef struct blocks {
    const float *score;
    int64_t n, size; /* scores; of a block */
    float max[MOST_BLOCKS];
} blocks;

static int64_t block_end(const blocks *b, int64_t i) { return i + b->size < b->n ? i + b->size : b->n; }

static void make_blocks(blocks *b, const float *score, int64_t n) {
    *b = (blocks){.score = score, .n = n, .size = (n + MOST_BLOCKS - 1) / MOST_BLOCKS};
    for (int64_t i = 0; i < n; i += b->size) {
        float most[LANES] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
        int64_t j = i, end = block_end(b, i);
        for (; j + LANES <= end; j += LANES)
            for (int l = 0; l < LANES; l++) most[l] = score[j + l] > most[l] ? score[j + l] : most[l];
        for (; j < end; j++) most[0] = score[j] > most[0] ? score[j] : most[0];
        for (int l = 1; l < LANES; l++) most[0] = most[l] > most[0] ? most[l] : most[0];
        b->max[i / b->size] = most[0];
    }
}

/* The first place from i on whose score is at least value; n = none is. */
static int64_t next_of(const blocks *b, int64_t i, float value) {
    while (i < b->n) {
        if (b->score[i] >= value) return i; /* where most are */
        int64_t block = i / b->size, end = block_end(b, block * b->size);
        if (b->max[block] >= value)
            for (; i < end; i++)
                if (b->score[i] >= value) return i;
        i = end;
    }
    return b->n;
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

enum { BLOCK = 256 }; /* BLOCK: additions of a lane in fp32, of numbers up to 1, before they go into a double */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t whole __attribute__((vector_size(LANES * sizeof(int32_t))));

/* exp(x) for x <= 0, 0 below -80 and of NaN: a power of two by its exponent bits, times exp of the rest, |rest| <= ln(2) / 2, by its series to the 7th power
 * (1e-8 of the value; sums of products in fp32 leave 3e-7). */
static lanes exp_lanes(lanes x) {
    const lanes low = x - x - 80;
    const whole seen = x > low; /* -1 = yes */
    x = (lanes)((whole)x & seen);
    const lanes t = x * 1.44269504F - 0.5F;
    const whole n = __builtin_convertvector(t, whole); /* towards 0, which is the nearest of x / ln 2 */
    const lanes k = __builtin_convertvector(n, lanes),
                r = (x - k * 0.693359375F) + k * 2.12194440e-4F; /* ln 2 in two parts: k times the first is exact */
    lanes p = r * (1.0F / 5040) + 1.0F / 720;
    p = p * r + 1.0F / 120;
    p = p * r + 1.0F / 24;
    p = p * r + 1.0F / 6;
    p = p * r + 0.5F;
    p = p * r + 1;
    p = p * r + 1;
    return (lanes)((whole)((lanes)((n + 127) << 23) * p) & seen);
}

/* Sum of the weights of x [n], which is all of a vocabulary and each time: in fp32, a few at a time, to 1e-6. */
static double total_weight(const lt_sampling *s, const float *x, int64_t n, float top) {
    const float scale = (float)(1 / s->temperature);
    double total = 0;
    for (int64_t from = 0; from < n; from += BLOCK * LANES) {
        lanes sum = {0};
        int64_t to = from + BLOCK * LANES < n ? from + BLOCK * LANES : n;
        for (int64_t i = from; i < to; i += LANES) {
            lanes v;
            if (i + LANES <= to) {
                memcpy(&v, x + i, sizeof v);
            } else {
                for (int64_t j = 0; j < LANES; j++) v[j] = i + j < to ? x[i + j] : -INFINITY;
            }
            sum += exp_lanes((v - top) * scale);
        }
        for (int j = 0; j < LANES; j++) total += (double)sum[j];
    }
    return total;
}

/* x [n] so that the first *more are above the pivot and the next *same equal it (Dijkstra's flag). */
static void divide(float *x, int64_t n, float pivot, int64_t *more, int64_t *same) {
    int64_t lo = 0, i = 0, hi = n;
    while (i < hi) {
        float t = x[i];
        if (t > pivot) {
            x[i++] = x[lo];
            x[lo++] = t;
        } else if (t < pivot) {
            x[i] = x[--hi];
            x[hi] = t;
        } else {
            i++;
        }
    }
    *more = lo;
    *same = hi - lo;
}

static float middle(float a, float b, float c) { return a > b ? (b > c ? b : a > c ? c : a) : a > c ? a : b > c ? c : b; }

/* Those of x [n] (any order; reordered) that hold share top_p of `total`, the best first: the first whose betters hold it already goes.  A selection by weight:
 * of the parts above and below a pivot only one is looked at again, and a few are sorted at last. */
static cut nucleus(const lt_sampling *s, float *x, int64_t n, float top, double total) {
    double goal = s->top_p * total, sum = 0; /* of those before lo */
    int64_t lo = 0, hi = n, more, same, equal = 0;
    while (hi - lo > SORTED) {
        float pivot = middle(x[lo], x[lo + (hi - lo) / 2], x[hi - 1]);
        divide(x + lo, hi - lo, pivot, &more, &same);
        double above = total_weight(s, x + lo, more, top), each = weight(s, pivot, top);
        if (sum + above >= goal && more > 0) {
            hi = lo + more;
            continue;
        }
        sum += above;
        for (equal = 0; equal < same && (sum < goal || lo + more + equal == 0); equal++) sum += each;
        if (sum >= goal) return (cut){pivot, equal};
        if (lo + more + same == hi) return (cut){pivot, same};
        lo += more + same;
        equal = 0;
    }
    qsort(x + lo, (size_t)(hi - lo), sizeof *x, descending);
    for (int64_t i = lo; i < hi; i++) {
        if (i > lo && sum >= goal) return (cut){x[i - 1], equal};
        equal = i > lo && x[i] == x[i - 1] ? equal + 1 : 1;
        sum += weight(s, x[i], top);
    }
    return (cut){x[hi - 1], equal};
}

/* What top_k and top_p leave; work [n] is scratch. */
static cut find_cut(const lt_sampling *s, const blocks *b, float top, float *work) {
    const float *score = b->score;
    int64_t n = b->n, kept = 0;
    cut c = {-INFINITY, n};
    if (s->top_k > 0 && s->top_k < n) {
        for (int64_t i = 0; i < n; i++) work[i] = isnan(score[i]) ? -INFINITY : score[i];
        select_top(work, n, s->top_k);
        c.value = work[0];
        for (int64_t i = 1; i < s->top_k; i++) c.value = work[i] < c.value ? work[i] : c.value;
    }
    if (s->top_p >= 1) return c;
    if (s->top_k > 0 && s->top_k < n) {
        for (int64_t i = 0; (i = next_of(b, i, c.value)) < n; i++) work[kept++] = score[i];
        return nucleus(s, work, kept, top, total_weight(s, work, kept, top));
    }
    /* Words that have less than a share of 1 - top_p, divided by n, have less than 1 - top_p together: no nucleus needs them.  Half of it, for roundings. */
    double total = total_weight(s, score, n, top);
    float least = (float)((double)top + s->temperature * log(0.5 * (1 - s->top_p) * total / (double)n));
    for (int64_t i = 0; (i = next_of(b, i, least)) < n; i++) work[kept++] = score[i];
    return nucleus(s, work, kept, top, total);
}

/* The next word in order of ids; *equal counts those of the edge. */
static bool stays(const cut *c, float score, int64_t *equal) { return score > c->value || (score == c->value && (*equal)++ < c->equal); }

int64_t lt_sample(const lt_sampling *s, const float *score, int64_t n, uint64_t prompt, uint32_t place, float *work) {
    blocks b;
    if (s->temperature == 0) return lt_sample_best(score, n);
    make_blocks(&b, score, n);
    float top = b.max[0];
    for (int64_t i = 1; i < (n + b.size - 1) / b.size; i++) top = b.max[i] > top ? b.max[i] : top;
    int64_t best = top > -INFINITY ? next_of(&b, 0, top) : -1, equal = 0;
    if (best < 0 || isinf(top)) return best;
    cut c = find_cut(s, &b, top, work);
    double total = 0;
    int64_t kept = 0, drawn = -1;
    for (int64_t i = 0; (i = next_of(&b, i, c.value)) < n; i++)
        if (stays(&c, score[i], &equal)) {
            work[kept] = (float)weight(s, score[i], top);
            total += (double)work[kept++];
        }
    lt_rng r = {.seed = s->seed, .purpose = LT_RNG_TOKEN};
    double left = total * lt_rng_uniform(&r, prompt, place);
    for (int64_t j = 0; j < kept; j++) {
        if (work[j] == 0) continue;
        drawn = j;
        left -= (double)work[j];
        if (left < 0) break;
    }
    equal = 0;
    for (int64_t i = 0; (i = next_of(&b, i, c.value)) < n; i++)
        if (stays(&c, score[i], &equal) && drawn-- == 0) return i;
    return best;
}
