#pragma once
/* Private to the assistant room: a text that grows, and what several files say of characters. */

#include "assistant/dialogue.h"

/* Growing text, owned; start from {0}.  p is zero-terminated, NULL while nothing was added. */
typedef struct lt_text {
    char *p;
    size_t n, cap;
} lt_text;
/* Local.  Appends bytes, or what printf makes of them.  Errors: NOMEM. */
lt_status lt_text_add(lt_text *t, const char *s, size_t n);
lt_status lt_text_addf(lt_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Local.  The text, released by free(); t is empty then.  Errors: NOMEM (of an empty one). */
lt_status lt_text_take(lt_text *t, char **out);

/* Local.  The character at s [n > 0 bytes], and its bytes; -1: no UTF-8 begins here. */
int32_t lt_char_at(const char *s, size_t n, int *bytes);
/* What a character is to a prefix. */
typedef enum lt_char_kind { LT_CHAR_OTHER, LT_CHAR_LETTER, LT_CHAR_BLANK, LT_CHAR_LINE, LT_CHAR_NOTHING } lt_char_kind;
/* Local.  Controls are blanks; NOTHING: U+FFFD and marks that cannot be seen. */
lt_char_kind lt_char_kind_of(int32_t c);

/* Local.  A prefix of this text and these tokens behind the others; both are taken over.  Errors: NOMEM. */
lt_status lt_dialogue_impl_push(lt_dialogue *d, char *text, int32_t *token, int n_tokens, int round);
/* Local.  Frees what a prefix owns. */
void lt_dialogue_impl_drop(lt_prefix *p);
