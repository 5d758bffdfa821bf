#pragma once
/* Which rows have the same text: found by a sort of 128-bit digests that needs a fixed amount of memory, however many rows there are.
 *
 * Rows are added as they come; scan() gives them back in order of digest, rows of one text one behind the other.  Two different texts have the same digest with
 * a probability of 2^-128 a pair, so what is said is said of texts. */

#include "spool.h"

typedef struct prep_text {
    uint64_t digest[2];
    int64_t row;   /* in its split */
    int32_t split; /* rows of one text come in order of split, then row */
    int32_t label; /* anything that tells different labels apart */
} prep_text;

typedef struct prep_repeats {
    prep_text *held; /* [n_held] not yet sorted */
    int64_t n_held;
    prep_spool runs; /* sorted runs, one behind the other */
    int64_t *end;    /* [n_runs] where each ends */
    int64_t n_runs, cap_runs;
} prep_repeats;

void prep_repeats_init(prep_repeats *r, const char *dir);
/* Errors: NOMEM, IO. */
lt_status prep_repeats_add(prep_repeats *r, const prep_text *t);
/* All rows to fn, in order; first: another text begins.  Errors: NOMEM, IO; fn's. */
typedef lt_status (*prep_repeats_fn)(void *user, const prep_text *t, bool first);
lt_status prep_repeats_scan(prep_repeats *r, prep_repeats_fn fn, void *user);
void prep_repeats_free(prep_repeats *r);
