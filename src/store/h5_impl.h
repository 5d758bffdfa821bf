#pragma once
/* Private to h5.c, h5_data.c, h5_disk.c and h5_file.c. */

#include "store/h5.h"

enum { LT_H5_WHERE_BYTES = 400 };

/* "FILE: /group/name" for messages; name may be "".  Returns buf.  Clears HDF5's error stack: call it before what may fail. */
const char *lt_h5_impl_where(hid_t at, const char *name, char buf[LT_H5_WHERE_BYTES]);
/* File access properties of every open: no printing, no locks, closing a file closes what is open in it.  Owned by the caller. */
hid_t lt_h5_impl_access(void);
/* The disk under a file being written (h5_disk.c): its descriptor and the first errno, 0 while all is well.  Must outlive the file. */
typedef struct lt_h5_disk {
    int fd, error;
} lt_h5_disk;
/* Sets the driver of a file about to be created. */
void lt_h5_impl_set_disk(hid_t access, lt_h5_disk *disk);
/* The first errno of the file that `at` belongs to, 0 if there is none or the file is not one of lt_h5_write_begin. */
int lt_h5_impl_disk_error(hid_t at);
/* Holds a file against the line that lt_h5_write_commit put at its end; *sealed: there is one.  Errors: IO, FORMAT (it does not fit). */
lt_status lt_h5_impl_check_seal(const char *path, bool *sealed);
/* Digest of a dataset's raw bytes, read in pieces of at most a few MiB. */
lt_status lt_h5_impl_digest(hid_t dataset, const char *where, char hex[65]);
/* "i32 [10, 3]" into buf. */
void lt_h5_impl_type_text(hid_t dataset, char *buf, size_t bytes);
