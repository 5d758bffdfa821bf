#pragma once
/* Classification metrics from counts, and what a data set is judged by.
 *
 * Every metric here is a function of three numbers a class: how often it is the truth, how often it is predicted, how often both at once.  Ranks count what
 * they computed, the counts are summed, and every rank computes the same metrics.
 *
 * accuracy = share that is predicted rightly.  mcc = Matthews correlation (Gorodkin's R_K for K > 2), 0 where undefined.  f1 of sequences: K = 2: F1 of
 * label 1 (the GLUE convention); K > 2: macro average; of tokens: macro average.  loss: mean cross-entropy of the K-way decision (pair methods: softmax
 * over the labels' match scores).  Rows of the counts are sequences, or tokens that carry a label. */

#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_metrics {
    int64_t n;
    double loss, accuracy, mcc, f1;
} lt_metrics;

/* Counts of K classes: [K] truth, [K] predicted, [K] both, sum of losses. */
static inline int64_t lt_counts_size(int K) { return 3 * (int64_t)K + 1; }
/* Local.  One more row: its true class, the predicted one, its loss. */
void lt_counts_add(double *counts, int K, int truth, int predicted, double loss);

/* A number that tables and logs show. */
typedef struct lt_metric_column {
    const char *name;
    size_t offset; /* of a double in lt_metrics */
} lt_metric_column;

typedef struct lt_metric_kind {
    const char *name; /* of the number that chooses the best, as run logs say it */
    /* Local.  counts [lt_counts_size(K)] over all samples. */
    void (*compute)(const double *counts, int K, lt_metrics *out);
    /* Local.  Is `now` better than the best so far?  The higher number, then the lower loss. */
    bool (*better)(const lt_metrics *now, const lt_metrics *best);
    const lt_metric_column *column; /* [n_columns], the order of tables */
    int n_columns;
} lt_metric_kind;

/* Sequences by accuracy; sequences by mcc (CoLA); tokens by macro F1 (most tokens are of one class). */
extern const lt_metric_kind lt_metric_accuracy, lt_metric_mcc, lt_metric_tokens;

/* Local. */
static inline double lt_metric_value(const lt_metric_column *c, const lt_metrics *m) {
    return *(const double *)(const void *)((const char *)m + c->offset);
}
/* Local.  "accuracy 0.9000  mcc 0.8000 ..." into text; returns text. */
const char *lt_metrics_text(const lt_metric_kind *kind, const lt_metrics *m, char *text, size_t bytes);

#ifdef __cplusplus
}
#endif
