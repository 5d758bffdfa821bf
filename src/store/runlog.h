#pragma once
/* The run log: run.dir/run.h5, everything a run reports, in HDF5 (kind ltune-run; docs/FORMATS.md).
 *
 * Rows are added in memory.  Now and then the whole file is written under a temporary name and renamed, so at any instant run.h5 is a complete, plain
 * HDF5 file, also while the job runs and after kill -9; rows since then go to a journal beside it, run.h5.journal, until the next time.
 * lt_runlog_open reads both.  Rank 0 only; the other ranks do not call in here.
 *
 * Resume: lt_runlog_open loads what is there, lt_runlog_truncate_after drops rows of steps after the checkpoint, and the run goes on. */

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LT_SPLIT_BYTES = 48 };

/* One optimizer step of one trial. */
typedef struct lt_train_row {
    int64_t step;
    double loss, lr, grad_norm; /* mean loss of the step's sequences; norm before clipping */
} lt_train_row;

/* One evaluation of one trial. */
typedef struct lt_eval_row {
    int64_t step;
    char split[LT_SPLIT_BYTES];
    double loss, accuracy, mcc, f1;
    int64_t sequences;
    double seconds;
} lt_eval_row;

/* What the time of the steps since the last row went to; sums over these steps, this rank's times, all ranks' tokens and sentences. */
typedef struct lt_perf_row {
    int64_t step;
    double seconds; /* wall time of these training steps */
    int64_t tokens, sentences;
    double t_compute, t_comm, t_data, t_io; /* seconds of `seconds`, but t_io, which comes after the steps */
    double t_linear, t_attention;           /* seconds of t_compute */
} lt_perf_row;

typedef struct lt_runlog lt_runlog;

/* Local.  Loads path if it exists, else starts empty (nothing is written before the first flush).  min_interval_s: unforced flushes come
 * at least this far apart, and whole writes stay within 1% of the time since opening.  Errors: IO, FORMAT, NOMEM. */
lt_status lt_runlog_open(const char *path, double min_interval_s, lt_runlog **log);
/* Local.  Frees it without flushing and sets *log to NULL; accepts NULL inside. */
void lt_runlog_close(lt_runlog **log);

/* Local.  Drops every row of a step after this one. */
void lt_runlog_truncate_after(lt_runlog *log, int64_t step);
/* Local.  Adds a row; the trial appears with its first.  Errors: ARG (a trial's name with '/'), NOMEM. */
lt_status lt_runlog_add_train(lt_runlog *log, const char *trial, const lt_train_row *row);
lt_status lt_runlog_add_eval(lt_runlog *log, const char *trial, const lt_eval_row *row);
lt_status lt_runlog_add_perf(lt_runlog *log, const lt_perf_row *row);

/* Local.  Begins the entry of this start of the job: /run/start_0001, 0002 ...; the puts below go into the newest entry, and /run itself
 * shows a copy of it.  Errors: NOMEM. */
lt_status lt_runlog_start(lt_runlog *log);
lt_status lt_runlog_put_str(lt_runlog *log, const char *key, const char *value);
lt_status lt_runlog_put_i64(lt_runlog *log, const char *key, int64_t value);
/* Local.  Puts every environment variable whose name begins with prefix, except those whose names speak of secrets (TOKEN, JWT, KEY, SECRET,
 * PASS). */
lt_status lt_runlog_put_env(lt_runlog *log, const char *prefix);
/* Local.  A fact of a trial ("method", "trainable" ...), shown as attribute of /trials/<trial>. */
lt_status lt_runlog_put_trial_str(lt_runlog *log, const char *trial, const char *key, const char *value);
lt_status lt_runlog_put_trial_i64(lt_runlog *log, const char *trial, const char *key, int64_t value);

/* Local.  Saves rows that were added: in run.h5 where that is cheap against the time that passed (or facts changed), else in the journal.  force: now,
 * and on the disk when it returns (at checkpoints); else when it is time and rows were added.  On failure what is there stays and the rows are
 * kept for the next try.  Errors: IO, HDF5, NOMEM. */
lt_status lt_runlog_flush(lt_runlog *log, bool force);
/* Local.  Everything into run.h5, and the journal goes: at the end of a run.  Errors: as lt_runlog_flush. */
lt_status lt_runlog_finish(lt_runlog *log);

/* Local.  For readers: rows of a trial (NULL and 0 for none), names in order of first appearance, facts; borrowed until the next add. */
int lt_runlog_trials(const lt_runlog *log);
const char *lt_runlog_trial_name(const lt_runlog *log, int trial);
const lt_train_row *lt_runlog_train(const lt_runlog *log, int trial, int64_t *n);
const lt_eval_row *lt_runlog_eval(const lt_runlog *log, int trial, int64_t *n);
const lt_perf_row *lt_runlog_perf(const lt_runlog *log, int64_t *n);
/* Local.  A fact of a trial (trial >= 0) or of the newest start (trial = -1) as text, NULL if absent. */
const char *lt_runlog_fact(const lt_runlog *log, int trial, const char *key);
/* Local.  Number of starts of the job so far. */
int lt_runlog_starts(const lt_runlog *log);

#ifdef __cplusplus
}
#endif
