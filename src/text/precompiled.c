/* Precompiled: sentencepiece's map of characters, as Hugging Face's tokenizers apply it.
 *
 * The map is a double-array trie over bytes, whose values are places in a block of texts that zero bytes end.  Hugging Face looks up graphemes of up to 5 bytes first:
 * if any beginning of one is in the map, the whole grapheme becomes the text of the shortest such beginning, and what follows it in the grapheme is lost.  Otherwise,
 * and in longer graphemes, each character is looked up.  sentencepiece itself takes the longest match at each place; ids are to be equal to Hugging Face's.
 *
 * A file's trie can point anywhere: every step and every text is checked. */
#include "text/normalize_impl.h"

#include "base/mem.h"

#include <openssl/evp.h>
#include <stdlib.h>

enum { LONGEST_LOOKED_UP = 5 };

typedef struct charsmap {
    char *where;          /* for messages */
    unsigned char *bytes; /* as decoded: the trie's size, the trie, the texts */
    uint32_t units;
    const char *texts;
    int64_t texts_bytes;
    bool same[128]; /* a character that alone is not in the map, and no CR */
} charsmap;

/* --- the map ------------------------------------------------------------------------------------------------------------------------------- */

static uint32_t read_u32(const unsigned char *s) {
    return (uint32_t)s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 | (uint32_t)s[3] << 24;
}
static uint32_t unit_at(const charsmap *m, uint32_t i) { return read_u32(m->bytes + 4 + 4 * (size_t)i); }
static uint32_t child_offset(uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); }

enum { NOT_THERE = -1, DAMAGED = -2 };

/* The place in texts of the shortest beginning of key that is in the map. */
static int64_t find(const charsmap *m, const char *key, int64_t bytes) {
    uint32_t at = child_offset(unit_at(m, 0));
    for (int64_t i = 0; i < bytes && key[i]; i++) {
        unsigned char byte = (unsigned char)key[i];
        at ^= byte;
        if (at >= m->units) return DAMAGED;
        uint32_t unit = unit_at(m, at);
        if ((unit & (1u << 31 | 0xFF)) != byte) return NOT_THERE;
        at ^= child_offset(unit);
        if (!(unit >> 8 & 1)) continue;
        if (at >= m->units) return DAMAGED;
        int64_t value = unit_at(m, at) & 0x7FFFFFFF;
        return value <= m->texts_bytes && (m->texts[value] & 0xC0) != 0x80 ? value : DAMAGED;
    }
    return NOT_THERE;
}

/* Texts are checked for UTF-8, so that none can begin or end within a character unless a value points there. */
static lt_status check_texts(const charsmap *m) {
    for (int64_t at = 0; at < m->texts_bytes;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)m->texts + at, (utf8proc_ssize_t)(m->texts_bytes - at), &c);
        LT_CHECK(n > 0, LT_ERR_FORMAT, "%s: \"precompiled_charsmap\" holds texts that are not UTF-8, at byte %lld of %lld", m->where,
                 (long long)at, (long long)m->texts_bytes);
        at += n;
    }
    return LT_OK;
}

static lt_status decode(const char *text, size_t bytes, charsmap *m) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t padding = 0;
    while (padding < 2 && padding < bytes && text[bytes - 1 - padding] == '=') padding++;
    size_t wrong = strspn(text, digits);
    LT_CHECK(bytes % 4 == 0 && bytes < 1u << 30 && wrong == bytes - padding, LT_ERR_FORMAT,
             "%s: \"precompiled_charsmap\" is not base64, at character %zu of %zu", m->where, wrong, bytes);
    LT_TRY(lt_calloc(&m->bytes, (int64_t)bytes / 4 * 3 + 1, 1, "a map of characters")); /* and a zero byte behind the texts */
    int64_t n = EVP_DecodeBlock(m->bytes, (const unsigned char *)text, (int)bytes) - (int64_t)padding;
    LT_CHECK(n >= 8, LT_ERR_FORMAT, "%s: \"precompiled_charsmap\" has %lld bytes, too few for a map", m->where, (long long)n);
    m->bytes[n] = 0;
    m->units = read_u32(m->bytes) / 4;
    LT_CHECK(m->units > 0 && m->units <= (n - 4) / 4, LT_ERR_FORMAT,
             "%s: \"precompiled_charsmap\" should begin with a table of %u entries, but has %lld bytes", m->where, m->units, (long long)n);
    m->texts = (const char *)m->bytes + 4 + 4 * (size_t)m->units;
    m->texts_bytes = n - 4 - 4 * (int64_t)m->units;
    return check_texts(m);
}

void lt_norm_impl_close_precompiled(void *state) {
    charsmap *m = state;
    if (!m) return;
    free(m->where);
    free(m->bytes);
    free(m);
}

lt_status lt_norm_impl_open_precompiled(const json_t *o, const char *where, void **state) {
    const char *text;
    size_t bytes;
    charsmap *m = NULL;
    lt_status st;
    LT_TRY(lt_norm_impl_get_text(o, where, "precompiled_charsmap", &text, &bytes));
    LT_TRY(lt_calloc(&m, 1, sizeof *m, "a map of characters"));
    LT_TRY_GOTO(lt_strdup(&m->where, where), st, done);
    LT_TRY_GOTO(decode(text, bytes, m), st, done);
    for (int c = 0; c < 128; c++) m->same[c] = c != '\r' && find(m, (const char[]){(char)c}, 1) == NOT_THERE;
    *state = m;
    m = NULL;
done:
    lt_norm_impl_close_precompiled(m);
    return st;
}

/* --- graphemes ----------------------------------------------------------------------------------------------------------------------------- */

/* What the rules need to know of the characters before a place, in one grapheme. */
typedef struct context {
    lt_grapheme_class last;
    int consonant; /* 1: a consonant and its extenders, 2: a linker among them */
    int picture;   /* 1: a picture and its extenders, 2: a joiner behind them */
    int regional;  /* indicators in a row */
} context;

static void add_char(context *x, uint32_t p) {
    lt_grapheme_class class = (lt_grapheme_class)(p >> LT_CHAR_GRAPHEME_SHIFT);
    if (class == LT_GRAPHEME_CONSONANT)
        x->consonant = 1;
    else if (p & LT_CHAR_INCB_LINKER)
        x->consonant = x->consonant ? 2 : 0;
    else if (!(p & LT_CHAR_INCB_EXTEND))
        x->consonant = 0;
    if (class == LT_GRAPHEME_PICTURE)
        x->picture = 1;
    else if (class == LT_GRAPHEME_ZWJ)
        x->picture = x->picture == 1 ? 2 : 0;
    else if (class != LT_GRAPHEME_EXTEND || x->picture == 2)
        x->picture = 0;
    x->regional = class == LT_GRAPHEME_REGIONAL ? x->regional + 1 : 0;
    x->last = class;
}

static bool is_control(lt_grapheme_class c) { return c == LT_GRAPHEME_CONTROL || c == LT_GRAPHEME_CR || c == LT_GRAPHEME_LF; }

/* UAX #29, extended grapheme clusters: whether a character of class b belongs to the grapheme so far. */
static bool belongs(const context *x, lt_grapheme_class b) {
    lt_grapheme_class a = x->last;
    if (a == LT_GRAPHEME_OTHER && b == LT_GRAPHEME_OTHER) return false;
    if (a == LT_GRAPHEME_CR && b == LT_GRAPHEME_LF) return true;
    if (is_control(a) || is_control(b)) return false;
    if (b == LT_GRAPHEME_EXTEND || b == LT_GRAPHEME_ZWJ || b == LT_GRAPHEME_SPACING || a == LT_GRAPHEME_PREPEND) return true;
    if (a == LT_GRAPHEME_L) return b == LT_GRAPHEME_L || b == LT_GRAPHEME_V || b == LT_GRAPHEME_LV || b == LT_GRAPHEME_LVT;
    if ((a == LT_GRAPHEME_LV || a == LT_GRAPHEME_V) && b == LT_GRAPHEME_V) return true;
    if ((a >= LT_GRAPHEME_V && a <= LT_GRAPHEME_LVT) && b == LT_GRAPHEME_T) return true;
    if (b == LT_GRAPHEME_CONSONANT) return x->consonant == 2;
    if (b == LT_GRAPHEME_PICTURE) return x->picture == 2;
    return b == LT_GRAPHEME_REGIONAL && x->regional % 2 == 1;
}

/* --- the normaliser ------------------------------------------------------------------------------------------------------------------------ */

/* A grapheme, and the character behind it. */
typedef struct grapheme {
    int64_t begin, end;
    int chars; /* 2: or more */
} grapheme;

static grapheme grapheme_at(const lt_char_table *t, const char *text, int64_t at, int64_t end) {
    context x = {0};
    int32_t c;
    grapheme g = {.begin = at, .end = at + lt_char_read(text + at, &c), .chars = 1};
    add_char(&x, lt_char_properties(t, c));
    while (g.end < end) {
        int bytes = lt_char_read(text + g.end, &c);
        uint32_t p = lt_char_properties(t, c);
        if (!belongs(&x, (lt_grapheme_class)(p >> LT_CHAR_GRAPHEME_SHIFT))) break;
        add_char(&x, p);
        g.end += bytes;
        g.chars = 2;
    }
    return g;
}

/* ASCII characters that nothing can happen to: the last one may be joined by what follows it. */
static int64_t skip_same(const charsmap *m, const char *text, int64_t at, int64_t end) {
    int64_t begin = at;
    while (at < end && (unsigned char)text[at] < 0x80 && m->same[(unsigned char)text[at]]) at++;
    return at < end && at > begin ? at - 1 : at;
}

static bool stays(const charsmap *m, const char *text, grapheme g) {
    if (g.end - g.begin <= LONGEST_LOOKED_UP && find(m, text + g.begin, g.end - g.begin) != NOT_THERE) return false;
    int32_t c;
    for (int64_t at = g.begin, bytes; (g.chars > 1 || g.end - g.begin > LONGEST_LOOKED_UP) && at < g.end; at += bytes) {
        bytes = lt_char_read(text + at, &c);
        if (find(m, text + at, bytes) != NOT_THERE) return false;
    }
    return true;
}

static int64_t same(const void *state, const char *text, int64_t at, int64_t end) {
    const charsmap *m = state;
    const lt_char_table *t = lt_tok_impl_chars();
    while ((at = skip_same(m, text, at, end)) < end) {
        grapheme g = grapheme_at(t, text, at, end);
        if (!stays(m, text, g)) return at;
        at = g.end;
    }
    return end;
}

/* Appends what bytes [at, end) become: the text at `place`, each of its characters with the span of the old one of its number, or of the last. */
static lt_status put_text(const charsmap *m, int64_t place, const lt_stage *s, int64_t at, int64_t end, lt_stage *out) {
    LT_CHECK(place >= 0, LT_ERR_FORMAT, "%s: \"precompiled_charsmap\" is damaged: an entry points outside of it", m->where);
    for (const char *text = m->texts + place; *text;) {
        int32_t c;
        text += lt_char_read(text, &c);
        LT_TRY(lt_stage_reserve(out, 4));
        lt_norm_put(out, c, s, at);
        if (!out->spans) continue;
        int64_t next = at + lt_char_read(s->text.s + at, &c);
        if (next < end) at = next;
    }
    return LT_OK;
}

static lt_status put_grapheme(const charsmap *m, const lt_stage *s, grapheme g, lt_stage *out) {
    int64_t bytes = g.end - g.begin, place = NOT_THERE;
    if (bytes <= LONGEST_LOOKED_UP) place = find(m, s->text.s + g.begin, bytes);
    if (place != NOT_THERE) return put_text(m, place, s, g.begin, g.end, out);
    for (int64_t at = g.begin; at < g.end; at += bytes) {
        int32_t c;
        bytes = lt_char_read(s->text.s + at, &c);
        place = find(m, s->text.s + at, bytes);
        LT_TRY(place == NOT_THERE ? lt_stage_copy(out, s, at, at + bytes) : put_text(m, place, s, at, at + bytes, out));
    }
    return LT_OK;
}

static lt_status write(const void *state, lt_tok_work *w, const lt_stage *s, int64_t at, int64_t end, lt_stage *out) {
    const charsmap *m = state;
    const lt_char_table *t = lt_tok_impl_chars();
    (void)w;
    while (at < end) {
        grapheme g = grapheme_at(t, s->text.s, at, end);
        LT_TRY(put_grapheme(m, s, g, out));
        at = same(m, s->text.s, g.end, end);
        LT_TRY(lt_stage_copy(out, s, g.end, at));
    }
    return LT_OK;
}

lt_status lt_norm_impl_run_precompiled(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    return lt_norm_impl_run(state, w, s, spare, same, write);
}
