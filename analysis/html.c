/* One self-contained page: tables, curves as inline SVG, and where the time of each run went. */
#include "report.h"

#include "store/fs.h"

#include <errno.h>
#include <math.h>
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

/* The method with what is to be said of it. */
static void method_cell(FILE *f, const lt_report_trial *t) {
    fputs("<td>", f);
    text(f, t->method);
    if (t->mark[0]) {
        fputs(" <b>(", f);
        text(f, t->mark);
        fputs(")</b>", f);
    }
    fputs("</td>", f);
}

static void number_cell(FILE *f, double v) {
    if (isnan(v))
        fputs("<td>-</td>", f);
    else
        fprintf(f, "<td>%.4f</td>", v);
}

static void trials(FILE *f, const lt_report *r) {
    fputs(
        "<h2>Trials</h2>\n<table><tr><th>trial</th><th>method</th><th>lr</th><th>seed</th><th>trainable</th><th>steps</th><th>best at</th>"
        "<th>accuracy</th><th>MCC</th><th>F1</th><th>loss</th>",
        f);
    for (int k = 0; k < LT_REPORT_NUMBERS; k++)
        if (lt_report_number_shown(r, &lt_report_numbers[k])) fprintf(f, "<th>%s</th>", lt_report_numbers[k].name);
    fputs("</tr>\n", f);
    for (const lt_report_trial *t = r->trial; t < r->trial + r->n_trials; t++) {
        fputs("<tr><td>", f);
        if (r->n_runs > 1) {
            text(f, t->run->dir);
            fputc(' ', f);
        }
        text(f, t->name);
        fputs("</td>", f);
        const char *const cells[] = {t->lr, t->seed, t->trainable};
        method_cell(f, t);
        for (size_t k = 0; k < sizeof cells / sizeof *cells; k++) cell(f, cells[k]);
        fprintf(f, "<td>%lld</td>", (long long)t->steps);
        const lt_eval_row *e = t->best;
        if (e)
            fprintf(f, "<td>%lld</td><td>%.4f</td><td>%.4f</td><td>%.4f</td><td>%.4f</td>", (long long)e->step, e->accuracy, e->mcc, e->f1,
                    e->loss);
        else
            fputs("<td colspan=5>no evaluation yet</td>", f);
        for (int k = 0; e && k < LT_REPORT_NUMBERS; k++) {
            double v = lt_report_number_of(&lt_report_numbers[k], e);
            if (lt_report_number_shown(r, &lt_report_numbers[k])) number_cell(f, v);
        }
        fputs("</tr>\n", f);
    }
    fputs("</table>\n", f);
}

static void stat_cell(FILE *f, lt_report_stat s) {
    if (isnan(s.mean) || isnan(s.sd))
        number_cell(f, s.mean);
    else
        fprintf(f, "<td>%.4f &plusmn; %.4f</td>", s.mean, s.sd);
}

static void groups(FILE *f, const lt_report *r) {
    fputs("<h2>Over seeds</h2>\n<table><tr><th>method</th><th>settings that differ</th><th>lr</th><th>seeds</th><th>trainable</th>"
          "<th>accuracy, mean &plusmn; sd</th><th>MCC</th>",
          f);
    bool f1 = lt_report_judged_by_f1(r);
    if (f1) fputs("<th>F1</th><th>F1, strict</th>", f);
    fputs("<th>at the last evaluation</th><th>best at</th></tr>\n", f);
    for (const lt_report_group *g = r->group; g < r->group + r->n_groups; g++) {
        const lt_report_trial *t = &r->trial[g->trial[0]];
        fputs("<tr>", f);
        method_cell(f, t);
        cell(f, g->differs);
        cell(f, t->lr);
        fprintf(f, "<td>%d", g->evaluated);
        if (g->evaluated < g->n_trials) fprintf(f, " of %d", g->n_trials);
        fputs("</td>", f);
        cell(f, t->trainable);
        stat_cell(f, g->accuracy);
        stat_cell(f, g->mcc);
        if (f1) stat_cell(f, g->f1);
        if (f1) stat_cell(f, g->f1_strict);
        stat_cell(f, g->last);
        if (g->evaluated == 0)
            fputs("<td>-</td></tr>\n", f);
        else if (g->best_first == g->best_last)
            fprintf(f, "<td>%lld</td></tr>\n", (long long)g->best_last);
        else
            fprintf(f, "<td>%lld &ndash; %lld</td></tr>\n", (long long)g->best_first, (long long)g->best_last);
    }
    fputs("</table>\n", f);
}

/* Without gnuplot: in characters, as text of the page. */
static lt_status plain_curves(FILE *f, const lt_report *r, const lt_report_figure *fig) {
    char *drawn = NULL;
    size_t bytes = 0;
    fputs("<p>No curves as a picture: gnuplot is missing or failed (apt-get install gnuplot-nox).</p>\n<pre>", f);
    FILE *mem = open_memstream(&drawn, &bytes);
    LT_CHECK(mem, LT_ERR_NOMEM, "no memory for the curves");
    lt_status st = lt_report_draw(r, fig, (lt_report_screen){.width = 100, .utf8 = true}, mem);
    if (fclose(mem) != 0 && st == LT_OK) st = LT_FAIL(LT_ERR_NOMEM, "no memory for the curves");
    if (st == LT_OK) text(f, drawn);
    fputs("</pre>\n", f);
    free(drawn);
    return st;
}

/* What the best evaluation of each trial counted, as text. */
static lt_status details(FILE *f, const lt_report *r) {
    for (const lt_report_trial *t = r->trial; t < r->trial + r->n_trials; t++) {
        char *table = NULL;
        size_t bytes = 0;
        FILE *mem = open_memstream(&table, &bytes);
        LT_CHECK(mem, LT_ERR_NOMEM, "no memory for a table");
        bool any = lt_report_details(t, mem);
        if (fclose(mem) != 0) return LT_FAIL(LT_ERR_NOMEM, "no memory for a table");
        if (any) {
            fputs("<details><summary>", f);
            text(f, t->name);
            if (t->mark[0]) {
                fputs(" (", f);
                text(f, t->mark);
                fputc(')', f);
            }
            fputs(": classes at the best evaluation</summary><pre>", f);
            text(f, table);
            fputs("</pre></details>\n", f);
        }
        free(table);
    }
    return LT_OK;
}

/* Curves: gnuplot writes a file beside the page, whose <svg> element is copied. */
static lt_status curves(FILE *f, const lt_report *r, const lt_report_figure *fig, const char *title, const char *about, const char *path) {
    char *tmp = NULL, *line = NULL;
    size_t cap = 0;
    bool inside = false;
    fprintf(f, "<h2>%s</h2>\n", title);
    LT_TRY(lt_fs_temp_name(path, &tmp));
    lt_status st = lt_report_plot(r, fig, LT_REPORT_SVG, tmp);
    FILE *svg = st == LT_OK ? fopen(tmp, "r") : NULL;
    while (svg && getline(&line, &cap, svg) >= 0) {
        inside |= strncmp(line, "<svg", 4) == 0; /* behind the XML declaration */
        if (inside) fputs(line, f);
    }
    if (svg) {
        fprintf(f, "<p>Mean over seeds with a band of one standard deviation%s.</p>\n", about);
        fclose(svg);
        st = LT_OK;
    } else {
        lt_err_clear();
        st = plain_curves(f, r, fig);
    }
    unlink(tmp);
    free(line);
    free(tmp);
    return st;
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

/* The tables of gpta and over training sentences, as standard output shows them. */
static lt_status comparisons(FILE *f, const lt_report *r, const lt_report_sizes *s, const lt_report_figure *by_size, const char *path) {
    char *table = NULL;
    size_t bytes = 0;
    FILE *mem = open_memstream(&table, &bytes);
    LT_CHECK(mem, LT_ERR_NOMEM, "no memory for a table");
    lt_report_table_gpta(r, mem);
    lt_report_table_sizes(r, s, mem);
    lt_status st = fclose(mem) == 0 ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "no memory for a table");
    if (st == LT_OK && table[0]) {
        fputs("<h2>Comparisons</h2>\n<pre>", f);
        text(f, table + 1); /* behind an empty line */
        fputs("</pre>\n", f);
    }
    free(table);
    return st == LT_OK && s->n > 1 ? curves(f, &s->rows, by_size, "Training sentences", "", path) : st;
}

static lt_status write_page(FILE *f, const lt_report *r, const lt_report_figure *fig, const lt_report_sizes *s,
                            const lt_report_figure *by_size, const char *path) {
    fprintf(f, "<!doctype html>\n<html lang=en><meta charset=utf-8><title>ltune report</title><style>%s</style>\n<h1>ltune report</h1>\n",
            style);
    groups(f, r);
    LT_TRY(comparisons(f, r, s, by_size, path));
    LT_TRY(curves(f, r, fig, "Curves", "; the loss is smoothed, faint lines are not", path));
    trials(f, r);
    LT_TRY(details(f, r));
    for (int i = 0; i < r->n_runs; i++) facts(f, &r->run[i]);
    fputs("</html>\n", f);
    return LT_OK;
}

lt_status lt_report_html(const lt_report *r, const lt_report_figure *fig, const lt_report_sizes *s, const lt_report_figure *by_size,
                         const char *path) {
    FILE *f = fopen(path, "w");
    LT_CHECK(f, LT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    lt_status st = write_page(f, r, fig, s, by_size, path);
    bool bad = ferror(f) != 0;
    if ((fclose(f) != 0 || bad) && st == LT_OK) st = LT_FAIL(LT_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return st;
}
