/* Folders with a sentencepiece model: what transformers' converters make of it.
 *
 * Every class lays its own vocabulary over the pieces (XLM-R's begins with four of its own, T5's ends with a hundred), and its own normaliser, pre-tokeniser and decoder
 * around it.  The converters do not ask the model's normalizer_spec for anything but its table of characters, and so nothing else is asked here. */
#include "text/open_impl.h"

#include "base/mem.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define BLANK "\xE2\x96\x81"

typedef struct folder {
    const lt_tok_class *class;
    json_t *config, *about;
    lt_spm spm;
    lt_vocab vocab;
    double *score; /* [cap] */
    int64_t cap;
    const char *path;
} folder;

/* --- vocabularies -------------------------------------------------------------------------------------------------------------------------- */

static lt_status put(folder *f, const char *text, size_t bytes, double score) {
    int64_t id = f->vocab.n;
    if (id == f->cap) {
        int64_t cap = 2 * f->cap + 1024;
        double *grown = realloc(f->score, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld scores", (long long)cap);
        f->score = grown;
        f->cap = cap;
    }
    f->score[id] = score;
    return lt_vocab_put(&f->vocab, id, text, bytes);
}

/* Albert lowers pieces like "7,": a number and its comma are two. */
static bool is_number_comma(const lt_spm_piece *p) {
    int64_t at = p->bytes - 1;
    int32_t c;
    if (at < 1 || p->text[at] != ',') return false;
    do at--;
    while (at > 0 && ((unsigned char)p->text[at] & 0xC0) == 0x80);
    lt_tok_impl_char(p->text + at, &c);
    return utf8proc_category(c) == UTF8PROC_CATEGORY_ND || c == 0xB2 || c == 0xB3 || c == 0xB9;
}

static lt_status put_pieces(folder *f, int64_t from) {
    bool tab = false;
    for (int64_t i = from; i < f->spm.n; i++) tab |= f->spm.piece[i].bytes == 1 && f->spm.piece[i].text[0] == '\t';
    for (int64_t i = from; i < f->spm.n; i++) {
        const lt_spm_piece *p = &f->spm.piece[i];
        /* the first Gemmas lack a tab: its byte takes its place */
        if (f->class->form == LT_FORM_GEMMA && !tab && p->bytes == 6 && !memcmp(p->text, "<0x09>", 6))
            LT_TRY(put(f, "\t", 1, 0));
        else
            LT_TRY(
                put(f, p->text, (size_t)p->bytes, (double)p->score - (f->class->form == LT_FORM_ALBERT && is_number_comma(p) ? 100 : 0)));
    }
    return LT_OK;
}

static lt_status put_texts(folder *f, const char *const *text, int n) {
    for (int i = 0; i < n; i++) LT_TRY(put(f, text[i], strlen(text[i]), 0));
    return LT_OK;
}

/* Llama's first three: what an added token says of them, or the pieces. */
static lt_status put_llama(folder *f) {
    const json_t *decoder = json_object_get(f->config, "added_tokens_decoder");
    LT_CHECK(f->spm.n >= 3, LT_ERR_FORMAT, "%s: %lld pieces, expected three at least", f->path, (long long)f->spm.n);
    for (int i = 0; i < 3; i++) {
        char id[2] = {(char)('0' + i), 0};
        const char *text = json_string_value(json_object_get(json_object_get(decoder, id), "content"));
        LT_TRY(put(f, text ? text : f->spm.piece[i].text, text ? strlen(text) : (size_t)f->spm.piece[i].bytes, 0));
    }
    return put_pieces(f, 3);
}

static lt_status put_gemma(folder *f) {
    static const char *const first[3][2] = {{"pad_token", "<pad>"}, {"eos_token", "<eos>"}, {"bos_token", "<bos>"}};
    for (int i = 0; i < 3; i++) {
        const char *text = lt_tok_impl_role_text(f->config, first[i][0]);
        if (!text) text = first[i][1];
        LT_TRY(put(f, text, strlen(text), 0));
    }
    return put_pieces(f, 3);
}

static lt_status fill_vocab(folder *f, int32_t *unk) {
    static const char *const fairseq[] = {"<s>", "<pad>", "</s>", "<unk>"}, *const camembert[] = {"<s>NOTUSED", "<pad>", "</s>NOTUSED",
                                                                                                  "<unk>"};
    const json_t *extra = json_object_get(f->config, "extra_ids");
    int64_t n = json_is_integer(extra) ? json_integer_value(extra) : 100;
    char text[40];
    *unk = f->spm.unk_id;
    switch (f->class->form) {
    case LT_FORM_LLAMA:
        *unk = 0;
        return put_llama(f);
    case LT_FORM_GEMMA:
        *unk = 3;
        return put_gemma(f);
    case LT_FORM_XLM_ROBERTA:
        *unk = 3;
        LT_TRY(put_texts(f, fairseq, 4));
        LT_TRY(put_pieces(f, 3));
        return put(f, "<mask>", 6, 0);
    case LT_FORM_CAMEMBERT:
        *unk = 3;
        LT_TRY(put_texts(f, camembert, 4));
        LT_TRY(put(f, "<unk>NOTUSED", 12, -100));
        LT_TRY(put_pieces(f, 1));
        return put(f, "<mask>", 6, 0);
    case LT_FORM_T5:
        LT_CHECK((!extra || json_is_integer(extra)) && n >= 0 && n <= 1 << 16, LT_ERR_FORMAT,
                 "%s: its tokenizer_config.json: \"extra_ids\" should be 0 to %d", f->path, 1 << 16);
        LT_TRY(put_pieces(f, 0));
        for (int64_t i = n; i-- > 0;) LT_TRY(put(f, text, (size_t)snprintf(text, sizeof text, "<extra_id_%lld>", (long long)i), 0));
        return LT_OK;
    default:
        return put_pieces(f, 0);
    }
}

static lt_status make_model(folder *f, lt_tok_model **model) {
    lt_merge *merge = NULL;
    float *score = NULL;
    int64_t n = 0;
    int32_t unk;
    bool bytes = f->class->form == LT_FORM_LLAMA || f->class->form == LT_FORM_GEMMA;
    lt_status st = LT_OK;
    LT_TRY(fill_vocab(f, &unk));
    if (f->spm.model_type == LT_SPM_UNIGRAM) return lt_tok_impl_unigram_create(&f->vocab, f->score, unk, bytes, f->path, model);
    LT_TRY(lt_vocab_index(&f->vocab));
    LT_TRY(lt_calloc(&score, f->vocab.n, sizeof *score, "scores"));
    for (int64_t i = 0; i < f->vocab.n; i++) score[i] = (float)f->score[i];
    LT_TRY_GOTO(lt_tok_impl_merges_of_scores(&f->vocab, score, &merge, &n), st, done);
    st = lt_tok_impl_bpe_create(&f->vocab, merge, n,
                                &(lt_bpe_options){.unk_token = f->spm.unk_piece, .fuse_unk = true, .byte_fallback = bytes}, f->path, model);
done:
    free(merge);
    free(score);
    return st;
}

/* --- what is around the model --------------------------------------------------------------------------------------------------------------- */

static lt_status push(json_t *list, json_t *o) {
    LT_CHECK(o && json_array_append_new(list, o) == 0, LT_ERR_NOMEM, "no memory for a tokenizer");
    return LT_OK;
}

static json_t *replace(const char *kind, const char *pattern, const char *content) {
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", kind, pattern, "content", content);
}

static json_t *type(const char *name) { return json_pack("{s:s}", "type", name); }

/* The model's table of characters, as tokenizer.json has it: base64. */
static lt_status push_charsmap(const folder *f, json_t *list) {
    char *text = NULL;
    if (!f->spm.charsmap) return LT_OK;
    LT_TRY(lt_calloc(&text, f->spm.charsmap_bytes / 3 * 4 + 8, 1, "a table of characters"));
    (void)EVP_EncodeBlock((unsigned char *)text, f->spm.charsmap, (int)f->spm.charsmap_bytes);
    lt_status st = push(list, json_pack("{s:s, s:s}", "type", "Precompiled", "precompiled_charsmap", text));
    free(text);
    return st;
}

static lt_status normalizers(const folder *f, json_t *list) {
    bool on, legacy, prefix;
    switch (f->class->form) {
    case LT_FORM_LLAMA:
        LT_TRY(lt_tok_impl_legacy(f->config, f->path, &legacy));
        LT_TRY(lt_tok_impl_switch(f->config, "add_prefix_space", true, f->path, &prefix));
        if (legacy && prefix) LT_TRY(push(list, json_pack("{s:s, s:s}", "type", "Prepend", "prepend", BLANK)));
        return legacy ? push(list, replace("String", " ", BLANK)) : LT_OK;
    case LT_FORM_GEMMA:
        return push(list, replace("String", " ", BLANK));
    case LT_FORM_DEBERTA_V2:
        LT_TRY(lt_tok_impl_switch(f->config, "do_lower_case", false, f->path, &on));
        if (on) LT_TRY(push(list, type("Lowercase")));
        LT_TRY(push(list, json_pack("{s:s, s:b, s:b}", "type", "Strip", "strip_left", 1, "strip_right", 1)));
        LT_TRY(push_charsmap(f, list));
        return push(list, replace("Regex", " {2,}", " "));
    case LT_FORM_ALBERT:
        LT_TRY(push(list, replace("String", "``", "\"")));
        LT_TRY(push(list, replace("String", "''", "\"")));
        LT_TRY(lt_tok_impl_switch(f->config, "keep_accents", false, f->path, &on));
        if (!on) LT_TRY(push(list, type("NFKD")));
        if (!on) LT_TRY(push(list, type("StripAccents")));
        LT_TRY(lt_tok_impl_switch(f->config, "do_lower_case", true, f->path, &on));
        if (on) LT_TRY(push(list, type("Lowercase")));
        LT_TRY(push_charsmap(f, list));
        return push(list, replace("Regex", " {2,}", " "));
    default:
        LT_TRY(push_charsmap(f, list));
        LT_TRY(push(list, json_pack("{s:s, s:b, s:b}", "type", "Strip", "strip_left", 0, "strip_right", 1)));
        return push(list, replace("Regex", " {2,}", BLANK));
    }
}

/* Where a blank is put before a text, in Metaspace's words. */
static lt_status prepend_scheme(const folder *f, const char **scheme) {
    *scheme = "always";
    bool legacy = true, prefix = true, asks = f->class->form == LT_FORM_LLAMA || f->class->form == LT_FORM_T5;
    if (asks) LT_TRY(lt_tok_impl_legacy(f->config, f->path, &legacy));
    if (asks) LT_TRY(lt_tok_impl_switch(f->config, "add_prefix_space", true, f->path, &prefix));
    *scheme = !prefix ? "never" : legacy ? "always" : "first";
    return LT_OK;
}

static lt_status pretokenizers(const folder *f, json_t *list) {
    bool legacy, punctuation;
    const char *scheme;
    if (f->class->form == LT_FORM_GEMMA)
        return push(list, json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "String", " ", "behavior", "MergedWithPrevious",
                                    "invert", 0));
    LT_TRY(lt_tok_impl_legacy(f->config, f->path, &legacy));
    if (f->class->form == LT_FORM_LLAMA && legacy) return LT_OK;
    LT_TRY(lt_tok_impl_switch(f->config, "split_by_punct", false, f->path, &punctuation));
    if (f->class->form == LT_FORM_DEBERTA_V2 && punctuation)
        LT_TRY(push(list, json_pack("{s:s, s:s}", "type", "Punctuation", "behavior", "Isolated")));
    LT_TRY(prepend_scheme(f, &scheme));
    return push(list, json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace", "replacement", BLANK, "prepend_scheme", scheme, "split",
                                f->class->form != LT_FORM_LLAMA));
}

static lt_status decoders(const folder *f, json_t *list) {
    const char *scheme;
    LT_TRY(prepend_scheme(f, &scheme));
    if (f->class->form != LT_FORM_LLAMA && f->class->form != LT_FORM_GEMMA)
        return push(list,
                    json_pack("{s:s, s:s, s:s, s:b}", "type", "Metaspace", "replacement", BLANK, "prepend_scheme", scheme, "split", 1));
    LT_TRY(push(list, replace("String", BLANK, " ")));
    LT_TRY(push(list, type("ByteFallback")));
    LT_TRY(push(list, type("Fuse")));
    if (f->class->form == LT_FORM_GEMMA || !strcmp(scheme, "never")) return LT_OK;
    return push(list, json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content", " ", "start", 1, "stop", 0));
}

/* Puts a list of components under a key of about: nothing, the only one, or a sequence. */
static lt_status put_steps(const folder *f, const char *key, const char *inner, lt_status (*make)(const folder *f, json_t *list)) {
    json_t *list = json_array();
    lt_status st = list ? make(f, list) : LT_FAIL(LT_ERR_NOMEM, "no memory for a tokenizer");
    if (st == LT_OK && json_array_size(list) == 1) st = lt_tok_impl_set(f->about, key, json_incref(json_array_get(list, 0)));
    if (st == LT_OK && json_array_size(list) > 1)
        st = lt_tok_impl_set(f->about, key, json_pack("{s:s, s:O}", "type", "Sequence", inner, list));
    json_decref(list);
    return st;
}

/* Control pieces are special, those of a user are not; both are found in a text before anything else. */
static lt_status add_pieces(const folder *f, const lt_tok_model *model) {
    json_t *list = json_array();
    lt_status st = list ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "no memory for a tokenizer");
    for (int64_t i = 0; i < f->spm.n && st == LT_OK; i++) {
        const lt_spm_piece *p = &f->spm.piece[i];
        bool turn = f->class->form == LT_FORM_GEMMA && ((p->bytes == 15 && !memcmp(p->text, "<start_of_turn>", 15)) ||
                                                        (p->bytes == 13 && !memcmp(p->text, "<end_of_turn>", 13)));
        if (p->type != LT_SPM_CONTROL && p->type != LT_SPM_USER) continue;
        st = push(list, json_pack("{s:s%, s:b, s:b, s:b, s:b, s:b}", "content", p->text, (size_t)p->bytes, "single_word", 0, "lstrip", 0,
                                  "rstrip", 0, "normalized", 0, "special", p->type == LT_SPM_CONTROL || turn));
    }
    if (st == LT_OK) st = lt_tok_impl_add_tokens(f->about, model, list, f->path);
    json_decref(list);
    return st;
}

static lt_status add_template(const folder *f, const lt_tok_model *model) {
    static const lt_tok_mark bert[] = {{"[CLS]", 0}, {"$A", 0}, {"[SEP]", 0}, {"$B", 1}, {"[SEP]", 1}};
    static const lt_tok_mark fairseq[] = {{"<s>", 0}, {"$A", 0}, {"</s>", 0}, {"</s>", 0}, {"$B", 0}, {"</s>", 0}};
    static const lt_tok_mark t5[] = {{"$A", 0}, {"</s>", 0}, {"$B", 0}, {"</s>", 0}};
    switch (f->class->form) {
    case LT_FORM_DEBERTA_V2:
    case LT_FORM_ALBERT:
        return lt_tok_impl_put_template(f->about, model, bert, 3, 5, f->path);
    case LT_FORM_XLM_ROBERTA:
    case LT_FORM_CAMEMBERT:
        return lt_tok_impl_put_template(f->about, model, fairseq, 3, 6, f->path);
    case LT_FORM_T5:
        return lt_tok_impl_put_template(f->about, model, t5, 2, 4, f->path);
    default:
        return LT_OK; /* Llama's and Gemma's are made of the config */
    }
}

/* --- the whole ------------------------------------------------------------------------------------------------------------------------------ */

/* A file says which class it is of, if nothing else does: by its name, which comes from the class, and by pieces that only one of them has. */
static const char *guess_class(const lt_spm *m, const char *path) {
    const char *name = strrchr(path, '/');
    bool cls = false;
    name = name ? name + 1 : path;
    for (int64_t i = 0; i < m->n; i++) cls |= m->piece[i].bytes == 5 && !memcmp(m->piece[i].text, "[CLS]", 5);
    if (!strcmp(name, "sentencepiece.bpe.model")) return "XLMRobertaTokenizer";
    if (!strcmp(name, "spiece.model")) return cls ? "AlbertTokenizer" : "T5Tokenizer";
    if (!strcmp(name, "spm.model")) return "DebertaV2Tokenizer";
    return m->n > 2 && m->piece[2].bytes == 5 && !memcmp(m->piece[2].text, "<bos>", 5) ? "GemmaTokenizer" : "LlamaTokenizer";
}

lt_status lt_tok_impl_open_sentencepiece(const char *path, json_t *config, lt_tok_tables **t) {
    folder f = {.config = config, .path = path, .about = json_object()};
    lt_tok_model *model = NULL;
    lt_status st = LT_OK;
    LT_CHECK_GOTO(f.about, st, done, LT_ERR_NOMEM, "no memory for a tokenizer");
    LT_TRY_GOTO(lt_tok_impl_spm_open(path, &f.spm), st, done);
    if (!json_string_value(json_object_get(config, "tokenizer_class")))
        LT_TRY_GOTO(lt_tok_impl_set(config, "tokenizer_class", json_string(guess_class(&f.spm, path))), st, done);
    LT_TRY_GOTO(lt_tok_impl_class_for(config, LT_FILES_SENTENCEPIECE, path, &f.class), st, done);
    LT_TRY_GOTO(make_model(&f, &model), st, done);
    LT_TRY_GOTO(add_pieces(&f, model), st, done);
    LT_TRY_GOTO(put_steps(&f, "normalizer", "normalizers", normalizers), st, done);
    LT_TRY_GOTO(put_steps(&f, "pre_tokenizer", "pretokenizers", pretokenizers), st, done);
    LT_TRY_GOTO(put_steps(&f, "decoder", "decoders", decoders), st, done);
    LT_TRY_GOTO(lt_tok_impl_lay_config(f.about, model, config, true, path), st, done);
    LT_TRY_GOTO(add_template(&f, model), st, done);
    st = lt_tok_impl_build(f.about, &model, config, path, t);
done:
    if (model) model->kind->close(model);
    lt_tok_impl_spm_free(&f.spm);
    lt_vocab_free(&f.vocab);
    free(f.score);
    json_decref(f.about);
    return st;
}
