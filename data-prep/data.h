#pragma once
/* `ltune-prep data`, in parts: cmd_data.c reads the command line into a prep_spec and reports; rows.h reads files; columns.c brings rows to their splits; build.c collects
 * labels and tokens of every split and writes the data set. */

#include "preset.h"
#include "prep.h"

#include "base/config.h"
#include "store/dataset.h"
#include "text/tokenizer.h"

enum { PREP_MAX_SPLITS = 16, PREP_MAX_SHARES = 3 };

/* What is asked for. */
typedef struct prep_spec {
    const char *task; /* name that goes into the file */
    prep_layout layout; /* how files are read */
    int64_t max_length;            /* tokens of a sample, 0 = no limit */
    int n_shares;                  /* hash split into train, dev, test; 0 = none */
    double share[PREP_MAX_SHARES]; /* percent */
} prep_spec;

/* The set of labels: given (fixed), or found in the files. */
typedef struct prep_labels {
    int n;
    bool fixed;
    char *name[LT_MAX_LABELS], *words[LT_MAX_LABELS]; /* owned; words NULL: as the name */
} prep_labels;

/* One split while it grows. */
typedef struct prep_split {
    char name[LT_NAME_BYTES];
    int64_t n, cap;
    lt_ids tokens;
    int64_t *offsets, *segment_offsets;      /* [cap + 1] */
    int32_t *label;                          /* [cap] */
    int64_t truncated, empty, longest, over; /* over: longer than PREP_DEFAULT_LENGTH */
} prep_split;
enum { PREP_DEFAULT_LENGTH = 128 /* default of data.max_length in a run */ };

typedef struct prep_data {
    prep_spec spec;
    prep_labels labels;
    prep_split split[PREP_MAX_SPLITS];
    int n_splits;
    int64_t left_out, blank; /* lines without a sign; lines with nothing in them */
    lt_tok *tok;
    lt_sha *source;
} prep_data;

/* build.c: the label's number, which grows the set unless it is fixed; -1 if it is fixed and lacks it.
 * Errors: FORMAT (too many), NOMEM. */
lt_status prep_label_intern(prep_labels *l, const char *name, int *k);
/* The names as "a, b, c" for messages, shortened to fit. */
void prep_label_list(const prep_labels *l, char *text, size_t bytes);
/* Sets the words of a label; false if there is no such label.  Errors: NOMEM. */
lt_status prep_label_words(prep_labels *l, const char *name, const char *words, bool *known);
/* The split of that name, new if need be.  Errors: ARG. */
lt_status prep_split_get(prep_data *d, const char *name, prep_split **split);
/* Tokenises a sample and adds it; pair may be NULL.  Errors: NOMEM. */
lt_status prep_split_add(prep_data *d, prep_split *s, const char *text, const char *pair, int label);
/* Puts found labels in order: by value if all are whole numbers, else by bytes; samples follow. */
lt_status prep_labels_sort(prep_data *d);
/* Writes the file.  Errors: as lt_dataset_write. */
lt_status prep_data_write(prep_data *d, const char *path, char *command, lt_dataset_info *info);
/* Frees everything. */
void prep_data_fini(prep_data *d);

/* columns.c: all lines of a file into the split of that name, or with a hash split into train, dev, test.
 * Errors: IO, FORMAT (file and line are named), NOMEM. */
lt_status prep_read_file(prep_data *d, const char *path, const char *split);
