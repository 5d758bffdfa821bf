#pragma once
/* Private to the train room: what a run tells while it goes: the run log and progress.  Rank 0 writes; the others do nothing. */

#include "store/runlog.h"
#include "train/run.h"

typedef struct lt_run_record {
    lt_runlog *log;
    int64_t recorded;  /* the last step with rows in the run log */
    lt_run_rates base; /* rates at the last row of perf */
    int64_t lost;      /* rows that could not be kept since the last flush, which tells of them */
    double progress_s; /* when progress was last shown */
} lt_run_record;

/* Collective(world).  Opens run.dir/run.h5, cut to the run's step.  Errors: IO, FORMAT, HDF5 (agreed). */
lt_status lt_run_impl_record_open(lt_run *r);
void lt_run_impl_record_close(lt_run *r);
/* Local.  Rows of the step that was just done; of an evaluation that was just filed. */
void lt_run_impl_record_step(lt_run *r);
void lt_run_impl_record_eval(lt_run *r, int trial, const char *split, const lt_metrics *m, const int64_t *detail, double seconds);
/* Local.  What became of one answer of a trial's assistant. */
void lt_run_impl_record_dialogue(lt_run *r, int trial, const lt_dialogue_row *row);
/* Collective(world) if force.  Errors: IO, HDF5 (agreed). */
lt_status lt_run_impl_record_flush(lt_run *r, bool force);
void lt_run_impl_progress(lt_run *r, bool last);
