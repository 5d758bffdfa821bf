#pragma once
/* Values that come one behind the other and are more than memory should hold: the last of them in a buffer, those before in a file without a name, which
 * the system takes back when the process ends, however it ends.  Few values never leave memory. */

#include "base/err.h"

typedef struct prep_spool {
    const char *dir;    /* where the file is made; borrowed */
    size_t elem;        /* bytes of a value */
    int64_t n;          /* values */
    int64_t filed;      /* of them in the file */
    int fd;             /* 0: there is no file yet */
    unsigned char *buf; /* values from filed on */
} prep_spool;

/* Prepares an empty one; dir is kept. */
void prep_spool_init(prep_spool *s, const char *dir, size_t elem);
/* Adds n values.  Errors: NOMEM, IO (no room in dir). */
lt_status prep_spool_add(prep_spool *s, const void *values, int64_t n);
/* Values [from, from + n) into out.  Errors: IO. */
lt_status prep_spool_read(const prep_spool *s, int64_t from, int64_t n, void *out);
/* Drops all; accepts a zeroed one. */
void prep_spool_free(prep_spool *s);

/* A window on a spool that nothing is added to any more, for reading small pieces in order; start from {.s = spool}. */
typedef struct prep_view {
    const prep_spool *s;
    unsigned char *buf;
    int64_t from, n, cap;
} prep_view;
/* *values: values [from, from + n), until the next call.  Errors: NOMEM, IO. */
lt_status prep_view_get(prep_view *v, int64_t from, int64_t n, const void **values);
void prep_view_free(prep_view *v);

/* Where such files go when all else is silent: $TMPDIR, or the folder that `output` will be in; into dir. */
void prep_spool_place(const char *output, char *dir, size_t bytes);
