/* Progress, and deadlines that follow it.
 *
 * A rank that is long at work on its own (reading weights, packing them, writing and checking a checkpoint, evaluating) says so by lt_comm_progress: it
 * counts up a number in memory that its node shares, and once a second sends an empty message to the leaders of other nodes, who count for their node.
 * A wait whose deadline comes looks at the sum of these numbers: if it has grown, the deadline begins anew.  So a job in which somebody advances is left
 * alone however long one phase takes, and one in which nobody does is ended LT_DEADLINE_S after the last sign of life.
 *
 *     | rank 0 of the node | rank 1 | ... | ranks of other nodes |      128 bytes each */
#include "comm/comm_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { TAG = 7, CELL_BYTES = 128 };

typedef struct cell {
    _Alignas(CELL_BYTES) _Atomic uint64_t steps;
    _Atomic uint64_t entered; /* sums on GPUs */
} cell;

struct lt_board {
    cell *cells;  /* [ranks + 1] */
    int ranks;    /* of the world on this node */
    MPI_Win win;  /* MPI_WIN_NULL: one rank on this node, plain memory */
    MPI_Comm mpi; /* of the messages between nodes; MPI_COMM_NULL on one node */
    double sent_s;
};

lt_status lt_comm_impl_board_create(lt_comm *c) {
    lt_board *b = NULL;
    size_t bytes = (size_t)(c->local_size + 1) * sizeof *b->cells;
    lt_status st = lt_calloc(&b, 1, sizeof *b, "the board of progress");
    if (st == LT_OK) {
        *b = (lt_board){.ranks = c->local_size, .win = MPI_WIN_NULL, .mpi = MPI_COMM_NULL};
        if (c->local_size == 1) {
            b->cells = aligned_alloc(CELL_BYTES, bytes);
            if (!b->cells) st = LT_FAIL(LT_ERR_NOMEM, "cannot allocate %zu bytes for the board of progress", bytes);
        } else {
            st = lt_comm_impl_check_space(c, bytes, "the board of progress");
        }
    }
    st = lt_agree(c, st);
    if (st != LT_OK) {
        if (b) free(b->cells);
        free(b);
        return lt_err_trace(st, __FILE__, __LINE__, __func__);
    }
    if (c->local_size > 1) b->cells = (cell *)(void *)lt_comm_impl_map(c, bytes, &b->win);
    atomic_init(&b->cells[c->local_rank].steps, 0);
    atomic_init(&b->cells[c->local_rank].entered, 0);
    if (c->local_rank == 0) atomic_init(&b->cells[c->local_size].steps, 0);
    if (c->n_nodes > 1) LT_MPI_FATAL(c, MPI_Comm_dup(c->mpi, &b->mpi));
    c->board = b;  /* not before: waits look at it */
    lt_barrier(c); /* nobody counts before all are zero */
    return LT_OK;
}

/* Takes the messages that have come from other nodes; leaders only get some. */
static void take_messages(const lt_comm *c) {
    lt_board *b = c->board;
    int there = 1;
    while (b->mpi != MPI_COMM_NULL) {
        MPI_Status from;
        LT_MPI_FATAL((lt_comm *)c, MPI_Iprobe(MPI_ANY_SOURCE, TAG, b->mpi, &there, &from));
        if (!there) return;
        LT_MPI_FATAL((lt_comm *)c, MPI_Recv(NULL, 0, MPI_BYTE, from.MPI_SOURCE, TAG, b->mpi, MPI_STATUS_IGNORE));
        atomic_fetch_add_explicit(&b->cells[b->ranks].steps, 1, memory_order_relaxed);
    }
}

/* The messages still on the way must be taken before their communicator goes: everyone has sent when the barrier is passed. */
void lt_comm_impl_board_destroy(lt_comm *c) {
    lt_board *b = c->board;
    if (!b) return;
    if (b->mpi != MPI_COMM_NULL) {
        lt_barrier(c);
        take_messages(c);
        (void)MPI_Comm_free(&b->mpi);
    }
    if (b->win != MPI_WIN_NULL)
        lt_comm_impl_unmap(c, &b->win);
    else
        free(b->cells);
    free(b);
    c->board = NULL;
}

void lt_comm_progress(lt_comm *world) {
    lt_board *b = world->board;
    atomic_fetch_add_explicit(&b->cells[world->local_rank].steps, 1, memory_order_relaxed);
    if (b->mpi == MPI_COMM_NULL) return;
    double now = lt_time_s();
    if (now - b->sent_s < 1) return;
    b->sent_s = now;
    for (int r = 0; r < world->size; r++) {
        MPI_Request request;
        bool leader = r == 0 || world->node_of[r] != world->node_of[r - 1];
        if (!leader || world->node_of[r] == world->node) continue;
        LT_MPI_FATAL(world, MPI_Isend(NULL, 0, MPI_BYTE, r, TAG, b->mpi, &request));
        LT_MPI_FATAL(world, MPI_Request_free(&request));
    }
    take_messages(world); /* a leader at work tells its node of the others */
}

static uint64_t steps_of_all(const lt_board *b) {
    uint64_t sum = 0;
    for (int r = 0; r <= b->ranks; r++) sum += atomic_load_explicit(&b->cells[r].steps, memory_order_relaxed);
    return sum;
}

void lt_comm_impl_entered(lt_comm *c) {
    lt_board *b = c->root->board;
    if (b) atomic_fetch_add_explicit(&b->cells[c->root->local_rank].entered, 1, memory_order_relaxed);
}

const char *lt_comm_impl_behind(const lt_comm *world, char *text, size_t bytes) {
    const lt_board *b = world->board;
    uint64_t least = UINT64_MAX, most = 0;
    text[0] = 0;
    for (int r = 0; b && r < b->ranks; r++) {
        uint64_t n = atomic_load_explicit(&b->cells[r].entered, memory_order_relaxed);
        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    if (!b || least == most) return text;
    int at = snprintf(text, bytes, "  behind (%llu sums enqueued, others up to %llu): rank", (unsigned long long)least,
                      (unsigned long long)most);
    for (int r = 0; r < b->ranks && at > 0 && (size_t)at < bytes; r++)
        if (atomic_load_explicit(&b->cells[r].entered, memory_order_relaxed) == least)
            at += snprintf(text + at, bytes - (size_t)at, " %d", world->world_rank[world->rank - world->local_rank + r]);
    if (at > 0 && (size_t)at < bytes) (void)snprintf(text + at, bytes - (size_t)at, " on %s\n", world->host);
    return text;
}

bool lt_comm_impl_yield_until(const lt_comm *c, lt_waiting *w) {
    enum { YIELDS_PER_CLOCK = 256 }; /* the clock is read this seldom: each 0.1 ms alone, each second when crowded */
    lt_gpu_progress();
    (void)sched_yield();
    if (c->deadline_s == 0 || ++w->yields % YIELDS_PER_CLOCK != 0) return false;
    double now = lt_time_s();
    if (w->limit != 0 && now <= w->limit) return false;
    uint64_t steps = 0;
    if (c->board) {
        take_messages(c);
        steps = steps_of_all(c->board);
    }
    bool late = w->limit != 0 && steps == w->steps;
    w->steps = steps;
    w->limit = now + c->deadline_s;
    return late;
}
