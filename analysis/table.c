/* The tables of standard output. */
#include "report.h"

#include <math.h>

static void print_trials(const lt_report *r, FILE *out) {
    fprintf(out, "%-28s %-10s %8s %6s %10s %7s %6s  %8s %8s %8s %8s\n", "trial", "method", "lr", "seed", "trainable", "steps", "best@",
            "accuracy", "mcc", "f1", "loss");
    for (int i = 0; i < r->n_trials; i++) {
        const lt_report_trial *t = &r->trial[i];
        if (r->n_runs > 1 && (i == 0 || t->run != t[-1].run)) fprintf(out, "%s\n", t->run->dir);
        fprintf(out, "%-28s %-10s %8s %6s %10s %7lld ", t->name, t->method, t->lr, t->seed, t->trainable, (long long)t->steps);
        if (t->best)
            fprintf(out, "%6lld  %8.4f %8.4f %8.4f %8.4f\n", (long long)t->best->step, t->best->accuracy, t->best->mcc, t->best->f1,
                    t->best->loss);
        else
            fprintf(out, "%6s  (no evaluation yet)\n", "-");
    }
    fputc('\n', out);
}

static void print_stat(lt_report_stat s, FILE *out) {
    if (isnan(s.mean))
        fprintf(out, "  %-16s", "-");
    else if (isnan(s.sd))
        fprintf(out, "  %-16.4f", s.mean);
    else
        fprintf(out, "  %.4f +- %.4f", s.mean, s.sd); /* 16, or 17 with a minus */
}

static void print_groups(const lt_report *r, FILE *out) {
    bool differ = false;
    for (int i = 0; i < r->n_groups; i++) differ |= r->group[i].differs[0] != 0;
    fprintf(out, "%-10s %8s %6s  %-16s  %-16s  %-16s %12s %10s %9s%s\n", "method", "lr", "seeds", "accuracy", "mcc", "last", "best@",
            "trainable", "tokens/s", differ ? "  settings" : "");
    for (int i = 0; i < r->n_groups; i++) {
        const lt_report_group *g = &r->group[i];
        const lt_report_trial *t = &r->trial[g->trial[0]];
        char n[32], best[48] = "-", rate[32] = "-";
        int end = snprintf(n, sizeof n, "%d", g->evaluated);
        if (g->evaluated < g->n_trials) (void)snprintf(n + end, sizeof n - (size_t)end, "/%d", g->n_trials);
        end = g->evaluated ? snprintf(best, sizeof best, "%lld", (long long)g->best_first) : 0;
        if (g->best_first < g->best_last) (void)snprintf(best + end, sizeof best - (size_t)end, "-%lld", (long long)g->best_last);
        if (g->tokens_per_s > 0) (void)snprintf(rate, sizeof rate, "%.0f", g->tokens_per_s);
        fprintf(out, "%-10s %8s %6s", t->method, t->lr, n);
        print_stat(g->accuracy, out);
        print_stat(g->mcc, out);
        print_stat(g->last, out);
        fprintf(out, " %12s %10s %9s%s%s\n", best, t->trainable, rate, g->differs[0] ? "  " : "", g->differs);
    }
}

void lt_report_table(const lt_report *r, bool all, FILE *out) {
    if (all) print_trials(r, out);
    print_groups(r, out);
}
