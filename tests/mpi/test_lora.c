// TEST np: 1 2 3 4  rooms: train  labels: mpi  timeout: 120  ops: guard
/* One training step of LoRA against goldens (generator: tests/golden/make_lora.py; by PEFT and by a forward of its own): loss and every gradient, f32 against
 * f64, for every matrix that a family has.
 *
 * The step is that of methods_bench.h.  Two trials of different rank, scaling and matrices share the packs; in some settings rows are pooled or each has a
 * class, layers are unmasked (with and without windows), or a prefix is the third trial.  Of the first models every tp that divides the ranks, the others
 * data-parallel, of all families tp as large as the test; once with all rows in one pack, once in many packs.
 *
 * Limits: loss 1e-5 relative; gradients 1e-5 of their largest element, but see scale_of().  LT_TEST_VERBOSE=1 prints what was seen. */
#define LT_TEST_MPI
#include "methods_bench.h"

enum { ALL = (1 << LT_TARGET_COUNT) - 1, MAX_RANK = 4, ALL_LAYERS = 99 };
static const int some_layers[] = {1, 2};

/* The trials of methods_lora.py.  `all` has a gate only where the model does. */
static const method_case lora_all = {"all", {.name = LT_METHOD_LORA, .rank = 3, .alpha = 5, .targets = ALL}};
static const method_case lora_some = {"some",
                                      {.name = LT_METHOD_LORA,
                                       .rank = 2,
                                       .alpha = 3,
                                       .scaling = LT_SCALING_RSLORA,
                                       .targets = 1 << LT_TARGET_K | 1 << LT_TARGET_O | 1 << LT_TARGET_DOWN}};
static const method_case lora_qv = {"qv", {.name = LT_METHOD_LORA, .rank = 4, .alpha = 8, .targets = 1 << LT_TARGET_Q | 1 << LT_TARGET_V}};
static const method_case prefix = {"prefix", {.name = LT_METHOD_PREFIX, .length = LENGTH}};

/* A setting of the golden: its read-out, and which layers see both ways (0: none, ALL_LAYERS, or 1: some_layers). */
typedef struct setting {
    const char *name;
    lt_readout encoder, decoder;
    int both_ways;
    const method_case *trial[MAX_TRIALS];
} setting;

static const setting settings[] = {
    {"default", LT_READ_CLS, LT_READ_LAST, 0, {&lora_all, &lora_some}},
    {"mean", LT_READ_MEAN, LT_READ_MEAN, 0, {&lora_qv, &lora_some}},
    {"max", LT_READ_MAX, LT_READ_MAX, 0, {&lora_qv, &lora_some}},
    {"tokens", LT_READ_TOKENS, LT_READ_TOKENS, 0, {&lora_qv, &lora_some}},
    {"both_ways", LT_READ_MEAN, LT_READ_MEAN, ALL_LAYERS, {&lora_qv, &lora_some, &prefix}},
    {"some_layers", LT_READ_LAST, LT_READ_LAST, 1, {&lora_qv, &lora_some}},
};

static run_case case_of(const setting *s, const lt_arch *arch) {
    run_case c = {.what = s->name, .encoder = s->encoder, .decoder = s->decoder, .setting = s->name};
    int64_t N, W;
    for (; c.n < MAX_TRIALS && s->trial[c.n]; c.n++) {
        c.method[c.n] = *s->trial[c.n];
        if (!lt_arch_target(arch, LT_TARGET_GATE, &N, &W)) c.method[c.n].method.targets &= ~(1 << LT_TARGET_GATE);
    }
    return c;
}

/* The flags of the layers, or NULL: as the architecture. */
static const int *flags_of(int both_ways, const lt_arch *arch, int flag[64]) {
    CHECK(arch->m <= 64);
    for (int l = 0; l < arch->m; l++) flag[l] = both_ways == ALL_LAYERS || (both_ways && (l == some_layers[0] || l == some_layers[1]));
    return both_ways ? flag : NULL;
}

/* DeBERTa's goldens have texts of their own; the others share those of the other methods. */
static bool has_texts(const char *model) { return strstr(model, "deberta") != NULL; }

static bool lora_open(golden *g, const char *model) {
    char path[4096];
    int64_t t[1] = {-1};
    if (!golden_open(g, has_texts(model) ? "lora" : "methods", model)) return false;
    (void)snprintf(path, sizeof path, "%s/lora_%s.h5", LT_GOLDEN, model);
    lt_status st = lt_h5_open(path, &g->values);
    if (st == LT_OK) st = lt_h5_read(g->values, "classes", LT_I32, 1, t, &g->row_class);
    CHECK_OK(st);
    return st == LT_OK;
}

/* One setting; `mask` is what the model does, which for a control is not what the golden says. */
static void check_setting(fixture *f, const golden *g, const char *dir, const char *model, int tp, const setting *s, int mask,
                          bool thorough) {
    static lt_arch arch; /* large */
    int flag[64];
    int64_t all = MAX_TRIALS * (g->T + N_TEXTS * LENGTH);
    lt_model_limits limits = {.tokens = all,
                              .seqs = MAX_TRIALS * N_TEXTS,
                              .max_len = 32,
                              .P_max = LENGTH,
                              .slots = 1,
                              .backward = true,
                              .adapters = true,
                              .max_rank = MAX_RANK};
    CHECK_OK(lt_arch_read(dir, &arch));
    run_case c = case_of(s, &arch);
    if (fixture_open(f, dir, tp, flags_of(mask, &arch, flag), LT_F32, limits)) {
        bool compares = strcmp(lt_model_ctx(f->model)->ops->name, "guard") != 0;
        if (mask != s->both_ways) {
            step(g, &c, f, model, all, OTHER_MASK, false);
        } else {
            step(g, &c, f, model, all, NONE, false);
            step(g, &c, f, model, MANY_PACKS, NONE, false);
            if (compares) step(g, &c, f, model, all, OTHER_VALUE, false);
            if (compares && thorough && s == settings) step(g, &c, f, model, all, OTHER_READOUT, false);
        }
    }
    fixture_close(f);
}

static void check_model(fixture *f, const char *dir, const char *model, int tp, bool thorough) {
    golden g;
    if (lora_open(&g, model))
        for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
            const setting *s = &settings[i];
            if (!lt_h5_has(g.values, s->name)) continue;
            check_setting(f, &g, dir, model, tp, s, s->both_ways, thorough);
            if (s->both_ways) check_setting(f, &g, dir, model, tp, s, 0, thorough);
        }
    golden_close(&g);
}

static bool wanted(const golden_model *g) { return g->methods || has_texts(g->golden); }

int main(void) { return bench_main(wanted, check_model); }
