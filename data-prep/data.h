#pragma once
/* `ltune-prep data`, in parts:
 *
 *     cmd_data.c   the command: what is asked for, in which order things happen
 *     options.c    the command line into a prep_spec, a set of labels and a list of files
 *     labels.c     the set of labels
 *     rows.h       files into rows
 *     block.h      rows into tokens, a block at a time: what threads do
 *     pipeline.c   the reading thread, its helpers, and the order of blocks
 *     collect.c    tokenised rows to their splits, in temporary files; repeated texts
 *     write.c      from there into the data set, and what is counted on the way
 *     report.h     what is told: printed, as JSON, stored in the file
 *
 * Memory is constant: blocks, buffers of temporary files, and one bit a row.  The file is a function of the input and the command line alone: blocks are
 * taken in the order in which they were read, whoever tokenised them. */

#include "prep.h"
#include "preset.h"
#include "repeats.h"
#include "report.h"
#include "spool.h"

#include "base/config.h"
#include "store/dataset.h"
#include "text/tokenizer.h"

enum { PREP_MAX_SHARES = 3, PREP_DEFAULT_LENGTH = 128 /* default of data.max_length in a run */ };

/* --- what is asked for (options.c) -------------------------------------------------------------------------------------------------- */

typedef struct prep_spec {
    const char *task;              /* name that goes into the file */
    prep_layout layout;            /* how files are read */
    bool words;                    /* rows are words with tags */
    bool word_space;               /* words are tokenised with a space before them */
    int64_t max_length;            /* tokens of a sample, 0 = no limit */
    int n_shares;                  /* rows are spread over train, dev, test; 0 = not */
    double share[PREP_MAX_SHARES]; /* percent */
    int64_t seed;                  /* of what is drawn by hash */
    int64_t per_label;             /* most rows of a label in the training split, 0 = all */
    bool drop_leaks, force, json;
    int threads;
    const char *output, *tokenizer; /* as given */
} prep_spec;

typedef struct prep_file {
    char *path; /* owned */
    char split[LT_NAME_BYTES];
    bool spread; /* rows go where their hash says */
} prep_file;

/* The set of labels: given (fixed), or found in the files. */
typedef struct prep_labels {
    int n;
    bool fixed;
    char *name[LT_MAX_LABELS], *words[LT_MAX_LABELS]; /* owned; words NULL: as the name */
} prep_labels;

/* --- a split while it grows --------------------------------------------------------------------------------------------------------- */

/* A row as it is kept: its tokens and words lie in the split's spools. */
typedef struct prep_kept {
    uint64_t draw;            /* hash of seed and text: small ones are drawn first */
    int32_t n, full;          /* tokens, and what they were before the cut */
    int32_t segment;          /* where the second text begins (= n: none) */
    int32_t label;            /* LT_IGNORED_LABEL: none */
    int32_t unknown;          /* unknown tokens before the cut */
    int32_t words, words_cut; /* words; those that have tokens, all behind the cut */
    bool empty;               /* nothing but white space */
} prep_kept;

typedef struct prep_kept_word {
    int32_t label, token; /* as word_label, word_token of a data set */
} prep_kept_word;

typedef struct prep_split {
    char name[LT_NAME_BYTES];
    prep_spool rows, tokens, words; /* prep_kept, int32_t, prep_kept_word */
    int twin;                       /* the split of its unlabelled rows, -1: none yet */
    int twin_of;                    /* this split holds unlabelled rows of that one; -1 */
    uint8_t *dropped;               /* a bit a row; NULL: none is dropped */
} prep_split;

/* The text that a --map's names lie in. */
typedef struct prep_map_text {
    char *text;
    struct prep_map_text *next;
} prep_map_text;

typedef struct prep_data {
    prep_spec spec;
    prep_labels labels;
    prep_map *map; /* [n_map] owned, their texts in map_text */
    prep_map_text *map_text;
    int n_map;
    prep_file *file;
    int n_files;
    prep_split split[PREP_MAX_SPLITS];
    int n_splits;
    int share[PREP_MAX_SHARES]; /* splits that spread rows go to */
    prep_repeats texts;
    prep_report report;
    lt_tok *tok;
    lt_sha *source;
    char spool_dir[4096];
} prep_data;

/* --- labels.c ----------------------------------------------------------------------------------------------------------------------- */

/* The label's number, which grows the set; -1 if it is fixed and lacks it.  Errors: FORMAT (too many), NOMEM. */
lt_status prep_label_intern(prep_labels *l, const char *name, int *k);
/* Tags of spans: O, then B-TYPE and I-TYPE.  Errors: FORMAT (too many), NOMEM. */
lt_status prep_label_spans(prep_labels *l, int n, const char *const *type, const char *const *words);
/* The names as "a, b, c" for messages, shortened to fit. */
void prep_label_list(const prep_labels *l, char *text, size_t bytes);
/* Sets the words of a label; false if there is no such label.  Errors: NOMEM. */
lt_status prep_label_words(prep_labels *l, const char *name, const char *words, bool *known);
/* Puts found labels in order: by value if all are whole numbers, else by bytes; tags of spans (spans) as prep_label_spans has them, with those that did not
 * occur. fresh [LT_MAX_LABELS]: new number of each old one.  Errors: FORMAT, NOMEM. */
lt_status prep_labels_sort(prep_labels *l, bool spans, int fresh[LT_MAX_LABELS]);
void prep_labels_fini(prep_labels *l);

/* --- options.c ---------------------------------------------------------------------------------------------------------------------- */

/* Reads the command line into d: spec, labels, files.  Errors: ARG. */
lt_status prep_options_read(const prep_args *a, prep_data *d);
/* Every --words "name=text,name=text", once the labels are known. */
lt_status prep_options_words(const prep_args *a, prep_labels *l);

/* --- words.c ------------------------------------------------------------------------------------------------------------------------ */

/* True if Hugging Face's tokenizer of that folder takes words only with a space before each. */
bool prep_words_need_space(const char *tokenizer);

/* --- collect.c ---------------------------------------------------------------------------------------------------------------------- */

/* The split of that name, new if need be.  Errors: ARG. */
lt_status prep_split_get(prep_data *d, const char *name, int *split);
/* Takes a tokenised block in.  Errors: NOMEM, IO. */
struct prep_block;
lt_status prep_collect(prep_data *d, const struct prep_block *b);
/* After the last block: splits that have only unlabelled rows get their names; repeated texts are found, leaks dropped, rows per label drawn.
 * Errors: FORMAT (a split without rows), NOMEM, IO. */
lt_status prep_collect_end(prep_data *d);
/* Frees everything in it. */
void prep_data_fini(prep_data *d);
static inline bool prep_is_dropped(const prep_split *s, int64_t row) { return s->dropped && s->dropped[row / 8] >> row % 8 & 1; }

/* --- pipeline.c --------------------------------------------------------------------------------------------------------------------- */

/* All files through the tokenizer into the splits.  Errors: IO, FORMAT (file and line are named), NOMEM; of several the one that comes first in the input. */
lt_status prep_pipeline_run(prep_data *d);

/* --- write.c ------------------------------------------------------------------------------------------------------------------------ */

/* Writes the data set and fills in what the report says of splits.  fresh [LT_MAX_LABELS]: the number of a label by the one it was collected under.
 * Errors: as lt_dataset_write. */
lt_status prep_write(prep_data *d, lt_dataset_info *info, const int *fresh);
