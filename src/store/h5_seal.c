/* The line that vouches for a file; see h5_impl.h and docs/FORMATS.md.  No HDF5 here: bytes only.
 *
 * Behind the end of the HDF5 data, where HDF5 does not look, stands one line of LT_H5_SEAL_BYTES:
 *     ltune-sha256 <64 hexadecimal digits of the SHA-256 of all bytes before this line>\n
 * It is checked before HDF5 sees the file, for two reasons: it covers every bit, also names, shapes, attributes and heaps, and HDF5 1.10 loops or
 * crashes on some damaged files.  Other programs read the file as ever; one that changes it removes the line.
 * Without our tools: head -c -78 FILE | sha256sum; tail -c 78 FILE.
 *
 * A new file is read once, after HDF5 has closed it: one pass makes the digest of the line and compares what is on the disk with what was
 * written, by the hash that h5_disk.c kept of every write.  So the line never vouches for bytes that were lost on the way. */
#include "store/h5_impl.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEAL_WORD "ltune-sha256 "
enum { SEAL_BYTES = sizeof SEAL_WORD - 1 + LT_SHA_HEX_BYTES };

uint64_t lt_h5_impl_hash(uint64_t h, const void *data, size_t bytes) {
    const unsigned char *p = data;
    uint64_t lane[4] = {h ^ 1, h ^ 2, h ^ 3, h ^ bytes}, w[4];
    for (; bytes >= sizeof w; p += sizeof w, bytes -= sizeof w) {
        memcpy(w, p, sizeof w);
        for (int i = 0; i < 4; i++) {
            lane[i] = (lane[i] ^ w[i]) * 0x9e3779b97f4a7c15u;
            lane[i] ^= lane[i] >> 29;
        }
    }
    memset(w, 0, sizeof w);
    memcpy(w, p, bytes);
    for (int i = 0; i < 4; i++) {
        h = (h ^ lane[i]) * 0x9e3779b97f4a7c15u;
        h = (h ^ h >> 29 ^ w[i]) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 32;
    }
    return h;
}

static lt_status read_all(const char *path, int fd, void *buf, size_t bytes, off_t at) {
    for (unsigned char *p = buf; bytes > 0;) {
        ssize_t got = pread(fd, p, bytes, at);
        if (got < 0 && errno == EINTR) continue;
        LT_CHECK(got > 0, LT_ERR_IO, "cannot read %s: %s", path, got ? strerror(errno) : "it became shorter");
        p += got, at += got, bytes -= (size_t)got;
    }
    return LT_OK;
}

/* Digest of the first n bytes of a file, which must hold what was written there (disk NULL: not compared). */
static lt_status digest_head(const char *path, int fd, int64_t n, const lt_h5_disk *disk, char hex[LT_SHA_HEX_BYTES]) {
    unsigned char *buf = NULL;
    lt_sha *sha = NULL;
    lt_status st = LT_OK;
    int64_t k = 0, n_extents = disk ? disk->n_extents : 0;
    uint64_t h = 0;
    LT_TRY(lt_calloc(&buf, LT_H5_PIECE, 1, "a piece of a file"));
    LT_TRY_GOTO(lt_sha_begin(&sha), st, done);
    for (int64_t at = 0; at < n;) {
        const lt_h5_extent *e = k < n_extents ? &disk->extent[k] : NULL;
        bool inside = e && at >= e->at;
        int64_t end = !e ? n : inside ? e->at + e->bytes : e->at, take = (end < n ? end : n) - at;
        if (take > LT_H5_PIECE) take = LT_H5_PIECE;
        LT_TRY_GOTO(read_all(path, fd, buf, (size_t)take, at), st, done);
        lt_sha_add(sha, buf, (size_t)take);
        if (inside) h = lt_h5_impl_hash(at == e->at ? 0 : h, buf, (size_t)take);
        at += take;
        if (!inside || at < e->at + e->bytes) continue;
        LT_CHECK_GOTO(h == e->hash, st, done, LT_ERR_IO,
                      "%s: bytes %lld to %lld read back are not those that were written: the disk or file system under it lost them", path,
                      (long long)e->at, (long long)(e->at + e->bytes));
        k++;
    }
    LT_CHECK_GOTO(k == n_extents, st, done, LT_ERR_IO, "%s has %lld bytes, more were written: the file system under it lost them", path,
                  (long long)n);
done:
    if (sha) LT_KEEP(st, lt_sha_finish(&sha, hex));
    free(buf);
    return st;
}

lt_status lt_h5_impl_seal(const char *path, const lt_h5_disk *disk, char hex[LT_SHA_HEX_BYTES]) {
    char line[SEAL_BYTES + 1];
    struct stat info;
    lt_status st = LT_OK;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    LT_CHECK(fd >= 0, LT_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    LT_CHECK_GOTO(fstat(fd, &info) == 0, st, done, LT_ERR_IO, "cannot look at %s: %s", path, strerror(errno));
    LT_TRY_GOTO(digest_head(path, fd, info.st_size, disk, hex), st, done);
    (void)snprintf(line, sizeof line, SEAL_WORD "%s\n", hex);
    LT_CHECK_GOTO(pwrite(fd, line, SEAL_BYTES, info.st_size) == SEAL_BYTES, st, done, LT_ERR_IO, "cannot write %s: %s", path,
                  strerror(errno));
    LT_CHECK_GOTO(fsync(fd) == 0 || errno == EINVAL, st, done, LT_ERR_IO, "cannot bring %s to the disk: %s", path, strerror(errno));
done:
    if (close(fd) != 0 && st == LT_OK) st = LT_FAIL(LT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return st;
}

lt_status lt_h5_impl_check_seal(const char *path, int fd, bool digest, char hex[LT_SHA_HEX_BYTES]) {
    char line[SEAL_BYTES + 1] = "", found[LT_SHA_HEX_BYTES];
    struct stat info;
    hex[0] = 0;
    LT_CHECK(fstat(fd, &info) == 0, LT_ERR_IO, "cannot look at %s: %s", path, strerror(errno));
    int64_t n = info.st_size - SEAL_BYTES;
    if (n <= 0) return LT_OK;
    LT_TRY(read_all(path, fd, line, SEAL_BYTES, n));
    if (strncmp(line, SEAL_WORD, strlen(SEAL_WORD)) != 0 || line[SEAL_BYTES - 1] != '\n') return LT_OK;
    line[SEAL_BYTES - 1] = 0;
    memcpy(hex, line + strlen(SEAL_WORD), LT_SHA_HEX_BYTES);
    if (!digest) return LT_OK;
    LT_TRY(digest_head(path, fd, n, NULL, found));
    LT_CHECK(!strcmp(found, hex), LT_ERR_FORMAT,
             "%s is damaged: its bytes have SHA-256 %.16s..., written were %.16s...; copy the file again or use an older one", path, found,
             hex);
    return LT_OK;
}
