/* A block with the norms before attention and feed-forward (LLaMA).  The residual stream m->res is f32.
 *
 *   forward   n = norm1(x),  x2 = x + attention(rope(n Wqk), n Wv) Wo,  n2 = norm2(x2),  y = x2 + (act(n2 Wg) * n2 Wu) Wd
 *   backward  dn2 = glu'(dy Wd) Wgu,  dx2 = dy + norm2'(dn2),  dn = attention'(dx2 Wo) Wqkv,  dx = dx2 + norm1'(dn)
 *
 * x2, y, dn2 and dn are sums over the tp group.  On one rank x, x2 and y are written where backward reads them; on several they arrive in the comm
 * buffers (x and y in buffer 0, x2 in buffer 1) and the norm copies them while it reads. */
#include "model/model_impl.h"

static void rotate(lt_model *m, lt_arr x, int64_t ld, int heads, int64_t rows, const int32_t *pos, int inverse) {
    LT_OP(m, rope,
          &(struct lt_rope_args){.rows = rows,
                                 .heads = heads,
                                 .head_dim = m->arch.D,
                                 .x = x,
                                 .ld_x = ld,
                                 .pos = pos,
                                 .cos_sin = m->cos_sin,
                                 .inverse = inverse});
}

void lt_model_impl_pre_fwd(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick) {
    lt_block *w = &m->block[layer];
    lt_saved *s = &m->saved[layer];
    const lt_arch *a = &m->arch;
    int64_t C = a->C, T = pack->n_tok, n = pick ? pack->n_seq : T, hd = (int64_t)m->Hl * a->D, kd = (int64_t)m->Hkvl * a->D;
    float *x = m->res;
    lt_arr xn = m->n;
    /* attention */
    LT_OP(m, norm_fwd,
          &(struct lt_norm_args){.kind = a->norm,
                                 .rows = T,
                                 .C = C,
                                 .x = x,
                                 .w = w->norm1_w,
                                 .eps = a->eps,
                                 .y = m->n,
                                 .x_save = lt_model_impl_keep(m, x, s->x1),
                                 .mean = s->mean1,
                                 .rstd = s->rstd1});
    if (pick) {
        LT_OP(m, gather_rows, &(struct lt_rows_args){.rows = n, .C = C, .index = m->pick_row, .big = m->n, .small = m->pick});
        LT_OP(m, gather_rows,
              &(struct lt_rows_args){.rows = n, .C = C, .index = m->pick_row, .big = lt_arr_f32(x), .small = lt_arr_f32(m->pick_res)});
        xn = m->pick;
        x = m->pick_res;
    }
    LT_OP_TIMED(m, linear, linear_fwd, &(struct lt_linear_args){.lin = &w->q, .rows = n, .x = xn, .y = s->q});
    LT_OP_TIMED(m, linear, linear_fwd, &(struct lt_linear_args){.lin = &w->kv, .rows = T, .x = m->n, .y = s->kv});
    rotate(m, s->q, hd, m->Hl, n, pick ? m->pick_pos : pack->pos, 0);
    rotate(m, s->kv, 2 * kd, m->Hkvl, T, pack->pos, 0);
    lt_model_impl_attn_fwd(m, layer, bank, pick);
    float *x2 = lt_model_impl_sum(m, 1, s->x2);
    LT_OP_TIMED(
        m, linear, linear_fwd,
        &(struct lt_linear_args){.lin = &w->o, .rows = n, .x = s->o, .y = lt_arr_f32(x2), .resid = lt_model_impl_once(m, lt_arr_f32(x))});
    lt_model_impl_reduce(m, 1, n);
    /* feed-forward */
    LT_OP(m, norm_fwd,
          &(struct lt_norm_args){.kind = a->norm,
                                 .rows = n,
                                 .C = C,
                                 .x = x2,
                                 .w = w->norm2_w,
                                 .eps = a->eps,
                                 .y = m->x1,
                                 .x_save = lt_model_impl_keep(m, x2, s->x2),
                                 .mean = s->mean2,
                                 .rstd = s->rstd2});
    LT_OP_TIMED(m, linear, linear_fwd, &(struct lt_linear_args){.lin = &w->up, .rows = n, .x = m->x1, .y = s->u});
    LT_OP(m, glu_fwd, &(struct lt_act_args){.act = a->act, .rows = n, .F = m->Fl, .u = s->u, .h = m->h});
    float *y = lt_model_impl_sum(m, 0, layer + 1 < a->m ? m->saved[layer + 1].x1 : m->final_x);
    LT_OP_TIMED(m, linear, linear_fwd,
                &(struct lt_linear_args){
                    .lin = &w->down, .rows = n, .x = m->h, .y = lt_arr_f32(y), .resid = lt_model_impl_once(m, lt_arr_f32(x2))});
    lt_model_impl_reduce(m, 0, n);
    m->res = y;
}

void lt_model_impl_pre_bwd(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick, bool below) {
    lt_block *w = &m->block[layer];
    lt_saved *s = &m->saved[layer];
    const lt_arch *a = &m->arch;
    int64_t C = a->C, T = pack->n_tok, n = pick ? pack->n_seq : T, hd = (int64_t)m->Hl * a->D, kd = (int64_t)m->Hkvl * a->D;
    float *dn = lt_model_impl_sum(m, 0, m->g0), *dx2 = m->g1, *dx = m->g2;
    /* feed-forward */
    LT_OP_TIMED(m, linear, linear_bwd_x,
                &(struct lt_linear_args){.lin = &w->down, .rows = n, .x = m->dh, .y = lt_arr_f32((float *)m->grad)});
    LT_OP(m, glu_bwd, &(struct lt_act_args){.act = a->act, .rows = n, .F = m->Fl, .u = s->u, .dh = m->dh, .du = s->u});
    LT_OP_TIMED(m, linear, linear_bwd_x, &(struct lt_linear_args){.lin = &w->up, .rows = n, .x = lt_arr_f32(dn), .y = s->u});
    lt_model_impl_reduce(m, 0, n);
    LT_OP(m, norm_bwd,
          &(struct lt_norm_args){.kind = a->norm,
                                 .rows = n,
                                 .C = C,
                                 .x = s->x2,
                                 .w = w->norm2_w,
                                 .mean = s->mean2,
                                 .rstd = s->rstd2,
                                 .dy = lt_arr_f32(dn),
                                 .dres = m->grad,
                                 .dx = dx2});
    /* attention */
    LT_OP_TIMED(m, linear, linear_bwd_x, &(struct lt_linear_args){.lin = &w->o, .rows = n, .x = m->d_o, .y = lt_arr_f32(dx2)});
    lt_model_impl_attn_bwd(m, layer, bank, pick);
    if (!below) return;
    rotate(m, m->dq, hd, m->Hl, n, pick ? m->pick_pos : pack->pos, 1);
    rotate(m, m->dkv, 2 * kd, m->Hkvl, T, pack->pos, 1);
    LT_OP_TIMED(m, linear, linear_bwd_x, &(struct lt_linear_args){.lin = &w->kv, .rows = T, .x = lt_arr_f32(dn), .y = m->dkv});
    if (pick) {
        LT_OP_TIMED(m, linear, linear_bwd_x, &(struct lt_linear_args){.lin = &w->q, .rows = n, .x = lt_arr_f32(m->pick_res), .y = m->dq});
        LT_OP(m, scatter_add_rows,
              &(struct lt_rows_args){.rows = n, .C = C, .index = m->pick_row, .big = lt_arr_f32(dn), .small = lt_arr_f32(m->pick_res)});
    } else {
        LT_OP_TIMED(m, linear, linear_bwd_x,
                    &(struct lt_linear_args){.lin = &w->q, .rows = T, .x = lt_arr_f32(dn), .y = m->dq, .resid = lt_arr_f32(dn)});
    }
    lt_model_impl_reduce(m, 0, T);
    LT_OP(m, norm_bwd,
          &(struct lt_norm_args){.kind = a->norm,
                                 .rows = T,
                                 .C = C,
                                 .x = s->x1,
                                 .w = w->norm1_w,
                                 .mean = s->mean1,
                                 .rstd = s->rstd1,
                                 .dy = lt_arr_f32(dn),
                                 .dres = pick ? NULL : dx2,
                                 .dx = dx});
    if (pick)
        LT_OP(m, scatter_add_rows,
              &(struct lt_rows_args){.rows = n, .C = C, .index = m->pick_row, .big = lt_arr_f32(dx), .small = lt_arr_f32(dx2)});
    m->grad = dx;
}
