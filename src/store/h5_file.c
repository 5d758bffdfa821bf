/* Writing whole HDF5 files; see h5.h.
 *
 * Commit.  write PATH.tmp.* -> close -> read back, compare and seal (h5_seal.c) -> fsync -> rename to PATH -> fsync of the folder.  A reader, and a
 * process killed at any instant, find the old file or the new one.  A write that fails is never seen by HDF5 (h5_disk.c): it is found here, after
 * the close, and the temporary file is deleted.
 *
 * Passes over the data: the digests of the datasets while they are in the writer's hands, the write, and one read. */
#include "store/h5_impl.h"

#include "base/fault.h"
#include "base/mem.h"
#include "store/fs.h"
#include "store/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct lt_h5_writer {
    hid_t file; /* -1 once closed */
    lt_h5_disk disk;
    char *path, *tmp;
};

static void writer_free(lt_h5_writer **w) {
    free((*w)->disk.extent);
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
    lt_h5_impl_set_disk(access, &w->disk, true);
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
    w->file = w->disk.fd = -1;
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

static herr_t need_digest(hid_t at, const char *name, const H5O_info_t *info, void *user) {
    if (info->type != H5O_TYPE_DATASET || H5Aexists_by_name(at, name, LT_ATTR_SHA, H5P_DEFAULT) > 0) return 0;
    *(lt_status *)user = LT_FAIL(LT_ERR_FORMAT, "dataset /%s has no digest: it was never sealed", name);
    return -1;
}

/* Everything but the rename: the temporary file is whole and on the disk. */
static lt_status finish(lt_h5_writer *w, char hex[LT_SHA_HEX_BYTES]) {
    lt_status st = LT_OK;
    LT_TRY(LT_FAULT_POINT("h5.close"));
    if (H5Ovisit(w->file, H5_INDEX_NAME, H5_ITER_NATIVE, need_digest, &st) < 0 && st == LT_OK)
        return lt_h5_raise(LT_ERR_HDF5, __FILE__, __LINE__, __func__, "cannot look through %s", w->tmp);
    LT_TRY(st);
    hid_t file = w->file;
    w->file = -1;
    LT_H5(H5Fclose(file), "cannot close %s", w->tmp);
    LT_CHECK(w->disk.error == 0, LT_ERR_IO, "cannot write %s: %s", w->tmp, strerror(w->disk.error));
    LT_TRY(lt_h5_impl_seal(w->tmp, &w->disk, hex));
    return LT_FAULT_POINT("h5.rename");
}

lt_status lt_h5_write_commit_digest(lt_h5_writer **out, bool durable, char hex[LT_SHA_HEX_BYTES]) {
    lt_h5_writer *w = *out;
    lt_status st = LT_OK;
    LT_TRY_GOTO(finish(w, hex), st, fail);
    LT_TRY_GOTO(lt_fs_rename(w->tmp, w->path, durable), st, fail);
    writer_free(out);
    return LT_OK;
fail:
    lt_h5_write_cancel(out);
    return st;
}

lt_status lt_h5_write_commit(lt_h5_writer **w) {
    char hex[LT_SHA_HEX_BYTES];
    return lt_h5_write_commit_digest(w, true, hex);
}
