#pragma once
/* Private to the readers of weights: weights_open.c (folders), safetensors*.c, torch_*.c. */

#include "store/safetensors.h"

/* What to do about a file that was damaged on its way here. */
#define LT_ST_AGAIN "download or copy it again"

typedef struct lt_st_file {
    char *path;
    const char *name; /* last part of path: that of the link where the file is one, so that caches of downloads say the names of the hub */
    int fd;
    int64_t size; /* bytes of the file */
    int64_t data; /* offset of the first tensor byte */
} lt_st_file;

struct lt_st {
    char *path;
    char *note;       /* see lt_st_note; NULL: nothing to say */
    lt_st_file *file; /* [n_files] */
    int n_files;
    lt_st_tensor *tensor; /* [n_tensors], sorted by name */
    int64_t n_tensors, cap_tensors;
    int64_t n_others;   /* values beside the tensors that a pickle held */
    int64_t bytes_read; /* atomic */
};

/* An element type by its name in safetensors; NULL if there is none. */
typedef struct lt_st_type {
    const char *name;
    lt_dtype dtype; /* LT_DTYPE_COUNT: known, not readable */
    int bits;
} lt_st_type;
const lt_st_type *lt_st_impl_type(const char *name);

/* Adds a tensor with a copy of the name.  Errors: NOMEM. */
lt_status lt_st_impl_append(lt_st *st, const char *name, const lt_st_tensor *t);
/* Adds the tensors of st->file[k], which is open.  Errors: as lt_st_open. */
lt_status lt_st_impl_add_safetensors(lt_st *st, int k);
lt_status lt_st_impl_add_torch(lt_st *st, int k);

/* Fails with what a folder without weights that we read holds instead.  Errors: IO, NOMEM. */
lt_status lt_st_impl_say_what_is_there(const char *dir);

/* Reads exactly bytes at offset; counts them.  Errors: IO, FORMAT (end of file). */
lt_status lt_st_impl_pread(lt_st *st, const lt_st_file *f, void *dst, int64_t bytes, int64_t offset);
