/* f32 against bf16 by the clock.
 *
 * Which type is faster cannot be read off the instruction sets: AVX512-BF16 is half as fast as f32 on one maker's CPU and twice as fast
 * on another's (and AMX six times).  So one layer of the model's shape runs forward and backward in both types.
 *
 * The choice must be the same each time on the same machine, a busy one included, for the numbers of a run depend on it.  The two types take turns in
 * short timings, so that both meet the same neighbours and clock rates, and medians count: fewer than half of the timings may be disturbed by anything.
 * bf16 also halves the weights, so it is taken unless it is clearly slower; a machine where the two are equally fast is far from that bound. */
#include "kernels/cpu/cpu_impl.h"

#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 9, LEAST_ROUNDS = 5 }; /* odd: a median is one of the timings */
static const double TIMING_S = 4e-3,   /* several calls of a small layer */
    ENOUGH_S = 0.5,                    /* large layers: no more rounds than must be */
    CLEARLY = 1.1;                     /* bf16 that takes more than this times f32 is not worth its memory */

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
    int64_t rows;
    void *x, *y; /* [rows, K], [rows, N] in ctx.compute */
} trial;

static lt_status trial_init(trial *t, int threads, int64_t rows, int64_t N, int64_t K, lt_dtype dt) {
    size_t elem_bytes = lt_dtype_bytes(dt);
    t->ctx = (lt_ctx){.ops = lt_ops_cpu(), .threads = threads, .compute = dt};
    t->rows = rows;
    LT_TRY(t->ctx.ops->ctx_init(&t->ctx));
    t->ctx.ws_bytes = t->ctx.ops->ws_bytes(&t->ctx, &(lt_dims){.rows = rows, .width = N > K ? N : K});
    LT_TRY(lt_calloc(&t->ctx.ws, (int64_t)t->ctx.ws_bytes + 1, 1, "workspace of the speed probe"));
    LT_TRY(lt_calloc(&t->x, rows * K, elem_bytes, "operand of the speed probe"));
    LT_TRY(lt_calloc(&t->y, rows * N, elem_bytes, "result of the speed probe"));
    lt_arena_measure(&t->weights, "weights of the speed probe");
    LT_TRY(t->ctx.ops->lin_alloc(&t->ctx, &t->weights, N, K, &t->lin));
    LT_TRY(lt_arena_init(&t->weights, "weights of the speed probe", t->weights.used));
    LT_TRY(t->ctx.ops->lin_alloc(&t->ctx, &t->weights, N, K, &t->lin)); /* zero weights: arithmetic takes the same time for all values */
    LT_TRY(t->ctx.ops->lin_pack(&t->ctx, &t->lin, true));
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

/* One timing: forward and backward together, the best of as many calls as a short time holds. */
static lt_status trial_time(trial *t, double *call_s) {
    struct lt_linear_args a = {.lin = &t->lin, .rows = t->rows, .x = {t->x, t->ctx.compute}, .y = {t->y, t->ctx.compute}};
    double start = seconds(), from, now;
    *call_s = 1e30;
    do {
        from = seconds();
        LT_TRY(t->ctx.ops->linear_fwd(&t->ctx, &a));
        LT_TRY(t->ctx.ops->linear_bwd_x(&t->ctx, &a));
        now = seconds();
        if (now - from < *call_s) *call_s = now - from;
    } while (now - start < TIMING_S);
    return LT_OK;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

lt_status lt_cpu_impl_medians(lt_cpu_timing time, void *user, int n_types, const lt_dtype type[], double median_s[]) {
    double all[2][ROUNDS], sum = 0;
    int n = 0;
    LT_ASSERT(n_types >= 1 && n_types <= 2);
    for (int i = 0; i < n_types; i++) LT_TRY(time(user, type[i], &all[i][0])); /* compiles products, touches memory: does not count */
    for (; n < ROUNDS && (n < LEAST_ROUNDS || sum < ENOUGH_S); n++)
        for (int k = 0; k < n_types; k++) {
            int i = n % 2 ? n_types - 1 - k : k; /* each comes first in turn */
            LT_TRY(time(user, type[i], &all[i][n]));
            sum += all[i][n];
        }
    for (int i = 0; i < n_types; i++) {
        qsort(all[i], (size_t)n, sizeof all[i][0], by_size);
        median_s[i] = all[i][n / 2];
    }
    return LT_OK;
}

lt_status lt_cpu_impl_choose(lt_cpu_timing time, void *user, double median_s[2], lt_dtype *best) {
    LT_TRY(lt_cpu_impl_medians(time, user, 2, (lt_dtype[]){LT_F32, LT_BF16}, median_s));
    *best = median_s[1] > CLEARLY * median_s[0] ? LT_F32 : LT_BF16;
    return LT_OK;
}

/* lt_cpu_timing of a pair of trials. */
static lt_status time_pair(void *user, lt_dtype dt, double *call_s) {
    trial *pair = user;
    return trial_time(&pair[dt == LT_BF16], call_s);
}

static double gflops(const trial *t, double call_s) { return 4e-9 * (double)t->rows * (double)t->lin.N * (double)t->lin.K / call_s; }

lt_status lt_cpu_probe_dtype(int threads, int64_t rows, int64_t N, int64_t K, lt_dtype *best, double *f32_gflops, double *bf16_gflops) {
    trial pair[2] = {0};
    double median_s[2] = {0};
    lt_status st = LT_OK;
    if (!lt_cpu_impl_has_bf16()) {
        *best = LT_F32;
        if (bf16_gflops) *bf16_gflops = 0;
        return f32_gflops ? lt_cpu_probe_speed(threads, rows, N, K, LT_F32, f32_gflops) : LT_OK;
    }
    for (int i = 0; i < 2; i++) LT_TRY_GOTO(trial_init(&pair[i], threads, rows, N, K, i ? LT_BF16 : LT_F32), st, done);
    LT_TRY_GOTO(lt_cpu_impl_choose(time_pair, pair, median_s, best), st, done);
    if (f32_gflops) *f32_gflops = gflops(&pair[0], median_s[0]);
    if (bf16_gflops) *bf16_gflops = gflops(&pair[1], median_s[1]);
done:
    for (int i = 0; i < 2; i++) trial_fini(&pair[i]);
    return st;
}

lt_status lt_cpu_probe_speed(int threads, int64_t rows, int64_t N, int64_t K, lt_dtype dt, double *speed) {
    trial pair[2] = {0}, *t = &pair[dt == LT_BF16];
    double median_s = 0;
    lt_status st = LT_OK;
    LT_TRY_GOTO(trial_init(t, threads, rows, N, K, dt), st, done);
    LT_TRY_GOTO(lt_cpu_impl_medians(time_pair, pair, 1, &dt, &median_s), st, done);
    *speed = gflops(t, median_s);
done:
    trial_fini(t);
    return st;
}
