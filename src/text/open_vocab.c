/* Folders with a plain vocabulary: vocab.txt of BERT and its relatives, a token a line; vocab.json and merges.txt of GPT-2 and its relatives.
 *
 * Lines are what Python takes for lines: they end in LF, CR LF or CR.  GPT-2's classes read merges.txt in a way of their own, which is
 * kept: the first line goes whatever it says, and so does what stands behind the last LF. */
#include "text/open_impl.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* --- lines ---------------------------------------------------------------------------------------------------------------------------------- */

typedef struct text {
    char *s;
    int64_t bytes, at, line;
    const char *path;
} text;

static lt_status load_text(const char *path, text *t) {
    lt_status st = LT_OK;
    int32_t c;
    *t = (text){.path = path};
    LT_TRY(lt_tok_impl_read_file(path, &t->s, &t->bytes));
    for (int64_t at = 0, line = 1; at < t->bytes;) {
        utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)t->s + at, t->bytes - at, &c);
        LT_CHECK_GOTO(used > 0, st, done, LT_ERR_FORMAT, "%s:%lld: not UTF-8 (byte 0x%02X)", path, (long long)line,
                      (unsigned char)t->s[at]);
        line += c == '\n' || (c == '\r' && t->s[at + 1] != '\n');
        at += used;
    }
done:
    if (st != LT_OK) free(t->s);
    return st;
}

/* The next line without its end; *ended: it has one. */
static bool next_line(text *t, const char **line, int64_t *bytes, bool *ended) {
    if (t->at >= t->bytes) return false;
    int64_t end = t->at;
    while (end < t->bytes && t->s[end] != '\n' && t->s[end] != '\r') end++;
    *line = t->s + t->at;
    *bytes = end - t->at;
    *ended = end < t->bytes;
    t->at = end + 1 + (end + 1 < t->bytes && t->s[end] == '\r' && t->s[end + 1] == '\n');
    t->line++;
    return true;
}

/* --- vocab.txt ------------------------------------------------------------------------------------------------------------------------------ */

static lt_status read_vocab_txt(const char *path, lt_vocab *v) {
    text t;
    const char *line;
    int64_t bytes;
    bool ended;
    LT_TRY(load_text(path, &t));
    lt_status st = LT_OK;
    while (st == LT_OK && next_line(&t, &line, &bytes, &ended)) st = lt_vocab_put(v, t.line - 1, line, (size_t)bytes);
    if (st == LT_OK && v->n == 0) st = LT_FAIL(LT_ERR_FORMAT, "%s is empty: expected a token on each line", path);
    if (st == LT_OK) st = lt_vocab_index(v);
    /* of two equal lines the later one has the token, and the id of the other is of none */
    for (int64_t id = 0; st == LT_OK && id < v->n; id++)
        if (lt_vocab_find(v, v->pool + v->begin[id], (size_t)v->bytes[id]) != id) v->begin[id] = -1;
    free(t.s);
    return st;
}

static lt_status describe_bert(json_t *about, const json_t *config, const char *path) {
    const json_t *strip = json_object_get(config, "strip_accents");
    bool lower, chinese;
    LT_TRY(lt_tok_impl_switch(config, "do_lower_case", true, path, &lower));
    LT_TRY(lt_tok_impl_switch(config, "tokenize_chinese_chars", true, path, &chinese));
    LT_TRY(lt_tok_impl_set(about, "normalizer",
                           json_pack("{s:s, s:b, s:b, s:n, s:b}", "type", "BertNormalizer", "clean_text", 1, "handle_chinese_chars",
                                     chinese, "strip_accents", "lowercase", lower)));
    if (json_is_boolean(strip))
        LT_TRY(lt_tok_impl_set(json_object_get(about, "normalizer"), "strip_accents", json_boolean(json_is_true(strip))));
    LT_TRY(lt_tok_impl_set(about, "pre_tokenizer", json_pack("{s:s}", "type", "BertPreTokenizer")));
    return lt_tok_impl_set(about, "decoder", json_pack("{s:s, s:s, s:b}", "type", "WordPiece", "prefix", "##", "cleanup", 1));
}

/* cls A sep, and cls A sep B sep; MPNet has two sep between. */
static lt_status frame_bert(json_t *about, const lt_tok_model *model, const json_t *config, bool mpnet, const char *path) {
    const char *cls = lt_tok_impl_role_text(config, "cls_token"), *sep = lt_tok_impl_role_text(config, "sep_token");
    LT_CHECK(cls && sep, LT_ERR_FORMAT, "%s: its tokenizer_config.json sets no cls_token or no sep_token", path);
    const lt_tok_mark two_seps[] = {{cls, 0}, {"$A", 0}, {sep, 0}, {sep, 0}, {"$B", 1}, {sep, 1}};
    const lt_tok_mark one_sep[] = {{cls, 0}, {"$A", 0}, {sep, 0}, {"$B", 1}, {sep, 1}};
    return lt_tok_impl_put_template(about, model, mpnet ? two_seps : one_sep, 3, mpnet ? 6 : 5, path);
}

lt_status lt_tok_impl_open_vocab_txt(const char *path, json_t *config, lt_tok_tables **t) {
    const lt_tok_class *class;
    json_t *about = json_object();
    lt_vocab v = {0};
    lt_tok_model *model = NULL;
    lt_status st = LT_OK;
    LT_CHECK_GOTO(about, st, done, LT_ERR_NOMEM, "no memory for a tokenizer");
    if (!json_object_get(config, "tokenizer_class"))
        LT_TRY_GOTO(lt_tok_impl_set(config, "tokenizer_class", json_string("BertTokenizer")), st, done);
    LT_TRY_GOTO(lt_tok_impl_class_for(config, LT_FILES_VOCAB_TXT, path, &class), st, done);
    LT_TRY_GOTO(read_vocab_txt(path, &v), st, done);
    const char *unk = lt_tok_impl_role_text(config, "unk_token");
    LT_TRY_GOTO(lt_tok_impl_wordpiece_create(&v, unk ? unk : class->role[2].text, "##", 100, path, &model), st, done);
    LT_TRY_GOTO(describe_bert(about, config, path), st, done);
    LT_TRY_GOTO(lt_tok_impl_lay_config(about, model, config, true, path), st, done);
    LT_TRY_GOTO(frame_bert(about, model, config, class->form == LT_FORM_MPNET, path), st, done);
    st = lt_tok_impl_build(about, &model, config, path, t);
done:
    if (model) model->kind->close(model);
    lt_vocab_free(&v);
    json_decref(about);
    return st;
}

/* --- vocab.json and merges.txt --------------------------------------------------------------------------------------------------------------- */

static lt_status read_vocab_json(const char *path, lt_vocab *v) {
    json_t *o = NULL, *id;
    const char *key;
    size_t bytes;
    LT_TRY(lt_tok_impl_load_json(path, &o));
    lt_status st = LT_OK;
    LT_CHECK_GOTO(json_is_object(o) && json_object_size(o) > 0, st, done, LT_ERR_FORMAT, "%s: expected an object of tokens and ids", path);
    json_object_keylen_foreach(o, key, bytes, id) {
        LT_CHECK_GOTO(json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) <= LT_TOK_MAX_ID, st, done,
                      LT_ERR_FORMAT, "%s: the id of token \"%.60s\" should be a whole number, 0 to %d", path, key, LT_TOK_MAX_ID);
        const char *other = lt_vocab_text(v, json_integer_value(id), NULL);
        LT_CHECK_GOTO(!other, st, done, LT_ERR_FORMAT, "%s: tokens \"%.60s\" and \"%.60s\" both have id %lld", path, other, key,
                      (long long)json_integer_value(id));
        LT_TRY_GOTO(lt_vocab_put(v, json_integer_value(id), key, bytes), st, done);
    }
    st = lt_vocab_index(v);
done:
    json_decref(o);
    return st;
}

static bool is_blank(int32_t c) { return lt_tok_impl_is_space(c) || (c >= 0x1C && c <= 0x1F); }

/* The words of a line, three at most. */
static int split(const char *line, int64_t bytes, const char *word[3], int64_t length[3]) {
    int n = 0;
    bool inside = false;
    for (int64_t at = 0; at < bytes;) {
        int32_t c;
        int used = lt_tok_impl_char(line + at, &c);
        if (is_blank(c)) {
            inside = false;
        } else if (inside) {
            length[n - 1] += used;
        } else {
            if (n == 3) break;
            word[n] = line + at;
            length[n++] = used;
            inside = true;
        }
        at += used;
    }
    return n;
}

typedef struct merges {
    lt_merge *at;
    int64_t n, cap;
} merges;

static lt_status add_merge(merges *m, const lt_vocab *v, const text *t, const char *line, int64_t bytes) {
    const char *word[3];
    int64_t length[3];
    int n = split(line, bytes, word, length);
    LT_CHECK(n == 2, LT_ERR_FORMAT, "%s:%lld: \"%.*s\", expected two tokens with a space between", t->path, (long long)t->line,
             (int)(bytes < 60 ? bytes : 60), line);
    lt_merge merge = {lt_vocab_find(v, word[0], (size_t)length[0]), lt_vocab_find(v, word[1], (size_t)length[1])};
    for (int i = 0; i < 2; i++)
        LT_CHECK((i ? merge.right : merge.left) >= 0, LT_ERR_FORMAT, "%s:%lld: token \"%.*s\" is not in the vocabulary", t->path,
                 (long long)t->line, (int)(length[i] < 60 ? length[i] : 60), word[i]);
    if (m->n == m->cap) {
        int64_t cap = 2 * m->cap + 4096;
        lt_merge *grown = realloc(m->at, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld merges", (long long)cap);
        m->at = grown;
        m->cap = cap;
    }
    m->at[m->n++] = merge;
    return LT_OK;
}

/* A merge and its line. */
typedef struct numbered {
    lt_merge merge;
    int64_t i;
} numbered;

static int by_merge(const void *x, const void *y) {
    const numbered *a = x, *b = y;
    if (a->merge.left != b->merge.left) return a->merge.left < b->merge.left ? -1 : 1;
    if (a->merge.right != b->merge.right) return a->merge.right < b->merge.right ? -1 : 1;
    return a->i < b->i ? -1 : 1;
}

/* Of two equal merges the first counts here. */
static lt_status drop_repeated(merges *m) {
    numbered *a;
    int64_t n = 0;
    LT_TRY(lt_calloc(&a, m->n + 1, sizeof *a, "merges"));
    for (int64_t i = 0; i < m->n; i++) a[i] = (numbered){m->at[i], i};
    qsort(a, (size_t)m->n, sizeof *a, by_merge);
    for (int64_t i = 1; i < m->n; i++)
        if (a[i].merge.left == a[i - 1].merge.left && a[i].merge.right == a[i - 1].merge.right) m->at[a[i].i].left = -1;
    for (int64_t i = 0; i < m->n; i++)
        if (m->at[i].left >= 0) m->at[n++] = m->at[i];
    m->n = n;
    free(a);
    return LT_OK;
}

static lt_status read_merges(const char *path, const lt_vocab *v, bool qwen2, merges *m) {
    text t;
    const char *line;
    int64_t bytes;
    bool ended;
    LT_TRY(load_text(path, &t));
    lt_status st = LT_OK;
    while (st == LT_OK && next_line(&t, &line, &bytes, &ended)) {
        const char *word[3];
        int64_t length[3];
        bool version = t.line == 1 && bytes >= 9 && !memcmp(line, "#version:", 9);
        if (qwen2 ? version || split(line, bytes, word, length) == 0 : t.line == 1 || !ended) continue;
        st = add_merge(m, v, &t, line, bytes);
    }
    if (st == LT_OK) st = drop_repeated(m);
    free(t.s);
    return st;
}

static json_t *byte_level(bool prefix, bool regex) {
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", prefix, "trim_offsets", 1, "use_regex", regex);
}

static lt_status describe_byte_level(json_t *about, const json_t *config, const lt_tok_class *class, const char *path) {
    static const char pattern[] =
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
        "\\s+(?!\\S)|\\s+";
    bool prefix;
    LT_TRY(lt_tok_impl_switch(config, "add_prefix_space", false, path, &prefix));
    LT_TRY(lt_tok_impl_set(about, "decoder", byte_level(true, true)));
    if (class->form != LT_FORM_QWEN2) return lt_tok_impl_set(about, "pre_tokenizer", byte_level(prefix, true));
    LT_TRY(lt_tok_impl_set(about, "normalizer", json_pack("{s:s}", "type", "NFC")));
    return lt_tok_impl_set(about, "pre_tokenizer",
                           json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, o]}", "type", "Sequence", "pretokenizers", "type", "Split",
                                     "pattern", "Regex", pattern, "behavior", "Isolated", "invert", 0, byte_level(false, false)));
}

static lt_status frame_byte_level(json_t *about, const lt_tok_model *model, const json_t *config, const lt_tok_class *class,
                                  const char *path) {
    static const lt_tok_mark deberta[] = {{"[CLS]", 0}, {"$A", 0}, {"[SEP]", 0}, {"$B", 1}, {"[SEP]", 1}};
    bool bos;
    if (class->form == LT_FORM_DEBERTA) return lt_tok_impl_put_template(about, model, deberta, 3, 5, path);
    if (class->form == LT_FORM_ROBERTA) {
        const char *sep = lt_tok_impl_role_text(config, "sep_token"), *cls = lt_tok_impl_role_text(config, "cls_token");
        LT_CHECK(cls && sep, LT_ERR_FORMAT, "%s: its tokenizer_config.json sets no cls_token or no sep_token", path);
        return lt_tok_impl_set(about, "post_processor",
                               json_pack("{s:s, s:[s, I], s:[s, I], s:b, s:b}", "type", "RobertaProcessing", "sep", sep,
                                         (json_int_t)lt_tok_impl_id_of(about, model, sep), "cls", cls,
                                         (json_int_t)lt_tok_impl_id_of(about, model, cls), "trim_offsets", 1, "add_prefix_space", 0));
    }
    LT_TRY(lt_tok_impl_switch(config, "add_bos_token", false, path, &bos));
    if (class->form != LT_FORM_GPT2 || !bos) return LT_OK;
    const char *token = lt_tok_impl_role_text(config, "bos_token");
    LT_CHECK(token, LT_ERR_FORMAT, "%s: its tokenizer_config.json sets add_bos_token, but there is no bos_token", path);
    const lt_tok_mark mark[] = {{token, 0}, {"$A", 0}, {"$B", 1}};
    return lt_tok_impl_put_template(about, model, mark, 2, 3, path);
}

/* What a vocabulary holds says whose it is, if nothing else does. */
static const char *guess_class(const lt_vocab *v) {
    if (lt_vocab_find(v, "<s>", 3) >= 0 && lt_vocab_find(v, "<mask>", 6) >= 0) return "RobertaTokenizer";
    if (lt_vocab_find(v, "[CLS]", 5) >= 0) return "DebertaTokenizer";
    return lt_vocab_find(v, "<|endoftext|>", 13) >= 0 ? "GPT2Tokenizer" : NULL;
}

lt_status lt_tok_impl_open_vocab_json(const char *path, json_t *config, lt_tok_tables **t) {
    const lt_tok_class *class;
    const char *slash = strrchr(path, '/');
    char beside[4400];
    json_t *about = json_object();
    lt_vocab v = {0};
    merges m = {0};
    lt_tok_model *model = NULL;
    lt_status st = LT_OK;
    LT_CHECK_GOTO(about, st, done, LT_ERR_NOMEM, "no memory for a tokenizer");
    LT_TRY_GOTO(read_vocab_json(path, &v), st, done);
    const char *guess = guess_class(&v);
    if (!json_object_get(config, "tokenizer_class") && guess)
        LT_TRY_GOTO(lt_tok_impl_set(config, "tokenizer_class", json_string(guess)), st, done);
    LT_TRY_GOTO(lt_tok_impl_class_for(config, LT_FILES_VOCAB_JSON, path, &class), st, done);
    (void)snprintf(beside, sizeof beside, "%.*smerges.txt", slash ? (int)(slash + 1 - path) : 0, path);
    LT_TRY_GOTO(read_merges(beside, &v, class->form == LT_FORM_QWEN2, &m), st, done);
    LT_TRY_GOTO(lt_tok_impl_bpe_create(&v, m.at, m.n, &(lt_bpe_options){0}, beside, &model), st, done);
    LT_TRY_GOTO(describe_byte_level(about, config, class, path), st, done);
    LT_TRY_GOTO(lt_tok_impl_lay_config(about, model, config, true, path), st, done);
    LT_TRY_GOTO(frame_byte_level(about, model, config, class, path), st, done);
    st = lt_tok_impl_build(about, &model, config, path, t);
done:
    if (model) model->kind->close(model);
    lt_vocab_free(&v);
    free(m.at);
    json_decref(about);
    return st;
}
