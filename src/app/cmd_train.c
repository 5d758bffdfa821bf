/* `ltune train`: trains every trial of a run, then prints what came out. */
#include "app/results.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>

static json_t *point_json(const lt_run *r, int trial, bool best, const char *split) {
    const lt_eval_point *p = best ? &lt_run_trial(r, trial)->best : &lt_run_trial(r, trial)->last;
    lt_detail d;
    if (p->step < 0) return json_null();
    json_t *o = json_pack("{s:I, s:s}", "step", (json_int_t)p->step, "split", split);
    lt_app_put_metrics(o, r, &p->metrics);
    if (lt_run_detail(r, trial, best, &d)) lt_app_put_detail(o, r, &d);
    return o;
}

/* What a step asked of the GPU. */
static json_t *gpu_json(const lt_gpu_counts *c, double steps) {
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "launches_per_step", (double)c->launches / steps, "products_per_step",
                     (double)c->products / steps, "copies_per_step", (double)c->copies / steps, "waits_per_step", (double)c->waits / steps,
                     "allocs_per_step", (double)c->allocs / steps, "bytes_to_device_per_step", (double)c->bytes_to_device / steps,
                     "bytes_to_host_per_step", (double)c->bytes_to_host / steps, "asks_per_step", (double)c->asks / steps);
}

static void print_json(const lt_run *r, const lt_config *cfg) {
    const lt_run_rates *rates = lt_run_get_rates(r);
    const lt_grid *g = lt_run_grid(r);
    double s = rates->seconds > 0 ? rates->seconds : 1;
    json_t *trials = json_array();
    int64_t steps = 0;
    size_t now, peak;
    lt_mem_resident(&now, &peak);
    for (int i = 0; i < lt_run_n_trials(r); i++) {
        const lt_trial *t = lt_run_trial(r, i);
        if (t->step > steps) steps = t->step;
        json_array_append_new(trials, json_pack("{s:s, s:s, s:I, s:s, s:I, s:o, s:o}", "name", t->cfg->name, "method",
                                                lt_method_of(&t->cfg->method)->name, "trainable", (json_int_t)lt_tuner_trainable(&t->tuner),
                                                "state", lt_trial_state_text(t->state), "steps", (json_int_t)t->step, "best",
                                                point_json(r, i, true, cfg->data.eval), "last", point_json(r, i, false, cfg->data.eval)));
    }
    json_t *root = json_pack(
        "{s:s, s:i, s:i, s:i, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:o}", "run", cfg->run.dir, "ranks", g->size,
        "tp", g->tp_size, "dp", g->dp_size, "dtype", lt_dtype_word(lt_run_dtype(r)), "steps", (json_int_t)steps, "seconds", rates->seconds,
        "tokens_per_s", (double)rates->tokens / s, "sentences_per_s", (double)rates->sentences / s, "t_compute", rates->compute_s, "t_comm",
        rates->comm_s, "t_data", rates->data_s, "t_io", rates->io_s, "t_linear", rates->linear_s, "t_attention", rates->attention_s,
        "memory_peak", (json_int_t)peak, "memory_planned", (json_int_t)lt_run_get_estimate(r)->total, "trials", trials);
    if (rates->gpu.launches && rates->steps) json_object_set_new(root, "gpu", gpu_json(&rates->gpu, (double)rates->steps));
    json_dumpf(root, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
}

/* What was resident at most, beside what was foretold. */
static void print_memory(const lt_run *r) {
    size_t now, peak;
    char a[32], b[32];
    lt_mem_resident(&now, &peak);
    printf("memory: at most %s resident on rank 0, %s planned\n", lt_bytes_str(a, (double)peak),
           lt_bytes_str(b, (double)lt_run_get_estimate(r)->total));
}

static void print_table(const lt_run *r, const lt_config *cfg) {
    const lt_run_rates *rates = lt_run_get_rates(r);
    printf("%-24s %-10s %10s %8s %9s %8s %8s %8s  %s\n", "trial", "method", "trainable", "step", "accuracy", "mcc", "f1", "loss", "state");
    for (int i = 0; i < lt_run_n_trials(r); i++) {
        const lt_trial *t = lt_run_trial(r, i);
        const lt_metrics *m = &t->best.metrics;
        printf("%-24s %-10s %10lld ", t->cfg->name, lt_method_of(&t->cfg->method)->name, (long long)lt_tuner_trainable(&t->tuner));
        if (t->best.step < 0)
            printf("%8s %9s %8s %8s %8s  %s\n", "-", "-", "-", "-", "-", lt_trial_state_text(t->state));
        else
            printf("%8lld %9.4f %8.4f %8.4f %8.4f  %s\n", (long long)t->best.step, m->accuracy, m->mcc, m->f1, m->loss,
                   lt_trial_state_text(t->state));
    }
    printf("best on split \"%s\"; ", cfg->data.eval);
    if (rates->seconds > 0)
        printf("%.0f sentences/s, %.0f tokens/s over %lld steps of training (all trials, all ranks)\n",
               (double)rates->sentences / rates->seconds, (double)rates->tokens / rates->seconds, (long long)rates->steps);
    else
        printf("nothing was left to train\n");
    print_memory(r);
    printf("files: %s/run.h5 (metrics), %s/ck (checkpoints)\n", cfg->run.dir, cfg->run.dir);
}

static lt_status run(const lt_app_args *a) {
    lt_config *cfg = NULL;
    lt_run *r = NULL;
    lt_status st = lt_app_load_config(a, &cfg);
    st = lt_app_agree_config(a, st, cfg);
    if (st == LT_OK) st = lt_run_create(cfg, a->world, LT_RUN_TRAIN, 0, &r);
    if (st == LT_OK) st = lt_run_train(r);
    if (st == LT_OK) {
        if (lt_cli_value(&a->cli, "json"))
            print_json(r, cfg);
        else
            print_table(r, cfg);
    }
    lt_run_destroy(&r);
    lt_config_free(&cfg);
    return st;
}

static const lt_cli_option options[] = {{"json", NULL, "one JSON object with the results on stdout and nothing else there", 0}, {0}};

const lt_app_command lt_app_train = {
    .cli = {.program = "ltune",
            .name = "train",
            .summary = "train all trials of a run; continues by itself where it stopped",
            .usage = "RUN.yaml [key=value ...] [--json]",
            .about = "Trains every trial of the run on one frozen base. When run.dir holds a checkpoint of the same configuration, "
                     "training continues\n"
                     "from it. key=value overrides a key of the file (`ltune help config` lists them).\n\n"
                     "SIGTERM or SIGUSR1: the state is saved and the exit code is 75; the same command continues. (To Open MPI's mpirun "
                     "send USR1:\n"
                     "after TERM it gives an exit code of its own.)\n",
            .option = options,
            .examples = "ltune train demo.yaml\n"
                        "mpirun -n 2 ltune train demo.yaml parallel.tp=2 train.lr=1e-3\n"
                        "mpirun -n 8 ltune train demo.yaml 'sweep={train.lr: [1e-3, 1e-2]}' --json > result.json\n",
            .settings = true,
            .mpi = true},
    .stops = true,
    .run = run};
