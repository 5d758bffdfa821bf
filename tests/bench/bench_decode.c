// BENCH rooms: kernels
/* What a step of generation reads: few rows through every matrix of a model, and the caches of keys and values, against a plain reading of the same memory.
 *
 *     OMP_NUM_THREADS=2 bench_decode [repetitions, default 7 [model: only those whose name holds it [f32, default bf16]]]
 *
 * A repetition reads each matrix once and then takes it times 1, 2, 4, ... rows, matrix after matrix in the order of a step, so all ways meet the same
 * neighbours and none finds a matrix in the cache.  For each kind of matrix: speed of the reading and of each number of rows in GB of weights a second, and
 * rows 1 as a part of the reading (medians; ratios of pairs).  Then the whole step: products alone, tokens a second.  Then attention of one query a sequence
 * over a cache of so many keys, the same way. */
#include "base/log.h"
#include "kernels/cpu.h"
#include "kernels/ops.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINS = 5, KINDS = LINS + 1, ROWS = 6, MAX_REPS = 101, MAX_LAYERS = 32 };
static const int64_t row_count[ROWS] = {1, 2, 4, 8, 16, 32};
static const char *const lin_name[KINDS] = {"q", "kv", "o", "gate+up", "down", "words"};

typedef struct model {
    const char *name;
    int layers;
    int64_t shape[LINS][2]; /* N, K */
    int64_t V, C;
} model;

static const model models[] = {
    {"Gemma 3 270M", 18, {{1024, 640}, {512, 640}, {640, 1024}, {4096, 640}, {640, 2048}}, 262144, 640},
    {"Llama 2 7B, 1 layer of 32", 1, {{4096, 4096}, {8192, 4096}, {4096, 4096}, {22016, 4096}, {4096, 11008}}, 32000, 4096},
};

#define MUST(call)                                                                                                                         \
    do {                                                                                                                                   \
        if ((call) != LT_OK) {                                                                                                             \
            fprintf(stderr, "%s: %s\n", #call, lt_err_last()->msg);                                                                        \
            exit(1);                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

/* A model's matrices, and rows to multiply. */
typedef struct rig {
    const model *m;
    lt_ctx ctx;
    lt_arena arena;
    lt_lin lin[MAX_LAYERS][LINS];
    void *tok; /* [V, C] */
    lt_arr x, y, resid;
    float *scores;
} rig;

/* Small numbers of either sign. */
static void fill(lt_arr a, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float v = 0.01f * (float)(i * 7919 % 201 - 100);
        if (a.dt == LT_BF16)
            ((uint16_t *)a.p)[i] = lt_f32_to_bf16(v);
        else
            ((float *)a.p)[i] = v;
    }
}

static lt_arr array(lt_arena *arena, int64_t n, lt_dtype dt) {
    lt_arr a = {lt_arena_take(arena, n, lt_dtype_bytes(dt)), dt};
    if (a.p) fill(a, n);
    return a;
}

static void rig_fill(rig *g) {
    lt_dtype dt = g->ctx.compute;
    int64_t rows = row_count[ROWS - 1], width = g->m->C;
    for (int l = 0; l < g->m->layers; l++)
        for (int i = 0; i < LINS; i++) {
            int64_t N = g->m->shape[i][0], K = g->m->shape[i][1];
            width = N > width ? N : width;
            width = K > width ? K : width;
            MUST(g->ctx.ops->lin_alloc(&g->ctx, &g->arena, N, K, &g->lin[l][i]));
            if (g->lin[l][i].w) fill((lt_arr){g->lin[l][i].w, dt}, N * K);
        }
    g->tok = array(&g->arena, g->m->V * g->m->C, dt).p;
    g->x = array(&g->arena, rows * width, dt);
    g->y = array(&g->arena, rows * width, dt);
    g->resid = array(&g->arena, rows * width, LT_F32);
    g->scores = lt_arena_take(&g->arena, rows * g->m->V, sizeof(float));
    g->ctx.ws_bytes = g->ctx.ops->ws_bytes(&g->ctx, &(lt_dims){.rows = rows, .width = width});
    g->ctx.ws = lt_arena_take(&g->arena, (int64_t)g->ctx.ws_bytes, 1);
}

static void rig_init(rig *g, const model *m, lt_dtype dt) {
    *g = (rig){.m = m, .ctx = {.ops = lt_ops_cpu(), .threads = omp_get_max_threads(), .compute = dt}};
    MUST(g->ctx.ops->ctx_init(&g->ctx));
    lt_arena_measure(&g->arena, "bench");
    rig_fill(g);
    MUST(lt_arena_init(&g->arena, "bench", g->arena.used));
    rig_fill(g);
    for (int l = 0; l < m->layers; l++)
        for (int i = 0; i < LINS; i++) MUST(g->ctx.ops->lin_pack(&g->ctx, &g->lin[l][i], true));
}

static void rig_fini(rig *g) {
    for (int l = 0; l < g->m->layers; l++)
        for (int i = 0; i < LINS; i++) g->ctx.ops->lin_fini(&g->lin[l][i]);
    lt_arena_fini(&g->arena);
    g->ctx.ops->ctx_fini(&g->ctx);
}

/* Memory of matrix i of a layer, or of the words. */
static const void *weights(const rig *g, int l, int i, int64_t *bytes) {
    bool words = i == LINS;
    *bytes = (words ? g->m->V * g->m->C : g->m->shape[i][0] * g->m->shape[i][1]) * (int64_t)lt_dtype_bytes(g->ctx.compute);
    return words ? g->tok : g->lin[l][i].w;
}

/* Seconds to read n bytes. */
static double reading(int threads, const void *p, int64_t n) {
    static volatile uint64_t sink __attribute__((unused));
    uint64_t sum = 0;
    const uint64_t *word = p;
    double start = lt_time_s();
#pragma omp parallel for schedule(static) reduction(+ : sum) num_threads(threads)
    for (int64_t i = 0; i < n / 64; i++)
        for (int j = 0; j < 8; j++) sum += word[8 * i + j];
    sink = sum;
    return lt_time_s() - start;
}

/* Seconds of the product with matrix i of a layer.  q, kv and gate+up write rows of the activation type; o and down add to the residual stream. */
static double product(rig *g, int l, int i, int64_t rows) {
    bool adds = i == 2 || i == 4;
    double start = lt_time_s();
    if (i == LINS)
        MUST(g->ctx.ops->logits(&g->ctx, &(struct lt_logits_args){.rows = rows,
                                                                  .C = g->m->C,
                                                                  .V = g->m->V,
                                                                  .ld_y = g->m->V,
                                                                  .tok = g->tok,
                                                                  .tok_dt = g->ctx.compute,
                                                                  .x = g->x,
                                                                  .y = g->scores}));
    else
        MUST(g->ctx.ops->linear_fwd(
            &g->ctx,
            &(struct lt_linear_args){
                .lin = &g->lin[l][i], .rows = rows, .x = g->x, .y = adds ? g->resid : g->y, .resid = adds ? g->resid : (lt_arr){0}}));
    return lt_time_s() - start;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *s, int n) {
    double v[MAX_REPS];
    memcpy(v, s, (size_t)n * sizeof *v);
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* Median of a / b, pair by pair. */
static double ratio(const double *a, const double *b, int n) {
    double v[MAX_REPS];
    for (int r = 0; r < n; r++) v[r] = a[r] / b[r];
    return median(v, n);
}

/* Times of a kind of matrix: of reading, of each number of rows. */
typedef struct times {
    double read[MAX_REPS], rows[ROWS][MAX_REPS];
} times;

static void report(const char *name, const times *t, double bytes, int reps) {
    printf("  %-8s %8.1f MB  read %5.1f  rows", name, 1e-6 * bytes, 1e-9 * bytes / median(t->read, reps));
    for (int r = 0; r < ROWS; r++) printf("  %lld: %5.1f", (long long)row_count[r], 1e-9 * bytes / median(t->rows[r], reps));
    printf("   rows 1 / read %3.0f %%\n", 100 * ratio(t->read, t->rows[0], reps));
}

static void bench(const model *m, lt_dtype dt, int reps) {
    static rig g;
    static times kind[KINDS], step;
    double all_bytes = 0, bytes[KINDS] = {0};
    memset(kind, 0, sizeof kind);
    memset(&step, 0, sizeof step);
    rig_init(&g, m, dt);
    for (int rep = -1; rep < reps; rep++) { /* the first is not counted: products are compiled in it */
        for (int way = 0; way <= ROWS; way++)
            for (int l = 0; l < m->layers; l++)
                for (int i = 0; i < KINDS; i++) {
                    int64_t n;
                    const void *w = weights(&g, l, i, &n);
                    if (i == LINS && l + 1 < m->layers) continue;
                    double s = way == 0 ? reading(g.ctx.threads, w, n) : product(&g, l, i, row_count[way - 1]);
                    if (rep < 0) continue;
                    (way == 0 ? kind[i].read : kind[i].rows[way - 1])[rep] += s;
                    (way == 0 ? step.read : step.rows[way - 1])[rep] += s;
                    if (rep == 0 && way == 0) bytes[i] += (double)n;
                }
    }
    printf("%s, %s, %d threads: GB/s\n", m->name, lt_dtype_name(dt), g.ctx.threads);
    for (int i = 0; i < KINDS; i++) {
        all_bytes += bytes[i];
        report(lin_name[i], &kind[i], bytes[i], reps);
    }
    report("step", &step, all_bytes, reps);
    for (int r = 0; r < ROWS; r++)
        printf("  rows %2lld: %7.1f tokens/s, %5.2f times those of rows 1\n", (long long)row_count[r],
               (double)row_count[r] / median(step.rows[r], reps), (double)row_count[r] * ratio(step.rows[0], step.rows[r], reps));
    rig_fini(&g);
}

/* ---- caches ---- */

enum { SEQS = 16 };

typedef struct cache {
    const char *name; /* of the model */
    int heads, kv, D, keys, seqs;
} cache;

static const cache caches[] = {
    {"Gemma 3 270M", 4, 1, 256, 512, 1},   {"Gemma 3 270M", 4, 1, 256, 512, 16}, {"Gemma 3 270M", 4, 1, 256, 8192, 1},
    {"Gemma 3 270M", 4, 1, 256, 2048, 16}, {"Llama 2 7B", 32, 32, 128, 2048, 1}, {"Llama 2 7B", 32, 32, 128, 512, 16},
    {"Llama 3 8B", 32, 8, 128, 8192, 1},
};

static void bench_cache(const cache *k, lt_dtype dt, int reps) {
    static double read[MAX_REPS], attention[MAX_REPS];
    int64_t row = (int64_t)k->kv * k->D, elems = k->seqs * k->keys * row, width = (int64_t)k->heads * k->D;
    int64_t bytes = 2 * elems * (int64_t)lt_dtype_bytes(dt), layers = 150000000 / bytes + 1; /* more than caches of the processor hold */
    int32_t cu_q[SEQS + 1] = {0}, k_row0[SEQS], k_len[SEQS], first[SEQS] = {0}, end[SEQS], q_index[SEQS], slot[SEQS];
    lt_attn_plan plan = {.n_seq = k->seqs,
                         .n_q = k->seqs,
                         .n_k = k->seqs * k->keys,
                         .cu_q = cu_q,
                         .k_row0 = k_row0,
                         .k_len = k_len,
                         .first = first,
                         .end = end,
                         .q_index = q_index,
                         .slot = slot,
                         .max_q = 1,
                         .max_k = k->keys};
    lt_ctx c = {.ops = lt_ops_cpu(), .threads = omp_get_max_threads(), .compute = dt};
    lt_arena arena;
    lt_arr q = {0}, o = {0}, kv = {0};
    float *lse = NULL;
    for (int i = 0; i < k->seqs; i++) {
        cu_q[i + 1] = i + 1;
        k_row0[i] = i * k->keys;
        k_len[i] = end[i] = k->keys;
        q_index[i] = k->keys - 1;
        slot[i] = -1;
    }
    c.ws_bytes = c.ops->ws_bytes(
        &c,
        &(lt_dims){
            .rows = k->seqs, .width = width, .seqs = k->seqs, .max_len = k->keys, .heads = k->heads, .kv_heads = k->kv, .head_dim = k->D});
    lt_arena_measure(&arena, "bench");
    for (int pass = 0; pass < 2; pass++) {
        if (pass) MUST(lt_arena_init(&arena, "bench", arena.used));
        q = array(&arena, k->seqs * width, dt);
        o = array(&arena, k->seqs * width, dt);
        kv = array(&arena, layers * 2 * elems, dt);
        lse = lt_arena_take(&arena, k->seqs * k->heads, sizeof(float));
        c.ws = lt_arena_take(&arena, (int64_t)c.ws_bytes, 1);
    }
    struct lt_attn_args a = {.plan = &plan,
                             .heads = k->heads,
                             .kv_heads = k->kv,
                             .head_dim = k->D,
                             .scale = 0.1f,
                             .q = q,
                             .ld_q = width,
                             .ld_k = row,
                             .ld_v = row,
                             .o = o,
                             .lse = lse};
    for (int rep = -1; rep < reps; rep++) {
        int at = rep < 0 ? 0 : rep;
        read[at] = attention[at] = 0;
        for (int64_t l = 0; l < layers; l++) read[at] += reading(c.threads, lt_arr_at(kv, l * 2 * elems).p, bytes);
        for (int64_t l = 0; l < layers; l++) {
            a.k = lt_arr_at(kv, l * 2 * elems);
            a.v = lt_arr_at(a.k, elems);
            double start = lt_time_s();
            MUST(c.ops->attn_fwd(&c, &a));
            attention[at] += lt_time_s() - start;
        }
    }
    printf("%s, %s, %2d x %4d keys: read %5.1f GB/s  attention %5.1f   attention / read %3.0f %%\n", k->name, lt_dtype_name(dt), k->seqs,
           k->keys, 1e-9 * (double)(bytes * layers) / median(read, reps), 1e-9 * (double)(bytes * layers) / median(attention, reps),
           100 * ratio(read, attention, reps));
    lt_arena_fini(&arena);
}

int main(int argc, char **argv) {
    int reps = argc > 1 ? atoi(argv[1]) : 7;
    const char *only = argc > 2 ? argv[2] : "";
    if (reps < 1 || reps > MAX_REPS) return fprintf(stderr, "usage: bench_decode [repetitions [model [f32]]]\n"), 2;
    lt_dtype dt = argc > 3 && !strcmp(argv[3], "f32") ? LT_F32 : LT_BF16;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (strstr(models[i].name, only)) bench(&models[i], dt, reps);
    for (size_t i = 0; i < sizeof caches / sizeof *caches; i++)
        if (strstr(caches[i].name, only)) bench_cache(&caches[i], dt, reps);
    return 0;
}
