// TEST np: 2 4  rooms: model  labels: mpi  timeout: 240
/* GPUs of a data-parallel group have the same shard, and each byte of the files is read by one rank of the group: the same bytes in memory and the same hidden
 * states as in a model that a rank read for itself, by NCCL's twin and through the host, with and without tensor parallelism, in all element types and
 * layouts of files.  A file that is cut on one rank after it was opened ends loading on all with its message; a byte that differs is seen. */
#include "model/device.h"
#include "model_seen.h"

#include "base/fault.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { THREADS = 3 };

/* A tensor-parallel group for itself, with one replica: its ranks read all of their shards. */
static lt_grid alone_of(const lt_grid *g) {
    return (lt_grid){.world = g->tp,
                     .tp = g->tp,
                     .dp = g->tp,
                     .rank = g->tp_rank,
                     .size = g->tp_size,
                     .tp_rank = g->tp_rank,
                     .tp_size = g->tp_size,
                     .dp_size = 1};
}

/* The last byte that another rank has read: what makes memories differ is seen. */
static void check_control(const lt_grid *grid, seen *together, const seen *alone) {
    together->bytes[together->n / 2] ^= 1;
    CHECK(!equal(together, alone));
    together->hidden[3] += 1;
    CHECK(!same_states(together, alone));
    /* a rank's own part is not what all read */
    CHECK(grid->dp_size == 1 || together->read < alone->read);
}

static void check_model(lt_grid *grid, const lt_ops *ops, const char *name, lt_dtype compute) {
    char dir[4096];
    seen together, alone;
    lt_grid own = alone_of(grid);
    int64_t sum = 0;
    (void)snprintf(dir, sizeof dir, "%s/%s", LT_GOLDEN, name);
    bool both = load(&together, dir, grid, ops, compute, THREADS);
    both = load(&alone, dir, &own, ops, compute, THREADS) && both;
    if (both) {
        TEST_REPORT(equal(&together, &alone), "%s: other weights", name);
        TEST_REPORT(same_states(&together, &alone), "%s: other hidden states", name);
        MPI_Allreduce(&together.read, &sum, 1, MPI_INT64_T, MPI_SUM, grid->dp->mpi);
        TEST_REPORT(sum == alone.read, "%s: the group read %lld bytes, one copy is %lld", name, (long long)sum, (long long)alone.read);
        CHECK(together.read > 0);
        CHECK(together.m->block[0].o.e4m3 == (compute == LT_E4M3));
        CHECK(!together.m->handout && !alone.m->handout);
        check_control(grid, &together, &alone);
    }
    drop(&alone);
    drop(&together);
}

/* ---- a file that is cut on one rank ---- */

/* The folder's files into another. */
static bool copy_folder(const char *from, const char *to) {
    DIR *d = opendir(from);
    bool ok = d && mkdir(to, 0700) == 0;
    for (const struct dirent *e; ok && (e = readdir(d));) {
        char a[4096], b[4096], buf[4096];
        if (e->d_name[0] == '.') continue;
        (void)snprintf(a, sizeof a, "%s/%s", from, e->d_name);
        (void)snprintf(b, sizeof b, "%s/%s", to, e->d_name);
        FILE *in = fopen(a, "rb"), *out = fopen(b, "wb");
        for (size_t n; in && out && (n = fread(buf, 1, sizeof buf, in)) > 0;) ok = fwrite(buf, 1, n, out) == n && ok;
        ok = ok && in && out;
        if (in) (void)fclose(in);
        if (out) ok = fclose(out) == 0 && ok;
    }
    if (d) (void)closedir(d);
    return ok;
}

static void remove_folder(const char *dir) {
    DIR *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.') (void)unlink(path);
    }
    if (d) (void)closedir(d);
    (void)rmdir(dir);
}

/* Each rank has a copy of its own, of which one loses its weights; then all are whole and loading succeeds: nobody was left behind. */
static void check_cut(lt_grid *grid, const lt_ops *ops, int victim) {
    char dir[256], file[512];
    seen s;
    struct stat before;
    (void)snprintf(dir, sizeof dir, "/tmp/lt_handout.%d.%d", (int)getppid(), grid->rank);
    (void)snprintf(file, sizeof file, "%s/model.safetensors", dir);
    CHECK(copy_folder(LT_GOLDEN "/tiny-bert", dir) && stat(file, &before) == 0);
    CHECK_OK(ready(&s, dir, grid, ops, LT_F32, THREADS));
    if (grid->rank == victim) CHECK(truncate(file, before.st_size / 8) == 0);
    lt_barrier(grid->world);
    CHECK_FAILS(lt_model_load(s.m), LT_ERR_FORMAT, "it was cut after it was opened");
    CHECK_INT(lt_err_last()->origin_rank, victim);
    CHECK(!s.m->handout);
    drop(&s);
    remove_folder(dir);
    lt_err_clear();
    if (load(&s, LT_GOLDEN "/tiny-bert", grid, ops, LT_F32, THREADS)) CHECK(s.read > 0);
    drop(&s);
}

/* ---- cases ---- */

static void check_grid(lt_comm *world, const lt_ops *ops, int tp) {
    lt_grid grid;
    CHECK_OK(lt_grid_create(world, tp, &grid));
    check_model(&grid, ops, "tiny-bert", LT_F32);
    check_model(&grid, ops, "tiny-bert", LT_BF16);
    check_model(&grid, ops, "tiny-llama", LT_BF16); /* q, k and v of the file are one matrix */
    check_model(&grid, ops, "tiny-llama", LT_E4M3);
    check_model(&grid, ops, "tiny-gpt2", LT_F32); /* the file has matrices turned */
    check_cut(&grid, ops, 0);
    check_cut(&grid, ops, grid.size - 1);
    lt_grid_destroy(&grid);
}

int main(int argc, char **argv) {
    int provided, rank;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    lt_fault_init(rank);
    if (!lt_ops_cuda_emulated()) {
        if (rank == 0) printf("skipped: this build has no emulated GPU (LT_EMULATE)\n");
        MPI_Finalize();
        return 77;
    }
    for (lt_transport t = LT_TRANSPORT_AUTO; t <= LT_TRANSPORT_MPI; t++) {
        lt_comm *world = NULL;
        lt_device device;
        CHECK_OK(lt_comm_init(NULL, NULL, &world));
        lt_comm_set_transport(world, t);
        CHECK_OK(lt_device_open(world, LT_DEVICE_EMULATED, true, &device));
        int before = test_failed;
        check_grid(world, device.ops, 1);
        if (lt_comm_size(world) > 2) check_grid(world, device.ops, 2);
        if (test_failed > before) fprintf(stderr, "the failures above: transport %d\n", (int)t);
        lt_comm_fini(&world);
    }
    int rc = test_end();
    MPI_Finalize();
    return rc;
}
