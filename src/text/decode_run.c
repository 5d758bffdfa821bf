/* Decoding: tokens go through a chain of steps, and what comes out is text that no later token can change.
 *
 * Method.  A step gets three calls: put() brings bytes of the present text, cut() ends it, end() says that no text follows.  By the same calls it
 * passes on to the step behind it what is certain and holds back the rest: a replacement what may be the beginning of its pattern, ByteFallback a row
 * of byte tokens until another token says that it is whole (one wrong byte turns all of them into U+FFFD), BPEDecoder its last text.  So one code
 * decodes a list and a stream, the two cannot differ, and the work for a token does not grow with the text before it.  Only a regular expression
 * needs whole texts: behind a step that makes one of all, it gives everything at the end.
 *
 * Bytes between steps are UTF-8, but a call may end within a character: steps compare bytes, never characters, which in UTF-8 is the same.
 *
 * Where Hugging Face's code panics there is no error here: Strip takes what is there, first in front.  A chain that blows a text up (each step
 * doubling it) is refused.
 *
 * Reference: Hugging Face tokenizers 0.22.1, src/decoders. */
#include "text/decode_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Bytes that may go through steps, for what is given: any sensible chain stays far below. */
enum { WORK_FREE = 1 << 24, WORK_RATE = 1 << 10 };

const char lt_tok_impl_unknown[] = "\xEF\xBF\xBD";

lt_status lt_row_put(lt_row *r, const char *s, int64_t n) {
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

lt_status lt_tok_impl_decoding_put(lt_decoding *d, int k, const char *s, int64_t n) {
    if (n == 0) return LT_OK;
    d->done += n;
    LT_CHECK(d->done / WORK_RATE <= WORK_FREE / WORK_RATE + d->given, LT_ERR_FORMAT,
             "the decoders of this tokenizer blow a text up: %lld bytes of tokens were %lld between the steps", (long long)d->given,
             (long long)d->done);
    return k == d->n ? lt_row_put(&d->out, s, n) : lt_tok_impl_step_put(d, k, s, n);
}

lt_status lt_tok_impl_decoding_cut(lt_decoding *d, int k) { return k == d->n ? LT_OK : lt_tok_impl_step_cut(d, k); }

int lt_tok_impl_utf8_unit(const char *s, int64_t n, bool *wrong) {
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

lt_status lt_tok_impl_decoding_lossy(lt_decoding *d, int k, lt_row *rest, const char *s, int64_t n, bool end) {
    LT_TRY(lt_row_put(rest, s, n));
    int64_t from = 0, at = 0;
    for (int used; at < rest->n; at += used) {
        bool wrong;
        used = lt_tok_impl_utf8_unit(rest->s + at, rest->n - at, &wrong);
        if (used == 0 && !end) break;
        if (used > 0 && !wrong) continue;
        if (at > from) LT_TRY(lt_tok_impl_decoding_put(d, k, rest->s + from, at - from));
        LT_TRY(lt_tok_impl_decoding_put(d, k, lt_tok_impl_unknown, LT_UNKNOWN_BYTES));
        if (used == 0) used = (int)(rest->n - at);
        from = at + used;
    }
    if (at > from) LT_TRY(lt_tok_impl_decoding_put(d, k, rest->s + from, at - from));
    rest->n -= at;
    if (rest->n > 0) memmove(rest->s, rest->s + at, (size_t)rest->n);
    return LT_OK;
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

int64_t lt_tok_impl_decoding_given(const lt_decoding *d) { return d->given; }

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
    lt_regex_allow(w, (int64_t)bytes, false);
    d->given += (int64_t)bytes + 1;
    LT_TRY(lt_tok_impl_decoding_lossy(d, 0, &d->in, token, (int64_t)bytes, true));
    return lt_tok_impl_decoding_cut(d, 0);
}

lt_status lt_tok_impl_decoding_end(lt_decoding *d, struct lt_tok_work *w) {
    d->room = w;
    for (int k = 0; k < d->n; k++) LT_TRY(lt_tok_impl_step_end(d, k));
    return LT_OK;
}

lt_status lt_tok_impl_decoding_take(lt_decoding *d, char **text, size_t *bytes) {
    int64_t n = 0;
    bool wrong;
    /* only the last three bytes can be the beginning of a character */
    for (int64_t at = d->out.n > 3 ? d->out.n - 3 : 0; n == 0 && at < d->out.n; at++)
        if (((unsigned char)d->out.s[at] & 0xC0) != 0x80 && lt_tok_impl_utf8_unit(d->out.s + at, d->out.n - at, &wrong) == 0)
            n = d->out.n - at;
    lt_row rest = {0};
    if (n > 0) LT_TRY(lt_row_put(&rest, d->out.s + d->out.n - n, n));
    d->out.n -= n;
    lt_status st = lt_row_put(&d->out, "", 1);
    if (st != LT_OK) {
        free(rest.s);
        return st;
    }
    *text = d->out.s;
    *bytes = (size_t)d->out.n - 1;
    d->out = rest;
    return LT_OK;
}
