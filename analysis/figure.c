/* The numbers of the curves.
 *
 * Training loss of a group: its steps are cut into at most BINS bins (one step each in shorter runs); a trial has in each bin the mean of
 * its finite losses; these are smoothed by a triangular window, trial by trial; then come mean and deviation over the trials.  The window
 * is narrower at the first steps, so that the first value is the first loss and not a mean of what the loss fell to, and is cut off at
 * the last step.  A single spike would stand in the smoothed line as a block as wide as the window, so it is taken out before (a Hampel
 * filter; the raw line keeps it).  Bins without a finite loss (NaN, or a trial that has stopped) take no part: from there on the mean is
 * that of the other seeds.
 *
 * Metric: one point an evaluation, mean and deviation over the trials that have it, nothing smoothed. */
#include "report.h"

#include "base/mem.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 1000, SMOOTH_SHARE = 25, SMOOTH_LEAST = 5 }; /* window by default: steps / SMOOTH_SHARE, at least SMOOTH_LEAST */
enum { NEAR = 7 };                                         /* bins to either side with which a spike is compared */
static const double SPIKE_MADS = 10;                       /* it is farther from their median than this many median deviations ... */
static const double SPIKE_SHARE = 0.5; /* ... and than this share of the median: where all are nearly equal, a little is no spike */
static const double CUT = 0.05;        /* share of the values at either end that may lie outside the loss axis */
static const double FAR = 3;           /* ... if they are farther from the rest than this many times what it spans */
static const double LOG_SPAN = 100;    /* the loss axis is logarithmic where the values between the cuts span this factor */

/* Okabe and Ito, Color Universal Design (2008), without the yellow, which is pale on white; grey for black, which is invisible on dark
 * terminals. */
const lt_report_hue lt_report_hues[LT_REPORT_HUES] = {{0x0072B2, 32},  {0xD55E00, 202}, {0x009E73, 36}, {0xCC79A7, 175},
                                                      {0xE69F00, 214}, {0x56B4E9, 117}, {0x555555, 246}};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- x axis ---- */

/* Adds to x[i] what the run had used up to step[i] (rising): steps, or tokens or seconds by /perf, evenly between its rows. */
static void add_x(const lt_runlog *log, lt_report_axis axis, const double *step, int n, double *x) {
    int64_t rows, k = 0;
    const lt_perf_row *p = lt_runlog_perf(log, &rows);
    double from = 0, sum = 0; /* where row k begins */
    for (int i = 0; i < n; i++) {
        if (axis == LT_REPORT_STEP) {
            x[i] += step[i];
            continue;
        }
        for (; k < rows && (double)p[k].step < step[i]; k++) {
            sum += axis == LT_REPORT_TOKENS ? (double)p[k].tokens : p[k].seconds;
            from = (double)p[k].step;
        }
        double inside = k < rows && (double)p[k].step > from ? (step[i] - from) / ((double)p[k].step - from) : 0;
        x[i] += sum + (inside > 0 ? inside * (axis == LT_REPORT_TOKENS ? (double)p[k].tokens : p[k].seconds) : 0);
    }
}

/* Turns the curve's x from steps into the axis asked for: the mean over the group's trials. */
static lt_status put_axis(const lt_report *r, const lt_report_group *g, lt_report_axis axis, lt_report_curve *c) {
    double *step = NULL;
    if (axis == LT_REPORT_STEP) return LT_OK;
    LT_TRY(lt_calloc(&step, c->n + 1, sizeof *step, "the steps of a curve"));
    memcpy(step, c->x, (size_t)c->n * sizeof *step);
    memset(c->x, 0, (size_t)c->n * sizeof *step);
    for (int t = 0; t < g->n_trials; t++) add_x(r->trial[g->trial[t]].run->log, axis, step, c->n, c->x);
    for (int i = 0; i < c->n; i++) c->x[i] /= g->n_trials;
    free(step);
    return LT_OK;
}

/* ---- curves ---- */

static void free_curve(lt_report_curve *c) {
    double *const own[] = {c->x, c->mean, c->low, c->high, c->raw};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) free(own[i]);
    *c = (lt_report_curve){0};
}

lt_status lt_report_make_curve(lt_report_curve *c, int n, bool raw) {
    double **const own[] = {&c->x, &c->mean, &c->low, &c->high, &c->raw};
    for (size_t i = 0; i < sizeof own / sizeof *own - !raw; i++) LT_TRY(lt_calloc(own[i], n + 1, sizeof **own[i], "a curve"));
    c->n = n;
    return LT_OK;
}

/* Point i from the values of the trials, NaN for those without one. */
static void put_point(lt_report_curve *c, int i, const double *v, int n) {
    double sum = 0, squares = 0;
    int m = 0;
    for (int t = 0; t < n; t++)
        if (isfinite(v[t])) {
            sum += v[t];
            m++;
        }
    double mean = m ? sum / m : NAN;
    for (int t = 0; t < n; t++)
        if (isfinite(v[t])) squares += (v[t] - mean) * (v[t] - mean);
    double sd = m > 1 ? sqrt(squares / (m - 1)) : 0;
    c->mean[i] = mean;
    c->low[i] = mean - sd;
    c->high[i] = mean + sd;
}

/* in[i], or the median around i where in[i] is a spike. */
static double without_spike(const double *in, int n, int i) {
    double v[2 * NEAR + 1], off[2 * NEAR + 1];
    int m = 0;
    for (int k = i < NEAR ? 0 : i - NEAR; k < n && k <= i + NEAR; k++)
        if (isfinite(in[k])) v[m++] = in[k];
    if (m < 3 || !isfinite(in[i])) return in[i];
    qsort(v, (size_t)m, sizeof *v, by_value);
    double median = v[m / 2];
    for (int k = 0; k < m; k++) off[k] = fabs(v[k] - median);
    qsort(off, (size_t)m, sizeof *off, by_value);
    return fabs(in[i] - median) > fmax(SPIKE_MADS * off[m / 2], SPIKE_SHARE * fabs(median)) ? median : in[i];
}

/* out[i]: mean of in around i with weights that fall to zero half + 1 bins away. */
static void smooth_bins(const double *in, int n, int half, double *out) {
    int first = 0, last = n - 1;
    while (first < n && !isfinite(in[first])) first++;
    while (last >= first && !isfinite(in[last])) last--;
    for (int i = 0; i < n; i++) {
        double sum = 0, weights = 0;
        int h = i - first < half ? i - first : half;
        for (int k = i - h; i >= first && i <= last && k <= i + h && k <= last; k++) {
            double w = 1 - fabs((double)(k - i)) / (h + 1);
            if (!isfinite(in[k])) continue;
            sum += w * in[k];
            weights += w;
        }
        out[i] = weights > 0 ? sum / weights : NAN;
    }
}

/* Means of a trial's finite losses in bins of `width` steps from step `from` on. */
static void fill_bins(const lt_report_trial *t, int64_t from, double width, int n, double *bin, int *count) {
    int64_t rows;
    const lt_train_row *row = lt_runlog_train(t->run->log, t->id, &rows);
    memset(bin, 0, (size_t)n * sizeof *bin);
    memset(count, 0, (size_t)n * sizeof *count);
    for (int64_t i = 0; i < rows; i++) {
        int b = (int)((double)(row[i].step - from) / width);
        if (!isfinite(row[i].loss) || b < 0 || b >= n) continue;
        bin[b] += row[i].loss;
        count[b]++;
    }
    for (int b = 0; b < n; b++) bin[b] = count[b] ? bin[b] / count[b] : NAN;
}

/* First and last step that the group's trials have a training row of; last < first if there is none. */
static void step_range(const lt_report *r, const lt_report_group *g, int64_t *first, int64_t *last) {
    *first = INT64_MAX;
    *last = -1;
    for (int t = 0; t < g->n_trials; t++) {
        int64_t rows;
        const lt_report_trial *trial = &r->trial[g->trial[t]];
        const lt_train_row *row = lt_runlog_train(trial->run->log, trial->id, &rows);
        if (rows == 0) continue;
        if (row[0].step < *first) *first = row[0].step;
        if (row[rows - 1].step > *last) *last = row[rows - 1].step;
    }
}

static lt_status loss_curve(const lt_report *r, const lt_report_group *g, int64_t smooth, lt_report_curve *c) {
    int64_t first, last;
    double *bin = NULL, *tidy = NULL, *soft = NULL, *v = NULL;
    int *count = NULL;
    lt_status st = LT_OK;
    step_range(r, g, &first, &last);
    if (last < first) return LT_OK;
    int n = last - first + 1 < BINS ? (int)(last - first + 1) : BINS;
    double width = (double)(last - first + 1) / n,
           window = smooth > 0 ? (double)smooth : fmax((double)(last - first + 1) / SMOOTH_SHARE, SMOOTH_LEAST);
    int half = window / width / 2 < BINS ? (int)(window / width / 2) : BINS;
    LT_TRY_GOTO(lt_calloc(&bin, (int64_t)n * g->n_trials, sizeof *bin, "the bins of the losses"), st, done);
    LT_TRY_GOTO(lt_calloc(&soft, (int64_t)n * g->n_trials, sizeof *soft, "the bins of the losses"), st, done);
    LT_TRY_GOTO(lt_calloc(&tidy, n, sizeof *tidy, "the bins of the losses"), st, done);
    LT_TRY_GOTO(lt_calloc(&count, n, sizeof *count, "the bins of the losses"), st, done);
    LT_TRY_GOTO(lt_calloc(&v, g->n_trials, sizeof *v, "the losses of a bin"), st, done);
    LT_TRY_GOTO(lt_report_make_curve(c, n, half > 0), st, done);
    for (int t = 0; t < g->n_trials; t++) {
        fill_bins(&r->trial[g->trial[t]], first, width, n, bin + (size_t)t * (size_t)n, count);
        const double *raw = bin + (size_t)t * (size_t)n;
        for (int i = 0; i < n; i++) tidy[i] = half > 0 ? without_spike(raw, n, i) : raw[i];
        smooth_bins(tidy, n, half, soft + (size_t)t * (size_t)n);
    }
    for (int i = 0; i < n; i++) {
        c->x[i] = (double)first + width * (i + 0.5) - 0.5; /* middle of the bin's steps */
        for (int t = 0; half > 0 && t < g->n_trials; t++) v[t] = bin[(size_t)t * (size_t)n + (size_t)i];
        if (half > 0) put_point(c, i, v, g->n_trials);
        if (half > 0) c->raw[i] = c->mean[i];
        for (int t = 0; t < g->n_trials; t++) v[t] = soft[(size_t)t * (size_t)n + (size_t)i];
        put_point(c, i, v, g->n_trials);
    }
done:
    free(bin);
    free(tidy);
    free(soft);
    free(count);
    free(v);
    return st;
}

typedef struct measurement {
    int64_t step;
    double value;
} measurement;

static int by_step(const void *a, const void *b) {
    const measurement *x = a, *y = b;
    return (x->step > y->step) - (x->step < y->step);
}

static lt_status metric_curve(const lt_report *r, const lt_report_group *g, lt_report_curve *c) {
    int64_t total = 0, rows;
    measurement *m = NULL;
    double *v = NULL;
    lt_status st = LT_OK;
    for (int t = 0; t < g->n_trials; t++) {
        (void)lt_runlog_eval(r->trial[g->trial[t]].run->log, r->trial[g->trial[t]].id, &rows);
        total += rows;
    }
    LT_TRY_GOTO(lt_calloc(&m, total + 1, sizeof *m, "the evaluations of a group"), st, done);
    LT_TRY_GOTO(lt_calloc(&v, total + 1, sizeof *v, "the evaluations of a group"), st, done);
    LT_TRY_GOTO(lt_report_make_curve(c, (int)total, false), st, done);
    total = 0;
    for (int t = 0; t < g->n_trials; t++) {
        const lt_report_trial *trial = &r->trial[g->trial[t]];
        const lt_eval_row *e = lt_runlog_eval(trial->run->log, trial->id, &rows);
        for (int64_t i = 0; i < rows; i++) m[total++] = (measurement){.step = e[i].step, .value = lt_report_metric(trial->run, &e[i])};
    }
    qsort(m, (size_t)total, sizeof *m, by_step);
    c->n = 0;
    for (int64_t i = 0; i < total;) {
        int n = 0;
        c->x[c->n] = (double)m[i].step;
        for (int64_t step = m[i].step; i < total && m[i].step == step; i++) v[n++] = m[i].value;
        put_point(c, c->n++, v, n);
    }
done:
    free(m);
    free(v);
    return st;
}

/* ---- axes ---- */

/* The y axis over n values, which are sorted here.  cut: a few values far from the others, such as a spike, are left outside. */
static void fit(lt_report_panel *p, double *v, int n, bool cut) {
    qsort(v, (size_t)n, sizeof *v, by_value);
    if (n == 0) {
        p->low = 0;
        p->high = 1;
        return;
    }
    int skip = cut ? (int)(CUT * n) : 0;
    double a = v[skip], b = v[n - 1 - skip], low = v[0], high = v[n - 1];
    p->log = cut && low > 0 && b / a > LOG_SPAN;
    if (p->log) {
        a = log(a);
        b = log(b);
        low = log(low);
        high = log(high);
    }
    if (cut && b > a) {
        if (high > b + FAR * (b - a)) high = b + (b - a) / 4;
        if (low < a - FAR * (b - a)) low = a - (b - a) / 4;
    }
    double room = high > low ? (high - low) * 0.04 : fmax(fabs(high) * 0.1, DBL_MIN * 1e6);
    p->low = p->log ? exp(low - room) : low - room;
    p->high = p->log ? exp(high + room) : high + room;
    if (cut && !p->log && v[0] >= 0 && p->low < 0) p->low = 0; /* a loss */
}

lt_status lt_report_fit_panel(const lt_report *r, lt_report_panel *p, bool cut) {
    double *v = NULL, top = -INFINITY;
    int64_t total = 1;
    int n = 0;
    for (int i = 0; i < r->n_groups; i++) total += 3 * (int64_t)p->curve[i].n;
    LT_TRY(lt_calloc(&v, total, sizeof *v, "the values of the curves"));
    for (int i = 0; i < r->n_groups; i++) {
        const lt_report_curve *c = &p->curve[i];
        for (int k = 0; k < c->n; k++) {
            if (isfinite(c->mean[k])) v[n++] = c->mean[k];
            if (isfinite(c->low[k]) && !cut) v[n++] = c->low[k];
            if (isfinite(c->high[k]) && !cut) v[n++] = c->high[k];
            double highest = c->raw ? c->raw[k] : c->mean[k];
            if (highest > top) top = highest;
        }
    }
    fit(p, v, n, cut);
    if (cut && top > p->high + (p->high - p->low))
        (void)snprintf(p->title + strlen(p->title), sizeof p->title - strlen(p->title), " (up to %.3g)", top);
    free(v);
    return LT_OK;
}

/* "dev accuracy", "dev MCC", "dev F1"; without the split or with all names where trials differ. */
void lt_report_title_metric(const lt_report *r, lt_report_panel *p) {
    const char *split = NULL;
    static const char *const name[] = {"accuracy", "mcc", "f1"}, *const title[] = {"accuracy", "MCC", "F1"};
    bool found[3] = {false}, splits = false;
    char names[64] = "";
    for (int i = 0; i < r->n_trials; i++) {
        const lt_report_trial *t = &r->trial[i];
        if (!t->last) continue;
        splits |= split && strcmp(split, t->last->split) != 0;
        split = t->last->split;
        for (int k = 0; k < 3; k++) found[k] |= !strcmp(t->run->metric, name[k]);
    }
    for (int k = 0; k < 3; k++)
        if (found[k]) (void)snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", names[0] ? ", " : "", title[k]);
    (void)snprintf(p->title, sizeof p->title, "%s%s%s", split && !splits ? split : "", split && !splits ? " " : "",
                   names[0] ? names : title[0]);
}

static void fit_x(const lt_report *r, lt_report_figure *f) {
    double low = INFINITY, high = -INFINITY;
    for (int p = 0; p < LT_REPORT_PANELS; p++)
        for (int i = 0; i < r->n_groups; i++) {
            const lt_report_curve *c = &f->panel[p].curve[i];
            if (c->n > 0 && c->x[0] < low) low = c->x[0];
            if (c->n > 0 && c->x[c->n - 1] > high) high = c->x[c->n - 1];
        }
    f->x_low = low < high && low > high / 10 ? low : 0; /* a log that begins late shows its own steps */
    f->x_high = high > f->x_low ? high : f->x_low + 1;
}

lt_status lt_report_figure_make(const lt_report *r, lt_report_axis axis, int64_t smooth, lt_report_figure *f) {
    static const char *const titles[] = {"optimizer step", "tokens of the run", "seconds of training"};
    lt_status st = LT_OK;
    *f = (lt_report_figure){.x_title = titles[axis], .n_panels = LT_REPORT_PANELS};
    for (int p = 0; p < LT_REPORT_PANELS; p++)
        LT_TRY_GOTO(lt_calloc(&f->panel[p].curve, r->n_groups + 1, sizeof *f->panel[p].curve, "the curves"), st, fail);
    for (int i = 0; i < r->n_groups; i++) {
        const lt_report_group *g = &r->group[i];
        LT_TRY_GOTO(loss_curve(r, g, smooth, &f->panel[0].curve[i]), st, fail);
        LT_TRY_GOTO(metric_curve(r, g, &f->panel[1].curve[i]), st, fail);
        for (int p = 0; p < LT_REPORT_PANELS; p++) LT_TRY_GOTO(put_axis(r, g, axis, &f->panel[p].curve[i]), st, fail);
    }
    (void)snprintf(f->panel[0].title, sizeof f->panel[0].title, "training loss");
    lt_report_title_metric(r, &f->panel[1]);
    f->panel[1].points = true;
    for (int p = 0; p < LT_REPORT_PANELS; p++) LT_TRY_GOTO(lt_report_fit_panel(r, &f->panel[p], p == 0), st, fail);
    fit_x(r, f);
    return LT_OK;
fail:
    lt_report_figure_free(r, f);
    return st;
}

void lt_report_figure_free(const lt_report *r, lt_report_figure *f) {
    for (int p = 0; p < LT_REPORT_PANELS; p++) {
        for (int i = 0; f->panel[p].curve && i < r->n_groups; i++) free_curve(&f->panel[p].curve[i]);
        free(f->panel[p].curve);
        f->panel[p].curve = NULL;
    }
    free(f->tick);
    free(f->tick_value);
    f->tick = f->tick_value = NULL;
}
