/* Run logs by what they say, other files by their groups, attributes and arrays. */
#include "show.h"

#include "store/runlog.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An attribute: short ones as they are, long texts (a configuration) by their number of lines. */
static lt_status print_attr(void *user, const char *key, char type, const char *text) {
    int depth = *(const int *)user, lines = 1;
    if (!strcmp(key, "kind") || !strcmp(key, "format_version") || !strcmp(key, "sha256")) return LT_OK;
    for (const char *p = text; *p; p++) lines += *p == '\n' && p[1];
    if (lines > 1)
        printf("%*s@%s: %d lines\n", 2 * depth, "", key, lines);
    else
        printf("%*s@%s: %s\n", 2 * depth, "", key, text);
    return LT_OK;
}

static lt_status print_values(hid_t at, const char *name, lt_dtype dt, int n_dims, int64_t *dim, int64_t rows) {
    union {
        void *any;
        float *f32;
        double *f64;
        int32_t *i32;
        int64_t *i64;
    } v = {NULL};
    int64_t n = 1;
    for (int i = 0; i < n_dims; i++) n *= dim[i];
    if (rows == 0 || (dt != LT_F32 && dt != LT_F64 && dt != LT_I32 && dt != LT_I64)) return LT_OK;
    LT_TRY(lt_h5_read(at, name, dt, n_dims, dim, &v.any));
    for (int64_t i = 0; i < n && i < rows; i++) {
        if (dt == LT_F32) printf(" %.6g", (double)v.f32[i]);
        if (dt == LT_F64) printf(" %.6g", v.f64[i]);
        if (dt == LT_I32) printf(" %d", v.i32[i]);
        if (dt == LT_I64) printf(" %lld", (long long)v.i64[i]);
    }
    if (n > rows) fputs(" ...", stdout);
    free(v.any);
    return LT_OK;
}

lt_status prep_show_tree(const prep_show *o, hid_t at, int depth) {
    char **name = NULL;
    int64_t n = 0;
    LT_TRY(lt_h5_each_attr(at, print_attr, &depth));
    LT_TRY(lt_h5_list(at, ".", &name, &n));
    lt_status st = LT_OK;
    for (int64_t i = 0; i < n && st == LT_OK; i++) {
        int64_t dim[LT_H5_MAX_DIMS];
        int n_dims;
        lt_dtype dt;
        hid_t group = -1;
        if (lt_h5_shape(at, name[i], &dt, &n_dims, dim) == LT_OK) {
            printf("%*s%-24s %s [", 2 * depth, "", name[i], dt < LT_DTYPE_COUNT ? lt_dtype_name(dt) : "text");
            for (int k = 0; k < n_dims; k++) printf(k ? ", %lld" : "%lld", (long long)dim[k]);
            fputs("]", stdout);
            st = print_values(at, name[i], dt, n_dims, dim, o->rows);
            putchar('\n');
            continue;
        }
        lt_err_clear(); /* a group, then */
        printf("%*s%s/\n", 2 * depth, "", name[i]);
        st = lt_h5_group(at, name[i], &group);
        if (st == LT_OK) st = prep_show_tree(o, group, depth + 1);
        lt_h5_close(&group);
    }
    free(name);
    return st;
}

static void print_eval(const lt_eval_row *e) {
    printf("  step %lld, %s: loss %.5f, accuracy %.4f, MCC %.4f, F1 %.4f", (long long)e->step, e->split, e->loss, e->accuracy, e->mcc,
           e->f1);
    if (!isnan(e->macro_f1)) printf(", macro F1 %.4f", e->macro_f1);
    if (!isnan(e->f1_strict)) printf(", strict F1 %.4f, F1 of tokens %.4f", e->f1_strict, e->token_f1);
    printf(" of %lld sequences\n", (long long)e->sequences);
}

static void print_trial(const lt_runlog *log, int trial, int64_t rows) {
    int64_t n, n_eval;
    const lt_train_row *train = lt_runlog_train(log, trial, &n);
    const lt_eval_row *eval = lt_runlog_eval(log, trial, &n_eval);
    const char *method = lt_runlog_fact(log, trial, "method"), *trainable = lt_runlog_fact(log, trial, "trainable");
    printf("trial %s: method %s, trainable %s, %lld training rows, %lld evaluations\n", lt_runlog_trial_name(log, trial),
           method ? method : "-", trainable ? trainable : "-", (long long)n, (long long)n_eval);
    for (int64_t i = n > rows ? n - rows : 0; i < n; i++)
        printf("  step %lld: loss %.5f, lr %.3g, gradient %.3g\n", (long long)train[i].step, train[i].loss, train[i].lr,
               train[i].grad_norm);
    for (int64_t i = n_eval > rows ? n_eval - rows : 0; i < n_eval; i++) print_eval(&eval[i]);
}

lt_status prep_show_run(const prep_show *o) {
    static const char *const facts[] = {"version", "git", "model", "data", "layout", "ranks", "tp", "dp", "dtype", "hosts", "devices"};
    lt_runlog *log = NULL;
    int64_t n;
    LT_TRY(lt_runlog_open(o->path, 1e9, &log));
    printf("starts: %d\n", lt_runlog_starts(log));
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        const char *text = lt_runlog_fact(log, -1, facts[i]);
        if (text) printf("%s: %s\n", facts[i], text);
    }
    const lt_perf_row *perf = lt_runlog_perf(log, &n);
    double seconds = 0, tokens = 0;
    for (int64_t i = 0; i < n; i++) {
        seconds += perf[i].seconds;
        tokens += (double)perf[i].tokens;
    }
    if (n) printf("training: %.1f s, %.0f tokens/s, %lld rows of timing\n", seconds, seconds > 0 ? tokens / seconds : 0, (long long)n);
    for (int i = 0; i < lt_runlog_trials(log); i++) print_trial(log, i, o->rows);
    lt_runlog_close(&log);
    return LT_OK;
}
