/* ltune-report: reads run logs, prints tables, writes HTML, CSV and PNG. */
#include "report.h"

#include "base/log.h"
#include "store/fs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char help[] =
    "usage: ltune-report RUN_DIR_OR_H5... [--html OUT.html] [--csv OUT.csv] [--png OUT.png]\n\n"
    "Prints one line a trial (its best evaluation) and, for every method and learning rate, mean and standard deviation over the seeds.\n"
    "Runs that are still going can be read: run.h5 is complete at any time.\n\n"
    "  --html OUT.html  one page with tables, curves, time and configuration of each run\n"
    "  --csv OUT.csv    every recorded row, one a line: run, trial, method, seed, kind, step, ...\n"
    "  --png OUT.png    curves of training loss and accuracy (needs gnuplot)\n\n"
    "examples:\n  ltune-report runs/demo\n  ltune-report runs/*/run.h5 --csv all.csv --html all.html\n";

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
    return st;
}

static lt_status report(char **given, int n, const char *html, const char *csv, const char *png) {
    lt_report_run *run = calloc((size_t)n, sizeof *run);
    lt_status st = run ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "no memory for %d runs", n);
    for (int i = 0; i < n && st == LT_OK; i++) st = open_run(given[i], &run[i]);
    if (st == LT_OK) st = lt_report_table(run, n, stdout);
    if (st == LT_OK && csv) st = lt_report_csv(run, n, csv);
    if (st == LT_OK && png) st = lt_report_plot(run, n, LT_REPORT_PNG, png);
    if (st == LT_OK && html) st = lt_report_html(run, n, html);
    for (int i = 0; run && i < n; i++) {
        free(run[i].dir);
        lt_runlog_close(&run[i].log);
    }
    free(run);
    return st;
}

int main(int argc, char **argv) {
    const char *html = NULL, *csv = NULL, *png = NULL;
    int n = 0;
    for (int i = 1; i < argc; i++) {
        const char **value = !strcmp(argv[i], "--html")  ? &html
                             : !strcmp(argv[i], "--csv") ? &csv
                             : !strcmp(argv[i], "--png") ? &png
                                                         : NULL;
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            fputs(help, stdout);
            return 0;
        }
        if (!strcmp(argv[i], "--version")) {
            printf("ltune-report %s (git %s)\n", LT_VERSION, LT_GIT[0] ? LT_GIT : "unknown");
            return 0;
        }
        if (value && i + 1 < argc) {
            *value = argv[++i];
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "ltune-report: %s %s\n\n%s", value ? "no file name after" : "unknown option", argv[i], help);
            return 2;
        } else {
            argv[n++] = argv[i];
        }
    }
    if (n == 0) {
        fputs(help, stderr);
        return 2;
    }
    lt_status st = report(argv, n, html, csv, png);
    if (st == LT_OK && (fflush(stdout) != 0 || ferror(stdout))) st = LT_FAIL(LT_ERR_IO, "cannot write to standard output: %m");
    if (st != LT_OK) lt_err_print("ltune-report", 0, 1, "this host");
    return lt_status_exit_code(st);
}
