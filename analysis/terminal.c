/* The figure in characters.  With UTF-8 a character cell is 2 x 4 dots of braille and colours tell the groups apart; without it, or
 * without colours where there is more than one group, lines are made of the group's letter.  The letter also stands at the right end of
 * each line and in the legend. */
#include "report.h"

#include "base/mem.h"

#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    MIN_WIDTH = 40,
    MAX_WIDTH = 120,
    ROWS = 14,
    LABEL = 9,
    ENDS = 6,
    POINTS = 40
}; /* columns of the y axis and of the letters at the right */

typedef struct canvas {
    lt_report_screen s;
    bool braille;
    int columns, n_groups;
    unsigned char *dots; /* [ROWS, columns]: braille pattern; not 0: something is there */
    int *group;          /* [ROWS, columns]: whose */
    bool *point;         /* [ROWS, columns]: a single measurement */
} canvas;

lt_report_screen lt_report_screen_of_stdout(void) {
    lt_report_screen s = {.width = 80};
    struct winsize size;
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    bool terminal = isatty(STDOUT_FILENO);
    if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) s.width = size.ws_col;
    s.width = s.width < MIN_WIDTH ? MIN_WIDTH : s.width > MAX_WIDTH ? MAX_WIDTH : s.width;
    (void)setlocale(LC_CTYPE, ""); /* only this: numbers keep their point */
    s.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
    s.colour = terminal && !(no_colour && no_colour[0]) && term && strcmp(term, "dumb") != 0;
    return s;
}

static char letter_of(int group) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return group < (int)sizeof letters - 1 ? letters[group] : '*';
}

static void put_colour(const canvas *c, const lt_report *r, int group, FILE *out) {
    if (c->s.colour) fprintf(out, "\033[38;5;%dm", lt_report_hues[r->group[group].hue % LT_REPORT_HUES].ansi);
}
static void end_colour(const canvas *c, FILE *out) {
    if (c->s.colour) fputs("\033[0m", out);
}

/* ---- drawing ---- */

/* Share of the axis, 0 at its low end, 1 at its high one. */
static double share(double v, double low, double high, bool logarithmic) {
    if (logarithmic) return v > 0 ? log(v / low) / log(high / low) : -1;
    return (v - low) / (high - low);
}

/* The number of the dot or cell nearest to a place.  Curves often run exactly between two; which one it is must not depend on the last bits of a place. */
static int nearest(double x) { return (int)floor(x + 0.5 + 1e-6); }

/* Sets the dot nearest to a place in dots from the upper left corner; one outside is ignored. */
static void set_dot(canvas *c, double x, double y, int group) {
    static const unsigned char bit[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}; /* Unicode, block Braille Patterns */
    int sx = c->braille ? 2 : 1, sy = c->braille ? 4 : 1, col = nearest(x), row = nearest(y);
    if (col < 0 || row < 0 || col >= sx * c->columns || row >= sy * ROWS) return;
    size_t cell = (size_t)(row / sy * c->columns + col / sx);
    c->dots[cell] |= bit[row % sy][col % sx];
    c->group[cell] = group;
}

/* Places in dots of point k of a curve. */
static double dot_x(const canvas *c, const lt_report_figure *f, const lt_report_curve *v, int k) {
    return share(v->x[k], f->x_low, f->x_high, false) * (c->columns * (c->braille ? 2 : 1) - 1);
}
static double dot_y(const canvas *c, const lt_report_panel *p, const lt_report_curve *v, int k) {
    double up = share(v->mean[k], p->low, p->high, p->log);
    return (1 - (up < -1 ? -1 : up > 2 ? 2 : up)) * (ROWS * (c->braille ? 4 : 1) - 1);
}

static void draw_curve(canvas *c, const lt_report_figure *f, const lt_report_panel *p, int group) {
    const lt_report_curve *v = &p->curve[group];
    int before = -1;
    for (int k = 0; k < v->n; k++) {
        if (!isfinite(v->mean[k]) || !isfinite(v->x[k])) continue;
        double x = dot_x(c, f, v, k), y = dot_y(c, p, v, k), x0 = before < 0 ? x : dot_x(c, f, v, before);
        double y0 = before < 0 ? y : dot_y(c, p, v, before);
        int steps = 1 + (int)(fmax(fabs(x - x0), fabs(y - y0)) + 1e-6);
        for (int i = 0; i <= steps; i++) set_dot(c, x0 + (x - x0) * i / steps, y0 + (y - y0) * i / steps, group);
        before = k;
    }
}

/* A point on every measurement, over all lines. */
static void draw_points(canvas *c, const lt_report_figure *f, const lt_report_panel *p, int group) {
    const lt_report_curve *v = &p->curve[group];
    for (int k = 0; c->braille && p->points && v->n <= POINTS && k < v->n; k++) {
        if (!isfinite(v->mean[k])) continue;
        int col = nearest(dot_x(c, f, v, k)) / 2, row = nearest(dot_y(c, p, v, k)) / 4;
        if (col < 0 || row < 0 || col >= c->columns || row >= ROWS) continue;
        c->point[row * c->columns + col] = true;
        c->group[row * c->columns + col] = group;
    }
}

/* ends[row]: the groups whose lines end there, in order. */
static void find_ends(const canvas *c, const lt_report_panel *p, int ends[ROWS][ENDS], int n_ends[ROWS]) {
    memset(n_ends, 0, ROWS * sizeof *n_ends);
    for (int g = 0; g < c->n_groups; g++) {
        const lt_report_curve *v = &p->curve[g];
        int k = v->n - 1;
        while (k >= 0 && !isfinite(v->mean[k])) k--;
        if (k < 0) continue;
        int at = nearest(dot_y(c, p, v, k)) / (c->braille ? 4 : 1), row = at < 0 ? 0 : at > ROWS - 1 ? ROWS - 1 : at;
        if (n_ends[row] < ENDS) ends[row][n_ends[row]++] = g;
    }
}

/* ---- axes ---- */

/* A step of 1, 2 or 5 times a power of ten that cuts a span into at most n parts. */
static double tick_step(double span, int n) {
    double ten = pow(10, floor(log10(span / n)));
    const double steps[] = {1, 2, 5, 10};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i] * ten * n >= span * (1 - 1e-9)) return steps[i] * ten;
    return 10 * ten;
}

/* label[row]: the tick of this row, empty for none. */
static void y_ticks(const lt_report_panel *p, char label[ROWS][16]) {
    double low = p->log ? log10(p->low) : p->low, high = p->log ? log10(p->high) : p->high, step = tick_step(high - low, 5);
    for (int row = 0; row < ROWS; row++) label[row][0] = 0;
    if (p->log && step < 1) step = high - low < 1 ? step : 1;
    for (double i = ceil(low / step); i * step <= high; i++) {
        double v = p->log ? pow(10, i * step) : i * step;
        int row = nearest((1 - share(v, p->low, p->high, p->log)) * (ROWS - 1));
        if (row >= 0 && row < ROWS) (void)snprintf(label[row], sizeof label[row], "%.4g", fabs(v) < step * 1e-6 && !p->log ? 0 : v);
    }
}

static void print_x_axis(const canvas *c, const lt_report_figure *f, FILE *out) {
    char marks[MAX_WIDTH + 1], labels[MAX_WIDTH + 32];
    double step = f->tick ? 1 : tick_step(f->x_high - f->x_low, c->columns / 12);
    memset(marks, 0, sizeof marks);
    memset(labels, ' ', sizeof labels);
    int free_from = 0;
    for (double i = f->tick ? 0 : ceil(f->x_low / step); f->tick ? i < f->n_ticks : i * step <= f->x_high; i++) {
        char text[16];
        double x = f->tick ? f->tick[(int)i] : i * step, value = f->tick ? f->tick_value[(int)i] : x;
        int at = nearest(share(x, f->x_low, f->x_high, false) * (c->columns - 1));
        int n = snprintf(text, sizeof text, "%.5g", value), from = LABEL + at - n / 2;
        marks[at] = 1;
        if (from < free_from || from + n > (int)sizeof labels) continue;
        memcpy(labels + from, text, (size_t)n);
        free_from = from + n + 1;
    }
    fprintf(out, "%*s%s", LABEL - 1, "", c->s.utf8 ? "└" : "+");
    for (int i = 0; i < c->columns; i++) fputs(marks[i] ? (c->s.utf8 ? "┴" : "+") : (c->s.utf8 ? "─" : "-"), out);
    fprintf(out, "\n%.*s\n%*s\n", free_from > 0 ? free_from - 1 : 0, labels, LABEL + c->columns, f->x_title);
}

/* ---- output ---- */

static void print_cell(const canvas *c, size_t cell, FILE *out) {
    unsigned dots = c->dots[cell];
    if (c->point[cell])
        fputs("●", out);
    else if (!dots)
        fputc(' ', out);
    else if (c->braille)
        fprintf(out, "\xE2%c%c", 0xA0 + (int)(dots >> 6), 0x80 + (int)(dots & 63)); /* U+2800 + dots in UTF-8 */
    else
        fputc(letter_of(c->group[cell]), out);
}

static void print_panel(canvas *c, const lt_report *r, const lt_report_figure *f, const lt_report_panel *p, FILE *out) {
    char label[ROWS][16];
    int ends[ROWS][ENDS], n_ends[ROWS];
    size_t cells = (size_t)(ROWS * c->columns);
    memset(c->dots, 0, cells);
    memset(c->point, 0, cells * sizeof *c->point);
    for (int g = 0; g < r->n_groups; g++) draw_curve(c, f, p, g);
    for (int g = 0; g < r->n_groups; g++) draw_points(c, f, p, g);
    find_ends(c, p, ends, n_ends);
    y_ticks(p, label);
    fprintf(out, "\n%*s%s%s\n", LABEL, "", p->title, p->log ? ", logarithmic" : "");
    for (int row = 0; row < ROWS; row++) {
        fprintf(out, "%*s%s", LABEL - 1, label[row], c->s.utf8 ? (label[row][0] ? "┤" : "│") : label[row][0] ? "+" : "|");
        int last = c->columns - 1, shown = -1;
        while (last >= 0 && !c->dots[row * c->columns + last] && n_ends[row] == 0) last--;
        for (int col = 0; col <= last; col++) {
            size_t cell = (size_t)(row * c->columns + col);
            int group = c->dots[cell] ? c->group[cell] : shown;
            if (group != shown) put_colour(c, r, group, out);
            shown = group;
            print_cell(c, cell, out);
        }
        if (n_ends[row]) fputc(' ', out);
        for (int i = 0; i < n_ends[row]; i++) {
            put_colour(c, r, ends[row][i], out);
            fputc(letter_of(ends[row][i]), out);
        }
        if (shown >= 0 || n_ends[row]) end_colour(c, out);
        fputc('\n', out);
    }
    print_x_axis(c, f, out);
}

static void print_legend(const canvas *c, const lt_report *r, FILE *out) {
    int at = 0;
    for (int g = 0; g < r->n_groups; g++) {
        int bytes = (int)strlen(r->group[g].label) + 5;
        if (at > 0 && at + bytes > c->s.width) {
            fputc('\n', out);
            at = 0;
        }
        fputs(at ? "   " : "\n" + (g > 0), out);
        put_colour(c, r, g, out);
        fprintf(out, "%c %s", letter_of(g), r->group[g].label);
        end_colour(c, out);
        at += bytes;
    }
    fputc('\n', out);
}

lt_status lt_report_draw(const lt_report *r, const lt_report_figure *f, lt_report_screen s, FILE *out) {
    canvas c = {
        .s = s, .braille = s.utf8 && (s.colour || r->n_groups <= 1), .columns = s.width - LABEL - 1 - ENDS, .n_groups = r->n_groups};
    lt_status st = LT_OK;
    LT_TRY_GOTO(lt_calloc(&c.dots, ROWS * c.columns, sizeof *c.dots, "the curves in characters"), st, done);
    LT_TRY_GOTO(lt_calloc(&c.group, ROWS * c.columns, sizeof *c.group, "the curves in characters"), st, done);
    LT_TRY_GOTO(lt_calloc(&c.point, ROWS * c.columns, sizeof *c.point, "the curves in characters"), st, done);
    for (int p = 0; p < f->n_panels; p++) print_panel(&c, r, f, &f->panel[p], out);
    print_legend(&c, r, out);
done:
    free(c.dots);
    free(c.group);
    free(c.point);
    return st;
}
