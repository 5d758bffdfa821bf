/* HDF5's file driver over a descriptor of ours: POSIX calls that never report a failed write to HDF5.
 *
 * Reading.  The descriptor that a digest was computed from is the one that HDF5 reads: no other file can come between them under the same name.
 *
 * Writing.  HDF5 1.10 does not survive a failed write.  When one fails inside a flush or a close, cached data is dropped or the close leaves a
 * freed object in HDF5's table, and the process crashes in MPI_Finalize or at exit: a full disk would cost us the message and the exit code.
 * So the first failure is kept in lt_h5_disk, HDF5 is told that all is well, and the file, which is a temporary one, is thrown away: h5_data.c looks
 * at lt_h5_disk after each dataset, lt_h5_write_commit before anything is renamed.  Every write leaves an extent with its hash, for the comparison
 * when the file is read back (h5_seal.c); what is written over takes the older extents with it.
 *
 * Read-back.  Writes after a failure are dropped, so what HDF5 reads again would be wrong.  It reads metadata again only when it has evicted it,
 * which is switched off for these files: their metadata stays in memory, a few hundred bytes a dataset.
 *
 * The driver is linear: one address space, addresses are file offsets. */
#include "store/h5_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

/* An open file; HDF5 owns the first member and sees no other. */
typedef struct disk_file {
    H5FD_t pub;
    lt_h5_disk *disk, own; /* disk is &own where the descriptor was given */
    haddr_t eoa, eof;      /* what HDF5 has allocated; what was written */
} disk_file;

static void fail(lt_h5_disk *disk, int why) {
    if (!disk->error) disk->error = why;
}

/* Adds the extent of one write. */
static void remember(lt_h5_disk *disk, int64_t at, int64_t bytes, const void *data) {
    int64_t low = 0, high = disk->n_extents;
    uint64_t h = 0;
    while (low < high) { /* first extent that ends after `at`; writes mostly come in order */
        int64_t mid = low + 1 == high ? low : high == disk->n_extents ? high - 1 : low + (high - low) / 2;
        if (disk->extent[mid].at + disk->extent[mid].bytes <= at)
            low = mid + 1;
        else
            high = mid;
    }
    while (high < disk->n_extents && disk->extent[high].at < at + bytes) high++;
    if (disk->n_extents == disk->cap_extents) {
        int64_t cap = disk->cap_extents ? 2 * disk->cap_extents : 64;
        lt_h5_extent *grown = realloc(disk->extent, (size_t)cap * sizeof *grown);
        if (!grown) {
            fail(disk, ENOMEM);
            return;
        }
        disk->extent = grown;
        disk->cap_extents = cap;
    }
    for (int64_t done = 0; done < bytes; done += LT_H5_PIECE)
        h = lt_h5_impl_hash(h, (const unsigned char *)data + done, (size_t)(bytes - done < LT_H5_PIECE ? bytes - done : LT_H5_PIECE));
    memmove(disk->extent + low + 1, disk->extent + high, (size_t)(disk->n_extents - high) * sizeof *disk->extent);
    disk->extent[low] = (lt_h5_extent){at, bytes, h};
    disk->n_extents += 1 - (high - low);
}

static H5FD_t *disk_open(const char *name, unsigned flags, hid_t access, haddr_t maxaddr) {
    lt_h5_disk *disk;
    const void *info = H5Pget_driver_info(access);
    disk_file *f = calloc(1, sizeof *f);
    if (!info || !f) goto fail;
    memcpy(&disk, info, sizeof disk);
    f->disk = disk;
    if (disk->fd >= 0) {
        struct stat stat;
        f->own = *disk;
        f->disk = &f->own;
        f->own.fd = fcntl(disk->fd, F_DUPFD_CLOEXEC, 0);
        if (f->own.fd < 0 || fstat(f->own.fd, &stat) != 0) goto fail;
        f->eof = (haddr_t)stat.st_size;
        return &f->pub;
    }
    disk->fd = open(name, O_RDWR | O_CREAT | (flags & H5F_ACC_TRUNC ? O_TRUNC : 0) | O_CLOEXEC, 0666);
    if (disk->fd < 0) goto fail;
    return &f->pub;
fail:
    free(f);
    return NULL;
}

static herr_t disk_close(H5FD_t *file) {
    disk_file *f = (disk_file *)file;
    if (close(f->disk->fd) != 0) fail(f->disk, errno);
    if (f->disk == &f->own) free(f->own.extent);
    free(f);
    return 0;
}

static herr_t disk_query(const H5FD_t *file, unsigned long *flags) {
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA |
             H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
    return 0;
}

static haddr_t disk_get_eoa(const H5FD_t *file, H5FD_mem_t type) { return ((const disk_file *)file)->eoa; }
static haddr_t disk_get_eof(const H5FD_t *file, H5FD_mem_t type) { return ((const disk_file *)file)->eof; }

static herr_t disk_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t addr) {
    ((disk_file *)file)->eoa = addr;
    return 0;
}

static herr_t disk_get_handle(H5FD_t *file, hid_t access, void **handle) {
    *handle = ((disk_file *)file)->disk;
    return 0;
}

static herr_t disk_read(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t addr, size_t size, void *buffer) {
    const disk_file *f = (disk_file *)file;
    unsigned char *p = buffer;
    while (size > 0) {
        ssize_t n = pread(f->disk->fd, p, size, (off_t)addr);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) {
            memset(p, 0, size); /* past the end: what was never written reads as zeros */
            return 0;
        }
        p += n, addr += (haddr_t)n, size -= (size_t)n;
    }
    return 0;
}

static herr_t disk_write(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t addr, size_t size, const void *buffer) {
    disk_file *f = (disk_file *)file;
    const unsigned char *p = buffer;
    if (addr + size > f->eof) f->eof = addr + size;
    if (size > 0 && !f->disk->error) remember(f->disk, (int64_t)addr, (int64_t)size, buffer);
    while (size > 0 && !f->disk->error) {
        ssize_t n = pwrite(f->disk->fd, p, size, (off_t)addr);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            fail(f->disk, n < 0 ? errno : ENOSPC);
            return 0;
        }
        p += n, addr += (haddr_t)n, size -= (size_t)n;
    }
    return 0;
}

static herr_t disk_truncate(H5FD_t *file, hid_t transfer, hbool_t closing) {
    disk_file *f = (disk_file *)file;
    if (f->eoa == f->eof) return 0;
    for (lt_h5_disk *d = f->disk; d->n_extents > 0; d->n_extents--)
        if (d->extent[d->n_extents - 1].at + d->extent[d->n_extents - 1].bytes <= (int64_t)f->eoa) break;
    if (ftruncate(f->disk->fd, (off_t)f->eoa) != 0) fail(f->disk, errno);
    f->eof = f->eoa;
    return 0;
}

static const H5FD_class_t disk_class = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = 511, /* the last of the values that are free to use without registration */
#endif
    .name = "ltune_disk",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(lt_h5_disk *),
    .open = disk_open,
    .close = disk_close,
    .query = disk_query,
    .get_eoa = disk_get_eoa,
    .set_eoa = disk_set_eoa,
    .get_eof = disk_get_eof,
    .get_handle = disk_get_handle,
    .read = disk_read,
    .write = disk_write,
    .truncate = disk_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

static hid_t driver(void) {
    static hid_t id = -1;
    if (id < 0 || H5Iget_type(id) != H5I_VFL) id = H5FDregister(&disk_class);
    return id;
}

void lt_h5_impl_set_disk(hid_t access, lt_h5_disk *disk, bool writing) {
    H5AC_cache_config_t cache = {.version = H5AC__CURR_CACHE_CONFIG_VERSION};
    (void)H5Pset_driver(access, driver(), &disk);
    if (!writing) return;
    (void)H5Pget_mdc_config(access, &cache);
    cache.evictions_enabled = false; /* which asks that the cache is not resized either */
    cache.incr_mode = H5C_incr__off;
    cache.flash_incr_mode = H5C_flash_incr__off;
    cache.decr_mode = H5C_decr__off;
    (void)H5Pset_mdc_config(access, &cache);
}

const lt_h5_disk *lt_h5_impl_disk(hid_t at) {
    void *handle = NULL;
    hid_t file = H5Iget_file_id(at), access = H5Fget_access_plist(file);
    if (H5Pget_driver(access) != driver() || H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) < 0) handle = NULL;
    (void)H5Pclose(access);
    (void)H5Fclose(file); /* one reference of several */
    return handle;
}
