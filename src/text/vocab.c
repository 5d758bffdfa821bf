/* Vocabulary table: FNV-1a, open addressing, half full at most. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

lt_status lt_vocab_put(lt_vocab *v, int64_t id, const char *text, size_t bytes) {
    LT_CHECK(id >= 0 && id < 1 << 24, LT_ERR_FORMAT, "token id %lld is out of range", (long long)id);
    if (id >= v->cap) {
        int64_t cap = v->cap ? v->cap : 1024;
        while (cap <= id) cap *= 2;
        char **grown = realloc(v->token, (size_t)cap * sizeof *grown);
        if (grown) v->token = grown;
        size_t *bytes_grown = grown ? realloc(v->bytes, (size_t)cap * sizeof *bytes_grown) : NULL;
        if (bytes_grown) v->bytes = bytes_grown;
        LT_CHECK(bytes_grown, LT_ERR_NOMEM, "no memory for a vocabulary of %lld tokens", (long long)cap);
        memset(grown + v->cap, 0, (size_t)(cap - v->cap) * sizeof *grown);
        v->cap = cap;
    }
    LT_CHECK(!v->token[id], LT_ERR_FORMAT, "token id %lld is given twice: \"%s\" and \"%.*s\"", (long long)id, v->token[id], (int)bytes,
             text);
    v->token[id] = malloc(bytes + 1);
    LT_CHECK(v->token[id], LT_ERR_NOMEM, "no memory for a token");
    memcpy(v->token[id], text, bytes);
    v->token[id][bytes] = 0;
    v->bytes[id] = bytes;
    if (id >= v->n) v->n = id + 1;
    return LT_OK;
}

/* Texts may hold zero bytes: lengths are compared first. */
static bool is_text(const lt_vocab *v, int32_t id, const char *text, size_t bytes) {
    return v->bytes[id] == bytes && !memcmp(v->token[id], text, bytes);
}

static uint64_t hash(const char *text, size_t bytes) {
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < bytes; i++) h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    return h ^ h >> 29;
}

lt_status lt_vocab_index(lt_vocab *v) {
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)v->n) slots *= 2;
    LT_TRY(lt_calloc(&v->slot, (int64_t)slots, sizeof *v->slot, "a vocabulary"));
    v->mask = slots - 1;
    for (int64_t id = 0; id < v->n; id++) {
        if (!v->token[id]) continue;
        uint64_t at = hash(v->token[id], v->bytes[id]) & v->mask;
        /* of two ids with one text the later counts, as in a Python dictionary that is filled line by line */
        while (v->slot[at] && !is_text(v, v->slot[at] - 1, v->token[id], v->bytes[id])) at = (at + 1) & v->mask;
        v->slot[at] = (int32_t)id + 1;
    }
    return LT_OK;
}

int32_t lt_vocab_find(const lt_vocab *v, const char *text, size_t bytes) {
    for (uint64_t at = hash(text, bytes) & v->mask; v->slot[at]; at = (at + 1) & v->mask)
        if (is_text(v, v->slot[at] - 1, text, bytes)) return v->slot[at] - 1;
    return -1;
}

void lt_vocab_free(lt_vocab *v) {
    for (int64_t id = 0; id < v->n; id++) free(v->token[id]);
    free(v->token);
    free(v->bytes);
    free(v->slot);
    *v = (lt_vocab){0};
}
