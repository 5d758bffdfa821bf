/* The vocabulary files of llama2.c: sentencepiece-style BPE by scores with byte fallback.
 *
 *   file      int32 longest token in bytes, then for every token: f32 score, int32 bytes, the bytes
 *   ids       0 <unk>, 1 <s>, 2 </s>, 3..258 single bytes, then learned pieces
 *   encoding  a space in front, every character its own token (or its bytes), then the pair whose joint token scores best is merged until none is left */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNK = 0, BOS = 1, EOS = 2, FIRST_BYTE = 3, LONGEST = 1024 };

lt_status lt_tok_impl_open_llama2c(lt_tok *t, const char *path) {
    lt_status st = LT_OK;
    int32_t longest, bytes;
    float score;
    char text[LONGEST];
    int64_t id = 0, cap = 0;
    FILE *f = fopen(path, "rb");
    LT_CHECK(f, LT_ERR_IO, "cannot open %s: %m", path);
    LT_CHECK_GOTO(fread(&longest, sizeof longest, 1, f) == 1 && longest > 0 && longest < (int32_t)sizeof text, st, done, LT_ERR_FORMAT,
                  "%s is not a llama2.c vocabulary: its first number is not a token length", path);
    for (size_t got; (got = fread(&score, 1, sizeof score, f)) > 0; id++) {
        LT_CHECK_GOTO(got == sizeof score && fread(&bytes, sizeof bytes, 1, f) == 1 && bytes >= 0 && bytes <= longest &&
                          fread(text, 1, (size_t)bytes, f) == (size_t)bytes,
                      st, done, LT_ERR_FORMAT, "%s: token %lld is cut short or longer than %d bytes", path, (long long)id, longest);
        if (id == cap) {
            cap = cap ? 2 * cap : 1024;
            float *grown = realloc(t->score, (size_t)cap * sizeof *grown);
            LT_CHECK_GOTO(grown, st, done, LT_ERR_NOMEM, "no memory for a vocabulary");
            t->score = grown;
        }
        LT_CHECK_GOTO(!isnan(score), st, done, LT_ERR_FORMAT, "%s: the score of token %lld is no number", path, (long long)id);
        t->score[id] = score;
        LT_CHECK_GOTO(!memchr(text, 0, (size_t)bytes), st, done, LT_ERR_FORMAT, "%s: token %lld holds a zero byte", path, (long long)id);
        LT_TRY_GOTO(lt_vocab_put(&t->vocab, id, text, (size_t)bytes), st, done);
    }
    LT_CHECK_GOTO(id > FIRST_BYTE + 256, st, done, LT_ERR_FORMAT, "%s holds %lld tokens; a llama2.c vocabulary has more than 259", path,
                  (long long)id);
    t->kind = &lt_tok_impl_llama2c;
    t->bos = t->before = BOS;
    t->eos = EOS;
    t->unk = UNK;
done:
    fclose(f);
    return st;
}

/* Bytes of the UTF-8 character at s; the text was checked. */
static size_t char_bytes(const char *s) {
    unsigned char c = (unsigned char)*s;
    return c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
}

/* Id of the token that two neighbours make, -1 if there is none. */
static int32_t join(const lt_tok *t, int32_t a, int32_t b) {
    char joined[2 * LONGEST];
    size_t n = strlen(t->vocab.token[a]), m = strlen(t->vocab.token[b]);
    memcpy(joined, t->vocab.token[a], n);
    memcpy(joined + n, t->vocab.token[b], m);
    return lt_vocab_find(&t->vocab, joined, n + m);
}

/* Two neighbours that make a token, by their places in the text. */
typedef struct pair {
    float score;
    int32_t joined, left_id, right_id;
    int64_t left, right;
} pair;

/* The pairs of a text as a heap, the next to merge on top, and the tokens as a list: so a line of a million characters takes no longer, for its
 * length, than a short one. */
typedef struct merger {
    const lt_tok *tok;
    int32_t *id;          /* [n], -1 once merged into the one before */
    int64_t *next, *prev; /* [n] places of the neighbours, n and -1 at the ends */
    pair *heap;
    int64_t n, n_heap;
} merger;

/* Higher score first, then further left. */
static bool before(const pair *a, const pair *b) { return a->score != b->score ? a->score > b->score : a->left < b->left; }

/* Adds the pair of two neighbours, if they make a token. */
static void push(merger *m, int64_t left, int64_t right) {
    if (left < 0 || right >= m->n) return;
    pair p = {
        .joined = join(m->tok, m->id[left], m->id[right]), .left_id = m->id[left], .right_id = m->id[right], .left = left, .right = right};
    if (p.joined < 0) return;
    p.score = m->tok->score[p.joined];
    int64_t at = m->n_heap++;
    for (; at > 0 && before(&p, &m->heap[(at - 1) / 2]); at = (at - 1) / 2) m->heap[at] = m->heap[(at - 1) / 2];
    m->heap[at] = p;
}

static pair pop(merger *m) {
    pair top = m->heap[0], last = m->heap[--m->n_heap];
    int64_t at = 0;
    for (int64_t child; (child = 2 * at + 1) < m->n_heap; at = child) {
        if (child + 1 < m->n_heap && before(&m->heap[child + 1], &m->heap[child])) child++;
        if (!before(&m->heap[child], &last)) break;
        m->heap[at] = m->heap[child];
    }
    m->heap[at] = last;
    return top;
}

static lt_status merge(const lt_tok *t, lt_ids *ids, int64_t first) {
    merger m = {.tok = t, .id = ids->id + first, .n = ids->n - first};
    lt_status st = LT_OK;
    LT_TRY_GOTO(lt_calloc(&m.next, m.n, sizeof *m.next, "a text"), st, done);
    LT_TRY_GOTO(lt_calloc(&m.prev, m.n, sizeof *m.prev, "a text"), st, done);
    LT_TRY_GOTO(lt_calloc(&m.heap, 3 * m.n, sizeof *m.heap, "a text"), st, done); /* n - 1 pairs, and a merge adds two at most */
    for (int64_t i = 0; i < m.n; i++) {
        m.next[i] = i + 1;
        m.prev[i] = i - 1;
        push(&m, i, i + 1);
    }
    while (m.n_heap > 0) {
        pair p = pop(&m);
        /* one of the two may have been merged meanwhile */
        if (m.id[p.left] != p.left_id || m.next[p.left] != p.right || m.id[p.right] != p.right_id) continue;
        m.id[p.left] = p.joined;
        m.id[p.right] = -1;
        m.next[p.left] = m.next[p.right];
        if (m.next[p.left] < m.n) m.prev[m.next[p.left]] = p.left;
        push(&m, m.prev[p.left], p.left);
        push(&m, p.left, m.next[p.left]);
    }
    ids->n = first;
    for (int64_t i = 0; i < m.n; i = m.next[i]) ids->id[ids->n++] = m.id[i];
done:
    free(m.next);
    free(m.prev);
    free(m.heap);
    return st;
}

static lt_status encode(const lt_tok *t, const char *text, size_t bytes, lt_ids *ids) {
    int64_t first = ids->n;
    if (bytes == 0) return LT_OK;
    int32_t space = lt_vocab_find(&t->vocab, " ", 1);
    if (space >= 0) LT_TRY(lt_ids_push(ids, space));
    for (size_t at = 0, n; at < bytes; at += n) {
        n = char_bytes(text + at);
        int32_t id = lt_vocab_find(&t->vocab, text + at, n);
        if (id >= 0) {
            LT_TRY(lt_ids_push(ids, id));
            continue;
        }
        for (size_t i = 0; i < n; i++) LT_TRY(lt_ids_push(ids, FIRST_BYTE + (unsigned char)text[at + i]));
    }
    return merge(t, ids, first);
}

static void decode(const lt_tok *t, const int32_t *id, int64_t n, void *file) {
    for (int64_t i = 0; i < n; i++) {
        const char *s = t->vocab.token[id[i]];
        unsigned byte;
        if (id[i] >= FIRST_BYTE && id[i] < FIRST_BYTE + 256 && sscanf(s, "<0x%02X>", &byte) == 1)
            fputc((int)byte, file);
        else
            fputs(i == 0 && *s == ' ' ? s + 1 : s, file); /* the space that encoding put in front */
    }
}

const lt_tok_kind lt_tok_impl_llama2c = {.name = "llama2c", .encode = encode, .decode = decode};
