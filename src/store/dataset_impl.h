#pragma once
/* Private to the dataset files: dataset.c reads, dataset_write.c writes, dataset_check.c holds both to the same rules. */

#include "store/dataset.h"

/* Where a split, or a part of one, stands while it is checked; start from the first four. */
typedef struct lt_dataset_place {
    const char *path;
    int64_t n_labels;
    lt_status code;            /* of a failure: ARG when writing, FORMAT when reading */
    int64_t n, tokens, words;  /* of the split before this part, for messages */
    bool labelled, unlabelled; /* rows with and without a label were seen */
    int64_t longest;           /* tokens of the longest sequence */
    int32_t max_token;
} lt_dataset_place;

/* Holds a split, or a part whose offsets begin at 0, against the rules of dataset.h, and moves the place on behind it. */
lt_status lt_dataset_impl_check(const lt_dataset_split *s, lt_dataset_place *at);
