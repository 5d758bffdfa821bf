// TEST np: 1 2 4  rooms: comm  labels: mpi  timeout: 60
/* The grid dp x tp, rank order over nodes, descriptions, and host collectives. */
#include "comm_worlds.h"

#include "base/log.h"

/* Is the grid this rank's place with tp fastest (or, for the negative control, dp fastest)? */
static bool matches(const lt_grid *g, int tp, bool tp_fastest) {
    int dp = g->size / tp;
    int tp_rank = tp_fastest ? g->rank % tp : g->rank / dp, dp_rank = tp_fastest ? g->rank / tp : g->rank % dp;
    return g->tp_size == tp && g->dp_size == dp && g->tp_rank == tp_rank && g->dp_rank == dp_rank;
}

static void check_groups(const lt_grid *g) {
    int all[64], rank = g->rank;
    CHECK_INT(lt_comm_rank(g->tp), g->tp_rank);
    CHECK_INT(lt_comm_size(g->tp), g->tp_size);
    CHECK_INT(lt_comm_rank(g->dp), g->dp_rank);
    CHECK_INT(lt_comm_size(g->dp), g->dp_size);
    lt_allgather_host(g->tp, &rank, sizeof rank, all);
    for (int i = 0; i < g->tp_size; i++) CHECK_INT(all[i], g->dp_rank * g->tp_size + i);
    lt_allgather_host(g->dp, &rank, sizeof rank, all);
    for (int i = 0; i < g->dp_size; i++) CHECK_INT(all[i], i * g->tp_size + g->tp_rank);
    char host[LT_HOST_BYTES] = "", hosts[64 * LT_HOST_BYTES];
    (void)snprintf(host, sizeof host, "%s", lt_comm_host(g->tp));
    lt_allgather_host(g->tp, host, sizeof host, hosts);
    for (int i = 0; i < g->tp_size; i++) CHECK_STR(hosts + (size_t)i * sizeof host, host);
}

static void check_grids(lt_comm *world, const world_spec *spec) {
    int size = lt_comm_size(world), count[64], nodes = world_nodes(spec, size, count);
    for (int tp = 0; tp <= size + 1; tp++) {
        lt_grid g = {0};
        bool fits = tp > 0;
        for (int i = 0; i < nodes; i++) fits = fits && count[i] % tp == 0;
        if (!fits) {
            CHECK_FAILS(lt_grid_create(world, tp, &g), LT_ERR_SHAPE, "choose parallel.tp among 1");
            CHECK(same_everywhere(hash_bytes(lt_err_last()->msg, strlen(lt_err_last()->msg))));
            continue;
        }
        CHECK_OK(lt_grid_create(world, tp, &g));
        CHECK(g.world == world && g.rank == lt_comm_rank(world) && g.size == size);
        CHECK(matches(&g, tp, true));
        /* negative control: the other order of the grid is seen on some rank */
        int seen = !matches(&g, tp, false), any = 0;
        MPI_Allreduce(&seen, &any, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
        CHECK_INT(any, tp > 1 && tp < size);
        check_groups(&g);
        lt_grid_destroy(&g);
        lt_grid_destroy(&g); /* accepts an empty grid */
    }
    if (size > 1) { /* ranks that ask for different grids all fail */
        lt_grid g = {0};
        CHECK_FAILS(lt_grid_create(world, lt_comm_rank(world) == size - 1 ? 1 : size, &g), LT_ERR_ARG, "not the same on all ranks");
    }
}

/* Nodes in the order of their lowest MPI rank, inside a node by MPI rank. */
static void check_order(lt_comm *world, const world_spec *spec) {
    int size = lt_comm_size(world), mpi_rank, count[64], all[64], nodes = world_nodes(spec, size, count), at = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &mpi_rank);
    lt_allgather_host(world, &mpi_rank, sizeof mpi_rank, all);
    for (int node = 0, first = 0; node < nodes; first += count[node++])
        for (int i = 0; i < count[node]; i++) CHECK_INT(all[at++], spec->cyclic ? node + i * nodes : first + i);
    lt_comm *again = NULL;
    CHECK_OK(lt_comm_init(NULL, NULL, &again));
    CHECK(again == world);
}

static void check_describe(lt_comm *world, const world_spec *spec) {
    char *text = NULL;
    int count[64], nodes = world_nodes(spec, lt_comm_size(world), count), lines = 0;
    CHECK_OK(lt_comm_describe(world, 1, &text));
    if (!text) return;
    CHECK(same_everywhere(hash_bytes(text, strlen(text))));
    CHECK(strstr(text, lt_comm_host(world)) != NULL);
    for (const char *p = text; (p = strstr(p, "\n  ")) != NULL; p++) lines++;
    TEST_REPORT(lines >= nodes, "%d lines for %d nodes in \"%s\"", lines, nodes, text);
    free(text);
}

static void check_threads(lt_comm *world) {
    const char *set = getenv("OMP_NUM_THREADS");
    char saved[32] = "";
    if (set) (void)snprintf(saved, sizeof saved, "%s", set);
    (void)setenv("OMP_NUM_THREADS", "5,2", 1);
    CHECK_INT(lt_comm_default_threads(world, 3), 3);
    CHECK_INT(lt_comm_default_threads(world, 0), 5);
    (void)unsetenv("OMP_NUM_THREADS");
    lt_cores mine;
    lt_cores_read(&mine);
    int n = lt_comm_default_threads(world, 0);
    TEST_REPORT(n >= 1 && n <= lt_cores_count(&mine), "%d threads on %d cores", n, lt_cores_count(&mine));
    if (set) (void)setenv("OMP_NUM_THREADS", saved, 1);
}

/* Broadcast, gather, sum and maximum; once in one piece, once in many. */
static void check_host(lt_comm *c) {
    enum { N = 10007 };
    int rank = lt_comm_rank(c), size = lt_comm_size(c);
    unsigned char *data = malloc(N), *all = malloc((size_t)N * (size_t)size);
    double *x = malloc(N * sizeof *x);
    const size_t whole = c->chunk_bytes;
    for (int pieces = 0; pieces < 2; pieces++) {
        if (pieces) c->chunk_bytes = 1000;
        for (int root = 0; root < size; root++) {
            bool good = true;
            for (int i = 0; i < N; i++) data[i] = rank == root ? (unsigned char)(i * 7 + root) : 0;
            lt_bcast_host(c, data, N, root);
            for (int i = 0; i < N; i++) good = good && data[i] == (unsigned char)(i * 7 + root);
            CHECK(good);
        }
        bool good = true;
        for (int i = 0; i < N; i++) data[i] = (unsigned char)(i * 3 + rank);
        lt_allgather_host(c, data, N, all);
        for (int r = 0; r < size; r++)
            for (int i = 0; i < N; i++) good = good && all[(size_t)r * N + (size_t)i] == (unsigned char)(i * 3 + r);
        CHECK(good);
        c->chunk_bytes = whole;
    }
    /* near 1e16 numbers are 2 apart: only rank order gives these bits */
    for (int i = 0; i < N; i++) x[i] = rank == 0 ? 1e16 : rank == size - 1 ? -1e16 : i + 0.7;
    lt_sum_host(c, x, N);
    int wrong = 0, reversed = 0;
    for (int i = 0; i < N; i++) {
        double want = size == 1 ? 1e16 : 0, other = 0;
        for (int r = 0; r < size && size > 1; r++) want += r == 0 ? 1e16 : r == size - 1 ? -1e16 : i + 0.7;
        for (int r = 1; r <= size && size > 1; r++) other += r % size == 0 ? 1e16 : r == size - 1 ? -1e16 : i + 0.7;
        wrong += x[i] != want;
        reversed += x[i] != other;
    }
    CHECK_INT(wrong, 0);
    if (size > 2) CHECK(reversed > 0); /* negative control: rank 0 added last gives other bits */
    CHECK(same_everywhere(hash_bytes(x, N * sizeof *x)));
    CHECK_INT(lt_max_host(c, rank == size / 2 ? 1000 : -rank), 1000);
    lt_sum_host(c, x, 0);
    free(data);
    free(all);
    free(x);
}

/* Seconds on the clock of the host: lt_time_s() counts from the start of each process. */
static double host_time(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Did the first rank leave after the last had come?  mine: when this rank came, and left. */
static bool left_together(lt_comm *c, double mine[2]) {
    double *times = calloc(2 * (size_t)lt_comm_size(c), sizeof *times), last = 0, first = 1e300;
    lt_allgather_host(c, mine, 2 * sizeof *mine, times);
    for (int r = 0; r < lt_comm_size(c); r++) {
        last = fmax(last, times[2 * r]);
        first = fmin(first, times[2 * r + 1]);
    }
    free(times);
    return first >= last;
}

/* A barrier lets nobody through before the last has come.  Negative control: without one, rank 0 is away before the others come. */
static void check_barrier(lt_comm *c) {
    double mine[2];
    for (int with = 0; with < 2; with++) {
        lt_barrier(c);
        test_sleep_us(20000L * lt_comm_rank(c));
        mine[0] = host_time();
        if (with) lt_barrier(c);
        mine[1] = host_time();
        CHECK(left_together(c, mine) == (with || lt_comm_size(c) == 1));
    }
}

static void check_stats(lt_comm *c) {
    lt_comm_stats a, b;
    int x = 0;
    lt_comm_get_stats(c, &a);
    lt_bcast_host(c, &x, sizeof x, 0);
    lt_barrier(c);
    lt_comm_get_stats(c, &b);
    CHECK_INT(b.calls - a.calls, 2);
    CHECK_INT(b.bytes - a.bytes, sizeof x);
    CHECK(b.seconds > a.seconds);
}

int main(int argc, char **argv) {
    int provided;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    for (int w = 0; w < N_WORLDS; w++) {
        const world_spec *spec = &world_specs[w];
        lt_comm *world = world_open(spec);
        if (!world) break;
        int before = test_failed;
        check_order(world, spec);
        check_grids(world, spec);
        check_describe(world, spec);
        check_threads(world);
        check_host(world);
        check_barrier(world);
        check_stats(world);
        if (test_failed > before) fprintf(stderr, "the failures above: world %s\n", world_name(spec));
        lt_comm_fini(&world);
        CHECK(world == NULL);
        lt_comm_fini(&world); /* accepts NULL */
    }
    /* a deadline that is no number fails on all ranks, whichever rank has it */
    int rank, size;
    lt_comm *world = NULL;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    (void)unsetenv("LT_FAKE_NODES");
    if (rank == size - 1) (void)setenv("LT_DEADLINE_S", "10x", 1);
    CHECK_FAILS(lt_comm_init(NULL, NULL, &world), LT_ERR_ARG, "LT_DEADLINE_S is \"10x\"");
    CHECK(world == NULL);
    int rc = test_end();
    MPI_Finalize();
    return rc;
}
