/* Temporary files; see spool.h.
 *
 * They lie beside the output unless TMPDIR names another place: there must be room for the output there, and what is spooled is about as large; a /tmp in
 * memory would be neither.  A full disk is found while rows come, not after the last. */
#include "spool.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 18 };

void prep_spool_place(const char *output, char *dir, size_t bytes) {
    const char *given = getenv("TMPDIR"), *slash = strrchr(output, '/');
    if (given && *given)
        (void)snprintf(dir, bytes, "%s", given);
    else
        (void)snprintf(dir, bytes, "%.*s", slash ? (int)(slash - output + 1) : 1, slash ? output : ".");
}

void prep_spool_init(prep_spool *s, const char *dir, size_t elem) { *s = (prep_spool){.dir = dir, .elem = elem}; }

static int64_t room(const prep_spool *s) { return BUFFER_BYTES / (int64_t)s->elem; }

static lt_status create(prep_spool *s) {
    char path[4200];
    s->fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd < 0) { /* file systems that have no nameless files */
        (void)snprintf(path, sizeof path, "%s/.ltune-prep.XXXXXX", s->dir);
        s->fd = mkostemp(path, O_CLOEXEC);
        if (s->fd >= 0) (void)unlink(path);
    }
    if (s->fd > 0) return LT_OK;
    s->fd = 0;
    return LT_FAIL(LT_ERR_IO, "cannot make a temporary file in %s: %m; TMPDIR may name another folder", s->dir);
}

static lt_status write_out(prep_spool *s, const void *values, int64_t n) {
    const unsigned char *p = values;
    if (!s->fd) LT_TRY(create(s));
    off_t at = (off_t)(s->filed * (int64_t)s->elem);
    for (size_t left = (size_t)n * s->elem; left > 0;) {
        ssize_t done = pwrite(s->fd, p, left, at);
        if (done < 0 && errno == EINTR) continue;
        LT_CHECK(done > 0, LT_ERR_IO, "cannot write a temporary file in %s: %s; TMPDIR may name a folder with more room", s->dir,
                 done ? strerror(errno) : "no room");
        p += done, at += done, left -= (size_t)done;
    }
    s->filed += n;
    return LT_OK;
}

lt_status prep_spool_add(prep_spool *s, const void *values, int64_t n) {
    int64_t held = s->n - s->filed;
    if (n == 0) return LT_OK;
    if (!s->buf) LT_TRY(lt_calloc(&s->buf, room(s), s->elem, "a buffer"));
    if (held + n > room(s)) {
        LT_TRY(write_out(s, s->buf, held));
        held = 0;
    }
    if (n >= room(s)) {
        LT_TRY(write_out(s, values, n));
        s->n += n;
        return LT_OK;
    }
    memcpy(s->buf + (size_t)held * s->elem, values, (size_t)n * s->elem);
    s->n += n;
    return LT_OK;
}

lt_status prep_spool_read(const prep_spool *s, int64_t from, int64_t n, void *out) {
    unsigned char *p = out;
    int64_t in_file = from < s->filed ? (from + n < s->filed ? n : s->filed - from) : 0;
    LT_ASSERT(from >= 0 && n >= 0 && from + n <= s->n);
    off_t at = (off_t)(from * (int64_t)s->elem);
    for (size_t left = (size_t)in_file * s->elem; left > 0;) {
        ssize_t done = pread(s->fd, p, left, at);
        if (done < 0 && errno == EINTR) continue;
        LT_CHECK(done > 0, LT_ERR_IO, "cannot read a temporary file in %s: %s", s->dir, done ? strerror(errno) : "it became shorter");
        p += done, at += done, left -= (size_t)done;
    }
    if (in_file < n) memcpy(p, s->buf + (size_t)(from + in_file - s->filed) * s->elem, (size_t)(n - in_file) * s->elem);
    return LT_OK;
}

void prep_spool_free(prep_spool *s) {
    if (s->fd > 0) (void)close(s->fd);
    free(s->buf);
    *s = (prep_spool){0};
}

lt_status prep_view_get(prep_view *v, int64_t from, int64_t n, const void **values) {
    if (from < v->from || from + n > v->from + v->n) {
        int64_t most = room(v->s) > n ? room(v->s) : n, left = v->s->n - from;
        if (most > v->cap) {
            unsigned char *grown = realloc(v->buf, (size_t)most * v->s->elem);
            LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld values", (long long)most);
            v->buf = grown;
            v->cap = most;
        }
        v->from = from;
        v->n = most < left ? most : left;
        LT_TRY(prep_spool_read(v->s, v->from, v->n, v->buf));
    }
    *values = v->buf + (size_t)(from - v->from) * v->s->elem;
    return LT_OK;
}

void prep_view_free(prep_view *v) {
    free(v->buf);
    *v = (prep_view){0};
}
