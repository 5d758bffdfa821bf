#pragma once
/* Command lines of the programs, over getopt_long: options as a table that parses, checks and documents itself.
 *
 * `--name VALUE`, `--name=VALUE`, `-n VALUE`; a name may be cut short where that is no doubt; options and words in any order; behind `--` everything is a word;
 * `-` is a word.  Where a command takes settings, a word with '=' in it is one, unless a '/' comes before the '='.  --help and -h are known to every
 * command.  Errors are ARG (exit code 2) and say what to do. */

#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { LT_CLI_MAX_WORDS = 256, LT_CLI_MAX_OPTIONS = 48, LT_CLI_EXIT_USAGE = 2 };

typedef struct lt_cli_option {
    const char *name;  /* without dashes; a table ends with name NULL */
    const char *value; /* what stands for its value in the help, "FILE"; NULL: a switch */
    const char *help;  /* lines parted by \n */
    char letter;       /* short form, 0 = none */
} lt_cli_option;

/* What a command takes and is; programs put it into a struct with their function. */
typedef struct lt_cli_command {
    const char *program;         /* "ltune" */
    const char *name, *summary;  /* "train", one line; name "" where the program is the command */
    const char *usage;           /* what follows program and name; several forms parted by \n */
    const char *about;           /* paragraphs between usage and options */
    const lt_cli_option *option; /* NULL = none but --help */
    const char *notes;           /* paragraphs behind the options; NULL = none */
    const char *examples;        /* lines */
    bool settings;               /* key=value words are kept apart */
    bool mpi;                    /* may be started by mpirun; for the usage line */
} lt_cli_command;

/* A command line, taken apart.  Borrows argv. */
typedef struct lt_cli_args {
    int n_words, n_settings, n_options;
    const char *word[LT_CLI_MAX_WORDS];
    const char *setting[LT_CLI_MAX_WORDS]; /* key=value */
    struct {
        const char *name, *value; /* value "" for a switch */
    } option[LT_CLI_MAX_WORDS];
} lt_cli_args;

/* Local.  Takes apart argv[0 .. argc), the words behind the command (behind the program where that is the command).  Reorders argv.  Errors: ARG. */
lt_status lt_cli_parse(const lt_cli_command *c, int argc, char **argv, lt_cli_args *a);
/* Local.  True if --help or -h is among the words before "--". */
bool lt_cli_wants_help(int argc, char **argv);
/* Local.  The manual of a command. */
void lt_cli_help(const lt_cli_command *c, FILE *out);
/* Local.  Lines of text, each but the first behind an indent: the first goes on where the cursor is. */
void lt_cli_print_lines(const char *text, int indent, FILE *out);
/* Local.  Last value of an option, "" for a switch, NULL if it was not given. */
const char *lt_cli_value(const lt_cli_args *a, const char *name);
/* Local.  Value of an option as a whole number from lo to hi, or fallback if it was not given.  Errors: ARG. */
lt_status lt_cli_int(const lt_cli_args *a, const char *name, int64_t lo, int64_t hi, int64_t fallback, int64_t *value);

/* Local.  The name among `name(i, arg)`, i = 0 .. n - 1, that a misspelt one was most likely meant to be, or NULL. */
const char *lt_cli_nearest(const char *word, int n, const char *(*name)(int i, const void *arg), const void *arg);
/* Local.  The same as " (did you mean NAME?)"; prints nothing if none is near. */
void lt_cli_suggest(const char *word, int n, const char *(*name)(int i, const void *arg), const void *arg, FILE *out);
/* Local.  Edits (insert, delete, replace, swap neighbours) from a to b; 99 where one is longer than 63 bytes. */
int lt_cli_distance(const char *a, const char *b);

#ifdef __cplusplus
}
#endif
