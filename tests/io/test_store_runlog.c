// TEST rooms: store  labels: io  timeout: 120
/* Run log: rows and facts through the file and back, resume, pacing of flushes, readers beside a running and a killed writer, h5dump. */
#include "io/store_test.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/h5.h"
#include "store/runlog.h"

#include <signal.h>
#include <sys/wait.h>

static lt_status add_step(lt_runlog *log, int64_t step) {
    lt_train_row r = {.step = step, .loss = 1.0 / (double)(step + 1), .lr = 1e-3, .grad_norm = (double)step};
    lt_perf_row p = {.step = step,
                     .seconds = 0.5,
                     .tokens = 100 * step,
                     .sentences = 8,
                     .t_compute = 0.3,
                     .t_comm = 0.1,
                     .t_data = 0.05,
                     .t_io = 0.05,
                     .t_linear = 0.2,
                     .t_attention = 0.05};
    LT_TRY(lt_runlog_add_train(log, "zeta", &r));
    LT_TRY(lt_runlog_add_train(log, "alpha", &r));
    if (step % 10 == 0) {
        lt_eval_row e = {
            .step = step, .split = "dev", .loss = 0.4, .accuracy = 0.75, .mcc = 0.5, .f1 = 0.8, .sequences = 872, .seconds = 1.5};
        LT_TRY(lt_runlog_add_eval(log, "alpha", &e));
    }
    return lt_runlog_add_perf(log, &p);
}

/* Rows of the log are those of steps 1..n of every series. */
static bool holds_steps(const lt_runlog *log, int64_t n) {
    int64_t rows, perf;
    const lt_train_row *r = lt_runlog_train(log, 0, &rows);
    const lt_perf_row *p = lt_runlog_perf(log, &perf);
    bool same = rows == n && perf == n;
    for (int64_t i = 0; same && i < n; i++)
        same = r[i].step == i + 1 && r[i].loss == 1.0 / (double)(i + 2) && r[i].grad_norm == (double)(i + 1) &&
               p[i].tokens == 100 * (i + 1) && p[i].t_io == 0.05;
    return same;
}

static void test_round_trip(const char *path) {
    lt_runlog *log = NULL;
    int64_t n;
    setenv("SLURM_JOB_ID", "0123", 1);
    setenv("SLURM_JWT", "top secret", 1);
    CHECK_OK(lt_runlog_open(path, 0, &log));
    CHECK_OK(lt_runlog_start(log));
    CHECK_OK(lt_runlog_put_str(log, "config", "run: {dir: x}\n"));
    CHECK_OK(lt_runlog_put_i64(log, "ranks", 4));
    CHECK_OK(lt_runlog_put_env(log, "SLURM_"));
    CHECK_OK(lt_runlog_put_trial_str(log, "zeta", "method", "prefix"));
    CHECK_OK(lt_runlog_put_trial_i64(log, "zeta", "trainable", 49152));
    for (int64_t s = 1; s <= 300; s++) CHECK_OK(add_step(log, s));
    lt_train_row r = {.step = 1};
    CHECK_FAILS(lt_runlog_add_train(log, "a/b", &r), LT_ERR_ARG, "cannot be the name of a trial");
    CHECK(!file_exists(path));
    CHECK_OK(lt_runlog_flush(log, true));
    lt_runlog_close(&log);
    CHECK_OK(lt_h5_verify(path));

    /* A resumed job: what was there, in the order of the run; its own start beside the first. */
    CHECK_OK(lt_runlog_open(path, 0, &log));
    CHECK_INT(lt_runlog_trials(log), 2);
    CHECK_STR(lt_runlog_trial_name(log, 0), "zeta");
    CHECK_STR(lt_runlog_fact(log, 0, "method"), "prefix");
    CHECK_STR(lt_runlog_fact(log, 0, "trainable"), "49152");
    CHECK_STR(lt_runlog_fact(log, -1, "config"), "run: {dir: x}\n");
    CHECK_STR(lt_runlog_fact(log, -1, "SLURM_JOB_ID"), "0123"); /* a string stays a string */
    CHECK(lt_runlog_fact(log, -1, "SLURM_JWT") == NULL);
    CHECK(lt_runlog_fact(log, 0, "order") == NULL);
    CHECK(holds_steps(log, 300));
    const lt_eval_row *e = lt_runlog_eval(log, 1, &n);
    CHECK(n == 30 && e[3].step == 40 && !strcmp(e[3].split, "dev") && e[3].mcc == 0.5 && e[3].sequences == 872);
    lt_runlog_truncate_after(log, 120);
    CHECK(holds_steps(log, 120));
    CHECK(lt_runlog_eval(log, 1, &n) && n == 12);
    CHECK_OK(lt_runlog_start(log));
    CHECK_OK(lt_runlog_put_i64(log, "ranks", 2));
    for (int64_t s = 121; s <= 130; s++) CHECK_OK(add_step(log, s));
    CHECK_OK(lt_runlog_flush(log, true));
    lt_runlog_close(&log);

    CHECK_OK(lt_runlog_open(path, 0, &log));
    CHECK(holds_steps(log, 130));
    CHECK_INT(lt_runlog_starts(log), 2);
    CHECK_STR(lt_runlog_fact(log, -1, "ranks"), "2");
    lt_runlog_close(&log);
    hid_t f = -1, g = -1;
    CHECK_OK(lt_h5_open(path, &f));
    CHECK_OK(lt_h5_group(f, "run/start_0001", &g));
    CHECK_OK(lt_h5_get_i64(g, "ranks", &n));
    CHECK_INT(n, 4);
    lt_h5_close(&g);
    lt_h5_close(&f);
}

/* Unforced flushes keep their distance and their share of the time. */
static void test_pacing(void) {
    const char *path = in_scratch("paced.h5");
    struct stat info;
    lt_runlog *log = NULL;
    CHECK_OK(lt_runlog_open(path, 3600, &log));
    CHECK_OK(add_step(log, 1));
    CHECK_OK(lt_runlog_flush(log, false));
    CHECK(!file_exists(path)); /* too early */
    lt_runlog_close(&log);
    CHECK_OK(lt_runlog_open(path, 0, &log));
    int flushes = 0;
    ino_t inode = 0;
    double t0 = lt_time_s();
    for (int64_t s = 1; lt_time_s() - t0 < 0.3; s++) {
        CHECK_OK(add_step(log, s));
        CHECK_OK(lt_runlog_flush(log, false));
        if (stat(path, &info) == 0 && info.st_ino != inode) flushes++, inode = info.st_ino;
        usleep(1000);
    }
    CHECK(flushes >= 1);  /* it does write */
    CHECK(flushes <= 20); /* 1% of 0.3 s is a few flushes of a millisecond, and each may overshoot once */
    /* Nothing new: nothing written. */
    CHECK_OK(lt_runlog_flush(log, true));
    CHECK(stat(path, &info) == 0);
    inode = info.st_ino;
    CHECK_OK(lt_runlog_flush(log, false));
    CHECK(stat(path, &info) == 0 && info.st_ino == inode);
    lt_runlog_close(&log);
}

static void test_bad_files(void) {
    lt_runlog *log = NULL;
    const char *path = in_scratch("bad.h5");
    size_t n;
    file_save(path, "step,loss\n", 10);
    CHECK_FAILS(lt_runlog_open(path, 0, &log), LT_ERR_FORMAT, "is not an HDF5 file");
    unsigned char *data = file_load(in_scratch("run.h5"), &n);
    for (size_t cut = n / 7; cut < n - SEAL_BYTES; cut += n / 7) {
        file_save(path, data, cut);
        TEST_REPORT(lt_runlog_open(path, 0, &log) == LT_ERR_FORMAT, "a file cut at %zu of %zu bytes was accepted", cut, n);
    }
    free(data);
    CHECK(log == NULL);
    /* A folder that cannot be written: the rows stay for the next try. */
    CHECK_OK(lt_runlog_open(in_scratch("later/run.h5"), 0, &log));
    CHECK_OK(add_step(log, 1));
    CHECK_FAILS(lt_runlog_flush(log, true), LT_ERR_IO, "No such file or directory");
    mkdir(in_scratch("later"), 0777);
    CHECK_OK(lt_runlog_flush(log, true));
    lt_runlog_close(&log);
    CHECK_OK(lt_runlog_open(in_scratch("later/run.h5"), 0, &log));
    CHECK(holds_steps(log, 1));
    lt_runlog_close(&log);
}

/* Adds steps without end; tells each flushed one through the pipe. */
static void writer_child(const char *path, int64_t from, int pipe_out) {
    lt_runlog *log = NULL;
    if (lt_runlog_open(path, 0, &log) != LT_OK) _exit(1);
    lt_runlog_truncate_after(log, from - 1);
    for (int64_t s = from;; s++) {
        if (add_step(log, s) != LT_OK || lt_runlog_flush(log, true) != LT_OK) _exit(1);
        if (write(pipe_out, &s, sizeof s) != sizeof s) _exit(1);
    }
}

static void test_kill(void) {
    const char *path = in_scratch("killed.h5");
    const lt_rng rng = {.seed = 5, .purpose = LT_RNG_TEST};
    int64_t have = 0;
    int reads = 0;
    for (uint64_t round = 0; round < 20; round++) {
        int ends[2], wstatus = 0;
        int64_t acked = have, next, n = 0;
        lt_runlog *log = NULL;
        if (pipe(ends) != 0) exit(1);
        pid_t child = fork();
        if (child == 0) writer_child(path, have + 1, ends[1]);
        close(ends[1]);
        /* Every other writer gets far enough to commit something. */
        if (round % 2 == 0 && read(ends[0], &acked, sizeof acked) != sizeof acked) CHECK(!"the writer failed");
        /* Read beside the writer, until its time is up. */
        double end = lt_time_s() + 1e-6 * (double)(2000 + lt_rng_below(&rng, 40000, round, 0));
        while (lt_time_s() < end) {
            if (!file_exists(path)) continue;
            lt_status st = lt_runlog_open(path, 0, &log);
            TEST_REPORT(st == LT_OK, "reading beside the writer: %s", lt_err_last()->msg);
            if (log) {
                (void)lt_runlog_perf(log, &n);
                TEST_REPORT(holds_steps(log, n), "reading beside the writer: rows are wrong");
            }
            lt_runlog_close(&log);
            reads++;
            usleep(3000);
        }
        kill(child, SIGKILL);
        waitpid(child, &wstatus, 0);
        CHECK(WIFSIGNALED(wstatus));
        while (read(ends[0], &next, sizeof next) == sizeof next) acked = next;
        close(ends[0]);
        if (!file_exists(path) && acked == 0) continue;
        CHECK_OK(lt_runlog_open(path, 0, &log));
        (void)lt_runlog_perf(log, &n);
        TEST_REPORT(n >= acked && holds_steps(log, n), "round %d: %lld rows, flushed were %lld", (int)round, (long long)n,
                    (long long)acked);
        have = n;
        lt_runlog_close(&log);
        CHECK_OK(lt_h5_verify(path));
    }
    CHECK(have >= 10 && reads > 0);
    printf("20 kills: %lld rows kept, %d reads beside the writer\n", (long long)have, reads);
}

/* A new file that has the name, though its folder could not be synced: the journal that follows must continue that file, not the one before. */
static void test_folder_not_synced(void) {
    const uid_t me = geteuid();
    struct stat info;
    lt_runlog *log = NULL;
    lt_status st = LT_OK;
    int64_t step = 1;
    mkdir(in_scratch("unsynced"), 0777);
    if (chdir(in_scratch("unsynced")) != 0) exit(1);
    CHECK_OK(lt_runlog_open("run.h5", 0, &log));
    CHECK_OK(add_step(log, step));
    CHECK_OK(lt_runlog_flush(log, true));
    CHECK(stat("run.h5", &info) == 0);
    ino_t inode = info.st_ino;
    CHECK(chmod(".", 0333) == 0); /* files come and go, but nobody opens the folder */
    if (me == 0) CHECK(seteuid(65534) == 0);
    for (double t0 = lt_time_s(); st == LT_OK && lt_time_s() - t0 < 30; usleep(20000)) { /* until it is time for a whole file */
        CHECK_OK(add_step(log, ++step));
        st = lt_runlog_flush(log, false);
    }
    CHECK_FAILS(st, LT_ERR_IO, "to sync it");
    if (me == 0) CHECK(seteuid(me) == 0);
    CHECK(chmod(".", 0777) == 0);
    CHECK(stat("run.h5", &info) == 0 && info.st_ino != inode); /* control: it is the new file */
    CHECK_OK(add_step(log, ++step));
    CHECK_OK(lt_runlog_flush(log, true));
    lt_runlog_close(&log); /* as if killed: nothing more is written */
    CHECK_OK(lt_runlog_open("run.h5", 0, &log));
    CHECK(holds_steps(log, step));
    lt_runlog_close(&log);
    if (chdir("/") != 0) exit(1);
}

static void test_h5dump(void) {
    char command[800], out[20000];
    if (system("command -v h5dump >/dev/null 2>&1") != 0) {
        printf("h5dump is not installed: its part is skipped\n");
        return;
    }
    snprintf(command, sizeof command, "h5dump -g /run -d /trials/alpha/eval/split -d /trials/zeta/train/step '%s' 2>&1",
             in_scratch("run.h5"));
    CHECK_INT(run_output(command, out, sizeof out), 0);
    static const char *const shown[] = {"GROUP \"start_0002\"",  "run: {dir: x}",    "\"0123\"",
                                        "(0): \"dev\", \"dev\"", "(0): 1, 2, 3, 4,", "H5S_UNLIMITED"};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) TEST_REPORT(strstr(out, shown[i]), "h5dump does not show %s", shown[i]);
}

int main(void) {
    scratch_make();
    test_round_trip(in_scratch("run.h5"));
    test_pacing();
    test_bad_files();
    test_kill();
    test_folder_not_synced();
    test_h5dump();
    return test_end();
}
