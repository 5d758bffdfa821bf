/* Texts that grow, and kinds of characters; see dialogue_impl.h. */
#include "assistant/dialogue_impl.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static lt_status reserve(lt_text *t, size_t more) {
    if (t->cap > t->n + more) return LT_OK;
    size_t cap = 2 * t->cap > t->n + more + 64 ? 2 * t->cap : t->n + more + 64;
    char *p = realloc(t->p, cap);
    LT_CHECK(p, LT_ERR_NOMEM, "no memory for a text of %zu bytes", cap);
    t->p = p;
    t->cap = cap;
    return LT_OK;
}

lt_status lt_text_add(lt_text *t, const char *s, size_t n) {
    LT_TRY(reserve(t, n));
    if (n) memcpy(t->p + t->n, s, n);
    t->n += n;
    t->p[t->n] = 0;
    return LT_OK;
}

lt_status lt_text_addf(lt_text *t, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    LT_ASSERT(n >= 0);
    LT_TRY(reserve(t, (size_t)n + 1));
    va_start(args, fmt);
    (void)vsnprintf(t->p + t->n, (size_t)n + 1, fmt, args);
    va_end(args);
    t->n += (size_t)n;
    return LT_OK;
}

lt_status lt_text_take(lt_text *t, char **out) {
    LT_TRY(lt_text_add(t, "", 0));
    *out = t->p;
    *t = (lt_text){0};
    return LT_OK;
}

int32_t lt_char_at(const char *s, size_t n, int *bytes) {
    utf8proc_int32_t c;
    utf8proc_ssize_t took = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &c);
    *bytes = took > 0 ? (int)took : 1;
    return took > 0 ? c : -1;
}

lt_char_kind lt_char_kind_of(int32_t c) {
    if (c == '\n' || c == '\r' || c == '\v' || c == '\f' || c == 0x85 || c == 0x2028 || c == 0x2029) return LT_CHAR_LINE;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
        return LT_CHAR_LETTER;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_ZS:
        return LT_CHAR_BLANK;
    case UTF8PROC_CATEGORY_CF:
        return c == 0x200C || c == 0x200D ? LT_CHAR_OTHER : LT_CHAR_NOTHING; /* joiners belong to the words of some scripts */
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CS:
        return LT_CHAR_NOTHING;
    default:
        return c == 0xFFFD ? LT_CHAR_NOTHING : LT_CHAR_OTHER;
    }
}
