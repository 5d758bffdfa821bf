/* First values from a folder of PEFT's (method.from).
 *
 * Rank 0 reads and checks; whatever it finds, all ranks agree before anything travels.  A head that the folder does not have keeps the values that it was
 * given, so these are fetched first. */
#include "train/run_impl.h"
#include "tuner/peft.h"

#include "base/fault.h"
#include "base/log.h"

#include <stdlib.h>

static lt_status read_folder(lt_run *r, int trial, float *whole) {
    const lt_trial *t = &r->trial[trial];
    lt_named view[LT_TUNER_MAX_PARAMS];
    bool head = false;
    LT_TRY(LT_FAULT_POINT("run.import"));
    if (r->grid.rank != 0) return LT_OK;
    lt_run_impl_views(r, trial, whole, view);
    lt_peft p = {.arch = lt_model_arch(r->model), .cfg = &t->cfg->method};
    LT_TRY(lt_peft_read(t->cfg->method.from, &p, view, t->tuner.n_params, &head));
    lt_info("trial %s begins with the values of %s; %s", t->cfg->name, t->cfg->method.from,
            head ? "its head too" : "its head is new, for the folder has none of this form");
    return LT_OK;
}

lt_status lt_run_impl_import(lt_run *r, int trial) {
    const char *from = r->trial[trial].cfg->method.from;
    lt_comm *world = r->grid.world;
    float *whole = NULL;
    if (!from || !*from) return LT_OK;
    lt_status st = lt_agree(world, lt_run_impl_staging(r, &whole));
    if (st == LT_OK) st = lt_agree(world, lt_run_impl_gather(r, trial, LT_PART_VALUE, whole));
    if (st == LT_OK) st = lt_agree(world, read_folder(r, trial, whole));
    if (st == LT_OK) st = lt_agree(world, lt_run_impl_scatter(r, trial, LT_PART_VALUE, whole));
    free(whole);
    return st;
}
