/* ltune-prep: finds the subcommand, splits its words, and turns the status into the exit code. */
#include "prep.h"

#include "base/fault.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2 };

static const prep_command *const commands[] = {&prep_cmd_model, &prep_cmd_data, &prep_cmd_tokenize, &prep_cmd_show, NULL};

static void print_usage(FILE *f) {
    fprintf(f, "ltune-prep %s: model folders and data sets for ltune\n\nusage: ltune-prep COMMAND [words] [--options]\n\n", LT_VERSION);
    for (int i = 0; commands[i]; i++) fprintf(f, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(f, "\n`ltune-prep COMMAND --help` shows options and examples; `ltune-prep --version` what this is.\n\n"
               "examples:\n  ltune-prep model MiniLM/\n  ltune-prep data --task sst2 SST-2/ -t MiniLM/ -o sst2.h5\n"
               "  echo \"A film to see twice.\" | ltune-prep tokenize -t MiniLM/\n  ltune-prep show sst2.h5\n");
}

const char *prep_option(const prep_args *a, const char *name) {
    const char *value = NULL;
    for (int i = 0; i < a->n_options; i++)
        if (!strcmp(a->option[i].name, name)) value = a->option[i].value;
    return value;
}

lt_status prep_option_int(const prep_args *a, const char *name, int64_t lo, int64_t hi, int64_t fallback, int64_t *value) {
    const char *text = prep_option(a, name);
    char *end = NULL;
    *value = fallback;
    if (!text) return LT_OK;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    LT_CHECK(end != text && !*end && !errno && n >= lo && n <= hi, LT_ERR_ARG,
             "--%s: expected a whole number from %lld to %lld, found \"%s\"", name, (long long)lo, (long long)hi, text);
    *value = n;
    return LT_OK;
}

lt_status prep_flush(void) {
    int lost = ferror(stdout);
    LT_CHECK(fflush(stdout) == 0 && !lost, LT_ERR_IO, "cannot write to standard output: %m");
    return LT_OK;
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

/* Splits the words after the command.  Errors: ARG. */
static lt_status split(const prep_command *c, int argc, char **argv, prep_args *a) {
    bool plain = false; /* after "--" nothing is an option */
    LT_CHECK(argc <= PREP_MAX_WORDS, LT_ERR_ARG, "more than %d words", PREP_MAX_WORDS);
    for (int i = 0; i < argc; i++) {
        const char *name = !strcmp(argv[i], "-o") ? "--output" : !strcmp(argv[i], "-t") ? "--tokenizer" : argv[i];
        char *eq = strchr(argv[i], '='), *value = NULL;
        bool takes_value;
        if (!plain && !strcmp(name, "--")) {
            plain = true;
            continue;
        }
        if (plain || name[0] != '-' || !name[1]) {
            a->word[a->n_words++] = argv[i];
            continue;
        }
        LT_CHECK(name[1] == '-', LT_ERR_ARG, "unknown option %s", name);
        name += 2;
        if (eq) {
            *eq = 0;
            value = eq + 1;
        }
        LT_CHECK(knows(c->options, name, &takes_value), LT_ERR_ARG, "unknown option --%s; known:%s", name, c->options);
        if (takes_value && !value && i + 1 < argc) value = argv[++i];
        LT_CHECK(takes_value == (value != NULL), LT_ERR_ARG, "option --%s %s a value", name, takes_value ? "needs" : "takes no");
        a->option[a->n_options].name = name;
        a->option[a->n_options++].value = value ? value : "";
    }
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
    (void)snprintf(program, sizeof program, "ltune-prep %s", c->name);
    for (int i = 2; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            printf("%s", c->help);
            return 0;
        }
    lt_log_init(0, 1);
    lt_fault_init(0);
    lt_status st = quote(argc, argv, &a.command);
    if (st == LT_OK) st = split(c, argc - 2, argv + 2, &a);
    if (st == LT_OK) st = c->run(&a);
    if (st == LT_OK) st = prep_flush();
    if (st != LT_OK) lt_err_print(program, 0, 1, "this host");
    if (st == LT_ERR_ARG) fprintf(stderr, "  see `%s --help`\n", program);
    free(a.command);
    return st == LT_ERR_ARG ? EXIT_USAGE : lt_status_exit_code(st);
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        for (int i = 0; argc > 2 && commands[i]; i++)
            if (!strcmp(argv[2], commands[i]->name)) {
                printf("%s", commands[i]->help);
                return 0;
            }
        print_usage(stdout);
        return 0;
    }
    if (!strcmp(name, "version") || !strcmp(name, "--version")) {
        printf("ltune-prep %s (git %s)\n", LT_VERSION, LT_GIT[0] ? LT_GIT : "unknown");
        return 0;
    }
    for (int i = 0; commands[i]; i++)
        if (!strcmp(name, commands[i]->name)) return run_command(commands[i], argc, argv);
    fprintf(stderr, "ltune-prep: unknown command \"%s\"; `ltune-prep --help` lists them\n", name);
    return EXIT_USAGE;
}
