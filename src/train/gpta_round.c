/* Rounds of the dialogues of gpta trials: when one is due, what is asked, what comes of it.
 *
 * Round k is due before step k * every + 1.  The first asks for one prefix and takes it: a student that has learned nothing cannot tell good from bad.  Each
 * later one asks for method.candidates, measures them beside the prefix in use, and the best takes its place if its loss is lower.  A failing assistant costs
 * a round and nothing else.
 *
 * Rounds that are due before the same step are held together: all questions are asked at once, then candidates are measured trial by trial, then all rounds
 * are closed.  A signal in between leaves all of them due, so the questions of a restart are asked in the same company. */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A round at hand. */
typedef struct lt_round {
    int trial, n;        /* answers wanted */
    bool first, changed; /* taken unmeasured; its best came into use */
    char *prompt;        /* what was asked; NULL = nobody */
    lt_answers answers;
    lt_verdict *verdict; /* [n] of the answers */
    int *candidate;      /* [n] their places in the dialogue, -1 = none */
    int taken;
    double measured_s;
} lt_round;

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

/* Local.  Rows of a round for the log; rank 0. */
static void record(lt_run *r, const lt_round *o) {
    const lt_dialogue *d = &r->gpta.of[o->trial].talk;
    for (int i = 0; i < o->answers.n; i++) {
        const lt_prefix *p = o->candidate[i] >= 0 ? &d->prefix[o->candidate[i]] : NULL;
        lt_dialogue_row row = {.step = r->trial[o->trial].step,
                               .round = d->rounds - 1,
                               .prompt = o->prompt,
                               .answer = o->answers.text[i],
                               .prefix = p ? p->text : "",
                               .verdict = lt_verdict_word(o->verdict[i]),
                               .probe_loss = p ? p->loss : NAN,
                               .gain = p ? p->gain : NAN,
                               .accuracy = p ? p->accuracy : NAN,
                               .probed = p ? p->probed : 0,
                               .chosen = o->changed && o->candidate[i] >= 0 && o->candidate[i] == d->in_use};
        lt_run_impl_record_dialogue(r, o->trial, &row);
    }
}

/* Rank 0. */
static void tell(const lt_run *r, const lt_round *o) {
    const lt_dialogue *d = &r->gpta.of[o->trial].talk;
    const lt_trial *t = &r->trial[o->trial];
    const lt_prefix *p = d->in_use >= 0 ? &d->prefix[d->in_use] : NULL;
    char now[320] = "no prefix";
    if (p && p->text[0]) (void)snprintf(now, sizeof now, "\"%.300s\"", p->text);
    if (o->answers.problem)
        lt_warn("trial %s, round %d: the assistant gave %d answers: %s; the run goes on with %s", t->cfg->name, d->rounds, o->answers.n,
                o->answers.problem, now);
    lt_info("trial %s, round %d before step %lld: %d answers in %.1f s, %d of use, measured in %.1f s; %s %s%s", t->cfg->name, d->rounds,
            (long long)t->step + 1, o->answers.n, o->answers.seconds, o->taken, o->measured_s, o->changed ? "new prefix" : "stays with",
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

/* Local.  Candidates from what was answered. */
static lt_status take(lt_run *r, lt_round *o) {
    lt_dialogue *d = &r->gpta.of[o->trial].talk;
    LT_TRY(LT_FAULT_POINT("gpta.round"));
    LT_TRY(lt_dialogue_take(d, r->data.tok, (const char *const *)o->answers.text, o->answers.n, o->verdict, o->candidate));
    o->taken = d->n - d->open0;
    if (d->cfg->control != LT_CONTROL_RANDOM || o->taken == 0) return LT_OK;
    int n = d->prefix[d->open0].n_tokens, first = -1;
    lt_dialogue_abandon_round(d);
    LT_TRY(draw_words(r, o->trial, n, &first));
    for (int i = 0; i < o->answers.n; i++) o->candidate[i] = o->candidate[i] < 0 ? -1 : first;
    o->taken = 1;
    return LT_OK;
}

/* ---- rounds ---- */

static bool is_due(const lt_run *r, int i) {
    const lt_dialogue *d = &r->gpta.of[i].talk;
    return lt_run_impl_gpta_goes_on(r, i) && d->rounds * d->cfg->every <= r->trial[i].step;
}

static bool inherits(const lt_dialogue *d) { return d->rounds == 0 && d->cfg->init_dialogue[0]; }

/* Local.  The rounds that are due, with the questions of those that ask. */
static lt_status open_rounds(lt_run *r, lt_round *o, int n) {
    LT_TRY(LT_FAULT_POINT("gpta.rounds"));
    for (int i = 0, trial = 0; i < n; i++, trial++) {
        while (!is_due(r, trial)) trial++;
        const lt_run_dialogue *of = &r->gpta.of[trial];
        const lt_method_cfg *c = of->talk.cfg;
        lt_rng shuffle = {.seed = r->trial[trial].cfg->seed, .purpose = LT_RNG_PROBE, .a = 2 + (uint32_t)of->talk.rounds};
        /* nothing is measured before the first step, nor by a control that only waits for its one text */
        bool first = of->talk.rounds == 0 || c->control == LT_CONTROL_RANDOM || c->control == LT_CONTROL_FIRST;
        o[i].trial = trial;
        o[i].first = first;
        o[i].n = first ? 1 : c->candidates;
        LT_TRY(lt_calloc(&o[i].verdict, o[i].n, sizeof *o[i].verdict, "answers"));
        LT_TRY(lt_calloc(&o[i].candidate, o[i].n, sizeof *o[i].candidate, "answers"));
        if (!inherits(&of->talk))
            LT_TRY(lt_dialogue_prompt(&of->talk, &r->gpta.templates, lt_run_label_names(r), r->data.K, (const char *const *)of->exemplar,
                                      of->n_exemplars, &shuffle, &o[i].prompt));
    }
    return LT_OK;
}

/* Collective(world).  Asks those that want n answers, all at once; question and answers: room for n_rounds. */
static lt_status ask_for(lt_run *r, lt_round *o, int n_rounds, int n, lt_question *question, lt_answers *answers) {
    int count = 0;
    for (int i = 0; i < n_rounds; i++) {
        lt_rng seed = {.seed = r->trial[o[i].trial].cfg->seed, .purpose = LT_RNG_TOKEN};
        if (!o[i].prompt || o[i].n != n) continue;
        question[count++] = (lt_question){.prompt = o[i].prompt,
                                          .seed = lt_rng_u64(&seed, r->cfg->assistant.seed, (uint32_t)r->gpta.of[o[i].trial].talk.rounds)};
    }
    if (count == 0) return LT_OK;
    LT_TRY(lt_assistant_ask(r->gpta.assistant, question, count, n, answers));
    for (int i = 0, k = 0; i < n_rounds; i++)
        if (o[i].prompt && o[i].n == n) o[i].answers = answers[k++];
    return LT_OK;
}

/* Collective(world). */
static lt_status ask_all(lt_run *r, lt_round *o, int n_rounds) {
    lt_question *question = NULL;
    lt_answers *answers = NULL;
    lt_status st = lt_calloc(&question, n_rounds, sizeof *question, "questions");
    LT_KEEP(st, lt_calloc(&answers, n_rounds, sizeof *answers, "questions"));
    st = lt_agree(r->grid.world, st);
    for (int i = 0; st == LT_OK && i < n_rounds; i++)
        if (!o[i].prompt) st = inherit(r, o[i].trial, &o[i].answers);
    for (int n = 1; st == LT_OK && n < r->gpta.most; n++) st = ask_for(r, o, n_rounds, n, question, answers);
    free(question);
    free(answers);
    return st;
}

/* Collective(world).  Candidates of a round, and how they do. */
static lt_status weigh(lt_run *r, lt_round *o) {
    LT_TRY(lt_agree(r->grid.world, take(r, o)));
    if (o->first || o->taken == 0) return LT_OK;
    double t0 = lt_time_s();
    lt_status st = lt_run_impl_gpta_measure(r, o->trial);
    o->measured_s = lt_time_s() - t0;
    return st;
}

/* Collective(world). */
static lt_status close_round(lt_run *r, lt_round *o) {
    lt_run_gpta *g = &r->gpta;
    lt_dialogue_close_round(&g->of[o->trial].talk, &o->changed);
    if (o->changed) LT_TRY(lt_run_impl_gpta_use(r, o->trial));
    if (r->grid.rank == 0) {
        record(r, o);
        tell(r, o);
    }
    g->rounds++;
    g->asked += o->answers.n;
    g->taken += o->taken;
    g->asked_s += o->answers.seconds;
    g->measured_s += o->measured_s;
    return LT_OK;
}

lt_status lt_run_impl_gpta_rounds(lt_run *r, bool *stop) {
    lt_round *o = NULL;
    int n = 0;
    for (int i = 0; r->gpta.of && i < r->n_trials; i++) n += is_due(r, i);
    if (n == 0 || *stop) return LT_OK;
    lt_status st = lt_calloc(&o, n, sizeof *o, "rounds");
    LT_KEEP(st, open_rounds(r, o, n));
    st = lt_agree(r->grid.world, st);
    if (st == LT_OK) st = ask_all(r, o, n);
    for (int i = 0; st == LT_OK && i < n; i++) st = weigh(r, &o[i]);
    for (int i = 0; o && st != LT_OK && i < n; i++) lt_dialogue_abandon_round(&r->gpta.of[o[i].trial].talk);
    for (int i = 0; st == LT_OK && i < n; i++) st = close_round(r, &o[i]);
    for (int i = 0; o && i < n; i++) {
        lt_answers_free(&o[i].answers);
        free(o[i].prompt);
        free(o[i].verdict);
        free(o[i].candidate);
    }
    free(o);
    if (st != LT_ERR_STOPPED) return st;
    *stop = true;
    lt_err_clear();
    return LT_OK;
}
