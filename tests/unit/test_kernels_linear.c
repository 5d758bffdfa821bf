// TEST np: 0  rooms: kernels  labels: unit  timeout: 180  omp: 2  ops: cuda-emulated
/* Frozen linear layers: the back end under test against ref over shapes with tails, types, bias, residual in every form, plain and packed; one layer that
 * cannot be packed among packed ones; layers in E4M3; rows that come by panels; no rows; the same bits twice; backward is the transpose of forward.  Few rows,
 * as a step of generation has them: every number of them, at every level of this CPU, alike on one and two threads.  Choice of the library's ways. */
#include "kernels/cpu.h"
#include "kernels_util.h"

#include <sys/wait.h>
#include <unistd.h>

typedef struct shape {
    int64_t rows, N, K;
} shape;

typedef struct layer {
    lt_arena arena;
    lt_lin lin;
} layer;

static void layer_init(layer *l, const lt_ctx *c, int64_t N, int64_t K, lt_arr w, const float *bias) {
    lt_arena_measure(&l->arena, "test weights");
    CHECK_OK(c->ops->lin_alloc(c, &l->arena, N, K, &l->lin));
    CHECK_OK(test_arena_init(&l->arena, "test weights", l->arena.used));
    CHECK_OK(c->ops->lin_alloc(c, &l->arena, N, K, &l->lin));
    CHECK_OK(lt_arena_ok(&l->arena));
    CHECK_INT(l->lin.dt, w.dt);
    memcpy(l->lin.w, w.p, (size_t)(N * K) * lt_dtype_bytes(w.dt));
    l->lin.bias = bias;
    CHECK_OK(c->ops->lin_pack(c, &l->lin, true));
}

static void layer_fini(layer *l, const lt_ctx *c) {
    c->ops->lin_fini(&l->lin);
    test_arena_fini(&l->arena);
}

enum { NO_RESID, OTHER_F32, OTHER_BF16, SAME, RESID_COUNT };

/* One call of each back end, twice of the one under test. */
static void one_call(const lt_ctx *mine, layer *lc, const lt_ctx *ref, layer *lr, shape s, bool forward, lt_dtype in_dt, lt_dtype out_dt,
                     int resid, int no_bias) {
    int64_t n_in = forward ? s.K : s.N, n_out = s.rows * (forward ? s.N : s.K);
    lt_arr in = test_random(s.rows * n_in, in_dt, 1), other = test_random(n_out, resid == OTHER_BF16 ? LT_BF16 : LT_F32, 1);
    lt_arr start = test_random(n_out, out_dt, 1), out[3];
    for (int i = 0; i < 3; i++) {
        out[i] = test_copy(start, n_out);
        struct lt_linear_args a = {.lin = i < 2 ? &lc->lin : &lr->lin, .rows = s.rows, .no_bias = no_bias};
        a.x = forward ? in : out[i];
        a.y = forward ? out[i] : in;
        a.resid = resid == NO_RESID ? (lt_arr){0} : resid == SAME ? out[i] : other;
        const lt_ctx *c = i < 2 ? mine : ref;
        CHECK_OK((forward ? c->ops->linear_fwd : c->ops->linear_bwd_x)(c, &a));
    }
    char what[128];
    snprintf(what, sizeof what, "%s [%lld, %lld, %lld] in %s out %s resid %d no_bias %d threads %d", forward ? "fwd" : "bwd",
             (long long)s.rows, (long long)s.N, (long long)s.K, lt_dtype_name(in_dt), lt_dtype_name(out_dt), resid, no_bias, mine->threads);
    CHECK(test_same_bits(out[0], out[1], n_out));
    test_close("linear", out[0], out[2], n_out, what);
}

static void one_shape(shape s, lt_dtype compute, int threads) {
    lt_dims dims = {.rows = s.rows, .width = s.N > s.K ? s.N : s.K};
    for (int with_bias = 0; with_bias < 2; with_bias++)
        for (int variant = 0; variant < (compute == LT_BF16 ? 4 : 1); variant++)
            for (int resid = 0; resid < RESID_COUNT; resid++) {
                lt_ctx c = test_ctx(test_ops(), threads, compute, &dims), ref = test_ctx(lt_ops_ref(), 1, compute, &dims);
                lt_arr w = test_random(s.N * s.K, compute, 1), bias = test_random(s.N, LT_F32, 1);
                lt_dtype in_dt = variant & 1 ? LT_BF16 : LT_F32, out_dt = variant & 2 ? LT_BF16 : LT_F32;
                layer lc, lr;
                layer_init(&lc, &c, s.N, s.K, w, with_bias ? bias.p : NULL);
                layer_init(&lr, &ref, s.N, s.K, w, with_bias ? bias.p : NULL);
                one_call(&c, &lc, &ref, &lr, s, true, in_dt, out_dt, resid, resid == OTHER_F32);
                one_call(&c, &lc, &ref, &lr, s, true, in_dt, out_dt, resid, 0);
                one_call(&c, &lc, &ref, &lr, s, false, in_dt, out_dt, resid, 0);
                layer_fini(&lr, &ref);
                layer_fini(&lc, &c);
                tests_free();
            }
}

/* <dy, W x> = <W^T dy, x> */
static void adjoint(void) {
    shape s = {70, 48, 33};
    lt_ctx c = test_ctx(test_ops(), 2, LT_F32, &(lt_dims){.rows = s.rows, .width = s.N});
    lt_arr w = test_random(s.N * s.K, LT_F32, 1), x = test_random(s.rows * s.K, LT_F32, 1), dy = test_random(s.rows * s.N, LT_F32, 1);
    lt_arr y = test_new(s.rows * s.N, LT_F32), dx = test_new(s.rows * s.K, LT_F32);
    layer l;
    layer_init(&l, &c, s.N, s.K, w, NULL);
    CHECK_OK(c.ops->linear_fwd(&c, &(struct lt_linear_args){.lin = &l.lin, .rows = s.rows, .x = x, .y = y}));
    CHECK_OK(c.ops->linear_bwd_x(&c, &(struct lt_linear_args){.lin = &l.lin, .rows = s.rows, .x = dx, .y = dy}));
    double left = 0, right = 0, size = 0;
    for (int64_t i = 0; i < s.rows * s.N; i++) {
        left += (double)test_get(dy, i) * (double)test_get(y, i);
        size += fabs((double)test_get(dy, i) * (double)test_get(y, i));
    }
    for (int64_t i = 0; i < s.rows * s.K; i++) right += (double)test_get(dx, i) * (double)test_get(x, i);
    CHECK_NEAR(left, right, 1e-7 * size);
    CHECK(fabs(left * 1.001 - right) > 1e-7 * size); /* negative control */
    layer_fini(&l, &c);
    tests_free();
}

/* A workspace that is too small is an error, not a write behind its end. */
static void small_workspace(void) {
    lt_ctx c = test_ctx(test_ops(), 1, LT_BF16, &(lt_dims){.rows = 1, .width = 8});
    lt_arr w = test_random(64 * 64, LT_BF16, 1), x = test_random(64 * 64, LT_F32, 1), y = test_new(64 * 64, LT_F32);
    layer l;
    layer_init(&l, &c, 64, 64, w, NULL);
    CHECK_FAILS(c.ops->linear_fwd(&c, &(struct lt_linear_args){.lin = &l.lin, .rows = 64, .x = x, .y = y}), LT_ERR_INTERNAL, "ws_bytes");
    layer_fini(&l, &c);
    tests_free();
}

/* A layer that oneDNN has no packed layout for, in a run that packs: it multiplies as a plain one, in the workspace of that run.  Wide enough that no
 * other entry's workspace hides its need. */
static void unpacked_layer(void) {
    shape s = {64, 1024, 1024};
    lt_dims dims = {.rows = s.rows, .width = s.N};
    setenv("LT_CPU_LINEAR", "packed", 1);
    lt_ctx cpu = test_ctx(lt_ops_cpu(), 2, LT_BF16, &dims), ref = test_ctx(lt_ops_ref(), 1, LT_BF16, &dims);
    setenv("LT_CPU_LINEAR", "plain", 1);
    lt_arr w = test_random(s.N * s.K, LT_BF16, 1), bias = test_random(s.N, LT_F32, 1);
    layer lc, lr;
    layer_init(&lc, &cpu, s.N, s.K, w, bias.p);
    layer_init(&lr, &ref, s.N, s.K, w, bias.p);
    CHECK(!lc.lin.impl);
    one_call(&cpu, &lc, &ref, &lr, s, true, LT_BF16, LT_BF16, OTHER_F32, 0);
    one_call(&cpu, &lc, &ref, &lr, s, false, LT_BF16, LT_BF16, OTHER_F32, 0);
    /* control: these calls fill the room, and one number less is noticed */
    cpu.ws_bytes -= sizeof(float);
    lt_arr x = test_random(s.rows * s.K, LT_BF16, 1), y = test_new(s.rows * s.N, LT_BF16);
    CHECK_FAILS(cpu.ops->linear_fwd(&cpu, &(struct lt_linear_args){.lin = &lc.lin, .rows = s.rows, .x = x, .y = y}), LT_ERR_INTERNAL,
                "ws_bytes");
    layer_fini(&lr, &ref);
    layer_fini(&lc, &cpu);
    tests_free();
}

/* Handles belong to their ctx: the end of one leaves the layers of another alone; a ctx without them makes no layer. */
static void two_contexts(void) {
    shape s = {40, 64, 64};
    setenv("LT_CPU_LINEAR", "packed", 1);
    for (int i = 0; i < 2; i++) {
        lt_dtype compute = i ? LT_BF16 : LT_F32;
        lt_dims dims = {.rows = s.rows, .width = s.N};
        lt_ctx kept = test_ctx(lt_ops_cpu(), 2, compute, &dims), ref = test_ctx(lt_ops_ref(), 1, compute, &dims), other = kept,
               never = kept;
        lt_arr w = test_random(s.N * s.K, compute, 1);
        layer lk, lo, lr;
        CHECK_OK(other.ops->ctx_init(&other));
        CHECK(kept.impl && other.impl && other.impl != kept.impl);
        layer_init(&lk, &kept, s.N, s.K, w, NULL);
        layer_init(&lo, &other, s.N, s.K, w, NULL);
        layer_init(&lr, &ref, s.N, s.K, w, NULL);
        CHECK(lk.lin.impl && lo.lin.impl);
        one_call(&other, &lo, &ref, &lr, s, true, compute, LT_F32, NO_RESID, 0);
        one_call(&kept, &lk, &ref, &lr, s, true, compute, LT_F32, NO_RESID, 0);
        layer_fini(&lo, &other);
        other.ops->ctx_fini(&other);
        CHECK(!other.impl);
        other.ops->ctx_fini(&other); /* nothing left to do */
        one_call(&kept, &lk, &ref, &lr, s, true, compute, LT_F32, NO_RESID, 0);
        one_call(&kept, &lk, &ref, &lr, s, false, compute, LT_F32, NO_RESID, 0);
        never.impl = NULL;
        CHECK_FAILS(never.ops->lin_alloc(&never, &lk.arena, s.N, s.K, &(lt_lin){0}), LT_ERR_INTERNAL, "impl");
        layer_fini(&lr, &ref);
        layer_fini(&lk, &kept);
        tests_free();
    }
}

/* Rows by panels, in pieces and from several threads, give the bytes that packing the whole gives; another number is seen. */
static void by_panels(shape s) {
    lt_ctx c = test_ctx_bare(test_ops(), 2);
    lt_arr w = test_random(s.N * s.K, LT_BF16, 1);
    lt_lin lin;
    layer whole;
    lt_arena arena;
    c.compute = LT_BF16;
    layer_init(&whole, &c, s.N, s.K, w, NULL);
    CHECK_OK(test_arena_init(&arena, "test weights", whole.arena.used));
    CHECK_OK(c.ops->lin_alloc(&c, &arena, s.N, s.K, &lin));
    CHECK_INT(lin.panel, whole.lin.panel);
    if (lin.panel > 0) {
        size_t form = test_on_gpu() ? (size_t)(s.N * s.K) * sizeof(uint16_t)
                                    : whole.arena.used; /* row-major, or with padding, which is written too */
        memset(lin.w, 0xff, arena.used);
        CHECK_OK(c.ops->lin_pack(&c, &lin, false));
#pragma omp parallel for num_threads(2)
        for (int64_t p = 0; p < (s.N + lin.panel - 1) / lin.panel; p += 2) {
            int64_t row = p * lin.panel, rows = s.N - row < 2 * lin.panel ? s.N - row : 2 * lin.panel;
            CHECK_OK(c.ops->lin_rows(&c, &lin, row, rows, (const uint16_t *)w.p + row * s.K));
        }
        CHECK(memcmp(lin.w, whole.lin.w, form) == 0);
        ((uint16_t *)w.p)[s.K - 1] ^= 1;
        CHECK_OK(c.ops->lin_rows(&c, &lin, 0, s.N < lin.panel ? s.N : lin.panel, w.p));
        CHECK(memcmp(lin.w, whole.lin.w, form) != 0);
    }
    c.ops->lin_fini(&lin);
    test_arena_fini(&arena);
    layer_fini(&whole, &c);
    tests_free();
}

/* Layers of sizes with and without tails under every number of rows that few.c takes, and one more.  Up to 16 a row is the same bits in every company. */
static void few_rows(void) {
    enum { MOST = 25, SAME_BITS = 16 };
    const shape size[] = {{MOST, 64, 64},  {MOST, 130, 70}, {MOST, 17, 5},    {MOST, 48, 512},
                          {MOST, 200, 33}, {MOST, 66, 640}, {MOST, 10, 1100}, {MOST, 1, 1}};
    for (size_t i = 0; i < (test_small() ? 3 : sizeof size / sizeof *size); i++)
        for (int dt = 0; dt < 2; dt++) {
            shape s = size[i];
            lt_dtype compute = dt ? LT_BF16 : LT_F32;
            lt_dims dims = {.rows = s.rows, .width = s.N > s.K ? s.N : s.K};
            lt_ctx mine = test_ctx(test_ops(), 1, compute, &dims), ref = test_ctx(lt_ops_ref(), 1, compute, &dims);
            lt_arr w = test_random(s.N * s.K, compute, 1), bias = test_random(s.N, LT_F32, 1), x = test_random(s.rows * s.K, compute, 1);
            lt_arr y = test_new(s.rows * s.N, LT_F32), together = test_new(s.rows * s.N, LT_F32);
            layer lc, lr;
            layer_init(&lc, &mine, s.N, s.K, w, bias.p);
            layer_init(&lr, &ref, s.N, s.K, w, bias.p);
            struct lt_linear_args a = {.lin = &lc.lin, .rows = SAME_BITS, .x = x, .y = together};
            CHECK_OK(mine.ops->linear_fwd(&mine, &a));
            int kept = test_arrays;
            for (s.rows = 1; s.rows <= MOST; s.rows++) {
                int way = (int)s.rows % 4;
                lt_dtype x_dt = dt && way & 1 ? LT_BF16 : LT_F32, y_dt = dt && way & 2 ? LT_BF16 : LT_F32;
                one_call(&mine, &lc, &ref, &lr, s, true, x_dt, y_dt, way, s.rows % 3 == 0);
                a.rows = s.rows;
                a.y = y;
                for (int t = 1; t <= 2; t++) {
                    lt_ctx c = mine;
                    c.threads = t;
                    CHECK_OK(c.ops->linear_fwd(&c, &a));
                    if (s.rows <= SAME_BITS) CHECK(test_same_bits(y, together, s.rows * s.N));
                }
                while (test_arrays > kept) test_free_last();
            }
            layer_fini(&lr, &ref);
            layer_fini(&lc, &mine);
            tests_free();
        }
}

/* The same at the levels below this CPU's, each in a process of its own, because oneDNN settles on its instructions once. */
static void few_rows_of_levels(void) {
    for (int level = 0; level < (int)lt_cpu_level_now(); level++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            CHECK_OK(lt_cpu_use((lt_cpu_level)level));
            few_rows();
            _exit(test_end());
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        TEST_REPORT(status == 0, "few rows at level %s: status %d", lt_cpu_level_name((lt_cpu_level)level), status);
    }
}

/* ---- E4M3 ---- */

static lt_ctx e4m3_ctx(const lt_ops *ops, int threads, const lt_dims *dims) {
    lt_ctx c = test_ctx_bare(ops, threads);
    c.compute = LT_BF16;
    c.e4m3 = true;
    c.ws_bytes = ops->ws_bytes(&c, dims);
    c.ws = test_new((int64_t)c.ws_bytes, LT_U8).p;
    return c;
}

/* Every combination of types and residuals against ref; outputs of width zero, rows of zeros and of tiny numbers among them. */
static void e4m3_shape(shape s, bool taken) {
    lt_dims dims = {.rows = s.rows, .width = s.N > s.K ? s.N : s.K};
    for (int variant = 0; variant < 4; variant++)
        for (int resid = 0; resid < RESID_COUNT; resid++) {
            lt_ctx mine = e4m3_ctx(test_ops(), 2, &dims), ref = e4m3_ctx(lt_ops_ref(), 1, &dims);
            lt_arr w = test_random(s.N * s.K, LT_BF16, 0.02), bias = test_random(s.N, LT_F32, 1);
            lt_dtype in_dt = variant & 1 ? LT_BF16 : LT_F32, out_dt = variant & 2 ? LT_BF16 : LT_F32;
            for (int64_t k = 0; k < s.K; k++) { /* outputs without weights; with weights that are almost none */
                test_set(w, k, 0);
                test_set(w, (s.N - 1) * s.K + k, k % 2 ? 1e-41 : 0);
            }
            layer lc, lr;
            layer_init(&lc, &mine, s.N, s.K, w, variant ? bias.p : NULL);
            layer_init(&lr, &ref, s.N, s.K, w, variant ? bias.p : NULL);
            CHECK(lc.lin.e4m3 == taken && lr.lin.e4m3 == taken);
            for (int64_t n = 0; taken && n < s.N; n++) CHECK(lc.lin.factor[n] == lr.lin.factor[n]);
            CHECK(!taken || lc.lin.factor[0] == 1);
            one_call(&mine, &lc, &ref, &lr, s, true, in_dt, out_dt, resid, resid == SAME);
            one_call(&mine, &lc, &ref, &lr, s, false, in_dt, out_dt, resid, 0);
            layer_fini(&lr, &ref);
            layer_fini(&lc, &mine);
            tests_free();
        }
}

/* Both directions use one matrix, which is W to 4 bits: the rows that unit rows fetch, forward and backward. */
static void e4m3_one_matrix(void) {
    enum { N = 48, K = 32 };
    lt_ctx c = e4m3_ctx(test_ops(), 1, &(lt_dims){.rows = N, .width = N});
    lt_arr w = test_random(N * K, LT_BF16, 1), x = test_new(K * K, LT_F32), dy = test_new(N * N, LT_F32), y = test_new(K * N, LT_F32),
           dx = test_new(N * K, LT_F32);
    double worst = 0, off = 0;
    layer l;
    layer_init(&l, &c, N, K, w, NULL);
    for (int64_t i = 0; i < K; i++) test_set(x, i * K + i, 1);
    for (int64_t i = 0; i < N; i++) test_set(dy, i * N + i, 1);
    CHECK_OK(c.ops->linear_fwd(&c, &(struct lt_linear_args){.lin = &l.lin, .rows = K, .x = x, .y = y}));
    CHECK_OK(c.ops->linear_bwd_x(&c, &(struct lt_linear_args){.lin = &l.lin, .rows = N, .x = dx, .y = dy}));
    for (int64_t n = 0; n < N; n++)
        for (int64_t k = 0; k < K; k++) {
            double a = (double)test_get(y, k * N + n), b = (double)test_get(dx, n * K + k), want = (double)test_get(w, n * K + k);
            worst = fmax(worst, fabs(a - b) / (fabs(want) + 0.01));
            off = fmax(off, fabs(a - want) / (fabs(want) + 0.01));
        }
    CHECK(worst < 1e-5);
    CHECK(off < 1.0 / 16 + 1e-3 && off > 1.0 / 64); /* rounded, and not kept as it was */
    layer_fini(&l, &c);
    tests_free();
}

/* A row's numbers are its own: beside a row of huge numbers, of zeros, of no numbers. */
static void e4m3_rows_alone(void) {
    enum { ROWS = 4, N = 32, K = 64 };
    lt_ctx c = e4m3_ctx(test_ops(), 1, &(lt_dims){.rows = ROWS, .width = K});
    lt_arr w = test_random(N * K, LT_BF16, 1), x = test_random(ROWS * K, LT_F32, 1), y = test_new(ROWS * N, LT_F32),
           alone = test_new(N, LT_F32);
    layer l;
    layer_init(&l, &c, N, K, w, NULL);
    for (int64_t k = 0; k < K; k++) {
        test_set(x, k, 1e30 * (double)test_get(x, k));
        test_set(x, 2 * K + k, 0);
    }
    test_set(x, 3 * K + 5, NAN);
    CHECK_OK(c.ops->linear_fwd(&c, &(struct lt_linear_args){.lin = &l.lin, .rows = ROWS, .x = x, .y = y}));
    CHECK_OK(c.ops->linear_fwd(&c, &(struct lt_linear_args){.lin = &l.lin, .rows = 1, .x = lt_arr_at(x, K), .y = alone}));
    CHECK(test_same_bits(lt_arr_at(y, N), alone, N));
    for (int64_t n = 0; n < N; n++) CHECK(test_get(y, 2 * N + n) == 0 && isnan(test_get(y, 3 * N + n)) && isfinite(test_get(y, n)));
    layer_fini(&l, &c);
    tests_free();
}

/* Questions to the library that one call of some rows makes. */
static int64_t asks(const lt_ctx *c, layer *l, int64_t rows, lt_arr x, lt_arr y) {
    int64_t before = c->ops->gpu->counts()->asks;
    CHECK_OK(c->ops->linear_fwd(c, &(struct lt_linear_args){.lin = &l->lin, .rows = rows, .x = x, .y = y}));
    return c->ops->gpu->counts()->asks - before;
}

/* Ways of a product: those that measuring chose compute the same as ref, travel as bytes, and choose the same elsewhere; other numbers of rows have the way of
 * the nearest that was measured, and nobody asks the library. */
static void tuned(bool e4m3) {
    shape s = {21, 48, 32};
    lt_dims dims = {.rows = s.rows, .width = s.N};
    lt_ctx mine = e4m3 ? e4m3_ctx(test_ops(), 1, &dims) : test_ctx(test_ops(), 1, LT_BF16, &dims),
           ref = e4m3 ? e4m3_ctx(lt_ops_ref(), 1, &dims) : test_ctx(lt_ops_ref(), 1, LT_BF16, &dims);
    lt_arr w = test_random(s.N * s.K, LT_BF16, 1), bias = test_random(s.N, LT_F32, 1), bytes, again;
    layer lc, lr;
    size_t none = 0, n = 0;
    bool taken = false;
    if (!mine.ops->tune) return tests_free(); /* one way to compute */
    layer_init(&lc, &mine, s.N, s.K, w, bias.p);
    layer_init(&lr, &ref, s.N, s.K, w, bias.p);
    CHECK_OK(mine.ops->choices(&mine, NULL, 0, &none));
    struct lt_linear_args call[2] = {{.lin = &lc.lin, .rows = s.rows, .x = {NULL, LT_BF16}, .y = {NULL, LT_F32}},
                                     {.lin = &lc.lin, .rows = s.rows, .x = {NULL, LT_BF16}, .y = {NULL, LT_F32}}};
    const bool backward[2] = {false, true};
    const lt_lin *lin[1] = {&lc.lin};
    CHECK_OK(mine.ops->tune(&mine, &(struct lt_tune_args){.call = call, .backward = backward, .n_calls = 2, .lin = lin, .n_lins = 1}));
    CHECK_OK(mine.ops->choices(&mine, NULL, 0, &n));
    CHECK(n > none && (n - none) % 2 == 0); /* two products */
    bytes = test_new((int64_t)n, LT_U8);
    again = test_new((int64_t)n, LT_U8);
    CHECK_OK(mine.ops->choices(&mine, bytes.p, n, &n));
    one_call(&mine, &lc, &ref, &lr, s, true, LT_BF16, LT_F32, NO_RESID, 0);
    one_call(&mine, &lc, &ref, &lr, s, false, LT_F32, LT_BF16, NO_RESID, 0);
    lt_dims few = {.rows = 64, .width = s.N};
    lt_ctx fresh = e4m3 ? e4m3_ctx(test_ops(), 1, &few) : test_ctx(test_ops(), 1, LT_BF16, &few);
    lt_arr x = test_random(64 * s.K, LT_BF16, 1), y = test_new(64 * s.N, LT_F32), like = test_new(64 * s.N, LT_F32);
    CHECK_OK(mine.ops->choose(&fresh, bytes.p, n, &taken));
    CHECK(taken);
    for (int64_t rows = 1; rows <= 64; rows += 9) { /* fewer and more than were measured, in any order of calls */
        CHECK_INT(asks(&fresh, &lc, rows, x, y), 0);
        CHECK_OK(fresh.ops->linear_fwd(&fresh, &(struct lt_linear_args){.lin = &lc.lin, .rows = rows, .x = x, .y = like}));
        CHECK(test_same_bits(y, like, rows * s.N));
    }
    lt_ctx bare = {.ops = mine.ops, .threads = 1, .compute = LT_BF16}; /* negative control: it asks, once */
    CHECK_OK(bare.ops->ctx_init(&bare));
    bare.ws = fresh.ws;
    bare.ws_bytes = fresh.ws_bytes;
    CHECK_INT(asks(&bare, &lc, 64, x, y), 1);
    CHECK_INT(asks(&bare, &lc, 64, x, y), 0);
    CHECK_OK(bare.ops->wait(&bare, NULL));
    bare.ops->ctx_fini(&bare);
    /* a ctx that knows nothing takes them, and says the same */
    lt_ctx other = {.ops = mine.ops, .threads = 1, .compute = LT_BF16};
    CHECK_OK(other.ops->ctx_init(&other));
    CHECK_OK(other.ops->choose(&other, bytes.p, n, &taken));
    CHECK(taken);
    CHECK_OK(other.ops->choices(&other, again.p, n, &n));
    CHECK(memcmp(bytes.p, again.p, n) == 0);
    /* those of another library are left, damaged ones refused */
    ((unsigned char *)bytes.p)[0] ^= 1;
    CHECK_OK(other.ops->choose(&other, bytes.p, n, &taken));
    CHECK(!taken);
    ((unsigned char *)bytes.p)[0] ^= 1;
    CHECK_FAILS(other.ops->choose(&other, bytes.p, n - 1, &taken), LT_ERR_FORMAT, "choices of products");
    CHECK_FAILS(other.ops->choose(&other, bytes.p, 3, &taken), LT_ERR_FORMAT, "too few");
    other.ops->ctx_fini(&other);
    layer_fini(&lr, &ref);
    layer_fini(&lc, &mine);
    tests_free();
}

static void by_mode(int modes) {
    const char *mode[] = {"auto", "plain", "packed"};
    const shape shapes[] = {{0, 16, 16}, {1, 17, 5}, {5, 7, 3}, {33, 64, 48}, {64, 33, 70}, {601, 24, 16}};
    for (int m = 0; m < modes; m++) {
        setenv("LT_CPU_LINEAR", mode[m], 1);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int threads = 1; threads <= (test_on_gpu() ? 1 : 2); threads++) {
                one_shape(shapes[i], LT_F32, threads);
                one_shape(shapes[i], LT_BF16, threads);
            }
        adjoint();
        small_workspace();
    }
    unsetenv("LT_CPU_LINEAR");
}

int main(void) {
    if (!test_on_gpu()) few_rows_of_levels(); /* first: no thread is there yet */
    few_rows();
    const shape panels[] = {{0, 16, 16}, {0, 17, 5}, {0, 64, 48}, {0, 130, 70}, {0, 192, 256}, {0, 200, 33}, {0, 71, 320}, {0, 48, 512}};
    by_mode(test_on_gpu() ? 1 : 3);
    for (size_t i = 0; i < sizeof panels / sizeof *panels; i++) by_panels(panels[i]);
    if (!test_on_gpu()) {
        unpacked_layer();
        two_contexts();
        unsetenv("LT_CPU_LINEAR");
    }
    e4m3_shape((shape){37, 48, 32}, true);
    e4m3_shape((shape){70, 16, 208}, true);
    e4m3_shape((shape){5, 40, 32}, false); /* not sixteens: bf16 */
    e4m3_one_matrix();
    e4m3_rows_alone();
    tuned(false);
    tuned(true);
    printf("largest share of a limit: %.2g\n", test_worst_share);
    return test_end();
}
