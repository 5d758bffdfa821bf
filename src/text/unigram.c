/* Unigram (Kudo 2018): of all ways to cut a word into tokens the one whose scores (log probabilities) sum highest, by Viterbi over the bytes of the
 * word.
 *
 * A character that no token is equal to may stand as unknown, ten below the worst score; neighbours that are unknown become one token, or with byte
 * fallback the tokens of their bytes.  Of two ways of one score the one found first stays: sums are made in the order, and in the precision (f64), of
 * Hugging Face. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct unigram {
    lt_tok_model head;
    lt_trie trie;
    double *score;  /* [vocab.n] */
    double unknown; /* score of a character that is unknown */
    bool byte_fallback;
    int32_t byte[256]; /* tokens <0x00> to <0xFF>, -1 = none */
} unigram;

/* The best way to a place of the word. */
typedef struct way {
    double score;
    int32_t from; /* where its last token begins; -1: no way yet */
    int32_t id;
} way;

static void offer(way *to, double score, int64_t from, int32_t id) {
    if (to->from < 0 || score > to->score) *to = (way){score, (int32_t)from, id};
}

static void search(const unigram *u, const char *word, int64_t bytes, way *best) {
    best[0] = (way){0, 0, -1};
    for (int64_t i = 1; i <= bytes; i++) best[i].from = -1;
    for (int64_t at = 0, length; at < bytes; at += length) {
        int32_t c, node = 0;
        bool single = false;
        double here = best[at].score;
        length = lt_tok_impl_char(word + at, &c);
        for (int64_t i = at; i < bytes && (node = lt_trie_step(&u->trie, node, (unsigned char)word[i])) >= 0; i++) {
            int32_t id = u->trie.value[node];
            if (id < 0) continue;
            offer(&best[i + 1], u->score[id] + here, at, id);
            single |= i + 1 - at == length;
        }
        if (!single) offer(&best[at + length], u->unknown + here, at, u->head.unk);
    }
}

/* Unknown characters that are neighbours, [begin, end). */
static lt_status emit_unknown(const unigram *u, const char *word, int64_t begin, int64_t end, lt_tokens *out) {
    /* together they may be a token after all, one that scored less than they do */
    int32_t joint = lt_vocab_find(&u->head.vocab, word + begin, (size_t)(end - begin));
    bool all = u->byte_fallback && joint < 0;
    for (int64_t i = begin; all && i < end; i++) all = u->byte[(unsigned char)word[i]] >= 0;
    for (int64_t i = begin; all && i < end; i++) LT_TRY(lt_tokens_push(out, u->byte[(unsigned char)word[i]], begin, end));
    return all ? LT_OK : lt_tokens_push(out, joint >= 0 ? joint : u->head.unk, begin, end);
}

static lt_status encode(const lt_tok_model *m, lt_tok_work *w, const char *word, int64_t bytes, lt_tokens *out) {
    const unigram *u = (const unigram *)m;
    way *best;
    LT_TRY(lt_tok_impl_room(w, (bytes + 1) * (int64_t)sizeof *best));
    best = (way *)(void *)w->bytes;
    search(u, word, bytes, best);
    /* turn the chain round: each end then holds the next one */
    int64_t first = -1;
    for (int64_t at = bytes; at > 0;) {
        int64_t from = best[at].from;
        best[at].from = (int32_t)first;
        first = at;
        at = from;
    }
    int64_t begin = 0, run = -1; /* run: where unknown characters begin that are not written yet */
    for (int64_t end = first; end >= 0; begin = end, end = best[end].from) {
        int32_t id = best[end].id;
        LT_CHECK(id >= 0, LT_ERR_FORMAT, "the text has characters that are in no token, and this tokenizer has no token for them");
        if (id == m->unk) {
            if (run < 0) run = begin;
            continue;
        }
        if (run >= 0) LT_TRY(emit_unknown(u, word, run, begin, out));
        run = -1;
        LT_TRY(lt_tokens_push(out, id, begin, end));
    }
    return run >= 0 ? emit_unknown(u, word, run, bytes, out) : LT_OK;
}

static void destroy(lt_tok_model *m) {
    unigram *u = (unigram *)m;
    lt_vocab_free(&m->vocab);
    lt_trie_free(&u->trie);
    free(u->score);
    free(u);
}

static const lt_tok_model_kind kind = {.name = "Unigram", .encode = encode, .close = destroy};

static lt_status fill(unigram *u, const double *score, int32_t unk, bool byte_fallback, const char *where) {
    lt_vocab *v = &u->head.vocab;
    double least = INFINITY;
    LT_TRY(lt_vocab_index(v));
    LT_CHECK(unk >= -1 && unk < v->n, LT_ERR_FORMAT, "%s: unk_id is %d, expected a token of the vocabulary of %lld", where, unk,
             (long long)v->n);
    LT_TRY(lt_calloc(&u->score, v->n, sizeof *u->score, "the scores of a vocabulary"));
    for (int64_t id = 0; id < v->n; id++) {
        size_t bytes = 0;
        const char *text = lt_vocab_text(v, id, &bytes);
        if (!text) continue;
        LT_CHECK(isfinite(score[id]), LT_ERR_FORMAT, "%s: the score of token %lld (\"%.60s\") is no finite number", where, (long long)id,
                 text);
        u->score[id] = score[id];
        if (score[id] < least) least = score[id];
        LT_TRY(lt_trie_put(&u->trie, text, bytes, (int32_t)id, true));
    }
    u->head.unk = unk;
    u->unknown = least - 10;
    u->byte_fallback = byte_fallback;
    for (int b = 0; b < 256; b++) {
        char text[8];
        u->byte[b] = lt_vocab_find(v, text, (size_t)snprintf(text, sizeof text, "<0x%02X>", (unsigned)b));
    }
    return LT_OK;
}

lt_status lt_tok_impl_unigram_create(lt_vocab *v, const double *score, int32_t unk, bool byte_fallback, const char *where,
                                     lt_tok_model **m) {
    unigram *u = NULL;
    lt_status st = lt_calloc(&u, 1, sizeof *u, "a tokenizer");
    if (st != LT_OK) {
        lt_vocab_free(v);
        return st;
    }
    u->head = (lt_tok_model){.kind = &kind, .vocab = *v, .unk = -1};
    *v = (lt_vocab){0};
    st = fill(u, score, unk, byte_fallback, where);
    if (st != LT_OK)
        destroy(&u->head);
    else
        *m = &u->head;
    return st;
}
