#pragma once
/* The program `ltune-prep`: from folders and text files to what `ltune` reads.  Serial: it starts no MPI.
 *
 * Results go to stdout, messages to stderr.  Errors that stem from the command line are ARG (exit code 2); errors in a text file are FORMAT
 * and name file and line. */

#include "source.h"

#include "base/cli.h"

#include <stdio.h>

/* --- command line (main.c) --------------------------------------------------------------------------------------------------------- */

/* What a command works with. */
typedef struct prep_args {
    lt_cli_args cli;
    char *command; /* the whole line as typed, words quoted for the shell */
} prep_args;

typedef struct prep_command {
    lt_cli_command cli;
    lt_status (*run)(const prep_args *a);
} prep_command;

extern const prep_command prep_cmd_model, prep_cmd_data, prep_cmd_tokenize, prep_cmd_show;

/* IO if something written to stdout was lost (disk full, closed pipe). */
lt_status prep_flush(void);

/* --- lines of a text file (lines.c) ------------------------------------------------------------------------------------------------ */

/* A text file, also packed by gzip, read line by line: line ends (\n, \r\n) and a byte-order mark are taken off. */
typedef struct prep_lines {
    const char *path; /* owned by the source */
    prep_source source;
    char *line; /* the current one, ends with NUL; may be changed by the caller */
    size_t bytes;
    int64_t number; /* of the current line, from 1 */
} prep_lines;

/* Opens path.  Errors: IO. */
lt_status prep_lines_open(prep_lines *l, const char *path);
/* The next line; *more is false at the end.  Errors: IO. */
lt_status prep_lines_next(prep_lines *l, bool *more);
/* Closes; accepts what was never opened (zeroed). */
void prep_lines_close(prep_lines *l);
