/* Metrics; see metrics.h.  R_K: Gorodkin 2004, computed from the marginals: (c n - sum_k p_k t_k) / sqrt((n^2 - sum p_k^2)(n^2 - sum t_k^2)). */
#include "train/metrics.h"

#include "base/config.h"
#include "store/runlog.h"

#include <math.h>
#include <stdio.h>

/* ---- counts ---- */

/* Where the parts begin. */
static int64_t loss_at(const lt_judge *j) { return 3 * (int64_t)j->K; }
static int64_t tags_at(const lt_judge *j) { return loss_at(j) + 1; }
static int64_t confusion_at(const lt_judge *j) { return tags_at(j) + lt_tagset_counts(&j->tags); }
static int64_t confusion_elems(const lt_judge *j) { return lt_detail_confusion_elems(j->K); }

int64_t lt_judge_counts(const lt_judge *j) { return confusion_at(j) + confusion_elems(j); }

void lt_judge_add(const lt_judge *j, double *counts, int truth, int predicted, double loss) {
    counts[3 * truth]++;
    counts[3 * predicted + 1]++;
    if (truth == predicted) counts[3 * truth + 2]++;
    counts[loss_at(j)] += loss;
    if (confusion_elems(j)) counts[confusion_at(j) + (int64_t)truth * j->K + predicted]++;
}

void lt_judge_add_tags(const lt_judge *j, double *counts, const int32_t *truth, const int32_t *predicted, int64_t n) {
    if (j->tags.n_types) lt_tagset_count(&j->tags, truth, predicted, n, counts + tags_at(j));
}

static void to_integers(const double *in, int64_t n, int64_t *out) {
    for (int64_t i = 0; i < n; i++) out[i] = (int64_t)in[i];
}

int64_t lt_judge_detail_elems(const lt_judge *j) { return lt_detail_elems(j->K, j->tags.n_types); }

void lt_judge_detail(const lt_judge *j, const double *counts, int64_t *detail) {
    int64_t entities = 6 * (int64_t)j->tags.n_types;
    to_integers(counts + tags_at(j), entities, detail);
    to_integers(counts + confusion_at(j), confusion_elems(j), detail + entities);
}

/* ---- metrics ---- */

static lt_hits hits_at(const double *counts, int64_t k) {
    return (lt_hits){(int64_t)counts[3 * k], (int64_t)counts[3 * k + 1], (int64_t)counts[3 * k + 2]};
}

static void of_rows(const lt_hits *h, int K, lt_metrics *out) {
    double n = 0, correct = 0, cross = 0, pp = 0, tt = 0;
    for (int k = 0; k < K; k++) {
        double truth = (double)h[k].truth, predicted = (double)h[k].predicted;
        n += truth;
        correct += (double)h[k].right;
        cross += truth * predicted;
        pp += predicted * predicted;
        tt += truth * truth;
    }
    double denominator = sqrt((n * n - pp) * (n * n - tt));
    out->n = (int64_t)n;
    out->accuracy = n > 0 ? correct / n : 0;
    out->mcc = denominator > 0 ? (correct * n - cross) / denominator : 0;
}

/* The averages over classes; what precision, recall and F1 by themselves are. */
static void averages(const lt_hits *h, int64_t n, lt_scores main, lt_metrics *out) {
    out->micro_f1 = lt_scores_average(LT_AVERAGE_MICRO, h, n).f1;
    out->macro_f1 = lt_scores_average(LT_AVERAGE_MACRO, h, n).f1;
    out->weighted_f1 = lt_scores_average(LT_AVERAGE_WEIGHTED, h, n).f1;
    out->precision = main.precision;
    out->recall = main.recall;
    out->f1 = main.f1;
}

static void of_entities(const lt_judge *j, const double *counts, lt_metrics *out) {
    lt_hits h[2][LT_MAX_LABELS];
    int64_t n = j->tags.n_types;
    for (int64_t k = 0; k < 2 * n; k++) h[k / n][k % n] = hits_at(counts, k);
    lt_scores strict = lt_scores_average(LT_AVERAGE_MICRO, h[1], n);
    averages(h[0], n, lt_scores_average(LT_AVERAGE_MICRO, h[0], n), out);
    out->precision_strict = strict.precision;
    out->recall_strict = strict.recall;
    out->f1_strict = strict.f1;
    out->broken_truth = (int64_t)counts[6 * n];
    out->broken_predicted = (int64_t)counts[6 * n + 1];
}

void lt_judge_compute(const lt_judge *j, const double *counts, lt_metrics *out) {
    lt_hits h[LT_MAX_LABELS];
    for (int k = 0; k < j->K; k++) h[k] = hits_at(counts, k);
    lt_scores macro = lt_scores_average(LT_AVERAGE_MACRO, h, j->K);
    *out = (lt_metrics){.precision_strict = NAN,
                        .recall_strict = NAN,
                        .f1_strict = NAN,
                        .token_f1 = j->kind->tokens ? macro.f1 : NAN,
                        .broken_truth = -1,
                        .broken_predicted = -1};
    of_rows(h, j->K, out);
    out->loss = out->n > 0 ? counts[loss_at(j)] / (double)out->n : 0;
    if (j->tags.n_types)
        of_entities(j, counts + tags_at(j), out);
    else
        averages(h, j->K, j->K == 2 && !j->kind->tokens ? lt_scores_of(h[1]) : macro, out);
}

/* ---- kinds ---- */

static bool better(double now, double best, const lt_metrics *n, const lt_metrics *b) {
    return now > best || (now == best && n->loss < b->loss);
}
static bool by_accuracy(const lt_metrics *n, const lt_metrics *b) { return better(n->accuracy, b->accuracy, n, b); }
static bool by_mcc(const lt_metrics *n, const lt_metrics *b) { return better(n->mcc, b->mcc, n, b); }
static bool by_f1(const lt_metrics *n, const lt_metrics *b) { return better(n->f1, b->f1, n, b); }

#define COLUMN(name)                                                                                                                       \
    { #name, offsetof(lt_metrics, name), false }
#define BRIEF(name)                                                                                                                        \
    { #name, offsetof(lt_metrics, name), true }
static const lt_metric_column sequences[] = {BRIEF(accuracy), BRIEF(mcc),       BRIEF(f1),        BRIEF(loss),        COLUMN(precision),
                                             COLUMN(recall),  COLUMN(micro_f1), COLUMN(macro_f1), COLUMN(weighted_f1)};
static const lt_metric_column tokens[] = {BRIEF(accuracy), BRIEF(mcc),       BRIEF(f1),        BRIEF(loss),         COLUMN(precision),
                                          COLUMN(recall),  COLUMN(micro_f1), COLUMN(macro_f1), COLUMN(weighted_f1), COLUMN(token_f1)};
static const lt_metric_column entities[] = {
    BRIEF(accuracy),  COLUMN(mcc),      BRIEF(f1),           BRIEF(loss),      BRIEF(precision),         BRIEF(recall),
    COLUMN(micro_f1), COLUMN(macro_f1), COLUMN(weighted_f1), BRIEF(f1_strict), COLUMN(precision_strict), COLUMN(recall_strict),
    COLUMN(token_f1)};
#define COLUMNS(c) .column = (c), .n_columns = sizeof(c) / sizeof *(c)
const lt_metric_kind lt_metric_accuracy = {.name = "accuracy", .better = by_accuracy, COLUMNS(sequences)};
const lt_metric_kind lt_metric_mcc = {.name = "mcc", .better = by_mcc, COLUMNS(sequences)};
const lt_metric_kind lt_metric_tokens = {.name = "f1", .tokens = true, .better = by_f1, COLUMNS(tokens)};
const lt_metric_kind lt_metric_entities = {.name = "f1", .tokens = true, .better = by_f1, COLUMNS(entities)};

lt_status lt_judge_create(const lt_metric_kind *kind, const char *const *label, int K, lt_judge *j, const char **odd) {
    int which = -1;
    *j = (lt_judge){.kind = kind, .K = K};
    *odd = NULL;
    if (!kind->tokens) return LT_OK;
    LT_TRY(lt_tagset_create(label, K, &j->tags, &which));
    if (which >= 0) *odd = label[which];
    if (j->tags.n_types) j->kind = &lt_metric_entities;
    return LT_OK;
}

void lt_judge_destroy(lt_judge *j) {
    lt_tagset_destroy(&j->tags);
    *j = (lt_judge){0};
}

const char *lt_metrics_text(const lt_metric_kind *kind, const lt_metrics *m, char *text, size_t bytes) {
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < kind->n_columns && at < bytes; i++) {
        const lt_metric_column *c = &kind->column[i];
        int n = c->brief ? snprintf(text + at, bytes - at, "%s%s %.4f", at ? "  " : "", c->name, lt_metric_value(c, m)) : 0;
        at += n > 0 ? (size_t)n : 0;
    }
    return text;
}
