/* main: finds the subcommand, splits its words, starts MPI where it is wanted, and turns the status into the exit code. */
#include "app/app.h"

#include "base/fault.h"
#include "base/log.h"
#include "kernels/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2, WORDS_BYTES = 65536 };

const lt_app_command *const lt_app_commands[] = {&lt_app_train,  &lt_app_eval, &lt_app_predict, &lt_app_features, &lt_app_plan,
                                                 &lt_app_config, NULL};

static void print_usage(FILE *f) {
    fprintf(f,
            "ltune %s: label tuning of frozen transformers over MPI\n\nusage: [mpirun -n R] ltune COMMAND [words] [key=value ...] "
            "[--options]\n\n",
            LT_VERSION);
    for (int i = 0; lt_app_commands[i]; i++) fprintf(f, "  %-9s %s\n", lt_app_commands[i]->name, lt_app_commands[i]->summary);
    fprintf(f, "  %-9s %s\n  %-9s %s\n", "version", "what was built with what", "help",
            "help [config | exit-codes | methods | formats | COMMAND]");
    fprintf(f, "\n`ltune COMMAND --help` shows options and examples.\n");
}

const char *lt_app_option(const lt_app_args *a, const char *name) {
    for (int i = 0; i < a->n_options; i++)
        if (!strcmp(a->option[i].name, name)) return a->option[i].value ? a->option[i].value : "";
    return NULL;
}

lt_status lt_app_load_config(const lt_app_args *a, lt_config **cfg) {
    LT_CHECK(a->n_words >= 1, LT_ERR_ARG, "%s needs exactly one run file (RUN.yaml), found none", a->program);
    LT_CHECK(a->n_words == 1, LT_ERR_ARG,
             "%s needs exactly one run file, found %d words: \"%s\" is neither an option (--name) nor a setting (key=value)", a->program,
             a->n_words, a->words[1]);
    return lt_config_load(a->words[0], a->n_over, (char **)a->over, cfg);
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

/* True if options lists " name " (a switch) or " name= " (takes a value). */
static bool knows(const char *options, const char *name, bool *takes_value) {
    char pattern[64];
    for (int v = 0; v < 2; v++) {
        (void)snprintf(pattern, sizeof pattern, " %s%s ", name, v ? "=" : "");
        *takes_value = v;
        if (strstr(options, pattern)) return true;
    }
    return false;
}

/* Splits argv.  Errors: ARG. */
static lt_status split(const lt_app_command *c, int argc, char **argv, lt_app_args *a) {
    for (int i = 0; i < argc; i++) {
        char *eq = strchr(argv[i], '=');
        bool takes_value;
        LT_CHECK(i < LT_APP_MAX_WORDS, LT_ERR_ARG, "more than %d words", LT_APP_MAX_WORDS);
        if (!strcmp(argv[i], "-o")) argv[i] = "--output";
        if (!strncmp(argv[i], "--", 2)) {
            char *name = argv[i] + 2, *value = eq ? eq + 1 : NULL;
            if (eq) *eq = 0;
            LT_CHECK(knows(c->options, name, &takes_value), LT_ERR_ARG, "unknown option --%s; known:%s(see `%s --help`)", name, c->options,
                     a->program);
            if (takes_value && !value && i + 1 < argc) value = argv[++i];
            LT_CHECK(takes_value == (value != NULL), LT_ERR_ARG, "option --%s %s a value", name, takes_value ? "needs" : "takes no");
            a->option[a->n_options].name = name;
            a->option[a->n_options++].value = value;
        } else if (eq && eq != argv[i] && (!strchr(argv[i], '/') || strchr(argv[i], '/') > eq)) {
            a->over[a->n_over++] = argv[i]; /* a '/' before the '=' makes it a file name */
        } else {
            a->words[a->n_words++] = argv[i];
        }
    }
    return LT_OK;
}

static void print_version(void) {
    printf("ltune %s (git %s)\ncompiled by gcc %s\n", LT_VERSION, LT_GIT[0] ? LT_GIT : "unknown", __VERSION__);
    printf("back ends: cpu (oneDNN, OpenMP)\n");
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

static int run_command(const lt_app_command *c, int argc, char **argv) {
    char program[64];
    lt_app_args a = {.program = program};
    lt_status st = LT_OK;
    int rank = 0, size = 1;
    const char *host = "this host";
    char words[WORDS_BYTES];
    join(argc, argv, words);
    (void)snprintf(program, sizeof program, "ltune %s", c->name);
    for (int i = 0; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            printf("%s", c->help);
            return 0;
        }
    if (c->mpi) {
        st = lt_comm_init(NULL, NULL, &a.world);
        if (st == LT_OK) {
            rank = lt_comm_rank(a.world);
            size = lt_comm_size(a.world);
            host = lt_comm_host(a.world);
        }
    }
    lt_log_init(rank, size);
    lt_fault_init(rank);
    if (st == LT_OK && rank != 0 && !freopen("/dev/null", "w", stdout)) st = LT_FAIL(LT_ERR_IO, "cannot open /dev/null: %m");
    if (st == LT_OK) st = split(c, argc, argv, &a);
    if (st == LT_OK) st = lt_cpu_check();
    if (a.world) st = lt_agree_same(a.world, st, words, strlen(words), "the command line"); /* no rank goes on or leaves alone */
    if (st == LT_OK) st = c->run(&a);
    int origin = lt_err_last()->origin_rank;
    if (st != LT_OK && (origin < 0 ? rank == 0 : origin == rank)) lt_err_print(program, rank, size, host);
    if ((fflush(stdout) != 0 || ferror(stdout)) && st == LT_OK) { /* results are only there once they are written */
        st = LT_FAIL(LT_ERR_IO, "cannot write the results to standard output: %m");
        lt_err_print(program, rank, size, host);
    }
    lt_comm_fini(&a.world);
    return st == LT_ERR_ARG ? EXIT_USAGE : lt_status_exit_code(st);
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        if (argc < 3 || name[0] == '-') {
            print_usage(stdout);
            return 0;
        }
        if (lt_app_help(argv[2])) return 0;
        if (!strcmp(argv[2], "version")) {
            printf("usage: ltune version\n\nPrints the version, the commit it was built from, and the back ends.\n");
            return 0;
        }
        fprintf(stderr, "ltune help: no topic \"%s\"; topics: config, exit-codes, methods, formats, and every command\n", argv[2]);
        return EXIT_USAGE;
    }
    if (!strcmp(name, "version") || !strcmp(name, "--version")) {
        print_version();
        return 0;
    }
    for (int i = 0; lt_app_commands[i]; i++)
        if (!strcmp(name, lt_app_commands[i]->name)) return run_command(lt_app_commands[i], argc - 2, argv + 2);
    fprintf(stderr, "ltune: unknown command \"%s\"; `ltune help` lists them\n", name);
    return EXIT_USAGE;
}
