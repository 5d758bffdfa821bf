/* Pre-tokenisers: a text cut into words before the model sees it, each as Hugging Face's component of that name does it.  Those that only cut stand here; the
 * others have files of their own. */
#include "text/pretokenize_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Cuts text [bytes], one piece. */
typedef lt_status cut_fn(const void *state, lt_tok_work *w, const char *text, int64_t bytes, lt_cutter *c);

static lt_status cut_pieces(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare, lt_behaviour how, cut_fn *cut) {
    for (int64_t i = 0; i < s->n; i++) {
        lt_piece p = s->piece[i];
        if (p.id >= 0) {
            LT_TRY(lt_stage_piece(spare, p));
            continue;
        }
        lt_cutter c = {.out = spare, .base = p.begin, .first = p.first, .how = how};
        LT_TRY(cut(state, w, s->text.s + p.begin, p.end - p.begin, &c));
        LT_TRY(lt_cutter_end(&c));
    }
    lt_stage_swap_pieces(s, spare);
    return LT_OK;
}

/* Parts by a class of characters: each member is a match. */
static inline lt_status cut_class(const char *text, int64_t bytes, lt_cutter *c, bool (*is)(int32_t)) {
    int64_t done = 0;
    for (int64_t i = 0; i < bytes;) {
        int32_t code;
        int64_t next = i + lt_tok_impl_char(text + i, &code);
        if (is(code)) {
            if (done < i) LT_TRY(lt_cutter_put(c, done, i, false));
            LT_TRY(lt_cutter_put(c, i, next, true));
            done = next;
        }
        i = next;
    }
    return done < bytes ? lt_cutter_put(c, done, bytes, false) : LT_OK;
}

static lt_status get_behaviour(const json_t *o, const char *where, bool required, lt_behaviour *value) {
    static const char *const name[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const json_t *v = json_object_get(o, "behavior");
    *value = LT_ISOLATED;
    if (!v && !required) return LT_OK;
    for (int i = 0; json_is_string(v) && i < 5; i++)
        if (!strcmp(json_string_value(v), name[i])) {
            *value = (lt_behaviour)i;
            return LT_OK;
        }
    return LT_FAIL(LT_ERR_FORMAT, "%s: \"behavior\" shall be one of Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous",
                   where);
}

/* --- components by classes of characters ------------------------------------------------------------------------------------------------- */

static lt_status cut_bert(const void *state, lt_tok_work *w, const char *text, int64_t bytes, lt_cutter *c) {
    int64_t done = 0;
    for (int64_t i = 0; i < bytes;) {
        int32_t code;
        int64_t next = i + lt_tok_impl_char(text + i, &code);
        bool punctuation = lt_tok_impl_is_punctuation(code);
        if (punctuation || lt_tok_impl_is_space(code)) {
            LT_TRY(lt_cutter_emit(c, done, i));
            if (punctuation) LT_TRY(lt_cutter_emit(c, i, next));
            done = next;
        }
        i = next;
    }
    return lt_cutter_emit(c, done, bytes);
}

static lt_status run_bert(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, LT_ISOLATED, cut_bert);
}

typedef enum sort { SPACE, WORD, OTHER } sort;
static sort sort_of(int32_t c) { return lt_tok_impl_is_word(c) ? WORD : lt_tok_impl_is_space(c) ? SPACE : OTHER; }

/* Runs of \w and runs of [^\w\s]. */
static lt_status cut_whitespace(const void *state, lt_tok_work *w, const char *text, int64_t bytes, lt_cutter *c) {
    int64_t done = 0;
    sort last = SPACE;
    for (int64_t i = 0; i < bytes;) {
        int32_t code;
        int64_t next = i + lt_tok_impl_char(text + i, &code);
        sort now = sort_of(code);
        if (now != last) {
            if (last != SPACE) LT_TRY(lt_cutter_emit(c, done, i));
            done = i;
            last = now;
        }
        i = next;
    }
    return last != SPACE ? lt_cutter_emit(c, done, bytes) : LT_OK;
}

static lt_status run_whitespace(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, LT_ISOLATED, cut_whitespace);
}

static lt_status cut_at_space(const void *state, lt_tok_work *w, const char *text, int64_t bytes, lt_cutter *c) {
    return cut_class(text, bytes, c, lt_tok_impl_is_space);
}

static lt_status run_whitespace_split(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, LT_REMOVED, cut_at_space);
}

static lt_status cut_at_punctuation(const void *state, lt_tok_work *w, const char *text, int64_t bytes, lt_cutter *c) {
    return cut_class(text, bytes, c, lt_tok_impl_is_punctuation);
}

static lt_status open_punctuation(const json_t *o, const char *where, void **state) {
    lt_behaviour how;
    LT_TRY(get_behaviour(o, where, false, &how));
    LT_TRY(lt_calloc(state, 1, sizeof how, "a pre-tokeniser"));
    *(lt_behaviour *)*state = how;
    return LT_OK;
}

static lt_status run_punctuation(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, *(const lt_behaviour *)state, cut_at_punctuation);
}

static lt_status cut_at_number(const void *state, lt_tok_work *w, const char *text, int64_t bytes, lt_cutter *c) {
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
    return cut_pieces(state, w, s, spare, *(const bool *)state ? LT_ISOLATED : LT_CONTIGUOUS, cut_at_number);
}

static lt_status open_delimiter(const json_t *o, const char *where, void **state) {
    lt_one_char c = {.n = 0};
    LT_TRY(lt_pre_impl_get_char(o, where, "delimiter", &c));
    LT_TRY(lt_calloc(state, 1, sizeof c, "a pre-tokeniser"));
    *(lt_one_char *)*state = c;
    return LT_OK;
}

/* Parts by one character. */
static lt_status cut_at_char(const void *state, lt_tok_work *w, const char *text, int64_t bytes, lt_cutter *c) {
    const lt_one_char *at = state;
    int64_t done = 0;
    for (const char *p; (p = memmem(text + done, (size_t)(bytes - done), at->s, (size_t)at->n)) != NULL;) {
        if (text + done < p) LT_TRY(lt_cutter_put(c, done, p - text, false));
        LT_TRY(lt_cutter_put(c, p - text, p - text + at->n, true));
        done = p - text + at->n;
    }
    return done < bytes ? lt_cutter_put(c, done, bytes, false) : LT_OK;
}

static lt_status run_delimiter(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, LT_REMOVED, cut_at_char);
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

static lt_status cut_fixed_length(const void *state, lt_tok_work *w, const char *text, int64_t bytes, lt_cutter *c) {
    int64_t length = *(const int64_t *)state, done = 0, chars = 0;
    for (int64_t i = 0; i < bytes;) {
        int32_t code;
        i += lt_tok_impl_char(text + i, &code);
        if (++chars == length || i == bytes) {
            LT_TRY(lt_cutter_emit(c, done, i));
            done = i;
            chars = 0;
        }
    }
    return LT_OK;
}

static lt_status run_fixed_length(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return cut_pieces(state, w, s, spare, LT_ISOLATED, cut_fixed_length);
}

/* --- Split ----------------------------------------------------------------------------------------------------------------------------- */

typedef struct split {
    lt_regex *re;
    lt_behaviour how;
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
    const json_t *regex = json_object_get(pattern, "Regex"), *text = json_object_get(pattern, "String");
    split *x;
    lt_status st;
    LT_CHECK((json_is_string(regex) || json_is_string(text)) && json_object_size(pattern) == 1, LT_ERR_FORMAT,
             "%s: \"pattern\" shall be {\"Regex\": an expression} or {\"String\": a text}", where);
    LT_CHECK(!regex || strlen(json_string_value(regex)) == json_string_length(regex), LT_ERR_FORMAT,
             "%s: an expression that holds U+0000 is not supported", where);
    LT_TRY(lt_calloc(&x, 1, sizeof *x, "a pre-tokeniser"));
    LT_TRY_GOTO(get_behaviour(o, where, true, &x->how), st, done);
    LT_TRY_GOTO(lt_pre_impl_get_bool(o, where, "invert", -1, &x->invert), st, done);
    LT_TRY_GOTO(regex ? lt_regex_open(json_string_value(regex), where, &x->re)
                      : lt_regex_open_literal(json_string_value(text), json_string_length(text), where, &x->re),
                st, done);
    *state = x;
    x = NULL;
done:
    close_split(x);
    return st;
}

static lt_status cut_split(const void *state, lt_tok_work *w, const char *text, int64_t bytes, lt_cutter *c) {
    const split *x = state;
    lt_finder f = {.re = x->re, .w = w, .text = text, .bytes = bytes, .last = -1};
    for (bool more;;) {
        LT_TRY(lt_finder_next(&f, &more));
        if (!more) return LT_OK;
        LT_TRY(lt_cutter_put(c, f.begin, f.end, f.match != x->invert));
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
    {.type = "Metaspace", .open = lt_pre_impl_open_metaspace, .close = free, .run = lt_pre_impl_run_metaspace},
    {.type = "Punctuation", .open = open_punctuation, .close = free, .run = run_punctuation},
    {.type = "Split", .open = open_split, .close = close_split, .run = run_split},
    {.type = "Whitespace", .run = run_whitespace},
    {.type = "WhitespaceSplit", .run = run_whitespace_split},
    {.type = NULL},
};
