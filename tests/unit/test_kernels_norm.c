// TEST np: 0  rooms: kernels  labels: unit  timeout: 60  omp: 2  ops: cuda-emulated
/* Layer norm and RMS norm: the ops against ref over widths with tails, output and gradient types, saved copy, residual gradient, rows added to the
 * output; the same bits on one and two threads; ref's gradient by differences. */
#include "kernels_util.h"

static void one(lt_norm_kind kind, int64_t rows, int64_t C, lt_dtype dt) {
    int64_t n = rows * C;
    lt_ctx ref = test_ctx_bare(lt_ops_ref(), 1);
    lt_arr x = test_random(n, LT_F32, 2), w = test_random(C, LT_F32, 1), b = test_random(C, LT_F32, 1), dy = test_random(n, dt, 1);
    lt_arr dres = test_random(n, LT_F32, 1), y[3], save[3], mean[3], rstd[3], dx[3], low[3];
    int64_t rounded = 0;
    for (int64_t i = 0; i < n; i++) test_set(x, i, (double)test_get(x, i) + 3); /* a mean to get rid of */
    for (int i = 0; i < 3; i++) {                                               /* on 1 and 2 threads, ref */
        lt_ctx own = test_ctx_bare(test_ops(), i + 1), *c = i < 2 ? &own : &ref;
        y[i] = test_new(n, dt);
        save[i] = test_new(n, LT_F32);
        mean[i] = test_new(rows, LT_F32);
        rstd[i] = test_new(rows, LT_F32);
        dx[i] = test_copy(dres, n);
        struct lt_norm_args a = {.kind = kind,
                                 .rows = rows,
                                 .C = C,
                                 .x = x.p,
                                 .w = w.p,
                                 .b = kind == LT_NORM_LAYER ? b.p : NULL,
                                 .eps = 1e-5f,
                                 .y = y[i],
                                 .x_save = save[i].p,
                                 .mean = mean[i].p,
                                 .rstd = rstd[i].p,
                                 .dy = dy,
                                 .dres = dx[i].p,
                                 .dx = dx[i].p,
                                 .dx_low = low[i] = test_new(n, LT_BF16)};
        CHECK_OK(c->ops->norm_fwd(c, &a));
        CHECK_OK(c->ops->norm_bwd(c, &a)); /* dx over dres */
        for (int64_t e = 0; e < n; e++) rounded += ((uint16_t *)low[i].p)[e] == lt_f32_to_bf16(test_get(dx[i], e));
    }
    char what[96];
    snprintf(what, sizeof what, "kind %d [%lld, %lld] %s", (int)kind, (long long)rows, (long long)C, lt_dtype_name(dt));
    test_close("norm", y[0], y[2], n, what);
    test_close("norm", dx[0], dx[2], n, what);
    CHECK_INT(rounded, 3 * n);
    test_close("norm", rstd[0], rstd[2], rows, what);
    if (kind == LT_NORM_LAYER) test_close("norm", mean[0], mean[2], rows, what);
    CHECK(test_same_bits(save[0], x, n) && test_same_bits(save[2], x, n));
    CHECK(test_same_bits(y[0], y[1], n) && test_same_bits(dx[0], dx[1], n) && test_same_bits(rstd[0], rstd[1], rows));
    tests_free();
}

/* No copy wanted, no residual gradient. */
static void optional_arguments(void) {
    int64_t rows = 3, C = 20, n = rows * C;
    lt_arr x = test_random(n, LT_F32, 1), w = test_random(C, LT_F32, 1), dy = test_random(n, LT_F32, 1), y[2], dx[2], rstd[2];
    for (int i = 0; i < 2; i++) {
        lt_ctx c = test_ctx_bare(i ? lt_ops_ref() : test_ops(), 1);
        y[i] = test_new(n, LT_F32);
        dx[i] = test_new(n, LT_F32);
        rstd[i] = test_new(rows, LT_F32);
        struct lt_norm_args a = {.kind = LT_NORM_RMS,
                                 .rows = rows,
                                 .C = C,
                                 .x = x.p,
                                 .w = w.p,
                                 .eps = 1e-6f,
                                 .y = y[i],
                                 .rstd = rstd[i].p,
                                 .dy = dy,
                                 .dx = dx[i].p};
        CHECK_OK(c.ops->norm_fwd(&c, &a));
        CHECK_OK(c.ops->norm_bwd(&c, &a));
    }
    test_close("norm", y[0], y[1], n, "optional arguments, forward");
    test_close("norm", dx[0], dx[1], n, "optional arguments, backward");
    tests_free();
}

/* Rows added to the output, from an array of their own or in place; a norm without them, and then the sum, is what it must be. */
static void added_rows(lt_norm_kind kind, int64_t rows, int64_t C, lt_dtype dt, lt_dtype added, bool in_place) {
    int64_t n = rows * C;
    lt_arr x = test_random(n, LT_F32, 2), w = test_random(C, LT_F32, 1), b = test_random(C, LT_F32, 1), r = test_random(n, added, 1);
    lt_arr mean = test_new(rows, LT_F32), rstd = test_new(rows, LT_F32), want = test_new(n, dt), bare = test_new(n, LT_F32), y[3];
    struct lt_norm_args a = {
        .kind = kind, .rows = rows, .C = C, .x = x.p, .w = w.p, .b = b.p, .eps = 1e-5f, .y = bare, .mean = mean.p, .rstd = rstd.p};
    if (kind == LT_NORM_RMS) a.b = NULL;
    lt_ctx ref = test_ctx_bare(lt_ops_ref(), 1);
    CHECK_OK(ref.ops->norm_fwd(&ref, &a));
    for (int64_t i = 0; i < n; i++) test_set(want, i, (double)test_get(bare, i) + (double)test_get(r, i));
    for (int i = 0; i < 3; i++) { /* on 1 and 2 threads, ref */
        lt_ctx own = test_ctx_bare(test_ops(), i + 1), *c = i < 2 ? &own : &ref;
        a.y = y[i] = in_place ? test_copy(r, n) : test_new(n, dt);
        a.resid = in_place ? a.y : r;
        CHECK_OK(c->ops->norm_fwd(c, &a));
    }
    char what[96];
    snprintf(what, sizeof what, "kind %d [%lld, %lld] %s, added %s%s", (int)kind, (long long)rows, (long long)C, lt_dtype_name(dt),
             lt_dtype_name(added), in_place ? " in place" : "");
    test_close("norm", y[2], want, n, what);
    test_close("norm", y[0], y[2], n, what);
    CHECK(test_same_bits(y[0], y[1], n));
    if (n > 0) CHECK(test_nmse_arr(y[0], bare, n) > 0.1); /* control: without them it is another result */
    tests_free();
}

static void bad_numbers_pass_on(void) {
    const float *x = TEST_PUT(((const float[]){1, NAN, 2, 3, 1, 2, 3, 4})), *w = TEST_PUT(((const float[]){1, 1, 1, 1}));
    float *y = test_new(8, LT_F32).p, *rstd = test_new(2, LT_F32).p;
    lt_ctx c = test_ctx_bare(test_ops(), 1);
    CHECK_OK(c.ops->norm_fwd(
        &c,
        &(struct lt_norm_args){.kind = LT_NORM_RMS, .rows = 2, .C = 4, .x = x, .w = w, .eps = 1e-6f, .y = lt_arr_f32(y), .rstd = rstd}));
    CHECK(isnan(y[0]) && isnan(y[1]) && isfinite(y[4]));
    tests_free();
}

/* loss = sum of y times dy */
static double loss(void *user) {
    struct lt_norm_args *a = user;
    lt_ctx c = test_ctx_bare(lt_ops_ref(), 1);
    double sum = 0;
    c.ops->norm_fwd(&c, a);
    for (int64_t i = 0; i < a->rows * a->C; i++) sum += (double)test_get(a->y, i) * (double)test_get(a->dy, i);
    return sum;
}

static void gradient(lt_norm_kind kind) {
    int64_t rows = 2, C = 9, n = rows * C;
    lt_arr x = test_random(n, LT_F32, 1), w = test_random(C, LT_F32, 1), b = test_random(C, LT_F32, 1), dy = test_random(n, LT_F32, 1);
    lt_arr y = test_new(n, LT_F32), mean = test_new(rows, LT_F32), rstd = test_new(rows, LT_F32), dx = test_new(n, LT_F32);
    struct lt_norm_args a = {.kind = kind,
                             .rows = rows,
                             .C = C,
                             .x = x.p,
                             .w = w.p,
                             .b = kind == LT_NORM_LAYER ? b.p : NULL,
                             .eps = 1e-5f,
                             .y = y,
                             .mean = mean.p,
                             .rstd = rstd.p,
                             .dy = dy,
                             .dx = dx.p};
    lt_ctx c = test_ctx_bare(lt_ops_ref(), 1);
    loss(&a);
    CHECK_OK(c.ops->norm_bwd(&c, &a));
    test_gradient(loss, &a, x.p, dx.p, n, kind == LT_NORM_LAYER ? "layer norm" : "RMS norm");
    tests_free();
}

int main(void) {
    const int64_t rows[] = {0, 1, 5, 40}, widths[] = {5, 9, 64, 384, 516, 1030};
    for (int kind = 0; kind < 2; kind++) {
        for (int r = 0; r < 4; r++)
            for (int w = 0; w < 6; w++) {
                one((lt_norm_kind)kind, rows[r], widths[w], LT_F32);
                one((lt_norm_kind)kind, rows[r], widths[w], LT_BF16);
            }
        for (int r = 0; r < 4; r++)
            for (int w = 0; w < 6; w++) {
                added_rows((lt_norm_kind)kind, rows[r], widths[w], LT_F32, LT_F32, false);
                added_rows((lt_norm_kind)kind, rows[r], widths[w], LT_F32, LT_F32, true);
                added_rows((lt_norm_kind)kind, rows[r], widths[w], LT_BF16, LT_F32, false);
                added_rows((lt_norm_kind)kind, rows[r], widths[w], LT_F32, LT_BF16, false);
                added_rows((lt_norm_kind)kind, rows[r], widths[w], LT_BF16, LT_BF16, true);
            }
        one((lt_norm_kind)kind, 2, 4096, LT_BF16);
        if (test_on_gpu()) { /* wider than a block holds; CPUs go by pieces of any row, and a plain f32 sum of so many leaves 1.1e-6 */
            one((lt_norm_kind)kind, 1, 8204, LT_BF16);
            added_rows((lt_norm_kind)kind, 1, 8204, LT_BF16, LT_F32, false);
        }
        gradient((lt_norm_kind)kind);
    }
    optional_arguments();
    bad_numbers_pass_on();
    printf("largest share of a limit: %.2g\n", test_worst_share);
    tests_free();
    return test_end();
}
