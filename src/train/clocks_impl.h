#pragma once
/* Private to the train room: where the time of steps goes, into lt_run_rates.
 *
 * On CPUs ops and collectives are done when they return, and the host's clock says it all.  On a GPU they are only asked for: there a timer of events
 * (device/timer.h) looks at the first four steps of a run's start and at every sixteenth, and the steps between have the same shares of their time, since two
 * events around every product would be a load for small models. */

#include "device/timer.h"
#include "train/run.h"

typedef struct lt_run_clocks {
    lt_gpu_timer *timer;           /* NULL on CPUs, and where nothing is trained */
    int64_t steps;                 /* counted so far */
    double share[LT_TIMED_KINDS];  /* of a step's time, in the newest step that was timed */
    double device[LT_TIMED_KINDS]; /* seconds in the present one, if it is */
    bool timed;
    double now, comm; /* as the step began */
    lt_model_times model;
    lt_gpu_counts gpu;
} lt_run_clocks;

/* Local.  The timer, where steps run on a GPU; its end, before the model's.  Errors: NOMEM, CUDA. */
lt_status lt_run_impl_clocks_init(lt_run *r);
void lt_run_impl_clocks_fini(lt_run *r);
/* Local.  A step begins; the host has waited for its work (errors: CUDA); it was done: adds it to r->rates. */
void lt_run_impl_clocks_begin(lt_run *r);
lt_status lt_run_impl_clocks_waited(lt_run *r);
void lt_run_impl_clocks_count(lt_run *r, double data_s, int64_t tokens, int64_t sentences);
