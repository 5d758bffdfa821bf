// TEST np: 0  rooms: kernels  labels: unit  timeout: 60  omp: 2  ops: cuda-emulated
/* The trainable side: segments, loss, matrix product, sum of squares, AdamW: the ops against ref, the same bits twice, ref's gradients by
 * differences, NaN and Inf reach the caller. */
#include "kernels_util.h"

static lt_ctx ctx_number(int i, const lt_dims *dims) {
    return test_ctx(i < 2 ? test_ops() : lt_ops_ref(), 2, LT_BF16, dims);
} /* twice, ref */

/* ---- segments ---- */

enum { SEGMENTS = 3 };

typedef struct segments {
    lt_segment seg[SEGMENTS];
    lt_arr w[SEGMENTS], b[SEGMENTS], dw[SEGMENTS], db[SEGMENTS];
} segments;

/* Three matrices of different height over rows [0, 3), [5, 5 + many), and none; row 3 and 4 belong to nobody. */
static void segments_init(segments *s, int64_t many, int64_t K, int64_t N) {
    const int64_t row0[SEGMENTS] = {0, 5, 5}, row1[SEGMENTS] = {3, 5 + many, 5}, height[SEGMENTS] = {N, N > 1 ? N - 1 : 1, N};
    for (int i = 0; i < SEGMENTS; i++) {
        s->w[i] = test_random(height[i] * K, LT_F32, 1);
        s->b[i] = test_random(height[i], LT_F32, 1);
        s->seg[i] = (lt_segment){.row0 = row0[i], .row1 = row1[i], .w = s->w[i].p, .b = i == 0 ? NULL : s->b[i].p, .N = height[i], .K = K};
    }
}

static void segments_gradients(segments *s, bool wanted) {
    for (int i = 0; i < SEGMENTS; i++) {
        s->dw[i] = test_new(s->seg[i].N * s->seg[i].K, LT_F32);
        s->db[i] = test_new(s->seg[i].N, LT_F32);
        memset(s->dw[i].p, 0x3f, (size_t)(s->seg[i].N * s->seg[i].K) * sizeof(float)); /* 0.747: gradients add to what is there */
        s->seg[i].dw = wanted ? s->dw[i].p : NULL;
        s->seg[i].db = wanted ? s->db[i].p : NULL;
    }
}

static void segment_case(int64_t many, int64_t K, int64_t N, lt_dtype dt, int accumulate, bool wanted) {
    int64_t rows = many + 5, ld_x = K + 3, ld_y = N + 2;
    lt_dims dims = {.rows = rows, .width = K > N ? K : N};
    segments s[3];
    segments_init(&s[0], many, K, N);
    lt_arr x = test_random(rows * ld_x, dt, 1), dy = test_random(rows * ld_y, LT_F32, 1), y0 = test_random(rows * ld_y, LT_F32, 1);
    lt_arr dx0 = test_random(rows * ld_x, LT_F32, 1), y[3], dx[3];
    for (int i = 0; i < 3; i++) {
        lt_ctx c = ctx_number(i, &dims);
        s[i] = s[0];
        segments_gradients(&s[i], wanted);
        y[i] = test_copy(y0, rows * ld_y);
        dx[i] = test_copy(dx0, rows * ld_x);
        struct lt_segment_args a = {.seg = s[i].seg,
                                    .n_seg = SEGMENTS,
                                    .x = x,
                                    .ld_x = ld_x,
                                    .y = y[i],
                                    .ld_y = ld_y,
                                    .accumulate = accumulate,
                                    .alpha = 0.7f,
                                    .dy = dy,
                                    .dx = dx[i],
                                    .ld_dx = ld_x};
        CHECK_OK(c.ops->segment_fwd(&c, &a));
        CHECK_OK(c.ops->segment_bwd(&c, &a));
    }
    test_close("segment", y[0], y[2], rows * ld_y, "forward");
    test_close("segment", dx[0], dx[2], rows * ld_x, "to the input");
    for (int i = 0; i < SEGMENTS; i++) {
        test_close("segment", s[0].dw[i], s[2].dw[i], s[0].seg[i].N * K, "to the weights");
        test_close("segment", s[0].db[i], s[2].db[i], s[0].seg[i].N, "to the bias");
        CHECK(test_same_bits(s[0].dw[i], s[1].dw[i], s[0].seg[i].N * K));
    }
    CHECK(test_same_bits(y[0], y[1], rows * ld_y) && test_same_bits(dx[0], dx[1], rows * ld_x));
    CHECK(test_same_bits(lt_arr_at(y[0], 3 * ld_y), lt_arr_at(y0, 3 * ld_y), 2 * ld_y)); /* nobody's rows */
    tests_free();
}

/* loss = sum of y times dy */
static double segment_loss(void *user) {
    struct lt_segment_args *a = user;
    lt_ctx c = test_ctx_bare(lt_ops_ref(), 1);
    double sum = 0;
    c.ops->segment_fwd(&c, a);
    for (int64_t t = 0; t < 4; t++)
        for (int64_t n = 0; n < a->seg->N; n++) sum += (double)test_get(a->y, t * a->ld_y + n) * (double)test_get(a->dy, t * a->ld_y + n);
    return sum;
}

static void segment_gradient(void) {
    enum { ROWS = 4, N = 3, K = 5 };
    lt_arr x = test_random(ROWS * K, LT_F32, 1), w = test_random(N * K, LT_F32, 1), b = test_random(N, LT_F32, 1),
           y = test_new(ROWS * N, LT_F32);
    lt_arr dy = test_random(ROWS * N, LT_F32, 1), dx = test_new(ROWS * K, LT_F32), dw = test_new(N * K, LT_F32), db = test_new(N, LT_F32);
    lt_segment s = {.row1 = ROWS, .w = w.p, .b = b.p, .dw = dw.p, .db = db.p, .N = N, .K = K};
    struct lt_segment_args a = {.seg = &s, .n_seg = 1, .x = x, .ld_x = K, .y = y, .ld_y = N, .alpha = 1.3f, .dy = dy, .dx = dx, .ld_dx = K};
    lt_ctx c = test_ctx_bare(lt_ops_ref(), 1);
    CHECK_OK(c.ops->segment_bwd(&c, &a));
    test_gradient(segment_loss, &a, x.p, dx.p, ROWS * K, "segment to the input");
    test_gradient(segment_loss, &a, w.p, dw.p, N * K, "segment to the weights");
    test_gradient(segment_loss, &a, b.p, db.p, N, "segment to the bias");
    tests_free();
}

/* ---- loss ---- */

static void xent(int64_t rows, int64_t K, bool weighted) {
    int64_t ld = K + 1, n = rows * ld;
    lt_arr z = test_random(n, LT_F32, 3), weight = test_random(rows, LT_F32, 1), loss[3], dz[3];
    int32_t *label = test_ints(rows);
    for (int64_t t = 0; t < rows; t++) label[t] = t % 4 == 3 ? -100 : (int32_t)(t * 5 % K);
    for (int i = 0; i < 3; i++) {
        lt_ctx c = test_ctx_bare(i < 2 ? test_ops() : lt_ops_ref(), i + 1);
        loss[i] = test_new(rows, LT_F32);
        dz[i] = test_new(n, LT_F32);
        CHECK_OK(c.ops->xent(&c, &(struct lt_xent_args){.rows = rows,
                                                        .K = K,
                                                        .ld = ld,
                                                        .logits = z.p,
                                                        .label = label,
                                                        .weight = weighted ? weight.p : NULL,
                                                        .loss = loss[i].p,
                                                        .dlogits = dz[i].p}));
        CHECK_OK(c.ops->xent(&c, &(struct lt_xent_args){.rows = rows, .K = K, .ld = ld, .logits = z.p, .label = label, .loss = loss[i].p}));
    }
    if (K > 1) {
        test_close("xent", loss[0], loss[2], rows, "loss");
        test_close("xent", dz[0], dz[2], n, "gradient");
    }
    CHECK(test_same_bits(loss[0], loss[1], rows) && test_same_bits(dz[0], dz[1], n));
    if (rows > 3) CHECK(test_get(loss[0], 3) == 0 && test_get(dz[0], 3 * ld) == 0);
    tests_free();
}

static double xent_loss(void *user) {
    struct lt_xent_args *a = user;
    lt_ctx c = test_ctx_bare(lt_ops_ref(), 1);
    double sum = 0;
    c.ops->xent(&c, a);
    for (int64_t t = 0; t < a->rows; t++) sum += (double)a->loss[t] * (double)a->weight[t];
    return sum;
}

static void xent_gradient(void) {
    lt_arr z = test_random(15, LT_F32, 1), weight = test_random(3, LT_F32, 1), loss = test_new(3, LT_F32), dz = test_new(15, LT_F32);
    int32_t label[3] = {4, -100, 0};
    struct lt_xent_args a = {
        .rows = 3, .K = 5, .ld = 5, .logits = z.p, .label = label, .weight = weight.p, .loss = loss.p, .dlogits = dz.p};
    xent_loss(&a);
    a.dlogits = NULL;
    test_gradient(xent_loss, &a, z.p, dz.p, 15, "cross entropy");
    tests_free();
}

static void xent_bad_numbers(void) {
    const float *z = TEST_PUT(((const float[]){1, NAN, INFINITY, 0, 1000, -1000, -3e38f, 3e38f}));
    const int32_t *label = TEST_PUT(((const int32_t[]){0, 0, 1, 0}));
    float *loss = test_new(4, LT_F32).p, *dz = test_new(8, LT_F32).p;
    lt_ctx c = test_ctx_bare(test_ops(), 1);
    struct lt_xent_args a = {.rows = 4, .K = 2, .ld = 2, .logits = z, .label = label, .loss = loss, .dlogits = dz};
    CHECK_OK(c.ops->xent(&c, &a));
    CHECK(!isfinite(loss[0]) && !isfinite(loss[1]));
    CHECK(loss[2] == 2000 && fabsf(dz[4] - 1) < 1e-6f && fabsf(dz[5] + 1) < 1e-6f);
    a.label = TEST_PUT(((const int32_t[]){0, 0, 2, 0}));
    if (test_on_gpu()) { /* labels are seen when the kernel runs: a loss that stops the step */
        CHECK_OK(c.ops->xent(&c, &a));
        CHECK(isnan(loss[2]) && loss[3] > 0 && isnan(dz[4]) && isnan(dz[5]) && dz[7] == 1);
    } else {
        CHECK_FAILS(c.ops->xent(&c, &a), LT_ERR_INTERNAL, "label");
    }
    tests_free();
}

/* Candidates against each other; every fourth group is ignored, labels and weights of rows behind a group's first are not read. */
static void choice(int64_t groups, int64_t n, bool weighted) {
    int64_t ld = 5, rows = groups * n, all = rows * ld;
    lt_arr z = test_random(all, LT_F32, 3), weight = test_random(rows, LT_F32, 1), loss[3], dz[3];
    int32_t *label = test_ints(rows);
    for (int64_t t = 0; t < rows; t++) label[t] = t % n ? -7 : t / n % 4 == 3 ? -100 : (int32_t)(t / n * 5 % n);
    for (int i = 0; i < 3; i++) {
        lt_ctx c = test_ctx_bare(i < 2 ? test_ops() : lt_ops_ref(), i + 1);
        loss[i] = test_new(rows, LT_F32);
        dz[i] = test_new(all, LT_F32);
        struct lt_choice_args a = {.groups = groups, .n = n, .ld = ld, .logits = z.p, .label = label, .loss = loss[i].p};
        a.weight = weighted ? weight.p : NULL;
        a.dlogits = dz[i].p;
        CHECK_OK(c.ops->choice(&c, &a));
        a.dlogits = NULL;
        CHECK_OK(c.ops->choice(&c, &a));
    }
    test_close("choice", loss[0], loss[2], rows, "loss of candidates");
    test_close("choice", dz[0], dz[2], all, "gradient of candidates");
    CHECK(test_same_bits(loss[0], loss[1], rows) && test_same_bits(dz[0], dz[1], all));
    for (int64_t t = 0; t < rows; t++) {
        bool none = t / n % 4 == 3;
        CHECK(t % n == 0 && !none ? test_get(loss[0], t) > 0 : test_get(loss[0], t) == 0);
        CHECK(test_get(dz[0], t * ld) == -test_get(dz[0], t * ld + 1) && (!none || test_get(dz[0], t * ld) == 0));
        CHECK(test_get(dz[0], t * ld + 2) == 0); /* columns of wider heads stay as they are */
    }
    /* the same as cross entropy of the scores */
    lt_ctx c = test_ctx_bare(lt_ops_ref(), 1);
    lt_arr score = test_new(rows, LT_F32), plain = test_new(groups, LT_F32);
    int32_t *first = test_ints(groups);
    for (int64_t t = 0; t < rows; t++) test_set(score, t, (double)test_get(z, t * ld + 1) - (double)test_get(z, t * ld));
    for (int64_t g = 0; g < groups; g++) first[g] = label[g * n];
    CHECK_OK(c.ops->xent(&c, &(struct lt_xent_args){.rows = groups, .K = n, .ld = n, .logits = score.p, .label = first, .loss = plain.p}));
    for (int64_t g = 0; g < groups; g++) CHECK_NEAR(test_get(loss[0], g * n), test_get(plain, g), 1e-5);
    tests_free();
}

static double choice_loss(void *user) {
    struct lt_choice_args *a = user;
    lt_ctx c = test_ctx_bare(lt_ops_ref(), 1);
    double sum = 0;
    c.ops->choice(&c, a);
    for (int64_t t = 0; t < a->groups * a->n; t += a->n) sum += (double)a->loss[t] * (double)a->weight[t];
    return sum;
}

static void choice_gradient(void) {
    lt_arr z = test_random(24, LT_F32, 1), weight = test_random(12, LT_F32, 1), loss = test_new(12, LT_F32), dz = test_new(24, LT_F32);
    int32_t label[12] = {3, 0, 0, 0, -100, 0, 0, 0, 1};
    struct lt_choice_args a = {
        .groups = 3, .n = 4, .ld = 2, .logits = z.p, .label = label, .weight = weight.p, .loss = loss.p, .dlogits = dz.p};
    choice_loss(&a);
    a.dlogits = NULL;
    test_gradient(choice_loss, &a, z.p, dz.p, 24, "choice among candidates");
    tests_free();
}

static void choice_bad_numbers(void) {
    const float *z = TEST_PUT(((const float[]){1, NAN, 0, 0, 0, 0, 0, INFINITY, 1000, -1000, -1000, 1000}));
    float *loss = test_new(6, LT_F32).p, *dz = test_new(12, LT_F32).p;
    lt_ctx c = test_ctx_bare(test_ops(), 1);
    struct lt_choice_args a = {
        .groups = 3, .n = 2, .ld = 2, .logits = z, .label = TEST_PUT(((const int32_t[]){1, 0, 0, 0, 0, 0})), .loss = loss, .dlogits = dz};
    CHECK_OK(c.ops->choice(&c, &a));
    CHECK(!isfinite(loss[0]) && !isfinite(loss[2]));
    CHECK(loss[4] == 4000 && fabsf(dz[9] + 1) < 1e-6f && fabsf(dz[11] - 1) < 1e-6f);
    a.label = TEST_PUT(((const int32_t[]){0, 0, 2, 0, 0, 0}));
    if (test_on_gpu()) {
        CHECK_OK(c.ops->choice(&c, &a));
        CHECK(isnan(loss[2]) && loss[4] == 4000 && isnan(dz[4]) && isnan(dz[6]) && fabsf(dz[8] - 1) < 1e-6f);
    } else {
        CHECK_FAILS(c.ops->choice(&c, &a), LT_ERR_INTERNAL, "label");
    }
    tests_free();
}

/* ---- matrix product ---- */

static void gemm(int64_t M, int64_t N, int64_t K, int ta, int tb, float beta) {
    int64_t lda = (ta ? M : K) + 2, ldb = (tb ? K : N) + 1, ldc = N + 3, rows_a = ta ? K : M, rows_b = tb ? N : K;
    lt_arr A = test_random(rows_a * lda, LT_F32, 1), B = test_random(rows_b * ldb, LT_F32, 1), start = test_random(M * ldc, LT_F32, 1),
           C[3];
    for (int i = 0; i < 3; i++) {
        lt_ctx c = test_ctx_bare(i < 2 ? test_ops() : lt_ops_ref(), 2);
        C[i] = test_copy(start, M * ldc);
        if (beta == 0.0f)
            for (int64_t t = 0; t < M * N; t++) test_set(C[i], t / N * ldc + t % N, NAN); /* must not be read */
        CHECK_OK(c.ops->gemm(&c, &(struct lt_gemm_args){.ta = ta,
                                                        .tb = tb,
                                                        .M = M,
                                                        .N = N,
                                                        .K = K,
                                                        .alpha = 0.5f,
                                                        .beta = beta,
                                                        .A = A.p,
                                                        .lda = lda,
                                                        .B = B.p,
                                                        .ldb = ldb,
                                                        .C = C[i].p,
                                                        .ldc = ldc}));
    }
    test_close("gemm", C[0], C[2], M * ldc, "C with its margin");
    CHECK(test_same_bits(C[0], C[1], M * ldc));
    tests_free();
}

/* ---- sum of squares, optimizer ---- */

enum { MANY = 70 }; /* arrays: more than one launch of a GPU takes */

static lt_status sumsq_of(const lt_ctx *c, const float *x, int64_t n, double *out) {
    const float *part[MANY];
    int64_t elems[MANY];
    for (int k = 0; k < MANY; k++) {
        part[k] = x + n * k / MANY;
        elems[k] = n * (k + 1) / MANY - n * k / MANY;
    }
    return c->ops->sumsq(c, &(struct lt_sumsq_args){.n = MANY, .x = part, .elems = elems, .out = out});
}

static void sumsq(int64_t n) {
    lt_arr x = test_random(n, LT_F32, 1);
    double *out = test_new(3 * (int64_t)sizeof(double), LT_U8).p;
    for (int i = 0; i < 3; i++) {
        lt_ctx c = test_ctx_bare(i < 2 ? test_ops() : lt_ops_ref(), i + 1);
        CHECK_OK(sumsq_of(&c, x.p, n, &out[i]));
    }
    CHECK_NEAR(out[0], out[2], 1e-13 * out[2]);
    CHECK(out[0] == out[1]);
    if (n == 0) return tests_free();
    test_set(x, n / 2, (double)test_get(x, n / 2) * 1.001);
    lt_ctx c = test_ctx_bare(test_ops(), 1);
    CHECK_OK(sumsq_of(&c, x.p, n, &out[1]));
    CHECK(fabs(out[1] - out[2]) > 1e-13 * out[2]); /* negative control */
    test_set(x, n - 1, NAN);
    CHECK_OK(sumsq_of(&c, x.p, n, &out[1]));
    CHECK(isnan(out[1]));
    test_set(x, n - 1, -INFINITY);
    CHECK_OK(sumsq_of(&c, x.p, n, &out[1]));
    CHECK(isinf(out[1]));
    tests_free();
}

/* As so many arrays, cut anywhere; every other one decays. */
static void cut_arrays(int64_t n, int arrays, const lt_adamw_array *whole, lt_adamw_array x[MANY]) {
    for (int k = 0; k < arrays; k++) {
        int64_t from = n * k / arrays, end = n * (k + 1) / arrays;
        x[k] = (lt_adamw_array){.n = end - from,
                                .p = whole->p + from,
                                .m = whole->m + from,
                                .v = whole->v + from,
                                .g = whole->g + from,
                                .weight_decay = k % 2 ? 0 : 0.1f};
    }
}

static void adamw(int64_t n, int arrays) {
    lt_arr p0 = test_random(n, LT_F32, 1), p[3], m[3], v[3], moved[3];
    const double *square = TEST_PUT((const double[]){16}); /* norm 4: scaled by a half */
    lt_arr g[5];
    for (int s = 0; s < 5; s++) g[s] = test_random(n, LT_F32, 1);
    for (int i = 0; i < 3; i++) {
        lt_ctx c = test_ctx_bare(i < 2 ? test_ops() : lt_ops_ref(), i + 1);
        p[i] = test_copy(p0, n);
        m[i] = test_new(n, LT_F32);
        v[i] = test_new(n, LT_F32);
        moved[i] = test_new(n, LT_F32);
        for (int s = 0; s < 5; s++) {
            lt_adamw_array x[MANY];
            cut_arrays(n, arrays, &(lt_adamw_array){.p = p[i].p, .m = m[i].p, .v = v[i].p, .g = g[s].p}, x);
            CHECK_OK(c.ops->adamw(&c, &(struct lt_adamw_args){.n = arrays,
                                                              .x = x,
                                                              .sumsq = square,
                                                              .clip = 2,
                                                              .lr = 0.01f,
                                                              .beta1 = 0.9f,
                                                              .beta2 = 0.999f,
                                                              .eps = 1e-8f,
                                                              .step = s + 1}));
        }
        for (int64_t k = 0; k < n; k++) test_set(moved[i], k, (double)test_get(p[i], k) - (double)test_get(p0, k));
    }
    test_close("adamw", p[0], p[2], n, "parameters");
    test_close("adamw", m[0], m[2], n, "first moment");
    test_close("adamw", v[0], v[2], n, "second moment");
    if (n > 0) CHECK(test_nmse_arr(moved[0], moved[2], n) < 1e-9); /* five steps of 1 % of p: its rounding counts a hundredfold */
    CHECK(test_same_bits(p[0], p[1], n) && test_same_bits(m[0], m[1], n) && test_same_bits(v[0], v[1], n));
    tests_free();
}

/* First step without decay: p moves by lr against the sign of the gradient, whatever its size. */
static void adamw_by_hand(void) {
    float *p = TEST_PUT(((const float[]){1, 1})), *m = test_new(2, LT_F32).p, *v = test_new(2, LT_F32).p;
    const float *g = TEST_PUT(((const float[]){3, -1e-3f}));
    lt_ctx c = test_ctx_bare(test_ops(), 1);
    const lt_adamw_array x = {.n = 2, .p = p, .m = m, .v = v, .g = g};
    CHECK_OK(
        c.ops->adamw(&c, &(struct lt_adamw_args){.n = 1, .x = &x, .lr = 0.1f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .step = 1}));
    CHECK_NEAR(p[0], 0.9, 1e-5);
    CHECK_NEAR(p[1], 1.1, 1e-5);
    tests_free();
}

int main(void) {
    for (int v = 0; v < 8; v++) {
        segment_case(4, 7, 2, v & 1 ? LT_BF16 : LT_F32, v & 2, v & 4);
        segment_case(0, 5, 1, v & 1 ? LT_BF16 : LT_F32, v & 2, v & 4);
        segment_case(530, 40, 8, v & 1 ? LT_BF16 : LT_F32, v & 2, v & 4);
    }
    segment_gradient();
    for (int weighted = 0; weighted < 2; weighted++) {
        xent(0, 3, weighted);
        xent(5, 1, weighted);
        xent(8, 2, weighted);
        xent(33, 1030, weighted);
    }
    xent_gradient();
    xent_bad_numbers();
    for (int weighted = 0; weighted < 2; weighted++) {
        choice(0, 2, weighted);
        choice(1, 2, weighted);
        choice(5, 7, weighted);
        choice(9, 113, weighted);
    }
    choice_gradient();
    choice_bad_numbers();
    for (int v = 0; v < 12; v++) {
        const float beta[3] = {0, 1, 0.25f};
        gemm(5, 7, 3, v & 1, v >> 1 & 1, beta[v / 4]);
        gemm(33, 64, 70, v & 1, v >> 1 & 1, beta[v / 4]);
        gemm(4, 3, 0, v & 1, v >> 1 & 1, beta[v / 4]);
        gemm(0, 3, 2, v & 1, v >> 1 & 1, beta[v / 4]);
    }
    sumsq(0);
    sumsq(5);
    sumsq(100003);
    adamw(0, 1);
    adamw(13, MANY);
    adamw(20001, 1);
    adamw(20001, MANY);
    adamw_by_hand();
    printf("largest share of a limit: %.2g\n", test_worst_share);
    tests_free();
    return test_end();
}
