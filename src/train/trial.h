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
    double loss, lr, grad_norm; /* of the last step */
    lt_eval_point best, last;
    int64_t stale_evals; /* evaluations since the best */
} lt_trial;

/* Local.  Plans: tuner, order, number of steps.  n: training samples.  Errors: CONFIG, NOMEM. */
lt_status lt_trial_create(const lt_trial_cfg *cfg, const lt_arch *arch, const lt_ctx *ctx, const lt_labels *labels, int64_t n, lt_trial *t);
void lt_trial_destroy(lt_trial *t);
/* Local.  Learning rate of optimizer step s = 1 .. steps: linear warm-up over warmup * steps, then constant, linear to 0 or half a cosine. */
double lt_trial_lr(const lt_trial *t, int64_t s);
/* Local.  One optimizer step from the summed gradients: norm, clipping, AdamW.  A loss or gradient that is not finite makes its state
 * LT_TRIAL_NUMERIC and leaves its parameters as they were. */
lt_status lt_trial_update(lt_trial *t, double mean_loss, bool finite);
/* Local.  Files an evaluation: best (higher metric, then lower loss), patience.  by_mcc: the metric is mcc (CoLA), else accuracy.  True if it is the
 * best so far. */
bool lt_trial_file_eval(lt_trial *t, const lt_metrics *metrics, bool by_mcc);
/* Local.  "running", "done", "stopped (patience)", "stopped (not finite)". */
const char *lt_trial_state_text(lt_trial_state s);

#ifdef __cplusplus
}
#endif
