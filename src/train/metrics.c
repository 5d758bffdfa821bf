/* Metrics; see metrics.h.  R_K: Gorodkin 2004, computed from the marginals: (c n - sum_k p_k t_k) / sqrt((n^2 - sum p_k^2)(n^2 - sum t_k^2)). */
#include "train/metrics.h"

#include <math.h>
#include <stdio.h>

void lt_counts_add(double *counts, int K, int truth, int predicted, double loss) {
    counts[truth]++;
    counts[K + predicted]++;
    if (truth == predicted) counts[2 * (int64_t)K + truth]++;
    counts[3 * (int64_t)K] += loss;
}

static void compute(const double *counts, int K, bool macro, lt_metrics *out) {
    const double *truth = counts, *predicted = counts + K, *hit = counts + 2 * (int64_t)K;
    double n = 0, correct = 0, cross = 0, pp = 0, tt = 0, f1 = 0;
    for (int k = 0; k < K; k++) {
        n += truth[k];
        correct += hit[k];
        cross += truth[k] * predicted[k];
        pp += predicted[k] * predicted[k];
        tt += truth[k] * truth[k];
        if (macro || k == 1) f1 += truth[k] + predicted[k] > 0 ? 2 * hit[k] / (truth[k] + predicted[k]) : 0;
    }
    double denominator = sqrt((n * n - pp) * (n * n - tt));
    *out = (lt_metrics){.n = (int64_t)n,
                        .loss = n > 0 ? counts[3 * (int64_t)K] / n : 0,
                        .accuracy = n > 0 ? correct / n : 0,
                        .mcc = denominator > 0 ? (correct * n - cross) / denominator : 0,
                        .f1 = macro ? f1 / K : f1};
}

static void of_sequences(const double *counts, int K, lt_metrics *out) { compute(counts, K, K > 2, out); }
static void of_tokens(const double *counts, int K, lt_metrics *out) { compute(counts, K, true, out); }

static bool better(double now, double best, const lt_metrics *n, const lt_metrics *b) {
    return now > best || (now == best && n->loss < b->loss);
}
static bool by_accuracy(const lt_metrics *n, const lt_metrics *b) { return better(n->accuracy, b->accuracy, n, b); }
static bool by_mcc(const lt_metrics *n, const lt_metrics *b) { return better(n->mcc, b->mcc, n, b); }
static bool by_f1(const lt_metrics *n, const lt_metrics *b) { return better(n->f1, b->f1, n, b); }

static const lt_metric_column columns[] = {{"accuracy", offsetof(lt_metrics, accuracy)},
                                           {"mcc", offsetof(lt_metrics, mcc)},
                                           {"f1", offsetof(lt_metrics, f1)},
                                           {"loss", offsetof(lt_metrics, loss)}};
#define COLUMNS .column = columns, .n_columns = sizeof columns / sizeof *columns
const lt_metric_kind lt_metric_accuracy = {.name = "accuracy", .compute = of_sequences, .better = by_accuracy, COLUMNS};
const lt_metric_kind lt_metric_mcc = {.name = "mcc", .compute = of_sequences, .better = by_mcc, COLUMNS};
const lt_metric_kind lt_metric_tokens = {.name = "f1", .compute = of_tokens, .better = by_f1, COLUMNS};

const char *lt_metrics_text(const lt_metric_kind *kind, const lt_metrics *m, char *text, size_t bytes) {
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < kind->n_columns && at < bytes; i++) {
        int n = snprintf(text + at, bytes - at, "%s%s %.4f", i ? "  " : "", kind->column[i].name, lt_metric_value(&kind->column[i], m));
        at += n > 0 ? (size_t)n : 0;
    }
    return text;
}
