/* One self-contained page: tables, curves as inline SVG, and where the time of each run went. */
#include "report.h"

#include "store/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char style[] =
    "body{font:15px/1.5 sans-serif;max-width:80em;margin:2em auto;padding:0 1em}table{border-collapse:collapse;margin:1em 0}"
    "td,th{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:right}td:first-child,th:first-child{text-align:left}"
    "pre{background:#f6f6f6;padding:1em;overflow-x:auto}svg{max-width:100%;height:auto}";

static void text(FILE *f, const char *s) {
    for (; *s; s++) {
        const char *entity = *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : *s == '&' ? "&amp;" : *s == '"' ? "&quot;" : NULL;
        if (entity)
            fputs(entity, f);
        else
            fputc(*s, f);
    }
}

static void cell(FILE *f, const char *s) {
    fputs("<td>", f);
    text(f, s);
    fputs("</td>", f);
}

static void trials(FILE *f, const lt_report_row *r, int n, bool name_run) {
    fputs(
        "<h2>Trials</h2>\n<table><tr><th>trial</th><th>method</th><th>lr</th><th>seed</th><th>trainable</th><th>steps</th><th>best at</th>"
        "<th>accuracy</th><th>MCC</th><th>F1</th><th>loss</th></tr>\n",
        f);
    for (int i = 0; i < n; i++) {
        fputs("<tr><td>", f);
        if (name_run) {
            text(f, r[i].run);
            fputc(' ', f);
        }
        text(f, r[i].trial);
        fputs("</td>", f);
        const char *const cells[] = {r[i].method, r[i].lr, r[i].seed, r[i].trainable};
        for (size_t k = 0; k < sizeof cells / sizeof *cells; k++) cell(f, cells[k]);
        fprintf(f, "<td>%lld</td>", (long long)r[i].steps);
        const lt_eval_row *e = r[i].best;
        if (e)
            fprintf(f, "<td>%lld</td><td>%.4f</td><td>%.4f</td><td>%.4f</td><td>%.4f</td></tr>\n", (long long)e->step, e->accuracy, e->mcc,
                    e->f1, e->loss);
        else
            fputs("<td colspan=5>no evaluation yet</td></tr>\n", f);
    }
    fputs("</table>\n", f);
}

static void groups(FILE *f, const lt_report_group *g, int n) {
    if (n == 0) return;
    fputs("<h2>Over seeds</h2>\n<table><tr><th>method</th><th>lr</th><th>trials</th><th>accuracy, mean &plusmn; sd</th><th>MCC, "
          "mean</th></tr>\n",
          f);
    for (int i = 0; i < n; i++) {
        fputs("<tr>", f);
        cell(f, g[i].method);
        cell(f, g[i].lr);
        fprintf(f, "<td>%d</td><td>%.4f &plusmn; %.4f</td><td>%.4f</td></tr>\n", g[i].trials, g[i].accuracy, g[i].deviation, g[i].mcc_mean);
    }
    fputs("</table>\n", f);
}

/* Curves: gnuplot writes a file beside the page, whose <svg> element is copied; without gnuplot the page says so. */
static lt_status curves(FILE *f, const lt_report_run *run, int n, const char *path) {
    char *tmp = NULL, *line = NULL;
    size_t cap = 0;
    bool inside = false;
    fputs("<h2>Curves</h2>\n", f);
    LT_TRY(lt_fs_temp_name(path, &tmp));
    lt_status st = lt_report_plot(run, n, LT_REPORT_SVG, tmp);
    FILE *svg = st == LT_OK ? fopen(tmp, "r") : NULL;
    while (svg && getline(&line, &cap, svg) >= 0) {
        inside |= strncmp(line, "<svg", 4) == 0; /* behind the XML declaration */
        if (inside) fputs(line, f);
    }
    if (!svg) {
        fputs("<p>No curves: gnuplot is missing or failed (apt-get install gnuplot-nox).</p>\n", f);
        lt_err_clear();
    }
    if (svg) fclose(svg);
    unlink(tmp);
    free(line);
    free(tmp);
    return LT_OK;
}

/* Where the time went, and the configuration. */
static void facts(FILE *f, const lt_report_run *run) {
    int64_t n;
    const lt_perf_row *row = lt_runlog_perf(run->log, &n);
    lt_perf_row sum = {0};
    for (int64_t i = 0; i < n; i++) {
        sum.seconds += row[i].seconds;
        sum.tokens += row[i].tokens;
        sum.sentences += row[i].sentences;
        sum.t_comm += row[i].t_comm;
        sum.t_data += row[i].t_data;
        sum.t_compute += row[i].t_compute;
        sum.t_linear += row[i].t_linear;
        sum.t_attention += row[i].t_attention;
    }
    fputs("<h2>", f);
    text(f, run->dir);
    fputs("</h2>\n<table><tr><th>ranks</th><th>tp</th><th>dp</th><th>type</th><th>starts</th><th>sentences/s</th><th>tokens/s</"
          "th><th>products</th>"
          "<th>attention</th><th>other compute</th><th>communication</th><th>data</th></tr>\n<tr>",
          f);
    static const char *const key[] = {"ranks", "tp", "dp", "dtype"};
    for (size_t i = 0; i < sizeof key / sizeof *key; i++) cell(f, lt_report_fact(run->log, -1, key[i]));
    double s = sum.seconds > 0 ? sum.seconds : 1, percent = 100 / s;
    fprintf(f, "<td>%d</td><td>%.0f</td><td>%.0f</td>", lt_runlog_starts(run->log), (double)sum.sentences / s, (double)sum.tokens / s);
    const double part[] = {sum.t_linear, sum.t_attention, sum.t_compute - sum.t_linear - sum.t_attention, sum.t_comm, sum.t_data};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) fprintf(f, "<td>%.1f%%</td>", percent * part[i]);
    fputs("</tr></table>\n<details><summary>Configuration</summary><pre>", f);
    text(f, lt_report_fact(run->log, -1, "config"));
    fputs("</pre></details>\n", f);
}

static lt_status write_page(FILE *f, const lt_report_run *run, int n, const char *path) {
    lt_report_row *row = NULL;
    lt_report_group *group = NULL;
    int n_rows, n_groups;
    fprintf(f, "<!doctype html>\n<html lang=en><meta charset=utf-8><title>ltune report</title><style>%s</style>\n<h1>ltune report</h1>\n",
            style);
    LT_TRY(lt_report_rows(run, n, &row, &n_rows));
    lt_status st = lt_report_groups(row, n_rows, &group, &n_groups);
    if (st == LT_OK) {
        trials(f, row, n_rows, n > 1);
        groups(f, group, n_groups);
        st = curves(f, run, n, path);
    }
    for (int i = 0; st == LT_OK && i < n; i++) facts(f, &run[i]);
    fputs("</html>\n", f);
    free(group);
    free(row);
    return st;
}

lt_status lt_report_html(const lt_report_run *run, int n, const char *path) {
    FILE *f = fopen(path, "w");
    LT_CHECK(f, LT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    lt_status st = write_page(f, run, n, path);
    bool bad = ferror(f) != 0;
    if ((fclose(f) != 0 || bad) && st == LT_OK) st = LT_FAIL(LT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return st;
}
