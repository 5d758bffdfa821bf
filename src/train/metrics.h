#pragma once
/* What a data set is judged by: metrics of labels and of named entities, from counts.
 *
 * Whatever is counted of a sample is added up over samples; ranks count what they decided, the counts are summed, and every rank computes the same metrics.
 * Rows are sequences, or tokens that carry a label; classes are labels.  Entities are judged where the labels are IOB tags (entities.h).
 *
 *     loss         mean cross-entropy of the K-way decision over rows (pair methods: softmax over the labels' match scores)
 *     accuracy     share of rows that is predicted rightly
 *     mcc          Matthews correlation of rows (Gorodkin's R_K for K > 2), 0 where undefined
 *     f1           K = 2 labels of sequences: F1 of label 1 (the GLUE convention); entities: micro average, read leniently; else: macro average over labels
 *     precision, recall                  of what f1 is of
 *     micro_f1, macro_f1, weighted_f1    averages over types of entities, else over labels (then micro_f1 is the accuracy)
 *     precision_strict, recall_strict, f1_strict    micro averages over entities, read strictly
 *     token_f1     of labels on tokens: macro average over labels, also where entities are judged
 *
 * Averages are over what occurs in truth or prediction.  What does not apply to a data set is NaN. */

#include "train/entities.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_metrics {
    int64_t n; /* rows */
    double loss, accuracy, mcc, precision, recall, f1, micro_f1, macro_f1, weighted_f1;
    double precision_strict, recall_strict, f1_strict, token_f1;
    int64_t broken_truth, broken_predicted; /* tags that continue no span; -1 where no entities are judged */
} lt_metrics;

/* A number that tables and logs show. */
typedef struct lt_metric_column {
    const char *name;
    size_t offset; /* of a double in lt_metrics */
    bool brief;    /* also in one line */
} lt_metric_column;

typedef struct lt_metric_kind {
    const char *name; /* of the number that chooses the best, as run logs say it */
    bool tokens;      /* labels are on tokens */
    /* Local.  Is `now` better than the best so far?  The higher number, then the lower loss. */
    bool (*better)(const lt_metrics *now, const lt_metrics *best);
    const lt_metric_column *column; /* [n_columns], the order of tables */
    int n_columns;
} lt_metric_kind;

/* Sequences by accuracy; sequences by mcc (CoLA); tokens by macro F1 (most tokens are of one class); entities by F1. */
extern const lt_metric_kind lt_metric_accuracy, lt_metric_mcc, lt_metric_tokens, lt_metric_entities;

/* How the samples of a data set are judged. */
typedef struct lt_judge {
    const lt_metric_kind *kind;
    int K;
    lt_tagset tags; /* without types: no entities */
} lt_judge;

/* Local.  From the names of K labels; kind: of sequences, or lt_metric_tokens, which becomes lt_metric_entities where the labels are IOB tags (if they are not,
 * *odd is a label that is none, else NULL).  Errors: NOMEM. */
lt_status lt_judge_create(const lt_metric_kind *kind, const char *const *label, int K, lt_judge *j, const char **odd);
/* Local.  Accepts a zeroed struct. */
void lt_judge_destroy(lt_judge *j);

/* Local.  Counts of an evaluation: [K] hits of labels, three numbers each; sum of losses; what lt_tagset_count() counts; [K, K] rows by truth and
 * prediction, where K allows it (store/runlog.h). */
int64_t lt_judge_counts(const lt_judge *j);
/* Local.  One more row: its true label, the predicted one, its loss. */
void lt_judge_add(const lt_judge *j, double *counts, int truth, int predicted, double loss);
/* Local.  The entities of one more sample, as lt_tagset_count(); where there are none to judge, nothing. */
void lt_judge_add_tags(const lt_judge *j, double *counts, const int32_t *truth, const int32_t *predicted, int64_t n);
/* Local.  What the counts of all samples come to. */
void lt_judge_compute(const lt_judge *j, const double *counts, lt_metrics *out);
/* Local.  The part of them that run logs keep, a detail of store/runlog.h: elements, and the numbers themselves. */
int64_t lt_judge_detail_elems(const lt_judge *j);
void lt_judge_detail(const lt_judge *j, const double *counts, int64_t *detail);

/* Local. */
static inline double lt_metric_value(const lt_metric_column *c, const lt_metrics *m) {
    return *(const double *)(const void *)((const char *)m + c->offset);
}
/* Local.  "accuracy 0.9000  mcc 0.8000 ..." into text; returns text. */
const char *lt_metrics_text(const lt_metric_kind *kind, const lt_metrics *m, char *text, size_t bytes);

#ifdef __cplusplus
}
#endif
