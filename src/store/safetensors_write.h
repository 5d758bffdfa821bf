#pragma once
/* Writer of safetensors files: tensors are declared, then their bytes come in that order, in pieces of any size, so that no file is ever in memory.
 *
 *     lt_st_write_begin -> lt_st_write_declare ... -> lt_st_write_add ... -> lt_st_write_commit          (or lt_st_write_cancel)
 *
 * A file appears under its name when it is whole, or not at all. */

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_st_writer lt_st_writer;

/* Local.  Starts PATH under a temporary name.  Errors: IO, NOMEM. */
lt_status lt_st_write_begin(const char *path, lt_st_writer **w);
/* Local.  Announces the next tensor; before the first bytes.  Readers that map files want each tensor at a multiple of its element size, so declare those of
 * wide elements first.  Errors: ARG (a name twice, a type that safetensors lacks, a place that is no such multiple), NOMEM. */
lt_status lt_st_write_declare(lt_st_writer *w, const char *name, lt_dtype dtype, int n_dims, const int64_t *dim);
/* Local.  The next bytes of the tensors, in the order of their declaration.  Errors: IO, ARG (more than was declared), NOMEM. */
lt_status lt_st_write_add(lt_st_writer *w, const void *data, int64_t bytes);
/* Local.  Ends the file, brings it to the disk and gives it its name.  Frees w and sets it to NULL also on failure, when what was there before stays.
 * Errors: IO, ARG (bytes are missing), NOMEM. */
lt_status lt_st_write_commit(lt_st_writer **w);
/* Local.  Gives up; accepts NULL inside. */
void lt_st_write_cancel(lt_st_writer **w);
/* Local.  A file of n whole f32 tensors.  Errors: as above. */
lt_status lt_st_write_named(const char *path, const lt_named *t, int n);

#ifdef __cplusplus
}
#endif
