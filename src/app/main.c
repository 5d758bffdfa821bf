/* main: finds the subcommand, splits its words, starts MPI where it is wanted, and turns the status into the exit code. */
#include "app/app.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/signal.h"
#include "device/gpu.h"
#include "kernels/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_BYTES = 65536 };

const lt_app_command *const lt_app_commands[] = {&lt_app_train,
                                                 &lt_app_eval,
                                                 &lt_app_predict,
                                                 &lt_app_generate,
                                                 &lt_app_features,
                                                 &lt_app_export,
                                                 &lt_app_plan,
                                                 &lt_app_config,
                                                 &lt_app_selftest,
                                                 &lt_app_bench,
                                                 NULL};

/* Words that may stand behind `ltune` or `ltune help`: commands, then these. */
static const char *const other_words[] = {"help",       "--help",  "version", "--version", "config",
                                          "exit-codes", "methods", "metrics", "formats",   "assistant"};
enum { N_COMMANDS = sizeof lt_app_commands / sizeof *lt_app_commands - 1, N_OTHER = sizeof other_words / sizeof *other_words };

static const char *known_word(int i, const void *unused) {
    (void)unused;
    return i < N_COMMANDS ? lt_app_commands[i]->cli.name : other_words[i - N_COMMANDS];
}

static void suggest(const char *word) { lt_cli_suggest(word, N_COMMANDS + N_OTHER, known_word, NULL, stderr); }

static void print_usage(FILE *f) {
    fprintf(f,
            "ltune %s: label tuning of frozen transformers over MPI\n\nusage: [mpirun -n R] ltune COMMAND [words] [key=value ...] "
            "[--options]\n\n",
            LT_VERSION);
    for (int i = 0; lt_app_commands[i]; i++) fprintf(f, "  %-9s %s\n", lt_app_commands[i]->cli.name, lt_app_commands[i]->cli.summary);
    fprintf(f, "  %-9s %s\n  %-9s %s\n", "version", "what was built with what", "help",
            "help [config | exit-codes | methods | metrics | formats | assistant | COMMAND]");
    fprintf(f, "\n`ltune COMMAND --help` shows options and examples.\n\n"
               "examples:\n  ltune plan run.yaml --ranks 2\n  mpirun -n 2 ltune train run.yaml\n"
               "  mpirun -n 2 ltune eval run.yaml --checkpoint best --split test\n");
}

lt_status lt_app_load_config(const lt_app_args *a, lt_config **cfg) {
    const lt_cli_args *c = &a->cli;
    LT_CHECK(c->n_words >= 1, LT_ERR_ARG, "%s needs exactly one run file (RUN.yaml), found none", a->program);
    LT_CHECK(c->n_words == 1, LT_ERR_ARG,
             "%s needs exactly one run file, found %d words: \"%s\" is neither an option (--name) nor a setting (key=value)", a->program,
             c->n_words, c->word[1]);
    LT_TRY(lt_config_load(c->word[0], c->n_settings, c->setting, cfg));
    lt_status st = lt_config_check_used(*cfg);
    if (st != LT_OK) lt_config_free(cfg);
    return st;
}

lt_status lt_app_agree_config(const lt_app_args *a, lt_status st, const lt_config *cfg) {
    char *text = NULL;
    if (st == LT_OK) st = lt_config_text(cfg, &text);
    st = lt_agree_same(a->world, st, text, text ? strlen(text) : 0, "the configuration (run file and overrides)");
    free(text);
    return st;
}

lt_status lt_app_at(lt_status st, const char *where, int64_t line) {
    char msg[LT_ERR_MSG_BYTES];
    (void)snprintf(msg, sizeof msg, "%s", lt_err_last()->msg);
    return LT_FAIL(st, "%s:%lld: %s", where, (long long)line, msg);
}

/* A back end for GPUs, and what it sees here. */
static void print_gpus(const char *name, const lt_gpu *gpu) {
    char why[400] = "";
    int n = 0;
    if (!gpu) {
        printf("           %s: not in this build\n", name);
        return;
    }
    lt_status st = gpu->count(&n, why, sizeof why);
    if (st != LT_OK) (void)snprintf(why, sizeof why, "%.399s", lt_err_last()->msg);
    printf("           %s: %d device%s%s%s%s\n", name, n, n == 1 ? "" : "s", why[0] ? ", " : "", why,
           gpu->coll_built() ? "" : "; without NCCL");
}

/* cpu: verdict of lt_cpu_check. */
static void print_version(lt_status cpu) {
    printf("ltune %s (git %s)\ncompiled by gcc %s\n", LT_VERSION, LT_GIT[0] ? LT_GIT : "unknown", __VERSION__);
    printf("back ends: cpu (oneDNN, OpenMP), kernels for %s\n", lt_cpu_levels_built());
    print_gpus("cuda", lt_gpu_cuda());
    print_gpus("cuda-emulated", lt_gpu_emulated());
    printf("this CPU: %s\n", cpu == LT_OK ? lt_cpu_level_name(lt_cpu_level_now()) : lt_err_last()->msg);
}

/* All words as one text; what passes its room is not compared. */
static void join(int argc, char **argv, char text[WORDS_BYTES]) {
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < argc && at + 2 < WORDS_BYTES; i++) {
        int n = snprintf(text + at, WORDS_BYTES - at, "%s\n", argv[i]);
        at += n > 0 ? (size_t)n : 0;
    }
}

/* Collective(world).  All ranks compute on the lowest level among them. */
static lt_status agree_on_level(lt_comm *world) {
    int64_t mine = lt_cpu_level_now(), top = lt_max_host(world, mine), least = -lt_max_host(world, -mine);
    const char *name = lt_cpu_level_name((lt_cpu_level)least);
    if (least < top && lt_comm_rank(world) == 0)
        lt_warn("the ranks' CPUs differ: %s on one, %s on another; all compute as %s, so that they round alike", name,
                lt_cpu_level_name((lt_cpu_level)top), name);
    return lt_agree(world, lt_cpu_use((lt_cpu_level)least));
}

/* st: whether this CPU can run the program. */
static int run_command(const lt_app_command *c, int argc, char **argv, lt_status st) {
    char program[64];
    lt_app_args a = {.program = program};
    int rank = 0, size = 1;
    const char *host = "this host";
    char words[WORDS_BYTES];
    join(argc, argv, words);
    (void)snprintf(program, sizeof program, "ltune %s", c->cli.name);
    if (lt_cli_wants_help(argc, argv)) {
        lt_cli_help(&c->cli, stdout);
        return 0;
    }
    if (c->stops) lt_signal_install(); /* before there are threads */
    if (c->cli.mpi) {
        lt_status started = lt_comm_init(NULL, NULL, &a.world);
        if (started != LT_OK)
            st = started;
        else {
            rank = lt_comm_rank(a.world);
            size = lt_comm_size(a.world);
            host = lt_comm_host(a.world);
        }
    }
    lt_log_init(rank, size);
    lt_fault_init(rank);
    if (st == LT_OK && rank != 0 && !freopen("/dev/null", "w", stdout)) st = LT_FAIL(LT_ERR_IO, "cannot open /dev/null: %m");
    if (st == LT_OK) st = lt_cli_parse(&c->cli, argc, argv, &a.cli);
    if (a.world) st = lt_agree_same(a.world, st, words, strlen(words), "the command line"); /* no rank goes on or leaves alone */
    if (st == LT_OK && a.world) st = agree_on_level(a.world);
    if (st == LT_OK) st = c->run(&a);
    int origin = lt_err_last()->origin_rank;
    if (st != LT_OK && (origin < 0 ? rank == 0 : origin == rank)) lt_err_print(program, rank, size, host);
    if (st == LT_ERR_ARG && rank == 0) fprintf(stderr, "  see `%s --help`\n", program);
    if ((fflush(stdout) != 0 || ferror(stdout)) && st == LT_OK) { /* results are only there once they are written */
        st = LT_FAIL(LT_ERR_IO, "cannot write the results to standard output: %m");
        lt_err_print(program, rank, size, host);
    }
    lt_comm_fini(&a.world);
    return st == LT_ERR_ARG ? LT_CLI_EXIT_USAGE : lt_status_exit_code(st);
}

int main(int argc, char **argv) {
    lt_status cpu = lt_cpu_check(); /* first of all: nothing before it, MPI included, can die of what it looks for */
    const char *name = argc > 1 ? argv[1] : "";
    if (argc < 2) {
        print_usage(stderr);
        return LT_CLI_EXIT_USAGE;
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        if (argc < 3 || name[0] == '-') {
            print_usage(stdout);
            return 0;
        }
        if (lt_app_help(argv[2])) return 0;
        if (!strcmp(argv[2], "version")) {
            printf("usage: ltune version\n\nPrints the version, the commit it was built from, the back ends, and what this CPU can do.\n");
            return 0;
        }
        fprintf(stderr, "ltune help: no topic \"%s\"", argv[2]);
        suggest(argv[2]);
        fprintf(stderr, "; topics: config, exit-codes, methods, metrics, formats, assistant, and every command\n");
        return LT_CLI_EXIT_USAGE;
    }
    if (!strcmp(name, "version") || !strcmp(name, "--version")) {
        print_version(cpu);
        return 0;
    }
    for (int i = 0; lt_app_commands[i]; i++)
        if (!strcmp(name, lt_app_commands[i]->cli.name)) return run_command(lt_app_commands[i], argc - 2, argv + 2, cpu);
    fprintf(stderr, "ltune: unknown command \"%s\"", name);
    suggest(name);
    fprintf(stderr, "; `ltune help` lists them\n");
    return LT_CLI_EXIT_USAGE;
}
