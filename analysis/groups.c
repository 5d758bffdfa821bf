/* Groups: trials that differ in nothing but their seed, and what is said of them together. */
#include "report.h"

#include "base/mem.h"
#include "store/fs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BETWEEN_RUNS = 3 }; /* settings that are listed where groups of different runs differ */

/* Mean and deviation of n values in two passes: a sum of squares alone would lose digits where the deviation is small. */
lt_report_stat lt_report_stat_of(const double *v, int n) {
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) sum += v[i];
    double mean = n > 0 ? sum / n : NAN;
    for (int i = 0; i < n; i++) squares += (v[i] - mean) * (v[i] - mean);
    return (lt_report_stat){.mean = mean, .sd = n > 1 ? sqrt(squares / (n - 1)) : NAN};
}

static bool same_seed(const lt_report_trial *a, const lt_report_trial *b) {
    return !strcmp(a->seed, b->seed) && strcmp(a->seed, "-") != 0; /* "-": the log does not say */
}

/* compared[kind]: two runs have a trial of this kind with the same seed. */
static void find_compared(const lt_report *r, bool *compared) {
    for (int i = 0; i < r->n_trials; i++)
        for (int k = 0; k < i && !compared[r->trial[i].kind]; k++) {
            const lt_report_trial *a = &r->trial[i], *b = &r->trial[k];
            if (a->kind == b->kind && a->run != b->run && same_seed(a, b)) compared[a->kind] = true;
        }
}

/* Puts every trial into its group; of a seed that comes twice in a run, under two names, the first counts. */
static lt_status fill(lt_report *r, const bool *compared) {
    for (int i = 0; i < r->n_trials; i++) {
        const lt_report_trial *t = &r->trial[i];
        lt_report_group *g = r->group, *end = r->group + r->n_groups;
        for (; g < end; g++) {
            const lt_report_trial *o = &r->trial[g->trial[0]];
            if (o->kind == t->kind && (!compared[t->kind] || o->run == t->run)) break;
        }
        bool twice = false;
        if (g == end) {
            *g = (lt_report_group){0};
            LT_TRY(lt_calloc(&g->trial, r->n_trials, sizeof *g->trial, "a group of trials"));
            r->n_groups++;
        }
        for (int k = 0; k < g->n_trials; k++) twice |= same_seed(t, &r->trial[g->trial[k]]);
        if (!twice) g->trial[g->n_trials++] = i;
    }
    return LT_OK;
}

static void measure(const lt_report *r, lt_report_group *g, double *v) {
    bool any = false;
    lt_report_stat *const out[] = {&g->accuracy, &g->mcc, &g->f1, &g->f1_strict, &g->last};
    for (size_t k = 0; k < sizeof out / sizeof *out; k++) {
        int n = 0;
        for (int i = 0; i < g->n_trials; i++) {
            const lt_report_trial *t = &r->trial[g->trial[i]];
            const lt_eval_row *b = t->best;
            if (b) v[n++] = (const double[]){b->accuracy, b->mcc, b->f1, b->f1_strict, lt_report_metric(t->run, t->last)}[k];
        }
        *out[k] = lt_report_stat_of(v, n);
        g->evaluated = n;
    }
    for (int i = 0; i < g->n_trials; i++) {
        const lt_report_trial *t = &r->trial[g->trial[i]];
        g->tokens_per_s += t->run->tokens_per_s / g->n_trials;
        if (!t->best) continue;
        if (!any || t->best->step < g->best_first) g->best_first = t->best->step;
        if (!any || t->best->step > g->best_last) g->best_last = t->best->step;
        any = true;
    }
}

lt_report_stat lt_report_best_stat(const lt_report *r, const lt_report_group *g) {
    const char *metric = r->trial[g->trial[0]].run->metric;
    return !strcmp(metric, "mcc") ? g->mcc : !strcmp(metric, "f1") ? g->f1 : g->accuracy;
}

/* ---- names ---- */

/* The value of a line "key: value" in settings; NULL if there is none of this key (of n bytes). */
const char *lt_report_value_of(const char *settings, const char *key, size_t n) {
    for (const char *line = settings; *line; line = strchr(line, '\n') + 1) /* every line ends in one */
        if (!strncmp(line, key, n) && line[n] == ':') return line + n + 1;
    return NULL;
}

size_t lt_report_key_bytes(const char *line) {
    const char *end = strchr(line, '\n'), *colon = memchr(line, ':', (size_t)(end - line));
    return (size_t)((colon ? colon : end) - line);
}

static const char *settings_of(const lt_report *r, const lt_report_group *g) { return r->trial[g->trial[0]].settings; }
static const char *method_of(const lt_report *r, const lt_report_group *g) { return r->trial[g->trial[0]].method; }

static const lt_report_run *run_of(const lt_report *r, const lt_report_group *g) { return r->trial[g->trial[0]].run; }

/* Whether two groups of a method have different values of the key of a line of the settings of `first`, the method's first group.
 * within: two groups of one run. */
static bool line_differs(const lt_report *r, const lt_report_group *first, const char *line, bool within) {
    size_t key = lt_report_key_bytes(line);
    const lt_report_group *before = NULL; /* of the same method and, within, of the same run: groups of a run come one after another */
    for (const lt_report_group *g = first; g < r->group + r->n_groups; g++) {
        if (strcmp(method_of(r, g), method_of(r, first)) != 0) continue;
        const char *value = lt_report_value_of(settings_of(r, g), line, key);
        const char *other =
            before && (!within || run_of(r, before) == run_of(r, g)) ? lt_report_value_of(settings_of(r, before), line, key) : NULL;
        size_t bytes = value ? strcspn(value, "\n") : 0;
        if (value && other && strncmp(value, other, bytes + 1) != 0) return true;
        before = g;
    }
    return false;
}

static bool is_lr(const char *line) { return !strncmp(line, "train.lr:", 9); }

/* "train.batch: 8" as " batch=8"; of a hash the first digits. */
void lt_report_print_setting(const char *line, FILE *f) {
    size_t key = lt_report_key_bytes(line), from = key;
    while (from > 0 && line[from - 1] != '.' && line[from - 1] != ' ') from--;
    int bytes = (int)strcspn(line + key + 2, "\n");
    if (!strncmp(line, "model:", 6) || !strncmp(line, "data:", 5)) bytes = bytes < 8 ? bytes : 8;
    fprintf(f, " %.*s=%.*s", (int)(key - from), line + from, bytes, line + key + 2);
}

/* Names a group by the lines of `differing` (of another group's settings): its own values there. */
static lt_status name(const lt_report *r, lt_report_group *g, const char *differing) {
    size_t bytes = 0;
    bool lr_differs = false;
    FILE *f = open_memstream(&g->differs, &bytes);
    LT_CHECK(f, LT_ERR_NOMEM, "no memory for the name of a group");
    for (const char *line = differing; *line; line = strchr(line, '\n') + 1) {
        const char *value = lt_report_value_of(settings_of(r, g), line, lt_report_key_bytes(line));
        if (is_lr(line))
            lr_differs = true;
        else if (value)
            lt_report_print_setting(value - 1 - lt_report_key_bytes(line), f);
    }
    LT_CHECK(fclose(f) == 0, LT_ERR_NOMEM, "no memory for the name of a group");
    if (g->differs[0]) memmove(g->differs, g->differs + 1, bytes); /* without the space in front */
    const char *mark = r->trial[g->trial[0]].mark;
    return lt_fs_path(&g->label, "%s%s%s%s%s%s%s%s", method_of(r, g), mark[0] ? " [" : "", mark, mark[0] ? "]" : "",
                      lr_differs ? " lr=" : "", lr_differs ? r->trial[g->trial[0]].lr : "", g->differs[0] ? " " : "", g->differs);
}

/* The lines of the first group's settings by which the groups of its method differ, released by free(); *n: how many but lr.  NULL
 * without memory. */
static char *differing_lines(const lt_report *r, const lt_report_group *first, bool within, int *n) {
    size_t bytes = 0;
    char *lines = NULL;
    FILE *f = open_memstream(&lines, &bytes);
    *n = 0;
    if (!f) return NULL;
    for (const char *line = settings_of(r, first), *next; *line; line = next) {
        next = strchr(line, '\n') + 1;
        if (!line_differs(r, first, line, within && !is_lr(line))) continue;
        fprintf(f, "%.*s", (int)(next - line), line);
        *n += !is_lr(line);
    }
    if (fclose(f) == 0) return lines;
    free(lines);
    return NULL;
}

/* Names all groups of the method that `first` is the first group of.  *by_run: runs differ in so much that their names must say it. */
static lt_status name_method(const lt_report *r, const lt_report_group *first, bool *by_run) {
    int n = 0;
    char *lines = differing_lines(r, first, false, &n);
    if (n > MOST_BETWEEN_RUNS && r->n_runs > 1) {
        free(lines);
        lines = differing_lines(r, first, true, &n);
        *by_run = true;
    }
    lt_status st = lines ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "no memory for the names of the groups");
    for (int i = 0; st == LT_OK && i < r->n_groups; i++)
        if (!strcmp(method_of(r, &r->group[i]), method_of(r, first))) st = name(r, &r->group[i], lines);
    free(lines);
    return st;
}

static bool of_one_run(const lt_report *r, const lt_report_group *g) {
    for (int i = 1; i < g->n_trials; i++)
        if (r->trial[g->trial[i]].run != r->trial[g->trial[0]].run) return false;
    return true;
}

/* Whether two groups have the same name: they are of different runs. */
static bool names_clash(const lt_report *r) {
    for (int i = 0; i < r->n_groups; i++)
        for (int k = 0; k < i; k++)
            if (!strcmp(r->group[i].label, r->group[k].label)) return true;
    return false;
}

/* Puts the names of the runs behind those of all groups that are of one run. */
static lt_status add_runs(const lt_report *r) {
    for (lt_report_group *g = r->group; g < r->group + r->n_groups; g++) {
        char *differs = g->differs, *label = g->label;
        if (!of_one_run(r, g)) continue;
        LT_TRY(lt_fs_path(&g->differs, "%s%s%s", differs, differs[0] ? " " : "", run_of(r, g)->dir));
        free(differs);
        LT_TRY(lt_fs_path(&g->label, "%s %s", label, run_of(r, g)->dir));
        free(label);
    }
    return LT_OK;
}

/* One hue a method; of one method alone one a group. */
void lt_report_colour(lt_report *r) {
    int hues = 0;
    bool one_method = true;
    for (int i = 1; i < r->n_groups; i++) one_method &= !strcmp(method_of(r, &r->group[i]), method_of(r, r->group));
    for (int i = 0; i < r->n_groups; i++) {
        lt_report_group *g = &r->group[i];
        g->hue = -1;
        for (int k = 0; k < i && !one_method; k++)
            if (!strcmp(method_of(r, g), method_of(r, &r->group[k]))) {
                g->hue = r->group[k].hue;
                g->variant = r->group[k].variant + 1; /* the last one counts */
            }
        if (g->hue < 0) g->hue = hues++;
    }
}

lt_status lt_report_find_groups(lt_report *r) {
    bool *compared = NULL, by_run = false;
    double *values = NULL;
    lt_status st = LT_OK;
    LT_TRY_GOTO(lt_calloc(&compared, r->n_trials + 1, sizeof *compared, "the groups of trials"), st, done);
    LT_TRY_GOTO(lt_calloc(&values, r->n_trials + 1, sizeof *values, "the groups of trials"), st, done);
    LT_TRY_GOTO(lt_calloc(&r->group, r->n_trials + 1, sizeof *r->group, "the groups of trials"), st, done);
    find_compared(r, compared);
    LT_TRY_GOTO(fill(r, compared), st, done);
    for (int i = 0; i < r->n_groups; i++) {
        measure(r, &r->group[i], values);
        if (!r->group[i].label) LT_TRY_GOTO(name_method(r, &r->group[i], &by_run), st, done);
    }
    if (by_run || (r->n_runs > 1 && names_clash(r))) LT_TRY_GOTO(add_runs(r), st, done);
    lt_report_colour(r);
done:
    free(values);
    free(compared);
    return st;
}
