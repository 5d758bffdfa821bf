/* Forward and backward of the whole model: embedding, blocks, read-out. */
#include "model/model_impl.h"

#include <string.h>

static bool one_row_each(lt_readout r) { return r == LT_READ_FIRST || r == LT_READ_CLS || r == LT_READ_LAST; }

static bool uses_pooler(const lt_model *m, lt_readout r) { return m->has_pooler && (r == LT_READ_FIRST || r == LT_READ_CLS); }

/* Fills the two attention plans and the list of read-out rows. */
static void make_plans(lt_model *m, const lt_forward_args *a) {
    const lt_pack *p = a->pack;
    lt_attn_plan plan = {.n_seq = p->n_seq,
                         .n_q = p->n_tok,
                         .n_k = p->n_tok,
                         .cu_q = p->cu,
                         .cu_k = p->cu,
                         .slot = p->slot,
                         .max_q = p->max_len,
                         .max_k = p->max_len};
    if (a->bank) {
        plan.slot_len = a->bank->slot_len;
        plan.n_slots = a->bank->S;
        plan.P_max = a->bank->P_max;
    }
    m->plan_all = plan;
    if (!one_row_each(a->readout)) return;
    for (int64_t i = 0; i < p->n_seq; i++) {
        int32_t row = a->readout == LT_READ_FIRST ? p->cu[i] : a->readout == LT_READ_CLS ? p->text0[i] : p->cu[i + 1] - 1;
        m->pick_row[i] = row;
        m->pick_index[i] = row - p->cu[i];
        m->pick_pos[i] = p->pos[row];
        m->pick_cu[i] = (int32_t)i;
    }
    m->pick_cu[p->n_seq] = (int32_t)p->n_seq;
    plan.n_q = p->n_seq;
    plan.cu_q = m->pick_cu;
    plan.q_index = m->pick_index;
    plan.max_q = 1;
    m->plan_pick = plan;
}

/* Embedding rows: token rows come from the rank that owns them, the rest from tp rank 0; summed over the tp group. */
static void embed(lt_model *m, const lt_forward_args *a) {
    const lt_pack *p = a->pack;
    const lt_arch *arch = &m->arch;
    bool first = m->grid->tp_rank == 0;
    float *e = lt_model_impl_sum(m, 0, arch->post_norm ? m->embed_x : m->saved[0].x1);
    LT_OP(m, embed_fwd,
          &(struct lt_embed_args){.rows = p->n_tok,
                                  .C = arch->C,
                                  .id = p->id,
                                  .pos = p->pos,
                                  .type = arch->types ? p->type : NULL,
                                  .tok = m->tok,
                                  .tok_dt = m->ctx.compute,
                                  .v0 = m->v0,
                                  .v1 = m->v1,
                                  .pos_tab = first ? m->pos_tab : NULL,
                                  .type_tab = first ? m->type_tab : NULL,
                                  .prompt = first && a->bank ? a->bank->prompt : NULL,
                                  .scale = 1.0f,
                                  .x = e});
    lt_model_impl_reduce(m, 0, p->n_tok);
    m->res = e;
    if (arch->post_norm)
        LT_OP(m, norm_fwd,
              &(struct lt_norm_args){.kind = arch->norm,
                                     .rows = p->n_tok,
                                     .C = arch->C,
                                     .x = e,
                                     .w = m->embed_norm_w,
                                     .b = m->embed_norm_b,
                                     .eps = arch->eps,
                                     .y = m->x,
                                     .x_save = lt_model_impl_keep(m, e, m->embed_x),
                                     .mean = m->embed_mean,
                                     .rstd = m->embed_rstd});
}

/* The stream between blocks as f32 rows. */
static void copy_stream(lt_model *m, int64_t rows, float *out) {
    lt_arr from = m->arch.post_norm ? m->x : lt_arr_f32(m->res);
    lt_status st = lt_convert(out, LT_F32, from.p, from.dt, rows * m->arch.C);
    if (st != LT_OK) lt_fatal(m->grid->world, st);
}

void lt_model_forward(lt_model *m, const lt_forward_args *a, const float **out) {
    const lt_pack *p = a->pack;
    const lt_arch *arch = &m->arch;
    bool pick = one_row_each(a->readout) && !a->hidden;
    int64_t T = p->n_tok, C = arch->C, n = pick ? p->n_seq : T;
    make_plans(m, a);
    embed(m, a);
    for (int l = 0; l < arch->m; l++) {
        if (a->hidden) copy_stream(m, T, a->hidden + l * T * C);
        if (arch->post_norm)
            lt_model_impl_post_fwd(m, p, l, a->bank, pick && l == arch->m - 1);
        else
            lt_model_impl_pre_fwd(m, p, l, a->bank, pick && l == arch->m - 1);
    }
    if (arch->post_norm)
        copy_stream(m, n, m->rows_out);
    else
        LT_OP(m, norm_fwd,
              &(struct lt_norm_args){.kind = arch->norm,
                                     .rows = n,
                                     .C = C,
                                     .x = m->res,
                                     .w = m->final_norm_w,
                                     .eps = arch->eps,
                                     .y = lt_arr_f32(m->rows_out),
                                     .x_save = lt_model_impl_keep(m, m->res, m->final_x),
                                     .mean = m->final_mean,
                                     .rstd = m->final_rstd});
    if (a->hidden) memcpy(a->hidden + arch->m * T * C, m->rows_out, (size_t)(T * C) * sizeof(float));
    /* read out */
    *out = m->rows_out;
    if (uses_pooler(m, a->readout) && pick) {
        LT_OP_TIMED(m, linear, linear_fwd,
                    &(struct lt_linear_args){.lin = &m->pooler, .rows = n, .x = lt_arr_f32(m->rows_out), .y = lt_arr_f32(m->pool_u)});
        LT_OP(m, act_fwd,
              &(struct lt_act_args){.act = LT_ACT_TANH, .rows = n, .F = C, .u = lt_arr_f32(m->pool_u), .h = lt_arr_f32(m->pooled)});
        *out = m->pooled;
    } else if (a->readout == LT_READ_MEAN || a->readout == LT_READ_MAX) {
        LT_OP(m, pool_fwd,
              &(struct lt_pool_args){.kind = a->readout == LT_READ_MEAN ? LT_POOL_MEAN : LT_POOL_MAX,
                                     .n_seq = p->n_seq,
                                     .C = C,
                                     .row0 = p->text0,
                                     .row1 = p->cu + 1,
                                     .x = m->rows_out,
                                     .out = m->pooled,
                                     .argmax = m->argmax,
                                     .T = T});
        *out = m->pooled;
    }
}

/* Gradient of the last block's output rows from that of the read-out. */
static const float *backward_readout(lt_model *m, const lt_forward_args *a, const float *d_out, int64_t n) {
    const lt_pack *p = a->pack;
    int64_t C = m->arch.C;
    if (uses_pooler(m, a->readout)) {
        lt_arr u = lt_arr_f32(m->pool_u);
        LT_OP(m, act_bwd, &(struct lt_act_args){.act = LT_ACT_TANH, .rows = n, .F = C, .u = u, .dh = lt_arr_f32((float *)d_out), .du = u});
        LT_OP_TIMED(m, linear, linear_bwd_x, &(struct lt_linear_args){.lin = &m->pooler, .rows = n, .x = lt_arr_f32(m->d_rows), .y = u});
        return m->d_rows;
    }
    if (a->readout == LT_READ_MEAN || a->readout == LT_READ_MAX) {
        LT_OP(m, pool_bwd,
              &(struct lt_pool_args){.kind = a->readout == LT_READ_MEAN ? LT_POOL_MEAN : LT_POOL_MAX,
                                     .n_seq = p->n_seq,
                                     .C = C,
                                     .row0 = p->text0,
                                     .row1 = p->cu + 1,
                                     .argmax = m->argmax,
                                     .dout = d_out,
                                     .dx = m->d_rows,
                                     .T = p->n_tok});
        return m->d_rows;
    }
    return d_out;
}

void lt_model_backward(lt_model *m, const lt_forward_args *a, const float *d_out) {
    const lt_pack *p = a->pack;
    const lt_arch *arch = &m->arch;
    bool pick = one_row_each(a->readout), to_prompt = a->bank && a->bank->d_prompt, to_bank = a->bank && a->bank->d_kv;
    int64_t C = arch->C, n = pick ? p->n_seq : p->n_tok;
    if (!to_prompt && !to_bank) return;
    m->grad = backward_readout(m, a, d_out, n);
    if (!arch->post_norm) {
        LT_OP(m, norm_bwd,
              &(struct lt_norm_args){.kind = arch->norm,
                                     .rows = n,
                                     .C = C,
                                     .x = m->final_x,
                                     .w = m->final_norm_w,
                                     .mean = m->final_mean,
                                     .rstd = m->final_rstd,
                                     .dy = lt_arr_f32((float *)m->grad),
                                     .dx = m->g2});
        m->grad = m->g2;
    }
    for (int l = arch->m - 1; l >= 0; l--) {
        bool last = pick && l == arch->m - 1, below = l > 0 || to_prompt;
        if (arch->post_norm)
            lt_model_impl_post_bwd(m, p, l, a->bank, last, below);
        else
            lt_model_impl_pre_bwd(m, p, l, a->bank, last, below);
    }
    if (!to_prompt) return;
    if (arch->post_norm) {
        LT_OP(m, norm_bwd,
              &(struct lt_norm_args){.kind = arch->norm,
                                     .rows = p->n_tok,
                                     .C = C,
                                     .x = m->embed_x,
                                     .w = m->embed_norm_w,
                                     .mean = m->embed_mean,
                                     .rstd = m->embed_rstd,
                                     .dy = lt_arr_f32((float *)m->grad),
                                     .dx = m->g1});
        m->grad = m->g1;
    }
    LT_OP(
        m, embed_bwd,
        &(struct lt_embed_args){
            .rows = p->n_tok, .C = C, .id = p->id, .v0 = m->v0, .v1 = m->v1, .scale = 1.0f, .dx = m->grad, .d_prompt = a->bank->d_prompt});
}
