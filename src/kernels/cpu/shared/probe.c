/* f32 against bf16 by the clock.
 *
 * Which type is faster cannot be read off the instruction sets: AVX512-BF16 is half as fast as f32 on one maker's CPU and twice as fast
 * on another's (and AMX six times).  So one layer of the model's shape runs forward and backward in both types, and the best time of each
 * counts. */
#include "kernels/cpu/cpu_impl.h"

#include <stdlib.h>
#include <time.h>

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Arrays of one measurement. */
typedef struct trial {
    lt_ctx ctx;
    lt_arena weights;
    lt_lin lin;
    void *x, *y; /* [rows, K], [rows, N] in ctx.compute */
} trial;

static lt_status trial_init(trial *t, int threads, int64_t rows, int64_t N, int64_t K, lt_dtype dt) {
    size_t elem_bytes = lt_dtype_bytes(dt);
    t->ctx = (lt_ctx){.ops = lt_ops_cpu(), .threads = threads, .compute = dt};
    LT_TRY(t->ctx.ops->ctx_init(&t->ctx));
    t->ctx.ws_bytes = t->ctx.ops->ws_bytes(&t->ctx, &(lt_dims){.rows = rows, .width = N > K ? N : K});
    LT_TRY(lt_calloc(&t->ctx.ws, (int64_t)t->ctx.ws_bytes + 1, 1, "workspace of the speed probe"));
    LT_TRY(lt_calloc(&t->x, rows * K, elem_bytes, "operand of the speed probe"));
    LT_TRY(lt_calloc(&t->y, rows * N, elem_bytes, "result of the speed probe"));
    lt_arena_measure(&t->weights, "weights of the speed probe");
    LT_TRY(t->ctx.ops->lin_alloc(&t->ctx, &t->weights, N, K, &t->lin));
    LT_TRY(lt_arena_init(&t->weights, "weights of the speed probe", t->weights.used));
    LT_TRY(t->ctx.ops->lin_alloc(&t->ctx, &t->weights, N, K, &t->lin)); /* zero weights: arithmetic takes the same time for all values */
    LT_TRY(t->ctx.ops->lin_pack(&t->ctx, &t->lin));
    return LT_OK;
}

static void trial_fini(trial *t) {
    if (!t->ctx.ops) return;
    t->ctx.ops->lin_fini(&t->lin);
    t->ctx.ops->ctx_fini(&t->ctx);
    lt_arena_fini(&t->weights);
    free(t->y);
    free(t->x);
    free(t->ctx.ws);
}

/* Best time of forward and backward together within 20 ms, after one round that compiles the products. */
static lt_status trial_run(trial *t, int64_t rows, double *best_s) {
    struct lt_linear_args a = {.lin = &t->lin, .rows = rows, .x = {t->x, t->ctx.compute}, .y = {t->y, t->ctx.compute}};
    double start = 0, now = 0;
    *best_s = 1e30;
    for (int i = 0; i < 2 || now - start < 20e-3; i++) {
        double from = seconds();
        LT_TRY(t->ctx.ops->linear_fwd(&t->ctx, &a));
        LT_TRY(t->ctx.ops->linear_bwd_x(&t->ctx, &a));
        now = seconds();
        if (i == 0) start = now;
        if (i > 0 && now - from < *best_s) *best_s = now - from;
    }
    return LT_OK;
}

static lt_status measure(int threads, int64_t rows, int64_t N, int64_t K, lt_dtype dt, double *gflops) {
    trial t = {0};
    double best_s;
    lt_status st;
    LT_TRY_GOTO(trial_init(&t, threads, rows, N, K, dt), st, done);
    LT_TRY_GOTO(trial_run(&t, rows, &best_s), st, done);
    *gflops = 4e-9 * (double)rows * (double)N * (double)K / best_s;
done:
    trial_fini(&t);
    return st;
}

lt_status lt_cpu_probe_dtype(int threads, int64_t rows, int64_t N, int64_t K, lt_dtype *best, double *f32_gflops, double *bf16_gflops) {
    double f32 = 0, bf16 = 0;
    LT_TRY(measure(threads, rows, N, K, LT_F32, &f32));
    if (lt_cpu_impl_has_bf16()) LT_TRY(measure(threads, rows, N, K, LT_BF16, &bf16));
    *best = bf16 > f32 ? LT_BF16 : LT_F32;
    if (f32_gflops) *f32_gflops = f32;
    if (bf16_gflops) *bf16_gflops = bf16;
    return LT_OK;
}
