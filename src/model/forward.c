/* Forward and backward of the whole model: embedding, blocks, read-out. */
#include "model/model_impl.h"

static bool uses_pooler(const lt_model *m, lt_readout r) { return m->has_pooler && (r == LT_READ_FIRST || r == LT_READ_CLS); }

/* ---- embedding ---- */

static struct lt_embed_args embed_args(const lt_model *m, const lt_forward_args *a) {
    return (struct lt_embed_args){.rows = a->pack->n_tok,
                                  .C = m->arch.C,
                                  .id = m->dev.id,
                                  .pos = m->dev.pos,
                                  .type = m->arch.types ? m->dev.type : NULL,
                                  .tok = m->tok,
                                  .tok_dt = m->ctx.compute,
                                  .v0 = m->v0,
                                  .v1 = m->v1,
                                  .scale = m->arch.embed_scale};
}

/* Token rows come from the rank that owns them, the rest from tp rank 0; summed over the tp group.  Returns the stream [T, C]. */
static lt_arr embed(lt_model *m, const lt_forward_args *a) {
    const lt_arch *arch = &m->arch;
    float *alone = arch->embed_norm ? m->embed_saved.x : lt_model_impl_saved(m, 0)->norm[LT_ATTN][LT_IN].x;
    struct lt_embed_args args = embed_args(m, a);
    float *e = args.x = lt_model_impl_sum(m, alone ? alone : m->rows_out);
    if (m->grid->tp_rank == 0) {
        args.pos_tab = m->pos_tab ? m->pos_tab + arch->pos_offset * arch->C : NULL;
        args.type_tab = m->type_tab;
        args.prompt = a->bank ? a->bank->prompt : NULL;
    }
    LT_OP(m, embed_fwd, &args);
    lt_model_impl_reduce(m, a->pack->n_tok);
    /* with an input norm the rows are copied, where backward wants them, while it reads */
    if (!arch->embed_norm && m->stream_dt == LT_F32 && (e == alone || arch->norms & LT_NORM_IN)) return lt_arr_f32(e);
    lt_saved *s = lt_model_impl_saved(m, 0);
    lt_arr to = m->stream_dt == LT_F32 ? lt_arr_f32(s->norm[LT_ATTN][LT_IN].x) : s->in[LT_ATTN];
    if (arch->embed_norm)
        lt_model_impl_norm(m, &m->embed_norm, &m->embed_saved, a->pack->n_tok, e, to, (lt_arr){0});
    else
        LT_OP(m, convert, &(struct lt_convert_args){.n = a->pack->n_tok * arch->C, .x = lt_arr_f32(e), .y = to});
    return to;
}

/* ---- read-out ---- */

static struct lt_pool_args pool_args(const lt_model *m, const lt_forward_args *a) {
    return (struct lt_pool_args){.kind = a->readout == LT_READ_MEAN ? LT_POOL_MEAN : LT_POOL_MAX,
                                 .n_seq = a->pack->n_seq,
                                 .C = m->arch.C,
                                 .row0 = m->dev.text0,
                                 .row1 = m->dev.row1,
                                 .argmax = m->argmax,
                                 .T = a->pack->n_tok};
}

/* The last block's rows as f32, after the final norm. */
static void finish_rows(lt_model *m, int64_t n, lt_arr x) {
    if (m->arch.final_norm)
        lt_model_impl_norm(m, &m->final_norm, &m->final_saved, n, x.p, lt_arr_f32(m->rows_out), (lt_arr){0});
    else
        LT_OP(m, convert, &(struct lt_convert_args){.n = n * m->arch.C, .x = x, .y = lt_arr_f32(m->rows_out)});
}

static const float *read_out(lt_model *m, const lt_forward_args *a, int64_t n) {
    int64_t C = m->arch.C;
    if (uses_pooler(m, a->readout) && !a->hidden) {
        LT_OP_TIMED(m, linear, linear_fwd,
                    &(struct lt_linear_args){.lin = &m->pooler, .rows = n, .x = lt_arr_f32(m->rows_out), .y = lt_arr_f32(m->pool_u)});
        LT_OP(m, act_fwd,
              &(struct lt_act_args){.act = m->arch.pool_act, .rows = n, .F = C, .u = lt_arr_f32(m->pool_u), .h = lt_arr_f32(m->pooled)});
        return m->pooled;
    }
    if (a->readout != LT_READ_MEAN && a->readout != LT_READ_MAX) return m->rows_out;
    struct lt_pool_args pool = pool_args(m, a);
    pool.x = m->rows_out;
    pool.out = m->pooled;
    LT_OP(m, pool_fwd, &pool);
    return m->pooled;
}

/* n [T, C] rows of the device to host. */
static void download(lt_model *m, lt_arr x, int64_t n, float *out) {
    int64_t elems = n * m->arch.C;
    if (x.dt != LT_F32) {
        LT_OP(m, convert, &(struct lt_convert_args){.n = elems, .x = x, .y = lt_arr_f32(m->rows_out)});
        x = lt_arr_f32(m->rows_out);
    }
    lt_status st = lt_ctx_download(&m->ctx, out, x.p, (size_t)elems * sizeof *out);
    if (st != LT_OK) lt_fatal(m->grid->world, st);
}

void lt_model_forward(lt_model *m, const lt_forward_args *a, lt_readout_rows *out) {
    const lt_arch *arch = &m->arch;
    bool pick = lt_model_impl_one_row(a->readout) && !a->hidden;
    int64_t T = a->pack->n_tok, n = pick ? a->pack->n_seq : T, C = arch->C;
    m->args = a;
    m->keep = a->backward;
    m->targets = lt_model_impl_targets(a);
    lt_model_impl_upload(m, a);
    lt_arr x = embed(m, a);
    if (arch->conv_kernel) lt_model_impl_conv_fwd(m, a->pack, x);
    for (int l = 0; l < arch->m; l++) {
        if (a->hidden) download(m, x, T, a->hidden + l * T * C);
        x = lt_model_impl_block_fwd(m, a->pack, l, a->bank, pick && l == arch->m - 1, x);
        if (arch->conv_kernel && l == 0) lt_model_impl_conv_join(m, a->pack, x);
    }
    finish_rows(m, n, x);
    if (a->hidden) download(m, lt_arr_f32(m->rows_out), T, a->hidden + arch->m * T * C);
    *out = (lt_readout_rows){.n = a->readout == LT_READ_TOKENS ? T : a->pack->n_seq,
                             .rows = read_out(m, a, n),
                             .target = m->dev.target,
                             .weight = m->dev.weight,
                             .cu = m->dev.read_cu,
                             .key = m->dev.key};
}

const float *lt_model_logits(lt_model *m, const lt_readout_rows *rows) {
    int64_t V = m->v1 - m->v0;
    LT_OP_TIMED(m, linear, logits,
                &(struct lt_logits_args){.rows = rows->n,
                                         .C = m->arch.C,
                                         .V = V,
                                         .ld_y = V,
                                         .tok = m->head,
                                         .tok_dt = m->ctx.compute,
                                         .x = lt_arr_f32((float *)(uintptr_t)rows->rows),
                                         .y = m->logits});
    return m->logits;
}

/* ---- backward ---- */

/* Gradient of the last block's output rows from that of the read-out. */
static const float *backward_readout(lt_model *m, const lt_forward_args *a, const float *d_out, int64_t n) {
    lt_arr u = lt_arr_f32(m->pool_u), d = lt_arr_f32((float *)(uintptr_t)d_out);
    if (uses_pooler(m, a->readout)) {
        LT_OP(m, act_bwd, &(struct lt_act_args){.act = m->arch.pool_act, .rows = n, .F = m->arch.C, .u = u, .dh = d, .du = u});
        LT_OP_TIMED(m, linear, linear_bwd_x, &(struct lt_linear_args){.lin = &m->pooler, .rows = n, .x = lt_arr_f32(m->d_rows), .y = u});
        return m->d_rows;
    }
    if (a->readout != LT_READ_MEAN && a->readout != LT_READ_MAX) return d_out;
    struct lt_pool_args pool = pool_args(m, a);
    pool.dout = d_out;
    pool.dx = m->d_rows;
    LT_OP(m, pool_bwd, &pool);
    return m->d_rows;
}

/* Does some sequence of the pack have a trained input: a prefix, prompt rows, an adapter? */
static void trained_inputs(const lt_forward_args *a, bool *in_layers, bool *in_prompt) {
    const lt_pack *p = a->pack;
    const lt_bank *b = a->bank;
    *in_layers = *in_prompt = false;
    for (int64_t i = 0; b && b->d_kv && i < p->n_seq; i++) *in_layers |= p->slot[i] >= 0;
    for (int64_t i = 0; b && b->d_prompt && i < p->n_seq; i++) *in_prompt |= p->text0[i] > p->cu[i];
    *in_layers |= lt_model_impl_targets(a) != 0;
}

void lt_model_backward(lt_model *m, const lt_forward_args *a, const float *d_out) {
    const lt_arch *arch = &m->arch;
    bool pick = lt_model_impl_one_row(a->readout), in_layers, in_prompt;
    int64_t n = pick ? a->pack->n_seq : a->pack->n_tok;
    m->args = a;
    m->targets = lt_model_impl_targets(a);
    trained_inputs(a, &in_layers, &in_prompt);
    if (!in_layers && !in_prompt) return;
    const float *grad = backward_readout(m, a, d_out, n);
    if (arch->final_norm) {
        lt_model_impl_norm_bwd(m, &m->final_norm, &m->final_saved, n, grad, NULL, m->g_x[LT_FFN]);
        grad = m->g_x[LT_FFN];
    }
    float *below = NULL;
    for (int l = arch->m - 1; l >= 0; l--) {
        if (arch->conv_kernel && l == 0) grad = lt_model_impl_conv_split(m, a->pack, in_prompt, grad);
        grad = below = lt_model_impl_block_bwd(m, a->pack, l, a->bank, pick && l == arch->m - 1, l > 0 || in_prompt, grad);
    }
    if (!in_prompt) return;
    if (arch->conv_kernel) lt_model_impl_conv_bwd(m, a->pack, below);
    if (arch->embed_norm) {
        lt_model_impl_norm_bwd(m, &m->embed_norm, &m->embed_saved, a->pack->n_tok, grad, NULL, m->g_x[LT_FFN]);
        grad = m->g_x[LT_FFN];
    }
    struct lt_embed_args args = embed_args(m, a);
    args.dx = grad;
    args.d_prompt = a->bank->d_prompt;
    LT_OP(m, embed_bwd, &args);
}
