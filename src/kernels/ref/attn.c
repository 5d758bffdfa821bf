/* Softmax attention over packed sequences with a prefix bank, f64 (Vaswani et al. 2017; prefixes: Li and Liang 2021; ALiBi: Press et al. 2022; relative
 * positions: He et al. 2021).
 *
 * The keys of a sequence are numbered c = 0 .. P + n_k - 1: first the P rows of its bank slot, then its own text.  Query i stands at place P + q_index_i,
 * key c at place c; the query sees the prefix and the text keys first_i .. end_i - 1.
 *
 *   s_ic = scale (q_i . k_c + q_i . c2p_ic + k_c . p2c_ic) + slope (c - P - q_index_i)     lse_i = log sum_c exp(s_ic)     p_ic = exp(s_ic - lse_i)
 *   o_i = sum_c p_ic v_c            delta_i = do_i . o_i            ds_ic = p_ic (do_i . v_c - delta_i)
 *   dq_i = scale sum_c ds_ic (k_c + c2p_ic)    dk_c = scale sum_i ds_ic (q_i + p2c_ic)    dv_c = sum_i p_ic do_i
 *
 * Sums for a key run over all query heads that read its head.  A query that sees no key has o = 0 and lse = -inf.  Backward takes o and lse as stored
 * and forms every score again where it is needed, so that nothing is kept. */
#include "kernels/attn_impl.h"
#include "kernels/ref/ref_impl.h"

#include <math.h>

enum { MAX_D = 1024 };

/* One sequence under one query head. */
typedef struct view {
    const struct lt_attn_args *a;
    int64_t q0, k0, n_q, n_k, P; /* first rows, counts */
    int head, kv;
    const float *bank_k, *bank_v; /* row 0 of this kv head */
} view;

static view view_of(const struct lt_attn_args *a, int64_t seq, int head) {
    const lt_attn_plan *p = a->plan;
    view w = {.a = a, .q0 = p->cu_q[seq], .k0 = p->k_row0[seq], .n_k = p->k_len[seq], .head = head, .kv = head / (a->heads / a->kv_heads)};
    w.n_q = p->cu_q[seq + 1] - w.q0;
    if (a->bank && p->slot[seq] >= 0) {
        w.P = p->slot_len[p->slot[seq]];
        w.bank_k = a->bank + p->slot[seq] * a->slot_stride + (int64_t)w.kv * a->head_dim;
        w.bank_v = w.bank_k + p->P_max * a->kv_heads * a->head_dim;
    }
    return w;
}

static int64_t kv_width(const view *w) { return (int64_t)w->a->kv_heads * w->a->head_dim; }
static int64_t o_at(const view *w, int64_t i) { return ((w->q0 + i) * w->a->heads + w->head) * w->a->head_dim; }
static double q_get(const view *w, int64_t i, int d) {
    return lt_ref_get(w->a->q, (w->q0 + i) * w->a->ld_q + w->head * w->a->head_dim + d);
}
static double k_get(const view *w, int64_t c, int d) {
    if (c < w->P) return (double)w->bank_k[c * kv_width(w) + d];
    return lt_ref_get(w->a->k, (w->k0 + c - w->P) * w->a->ld_k + w->kv * w->a->head_dim + d);
}
static double v_get(const view *w, int64_t c, int d) {
    if (c < w->P) return (double)w->bank_v[c * kv_width(w) + d];
    return lt_ref_get(w->a->v, (w->k0 + c - w->P) * w->a->ld_v + w->kv * w->a->head_dim + d);
}
static int64_t index_of(const view *w, int64_t i) { return w->a->plan->q_index[w->q0 + i]; }
static bool sees(const view *w, int64_t i, int64_t c) {
    const lt_attn_plan *p = w->a->plan;
    return c < w->P || (c - w->P >= p->first[w->q0 + i] && c - w->P < p->end[w->q0 + i]);
}

/* Element d of the constants for query i and text key c; 0 for prefix keys. */
static double c2p_get(const view *w, int64_t i, int64_t c, int d) {
    const lt_attn_rel *r = w->a->rel;
    if (!r || !r->c2p || c < w->P) return 0;
    int64_t row = w->head * lt_rel_rows(r->reach) + r->reach - 1 - (index_of(w, i) - (c - w->P));
    return (double)r->c2p[row * lt_rel_width(w->a->head_dim) + d];
}
static double p2c_get(const view *w, int64_t i, int64_t c, int d) {
    const lt_attn_rel *r = w->a->rel;
    if (!r || !r->p2c || c < w->P) return 0;
    int64_t row = w->head * lt_rel_rows(r->reach) + r->reach - 1 + (index_of(w, i) - (c - w->P));
    return (double)r->p2c[row * lt_rel_width(w->a->head_dim) + d];
}

static double score(const view *w, int64_t i, int64_t c) {
    double dot = 0, slope = w->a->slopes ? (double)w->a->slopes[w->head] : 0.0;
    for (int d = 0; d < w->a->head_dim; d++) {
        double q = q_get(w, i, d), k = k_get(w, c, d);
        dot += q * (k + c2p_get(w, i, c, d)) + k * p2c_get(w, i, c, d);
    }
    return (double)w->a->scale * dot + slope * (double)(c - w->P - index_of(w, i));
}

static void forward_query(const view *w, int64_t i) {
    int64_t n = w->P + w->n_k;
    double top = -INFINITY, sum = 0, o[MAX_D] = {0};
    for (int64_t c = 0; c < n; c++)
        if (sees(w, i, c)) top = fmax(top, score(w, i, c));
    for (int64_t c = 0; c < n; c++) {
        if (!sees(w, i, c)) continue;
        double e = exp(score(w, i, c) - top);
        sum += e;
        for (int d = 0; d < w->a->head_dim; d++) o[d] += e * v_get(w, c, d);
    }
    for (int d = 0; d < w->a->head_dim; d++) lt_ref_put(w->a->o, o_at(w, i) + d, sum == 0 ? 0 : o[d] / sum);
    w->a->lse[(w->q0 + i) * w->a->heads + w->head] = (float)(top + log(sum));
}

static lt_status check(const struct lt_attn_args *a) {
    LT_ASSERT(a->head_dim <= MAX_D && a->heads % a->kv_heads == 0);
    return LT_OK;
}

lt_status lt_ref_attn_fwd(const lt_ctx *c, const struct lt_attn_args *a) {
    LT_TRY(check(a));
    for (int64_t seq = 0; seq < a->plan->n_seq; seq++)
        for (int head = 0; head < a->heads; head++) {
            view w = view_of(a, seq, head);
            for (int64_t i = 0; i < w.n_q; i++) forward_query(&w, i);
        }
    return LT_OK;
}

/* p_ic and ds_ic of the file's top. */
static void slopes_at(const view *w, int64_t i, int64_t c, double *p, double *ds) {
    double delta = 0, dp = 0;
    for (int d = 0; d < w->a->head_dim; d++) {
        double g = lt_ref_get(w->a->d_o, o_at(w, i) + d);
        delta += g * lt_ref_get(w->a->o, o_at(w, i) + d);
        dp += g * v_get(w, c, d);
    }
    *p = exp(score(w, i, c) - (double)w->a->lse[(w->q0 + i) * w->a->heads + w->head]);
    *ds = *p * (dp - delta);
}

static void backward_query(const view *w, int64_t i) {
    double dq[MAX_D] = {0}, p, ds;
    for (int64_t c = 0; c < w->P + w->n_k; c++) {
        if (!sees(w, i, c)) continue;
        slopes_at(w, i, c, &p, &ds);
        for (int d = 0; d < w->a->head_dim; d++) dq[d] += (double)w->a->scale * ds * (k_get(w, c, d) + c2p_get(w, i, c, d));
    }
    for (int d = 0; d < w->a->head_dim; d++) lt_ref_put(w->a->dq, (w->q0 + i) * w->a->ld_dq + w->head * w->a->head_dim + d, dq[d]);
}

/* Key c of kv head kv: the sum over the query heads that read it. */
static void backward_key(const struct lt_attn_args *a, int64_t seq, int kv, int64_t c) {
    int group = a->heads / a->kv_heads;
    double dk[MAX_D] = {0}, dv[MAX_D] = {0}, p, ds;
    view w = view_of(a, seq, kv * group);
    for (; w.head < (kv + 1) * group; w.head++)
        for (int64_t i = 0; i < w.n_q; i++) {
            if (!sees(&w, i, c)) continue;
            slopes_at(&w, i, c, &p, &ds);
            for (int d = 0; d < a->head_dim; d++) {
                dk[d] += (double)a->scale * ds * (q_get(&w, i, d) + p2c_get(&w, i, c, d));
                dv[d] += p * lt_ref_get(a->d_o, o_at(&w, i) + d);
            }
        }
    int64_t column = (int64_t)kv * a->head_dim, row = w.k0 + c - w.P;
    for (int d = 0; d < a->head_dim; d++) {
        if (c >= w.P) {
            lt_ref_put(a->dk, row * a->ld_dk + column + d, dk[d]);
            lt_ref_put(a->dv, row * a->ld_dv + column + d, dv[d]);
        } else if (a->d_bank && a->plan->slot[seq] < a->plan->n_slots - a->fixed_slots) {
            float *dst = a->d_bank + a->plan->slot[seq] * a->slot_stride + c * kv_width(&w) + column + d;
            dst[0] = (float)((double)dst[0] + dk[d]);
            dst += a->plan->P_max * kv_width(&w);
            dst[0] = (float)((double)dst[0] + dv[d]);
        }
    }
}

lt_status lt_ref_attn_bwd(const lt_ctx *c, const struct lt_attn_args *a) {
    LT_TRY(check(a));
    for (int64_t seq = 0; seq < a->plan->n_seq; seq++) {
        for (int head = 0; head < a->heads; head++) {
            view w = view_of(a, seq, head);
            for (int64_t i = 0; i < w.n_q; i++) backward_query(&w, i);
        }
        for (int kv = 0; kv < a->kv_heads; kv++) {
            view w = view_of(a, seq, kv * (a->heads / a->kv_heads));
            for (int64_t key = 0; key < w.P + w.n_k; key++) backward_key(a, seq, kv, key);
        }
    }
    return LT_OK;
}
