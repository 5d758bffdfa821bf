/* Where activations live.  Carved twice, measuring and real (base/mem.h).
 *
 * Per block and row, with backward (A = bytes of the compute type): q Hl*D*A, kv 2*Hkvl*D*A, o Hl*D*A, lse Hl*4, u Fl*A (gated: 2*Fl*A), and C*4 with two
 * statistics for each norm; with adapters C*A for the input of each branch.  Without backward all blocks share one set. */
#include "model/model_impl.h"

static lt_arr take(lt_model *m, int64_t rows, int64_t cols) {
    return (lt_arr){lt_arena_take(&m->acts, rows * cols, lt_dtype_bytes(m->ctx.compute)), m->ctx.compute};
}

static float *take_f32(lt_model *m, int64_t rows, int64_t cols) { return lt_arena_take(&m->acts, rows * cols, sizeof(float)); }

/* q [T, Hl*D] and kv [T, 2*Hkvl*D] one behind the other: together there is room for both side by side. */
static void take_qkv(lt_model *m, lt_arr *q, lt_arr *kv) {
    int64_t T = m->limits.tokens, hd = (int64_t)m->Hl * m->arch.D, kd2 = 2 * (int64_t)m->Hkvl * m->arch.D;
    int64_t step = LT_ALIGN / (int64_t)lt_dtype_bytes(m->ctx.compute), behind = (T * hd + step - 1) / step * step;
    *kv = *q = take(m, 1, behind + T * kd2);
    if (q->p) *kv = lt_arr_at(*q, behind);
}

/* The rows that a norm reads (stream: also without a norm) and its statistics. */
static void carve_norm(lt_model *m, lt_norm_saved *s, bool norm, bool stream) {
    int64_t T = m->limits.tokens;
    *s = (lt_norm_saved){0};
    if (norm || stream) s->x = take_f32(m, T, m->arch.C);
    if (!norm) return;
    s->mean = take_f32(m, T, 1);
    s->rstd = take_f32(m, T, 1);
}

static void carve_saved(lt_model *m, lt_saved *s) {
    const lt_arch *a = &m->arch;
    int64_t T = m->limits.tokens, hd = (int64_t)m->Hl * a->D, kd = (int64_t)m->Hkvl * a->D;
    take_qkv(m, &s->q, &s->kv);
    s->o = take(m, T, hd);
    s->lse = take_f32(m, T, m->Hl);
    s->u = take(m, T, a->glu ? 2 * m->Fl : m->Fl);
    if (a->qk_norm) {
        s->q_raw = take(m, T, hd);
        s->k_raw = take(m, T, kd);
        s->q_rstd = take_f32(m, T, m->Hl);
        s->k_rstd = take_f32(m, T, m->Hkvl);
    }
    for (int b = 0; b < 2; b++) {
        bool own = m->limits.adapters && m->limits.backward && lt_model_impl_has_in(m) && !(b == LT_FFN && a->parallel && a->shared_in);
        s->in[b] = own ? take(m, T, a->C) : m->in[b];
    }
    for (int b = 0; b < 2; b++)
        for (int place = 0; place < 3; place++)
            carve_norm(m, &s->norm[b][place], lt_model_impl_has_norm(a, b, place),
                       place == LT_IN && m->stream_dt == LT_F32 && (b == LT_ATTN || !a->parallel));
}

/* Most rows or columns of a frozen matrix of this rank. */
static int64_t widest(const lt_model *m) {
    const lt_arch *a = &m->arch;
    const int64_t width[] = {a->C * (a->conv_kernel ? a->conv_kernel : 1), (a->glu ? 2 : 1) * m->Fl, (int64_t)m->Hl * a->D,
                             (m->one_qkv ? (int64_t)m->Hl * a->D : 0) + 2 * (int64_t)m->Hkvl * a->D};
    int64_t most = 0;
    for (size_t i = 0; i < sizeof width / sizeof *width; i++) most = width[i] > most ? width[i] : most;
    return most;
}

static void carve_adapters(lt_model *m) {
    int64_t T = m->limits.tokens, wide = m->arch.C;
    wide = m->Fl > wide ? m->Fl : wide;
    wide = (int64_t)m->Hl * m->arch.D > wide ? (int64_t)m->Hl * m->arch.D : wide;
    m->lora_x = lt_arr_f32(take_f32(m, T, wide));
    m->lora_t = take_f32(m, T, m->limits.max_rank);
    m->lora_dt = take_f32(m, T, m->limits.max_rank);
}

static void carve_gradients(lt_model *m) {
    const lt_arch *a = &m->arch;
    int64_t T = m->limits.tokens, B = m->limits.seqs, C = a->C, hd = (int64_t)m->Hl * a->D;
    if (a->norms & LT_NORM_AFTER) m->g_after = take_f32(m, T, C);
    if (a->norms & LT_NORM_OUT) m->g_out = take_f32(m, T, C);
    if (a->norms & LT_NORM_IN) m->g_sum = take_f32(m, T, C);
    for (int b = 0; b < 2; b++) m->g_x[b] = take_f32(m, T, C);
    float *const rounded[4] = {m->g_x[0], m->g_x[1], m->g_after, m->g_out};
    const bool used[4] = {true, true, a->norms & LT_NORM_AFTER, a->norms & LT_NORM_OUT};
    for (int i = 0; i < 4 && m->ctx.compute == LT_BF16; i++) m->low[i] = (lt_low){rounded[i], used[i] ? take(m, T, C) : (lt_arr){0}, false};
    m->g_small = take_f32(m, B, C);
    m->d_rows = take_f32(m, T, C);
    m->dh = take(m, T, m->Fl);
    m->d_o = take(m, T, hd);
    take_qkv(m, &m->dq, &m->dkv);
}

/* What a pass writes: of a whole pack, or of a half. */
static void carve_pass(lt_model *m) {
    const lt_arch *a = &m->arch;
    const lt_model_limits *lim = &m->limits;
    int64_t T = lim->tokens, B = lim->seqs, C = a->C;
    m->stream_dt = lt_arch_stream_dtype(a, m->ctx.compute);
    if (lt_model_impl_has_in(m)) { /* with an input norm, both are read before the other is written */
        m->in[LT_ATTN] = take(m, T, C);
        m->in[LT_FFN] = m->stream_dt == LT_F32 ? m->in[LT_ATTN] : take(m, T, C);
    }
    for (int l = 0; l < a->m; l++) {
        if (l == 0 || lim->backward)
            carve_saved(m, &m->saved[l]);
        else
            m->saved[l] = m->saved[0];
    }
    lt_model_impl_carve_conv(m);
    carve_norm(m, &m->embed_saved, a->embed_norm, false);
    carve_norm(m, &m->final_saved, a->final_norm, m->stream_dt == LT_F32);
    m->h = take(m, T, m->Fl);
    m->pick = lt_arr_f32(take_f32(m, B, C)); /* room for either type */
    m->pick_x = (lt_arr){take_f32(m, B, C), m->stream_dt};
    m->rows_out = take_f32(m, T, C);
    m->pooled = take_f32(m, B, C);
    m->pool_u = take_f32(m, B, C);
    m->argmax = lt_arena_take(&m->acts, B * C, sizeof *m->argmax);
    m->dev.words = lt_model_impl_pack_words(m);
    m->dev.device = lt_arena_take(&m->acts, m->dev.words, sizeof *m->dev.device);
    if (lim->backward) carve_gradients(m);
    if (lim->adapters) carve_adapters(m);
}

void lt_model_impl_carve(lt_model *m) {
    const lt_arch *a = &m->arch;
    const lt_model_limits *lim = &m->limits;
    lt_dims dims = {.rows = lim->tokens,
                    .width = lim->max_rank > widest(m) ? lim->max_rank : widest(m),
                    .seqs = lim->seqs,
                    .max_len = lim->max_len,
                    .max_prefix = lim->P_max,
                    .slots = lim->slots,
                    .heads = m->Hl,
                    .kv_heads = m->Hkvl,
                    .head_dim = a->D,
                    .relative = lt_arch_is_relative(a)};
    for (int r = 0; r < a->n_ropes; r++) m->cos_sin[r] = take_f32(m, lim->max_len + lim->P_max, a->rot);
    lt_model_impl_carve_relative(m);
    if (a->positions == LT_POS_ALIBI) m->slopes = take_f32(m, m->Hl, 1);
    m->logits = take_f32(m, lim->scored, m->v1 - m->v0);
    m->pass_from = m->acts.used;
    if (m->half[0]) {
        for (int i = 0; i < 2; i++) { /* both go on where the arena stands */
            m->half[i]->acts = m->acts;
            carve_pass(m->half[i]);
            m->acts = m->half[i]->acts;
        }
        m->rows_all = take_f32(m, lim->tokens, a->C);
        m->dev.words = lt_model_impl_pack_words(m);
        m->dev.device = lt_arena_take(&m->acts, m->dev.words, sizeof *m->dev.device);
        m->stream_dt = m->half[0]->stream_dt;
    } else {
        carve_pass(m);
    }
    m->pass_to = m->acts.used;
    m->ctx.ws_bytes = m->ctx.ops->ws_bytes(&m->ctx, &dims);
    m->ctx.ws = lt_arena_take(&m->acts, (int64_t)m->ctx.ws_bytes, 1);
}
