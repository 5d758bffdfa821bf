#pragma once
/* What lt_generate wrote, for tests that compare tokens. */
#include "model_fixture.h"

#include "model/generate.h"

typedef struct writer {
    int64_t n, max;  /* texts, most tokens of one */
    double *token;   /* [n][max]; sums over groups know doubles */
    double *written; /* [n] */
    double *end;     /* [n] lt_end */
} writer;

static inline writer writer_create(int64_t n, int64_t max) {
    return (writer){.n = n,
                    .max = max,
                    .token = calloc((size_t)(n * max), sizeof(double)),
                    .written = calloc((size_t)n, sizeof(double)),
                    .end = calloc((size_t)n, sizeof(double))};
}

static inline void writer_destroy(writer *w) {
    free(w->token);
    free(w->written);
    free(w->end);
}

static inline lt_status writer_take(void *arg, int64_t text, int32_t token, lt_end end) {
    writer *w = arg;
    int64_t at = (int64_t)w->written[text];
    LT_ASSERT(text < w->n && at < w->max && w->end[text] == LT_END_NOT);
    w->token[text * w->max + at] = token;
    w->written[text] = (double)(at + 1);
    w->end[text] = end;
    return LT_OK;
}

/* Collective(world).  Generates into w on every rank; the rest of the arguments as given. */
static inline void writer_run(fixture *f, lt_generate_args a, writer *w) {
    lt_generate_counts counts;
    a.take = writer_take;
    a.arg = w;
    CHECK_OK(lt_generate(f->model, &a, &counts));
    lt_sum_host(f->grid.dp, w->token, w->n * w->max);
    lt_sum_host(f->grid.dp, w->written, w->n);
    lt_sum_host(f->grid.dp, w->end, w->n);
}
