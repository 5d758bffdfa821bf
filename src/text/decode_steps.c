/* What each kind of step does (decode_impl.h), bit by bit: bytes come in calls of any length, and what can no longer change goes on at once.
 *
 * Replacement is that of Knuth, Morris and Pratt: what is held back is always a beginning of the pattern, so it need not be stored, and no byte is
 * looked at twice however often a pattern repeats itself. */
#include "text/decode_impl.h"

#include <string.h>

/* --- replacements --------------------------------------------------------------------------------------------------------------------- */

/* An empty pattern has a place before every character, and one at the end (replace_end). */
static lt_status insert_put(lt_decoding *d, int k, const char *s, int64_t n, const char *content, int64_t bytes) {
    for (int64_t i = 0, to; i < n; i = to) {
        for (to = i + 1; to < n && ((unsigned char)s[to] & 0xC0) == 0x80;) to++;
        if (((unsigned char)s[i] & 0xC0) != 0x80) LT_TRY(lt_tok_impl_decoding_put(d, k + 1, content, bytes));
        LT_TRY(lt_tok_impl_decoding_put(d, k + 1, s + i, to - i));
    }
    return LT_OK;
}

static lt_status replace_put(lt_decoding *d, int k, const char *s, int64_t n, const char *content, int64_t bytes) {
    const lt_decoder *p = &d->chain->step[k];
    lt_place *a = &d->at[k];
    a->any = a->any || n > 0;
    if (p->pattern_bytes == 0) return insert_put(d, k, s, n, content, bytes);
    for (int64_t i = 0; i < n;) {
        if (a->matched == 0) {
            const char *hit = memchr(s + i, p->pattern[0], (size_t)(n - i));
            int64_t to = hit ? hit - s : n;
            if (to > i) LT_TRY(lt_tok_impl_decoding_put(d, k + 1, s + i, to - i));
            i = to;
            if (!hit) break;
        }
        while (a->matched > 0 && p->pattern[a->matched] != s[i]) {
            int64_t keep = p->border[a->matched];
            LT_TRY(lt_tok_impl_decoding_put(d, k + 1, p->pattern, a->matched - keep));
            a->matched = keep;
        }
        if (p->pattern[a->matched] != s[i]) continue;
        i++;
        if (++a->matched < p->pattern_bytes) continue;
        a->matched = 0;
        LT_TRY(lt_tok_impl_decoding_put(d, k + 1, content, bytes));
    }
    return LT_OK;
}

static lt_status replace_end(lt_decoding *d, int k, const char *content, int64_t bytes) {
    const lt_decoder *p = &d->chain->step[k];
    lt_place *a = &d->at[k];
    if (a->matched > 0) LT_TRY(lt_tok_impl_decoding_put(d, k + 1, p->pattern, a->matched));
    if (p->pattern_bytes == 0 && (a->any || p->even_empty)) LT_TRY(lt_tok_impl_decoding_put(d, k + 1, content, bytes));
    a->matched = 0;
    a->any = false;
    return lt_tok_impl_decoding_cut(d, k + 1);
}

static int64_t replacement(const lt_decoder *p, const lt_place *a) { return p->first_empty && a->index == 0 ? 0 : p->content_bytes; }

/* The text that waits, now that it is known whether another follows. */
static lt_status last_flush(lt_decoding *d, int k, bool last) {
    const lt_decoder *p = &d->chain->step[k];
    lt_place *a = &d->at[k];
    if (!a->waits) return LT_OK;
    int64_t bytes = last ? 0 : p->content_bytes;
    LT_TRY(replace_put(d, k, a->held.s, a->held.n, p->content, bytes));
    a->held.n = 0;
    a->waits = false;
    return replace_end(d, k, p->content, bytes);
}

/* Matches as Hugging Face counts them: no empty one right behind another, none in an empty text. */
static lt_status match_cut(lt_decoding *d, int k) {
    const lt_decoder *p = &d->chain->step[k];
    lt_row *text = &d->at[k].held;
    int64_t from = 0, last = -1;
    for (int64_t at = 0, begin, end; at <= text->n && text->n > 0;) {
        bool found;
        LT_TRY(lt_regex_next(p->regex, d->room, text->s, text->n, at, &found, &begin, &end));
        if (!found) break;
        if (begin == end && end == last) {
            for (at = end + 1; at < text->n && ((unsigned char)text->s[at] & 0xC0) == 0x80;) at++;
            continue;
        }
        if (begin > from) LT_TRY(lt_tok_impl_decoding_put(d, k + 1, text->s + from, begin - from));
        LT_TRY(lt_tok_impl_decoding_put(d, k + 1, p->content, p->content_bytes));
        at = last = from = end;
    }
    if (text->n > from) LT_TRY(lt_tok_impl_decoding_put(d, k + 1, text->s + from, text->n - from));
    text->n = 0;
    return lt_tok_impl_decoding_cut(d, k + 1);
}

/* --- the beginnings and ends of texts --------------------------------------------------------------------------------------------------- */

static lt_status prefix_put(lt_decoding *d, int k, const char *s, int64_t n) {
    const lt_decoder *p = &d->chain->step[k];
    lt_place *a = &d->at[k];
    if (a->index > 0 && !a->settled) {
        while (!p->all && n > 0 && a->matched < p->pattern_bytes && p->pattern[a->matched] == *s) s++, n--, a->matched++;
        if (n == 0) return LT_OK;
        a->settled = true;
        if (p->all || a->matched < p->pattern_bytes) {
            LT_TRY(lt_tok_impl_decoding_put(d, k + 1, " ", 1));
            LT_TRY(lt_tok_impl_decoding_put(d, k + 1, p->pattern, a->matched));
        }
    }
    return lt_tok_impl_decoding_put(d, k + 1, s, n);
}

static lt_status prefix_cut(lt_decoding *d, int k) {
    const lt_decoder *p = &d->chain->step[k];
    lt_place *a = &d->at[k];
    if (a->index > 0 && !a->settled && (p->all || a->matched < p->pattern_bytes)) {
        LT_TRY(lt_tok_impl_decoding_put(d, k + 1, " ", 1));
        LT_TRY(lt_tok_impl_decoding_put(d, k + 1, p->pattern, a->matched));
    }
    a->settled = false;
    a->matched = 0;
    a->index++;
    return lt_tok_impl_decoding_cut(d, k + 1);
}

/* Passes on characters that were held back as perhaps the last ones. */
static lt_status strip_release(lt_decoding *d, int k) {
    const lt_decoder *p = &d->chain->step[k];
    lt_place *a = &d->at[k];
    for (; a->tail > 0; a->tail--) LT_TRY(lt_tok_impl_decoding_put(d, k + 1, p->pattern, p->pattern_bytes));
    LT_TRY(lt_tok_impl_decoding_put(d, k + 1, p->pattern, a->matched));
    a->matched = 0;
    return LT_OK;
}

static lt_status strip_behind(lt_decoding *d, int k, const char *s, int64_t n) {
    const lt_decoder *p = &d->chain->step[k];
    lt_place *a = &d->at[k];
    if (p->stop == 0) return lt_tok_impl_decoding_put(d, k + 1, s, n);
    for (int64_t i = 0; i < n;) {
        if (s[i] == p->pattern[a->matched]) {
            i++;
            if (++a->matched < p->pattern_bytes) continue;
            a->matched = 0;
            if (++a->tail <= p->stop) continue;
            a->tail--;
            LT_TRY(lt_tok_impl_decoding_put(d, k + 1, p->pattern, p->pattern_bytes));
            continue;
        }
        bool held = a->matched > 0;
        LT_TRY(strip_release(d, k));
        if (held) continue; /* the byte may begin another one */
        const char *hit = memchr(s + i, p->pattern[0], (size_t)(n - i));
        int64_t to = hit ? hit - s : n;
        LT_TRY(lt_tok_impl_decoding_put(d, k + 1, s + i, to - i));
        i = to;
    }
    return LT_OK;
}

/* The beginning is over: what was held back of one more character is text. */
static lt_status strip_settle(lt_decoding *d, int k) {
    lt_place *a = &d->at[k];
    int64_t matched = a->matched;
    a->settled = true;
    a->matched = 0;
    return strip_behind(d, k, d->chain->step[k].pattern, matched);
}

static lt_status strip_put(lt_decoding *d, int k, const char *s, int64_t n) {
    const lt_decoder *p = &d->chain->step[k];
    lt_place *a = &d->at[k];
    while (!a->settled && n > 0) {
        if (a->count == p->start || *s != p->pattern[a->matched]) {
            LT_TRY(strip_settle(d, k));
            break;
        }
        s++, n--;
        if (++a->matched == p->pattern_bytes) {
            a->matched = 0;
            a->count++;
        }
    }
    return strip_behind(d, k, s, n);
}

static lt_status strip_cut(lt_decoding *d, int k) {
    lt_place *a = &d->at[k];
    if (!a->settled) LT_TRY(strip_settle(d, k));
    if (a->matched > 0) LT_TRY(strip_release(d, k));
    a->settled = false;
    a->count = a->tail = 0;
    return lt_tok_impl_decoding_cut(d, k + 1);
}

/* --- bytes ----------------------------------------------------------------------------------------------------------------------------- */

/* The byte that a character of GPT-2's alphabet stands for, -1 if it is none: printable characters of Latin-1 are themselves, the others follow from
 * U+0100. */
static int byte_of(int32_t c) {
    if ((c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255)) return c;
    int n = c - 256;
    if (n < 0 || n > 67) return -1;
    return n <= 32 ? n : n <= 66 ? n - 33 + 127 : 173;
}

static lt_status bytes_cut(lt_decoding *d, int k) {
    lt_place *a = &d->at[k];
    lt_row *text = &a->held;
    int64_t n = 0;
    bool all = true;
    for (int64_t i = 0; i < text->n && all;) {
        int32_t c;
        i += lt_tok_impl_char(text->s + i, &c);
        all = byte_of(c) >= 0;
    }
    for (int64_t i = 0; i < text->n && all; n++) {
        int32_t c;
        i += lt_tok_impl_char(text->s + i, &c);
        text->s[n] = (char)byte_of(c);
    }
    LT_TRY(lt_tok_impl_decoding_lossy(d, k + 1, &a->run, text->s, all ? n : text->n, false));
    text->n = 0;
    return LT_OK;
}

/* The value of a text like <0x0A>, -1 if it is none.  Rust reads the two digits as a number: +A is ten. */
static int hex_of(const char *s, int64_t n) {
    if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>') return -1;
    int value = 0;
    for (int i = 3; i < 5; i++) {
        int c = s[i], digit = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : -1;
        if (i == 3 && c == '+') digit = 0;
        if (digit < 0) return -1;
        value = 16 * value + digit;
    }
    return value;
}

static lt_status hex_unknown(lt_decoding *d, int k, int64_t n) {
    for (; n > 0; n--) {
        LT_TRY(lt_tok_impl_decoding_put(d, k + 1, lt_tok_impl_unknown, LT_UNKNOWN_BYTES));
        LT_TRY(lt_tok_impl_decoding_cut(d, k + 1));
    }
    return LT_OK;
}

/* Adds a byte to the row of them. */
static lt_status hex_add(lt_decoding *d, int k, int value) {
    lt_place *a = &d->at[k];
    if (a->broken) return hex_unknown(d, k, 1);
    LT_TRY(lt_row_put(&a->run, &(char){(char)value}, 1));
    int used = lt_tok_impl_utf8_unit(a->run.s + a->tail, a->run.n - a->tail, &a->broken);
    if (!a->broken) {
        a->tail += used;
        return LT_OK;
    }
    LT_TRY(hex_unknown(d, k, a->run.n));
    a->run.n = a->tail = 0;
    return LT_OK;
}

/* No further byte comes in this row. */
static lt_status hex_flush(lt_decoding *d, int k) {
    lt_place *a = &d->at[k];
    int64_t n = a->run.n;
    bool whole = a->tail == n;
    a->broken = false;
    a->run.n = a->tail = 0;
    if (n == 0) return LT_OK;
    if (!whole) return hex_unknown(d, k, n);
    LT_TRY(lt_tok_impl_decoding_put(d, k + 1, a->run.s, n));
    return lt_tok_impl_decoding_cut(d, k + 1);
}

static lt_status hex_put(lt_decoding *d, int k, const char *s, int64_t n) {
    lt_place *a = &d->at[k];
    if (a->settled) return lt_tok_impl_decoding_put(d, k + 1, s, n);
    LT_TRY(lt_row_put(&a->held, s, n));
    if (a->held.n <= 6) return LT_OK;
    a->settled = true;
    LT_TRY(hex_flush(d, k));
    n = a->held.n;
    a->held.n = 0;
    return lt_tok_impl_decoding_put(d, k + 1, a->held.s, n);
}

static lt_status hex_cut(lt_decoding *d, int k) {
    lt_place *a = &d->at[k];
    if (!a->settled) {
        int value = hex_of(a->held.s, a->held.n);
        int64_t n = a->held.n;
        a->held.n = 0;
        if (value >= 0) return hex_add(d, k, value);
        LT_TRY(hex_flush(d, k));
        LT_TRY(lt_tok_impl_decoding_put(d, k + 1, a->held.s, n));
    }
    a->settled = false;
    return lt_tok_impl_decoding_cut(d, k + 1);
}

/* --- lists ------------------------------------------------------------------------------------------------------------------------------ */

static lt_status once_cut(lt_decoding *d, int k) {
    lt_place *a = &d->at[k];
    lt_row text = a->held;
    bool again = a->index > 0 && text.n == a->run.n && (text.n == 0 || !memcmp(text.s, a->run.s, (size_t)text.n));
    a->held = a->run;
    a->held.n = 0;
    a->run = text;
    a->index++;
    if (again) return LT_OK;
    LT_TRY(lt_tok_impl_decoding_put(d, k + 1, text.s, text.n));
    return lt_tok_impl_decoding_cut(d, k + 1);
}

/* --- which is which ------------------------------------------------------------------------------------------------------------------- */

lt_status lt_tok_impl_step_put(lt_decoding *d, int k, const char *s, int64_t n) {
    const lt_decoder *p = &d->chain->step[k];
    lt_place *a = &d->at[k];
    switch (p->kind) {
    case LT_DEC_REPLACE:
        return replace_put(d, k, s, n, p->content, replacement(p, a));
    case LT_DEC_PREFIX:
        return prefix_put(d, k, s, n);
    case LT_DEC_STRIP:
        return strip_put(d, k, s, n);
    case LT_DEC_HEX:
        return hex_put(d, k, s, n);
    case LT_DEC_FUSE:
        return lt_tok_impl_decoding_put(d, k + 1, s, n);
    case LT_DEC_FILLED:
        a->any = true;
        return lt_tok_impl_decoding_put(d, k + 1, s, n);
    case LT_DEC_LAST:
        LT_TRY(last_flush(d, k, false));
        return lt_row_put(&a->held, s, n);
    case LT_DEC_MATCH:
    case LT_DEC_BYTES:
    case LT_DEC_ONCE:
        return lt_row_put(&a->held, s, n);
    }
    return LT_FAIL(LT_ERR_INTERNAL, "a step of kind %d", (int)p->kind);
}

lt_status lt_tok_impl_step_cut(lt_decoding *d, int k) {
    const lt_decoder *p = &d->chain->step[k];
    lt_place *a = &d->at[k];
    switch (p->kind) {
    case LT_DEC_REPLACE: {
        int64_t bytes = replacement(p, a);
        a->index++;
        return replace_end(d, k, p->content, bytes);
    }
    case LT_DEC_MATCH:
        return match_cut(d, k);
    case LT_DEC_LAST:
        LT_TRY(last_flush(d, k, false));
        a->waits = true;
        return LT_OK;
    case LT_DEC_PREFIX:
        return prefix_cut(d, k);
    case LT_DEC_BYTES:
        return bytes_cut(d, k);
    case LT_DEC_HEX:
        return hex_cut(d, k);
    case LT_DEC_STRIP:
        return strip_cut(d, k);
    case LT_DEC_FUSE:
        return LT_OK;
    case LT_DEC_ONCE:
        return once_cut(d, k);
    case LT_DEC_FILLED: {
        bool any = a->any;
        a->any = false;
        return any ? lt_tok_impl_decoding_cut(d, k + 1) : LT_OK;
    }
    }
    return LT_FAIL(LT_ERR_INTERNAL, "a step of kind %d", (int)p->kind);
}

lt_status lt_tok_impl_step_end(lt_decoding *d, int k) {
    switch (d->chain->step[k].kind) {
    case LT_DEC_LAST:
        return last_flush(d, k, true);
    case LT_DEC_HEX:
        return hex_flush(d, k);
    case LT_DEC_FUSE:
        return lt_tok_impl_decoding_cut(d, k + 1);
    case LT_DEC_BYTES:
        LT_TRY(lt_tok_impl_decoding_lossy(d, k + 1, &d->at[k].run, NULL, 0, true));
        return lt_tok_impl_decoding_cut(d, k + 1);
    default:
        return LT_OK;
    }
}
