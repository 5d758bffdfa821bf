/* Where activations live.  Carved twice, measuring and real (base/mem.h).
 *
 * Per block and row, with backward (A = bytes of the activation type): q Hl*D*A, kv 2*Hkvl*D*A, o Hl*D*A, lse Hl*4, u Fl*A (gated: 2*Fl*A), two norm
 * inputs C*4 each and four norm statistics.  Without backward all blocks share one set. */
#include "model/model_impl.h"

static lt_arr take(lt_model *m, int64_t rows, int64_t cols) {
    return (lt_arr){lt_arena_take(&m->acts, rows * cols, lt_dtype_bytes(m->ctx.compute)), m->ctx.compute};
}

static float *take_f32(lt_model *m, int64_t rows, int64_t cols) { return lt_arena_take(&m->acts, rows * cols, sizeof(float)); }

static void carve_saved(lt_model *m, lt_saved *s) {
    const lt_arch *a = &m->arch;
    int64_t T = m->limits.tokens, hd = (int64_t)m->Hl * a->D, kd = (int64_t)m->Hkvl * a->D;
    s->q = take(m, T, hd);
    s->kv = take(m, T, 2 * kd);
    s->o = take(m, T, hd);
    s->lse = take_f32(m, T, m->Hl);
    s->u = take(m, T, a->glu ? 2 * m->Fl : m->Fl);
    s->x1 = take_f32(m, T, a->C);
    s->x2 = take_f32(m, T, a->C);
    s->mean1 = take_f32(m, T, 1);
    s->rstd1 = take_f32(m, T, 1);
    s->mean2 = take_f32(m, T, 1);
    s->rstd2 = take_f32(m, T, 1);
}

/* Most rows or columns of a frozen matrix of this rank. */
static int64_t widest(const lt_model *m) {
    const lt_arch *a = &m->arch;
    const int64_t width[] = {a->C, (a->glu ? 2 : 1) * m->Fl, (int64_t)m->Hl * a->D, 2 * (int64_t)m->Hkvl * a->D};
    int64_t most = 0;
    for (size_t i = 0; i < sizeof width / sizeof *width; i++) most = width[i] > most ? width[i] : most;
    return most;
}

void lt_model_impl_carve(lt_model *m) {
    const lt_arch *a = &m->arch;
    const lt_model_limits *lim = &m->limits;
    int64_t T = lim->tokens, B = lim->seqs, C = a->C, hd = (int64_t)m->Hl * a->D;
    lt_dims dims = {.rows = T,
                    .width = widest(m),
                    .seqs = B,
                    .max_len = lim->max_len,
                    .max_prefix = lim->P_max,
                    .slots = lim->slots,
                    .heads = m->Hl,
                    .kv_heads = m->Hkvl,
                    .head_dim = a->D};
    for (int l = 0; l < a->m; l++) {
        if (l == 0 || lim->backward)
            carve_saved(m, &m->saved[l]);
        else
            m->saved[l] = m->saved[0];
    }
    if (!a->learned_pos) m->cos_sin = take_f32(m, lim->max_len + lim->P_max, a->D);
    if (a->post_norm) {
        m->embed_x = take_f32(m, T, C);
        m->embed_mean = take_f32(m, T, 1);
        m->embed_rstd = take_f32(m, T, 1);
        m->x = take(m, T, C);
    } else {
        m->final_x = take_f32(m, T, C);
        m->final_mean = take_f32(m, T, 1);
        m->final_rstd = take_f32(m, T, 1);
        m->n = take(m, T, C);
    }
    m->x1 = take(m, T, C);
    m->h = take(m, T, m->Fl);
    m->pick = take(m, B, C);
    m->pick_res = take_f32(m, B, C);
    m->rows_out = take_f32(m, T, C);
    m->pooled = take_f32(m, B, C);
    m->pool_u = take_f32(m, B, C);
    m->argmax = lt_arena_take(&m->acts, B * C, sizeof *m->argmax);
    m->pick_row = lt_arena_take(&m->acts, B, sizeof *m->pick_row);
    m->pick_index = lt_arena_take(&m->acts, B, sizeof *m->pick_index);
    m->pick_pos = lt_arena_take(&m->acts, B, sizeof *m->pick_pos);
    m->pick_cu = lt_arena_take(&m->acts, B + 1, sizeof *m->pick_cu);
    if (lim->backward) {
        m->g0 = take_f32(m, T, C);
        m->g1 = take_f32(m, T, C);
        m->g2 = take_f32(m, T, C);
        m->d_rows = take_f32(m, T, C);
        m->dh = take(m, T, m->Fl);
        m->d_o = take(m, T, hd);
        m->dq = take(m, T, hd);
        m->dkv = take(m, T, 2 * (int64_t)m->Hkvl * a->D);
    }
    m->ctx.ws_bytes = m->ctx.ops->ws_bytes(&m->ctx, &dims);
    m->ctx.ws = lt_arena_take(&m->acts, (int64_t)m->ctx.ws_bytes, 1);
}
