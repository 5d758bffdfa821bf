// TEST rooms: train  labels: unit  timeout: 60
/* Metrics against seqeval 1.2.2 (2,000 random tag sequences with every kind of broken tag; CoNLL-2003 valid, where it is at hand) and scikit-learn, to 1e-12;
 * which labels are tags; and what judging an evaluation of CoNLL-2003 costs.  Golden: make_seqeval.py. */
#include "lt_test.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/h5.h"
#include "store/runlog.h"
#include "text_util.h"
#include "train/metrics.h"

static const double limit = 1e-12;
static hid_t golden = -1;

enum { MAX_NAMES = 16, CONLL_WORDS = 51362, MAX_TYPES = 8, SCORES = 4, MODES = 2 };

/* Lines of an attribute as a list of names; the text is the caller's. */
static int lines_of(const char *group, const char *key, char **text, const char *name[MAX_NAMES]) {
    hid_t g = -1;
    int n = 0;
    CHECK_OK(lt_h5_group(golden, group, &g));
    CHECK_OK(lt_h5_get_str(g, key, text));
    lt_h5_close(&g);
    for (char *p = *text, *line; (line = strsep(&p, "\n")) && n < MAX_NAMES;) name[n++] = line;
    return n;
}

static void *read_array(const char *path, lt_dtype dt, int n_dims, int64_t *dim) {
    void *p = NULL;
    for (int i = 0; i < n_dims; i++) dim[i] = -1;
    CHECK_OK(lt_h5_read(golden, path, dt, n_dims, dim, &p));
    if (!p) exit(1);
    return p;
}

/* What the golden says of a set of sequences. */
typedef struct expected {
    const double *types, *averages; /* [MODES, n_types, SCORES], [MODES, LT_AVERAGE_COUNT, SCORES] */
    const int64_t *broken;          /* [2] */
} expected;

static void note(double got, double want, double *worst) {
    double d = fabs(got - want);
    if (!(d <= *worst)) *worst = isnan(d) ? INFINITY : d;
}

static void note_scores(lt_scores s, int64_t support, const double *want, double *worst) {
    const double got[SCORES] = {s.precision, s.recall, s.f1, (double)support};
    for (int i = 0; i < SCORES; i++) note(got[i], want[i], worst);
}

/* Largest difference of what the counts come to; infinite where a type occurs on one side alone. */
static double differ(const lt_judge *j, const double *counts, const expected *e) {
    int64_t *detail = calloc((size_t)lt_judge_detail_elems(j), sizeof *detail);
    int n = j->tags.n_types;
    double worst = 0;
    lt_metrics m;
    lt_judge_detail(j, counts, detail);
    lt_judge_compute(j, counts, &m);
    const lt_detail d = lt_detail_view(j->K, n, detail);
    for (int mode = 0; mode < MODES; mode++) {
        const lt_hits *h = mode ? d.strict : d.entity;
        const double *average = e->averages + mode * LT_AVERAGE_COUNT * SCORES;
        for (int t = 0; t < n; t++) {
            const double *want = e->types + (mode * n + t) * SCORES;
            if (lt_hits_occur(h[t]) == isnan(want[0])) worst = INFINITY;
            if (!isnan(want[0])) note_scores(lt_scores_of(h[t]), h[t].truth, want, &worst);
        }
        for (int k = 0; k < LT_AVERAGE_COUNT; k++)
            note_scores(lt_scores_average((lt_average)k, h, n), lt_hits_sum(h, n).truth, average + k * SCORES, &worst);
    }
    const double *strict = e->averages + LT_AVERAGE_COUNT * SCORES;
    const double got[] = {m.precision,        m.recall,        m.f1,       m.micro_f1, m.macro_f1, m.weighted_f1,
                          m.precision_strict, m.recall_strict, m.f1_strict};
    const double want[] = {
        e->averages[0], e->averages[1], e->averages[2], e->averages[2], e->averages[SCORES + 2], e->averages[2 * SCORES + 2],
        strict[0],      strict[1],      strict[2]};
    for (size_t i = 0; i < sizeof got / sizeof *got; i++) note(got[i], want[i], &worst);
    note((double)m.broken_truth, (double)e->broken[0], &worst);
    note((double)m.broken_predicted, (double)e->broken[1], &worst);
    free(detail);
    return worst;
}

/* ---- random sequences ---- */

static void test_random(void) {
    char *text[2];
    const char *label[MAX_NAMES], *type[MAX_NAMES], *odd;
    lt_judge j;
    int K = lines_of("random", "labels", &text[0], label), n_types = lines_of("random", "types", &text[1], type);
    CHECK_OK(lt_judge_create(&lt_metric_tokens, label, K, &j, &odd));
    CHECK(odd == NULL && j.kind == &lt_metric_entities);
    CHECK_INT(j.tags.n_types, n_types);
    for (int t = 0; t < n_types; t++) CHECK_STR(j.tags.type[t], type[t]);
    int64_t dim[4], c[1], n = lt_judge_counts(&j);
    int64_t *offset = read_array("random/offsets", LT_I64, 1, dim), *chunk = read_array("random/chunks", LT_I64, 1, c);
    int32_t *truth = read_array("random/truth", LT_I32, 1, dim), *predicted = read_array("random/predicted", LT_I32, 1, dim);
    double *types = read_array("random/types_scores", LT_F64, 4, dim), *averages = read_array("random/averages", LT_F64, 4, dim);
    int64_t *broken = read_array("random/broken", LT_I64, 2, dim), chunks = c[0] - 1;
    double *counts = calloc((size_t)(2 * n), sizeof *counts), *all = counts + n, worst = 0, total, broke = 0, swapped = 0;
    CHECK_INT(chunk[chunks], 2000);
    for (int64_t k = 0; k <= chunks; k++) {
        expected e = {types + k * MODES * n_types * SCORES, averages + k * MODES * LT_AVERAGE_COUNT * SCORES, broken + 2 * k};
        if (k == chunks) {
            total = differ(&j, all, &e);
            TEST_REPORT(total <= limit, "all sequences: differ by %.3g", total);
            break;
        }
        memset(counts, 0, (size_t)n * sizeof *counts);
        for (int64_t s = chunk[k]; s < chunk[k + 1]; s++)
            lt_judge_add_tags(&j, counts, truth + offset[s], predicted + offset[s], offset[s + 1] - offset[s]);
        for (int64_t i = 0; i < n; i++) all[i] += counts[i];
        worst = fmax(worst, differ(&j, counts, &e));
        /* controls: the sides exchanged; another tag for one word */
        int32_t *one = &predicted[offset[chunk[k]] + (offset[chunk[k + 1]] - offset[chunk[k]]) / 2];
        memset(counts, 0, (size_t)n * sizeof *counts);
        for (int64_t s = chunk[k]; s < chunk[k + 1]; s++)
            lt_judge_add_tags(&j, counts, predicted + offset[s], truth + offset[s], offset[s + 1] - offset[s]);
        swapped += differ(&j, counts, &e) > limit;
        memset(counts, 0, (size_t)n * sizeof *counts);
        *one = *one == 1 ? 3 : 1; /* B-PER, or B-LOC */
        for (int64_t s = chunk[k]; s < chunk[k + 1]; s++)
            lt_judge_add_tags(&j, counts, truth + offset[s], predicted + offset[s], offset[s + 1] - offset[s]);
        broke += differ(&j, counts, &e) > limit;
    }
    printf("%lld chunks of random sequences: largest difference from seqeval %.2g (limit %.0e)\n", (long long)chunks, worst, limit);
    CHECK(worst <= limit);
    CHECK_INT(broke, chunks);
    CHECK(swapped > 0.9 * (double)chunks);
    free(counts);
    free(offset);
    free(chunk);
    free(truth);
    free(predicted);
    free(types);
    free(averages);
    free(broken);
    free(text[0]);
    free(text[1]);
    lt_judge_destroy(&j);
}

/* ---- CoNLL-2003 ---- */

/* Labels of the words of a file in CoNLL's form and the ends of its sentences; the number of words, -1 without the file. */
static int64_t read_conll(const lt_judge *j, const char *const *label, int32_t *truth, int64_t *end, int64_t *sentences) {
    char path[4200], line[512];
    const char *shared = text_shared();
    int64_t n = 0;
    (void)snprintf(path, sizeof path, "%s/data/conll2003/valid.txt", shared ? shared : "");
    FILE *f = shared ? fopen(path, "r") : NULL;
    if (!f) return -1;
    *sentences = 0;
    while (fgets(line, sizeof line, f)) {
        char *tag = strrchr(line, ' ');
        line[strcspn(line, "\n")] = 0;
        if (!tag) {
            if (n > (*sentences ? end[*sentences - 1] : 0)) end[(*sentences)++] = n;
            continue;
        }
        int k = 0;
        while (k < j->K && strcmp(label[k], tag + 1) != 0) k++;
        if (k == j->K || n == CONLL_WORDS) break;
        truth[n++] = k;
    }
    if (n > (*sentences ? end[*sentences - 1] : 0)) end[(*sentences)++] = n;
    fclose(f);
    return n;
}

/* Everything that judging costs: the counts of labels and of entities, and what they come to. */
static double judge_all(const lt_judge *j, const int32_t *truth, const int32_t *predicted, const int64_t *end, int64_t n, double *counts) {
    double t0 = lt_time_s();
    lt_metrics m;
    for (int64_t s = 0, i = 0; s < n; i = end[s++]) {
        for (int64_t w = i; w < end[s]; w++) lt_judge_add(j, counts, truth[w], predicted[w], 0.5);
        lt_judge_add_tags(j, counts, truth + i, predicted + i, end[s] - i);
    }
    lt_judge_compute(j, counts, &m);
    return lt_time_s() - t0;
}

static void test_conll(void) {
    static int32_t truth[CONLL_WORDS], predicted[CONLL_WORDS];
    static int64_t end[CONLL_WORDS];
    char *text[2];
    const char *label[MAX_NAMES], *type[MAX_NAMES], *odd;
    lt_judge j;
    int64_t dim[4], *size = read_array("conll/size", LT_I64, 1, dim), sentences = 0;
    int K = lines_of("conll", "labels", &text[0], label), n_types = lines_of("conll", "types", &text[1], type);
    CHECK_OK(lt_judge_create(&lt_metric_tokens, label, K, &j, &odd));
    CHECK_INT(j.tags.n_types, n_types);
    int64_t n = read_conll(&j, label, truth, end, &sentences);
    double *counts = calloc((size_t)lt_judge_counts(&j), sizeof *counts);
    double *types = read_array("conll/types_scores", LT_F64, 4, dim), *averages = read_array("conll/averages", LT_F64, 4, dim);
    int64_t *broken = read_array("conll/broken", LT_I64, 2, dim);
    bool there = n >= 0;
    if (!there) { /* the cost at least: random tags, sentences of 16 words */
        const lt_rng rng = {.seed = 3, .purpose = LT_RNG_TEST};
        for (n = 0; n < CONLL_WORDS; n++) {
            truth[n] = (int32_t)lt_rng_below(&rng, (uint64_t)K, (uint64_t)n, 0);
            if (n % 16 == 15 || n == CONLL_WORDS - 1) end[sentences++] = n + 1;
        }
        printf("comparison on CoNLL-2003 valid skipped: no data/conll2003/valid.txt in a folder with shared data (LT_SHARED)\n");
    }
    CHECK_INT(n, size[1]);
    for (uint32_t w = 0; w < CONLL_WORDS; w++) {
        uint32_t h = w * 2654435761u + 12345u;
        predicted[w] = h % 10 == 0 ? (int32_t)(h / 256 % 9) : truth[w];
    }
    double seconds = judge_all(&j, truth, predicted, end, sentences, counts);
    if (there) {
        expected e = {types, averages, broken};
        double worst = differ(&j, counts, &e);
        printf("CoNLL-2003 valid, %lld sentences, %lld words: largest difference from seqeval %.2g\n", (long long)sentences, (long long)n,
               worst);
        CHECK_INT(sentences, size[0]);
        CHECK(worst <= limit);
        memset(counts, 0, (size_t)lt_judge_counts(&j) * sizeof *counts);
        (void)judge_all(&j, truth, truth, end, sentences, counts);
        CHECK(differ(&j, counts, &e) > limit); /* control: without errors */
    }
    printf("judging %lld words: %.1f ms (limit 50)\n", (long long)n, 1e3 * seconds);
    CHECK(seconds < 0.05);
    free(size);
    free(counts);
    free(types);
    free(averages);
    free(broken);
    free(text[0]);
    free(text[1]);
    lt_judge_destroy(&j);
}

/* ---- labels of rows ---- */

static double rows_differ(const lt_judge *j, const int32_t *truth, const int32_t *predicted, int64_t n, const double *want) {
    double *counts = calloc((size_t)lt_judge_counts(j), sizeof *counts), worst = 0;
    lt_metrics m;
    for (int64_t i = 0; i < n; i++) lt_judge_add(j, counts, truth[i], predicted[i], 0.25);
    lt_judge_compute(j, counts, &m);
    const double got[] = {m.accuracy, m.mcc, m.precision, m.recall, m.f1, m.micro_f1, m.macro_f1, m.weighted_f1};
    for (size_t i = 0; i < sizeof got / sizeof *got; i++) note(got[i], want[i], &worst);
    note(m.loss, 0.25, &worst);
    note((double)m.n, (double)n, &worst);
    if (!isnan(m.f1_strict) || !isnan(m.token_f1)) worst = INFINITY;
    free(counts);
    return worst;
}

static void test_rows(void) {
    static const struct {
        const char *name;
        int K;
    } cases[] = {{"two", 2}, {"two_bad", 2}, {"five", 5}, {"absent", 6}, {"one_predicted", 3}, {"only_zero", 2}};
    const char *odd, *label[] = {"a", "b", "c", "d", "e", "f"};
    char path[64];
    int64_t n, eight;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        lt_judge j;
        CHECK_OK(lt_judge_create(&lt_metric_accuracy, label, cases[c].K, &j, &odd));
        (void)snprintf(path, sizeof path, "rows/%s/truth", cases[c].name);
        int32_t *truth = read_array(path, LT_I32, 1, &n);
        (void)snprintf(path, sizeof path, "rows/%s/predicted", cases[c].name);
        int32_t *predicted = read_array(path, LT_I32, 1, &n);
        (void)snprintf(path, sizeof path, "rows/%s/scores", cases[c].name);
        double *want = read_array(path, LT_F64, 1, &eight), worst = rows_differ(&j, truth, predicted, n, want);
        TEST_REPORT(eight == 8 && worst <= limit, "%s: differs from scikit-learn by %.3g", cases[c].name, worst);
        predicted[n / 2] = (predicted[n / 2] + 1) % 2;
        TEST_REPORT(rows_differ(&j, truth, predicted, n, want) > limit, "%s: another prediction is not seen", cases[c].name);
        free(truth);
        free(predicted);
        free(want);
        lt_judge_destroy(&j);
    }
}

static void test_confusion(void) {
    static const int32_t truth[] = {0, 0, 1, 2, 2, 2}, predicted[] = {0, 1, 1, 0, 2, 2};
    static const int64_t want[9] = {1, 1, 0, 0, 1, 0, 1, 0, 2};
    const char *odd, *label[LT_MAX_CONFUSION + 1];
    int64_t detail[9] = {0};
    lt_judge j;
    for (int k = 0; k <= LT_MAX_CONFUSION; k++) label[k] = "x";
    CHECK_OK(lt_judge_create(&lt_metric_mcc, label, 3, &j, &odd));
    double *counts = calloc((size_t)lt_judge_counts(&j), sizeof *counts);
    for (int i = 0; i < 6; i++) lt_judge_add(&j, counts, truth[i], predicted[i], 0);
    CHECK_INT(lt_judge_detail_elems(&j), 9);
    lt_judge_detail(&j, counts, detail);
    for (int i = 0; i < 9; i++) CHECK_INT(detail[i], want[i]);
    free(counts);
    CHECK_OK(lt_judge_create(&lt_metric_mcc, label, LT_MAX_CONFUSION, &j, &odd));
    CHECK_INT(lt_judge_detail_elems(&j), (int64_t)LT_MAX_CONFUSION * LT_MAX_CONFUSION);
    CHECK_OK(lt_judge_create(&lt_metric_mcc, label, LT_MAX_CONFUSION + 1, &j, &odd));
    CHECK_INT(lt_judge_detail_elems(&j), 0);
    counts = calloc((size_t)lt_judge_counts(&j), sizeof *counts);
    lt_judge_add(&j, counts, LT_MAX_CONFUSION, LT_MAX_CONFUSION, 0); /* stays in its room: a sanitizer would see */
    free(counts);
}

/* ---- which labels are tags ---- */

static int types_of(const char *const *label, int K, const char **odd) {
    lt_judge j;
    CHECK_OK(lt_judge_create(&lt_metric_tokens, label, K, &j, odd));
    int n = j.tags.n_types;
    CHECK((n > 0) == (j.kind == &lt_metric_entities));
    lt_judge_destroy(&j);
    return n;
}

static void test_labels(void) {
    const char *odd;
    CHECK_INT(types_of((const char *[]){"O", "I-PER", "I-LOC"}, 3, &odd), 2); /* IO */
    CHECK(odd == NULL);
    CHECK_INT(types_of((const char *[]){"B-X-Y", "I-X", "O", "B-X"}, 4, &odd), 2);
    CHECK_INT(types_of((const char *[]){"B", "I", "O", "B-_", "I-"}, 5, &odd), 1);
    CHECK_INT(types_of((const char *[]){"O"}, 1, &odd), 0);
    CHECK(odd == NULL);
    static const char *const none[] = {"PER", "NN", "Book", "o", "b-PER", "E-PER", "S-PER", "B-PER-", "B--PER", "BPER", ""};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        TEST_REPORT(types_of((const char *[]){"O", none[i], "B-PER"}, 3, &odd) == 0, "%s is taken for a tag", none[i]);
        CHECK_STR(odd, none[i]);
    }
    /* of plain labels: tokens alone, and nothing is counted of tags */
    lt_judge j;
    CHECK_OK(lt_judge_create(&lt_metric_tokens, (const char *[]){"NN", "VB"}, 2, &j, &odd));
    double counts[32] = {0};
    lt_metrics m;
    CHECK_INT(lt_judge_counts(&j), 3 * 2 + 1 + 4);
    lt_judge_add_tags(&j, counts, (int32_t[]){0, 1}, (int32_t[]){0, LT_TAG_NONE}, 2);
    for (int i = 0; i < 32; i++) CHECK(counts[i] == 0);
    lt_judge_add(&j, counts, 0, 0, 0);
    lt_judge_add(&j, counts, 1, 0, 0);
    lt_judge_compute(&j, counts, &m);
    CHECK_NEAR(m.f1, (2.0 / 3 + 0) / 2, limit); /* macro, also of two */
    CHECK(m.token_f1 == m.f1 && isnan(m.f1_strict) && m.broken_truth == -1);
    lt_judge_destroy(&j);
}

/* A word without a token: nothing was found in it, which ends a span before it; in the truth it may stand in the middle of one. */
static void test_lost_words(void) {
    enum { B, I, O };
    const char *odd, *label[] = {"B-X", "I-X", "O"};
    double counts[64] = {0};
    lt_metrics m;
    lt_judge j;
    CHECK_OK(lt_judge_create(&lt_metric_tokens, label, 3, &j, &odd));
    lt_judge_add_tags(&j, counts, (int32_t[]){B, I, O, B, I, B}, (int32_t[]){B, I, O, B, LT_TAG_NONE, LT_TAG_NONE}, 6);
    lt_judge_compute(&j, counts, &m);
    CHECK_NEAR(m.precision, 1.0 / 2, limit);
    CHECK_NEAR(m.recall, 1.0 / 3, limit);
    CHECK_NEAR(m.f1_strict, m.f1, limit);
    lt_judge_destroy(&j);
}

int main(void) {
    CHECK_OK(lt_h5_open(LT_GOLDEN "/seqeval.h5", &golden));
    if (golden < 0) return test_end();
    test_random();
    test_conll();
    test_rows();
    test_confusion();
    test_labels();
    test_lost_words();
    lt_h5_close(&golden);
    return test_end();
}
