/* Device arrays of trials as whole tensors in host memory, for checkpoints: layout-free, whoever wrote them.
 *
 * Mirrored tensors are rank 0's own; of spread ones each rank sends its rows, piece by piece, so that only rank 0 ever needs room for a whole one. */
#include "train/run_impl.h"

#include "base/mem.h"

static int64_t row_elems(const lt_param *p) { return p->value.dim[0] ? lt_named_elems(&p->value) / p->value.dim[0] : 0; }

/* Rows of rank r of a spread tensor, as elements. */
static void range_of(const lt_run *r, const lt_param *p, int rank, int64_t *from, int64_t *to) {
    int64_t rows = p->value.dim[0], n = row_elems(p);
    *from = rows * rank / r->grid.size * n;
    *to = rows * (rank + 1) / r->grid.size * n;
}

/* Collective(world).  A spread tensor, to rank 0 or from it. */
static lt_status move_spread(const lt_run *r, const lt_param *p, float *data, float *whole, bool to_whole) {
    const lt_ctx *c = lt_model_ctx(r->model);
    lt_status st = LT_OK;
    int rank = r->grid.rank;
    for (int owner = 0; owner < r->grid.size; owner++) {
        int64_t from, to;
        range_of(r, p, owner, &from, &to);
        for (int64_t at = from, n; at < to; at += n) {
            n = to - at < LT_PIECE_ELEMS ? to - at : LT_PIECE_ELEMS;
            float *piece = rank == 0 ? whole + at : whole, *mine = data + (at - from);
            size_t bytes = (size_t)n * sizeof *piece;
            if (to_whole && rank == owner) LT_KEEP(st, lt_ctx_download(c, piece, mine, bytes));
            if (owner != 0) lt_bcast_host(r->grid.world, piece, bytes, to_whole ? owner : 0);
            if (to_whole || rank != owner) continue;
            LT_KEEP(st, lt_ctx_upload(c, mine, piece, bytes));
            LT_KEEP(st, c->ops->wait(c, NULL));
        }
    }
    return st;
}

/* Collective(world).  n elements that rank 0 has, to a device array of every rank. */
static lt_status spread_out(const lt_run *r, float *data, float *whole, int64_t n_all) {
    const lt_ctx *c = lt_model_ctx(r->model);
    lt_status st = LT_OK;
    for (int64_t at = 0, n; at < n_all; at += n) {
        n = n_all - at < LT_PIECE_ELEMS ? n_all - at : LT_PIECE_ELEMS;
        float *piece = r->grid.rank == 0 ? whole + at : whole;
        size_t bytes = (size_t)n * sizeof *piece;
        lt_bcast_host(r->grid.world, piece, bytes, 0);
        LT_KEEP(st, lt_ctx_upload(c, data + at, piece, bytes));
        LT_KEEP(st, c->ops->wait(c, NULL));
    }
    return st;
}

static float *data_of(const lt_param *p, lt_param_part part) {
    return part == LT_PART_VALUE ? p->value.data : part == LT_PART_ADAM_M ? p->adam_m : p->adam_v;
}

void lt_run_impl_views(const lt_run *r, int trial, float *whole, lt_named view[LT_TUNER_MAX_PARAMS]) {
    const lt_tuner *t = r->tuner[trial];
    for (int i = 0; i < t->n_params; i++) {
        view[i] = t->param[i].value;
        view[i].data = whole;
        if (r->grid.rank == 0) whole += lt_named_elems(&view[i]);
    }
}

lt_status lt_run_impl_gather(const lt_run *r, int trial, lt_param_part part, float *whole) {
    const lt_tuner *t = r->tuner[trial];
    lt_named view[LT_TUNER_MAX_PARAMS];
    lt_status st = LT_OK;
    lt_run_impl_views(r, trial, whole, view);
    for (int i = 0; i < t->n_params; i++) {
        const lt_param *p = &t->param[i];
        if (!lt_param_mirrored(p))
            LT_KEEP(st, move_spread(r, p, data_of(p, part), view[i].data, true));
        else if (r->grid.rank == 0)
            LT_KEEP(st, lt_ctx_download(t->ctx, view[i].data, data_of(p, part), (size_t)lt_param_elems(p) * sizeof(float)));
    }
    return st;
}

lt_status lt_run_impl_scatter(const lt_run *r, int trial, lt_param_part part, float *whole) {
    const lt_tuner *t = r->tuner[trial];
    lt_named view[LT_TUNER_MAX_PARAMS];
    lt_status st = LT_OK;
    lt_run_impl_views(r, trial, whole, view);
    for (int i = 0; i < t->n_params; i++) {
        const lt_param *p = &t->param[i];
        LT_KEEP(st, lt_param_mirrored(p) ? spread_out(r, data_of(p, part), view[i].data, lt_param_elems(p))
                                         : move_spread(r, p, data_of(p, part), view[i].data, false));
    }
    return st;
}

lt_status lt_run_impl_scatter_states(const lt_run *r, int trial, float *whole) {
    return spread_out(r, r->tuner[trial]->label_states, whole, lt_tuner_states_elems(r->tuner[trial]));
}

int64_t lt_run_impl_staging_elems(const lt_run *r) {
    int64_t most = LT_PIECE_ELEMS;
    for (int i = 0; r->grid.rank == 0 && i < r->n_trials; i++) {
        int64_t n = lt_tuner_trainable(r->tuner[i]), states = lt_tuner_states_elems(r->tuner[i]);
        if (n > most) most = n;
        if (states > most) most = states;
    }
    return most;
}

lt_status lt_run_impl_staging(const lt_run *r, float **whole) {
    return lt_calloc(whole, lt_run_impl_staging_elems(r), sizeof **whole, "values on their way to or from a checkpoint");
}
