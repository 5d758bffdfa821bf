/* `ltune selftest`: whether this installation computes what it should here, as lines that a bug report can hold. */
#include "app/app.h"

#include "base/log.h"
#include "check/check.h"
#include "kernels/cpu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* What stands at the head, as text and for JSON. */
typedef struct head {
    char *ranks, *gpus; /* lines */
    char library[120];  /* of GPUs */
    struct utsname kernel;
} head;

static lt_status read_head(lt_comm *world, const lt_device *d, head *h) {
    const lt_gpu_info *g = &d->info;
    *h = (head){0};
    (void)uname(&h->kernel);
    LT_TRY(lt_comm_describe(world, lt_comm_default_threads(world, 0), &h->ranks));
    LT_TRY(lt_device_describe(world, d, &h->gpus));
    if (d->index >= 0)
        (void)snprintf(h->library, sizeof h->library, "driver %d, CUDA runtime %d, cuBLAS %d, NCCL %d", g->driver, g->runtime, g->blas,
                       g->coll);
    return LT_OK;
}

static void print_head(const lt_device *d, const head *h) {
    printf("ltune %s (git %s), compiled by gcc %s\n", LT_VERSION, LT_GIT[0] ? LT_GIT : "unknown", __VERSION__);
    printf("system    %s %s %s\n", h->kernel.sysname, h->kernel.release, h->kernel.machine);
    printf("device    %s%s%s, CPU kernels for %s\n", lt_device_word(d), h->library[0] ? ": " : "", h->library,
           lt_cpu_level_name(lt_cpu_level_now()));
    printf("ranks\n%s\n%s", h->ranks, h->gpus);
}

static json_t *rows_json(const lt_check *k) {
    json_t *rows = json_array();
    for (int i = 0; i < k->n; i++) {
        const lt_check_row *r = &k->row[i];
        json_t *o = json_pack("{s:s, s:s, s:o, s:f, s:b}", "section", r->section, "what", r->what, "measured", lt_app_number(r->measured),
                              "limit", r->limit, "ok", r->ok);
        if (!r->ok) json_object_set_new(o, "why", json_string(r->why));
        json_array_append_new(rows, o);
    }
    return rows;
}

static json_t *speeds_json(const lt_check *k) {
    json_t *speeds = json_array();
    for (int i = 0; i < k->n_speeds; i++) {
        const lt_check_speed *s = &k->speed[i];
        json_array_append_new(speeds,
                              json_pack("{s:s, s:f, s:s, s:s}", "what", s->what, "value", s->value, "unit", s->unit, "note", s->note));
    }
    return speeds;
}

static void print_json(const lt_check *k, const lt_device *d, const head *h) {
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:o, s:o}", "version", LT_VERSION, "git", LT_GIT, "device",
                          lt_device_word(d), "gpus", h->gpus, "libraries", h->library, "hosts", h->ranks, "system", h->kernel.release,
                          "ranks", lt_comm_size(k->world), "passed", k->n - k->failed, "failed", k->failed, "checks", rows_json(k),
                          "speeds", speeds_json(k));
    json_dumpf(o, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(o);
}

static lt_status parse_device(const lt_app_args *a, lt_device_kind *kind) {
    static const char *const words[] = {"auto", "cpu", "cuda", "cuda-emulated"}; /* in the order of lt_device_kind */
    const char *given = lt_cli_value(&a->cli, "device");
    *kind = LT_DEVICE_AUTO;
    for (int i = 0; given && i < 4; i++)
        if (!strcmp(given, words[i])) {
            *kind = (lt_device_kind)i;
            return LT_OK;
        }
    LT_CHECK(!given, LT_ERR_ARG, "--device is \"%s\"; known: auto, cpu, cuda, cuda-emulated", given);
    return LT_OK;
}

lt_status lt_app_open_device(const lt_app_args *a, lt_device *d) {
    lt_device_kind kind;
    LT_CHECK(a->cli.n_words == 0, LT_ERR_ARG, "%s takes no words, found \"%s\"", a->program, a->cli.word[0]);
    LT_TRY(parse_device(a, &kind));
    return lt_device_open(a->world, kind, true, d);
}

static const struct {
    const char *name;
    void (*check)(lt_check *k);
} sections[] = {{"ops", lt_check_ops},
                {"gradients", lt_check_gradients},
                {"collectives", lt_check_collectives},
                {"training", lt_check_training},
                {"speeds", lt_check_speeds}};
enum { N_SECTIONS = sizeof sections / sizeof *sections };

static lt_status check_words(const char *only, const char *broken) {
    bool known = !only;
    for (int i = 0; i < N_SECTIONS; i++) known = known || !strcmp(only, sections[i].name);
    LT_CHECK(known, LT_ERR_ARG, "--only is \"%s\"; known: ops, gradients, collectives, training, speeds", only);
    LT_CHECK(!broken || lt_check_can_break(broken), LT_ERR_ARG, "--break is \"%s\"; known: collectives, training, and every op", broken);
    return LT_OK;
}

static lt_status run(const lt_app_args *a) {
    lt_device device;
    head h = {0};
    bool json = lt_cli_value(&a->cli, "json") != NULL;
    const char *broken = lt_cli_value(&a->cli, "break"), *only = lt_cli_value(&a->cli, "only");
    LT_TRY(check_words(only, broken));
    LT_TRY(lt_app_open_device(a, &device));
    lt_log_limit(LT_LOG_WARN);
    lt_check k = {.world = a->world, .device = &device, .broken = broken, .out = json ? NULL : stdout};
    k.quick = lt_cli_value(&a->cli, "quick") != NULL;
    k.scratch = lt_cli_value(&a->cli, "scratch");
    lt_status st = read_head(a->world, &device, &h);
    if (st == LT_OK) {
        if (!json) print_head(&device, &h);
        for (int i = 0; i < N_SECTIONS; i++)
            if (!only || !strcmp(only, sections[i].name)) sections[i].check(&k);
        if (json)
            print_json(&k, &device, &h);
        else
            printf("\nselftest: %d passed, %d failed\n", k.n - k.failed, k.failed);
        if (k.failed)
            st = LT_FAIL(LT_ERR_NUMERIC, "%d of %d checks failed: the lines that say FAILED; the whole output is what a bug report needs",
                         k.failed, k.n);
    }
    lt_check_fini(&k);
    free(h.ranks);
    free(h.gpus);
    return st;
}

static const lt_cli_option options[] = {
    {"device", "D", "auto (default), cpu, cuda or cuda-emulated: what is checked, beside the CPU and the plain reference", 0},
    {"quick", NULL, "fewer steps of training, f32 alone, no layer of 7B", 0},
    {"only", "PART", "ops, gradients, collectives, training or speeds alone", 0},
    {"scratch", "DIR", "where the temporary folder is made (default: TMPDIR or /tmp); it is removed at the end", 0},
    {"json", NULL, "one JSON object on stdout and nothing else there", 0},
    {"break", "WHAT", "check the check: an op, collectives or training goes wrong, and the test must fail", 0},
    {0}};

const lt_app_command lt_app_selftest = {
    .cli =
        {.program = "ltune",
         .name = "selftest",
         .summary = "does this installation compute what it should, here and on these ranks",
         .usage = "[--device D] [--quick] [--only PART] [--scratch DIR] [--json]",
         .about =
             "Needs no files and leaves none. Checks every op of the device against a plain f64 reference (and that two runs give the same "
             "bits),\n"
             "gradients against differences, sums over the ranks, and short training runs of a tiny model with five methods against the "
             "CPU, "
             "in\n"
             "data-parallel and tensor-parallel layouts; then measures products, copies and sums. A line a check: what, the number "
             "measured, "
             "its\n"
             "limit, ok or FAILED. The output is what a bug report needs.\n\n"
             "Exit code 0 if nothing failed, 21 (NUMERIC) if a check did; others: `ltune help exit-codes`.\n",
         .option = options,
         .examples = "ltune selftest\n"
                     "srun -N 2 --ntasks-per-node=4 ltune selftest --device cuda > selftest.txt\n"
                     "mpirun -n 2 ltune selftest --device cpu --quick\n",
         .mpi = true},
    .run = run};
