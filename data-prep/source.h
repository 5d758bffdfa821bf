#pragma once
/* The bytes of a text file, in large pieces: plain or packed by gzip, from a path, standard input ("-") or memory. */

#include "base/err.h"

#include <zlib.h>

struct lt_sha;

enum {
    PREP_PIECE = 1 << 18 /* bytes asked for at once */,
    PREP_MAX_ROW = 1 << 30 /* no sample is that long; a quote that never closes is */
};

/* Bytes that grow. */
typedef struct prep_buffer {
    char *at;
    size_t n, cap;
} prep_buffer;
/* Makes room for n more bytes and a NUL.  Errors: NOMEM. */
lt_status prep_buffer_room(prep_buffer *b, size_t n);
/* Adds bytes; a NUL that is not counted stands behind them.  Errors: NOMEM. */
lt_status prep_buffer_add(prep_buffer *b, const char *s, size_t n);
void prep_buffer_free(prep_buffer *b);

typedef struct prep_source {
    char *path;          /* owned; for messages */
    int fd;              /* -1: memory */
    bool eof;            /* nothing comes behind end */
    bool partial;        /* memory: the beginning of something longer */
    struct lt_sha *hash; /* of all bytes as they are on disk, borrowed; NULL for none */
    char *buf;           /* buf[at .. end) is unread and may be changed; so may buf[end] */
    size_t at, end, cap;
    int64_t line;    /* lines taken so far */
    int64_t size;    /* bytes given so far */
    bool begun;      /* the first bytes were looked at */
    bool packed;     /* by gzip */
    bool member_end; /* a gzip member is complete */
    unsigned char *in;
    z_stream z;
} prep_source;

/* Errors: IO (not there, a folder), NOMEM. */
lt_status prep_source_open(prep_source *s, const char *path, struct lt_sha *hash);
/* A copy of bytes in memory.  Errors: NOMEM. */
lt_status prep_source_memory(prep_source *s, const char *path, const char *data, size_t bytes, bool partial);
/* Brings at least one byte more, or sets eof.  What is unread may move in memory, s->at with it.  Errors: IO, FORMAT (broken gzip), NOMEM. */
lt_status prep_source_more(prep_source *s);
/* Brings bytes until n are unread or the file ends. */
lt_status prep_source_fill(prep_source *s, size_t n);
/* The next line without its end (\n, \r\n), with a NUL behind it; a byte-order mark before the first is taken off. */
lt_status prep_source_line(prep_source *s, char **line, size_t *bytes, bool *more);
/* Takes off a byte-order mark; called before the first line is read. */
lt_status prep_source_skip_mark(prep_source *s);
/* Accepts what was never opened (zeroed). */
void prep_source_close(prep_source *s);

/* --- UTF-8 (utf8.c) ---------------------------------------------------------------------------------------------------------------- */

/* Place of the first byte that is no UTF-8, or is NUL unless that is allowed; n if there is none. */
size_t prep_utf8_check(const char *s, size_t n, bool nul);
/* Adds the text to out with U+FFFD for such bytes: one for each that begins nothing, one for each character that is cut off. */
lt_status prep_utf8_replace(const char *s, size_t n, bool nul, prep_buffer *out);
