/* WordPiece tokenizers from their files: tokenizer.json (Hugging Face tokenizers) or vocab.txt with tokenizer_config.json. */
#include "text/tokenizer_impl.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool flag(const json_t *o, const char *key, bool fallback) {
    json_t *v = json_object_get(o, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

static void normaliser_defaults(lt_tok *t) {
    t->kind = &lt_tok_impl_wordpiece;
    t->clean = t->split_cjk = t->lower = t->strip_accents = true;
    t->max_word_chars = 100;
}

static const char *type_of(const json_t *o) { return json_string_value(json_object_get(o, "type")); }

/* Fails unless a part of the pipeline is the one of BERT (or absent). */
static lt_status check_part(const json_t *root, const char *path, const char *part, const char *known) {
    const char *type = type_of(json_object_get(root, part));
    LT_CHECK(!type || !strcmp(type, known), LT_ERR_FORMAT, "%s: %s \"%s\" is not known; known: %s", path, part, type, known);
    return LT_OK;
}

/* A token that the file adds to the vocabulary, or names again.  It must be found in raw text as it is. */
static lt_status put_added(lt_tok *t, const char *path, json_int_t id, const json_t *entry) {
    const char *content = json_string_value(json_object_get(entry, "content"));
    LT_CHECK(content && id >= 0, LT_ERR_FORMAT, "%s: an added token lacks its content or id", path);
    LT_CHECK(!flag(entry, "single_word", false) && !(flag(entry, "normalized", false) && !flag(entry, "special", false)), LT_ERR_FORMAT,
             "%s: added token \"%s\" is single_word or normalized: not supported", path, content);
    if (id >= t->vocab.n || !t->vocab.token[id]) return lt_vocab_put(&t->vocab, id, content, strlen(content));
    LT_CHECK(!strcmp(t->vocab.token[id], content), LT_ERR_FORMAT,
             "%s: added token \"%s\" has id %lld, which the vocabulary gives to \"%s\"", path, content, (long long)id, t->vocab.token[id]);
    return LT_OK;
}

static lt_status read_model(lt_tok *t, const json_t *model, const char *path) {
    const char *type = type_of(model), *token, *text;
    json_t *vocab = json_object_get(model, "vocab"), *id;
    LT_CHECK(type && !strcmp(type, "WordPiece"), LT_ERR_FORMAT, "%s: tokenizer of type \"%s\" is not known; known: WordPiece", path,
             type ? type : "?");
    LT_CHECK(json_is_object(vocab), LT_ERR_FORMAT, "%s: field model.vocab is missing", path);
    text = json_string_value(json_object_get(model, "continuing_subword_prefix"));
    LT_CHECK(!text || !strcmp(text, "##"), LT_ERR_FORMAT, "%s: model.continuing_subword_prefix \"%s\" is not known; known: ##", path, text);
    text = json_string_value(json_object_get(model, "unk_token"));
    LT_CHECK(!text || !strcmp(text, "[UNK]"), LT_ERR_FORMAT, "%s: model.unk_token \"%s\" is not known; known: [UNK]", path, text);
    json_object_foreach(vocab, token, id) {
        LT_CHECK(json_is_integer(id), LT_ERR_FORMAT, "%s: the id of token \"%s\" is not a number", path, token);
        LT_TRY(lt_vocab_put(&t->vocab, json_integer_value(id), token, strlen(token)));
    }
    json_t *longest = json_object_get(model, "max_input_chars_per_word");
    if (longest) t->max_word_chars = json_integer_value(longest);
    LT_CHECK(t->max_word_chars >= 1 && t->max_word_chars <= LT_TOK_LONGEST_WORD, LT_ERR_FORMAT,
             "%s: model.max_input_chars_per_word must be 1 to %d", path, LT_TOK_LONGEST_WORD);
    return LT_OK;
}

static lt_status read_json(lt_tok *t, const json_t *root, const char *path) {
    const json_t *norm = json_object_get(root, "normalizer"), *added = json_object_get(root, "added_tokens");
    json_t *entry, *accents = json_object_get(norm, "strip_accents");
    bool given = type_of(norm) != NULL;
    size_t i;
    LT_TRY(read_model(t, json_object_get(root, "model"), path));
    LT_TRY(check_part(root, path, "normalizer", "BertNormalizer"));
    LT_TRY(check_part(root, path, "pre_tokenizer", "BertPreTokenizer"));
    t->clean = flag(norm, "clean_text", given);
    t->split_cjk = flag(norm, "handle_chinese_chars", given);
    t->lower = flag(norm, "lowercase", given);
    t->strip_accents = json_is_boolean(accents) ? json_is_true(accents) : t->lower;
    json_array_foreach(added, i, entry) {
        json_t *id = json_object_get(entry, "id");
        LT_TRY(put_added(t, path, json_is_integer(id) ? json_integer_value(id) : -1, entry));
    }
    LT_TRY(lt_vocab_index(&t->vocab));
    LT_TRY(lt_tok_impl_bert_specials(t));
    json_array_foreach(added, i, entry)
        LT_TRY(lt_tok_impl_add(t, (int32_t)json_integer_value(json_object_get(entry, "id")), flag(entry, "special", false)));
    return LT_OK;
}

/* Reads a JSON object; *root NULL where there is no such file and it may be absent. */
static lt_status load_json(const char *path, bool optional, json_t **root) {
    json_error_t error;
    *root = NULL;
    if (optional && access(path, F_OK) != 0) return LT_OK;
    *root = json_load_file(path, 0, &error);
    LT_CHECK(*root, LT_ERR_FORMAT, "%s:%d: not JSON: %s", path, error.line, error.text);
    if (json_is_object(*root)) return LT_OK;
    json_decref(*root);
    *root = NULL;
    return LT_FAIL(LT_ERR_FORMAT, "%s: not a JSON object", path);
}

lt_status lt_tok_impl_open_json(lt_tok *t, const char *path) {
    json_t *root;
    normaliser_defaults(t);
    LT_TRY(load_json(path, false, &root));
    lt_status st = read_json(t, root, path);
    json_decref(root);
    return st;
}

/* tokenizer_config.json beside vocab.txt: the normaliser, and tokens that the list lacks. */
static lt_status read_config(lt_tok *t, const char *path, const json_t *root) {
    json_t *accents = json_object_get(root, "strip_accents"), *entry;
    const char *number;
    t->lower = flag(root, "do_lower_case", true);
    t->split_cjk = flag(root, "tokenize_chinese_chars", true);
    t->strip_accents = json_is_boolean(accents) ? json_is_true(accents) : t->lower;
    json_object_foreach(json_object_get(root, "added_tokens_decoder"), number, entry) {
        char *end;
        long id = strtol(number, &end, 10);
        LT_TRY(put_added(t, path, *end || end == number ? -1 : id, entry));
    }
    return LT_OK;
}

/* The same tokens once the vocabulary is complete. */
static lt_status find_config_tokens(lt_tok *t, const json_t *root) {
    const char *number;
    json_t *entry;
    json_object_foreach(json_object_get(root, "added_tokens_decoder"), number, entry)
        LT_TRY(lt_tok_impl_add(t, (int32_t)strtol(number, NULL, 10), flag(entry, "special", false)));
    return LT_OK;
}

static lt_status read_lines(lt_tok *t, const char *path) {
    char *line = NULL;
    size_t cap = 0;
    int64_t id = 0;
    lt_status st = LT_OK;
    FILE *f = fopen(path, "rb");
    LT_CHECK(f, LT_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    for (ssize_t n; st == LT_OK && (n = getline(&line, &cap, f)) >= 0; id++) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) n--;
        st = lt_vocab_put(&t->vocab, id, line, (size_t)n);
    }
    if (st == LT_OK && ferror(f)) st = LT_FAIL(LT_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    free(line);
    fclose(f);
    LT_TRY(st);
    LT_CHECK(id > 0, LT_ERR_FORMAT, "%s is empty", path);
    return LT_OK;
}

lt_status lt_tok_impl_open_vocab_txt(lt_tok *t, const char *path, const char *dir) {
    char config[4300];
    json_t *root = NULL;
    lt_status st = LT_OK;
    normaliser_defaults(t);
    LT_TRY(read_lines(t, path));
    (void)snprintf(config, sizeof config, "%s/tokenizer_config.json", dir);
    LT_TRY(load_json(config, true, &root));
    if (root) LT_TRY_GOTO(read_config(t, config, root), st, done);
    LT_TRY_GOTO(lt_vocab_index(&t->vocab), st, done);
    LT_TRY_GOTO(lt_tok_impl_bert_specials(t), st, done);
    if (root) LT_TRY_GOTO(find_config_tokens(t, root), st, done);
done:
    json_decref(root);
    return st;
}
