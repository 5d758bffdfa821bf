/* A pack that goes through the blocks in two halves, so that the sums over the tensor-parallel group of one travel while the other computes (Domino, Wang et
 * al. 2024): a frozen base has no gradients of weights behind which backward's sums could hide.
 *
 *     half 0   attention 0 | sum -------------> | feed-forward 0 | sum -----------> | attention 1 ...
 *     half 1               | attention 0 | sum -------------> | feed-forward 0 | sum -----------> ...
 *
 * A half is a copy of the model's struct: the same weights, its own activations for its own rows, its own buffers of comm.  The cut is between
 * sequences, so every row is computed as in a whole pack.  Read-out rows come together again, behind them nothing knows of halves. */
#include "model/model_impl.h"

#include <stdlib.h>

enum { LEAST_ROWS = 2048 /* of a pack, for auto: below, products are too small to hide anything */ };

bool lt_model_impl_wants_halves(const lt_model *m) {
    const lt_arch *a = &m->arch;
    if (m->grid->tp_size == 1 || a->conv_kernel || lt_arch_is_relative(a) || m->with_head) return false;
    if (m->overlap != LT_OVERLAP_AUTO) return m->overlap == LT_OVERLAP_ON;
    return m->ctx.ops->gpu && m->limits.tokens >= LEAST_ROWS;
}

int64_t lt_model_impl_half_rows(const lt_model *m) { return m->limits.tokens / 2 + m->limits.max_len; }

/* Weights are there once loading has placed them. */
static void take_weights(lt_model *h, const lt_model *m) {
    h->tok = m->tok;
    h->head = m->head;
    h->pos_tab = m->pos_tab;
    h->type_tab = m->type_tab;
    h->embed_norm = m->embed_norm;
    h->final_norm = m->final_norm;
    h->pooler = m->pooler;
    for (int r = 0; r < m->arch.n_ropes; r++) h->cos_sin[r] = m->cos_sin[r];
    h->slopes = m->slopes;
    h->ctx = m->ctx;
    h->segment = m->segment;
}

lt_status lt_model_impl_halves_create(lt_model *m) {
    for (int i = 0; i < 2; i++) {
        lt_model *h = NULL;
        LT_TRY(lt_calloc(&h, 1, sizeof *h, "half a model"));
        m->half[i] = h;
        *h = *m;
        h->half[0] = h->half[1] = NULL;
        h->saved = NULL;
        LT_TRY(lt_calloc(&h->saved, m->arch.m, sizeof *h->saved, "the blocks"));
    }
    return LT_OK;
}

void lt_model_impl_halves_limit(lt_model *m) {
    for (int i = 0; i < 2 && m->half[i]; i++) {
        m->half[i]->limits = m->limits;
        m->half[i]->limits.tokens = lt_model_impl_half_rows(m);
        m->half[i]->comm_bytes = 2 * (size_t)(m->half[i]->limits.tokens * m->arch.C) * sizeof(float);
    }
}

lt_status lt_model_impl_halves_plan(lt_model *m) {
    for (int i = 0; i < 2 && m->half[i]; i++) LT_TRY(lt_pack_create(m->half[i]->limits.tokens, m->limits.seqs, &m->half_pack[i]));
    return LT_OK;
}

void lt_model_impl_halves_destroy(lt_model *m) {
    for (int i = 0; i < 2; i++) {
        lt_model *h = m->half[i];
        if (!h) continue;
        lt_model_impl_passes_fini(h);
        lt_pack_destroy(&m->half_pack[i]);
        free(h->saved);
        free(h);
        m->half[i] = NULL;
    }
}

/* The sequence that begins the second half; n_seq: there is none. */
static int64_t middle(const lt_model *m, const lt_forward_args *a) {
    const lt_pack *p = a->pack;
    int64_t i = 0;
    bool fits = p->n_tok <= lt_model_impl_half_rows(m);
    if (fits && (a->hidden || p->n_seq < 2 || (m->overlap == LT_OVERLAP_AUTO && p->n_tok < LEAST_ROWS))) return p->n_seq;
    while (i < p->n_seq && 2 * (int64_t)p->cu[i] < p->n_tok) i++;
    return i;
}

int lt_model_impl_parts(lt_model *m, const lt_forward_args *a, lt_model *part[2]) {
    part[0] = m;
    m->args = a;
    m->n_halves = 0;
    if (!m->half[0]) return 1;
    int64_t at = middle(m, a);
    m->n_halves = at < a->pack->n_seq ? 2 : 1;
    for (int i = 0; i < m->n_halves; i++) {
        part[i] = m->half[i];
        take_weights(part[i], m);
        lt_pack_cut(a->pack, i == 0 ? 0 : at, i == 0 ? at : a->pack->n_seq, &m->half_pack[i]);
        m->half_args[i] = *a;
        m->half_args[i].pack = &m->half_pack[i];
        part[i]->args = &m->half_args[i];
    }
    return m->n_halves;
}

int lt_model_impl_parts_again(lt_model *m, lt_model *part[2]) {
    part[0] = m->n_halves ? m->half[0] : m;
    part[1] = m->half[1];
    return m->n_halves ? m->n_halves : 1;
}
