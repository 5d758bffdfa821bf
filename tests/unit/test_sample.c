// TEST rooms: model  labels: unit  timeout: 60
/* The next token from its scores: draws are distributed as the softmax of what temperature, top_k and top_p leave (chi-square), which a plain computation by
 * sorting says too; edges; and what a draw depends on. */
#include "lt_test.h"

#include "base/rng.h"
#include "model/sample.h"

enum { SMALL = 12, DRAWS = 20000, LARGE = 5000 };

/* ---- what stays, by sorting ---- */

typedef struct ranked {
    double score;
    int64_t id;
} ranked;

static int by_score(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    return x->score > y->score ? -1 : x->score < y->score ? 1 : x->id < y->id ? -1 : 1;
}

/* Probabilities by the rules of transformers: divide by the temperature, drop scores below the k-th, drop tokens whose betters hold top_p already. */
static void probabilities(const lt_sampling *s, const float *score, int64_t n, double *p) {
    ranked *r = malloc((size_t)n * sizeof *r);
    double total = 0, before = 0;
    int64_t k = s->top_k > 0 && s->top_k < n ? s->top_k : n;
    for (int64_t i = 0; i < n; i++) r[i] = (ranked){(double)score[i] / s->temperature, i};
    qsort(r, (size_t)n, sizeof *r, by_score);
    while (k < n && r[k].score == r[k - 1].score) k++;
    for (int64_t i = 0; i < n; i++) p[i] = 0;
    for (int64_t i = 0; i < k; i++) total += exp(r[i].score - r[0].score);
    double kept = 0;
    for (int64_t i = 0; i < k; i++) {
        double w = exp(r[i].score - r[0].score) / total;
        if (i == 0 || s->top_p >= 1 || before < s->top_p) kept += p[r[i].id] = w;
        before += w;
    }
    for (int64_t i = 0; i < n; i++) p[i] /= kept;
    free(r);
}

/* Chi-square of DRAWS draws against p, in standard deviations of its mean; infinite where something without probability was drawn. */
static double surprise(const lt_sampling *s, const float *score, int64_t n, const double *p) {
    int64_t *count = calloc((size_t)n, sizeof *count), free_counts = -1;
    float *work = malloc((size_t)n * sizeof *work);
    double chi = 0;
    for (int i = 0; i < DRAWS; i++) count[lt_sample(s, score, n, (uint64_t)i / 100, (uint32_t)i % 100, work)]++;
    for (int64_t i = 0; i < n; i++) {
        if (p[i] == 0 && count[i] > 0) chi = INFINITY;
        if (p[i] * DRAWS < 5) continue;
        free_counts++;
        chi += pow((double)count[i] - p[i] * DRAWS, 2) / (p[i] * DRAWS);
    }
    free(work);
    free(count);
    return free_counts > 0 ? (chi - (double)free_counts) / sqrt(2 * (double)free_counts) : chi;
}

static const double limit = 5; /* standard deviations */

static void check_draws(const float *score, int64_t n) {
    static const lt_sampling ways[] = {{.temperature = 1, .top_p = 1},
                                       {.temperature = 0.5, .top_p = 1},
                                       {.temperature = 2, .top_p = 1, .top_k = 4},
                                       {.temperature = 1, .top_p = 0.6},
                                       {.temperature = 1.5, .top_p = 0.8, .top_k = 5},
                                       {.temperature = 1, .top_p = 0.999},
                                       {.temperature = 1, .top_p = 1, .top_k = 1000000}};
    double *p = malloc((size_t)n * sizeof *p);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        lt_sampling s = ways[i];
        s.seed = 11 + i;
        probabilities(&s, score, n, p);
        double d = surprise(&s, score, n, p);
        TEST_REPORT(d < limit, "temperature %g, top_p %g, top_k %d: draws are %.1f standard deviations off", s.temperature, s.top_p,
                    (int)s.top_k, d);
        /* negative control: a warmer softmax is seen */
        lt_sampling other = s;
        other.temperature *= 1.5;
        probabilities(&other, score, n, p);
        CHECK(surprise(&s, score, n, p) > limit);
    }
    free(p);
}

/* Of many words: what is drawn is in the set that sorting gives, and its edge is drawn too where the set is small. */
static void check_sets(const float *score, int64_t n) {
    double *p = malloc((size_t)n * sizeof *p);
    float *work = malloc((size_t)n * sizeof *work);
    for (int i = 0; i < 60; i++) {
        lt_sampling s = {
            .temperature = 0.5 + 0.1 * (i % 7), .top_p = i % 3 ? 0.03 * (1 + i % 30) : 1, .top_k = i % 4 ? 7 * i * i : 0, .seed = 3};
        int outside = 0;
        probabilities(&s, score, n, p);
        for (uint32_t k = 0; k < 200; k++) outside += p[lt_sample(&s, score, n, (uint64_t)i, k, work)] == 0;
        CHECK_INT(outside, 0);
    }
    free(p);
    free(work);
}

static void check_edges(const float *score) {
    float work[SMALL], same[4] = {2, 2, 2, 2}, odd[4] = {NAN, 1, 3, NAN}, none[2] = {NAN, -INFINITY}, endless[3] = {0, INFINITY, 1};
    int64_t best = lt_sample_best(score, SMALL), seen[4] = {0};
    const lt_sampling only_best[] = {{.temperature = 0, .top_p = 1},
                                     {.temperature = 1e-300, .top_p = 1},
                                     {.temperature = 1e-6, .top_p = 1},
                                     {.temperature = 1, .top_p = 0},
                                     {.temperature = 1, .top_p = 1e-12},
                                     {.temperature = 1, .top_p = 1, .top_k = 1},
                                     {.temperature = 0, .top_p = 0.5, .top_k = 3}};
    for (size_t i = 0; i < sizeof only_best / sizeof *only_best; i++)
        for (uint32_t k = 0; k < 50; k++) CHECK_INT(lt_sample(&only_best[i], score, SMALL, 0, k, work), best);
    CHECK_INT(lt_sample_best(same, 4), 0); /* of equals the first */
    lt_sampling plain = {.temperature = 1, .top_p = 1};
    CHECK_INT(lt_sample_best(odd, 4), 2);
    CHECK_INT(lt_sample_best(none, 2), -1);
    CHECK_INT(lt_sample(&plain, none, 2, 0, 0, work), -1);
    CHECK_INT(lt_sample(&plain, endless, 3, 0, 0, work), 1);
    for (uint32_t k = 0; k < 200; k++) {
        int64_t id = lt_sample(&(lt_sampling){.temperature = 1, .top_p = 0.9, .top_k = 2}, odd, 4, 0, k, work);
        CHECK(id == 1 || id == 2);
    }
    /* top_k keeps what equals the last; of equals at the edge of top_p the first stay: 0.5 of four is two */
    for (uint32_t k = 0; k < 400; k++) seen[lt_sample(&(lt_sampling){.temperature = 1, .top_p = 1, .top_k = 2}, same, 4, 0, k, work)]++;
    CHECK(seen[0] && seen[1] && seen[2] && seen[3]);
    memset(seen, 0, sizeof seen);
    for (uint32_t k = 0; k < 400; k++) seen[lt_sample(&(lt_sampling){.temperature = 1, .top_p = 0.5}, same, 4, 0, k, work)]++;
    CHECK(seen[0] && seen[1] && !seen[2] && !seen[3]);
    CHECK_INT(lt_sample(&plain, score, 1, 0, 0, work), 0);
}

/* A draw is a function of seed, prompt and place, and of nothing else. */
static void check_counter(const float *score) {
    lt_sampling s = {.temperature = 3, .top_p = 1, .seed = 5}, t = s;
    float work[SMALL];
    int same_prompt = 0, same_place = 0, same_seed = 0, again = 0;
    t.seed = 6;
    for (uint32_t k = 0; k < 300; k++) {
        int64_t id = lt_sample(&s, score, SMALL, 1, k, work);
        again += id == lt_sample(&s, score, SMALL, 1, k, work);
        same_prompt += id == lt_sample(&s, score, SMALL, 2, k, work);
        same_place += id == lt_sample(&s, score, SMALL, 1, k + 1, work);
        same_seed += id == lt_sample(&t, score, SMALL, 1, k, work);
    }
    CHECK_INT(again, 300);
    CHECK(same_prompt < 150 && same_place < 150 && same_seed < 150);
}

int main(void) {
    static float small[SMALL], large[LARGE];
    lt_rng r = {.seed = 4, .purpose = LT_RNG_TEST};
    for (int i = 0; i < SMALL; i++) small[i] = (float)lt_rng_normal(&r, (uint64_t)i, 0);
    for (int i = 0; i < LARGE; i++) large[i] = (float)(2 * rint(8 * lt_rng_normal(&r, (uint64_t)i, 1)) / 8); /* many equals */
    check_draws(small, SMALL);
    check_sets(large, LARGE);
    check_edges(small);
    check_counter(small);
    return test_end();
}
