/* Metrics; see metrics.h.  R_K: Gorodkin 2004, computed from the marginals: (c n - sum_k p_k t_k) / sqrt((n^2 - sum p_k^2)(n^2 - sum t_k^2)). */
#include "train/metrics.h"

#include <math.h>

void lt_metrics_compute(const double *confusion, int K, double loss_sum, lt_metrics *out) {
    double n = 0, correct = 0, cross = 0, pp = 0, tt = 0, f1 = 0;
    for (int i = 0; i < K * K; i++) n += confusion[i];
    for (int k = 0; k < K; k++) {
        double truth = 0, predicted = 0, hit = confusion[k * K + k];
        for (int j = 0; j < K; j++) {
            truth += confusion[k * K + j];
            predicted += confusion[j * K + k];
        }
        correct += hit;
        cross += truth * predicted;
        pp += predicted * predicted;
        tt += truth * truth;
        if (K > 2 || k == 1) f1 += truth + predicted > 0 ? 2 * hit / (truth + predicted) : 0;
    }
    double denominator = sqrt((n * n - pp) * (n * n - tt));
    *out = (lt_metrics){.n = (int64_t)n,
                        .loss = n > 0 ? loss_sum / n : 0,
                        .accuracy = n > 0 ? correct / n : 0,
                        .mcc = denominator > 0 ? (correct * n - cross) / denominator : 0,
                        .f1 = K > 2 ? f1 / K : f1};
}
