/* Which of a library's ways computes each product of a step: measured once by rank 0 on random numbers, the same for all ranks and, through checkpoints, for
 * all starts of a run, because ways round differently. */
#include "model/model_impl.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* Numbers of rows that are measured, from the largest down: eighths of it, then halves, to the class of few rows.  Other packs, the last of a step above all,
 * take the way of the next larger one. */
enum { EIGHTHS = 8, HALVES = 16, SIZES = EIGHTHS + HALVES, CALLS = 24, FEW_ROWS = 16 };

typedef struct calls {
    struct lt_linear_args call[2 * SIZES * CALLS];
    bool backward[2 * SIZES * CALLS];
    int64_t n;
} calls;

/* What is added to a product: nothing, an array of a type, or the output itself. */
typedef enum resid { NONE, F32, LOW, SAME } resid;

static void add(calls *k, lt_lin *lin, int64_t rows, bool backward, lt_dtype in, lt_dtype out, resid r, bool no_bias) {
    /* addresses are not read: they say what is there, what is the output itself, and that arrays are aligned as those of steps are */
    static _Alignas(64) unsigned char place[3][64];
    struct lt_linear_args a = {.lin = lin, .rows = rows, .no_bias = no_bias};
    lt_arr from = {place[0], in}, to = {place[1], out};
    a.x = backward ? to : from;
    a.y = backward ? from : to;
    if (r != NONE) a.resid = r == SAME ? to : (lt_arr){place[2], r == F32 ? LT_F32 : LT_BF16};
    k->backward[k->n] = backward;
    k->call[k->n++] = a;
}

/* A partial sum of the tp group, whose first rank alone adds what the sum has once; where sums travel as bf16, only the bias. */
static void add_once(calls *k, const lt_model *m, lt_lin *lin, int64_t rows, bool backward, resid r) {
    if (m->bf16_sums) r = NONE;
    add(k, lin, rows, backward, m->ctx.compute, LT_F32, r, false);
    if (m->grid->tp_size > 1 && (r != NONE || (lin->bias && !backward))) add(k, lin, rows, backward, m->ctx.compute, LT_F32, NONE, true);
}

/* The products of one block at one number of rows, as block.c and block_bwd.c make them. */
static void add_block(calls *k, lt_model *m, lt_block *b, int64_t rows) {
    lt_dtype dt = m->ctx.compute;
    resid stream = m->arch.norms & LT_NORM_OUT ? NONE : m->stream_dt == LT_F32 ? F32 : LOW, g1 = m->arch.norms & LT_NORM_IN ? NONE : F32;
    bool one = b->qkv.N > 0;
    add(k, one ? &b->qkv : &b->q, rows, false, dt, dt, NONE, false);
    if (!one) add(k, &b->kv, rows, false, dt, dt, NONE, false);
    add_once(k, m, &b->o, rows, false, stream);
    add(k, &b->up, rows, false, dt, dt, NONE, false);
    if (m->arch.parallel) {
        add(k, &b->down, rows, false, dt, LT_F32, SAME, false);
        if (m->grid->tp_size > 1 && b->down.bias) add(k, &b->down, rows, false, dt, LT_F32, SAME, true);
    } else {
        add_once(k, m, &b->down, rows, false, stream);
    }
    if (!m->limits.backward) return;
    add(k, &b->down, rows, true, dt, dt, NONE, false);
    if (m->arch.parallel && m->arch.shared_in)
        add(k, &b->up, rows, true, dt, LT_F32, SAME, false);
    else
        add_once(k, m, &b->up, rows, true, g1);
    add(k, &b->o, rows, true, dt, dt, NONE, false);
    add_once(k, m, one ? &b->qkv : &b->q, rows, true, g1);
    if (!one) add(k, &b->kv, rows, true, dt, LT_F32, SAME, false);
}

/* The products of q and of kv that a last block has where few of its rows are read out; the others are those of a block, with fewer rows. */
static void add_picked(calls *k, lt_model *m, lt_block *b, int64_t rows) {
    lt_dtype dt = m->ctx.compute;
    if (b->qkv.N == 0) return; /* every block has them */
    add(k, &b->q, rows, false, dt, dt, NONE, false);
    add(k, &b->kv, rows, false, dt, dt, NONE, false);
    if (!m->limits.backward) return;
    add_once(k, m, &b->q, rows, true, m->arch.norms & LT_NORM_IN ? NONE : F32);
    add(k, &b->kv, rows, true, dt, LT_F32, NONE, false);
}

/* Those of what is before and behind the blocks. */
static void add_ends(calls *k, lt_model *m, int64_t rows) {
    lt_dtype dt = m->ctx.compute;
    for (int backward = 0; backward <= (m->limits.backward ? 1 : 0); backward++) {
        if (m->has_pooler) add(k, &m->pooler, rows, backward, LT_F32, LT_F32, NONE, false);
        if (m->conv.N) add(k, &m->conv, rows, backward, dt, dt, NONE, false);
    }
}

/* The i-th size below `most` rows; 0: there is none. */
static int64_t size_of(int64_t most, int i) {
    int64_t rows = i < EIGHTHS ? most * (EIGHTHS - i) / EIGHTHS : most / EIGHTHS >> (i - EIGHTHS + 1);
    return i == 0 || rows >= FEW_ROWS ? rows : 0;
}

/* The largest pack that goes through a block at once. */
static int64_t most_rows(const lt_model *m) { return m->half[0] ? lt_model_impl_half_rows(m) : m->limits.tokens; }

static lt_status measure(lt_model *m) {
    calls *k = NULL;
    const lt_lin **lin = NULL; /* layers that take turns */
    int64_t n = 0, measured = 0, most = most_rows(m);
    double t0 = lt_time_s();
    LT_TRY(lt_calloc(&k, 1, sizeof *k, "products to measure"));
    lt_status st = lt_calloc(&lin, 7 * (int64_t)m->arch.m, sizeof *lin, "products to measure");
    for (int l = 0; st == LT_OK && l < m->arch.m; l++) {
        lt_block *b = &m->block[l];
        const lt_lin *all[] = {&b->o, &b->up, &b->down, &b->q, &b->kv, b->qkv.N ? &b->qkv : NULL};
        for (size_t i = 0; i < sizeof all / sizeof *all && all[i]; i++) lin[n++] = all[i];
    }
    lt_block *first = &m->block[0], *middle = &m->block[m->arch.m / 2], *last = &m->block[m->arch.m - 1];
    for (int s = 0; st == LT_OK && s < SIZES; s++) {
        int64_t rows = size_of(most, s);
        if (rows == 0) break;
        add_block(k, m, middle, rows);
        if (first->q.e4m3 != middle->q.e4m3) add_block(k, m, first, rows);
        add_picked(k, m, last, rows);
        add_ends(k, m, rows);
    }
    if (st == LT_OK)
        st = m->ctx.ops->tune(&m->ctx, &(struct lt_tune_args){.call = k->call,
                                                              .backward = k->backward,
                                                              .n_calls = k->n,
                                                              .lin = lin,
                                                              .n_lins = n,
                                                              .room = m->acts.base + m->pass_from,
                                                              .room_bytes = m->pass_to - m->pass_from,
                                                              .measured = &measured});
    if (st == LT_OK) lt_info("products: the fastest ways of %lld found in %.1f s", (long long)measured, lt_time_s() - t0);
    free(lin);
    free(k);
    return st;
}

/* What rank 0 has found, to all. */
static lt_status share(lt_model *m, void **bytes, size_t *n) {
    lt_comm *world = m->grid->world;
    bool first = m->grid->rank == 0;
    int64_t size = 0;
    lt_status st = first ? m->ctx.ops->choices(&m->ctx, NULL, 0, n) : LT_OK;
    if (st == LT_OK && first) size = (int64_t)*n;
    LT_TRY(lt_agree(world, st));
    *n = (size_t)lt_max_host(world, size);
    st = lt_calloc(bytes, (int64_t)*n, 1, "ways of products");
    if (st == LT_OK && first) st = m->ctx.ops->choices(&m->ctx, *bytes, *n, n);
    LT_TRY(lt_agree(world, st));
    lt_bcast_host(world, *bytes, *n, 0);
    bool taken = true;
    if (!first) st = m->ctx.ops->choose(&m->ctx, *bytes, *n, &taken);
    if (st == LT_OK && !taken) lt_warn("rank %d has another GPU than rank 0: it chooses its products by itself", m->grid->rank);
    return lt_agree(world, st);
}

lt_status lt_model_tune(lt_model *m, const void *stored, size_t n_stored, void **bytes, size_t *n) {
    lt_comm *world = m->grid->world;
    bool taken = false;
    *bytes = NULL;
    *n = 0;
    if (!m->ctx.ops->tune) return LT_OK;
    lt_status st = n_stored ? m->ctx.ops->choose(&m->ctx, stored, n_stored, &taken) : LT_OK;
    LT_TRY(lt_agree(world, st));
    if (lt_max_host(world, !taken) == 0) {
        st = lt_calloc(bytes, (int64_t)n_stored, 1, "ways of products");
        if (st == LT_OK) memcpy(*bytes, stored, *n = n_stored);
        return lt_agree(world, st);
    }
    if (n_stored && m->grid->rank == 0) lt_info("products: the checkpoint's ways are of another GPU or library");
    LT_TRY(lt_agree(world, m->grid->rank == 0 ? measure(m) : LT_OK));
    st = share(m, bytes, n);
    if (st != LT_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return st;
}
