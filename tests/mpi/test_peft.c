// TEST np: 1 2 4  rooms: train  labels: mpi  timeout: 240  ops: guard
/* Adapters that PEFT wrote (tests/golden/make_peft_adapters.py), read as a trial's first values: its logits against PEFT's in float64.  Then written again:
 * every tensor as PEFT had it, or of fused matrices the same product; then read once more: the same values.  And what must not be read.
 *
 * Limit of logits: 2e-5, what stock transformers in f32 keeps from the same goldens.  LT_TEST_VERBOSE=1 prints what was seen. */
#define LT_TEST_MPI
#include "golden_models.h"

#include "base/mem.h"
#include "store/h5.h"
#include "store/safetensors.h"
#include "train/run_impl.h"
#include "tuner/peft.h"

#include <jansson.h>
#include <sys/stat.h>

static const double limit = 2e-5;
enum { N_TEXTS = 6, K = 3, RANK = 2, LENGTH = 4, ROWS = 128 };
enum { QKV = 1 << LT_TARGET_Q | 1 << LT_TARGET_K | 1 << LT_TARGET_V, O = 1 << LT_TARGET_O, ALL = -1, V_ON = -2 };

typedef struct adapter_case {
    const char *model, *name;
    lt_method method;
    int targets, scaling;
    bool fused, bias; /* q, k, v in one matrix; the head has a bias */
    bool bare;        /* the golden is of the bare model, though there is a class with our head */
    lt_readout readout;
} adapter_case;

#define LORA    .name = "lora", .method = LT_METHOD_LORA, .targets = ALL
#define ENCODER .bias = true, .readout = LT_READ_CLS
#define DECODER .readout = LT_READ_LAST
static const adapter_case cases[] = {
    {"tiny-bert", LORA, ENCODER},
    {"tiny-bert", "prompt", LT_METHOD_PROMPT, .bias = true, .readout = LT_READ_FIRST},
    {"tiny-bert", "prefix", LT_METHOD_PREFIX, ENCODER},
    {"tiny-roberta", LORA, ENCODER},
    {"tiny-xlm-roberta", LORA, ENCODER},
    {"tiny-distilbert", LORA, .bare = true, ENCODER},
    {"tiny-deberta", LORA, .fused = true, ENCODER},
    {"tiny-deberta-v2", LORA, ENCODER},
    {"tiny-deberta-v2-conv", LORA, ENCODER},
    {"tiny-llama", LORA, DECODER},
    {"tiny-llama", "rslora", LT_METHOD_LORA, ALL, LT_SCALING_RSLORA, DECODER},
    {"tiny-llama", "prompt", LT_METHOD_PROMPT, DECODER},
    {"tiny-llama", "prefix", LT_METHOD_PREFIX, DECODER},
    {"tiny-mistral", LORA, DECODER},
    {"tiny-gqa", LORA, DECODER},
    {"tiny-gqa", "prefix", LT_METHOD_PREFIX, DECODER},
    {"tiny-qwen2", LORA, DECODER},
    {"tiny-qwen3", LORA, DECODER},
    {"tiny-gemma3", LORA, DECODER},
    {"tiny-gpt2", LORA, .fused = true, DECODER},
    {"tiny-gpt2", "some", LT_METHOD_LORA, QKV | O, .fused = true, DECODER},
    {"tiny-gpt2", "prompt", LT_METHOD_PROMPT, DECODER},
    {"tiny-gpt2", "prefix", LT_METHOD_PREFIX, DECODER},
    {"tiny-gpt-neox", LORA, .fused = true, DECODER},
    {"tiny-bloom", LORA, .fused = true, DECODER},
    {"tiny-falcon-7b", LORA, .fused = true, DECODER},
    {"tiny-falcon-40b", LORA, .fused = true, DECODER},
    {"tiny-falcon-40b", "some", LT_METHOD_LORA, QKV, .fused = true, DECODER},
    {"tiny-falcon-rw", LORA, .fused = true, DECODER},
};
enum { N_CASES = sizeof cases / sizeof *cases };

/* Everything of a run that scoring reads. */
typedef struct bench {
    char from[4096];
    lt_config cfg;
    lt_trial_cfg trial_cfg;
    lt_labels labels;
    lt_run run;
    lt_tuner *tuner;
    lt_trial trial;
    lt_samples samples;
    double *logits; /* golden [N_TEXTS][K] */
} bench;

/* All matrices that the model has, less those that cannot be said. */
static int targets_of(const adapter_case *c, const lt_arch *a) {
    int bits = 0;
    int64_t N, k;
    if (c->targets != ALL) return c->targets;
    for (int t = 0; t < LT_TARGET_COUNT; t++)
        if (lt_arch_target(a, (lt_target)t, &N, &k) && !(a->relative.shared && t <= LT_TARGET_K)) bits |= 1 << t;
    return bits;
}

static void set_method(const adapter_case *c, const lt_arch *a, char *from, lt_method_cfg *m) {
    *m = (lt_method_cfg){.name = c->method,
                         .length = LENGTH,
                         .rank = RANK,
                         .alpha = 5,
                         .scaling = c->scaling,
                         .targets = targets_of(c, a),
                         .head_bias = c->bias ? LT_HEAD_BIAS : LT_HEAD_NO_BIAS,
                         .from = from};
}

static lt_status read_golden(bench *b) {
    char path[4200];
    hid_t file = -1;
    int64_t t[1] = {-1}, o[1] = {N_TEXTS + 1}, l[2] = {N_TEXTS, K};
    int32_t *types = NULL;
    lt_samples *s = &b->samples;
    (void)snprintf(path, sizeof path, "%s/golden.h5", b->from);
    lt_status st = lt_h5_open(path, &file);
    if (st == LT_OK) st = lt_h5_read(file, "ids", LT_I32, 1, t, &s->tokens);
    if (st == LT_OK) st = lt_h5_read(file, "types", LT_I32, 1, t, &types);
    if (st == LT_OK) st = lt_h5_read(file, "offsets", LT_I64, 1, o, &s->offset);
    if (st == LT_OK) st = lt_h5_read(file, "logits", LT_F64, 2, l, &b->logits);
    if (st == LT_OK) st = lt_calloc(&s->segment, N_TEXTS, sizeof *s->segment, "texts");
    if (st == LT_OK) st = lt_calloc(&s->label, N_TEXTS, sizeof *s->label, "texts");
    for (int i = 0; st == LT_OK && i < N_TEXTS; i++) {
        int64_t from = s->offset[i], n = s->offset[i + 1] - from;
        while (s->segment[i] < n && !types[from + s->segment[i]]) s->segment[i]++;
        if (n > s->max_len) s->max_len = n;
    }
    s->n = N_TEXTS;
    s->total_tokens = t[0];
    free(types);
    lt_h5_close(&file);
    return st;
}

static lt_status setup(bench *b, const adapter_case *c, fixture *f) {
    lt_run *r = &b->run;
    const lt_arch *arch = lt_model_arch(f->model);
    *b = (bench){.labels = {.K = K}, .cfg = {.parallel = {.tp = f->grid.tp_size, .tokens = ROWS}, .n_trials = 1}};
    (void)snprintf(b->from, sizeof b->from, "%s/peft/%s.%s", LT_GOLDEN, c->model, c->name);
    b->trial_cfg = (lt_trial_cfg){.name = (char *)(uintptr_t)c->name, .seed = 1, .train = {.batch = 1, .steps = 1}};
    set_method(c, arch, b->from, &b->trial_cfg.method);
    b->cfg.trial = &b->trial_cfg;
    b->tuner = &b->trial.tuner;
    *r = (lt_run){.cfg = &b->cfg,
                  .grid = f->grid,
                  .model = f->model,
                  .threads = 1,
                  .work = {.pack_rows = ROWS, .longest = 32},
                  .data = {.K = K},
                  .readout = c->readout,
                  .n_trials = 1,
                  .trial = &b->trial,
                  .tuner = &b->tuner};
    LT_TRY(read_golden(b));
    LT_TRY(lt_trial_create(&b->trial_cfg, arch, lt_model_ctx(f->model), &r->grid, &b->labels, N_TEXTS, &b->trial));
    b->trial.has_values = true;
    LT_TRY(lt_run_impl_bank_init(&r->bank, r->model, r->tuner, 1));
    LT_TRY(lt_run_impl_step_init(r, ROWS, N_TEXTS));
    return lt_run_impl_step_connect(r);
}

static void teardown(bench *b) {
    lt_run_impl_step_fini(&b->run);
    lt_run_impl_bank_fini(&b->run.bank);
    lt_trial_destroy(&b->trial);
    lt_samples_destroy(&b->samples);
    free(b->logits);
}

static double logit_error(bench *b) {
    double got[N_TEXTS * K], worst = 0;
    CHECK_OK(lt_run_score(&b->run, &b->samples, 0, 1, got));
    for (int i = 0; i < N_TEXTS * K; i++) {
        double d = fabs(got[i] - b->logits[i]);
        if (!(d <= worst)) worst = isnan(d) ? INFINITY : d;
    }
    return worst;
}

/* ---- written again ---- */

/* The number of a module: its own by a pattern, or the file's. */
static double number_of(const json_t *o, const char *key, const char *pattern, const char *tensor) {
    const char *name;
    json_t *v;
    json_object_foreach(json_object_get(o, pattern), name, v) {
        const char *at = strstr(tensor, name);
        if (at && at[-1] == '.' && !strncmp(at + strlen(name), ".lora_", 6)) return json_number_value(v);
    }
    return json_number_value(json_object_get(o, key));
}

/* scale B A [N, K] of the module whose A is t; owned. */
static double *product(lt_st *st, const lt_st_tensor *t, const json_t *config, int64_t *n) {
    char name[256];
    (void)snprintf(name, sizeof name, "%s", t->name);
    *strstr(name, "lora_A") += 0;
    memcpy(strstr(name, "lora_A"), "lora_B", 6);
    const lt_st_tensor *u = lt_st_find(st, name);
    int64_t R = t->dim[0], in = t->dim[1], out = u->dim[0];
    double rank = number_of(config, "r", "rank_pattern", t->name), alpha = number_of(config, "lora_alpha", "alpha_pattern", t->name);
    double scale = json_is_true(json_object_get(config, "use_rslora")) ? alpha / sqrt(rank) : alpha / rank;
    float *A = malloc((size_t)(R * in) * sizeof *A), *B = malloc((size_t)(out * R) * sizeof *B);
    double *p = calloc((size_t)(out * in), sizeof *p);
    CHECK_INT((int64_t)rank, R);
    CHECK_OK(lt_st_read(st, t, 0, R, 0, in, A, LT_F32));
    CHECK_OK(lt_st_read(st, u, 0, out, 0, R, B, LT_F32));
    for (int64_t i = 0; i < out; i++)
        for (int64_t r = 0; r < R; r++)
            for (int64_t k = 0; k < in; k++) p[i * in + k] += scale * B[i * R + r] * A[r * in + k];
    *n = out * in;
    free(A);
    free(B);
    return p;
}

static double tensor_diff(lt_st *a, const lt_st_tensor *t, lt_st *b, const lt_st_tensor *u) {
    int64_t cols = t->n_dims > 1 ? t->dim[1] : 1, n = t->dim[0] * cols;
    float *x = malloc((size_t)n * sizeof *x), *y = malloc((size_t)n * sizeof *y);
    CHECK_OK(lt_st_read(a, t, 0, t->dim[0], 0, cols, x, LT_F32));
    CHECK_OK(lt_st_read(b, u, 0, u->dim[0], 0, cols, y, LT_F32));
    double d = test_max_diff(x, y, n);
    free(x);
    free(y);
    return d;
}

/* Our files against PEFT's: names, and values or, of updates with another rank, products. */
static void compare_files(const adapter_case *c, const char *dir, const char *golden) {
    char path[2][4200];
    lt_st *st[2] = {NULL, NULL};
    json_t *config[2];
    int products = 0;
    const char *const roots[2] = {dir, golden};
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path[i], sizeof path[i], "%s/adapter_model.safetensors", roots[i]);
        CHECK_OK(lt_st_open_file(path[i], &st[i]));
        (void)snprintf(path[i], sizeof path[i], "%s/adapter_config.json", roots[i]);
        config[i] = json_load_file(path[i], 0, NULL);
        CHECK(config[i] != NULL);
    }
    CHECK_INT(lt_st_count(st[0]), lt_st_count(st[1]));
    for (int64_t i = 0; i < lt_st_count(st[1]); i++) {
        const lt_st_tensor *want = lt_st_at(st[1], i), *got = lt_st_find(st[0], want->name);
        TEST_REPORT(got != NULL, "%s.%s: we write no tensor %s", c->model, c->name, want->name);
        if (!got) continue;
        if (got->n_dims == want->n_dims && got->dim[0] == want->dim[0] && got->dim[1] == want->dim[1]) {
            double d = tensor_diff(st[1], want, st[0], got);
            TEST_REPORT(d == 0, "%s.%s: %s differs by %g", c->model, c->name, want->name, d);
        } else if (strstr(want->name, "lora_A")) {
            int64_t n[2];
            double *p = product(st[0], got, config[0], &n[0]), *q = product(st[1], want, config[1], &n[1]), worst = 0, top = 0;
            CHECK_INT(n[0], n[1]);
            for (int64_t k = 0; k < n[0] && n[0] == n[1]; k++) {
                worst = fmax(worst, fabs(p[k] - q[k]));
                top = fmax(top, fabs(q[k]));
            }
            TEST_REPORT(worst <= 1e-6 && top > 0.1, "%s.%s: the update of %s differs by %g of %g", c->model, c->name, want->name, worst,
                        top);
            products++;
            free(p);
            free(q);
        }
    }
    CHECK(!c->fused == !products);
    static const char *const same[] = {"peft_type", "num_virtual_tokens", "use_rslora", "bias"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        TEST_REPORT(json_equal(json_object_get(config[0], same[i]), json_object_get(config[1], same[i])) ||
                        (!json_object_get(config[0], same[i]) && !json_object_get(config[1], same[i])),
                    "%s.%s: %s of adapter_config.json differs", c->model, c->name, same[i]);
    for (int i = 0; i < 2; i++) {
        lt_st_close(&st[i]);
        json_decref(config[i]);
    }
}

static void remove_files(const char *dir) {
    char path[4200];
    static const char *const names[] = {"adapter_model.safetensors", "adapter_config.json"};
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    CHECK(rmdir(dir) == 0);
}

/* Rank 0: writes the values, compares, reads them back. */
static void write_again(const adapter_case *c, bench *b, const float *whole) {
    char dir[] = "/tmp/peft-XXXXXX";
    lt_named view[LT_TUNER_MAX_PARAMS], back[LT_TUNER_MAX_PARAMS];
    const lt_tuner *t = &b->trial.tuner;
    const lt_arch *a = t->arch;
    int64_t n = lt_tuner_trainable(t);
    float *again = malloc((size_t)n * sizeof *again);
    bool head = false, reads_head;
    lt_hf_class cls;
    lt_head_form form = {.readout = c->readout,
                         .pooler = lt_model_has_pooler(b->run.model),
                         .prompt = c->method == LT_METHOD_PROMPT,
                         .bias = c->bias,
                         .own_masks = true};
    lt_peft p = {.arch = a, .cfg = &b->trial_cfg.method, .base = c->model, .cls = lt_hf_class_of(a, &form, &cls) && !c->bare ? &cls : NULL};
    CHECK(mkdtemp(dir) != NULL);
    lt_run_impl_views(&b->run, 0, (float *)(uintptr_t)whole, view);
    CHECK_OK(lt_peft_write(dir, &p, view, t->n_params));
    compare_files(c, dir, b->from);
    for (int64_t i = 0; i < n; i++) again[i] = NAN;
    lt_run_impl_views(&b->run, 0, again, back);
    CHECK_OK(lt_peft_read(dir, &p, back, t->n_params, &reads_head));
    CHECK_INT(reads_head, p.cls != NULL);
    for (int i = 0; i < t->n_params; i++) {
        head = !strncmp(view[i].name, "head.", 5);
        double d = test_max_diff(view[i].data, back[i].data, lt_named_elems(&view[i]));
        TEST_REPORT(head && !p.cls ? isinf(d) : d == 0, "%s.%s: %s read again differs by %g", c->model, c->name, view[i].name, d);
    }
    remove_files(dir);
    free(again);
}

/* ---- what must not be read ---- */

/* Rank 0. */
static void refuse(const adapter_case *c, bench *b, lt_arch *arch) {
    lt_named view[LT_TUNER_MAX_PARAMS];
    const lt_tuner *t = &b->trial.tuner;
    float *whole = calloc((size_t)lt_tuner_trainable(t), sizeof *whole);
    lt_method_cfg m = b->trial_cfg.method;
    lt_peft p = {.arch = arch, .cfg = &m};
    bool head;
    lt_run_impl_views(&b->run, 0, whole, view);
#define REFUSED(field, value, code, text)                                                                                                  \
    do {                                                                                                                                   \
        m = b->trial_cfg.method;                                                                                                           \
        m.field = (value);                                                                                                                 \
        CHECK_FAILS(lt_peft_read(b->from, &p, view, t->n_params, &head), code, text);                                                      \
    } while (0)
    if (c->method == LT_METHOD_LORA) {
        REFUSED(rank, 7, LT_ERR_CONFIG, "set method.rank: 2");
        REFUSED(alpha, 6, LT_ERR_CONFIG, "set method.alpha: 5");
        REFUSED(name, LT_METHOD_PROMPT, LT_ERR_CONFIG, "has peft_type LORA");
        if (m.targets & O) REFUSED(targets, b->trial_cfg.method.targets & ~O, LT_ERR_CONFIG, "updates what this trial does not train");
        REFUSED(targets, b->trial_cfg.method.targets & ~(1 << LT_TARGET_V), LT_ERR_CONFIG,
                c->fused ? "add v to method.targets" : "updates what");
    } else {
        REFUSED(name, LT_METHOD_LORA, LT_ERR_CONFIG, "takes LORA");
    }
    /* another base: of the same layers, but wider */
    m = b->trial_cfg.method;
    arch->C += 8;
    if (c->method != LT_METHOD_LORA) view[0].dim[1] += 8;
    CHECK_FAILS(lt_peft_read(b->from, &p, view, t->n_params, &head), LT_ERR_SHAPE, "belongs to another base");
    arch->C -= 8;
    free(whole);
#undef REFUSED
}

static void check_case(fixture *f, const adapter_case *c) {
    static bench b; /* large */
    static lt_arch arch;
    float *whole = NULL;
    lt_status st = setup(&b, c, f);
    if (st == LT_OK) st = lt_run_impl_import(&b.run, 0);
    CHECK_OK(st);
    if (st == LT_OK) {
        double error = logit_error(&b);
        TEST_REPORT(error <= limit, "%s.%s tp %d: logits differ by %.2g, limit %.1g", c->model, c->name, f->grid.tp_size, error, limit);
        if (getenv("LT_TEST_VERBOSE") && f->grid.rank == 0) printf("%-20s %-7s tp %d: %.1e\n", c->model, c->name, f->grid.tp_size, error);
        CHECK_OK(lt_run_impl_staging(&b.run, &whole));
        CHECK_OK(lt_run_impl_gather(&b.run, 0, LT_PART_VALUE, whole));
        if (f->grid.rank == 0) write_again(c, &b, whole);
        /* negative control: other values are seen */
        for (int64_t i = 0; f->grid.rank == 0 && i < lt_named_elems(&b.tuner->param[0].value); i++) whole[i] *= 1.01f;
        CHECK_OK(lt_run_impl_scatter(&b.run, 0, LT_PART_VALUE, whole));
        CHECK(logit_error(&b) > limit);
        arch = *lt_model_arch(f->model);
        if (f->grid.rank == 0) refuse(c, &b, &arch);
    }
    free(whole);
    teardown(&b);
}

int main(void) {
    fixture f = {0};
    CHECK_OK(lt_comm_init(NULL, NULL, &f.world));
    int size = lt_comm_size(f.world);
    lt_model_limits limits = {
        .tokens = ROWS, .seqs = N_TEXTS, .max_len = 40, .P_max = LENGTH, .slots = 1, .backward = true, .adapters = true, .max_rank = RANK};
    for (int i = 0; i < N_CASES; i++) {
        char dir[4096];
        (void)snprintf(dir, sizeof dir, "%s/%s", LT_GOLDEN, cases[i].model);
        int tp = golden_model_fits(dir, size) ? size : 1;
        if (fixture_open(&f, dir, tp, NULL, LT_F32, limits)) check_case(&f, &cases[i]);
        fixture_close(&f);
    }
    int rc = test_end();
    lt_comm_fini(&f.world);
    return rc;
}
