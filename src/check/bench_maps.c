/* What a trial of lt_prefix costs a step whatever its tokens: the map [2 Hkv D, C] of one layer, from label states to rows of the bank, its gradient, the
 * norm of it and AdamW.  These are bound by memory, so what numbers they hold does not matter: patterns of bytes. */
#include "check/bench_impl.h"

enum { LABEL_ROWS = 32 }; /* labels times their tokens */

typedef struct maps {
    const lt_ctx *c;
    int64_t E, C;
    float *w, *dw, *m, *v, *states, *rows;
    double *sumsq;
} maps;

static lt_status forward(maps *p) { /* rows = states W^T */
    struct lt_gemm_args a = {.tb = 1, .M = LABEL_ROWS, .N = p->E, .K = p->C, .alpha = 1, .A = p->states, .B = p->w, .C = p->rows};
    a.lda = a.ldb = p->C;
    a.ldc = p->E;
    return p->c->ops->gemm(p->c, &a);
}
static lt_status gradient(maps *p) { /* dW = d_rows^T states */
    struct lt_gemm_args a = {.ta = 1, .M = p->E, .N = p->C, .K = LABEL_ROWS, .alpha = 1, .A = p->rows, .B = p->states, .C = p->dw};
    a.lda = p->E;
    a.ldb = a.ldc = p->C;
    return p->c->ops->gemm(p->c, &a);
}
static lt_status norm(maps *p) {
    const float *x[1] = {p->dw};
    const int64_t n[1] = {p->E * p->C};
    return p->c->ops->sumsq(p->c, &(struct lt_sumsq_args){.n = 1, .x = x, .elems = n, .out = p->sumsq});
}
static lt_status adamw(maps *p) {
    lt_adamw_array x = {.n = p->E * p->C, .p = p->w, .m = p->m, .v = p->v, .g = p->dw, .weight_decay = 0.01f};
    struct lt_adamw_args a = {
        .n = 1, .x = &x, .sumsq = p->sumsq, .clip = 1, .lr = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .step = 1};
    return p->c->ops->adamw(p->c, &a);
}

static lt_status make(maps *p) {
    float **const matrix[] = {&p->w, &p->dw, &p->m, &p->v};
    for (int i = 0; i < 4; i++) {
        LT_TRY(p->c->ops->alloc(p->c, (size_t)(p->E * p->C) * sizeof(float), "the map of a layer", (void **)matrix[i]));
        LT_TRY(p->c->ops->fill(p->c, *matrix[i], 0x38, (size_t)(p->E * p->C) * sizeof(float)));
    }
    LT_TRY(p->c->ops->alloc(p->c, (size_t)(LABEL_ROWS * p->C) * sizeof(float), "label states", (void **)&p->states));
    LT_TRY(p->c->ops->alloc(p->c, (size_t)(LABEL_ROWS * p->E) * sizeof(float), "rows of a bank", (void **)&p->rows));
    LT_TRY(p->c->ops->alloc(p->c, sizeof *p->sumsq, "a norm", (void **)&p->sumsq));
    return p->c->ops->fill(p->c, p->states, 0x38, (size_t)(LABEL_ROWS * p->C) * sizeof(float));
}

lt_status lt_bench_impl_maps(lt_bench *b, const lt_ctx *c, lt_watch *w) {
    maps p = {.c = c, .E = 2 * (int64_t)b->shape.Hkv * b->shape.D, .C = b->shape.C};
    double n = (double)p.E * (double)p.C, flops = 2 * n * LABEL_ROWS;
    const struct {
        const char *name;
        lt_status (*run)(maps *p);
        double flops, bytes;
    } step[] = {{"rows of the bank", forward, flops, 4 * n},
                {"gradient of the map", gradient, flops, 4 * n},
                {"norm", norm, 0, 4 * n},
                {"AdamW", adamw, 0, 28 * n}};
    lt_status st = make(&p);
    for (b->n_maps = 0; st == LT_OK && b->n_maps < (int)(sizeof step / sizeof *step); b->n_maps++) {
        double t[LT_BENCH_MAX_REPEATS], once;
        lt_bench_line *line = &b->map[b->n_maps];
        *line =
            (lt_bench_line){.name = step[b->n_maps].name, .kind = "rows", .flops = step[b->n_maps].flops, .bytes = step[b->n_maps].bytes};
        int repeats = 1; /* the first warms up */
        for (int i = -1; st == LT_OK && i < repeats; i++) {
            st = lt_watch_start(w);
            if (st == LT_OK) st = step[b->n_maps].run(&p);
            if (st == LT_OK) st = lt_watch_stop(w, &once);
            if (st == LT_OK && i >= 0) t[i] = once;
            if (st == LT_OK && i < 0) repeats = lt_bench_impl_repeats(b, once);
        }
        if (st == LT_OK) line->seconds = lt_check_median(t, repeats);
    }
    LT_KEEP(st, c->ops->wait(c, NULL));
    void *const all[] = {p.w, p.dw, p.m, p.v, p.states, p.rows, p.sumsq};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) c->ops->free(c, all[i]);
    return st;
}
