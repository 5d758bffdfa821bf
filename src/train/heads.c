/* Heads of all trials; see heads_impl.h. */
#include "train/heads_impl.h"

#include "train/message_impl.h"

#include <stdlib.h>

/* One walk over the arena, measuring or real. */
static void carve(lt_heads *h) {
    h->logits = lt_arena_take(&h->arena, h->max_rows * h->ld, sizeof(float));
    h->d_logits = lt_arena_take(&h->arena, h->max_rows * h->ld, sizeof(float));
    h->loss = lt_arena_take(&h->arena, h->max_rows, sizeof(float));
    h->d_out = lt_arena_take(&h->arena, h->max_rows * h->C, sizeof(float));
    h->dropped = h->drops ? lt_arena_take(&h->arena, h->max_rows * h->C, sizeof(float)) : NULL;
    if (h->max_seqs == 0) return;
    h->pooled = lt_arena_take(&h->arena, h->max_seqs * h->ld, sizeof(float));
    h->d_pooled = lt_arena_take(&h->arena, h->max_seqs * h->ld, sizeof(float));
    h->argmax = lt_arena_take(&h->arena, h->max_seqs * h->ld, sizeof(int32_t));
}

lt_status lt_run_impl_heads_init(lt_heads *h, const lt_ctx *ctx, lt_tuner *const *tuner, int n, int64_t C, int64_t max_rows,
                                 int64_t max_segments, int64_t max_seqs) {
    *h = (lt_heads){.ctx = ctx, .tuner = tuner, .C = C, .max_rows = max_rows, .max_segments = max_segments};
    for (int i = 0; i < n; i++) {
        if (tuner[i]->n_out > h->ld) h->ld = tuner[i]->n_out;
        h->drops = h->drops || tuner[i]->cfg->head_dropout > 0;
        if (tuner[i]->pools_logits) h->max_seqs = max_seqs;
    }
    LT_TRY(lt_calloc(&h->segment, max_segments, sizeof *h->segment, "the heads"));
    LT_TRY(lt_calloc(&h->place, max_segments, sizeof *h->place, "the heads"));
    LT_TRY(lt_calloc(&h->by_seq, h->max_seqs ? max_segments : 0, sizeof *h->by_seq, "the heads"));
    LT_TRY(lt_calloc(&h->trial, max_segments, sizeof *h->trial, "the heads"));
    lt_arena_measure(&h->arena, "the heads");
    carve(h);
    LT_TRY(lt_ctx_arena_init(ctx, &h->arena, "the heads", h->arena.used));
    carve(h);
    return lt_arena_ok(&h->arena);
}

void lt_run_impl_heads_fini(lt_heads *h) {
    if (!h->ctx) return;
    lt_ctx_arena_fini(h->ctx, &h->arena);
    free(h->segment);
    free(h->place);
    free(h->by_seq);
    free(h->trial);
    *h = (lt_heads){0};
}

static struct lt_segment_args args_of(const lt_heads *h, const float *rows) {
    return (struct lt_segment_args){.seg = h->segment,
                                    .n_seg = h->n_segments,
                                    .x = lt_arr_f32((float *)(uintptr_t)rows),
                                    .ld_x = h->C,
                                    .y = lt_arr_f32(h->logits),
                                    .ld_y = h->ld,
                                    .alpha = 1};
}

lt_status lt_run_impl_heads_logits(lt_heads *h, const float *rows, const lt_head_rows *run, int64_t n_runs, bool gradients) {
    LT_ASSERT(n_runs <= h->max_segments);
    h->n_segments = n_runs;
    h->n_pooled = 0;
    for (int64_t i = 0; i < n_runs; i++) {
        lt_param *w = lt_tuner_head_weight(h->tuner[run[i].trial]), *b = lt_tuner_head_bias(h->tuner[run[i].trial]);
        LT_ASSERT(run[i].row1 <= h->max_rows);
        h->trial[i] = run[i].trial;
        h->place[i] = run[i].trial * LT_TAIL_PER_TRIAL;
        h->segment[i] = (lt_segment){.row0 = run[i].row0,
                                     .row1 = run[i].row1,
                                     .w = w->value.data,
                                     .b = b ? b->value.data : NULL,
                                     .dw = gradients ? w->grad : NULL,
                                     .db = gradients && b ? b->grad : NULL,
                                     .N = w->value.dim[0],
                                     .K = w->value.dim[1]};
    }
    struct lt_segment_args a = args_of(h, rows);
    return h->ctx->ops->segment_fwd(h->ctx, &a);
}

static struct lt_pool_args pool_args(const lt_heads *h) {
    return (struct lt_pool_args){
        .kind = LT_POOL_MAX, .n_seq = h->n_pooled, .C = h->ld, .row0 = h->cu, .row1 = h->cu + 1, .argmax = h->argmax, .T = h->n_rows};
}

lt_status lt_run_impl_heads_pool(lt_heads *h, const lt_readout_rows *out, const lt_head_rows *run, int64_t n_runs, int64_t n_seq) {
    LT_ASSERT(n_seq <= h->max_seqs && n_runs == h->n_segments);
    h->n_pooled = n_seq;
    h->n_rows = out->n;
    h->cu = out->cu;
    for (int64_t i = 0; i < n_runs; i++) {
        h->by_seq[i] = h->segment[i];
        h->by_seq[i].row0 = run[i].seq0;
        h->by_seq[i].row1 = run[i].seq1;
    }
    struct lt_pool_args a = pool_args(h);
    a.x = h->logits;
    a.out = h->pooled;
    return h->ctx->ops->pool_fwd(h->ctx, &a);
}

/* Losses of one segment's rows and the gradients of their logits: each row for itself, or all candidates of a sentence against each other. */
static lt_status losses(lt_heads *h, int64_t segment, const int32_t *target, const float *weight) {
    const lt_ctx *c = h->ctx;
    const lt_segment *s = h->n_pooled ? &h->by_seq[segment] : &h->segment[segment];
    float *logits = h->n_pooled ? h->pooled : h->logits, *d_logits = h->n_pooled ? h->d_pooled : h->d_logits;
    int64_t n = lt_tuner_candidates(h->tuner[h->trial[segment]]), row0 = s->row0, rows = s->row1 - s->row0;
    LT_ASSERT(rows % n == 0);
    if (n > 1)
        return c->ops->choice(c, &(struct lt_choice_args){.groups = rows / n,
                                                          .n = n,
                                                          .ld = h->ld,
                                                          .logits = logits + row0 * h->ld,
                                                          .label = target + row0,
                                                          .weight = weight + row0,
                                                          .loss = h->loss + row0,
                                                          .dlogits = d_logits + row0 * h->ld});
    return c->ops->xent(c, &(struct lt_xent_args){.rows = rows,
                                                  .K = s->N,
                                                  .ld = h->ld,
                                                  .logits = logits + row0 * h->ld,
                                                  .label = target + row0,
                                                  .weight = weight + row0,
                                                  .loss = h->loss + row0,
                                                  .dlogits = d_logits + row0 * h->ld});
}

/* True if some trial here leaves something out. */
static bool any_drops(const lt_heads *h, const lt_head_rows *run, int64_t n_runs) {
    bool any = false;
    for (int64_t i = 0; h->drops && i < n_runs; i++) any = any || h->tuner[run[i].trial]->cfg->head_dropout > 0;
    return any;
}

/* y := x through the masks of the runs; rate 0 lets all through. */
static lt_status drop(lt_heads *h, const lt_readout_rows *out, const lt_head_rows *run, int64_t n_runs, const float *x, float *y) {
    for (int64_t i = 0; i < n_runs; i++) {
        const lt_tuner *t = h->tuner[run[i].trial];
        struct lt_dropout_args a = {.seq0 = run[i].seq0,
                                    .seq1 = run[i].seq1,
                                    .C = h->C,
                                    .cu = out->cu,
                                    .key = out->key,
                                    .stream = (uint32_t)(t->arch->m * LT_TARGET_COUNT), /* behind those of the adapters */
                                    .p = (float)t->cfg->head_dropout,
                                    .x = lt_arr_f32((float *)(uintptr_t)x),
                                    .y = lt_arr_f32(y)};
        LT_TRY(h->ctx->ops->dropout_rows(h->ctx, &a));
    }
    return LT_OK;
}

lt_status lt_run_impl_heads_drop(lt_heads *h, const lt_readout_rows *out, const lt_head_rows *run, int64_t n_runs, const float **x) {
    bool drops = any_drops(h, run, n_runs);
    *x = drops ? h->dropped : out->rows;
    return drops ? drop(h, out, run, n_runs, out->rows, h->dropped) : LT_OK;
}

lt_status lt_run_impl_heads_drop_back(lt_heads *h, const lt_readout_rows *out, const lt_head_rows *run, int64_t n_runs) {
    return any_drops(h, run, n_runs) ? drop(h, out, run, n_runs, h->d_out, h->d_out) : LT_OK;
}

lt_status lt_run_impl_heads_learn(lt_heads *h, const float *rows, const int32_t *target, const float *weight, float *tail, float *d_rows) {
    const lt_ctx *c = h->ctx;
    const lt_segment *segment = h->n_pooled ? h->by_seq : h->segment;
    for (int64_t i = 0; i < h->n_segments; i++) LT_TRY(losses(h, i, target, weight));
    LT_TRY(c->ops->loss_sums(
        c, &(struct lt_loss_args){.loss = h->loss, .seg = segment, .place = h->place, .n_seg = h->n_segments, .out = tail}));
    if (h->n_pooled) {
        struct lt_pool_args p = pool_args(h);
        p.dout = h->d_pooled;
        p.dx = h->d_logits;
        LT_TRY(c->ops->pool_bwd(c, &p));
    }
    struct lt_segment_args a = args_of(h, rows);
    a.dy = lt_arr_f32(h->d_logits);
    a.dx = lt_arr_f32(d_rows);
    a.ld_dx = h->C;
    return c->ops->segment_bwd(c, &a);
}
