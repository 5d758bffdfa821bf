/* Opening the weights of a folder: which files they are, shards by their index, and the queries; see safetensors.h.  What is in one file is read by
 * safetensors.c and torch_file.c.
 *
 * A folder may hold the same weights in several forms.  The first of the table wins, as in Hugging Face's own library: safetensors say what they
 * hold in a header that is JSON, a pickle only after its program has been followed. */
#include "store/safetensors_impl.h"

#include "base/fault.h"
#include "base/mem.h"
#include "store/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AGAIN LT_ST_AGAIN

enum { N_FORMS = 4, POINTER_BYTES = 1024 /* more than a Git LFS pointer has */ };
typedef struct lt_form {
    const char *name;
    bool index;                     /* of shards */
    lt_status (*add)(lt_st *, int); /* the tensors of one file */
} lt_form;
static const lt_form form[N_FORMS] = {{"model.safetensors", false, lt_st_impl_add_safetensors},
                                      {"model.safetensors.index.json", true, lt_st_impl_add_safetensors},
                                      {"pytorch_model.bin", false, lt_st_impl_add_torch},
                                      {"pytorch_model.bin.index.json", true, lt_st_impl_add_torch}};

/* Types of the formats with the bits of one element; those we can read have an lt_dtype. */
static const lt_st_type known_type[] = {{"F32", LT_F32, 32},
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
                                        {"C64", LT_DTYPE_COUNT, 64},
                                        {"F8_E4M3", LT_DTYPE_COUNT, 8},
                                        {"F8_E5M2", LT_DTYPE_COUNT, 8},
                                        {"F8_E8M0", LT_DTYPE_COUNT, 8},
                                        {"F4", LT_DTYPE_COUNT, 4}};

const lt_st_type *lt_st_impl_type(const char *name) {
    for (size_t i = 0; i < sizeof known_type / sizeof *known_type; i++)
        if (!strcmp(name, known_type[i].name)) return &known_type[i];
    return NULL;
}

/* --- one file -------------------------------------------------------------------------------------------------------------------------- */

static lt_status open_file(lt_st *st, lt_st_file *f) {
    static const char pointer[] = "version https://git-lfs";
    char begin[sizeof pointer - 1];
    struct stat info;
    f->name = strrchr(f->path, '/') + 1;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
    LT_CHECK(f->fd >= 0, LT_ERR_IO, "cannot open %s: %s", f->path, strerror(errno));
    LT_CHECK(fstat(f->fd, &info) == 0 && S_ISREG(info.st_mode), LT_ERR_IO, "%s is not a regular file", f->path);
    f->size = info.st_size;
    LT_CHECK(f->size > 0, LT_ERR_FORMAT, "%s is empty (0 bytes): " AGAIN, f->path);
    if (f->size < (int64_t)sizeof begin || f->size > POINTER_BYTES) return LT_OK;
    LT_TRY(lt_st_impl_pread(st, f, begin, sizeof begin, 0));
    LT_CHECK(memcmp(begin, pointer, sizeof begin) != 0, LT_ERR_FORMAT,
             "%s is a pointer of Git LFS (%lld bytes) and not the weights: run git lfs pull in that folder", f->path, (long long)f->size);
    return LT_OK;
}

lt_status lt_st_impl_append(lt_st *st, const char *name, const lt_st_tensor *t) {
    char *copy;
    if (st->n_tensors == st->cap_tensors) {
        int64_t cap = st->cap_tensors ? 2 * st->cap_tensors : 256;
        lt_st_tensor *grown = realloc(st->tensor, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld tensors", (long long)cap);
        st->tensor = grown;
        st->cap_tensors = cap;
    }
    LT_TRY(lt_strdup(&copy, name));
    st->tensor[st->n_tensors] = *t;
    st->tensor[st->n_tensors++].name = copy;
    return LT_OK;
}

/* Opens file number k and adds its tensors; st->file[k].path is set. */
static lt_status add_file(lt_st *st, int k, const lt_form *as) {
    LT_TRY(open_file(st, &st->file[k]));
    return as->add(st, k);
}

/* --- the folder ------------------------------------------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b) { return strcmp(((const lt_st_tensor *)a)->name, ((const lt_st_tensor *)b)->name); }

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Opens the shards that a weight_map names, each once, in order of name. */
static lt_status add_shards(lt_st *st, const char *dir, const lt_form *as, const json_t *map) {
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
        LT_TRY_GOTO(add_file(st, k, as), rc, done);
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

static lt_status open_index(lt_st *st, const char *dir, const lt_form *as) {
    json_error_t why;
    lt_status rc = LT_OK;
    json_t *root = json_load_file(st->path, JSON_REJECT_DUPLICATES, &why);
    LT_CHECK(root, LT_ERR_FORMAT, "%s cannot be read as JSON (line %d: %s): " AGAIN, st->path, why.line, why.text);
    const json_t *map = json_object_get(root, "weight_map");
    LT_CHECK_GOTO(json_object_size(map) > 0, rc, done, LT_ERR_FORMAT, "%s has no weight_map: it is not an index of shards", st->path);
    LT_TRY_GOTO(add_shards(st, dir, as, map), rc, done);
    rc = match_map(st, map);
done:
    json_decref(root);
    return rc;
}

static lt_status open_single(lt_st *st, const lt_form *as) {
    LT_TRY(lt_calloc(&st->file, 1, sizeof *st->file, "a file"));
    st->file[0].fd = -1;
    LT_TRY(lt_strdup(&st->file[0].path, st->path));
    st->n_files = 1;
    LT_TRY(add_file(st, 0, as));
    if (st->n_tensors > 0) qsort(st->tensor, (size_t)st->n_tensors, sizeof *st->tensor, by_name);
    return LT_OK;
}

/* True if a name is in the folder.  A link into a cache of downloads whose file never came is an error, and not as if there were none: what the
 * link stands for would be passed over. */
static lt_status is_there(const char *dir, const char *name, bool *there) {
    struct stat info;
    char *path;
    LT_TRY(lt_fs_path(&path, "%s/%s", dir, name));
    *there = access(path, F_OK) == 0;
    bool dangling = !*there && lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
    lt_status rc =
        dangling ? LT_FAIL(LT_ERR_IO, "%s is a link to a file that is not there: the download is incomplete; " AGAIN, path) : LT_OK;
    free(path);
    return rc;
}

static lt_status make_note(lt_st *st, const char *dir, int which) {
    for (int i = which + 1; i < N_FORMS && !st->note; i++) {
        char *path;
        LT_TRY(lt_fs_path(&path, "%s/%s", dir, form[i].name));
        bool there = access(path, F_OK) == 0; /* what is not read may be a link to nothing */
        free(path);
        if (there) LT_TRY(lt_fs_path(&st->note, "%s ignored: %s is there", form[i].name, form[which].name));
    }
    if (!st->note && st->n_others > 0)
        LT_TRY(lt_fs_path(&st->note, "%s%s %lld values that are not tensors: ignored", form[which].name,
                          form[which].index ? ": the shards hold" : " holds", (long long)st->n_others));
    return LT_OK;
}

lt_status lt_st_open(const char *dir, lt_st **out) {
    lt_st *st = NULL;
    lt_status rc = LT_OK;
    bool there = false;
    int which = 0;
    LT_TRY(LT_FAULT_POINT("safetensors.open"));
    LT_TRY(lt_calloc(&st, 1, sizeof *st, "the list of tensors"));
    for (; which < N_FORMS; which++) {
        LT_TRY_GOTO(is_there(dir, form[which].name, &there), rc, fail);
        if (there) break;
    }
    if (!there) LT_TRY_GOTO(lt_st_impl_say_what_is_there(dir), rc, fail);
    LT_TRY_GOTO(lt_fs_path(&st->path, "%s/%s", dir, form[which].name), rc, fail);
    LT_TRY_GOTO(form[which].index ? open_index(st, dir, &form[which]) : open_single(st, &form[which]), rc, fail);
    LT_TRY_GOTO(make_note(st, dir, which), rc, fail);
    *out = st;
    return LT_OK;
fail:
    lt_st_close(&st);
    return rc;
}

lt_status lt_st_open_file(const char *path, lt_st **out) {
    lt_st *st = NULL;
    lt_status rc = LT_OK;
    size_t n = strlen(path);
    const lt_form *as = &form[n > 4 && !strcmp(path + n - 4, ".bin") ? 2 : 0];
    LT_TRY(LT_FAULT_POINT("safetensors.open"));
    LT_TRY(lt_calloc(&st, 1, sizeof *st, "the list of tensors"));
    LT_TRY_GOTO(lt_fs_path(&st->path, "%s%s", strchr(path, '/') ? "" : "./", path), rc, fail);
    LT_TRY_GOTO(open_single(st, as), rc, fail);
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
    free(st->note);
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
const char *lt_st_note(const lt_st *st) { return st->note; }
int lt_st_files(const lt_st *st) { return st->n_files; }
const char *lt_st_file_path(const lt_st *st, int file) { return st->file[file].path; }
int64_t lt_st_bytes_read(const lt_st *st) { return __atomic_load_n(&st->bytes_read, __ATOMIC_RELAXED); }

int64_t lt_st_total_bytes(const lt_st *st) {
    int64_t bytes = 0;
    for (int64_t i = 0; i < st->n_tensors; i++) bytes += st->tensor[i].bytes;
    return bytes;
}
