/* Scores of samples under trials: the forward half of a step, for evaluation and prediction.
 *
 * A K-way trial gives its K logits; a pair trial runs every candidate label and gives the log-odds of "is the label of".  A softmax over the K
 * scores is then the class distribution in both cases.  Every rank fills in what it computed and the sum over the data-parallel ranks completes it. */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"

#include <math.h>
#include <stdlib.h>

static lt_status collect(lt_run *r, const lt_samples *s, int trial_first, int trial_count, lt_batch *b) {
    int64_t most = 0;
    for (int i = trial_first; i < trial_first + trial_count; i++) most += s->n * (r->tuner[i]->pairs ? r->K : 1);
    LT_TRY(LT_FAULT_POINT("score.local"));
    LT_TRY(lt_run_impl_check_samples(r, s));
    LT_TRY(lt_batch_create(most, b));
    for (int i = trial_first; i < trial_first + trial_count; i++)
        for (int64_t k = 0; k < s->n; k++)
            for (int y = 0; y < (r->tuner[i]->pairs ? r->K : 1); y++)
                LT_TRY(lt_batch_add(b, r->tuner[i], s, (lt_item){.trial = i, .sample = (int32_t)k, .candidate = y}));
    lt_batch_deal(b, r->grid.dp_rank, r->grid.dp_size, r->pack_rows);
    return LT_OK;
}

static lt_status score_pack(lt_run *r, const lt_samples *s, int trial_first, const lt_item *item, int64_t count, const float *rows,
                            double *out) {
    const lt_ctx *c = lt_model_ctx(r->model);
    int64_t n_seg = lt_run_impl_segments(r, item, count, false);
    LT_TRY(LT_FAULT_POINT("score.pack"));
    LT_TRY(c->ops->segment_fwd(c, &(struct lt_segment_args){.seg = r->segment,
                                                            .n_seg = n_seg,
                                                            .x = lt_arr_f32((float *)rows),
                                                            .ld_x = lt_model_arch(r->model)->C,
                                                            .y = lt_arr_f32(r->logits),
                                                            .ld_y = r->ld,
                                                            .alpha = 1}));
    for (int64_t i = 0; i < count; i++) {
        const float *z = r->logits + i * r->ld;
        double *to = out + ((item[i].trial - trial_first) * s->n + item[i].sample) * r->K;
        if (r->tuner[item[i].trial]->pairs)
            to[item[i].candidate] = (double)z[1] - (double)z[0];
        else
            for (int y = 0; y < r->K; y++) to[y] = (double)z[y];
    }
    return LT_OK;
}

lt_status lt_run_score(lt_run *r, const lt_samples *s, int trial_first, int trial_count, double *out) {
    lt_batch b = {0};
    int64_t first, count, n_out = (int64_t)trial_count * s->n * r->K;
    lt_forward_args f = {.pack = &r->pack, .bank = &r->bank, .readout = r->readout};
    lt_status st = lt_agree(r->grid.world, collect(r, s, trial_first, trial_count, &b));
    if (st != LT_OK) goto done;
    for (int64_t i = 0; i < n_out; i++) out[i] = 0;
    st = lt_run_impl_fill_bank(r, false);
    while (st == LT_OK) {
        st = lt_batch_next(&b, s, r->tuner, &r->pack, &first, &count);
        if (st != LT_OK || count == 0) break;
        lt_readout_rows rows;
        lt_model_forward(r->model, &f, &rows);
        st = score_pack(r, s, trial_first, b.item + first, count, rows.rows, out);
    }
    /* lengths were checked when the run was planned: a failure above is a bug */
    if (st != LT_OK) lt_fatal(r->grid.world, st);
    lt_sum_host(r->grid.dp, out, n_out);
done:
    lt_batch_destroy(&b);
    return st;
}

/* -log softmax(score)[label]; infinite scores give a not finite loss, which the caller sees. */
static double cross_entropy(const double *score, int K, int label) {
    double top = score[0], sum = 0;
    for (int y = 1; y < K; y++) top = score[y] > top ? score[y] : top;
    for (int y = 0; y < K; y++) sum += exp(score[y] - top);
    return log(sum) + top - score[label];
}

lt_status lt_run_impl_metrics(lt_run *r, const lt_samples *s, int trial_first, int trial_count, lt_metrics *out) {
    double *score = NULL, *confusion = NULL;
    int K = r->K;
    lt_status st = lt_calloc(&score, (int64_t)trial_count * s->n * K, sizeof *score, "evaluation scores");
    LT_KEEP(st, lt_calloc(&confusion, (int64_t)K * K, sizeof *confusion, "a confusion matrix"));
    st = lt_agree(r->grid.world, st);
    if (st == LT_OK) st = lt_run_score(r, s, trial_first, trial_count, score);
    for (int i = 0; st == LT_OK && i < trial_count; i++) {
        double loss = 0;
        for (int k = 0; k < K * K; k++) confusion[k] = 0;
        for (int64_t n = 0; n < s->n; n++) {
            const double *z = score + (i * s->n + n) * K;
            int best = 0, truth = s->label[n];
            for (int y = 1; y < K; y++)
                if (z[y] > z[best]) best = y;
            confusion[truth * K + best]++;
            loss += cross_entropy(z, K, truth);
        }
        lt_metrics_compute(confusion, K, loss, &out[i]);
    }
    free(score);
    free(confusion);
    return st;
}
