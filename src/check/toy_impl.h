#pragma once
/* Private to check: a temporary folder with a tiny LLaMA of random weights, its tokenizer, and a data set of labelled sentences. */

#include "comm/comm.h"

enum { LT_TOY_HEADS = 4 };

typedef struct lt_toy {
    lt_comm *world;
    char dir[400]; /* model/, data.h5, run.yaml; runs make folders of their own below it */
} lt_toy;

/* Collective(world).  Makes it on every node, under the same name, in scratch (NULL: TMPDIR or /tmp).  Errors: IO, HDF5, NOMEM (agreed). */
lt_status lt_check_impl_toy_create(lt_comm *world, const char *scratch, lt_toy *toy);
/* Collective(world).  Removes the folder and what is in it; accepts a zeroed one. */
void lt_check_impl_toy_destroy(lt_toy *toy);
