/* Bytes of a file, taken from the front through a small window: a pickle before torch 1.6 does not say how long it is, and weights follow it. */
#include "store/torch_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 16 << 10 };

lt_status lt_st_impl_take(lt_st_source *s, int64_t n, const unsigned char **p) {
    LT_CHECK(n >= 0 && n <= s->end - s->at, LT_ERR_FORMAT,
             "%s: the pickle needs %lld bytes at byte %lld, but ends at byte %lld: it is truncated or damaged; " LT_ST_AGAIN, s->f->path,
             (long long)n, (long long)s->at, (long long)s->end);
    if (s->at < s->buf_at || s->at + n > s->buf_at + s->buf_n) {
        int64_t want = n > BLOCK ? n : BLOCK, left = s->end - s->at;
        if (want > left) want = left;
        if (want > s->cap) {
            free(s->buf);
            s->buf = NULL;
            s->cap = s->buf_n = 0;
            LT_TRY(lt_calloc(&s->buf, want, 1, "a piece of a pickle"));
            s->cap = want;
        }
        s->buf_n = 0;
        LT_TRY(lt_st_impl_pread(s->st, s->f, s->buf, want, s->at));
        s->buf_at = s->at;
        s->buf_n = want;
    }
    *p = s->buf + (s->at - s->buf_at);
    s->at += n;
    return LT_OK;
}

const char *lt_st_impl_shown(const void *text, int64_t n, char out[80]) {
    const unsigned char *p = text;
    int64_t k = 0;
    for (; k < n && k < 76; k++) out[k] = p[k] < 0x20 || p[k] >= 0x7F ? '?' : (char)p[k];
    (void)memcpy(out + k, n > k ? "..." : "", n > k ? 4 : 1);
    return out;
}
