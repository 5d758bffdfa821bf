/* What ranks hold in common stays common.
 *
 * Updates are mirrored, not sent, and label states are computed by every group: CPUs of different kinds may round them differently.  Where they did, rank
 * 0's values, which the checkpoint holds, become everyone's, so that the run goes on as a resumed one would.  (Rows that are spread are nobody else's.) */
#include "train/run_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_array(uint64_t h, const float *x, int64_t n) {
    for (int64_t e = 0; e < n; e++) {
        uint32_t bits;
        memcpy(&bits, x + e, sizeof bits);
        h = (h ^ bits) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

/* The arrays of trial i that all ranks hold whole; the next one after *at, NULL at the end. */
static float *next_array(const lt_tuner *t, int *at, int64_t *elems) {
    for (; *at < 3 * t->n_params; (*at)++) {
        const lt_param *p = &t->param[*at / 3];
        float *const data[] = {p->value.data, p->adam_m, p->adam_v};
        if (!lt_param_mirrored(p)) continue;
        *elems = lt_param_elems(p);
        return data[(*at)++ % 3];
    }
    *elems = lt_tuner_states_elems(t);
    return (*at)++ == 3 * t->n_params ? t->label_states : NULL;
}

static lt_status hash_all(const lt_run *r, float *host, int64_t *hash) {
    uint64_t h = 1;
    int64_t n;
    for (int i = 0; i < r->n_trials; i++) {
        const float *x;
        for (int at = 0; (x = next_array(r->tuner[i], &at, &n));)
            for (int64_t e = 0; e < n; e += LT_PIECE_ELEMS) {
                int64_t piece = n - e < LT_PIECE_ELEMS ? n - e : LT_PIECE_ELEMS;
                LT_TRY(lt_ctx_download(r->tuner[i]->ctx, host, x + e, (size_t)piece * sizeof *host));
                h = hash_array(h, host, piece);
            }
    }
    *hash = (int64_t)(h >> 2);
    return LT_OK;
}

/* Collective(world). */
static lt_status take_first(const lt_run *r, float *host) {
    lt_status st = LT_OK;
    int64_t n;
    for (int i = 0; i < r->n_trials; i++) {
        float *x;
        const lt_ctx *c = r->tuner[i]->ctx;
        for (int at = 0; (x = next_array(r->tuner[i], &at, &n));)
            for (int64_t e = 0; e < n; e += LT_PIECE_ELEMS) {
                size_t bytes = (size_t)(n - e < LT_PIECE_ELEMS ? n - e : LT_PIECE_ELEMS) * sizeof *host;
                if (r->grid.rank == 0) LT_KEEP(st, lt_ctx_download(c, host, x + e, bytes));
                lt_bcast_host(r->grid.world, host, bytes, 0);
                LT_KEEP(st, lt_ctx_upload(c, x + e, host, bytes));
                LT_KEEP(st, c->ops->wait(c, NULL));
            }
    }
    return st;
}

lt_status lt_run_impl_make_common(lt_run *r) {
    lt_comm *world = r->grid.world;
    float *host = NULL;
    int64_t h = 0;
    if (r->grid.size == 1) return LT_OK;
    lt_status st = lt_calloc(&host, LT_PIECE_ELEMS, sizeof *host, "a comparison of ranks");
    if (st == LT_OK) st = hash_all(r, host, &h);
    st = lt_agree(world, st);
    if (st == LT_OK && lt_max_host(world, h) != -lt_max_host(world, -h)) {
        if (r->grid.rank == 0)
            lt_warn("step %lld: ranks hold different trained values (nodes of different CPUs?); all take those of rank 0",
                    (long long)r->step);
        st = take_first(r, host);
        if (st != LT_OK) lt_fatal(world, st);
    }
    free(host);
    return st;
}
