/* Times of the steps of a layer; see bench.h. */
#include "check/bench_impl.h"
#include "check/layer_impl.h"

#include "base/cli.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { E4M3_UNIT = 16, FEWEST_HEADS = 4 };

/* N of 4N counts embeddings and output matrix as their papers do. */
static const lt_bench_shape shapes[] = {{"llama-2-7b", 4096, 11008, 32, 32, 128, 32, 6.74e9},
                                        {"llama-2-13b", 5120, 13824, 40, 40, 128, 40, 13.02e9},
                                        {"llama-3-8b", 4096, 14336, 32, 8, 128, 32, 8.03e9},
                                        {"mistral-7b", 4096, 14336, 32, 8, 128, 32, 7.24e9},
                                        {"llama-3-70b", 8192, 28672, 64, 8, 128, 80, 70.6e9}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static const char *shape_name(int i, const void *unused) {
    (void)unused;
    return shapes[i].name;
}

lt_status lt_bench_find(const char *name, lt_bench_shape *shape) {
    const char *slash = strchr(name, '/');
    size_t n = slash ? (size_t)(slash - name) : strlen(name);
    int part = 1, end = 0;
    if (slash && (sscanf(slash, "/%d%n", &part, &end) != 1 || slash[end] || part < 1 || part > 32 || (part & (part - 1)) != 0))
        return LT_FAIL(LT_ERR_ARG, "\"%s\": behind the / stands 2, 4, 8, 16 or 32", name);
    for (int i = 0; i < N_SHAPES; i++) {
        if (strlen(shapes[i].name) != n || strncmp(shapes[i].name, name, n) != 0) continue;
        *shape = shapes[i];
        if (part == 1) return LT_OK;
        (void)snprintf(shape->name, sizeof shape->name, "%s", name);
        shape->C /= part;
        shape->F = shape->F / part / E4M3_UNIT * E4M3_UNIT;
        while (part > 1 && shape->H > FEWEST_HEADS && shape->Hkv > 1) { /* fewer heads while there are many, then shorter ones */
            part /= 2;
            shape->H /= 2;
            shape->Hkv /= 2;
        }
        shape->D /= part;
        shape->parameters = 0;
        return LT_OK;
    }
    const char *near = lt_cli_nearest(name, N_SHAPES, shape_name, NULL);
    return LT_FAIL(
        LT_ERR_ARG,
        "no shape \"%s\"%s%s; known: llama-2-7b, llama-2-13b, llama-3-8b, mistral-7b, llama-3-70b, each also as a part of it, such as "
        "llama-2-7b/4",
        name, near ? ": did you mean " : "", near ? near : "");
}

const char *lt_bench_default(const lt_ops *ops, int64_t *tokens) {
    bool emulated = ops->gpu && ops->gpu == lt_gpu_emulated();
    *tokens = emulated ? 160 : ops->gpu ? 8448 : 1024; /* 8448: whole waves of 132 SMs */
    return emulated ? "llama-2-7b/32" : ops->gpu ? "llama-2-7b" : "llama-2-7b/4";
}

double lt_bench_peak(const char *gpu_name) {
    static const struct {
        const char *part;
        double peak;
    } known[] = {{"H200", 989e12},  {"H100 PCIe", 756e12}, {"H100 NVL", 835e12}, {"H100", 989e12},
                 {"GH200", 989e12}, {"A100", 312e12},      {"GB200", 2500e12},   {"B200", 2250e12}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(gpu_name, known[i].part)) return known[i].peak;
    return 0;
}

/* ---- time ---- */

/* As many repeats as are worth it: up to LT_BENCH_MAX_REPEATS within a third of a second, at least one. */
int lt_bench_impl_repeats(const lt_bench *b, double once) {
    if (b->repeats > 0) return b->repeats < LT_BENCH_MAX_REPEATS ? b->repeats : LT_BENCH_MAX_REPEATS;
    int n = once > 0 ? (int)(0.3 / once) : LT_BENCH_MAX_REPEATS;
    return n < 1 ? 1 : n > LT_BENCH_MAX_REPEATS ? LT_BENCH_MAX_REPEATS : n;
}

static lt_status time_step(lt_bench *b, lt_layer *l, lt_watch *w, const lt_layer_step *s, double *seconds) {
    double t[LT_BENCH_MAX_REPEATS], once;
    LT_TRY(lt_watch_start(w));
    LT_TRY(s->run(l)); /* warm: the library chooses an algorithm here */
    LT_TRY(lt_watch_stop(w, &once));
    int n = lt_bench_impl_repeats(b, once);
    for (int i = 0; i < n; i++) {
        LT_TRY(lt_watch_start(w));
        LT_TRY(s->run(l));
        LT_TRY(lt_watch_stop(w, &t[i]));
    }
    *seconds = lt_check_median(t, n);
    return LT_OK;
}

static lt_status run_layer(lt_layer *l) {
    for (int i = 0; i < l->n_steps; i++) LT_TRY(l->step[i].run(l));
    return LT_OK;
}

static lt_gpu_counts between(lt_gpu_counts a, lt_gpu_counts b) {
    return (lt_gpu_counts){.launches = b.launches - a.launches,
                           .products = b.products - a.products,
                           .copies = b.copies - a.copies,
                           .waits = b.waits - a.waits,
                           .allocs = b.allocs - a.allocs,
                           .bytes_to_device = b.bytes_to_device - a.bytes_to_device,
                           .bytes_to_host = b.bytes_to_host - a.bytes_to_host,
                           .bytes_on_device = b.bytes_on_device - a.bytes_on_device};
}

/* All steps behind each other, as a run enqueues them. */
static lt_status time_whole(lt_bench *b, lt_layer *l, lt_watch *w) {
    double t[LT_BENCH_MAX_REPEATS];
    const lt_gpu *gpu = l->ctx.ops->gpu;
    int n = lt_bench_impl_repeats(b, b->sum_s);
    for (int i = 0; i < n; i++) {
        LT_TRY(lt_watch_start(w));
        lt_gpu_counts before = gpu ? *gpu->counts() : (lt_gpu_counts){0};
        LT_TRY(run_layer(l));
        if (gpu) b->counts = between(before, *gpu->counts());
        LT_TRY(lt_watch_stop(w, &t[i]));
    }
    b->whole_s = lt_check_median(t, n);
    return LT_OK;
}

/* ---- FP8: what the library makes of the same products ---- */

typedef struct fp8 {
    void *x, *w, *ws;
    float *ones;
    lt_arr y;
} fp8;

static lt_status fp8_alloc(const lt_layer *l, fp8 *f) {
    const lt_ctx *c = &l->ctx;
    const lt_bench_shape *s = l->shape;
    int64_t wide = 2 * s->F > s->C ? 2 * s->F : s->C, rows = l->T > wide ? l->T : wide;
    float *ones = NULL;
    LT_TRY(c->ops->alloc(c, (size_t)(l->T * wide), "rows in FP8", &f->x));
    LT_TRY(c->ops->alloc(c, (size_t)(wide * (s->F > s->C ? s->F : s->C)), "a matrix in FP8", &f->w));
    LT_TRY(c->ops->alloc(c, LT_GPU_WS_BYTES, "workspace of products", &f->ws));
    LT_TRY(c->ops->alloc(c, (size_t)rows * sizeof(float), "factors of FP8", (void **)&f->ones));
    LT_TRY(c->ops->alloc(c, (size_t)(l->T * wide) * 2, "products of FP8", &f->y.p));
    LT_TRY(c->ops->fill(c, f->x, 0x31, (size_t)(l->T * wide)));
    LT_TRY(c->ops->fill(c, f->w, 0x29, (size_t)(wide * (s->F > s->C ? s->F : s->C))));
    LT_TRY(lt_calloc(&ones, rows, sizeof *ones, "factors of FP8"));
    for (int64_t i = 0; i < rows; i++) ones[i] = 1;
    lt_status st = lt_ctx_upload(c, f->ones, ones, (size_t)rows * sizeof *ones);
    LT_KEEP(st, c->ops->wait(c, NULL));
    free(ones);
    return st;
}

static lt_status fp8_time(lt_bench *b, lt_layer *l, lt_watch *w, const fp8 *f, int which, lt_bench_line *line) {
    const lt_ctx *c = &l->ctx;
    int64_t N, K;
    double t[LT_BENCH_MAX_REPEATS], once;
    lt_layer_matrix(l->shape, which, &N, &K);
    lt_gpu_gemm g = {.tb = true, .M = l->T / E4M3_UNIT * E4M3_UNIT, .N = N, .K = K, .ab_dt = LT_E4M3, .cd_dt = LT_BF16};
    g.A = f->x;
    g.B = f->w;
    g.D = f->y.p;
    g.lda = g.ldb = K;
    g.ldc = g.ldd = N;
    g.alpha = 1;
    g.a_scale = g.b_scale = f->ones;
    LT_TRY(lt_watch_start(w));
    LT_TRY(c->ops->gpu->gemm(c->stream, &g, NULL, f->ws));
    LT_TRY(lt_watch_stop(w, &once));
    int n = lt_bench_impl_repeats(b, once);
    for (int i = 0; i < n; i++) {
        LT_TRY(lt_watch_start(w));
        LT_TRY(c->ops->gpu->gemm(c->stream, &g, NULL, f->ws));
        LT_TRY(lt_watch_stop(w, &t[i]));
    }
    line->seconds = lt_check_median(t, n);
    line->flops = 2.0 * (double)g.M * (double)N * (double)K;
    line->bytes = (double)(g.M * K + N * K) + 2.0 * (double)(g.M * N);
    return LT_OK;
}

/* Not every library and GPU has it: why not is a result. */
static void fp8_all(lt_bench *b, lt_layer *l, lt_watch *w) {
    static const char *const name[LT_LAYER_LINS] = {"q", "k, v", "o", "gate, up", "down"};
    fp8 f = {0};
    lt_status st = fp8_alloc(l, &f);
    for (int i = 0; st == LT_OK && i < LT_LAYER_LINS; i++) {
        lt_bench_line *line = &b->e4m3[b->n_e4m3];
        *line = (lt_bench_line){.name = name[i], .kind = "product"};
        st = fp8_time(b, l, w, &f, i, line);
        b->n_e4m3 += st == LT_OK;
    }
    if (st != LT_OK) {
        (void)snprintf(b->no_e4m3, sizeof b->no_e4m3, "%.150s", lt_err_last()->msg);
        lt_err_clear();
    }
    (void)l->ctx.ops->wait(&l->ctx, NULL);
    void *const all[] = {f.x, f.w, f.ws, f.ones, f.y.p};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) l->ctx.ops->free(&l->ctx, all[i]);
}

lt_status lt_bench_run(const lt_ops *ops, int threads, lt_bench *b) {
    static const char *const kind[LT_LAYER_KINDS] = {"product", "attention", "rows"};
    lt_layer *l = NULL;
    lt_watch w = {0};
    LT_TRY(lt_layer_create(ops, &b->shape, b->dtype, b->tokens, b->length, threads, &l));
    lt_status st = lt_watch_init(&w, &l->ctx);
    if (st == LT_OK) st = run_layer(l); /* every array has numbers */
    if (st == LT_OK) st = ops->wait(&l->ctx, NULL);
    b->sum_s = 0;
    for (b->n = 0; st == LT_OK && b->n < l->n_steps; b->n++) {
        const lt_layer_step *s = &l->step[b->n];
        lt_bench_line *line = &b->line[b->n];
        *line = (lt_bench_line){.name = s->name, .kind = kind[s->kind], .flops = s->flops, .bytes = s->bytes};
        st = time_step(b, l, &w, s, &line->seconds);
        b->sum_s += line->seconds;
    }
    if (st == LT_OK) st = time_whole(b, l, &w);
    if (st == LT_OK) st = lt_bench_impl_maps(b, &l->ctx, &w);
    if (st == LT_OK && ops->gpu && b->dtype == LT_BF16) fp8_all(b, l, &w);
    lt_watch_fini(&w);
    lt_layer_destroy(&l);
    return st;
}
