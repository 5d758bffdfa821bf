#pragma once
/* One trial: its tuner, its place in the sample stream, its metrics.  Mirrored on every rank. */

#include "train/metrics.h"
#include "train/samples.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lt_trial_state { LT_TRIAL_RUNNING, LT_TRIAL_DONE, LT_TRIAL_PATIENCE, LT_TRIAL_NUMERIC } lt_trial_state;

typedef struct lt_eval_point {
    int64_t step; /* -1 = none yet */
    lt_metrics metrics;
} lt_eval_point;

typedef struct lt_trial {
    const lt_trial_cfg *cfg; /* borrowed */
    lt_tuner tuner;
    lt_order order;
    lt_trial_state state;
    int64_t steps;              /* optimizer steps of the whole training */
    int64_t eval_every;         /* resolved */
    int64_t step;               /* done so far */
    int64_t loss_rows;          /* rows that the losses of this step are a mean of: sequences, or tokens that carry a label */
    double loss, lr, grad_norm; /* of the last step */
    lt_eval_point best, last;
    int64_t stale_evals; /* evaluations since the best */
    bool has_values;     /* parameters were initialised or loaded */
} lt_trial;

/* Local.  Plans: tuner, order, number of steps.  grid: as lt_tuner_create.  n: training samples.  Errors: CONFIG, NOMEM. */
lt_status lt_trial_create(const lt_trial_cfg *cfg, const lt_arch *arch, const lt_ctx *ctx, const lt_grid *grid, const lt_labels *labels,
                          int64_t n, lt_trial *t);
void lt_trial_destroy(lt_trial *t);
/* Local.  Learning rate of optimizer step s = 1 .. steps: linear warm-up over warmup * steps, then constant, linear to 0 or half a cosine. */
double lt_trial_lr(const lt_trial *t, int64_t s);
/* Local, enqueued.  Squares of the summed gradients of mirrored parameters into *mirrored, of spread ones' rows here into *spread (the same address: all
 * in one).  device. */
lt_status lt_trial_square_gradients(const lt_trial *t, double *mirrored, double *spread);
/* Local, enqueued.  AdamW of every parameter, clipped by the norm sqrt(*sumsq).  Nothing changes where the norm or the loss is not finite.
 *   sumsq, loss  device: square of the norm of all gradients; {sum of losses, number not finite}. */
lt_status lt_trial_update(const lt_trial *t, const double *sumsq, const float *loss);
/* Local.  The bookkeeping of that step once its numbers are known: loss, norm, step; a loss or gradient that is not finite makes its state
 * LT_TRIAL_NUMERIC (and its parameters are as they were). */
void lt_trial_count_step(lt_trial *t, double loss_sum, bool finite, double sumsq);
/* Local.  Files an evaluation: best, patience.  True if it is the best so far. */
bool lt_trial_file_eval(lt_trial *t, const lt_metrics *metrics, const lt_metric_kind *kind);
/* Local.  "running", "done", "stopped (patience)", "stopped (not finite)". */
const char *lt_trial_state_text(lt_trial_state s);

#ifdef __cplusplus
}
#endif
