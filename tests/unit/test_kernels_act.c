// TEST np: 0  rooms: kernels  labels: unit  timeout: 60  omp: 2  ops: cuda-emulated
/* Activations, plain and gated: the ops against ref for every kind and type, in place too; precision of the fitted functions point by point;
 * the same bits on one and two threads; ref's gradients by differences. */
#include "kernels_util.h"

enum { ACTS = LT_ACT_TANH + 1 };
static const char *const act_name[ACTS] = {"gelu_erf", "gelu_tanh", "silu", "relu", "tanh"};

typedef lt_status (*act_op)(const lt_ctx *, const struct lt_act_args *);

static void one(lt_act act, bool gated, int64_t rows, int64_t F, lt_dtype dt) {
    int64_t n = rows * F, n_u = gated ? 2 * n : n;
    lt_arr u = test_random(n_u, dt, 2), dh = test_random(n, dt, 1), h[3], du[3], start = test_random(n, dt, 1), sum[3];
    for (int i = 0; i < 3; i++) { /* on 1 and 2 threads, ref */
        lt_ctx c = test_ctx_bare(i < 2 ? test_ops() : lt_ops_ref(), i + 1);
        h[i] = test_new(n, dt);
        du[i] = test_copy(u, n_u); /* backward in place */
        struct lt_act_args a = {.act = act, .rows = rows, .F = F, .u = u, .h = h[i], .dh = dh, .du = du[i]};
        CHECK_OK((gated ? c.ops->glu_fwd : c.ops->act_fwd)(&c, &a));
        a.h = sum[i] = test_copy(start, n);
        a.add = true;
        if (!gated) CHECK_OK(c.ops->act_fwd(&c, &a));
        a.u = du[i];
        CHECK_OK((gated ? c.ops->glu_bwd : c.ops->act_bwd)(&c, &a));
    }
    char what[96];
    snprintf(what, sizeof what, "%s%s [%lld, %lld] %s", act_name[act], gated ? " gated" : "", (long long)rows, (long long)F,
             lt_dtype_name(dt));
    test_close("act", h[0], h[2], n, what);
    test_close("act", du[0], du[2], n_u, what);
    test_close("act", sum[0], sum[2], n, what);
    CHECK(test_same_bits(sum[0], sum[1], n));
    CHECK(n < 2 || gated == test_same_bits(sum[2], start, n)); /* negative control: something was added */
    if (dt == LT_F32 && !gated)
        for (int64_t i = 0; i < n; i++) CHECK_NEAR(test_get(sum[2], i), test_get(start, i) + test_get(h[2], i), 1e-5);
    CHECK(test_same_bits(h[0], h[1], n) && test_same_bits(du[0], du[1], n_u));
    tests_free();
}

/* Largest errors over [-12, 12]: of the value relative to max(|x|, 1), of the slope absolute. */
static void precision(lt_act act) {
    enum { POINTS = 48001 };
    lt_arr u = test_new(POINTS, LT_F32), ones = test_new(POINTS, LT_F32), h[2], du[2];
    for (int64_t i = 0; i < POINTS; i++) {
        test_set(u, i, -12.0 + (double)i * 0.0005);
        test_set(ones, i, 1);
    }
    for (int i = 0; i < 2; i++) {
        lt_ctx c = test_ctx_bare(i ? lt_ops_ref() : test_ops(), 1);
        h[i] = test_new(POINTS, LT_F32);
        du[i] = test_new(POINTS, LT_F32);
        struct lt_act_args a = {.act = act, .rows = 1, .F = POINTS, .u = u, .h = h[i], .dh = ones, .du = du[i]};
        CHECK_OK(c.ops->act_fwd(&c, &a));
        CHECK_OK(c.ops->act_bwd(&c, &a));
    }
    double value = 0, slope = 0;
    for (int64_t i = 0; i < POINTS; i++) {
        double size = fmax(1, fabs((double)test_get(u, i)));
        double dv = fabs((double)test_get(h[0], i) - (double)test_get(h[1], i)) / size;
        double ds = fabs((double)test_get(du[0], i) - (double)test_get(du[1], i));
        if (!(dv <= value)) value = isnan(dv) ? INFINITY : dv; /* (fmax would pass over NaN) */
        if (!(ds <= slope)) slope = isnan(ds) ? INFINITY : ds;
    }
    printf("%-9s error of value %.2g, of slope %.2g\n", act_name[act], value, slope);
    CHECK(value <= 3e-7);
    CHECK(slope <= 6e-7);
    tests_free();
}

static void extremes(void) {
    float *u = TEST_PUT(((const float[]){-1e4f, -60.0f, 60.0f, 1e4f, 0.0f, NAN})), *h = test_new(6, LT_F32).p;
    lt_ctx c = test_ctx_bare(test_ops(), 1);
    for (int act = 0; act < ACTS; act++) {
        CHECK_OK(c.ops->act_fwd(&c, &(struct lt_act_args){.act = (lt_act)act, .rows = 1, .F = 6, .u = lt_arr_f32(u), .h = lt_arr_f32(h)}));
        float top = act == LT_ACT_TANH ? 1.0f : 60.0f, bottom = act == LT_ACT_TANH ? -1.0f : 0.0f;
        CHECK_NEAR(h[0], bottom, 1e-6);
        CHECK_NEAR(h[1], bottom, 1e-6);
        CHECK_NEAR(h[2], top, 1e-5);
        CHECK_NEAR(h[3], act == LT_ACT_TANH ? 1.0 : 1e4, 1e-2);
        CHECK(h[4] == 0.0f);
        CHECK(isnan(h[5]) || act == LT_ACT_RELU);
    }
    tests_free();
}

typedef struct problem {
    act_op fwd;
    struct lt_act_args a;
} problem;

/* loss = sum of h times dh */
static double loss(void *user) {
    problem *p = user;
    lt_ctx c = test_ctx_bare(lt_ops_ref(), 1);
    double sum = 0;
    p->fwd(&c, &p->a);
    for (int64_t i = 0; i < p->a.rows * p->a.F; i++) sum += (double)test_get(p->a.h, i) * (double)test_get(p->a.dh, i);
    return sum;
}

static void gradient(lt_act act, bool gated) {
    int64_t rows = 2, F = 6, n = rows * F, n_u = gated ? 2 * n : n;
    const lt_ops *ops = lt_ops_ref();
    lt_ctx c = test_ctx_bare(ops, 1);
    lt_arr u = test_random(n_u, LT_F32, 1), dh = test_random(n, LT_F32, 1), h = test_new(n, LT_F32), du = test_new(n_u, LT_F32);
    for (int64_t i = 0; i < n_u; i++) /* relu has a corner at 0: keep off it by more than the step */
        if (fabsf(test_get(u, i)) < 0.1f) test_set(u, i, 0.5);
    problem p = {gated ? ops->glu_fwd : ops->act_fwd, {.act = act, .rows = rows, .F = F, .u = u, .h = h, .dh = dh, .du = du}};
    CHECK_OK((gated ? ops->glu_bwd : ops->act_bwd)(&c, &p.a));
    test_gradient(loss, &p, u.p, du.p, n_u, act_name[act]);
    tests_free();
}

int main(void) {
    const int64_t shape[][2] = {{0, 8}, {1, 1}, {3, 7}, {2, 513}, {3, 264}, {31, 1100}};
    for (int act = 0; act < ACTS; act++) {
        for (int gated = 0; gated < 2; gated++) {
            for (int s = 0; s < 6; s++) {
                one((lt_act)act, gated, shape[s][0], shape[s][1], LT_F32);
                one((lt_act)act, gated, shape[s][0], shape[s][1], LT_BF16);
            }
            gradient((lt_act)act, gated);
        }
        precision((lt_act)act);
    }
    extremes();
    printf("largest share of a limit: %.2g\n", test_worst_share);
    tests_free();
    return test_end();
}
