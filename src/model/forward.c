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

/* Token rows come from the rank that owns them, the rest from tp rank 0; their sum over the tp group begins. */
static void embed_begin(lt_model *m) {
    const lt_arch *arch = &m->arch;
    const lt_forward_args *a = m->args;
    float *alone = arch->embed_norm ? m->embed_saved.x : lt_model_impl_saved(m, 0)->norm[LT_ATTN][LT_IN].x;
    struct lt_embed_args args = embed_args(m, a);
    m->open = (lt_open){.rows = a->pack->n_tok, .sum = args.x = lt_model_impl_sum(m, alone ? alone : m->rows_out)};
    if (m->grid->tp_rank == 0) {
        args.pos_tab = m->pos_tab ? m->pos_tab + arch->pos_offset * arch->C : NULL;
        args.type_tab = m->type_tab;
        args.prompt = a->bank ? a->bank->prompt : NULL;
    }
    LT_OP(m, embed_fwd, &args);
    lt_model_impl_sum_begin_f32(m, a->pack->n_tok);
}

/* Returns the stream [T, C]. */
static lt_arr embed_end(lt_model *m) {
    const lt_arch *arch = &m->arch;
    float *alone = arch->embed_norm ? m->embed_saved.x : lt_model_impl_saved(m, 0)->norm[LT_ATTN][LT_IN].x, *e = m->open.sum;
    int64_t T = m->args->pack->n_tok;
    lt_model_impl_sum_end(m);
    /* with an input norm the rows are copied, where backward wants them, while it reads */
    if (!arch->embed_norm && m->stream_dt == LT_F32 && (e == alone || arch->norms & LT_NORM_IN)) return lt_arr_f32(e);
    lt_saved *s = lt_model_impl_saved(m, 0);
    lt_arr to = m->stream_dt == LT_F32 ? lt_arr_f32(s->norm[LT_ATTN][LT_IN].x) : s->in[LT_ATTN];
    if (arch->embed_norm)
        lt_model_impl_norm(m, &m->embed_norm, &m->embed_saved, T, e, to, (lt_arr){0});
    else
        LT_OP(m, convert, &(struct lt_convert_args){.n = T * arch->C, .x = lt_arr_f32(e), .y = to});
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
        LT_OP_TIMED(m, LINEAR, linear_fwd,
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

/* The stream before a layer, or behind the last: the end of what began before. */
static lt_arr stream(lt_model *m, int layer) {
    const lt_pack *pack = m->args->pack;
    lt_arr x = layer == 0 ? embed_end(m) : lt_model_impl_branch_end(m);
    if (m->arch.conv_kernel && layer == 0) lt_model_impl_conv_fwd(m, pack, x);
    if (m->arch.conv_kernel && layer == 1) lt_model_impl_conv_join(m, pack, x);
    return x;
}

static bool picks(const lt_forward_args *a) { return lt_model_impl_one_row(a->readout) && !a->hidden; }

/* Rows of a part that go past its last block. */
static int64_t rows_of(const lt_model *m) { return picks(m->args) ? m->args->pack->n_seq : m->args->pack->n_tok; }

/* Read-out rows of a part. */
static int64_t read_of(const lt_forward_args *a) { return a->readout == LT_READ_TOKENS ? a->pack->n_tok : a->pack->n_seq; }

/* Rows of both halves side by side. */
static const float *join(lt_model *m, const float *const rows[2]) {
    int64_t at = 0;
    for (int p = 0; p < 2; p++) {
        int64_t n = read_of(m->half[p]->args) * m->arch.C;
        LT_OP(m, copy,
              &(struct lt_copy_args){
                  .kind = LT_COPY_ON_DEVICE, .dst = m->rows_all + at, .src = rows[p], .rows = 1, .row_bytes = (size_t)n * sizeof(float)});
        at += n;
    }
    return m->rows_all;
}

int lt_model_impl_forward_begin(lt_model *m, const lt_forward_args *a, lt_model *part[2]) {
    int parts = lt_model_impl_parts(m, a, part);
    for (int p = 0; p < parts; p++) {
        part[p]->keep = a->backward;
        part[p]->targets = lt_model_impl_targets(a);
        lt_model_impl_upload(part[p], part[p]->args);
    }
    return parts;
}

void lt_model_impl_forward_compute(lt_model *m, lt_model *const part[2], int parts, lt_readout_rows *out) {
    const lt_forward_args *a = m->args;
    const lt_arch *arch = &m->arch;
    lt_model *told = m;
    const float *rows[2] = {NULL, NULL};
    int64_t T = a->pack->n_tok, C = arch->C;
    for (int p = 0; p < parts; p++) embed_begin(part[p]);
    for (int l = 0; l < arch->m; l++) {
        bool pick = picks(a) && l == arch->m - 1;
        for (int p = 0; p < parts; p++) {
            lt_arr x = stream(part[p], l);
            if (a->hidden) download(part[p], x, T, a->hidden + l * T * C);
            lt_model_impl_attention_begin(part[p], part[p]->args->pack, l, a->bank, pick, x);
        }
        for (int p = 0; p < parts && !arch->parallel; p++) {
            int64_t n = pick ? part[p]->args->pack->n_seq : part[p]->args->pack->n_tok;
            lt_model_impl_feed_forward_begin(part[p], l, n, lt_model_impl_branch_end(part[p]));
        }
    }
    for (int p = 0; p < parts; p++) {
        finish_rows(part[p], rows_of(part[p]), stream(part[p], arch->m));
        rows[p] = read_out(part[p], part[p]->args, rows_of(part[p]));
    }
    if (a->hidden) download(part[0], lt_arr_f32(part[0]->rows_out), T, a->hidden + arch->m * T * C);
    if (parts == 2) {
        lt_model_impl_upload(m, a); /* what heads read of the whole pack */
        rows[0] = join(m, rows);
    } else {
        told = part[0];
    }
    *out = (lt_readout_rows){.n = read_of(a),
                             .rows = rows[0],
                             .target = told->dev.target,
                             .weight = told->dev.weight,
                             .cu = told->dev.read_cu,
                             .key = told->dev.key};
}

void lt_model_forward(lt_model *m, const lt_forward_args *a, lt_readout_rows *out) {
    lt_model *part[2];
    int parts = lt_model_impl_forward_begin(m, a, part);
    lt_model_impl_forward_compute(m, part, parts, out);
}

const float *lt_model_logits(lt_model *m, const lt_readout_rows *rows) {
    int64_t V = m->v1 - m->v0;
    LT_OP_TIMED(m, LINEAR, logits,
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
        LT_OP_TIMED(m, LINEAR, linear_bwd_x, &(struct lt_linear_args){.lin = &m->pooler, .rows = n, .x = lt_arr_f32(m->d_rows), .y = u});
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
    for (int64_t i = 0; b && b->d_kv && i < p->n_seq; i++) *in_layers |= p->slot[i] >= 0 && p->slot[i] < b->S - b->fixed;
    for (int64_t i = 0; b && b->d_prompt && i < p->n_seq; i++) *in_prompt |= p->text0[i] > p->cu[i];
    *in_layers |= lt_model_impl_targets(a) != 0;
}

/* Gradient of the rows that the last block put out. */
static const float *begin_backward(lt_model *m, const float *d_out) {
    const float *grad = backward_readout(m, m->args, d_out, rows_of(m));
    if (!m->arch.final_norm) return grad;
    lt_model_impl_norm_bwd(m, &m->final_norm, &m->final_saved, rows_of(m), grad, NULL, m->g_x[LT_FFN]);
    return m->g_x[LT_FFN];
}

/* From the first block's input to the prompt rows. */
static void end_backward(lt_model *m, float *below) {
    const float *grad = below;
    if (m->arch.conv_kernel) lt_model_impl_conv_bwd(m, m->args->pack, below);
    if (m->arch.embed_norm) {
        lt_model_impl_norm_bwd(m, &m->embed_norm, &m->embed_saved, m->args->pack->n_tok, grad, NULL, m->g_x[LT_FFN]);
        grad = m->g_x[LT_FFN];
    }
    struct lt_embed_args args = embed_args(m, m->args);
    args.dx = grad;
    args.d_prompt = m->args->bank->d_prompt;
    LT_OP(m, embed_bwd, &args);
}

void lt_model_backward(lt_model *m, const lt_forward_args *a, const float *d_out) {
    const lt_arch *arch = &m->arch;
    lt_model *part[2];
    const float *grad[2] = {NULL, NULL};
    bool in_layers, in_prompt;
    int parts = lt_model_impl_parts_again(m, part);
    trained_inputs(a, &in_layers, &in_prompt);
    if (!in_layers && !in_prompt) return;
    for (int p = 0; p < parts; p++) {
        if (parts == 1 && part[0] == m) m->args = a;
        part[p]->targets = lt_model_impl_targets(a);
        grad[p] = begin_backward(part[p], d_out);
        d_out += read_of(part[p]->args) * arch->C;
    }
    for (int l = arch->m - 1; l >= 0; l--) {
        bool pick = lt_model_impl_one_row(a->readout) && l == arch->m - 1, below = l > 0 || in_prompt;
        for (int p = 0; p < parts; p++) {
            const lt_pack *pack = part[p]->args->pack;
            if (l < arch->m - 1) grad[p] = lt_model_impl_branch_bwd_end(part[p], pack);
            if (arch->conv_kernel && l == 0) grad[p] = lt_model_impl_conv_split(part[p], pack, in_prompt, grad[p]);
            lt_model_impl_block_bwd_first(part[p], pack, l, a->bank, pick, below, grad[p]);
        }
        for (int p = 0; p < parts; p++) lt_model_impl_block_bwd_second(part[p], part[p]->args->pack, l, a->bank, pick, below);
    }
    for (int p = 0; p < parts; p++) {
        float *below = lt_model_impl_branch_bwd_end(part[p], part[p]->args->pack);
        if (in_prompt) end_backward(part[p], below);
    }
}
