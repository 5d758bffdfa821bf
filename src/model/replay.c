/* Decoding steps, recorded and replayed; see replay_impl.h. */
#include "model/replay_impl.h"

lt_status lt_replay_init(lt_model *m, lt_graphs graphs, lt_replay *r) {
    bool device = m->ctx.ops->work_begin != NULL, sums = lt_comm_records(m->grid->tp);
    r->m = m;
    LT_CHECK(graphs != LT_GRAPHS_ON || device, LT_ERR_CONFIG, "generate.graphs: on, but %s records no work", m->ctx.ops->name);
    LT_CHECK(graphs != LT_GRAPHS_ON || sums, LT_ERR_CONFIG,
             "generate.graphs: on, but sums between these ranks go by %s, and the host cannot be recorded", lt_comm_transport(m->grid->tp));
    r->on = graphs != LT_GRAPHS_OFF && device && sums;
    return LT_OK;
}

void lt_replay_fini(lt_replay *r) {
    for (int i = 0; r->on && i < LT_RECORDS; i++) r->m->ctx.ops->work_fini(&r->m->ctx, &r->record[i].work);
    r->on = false;
}

/* The record of so many sequences, or an empty one in its place. */
static lt_record *find(lt_replay *r, int64_t seqs) {
    lt_record *x = &r->record[0];
    for (int i = 0; i < LT_RECORDS; i++) {
        if (r->record[i].seqs == seqs) return &r->record[i];
        if (r->record[i].used < x->used) x = &r->record[i];
    }
    r->m->ctx.ops->work_fini(&r->m->ctx, &x->work);
    *x = (lt_record){.seqs = seqs};
    return x;
}

static const int32_t *planned(const lt_model *m) { return m->mask[m->n_masks - 1].picked.end; }

/* Forward and scores of the pack that has been uploaded, recorded if it comes for the second time: in the first, libraries load what they need. */
static void compute(lt_replay *r, lt_record *x, lt_model *const part[2], int parts) {
    lt_model *m = r->m;
    bool records = x->used > 0;
    lt_status st = records ? m->ctx.ops->work_begin(&m->ctx) : LT_OK;
    if (st == LT_OK) {
        lt_model_impl_forward_compute(m, part, parts, &x->rows);
        x->scores = lt_model_logits(m, &x->rows);
        x->planned = planned(m);
        if (records) st = m->ctx.ops->work_end(&m->ctx, &x->work);
    }
    if (st != LT_OK) lt_fatal(m->grid->world, st);
    x->ready = records;
}

static void replay(lt_replay *r, const lt_record *x) {
    lt_model *m = r->m;
    lt_status st = x->planned == planned(m) ? LT_OK : LT_FAIL(LT_ERR_INTERNAL, "a step that was recorded has another layout now");
    if (st == LT_OK) st = m->ctx.ops->work_replay(&m->ctx, &x->work);
    if (st != LT_OK) lt_fatal(m->grid->world, st);
    r->replayed++;
}

const float *lt_replay_step(lt_replay *r, const lt_forward_args *a, bool scored, lt_readout_rows *rows) {
    lt_model *part[2];
    r->steps++;
    if (!r->on || !scored || a->pack->n_tok != a->pack->n_seq) {
        lt_model_forward(r->m, a, rows);
        return scored ? lt_model_logits(r->m, rows) : NULL;
    }
    lt_forward_args same = *a;
    same.repeats = true;
    lt_record *x = find(r, a->pack->n_seq);
    int parts = lt_model_impl_forward_begin(r->m, &same, part);
    if (!x->ready) compute(r, x, part, parts);
    if (x->ready) replay(r, x);
    x->used = r->steps;
    *rows = x->rows;
    return x->scores;
}
