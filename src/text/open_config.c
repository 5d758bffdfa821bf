/* What tokenizer_config.json changes about a description: transformers' constructors, step by step.
 *
 *   special tokens    those of the config, else the class's; all are added tokens, and so are the entries of added_tokens_decoder
 *   normaliser        do_lower_case, strip_accents and tokenize_chinese_chars of classes like BERT count more than what a tokenizer.json says, also by their defaults
 *   pre-tokeniser     add_prefix_space likewise, of a lone ByteLevel
 *   template          of add_bos_token and add_eos_token in Llama's relatives, which forget another one
 *
 * What would change ids and is not done here is an error: ids that differ without a word are worse. */
#include "text/open_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

lt_status lt_tok_impl_switch(const json_t *config, const char *key, bool otherwise, const char *path, bool *on) {
    const json_t *v = json_object_get(config, key);
    *on = v ? json_is_true(v) : otherwise;
    LT_CHECK(!v || json_is_null(v) || json_is_boolean(v), LT_ERR_FORMAT, "%s: its tokenizer_config.json: \"%s\" should be true or false",
             path, key);
    return LT_OK;
}

lt_status lt_tok_impl_legacy(const json_t *config, const char *path, bool *legacy) {
    *legacy = true;
    return json_is_null(json_object_get(config, "legacy")) ? LT_OK : lt_tok_impl_switch(config, "legacy", true, path, legacy);
}

const char *lt_tok_impl_role_text(const json_t *config, const char *key) {
    const json_t *v = json_object_get(config, key);
    return json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
}

/* --- tokens -------------------------------------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *token) {
    return json_string_value(json_is_string(token) ? token : json_object_get(token, "content"));
}

/* A token's object with all its flags.  will_be_special: the flag is set before normalized takes its default from it. */
static lt_status complete(const json_t *o, bool will_be_special, const char *key, const char *path, json_t **token) {
    static const char *const flags[] = {"single_word", "lstrip", "rstrip", "special"};
    const json_t *content = json_object_get(o, "content"), *normalized = json_object_get(o, "normalized");
    LT_CHECK(json_is_string(content) && strlen(json_string_value(content)) == json_string_length(content), LT_ERR_FORMAT,
             "%s: its tokenizer_config.json: \"%s\" should be a text, or an object with a text \"content\"", path, key);
    bool special = json_is_true(json_object_get(o, "special")) || will_be_special;
    *token = json_pack("{s:s, s:b}", "content", json_string_value(content), "normalized",
                       json_is_boolean(normalized) ? json_is_true(normalized) : !special);
    LT_CHECK(*token, LT_ERR_NOMEM, "no memory for a tokenizer");
    for (int k = 0; k < 4; k++) LT_TRY(lt_tok_impl_set(*token, flags[k], json_boolean(json_is_true(json_object_get(o, flags[k])))));
    return LT_OK;
}

/* A class's added token made of a text. */
static json_t *wrap(const char *text, unsigned keep, bool slow) {
    if (keep == LT_KEEP_TEXT) return json_string(text);
    bool special = (keep & LT_KEEP_SPECIAL) == LT_KEEP_SPECIAL, raw = (keep & LT_KEEP_RAW) == LT_KEEP_RAW,
         normalized = (keep & LT_KEEP_NORMALIZED) == LT_KEEP_NORMALIZED || (!raw && slow && !special);
    return json_pack("{s:s, s:b, s:b, s:b, s:b, s:b}", "content", text, "single_word", 0, "lstrip",
                     (keep & LT_KEEP_LSTRIP) == LT_KEEP_LSTRIP, "rstrip", 0, "normalized", normalized, "special", special);
}

typedef struct layer {
    json_t *about, *config;
    const lt_tok_model *model;
    const lt_tok_class *class; /* NULL: none that is known */
    bool slow;
    const char *path;
    json_t *by_text; /* tokens that a config's texts stand for */
    json_t *tokens;  /* to add: those of added_tokens_decoder by id, then the special ones */
    json_t *special; /* texts of the latter */
} layer;

typedef struct entry {
    int64_t id;
    json_t *token;
} entry;

static int by_id(const void *x, const void *y) {
    const entry *a = x, *b = y;
    return a->id == b->id ? 0 : a->id < b->id ? -1 : 1;
}

/* {"32000": {"content": ...}} into l->tokens, in order of ids. */
static lt_status read_decoder(layer *l, json_t *decoder) {
    entry *e = NULL;
    size_t n = 0;
    const char *key;
    json_t *o;
    lt_status st = LT_OK;
    LT_CHECK(json_is_object(decoder), LT_ERR_FORMAT, "%s: its tokenizer_config.json: \"added_tokens_decoder\" should be an object",
             l->path);
    LT_TRY(lt_calloc(&e, (int64_t)json_object_size(decoder) + 1, sizeof *e, "added tokens"));
    json_object_foreach(decoder, key, o) {
        char *end;
        e[n].id = strtoll(key, &end, 10);
        LT_CHECK_GOTO(end != key && !*end && e[n].id >= 0 && e[n].id <= LT_TOK_MAX_ID && json_is_object(o), st, done, LT_ERR_FORMAT,
                      "%s: its tokenizer_config.json: \"added_tokens_decoder\" has an entry \"%.60s\", expected an id and a token", l->path,
                      key);
        LT_TRY_GOTO(complete(o, false, "added_tokens_decoder", l->path, &e[n++].token), st, done);
    }
    qsort(e, n, sizeof *e, by_id);
    for (size_t i = 0; i < n; i++) {
        json_array_append(l->tokens, e[i].token);
        LT_TRY_GOTO(lt_tok_impl_set(l->by_text, text_of(e[i].token), json_incref(e[i].token)), st, done);
    }
done:
    for (size_t i = 0; i < n; i++) json_decref(e[i].token);
    free(e);
    return st;
}

/* {"<new>": 32000} of an added_tokens.json, beside a config that has no added_tokens_decoder. */
static lt_status read_added(layer *l, json_t *added) {
    json_t *decoder = json_object(), *id;
    lt_status st = LT_OK;
    const char *text;
    char key[32];
    json_object_foreach(added, text, id) {
        bool special = false;
        const json_t *list = json_object_get(l->config, "additional_special_tokens"), *o;
        size_t i;
        LT_CHECK_GOTO(json_is_integer(id), st, done, LT_ERR_FORMAT, "%s: its added_tokens.json: the id of \"%.60s\" is no whole number",
                      l->path, text);
        for (int k = 0; k < LT_ROLES; k++) {
            const char *role = lt_tok_impl_role_text(l->config, lt_tok_impl_roles[k]);
            special |= role && !strcmp(role, text);
        }
        json_array_foreach(list, i, o) special |= text_of(o) && !strcmp(text_of(o), text);
        (void)snprintf(key, sizeof key, "%lld", (long long)json_integer_value(id));
        LT_TRY_GOTO(
            lt_tok_impl_set(decoder, key, json_pack("{s:s, s:b, s:b}", "content", text, "special", special, "normalized", !special)), st,
            done);
    }
    st = read_decoder(l, decoder);
    json_object_clear(l->by_text);
done:
    json_decref(decoder);
    return st;
}

/* A special token: given or a default.  It goes into the list unless its text is there. */
static lt_status put_special(layer *l, json_t *token) {
    const char *text = text_of(token);
    if (!*text || json_object_get(l->special, text)) return LT_OK;
    LT_CHECK(json_array_append(l->tokens, token) == 0, LT_ERR_NOMEM, "no memory for a tokenizer");
    return lt_tok_impl_set(l->special, text, json_true());
}

/* The value of key as this class keeps it, as a new reference in *token (NULL: none).  look_up: a token of added_tokens_decoder with this text counts more. */
static lt_status settle(layer *l, const json_t *given, unsigned keep, bool look_up, const char *key, json_t **token) {
    *token = NULL;
    if (!given || json_is_null(given)) return LT_OK;
    const json_t *content = json_is_object(given) ? json_object_get(given, "content") : given;
    LT_CHECK(json_is_string(content) && strlen(json_string_value(content)) == json_string_length(content), LT_ERR_FORMAT,
             "%s: its tokenizer_config.json: \"%s\" should be a text, or an object with a text \"content\"", l->path, key);
    json_t *known = look_up ? json_object_get(l->by_text, json_string_value(content)) : NULL;
    if (known)
        *token = json_incref(known);
    else if (json_is_object(given))
        LT_TRY(complete(given, !l->slow, key, l->path, token));
    else
        *token = wrap(json_string_value(content), keep, l->slow);
    LT_CHECK(*token, LT_ERR_NOMEM, "no memory for a tokenizer");
    return LT_OK;
}

static lt_status read_roles(layer *l) {
    for (int k = 0; k < LT_ROLES; k++) {
        const char *key = lt_tok_impl_roles[k];
        const lt_tok_role role = l->class ? l->class->role[k] : (lt_tok_role){0};
        unsigned keep = l->slow ? role.slow : role.fast;
        json_t *given = json_object_get(l->config, key), *token;
        if (!given && k == 4) given = json_object_get(json_object_get(l->about, "padding"), "pad_token");
        if (given)
            LT_TRY(settle(l, given, keep, true, key, &token));
        else
            token = role.text ? wrap(role.text, keep, l->slow) : NULL;
        LT_TRY(lt_tok_impl_set(l->config, key, token ? token : json_null()));
        if (token) LT_TRY(put_special(l, token));
    }
    return LT_OK;
}

/* Special tokens without a role: a list, to which some classes add. */
static lt_status read_additional(layer *l) {
    static const char *const camembert[] = {"<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"};
    static const char *const code_llama[] = {"\xE2\x96\x81<PRE>", "\xE2\x96\x81<MID>", "\xE2\x96\x81<SUF>", "\xE2\x96\x81<EOT>"};
    json_t *list = json_object_get(l->config, "additional_special_tokens"), *o, *token;
    const char *key;
    size_t i;
    bool given = list && !json_is_null(list), extra_ids = false;
    LT_CHECK(!given || json_is_array(list), LT_ERR_FORMAT, "%s: its tokenizer_config.json: \"additional_special_tokens\" should be a list",
             l->path);
    json_array_foreach(list, i, o) {
        LT_TRY(settle(l, o, LT_KEEP_TEXT, false, "additional_special_tokens", &token));
        if (!token) continue;
        extra_ids |= strstr(text_of(token), "<extra_id_") != NULL;
        lt_status st = put_special(l, token);
        json_decref(token);
        LT_TRY(st);
    }
    json_t *more = json_array();
    for (int k = 0; l->class && !strcmp(l->class->name, "Camembert") && !given && k < 3; k++)
        json_array_append_new(more, json_string(camembert[k]));
    for (int k = 0; l->class && !strcmp(l->class->name, "CodeLlama") && k < 4; k++) json_array_append_new(more, json_string(code_llama[k]));
    const json_t *extra = json_object_get(l->config, "extra_ids");
    int64_t n = json_is_number(extra) ? (int64_t)json_number_value(extra) : 100;
    for (int64_t k = 0; l->class && l->class->form == LT_FORM_T5 && !extra_ids && k < n && k < LT_TOK_MAX_ID; k++)
        json_array_append_new(more, json_sprintf("<extra_id_%lld>", (long long)k));
    lt_status st = LT_OK;
    json_array_foreach(more, i, o) if (st == LT_OK) st = put_special(l, o);
    json_decref(more);
    json_object_foreach(json_object_get(l->config, "extra_special_tokens"), key, o) {
        if (st == LT_OK) st = settle(l, o, LT_KEEP_TEXT, false, "extra_special_tokens", &token);
        if (st == LT_OK && token) st = put_special(l, token);
        if (st == LT_OK) json_decref(token);
    }
    return st;
}

static lt_status add_tokens(layer *l) {
    json_t *decoder = json_object_get(l->config, "added_tokens_decoder"), *added = json_object_get(l->config, "added_tokens.json"), *o;
    size_t i;
    if (decoder && !json_is_null(decoder)) {
        LT_TRY(read_decoder(l, decoder));
    } else {
        if (added) LT_TRY(read_added(l, added));
        json_array_foreach(json_object_get(l->about, "added_tokens"), i, o) {
            const char *text = json_string_value(json_object_get(o, "content"));
            if (text && !l->slow) LT_TRY(lt_tok_impl_set(l->by_text, text, json_incref(o)));
        }
    }
    LT_TRY(read_roles(l));
    LT_TRY(read_additional(l));
    json_array_foreach(l->tokens, i, o) if (json_is_object(o) && json_object_get(l->special, text_of(o)))
        LT_TRY(lt_tok_impl_set(o, "special", json_true()));
    return lt_tok_impl_add_tokens(l->about, l->model, l->tokens, l->path);
}

/* --- switches ------------------------------------------------------------------------------------------------------------------------------ */

/* What is not done, and would show in ids. */
static lt_status refuse(const layer *l) {
    static const char *const languages[] = {"MBart", "MBart50", "Nllb", "SeamlessM4T", "RoFormer"};
    const char *name = json_string_value(json_object_get(l->config, "tokenizer_class")),
               *side = json_string_value(json_object_get(l->config, "truncation_side"));
    bool split;
    LT_TRY(lt_tok_impl_switch(l->config, "split_special_tokens", false, l->path, &split));
    LT_CHECK(!split, LT_ERR_FORMAT, "%s: its tokenizer_config.json sets split_special_tokens, which is not supported", l->path);
    LT_CHECK(!side || !strcmp(side, "right"), LT_ERR_FORMAT,
             "%s: its tokenizer_config.json has truncation_side \"%.60s\"; only \"right\" is supported", l->path, side);
    for (size_t i = 0; name && i < sizeof languages / sizeof *languages; i++) {
        size_t n = strlen(languages[i]);
        LT_CHECK(strncmp(name, languages[i], n) != 0 || strncmp(name + n, "Tokenizer", 9) != 0, LT_ERR_FORMAT,
                 "%s: tokenizers of class %s are not supported: what stands around a text depends on its language", l->path, name);
    }
    return LT_OK;
}

static lt_status lay_normalizer(const layer *l) {
    json_t *o = json_object_get(l->about, "normalizer"), *strip = json_object_get(l->config, "strip_accents");
    const char *type = json_string_value(json_object_get(o, "type"));
    bool lower, chinese;
    if (!l->class || !l->class->bert || !type || strcmp(type, "BertNormalizer") != 0) return LT_OK;
    LT_TRY(lt_tok_impl_switch(l->config, "do_lower_case", true, l->path, &lower));
    LT_TRY(lt_tok_impl_switch(l->config, "tokenize_chinese_chars", true, l->path, &chinese));
    LT_CHECK(!strip || json_is_null(strip) || json_is_boolean(strip), LT_ERR_FORMAT,
             "%s: its tokenizer_config.json: \"strip_accents\" should be true, false or null", l->path);
    LT_TRY(lt_tok_impl_set(o, "lowercase", json_boolean(lower)));
    if (l->class->form != LT_FORM_MPNET) LT_TRY(lt_tok_impl_set(o, "handle_chinese_chars", json_boolean(chinese)));
    return lt_tok_impl_set(o, "strip_accents", strip ? json_incref(strip) : json_null());
}

static lt_status lay_prefix_space(const layer *l) {
    json_t *o = json_object_get(l->about, "pre_tokenizer"), *given = json_object_get(l->config, "add_prefix_space");
    bool on;
    LT_TRY(lt_tok_impl_switch(l->config, "add_prefix_space", false, l->path, &on));
    /* null in Llama's and T5's classes, whose default it is, leaves things as they are */
    bool null = given ? json_is_null(given) : l->class && (l->class->form == LT_FORM_LLAMA || l->class->form == LT_FORM_T5);
    if (null || !json_is_boolean(json_object_get(o, "add_prefix_space"))) return LT_OK;
    return lt_tok_impl_set(o, "add_prefix_space", json_boolean(on));
}

/* Llama's relatives: [bos] A [eos], and for two [bos] A [eos] [bos] B [eos]. */
static lt_status lay_frame(const layer *l) {
    lt_tok_mark mark[6];
    bool on[2];
    int n = 0, single = 0;
    if (!l->class || !l->class->framed) return LT_OK;
    LT_TRY(lt_tok_impl_switch(l->config, "add_bos_token", l->class->bos, l->path, &on[0]));
    LT_TRY(lt_tok_impl_switch(l->config, "add_eos_token", false, l->path, &on[1]));
    for (int second = 0; second < 2; second++)
        for (int k = 0; k < 3; k++) {
            const char *text = k == 1 ? (second ? "$B" : "$A") : lt_tok_impl_role_text(l->config, k ? "eos_token" : "bos_token");
            if (k != 1 && !on[k / 2]) continue;
            LT_CHECK(text, LT_ERR_FORMAT, "%s: its tokenizer_config.json sets %s, but there is no %s", l->path,
                     k ? "add_eos_token" : "add_bos_token", k ? "eos_token" : "bos_token");
            mark[n++] = (lt_tok_mark){text, second};
            if (!second) single = n;
        }
    return lt_tok_impl_put_template(l->about, l->model, mark, single, n, l->path);
}

lt_status lt_tok_impl_lay_config(json_t *about, const lt_tok_model *model, json_t *config, bool slow, const char *path) {
    const char *name = json_string_value(json_object_get(config, "tokenizer_class"));
    layer l = {.about = about,
               .config = config,
               .model = model,
               .class = name ? lt_tok_impl_class(name) : NULL,
               .slow = slow,
               .path = path,
               .by_text = json_object(),
               .tokens = json_array(),
               .special = json_object()};
    lt_status st = LT_OK;
    LT_CHECK_GOTO(l.by_text && l.tokens && l.special, st, done, LT_ERR_NOMEM, "no memory for a tokenizer");
    LT_TRY_GOTO(refuse(&l), st, done);
    LT_TRY_GOTO(add_tokens(&l), st, done);
    LT_TRY_GOTO(lay_normalizer(&l), st, done);
    LT_TRY_GOTO(lay_prefix_space(&l), st, done);
    LT_TRY_GOTO(lay_frame(&l), st, done);
    if (!json_object_get(config, "clean_up_tokenization_spaces"))
        st = lt_tok_impl_set(config, "clean_up_tokenization_spaces", json_boolean(slow && l.class && l.class->clean_up));
done:
    json_decref(l.by_text);
    json_decref(l.tokens);
    json_decref(l.special);
    return st;
}

lt_status lt_tok_impl_apply_config(json_t *about, const lt_tok_model *model, json_t *config, const char *path) {
    return lt_tok_impl_lay_config(about, model, config, false, path);
}
