/* Groups over the number of training sentences: what a method is worth with little data.  Runs differ in data.limit or in their data set; groups of one
 * method in several of them become a row.  Where a method has more than one group at some number, rows are told apart by the settings in which these
 * differ; settings that differ from number to number alone (steps, a learning rate tuned for each) stay in one row, and a line below says which. */
#include "report.h"

#include "base/mem.h"
#include "store/fs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lt_report_trial *first_of(const lt_report *r, int group) { return &r->trial[r->group[group].trial[0]]; }

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- columns ---- */

static lt_status find_columns(const lt_report *r, lt_report_sizes *s) {
    int n = 0;
    LT_TRY(lt_calloc(&s->size, r->n_groups + 1, sizeof *s->size, "the numbers of training sentences"));
    for (int i = 0; i < r->n_groups; i++)
        if (first_of(r, i)->per_label > 0) s->size[n++] = first_of(r, i)->per_label;
    qsort(s->size, (size_t)n, sizeof *s->size, by_value);
    for (int i = 0; i < n; i++)
        if (i == 0 || s->size[i] > s->size[s->n - 1]) s->size[s->n++] = s->size[i];
    return LT_OK;
}

static int column_of(const lt_report_sizes *s, double size) {
    int i = s->n - 1;
    while (i >= 0 && s->size[i] != size) i--;
    return i;
}

/* ---- rows ---- */

static bool of_data(const char *line) { return !strncmp(line, "data:", 5) || !strncmp(line, "data.limit:", 11); }

static bool same_value(const char *settings, const char *other, const char *line) {
    size_t key = lt_report_key_bytes(line);
    const char *a = lt_report_value_of(settings, line, key), *b = lt_report_value_of(other, line, key);
    return !a || !b || !strncmp(a, b, strcspn(a, "\n") + 1);
}

/* Whether two groups of the method at one number have different values of a line's key. */
static bool tells_apart(const lt_report *r, const char *method, const char *line) {
    for (int i = 0; i < r->n_groups; i++)
        for (int k = 0; k < i; k++) {
            const lt_report_trial *a = first_of(r, i), *b = first_of(r, k);
            if (a->per_label != b->per_label || strcmp(a->method, method) != 0 || strcmp(b->method, method) != 0) continue;
            if (!same_value(a->settings, b->settings, line)) return true;
        }
    return false;
}

/* The name of a group's row: its method and the settings that tell rows of this method apart. */
static lt_status name_row(const lt_report *r, int group, char **name) {
    const lt_report_trial *t = first_of(r, group);
    size_t bytes = 0;
    FILE *f = open_memstream(name, &bytes);
    LT_CHECK(f, LT_ERR_NOMEM, "no memory for the name of a row");
    fprintf(f, "%s%s%s%s", t->method, t->mark[0] ? " [" : "", t->mark, t->mark[0] ? "]" : "");
    for (const char *line = t->settings; *line; line = strchr(line, '\n') + 1)
        if (!of_data(line) && tells_apart(r, t->method, line)) lt_report_print_setting(line, f);
    LT_CHECK(fclose(f) == 0, LT_ERR_NOMEM, "no memory for the name of a row");
    return LT_OK;
}

/* The row of that name with room in a column, made if absent. */
static lt_status place(lt_report_sizes *s, char *name, int column, int group) {
    lt_report *rows = &s->rows;
    int i = 0;
    while (i < rows->n_groups && (strcmp(rows->group[i].label, name) != 0 || s->cell[i * s->n + column] >= 0)) i++;
    if (i == rows->n_groups) {
        LT_TRY(lt_strdup(&rows->group[rows->n_groups].label, name));
        rows->n_groups++;
    }
    s->cell[i * s->n + column] = group;
    return LT_OK;
}

/* Rows of one name are of runs that are compared: the run's folder tells them apart. */
static lt_status add_runs(const lt_report *r, lt_report_sizes *s) {
    for (int i = s->rows.n_groups - 1; i >= 0; i--) {
        char *label = s->rows.group[i].label;
        bool twice = false;
        for (int k = 0; k < s->rows.n_groups; k++) twice |= k != i && !strcmp(label, s->rows.group[k].label);
        if (!twice) continue;
        int column = 0;
        while (s->cell[i * s->n + column] < 0) column++;
        LT_TRY(lt_fs_path(&s->rows.group[i].label, "%s %s", label, first_of(r, s->cell[i * s->n + column])->run->dir));
        free(label);
    }
    return LT_OK;
}

/* The keys that differ inside of a row. */
static lt_status find_differs(const lt_report *r, lt_report_sizes *s) {
    size_t bytes = 0;
    FILE *f = open_memstream(&s->differs, &bytes);
    LT_CHECK(f, LT_ERR_NOMEM, "no memory for the names of settings");
    for (int i = 0; i < s->rows.n_groups; i++) {
        const int *cell = &s->cell[i * s->n];
        int first = 0;
        while (cell[first] < 0) first++;
        for (const char *line = first_of(r, cell[first])->settings; *line; line = strchr(line, '\n') + 1) {
            char key[64];
            bool differs = false;
            (void)snprintf(key, sizeof key, " %.*s", (int)lt_report_key_bytes(line), line);
            for (int k = first + 1; k < s->n && !of_data(line); k++)
                differs |= cell[k] >= 0 && !same_value(first_of(r, cell[first])->settings, first_of(r, cell[k])->settings, line);
            (void)fflush(f);
            if (differs && !strstr(s->differs, key)) fputs(key, f);
        }
    }
    LT_CHECK(fclose(f) == 0, LT_ERR_NOMEM, "no memory for the names of settings");
    return LT_OK;
}

/* What the figure needs of a row: the trials of its first group, and whether there are seeds for a band. */
static void finish_rows(const lt_report *r, lt_report_sizes *s) {
    for (int i = 0; i < s->rows.n_groups; i++)
        for (int k = s->n - 1; k >= 0; k--) {
            if (s->cell[i * s->n + k] < 0) continue;
            const lt_report_group *g = &r->group[s->cell[i * s->n + k]];
            s->rows.group[i].trial = g->trial;
            if (g->n_trials > s->rows.group[i].n_trials) s->rows.group[i].n_trials = g->n_trials;
        }
    lt_report_colour(&s->rows);
}

lt_status lt_report_sizes_make(const lt_report *r, lt_report_sizes *s) {
    *s = (lt_report_sizes){.rows = {.n_runs = r->n_runs, .n_trials = r->n_trials, .run = r->run, .trial = r->trial}};
    LT_TRY(find_columns(r, s));
    if (s->n < 2) return LT_OK;
    LT_TRY(lt_calloc(&s->rows.group, r->n_groups + 1, sizeof *s->rows.group, "rows of groups"));
    LT_TRY(lt_calloc(&s->cell, (int64_t)r->n_groups * s->n, sizeof *s->cell, "rows of groups"));
    for (int i = 0; i < r->n_groups * s->n; i++) s->cell[i] = -1;
    for (int i = 0; i < r->n_groups; i++) {
        char *name = NULL;
        if (first_of(r, i)->per_label <= 0) continue;
        lt_status st = name_row(r, i, &name);
        if (st == LT_OK) st = place(s, name, column_of(s, first_of(r, i)->per_label), i);
        free(name);
        if (st != LT_OK) return st;
    }
    LT_TRY(add_runs(r, s));
    finish_rows(r, s);
    return find_differs(r, s);
}

void lt_report_sizes_free(lt_report_sizes *s) {
    for (int i = 0; i < s->rows.n_groups; i++) free(s->rows.group[i].label);
    free(s->rows.group);
    free(s->cell);
    free(s->size);
    free(s->differs);
    *s = (lt_report_sizes){0};
}

/* ---- the table ---- */

void lt_report_table_sizes(const lt_report *r, const lt_report_sizes *s, FILE *out) {
    enum { CELL = 22 };
    int width = 10;
    if (s->n < 2) return;
    for (int i = 0; i < s->rows.n_groups; i++)
        if ((int)strlen(s->rows.group[i].label) > width) width = (int)strlen(s->rows.group[i].label);
    fprintf(out, "\n%s by training sentences for each label\n%-*s", r->run[0].metric, width, "method");
    for (int k = 0; k < s->n; k++) fprintf(out, "  %-*.5g", k < s->n - 1 ? CELL : 0, s->size[k]);
    fputc('\n', out);
    for (int i = 0; i < s->rows.n_groups; i++) {
        fprintf(out, "%-*s", width, s->rows.group[i].label);
        for (int k = 0; k < s->n; k++) {
            char text[64] = "-";
            int g = s->cell[i * s->n + k], n = 0;
            lt_report_stat v = g >= 0 ? lt_report_best_stat(r, &r->group[g]) : (lt_report_stat){NAN, NAN};
            if (!isnan(v.mean)) n = snprintf(text, sizeof text, "%.4f", v.mean);
            if (!isnan(v.mean) && !isnan(v.sd)) n += snprintf(text + n, sizeof text - (size_t)n, " +- %.4f", v.sd);
            if (!isnan(v.mean)) (void)snprintf(text + n, sizeof text - (size_t)n, " (%d)", r->group[g].evaluated);
            fprintf(out, "  %-*s", k < s->n - 1 ? CELL : 0, text);
        }
        fputc('\n', out);
    }
    if (s->differs[0]) fprintf(out, "settings that differ inside of a row:%s\n", s->differs);
}

/* ---- the figure ---- */

lt_status lt_report_sizes_figure(const lt_report *r, const lt_report_sizes *s, lt_report_figure *f) {
    lt_report_panel *p = &f->panel[0];
    *f = (lt_report_figure){.x_title = "training sentences for each label (logarithmic)", .n_panels = 1, .n_ticks = s->n};
    LT_TRY(lt_calloc(&f->tick, s->n, sizeof *f->tick, "an axis"));
    LT_TRY(lt_calloc(&f->tick_value, s->n, sizeof *f->tick_value, "an axis"));
    LT_TRY(lt_calloc(&p->curve, s->rows.n_groups + 1, sizeof *p->curve, "the curves"));
    for (int k = 0; k < s->n; k++) {
        f->tick[k] = log2(s->size[k]);
        f->tick_value[k] = s->size[k];
    }
    for (int i = 0; i < s->rows.n_groups; i++) {
        lt_report_curve *c = &p->curve[i];
        LT_TRY(lt_report_make_curve(c, s->n, false));
        c->n = 0;
        for (int k = 0; k < s->n; k++) {
            int g = s->cell[i * s->n + k];
            lt_report_stat v = g >= 0 ? lt_report_best_stat(r, &r->group[g]) : (lt_report_stat){NAN, NAN};
            if (isnan(v.mean)) continue;
            double sd = isnan(v.sd) ? 0 : v.sd;
            c->x[c->n] = f->tick[k];
            c->mean[c->n] = v.mean;
            c->low[c->n] = v.mean - sd;
            c->high[c->n++] = v.mean + sd;
        }
    }
    lt_report_title_metric(r, p);
    p->points = true;
    double room = (f->tick[s->n - 1] - f->tick[0]) * 0.04;
    f->x_low = f->tick[0] - room;
    f->x_high = f->tick[s->n - 1] + room;
    return lt_report_fit_panel(&s->rows, p, false);
}
