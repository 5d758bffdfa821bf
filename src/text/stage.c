/* A text on its way through the steps: bytes that grow, pieces that get finer, and the room that one handle works in. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void lt_stage_free(lt_stage *s) {
    free(s->text.s);
    free(s->text.from);
    free(s->piece);
    *s = (lt_stage){0};
}

void lt_stage_clear(lt_stage *s) {
    s->text.n = 0;
    s->n = 0;
}

int64_t lt_stage_limit(int64_t bytes) {
    enum { FREE = 1 << 16, RATE = 64 };
    return bytes < (INT32_MAX - FREE) / RATE ? FREE + RATE * bytes : INT32_MAX;
}

static lt_status too_long(const lt_stage *s) {
    return LT_FAIL(LT_ERR_FORMAT, "the steps of this tokenizer blow a text up: more than %lld bytes are not expected of one of this length",
                   (long long)s->most);
}

lt_status lt_stage_reserve(lt_stage *s, int64_t n) {
    lt_flow *f = &s->text;
    if (s->most && f->n > s->most) return too_long(s);
    if (f->n + n <= f->cap && (f->from || !s->spans)) return LT_OK;
    int64_t cap = f->n + n <= f->cap ? f->cap : 2 * f->cap + n + 256;
    char *grown = realloc(f->s, (size_t)cap);
    LT_CHECK(grown, LT_ERR_NOMEM, "no memory for a text of %lld bytes", (long long)cap);
    f->s = grown;
    if (s->spans) {
        lt_span *from = realloc(f->from, (size_t)cap * sizeof *from);
        LT_CHECK(from, LT_ERR_NOMEM, "no memory for the places of a text of %lld bytes", (long long)cap);
        f->from = from;
    } else { /* of an earlier text, and now too short */
        free(f->from);
        f->from = NULL;
    }
    f->cap = cap;
    return LT_OK;
}

lt_status lt_stage_put(lt_stage *s, const char *bytes, int64_t n, lt_span from) {
    LT_TRY(lt_stage_reserve(s, n));
    if (n > 0) memcpy(s->text.s + s->text.n, bytes, (size_t)n);
    for (int64_t i = 0; s->spans && i < n; i++) s->text.from[s->text.n + i] = from;
    s->text.n += n;
    return LT_OK;
}

lt_status lt_stage_copy(lt_stage *s, const lt_stage *from, int64_t begin, int64_t end) {
    LT_TRY(lt_stage_reserve(s, end - begin));
    memcpy(s->text.s + s->text.n, from->text.s + begin, (size_t)(end - begin));
    if (s->spans) memcpy(s->text.from + s->text.n, from->text.from + begin, (size_t)(end - begin) * sizeof *s->text.from);
    s->text.n += end - begin;
    return LT_OK;
}

lt_status lt_stage_piece(lt_stage *s, lt_piece p) {
    if (p.begin == p.end && p.id < 0) return LT_OK;
    if (s->most && p.end > s->most) return too_long(s);
    if (s->n == s->cap) {
        int64_t cap = 2 * s->cap + 64;
        lt_piece *grown = realloc(s->piece, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for a text of %lld pieces", (long long)cap);
        s->piece = grown;
        s->cap = cap;
    }
    s->piece[s->n++] = p;
    return LT_OK;
}

lt_span lt_stage_span(const lt_stage *s, int64_t begin, int64_t end) {
    if (!s->spans || begin >= end) return (lt_span){0, 0};
    lt_span all = s->text.from[begin];
    for (int64_t i = begin + 1; i < end; i++) {
        lt_span one = s->text.from[i];
        if (one.begin < all.begin) all.begin = one.begin;
        if (one.end > all.end) all.end = one.end;
    }
    return all;
}

void lt_stage_swap_pieces(lt_stage *s, lt_stage *spare) {
    lt_piece *piece = s->piece;
    int64_t n = s->n, cap = s->cap;
    s->piece = spare->piece;
    s->n = spare->n;
    s->cap = spare->cap;
    spare->piece = piece;
    spare->n = n;
    spare->cap = cap;
}

void lt_stage_swap(lt_stage *s, lt_stage *spare) {
    lt_stage other = *s;
    *s = *spare;
    *spare = other;
}

lt_status lt_tok_impl_room(lt_tok_work *w, int64_t n) {
    if (n <= w->bytes_cap) return LT_OK;
    char *grown = realloc(w->bytes, (size_t)(n + n / 2));
    LT_CHECK(grown, LT_ERR_NOMEM, "no memory for a text of %lld bytes", (long long)n);
    w->bytes = grown;
    w->bytes_cap = n + n / 2;
    return LT_OK;
}

lt_status lt_tokens_push(lt_tokens *t, int32_t id, int64_t begin, int64_t end) {
    if (t->n == t->cap) {
        int64_t cap = 2 * t->cap + 64;
        lt_token *grown = realloc(t->at, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld tokens", (long long)cap);
        t->at = grown;
        t->cap = cap;
    }
    t->at[t->n++] = (lt_token){id, (int32_t)begin, (int32_t)end};
    return LT_OK;
}
