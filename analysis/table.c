/* The terminal tables. */
#include "report.h"

#include <stdlib.h>

static void print_trials(const lt_report_row *r, int n, int n_runs, FILE *out) {
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

static void print_groups(const lt_report_group *g, int n, FILE *out) {
    if (n > 0) fprintf(out, "\n%-10s %8s %6s  %s\n", "method", "lr", "trials", "accuracy mean +- sd, mcc mean");
    for (int i = 0; i < n; i++)
        fprintf(out, "%-10s %8s %6d  %.4f +- %.4f  %.4f\n", g[i].method, g[i].lr, g[i].trials, g[i].accuracy, g[i].deviation,
                g[i].mcc_mean);
}

lt_status lt_report_table(const lt_report_run *run, int n, FILE *out) {
    lt_report_row *rows = NULL;
    lt_report_group *groups = NULL;
    int n_rows, n_groups;
    LT_TRY(lt_report_rows(run, n, &rows, &n_rows));
    lt_status st = lt_report_groups(rows, n_rows, &groups, &n_groups);
    if (st == LT_OK) {
        print_trials(rows, n_rows, n, out);
        print_groups(groups, n_groups, out);
    }
    free(groups);
    free(rows);
    return st;
}
