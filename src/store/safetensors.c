/* One safetensors file: its header and all the checks of it; see safetensors.h.  Folders are in weights_open.c, reading in safetensors_read.c.
 *
 * A file is    u64 N (little-endian) | N bytes of JSON | data    where the JSON maps each name to {"dtype", "shape", "data_offsets": [begin, end)}
 * relative to the data, plus an optional "__metadata__" that we ignore.  The format asks that tensors tile the data without holes or overlap;
 * checking it finds truncated downloads, damaged headers and trailing junk in one sweep over the tensors in order of place.
 *
 * The header is at most 100 MB, the limit of the reference implementation, and is checked against the file size before anything is allocated. */
#include "store/safetensors_impl.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const int64_t max_header_bytes = 100 * 1000 * 1000;

#define AGAIN LT_ST_AGAIN

static lt_status read_header(lt_st *st, lt_st_file *f, json_t **header) {
    unsigned char len[8];
    uint64_t n = 0;
    char *text = NULL;
    json_error_t why;
    lt_status rc = LT_OK;
    LT_CHECK(f->size >= 8, LT_ERR_FORMAT, "%s has %lld bytes, expected at least the 8 of a safetensors header length: " AGAIN, f->path,
             (long long)f->size);
    LT_TRY(lt_st_impl_pread(st, f, len, 8, 0));
    for (int i = 7; i >= 0; i--) n = n << 8 | len[i];
    LT_CHECK(n <= (uint64_t)(f->size - 8), LT_ERR_FORMAT,
             "%s: the header claims %llu bytes, but only %lld follow it: the file is truncated or not safetensors; " AGAIN, f->path,
             (unsigned long long)n, (long long)f->size - 8);
    LT_CHECK(n <= (uint64_t)max_header_bytes, LT_ERR_FORMAT, "%s: the header claims %llu bytes, more than the %lld that safetensors allows",
             f->path, (unsigned long long)n, (long long)max_header_bytes);
    LT_TRY(lt_calloc(&text, (int64_t)n + 1, 1, "a safetensors header"));
    LT_TRY_GOTO(lt_st_impl_pread(st, f, text, (int64_t)n, 8), rc, done);
    json_t *root = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &why);
    LT_CHECK_GOTO(root, rc, done, LT_ERR_FORMAT, "%s: the header is not JSON (byte %d: %s): the file is damaged or not safetensors; " AGAIN,
                  f->path, why.position, why.text);
    if (!json_is_object(root)) {
        json_decref(root);
        rc = LT_FAIL(LT_ERR_FORMAT, "%s: the header is JSON but not an object: not a safetensors file", f->path);
        goto done;
    }
    f->data = 8 + (int64_t)n;
    *header = root;
done:
    free(text);
    return rc;
}

/* One entry of a header into t (name not set).  *begin: relative to the data. */
static lt_status parse_tensor(const lt_st_file *f, const char *name, const json_t *entry, lt_st_tensor *t) {
    const json_t *dtype = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape"),
                 *span = json_object_get(entry, "data_offsets");
    uint64_t elems = 1, total;
    LT_CHECK(json_is_string(dtype), LT_ERR_FORMAT, "%s: tensor %s has no dtype: the header is damaged", f->path, name);
    const lt_st_type *type = lt_st_impl_type(json_string_value(dtype));
    LT_CHECK(type, LT_ERR_FORMAT, "%s: tensor %s has the unknown dtype \"%s\", expected F32, F16, BF16 or another type of safetensors",
             f->path, name, json_string_value(dtype));
    t->dtype = type->dtype;
    t->dtype_name = type->name;
    LT_CHECK(json_is_array(shape) && json_array_size(shape) <= LT_ST_MAX_DIMS, LT_ERR_FORMAT,
             "%s: tensor %s has no shape of at most %d dimensions", f->path, name, LT_ST_MAX_DIMS);
    t->n_dims = (int)json_array_size(shape);
    for (int i = 0; i < t->n_dims; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);
        LT_CHECK(json_is_integer(d) && json_integer_value(d) >= 0, LT_ERR_FORMAT, "%s: tensor %s: dimension %d is not a count", f->path,
                 name, i);
        t->dim[i] = json_integer_value(d);
        LT_CHECK(!__builtin_mul_overflow(elems, (uint64_t)t->dim[i], &elems), LT_ERR_FORMAT, "%s: tensor %s: the shape overflows", f->path,
                 name);
    }
    LT_CHECK(!__builtin_mul_overflow(elems, (uint64_t)type->bits, &total) && total % 8 == 0 && total / 8 <= INT64_MAX, LT_ERR_FORMAT,
             "%s: tensor %s: the shape overflows", f->path, name);
    const json_t *b = json_array_get(span, 0), *e = json_array_get(span, 1);
    LT_CHECK(json_array_size(span) == 2 && json_is_integer(b) && json_is_integer(e), LT_ERR_FORMAT,
             "%s: tensor %s has no data_offsets [begin, end]", f->path, name);
    int64_t begin = json_integer_value(b), end = json_integer_value(e), have = f->size - f->data;
    LT_CHECK(begin >= 0 && end >= begin, LT_ERR_FORMAT, "%s: tensor %s: data_offsets [%lld, %lld] are not a range", f->path, name,
             (long long)begin, (long long)end);
    LT_CHECK((uint64_t)(end - begin) == total / 8, LT_ERR_FORMAT,
             "%s: tensor %s: data_offsets span %lld bytes, but its shape in %s needs %llu", f->path, name, (long long)(end - begin),
             t->dtype_name, (unsigned long long)(total / 8));
    LT_CHECK(end <= have, LT_ERR_FORMAT, "%s is truncated: tensor %s ends at byte %lld of the data, the file holds %lld; " AGAIN, f->path,
             name, (long long)end, (long long)have);
    t->offset = f->data + begin;
    t->bytes = end - begin;
    return LT_OK;
}

static int by_place(const void *a, const void *b) {
    const lt_st_tensor *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* The n tensors of one file, in any order, must tile its data. */
static lt_status check_tiling(const lt_st_file *f, lt_st_tensor *t, int64_t n) {
    int64_t at = f->data;
    if (n > 0) qsort(t, (size_t)n, sizeof *t, by_place);
    for (int64_t i = 0; i < n; i++) {
        LT_CHECK(t[i].offset >= at, LT_ERR_FORMAT, "%s: tensors %s and %s overlap: the header is damaged; " AGAIN, f->path, t[i - 1].name,
                 t[i].name);
        LT_CHECK(t[i].offset == at, LT_ERR_FORMAT, "%s: %lld bytes before tensor %s belong to no tensor: the header is damaged; " AGAIN,
                 f->path, (long long)(t[i].offset - at), t[i].name);
        at += t[i].bytes;
    }
    LT_CHECK(at == f->size, LT_ERR_FORMAT, "%s: the header describes %lld bytes, the file has %lld: it is damaged; " AGAIN, f->path,
             (long long)at, (long long)f->size);
    return LT_OK;
}

lt_status lt_st_impl_add_safetensors(lt_st *st, int k) {
    lt_st_file *f = &st->file[k];
    json_t *header = NULL;
    const char *name;
    json_t *entry;
    int64_t first = st->n_tensors;
    lt_status rc = LT_OK;
    LT_TRY(read_header(st, f, &header));
    json_object_foreach(header, name, entry) {
        lt_st_tensor t = {.file = k};
        if (!strcmp(name, "__metadata__")) continue;
        LT_TRY_GOTO(parse_tensor(f, name, entry, &t), rc, done);
        LT_TRY_GOTO(lt_st_impl_append(st, name, &t), rc, done);
    }
    rc = check_tiling(f, st->tensor ? st->tensor + first : NULL, st->n_tensors - first); /* a file may hold no tensors */
done:
    json_decref(header);
    return rc;
}
