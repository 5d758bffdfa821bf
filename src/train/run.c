/* The life of a run and its training loop.
 *
 * Order inside one turn of the loop, and why: evaluations that are due (also those that a signal interrupted before); then the checkpoint, so that what a
 * checkpoint says has been recorded before it; then a stop that was asked for; then a step and its row of metrics.  A run that is killed at any instant
 * continues from its last checkpoint with the run log cut to that step, and repeats the same numbers. */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/signal.h"

#include <stdlib.h>
#include <string.h>

/* The grid that `ranks` ranks would have, seen by its rank 0; nothing can be sent over it. */
static lt_status plan_grid(lt_run *r, int64_t ranks) {
    int tp = r->cfg->parallel.tp;
    LT_CHECK(ranks > 0 && ranks % tp == 0, LT_ERR_SHAPE, "%lld ranks do not divide into groups of parallel.tp = %d", (long long)ranks, tp);
    r->grid.size = (int)ranks;
    r->grid.tp_size = tp;
    r->grid.dp_size = (int)ranks / tp;
    return LT_OK;
}

lt_status lt_run_create(const lt_config *cfg, lt_comm *world, lt_run_purpose purpose, int64_t size, lt_run **run) {
    lt_run *r = NULL;
    lt_status st = lt_calloc(&r, 1, sizeof *r, "a run");
    if (st == LT_OK) {
        r->cfg = cfg;
        r->purpose = purpose;
        r->longest_prompt = purpose == LT_RUN_GENERATE ? size : 0;
        r->grid.world = world;
        st = lt_config_fingerprint(cfg, r->config_sha);
        if (st == LT_OK) st = lt_config_settings(cfg, &r->settings);
    }
    LT_TRY_GOTO(lt_agree(world, st), st, fail);
    if (purpose == LT_RUN_PLAN) {
        LT_TRY_GOTO(lt_agree(world, plan_grid(r, size)), st, fail);
        /* a start that would go on: from what is there */
        if (cfg->run.resume != LT_RESUME_NEVER) LT_TRY_GOTO(lt_run_impl_folder_peek(&r->folder, cfg, &r->grid), st, fail);
        LT_TRY_GOTO(lt_run_impl_setup(r), st, fail);
        *run = r;
        return LT_OK;
    }
    if (purpose == LT_RUN_EXPORT) {
        r->grid.rank = lt_comm_rank(world);
        r->grid.size = r->grid.tp_size = r->grid.dp_size = 1; /* a whole model, on no rank's memory */
        LT_TRY_GOTO(lt_run_impl_setup(r), st, fail);
        *run = r;
        return LT_OK;
    }
    lt_comm_set_transport(world, (lt_transport)cfg->parallel.collectives);
    LT_TRY_GOTO(lt_grid_create(world, cfg->parallel.tp, &r->grid), st, fail);
    LT_TRY_GOTO(purpose == LT_RUN_TRAIN ? lt_run_impl_folder_claim(&r->folder, cfg, &r->grid)
                                        : lt_run_impl_folder_peek(&r->folder, cfg, &r->grid),
                st, fail);
    LT_TRY_GOTO(lt_run_impl_setup(r), st, fail);
    if (purpose == LT_RUN_TRAIN) {
        /* initial values only where no checkpoint has better ones */
        if (!r->folder.resume_path) LT_TRY_GOTO(lt_run_impl_trials_init(r), st, fail);
        LT_TRY_GOTO(lt_run_impl_resume(r), st, fail);
        LT_TRY_GOTO(lt_run_impl_make_common(r), st, fail);
        LT_TRY_GOTO(lt_run_impl_record_open(r), st, fail);
        LT_TRY_GOTO(lt_run_impl_gpta_open(r), st, fail);
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
    if (r->purpose != LT_RUN_PLAN && r->purpose != LT_RUN_EXPORT) lt_grid_destroy(&r->grid);
    free(r);
    *run = NULL;
}

static bool eval_due(const lt_trial *t) {
    if (t->step == 0 || t->last.step == t->step) return false;
    return t->state == LT_TRIAL_DONE || (t->state == LT_TRIAL_RUNNING && t->step % t->eval_every == 0);
}

/* What one turn of evaluations came to. */
typedef struct turn {
    bool *is_best; /* [n_trials] */
    bool filed, any_best;
} turn;

/* Room for the evaluation of all trials. */
static lt_status alloc_results(const lt_run *r, lt_metrics **metrics, int64_t **detail) {
    LT_TRY(lt_calloc(metrics, r->n_trials, sizeof **metrics, "metrics"));
    return lt_calloc(detail, r->n_trials * lt_judge_detail_elems(&r->data.judge), sizeof **detail, "details of evaluations");
}

/* Evaluates the trials that are due, neighbours together.  A signal ends it with STOPPED; what was filed before counts, the rest is due still. */
static lt_status evaluate(lt_run *r, turn *t) {
    lt_metrics *metrics = NULL;
    int64_t *detail = NULL, elems = lt_judge_detail_elems(&r->data.judge);
    lt_status st = lt_agree(r->grid.world, alloc_results(r, &metrics, &detail));
    for (int i = 0, n; st == LT_OK && i < r->n_trials; i += n + 1) {
        for (n = 0; i + n < r->n_trials && eval_due(&r->trial[i + n]);) n++;
        if (n == 0) continue;
        double t0 = lt_time_s();
        st = lt_run_impl_metrics(r, &r->data.eval, &r->work.eval, i, n, metrics, detail);
        double seconds = (lt_time_s() - t0) / n; /* trials share packs: each has its part */
        for (int k = i; st == LT_OK && k < i + n; k++) {
            t->filed = true;
            t->any_best |= t->is_best[k] = lt_trial_file_eval(&r->trial[k], &metrics[k - i], r->data.judge.kind);
            lt_run_impl_record_eval(r, k, r->cfg->data.eval, &metrics[k - i], detail + (k - i) * elems, seconds);
        }
    }
    free(metrics);
    free(detail);
    return st;
}

static int count_state(const lt_run *r, lt_trial_state s) {
    int n = 0;
    for (int i = 0; i < r->n_trials; i++) n += r->trial[i].state == s;
    return n;
}

/* Nothing is left to do. */
static bool ended(const lt_run *r) {
    for (int i = 0; i < r->n_trials; i++)
        if (r->trial[i].state == LT_TRIAL_RUNNING || eval_due(&r->trial[i])) return false;
    return true;
}

/* This rank's wish for a checkpoint; rank 0's clock decides for all. */
static bool save_wanted(const lt_run *r) {
    const lt_train_cfg *c = &r->cfg->train;
    return r->grid.rank == 0 && c->checkpoint_minutes > 0 && lt_time_s() - r->last_save_s > 60 * c->checkpoint_minutes;
}

static lt_status stopped(const lt_run *r) {
    const char *how = r->cfg->run.resume == LT_RESUME_AUTO ? "" : ", with run.resume=auto";
    return r->step == 0
               ? LT_FAIL(LT_ERR_STOPPED, "stopped by a signal before the first step: nothing was trained; run the same command again "
                                         "to start")
               : LT_FAIL(LT_ERR_STOPPED,
                         "stopped by a signal at step %lld; the state is saved in %s: run the same command again to continue%s",
                         (long long)r->step, r->cfg->run.dir, how);
}

/* Collective(world).  Evaluations that are due, then the checkpoint, if there is a reason for one.  *stop: a signal came, in or out. */
static lt_status settle(lt_run *r, turn *t, bool save, bool *stop) {
    double t0 = lt_time_s();
    t->filed = t->any_best = false; /* also where a stop leaves no time to evaluate: what the turn before found is saved */
    for (int i = 0; i < r->n_trials; i++) t->is_best[i] = false;
    lt_status st = *stop ? LT_OK : evaluate(r, t);
    if (st == LT_ERR_STOPPED) {
        *stop = true;
        lt_err_clear();
    } else if (st != LT_OK) {
        return st;
    }
    double t1 = lt_time_s();
    int64_t every = r->cfg->train.checkpoint_every, since = r->steps_since_save;
    bool end = ended(r);
    save = save || (every > 0 && since >= every) || t->any_best || ((*stop || end) && since > 0);
    /* an evaluation of a step whose checkpoint does not know of it would come twice in the log */
    save = save || (t->filed && (*stop || since == 0));
    if (save) {
        LT_TRY(lt_run_impl_save(r, t->is_best));
        *stop = *stop || lt_max_host(r->grid.world, lt_signal_pending() != 0) > 0;
    }
    LT_TRY(lt_run_impl_record_flush(r, end || *stop));
    r->rates.io_s += lt_time_s() - t1;
    r->eval_s += t1 - t0;
    lt_run_impl_progress(r, end || *stop);
    return LT_OK;
}

static lt_status train_loop(lt_run *r, turn *t) {
    bool stop = false, save = false, done;
    for (;;) {
        bool cut_short = false;
        LT_TRY(settle(r, t, save, &stop));
        if (ended(r)) break;
        if (stop) return stopped(r);
        LT_TRY(lt_run_impl_gpta_rounds(r, &cut_short));
        if ((stop = cut_short)) continue;
        (void)lt_fault_hit("run.turn", "term"); /* for tests: a signal between two turns */
        stop = lt_signal_pending() != 0;
        save = save_wanted(r);
        LT_TRY(lt_run_impl_step(r, &stop, &save, &done));
        if (!done) continue;
        r->steps_since_save++;
        lt_run_impl_record_step(r);
    }
    LT_CHECK(count_state(r, LT_TRIAL_NUMERIC) < r->n_trials, LT_ERR_NUMERIC,
             "no trial kept finite numbers: lower train.lr (see the warnings above)");
    return LT_OK;
}

lt_status lt_run_train(lt_run *r) {
    turn t = {0};
    lt_status st = lt_agree(r->grid.world, lt_calloc(&t.is_best, r->n_trials, sizeof *t.is_best, "trials"));
    if (st == LT_OK) st = train_loop(r, &t);
    lt_run_impl_gpta_sum_up(r);
    free(t.is_best);
    return st;
}

/* Local. */
static lt_status read_split(lt_run *r, const char *split, lt_samples *samples, lt_features *features) {
    int64_t C = lt_model_arch(r->model)->C, heads = 0;
    LT_TRY(lt_run_impl_data_split(&r->data, r->cfg, lt_model_arch(r->model)->V, split, 0, true, samples));
    LT_CHECK(!samples->token_label == !r->data.train.token_label, LT_ERR_FORMAT,
             "%s: split \"%s\" labels %s, but the run learns from labels of %s", r->cfg->data.path, split,
             samples->token_label ? "tokens" : "sequences", samples->token_label ? "sequences" : "tokens");
    for (int i = 0; i < r->n_trials; i++) heads += r->trial[i].has_values && lt_tuner_reads_base(r->tuner[i]);
    int64_t mine = (samples->n + r->grid.dp_size - 1) / r->grid.dp_size;
    if (!r->work.keep_features || heads < 2 || !lt_run_impl_features_fit(C, mine)) return LT_OK;
    return lt_run_impl_features_init(features, lt_model_ctx(r->model), C, samples->n, mine);
}

lt_status lt_run_eval(lt_run *r, const char *split, lt_metrics *out, int64_t *detail) {
    lt_samples samples = {0};
    lt_features features = {0};
    lt_status st = lt_agree(r->grid.world, read_split(r, split, &samples, &features));
    if (st == LT_OK) st = lt_run_impl_metrics(r, &samples, &features, 0, r->n_trials, out, detail);
    lt_run_impl_features_fini(&features);
    lt_samples_destroy(&samples);
    return st;
}

lt_status lt_run_split(lt_run *r, const char *split, lt_samples *samples) {
    return lt_run_impl_data_split(&r->data, r->cfg, lt_model_arch(r->model)->V, split, 0, false, samples);
}

int lt_run_n_trials(const lt_run *r) { return r->n_trials; }
const lt_trial *lt_run_trial(const lt_run *r, int i) { return &r->trial[i]; }
int64_t lt_run_max_length(const lt_run *r) { return r->work.longest; }
int lt_run_n_labels(const lt_run *r) { return r->data.K; }
const char *lt_run_label_name(const lt_run *r, int k) { return lt_dataset_about(r->data.file)->label_name[k]; }
lt_tok *lt_run_tokenizer(lt_run *r) { return r->data.tok; }
const lt_grid *lt_run_grid(const lt_run *r) { return &r->grid; }
lt_model *lt_run_model(lt_run *r) { return r->model; }
const char *const *lt_run_label_names(const lt_run *r) { return (const char *const *)lt_dataset_about(r->data.file)->label_name; }
const lt_judge *lt_run_judge(const lt_run *r) { return &r->data.judge; }
bool lt_run_detail(const lt_run *r, int trial, bool best, lt_detail *out) {
    const lt_eval_point *p = best ? &r->trial[trial].best : &r->trial[trial].last;
    int id = r->record.log ? lt_runlog_find_trial(r->record.log, r->trial[trial].cfg->name) : -1;
    return id >= 0 && lt_runlog_detail(r->record.log, id, best, out) && out->step == p->step;
}
bool lt_run_labels_tokens(const lt_run *r) { return r->readout == LT_READ_TOKENS; }
lt_dtype lt_run_dtype(const lt_run *r) { return r->dtype; }
const lt_run_estimate *lt_run_get_estimate(const lt_run *r) { return &r->estimate; }
const lt_run_rates *lt_run_get_rates(const lt_run *r) { return &r->rates; }
