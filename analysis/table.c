/* The tables of standard output. */
#include "report.h"

#include <math.h>
#include <string.h>

int lt_report_method_width(const lt_report *r) {
    size_t width = 10;
    for (int i = 0; i < r->n_trials; i++)
        if (strlen(r->trial[i].method) > width) width = strlen(r->trial[i].method);
    return width < 60 ? (int)width : 60;
}

static void print_mark(const lt_report_trial *t, FILE *out) {
    if (t->mark[0]) fprintf(out, "  [%s]", t->mark);
}

static void print_best(const lt_report *r, const lt_eval_row *e, FILE *out) {
    fprintf(out, "%6lld  %8.4f %8.4f %8.4f %8.4f", (long long)e->step, e->accuracy, e->mcc, e->f1, e->loss);
    for (int k = 0; k < LT_REPORT_NUMBERS; k++) {
        double v = lt_report_number_of(&lt_report_numbers[k], e);
        if (!lt_report_number_shown(r, &lt_report_numbers[k])) continue;
        if (isnan(v))
            fprintf(out, " %9s", "-");
        else
            fprintf(out, " %9.4f", v);
    }
}

static void print_trials(const lt_report *r, FILE *out) {
    fprintf(out, "%-28s %-*s %8s %6s %10s %7s %6s  %8s %8s %8s %8s", "trial", lt_report_method_width(r), "method", "lr", "seed",
            "trainable", "steps", "best@", "accuracy", "mcc", "f1", "loss");
    for (int k = 0; k < LT_REPORT_NUMBERS; k++)
        if (lt_report_number_shown(r, &lt_report_numbers[k])) fprintf(out, " %9s", lt_report_numbers[k].name);
    fputc('\n', out);
    for (int i = 0; i < r->n_trials; i++) {
        const lt_report_trial *t = &r->trial[i];
        if (r->n_runs > 1 && (i == 0 || t->run != t[-1].run)) fprintf(out, "%s\n", t->run->dir);
        fprintf(out, "%-28s %-*s %8s %6s %10s %7lld ", t->name, lt_report_method_width(r), t->method, t->lr, t->seed, t->trainable,
                (long long)t->steps);
        if (t->best)
            print_best(r, t->best, out);
        else
            fprintf(out, "%6s  (no evaluation yet)", "-");
        print_mark(t, out);
        fputc('\n', out);
    }
    fputc('\n', out);
}

void lt_report_print_stat(lt_report_stat s, FILE *out) {
    if (isnan(s.mean))
        fprintf(out, "  %-16s", "-");
    else if (isnan(s.sd))
        fprintf(out, "  %-16.4f", s.mean);
    else
        fprintf(out, "  %.4f +- %.4f", s.mean, s.sd); /* 16, or 17 with a minus */
}

static void print_groups(const lt_report *r, FILE *out) {
    bool differ = false, f1 = lt_report_judged_by_f1(r);
    for (int i = 0; i < r->n_groups; i++) differ |= r->group[i].differs[0] != 0;
    fprintf(out, "%-*s %8s %6s  %-16s  %-16s", lt_report_method_width(r), "method", "lr", "seeds", "accuracy", "mcc");
    if (f1) fprintf(out, "  %-16s  %-16s", "f1", "f1_strict");
    fprintf(out, "  %-16s %12s %10s %9s%s\n", "last", "best@", "trainable", "tokens/s", differ ? "  settings" : "");
    for (int i = 0; i < r->n_groups; i++) {
        const lt_report_group *g = &r->group[i];
        const lt_report_trial *t = &r->trial[g->trial[0]];
        char n[32], best[48] = "-", rate[32] = "-";
        int end = snprintf(n, sizeof n, "%d", g->evaluated);
        if (g->evaluated < g->n_trials) (void)snprintf(n + end, sizeof n - (size_t)end, "/%d", g->n_trials);
        end = g->evaluated ? snprintf(best, sizeof best, "%lld", (long long)g->best_first) : 0;
        if (g->best_first < g->best_last) (void)snprintf(best + end, sizeof best - (size_t)end, "-%lld", (long long)g->best_last);
        if (g->tokens_per_s > 0) (void)snprintf(rate, sizeof rate, "%.0f", g->tokens_per_s);
        fprintf(out, "%-*s %8s %6s", lt_report_method_width(r), t->method, t->lr, n);
        lt_report_print_stat(g->accuracy, out);
        lt_report_print_stat(g->mcc, out);
        if (f1) lt_report_print_stat(g->f1, out);
        if (f1) lt_report_print_stat(g->f1_strict, out);
        lt_report_print_stat(g->last, out);
        fprintf(out, " %12s %10s %9s%s%s", best, t->trainable, rate, g->differs[0] ? "  " : "", g->differs);
        print_mark(t, out);
        fputc('\n', out);
    }
}

void lt_report_table(const lt_report *r, bool all, FILE *out) {
    if (all) print_trials(r, out);
    print_groups(r, out);
}

void lt_report_table_details(const lt_report *r, FILE *out) {
    for (const lt_report_trial *t = r->trial; t < r->trial + r->n_trials; t++) {
        lt_detail d;
        if (!lt_runlog_detail(t->run->log, t->id, true, &d)) continue;
        fprintf(out, "\n%s%s%s, %s", r->n_runs > 1 ? t->run->dir : "", r->n_runs > 1 ? " " : "", t->name, t->method);
        print_mark(t, out);
        fprintf(out, ": best evaluation, split %s, step %lld\n", d.split, (long long)d.step);
        (void)lt_report_details(t, out);
    }
}
