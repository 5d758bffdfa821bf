/* Sums over ranks: whole numbers, so that any order of adding gives the same, over the world and the groups of each layout. */
#include "check/check_impl.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

enum { ELEMS = 100003, FROM = 37 }; /* odd on purpose: parts do not divide */

/* What rank r puts in place i: at most 1024, so that sums of 16,384 ranks are exact in f32. */
static float mine(int r, int64_t i) { return (float)((r * 31 + i * 7) % 1024 - 512); }

/* Largest difference from the sum, and whether what lies before and behind is as it was. */
static double worst(const float *x, int64_t first, int64_t end, const int *member, int n, int rank) {
    double off = 0;
    for (int64_t i = 0; i < ELEMS; i++) {
        double want = 0;
        for (int r = 0; r < n && i >= first && i < end; r++) want += (double)mine(member[r], i);
        if (i < first || i >= end) want = (double)mine(rank, i);
        off = fmax(off, isnan(x[i]) ? INFINITY : fabs((double)x[i] - want));
    }
    return off;
}

/* Collective(group).  One sum; x [ELEMS] host, in and out. */
static lt_status one_sum(const lt_ctx *c, lt_buffer *b, lt_comm *group, float *x) {
    lt_status st = lt_ctx_upload(c, lt_buffer_data(b), x, ELEMS * sizeof *x);
    if (st == LT_OK) st = c->ops->wait(c, NULL);
    if ((st = lt_agree(group, st)) != LT_OK) return st;
    lt_allreduce(b, FROM, ELEMS - 2 * FROM, c->stream);
    return lt_ctx_download(c, x, lt_buffer_data(b), ELEMS * sizeof *x);
}

/* Collective(group).  off: this rank's largest difference. */
static lt_status check_group(const lt_ctx *c, lt_comm *group, int rank, double *off) {
    lt_buffer *b = NULL;
    float *x = NULL;
    int *member = NULL, n = lt_comm_size(group);
    lt_status st = lt_calloc(&x, ELEMS, sizeof *x, "numbers of a check");
    if (st == LT_OK) st = lt_calloc(&member, n, sizeof *member, "ranks of a check");
    if ((st = lt_agree(group, st)) == LT_OK) st = lt_buffer_alloc(group, ELEMS * sizeof *x, c->ops->gpu, &b);
    if (st == LT_OK) {
        lt_allgather_host(group, &rank, sizeof rank, member);
        st = lt_agree(group, c->ops->attach(c, lt_buffer_data(b), lt_buffer_bytes(b)));
    }
    if (st == LT_OK) {
        lt_ctx_hook_buffer(c, b);
        for (int64_t i = 0; i < ELEMS; i++) x[i] = mine(rank, i);
        st = one_sum(c, b, group, x);
        if (st == LT_OK) *off = worst(x, FROM, ELEMS - FROM, member, n, rank);
        c->ops->detach(c, lt_buffer_data(b));
    }
    lt_buffer_free(&b);
    free(member);
    free(x);
    return st;
}

/* Collective(world).  The groups of one layout. */
static void check_layout(lt_check *k, const lt_ctx *c, int tp) {
    lt_grid grid = {0};
    lt_status st = lt_grid_create(k->world, tp, &grid);
    double off[2] = {INFINITY, INFINITY};
    if (st == LT_OK) {
        lt_comm *const group[2] = {grid.tp, grid.dp};
        static const char *const word[2] = {"tp", "dp"};
        for (int g = 0; g < 2; g++) {
            if (lt_comm_size(group[g]) == 1) continue;
            lt_status did = check_group(c, group[g], grid.rank, &off[g]);
            if (lt_check_breaks(k, "collectives")) off[g] += 1;
            lt_check_add(k, "collectives", did, off[g], 0, "%s of tp %d x dp %d: %s", word[g], grid.tp_size, grid.dp_size,
                         lt_comm_transport(group[g]));
        }
        lt_grid_destroy(&grid);
    } else {
        lt_check_add(k, "collectives", st, INFINITY, 0, "groups of tp %d", tp);
    }
}

void lt_check_collectives(lt_check *k) {
    lt_ctx c = {.ops = k->device->ops, .threads = 1, .compute = LT_F32};
    double off = INFINITY;
    int size = lt_comm_size(k->world), tp = lt_check_impl_tp(k->world);
    lt_check_heading(k, "\nsums over %d rank%s, largest difference from the sum of whole numbers\n", size, size == 1 ? "" : "s");
    lt_status st = lt_agree(k->world, c.ops->ctx_init(&c));
    if (st == LT_OK) st = check_group(&c, k->world, lt_comm_rank(k->world), &off);
    if (lt_check_breaks(k, "collectives")) off += 1;
    lt_check_add(k, "collectives", st, off, 0, "world of %d: %s", size, lt_comm_transport(k->world));
    if (st == LT_OK && size > 1) check_layout(k, &c, 1);
    if (st == LT_OK && tp > 1) check_layout(k, &c, tp);
    c.ops->ctx_fini(&c);
}
