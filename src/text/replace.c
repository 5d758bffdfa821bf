/* Replace and Prepend.
 *
 * What is put in place of a match has the span of the match's last character, what is put before a text that of the first. */
#include "text/normalize_impl.h"

#include "base/mem.h"

#include <stdlib.h>

typedef struct replace {
    lt_regex *re; /* NULL in a Prepend */
    char *content;
    int64_t content_bytes;
} replace;

static lt_status copy_text(const char *text, size_t bytes, char **copy, int64_t *n) {
    LT_TRY(lt_calloc(copy, (int64_t)bytes + 1, 1, "a normaliser"));
    memcpy(*copy, text, bytes);
    *n = (int64_t)bytes;
    return LT_OK;
}

void lt_norm_impl_close_replace(void *state) {
    replace *r = state;
    if (!r) return;
    lt_regex_close(&r->re);
    free(r->content);
    free(r);
}

lt_status lt_norm_impl_open_prepend(const json_t *o, const char *where, void **state) {
    const char *text;
    size_t bytes;
    replace *r = NULL;
    lt_status st;
    LT_TRY(lt_norm_impl_get_text(o, where, "prepend", &text, &bytes));
    LT_TRY(lt_calloc(&r, 1, sizeof *r, "a normaliser"));
    LT_TRY_GOTO(copy_text(text, bytes, &r->content, &r->content_bytes), st, done);
    *state = r;
    r = NULL;
done:
    lt_norm_impl_close_replace(r);
    return st;
}

lt_status lt_norm_impl_open_replace(const json_t *o, const char *where, void **state) {
    const json_t *pattern = json_object_get(o, "pattern"), *text = json_object_get(pattern, "String"),
                 *re = json_object_get(pattern, "Regex");
    const char *content;
    size_t bytes;
    replace *r = NULL;
    lt_status st;
    LT_TRY(lt_norm_impl_get_text(o, where, "content", &content, &bytes));
    LT_CHECK(json_object_size(pattern) == 1 && (json_is_string(text) || json_is_string(re)), LT_ERR_FORMAT,
             "%s: \"pattern\" should be {\"String\": a text} or {\"Regex\": an expression}", where);
    LT_CHECK(!re || strlen(json_string_value(re)) == json_string_length(re), LT_ERR_FORMAT, "%s: the expression holds a zero byte", where);
    LT_TRY(lt_calloc(&r, 1, sizeof *r, "a normaliser"));
    LT_TRY_GOTO(copy_text(content, bytes, &r->content, &r->content_bytes), st, done);
    if (re)
        LT_TRY_GOTO(lt_regex_open(json_string_value(re), where, &r->re), st, done);
    else
        LT_TRY_GOTO(lt_regex_open_literal(json_string_value(text), json_string_length(text), where, &r->re), st, done);
    *state = r;
    r = NULL;
done:
    lt_norm_impl_close_replace(r);
    return st;
}

/* --- Prepend ------------------------------------------------------------------------------------------------------------------------ */

lt_status lt_norm_impl_run_prepend(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    const replace *r = state;
    (void)w;
    if (r->content_bytes == 0) return LT_OK;
    for (int64_t i = 0; i < s->n; i++) {
        lt_piece p = s->piece[i];
        if (p.id >= 0) {
            LT_TRY(lt_norm_impl_keep(s, p, spare));
            continue;
        }
        int64_t begin = spare->text.n;
        LT_TRY(lt_stage_put(spare, r->content, r->content_bytes, s->spans ? s->text.from[p.begin] : (lt_span){0, 0}));
        LT_TRY(lt_stage_copy(spare, s, p.begin, p.end));
        LT_TRY(lt_stage_piece(spare, (lt_piece){begin, spare->text.n, -1, p.first}));
    }
    lt_stage_swap(s, spare);
    return LT_OK;
}

/* --- Replace ------------------------------------------------------------------------------------------------------------------------ */

/* The first match at or after *at that is not an empty one right behind the last; *at becomes where to go on. */
static lt_status next_match(const replace *r, lt_tok_work *w, const char *text, int64_t bytes, int64_t *at, int64_t last, bool *found,
                            int64_t *begin, int64_t *end) {
    for (*found = false; *at <= bytes;) {
        int32_t c;
        LT_TRY(lt_regex_next(r->re, w, text, bytes, *at, found, begin, end));
        if (!*found) return LT_OK;
        if (*begin < *end || *end != last) {
            *at = *end;
            return LT_OK;
        }
        *found = false;
        *at += *at < bytes ? lt_char_read(text + *at, &c) : 1;
    }
    return LT_OK;
}

static lt_status replace_all(const replace *r, lt_tok_work *w, const lt_stage *s, lt_piece p, int64_t begin, int64_t end, lt_stage *out) {
    const char *text = s->text.s + p.begin;
    int64_t bytes = p.end - p.begin, done = 0;
    for (bool found = true; found;) {
        LT_TRY(lt_stage_copy(out, s, p.begin + done, p.begin + begin));
        lt_span from = {0, 0};
        if (s->spans && end > 0) from = s->text.from[p.begin + end - 1];
        if (s->spans && end == 0) from.begin = from.end = s->text.from[p.begin].begin;
        LT_TRY(lt_stage_put(out, r->content, r->content_bytes, from));
        done = end;
        LT_TRY(next_match(r, w, text, bytes, &end, done, &found, &begin, &end));
    }
    return lt_stage_copy(out, s, p.begin + done, p.end);
}

lt_status lt_norm_impl_run_replace(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    const replace *r = state;
    bool changed = false;
    for (int64_t i = 0; i < s->n; i++) {
        lt_piece p = s->piece[i];
        int64_t at = 0, begin = 0, end = 0;
        bool found = false;
        if (p.id < 0) LT_TRY(next_match(r, w, s->text.s + p.begin, p.end - p.begin, &at, -1, &found, &begin, &end));
        if (found && !changed) {
            changed = true;
            LT_TRY(lt_stage_reserve(spare, s->text.n));
            for (int64_t k = 0; k < i; k++) LT_TRY(lt_norm_impl_keep(s, s->piece[k], spare));
        }
        if (!found) {
            if (changed) LT_TRY(lt_norm_impl_keep(s, p, spare));
            continue;
        }
        int64_t first = spare->text.n;
        LT_TRY(replace_all(r, w, s, p, begin, end, spare));
        LT_TRY(lt_stage_piece(spare, (lt_piece){first, spare->text.n, -1, p.first}));
    }
    if (changed) lt_stage_swap(s, spare);
    return LT_OK;
}
