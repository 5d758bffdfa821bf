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
    float *kv, *prompt, *g_kv, *g_prompt;       /* host */
    float *d_kv, *d_prompt, *dg_kv, *dg_prompt; /* the same, device */
} outputs;

static float *down(const lt_ctx *c, const float *device, int64_t n) {
    float *host = malloc((size_t)(n ? n : 1) * sizeof *host);
    CHECK_OK(lt_ctx_download(c, host, device, (size_t)n * sizeof *host));
    return host;
}

static void up(const lt_ctx *c, float *device, const float *host, int64_t n) {
    CHECK_OK(lt_ctx_upload(c, device, host, (size_t)n * sizeof *host));
    CHECK_OK(c->ops->wait(c, NULL));
}

static double scalar(lt_tuner *t, outputs *o) {
    CHECK_OK(t->ops->forward(t, o->d_kv, P_MAX, o->d_prompt));
    CHECK_OK(lt_ctx_download(t->ctx, o->kv, o->d_kv, (size_t)o->n_kv * sizeof *o->kv));
    CHECK_OK(lt_ctx_download(t->ctx, o->prompt, o->d_prompt, (size_t)o->n_prompt * sizeof *o->prompt));
    return dot(o->kv, o->g_kv, o->n_kv) + dot(o->prompt, o->g_prompt, o->n_prompt);
}

/* Relative error of backward along a random direction of one parameter.  spoil: share by which every component is made wrong beforehand, along the
 * direction. */
static double check_param(lt_tuner *t, outputs *o, int which, float spoil) {
    lt_param *p = &t->param[which];
    int64_t n = lt_named_elems(&p->value);
    float *saved = down(t->ctx, p->value.data, n), *dir = malloc((size_t)n * sizeof *dir), *moved = malloc((size_t)n * sizeof *moved);
    fill(dir, n, 100 + which, 1);
    (void)scalar(t, o);
    CHECK_OK(t->ops->backward(t, o->dg_kv, P_MAX, o->dg_prompt));
    float *grad = down(t->ctx, p->grad, n);
    for (int64_t i = 0; i < n; i++) grad[i] += spoil * copysignf(grad[i], dir[i]);
    double analytic = dot(grad, dir, n), scale = 0, slope[2];
    for (int64_t i = 0; i < n; i++) scale += fabs((double)grad[i] * (double)dir[i]);
    for (int halved = 0; halved < 2; halved++) {
        const double eps = 2e-2 / (1 + halved); /* f32 forward: smaller steps lose more to rounding */
        for (int64_t i = 0; i < n; i++) moved[i] = saved[i] + (float)eps * dir[i];
        up(t->ctx, p->value.data, moved, n);
        double plus = scalar(t, o);
        for (int64_t i = 0; i < n; i++) moved[i] = saved[i] - (float)eps * dir[i];
        up(t->ctx, p->value.data, moved, n);
        slope[halved] = (plus - scalar(t, o)) / (2 * eps);
    }
    up(t->ctx, p->value.data, saved, n);
    free(saved);
    free(dir);
    free(moved);
    free(grad);
    double extrapolated = (4 * slope[1] - slope[0]) / 3; /* Richardson: the error of eps^2, 3e-3 of a softmax here, drops out */
    return fabs(extrapolated - analytic) / (scale + 1e-12);
}

/* Random values in a device array. */
static void fill_device(const lt_ctx *c, float *device, int64_t n, int purpose, double scale) {
    float *x = malloc((size_t)(n ? n : 1) * sizeof *x);
    fill(x, n, purpose, scale);
    up(c, device, x, n);
    free(x);
}

static void run(const lt_ops *ops, lt_method_cfg cfg, const char *what) {
    char *names[K] = {"a", "b", "c"};
    lt_labels labels = {.K = K, .P = P, .name = names, .word = names};
    lt_ctx ctx = {.ops = ops, .threads = 1};
    lt_tuner t;
    CHECK_OK(ops->ctx_init(&ctx));
    cfg.length = P;
    lt_status st = lt_tuner_create(&cfg, 1, &arch, &ctx, NULL, &labels, &t);
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
    float **const device[] = {&o.d_kv, &o.dg_kv, &o.d_prompt, &o.dg_prompt};
    for (int i = 0; i < 4; i++) {
        int64_t n = i < 2 ? o.n_kv : o.n_prompt;
        void *p = NULL;
        CHECK_OK(ops->alloc(&ctx, (size_t)n * sizeof(float), "a test", &p));
        *device[i] = p;
        up(&ctx, p, *all[i], n);
    }
    if (t.label_states) fill_device(&ctx, t.label_states, (int64_t)K * P * arch.C, 3, 1);
    for (int i = 0; i < t.n_params; i++) fill_device(&ctx, t.param[i].value.data, lt_named_elems(&t.param[i].value), 10 + i, 0.1);
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
    for (int i = 0; i < 4; i++) {
        free(*all[i]);
        ops->free(&ctx, *device[i]);
    }
    lt_tuner_destroy(&t);
    ops->ctx_fini(&ctx);
}

/* What a map whose rows are spread over ranks gives, put together, is what it gives on one. */
static void check_spread(const lt_ops *ops) {
    enum { RANKS = 3 };
    char *names[K] = {"a", "b", "c"};
    lt_labels labels = {.K = K, .P = P, .name = names, .word = names};
    lt_method_cfg cfg = {.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_NONE};
    lt_ctx ctx = {.ops = ops, .threads = 1};
    int64_t slot = (int64_t)arch.m * 2 * P_MAX * arch.Hkv * arch.D, n_kv = K * slot, E = slot / P_MAX, n_rows = (int64_t)K * P * E;
    void *kv = NULL, *g = NULL, *rows = NULL;
    float *whole_kv = NULL, *whole_grad = NULL, *host_w = malloc((size_t)(E * arch.C) * sizeof(float));
    CHECK_OK(ops->ctx_init(&ctx));
    CHECK_OK(ops->alloc(&ctx, (size_t)n_kv * sizeof(float), "a test", &kv));
    CHECK_OK(ops->alloc(&ctx, (size_t)n_kv * sizeof(float), "a test", &g));
    CHECK_OK(ops->alloc(&ctx, (size_t)n_rows * sizeof(float), "a test", &rows));
    fill_device(&ctx, g, n_kv, 1, 1);
    fill(host_w, E * arch.C, 10, 0.1);
    for (int ranks = 1; ranks <= RANKS; ranks += RANKS - 1) {
        lt_tuner t[RANKS];
        CHECK_OK(ops->fill(&ctx, rows, 0, (size_t)n_rows * sizeof(float)));
        CHECK_OK(ops->fill(&ctx, kv, 0, (size_t)n_kv * sizeof(float)));
        for (int r = 0; r < ranks; r++) {
            CHECK_OK(lt_tuner_create(&cfg, 1, &arch, &ctx, &(lt_grid){.rank = r, .size = ranks}, &labels, &t[r]));
            t[r].gather = rows; /* all ranks write their columns of one array, as the sum over ranks puts them together */
            fill_device(&ctx, t[r].label_states, (int64_t)K * P * arch.C, 3, 1);
            up(&ctx, t[r].param[0].value.data, host_w + t[r].param[0].row0 * arch.C, lt_param_elems(&t[r].param[0]));
            CHECK_OK(t[r].ops->forward(&t[r], kv, P_MAX, NULL));
        }
        for (int r = 0; r < ranks; r++) {
            const lt_param *w = &t[r].param[0];
            CHECK_OK(t[r].ops->gathered(&t[r], kv, P_MAX));
            CHECK_OK(t[r].ops->backward(&t[r], g, P_MAX, NULL));
            float *grad = down(&ctx, w->grad, lt_param_elems(w)), *got = down(&ctx, kv, n_kv);
            CHECK(ranks == 1 || lt_param_elems(w) < lt_named_elems(&w->value));
            if (ranks == 1) {
                whole_kv = got;
                whole_grad = grad;
                continue;
            }
            CHECK(test_max_diff(got, whole_kv, n_kv) < 1e-5 && dot(got, got, n_kv) > 0);
            CHECK(test_max_diff(grad, whole_grad + w->row0 * arch.C, lt_param_elems(w)) < 1e-5);
            /* negative control: the rows of another rank are others */
            CHECK(test_max_diff(grad, whole_grad + t[(r + 1) % ranks].param[0].row0 * arch.C, lt_param_elems(w) / 2) > 1e-2);
            free(grad);
            free(got);
        }
        for (int r = 0; r < ranks; r++) lt_tuner_destroy(&t[r]);
    }
    free(whole_kv);
    free(whole_grad);
    free(host_w);
    ops->free(&ctx, kv);
    ops->free(&ctx, g);
    ops->free(&ctx, rows);
    ops->ctx_fini(&ctx);
}

static void run_all(const lt_ops *ops) {
    run(ops, (lt_method_cfg){.name = LT_METHOD_HEAD}, "head");
    run(ops, (lt_method_cfg){.name = LT_METHOD_PROMPT}, "prompt");
    run(ops, (lt_method_cfg){.name = LT_METHOD_PREFIX}, "prefix");
    run(ops, (lt_method_cfg){.name = LT_METHOD_PREFIX, .mlp = 10}, "prefix mlp");
    run(ops, (lt_method_cfg){.name = LT_METHOD_LT_PROMPT}, "lt_prompt");
    run(ops, (lt_method_cfg){.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_NONE}, "lt_prefix none");
    run(ops, (lt_method_cfg){.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_SOFTMAX}, "lt_prefix softmax");
    run(ops, (lt_method_cfg){.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_SCORES}, "lt_prefix scores");
    check_spread(ops);
}

int main(void) {
    run_all(lt_ops_ref());
    run_all(lt_ops_cpu());
    run_all(lt_ops_guard());
    /* softmax over one score cannot learn and is refused */
    char *names[K] = {"a", "b", "c"};
    lt_labels one = {.K = K, .P = 1, .name = names, .word = names};
    lt_ctx ctx = {.ops = lt_ops_ref(), .threads = 1};
    lt_tuner t;
    CHECK_FAILS(
        lt_tuner_create(&(lt_method_cfg){.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_SOFTMAX}, 1, &arch, &ctx, NULL, &one, &t),
        LT_ERR_CONFIG, "one token");
    return test_end();
}
