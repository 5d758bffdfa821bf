/* Relative positions of attention (struct lt_attn_rel): the terms q_i . c2p[i - j] and k_j . p2c[i - j] of a block of scores, and their gradients.
 *
 * The scores of a block lie as [keys][queries].  Along a diagonal of it the distance is one number, so each term is a product with a band of the constants that
 * is skewed into the block.  Most of that costs nothing, because the product takes any strides:
 *
 *   p2c            row j of (K . turned p2c) is the term of key j for queries i = d + j: C begins one element further in every row (ldc = ld + 1)
 *   d p2c to k     dk_j += sum_d ds[j][d + j] p2c[d]: A begins one element further in every row
 *   d c2p to q     dq_i += sum_e ds[i + e][i] c2p[e]: A goes down the diagonals
 *
 * What such a walk meets outside the block are pads: columns behind each row of scores that nobody reads, zeros around the gradients.  Keys and queries go by
 * few at a time, so that a walk is hardly longer than the block.
 *   c2p forward puts the lanes of a vector on different rows; there the band [distances][queries] is made first and then skewed in registers, a stage of blends
 * for each bit of the lane's number.  From one block of keys to the next the bands overlap by np - 1 rows, which are kept.
 *
 * Tiles whose queries do not stand one behind the other from a multiple of 16 on (one query of a sequence that is read out) go the plain way. */
#include "kernels/cpu/attn_tile_impl.h"

#include <string.h>

enum { STEP = 4 }; /* rows of a register block of the product */

/* Rows of the head, and its turned copy at distance 0. */
static const float *c2p_at(const lt_attn_unit *u, int head, int64_t distance) {
    const lt_attn_rel *r = u->a->rel;
    return r->c2p + (head * lt_rel_rows(r->reach) + r->reach - 1 - distance) * lt_rel_width(u->a->head_dim);
}
static const float *p2c_at(const lt_attn_unit *u, int head, int64_t distance) {
    const lt_attn_rel *r = u->a->rel;
    return r->p2c + (head * lt_rel_rows(r->reach) + r->reach - 1 + distance) * lt_rel_width(u->a->head_dim);
}
static const float *turned_at(const lt_attn_unit *u, int head, int64_t distance) {
    const lt_attn_rel *r = u->a->rel;
    int64_t D = u->a->head_dim;
    return r->p2c + u->a->heads * lt_rel_rows(r->reach) * lt_rel_width(D) + head * D * lt_rel_cols(r->reach) + lt_rel_zero(r->reach) +
           distance;
}

/* ---- c2p forward ---- */

/* One stage of the skew over n + step vectors: lanes whose number has no bit `step` come from `step` rows further on. */
static inline __attribute__((always_inline)) void stage(lt_vf *x, int n, int step) {
    const lt_vi lane =
#ifdef __AVX512F__
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#else
        {0, 1, 2, 3, 4, 5, 6, 7};
#endif
    const lt_vi far = (lane & step) == 0;
    for (int i = 0; i < n; i++) x[i] = lt_vf_pick(far, x[i + step], x[i]);
}

/* Adds to `keys` <= VL rows of scores s the diagonals of the band: row m, lane l gets band row m + VL - 1 - l. */
static void add_diagonals(const float *band, int64_t np, float *s, int64_t ld, int64_t keys) {
    lt_vf x[2 * LT_VL];
    for (int i = 0; i < 2 * LT_VL - 1; i++) x[i] = lt_vf_load(band + i * np);
    if (LT_VL == 16) stage(x, 23, 8);
    stage(x, LT_VL + 3, 4);
    stage(x, LT_VL + 1, 2);
    stage(x, LT_VL, 1);
    if (keys == LT_VL)
        for (int m = 0; m < LT_VL; m++) lt_vf_store(s + m * ld, lt_vf_load(s + m * ld) + x[m]);
    else
        for (int64_t m = 0; m < keys; m++) lt_vf_store(s + m * ld, lt_vf_load(s + m * ld) + x[m]);
}

/* s: scores of the text keys j0 .. j0 + keys - 1.  Row b of the band: distance i0 + np - 1 - j0 - b. */
static void c2p_fwd(const lt_attn_unit *u, lt_attn_tile *t, const lt_attn_scratch *w, int64_t j0, int64_t keys, float *s) {
    int64_t np = t->np, D = u->a->head_dim, have = np - t->n, rows = keys + np - 1;
    if (t->band_end == j0) {
        have = np - 1;
        memmove(w->band, w->band + t->band_keys * np, (size_t)(have * np) * sizeof *w->band);
    } else {
        memset(w->band, 0, (size_t)(have * np) * sizeof *w->band); /* read by columns past the last query only */
    }
    t->band_end = j0 + keys;
    t->band_keys = keys;
    lt_attn_impl_product(rows - have, np, D, c2p_at(u, t->head, t->place0 + np - 1 - j0 - have), lt_rel_width(D), 1, w->qt, np,
                         w->band + have * np, np, false);
    for (int64_t m = 0; m < keys; m += LT_VL)
        for (int64_t q = 0; q < np; q += LT_VL)
            add_diagonals(w->band + (m + np - q - LT_VL) * np + q, np, s + m * t->ld + q, t->ld, lt_cpu_min(LT_VL, keys - m));
}

static void p2c_fwd(const lt_attn_unit *u, const lt_attn_tile *t, const lt_attn_scratch *w, int64_t j0, int64_t keys, float *s) {
    int64_t D = u->a->head_dim, Dp = lt_attn_round(D), cols = lt_rel_cols(u->a->rel->reach);
    for (int64_t j = j0, next; j < j0 + keys; j = next) {
        int64_t base = j / LT_VL * LT_VL, last = base + LT_VL - 1; /* distances begin on a vector of the turned copy */
        next = lt_cpu_min(last + 1, j0 + keys);
        lt_attn_impl_product(next - j, t->np + LT_VL, D, w->k + (u->P + j) * Dp, Dp, 1, turned_at(u, t->head, t->place0 - last), cols,
                             s + (j - j0) * t->ld + j - last, t->ld + 1, true);
    }
}

/* ---- the plain way ---- */

static float dot(const float *x, const float *y, int64_t D) {
    float s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t d = 0; d < D; d++) s += x[d] * y[d];
    return s;
}
static void add_times(float f, const float *x, int64_t D, float *y) {
#pragma omp simd
    for (int64_t d = 0; d < D; d++) y[d] += f * x[d];
}

static void plain_fwd(const lt_attn_unit *u, const lt_attn_tile *t, const lt_attn_scratch *w, int64_t j0, int64_t keys, float *s) {
    const struct lt_attn_args *a = u->a;
    int64_t D = a->head_dim, Dp = lt_attn_round(D);
    for (int64_t q = 0; q < t->n; q++)
        for (int64_t j = j0; j < j0 + keys; j++) {
            int64_t away = a->plan->q_index[t->row + q] - j;
            float sum = a->rel->c2p ? dot(w->q + q * Dp, c2p_at(u, t->head, away), D) : 0.0f;
            if (a->rel->p2c) sum += dot(w->k + (u->P + j) * Dp, p2c_at(u, t->head, away), D);
            s[(j - j0) * t->ld + q] += a->scale * sum;
        }
}

static void plain_bwd(const lt_attn_unit *u, const lt_attn_tile *t, const lt_attn_scratch *w, int64_t j0, int64_t keys, const float *ds) {
    const struct lt_attn_args *a = u->a;
    int64_t D = a->head_dim, Dp = lt_attn_round(D);
    for (int64_t j = j0; j < j0 + keys; j++)
        for (int64_t q = 0; q < t->n; q++) {
            int64_t away = a->plan->q_index[t->row + q] - j;
            float f = ds[(j - j0) * t->ld + q];
            if (a->rel->c2p) add_times(f, c2p_at(u, t->head, away), D, w->acc + q * Dp);
            if (a->rel->p2c) add_times(f, p2c_at(u, t->head, away), D, w->dk + (u->P + j) * Dp);
        }
}

/* ---- entries ---- */

/* Text keys of the block. */
static int64_t text_of(const lt_attn_unit *u, int64_t c0, int64_t n, int64_t *j0) {
    int64_t from = c0 < u->P ? u->P : c0;
    *j0 = from - u->P;
    return c0 + n - from;
}

void lt_attn_impl_rel(const lt_attn_unit *u, lt_attn_tile *t, const lt_attn_scratch *w, int64_t c0, int64_t n) {
    int64_t j0, keys = text_of(u, c0, n, &j0);
    if (keys <= 0) return;
    float *s = w->s + (n - keys) * t->ld;
    if (!t->straight) {
        plain_fwd(u, t, w, j0, keys, s);
        return;
    }
    if (u->a->rel->c2p) c2p_fwd(u, t, w, j0, keys, s);
    if (u->a->rel->p2c) p2c_fwd(u, t, w, j0, keys, s);
}

void lt_attn_impl_rel_pads(const lt_attn_tile *t, const lt_attn_scratch *w) {
    for (int64_t r = -LT_ATTN_MARGIN; r < LT_ATTN_KT + LT_ATTN_MARGIN; r++) lt_vf_store(w->ds + r * t->ld + t->np, (lt_vf){0});
}

void lt_attn_impl_rel_bwd(const lt_attn_unit *u, const lt_attn_tile *t, const lt_attn_scratch *w, int64_t c0, int64_t n) {
    int64_t j0, keys = text_of(u, c0, n, &j0), D = u->a->head_dim, Dp = lt_attn_round(D), wide = lt_rel_width(D), ld = t->ld, take;
    float *ds = w->ds + (n - keys) * ld;
    if (keys <= 0) return;
    if (!t->straight) {
        plain_bwd(u, t, w, j0, keys, ds);
        return;
    }
    memset(ds - LT_ATTN_MARGIN * ld, 0, (size_t)(LT_ATTN_MARGIN * ld) * sizeof *ds); /* rows of the prefix: done with */
    memset(ds + keys * ld, 0, (size_t)(LT_ATTN_MARGIN * ld) * sizeof *ds);
    for (int64_t q = 0; u->a->rel->c2p && q < t->n; q += take) {
        take = lt_cpu_min(STEP, t->n - q);
        lt_attn_impl_product(take, Dp, keys + take - 1, ds - (take - 1) * ld + q, ld + 1, ld,
                             c2p_at(u, t->head, t->place0 + q + take - 1 - j0), wide, w->acc + q * Dp, Dp, true);
    }
    if (!u->a->rel->p2c) return;
    for (int64_t j = 0; j < keys; j++)
        for (int64_t q = t->n; q < t->n + LT_ATTN_MARGIN; q++) ds[j * ld + q] = 0.0f;
    for (int64_t j = 0; j < keys; j += take) {
        take = lt_cpu_min(STEP, keys - j);
        lt_attn_impl_product(take, Dp, t->n + take - 1, ds + j * ld - (take - 1), ld + 1, 1,
                             p2c_at(u, t->head, t->place0 - (j0 + j + take - 1)), wide, w->dk + (u->P + j0 + j) * Dp, Dp, true);
    }
}
