#pragma once
/* The program `ltune-report`: tables, CSV and curves from run logs.  Serial. */

#include "store/runlog.h"

#include <stdio.h>

typedef struct lt_report_run {
    char *dir; /* as given, for the output */
    lt_runlog *log;
} lt_report_run;

/* The best evaluation of a trial: highest accuracy, then lowest loss; NULL if it has none. */
const lt_eval_row *lt_report_best(const lt_runlog *log, int trial);
/* A fact of a trial or "-". */
const char *lt_report_fact(const lt_runlog *log, int trial, const char *key);

/* table.c: one line a trial, then mean and standard deviation over seeds of every (method, learning rate). */
void lt_report_table(const lt_report_run *run, int n, FILE *out);
/* csv.c: one line a recorded row.  Errors: IO. */
lt_status lt_report_csv(const lt_report_run *run, int n, const char *path);
/* plot.c: training loss and accuracy curves as PNG through gnuplot.  Errors: IO (gnuplot missing or failing). */
lt_status lt_report_plot(const lt_report_run *run, int n, const char *path);
