/* What is UTF-8 and what is not.  Most text is ASCII: eight bytes are looked at together as long as none has its top bit set. */
#include "source.h"

#include <string.h>

/* Bytes of the UTF-8 character at s: shortest forms only, no surrogates, up to U+10FFFF.  If there is none, *good is false and the result is how many bytes
 * look like the beginning of one, at least 1. */
static size_t character(const unsigned char *s, size_t left, bool *good) {
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

size_t prep_utf8_check(const char *s, size_t n, bool nul) {
    size_t at = 0;
    if (!nul) {
        const char *zero = n ? memchr(s, 0, n) : NULL;
        if (zero) n = (size_t)(zero - s); /* what stands before it may be bad, too */
    }
    while (at < n) {
        uint64_t eight;
        for (; at + sizeof eight <= n; at += sizeof eight) {
            memcpy(&eight, s + at, sizeof eight);
            if (eight & 0x8080808080808080u) break;
        }
        while (at < n && (signed char)s[at] >= 0) at++;
        while (at < n && (signed char)s[at] < 0) {
            bool good;
            size_t k = character((const unsigned char *)s + at, n - at, &good);
            if (!good) return at;
            at += k;
        }
    }
    return n;
}

lt_status prep_utf8_replace(const char *s, size_t n, bool nul, prep_buffer *out) {
    for (size_t at = 0; at < n;) {
        bool good = true;
        size_t to = at + prep_utf8_check(s + at, n - at, nul);
        LT_TRY(prep_buffer_add(out, s + at, to - at));
        if (to == n) break;
        LT_TRY(prep_buffer_add(out, "\xEF\xBF\xBD", 3));
        size_t k = s[to] ? character((const unsigned char *)s + to, n - to, &good) : 1;
        at = to + k;
    }
    return prep_buffer_add(out, "", 0);
}
