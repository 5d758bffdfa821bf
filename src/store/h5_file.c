/* Whole HDF5 files: written atomically, sealed and verified; see h5.h.
 *
 * Commit.  write PATH.tmp.* -> close -> seal -> open again and verify -> fsync -> rename to PATH -> fsync of the folder.  A reader, and a process
 * killed at any instant, find the old file or the new one.  A write that fails is never seen by HDF5 (h5_disk.c): it is found here, after the
 * close, and the temporary file is deleted.
 *
 * Seal.  Behind the end of the HDF5 data, where HDF5 does not look, stands one line of SEAL_BYTES:
 *     ltune-sha256 <64 hexadecimal digits of all bytes before this line>\n
 * It is checked before HDF5 sees the file, for two reasons: it covers every bit, also names, shapes, attributes and heaps, and HDF5 1.10 can crash on a
 * damaged heap.  Other programs read the file as ever; one that changes it removes the line, and such a file is still read here but does
 * not verify.  Without our tools: head -c -78 FILE | sha256sum; tail -c 78 FILE. */
#include "store/h5_impl.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "store/fs.h"
#include "store/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- seal ------------------------------------------------------------------------------------------------------------------------------ */

#define SEAL_WORD "ltune-sha256 "
enum { SEAL_BYTES = sizeof SEAL_WORD - 1 + LT_SHA_HEX_BYTES, PIECE = 1 << 20 };

/* Digest of the first n bytes of a file. */
static lt_status digest_head(const char *path, int fd, off_t n, char hex[LT_SHA_HEX_BYTES]) {
    unsigned char *buf = NULL;
    lt_sha *sha = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_calloc(&buf, PIECE, 1, "a piece of a file"));
    LT_TRY_GOTO(lt_sha_begin(&sha), st, done);
    for (off_t at = 0; at < n;) {
        ssize_t got = pread(fd, buf, n - at < PIECE ? (size_t)(n - at) : PIECE, at);
        LT_CHECK_GOTO(got > 0, st, done, LT_ERR_IO, "cannot read %s: %s", path, got ? strerror(errno) : "it became shorter");
        lt_sha_add(sha, buf, (size_t)got);
        at += got;
    }
done:
    if (sha) LT_KEEP(st, lt_sha_finish(&sha, hex));
    free(buf);
    return st;
}

static lt_status seal(const char *path) {
    char line[SEAL_BYTES + 1], hex[LT_SHA_HEX_BYTES];
    struct stat info;
    lt_status st = LT_OK;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    LT_CHECK(fd >= 0, LT_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    LT_CHECK_GOTO(fstat(fd, &info) == 0, st, done, LT_ERR_IO, "cannot look at %s: %s", path, strerror(errno));
    LT_TRY_GOTO(digest_head(path, fd, info.st_size, hex), st, done);
    (void)snprintf(line, sizeof line, SEAL_WORD "%s\n", hex);
    LT_CHECK_GOTO(pwrite(fd, line, SEAL_BYTES, info.st_size) == SEAL_BYTES, st, done, LT_ERR_IO, "cannot write %s: %s", path,
                  strerror(errno));
done:
    if (close(fd) != 0 && st == LT_OK) st = LT_FAIL(LT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return st;
}

lt_status lt_h5_impl_check_seal(const char *path, bool *sealed) {
    char line[SEAL_BYTES + 1] = "", hex[LT_SHA_HEX_BYTES];
    struct stat info;
    lt_status st = LT_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    LT_CHECK(fd >= 0, LT_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    LT_CHECK_GOTO(fstat(fd, &info) == 0, st, done, LT_ERR_IO, "cannot look at %s: %s", path, strerror(errno));
    off_t n = info.st_size - SEAL_BYTES;
    *sealed = n > 0 && pread(fd, line, SEAL_BYTES, n) == SEAL_BYTES && !strncmp(line, SEAL_WORD, strlen(SEAL_WORD)) &&
              line[SEAL_BYTES - 1] == '\n';
    if (!*sealed) goto done;
    line[SEAL_BYTES - 1] = 0;
    LT_TRY_GOTO(digest_head(path, fd, n, hex), st, done);
    LT_CHECK_GOTO(!strcmp(hex, line + strlen(SEAL_WORD)), st, done, LT_ERR_FORMAT,
                  "%s is damaged: its bytes have SHA-256 %.16s..., written were %.16s...; copy the file again or use an older one", path,
                  hex, line + strlen(SEAL_WORD));
done:
    (void)close(fd);
    return st;
}

/* --- verify ---------------------------------------------------------------------------------------------------------------------------- */

static lt_status verify_dataset(hid_t dset, const char *where) {
    char hex[LT_SHA_HEX_BYTES], *stored = NULL;
    LT_CHECK(H5Aexists(dset, LT_ATTR_SHA) > 0, LT_ERR_FORMAT, "dataset %s has no digest: it was added by another program or never sealed",
             where);
    LT_TRY(lt_h5_get_str(dset, LT_ATTR_SHA, &stored));
    lt_status st = lt_h5_impl_digest(dset, where, hex);
    if (st == LT_OK && strcmp(hex, stored) != 0)
        st = LT_FAIL(LT_ERR_FORMAT, "dataset %s is damaged: its bytes have SHA-256 %.16s..., written were %.16s...", where, hex, stored);
    free(stored);
    return st;
}

/* All datasets of a group and below. */
static lt_status verify_group(hid_t at) {
    char where[LT_H5_WHERE_BYTES], **names = NULL;
    int64_t n = 0;
    lt_status st = LT_OK;
    LT_TRY(lt_h5_list(at, ".", &names, &n));
    for (int64_t i = 0; i < n && st == LT_OK; i++) {
        lt_h5_impl_where(at, names[i], where);
        hid_t obj = H5Oopen(at, names[i], H5P_DEFAULT);
        H5I_type_t kind = obj < 0 ? H5I_BADID : H5Iget_type(obj);
        if (kind == H5I_DATASET)
            st = verify_dataset(obj, where);
        else if (kind == H5I_GROUP)
            st = verify_group(obj);
        else
            st = LT_FAIL(LT_ERR_FORMAT, "%s cannot be opened: the file is damaged or was changed by another program", where);
        if (obj >= 0) (void)H5Oclose(obj);
    }
    free(names);
    return st;
}

lt_status lt_h5_verify(const char *path) {
    hid_t file = -1;
    bool sealed = false;
    LT_TRY(lt_h5_open(path, &file)); /* checks the seal, if there is one */
    lt_status st = lt_h5_impl_check_seal(path, &sealed);
    if (st == LT_OK && !sealed)
        st = LT_FAIL(LT_ERR_FORMAT, "%s has no ltune-sha256 line at its end: it was changed by another program after it was written", path);
    if (st == LT_OK) st = verify_group(file);
    lt_h5_close(&file);
    return st;
}

/* --- atomic writing -------------------------------------------------------------------------------------------------------------------- */

struct lt_h5_writer {
    hid_t file; /* -1 once closed */
    lt_h5_disk disk;
    char *path, *tmp;
};

static void writer_free(lt_h5_writer **w) {
    free((*w)->path);
    free((*w)->tmp);
    free(*w);
    *w = NULL;
}

/* Sets w->tmp to a new, empty file.  A name may be taken: process ids repeat in containers, and a killed writer leaves its file. */
static lt_status create_temp(lt_h5_writer *w) {
    enum { TRIES = 1000 };
    for (int i = 0;; i++) {
        char *tmp = NULL;
        LT_TRY(lt_fs_temp_name(w->path, &tmp));
        int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), why = errno;
        if (fd >= 0) {
            (void)close(fd);
            w->tmp = tmp;
            return LT_OK;
        }
        /* The system's own words for a folder that is missing, full or not ours. */
        lt_status st = why == EEXIST && i < TRIES ? LT_OK : LT_FAIL(LT_ERR_IO, "cannot create %s: %s", tmp, strerror(why));
        free(tmp);
        if (st != LT_OK) return st;
    }
}

static lt_status create_file(lt_h5_writer *w) {
    LT_TRY(create_temp(w));
    hid_t access = lt_h5_impl_access(), how = H5Pcreate(H5P_FILE_CREATE);
    (void)H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
    lt_h5_impl_set_disk(access, &w->disk);
    (void)H5Pset_obj_track_times(how, false);
    w->file = H5Fcreate(w->tmp, H5F_ACC_TRUNC, how, access);
    lt_status st = w->file < 0 ? lt_h5_raise(LT_ERR_HDF5, __FILE__, __LINE__, __func__, "cannot create %s", w->tmp) : LT_OK;
    (void)H5Pclose(how);
    (void)H5Pclose(access);
    return st;
}

lt_status lt_h5_write_begin(const char *path, const char *kind, int64_t version, lt_h5_writer **out) {
    lt_h5_writer *w = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_calloc(&w, 1, sizeof *w, "an HDF5 writer"));
    w->file = -1;
    LT_TRY_GOTO(lt_strdup(&w->path, path), st, fail);
    LT_TRY_GOTO(create_file(w), st, fail);
    LT_TRY_GOTO(lt_h5_put_str(w->file, LT_ATTR_KIND, kind), st, fail);
    LT_TRY_GOTO(lt_h5_put_i64(w->file, LT_ATTR_VERSION, version), st, fail);
    *out = w;
    return LT_OK;
fail:
    lt_h5_write_cancel(&w);
    return st;
}

hid_t lt_h5_writer_file(const lt_h5_writer *w) { return w->file; }

void lt_h5_write_cancel(lt_h5_writer **w) {
    if (!*w) return;
    if ((*w)->file >= 0) (void)H5Fclose((*w)->file);
    if ((*w)->tmp) (void)unlink((*w)->tmp);
    writer_free(w);
}

lt_status lt_h5_write_commit(lt_h5_writer **out, bool verify) {
    lt_h5_writer *w = *out;
    lt_status st = LT_OK;
    LT_TRY_GOTO(LT_FAULT_POINT("h5.close"), st, fail);
    hid_t file = w->file;
    w->file = -1;
    LT_H5_GOTO(H5Fclose(file), st, fail, "cannot close %s", w->tmp);
    LT_CHECK_GOTO(w->disk.error == 0, st, fail, LT_ERR_IO, "cannot write %s: %s", w->tmp, strerror(w->disk.error));
    LT_TRY_GOTO(seal(w->tmp), st, fail);
    if (verify) LT_TRY_GOTO(lt_h5_verify(w->tmp), st, fail);
    LT_TRY_GOTO(LT_FAULT_POINT("h5.rename"), st, fail);
    LT_TRY_GOTO(lt_fs_replace(w->tmp, w->path, true), st, fail);
    writer_free(out);
    return LT_OK;
fail:
    lt_h5_write_cancel(out);
    return st;
}
