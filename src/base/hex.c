/* Hexadecimal digits; see hex.h. */
#include "base/hex.h"

void lt_hex_write(const void *bytes, size_t n, char *text) {
    static const char digit[] = "0123456789abcdef";
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digit[b[i] >> 4];
        text[2 * i + 1] = digit[b[i] & 15];
    }
    text[2 * n] = 0;
}

static int value(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

bool lt_hex_read(const char *text, size_t n, void *bytes) {
    unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++) {
        int high = value(text[2 * i]), low = high < 0 ? -1 : value(text[2 * i + 1]); /* a NUL is no digit: nothing behind it is read */
        if (low < 0) return false;
        b[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}
