#pragma once
/* The lock of a run directory: two jobs cannot write one run.dir, and a job that died does not block the next.
 *
 * The file DIR/run.lock stays for ever; what counts is an operating-system lock on it, which vanishes with its owner.  Its text names
 * the owner for the message that the other job prints.  Rank 0 takes it for the whole job. */

#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_lock lt_lock; /* opaque */

/* Local.  Takes the lock of an existing folder; warns when it takes over from an owner that did not release it.
 * Errors: IO (held by another job: host, pid, job id and start are named; or the folder is not writable), NOMEM. */
lt_status lt_lock_acquire(const char *dir, lt_lock **lock);
/* Local.  Releases it and sets *lock to NULL; accepts NULL inside. */
void lt_lock_release(lt_lock **lock);

#ifdef __cplusplus
}
#endif
