// TEST np: 2 3  timeout: 60
/* Collectives of the emulator: sums in the order of ranks, while the host goes on, recorded or not; what ranks do differently is found. */
#define LT_TEST_MPI
#include "device/emulated/emulated.h"
#include "emulator/planted.h"
#include "lt_test.h"
#include "tensor/tensor.h"

enum { N = 1000 };

static const lt_gpu *gpu;
static lt_stream *a, *b;
static int rank, size;
static MPI_Comm world, twin;
static lt_gpu_coll *first, *second;

static void *device(size_t bytes) {
    void *p = NULL;
    CHECK_OK(gpu->alloc(bytes, "a test", &p));
    return p;
}

/* The host waits for the others, as comm does. */
static void meet(void) {
    MPI_Request request;
    int done = 0;
    CHECK(MPI_Ibarrier(world, &request) == MPI_SUCCESS);
    while (!done) {
        CHECK(MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS);
        lt_gpu_progress();
    }
}

static lt_gpu_coll *join(MPI_Comm mpi) {
    unsigned char id[LT_GPU_COLL_ID_BYTES];
    lt_gpu_coll *c = NULL;
    if (rank == 0) CHECK_OK(gpu->coll_id(id));
    CHECK(MPI_Bcast(id, sizeof id, MPI_BYTE, 0, mpi) == MPI_SUCCESS);
    CHECK_OK(gpu->coll_init(id, rank, size, &mpi, &c));
    return c;
}

static float value(int r, int i) { return 1.0f / (float)(1 + (i * 7 + r * 13) % 101); }

/* Sums in f32 and bf16 on two communicators and two streams, bits as a loop over ranks gives them. */
static void test_sums(void) {
    float host[N], got[N], want_f32 = 0, want_bf16 = 0, *x = device(N * 4);
    uint16_t half[N], got_half[N], *y = device(N * 2);
    int wrong = 0;
    for (int i = 0; i < N; i++) {
        host[i] = value(rank, i);
        half[i] = lt_f32_to_bf16(value(rank, i));
    }
    for (int seed = 0; seed < 20; seed++) {
        lt_emulated_seed((uint64_t)(seed * 10 + rank));
        CHECK_OK(gpu->copy(a, LT_GPU_TO_DEVICE, x, 0, host, 0, sizeof host, 1));
        CHECK_OK(gpu->copy(b, LT_GPU_TO_DEVICE, y, 0, half, 0, sizeof half, 1));
        CHECK_OK(gpu->all_reduce(first, x, x, N, LT_F32, a));
        CHECK_OK(gpu->all_reduce(second, y, y, N, LT_BF16, b));
        if (rank == seed % size) meet(); /* its device goes on while it waits */
        CHECK_OK(gpu->copy(a, LT_GPU_TO_HOST, got, 0, x, 0, sizeof got, 1));
        CHECK_OK(gpu->copy(b, LT_GPU_TO_HOST, got_half, 0, y, 0, sizeof got_half, 1));
        if (rank != seed % size) meet();
        for (int i = 0; i < N; i++) {
            want_f32 = value(0, i);
            want_bf16 = 0;
            for (int r = 1; r < size; r++) want_f32 += value(r, i);
            for (int r = 0; r < size; r++) want_bf16 += lt_bf16_to_f32(lt_f32_to_bf16(value(r, i)));
            wrong += got[i] != want_f32 || got_half[i] != lt_f32_to_bf16(want_bf16);
        }
    }
    CHECK_INT(wrong, 0);
    gpu->free(x);
    gpu->free(y);
}

static void test_gather_broadcast(void) {
    float host[N], got[3 * N], *x = device(N * 4), *all = device(3 * N * 4);
    int wrong = 0;
    for (int i = 0; i < N; i++) host[i] = value(rank, i);
    CHECK_OK(gpu->copy(a, LT_GPU_TO_DEVICE, x, 0, host, 0, sizeof host, 1));
    CHECK_OK(gpu->all_gather(first, x, all, N, LT_F32, a));
    CHECK_OK(gpu->broadcast(first, x, N * 4, size - 1, a));
    CHECK_OK(gpu->copy(a, LT_GPU_TO_HOST, got, 0, all, 0, (size_t)(size * N) * 4, 1));
    CHECK_OK(gpu->copy(a, LT_GPU_TO_HOST, host, 0, x, 0, sizeof host, 1));
    for (int r = 0; r < size; r++)
        for (int i = 0; i < N; i++) wrong += got[r * N + i] != value(r, i);
    for (int i = 0; i < N; i++) wrong += host[i] != value(size - 1, i);
    CHECK_INT(wrong, 0);
    gpu->free(x);
    gpu->free(all);
}

/* Two sums that are recorded take their turns at each launch, among sums that are not. */
static void test_recorded(void) {
    float got[128], *x = device(512), *y = device(512);
    lt_gpu_graph *g = NULL;
    int wrong = 0;
    CHECK_OK(gpu->capture_begin(a));
    CHECK_OK(gpu->all_reduce(first, x, x, 128, LT_F32, a));
    CHECK_OK(gpu->all_reduce(second, x, x, 128, LT_F32, a));
    CHECK_OK(gpu->capture_end(a, &g));
    for (int seed = 0; seed < 20; seed++) {
        lt_emulated_seed((uint64_t)(seed * 10 + rank));
        CHECK_OK(planted_fill(a, (float)(seed + 1), 128, x));
        CHECK_OK(planted_fill(b, 1, 128, y));
        CHECK_OK(gpu->graph_launch(g, a));
        CHECK_OK(gpu->all_reduce(second, y, y, 128, LT_F32, b));
        CHECK_OK(gpu->graph_launch(g, a)); /* behind the first, which may not have begun */
        CHECK_OK(gpu->copy(b, LT_GPU_TO_HOST, got, 0, y, 0, 512, 1));
        for (int i = 0; i < 128; i++) wrong += got[i] != (float)size;
        CHECK_OK(gpu->copy(a, LT_GPU_TO_HOST, got, 0, x, 0, 512, 1));
        for (int i = 0; i < 128; i++) wrong += got[i] != (float)((seed + 1) * size * size * size * size);
    }
    CHECK_INT(wrong, 0);
    gpu->graph_destroy(g);
    gpu->free(x);
    gpu->free(y);
}

/* A collective on one stream reads what a kernel on another writes; without the event it is wrong under some seed, or found. */
static int sums_without(bool event) {
    float got[128], *y = device(512);
    lt_gpu_event *e = NULL;
    int bad = 0;
    CHECK_OK(gpu->event_create(false, &e));
    for (int seed = 0; seed < 20; seed++) {
        lt_emulated_seed((uint64_t)(seed * 10 + rank));
        CHECK_OK(planted_fill(a, 0, 128, y));
        CHECK_OK(gpu->wait(a));
        CHECK_OK(planted_fill(a, 1, 128, y));
        CHECK_OK(gpu->record(e, a));
        if (event) CHECK_OK(gpu->stream_wait(b, e));
        CHECK_OK(gpu->all_reduce(first, y, y, 128, LT_F32, b));
        lt_status st = gpu->copy(b, LT_GPU_TO_HOST, got, 0, y, 0, 512, 1);
        bool wrong = st != LT_OK;
        for (int i = 0; i < 128 && !wrong; i++) wrong = got[i] != (float)size;
        bad += wrong;
        if (st == LT_OK) CHECK_OK(gpu->wait(a));
        if (st != LT_OK) break; /* the others wait for ever: the race build ends here on every rank alike */
    }
    gpu->event_destroy(e);
    return bad;
}

static void test_event(void) {
    CHECK_INT(sums_without(true), 0);
    if (lt_emulated_race()) return; /* ranks would fail one by one */
    CHECK(sums_without(false) > 0);
}

/* Ranks that do not agree, and ranks on one GPU. */
static void test_found(void) {
    float *x = device(N * 4);
    CHECK_OK(gpu->fill(a, x, 0, N * 4));
    CHECK_OK(gpu->all_reduce(first, x, x, rank == 0 ? N : N - 1, LT_F32, a));
    CHECK_FAILS(gpu->wait(a), LT_ERR_CUDA, "ranks call different collectives");
    CHECK_FAILS(gpu->wait(b), LT_ERR_CUDA, "ranks call different collectives");
    CHECK(MPI_Barrier(world) == MPI_SUCCESS);
    lt_emulated_forget();
    gpu->free(x);
    lt_gpu_info info;
    unsigned char id[LT_GPU_COLL_ID_BYTES] = {1};
    lt_gpu_coll *c = NULL;
    CHECK_OK(gpu->open(0, &info));
    CHECK_FAILS(gpu->coll_init(id, rank, size, &world, &c), LT_ERR_NCCL, "Duplicate GPU detected");
    CHECK_OK(gpu->open(rank, &info));
    id[0] = (unsigned char)rank;
    CHECK_FAILS(gpu->coll_init(id, rank, size, &world, &c), LT_ERR_NCCL, "has another id");
}

int main(int argc, char **argv) {
    lt_gpu_info info;
    int provided;
    CHECK(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided) == MPI_SUCCESS);
    CHECK(MPI_Comm_dup(MPI_COMM_WORLD, &world) == MPI_SUCCESS);
    CHECK(MPI_Comm_dup(MPI_COMM_WORLD, &twin) == MPI_SUCCESS);
    MPI_Comm_rank(world, &rank);
    MPI_Comm_size(world, &size);
    gpu = lt_gpu_emulated();
    CHECK_OK(gpu->open(rank, &info));
    CHECK_OK(gpu->stream_create(false, &a));
    CHECK_OK(gpu->stream_create(true, &b));
    first = join(world);
    second = join(twin);
    test_sums();
    test_gather_broadcast();
    test_recorded();
    test_event();
    test_found();
    gpu->coll_fini(first);
    gpu->coll_fini(second);
    gpu->stream_destroy(a);
    gpu->stream_destroy(b);
    MPI_Comm_free(&world);
    MPI_Comm_free(&twin);
    int failed = test_end();
    MPI_Finalize();
    return failed;
}
