// BENCH rooms: kernels
/* Bytes a second of the ops that do little but move memory, at the widths of Llama-2 7B.
 *
 *     LT_OPS=cuda bench_ops [rows, default 8448; cpu 512, emulated 8] [bytes a second of the memory in GB/s, default 3350]
 *
 * Bytes are those that an op must read and write once.  Calls are enqueued one behind the other until a twentieth of a second has passed; median of five such
 * times.  Arrays of one op are several times a GPU's cache at the default number of rows. */
#include "kernels/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { C = 4096, F = 11008, D = 128, HEADS = C / D, TIMES = 5, MAX_POS = 4096 };

#define MUST(call)                                                                                                                         \
    do {                                                                                                                                   \
        if ((call) != LT_OK) {                                                                                                             \
            fprintf(stderr, "%s: %s\n", #call, lt_err_last()->msg);                                                                        \
            exit(1);                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

static lt_ctx ctx;
static int64_t rows;
static double peak; /* bytes a second */

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Device array of n numbers between -0.5 and 0.5. */
static lt_arr numbers(int64_t n, lt_dtype dt) {
    void *host, *p;
    size_t bytes = (size_t)n * lt_dtype_bytes(dt);
    MUST(lt_calloc(&host, n, lt_dtype_bytes(dt), "numbers"));
    for (int64_t i = 0; i < n; i++) {
        float v = (float)(i * 7919 % 1021) / 1021.0f - 0.5f;
        if (dt == LT_BF16)
            ((uint16_t *)host)[i] = lt_f32_to_bf16(v);
        else
            ((float *)host)[i] = v;
    }
    MUST(ctx.ops->alloc(&ctx, bytes, "numbers", &p));
    MUST(lt_ctx_upload(&ctx, p, host, bytes));
    MUST(ctx.ops->wait(&ctx, NULL));
    free(host);
    return (lt_arr){p, dt};
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double time_of(lt_status (*op)(void *), void *args) {
    double each[TIMES];
    MUST(op(args)); /* warm */
    MUST(ctx.ops->wait(&ctx, NULL));
    for (int k = 0; k < TIMES; k++) {
        double start = seconds();
        int64_t calls = 0, n = 1;
        do {
            for (int64_t i = 0; i < n; i++) MUST(op(args));
            MUST(ctx.ops->wait(&ctx, NULL));
            calls += n;
            n *= 2; /* few waits in all */
        } while (seconds() - start < 0.05);
        each[k] = (seconds() - start) / (double)calls;
    }
    qsort(each, TIMES, sizeof *each, by_value);
    return each[TIMES / 2];
}

static void report(const char *name, double bytes, lt_status (*op)(void *), void *args) {
    double s = time_of(op, args);
    printf("%-28s %9.1f us  %8.1f GB/s  %5.1f %%\n", name, 1e6 * s, 1e-9 * bytes / s, 100 * bytes / s / peak);
}

#define OP(name)                                                                                                                           \
    static lt_status call_##name(void *a) { return ctx.ops->name(&ctx, a); }
OP(norm_fwd)
OP(norm_bwd)
OP(head_norm_fwd)
OP(glu_fwd)
OP(glu_bwd)
OP(act_fwd)
OP(rope)
OP(convert)
OP(gather_rows)
OP(sumsq)
OP(adamw)
#undef OP

static void norms(void) {
    int64_t n = rows * C;
    lt_arr x = numbers(n, LT_F32), w = numbers(C, LT_F32), y = numbers(n, LT_BF16), dx = numbers(n, LT_F32);
    lt_arr mean = numbers(rows, LT_F32), rstd = numbers(rows * HEADS, LT_F32);
    struct lt_norm_args a = {
        .kind = LT_NORM_RMS, .rows = rows, .C = C, .x = x.p, .w = w.p, .eps = 1e-5f, .y = y, .mean = mean.p, .rstd = rstd.p};
    report("norm_fwd, RMS, f32 to bf16", 6.0 * (double)n, call_norm_fwd, &a);
    a.dy = y;
    a.dx = dx.p;
    a.dres = dx.p;
    report("norm_bwd, RMS, with dres", 14.0 * (double)n, call_norm_bwd, &a);
    a.kind = LT_NORM_LAYER;
    a.b = w.p;
    report("norm_fwd, layer", 6.0 * (double)n, call_norm_fwd, &a);
    struct lt_head_norm_args h = {.rows = rows, .ld = C, .heads = HEADS, .head_dim = D, .x = y, .w = w.p, .eps = 1e-5f, .rstd = rstd.p};
    report("head_norm_fwd, bf16", 4.0 * (double)n, call_head_norm_fwd, &h);
    struct lt_convert_args c = {.n = n, .x = x, .y = y};
    report("convert, f32 to bf16", 6.0 * (double)n, call_convert, &c);
    void *all[] = {x.p, w.p, y.p, dx.p, mean.p, rstd.p};
    for (int i = 0; i < 6; i++) ctx.ops->free(&ctx, all[i]);
}

static void activations(void) {
    int64_t n = rows * F;
    lt_arr u = numbers(2 * n, LT_BF16), du = numbers(2 * n, LT_BF16), h = numbers(n, LT_BF16);
    struct lt_act_args a = {.act = LT_ACT_SILU, .rows = rows, .F = F, .u = u, .h = h, .dh = h, .du = du};
    report("glu_fwd, silu, bf16", 6.0 * (double)n, call_glu_fwd, &a);
    report("glu_bwd, silu, bf16", 10.0 * (double)n, call_glu_bwd, &a);
    a.act = LT_ACT_GELU_ERF;
    report("act_fwd, gelu_erf, bf16", 4.0 * (double)n, call_act_fwd, &a);
    ctx.ops->free(&ctx, u.p);
    ctx.ops->free(&ctx, du.p);
    ctx.ops->free(&ctx, h.p);
}

static void places(void) {
    int64_t n = rows * C;
    lt_arr x = numbers(n, LT_BF16), y = numbers(n, LT_BF16), angle = numbers((int64_t)MAX_POS * D, LT_F32);
    int32_t *host;
    void *index;
    MUST(lt_calloc(&host, rows, sizeof *host, "places"));
    for (int64_t t = 0; t < rows; t++) host[t] = (int32_t)(rows - 1 - t);
    MUST(ctx.ops->alloc(&ctx, (size_t)rows * sizeof *host, "places", &index));
    struct lt_rows_args g = {.rows = rows, .C = C, .index = index, .big = x, .small = y};
    MUST(lt_ctx_upload(&ctx, index, host, (size_t)rows * sizeof *host));
    report("gather_rows, bf16", 4.0 * (double)n, call_gather_rows, &g);
    MUST(ctx.ops->wait(&ctx, NULL));
    for (int64_t t = 0; t < rows; t++) host[t] = (int32_t)(t % 80);
    MUST(lt_ctx_upload(&ctx, index, host, (size_t)rows * sizeof *host));
    struct lt_rope_args r = {.rows = rows, .heads = HEADS, .head_dim = D, .rot = D, .x = x, .ld_x = C, .pos = index, .cos_sin = angle.p};
    report("rope, bf16", 4.0 * (double)n, call_rope, &r);
    MUST(ctx.ops->wait(&ctx, NULL));
    void *all[] = {x.p, y.p, angle.p, index};
    for (int i = 0; i < 4; i++) ctx.ops->free(&ctx, all[i]);
    free(host);
}

static void updates(void) {
    int64_t n = rows * 2048; /* 17 M at the default: LoRA of rank 8 or so */
    lt_arr p = numbers(n, LT_F32), m = numbers(n, LT_F32), v = numbers(n, LT_F32), g = numbers(n, LT_F32);
    void *sum;
    MUST(ctx.ops->fill(&ctx, v.p, 0, (size_t)n * sizeof(float)));
    MUST(ctx.ops->alloc(&ctx, sizeof(double), "sum", &sum));
    const float *gradient = g.p;
    struct lt_sumsq_args s = {.n = 1, .x = &gradient, .elems = &n, .out = sum};
    const lt_adamw_array x = {.n = n, .p = p.p, .m = m.p, .v = v.p, .g = g.p, .weight_decay = 0.01f};
    struct lt_adamw_args a = {
        .n = 1, .x = &x, .sumsq = sum, .clip = 1, .lr = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .step = 1};
    report("sumsq", 4.0 * (double)n, call_sumsq, &s);
    report("adamw", 28.0 * (double)n, call_adamw, &a);
    void *all[] = {p.p, m.p, v.p, g.p, sum};
    for (int i = 0; i < 5; i++) ctx.ops->free(&ctx, all[i]);
}

int main(int argc, char **argv) {
    const lt_ops *ops = lt_ops_by_name(getenv("LT_OPS"));
    if (!ops) {
        fprintf(stderr, "no back end \"%s\" in this build\n", getenv("LT_OPS"));
        return 1;
    }
    const char *threads = getenv("OMP_NUM_THREADS");
    rows = argc > 1 ? atoll(argv[1]) : !strcmp(ops->name, "cuda") ? 8448 : !strcmp(ops->name, "cuda-emulated") ? 8 : 512;
    peak = 1e9 * (argc > 2 ? atof(argv[2]) : 3350);
    ctx = (lt_ctx){.ops = ops, .threads = threads ? atoi(threads) : 1, .compute = LT_BF16};
    MUST(ops->ctx_init(&ctx));
    printf("%s, %lld rows; share of %.0f GB/s\n", ops->name, (long long)rows, 1e-9 * peak);
    norms();
    activations();
    places();
    updates();
    ops->ctx_fini(&ctx);
    return 0;
}
