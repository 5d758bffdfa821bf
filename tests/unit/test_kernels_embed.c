// TEST np: 0  rooms: kernels  labels: unit  timeout: 60  omp: 2  ops: cuda-emulated
/* Rotary embedding, token embedding, gather, scatter, neighbours of a convolution, pooling: the ops against ref, the same bits on one and two threads, and the
 * cases by hand that a common mistake of both would hide. */
#include "kernels_util.h"

static lt_ctx ctx_number(int i) { return test_ctx_bare(i < 2 ? test_ops() : lt_ops_ref(), i + 1); } /* 1 thread, 2 threads, ref */

static void rope(int64_t rows, int heads, int D, int R, int64_t pad, lt_dtype dt) {
    int64_t ld = heads * D + pad, n = rows * ld, max_pos = 50;
    lt_arr start = test_random(n, dt, 1), table = test_new(max_pos * R, LT_F32), x[3], back = {0};
    int32_t *pos = test_ints(rows);
    for (int64_t p = 0; p < max_pos; p++)
        for (int d = 0; d < R / 2; d++) {
            double angle = (double)p * pow(10000, -2.0 * d / R);
            test_set(table, p * R + d, cos(angle));
            test_set(table, p * R + R / 2 + d, sin(angle));
        }
    for (int64_t t = 0; t < rows; t++) pos[t] = (int32_t)(t * 7 % max_pos);
    for (int i = 0; i < 3; i++) {
        lt_ctx c = ctx_number(i);
        x[i] = test_copy(start, n);
        struct lt_rope_args a = {
            .rows = rows, .heads = heads, .head_dim = D, .rot = R, .x = x[i], .ld_x = ld, .pos = pos, .cos_sin = table.p};
        CHECK_OK(c.ops->rope(&c, &a));
        if (i) continue;
        back = a.x = test_copy(x[0], n);
        a.inverse = 1;
        CHECK_OK(c.ops->rope(&c, &a));
    }
    test_close("rope", x[0], x[2], n, "forward");
    CHECK(test_same_bits(x[0], x[1], n));
    if (dt == LT_F32) test_close("rope", back, start, n, "inverse undoes forward");
    /* two arrays in one call: as each alone */
    int64_t ld2 = (heads + 1) * D + 3;
    lt_arr other = test_random(rows * ld2, dt, 1);
    for (int i = 0; i < 3; i += 2) {
        lt_ctx c = ctx_number(i);
        lt_arr both = test_copy(start, n), both2 = test_copy(other, rows * ld2), alone = test_copy(other, rows * ld2);
        struct lt_rope_args a = {
            .rows = rows, .heads = heads, .head_dim = D, .rot = R, .x = both, .ld_x = ld, .pos = pos, .cos_sin = table.p};
        a.heads2 = heads + 1;
        a.x2 = both2;
        a.ld_x2 = ld2;
        CHECK_OK(c.ops->rope(&c, &a));
        a.heads = heads + 1;
        a.heads2 = 0;
        a.x = alone;
        a.ld_x = ld2;
        CHECK_OK(c.ops->rope(&c, &a));
        CHECK(test_same_bits(both, x[i], n) && test_same_bits(both2, alone, rows * ld2));
        CHECK(rows == 0 || R == 0 || !test_same_bits(both2, other, rows * ld2));
    }
    for (int64_t t = 0; t < rows; t++) /* what is not rotated of a head stays */
        for (int h = 0; h < heads; h++)
            CHECK(test_same_bits(lt_arr_at(x[0], t * ld + h * D + R), lt_arr_at(start, t * ld + h * D + R), D - R));
    for (int64_t t = 0; t < rows; t++) /* columns behind the heads stay */
        CHECK(test_same_bits(lt_arr_at(x[0], t * ld + heads * D), lt_arr_at(start, t * ld + heads * D), pad));
    tests_free();
}

/* Position 1 with angle 90 degrees: (lo, hi) -> (-hi, lo). */
static void rope_by_hand(void) {
    float *x = TEST_PUT(((const float[]){1, 2, 3, 4})), *table = TEST_PUT(((const float[]){1, 1, 0, 0, 0, 0, 1, 1}));
    const int32_t *pos = TEST_PUT((const int32_t[]){1});
    lt_ctx c = ctx_number(0);
    CHECK_OK(
        c.ops->rope(&c, &(struct lt_rope_args){
                            .rows = 1, .heads = 1, .head_dim = 4, .rot = 4, .x = lt_arr_f32(x), .ld_x = 4, .pos = pos, .cos_sin = table}));
    CHECK(x[0] == -3 && x[1] == -4 && x[2] == 1 && x[3] == 2);
    tests_free();
}

static void embed(int64_t rows, int64_t C, lt_dtype tok_dt, bool tables, bool prompt) {
    int64_t n = rows * C, V = 30, v0 = 10, v1 = 25, prompts = 6;
    lt_arr tok = test_random((v1 - v0) * C, tok_dt, 1), pos_tab = test_random(40 * C, LT_F32, 1), type_tab = test_random(2 * C, LT_F32, 1);
    lt_arr bank = test_random(prompts * C, LT_F32, 1), dx = test_random(n, LT_F32, 1), grad = test_random(prompts * C, LT_F32, 1), x[3],
           d[3];
    int32_t *id = test_ints(rows), *pos = test_ints(rows), *type = test_ints(rows);
    for (int32_t t = 0; t < rows; t++) {
        id[t] = t % 3 == 2 ? -(1 + t * 5 % (int32_t)prompts)
                           : t * 11 % (int32_t)V; /* prompt rows repeat; ids lie inside and outside [v0, v1) */
        pos[t] = t % 40;
        type[t] = t % 2;
    }
    for (int i = 0; i < 3; i++) {
        lt_ctx c = ctx_number(i);
        x[i] = test_random(n, LT_F32, 1);
        d[i] = test_copy(grad, prompts * C);
        struct lt_embed_args a = {.rows = rows,
                                  .C = C,
                                  .id = id,
                                  .pos = pos,
                                  .type = tables && C % 2 ? type : NULL,
                                  .tok = tok.p,
                                  .tok_dt = tok_dt,
                                  .v0 = v0,
                                  .v1 = v1,
                                  .pos_tab = tables ? pos_tab.p : NULL,
                                  .type_tab = tables ? type_tab.p : NULL,
                                  .prompt = prompt ? bank.p : NULL,
                                  .scale = 1.5f,
                                  .x = x[i].p,
                                  .dx = dx.p,
                                  .d_prompt = d[i].p};
        CHECK_OK(c.ops->embed_fwd(&c, &a));
        CHECK_OK(c.ops->embed_bwd(&c, &a));
    }
    test_close("rows", x[0], x[2], n, "embed forward");
    test_close("rows", d[0], d[2], prompts * C, "embed backward");
    CHECK(test_same_bits(x[0], x[1], n) && test_same_bits(d[0], d[1], prompts * C));
    tests_free();
}

static void embed_by_hand(void) {
    const float *tok = TEST_PUT(((const float[]){1, 2, 3, 4})), *pos_tab = TEST_PUT(((const float[]){10, 20}));
    const float *bank = TEST_PUT(((const float[]){5, 6, 7, 8})), *dx = TEST_PUT(((const float[]){1, 1, 1, 1, 2, 2, 3, 3}));
    const int32_t *id = TEST_PUT(((const int32_t[]){8, 3, -2, -2})), *pos = test_ints(4);
    float *x = test_new(8, LT_F32).p, *d = test_new(4, LT_F32).p;
    lt_ctx c = ctx_number(0);
    struct lt_embed_args a = {.rows = 4,
                              .C = 2,
                              .id = id,
                              .pos = pos,
                              .tok = tok,
                              .tok_dt = LT_F32,
                              .v0 = 7,
                              .v1 = 9,
                              .pos_tab = pos_tab,
                              .prompt = bank,
                              .scale = 2,
                              .x = x,
                              .dx = dx,
                              .d_prompt = d};
    CHECK_OK(c.ops->embed_fwd(&c, &a));
    CHECK_OK(c.ops->embed_bwd(&c, &a));
    const float want[8] = {16, 28, 10, 20, 17, 28, 17, 28}; /* scaled token; another rank's token; prompt row 1 unscaled, twice */
    CHECK(memcmp(x, want, sizeof want) == 0);
    CHECK(d[0] == 0 && d[1] == 0 && d[2] == 5 && d[3] == 5);
    tests_free();
}

static void gather_scatter(int64_t rows, int64_t C, lt_dtype dt) {
    int64_t big_rows = 3 * rows + 1;
    lt_arr big = test_random(big_rows * C, dt, 1), other = test_random(rows * C, dt, 2), small[3], sum[3], put[3];
    int32_t *index = test_ints(rows);
    for (int64_t t = 0; t < rows; t++) index[t] = (int32_t)(3 * (rows - 1 - t) + 1);
    for (int i = 0; i < 3; i++) {
        lt_ctx c = ctx_number(i);
        small[i] = test_new(rows * C, dt);
        sum[i] = test_copy(big, big_rows * C);
        put[i] = test_copy(big, big_rows * C);
        struct lt_rows_args a = {.rows = rows, .C = C, .index = index, .big = sum[i], .small = small[i]};
        CHECK_OK(c.ops->gather_rows(&c, &a));
        CHECK_OK(c.ops->scatter_add_rows(&c, &a));
        a.big = put[i];
        a.small = other;
        CHECK_OK(c.ops->put_rows(&c, &a));
    }
    CHECK(test_same_bits(small[0], small[2], rows * C) && test_same_bits(small[0], small[1], rows * C));
    for (int64_t t = 0; t < rows; t++) CHECK(test_same_bits(lt_arr_at(small[0], t * C), lt_arr_at(big, index[t] * C), C));
    test_close("rows", sum[0], sum[2], big_rows * C, "scatter");
    CHECK(test_same_bits(sum[0], sum[1], big_rows * C));
    for (int64_t t = 0; t < rows; t++) CHECK(test_get(sum[0], index[t] * C) == 2 * test_get(big, index[t] * C));
    CHECK(test_same_bits(put[0], put[2], big_rows * C) && test_same_bits(put[0], put[1], big_rows * C));
    for (int64_t r = 0; r < big_rows; r++) /* row 3 k + 1 is row rows - 1 - k of the small array, but for the last; others stay */
        CHECK(test_same_bits(lt_arr_at(put[0], r * C),
                             r % 3 == 1 && r / 3 < rows ? lt_arr_at(other, (rows - 1 - r / 3) * C) : lt_arr_at(big, r * C), C));
    tests_free();
}

typedef struct pool_problem {
    struct lt_pool_args a;
    const lt_ops *ops;
} pool_problem;

/* loss = sum of out times dout */
static double pool_loss(void *user) {
    pool_problem *p = user;
    lt_ctx c = test_ctx_bare(p->ops, 1);
    double sum = 0;
    c.ops->pool_fwd(&c, &p->a);
    for (int64_t i = 0; i < p->a.n_seq * p->a.C; i++) sum += (double)p->a.out[i] * (double)p->a.dout[i];
    return sum;
}

/* Unfolded rows and the way back, which is its transpose: <unfold(x), y> = <x, fold(y)>. */
static void unfold(int64_t C, int kernel, lt_dtype dt) {
    const int32_t *cu = TEST_PUT(((const int32_t[]){0, 7, 7, 8, 10, 31}));
    int64_t rows = 31, n = rows * C, wide = n * kernel;
    lt_arr x = test_random(n, dt, 1), y[3], g = test_random(wide, dt, 1), start = test_random(n, LT_F32, 1), dx[3];
    for (int i = 0; i < 3; i++) {
        lt_ctx c = ctx_number(i);
        y[i] = test_new(wide, dt);
        dx[i] = test_copy(start, n);
        struct lt_unfold_args a = {.rows = rows, .n_seq = 5, .C = C, .kernel = kernel, .cu = cu, .x = x, .y = y[i], .dx = dx[i].p};
        CHECK_OK(c.ops->unfold(&c, &a));
        a.y = g;
        CHECK_OK(c.ops->fold(&c, &a));
    }
    CHECK(test_same_bits(y[0], y[2], wide) && test_same_bits(y[0], y[1], wide));
    test_close("rows", dx[0], dx[2], n, "fold");
    CHECK(test_same_bits(dx[0], dx[1], n));
    double there = 0, back = 0;
    for (int64_t e = 0; e < wide; e++) there += (double)test_get(y[2], e) * (double)test_get(g, e);
    for (int64_t e = 0; e < n; e++) back += (double)test_get(x, e) * ((double)test_get(dx[2], e) - (double)test_get(start, e));
    CHECK_NEAR(there, back, 1e-4);
    CHECK(fabs(there) > 1e-3 && fabs(1.01 * there - back) > 1e-4); /* negative control */
    tests_free();
}

/* Sequences of 3 and 2 rows of one number, kernel 3. */
static void unfold_by_hand(void) {
    const int32_t *cu = TEST_PUT(((const int32_t[]){0, 3, 5}));
    static const float want[] = {0, 1, 2, 1, 2, 3, 2, 3, 0, 0, 4, 5, 4, 5, 0};
    float *x = TEST_PUT(((const float[]){1, 2, 3, 4, 5})), *y = test_new(15, LT_F32).p, *dx = TEST_PUT(((const float[]){100, 0, 0, 0, 0}));
    for (int i = 0; i < 3; i++) {
        lt_ctx c = ctx_number(i);
        struct lt_unfold_args a = {.rows = 5, .n_seq = 2, .C = 1, .kernel = 3, .cu = cu, .x = lt_arr_f32(x), .y = lt_arr_f32(y), .dx = dx};
        CHECK_OK(c.ops->unfold(&c, &a));
        for (int e = 0; e < 15; e++) CHECK(y[e] == want[e]);
        if (i == 0) CHECK_OK(c.ops->fold(&c, &a));
    }
    CHECK(dx[0] == 102 && dx[1] == 6 && dx[2] == 6 && dx[3] == 8 && dx[4] == 10); /* each as often as it stands there */
    tests_free();
}

static void pool(lt_pool_kind kind, int64_t C) {
    enum { SEQS = 4, T = 30 };
    const int32_t *row0 = TEST_PUT(((const int32_t[]){2, 12, 15, 20}));
    const int32_t *row1 = TEST_PUT(((const int32_t[]){12, 13, 15, 30})); /* prompt rows skipped; one row; none; the rest */
    lt_arr x = test_random(T * C, LT_F32, 1), dout = test_random(SEQS * C, LT_F32, 1), out[3], dx[3], argmax[3];
    for (int i = 0; i < 3; i++) {
        lt_ctx c = ctx_number(i);
        out[i] = test_new(SEQS * C, LT_F32);
        argmax[i] = test_new(SEQS * C, LT_I32);
        dx[i] = test_random(T * C, LT_F32, 1);
        struct lt_pool_args a = {.kind = kind,
                                 .n_seq = SEQS,
                                 .C = C,
                                 .row0 = row0,
                                 .row1 = row1,
                                 .x = x.p,
                                 .out = out[i].p,
                                 .argmax = argmax[i].p,
                                 .dout = dout.p,
                                 .dx = dx[i].p,
                                 .T = T};
        CHECK_OK(c.ops->pool_fwd(&c, &a));
        CHECK_OK(c.ops->pool_bwd(&c, &a));
        if (i == 2 && C < 10) {
            pool_problem p = {a, c.ops};
            test_gradient(pool_loss, &p, x.p, dx[2].p, T * C, kind == LT_POOL_MAX ? "max pooling" : "mean pooling");
        }
    }
    test_close("rows", out[0], out[2], SEQS * C, "pool forward");
    test_close("rows", dx[0], dx[2], T * C, "pool backward");
    if (kind == LT_POOL_MAX) CHECK(test_same_bits(argmax[0], argmax[2], SEQS * C));
    CHECK(test_same_bits(out[0], out[1], SEQS * C) && test_same_bits(dx[0], dx[1], T * C));
    CHECK(test_get(out[0], 2 * C) == 0); /* the empty sequence */
    for (int64_t t = 13; t < 20; t++) CHECK(test_get(dx[0], t * C) == 0);
    tests_free();
}

int main(void) {
    for (int dt = 0; dt < 2; dt++) {
        lt_dtype type = dt ? LT_BF16 : LT_F32;
        rope(0, 2, 8, 8, 5, type);
        rope(3, 1, 2, 2, 5, type);
        rope(40, 6, 64, 64, 5, type);
        rope(40, 3, 24, 6, 5, type);
        rope(7, 5, 64, 64, 8, type);
        rope(7, 1, 48, 32, 8, type);
        for (int v = 0; v < 4; v++) {
            embed(0, 8, type, v & 1, v & 2);
            embed(7, 9, type, v & 1, v & 2);
            embed(100, 530, type, v & 1, v & 2);
            embed(5, 532, type, v & 1, v & 2);
        }
        gather_scatter(0, 4, type);
        gather_scatter(5, 7, type);
        gather_scatter(33, 701, type);
        gather_scatter(33, 700, type);
    }
    rope_by_hand();
    embed_by_hand();
    for (int kind = 0; kind < 2; kind++) {
        pool((lt_pool_kind)kind, 3);
        pool((lt_pool_kind)kind, 600);
    }
    const int64_t widths[] = {1, 5, 48, 700};
    for (int i = 0; i < 4; i++)
        for (int kernel = 1; kernel < 7; kernel += 2)
            for (int dt = 0; dt < 2; dt++) unfold(widths[i], kernel, dt ? LT_BF16 : LT_F32);
    unfold_by_hand();
    printf("largest share of a limit: %.2g\n", test_worst_share);
    tests_free();
    return test_end();
}
