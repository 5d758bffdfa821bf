/* The "model" of a tokenizer.json: first its parts (vocabulary, merges, scores) out of JSON, then the model from its switches and its parts. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A text that may be absent or null; anything else than a text is an error. */
static lt_status get_text(const json_t *o, const char *key, const char *path, const char **text) {
    json_t *v = json_object_get(o, key);
    *text = json_string_value(v);
    LT_CHECK(*text || !v || json_is_null(v), LT_ERR_FORMAT, "%s: model.%s should be a text", path, key);
    return LT_OK;
}

static lt_status get_flag(const json_t *o, const char *key, const char *path, bool *flag) {
    json_t *v = json_object_get(o, key);
    LT_CHECK(!v || json_is_null(v) || json_is_boolean(v), LT_ERR_FORMAT, "%s: model.%s should be true or false", path, key);
    *flag = json_is_true(v);
    return LT_OK;
}

/* {"token": id, ...} */
static lt_status read_vocab(const json_t *o, const char *path, lt_vocab *v) {
    json_t *vocab = json_object_get(o, "vocab"), *id;
    const char *key;
    size_t bytes;
    LT_CHECK(json_is_object(vocab) && json_object_size(vocab) > 0, LT_ERR_FORMAT, "%s: model.vocab should be an object of tokens and ids",
             path);
    json_object_keylen_foreach(vocab, key, bytes, id) {
        LT_CHECK(json_is_integer(id), LT_ERR_FORMAT, "%s: the id of token \"%.60s\" is no whole number", path, key);
        lt_status st = lt_vocab_put(v, json_integer_value(id), key, bytes);
        if (st != LT_OK) return st;
    }
    return LT_OK;
}

/* One merge: "left right", or ["left", "right"]. */
static lt_status read_merge(const json_t *o, const lt_vocab *v, const char *path, int64_t i, lt_merge *m) {
    const char *text = json_string_value(o), *left = json_string_value(json_array_get(o, 0)),
               *right = json_string_value(json_array_get(o, 1));
    size_t left_bytes = json_string_length(json_array_get(o, 0)), right_bytes = json_string_length(json_array_get(o, 1));
    if (text) {
        const char *space = memchr(text, ' ', json_string_length(o));
        LT_CHECK(space && !memchr(space + 1, ' ', json_string_length(o) - (size_t)(space + 1 - text)), LT_ERR_FORMAT,
                 "%s: merge %lld is \"%.60s\", expected two tokens with one space between", path, (long long)i, text);
        left = text;
        left_bytes = (size_t)(space - text);
        right = space + 1;
        right_bytes = json_string_length(o) - left_bytes - 1;
    }
    LT_CHECK(left && right && (text || json_array_size(o) == 2), LT_ERR_FORMAT, "%s: merge %lld is not two tokens", path, (long long)i);
    m->left = lt_vocab_find(v, left, left_bytes);
    m->right = lt_vocab_find(v, right, right_bytes);
    LT_CHECK(m->left >= 0 && m->right >= 0, LT_ERR_FORMAT, "%s: merge %lld is of \"%.*s\", which is not in the vocabulary", path,
             (long long)i, (int)(m->left < 0 ? left_bytes : right_bytes), m->left < 0 ? left : right);
    return LT_OK;
}

static lt_status read_bpe(const json_t *o, const char *path, lt_tok_parts *p) {
    json_t *merges = json_object_get(o, "merges");
    int64_t n = (int64_t)json_array_size(merges);
    LT_CHECK(json_is_array(merges), LT_ERR_FORMAT, "%s: model.merges should be a list", path);
    LT_TRY(read_vocab(o, path, &p->vocab));
    LT_TRY(lt_vocab_index(&p->vocab));
    LT_TRY(lt_calloc(&p->merge, n + 1, sizeof *p->merge, "merges"));
    for (int64_t i = 0; i < n; i++) LT_TRY(read_merge(json_array_get(merges, (size_t)i), &p->vocab, path, i, &p->merge[i]));
    p->n_merges = n;
    return LT_OK;
}

static lt_status read_wordpiece(const json_t *o, const char *path, lt_tok_parts *p) { return read_vocab(o, path, &p->vocab); }

/* [["token", score], ...] */
static lt_status read_unigram(const json_t *o, const char *path, lt_tok_parts *p) {
    json_t *vocab = json_object_get(o, "vocab");
    int64_t n = (int64_t)json_array_size(vocab);
    LT_CHECK(json_is_array(vocab) && n > 0, LT_ERR_FORMAT, "%s: model.vocab should be a list of tokens and scores", path);
    LT_TRY(lt_calloc(&p->score, n, sizeof *p->score, "scores"));
    for (int64_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(vocab, (size_t)i), *text = json_array_get(entry, 0), *value = json_array_get(entry, 1);
        LT_CHECK(json_is_string(text) && json_is_number(value), LT_ERR_FORMAT, "%s: entry %lld of model.vocab is not a token and its score",
                 path, (long long)i);
        p->score[i] = json_number_value(value);
        LT_TRY(lt_vocab_put(&p->vocab, i, json_string_value(text), json_string_length(text)));
    }
    return LT_OK;
}

static lt_status create_bpe(const json_t *o, lt_tok_parts *p, const char *path, lt_tok_model **m) {
    lt_bpe_options options = {0};
    json_t *dropout = json_object_get(o, "dropout");
    LT_CHECK(!dropout || json_is_null(dropout) || (json_is_number(dropout) && json_number_value(dropout) == 0), LT_ERR_FORMAT,
             "%s: model.dropout is set: ids would be random, which is not supported; set it to null", path);
    LT_TRY(get_text(o, "unk_token", path, &options.unk_token));
    LT_TRY(get_text(o, "continuing_subword_prefix", path, &options.prefix));
    LT_TRY(get_text(o, "end_of_word_suffix", path, &options.suffix));
    LT_TRY(get_flag(o, "fuse_unk", path, &options.fuse_unk));
    LT_TRY(get_flag(o, "byte_fallback", path, &options.byte_fallback));
    LT_TRY(get_flag(o, "ignore_merges", path, &options.ignore_merges));
    return lt_tok_impl_bpe_create(&p->vocab, p->merge, p->n_merges, &options, path, m);
}

static lt_status create_wordpiece(const json_t *o, lt_tok_parts *p, const char *path, lt_tok_model **m) {
    const char *unk, *prefix;
    json_t *most = json_object_get(o, "max_input_chars_per_word");
    LT_TRY(get_text(o, "unk_token", path, &unk));
    LT_TRY(get_text(o, "continuing_subword_prefix", path, &prefix));
    LT_CHECK(!most || json_is_integer(most), LT_ERR_FORMAT, "%s: model.max_input_chars_per_word should be a whole number", path);
    return lt_tok_impl_wordpiece_create(&p->vocab, unk ? unk : "[UNK]", prefix ? prefix : "##", most ? json_integer_value(most) : 100, path,
                                        m);
}

static lt_status create_unigram(const json_t *o, lt_tok_parts *p, const char *path, lt_tok_model **m) {
    json_t *unk = json_object_get(o, "unk_id");
    int64_t n = p->vocab.n;
    bool byte_fallback = false;
    LT_CHECK(!unk || json_is_null(unk) || (json_is_integer(unk) && json_integer_value(unk) >= 0 && json_integer_value(unk) < n),
             LT_ERR_FORMAT, "%s: model.unk_id should be the place of a token in model.vocab, 0 to %lld", path, (long long)n - 1);
    LT_TRY(get_flag(o, "byte_fallback", path, &byte_fallback));
    return lt_tok_impl_unigram_create(&p->vocab, p->score, json_is_integer(unk) ? (int32_t)json_integer_value(unk) : -1, byte_fallback,
                                      path, m);
}

static const struct {
    const char *type;
    lt_status (*read)(const json_t *o, const char *path, lt_tok_parts *p);
    lt_status (*create)(const json_t *o, lt_tok_parts *p, const char *path, lt_tok_model **m);
} known[] = {{"BPE", read_bpe, create_bpe}, {"WordPiece", read_wordpiece, create_wordpiece}, {"Unigram", read_unigram, create_unigram}};

/* Which of the kinds it is. */
static lt_status find_kind(const json_t *o, const char *path, size_t *k) {
    LT_CHECK(json_is_object(o), LT_ERR_FORMAT, "%s: there is no \"model\" with a vocabulary", path);
    const char *type = json_string_value(json_object_get(o, "type"));
    /* files of the first versions do not name it: each kind has a key that the others lack */
    if (!type)
        type = json_object_get(o, "merges")                     ? "BPE"
               : json_object_get(o, "max_input_chars_per_word") ? "WordPiece"
               : json_object_get(o, "unk_id")                   ? "Unigram"
                                                                : "?";
    for (*k = 0; *k < sizeof known / sizeof *known; ++*k)
        if (!strcmp(type, known[*k].type)) return LT_OK;
    return LT_FAIL(LT_ERR_FORMAT, "%s: tokenizer model \"%.60s\" is not supported; known are BPE, WordPiece and Unigram", path, type);
}

void lt_tok_impl_parts_free(lt_tok_parts *p) {
    lt_vocab_free(&p->vocab);
    free(p->merge);
    free(p->score);
    *p = (lt_tok_parts){0};
}

lt_status lt_tok_impl_read_parts(const json_t *o, const char *path, lt_tok_parts *p) {
    size_t k;
    LT_TRY(find_kind(o, path, &k));
    lt_status st = known[k].read(o, path, p);
    if (st != LT_OK) lt_tok_impl_parts_free(p);
    return st;
}

lt_status lt_tok_impl_open_model(const json_t *o, lt_tok_parts *p, const char *path, lt_tok_model **m) {
    size_t k;
    lt_status st = find_kind(o, path, &k);
    if (st == LT_OK) st = known[k].create(o, p, path, m);
    lt_tok_impl_parts_free(p);
    return st;
}
