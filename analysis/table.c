/* The terminal tables. */
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One trial as a row of the table. */
typedef struct row {
    const char *run, *trial, *method, *lr, *seed, *trainable;
    int64_t steps;
    const lt_eval_row *best;
} row;

static row *collect(const lt_report_run *run, int n, int *n_rows) {
    int total = 0, at = 0;
    for (int i = 0; i < n; i++) total += lt_runlog_trials(run[i].log);
    row *rows = calloc((size_t)total + 1, sizeof *rows);
    for (int i = 0; rows && i < n; i++)
        for (int t = 0; t < lt_runlog_trials(run[i].log); t++) {
            const lt_runlog *log = run[i].log;
            int64_t steps;
            const lt_train_row *train = lt_runlog_train(log, t, &steps);
            rows[at++] = (row){.run = run[i].dir,
                               .trial = lt_runlog_trial_name(log, t),
                               .method = lt_report_fact(log, t, "method"),
                               .lr = lt_report_fact(log, t, "lr"),
                               .seed = lt_report_fact(log, t, "seed"),
                               .trainable = lt_report_fact(log, t, "trainable"),
                               .steps = steps ? train[steps - 1].step : 0,
                               .best = lt_report_best(log, t)};
        }
    *n_rows = rows ? at : 0;
    return rows;
}

static void print_trials(const row *r, int n, int n_runs, FILE *out) {
    fprintf(out, "%-28s %-10s %8s %6s %10s %7s %6s  %8s %8s %8s %8s\n", "trial", "method", "lr", "seed", "trainable", "steps", "best@",
            "accuracy", "mcc", "f1", "loss");
    for (int i = 0; i < n; i++) {
        if (n_runs > 1 && (i == 0 || r[i].run != r[i - 1].run)) fprintf(out, "%s\n", r[i].run);
        fprintf(out, "%-28s %-10s %8s %6s %10s %7lld ", r[i].trial, r[i].method, r[i].lr, r[i].seed, r[i].trainable, (long long)r[i].steps);
        if (r[i].best)
            fprintf(out, "%6lld  %8.4f %8.4f %8.4f %8.4f\n", (long long)r[i].best->step, r[i].best->accuracy, r[i].best->mcc, r[i].best->f1,
                    r[i].best->loss);
        else
            fprintf(out, "%6s  (no evaluation yet)\n", "-");
    }
}

static bool same_group(const row *a, const row *b) { return !strcmp(a->method, b->method) && !strcmp(a->lr, b->lr); }

/* Mean and standard deviation of the best accuracy over the trials of each (method, lr). */
static void print_groups(const row *r, int n, FILE *out) {
    bool any = false;
    for (int i = 0; i < n; i++) {
        double sum = 0, squares = 0, mcc = 0;
        int count = 0;
        bool first = true;
        for (int k = 0; k < i; k++) first &= !same_group(&r[k], &r[i]);
        if (!first) continue;
        for (int k = i; k < n; k++)
            if (same_group(&r[k], &r[i]) && r[k].best) {
                sum += r[k].best->accuracy;
                mcc += r[k].best->mcc;
                squares += r[k].best->accuracy * r[k].best->accuracy;
                count++;
            }
        if (count < 2) continue;
        if (!any) fprintf(out, "\n%-10s %8s %6s  %s\n", "method", "lr", "trials", "accuracy mean +- sd, mcc mean");
        any = true;
        double mean = sum / count, variance = (squares - count * mean * mean) / (count - 1);
        fprintf(out, "%-10s %8s %6d  %.4f +- %.4f  %.4f\n", r[i].method, r[i].lr, count, mean, sqrt(variance > 0 ? variance : 0),
                mcc / count);
    }
}

void lt_report_table(const lt_report_run *run, int n, FILE *out) {
    int n_rows;
    row *rows = collect(run, n, &n_rows);
    print_trials(rows, n_rows, n, out);
    print_groups(rows, n_rows, out);
    free(rows);
}
