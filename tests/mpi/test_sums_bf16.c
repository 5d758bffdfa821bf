// TEST np: 2 4  rooms: model  labels: mpi  timeout: 300  ops: cuda-emulated
/* Sums over a tensor-parallel group that travel as bf16.  As arrays: the bits of what is promised (parts rounded, added in f32 in rank order, rounded once,
 * what all have alike added in f32), by the collectives of GPUs and through the host, for sizes that no vector divides; half the bytes travel.  In models:
 * states and gradients of a group in bf16 differ from those of one rank in bf16 by about as much as bf16 itself does from f32; the same bits in every call
 * and by both ways.  LT_TEST_VERBOSE=1 prints what was seen.  Skipped on tables without a GPU.
 *
 * Noise (root of the mean square, gradients divided by the largest of their array), tp 2 / tp 4:
 *                     bert             llama            falcon, groups   gemma3
 *   bf16 of f32       3.2e-3           5.5e-3           3.6e-3           5.1e-3
 *   sums in bf16      3.7e-3 / 2.9e-3  5.2e-3 / 4.7e-3  2.5e-3 / 2.9e-3  1.2e-2 / 9.1e-3   (a norm enlarges its branches' sums)
 *   sums in f32       1e-8 / 1e-8      4e-8 / 9e-4      4e-8 / 7e-4      4e-8 / 6e-4
 * So sums in bf16 may be off by MOST_NOISE times what bf16 is. */
#define LT_TEST_MPI
#include "toy_trained.h"

#include "model/device.h"

/* ---- arrays ---- */

static float part_of(int rank, int64_t i) {
    return (float)lt_rng_normal(&(lt_rng){.seed = 3, .purpose = LT_RNG_TEST, .a = (uint32_t)rank}, (uint64_t)i, 0);
}
static float onto_of(int64_t i) { return 100 * part_of(77, i); }
static float rounded(float x) { return lt_bf16_to_f32(lt_f32_to_bf16(x)); }

/* rounds: of the parts and of their sum, as promised; without, for the negative control. */
static float promised(int size, int64_t i, lt_dtype onto, bool rounds) {
    float sum = rounded(part_of(0, i)), add = onto == LT_F32 ? onto_of(i) : rounded(onto_of(i));
    for (int r = 1; r < size; r++) sum += rounds ? rounded(part_of(r, i)) : part_of(r, i);
    sum = rounds ? rounded(sum) : sum;
    return onto == LT_U8 ? sum : sum + add;
}

static int64_t count_off(const float *x, int size, int64_t n, lt_dtype onto, bool rounds) {
    int64_t off = 0;
    for (int64_t i = 0; i < n; i++) off += memcmp(&x[i], &(float){promised(size, i, onto, rounds)}, sizeof *x) != 0;
    return off;
}

/* onto: its type, LT_U8 for none. */
static void check_array(const lt_ctx *c, lt_comm *tp, lt_buffer *b, int64_t n, lt_dtype onto, bool nccl) {
    float *x = calloc((size_t)n + 1, sizeof *x);
    lt_arr add = {NULL, LT_F32};
    void *like = calloc((size_t)n, sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        x[i] = part_of(lt_comm_rank(tp), i);
        if (onto == LT_F32) ((float *)like)[i] = onto_of(i);
        if (onto == LT_BF16) ((uint16_t *)like)[i] = lt_f32_to_bf16(onto_of(i));
    }
    x[n] = 42; /* what lies behind stays */
    if (onto != LT_U8) {
        add.dt = onto;
        CHECK_OK(c->ops->alloc(c, (size_t)n * sizeof(float), "a residual", &add.p));
        CHECK_OK(lt_ctx_upload(c, add.p, like, (size_t)n * lt_dtype_bytes(onto)));
    }
    CHECK_OK(lt_ctx_upload(c, lt_buffer_data(b), x, (size_t)(n + 1) * sizeof *x));
    CHECK_OK(c->ops->wait(c, NULL));
    const lt_gpu_counts before = *c->ops->gpu->counts();
    lt_comm_stats s0, s1;
    lt_comm_get_stats(tp, &s0);
    lt_allreduce_bf16_begin(b, n, add, c->stream);
    lt_allreduce_end(b, c->stream);
    CHECK_OK(c->ops->wait(c, NULL));
    lt_comm_get_stats(tp, &s1);
    const lt_gpu_counts *after = c->ops->gpu->counts();
    int64_t sent = after->bytes_summed - before.bytes_summed, up = after->bytes_to_device - before.bytes_to_device,
            down = after->bytes_to_host - before.bytes_to_host;
    CHECK_INT(s1.bytes - s0.bytes, 2 * n);
    if (nccl) CHECK(sent >= 2 * n && sent < 2 * n + 32); /* whole pieces of 16 numbers */
    CHECK_INT(nccl ? up + down : sent, 0);
    CHECK_INT(up, nccl ? 0 : 2 * n);
    CHECK_INT(down, nccl ? 0 : 2 * n);
    CHECK_OK(lt_ctx_download(c, x, lt_buffer_data(b), (size_t)(n + 1) * sizeof *x));
    CHECK_INT(count_off(x, lt_comm_size(tp), n, onto, true), 0);
    CHECK(x[n] == 42);
    if (n > 1000) CHECK(count_off(x, lt_comm_size(tp), n, onto, false) > n / 10); /* negative control: not the sum of f32 */
    if (add.p) c->ops->free(c, add.p);
    free(like);
    free(x);
}

static void check_arrays(const lt_device *d, lt_grid *grid, bool nccl) {
    static const int64_t sizes[] = {1, 7, 16, 1000, 4099, 100000};
    static const lt_dtype ontos[] = {LT_F32, LT_BF16, LT_U8};
    lt_ctx c = {.ops = d->ops, .threads = 1, .compute = LT_BF16};
    lt_buffer *b = NULL;
    CHECK_OK(c.ops->ctx_init(&c));
    CHECK_OK(lt_buffer_alloc(grid->tp, 100001 * sizeof(float), c.ops->gpu, &b));
    CHECK_OK(c.ops->attach(&c, lt_buffer_data(b), lt_buffer_bytes(b)));
    lt_buffer_any_order(b);
    CHECK_OK(lt_buffer_travels_bf16(b));
    CHECK(nccl == (strcmp(lt_comm_transport(grid->tp), "NCCL") == 0));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int k = 0; k < 3; k++) check_array(&c, grid->tp, b, sizes[i], ontos[k], nccl);
    c.ops->detach(&c, lt_buffer_data(b));
    lt_buffer_free(&b);
    c.ops->ctx_fini(&c);
}

/* ---- models ---- */

enum { MOST = 1 << 16, MOST_NOISE = 3 };

/* What a pass gives: states of all layers, then gradients of all that is trained, each array divided by its largest. */
typedef struct result {
    float x[MOST];
    int64_t n;
    int64_t bytes; /* of sums over the group */
} result;

static void fill(bench *b, lt_pack *pack) {
    int32_t ids[16];
    lt_pack_clear(pack);
    for (int i = 0; i < N_SEQS; i++) {
        lt_rng r = {.seed = 8, .purpose = LT_RNG_TEST, .a = (uint32_t)i};
        for (int t = 0; t < seq_len[i]; t++) ids[t] = (int32_t)lt_rng_below(&r, (uint64_t)b->t.arch.V, (uint64_t)t, 0);
        CHECK_OK(lt_pack_add(pack, &(lt_pack_seq){.tokens = ids,
                                                  .n = seq_len[i],
                                                  .segment = b->t.arch.types > 1 ? seq_len[i] / 2 : seq_len[i],
                                                  .prompt_rows = seq_trial[i] == 2 ? PROMPT : 0,
                                                  .slot = i == 1   ? 0
                                                          : i == 5 ? 1
                                                                   : -1,
                                                  .prefix_len = seq_prefix[i],
                                                  .trial = seq_trial[i],
                                                  .key = 1000 + (uint64_t)i * 77}));
    }
}

/* Forward of all rows, then forward and backward with one read-out row a sequence. */
static void pass(bench *b, result *out) {
    lt_pack pack = {0};
    lt_readout_rows rows;
    lt_comm_stats s0, s1;
    CHECK_OK(lt_pack_create(64, N_SEQS, &pack));
    fill(b, &pack);
    int64_t C = b->t.arch.C;
    lt_comm_get_stats(b->grid->tp, &s0);
    out->n = (b->t.arch.m + 1) * pack.n_tok * C;
    lt_model_forward(b->m, &(lt_forward_args){.pack = &pack, .bank = &b->bank, .readout = LT_READ_TOKENS, .hidden = out->x}, &rows);
    lt_forward_args args = {.pack = &pack, .bank = &b->bank, .readout = LT_READ_LAST, .backward = true};
    lt_model_forward(b->m, &args, &rows);
    float *d_out = NULL, *host = calloc((size_t)(rows.n * C), sizeof *host);
    for (int64_t i = 0; i < rows.n * C; i++) host[i] = part_of(5, i);
    CHECK_OK(b->ctx->ops->alloc(b->ctx, (size_t)(rows.n * C) * sizeof *d_out, "a gradient", (void **)&d_out));
    CHECK_OK(lt_ctx_upload(b->ctx, d_out, host, (size_t)(rows.n * C) * sizeof *d_out));
    lt_model_backward(b->m, &args, d_out);
    CHECK_OK(b->ctx->ops->wait(b->ctx, NULL));
    lt_comm_get_stats(b->grid->tp, &s1);
    out->bytes = s1.bytes - s0.bytes;
    b->ctx->ops->free(b->ctx, d_out);
    free(host);
    for (int i = 0; i < b->n; i++) {
        param *p = &b->p[i];
        int64_t n = p->outer * p->rows * p->cols;
        double top = 1e-30;
        gather(b, p);
        for (int64_t k = 0; k < n; k++) top = fmax(top, fabs(p->got[k]));
        for (int64_t k = 0; k < n && out->n < MOST; k++) out->x[out->n++] = (float)(p->got[k] / top);
    }
    CHECK(out->n < MOST);
    lt_pack_destroy(&pack);
}

/* Root of the mean square of the difference. */
static double noise(const result *a, const result *b) {
    double sum = 0;
    if (a->n != b->n) return INFINITY;
    for (int64_t i = 0; i < a->n; i++) sum += ((double)a->x[i] - (double)b->x[i]) * ((double)a->x[i] - (double)b->x[i]);
    return isnan(sum) ? INFINITY : sqrt(sum / (double)a->n);
}

static bool equal(const result *a, const result *b) { return a->n == b->n && memcmp(a->x, b->x, (size_t)a->n * sizeof *a->x) == 0; }

static void run(const shape *s, lt_grid *grid, lt_grid *alone, lt_grid *by_host, const char *dir) {
    enum { TRUTH, ONE, WIDE, BF16, AGAIN, HOST, N };
    static result r[N];
    static bench b;
    lt_grid *const on[N] = {alone, alone, grid, grid, grid, by_host};
    write_toy(s, grid, dir);
    for (int i = 0; i < N; i++) {
        lt_model_options opt = {.compute = i == TRUTH ? LT_F32 : LT_BF16, .threads = 1, .wide_sums = i == WIDE};
        if (!open_bench(&b, s, on[i], dir, &opt)) return;
        CHECK(b.m->bf16_sums == (i >= BF16));
        pass(&b, &r[i]);
        if (i == AGAIN) pass(&b, &r[i]);
        close_bench(&b);
    }
    double own = noise(&r[ONE], &r[TRUTH]), wide = noise(&r[WIDE], &r[ONE]), low = noise(&r[BF16], &r[ONE]);
    if (getenv("LT_TEST_VERBOSE") && grid->rank == 0)
        printf("%-16s tp %d: bf16 against f32 %.2e; against one rank in bf16: sums in f32 %.2e, in bf16 %.2e; bytes %lld, %lld\n", s->name,
               grid->tp_size, own, wide, low, (long long)r[WIDE].bytes, (long long)r[BF16].bytes);
    TEST_REPORT(low <= MOST_NOISE * own, "%s tp %d: sums in bf16 are off by %.2e, bf16 by %.2e", s->name, grid->tp_size, low, own);
    CHECK(low > wide); /* they are other sums */
    CHECK(equal(&r[AGAIN], &r[BF16]));
    CHECK(equal(&r[HOST], &r[BF16]));
    CHECK(!equal(&r[WIDE], &r[BF16]));
    /* embeddings travel as f32, twice; everything else in half the bytes */
    int64_t rows = PROMPT, embedded;
    for (int i = 0; i < N_SEQS; i++) rows += seq_len[i];
    embedded = 2 * rows * b.t.arch.C * (int64_t)sizeof(float);
    CHECK_INT(2 * (r[BF16].bytes - embedded), r[WIDE].bytes - embedded);
    CHECK(r[WIDE].bytes > 4 * embedded);
    r[BF16].x[r[BF16].n - 1] += (float)(10 * MOST_NOISE * own * sqrt((double)r[BF16].n)); /* negative control */
    CHECK(noise(&r[BF16], &r[ONE]) > MOST_NOISE * own);
}

int main(void) {
    lt_comm *world = NULL;
    lt_grid grid = {0}, by_host = {0}, alone = {0};
    lt_device device;
    char dir[64] = "/tmp/test_sums-XXXXXX", path[128];
    CHECK_OK(lt_comm_init(NULL, NULL, &world));
    CHECK_OK(lt_device_open(world, LT_DEVICE_CPU, true, &device));
    if (!device.ops->gpu) {
        lt_comm_fini(&world);
        return 77;
    }
    CHECK_OK(lt_grid_create(world, lt_comm_size(world), &grid));
    CHECK_OK(lt_grid_create(world, 1, &alone));
    lt_comm_set_transport(world, LT_TRANSPORT_MPI);
    CHECK_OK(lt_grid_create(world, lt_comm_size(world), &by_host));
    if (lt_comm_rank(world) == 0) CHECK(mkdtemp(dir) != NULL);
    lt_bcast_host(world, dir, sizeof dir, 0);
    check_arrays(&device, &grid, true);
    check_arrays(&device, &by_host, false);
    /* norms behind and in front, parallel with and without a norm of its own, three norms; of those with as many heads as ranks */
    static const char *const names[] = {"bert", "llama", "falcon, groups", "gemma3"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (strcmp(shapes[i].name, names[k]) == 0) run(&shapes[i], &grid, &alone, &by_host, dir);
    if (lt_comm_rank(world) == 0) {
        (void)snprintf(path, sizeof path, "%s/model.safetensors", dir);
        (void)unlink(path);
        (void)rmdir(dir);
    }
    lt_grid_destroy(&by_host);
    lt_grid_destroy(&alone);
    lt_grid_destroy(&grid);
    int rc = test_end();
    lt_comm_fini(&world);
    return rc;
}
