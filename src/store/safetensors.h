#pragma once
/* Reader of weights: a Hugging Face folder's tensors, by name and by rectangle.
 *
 * A folder holds model.safetensors, or model.safetensors.index.json and its shards, or else pytorch_model.bin or its index and shards, which
 * are read without executing what they hold.  Opening reads and checks the headers only; lt_st_read then reads what is asked for and no more, so
 * that each rank of a tensor-parallel group reads its own part of each matrix.
 *
 * Threads: after lt_st_open everything here may be called by several threads at once. */

#include "base/sha256.h"
#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LT_ST_MAX_DIMS = 8 };

typedef struct lt_st lt_st; /* opaque: open files and their tensors */

typedef struct lt_st_tensor {
    const char *name;       /* owned by lt_st */
    lt_dtype dtype;         /* LT_DTYPE_COUNT for a type that cannot be read (see dtype_name) */
    const char *dtype_name; /* as in the file: "F32", "F8_E4M3" ... */
    int n_dims;
    int64_t dim[LT_ST_MAX_DIMS]; /* [dim[0], ...] */
    int file;                    /* which of the files, 0 .. lt_st_files-1 */
    int64_t offset;              /* of the first byte, from the start of the file */
    int64_t bytes;
    bool turned; /* the file holds this matrix column by column, as [dim[1], dim[0]]; lt_st_read turns it */
} lt_st_tensor;

/* Local.  Opens the weights of a folder.  Errors: IO (folder, file or shard missing or unreadable; a folder of something else: what is there is
 * named), FORMAT (empty, truncated, header too large or not JSON, tensors outside the file, overlapping, or of a size that is not shape x
 * dtype; a pickle that asks for more than a state dict needs: file, field, expected and found are named), NOMEM. */
lt_status lt_st_open(const char *dir, lt_st **st);
/* Local.  The same of one file whatever its name: safetensors, or a pickle where it ends in .bin. */
lt_status lt_st_open_file(const char *path, lt_st **st);
/* Local.  Closes the files and sets *st to NULL; accepts NULL inside. */
void lt_st_close(lt_st **st);

/* Local.  A tensor by its full name, or NULL; borrowed. */
const lt_st_tensor *lt_st_find(const lt_st *st, const char *name);
/* Local.  Number of tensors, and the i-th by name; borrowed. */
int64_t lt_st_count(const lt_st *st);
const lt_st_tensor *lt_st_at(const lt_st *st, int64_t i);
/* Local.  What was opened, for messages: the path of the single file or of the index. */
const char *lt_st_path(const lt_st *st);
/* Local.  What a user might want to know of the choice of files ("pytorch_model.bin ignored: model.safetensors is there"), or NULL. */
const char *lt_st_note(const lt_st *st);
/* Local.  Number of files, path of one, and bytes of all tensors. */
int lt_st_files(const lt_st *st);
const char *lt_st_file_path(const lt_st *st, int file);
int64_t lt_st_total_bytes(const lt_st *st);

/* Local.  Reads rows [row0, row0 + rows) x columns [col0, col0 + cols) of a tensor seen as a matrix [dim[0], product of the others]; a vector
 * [n] is [n, 1].
 *   dst  out  [rows, cols] of dst_dtype (F32, BF16, or the file's own type), host, caller-owned
 * Numerics: F16 and BF16 to F32 are exact; to BF16 one rounding to nearest even.
 * Reads: whole rows in large pieces, column slices row by row; nothing outside the rectangle.
 * Errors: ARG (rectangle outside the tensor), FORMAT (type that cannot be converted, file cut since it was opened), IO, NOMEM. */
lt_status lt_st_read(lt_st *st, const lt_st_tensor *t, int64_t row0, int64_t rows, int64_t col0, int64_t cols, void *dst,
                     lt_dtype dst_dtype);
/* Local.  Rows [row0, row0 + rows) of a tensor will be read soon: the system may begin.  A hint; nothing is counted. */
void lt_st_ahead(const lt_st *st, const lt_st_tensor *t, int64_t row0, int64_t rows);
/* Local.  Bytes read from the files so far, headers and fingerprint included. */
int64_t lt_st_bytes_read(const lt_st *st);

/* Local.  SHA-256 that tells one set of weights from another without reading it whole: over each file's name and size, each tensor's name,
 * type, shape and place, and 64 blocks of 4 KiB evenly spread over each file's data (all of it when smaller).  Weights of the same shape that
 * were trained differently have another fingerprint; a copy that differs in a few tensors only, none of them under a block, has not.
 * Errors: IO, FORMAT, NOMEM. */
lt_status lt_st_fingerprint(lt_st *st, char hex[LT_SHA_HEX_BYTES]);

#ifdef __cplusplus
}
#endif
