/* Relative positions in scores (struct lt_relative; He et al. 2021): the constants that attention multiplies queries and keys with.
 *
 *     score = scale (q_i . k_j + q_i . K[i - j] + k_j . Q[i - j])        K = W_pos_k E, Q = W_pos_q E;  E: embeddings of distances, normed or not
 *
 * W, E and so K and Q are frozen, so every layer's K and Q are made once, when loading ends: for this rank's heads, and for the distances that
 * sequences of the planned length reach.  They are kept by distance, not by bucket: what a bucket saves in products it would cost in gathers, up to the
 * lengths that models with such positions have.  A step makes the products with them inside attention and keeps nothing; the constants count as activations,
 * for the plan sets their size.
 *
 * What is trained.  Keys of a prefix stand nowhere in the text: they meet queries by content alone, and the text keeps its places, so a prefix changes
 * what rows see and not where they are; to count it as text would make every distance to it a term that no position of it asked for.  Prompt rows are rows
 * of the sequence and have places 0 .. P - 1, as in a concatenation of embeddings.
 *   Adapters on q and k ride on the content part.  With shared matrices transformers' modules would move K and Q too; here they stay what was pre-trained: an
 * adapter then is a function of a row, and the constants need no gradient. */
#include "model/model_impl.h"

#include <stdlib.h>

void lt_model_impl_carve_relative(lt_model *m) {
    const lt_arch *a = &m->arch;
    int64_t reach = m->limits.max_len;
    if (!lt_arch_is_relative(a)) return;
    for (int l = 0; l < a->m; l++) {
        lt_attn_rel *rel = &m->block[l].rel;
        rel->reach = reach;
        if (a->relative.c2p) rel->c2p = lt_arena_take(&m->acts, lt_rel_elems(m->Hl, a->D, reach, false), sizeof(float));
        if (a->relative.p2c) rel->p2c = lt_arena_take(&m->acts, lt_rel_elems(m->Hl, a->D, reach, true), sizeof(float));
    }
}

/* What making the constants takes; device memory but for row. */
typedef struct rel_work {
    int32_t *row;        /* [2 reach - 1] row of x by distance */
    int64_t first, rows; /* of the table */
    float *x;            /* [rows, C] embeddings of distances */
    float *y;            /* [rows, widest N] their products */
    float *stats;        /* [2][rows] of the norm */
} rel_work;

/* to := the rows of x times lin, by distance. */
static lt_status make(lt_model *m, const rel_work *w, lt_lin *lin, bool p2c, const float *to) {
    int64_t C = m->arch.C, step = m->limits.tokens;
    for (int64_t r = 0; r < w->rows; r += step)
        LT_TRY(m->ctx.ops->linear_fwd(&m->ctx, &(struct lt_linear_args){.lin = lin,
                                                                        .rows = w->rows - r < step ? w->rows - r : step,
                                                                        .x = lt_arr_f32(w->x + r * C),
                                                                        .y = lt_arr_f32(w->y + r * lin->N)}));
    return m->ctx.ops->rel_pack(&m->ctx, &(struct lt_rel_pack_args){.heads = m->Hl,
                                                                    .head_dim = m->arch.D,
                                                                    .reach = m->limits.max_len,
                                                                    .scale = m->arch.attn_scale,
                                                                    .p2c = p2c,
                                                                    .row = w->row,
                                                                    .from = w->y,
                                                                    .ld = lin->N,
                                                                    .to = (float *)(uintptr_t)to});
}

/* Rows of the table that are reached, and w->x. */
static lt_status prepare(lt_model *m, rel_work *w) {
    const lt_arch *a = &m->arch;
    const lt_ops *ops = m->ctx.ops;
    int64_t reach = m->limits.max_len, C = a->C, widest = 2 * (int64_t)m->Hl * a->D;
    w->first = lt_arch_relative_row(a, 1 - reach);
    w->rows = lt_arch_relative_row(a, reach - 1) - w->first + 1;
    LT_TRY(lt_calloc(&w->row, 2 * reach - 1, sizeof *w->row, "relative positions"));
    for (int64_t s = 0; s < 2 * reach - 1; s++) w->row[s] = (int32_t)(lt_arch_relative_row(a, s - reach + 1) - w->first);
    void *p[3] = {NULL};
    const int64_t n[3] = {w->rows * C, w->rows * widest, 2 * w->rows};
    lt_status st = LT_OK;
    for (int i = 0; i < 3 && st == LT_OK; i++) st = ops->alloc(&m->ctx, (size_t)n[i] * sizeof(float), "relative positions", &p[i]);
    w->x = p[0];
    w->y = p[1];
    w->stats = p[2];
    LT_TRY(st);
    const float *table = m->rel_tab + w->first * C;
    if (!a->relative.norm)
        return ops->convert(&m->ctx,
                            &(struct lt_convert_args){.n = w->rows * C, .x = lt_arr_f32((float *)(uintptr_t)table), .y = lt_arr_f32(w->x)});
    return ops->norm_fwd(&m->ctx, &(struct lt_norm_args){.kind = a->norm,
                                                         .rows = w->rows,
                                                         .C = C,
                                                         .x = table,
                                                         .w = m->rel_norm.w,
                                                         .b = m->rel_norm.b,
                                                         .eps = a->eps,
                                                         .y = lt_arr_f32(w->x),
                                                         .mean = w->stats,
                                                         .rstd = w->stats + w->rows});
}

lt_status lt_model_impl_fill_relative(lt_model *m) {
    const lt_arch *a = &m->arch;
    rel_work w = {0};
    lt_status st = LT_OK;
    if (!lt_arch_is_relative(a)) return LT_OK;
    LT_CHECK(m->block[0].rel.reach == m->limits.max_len && m->ctx.ws, LT_ERR_INTERNAL, "the model is loaded before it is planned");
    LT_CHECK(a->H == a->Hkv, LT_ERR_INTERNAL, "relative positions of heads that share keys");
    LT_TRY_GOTO(prepare(m, &w), st, done);
    for (int l = 0; l < a->m; l++) {
        lt_block *b = &m->block[l];
        if (a->relative.c2p) LT_TRY_GOTO(make(m, &w, a->relative.shared ? &b->kv : &b->pos_k, false, b->rel.c2p), st, done);
        if (a->relative.p2c) LT_TRY_GOTO(make(m, &w, a->relative.shared ? &b->q : &b->pos_q, true, b->rel.p2c), st, done);
    }
    st = m->ctx.ops->wait(&m->ctx, NULL);
done:
    free(w.row);
    m->ctx.ops->free(&m->ctx, w.x);
    m->ctx.ops->free(&m->ctx, w.y);
    m->ctx.ops->free(&m->ctx, w.stats);
    return st;
}
