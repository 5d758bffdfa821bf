#pragma once
/* HDF5 with our status codes: files, groups, attributes, checked datasets, and whole files written atomically.
 *
 * Place: under dataset.c, checkpoint.c and runlog.c, and open to programs that write an HDF5 result of their own.  One rank writes, with
 * the serial driver; any number of ranks may read.  The MPI build of HDF5 is not thread-safe: one thread of a process at a time.
 *
 * Every dataset written here carries the attribute sha256 of its raw little-endian bytes.  A committed file ends with a line that has the SHA-256 of
 * all before it: opening checks it before libhdf5 sees the file, and what is read from then on is vouched for.  A file without the line, of
 * another program, is read by a child process into a copy in memory, whatever is wrong with it; there the digests of datasets are checked
 * as they are read.  The format is HDF5 1.8's, which every tool reads and whose metadata has checksums.
 *
 * An hid_t has one owner, who closes it with lt_h5_close.  Datasets and groups are addressed by (hid_t at, name relative to it). */

#include "base/sha256.h"
#include "tensor/tensor.h"

#include <hdf5.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { LT_H5_MAX_DIMS = 8 };

/* Local.  Starts an error record from our text and HDF5's error stack: IO when the system refused (disk full, no permission), else code.
 * Use the macros; their arguments must not call HDF5, which would clear its stack. */
lt_status lt_h5_raise(lt_status code, const char *file, int line, const char *func, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Returns a failure of a call while writing: HDF5 or IO. */
#define LT_H5(call, ...)                                                                                                                   \
    do {                                                                                                                                   \
        if ((call) < 0) return lt_h5_raise(LT_ERR_HDF5, __FILE__, __LINE__, __func__, __VA_ARGS__);                                        \
    } while (0)
#define LT_H5_GOTO(call, st, label, ...)                                                                                                   \
    do {                                                                                                                                   \
        if ((call) < 0) {                                                                                                                  \
            (st) = lt_h5_raise(LT_ERR_HDF5, __FILE__, __LINE__, __func__, __VA_ARGS__);                                                    \
            goto label;                                                                                                                    \
        }                                                                                                                                  \
    } while (0)
/* The same while reading, where HDF5 complains about the file: FORMAT or IO. */
#define LT_H5_READ(call, ...)                                                                                                              \
    do {                                                                                                                                   \
        if ((call) < 0) return lt_h5_raise(LT_ERR_FORMAT, __FILE__, __LINE__, __func__, __VA_ARGS__);                                      \
    } while (0)
#define LT_H5_READ_GOTO(call, st, label, ...)                                                                                              \
    do {                                                                                                                                   \
        if ((call) < 0) {                                                                                                                  \
            (st) = lt_h5_raise(LT_ERR_FORMAT, __FILE__, __LINE__, __func__, __VA_ARGS__);                                                  \
            goto label;                                                                                                                    \
        }                                                                                                                                  \
    } while (0)

/* --- reading files ---------------------------------------------------------------------------------------------------------------- */

/* Local.  Opens for reading.  Never hangs or crashes, whatever the file's bytes are; a file that is not vouched for is unpacked in memory and costs
 * a child process.  Errors: IO (missing, unreadable, no regular file), FORMAT (empty, not HDF5, truncated, damaged), NOMEM. */
lt_status lt_h5_open(const char *path, hid_t *file);
/* Local.  The same for one of our files (layout.h).  Errors: also FORMAT when kind or format_version differ. */
lt_status lt_h5_open_kind(const char *path, const char *kind, int64_t version, hid_t *file);
/* Local.  The same for a file whose digest this job has just checked, in this process or another: it is not computed again. */
lt_status lt_h5_open_checked(const char *path, const char *kind, int64_t version, hid_t *file);
/* Local.  The digest in the last line of an open file, borrowed from it; NULL: the file has none, it is read as a copy. */
const char *lt_h5_digest(hid_t file);
/* Local.  FORMAT unless an open file has its last line; path is for the message. */
lt_status lt_h5_need_digest(hid_t file, const char *path);
/* Local.  Closes a file or group and sets *id to -1; accepts -1. */
void lt_h5_close(hid_t *id);
/* Local.  Recomputes every digest of a committed file, which must have its last line and a digest for each dataset.
 * Errors: IO, FORMAT (damaged or changed). */
lt_status lt_h5_verify(const char *path);

/* --- writing files: begin, write into lt_h5_writer_file, then commit or cancel ------------------------------------------------------ */

typedef struct lt_h5_writer lt_h5_writer;

/* Local.  Creates a temporary file beside path with kind and format_version.  Errors: IO, NOMEM, HDF5. */
lt_status lt_h5_write_begin(const char *path, const char *kind, int64_t version, lt_h5_writer **w);
/* Local.  The open file; borrowed. */
hid_t lt_h5_writer_file(const lt_h5_writer *w);
/* Local.  Closes, reads the file back once, which compares it with what was written and makes the digest of its last line, syncs, renames over path
 * and syncs the folder.  Frees w and sets it to NULL also on failure, when path is as it was and the temporary file is gone.
 * Errors: IO (also: what was read back differs), HDF5, FORMAT (a dataset without digest). */
lt_status lt_h5_write_commit(lt_h5_writer **w);
/* Local.  The same; hex gets the digest of the last line.  durable = false: the folder is left for the caller to sync (lt_fs_sync). */
lt_status lt_h5_write_commit_digest(lt_h5_writer **w, bool durable, char hex[LT_SHA_HEX_BYTES]);
/* Local.  Gives up: deletes the temporary file, frees w and sets it to NULL; accepts NULL inside. */
void lt_h5_write_cancel(lt_h5_writer **w);

/* --- groups and attributes ---------------------------------------------------------------------------------------------------------- */

/* Local.  Opens a group, creating it and its parents if absent (in files being written).  Errors: HDF5, IO. */
lt_status lt_h5_group(hid_t at, const char *name, hid_t *group);
/* Local.  True if every part of the path exists. */
bool lt_h5_has(hid_t at, const char *name);
/* Local.  Names of a group's children, sorted; one block released by free().  Errors: FORMAT (no such group), NOMEM, HDF5. */
lt_status lt_h5_list(hid_t at, const char *name, char ***names, int64_t *n);
/* Local.  Sets an attribute of `at` itself: int64, double, or UTF-8 string of any length.  Errors: HDF5, IO. */
lt_status lt_h5_put_i64(hid_t at, const char *key, int64_t value);
lt_status lt_h5_put_f64(hid_t at, const char *key, double value);
lt_status lt_h5_put_str(hid_t at, const char *key, const char *value);
/* Local.  Reads one; the string is released by free().  Errors: FORMAT (absent or of another type), HDF5, NOMEM. */
lt_status lt_h5_get_i64(hid_t at, const char *key, int64_t *value);
lt_status lt_h5_get_f64(hid_t at, const char *key, double *value);
lt_status lt_h5_get_str(hid_t at, const char *key, char **value);
/* Local.  Calls back for each attribute of `at` by name, with its type ('s' string, 'i' integer, 'f' floating point, '?' others) and its value as
 * text.  Errors: the callback's. */
typedef lt_status (*lt_h5_attr_fn)(void *user, const char *key, char type, const char *text);
lt_status lt_h5_each_attr(hid_t at, lt_h5_attr_fn fn, void *user);

/* --- datasets ----------------------------------------------------------------------------------------------------------------------- */

/* Local.  Writes a whole array data [dim[0], ...] of F32, F64, I32, I64 or U8.  extendible: chunked with an open first dimension, so that
 * other tools can append.  Errors: ARG (type), IO, HDF5. */
lt_status lt_h5_write(hid_t at, const char *name, lt_dtype dt, int n_dims, const int64_t *dim, const void *data, bool extendible);
/* Local.  The same, not extendible, with the SHA-256 of data that the caller has made. */
lt_status lt_h5_write_digested(hid_t at, const char *name, lt_dtype dt, int n_dims, const int64_t *dim, const void *data, const char *hex);
/* Local.  Writes n strings as a 1-D dataset of fixed-length, zero-padded UTF-8. */
lt_status lt_h5_write_strings(hid_t at, const char *name, int64_t n, const char *const *s, bool extendible);
/* Local.  The same for long ones: extendible and packed (deflate), in chunks of about 1 MiB, so that short strings among long ones, and ones that repeat,
 * take little room.  Errors: HDF5, IO, NOMEM. */
lt_status lt_h5_write_texts(hid_t at, const char *name, int64_t n, const char *const *s);
/* Local.  For arrays that do not fit memory: create, write parts [start, start + count) in any order, then seal (reads back to digest). */
lt_status lt_h5_create(hid_t at, const char *name, lt_dtype dt, int n_dims, const int64_t *dim);
lt_status lt_h5_write_part(hid_t at, const char *name, const int64_t *start, const int64_t *count, const void *data);
lt_status lt_h5_seal(hid_t at, const char *name);
/* Local.  Seals with the SHA-256 of the whole array that the caller has made: nothing is read back. */
lt_status lt_h5_seal_digested(hid_t at, const char *name, const char *hex);

/* Local.  Shape and type of a dataset; *dt is LT_DTYPE_COUNT for types that are not ours (strings).  Errors: FORMAT (absent), HDF5. */
lt_status lt_h5_shape(hid_t at, const char *name, lt_dtype *dt, int *n_dims, int64_t dim[LT_H5_MAX_DIMS]);
/* Local.  Reads a whole dataset that must have this type, rank and shape; dim[i] = -1 accepts any size and receives it.
 * out_ptr: address of a pointer; *out_ptr gets [dim[0], ...] released by free().  Errors: FORMAT (absent, other type, rank or shape,
 * damaged), NOMEM, HDF5. */
lt_status lt_h5_read(hid_t at, const char *name, lt_dtype dt, int n_dims, int64_t *dim, void *out_ptr);
/* Local.  The same into caller's memory dst [dim[0], ...]; all dim given. */
lt_status lt_h5_read_into(hid_t at, const char *name, lt_dtype dt, int n_dims, const int64_t *dim, void *dst);
/* Local.  Reads a 1-D dataset of strings, fixed or variable length; *s is one block released by free(). */
lt_status lt_h5_read_strings(hid_t at, const char *name, int64_t *n, char ***s);

#ifdef __cplusplus
}
#endif
