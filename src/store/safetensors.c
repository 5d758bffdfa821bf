/* Opening safetensors: headers, index and all their checks; see safetensors.h.  Reading of tensors is in safetensors_read.c.
 *
 * A file is    u64 N (little-endian) | N bytes of JSON | data    where the JSON maps each name to {"dtype", "shape", "data_offsets": [begin, end)}
 * relative to the data, plus an optional "__metadata__" that we ignore.  The format asks that tensors tile the data without holes or overlap;
 * checking it finds truncated downloads, damaged headers and trailing junk in one sweep over the tensors in order of place.
 *
 * The header is at most 100 MB, the limit of the reference implementation, and is checked against the file size before anything is allocated. */
#include "store/safetensors_impl.h"

#include "base/fault.h"
#include "base/mem.h"
#include "store/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const int64_t max_header_bytes = 100 * 1000 * 1000;

/* Types of the format with the bits of one element; those we can read have an lt_dtype. */
static const struct {
    const char *name;
    lt_dtype dtype;
    int bits;
} known_type[] = {{"F32", LT_F32, 32},
                  {"BF16", LT_BF16, 16},
                  {"F16", LT_F16, 16},
                  {"I64", LT_I64, 64},
                  {"I32", LT_I32, 32},
                  {"F64", LT_F64, 64},
                  {"U8", LT_U8, 8},
                  {"BOOL", LT_U8, 8},
                  {"I8", LT_DTYPE_COUNT, 8},
                  {"I16", LT_DTYPE_COUNT, 16},
                  {"U16", LT_DTYPE_COUNT, 16},
                  {"U32", LT_DTYPE_COUNT, 32},
                  {"U64", LT_DTYPE_COUNT, 64},
                  {"F8_E4M3", LT_DTYPE_COUNT, 8},
                  {"F8_E5M2", LT_DTYPE_COUNT, 8},
                  {"F8_E8M0", LT_DTYPE_COUNT, 8},
                  {"F4", LT_DTYPE_COUNT, 4}};

#define AGAIN "download or copy it again"

/* --- one file -------------------------------------------------------------------------------------------------------------------------- */

static lt_status open_file(lt_st_file *f) {
    struct stat info;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
    LT_CHECK(f->fd >= 0, LT_ERR_IO, "cannot open %s: %s", f->path, strerror(errno));
    LT_CHECK(fstat(f->fd, &info) == 0 && S_ISREG(info.st_mode), LT_ERR_IO, "%s is not a regular file", f->path);
    f->size = info.st_size;
    LT_CHECK(f->size > 0, LT_ERR_FORMAT, "%s is empty (0 bytes): " AGAIN, f->path);
    LT_CHECK(f->size >= 8, LT_ERR_FORMAT, "%s has %lld bytes, expected at least the 8 of a safetensors header length: " AGAIN, f->path,
             (long long)f->size);
    return LT_OK;
}

static lt_status read_header(lt_st *st, lt_st_file *f, json_t **header) {
    unsigned char len[8];
    uint64_t n = 0;
    char *text = NULL;
    json_error_t why;
    lt_status rc = LT_OK;
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
    int bits = 0;
    uint64_t elems = 1, total;
    LT_CHECK(json_is_string(dtype), LT_ERR_FORMAT, "%s: tensor %s has no dtype: the header is damaged", f->path, name);
    for (size_t i = 0; i < sizeof known_type / sizeof *known_type; i++) {
        if (strcmp(json_string_value(dtype), known_type[i].name) != 0) continue;
        t->dtype = known_type[i].dtype;
        t->dtype_name = known_type[i].name;
        bits = known_type[i].bits;
    }
    LT_CHECK(bits, LT_ERR_FORMAT, "%s: tensor %s has the unknown dtype \"%s\", expected F32, F16, BF16 or another type of safetensors",
             f->path, name, json_string_value(dtype));
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
    LT_CHECK(!__builtin_mul_overflow(elems, (uint64_t)bits, &total) && total % 8 == 0 && total / 8 <= INT64_MAX, LT_ERR_FORMAT,
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

static int by_name(const void *a, const void *b) { return strcmp(((const lt_st_tensor *)a)->name, ((const lt_st_tensor *)b)->name); }

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

static lt_status append(lt_st *st, const lt_st_tensor *t) {
    if (st->n_tensors == st->cap_tensors) {
        int64_t cap = st->cap_tensors ? 2 * st->cap_tensors : 256;
        lt_st_tensor *grown = realloc(st->tensor, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld tensors", (long long)cap);
        st->tensor = grown;
        st->cap_tensors = cap;
    }
    st->tensor[st->n_tensors++] = *t;
    return LT_OK;
}

/* Opens file number k and adds its tensors; st->file[k].path is set. */
static lt_status add_file(lt_st *st, int k) {
    lt_st_file *f = &st->file[k];
    json_t *header = NULL;
    const char *name;
    json_t *entry;
    int64_t first = st->n_tensors;
    lt_status rc = LT_OK;
    f->name = strrchr(f->path, '/') + 1;
    LT_TRY(open_file(f));
    LT_TRY(read_header(st, f, &header));
    json_object_foreach(header, name, entry) {
        lt_st_tensor t = {.file = k};
        char *copy;
        if (!strcmp(name, "__metadata__")) continue;
        LT_TRY_GOTO(parse_tensor(f, name, entry, &t), rc, done);
        LT_TRY_GOTO(lt_strdup(&copy, name), rc, done);
        t.name = copy;
        rc = append(st, &t);
        if (rc != LT_OK) free(copy);
        if (rc != LT_OK) goto done;
    }
    rc = check_tiling(f, st->tensor ? st->tensor + first : NULL, st->n_tensors - first); /* a file may hold no tensors */
done:
    json_decref(header);
    return rc;
}

/* --- the folder ------------------------------------------------------------------------------------------------------------------------ */

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Opens the shards that a weight_map names, each once, in order of name. */
static lt_status add_shards(lt_st *st, const char *dir, const json_t *map) {
    const char *name, **shard = NULL;
    json_t *value;
    int64_t n = 0;
    lt_status rc = LT_OK;
    LT_TRY(lt_calloc(&shard, (int64_t)json_object_size(map), sizeof *shard, "names of shards"));
    json_object_foreach((json_t *)map, name, value) {
        const char *file = json_string_value(value);
        LT_CHECK_GOTO(file && file[0] && !strchr(file, '/'), rc, done, LT_ERR_FORMAT,
                      "%s: weight_map: tensor %s has no file name beside the index", st->path, name);
        shard[n++] = file;
    }
    if (n > 0) qsort(shard, (size_t)n, sizeof *shard, by_text);
    LT_TRY_GOTO(lt_calloc(&st->file, n, sizeof *st->file, "shards"), rc, done);
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && !strcmp(shard[i], shard[i - 1])) continue;
        int k = st->n_files;
        st->file[k].fd = -1;
        LT_TRY_GOTO(lt_fs_path(&st->file[k].path, "%s/%s", dir, shard[i]), rc, done);
        st->n_files++;
        LT_CHECK_GOTO(access(st->file[k].path, F_OK) == 0, rc, done, LT_ERR_IO,
                      "shard %s, named in %s, is missing: the download is incomplete", st->file[k].path, st->path);
        LT_TRY_GOTO(add_file(st, k), rc, done);
    }
done:
    free(shard);
    return rc;
}

/* Keeps of all tensors those whose file is the one that weight_map gives, and looks for absent ones. */
static lt_status match_map(lt_st *st, const json_t *map) {
    const char *name;
    json_t *value;
    int64_t kept = 0;
    for (int64_t i = 0; i < st->n_tensors; i++) {
        lt_st_tensor t = st->tensor[i];
        const char *file = json_string_value(json_object_get(map, t.name));
        if (file && !strcmp(file, st->file[t.file].name))
            st->tensor[kept++] = t;
        else
            free((char *)t.name);
    }
    st->n_tensors = kept;
    if (kept > 0) qsort(st->tensor, (size_t)kept, sizeof *st->tensor, by_name);
    json_object_foreach((json_t *)map, name, value) {
        LT_CHECK(lt_st_find(st, name), LT_ERR_FORMAT, "tensor %s is not in %s, where %s places it: the shards do not belong together", name,
                 json_string_value(value), st->path);
    }
    return LT_OK;
}

static lt_status open_index(lt_st *st, const char *dir) {
    json_error_t why;
    lt_status rc = LT_OK;
    json_t *root = json_load_file(st->path, JSON_REJECT_DUPLICATES, &why);
    LT_CHECK(root, LT_ERR_FORMAT, "%s cannot be read as JSON (line %d: %s): " AGAIN, st->path, why.line, why.text);
    const json_t *map = json_object_get(root, "weight_map");
    LT_CHECK_GOTO(json_object_size(map) > 0, rc, done, LT_ERR_FORMAT, "%s has no weight_map: it is not an index of safetensors", st->path);
    LT_TRY_GOTO(add_shards(st, dir, map), rc, done);
    rc = match_map(st, map);
done:
    json_decref(root);
    return rc;
}

static lt_status open_single(lt_st *st) {
    LT_TRY(lt_calloc(&st->file, 1, sizeof *st->file, "a file"));
    st->file[0].fd = -1;
    LT_TRY(lt_strdup(&st->file[0].path, st->path));
    st->n_files = 1;
    LT_TRY(add_file(st, 0));
    if (st->n_tensors > 0) qsort(st->tensor, (size_t)st->n_tensors, sizeof *st->tensor, by_name);
    return LT_OK;
}

/* Says what is wrong with a folder that has neither file. */
static lt_status nothing_found(const char *dir) {
    static const char *const torch[] = {"pytorch_model.bin", "pytorch_model.bin.index.json"};
    struct stat info;
    LT_CHECK(stat(dir, &info) == 0, LT_ERR_IO, "cannot open the model folder %s: %s", dir, strerror(errno));
    LT_CHECK(S_ISDIR(info.st_mode), LT_ERR_IO, "%s is not a folder: give the folder that holds model.safetensors", dir);
    for (int i = 0; i < 2; i++) {
        char *path;
        LT_TRY(lt_fs_path(&path, "%s/%s", dir, torch[i]));
        bool there = access(path, F_OK) == 0;
        free(path);
        LT_CHECK(!there, LT_ERR_IO,
                 "%s has %s but no model.safetensors, and pickled weights are not read: convert them once in Python with "
                 "AutoModel.from_pretrained(...).save_pretrained(DIR, safe_serialization=True)",
                 dir, torch[i]);
    }
    return LT_FAIL(LT_ERR_IO, "%s has neither model.safetensors nor model.safetensors.index.json: check the path or download the weights",
                   dir);
}

lt_status lt_st_open(const char *dir, lt_st **out) {
    static const char *const name[] = {"model.safetensors", "model.safetensors.index.json"};
    lt_st *st = NULL;
    lt_status rc = LT_OK;
    int which;
    LT_TRY(LT_FAULT_POINT("safetensors.open"));
    LT_TRY(lt_calloc(&st, 1, sizeof *st, "the list of tensors"));
    for (which = 0; which < 2; which++) {
        LT_TRY_GOTO(lt_fs_path(&st->path, "%s/%s", dir, name[which]), rc, fail);
        if (access(st->path, F_OK) == 0) break;
        free(st->path);
        st->path = NULL;
    }
    rc = which == 0 ? open_single(st) : which == 1 ? open_index(st, dir) : nothing_found(dir);
    if (rc != LT_OK) lt_err_trace(rc, __FILE__, __LINE__, __func__);
    if (rc != LT_OK) goto fail;
    *out = st;
    return LT_OK;
fail:
    lt_st_close(&st);
    return rc;
}

void lt_st_close(lt_st **out) {
    lt_st *st = *out;
    if (!st) return;
    for (int i = 0; i < st->n_files; i++) {
        if (st->file[i].fd >= 0) (void)close(st->file[i].fd);
        free(st->file[i].path);
    }
    for (int64_t i = 0; i < st->n_tensors; i++) free((char *)st->tensor[i].name);
    free(st->file);
    free(st->tensor);
    free(st->path);
    free(st);
    *out = NULL;
}

/* --- queries ---------------------------------------------------------------------------------------------------------------------------- */

const lt_st_tensor *lt_st_find(const lt_st *st, const char *name) {
    lt_st_tensor key = {.name = name};
    return st->n_tensors ? bsearch(&key, st->tensor, (size_t)st->n_tensors, sizeof key, by_name) : NULL;
}

int64_t lt_st_count(const lt_st *st) { return st->n_tensors; }
const lt_st_tensor *lt_st_at(const lt_st *st, int64_t i) { return &st->tensor[i]; }
const char *lt_st_path(const lt_st *st) { return st->path; }
int lt_st_files(const lt_st *st) { return st->n_files; }
const char *lt_st_file_path(const lt_st *st, int file) { return st->file[file].path; }
int64_t lt_st_bytes_read(const lt_st *st) { return __atomic_load_n(&st->bytes_read, __ATOMIC_RELAXED); }

int64_t lt_st_total_bytes(const lt_st *st) {
    int64_t bytes = 0;
    for (int64_t i = 0; i < st->n_tensors; i++) bytes += st->tensor[i].bytes;
    return bytes;
}
