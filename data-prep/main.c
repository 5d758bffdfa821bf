/* ltune-prep: finds the subcommand, splits its words, and turns the status into the exit code. */
#include "prep.h"

#include "base/fault.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static const prep_command *const commands[] = {&prep_cmd_model, &prep_cmd_data, &prep_cmd_tokenize, &prep_cmd_show, NULL};

static const int n_commands = sizeof commands / sizeof *commands - 1;

static const char *command_name(int i, const void *unused) {
    (void)unused;
    return commands[i]->cli.name;
}

static void print_usage(FILE *f) {
    fprintf(f, "ltune-prep %s: model folders and data sets for ltune\n\nusage: ltune-prep COMMAND [words] [--options]\n\n", LT_VERSION);
    for (int i = 0; commands[i]; i++) fprintf(f, "  %-9s %s\n", commands[i]->cli.name, commands[i]->cli.summary);
    fprintf(f, "\n`ltune-prep COMMAND --help` shows options and examples; `ltune-prep --version` what this is.\n\n"
               "examples:\n  ltune-prep model MiniLM/\n  ltune-prep data --task sst2 SST-2/ -t MiniLM/ -o sst2.h5\n"
               "  echo \"A film to see twice.\" | ltune-prep tokenize -t MiniLM/\n  ltune-prep show sst2.h5\n");
}

lt_status prep_flush(void) {
    int lost = ferror(stdout);
    LT_CHECK(fflush(stdout) == 0 && !lost, LT_ERR_IO, "cannot write to standard output: %m");
    return LT_OK;
}

/* The command line as it can be typed again: words with other than plain characters stand in single quotes. */
static lt_status quote(int argc, char **argv, char **out) {
    size_t bytes = 0;
    FILE *f = open_memstream(out, &bytes);
    LT_CHECK(f, LT_ERR_NOMEM, "no memory for the command line");
    fputs("ltune-prep", f);
    for (int i = 1; i < argc; i++) {
        const char *w = argv[i];
        bool plain = *w && !w[strspn(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=:,./@%")];
        fputs(plain ? " " : " '", f);
        for (; *w; w++) fputs(*w == '\'' ? "'\\''" : (char[]){*w, 0}, f);
        if (!plain) fputc('\'', f);
    }
    LT_CHECK(fclose(f) == 0, LT_ERR_NOMEM, "no memory for the command line");
    return LT_OK;
}

static int run_command(const prep_command *c, int argc, char **argv) {
    char program[64];
    prep_args a = {0};
    (void)snprintf(program, sizeof program, "ltune-prep %s", c->cli.name);
    if (lt_cli_wants_help(argc - 2, argv + 2)) {
        lt_cli_help(&c->cli, stdout);
        return 0;
    }
    lt_log_init(0, 1);
    lt_fault_init(0);
    lt_status st = quote(argc, argv, &a.command);
    if (st == LT_OK) st = lt_cli_parse(&c->cli, argc - 2, argv + 2, &a.cli);
    if (st == LT_OK) st = c->run(&a);
    if (st == LT_OK) st = prep_flush();
    if (st != LT_OK) lt_err_print(program, 0, 1, "this host");
    if (st == LT_ERR_ARG) fprintf(stderr, "  see `%s --help`\n", program);
    free(a.command);
    return st == LT_ERR_ARG ? LT_CLI_EXIT_USAGE : lt_status_exit_code(st);
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (argc < 2) {
        print_usage(stderr);
        return LT_CLI_EXIT_USAGE;
    }
    bool help = !strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help");
    if (help && (argc < 3 || name[0] == '-')) {
        print_usage(stdout);
        return 0;
    }
    if (help) name = argv[2];
    if (!strcmp(name, "version") || !strcmp(name, "--version")) {
        printf("ltune-prep %s (git %s)\n", LT_VERSION, LT_GIT[0] ? LT_GIT : "unknown");
        return 0;
    }
    for (int i = 0; commands[i]; i++)
        if (!strcmp(name, commands[i]->cli.name)) {
            if (!help) return run_command(commands[i], argc, argv);
            lt_cli_help(&commands[i]->cli, stdout);
            return 0;
        }
    fprintf(stderr, "ltune-prep: unknown command \"%s\"", name);
    lt_cli_suggest(name, n_commands, command_name, NULL, stderr);
    fprintf(stderr, "; `ltune-prep --help` lists them\n");
    return LT_CLI_EXIT_USAGE;
}
