// TEST rooms: store  labels: io  timeout: 60
/* Run lock and file helpers: refused while held, by name; taken over from the dead; released; read-only and missing folders. */
#include "io/store_test.h"

#include "base/mem.h"
#include "store/fs.h"
#include "store/lock.h"

#include <signal.h>
#include <sys/wait.h>

/* A process that holds the lock; returns when it has it. */
static pid_t holder(const char *dir) {
    int ends[2];
    char ok = 0;
    if (pipe(ends) != 0) exit(1);
    pid_t child = fork();
    if (child == 0) {
        lt_lock *l = NULL;
        ok = lt_lock_acquire(dir, &l) == LT_OK ? 'y' : 'n';
        if (write(ends[1], &ok, 1) != 1) _exit(1);
        for (;;) pause();
    }
    close(ends[1]);
    CHECK(read(ends[0], &ok, 1) == 1 && ok == 'y');
    close(ends[0]);
    return child;
}

static void test_lock(const char *dir) {
    lt_lock *a = NULL, *b = NULL;
    char expected[64];
    int wstatus;
    setenv("SLURM_JOB_ID", "4711", 1);
    CHECK_OK(lt_fs_mkdirs(dir));
    CHECK_OK(lt_lock_acquire(dir, &a));
    CHECK_FAILS(lt_lock_acquire(dir, &b), LT_ERR_IO, "Slurm job 4711"); /* also within one process */
    CHECK(b == NULL);
    lt_lock_release(&a);
    CHECK(a == NULL);
    CHECK_OK(lt_lock_acquire(dir, &a));
    lt_lock_release(&a);

    /* Another process: refused while it lives, taken over when it was killed. */
    pid_t other = holder(dir);
    snprintf(expected, sizeof expected, "pid %ld", (long)other);
    CHECK_FAILS(lt_lock_acquire(dir, &a), LT_ERR_IO, expected);
    kill(other, SIGKILL);
    waitpid(other, &wstatus, 0);
    CHECK_OK(lt_lock_acquire(dir, &a));
    lt_lock_release(&a);

    /* What a dead job on another host left, and rubbish. */
    file_save(in_scratch("run/run.lock"), "host far-away\npid 12\njob 9\nsince 2020-01-01T00:00:00Z\n", 54);
    CHECK_OK(lt_lock_acquire(dir, &a));
    lt_lock_release(&a);
    file_save(in_scratch("run/run.lock"), "?", 1);
    CHECK_OK(lt_lock_acquire(dir, &a));
    lt_lock_release(&a);
    CHECK_FAILS(lt_lock_acquire(in_scratch("nowhere"), &a), LT_ERR_IO, "cannot write in the run folder");
    lt_lock_release(&a); /* NULL is fine */
}

static void test_fs(void) {
    char **names, link[64] = "";
    int n;
    CHECK_OK(lt_fs_mkdirs(in_scratch("a/b/c")));
    CHECK_OK(lt_fs_mkdirs(in_scratch("a/b/c"))); /* again */
    file_save(in_scratch("a/file"), "1", 1);
    CHECK_FAILS(lt_fs_mkdirs(in_scratch("a/file")), LT_ERR_IO, "is not a folder");
    CHECK_FAILS(lt_fs_mkdirs(in_scratch("a/file/x")), LT_ERR_IO, "cannot create folder");
    CHECK_FAILS(lt_fs_mkdirs(""), LT_ERR_ARG, "empty");
    file_save(in_scratch("a/x.tmp.1"), "new", 3);
    CHECK_OK(lt_fs_replace(in_scratch("a/x.tmp.1"), in_scratch("a/file"), true));
    CHECK_FAILS(lt_fs_replace(in_scratch("a/x.tmp.1"), in_scratch("a/file"), false), LT_ERR_IO, "cannot rename");
    CHECK_OK(lt_fs_symlink("file", in_scratch("a/link"), true));
    CHECK_OK(lt_fs_symlink("b", in_scratch("a/link"), true));
    CHECK(readlink(in_scratch("a/link"), link, sizeof link - 1) == 1 && link[0] == 'b');
    file_save(in_scratch("a/y.tmp.host.12.0"), "", 0);
    file_save(in_scratch("a/mine.tmp.old"), "", 0); /* not ours by name */
    CHECK_OK(lt_fs_remove_temps(in_scratch("a")));
    CHECK_OK(lt_fs_list(in_scratch("a"), &names, &n));
    CHECK(n == 4 && !strcmp(names[0], "b") && !strcmp(names[1], "file") && !strcmp(names[2], "link") && !strcmp(names[3], "mine.tmp.old"));
    free(names);
    CHECK_FAILS(lt_fs_list(in_scratch("a/zzz"), &names, &n), LT_ERR_IO, "cannot list folder");
}

int main(void) {
    setenv("LT_LOG", "error", 0); /* the warnings about dead owners are expected here */
    scratch_make();
    test_lock(in_scratch("run"));
    test_fs();
    return test_end();
}
