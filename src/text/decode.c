/* The decoder of a tokenizer.json, taken apart into steps (decode_impl.h) and checked: what a decoder does is known when the tokenizer is open, and
 * settings that Hugging Face would refuse are refused here.
 *
 *   ByteLevel     bytes            Fuse, Strip      as they are
 *   WordPiece     prefix, and with cleanup eleven replacements
 *   Metaspace     a replacement that makes nothing of its mark in the first text
 *   Replace       a replacement, of a text or of an expression's matches
 *   ByteFallback  hexadecimal bytes
 *   BPEDecoder    a replacement that is another in the last text
 *   CTC           one of equal texts, the pad token replaced by nothing, with cleanup eleven replacements and the delimiter's, no empty texts
 *   Sequence      its decoders, one after the other
 *   none          every text but the first gets a space in front
 *
 * Behind them stand the steps of transformers' clean-up of spaces, for the tokenizers whose configuration asks for it. */
#include "text/decode_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Nested sequences, and steps of all of them: no decoder of sense comes near. */
enum { MAX_DEPTH = 32, MAX_STEPS = 512 };

/* Cleaning up, in this order; transformers' own list has all of these but one. */
static const struct {
    const char *pattern, *content;
    bool decoder_only;
} tidy[] = {{" .", ".", false},   {" ?", "?", false},     {" !", "!", false},    {" ,", ",", false},
            {" ' ", "'", false},  {" n't", "n't", false}, {" 'm", "'m", false},  {" do not", " don't", true},
            {" 's", "'s", false}, {" 've", "'ve", false}, {" 're", "'re", false}};
enum { N_TIDY = sizeof tidy / sizeof *tidy };

static lt_status add(lt_decoders *d, lt_decoder_kind kind, lt_decoder **step) {
    LT_CHECK(d->n < MAX_STEPS, LT_ERR_FORMAT, "more than %d decoders in a row", MAX_STEPS);
    if (d->n == d->cap) {
        int cap = d->cap ? 2 * d->cap : 16;
        lt_decoder *grown = realloc(d->step, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for decoders");
        d->step = grown;
        d->cap = cap;
    }
    d->step[d->n] = (lt_decoder){.kind = kind};
    *step = &d->step[d->n++];
    return LT_OK;
}

static lt_status copy(const char *s, size_t bytes, char **to, int64_t *n) {
    LT_TRY(lt_calloc(to, (int64_t)bytes + 1, 1, "a decoder"));
    memcpy(*to, s, bytes);
    *n = (int64_t)bytes;
    return LT_OK;
}

/* Gives a step its pattern, and the borders that looking for it needs. */
static lt_status set_pattern(lt_decoder *p, const char *s, size_t bytes) {
    LT_CHECK(bytes < INT32_MAX, LT_ERR_FORMAT, "a pattern of %zu bytes", bytes);
    LT_TRY(copy(s, bytes, &p->pattern, &p->pattern_bytes));
    LT_TRY(lt_calloc(&p->border, (int64_t)bytes + 1, sizeof *p->border, "a decoder"));
    int32_t k = 0;
    for (int32_t i = 1; i + 1 < (int32_t)bytes; i++) {
        while (k > 0 && s[i] != s[k]) k = p->border[k];
        if (s[i] == s[k]) k++;
        p->border[i + 1] = k;
    }
    return LT_OK;
}

static lt_status add_replace(lt_decoders *d, lt_decoder_kind kind, const char *s, size_t bytes, const char *content, size_t content_bytes,
                             lt_decoder **step) {
    LT_TRY(add(d, kind, step));
    LT_TRY(set_pattern(*step, s, bytes));
    return copy(content, content_bytes, &(*step)->content, &(*step)->content_bytes);
}

static lt_status add_tidy(lt_decoders *d, bool decoder) {
    lt_decoder *step = NULL;
    for (int i = 0; i < N_TIDY; i++)
        if (decoder || !tidy[i].decoder_only)
            LT_TRY(
                add_replace(d, LT_DEC_REPLACE, tidy[i].pattern, strlen(tidy[i].pattern), tidy[i].content, strlen(tidy[i].content), &step));
    return LT_OK;
}

/* --- settings -------------------------------------------------------------------------------------------------------------------------- */

/* A decoder's object, and words for messages. */
typedef struct source {
    const json_t *o;
    const char *type, *path;
    int depth;
} source;

static lt_status get_text(const source *s, const char *key, const json_t **v) {
    *v = json_object_get(s->o, key);
    LT_CHECK(json_is_string(*v), LT_ERR_FORMAT, "%s: decoder %s: \"%s\" must be a text", s->path, s->type, key);
    return LT_OK;
}

/* A text of one character. */
static lt_status get_char(const source *s, const char *key, const json_t **v) {
    LT_TRY(get_text(s, key, v));
    int32_t c;
    size_t bytes = json_string_length(*v);
    LT_CHECK(bytes > 0 && (size_t)lt_tok_impl_char(json_string_value(*v), &c) == bytes, LT_ERR_FORMAT,
             "%s: decoder %s: \"%s\" must be one character, not \"%s\"", s->path, s->type, key, json_string_value(*v));
    return LT_OK;
}

static lt_status get_bool(const source *s, const char *key, bool *v) {
    const json_t *o = json_object_get(s->o, key);
    LT_CHECK(json_is_boolean(o), LT_ERR_FORMAT, "%s: decoder %s: \"%s\" must be true or false", s->path, s->type, key);
    *v = json_is_true(o);
    return LT_OK;
}

static lt_status get_count(const source *s, const char *key, int64_t *v) {
    const json_t *o = json_object_get(s->o, key);
    LT_CHECK(json_is_integer(o) && json_integer_value(o) >= 0, LT_ERR_FORMAT, "%s: decoder %s: \"%s\" must be a number of characters",
             s->path, s->type, key);
    *v = json_integer_value(o);
    return LT_OK;
}

/* --- decoders -------------------------------------------------------------------------------------------------------------------------- */

static lt_status open_bytes(lt_decoders *d, const source *s) {
    (void)s;
    lt_decoder *step = NULL;
    return add(d, LT_DEC_BYTES, &step);
}

static lt_status open_fallback(lt_decoders *d, const source *s) {
    (void)s;
    lt_decoder *step = NULL;
    return add(d, LT_DEC_HEX, &step);
}

static lt_status open_fuse(lt_decoders *d, const source *s) {
    (void)s;
    lt_decoder *step = NULL;
    return add(d, LT_DEC_FUSE, &step);
}

static lt_status open_wordpiece(lt_decoders *d, const source *s) {
    const json_t *prefix;
    bool cleanup = false;
    lt_decoder *step = NULL;
    LT_TRY(get_text(s, "prefix", &prefix));
    LT_TRY(get_bool(s, "cleanup", &cleanup));
    LT_TRY(add(d, LT_DEC_PREFIX, &step));
    LT_TRY(set_pattern(step, json_string_value(prefix), json_string_length(prefix)));
    return cleanup ? add_tidy(d, true) : LT_OK;
}

static lt_status open_metaspace(lt_decoders *d, const source *s) {
    const json_t *mark, *scheme = json_object_get(s->o, "prepend_scheme"), *old = json_object_get(s->o, "add_prefix_space");
    LT_TRY(get_char(s, "replacement", &mark));
    const char *name = json_string_value(scheme);
    LT_CHECK(!scheme || (name && (!strcmp(name, "always") || !strcmp(name, "first") || !strcmp(name, "never"))), LT_ERR_FORMAT,
             "%s: decoder Metaspace: \"prepend_scheme\" must be always, first or never", s->path);
    LT_CHECK(!old || json_is_boolean(old) || json_is_null(old), LT_ERR_FORMAT,
             "%s: decoder Metaspace: \"add_prefix_space\" must be true or false", s->path);
    bool never = scheme ? !strcmp(name, "never") : json_is_false(old); /* files from before prepend_scheme have the other alone */
    LT_CHECK(never || !json_is_false(old), LT_ERR_FORMAT,
             "%s: decoder Metaspace: \"add_prefix_space\" is false, but \"prepend_scheme\" is %s", s->path, name ? name : "not given");
    lt_decoder *step = NULL;
    LT_TRY(add_replace(d, LT_DEC_REPLACE, json_string_value(mark), json_string_length(mark), " ", 1, &step));
    step->first_empty = !never;
    return LT_OK;
}

static lt_status open_replace(lt_decoders *d, const source *s) {
    const json_t *pattern = json_object_get(s->o, "pattern"), *content;
    const json_t *text = json_object_get(pattern, "String"), *expression = json_object_get(pattern, "Regex");
    LT_TRY(get_text(s, "content", &content));
    LT_CHECK(json_object_size(pattern) == 1 && (json_is_string(text) || json_is_string(expression)), LT_ERR_FORMAT,
             "%s: decoder Replace: \"pattern\" must be {\"String\": text} or {\"Regex\": expression}", s->path);
    lt_decoder *step = NULL;
    if (json_is_string(text))
        return add_replace(d, LT_DEC_REPLACE, json_string_value(text), json_string_length(text), json_string_value(content),
                           json_string_length(content), &step);
    LT_CHECK(strlen(json_string_value(expression)) == json_string_length(expression), LT_ERR_FORMAT,
             "%s: decoder Replace: the expression holds a zero byte", s->path);
    LT_TRY(add(d, LT_DEC_MATCH, &step));
    LT_TRY(copy(json_string_value(content), json_string_length(content), &step->content, &step->content_bytes));
    return lt_regex_open(json_string_value(expression), s->path, &step->regex);
}

static lt_status open_strip(lt_decoders *d, const source *s) {
    const json_t *content;
    int64_t start = 0, stop = 0;
    lt_decoder *step = NULL;
    LT_TRY(get_char(s, "content", &content));
    LT_TRY(get_count(s, "start", &start));
    LT_TRY(get_count(s, "stop", &stop));
    LT_TRY(add(d, LT_DEC_STRIP, &step));
    step->start = start;
    step->stop = stop;
    return set_pattern(step, json_string_value(content), json_string_length(content));
}

static lt_status open_bpe(lt_decoders *d, const source *s) {
    const json_t *suffix;
    lt_decoder *step = NULL;
    LT_TRY(get_text(s, "suffix", &suffix));
    LT_TRY(add_replace(d, LT_DEC_LAST, json_string_value(suffix), json_string_length(suffix), " ", 1, &step));
    step->even_empty = true;
    return LT_OK;
}

static lt_status open_ctc(lt_decoders *d, const source *s) {
    const json_t *pad, *delimiter;
    bool cleanup = false;
    lt_decoder *step = NULL;
    LT_TRY(get_text(s, "pad_token", &pad));
    LT_TRY(get_text(s, "word_delimiter_token", &delimiter));
    LT_TRY(get_bool(s, "cleanup", &cleanup));
    LT_TRY(add(d, LT_DEC_ONCE, &step));
    LT_TRY(add_replace(d, LT_DEC_REPLACE, json_string_value(pad), json_string_length(pad), "", 0, &step));
    if (cleanup) {
        LT_TRY(add_tidy(d, true));
        LT_TRY(add_replace(d, LT_DEC_REPLACE, json_string_value(delimiter), json_string_length(delimiter), " ", 1, &step));
        step->even_empty = true;
    }
    return add(d, LT_DEC_FILLED, &step);
}

static lt_status open_any(lt_decoders *d, const json_t *o, const char *path, int depth);

static lt_status open_sequence(lt_decoders *d, const source *s) {
    const json_t *list = json_object_get(s->o, "decoders");
    LT_CHECK(json_is_array(list), LT_ERR_FORMAT, "%s: decoder Sequence: \"decoders\" must be a list", s->path);
    for (size_t i = 0; i < json_array_size(list); i++) LT_TRY(open_any(d, json_array_get(list, i), s->path, s->depth + 1));
    return LT_OK;
}

static lt_status open_any(lt_decoders *d, const json_t *o, const char *path, int depth) {
    static const struct {
        const char *type;
        lt_status (*open)(lt_decoders *d, const source *s);
    } known[] = {{"ByteLevel", open_bytes}, {"WordPiece", open_wordpiece},   {"Metaspace", open_metaspace}, {"Replace", open_replace},
                 {"Fuse", open_fuse},       {"ByteFallback", open_fallback}, {"Strip", open_strip},         {"BPEDecoder", open_bpe},
                 {"CTC", open_ctc},         {"Sequence", open_sequence}};
    const char *type = json_string_value(json_object_get(o, "type"));
    LT_CHECK(type, LT_ERR_FORMAT, "%s: a decoder must be an object with a \"type\"", path);
    LT_CHECK(depth < MAX_DEPTH, LT_ERR_FORMAT, "%s: decoders in decoders, more than %d deep", path, MAX_DEPTH);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(type, known[i].type)) return known[i].open(d, &(source){.o = o, .type = type, .path = path, .depth = depth});
    return LT_FAIL(LT_ERR_FORMAT,
                   "%s: decoder \"%s\" is not supported (ByteLevel, WordPiece, Metaspace, Replace, Fuse, ByteFallback, Strip, BPEDecoder, "
                   "CTC, Sequence are)",
                   path, type);
}

lt_status lt_tok_impl_open_decoders(const json_t *o, const char *path, lt_decoders **out) {
    lt_decoders *d = NULL;
    lt_decoder *step = NULL;
    lt_status st;
    LT_TRY(lt_calloc(&d, 1, sizeof *d, "decoders"));
    if (o && !json_is_null(o)) {
        LT_TRY_GOTO(open_any(d, o, path, 0), st, fail);
    } else {
        LT_TRY_GOTO(add(d, LT_DEC_PREFIX, &step), st, fail);
        step->all = true;
    }
    int n = d->n;
    LT_TRY_GOTO(add(d, LT_DEC_FUSE, &step), st, fail);
    LT_TRY_GOTO(add_tidy(d, false), st, fail);
    d->n_clean = d->n - n;
    d->n = n;
    *out = d;
    return LT_OK;
fail:
    lt_tok_impl_close_decoders(&d);
    return st;
}

void lt_tok_impl_close_decoders(lt_decoders **decoders) {
    lt_decoders *d = *decoders;
    if (!d) return;
    for (int i = 0; i < d->n + d->n_clean; i++) {
        lt_decoder *p = &d->step[i];
        free(p->pattern);
        free(p->border);
        free(p->content);
        if (p->regex) lt_regex_close(&p->regex);
    }
    free(d->step);
    free(d);
    *decoders = NULL;
}
