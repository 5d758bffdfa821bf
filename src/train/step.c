/* One optimizer step of every running trial.
 *
 * All trials' sequences ride in the same packs.  Nothing here communicates but the model's tensor-parallel sums and the one message at the end, which
 * carries the gradients of the bank, of the prompt rows and of the heads, every trial's loss, and the flags; so all ranks leave a step with the same
 * numbers and the same verdict.  A failure between the two is fatal (comm.h). */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"

#include <math.h>
#include <string.h>

/* The sequences of this step, the same list on every rank. */
static lt_status collect(lt_run *r) {
    lt_batch_clear(&r->batch);
    for (int i = 0; i < r->n_trials; i++) {
        lt_trial *t = &r->trial[i];
        if (t->state != LT_TRIAL_RUNNING) continue;
        for (int place = 0; place < t->cfg->train.batch; place++) {
            int64_t p = t->step * t->cfg->train.batch + place, sample = lt_order_sample(&t->order, p);
            lt_item item = {.trial = i, .sample = (int32_t)sample, .target = r->train.label[sample]};
            if (t->tuner.pairs) item.candidate = lt_order_candidate(&t->order, p, r->train.label[sample], r->K, &item.target);
            LT_TRY(lt_batch_add(&r->batch, &t->tuner, &r->train, item));
        }
    }
    lt_batch_deal(&r->batch, r->grid.dp_rank, r->grid.dp_size, r->pack_rows);
    return LT_OK;
}

int64_t lt_run_impl_segments(lt_run *r, const lt_item *item, int64_t count, bool gradients) {
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++) {
        const lt_item *it = &item[i];
        if (i > 0 && it->trial == it[-1].trial) {
            r->segment[n - 1].row1 = i + 1;
            continue;
        }
        lt_param *w = lt_tuner_head_weight(r->tuner[it->trial]), *b = lt_tuner_head_bias(r->tuner[it->trial]);
        r->segment[n++] = (lt_segment){.row0 = i,
                                       .row1 = i + 1,
                                       .w = w->value.data,
                                       .b = b->value.data,
                                       .dw = gradients ? w->grad : NULL,
                                       .db = gradients ? b->grad : NULL,
                                       .N = w->value.dim[0],
                                       .K = w->value.dim[1]};
    }
    return n;
}

/* Heads, losses and their gradient for one pack; adds to the message. */
static lt_status heads(lt_run *r, int64_t first, int64_t count, const float *rows) {
    const lt_ctx *c = lt_model_ctx(r->model);
    int64_t C = lt_model_arch(r->model)->C, n_seg = lt_run_impl_segments(r, r->batch.item + first, count, true);
    LT_TRY(LT_FAULT_POINT("step.pack"));
    struct lt_segment_args seg = {.seg = r->segment,
                                  .n_seg = n_seg,
                                  .x = lt_arr_f32((float *)rows),
                                  .ld_x = C,
                                  .y = lt_arr_f32(r->logits),
                                  .ld_y = r->ld,
                                  .alpha = 1};
    LT_TRY(c->ops->segment_fwd(c, &seg));
    for (int64_t s = 0; s < n_seg; s++) {
        const lt_segment *g = &r->segment[s];
        int trial = r->batch.item[first + g->row0].trial;
        float *tail = r->msg.data + r->msg.tail + (int64_t)trial * LT_TAIL_PER_TRIAL;
        for (int64_t i = g->row0; i < g->row1; i++) {
            r->row_target[i] = r->batch.item[first + i].target;
            r->row_weight[i] = 1.0f / (float)r->trial[trial].cfg->train.batch;
        }
        struct lt_xent_args x = {.rows = g->row1 - g->row0,
                                 .K = g->N,
                                 .ld = r->ld,
                                 .logits = r->logits + g->row0 * r->ld,
                                 .label = r->row_target + g->row0,
                                 .weight = r->row_weight + g->row0,
                                 .loss = r->row_loss + g->row0,
                                 .dlogits = r->d_logits + g->row0 * r->ld};
        LT_TRY(c->ops->xent(c, &x));
        for (int64_t i = g->row0; i < g->row1; i++) {
            tail[LT_TAIL_LOSS] += r->row_loss[i];
            tail[LT_TAIL_BAD] += isfinite(r->row_loss[i]) ? 0.0f : 1.0f;
        }
#ifdef LT_FAULTS
        if (trial == 0 && lt_fault_hit("step.loss", "nan")) tail[LT_TAIL_LOSS] = NAN;
#endif
    }
    seg.dy = lt_arr_f32(r->d_logits);
    seg.dx = lt_arr_f32(r->d_out);
    seg.ld_dx = C;
    return c->ops->segment_bwd(c, &seg);
}

/* All packs of this rank. */
static lt_status run_packs(lt_run *r, double *data_s) {
    lt_forward_args f = {.pack = &r->pack, .bank = &r->bank, .readout = r->readout, .backward = true};
    int64_t first, count;
    for (;;) {
        double t0 = lt_time_s();
        LT_TRY(lt_batch_next(&r->batch, &r->train, r->tuner, &r->pack, &first, &count));
        *data_s += lt_time_s() - t0;
        if (count == 0) return LT_OK;
        lt_readout_rows rows;
        lt_model_forward(r->model, &f, &rows);
        LT_TRY(heads(r, first, count, rows.rows));
        lt_model_backward(r->model, &f, r->d_out);
        for (int64_t i = 0; i < count; i++) /* of the texts; prompt rows are not tokens */
            r->msg.data[r->msg.n - LT_FLAG_COUNT + LT_FLAG_TOKENS] += (float)(r->pack.cu[i + 1] - r->pack.text0[i]);
    }
}

/* Part a: this rank's share of the message. */
static lt_status local_part(lt_run *r, double *data_s) {
    const lt_arch *a = lt_model_arch(r->model);
    double t0 = lt_time_s();
    LT_TRY(LT_FAULT_POINT("step.local"));
    memset(r->msg.data, 0, (size_t)r->msg.n * sizeof(float));
    r->bank.d_kv = r->bank.S == 0 ? NULL : r->d_kv_local ? r->d_kv_local : r->msg.data + r->msg.d_kv;
    r->bank.d_prompt = r->bank.prompt_rows ? r->msg.data + r->msg.d_prompt : NULL;
    if (r->d_kv_local) {
        int heads_here, first;
        lt_model_kv_heads(r->model, &first, &heads_here);
        memset(r->d_kv_local, 0, (size_t)(r->bank.S * a->m * 2 * r->bank.P_max * heads_here * a->D) * sizeof(float));
    }
    LT_TRY(collect(r));
    *data_s = lt_time_s() - t0;
    LT_TRY(lt_run_impl_fill_bank(r, true));
    return LT_OK;
}

lt_status lt_run_impl_step(lt_run *r, bool *want_stop, bool *want_save) {
    lt_comm_stats tp0, tp1, w0, w1;
    double data_s = 0, t0 = lt_time_s();
    int64_t sentences = 0;
    lt_comm_get_stats(r->grid.tp, &tp0);
    lt_comm_get_stats(r->grid.world, &w0);
    lt_model_times m0 = lt_model_get_times(r->model);
    lt_status st = local_part(r, &data_s);
    float *flags = r->msg.data + r->msg.n - LT_FLAG_COUNT;
    /* A tensor-parallel group sums inside the model: it must know of a failure before.  Alone, a rank tells the others in the message. */
    if (r->grid.tp_size > 1) st = lt_agree(r->grid.tp, st);
    if (st == LT_OK) {
        st = run_packs(r, &data_s);
        if (st != LT_OK && r->grid.tp_size > 1) lt_fatal(r->grid.world, st); /* its group is inside the model */
    }
    if (st != LT_OK) memset(r->msg.data, 0, (size_t)r->msg.n * sizeof(float));
    lt_run_impl_bank_to_message(r);
    flags[LT_FLAG_STOP] = *want_stop;
    flags[LT_FLAG_SAVE] = *want_save;
    flags[LT_FLAG_FAILED] = st != LT_OK;
    lt_allreduce(r->msg.buf, 0, r->msg.n, NULL);
    if (flags[LT_FLAG_FAILED] > 0) return lt_agree(r->grid.world, st);
    *want_stop = flags[LT_FLAG_STOP] > 0;
    *want_save = flags[LT_FLAG_SAVE] > 0;
    /* every rank makes the same updates */
    for (int i = 0; i < r->n_trials; i++) {
        lt_trial *t = &r->trial[i];
        const float *tail = r->msg.data + r->msg.tail + (int64_t)i * LT_TAIL_PER_TRIAL;
        if (t->state != LT_TRIAL_RUNNING) continue;
        st = lt_run_impl_backward_bank(r, t);
        if (st == LT_OK) st = lt_trial_update(t, (double)tail[LT_TAIL_LOSS] / t->cfg->train.batch, tail[LT_TAIL_BAD] == 0);
        if (st != LT_OK) lt_fatal(r->grid.world, st);
        if (t->state == LT_TRIAL_NUMERIC && r->grid.rank == 0)
            lt_warn(
                "trial %s: loss %g, gradient norm %g at step %lld are not finite: this trial stops, the others go on; lower train.lr or "
                "train.clip",
                t->cfg->name, t->loss, t->grad_norm, (long long)(t->step + 1));
#ifdef LT_FAULTS
        if (i == 0 && lt_fault_hit("step.drift", "drift")) t->tuner.param[0].value.data[0] += 1e-3f;
#endif
        sentences += t->cfg->train.batch;
        if (t->step > r->step) r->step = t->step;
    }
    lt_comm_get_stats(r->grid.tp, &tp1);
    lt_comm_get_stats(r->grid.world, &w1);
    double seconds = lt_time_s() - t0, comm_s = tp1.seconds - tp0.seconds + w1.seconds - w0.seconds;
    r->rates.steps++;
    r->rates.tokens += (int64_t)flags[LT_FLAG_TOKENS];
    r->rates.sentences += sentences;
    r->rates.seconds += seconds;
    r->rates.comm_s += comm_s;
    r->rates.data_s += data_s;
    r->rates.compute_s += seconds - comm_s - data_s;
    lt_model_times m1 = lt_model_get_times(r->model);
    r->rates.linear_s += m1.linear - m0.linear;
    r->rates.attention_s += m1.attention - m0.attention;
    return LT_OK;
}
