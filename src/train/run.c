/* The life of a run and its training loop.
 *
 * Order inside one turn of the loop, and why: step; its row of metrics; evaluations that are due; then the checkpoint, so that what a checkpoint says has
 * been recorded before it; then a stop that was asked for.  A run that is killed at any instant continues from its last checkpoint with the run log
 * cut to that step, and repeats the same numbers. */
#include "train/run_impl.h"

#include "base/log.h"
#include "base/signal.h"

#include <stdlib.h>
#include <string.h>

static lt_status init_trials(lt_run *r) {
    lt_status st = LT_OK;
    /* one agreement a trial: the next one's label states are sums over ranks */
    for (int i = 0; st == LT_OK && i < r->n_trials; i++) st = lt_agree(r->grid.world, lt_tuner_init(r->tuner[i], r->model, r->tok, NULL));
    return st;
}

lt_status lt_run_create(const lt_config *cfg, lt_comm *world, lt_run_purpose purpose, int plan_ranks, lt_run **run) {
    lt_run *r = NULL;
    lt_status st = lt_calloc(&r, 1, sizeof *r, "a run");
    if (st == LT_OK) {
        r->cfg = cfg;
        r->purpose = purpose;
        r->grid.world = world;
        st = lt_config_fingerprint(cfg, r->config_sha);
        if (st == LT_OK) st = lt_config_settings(cfg, &r->settings);
    }
    LT_TRY_GOTO(lt_agree(world, st), st, fail);
    if (purpose == LT_RUN_PLAN) {
        LT_TRY_GOTO(lt_run_impl_plan_grid(r, plan_ranks), st, fail);
        LT_TRY_GOTO(lt_run_impl_setup(r), st, fail);
        *run = r;
        return LT_OK;
    }
    LT_TRY_GOTO(lt_grid_create(world, cfg->parallel.tp, &r->grid), st, fail);
    LT_TRY_GOTO(purpose == LT_RUN_TRAIN ? lt_run_impl_claim_folder(r) : lt_run_impl_peek_dtype(r), st, fail);
    LT_TRY_GOTO(lt_run_impl_setup(r), st, fail);
    LT_TRY_GOTO(init_trials(r), st, fail);
    if (purpose == LT_RUN_TRAIN) {
        LT_TRY_GOTO(lt_run_impl_resume(r), st, fail);
        LT_TRY_GOTO(lt_run_impl_record_open(r), st, fail);
    }
    *run = r;
    return LT_OK;
fail:
    lt_run_destroy(&r);
    return st;
}

void lt_run_destroy(lt_run **run) {
    lt_run *r = *run;
    if (!r) return;
    lt_run_impl_record_close(r);
    lt_run_impl_teardown(r);
    if (r->purpose != LT_RUN_PLAN) lt_grid_destroy(&r->grid);
    free(r);
    *run = NULL;
}

static bool eval_due(const lt_trial *t) {
    if (t->step == 0 || t->last.step == t->step) return false;
    return t->state == LT_TRIAL_DONE || (t->state == LT_TRIAL_RUNNING && t->step % t->eval_every == 0);
}

/* Evaluates the trials that are due, neighbours together; is_best [n_trials] out. */
static lt_status evaluate(lt_run *r, bool *is_best, bool *any_best) {
    lt_metrics *metrics = NULL;
    lt_status st = lt_agree(r->grid.world, lt_calloc(&metrics, r->n_trials, sizeof *metrics, "metrics"));
    *any_best = false;
    for (int i = 0, n; st == LT_OK && i < r->n_trials; i += n + 1) {
        for (n = 0; i + n < r->n_trials && eval_due(&r->trial[i + n]); n++) is_best[i + n] = false;
        if (n == 0) {
            is_best[i] = false;
            continue;
        }
        double t0 = lt_time_s();
        st = lt_run_impl_metrics(r, &r->eval, i, n, metrics);
        double seconds = (lt_time_s() - t0) / n; /* trials share packs: each has its part */
        for (int k = 0; st == LT_OK && k < n; k++) {
            *any_best |= is_best[i + k] = lt_trial_file_eval(&r->trial[i + k], &metrics[k], r->by_mcc);
            lt_run_impl_record_eval(r, i + k, r->cfg->data.eval, &metrics[k], seconds);
        }
        if (i + n < r->n_trials) is_best[i + n] = false;
    }
    free(metrics);
    return st;
}

static int count_state(const lt_run *r, lt_trial_state s) {
    int n = 0;
    for (int i = 0; i < r->n_trials; i++) n += r->trial[i].state == s;
    return n;
}

/* This rank's wish for a checkpoint; rank 0's clock decides for all. */
static bool save_wanted(const lt_run *r) {
    const lt_train_cfg *c = &r->cfg->train;
    return r->grid.rank == 0 && c->checkpoint_minutes > 0 && lt_time_s() - r->last_save_s > 60 * c->checkpoint_minutes;
}

static lt_status train_loop(lt_run *r, bool *is_best) {
    while (count_state(r, LT_TRIAL_RUNNING) > 0) {
        bool stop = lt_signal_pending() != 0, save = save_wanted(r), any_best;
        LT_TRY(lt_run_impl_step(r, &stop, &save));
        lt_run_impl_record_step(r);
        double t0 = lt_time_s();
        LT_TRY(evaluate(r, is_best, &any_best));
        double t1 = lt_time_s();
        r->steps_since_save++;
        bool every = r->cfg->train.checkpoint_every > 0 && r->steps_since_save >= r->cfg->train.checkpoint_every;
        bool end = count_state(r, LT_TRIAL_RUNNING) == 0;
        if (save || every || any_best || stop || end) LT_TRY(lt_run_impl_save(r, is_best));
        LT_TRY(lt_run_impl_record_flush(r, end || stop));
        r->rates.io_s += lt_time_s() - t1;
        r->eval_s += t1 - t0;
        lt_run_impl_progress(r, end || stop);
        if (stop && !end) {
            return LT_FAIL(LT_ERR_STOPPED,
                           "stopped by a signal at step %lld; the state is saved in %s: run the same command again to continue%s",
                           (long long)r->step, r->cfg->run.dir, r->cfg->run.resume == LT_RESUME_AUTO ? "" : ", with run.resume=auto");
        }
    }
    LT_CHECK(count_state(r, LT_TRIAL_NUMERIC) < r->n_trials, LT_ERR_NUMERIC,
             "no trial kept finite numbers: lower train.lr (see the warnings above)");
    return LT_OK;
}

lt_status lt_run_train(lt_run *r) {
    bool *is_best = NULL;
    lt_status st = lt_agree(r->grid.world, lt_calloc(&is_best, r->n_trials, sizeof *is_best, "trials"));
    if (st == LT_OK) st = train_loop(r, is_best);
    free(is_best);
    return st;
}

lt_status lt_run_eval(lt_run *r, const char *split, lt_metrics *out) {
    lt_samples samples = {0};
    lt_status st = lt_agree(r->grid.world, lt_run_impl_read_samples(r, split, 0, &samples));
    if (st == LT_OK) st = lt_run_impl_metrics(r, &samples, 0, r->n_trials, out);
    lt_samples_destroy(&samples);
    return st;
}

int lt_run_n_trials(const lt_run *r) { return r->n_trials; }
const lt_trial *lt_run_trial(const lt_run *r, int i) { return &r->trial[i]; }
int64_t lt_run_max_length(const lt_run *r) { return r->longest; }
int lt_run_n_labels(const lt_run *r) { return r->K; }
const char *lt_run_label_name(const lt_run *r, int k) { return lt_dataset_about(r->data)->label_name[k]; }
lt_tok *lt_run_tokenizer(lt_run *r) { return r->tok; }
const lt_grid *lt_run_grid(const lt_run *r) { return &r->grid; }
lt_model *lt_run_model(lt_run *r) { return r->model; }
lt_dtype lt_run_dtype(const lt_run *r) { return r->dtype; }
const lt_run_estimate *lt_run_get_estimate(const lt_run *r) { return &r->estimate; }
const lt_run_rates *lt_run_get_rates(const lt_run *r) { return &r->rates; }
