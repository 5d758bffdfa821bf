#pragma once
/* The program `ltune-prep`: from folders and text files to what `ltune` reads.  Serial: it starts no MPI.
 *
 * Results go to stdout, messages to stderr.  Errors that stem from the command line are ARG (exit code 2); errors in a text file are FORMAT
 * and name file and line. */

#include "rows.h"

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

/* A text file read line by line: line ends (\n, \r\n) and a byte-order mark are taken off. */
typedef struct prep_lines {
    const char *path; /* borrowed; "-" is stdin */
    FILE *file;
    char *line; /* the current one, ends with NUL; may be changed by the caller */
    size_t bytes, cap;
    int64_t number;      /* of the current line, from 1 */
    struct lt_sha *hash; /* of all bytes read, borrowed; NULL for none */
} prep_lines;

/* Opens path.  Errors: IO. */
lt_status prep_lines_open(prep_lines *l, const char *path, struct lt_sha *hash);
/* The next line; *more is false at the end.  Errors: IO. */
lt_status prep_lines_next(prep_lines *l, bool *more);
/* FORMAT with file, line and byte unless the line is UTF-8 text without NUL bytes. */
lt_status prep_lines_check_text(const prep_lines *l);
/* Closes; accepts what was never opened (zeroed). */
void prep_lines_close(prep_lines *l);

/* --- presets (preset.c) ------------------------------------------------------------------------------------------------------------ */

enum { PREP_PRESET_FILES = 6 };

/* A data set that is known by name: how its files look and what its labels are called. */
typedef struct prep_preset {
    const char *name, *about;
    bool header;
    prep_column text, pair, label;
    int n_labels;
    const char *label_name[2], *label_words[2];
    struct {
        const char *name, *split;
    } file[PREP_PRESET_FILES]; /* looked for in a folder; of several for one split the first that is there counts */
} prep_preset;

/* The table, ended by an entry without name. */
extern const prep_preset prep_presets[];
/* Errors: ARG (the known ones are listed). */
lt_status prep_preset_find(const char *name, const prep_preset **preset);
/* "train", "dev" or "test" if the file's name says which, else NULL. */
const char *prep_split_of_name(const char *path);
