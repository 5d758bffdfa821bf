/* Byte tries as a hash table of edges. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <stdlib.h>

enum { MAX_NODES = (1 << 24) - 1 }; /* a key is a node and a byte in 32 bits */

static lt_status grow_edges(lt_trie *t) {
    uint64_t slots = t->edge ? 2 * (t->mask + 1) : 1024, *edge = NULL;
    LT_TRY(lt_calloc(&edge, (int64_t)slots, sizeof *edge, "a table of tokens"));
    for (uint64_t i = 0; t->edge && i <= t->mask; i++) {
        if (!t->edge[i]) continue;
        uint64_t at = lt_trie_hash(t->edge[i] >> 32) & (slots - 1);
        while (edge[at]) at = (at + 1) & (slots - 1);
        edge[at] = t->edge[i];
    }
    free(t->edge);
    t->edge = edge;
    t->mask = slots - 1;
    return LT_OK;
}

static lt_status add_node(lt_trie *t, int32_t *node) {
    LT_CHECK(t->n < MAX_NODES, LT_ERR_FORMAT, "a vocabulary whose texts have more than %d different beginnings is not supported",
             MAX_NODES);
    if (t->n == t->cap) {
        int64_t cap = t->cap ? 2 * t->cap : 1024;
        int32_t *grown = realloc(t->value, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for a table of tokens");
        t->value = grown;
        t->cap = cap;
    }
    *node = (int32_t)t->n;
    t->value[t->n++] = -1;
    return LT_OK;
}

lt_status lt_trie_put(lt_trie *t, const char *text, size_t bytes, int32_t value, bool replace) {
    int32_t node = 0;
    if (t->n == 0) LT_TRY(add_node(t, &node));
    if (bytes == 0) return LT_OK;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)text[i];
        int32_t next = lt_trie_step(t, node, byte);
        if (next < 0) {
            if (!t->edge || 2 * (uint64_t)t->n > t->mask) LT_TRY(grow_edges(t));
            uint64_t key = ((uint64_t)(uint32_t)node << 8 | byte) + 1, at = lt_trie_hash(key) & t->mask;
            LT_TRY(add_node(t, &next));
            while (t->edge[at]) at = (at + 1) & t->mask;
            t->edge[at] = key << 32 | (uint64_t)(uint32_t)next;
        }
        node = next;
    }
    if (t->value[node] < 0 || replace) t->value[node] = value;
    return LT_OK;
}

void lt_trie_free(lt_trie *t) {
    free(t->edge);
    free(t->value);
    *t = (lt_trie){0};
}
