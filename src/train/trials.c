/* The trials of a run: their labels and tuners; label states and initial values. */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static lt_readout choose_readout(const lt_run *r) {
    if (r->data.train.token_label) return LT_READ_TOKENS;
    switch (r->cfg->model.pool) {
    case LT_POOL_CFG_FIRST:
        return LT_READ_FIRST;
    case LT_POOL_CFG_CLS:
        return LT_READ_CLS;
    case LT_POOL_CFG_LAST:
        return LT_READ_LAST;
    case LT_POOL_CFG_MEAN:
        return LT_READ_MEAN;
    case LT_POOL_CFG_MAX:
        return LT_READ_MAX;
    default:
        return lt_model_arch(r->model)->causal ? LT_READ_LAST : LT_READ_CLS;
    }
}

/* What goes together with labels of tokens. */
static lt_status check_tokens(const lt_run *r, const lt_trial_cfg *c) {
    LT_CHECK(!lt_method_of(&c->method)->pairs, LT_ERR_CONFIG,
             "trial %s: this data set labels tokens, but %s judges (text, label) pairs: use head, prompt or prefix", c->name,
             lt_method_of(&c->method)->name);
    LT_CHECK(r->cfg->model.pool == LT_POOL_CFG_AUTO, LT_ERR_CONFIG,
             "model.pool: this data set labels tokens, every one of which is read out: leave it at auto");
    return LT_OK;
}

static lt_status create_one(lt_run *r, int i) {
    const lt_trial_cfg *c = &r->cfg->trial[i];
    const lt_dataset_info *info = lt_dataset_about(r->data.file);
    const lt_arch *arch = lt_model_arch(r->model);
    bool encoder = !arch->causal;
    if (r->readout == LT_READ_TOKENS) LT_TRY(check_tokens(r, c));
    LT_TRY(lt_labels_create(r->data.K, info->label_name, info->label_words, &c->method, r->data.tok, encoder, &r->labels[i]));
    LT_TRY(lt_trial_create(c, arch, lt_model_ctx(r->model), &r->grid, &r->labels[i], r->data.train.n, &r->trial[i]));
    r->tuner[i] = &r->trial[i].tuner;
    r->tuner[i]->pools_logits = lt_tuner_pads(r->tuner[i]) && r->readout == LT_READ_MAX;
    LT_CHECK(!lt_tuner_pads(r->tuner[i]) || (r->data.train.pad >= 0 && r->data.train.pad < arch->V), LT_ERR_CONFIG,
             "trial %s, method.compat: authors pads texts, but the tokenizer of this model has neither a padding nor an unknown token: use "
             "clean",
             c->name);
    LT_CHECK(encoder || r->readout != LT_READ_FIRST || r->tuner[i]->n_prompts == 0, LT_ERR_CONFIG,
             "model.pool: first reads the first prompt row of trial %s, which sees no text in a causal model, so nothing could be "
             "learned: use "
             "last, mean or max",
             c->name);
    return LT_OK;
}

lt_status lt_run_impl_trials_create(lt_run *r) {
    LT_TRY(LT_FAULT_POINT("run.trials"));
    LT_TRY(lt_run_impl_data_read(&r->data, r->cfg, lt_model_arch(r->model)->V, r->purpose == LT_RUN_TRAIN));
    r->readout = choose_readout(r);
    r->n_trials = r->cfg->n_trials;
    LT_TRY(lt_calloc(&r->trial, r->n_trials, sizeof *r->trial, "trials"));
    LT_TRY(lt_calloc(&r->labels, r->n_trials, sizeof *r->labels, "trials"));
    LT_TRY(lt_calloc(&r->tuner, r->n_trials, sizeof *r->tuner, "trials"));
    for (int i = 0; i < r->n_trials; i++) LT_TRY(create_one(r, i));
    LT_TRY(lt_run_impl_bank_init(&r->bank, r->model, r->tuner, r->n_trials));
    return lt_run_impl_gpta_init(r);
}

void lt_run_impl_trials_destroy(lt_run *r) {
    for (int i = 0; r->trial && i < r->n_trials; i++) lt_trial_destroy(&r->trial[i]);
    for (int i = 0; r->labels && i < r->n_trials; i++) lt_labels_destroy(&r->labels[i]);
    free(r->trial);
    free(r->labels);
    free(r->tuner);
}

/* ---- label states: those of all trials at once, equal texts once ---- */

typedef struct label_texts {
    int64_t n, max, n_tokens;
    int32_t *tokens; /* [n_tokens], text i at offset[i] */
    int64_t *offset; /* [n + 1] */
    int64_t **which; /* [n_trials][K]: text of each label; NULL for methods that read none */
    float *states;   /* [n_tokens, C] */
} label_texts;

static int64_t find_text(label_texts *l, const int32_t *tokens, int64_t n) {
    for (int64_t i = 0; i < l->n; i++)
        if (l->offset[i + 1] - l->offset[i] == n && !memcmp(l->tokens + l->offset[i], tokens, (size_t)n * sizeof *tokens)) return i;
    memcpy(l->tokens + l->offset[l->n], tokens, (size_t)n * sizeof *tokens);
    l->offset[l->n + 1] = l->offset[l->n] + n;
    return l->n++;
}

static lt_status list_texts(lt_run *r, label_texts *l) {
    int64_t most = 0, tokens = 0, K = r->data.K;
    LT_TRY(LT_FAULT_POINT("run.states"));
    for (int i = 0; i < r->n_trials; i++)
        if (r->tuner[i]->label_states) {
            most += K;
            tokens += K * r->labels[i].P;
        }
    LT_TRY(lt_calloc(&l->tokens, tokens, sizeof *l->tokens, "texts of labels"));
    LT_TRY(lt_calloc(&l->offset, most + 1, sizeof *l->offset, "texts of labels"));
    LT_TRY(lt_calloc(&l->which, r->n_trials, sizeof *l->which, "texts of labels"));
    for (int i = 0; i < r->n_trials; i++) {
        const lt_labels *labels = &r->labels[i];
        if (!r->tuner[i]->label_states) continue;
        LT_TRY(lt_calloc(&l->which[i], K, sizeof **l->which, "texts of labels"));
        for (int64_t y = 0; y < K; y++) l->which[i][y] = find_text(l, labels->tokens + y * labels->P, labels->P);
    }
    return lt_calloc(&l->states, l->offset[l->n] * lt_model_arch(r->model)->C, sizeof *l->states, "label states");
}

static void free_texts(const lt_run *r, label_texts *l) {
    for (int i = 0; l->which && i < r->n_trials; i++) free(l->which[i]);
    free(l->which);
    free(l->tokens);
    free(l->offset);
    free(l->states);
}

/* Collective(world).  In groups of about a pack, between which a signal is seen.  Rank 0's states are everyone's: CPUs of different kinds round them
 * differently. */
static lt_status compute_states(lt_run *r, label_texts *l) {
    int64_t C = lt_model_arch(r->model)->C;
    for (int64_t i = 0, n; i < l->n; i += n) {
        for (n = 1; i + n < l->n && l->offset[i + n + 1] - l->offset[i] <= r->work.pack_rows;) n++;
        LT_TRY(lt_run_impl_check_stop(
            r->grid.world, "while the states of labels were computed: nothing was trained; run the same command again to start"));
        lt_comm_progress(r->grid.world);
        lt_model_states(r->model, n, l->tokens, l->offset + i, l->states + l->offset[i] * C);
    }
    lt_bcast_host(r->grid.world, l->states, (size_t)(l->offset[l->n] * C) * sizeof *l->states, 0);
    return LT_OK;
}

/* The states of one trial's labels, [K][P][C], put together. */
static lt_status init_one(lt_run *r, const label_texts *l, int i) {
    lt_tuner *t = r->tuner[i];
    int64_t C = t->arch->C, per_label = (int64_t)t->labels->P * C;
    float *states = NULL;
    lt_status st = LT_OK;
    if (t->label_states) st = lt_calloc(&states, lt_tuner_states_elems(t), sizeof *states, "label states");
    st = lt_agree(r->grid.world, st);
    for (int y = 0; st == LT_OK && t->label_states && y < r->data.K; y++)
        memcpy(states + y * per_label, l->states + l->offset[l->which[i][y]] * C, (size_t)per_label * sizeof *states);
    /* one agreement a trial: the next one's values are sums over ranks */
    if (st == LT_OK) st = lt_agree(r->grid.world, lt_tuner_init(t, r->model, r->data.tok, states));
    r->trial[i].has_values = st == LT_OK;
    free(states);
    return st;
}

lt_status lt_run_impl_trials_init(lt_run *r) {
    label_texts l = {0};
    lt_status st = lt_agree(r->grid.world, list_texts(r, &l));
    if (st == LT_OK) st = compute_states(r, &l);
    for (int i = 0; st == LT_OK && i < r->n_trials; i++) {
        st = init_one(r, &l, i);
        if (st == LT_OK) st = lt_run_impl_import(r, i);
        if (st == LT_OK)
            st = lt_run_impl_check_stop(r->grid.world, "while the trials began: nothing was trained; run the same command again to start");
    }
    free_texts(r, &l);
    return st;
}
