#pragma once
/* What there is to know of a data set that was made: collected once, stored in the file, printed alike by the command that made it and by those who look at
 * it later, and as JSON. */

#include "store/h5.h"

#include <jansson.h>
#include <stdio.h>

enum { PREP_MAX_SPLITS = 32 };

typedef struct prep_report_split {
    char name[LT_NAME_BYTES]; /* "": none */
    bool unlabelled;
    int64_t sequences, tokens, longest, truncated; /* as in the file */
    int64_t full, p50, p90, p99, max;              /* before the cut: all tokens, and those of a row */
    int64_t over;                                  /* rows longer than the length that a run cuts at unless told otherwise */
    int64_t unknown;                               /* of full */
    int64_t empty;                                 /* nothing but white space */
    int64_t repeated, disputed;                    /* rows whose text an earlier row of the split has; texts with different labels */
    int64_t words, words_lost, words_cut;          /* of token labels; without a token; behind the cut */
    int64_t leaks_dropped, not_drawn;              /* rows that are not here: --drop-leaks, --per-label */
    int64_t also[PREP_MAX_SPLITS];                 /* rows whose text is in that split, too */
    int64_t *label;                                /* [n_labels] rows, or words, of each label; owned */
} prep_report_split;

typedef struct prep_report {
    prep_report_split split[PREP_MAX_SPLITS];
    int n_splits, n_labels;
    char *const *label_name, *const *label_words;                             /* [n_labels], borrowed */
    int64_t lines, blank, left_out, invalid_replaced, invalid_skipped, stray; /* as prep_rows_counts has them */
    int64_t no_token;                                                         /* rows left out: no token */
    int64_t max_length, default_length;                                       /* cut at, 0: nothing was; what over counts from */
    char *sources;                                                            /* a line a file: how it was read; owned */
} prep_report;

/* A file was read.  Errors: NOMEM. */
lt_status prep_report_source(prep_report *r, const char *path, const char *split, const char *about);
/* Splits, labels and what was left out. */
void prep_report_print(const prep_report *r, FILE *f);
/* What makes numbers doubtful, to stderr: texts in more than one split. */
void prep_report_warn(const prep_report *r);
/* The members "labels", "splits" and the counts, into o.  Errors: NOMEM. */
lt_status prep_report_json(const prep_report *r, json_t *o);
/* Into the group /report of a file that is written.  Errors: as lt_h5_*. */
lt_status prep_report_store(const prep_report *r, hid_t file);
/* From there; *there false: the file has none.  Labels are the caller's.  Errors: FORMAT, NOMEM. */
lt_status prep_report_load(prep_report *r, hid_t file, bool *there);
void prep_report_fini(prep_report *r);
