/* Merges of a vocabulary that has scores instead: sentencepiece's BPE joins the neighbours whose joint token scores best.  Written down as a list of merges, best first, the
 * plain model gives the same tokens.
 *
 * A token may be made in several ways, one for each place where it falls into two tokens; all of them become merges.  The order of those that share a score decides little
 * and is the one of Hugging Face's converter: longer left sides first, then longer right sides, then ids. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct scored {
    float score;
    int32_t left_chars, right_chars;
    int64_t order; /* as found: what equal ones are told apart by */
    lt_merge merge;
} scored;

typedef struct found {
    scored *at;
    int64_t n, cap;
} found;

static int by_ids(const void *x, const void *y) {
    const scored *a = x, *b = y;
    if (a->merge.left != b->merge.left) return a->merge.left < b->merge.left ? -1 : 1;
    return a->merge.right == b->merge.right ? 0 : a->merge.right < b->merge.right ? -1 : 1;
}

static int by_score(const void *x, const void *y) {
    const scored *a = x, *b = y;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    if (a->left_chars != b->left_chars) return a->left_chars > b->left_chars ? -1 : 1;
    if (a->right_chars != b->right_chars) return a->right_chars > b->right_chars ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

/* All ways to make one token. */
static lt_status add_token(const lt_vocab *v, int64_t id, float score, found *f) {
    size_t bytes = 0;
    int32_t chars = 0, left_chars = 0, c;
    int64_t first = f->n;
    const char *s = lt_vocab_text(v, id, &bytes);
    for (size_t i = 0; s && i < bytes; i++) chars += ((unsigned char)s[i] & 0xC0) != 0x80;
    for (size_t at = 0; s && at < bytes;) {
        at += (size_t)lt_tok_impl_char(s + at, &c);
        left_chars++;
        if (at >= bytes) break;
        int32_t left = lt_vocab_find(v, s, at), right = left < 0 ? -1 : lt_vocab_find(v, s + at, bytes - at);
        if (right < 0) continue;
        if (f->n == f->cap) {
            int64_t cap = 2 * f->cap + 4096;
            scored *grown = realloc(f->at, (size_t)cap * sizeof *grown);
            LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld merges", (long long)cap);
            f->at = grown;
            f->cap = cap;
        }
        f->at[f->n++] = (scored){score, left_chars, chars - left_chars, 0, {left, right}};
    }
    if (f->n > first) qsort(f->at + first, (size_t)(f->n - first), sizeof *f->at, by_ids);
    return LT_OK;
}

lt_status lt_tok_impl_merges_of_scores(const lt_vocab *v, const float *score, lt_merge **merge, int64_t *n) {
    found f = {0};
    lt_status st = LT_OK;
    for (int64_t id = 0; id < v->n; id++) {
        LT_CHECK_GOTO(!isnan(score[id]), st, done, LT_ERR_FORMAT, "the score of token %lld is no number", (long long)id);
        LT_TRY_GOTO(add_token(v, id, score[id], &f), st, done);
    }
    for (int64_t i = 0; i < f.n; i++) f.at[i].order = i;
    if (f.n > 0) qsort(f.at, (size_t)f.n, sizeof *f.at, by_score);
    LT_TRY_GOTO(lt_calloc(merge, f.n + 1, sizeof **merge, "merges"), st, done);
    for (int64_t i = 0; i < f.n; i++) (*merge)[i] = f.at[i].merge;
    *n = f.n;
done:
    free(f.at);
    return st;
}
