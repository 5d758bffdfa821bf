/* Safetensors files, written in one pass; see safetensors_write.h, and safetensors.c for the format.
 *
 * The header stands first and says every tensor's place, so it is written when the first bytes come.  It is padded with blanks to a multiple of eight, as the
 * reference implementation does, so that the data begin aligned. */
#include "store/safetensors_write.h"

#include "base/fault.h"
#include "base/mem.h"
#include "store/fs.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct lt_st_writer {
    char *path, *tmp;
    FILE *file;
    json_t *header;
    int64_t declared, written; /* bytes of data */
    bool begun;                /* the header is in the file */
};

/* Name of an element type; NULL: the format has none. */
static const char *type_name(lt_dtype dt) {
    static const char *const name[LT_DTYPE_COUNT] = {
        [LT_F32] = "F32", [LT_BF16] = "BF16", [LT_F16] = "F16", [LT_I32] = "I32", [LT_I64] = "I64", [LT_F64] = "F64", [LT_U8] = "U8"};
    return dt < LT_DTYPE_COUNT ? name[dt] : NULL;
}

lt_status lt_st_write_begin(const char *path, lt_st_writer **out) {
    lt_st_writer *w = NULL;
    lt_status st = LT_OK;
    LT_TRY(LT_FAULT_POINT("safetensors.write"));
    LT_TRY(lt_calloc(&w, 1, sizeof *w, "a writer of tensors"));
    LT_TRY_GOTO(lt_strdup(&w->path, path), st, fail);
    LT_TRY_GOTO(lt_fs_temp_name(path, &w->tmp), st, fail);
    w->header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt"); /* transformers asks for it */
    LT_CHECK_GOTO(w->header, st, fail, LT_ERR_NOMEM, "no memory for the header of %s", path);
    w->file = fopen(w->tmp, "wb");
    LT_CHECK_GOTO(w->file, st, fail, LT_ERR_IO, "cannot create %s: %s", w->tmp, strerror(errno));
    *out = w;
    return LT_OK;
fail:
    lt_st_write_cancel(&w);
    return st;
}

lt_status lt_st_write_declare(lt_st_writer *w, const char *name, lt_dtype dtype, int n_dims, const int64_t *dim) {
    const char *type = type_name(dtype);
    LT_CHECK(type, LT_ERR_ARG, "tensor %s: safetensors has no type for %d", name, (int)dtype);
    LT_CHECK(!w->begun && !json_object_get(w->header, name), LT_ERR_ARG, "tensor %s is declared twice, or too late, in %s", name, w->path);
    int64_t bytes = (int64_t)lt_dtype_bytes(dtype);
    LT_CHECK(w->declared % bytes == 0, LT_ERR_ARG, "tensor %s would lie at byte %lld of %s, which its elements of %lld bytes do not divide",
             name, (long long)w->declared, w->path, (long long)bytes);
    json_t *shape = json_array();
    for (int i = 0; i < n_dims; i++) {
        bytes *= dim[i];
        json_array_append_new(shape, json_integer(dim[i]));
    }
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", type, "shape", shape, "data_offsets", (json_int_t)w->declared,
                              (json_int_t)(w->declared + bytes));
    LT_CHECK(entry && json_object_set_new(w->header, name, entry) == 0, LT_ERR_NOMEM, "no memory for the header of %s", w->path);
    w->declared += bytes;
    return LT_OK;
}

static lt_status put(lt_st_writer *w, const void *data, size_t bytes) {
    LT_CHECK(fwrite(data, 1, bytes, w->file) == bytes, LT_ERR_IO, "cannot write %s: %s", w->tmp, strerror(errno));
    return LT_OK;
}

/* u64 length, little-endian, then the header. */
static lt_status put_header(lt_st_writer *w) {
    static const char blanks[8] = "       ";
    unsigned char length[8];
    char *text = json_dumps(w->header, JSON_COMPACT | JSON_PRESERVE_ORDER);
    LT_CHECK(text, LT_ERR_NOMEM, "no memory for the header of %s", w->path);
    size_t n = strlen(text), pad = (8 - n % 8) % 8;
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)(n + pad) >> (8 * i));
    w->begun = true;
    lt_status st = put(w, length, sizeof length);
    if (st == LT_OK) st = put(w, text, n);
    if (st == LT_OK) st = put(w, blanks, pad);
    free(text);
    return st;
}

lt_status lt_st_write_add(lt_st_writer *w, const void *data, int64_t bytes) {
    if (!w->begun) LT_TRY(put_header(w));
    LT_CHECK(bytes >= 0 && bytes <= w->declared - w->written, LT_ERR_ARG, "%lld bytes more than the tensors of %s were declared to have",
             (long long)(bytes - (w->declared - w->written)), w->path);
    w->written += bytes;
    return put(w, data, (size_t)bytes);
}

static lt_status end(lt_st_writer *w) {
    if (!w->begun) LT_TRY(put_header(w));
    LT_CHECK(w->written == w->declared, LT_ERR_ARG, "%lld bytes of the tensors declared in %s never came",
             (long long)(w->declared - w->written), w->path);
    FILE *f = w->file;
    w->file = NULL;
    LT_CHECK(fclose(f) == 0, LT_ERR_IO, "cannot write %s: %s", w->tmp, strerror(errno));
    return lt_fs_replace(w->tmp, w->path, true);
}

lt_status lt_st_write_commit(lt_st_writer **w) {
    lt_status st = end(*w);
    if (st == LT_OK) {
        free((*w)->tmp); /* there is none any more */
        (*w)->tmp = NULL;
    }
    lt_st_write_cancel(w);
    return st == LT_OK ? st : lt_err_trace(st, __FILE__, __LINE__, __func__);
}

void lt_st_write_cancel(lt_st_writer **out) {
    lt_st_writer *w = *out;
    if (!w) return;
    if (w->file) (void)fclose(w->file);
    if (w->tmp) (void)unlink(w->tmp);
    json_decref(w->header);
    free(w->tmp);
    free(w->path);
    free(w);
    *out = NULL;
}

lt_status lt_st_write_named(const char *path, const lt_named *t, int n) {
    lt_st_writer *w = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_st_write_begin(path, &w));
    for (int i = 0; i < n && st == LT_OK; i++) st = lt_st_write_declare(w, t[i].name, LT_F32, t[i].n_dims, t[i].dim);
    for (int i = 0; i < n && st == LT_OK; i++) st = lt_st_write_add(w, t[i].data, lt_named_elems(&t[i]) * (int64_t)sizeof(float));
    if (st == LT_OK) return lt_st_write_commit(&w);
    lt_st_write_cancel(&w);
    return st;
}
