/* One optimizer step of every running trial.
 *
 * All trials' sequences ride in the same packs.  Nothing here communicates but the model's tensor-parallel sums, the gathering of what tuners spread over the
 * ranks, and the one message at the end, which carries the gradients of the bank, of the prompt rows, of adapters and heads, every trial's loss, and the
 * flags; so all ranks leave a step with the same numbers and the same verdict.  A failure between the two is fatal (comm.h).
 *
 * Everything is enqueued on the device: the optimizer reads the norm and the losses where they are, and the host waits at the end, for the few numbers
 * that its bookkeeping follows from.  Only with spread parameters the squares of their gradients are summed over the ranks before (the norm is of all). */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/signal.h"

#include <math.h>
#include <stdlib.h>

lt_status lt_run_impl_step_init(lt_run *r, int64_t tokens, int64_t seqs) {
    lt_run_step *w = &r->work;
    const lt_ctx *ctx = lt_model_ctx(r->model);
    int64_t items = 0, C = lt_model_arch(r->model)->C, rows = seqs;
    void *sums = NULL, *told = NULL;
    for (int i = 0; i < r->n_trials; i++) {
        items += (int64_t)r->trial[i].cfg->train.batch * lt_tuner_candidates(r->tuner[i]);
        if (r->readout == LT_READ_TOKENS || r->tuner[i]->pools_logits) rows = tokens;
    }
    LT_TRY(lt_batch_create(items * (w->keep_features ? 1 + LT_FEATURES_BLOCK : 1), &w->batch));
    LT_TRY(lt_batch_create(items, &w->kept));
    LT_TRY(lt_pack_create(tokens, seqs, &w->pack));
    LT_TRY(lt_calloc(&w->run, rows, sizeof *w->run, "runs of rows"));
    LT_TRY(lt_calloc(&w->wanted, r->n_trials, sizeof *w->wanted, "trials"));
    LT_TRY(ctx->ops->host_alloc(ctx, 2 * (size_t)r->n_trials * sizeof *w->told, "squares of gradients", &told));
    w->told = told;
    LT_TRY(ctx->ops->alloc(ctx, 2 * (size_t)r->n_trials * sizeof *w->sums, "squares of gradients", &sums));
    w->sums = sums;
    LT_TRY(lt_run_impl_heads_init(&w->heads, ctx, r->tuner, r->n_trials, C, rows, rows, seqs));
    if (w->keep_features) LT_TRY(lt_run_impl_feature_rows_init(&w->rows, ctx, C, rows));
    return lt_run_impl_message_init(&w->msg, ctx, r->tuner, r->n_trials, r->bank.d_rows * r->bank.whole, r->bank.model.prompt_rows * C);
}

lt_status lt_run_impl_step_connect(lt_run *r) {
    LT_TRY(lt_agree(r->grid.world, lt_run_impl_clocks_init(r)));
    LT_TRY(lt_run_impl_bank_connect(&r->bank, r->grid.world, r->tuner, r->n_trials));
    LT_TRY(lt_run_impl_message_connect(&r->work.msg, r->grid.world, r->tuner, r->n_trials));
    return lt_agree(r->grid.world, lt_run_impl_bank_adapters(&r->bank, r->tuner, r->n_trials));
}

void lt_run_impl_step_fini(lt_run *r) {
    lt_run_step *w = &r->work;
    lt_run_impl_clocks_fini(r);
    lt_run_impl_message_fini(&w->msg);
    lt_run_impl_heads_fini(&w->heads);
    lt_run_impl_features_fini(&w->train);
    lt_run_impl_features_fini(&w->eval);
    lt_run_impl_feature_rows_fini(&w->rows);
    lt_batch_destroy(&w->batch);
    lt_batch_destroy(&w->kept);
    lt_pack_destroy(&w->pack);
    const lt_ctx *ctx = lt_model_ctx(r->model);
    if (w->sums) ctx->ops->free(ctx, w->sums);
    ctx->ops->host_free(ctx, w->told);
    free(w->run);
    free(w->wanted);
    *w = (lt_run_step){0};
}

/* ---- which sequences ---- */

/* Rows of a sample that a loss is taken of. */
static int64_t loss_rows(const lt_samples *s, int64_t sample) {
    int64_t n = 0;
    if (!s->token_label) return 1;
    for (int64_t t = s->offset[sample]; t < s->offset[sample + 1]; t++) n += s->token_label[t] != LT_IGNORED_LABEL;
    return n;
}

/* The sequence at one place of a trial's batch; where all candidates are learned from, the first of them. */
static lt_item item_of(lt_run *r, int trial, int place) {
    lt_trial *t = &r->trial[trial];
    const lt_samples *s = &r->data.train;
    int64_t p = t->step * t->cfg->train.batch + place, sample = lt_order_sample(&t->order, p);
    lt_item item = {.trial = trial, .sample = (int32_t)sample, .target = s->label ? s->label[sample] : 0};
    item.rivals = lt_tuner_candidates(&t->tuner) - 1;
    if (t->tuner.pairs && !item.rivals) item.candidate = lt_order_candidate(&t->order, p, s->label[sample], r->data.K, &item.target);
    item.key = lt_rng_u64(&(lt_rng){.seed = t->cfg->seed, .purpose = LT_RNG_DROPOUT}, (uint64_t)p, 0);
    return item;
}

/* Tokens that the sequences of a trial's batch are padded to, at least. */
static int64_t padded_to(lt_run *r, int trial) {
    lt_trial *t = &r->trial[trial];
    int64_t first = t->step * t->cfg->train.batch, longest = 0;
    for (int place = 0; lt_tuner_pads(&t->tuner) && place < t->cfg->train.batch; place++) {
        int64_t n = lt_samples_padded(&r->data.train, lt_order_sample(&t->order, first + place));
        if (n > longest) longest = n;
    }
    return longest;
}

/* Adds a sequence, and one for each other candidate. */
static lt_status add_rivals(lt_run *r, lt_batch *b, lt_item item) {
    LT_TRY(lt_batch_add(b, r->tuner[item.trial], &r->data.train, item));
    while (item.rivals-- > 0) {
        item.candidate++;
        LT_TRY(lt_batch_add(b, r->tuner[item.trial], &r->data.train, item));
    }
    return LT_OK;
}

/* The samples of an item's block that this rank keeps, for their features. */
static lt_status add_block(lt_run *r, lt_item item) {
    int64_t first, end;
    item.block = lt_run_impl_features_block(item.sample, r->data.train.n, r->grid.dp_size, &first, &end);
    for (int64_t k = first; k < end; k++) {
        if (k % r->grid.dp_size != r->grid.dp_rank || !lt_run_impl_features_want(&r->work.train, k)) continue;
        item.sample = (int32_t)k;
        LT_TRY(lt_batch_add(&r->work.batch, r->tuner[item.trial], &r->data.train, item));
    }
    return LT_OK;
}

/* The sequences of this step.  All ranks go through the same list and keep their share: of trials whose features are kept by the sample's number, of the
 * others by length.  *n_dealt: items of the batch before those that are there for their features only. */
static lt_status collect(lt_run *r, int64_t *n_dealt) {
    lt_run_step *w = &r->work;
    lt_batch_clear(&w->batch);
    lt_batch_clear(&w->kept);
    for (int i = 0; i < r->n_trials; i++) {
        lt_trial *t = &r->trial[i];
        w->wanted[i] = t->state == LT_TRIAL_RUNNING;
        t->loss_rows = 0;
        int64_t to = w->wanted[i] ? padded_to(r, i) : 0;
        for (int place = 0; w->wanted[i] && place < t->cfg->train.batch; place++) {
            lt_item item = item_of(r, i, place);
            item.padding = lt_samples_padding(&r->data.train, item.sample, to);
            t->loss_rows += loss_rows(&r->data.train, item.sample);
            if (!w->train.ctx || !lt_tuner_reads_constants(&t->tuner))
                LT_TRY(add_rivals(r, &w->batch, item));
            else if (item.sample % r->grid.dp_size == r->grid.dp_rank)
                LT_TRY(lt_batch_add(&w->kept, &t->tuner, &r->data.train, item));
        }
    }
    lt_batch_deal(&w->batch, r->grid.dp_rank, r->grid.dp_size);
    *n_dealt = w->batch.n;
    for (int64_t i = 0; i < w->kept.n; i++)
        if (w->train.place[w->kept.item[i].sample] < 0) LT_TRY(add_block(r, w->kept.item[i]));
    lt_batch_plan(&w->batch, *n_dealt, w->pack_rows);
    return LT_OK;
}

/* ---- packs ---- */

/* Read-out of r->work.pack: one kind, see rides_along() in batch.c. */
static lt_readout readout_of(const lt_run *r) { return r->tuner[r->work.pack.trial[0].trial]->pools_logits ? LT_READ_TOKENS : r->readout; }

int64_t lt_run_impl_runs(lt_run *r, const lt_pack *pack) {
    bool tokens = readout_of(r) == LT_READ_TOKENS;
    for (int64_t i = 0; i < pack->n_trial; i++) {
        const lt_pack_trial *t = &pack->trial[i];
        r->work.run[i] = (lt_head_rows){t->trial, tokens ? t->row0 : t->seq0, tokens ? t->row1 : t->seq1, t->seq0, t->seq1};
    }
    return pack->n_trial;
}

/* Factor of the gradient of each row of a trial: its losses count as a mean. */
static float weight_of(const lt_trial *t) { return t->loss_rows > 0 ? 1.0f / (float)t->loss_rows : 0; }

/* Class and weight of each read-out row. */
static void set_targets(lt_run *r, const lt_item *item) {
    lt_pack *p = &r->work.pack;
    const lt_samples *s = &r->data.train;
    for (int64_t i = 0; i < p->n_seq; i++) {
        float weight = weight_of(&r->trial[item[i].trial]);
        if (r->readout != LT_READ_TOKENS) {
            p->target[i] = item[i].target;
            p->weight[i] = weight;
            continue;
        }
        for (int64_t row = p->cu[i]; row < p->cu[i + 1]; row++) {
            int64_t token = row - p->text0[i]; /* prompt rows and padding have no label */
            p->target[row] = token < 0 || row >= p->text1[i] ? LT_IGNORED_LABEL : s->token_label[s->offset[item[i].sample] + token];
            p->weight[row] = weight;
        }
    }
}

void lt_run_impl_forward(lt_run *r, const lt_bank *bank, bool backward, lt_forward_args *f, lt_readout_rows *out) {
    *f = (lt_forward_args){.pack = &r->work.pack, .bank = bank, .readout = readout_of(r), .backward = backward};
    lt_model_forward(r->model, f, out);
}

static int64_t text_tokens(const lt_samples *s, int64_t sample) { return s->offset[sample + 1] - s->offset[sample]; }

/* Forward, heads and backward of one pack; adds to the message. */
static lt_status learn_pack(lt_run *r, const lt_item *item, int64_t count) {
    lt_run_step *w = &r->work;
    bool backward = lt_tuner_trains_input(r->tuner[item[0].trial]), pools = r->tuner[item[0].trial]->pools_logits;
    lt_forward_args f;
    lt_readout_rows out;
    set_targets(r, item);
    lt_run_impl_forward(r, &r->bank.model, backward, &f, &out);
    LT_TRY(LT_FAULT_POINT("step.pack"));
    int64_t runs = lt_run_impl_runs(r, &w->pack);
    const float *x;
    LT_TRY(lt_run_impl_heads_drop(&w->heads, &out, w->run, runs, &x));
    LT_TRY(lt_run_impl_heads_logits(&w->heads, x, w->run, runs, true));
    if (pools) LT_TRY(lt_run_impl_heads_pool(&w->heads, &out, w->run, runs, w->pack.n_seq));
    LT_TRY(lt_run_impl_heads_learn(&w->heads, x, out.target, out.weight, lt_message_tail(&w->msg, 0), backward ? w->heads.d_out : NULL));
    if (backward) LT_TRY(lt_run_impl_heads_drop_back(&w->heads, &out, w->run, runs));
    if (backward) lt_model_backward(r->model, &f, w->heads.d_out);
    for (int64_t i = 0; i < count; i++) /* of the texts; prompt rows are not tokens */
        w->msg.flag[LT_FLAG_TOKENS] += (float)text_tokens(&r->data.train, item[i].sample);
    return LT_OK;
}

/* Heads of trials whose features are kept. */
static lt_status learn_kept(lt_run *r) {
    lt_run_step *w = &r->work;
    const lt_ctx *ctx = lt_model_ctx(r->model);
    for (int64_t first = 0, n; first < w->kept.n; first += n) {
        int64_t runs = 0;
        if (first > 0) LT_TRY(ctx->ops->wait(ctx, NULL)); /* the rows before have left host memory */
        for (n = 0; n < w->rows.max && first + n < w->kept.n; n++) {
            const lt_item *it = &w->kept.item[first + n];
            w->rows.host_index[n] = (int32_t)w->train.place[it->sample];
            w->rows.host_target[n] = it->target;
            w->rows.host_weight[n] = weight_of(&r->trial[it->trial]);
            w->msg.flag[LT_FLAG_TOKENS] += (float)text_tokens(&r->data.train, it->sample);
            if (runs == 0 || w->run[runs - 1].trial != it->trial) w->run[runs++] = (lt_head_rows){.trial = it->trial, .row0 = n, .row1 = n};
            w->run[runs - 1].row1 = n + 1;
        }
        LT_TRY(lt_run_impl_feature_rows_gather(&w->rows, &w->train, n));
        LT_TRY(lt_run_impl_heads_logits(&w->heads, w->rows.x, w->run, runs, true));
        LT_TRY(lt_run_impl_heads_learn(&w->heads, w->rows.x, w->rows.target, w->rows.weight, lt_message_tail(&w->msg, 0), NULL));
    }
    return LT_OK;
}

/* A signal came.  The ranks of a tp group go through their packs together, so they also leave together; data-parallel ranks each by itself. */
static bool leave(const lt_run *r) {
    int pending = lt_signal_pending() != 0;
    return r->grid.tp_size > 1 ? lt_max_host(r->grid.tp, pending) > 0 : pending;
}

/* All packs of this rank, unless a signal comes (*abandoned). */
static lt_status run_packs(lt_run *r, int64_t n_dealt, double *data_s, bool *abandoned) {
    lt_run_step *w = &r->work;
    int64_t first, count, place0 = w->train.used - (w->batch.n - n_dealt);
    for (;;) {
        double t0 = lt_time_s();
        LT_TRY(lt_batch_next(&w->batch, &r->data.train, r->tuner, &w->pack, &first, &count));
        *data_s += lt_time_s() - t0;
        if (count == 0) return learn_kept(r);
        if ((*abandoned = leave(r))) return LT_OK;
        lt_comm_progress(r->grid.world);
        if (first < n_dealt) {
            LT_TRY(learn_pack(r, w->batch.item + first, count));
            continue;
        }
        lt_forward_args f;
        lt_readout_rows out;
        set_targets(r, w->batch.item + first);
        lt_run_impl_forward(r, &r->bank.model, false, &f, &out);
        LT_TRY(lt_run_impl_features_keep(&w->train, out.rows, place0 + first - n_dealt, count));
    }
}

/* ---- the message ---- */

#ifdef LT_FAULTS
/* For tests: a device number of trial 0 that becomes wrong, if it has one. */
static lt_status spoil(lt_run *r, const char *site, const char *action, float *device, float add) {
    float x;
    if (!device || !lt_fault_hit(site, action)) return LT_OK;
    LT_TRY(lt_ctx_download(lt_model_ctx(r->model), &x, device, sizeof x));
    x += add;
    LT_TRY(lt_ctx_upload(lt_model_ctx(r->model), device, &x, sizeof x));
    return lt_model_ctx(r->model)->ops->wait(lt_model_ctx(r->model), NULL);
}
#endif

/* This rank's share of the message, as far as it comes from before the packs. */
static lt_status local_part(lt_run *r, int64_t *n_dealt, double *data_s) {
    double t0 = lt_time_s();
    lt_status st = LT_FAULT_POINT("step.local");
    if (st == LT_OK) st = lt_run_impl_message_clear(&r->work.msg);
    for (int i = 0; i < LT_FLAG_COUNT; i++) r->work.msg.flag[i] = 0;
    r->bank.model.d_kv = r->bank.d_rows == 0 ? NULL : r->bank.d_kv_local ? r->bank.d_kv_local : r->work.msg.data;
    r->bank.model.d_prompt = r->bank.model.prompt_rows ? r->work.msg.data + r->work.msg.d_prompt : NULL;
    if (st == LT_OK && r->bank.d_kv_local)
        st = r->bank.ctx->ops->fill(r->bank.ctx, r->bank.d_kv_local, 0, (size_t)(r->bank.d_rows * r->bank.local) * sizeof(float));
    LT_KEEP(st, collect(r, n_dealt));
    *data_s = lt_time_s() - t0;
    LT_KEEP(st, lt_run_impl_bank_fill(&r->bank, r->tuner, r->n_trials, r->work.wanted)); /* which all ranks attend */
    return st;
}

/* The gradient of this rank's heads to its place among all heads; what every rank of a tp group holds, from one of them only. */
static lt_status complete_message(lt_run *r) {
    const lt_run_bank *b = &r->bank;
    lt_message *m = &r->work.msg;
    if (b->d_kv_local)
        LT_TRY(b->ctx->ops->copy(b->ctx, &(struct lt_copy_args){.kind = LT_COPY_ON_DEVICE,
                                                                .dst = m->data + b->first,
                                                                .src = b->d_kv_local,
                                                                .rows = b->d_rows,
                                                                .row_bytes = (size_t)b->local * sizeof(float),
                                                                .dst_pitch = (size_t)b->whole * sizeof(float),
                                                                .src_pitch = (size_t)b->local * sizeof(float)}));
    if (r->grid.tp_rank == 0) return LT_OK;
    m->flag[LT_FLAG_TOKENS] = 0;
    return lt_run_impl_message_clear_common(m);
}

/* ---- what follows from the sums, the same on every rank ---- */

/* Tuners' backward, norms, AdamW: all enqueued. */
static lt_status update(lt_run *r) {
    lt_run_step *w = &r->work;
    const lt_ctx *ctx = lt_model_ctx(r->model);
    int n = r->n_trials;
    bool spread = r->bank.gather != NULL && r->grid.size > 1;
    for (int i = 0; i < n; i++) {
        const lt_trial *t = &r->trial[i];
        if (!w->wanted[i]) continue;
        if (t->tuner.ops->backward)
            LT_TRY(t->tuner.ops->backward(r->tuner[i], w->msg.data, r->bank.model.P_max, w->msg.data + w->msg.d_prompt));
        LT_TRY(lt_trial_square_gradients(t, w->sums + i, spread ? w->sums + n + i : w->sums + i));
    }
    if (spread) {
        LT_TRY(lt_gpu_timer_begin(r->clocks.timer, LT_TIMED_MESSAGE, ctx->stream));
        LT_TRY(lt_ctx_download(ctx, w->told, w->sums, 2 * (size_t)n * sizeof *w->sums));
        lt_sum_host(r->grid.world, w->told + n, n);
        for (int i = 0; i < n; i++) w->told[i] += w->told[n + i];
        LT_TRY(lt_ctx_upload(ctx, w->sums, w->told, (size_t)n * sizeof *w->sums));
        LT_TRY(lt_gpu_timer_end(r->clocks.timer, LT_TIMED_MESSAGE, ctx->stream));
    }
    for (int i = 0; i < n; i++)
        if (w->wanted[i]) LT_TRY(lt_trial_update(&r->trial[i], w->sums + i, lt_message_tail(&w->msg, i)));
    if (!spread)
        LT_TRY(ctx->ops->copy(
            ctx, &(struct lt_copy_args){
                     .kind = LT_COPY_TO_HOST, .dst = w->told, .src = w->sums, .rows = 1, .row_bytes = (size_t)n * sizeof *w->sums}));
    LT_TRY(lt_run_impl_message_tell(&w->msg));
    return ctx->ops->wait(ctx, NULL);
}

/* The host's bookkeeping; the sentences of the step. */
static int64_t count_step(lt_run *r) {
    lt_run_step *w = &r->work;
    int64_t sentences = 0;
    for (int i = 0; i < r->n_trials; i++) {
        lt_trial *t = &r->trial[i];
        const float *tail = lt_message_told(&w->msg, i);
        if (!w->wanted[i]) continue;
        lt_trial_count_step(t, (double)tail[LT_TAIL_LOSS], tail[LT_TAIL_BAD] == 0, w->told[i]);
        if (t->state == LT_TRIAL_NUMERIC && r->grid.rank == 0)
            lt_warn(
                "trial %s: loss %g, gradient norm %g at step %lld are not finite: this trial stops, the others go on; lower train.lr or "
                "train.clip",
                t->cfg->name, t->loss, t->grad_norm, (long long)(t->step + 1));
        sentences += t->cfg->train.batch;
        if (t->step > r->step) r->step = t->step;
    }
    return sentences;
}

lt_status lt_run_impl_step(lt_run *r, bool *want_stop, bool *want_save, bool *done) {
    lt_message *m = &r->work.msg;
    lt_comm *world = r->grid.world;
    double data_s = 0;
    int64_t n_dealt = 0;
    bool abandoned = false;
    lt_run_impl_clocks_begin(r);
    lt_status st = local_part(r, &n_dealt, &data_s), bug;
    /* A tensor-parallel group sums inside the model: it must know of a failure before.  Alone, a rank tells the others in the message. */
    if (r->grid.tp_size > 1) st = lt_agree(r->grid.tp, st);
    if (st == LT_OK) {
        st = run_packs(r, n_dealt, &data_s, &abandoned);
        if (st != LT_OK && r->grid.tp_size > 1) lt_fatal(world, st); /* its group is inside the model */
    }
    bug = complete_message(r);
#ifdef LT_FAULTS
    LT_KEEP(bug, spoil(r, "step.loss", "nan", lt_message_tail(m, 0), NAN));
#endif
    m->flag[LT_FLAG_STOP] = *want_stop;
    m->flag[LT_FLAG_SAVE] = *want_save;
    m->flag[LT_FLAG_FAILED] = st != LT_OK;
    m->flag[LT_FLAG_ABANDONED] = abandoned;
    LT_KEEP(bug, lt_run_impl_message_flags(m, st != LT_OK || abandoned));
    if (bug != LT_OK) lt_fatal(world, bug); /* the others wait in the sum */
    lt_allreduce(m->buf, 0, m->n, m->ctx->stream);
    bug = update(r);
    LT_KEEP(bug, lt_run_impl_clocks_waited(r));
#ifdef LT_FAULTS
    LT_KEEP(bug, spoil(r, "step.drift", "drift", lt_tuner_head_weight(r->tuner[0])->value.data, 1e-3f));
    LT_KEEP(bug, spoil(r, "states.drift", "drift", r->tuner[0]->label_states, 1e-2f));
#endif
    if (bug != LT_OK) lt_fatal(world, bug);
    if (lt_message_flag(m, LT_FLAG_FAILED) > 0) return lt_agree(world, st);
    *done = lt_message_flag(m, LT_FLAG_ABANDONED) == 0;
    *want_stop = !*done || lt_message_flag(m, LT_FLAG_STOP) > 0;
    *want_save = lt_message_flag(m, LT_FLAG_SAVE) > 0;
    if (!*done) return LT_OK;
    int64_t sentences = count_step(r);
    lt_run_impl_clocks_count(r, data_s, (int64_t)lt_message_flag(m, LT_FLAG_TOKENS), sentences);
    return LT_OK;
}
