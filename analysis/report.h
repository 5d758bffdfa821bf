#pragma once
/* The program `ltune-report`: tables, CSV, HTML and curves from run logs.  Serial. */

#include "store/runlog.h"

#include <stdio.h>

typedef struct lt_report_run {
    char *dir; /* as given, for the output */
    lt_runlog *log;
} lt_report_run;

/* One trial in a table; texts are borrowed from its run log. */
typedef struct lt_report_row {
    const char *run, *trial, *method, *lr, *seed, *trainable, *data; /* data: fingerprint */
    int64_t steps;
    const lt_eval_row *best; /* NULL: no evaluation yet */
} lt_report_row;

/* The trials that differ in their seed alone, as far as a log tells: same method, learning rate, size, number of steps and data. */
typedef struct lt_report_group {
    const char *method, *lr;
    int trials;                           /* that have an evaluation */
    double accuracy, deviation, mcc_mean; /* mean and standard deviation (of a sample) of the best accuracy; mean of the MCC */
} lt_report_group;

/* rows.c: every trial of every run, in order; the best evaluation is the one of highest metric (fact `metric` of the run: accuracy, MCC for CoLA),
 * then of lowest loss.  *rows is released by free().  Errors: NOMEM. */
lt_status lt_report_rows(const lt_report_run *run, int n, lt_report_row **rows, int *n_rows);
/* rows.c: groups of two seeds or more, in order of first appearance; of a seed that comes twice the first counts.  *groups is released by free().
 * Errors: NOMEM. */
lt_status lt_report_groups(const lt_report_row *row, int n, lt_report_group **groups, int *n_groups);
/* rows.c: a fact of a trial or "-". */
const char *lt_report_fact(const lt_runlog *log, int trial, const char *key);

/* table.c: one line a trial, then one line a group.  Errors: NOMEM. */
lt_status lt_report_table(const lt_report_run *run, int n, FILE *out);
/* csv.c: one line a recorded row.  Errors: IO. */
lt_status lt_report_csv(const lt_report_run *run, int n, const char *path);
/* plot.c: training loss and accuracy curves through gnuplot, as PNG or SVG.  Errors: IO (gnuplot missing or failing), NOMEM. */
typedef enum lt_report_picture { LT_REPORT_PNG, LT_REPORT_SVG } lt_report_picture;
lt_status lt_report_plot(const lt_report_run *run, int n, lt_report_picture kind, const char *path);
/* html.c: one page that needs nothing beside it: tables, curves (left out with a word where gnuplot is missing), time and configuration of each
 * run.  Errors: IO, NOMEM. */
lt_status lt_report_html(const lt_report_run *run, int n, const char *path);
