#pragma once
/* What a loaded model holds and makes: all its weights as bytes, the hidden states of two sequences, and how many bytes of files loading read.  Two ways of
 * loading are the same if these are. */
#include "comm_worlds.h"
#include "model/model_impl.h"

enum { LEN_A = 9, LEN_B = 5, TOKENS = LEN_A + LEN_B };

/* A loaded model, its weights as bytes, and what it makes of two sequences. */
typedef struct seen {
    lt_model *m;
    unsigned char *bytes; /* [n] */
    float *hidden;        /* [n_hidden] */
    size_t n, n_hidden;
    int64_t read; /* bytes of files while loading */
} seen;

static inline void look(seen *s) {
    int32_t ids[LEN_A];
    lt_pack pack = {0};
    lt_readout_rows out;
    const lt_arch *a = lt_model_arch(s->m);
    s->n = s->m->weights_bytes;
    s->bytes = malloc(s->n);
    CHECK_OK(lt_ctx_download(lt_model_ctx(s->m), s->bytes, s->m->weights.base, s->n));
    s->n_hidden = (size_t)((a->m + 1) * TOKENS * a->C);
    s->hidden = calloc(s->n_hidden, sizeof *s->hidden);
    for (int i = 0; i < LEN_A; i++) ids[i] = (7 * i + 3) % (int)a->V;
    CHECK_OK(lt_pack_create(TOKENS, 2, &pack));
    CHECK_OK(lt_pack_add(&pack, &(lt_pack_seq){.tokens = ids, .n = LEN_A, .segment = LEN_A, .slot = -1}));
    CHECK_OK(lt_pack_add(&pack, &(lt_pack_seq){.tokens = ids + 2, .n = LEN_B, .segment = LEN_B, .slot = -1}));
    lt_model_forward(s->m, &(lt_forward_args){.pack = &pack, .readout = LT_READ_TOKENS, .hidden = s->hidden}, &out);
    lt_pack_destroy(&pack);
}

/* Collective(grid->world).  Ready to be loaded. */
static inline lt_status ready(seen *s, const char *dir, lt_grid *grid, const lt_ops *ops, lt_dtype compute, int threads) {
    lt_model_options opt = {.compute = compute, .threads = threads, .ops = ops};
    lt_model_limits limits = {.tokens = TOKENS, .seqs = 2, .max_len = LEN_A};
    *s = (seen){0};
    LT_TRY(lt_model_create(dir, grid, &opt, &s->m));
    return lt_model_plan(s->m, &limits);
}

/* Collective(grid->world).  False, and a failure counted, where it cannot be loaded. */
static inline bool load(seen *s, const char *dir, lt_grid *grid, const lt_ops *ops, lt_dtype compute, int threads) {
    lt_status st = ready(s, dir, grid, ops, compute, threads);
    if (st == LT_OK) {
        int64_t before = lt_model_bytes_read(s->m);
        st = lt_model_load(s->m);
        s->read = lt_model_bytes_read(s->m) - before;
    }
    CHECK_OK(st);
    if (st == LT_OK) look(s);
    return st == LT_OK;
}

static inline void drop(seen *s) {
    lt_model_destroy(&s->m);
    free(s->hidden);
    free(s->bytes);
}

static inline bool equal(const seen *a, const seen *b) { return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0; }

static inline bool same_states(const seen *a, const seen *b) {
    return a->n_hidden == b->n_hidden && memcmp(a->hidden, b->hidden, a->n_hidden * sizeof *a->hidden) == 0;
}
