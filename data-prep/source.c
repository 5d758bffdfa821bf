/* Bytes of text files.  One buffer holds what is unread; readers work in it, without copies, and ask for more when a row is not yet complete.  The buffer
 * doubles for a long row, so that its bytes are moved a constant number of times, and becomes small again after it.
 *
 * gzip is known by its first bytes, not by the name, so that packed standard input works too.  It is unpacked here and not by gzread() because the hash is
 * that of the file on disk, which sha256sum gives as well. */
#include "source.h"

#include "base/mem.h"
#include "base/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALL = 4 * PREP_PIECE, LARGE = 32 * PREP_PIECE };

lt_status prep_buffer_room(prep_buffer *b, size_t n) {
    if (b->cap > b->n + n) return LT_OK;
    size_t cap = b->cap ? b->cap : 256;
    while (cap <= b->n + n) cap *= 2;
    char *grown = realloc(b->at, cap);
    LT_CHECK(grown, LT_ERR_NOMEM, "no memory for a text of %zu bytes", b->n + n);
    b->at = grown;
    b->cap = cap;
    return LT_OK;
}

lt_status prep_buffer_add(prep_buffer *b, const char *s, size_t n) {
    LT_TRY(prep_buffer_room(b, n));
    if (n) memcpy(b->at + b->n, s, n);
    b->n += n;
    b->at[b->n] = 0;
    return LT_OK;
}

void prep_buffer_free(prep_buffer *b) {
    free(b->at);
    *b = (prep_buffer){0};
}

/* --- opening ------------------------------------------------------------------------------------------------------------------------ */

lt_status prep_source_open(prep_source *s, const char *path, lt_sha *hash) {
    struct stat info;
    bool standard = !strcmp(path, "-");
    *s = (prep_source){.fd = -1, .hash = hash};
    LT_TRY(lt_strdup(&s->path, standard ? "standard input" : path));
    s->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    LT_CHECK(s->fd >= 0, LT_ERR_IO, "cannot open %s: %m", path);
    LT_CHECK(fstat(s->fd, &info) == 0 && !S_ISDIR(info.st_mode), LT_ERR_IO, "%s is a folder, expected a text file", path);
    return LT_OK;
}

lt_status prep_source_memory(prep_source *s, const char *path, const char *data, size_t bytes, bool partial) {
    *s = (prep_source){.fd = -1, .eof = true, .partial = partial, .begun = true};
    LT_TRY(lt_strdup(&s->path, path));
    s->buf = malloc(bytes + 1);
    LT_CHECK(s->buf, LT_ERR_NOMEM, "no memory for the beginning of %s", path);
    if (bytes) memcpy(s->buf, data, bytes);
    s->end = bytes;
    s->cap = bytes + 1;
    return LT_OK;
}

void prep_source_close(prep_source *s) {
    if (s->packed) (void)inflateEnd(&s->z);
    if (s->fd > STDIN_FILENO) (void)close(s->fd);
    free(s->in);
    free(s->buf);
    free(s->path);
    *s = (prep_source){.fd = -1};
}

/* --- reading ------------------------------------------------------------------------------------------------------------------------ */

/* Room for a piece behind end and for one byte more. */
static lt_status make_room(prep_source *s) {
    size_t left = s->end - s->at;
    if (s->at) {
        memmove(s->buf, s->buf + s->at, left);
        s->at = 0;
        s->end = left;
    }
    LT_CHECK(left < PREP_MAX_ROW, LT_ERR_FORMAT,
             "%s:%lld: a row of more than %d MiB begins here; does a quote open in it that is never closed?", s->path,
             (long long)s->line + 1, PREP_MAX_ROW >> 20);
    size_t cap = s->cap ? s->cap : SMALL;
    if (cap > LARGE && left < SMALL / 2) cap = SMALL;
    while (cap < left + PREP_PIECE + 1) cap *= 2;
    if (cap == s->cap) return LT_OK;
    char *buf = realloc(s->buf, cap);
    LT_CHECK(buf, LT_ERR_NOMEM, "%s:%lld: no memory for a row of more than %zu bytes", s->path, (long long)s->line + 1, left);
    s->buf = buf;
    s->cap = cap;
    return LT_OK;
}

/* Bytes as they are on disk; 0 at the end. */
static lt_status read_raw(prep_source *s, void *to, size_t n, size_t *got) {
    ssize_t r;
    do r = read(s->fd, to, n);
    while (r < 0 && errno == EINTR);
    LT_CHECK(r >= 0, LT_ERR_IO, "cannot read %s after line %lld: %m", s->path, (long long)s->line);
    if (s->hash && r) lt_sha_add(s->hash, to, (size_t)r);
    *got = (size_t)r;
    return LT_OK;
}

/* More packed bytes; false at the end of the file. */
static lt_status refill(prep_source *s, bool *there) {
    size_t got = 0;
    LT_TRY(read_raw(s, s->in, PREP_PIECE, &got));
    s->z.next_in = s->in;
    s->z.avail_in = (uInt)got;
    *there = got > 0;
    return LT_OK;
}

/* Unpacks something.  A file may have several members, one after the other, and zeros behind the last. */
static lt_status unpack(prep_source *s, size_t *got) {
    bool there = true;
    s->z.next_out = (unsigned char *)s->buf + s->end;
    s->z.avail_out = (uInt)(s->cap - 1 - s->end < INT32_MAX ? s->cap - 1 - s->end : INT32_MAX);
    uInt room = s->z.avail_out;
    for (*got = 0; *got == 0;) {
        if (s->z.avail_in == 0) LT_TRY(refill(s, &there));
        while (s->member_end && s->z.avail_in && *s->z.next_in == 0) s->z.next_in++, s->z.avail_in--;
        if (s->z.avail_in == 0 && there) continue;
        if (!there) {
            LT_CHECK(s->member_end, LT_ERR_IO,
                     "%s is cut off: its gzip data end after %lld bytes of text (line %lld); copy or download it again", s->path,
                     (long long)s->size, (long long)s->line + 1);
            return LT_OK;
        }
        if (s->member_end) {
            LT_CHECK(inflateReset(&s->z) == Z_OK, LT_ERR_INTERNAL, "zlib cannot begin again");
            s->member_end = false;
        }
        int z = inflate(&s->z, Z_NO_FLUSH);
        LT_CHECK(z != Z_MEM_ERROR, LT_ERR_NOMEM, "no memory to unpack %s", s->path);
        LT_CHECK(z == Z_OK || z == Z_STREAM_END || z == Z_BUF_ERROR, LT_ERR_IO,
                 "%s is damaged: gzip data are wrong after %lld bytes of text: %s", s->path, (long long)s->size,
                 s->z.msg ? s->z.msg : "unknown");
        s->member_end = z == Z_STREAM_END;
        *got = room - s->z.avail_out;
    }
    return LT_OK;
}

/* The first bytes decide whether all are packed. */
static lt_status begin(prep_source *s) {
    size_t got = 1;
    while (s->end < 2 && got) {
        LT_TRY(read_raw(s, s->buf + s->end, PREP_PIECE - s->end, &got));
        s->end += got;
    }
    s->begun = true;
    s->eof = !got;
    s->size = (int64_t)s->end;
    if (s->end < 2 || memcmp(s->buf, "\x1F\x8B", 2) != 0) return LT_OK;
    s->in = malloc(PREP_PIECE);
    LT_CHECK(s->in, LT_ERR_NOMEM, "no memory to unpack %s", s->path);
    LT_CHECK(inflateInit2(&s->z, 15 + 16) == Z_OK, LT_ERR_NOMEM, "no memory to unpack %s", s->path); /* 16: gzip only */
    s->packed = true;
    memcpy(s->in, s->buf, s->end);
    s->z.next_in = s->in;
    s->z.avail_in = (uInt)s->end;
    s->end = 0;
    s->size = 0;
    s->eof = false;
    return prep_source_more(s);
}

lt_status prep_source_more(prep_source *s) {
    size_t got = 0;
    if (s->eof) return LT_OK;
    LT_TRY(make_room(s));
    if (!s->begun) return begin(s);
    if (s->packed)
        LT_TRY(unpack(s, &got));
    else
        LT_TRY(read_raw(s, s->buf + s->end, s->cap - 1 - s->end, &got));
    s->end += got;
    s->size += (int64_t)got;
    s->eof = got == 0;
    return LT_OK;
}

lt_status prep_source_fill(prep_source *s, size_t n) {
    while (s->end - s->at < n && !s->eof) LT_TRY(prep_source_more(s));
    return LT_OK;
}

lt_status prep_source_skip_mark(prep_source *s) {
    static const char mark[] = "\xEF\xBB\xBF";
    for (;;) {
        size_t n = s->end - s->at < 3 ? s->end - s->at : 3;
        if (n && memcmp(s->buf + s->at, mark, n) != 0) return LT_OK; /* no waiting for what someone has yet to type */
        if (n == 3) s->at += 3;
        if (n == 3 || s->eof) return LT_OK;
        LT_TRY(prep_source_more(s));
    }
}

lt_status prep_source_line(prep_source *s, char **line, size_t *bytes, bool *more) {
    size_t seen = 0;
    char *end = NULL;
    if (s->line == 0) LT_TRY(prep_source_skip_mark(s));
    for (;;) {
        size_t n = s->end - s->at;
        if (n > seen) end = memchr(s->buf + s->at + seen, '\n', n - seen);
        if (end || s->eof) break;
        seen = n;
        LT_TRY(prep_source_more(s));
    }
    size_t n = end ? (size_t)(end - s->buf) - s->at : s->end - s->at;
    *more = end || (n && !s->partial);
    if (!*more) return LT_OK;
    *line = s->buf + s->at;
    s->at += n + (end ? 1 : 0);
    s->line++;
    if (n && (*line)[n - 1] == '\r') n--;
    (*line)[n] = 0;
    *bytes = n;
    return LT_OK;
}
