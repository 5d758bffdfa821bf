/* Learning curves: a script with inline data is piped into gnuplot. */
#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* A text of gnuplot: in single quotes, where nothing is replaced or executed. */
static void quoted(FILE *f, const char *s) {
    fputc('\'', f);
    for (; *s; s++) {
        if (*s == '\'') fputc('\'', f);
        if (*s != '\n') fputc(*s, f);
    }
    fputc('\'', f);
}

/* Training loss averaged over windows, about 200 points a curve: single batches are noise. */
static void loss_data(FILE *f, const lt_train_row *row, int64_t n) {
    int64_t window = n / 200 + 1;
    for (int64_t i = 0; i < n; i += window) {
        double sum = 0;
        int64_t m = n - i < window ? n - i : window;
        for (int64_t k = 0; k < m; k++) sum += row[i + k].loss;
        fprintf(f, "%lld %.6g\n", (long long)row[i + m - 1].step, sum / (double)m);
    }
    fputs("EOD\n", f);
}

typedef struct curve {
    const lt_report_run *run;
    int trial, id;
} curve;

/* One `plot` command over the curves that have data of this kind. */
static void plot_curves(FILE *f, const curve *c, int n, bool train, bool name_run) {
    bool first = true;
    for (int i = 0; i < n; i++) {
        int64_t rows;
        if (train)
            (void)lt_runlog_train(c[i].run->log, c[i].trial, &rows);
        else
            (void)lt_runlog_eval(c[i].run->log, c[i].trial, &rows);
        if (rows == 0) continue;
        fprintf(f, "%s$%s%d using 1:2 with %s lw 2 lc %d title ", first ? "plot " : ", ", train ? "t" : "e", c[i].id,
                train ? "lines" : "linespoints pt 7", i + 1);
        char title[512];
        (void)snprintf(title, sizeof title, "%s%s%s", name_run ? c[i].run->dir : "", name_run ? " " : "",
                       lt_runlog_trial_name(c[i].run->log, c[i].trial));
        quoted(f, title);
        first = false;
    }
    fputs(first ? "plot NaN notitle\n" : "\n", f);
}

static void write_script(FILE *f, const lt_report_run *run, int n, lt_report_picture kind, const char *path, curve *c) {
    int curves = 0;
    for (int i = 0; i < n; i++)
        for (int t = 0; t < lt_runlog_trials(run[i].log); t++) {
            int64_t rows;
            c[curves] = (curve){.run = &run[i], .trial = t, .id = curves};
            const lt_train_row *train = lt_runlog_train(run[i].log, t, &rows);
            fprintf(f, "$t%d << EOD\n", curves);
            loss_data(f, train, rows);
            const lt_eval_row *eval = lt_runlog_eval(run[i].log, t, &rows);
            fprintf(f, "$e%d << EOD\n", curves);
            for (int64_t k = 0; k < rows; k++) fprintf(f, "%lld %.6g\n", (long long)eval[k].step, eval[k].accuracy);
            fputs("EOD\n", f);
            curves++;
        }
    fprintf(f, "set terminal %s size 1200,500 noenhanced font 'sans,11'\nset output ", kind == LT_REPORT_PNG ? "pngcairo" : "svg");
    quoted(f, path);
    fputs("\nset multiplot layout 1,2\nset grid\nset xlabel 'optimizer step'\nset key outside below\nset ylabel 'training loss'\n", f);
    plot_curves(f, c, curves, true, n > 1);
    fputs("set ylabel 'accuracy'\n", f);
    plot_curves(f, c, curves, false, n > 1);
    fputs("unset multiplot\n", f);
}

lt_status lt_report_plot(const lt_report_run *run, int n, lt_report_picture kind, const char *path) {
    int total = 0;
    for (int i = 0; i < n; i++) total += lt_runlog_trials(run[i].log);
    curve *c = calloc((size_t)total + 1, sizeof *c);
    LT_CHECK(c, LT_ERR_NOMEM, "no memory for %d curves", total);
    signal(SIGPIPE, SIG_IGN); /* a gnuplot that ends early is told by its exit status; its warnings about curves of one point help nobody */
    FILE *f = popen("gnuplot 2>/dev/null", "w");
    if (f) write_script(f, run, n, kind, path, c);
    free(c);
    LT_CHECK(f, LT_ERR_IO, "cannot start gnuplot: %s", strerror(errno));
    int rc = pclose(f);
    LT_CHECK(rc == 0, LT_ERR_IO, "gnuplot failed (exit status %d): is it installed (apt-get install gnuplot-nox)? is %s writable?",
             WIFEXITED(rc) ? WEXITSTATUS(rc) : -1, path);
    return LT_OK;
}
