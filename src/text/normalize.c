/* Normalisers: a text made even before it is cut into words, each as Hugging Face's component of that name does it.
 *
 * A normaliser says where the first character is that it may change; where there is none, as in most texts for most normalisers, nothing is copied.  Otherwise the
 * pieces of text are written anew, unchanged runs in blocks.  Every character written has the span of the character that it came from. */
#include "text/normalize_impl.h"

#include "base/mem.h"

#include <stdlib.h>

/* --- what normalisers share ---------------------------------------------------------------------------------------------------------------- */

lt_status lt_norm_impl_keep(const lt_stage *s, lt_piece p, lt_stage *out) {
    int64_t begin = out->text.n;
    LT_TRY(lt_stage_copy(out, s, p.begin, p.end));
    p.begin = begin;
    p.end = out->text.n;
    return lt_stage_piece(out, p);
}

lt_status lt_norm_impl_run(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare, lt_norm_same_fn *same,
                           lt_norm_write_fn *write) {
    int64_t changed = 0, at = 0;
    for (; changed < s->n; changed++) {
        lt_piece p = s->piece[changed];
        if (p.id < 0 && (at = same(state, s->text.s, p.begin, p.end)) < p.end) break;
    }
    if (changed == s->n) return LT_OK;
    LT_TRY(lt_stage_reserve(spare, s->text.n));
    for (int64_t i = 0; i < s->n; i++) {
        lt_piece p = s->piece[i];
        if (p.id >= 0 || i < changed) {
            LT_TRY(lt_norm_impl_keep(s, p, spare));
            continue;
        }
        int64_t begin = spare->text.n, from = i == changed ? at : same(state, s->text.s, p.begin, p.end);
        LT_TRY(lt_stage_copy(spare, s, p.begin, from));
        if (from < p.end) LT_TRY(write(state, w, s, from, p.end, spare));
        LT_TRY(lt_stage_piece(spare, (lt_piece){begin, spare->text.n, -1, p.first}));
    }
    lt_stage_swap(s, spare);
    return LT_OK;
}

lt_status lt_norm_impl_get_bool(const json_t *o, const char *where, const char *key, bool *value) {
    const json_t *v = json_object_get(o, key);
    LT_CHECK(json_is_boolean(v), LT_ERR_FORMAT, "%s: \"%s\" should be true or false", where, key);
    *value = json_is_true(v);
    return LT_OK;
}

lt_status lt_norm_impl_get_text(const json_t *o, const char *where, const char *key, const char **text, size_t *bytes) {
    const json_t *v = json_object_get(o, key);
    LT_CHECK(json_is_string(v), LT_ERR_FORMAT, "%s: \"%s\" should be a text", where, key);
    *text = json_string_value(v);
    *bytes = json_string_length(v);
    return LT_OK;
}

/* --- Lowercase ----------------------------------------------------------------------------------------------------------------------------- */

lt_status lt_norm_impl_put_lower(lt_stage *out, const lt_stage *s, int64_t at, int64_t end) {
    LT_TRY(lt_stage_reserve(out, end - at));
    const char *from = s->text.s;
    char *to = out->text.s + out->text.n - at;
    for (int64_t i = at; i < end; i++) to[i] = (char)(from[i] + (from[i] >= 'A' && from[i] <= 'Z' ? 'a' - 'A' : 0));
    if (out->spans) memcpy(out->text.from + out->text.n, s->text.from + at, (size_t)(end - at) * sizeof *out->text.from);
    out->text.n += end - at;
    return LT_OK;
}

static int64_t same_lower(const void *state, const char *text, int64_t at, int64_t end) {
    const lt_char_table *t = lt_tok_impl_chars();
    (void)state;
    while (at < end) {
        for (uint64_t x; at + LT_EIGHT <= end && lt_eight_ascii(x = lt_eight(text + at)) && !lt_eight_upper(x);) at += LT_EIGHT;
        if (at == end) break;
        int32_t c;
        int bytes = lt_char_read(text + at, &c);
        if (lt_char_properties(t, c) & LT_CHAR_LOWER) return at;
        at += bytes;
    }
    return end;
}

static lt_status write_lower(const void *state, lt_tok_work *w, const lt_stage *s, int64_t at, int64_t end, lt_stage *out) {
    const lt_char_table *t = lt_tok_impl_chars();
    (void)state;
    (void)w;
    while (at < end) {
        int64_t ascii = lt_skip_ascii(s->text.s, at, end);
        if (at < ascii) LT_TRY(lt_norm_impl_put_lower(out, s, at, ascii));
        at = ascii;
        LT_TRY(lt_stage_reserve(out, 2 * (end - at) + 8)); /* the longest: 3 bytes of 2 */
        for (; at < end && (unsigned char)s->text.s[at] >= 0x80;) {
            int32_t c;
            int bytes = lt_char_read(s->text.s + at, &c);
            lt_norm_put(out, lt_char_properties(t, c) & LT_CHAR_LOWER ? lt_tok_impl_lower(c) : c, s, at);
            if (c == 0x130) lt_norm_put(out, 0x307, s, at);
            at += bytes;
        }
    }
    return LT_OK;
}

static lt_status run_lower(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return lt_norm_impl_run(state, w, s, spare, same_lower, write_lower);
}

/* --- StripAccents -------------------------------------------------------------------------------------------------------------------------- */

static int64_t same_accents(const void *state, const char *text, int64_t at, int64_t end) {
    const lt_char_table *t = lt_tok_impl_chars();
    (void)state;
    while ((at = lt_skip_ascii(text, at, end)) < end) {
        int32_t c;
        int bytes = lt_char_read(text + at, &c);
        if (lt_char_properties(t, c) & LT_CHAR_COMBINING) return at;
        at += bytes;
    }
    return end;
}

static lt_status write_accents(const void *state, lt_tok_work *w, const lt_stage *s, int64_t at, int64_t end, lt_stage *out) {
    (void)w;
    while (at < end) { /* at: a mark */
        int32_t c;
        at += lt_char_read(s->text.s + at, &c);
        int64_t next = same_accents(state, s->text.s, at, end);
        LT_TRY(lt_stage_copy(out, s, at, next));
        at = next;
    }
    return LT_OK;
}

static lt_status run_accents(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return lt_norm_impl_run(state, w, s, spare, same_accents, write_accents);
}

/* --- Nmt ----------------------------------------------------------------------------------------------------------------------------------- */

/* What becomes of a character: itself, a space, or nothing (0, as U+0000 stays). */
static int32_t nmt_char(int32_t c) {
    if (c == 0) return -1;
    if (c < 0x20) return c == '\t' || c == '\n' || c == '\f' || c == '\r' ? ' ' : 0;
    if (c < 0x7F) return c;
    if (c == 0x7F || c == 0x8F || c == 0x9F) return 0;
    bool space = c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
    return space ? ' ' : c;
}

static int64_t same_nmt(const void *state, const char *text, int64_t at, int64_t end) {
    (void)state;
    while ((at = lt_skip_printable(text, at, end)) < end) {
        int32_t c;
        int bytes = lt_char_read(text + at, &c);
        if (nmt_char(c) != c && c != 0) return at;
        at += bytes;
    }
    return end;
}

static lt_status write_nmt(const void *state, lt_tok_work *w, const lt_stage *s, int64_t at, int64_t end, lt_stage *out) {
    (void)w;
    while (at < end) { /* at: a character that changes */
        int32_t c;
        int bytes = lt_char_read(s->text.s + at, &c);
        if (nmt_char(c)) {
            LT_TRY(lt_stage_reserve(out, 4));
            lt_norm_put(out, ' ', s, at);
        }
        at += bytes;
        int64_t next = same_nmt(state, s->text.s, at, end);
        LT_TRY(lt_stage_copy(out, s, at, next));
        at = next;
    }
    return LT_OK;
}

static lt_status run_nmt(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return lt_norm_impl_run(state, w, s, spare, same_nmt, write_nmt);
}

/* --- ByteLevel ----------------------------------------------------------------------------------------------------------------------------- */

/* Characters that stand for bytes: those of printable Latin-1 for themselves, the others U+0100 and on. */
typedef struct byte_char {
    char s[2];
    unsigned char n;
} byte_char;

static lt_status open_bytes(const json_t *o, const char *where, void **state) {
    byte_char *b;
    (void)o;
    (void)where;
    LT_TRY(lt_calloc(&b, 256, sizeof *b, "a normaliser"));
    for (int byte = 0, others = 0; byte < 256; byte++) {
        bool itself = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        b[byte].n = (unsigned char)lt_char_write(itself ? byte : 256 + others++, b[byte].s);
    }
    *state = b;
    return LT_OK;
}

static int64_t same_bytes(const void *state, const char *text, int64_t at, int64_t end) {
    (void)state;
    while (at < end && text[at] >= '!' && text[at] <= '~') at++;
    return at;
}

static lt_status write_bytes(const void *state, lt_tok_work *w, const lt_stage *s, int64_t at, int64_t end, lt_stage *out) {
    const byte_char *b = state;
    (void)w;
    LT_TRY(lt_stage_reserve(out, 2 * (end - at) + 1));
    int64_t n = out->text.n;
    for (; at < end; at++) {
        byte_char one = b[(unsigned char)s->text.s[at]];
        memcpy(out->text.s + n, one.s, 2);
        for (int i = 0; out->spans && i < one.n; i++) out->text.from[n + i] = s->text.from[at];
        n += one.n;
    }
    out->text.n = n;
    return LT_OK;
}

static lt_status run_bytes(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return lt_norm_impl_run(state, w, s, spare, same_bytes, write_bytes);
}

/* --- Strip --------------------------------------------------------------------------------------------------------------------------------- */

typedef struct strip {
    bool left, right;
} strip;

static lt_status open_strip(const json_t *o, const char *where, void **state) {
    strip *p, read;
    LT_TRY(lt_norm_impl_get_bool(o, where, "strip_left", &read.left));
    LT_TRY(lt_norm_impl_get_bool(o, where, "strip_right", &read.right));
    LT_TRY(lt_calloc(&p, 1, sizeof *p, "a normaliser"));
    *p = read;
    *state = p;
    return LT_OK;
}

static lt_status run_strip(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    const strip *how = state;
    const char *text = s->text.s;
    (void)w;
    for (int64_t i = 0; i < s->n; i++) {
        lt_piece p = s->piece[i];
        for (int32_t c; how->left && p.id < 0 && p.begin < p.end;) {
            int bytes = lt_char_read(text + p.begin, &c);
            if (!lt_tok_impl_is_space(c)) break;
            p.begin += bytes;
        }
        for (int32_t c; how->right && p.id < 0 && p.begin < p.end;) {
            int64_t last = p.end;
            do last--;
            while (((unsigned char)text[last] & 0xC0) == 0x80);
            (void)lt_char_read(text + last, &c);
            if (!lt_tok_impl_is_space(c)) break;
            p.end = last;
        }
        LT_TRY(lt_stage_piece(spare, p));
    }
    lt_stage_swap_pieces(s, spare);
    return LT_OK;
}

/* --- the list ------------------------------------------------------------------------------------------------------------------------------ */

const lt_step_kind lt_tok_impl_normalizers[] = {
    {.type = "BertNormalizer", .open = lt_norm_impl_open_bert, .close = free, .run = lt_norm_impl_run_bert},
    {.type = "ByteLevel", .open = open_bytes, .close = free, .run = run_bytes},
    {.type = "Lowercase", .run = run_lower},
    {.type = "NFC", .run = lt_norm_impl_run_nfc},
    {.type = "NFD", .run = lt_norm_impl_run_nfd},
    {.type = "NFKC", .run = lt_norm_impl_run_nfkc},
    {.type = "NFKD", .run = lt_norm_impl_run_nfkd},
    {.type = "Nmt", .run = run_nmt},
    {.type = "Precompiled",
     .open = lt_norm_impl_open_precompiled,
     .close = lt_norm_impl_close_precompiled,
     .run = lt_norm_impl_run_precompiled},
    {.type = "Prepend", .open = lt_norm_impl_open_prepend, .close = lt_norm_impl_close_replace, .run = lt_norm_impl_run_prepend},
    {.type = "Replace", .open = lt_norm_impl_open_replace, .close = lt_norm_impl_close_replace, .run = lt_norm_impl_run_replace},
    {.type = "Strip", .open = open_strip, .close = free, .run = run_strip},
    {.type = "StripAccents", .run = run_accents},
    {0}};
