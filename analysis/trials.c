/* The trials of the runs: facts, best and last evaluation, and the settings by which groups.c compares them.
 *
 * The settings come from the run's configuration, which the log holds as text: read again and written out a trial, so that it does not
 * matter whether a value was a default, the run's or the trial's own.  A log without a readable configuration (of another program or
 * version) falls back to what its trials say. */
#include "report.h"

#include "base/config.h"
#include "base/mem.h"
#include "base/method.h"
#include "store/fs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *lt_report_fact(const lt_runlog *log, int trial, const char *key) {
    const char *text = lt_runlog_fact(log, trial, key);
    return text ? text : "-";
}

double lt_report_metric(const lt_report_run *run, const lt_eval_row *e) {
    return !strcmp(run->metric, "mcc") ? e->mcc : !strcmp(run->metric, "f1") ? e->f1 : e->accuracy;
}

static const lt_eval_row *best_of(const lt_report_run *run, int trial) {
    int64_t n;
    const lt_eval_row *row = lt_runlog_eval(run->log, trial, &n), *best = NULL;
    for (int64_t i = 0; i < n; i++) {
        double now = lt_report_metric(run, &row[i]), then = best ? lt_report_metric(run, best) : -INFINITY;
        if (now > then || (now == then && row[i].loss < best->loss)) best = &row[i];
    }
    return best;
}

/* The configuration that a log holds, through a file in memory. */
static lt_status load_config(const char *text, lt_config **cfg) {
    char path[64];
    size_t bytes = strlen(text), done = 0;
    int fd = memfd_create("config", MFD_CLOEXEC);
    LT_CHECK(fd >= 0, LT_ERR_IO, "no file in memory for a configuration: %m");
    while (done < bytes) {
        ssize_t n = write(fd, text + done, bytes - done);
        if (n <= 0) break;
        done += (size_t)n;
    }
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    lt_status st = done == bytes ? lt_config_load(path, 0, NULL, cfg) : LT_FAIL(LT_ERR_IO, "cannot write a file in memory: %m");
    close(fd);
    return st;
}

/* lt_config_settings of a log: the run's lines, then those of each trial behind "trial NAME".  NULL where the log has none. */
static char *settings_of(const lt_runlog *log) {
    const char *text = lt_runlog_fact(log, -1, "config");
    lt_config *cfg = NULL;
    char *settings = NULL;
    if (!text || load_config(text, &cfg) != LT_OK || lt_config_settings(cfg, &settings) != LT_OK) lt_err_clear();
    lt_config_free(&cfg);
    return settings;
}

/* The lines behind "trial NAME", up to the next trial; NULL if there are none.  *n: their length. */
static const char *lines_of(const char *settings, const char *name, int *n) {
    size_t bytes = strlen(name);
    for (const char *p = settings; (p = strstr(p, "\ntrial "));) {
        p += strlen("\ntrial ");
        if (strncmp(p, name, bytes) != 0 || p[bytes] != '\n') continue;
        const char *seed = p + bytes + 1, *first = strchr(seed, '\n') + 1,
                   *end = strstr(first - 1, "\ntrial "); /* "run.seed: 1" is left out */
        *n = (int)(end ? end + 1 - first : (long)strlen(first));
        return first;
    }
    return NULL;
}

static lt_status put_settings(lt_report_trial *t, const char *settings) {
    const lt_runlog *log = t->run->log;
    const char *end = settings ? strstr(settings, "\ntrial ") : NULL;
    int n = 0;
    const char *own = end ? lines_of(settings, t->name, &n) : NULL;
    if (!own)
        return lt_fs_path(&t->settings, "model: %s\ndata: %s\nmethod.name: %s\ntrain.lr: %s\ntrainable: %s\nsteps: %lld\n",
                          lt_report_fact(log, -1, "model_sha256"), lt_report_fact(log, -1, "data_sha256"), t->method, t->lr, t->trainable,
                          (long long)t->steps);
    return lt_fs_path(&t->settings, "model: %s\ndata: %s\n%.*s\n%.*s", lt_report_fact(log, -1, "model_sha256"),
                      lt_report_fact(log, -1, "data_sha256"), (int)(end - settings), settings, n, own);
}

/* Whether a method of that name takes notice of method.compat; one that is not known here may. */
static bool has_compat(const char *method) {
    for (int i = 0; i < LT_METHOD_COUNT; i++)
        if (!strcmp(lt_methods[i].name, method)) return lt_method_reads((lt_method)i, "compat");
    return true;
}

/* A configuration that cannot be read here (of another version) is searched as text: better one mark too many. */
static const char *mark_of(const lt_report_trial *t, const char *settings) {
    static const char key[] = "compat: authors";
    const char *where = settings ? t->settings : lt_report_fact(t->run->log, -1, "config");
    bool head = !strcmp(t->method, "head"), authors = has_compat(t->student ? "gpta" : t->method) && strstr(where, key);
    return head && authors ? "linear probe, control; authors' padding" : head ? "linear probe, control" : authors ? "authors' padding" : "";
}

/* Trials of gpta are named by what their student trains, and controls by which they are. */
static lt_status put_method(lt_report_trial *t) {
    const lt_runlog *log = t->run->log;
    if (strcmp(t->method, "gpta") != 0) return LT_OK;
    t->student = lt_report_fact(log, t->id, "student");
    t->control = lt_runlog_fact(log, t->id, "control");
    if (!t->control || !t->control[0]) t->control = "none";
    bool control = strcmp(t->control, "none") != 0;
    LT_TRY(lt_fs_path(&t->own_method, "gpta/%s%s%s%s", t->student, control ? " (" : "", control ? t->control : "", control ? ")" : ""));
    t->method = t->own_method;
    return LT_OK;
}

/* Training sentences for each label, 0 if the run does not say. */
static double per_label(const lt_runlog *log) {
    const char *samples = lt_runlog_fact(log, -1, "train_samples"), *labels = lt_runlog_fact(log, -1, "labels");
    double n = samples ? strtod(samples, NULL) : 0, K = labels ? strtod(labels, NULL) : 0;
    return n >= 1 && K >= 1 && isfinite(n) && isfinite(K) ? n / K : 0;
}

static int by_settings(const void *a, const void *b) {
    const lt_report_trial *const *x = a, *const *y = b;
    return strcmp((*x)->settings, (*y)->settings);
}

/* Equal settings get equal kinds: later they are compared often. */
static lt_status number_kinds(lt_report *r) {
    lt_report_trial **sorted = NULL;
    LT_TRY(lt_calloc(&sorted, r->n_trials + 1, sizeof(lt_report_trial *), "the trials in order"));
    for (int i = 0; i < r->n_trials; i++) sorted[i] = &r->trial[i];
    qsort(sorted, (size_t)r->n_trials, sizeof *sorted, by_settings);
    for (int i = 1; i < r->n_trials; i++) sorted[i]->kind = sorted[i - 1]->kind + (by_settings(&sorted[i - 1], &sorted[i]) != 0);
    free(sorted);
    return LT_OK;
}

lt_status lt_report_find_trials(lt_report *r) {
    for (int i = 0; i < r->n_runs; i++) r->n_trials += lt_runlog_trials(r->run[i].log);
    LT_TRY(lt_calloc(&r->trial, r->n_trials + 1, sizeof *r->trial, "the trials"));
    lt_report_trial *next = r->trial;
    for (int i = 0; i < r->n_runs; i++) {
        const lt_runlog *log = r->run[i].log;
        char *settings = settings_of(log);
        lt_status st = LT_OK;
        for (int t = 0; st == LT_OK && t < lt_runlog_trials(log); t++) {
            int64_t steps, evals;
            const lt_train_row *train = lt_runlog_train(log, t, &steps);
            const lt_eval_row *eval = lt_runlog_eval(log, t, &evals);
            *next = (lt_report_trial){.run = &r->run[i],
                                      .id = t,
                                      .name = lt_runlog_trial_name(log, t),
                                      .method = lt_report_fact(log, t, "method"),
                                      .lr = lt_report_fact(log, t, "lr"),
                                      .seed = lt_report_fact(log, t, "seed"),
                                      .trainable = lt_report_fact(log, t, "trainable"),
                                      .steps = steps ? train[steps - 1].step : 0,
                                      .best = best_of(&r->run[i], t),
                                      .last = evals ? &eval[evals - 1] : NULL};
            next->per_label = per_label(log);
            st = put_method(next);
            if (st == LT_OK) st = put_settings(next, settings);
            if (st == LT_OK) next->mark = mark_of(next, settings);
            next++;
        }
        free(settings);
        if (st != LT_OK) return st;
    }
    return number_kinds(r);
}
