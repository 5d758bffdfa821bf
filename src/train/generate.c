/* What a run gives to generation: its settings, and what a trial has learned. */
#include "train/run_impl.h"

#include "base/fault.h"

enum { MOST_ROWS = 512 }; /* of prompts in a pack: matrix products gain nothing from more */

lt_generate_args lt_run_generate_args(const lt_config *cfg) {
    const lt_generate_cfg *g = &cfg->generate;
    return (lt_generate_args){.n = g->batch,
                              .front = lt_front_none,
                              .max_tokens = g->max_tokens,
                              .sampling = {.temperature = g->temperature, .top_p = g->top_p, .top_k = g->top_k, .seed = g->seed},
                              .batch = g->batch,
                              .graphs = (lt_graphs)g->graphs,
                              .rows = cfg->parallel.tokens && cfg->parallel.tokens < MOST_ROWS ? cfg->parallel.tokens : MOST_ROWS};
}

static lt_status check(const lt_run *r, int trial, int label) {
    const lt_tuner *t = r->tuner[trial];
    const char *name = r->trial[trial].cfg->name, *method = lt_method_of(t->cfg)->name;
    LT_TRY(LT_FAULT_POINT("run.front"));
    LT_CHECK(t->lead_most == 0, LT_ERR_CONFIG, "trial %s (%s) has a text before inputs that it sorts, and writes nothing", name, method);
    LT_CHECK(lt_tuner_trains_input(t), LT_ERR_CONFIG,
             "trial %s (%s) changes nothing in the model: it writes as the base does (ltune generate --model)", name, method);
    LT_CHECK(!t->pairs || label >= 0, LT_ERR_CONFIG, "trial %s (%s) has a prompt for each label: say which with --label NAME", name,
             method);
    LT_CHECK(t->pairs || label < 0, LT_ERR_CONFIG, "trial %s (%s) has one prompt for all labels: leave --label out", name, method);
    return LT_OK;
}

lt_status lt_run_front(lt_run *r, int trial, int label, lt_front *front) {
    lt_comm *world = r->grid.world;
    lt_status st = lt_agree(world, check(r, trial, label));
    if (st != LT_OK) return st;
    st = lt_run_impl_bank_fill(&r->bank, r->tuner, r->n_trials, NULL);
    if (st != LT_OK) lt_fatal(world, st);
    lt_tuner_input in = lt_tuner_input_of(r->tuner[trial], label < 0 ? 0 : label);
    *front = (lt_front){.bank = &r->bank.model,
                        .slot = in.slot,
                        .prefix_len = in.prefix_len,
                        .prompt = in.prompt,
                        .prompt_rows = in.prompt_rows,
                        .trial = trial};
    return LT_OK;
}
