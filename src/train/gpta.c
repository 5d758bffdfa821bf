/* The dialogue of a gpta trial beside its training: when a round is due, what is asked, what comes of it, and where it stands in a checkpoint.
 *
 * Round k is due before step k * every + 1.  The first asks for one prefix and takes it: a student that has learned nothing cannot tell good from bad.  Each
 * later one asks for method.candidates, measures them beside the prefix in use, and the best takes its place if its loss is lower.  A failing assistant costs
 * a round and nothing else. */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool has_dialogue(const lt_run *r, int i) { return r->tuner[i]->lead_most > 0; }

/* ---- beginning ---- */

static bool goes_on(const lt_run *r, int i) {
    return has_dialogue(r, i) && r->trial[i].state == LT_TRIAL_RUNNING && !lt_dialogue_ended(&r->gpta.of[i].talk);
}

/* Somebody has to be asked: not where one round takes what another run found. */
static bool asks(const lt_run *r, int i) {
    const lt_method_cfg *c = &r->trial[i].cfg->method;
    bool one = c->rounds == 1 || c->control == LT_CONTROL_FIRST || c->control == LT_CONTROL_RANDOM;
    return goes_on(r, i) && !(c->init_dialogue[0] && one);
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
    return (lt_assistant_args){.cfg = &r->cfg->assistant,
                               .most = r->gpta.most - 1,
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
    lt_status st = lt_assistant_measure(&a, r->grid.world, r->grid.size, &r->gpta.assistant_bytes);
    if (st == LT_OK || !r->folder.resume_path) return st;
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

/* ---- a round ---- */

/* Local.  A token that says something: a vocabulary may have rows that are no words, and special ones. */
static bool says(const lt_tok *tok, int32_t token) {
    char *text = NULL;
    size_t bytes = 0;
    lt_status st = lt_tok_decode(tok, &token, 1, true, &text, &bytes);
    free(text);
    if (st != LT_OK) lt_err_clear();
    return st == LT_OK && bytes > 0;
}

/* Local.  Random words in place of a prefix, as many tokens. */
static lt_status draw_words(lt_run *r, int trial, int n, int *candidate) {
    enum { TRIES = 64 }; /* a token, on average */
    const lt_tuner *t = r->tuner[trial];
    lt_rng rng = {.seed = r->trial[trial].cfg->seed, .purpose = LT_RNG_PROBE, .a = 1};
    int32_t *token = NULL;
    LT_TRY(lt_calloc(&token, n, sizeof *token, "random tokens"));
    for (uint64_t place = 0, i = 0; i < (uint64_t)n && place < TRIES * (uint64_t)n; place++) {
        token[i] = lt_tuner_random_word(t, r->data.tok, &rng, place);
        i += says(r->data.tok, token[i]);
    }
    lt_status st = lt_dialogue_add_tokens(&r->gpta.of[trial].talk, r->data.tok, token, n, candidate);
    free(token);
    return st;
}

/* Collective(world).  What the assistant is told, and what it says.  *text: what it was told; released by free(). */
static lt_status ask(lt_run *r, int trial, int n, char **text, lt_answers *answers) {
    lt_run_gpta *g = &r->gpta;
    const lt_run_dialogue *of = &g->of[trial];
    const lt_trial_cfg *c = r->trial[trial].cfg;
    lt_rng shuffle = {.seed = c->seed, .purpose = LT_RNG_PROBE, .a = 2 + (uint32_t)of->talk.rounds};
    lt_rng seed = {.seed = c->seed, .purpose = LT_RNG_TOKEN};
    LT_TRY(lt_agree(r->grid.world, lt_dialogue_prompt(&of->talk, &g->templates, lt_run_label_names(r), r->data.K,
                                                      (const char *const *)of->exemplar, of->n_exemplars, &shuffle, text)));
    return lt_assistant_ask(g->assistant, *text, n, lt_rng_u64(&seed, r->cfg->assistant.seed, (uint32_t)of->talk.rounds), answers);
}

/* Local.  Rows of the round for the log; rank 0. */
static void record(lt_run *r, int trial, const char *prompt, const lt_answers *answers, const lt_verdict *verdict, const int *candidate,
                   bool changed) {
    const lt_dialogue *d = &r->gpta.of[trial].talk;
    for (int i = 0; i < answers->n; i++) {
        const lt_prefix *p = candidate[i] >= 0 ? &d->prefix[candidate[i]] : NULL;
        lt_dialogue_row row = {.step = r->trial[trial].step,
                               .round = d->rounds - 1,
                               .prompt = prompt,
                               .answer = answers->text[i],
                               .prefix = p ? p->text : "",
                               .verdict = lt_verdict_word(verdict[i]),
                               .probe_loss = p ? p->loss : NAN,
                               .gain = p ? p->gain : NAN,
                               .accuracy = p ? p->accuracy : NAN,
                               .probed = p ? p->probed : 0,
                               .chosen = changed && candidate[i] >= 0 && candidate[i] == d->in_use};
        lt_run_impl_record_dialogue(r, trial, &row);
    }
}

static void tell(const lt_run *r, int trial, const lt_answers *answers, int taken, bool changed, double measured_s) {
    const lt_dialogue *d = &r->gpta.of[trial].talk;
    const char *name = r->trial[trial].cfg->name;
    const lt_prefix *p = d->in_use >= 0 ? &d->prefix[d->in_use] : NULL;
    if (r->grid.rank != 0) return;
    char now[320] = "no prefix";
    if (p && p->text[0]) (void)snprintf(now, sizeof now, "\"%.300s\"", p->text);
    if (answers->problem)
        lt_warn("trial %s, round %d: the assistant gave %d answers: %s; the run goes on with %s", name, d->rounds, answers->n,
                answers->problem, now);
    lt_info("trial %s, round %d before step %lld: %d answers in %.1f s, %d of use, measured in %.1f s; %s %s%s", name, d->rounds,
            (long long)r->trial[trial].step + 1, answers->n, answers->seconds, taken, measured_s, changed ? "new prefix" : "stays with",
            now, lt_dialogue_ended(d) ? "; the dialogue ends" : "");
}

/* Collective(world).  The prefix that another run's dialogue came to, as an answer. */
static lt_status inherit(lt_run *r, int trial, lt_answers *answers) {
    char *text = NULL;
    int64_t bytes = 0;
    lt_status st = r->grid.rank == 0 ? lt_run_impl_gpta_inherit(r, trial, &text) : LT_OK;
    LT_TRY(lt_agree(r->grid.world, st));
    if (text) bytes = (int64_t)strlen(text) + 1;
    lt_bcast_host(r->grid.world, &bytes, sizeof bytes, 0);
    if (!text) st = lt_calloc(&text, bytes, 1, "a prefix");
    LT_KEEP(st, lt_calloc(&answers->text, 1, sizeof *answers->text, "a prefix"));
    st = lt_agree(r->grid.world, st);
    if (st == LT_OK) lt_bcast_host(r->grid.world, text, (size_t)bytes, 0);
    if (st != LT_OK) {
        free(text);
        return st;
    }
    answers->text[0] = text;
    answers->n = 1;
    return LT_OK;
}

/* Local.  Opens the round with what was answered; taken: candidates. */
static lt_status take(lt_run *r, int trial, const lt_answers *answers, lt_verdict *verdict, int *candidate, int *taken) {
    lt_dialogue *d = &r->gpta.of[trial].talk;
    LT_TRY(lt_dialogue_take(d, r->data.tok, (const char *const *)answers->text, answers->n, verdict, candidate));
    *taken = d->n - d->open0;
    if (d->cfg->control != LT_CONTROL_RANDOM || *taken == 0) return LT_OK;
    int n = d->prefix[d->open0].n_tokens, first = -1;
    lt_dialogue_abandon_round(d);
    LT_TRY(draw_words(r, trial, n, &first));
    for (int i = 0; i < answers->n; i++) candidate[i] = candidate[i] < 0 ? -1 : first;
    *taken = 1;
    return LT_OK;
}

/* Collective(world). */
static lt_status run_round(lt_run *r, int trial) {
    lt_run_gpta *g = &r->gpta;
    lt_dialogue *d = &g->of[trial].talk;
    /* nothing is measured before the first step, nor by a control that only waits for its one text */
    bool first = d->rounds == 0 || d->cfg->control == LT_CONTROL_RANDOM || d->cfg->control == LT_CONTROL_FIRST;
    bool changed = false, inherits = d->rounds == 0 && d->cfg->init_dialogue[0];
    int n = first ? 1 : d->cfg->candidates, taken = 0;
    lt_answers answers = {0};
    char *prompt = NULL;
    lt_verdict *verdict = NULL;
    int *candidate = NULL;
    lt_status st = LT_FAULT_POINT("gpta.round");
    LT_KEEP(st, lt_calloc(&verdict, n, sizeof *verdict, "answers"));
    LT_KEEP(st, lt_calloc(&candidate, n, sizeof *candidate, "answers"));
    st = lt_agree(r->grid.world, st);
    if (st == LT_OK) st = inherits ? inherit(r, trial, &answers) : ask(r, trial, n, &prompt, &answers);
    if (st == LT_OK) st = lt_agree(r->grid.world, take(r, trial, &answers, verdict, candidate, &taken));
    double t0 = lt_time_s(), measured_s = 0;
    if (st == LT_OK && !first && taken > 0) {
        st = lt_run_impl_gpta_measure(r, trial);
        measured_s = lt_time_s() - t0;
    }
    if (st == LT_OK) {
        lt_dialogue_close_round(d, &changed);
        if (changed) st = lt_run_impl_gpta_use(r, trial);
        if (r->grid.rank == 0) record(r, trial, prompt, &answers, verdict, candidate, changed);
        tell(r, trial, &answers, taken, changed, measured_s);
        g->rounds++;
        g->asked += answers.n;
        g->taken += taken;
        g->asked_s += answers.seconds;
        g->measured_s += measured_s;
    } else {
        lt_dialogue_abandon_round(d);
    }
    lt_answers_free(&answers);
    free(prompt);
    free(verdict);
    free(candidate);
    return st;
}

lt_status lt_run_impl_gpta_rounds(lt_run *r, bool *stop) {
    for (int i = 0; r->gpta.of && !*stop && i < r->n_trials; i++) {
        const lt_dialogue *d = &r->gpta.of[i].talk;
        if (!goes_on(r, i) || d->rounds * d->cfg->every > r->trial[i].step) continue;
        lt_status st = run_round(r, i);
        if (st == LT_ERR_STOPPED) {
            *stop = true;
            lt_err_clear();
        } else if (st != LT_OK) {
            return st;
        }
    }
    return LT_OK;
}

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

/* Local.  The dialogue and its lead. */
static lt_status restore(lt_run *r, int trial, const stored *s) {
    lt_tuner *t = r->tuner[trial];
    lt_dialogue *d = &r->gpta.of[trial].talk;
    const lt_prefix *p;
    int32_t *text = NULL;
    int n = 0;
    LT_TRY(lt_dialogue_read(d, r->data.tok, s->text));
    p = d->in_use >= 0 && d->prefix[d->in_use].n_tokens > 0 ? &d->prefix[d->in_use] : NULL;
    LT_CHECK(!p || p->n_tokens <= d->cfg->max_prefix_tokens, LT_ERR_CONFIG,
             "trial %s: its prefix has %d tokens, but method.max_prefix_tokens is %d: leave it as it was in training",
             r->trial[trial].cfg->name, p->n_tokens, d->cfg->max_prefix_tokens);
    if (p) {
        LT_TRY(lt_calloc(&text, t->lead_most, sizeof *text, "a prefix"));
        n = lt_tuner_lead_text(t, p->token, p->n_tokens, text);
    }
    lt_status st = LT_OK;
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
