#pragma once
/* Private to device: answers of a library that are worth remembering, by what was asked.
 *
 * A table of fixed size: each question has one place, and a newer question takes the place of an older one.  So nothing is allocated, nothing fills up, and
 * an answer is either the one to this very question or not there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { LT_MEMO_ASK_BYTES = 224, LT_MEMO_ANSWER_BYTES = 64 };

typedef struct lt_memo_entry {
    uint32_t ask_bytes;                   /* 0: nothing is here */
    unsigned char ask[LT_MEMO_ASK_BYTES]; /* as the caller laid it out: padding counts, and must be zero */
    unsigned char answer[LT_MEMO_ANSWER_BYTES];
} lt_memo_entry;

typedef struct lt_memo {
    lt_memo_entry *entry; /* [places] owned by the caller, zero at first */
    size_t places;
} lt_memo;

/* Local.  Is the answer to ask [ask_bytes] there?  answer [answer_bytes] := it, untouched if not. */
bool lt_memo_find(const lt_memo *m, const void *ask, size_t ask_bytes, void *answer, size_t answer_bytes);
/* Local.  Remembers an answer.  Sizes that do not fit are a bug of the caller's and are not remembered. */
void lt_memo_keep(lt_memo *m, const void *ask, size_t ask_bytes, const void *answer, size_t answer_bytes);

#ifdef __cplusplus
}
#endif
