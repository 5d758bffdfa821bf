// TEST np: 1 2 4  rooms: train  labels: mpi  timeout: 60  ops: guard
/* Training steps that learn from all labels of a sentence (method.objective: all) against goldens (generator: tests/golden/make_objective.py): loss and every
 * gradient of both L-Tuning methods, f32 against f64, at every tp that divides the ranks, the others data-parallel.
 *
 * The step is the real one on a run put together by hand, as in test_methods.c; all cases are trials of one run and share its packs, with one more trial that
 * learns from pairs among them: its loss must be what it is alone.  Once with all rows in one pack, once with packs as small as a
 * sentence's candidates allow. */
#define LT_TEST_MPI
#include "golden_models.h"

#include "base/mem.h"
#include "store/h5.h"
#include "train/run_impl.h"

static const double limit = 1e-5; /* of the loss, relative; of gradients, of their largest element */
enum { N_TEXTS = 6, K = 3, N_CASES = 4, PAIRS = 2, N_TRIALS = N_CASES + 1 };

/* Trials in the run's order; that of pairs stands among the others, so that their rows lie on both sides of it. */
static const struct {
    const char *name; /* group of the goldens */
    lt_method_cfg method;
} cases[N_TRIALS] = {{"lt_prompt", {.name = LT_METHOD_LT_PROMPT, .objective = LT_OBJECTIVE_ALL}},
                     {"lt_prefix_none", {.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_NONE, .objective = LT_OBJECTIVE_ALL}},
                     [PAIRS] = {"lt_prompt", {.name = LT_METHOD_LT_PROMPT}},
                     {"lt_prefix_softmax", {.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_SOFTMAX, .objective = LT_OBJECTIVE_ALL}},
                     {"lt_prefix_scores", {.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_SCORES, .objective = LT_OBJECTIVE_ALL}}};

/* What goes in (methods_MODEL.h5) and what comes out (objective_MODEL.h5). */
typedef struct golden {
    hid_t in, out;
    int64_t T, P, C, longest;
} golden;

static bool golden_open(golden *g, const char *model) {
    char path[4096];
    int64_t t[1] = {-1}, s[3] = {K, -1, -1};
    int32_t *ids = NULL;
    float *states = NULL;
    *g = (golden){.in = -1, .out = -1};
    (void)snprintf(path, sizeof path, "%s/methods_%s.h5", LT_GOLDEN, model);
    lt_status st = lt_h5_open(path, &g->in);
    (void)snprintf(path, sizeof path, "%s/objective_%s.h5", LT_GOLDEN, model);
    if (st == LT_OK) st = lt_h5_open(path, &g->out);
    if (st == LT_OK) st = lt_h5_read(g->in, "texts/ids", LT_I32, 1, t, &ids);
    if (st == LT_OK) st = lt_h5_read(g->in, "labels/states", LT_F32, 3, s, &states);
    CHECK_OK(st);
    g->T = t[0];
    g->P = s[1];
    g->C = s[2];
    free(ids);
    free(states);
    return st == LT_OK;
}

static void golden_close(golden *g) {
    if (g->in >= 0) lt_h5_close(&g->in);
    if (g->out >= 0) lt_h5_close(&g->out);
}

static lt_status make_samples(golden *g, lt_samples *s) {
    int64_t t[1] = {-1}, o[1] = {N_TEXTS + 1}, n[1] = {N_TEXTS};
    int32_t *types = NULL;
    *s = (lt_samples){.n = N_TEXTS, .total_tokens = g->T, .min_len = g->T};
    LT_TRY(lt_h5_read(g->in, "texts/ids", LT_I32, 1, t, &s->tokens));
    LT_TRY(lt_h5_read(g->in, "texts/offsets", LT_I64, 1, o, &s->offset));
    LT_TRY(lt_h5_read(g->in, "texts/class", LT_I32, 1, n, &s->label));
    if (lt_h5_has(g->in, "texts/types")) LT_TRY(lt_h5_read(g->in, "texts/types", LT_I32, 1, t, &types));
    LT_TRY(lt_calloc(&s->segment, N_TEXTS, sizeof *s->segment, "texts"));
    for (int i = 0; i < N_TEXTS; i++) {
        int64_t from = s->offset[i], len = s->offset[i + 1] - from;
        while (s->segment[i] < len && !(types && types[from + s->segment[i]])) s->segment[i]++;
        if (len > s->max_len) s->max_len = len;
        if (len < s->min_len) s->min_len = len;
    }
    g->longest = s->max_len;
    free(types);
    return LT_OK;
}

/* Everything of a run that a step reads. */
typedef struct bench {
    lt_config cfg;
    lt_trial_cfg trial_cfg[N_TRIALS];
    lt_labels labels;
    lt_run run;
} bench;

static lt_status upload(const lt_run *r, float *device, const float *host, int64_t n) {
    LT_TRY(lt_ctx_upload(lt_model_ctx(r->model), device, host, (size_t)n * sizeof *host));
    return lt_model_ctx(r->model)->ops->wait(lt_model_ctx(r->model), NULL);
}

/* "CASE/KIND/PARAMETER" of a file as a whole tensor. */
static lt_status read_values(hid_t file, const char *name, const char *kind, const lt_named *v, float **out) {
    char path[256];
    int64_t dim[2] = {v->dim[0], v->dim[1]};
    (void)snprintf(path, sizeof path, "%s/%s/%s", name, kind, v->name);
    return lt_h5_read(file, path, LT_F32, v->n_dims, dim, out);
}

static lt_status setup_trial(bench *b, const golden *g, int i) {
    lt_run *r = &b->run;
    int64_t s[3] = {K, g->P, g->C};
    float *states = NULL;
    lt_tuner *t = r->tuner[i] = &r->trial[i].tuner;
    LT_TRY(lt_trial_create(&b->trial_cfg[i], lt_model_arch(r->model), lt_model_ctx(r->model), &r->grid, &b->labels, N_TEXTS, &r->trial[i]));
    LT_TRY(lt_h5_read(g->in, "labels/states", LT_F32, 3, s, &states));
    LT_TRY(upload(r, t->label_states, states, K * g->P * g->C));
    free(states);
    for (int k = 0; k < t->n_params; k++) {
        const lt_param *p = &t->param[k];
        float *whole = NULL;
        int64_t n = lt_param_elems(p), row = lt_named_elems(&p->value) / p->value.dim[0];
        LT_TRY(read_values(g->in, cases[i].name, "params", &p->value, &whole));
        LT_TRY(upload(r, p->value.data, whole + p->row0 * row, n));
        free(whole);
    }
    return LT_OK;
}

/* Trials first .. first + n - 1 on one run. */
static lt_status bench_setup(bench *b, golden *g, fixture *f, int64_t budget, int first, int n) {
    *b = (bench){.cfg = {.parallel = {.tp = f->grid.tp_size, .tokens = budget}, .n_trials = n}, .labels = {.K = K, .P = (int)g->P}};
    lt_run *r = &b->run;
    *r = (lt_run){.cfg = &b->cfg,
                  .grid = f->grid,
                  .model = f->model,
                  .threads = 1,
                  .work = {.pack_rows = budget},
                  .data = {.K = K},
                  .n_trials = n,
                  .readout = lt_model_arch(f->model)->causal ? LT_READ_LAST : LT_READ_CLS};
    b->cfg.trial = b->trial_cfg;
    LT_TRY(make_samples(g, &r->data.train));
    LT_TRY(lt_calloc(&r->trial, n, sizeof *r->trial, "trials"));
    LT_TRY(lt_calloc(&r->tuner, n, sizeof *r->tuner, "trials"));
    for (int i = 0; i < n; i++) {
        b->trial_cfg[i] = (lt_trial_cfg){.name = (char *)(uintptr_t)cases[first + i].name,
                                         .seed = 1,
                                         .train = {.batch = N_TEXTS, .steps = 2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8},
                                         .method = cases[first + i].method};
        LT_TRY(setup_trial(b, g, i));
    }
    LT_TRY(lt_run_impl_bank_init(&r->bank, r->model, r->tuner, n));
    LT_TRY(lt_run_impl_step_init(r, budget, N_TRIALS * K * N_TEXTS));
    return lt_run_impl_step_connect(r);
}

static void bench_teardown(bench *b) {
    lt_run *r = &b->run;
    lt_run_impl_step_fini(r);
    lt_run_impl_bank_fini(&r->bank);
    for (int i = 0; i < r->n_trials; i++) lt_trial_destroy(&r->trial[i]);
    lt_samples_destroy(&r->data.train);
    free(r->trial);
    free(r->tuner);
}

static double largest(const float *x, int64_t n) {
    double top = 1e-30;
    for (int64_t i = 0; i < n; i++) top = fmax(top, fabs((double)x[i]));
    return top;
}

/* What errors of a gradient are measured by: its largest element; where it is a sum that cancels, the sum of magnitudes of its terms.  That of head.bias
 * is 0, because both logits of all labels move alike: each text brings terms of order 1 / K.  That of pool.bias has a term a label token. */
static double scale_of(const golden *g, const char *name, const lt_named *v, const float *want) {
    char path[256];
    float *terms = NULL;
    int64_t dim[2] = {K, g->P};
    double scale = largest(want, lt_named_elems(v)), sum = 0;
    if (!strcmp(v->name, "head.bias")) return 1.0 / K;
    if (strcmp(v->name, "pool.bias") != 0) return scale;
    (void)snprintf(path, sizeof path, "%s/terms/pool.bias", name);
    CHECK_OK(lt_h5_read(g->out, path, LT_F32, 2, dim, &terms));
    for (int64_t i = 0; terms && i < K * g->P; i++) sum += fabs((double)terms[i]);
    free(terms);
    return fmax(scale, sum);
}

static void trial_errors(const golden *g, const lt_trial *t, const char *name, double *loss_error, double *worst, char worst_name[64]) {
    char path[256];
    double *loss = NULL;
    int64_t one[1] = {1};
    *worst = 0;
    *loss_error = INFINITY;
    (void)snprintf(path, sizeof path, "%s/loss", name);
    CHECK_OK(lt_h5_read(g->out, path, LT_F64, 1, one, &loss));
    if (loss) *loss_error = fabs(t->loss - loss[0]) / fabs(loss[0]);
    free(loss);
    for (int k = 0; k < t->tuner.n_params; k++) {
        const lt_param *p = &t->tuner.param[k];
        float *want = NULL;
        CHECK_OK(read_values(g->out, name, "grads", &p->value, &want));
        if (!want) continue;
        int64_t n = lt_param_elems(p), row = lt_named_elems(&p->value) / p->value.dim[0];
        float *here = want + p->row0 * row, *got = calloc((size_t)n + 1, sizeof *got); /* this rank's rows */
        CHECK_OK(lt_ctx_download(t->tuner.ctx, got, p->grad, (size_t)n * sizeof *got));
        double scale = scale_of(g, name, &p->value, want), error = test_max_diff(got, here, n) / scale;
        if (!(error < *worst)) {
            *worst = error;
            (void)snprintf(worst_name, 64, "%s", p->value.name);
        }
        /* negative control: one element off by ten limits is seen */
        here[n / 2] += (float)(10 * limit * scale);
        CHECK(n == 0 || test_max_diff(got, here, n) / scale > limit);
        free(got);
        free(want);
    }
}

/* The loss of a trial alone on a run, in one pack. */
static double loss_alone(golden *g, fixture *f, int trial, int64_t budget) {
    bench b;
    bool stop = false, save = false, done = false;
    CHECK_OK(bench_setup(&b, g, f, budget, trial, 1));
    CHECK_OK(lt_run_impl_step(&b.run, &stop, &save, &done));
    double loss = b.run.trial[0].loss;
    bench_teardown(&b);
    return loss;
}

/* One step of all trials; with wrong_label the comparison must fail for every case. */
static void step(golden *g, fixture *f, const char *model, int64_t budget, double pairs, bool wrong_label) {
    bench b;
    bool stop = false, save = false, done = false;
    lt_status st = bench_setup(&b, g, f, budget, 0, N_TRIALS);
    CHECK_OK(st);
    if (st != LT_OK) return;
    if (wrong_label) b.run.data.train.label[3] = (b.run.data.train.label[3] + 1) % K;
    CHECK_OK(lt_run_impl_step(&b.run, &stop, &save, &done));
    CHECK(done);
    for (int i = 0; i < N_TRIALS; i++) {
        const lt_trial *t = &b.run.trial[i];
        double loss_error = fabs(t->loss - pairs) / pairs, worst = 0;
        char worst_name[64] = "";
        if (i != PAIRS) trial_errors(g, t, cases[i].name, &loss_error, &worst, worst_name);
        if (wrong_label) {
            TEST_REPORT(i == PAIRS || (loss_error > limit && worst > limit), "%s %s: a wrong label is not seen: loss %.2g, gradient %.2g",
                        model, cases[i].name, loss_error, worst);
            continue;
        }
        TEST_REPORT(loss_error <= limit && worst <= limit, "%s %s%s tp %d dp %d, %lld rows: loss %.2g, %s %.2g, limit %.1g", model,
                    cases[i].name, i == PAIRS ? " of pairs" : "", f->grid.tp_size, f->grid.dp_size, (long long)budget, loss_error,
                    worst_name, worst, limit);
        if (getenv("LT_TEST_VERBOSE") && f->grid.rank == 0)
            printf("%-10s %-18s tp %d dp %d %4lld rows: loss %.1e, %s %.1e\n", model, cases[i].name, f->grid.tp_size, f->grid.dp_size,
                   (long long)budget, loss_error, worst_name, worst);
        CHECK_INT(t->step, 1);
        CHECK_INT(t->loss_rows, N_TEXTS);
    }
    CHECK_INT(b.run.rates.tokens, (K * N_CASES + 1) * g->T);
    CHECK_INT(b.run.rates.sentences, N_TRIALS * N_TEXTS);
    bench_teardown(&b);
}

static void check_model(fixture *f, const char *dir, const char *model, int tp) {
    golden g;
    lt_samples s = {0};
    if (golden_open(&g, model)) {
        CHECK_OK(make_samples(&g, &s));
        lt_samples_destroy(&s);
        int64_t all = N_TRIALS * K * (g.T + N_TEXTS * g.P), least = K * (g.longest + g.P);
        lt_model_limits limits = {.tokens = all,
                                  .seqs = N_TRIALS * K * N_TEXTS,
                                  .max_len = g.longest + g.P,
                                  .P_max = g.P,
                                  .slots = N_TRIALS * K,
                                  .backward = true};
        if (fixture_open(f, dir, tp, NULL, LT_F32, limits)) {
            double pairs = loss_alone(&g, f, PAIRS, all);
            step(&g, f, model, all, pairs, false);
            step(&g, f, model, least, pairs, false);
            if (strcmp(lt_model_ctx(f->model)->ops->name, "guard") != 0) step(&g, f, model, all, pairs, true);
        }
        fixture_close(f);
    }
    golden_close(&g);
}

int main(void) {
    static const char *const model[] = {"tiny-bert", "tiny-llama"};
    fixture f = {0};
    CHECK_OK(lt_comm_init(NULL, NULL, &f.world));
    int size = lt_comm_size(f.world);
    for (int i = 0; i < 2; i++) {
        char dir[4096];
        (void)snprintf(dir, sizeof dir, "%s/%s", LT_GOLDEN, model[i]);
        for (int tp = 1; tp <= size; tp++)
            if (size % tp == 0 && golden_model_fits(dir, tp)) check_model(&f, dir, model[i], tp);
    }
    int rc = test_end();
    lt_comm_fini(&f.world);
    return rc;
}
