/* One transformer block, backward to its input; the forward and the names are in block.c.  No gradient of a frozen weight is formed.
 *
 *   a branch y = after(x + out(body(in(x)))), from G = dy:
 *     G1 = after'(G)               gradient of the sum; goes to x as it is
 *     G2 = out'(G1)                gradient of the body's output
 *     dn = body'(G2)               a partial sum over the tp group
 *     dx = in'(dn) + G1            without an input norm: dn + G1, G1 added once by tp rank 0 inside the sum
 *
 * In the last block (pick) G has the read-out rows only; keys and values of all rows get gradients, and what belongs to the read-out rows is added to
 * theirs.  g_x[b] receives dx of branch b.
 *
 * In stages that end where a sum begins, as forward. */
#include "model/model_impl.h"

static lt_arr f32(const float *p) { return lt_arr_f32((float *)(uintptr_t)p); }

/* After'(grad): m->g_after, or grad itself. */
static const float *through_after(lt_model *m, int layer, int branch, int64_t rows, const float *grad) {
    if (!(m->arch.norms & LT_NORM_AFTER)) return grad;
    lt_model_impl_norm_bwd(m, &m->block[layer].norm[branch][LT_AFTER], &m->saved[layer].norm[branch][LT_AFTER], rows, grad, NULL,
                           m->g_after);
    return m->g_after;
}

static const float *through_out(lt_model *m, int layer, int branch, int64_t rows, const float *grad) {
    if (!(m->arch.norms & LT_NORM_OUT)) return grad;
    lt_model_impl_norm_bwd(m, &m->block[layer].norm[branch][LT_OUT], &m->saved[layer].norm[branch][LT_OUT], rows, grad, NULL, m->g_out);
    return m->g_out;
}

static void back(lt_model *m, lt_lin *lin, int64_t rows, lt_arr dy, lt_arr dx, lt_arr resid) {
    LT_OP_TIMED(m, LINEAR, linear_bwd_x, &(struct lt_linear_args){.lin = lin, .rows = rows, .x = dx, .y = dy, .resid = resid});
}

/* Feed-forward body, from the gradient of its output to saved.u's place. */
static void feed_forward_back(lt_model *m, int layer, int64_t rows, const float *grad) {
    lt_saved *s = &m->saved[layer];
    struct lt_act_args act = {.act = m->arch.act, .rows = rows, .F = m->Fl, .u = s->u, .h = m->h, .dh = m->dh, .du = s->u};
    back(m, &m->block[layer].down, rows, lt_model_impl_operand(m, grad), m->dh, (lt_arr){0});
    if (m->targets >> LT_TARGET_DOWN & 1) { /* its input is made again */
        if (m->arch.glu)
            LT_OP(m, glu_fwd, &act);
        else
            LT_OP(m, act_fwd, &act);
        lt_model_impl_adapt_bwd(m, layer, LT_TARGET_DOWN, m->h, f32(grad), m->arch.C, m->dh);
    }
    if (m->arch.glu)
        LT_OP(m, glu_bwd, &act);
    else
        LT_OP(m, act_bwd, &act);
}

/* What the body of a branch read: rows of its own, or the f32 stream where it lies.  pick: as the queries' and the feed-forward's rows. */
static lt_arr input_of(lt_model *m, int layer, int branch, bool pick) {
    bool shared = m->arch.parallel && m->arch.shared_in;
    lt_arr in = lt_model_impl_has_in(m) ? m->saved[layer].in[shared ? LT_ATTN : branch] : f32(m->saved[layer].norm[branch][LT_IN].x);
    return pick && (branch == LT_ATTN || shared) ? (lt_arr){m->pick.p, in.dt} : in;
}

/* dn (+)= du Wup, and the adapters' share. */
static void up_back(lt_model *m, int layer, int64_t rows, float *dn, lt_arr resid) {
    lt_arr du = m->saved[layer].u, x = input_of(m, layer, LT_FFN, lt_model_impl_picks(m, layer));
    int64_t ld = m->arch.glu ? 2 * m->Fl : m->Fl;
    back(m, &m->block[layer].up, rows, du, f32(dn), resid);
    lt_model_impl_adapt_bwd(m, layer, LT_TARGET_UP, x, lt_arr_at(du, ld - m->Fl), ld, f32(dn));
    if (m->arch.glu) lt_model_impl_adapt_bwd(m, layer, LT_TARGET_GATE, x, du, ld, f32(dn));
}

static void norm_heads_back(lt_model *m, int layer, int64_t rows, int64_t T, const lt_qkv *g) {
    lt_saved *s = &m->saved[layer];
    int D = m->arch.D;
    LT_OP(m, head_norm_bwd,
          &(struct lt_head_norm_args){.rows = rows,
                                      .ld = g->ld_q,
                                      .heads = m->Hl,
                                      .head_dim = D,
                                      .x = g->q,
                                      .w = m->block[layer].q_norm,
                                      .x_save = s->q_raw,
                                      .rstd = s->q_rstd});
    LT_OP(m, head_norm_bwd,
          &(struct lt_head_norm_args){.rows = T,
                                      .ld = g->ld_kv,
                                      .heads = m->Hkvl,
                                      .head_dim = D,
                                      .x = g->kv,
                                      .w = m->block[layer].k_norm,
                                      .x_save = s->k_raw,
                                      .rstd = s->k_rstd});
}

/* Attention body, from the gradient of its output to m->dq, m->dkv (before norm and rotation) and the bank's gradient. */
static void attention_back(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick, bool below, const float *grad) {
    int64_t T = pack->n_tok, rows = pick ? pack->n_seq : T;
    const lt_qkv g = lt_model_impl_qkv(m, layer, pick, m->dq, m->dkv);
    back(m, &m->block[layer].o, rows, lt_model_impl_operand(m, grad), m->d_o, (lt_arr){0});
    lt_model_impl_adapt_bwd(m, layer, LT_TARGET_O, m->saved[layer].o, f32(grad), m->arch.C, m->d_o);
    lt_model_impl_attn_bwd(m, layer, bank, pick);
    if (!below && !m->targets) return;
    if (m->arch.positions == LT_POS_ROTARY) lt_model_impl_rotate(m, layer, pick, &g, 1);
    if (m->arch.qk_norm) norm_heads_back(m, layer, rows, T, &g);
}

static void scatter(lt_model *m, int64_t rows, float *big, const float *small) {
    LT_OP(m, scatter_add_rows,
          &(struct lt_rows_args){.rows = rows, .C = m->arch.C, .index = m->dev.pick_row, .big = f32(big), .small = f32(small)});
}

/* The sum dn [rows, C] of a branch begins; g1: what goes to the branch's input beside it (of the read-out rows only with pick). */
static void begin_sum(lt_model *m, int layer, int branch, int64_t rows, float *dn, const float *g1, bool pick) {
    m->open = (lt_open){.layer = layer, .branch = branch, .rows = rows, .sum = dn, .g1 = g1, .pick = pick, .backward = true};
    lt_model_impl_sum_begin(m, rows);
}

float *lt_model_impl_branch_bwd_end(lt_model *m, const lt_pack *pack) {
    const lt_open *o = &m->open;
    if (!o->backward) return NULL;
    lt_model_impl_sum_end(m);
    m->open.backward = false;
    if (!lt_model_impl_has_norm(&m->arch, o->branch, LT_IN)) {
        if (o->pick && m->bf16_sums) scatter(m, pack->n_seq, o->sum, o->g1); /* elsewhere a part of the sum */
        return o->sum;
    }
    lt_model_impl_norm_bwd(m, &m->block[o->layer].norm[o->branch][LT_IN], &m->saved[o->layer].norm[o->branch][LT_IN], o->rows, o->sum,
                           o->pick ? NULL : o->g1, m->g_x[o->branch]);
    if (!o->pick) return m->g_x[o->branch];
    scatter(m, pack->n_seq, m->g_x[o->branch], o->g1);
    lt_model_impl_changed(m, m->g_x[o->branch]);
    return m->g_x[o->branch];
}

/* Feed-forward branch alone, to the gradient of its input rows. */
static void feed_forward_branch(lt_model *m, int layer, int64_t rows, const float *grad) {
    bool in = lt_model_impl_has_norm(&m->arch, LT_FFN, LT_IN);
    const float *g1 = through_after(m, layer, LT_FFN, rows, grad), *g2 = through_out(m, layer, LT_FFN, rows, g1);
    feed_forward_back(m, layer, rows, g2);
    float *dn = lt_model_impl_sum(m, in ? m->g_sum : m->g_x[LT_FFN]);
    up_back(m, layer, rows, dn, in ? (lt_arr){0} : lt_model_impl_once(m, f32(g1)));
    begin_sum(m, layer, LT_FFN, rows, dn, g1, false);
}

/* Adapters of q, k and v.  dx of q's rows and of all rows; NULL: not wanted. */
static void adapters_back(lt_model *m, int layer, bool pick, float *dq_x, float *dx) {
    const lt_qkv g = lt_model_impl_qkv(m, layer, pick, m->dq, m->dkv);
    int64_t kd = (int64_t)m->Hkvl * m->arch.D;
    lt_arr x = input_of(m, layer, LT_ATTN, false);
    lt_model_impl_adapt_bwd(m, layer, LT_TARGET_Q, input_of(m, layer, LT_ATTN, pick), g.q, g.ld_q, f32(dq_x));
    lt_model_impl_adapt_bwd(m, layer, LT_TARGET_K, x, g.kv, g.ld_kv, f32(dx));
    lt_model_impl_adapt_bwd(m, layer, LT_TARGET_V, x, lt_arr_at(g.kv, kd), g.ld_kv, f32(dx));
}

/* The attention branch's way to x from dq, dkv, and G1 (rows) that goes to x directly.  also: the feed-forward of a parallel block with a shared input norm
 * joins the same sum. */
static void to_input(lt_model *m, const lt_pack *pack, int layer, bool pick, const float *g1, bool also) {
    lt_block *w = &m->block[layer];
    bool in = lt_model_impl_has_norm(&m->arch, LT_ATTN, LT_IN);
    int64_t T = pack->n_tok, rows = pick ? pack->n_seq : T;
    float *dn = lt_model_impl_sum(m, in ? m->g_sum : m->g_x[LT_ATTN]), *first = pick ? m->g_small : dn;
    bool one = lt_model_impl_one_qkv(m, layer, pick);
    bool apart = pick && m->bf16_sums; /* of fewer rows than the sum: added behind it */
    back(m, one ? &w->qkv : &w->q, rows, m->dq, f32(first), in || apart ? (lt_arr){0} : lt_model_impl_once(m, f32(g1)));
    if (also) up_back(m, layer, rows, first, f32(first));
    if (!one) back(m, &w->kv, T, m->dkv, f32(dn), pick ? (lt_arr){0} : f32(dn));
    adapters_back(m, layer, pick, first, dn);
    if (pick) scatter(m, rows, dn, m->g_small);
    begin_sum(m, layer, LT_ATTN, T, dn, g1, pick);
}

void lt_model_impl_block_bwd_first(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick, bool below,
                                   const float *grad) {
    int64_t rows = pick ? pack->n_seq : pack->n_tok;
    if (!m->arch.parallel) {
        feed_forward_branch(m, layer, rows, grad);
        return;
    }
    /* both branches read x: their gradients meet there */
    attention_back(m, pack, layer, bank, pick, below, grad);
    if (!below && !m->targets) return;
    feed_forward_back(m, layer, rows, grad);
    if (m->arch.shared_in) {
        to_input(m, pack, layer, pick, grad, true);
        return;
    }
    float *dn = lt_model_impl_sum(m, m->g_sum); /* a norm of its own: a sum of its own */
    up_back(m, layer, rows, dn, (lt_arr){0});
    begin_sum(m, layer, LT_FFN, rows, dn, grad, false);
}

void lt_model_impl_block_bwd_second(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick, bool below) {
    int64_t rows = pick ? pack->n_seq : pack->n_tok;
    if (m->arch.parallel && (m->arch.shared_in || (!below && !m->targets))) return;
    const float *grad = lt_model_impl_branch_bwd_end(m, pack);
    if (m->arch.parallel) {
        to_input(m, pack, layer, pick, grad, false);
        return;
    }
    const float *g1 = through_after(m, layer, LT_ATTN, rows, grad), *g2 = through_out(m, layer, LT_ATTN, rows, g1);
    attention_back(m, pack, layer, bank, pick, below, g2);
    if (below)
        to_input(m, pack, layer, pick, g1, false);
    else
        adapters_back(m, layer, pick, NULL, NULL);
}
