/* Trials and groups of trials, as the tables show them. */
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *lt_report_fact(const lt_runlog *log, int trial, const char *key) {
    const char *text = lt_runlog_fact(log, trial, key);
    return text ? text : "-";
}

/* Chosen as training chooses its best checkpoint. */
static const lt_eval_row *best_of(const lt_runlog *log, int trial) {
    int64_t n;
    bool by_mcc = !strcmp(lt_report_fact(log, -1, "metric"), "mcc");
    const lt_eval_row *row = lt_runlog_eval(log, trial, &n), *best = NULL;
    for (int64_t i = 0; i < n; i++) {
        double now = by_mcc ? row[i].mcc : row[i].accuracy, then = !best ? -INFINITY : by_mcc ? best->mcc : best->accuracy;
        if (now > then || (now == then && row[i].loss < best->loss)) best = &row[i];
    }
    return best;
}

lt_status lt_report_rows(const lt_report_run *run, int n, lt_report_row **rows, int *n_rows) {
    int total = 0;
    for (int i = 0; i < n; i++) total += lt_runlog_trials(run[i].log);
    lt_report_row *r = calloc((size_t)total + 1, sizeof *r);
    LT_CHECK(r, LT_ERR_NOMEM, "no memory for %d trials", total);
    *rows = r;
    *n_rows = total;
    for (int i = 0; i < n; i++)
        for (int t = 0; t < lt_runlog_trials(run[i].log); t++) {
            const lt_runlog *log = run[i].log;
            int64_t steps;
            const lt_train_row *train = lt_runlog_train(log, t, &steps);
            *r++ = (lt_report_row){.run = run[i].dir,
                                   .trial = lt_runlog_trial_name(log, t),
                                   .method = lt_report_fact(log, t, "method"),
                                   .lr = lt_report_fact(log, t, "lr"),
                                   .seed = lt_report_fact(log, t, "seed"),
                                   .trainable = lt_report_fact(log, t, "trainable"),
                                   .data = lt_report_fact(log, -1, "data_sha256"),
                                   .steps = steps ? train[steps - 1].step : 0,
                                   .best = best_of(log, t)};
        }
    return LT_OK;
}

static bool same_group(const lt_report_row *a, const lt_report_row *b) {
    return !strcmp(a->method, b->method) && !strcmp(a->lr, b->lr) && !strcmp(a->trainable, b->trainable) && a->steps == b->steps &&
           !strcmp(a->data, b->data);
}

/* Row k counts in the group that row i begins: evaluated, and the first of its seed. */
static bool counts(const lt_report_row *r, int i, int k) {
    if (!same_group(&r[k], &r[i]) || !r[k].best) return false;
    for (int e = i; e < k; e++)
        if (same_group(&r[e], &r[i]) && r[e].best && !strcmp(r[e].seed, r[k].seed)) return false;
    return true;
}

/* The group that row i is the first of; trials = 0 if an earlier row began it. */
static lt_report_group group_from(const lt_report_row *r, int n, int i) {
    lt_report_group g = {.method = r[i].method, .lr = r[i].lr};
    double squares = 0;
    for (int k = 0; k < i; k++)
        if (same_group(&r[k], &r[i])) return g;
    for (int k = i; k < n; k++)
        if (counts(r, i, k)) {
            g.trials++;
            g.accuracy += r[k].best->accuracy;
            g.mcc_mean += r[k].best->mcc;
        }
    if (g.trials < 2) return g;
    g.accuracy /= g.trials;
    g.mcc_mean /= g.trials;
    for (int k = i; k < n; k++)
        if (counts(r, i, k)) squares += pow(r[k].best->accuracy - g.accuracy, 2);
    g.deviation = sqrt(squares / (g.trials - 1));
    return g;
}

lt_status lt_report_groups(const lt_report_row *row, int n, lt_report_group **groups, int *n_groups) {
    lt_report_group *g = calloc((size_t)n + 1, sizeof *g);
    LT_CHECK(g, LT_ERR_NOMEM, "no memory for the groups of %d trials", n);
    *groups = g;
    *n_groups = 0;
    for (int i = 0; i < n; i++) {
        g[*n_groups] = group_from(row, n, i);
        if (g[*n_groups].trials >= 2) (*n_groups)++;
    }
    return LT_OK;
}
