/* Groups: trials that differ in nothing but their seed, and what is said of them together. */
#include "report.h"

#include "base/mem.h"
#include "store/fs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Mean and deviation of n values in two passes: a sum of squares alone would lose digits where the deviation is small. */
static lt_report_stat stat_of(const double *v, int n) {
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
    lt_report_stat *const out[] = {&g->accuracy, &g->mcc, &g->last};
    for (size_t k = 0; k < sizeof out / sizeof *out; k++) {
        int n = 0;
        for (int i = 0; i < g->n_trials; i++) {
            const lt_report_trial *t = &r->trial[g->trial[i]];
            if (t->best) v[n++] = k == 0 ? t->best->accuracy : k == 1 ? t->best->mcc : lt_report_metric(t->run, t->last);
        }
        *out[k] = stat_of(v, n);
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

/* ---- names ---- */

/* The value of a line "key: value" in settings; NULL if there is none of this key (of n bytes). */
static const char *value_of(const char *settings, const char *key, size_t n) {
    for (const char *line = settings; *line; line = strchr(line, '\n') + 1) /* every line ends in one */
        if (!strncmp(line, key, n) && line[n] == ':') return line + n + 1;
    return NULL;
}

static size_t key_bytes(const char *line) {
    const char *end = strchr(line, '\n'), *colon = memchr(line, ':', (size_t)(end - line));
    return (size_t)((colon ? colon : end) - line);
}

static const char *settings_of(const lt_report *r, const lt_report_group *g) { return r->trial[g->trial[0]].settings; }
static const char *method_of(const lt_report *r, const lt_report_group *g) { return r->trial[g->trial[0]].method; }

/* Whether some group of this method has another value at this line of `first`, the settings of the first group of the method. */
static bool line_differs(const lt_report *r, const char *method, const char *first, const char *line) {
    size_t key = key_bytes(line), bytes = strcspn(line + key, "\n");
    for (int i = 0; i < r->n_groups; i++) {
        if (strcmp(method_of(r, &r->group[i]), method) != 0 || settings_of(r, &r->group[i]) == first) continue;
        const char *value = value_of(settings_of(r, &r->group[i]), line, key);
        if (value && strncmp(value - 1, line + key, bytes + 1) != 0) return true;
    }
    return false;
}

/* "train.batch: 8" as " batch=8"; of a hash the first digits. */
static void print_setting(const char *line, FILE *f) {
    size_t key = key_bytes(line), from = key;
    while (from > 0 && line[from - 1] != '.' && line[from - 1] != ' ') from--;
    int bytes = (int)strcspn(line + key + 2, "\n");
    if (!strncmp(line, "model:", 6) || !strncmp(line, "data:", 5)) bytes = bytes < 8 ? bytes : 8;
    fprintf(f, " %.*s=%.*s", (int)(key - from), line + from, bytes, line + key + 2);
}

/* Names a group by the lines of `differing` (of another group's settings): its own values there. */
static lt_status name(const lt_report *r, lt_report_group *g, const char *differing) {
    static const char lr[] = "train.lr:";
    size_t bytes = 0;
    bool lr_differs = false;
    FILE *f = open_memstream(&g->differs, &bytes);
    LT_CHECK(f, LT_ERR_NOMEM, "no memory for the name of a group");
    for (const char *line = differing; *line; line = strchr(line, '\n') + 1) {
        const char *value = value_of(settings_of(r, g), line, key_bytes(line));
        if (!strncmp(line, lr, sizeof lr - 1))
            lr_differs = true;
        else if (value)
            print_setting(value - 1 - key_bytes(line), f);
    }
    LT_CHECK(fclose(f) == 0, LT_ERR_NOMEM, "no memory for the name of a group");
    if (g->differs[0]) memmove(g->differs, g->differs + 1, bytes); /* without the space in front */
    return lt_fs_path(&g->label, "%s%s%s%s%s", method_of(r, g), lr_differs ? " lr=" : "", lr_differs ? r->trial[g->trial[0]].lr : "",
                      g->differs[0] ? " " : "", g->differs);
}

/* Names all groups of the method that `first` is the first group of. */
static lt_status name_method(const lt_report *r, const lt_report_group *first) {
    size_t bytes = 0;
    char *differing = NULL;
    FILE *f = open_memstream(&differing, &bytes);
    LT_CHECK(f, LT_ERR_NOMEM, "no memory for the names of the groups");
    const char *settings = settings_of(r, first), *method = method_of(r, first);
    for (const char *line = settings, *next; *line; line = next) {
        next = strchr(line, '\n') + 1;
        if (line_differs(r, method, settings, line)) fprintf(f, "%.*s", (int)(next - line), line);
    }
    lt_status st = fclose(f) == 0 ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "no memory for the names of the groups");
    for (int i = 0; st == LT_OK && i < r->n_groups; i++)
        if (!strcmp(method_of(r, &r->group[i]), method)) st = name(r, &r->group[i], differing);
    free(differing);
    return st;
}

static bool of_one_run(const lt_report *r, const lt_report_group *g) {
    for (int i = 1; i < g->n_trials; i++)
        if (r->trial[g->trial[i]].run != r->trial[g->trial[0]].run) return false;
    return true;
}

/* Groups whose names are equal are of different runs: the names of the runs tell them apart. */
static lt_status name_runs(const lt_report *r) {
    bool *add = NULL;
    lt_status st = lt_calloc(&add, r->n_groups + 1, sizeof *add, "the names of the groups");
    for (int i = 0; st == LT_OK && i < r->n_groups; i++)
        for (int k = 0; k < r->n_groups; k++) add[i] |= k != i && !strcmp(r->group[i].label, r->group[k].label);
    for (int i = 0; st == LT_OK && i < r->n_groups; i++) {
        lt_report_group *g = &r->group[i];
        if (!add[i] || !of_one_run(r, g)) continue;
        char *text[] = {g->differs, g->label};
        const char *dir = r->trial[g->trial[0]].run->dir;
        st = lt_fs_path(&g->differs, "%s%s%s", text[0], text[0][0] ? " " : "", dir);
        if (st == LT_OK) st = lt_fs_path(&g->label, "%s %s", text[1], dir);
        if (st != LT_OK) break;
        free(text[0]);
        free(text[1]);
    }
    free(add);
    return st;
}

/* One hue a method; of one method alone one a group. */
static void colour(lt_report *r) {
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
    bool *compared = NULL;
    double *values = NULL;
    lt_status st = LT_OK;
    LT_TRY_GOTO(lt_calloc(&compared, r->n_trials + 1, sizeof *compared, "the groups of trials"), st, done);
    LT_TRY_GOTO(lt_calloc(&values, r->n_trials + 1, sizeof *values, "the groups of trials"), st, done);
    LT_TRY_GOTO(lt_calloc(&r->group, r->n_trials + 1, sizeof *r->group, "the groups of trials"), st, done);
    find_compared(r, compared);
    LT_TRY_GOTO(fill(r, compared), st, done);
    for (int i = 0; i < r->n_groups; i++) {
        measure(r, &r->group[i], values);
        if (!r->group[i].label) LT_TRY_GOTO(name_method(r, &r->group[i]), st, done);
    }
    LT_TRY_GOTO(name_runs(r), st, done);
    colour(r);
done:
    free(values);
    free(compared);
    return st;
}
