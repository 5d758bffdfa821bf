#pragma once
/* Files and folders: the few POSIX steps that make a write atomic and durable.
 *
 * Atomic: a new file gets a temporary name in the folder where it belongs and is renamed over the old one, so a reader and a killed writer
 * see the old file or the new one, never half of either.  Durable: the file is synced before the rename and the folder after it.
 * Names that end like lt_fs_temp_name's are ours to delete at the next start. */

#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Local.  Formats a string of any length into *out, released by free().  Errors: NOMEM. */
lt_status lt_fs_path(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Local.  Creates a folder and its parents; fine if they are there.  Errors: IO. */
lt_status lt_fs_mkdirs(const char *dir);
/* Local.  A name for the next version of path, unused by other processes: "PATH.tmp.HOST.PID.N"; released by free().  Errors: NOMEM. */
lt_status lt_fs_temp_name(const char *path, char **tmp);
/* Local.  Asks the kernel to bring a file's content to the disk.  Errors: IO. */
lt_status lt_fs_sync(const char *path);
/* Local.  The same for the folder that a file is in: its name. */
lt_status lt_fs_sync_parent(const char *path);
/* Local.  Renames tmp to path.  durable: the file is synced before and the folder after, so that neither content nor name can be lost by
 * a power cut once this returns.  Errors: IO. */
lt_status lt_fs_replace(const char *tmp, const char *path, bool durable);
/* Local.  The second half of it, for a file that is on the disk already.  durable: the folder is synced after.  Errors: IO. */
lt_status lt_fs_rename(const char *tmp, const char *path, bool durable);
/* Local.  Makes path a symbolic link to target (stored as given), replacing an older link in one step.  durable: the folder is synced
 * after.  Errors: IO. */
lt_status lt_fs_symlink(const char *target, const char *path, bool durable);
/* Local.  Renames a file that cannot be used to PATH.bad, over an earlier one, and warns.  Errors: IO, NOMEM. */
lt_status lt_fs_set_aside(const char *path);
/* Local.  Names in a folder, sorted, without "." and ".."; *names is one block released by free().  Errors: IO, NOMEM. */
lt_status lt_fs_list(const char *dir, char ***names, int *n);
/* Local.  Deletes what killed writers left in a folder: every name that lt_fs_temp_name could have made.  Errors: IO. */
lt_status lt_fs_remove_temps(const char *dir);

#ifdef __cplusplus
}
#endif
