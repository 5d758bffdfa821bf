// TEST rooms: store
/* What the store costs: a commit of 12 trials' checkpoint, reading it again, and a run log that grows.
 *
 *     bench_store ck DIR [TRIALS] [REPEATS]      seconds of begin .. commit, and of open + reading all tensors; FLOATS a trial x {value, m, v}
 *     bench_store log DIR [ROWS] [TRIALS]        seconds of the flushes of a run log at 10^4, 10^5 ... ROWS rows a trial, rows/s, memory */
#include "base/log.h"
#include "base/mem.h"
#include "store/checkpoint.h"
#include "store/runlog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FLOATS = 1770000, TENSORS = 24 }; /* lt_prefix on MiniLM */

static int die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, lt_err_last()->msg);
    return 1;
}

static int tensors(lt_named t[TENSORS], float *data) {
    for (int i = 0; i < TENSORS; i++) {
        t[i] = (lt_named){.n_dims = 2, .dim = {FLOATS / TENSORS / 50, 50}, .data = data + (int64_t)i * (FLOATS / TENSORS)};
        (void)snprintf(t[i].name, sizeof t[i].name, "layer.%d.weight", i);
    }
    return TENSORS;
}

static int ck(const char *dir, int trials, int repeats) {
    static const char *const group[] = {"params", "adam_m", "adam_v"};
    lt_ckpt_head head = {.config = "c",
                         .config_sha256 = "c",
                         .settings = "s",
                         .labels = "l",
                         .model_sha256 = "m",
                         .data_sha256 = "d",
                         .dtype = "f32",
                         .ranks = 1,
                         .tp = 1,
                         .dp = 1};
    float *data = malloc(sizeof *data * FLOATS);
    for (int i = 0; i < FLOATS; i++) data[i] = (float)((uint32_t)i * 2654435761u) / 3e9f;
    lt_named t[TENSORS];
    int n = tensors(t, data);
    if (lt_ckpt_dir_prepare(dir) != LT_OK) return die(dir);
    for (int r = 0; r < repeats; r++) {
        char path[512], trial[32];
        lt_ckpt_writer *w = NULL;
        lt_ckpt *c = NULL;
        head.step = r + 1;
        double t0 = lt_time_s();
        if (lt_ckpt_begin(dir, &head, &w) != LT_OK) return die("begin");
        for (int k = 0; k < trials; k++)
            for (int g = 0; g < 3; g++) {
                (void)snprintf(trial, sizeof trial, "trial%d", k);
                if (lt_ckpt_put_named(w, trial, group[g], t, n) != LT_OK) return die("put");
            }
        double t1 = lt_time_s();
        if (lt_ckpt_commit(&w) != LT_OK) return die("commit");
        double t2 = lt_time_s();
        (void)snprintf(path, sizeof path, "%s/step_%08d.h5", dir, r + 1);
        if (lt_ckpt_open(path, &c) != LT_OK) return die("open");
        for (int k = 0; k < trials; k++)
            for (int g = 0; g < 3; g++) {
                (void)snprintf(trial, sizeof trial, "trial%d", k);
                if (lt_ckpt_get_named(c, trial, group[g], t, n) != LT_OK) return die("get");
            }
        lt_ckpt_close(&c);
        double t3 = lt_time_s();
        printf("%d trials, %.0f MB: written %.3f s + committed %.3f s = %.3f s; opened and read %.3f s\n", trials, 12e-6 * FLOATS * trials,
               t1 - t0, t2 - t1, t2 - t0, t3 - t2);
        fflush(stdout);
        if (lt_ckpt_prune(dir, 1) != LT_OK) return die("prune");
    }
    free(data);
    return 0;
}

static int log_growth(const char *dir, int64_t rows, int trials) {
    char path[512], trial[32];
    struct stat info = {0};
    lt_runlog *log = NULL;
    double adding = 0, flushing = 0;
    size_t now, peak;
    (void)snprintf(path, sizeof path, "%s/run.h5", dir);
    (void)remove(path);
    if (lt_runlog_open(path, 0, &log) != LT_OK || lt_runlog_start(log) != LT_OK) return die(path);
    for (int64_t s = 1, next = 10000; s <= rows; s++) {
        double t0 = lt_time_s();
        for (int k = 0; k < trials; k++) {
            lt_train_row row = {.step = s, .loss = 1.0 / (double)s, .lr = 1e-3, .grad_norm = (double)k};
            (void)snprintf(trial, sizeof trial, "trial%d", k);
            if (lt_runlog_add_train(log, trial, &row) != LT_OK) return die("add");
        }
        double t1 = lt_time_s();
        adding += t1 - t0;
        if (s != next && s != next + 100) continue; /* two forced flushes, a hundred steps apart, at each decade */
        if (lt_runlog_flush(log, true) != LT_OK) return die("flush");
        double t2 = lt_time_s();
        flushing += t2 - t1;
        (void)stat(path, &info);
        lt_mem_resident(&now, &peak);
        printf("%9lld rows x %d trials: forced flush %.4f s; run.h5 %.1f MB; added %.2e rows/s; memory %.0f MB (most %.0f MB)\n",
               (long long)s, trials, t2 - t1, 1e-6 * (double)info.st_size, (double)(s * trials) / adding, 1e-6 * (double)now,
               1e-6 * (double)peak);
        fflush(stdout);
        if (s == next + 100) next *= 10;
    }
    printf("all: adding %.3f s, flushing %.3f s\n", adding, flushing);
    lt_runlog_close(&log);
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 2 && !strcmp(argv[1], "ck")) return ck(argv[2], argc > 3 ? atoi(argv[3]) : 12, argc > 4 ? atoi(argv[4]) : 5);
    if (argc > 2 && !strcmp(argv[1], "log")) return log_growth(argv[2], argc > 3 ? atoll(argv[3]) : 1000100, argc > 4 ? atoi(argv[4]) : 16);
    fprintf(stderr, "usage: bench_store ck|log DIR [...]\n");
    return 2;
}
