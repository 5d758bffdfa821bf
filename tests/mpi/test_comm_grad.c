// TEST np: 1 2 4  rooms: comm  labels: mpi  timeout: 60
/* The message of a training step as the step uses it: gradients and a tail of losses, counts and wishes in one all-reduce over the world.
 * Whatever rank comes first, the sums have the bits of rank order; counts and flags of one rank reach all in the same step. */
#include "comm_worlds.h"

#include "base/rng.h"

enum { GRADS = 6000, TRIALS = 3, LOSS = GRADS, BAD = LOSS + TRIALS, STOP = BAD + TRIALS, SAVE, FAILED, N };

static float grad_of(int rank, int64_t i) { /* magnitudes over six decades, so that order shows in the bits */
    const lt_rng g = {.seed = 3, .purpose = LT_RNG_TEST};
    return (float)(lt_rng_normal(&g, (uint64_t)i, (uint32_t)rank) * pow(10, 6 * lt_rng_uniform(&g, (uint64_t)i, (uint32_t)rank + 100) - 3));
}

static void fill(float *x, int rank) {
    for (int64_t i = 0; i < GRADS; i++) x[i] = grad_of(rank, i);
    for (int64_t i = GRADS; i < N; i++) x[i] = 0;
    for (int t = 0; t < TRIALS; t++) x[LOSS + t] = 0.5f + (float)rank + 0.25f * (float)t;
}

/* Sum in rank order inside nodes, nodes in order; starting each node's sum at its rank `first` in turn is the negative control. */
static void serial(const lt_comm *c, const float *all, int64_t n, int shift, float *out) {
    for (int64_t i = 0; i < n; i++) {
        float total = 0;
        for (int from = 0; from < c->size;) {
            int count = 1;
            while (from + count < c->size && c->node_of[from + count] == c->node_of[from]) count++;
            float sum = all[(int64_t)(from + shift % count) * n + i];
            for (int k = 1; k < count; k++) sum += all[(int64_t)(from + (k + shift) % count) * n + i];
            total = from ? total + sum : sum;
            from += count;
        }
        out[i] = total;
    }
}

static void check_order(lt_comm *c, lt_buffer *buf, int steps) {
    int rank = lt_comm_rank(c), size = lt_comm_size(c);
    float *x = lt_buffer_data(buf), *mine = malloc(N * sizeof *mine), *all = malloc((size_t)size * N * sizeof *all),
          *want = malloc(N * sizeof *want);
    fill(mine, rank);
    lt_allgather_host(c, mine, N * sizeof *mine, all);
    serial(c, all, N, 0, want);
    for (int step = 0; step < steps; step++) {
        memcpy(x, mine, N * sizeof *x);
        /* the last comes first, the first comes last, then at random */
        const lt_rng g = {.seed = 9, .purpose = LT_RNG_TEST};
        long us = step == 0   ? 2000L * rank
                  : step == 1 ? 2000L * (size - rank)
                              : (long)lt_rng_below(&g, 1500, (uint64_t)step, (uint32_t)rank);
        test_sleep_us(us);
        lt_allreduce(buf, 0, N, NULL);
        TEST_REPORT(!memcmp(x, want, N * sizeof *x), "step %d: not the bits of rank order", step);
    }
    CHECK(same_everywhere(hash_bytes(x, N * sizeof *x)));
    bool ordered = c->local_size > 2;
    serial(c, all, N, 1, want);
    /* negative control: another order has other bits */
    if (ordered) CHECK(memcmp(x, want, N * sizeof *x) != 0);
    free(mine);
    free(all);
    free(want);
}

/* One rank's bad loss, NaN gradient, wish to stop or failure is everyone's verdict, and is gone in the next step. */
static void check_flags(lt_comm *c, lt_buffer *buf) {
    int rank = lt_comm_rank(c), size = lt_comm_size(c);
    float *x = lt_buffer_data(buf);
    for (int who = 0; who < size; who++) {
        fill(x, rank);
        if (rank == who) {
            x[0] = NAN;
            x[1] = INFINITY;
            x[LOSS + 1] = NAN;
            x[BAD + 1] = 1;
            x[STOP] = 1;
        }
        lt_allreduce(buf, 0, N, NULL);
        CHECK(isnan(x[0]) && isinf(x[1]) && isfinite(x[2]));
        CHECK(isnan(x[LOSS + 1]) && isfinite(x[LOSS]) && isfinite(x[LOSS + 2]));
        CHECK(x[BAD] == 0 && x[BAD + 1] == 1 && x[BAD + 2] == 0);
        CHECK(x[STOP] > 0 && x[SAVE] == 0 && x[FAILED] == 0);
        CHECK(same_everywhere(hash_bytes(x + BAD, (N - BAD) * sizeof *x)));
        /* negative control and next step: without a wish nobody stops */
        fill(x, rank);
        if (rank != who) x[SAVE] = 1;
        lt_allreduce(buf, 0, N, NULL);
        CHECK(x[STOP] == 0 && x[BAD + 1] == 0 && isfinite(x[0]) && isfinite(x[1]));
        CHECK(x[SAVE] == (float)(size - 1));
        CHECK(isfinite(x[LOSS + 1]) && fabsf(x[LOSS] - (0.5f * (float)size + (float)(size * (size - 1) / 2))) < 1e-5f);
        /* a rank that failed sends zeros and the flag; then all agree on its reason */
        fill(x, rank);
        if (rank == who) memset(x, 0, N * sizeof *x);
        x[FAILED] = rank == who;
        lt_allreduce(buf, 0, N, NULL);
        CHECK(x[FAILED] == 1);
        CHECK_FAILS(lt_agree(c, rank == who ? LT_FAIL(LT_ERR_IO, "step of rank %d", rank) : LT_OK), LT_ERR_IO, "step of rank");
        CHECK_INT(lt_err_last()->origin_rank, c->world_rank[who]);
    }
}

int main(int argc, char **argv) {
    int provided;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    for (int w = 0; w < N_WORLDS; w++) {
        lt_comm *world = world_open(&world_specs[w]);
        lt_buffer *buf = NULL;
        if (!world) break;
        int before = test_failed;
        CHECK_OK(lt_buffer_alloc(world, N * sizeof(float), NULL, &buf));
        if (buf) {
            check_order(world, buf, 40);
            check_flags(world, buf);
        }
        lt_buffer_free(&buf);
        if (test_failed > before) fprintf(stderr, "the failures above: world %s\n", world_name(&world_specs[w]));
        lt_comm_fini(&world);
    }
    int rc = test_end();
    MPI_Finalize();
    return rc;
}
