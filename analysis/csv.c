/* Every recorded row as CSV, in long form: one table that any tool groups as it likes. */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* A field in quotes where it must be (RFC 4180). */
static void field(FILE *f, const char *s) {
    if (!strpbrk(s, ",\"\r\n")) {
        fputs(s, f);
        return;
    }
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"') fputc('"', f);
        fputc(*s, f);
    }
    fputc('"', f);
}

static void head(FILE *f, const lt_report_trial *t, const char *kind) {
    const char *const fields[] = {t->run->dir, t->name, t->method, t->seed, kind};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        field(f, fields[i]);
        fputc(',', f);
    }
}

/* The columns behind f1, empty where they do not apply. */
static void tail(FILE *f, const lt_report_trial *t, const lt_eval_row *e) {
    const int64_t broken[] = {e ? e->broken_truth : -1, e ? e->broken_predicted : -1};
    for (int i = 0; i < LT_REPORT_NUMBERS; i++) {
        double v = e ? lt_report_number_of(&lt_report_numbers[i], e) : NAN;
        if (isnan(v))
            fputc(',', f);
        else
            fprintf(f, ",%.9g", v);
    }
    for (int i = 0; i < 2; i++) {
        fputc(',', f);
        if (broken[i] >= 0) fprintf(f, "%lld", (long long)broken[i]);
    }
    fputc(',', f);
    field(f, t->mark);
    fputc('\n', f);
}

lt_status lt_report_csv(const lt_report *r, const char *path) {
    FILE *f = fopen(path, "w");
    LT_CHECK(f, LT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    fputs("run,trial,method,seed,kind,step,split,loss,lr,grad_norm,accuracy,mcc,f1", f);
    for (int i = 0; i < LT_REPORT_NUMBERS; i++) fprintf(f, ",%s", lt_report_numbers[i].name);
    fputs(",broken_truth,broken_predicted,mark\n", f);
    for (const lt_report_trial *t = r->trial; t < r->trial + r->n_trials; t++) {
        int64_t rows;
        const lt_train_row *train = lt_runlog_train(t->run->log, t->id, &rows);
        for (int64_t k = 0; k < rows; k++) {
            head(f, t, "train");
            fprintf(f, "%lld,,%.9g,%.9g,%.9g,,,", (long long)train[k].step, train[k].loss, train[k].lr, train[k].grad_norm);
            tail(f, t, NULL);
        }
        const lt_eval_row *eval = lt_runlog_eval(t->run->log, t->id, &rows);
        for (int64_t k = 0; k < rows; k++) {
            head(f, t, "eval");
            fprintf(f, "%lld,", (long long)eval[k].step);
            field(f, eval[k].split);
            fprintf(f, ",%.9g,,,%.9g,%.9g,%.9g", eval[k].loss, eval[k].accuracy, eval[k].mcc, eval[k].f1);
            tail(f, t, &eval[k]);
        }
    }
    bool bad = ferror(f) != 0;
    LT_CHECK(fclose(f) == 0 && !bad, LT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return LT_OK;
}
