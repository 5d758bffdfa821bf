// TEST np: 2 4  rooms: model  labels: mpi  timeout: 120
/* One copy of the frozen weights a node: the same bytes and hidden states as in a model that each rank read for itself (guard back end, which cannot share),
 * on real and pretended nodes; each byte of the file read once a node; what happens without room; that nobody can write to the copy. */
#include "model_seen.h"

#include "base/fault.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

/* The ranks of a node read what one alone reads, each something; the others' part is not read twice. */
static void check_read(const lt_grid *grid, const seen *shared, const seen *alone) {
    int64_t sum = 0;
    MPI_Allreduce(&shared->read, &sum, 1, MPI_INT64_T, MPI_SUM, grid->dp->local);
    CHECK_INT(sum, alone->read);
    CHECK(shared->read > 0 && shared->read < alone->read);
}

/* ---- the copy cannot be written to ---- */

static sigjmp_buf stopped;

static void stop(int sig) {
    (void)sig;
    siglongjmp(stopped, 1);
}

static bool write_dies(volatile unsigned char *p) {
    struct sigaction old, now = {.sa_handler = stop};
    bool died = true;
    (void)sigaction(SIGSEGV, &now, &old);
    if (sigsetjmp(stopped, 1) == 0) {
        *p = *p;
        died = false;
    }
    (void)sigaction(SIGSEGV, &old, NULL);
    return died;
}

/* Rank 0 of the node changes one weight after all: all of its sharers see it, so memory is one and the comparison above sees one byte. */
static void check_one(const lt_grid *grid, seen *shared, const seen *alone) {
    unsigned char *p = shared->m->weights.base + 5, own = 1;
    CHECK(write_dies(p));
    CHECK(!write_dies(&own)); /* control */
    lt_shared_barrier(shared->m->shared);
    if (grid->dp->local_rank == 0) {
        CHECK(mprotect(shared->m->weights.base, 4096, PROT_READ | PROT_WRITE) == 0);
        *p ^= 1;
    }
    lt_shared_barrier(shared->m->shared);
    CHECK_OK(lt_ctx_download(lt_model_ctx(shared->m), shared->bytes, shared->m->weights.base, shared->n));
    CHECK(!equal(shared, alone));
    CHECK_INT(shared->bytes[5], alone->bytes[5] ^ 1);
    shared->hidden[3] += 1;
    CHECK(!same_states(shared, alone));
}

/* ---- cases ---- */

static void check_model(lt_grid *grid, const char *name, lt_dtype compute) {
    char dir[4096];
    seen shared, alone;
    (void)snprintf(dir, sizeof dir, "%s/%s", LT_GOLDEN, name);
    bool both = load(&shared, dir, grid, lt_ops_cpu(), compute, 1);
    both = load(&alone, dir, grid, lt_ops_guard(), compute, 1) && both;
    if (both) {
        CHECK(lt_model_may_share(shared.m) == (grid->dp_size > 1));
        CHECK(!lt_model_may_share(alone.m) && !alone.m->shared);
        CHECK((shared.m->shared != NULL) == (grid->dp->n_nodes < grid->dp_size));
        CHECK(equal(&shared, &alone));
        CHECK(same_states(&shared, &alone));
        if (shared.m->shared && grid->dp->local_size > 1) {
            CHECK_INT(lt_shared_size(shared.m->shared), grid->dp->local_size);
            check_read(grid, &shared, &alone);
            check_one(grid, &shared, &alone);
        }
    }
    drop(&alone);
    drop(&shared);
}

/* Ranks that must not share, or cannot: each has its own copy, with the same bytes. */
static void check_apart(lt_grid *grid, int threads, const char *why) {
    seen shared, alone;
    bool both = load(&shared, LT_GOLDEN "/tiny-bert", grid, lt_ops_cpu(), LT_F32, threads);
    both = load(&alone, LT_GOLDEN "/tiny-bert", grid, lt_ops_guard(), LT_F32, threads) && both;
    if (both) {
        TEST_REPORT(!shared.m->shared, "%s: the weights are shared", why);
        CHECK(equal(&shared, &alone) && same_states(&shared, &alone));
        CHECK_INT(shared.read, alone.read);
    }
    drop(&alone);
    drop(&shared);
}

static void check_no_room(lt_grid *grid, int rank) {
    char rule[64];
    (void)snprintf(rule, sizeof rule, "comm.space:%d:1:full", rank);
    (void)setenv("LT_FAULT", rule, 1);
    check_apart(grid, 1, "no room on one rank");
    (void)unsetenv("LT_FAULT");
}

static void check_grid(lt_comm *world, int tp, bool real) {
    lt_grid grid;
    lt_status st = lt_grid_create(world, tp, &grid);
    if (st != LT_OK) return; /* tp groups would span these pretended nodes */
    check_model(&grid, "tiny-bert", LT_F32);
    if (real) {
        check_model(&grid, "tiny-llama", LT_F32);
        check_model(&grid, "tiny-gpt2", LT_F32);
        check_model(&grid, "tiny-bert", LT_BF16);
        (void)setenv("LT_CPU_LINEAR", "packed", 1); /* the reordering, whatever this CPU likes */
        check_model(&grid, "tiny-bert", LT_F32);
        check_model(&grid, "tiny-llama", LT_BF16);
        (void)unsetenv("LT_CPU_LINEAR");
        check_apart(&grid, grid.rank == 0 ? 2 : 1, "other threads on rank 0");
        check_no_room(&grid, tp == 1 ? 0 : grid.size - 1);
    }
    lt_grid_destroy(&grid);
}

int main(int argc, char **argv) {
    int provided, rank;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    lt_fault_init(rank);
    for (int w = 0; w < N_WORLDS; w++) {
        lt_comm *world = world_open(&world_specs[w]);
        if (!world) break;
        int before = test_failed;
        check_grid(world, 1, !world_specs[w].fake);
        if (lt_comm_size(world) > 2) check_grid(world, 2, !world_specs[w].fake);
        if (test_failed > before) fprintf(stderr, "the failures above: world %s\n", world_name(&world_specs[w]));
        lt_comm_fini(&world);
    }
    int rc = test_end();
    MPI_Finalize();
    return rc;
}
