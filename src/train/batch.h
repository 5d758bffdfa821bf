#pragma once
/* From a list of sequences wanted by the trials to packs on this rank.
 *
 * In training all ranks make the same list and lt_batch_deal keeps this data-parallel rank's share (balanced by tokens: longest first, dealt back and forth) in
 * list order; in evaluation samples are dealt the same way (lt_deal_samples), so that all candidates of one are on one rank, and each rank lists its own.
 * lt_batch_next fills packs to the token budget, as evenly as whole sequences allow; sequences that train an input and such that do not never share one, so
 * that nothing runs backward for the latter; nor do sequences that are read out in different ways; sequences that are scored against each other (rivals) always
 * share one, in the order of their candidates.  The ranks of a tp group get the same packs. */

#include "train/samples.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One sequence of one trial: a sample, for pair methods with a candidate label. */
typedef struct lt_item {
    int32_t trial, sample;
    int32_t candidate; /* label whose prefix or prompt rides along; 0 for K-way methods */
    int32_t target;    /* class of the head: the label, or 1/0 for a true/wrong pair; of rivals the true candidate */
    int32_t rivals;    /* sequences behind it that are scored against it: of the first of K it is K - 1, of the last 0 */
    int32_t padding;   /* rows behind the text */
    int32_t rows;      /* packed rows, prompt rows and padding included; set by lt_batch_add */
    int32_t block;     /* sequences of different blocks never share a pack; 0 usually */
    uint64_t key;      /* of dropout */
} lt_item;

typedef struct lt_batch {
    lt_item *item; /* [n] this rank's items; those of a trial are neighbours */
    int64_t n, max_items, rows;
    int64_t next;      /* first item not packed yet */
    int64_t n_even;    /* of the first so many items packs are filled evenly, ... */
    int64_t pack_rows; /* ... to so many rows; of the rest */
    int64_t budget;    /* as far as there is room */
    int64_t *order;    /* [max_items] scratch */
} lt_batch;

/* Local.  Errors: NOMEM. */
lt_status lt_batch_create(int64_t max_items, lt_batch *b);
void lt_batch_destroy(lt_batch *b);
/* Local.  Empties the list. */
void lt_batch_clear(lt_batch *b);
/* Local.  Adds a sequence; those of a trial come together.  Errors: INTERNAL if full. */
lt_status lt_batch_add(lt_batch *b, const lt_tuner *t, const lt_samples *s, lt_item item);
/* Local.  Keeps the items of dp_rank, rivals together. */
void lt_batch_deal(lt_batch *b, int dp_rank, int dp_size);
/* Local.  Plans packs of at most budget rows: of the first n_even items as even as whole sequences allow, so their packs do not depend on what follows. */
void lt_batch_plan(lt_batch *b, int64_t n_even, int64_t budget);
/* Local.  mine[i] := true for the samples of dp_rank; their number.  A function of the lengths alone.  Errors: NOMEM. */
lt_status lt_deal_samples(const lt_samples *s, int dp_rank, int dp_size, bool *mine, int64_t *n_mine);
/* Local.  Fills pack with the next items; *first, *count: which of b->item they are (count 0 = all packed).  Targets and weights are the caller's.
 *   tuner  [trials] by trial number.   Errors: SHAPE (a sequence and its rivals are longer than the budget). */
lt_status lt_batch_next(lt_batch *b, const lt_samples *s, lt_tuner *const *tuner, lt_pack *pack, int64_t *first, int64_t *count);

#ifdef __cplusplus
}
#endif
