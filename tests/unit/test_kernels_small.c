// TEST np: 0  rooms: kernels  labels: unit  timeout: 60  omp: 2  ops: cuda-emulated
/* Small ops of the trainable side: bias rows, column sums, softmax rows, sums of losses, dropout, conversions, strided copies; the ops against ref, gradients
 * by differences. */
#include "kernels_util.h"

#include <math.h>

static lt_ctx ctx_number(int i) { return test_ctx_bare(i < 2 ? test_ops() : lt_ops_ref(), i + 1); }

static void bias_and_sums(int64_t rows, int64_t n, int64_t pad, int accumulate) {
    int64_t ld = n + pad;
    lt_arr v = test_random(n, LT_F32, 1), y0 = test_random(rows * ld, LT_F32, 1), s0 = test_random(n, LT_F32, 1), y[3], s[3];
    for (int i = 0; i < 3; i++) {
        lt_ctx c = ctx_number(i);
        y[i] = test_copy(y0, rows * ld);
        s[i] = test_copy(s0, n);
        CHECK_OK(
            c.ops->bias_rows(&c, &(struct lt_bias_args){.rows = rows, .n = n, .ld = ld, .v = v.p, .y = y[i].p, .accumulate = accumulate}));
        CHECK_OK(c.ops->column_sums(
            &c, &(struct lt_colsum_args){.rows = rows, .n = n, .ld = ld, .x = y[i].p, .sum = s[i].p, .accumulate = accumulate}));
    }
    test_close("bias_rows", y[0], y[2], rows * ld, "rows");
    test_close("column_sums", s[0], s[2], n, "sums");
    CHECK(test_same_bits(y[0], y[1], rows * ld) && test_same_bits(s[0], s[1], n));
    for (int64_t r = 0; r < rows; r++)
        CHECK(test_same_bits(lt_arr_at(y[0], r * ld + n), lt_arr_at(y0, r * ld + n), pad)); /* between rows */
    tests_free();
}

static void softmax_rows(void) {
    enum { ROWS = 3, N = 5 };
    lt_arr x = test_random(ROWS * N, LT_F32, 2), dy = test_random(ROWS * N, LT_F32, 1), y[2], dx[2];
    for (int i = 0; i < 2; i++) {
        lt_ctx c = ctx_number(2 * i);
        y[i] = test_new(ROWS * N, LT_F32);
        dx[i] = test_new(ROWS * N, LT_F32);
        struct lt_softmax_args a = {.rows = ROWS, .n = N, .x = x.p, .y = y[i].p, .dy = dy.p, .dx = dx[i].p};
        CHECK_OK(c.ops->softmax_fwd(&c, &a));
        CHECK_OK(c.ops->softmax_bwd(&c, &a));
    }
    test_close("softmax", y[0], y[1], ROWS * N, "forward");
    test_close("softmax", dx[0], dx[1], ROWS * N, "backward");
    for (int r = 0; r < ROWS; r++) {
        double sum = 0, slope = 0;
        for (int i = 0; i < N; i++) sum += (double)test_get(y[0], r * N + i);
        for (int i = 0; i < N; i++) slope += (double)test_get(dx[0], r * N + i); /* a constant added to x changes nothing */
        CHECK_NEAR(sum, 1, 1e-6);
        CHECK_NEAR(slope, 0, 1e-6);
    }
    /* differences: sum of y dy moves by dx */
    for (int k = 0; k < ROWS * N; k++) {
        double f[2], h = 1e-3, was = (double)test_get(x, k);
        lt_ctx c = ctx_number(2);
        for (int side = 0; side < 2; side++) {
            test_set(x, k, was + (side ? h : -h));
            CHECK_OK(c.ops->softmax_fwd(&c, &(struct lt_softmax_args){.rows = ROWS, .n = N, .x = x.p, .y = y[1].p}));
            f[side] = 0;
            for (int i = 0; i < ROWS * N; i++) f[side] += (double)test_get(y[1], i) * (double)test_get(dy, i);
        }
        test_set(x, k, was);
        CHECK_NEAR((f[1] - f[0]) / (2 * h), (double)test_get(dx[0], k), 2e-4);
    }
    tests_free();
}

static void loss_sums(void) {
    const float *loss = TEST_PUT(((const float[]){1, 2, INFINITY, 4, NAN, 0.5f}));
    const lt_segment seg[3] = {{.row0 = 0, .row1 = 2}, {.row0 = 2, .row1 = 4}, {.row0 = 5, .row1 = 6}};
    const int32_t place[3] = {4, 0, 4};
    for (int i = 0; i < 3; i += 2) {
        lt_ctx c = ctx_number(i);
        float *out = TEST_PUT(((const float[]){0, 0, 7, 7, 1, 0}));
        CHECK_OK(c.ops->loss_sums(&c, &(struct lt_loss_args){.loss = loss, .seg = seg, .place = place, .n_seg = 3, .out = out}));
        CHECK(isinf(out[0]) && out[1] == 1);
        CHECK(out[2] == 7 && out[3] == 7);
        CHECK_NEAR(out[4], 4.5, 0);
        CHECK_NEAR(out[5], 0, 0);
    }
    tests_free();
}

/* An update whose norm or loss is not finite leaves everything as it was; control: the same with finite numbers moves. */
static void adamw_stops(void) {
    for (int i = 0; i < 3; i += 2)
        for (int bad = 0; bad < 4; bad++) {
            lt_ctx c = ctx_number(i);
            float *p = TEST_PUT((const float[]){1}), *m = test_new(1, LT_F32).p, *v = test_new(1, LT_F32).p,
                  *g = TEST_PUT((const float[]){1});
            const float *loss = TEST_PUT(((const float[]){bad == 1 ? NAN : 1, bad == 2 ? 1 : 0}));
            const double *sumsq = TEST_PUT((const double[]){bad == 3 ? INFINITY : 1});
            const lt_adamw_array x = {.n = 1, .p = p, .m = m, .v = v, .g = g};
            CHECK_OK(c.ops->adamw(&c, &(struct lt_adamw_args){.n = 1,
                                                              .x = &x,
                                                              .sumsq = sumsq,
                                                              .loss = loss,
                                                              .clip = 1,
                                                              .lr = 0.1f,
                                                              .beta1 = 0.9f,
                                                              .beta2 = 0.999f,
                                                              .eps = 1e-8f,
                                                              .step = 1}));
            CHECK(bad ? *p == 1 && *m == 0 && *v == 0 : fabsf(*p - 0.9f) < 1e-5f);
            tests_free();
        }
}

/* Dropout is the truth's, in every type; elements outside the sequences stay; the share that stays is 1 - p. */
static void dropout(int64_t C, int64_t c0, lt_dtype dt, int accumulate, bool by_index) {
    enum { ROWS = 30, SEQS = 3 };
    const int32_t *cu = TEST_PUT(((const int32_t[SEQS + 2]){2, 3, 20, 26, ROWS}));
    const uint64_t *key = TEST_PUT(((const uint64_t[SEQS + 1]){5, (uint64_t)1 << 40, 77, 5}));
    int32_t *index = test_ints(ROWS);
    for (int t = 0; t < ROWS; t++) index[t] = 3 * t;
    lt_arr x = test_random(ROWS * C, dt, 1), y0 = test_random(ROWS * C, dt, 1), y[3];
    struct lt_dropout_args a = {.seq0 = 1,
                                .seq1 = SEQS,
                                .C = C,
                                .cu = cu,
                                .index = by_index ? index : NULL,
                                .key = key,
                                .stream = 9,
                                .c0 = c0,
                                .p = 0.3f,
                                .x = x,
                                .accumulate = accumulate};
    for (int i = 0; i < 3; i++) {
        lt_ctx c = ctx_number(i);
        a.y = y[i] = test_copy(y0, ROWS * C);
        CHECK_OK(c.ops->dropout_rows(&c, &a));
    }
    test_close("dropout_rows", y[0], y[2], ROWS * C, "rows");
    CHECK(test_same_bits(y[0], y[1], ROWS * C));
    CHECK(test_same_bits(y[0], y0, 3 * C)); /* rows of sequence 0 and before */
    CHECK(test_same_bits(lt_arr_at(y[0], 26 * C), lt_arr_at(y0, 26 * C), 4 * C));
    double left = 0, n = (double)(23 * C);
    for (int64_t i = 3 * C; i < 26 * C; i++) left += test_get(y[0], i) == (accumulate ? test_get(y0, i) : 0.0f);
    CHECK_NEAR(left / n, 0.3, 5 * sqrt(0.21 / n));
    /* controls: another stream, and another key, drop others */
    for (int control = 0; control < 2; control++) {
        const uint64_t *other = TEST_PUT(((const uint64_t[SEQS + 1]){6, 6, 78, 6}));
        lt_ctx c = ctx_number(0);
        a.stream = control ? 9 : 10;
        a.key = control ? other : key;
        a.y = test_copy(y0, ROWS * C);
        CHECK_OK(c.ops->dropout_rows(&c, &a));
        CHECK(!test_same_bits(a.y, y[0], ROWS * C));
    }
    tests_free();
}

/* A sequence's mask does not depend on where it lies, and a share of the columns has the whole's. */
static void dropout_moves(void) {
    enum { N = 7, C = 24, HALF = 10 };
    lt_arr x = test_random(N * C, LT_F32, 1), far = test_new(2 * N * C, LT_F32), y = test_new(N * C, LT_F32),
           z = test_new(2 * N * C, LT_F32), part = test_new(N * HALF, LT_F32), w = test_new(N * HALF, LT_F32);
    lt_ctx c = ctx_number(0);
    const int32_t *cu = TEST_PUT(((const int32_t[]){0, N, 2 * N}));
    const uint64_t *key = TEST_PUT(((const uint64_t[]){1, 42}));
    struct lt_dropout_args a = {.seq1 = 1, .C = C, .cu = cu, .key = key + 1, .p = 0.5f, .x = x, .y = y};
    CHECK_OK(c.ops->dropout_rows(&c, &a));
    memcpy(lt_arr_at(far, N * C).p, x.p, N * C * sizeof(float));
    CHECK_OK(c.ops->dropout_rows(
        &c, &(struct lt_dropout_args){.seq0 = 1, .seq1 = 2, .C = C, .cu = cu, .key = key, .p = 0.5f, .x = far, .y = z}));
    CHECK(test_same_bits(y, lt_arr_at(z, N * C), N * C));
    for (int t = 0; t < N; t++) memcpy((float *)part.p + t * HALF, (float *)x.p + t * C + 5, HALF * sizeof(float));
    a.C = HALF;
    a.c0 = 5;
    a.x = part;
    a.y = w;
    CHECK_OK(c.ops->dropout_rows(&c, &a));
    for (int t = 0; t < N; t++) CHECK(test_same_bits(lt_arr_at(w, t * HALF), lt_arr_at(y, t * C + 5), HALF));
    CHECK(!test_same_bits(w, y, HALF)); /* control: without the shift they differ */
    tests_free();
}

/* Every pair of types: the bits of ref, and those of rounding one by one; numbers that are none pass on. */
static void conversion(int64_t n, int64_t offset, lt_dtype from, lt_dtype to) {
    const float odd[] = {INFINITY, -INFINITY, -0.0f, 3.4e38f, 1e-40f, 1.00390625f, NAN}; /* 3.4e38 rounds to Inf; 1 + 2^-8 lies half way */
    lt_arr x = lt_arr_at(test_random(n + offset, from, 1), offset), y[3], want = test_new(n, to);
    for (int64_t i = 0; i < 7 && n > 7; i++) test_set(x, n - 1 - i, (double)odd[i]);
    for (int64_t i = 0; i < n; i++) test_set(want, i, (double)test_get(x, i));
    for (int i = 0; i < 3; i++) {
        lt_ctx c = ctx_number(i);
        y[i] = lt_arr_at(test_new(n + offset, to), offset);
        CHECK_OK(c.ops->convert(&c, &(struct lt_convert_args){.n = n, .x = x, .y = y[i]}));
    }
    if (n > 7) {
        CHECK(isnan(test_get(y[0], n - 7)) && isnan(test_get(y[2], n - 7)));
        CHECK(test_get(y[0], n - 1) == INFINITY && signbit(test_get(y[0], n - 3)));
        for (int i = 0; i < 3; i++) test_set(y[i], n - 7, 1); /* which of the NaNs it is, is left open */
        test_set(want, n - 7, 1);
    }
    for (int i = 0; i < 3; i++) CHECK(test_same_bits(y[i], want, n));
    if (n > 0) {
        test_set(want, n / 2, (double)test_get(want, n / 2) * (1 + 0x1p-7)); /* control: a step of bf16 */
        CHECK(!test_same_bits(y[0], want, n));
    }
    tests_free();
}

static void strided_copy(void) {
    float *src = test_new(12, LT_F32).p, *dst = test_new(20, LT_F32).p;
    lt_ctx c = ctx_number(0);
    for (int i = 0; i < 12; i++) src[i] = (float)i;
    for (int i = 0; i < 20; i++) dst[i] = -1;
    CHECK_OK(c.ops->copy(&c, &(struct lt_copy_args){.kind = LT_COPY_ON_DEVICE,
                                                    .dst = dst,
                                                    .src = src,
                                                    .rows = 3,
                                                    .row_bytes = 2 * sizeof(float),
                                                    .dst_pitch = 5 * sizeof(float),
                                                    .src_pitch = 4 * sizeof(float)}));
    for (int r = 0; r < 4; r++)
        for (int k = 0; k < 5; k++) CHECK(dst[r * 5 + k] == (r < 3 && k < 2 ? (float)(4 * r + k) : -1));
    tests_free();
}

/* ---- launches on a GPU: one for an op of a layer, one for all arrays of a trial ---- */

/* Launches of what is called between two calls of this. */
static int64_t launched(void) {
    static int64_t before;
    int64_t now = test_gpu->counts()->launches, n = now - before;
    before = now;
    return n;
}
#define CHECK_LAUNCHES(entry, args, want)                                                                                                  \
    do {                                                                                                                                   \
        (void)launched();                                                                                                                  \
        CHECK_OK(c.ops->entry(&c, (args)));                                                                                                \
        CHECK_INT(launched(), want);                                                                                                       \
    } while (0)

static void launches_of_a_layer(void) {
    enum { ROWS = 5, HEADS = 3, D = 8, C = HEADS * D };
    lt_ctx c = ctx_number(0);
    lt_arr x = test_random(ROWS * C, LT_F32, 1), w = test_random(C, LT_F32, 1), y = test_new(ROWS * C, LT_BF16),
           dx = test_new(ROWS * C, LT_F32);
    lt_arr mean = test_new(ROWS * HEADS, LT_F32), rstd = test_new(ROWS * HEADS, LT_F32), u = test_random(2 * ROWS * C, LT_BF16, 1);
    lt_arr save = test_new(ROWS * C, LT_F32), angle = test_random(D, LT_F32, 1);
    struct lt_norm_args norm = {
        .rows = ROWS, .C = C, .x = x.p, .w = w.p, .b = w.p, .eps = 1e-5f, .y = y, .mean = mean.p, .rstd = rstd.p, .dy = y, .dx = dx.p};
    struct lt_head_norm_args heads = {
        .rows = ROWS, .ld = C, .heads = HEADS, .head_dim = D, .x = x, .w = w.p, .eps = 1e-5f, .x_save = save, .rstd = rstd.p};
    struct lt_act_args act = {.act = LT_ACT_SILU, .rows = ROWS, .F = C, .u = u, .h = y, .dh = y, .du = u};
    struct lt_rope_args rope = {
        .rows = ROWS, .heads = HEADS, .head_dim = D, .rot = D, .x = y, .ld_x = C, .pos = test_ints(ROWS), .cos_sin = angle.p};
    struct lt_convert_args convert = {.n = ROWS * C, .x = x, .y = y};
    CHECK_LAUNCHES(norm_fwd, &norm, 1);
    CHECK_LAUNCHES(norm_bwd, &norm, 1);
    CHECK_LAUNCHES(head_norm_fwd, &heads, 1);
    CHECK_LAUNCHES(head_norm_bwd, &heads, 1);
    CHECK_LAUNCHES(act_fwd, &act, 1);
    CHECK_LAUNCHES(act_bwd, &act, 1);
    CHECK_LAUNCHES(glu_fwd, &act, 1);
    CHECK_LAUNCHES(glu_bwd, &act, 1);
    CHECK_LAUNCHES(rope, &rope, 1);
    CHECK_LAUNCHES(convert, &convert, 1);
    norm.rows = 0;
    CHECK_LAUNCHES(norm_fwd, &norm, 0); /* control: the count is of launches, not of calls */
    tests_free();
}

static void launches_of_a_trial(void) {
    enum { ARRAYS = 16, N = 3 };
    lt_ctx c = ctx_number(0);
    float *p = test_new(ARRAYS * N, LT_F32).p, *m = test_new(ARRAYS * N, LT_F32).p, *v = test_new(ARRAYS * N, LT_F32).p;
    const float *g = test_random(ARRAYS * N, LT_F32, 1).p, *gradient[ARRAYS];
    double *sum = test_new(sizeof(double), LT_U8).p;
    lt_adamw_array x[ARRAYS];
    int64_t elems[ARRAYS];
    lt_segment seg[ARRAYS];
    int32_t place[ARRAYS];
    for (int i = 0; i < ARRAYS; i++) {
        x[i] = (lt_adamw_array){.n = N, .p = p + i * N, .m = m + i * N, .v = v + i * N, .g = g + i * N};
        gradient[i] = g + i * N;
        elems[i] = N;
        seg[i] = (lt_segment){.row0 = i, .row1 = i + 1};
        place[i] = 2 * i;
    }
    struct lt_sumsq_args squares = {.n = ARRAYS, .x = gradient, .elems = elems, .out = sum};
    struct lt_adamw_args adamw = {.n = ARRAYS, .x = x, .lr = 0.1f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .step = 1};
    struct lt_loss_args losses = {.loss = g, .seg = seg, .place = place, .n_seg = ARRAYS, .out = p};
    CHECK_LAUNCHES(sumsq, &squares, 2);
    CHECK_LAUNCHES(adamw, &adamw, 1);
    CHECK_LAUNCHES(loss_sums, &losses, 1);
    tests_free();
}

int main(void) {
    bias_and_sums(0, 4, 3, 0);
    bias_and_sums(3, 1, 3, 1);
    bias_and_sums(7, 1300, 3, 0);
    bias_and_sums(40, 1300, 4, 1);
    softmax_rows();
    loss_sums();
    adamw_stops();
    dropout(64, 0, LT_F32, 0, false);
    dropout(1030, 2, LT_F32, 1, true);
    dropout(33, 7, LT_BF16, 1, false);
    dropout(33, 0, LT_BF16, 0, true);
    dropout(264, 256, LT_BF16, 1, true);
    dropout(520, 0, LT_BF16, 0, false);
    dropout_moves();
    for (int from = 0; from < 2; from++)
        for (int to = 0; to < 2; to++) {
            const int64_t sizes[] = {0, 1, 511, 1030, 40001};
            for (int i = 0; i < 10; i++) conversion(sizes[i / 2], i % 2, from ? LT_BF16 : LT_F32, to ? LT_BF16 : LT_F32);
        }
    strided_copy();
    if (test_on_gpu()) {
        launches_of_a_layer();
        launches_of_a_trial();
    }
    tests_free();
    return test_end();
}
