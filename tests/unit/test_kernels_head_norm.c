// TEST np: 0  rooms: kernels  labels: unit  timeout: 60  omp: 2  ops: cuda-emulated
/* RMS norm of heads: the ops against ref, the same bits on one and two threads, nothing touched between rows; ref's gradient by differences. */
#include "kernels_util.h"

static void one(int64_t rows, int heads, int D, int64_t gap, lt_dtype dt) {
    int64_t width = (int64_t)heads * D, ld = width + gap, n = rows * ld, dense = rows * width;
    lt_arr x0 = test_random(n, dt, 2), dy = test_random(n, dt, 1), w = test_random(D, LT_F32, 1), y[3], save[3], rstd[3], dx[3];
    for (int i = 0; i < 3; i++) { /* on 1 and 2 threads, ref */
        lt_ctx c = test_ctx_bare(i < 2 ? test_ops() : lt_ops_ref(), i + 1);
        y[i] = test_copy(x0, n);
        dx[i] = test_copy(dy, n);
        save[i] = test_new(dense, dt);
        rstd[i] = test_new(rows * heads, LT_F32);
        struct lt_head_norm_args a = {
            .rows = rows, .ld = ld, .heads = heads, .head_dim = D, .x = y[i], .w = w.p, .eps = 1e-5f, .x_save = save[i], .rstd = rstd[i].p};
        CHECK_OK(c.ops->head_norm_fwd(&c, &a));
        a.x = dx[i];
        CHECK_OK(c.ops->head_norm_bwd(&c, &a));
        /* nothing kept: the same */
        lt_arr again = test_copy(x0, n);
        CHECK_OK(c.ops->head_norm_fwd(
            &c, &(struct lt_head_norm_args){.rows = rows, .ld = ld, .heads = heads, .head_dim = D, .x = again, .w = w.p, .eps = 1e-5f}));
        CHECK(test_same_bits(again, y[i], n));
    }
    char what[96];
    snprintf(what, sizeof what, "heads [%lld, %d, %d] %s", (long long)rows, heads, D, lt_dtype_name(dt));
    test_close("norm", y[0], y[2], n, what);
    test_close("norm", dx[0], dx[2], n, what);
    test_close("norm", rstd[0], rstd[2], rows * heads, what);
    CHECK(test_same_bits(save[0], save[2], dense));
    CHECK(test_same_bits(y[0], y[1], n) && test_same_bits(dx[0], dx[1], n) && test_same_bits(rstd[0], rstd[1], rows * heads));
    for (int64_t t = 0; t < rows; t++) {
        CHECK(test_same_bits(lt_arr_at(save[0], t * width), lt_arr_at(x0, t * ld), width));
        CHECK(test_same_bits(lt_arr_at(y[0], t * ld + width), lt_arr_at(x0, t * ld + width), gap));
        CHECK(test_same_bits(lt_arr_at(dx[0], t * ld + width), lt_arr_at(dy, t * ld + width), gap));
    }
    tests_free();
}

enum { ROWS = 3, HEADS = 2, D = 6, N = ROWS * HEADS * D };

typedef struct problem {
    float x[N], w[D], g[N]; /* loss = sum of g y */
} problem;

static double loss(void *user) {
    problem *p = user;
    float y[N];
    double sum = 0;
    lt_ctx c = test_ctx_bare(lt_ops_ref(), 1);
    memcpy(y, p->x, sizeof y);
    CHECK_OK(c.ops->head_norm_fwd(
        &c, &(struct lt_head_norm_args){
                .rows = ROWS, .ld = HEADS * D, .heads = HEADS, .head_dim = D, .x = lt_arr_f32(y), .w = p->w, .eps = 1e-5f}));
    for (int i = 0; i < N; i++) sum += (double)y[i] * (double)p->g[i];
    return sum;
}

static void gradient(void) {
    problem p;
    float y[N], save[N], rstd[ROWS * HEADS], dx[N];
    lt_rng r = {.seed = 3, .purpose = LT_RNG_TEST};
    lt_ctx c = test_ctx_bare(lt_ops_ref(), 1);
    for (int i = 0; i < N; i++) p.x[i] = (float)lt_rng_normal(&r, (uint64_t)i, 0);
    for (int i = 0; i < N; i++) p.g[i] = (float)lt_rng_normal(&r, (uint64_t)i, 1);
    for (int i = 0; i < D; i++) p.w[i] = (float)lt_rng_normal(&r, (uint64_t)i, 2);
    memcpy(y, p.x, sizeof y);
    memcpy(dx, p.g, sizeof dx);
    struct lt_head_norm_args a = {.rows = ROWS,
                                  .ld = HEADS * D,
                                  .heads = HEADS,
                                  .head_dim = D,
                                  .x = lt_arr_f32(y),
                                  .w = p.w,
                                  .eps = 1e-5f,
                                  .x_save = lt_arr_f32(save),
                                  .rstd = rstd};
    CHECK_OK(c.ops->head_norm_fwd(&c, &a));
    a.x = lt_arr_f32(dx);
    CHECK_OK(c.ops->head_norm_bwd(&c, &a));
    test_gradient(loss, &p, p.x, dx, N, "of heads");
}

int main(void) {
    one(0, 2, 4, 5, LT_F32);
    one(1, 1, 1, 5, LT_F32);
    one(5, 3, 10, 5, LT_F32);
    one(70, 4, 64, 5, LT_F32);
    one(9, 2, 256, 5, LT_BF16);
    one(9, 2, 128, 8, LT_F32);
    one(9, 3, 256, 8, LT_BF16);
    gradient();
    return test_end();
}
