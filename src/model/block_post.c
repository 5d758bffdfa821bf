/* A block with the norms after the residual sums (BERT).
 *
 *   forward   a = attention(x) Wo + bo + x,  x1 = norm1(a),  b = act(x1 Wi + bi) Wd + bd + x1,  y = norm2(b)
 *   backward  db = norm2'(dy),  dx1 = act'(db Wd) Wi + db,  da = norm1'(dx1),  dx = attention'(da Wo) Wqkv + da
 *
 * a, dx1, b and dx are sums over the tp group.  In the last block only the rows that are read out are carried past the keys and values. */
#include "model/model_impl.h"

void lt_model_impl_post_fwd(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick) {
    lt_block *w = &m->block[layer];
    lt_saved *s = &m->saved[layer];
    int64_t C = m->arch.C, T = pack->n_tok, n = pick ? pack->n_seq : T;
    int other = m->grid->tp_rank != 0;
    lt_arr x = m->x;
    if (pick) {
        LT_OP(m, gather_rows, &(struct lt_rows_args){.rows = n, .C = C, .index = m->pick_row, .big = m->x, .small = m->pick});
        x = m->pick;
    }
    /* attention */
    LT_OP_TIMED(m, linear, linear_fwd, &(struct lt_linear_args){.lin = &w->q, .rows = n, .x = x, .y = s->q});
    LT_OP_TIMED(m, linear, linear_fwd, &(struct lt_linear_args){.lin = &w->kv, .rows = T, .x = m->x, .y = s->kv});
    lt_model_impl_attn_fwd(m, layer, bank, pick);
    float *a = lt_model_impl_sum(m, 0, s->x1);
    LT_OP_TIMED(m, linear, linear_fwd,
                &(struct lt_linear_args){
                    .lin = &w->o, .rows = n, .x = s->o, .y = lt_arr_f32(a), .resid = lt_model_impl_once(m, x), .no_bias = other});
    lt_model_impl_reduce(m, 0, n);
    LT_OP(m, norm_fwd,
          &(struct lt_norm_args){.kind = m->arch.norm,
                                 .rows = n,
                                 .C = C,
                                 .x = a,
                                 .w = w->norm1_w,
                                 .b = w->norm1_b,
                                 .eps = m->arch.eps,
                                 .y = m->x1,
                                 .x_save = lt_model_impl_keep(m, a, s->x1),
                                 .mean = s->mean1,
                                 .rstd = s->rstd1});
    /* feed-forward */
    LT_OP_TIMED(m, linear, linear_fwd, &(struct lt_linear_args){.lin = &w->up, .rows = n, .x = m->x1, .y = s->u});
    LT_OP(m, act_fwd, &(struct lt_act_args){.act = m->arch.act, .rows = n, .F = m->Fl, .u = s->u, .h = m->h});
    float *b = lt_model_impl_sum(m, 1, s->x2);
    LT_OP_TIMED(m, linear, linear_fwd,
                &(struct lt_linear_args){
                    .lin = &w->down, .rows = n, .x = m->h, .y = lt_arr_f32(b), .resid = lt_model_impl_once(m, m->x1), .no_bias = other});
    lt_model_impl_reduce(m, 1, n);
    LT_OP(m, norm_fwd,
          &(struct lt_norm_args){.kind = m->arch.norm,
                                 .rows = n,
                                 .C = C,
                                 .x = b,
                                 .w = w->norm2_w,
                                 .b = w->norm2_b,
                                 .eps = m->arch.eps,
                                 .y = m->x,
                                 .x_save = lt_model_impl_keep(m, b, s->x2),
                                 .mean = s->mean2,
                                 .rstd = s->rstd2});
}

void lt_model_impl_post_bwd(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick, bool below) {
    lt_block *w = &m->block[layer];
    lt_saved *s = &m->saved[layer];
    int64_t C = m->arch.C, T = pack->n_tok, n = pick ? pack->n_seq : T;
    float *db = m->g1, *dx1 = lt_model_impl_sum(m, 0, m->g0), *da = m->g1, *dx = lt_model_impl_sum(m, 1, m->g2);
    /* feed-forward */
    LT_OP(m, norm_bwd,
          &(struct lt_norm_args){.kind = m->arch.norm,
                                 .rows = n,
                                 .C = C,
                                 .x = s->x2,
                                 .w = w->norm2_w,
                                 .mean = s->mean2,
                                 .rstd = s->rstd2,
                                 .dy = lt_arr_f32((float *)m->grad),
                                 .dx = db});
    LT_OP_TIMED(m, linear, linear_bwd_x, &(struct lt_linear_args){.lin = &w->down, .rows = n, .x = m->dh, .y = lt_arr_f32(db)});
    LT_OP(m, act_bwd, &(struct lt_act_args){.act = m->arch.act, .rows = n, .F = m->Fl, .u = s->u, .dh = m->dh, .du = s->u});
    LT_OP_TIMED(m, linear, linear_bwd_x,
                &(struct lt_linear_args){
                    .lin = &w->up, .rows = n, .x = lt_arr_f32(dx1), .y = s->u, .resid = lt_model_impl_once(m, lt_arr_f32(db))});
    lt_model_impl_reduce(m, 0, n);
    /* attention */
    LT_OP(m, norm_bwd,
          &(struct lt_norm_args){.kind = m->arch.norm,
                                 .rows = n,
                                 .C = C,
                                 .x = s->x1,
                                 .w = w->norm1_w,
                                 .mean = s->mean1,
                                 .rstd = s->rstd1,
                                 .dy = lt_arr_f32(dx1),
                                 .dx = da});
    LT_OP_TIMED(m, linear, linear_bwd_x, &(struct lt_linear_args){.lin = &w->o, .rows = n, .x = m->d_o, .y = lt_arr_f32(da)});
    lt_model_impl_attn_bwd(m, layer, bank, pick);
    if (!below) return;
    if (pick) {
        LT_OP_TIMED(m, linear, linear_bwd_x, &(struct lt_linear_args){.lin = &w->kv, .rows = T, .x = lt_arr_f32(dx), .y = m->dkv});
        LT_OP_TIMED(m, linear, linear_bwd_x,
                    &(struct lt_linear_args){
                        .lin = &w->q, .rows = n, .x = lt_arr_f32(m->g0), .y = m->dq, .resid = lt_model_impl_once(m, lt_arr_f32(da))});
        LT_OP(m, scatter_add_rows,
              &(struct lt_rows_args){.rows = n, .C = C, .index = m->pick_row, .big = lt_arr_f32(dx), .small = lt_arr_f32(m->g0)});
    } else {
        LT_OP_TIMED(m, linear, linear_bwd_x,
                    &(struct lt_linear_args){
                        .lin = &w->q, .rows = T, .x = lt_arr_f32(dx), .y = m->dq, .resid = lt_model_impl_once(m, lt_arr_f32(da))});
        LT_OP_TIMED(m, linear, linear_bwd_x,
                    &(struct lt_linear_args){.lin = &w->kv, .rows = T, .x = lt_arr_f32(dx), .y = m->dkv, .resid = lt_arr_f32(dx)});
    }
    lt_model_impl_reduce(m, 1, T);
    m->grad = dx;
}
