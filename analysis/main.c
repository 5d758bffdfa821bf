/* ltune-report: reads run logs, prints tables and curves, writes HTML, CSV and pictures. */
#include "report.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/fs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "usage: ltune-report RUN_DIR_OR_H5... [options]\n\n"
    "Prints a table with one line a group of trials and, on a terminal, the curves.  A group is the trials that\n"
    "differ in nothing but their seed.  Runs that are still going can be read: run.h5 is complete at any time.\n"
    "Several runs are compared: trials of other runs with the same model, data and settings are further seeds\n"
    "of a group; where a seed comes twice, each run has groups of its own.\n\n"
    "  --all            before the groups one line a trial (its best evaluation)\n"
    "  --curves         the curves also where standard output is no terminal (80 columns there)\n"
    "  --x AXIS         x axis of the curves: step (default), or tokens or seconds that the run had used by then\n"
    "  --smooth STEPS   width of the window over the loss; 1 = none (default: 4% of the steps, at least 5)\n"
    "  --html OUT.html  one page with tables, curves, time and configuration of each run\n"
    "  --csv OUT.csv    every recorded row, one a line: run, trial, method, seed, kind, step, ...\n"
    "  --png OUT.png    the curves as a picture (needs gnuplot)\n"
    "  --pdf OUT.pdf    the same for print\n\n"
    "table:\n"
    "  seeds            trials of the group; 2/3: two of three have an evaluation, and the figures are of these two\n"
    "  accuracy, mcc    at the best evaluation of each trial: mean +- standard deviation (of a sample)\n"
    "  last             at the last evaluation, what the run chose its best by: accuracy, or MCC for CoLA\n"
    "  best@            step of the best evaluations, first to last\n"
    "  tokens/s         of the run, all its trials together\n"
    "  settings         in which groups of one method differ, and the run where that is not enough\n\n"
    "curves:\n"
    "  colours  one a method (of one method alone: one a group); further groups of a method have other dashes\n"
    "  line     mean over the seeds; a seed that has stopped counts no further, losses that are NaN or infinite not at all\n"
    "  band     one standard deviation (of a sample) to either side\n"
    "  loss     of each trial smoothed by a triangular window, which is narrower at the first steps, single spikes left\n"
    "           out; faint: the mean without smoothing; over 1000 steps first averaged in 1000 bins\n"
    "  axis     of the loss: without values far off (beyond the quantiles of 5% and 95% by more than 3 times what these\n"
    "           span; its title then says the highest), logarithmic where these span a factor of over 100\n"
    "  NO_COLOR and locales without UTF-8 are respected.\n\n"
    "examples:\n  ltune-report runs/demo\n  ltune-report runs/demo --curves --x tokens | less\n"
    "  ltune-report runs/*/run.h5 --all --csv all.csv --html all.html\n";

typedef struct options {
    const char *html, *csv, *png, *pdf, *x, *smooth;
    bool all, curves;
} options;

/* Opens DIR/run.h5 or a file. */
static lt_status open_run(const char *given, lt_report_run *run) {
    struct stat info;
    char *path = NULL;
    LT_CHECK(stat(given, &info) == 0, LT_ERR_IO, "cannot open %s: %m", given);
    LT_TRY(S_ISDIR(info.st_mode) ? lt_fs_path(&path, "%s/run.h5", given) : lt_fs_path(&path, "%s", given));
    lt_status st = stat(path, &info) == 0 ? LT_OK : LT_FAIL(LT_ERR_IO, "cannot open %s: %m; is %s a run.dir of ltune train?", path, given);
    if (st == LT_OK) st = lt_fs_path(&run->dir, "%s", given);
    if (st == LT_OK) st = lt_runlog_open(path, 1e9, &run->log);
    free(path);
    if (st != LT_OK) return st;
    int64_t n;
    double tokens = 0, seconds = 0;
    const lt_perf_row *p = lt_runlog_perf(run->log, &n);
    for (int64_t i = 0; i < n; i++) {
        tokens += (double)p[i].tokens;
        seconds += p[i].seconds;
    }
    run->tokens_per_s = seconds > 0 ? tokens / seconds : 0;
    run->by_mcc = !strcmp(lt_report_fact(run->log, -1, "metric"), "mcc");
    return LT_OK;
}

lt_status lt_report_open(lt_report *r, char *const *given, int n) {
    *r = (lt_report){.n_runs = n};
    LT_TRY(lt_calloc(&r->run, n + 1, sizeof *r->run, "the runs"));
    for (int i = 0; i < n; i++) LT_TRY(open_run(given[i], &r->run[i]));
    LT_TRY(lt_report_find_trials(r));
    return lt_report_find_groups(r);
}

void lt_report_close(lt_report *r) {
    for (int i = 0; i < r->n_groups; i++) {
        free(r->group[i].trial);
        free(r->group[i].differs);
        free(r->group[i].label);
    }
    for (int i = 0; r->trial && i < r->n_trials; i++) free(r->trial[i].settings);
    for (int i = 0; r->run && i < r->n_runs; i++) {
        free(r->run[i].dir);
        lt_runlog_close(&r->run[i].log);
    }
    free(r->group);
    free(r->trial);
    free(r->run);
}

static lt_status report(char *const *given, int n, const options *o, lt_report_axis axis, int64_t smooth) {
    lt_report r;
    lt_report_figure f = {0};
    bool draw = o->curves || isatty(STDOUT_FILENO);
    lt_status st = lt_report_open(&r, given, n);
    if (st == LT_OK) lt_report_table(&r, o->all, stdout);
    if (st == LT_OK && o->csv) st = lt_report_csv(&r, o->csv);
    if (st == LT_OK && (draw || o->html || o->png || o->pdf)) st = lt_report_figure_make(&r, axis, smooth, &f);
    if (st == LT_OK && draw) st = lt_report_draw(&r, &f, lt_report_screen_of_stdout(), stdout);
    if (st == LT_OK && o->png) st = lt_report_plot(&r, &f, LT_REPORT_PNG, o->png);
    if (st == LT_OK && o->pdf) st = lt_report_plot(&r, &f, LT_REPORT_PDF, o->pdf);
    if (st == LT_OK && o->html) st = lt_report_html(&r, &f, o->html);
    lt_report_figure_free(&r, &f);
    lt_report_close(&r);
    return st;
}

/* A usage error: what and the help on stderr. */
static int usage(const char *what, const char *word) {
    fprintf(stderr, "ltune-report: %s %s\n\n%s", what, word, help);
    return 2;
}

int main(int argc, char **argv) {
    static const char *const axes[] = {"step", "tokens", "seconds"}; /* in the order of lt_report_axis */
    options o = {0};
    const struct {
        const char *name, **value;
        bool *flag;
    } table[] = {{"--html", &o.html, NULL}, {"--csv", &o.csv, NULL},       {"--png", &o.png, NULL}, {"--pdf", &o.pdf, NULL},
                 {"--x", &o.x, NULL},       {"--smooth", &o.smooth, NULL}, {"--all", NULL, &o.all}, {"--curves", NULL, &o.curves}};
    const size_t n_options = sizeof table / sizeof *table;
    int n = 0, axis = 0;
    long long smooth = 0;
    for (int i = 1; i < argc; i++) {
        size_t k = 0;
        while (k < n_options && strcmp(argv[i], table[k].name) != 0) k++;
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            fputs(help, stdout);
            return 0;
        }
        if (!strcmp(argv[i], "--version")) {
            printf("ltune-report %s (git %s)\n", LT_VERSION, LT_GIT[0] ? LT_GIT : "unknown");
            return 0;
        }
        if (k < n_options && table[k].flag)
            *table[k].flag = true;
        else if (k < n_options && i + 1 < argc)
            *table[k].value = argv[++i];
        else if (argv[i][0] == '-')
            return usage(k < n_options ? "no value after" : "unknown option", argv[i]);
        else
            argv[n++] = argv[i];
    }
    if (n == 0) {
        fputs(help, stderr);
        return 2;
    }
    while (o.x && axis < 3 && strcmp(o.x, axes[axis]) != 0) axis++;
    if (axis == 3) return usage("--x must be step, tokens or seconds, found", o.x);
    if (o.smooth) {
        char *end;
        smooth = strtoll(o.smooth, &end, 10);
        if (*end || smooth < 1) return usage("--smooth must be a number of steps of at least 1, found", o.smooth);
    }
    lt_status st = report(argv, n, &o, (lt_report_axis)axis, smooth);
    if (st == LT_OK && (fflush(stdout) != 0 || ferror(stdout))) st = LT_FAIL(LT_ERR_IO, "cannot write to standard output: %m");
    if (st != LT_OK) lt_err_print("ltune-report", 0, 1, "this host");
    return lt_status_exit_code(st);
}
