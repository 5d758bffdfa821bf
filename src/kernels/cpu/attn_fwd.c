/* Forward of one unit of attention; equations in ref/attn.c, layout in attn_tile_impl.h.
 *
 * Keys come in blocks, and the softmax is carried along (Milakov and Gimelshein 2018; Dao et al. 2022): with top the largest score so far, sum and o
 * hold sums of exp(s - top), and when a block raises top, both are multiplied by exp(old - new).  Short sequences are one block. */
#include "kernels/cpu/attn_tile_impl.h"

#include <math.h>
#include <string.h>

/* Scores of a block (keys from c0 on) -> weights exp(s - top); renews top and sum; rescales the rows of w->acc unless this is the first block.  A query
 * that has seen no key yet has top -inf and weights of 0. */
static inline __attribute__((always_inline)) void soften_as(const lt_attn_tile *t, const lt_attn_scratch *w, int64_t c0, int64_t n,
                                                            int64_t Dp, bool first, bool windowed) {
    float shrink[LT_ATTN_QT] __attribute__((aligned(64)));
    for (int64_t q = 0; q < t->np; q += LT_VL) {
        lt_vf place = lt_vf_load(w->place + q), old = lt_vf_load(w->top + q), top = old;
        lt_vf c = lt_vf_set((float)c0), sum = {0};
        for (int64_t k = 0; k < n; k++, c += 1.0f) {
            lt_vf s = lt_attn_mask(t, w, q, c, lt_vf_load(w->s + k * t->ld + q) + t->slope * (c - place), windowed);
            lt_vf_store(w->s + k * t->ld + q, s);
            top = lt_vf_pick(s > top, s, top);
        }
        lt_vf base = lt_vf_pick(top == lt_vf_set(-INFINITY), lt_vf_set(0.0f), top);
        for (int64_t k = 0; k < n; k++) {
            lt_vf e = lt_vf_exp(lt_vf_load(w->s + k * t->ld + q) - base);
            lt_vf_store(w->s + k * t->ld + q, e);
            sum += e;
        }
        lt_vf f = lt_vf_exp(old - base);
        lt_vf_store(shrink + q, f);
        lt_vf_store(w->top + q, top);
        lt_vf_store(w->sum + q, lt_vf_load(w->sum + q) * f + sum);
    }
    if (first) return;
    for (int64_t i = 0; i < t->n; i++)
        for (int64_t d = 0; d < Dp; d += LT_VL) lt_vf_store(w->acc + i * Dp + d, lt_vf_load(w->acc + i * Dp + d) * shrink[i]);
}

static void soften(const lt_attn_tile *t, const lt_attn_scratch *w, int64_t c0, int64_t n, int64_t Dp, bool first) {
    if (t->windowed)
        soften_as(t, w, c0, n, Dp, first, true);
    else
        soften_as(t, w, c0, n, Dp, first, false);
}

static void forward_tile(const lt_attn_unit *u, lt_attn_tile *t, const lt_attn_scratch *w) {
    const struct lt_attn_args *a = u->a;
    int64_t D = a->head_dim, Dp = lt_attn_round(D), n;
    bool first = true;
    for (int64_t q = 0; q < t->np; q++) {
        w->top[q] = -INFINITY;
        w->sum[q] = 0.0f;
    }
    for (int64_t c0 = lt_attn_first(t); c0 < t->seen; c0 = lt_attn_next(t, c0, n), first = false) {
        n = lt_attn_keys(t, c0);
        lt_attn_impl_product(n, t->np, D, w->k + c0 * Dp, Dp, 1, w->qt, t->np, w->s, t->ld, false);
        if (a->rel) lt_attn_impl_rel(u, t, w, c0, n);
        soften(t, w, c0, n, Dp, first);
        lt_attn_impl_product(t->n, Dp, n, w->s, 1, t->ld, w->v + c0 * Dp, Dp, w->acc, Dp, !first);
    }
    if (first) memset(w->acc, 0, (size_t)(t->n * Dp) * sizeof *w->acc);
    for (int64_t q = 0; q < t->n; q++) {
        a->lse[(t->row + q) * a->heads + t->head] = w->top[q] + logf(w->sum[q]);
        w->sum[q] = w->sum[q] == 0.0f ? 0.0f : 1.0f / w->sum[q];
    }
    lt_attn_impl_store(a->o, (t->row * a->heads + t->head) * D, a->heads * D, t->n, D, w->acc, w->sum);
}

void lt_attn_impl_fwd(const lt_attn_unit *u, const lt_attn_scratch *w) {
    lt_attn_impl_pack(u, w);
    for (int head = u->head0; head < u->head1; head++)
        for (int64_t q0 = 0; q0 < u->n_q; q0 += LT_ATTN_QT) {
            if (!lt_attn_owns(u, head, q0)) continue;
            lt_attn_tile t = lt_attn_impl_tile(u, w, head, q0);
            forward_tile(u, &t, w);
        }
}
