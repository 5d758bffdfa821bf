/* The "model" of a tokenizer.json: vocabulary, merges or scores, and switches. */
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
static lt_status read_vocab(json_t *o, const char *path, lt_vocab *v) {
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

static lt_status open_bpe(json_t *o, const char *path, lt_tok_model **m) {
    lt_vocab v = {0};
    lt_merge *merge = NULL;
    lt_bpe_options options = {0};
    json_t *merges = json_object_get(o, "merges"), *dropout = json_object_get(o, "dropout");
    int64_t n = (int64_t)json_array_size(merges);
    lt_status st = LT_OK;
    LT_CHECK(json_is_array(merges), LT_ERR_FORMAT, "%s: model.merges should be a list", path);
    LT_CHECK(!dropout || json_is_null(dropout) || json_number_value(dropout) == 0, LT_ERR_FORMAT,
             "%s: model.dropout is set: ids would be random, which is not supported; set it to null", path);
    LT_TRY(get_text(o, "unk_token", path, &options.unk_token));
    LT_TRY(get_text(o, "continuing_subword_prefix", path, &options.prefix));
    LT_TRY(get_text(o, "end_of_word_suffix", path, &options.suffix));
    LT_TRY(get_flag(o, "fuse_unk", path, &options.fuse_unk));
    LT_TRY(get_flag(o, "byte_fallback", path, &options.byte_fallback));
    LT_TRY(get_flag(o, "ignore_merges", path, &options.ignore_merges));
    LT_TRY_GOTO(read_vocab(o, path, &v), st, done);
    LT_TRY_GOTO(lt_vocab_index(&v), st, done);
    LT_TRY_GOTO(lt_calloc(&merge, n + 1, sizeof *merge, "merges"), st, done);
    for (int64_t i = 0; i < n; i++) LT_TRY_GOTO(read_merge(json_array_get(merges, (size_t)i), &v, path, i, &merge[i]), st, done);
    st = lt_tok_impl_bpe_create(&v, merge, n, &options, path, m);
done:
    lt_vocab_free(&v);
    free(merge);
    return st;
}

static lt_status open_wordpiece(json_t *o, const char *path, lt_tok_model **m) {
    lt_vocab v = {0};
    const char *unk, *prefix;
    json_t *most = json_object_get(o, "max_input_chars_per_word");
    LT_TRY(get_text(o, "unk_token", path, &unk));
    LT_TRY(get_text(o, "continuing_subword_prefix", path, &prefix));
    LT_CHECK(!most || json_is_integer(most), LT_ERR_FORMAT, "%s: model.max_input_chars_per_word should be a whole number", path);
    lt_status st = read_vocab(o, path, &v);
    if (st == LT_OK)
        st = lt_tok_impl_wordpiece_create(&v, unk ? unk : "[UNK]", prefix ? prefix : "##", most ? json_integer_value(most) : 100, path, m);
    lt_vocab_free(&v);
    return st;
}

/* [["token", score], ...] */
static lt_status open_unigram(json_t *o, const char *path, lt_tok_model **m) {
    lt_vocab v = {0};
    double *score = NULL;
    json_t *vocab = json_object_get(o, "vocab"), *unk = json_object_get(o, "unk_id");
    int64_t n = (int64_t)json_array_size(vocab);
    bool byte_fallback;
    lt_status st = LT_OK;
    LT_CHECK(json_is_array(vocab) && n > 0, LT_ERR_FORMAT, "%s: model.vocab should be a list of tokens and scores", path);
    LT_CHECK(!unk || json_is_null(unk) || (json_is_integer(unk) && json_integer_value(unk) >= 0 && json_integer_value(unk) < n),
             LT_ERR_FORMAT, "%s: model.unk_id should be the place of a token in model.vocab, 0 to %lld", path, (long long)n - 1);
    LT_TRY(get_flag(o, "byte_fallback", path, &byte_fallback));
    LT_TRY(lt_calloc(&score, n, sizeof *score, "scores"));
    for (int64_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(vocab, (size_t)i), *text = json_array_get(entry, 0), *value = json_array_get(entry, 1);
        LT_CHECK_GOTO(json_is_string(text) && json_is_number(value), st, done, LT_ERR_FORMAT,
                      "%s: entry %lld of model.vocab is not a token and its score", path, (long long)i);
        score[i] = json_number_value(value);
        LT_TRY_GOTO(lt_vocab_put(&v, i, json_string_value(text), json_string_length(text)), st, done);
    }
    st = lt_tok_impl_unigram_create(&v, score, json_is_integer(unk) ? (int32_t)json_integer_value(unk) : -1, byte_fallback, path, m);
done:
    lt_vocab_free(&v);
    free(score);
    return st;
}

lt_status lt_tok_impl_open_model(json_t *o, const char *path, lt_tok_model **m) {
    static const struct {
        const char *type;
        lt_status (*open)(json_t *o, const char *path, lt_tok_model **m);
    } known[] = {{"BPE", open_bpe}, {"WordPiece", open_wordpiece}, {"Unigram", open_unigram}};
    LT_CHECK(json_is_object(o), LT_ERR_FORMAT, "%s: there is no \"model\" with a vocabulary", path);
    const char *type = json_string_value(json_object_get(o, "type"));
    /* files of the first versions do not name it: each kind has a key that the others lack */
    if (!type)
        type = json_object_get(o, "merges")                     ? "BPE"
               : json_object_get(o, "max_input_chars_per_word") ? "WordPiece"
               : json_object_get(o, "unk_id")                   ? "Unigram"
                                                                : "?";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(type, known[i].type)) return known[i].open(o, path, m);
    return LT_FAIL(LT_ERR_FORMAT, "%s: tokenizer model \"%.60s\" is not supported; known are BPE, WordPiece and Unigram", path, type);
}
