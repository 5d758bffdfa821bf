#pragma once
/* Bytes as lower-case hexadecimal digits, two a byte and the upper four bits first, and back. */

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Local.  text[2 * n + 1] := the digits of bytes[n], and a NUL.  (printf would take longer than the hash of a sentence.) */
void lt_hex_write(const void *bytes, size_t n, char *text);
/* Local.  bytes[n] := what the first 2 * n digits of text say; false where one is no digit, or not lower-case (bytes are undefined then). */
bool lt_hex_read(const char *text, size_t n, void *bytes);

#ifdef __cplusplus
}
#endif
