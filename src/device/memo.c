/* Remembered answers; see memo_impl.h. */
#include "device/memo_impl.h"

#include <string.h>

/* By FNV-1a over the question. */
static lt_memo_entry *place_of(const lt_memo *m, const void *ask, size_t ask_bytes) {
    const unsigned char *b = ask;
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < ask_bytes; i++) h = (h ^ b[i]) * 1099511628211u;
    return &m->entry[(h ^ h >> 32) % m->places];
}

bool lt_memo_find(const lt_memo *m, const void *ask, size_t ask_bytes, void *answer, size_t answer_bytes) {
    if (ask_bytes == 0 || ask_bytes > LT_MEMO_ASK_BYTES || answer_bytes > LT_MEMO_ANSWER_BYTES) return false;
    const lt_memo_entry *e = place_of(m, ask, ask_bytes);
    if (e->ask_bytes != ask_bytes || memcmp(e->ask, ask, ask_bytes) != 0) return false;
    memcpy(answer, e->answer, answer_bytes);
    return true;
}

void lt_memo_keep(lt_memo *m, const void *ask, size_t ask_bytes, const void *answer, size_t answer_bytes) {
    if (ask_bytes == 0 || ask_bytes > LT_MEMO_ASK_BYTES || answer_bytes > LT_MEMO_ANSWER_BYTES) return;
    lt_memo_entry *e = place_of(m, ask, ask_bytes);
    e->ask_bytes = (uint32_t)ask_bytes;
    memcpy(e->ask, ask, ask_bytes);
    memcpy(e->answer, answer, answer_bytes);
}
