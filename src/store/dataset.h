#pragma once
/* The dataset file: labelled token sequences, named splits, in HDF5 (kind ltune-dataset; docs/FORMATS.md).
 *
 * Written once by `ltune-prep data`, read whole by every rank that trains.  Sequences lie end to end without padding: sequence i is
 * tokens[offsets[i] .. offsets[i+1]).  A pair of texts has its second text at segment_offsets[i], absolute; a single text has
 * segment_offsets[i] = offsets[i+1].  A label belongs to a sequence (label) or to each token (token_label), one of the two.  A split without labels has
 * LT_IGNORED_LABEL everywhere: it can be predicted, not learned from.
 *
 * Labels of tokens mostly come from words: the first token of a word carries its label.  A word may have no token (the tokenizer drops it, or it lies behind
 * the cut), but counts when spans of words are judged; so the words' labels are kept beside the tokens', with the place of each word's first token.
 *
 * Ownership: a split that was read owns its arrays until lt_dataset_split_fini; a split that is written borrows them. */

#include "base/sha256.h"
#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    LT_IGNORED_LABEL = -100, /* of a token that carries no label, and of every sequence of a split without labels */
    LT_NO_TOKEN = -1         /* of a word that has none */
};

typedef struct lt_dataset_split {
    char name[LT_NAME_BYTES];
    int64_t n;                /* sequences */
    int32_t *tokens;          /* [T], T = offsets[n] */
    int64_t *offsets;         /* [n + 1], from 0, strictly growing: every sequence has a token */
    int64_t *segment_offsets; /* [n + 1]; element n is T */
    int32_t *label;           /* [n], 0 .. K-1, or all LT_IGNORED_LABEL; NULL with token_label */
    int32_t *token_label;     /* [T], 0 .. K-1 or LT_IGNORED_LABEL; NULL with label */
    int64_t *
        word_offsets; /* [n + 1] words of sequence i are word_offsets[i] .. word_offsets[i+1]; this and the next two may be NULL, together */
    int32_t *word_label; /* [W] W = word_offsets[n]; 0 .. K-1 or LT_IGNORED_LABEL */
    int32_t *word_token; /* [W] place of the word's first token in its sequence, or LT_NO_TOKEN */
    int64_t truncated;   /* sequences that preparation cut to its maximum length */
    int64_t longest;     /* tokens of the longest sequence; out only */
    int32_t max_token;   /* largest id: must be below the model's V; out only */
    bool unlabelled;     /* no sequence, no token has a label; out only */
} lt_dataset_split;

typedef struct lt_dataset_info {
    char *task;    /* "sst2", "tsv" ... */
    char *command; /* line that made the file */
    char tokenizer_sha256[LT_SHA_HEX_BYTES];
    char source_sha256[LT_SHA_HEX_BYTES]; /* of the source files' content, in the order given */
    int64_t n_labels;                     /* K */
    char **label_name;                    /* [K] as in the source, e.g. "0" or "positive" */
    char **label_words;                   /* [K] the words that label tuning reads */
} lt_dataset_info;

/* Local.  Writes the file atomically; checks every split first.  Errors: ARG (a label outside the label set, offsets that do not grow, an
 * empty split ...: split, sequence and value are named), IO, HDF5. */
lt_status lt_dataset_write(const char *path, const lt_dataset_info *info, const lt_dataset_split *split, int n_splits);

/* --- the same for data that does not fit memory: create, then for each split begin and add its parts in order, then commit or cancel --- */

typedef struct lt_dataset_writer lt_dataset_writer;

/* What must be known of a split before its first part. */
typedef struct lt_dataset_size {
    char name[LT_NAME_BYTES];
    int64_t n, tokens; /* sequences, tokens */
    int64_t words;     /* labels of words; -1: none are kept */
    bool token_labels; /* labels belong to tokens */
    int64_t truncated; /* as in lt_dataset_split */
} lt_dataset_size;

/* Local.  Begins a temporary file beside path.  Errors: IO, HDF5, NOMEM. */
lt_status lt_dataset_writer_create(const char *path, const lt_dataset_info *info, lt_dataset_writer **w);
/* Local.  The file under it, for what else a program stores there; borrowed. */
struct lt_h5_writer *lt_dataset_writer_h5(const lt_dataset_writer *w);
/* Local.  Begins a split.  Errors: ARG (a name that cannot be, or the split before lacks parts), IO, HDF5. */
lt_status lt_dataset_writer_begin(lt_dataset_writer *w, const lt_dataset_size *size);
/* Local.  The sequences that follow those added, with offsets that begin at 0; name and truncated are not looked at.  Errors: as lt_dataset_write; ARG also if
 * there are more than were announced. */
lt_status lt_dataset_writer_add(lt_dataset_writer *w, const lt_dataset_split *part);
/* Local.  As lt_h5_write_commit: the file appears under its name, or the one that was there stays.  Frees w and sets it to NULL also on failure. */
lt_status lt_dataset_writer_commit(lt_dataset_writer **w);
/* Local.  Gives up; accepts NULL inside. */
void lt_dataset_writer_cancel(lt_dataset_writer **w);

/* --- reading ------------------------------------------------------------------------------------------------------------------------ */

typedef struct lt_dataset lt_dataset; /* an open file */

/* Local.  Opens a file and reads what describes it.  Errors: IO, FORMAT (not HDF5, truncated, another kind or version, damaged), NOMEM. */
lt_status lt_dataset_open(const char *path, lt_dataset **d);
/* Local.  Closes and sets *d to NULL; accepts NULL inside. */
void lt_dataset_close(lt_dataset **d);
/* Local.  Borrowed from d. */
const lt_dataset_info *lt_dataset_about(const lt_dataset *d);
/* Local.  Names of the splits, sorted; borrowed. */
char *const *lt_dataset_splits(const lt_dataset *d, int64_t *n);
/* Local.  CONFIG with both hashes unless the file was made with this tokenizer; where names it in the message (the model's folder). */
lt_status lt_dataset_check_tokenizer(const lt_dataset *d, const char *tokenizer_sha256, const char *where);
/* Local.  Reads one split whole and checks it.  Errors: CONFIG (no such split: the present ones are listed), FORMAT (empty, damaged,
 * inconsistent: names what and where), NOMEM. */
lt_status lt_dataset_read(lt_dataset *d, const char *name, lt_dataset_split *split);
/* Local.  Frees the arrays of a split that was read and zeroes it. */
void lt_dataset_split_fini(lt_dataset_split *split);

#ifdef __cplusplus
}
#endif
