// TEST np: 1 2 4  rooms: comm  labels: mpi  timeout: 90
/* The all-reduce over comm's buffers: right, the same bits on all ranks and in every call, without races, and giving
 * cores away while waiting.
 *
 *   test_comm_buffer late SECONDS | busy SECONDS | kill | stop   what tests/mpi/comm_faults.sh needs, see there */
#include "comm_worlds.h"

#include "base/log.h"
#include "base/rng.h"
#include "comm/buffer_impl.h"

#include <float.h>
#include <signal.h>

static float value_of(int rank, int round, int64_t i) {
    return (float)lt_rng_normal(&(lt_rng){.seed = 11, .purpose = LT_RNG_TEST, .a = (uint32_t)round}, (uint64_t)i, (uint32_t)rank);
}

/* Cheap numbers with few digits, so that every order of a sum gives the same: for long and for many messages. */
static float small_of(int rank, int64_t round, int64_t i) { return (float)((i * 7 + round * 13 + rank * 31) % 1009 - 504); }

/* Sum of each number in f64 and sum of magnitudes. */
static void sums_of(int size, int round, int64_t i, double *sum, double *magnitude) {
    *sum = *magnitude = 0;
    for (int r = 0; r < size; r++) {
        *sum += (double)value_of(r, round, i);
        *magnitude += fabs((double)value_of(r, round, i));
    }
}

/* The promised order: ranks in order inside a node, then nodes in order (or all backwards, for the negative control). */
static float ordered(const lt_comm *c, int round, int64_t i, bool backwards) {
    float total = 0, node = 0;
    for (int k = 0; k < c->size; k++) {
        int r = backwards ? c->size - 1 - k : k, before = backwards ? r + 1 : r - 1, after = backwards ? r - 1 : r + 1;
        bool first = k == 0 || c->node_of[before] != c->node_of[r], last = k == c->size - 1 || c->node_of[after] != c->node_of[r];
        node = first ? value_of(r, round, i) : node + value_of(r, round, i);
        if (last) total = (backwards ? c->node_of[r] == c->n_nodes - 1 : c->node_of[r] == 0) ? node : total + node;
    }
    return total;
}

/* Numbers of x outside the limit: n roundings, each at most eps/2 of the sum of magnitudes. */
static int64_t count_wrong(const float *x, int size, int round, int64_t n, double limit) {
    int64_t wrong = 0;
    for (int64_t i = 0; i < n; i++) {
        double sum, magnitude;
        sums_of(size, round, i, &sum, &magnitude);
        wrong += !(fabs((double)x[i] - sum) <= limit * magnitude);
    }
    return wrong;
}

static void check_sum(lt_comm *c, int64_t n) {
    enum { CALLS = 5, PAD = 3 }; /* an odd offset: parts then begin and end inside cache lines */
    int rank = lt_comm_rank(c), size = lt_comm_size(c);
    const double limit = 0.5 * FLT_EPSILON * size;
    lt_buffer *buf = NULL;
    CHECK_OK(lt_buffer_alloc(c, (size_t)(n + 2 * PAD) * sizeof(float), NULL, &buf));
    if (!buf) return;
    float *x = lt_buffer_data(buf);
    CHECK_INT((uintptr_t)x % 64, 0);
    uint64_t bits = 0;
    for (int call = 0; call < CALLS; call++) {
        for (int64_t i = 0; i < n; i++) x[PAD + i] = value_of(rank, 1, i);
        for (int i = 0; i < PAD; i++) x[i] = x[PAD + n + i] = (float)(100 + rank); /* sentinels */
        lt_allreduce(buf, PAD, n, NULL);
        uint64_t now = hash_bytes(x + PAD, (size_t)n * sizeof *x);
        CHECK(call == 0 || now == bits);
        bits = now;
        for (int i = 0; i < PAD; i++) CHECK(x[i] == (float)(100 + rank) && x[PAD + n + i] == (float)(100 + rank));
    }
    CHECK(same_everywhere(bits));
    CHECK_INT(count_wrong(x + PAD, size, 1, n, limit), 0);
    int64_t other = 0, backwards = 0;
    for (int64_t i = 0; i < n; i++) {
        other += x[PAD + i] != ordered(c, 1, i, false);
        backwards += x[PAD + i] != ordered(c, 1, i, true);
    }
    CHECK_INT(other, 0);
    /* negative controls: another order of summing has other bits; ten limits off is seen */
    bool matters = c->n_nodes > 2 || size > 2 * c->n_nodes; /* a sum of two, and of two pairs, has the same bits backwards */
    if (matters && n > 100) CHECK(backwards > 0);
    double sum, magnitude;
    sums_of(size, 1, n / 2, &sum, &magnitude);
    x[PAD + n / 2] = (float)(sum + 10 * limit * magnitude);
    CHECK_INT(count_wrong(x + PAD, size, 1, n, limit), 1);
    lt_buffer_free(&buf);
    CHECK(buf == NULL);
}

static int64_t count_off(const float *x, int size, int64_t round, int64_t from, int64_t n) {
    int64_t wrong = 0;
    for (int64_t i = from; i < from + n; i++) {
        float want = 0;
        for (int r = 0; r < size; r++) want += small_of(r, round, i);
        wrong += x[i] != want;
    }
    return wrong;
}

static void check_million(lt_comm *c) {
    const int64_t n = 1 << 20;
    lt_buffer *buf = NULL;
    CHECK_OK(lt_buffer_alloc(c, (size_t)n * sizeof(float), NULL, &buf));
    if (!buf) return;
    float *x = lt_buffer_data(buf);
    for (int round = 0; round < 3; round++) {
        for (int64_t i = 0; i < n; i++) x[i] = small_of(lt_comm_rank(c), round, i);
        lt_allreduce(buf, 0, n, NULL);
        CHECK_INT(count_off(x, lt_comm_size(c), round, 0, n), 0);
    }
    x[n - 1] += 1;
    CHECK_INT(count_off(x, lt_comm_size(c), 2, 0, n), 1); /* negative control */
    lt_buffer_free(&buf);
}

/* Two buffers, messages on both sides of the one-barrier path's limit, mixed at random, some ranks late at random: every number of every
 * call is checked, and the slot is written again at once. */
static void check_races(lt_comm *c, int64_t calls) {
    enum { ROOM = 9000 };
    int rank = lt_comm_rank(c), size = lt_comm_size(c);
    lt_buffer *buf[2] = {NULL, NULL};
    for (int b = 0; b < 2; b++) CHECK_OK(lt_buffer_alloc(c, ROOM * sizeof(float), NULL, &buf[b]));
    if (!buf[0] || !buf[1]) return;
    int64_t wrong = 0;
    for (int64_t k = 0; k < calls; k++) {
        lt_rng g = {.seed = 5, .purpose = LT_RNG_TEST};
        lt_buffer *b = buf[lt_rng_below(&g, 2, (uint64_t)k, 0)];
        bool small = lt_rng_below(&g, 8, (uint64_t)k, 1) != 0;
        int64_t n = 1 + (int64_t)lt_rng_below(&g, small ? 64 : ROOM, (uint64_t)k, 2);
        int64_t from = (int64_t)lt_rng_below(&g, (uint64_t)(ROOM - n + 1), (uint64_t)k, 3);
        float *x = lt_buffer_data(b);
        for (int64_t i = from; i < from + n; i++) x[i] = small_of(rank, k, i);
        if (lt_rng_below(&g, 200, (uint64_t)k, (uint32_t)(4 + rank)) == 0) test_sleep_us(100);
        lt_allreduce(b, from, n, NULL);
        wrong += count_off(x, size, k, from, n);
    }
    CHECK_INT(wrong, 0);
    for (int b = 0; b < 2; b++) lt_buffer_free(&buf[b]);
}

/* Negative control of check_races: a rank whose flag is up although it has not come is not waited for, and the sum is seen to be wrong. */
static void check_races_are_seen(lt_comm *c, int64_t n) {
    int rank = lt_comm_rank(c), size = lt_comm_size(c);
    lt_buffer *buf = NULL;
    CHECK_OK(lt_buffer_alloc(c, (size_t)n * sizeof(float), NULL, &buf));
    if (!buf) return;
    float *x = lt_buffer_data(buf);
    bool late = rank == size - 1;
    for (int64_t i = 0; i < n; i++) x[i] = late ? 1e6f : small_of(rank, 0, i);
    if (late) atomic_store(&buf->flag[c->local_rank].epoch, (uint64_t)1 << 40);
    lt_barrier(c);
    if (late) {
        test_sleep_us(50000);
        for (int64_t i = 0; i < n; i++) x[i] = small_of(rank, 0, i);
    }
    lt_allreduce(buf, 0, n, NULL);
    if (!late) CHECK(count_off(x, size, 0, 0, n) > 0);
    lt_barrier(c);
    lt_buffer_free(&buf);
}

/* Waiting gives the core away where ranks outnumber cores; a barrier that spins would cost a time slice (3 ms) for each rank in front. */
static void check_crowd(lt_comm *c) {
    enum { CALLS = 1000 };
    lt_cores mine;
    lt_buffer *buf = NULL;
    lt_cores_read(&mine);
    if (!c->crowded) CHECK(c->host_ranks <= lt_cores_count(&mine) || c->host_ranks == 1);
    if (c->host_ranks > lt_cores_count(&mine)) CHECK(c->crowded);
    CHECK_OK(lt_buffer_alloc(c, 4096, NULL, &buf));
    if (!buf) return;
    memset(lt_buffer_data(buf), 0, 4096);
    lt_allreduce(buf, 0, 1024, NULL);
    double t0 = lt_time_s();
    for (int i = 0; i < CALLS; i++) lt_allreduce(buf, 0, 1024, NULL);
    double us = (lt_time_s() - t0) / CALLS * 1e6;
    TEST_REPORT(us < 2000, "%.0f us a call with %d ranks on %d cores: waiting ranks keep the cores", us, c->host_ranks,
                lt_cores_count(&mine));
    lt_buffer_free(&buf);
}

static void check_edges(lt_comm *c) {
    lt_buffer *buf = NULL;
    lt_comm_stats a, b;
    CHECK_OK(lt_buffer_alloc(c, 0, NULL, &buf)); /* nothing is a size too */
    if (buf) lt_allreduce(buf, 0, 0, NULL);
    lt_buffer_free(&buf);
    lt_buffer_free(&buf); /* accepts NULL */
    CHECK_OK(lt_buffer_alloc(c, 400, NULL, &buf));
    if (!buf) return;
    for (int i = 0; i < 100; i++) CHECK(((float *)lt_buffer_data(buf))[i] == 0); /* new buffers are zero */
    lt_comm_get_stats(c, &a);
    lt_allreduce(buf, 1, 99, NULL);
    lt_allreduce(buf, 100, 0, NULL);
    lt_comm_get_stats(c, &b);
    CHECK_INT(b.calls - a.calls, lt_comm_size(c) > 1);
    CHECK_INT(b.bytes - a.bytes, lt_comm_size(c) > 1 ? 396 : 0);
    /* a NaN of one rank reaches all */
    if (lt_comm_rank(c) == lt_comm_size(c) - 1) ((float *)lt_buffer_data(buf))[7] = NAN;
    lt_allreduce(buf, 0, 100, NULL);
    CHECK(isnan(((float *)lt_buffer_data(buf))[7]) && ((float *)lt_buffer_data(buf))[8] == 0);
    lt_buffer_free(&buf);
}

static int hook_calls;

static void count_hook(void *arg) { hook_calls += *(int *)arg; }

/* Slots are whole pages; hooks run around the host's access, once each, and not after they are taken away. */
static void check_hooks(lt_comm *c) {
    int one = 1;
    lt_buffer *buf = NULL;
    CHECK_OK(lt_buffer_alloc(c, 100 * sizeof(float), NULL, &buf));
    if (!buf) return;
    CHECK_INT((uintptr_t)lt_buffer_data(buf) % LT_SLOT_ALIGN, 0);
    CHECK_INT(lt_buffer_bytes(buf), LT_SLOT_ALIGN);
    hook_calls = 0;
    lt_buffer_set_host_hooks(buf, count_hook, count_hook, &one);
    lt_allreduce(buf, 0, 100, NULL);
    CHECK_INT(hook_calls, lt_comm_size(c) > 1 ? 2 : 0);
    lt_buffer_set_host_hooks(buf, NULL, NULL, NULL);
    lt_allreduce(buf, 0, 100, NULL);
    CHECK_INT(hook_calls, lt_comm_size(c) > 1 ? 2 : 0);
    lt_buffer_free(&buf);
}

/* Every rank of a node writes its part of one block and reads those of the others. */
static void check_shared(lt_comm *c) {
    enum { EACH = 3000 };
    lt_shared *s = NULL;
    CHECK_OK(lt_shared_alloc(c, (size_t)lt_comm_size(c) * EACH * sizeof(int), &s));
    if (!s) return;
    int *x = lt_shared_data(s), rank = lt_shared_rank(s), size = lt_shared_size(s), wrong = 0;
    CHECK(rank >= 0 && rank < size && size <= lt_comm_size(c) && size == c->local_size);
    for (int i = 0; i < EACH; i++) x[rank * EACH + i] = rank * EACH + i + 1;
    lt_shared_barrier(s);
    for (int i = 0; i < size * EACH; i++) wrong += x[i] != i + 1;
    CHECK_INT(wrong, 0);
    lt_shared_barrier(s);
    lt_shared_free(&s);
    lt_shared_free(&s);
}

static void check_world(lt_comm *c, bool real) {
    check_hooks(c);
    check_shared(c);
    static const int64_t sizes[] = {1, 7, 16, 1024, 2048, 2049, 5001}; /* 2048 is the longest of the one-barrier path */
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check_sum(c, sizes[i]);
    check_million(c);
    check_edges(c);
    check_races(c, real ? 10000 : 500);
    if (real && lt_comm_size(c) > 1) {
        check_races_are_seen(c, 100);
        check_races_are_seen(c, 5000);
    }
    if (real) check_crowd(c);
    lt_grid g; /* groups of two, and of all but neighbours */
    if (lt_comm_size(c) >= 4 && lt_grid_create(c, 2, &g) == LT_OK) {
        check_sum(g.tp, 3000);
        check_sum(g.dp, 3000);
        check_races(g.tp, 300);
        check_races(g.dp, 300);
        lt_grid_destroy(&g);
    }
}

/* Files in /dev/shm that this process has mapped: those of windows, and those that still have a name. */
static void print_maps(void) {
    char line[4096];
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f)) {
        char *path = strstr(line, "/dev/shm/");
        if (path && strstr(path, "osc_sm")) printf("window %s", path);
        if (path && !strstr(path, " (deleted)")) printf("map %s", path);
    }
    if (f) (void)fclose(f);
    (void)fflush(stdout);
}

/* 200 calls; the last rank does what `mode` says before the 101st. */
static int misbehave(const char *mode, double seconds) {
    lt_comm *world = NULL;
    lt_buffer *buf = NULL;
    CHECK_OK(lt_comm_init(NULL, NULL, &world));
    CHECK_OK(lt_buffer_alloc(world, 1 << 20, NULL, &buf));
    if (!buf) return 1;
    bool last = lt_comm_rank(world) == lt_comm_size(world) - 1;
    print_maps();
    for (int i = 0; i < 200; i++) {
        if (i == 100 && last && !strcmp(mode, "late")) test_sleep_us((long)(seconds * 1e6));
        for (int k = 0; i == 100 && last && !strcmp(mode, "busy") && k < 10 * seconds; k++) { /* late, but it says that it advances */
            lt_comm_progress(world);
            test_sleep_us(100000);
        }
        if (i == 100 && last && !strcmp(mode, "kill")) raise(SIGKILL);
        if (i == 100 && last && !strcmp(mode, "stop")) raise(SIGSTOP);
        lt_allreduce(buf, 0, i % 2 ? 1000 : 100000, NULL);
    }
    lt_buffer_free(&buf);
    int rc = test_end();
    lt_comm_fini(&world);
    return rc;
}

int main(int argc, char **argv) {
    int provided;
    if (argc > 1) return misbehave(argv[1], argc > 2 ? atof(argv[2]) : 0);
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    for (int w = 0; w < N_WORLDS; w++) {
        lt_comm *world = world_open(&world_specs[w]);
        if (!world) break;
        int before = test_failed;
        check_world(world, !world_specs[w].fake);
        if (test_failed > before) fprintf(stderr, "the failures above: world %s\n", world_name(&world_specs[w]));
        lt_comm_fini(&world);
    }
    int rc = test_end();
    MPI_Finalize();
    return rc;
}
