/* Reading PEFT's folders; see peft.h.
 *
 * A tensor is looked for with the family's prefix and without: adapters of a model with a head have it, those of a bare model do not.  Every tensor of the
 * file must have found its place at the end, so that an adapter of other matrices, layers or models is an error and not a part of one. */
#include "tuner/peft_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/fs.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct lt_peft_file {
    const lt_peft *p;
    char *config_path;
    json_t *config;
    lt_st *st;
    bool *used; /* [tensors] */
} lt_peft_file;

/* ---- adapter_config.json ---- */

static const char *type_of(const lt_method_cfg *c) {
    return c->name == LT_METHOD_LORA ? "LORA" : c->name == LT_METHOD_PREFIX ? "PREFIX_TUNING" : "PROMPT_TUNING";
}

/* Fails unless a field that would change the numbers is absent or off. */
static lt_status refuse(const lt_peft_file *f, const char *key) {
    const json_t *v = json_object_get(f->config, key);
    bool off = !v || json_is_null(v) || json_is_false(v) || (json_is_string(v) && !strcmp(json_string_value(v), "none")) ||
               (json_is_array(v) && json_array_size(v) == 0) || (json_is_object(v) && json_object_size(v) == 0);
    LT_CHECK(off, LT_ERR_FORMAT, "%s: \"%s\" is set: such an adapter cannot be read; only plain low-rank updates can", f->config_path, key);
    return LT_OK;
}

static lt_status check_kind(const lt_peft_file *f) {
    static const char *const unknown[] = {
        "use_dora",          "bias",       "lora_bias",   "use_qalora",       "layer_replication", "trainable_token_indices",
        "target_parameters", "use_bdlora", "kasa_config", "monteclora_config"};
    const char *type = json_string_value(json_object_get(f->config, "peft_type"));
    LT_CHECK(type, LT_ERR_FORMAT, "%s has no \"peft_type\": it is not a file of PEFT's", f->config_path);
    LT_CHECK(!strcmp(type, type_of(f->p->cfg)), LT_ERR_CONFIG,
             "method.from: %s has peft_type %s, but method.name: %s takes %s: set method.name to what the folder holds (LORA: lora, "
             "PROMPT_TUNING: prompt, PREFIX_TUNING: prefix)",
             f->config_path, type, lt_method_of(f->p->cfg)->name, type_of(f->p->cfg));
    for (size_t i = 0; f->p->cfg->name == LT_METHOD_LORA && i < sizeof unknown / sizeof *unknown; i++) LT_TRY(refuse(f, unknown[i]));
    return LT_OK;
}

/* A number that a pattern may give a module of its own; the pattern's keys are ends of names. */
static double number_of(const lt_peft_file *f, const char *key, const char *pattern, const char *module) {
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(f->config, pattern), name, value) {
        if (*name == '^') name++;
        size_t n = strlen(module), k = strlen(name);
        if (n >= k && !strcmp(module + n - k, name) && (n == k || module[n - k - 1] == '.')) return json_number_value(value);
    }
    return json_number_value(json_object_get(f->config, key));
}

/* The factor of a module's update must be ours. */
static lt_status check_scale(const lt_peft_file *f, const char *module, int64_t R) {
    const lt_method_cfg *c = f->p->cfg;
    bool rs = json_is_true(json_object_get(f->config, "use_rslora"));
    double r = (double)R, alpha = number_of(f, "lora_alpha", "alpha_pattern", module), rank = (double)c->rank;
    double theirs = alpha / (rs ? sqrt(r) : r), ours = lt_lora_scale(c);
    double want = theirs * (c->scaling == LT_SCALING_RSLORA ? sqrt(rank) : rank);
    LT_CHECK(alpha > 0, LT_ERR_FORMAT, "%s: \"lora_alpha\" is not a number above 0", f->config_path);
    LT_CHECK(fabs(theirs - ours) <= 1e-6 * ours, LT_ERR_CONFIG,
             "method.alpha: %s multiplies the update of %s by %.6g (lora_alpha %g, rank %lld%s), method.alpha: %g with method.rank: %d by "
             "%.6g: set method.alpha: %.10g",
             f->config_path, module, theirs, alpha, (long long)R, rs ? ", use_rslora" : "", c->alpha, c->rank, ours, want);
    return LT_OK;
}

/* ---- tensors ---- */

static void shape_text(char buf[64], int n, const int64_t *dim) {
    int at = snprintf(buf, 64, "[");
    for (int i = 0; i < n && at < 50; i++) at += snprintf(buf + at, 64 - (size_t)at, i ? ", %lld" : "%lld", (long long)dim[i]);
    (void)snprintf(buf + at, 64 - (size_t)at, "]");
}

/* A tensor by the end of its name, in the forms that it may have; NULL: there is none. */
static const lt_st_tensor *find(const lt_peft_file *f, const char *end) {
    static const char *const before[] = {"base_model.model.", "base_model.", ""};
    const char *prefix[] = {lt_module_prefix(f->p->arch), ""};
    char name[4 * LT_NAME_BYTES];
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        for (int k = 0; k < 2; k++) {
            (void)snprintf(name, sizeof name, "%s%s%s", before[i], prefix[k], end);
            const lt_st_tensor *t = lt_st_find(f->st, name);
            if (t) return t;
        }
    return NULL;
}

static void mark(lt_peft_file *f, const lt_st_tensor *t) { f->used[t - lt_st_at(f->st, 0)] = true; }

static lt_status read_whole(lt_peft_file *f, const lt_st_tensor *t, float *dst) {
    mark(f, t);
    return lt_st_read(f->st, t, 0, t->dim[0], 0, t->n_dims > 1 ? t->dim[1] : 1, dst, LT_F32);
}

/* A tensor of the shape [rows, cols] that the base model asks for. */
static lt_status need(lt_peft_file *f, const char *end, int64_t rows, int64_t cols, const lt_st_tensor **t) {
    char want[64], got[64];
    *t = find(f, end);
    LT_CHECK(*t, LT_ERR_FORMAT, "tensor ...%s is missing in %s: the adapter is of other matrices or of another model", end,
             lt_st_path(f->st));
    shape_text(want, 2, (int64_t[]){rows, cols});
    shape_text(got, (*t)->n_dims, (*t)->dim);
    LT_CHECK(!strcmp(want, got), LT_ERR_SHAPE,
             "tensor %s in %s has shape %s, expected %s of the model (%s): the adapter belongs to another base", (*t)->name,
             lt_st_path(f->st), got, want, f->p->arch->model_type);
    return LT_OK;
}

/* Does the file update any matrix that this model has? */
static bool is_of_model(const lt_peft_file *f) {
    char module[LT_NAME_BYTES], end[2 * LT_NAME_BYTES];
    for (int k = 0; k < LT_TARGET_COUNT; k++) {
        lt_module mod;
        for (int l = 0; lt_module_of(f->p->arch, (lt_target)k, &mod) && l < f->p->arch->m; l++) {
            lt_module_name(&mod, l, module);
            (void)snprintf(end, sizeof end, "%s.lora_A.weight", module);
            if (find(f, end)) return true;
        }
    }
    return false;
}

/* The rank that A of a module has in the file: the trial's, or that of all its parts together. */
static lt_status rank_of(const lt_peft_file *f, const lt_update *u, const char *end, int64_t *R) {
    const lt_st_tensor *t = find(f, end);
    char parts[64] = "";
    for (int k = 0; k < LT_TARGET_COUNT; k++)
        if (u->parts >> k & 1) {
            size_t at = strlen(parts);
            (void)snprintf(parts + at, sizeof parts - at, "%s%s", at ? ", " : "", lt_target_words[k]);
        }
    LT_CHECK(t || is_of_model(f), LT_ERR_FORMAT,
             "tensor ...%s is missing in %s, and so is every other of this model's (%s): the adapter is of another model", end,
             lt_st_path(f->st), f->p->arch->model_type);
    LT_CHECK(t && t->n_dims == 2, LT_ERR_CONFIG,
             "tensor ...%s is missing in %s: the adapter does not update %s: leave it out of method.targets", end, lt_st_path(f->st),
             parts);
    *R = t->dim[0];
    LT_CHECK(*R == f->p->cfg->rank || *R == u->R, LT_ERR_CONFIG,
             "method.rank: tensor %s in %s has rank %lld, method.rank is %d: set method.rank: %lld", t->name, lt_st_path(f->st),
             (long long)*R, f->p->cfg->rank, (long long)*R);
    return LT_OK;
}

static lt_status read_update(lt_peft_file *f, lt_update *u, int layer, lt_named *value, int n) {
    char module[LT_NAME_BYTES], end[2 * LT_NAME_BYTES];
    const lt_st_tensor *A, *B;
    int64_t R = 0;
    lt_module_name(&u->module, layer, module);
    (void)snprintf(end, sizeof end, "%s.lora_A.weight", module);
    LT_TRY(rank_of(f, u, end, &R));
    LT_TRY(need(f, end, R, u->module.K, &A));
    (void)snprintf(end, sizeof end, "%s.lora_B.weight", module);
    LT_TRY(need(f, end, u->module.N, R, &B));
    LT_TRY(check_scale(f, module, R));
    LT_TRY(read_whole(f, A, u->A));
    LT_TRY(read_whole(f, B, u->B));
    return lt_peft_impl_take(u, f->p, value, n, layer, R, B->name);
}

static lt_status read_lora(lt_peft_file *f, lt_named *value, int n) {
    lt_update *u = NULL;
    int n_updates = 0;
    LT_TRY(lt_updates_list(f->p, &u, &n_updates));
    lt_status st = LT_OK;
    for (int i = 0; i < n_updates; i++)
        for (int l = 0; st == LT_OK && l < f->p->arch->m; l++) st = read_update(f, &u[i], l, value, n);
    lt_updates_free(u, n_updates);
    return st;
}

static lt_status read_rows(lt_peft_file *f, lt_named *value, int n) {
    const lt_named *rows = lt_peft_impl_value(value, n, f->p->cfg->name == LT_METHOD_PREFIX ? "prefix.rows" : "prompt.rows");
    const lt_st_tensor *t = find(f, "prompt_embeddings");
    LT_CHECK(rows, LT_ERR_CONFIG, "method.from: the folder has the rows of a prefix, not what makes them: set method.mlp: 0");
    LT_CHECK(t, LT_ERR_FORMAT, "tensor prompt_embeddings is missing in %s", lt_st_path(f->st));
    LT_CHECK(t->n_dims != 2 || t->dim[0] == rows->dim[0], LT_ERR_CONFIG,
             "method.length: tensor prompt_embeddings in %s has %lld rows, method.length is %lld: set method.length: %lld",
             lt_st_path(f->st), (long long)t->dim[0], (long long)rows->dim[0], (long long)t->dim[0]);
    LT_TRY(need(f, "prompt_embeddings", rows->dim[0], rows->dim[1], &t));
    return read_whole(f, t, rows->data);
}

/* ---- the head ---- */

/* True for a tensor that belongs to a classifier, ours or of some other form. */
static bool is_head(const char *name) {
    static const char *const words[] = {".classifier.", ".score.", ".pre_classifier.", ".pooler."};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(name, words[i])) return true;
    return false;
}

/* Does the file have more of a classifier than a matrix and a bias?  Its last matrix then reads what another layer, trained too, has made of the rows. */
static bool has_layer_before(const lt_peft_file *f) {
    for (int64_t i = 0; i < lt_st_count(f->st); i++) {
        const char *name = lt_st_at(f->st, i)->name;
        if (strstr(name, ".pre_classifier.") || strstr(name, ".pooler.") || strstr(name, ".classifier.dense.")) return true;
    }
    return false;
}

/* Matrix and bias of the given names, if both have our shapes. */
static lt_status take_head(lt_peft_file *f, const char *weight, const char *bias, lt_named *value, int n, bool *taken) {
    const lt_named *w = lt_peft_impl_value(value, n, "head.weight"), *b = lt_peft_impl_value(value, n, "head.bias");
    const lt_st_tensor *tw = find(f, weight), *tb = find(f, bias);
    bool fits = w && tw && tw->n_dims == 2 && tw->dim[0] == w->dim[0] && tw->dim[1] == w->dim[1] &&
                (!tb || (tb->n_dims == 1 && tb->dim[0] == w->dim[0] && b));
    if (*taken || !fits) return LT_OK;
    *taken = true;
    LT_TRY(read_whole(f, tw, w->data));
    if (b && !tb) memset(b->data, 0, (size_t)lt_named_elems(b) * sizeof *b->data);
    return tb ? read_whole(f, tb, b->data) : LT_OK;
}

/* A head beside the adapter; with `model`, or that of a whole model. */
static lt_status read_own_head(const lt_peft *p, const char *dir, bool model, lt_named *value, int n, bool *taken) {
    lt_peft_file h = {.p = p};
    char *path = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_fs_path(&path, "%s/%s", dir, LT_PEFT_HEAD));
    bool apart = access(path, F_OK) == 0;
    if (*taken || (!apart && !model)) goto done;
    LT_TRY_GOTO(apart ? lt_st_open_file(path, &h.st) : lt_st_open(dir, &h.st), st, done);
    LT_TRY_GOTO(lt_calloc(&h.used, lt_st_count(h.st), sizeof *h.used, "tensors"), st, done);
    if (apart) LT_TRY_GOTO(take_head(&h, "head.weight", "head.bias", value, n, taken), st, done);
    if (!apart) LT_TRY_GOTO(take_head(&h, "score.weight", "score.bias", value, n, taken), st, done);
    if (!apart) st = take_head(&h, "classifier.weight", "classifier.bias", value, n, taken);
done:
    lt_st_close(&h.st);
    free(h.used);
    free(path);
    return st;
}

static lt_status read_head(lt_peft_file *f, const char *dir, lt_named *value, int n, bool *taken) {
    *taken = false;
    if (has_layer_before(f)) return LT_OK;
    LT_TRY(take_head(f, "score.weight", "score.bias", value, n, taken));
    LT_TRY(take_head(f, "classifier.weight", "classifier.bias", value, n, taken));
    return read_own_head(f->p, dir, false, value, n, taken);
}

/* ---- all of it ---- */

static lt_status check_left_over(const lt_peft_file *f) {
    for (int64_t i = 0; i < lt_st_count(f->st); i++) {
        const char *name = lt_st_at(f->st, i)->name;
        LT_CHECK(f->used[i] || is_head(name), LT_ERR_CONFIG,
                 "tensor %s in %s updates what this trial does not train: name it in method.targets, or the adapter is of another model "
                 "(this one is %s with %d layers)",
                 name, lt_st_path(f->st), f->p->arch->model_type, f->p->arch->m);
    }
    return LT_OK;
}

static lt_status open_folder(lt_peft_file *f, const char *dir) {
    char *path = NULL;
    json_error_t why;
    lt_status st = LT_OK;
    LT_TRY(lt_fs_path(&f->config_path, "%s/%s", dir, LT_PEFT_CONFIG));
    LT_CHECK(access(f->config_path, R_OK) == 0, LT_ERR_IO,
             "method.from: cannot open %s: %m: a folder that PEFT or `ltune export` wrote has one", f->config_path);
    f->config = json_load_file(f->config_path, 0, &why);
    LT_CHECK(json_is_object(f->config), LT_ERR_FORMAT, "%s:%d: not a JSON object: %s", f->config_path, f->config ? 1 : why.line,
             f->config ? "another value" : why.text);
    LT_TRY(check_kind(f));
    LT_TRY(lt_fs_path(&path, "%s/%s", dir, LT_PEFT_TENSORS));
    if (access(path, F_OK) != 0) {
        free(path);
        path = NULL;
        LT_TRY(lt_fs_path(&path, "%s/adapter_model.bin", dir));
    }
    st = lt_st_open_file(path, &f->st);
    free(path);
    return st == LT_OK ? lt_calloc(&f->used, lt_st_count(f->st), sizeof *f->used, "tensors") : st;
}

/* Of a trial that is a head alone. */
static lt_status read_head_alone(const char *dir, const lt_peft *p, lt_named *value, int n, bool *head) {
    *head = false;
    LT_TRY(read_own_head(p, dir, true, value, n, head));
    LT_CHECK(*head, LT_ERR_CONFIG, "method.from: %s has no head for %lld labels of rows of %lld numbers", dir, (long long)value[0].dim[0],
             (long long)value[0].dim[1]);
    return LT_OK;
}

lt_status lt_peft_read(const char *dir, const lt_peft *p, lt_named *value, int n, bool *head) {
    lt_peft_file f = {.p = p};
    lt_status st = LT_FAULT_POINT("peft.read");
    if (st == LT_OK && p->cfg->name == LT_METHOD_HEAD) return read_head_alone(dir, p, value, n, head);
    if (st == LT_OK) st = lt_peft_check(p->arch, p->cfg);
    if (st == LT_OK) st = open_folder(&f, dir);
    if (st == LT_OK) st = p->cfg->name == LT_METHOD_LORA ? read_lora(&f, value, n) : read_rows(&f, value, n);
    if (st == LT_OK) st = read_head(&f, dir, value, n, head);
    if (st == LT_OK) st = check_left_over(&f);
    lt_st_close(&f.st);
    json_decref(f.config);
    free(f.config_path);
    free(f.used);
    return st;
}
