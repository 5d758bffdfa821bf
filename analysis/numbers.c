/* The numbers of an evaluation that not every run has, and what it counted. */
#include "report.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define NUMBER(name, brief)                                                                                                                \
    { #name, offsetof(lt_eval_row, name), brief }
const lt_report_number lt_report_numbers[LT_REPORT_NUMBERS] = {
    NUMBER(precision, true),      NUMBER(recall, true),       NUMBER(micro_f1, false),
    NUMBER(macro_f1, true),       NUMBER(weighted_f1, false), NUMBER(precision_strict, false),
    NUMBER(recall_strict, false), NUMBER(f1_strict, true),    NUMBER(token_f1, true)};

double lt_report_number_of(const lt_report_number *n, const lt_eval_row *e) {
    return *(const double *)(const void *)((const char *)e + n->offset);
}

bool lt_report_number_shown(const lt_report *r, const lt_report_number *n) {
    for (int i = 0; n->brief && i < r->n_trials; i++)
        if (r->trial[i].best && !isnan(lt_report_number_of(n, r->trial[i].best))) return true;
    return false;
}

bool lt_report_judged_by_f1(const lt_report *r) {
    for (int i = 0; i < r->n_runs; i++)
        if (!strcmp(r->run[i].metric, "f1")) return true;
    return false;
}

bool lt_report_details(const lt_report_trial *t, FILE *out) {
    int64_t K, n_types;
    const char *const *label = lt_runlog_labels(t->run->log, &K), *const *type = lt_runlog_types(t->run->log, &n_types);
    lt_detail d;
    if (!lt_runlog_detail(t->run->log, t->id, true, &d)) return false;
    if (n_types > 0) lt_scores_print(type, d.entity, d.strict, n_types, out);
    if (d.confusion) lt_scores_print_confusion(label, d.confusion, K, out);
    return n_types > 0 || d.confusion;
}
