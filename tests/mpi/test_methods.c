// TEST np: 1 2 3 4  rooms: train  labels: mpi  timeout: 120  ops: guard
/* One training step of every method against goldens: PEFT's prompt and prefix tuning and an independent autograd of L-Tuning's (generators:
 * tests/golden/make_methods.py).  Loss and every gradient, f32 against f64.
 *
 * The step is that of methods_bench.h.  All methods of a kind are trials of one run and share its packs.  Of the first models tp 1, 2 and 4, the other ranks
 * data-parallel, of all families tp as large as the test; once with all rows in one pack, once in many packs.
 *
 * Limits: loss 1e-5 relative; gradients 1e-5 of their largest element, but see scale_of().  LT_TEST_VERBOSE=1 prints what was seen. */
#define LT_TEST_MPI
#include "methods_bench.h"

static const run_case run_cases[] = {
    {"K-way",
     false,
     LT_READ_CLS,
     LT_READ_LAST,
     NULL,
     3,
     {{"head", {.name = LT_METHOD_HEAD}},
      {"prefix", {.name = LT_METHOD_PREFIX, .length = LENGTH}},
      {"prefix_mlp", {.name = LT_METHOD_PREFIX, .length = LENGTH, .mlp = MLP}}}},
    /* PEFT's encoders read the first row of what it is given: a prompt row */
    {"prompt", false, LT_READ_FIRST, LT_READ_LAST, NULL, 1, {{"prompt", {.name = LT_METHOD_PROMPT, .length = LENGTH}}}},
    {"pairs",
     true,
     LT_READ_CLS,
     LT_READ_LAST,
     NULL,
     4,
     {{"lt_prompt", {.name = LT_METHOD_LT_PROMPT}},
      {"lt_prefix_none", {.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_NONE}},
      {"lt_prefix_softmax", {.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_SOFTMAX}},
      {"lt_prefix_scores", {.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_SCORES}}}}};

/* h_y of the labels' tokens under the frozen model. */
static void check_states(const golden *g, fixture *f, const char *model) {
    const double states_limit = 2e-5; /* as for hidden states: test_model_hidden.c */
    float *h = malloc((size_t)(g->P * g->C) * sizeof *h);
    for (int y = 0; y < K; y++) {
        lt_model_states(f->model, 1, g->label_ids + y * g->P, (const int64_t[]){0, g->P}, h);
        double worst = test_max_diff(h, g->states + y * g->P * g->C, g->P * g->C);
        TEST_REPORT(worst <= states_limit, "%s: states of label %d differ by %.2g, limit %.1g", model, y, worst, states_limit);
        /* negative control: those of another label differ */
        CHECK(test_max_diff(h, g->states + (y + 1) % K * g->P * g->C, g->P * g->C) > states_limit);
    }
    free(h);
}

/* `thorough`: with every control and the other ways through a step.  The guard back end computes what cpu does: controls of the comparison are cpu's alone,
 * those that go another way through the model are not. */
static void check_model(fixture *f, const char *dir, const char *model, int tp, bool thorough) {
    golden g;
    if (golden_open(&g, "methods", model)) {
        int64_t all = MAX_TRIALS * (g.T + N_TEXTS * LENGTH), P = g.P > LENGTH ? g.P : LENGTH;
        lt_model_limits limits = {
            .tokens = all, .seqs = MAX_TRIALS * N_TEXTS, .max_len = 32, .P_max = P, .slots = MAX_TRIALS * K, .backward = true};
        if (fixture_open(f, dir, tp, NULL, LT_F32, limits)) {
            bool compares = strcmp(lt_model_ctx(f->model)->ops->name, "guard") != 0;
            check_states(&g, f, model);
            for (size_t i = 0; i < sizeof run_cases / sizeof *run_cases; i++) {
                const run_case *c = &run_cases[i];
                step(&g, c, f, model, all, NONE, false);
                if (compares) step(&g, c, f, model, all, OTHER_VALUE, false);
                if (!thorough) continue;
                step(&g, c, f, model, MANY_PACKS, NONE, false);
                if (i == 0) step(&g, c, f, model, all, NONE, true); /* with a `head` trial */
                step(&g, c, f, model, all, OTHER_READOUT, false);
                if (compares && c->pairs) step(&g, c, f, model, all, OTHER_CANDIDATE, false);
            }
        }
        fixture_close(f);
    }
    golden_close(&g);
}

static bool wanted(const golden_model *g) { return g->methods; }

int main(void) { return bench_main(wanted, check_model); }
