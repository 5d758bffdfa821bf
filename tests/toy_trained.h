#pragma once
/* What test_block.c trains at a toy model, whole and as this rank's part: a bank, prompt rows, adapters on all matrices; the gradients of all ranks put
 * together. */
#include "toy_shapes.h"

enum { N_SEQS = 6, N_TRIALS = 5, PROMPT = 2 };

/* One trained array: its place in a larger one decides what of it this rank has. */
typedef struct param {
    double *value, *want, *got; /* whole [outer, rows, cols]; gradient by differences, and as found */
    int64_t outer, rows, cols;  /* this rank has of each outer piece rows [row0, row0 + n_rows) x columns [col0, col0 + n_cols) */
    int64_t row0, n_rows, col0, n_cols;
    bool equal;   /* the gradient is the same on all ranks, not a share of a sum */
    float *d, *g; /* device */
    int trial;    /* whose */
    char name[32];
} param;

enum { MAX_PARAMS = 4 + 2 * 2 * LT_TARGET_COUNT };

typedef struct bench {
    toy t;
    lt_row rows[32];
    lt_grid *grid;
    lt_model *m;
    const lt_ctx *ctx;
    param p[MAX_PARAMS];
    int n;
    int32_t ids[N_SEQS][16];
    toy_seq seq[N_SEQS];
    toy_adapter adapter[N_TRIALS];
    lt_adapter device_adapter[N_TRIALS];
    lt_bank bank;
    int32_t slot_len[2];
    double *coef; /* [N_SEQS][TOY_ROWS][C]: the loss is the sum of coef times what is read out */
} bench;

static const int seq_trial[N_SEQS] = {0, 1, 2, 3, 3, 4}, seq_len[N_SEQS] = {5, 7, 4, 6, 3, 8}, seq_prefix[N_SEQS] = {0, 3, 0, 0, 0, 2};

static double *numbers(int64_t n, double std, uint32_t stream) {
    double *x = malloc((size_t)n * sizeof *x);
    lt_rng r = {.seed = 5, .purpose = LT_RNG_TEST, .a = stream};
    for (int64_t i = 0; i < n; i++) x[i] = rint(512 * std * lt_rng_normal(&r, (uint64_t)i, 0)) / 512;
    return x;
}

static param *add(bench *b, const char *name, int trial, int64_t outer, int64_t rows, int64_t cols, double std) {
    param *p = &b->p[b->n];
    int64_t n = outer * rows * cols;
    *p = (param){.value = numbers(n, std, 1000 + (uint32_t)b->n),
                 .want = calloc((size_t)n, sizeof(double)),
                 .got = calloc((size_t)n, sizeof(double)),
                 .outer = outer,
                 .rows = rows,
                 .cols = cols,
                 .n_rows = rows,
                 .n_cols = cols,
                 .trial = trial};
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    b->n++;
    return p;
}

static lt_status to_device(bench *b, param *p) {
    int64_t n = p->outer * p->n_rows * p->n_cols, at = 0;
    float *local = calloc((size_t)n, sizeof *local);
    for (int64_t o = 0; o < p->outer; o++)
        for (int64_t r = 0; r < p->n_rows; r++)
            for (int64_t c = 0; c < p->n_cols; c++) local[at++] = (float)p->value[(o * p->rows + p->row0 + r) * p->cols + p->col0 + c];
    LT_TRY(b->ctx->ops->alloc(b->ctx, (size_t)n * sizeof *local, "a trained array", (void **)&p->d));
    LT_TRY(b->ctx->ops->alloc(b->ctx, (size_t)n * sizeof *local, "its gradient", (void **)&p->g));
    LT_TRY(lt_ctx_upload(b->ctx, p->d, local, (size_t)n * sizeof *local));
    LT_TRY(b->ctx->ops->wait(b->ctx, NULL));
    free(local);
    return LT_OK;
}

/* The whole gradient from the ranks' shares. */
static void gather(bench *b, param *p) {
    int64_t n = p->outer * p->n_rows * p->n_cols, at = 0, whole = p->outer * p->rows * p->cols;
    float *local = calloc((size_t)n, sizeof *local);
    CHECK_OK(lt_ctx_download(b->ctx, local, p->g, (size_t)n * sizeof *local));
    memset(p->got, 0, (size_t)whole * sizeof *p->got);
    for (int64_t o = 0; o < p->outer; o++)
        for (int64_t r = 0; r < p->n_rows; r++)
            for (int64_t c = 0; c < p->n_cols; c++, at++)
                if (!p->equal || b->grid->tp_rank == 0) p->got[(o * p->rows + p->row0 + r) * p->cols + p->col0 + c] = (double)local[at];
    lt_sum_host(b->grid->tp, p->got, whole);
    CHECK_OK(b->ctx->ops->fill(b->ctx, p->g, 0, (size_t)n * sizeof *local));
    free(local);
}

/* An adapter on all seven matrices: the pairs of arrays, whole on every rank (model.h). */
static void add_adapter(bench *b, int trial, int rank, double scale, double dropout) {
    static const int part[LT_TARGET_COUNT] = {LT_PART_Q, LT_PART_K, LT_PART_V, LT_PART_O, LT_PART_UP, LT_PART_GATE, LT_PART_DOWN};
    const lt_arch *a = &b->t.arch;
    toy_adapter *t = &b->adapter[trial];
    *t = (toy_adapter){.rank = rank, .scale = scale, .dropout = dropout};
    for (int k = 0; k < LT_TARGET_COUNT; k++) {
        int64_t N, K;
        char name[32];
        if (k == LT_TARGET_GATE && !a->glu) continue;
        toy_shape(a, part[k], &N, &K);
        (void)snprintf(name, sizeof name, "trial %d A[%d]", trial, k);
        param *A = add(b, name, trial, a->m, rank, K, 0.3);
        (void)snprintf(name, sizeof name, "trial %d B[%d]", trial, k);
        param *B = add(b, name, trial, a->m, N, rank, 0.3);
        t->A[k] = A->value;
        t->B[k] = B->value;
    }
}

static void make_trained(bench *b) {
    const lt_arch *a = &b->t.arch;
    int first, count, P_max = 3;
    lt_model_kv_heads(b->m, &first, &count);
    /* the bank's slots as [2 slots * m * 2 * P_max, Hkv, D] */
    param *kv = add(b, "bank", 1, 2LL * a->m * 2 * P_max, a->Hkv, a->D, 0.7);
    kv->row0 = first;
    kv->n_rows = count;
    param *prompt = add(b, "prompt", 2, 1, PROMPT, a->C, 0.5);
    prompt->equal = true;
    add_adapter(b, 3, 3, 0.7, 0.25);
    add_adapter(b, 4, 2, 1.5, 0);
    for (int i = 0; i < b->n; i++) CHECK_OK(to_device(b, &b->p[i]));
    b->slot_len[0] = 3;
    b->slot_len[1] = 2;
    b->bank = (lt_bank){.S = 2,
                        .P_max = P_max,
                        .slot_len = b->slot_len,
                        .kv = kv->d,
                        .d_kv = kv->g,
                        .prompt_rows = PROMPT,
                        .prompt = prompt->d,
                        .d_prompt = prompt->g,
                        .adapter = b->device_adapter,
                        .n_adapters = N_TRIALS};
    for (int i = 0; i < N_TRIALS; i++) {
        toy_adapter *t = &b->adapter[i];
        lt_adapter *d = &b->device_adapter[i];
        *d = (lt_adapter){.rank = t->rank, .scale = (float)t->scale, .dropout = (float)t->dropout};
        for (int k = 0; k < LT_TARGET_COUNT; k++)
            for (int j = 0; j < b->n; j++) {
                if (t->A[k] && b->p[j].value == t->A[k]) d->A[k] = b->p[j].d, d->dA[k] = b->p[j].g;
                if (t->B[k] && b->p[j].value == t->B[k]) d->B[k] = b->p[j].d, d->dB[k] = b->p[j].g;
            }
    }
}

/* Collective(grid->world).  The file of a toy of this shape in dir, by rank 0. */
static void write_toy(const shape *s, lt_grid *grid, const char *dir) {
    if (grid->rank == 0) {
        static bench writer;
        make_toy(s, writer.rows, &writer.t);
        toy_write(&writer.t, dir);
        toy_free(&writer.t);
    }
    lt_barrier(grid->world);
}

/* Collective(grid->world).  A toy of this shape, loaded from dir, where its file is, with all that is trained.  False, and a failure counted, if it cannot
 * be. */
static bool open_bench(bench *b, const shape *s, lt_grid *grid, const char *dir, const lt_model_options *opt) {
    lt_model_limits limits = {
        .tokens = 64, .seqs = 8, .max_len = 16, .P_max = 3, .slots = 2, .backward = true, .adapters = true, .max_rank = 3};
    *b = (bench){.grid = grid};
    make_toy(s, b->rows, &b->t);
    lt_status st = lt_model_impl_create(dir, grid, opt, &b->t.arch, &b->m);
    if (st == LT_OK) st = lt_model_plan(b->m, &limits);
    if (st == LT_OK) st = lt_model_load(b->m);
    CHECK_OK(st);
    if (st != LT_OK) return false;
    b->ctx = lt_model_ctx(b->m);
    make_trained(b);
    return true;
}

static void close_bench(bench *b) {
    for (int i = 0; i < b->n; i++) {
        b->ctx->ops->free(b->ctx, b->p[i].d);
        b->ctx->ops->free(b->ctx, b->p[i].g);
        free(b->p[i].value);
        free(b->p[i].want);
        free(b->p[i].got);
    }
    free(b->coef);
    lt_model_destroy(&b->m);
    toy_free(&b->t);
}
