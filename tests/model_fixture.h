#pragma once
/* A model of tests/golden on a grid of this test's ranks. */
#include "base/rng.h"
#include "lt_test.h"
#include "model/model.h"

#include <unistd.h>

typedef struct fixture {
    lt_comm *world;
    lt_grid grid;
    lt_model *model;
} fixture;

/* The folder with shared reference data, or NULL. */
static inline const char *fixture_shared(void) {
    static char path[4096];
    const char *set = getenv("LT_SHARED");
    (void)snprintf(path, sizeof path, "%s", set ? set : LT_SOURCE "/../shared");
    return access(path, R_OK) == 0 ? path : NULL;
}

/* Opens, plans for `tokens` rows (with `scored`: to generate, with its output matrix) and loads; returns false (counted as a failure) if that fails. */
static inline bool fixture_open(fixture *f, const char *dir, int tp, const int *bidirectional, lt_dtype compute, lt_model_limits limits) {
    lt_model_options opt = {.compute = compute, .threads = 1, .bidirectional = bidirectional, .head = limits.scored > 0};
    lt_status st = lt_grid_create(f->world, tp, &f->grid);
    if (st == LT_OK) st = lt_model_create(dir, &f->grid, &opt, &f->model);
    if (st == LT_OK) st = lt_model_plan(f->model, &limits);
    if (st == LT_OK) st = lt_model_load(f->model);
    CHECK_OK(st);
    return st == LT_OK;
}

static inline void fixture_close(fixture *f) {
    lt_model_destroy(&f->model);
    lt_grid_destroy(&f->grid);
}

/* Device array of n normal numbers. */
static inline float *fixture_random(const lt_ctx *c, int64_t n, double std, uint32_t a) {
    float *host = malloc((size_t)n * sizeof *host);
    void *device = NULL;
    lt_rng r = {.seed = 5, .purpose = LT_RNG_TEST, .a = a};
    for (int64_t i = 0; i < n; i++) host[i] = (float)(std * lt_rng_normal(&r, (uint64_t)i, 0));
    CHECK_OK(c->ops->alloc(c, (size_t)n * sizeof *host, "a bank", &device));
    CHECK_OK(lt_ctx_upload(c, device, host, (size_t)n * sizeof *host));
    free(host);
    return device;
}
