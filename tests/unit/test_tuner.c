// TEST np: 0  rooms: tuner  labels: unit
/* Tuners without a model: backward() is the transpose of the derivative of forward().
 *
 * With random weights G on the bank and the prompt rows, L(params) = <G, forward(params)> is a scalar whose gradient backward(G) must give.
 * Checked by central differences along random directions of every parameter. f32: limit 1e-4 relative (measured: below 6e-6). */
#include "lt_test.h"
#include "tuner/tuner.h"

#include "base/rng.h"

static const double limit = 1e-4;
enum { K = 3, P = 4, P_MAX = 6 };
static const lt_arch arch = {.C = 16, .F = 32, .V = 50, .H = 4, .Hkv = 2, .D = 4, .m = 3, .max_pos = 64};

static double noise(int purpose, int64_t i) {
    return lt_rng_normal(&(lt_rng){.seed = 7, .purpose = LT_RNG_TEST, .a = (uint32_t)purpose}, (uint64_t)i, 0);
}

static void fill(float *x, int64_t n, int purpose, double scale) {
    for (int64_t i = 0; i < n; i++) x[i] = (float)(scale * noise(purpose, i));
}

static double dot(const float *a, const float *b, int64_t n) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += (double)a[i] * (double)b[i];
    return s;
}

typedef struct outputs {
    int64_t n_kv, n_prompt;
    float *kv, *prompt, *g_kv, *g_prompt;
} outputs;

static double scalar(lt_tuner *t, outputs *o) {
    CHECK_OK(t->ops->forward(t, o->kv, P_MAX, o->prompt));
    return dot(o->kv, o->g_kv, o->n_kv) + dot(o->prompt, o->g_prompt, o->n_prompt);
}

/* Relative error of backward along a random direction of one parameter.  spoil: share by which every component is made wrong beforehand, along the
 * direction. */
static double check_param(lt_tuner *t, outputs *o, int which, float spoil) {
    lt_param *p = &t->param[which];
    int64_t n = lt_named_elems(&p->value);
    float *saved = malloc((size_t)n * sizeof *saved), *dir = malloc((size_t)n * sizeof *dir);
    memcpy(saved, p->value.data, (size_t)n * sizeof *saved);
    fill(dir, n, 100 + which, 1);
    (void)scalar(t, o);
    CHECK_OK(t->ops->backward(t, o->g_kv, P_MAX, o->g_prompt));
    for (int64_t i = 0; i < n; i++) p->grad[i] += spoil * copysignf(p->grad[i], dir[i]);
    double analytic = dot(p->grad, dir, n), scale = 0, slope[2];
    for (int64_t i = 0; i < n; i++) scale += fabs((double)p->grad[i] * (double)dir[i]);
    for (int halved = 0; halved < 2; halved++) {
        const double eps = 2e-2 / (1 + halved); /* f32 forward: smaller steps lose more to rounding */
        for (int64_t i = 0; i < n; i++) p->value.data[i] = saved[i] + (float)eps * dir[i];
        double plus = scalar(t, o);
        for (int64_t i = 0; i < n; i++) p->value.data[i] = saved[i] - (float)eps * dir[i];
        slope[halved] = (plus - scalar(t, o)) / (2 * eps);
    }
    memcpy(p->value.data, saved, (size_t)n * sizeof *saved);
    free(saved);
    free(dir);
    double extrapolated = (4 * slope[1] - slope[0]) / 3; /* Richardson: the error of eps^2, 3e-3 of a softmax here, drops out */
    return fabs(extrapolated - analytic) / (scale + 1e-12);
}

static void run(lt_method_cfg cfg, const char *what) {
    char *names[K] = {"a", "b", "c"};
    lt_labels labels = {.K = K, .P = P, .name = names, .word = names};
    lt_ctx ctx = {.ops = lt_ops_ref(), .threads = 1};
    lt_tuner t;
    cfg.length = P;
    lt_status st = lt_tuner_create(&cfg, 1, &arch, &ctx, &labels, &t);
    CHECK_OK(st);
    if (st != LT_OK) return;
    t.slot0 = 1; /* the bank has strangers' slots around */
    t.prompt0 = 2;
    outputs o = {.n_kv = (int64_t)(t.n_slots + 2) * arch.m * 2 * P_MAX * arch.Hkv * arch.D,
                 .n_prompt = (int64_t)(t.n_prompts + 4) * arch.C};
    float **const all[] = {&o.kv, &o.g_kv, &o.prompt, &o.g_prompt};
    for (int i = 0; i < 4; i++) *all[i] = calloc((size_t)(i < 2 ? o.n_kv : o.n_prompt), sizeof(float));
    fill(o.g_kv, o.n_kv, 1, 1);
    fill(o.g_prompt, o.n_prompt, 2, 1);
    if (t.label_states) fill(t.label_states, (int64_t)K * P * arch.C, 3, 1);
    for (int i = 0; i < t.n_params; i++) fill(t.param[i].value.data, lt_named_elems(&t.param[i].value), 10 + i, 0.1);
    for (int i = 0; i < t.n_params - 2; i++) {
        double error = check_param(&t, &o, i, 0);
        TEST_REPORT(error < limit, "%s, %s: relative error %.2g, limit %.1g", what, t.param[i].value.name, error, limit);
        /* negative control: the same check sees a gradient that is off by ten times the limit, and one that is not a number */
        error = check_param(&t, &o, i, (float)(10 * limit));
        TEST_REPORT(!(error < limit), "%s, %s: a wrong gradient was not noticed", what, t.param[i].value.name);
        error = check_param(&t, &o, i, NAN);
        TEST_REPORT(!(error < limit), "%s, %s: NaN was not noticed", what, t.param[i].value.name);
    }
    /* strangers' slots and rows are untouched */
    int64_t slot = (int64_t)arch.m * 2 * P_MAX * arch.Hkv * arch.D;
    double outside = dot(o.kv, o.kv, slot) + dot(o.kv + o.n_kv - slot, o.kv + o.n_kv - slot, slot) + dot(o.prompt, o.prompt, 2 * arch.C);
    CHECK_NEAR(outside, 0, 0);
    for (int i = 0; i < 4; i++) free(*all[i]);
    lt_tuner_destroy(&t);
}

int main(void) {
    run((lt_method_cfg){.name = LT_METHOD_HEAD}, "head");
    run((lt_method_cfg){.name = LT_METHOD_PROMPT}, "prompt");
    run((lt_method_cfg){.name = LT_METHOD_PREFIX}, "prefix");
    run((lt_method_cfg){.name = LT_METHOD_PREFIX, .mlp = 10}, "prefix mlp");
    run((lt_method_cfg){.name = LT_METHOD_LT_PROMPT}, "lt_prompt");
    run((lt_method_cfg){.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_NONE}, "lt_prefix none");
    run((lt_method_cfg){.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_SOFTMAX}, "lt_prefix softmax");
    run((lt_method_cfg){.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_SCORES}, "lt_prefix scores");
    /* softmax over one score cannot learn and is refused */
    char *names[K] = {"a", "b", "c"};
    lt_labels one = {.K = K, .P = 1, .name = names, .word = names};
    lt_ctx ctx = {.ops = lt_ops_ref(), .threads = 1};
    lt_tuner t;
    CHECK_FAILS(lt_tuner_create(&(lt_method_cfg){.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_SOFTMAX}, 1, &arch, &ctx, &one, &t),
                LT_ERR_CONFIG, "one token");
    return test_end();
}
