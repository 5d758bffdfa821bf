/* Checkpoints of a run.
 *
 * A file holds whole tensors, whatever the layout: rank 0 gets what other ranks hold (params.c) and writes alone.  The step's file comes first, with
 * everything that training goes on from, then a small file of each trial that is at its best, then the links; a run that is killed between them mends them
 * when it goes on (load.c). */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "train/ckpt_impl.h"

#include <stdlib.h>

lt_ckpt_head lt_run_impl_ckpt_head(const lt_run *r, const char *config) {
    return (lt_ckpt_head){.step = r->step,
                          .config = config,
                          .config_sha256 = r->config_sha,
                          .settings = r->settings,
                          .labels = r->data.label_list,
                          .model_sha256 = lt_model_fingerprint(r->model),
                          .data_sha256 = r->data.sha,
                          .dtype = lt_dtype_word(r->dtype),
                          .device = lt_device_word(&r->device),
                          .products = r->products,
                          .pack_rows = lt_run_impl_finds_tokens(r) ? r->most_rows : 0,
                          .ranks = r->grid.size,
                          .tp = r->grid.tp_size,
                          .dp = r->grid.dp_size};
}

/* Rank 0: where a trial stands, and its label states (staging: room for them). */
static lt_status put_trial(lt_run *r, lt_ckpt_writer *w, int trial, float *whole) {
    const lt_trial *t = &r->trial[trial];
    const lt_tuner *u = &t->tuner;
    const char *name = t->cfg->name;
    LT_TRY(lt_ckpt_put_str(w, name, "method", lt_method_of(u->cfg)->name));
    LT_TRY(lt_ckpt_put_i64(w, name, "state", (int64_t)t->state));
#define X(key, field) LT_TRY(lt_ckpt_put_i64(w, name, key, t->field));
    FOR_EACH_I64(X)
#undef X
#define X(key, field) LT_TRY(lt_ckpt_put_f64(w, name, key, t->field));
    FOR_EACH_F64(X)
    FOR_EACH_LATE_F64(X)
#undef X
    LT_TRY(lt_run_impl_gpta_put(r, w, trial));
    if (!u->label_states) return LT_OK;
    lt_named states = {.name = "states", .n_dims = 3, .dim = {u->labels->K, u->labels->P, u->arch->C}, .data = whole};
    LT_TRY(lt_ctx_download(u->ctx, whole, u->label_states, (size_t)lt_tuner_states_elems(u) * sizeof *whole));
    return lt_ckpt_put_named(w, name, "label_states", &states, 1);
}

/* Collective(world).  One group of a trial's tensors; w on rank 0, NULL when its file has failed (the others send all the same). */
static lt_status put_group(lt_run *r, lt_ckpt_writer *w, int trial, lt_param_part part, float *whole) {
    static const char *const group[] = {"params", "adam_m", "adam_v"};
    lt_named view[LT_TUNER_MAX_PARAMS];
    LT_TRY(lt_run_impl_gather(r, trial, part, whole));
    if (!w) return LT_OK;
    lt_run_impl_views(r, trial, whole, view);
    return lt_ckpt_put_named(w, r->trial[trial].cfg->name, group[part], view, r->tuner[trial]->n_params);
}

/* Collective(world).  The file of all trials with everything, or of one trial's values (only >= 0). */
static lt_status save_file(lt_run *r, const lt_ckpt_head *head, int only, float *whole) {
    lt_ckpt_writer *w = NULL;
    lt_status st = LT_OK;
    bool all = only < 0;
    if (r->grid.rank == 0)
        st = all ? lt_ckpt_begin(r->folder.ck_dir, head, &w) : lt_ckpt_begin_best(r->folder.ck_dir, head, r->trial[only].cfg->name, &w);
    for (int i = all ? 0 : only; i < (all ? r->n_trials : only + 1); i++) {
        if (st == LT_OK && r->grid.rank == 0) st = put_trial(r, w, i, whole);
        for (lt_param_part part = LT_PART_VALUE; part <= (all ? LT_PART_ADAM_V : LT_PART_VALUE); part++)
            LT_KEEP(st, put_group(r, st == LT_OK ? w : NULL, i, part, whole));
        lt_comm_progress(r->grid.world);
    }
    if (st == LT_OK && r->grid.rank == 0) st = lt_ckpt_commit(&w);
    lt_ckpt_cancel(&w);
    return lt_agree(r->grid.world, st);
}

static lt_status link_best(lt_run *r, const bool *is_best) {
    const char **name = NULL;
    int n = 0;
    LT_TRY(lt_calloc(&name, r->n_trials, sizeof *name, "names of trials"));
    for (int i = 0; i < r->n_trials; i++)
        if (is_best[i]) name[n++] = r->trial[i].cfg->name;
    lt_status st = lt_ckpt_link_best(r->folder.ck_dir, name, n, r->step);
    free(name);
    return st;
}

/* Collective(world). */
static lt_status save_best(lt_run *r, const lt_ckpt_head *head, const bool *is_best, float *whole) {
    for (int i = 0; i < r->n_trials; i++)
        if (is_best[i]) LT_TRY(save_file(r, head, i, whole));
    return lt_agree(r->grid.world, r->grid.rank == 0 ? link_best(r, is_best) : LT_OK);
}

/* Local: what both kinds of saving begin with. */
static lt_status prepare(const lt_run *r, char **text, float **whole) {
    LT_TRY(lt_config_text(r->cfg, text));
    return lt_run_impl_staging(r, whole);
}

lt_status lt_run_impl_save_best(lt_run *r, const bool *is_best) {
    char *text = NULL;
    float *whole = NULL;
    lt_status st = lt_agree(r->grid.world, prepare(r, &text, &whole));
    lt_ckpt_head head = lt_run_impl_ckpt_head(r, text);
    if (st == LT_OK) st = save_best(r, &head, is_best, whole);
    free(text);
    free(whole);
    return st;
}

/* Collective(world). */
static lt_status save_all(lt_run *r, const bool *is_best) {
    char *text = NULL;
    float *whole = NULL;
    lt_comm *world = r->grid.world;
    lt_status st = r->grid.rank == 0 ? LT_FAULT_POINT("ckpt.save") : LT_OK;
    if (st == LT_OK) st = prepare(r, &text, &whole);
    st = lt_agree(world, st);
    lt_ckpt_head head = lt_run_impl_ckpt_head(r, text);
    if (st == LT_OK) st = save_file(r, &head, -1, whole);
    if (st == LT_OK) st = lt_agree(world, r->grid.rank == 0 ? lt_ckpt_link(r->folder.ck_dir, "last", r->step) : LT_OK);
    if (st == LT_OK) st = save_best(r, &head, is_best, whole);
    if (st == LT_OK) st = lt_agree(world, r->grid.rank == 0 ? lt_ckpt_prune(r->folder.ck_dir, r->cfg->train.keep) : LT_OK);
    free(text);
    free(whole);
    return st;
}

lt_status lt_run_impl_save(lt_run *r, const bool *is_best) {
    LT_TRY(lt_run_impl_make_common(r));
    /* the log first: after a kill it must know every step that the checkpoint knows; but a log that fails does not cost the checkpoint */
    lt_status logged = lt_run_impl_record_flush(r, true);
    LT_TRY(save_all(r, is_best));
    r->last_save_s = lt_time_s();
    r->steps_since_save = 0;
    return logged == LT_OK ? LT_OK : lt_run_impl_record_flush(r, true);
}
