/* One transformer block, forward: two branches, each y = after(x + out(body(in(x)))), or both on the block's input (parallel).
 *
 *   body of attention      q = n Wq, k = n Wk, v = n Wv (+ biases), rotation, attention, o Wo
 *   body of feed-forward   act(n Wu) Wd, or gated: (act(n Wg) * (n Wu)) Wd
 *
 * The products with Wo and Wd are sums over the tp group; tp rank 0 adds bias and residual once.  So a branch costs one all-reduce, and a parallel block
 * costs one in all.  On one rank a sum is written where its reader keeps it for backward: in norm[branch][place].x of the norm that reads it next; on
 * several it arrives in a comm buffer and that norm copies it while it reads.
 *
 * The stream, the rows between branches, is f32 where it is a running sum (an input norm reads it) and of the compute type where it is the output of a
 * norm (BERT).  In the last block (pick) only the rows that are read out go past the keys and values.
 *
 * A block is written as stages that end where a sum over the tp group begins, so that another half of the pack can compute meanwhile (forward.c). */
#include "model/model_impl.h"

void lt_model_impl_rotate(lt_model *m, int layer, bool pick, const lt_qkv *x, int inverse) {
    const lt_pack *pack = m->args->pack;
    struct lt_rope_args a = {.rows = pick ? pack->n_seq : pack->n_tok,
                             .heads = m->Hl,
                             .head_dim = m->arch.D,
                             .rot = m->arch.rot,
                             .x = x->q,
                             .ld_x = x->ld_q,
                             .pos = pick ? m->dev.pick_pos : m->dev.pos,
                             .cos_sin = m->cos_sin[m->arch.layer[layer].rope],
                             .inverse = inverse};
    if (!pick) { /* the same rows */
        a.heads2 = m->Hkvl;
        a.x2 = x->kv;
        a.ld_x2 = x->ld_kv;
    }
    LT_OP(m, rope, &a);
    if (!pick) return;
    a.rows = pack->n_tok;
    a.pos = m->dev.pos;
    a.heads = m->Hkvl;
    a.x = x->kv;
    a.ld_x = x->ld_kv;
    LT_OP(m, rope, &a);
}

/* Where the f32 stream before a branch of a layer (or behind the last layer) lies. */
static float *stream_at(lt_model *m, int layer, int branch) {
    return layer == m->arch.m ? m->final_saved.x : lt_model_impl_saved(m, layer)->norm[branch][LT_IN].x;
}

/* The rows that a branch puts out: where the next branch reads them. */
static lt_arr stream_after(lt_model *m, int layer, int branch) {
    if (m->stream_dt != LT_F32) {
        if (branch == LT_ATTN) return lt_model_impl_saved(m, layer)->in[LT_FFN];
        return layer + 1 < m->arch.m ? lt_model_impl_saved(m, layer + 1)->in[LT_ATTN] : m->in[LT_ATTN];
    }
    return lt_arr_f32(branch == LT_ATTN && !m->arch.parallel ? stream_at(m, layer, LT_FFN) : stream_at(m, layer + 1, LT_ATTN));
}

/* in(x) of a branch: x itself without an input norm. */
static lt_arr input_norm(lt_model *m, int layer, int branch, int64_t rows, lt_arr x) {
    if (!lt_model_impl_has_norm(&m->arch, branch, LT_IN)) return x;
    lt_saved *s = lt_model_impl_saved(m, layer);
    lt_model_impl_norm(m, &m->block[layer].norm[branch][LT_IN], &s->norm[branch][LT_IN], rows, x.p, s->in[branch], (lt_arr){0});
    return s->in[branch];
}

static lt_arr pick_rows(lt_model *m, int64_t n, lt_arr from, lt_arr to) {
    LT_OP(m, gather_rows, &(struct lt_rows_args){.rows = n, .C = m->arch.C, .index = m->dev.pick_row, .big = from, .small = to});
    return to;
}

/* Norms of the heads of q [rows] and k [T]. */
static void norm_heads(lt_model *m, int layer, int64_t rows, int64_t T, const lt_qkv *x) {
    lt_saved *s = lt_model_impl_saved(m, layer);
    int D = m->arch.D;
    struct lt_head_norm_args a = {
        .rows = rows, .ld = x->ld_q, .heads = m->Hl, .head_dim = D, .x = x->q, .w = m->block[layer].q_norm, .eps = m->arch.eps};
    if (m->keep) {
        a.x_save = s->q_raw;
        a.rstd = s->q_rstd;
    }
    LT_OP(m, head_norm_fwd, &a);
    a.rows = T;
    a.ld = x->ld_kv;
    a.heads = m->Hkvl;
    a.x = x->kv;
    a.w = m->block[layer].k_norm;
    if (m->keep) {
        a.x_save = s->k_raw;
        a.rstd = s->k_rstd;
    }
    LT_OP(m, head_norm_fwd, &a);
}

/* n [T, C] -> saved.o [rows, Hl*D]; queries from nq [rows, C]. */
static void attention_body(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick, lt_arr n, lt_arr nq) {
    lt_block *w = &m->block[layer];
    lt_saved *s = lt_model_impl_saved(m, layer);
    int64_t T = pack->n_tok, rows = pick ? pack->n_seq : T, kd = (int64_t)m->Hkvl * m->arch.D;
    const lt_qkv to = lt_model_impl_qkv(m, layer, pick, s->q, s->kv);
    if (lt_model_impl_one_qkv(m, layer, pick)) {
        LT_OP_TIMED(m, LINEAR, linear_fwd, &(struct lt_linear_args){.lin = &w->qkv, .rows = T, .x = n, .y = to.q});
    } else {
        LT_OP_TIMED(m, LINEAR, linear_fwd, &(struct lt_linear_args){.lin = &w->q, .rows = rows, .x = nq, .y = to.q});
        LT_OP_TIMED(m, LINEAR, linear_fwd, &(struct lt_linear_args){.lin = &w->kv, .rows = T, .x = n, .y = to.kv});
    }
    lt_model_impl_adapt(m, layer, LT_TARGET_Q, nq, to.q, to.ld_q);
    lt_model_impl_adapt(m, layer, LT_TARGET_K, n, to.kv, to.ld_kv);
    lt_model_impl_adapt(m, layer, LT_TARGET_V, n, lt_arr_at(to.kv, kd), to.ld_kv);
    if (m->arch.qk_norm) norm_heads(m, layer, rows, T, &to);
    if (m->arch.positions == LT_POS_ROTARY) lt_model_impl_rotate(m, layer, pick, &to, 0);
    if (m->args->cache) lt_model_impl_cache_rows(m, layer);
    lt_model_impl_attn_fwd(m, layer, bank, pick);
}

/* n [rows, C] -> m->h [rows, Fl]. */
static void feed_forward_body(lt_model *m, int layer, int64_t rows, lt_arr n) {
    lt_saved *s = lt_model_impl_saved(m, layer);
    LT_OP_TIMED(m, LINEAR, linear_fwd, &(struct lt_linear_args){.lin = &m->block[layer].up, .rows = rows, .x = n, .y = s->u});
    int64_t ld = m->arch.glu ? 2 * m->Fl : m->Fl;
    lt_model_impl_adapt(m, layer, LT_TARGET_UP, n, lt_arr_at(s->u, ld - m->Fl), ld);
    if (m->arch.glu) lt_model_impl_adapt(m, layer, LT_TARGET_GATE, n, s->u, ld);
    struct lt_act_args act = {.act = m->arch.act, .rows = rows, .F = m->Fl, .u = s->u, .h = m->h};
    if (m->arch.glu)
        LT_OP(m, glu_fwd, &act);
    else
        LT_OP(m, act_fwd, &act);
}

/* sum := x W^T + bias + resid of the branch's last matrix, this rank's part of it. */
static void project(lt_model *m, int layer, int branch, int64_t rows, lt_arr x, float *sum, lt_arr resid) {
    lt_lin *lin = branch == LT_ATTN ? &m->block[layer].o : &m->block[layer].down;
    LT_OP_TIMED(
        m, LINEAR, linear_fwd,
        &(struct lt_linear_args){.lin = lin, .rows = rows, .x = x, .y = lt_arr_f32(sum), .resid = resid, .no_bias = m->grid->tp_rank != 0});
    lt_model_impl_adapt(m, layer, branch == LT_ATTN ? LT_TARGET_O : LT_TARGET_DOWN, x, lt_arr_f32(sum), m->arch.C);
}

/* The body's product of a branch, and the beginning of its sum over the tp group.  x [rows, C]: the stream before it. */
static void begin_sum(lt_model *m, int layer, int branch, int64_t rows, lt_arr body, lt_arr x) {
    const lt_norm_saved *s = lt_model_impl_saved(m, layer)->norm[branch];
    bool out = m->arch.norms & LT_NORM_OUT, after = m->arch.norms & LT_NORM_AFTER;
    float *sum = lt_model_impl_sum(m, out ? s[LT_OUT].x : after ? s[LT_AFTER].x : stream_after(m, layer, branch).p);
    project(m, layer, branch, rows, body, sum, out ? (lt_arr){0} : lt_model_impl_once(m, x));
    m->open = (lt_open){.layer = layer, .branch = branch, .rows = rows, .sum = sum, .x = x};
    lt_model_impl_sum_begin(m, rows);
}

lt_arr lt_model_impl_branch_end(lt_model *m) {
    const lt_open *o = &m->open;
    const lt_norm_weights *w = m->block[o->layer].norm[o->branch];
    const lt_norm_saved *s = lt_model_impl_saved(m, o->layer)->norm[o->branch];
    bool out = m->arch.norms & LT_NORM_OUT, after = m->arch.norms & LT_NORM_AFTER;
    lt_arr to = stream_after(m, o->layer, o->branch);
    float *sum = o->sum;
    lt_model_impl_sum_end(m);
    if (out) {
        lt_arr y = after ? lt_arr_f32(s[LT_AFTER].x) : to;
        lt_model_impl_norm(m, &w[LT_OUT], &s[LT_OUT], o->rows, sum, y, o->x);
        sum = y.p;
    }
    if (!after) return lt_arr_f32(sum);
    lt_model_impl_norm(m, &w[LT_AFTER], &s[LT_AFTER], o->rows, sum, to, (lt_arr){0});
    return to;
}

/* Both branches on x: one residual sum, one all-reduce. */
static void parallel_block(lt_model *m, int layer, int64_t rows, lt_arr n, lt_arr x) {
    float *sum = lt_model_impl_sum(m, stream_after(m, layer, LT_FFN).p);
    project(m, layer, LT_ATTN, rows, lt_model_impl_saved(m, layer)->o, sum, lt_model_impl_once(m, x));
    feed_forward_body(m, layer, rows, n);
    project(m, layer, LT_FFN, rows, m->h, sum, lt_arr_f32(sum));
    m->open = (lt_open){.layer = layer, .branch = LT_FFN, .rows = rows, .sum = sum, .x = x};
    lt_model_impl_sum_begin(m, rows);
}

void lt_model_impl_attention_begin(lt_model *m, const lt_pack *pack, int layer, const lt_bank *bank, bool pick, lt_arr x) {
    const lt_arch *a = &m->arch;
    int64_t rows = pick ? pack->n_seq : pack->n_tok;
    lt_arr n = input_norm(m, layer, LT_ATTN, pack->n_tok, x), nq = n;
    if (pick) {
        nq = pick_rows(m, rows, n, (lt_arr){m->pick.p, n.dt});
        x = n.p == x.p ? nq : pick_rows(m, rows, x, m->pick_x);
    }
    attention_body(m, pack, layer, bank, pick, n, nq);
    if (a->parallel) {
        if (!a->shared_in) nq = input_norm(m, layer, LT_FFN, rows, x);
        parallel_block(m, layer, rows, nq, x);
        return;
    }
    begin_sum(m, layer, LT_ATTN, rows, lt_model_impl_saved(m, layer)->o, x);
}

void lt_model_impl_feed_forward_begin(lt_model *m, int layer, int64_t rows, lt_arr x) {
    feed_forward_body(m, layer, rows, input_norm(m, layer, LT_FFN, rows, x));
    begin_sum(m, layer, LT_FFN, rows, m->h, x);
}
