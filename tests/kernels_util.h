#pragma once
/* For the tests of kernels: the back end under test, guarded arrays, a ctx, comparison with negative control, gradients by differences.
 *
 * LT_OPS names the back end (default cpu).  Whatever an op reads or writes lies in arrays from here (test_new, test_put, test_arena_init), never on the stack:
 * with a GPU they are memory that host and device both see.  An array lies between two rims of bytes 0xA5; tests_free() looks at every rim, so a write outside
 * is found wherever it happened. */

#include "kernels/ops.h"
#include "base/rng.h"
#include "device/gpu.h"
#include "lt_test.h"
#include "kernels/tol.h"

/* ---- the back end under test ---- */

static const lt_ops *test_real; /* what LT_OPS names; NULL before test_ops() */
static lt_ops test_table;       /* a copy of a GPU's, whose entries wait for what they enqueue */
static const lt_gpu *test_gpu;  /* NULL: arrays lie in host memory */

static inline lt_status test_settled(const lt_ctx *c, lt_status s) { return s ? s : test_real->wait(c, NULL); }
#define TEST_WAITED(name, args)                                                                                                            \
    static inline lt_status test_waited_##name(const lt_ctx *c, const struct args *a) { return test_settled(c, test_real->name(c, a)); }
LT_OPS_LIST(TEST_WAITED)
TEST_WAITED(copy, lt_copy_args)
TEST_WAITED(rel_pack, lt_rel_pack_args)
#undef TEST_WAITED
static inline lt_status test_waited_fill(const lt_ctx *c, void *p, int byte, size_t bytes) {
    return test_settled(c, test_real->fill(c, p, byte, bytes));
}
static inline lt_status test_waited_lin_pack(const lt_ctx *c, lt_lin *lin, bool reorder) {
    return test_settled(c, test_real->lin_pack(c, lin, reorder));
}
static inline lt_status test_waited_lin_rows(const lt_ctx *c, const lt_lin *lin, int64_t row0, int64_t rows, const void *src) {
    return test_settled(c, test_real->lin_rows(c, lin, row0, rows, src));
}

/* Takes a device, or ends the program as skipped where there is none. */
static inline void test_open_gpu(void) {
    lt_gpu_info info;
    char why[256] = "";
    int n = 0;
    lt_status s = test_gpu->count(&n, why, sizeof why);
    if (!s && n == 0) {
        printf("skipped: no GPU: %s\n", why);
        exit(77);
    }
    if (s || test_gpu->open(LT_GPU_OPENED, &info)) {
        fprintf(stderr, "test_ops: %s\n", lt_err_last()->msg);
        exit(1);
    }
}

/* The table that LT_OPS names; on a GPU every entry waits for what it enqueued. */
static inline const lt_ops *test_ops(void) {
    const char *name = getenv("LT_OPS");
    if (test_gpu) return &test_table;
    test_real = lt_ops_by_name(name); /* again and again: cpu has several tables */
    if (!test_real) {
        fprintf(stderr, "test_ops: no back end \"%s\" in this build\n", name);
        exit(1);
    }
    test_gpu = test_real == lt_ops_cuda() ? lt_gpu_cuda() : test_real == lt_ops_cuda_emulated() ? lt_gpu_emulated() : NULL;
    if (!test_gpu) return test_real;
    test_open_gpu();
    test_table = *test_real;
#define TEST_SET(name, args) test_table.name = test_waited_##name;
    LT_OPS_LIST(TEST_SET)
#undef TEST_SET
    test_table.copy = test_waited_copy;
    test_table.rel_pack = test_waited_rel_pack;
    test_table.fill = test_waited_fill;
    test_table.lin_pack = test_waited_lin_pack;
    if (test_real->lin_rows) test_table.lin_rows = test_waited_lin_rows;
    return &test_table;
}

/* Whether the back end under test is so slow that large shapes are left out. */
static inline bool test_small(void) {
    test_ops();
    return test_gpu && test_gpu == lt_gpu_emulated();
}
/* Whether it is a GPU, executed or emulated: what lies in device memory cannot be refused when an entry is called. */
static inline bool test_on_gpu(void) {
    test_ops();
    return test_gpu != NULL;
}

/* ---- arrays ---- */

enum { RIM_BYTES = 256, MAX_ARRAYS = 256, RIM_VALUE = 0xA5 };

static struct {
    unsigned char *raw;
    size_t bytes;
} test_array[MAX_ARRAYS];
static int test_arrays;
static uint32_t test_stream; /* counts fills, so that each array has numbers of its own */

/* Memory that the ops under test, ref and the test itself read and write, 64-byte aligned; NULL: none left. */
static inline void *test_memory(size_t bytes) {
    void *p = NULL;
    test_ops();
    if (!test_gpu) return posix_memalign(&p, 64, bytes) == 0 ? p : NULL; /* just so many, whatever the number */
    return test_gpu->alloc_managed(bytes, &p) ? NULL : p;
}
static inline void test_memory_free(void *p) {
    if (test_gpu)
        test_gpu->free_managed(p);
    else
        free(p);
}

/* Array of n elements, zero. */
static inline lt_arr test_new(int64_t n, lt_dtype dt) {
    size_t bytes = ((size_t)n * lt_dtype_bytes(dt) + 63) / 64 * 64; /* the end of the rim starts at the next cache line ... */
    unsigned char *raw = test_memory(bytes + 2 * RIM_BYTES);
    if (!raw || test_arrays == MAX_ARRAYS) {
        fprintf(stderr, "test_new: out of memory or of slots\n");
        exit(1);
    }
    memset(raw, RIM_VALUE, bytes + 2 * RIM_BYTES); /* ... and the unused bytes before it belong to the rim as well */
    memset(raw + RIM_BYTES, 0, (size_t)n * lt_dtype_bytes(dt));
    test_array[test_arrays].raw = raw;
    test_array[test_arrays++].bytes = (size_t)n * lt_dtype_bytes(dt);
    return (lt_arr){raw + RIM_BYTES, dt};
}

static inline float test_get(lt_arr a, int64_t i) { return a.dt == LT_BF16 ? lt_bf16_to_f32(((uint16_t *)a.p)[i]) : ((float *)a.p)[i]; }
static inline void test_set(lt_arr a, int64_t i, double v) {
    if (a.dt == LT_BF16)
        ((uint16_t *)a.p)[i] = lt_f32_to_bf16((float)v);
    else
        ((float *)a.p)[i] = (float)v;
}

/* Array of n normal numbers times scale. */
static inline lt_arr test_random(int64_t n, lt_dtype dt, double scale) {
    lt_arr a = test_new(n, dt);
    lt_rng r = {.seed = 7, .purpose = LT_RNG_TEST, .a = ++test_stream};
    for (int64_t i = 0; i < n; i++) test_set(a, i, scale * lt_rng_normal(&r, (uint64_t)i, 0));
    return a;
}

/* n integers, zero. */
static inline int32_t *test_ints(int64_t n) { return test_new(n, LT_I32).p; }
/* A copy of what lies on the stack or is constant, for ops to read. */
static inline void *test_put(const void *host, size_t bytes) {
    void *p = test_new((int64_t)bytes, LT_U8).p;
    return bytes ? memcpy(p, host, bytes) : p;
}
#define TEST_PUT(array) test_put((array), sizeof(array)) /* of an array of known size */

/* Another array with the same content. */
static inline lt_arr test_copy(lt_arr a, int64_t n) {
    lt_arr b = test_new(n, a.dt);
    memcpy(b.p, a.p, (size_t)n * lt_dtype_bytes(a.dt));
    return b;
}

/* Frees the array made last; its rims must be whole. */
static inline void test_free_last(void) {
    unsigned char *raw = test_array[--test_arrays].raw;
    size_t bytes = test_array[test_arrays].bytes, end = RIM_BYTES + bytes, whole = (bytes + 63) / 64 * 64 + 2 * RIM_BYTES;
    int damaged = 0;
    for (size_t b = 0; b < whole; b++)
        if ((b < RIM_BYTES || b >= end) && raw[b] != RIM_VALUE) damaged = 1;
    test_memory_free(raw);
    CHECK(!damaged);
}

/* An arena over such memory; lt_arena_init and lt_arena_fini otherwise. */
static inline lt_status test_arena_init(lt_arena *a, const char *purpose, size_t bytes) {
    size_t whole = (bytes + 63) / 64 * 64 + 64;
    void *base = test_memory(whole);
    LT_CHECK(base, LT_ERR_NOMEM, "test_arena_init: out of memory");
    memset(base, 0, whole);
    *a = (lt_arena){.purpose = purpose, .base = base, .cap = bytes};
    return LT_OK;
}
static inline void test_arena_fini(lt_arena *a) {
    if (a->base) test_memory_free(a->base);
    *a = (lt_arena){0};
}

/* ---- contexts ---- */

static lt_ctx test_ctx_list[MAX_ARRAYS]; /* each with handles */
static int test_ctxs;
static lt_ctx test_gpu_ctx; /* handles of a GPU: one set for every ctx of the program */

static void test_end_gpu(void) { test_real->ctx_fini(&test_gpu_ctx); }

/* Frees all arrays and the handles of every ctx. */
static inline void tests_free(void) {
    while (test_arrays > 0) test_free_last();
    while (test_ctxs > 0) {
        lt_ctx *c = &test_ctx_list[--test_ctxs];
        c->ops->ctx_fini(c);
    }
}

/* A ctx in f32 without a workspace, for ops that take none; tests_free() ends it. */
static inline lt_ctx test_ctx_bare(const lt_ops *ops, int threads) {
    lt_ctx c = {.ops = ops, .threads = threads};
    bool on_gpu = test_gpu && ops == &test_table;
    if (on_gpu && test_gpu_ctx.impl) {
        c.impl = test_gpu_ctx.impl;
        c.stream = test_gpu_ctx.stream;
        return c;
    }
    CHECK_OK(ops->ctx_init(&c));
    if (on_gpu) {
        test_gpu_ctx = c;
        atexit(test_end_gpu);
        return c;
    }
    if (!c.impl) return c; /* nothing to end */
    if (test_ctxs == MAX_ARRAYS) {
        fprintf(stderr, "test_ctx_bare: out of slots\n");
        exit(1);
    }
    test_ctx_list[test_ctxs++] = c;
    return c;
}

/* One with the workspace for calls within dims. */
static inline lt_ctx test_ctx(const lt_ops *ops, int threads, lt_dtype compute, const lt_dims *dims) {
    lt_ctx c = test_ctx_bare(ops, threads);
    c.compute = compute;
    c.ws_bytes = ops->ws_bytes(&c, dims);
    c.ws = test_new((int64_t)c.ws_bytes, LT_U8).p;
    return c;
}

/* ---- comparison ---- */

static inline int test_same_bits(lt_arr a, lt_arr b, int64_t n) { return memcmp(a.p, b.p, (size_t)n * lt_dtype_bytes(a.dt)) == 0; }

static inline double test_nmse_arr(lt_arr got, lt_arr want, int64_t n) {
    double num = 0, den = 1e-300;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)test_get(got, i) - (double)test_get(want, i);
        num += d * d;
        den += (double)test_get(want, i) * (double)test_get(want, i);
    }
    return isnan(num / den) ? INFINITY : num / den;
}

static double test_worst_share; /* largest NMSE / limit seen: printed at the end so that limits can be judged */

/* got [n] must equal want within the op's limit; then the same check must catch one value that is off by ten times the limit. */
static inline void test_close(const char *op, lt_arr got, lt_arr want, int64_t n, const char *what) {
    if (n == 0) return;
    double limit = lt_tol_limit(op, want.dt), nmse = test_nmse_arr(got, want, n), sum = 0;
    TEST_REPORT(nmse <= limit, "%s %s: NMSE %.3g over limit %.3g", op, what, nmse, limit);
    if (nmse / limit > test_worst_share) test_worst_share = nmse / limit;
    for (int64_t i = 0; i < n; i++) sum += (double)test_get(want, i) * (double)test_get(want, i);
    float kept = test_get(got, n / 2);
    test_set(got, n / 2, (double)kept + 10 * sqrt(limit * sum) + 1e-30);
    if (sum > 0) TEST_REPORT(test_nmse_arr(got, want, n) > limit, "%s %s: a wrong value was not noticed", op, what);
    test_set(got, n / 2, (double)kept);
}

/* Largest difference between d loss / d x[i], by central differences of fourth order, and grad[i], as a part of the largest component; infinite if
 * either is no number.  x is restored. */
static inline double test_gradient_error(double (*loss)(void *), void *user, float *x, const float *grad, int64_t n) {
    const double h = 0x1p-6;
    double top = 1e-30, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        float kept = x[i];
        double f[4];
        for (int k = 0; k < 4; k++) {
            const int step[4] = {-2, -1, 1, 2};
            x[i] = (float)((double)kept + step[k] * h);
            f[k] = loss(user);
        }
        x[i] = kept;
        double d = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h), off = fabs(d - (double)grad[i]);
        top = fmax(top, fabs(d));
        worst = isnan(off) ? INFINITY : fmax(worst, off); /* fmax alone would pass over a NaN */
    }
    loss(user); /* outputs of the unchanged x again */
    return worst / top;
}

/* The gradient must be right to 2e-4 of its largest component (outputs are f32: 2^-24 / h = 4e-6 of the loss's terms; truncation h^4), and one
 * component off by ten times that, or no number, must be noticed. */
static inline void test_gradient(double (*loss)(void *), void *user, float *x, const float *grad, int64_t n, const char *what) {
    const double limit = 2e-4;
    double worst = test_gradient_error(loss, user, x, grad, n), top = 0;
    TEST_REPORT(worst <= limit, "gradient %s: off by %.3g of the largest component", what, worst);
    float *wrong = malloc((size_t)n * sizeof *wrong);
    memcpy(wrong, grad, (size_t)n * sizeof *wrong);
    for (int64_t i = 0; i < n; i++) top = fmax(top, fabs((double)grad[i]));
    wrong[n / 2] += (float)(10 * limit * top);
    TEST_REPORT(test_gradient_error(loss, user, x, wrong, n) > limit, "gradient %s: a wrong component was not noticed", what);
    wrong[n / 2] = NAN;
    TEST_REPORT(test_gradient_error(loss, user, x, wrong, n) > limit, "gradient %s: a NaN was not noticed", what);
    free(wrong);
}
