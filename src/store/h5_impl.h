#pragma once
/* Private to the h5 files.  Each builds on those before it and on none after:
 *
 *     h5_seal.c      bytes of a file: the line that vouches for it
 *     h5_disk.c      HDF5's file driver over a descriptor of ours
 *     h5.c           errors, groups, attributes
 *     h5_data.c      datasets
 *     h5_foreign.c   files that nothing vouches for, read in a child process
 *     h5_open.c      reading files
 *     h5_file.c      writing files */

#include "base/sha256.h"
#include "store/h5.h"

enum { LT_H5_WHERE_BYTES = 400 };

/* --- h5_seal.c -------------------------------------------------------------------------------------------------------------------------- */

enum { LT_H5_PIECE = 1 << 20 /* bytes of a file looked at in one go, from the start of an extent on */ };

/* Bytes that were written and not written over since. */
typedef struct lt_h5_extent {
    int64_t at, bytes;
    uint64_t hash; /* lt_h5_impl_hash over its pieces, from 0 */
} lt_h5_extent;

/* The disk under an open file.  Written: the first errno (0 while all is well) and the extents, sorted by place.  Must outlive the file, except
 * where fd is given: then the driver keeps a copy of its own. */
typedef struct lt_h5_disk {
    int fd; /* -1: the driver opens the name; else it uses a duplicate of this */
    int error;
    char sha256[LT_SHA_HEX_BYTES]; /* digest of a file that was opened for reading and is vouched for; else "" */
    lt_h5_extent *extent;          /* [n_extents] */
    int64_t n_extents, cap_extents;
} lt_h5_disk;

/* A fast hash of 64 bits, continued from h: finds bytes that were lost, not forged. */
uint64_t lt_h5_impl_hash(uint64_t h, const void *data, size_t bytes);
/* Local.  Reads a file that was written, compares it with the extents, puts the line behind it and syncs it.  hex: the digest.  Errors: IO, NOMEM. */
lt_status lt_h5_impl_seal(const char *path, const lt_h5_disk *disk, char hex[LT_SHA_HEX_BYTES]);
/* Local.  hex: the digest that the line at the end of an open file holds, "" if there is none.  digest: the file is held against it.
 * Errors: IO, FORMAT (it does not fit). */
lt_status lt_h5_impl_check_seal(const char *path, int fd, bool digest, char hex[LT_SHA_HEX_BYTES]);

/* --- h5_disk.c -------------------------------------------------------------------------------------------------------------------------- */

/* Sets the driver of a file about to be created (writing) or opened. */
void lt_h5_impl_set_disk(hid_t access, lt_h5_disk *disk, bool writing);
/* The disk of the file that `at` belongs to, NULL if it has another driver; borrowed. */
const lt_h5_disk *lt_h5_impl_disk(hid_t at);

/* --- h5.c, h5_data.c -------------------------------------------------------------------------------------------------------------------- */

/* "FILE: /group/name" for messages; name may be "".  Returns buf.  Clears HDF5's error stack: call it before what may fail. */
const char *lt_h5_impl_where(hid_t at, const char *name, char buf[LT_H5_WHERE_BYTES]);
/* File access properties of every open: no printing, no locks, closing a file closes what is open in it.  Owned by the caller. */
hid_t lt_h5_impl_access(void);
/* The type of a string of fixed length (at least 1), zero-padded UTF-8.  Owned by the caller. */
hid_t lt_h5_impl_text_type(size_t bytes);
/* Hands the raw bytes of a dataset to fn in order, in blocks of whole trailing dimensions and at most a few MiB.  fn sees the block's place.
 * Errors: FORMAT (a shape beyond what the file holds), NOMEM; fn's. */
typedef lt_status (*lt_h5_block_fn)(void *user, const void *data, size_t bytes, const int64_t *start, const int64_t *count);
lt_status lt_h5_impl_blocks(hid_t dataset, const char *where, lt_h5_block_fn fn, void *user);
/* Digest of a dataset's raw bytes. */
lt_status lt_h5_impl_digest(hid_t dataset, const char *where, char hex[LT_SHA_HEX_BYTES]);
/* "i32 [10, 3]" into buf. */
void lt_h5_impl_type_text(hid_t dataset, char *buf, size_t bytes);

/* --- h5_foreign.c ----------------------------------------------------------------------------------------------------------------------- */

/* Local.  Copies what a file holds (docs/FORMATS.md) into *copy, an unnamed file in memory that our own writer made; closed by the caller.  The file
 * is read in a child process, so damage of any kind costs that child only.  Errors: FORMAT (damaged, also where HDF5 crashes or loops), IO, NOMEM. */
lt_status lt_h5_impl_copy_foreign(const char *path, int64_t bytes, int *copy);
