/* The lock of a run directory; see lock.h.
 *
 * Taking it: open DIR/run.lock, ask for a write lock of the open file (OFD lock: bound to the open file, not to the process, so that a library
 * that opens and closes the same file cannot drop it), then write who we are.  An OFD lock ends when its owner ends, however it ends.
 *
 *     lock granted, text empty         free
 *     lock granted, text of an owner   the owner died: taken over, with a warning
 *     lock refused                     in use: the message names the owner from the text
 *     locks not supported here         the text decides: an owner on this host whose pid is gone, or of our own job id (a requeued job), is
 *                                      taken over; any other counts as alive, and the message says which file to delete if it is not
 *
 * Network file systems.  NFS v4, Lustre mounted with -o flock, GPFS and BeeGFS (tuneUseGlobalFileLocks) hold such locks for all hosts; when a
 * whole host dies, the server keeps them until its lease ends (NFS: about 90 s), and the new job is refused until then.  Lustre with
 * -o localflock and NFS with -o nolock lock within one host only: two jobs on two hosts then both succeed, and the second one's warning about the
 * first is the only sign.  The text is not used to refuse when a lock was granted, since a requeued job lands on another host as a rule. */
#include "store/lock.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct lt_lock {
    char *path;
    int fd;
};

typedef struct owner {
    char host[65], job[65], since[40];
    long pid;
} owner;

static void describe_self(owner *o) {
    const char *job = getenv("SLURM_JOB_ID");
    time_t now = time(NULL);
    struct tm utc;
    *o = (owner){.pid = (long)getpid()};
    (void)gethostname(o->host, sizeof o->host - 1);
    (void)snprintf(o->job, sizeof o->job, "%.64s", job ? job : "none");
    if (gmtime_r(&now, &utc)) (void)strftime(o->since, sizeof o->since, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* True if the file names an owner. */
static bool read_owner(int fd, owner *o) {
    char text[320];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n <= 0) return false;
    text[n] = 0;
    *o = (owner){.pid = 0};
    return sscanf(text, "host %64s\npid %ld\njob %64s\nsince %39s\n", o->host, &o->pid, o->job, o->since) == 4;
}

static lt_status write_owner(const lt_lock *l, const owner *o) {
    char text[320];
    int n = snprintf(text, sizeof text, "host %s\npid %ld\njob %s\nsince %s\n", o->host, o->pid, o->job, o->since);
    bool ok = ftruncate(l->fd, 0) == 0 && pwrite(l->fd, text, (size_t)n, 0) == n;
    LT_CHECK(ok, LT_ERR_IO, "cannot write %s: %s", l->path, strerror(errno));
    (void)fsync(l->fd);
    return LT_OK;
}

/* The text's verdict where locks are not supported: may the owner be gone? */
static bool owner_gone(const owner *o, const owner *self) {
    bool own_job = strcmp(o->job, "none") != 0 && !strcmp(o->job, self->job);
    bool dead_here = !strcmp(o->host, self->host) && kill((pid_t)o->pid, 0) != 0 && errno == ESRCH;
    return own_job || dead_here;
}

static lt_status take(lt_lock *l, const char *dir) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat ours, named;
    owner self, other;
    describe_self(&self);
    int rc = fcntl(l->fd, F_OFD_SETLK, &whole), why = rc ? errno : 0;
    bool held = why == EAGAIN || why == EACCES, has_owner = read_owner(l->fd, &other);
    if (held && has_owner)
        return LT_FAIL(
            LT_ERR_IO,
            "%s is in use by another job (host %s, pid %ld, Slurm job %s, since %s): wait for it, stop it, or set another run.dir", dir,
            other.host, other.pid, other.job, other.since);
    LT_CHECK(!held, LT_ERR_IO, "%s is in use by another job that is just starting: wait for it, or set another run.dir", dir);
    if (rc && has_owner)
        LT_CHECK(owner_gone(&other, &self), LT_ERR_IO,
                 "%s seems to be in use (host %s, pid %ld, Slurm job %s, since %s), and its file system has no locks (%s) to tell: if that "
                 "job is gone, "
                 "delete %s",
                 dir, other.host, other.pid, other.job, other.since, strerror(why), l->path);
    /* Someone may have deleted the file between our open and our lock: then another job can hold a new one of that name. */
    LT_CHECK(fstat(l->fd, &ours) == 0 && stat(l->path, &named) == 0 && ours.st_ino == named.st_ino, LT_ERR_IO,
             "%s was replaced while it was being locked: start again", l->path);
    if (has_owner)
        lt_warn("%s was left by a job that ended without releasing it (host %s, pid %ld, Slurm job %s, since %s): taken over", l->path,
                other.host, other.pid, other.job, other.since);
    return write_owner(l, &self);
}

lt_status lt_lock_acquire(const char *dir, lt_lock **lock) {
    lt_lock *l = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_calloc(&l, 1, sizeof *l, "a lock"));
    l->fd = -1;
    LT_TRY_GOTO(lt_fs_path(&l->path, "%s/run.lock", dir), st, fail);
    l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    LT_CHECK_GOTO(l->fd >= 0, st, fail, LT_ERR_IO, "cannot write in the run folder: %s: %s", l->path, strerror(errno));
    LT_TRY_GOTO(take(l, dir), st, fail);
    *lock = l;
    return LT_OK;
fail:
    if (l->fd >= 0) (void)close(l->fd);
    free(l->path);
    free(l);
    return st;
}

void lt_lock_release(lt_lock **lock) {
    lt_lock *l = *lock;
    if (!l) return;
    /* Not unlinked: a job that has it open already would then lock a file that no other job sees. */
    if (ftruncate(l->fd, 0) != 0) lt_warn("cannot clear %s: %s", l->path, strerror(errno));
    (void)close(l->fd);
    free(l->path);
    free(l);
    *lock = NULL;
}
