/* Groups of gpta beside the ones without a prefix.  A number of gpta means something beside its controls only: the same student on the same data with no
 * prefix, with random tokens, with measures that mean nothing.  The difference is taken seed by seed where both groups have the seed, because trials of
 * one seed share the order of the data and the first values, so that what is left is the prefix. */
#include "report.h"

#include "base/method.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Whether the line of a setting says nothing of a trial without a prefix: the method's name (of logs without a configuration) and what only the
 * dialogue reads. */
static bool of_dialogue(const char *line) {
    static const lt_method students[] = {LT_METHOD_HEAD, LT_METHOD_PROMPT, LT_METHOD_PREFIX, LT_METHOD_LORA};
    char leaf[48];
    size_t key = lt_report_key_bytes(line);
    if (strncmp(line, "method.", 7) != 0 || key - 7 >= sizeof leaf) return false;
    (void)snprintf(leaf, sizeof leaf, "%.*s", (int)(key - 7), line + 7);
    if (!strcmp(leaf, "name")) return true;
    for (size_t i = 0; i < sizeof students / sizeof *students; i++)
        if (lt_method_reads(students[i], leaf)) return false;
    return lt_method_reads(LT_METHOD_GPTA, leaf) && strcmp(leaf, "student") != 0;
}

/* Whether two trials have equal settings but for those of the dialogue: lines stand in one order. */
static bool same_but_dialogue(const char *a, const char *b) {
    for (;;) {
        while (*a && of_dialogue(a)) a = strchr(a, '\n') + 1;
        while (*b && of_dialogue(b)) b = strchr(b, '\n') + 1;
        if (!*a || !*b) return *a == *b;
        size_t n = strcspn(a, "\n") + 1;
        if (strncmp(a, b, n) != 0) return false;
        a += n, b += n;
    }
}

/* The control without a prefix of a trial's group, one of the same run if there is one; -1: there is none. */
static int control_of(const lt_report *r, const lt_report_trial *t) {
    int found = -1;
    for (int i = 0; i < r->n_groups; i++) {
        const lt_report_trial *o = &r->trial[r->group[i].trial[0]];
        if (!o->control || strcmp(o->control, "no_prefix") != 0 || strcmp(o->student, t->student) != 0) continue;
        if (!same_but_dialogue(o->settings, t->settings)) continue;
        if (found < 0 || (o->run == t->run && r->trial[r->group[found].trial[0]].run != t->run)) found = i;
    }
    return found;
}

bool lt_report_versus(const lt_report *r, const lt_report_group *g, lt_report_difference *d) {
    const lt_report_trial *first = &r->trial[g->trial[0]];
    enum { MOST = 1024 }; /* seeds */
    double v[MOST];
    int n = 0;
    *d = (lt_report_difference){.control = first->control && strcmp(first->control, "no_prefix") != 0 ? control_of(r, first) : -1};
    if (d->control < 0) return false;
    const lt_report_group *c = &r->group[d->control];
    for (int i = 0; i < g->n_trials; i++)
        for (int k = 0; k < c->n_trials && n < MOST; k++) {
            const lt_report_trial *a = &r->trial[g->trial[i]], *b = &r->trial[c->trial[k]];
            if (!a->best || !b->best || strcmp(a->seed, b->seed) != 0 || !strcmp(a->seed, "-")) continue;
            v[n++] = lt_report_metric(a->run, a->best) - lt_report_metric(b->run, b->best);
        }
    d->seeds = n;
    d->stat = lt_report_stat_of(v, n);
    if (n > 0) return true;
    lt_report_stat a = lt_report_best_stat(r, g), b = lt_report_best_stat(r, c);
    d->stat = (lt_report_stat){.mean = a.mean - b.mean, .sd = sqrt(a.sd * a.sd + b.sd * b.sd)};
    return true;
}

void lt_report_table_gpta(const lt_report *r, FILE *out) {
    bool any = false, differ = false;
    const char *metric = "accuracy";
    for (int i = 0; i < r->n_groups; i++) {
        const lt_report_trial *t = &r->trial[r->group[i].trial[0]];
        if (!t->control) continue;
        metric = t->run->metric;
        any = true;
        differ |= r->group[i].differs[0] != 0;
    }
    if (!any) return;
    fprintf(out, "\n%-*s %6s  %-16s  %-18s %6s%s\n", lt_report_method_width(r), "gpta", "seeds", metric, "- no_prefix", "of",
            differ ? "  settings" : "");
    for (int i = 0; i < r->n_groups; i++) {
        const lt_report_group *g = &r->group[i];
        const lt_report_trial *t = &r->trial[g->trial[0]];
        lt_report_difference d;
        char text[64] = "-", of[16] = "-";
        if (!t->control) continue;
        fprintf(out, "%-*s %6d", lt_report_method_width(r), t->method, g->evaluated);
        lt_report_print_stat(lt_report_best_stat(r, g), out);
        if (lt_report_versus(r, g, &d) && !isnan(d.stat.mean)) {
            int n = snprintf(text, sizeof text, "%+.4f", d.stat.mean);
            if (!isnan(d.stat.sd)) (void)snprintf(text + n, sizeof text - (size_t)n, " +- %.4f", d.stat.sd);
            (void)snprintf(of, sizeof of, "%d", d.seeds);
        }
        fprintf(out, "  %-18s %6s%s%s\n", text, of, g->differs[0] ? "  " : "", g->differs);
    }
}
