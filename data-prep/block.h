#pragma once
/* A block of rows on its way from text to tokens: filled by the thread that reads, tokenised by any one, taken in by the one that reads. */

#include "data.h"

/* A row as it was read. */
typedef struct prep_given {
    int64_t line;
    int32_t file;        /* in prep_data.file */
    int32_t split;       /* in prep_data.split; -1: where its hash says */
    int32_t label;       /* LT_IGNORED_LABEL: none */
    int32_t n_words;     /* -1: a text, or two */
    int64_t text, bytes; /* in the arena: a text; text TAB second text; words parted by spaces */
    int64_t first_bytes; /* of the first text; = bytes: there is no second */
    int64_t word;        /* its first in word_bytes, word_tag */
} prep_given;

/* A row as it was made. */
typedef struct prep_made {
    prep_kept kept;
    uint64_t digest[2];
    int32_t share; /* of a row that is spread */
    int32_t told;  /* tells labels apart: the label, or a hash of the tags */
} prep_made;

typedef struct prep_block {
    prep_given *row; /* [n] */
    prep_made *made; /* [n] */
    int64_t n, cap;
    prep_buffer arena;
    int32_t *word_bytes, *word_tag; /* [n_words]; tag LT_IGNORED_LABEL: none */
    int64_t n_words, cap_words;
    lt_ids tokens;        /* of all rows */
    prep_kept_word *word; /* [n_words] made of the words */
    prep_buffer space;    /* a word with a space before it */
    lt_status failed;     /* of a row: */
    lt_err_record *error; /* what was wrong */
    bool done;
} prep_block;

/* What all blocks are made with. */
typedef struct prep_maker {
    const prep_data *d;
    lt_tok_frame single, pair;
    lt_ids around; /* special tokens of a single text */
} prep_maker;

lt_status prep_maker_init(prep_maker *m, const prep_data *d);
void prep_maker_fini(prep_maker *m);

/* Empties it for the next rows. */
void prep_block_clear(prep_block *b);
/* Adds a row; tags are numbers of labels, found by the caller.  Errors: NOMEM. */
lt_status prep_block_add(prep_block *b, const prep_given *about, const prep_row *row, const int32_t *tag);
/* Tokenises all rows; a failure is kept in the block, with the rows before it done. */
void prep_block_make(prep_block *b, const prep_maker *m, const lt_tok *tok);
void prep_block_free(prep_block *b);
