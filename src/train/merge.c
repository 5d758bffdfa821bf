/* A whole model with a trial's update in its weights: W + scale B A, tensor by tensor and a piece of rows at a time; see export.h.
 *
 * Where a class of transformers reads out as the trial does, the folder is that class's: its backbone's tensors under its prefix, and the head.  Else
 * the base's tensors keep their names.  Tensors of other element types than floats are buffers that every program makes for itself, and stay behind. */
#include "train/export_impl.h"

#include "base/fault.h"
#include "base/mem.h"
#include "store/fs.h"
#include "store/json.h"
#include "store/safetensors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_ELEMS = 1 << 20 };

/* One tensor of the folder: of the base, with an update or without, or of the head. */
typedef struct out_tensor {
    char name[2 * LT_NAME_BYTES];
    const lt_st_tensor *src; /* NULL: value */
    const float *value;
    lt_dtype dtype;
    int n_dims;
    int64_t dim[LT_ST_MAX_DIMS];
    int update, layer; /* which of the updates; -1: none */
    int file;
} out_tensor;

typedef struct merge {
    const lt_export *e;
    lt_st *st;
    out_tensor *t;
    int64_t n;
    lt_update *u;
    int n_updates, files;
    int64_t bytes;
    float *zeros; /* of a bias that the class has and the trial has not */
} merge;

/* ---- which tensors ---- */

static int64_t elems(const out_tensor *t) {
    int64_t n = 1;
    for (int i = 0; i < t->n_dims; i++) n *= t->dim[i];
    return n;
}

/* Is a name, whole words at its beginning, one of these? */
static bool begins(const char *name, const char *word) { return word && !strncmp(name, word, strlen(word)); }

/* Do the base's tensors have the family's prefix? */
static bool is_prefixed(const merge *m) {
    for (int64_t i = 0; i < lt_st_count(m->st); i++)
        if (begins(lt_st_at(m->st, i)->name, lt_module_prefix(m->e->arch))) return true;
    return false;
}

/* A tensor's name in the folder; false: it stays behind. */
static bool name_of(const merge *m, const lt_st_tensor *t, bool prefixed, char name[2 * LT_NAME_BYTES]) {
    const char *prefix = lt_module_prefix(m->e->arch), *pooler = lt_module_pooler(m->e->arch);
    if (t->dtype != LT_F32 && t->dtype != LT_BF16 && t->dtype != LT_F16) return false;
    bool add = m->e->exact && !prefixed;
    (void)snprintf(name, 2 * LT_NAME_BYTES, "%s%s", add ? prefix : "", t->name);
    if (!m->e->exact) return true;
    /* of a base with a head of its own only the backbone goes on */
    return add ? !begins(t->name, m->e->cls.head) : begins(t->name, prefix) || begins(t->name, pooler);
}

/* Which update a tensor gets. */
static void find_update(const merge *m, out_tensor *o) {
    char module[LT_NAME_BYTES], want[2 * LT_NAME_BYTES];
    const char *prefix = lt_module_prefix(m->e->arch), *name = o->src->name;
    if (begins(name, prefix)) name += strlen(prefix);
    o->update = -1;
    for (int i = 0; i < m->n_updates; i++)
        for (int l = 0; l < m->e->arch->m; l++) {
            lt_module_name(&m->u[i].module, l, module);
            (void)snprintf(want, sizeof want, "%s.weight", module);
            if (strcmp(name, want) != 0) continue;
            o->update = i;
            o->layer = l;
        }
}

static void add_head_tensor(merge *m, const char *suffix, const float *value, int n_dims) {
    out_tensor *o = &m->t[m->n++];
    const lt_dtype as = m->e->args->dtype;
    *o = (out_tensor){.value = value, .dtype = as == LT_DTYPE_COUNT ? m->t[0].dtype : as, .n_dims = n_dims, .update = -1};
    o->dim[0] = m->e->run->data.K;
    o->dim[1] = n_dims > 1 ? m->e->arch->C : 0;
    (void)snprintf(o->name, sizeof o->name, "%s.%s", m->e->cls.head, suffix);
}

static lt_status add_head(merge *m) {
    const float *weight = NULL, *bias = NULL;
    for (int i = 0; i < m->e->n; i++) {
        if (!strcmp(m->e->value[i].name, "head.weight")) weight = m->e->value[i].data;
        if (!strcmp(m->e->value[i].name, "head.bias")) bias = m->e->value[i].data;
    }
    LT_ASSERT(weight);
    add_head_tensor(m, "weight", weight, 2);
    if (!m->e->cls.bias) return LT_OK;
    LT_TRY(lt_calloc(&m->zeros, m->e->run->data.K, sizeof *m->zeros, "a bias"));
    add_head_tensor(m, "bias", bias ? bias : m->zeros, 1);
    return LT_OK;
}

/* Wide elements first, so that every tensor lies at a multiple of its element size. */
static int by_width(const void *a, const void *b) {
    const out_tensor *x = a, *y = b;
    size_t p = lt_dtype_bytes(x->dtype), q = lt_dtype_bytes(y->dtype);
    return p != q ? (p < q ? 1 : -1) : strcmp(x->name, y->name);
}

static lt_status list_tensors(merge *m) {
    bool prefixed = is_prefixed(m);
    int updated = 0, wanted = m->n_updates * m->e->arch->m;
    LT_TRY(lt_calloc(&m->t, lt_st_count(m->st) + 2, sizeof *m->t, "the list of tensors"));
    for (int64_t i = 0; i < lt_st_count(m->st); i++) {
        out_tensor *o = &m->t[m->n];
        const lt_st_tensor *src = lt_st_at(m->st, i);
        if (!name_of(m, src, prefixed, o->name)) continue;
        o->src = src;
        o->dtype = m->e->args->dtype == LT_DTYPE_COUNT ? src->dtype : m->e->args->dtype;
        o->n_dims = src->n_dims;
        memcpy(o->dim, src->dim, sizeof o->dim);
        find_update(m, o);
        updated += o->update >= 0;
        m->n++;
    }
    LT_CHECK(m->n > 0 && updated == wanted, LT_ERR_INTERNAL, "%d of the %d matrices that the trial updates were found in %s", updated,
             wanted, lt_st_path(m->st));
    if (m->e->exact) LT_TRY(add_head(m));
    qsort(m->t, (size_t)m->n, sizeof *m->t, by_width);
    int64_t in_file = 0;
    m->files = 1;
    for (int64_t i = 0; i < m->n; i++) {
        int64_t bytes = elems(&m->t[i]) * (int64_t)lt_dtype_bytes(m->t[i].dtype);
        if (in_file > 0 && in_file + bytes > m->e->args->file_bytes) {
            m->files++;
            in_file = 0;
        }
        m->t[i].file = m->files - 1;
        in_file += bytes;
        m->bytes += bytes;
    }
    return LT_OK;
}

/* ---- their bytes ---- */

/* Adds rows [row0, row0 + rows) of scale B A to w [rows, cols], as the file has the matrix. */
static void add_update(const lt_update *u, double scale, int64_t row0, int64_t rows, float *w, float *sum) {
    int64_t R = u->R, K = u->module.K, N = u->module.N, cols = u->module.turned ? N : K;
    for (int64_t i = 0; i < rows; i++) {
        memset(sum, 0, (size_t)cols * sizeof *sum);
        for (int64_t r = 0; r < R; r++) {
            float one = u->module.turned ? u->A[r * K + row0 + i] : u->B[(row0 + i) * R + r];
            if (one == 0) continue; /* most of a fused B */
            for (int64_t c = 0; c < cols; c++) sum[c] += one * (u->module.turned ? u->B[c * R + r] : u->A[r * K + c]);
        }
        for (int64_t c = 0; c < cols; c++) w[i * cols + c] += (float)scale * sum[c];
    }
}

/* A piece of rows: with an update through f32, else as it is or converted. */
static lt_status put_rows(merge *m, lt_st_writer *w, const out_tensor *o, int64_t row0, int64_t rows, int64_t cols, void *piece,
                          float *wide) {
    const lt_export *e = m->e;
    size_t bytes = (size_t)(rows * cols) * lt_dtype_bytes(o->dtype);
    LT_TRY(LT_FAULT_POINT("export.piece"));
    if (o->src && o->update < 0) {
        LT_TRY(lt_st_read(m->st, o->src, row0, rows, 0, cols, piece, o->dtype));
        return lt_st_write_add(w, piece, (int64_t)bytes);
    }
    if (o->src) {
        LT_TRY(lt_st_read(m->st, o->src, row0, rows, 0, cols, wide, LT_F32));
        add_update(&m->u[o->update], lt_lora_scale(&e->method), row0, rows, wide, wide + rows * cols);
    }
    LT_TRY(lt_convert(piece, o->dtype, o->src ? wide : o->value + row0 * cols, LT_F32, rows * cols));
    return lt_st_write_add(w, piece, (int64_t)bytes);
}

static lt_status put_tensor(merge *m, lt_st_writer *w, const out_tensor *o) {
    int64_t rows = o->n_dims ? o->dim[0] : 1, cols = 1, some;
    void *piece = NULL;
    float *wide = NULL;
    lt_status st = LT_OK;
    for (int i = 1; i < o->n_dims; i++) cols *= o->dim[i];
    some = cols < PIECE_ELEMS && cols > 0 ? PIECE_ELEMS / cols : 1;
    if (some > rows) some = rows;
    if (o->update >= 0) LT_TRY(lt_update_fill(&m->u[o->update], &m->e->peft, m->e->value, m->e->n, o->layer));
    LT_TRY_GOTO(lt_calloc(&piece, some * cols, lt_dtype_bytes(o->dtype), "a piece of a tensor"), st, done);
    LT_TRY_GOTO(lt_calloc(&wide, (some + 1) * cols, sizeof *wide, "a piece of a tensor"), st, done);
    for (int64_t at = 0; at < rows && st == LT_OK; at += some)
        st = put_rows(m, w, o, at, rows - at < some ? rows - at : some, cols, piece, wide);
done:
    free(piece);
    free(wide);
    return st;
}

static void file_name(const merge *m, int file, char name[64]) {
    if (m->files == 1)
        (void)snprintf(name, 64, "model.safetensors");
    else
        (void)snprintf(name, 64, "model-%05d-of-%05d.safetensors", file + 1, m->files);
}

static lt_status write_file(merge *m, int file) {
    char name[64], *path = NULL;
    lt_st_writer *w = NULL;
    lt_status st = LT_OK;
    file_name(m, file, name);
    LT_TRY(lt_fs_path(&path, "%s/%s", m->e->tmp, name));
    LT_TRY_GOTO(lt_st_write_begin(path, &w), st, done);
    for (int64_t i = 0; i < m->n; i++)
        if (m->t[i].file == file) LT_TRY_GOTO(lt_st_write_declare(w, m->t[i].name, m->t[i].dtype, m->t[i].n_dims, m->t[i].dim), st, done);
    for (int64_t i = 0; i < m->n; i++)
        if (m->t[i].file == file) LT_TRY_GOTO(put_tensor(m, w, &m->t[i]), st, done);
    st = lt_st_write_commit(&w);
done:
    lt_st_write_cancel(&w);
    free(path);
    return st;
}

/* ---- the rest of the folder ---- */

static lt_status write_index(const merge *m) {
    char name[64];
    json_t *map = json_object();
    if (m->files == 1) {
        json_decref(map);
        return LT_OK;
    }
    for (int64_t i = 0; i < m->n; i++) {
        file_name(m, m->t[i].file, name);
        json_object_set_new(map, m->t[i].name, json_string(name));
    }
    return lt_json_write(m->e->tmp, "model.safetensors.index.json",
                         json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)m->bytes, "weight_map", map),
                         JSON_PRESERVE_ORDER);
}

/* The base's, with the labels, the class and the element type. */
static lt_status write_config(const merge *m) {
    const lt_export *e = m->e;
    static const char *const type[LT_DTYPE_COUNT] = {[LT_F32] = "float32", [LT_BF16] = "bfloat16"};
    const lt_dataset_info *info = lt_dataset_about(e->run->data.file);
    json_t *names = json_object(), *ids = json_object();
    json_error_t why;
    char *path = NULL, id[16];
    LT_TRY(lt_fs_path(&path, "%s/config.json", e->base));
    json_t *o = json_load_file(path, 0, &why);
    free(path);
    for (int k = 0; o && k < e->run->data.K; k++) {
        (void)snprintf(id, sizeof id, "%d", k);
        json_object_set_new(names, id, json_string(info->label_name[k]));
        json_object_set_new(ids, info->label_name[k], json_integer(k));
    }
    json_object_del(o, "num_labels"); /* transformers takes their number from the names */
    json_object_del(o, "_num_labels");
    json_object_set_new(o, "id2label", names);
    json_object_set_new(o, "label2id", ids);
    if (e->exact) json_object_set_new(o, "architectures", json_pack("[s]", e->cls.name));
    if (e->exact && !e->cls.tokens) json_object_set_new(o, "problem_type", json_string("single_label_classification"));
    if (e->args->dtype != LT_DTYPE_COUNT)
        json_object_set_new(o, json_object_get(o, "dtype") ? "dtype" : "torch_dtype", json_string(type[e->args->dtype]));
    return lt_json_write(m->e->tmp, "config.json", o, JSON_PRESERVE_ORDER);
}

static lt_status copy_file(const char *from, const char *to) {
    char piece[65536];
    size_t n;
    FILE *in = fopen(from, "rb"), *out = in ? fopen(to, "wb") : NULL;
    bool good = in && out;
    while (good && (n = fread(piece, 1, sizeof piece, in)) > 0) good = fwrite(piece, 1, n, out) == n;
    good = good && !ferror(in);
    int why = errno;
    if (in) (void)fclose(in);
    if (out && fclose(out) != 0) good = false;
    LT_CHECK(good, LT_ERR_IO, "cannot copy %s to %s: %s", from, to, strerror(why));
    return LT_OK;
}

/* The tokenizer's files and what else a folder of weights comes with. */
static lt_status copy_others(const merge *m) {
    static const char *const names[] = {"tokenizer.json",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "vocab.txt",
                                        "vocab.json",
                                        "merges.txt",
                                        "spiece.model",
                                        "spm.model",
                                        "tokenizer.model",
                                        "sentencepiece.bpe.model",
                                        "chat_template.jinja",
                                        "bpe_encoder.bin",
                                        "generation_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *from = NULL, *to = NULL;
        lt_status st = lt_fs_path(&from, "%s/%s", m->e->base, names[i]);
        if (st == LT_OK) st = lt_fs_path(&to, "%s/%s", m->e->tmp, names[i]);
        if (st == LT_OK && access(from, F_OK) == 0) st = copy_file(from, to);
        free(from);
        free(to);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

lt_status lt_run_impl_merge(const lt_export *e) {
    merge m = {.e = e};
    lt_status st = lt_st_open(e->base, &m.st);
    if (st == LT_OK && e->method.name == LT_METHOD_LORA) st = lt_updates_list(&e->peft, &m.u, &m.n_updates);
    if (st == LT_OK) st = list_tensors(&m);
    for (int file = 0; st == LT_OK && file < m.files; file++) st = write_file(&m, file);
    if (st == LT_OK) st = write_index(&m);
    if (st == LT_OK) st = write_config(&m);
    if (st == LT_OK) st = copy_others(&m);
    lt_updates_free(m.u, m.n_updates);
    lt_st_close(&m.st);
    free(m.zeros);
    free(m.t);
    return st;
}
