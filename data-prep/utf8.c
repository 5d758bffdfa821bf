/* What is UTF-8 and what is not.  Most text is ASCII: eight bytes are looked at together as long as none has its top bit set. */
#include "source.h"

#include "base/utf8.h"

#include <string.h>

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
            size_t k = lt_utf8_unit(s + at, n - at, &good);
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
        size_t k = s[to] ? lt_utf8_unit(s + to, n - to, &good) : 1;
        at = to + k;
    }
    return prep_buffer_add(out, "", 0);
}
