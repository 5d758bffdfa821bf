#pragma once
/* Private to the assistant room: the two kinds of assistants behind lt_assistant. */

#include "assistant/assistant.h"

typedef struct lt_assistant_kind {
    /* Collective(world): lt_assistant_ask; out is {0}, its seconds are the caller's, and what a failure leaves in it. */
    lt_status (*ask)(lt_assistant *a, const lt_question *question, int count, int n, lt_answers *out);
    /* Collective(world).  Frees what the kind has, and a. */
    void (*close)(lt_assistant *a);
} lt_assistant_kind;

/* First member of each kind's own struct. */
struct lt_assistant {
    const lt_assistant_kind *kind;
    const lt_assistant_cfg *cfg; /* borrowed */
    lt_comm *world;              /* borrowed */
    int most, questions;
    char name[256];
};

/* model.c: lt_assistant_measure of a model of its own. */
lt_status lt_assistant_impl_measure_model(const lt_assistant_args *a, lt_comm *world, int ranks, size_t *bytes, int *tp);
/* model.c, command.c: lt_assistant_open. */
lt_status lt_assistant_impl_open_model(const lt_assistant_args *a, lt_comm *world, lt_assistant **out);
lt_status lt_assistant_impl_open_command(const lt_assistant_args *a, lt_comm *world, lt_assistant **out);
