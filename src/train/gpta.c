/* The dialogues of gpta trials beside their training: what they need, who is asked, what it costs, and where they stand in a checkpoint.  (Rounds:
 * gpta_round.c.) */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

static bool has_dialogue(const lt_run *r, int i) { return r->tuner[i]->lead_most > 0; }

/* ---- beginning ---- */

bool lt_run_impl_gpta_goes_on(const lt_run *r, int i) {
    return has_dialogue(r, i) && r->trial[i].state == LT_TRIAL_RUNNING && !lt_dialogue_ended(&r->gpta.of[i].talk);
}

/* Somebody has to be asked: not where one round takes what another run found. */
static bool asks(const lt_run *r, int i) {
    const lt_method_cfg *c = &r->trial[i].cfg->method;
    bool one = c->rounds == 1 || c->control == LT_CONTROL_FIRST || c->control == LT_CONTROL_RANDOM;
    return lt_run_impl_gpta_goes_on(r, i) && !(c->init_dialogue[0] && one);
}

static lt_status check(const lt_run *r, int i) {
    const lt_trial_cfg *c = r->trial[i].cfg;
    LT_CHECK(r->readout != LT_READ_TOKENS, LT_ERR_CONFIG,
             "trial %s: gpta is for labels of texts; this data set labels tokens: use head, prompt, prefix or lora", c->name);
    if (r->purpose != LT_RUN_TRAIN) return LT_OK;
    lt_ids ids = {0};
    lt_status st = lt_tok_encode(r->data.tok, c->method.description, strlen(c->method.description), false, &ids, NULL);
    lt_ids_free(&ids);
    LT_CHECK(st == LT_OK, LT_ERR_CONFIG, "trial %s: method.description is no text: %s", c->name, lt_err_last()->msg);
    if (c->method.init_dialogue[0]) return LT_OK;
    LT_CHECK(c->method.description[0], LT_ERR_CONFIG,
             "trial %s: method.description is missing: it is all that the assistant knows of the task; say what the texts are and what the "
             "labels mean",
             c->name);
    return LT_OK;
}

/* The training samples that prefixes are measured on, and behind them those that are shown. */
static lt_status choose_samples(lt_run *r, int i) {
    const lt_trial_cfg *c = r->trial[i].cfg;
    const lt_samples *s = &r->data.train;
    lt_run_dialogue *g = &r->gpta.of[i];
    lt_order order = {0};
    lt_rng rng = {.seed = c->seed, .purpose = LT_RNG_PROBE};
    g->n_probe = c->method.probe < s->n ? c->method.probe : s->n;
    LT_TRY(lt_calloc(&g->probe, g->n_probe, sizeof *g->probe, "a probe"));
    LT_TRY(lt_calloc(&g->exemplar, c->method.exemplars, sizeof *g->exemplar, "exemplars"));
    LT_TRY(lt_order_create(lt_rng_u64(&rng, 0, 0), s->n, &order));
    for (int64_t k = 0; k < g->n_probe; k++) g->probe[k] = lt_order_sample(&order, k);
    lt_status st = LT_OK;
    for (; st == LT_OK && g->n_exemplars < c->method.exemplars; g->n_exemplars++) {
        int64_t k = lt_order_sample(&order, g->n_probe + g->n_exemplars);
        char *text = NULL;
        st = lt_tok_decode(r->data.tok, s->tokens + s->offset[k], s->offset[k + 1] - s->offset[k], true, &text, NULL);
        if (st == LT_OK && asprintf(&g->exemplar[g->n_exemplars], "%s => %s", text, lt_run_label_name(r, s->label[k])) < 0)
            st = LT_FAIL(LT_ERR_NOMEM, "no memory for an exemplar");
        free(text);
    }
    lt_order_destroy(&order);
    return st;
}

/* A bank for the candidates of one trial at a time. */
static lt_status init_bank(lt_run *r) {
    lt_run_gpta *g = &r->gpta;
    const lt_ctx *ctx = lt_model_ctx(r->model);
    int rows = 0;
    void *kv = NULL;
    for (int i = 0; i < r->n_trials; i++) {
        const lt_tuner *t = r->tuner[i];
        if (has_dialogue(r, i) && 1 + t->cfg->candidates > g->most) g->most = 1 + t->cfg->candidates;
        if (has_dialogue(r, i) && !t->lead_in_rows && t->lead_most > rows) rows = t->lead_most;
    }
    LT_TRY(lt_calloc(&g->lead, g->most, sizeof *g->lead, "candidates"));
    LT_TRY(lt_calloc(&g->tuner, r->n_trials, sizeof *g->tuner, "candidates"));
    if (rows == 0) return LT_OK;
    lt_tuner slots = {.n_slots = g->most, .lead_alone = true, .lead_most = (int)r->bank.model.P_max};
    LT_TRY(lt_run_impl_bank_init(&g->bank, r->model, &(lt_tuner *){&slots}, 1));
    g->kv_bytes = (size_t)lt_tuner_lead_elems(r->tuner[0], rows) * sizeof *g->kv;
    LT_TRY(ctx->ops->alloc(ctx, g->kv_bytes, "a candidate", &kv));
    g->kv = kv;
    return LT_OK;
}

bool lt_run_impl_gpta_shares(const lt_run *r, const lt_arch *arch) {
    const lt_config *c = r->cfg;
    bool any = false;
    for (int i = 0; i < c->n_trials; i++)
        any = any || (c->trial[i].method.name == LT_METHOD_GPTA && c->trial[i].method.control != LT_CONTROL_NO_PREFIX);
    return any && arch->causal && c->model.bidirectional == LT_BIDIRECTIONAL_AUTO && r->dtype != LT_E4M3 && !c->assistant.command[0] &&
           lt_assistant_is_student(&c->assistant, c->model.path);
}

lt_status lt_run_impl_gpta_init(lt_run *r) {
    bool any = false;
    for (int i = 0; i < r->n_trials; i++) any = any || r->trial[i].cfg->method.name == LT_METHOD_GPTA;
    if (!any) return LT_OK;
    LT_TRY(LT_FAULT_POINT("gpta.init"));
    LT_TRY(lt_calloc(&r->gpta.of, r->n_trials, sizeof *r->gpta.of, "dialogues"));
    for (int i = 0; i < r->n_trials; i++) {
        lt_dialogue_init(&r->gpta.of[i].talk, &r->trial[i].cfg->method);
        if (!has_dialogue(r, i)) continue;
        LT_TRY(check(r, i));
        LT_TRY(lt_tuner_lead_frame(r->tuner[i], r->data.tok));
        if (r->purpose == LT_RUN_TRAIN) LT_TRY(choose_samples(r, i));
    }
    return r->purpose == LT_RUN_TRAIN || r->purpose == LT_RUN_PLAN ? init_bank(r) : LT_OK;
}

void lt_run_impl_gpta_fini(lt_run *r) {
    lt_run_gpta *g = &r->gpta;
    const lt_ctx *ctx = r->model ? lt_model_ctx(r->model) : NULL;
    lt_assistant_close(&g->assistant);
    lt_templates_free(&g->templates);
    for (int i = 0; g->of && i < r->n_trials; i++) {
        lt_dialogue_free(&g->of[i].talk);
        for (int k = 0; g->of[i].exemplar && k < g->of[i].n_exemplars; k++) free(g->of[i].exemplar[k]);
        free(g->of[i].exemplar);
        free(g->of[i].probe);
    }
    free(g->of);
    lt_run_impl_bank_fini(&g->bank);
    if (g->kv) ctx->ops->free(ctx, g->kv);
    free(g->lead);
    free(g->tuner);
    *g = (lt_run_gpta){0};
}

static lt_assistant_args args_of(const lt_run *r) {
    int questions = 0;
    for (int i = 0; i < r->n_trials; i++) questions += has_dialogue(r, i);
    return (lt_assistant_args){.cfg = &r->cfg->assistant,
                               .most = r->gpta.most - 1,
                               .questions = questions,
                               .longest = LT_QUESTION_TOKENS,
                               .ops = r->device.ops,
                               .threads = r->threads,
                               .student = r->gpta.shares_model ? r->model : NULL,
                               .grid = &r->grid};
}

lt_status lt_run_impl_gpta_measure_assistant(lt_run *r) {
    bool any = false;
    for (int i = 0; r->gpta.of && i < r->n_trials; i++) any = any || asks(r, i);
    if (!any || (r->purpose != LT_RUN_TRAIN && r->purpose != LT_RUN_PLAN)) return LT_OK;
    lt_assistant_args a = args_of(r);
    lt_status st = lt_assistant_measure(&a, r->grid.world, r->grid.size, &r->gpta.assistant_bytes, &r->gpta.assistant_tp);
    if (st == LT_OK || !r->folder.resume_path) return st;
    if (r->grid.rank == 0) lt_warn("the memory of an assistant is not counted: %s", lt_err_last()->msg);
    lt_err_clear(); /* one that goes on may have nothing left to ask */
    return LT_OK;
}

lt_status lt_run_impl_gpta_limits(const lt_run *r, lt_model_limits *limits) {
    lt_assistant_args a = args_of(r);
    return lt_assistant_limits(&a, lt_model_arch(r->model), limits);
}

lt_status lt_run_impl_gpta_open(lt_run *r) {
    bool any = false;
    for (int i = 0; i < r->n_trials; i++) {
        const lt_trial_cfg *c = r->trial[i].cfg;
        if (!asks(r, i)) continue;
        any = true;
        if (c->method.exemplars && r->grid.rank == 0)
            lt_warn(
                "trial %s: method.exemplars = %d: so many TRAINING SENTENCES LEAVE THE STUDENT'S DATA and are shown to the assistant (%s)",
                c->name, c->method.exemplars, r->cfg->assistant.command[0] ? r->cfg->assistant.command : r->cfg->assistant.model);
    }
    if (!any) return LT_OK;
    lt_assistant_args a = args_of(r);
    LT_TRY(lt_agree(r->grid.world, lt_templates_load(r->cfg->assistant.templates, &r->gpta.templates)));
    LT_TRY(lt_assistant_open(&a, r->grid.world, &r->gpta.assistant));
    if (r->grid.rank == 0) lt_info("assistant: %s", lt_assistant_name(r->gpta.assistant));
    return LT_OK;
}

/* ---- what it costs ---- */

void lt_run_impl_gpta_sum_up(const lt_run *r) {
    const lt_run_gpta *g = &r->gpta;
    double together = g->asked_s + g->measured_s, all = together + r->rates.seconds + r->eval_s + r->rates.io_s;
    if (r->grid.rank != 0 || g->rounds == 0) return;
    lt_info("dialogues of this start: %lld rounds, %lld answers, %lld of use; asking took %.1f s, measuring %.1f s, together %.1f%% of the "
            "time",
            (long long)g->rounds, (long long)g->asked, (long long)g->taken, g->asked_s, g->measured_s, 100 * together / all);
}

/* ---- checkpoints ---- */

/* Keys and values of a lead of so many rows, as a checkpoint names them. */
static lt_named kv_of(const lt_tuner *t, int64_t rows) {
    return (lt_named){.name = "kv", .n_dims = 3, .dim = {2 * (int64_t)t->arch->m, rows, (int64_t)t->arch->Hkv * t->arch->D}};
}

lt_status lt_run_impl_gpta_put(lt_run *r, lt_ckpt_writer *w, int trial) {
    const lt_tuner *t = r->tuner[trial];
    const char *name = r->trial[trial].cfg->name;
    char *text = NULL;
    float *host = NULL;
    if (!has_dialogue(r, trial)) return LT_OK;
    LT_TRY(lt_dialogue_write(&r->gpta.of[trial].talk, &text));
    lt_status st = lt_ckpt_put_str(w, name, "dialogue", text);
    free(text);
    if (st != LT_OK || !t->lead.kv_rows) return st;
    lt_named kv = kv_of(t, t->lead.kv_rows);
    LT_TRY(lt_calloc(&host, lt_named_elems(&kv), sizeof *host, "a prefix"));
    kv.data = host;
    st = lt_tuner_get_lead(t, host);
    if (st == LT_OK) st = lt_ckpt_put_named(w, name, "lead", &kv, 1);
    free(host);
    return st;
}

/* What a checkpoint says of a lead. */
typedef struct stored {
    char *text;
    float *kv;
    int64_t bytes, rows;
} stored;

/* Rank 0. */
static lt_status read_stored(const lt_run *r, lt_ckpt *ck, int trial, stored *s) {
    const lt_tuner *t = r->tuner[trial];
    const char *name = r->trial[trial].cfg->name;
    lt_named *list = NULL;
    int n = 0;
    LT_TRY(lt_ckpt_get_str(ck, name, "dialogue", &s->text));
    s->bytes = (int64_t)strlen(s->text) + 1;
    LT_TRY(lt_ckpt_list_named(ck, name, "lead", &list, &n));
    lt_named kv = n == 1 ? list[0] : (lt_named){0};
    free(list);
    if (n == 0) return LT_OK;
    const lt_named fits = kv_of(t, kv.dim[1]);
    LT_CHECK(n == 1 && kv.n_dims == fits.n_dims && kv.dim[0] == fits.dim[0] && kv.dim[1] > 0 && kv.dim[1] <= t->lead_most &&
                 kv.dim[2] == fits.dim[2] && !t->lead_in_rows,
             LT_ERR_FORMAT, "%s: the keys and values of trial %s's prefix do not fit: expected one array [%lld, 1 to %d, %lld]",
             lt_ckpt_path(ck), name, (long long)fits.dim[0], t->lead_most, (long long)fits.dim[2]);
    LT_TRY(lt_calloc(&s->kv, lt_named_elems(&kv), sizeof *s->kv, "a prefix"));
    kv.data = s->kv;
    s->rows = kv.dim[1];
    return lt_ckpt_get_named(ck, name, "lead", &kv, 1);
}

lt_status lt_run_impl_gpta_recall(lt_run *r, int trial, const char *text, int32_t **lead, int *n) {
    const lt_tuner *t = r->tuner[trial];
    lt_dialogue *d = &r->gpta.of[trial].talk;
    *n = 0;
    LT_TRY(lt_dialogue_read(d, r->data.tok, text));
    const lt_prefix *p = lt_dialogue_in_use(d);
    if (!p) return LT_OK;
    LT_CHECK(p->n_tokens <= d->cfg->max_prefix_tokens, LT_ERR_CONFIG,
             "trial %s: its prefix has %d tokens, but method.max_prefix_tokens is %d: leave it as it was in training",
             r->trial[trial].cfg->name, p->n_tokens, d->cfg->max_prefix_tokens);
    LT_TRY(lt_calloc(lead, t->lead_most, sizeof **lead, "a prefix"));
    *n = lt_tuner_lead_text(t, p->token, p->n_tokens, *lead);
    return LT_OK;
}

/* Local.  The dialogue and its lead. */
static lt_status restore(lt_run *r, int trial, const stored *s) {
    lt_tuner *t = r->tuner[trial];
    int32_t *text = NULL;
    int n = 0;
    lt_status st = LT_OK;
    LT_TRY(lt_run_impl_gpta_recall(r, trial, s->text, &text, &n));
    if (n != s->rows && !t->lead_in_rows)
        st = LT_FAIL(LT_ERR_FORMAT,
                     "the prefix of trial %s has %d tokens, its keys and values are of %lld: the checkpoint was made with "
                     "another tokenizer",
                     r->trial[trial].cfg->name, n, (long long)s->rows);
    if (st == LT_OK) st = lt_tuner_set_lead(t, text, n, s->kv);
    free(text);
    return st;
}

lt_status lt_run_impl_gpta_get(lt_run *r, lt_ckpt *ck, int trial) {
    lt_comm *world = r->grid.world;
    stored s = {0};
    if (!has_dialogue(r, trial)) return LT_OK;
    lt_status st = lt_agree(world, ck ? read_stored(r, ck, trial, &s) : LT_OK);
    if (st == LT_OK) {
        int64_t size[] = {s.bytes, s.rows};
        lt_bcast_host(world, size, sizeof size, 0);
        s.bytes = size[0];
        s.rows = size[1];
        if (!s.text) st = lt_calloc(&s.text, s.bytes, 1, "a dialogue");
        if (!s.kv && s.rows) LT_KEEP(st, lt_calloc(&s.kv, lt_tuner_lead_elems(r->tuner[trial], s.rows), sizeof *s.kv, "a prefix"));
        st = lt_agree(world, st);
    }
    if (st == LT_OK) {
        lt_bcast_host(world, s.text, (size_t)s.bytes, 0);
        if (s.rows) lt_bcast_host(world, s.kv, (size_t)lt_tuner_lead_elems(r->tuner[trial], s.rows) * sizeof *s.kv, 0);
        st = lt_agree(world, restore(r, trial, &s));
    }
    free(s.text);
    free(s.kv);
    return st;
}
