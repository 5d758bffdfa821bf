/* BertNormalizer: what BERT's own tokeniser does before it cuts words, in one pass over the text.
 *
 *   clean_text             control characters, U+0000 and U+FFFD go; white space becomes a space
 *   handle_chinese_chars   ideographs get spaces around them
 *   strip_accents          canonical decomposition, then marks (Mn) go; null: as lowercase says
 *   lowercase              character by character
 *
 * Hugging Face does these one after another.  In one pass, a character is decomposed into a segment only where it has parts or is a mark; what clean_text removes
 * does not end a segment. */
#include "text/normalize_impl.h"

#include "base/mem.h"

typedef struct bert {
    bool clean, cjk, strip, lower;
    uint32_t touched; /* properties of characters that may change */
} bert;

lt_status lt_norm_impl_open_bert(const json_t *o, const char *where, void **state) {
    const json_t *strip = json_object_get(o, "strip_accents");
    bert *b, read = {0};
    LT_TRY(lt_norm_impl_get_bool(o, where, "clean_text", &read.clean));
    LT_TRY(lt_norm_impl_get_bool(o, where, "handle_chinese_chars", &read.cjk));
    LT_TRY(lt_norm_impl_get_bool(o, where, "lowercase", &read.lower));
    read.strip = read.lower;
    if (strip && !json_is_null(strip)) LT_TRY(lt_norm_impl_get_bool(o, where, "strip_accents", &read.strip));
    if (read.clean) read.touched |= LT_CHAR_CONTROL | LT_CHAR_SPACE;
    if (read.cjk) read.touched |= LT_CHAR_CJK;
    if (read.strip) read.touched |= LT_CHAR_CANONICAL | LT_CHAR_CLASS | LT_CHAR_MARK;
    if (read.lower) read.touched |= LT_CHAR_LOWER;
    LT_TRY(lt_calloc(&b, 1, sizeof *b, "a normaliser"));
    *b = read;
    *state = b;
    return LT_OK;
}

static int64_t same(const void *state, const char *text, int64_t at, int64_t end) {
    const bert *b = state;
    const lt_char_table *t = lt_tok_impl_chars();
    while (at < end) {
        for (uint64_t x; at + LT_EIGHT <= end && lt_eight_ascii(x = lt_eight(text + at)) && lt_eight_printable(x);) {
            if (b->lower && lt_eight_upper(x)) break;
            at += LT_EIGHT;
        }
        if (at == end) break;
        int32_t c;
        int bytes = lt_char_read(text + at, &c);
        if (c != ' ' && lt_char_properties(t, c) & b->touched) return at;
        at += bytes;
    }
    return end;
}

/* The next character that clean_text does not remove, at or after `at`. */
static int64_t next_kept(const bert *b, const lt_char_table *t, const char *text, int64_t at, int64_t end) {
    while (b->clean && at < end) {
        int32_t c;
        int bytes = lt_char_read(text + at, &c);
        if (!(lt_char_properties(t, c) & LT_CHAR_CONTROL)) break;
        at += bytes;
    }
    return at;
}

static void put(const bert *b, lt_stage *out, int32_t c, uint32_t properties, const lt_stage *s, int64_t from) {
    bool lower = b->lower && properties & LT_CHAR_LOWER;
    lt_norm_put(out, lower ? lt_tok_impl_lower(c) : c, s, from);
    if (lower && c == 0x130) lt_norm_put(out, 0x307, s, from);
}

/* A segment of characters [at, end) of the text, without its marks. */
static lt_status put_segment(const bert *b, const lt_char_table *t, lt_segment *g, const lt_stage *s, int64_t at, int64_t end,
                             lt_stage *out) {
    const char *text = s->text.s;
    lt_norm_impl_segment_order(g);
    LT_TRY(lt_stage_reserve(out, 4 * g->n));
    for (int64_t i = 0, from = at; i < g->n; i++) {
        int64_t taken;
        int32_t c = lt_norm_segment_at(g, i, &taken);
        for (; out->spans && taken > 0; taken--) {
            int32_t old;
            from = next_kept(b, t, text, at, end);
            at = from + lt_char_read(text + from, &old);
        }
        uint32_t p = lt_char_properties(t, c);
        if (!(p & LT_CHAR_MARK)) put(b, out, c, p, s, from);
    }
    g->n = 0;
    return LT_OK;
}

static lt_status write(const void *state, lt_tok_work *w, const lt_stage *s, int64_t at, int64_t end, lt_stage *out) {
    const bert *b = state;
    const lt_char_table *t = lt_tok_impl_chars();
    const char *text = s->text.s;
    lt_segment g = {.w = w};
    int64_t begin = at; /* of the segment */
    while (at < end) {
        int64_t printable = g.n ? at : lt_skip_printable(text, at, end);
        if (at < printable) {
            LT_TRY(b->lower ? lt_norm_impl_put_lower(out, s, at, printable) : lt_stage_copy(out, s, at, printable));
            at = printable;
            continue;
        }
        int32_t c;
        int64_t here = at;
        at += lt_char_read(text + at, &c);
        uint32_t p = lt_char_properties(t, c);
        if (b->clean && p & LT_CHAR_CONTROL) continue;
        if (b->clean && p & LT_CHAR_SPACE) {
            c = ' ';
            p = 0;
        }
        bool alone = b->cjk && p & LT_CHAR_CJK, parts = b->strip && p & (LT_CHAR_CANONICAL | LT_CHAR_CLASS | LT_CHAR_MARK);
        if (g.n && (alone || !parts)) LT_TRY(put_segment(b, t, &g, s, begin, here, out));
        LT_TRY(lt_stage_reserve(out, 16));
        if (alone) lt_norm_put(out, ' ', s, here);
        if (parts) {
            if (!g.n) begin = here;
            LT_TRY(lt_norm_impl_segment_add(&g, t, c, p, false));
        } else {
            put(b, out, c, p, s, here);
        }
        if (alone) {
            if (g.n) LT_TRY(put_segment(b, t, &g, s, here, at, out));
            LT_TRY(lt_stage_reserve(out, 4));
            lt_norm_put(out, ' ', s, here);
        }
    }
    return g.n ? put_segment(b, t, &g, s, begin, end, out) : LT_OK;
}

lt_status lt_norm_impl_run_bert(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return lt_norm_impl_run(state, w, s, spare, same, write);
}
