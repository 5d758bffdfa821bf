/* A pipeline from its description: the form of a tokenizer.json. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_STEPS = 64, MAX_DEPTH = 16, MAX_ADDED_BYTES = 1 << 10 };

/* --- steps ------------------------------------------------------------------------------------------------------------------------------- */

/* A component, or a sequence of components, onto the end of t->step. */
static lt_status add_steps(lt_tok_tables *t, const json_t *o, const char *part, const char *list, const lt_step_kind *known, int depth) {
    const json_t *inner;
    char where[4400];
    size_t i;
    if (!o || json_is_null(o)) return LT_OK;
    const char *type = json_string_value(json_object_get(o, "type"));
    LT_CHECK(type, LT_ERR_FORMAT, "%s: the %s has no \"type\"", t->path, part);
    LT_CHECK(depth < MAX_DEPTH, LT_ERR_FORMAT, "%s: the %s is nested more than %d deep", t->path, part, MAX_DEPTH);
    if (!strcmp(type, "Sequence")) {
        LT_CHECK(json_is_array(json_object_get(o, list)), LT_ERR_FORMAT, "%s: the %s is a Sequence without a list \"%s\"", t->path, part,
                 list);
        json_array_foreach(json_object_get(o, list), i, inner) LT_TRY(add_steps(t, inner, part, list, known, depth + 1));
        return LT_OK;
    }
    const lt_step_kind *kind = known;
    while (kind->type && strcmp(kind->type, type) != 0) kind++;
    LT_CHECK(kind->type, LT_ERR_FORMAT, "%s: %s \"%.60s\" is not supported", t->path, part, type);
    LT_CHECK(t->n_steps < MAX_STEPS, LT_ERR_FORMAT, "%s: more than %d steps", t->path, MAX_STEPS);
    if (!t->step) LT_TRY(lt_calloc(&t->step, MAX_STEPS, sizeof *t->step, "a tokenizer"));
    lt_step *s = &t->step[t->n_steps];
    *s = (lt_step){.kind = kind};
    (void)snprintf(where, sizeof where, "%s: %s %s", t->path, part, type);
    if (kind->open) LT_TRY(kind->open(o, where, &s->state));
    t->n_steps++;
    return LT_OK;
}

/* --- added tokens ------------------------------------------------------------------------------------------------------------------------ */

static int by_id(const void *x, const void *y) {
    const lt_added *a = x, *b = y;
    return a->id == b->id ? 0 : a->id < b->id ? -1 : 1;
}

static lt_status read_added(lt_tok_tables *t, const json_t *list) {
    static const char *const flags[] = {"single_word", "lstrip", "rstrip", "normalized", "special"};
    const json_t *o;
    size_t i;
    int n = 0;
    LT_CHECK(!list || json_is_null(list) || json_is_array(list), LT_ERR_FORMAT, "%s: \"added_tokens\" should be a list", t->path);
    if (json_array_size(list) == 0) return LT_OK;
    LT_TRY(lt_calloc(&t->added, (int64_t)json_array_size(list), sizeof *t->added, "added tokens"));
    json_array_foreach(list, i, o) {
        const json_t *id = json_object_get(o, "id"), *text = json_object_get(o, "content");
        bool flag[5];
        LT_CHECK(json_is_string(text) && json_is_integer(id), LT_ERR_FORMAT, "%s: added token %zu lacks \"content\" or \"id\"", t->path, i);
        LT_CHECK(json_integer_value(id) >= 0 && json_integer_value(id) <= LT_TOK_MAX_ID, LT_ERR_FORMAT,
                 "%s: added token \"%.60s\" has id %lld, expected 0 to %d", t->path, json_string_value(text),
                 (long long)json_integer_value(id), LT_TOK_MAX_ID);
        LT_CHECK(strlen(json_string_value(text)) == json_string_length(text), LT_ERR_FORMAT, "%s: added token %zu holds a zero byte",
                 t->path, i);
        LT_CHECK(json_string_length(text) <= MAX_ADDED_BYTES, LT_ERR_FORMAT,
                 "%s: added token %zu is %zu bytes long, at most %d are expected", t->path, i, json_string_length(text), MAX_ADDED_BYTES);
        if (json_string_length(text) == 0) continue;
        for (int k = 0; k < 5; k++) flag[k] = json_is_true(json_object_get(o, flags[k]));
        int32_t known = lt_vocab_find(&t->model->vocab, json_string_value(text), json_string_length(text));
        LT_CHECK(known < 0 || known == json_integer_value(id), LT_ERR_FORMAT,
                 "%s: added token \"%.60s\" has id %lld, but the vocabulary has it at %d: which one is right cannot be known", t->path,
                 json_string_value(text), (long long)json_integer_value(id), known);
        t->added[n] = (lt_added){.id = (int32_t)json_integer_value(id),
                                 .single_word = flag[0],
                                 .lstrip = flag[1],
                                 .rstrip = flag[2],
                                 .normalized = flag[3],
                                 .special = flag[4]};
        t->n_added = n + 1; /* what is freed */
        LT_TRY(lt_strdup(&t->added[n++].text, json_string_value(text)));
    }
    qsort(t->added, (size_t)n, sizeof *t->added, by_id);
    for (int k = 1; k < n; k++)
        LT_CHECK(t->added[k].id != t->added[k - 1].id, LT_ERR_FORMAT, "%s: id %d is of two added tokens, \"%.60s\" and \"%.60s\"", t->path,
                 t->added[k].id, t->added[k - 1].text, t->added[k].text);
    return LT_OK;
}

/* --- names of special tokens --------------------------------------------------------------------------------------------------------------- */

/* The id of config's "cls_token" and so on, a text or an added token's object; without config of a token that commonly has this part. */
static int32_t special_id(const lt_tok *tok, const json_t *config, const char *key, const char *const common[3]) {
    const json_t *v = json_object_get(config, key);
    const char *text = json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
    if (text) return lt_tok_token_id(tok, text);
    for (int i = 0; i < 3 && !config && common[i]; i++) {
        int32_t id = lt_tok_token_id(tok, common[i]);
        if (id >= 0) return id;
    }
    return -1;
}

static void name_specials(lt_tok_tables *t, const lt_tok *tok, const json_t *config) {
    const struct {
        const char *key, *common[3];
        int32_t *id;
    } part[] = {{"cls_token", {"[CLS]", "<s>"}, &t->cls},
                {"sep_token", {"[SEP]", "</s>"}, &t->sep},
                {"pad_token", {"[PAD]", "<pad>"}, &t->pad},
                {"unk_token", {"[UNK]", "<unk>"}, &t->unk},
                {"mask_token", {"[MASK]", "<mask>"}, &t->mask},
                {"bos_token", {"<s>", "<bos>", "<|begin_of_text|>"}, &t->bos},
                {"eos_token", {"</s>", "<eos>", "<|endoftext|>"}, &t->eos}};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) *part[i].id = special_id(tok, config, part[i].key, part[i].common);
    if (t->unk < 0) t->unk = t->model->unk;
}

/* --- the whole ----------------------------------------------------------------------------------------------------------------------------- */

static lt_status fill(lt_tok_tables *t, const json_t *about, const json_t *config, const char *path) {
    lt_tok_work work = {0};
    lt_tok tok = {.tables = t, .work = &work};
    lt_status st = LT_OK;
    LT_TRY(lt_strdup(&t->path, path));
    LT_TRY(lt_strdup(&t->kind_name, t->model->kind->name));
    LT_TRY(read_added(t, json_object_get(about, "added_tokens")));
    LT_TRY(add_steps(t, json_object_get(about, "normalizer"), "normalizer", "normalizers", lt_tok_impl_normalizers, 0));
    t->n_normalizers = t->n_steps;
    LT_TRY(add_steps(t, json_object_get(about, "pre_tokenizer"), "pre_tokenizer", "pretokenizers", lt_tok_impl_pretokenizers, 0));
    LT_TRY_GOTO(lt_tok_impl_added_open(t, &work, false), st, done);
    LT_TRY_GOTO(lt_tok_impl_added_open(t, &work, true), st, done);
    LT_TRY_GOTO(lt_tok_impl_open_post(json_object_get(about, "post_processor"), &tok, path, &t->post), st, done);
    LT_TRY_GOTO(lt_tok_impl_open_decoders(json_object_get(about, "decoder"), path, &t->decoders), st, done);
    name_specials(t, &tok, config);
    t->clean_up = json_is_true(json_object_get(config, "clean_up_tokenization_spaces"));
done:
    lt_tok_impl_work_free(&work);
    return st;
}

lt_status lt_tok_impl_build(const json_t *about, lt_tok_model **model, const json_t *config, const char *path, lt_tok_tables **out) {
    lt_tok_tables *t = NULL;
    lt_status st = lt_calloc(&t, 1, sizeof *t, "a tokenizer");
    if (st == LT_OK) {
        t->model = *model;
        st = fill(t, about, config, path);
    } else {
        (*model)->kind->close(*model);
    }
    *model = NULL;
    if (st == LT_OK)
        *out = t;
    else if (t)
        lt_tok_impl_tables_free(t);
    return st;
}

lt_status lt_tok_impl_load_json(const char *path, json_t **o) {
    json_error_t e;
    FILE *f = fopen(path, "rb");
    LT_CHECK(f, LT_ERR_IO, "cannot open %s: %m", path);
    *o = json_loadf(f, JSON_ALLOW_NUL, &e);
    if (!*o && json_error_code(&e) == json_error_numeric_overflow) { /* "no limit" is commonly written as 10^30: numbers as f64, then */
        rewind(f);
        *o = json_loadf(f, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &e);
    }
    fclose(f);
    LT_CHECK(*o, LT_ERR_FORMAT, "%s:%d: not JSON: %s", path, e.line, e.text);
    return LT_OK;
}

/* A tokenizer.json's object and the parts of its model: a large one from the cache, if it was opened before. */
static lt_status load(const char *path, json_t **about, lt_tok_parts *parts) {
    enum { LARGE = 4 << 20 /* bytes; below, reading JSON takes a few hundredths of a second */ };
    struct stat info;
    char sha256[LT_SHA_HEX_BYTES];
    bool large = stat(path, &info) == 0 && info.st_size > LARGE;
    if (large) {
        LT_TRY(lt_sha_file(path, sha256));
        lt_tok_impl_parts_recall(sha256, about, parts);
        if (*about) return LT_OK;
    }
    LT_TRY(lt_tok_impl_load_json(path, about));
    LT_CHECK(json_is_object(*about), LT_ERR_FORMAT, "%s: expected an object", path);
    LT_TRY(lt_tok_impl_read_parts(json_object_get(*about, "model"), path, parts));
    if (large) lt_tok_impl_parts_keep(sha256, *about, parts);
    return LT_OK;
}

lt_status lt_tok_impl_open_json(const char *path, json_t *config, lt_tok_tables **t) {
    json_t *about = NULL;
    lt_tok_parts parts = {0};
    lt_tok_model *model = NULL;
    lt_status st = load(path, &about, &parts);
    if (st == LT_OK) st = lt_tok_impl_open_model(json_object_get(about, "model"), &parts, path, &model);
    if (st == LT_OK && config) st = lt_tok_impl_apply_config(about, model, config, path);
    if (st == LT_OK) st = lt_tok_impl_build(about, &model, config, path, t);
    if (model) model->kind->close(model);
    lt_tok_impl_parts_free(&parts);
    json_decref(about);
    return st;
}
