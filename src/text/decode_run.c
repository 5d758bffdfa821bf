/* Decoding: tokens go through a chain of steps and come out as text, with no word of the whole held where a part of it is certain.
 *
 * Method.  A step gets three calls: put() brings bytes of the present text, cut() ends it, end() says that no text follows.  It passes on, by the same three calls to the
 * step behind it, what can no longer change: a replacement holds back what may be the beginning of its pattern (as Knuth, Morris and Pratt have it: no byte is looked at
 * again), a chain of byte tokens is held until the next other token says that it is one (a single wrong byte turns them all into U+FFFD), BPEDecoder holds its last text.
 * So one code decodes a whole list and a stream, the two cannot differ, and the work for a token does not grow with the length of the text.  One step looks at whole texts:
 * a regular expression behind a step that fuses all texts gives its text at the end.
 *
 * Bytes between steps are valid UTF-8 in order, but a call may end within a character: steps compare bytes, never characters, which is the same in UTF-8.
 *
 * What Hugging Face's code panics at is no error here: Strip takes what is there, first in front.  A chain that blows a text up (each step doubling it) is refused.
 *
 * Reference: Hugging Face tokenizers 0.22.1, src/decoders. */
#include "text/decode_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A growing row of bytes. */
typedef struct row {
    char *s;
    int64_t n, cap;
} row;

static lt_status row_put(row *r, const char *s, int64_t n) {
    if (n > r->cap - r->n) {
        int64_t cap = 2 * r->cap > r->n + n ? 2 * r->cap : r->n + n + 32;
        char *grown = realloc(r->s, (size_t)cap);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for a text of %lld bytes", (long long)cap);
        r->s = grown;
        r->cap = cap;
    }
    if (n > 0) memcpy(r->s + r->n, s, (size_t)n);
    r->n += n;
    return LT_OK;
}

/* Where a step is. */
typedef struct place {
    int64_t index;   /* of the present text */
    int64_t matched; /* bytes of the pattern that are held back */
    int64_t count;   /* STRIP: characters that went in front */
    int64_t tail;    /* STRIP: characters held back at the end.  HEX: bytes of `run` that are whole characters */
    bool any;        /* the present text has bytes */
    bool settled;    /* PREFIX, HEX, STRIP: the beginning of the present text is decided */
    bool broken;     /* HEX: the bytes of this row are no text */
    bool waits;      /* LAST: `held` is a whole text */
    row held, run;
} place;

struct lt_decoding {
    const lt_decoders *chain;
    int n; /* steps of the chain that count here */
    lt_tok_work *room;
    place *at;           /* [n] */
    row in;              /* what a token or bytes may end in: half a character */
    row out;             /* text that is certain, and not yet taken */
    int64_t given, done; /* bytes of tokens, and bytes that went from step to step */
};

/* Bytes that may go through steps, for what is given: any sensible chain stays far below. */
enum { WORK_FREE = 1 << 26, WORK_RATE = 1 << 13 };

static lt_status put(lt_decoding *d, int k, const char *s, int64_t n);
static lt_status cut(lt_decoding *d, int k);

static const char unknown[] = "\xEF\xBF\xBD";

/* Length of the character that s [n > 0] begins with; if *wrong, that of the longest beginning of one, as Rust has it (and Unicode recommends); 0: what follows decides. */
static int unit(const char *s, int64_t n, bool *wrong) {
    int c = (unsigned char)s[0], bytes = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
    int low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80, high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    *wrong = bytes == 0;
    for (int i = 1; i < bytes; i++, low = 0x80, high = 0xBF) {
        if (i == n) return 0;
        int next = (unsigned char)s[i];
        if (next >= low && next <= high) continue;
        *wrong = true;
        return i;
    }
    return bytes ? bytes : 1;
}

/* Passes bytes on as text, what is none as U+FFFD; half a character stays in `rest`, unless it is the end. */
static lt_status put_lossy(lt_decoding *d, int k, row *rest, const char *s, int64_t n, bool end) {
    LT_TRY(row_put(rest, s, n));
    int64_t from = 0, at = 0;
    for (int used; at < rest->n; at += used) {
        bool wrong;
        used = unit(rest->s + at, rest->n - at, &wrong);
        if (used == 0 && !end) break;
        if (used > 0 && !wrong) continue;
        if (at > from) LT_TRY(put(d, k, rest->s + from, at - from));
        LT_TRY(put(d, k, unknown, 3));
        if (used == 0) used = (int)(rest->n - at);
        from = at + used;
    }
    if (at > from) LT_TRY(put(d, k, rest->s + from, at - from));
    rest->n -= at;
    if (rest->n > 0) memmove(rest->s, rest->s + at, (size_t)rest->n);
    return LT_OK;
}

/* --- replacements --------------------------------------------------------------------------------------------------------------------- */

/* An empty pattern has a place before every character, and one at the end (replace_end). */
static lt_status insert_put(lt_decoding *d, int k, const char *s, int64_t n, const char *content, int64_t bytes) {
    for (int64_t i = 0, to; i < n; i = to) {
        for (to = i + 1; to < n && ((unsigned char)s[to] & 0xC0) == 0x80;) to++;
        if (((unsigned char)s[i] & 0xC0) != 0x80) LT_TRY(put(d, k + 1, content, bytes));
        LT_TRY(put(d, k + 1, s + i, to - i));
    }
    return LT_OK;
}

static lt_status replace_put(lt_decoding *d, int k, const char *s, int64_t n, const char *content, int64_t bytes) {
    const lt_decoder *p = &d->chain->step[k];
    place *a = &d->at[k];
    a->any = a->any || n > 0;
    if (p->pattern_bytes == 0) return insert_put(d, k, s, n, content, bytes);
    for (int64_t i = 0; i < n;) {
        if (a->matched == 0) {
            const char *hit = memchr(s + i, p->pattern[0], (size_t)(n - i));
            int64_t to = hit ? hit - s : n;
            if (to > i) LT_TRY(put(d, k + 1, s + i, to - i));
            i = to;
            if (!hit) break;
        }
        while (a->matched > 0 && p->pattern[a->matched] != s[i]) {
            int64_t keep = p->border[a->matched];
            LT_TRY(put(d, k + 1, p->pattern, a->matched - keep));
            a->matched = keep;
        }
        if (p->pattern[a->matched] != s[i]) continue;
        i++;
        if (++a->matched < p->pattern_bytes) continue;
        a->matched = 0;
        LT_TRY(put(d, k + 1, content, bytes));
    }
    return LT_OK;
}

static lt_status replace_end(lt_decoding *d, int k, const char *content, int64_t bytes) {
    const lt_decoder *p = &d->chain->step[k];
    place *a = &d->at[k];
    if (a->matched > 0) LT_TRY(put(d, k + 1, p->pattern, a->matched));
    if (p->pattern_bytes == 0 && (a->any || p->even_empty)) LT_TRY(put(d, k + 1, content, bytes));
    a->matched = 0;
    a->any = false;
    return cut(d, k + 1);
}

static int64_t replacement(const lt_decoder *p, const place *a) { return p->first_empty && a->index == 0 ? 0 : p->content_bytes; }

/* The text that waits, now that it is known whether another follows. */
static lt_status last_flush(lt_decoding *d, int k, bool last) {
    const lt_decoder *p = &d->chain->step[k];
    place *a = &d->at[k];
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
    row *text = &d->at[k].held;
    int64_t from = 0, last = -1;
    for (int64_t at = 0, begin, end; at <= text->n && text->n > 0;) {
        bool found;
        LT_TRY(lt_regex_next(p->regex, d->room, text->s, text->n, at, &found, &begin, &end));
        if (!found) break;
        if (begin == end && end == last) {
            for (at = end + 1; at < text->n && ((unsigned char)text->s[at] & 0xC0) == 0x80;) at++;
            continue;
        }
        if (begin > from) LT_TRY(put(d, k + 1, text->s + from, begin - from));
        LT_TRY(put(d, k + 1, p->content, p->content_bytes));
        at = last = from = end;
    }
    if (text->n > from) LT_TRY(put(d, k + 1, text->s + from, text->n - from));
    text->n = 0;
    return cut(d, k + 1);
}

/* --- the beginnings and ends of texts --------------------------------------------------------------------------------------------------- */

static lt_status prefix_put(lt_decoding *d, int k, const char *s, int64_t n) {
    const lt_decoder *p = &d->chain->step[k];
    place *a = &d->at[k];
    if (a->index > 0 && !a->settled) {
        while (!p->all && n > 0 && a->matched < p->pattern_bytes && p->pattern[a->matched] == *s) s++, n--, a->matched++;
        if (n == 0) return LT_OK;
        a->settled = true;
        if (p->all || a->matched < p->pattern_bytes) {
            LT_TRY(put(d, k + 1, " ", 1));
            LT_TRY(put(d, k + 1, p->pattern, a->matched));
        }
    }
    return put(d, k + 1, s, n);
}

static lt_status prefix_cut(lt_decoding *d, int k) {
    const lt_decoder *p = &d->chain->step[k];
    place *a = &d->at[k];
    if (a->index > 0 && !a->settled && (p->all || a->matched < p->pattern_bytes)) {
        LT_TRY(put(d, k + 1, " ", 1));
        LT_TRY(put(d, k + 1, p->pattern, a->matched));
    }
    a->settled = false;
    a->matched = 0;
    a->index++;
    return cut(d, k + 1);
}

/* Passes on characters that were held back as perhaps the last ones. */
static lt_status strip_release(lt_decoding *d, int k) {
    const lt_decoder *p = &d->chain->step[k];
    place *a = &d->at[k];
    for (; a->tail > 0; a->tail--) LT_TRY(put(d, k + 1, p->pattern, p->pattern_bytes));
    LT_TRY(put(d, k + 1, p->pattern, a->matched));
    a->matched = 0;
    return LT_OK;
}

static lt_status strip_behind(lt_decoding *d, int k, const char *s, int64_t n) {
    const lt_decoder *p = &d->chain->step[k];
    place *a = &d->at[k];
    if (p->stop == 0) return put(d, k + 1, s, n);
    for (int64_t i = 0; i < n;) {
        if (s[i] == p->pattern[a->matched]) {
            i++;
            if (++a->matched < p->pattern_bytes) continue;
            a->matched = 0;
            if (++a->tail <= p->stop) continue;
            a->tail--;
            LT_TRY(put(d, k + 1, p->pattern, p->pattern_bytes));
            continue;
        }
        bool held = a->matched > 0;
        LT_TRY(strip_release(d, k));
        if (held) continue; /* the byte may begin another one */
        const char *hit = memchr(s + i, p->pattern[0], (size_t)(n - i));
        int64_t to = hit ? hit - s : n;
        LT_TRY(put(d, k + 1, s + i, to - i));
        i = to;
    }
    return LT_OK;
}

/* The beginning is over: what was held back of one more character is text. */
static lt_status strip_settle(lt_decoding *d, int k) {
    place *a = &d->at[k];
    int64_t matched = a->matched;
    a->settled = true;
    a->matched = 0;
    return strip_behind(d, k, d->chain->step[k].pattern, matched);
}

static lt_status strip_put(lt_decoding *d, int k, const char *s, int64_t n) {
    const lt_decoder *p = &d->chain->step[k];
    place *a = &d->at[k];
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
    place *a = &d->at[k];
    if (!a->settled) LT_TRY(strip_settle(d, k));
    if (a->matched > 0) LT_TRY(strip_release(d, k));
    a->settled = false;
    a->count = a->tail = 0;
    return cut(d, k + 1);
}

/* --- bytes ----------------------------------------------------------------------------------------------------------------------------- */

/* The byte that a character of GPT-2's alphabet stands for, -1 if it is none: printable characters of Latin-1 are themselves, the others follow from U+0100. */
static int byte_of(int32_t c) {
    if ((c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255)) return c;
    int n = c - 256;
    if (n < 0 || n > 67) return -1;
    return n <= 32 ? n : n <= 66 ? n - 33 + 127 : 173;
}

static lt_status bytes_cut(lt_decoding *d, int k) {
    place *a = &d->at[k];
    row *text = &a->held;
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
    LT_TRY(put_lossy(d, k + 1, &a->run, text->s, all ? n : text->n, false));
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
        LT_TRY(put(d, k + 1, unknown, 3));
        LT_TRY(cut(d, k + 1));
    }
    return LT_OK;
}

/* Adds a byte to the row of them. */
static lt_status hex_add(lt_decoding *d, int k, int value) {
    place *a = &d->at[k];
    if (a->broken) return hex_unknown(d, k, 1);
    LT_TRY(row_put(&a->run, &(char){(char)value}, 1));
    int used = unit(a->run.s + a->tail, a->run.n - a->tail, &a->broken);
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
    place *a = &d->at[k];
    int64_t n = a->run.n;
    bool whole = a->tail == n;
    a->broken = false;
    a->run.n = a->tail = 0;
    if (n == 0) return LT_OK;
    if (!whole) return hex_unknown(d, k, n);
    LT_TRY(put(d, k + 1, a->run.s, n));
    return cut(d, k + 1);
}

static lt_status hex_put(lt_decoding *d, int k, const char *s, int64_t n) {
    place *a = &d->at[k];
    if (a->settled) return put(d, k + 1, s, n);
    LT_TRY(row_put(&a->held, s, n));
    if (a->held.n <= 6) return LT_OK;
    a->settled = true;
    LT_TRY(hex_flush(d, k));
    n = a->held.n;
    a->held.n = 0;
    return put(d, k + 1, a->held.s, n);
}

static lt_status hex_cut(lt_decoding *d, int k) {
    place *a = &d->at[k];
    if (!a->settled) {
        int value = hex_of(a->held.s, a->held.n);
        int64_t n = a->held.n;
        a->held.n = 0;
        if (value >= 0) return hex_add(d, k, value);
        LT_TRY(hex_flush(d, k));
        LT_TRY(put(d, k + 1, a->held.s, n));
    }
    a->settled = false;
    return cut(d, k + 1);
}

/* --- lists ------------------------------------------------------------------------------------------------------------------------------ */

static lt_status once_cut(lt_decoding *d, int k) {
    place *a = &d->at[k];
    row text = a->held;
    bool again = a->index > 0 && text.n == a->run.n && (text.n == 0 || !memcmp(text.s, a->run.s, (size_t)text.n));
    a->held = a->run;
    a->held.n = 0;
    a->run = text;
    a->index++;
    if (again) return LT_OK;
    LT_TRY(put(d, k + 1, text.s, text.n));
    return cut(d, k + 1);
}

static lt_status put(lt_decoding *d, int k, const char *s, int64_t n) {
    if (n == 0) return LT_OK;
    d->done += n;
    LT_CHECK(d->done / WORK_RATE <= WORK_FREE / WORK_RATE + d->given, LT_ERR_FORMAT,
             "the decoders of this tokenizer blow a text up: %lld bytes of tokens were %lld between the steps", (long long)d->given,
             (long long)d->done);
    if (k == d->n) return row_put(&d->out, s, n);
    const lt_decoder *p = &d->chain->step[k];
    place *a = &d->at[k];
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
        return put(d, k + 1, s, n);
    case LT_DEC_FILLED:
        a->any = true;
        return put(d, k + 1, s, n);
    case LT_DEC_LAST:
        LT_TRY(last_flush(d, k, false));
        return row_put(&a->held, s, n);
    case LT_DEC_MATCH:
    case LT_DEC_BYTES:
    case LT_DEC_ONCE:
        return row_put(&a->held, s, n);
    }
    return LT_FAIL(LT_ERR_INTERNAL, "a step of kind %d", (int)p->kind);
}

static lt_status cut(lt_decoding *d, int k) {
    if (k == d->n) return LT_OK;
    const lt_decoder *p = &d->chain->step[k];
    place *a = &d->at[k];
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
        return any ? cut(d, k + 1) : LT_OK;
    }
    }
    return LT_FAIL(LT_ERR_INTERNAL, "a step of kind %d", (int)p->kind);
}

/* No text follows for step k: what it holds goes on. */
static lt_status end(lt_decoding *d, int k) {
    switch (d->chain->step[k].kind) {
    case LT_DEC_LAST:
        return last_flush(d, k, true);
    case LT_DEC_HEX:
        return hex_flush(d, k);
    case LT_DEC_FUSE:
        return cut(d, k + 1);
    case LT_DEC_BYTES:
        LT_TRY(put_lossy(d, k + 1, &d->at[k].run, NULL, 0, true));
        return cut(d, k + 1);
    default:
        return LT_OK;
    }
}

/* --- a text from its tokens --------------------------------------------------------------------------------------------------------------- */

lt_status lt_tok_impl_decoding_start(const lt_decoders *chain, bool clean_up, lt_decoding **out) {
    lt_decoding *d = NULL;
    LT_TRY(lt_calloc(&d, 1, sizeof *d, "a text"));
    d->chain = chain;
    d->n = chain->n + (clean_up ? chain->n_clean : 0);
    lt_status st = lt_calloc(&d->at, d->n, sizeof *d->at, "a text");
    if (st != LT_OK)
        free(d);
    else
        *out = d;
    return st;
}

void lt_tok_impl_decoding_free(lt_decoding **decoding) {
    lt_decoding *d = *decoding;
    if (!d) return;
    for (int k = 0; k < d->n; k++) {
        free(d->at[k].held.s);
        free(d->at[k].run.s);
    }
    free(d->at);
    free(d->in.s);
    free(d->out.s);
    free(d);
    *decoding = NULL;
}

lt_status lt_tok_impl_decoding_add(lt_decoding *d, struct lt_tok_work *w, const char *token, size_t bytes) {
    d->room = w;
    d->given += (int64_t)bytes + 1;
    LT_TRY(put_lossy(d, 0, &d->in, token, (int64_t)bytes, true));
    return cut(d, 0);
}

lt_status lt_tok_impl_decoding_end(lt_decoding *d, struct lt_tok_work *w) {
    d->room = w;
    for (int k = 0; k < d->n; k++) LT_TRY(end(d, k));
    return LT_OK;
}

lt_status lt_tok_impl_decoding_take(lt_decoding *d, char **text, size_t *bytes) {
    int64_t n = 0;
    bool wrong;
    /* only the last three bytes can be the beginning of a character */
    for (int64_t at = d->out.n > 3 ? d->out.n - 3 : 0; n == 0 && at < d->out.n; at++)
        if (((unsigned char)d->out.s[at] & 0xC0) != 0x80 && unit(d->out.s + at, d->out.n - at, &wrong) == 0) n = d->out.n - at;
    row rest = {0};
    LT_TRY(row_put(&rest, d->out.s + d->out.n - n, n));
    d->out.n -= n;
    lt_status st = row_put(&d->out, "", 1);
    if (st != LT_OK) {
        free(rest.s);
        return st;
    }
    *text = d->out.s;
    *bytes = (size_t)d->out.n - 1;
    d->out = rest;
    return LT_OK;
}

lt_status lt_tok_impl_decode(const lt_decoders *chain, struct lt_tok_work *w, const char *const *token, const size_t *bytes, int64_t n,
                             char **text, size_t *text_bytes) {
    lt_decoding *d = NULL;
    lt_status st;
    LT_TRY(lt_tok_impl_decoding_start(chain, false, &d));
    for (int64_t i = 0; i < n; i++) LT_TRY_GOTO(lt_tok_impl_decoding_add(d, w, token[i], bytes[i]), st, done);
    LT_TRY_GOTO(lt_tok_impl_decoding_end(d, w), st, done);
    LT_TRY_GOTO(lt_tok_impl_decoding_take(d, text, text_bytes), st, done);
done:
    lt_tok_impl_decoding_free(&d);
    return st;
}
