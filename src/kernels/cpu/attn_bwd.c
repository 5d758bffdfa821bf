/* Backward of one unit of attention; equations in ref/attn.c, layout in attn_tile_impl.h.
 *
 * The weights are formed again from q, k and the saved lse, block by block (Dao et al. 2022), so nothing of size queries x keys is kept.  A tile of
 * queries finishes its dq in w->acc; dk and dv of the whole unit grow in w->dk, w->dv over all its tiles, then go home: text rows to dk,
 * dv (or, where several chunks share them, to the chunk's place in the workspace), prefix rows to the bank's gradient. */
#include "kernels/cpu/attn_tile_impl.h"

#include <math.h>
#include <string.h>

/* delta = do . o for each query of the tile, and lse beside it; w->acc serves for the rows of o. */
static void load_sums(const lt_attn_unit *u, const lt_attn_tile *t, const lt_attn_scratch *w) {
    const struct lt_attn_args *a = u->a;
    int64_t D = a->head_dim, Dp = lt_attn_round(D), width = a->heads * D, at = t->row * width + t->head * D;
    lt_attn_impl_load(a->d_o, at, width, t->n, D, w->d_o);
    lt_attn_impl_load(a->o, at, width, t->n, D, w->acc);
    for (int64_t q = 0; q < t->np; q++) w->top[q] = w->sum[q] = 0.0f;
    for (int64_t q = 0; q < t->n; q++) {
        lt_vf dot = {0};
        for (int64_t d = 0; d < Dp; d += LT_VL) dot += lt_vf_load(w->d_o + q * Dp + d) * lt_vf_load(w->acc + q * Dp + d);
        for (int j = 0; j < LT_VL; j++) w->sum[q] += dot[j];
        w->top[q] = a->lse[(t->row + q) * a->heads + t->head];
    }
}

/* Of a block (keys from c0 on): scores s and gradients dp of the weights -> weights p in w->s, scale ds in w->ds. */
static inline __attribute__((always_inline)) void differentiate_as(const lt_attn_tile *t, const lt_attn_scratch *w, int64_t c0, int64_t n,
                                                                   float scale, bool windowed) {
    for (int64_t q = 0; q < t->np; q += LT_VL) {
        lt_vf place = lt_vf_load(w->place + q), lse = lt_vf_load(w->top + q), delta = lt_vf_load(w->sum + q), c = lt_vf_set((float)c0);
        for (int64_t k = 0; k < n; k++, c += 1.0f) {
            float *s = w->s + k * t->ld + q, *ds = w->ds + k * t->ld + q;
            lt_vf p = lt_vf_exp(lt_attn_mask(t, w, q, c, lt_vf_load(s) + t->slope * (c - place) - lse, windowed));
            lt_vf_store(s, p);
            lt_vf_store(ds, p * (lt_vf_load(ds) - delta) * scale);
        }
    }
}

static void differentiate(const lt_attn_tile *t, const lt_attn_scratch *w, int64_t c0, int64_t n, float scale) {
    if (t->windowed)
        differentiate_as(t, w, c0, n, scale, true);
    else
        differentiate_as(t, w, c0, n, scale, false);
}

static void backward_tile(const lt_attn_unit *u, lt_attn_tile *t, const lt_attn_scratch *w) {
    const struct lt_attn_args *a = u->a;
    int64_t D = a->head_dim, Dp = lt_attn_round(D), n;
    load_sums(u, t, w);
    lt_attn_impl_transpose(w->d_o, t->n, t->np, D, 1.0f, w->dot);
    memset(w->acc, 0, (size_t)(t->n * Dp) * sizeof *w->acc);
    if (a->rel) lt_attn_impl_rel_pads(t, w);
    for (int64_t c0 = lt_attn_first(t); c0 < t->seen; c0 = lt_attn_next(t, c0, n)) {
        n = lt_attn_keys(t, c0);
        const float *k = w->k + c0 * Dp, *v = w->v + c0 * Dp;
        lt_attn_impl_product(n, t->np, D, k, Dp, 1, w->qt, t->np, w->s, t->ld, false);
        lt_attn_impl_product(n, t->np, D, v, Dp, 1, w->dot, t->np, w->ds, t->ld, false);
        if (a->rel) lt_attn_impl_rel(u, t, w, c0, n);
        differentiate(t, w, c0, n, a->scale);
        lt_attn_impl_product(n, Dp, t->n, w->s, t->ld, 1, w->d_o, Dp, w->dv + c0 * Dp, Dp, true);
        lt_attn_impl_product(n, Dp, t->n, w->ds, t->ld, 1, w->q, Dp, w->dk + c0 * Dp, Dp, true);
        lt_attn_impl_product(t->n, Dp, n, w->ds, 1, t->ld, k, Dp, w->acc, Dp, true);
        if (a->rel) lt_attn_impl_rel_bwd(u, t, w, c0, n);
    }
    lt_attn_impl_store(a->dq, t->row * a->ld_dq + t->head * D, a->ld_dq, t->n, D, w->acc, NULL);
}

static void add_prefix(const lt_attn_unit *u, const float *src, float *dst) {
    int64_t D = u->a->head_dim, Dp = lt_attn_round(D), row = (int64_t)u->a->kv_heads * D;
    for (int64_t p = 0; p < u->P; p++)
#pragma omp simd
        for (int64_t d = 0; d < D; d++) dst[p * row + d] += src[p * Dp + d];
}

void lt_attn_impl_bwd(const lt_attn_unit *u, const lt_attn_scratch *w) {
    const struct lt_attn_args *a = u->a;
    int64_t D = a->head_dim, Dp = lt_attn_round(D), text = u->P * Dp;
    size_t text_bytes = (size_t)(u->n_k * Dp) * sizeof(float), bytes = (size_t)text * sizeof(float) + text_bytes;
    lt_attn_impl_pack(u, w);
    memset(w->dk, 0, bytes);
    memset(w->dv, 0, bytes);
    for (int head = u->head0; head < u->head1; head++)
        for (int64_t q0 = 0; q0 < u->n_q; q0 += LT_ATTN_QT) {
            if (!lt_attn_owns(u, head, q0)) continue;
            lt_attn_tile t = lt_attn_impl_tile(u, w, head, q0);
            backward_tile(u, &t, w);
        }
    if (u->dk) {
        memcpy(u->dk, w->dk + text, text_bytes);
        memcpy(u->dv, w->dv + text, text_bytes);
    } else {
        lt_attn_impl_store(a->dk, u->k0 * a->ld_dk + u->kv * D, a->ld_dk, u->n_k, D, w->dk + text, NULL);
        lt_attn_impl_store(a->dv, u->k0 * a->ld_dv + u->kv * D, a->ld_dv, u->n_k, D, w->dv + text, NULL);
    }
    if (!u->d_bank) return;
    add_prefix(u, w->dk, u->d_bank);
    add_prefix(u, w->dv, u->d_bank + a->plan->P_max * a->kv_heads * D);
}
