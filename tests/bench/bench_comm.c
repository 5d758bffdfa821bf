// TEST rooms: comm
/* Time of the all-reduce in comm's shared window beside MPI_Allreduce on plain memory, f32, in place.
 *
 *   mpirun -np RANKS bench_comm [repetitions, default 200]
 *
 * Both are called in turn, each after its slot was written and a barrier, so that neither profits from the other's quiet moments.  A
 * repetition counts as long as its slowest rank; reported are medians: us of each, their ratio, and GB/s of the window (2 (n - 1) / n of
 * the bytes a rank, as a ring would move). */
#define LT_TEST_MPI
#include "lt_test.h"

#include "base/log.h"
#include "comm/comm.h"

enum { MAX_REPEATS = 5000 };

typedef struct shape {
    const char *name;
    int64_t elems;
} shape;

static const shape shapes[] = {{"64", 64},
                               {"1024", 1024},
                               {"2048 (longest of one barrier)", 2048},
                               {"416 x 384 (MiniLM, one pack)", 416 * 384},
                               {"384 x 2048", 384 * 2048},
                               {"2048 x 1024", 2048 * 1024},
                               {"4096 x 1024", 4096 * 1024}};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, by_value);
    return n % 2 ? x[n / 2] : 0.5 * (x[n / 2 - 1] + x[n / 2]);
}

static double slowest(double seconds) {
    double all = 0;
    MPI_Allreduce(&seconds, &all, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return all;
}

static void write_slot(float *x, int64_t n, int rank, int round) {
    for (int64_t i = 0; i < n; i++) x[i] = (float)((i + round) % 64 + rank);
}

static bool run(lt_comm *world, const shape *s, int repeats) {
    static double window[MAX_REPEATS], plain[MAX_REPEATS];
    int rank = lt_comm_rank(world), size = lt_comm_size(world);
    lt_buffer *buf = NULL;
    float *own = malloc((size_t)s->elems * sizeof *own);
    CHECK_OK(lt_buffer_alloc(world, (size_t)s->elems * sizeof(float), NULL, &buf));
    if (!buf || !own) return false;
    float *x = lt_buffer_data(buf);
    for (int i = -3; i < repeats; i++) { /* the first three warm up */
        write_slot(x, s->elems, rank, i + 3);
        MPI_Barrier(MPI_COMM_WORLD);
        double t0 = lt_time_s();
        lt_allreduce(buf, 0, s->elems, NULL);
        double t1 = lt_time_s();
        write_slot(own, s->elems, rank, i + 3);
        MPI_Barrier(MPI_COMM_WORLD);
        double t2 = lt_time_s();
        MPI_Allreduce(MPI_IN_PLACE, own, (int)s->elems, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
        double t3 = lt_time_s(), w = slowest(t1 - t0), p = slowest(t3 - t2);
        if (i < 0) continue;
        window[i] = w;
        plain[i] = p;
    }
    CHECK(!memcmp(x, own, (size_t)s->elems * sizeof *x)); /* small integers: every order gives the same */
    double w = median(window, repeats), p = median(plain, repeats), bytes = 2.0 * (size - 1) / size * (double)s->elems * sizeof(float);
    if (rank == 0) printf("%-32s %9.1f %9.1f %7.2f %8.1f\n", s->name, 1e6 * w, 1e6 * p, p / w, 1e-9 * bytes / w);
    lt_buffer_free(&buf);
    free(own);
    return true;
}

int main(int argc, char **argv) {
    lt_comm *world = NULL;
    int repeats = argc > 1 ? atoi(argv[1]) : 200;
    if (repeats < 1 || repeats > MAX_REPEATS) repeats = 200;
    if (lt_comm_init(&argc, &argv, &world) != LT_OK) return 1;
    if (lt_comm_rank(world) == 0) {
        printf("%d ranks, %d repetitions\n", lt_comm_size(world), repeats);
        printf("%-32s %9s %9s %7s %8s\n", "f32 numbers", "window us", "MPI us", "ratio", "GB/s");
    }
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (!run(world, &shapes[i], shapes[i].elems > 1 << 20 ? (repeats + 3) / 4 : repeats)) break;
    int rc = test_end();
    lt_comm_fini(&world);
    return rc;
}
