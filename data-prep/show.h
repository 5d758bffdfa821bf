#pragma once
/* `ltune-prep show`, in parts: cmd_show.c finds out what a file is; show_dataset.c and show_tree.c print it. */

#include "prep.h"

#include "store/h5.h"

typedef struct prep_show {
    const char *path, *tokenizer; /* tokenizer: as given, or NULL */
    int64_t rows;                 /* samples of a split, values of a tensor */
} prep_show;

/* The report, labels, splits and the first samples, decoded where the tokenizer is at hand.  Errors: as lt_dataset_read; CONFIG (another tokenizer). */
lt_status prep_show_dataset(const prep_show *o, hid_t file);
/* Facts, trials, last losses and best results of a run log. */
lt_status prep_show_run(const prep_show *o);
/* Attributes, groups and datasets with shapes and first values; attributes with long texts by their size. */
lt_status prep_show_tree(const prep_show *o, hid_t at, int depth);
