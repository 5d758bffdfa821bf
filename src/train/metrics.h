#pragma once
/* Classification metrics from a confusion matrix.
 *
 * accuracy = share on the diagonal.  mcc = Matthews correlation (Gorodkin's R_K for K > 2), 0 where undefined.  f1: K = 2: F1 of label 1 (the GLUE
 * convention); K > 2: macro average.  loss: mean cross-entropy of the K-way decision (pair methods: softmax over the labels' match scores). */

#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_metrics {
    int64_t n;
    double loss, accuracy, mcc, f1;
} lt_metrics;

/* Local.  confusion [K, K]: rows truth, columns prediction, counts as doubles; loss_sum over all samples. */
void lt_metrics_compute(const double *confusion, int K, double loss_sum, lt_metrics *out);

#ifdef __cplusplus
}
#endif
