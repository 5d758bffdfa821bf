/* `ltune plan`: memory, work and expected time of a run; starts no job and reads no weights. */
#include "app/app.h"

#include "train/run.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static void print_plan(const lt_app_args *a, lt_run *r) {
    const lt_run_estimate *e = lt_run_get_estimate(r);
    const lt_grid *g = lt_run_grid(r);
    char p[32], w[32], x[32], t[32], c[32], h[32], all[32], node[32], shared[32], cut[512];
    double gflop = 1e-9 * e->flops_per_token * e->tokens_per_step;
    double step_s = e->gflops > 0 ? gflop * e->uneven / (e->gflops * g->size) : 0;
    lt_arch_describe_cut(lt_model_arch(lt_run_model(r)), g->tp_size, cut, sizeof cut);
    if (lt_cli_value(&a->cli, "json")) {
        json_t *o = json_pack("{s:i, s:i, s:i, s:s, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:I, s:f, s:f, s:f, s:f, s:I}",
                              "ranks", g->size, "tp", g->tp_size, "dp", g->dp_size, "dtype", lt_dtype_word(lt_run_dtype(r)), "cut", cut,
                              "uneven", e->uneven, "process_bytes", (json_int_t)e->process, "weights_bytes", (json_int_t)e->weights,
                              "activations_bytes", (json_int_t)e->activations, "trials_bytes", (json_int_t)e->trials, "assistant_bytes",
                              (json_int_t)e->assistant, "comm_bytes", (json_int_t)e->comm, "total_bytes", (json_int_t)e->total,
                              "weights_shared", e->weights_shared, "node_bytes", (json_int_t)e->node, "node_shared_bytes",
                              (json_int_t)e->node_shared, "tokens_per_step", e->tokens_per_step, "gflop_per_step", gflop, "gflops_per_rank",
                              e->gflops, "step_s", step_s, "steps", (json_int_t)e->steps);
        json_dumpf(o, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(o);
        return;
    }
    printf("layout       %d ranks = tp %d x dp %d, %s\n", g->size, g->tp_size, g->dp_size, lt_dtype_word(lt_run_dtype(r)));
    if (cut[0])
        printf("cut          %s: the rank with most has %.1f %% more than the mean; memory/rank is its\n", cut, 100 * (e->uneven - 1));
    printf("memory/rank  process %s, weights %s, activations %s, trials %s%s%s, communication %s: together %s\n",
           lt_bytes_str(p, (double)e->process), lt_bytes_str(w, (double)e->weights), lt_bytes_str(x, (double)e->activations),
           lt_bytes_str(t, (double)e->trials), e->assistant ? ", assistant " : "",
           e->assistant ? lt_bytes_str(h, (double)e->assistant) : "", lt_bytes_str(c, (double)e->comm),
           lt_bytes_str(all, (double)e->total));
    printf("memory/node  %s if all %d ranks are on one", lt_bytes_str(node, (double)e->node), g->size);
    if (e->weights_shared)
        printf(": the weights count once for its %d data-parallel ranks (%s of /dev/shm)", g->dp_size,
               lt_bytes_str(shared, (double)e->node_shared));
    printf("\n");
    printf("trials       %d, %.0f sentences and about %.0f tokens a step, %lld steps\n", lt_run_n_trials(r), e->sentences_per_step,
           e->tokens_per_step, (long long)e->steps);
    printf("work         %.1f MFLOP a token (4N), %.1f GFLOP a step\n", 1e-6 * e->flops_per_token, gflop);
    if (e->gflops <= 0) {
        printf("time         not foretold for GPUs\n");
        return;
    }
    printf("time         %.3f s a step if every rank reaches the %.0f GFLOP/s in matrix products measured here, %.1f min in all\n", step_s,
           e->gflops, step_s * (double)e->steps / 60);
}

static lt_status parse_ranks(const lt_app_args *a, int fallback, int *ranks) {
    int64_t n;
    LT_TRY(lt_cli_int(&a->cli, "ranks", 1, 1000000, fallback, &n));
    *ranks = (int)n;
    return LT_OK;
}

static lt_status run(const lt_app_args *a) {
    lt_config *cfg = NULL;
    lt_run *r = NULL;
    int ranks = 0;
    lt_status st = lt_app_load_config(a, &cfg);
    if (st == LT_OK) st = parse_ranks(a, cfg->parallel.tp, &ranks);
    st = lt_agree(a->world, st);
    if (st == LT_OK) st = lt_run_create(cfg, a->world, LT_RUN_PLAN, ranks, &r);
    if (st == LT_OK) print_plan(a, r);
    lt_run_destroy(&r);
    lt_config_free(&cfg);
    return st;
}

static const lt_cli_option options[] = {{"ranks", "R", "ranks that the job would have (default: parallel.tp)", 0},
                                        {"json", NULL, "one JSON object on stdout and nothing else there", 0},
                                        {0}};

const lt_app_command lt_app_plan = {.cli = {.program = "ltune",
                                            .name = "plan",
                                            .summary = "memory per rank, FLOPs, expected time; starts no job",
                                            .usage = "RUN.yaml [--ranks R] [--json] [key=value ...]",
                                            .about = "Reads the configuration, the data set and the model's headers, and times one matrix "
                                                     "product. No weights are read, and one process\n"
                                                     "is enough whatever R is.\n",
                                            .option = options,
                                            .examples = "ltune plan demo.yaml --ranks 8 parallel.tp=2\n",
                                            .settings = true,
                                            .mpi = true},
                                    .run = run};
