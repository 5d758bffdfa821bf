#pragma once
/* One real training step (train/step.c: order, dealing, packs, bank, model, heads, message) against goldens: a run put together by hand, because goldens
 * fix the texts, the labels and the values.  The trials of a case share the run and its packs.  The learning rate is 0, so the values stay.
 *
 * A golden file has groups TRIAL/params/NAME and SETTING/TRIAL/{loss, logits, grads/NAME, perhaps terms/NAME}; without a setting TRIAL/...  Include after
 * defining LT_TEST_MPI. */
#include "golden_models.h"

#include "base/mem.h"
#include "store/h5.h"
#include "train/run_impl.h"

static const double limit = 1e-5;
enum { N_TEXTS = 6, K = 3, MLP = 6, LENGTH = 4, MAX_TRIALS = 4, MANY_PACKS = 26, N_THOROUGH = 4 };

typedef struct method_case {
    const char *name; /* group of the golden */
    lt_method_cfg method;
} method_case;

/* Trials that can share a run: one read-out, one reading of the labels. */
typedef struct run_case {
    const char *what;
    bool pairs;
    lt_readout encoder, decoder;
    const char *setting; /* in the golden, or NULL */
    int n;
    method_case method[MAX_TRIALS];
} run_case;

/* The texts and labels of a golden file. */
typedef struct golden {
    hid_t file, values; /* texts and labels; values and what they give (the same file, or another) */
    int32_t *row_class; /* [T] or NULL: classes of the rows, for LT_READ_TOKENS */
    int32_t *ids, *types, *class, *candidate, *target, *label_ids;
    int64_t *offsets;
    float *states; /* [K][P][C] */
    int64_t T, P, C;
} golden;

/* The texts and labels of KIND_MODEL.h5; without the labels of L-Tuning if it has none. */
static bool golden_open(golden *g, const char *kind, const char *model) {
    char path[4096];
    int64_t t[1] = {-1}, o[1] = {N_TEXTS + 1}, n[1] = {N_TEXTS}, l[2] = {K, -1}, s[3] = {K, -1, -1};
    *g = (golden){.file = -1};
    (void)snprintf(path, sizeof path, "%s/%s_%s.h5", LT_GOLDEN, kind, model);
    lt_status st = lt_h5_open(path, &g->file);
    if (st == LT_OK) st = lt_h5_read(g->file, "texts/ids", LT_I32, 1, t, &g->ids);
    if (st == LT_OK) st = lt_h5_read(g->file, "texts/offsets", LT_I64, 1, o, &g->offsets);
    if (st == LT_OK && lt_h5_has(g->file, "texts/types")) st = lt_h5_read(g->file, "texts/types", LT_I32, 1, t, &g->types);
    if (st == LT_OK) st = lt_h5_read(g->file, "texts/class", LT_I32, 1, n, &g->class);
    bool labels = st == LT_OK && lt_h5_has(g->file, "labels");
    if (st == LT_OK && labels) st = lt_h5_read(g->file, "texts/candidate", LT_I32, 1, n, &g->candidate);
    if (st == LT_OK && labels) st = lt_h5_read(g->file, "texts/target", LT_I32, 1, n, &g->target);
    if (st == LT_OK && labels) st = lt_h5_read(g->file, "labels/ids", LT_I32, 2, l, &g->label_ids);
    if (st == LT_OK && labels) st = lt_h5_read(g->file, "labels/states", LT_F32, 3, s, &g->states);
    CHECK_OK(st);
    g->values = g->file;
    g->T = t[0];
    g->P = s[1];
    g->C = s[2];
    return st == LT_OK;
}

static void golden_close(golden *g) {
    void *const owned[] = {g->ids, g->types, g->class, g->candidate, g->target, g->label_ids, g->offsets, g->states, g->row_class};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    if (g->values != g->file) lt_h5_close(&g->values);
    lt_h5_close(&g->file);
}

static inline bool reads_tokens(const run_case *c) { return c->decoder == LT_READ_TOKENS; }

/* Samples of the texts.  For pairs the label is the true one: the candidate where the golden says so, else another one. */
static void make_samples(const golden *g, const run_case *c, lt_samples *s) {
    *s = (lt_samples){.n = N_TEXTS, .total_tokens = g->T, .min_len = g->T};
    CHECK_OK(lt_calloc(&s->tokens, g->T, sizeof *s->tokens, "texts"));
    CHECK_OK(lt_calloc(&s->offset, N_TEXTS + 1, sizeof *s->offset, "texts"));
    CHECK_OK(lt_calloc(&s->segment, N_TEXTS, sizeof *s->segment, "texts"));
    if (reads_tokens(c))
        CHECK_OK(lt_calloc(&s->token_label, g->T, sizeof *s->token_label, "texts"));
    else
        CHECK_OK(lt_calloc(&s->label, N_TEXTS, sizeof *s->label, "texts"));
    if (s->token_label) memcpy(s->token_label, g->row_class, (size_t)g->T * sizeof *g->row_class);
    memcpy(s->tokens, g->ids, (size_t)g->T * sizeof *g->ids);
    memcpy(s->offset, g->offsets, (N_TEXTS + 1) * sizeof *g->offsets);
    for (int i = 0; i < N_TEXTS; i++) {
        int64_t from = g->offsets[i], len = g->offsets[i + 1] - from;
        s->segment[i] = 0;
        while (s->segment[i] < len && !(g->types && g->types[from + s->segment[i]])) s->segment[i]++;
        if (s->label) s->label[i] = !c->pairs ? g->class[i] : g->target[i] ? g->candidate[i] : (g->candidate[i] + 1) % K;
        if (len > s->max_len) s->max_len = len;
        if (len < s->min_len) s->min_len = len;
    }
}

/* Does a trial with this seed meet the golden's pairs (or, for the negative control, the same targets but some other candidate)? */
static bool seed_fits(const golden *g, const lt_samples *s, uint64_t seed, bool same_candidates) {
    lt_order o;
    bool targets = true, candidates = true;
    if (lt_order_create(seed, N_TEXTS, &o) != LT_OK) return false;
    for (int p = 0; p < N_TEXTS; p++) {
        int target, i = (int)lt_order_sample(&o, p), candidate = lt_order_candidate(&o, p, s->label[i], K, &target);
        targets = targets && target == g->target[i];
        candidates = candidates && candidate == g->candidate[i];
    }
    lt_order_destroy(&o);
    return targets && candidates == same_candidates;
}

/* Everything of a run that a step reads. */
typedef struct bench {
    lt_config cfg;
    lt_trial_cfg trial_cfg[MAX_TRIALS];
    lt_labels labels;
    lt_run run;
} bench;

/* Where a result of a trial is. */
static void result_path(const run_case *c, const char *trial, const char *what, char path[256]) {
    (void)snprintf(path, 256, "%s%s%s/%s", c->setting ? c->setting : "", c->setting ? "/" : "", trial, what);
}

static bool read_values(const golden *g, const char *path, const lt_named *v, float **out) {
    int64_t dim[LT_MAX_DIMS];
    memcpy(dim, v->dim, sizeof dim);
    lt_status st = lt_h5_read(g->values, path, LT_F32, v->n_dims, dim, out);
    CHECK_OK(st);
    return st == LT_OK;
}

static lt_status upload(const lt_run *r, float *device, const float *host, int64_t n) {
    LT_TRY(lt_ctx_upload(lt_model_ctx(r->model), device, host, (size_t)n * sizeof *host));
    return lt_model_ctx(r->model)->ops->wait(lt_model_ctx(r->model), NULL);
}

/* This rank's rows of a whole tensor. */
static lt_status upload_param(const lt_run *r, const lt_param *p, const float *whole) {
    int64_t n = lt_param_elems(p), row = p->row1 > p->row0 ? n / (p->row1 - p->row0) : 0;
    return upload(r, p->value.data, whole + p->row0 * row, n);
}

static lt_status setup_trials(bench *b, const golden *g, const run_case *c) {
    lt_run *r = &b->run;
    LT_TRY(lt_calloc(&r->trial, c->n, sizeof *r->trial, "trials"));
    LT_TRY(lt_calloc(&r->tuner, c->n, sizeof *r->tuner, "trials"));
    r->n_trials = c->n;
    for (int i = 0; i < c->n; i++) {
        LT_TRY(lt_trial_create(&b->trial_cfg[i], lt_model_arch(r->model), lt_model_ctx(r->model), &r->grid, &b->labels, N_TEXTS,
                               &r->trial[i]));
        lt_tuner *t = r->tuner[i] = &r->trial[i].tuner;
        if (t->label_states) LT_TRY(upload(r, t->label_states, g->states, K * g->P * g->C));
        for (int k = 0; k < t->n_params; k++) {
            float *values = NULL;
            char path[256];
            (void)snprintf(path, sizeof path, "%s/params/%s", c->method[i].name, t->param[k].value.name);
            if (!read_values(g, path, &t->param[k].value, &values)) return LT_ERR_FORMAT;
            LT_TRY(upload_param(r, &t->param[k], values));
            free(values);
        }
    }
    return LT_OK;
}

static lt_status setup_buffers(bench *b, bool keep_features) {
    lt_run *r = &b->run;
    int64_t C = lt_model_arch(r->model)->C;
    r->work.keep_features = keep_features;
    if (keep_features) LT_TRY(lt_run_impl_features_init(&r->work.train, lt_model_ctx(r->model), C, N_TEXTS, N_TEXTS));
    LT_TRY(lt_run_impl_bank_init(&r->bank, r->model, r->tuner, r->n_trials));
    LT_TRY(lt_run_impl_step_init(r, b->cfg.parallel.tokens, (int64_t)r->n_trials * N_TEXTS * K));
    return lt_run_impl_step_connect(r);
}

static lt_status bench_setup(bench *b, const golden *g, const run_case *c, fixture *f, int64_t budget, uint64_t seed, bool keep_features) {
    *b = (bench){.cfg = {.parallel = {.tp = f->grid.tp_size, .tokens = budget}, .n_trials = c->n}, .labels = {.K = K, .P = (int)g->P}};
    b->run = (lt_run){.cfg = &b->cfg,
                      .grid = f->grid,
                      .model = f->model,
                      .threads = 1,
                      .work = {.pack_rows = budget},
                      .data = {.K = K},
                      .readout = lt_model_arch(f->model)->causal ? c->decoder : c->encoder};
    for (int i = 0; i < c->n; i++)
        b->trial_cfg[i] = (lt_trial_cfg){.name = (char *)(uintptr_t)c->method[i].name,
                                         .seed = seed,
                                         .train = {.batch = N_TEXTS, .steps = 2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8},
                                         .method = c->method[i].method};
    b->cfg.trial = b->trial_cfg;
    make_samples(g, c, &b->run.data.train);
    LT_TRY(setup_trials(b, g, c));
    return setup_buffers(b, keep_features);
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

/* Sum of the magnitudes of the terms that a gradient is the sum of, where the golden has them; else 0. */
static double sum_of_terms(const golden *g, const run_case *c, const char *name, const lt_named *v) {
    char path[256], what[128];
    float *terms = NULL;
    int64_t dim[1] = {-1};
    double sum = 0;
    (void)snprintf(what, sizeof what, "terms/%s", v->name);
    result_path(c, name, what, path);
    if (!lt_h5_has(g->values, path)) return 0;
    CHECK_OK(lt_h5_read(g->values, path, LT_F32, 1, dim, &terms));
    for (int64_t i = 0; terms && i < dim[0]; i++) sum += fabs((double)terms[i]);
    free(terms);
    return sum;
}

/* What errors of a gradient are measured by: its largest element.  But the gradient of head.bias is a sum of one term a text, of order 0.1
 * and of both signs, and where they cancel (tiny-llama's lt_prompt: 0.003) f32 cannot keep 1e-5 of the rest: there, the sum of
 * magnitudes, as for others of which a golden has the terms. */
static double scale_of(const golden *g, const run_case *c, const char *name, const lt_named *v, const float *want) {
    char path[256];
    float *logits = NULL;
    const int32_t *class = reads_tokens(c) ? g->row_class : c->pairs ? g->target : g->class;
    int64_t rows = reads_tokens(c) ? g->T : N_TEXTS, dim[2] = {rows, v->dim[0]}, n = v->dim[0];
    double scale = largest(want, lt_named_elems(v)), terms = sum_of_terms(g, c, name, v);
    if (terms > 0) return fmax(scale, terms);
    if (strcmp(v->name, "head.bias") != 0) return scale;
    result_path(c, name, "logits", path);
    CHECK_OK(lt_h5_read(g->values, path, LT_F32, 2, dim, &logits));
    for (int64_t k = 0; logits && k < n; k++) {
        double sum = 0;
        int64_t counted = 0;
        for (int64_t i = 0; i < rows; i++) {
            double all = 0;
            for (int64_t j = 0; j < n; j++) all += exp((double)logits[i * n + j] - (double)logits[i * n + k]);
            if (class[i] != LT_IGNORED_LABEL) sum += fabs(1 / all - (class[i] == k));
            counted += class[i] != LT_IGNORED_LABEL;
        }
        scale = fmax(scale, sum / (double)counted);
    }
    free(logits);
    return scale;
}

/* Errors of one trial after a step. */
static void trial_errors(const golden *g, const run_case *c, const lt_trial *t, const char *name, double *loss_error, double *worst,
                         char worst_name[64]) {
    char path[256];
    double *loss = NULL;
    int64_t one[1] = {1};
    *worst = 0;
    *loss_error = INFINITY;
    result_path(c, name, "loss", path);
    CHECK_OK(lt_h5_read(g->values, path, LT_F64, 1, one, &loss));
    if (loss) *loss_error = fabs(t->loss - loss[0]) / fabs(loss[0]);
    free(loss);
    for (int k = 0; k < t->tuner.n_params; k++) {
        const lt_param *p = &t->tuner.param[k];
        float *want = NULL;
        char what[128];
        (void)snprintf(what, sizeof what, "grads/%s", p->value.name);
        result_path(c, name, what, path);
        if (!read_values(g, path, &p->value, &want)) continue;
        int64_t n = lt_param_elems(p), row = lt_named_elems(&p->value) / p->value.dim[0];
        float *here = want + p->row0 * row, *got = calloc((size_t)n + 1, sizeof *got); /* this rank's rows */
        CHECK_OK(lt_ctx_download(t->tuner.ctx, got, p->grad, (size_t)n * sizeof *got));
        double scale = scale_of(g, c, name, &p->value, want), error = test_max_diff(got, here, n) / scale;
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

typedef enum control { NONE, OTHER_VALUE, OTHER_CANDIDATE, OTHER_READOUT, OTHER_MASK, OTHER_LABEL } control;

/* One step; with a control the comparison must fail for every trial. */
static void step(const golden *g, const run_case *c, fixture *f, const char *model, int64_t budget, control what, bool keep_features) {
    bench b;
    bool stop = false, save = false, done = false;
    uint64_t seed = 1;
    lt_samples s;
    make_samples(g, c, &s);
    while (c->pairs && !seed_fits(g, &s, seed, what != OTHER_CANDIDATE) && seed < 100000) seed++;
    lt_samples_destroy(&s);
    CHECK(seed < 100000);
    lt_status st = bench_setup(&b, g, c, f, budget, seed, keep_features);
    CHECK_OK(st);
    if (st != LT_OK) return;
    if (what == OTHER_LABEL) b.run.data.train.label[3] = (b.run.data.train.label[3] + 1) % K;
    if (what == OTHER_READOUT) b.run.readout = LT_READ_MEAN;
    for (int i = 0; what == OTHER_VALUE && i < c->n; i++) {
        const lt_tuner *t = b.run.tuner[i];
        const lt_param *p = &t->param[t->adapter_rank ? t->head - 1 : 0]; /* (losses hardly see the A of queries) */
        int64_t n = lt_param_elems(p);
        float *v = calloc((size_t)n + 1, sizeof *v);
        CHECK_OK(lt_ctx_download(lt_model_ctx(f->model), v, p->value.data, (size_t)n * sizeof *v));
        for (int64_t k = 0; k < n; k += 2) v[k] *= 1.05f; /* all of them: a norm of the embeddings would hide it */
        CHECK_OK(upload(&b.run, p->value.data, v, n));
        free(v);
    }
    st = lt_run_impl_step(&b.run, &stop, &save, &done);
    CHECK_OK(st);
    CHECK(done);
    for (int i = 0; keep_features && i < c->n; i++) { /* again: rows of `head` that were computed are now only read */
        int64_t kept = b.run.work.train.used, packed = b.run.work.batch.n;
        if (i == 0) CHECK_OK(lt_run_impl_step(&b.run, &stop, &save, &done));
        if (i == 0) CHECK(kept > 0 && b.run.work.train.used == kept && b.run.work.batch.n == packed - kept);
        b.run.trial[i].step--; /* one step is what is looked at below */
    }
    for (int i = 0; i < c->n; i++) {
        const lt_trial *t = &b.run.trial[i];
        double loss_error, worst;
        char worst_name[64] = "";
        trial_errors(g, c, t, c->method[i].name, &loss_error, &worst, worst_name);
        if (what != NONE) {
            TEST_REPORT(loss_error > limit && worst > limit, "%s %s: control %d is not seen: loss %.2g, gradient %.2g", model,
                        c->method[i].name, (int)what, loss_error, worst);
            continue;
        }
        TEST_REPORT(loss_error <= limit, "%s %s tp %d dp %d, %lld rows: relative error of the loss %.2g, limit %.1g", model,
                    c->method[i].name, f->grid.tp_size, f->grid.dp_size, (long long)budget, loss_error, limit);
        TEST_REPORT(worst <= limit, "%s %s tp %d dp %d, %lld rows: error of %s %.2g, limit %.1g", model, c->method[i].name, f->grid.tp_size,
                    f->grid.dp_size, (long long)budget, worst_name, worst, limit);
        if (getenv("LT_TEST_VERBOSE") && f->grid.rank == 0)
            printf("%-10s %-18s tp %d dp %d %4lld rows: loss %.1e, %s %.1e\n", model, c->method[i].name, f->grid.tp_size, f->grid.dp_size,
                   (long long)budget, loss_error, worst_name, worst);
        CHECK_INT(t->step, 1);
    }
    CHECK_INT(b.run.rates.tokens >= g->T * c->n, 1);
    CHECK(!stop && !save);
    bench_teardown(&b);
}

/* Every golden model that is wanted, at every tp that divides the ranks; after the first N_THOROUGH at the largest only. */
static inline int bench_main(bool (*wanted)(const golden_model *g),
                             void (*check)(fixture *f, const char *dir, const char *model, int tp, bool thorough)) {
    fixture f = {0};
    CHECK_OK(lt_comm_init(NULL, NULL, &f.world));
    int size = lt_comm_size(f.world);
    for (int i = 0; i < N_GOLDEN_MODELS; i++) {
        const golden_model *g = &golden_models[i];
        char dir[4096];
        if (!wanted(g)) continue;
        golden_model_open(f.world, g, dir);
        for (int tp = 1; tp <= size; tp++)
            if (size % tp == 0 && (tp == size || i < N_THOROUGH) && golden_model_fits(dir, tp))
                check(&f, dir, g->golden, tp, i < N_THOROUGH);
        golden_model_close(f.world, g, dir);
    }
    int rc = test_end();
    lt_comm_fini(&f.world);
    return rc;
}
