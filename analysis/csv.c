/* Every recorded row as CSV, in long form: one table that any tool groups as it likes. */
#include "report.h"

#include <errno.h>
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

static void head(FILE *f, const lt_report_run *run, int t, const char *kind) {
    const char *const fields[] = {run->dir, lt_runlog_trial_name(run->log, t), lt_report_fact(run->log, t, "method"),
                                  lt_report_fact(run->log, t, "seed"), kind};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        field(f, fields[i]);
        fputc(',', f);
    }
}

lt_status lt_report_csv(const lt_report_run *run, int n, const char *path) {
    FILE *f = fopen(path, "w");
    LT_CHECK(f, LT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    fputs("run,trial,method,seed,kind,step,split,loss,lr,grad_norm,accuracy,mcc,f1\n", f);
    for (int i = 0; i < n; i++)
        for (int t = 0; t < lt_runlog_trials(run[i].log); t++) {
            int64_t rows;
            const lt_train_row *train = lt_runlog_train(run[i].log, t, &rows);
            for (int64_t k = 0; k < rows; k++) {
                head(f, &run[i], t, "train");
                fprintf(f, "%lld,,%.9g,%.9g,%.9g,,,\n", (long long)train[k].step, train[k].loss, train[k].lr, train[k].grad_norm);
            }
            const lt_eval_row *eval = lt_runlog_eval(run[i].log, t, &rows);
            for (int64_t k = 0; k < rows; k++) {
                head(f, &run[i], t, "eval");
                fprintf(f, "%lld,", (long long)eval[k].step);
                field(f, eval[k].split);
                fprintf(f, ",%.9g,,,%.9g,%.9g,%.9g\n", eval[k].loss, eval[k].accuracy, eval[k].mcc, eval[k].f1);
            }
        }
    bool bad = ferror(f) != 0;
    LT_CHECK(fclose(f) == 0 && !bad, LT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return LT_OK;
}
