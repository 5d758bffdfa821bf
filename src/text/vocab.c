/* Texts of tokens by id, and ids by text.
 *
 * All texts lie in one block, one after the other, so that a vocabulary of 262,144 tokens costs a handful of allocations.  The table is open addressing,
 * half full at most; a slot carries the upper half of its text's hash, so that a look-up touches the texts only where it is all but sure. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 12 }; /* of a text: what takes its length for each byte of another one then takes no time */

static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 p = (unsigned __int128)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint64_t lt_tok_impl_hash(const void *data, size_t bytes) {
    const uint64_t k0 = 0x9E3779B97F4A7C15u, k1 = 0xD1B54A32D192ED03u;
    const unsigned char *p = data;
    uint64_t h = mix(bytes ^ k1, k0), w = 0;
    for (; bytes >= 8; p += 8, bytes -= 8) {
        memcpy(&w, p, 8);
        h = mix(h ^ w, k0);
    }
    if (bytes >= 4) { /* two reads that overlap take the rest whole */
        uint32_t low, high;
        memcpy(&low, p, 4);
        memcpy(&high, p + bytes - 4, 4);
        w = (uint64_t)high << 32 | low;
    } else if (bytes > 0) {
        w = (uint64_t)p[0] << 16 | (uint64_t)p[bytes / 2] << 8 | p[bytes - 1];
    } else {
        return h;
    }
    return mix(h ^ w, k1);
}

static lt_status grow_ids(lt_vocab *v, int64_t id) {
    int64_t cap = v->cap ? v->cap : 1024;
    while (cap <= id) cap *= 2;
    int64_t *begin = realloc(v->begin, (size_t)cap * sizeof *begin);
    if (begin) v->begin = begin;
    int32_t *bytes = begin ? realloc(v->bytes, (size_t)cap * sizeof *bytes) : NULL;
    if (bytes) v->bytes = bytes;
    LT_CHECK(bytes, LT_ERR_NOMEM, "no memory for a vocabulary of %lld tokens", (long long)cap);
    for (int64_t i = v->cap; i < cap; i++) begin[i] = -1;
    v->cap = cap;
    return LT_OK;
}

lt_status lt_vocab_put(lt_vocab *v, int64_t id, const char *text, size_t bytes) {
    LT_CHECK(id >= 0 && id <= LT_TOK_MAX_ID, LT_ERR_FORMAT, "token id %lld is out of range: expected 0 to %d", (long long)id,
             LT_TOK_MAX_ID);
    LT_CHECK(bytes <= MAX_BYTES, LT_ERR_FORMAT, "token %lld is %zu bytes long, at most %d are expected", (long long)id, bytes, MAX_BYTES);
    if (id >= v->cap) LT_TRY(grow_ids(v, id));
    LT_CHECK(v->begin[id] < 0, LT_ERR_FORMAT, "token id %lld is given twice: \"%s\" and \"%.*s\"", (long long)id, v->pool + v->begin[id],
             (int)bytes, text);
    if (v->pool_bytes + (int64_t)bytes + 1 > v->pool_cap) {
        int64_t cap = 2 * v->pool_cap + (int64_t)bytes + (1 << 16);
        char *grown = realloc(v->pool, (size_t)cap);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for a vocabulary");
        v->pool = grown;
        v->pool_cap = cap;
    }
    memcpy(v->pool + v->pool_bytes, text, bytes);
    v->pool[v->pool_bytes + (int64_t)bytes] = 0;
    v->begin[id] = v->pool_bytes;
    v->bytes[id] = (int32_t)bytes;
    v->pool_bytes += (int64_t)bytes + 1;
    if (id >= v->n) v->n = id + 1;
    return LT_OK;
}

/* Whether the text of id is this one.  Texts may hold zero bytes: lengths are compared first. */
static bool is_text(const lt_vocab *v, int32_t id, const char *text, size_t bytes) {
    return (size_t)v->bytes[id] == bytes && !memcmp(v->pool + v->begin[id], text, bytes);
}

lt_status lt_vocab_index(lt_vocab *v) {
    uint64_t slots = 16, used = 0;
    for (int64_t id = 0; id < v->n; id++) used += v->begin[id] >= 0;
    while (slots < 2 * used) slots *= 2;
    free(v->slot);
    v->slot = NULL;
    LT_TRY(lt_calloc(&v->slot, (int64_t)slots, sizeof *v->slot, "a vocabulary"));
    v->mask = slots - 1;
    v->repeated = false;
    for (int64_t id = 0; id < v->n; id++) {
        if (v->begin[id] < 0) continue;
        const char *text = v->pool + v->begin[id];
        uint64_t h = lt_tok_impl_hash(text, (size_t)v->bytes[id]), at = h & v->mask;
        while (v->slot[at] && !is_text(v, (int32_t)(uint32_t)v->slot[at] - 1, text, (size_t)v->bytes[id])) at = (at + 1) & v->mask;
        v->repeated |= v->slot[at] != 0;
        v->slot[at] = (h >> 32) << 32 | (uint64_t)(id + 1);
    }
    return LT_OK;
}

int32_t lt_vocab_find(const lt_vocab *v, const char *text, size_t bytes) {
    uint64_t h = lt_tok_impl_hash(text, bytes);
    if (!v->slot) return -1;
    for (uint64_t at = h & v->mask; v->slot[at]; at = (at + 1) & v->mask) {
        int32_t id = (int32_t)(uint32_t)v->slot[at] - 1;
        if (v->slot[at] >> 32 == h >> 32 && is_text(v, id, text, bytes)) return id;
    }
    return -1;
}

const char *lt_vocab_text(const lt_vocab *v, int64_t id, size_t *bytes) {
    if (id < 0 || id >= v->n || v->begin[id] < 0) return NULL;
    if (bytes) *bytes = (size_t)v->bytes[id];
    return v->pool + v->begin[id];
}

void lt_vocab_free(lt_vocab *v) {
    free(v->pool);
    free(v->begin);
    free(v->bytes);
    free(v->slot);
    *v = (lt_vocab){0};
}
