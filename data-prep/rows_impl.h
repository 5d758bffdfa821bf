#pragma once
/* Shared by the readers; nobody else includes it. */

#include "rows.h"
#include "source.h"

#include <jansson.h>

/* --- columns parted by a separator (record.c) --------------------------------------------------------------------------------------- */

typedef struct prep_field {
    size_t at, bytes; /* in the record */
} prep_field;

/* A row of TSV or CSV; a NUL stands behind each field. */
typedef struct prep_record {
    char *base; /* in the source's buffer: valid until it is read from again */
    int n;      /* fields, also those that field[] has no room for */
    prep_field field[PREP_MAX_COLUMNS];
    int64_t line; /* where it begins */
    bool moved;   /* quotes were taken off, so that a place in a field is none in the line */
} prep_record;

/* The next record.  quote 0: quotes have no meaning.  max > 0: the last of max fields holds the rest of the line. */
lt_status prep_record_next(prep_source *s, char separator, char quote, int max, prep_record *rec, bool *more);

/* --- words and tags (tags.c) -------------------------------------------------------------------------------------------------------- */

/* A type of spans. */
typedef struct prep_type {
    char *begin, *inside; /* owned: "B-PER", "I-PER" */
    size_t bytes;         /* of the name */
} prep_type;

/* What tags looked like so far. */
typedef struct prep_evidence {
    int64_t outside, bare, prefixed, ends;  /* tags "O"; without prefix; with one; with E, S, L, U, M */
    int64_t begins, insides, inside_begins; /* B; I; I where a span begins */
    int64_t split_begins;                   /* B right behind a span of its type */
    int64_t most_bare;                      /* how often the most frequent tag without prefix was seen, among the first types */
} prep_evidence;

typedef struct prep_tags {
    prep_scheme scheme;
    prep_evidence seen;
    prep_type *type;
    int n_types, cap;
    int last; /* the type that was looked up before */
    struct {
        char name[32];
        int64_t n;
    } bare[16];
} prep_tags;

/* Adds a sample's tags to the evidence. */
void prep_tags_observe(prep_tags *t, const char *const *tag, int n);
/* The scheme that the evidence speaks for. */
prep_scheme prep_tags_decide(const prep_tags *t);
/* Puts a sample's tags into IOB2, in place (PLAIN: leaves them).  The strings live as long as t.  *bad is the tag that the scheme does not have, -1 for none;
 * stray grows by tags that continue nothing.  Errors: FORMAT (too many types), NOMEM. */
lt_status prep_tags_convert(prep_tags *t, const char **tag, int n, int *bad, int64_t *stray);
void prep_tags_fini(prep_tags *t);

/* --- an open file ------------------------------------------------------------------------------------------------------------------- */

enum {
    PREP_HEAD = 4 * PREP_PIECE /* bytes from which a file's form is settled */,
    PREP_SLOTS = PREP_TEXT_PARTS + 2,
    PREP_PAIR = PREP_TEXT_PARTS,
    PREP_LABEL
};

struct prep_rows {
    prep_layout layout; /* as settled */
    prep_source source, labels;
    prep_rows_counts counts;
    int64_t rows;
    int64_t bad_line; /* the last row with bad bytes */
    bool fits;        /* the columns of texts were found by their names */
    bool labelled;    /* and there is one of labels */
    bool trial;       /* a beginning is read to see what it is */
    char about[400];
    char first[200]; /* beginning of the first line, for messages */

    /* TSV, CSV */
    prep_record record;
    bool header, pending; /* there is a header; the record is there but not used */
    int columns;          /* of the first record; of a word's line */
    int at[PREP_SLOTS];   /* number of each column, from 1; 0: none */

    json_t *object;

    /* texts of the current row */
    prep_buffer fixed[PREP_SLOTS], joined, label;

    /* words of the current row: in arena while they come, then pointers into it */
    prep_buffer arena;
    size_t *word_at, *tag_at; /* places in arena */
    const char **word, **tag;
    int n_words;
    int64_t cap_words;
    bool tagged;
    int64_t first_line;
    prep_tags tags;

    /* numbers seen as labels, where their base is to be found out */
    int64_t n_numbers, lowest, highest;
};

/* What became of a piece of text. */
typedef enum prep_fate { PREP_KEPT, PREP_SKIPPED } prep_fate;
/* Checks bytes by the layout; *text and *bytes may become those of r->fixed[slot].  where: "column 3" or the like; line_byte: place of the text in its
 * line, from 0, or -1 if that is not known. */
lt_status prep_rows_clean(prep_rows *r, int slot, int64_t line, const char *where, int64_t line_byte, bool nul, const char **text,
                          size_t *bytes, prep_fate *fate);
/* From a label as it stands to the name in row->label (NULL: unlabelled); *left_out if it has none by the rule. */
lt_status prep_rows_label(prep_rows *r, int64_t line, const char *where, const char *raw, const char **label, bool *left_out);
/* A tag's name: whole numbers by tag_name, then the map. */
lt_status prep_rows_tag(prep_rows *r, int64_t line, const char *raw, const char **tag);
/* Adds a word; tag NULL: none. */
lt_status prep_rows_push(prep_rows *r, const char *word, size_t word_bytes, const char *tag, size_t tag_bytes);
/* Makes the row of the words pushed, converts tags, and forgets them for the next row. */
lt_status prep_rows_words(prep_rows *r, int64_t line, prep_row *row);
/* "; the first line looks like CSV: use --format csv", or "". */
const char *prep_rows_hint(const prep_rows *r, char *text, size_t bytes);
/* True if the column is asked for. */
bool prep_column_there(const prep_column *c);
/* The names of a column as "a" or "b". */
const char *prep_column_text(const prep_column *c, char *text, size_t bytes);

/* Readers: begin() settles columns, next() gives a row or *more false. */
lt_status prep_delimited_begin(prep_rows *r);
lt_status prep_delimited_next(prep_rows *r, prep_row *row, bool *more);
lt_status prep_jsonl_next(prep_rows *r, prep_row *row, bool *more);
void prep_conll_begin(prep_rows *r);
lt_status prep_conll_next(prep_rows *r, prep_row *row, bool *more);
lt_status prep_pairs_begin(prep_rows *r);
lt_status prep_pairs_next(prep_rows *r, prep_row *row, bool *more);
lt_status prep_trees_next(prep_rows *r, prep_row *row, bool *more);

/* settle.c: what the layout leaves open, from the file's beginning. */
lt_status prep_rows_settle(prep_rows *r);
/* rows.c: a reader of memory for settle.c, as prep_rows_open(). */
lt_status prep_rows_trial(const prep_layout *layout, const char *path, const char *data, size_t bytes, bool partial, prep_rows **r);
/* rows.c: the next row of the file's format, without counting or an error at an empty file. */
lt_status prep_rows_step(prep_rows *r, prep_row *row, bool *more);
