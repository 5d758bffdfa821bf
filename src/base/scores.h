#pragma once
/* Precision, recall and F1 of classes (labels, or types of entities) from what was counted of each, their averages, and both as tables of text.
 *
 * As scikit-learn and seqeval give them: what nothing defines (no prediction, no truth) is 0, and averages are over the classes that occur in truth or
 * prediction. */

#include "base/err.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How often a class is the truth, how often it is predicted, how often both at once. */
typedef struct lt_hits {
    int64_t truth, predicted, right;
} lt_hits;

typedef struct lt_scores {
    double precision, recall, f1;
} lt_scores;

/* Of the summed counts; the mean of the classes' scores; the mean weighted by how often each is the truth. */
typedef enum lt_average { LT_AVERAGE_MICRO, LT_AVERAGE_MACRO, LT_AVERAGE_WEIGHTED, LT_AVERAGE_COUNT } lt_average;
/* "micro", "macro", "weighted" */
extern const char *const lt_average_names[LT_AVERAGE_COUNT];

/* Local. */
static inline bool lt_hits_occur(lt_hits h) { return h.truth > 0 || h.predicted > 0; }
lt_hits lt_hits_sum(const lt_hits *h, int64_t n);
lt_scores lt_scores_of(lt_hits h);
lt_scores lt_scores_average(lt_average kind, const lt_hits *h, int64_t n);

/* Local.  One line a class that occurs, then the averages: precision, recall, F1, support.  name [n], h [n]; strict [n] or NULL: F1 by another way of counting,
 * as one more column. */
void lt_scores_print(const char *const *name, const lt_hits *h, const lt_hits *strict, int64_t n, FILE *out);
/* Local.  count [n, n], a row a true class, a column a predicted one; classes that do not occur are left out. */
void lt_scores_print_confusion(const char *const *name, const int64_t *count, int64_t n, FILE *out);

#ifdef __cplusplus
}
#endif
