/* Loading: where the weights lie, who reads what of them, who packs what.
 *
 * Weights are frozen, so data-parallel ranks of one node need one copy of them.  It lies in memory that they share (comm.h); each reads its part of the
 * bytes, in pieces (read.c), which come into the back end's form on the way where it takes rows by panels (lt_lin.panel); matrices of which it wants to see
 * the whole are packed behind.  All ranks take note of that form, which is the same on all as long as table, threads and types are: the ranks compare them
 * before.  The copy is read-only afterwards.
 *
 *     agree | compare, share out memory, agree | places and forms, agree | read into form, agree | pack what is left, agree | protect
 *
 * On GPUs every rank has a copy of its shard, and data-parallel ranks have the same.  Each reads its part, and behind the agreement on reading they give it to
 * each other (handout.c), before anything is packed:
 *
 *     agree | a way between the replicas, agree | places, agree | read, agree | hand out, agree | pack, agree
 *
 * All ranks of the world pass the same agreements, whether their group shares or not: no failure leaves a rank behind. */
#include "model/pieces_impl.h"

#include "base/fault.h"
#include "base/signal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What decides the form of the weights in memory; no padding. */
typedef struct form {
    char ops[32];
    int64_t bytes, threads, compute, may;
} form;

bool lt_model_may_share(const lt_model *m) {
    /* the view of a host address is that address: device arrays are host memory */
    return m->grid->dp_size > 1 && m->ctx.ops->host_view(&m->ctx, (void *)(uintptr_t)m, 1) == (const void *)m;
}

/* Collective(dp).  Does the group share (all of it may, and a node has several of its ranks), and do ranks of the same node store weights alike?  all:
 * [dp_size]. */
static bool wants(const lt_model *m, form *all, bool *same) {
    lt_comm *dp = m->grid->dp;
    form mine = {.bytes = (int64_t)m->weights_bytes, .threads = m->ctx.threads, .compute = (int64_t)m->ctx.compute};
    bool some = false, may = true;
    mine.may = lt_model_may_share(m);
    (void)snprintf(mine.ops, sizeof mine.ops, "%s", m->ctx.ops->name);
    lt_allgather_host(dp, &mine, sizeof mine, all);
    *same = true;
    for (int r = 0; r < lt_comm_size(dp); r++) {
        may = may && all[r].may;
        if (r == 0 || lt_comm_node(dp, r) != lt_comm_node(dp, r - 1)) continue;
        some = true;
        *same = *same && memcmp(&all[r], &all[r - 1], sizeof *all) == 0;
    }
    return some && may;
}

/* Collective(world).  Memory for one copy a node, m->shared, on all ranks of the groups for which it makes sense, or nowhere.  Errors: all but NOMEM. */
static lt_status take_shared(lt_model *m, form *all) {
    lt_comm *world = m->grid->world;
    char size[32];
    bool same, want = wants(m, all, &same);
    if (lt_max_host(world, want && !same) != 0) {
        if (m->grid->rank == 0)
            lt_warn("ranks of one node run with different numbers of threads or back ends: each keeps its own copy of the weights instead "
                    "of sharing one\n"
                    "  what to do: give all ranks the same OMP_NUM_THREADS and the same number of cores");
        return LT_OK;
    }
    lt_status st = want ? lt_shared_alloc(m->grid->dp, m->weights_bytes, &m->shared) : LT_OK;
    st = lt_agree(world, st);
    if (st != LT_ERR_NOMEM) return st;
    if (m->grid->rank == 0)
        lt_warn("no room for one copy of the weights a node: each rank keeps its own (%s)\n%s",
                lt_bytes_str(size, (double)m->weights_bytes), lt_err_last()->msg);
    lt_err_clear();
    lt_shared_free(&m->shared);
    return LT_OK;
}

/* Biases of which the file has a part only (keys of some families have none) are zero elsewhere; fresh memory of a node may not be. */
static lt_status clear_bias(lt_model *m, const lt_lin *lin) {
    return lin->bias ? m->ctx.ops->fill(&m->ctx, (void *)(uintptr_t)lin->bias, 0, (size_t)lin->N * sizeof(float)) : LT_OK;
}

/* Matrix i of a block, NULL behind the last. */
static lt_lin *lin_of(lt_block *b, int i) {
    lt_lin *lin[8] = {b->qkv.N ? &b->qkv : &b->q};
    int n = 1;
    if (!b->qkv.N) lin[n++] = &b->kv;
    lin[n++] = &b->o;
    lin[n++] = &b->up;
    lin[n++] = &b->down;
    if (b->pos_k.N) lin[n++] = &b->pos_k;
    if (b->pos_q.N) lin[n++] = &b->pos_q;
    return lin[i];
}

lt_status lt_model_impl_check_stop(void) {
    LT_CHECK(!lt_signal_pending(), LT_ERR_STOPPED,
             "stopped by a signal while weights were loaded: nothing was trained; run the same command again to start");
    return LT_OK;
}

/* Every matrix of this rank in turn. */
static lt_status each_lin(lt_model *m, lt_status (*call)(lt_model *m, lt_lin *lin, size_t *at), size_t *at) {
    lt_lin *lin;
    for (int l = 0; l < m->arch.m; l++) {
        LT_TRY(lt_model_impl_check_stop());
        for (int i = 0; (lin = lin_of(&m->block[l], i)); i++) LT_TRY(call(m, lin, at));
        lt_comm_progress(m->grid->world);
    }
    if (m->conv.N) LT_TRY(call(m, &m->conv, at));
    return m->has_pooler ? call(m, &m->pooler, at) : LT_OK;
}

/* The form of matrices whose rows reading brings into it. */
static lt_status note_form(lt_model *m, lt_lin *lin, size_t *at) {
    (void)at;
    return lin->panel > 0 ? m->ctx.ops->lin_pack(&m->ctx, lin, false) : LT_OK;
}

/* Addresses of all weights. */
static lt_status place(lt_model *m) {
    if (m->shared) {
        m->weights = (lt_arena){.purpose = "weights", .base = lt_shared_data(m->shared), .cap = m->weights_bytes};
        LT_TRY(m->ctx.ops->attach(&m->ctx, m->weights.base, m->weights_bytes));
    } else {
        LT_TRY(lt_ctx_arena_init(&m->ctx, &m->weights, "weights", m->weights_bytes));
    }
    size_t none = 0;
    LT_TRY(lt_model_impl_shard(m));
    LT_TRY(lt_model_impl_match(m));
    LT_TRY(each_lin(m, note_form, &none));
    if (!m->shared || lt_shared_rank(m->shared) != 0) return LT_OK;
    lt_lin *lin;
    for (int l = 0; l < m->arch.m; l++)
        for (int i = 0; (lin = lin_of(&m->block[l], i)); i++) LT_TRY(clear_bias(m, lin));
    return LT_OK;
}

/* Bytes of the others. */
static size_t left_bytes(const lt_lin *lin) { return lin->panel > 0 ? 0 : (size_t)(lin->N * lin->K) * lt_dtype_bytes(lin->dt); }

static lt_status add_left(lt_model *m, lt_lin *lin, size_t *at) {
    m->left_to_pack += left_bytes(lin);
    (void)at;
    return LT_OK;
}

/* Where ranks share the copy, one of them packs. */
static bool packs(const lt_model *m, size_t at, size_t bytes) {
    return !m->shared || lt_model_impl_whose(at, bytes, m->left_to_pack, lt_shared_size(m->shared)) == lt_shared_rank(m->shared);
}

static lt_status pack_left(lt_model *m, lt_lin *lin, size_t *at) {
    size_t bytes = left_bytes(lin);
    if (!bytes) return LT_OK;
    LT_TRY(m->ctx.ops->lin_pack(&m->ctx, lin, packs(m, *at, bytes)));
    *at += bytes;
    return LT_OK;
}

static lt_status pack(lt_model *m) {
    size_t at = 0;
    m->left_to_pack = 0;
    LT_TRY(each_lin(m, add_left, &at));
    return m->left_to_pack ? each_lin(m, pack_left, &at) : LT_OK;
}

static void wait_for_node(lt_model *m) {
    if (m->shared) lt_shared_barrier(m->shared);
}

static lt_status begin(const lt_model *m, form **all) {
    LT_TRY(LT_FAULT_POINT("model.load"));
    return lt_calloc(all, m->grid->dp_size, sizeof **all, "forms of weights");
}

/* What loading took. */
typedef struct account {
    double since, handed_s;
    int64_t read_before;
} account;

/* Collective(world). */
static void tell(const lt_model *m, const account *a) {
    int64_t mine = lt_st_bytes_read(m->st) - a->read_before, most = lt_max_host(m->grid->world, mine);
    double mb = 1e-6 * (double)mine;
    char more[160] = "";
    lt_sum_host(m->grid->world, &mb, 1);
    if (m->handout)
        (void)snprintf(more, sizeof more, "; each byte by one of %d replicas, at most %.1f MB a rank, handed out by %s in %.2f s",
                       m->grid->dp_size, 1e-6 * (double)most, lt_comm_transport(lt_model_impl_replicas(m)), a->handed_s);
    lt_info("weights: %.1f MB read by %d rank%s in %.2f s%s", mb, m->grid->size, m->grid->size == 1 ? "" : "s together",
            lt_time_s() - a->since, more);
}

/* Collective(world).  Memory that ranks share, or a way to give each other what they have read. */
static lt_status join(lt_model *m, form *all) {
    lt_comm *world = m->grid->world;
    if (m->grid->dp_size == 1) return LT_OK;
    if (m->ctx.ops->gpu) return lt_agree(world, lt_bcast_open(lt_model_impl_replicas(m), m->ctx.ops->gpu, &m->handout));
    return take_shared(m, all);
}

static lt_status read_list(lt_model *m, lt_pieces *k) {
    LT_TRY(lt_model_impl_pieces(m, k));
    return lt_model_impl_read(m, k);
}

/* Collective(world). */
static lt_status fill_weights(lt_model *m, lt_pieces *k, account *a) {
    lt_comm *world = m->grid->world;
    lt_status st = lt_agree(world, place(m));
    if (st != LT_OK) return st;
    wait_for_node(m);
    if ((st = lt_agree(world, read_list(m, k))) != LT_OK) return st;
    if (m->handout) {
        a->handed_s = -lt_time_s();
        if ((st = lt_agree(world, lt_model_impl_hand_out(m, k))) != LT_OK) return st;
        a->handed_s += lt_time_s();
    }
    wait_for_node(m);
    if ((st = lt_agree(world, pack(m))) != LT_OK) return st;
    wait_for_node(m);
    if (m->shared) lt_shared_protect(m->shared);
    return LT_OK;
}

lt_status lt_model_load(lt_model *m) {
    account a = {.since = lt_time_s(), .read_before = lt_st_bytes_read(m->st)};
    lt_pieces k = {0};
    form *all = NULL;
    lt_status st = lt_agree(m->grid->world, begin(m, &all));
    if (st == LT_OK) st = join(m, all);
    free(all);
    if (st == LT_OK) st = fill_weights(m, &k, &a);
    if (st == LT_OK) tell(m, &a);
    lt_model_impl_pieces_free(&k);
    lt_bcast_close(&m->handout); /* all ranks are here, also behind a failure */
    return st == LT_OK ? lt_agree(m->grid->world, lt_model_impl_fill_relative(m)) : st;
}

void lt_model_impl_drop_weights(lt_model *m) {
    if (m->shared) {
        m->ctx.ops->detach(&m->ctx, lt_shared_data(m->shared));
        lt_shared_free(&m->shared);
        m->weights = (lt_arena){0};
    }
    lt_ctx_arena_fini(&m->ctx, &m->weights);
}
