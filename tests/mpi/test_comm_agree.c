// TEST np: 1 2 4  rooms: comm  labels: mpi  timeout: 60
/* Agreement on a status: whichever ranks fail, all ranks get the code, the message and the origin of the lowest. */
#include "comm_worlds.h"

#include "base/fault.h"

static lt_status fail_here(int rank) {
    static const lt_status codes[] = {LT_ERR_FORMAT, LT_ERR_IO, LT_ERR_NUMERIC, LT_ERR_NOMEM};
    return LT_FAIL(codes[rank % 4], "rank %d found %d spoons", rank, 100 + rank);
}

static lt_status code_of(int rank) {
    lt_status st = fail_here(rank);
    lt_err_clear();
    return st;
}

/* Ranks of c in the bit set fail; everyone must learn of the lowest. */
static void check_set(lt_comm *c, unsigned failing) {
    int rank = lt_comm_rank(c), lowest = failing ? __builtin_ctz(failing) : -1;
    char want[64];
    lt_err_clear();
    lt_status mine = failing >> rank & 1 ? fail_here(rank) : LT_OK, st = lt_agree(c, mine);
    if (!failing) {
        CHECK_INT(st, LT_OK);
        return;
    }
    (void)snprintf(want, sizeof want, "rank %d found %d spoons", lowest, 100 + lowest);
    lt_err_record got = *lt_err_last();
    CHECK_STR(got.msg, want);
    CHECK_INT(got.origin_rank, c->world_rank[lowest]);
    CHECK_INT(st, code_of(lowest));
    CHECK_INT(got.code, st);
    CHECK(rank == lowest ? got.n_frames > 0 && !strcmp(got.frame[0].func, "fail_here") : got.n_frames == 0);
}

/* Negative control: without agreement the ranks do differ, and the comparison sees it. */
static void check_needed(lt_comm *c) {
    int rank = lt_comm_rank(c), size = lt_comm_size(c);
    for (int bad = 0; bad < size; bad++) {
        lt_status alone = rank == bad ? fail_here(bad) : LT_OK;
        CHECK(same_everywhere((uint64_t)alone) == (size == 1));
        CHECK(same_everywhere((uint64_t)lt_agree(c, alone)));
        CHECK(same_everywhere(hash_bytes(lt_err_last()->msg, strlen(lt_err_last()->msg))));
    }
}

/* A status without a record of its own must not show an older failure. */
static void check_no_record(lt_comm *c) {
    int last = lt_comm_size(c) - 1;
    (void)LT_FAIL(LT_ERR_IO, "an old story");
    lt_status st = lt_agree(c, lt_comm_rank(c) == last ? LT_ERR_HDF5 : LT_OK);
    CHECK_INT(st, LT_ERR_HDF5);
    CHECK_STR(lt_err_last()->msg, lt_status_text(LT_ERR_HDF5));
    CHECK_INT(lt_err_last()->origin_rank, c->world_rank[last]);
}

/* A verdict agreed in a group and then in the world names the rank where it happened, not the lowest of the group. */
static void check_nested(lt_comm *world) {
    int size = lt_comm_size(world), rank = lt_comm_rank(world);
    for (int tp = 1; tp <= size; tp *= 2) {
        lt_grid g;
        if (lt_grid_create(world, tp, &g) != LT_OK) continue; /* groups would span nodes */
        for (int bad = 0; bad < size; bad++) {
            char want[64];
            lt_err_clear();
            (void)snprintf(want, sizeof want, "rank %d found %d spoons", bad, 100 + bad);
            lt_status st = lt_agree(g.tp, rank == bad ? fail_here(bad) : LT_OK);
            CHECK((st != LT_OK) == (bad / tp == g.dp_rank));
            st = lt_agree(world, st);
            CHECK_STR(lt_err_last()->msg, want);
            CHECK_INT(lt_err_last()->origin_rank, bad);
            CHECK_INT(st, lt_err_last()->code);
        }
        lt_grid_destroy(&g);
    }
}

/* A collective whose local part fails on one rank: every rank gets that failure, none waits for it in the communicating
 * part, the next call works. */
static void check_collective(lt_comm *c) {
    int rank = lt_comm_rank(c), size = lt_comm_size(c);
    lt_buffer *buf = NULL;
#ifdef LT_FAULTS
    char rule[64];
    static int passes; /* of the site on this rank: every rank passes it once an allocation */
    for (int bad = 0; bad < size; bad++) {
        passes = rank == bad ? passes + 1 : passes; /* fault.c counts on the named rank only */
        (void)snprintf(rule, sizeof rule, "comm.buffer:%d:%d", bad, passes);
        (void)setenv("LT_FAULT", rule, 1);
        lt_fault_init(rank);
        CHECK_FAILS(lt_buffer_alloc(c, 4096, NULL, &buf), LT_ERR_IO, "fault injected at comm.buffer");
        CHECK_INT(lt_err_last()->origin_rank, c->world_rank[bad]);
        CHECK(buf == NULL);
    }
    (void)unsetenv("LT_FAULT");
#endif
#ifndef __SANITIZE_ADDRESS__ /* which ends the process at such a size */
    CHECK_FAILS(lt_buffer_alloc(c, (size_t)1 << 50, NULL, &buf), LT_ERR_NOMEM, "");
#endif
    if (size > 1) CHECK_FAILS(lt_buffer_alloc(c, rank == 0 ? 64 : 128, NULL, &buf), LT_ERR_ARG, "not the same on all ranks");
    CHECK(buf == NULL);
    CHECK_OK(lt_buffer_alloc(c, 4096, NULL, &buf));
    lt_buffer_free(&buf);
    CHECK(buf == NULL);
}

int main(int argc, char **argv) {
    int provided;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    for (int w = 0; w < N_WORLDS; w++) {
        lt_comm *world = world_open(&world_specs[w]);
        if (!world) break;
        int before = test_failed;
        for (unsigned failing = 0; failing < 1u << lt_comm_size(world); failing++) check_set(world, failing);
        check_needed(world);
        check_no_record(world);
        check_nested(world);
        check_collective(world);
        if (test_failed > before) fprintf(stderr, "the failures above: world %s\n", world_name(&world_specs[w]));
        lt_comm_fini(&world);
    }
    int rc = test_end();
    MPI_Finalize();
    return rc;
}
