#pragma once
/* Private to the normalisers: what they share. */

#include "text/unicode_impl.h"

#include <string.h>

/* Where the first character begins that a normaliser may change in [at, end) of text; end if there is none.  What stands before it is copied as it is, and has no
 * part in what becomes of the rest. */
typedef int64_t lt_norm_same_fn(const void *state, const char *text, int64_t at, int64_t end);
/* Appends bytes [at, end) of s, the rest of a piece, normalised. */
typedef lt_status lt_norm_write_fn(const void *state, lt_tok_work *w, const lt_stage *s, int64_t at, int64_t end, lt_stage *out);
/* Runs a normaliser over all pieces of text.  A text that it leaves alone is not copied. */
lt_status lt_norm_impl_run(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare, lt_norm_same_fn *same, lt_norm_write_fn *write);
/* Appends a piece of another stage as it is. */
lt_status lt_norm_impl_keep(const lt_stage *s, lt_piece p, lt_stage *out);

/* A setting that must be there.  Errors: FORMAT. */
lt_status lt_norm_impl_get_bool(const json_t *o, const char *where, const char *key, bool *value);
lt_status lt_norm_impl_get_text(const json_t *o, const char *where, const char *key, const char **text, size_t *bytes);

/* Appends character c with the span of the byte `from` of s.  out has room for 4 bytes. */
static inline void lt_norm_put(lt_stage *out, int32_t c, const lt_stage *s, int64_t from) {
    int64_t n = out->text.n;
    int bytes = lt_char_write(c, out->text.s + n);
    for (int i = 0; out->spans && i < bytes; i++) out->text.from[n + i] = s->text.from[from];
    out->text.n = n + bytes;
}

/* Appends ASCII bytes [at, end) of s in lower case. */
lt_status lt_norm_impl_put_lower(lt_stage *out, const lt_stage *s, int64_t at, int64_t end);

/* --- eight bytes at a time ---------------------------------------------------------------------------------------------------------------- */

enum { LT_EIGHT = 8 };
#define LT_EACH(byte) (0x0101010101010101u * (uint64_t)(byte))

static inline uint64_t lt_eight(const char *s) {
    uint64_t x;
    memcpy(&x, s, sizeof x);
    return x;
}
static inline bool lt_eight_ascii(uint64_t x) { return (x & LT_EACH(0x80)) == 0; }
/* Of ASCII bytes: whether all are from ' ' to '~', and whether one is from 'A' to 'Z'. */
static inline bool lt_eight_printable(uint64_t x) { return ((x + LT_EACH(0x60)) & ~(x + LT_EACH(1)) & LT_EACH(0x80)) == LT_EACH(0x80); }
static inline bool lt_eight_upper(uint64_t x) { return ((x + LT_EACH(0x3F)) & ~(x + LT_EACH(0x25)) & LT_EACH(0x80)) != 0; }

/* Where the first byte is in [at, end) that is not ASCII, or not from ' ' to '~'. */
static inline int64_t lt_skip_ascii(const char *s, int64_t at, int64_t end) {
    while (at + LT_EIGHT <= end && lt_eight_ascii(lt_eight(s + at))) at += LT_EIGHT;
    while (at < end && (unsigned char)s[at] < 0x80) at++;
    return at;
}
static inline int64_t lt_skip_printable(const char *s, int64_t at, int64_t end) {
    for (uint64_t x; at + LT_EIGHT <= end && lt_eight_ascii(x = lt_eight(s + at)) && lt_eight_printable(x);) at += LT_EIGHT;
    while (at < end && s[at] >= ' ' && s[at] <= '~') at++;
    return at;
}

/* --- normal forms (forms.c) --------------------------------------------------------------------------------------------------------------- */

/* Characters whose order, and what they compose to, depend on one another; they lie in w->bytes. */
typedef struct lt_segment {
    lt_tok_work *w;
    int64_t n;
} lt_segment;
/* Appends the parts of a character.  Errors: NOMEM. */
lt_status lt_norm_impl_segment_add(lt_segment *g, const lt_char_table *t, int32_t c, uint32_t properties, bool compat);
/* Brings marks into canonical order. */
void lt_norm_impl_segment_order(lt_segment *g);
/* One character of an ordered segment.  *taken: how many characters of the text it stands for; 0: it was added to the one before. */
static inline int32_t lt_norm_segment_at(const lt_segment *g, int64_t i, int64_t *taken) {
    uint64_t u;
    memcpy(&u, g->w->bytes + i * (int64_t)sizeof u, sizeof u);
    *taken = (int64_t)(u >> 21 & 0x7FFFFFFFF);
    return (int32_t)(u & 0x1FFFFF);
}

lt_status lt_norm_impl_run_nfc(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare);
lt_status lt_norm_impl_run_nfd(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare);
lt_status lt_norm_impl_run_nfkc(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare);
lt_status lt_norm_impl_run_nfkd(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare);

/* --- replace.c, bert.c, precompiled.c ---------------------------------------------------------------------------------------------------------------- */

lt_status lt_norm_impl_open_prepend(const json_t *o, const char *where, void **state);
lt_status lt_norm_impl_run_prepend(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare);
lt_status lt_norm_impl_open_replace(const json_t *o, const char *where, void **state);
lt_status lt_norm_impl_run_replace(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare);
void lt_norm_impl_close_replace(void *state);
lt_status lt_norm_impl_open_bert(const json_t *o, const char *where, void **state);
lt_status lt_norm_impl_run_bert(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare);
lt_status lt_norm_impl_open_precompiled(const json_t *o, const char *where, void **state);
void lt_norm_impl_close_precompiled(void *state);
lt_status lt_norm_impl_run_precompiled(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare);
