/* Scores of samples under trials, and what is counted from them: the forward half of a step, for evaluation and prediction.
 *
 * A K-way trial gives its K logits; a pair trial runs every candidate label and gives the log-odds of "is the label of".  A softmax over the K scores is then
 * the class distribution in both cases.  Samples are dealt over the data-parallel ranks, all candidates of one to the same, so that each rank decides its
 * samples alone: what is summed over ranks are counts (metrics.h), not scores. */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One pass over samples under trials first .. first + count - 1. */
typedef struct pass {
    lt_run *r;
    const lt_samples *s;
    lt_features *features; /* or NULL */
    int first, count;
    const lt_lead_choice *leads; /* NULL = the lead in use, and all samples; else: */
    const int64_t *which;        /* [n_which] the samples, dealt in turn */
    int64_t n_which;
    const lt_item *at; /* whose scores are being decided */
    lt_batch batch;    /* for the model: (trial, sample, candidate); from n_scored on, samples that are there for their features only */
    lt_batch kept;     /* of trials whose features are kept */
    int64_t n_scored, place0;
    double *score; /* [K] of the pair sample at hand */
    float *logits; /* host [rows, ld] */
    void (*decide)(struct pass *p, int trial, int64_t sample, int64_t token,
                   const double *score);                    /* token: in the sample; 0 for sequences */
    void (*end)(struct pass *p, int trial, int64_t sample); /* after the last token of a sample; NULL: nothing is to do then */
    double *out;                                            /* what they fill in: counts or scores */
    int32_t *decided, *truth, *predicted; /* scratch of count(): labels of a sample's tokens [longest]; tags of its words [most words] */
} pass;

/* Rows of padding behind a sample: what it takes to the longest of its batch, and none in trials that do not pad. */
static int32_t padding_of(const pass *p, int trial, int64_t sample) {
    const lt_trial *t = &p->r->trial[trial];
    if (!lt_tuner_pads(&t->tuner)) return 0;
    return lt_samples_padding(p->s, sample, lt_samples_padded_in_order(p->s, sample, t->cfg->train.batch));
}

static lt_status take_scratch(pass *p) {
    const lt_heads *h = &p->r->work.heads;
    LT_TRY(lt_calloc(&p->score, p->r->data.K, sizeof *p->score, "scores"));
    return lt_calloc(&p->logits, h->max_rows * h->ld, sizeof *p->logits, "scores");
}

/* Candidates measured side by side: one trial, some samples, every lead. */
static lt_status list_leads(pass *p) {
    lt_run *r = p->r;
    LT_TRY(LT_FAULT_POINT("score.leads"));
    LT_TRY(lt_batch_create(p->n_which * p->leads->n_alive, &p->batch));
    LT_TRY(take_scratch(p));
    for (int c = 0; c < p->leads->n_alive; c++)
        for (int64_t k = r->grid.dp_rank; k < p->n_which; k += r->grid.dp_size) {
            lt_item item = {.trial = p->first, .sample = (int32_t)p->which[k], .candidate = p->leads->alive[c], .target = (int32_t)k};
            LT_TRY(lt_batch_add(&p->batch, p->leads->tuner[p->first], p->s, item));
        }
    p->n_scored = p->batch.n;
    lt_batch_plan(&p->batch, p->n_scored, r->work.pack_rows);
    return LT_OK;
}

/* The trials that are wanted and have values, and samples dealt to this rank. */
static lt_status list(pass *p) {
    if (p->leads) return list_leads(p);
    lt_run *r = p->r;
    const lt_samples *s = p->s;
    bool *mine = NULL;
    int64_t n_mine = 0, most = 0;
    lt_status st = LT_OK;
    LT_TRY(LT_FAULT_POINT("score.local"));
    LT_TRY(lt_run_impl_check_samples(r, s));
    LT_TRY(lt_calloc(&mine, s->n, sizeof *mine, "a deal of samples"));
    LT_TRY_GOTO(lt_deal_samples(s, r->grid.dp_rank, r->grid.dp_size, mine, &n_mine), st, done);
    for (int i = p->first; i < p->first + p->count; i++) most += n_mine * (r->tuner[i]->pairs ? r->data.K : 1);
    LT_TRY_GOTO(lt_batch_create(most, &p->batch), st, done);
    LT_TRY_GOTO(lt_batch_create(p->features ? most : 0, &p->kept), st, done);
    LT_TRY_GOTO(take_scratch(p), st, done);
    for (int i = p->first; i < p->first + p->count; i++) {
        bool keep = p->features && lt_tuner_reads_base(r->tuner[i]);
        if (!r->trial[i].has_values) continue;
        for (int64_t k = 0; k < s->n; k++)
            for (int y = 0; mine[k] && y < (r->tuner[i]->pairs ? r->data.K : 1); y++) {
                lt_item item = {.trial = i, .sample = (int32_t)k, .candidate = y, .padding = padding_of(p, i, k)};
                LT_TRY_GOTO(lt_batch_add(keep ? &p->kept : &p->batch, r->tuner[i], s, item), st, done);
            }
    }
    p->n_scored = p->batch.n;
    p->place0 = p->features ? p->features->used : 0;
    for (int64_t k = 0; k < p->kept.n; k++)
        if (lt_run_impl_features_want(p->features, p->kept.item[k].sample))
            LT_TRY_GOTO(lt_batch_add(&p->batch, r->tuner[p->kept.item[k].trial], s, p->kept.item[k]), st, done);
    lt_batch_plan(&p->batch, p->n_scored, r->work.pack_rows);
done:
    free(mine);
    return st;
}

static void fini(pass *p) {
    lt_batch_destroy(&p->batch);
    lt_batch_destroy(&p->kept);
    free(p->score);
    free(p->logits);
}

/* One row of logits of a sequence (or of a token). */
static void take(pass *p, const lt_item *it, int64_t token, const float *z) {
    int K = p->r->data.K;
    p->at = it;
    if (!p->r->tuner[it->trial]->pairs) {
        for (int y = 0; y < K; y++) p->score[y] = (double)z[y];
        p->decide(p, it->trial, it->sample, token, p->score);
        return;
    }
    /* the candidates of a sample follow each other, over the end of a pack too */
    p->score[it->candidate] = (double)z[1] - (double)z[0];
    if (it->candidate == K - 1) p->decide(p, it->trial, it->sample, 0, p->score);
}

/* Logits of n rows, or of as many sequences where they are pooled, to the host. */
static lt_status fetch(pass *p, int64_t n) {
    const lt_heads *h = &p->r->work.heads;
    return lt_ctx_download(h->ctx, p->logits, h->n_pooled ? h->pooled : h->logits, (size_t)(n * h->ld) * sizeof *p->logits);
}

static lt_status score_pack(pass *p, const lt_item *item, int64_t count, const lt_readout_rows *out) {
    lt_run *r = p->r;
    const lt_pack *pack = &r->work.pack;
    int ld = r->work.heads.ld;
    int64_t runs = lt_run_impl_runs(r, pack);
    LT_TRY(lt_run_impl_heads_logits(&r->work.heads, out->rows, r->work.run, runs, false));
    if (r->tuner[item[0].trial]->pools_logits) LT_TRY(lt_run_impl_heads_pool(&r->work.heads, out, r->work.run, runs, pack->n_seq));
    LT_TRY(fetch(p, r->work.heads.n_pooled ? pack->n_seq : out->n));
    for (int64_t i = 0; i < count; i++) {
        if (r->readout != LT_READ_TOKENS) take(p, &item[i], 0, p->logits + i * ld);
        for (int64_t row = pack->text0[i]; r->readout == LT_READ_TOKENS && row < pack->text1[i]; row++)
            take(p, &item[i], row - pack->text0[i], p->logits + row * ld);
        if (r->readout == LT_READ_TOKENS && p->end) p->end(p, item[i].trial, item[i].sample);
    }
    return LT_OK;
}

/* The next pack; *more false when there was none. */
static lt_status next_pack(pass *p, bool *more) {
    lt_run *r = p->r;
    int64_t first, count;
    lt_forward_args f;
    lt_readout_rows out;
    LT_TRY(lt_batch_next(&p->batch, p->s, p->leads ? p->leads->tuner : r->tuner, &r->work.pack, &first, &count));
    *more = count > 0;
    if (count == 0) return LT_OK;
    lt_comm_progress(r->grid.world);
    lt_run_impl_forward(r, p->leads ? p->leads->bank : &r->bank.model, false, &f, &out);
    LT_TRY(LT_FAULT_POINT("score.pack"));
    if (first < p->n_scored) return score_pack(p, p->batch.item + first, count, &out);
    return lt_run_impl_features_keep(p->features, out.rows, p->place0 + first - p->n_scored, count);
}

/* Heads on kept features. */
static lt_status score_kept(pass *p) {
    lt_run *r = p->r;
    lt_feature_rows *rows = &r->work.rows;
    for (int64_t first = 0, n; first < p->kept.n; first += n) {
        int64_t runs = 0;
        for (n = 0; n < rows->max && first + n < p->kept.n; n++) {
            const lt_item *it = &p->kept.item[first + n];
            rows->host_index[n] = (int32_t)p->features->place[it->sample];
            rows->host_target[n] = 0;
            rows->host_weight[n] = 0;
            if (runs == 0 || r->work.run[runs - 1].trial != it->trial)
                r->work.run[runs++] = (lt_head_rows){.trial = it->trial, .row0 = n, .row1 = n};
            r->work.run[runs - 1].row1 = n + 1;
        }
        LT_TRY(lt_run_impl_feature_rows_gather(rows, p->features, n));
        LT_TRY(lt_run_impl_heads_logits(&r->work.heads, rows->x, r->work.run, runs, false));
        LT_TRY(fetch(p, n));
        for (int64_t i = 0; i < n; i++) take(p, &p->kept.item[first + i], 0, p->logits + i * r->work.heads.ld);
    }
    return LT_OK;
}

/* Collective(world).  All samples of this rank through decide(), in rounds that see signals. */
static lt_status run_pass(pass *p) {
    lt_run *r = p->r;
    lt_comm *world = r->grid.world;
    lt_status st = lt_agree(world, list(p));
    bool more = true;
    double pack_s = 0;
    int64_t packs;
    if (st != LT_OK) return st;
    if (!p->leads) st = lt_run_impl_bank_fill(&r->bank, r->tuner, r->n_trials, NULL); /* leads have been put in their places */
    if (st != LT_OK) lt_fatal(world, st);
    while ((packs = lt_run_impl_round(world, more, pack_s)) > 0) {
        double t0 = lt_time_s();
        int64_t done = 0;
        for (; done < packs && more && st == LT_OK; done++) st = next_pack(p, &more);
        /* lengths were checked when the run was planned: a failure here is a bug */
        if (st != LT_OK) lt_fatal(world, st);
        if (done > 0) pack_s = (lt_time_s() - t0) / (double)done;
    }
    if (packs == LT_ROUND_STOP) return lt_run_impl_stopped("while samples were scored");
    st = score_kept(p);
    if (st != LT_OK) lt_fatal(world, st);
    return LT_OK;
}

/* -log softmax(score)[label]; infinite scores give a not finite loss, which the caller sees. */
static double cross_entropy(const double *score, int K, int label) {
    double top = score[0], sum = 0;
    for (int y = 1; y < K; y++) top = score[y] > top ? score[y] : top;
    for (int y = 0; y < K; y++) sum += exp(score[y] - top);
    return log(sum) + top - score[label];
}

static double *counts_of(const pass *p, int trial) {
    const lt_judge *j = &p->r->data.judge;
    return p->out + (trial - p->first) * lt_judge_counts(j);
}

static void count(pass *p, int trial, int64_t sample, int64_t token, const double *score) {
    const lt_samples *s = p->s;
    int K = p->r->data.K, best = 0, truth = s->token_label ? s->token_label[s->offset[sample] + token] : s->label[sample];
    if (truth == LT_IGNORED_LABEL) return;
    for (int y = 1; y < K; y++)
        if (score[y] > score[best]) best = y;
    if (s->token_label) p->decided[token] = best;
    lt_judge_add(&p->r->data.judge, counts_of(p, trial), truth, best, cross_entropy(score, K, truth));
}

/* The tags of a sample whose tokens are decided: those of its words, where the data set has them: a word without a token (a cut took it) is as if nothing had
 * been found in it (to the authors' code it is not there: train/samples.h).  Else those of its tokens that carry a label. */
static void count_tags(pass *p, int trial, int64_t sample) {
    const lt_samples *s = p->s;
    const int32_t *label = s->token_label + s->offset[sample];
    int64_t n = 0, first = s->word_offset ? s->word_offset[sample] : 0;
    int64_t count = s->word_offset ? s->word_offset[sample + 1] - first : s->offset[sample + 1] - s->offset[sample];
    for (int64_t i = 0; i < count; i++) {
        int32_t truth = s->word_offset ? s->word_label[first + i] : label[i];
        int32_t token = s->word_offset ? s->word_token[first + i] : (int32_t)i;
        if (truth == LT_IGNORED_LABEL || (token == LT_NO_TOKEN && lt_tuner_pads(p->r->tuner[trial]))) continue;
        p->truth[n] = truth;
        p->predicted[n++] = token == LT_NO_TOKEN ? LT_TAG_NONE : p->decided[token];
    }
    lt_judge_add_tags(&p->r->data.judge, counts_of(p, trial), p->truth, p->predicted, n);
}

static int64_t most_words(const lt_samples *s) {
    int64_t most = s->max_len;
    for (int64_t i = 0; s->word_offset && i < s->n; i++)
        if (s->word_offset[i + 1] - s->word_offset[i] > most) most = s->word_offset[i + 1] - s->word_offset[i];
    return most;
}

/* Local. */
static lt_status begin_counts(pass *p) {
    int64_t words = most_words(p->s);
    LT_TRY(lt_calloc(&p->out, p->count * lt_judge_counts(&p->r->data.judge), sizeof *p->out, "counts of an evaluation"));
    LT_TRY(lt_calloc(&p->decided, p->s->max_len, sizeof *p->decided, "labels of a sample"));
    LT_TRY(lt_calloc(&p->truth, words, sizeof *p->truth, "tags of a sample"));
    return lt_calloc(&p->predicted, words, sizeof *p->predicted, "tags of a sample");
}

lt_status lt_run_impl_metrics(lt_run *r, const lt_samples *s, lt_features *features, int first, int count_, lt_metrics *out,
                              int64_t *detail) {
    const lt_judge *j = &r->data.judge;
    pass p = {.r = r,
              .s = s,
              .features = features && features->ctx ? features : NULL,
              .first = first,
              .count = count_,
              .decide = count,
              .end = j->tags.n_types ? count_tags : NULL};
    lt_status st = lt_agree(r->grid.world, begin_counts(&p));
    if (st == LT_OK) st = run_pass(&p);
    if (st == LT_OK) lt_sum_host(r->grid.dp, p.out, count_ * lt_judge_counts(j));
    for (int i = 0; st == LT_OK && i < count_; i++) {
        lt_judge_compute(j, p.out + i * lt_judge_counts(j), &out[i]);
        if (detail) lt_judge_detail(j, p.out + i * lt_judge_counts(j), detail + i * lt_judge_detail_elems(j));
    }
    fini(&p);
    free(p.out);
    free(p.decided);
    free(p.truth);
    free(p.predicted);
    return st;
}

static void store(pass *p, int trial, int64_t sample, int64_t token, const double *score) {
    (void)token;
    memcpy(p->out + ((trial - p->first) * p->s->n + sample) * p->r->data.K, score, (size_t)p->r->data.K * sizeof *score);
}

lt_status lt_run_score(lt_run *r, const lt_samples *s, int first, int count_, double *out) {
    int64_t n = (int64_t)count_ * s->n * r->data.K;
    pass p = {.r = r, .s = s, .first = first, .count = count_, .decide = store, .out = out};
    LT_CHECK(r->readout != LT_READ_TOKENS, LT_ERR_CONFIG, "this run labels tokens; scores are of whole texts: use ltune eval");
    for (int64_t i = 0; i < n; i++) out[i] = 0;
    lt_status st = run_pass(&p);
    if (st == LT_OK) lt_sum_host(r->grid.dp, out, n);
    fini(&p);
    return st;
}

/* Loss and verdict of one sentence behind one lead. */
static void measure(pass *p, int trial, int64_t sample, int64_t token, const double *score) {
    (void)trial, (void)token;
    int K = p->r->data.K, best = 0;
    double *out = p->out + 2 * (p->at->candidate * p->n_which + p->at->target);
    for (int y = 1; y < K; y++)
        if (score[y] > score[best]) best = y;
    out[0] = cross_entropy(score, K, p->s->label[sample]);
    out[1] = best == p->s->label[sample];
}

lt_status lt_run_impl_measure_leads(lt_run *r, int trial, const lt_lead_choice *leads, const int64_t *which, int64_t n, double *out) {
    pass p = {.r = r,
              .s = &r->data.train,
              .first = trial,
              .count = 1,
              .which = which,
              .n_which = n,
              .leads = leads,
              .decide = measure,
              .out = out};
    for (int64_t i = 0; i < 2 * leads->n * n; i++) out[i] = 0;
    lt_status st = run_pass(&p);
    if (st == LT_OK) lt_sum_host(r->grid.dp, out, 2 * leads->n * n);
    fini(&p);
    return st;
}
