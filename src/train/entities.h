#pragma once
/* Named entities: what spans a sequence of IOB tags has, and how many of those predicted are right; the numbers of seqeval 1.2.2.
 *
 * A tag B-X begins a span of type X, I-X continues one, O is outside.  Two readings of tags that do not fit each other:
 *
 *              I-X behind O, behind another type, or first                                     seqeval
 *     lenient  begins a span, as if it were B-X                                                its default, as conlleval's
 *     strict   belongs to no span                                                              mode="strict", scheme=IOB2
 *
 * Such tags are counted as broken.  A span is right if truth and prediction have one with the same first word, last word and type.  Counts are of samples
 * alone and add up over them. */

#include "base/scores.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LT_TAG_NONE = -1 }; /* in place of a label: the word has none, which is to be outside */

typedef struct lt_tag {
    int32_t type; /* LT_TAG_NONE: outside */
    bool begins;
} lt_tag;

/* Labels as tags. */
typedef struct lt_tagset {
    int n_types; /* 0: these labels are no IOB tags, and nothing else here is set */
    lt_tag *tag; /* [K] */
    char **type; /* [n_types] names in the order of their bytes, one block */
} lt_tagset;

/* Local.  Reads the names of K labels: each must be O, B, I, B-TYPE or I-TYPE (without a name the type is "_"); if one is not, there are no types and *odd is
 * its number, else -1.  Errors: NOMEM. */
lt_status lt_tagset_create(const char *const *label, int K, lt_tagset *t, int *odd);
/* Local.  Accepts a zeroed struct. */
void lt_tagset_destroy(lt_tagset *t);

/* What is counted: [n_types] of three, as lt_hits has them, by the lenient reading; the same by the strict one; broken tags of truth and prediction. */
static inline int64_t lt_tagset_counts(const lt_tagset *t) { return t->n_types ? 6 * (int64_t)t->n_types + 2 : 0; }
/* Local.  Adds the spans of one sample.
 *   truth, predicted  [n] labels, 0 .. K-1 or LT_TAG_NONE      counts  [lt_tagset_counts(t)] */
void lt_tagset_count(const lt_tagset *t, const int32_t *truth, const int32_t *predicted, int64_t n, double *counts);

#ifdef __cplusplus
}
#endif
