/* Metaspace, the pre-tokeniser of sentencepiece's families: spaces become a character that can be seen, one is put before the text, and words begin with it. */
#include "text/pretokenize_impl.h"

#include "base/mem.h"

#include <string.h>

enum { ALWAYS, FIRST, NEVER };

typedef struct metaspace {
    lt_one_char c;
    int prepend; /* ALWAYS, FIRST or NEVER */
    bool split;
} metaspace;

lt_status lt_pre_impl_open_metaspace(const json_t *o, const char *where, void **state) {
    static const char *const scheme[] = {"always", "first", "never"};
    const json_t *v = json_object_get(o, "prepend_scheme");
    metaspace m = {.prepend = ALWAYS};
    bool prefix = true;
    LT_TRY(lt_pre_impl_get_char(o, where, "replacement", &m.c));
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

/* Appends the character that replaces spaces. */
static void put_meta(const metaspace *m, const lt_span *from, lt_stage *out) {
    lt_flow *f = &out->text;
    memcpy(f->s + f->n, m->c.s, sizeof m->c.s);
    for (int i = 0; from && i < m->c.n; i++) f->from[f->n + i] = *from;
    f->n += m->c.n;
}

/* A piece of text with its spaces replaced, and one put before it where the scheme asks for it, with the span of the first character.  The replacing character,
 * which may have stood there before, is the match of a split. */
static lt_status run_piece(const metaspace *m, const lt_stage *s, lt_piece p, lt_stage *out) {
    const char *text = s->text.s + p.begin;
    const lt_span *from = s->spans ? s->text.from + p.begin : NULL;
    int64_t bytes = p.end - p.begin, begin = out->text.n;
    lt_flow *f = &out->text;
    lt_cutter c = {.out = out, .base = begin, .first = p.first, .how = LT_MERGED_WITH_NEXT};
    bool has = *text == ' ' || (bytes >= m->c.n && !memcmp(text, m->c.s, (size_t)m->c.n));
    LT_TRY(lt_stage_reserve(out, m->c.n * (bytes + 1) + (int64_t)sizeof m->c.s));
    if (!has && (m->prepend == ALWAYS || (m->prepend == FIRST && p.first))) {
        put_meta(m, from, out);
        if (m->split) LT_TRY(lt_cutter_put(&c, 0, m->c.n, true));
    }
    for (int64_t i = 0; i < bytes;) {
        int64_t start = f->n - begin, at = i;
        while (i < bytes && text[i] != ' ' && (text[i] != m->c.s[0] || bytes - i < m->c.n || memcmp(text + i, m->c.s, (size_t)m->c.n) != 0))
            i++;
        memcpy(f->s + f->n, text + at, (size_t)(i - at));
        if (from) memcpy(f->from + f->n, from + at, (size_t)(i - at) * sizeof *from);
        f->n += i - at;
        if (at < i && m->split) LT_TRY(lt_cutter_put(&c, start, f->n - begin, false));
        if (i == bytes) break;
        start = f->n - begin;
        put_meta(m, from ? from + i : NULL, out);
        if (m->split) LT_TRY(lt_cutter_put(&c, start, f->n - begin, true));
        i += text[i] == ' ' ? 1 : m->c.n;
    }
    return m->split ? lt_cutter_end(&c) : lt_cutter_emit(&c, 0, f->n - begin);
}

lt_status lt_pre_impl_run_metaspace(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    for (int64_t i = 0; i < s->n; i++) {
        lt_piece p = s->piece[i];
        if (p.id < 0) {
            LT_TRY(run_piece(state, s, p, spare));
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
