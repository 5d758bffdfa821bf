/* `ltune eval`: metrics of saved trials on a split; trains nothing. */
#include "app/results.h"

#include <stdio.h>
#include <stdlib.h>

static void print_json(const lt_run *r, const lt_trial *t, const char *split, const lt_metrics *m, const lt_detail *d) {
    json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I}", "name", t->cfg->name, "method", lt_method_of(&t->cfg->method)->name, "split", split,
                          "step", (json_int_t)t->step, "n", (json_int_t)m->n);
    lt_app_put_metrics(o, r, m);
    lt_app_put_detail(o, r, d);
    json_dumpf(o, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(o);
}

static void print_text(const lt_run *r, const lt_trial *t, const char *split, const lt_metrics *m, const lt_detail *d) {
    printf("%-24s %-10s %-10s n %lld  accuracy %.4f  mcc %.4f  f1 %.4f  loss %.4f\n", t->cfg->name, lt_method_of(&t->cfg->method)->name,
           split, (long long)m->n, m->accuracy, m->mcc, m->f1, m->loss);
    lt_app_print_entities(r, m, d);
}

static void print_all(const lt_run *r, const char *split, const bool *loaded, const lt_metrics *m, const int64_t *detail, bool json) {
    const lt_judge *j = lt_run_judge(r);
    for (int i = 0; i < lt_run_n_trials(r); i++) {
        const lt_detail d = lt_detail_view(j->K, j->tags.n_types, detail + i * lt_judge_detail_elems(j));
        if (loaded[i]) (json ? print_json : print_text)(r, lt_run_trial(r, i), split, &m[i], &d);
    }
}

static lt_status run(const lt_app_args *a) {
    lt_config *cfg = NULL;
    lt_run *r = NULL;
    lt_metrics *m = NULL;
    int64_t *detail = NULL;
    bool *loaded = NULL;
    const char *which = lt_cli_value(&a->cli, "checkpoint"), *split = lt_cli_value(&a->cli, "split");
    lt_status st = lt_app_load_config(a, &cfg);
    st = lt_app_agree_config(a, st, cfg);
    if (st != LT_OK) return st;
    if (!which) which = "best";
    if (!split) split = cfg->data.eval;
    st = lt_run_create(cfg, a->world, LT_RUN_EVAL, 0, &r);
    int n = st == LT_OK ? lt_run_n_trials(r) : 0;
    if (st == LT_OK) st = lt_calloc(&m, n, sizeof *m, "metrics");
    if (st == LT_OK) st = lt_calloc(&detail, n * lt_judge_detail_elems(lt_run_judge(r)), sizeof *detail, "details of evaluations");
    if (st == LT_OK) st = lt_calloc(&loaded, n, sizeof *loaded, "metrics");
    st = lt_agree(a->world, st);
    if (st == LT_OK) st = lt_run_load(r, which, 0, n, loaded);
    if (st == LT_OK) st = lt_run_eval(r, split, m, detail);
    if (st == LT_OK) print_all(r, split, loaded, m, detail, lt_cli_value(&a->cli, "json") != NULL);
    free(loaded);
    free(detail);
    free(m);
    lt_run_destroy(&r);
    lt_config_free(&cfg);
    return st;
}

static const lt_cli_option options[] = {{"checkpoint", "WHICH", "best (each trial's own best, default), last, or a checkpoint file", 0},
                                        {"split", "NAME", "a split of data.path (default: data.eval)", 0},
                                        {"json", NULL, "one JSON object a trial on stdout and nothing else there", 0},
                                        {0}};

const lt_app_command lt_app_eval = {
    .cli = {.program = "ltune",
            .name = "eval",
            .summary = "metrics of saved trials on a split",
            .usage = "RUN.yaml [--checkpoint best|last|PATH] [--split NAME] [--json] [key=value ...]",
            .about =
                "Loads what a run has saved and judges it on a split of its data set. The run's files stay as they are.\n"
                "Where labels are IOB tags: entities by type, as seqeval counts them, and in f1_strict as it does in its strict mode.\n"
                "`ltune help metrics` says what each number is.\n",
            .option = options,
            .examples = "mpirun -n 2 ltune eval demo.yaml --checkpoint best --split test\n"
                        "ltune eval demo.yaml --checkpoint runs/demo/ck/step_00000400.h5 --json > test.json\n",
            .settings = true,
            .mpi = true},
    .run = run};
