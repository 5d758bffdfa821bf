/* Files that nothing vouches for: made by other programs, changed by them, or damaged where our line stood; see h5_impl.h.
 *
 * Why a child process.  HDF5 1.10 does not survive every damaged file: a few wrong bytes in the heap of variable-length strings, which h5py uses
 * for every string, make it loop for ever or read past the end of its memory.  Refusing such strings would refuse what h5py writes; checking
 * the heap ourselves would cover one structure of many.  So a child opens the file, copies what it holds into a file of our own kind (fixed-length
 * strings, no filters, no links) in memory, and ends.  If it crashes, loops or asks for absurd amounts, that is found and told; the caller
 * then reads the copy, which our own writer made, and never the file.  It costs the unpacked size in memory while the file is open.
 *
 * The child.  A plain fork: no program of ours needs to be found, and nothing of MPI is called there (HDF5, which would call it when it starts, has
 * started before).  It ends with _exit, so nothing of the parent's is flushed or finalised twice.  Its time is counted in seconds of CPU
 * and starts anew with every object and block, so that neither a slow file system nor a large file is taken for a loop.
 *
 * Bounds: as many objects as a file of this size can hold, a depth of groups, and the memory that a shape may ask for. */
#include "store/h5_impl.h"

#include "base/mem.h"
#include "store/layout.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STEP_MS = 300,         /* CPU time for one object or one block of 4 MiB; they take milliseconds */
    CPU_S = 2,             /* for all of them; on top of CPU_BYTES_S, with room for packed data */
    CPU_BYTES_S = 1 << 18, /* bytes of the file a second */
    WALL_S = 20,           /* for a child that waits without working, which should not be; on top of SLOW_BYTES_S */
    SLOW_BYTES_S = 4 << 20 /* bytes a second of a file system that is still taken for alive */,
    MAX_DEPTH = 16 /* groups in groups; ours have 5 */
};

/* --- copying ---------------------------------------------------------------------------------------------------------------------------- */

typedef struct copier {
    hid_t to;                 /* group or dataset that receives */
    int64_t left, bytes_left; /* objects and attributes, bytes of data that may still come */
} copier;

/* A little more time and one more object. */
static lt_status next_object(copier *c) {
    const struct itimerval timer = {.it_value = {.tv_usec = STEP_MS * 1000L}};
    (void)setitimer(ITIMER_PROF, &timer, NULL);
    LT_CHECK(c->left-- > 0, LT_ERR_FORMAT, "the file is damaged: it shows more objects than a file of its size can hold");
    return LT_OK;
}

static lt_status copy_attr(void *user, const char *key, char type, const char *text) {
    copier *c = user;
    LT_TRY(next_object(c));
    LT_CHECK(H5Aexists(c->to, key) <= 0, LT_ERR_FORMAT, "the file is damaged: an object has two attributes '%s'", key);
    if (type == 's') return lt_h5_put_str(c->to, key, text);
    if (type == 'i') return lt_h5_put_i64(c->to, key, strtoll(text, NULL, 10));
    if (type == 'f') return lt_h5_put_f64(c->to, key, strtod(text, NULL));
    /* known to be there, and of another type than ours */
    hid_t space = H5Screate(H5S_NULL), attr = H5Acreate2(c->to, key, H5T_STD_I8LE, space, H5P_DEFAULT, H5P_DEFAULT);
    (void)H5Sclose(space);
    LT_H5(attr, "cannot copy attribute '%s'", key);
    (void)H5Aclose(attr);
    return LT_OK;
}

typedef struct block_target {
    copier *c;
    const char *name;
} block_target;

static lt_status copy_block(void *user, const void *data, size_t bytes, const int64_t *start, const int64_t *count) {
    block_target *t = user;
    t->c->left++;
    LT_TRY(next_object(t->c));
    return lt_h5_write_part(t->c->to, t->name, start, count, data);
}

static lt_status copy_strings(copier *c, hid_t from, const char *name) {
    char **text = NULL;
    int64_t n = 0;
    LT_TRY(lt_h5_read_strings(from, name, &n, &text));
    lt_status st = lt_h5_write_strings(c->to, name, n, (const char *const *)text, false);
    free(text);
    return st;
}

/* A dataset of another type than ours: its name and shape, so that what is asked for is found to be wrong, not missing. */
static lt_status copy_shape(copier *c, const char *name, hid_t dset) {
    hid_t how = H5Pcreate(H5P_DATASET_CREATE), space = H5Dget_space(dset);
    (void)H5Pset_alloc_time(how, H5D_ALLOC_TIME_LATE);
    hid_t copy = H5Dcreate2(c->to, name, H5T_STD_I8LE, space, H5P_DEFAULT, how, H5P_DEFAULT);
    (void)H5Pclose(how);
    (void)H5Sclose(space);
    LT_H5(copy, "cannot copy the dataset %s", name);
    (void)H5Dclose(copy);
    return LT_OK;
}

static lt_status copy_dataset(copier *c, hid_t from, const char *name, hid_t dset) {
    char where[LT_H5_WHERE_BYTES];
    lt_dtype dt;
    int n_dims;
    int64_t dim[LT_H5_MAX_DIMS], bytes;
    hid_t type = H5Dget_type(dset);
    bool text = H5Tget_class(type) == H5T_STRING;
    const int64_t elem = (int64_t)H5Tget_size(type);
    (void)H5Tclose(type);
    lt_h5_impl_where(from, name, where);
    if (lt_h5_shape(from, name, &dt, &n_dims, dim) != LT_OK) return copy_shape(c, name, dset); /* too many dimensions */
    if (!(text && n_dims == 1) && (dt == LT_DTYPE_COUNT || n_dims == 0)) return copy_shape(c, name, dset);
    bytes = text ? elem : (int64_t)lt_dtype_bytes(dt);
    for (int i = 0; i < n_dims; i++)
        LT_CHECK(!__builtin_mul_overflow(bytes, dim[i], &bytes), LT_ERR_FORMAT, "dataset %s is damaged: its shape overflows", where);
    LT_CHECK(bytes <= c->bytes_left, LT_ERR_FORMAT, "dataset %s needs more memory than there is; is its shape damaged?", where);
    c->bytes_left -= bytes;
    if (text) return copy_strings(c, from, name);
    LT_TRY(lt_h5_create(c->to, name, dt, n_dims, dim));
    LT_TRY(lt_h5_impl_blocks(dset, where, copy_block, &(block_target){c, name}));
    copier inside = *c;
    inside.to = H5Dopen2(c->to, name, H5P_DEFAULT);
    LT_H5(inside.to, "cannot open the copy of %s", where);
    lt_status st = lt_h5_each_attr(dset, copy_attr, &inside);
    (void)H5Dclose(inside.to);
    c->left = inside.left;
    return st;
}

/* What a group holds into c->to. */
static lt_status copy_group(copier *c, hid_t from, int depth) {
    char where[LT_H5_WHERE_BYTES], **names = NULL;
    int64_t n = 0;
    lt_status st = LT_OK;
    LT_CHECK(depth < MAX_DEPTH, LT_ERR_FORMAT, "the file is damaged or not one for ltune: groups are nested deeper than %d", MAX_DEPTH);
    LT_TRY(lt_h5_each_attr(from, copy_attr, c));
    LT_TRY(lt_h5_list(from, ".", &names, &n));
    for (int64_t i = 0; i < n && st == LT_OK; i++) {
        H5L_info_t link;
        copier inside = *c;
        LT_TRY_GOTO(next_object(c), st, done);
        inside.left = c->left;
        lt_h5_impl_where(from, names[i], where);
        LT_CHECK_GOTO(H5Lexists(c->to, names[i], H5P_DEFAULT) <= 0, st, done, LT_ERR_FORMAT, "the file is damaged: it holds %s twice",
                      where);
        LT_H5_READ_GOTO(H5Lget_info(from, names[i], &link, H5P_DEFAULT), st, done, "cannot read %s", where);
        if (link.type == H5L_TYPE_EXTERNAL) continue; /* of another file */
        hid_t obj = H5Oopen(from, names[i], H5P_DEFAULT);
        if (obj < 0 && link.type == H5L_TYPE_SOFT) continue; /* points at nothing */
        LT_H5_READ_GOTO(obj, st, done, "cannot open %s", where);
        H5I_type_t kind = H5Iget_type(obj);
        if (kind == H5I_DATASET) st = copy_dataset(&inside, from, names[i], obj);
        if (kind == H5I_GROUP) {
            inside.to = -1;
            st = lt_h5_group(c->to, names[i], &inside.to);
            if (st == LT_OK) st = copy_group(&inside, obj, depth + 1);
            lt_h5_close(&inside.to);
        }
        (void)H5Oclose(obj);
        c->left = inside.left;
        c->bytes_left = inside.bytes_left;
    }
done:
    free(names);
    return st;
}

/* --- the child -------------------------------------------------------------------------------------------------------------------------- */

static lt_status copy_file(const char *path, int64_t bytes, int fd) {
    lt_h5_disk disk = {.fd = fd};
    hid_t access = lt_h5_impl_access(), out_access = lt_h5_impl_access(), from = -1;
    copier c = {.to = -1, .left = 1000 + bytes / 8};
    int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    lt_status st = LT_OK;
    c.bytes_left = pages > 0 && page > 0 ? pages / 2 * page : INT64_MAX;
    LT_TRY(next_object(&c));
    from = H5Fopen(path, H5F_ACC_RDONLY, access);
    LT_H5_READ(from, "cannot open %s", path);
    (void)H5Pset_libver_bounds(out_access, H5F_LIBVER_V18, H5F_LIBVER_V18);
    lt_h5_impl_set_disk(out_access, &disk, true);
    c.to = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, out_access); /* the name is for messages only */
    LT_H5(c.to, "cannot copy %s", path);
    LT_TRY(copy_group(&c, from, 0));
    const lt_h5_disk *copied = lt_h5_impl_disk(c.to);
    LT_H5(H5Fflush(c.to, H5F_SCOPE_LOCAL), "cannot copy %s", path);
    LT_CHECK(copied && copied->error == 0, LT_ERR_IO, "cannot copy %s into memory: %s", path, copied ? strerror(copied->error) : "?");
    LT_H5(H5Fclose(c.to), "cannot copy %s", path);
    return st;
}

/* What the child tells: its verdict. */
typedef struct verdict {
    lt_status st;
    char msg[LT_ERR_MSG_BYTES];
} verdict;

static void child_main(const char *path, int64_t bytes, int copy, int report) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPROF, SIGXCPU, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGALRM};
    const struct rlimit none = {0, 0}, cpu = {CPU_S + (rlim_t)(bytes / CPU_BYTES_S), RLIM_INFINITY};
    verdict v = {LT_OK, ""};
    sigset_t all;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) (void)signal(signals[i], SIG_DFL); /* no handlers of MPI or of ours */
    (void)sigemptyset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)setrlimit(RLIMIT_CPU, &cpu);
    if (!freopen("/dev/null", "w", stderr)) _exit(1); /* libc's last words about a corrupted heap */
    v.st = copy_file(path, bytes, copy);
    if (v.st != LT_OK) (void)snprintf(v.msg, sizeof v.msg, "%s", lt_err_last()->msg);
    _exit(write(report, &v, sizeof v) == sizeof v ? 0 : 1);
}

/* --- the parent ------------------------------------------------------------------------------------------------------------------------- */

/* Waits for the verdict, or for the end of the child or its time.  False: the child is still there. */
static bool hear(int report, int64_t bytes, verdict *v, size_t *got) {
    int wall_ms = WALL_S * 1000 + (int)(bytes / SLOW_BYTES_S < 100000 ? bytes / SLOW_BYTES_S * 1000 : 100000000);
    for (*got = 0; *got < sizeof *v;) {
        struct pollfd ready = {.fd = report, .events = POLLIN};
        int rc = poll(&ready, 1, wall_ms);
        if (rc < 0 && errno == EINTR) continue;
        if (rc <= 0) return false;
        ssize_t n = read(report, (char *)v + *got, sizeof *v - *got);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return true;
        *got += (size_t)n;
    }
    return true;
}

lt_status lt_h5_impl_copy_foreign(const char *path, int64_t bytes, int *out) {
    int ends[2], end = 0, copy;
    verdict v;
    size_t got;
    lt_status st = LT_OK;
    (void)H5open();
    copy = memfd_create("ltune-h5", MFD_CLOEXEC);
    LT_CHECK(copy >= 0, LT_ERR_IO, "cannot make room in memory for %s: %s", path, strerror(errno));
    LT_CHECK_GOTO(pipe(ends) == 0, st, fail, LT_ERR_IO, "cannot make a pipe to read %s: %s", path, strerror(errno));
    pid_t child = fork();
    if (child == 0) child_main(path, bytes, copy, ends[1]);
    int why = errno;
    (void)close(ends[1]);
    bool ended = child > 0 && hear(ends[0], bytes, &v, &got);
    (void)close(ends[0]);
    LT_CHECK_GOTO(child > 0, st, fail, LT_ERR_IO, "cannot start a process to read %s: %s", path, strerror(why));
    if (!ended) (void)kill(child, SIGKILL);
    while (waitpid(child, &end, 0) < 0 && errno == EINTR) {}
    bool late = !ended || (WIFSIGNALED(end) && (WTERMSIG(end) == SIGPROF || WTERMSIG(end) == SIGXCPU));
    LT_CHECK_GOTO(!late, st, fail, LT_ERR_FORMAT, "%s is damaged: reading it comes to no end; copy it or make it again", path);
    LT_CHECK_GOTO(got == sizeof v && WIFEXITED(end), st, fail, LT_ERR_FORMAT,
                  "%s is damaged: reading it crashes the HDF5 library; copy it or make it again", path);
    v.msg[sizeof v.msg - 1] = 0;
    LT_CHECK_GOTO(v.st == LT_OK, st, fail, v.st, "%s", v.msg);
    *out = copy;
    return LT_OK;
fail:
    (void)close(copy);
    return st;
}
