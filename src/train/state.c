/* The run folder: its lock, checkpoints written from and read into the trials.
 *
 * A checkpoint holds whole tensors that every rank has, so rank 0 writes alone and every rank reads by itself; both end in an agreement. */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/fs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The groups of one trial's tensors, as arrays of named views. */
typedef struct views {
    lt_named param[LT_TUNER_MAX_PARAMS], m[LT_TUNER_MAX_PARAMS], v[LT_TUNER_MAX_PARAMS], label_states;
    int n, n_label_states;
} views;

static views trial_views(lt_trial *t) {
    lt_tuner *u = &t->tuner;
    views s = {.n = u->n_params, .n_label_states = u->label_states ? 1 : 0};
    for (int i = 0; i < u->n_params; i++) {
        s.param[i] = s.m[i] = s.v[i] = u->param[i].value;
        s.m[i].data = u->param[i].adam_m;
        s.v[i].data = u->param[i].adam_v;
    }
    if (s.n_label_states)
        s.label_states =
            (lt_named){.name = "states", .n_dims = 3, .dim = {u->labels->K, u->labels->P, u->arch->C}, .data = u->label_states};
    return s;
}

/* Scalars of a trial, in one table for both directions. */
#define FOR_EACH_METRIC(point, X)                                                                                                          \
    X(#point "_loss", point.metrics.loss)                                                                                                  \
    X(#point "_accuracy", point.metrics.accuracy)                                                                                          \
    X(#point "_mcc", point.metrics.mcc)                                                                                                    \
    X(#point "_f1", point.metrics.f1)
#define FOR_EACH_F64(X) FOR_EACH_METRIC(best, X) FOR_EACH_METRIC(last, X)
#define FOR_EACH_I64(X)                                                                                                                    \
    X("step", step)                                                                                                                        \
    X("stale_evals", stale_evals)                                                                                                          \
    X("best_step", best.step)                                                                                                              \
    X("best_n", best.metrics.n)                                                                                                            \
    X("last_step", last.step)                                                                                                              \
    X("last_n", last.metrics.n)

/* What evaluation needs of a trial: its progress, its parameters and what belongs to them. */
static lt_status put_values(lt_ckpt_writer *w, lt_trial *t) {
    const char *name = t->cfg->name;
    views s = trial_views(t);
    LT_TRY(lt_ckpt_put_str(w, name, "method", t->tuner.ops->name));
    LT_TRY(lt_ckpt_put_i64(w, name, "state", (int64_t)t->state));
#define X(key, field) LT_TRY(lt_ckpt_put_i64(w, name, key, t->field));
    FOR_EACH_I64(X)
#undef X
#define X(key, field) LT_TRY(lt_ckpt_put_f64(w, name, key, t->field));
    FOR_EACH_F64(X)
#undef X
    LT_TRY(lt_ckpt_put_named(w, name, "params", s.param, s.n));
    return s.n_label_states ? lt_ckpt_put_named(w, name, "label_states", &s.label_states, 1) : LT_OK;
}

/* What training needs beside. */
static lt_status put_moments(lt_ckpt_writer *w, lt_trial *t) {
    views s = trial_views(t);
    LT_TRY(lt_ckpt_put_named(w, t->cfg->name, "adam_m", s.m, s.n));
    return lt_ckpt_put_named(w, t->cfg->name, "adam_v", s.v, s.n);
}

static lt_status get_trial(lt_ckpt *ck, lt_trial *t, bool optimizer) {
    const char *name = t->cfg->name;
    views s = trial_views(t);
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
    LT_TRY(lt_ckpt_get_named(ck, name, "params", s.param, s.n));
    if (s.n_label_states) LT_TRY(lt_ckpt_get_named(ck, name, "label_states", &s.label_states, 1));
    if (!optimizer) return LT_OK;
    LT_TRY(lt_ckpt_get_named(ck, name, "adam_m", s.m, s.n));
    return lt_ckpt_get_named(ck, name, "adam_v", s.v, s.n);
}

/* What rank 0 finds and tells all: path of the checkpoint (empty = none), then its compute type. */
enum { FOUND_PATH = 4096, FOUND_BYTES = FOUND_PATH + 16 };

/* run.resume: PATH.  A checkpoint of this folder takes the run back to its step; one of elsewhere is where the run begins, so once the folder has
 * checkpoints of its own, it goes on from these. */
static lt_status open_told(lt_run *r, lt_ckpt **ck) {
    const char *path = r->cfg->run.resume_path;
    lt_ckpt *newest = NULL;
    LT_TRY(lt_ckpt_open(path, ck));
    LT_CHECK(!lt_ckpt_best_of(*ck), LT_ERR_CONFIG,
             "run.resume: %s holds the best values of trial %s only, for evaluation: name a checkpoint of all trials (step_*.h5 or last)",
             path, lt_ckpt_best_of(*ck));
    size_t n = strlen(r->ck_dir);
    r->resume_own = !strncmp(path, r->ck_dir, n) && path[n] == '/';
    if (r->resume_own) return LT_OK;
    lt_status st = lt_ckpt_open_newest(r->ck_dir, &newest);
    if (newest || st != LT_OK) lt_ckpt_close(ck);
    if (!newest) return st;
    lt_info("%s has checkpoints of its own: it goes on from them, not from %s", r->cfg->run.dir, path);
    *ck = newest;
    r->resume_own = true;
    return LT_OK;
}

/* Rank 0: folder, lock, and which checkpoint to continue from (path empty = none). */
static lt_status claim_local(lt_run *r, char *path, char *dtype) {
    const lt_config *c = r->cfg;
    lt_ckpt *ck = NULL;
    LT_TRY(LT_FAULT_POINT("run.claim"));
    LT_TRY(lt_fs_mkdirs(c->run.dir));
    LT_TRY(lt_lock_acquire(c->run.dir, &r->lock));
    LT_TRY(lt_fs_remove_temps(c->run.dir));
    LT_TRY(lt_fs_path(&r->ck_dir, "%s/ck", c->run.dir));
    LT_TRY(lt_ckpt_dir_prepare(r->ck_dir));
    switch (c->run.resume) {
    case LT_RESUME_NEVER:
        return LT_OK; /* what is there is removed once all input has been found good: lt_run_impl_resume */
    case LT_RESUME_PATH:
        LT_TRY(open_told(r, &ck));
        break;
    default:
        LT_TRY(lt_ckpt_open_newest(r->ck_dir, &ck));
        r->resume_own = true;
    }
    if (!ck) return LT_OK;
    (void)snprintf(path, FOUND_PATH, "%s", lt_ckpt_path(ck));
    (void)snprintf(dtype, FOUND_BYTES - FOUND_PATH, "%s", lt_ckpt_about(ck)->dtype);
    lt_ckpt_close(&ck);
    return LT_OK;
}

static lt_status take_found(lt_run *r, char found[FOUND_BYTES]) {
    lt_comm *world = r->grid.world;
    lt_bcast_host(world, found, FOUND_BYTES, 0);
    if (found[0]) {
        LT_TRY(lt_agree(world, lt_strdup(&r->resume_path, found)));
        r->resume_dtype = !strcmp(found + FOUND_PATH, lt_dtype_name(LT_BF16)) ? LT_BF16 : LT_F32;
    }
    return LT_OK;
}

lt_status lt_run_impl_claim_folder(lt_run *r) {
    char found[FOUND_BYTES] = "";
    LT_TRY(lt_agree(r->grid.world, r->grid.rank == 0 ? claim_local(r, found, found + FOUND_PATH) : LT_OK));
    lt_bcast_host(r->grid.world, &r->resume_own, sizeof r->resume_own, 0);
    return take_found(r, found);
}

/* Rank 0: path and compute type of a checkpoint of this run, a small one if there is any; none is no failure. */
static lt_status peek_local(const lt_run *r, char found[FOUND_BYTES]) {
    const lt_config *c = r->cfg;
    lt_ckpt *ck = NULL;
    for (int i = 0; i <= c->n_trials && !found[0]; i++) {
        char *path = NULL;
        LT_TRY(i < c->n_trials ? lt_fs_path(&path, "%s/ck/best.%s", c->run.dir, c->trial[i].name)
                               : lt_fs_path(&path, "%s/ck/last", c->run.dir));
        if (access(path, F_OK) == 0 && lt_ckpt_open(path, &ck) == LT_OK) {
            (void)snprintf(found, FOUND_PATH, "%s", path);
            (void)snprintf(found + FOUND_PATH, FOUND_BYTES - FOUND_PATH, "%s", lt_ckpt_about(ck)->dtype);
        }
        lt_ckpt_close(&ck);
        free(path);
    }
    lt_err_clear();
    return LT_OK;
}

/* A run without checkpoints, or with a damaged one, is told of when trained values are loaded. */
lt_status lt_run_impl_peek_dtype(lt_run *r) {
    char found[FOUND_BYTES] = "";
    LT_TRY(lt_agree(r->grid.world, r->grid.rank == 0 ? peek_local(r, found) : LT_OK));
    return take_found(r, found);
}

/* What a checkpoint of this run says of itself. */
static lt_ckpt_head head_of(const lt_run *r, const char *config) {
    return (lt_ckpt_head){.step = r->step,
                          .config = config,
                          .config_sha256 = r->config_sha,
                          .settings = r->settings,
                          .labels = r->label_list,
                          .model_sha256 = lt_model_fingerprint(r->model),
                          .data_sha256 = r->data_sha,
                          .dtype = lt_dtype_name(r->dtype),
                          .ranks = r->grid.size,
                          .tp = r->grid.tp_size,
                          .dp = r->grid.dp_size};
}

/* Rank 0 has checked the file: lt_run_impl_claim_folder. */
static lt_status resume_local(lt_run *r) {
    lt_ckpt *ck = NULL;
    LT_TRY(LT_FAULT_POINT("run.resume"));
    lt_status st = lt_ckpt_open_checked(r->resume_path, &ck);
    lt_ckpt_head run = head_of(r, NULL);
    if (st == LT_OK) st = lt_ckpt_match(ck, &run);
    for (int i = 0; st == LT_OK && i < r->n_trials; i++) {
        lt_trial *t = &r->trial[i];
        st = get_trial(ck, t, true);
        /* the best of a run that began elsewhere is not in this folder: the next evaluation here is the first */
        if (!r->resume_own) {
            t->best.step = -1;
            t->stale_evals = 0;
        }
    }
    if (st == LT_OK) r->step = lt_ckpt_about(ck)->step;
    lt_ckpt_close(&ck);
    return st;
}

/* The file of one trial's best values, which are its present ones. */
static lt_status save_one_best(lt_run *r, const lt_ckpt_head *head, lt_trial *t) {
    lt_ckpt_writer *w = NULL;
    LT_TRY(lt_ckpt_begin_best(r->ck_dir, head, t->cfg->name, &w));
    lt_status st = put_values(w, t);
    if (st == LT_OK) st = lt_ckpt_commit(&w);
    lt_ckpt_cancel(&w);
    return st;
}

/* Rank 0: files and links of the trials whose best step is this one. */
static lt_status save_best(lt_run *r, const lt_ckpt_head *head, const bool *is_best) {
    const char **name = NULL;
    int n = 0;
    lt_status st = LT_OK;
    LT_TRY(lt_calloc(&name, r->n_trials, sizeof *name, "names of trials"));
    for (int i = 0; i < r->n_trials && st == LT_OK; i++) {
        if (!is_best[i]) continue;
        name[n++] = r->trial[i].cfg->name;
        st = save_one_best(r, head, &r->trial[i]);
    }
    if (st == LT_OK) st = lt_ckpt_link_best(r->ck_dir, name, n, r->step);
    free(name);
    return st;
}

/* Rank 0: links and best files of the checkpoint that goes on.  A run that was killed after its commit has older ones. */
static lt_status mend_links(lt_run *r) {
    bool *is_best = NULL;
    char *text = NULL;
    LT_TRY(lt_ckpt_link(r->ck_dir, "last", r->step));
    LT_TRY(lt_calloc(&is_best, r->n_trials, sizeof *is_best, "trials"));
    for (int i = 0; i < r->n_trials; i++) is_best[i] = r->trial[i].best.step == r->step;
    lt_status st = lt_config_text(r->cfg, &text);
    lt_ckpt_head head = head_of(r, text);
    if (st == LT_OK) st = save_best(r, &head, is_best);
    free(text);
    free(is_best);
    return st;
}

/* Rank 0: what lies after this step could not be used, or nothing of it is wanted. */
static lt_status clear_way(lt_run *r) {
    if (!r->resume_path) return lt_ckpt_clear(r->ck_dir);
    LT_TRY(lt_ckpt_set_aside(r->ck_dir, r->step));
    return r->resume_own ? mend_links(r) : LT_OK;
}

lt_status lt_run_impl_resume(lt_run *r) {
    if (!r->resume_path && r->cfg->run.resume != LT_RESUME_NEVER) return LT_OK;
    if (r->resume_path)
        LT_TRY(lt_agree(r->grid.world, resume_local(r)));
    else
        lt_info("run.resume: never: earlier checkpoints of %s are removed", r->cfg->run.dir);
    LT_TRY(lt_agree(r->grid.world, r->grid.rank == 0 ? clear_way(r) : LT_OK));
    if (r->resume_path) lt_info("continuing from %s (step %lld)", r->resume_path, (long long)r->step);
    return LT_OK;
}

static lt_status save_local(lt_run *r, const bool *is_best) {
    const lt_config *c = r->cfg;
    char *text = NULL;
    lt_ckpt_writer *w = NULL;
    lt_status st = LT_FAULT_POINT("ckpt.save");
    if (st == LT_OK) st = lt_config_text(c, &text);
    lt_ckpt_head head = head_of(r, text);
    if (st == LT_OK) st = lt_ckpt_begin(r->ck_dir, &head, &w);
    for (int i = 0; st == LT_OK && i < r->n_trials; i++) {
        st = put_values(w, &r->trial[i]);
        if (st == LT_OK) st = put_moments(w, &r->trial[i]);
    }
    if (st == LT_OK) st = lt_ckpt_commit(&w);
    lt_ckpt_cancel(&w);
    if (st == LT_OK) st = lt_ckpt_link(r->ck_dir, "last", r->step);
    if (st == LT_OK) st = save_best(r, &head, is_best);
    if (st == LT_OK) st = lt_ckpt_prune(r->ck_dir, c->train.keep);
    free(text);
    return st;
}

/* A hash of everything that the ranks hold in common. */
static int64_t common_hash(const lt_run *r) {
    uint64_t h = 1;
    for (int i = 0; i < r->n_trials; i++)
        for (int k = 0; k < r->trial[i].tuner.n_params; k++) {
            const lt_param *p = &r->trial[i].tuner.param[k];
            const float *data[] = {p->value.data, p->adam_m, p->adam_v};
            for (int d = 0; d < 3; d++)
                for (int64_t e = 0; e < lt_named_elems(&p->value); e++) {
                    uint32_t bits;
                    memcpy(&bits, data[d] + e, sizeof bits);
                    h = (h ^ bits) * 0x9e3779b97f4a7c15u;
                    h ^= h >> 29;
                }
        }
    return (int64_t)(h >> 2);
}

/* Collective(world).  Updates are mirrored, not sent: CPUs of different kinds may round them differently.  Where they did, rank 0's values, which the
 * checkpoint holds, become everyone's, so that the run goes on as a resumed one would. */
static void make_common(lt_run *r) {
    lt_comm *world = r->grid.world;
    int64_t h = common_hash(r);
    if (lt_max_host(world, h) == -lt_max_host(world, -h)) return;
    if (r->grid.rank == 0)
        lt_warn("step %lld: ranks hold different trained values (nodes of different CPUs?); all take those of rank 0", (long long)r->step);
    for (int i = 0; i < r->n_trials; i++)
        for (int k = 0; k < r->trial[i].tuner.n_params; k++) {
            lt_param *p = &r->trial[i].tuner.param[k];
            size_t bytes = (size_t)lt_named_elems(&p->value) * sizeof(float);
            lt_bcast_host(world, p->value.data, bytes, 0);
            lt_bcast_host(world, p->adam_m, bytes, 0);
            lt_bcast_host(world, p->adam_v, bytes, 0);
        }
}

lt_status lt_run_impl_save(lt_run *r, const bool *is_best) {
    make_common(r);
    /* the log first: after a kill it must know every step that the checkpoint knows; but a log that fails does not cost the checkpoint */
    lt_status logged = lt_run_impl_record_flush(r, true);
    LT_TRY(lt_agree(r->grid.world, r->grid.rank == 0 ? save_local(r, is_best) : LT_OK));
    r->last_save_s = lt_time_s();
    r->steps_since_save = 0;
    return logged == LT_OK ? LT_OK : lt_run_impl_record_flush(r, true);
}

/* Opens what trials are loaded from; rank 0 checks it, the others come after. */
static lt_status open_to_load(lt_run *r, const char *path, lt_ckpt **ck) {
    char difference[512];
    lt_ckpt_head run = {.model_sha256 = lt_model_fingerprint(r->model), .labels = r->label_list}; /* the texts may be others */
    LT_TRY(LT_FAULT_POINT("run.load"));
    LT_TRY(r->grid.rank == 0 ? lt_ckpt_open(path, ck) : lt_ckpt_open_checked(path, ck));
    LT_TRY(lt_ckpt_match(*ck, &run));
    if (r->grid.rank == 0 && !lt_ckpt_same_settings(*ck, r->settings, difference, sizeof difference))
        lt_warn("%s was trained under another configuration (%s): numbers may differ", path, difference);
    return LT_OK;
}

/* Reads a trial from path, which stays open in *ck for the next one; *there: it is in the file. */
static lt_status load_one(lt_run *r, const char *path, lt_trial *t, lt_ckpt **ck, bool *there) {
    if (*ck && strcmp(lt_ckpt_path(*ck), path) != 0) lt_ckpt_close(ck);
    if (!*ck) LT_TRY(open_to_load(r, path, ck));
    const char *only = lt_ckpt_best_of(*ck);
    *there = !only || !strcmp(only, t->cfg->name);
    return *there ? get_trial(*ck, t, false) : LT_OK;
}

/* Path of the checkpoint that `which` means for a trial. */
static lt_status path_of(const lt_run *r, const char *which, const lt_trial *t, char **path) {
    if (!strcmp(which, "best")) return lt_fs_path(path, "%s/ck/best.%s", r->cfg->run.dir, t->cfg->name);
    if (!strcmp(which, "last")) return lt_fs_path(path, "%s/ck/last", r->cfg->run.dir);
    return lt_strdup(path, which);
}

static lt_status load_local(lt_run *r, const char *which, int first, int count, bool *loaded) {
    char *path = NULL;
    lt_ckpt *ck = NULL;
    bool any = false;
    lt_status st = LT_OK;
    for (int i = 0; st == LT_OK && i < count; i++) {
        lt_trial *t = &r->trial[first + i];
        LT_TRY_GOTO(path_of(r, which, t, &path), st, done);
        loaded[i] = access(path, R_OK) == 0;
        if (loaded[i]) st = load_one(r, path, t, &ck, &loaded[i]);
        any |= loaded[i];
        if (st == LT_OK && !loaded[i] && i + 1 == count && !any)
            st = LT_FAIL(LT_ERR_IO, "no checkpoint %s for trial %s (%s): has `ltune train` run with run.dir = %s and evaluated it?", path,
                         t->cfg->name, which, r->cfg->run.dir);
        else if (st == LT_OK && !loaded[i] && r->grid.rank == 0)
            lt_warn("no checkpoint %s: trial %s is left out", path, t->cfg->name);
        free(path);
        path = NULL;
    }
done:
    lt_ckpt_close(&ck);
    return st;
}

lt_status lt_run_load(lt_run *r, const char *which, int first, int count, bool *loaded) {
    LT_TRY(lt_agree(r->grid.world, r->grid.rank == 0 ? load_local(r, which, first, count, loaded) : LT_OK));
    return lt_agree(r->grid.world, r->grid.rank != 0 ? load_local(r, which, first, count, loaded) : LT_OK);
}
