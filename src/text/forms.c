/* The normal forms NFC, NFD, NFKC and NFKD of texts.
 *
 * Most characters are inert: a form does not change them, whatever follows or, where nothing active follows, precedes.  They are skipped by one look-up each and
 * copied in blocks.  What is left are short segments: active characters and, where characters are composed, the inert one before them.  A segment is taken apart, its
 * marks are brought into canonical order, and it is put together again; this costs the sorting of its marks at most.
 *
 * Spans go by number, as in Hugging Face's tokenizers: the n-th character that a segment leaves has the n-th that went into it, where marks that changed places do not
 * carry their spans along, and a composed character has its first part's. */
#include "text/normalize_impl.h"

#include <stdlib.h>

/* A unit of a segment: class << 56 | number << 22 | first part of its character << 21 | code point.  Once sorted, how many characters it stands for << 21. */
enum { CLASS_SHIFT = 56, NUMBER_SHIFT = 22, FIRST_SHIFT = 21, FEW = 24 };
#define CODE_MASK 0x1FFFFFu
#define NUMBERS   (((uint64_t)1 << CLASS_SHIFT) - 1 - CODE_MASK)

static uint64_t *units(const lt_segment *g) { return (void *)g->w->bytes; }

lt_status lt_norm_impl_segment_add(lt_segment *g, const lt_char_table *t, int32_t c, uint32_t properties, bool compat) {
    int32_t part[LT_CHAR_MOST_PARTS];
    int n = lt_tok_impl_decompose(c, properties, compat, part);
    LT_TRY(lt_tok_impl_room(g->w, (g->n + n) * (int64_t)sizeof(uint64_t)));
    uint64_t *u = units(g);
    for (int i = 0; i < n; i++, g->n++) {
        uint32_t p = n == 1 && part[0] == c ? properties : lt_char_properties(t, part[i]);
        uint64_t class = p & LT_CHAR_CLASS ? (uint64_t)lt_char_class(part[i]) : 0;
        u[g->n] = class << CLASS_SHIFT | (uint64_t)g->n << NUMBER_SHIFT | (uint64_t)(i == 0) << FIRST_SHIFT | (uint64_t)part[i];
    }
    return LT_OK;
}

static int by_value(const void *x, const void *y) {
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return a < b ? -1 : a > b;
}

/* Numbers below the class keep the order of equal classes. */
static void sort(uint64_t *u, int64_t n) {
    if (n > FEW) {
        qsort(u, (size_t)n, sizeof *u, by_value);
        return;
    }
    for (int64_t i = 1; i < n; i++) {
        uint64_t x = u[i];
        int64_t k = i;
        for (; k > 0 && u[k - 1] > x; k--) u[k] = u[k - 1];
        u[k] = x;
    }
}

void lt_norm_impl_segment_order(lt_segment *g) {
    uint64_t *u = units(g);
    for (int64_t i = 0, end; i < g->n; i = end) {
        end = i + 1;
        if (u[i] >> CLASS_SHIFT == 0) continue;
        while (end < g->n && u[end] >> CLASS_SHIFT) end++;
        if (end > i + 1) sort(u + i, end - i);
    }
    for (int64_t i = 0; i < g->n; i++)
        u[i] = u[i] >> CLASS_SHIFT << CLASS_SHIFT | (u[i] >> FIRST_SHIFT & 1) << FIRST_SHIFT | (u[i] & CODE_MASK);
}

/* A character composes with the last starter unless a mark of its class or a higher one, or a starter, is between them. */
static void compose(lt_segment *g) {
    uint64_t *u = units(g);
    int64_t n = 0, starter = -1;
    int last = -1; /* class of what is between the starter and here; -1: nothing */
    for (int64_t i = 0; i < g->n; i++) {
        int class = (int)(u[i] >> CLASS_SHIFT);
        if (starter >= 0 && last < class) {
            int32_t one = lt_tok_impl_compose((int32_t)(u[starter] & CODE_MASK), (int32_t)(u[i] & CODE_MASK));
            if (one) {
                uint64_t taken = ((u[starter] & NUMBERS) + (u[i] & NUMBERS)) & NUMBERS;
                u[starter] = taken | (uint64_t)one;
                continue;
            }
        }
        if (class == 0) {
            starter = n;
            last = -1;
        } else {
            last = class;
        }
        u[n++] = u[i];
    }
    g->n = n;
}

typedef struct form {
    bool compat, compose;
    uint32_t active;
} form;

/* The first active character, or the one before it: it may take part. */
static int64_t same(const void *state, const char *text, int64_t at, int64_t end) {
    const form *f = state;
    const lt_char_table *t = lt_tok_impl_chars();
    for (int64_t begin = at;;) {
        at = lt_skip_ascii(text, at, end);
        if (at == end) return end;
        int32_t c;
        int bytes = lt_char_read(text + at, &c);
        if (lt_char_properties(t, c) & f->active) {
            if (!f->compose || at == begin) return at;
            do at--;
            while (((unsigned char)text[at] & 0xC0) == 0x80);
            return at;
        }
        at += bytes;
    }
}

static int64_t next_char(const char *text, int64_t at) {
    int32_t c;
    return at + lt_char_read(text + at, &c);
}

/* Appends a segment that began at `at`. */
static lt_status put_segment(const lt_segment *g, const lt_stage *s, int64_t at, lt_stage *out) {
    LT_TRY(lt_stage_reserve(out, 4 * g->n));
    for (int64_t i = 0, from = at; i < g->n; i++) {
        int64_t taken;
        int32_t c = lt_norm_segment_at(g, i, &taken);
        if (taken > 0) from = at;
        lt_norm_put(out, c, s, from);
        for (; out->spans && taken > 0; taken--) {
            from = at;
            at = next_char(s->text.s, at);
        }
    }
    return LT_OK;
}

static lt_status write(const void *state, lt_tok_work *w, const lt_stage *s, int64_t at, int64_t end, lt_stage *out) {
    const form *f = state;
    const lt_char_table *t = lt_tok_impl_chars();
    while (at < end) {
        lt_segment g = {.w = w};
        int64_t begin = at;
        for (int32_t c; at < end;) {
            int bytes = lt_char_read(s->text.s + at, &c);
            uint32_t p = lt_char_properties(t, c);
            if (at > begin && !(p & f->active)) break;
            LT_TRY(lt_norm_impl_segment_add(&g, t, c, p, f->compat));
            at += bytes;
        }
        lt_norm_impl_segment_order(&g);
        if (f->compose) compose(&g);
        LT_TRY(put_segment(&g, s, begin, out));
        int64_t next = same(f, s->text.s, at, end);
        LT_TRY(lt_stage_copy(out, s, at, next));
        at = next;
    }
    return LT_OK;
}

static const form nfd = {.active = LT_CHAR_CANONICAL | LT_CHAR_CLASS};
static const form nfkd = {.compat = true, .active = LT_CHAR_CANONICAL | LT_CHAR_COMPAT | LT_CHAR_CLASS};
static const form nfc = {.compose = true, .active = LT_CHAR_NOT_NFC | LT_CHAR_SECOND | LT_CHAR_CLASS};
static const form nfkc = {.compat = true, .compose = true, .active = LT_CHAR_NOT_NFC | LT_CHAR_COMPAT | LT_CHAR_SECOND | LT_CHAR_CLASS};

lt_status lt_norm_impl_run_nfc(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    (void)state;
    return lt_norm_impl_run(&nfc, w, s, spare, same, write);
}
lt_status lt_norm_impl_run_nfd(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    (void)state;
    return lt_norm_impl_run(&nfd, w, s, spare, same, write);
}
lt_status lt_norm_impl_run_nfkc(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    (void)state;
    return lt_norm_impl_run(&nfkc, w, s, spare, same, write);
}
lt_status lt_norm_impl_run_nfkd(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    (void)state;
    return lt_norm_impl_run(&nfkd, w, s, spare, same, write);
}
