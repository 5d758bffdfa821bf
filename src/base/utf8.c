#include "base/utf8.h"

size_t lt_utf8_unit(const char *text, size_t left, bool *good) {
    const unsigned char *s = (const unsigned char *)text;
    static const struct {
        unsigned char first, last, low, high; /* range of the first byte, and of the second */
        size_t n;
    } form[] = {{0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3},
                {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    *good = s[0] < 0x80;
    if (*good) return 1;
    for (size_t k = 0; k < sizeof form / sizeof *form; k++) {
        if (s[0] < form[k].first || s[0] > form[k].last) continue;
        if (left < 2 || s[1] < form[k].low || s[1] > form[k].high) return 1;
        size_t i = 2;
        while (i < form[k].n && i < left && s[i] >= 0x80 && s[i] <= 0xBF) i++;
        *good = i == form[k].n;
        return i;
    }
    return 1;
}
