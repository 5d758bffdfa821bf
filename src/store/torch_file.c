/* One pytorch_model.bin -> tensors of lt_st.  Since torch 1.6 it is a zip archive:
 *
 *     ROOT/data.pkl (the state dict)   ROOT/data/KEY (bytes of a storage)   ROOT/byteorder   ROOT/version
 *
 * The format before is in torch_stream.c.
 *
 * Only pickles and directories are read here.  What comes out is, for each tensor, a range of the file, so that reading it is what reading safetensors
 * is.  A tensor must lie within its storage, and a storage fill its entry; tensors may share a storage (tied weights).  A matrix that lies
 * turned (torch keeps the strides of what was transposed, and so do models that were converted from TensorFlow) is read turned; other strides
 * are refused. */
#include "store/torch_impl.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN LT_ST_AGAIN

enum { NEWEST_VERSION = 10, MAX_NAME = 4096 };

/* --- storages: where each lies ---------------------------------------------------------------------------------------------------------- */

int lt_st_impl_by_key(const void *a, const void *b) {
    const lt_st_keyed *x = a, *y = b;
    int c = memcmp(x->key, y->key, (size_t)(x->bytes < y->bytes ? x->bytes : y->bytes));
    return c ? c : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

lt_status lt_st_impl_sort_storages(const lt_st_pickle *pk, lt_st_keyed **by) {
    const char *path = pk->src->f->path;
    char shown[80];
    LT_TRY(lt_calloc(by, pk->n_storages, sizeof **by, "storages by key"));
    for (int64_t i = 0; i < pk->n_storages; i++) {
        lt_st_storage *s = &pk->storage[i];
        (*by)[i] = (lt_st_keyed){.key = pk->text + s->key, .bytes = s->key_bytes, .s = s};
    }
    if (pk->n_storages > 0) qsort(*by, (size_t)pk->n_storages, sizeof **by, lt_st_impl_by_key);
    for (int64_t i = 1; i < pk->n_storages; i++) {
        const lt_st_keyed *a = &(*by)[i - 1], *b = &(*by)[i];
        LT_CHECK(lt_st_impl_by_key(a, b) != 0 || (a->s->type == b->s->type && a->s->raw == b->s->raw && a->s->numel == b->s->numel),
                 LT_ERR_FORMAT, "%s: the pickle says of storage %s both %lld elements of %s and %lld of %s", path,
                 lt_st_impl_shown(a->key, a->bytes, shown), (long long)a->s->numel, a->s->type->name, (long long)b->s->numel,
                 b->s->type->name);
    }
    return LT_OK;
}

void lt_st_impl_set_place(lt_st_keyed *by, int64_t n, int64_t i, int64_t place, int64_t *next) {
    int64_t k = i;
    for (; k < n && lt_st_impl_by_key(&by[k], &by[i]) == 0; k++) by[k].s->place = place;
    *next = k;
}

/* --- from the pickle to tensors ---------------------------------------------------------------------------------------------------------- */

/* Strides as those of a dense array, or of a matrix that lies turned.  Dimensions of 1 have any stride. */
static bool dense(const lt_st_ptensor *t, int64_t elems, bool *turned) {
    int64_t step = 1;
    bool plain = true;
    *turned = false;
    if (elems == 0) return true;
    for (int i = t->n_dims - 1; i >= 0; i--) {
        if (t->dim[i] != 1 && t->stride[i] != step) plain = false;
        step *= t->dim[i]; /* at most elems */
    }
    *turned = !plain && t->n_dims == 2 && t->stride[0] == 1 && t->stride[1] == t->dim[0];
    return plain || *turned;
}

static lt_status add_tensor(lt_st *st, int k, const lt_st_pickle *pk, const char *name, const lt_st_ptensor *p) {
    const lt_st_file *f = &st->file[k];
    const lt_st_storage *s = &pk->storage[p->storage];
    lt_st_tensor t = {.dtype = p->type->dtype, .dtype_name = p->type->name, .n_dims = p->n_dims, .file = k};
    int64_t elems = 1, elem = p->type->bits / 8, have = s->view_numel * (s->type->bits / 8), at;
    for (int i = 0; i < p->n_dims; i++) {
        t.dim[i] = p->dim[i];
        LT_CHECK(!__builtin_mul_overflow(elems, p->dim[i], &elems), LT_ERR_FORMAT, "%s: tensor %s: the shape overflows", f->path, name);
    }
    LT_CHECK(!__builtin_mul_overflow(elems, elem, &t.bytes) && !__builtin_mul_overflow(p->offset, elem, &at), LT_ERR_FORMAT,
             "%s: tensor %s: the shape or the offset overflows", f->path, name);
    LT_CHECK(at <= have && t.bytes <= have - at, LT_ERR_FORMAT,
             "%s: tensor %s has bytes [%lld, +%lld) of a storage of %lld: the file is damaged; " AGAIN, f->path, name, (long long)at,
             (long long)t.bytes, (long long)have);
    LT_CHECK(dense(p, elems, &t.turned), LT_ERR_FORMAT,
             "%s: tensor %s does not lie in the file row by row: in Python, save it after tensor.contiguous()", f->path, name);
    LT_CHECK(s->place >= 0, LT_ERR_INTERNAL, "storage of tensor %s has no place", name);
    t.offset = s->place + s->view_at * (s->type->bits / 8) + at;
    return lt_st_impl_append(st, name, &t);
}

/* The dict that holds tensors: the value itself, or what it has under a usual name. */
static lt_status find_state_dict(const lt_st_pickle *pk, const lt_st_value **found) {
    static const char *const wrapper[] = {"state_dict", "model"};
    const lt_st_value *top = &pk->value[pk->result];
    char keys[400] = "", shown[80];
    LT_CHECK(top->kind == LT_PK_DICT, LT_ERR_FORMAT, "%s holds no state dict: the pickle is not a dict of names and tensors",
             pk->src->f->path);
    for (int w = -1; w < 2; w++) {
        const lt_st_value *dict = w < 0 ? top : NULL;
        for (int32_t c = top->at; w >= 0 && c >= 0; c = pk->cell[c].next)
            if (lt_st_impl_is_text(pk, &pk->value[pk->cell[c].key], wrapper[w])) dict = &pk->value[pk->cell[c].value];
        if (!dict || dict->kind != LT_PK_DICT) continue;
        for (int32_t c = dict->at; c >= 0; c = pk->cell[c].next) {
            *found = dict;
            if (pk->value[pk->cell[c].value].kind == LT_PK_TENSOR) return LT_OK;
        }
    }
    int64_t named = 0;
    for (int32_t c = top->at; c >= 0 && named < 4; c = pk->cell[c].next, named++) {
        const lt_st_value *key = &pk->value[pk->cell[c].key];
        size_t at = strlen(keys);
        (void)snprintf(keys + at, sizeof keys - at, "%s%s", at ? ", " : "",
                       key->kind == LT_PK_TEXT ? lt_st_impl_shown(pk->text + key->at, key->n, shown) : "(no text)");
    }
    return LT_FAIL(LT_ERR_FORMAT,
                   "%s holds no tensors, neither at its top (%lld values: %s%s) nor in a dict \"state_dict\" or \"model\" there: it is no "
                   "file of a model's "
                   "weights",
                   pk->src->f->path, (long long)top->n, keys, top->n > named ? " ..." : "");
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static lt_status check_names(const lt_st *st, int k, int64_t first) {
    const char **name = NULL;
    int64_t n = st->n_tensors - first;
    lt_status rc = LT_OK;
    LT_TRY(lt_calloc(&name, n, sizeof *name, "names of tensors"));
    for (int64_t i = 0; i < n; i++) name[i] = st->tensor[first + i].name;
    if (n > 0) qsort(name, (size_t)n, sizeof *name, by_name);
    for (int64_t i = 1; i < n; i++)
        LT_CHECK_GOTO(strcmp(name[i], name[i - 1]) != 0, rc, done, LT_ERR_FORMAT, "%s: two tensors have the name %s", st->file[k].path,
                      name[i]);
done:
    free(name);
    return rc;
}

lt_status lt_st_impl_add_tensors(lt_st *st, int k, const lt_st_pickle *pk) {
    lt_st_file *f = &st->file[k];
    const lt_st_value *dict = NULL;
    char shown[80], name[MAX_NAME + 1];
    int64_t first = st->n_tensors;
    LT_TRY(find_state_dict(pk, &dict));
    if (dict != &pk->value[pk->result]) st->n_others += pk->value[pk->result].n - 1; /* what stands beside the state dict */
    for (int32_t c = dict->at; c >= 0; c = pk->cell[c].next) {
        const lt_st_value *key = &pk->value[pk->cell[c].key], *value = &pk->value[pk->cell[c].value];
        if (value->kind != LT_PK_TENSOR || key->kind != LT_PK_TEXT) {
            st->n_others++;
            continue;
        }
        json_t *text =
            key->n <= MAX_NAME ? json_stringn(pk->text + key->at, (size_t)key->n) : NULL; /* NULL as well for what is not UTF-8 */
        bool good = text && !memchr(pk->text + key->at, 0, (size_t)key->n);
        json_decref(text);
        LT_CHECK(good, LT_ERR_FORMAT, "%s: the name of a tensor, \"%s\", is not UTF-8 of at most %d bytes", f->path,
                 lt_st_impl_shown(pk->text + key->at, key->n, shown), MAX_NAME);
        memcpy(name, pk->text + key->at, (size_t)key->n);
        name[key->n] = 0;
        LT_TRY(add_tensor(st, k, pk, name, &pk->tensor[value->at]));
    }
    f->data = f->size; /* of what the fingerprint samples: from the first weight on */
    for (int64_t i = first; i < st->n_tensors; i++)
        if (st->tensor[i].bytes > 0 && st->tensor[i].offset < f->data) f->data = st->tensor[i].offset;
    return check_names(st, k, first);
}

/* --- a zip archive ------------------------------------------------------------------------------------------------------------------------ */

/* The entry ROOT/NAME, or NULL. */
static lt_status find_under(const lt_st_zip *zip, const char *root, int root_n, const char *name, int64_t n, const lt_st_entry **e) {
    char *full = NULL;
    int64_t all = root_n + 1 + n;
    LT_TRY(lt_calloc(&full, all + 1, 1, "the name of a zip entry"));
    memcpy(full, root, (size_t)root_n);
    full[root_n] = '/';
    memcpy(full + root_n + 1, name, (size_t)n);
    *e = lt_st_impl_zip_find(zip, full);
    free(full);
    return LT_OK;
}

/* The one folder of the archive that has a data.pkl. */
static lt_status find_root(const lt_st_file *f, const lt_st_zip *zip, const char **root, int *root_n) {
    const lt_st_entry *e;
    *root = NULL;
    for (int64_t i = 0; i < zip->n; i++) {
        const char *slash = strchr(zip->entry[i].name, '/');
        if (!slash || strcmp(slash, "/data.pkl") != 0) continue;
        LT_CHECK(!*root, LT_ERR_FORMAT, "%s: the zip archive has a data.pkl in two folders: it is not one of torch.save", f->path);
        *root = zip->entry[i].name;
        *root_n = (int)(slash - *root);
    }
    LT_CHECK(*root, LT_ERR_FORMAT, "%s is a zip archive without a data.pkl: it is not one of torch.save", f->path);
    LT_TRY(find_under(zip, *root, *root_n, "constants.pkl", 13, &e));
    LT_CHECK(!e, LT_ERR_FORMAT, "%s is a TorchScript archive (torch.jit.save), which holds programs: in Python, save module.state_dict()",
             f->path);
    return LT_OK;
}

/* A small entry as text; empty if there is none. */
static lt_status read_text(lt_st *st, const lt_st_file *f, const lt_st_zip *zip, const char *root, int root_n, const char *name,
                           char text[32]) {
    const lt_st_entry *e;
    memset(text, 0, 32);
    LT_TRY(find_under(zip, root, root_n, name, (int64_t)strlen(name), &e));
    if (!e) return LT_OK;
    LT_CHECK(e->bytes > 0 && e->bytes < 32, LT_ERR_FORMAT, "%s: zip entry %s has %lld bytes, expected a word", f->path, name,
             (long long)e->bytes);
    LT_TRY(lt_st_impl_zip_check_crc(st, f, e));
    LT_TRY(lt_st_impl_pread(st, f, text, e->bytes, e->data));
    text[strcspn(text, "\r\n")] = 0;
    return LT_OK;
}

static lt_status check_facts(lt_st *st, const lt_st_file *f, const lt_st_zip *zip, const char *root, int root_n) {
    char text[32], shown[80], *end;
    LT_TRY(read_text(st, f, zip, root, root_n, "version", text));
    long version = strtol(text, &end, 10);
    LT_CHECK(end != text && !*end && version >= 1 && version <= NEWEST_VERSION, LT_ERR_FORMAT,
             "%s: the archive's version is \"%s\", 1 to %d are read: %s", f->path, lt_st_impl_shown(text, (int64_t)strlen(text), shown),
             NEWEST_VERSION, *text ? "save the weights as safetensors" : "it is not one of torch.save");
    LT_TRY(read_text(st, f, zip, root, root_n, "byteorder", text)); /* since torch 2.1 */
    LT_CHECK(!*text || !strcmp(text, "little"), LT_ERR_FORMAT,
             "%s was written in the byte order \"%s\", only little-endian files are read: save the weights again on such a machine",
             f->path, lt_st_impl_shown(text, (int64_t)strlen(text), shown));
    return LT_OK;
}

/* Finds the entry of every storage. */
static lt_status place_in_zip(const lt_st_pickle *pk, const lt_st_zip *zip, const char *root, int root_n) {
    const char *path = pk->src->f->path;
    lt_st_keyed *by = NULL;
    char shown[80], *name = NULL;
    lt_status rc = LT_OK;
    LT_TRY_GOTO(lt_st_impl_sort_storages(pk, &by), rc, done);
    for (int64_t i = 0; i < pk->n_storages;) {
        const lt_st_storage *s = by[i].s;
        const lt_st_entry *e;
        int64_t want = lt_st_impl_storage_bytes(s);
        LT_TRY_GOTO(lt_calloc(&name, 5 + by[i].bytes, 1, "the name of a storage"), rc, done);
        memcpy(name, "data/", 5);
        memcpy(name + 5, by[i].key, (size_t)by[i].bytes);
        LT_TRY_GOTO(find_under(zip, root, root_n, name, 5 + by[i].bytes, &e), rc, done);
        (void)lt_st_impl_shown(name, 5 + by[i].bytes, shown);
        LT_CHECK_GOTO(e, rc, done, LT_ERR_FORMAT, "%s: the archive has no entry %s, which the pickle names: it is damaged; " AGAIN, path,
                      shown);
        /* A storage may end with part of an element, when its bytes had another type once. */
        LT_CHECK_GOTO(e->bytes >= want && e->bytes - want < s->type->bits / 8, rc, done, LT_ERR_FORMAT,
                      "%s: zip entry %s has %lld bytes, but the pickle says %lld elements of %s, %lld bytes: it is damaged; " AGAIN, path,
                      shown, (long long)e->bytes, (long long)s->numel, s->raw ? "one byte" : s->type->name, (long long)want);
        lt_st_impl_set_place(by, pk->n_storages, i, e->data, &i);
        free(name);
        name = NULL;
    }
done:
    free(name);
    free(by);
    return rc;
}

static lt_status add_zip(lt_st *st, int k) {
    const lt_st_file *f = &st->file[k];
    lt_st_zip zip = {0};
    lt_st_pickle pk = {0};
    lt_st_source src = {.st = st, .f = f};
    const lt_st_entry *e;
    const char *root;
    int root_n = 0;
    lt_status rc = LT_OK;
    LT_TRY_GOTO(lt_st_impl_zip_open(st, f, &zip), rc, done);
    LT_TRY_GOTO(find_root(f, &zip, &root, &root_n), rc, done);
    LT_TRY_GOTO(check_facts(st, f, &zip, root, root_n), rc, done);
    LT_TRY_GOTO(find_under(&zip, root, root_n, "data.pkl", 8, &e), rc, done);
    LT_TRY_GOTO(lt_st_impl_zip_check_crc(st, f, e), rc, done);
    src.at = e->data;
    src.end = e->data + e->bytes;
    LT_TRY_GOTO(lt_st_impl_unpickle(&src, &pk), rc, done);
    LT_CHECK_GOTO(src.at == src.end, rc, done, LT_ERR_FORMAT, "%s: data.pkl has %lld bytes behind its pickle: it is damaged; " AGAIN,
                  f->path, (long long)(src.end - src.at));
    LT_TRY_GOTO(place_in_zip(&pk, &zip, root, root_n), rc, done);
    LT_TRY_GOTO(lt_st_impl_add_tensors(st, k, &pk), rc, done);
done:
    free(src.buf);
    lt_st_impl_pickle_free(&pk);
    lt_st_impl_zip_close(&zip);
    return rc;
}

/* --- either ----------------------------------------------------------------------------------------------------------------------------- */

lt_status lt_st_impl_add_torch(lt_st *st, int k) {
    const lt_st_file *f = &st->file[k];
    unsigned char b[4] = {0};
    char tar[6] = "";
    LT_TRY(lt_st_impl_pread(st, f, b, f->size < 4 ? f->size : 4, 0));
    if (b[0] == 'P' && b[1] == 'K') return add_zip(st, k);
    if (b[0] == 0x80) return lt_st_impl_add_stream(st, k);
    if (f->size > 262) LT_TRY(lt_st_impl_pread(st, f, tar, 5, 257));
    LT_CHECK(strcmp(tar, "ustar") != 0, LT_ERR_FORMAT,
             "%s is a tar archive, as the first versions of torch wrote them: save the weights again in Python", f->path);
    return LT_FAIL(LT_ERR_FORMAT,
                   "%s begins with bytes %02x %02x %02x %02x: neither a zip archive nor a pickle, so none of torch.save; " AGAIN, f->path,
                   b[0], b[1], b[2], b[3]);
}
