/* Opening HDF5 files; see h5.h.
 *
 * A file that ends with our line is read as it is, once its bytes are found to be those that were written (h5_seal.c): libhdf5 sees nothing that is
 * damaged.  Any other file is copied by a child process first (h5_foreign.c), and the copy is read. */
#include "store/h5_impl.h"

#include "store/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The failures that HDF5 words badly: a file that is not there, and one that is something else. */
static lt_status open_bytes(const char *path, int *out, int64_t *bytes) {
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char head[8];
    struct stat info;
    lt_status st = LT_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO does not wait for its writer */
    LT_CHECK(fd >= 0, LT_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    LT_CHECK_GOTO(fstat(fd, &info) == 0, st, fail, LT_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    LT_CHECK_GOTO(S_ISREG(info.st_mode), st, fail, LT_ERR_IO, "cannot read %s: it is not a regular file", path);
    LT_CHECK_GOTO(info.st_size > 0, st, fail, LT_ERR_FORMAT, "%s is empty (0 bytes), expected an HDF5 file: make it again or copy it again",
                  path);
    ssize_t n = pread(fd, head, sizeof head, 0);
    LT_CHECK_GOTO(n >= 0, st, fail, LT_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    LT_CHECK_GOTO(n == 8 && !memcmp(head, signature, 8), st, fail, LT_ERR_FORMAT,
                  "%s is not an HDF5 file (its first bytes are not \\x89HDF): check the path", path);
    *out = fd;
    *bytes = info.st_size;
    return LT_OK;
fail:
    (void)close(fd);
    return st;
}

static lt_status open_file(const char *path, bool digest, hid_t *file) {
    lt_h5_disk disk = {.fd = -1};
    int fd = -1, copy = -1;
    int64_t bytes = 0;
    hid_t access = lt_h5_impl_access();
    lt_status st = LT_OK;
    LT_TRY_GOTO(open_bytes(path, &fd, &bytes), st, done);
    LT_TRY_GOTO(lt_h5_impl_check_seal(path, fd, digest, disk.sha256), st, done);
    if (!disk.sha256[0]) LT_TRY_GOTO(lt_h5_impl_copy_foreign(path, bytes, &copy), st, done);
    disk.fd = copy >= 0 ? copy : fd;
    lt_h5_impl_set_disk(access, &disk, false);
    hid_t f = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (f < 0) st = lt_h5_raise(LT_ERR_FORMAT, __FILE__, __LINE__, __func__, "cannot open %s", path);
    if (st == LT_OK) *file = f;
done:
    (void)H5Pclose(access);
    if (copy >= 0) (void)close(copy);
    if (fd >= 0) (void)close(fd);
    return st;
}

lt_status lt_h5_open(const char *path, hid_t *file) { return open_file(path, true, file); }

const char *lt_h5_digest(hid_t at) {
    const lt_h5_disk *disk = lt_h5_impl_disk(at);
    return disk && disk->sha256[0] ? disk->sha256 : NULL;
}

static lt_status check_kind(hid_t f, const char *path, const char *kind, int64_t version) {
    char *found = NULL;
    int64_t found_version = 0;
    lt_status st = LT_OK;
    htri_t has_kind = H5Aexists(f, LT_ATTR_KIND);
    if (has_kind < 0) return lt_h5_raise(LT_ERR_FORMAT, __FILE__, __LINE__, __func__, "cannot read the attributes of %s", path);
    LT_CHECK(has_kind > 0, LT_ERR_FORMAT, "%s is HDF5 but not a file of ltune: it has no attribute '" LT_ATTR_KIND "', expected \"%s\"",
             path, kind);
    LT_TRY_GOTO(lt_h5_get_str(f, LT_ATTR_KIND, &found), st, done);
    LT_CHECK_GOTO(!strcmp(found, kind), st, done, LT_ERR_FORMAT, "%s is a %s file, expected %s: check the path", path, found, kind);
    LT_TRY_GOTO(lt_h5_get_i64(f, LT_ATTR_VERSION, &found_version), st, done);
    LT_CHECK_GOTO(found_version == version, st, done, LT_ERR_FORMAT, "%s has " LT_ATTR_VERSION " %lld, this ltune reads %lld: %s", path,
                  (long long)found_version, (long long)version,
                  found_version > version ? "use the newer ltune that wrote it" : "write it again with this ltune");
done:
    free(found);
    return st;
}

static lt_status open_kind(const char *path, const char *kind, int64_t version, bool digest, hid_t *file) {
    hid_t f = -1;
    LT_TRY(open_file(path, digest, &f));
    lt_status st = check_kind(f, path, kind, version);
    if (st == LT_OK)
        *file = f;
    else
        lt_h5_close(&f);
    return st;
}

lt_status lt_h5_open_kind(const char *path, const char *kind, int64_t version, hid_t *file) {
    return open_kind(path, kind, version, true, file);
}
lt_status lt_h5_open_checked(const char *path, const char *kind, int64_t version, hid_t *file) {
    return open_kind(path, kind, version, false, file);
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

lt_status lt_h5_need_digest(hid_t file, const char *path) {
    LT_CHECK(lt_h5_digest(file), LT_ERR_FORMAT,
             "%s has no ltune-sha256 line at its end: it was changed by another program after it was written", path);
    return LT_OK;
}

lt_status lt_h5_verify(const char *path) {
    hid_t file = -1;
    LT_TRY(lt_h5_open(path, &file));
    lt_status st = lt_h5_need_digest(file, path);
    if (st == LT_OK) st = verify_group(file);
    lt_h5_close(&file);
    return st;
}
