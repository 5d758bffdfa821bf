#pragma once
/* Data sets that are known by name: how the files of their authors and the exports of data set libraries look, what the labels are called and read as, which
 * files of a folder are which split, and how results are measured.
 *
 * A preset has several forms; prep_rows_open() takes the one that fits a file and says so (prep_rows_about()), or what it expected and saw. */

#include "rows.h"

enum { PREP_PRESET_FILES = 10 };

typedef struct prep_preset {
    const char *name, *about;
    const char *metric; /* accuracy, matthews, f1 (entities) */
    bool words;         /* labels stand at words: n_labels counts types of spans, and a word's label is O, B-TYPE or I-TYPE */
    int n_labels;
    const char *const *label_name, *const *label_words;
    const prep_layout *form;
    int n_forms;
    /* Names in a folder, without endings, besides those that all tasks know and that come first.  Of several for one split the first that is there counts. */
    struct {
        const char *name, *split;
    } file[PREP_PRESET_FILES];
} prep_preset;

/* The table, ended by an entry without name. */
extern const prep_preset prep_presets[];
/* Errors: ARG (the known ones are listed). */
lt_status prep_preset_find(const char *name, const prep_preset **preset);
/* The layout that takes any of the preset's forms.  The caller may set unlabelled markers, the treatment of bytes, base and scheme in it. */
prep_layout prep_preset_layout(const prep_preset *preset);

/* A file of a folder. */
typedef struct prep_preset_file {
    char *path; /* owned */
    const char *split;
} prep_preset_file;
/* The preset's files in a folder, train first; released by prep_preset_files_free().  Errors: IO (none is there: what was looked for), NOMEM. */
lt_status prep_preset_files(const prep_preset *preset, const char *dir, prep_preset_file **file, int *n);
void prep_preset_files_free(prep_preset_file *file, int n);

/* All presets with labels, files and forms, for `ltune-prep data --list`. */
void prep_preset_list(FILE *out);
/* "train", "dev" or "test" if the file's name says which, else NULL. */
const char *prep_split_of_name(const char *path);
