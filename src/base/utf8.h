#pragma once
/* What is UTF-8 and what is not (RFC 3629): shortest forms only, no surrogates, up to U+10FFFF. */

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Local.  Bytes of the character that text [left > 0] begins with.  If it begins with none, *good is false and the result is how many bytes look like the
 * beginning of one, at least 1. */
size_t lt_utf8_unit(const char *text, size_t left, bool *good);

#ifdef __cplusplus
}
#endif
