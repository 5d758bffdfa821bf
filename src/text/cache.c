/* Words and their tokens, remembered.
 *
 * Words of a language follow Zipf's law: a few tens of thousands make up nearly all text, so a model seldom works.  Entries live in one block behind
 * an open-addressing table; when either is full, everything is forgotten and the common words are back within a few thousand look-ups.  One cache a
 * handle: no locks. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#ifndef LT_TOK_CACHE_SLOTS
#define LT_TOK_CACHE_SLOTS (1 << 16) /* the fuzz harnesses have a small one, which is soon full */
#endif
enum { SLOTS = LT_TOK_CACHE_SLOTS, ENTRIES = SLOTS / 8 * 5, BLOCK = 96 * SLOTS, LONGEST = 128 };

/* An entry: its word, filled up to a multiple of 4 bytes, then its tokens. */
typedef struct slot {
    uint32_t hash;  /* upper half */
    uint32_t place; /* in block, + 1; 0 = empty */
    uint16_t bytes, n;
} slot;

typedef struct lt_tok_cache {
    slot *slot;
    char *block;
    int64_t used, entries;
} lt_tok_cache;

static lt_status create(lt_tok_cache **out) {
    lt_tok_cache *c = NULL;
    LT_TRY(lt_calloc(&c, 1, sizeof *c, "a cache of words"));
    lt_status st = lt_calloc(&c->slot, SLOTS, sizeof *c->slot, "a cache of words");
    if (st == LT_OK) st = lt_calloc(&c->block, BLOCK, 1, "a cache of words");
    if (st != LT_OK) lt_tok_impl_cache_free(c);
    if (st == LT_OK) *out = c;
    return st;
}

void lt_tok_impl_cache_free(lt_tok_cache *c) {
    if (!c) return;
    free(c->slot);
    free(c->block);
    free(c);
}

static int64_t padded(int64_t bytes) { return (bytes + 3) / 4 * 4; }

static void remember(lt_tok_cache *c, uint64_t at, uint64_t hash, const char *word, int64_t bytes, const lt_tokens *t) {
    int64_t need = padded(bytes) + t->n * (int64_t)sizeof *t->at;
    if (c->entries == ENTRIES || c->used + need > BLOCK) {
        memset(c->slot, 0, SLOTS * sizeof *c->slot);
        c->entries = c->used = 0;
        at = hash & (SLOTS - 1);
    }
    char *place = c->block + c->used;
    memcpy(place, word, (size_t)bytes);
    if (t->n > 0) memcpy(place + padded(bytes), t->at, (size_t)t->n * sizeof *t->at);
    c->slot[at] = (slot){(uint32_t)(hash >> 32), (uint32_t)c->used + 1, (uint16_t)bytes, (uint16_t)t->n};
    c->used += need;
    c->entries++;
}

lt_status lt_tok_impl_word(const lt_tok_model *m, lt_tok_work *w, const char *word, int64_t bytes, const lt_token **token, int64_t *n) {
    uint64_t h = 0, at = 0;
    if (!w->cache) LT_TRY(create(&w->cache));
    lt_tok_cache *c = w->cache;
    if (bytes <= LONGEST) {
        h = lt_tok_impl_hash(word, (size_t)bytes);
        for (at = h & (SLOTS - 1); c->slot[at].place; at = (at + 1) & (SLOTS - 1)) {
            const slot *s = &c->slot[at];
            const char *place = c->block + s->place - 1;
            if (s->hash != (uint32_t)(h >> 32) || s->bytes != bytes || memcmp(place, word, (size_t)bytes) != 0) continue;
            *token = (const lt_token *)(const void *)(place + padded(bytes));
            *n = s->n;
            return LT_OK;
        }
    }
    w->word.n = 0;
    LT_TRY(m->kind->encode(m, w, word, bytes, &w->word));
    if (bytes <= LONGEST) remember(c, at, h, word, bytes, &w->word);
    *token = w->word.at;
    *n = w->word.n;
    return LT_OK;
}
