/* Short training runs of a tiny model, a trial of each method, on the device and on the CPU.
 *
 * The runs are whole ones (train/run.h): files are read and written, packs made, methods' parameters learned.  Compared are the losses of every step and trial
 * in the run log: between device and CPU, between layouts, and bit for bit between a run and itself, gone back to its second step (ways of products are
 * measured by the clock, and a run that goes on has those of its checkpoint).
 *
 * Limits, as differences of losses (which are about 0.7): f32 1e-4; rounding, which grows along the steps, made 4e-7 between the CPU and an emulated
 * GPU.  bf16: half a step in 2^-8 of every operand makes noise that depends on the order of sums; a run in bf16 may be as far from one in f32 on the CPU
 * as twice what bf16 on the CPU is, and 0.01; fp8 likewise, and 0.05. */
#include "check/check_impl.h"
#include "check/toy_impl.h"

#include "base/mem.h"
#include "store/runlog.h"
#include "train/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRIALS = 5, STEPS = 20, QUICK_STEPS = 5, BACK_TO = 2 };
static const double f32_limit = 1e-4, bf16_least = 0.01, fp8_least = 0.05;

typedef struct losses {
    int steps;
    double at[TRIALS][STEPS];
} losses;

int lt_check_impl_tp(lt_comm *world) {
    int size = lt_comm_size(world), best = 1;
    for (int tp = 2; tp <= LT_TOY_HEADS; tp++) {
        bool fits = size % tp == 0;
        for (int r = 0; fits && r < size; r += tp) fits = lt_comm_node(world, r) == lt_comm_node(world, r + tp - 1);
        if (fits) best = tp;
    }
    return best;
}

/* Rank 0. */
static lt_status read_losses(const char *dir, losses *out) {
    char path[480];
    lt_runlog *log = NULL;
    (void)snprintf(path, sizeof path, "%s/run/run.h5", dir);
    LT_TRY(lt_runlog_open(path, 0, &log));
    lt_status st = LT_OK;
    if (lt_runlog_trials(log) != TRIALS) st = LT_FAIL(LT_ERR_INTERNAL, "the run log has %d trials, not %d", lt_runlog_trials(log), TRIALS);
    for (int t = 0; st == LT_OK && t < TRIALS; t++) {
        int64_t n = 0;
        const lt_train_row *row = lt_runlog_train(log, t, &n);
        if (n != out->steps) st = LT_FAIL(LT_ERR_INTERNAL, "the run log has %lld steps, not %d", (long long)n, out->steps);
        for (int i = 0; st == LT_OK && i < out->steps; i++) out->at[t][i] = row[i].loss;
    }
    lt_runlog_close(&log);
    return st;
}

static lt_status train(lt_check *k, const lt_config *cfg) {
    lt_run *r = NULL;
    LT_TRY(lt_run_create(cfg, k->world, LT_RUN_TRAIN, 0, &r));
    lt_status st = lt_run_train(r);
    lt_run_destroy(&r);
    return st;
}

/* Collective(world).  One run; device: a word of run.device, or a table that LT_OPS names and run.device does not know; again: the run that was there goes back
 * to step BACK_TO and repeats what came after. */
static lt_status one_run(lt_check *k, const lt_toy *toy, const char *device, const char *dtype, int tp, bool again, losses *out) {
    char path[480], set[4][64], from[560];
    const char *over[7] = {set[0], set[1], set[2], set[3], from, "train.checkpoint_every=2", "train.keep=100"};
    lt_config *cfg = NULL;
    *out = (losses){.steps = k->quick ? QUICK_STEPS : STEPS};
    (void)snprintf(path, sizeof path, "%s/run.yaml", toy->dir);
    (void)snprintf(set[0], sizeof set[0], "run.device=%s", getenv("LT_OPS") ? "cpu" : device);
    (void)snprintf(set[1], sizeof set[1], "model.dtype=%s", dtype);
    (void)snprintf(set[2], sizeof set[2], "parallel.tp=%d", tp);
    (void)snprintf(set[3], sizeof set[3], "train.steps=%d", out->steps);
    (void)snprintf(from, sizeof from, again ? "run.resume=%s/run/ck/step_%08d.h5" : "run.resume=never", toy->dir, BACK_TO);
    lt_status st = lt_agree(k->world, lt_config_load(path, 7, over, &cfg));
    if (st == LT_OK) st = train(k, cfg);
    if (st == LT_OK) st = lt_agree(k->world, lt_comm_rank(k->world) == 0 ? read_losses(toy->dir, out) : LT_OK);
    if (st == LT_OK) lt_bcast_host(k->world, out, sizeof *out, 0);
    lt_config_free(&cfg);
    return st;
}

/* LT_OPS names a table for tests and would win over run.device: the CPU's runs go without it. */
static lt_status run_on_cpu(lt_check *k, const lt_toy *toy, const char *dtype, losses *out) {
    const char *given = getenv("LT_OPS");
    char kept[64] = "";
    if (given) {
        (void)snprintf(kept, sizeof kept, "%s", given);
        (void)unsetenv("LT_OPS");
    }
    lt_status st = one_run(k, toy, "cpu", dtype, 1, false, out);
    if (given) (void)setenv("LT_OPS", kept, 1);
    return st;
}

static double apart(const losses *a, const losses *b) {
    double worst = 0;
    for (int t = 0; t < TRIALS; t++)
        for (int i = 0; i < a->steps; i++) {
            double d = fabs(a->at[t][i] - b->at[t][i]);
            worst = isnan(d) ? INFINITY : fmax(worst, d);
        }
    return worst;
}

static void print_losses(const lt_check *k, const losses *cpu, const losses *device) {
    static const char *const trial[TRIALS] = {"lt_prefix", "lt_prompt", "prefix", "prompt", "lora"};
    lt_check_heading(k, "  %-10s %6s %12s %12s\n", "trial", "step", "cpu", k->device->ops->name);
    for (int t = 0; t < TRIALS; t++)
        for (int i = 0; i < cpu->steps; i += cpu->steps - 1)
            lt_check_heading(k, "  %-10s %6d %12.7f %12.7f\n", trial[t], i + 1, cpu->at[t][i], device->at[t][i]);
}

/* f32 in one layout, beside the CPU's. */
static void check_f32(lt_check *k, const lt_toy *toy, int tp, const losses *cpu) {
    losses once, again;
    int dp = lt_comm_size(k->world) / tp;
    lt_status st = one_run(k, toy, k->device->ops->name, "f32", tp, false, &once);
    if (st == LT_OK && lt_check_breaks(k, "training")) once.at[TRIALS / 2][once.steps / 2] += 10 * f32_limit;
    if (st == LT_OK && tp == 1) print_losses(k, cpu, &once);
    lt_check_add(k, "training", st, st == LT_OK ? apart(&once, cpu) : INFINITY, f32_limit, "f32, tp %d x dp %d: losses against the CPU's",
                 tp, dp);
    if (st == LT_OK) st = one_run(k, toy, k->device->ops->name, "f32", tp, true, &again);
    lt_check_add(k, "training", st, st == LT_OK ? apart(&once, &again) : INFINITY, 0,
                 "f32, tp %d x dp %d: gone back to step 2, the same bits", tp, dp);
}

/* A coarser type, one layout: as far from f32 on the CPU as the same type is there, twice, or a floor. */
static void check_coarse(lt_check *k, const lt_toy *toy, const char *dtype, double least, const losses *cpu) {
    losses here, there, again;
    lt_status st = run_on_cpu(k, toy, dtype, &there);
    if (st == LT_OK) st = one_run(k, toy, k->device->ops->name, dtype, 1, false, &here);
    double noise = st == LT_OK ? apart(&there, cpu) : 0;
    lt_check_add(k, "training", st, st == LT_OK ? apart(&here, cpu) : INFINITY, fmax(least, 2 * noise), "%s: losses against f32 on the CPU",
                 dtype);
    if (st == LT_OK) st = one_run(k, toy, k->device->ops->name, dtype, 1, true, &again);
    lt_check_add(k, "training", st, st == LT_OK ? apart(&here, &again) : INFINITY, 0, "%s: gone back to step 2, the same bits", dtype);
}

void lt_check_training(lt_check *k) {
    lt_toy toy = {0};
    losses cpu;
    int tp = lt_check_impl_tp(k->world);
    lt_check_heading(k, "\ntraining of a tiny model, %d steps, trials of 5 methods: largest difference of losses\n",
                     k->quick ? QUICK_STEPS : STEPS);
    lt_status st = lt_check_impl_toy_create(k->world, k->scratch, &toy);
    if (st == LT_OK) st = run_on_cpu(k, &toy, "f32", &cpu);
    if (st == LT_OK) {
        check_f32(k, &toy, 1, &cpu);
        if (tp > 1) check_f32(k, &toy, tp, &cpu);
        if (!k->quick) check_coarse(k, &toy, "bf16", bf16_least, &cpu);
        if (!k->quick) check_coarse(k, &toy, "fp8", fp8_least, &cpu);
    } else {
        lt_check_add(k, "training", st, INFINITY, f32_limit, "f32 on the CPU");
    }
    lt_check_impl_toy_destroy(&toy);
}
