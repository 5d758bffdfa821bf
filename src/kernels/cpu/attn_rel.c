/* Relative-position scores of attention tiles (struct lt_attn_rel): gathers and scatters by distance, text keys only.
 *
 * c2p has a row for each query and head, p2c for each key and head.  Units share no query of a head, and with p2c no head of a sequence, so no two
 * write the same element of the gradients. */
#include "kernels/cpu/attn_tile_impl.h"

static float element(lt_arr a, int64_t i) { return a.dt == LT_BF16 ? lt_bf16_to_f32(((const uint16_t *)a.p)[i]) : ((const float *)a.p)[i]; }

/* Place of the distance between query row and text key in the bucket tables. */
static int64_t distance(const lt_attn_rel *r, const lt_attn_plan *p, int64_t row, int64_t key) {
    int64_t d = p->q_index[row] - key;
    d = d > r->max_rel ? r->max_rel : d < -r->max_rel ? -r->max_rel : d;
    return d + r->max_rel;
}

/* First element of a query's (or key's) table under the head. */
static int64_t table_at(const lt_attn_unit *u, const lt_attn_tile *t, int64_t row) {
    return (row * u->a->heads + t->head) * u->a->rel->n_rel;
}

void lt_attn_impl_rel(const lt_attn_unit *u, const lt_attn_tile *t, const lt_attn_scratch *w, int64_t c0, int64_t n) {
    const lt_attn_rel *r = u->a->rel;
    for (int64_t c = c0 < u->P ? u->P : c0; c < c0 + n; c++)
        for (int64_t q = 0; q < t->n; q++) {
            int64_t key = c - u->P, at = distance(r, u->a->plan, t->row + q, key);
            float *s = w->s + (c - c0) * t->np + q;
            if (r->c2p.p) *s += element(r->c2p, table_at(u, t, t->row + q) + r->c2p_bucket[at]);
            if (r->p2c.p) *s += element(r->p2c, table_at(u, t, u->k0 + key) + r->p2c_bucket[at]);
        }
}

void lt_attn_impl_rel_bwd(const lt_attn_unit *u, const lt_attn_tile *t, const lt_attn_scratch *w, int64_t c0, int64_t n, float factor) {
    const lt_attn_rel *r = u->a->rel;
    for (int64_t c = c0 < u->P ? u->P : c0; c < c0 + n; c++)
        for (int64_t q = 0; q < t->n; q++) {
            int64_t key = c - u->P, at = distance(r, u->a->plan, t->row + q, key);
            float ds = factor * w->ds[(c - c0) * t->np + q];
            if (r->d_c2p) r->d_c2p[table_at(u, t, t->row + q) + r->c2p_bucket[at]] += ds;
            if (r->d_p2c) r->d_p2c[table_at(u, t, u->k0 + key) + r->p2c_bucket[at]] += ds;
        }
}
