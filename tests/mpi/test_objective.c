// TEST np: 1 2 4  rooms: train  labels: mpi  timeout: 60  ops: guard
/* One training step that learns from all labels of a sentence (method.objective: all) against goldens (generator: tests/golden/make_objective.py): loss and
 * every gradient of both L-Tuning methods, f32 against f64.
 *
 * The step is that of methods_bench.h.  The methods are trials of one run and share its packs, at every tp that divides the ranks, the others data-parallel;
 * once with all rows in one pack, once with packs as small as a sentence's candidates allow.  Limits as in test_methods.c. */
#define LT_TEST_MPI
#include "methods_bench.h"

#define ALL_LABELS .objective = LT_OBJECTIVE_ALL

static const run_case all_labels = {"all labels",
                                    false, /* a text's label is its class */
                                    LT_READ_CLS,
                                    LT_READ_LAST,
                                    NULL,
                                    4,
                                    {{"lt_prompt", {.name = LT_METHOD_LT_PROMPT, ALL_LABELS}},
                                     {"lt_prefix_none", {.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_NONE, ALL_LABELS}},
                                     {"lt_prefix_softmax", {.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_SOFTMAX, ALL_LABELS}},
                                     {"lt_prefix_scores", {.name = LT_METHOD_LT_PREFIX, .pooling = LT_POOLING_SCORES, ALL_LABELS}}}};

static bool objective_open(golden *g, const char *model) {
    char path[4096];
    if (!golden_open(g, "methods", model)) return false;
    (void)snprintf(path, sizeof path, "%s/objective_%s.h5", LT_GOLDEN, model);
    lt_status st = lt_h5_open(path, &g->values);
    CHECK_OK(st);
    return st == LT_OK;
}

static void check_model(fixture *f, const char *dir, const char *model, int tp) {
    golden g;
    if (objective_open(&g, model)) {
        lt_samples s;
        make_samples(&g, &all_labels, &s);
        int64_t all = MAX_TRIALS * K * (g.T + N_TEXTS * g.P), least = K * (s.max_len + g.P);
        lt_model_limits limits = {.tokens = all,
                                  .seqs = MAX_TRIALS * K * N_TEXTS,
                                  .max_len = s.max_len + g.P,
                                  .P_max = g.P,
                                  .slots = MAX_TRIALS * K,
                                  .backward = true};
        lt_samples_destroy(&s);
        if (fixture_open(f, dir, tp, NULL, LT_F32, limits)) {
            step(&g, &all_labels, f, model, all, NONE, false);
            step(&g, &all_labels, f, model, least, NONE, false);
            step(&g, &all_labels, f, model, all, OTHER_READOUT, false);
            if (strcmp(lt_model_ctx(f->model)->ops->name, "guard") != 0) {
                step(&g, &all_labels, f, model, all, OTHER_LABEL, false);
                step(&g, &all_labels, f, model, all, OTHER_VALUE, false);
            }
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
