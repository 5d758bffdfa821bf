/* The figure as a picture: a script with inline data is piped into gnuplot. */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* In the units of the SVG; the other kinds are this, scaled. */
enum { WIDTH = 1200, PANEL_HEIGHT = 410, LEGEND_LINE = 22, LETTER = 8, SAMPLE = 70, DASHES = 4 };

/* A text of gnuplot: in single quotes, where nothing is replaced or executed. */
static void quoted(FILE *f, const char *s) {
    fputc('\'', f);
    for (; *s; s++) {
        if (*s == '\'') fputc('\'', f);
        if (*s != '\n') fputc(*s, f);
    }
    fputc('\'', f);
}

/* ---- data ---- */

/* A value, or '?' for none.  What lies far outside the axis ends just as far outside it: no line is drawn to 1e300. */
static void put_value(FILE *f, const lt_report_panel *p, double v) {
    double span = p->high - p->low, least = p->log ? p->low / 100 : p->low - 10 * span, most = p->log ? p->high * 100 : p->high + 10 * span;
    if (isfinite(v))
        fprintf(f, " %.6g", v < least ? least : v > most ? most : v);
    else
        fputs(" ?", f);
}

static void put_data(FILE *f, const lt_report_panel *p, char name, int groups) {
    for (int i = 0; i < groups; i++) {
        const lt_report_curve *c = &p->curve[i];
        fprintf(f, "$%c%d << EOD\n", name, i);
        for (int k = 0; k < c->n; k++) {
            const double v[] = {c->mean[k], c->low[k], c->high[k], c->raw ? c->raw[k] : NAN};
            fprintf(f, "%.9g", c->x[k]);
            for (size_t m = 0; m < sizeof v / sizeof *v; m++) put_value(f, p, v[m]);
            fputc('\n', f);
        }
        fputs("EOD\n", f);
    }
}

/* ---- style ---- */

/* Up to four groups of a hue differ in their dashes alone; more are lighter or darker too. */
static unsigned rgb_of(const lt_report_group *g) {
    unsigned rgb = lt_report_hues[g->hue % LT_REPORT_HUES].rgb, out = 0;
    int shade = g->variant / DASHES % 3;
    for (int s = 16; s >= 0; s -= 8) {
        unsigned c = rgb >> s & 255;
        out |= (shade == 0 ? c : shade == 1 ? c / 2 : 128 + c / 2) << s;
    }
    return out;
}

/* alpha: 0 opaque .. 255 invisible. */
static void put_line(FILE *f, const lt_report_group *g, double width, unsigned alpha) {
    static const char *const dashes[DASHES] = {"solid", "(10,4)", "(3,3)", "(12,3,3,3)"}; /* in widths of the line */
    fprintf(f, " lw %g lc rgb '#%02X%06X' dt %s", width, alpha, rgb_of(g), dashes[(g->variant + g->hue / LT_REPORT_HUES) % DASHES]);
}

/* One `plot` command; from the back to the front: raw lines, bands, means. */
static void put_panel(FILE *f, const lt_report *r, const lt_report_panel *p, char name) {
    fputs("set ylabel ", f);
    quoted(f, p->title);
    fprintf(f, "\n%s logscale y\nset yrange [%.6g:%.6g]\nplot NaN notitle", p->log ? "set" : "unset", p->low, p->high);
    for (int i = 0; i < r->n_groups; i++) {
        if (!p->curve[i].raw) continue;
        fprintf(f, ", $%c%d using 1:5 with lines", name, i);
        put_line(f, &(lt_report_group){.hue = r->group[i].hue, .variant = r->group[i].variant / DASHES * DASHES}, 1, 0xC8);
        fputs(" notitle", f);
    }
    for (int i = 0; i < r->n_groups; i++)
        if (p->curve[i].n > 1 && r->group[i].n_trials > 1)
            fprintf(f, ", $%c%d using 1:3:4 with filledcurves fs transparent solid 0.18 noborder fc rgb '#%06X' notitle", name, i,
                    rgb_of(&r->group[i]));
    for (int i = 0; i < r->n_groups; i++) {
        if (p->curve[i].n == 0) continue;
        bool points = p->points && p->curve[i].n <= 40;
        fprintf(f, ", $%c%d using 1:2 with %s", name, i, points ? "linespoints pt 7 ps 0.6" : "lines");
        put_line(f, &r->group[i], 2.5, 0);
        fputs(" notitle", f);
        if (p->curve[i].n > 1 || r->group[i].n_trials == 1) continue; /* of a single point no band would be seen */
        fprintf(f, ", $%c%d using 1:2:3:4 with yerrorbars pt 7 ps 0.6", name, i);
        put_line(f, &r->group[i], 1, 0);
        fputs(" notitle", f);
    }
    fputc('\n', f);
}

/* The legend under both panels, row by row: gnuplot's own key would have to fit under one of them. */
static void put_legend(FILE *f, const lt_report *r, int columns, int entry, double height) {
    for (int i = 0; i < r->n_groups; i++) {
        int in_row = r->n_groups < columns ? r->n_groups : columns;
        double x = (WIDTH - in_row * entry) / 2.0 + i % columns * entry,
               y = ((r->n_groups - 1) / columns - i / columns + 0.7) * LEGEND_LINE;
        fprintf(f, "set arrow from screen %.4f,%.4f to screen %.4f,%.4f nohead", x / WIDTH, y / height, (x + 40) / WIDTH, y / height);
        put_line(f, &r->group[i], 3, 0);
        fprintf(f, "\nset label ");
        quoted(f, r->group[i].label);
        fprintf(f, " at screen %.4f,%.4f left\n", (x + 48) / WIDTH, y / height);
    }
}

/* ---- the script ---- */

static void write_script(FILE *f, const lt_report *r, const lt_report_figure *fig, lt_report_picture kind, const char *path) {
    size_t longest = 0;
    for (int i = 0; i < r->n_groups; i++)
        if (strlen(r->group[i].label) > longest) longest = strlen(r->group[i].label);
    int entry = (int)longest * LETTER + SAMPLE, columns = entry > WIDTH ? 1 : WIDTH / entry, rows = (r->n_groups + columns - 1) / columns;
    double height = PANEL_HEIGHT + rows * LEGEND_LINE, bottom = (rows * LEGEND_LINE + 78) / height;
    fputs("set datafile missing '?'\n", f);
    for (int p = 0; p < fig->n_panels; p++) put_data(f, &fig->panel[p], (char)('a' + p), r->n_groups);
    switch (kind) {
    case LT_REPORT_PNG:
        fprintf(f, "set terminal pngcairo size %d,%.0f fontscale 1.5 linewidth 1.5 pointscale 1.5 noenhanced font 'sans,11'\n",
                WIDTH * 3 / 2, height * 1.5);
        break;
    case LT_REPORT_PDF:
        fprintf(f, "set terminal pdfcairo size 10in,%.2fin pointscale 0.6 noenhanced font 'sans,9'\n", height * 10 / WIDTH);
        break;
    case LT_REPORT_SVG:
        fprintf(f, "set terminal svg size %d,%.0f noenhanced font 'sans-serif,13'\n", WIDTH, height);
        break;
    }
    fputs("set output ", f);
    quoted(f, path);
    fprintf(
        f,
        "\nset multiplot\nset border 3 lc rgb '#444444'\nset tics nomirror out\nset grid lc rgb '#DDDDDD' lt 1 lw 0.5\nset format '%%g'\n"
        "set tmargin at screen %.4f\nset bmargin at screen %.4f\nset xrange [%.9g:%.9g]\nset xlabel ",
        1 - 16 / height, bottom, fig->x_low, fig->x_high);
    quoted(f, fig->x_title);
    for (int i = 0; i < fig->n_ticks; i++) fprintf(f, "%s'%.5g' %.9g", i ? ", " : "\nset xtics (", fig->tick_value[i], fig->tick[i]);
    if (fig->n_ticks > 0) fputc(')', f);
    fprintf(f, "\nunset key\nset lmargin at screen 0.085\nset rmargin at screen %s\n", fig->n_panels > 1 ? "0.485" : "0.975");
    put_legend(f, r, columns, entry, height);
    put_panel(f, r, &fig->panel[0], 'a');
    if (fig->n_panels > 1) fputs("unset arrow\nunset label\nset lmargin at screen 0.575\nset rmargin at screen 0.975\n", f);
    if (fig->n_panels > 1) put_panel(f, r, &fig->panel[1], 'b');
    fputs("unset multiplot\n", f);
}

lt_status lt_report_plot(const lt_report *r, const lt_report_figure *fig, lt_report_picture kind, const char *path) {
    signal(SIGPIPE, SIG_IGN); /* a gnuplot that ends early is told by its exit status; its warnings about curves of one point help nobody */
    FILE *f = popen("gnuplot 2>/dev/null", "w");
    LT_CHECK(f, LT_ERR_IO, "cannot start gnuplot: %s", strerror(errno));
    write_script(f, r, fig, kind, path);
    int rc = pclose(f);
    LT_CHECK(rc == 0, LT_ERR_IO, "gnuplot failed (exit status %d): is it installed (apt-get install gnuplot-nox)? is %s writable?",
             WIFEXITED(rc) ? WEXITSTATUS(rc) : -1, path);
    return LT_OK;
}
