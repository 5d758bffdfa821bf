/* Trained values from checkpoints: a run that goes on, evaluation, prediction.
 *
 * Rank 0 opens each file once, checks and reads it; what it read goes to all ranks, each of which takes its part.  Every step of that ends in an agreement, so
 * that a damaged file ends all ranks with the same message. */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/fs.h"
#include "train/ckpt_impl.h"
#include "train/export_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A number that an earlier version did not save: NaN. */
static lt_status get_late(lt_ckpt *ck, const char *trial, const char *key, double *value) {
    bool there;
    *value = NAN;
    LT_TRY(lt_ckpt_has(ck, trial, key, &there));
    return there ? lt_ckpt_get_f64(ck, trial, key, value) : LT_OK;
}

/* Rank 0: where a trial stood. */
static lt_status get_scalars(const lt_run *r, lt_ckpt *ck, lt_trial *t) {
    const char *name = t->cfg->name;
    int64_t state;
    LT_TRY(lt_ckpt_get_i64(ck, name, "state", &state));
    LT_CHECK(state >= 0 && state <= LT_TRIAL_NUMERIC, LT_ERR_FORMAT, "%s: trial %s has state %lld, expected 0 to %d", lt_ckpt_path(ck),
             name, (long long)state, LT_TRIAL_NUMERIC);
    t->state = (lt_trial_state)state;
#define X(key, field) LT_TRY(lt_ckpt_get_i64(ck, name, key, &t->field));
    FOR_EACH_I64(X)
#undef X
#define X(key, field) LT_TRY(lt_ckpt_get_f64(ck, name, key, &t->field));
    FOR_EACH_F64(X)
#undef X
#define X(key, field) LT_TRY(get_late(ck, name, key, &t->field));
    FOR_EACH_LATE_F64(X)
#undef X
    if (r->purpose == LT_RUN_TRAIN && r->data.judge.tags.n_types && t->best.step >= 0 && isnan(t->best.metrics.f1_strict)) {
        lt_warn("trial %s: an earlier version chose its best by F1 over tokens; from here on F1 over entities decides, and its next "
                "evaluation counts as its best",
                name);
        t->best.step = -1;
    }
    return LT_OK;
}

/* Collective(world).  Scalars of a trial to all. */
static lt_status load_scalars(lt_run *r, lt_ckpt *ck, lt_trial *t) {
    struct {
        lt_trial_state state;
        int64_t step, stale_evals;
        lt_eval_point best, last;
    } s = {0};
    LT_TRY(lt_agree(r->grid.world, ck ? get_scalars(r, ck, t) : LT_OK));
    s.state = t->state;
    s.step = t->step;
    s.stale_evals = t->stale_evals;
    s.best = t->best;
    s.last = t->last;
    lt_bcast_host(r->grid.world, &s, sizeof s, 0);
    t->state = s.state;
    t->step = s.step;
    t->stale_evals = s.stale_evals;
    t->best = s.best;
    t->last = s.last;
    return LT_OK;
}

/* Collective(world).  ck on rank 0, NULL elsewhere. */
static lt_status load_trial(lt_run *r, lt_ckpt *ck, int trial, bool moments, float *whole) {
    static const char *const group[] = {"params", "adam_m", "adam_v"};
    lt_trial *t = &r->trial[trial];
    const lt_tuner *u = &t->tuner;
    lt_comm *world = r->grid.world;
    lt_named view[LT_TUNER_MAX_PARAMS];
    LT_TRY(load_scalars(r, ck, t));
    for (lt_param_part part = LT_PART_VALUE; part <= (moments ? LT_PART_ADAM_V : LT_PART_VALUE); part++) {
        lt_run_impl_views(r, trial, whole, view);
        LT_TRY(lt_agree(world, ck ? lt_ckpt_get_named(ck, t->cfg->name, group[part], view, u->n_params) : LT_OK));
        LT_TRY(lt_agree(world, lt_run_impl_scatter(r, trial, part, whole)));
    }
    if (u->label_states) {
        lt_named states = {.name = "states", .n_dims = 3, .dim = {u->labels->K, u->labels->P, u->arch->C}, .data = whole};
        LT_TRY(lt_agree(world, ck ? lt_ckpt_get_named(ck, t->cfg->name, "label_states", &states, 1) : LT_OK));
        LT_TRY(lt_agree(world, lt_run_impl_scatter_states(r, trial, whole)));
    }
    LT_TRY(lt_run_impl_gpta_get(r, ck, trial));
    t->has_values = true;
    lt_comm_progress(world);
    return LT_OK;
}

/* ---- going on ---- */

static lt_status open_to_resume(lt_run *r, lt_ckpt **ck, float **whole) {
    LT_TRY(LT_FAULT_POINT("run.resume"));
    LT_TRY(lt_run_impl_staging(r, whole));
    if (r->grid.rank != 0) return LT_OK;
    LT_TRY(lt_ckpt_open_checked(r->folder.resume_path, ck)); /* lt_run_impl_folder_claim has checked it */
    lt_ckpt_head run = lt_run_impl_ckpt_head(r, NULL);
    LT_TRY(lt_ckpt_match(*ck, &run));
    r->step = lt_ckpt_about(*ck)->step;
    return LT_OK;
}

static lt_status resume_all(lt_run *r) {
    lt_ckpt *ck = NULL;
    float *whole = NULL;
    lt_status st = lt_agree(r->grid.world, open_to_resume(r, &ck, &whole));
    if (st == LT_OK) lt_bcast_host(r->grid.world, &r->step, sizeof r->step, 0);
    for (int i = 0; st == LT_OK && i < r->n_trials; i++) {
        lt_trial *t = &r->trial[i];
        st = load_trial(r, ck, i, true, whole);
        /* the best of a run that began elsewhere is not in this folder: the next evaluation here is the first */
        if (!r->folder.resume_own) {
            t->best.step = -1;
            t->stale_evals = 0;
        }
    }
    lt_ckpt_close(&ck);
    free(whole);
    return st;
}

/* Rank 0.  Trials whose best values were saved at an earlier step, and are there no more: a run that goes back finds them deleted by its later bests. */
static lt_status find_lost(const lt_run *r, bool *lost) {
    LT_TRY(lt_ckpt_link(r->folder.ck_dir, "last", r->step));
    for (int i = 0; i < r->n_trials; i++) {
        const lt_trial *t = &r->trial[i];
        bool there;
        if (t->best.step < 0 || t->best.step == r->step) continue;
        LT_TRY(lt_ckpt_find_best(r->folder.ck_dir, t->cfg->name, t->best.step, &there));
        lost[i] = !there;
        if (lost[i])
            lt_warn("the best values of trial %s, of step %lld, are not in %s any more: its next evaluation counts as its best",
                    t->cfg->name, (long long)t->best.step, r->folder.ck_dir);
    }
    return LT_OK;
}

/* Collective(world).  Links and best files of the checkpoint that goes on.  A run that was killed after its commit has older ones. */
static lt_status mend_links(lt_run *r) {
    bool *is_best = NULL;
    lt_comm *world = r->grid.world;
    lt_status st = lt_agree(world, lt_calloc(&is_best, r->n_trials, sizeof *is_best, "trials"));
    if (st == LT_OK) st = lt_agree(world, r->grid.rank == 0 ? find_lost(r, is_best) : LT_OK);
    if (st == LT_OK) lt_bcast_host(world, is_best, (size_t)r->n_trials * sizeof *is_best, 0);
    for (int i = 0; st == LT_OK && i < r->n_trials; i++) {
        lt_trial *t = &r->trial[i];
        if (is_best[i]) {
            t->best.step = -1;
            t->stale_evals = 0;
        }
        is_best[i] = t->best.step == r->step;
    }
    if (st == LT_OK) st = lt_run_impl_save_best(r, is_best);
    free(is_best);
    return st;
}

/* Rank 0: what lies after this step could not be used, or nothing of it is wanted. */
static lt_status clear_way(lt_run *r) {
    return r->folder.resume_path ? lt_ckpt_set_aside(r->folder.ck_dir, r->step) : lt_ckpt_clear(r->folder.ck_dir);
}

lt_status lt_run_impl_resume(lt_run *r) {
    const char *path = r->folder.resume_path;
    if (!path && r->cfg->run.resume != LT_RESUME_NEVER) return LT_OK;
    if (path)
        LT_TRY(resume_all(r));
    else
        lt_info("run.resume: never: earlier checkpoints of %s are removed", r->cfg->run.dir);
    LT_TRY(lt_agree(r->grid.world, r->grid.rank == 0 ? clear_way(r) : LT_OK));
    if (path && r->folder.resume_own) LT_TRY(mend_links(r));
    if (path) lt_info("continuing from %s (step %lld)", path, (long long)r->step);
    return LT_OK;
}

/* ---- evaluation and prediction ---- */

/* Path of the checkpoint that `which` means for a trial. */
static lt_status path_of(const lt_run *r, const char *which, const lt_trial *t, char **path) {
    if (!strcmp(which, "best")) return lt_fs_path(path, "%s/ck/best.%s", r->cfg->run.dir, t->cfg->name);
    if (!strcmp(which, "last")) return lt_fs_path(path, "%s/ck/last", r->cfg->run.dir);
    return lt_strdup(path, which);
}

/* Rank 0: opens the file of a trial, unless it is the one open already; *there: the trial has values in it. */
static lt_status open_to_load(lt_run *r, const char *path, const lt_trial *t, lt_ckpt **ck, bool *there) {
    char difference[512];
    lt_ckpt_head run = {.model_sha256 = lt_model_fingerprint(r->model), .labels = r->data.label_list}; /* the texts may be others */
    *there = access(path, R_OK) == 0;
    if (!*there) return LT_OK;
    if (*ck && strcmp(lt_ckpt_path(*ck), path) != 0) lt_ckpt_close(ck);
    if (!*ck) {
        LT_TRY(lt_ckpt_open(path, ck));
        LT_TRY(lt_ckpt_match(*ck, &run));
        if (!lt_ckpt_same_settings(*ck, r->settings, difference, sizeof difference))
            lt_warn("%s was trained under another configuration (%s): numbers may differ", path, difference);
        if (r->purpose != LT_RUN_EXPORT && strcmp(lt_ckpt_about(*ck)->dtype, lt_dtype_word(r->dtype)) != 0)
            lt_warn("%s was trained in %s, but this computes in %s: numbers may differ (model.dtype)", path, lt_ckpt_about(*ck)->dtype,
                    lt_dtype_word(r->dtype));
    }
    const char *only = lt_ckpt_best_of(*ck);
    *there = !only || !strcmp(only, t->cfg->name);
    return LT_OK;
}

static lt_status nothing_there(const lt_run *r, const char *which, const lt_trial *t, const char *path) {
    return LT_FAIL(LT_ERR_IO, "no checkpoint %s for trial %s (%s): has `ltune train` run with run.dir = %s and evaluated it?", path,
                   t->cfg->name, which, r->cfg->run.dir);
}

/* Collective(world).  One trial; *there false if it has no checkpoint, which is told if warn. */
static lt_status load_one(lt_run *r, const char *which, int trial, lt_ckpt **ck, float *whole, bool warn, bool *there) {
    lt_trial *t = &r->trial[trial];
    char *path = NULL;
    lt_status st = path_of(r, which, t, &path);
    *there = false;
    if (st == LT_OK && r->grid.rank == 0) st = open_to_load(r, path, t, ck, there);
    st = lt_agree(r->grid.world, st);
    if (st == LT_OK) lt_bcast_host(r->grid.world, there, sizeof *there, 0);
    if (st == LT_OK && *there) st = load_trial(r, *ck, trial, false, whole);
    if (st == LT_OK && !*there && warn && r->grid.rank == 0) lt_warn("no checkpoint %s: trial %s is left out", path, t->cfg->name);
    free(path);
    return st;
}

/* Rank 0. */
static lt_status open_one(lt_run *r, const char *which, const lt_trial *t, lt_ckpt **ck) {
    char *path = NULL;
    bool there = false;
    LT_TRY(path_of(r, which, t, &path));
    lt_status st = open_to_load(r, path, t, ck, &there);
    if (st == LT_OK && !there) st = nothing_there(r, which, t, path);
    free(path);
    return st;
}

lt_status lt_run_impl_open_trial(lt_run *r, const char *which, int trial, lt_ckpt **ck) {
    lt_status st = lt_agree(r->grid.world, r->grid.rank == 0 ? open_one(r, which, &r->trial[trial], ck) : LT_OK);
    if (st != LT_OK) lt_ckpt_close(ck);
    return st;
}

static lt_status prepare_load(lt_run *r, float **whole) {
    LT_TRY(LT_FAULT_POINT("run.load"));
    return lt_run_impl_staging(r, whole);
}

lt_status lt_run_load(lt_run *r, const char *which, int first, int count, bool *loaded) {
    lt_ckpt *ck = NULL;
    float *whole = NULL;
    bool any = false;
    lt_status st = lt_agree(r->grid.world, prepare_load(r, &whole));
    for (int i = 0; st == LT_OK && i < count; i++) {
        st = load_one(r, which, first + i, &ck, whole, any || i + 1 < count, &loaded[i]);
        any = any || loaded[i];
    }
    if (st == LT_OK && !any && count > 0) {
        char *path = NULL;
        const lt_trial *t = &r->trial[first + count - 1];
        st = path_of(r, which, t, &path);
        if (st == LT_OK) st = nothing_there(r, which, t, path);
        st = lt_agree(r->grid.world, st);
        free(path);
    }
    lt_ckpt_close(&ck);
    free(whole);
    return st;
}
