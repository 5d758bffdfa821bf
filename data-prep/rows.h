#pragma once
/* Rows: what a file of samples holds, one sample after the other, whatever its format.
 *
 * A prep_layout says how a file is read; prep_rows_open() looks at the file's beginning, settles what the layout leaves open (format, header, base of label
 * numbers, tag scheme) and reads on from there.  Files are streamed: memory is that of the longest row.  A file that begins as gzip does is unpacked; "-" is
 * standard input.  Several open files are independent of each other, so threads may read one each; a layout is only read.
 *
 * Errors: IO (file not there, broken gzip), FORMAT (file and line are named), NOMEM.  What a layout asks for and a file cannot have is FORMAT. */

#include "base/err.h"

#include <stdio.h>

struct lt_sha;
struct prep_preset;

/* --- layout ------------------------------------------------------------------------------------------------------------------------ */

typedef enum prep_format {
    PREP_DETECT, /* by the beginning of the file; only where columns are known by names (presets) */
    PREP_TSV,    /* a line is a row; columns parted by tabs; quotes have no meaning */
    PREP_CSV,    /* RFC 4180: a column in quotes holds separators, line ends and doubled quotes */
    PREP_JSONL,  /* an object a line */
    PREP_CONLL,  /* a word a line, an empty line ends the sample */
    PREP_LINES,  /* a text a line; the labels line by line in a second file */
    PREP_TREES,  /* a tree in brackets a line: words, and a label at every bracket */
} prep_format;

typedef enum prep_header {
    PREP_HEADER_DETECT /* there is one if it holds the name of a column */,
    PREP_HEADER_YES,
    PREP_HEADER_NO
} prep_header;

/* How spans of words are written; all but PLAIN are converted to IOB2. */
typedef enum prep_scheme {
    PREP_SCHEME_DETECT,
    PREP_SCHEME_PLAIN, /* no spans: tags as they stand (parts of speech) */
    PREP_SCHEME_IOB1,  /* B- only where two spans of a type touch */
    PREP_SCHEME_IOB2,
    PREP_SCHEME_BIOES, /* and BILOU, BMES */
    PREP_SCHEME_IO,    /* I-PER or PER: words of a type that touch are one span */
    PREP_SCHEME_BEGIN, /* B-PER or PER at the first word of each span alone: the others have no tag, so each span is one word */
} prep_scheme;

/* What is done with bytes that are no UTF-8, and with NUL. */
typedef enum prep_bytes { PREP_BYTES_ERROR, PREP_BYTES_REPLACE /* by U+FFFD */, PREP_BYTES_SKIP /* the row */ } prep_bytes;

typedef enum prep_rule {
    PREP_RULE_NAME, /* the label as it stands */
    PREP_RULE_SIGN, /* a number: above 0 positive, below 0 negative, 0 left out */
    PREP_RULE_BINS, /* a number: the first bin whose upper bound is above it */
} prep_rule;

enum { PREP_COLUMN_NAMES = 6, PREP_TEXT_PARTS = 3, PREP_UNLABELLED = 4, PREP_MAX_COLUMNS = 256 };

/* A column: by number from 1 (CoNLL: also from the end, -1 the last), or by name in the header (JSONL: of a field, or a path a.b).  With both, the name counts
 * where there is a header.  All zero: there is no such column. */
typedef struct prep_column {
    int number;
    /* Accepted names, ended by NULL: the first that is there counts.  Letter case matters only if it decides. */
    const char *name[PREP_COLUMN_NAMES];
} prep_column;

typedef struct prep_map {
    const char *from, *to;
} prep_map;

typedef struct prep_bin {
    double below; /* numbers under this and not under an earlier bin's; INFINITY for the last */
    const char *name;
} prep_bin;

/* All pointers are borrowed and must outlive the open files.  All zero but the columns is a good start. */
typedef struct prep_layout {
    prep_format format;
    char separator; /* 0: tab in TSV, comma in CSV, spaces and tabs in CoNLL */
    char quote;     /* 0: none in TSV, '"' in CSV */
    prep_header header;
    /* The parts of the first text, joined by a space; parts but the first may be missing.  In CoNLL and for words: text[0] is the column of words. */
    prep_column text[PREP_TEXT_PARTS];
    prep_column pair;
    prep_column label; /* or tags; may be absent */
    int columns;       /* expected number in TSV and CSV; 0: any */
    bool rest;         /* the last of `columns` holds the rest of the line, separators included */
    bool words;        /* samples are words with tags (always so in CoNLL) */
    /* LINES: the second file; NULL: text.txt has labels.txt, x_text.txt x_labels.txt, others NAME.labels; "": none */
    const char *label_file;
    bool label_optional; /* the label column may be missing: rows are unlabelled */
    char label_end;      /* the label ends before this character ("DESC:manner"); 0: as a whole */
    prep_rule rule;
    int n_bins;
    const prep_bin *bin;
    int n_map;
    const prep_map *map; /* after the rule, before numbers; a label that is not in it stays as it is; for tags as well */
    int n_labels;        /* labels a row may have after the map; 0: any.  Types of spans if words */
    const char *const *label_name;
    bool numbered;                           /* whole numbers mean label_name[number - base]; not for words */
    int base;                                /* 0 or 1; -1: as the file's numbers show, or as the form of a preset says */
    int n_tags;                              /* whole numbers as tags mean tag_name[number]; 0: nothing */
    const char *const *tag_name;             /* [n_tags] */
    const char *unlabelled[PREP_UNLABELLED]; /* labels that mean "none", such as "-1" and ""; NULL ends them */
    prep_scheme scheme;
    const char *comment; /* CoNLL: lines that begin so are skipped; NULL: '#' lines that have not the file's number of columns */
    prep_bytes bad;
    bool keep_nul;                    /* NUL bytes are text */
    const char *about;                /* of a preset's form: what it expects, in words */
    const struct prep_preset *preset; /* where the layout comes from, for messages and for its forms; NULL: the command line */
} prep_layout;

/* The format of that name ("tsv", "csv", "jsonl", "conll", "lines").  Errors: ARG, with the known ones. */
lt_status prep_format_find(const char *name, prep_format *format);
const char *prep_format_name(prep_format format);
/* "iob1", "iob2", "bioes", "io", "begin", "plain", "detect".  Errors: ARG. */
lt_status prep_scheme_find(const char *name, prep_scheme *scheme);
const char *prep_scheme_name(prep_scheme scheme);

/* --- rows -------------------------------------------------------------------------------------------------------------------------- */

/* One sample as a file has it; everything borrowed until the next call. */
typedef struct prep_row {
    int64_t line;        /* where it begins in its file, from 1 */
    const char *text[2]; /* UTF-8, ends with NUL, holds NUL only if the layout keeps them; [1] NULL: a single text; [0] NULL: words */
    size_t bytes[2];
    const char *label;       /* name as mapped; NULL: unlabelled */
    int n_words;             /* token labels: words and their tags in IOB2 (or plain tags if the set is no span scheme) */
    const char *const *word; /* [n_words] */
    const char *const *tag;  /* [n_words]; NULL: unlabelled */
} prep_row;

/* For the report. */
typedef struct prep_rows_counts {
    int64_t lines;            /* read so far */
    int64_t blank;            /* lines skipped because nothing is in them (in CoNLL they end samples and are not counted) */
    int64_t left_out;         /* rows without a sign, and -DOCSTART- */
    int64_t invalid_replaced; /* rows in which bytes were replaced */
    int64_t invalid_skipped;  /* rows */
    int64_t stray;            /* inside or end tags that had no beginning, in a scheme that demands one: read as beginnings */
} prep_rows_counts;

typedef struct prep_rows prep_rows; /* an open file */

/* Opens a file.  Its bytes, as they are on disk, are added to hash (NULL: none) while they are read. */
lt_status prep_rows_open(const prep_layout *layout, const char *path, struct lt_sha *hash, prep_rows **r);
/* The next row; *more is false at the end.  A file without any row is an error. */
lt_status prep_rows_next(prep_rows *r, prep_row *row, bool *more);
const prep_rows_counts *prep_rows_count(const prep_rows *r);
/* Bytes of the file taken so far, as they are on disk; 0 where that cannot be known (a pipe). */
int64_t prep_rows_bytes(const prep_rows *r);
/* What was found out: how the file is read ("csv, header text,label; labels count from 0"), for the report; valid until close. */
const char *prep_rows_about(const prep_rows *r);
/* The tag scheme as given or detected.  The scheme of the first file may be put into the layout of those that follow, so that all are read alike. */
prep_scheme prep_rows_scheme(const prep_rows *r);
/* Sets *r to NULL; accepts NULL in it. */
void prep_rows_close(prep_rows **r);
