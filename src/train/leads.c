/* Leads before a student's inputs: the one in use, and candidates side by side.
 *
 * All candidates of a round ride in the same packs: each has a slot of a bank of its own, filled from one reading of its text, so a sentence behind a candidate
 * costs the rows of the sentence.  (With adapters inside the layers a lead stands among the rows instead.)
 *
 * Scoring by halving (Karnin, Koren and Somekh 2013, "successive halving"): all on a few sentences, then the better half on as many again, until half of
 * the probe is used; of up to 15 candidates one is left by then beside the prefix in use.  Differences to the prefix in use on the same sentences decide,
 * for sentences differ more than prefixes do.  Nine on a probe of 256: 9 x 8, 5 x 8, 3 x 16, 2 x 32, 2 x 64 = 352 sentences, where all on all would be
 * 2,304. */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Local. */
static lt_status alloc_reading(const lt_tuner *t, int32_t **text, float **kv) {
    LT_TRY(LT_FAULT_POINT("gpta.lead"));
    LT_TRY(lt_calloc(text, t->lead_most, sizeof **text, "a prefix"));
    return t->lead_in_rows ? LT_OK : lt_calloc(kv, lt_tuner_lead_elems(t, t->lead_most), sizeof **kv, "keys and values of a prefix");
}

/* Collective(world).  What a prefix becomes before the inputs of a tuner: its tokens, and rank 0's keys and values for all. */
static void read_lead(lt_run *r, const lt_tuner *t, const lt_prefix *p, int32_t *text, int *n, float *kv) {
    *n = lt_tuner_lead_text(t, p->token, p->n_tokens, text);
    if (t->lead_in_rows) return;
    lt_model_text_kv(r->model, text, *n, kv);
    lt_bcast_host(r->grid.world, kv, (size_t)lt_tuner_lead_elems(t, *n) * sizeof *kv, 0);
}

lt_status lt_run_impl_gpta_use(lt_run *r, int trial) {
    lt_tuner *t = r->tuner[trial];
    const lt_prefix *p = lt_dialogue_in_use(&r->gpta.of[trial].talk);
    int32_t *text = NULL;
    float *kv = NULL;
    int n = 0;
    lt_status st = lt_agree(r->grid.world, p ? alloc_reading(t, &text, &kv) : LT_OK);
    if (st == LT_OK && p) read_lead(r, t, p, text, &n, kv);
    if (st == LT_OK) st = lt_agree(r->grid.world, lt_tuner_set_lead(t, text, n, kv));
    free(text);
    free(kv);
    return st;
}

/* ---- candidates ---- */

/* Local, between collectives: what fails here is fatal.  Candidate c of the choice: its tokens, and its slot. */
static lt_status fill(lt_run *r, lt_tuner *one, int c, const int32_t *text, int n, const float *kv) {
    lt_run_gpta *g = &r->gpta;
    lt_status st = lt_tuner_set_lead(one, text, n, kv);
    g->lead[c] = one->lead;
    if (st != LT_OK || one->lead_in_rows) return st;
    g->bank.slot_len[c] = lt_tuner_slot_len(one, &one->lead);
    LT_TRY(one->ops->forward(one, g->bank.kv, g->bank.model.P_max, r->bank.prompt));
    return one->ctx->ops->wait(one->ctx, NULL); /* g->kv is the next one's */
}

/* Collective(world). */
static void place(lt_run *r, int trial, int c, const lt_prefix *p, int32_t *text, float *kv) {
    lt_tuner one = *r->tuner[trial];
    int n = 0;
    if (p) read_lead(r, &one, p, text, &n, kv);
    one.slot0 = c;
    one.lead = (lt_lead){.kv = one.lead_in_rows ? NULL : r->gpta.kv};
    lt_status st = fill(r, &one, c, text, n, kv);
    if (st != LT_OK) lt_fatal(r->grid.world, st); /* the others are in the next one's collectives */
}

/* Collective(world).  The prefix in use and the candidates of the open round: n leads. */
static lt_status place_all(lt_run *r, int trial, int *n) {
    lt_run_gpta *g = &r->gpta;
    lt_tuner *t = r->tuner[trial];
    const lt_dialogue *d = &g->of[trial].talk;
    int32_t *text = NULL;
    float *kv = NULL;
    lt_status st = lt_agree(r->grid.world, alloc_reading(t, &text, &kv));
    *n = 1 + d->n - d->open0;
    for (int c = 0; st == LT_OK && c < *n; c++) place(r, trial, c, c ? &d->prefix[d->open0 + c - 1] : lt_dialogue_in_use(d), text, kv);
    if (st == LT_OK && !t->lead_in_rows) {
        st = lt_run_impl_bank_cut(&g->bank);
        g->bank.model.prompt = r->bank.model.prompt;
        g->bank.model.prompt_rows = r->bank.model.prompt_rows;
        g->bank.model.adapter = r->bank.model.adapter;
        g->bank.model.n_adapters = r->bank.model.n_adapters;
    }
    free(text);
    free(kv);
    return lt_agree(r->grid.world, st);
}

/* What is known of a candidate: sums over the sentences that it was measured on. */
typedef struct tally {
    double loss, gain, gain_right;
    int64_t n;
} tally;

static void add_up(tally *of, const int *alive, int n_alive, const double *out, int64_t n) {
    for (int a = 0; a < n_alive; a++) {
        tally *t = &of[alive[a]];
        const double *mine = out + 2 * alive[a] * n; /* beside out[0 ..]: the prefix in use */
        for (int64_t k = 0; k < n; k++) {
            t->loss += mine[2 * k];
            t->gain += out[2 * k] - mine[2 * k];
            t->gain_right += mine[2 * k + 1] - out[2 * k + 1];
        }
        t->n += n;
    }
}

static double mean_gain(const tally *t) { return t->n ? t->gain / (double)t->n : -INFINITY; }

/* The prefix in use, number 0, and the better half of the others. */
static int halve(const tally *of, int *alive, int n_alive) {
    for (int a = 2; a < n_alive; a++)
        for (int b = a; b > 1 && mean_gain(&of[alive[b]]) > mean_gain(&of[alive[b - 1]]); b--) {
            int worse = alive[b - 1];
            alive[b - 1] = alive[b];
            alive[b] = worse;
        }
    return 1 + n_alive / 2;
}

/* Collective(world).  One pass a rung. */
static lt_status race(lt_run *r, int trial, lt_lead_choice *choice, int *alive, tally *of, double *out) {
    const lt_run_dialogue *g = &r->gpta.of[trial];
    bool full = r->trial[trial].cfg->method.scoring == LT_SCORING_FULL;
    int64_t least = g->n_probe / 32 < 4 ? 4 : g->n_probe / 32, seen = 0;
    for (;;) {
        int64_t take = full ? g->n_probe : seen ? seen : least;
        if (take > g->n_probe - seen) take = g->n_probe - seen;
        LT_TRY(lt_run_impl_measure_leads(r, trial, choice, g->probe + seen, take, out));
        add_up(of, alive, choice->n_alive, out, take);
        seen += take;
        if (full || 2 * seen >= g->n_probe) return LT_OK;
        choice->n_alive = halve(of, alive, choice->n_alive);
    }
}

static void note(lt_prefix *prefix, const tally *of, int n) {
    for (int c = 1; c < n; c++) {
        lt_prefix *p = &prefix[c - 1];
        p->loss = of[c].loss / (double)of[c].n;
        p->gain = mean_gain(&of[c]);
        p->accuracy = of[c].gain_right / (double)of[c].n;
        p->probed = of[c].n;
    }
}

lt_status lt_run_impl_gpta_measure(lt_run *r, int trial) {
    lt_run_gpta *g = &r->gpta;
    lt_dialogue *d = &g->of[trial].talk;
    int n = 0, *alive = NULL;
    tally *of = NULL;
    double *out = NULL;
    lt_status st = lt_calloc(&alive, g->most, sizeof *alive, "candidates");
    LT_KEEP(st, lt_calloc(&of, g->most, sizeof *of, "candidates"));
    LT_KEEP(st, lt_calloc(&out, 2 * g->most * g->of[trial].n_probe, sizeof *out, "measures of candidates"));
    st = lt_agree(r->grid.world, st);
    if (st == LT_OK) st = place_all(r, trial, &n);
    if (st == LT_OK) {
        g->shadow = *r->tuner[trial];
        g->shadow.choice = g->lead;
        g->shadow.slot0 = 0;
        for (int i = 0; i < r->n_trials; i++) g->tuner[i] = i == trial ? &g->shadow : r->tuner[i];
        for (int c = 0; c < n; c++) alive[c] = c;
        lt_lead_choice choice = {
            .n = n, .n_alive = n, .alive = alive, .tuner = g->tuner, .bank = g->shadow.lead_in_rows ? &r->bank.model : &g->bank.model};
        st = race(r, trial, &choice, alive, of, out);
    }
    if (st == LT_OK) note(d->prefix + d->open0, of, n);
    for (int c = 0; c < g->most; c++) {
        free(g->lead[c].token);
        g->lead[c] = (lt_lead){0};
    }
    free(alive);
    free(of);
    free(out);
    return st;
}
