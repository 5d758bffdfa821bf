#pragma once
/* Private to safetensors.c and safetensors_read.c. */

#include "store/safetensors.h"

typedef struct lt_st_file {
    char *path;
    const char *name; /* last part of path */
    int fd;
    int64_t size; /* bytes of the file */
    int64_t data; /* offset of the first tensor byte */
} lt_st_file;

struct lt_st {
    char *path;
    lt_st_file *file; /* [n_files] */
    int n_files;
    lt_st_tensor *tensor; /* [n_tensors], sorted by name */
    int64_t n_tensors, cap_tensors;
    int64_t bytes_read; /* atomic */
};

/* Reads exactly bytes at offset; counts them.  Errors: IO, FORMAT (end of file). */
lt_status lt_st_impl_pread(lt_st *st, const lt_st_file *f, void *dst, int64_t bytes, int64_t offset);
