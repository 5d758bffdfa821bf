/* Pre-tokenisers: a text cut into words before the model sees it, each as Hugging Face's component of that name does it.
 *
 * Most find matches (characters of a class, or of an expression) and cut by one of five behaviours what lies before, in and between them.  A cutter is told
 * these parts one after another and writes pieces; it holds one part back where the next decides what becomes of it. */
#include "text/pretokenize_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* --- parts to pieces ------------------------------------------------------------------------------------------------------------------- */

typedef enum behaviour { REMOVED, ISOLATED, MERGED_WITH_PREVIOUS, MERGED_WITH_NEXT, CONTIGUOUS } behaviour;

typedef struct cutter {
    lt_stage *out;
    int64_t base; /* of the piece that is cut, in the flow */
    bool first;   /* it begins where the given text begins */
    behaviour how;
    bool held, match; /* a part is held back, and whether it, or what was last merged into it, is a match */
    int64_t begin, end;
} cutter;

static lt_status emit(cutter *c, int64_t begin, int64_t end) {
    return lt_stage_piece(c->out, (lt_piece){.begin = c->base + begin, .end = c->base + end, .id = -1, .first = c->first && begin == 0});
}

static lt_status end_parts(cutter *c) {
    bool held = c->held;
    c->held = false;
    return held ? emit(c, c->begin, c->end) : LT_OK;
}

static lt_status put_part(cutter *c, int64_t begin, int64_t end, bool match) {
    bool merge = false;
    switch (c->how) {
    case REMOVED:
        return match ? LT_OK : emit(c, begin, end);
    case ISOLATED:
        return emit(c, begin, end);
    case MERGED_WITH_PREVIOUS:
        merge = match && !c->match;
        break;
    case MERGED_WITH_NEXT:
        merge = !match && c->match;
        break;
    case CONTIGUOUS:
        merge = match == c->match;
        break;
    }
    if (c->held && merge) {
        c->end = end;
    } else {
        LT_TRY(end_parts(c));
        c->held = true;
        c->begin = begin;
        c->end = end;
    }
    c->match = match;
    return LT_OK;
}

/* Cuts text [bytes], one piece. */
typedef lt_status cut_fn(const void *state, lt_tok_work *w, const char *text, int64_t bytes, cutter *c);

static lt_status cut_pieces(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare, behaviour how, cut_fn *cut) {
    for (int64_t i = 0; i < s->n; i++) {
        lt_piece p = s->piece[i];
        if (p.id >= 0) {
            LT_TRY(lt_stage_piece(spare, p));
            continue;
        }
        cutter c = {.out = spare, .base = p.begin, .first = p.first, .how = how};
        LT_TRY(cut(state, w, s->text.s + p.begin, p.end - p.begin, &c));
        LT_TRY(end_parts(&c));
    }
    lt_stage_swap_pieces(s, spare);
    return LT_OK;
}

/* Parts by a class of characters: each member is a match. */
static inline lt_status cut_class(const char *text, int64_t bytes, cutter *c, bool (*is)(int32_t)) {
    int64_t done = 0;
    for (int64_t i = 0; i < bytes;) {
        int32_t code;
        int64_t next = i + lt_tok_impl_char(text + i, &code);
        if (is(code)) {
            if (done < i) LT_TRY(put_part(c, done, i, false));
            LT_TRY(put_part(c, i, next, true));
            done = next;
        }
        i = next;
    }
    return done < bytes ? put_part(c, done, bytes, false) : LT_OK;
}

lt_status lt_finder_next(lt_finder *f, bool *more) {
    *more = true;
    while (!f->held) {
        bool found = false;
        int64_t begin = 0, end = 0;
        if (f->at <= f->bytes) LT_TRY(lt_regex_next(f->re, f->w, f->text, f->bytes, f->at, &found, &begin, &end));
        if (!found) {
            *more = f->done < f->bytes;
            f->begin = f->done;
            f->end = f->done = f->bytes;
            f->at = f->bytes + 1;
            f->match = false;
            return LT_OK;
        }
        if (begin == end && end == f->last) { /* nothing again: search on behind the next character */
            int32_t c;
            f->at += f->at < f->bytes ? lt_tok_impl_char(f->text + f->at, &c) : 1;
            continue;
        }
        f->at = f->last = end;
        f->held = true;
        f->held_begin = begin;
        f->held_end = end;
    }
    f->match = f->done == f->held_begin;
    f->begin = f->done;
    f->end = f->match ? f->held_end : f->held_begin;
    f->done = f->end;
    f->held = !f->match;
    return LT_OK;
}

/* --- settings -------------------------------------------------------------------------------------------------------------------------- */

lt_status lt_pre_impl_get_bool(const json_t *o, const char *where, const char *key, int fallback, bool *value) {
    const json_t *v = json_object_get(o, key);
    LT_CHECK(v ? json_is_boolean(v) : fallback >= 0, LT_ERR_FORMAT, "%s: \"%s\" shall be true or false", where, key);
    *value = v ? json_is_true(v) : fallback;
    return LT_OK;
}

static lt_status get_behaviour(const json_t *o, const char *where, bool required, behaviour *value) {
    static const char *const name[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const json_t *v = json_object_get(o, "behavior");
    *value = ISOLATED;
    if (!v && !required) return LT_OK;
    for (int i = 0; json_is_string(v) && i < 5; i++)
        if (!strcmp(json_string_value(v), name[i])) {
            *value = (behaviour)i;
            return LT_OK;
        }
    return LT_FAIL(LT_ERR_FORMAT, "%s: \"behavior\" shall be one of Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous",
                   where);
}

/* One character, as the bytes of a text. */
typedef struct one_char {
    char s[5];
    int n;
} one_char;

static lt_status get_char(const json_t *o, const char *where, const char *key, one_char *value) {
    const json_t *v = json_object_get(o, key);
    const char *text = json_is_string(v) ? json_string_value(v) : "";
    int32_t c;
    value->n = *text ? lt_tok_impl_char(text, &c) : 0;
    LT_CHECK(value->n && (size_t)value->n == json_string_length(v), LT_ERR_FORMAT, "%s: \"%s\" shall be one character", where, key);
    memcpy(value->s, text, (size_t)value->n);
    return LT_OK;
}

/* --- components by classes of characters ------------------------------------------------------------------------------------------------- */

static lt_status cut_bert(const void *state, lt_tok_work *w, const char *text, int64_t bytes, cutter *c) {
    int64_t done = 0;
    for (int64_t i = 0; i < bytes;) {
        int32_t code;
        int64_t next = i + lt_tok_impl_char(text + i, &code);
        bool punctuation = lt_tok_impl_is_punctuation(code);
        if (punctuation || lt_tok_impl_is_space(code)) {
            LT_TRY(emit(c, done, i));
            if (punctuation) LT_TRY(emit(c, i, next));
            done = next;
        }
        i = next;
    }
    return emit(c, done, bytes);
}

static lt_status run_bert(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, ISOLATED, cut_bert);
}

typedef enum sort { SPACE, WORD, OTHER } sort;
static sort sort_of(int32_t c) { return lt_tok_impl_is_word(c) ? WORD : lt_tok_impl_is_space(c) ? SPACE : OTHER; }

/* Runs of \w and runs of [^\w\s]. */
static lt_status cut_whitespace(const void *state, lt_tok_work *w, const char *text, int64_t bytes, cutter *c) {
    int64_t done = 0;
    sort last = SPACE;
    for (int64_t i = 0; i < bytes;) {
        int32_t code;
        int64_t next = i + lt_tok_impl_char(text + i, &code);
        sort now = sort_of(code);
        if (now != last) {
            if (last != SPACE) LT_TRY(emit(c, done, i));
            done = i;
            last = now;
        }
        i = next;
    }
    return last != SPACE ? emit(c, done, bytes) : LT_OK;
}

static lt_status run_whitespace(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, ISOLATED, cut_whitespace);
}

static lt_status cut_at_space(const void *state, lt_tok_work *w, const char *text, int64_t bytes, cutter *c) {
    return cut_class(text, bytes, c, lt_tok_impl_is_space);
}

static lt_status run_whitespace_split(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, REMOVED, cut_at_space);
}

static lt_status cut_at_punctuation(const void *state, lt_tok_work *w, const char *text, int64_t bytes, cutter *c) {
    return cut_class(text, bytes, c, lt_tok_impl_is_punctuation);
}

static lt_status open_punctuation(const json_t *o, const char *where, void **state) {
    behaviour how;
    LT_TRY(get_behaviour(o, where, false, &how));
    LT_TRY(lt_calloc(state, 1, sizeof how, "a pre-tokeniser"));
    *(behaviour *)*state = how;
    return LT_OK;
}

static lt_status run_punctuation(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, *(const behaviour *)state, cut_at_punctuation);
}

static lt_status cut_at_number(const void *state, lt_tok_work *w, const char *text, int64_t bytes, cutter *c) {
    return cut_class(text, bytes, c, lt_tok_impl_is_numeric);
}

static lt_status open_digits(const json_t *o, const char *where, void **state) {
    bool individual = false;
    LT_TRY(lt_pre_impl_get_bool(o, where, "individual_digits", -1, &individual));
    LT_TRY(lt_calloc(state, 1, sizeof individual, "a pre-tokeniser"));
    *(bool *)*state = individual;
    return LT_OK;
}

static lt_status run_digits(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, *(const bool *)state ? ISOLATED : CONTIGUOUS, cut_at_number);
}

static lt_status open_delimiter(const json_t *o, const char *where, void **state) {
    one_char c = {.n = 0};
    LT_TRY(get_char(o, where, "delimiter", &c));
    LT_TRY(lt_calloc(state, 1, sizeof c, "a pre-tokeniser"));
    *(one_char *)*state = c;
    return LT_OK;
}

/* Parts by one character. */
static lt_status cut_at_char(const void *state, lt_tok_work *w, const char *text, int64_t bytes, cutter *c) {
    const one_char *at = state;
    int64_t done = 0;
    for (const char *p; (p = memmem(text + done, (size_t)(bytes - done), at->s, (size_t)at->n)) != NULL;) {
        if (text + done < p) LT_TRY(put_part(c, done, p - text, false));
        LT_TRY(put_part(c, p - text, p - text + at->n, true));
        done = p - text + at->n;
    }
    return done < bytes ? put_part(c, done, bytes, false) : LT_OK;
}

static lt_status run_delimiter(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, REMOVED, cut_at_char);
}

/* --- FixedLength ----------------------------------------------------------------------------------------------------------------------- */

static lt_status open_fixed_length(const json_t *o, const char *where, void **state) {
    const json_t *v = json_object_get(o, "length");
    LT_CHECK(!v || (json_is_integer(v) && json_integer_value(v) > 0), LT_ERR_FORMAT, "%s: \"length\" shall be a positive whole number",
             where);
    LT_TRY(lt_calloc(state, 1, sizeof(int64_t), "a pre-tokeniser"));
    *(int64_t *)*state = v ? json_integer_value(v) : 5;
    return LT_OK;
}

static lt_status cut_fixed_length(const void *state, lt_tok_work *w, const char *text, int64_t bytes, cutter *c) {
    int64_t length = *(const int64_t *)state, done = 0, chars = 0;
    for (int64_t i = 0; i < bytes;) {
        int32_t code;
        i += lt_tok_impl_char(text + i, &code);
        if (++chars == length || i == bytes) {
            LT_TRY(emit(c, done, i));
            done = i;
            chars = 0;
        }
    }
    return LT_OK;
}

static lt_status run_fixed_length(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, ISOLATED, cut_fixed_length);
}

/* --- Metaspace ------------------------------------------------------------------------------------------------------------------------- */

typedef struct metaspace {
    one_char c;
    enum { ALWAYS, FIRST, NEVER } prepend;
    bool split;
} metaspace;

static lt_status open_metaspace(const json_t *o, const char *where, void **state) {
    static const char *const scheme[] = {"always", "first", "never"};
    const json_t *v = json_object_get(o, "prepend_scheme");
    metaspace m = {.prepend = ALWAYS};
    bool prefix = true;
    LT_TRY(get_char(o, where, "replacement", &m.c));
    if (json_object_get(o, "split") && !json_is_null(json_object_get(o, "split")))
        LT_TRY(lt_pre_impl_get_bool(o, where, "split", -1, &m.split));
    else
        m.split = true;
    if (v) {
        int i = 0;
        while (i < 3 && !(json_is_string(v) && !strcmp(json_string_value(v), scheme[i]))) i++;
        LT_CHECK(i < 3, LT_ERR_FORMAT, "%s: \"prepend_scheme\" shall be always, first or never", where);
        m.prepend = i;
    }
    if (json_object_get(o, "add_prefix_space") && !json_is_null(json_object_get(o, "add_prefix_space")))
        LT_TRY(lt_pre_impl_get_bool(o, where, "add_prefix_space", -1, &prefix));
    LT_CHECK(prefix || m.prepend == NEVER, LT_ERR_FORMAT, "%s: \"add_prefix_space\" false does not go with \"prepend_scheme\" %s", where,
             scheme[m.prepend]);
    LT_TRY(lt_calloc(state, 1, sizeof m, "a pre-tokeniser"));
    *(metaspace *)*state = m;
    return LT_OK;
}

static bool begins_with(const char *text, int64_t bytes, const one_char *c) { return bytes >= c->n && !memcmp(text, c->s, (size_t)c->n); }

/* A piece of text with its spaces replaced, and one put before it where the scheme asks for it; that one takes the place of the first character. */
static lt_status run_metaspace_piece(const metaspace *m, lt_tok_work *w, const lt_stage *s, lt_piece p, lt_stage *out) {
    const char *text = s->text.s;
    int64_t begin = out->text.n;
    bool has = text[p.begin] == ' ' || begins_with(text + p.begin, p.end - p.begin, &m->c);
    if (!has && (m->prepend == ALWAYS || (m->prepend == FIRST && p.first)))
        LT_TRY(lt_stage_put(out, m->c.s, m->c.n, s->spans ? s->text.from[p.begin] : (lt_span){0, 0}));
    for (int64_t i = p.begin; i < p.end;) {
        const char *space = memchr(text + i, ' ', (size_t)(p.end - i));
        int64_t end = space ? space - text : p.end;
        LT_TRY(lt_stage_copy(out, s, i, end));
        if (space) LT_TRY(lt_stage_put(out, m->c.s, m->c.n, s->spans ? s->text.from[end] : (lt_span){0, 0}));
        i = end + 1;
    }
    cutter c = {.out = out, .base = begin, .first = p.first, .how = MERGED_WITH_NEXT};
    if (!m->split) return emit(&c, 0, out->text.n - begin);
    LT_TRY(cut_at_char(&m->c, w, out->text.s + begin, out->text.n - begin, &c));
    return end_parts(&c);
}

static lt_status run_metaspace(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    for (int64_t i = 0; i < s->n; i++) {
        lt_piece p = s->piece[i];
        if (p.id < 0) {
            LT_TRY(run_metaspace_piece(state, w, s, p, spare));
            continue;
        }
        int64_t begin = spare->text.n;
        LT_TRY(lt_stage_copy(spare, s, p.begin, p.end));
        p.begin = begin;
        p.end = spare->text.n;
        LT_TRY(lt_stage_piece(spare, p));
    }
    lt_stage_swap(s, spare);
    return LT_OK;
}

/* --- Split ----------------------------------------------------------------------------------------------------------------------------- */

typedef struct split {
    lt_regex *re;
    behaviour how;
    bool invert;
} split;

static void close_split(void *state) {
    split *x = state;
    if (!x) return;
    lt_regex_close(&x->re);
    free(x);
}

static lt_status open_split(const json_t *o, const char *where, void **state) {
    const json_t *pattern = json_object_get(o, "pattern");
    const char *regex = json_string_value(json_object_get(pattern, "Regex")), *text = json_string_value(json_object_get(pattern, "String"));
    split *x;
    lt_status st;
    LT_CHECK((regex || text) && json_object_size(pattern) == 1, LT_ERR_FORMAT,
             "%s: \"pattern\" shall be {\"Regex\": an expression} or {\"String\": a text}", where);
    LT_CHECK(strlen(regex ? regex : text) == json_string_length(json_object_get(pattern, regex ? "Regex" : "String")), LT_ERR_FORMAT,
             "%s: a \"pattern\" that holds U+0000 is not supported", where);
    LT_TRY(lt_calloc(&x, 1, sizeof *x, "a pre-tokeniser"));
    LT_TRY_GOTO(get_behaviour(o, where, true, &x->how), st, done);
    LT_TRY_GOTO(lt_pre_impl_get_bool(o, where, "invert", -1, &x->invert), st, done);
    LT_TRY_GOTO(regex ? lt_regex_open(regex, where, &x->re) : lt_regex_open_literal(text, where, &x->re), st, done);
    *state = x;
    x = NULL;
done:
    close_split(x);
    return st;
}

static lt_status cut_split(const void *state, lt_tok_work *w, const char *text, int64_t bytes, cutter *c) {
    const split *x = state;
    lt_finder f = {.re = x->re, .w = w, .text = text, .bytes = bytes, .last = -1};
    for (bool more;;) {
        LT_TRY(lt_finder_next(&f, &more));
        if (!more) return LT_OK;
        LT_TRY(put_part(c, f.begin, f.end, f.match != x->invert));
    }
}

static lt_status run_split(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, ((const split *)state)->how, cut_split);
}

const lt_step_kind lt_tok_impl_pretokenizers[] = {
    {.type = "BertPreTokenizer", .run = run_bert},
    {.type = "ByteLevel", .open = lt_pre_impl_open_bytelevel, .close = lt_pre_impl_close_bytelevel, .run = lt_pre_impl_run_bytelevel},
    {.type = "CharDelimiterSplit", .open = open_delimiter, .close = free, .run = run_delimiter},
    {.type = "Digits", .open = open_digits, .close = free, .run = run_digits},
    {.type = "FixedLength", .open = open_fixed_length, .close = free, .run = run_fixed_length},
    {.type = "Metaspace", .open = open_metaspace, .close = free, .run = run_metaspace},
    {.type = "Punctuation", .open = open_punctuation, .close = free, .run = run_punctuation},
    {.type = "Split", .open = open_split, .close = close_split, .run = run_split},
    {.type = "Whitespace", .run = run_whitespace},
    {.type = "WhitespaceSplit", .run = run_whitespace_split},
    {.type = NULL},
};
