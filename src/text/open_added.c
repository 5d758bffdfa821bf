/* Tokens added to a description, and templates over them.
 *
 * Hugging Face's added vocabulary, step by step: a token that the model has keeps the model's id, a new one gets the id behind all others;
 * one that is added again with other flags takes these over, but stays special once it was, and is looked for before normalisation if it ever was. */
#include "text/open_impl.h"

#include "base/mem.h"

#include <string.h>

lt_status lt_tok_impl_set(json_t *o, const char *key, json_t *value) {
    LT_CHECK(value && json_object_set_new(o, key, value) == 0, LT_ERR_NOMEM, "no memory for a tokenizer");
    return LT_OK;
}

/* Number of texts of a model: what Hugging Face calls the size of its vocabulary, and where new ids begin. */
static int64_t model_size(const lt_tok_model *model) {
    const lt_vocab *v = &model->vocab;
    int64_t n = 0;
    size_t bytes = 0;
    if (!strcmp(model->kind->name, "Unigram")) return v->n; /* a list, in which a text may stand twice */
    for (int64_t id = 0; id < v->n; id++) {
        const char *text = lt_vocab_text(v, id, &bytes);
        n += text && lt_vocab_find(v, text, bytes) == id;
    }
    return n;
}

typedef struct adder {
    const lt_tok_model *model;
    json_t *list;  /* about's added_tokens */
    json_t *place; /* of a text in it */
    int64_t largest, size;
    const char *path;
} adder;

static int64_t next_id(adder *a) {
    if (a->size < 0) a->size = model_size(a->model);
    return a->largest >= a->size ? a->largest + 1 : a->size;
}

static lt_status place(adder *a, const char *text, size_t i, int64_t id) {
    LT_CHECK(id >= 0 && id <= LT_TOK_MAX_ID, LT_ERR_FORMAT, "%s: added token \"%.60s\" has id %lld, expected 0 to %d", a->path, text,
             (long long)id, LT_TOK_MAX_ID);
    if (id > a->largest) a->largest = id;
    return lt_tok_impl_set(a->place, text, json_integer((json_int_t)i));
}

/* Another version of a token that is there. */
static lt_status add_again(json_t *old, const json_t *token) {
    static const char *const keys[] = {"single_word", "lstrip", "rstrip"};
    bool same = true, special = json_is_true(json_object_get(old, "special")) || json_is_true(json_object_get(token, "special")),
         normalized = json_is_true(json_object_get(old, "normalized")) &&
                      (json_is_true(json_object_get(old, "special")) || json_is_true(json_object_get(token, "normalized")));
    for (int k = 0; k < 3; k++) same &= json_is_true(json_object_get(old, keys[k])) == json_is_true(json_object_get(token, keys[k]));
    for (int k = 0; k < 3 && !same; k++) LT_TRY(lt_tok_impl_set(old, keys[k], json_boolean(json_is_true(json_object_get(token, keys[k])))));
    LT_TRY(lt_tok_impl_set(old, "special", json_boolean(special)));
    return lt_tok_impl_set(old, "normalized", json_boolean(normalized));
}

static lt_status add(adder *a, json_t *token) {
    const char *text = json_string_value(json_is_string(token) ? token : json_object_get(token, "content"));
    size_t bytes = strlen(text);
    if (bytes == 0) return LT_OK;
    const json_t *at = json_object_get(a->place, text);
    if (at) return json_is_string(token) ? LT_OK : add_again(json_array_get(a->list, (size_t)json_integer_value(at)), token);
    int64_t id = lt_vocab_find(&a->model->vocab, text, bytes);
    if (id < 0) id = next_id(a);
    json_t *o = json_is_string(token) ? json_pack("{s:O, s:b, s:b, s:b, s:b, s:b}", "content", token, "single_word", 0, "lstrip", 0,
                                                  "rstrip", 0, "normalized", 0, "special", 1)
                                      : json_copy(token);
    LT_CHECK(o && json_array_append_new(a->list, o) == 0, LT_ERR_NOMEM, "no memory for a tokenizer");
    LT_TRY(lt_tok_impl_set(o, "id", json_integer(id)));
    return place(a, text, json_array_size(a->list) - 1, id);
}

lt_status lt_tok_impl_add_tokens(json_t *about, const lt_tok_model *model, json_t *list, const char *path) {
    adder a = {.model = model, .place = json_object(), .largest = -1, .size = -1, .path = path};
    lt_status st = LT_OK;
    json_t *o;
    size_t i;
    a.list = json_object_get(about, "added_tokens");
    if (!a.list || json_is_null(a.list)) {
        LT_TRY_GOTO(lt_tok_impl_set(about, "added_tokens", json_array()), st, done);
        a.list = json_object_get(about, "added_tokens");
    }
    LT_CHECK_GOTO(json_is_array(a.list), st, done, LT_ERR_FORMAT, "%s: \"added_tokens\" should be a list", path);
    LT_CHECK_GOTO(a.place, st, done, LT_ERR_NOMEM, "no memory for a tokenizer");
    json_array_foreach(a.list, i, o) {
        const char *text = json_string_value(json_object_get(o, "content"));
        if (text) LT_TRY_GOTO(place(&a, text, i, json_integer_value(json_object_get(o, "id"))), st, done);
    }
    json_array_foreach(list, i, o) LT_TRY_GOTO(add(&a, o), st, done);
done:
    json_decref(a.place);
    return st;
}

int64_t lt_tok_impl_id_of(const json_t *about, const lt_tok_model *model, const char *text) {
    const json_t *list = json_object_get(about, "added_tokens"), *o;
    size_t i;
    json_array_foreach(list, i, o) {
        const char *content = json_string_value(json_object_get(o, "content"));
        if (content && !strcmp(content, text)) return json_integer_value(json_object_get(o, "id"));
    }
    return lt_vocab_find(&model->vocab, text, strlen(text));
}

lt_status lt_tok_impl_put_template(json_t *about, const lt_tok_model *model, const lt_tok_mark *mark, int single, int n, const char *path) {
    json_t *one = json_array(), *two = json_array(), *specials = json_object();
    lt_status st = LT_OK;
    for (int i = 0; i < n; i++) {
        bool text = mark[i].text[0] == '$' && (mark[i].text[1] == 'A' || mark[i].text[1] == 'B') && !mark[i].text[2];
        json_t *piece = json_pack("{s:{s:s, s:i}}", text ? "Sequence" : "SpecialToken", "id", mark[i].text + text, "type_id", mark[i].type);
        if (i < single) json_array_append(one, piece);
        LT_CHECK_GOTO(json_array_append_new(two, piece) == 0, st, done, LT_ERR_NOMEM, "no memory for a tokenizer");
        if (text) continue;
        int64_t id = lt_tok_impl_id_of(about, model, mark[i].text);
        LT_CHECK_GOTO(id >= 0, st, done, LT_ERR_FORMAT, "%s: the vocabulary lacks the special token \"%.60s\"", path, mark[i].text);
        LT_TRY_GOTO(lt_tok_impl_set(specials, mark[i].text,
                                    json_pack("{s:s, s:[I], s:[s]}", "id", mark[i].text, "ids", (json_int_t)id, "tokens", mark[i].text)),
                    st, done);
    }
    st = lt_tok_impl_set(
        about, "post_processor",
        json_pack("{s:s, s:O, s:O, s:O}", "type", "TemplateProcessing", "single", one, "pair", two, "special_tokens", specials));
done:
    json_decref(one);
    json_decref(two);
    json_decref(specials);
    return st;
}
