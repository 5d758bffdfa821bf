/* The grid world = dp x tp, tp fastest.
 *
 * Rank r of the world has tp rank r % tp and dp rank r / tp.  The world is ordered by node (init.c), so groups of tp neighbours stay inside
 * their nodes exactly if tp divides the rank count of every node; an activation all-reduce then never leaves shared memory. */
#include "comm/comm_impl.h"

#include <stdio.h>

static int gcd(int a, int b) { return b ? gcd(b, a % b) : a; }

/* Appends a number, after a comma if it is not the first; what does not fit is left out. */
static void append(char *text, size_t bytes, size_t *at, int value) {
    int n = snprintf(text + *at, bytes - *at, "%s%d", *at ? ", " : "", value);
    if (n > 0) *at = *at + (size_t)n < bytes ? *at + (size_t)n : bytes - 1;
}

static lt_status check_layout(const lt_comm *world, int tp) {
    char nodes[200] = "", work[200] = "";
    size_t nodes_at = 0, work_at = 0;
    int common = 0, count = 0;
    for (int r = 0; r < world->size; r++) {
        count++;
        if (r + 1 < world->size && world->node_of[r + 1] == world->node_of[r]) continue;
        common = gcd(common, count);
        append(nodes, sizeof nodes, &nodes_at, count);
        count = 0;
    }
    for (int d = 1; d <= common; d++)
        if (common % d == 0) append(work, sizeof work, &work_at, d);
    LT_CHECK(tp >= 1 && common % tp == 0, LT_ERR_SHAPE,
             "%d ranks on %d node(s) do not divide into groups of parallel.tp = %d that stay on a node.  Ranks per node: %s.\n"
             "  what to do: choose parallel.tp among %s, or start a multiple of %d ranks on every node",
             world->size, world->n_nodes, tp, nodes, work, tp > 0 ? tp : 1);
    return LT_OK;
}

/* Cuts the group of ranks with this colour out of the world; order and node numbers are the world's. */
static lt_status cut(const lt_comm *world, const char *name, int colour, lt_comm **out) {
    MPI_Comm group;
    LT_MPI(MPI_Comm_split(world->mpi, colour, world->rank, &group));
    return lt_comm_impl_create(name, group, world->rank, world->node, world, out);
}

lt_status lt_grid_create(lt_comm *world, int tp, lt_grid *grid) {
    lt_status st = lt_comm_impl_same(world, tp, "parallel.tp");
    if (st == LT_OK) st = check_layout(world, tp);
    LT_TRY(lt_agree(world, st));
    lt_grid g = {.world = world,
                 .rank = world->rank,
                 .size = world->size,
                 .tp_rank = world->rank % tp,
                 .tp_size = tp,
                 .dp_rank = world->rank / tp,
                 .dp_size = world->size / tp};
    if ((st = cut(world, "tp", g.dp_rank, &g.tp)) != LT_OK) lt_fatal(world, st);
    if ((st = cut(world, "dp", g.tp_rank, &g.dp)) != LT_OK) lt_fatal(world, st);
    world->tp = tp;
    *grid = g;
    return LT_OK;
}

void lt_grid_destroy(lt_grid *grid) {
    lt_comm_impl_destroy(&grid->dp);
    lt_comm_impl_destroy(&grid->tp);
}
