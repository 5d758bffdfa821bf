#pragma once
/* Steps of a tokenizer by themselves, opened from a JSON list of components. */
#include "text/tokenizer_impl.h"

#include "lt_test.h"

#include <string.h>

enum { MAX_STEPS = 8 };

typedef struct chain {
    lt_step step[MAX_STEPS];
    int n;
} chain;

static inline void chain_close(chain *c) {
    for (int i = 0; i < c->n; i++)
        if (c->step[i].kind->close) c->step[i].kind->close(c->step[i].state);
    c->n = 0;
}

/* The components of a list, all of one table. */
static inline lt_status chain_open(const lt_step_kind *known, const char *json, chain *c) {
    json_t *list = json_loads(json, JSON_ALLOW_NUL, NULL);
    lt_status st = LT_OK;
    *c = (chain){.n = 0};
    CHECK(json_is_array(list) && json_array_size(list) <= MAX_STEPS);
    for (size_t i = 0; st == LT_OK && i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        const char *type = json_string_value(json_object_get(o, "type"));
        const lt_step_kind *k = known;
        while (k->type && strcmp(k->type, type) != 0) k++;
        CHECK(k->type != NULL);
        if (!k->type) break;
        lt_step *s = &c->step[c->n];
        s->kind = k;
        st = k->open ? k->open(o, "x.json: component", &s->state) : LT_OK;
        if (st == LT_OK) c->n++;
    }
    json_decref(list);
    if (st != LT_OK) chain_close(c);
    return st;
}
