#pragma once
/* The program `ltune-report`: tables, curves, CSV and HTML from run logs.  Serial.
 *
 * trials.c   every trial of the runs, its settings, its best and last evaluation
 * groups.c   trials that differ in their seed alone, with mean and deviation over these seeds
 * compare.c  groups of gpta beside the ones without a prefix
 * sizes.c    groups that differ in the number of training sentences: a table and a figure over it
 * figure.c   the numbers of the curves: mean line, band, smoothing, axes; drawn by terminal.c (characters) and gnuplot.c (PNG, PDF, SVG)
 * table.c, csv.c, html.c, dialogue.c   the other outputs; numbers.c: what they show of an evaluation
 *
 * An lt_report is made once by lt_report_open and only read by the outputs.  Texts in it without a remark are borrowed from the run logs. */

#include "store/runlog.h"

#include <stdio.h>

typedef struct lt_report_run {
    char *dir; /* as given, for the output */
    lt_runlog *log;
    const char *metric;  /* that the run chose its best by: "accuracy", "mcc" or "f1" */
    double tokens_per_s; /* all trials and ranks together, 0 unknown */
} lt_report_run;

typedef struct lt_report_trial {
    const lt_report_run *run;
    int id; /* in its log */
    const char *name, *method, *lr, *seed, *trainable;
    char *own_method;              /* own; NULL, or what method is: "gpta/STUDENT" or "gpta/STUDENT (CONTROL)" */
    const char *student, *control; /* of gpta, "none" for no control; else NULL */
    double per_label;              /* training sentences of the run for each label, 0 unknown */
    char *settings;                /* own; what decides its results but the seed: "key: value" a line */
    const char *mark; /* what every table says of it, "" nothing: that it is a control, that it computed as the authors' code does */
    int kind;         /* trials of equal settings have equal kinds */
    int64_t steps;
    const lt_eval_row *best, *last; /* NULL: no evaluation yet */
} lt_report_trial;

/* Over the seeds of a group. */
typedef struct lt_report_stat {
    double mean, sd; /* standard deviation of a sample; NaN of one value, both NaN of none */
} lt_report_stat;

typedef struct lt_report_group {
    int n_trials, *trial;          /* own, [n_trials] places in lt_report.trial, no seed twice */
    int evaluated;                 /* of them have an evaluation; the figures are over these */
    char *differs;                 /* own; the settings in which groups of this method differ, but lr: "length=4 batch=8", or "" */
    char *label;                   /* own; method, lr where it differs, differs */
    lt_report_stat accuracy, mcc;  /* of the best evaluation, with the next */
    lt_report_stat f1, f1_strict;  /* the second of entities: NaN of other runs */
    lt_report_stat last;           /* metric of the run at the last evaluation */
    int64_t best_first, best_last; /* steps between which the best evaluations lie */
    double tokens_per_s;           /* mean over the trials' runs, 0 unknown */
    int hue, variant;              /* one hue a method (of one method alone: a group); variants of a hue differ in dash and shade */
} lt_report_group;

typedef struct lt_report {
    int n_runs, n_trials, n_groups;
    lt_report_run *run;
    lt_report_trial *trial;
    lt_report_group *group;
} lt_report;

/* main.c: reads the runs (folders or files) and finds trials and groups.  lt_report_close accepts what a failed open left. */
lt_status lt_report_open(lt_report *r, const char *const *given, int n);
void lt_report_close(lt_report *r);

/* trials.c: r->trial from r->run, in order.  The best evaluation is the one of highest metric, then of lowest loss, as training chooses
 * its best checkpoint.  Errors: NOMEM. */
lt_status lt_report_find_trials(lt_report *r);
/* trials.c: a fact of a trial, or of a run with trial -1, or "-". */
const char *lt_report_fact(const lt_runlog *log, int trial, const char *key);
/* trials.c: what a run chose by. */
double lt_report_metric(const lt_report_run *run, const lt_eval_row *e);
/* groups.c: r->group from r->trial, in order of first appearance.  Trials of several runs share a group where settings, model and data
 * are the same and all seeds differ; where a seed comes twice the runs are being compared and each has groups of its own.  Errors: NOMEM. */
lt_status lt_report_find_groups(lt_report *r);

/* groups.c: the value of a line "key: value" in settings, with the space before it; NULL if there is none of this key (of n bytes).  Bytes of the key that a
 * line begins with.  " key=value" of a line, short.  Whether a line is the learning rate's. */
const char *lt_report_value_of(const char *settings, const char *key, size_t n);
size_t lt_report_key_bytes(const char *line);
void lt_report_print_setting(const char *line, FILE *f);
/* groups.c: mean and deviation of n values. */
lt_report_stat lt_report_stat_of(const double *v, int n);
/* groups.c: hues and variants of the groups. */
void lt_report_colour(lt_report *r);
/* groups.c: over the group's seeds what its run chooses by, at the best evaluation. */
lt_report_stat lt_report_best_stat(const lt_report *r, const lt_report_group *g);

/* ---- comparisons ---- */
/* compare.c: a group less its control without a prefix, by seeds. */
typedef struct lt_report_difference {
    lt_report_stat stat;
    int seeds;   /* that both have; 0: of none, then stat is a difference of means, its deviation the root of the sum of both squares */
    int control; /* number of that group */
} lt_report_difference;
/* compare.c: false if no group is the control without a prefix of this one. */
bool lt_report_versus(const lt_report *r, const lt_report_group *g, lt_report_difference *d);
/* compare.c: a line each group of gpta; nothing without one. */
void lt_report_table_gpta(const lt_report *r, FILE *out);

/* sizes.c: groups as rows and training sentences for each label as columns. */
typedef struct lt_report_sizes {
    int n;          /* columns; below 2 there is nothing to show, and no row */
    double *size;   /* own, [n], rising */
    lt_report rows; /* a view: its groups (own, with labels and hues) are the rows, its runs and trials those of the report */
    int *cell;      /* own, [rows.n_groups, n]: number of the report's group, -1 none */
    char *differs;  /* own; settings that differ inside of a row and are not of the data, "" none */
} lt_report_sizes;
/* sizes.c: Errors: NOMEM.  lt_report_sizes_free accepts what a failed call left. */
lt_status lt_report_sizes_make(const lt_report *r, lt_report_sizes *s);
void lt_report_sizes_free(lt_report_sizes *s);
void lt_report_table_sizes(const lt_report *r, const lt_report_sizes *s, FILE *out);

/* dialogue.c: the dialogue of the trials of that name, round by round.  whole: with prompts, and answers as they came.  Errors: ARG (there is none). */
lt_status lt_report_dialogue(const lt_report *r, const char *trial, bool whole, FILE *out);

/* ---- numbers of an evaluation ---- */
/* numbers.c: those that not every run has, in the order of tables. */
typedef struct lt_report_number {
    const char *name;
    size_t offset; /* of a double in lt_eval_row */
    bool brief;    /* in tables, not only in CSV */
} lt_report_number;
enum { LT_REPORT_NUMBERS = 9 };
extern const lt_report_number lt_report_numbers[LT_REPORT_NUMBERS];
/* numbers.c: the number, NaN where it does not apply. */
double lt_report_number_of(const lt_report_number *n, const lt_eval_row *e);
/* numbers.c: tables show the number: it is brief, and the best evaluation of some trial has it. */
bool lt_report_number_shown(const lt_report *r, const lt_report_number *n);
/* numbers.c: some run chose its best by F1. */
bool lt_report_judged_by_f1(const lt_report *r);
/* numbers.c: what the best evaluation of a trial counted, as text: entities by type, the confusion matrix.  False and nothing where its log has none. */
bool lt_report_details(const lt_report_trial *t, FILE *out);

/* ---- curves ---- */
typedef enum lt_report_axis { LT_REPORT_STEP, LT_REPORT_TOKENS, LT_REPORT_SECONDS, LT_REPORT_SENTENCES } lt_report_axis;

/* One group: the mean over the seeds that have a value, low and high one standard deviation below and above (of a sample; where only one
 * seed has a value all three are the same), raw the mean without smoothing.  Arrays [n], own; raw NULL where nothing is smoothed; values
 * may be NaN. */
typedef struct lt_report_curve {
    int n;
    double *x, *mean, *low, *high, *raw;
} lt_report_curve;

typedef struct lt_report_panel {
    char title[96];
    double low, high;       /* of the y axis */
    bool log, points;       /* logarithmic; single measurements worth a point each */
    lt_report_curve *curve; /* own, [n_groups] */
} lt_report_panel;

enum { LT_REPORT_PANELS = 2 }; /* training loss; metric of the evaluations */
typedef struct lt_report_figure {
    const char *x_title;
    double x_low, x_high;
    int n_panels, n_ticks;
    double *tick;       /* own, [n_ticks] places on the x axis and what stands there; NULL: as is usual */
    double *tick_value; /* own, [n_ticks] */
    lt_report_panel panel[LT_REPORT_PANELS];
} lt_report_figure;

/* figure.c: smooth: width in steps of the triangular window over the loss, 1 for none, 0 for 4% of the steps, at least 5.  Errors: NOMEM. */
lt_status lt_report_figure_make(const lt_report *r, lt_report_axis axis, int64_t smooth, lt_report_figure *f);
/* sizes.c: the same over training sentences for each label, to be drawn for s->rows: the metric at the best evaluations.  Errors: NOMEM. */
lt_status lt_report_sizes_figure(const lt_report *r, const lt_report_sizes *s, lt_report_figure *f);
/* figure.c: room for a curve of n points; the y axis of a panel, cut: without values far off; its title by the metric of the runs. */
lt_status lt_report_make_curve(lt_report_curve *c, int n, bool raw);
lt_status lt_report_fit_panel(const lt_report *r, lt_report_panel *p, bool cut);
void lt_report_title_metric(const lt_report *r, lt_report_panel *p);
void lt_report_figure_free(const lt_report *r, lt_report_figure *f);

/* figure.c: the colours, for eyes that see few: hue h is [h % LT_REPORT_HUES]. */
enum { LT_REPORT_HUES = 7 };
typedef struct lt_report_hue {
    unsigned rgb;
    int ansi; /* of 256 */
} lt_report_hue;
extern const lt_report_hue lt_report_hues[LT_REPORT_HUES];

/* ---- outputs ---- */
/* table.c: one line a group, with all one a trial before. */
void lt_report_table(const lt_report *r, bool all, FILE *out);
/* table.c: columns of the longest name of a method, at least 10. */
int lt_report_method_width(const lt_report *r);
/* table.c: "mean +- deviation" in 16 columns. */
void lt_report_print_stat(lt_report_stat s, FILE *out);
/* table.c: lt_report_details of all trials. */
void lt_report_table_details(const lt_report *r, FILE *out);
/* csv.c: one line a recorded row.  Errors: IO. */
lt_status lt_report_csv(const lt_report *r, const char *path);
/* terminal.c: how the curves are drawn in characters. */
typedef struct lt_report_screen {
    int width;         /* columns */
    bool utf8, colour; /* braille and lines, else letters; ANSI colours */
} lt_report_screen;
/* terminal.c: what standard output is: its width (80 where it has none), UTF-8 by the locale, colours on a terminal without NO_COLOR. */
lt_report_screen lt_report_screen_of_stdout(void);
/* terminal.c: both panels and a legend.  Errors: NOMEM. */
lt_status lt_report_draw(const lt_report *r, const lt_report_figure *f, lt_report_screen s, FILE *out);
/* gnuplot.c: the figure through gnuplot.  Errors: IO (gnuplot missing or failing). */
typedef enum lt_report_picture { LT_REPORT_PNG, LT_REPORT_PDF, LT_REPORT_SVG } lt_report_picture;
lt_status lt_report_plot(const lt_report *r, const lt_report_figure *f, lt_report_picture kind, const char *path);
/* html.c: one page that needs nothing beside it: tables, curves (in characters where gnuplot is missing), time and configuration of each
 * run.  by_size: the figure of s, which may have nothing to show.  Errors: IO, NOMEM. */
lt_status lt_report_html(const lt_report *r, const lt_report_figure *f, const lt_report_sizes *s, const lt_report_figure *by_size,
                         const char *path);
