// BENCH rooms: kernels
/* Frozen linear layers through the ops table against oneDNN's best way for the same shape.
 *
 *     OMP_NUM_THREADS=2 bench_linear [repetitions, default 15]
 *
 * Candidates: dnnl_sgemm on row-major weights (f32), matmul and inner_product with packed weights; each is timed alone, without
 * conversions and without a bias, which ours adds.  Weights rotate through copies of together 96 MB, as in a model of many layers.  The
 * ways take turns within each repetition, so that a neighbour's load hits all; medians; ratio = ours / best candidate.  bf16 rows appear
 * on CPUs with bf16 arithmetic. */
#include "kernels/cpu/dnnl_compat.h"
#include "kernels/cpu.h"
#include "kernels/ops.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_COPIES = 48, MAX_REPS = 101, OURS = 0, SGEMM, MATMUL, INNER, WAYS };
static const char *const way_name[WAYS] = {"ours", "sgemm", "matmul", "inner_product"};
static const double WEIGHT_BYTES = 96e6;

#define MUST(call)                                                                                                                         \
    do {                                                                                                                                   \
        int s_must_ = (int)(call);                                                                                                         \
        if (s_must_ != 0) {                                                                                                                \
            fprintf(stderr, "%s gave %d\n", #call, s_must_);                                                                               \
            exit(1);                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

static dnnl_engine_t engine;
static dnnl_stream_t stream;

/* One library product with its packed copies of the weights. */
typedef struct way {
    dnnl_primitive_t primitive; /* NULL = not available */
    dnnl_memory_t in, out, w[MAX_COPIES];
    int in_arg, out_arg;
} way;

/* One shape, one direction, one type. */
typedef struct job {
    int64_t M, N, K;
    lt_dtype dt;
    int forward, copies;
    void *x, *y, *w[MAX_COPIES]; /* [M, K], [M, N], [N, K] row-major */
    lt_ctx ctx;
    lt_arena arena;
    lt_lin lin[MAX_COPIES];
    way way[WAYS];
} job;

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static lt_dnnl_md matrix(const job *j, int64_t rows, int64_t cols, dnnl_format_tag_t tag) {
    lt_dnnl_md d;
    MUST(lt_dnnl_md_create(&d, 2, (dnnl_dims_t){rows, cols}, j->dt == LT_BF16 ? dnnl_bf16 : dnnl_f32, tag));
    return d;
}

static dnnl_memory_t memory(lt_dnnl_md_view d, void *p) {
    dnnl_memory_t m;
    MUST(dnnl_memory_create(&m, d, engine, p));
    return m;
}

/* Packs all copies of W, given as row-major under `from`, for the product pd. */
static void pack(const job *j, way *w, dnnl_primitive_desc_t pd, lt_dnnl_md_view from) {
    lt_dnnl_md_view to = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    dnnl_primitive_desc_t reorder_pd;
    dnnl_primitive_t reorder;
    MUST(dnnl_primitive_create(&w->primitive, pd));
    MUST(dnnl_reorder_primitive_desc_create(&reorder_pd, from, engine, to, engine, NULL));
    MUST(dnnl_primitive_create(&reorder, reorder_pd));
    for (int i = 0; i < j->copies; i++) {
        dnnl_memory_t plain = memory(from, j->w[i]);
        w->w[i] = memory(to, DNNL_MEMORY_ALLOCATE);
        MUST(dnnl_primitive_execute(reorder, stream, 2, (dnnl_exec_arg_t[]){{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, w->w[i]}}));
        MUST(dnnl_stream_wait(stream));
        MUST(dnnl_memory_destroy(plain));
    }
    MUST(dnnl_primitive_destroy(reorder));
    MUST(dnnl_primitive_desc_destroy(reorder_pd));
    MUST(dnnl_primitive_desc_destroy(pd));
}

/* matmul: forward X times W seen as [K, N], backward dY times W. */
static void make_matmul(job *j) {
    way *w = &j->way[MATMUL];
    lt_dnnl_md x = matrix(j, j->M, j->K, dnnl_ab), y = matrix(j, j->M, j->N, dnnl_ab);
    int64_t rows = j->forward ? j->K : j->N, cols = j->forward ? j->N : j->K;
    lt_dnnl_md any = matrix(j, rows, cols, dnnl_format_tag_any), plain = matrix(j, rows, cols, j->forward ? dnnl_ba : dnnl_ab);
    dnnl_primitive_desc_t pd;
    MUST(lt_dnnl_matmul(&pd, engine, j->forward ? x : y, any, j->forward ? y : x));
    pack(j, w, pd, plain);
    w->in = memory(j->forward ? x : y, j->forward ? j->x : j->y);
    w->out = memory(j->forward ? y : x, j->forward ? j->y : j->x);
    w->in_arg = DNNL_ARG_SRC;
    w->out_arg = DNNL_ARG_DST;
    lt_dnnl_md_destroy(&plain);
    lt_dnnl_md_destroy(&any);
    lt_dnnl_md_destroy(&y);
    lt_dnnl_md_destroy(&x);
}

static void make_inner(job *j) {
    way *w = &j->way[INNER];
    lt_dnnl_md x = matrix(j, j->M, j->K, dnnl_ab), y = matrix(j, j->M, j->N, dnnl_ab);
    lt_dnnl_md any = matrix(j, j->N, j->K, dnnl_format_tag_any), plain = matrix(j, j->N, j->K, dnnl_ab);
    dnnl_primitive_desc_t pd, hint;
    MUST(lt_dnnl_inner_fwd(&pd, engine, x, any, NULL, y));
    if (!j->forward) {
        hint = pd;
        MUST(lt_dnnl_inner_bwd(&pd, engine, x, any, y, hint));
        MUST(dnnl_primitive_desc_destroy(hint));
    }
    pack(j, w, pd, plain);
    w->in = memory(j->forward ? x : y, j->forward ? j->x : j->y);
    w->out = memory(j->forward ? y : x, j->forward ? j->y : j->x);
    w->in_arg = j->forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST;
    w->out_arg = j->forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC;
    lt_dnnl_md_destroy(&plain);
    lt_dnnl_md_destroy(&any);
    lt_dnnl_md_destroy(&y);
    lt_dnnl_md_destroy(&x);
}

static void make_ours(job *j, int threads) {
    static float bias[1 << 16];
    j->ctx = (lt_ctx){.ops = lt_ops_cpu(), .threads = threads, .compute = j->dt};
    MUST(j->ctx.ops->ctx_init(&j->ctx));
    j->ctx.ws_bytes = j->ctx.ops->ws_bytes(&j->ctx, &(lt_dims){.rows = j->M, .width = j->N > j->K ? j->N : j->K});
    MUST(lt_calloc(&j->ctx.ws, (int64_t)j->ctx.ws_bytes + 1, 1, "workspace"));
    lt_arena_measure(&j->arena, "weights");
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < j->copies; i++) MUST(j->ctx.ops->lin_alloc(&j->ctx, &j->arena, j->N, j->K, &j->lin[i]));
        if (pass == 0) MUST(lt_arena_init(&j->arena, "weights", j->arena.used));
    }
    for (int i = 0; i < j->copies; i++) {
        memcpy(j->lin[i].w, j->w[i], (size_t)(j->N * j->K) * lt_dtype_bytes(j->dt));
        j->lin[i].bias = bias;
        MUST(j->ctx.ops->lin_pack(&j->ctx, &j->lin[i], true));
    }
}

static void job_init(job *j, int threads) {
    size_t elem_bytes = lt_dtype_bytes(j->dt);
    double copies = WEIGHT_BYTES / (double)(j->N * j->K) / (double)elem_bytes;
    j->copies = copies > MAX_COPIES ? MAX_COPIES : copies < 1 ? 1 : (int)copies;
    MUST(lt_calloc(&j->x, j->M * j->K, elem_bytes, "x"));
    MUST(lt_calloc(&j->y, j->M * j->N, elem_bytes, "y"));
    float *some;
    MUST(lt_calloc(&some, j->N * j->K, sizeof *some, "numbers"));
    for (int64_t i = 0; i < j->N * j->K; i++) some[i] = (float)(i * 7 % 13 - 6) * 0.01f;
    for (int i = 0; i < j->copies; i++) {
        MUST(lt_calloc(&j->w[i], j->N * j->K, elem_bytes, "weights"));
        MUST(lt_convert(j->w[i], j->dt, some, LT_F32, j->N * j->K));
    }
    free(some);
    make_ours(j, threads);
    make_matmul(j);
    make_inner(j);
}

static void job_fini(job *j) {
    for (int k = MATMUL; k < WAYS; k++) {
        for (int i = 0; i < j->copies; i++) dnnl_memory_destroy(j->way[k].w[i]);
        dnnl_memory_destroy(j->way[k].in);
        dnnl_memory_destroy(j->way[k].out);
        dnnl_primitive_destroy(j->way[k].primitive);
    }
    for (int i = 0; i < j->copies; i++) {
        j->ctx.ops->lin_fini(&j->lin[i]);
        free(j->w[i]);
    }
    j->ctx.ops->ctx_fini(&j->ctx);
    lt_arena_fini(&j->arena);
    free(j->ctx.ws);
    free(j->y);
    free(j->x);
}

static void call(job *j, int kind, int i) {
    if (kind == OURS) {
        struct lt_linear_args a = {.lin = &j->lin[i], .rows = j->M, .x = {j->x, j->dt}, .y = {j->y, j->dt}};
        MUST((j->forward ? j->ctx.ops->linear_fwd : j->ctx.ops->linear_bwd_x)(&j->ctx, &a));
    } else if (kind == SGEMM) {
        if (j->forward)
            MUST(dnnl_sgemm('N', 'T', j->M, j->N, j->K, 1, j->x, j->K, j->w[i], j->K, 0, j->y, j->N));
        else
            MUST(dnnl_sgemm('N', 'N', j->M, j->K, j->N, 1, j->y, j->N, j->w[i], j->K, 0, j->x, j->K));
    } else {
        const way *w = &j->way[kind];
        MUST(dnnl_primitive_execute(w->primitive, stream, 3,
                                    (dnnl_exec_arg_t[]){{w->in_arg, w->in}, {DNNL_ARG_WEIGHTS, w->w[i]}, {w->out_arg, w->out}}));
        MUST(dnnl_stream_wait(stream));
    }
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Prints one line; returns ours / best. */
static double measure(job *j, int reps) {
    double s[WAYS][MAX_REPS], gflops[WAYS] = {0}, flops = 2.0 * (double)j->M * (double)j->N * (double)j->K;
    int inner = 1 + (int)(5e8 / flops), best = SGEMM, next = 0;
    if (inner > 16) inner = 16;
    for (int k = 0; k < WAYS; k++)
        if (k != SGEMM || j->dt == LT_F32) call(j, k, 0);
    for (int r = 0; r < reps; r++)
        for (int k = 0; k < WAYS; k++) {
            if (k == SGEMM && j->dt != LT_F32) continue;
            double start = seconds();
            for (int i = 0; i < inner; i++, next = (next + 1) % j->copies) call(j, k, next);
            s[k][r] = (seconds() - start) / inner;
        }
    for (int k = 0; k < WAYS; k++) {
        if (k == SGEMM && j->dt != LT_F32) continue;
        qsort(s[k], (size_t)reps, sizeof(double), by_value);
        gflops[k] = 1e-9 * flops / s[k][reps / 2];
        if (k != OURS && gflops[k] > gflops[best]) best = k;
    }
    double ratio = gflops[OURS] / gflops[best];
    printf("%-4s %5lld %5lld %5lld %s %8.1f %8.1f %-13s %5.2f   %8.1f %8.1f %8.1f\n", lt_dtype_name(j->dt), (long long)j->M,
           (long long)j->N, (long long)j->K, j->forward ? "fwd" : "bwd", gflops[OURS], gflops[best], way_name[best], ratio, gflops[SGEMM],
           gflops[MATMUL], gflops[INNER]);
    fflush(stdout);
    return ratio;
}

int main(int argc, char **argv) {
    const int64_t rows[] = {64, 416, 512, 2048}, layers[][2] = {{384, 384}, {768, 384}, {1536, 384}, {384, 1536}};
    int reps = argc > 1 ? atoi(argv[1]) : 15, threads = omp_get_max_threads();
    if (reps < 1 || reps > MAX_REPS) reps = 15;
    MUST(dnnl_engine_create(&engine, dnnl_cpu, 0));
    MUST(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    lt_dtype type;
    double f32, bf16, low = 1e9;
    MUST(lt_cpu_probe_dtype(threads, 512, 1536, 384, &type, &f32, &bf16));
    printf("threads %d, median of %d; probe 512x1536x384: f32 %.1f, bf16 %.1f GFLOP/s, best %s\n", threads, reps, f32, bf16,
           lt_dtype_name(type));
    printf("type     M     N     K dir     ours     best of            ratio      sgemm   matmul    inner  (GFLOP/s)\n");
    for (int dt = 0; dt < (bf16 > 0 ? 2 : 1); dt++)
        for (int l = 0; l < 4; l++)
            for (int m = 0; m < 4; m++)
                for (int forward = 1; forward >= 0; forward--) {
                    static job j;
                    memset(&j, 0, sizeof j);
                    j.M = rows[m], j.N = layers[l][0], j.K = layers[l][1], j.dt = dt ? LT_BF16 : LT_F32, j.forward = forward;
                    job_init(&j, threads);
                    double ratio = measure(&j, reps);
                    if (ratio < low) low = ratio;
                    job_fini(&j);
                }
    printf("lowest ratio %.2f\n", low);
    dnnl_stream_destroy(stream);
    dnnl_engine_destroy(engine);
    return 0;
}
