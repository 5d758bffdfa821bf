/* The shard plan: which rectangle of which tensor of the file belongs where on this rank, as a list.
 *
 * Places first: carve_places() takes memory for every matrix and vector that the architecture says there is.  Then the rows of the family's table are
 * walked, each once or once a layer, and put rectangles on those places; a place that no row fills is an error.  The same walk runs over a measuring
 * arena (sizes) and over the real one (places), so the printed memory is the memory.
 *
 * A tp rank holds query heads, the kv heads that these read (replicated when there are more ranks than kv heads), feed-forward columns and vocabulary rows as
 * cut.h says; norms, positions and the pooler are mirrored. */
#include "model/model_impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- places ---- */

/* Room for n numbers that rows of the table must fill. */
static void *take(lt_model *m, int64_t n, size_t elem_bytes) {
    m->places += n;
    return lt_arena_take(&m->weights, n, elem_bytes);
}

/* Room for a linear layer; n_bias: how many of its N outputs have a bias, the others' stays 0; 0 = lin->bias is NULL. */
static lt_status make_lin(lt_model *m, int64_t N, int64_t K, int64_t n_bias, lt_lin *lin) {
    LT_TRY(m->ctx.ops->lin_alloc(&m->ctx, &m->weights, N, K, lin));
    lin->bias = n_bias ? lt_arena_take(&m->weights, N, sizeof(float)) : NULL;
    m->places += N * K + n_bias;
    return LT_OK;
}

static void make_norm(lt_model *m, int64_t C, lt_norm_weights *n) {
    n->w = take(m, C, sizeof(float));
    n->b = m->arch.norm_bias ? take(m, C, sizeof(float)) : NULL;
}

/* n if the matrix has a bias, else 0. */
static int64_t biased(const lt_arch *a, int bit, int64_t n) { return a->biases & bit ? n : 0; }

/* Rows [row0, row0 + N) of a layer whose rows lie plain (ops.h). */
static lt_lin rows_of(const lt_lin *lin, int64_t row0, int64_t N) {
    lt_lin part = {.N = N, .K = lin->K, .dt = lin->dt};
    if (lin->w) part.w = (unsigned char *)lin->w + (size_t)(row0 * lin->K) * lt_dtype_bytes(lin->dt);
    if (lin->bias) part.bias = lin->bias + row0;
    return part;
}

/* Matrices of q, k and v: one, of whose rows the others are views, or two. */
static lt_status make_qkv(lt_model *m, lt_block *b) {
    const lt_arch *a = &m->arch;
    int64_t hd = (int64_t)m->Hl * a->D, kd = (int64_t)m->Hkvl * a->D;
    int64_t of_q = biased(a, LT_BIAS_Q, hd), of_kv = biased(a, LT_BIAS_K, kd) + biased(a, LT_BIAS_V, kd);
    if (!m->one_qkv || m->ctx.e4m3) {
        LT_TRY(make_lin(m, hd, a->C, of_q, &b->q));
        return make_lin(m, 2 * kd, a->C, of_kv, &b->kv);
    }
    LT_TRY(make_lin(m, hd + 2 * kd, a->C, of_q + of_kv, &b->qkv));
    b->q = rows_of(&b->qkv, 0, hd);
    b->kv = rows_of(&b->qkv, hd, 2 * kd);
    return LT_OK;
}

static lt_status make_block(lt_model *m, lt_block *b) {
    const lt_arch *a = &m->arch;
    int64_t hd = (int64_t)m->Hl * a->D, ups = a->glu ? 2 * m->Fl : m->Fl;
    LT_TRY(make_qkv(m, b));
    LT_TRY(make_lin(m, a->C, hd, biased(a, LT_BIAS_O, a->C), &b->o));
    LT_TRY(make_lin(m, ups, a->C, biased(a, LT_BIAS_UP, m->Fl) + (a->glu ? biased(a, LT_BIAS_GATE, m->Fl) : 0), &b->up));
    LT_TRY(make_lin(m, a->C, m->Fl, biased(a, LT_BIAS_DOWN, a->C), &b->down));
    for (int branch = 0; branch < 2; branch++)
        for (int place = 0; place < 3; place++)
            if (lt_model_impl_has_norm(a, branch, place)) make_norm(m, a->C, &b->norm[branch][place]);
    if (a->relative.c2p && !a->relative.shared) LT_TRY(make_lin(m, hd, a->C, biased(a, LT_BIAS_POS_K, hd), &b->pos_k));
    if (a->relative.p2c && !a->relative.shared) LT_TRY(make_lin(m, hd, a->C, biased(a, LT_BIAS_POS_Q, hd), &b->pos_q));
    if (a->qk_norm) {
        b->q_norm = take(m, a->D, sizeof(float));
        b->k_norm = take(m, a->D, sizeof(float));
    }
    return LT_OK;
}

static lt_status carve_places(lt_model *m) {
    const lt_arch *a = &m->arch;
    int64_t C = a->C;
    m->places = 0;
    m->tok = take(m, (m->v1 - m->v0) * C, lt_dtype_bytes(m->ctx.compute));
    m->head = m->with_head && !a->tied ? take(m, (m->v1 - m->v0) * C, lt_dtype_bytes(m->ctx.compute)) : m->tok;
    if (a->positions == LT_POS_TABLE) m->pos_tab = take(m, (a->max_pos + a->pos_offset) * C, sizeof(float));
    if (a->types) m->type_tab = take(m, a->types * C, sizeof(float));
    if (a->embed_norm) make_norm(m, C, &m->embed_norm);
    for (int l = 0; l < a->m; l++) {
        m->ctx.e4m3 = m->e4m3 && l >= m->keep_blocks && l < a->m - m->keep_blocks;
        LT_TRY(make_block(m, &m->block[l]));
    }
    m->ctx.e4m3 = false;
    if (a->final_norm) make_norm(m, C, &m->final_norm);
    if (m->has_pooler) LT_TRY(make_lin(m, C, C, C, &m->pooler));
    if (lt_arch_is_relative(a)) m->rel_tab = take(m, 2 * a->relative.span * C, sizeof(float));
    if (lt_arch_is_relative(a) && a->relative.norm) make_norm(m, C, &m->rel_norm);
    if (a->conv_kernel) {
        LT_TRY(make_lin(m, C, C * a->conv_kernel, C, &m->conv));
        make_norm(m, C, &m->conv_norm);
    }
    m->ctx.e4m3 = m->e4m3; /* the workspace is for either kind */
    return LT_OK;
}

/* ---- the list ---- */

/* Adds one rectangle; the name is the row's, with its layer and suffix ("": none). */
static lt_status add(lt_model *m, const lt_row *row, int layer, const char *suffix, lt_weight w) {
    if (m->n_weights == m->max_weights) {
        int64_t room = m->max_weights ? 2 * m->max_weights : 256;
        lt_weight *grown = realloc(m->weight, (size_t)room * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for the shard plan");
        m->weight = grown;
        m->max_weights = room;
    }
    const char *at = strstr(row->name, "%d"); /* the only conversion in a name is the layer number */
    if (at)
        (void)snprintf(w.name, sizeof w.name, "%.*s%d%s%s%s", (int)(at - row->name), row->name, layer, at + 2, *suffix ? "." : "", suffix);
    else
        (void)snprintf(w.name, sizeof w.name, "%s%s%s", row->name, *suffix ? "." : "", suffix);
    m->weight[m->n_weights++] = w;
    return LT_OK;
}

/* A whole mirrored vector. */
static lt_status add_vector(lt_model *m, const lt_row *row, int layer, const char *suffix, int64_t n, const float *dst, bool plus_one) {
    return add(
        m, row, layer, suffix,
        (lt_weight){.n_dims = 1, .dim = {n, 1}, .rows = n, .cols = 1, .dst = (void *)(uintptr_t)dst, .dt = LT_F32, .plus_one = plus_one});
}

static lt_status add_norm(lt_model *m, const lt_row *row, int layer, int64_t n, const float *w, const float *b) {
    LT_TRY(add_vector(m, row, layer, "weight", n, w, m->arch.norm_plus_one));
    return m->arch.norm_bias ? add_vector(m, row, layer, "bias", n, b, false) : LT_OK;
}

/* Rows [row0, row0 + rows) x columns [col0, col0 + cols) of a whole matrix [N, K], and the same rows of its bias, to rows [at, ...) of lin. */
static lt_status add_matrix(lt_model *m, const lt_row *row, int layer, int64_t N, int64_t K, int64_t row0, int64_t rows, int64_t col0,
                            int64_t cols, lt_lin *lin, int64_t at, bool bias) {
    lt_weight w = {.n_dims = 2,
                   .dim = {row->transposed ? K : N, row->transposed ? N : K},
                   .row0 = row0,
                   .rows = rows,
                   .col0 = col0,
                   .cols = cols,
                   .dt = lin->dt,
                   .lin = lin,
                   .at = at,
                   .transposed = row->transposed};
    if (lin->w) w.dst = (unsigned char *)lin->w + (size_t)(at * cols) * lt_dtype_bytes(lin->dt);
    LT_TRY(add(m, row, layer, "weight", w));
    if (!bias) return LT_OK;
    float *dst = lin->bias ? (float *)(uintptr_t)lin->bias + at : NULL;
    return add(m, row, layer, "bias",
               (lt_weight){.n_dims = 1, .dim = {N, 1}, .row0 = row0, .rows = rows, .cols = 1, .dst = dst, .dt = LT_F32});
}

/* A mirrored f32 table [rows, C]. */
static lt_status add_table(lt_model *m, const lt_row *row, int64_t rows, float *dst) {
    int64_t C = m->arch.C;
    return add(m, row, -1, "weight", (lt_weight){.n_dims = 2, .dim = {rows, C}, .rows = rows, .cols = C, .dst = dst, .dt = LT_F32});
}

/* ---- rows of the family's table ---- */

/* The heads [h0, h0 + n) of q, k or v from a fused matrix, as few rectangles as its layout allows. */
static lt_status add_fused(lt_model *m, const lt_row *row, int layer, lt_part part, int64_t h0, int64_t n, lt_lin *lin, int64_t at) {
    const lt_arch *a = &m->arch;
    int64_t D = a->D, N = D * (a->H + 2 * a->Hkv);
    for (int64_t h = h0, run; h < h0 + n; h += run) {
        int64_t from = lt_row_of_head(a, row->layout, part, h);
        for (run = 1; h + run < h0 + n && lt_row_of_head(a, row->layout, part, h + run) == from + run * D; run++) {}
        LT_TRY(add_matrix(m, row, layer, N, a->C, from, run * D, 0, a->C, lin, at + (h - h0) * D, a->biases & LT_BIAS_Q && !row->bare));
    }
    return LT_OK;
}

/* Elements [row0, row0 + rows) of a whole bias [N] that is a tensor of its own, to place `at` of lin's. */
static lt_status add_bias(lt_model *m, const lt_row *row, int layer, int64_t N, int64_t row0, int64_t rows, const lt_lin *lin, int64_t at) {
    float *dst = lin->bias ? (float *)(uintptr_t)lin->bias + at : NULL;
    return add(m, row, layer, "", (lt_weight){.n_dims = 1, .dim = {N, 1}, .row0 = row0, .rows = rows, .cols = 1, .dst = dst, .dt = LT_F32});
}

/* A matrix [out, in, kernel], mirrored: a linear layer over unfolded rows as it lies. */
static lt_status add_conv(lt_model *m, const lt_row *row) {
    int64_t C = m->arch.C, k = m->arch.conv_kernel;
    LT_TRY(add(m, row, -1, "weight",
               (lt_weight){.n_dims = 3, .dim = {C, C, k}, .rows = C, .cols = C * k, .lin = &m->conv, .dst = m->conv.w, .dt = m->conv.dt}));
    return add_vector(m, row, -1, "bias", C, m->conv.bias, false);
}

/* This rank's rows of a matrix [V, C]. */
static lt_status add_words(lt_model *m, const lt_row *row, void *dst) {
    int64_t C = m->arch.C, rows = m->v1 - m->v0;
    return add(m, row, -1, "weight",
               (lt_weight){.n_dims = 2, .dim = {m->arch.V, C}, .row0 = m->v0, .rows = rows, .cols = C, .dst = dst, .dt = m->ctx.compute});
}

/* A row of the table that stands once a layer. */
static lt_status add_layer_row(lt_model *m, const lt_row *row, int l) {
    const lt_arch *a = &m->arch;
    lt_block *b = &m->block[l];
    int64_t C = a->C, D = a->D, hd = m->Hl * D, kd = m->Hkvl * D, whole_q = a->H * D, whole_kv = a->Hkv * D;
    int64_t q0 = m->h_first * D, k0 = m->kv_first * D, f0 = m->f_first, up_at = a->glu ? m->Fl : 0;
    bool one = b->qkv.N > 0;
    lt_lin *q = one ? &b->qkv : &b->q, *kv = one ? &b->qkv : &b->kv;
    int64_t k_at = one ? hd : 0, v_at = k_at + kd;
    if (row->part >= LT_PART_NORM && (int)row->part < LT_NORM_PARTS) {
        int which = (int)row->part - LT_PART_NORM, branch = which / 3, place = which % 3;
        if (!lt_model_impl_has_norm(a, branch, place)) return LT_OK;
        return add_norm(m, row, l, C, b->norm[branch][place].w, b->norm[branch][place].b);
    }
    switch (row->part) {
    case LT_PART_Q:
        return add_matrix(m, row, l, whole_q, C, q0, hd, 0, C, q, 0, a->biases & LT_BIAS_Q);
    case LT_PART_K:
        return add_matrix(m, row, l, whole_kv, C, k0, kd, 0, C, kv, k_at, a->biases & LT_BIAS_K);
    case LT_PART_V:
        return add_matrix(m, row, l, whole_kv, C, k0, kd, 0, C, kv, v_at, a->biases & LT_BIAS_V);
    case LT_PART_QKV:
        LT_TRY(add_fused(m, row, l, LT_PART_Q, m->h_first, m->Hl, q, 0));
        LT_TRY(add_fused(m, row, l, LT_PART_K, m->kv_first, m->Hkvl, kv, k_at));
        return add_fused(m, row, l, LT_PART_V, m->kv_first, m->Hkvl, kv, v_at);
    case LT_PART_Q_BIAS:
        return add_bias(m, row, l, whole_q, q0, hd, q, 0);
    case LT_PART_V_BIAS:
        return add_bias(m, row, l, whole_kv, k0, kd, kv, v_at);
    case LT_PART_POS_K:
        return b->pos_k.N ? add_matrix(m, row, l, whole_q, C, q0, hd, 0, C, &b->pos_k, 0, a->biases & LT_BIAS_POS_K) : LT_OK;
    case LT_PART_POS_Q:
        return b->pos_q.N ? add_matrix(m, row, l, whole_q, C, q0, hd, 0, C, &b->pos_q, 0, a->biases & LT_BIAS_POS_Q) : LT_OK;
    case LT_PART_O:
        return add_matrix(m, row, l, C, whole_q, 0, C, q0, hd, &b->o, 0, a->biases & LT_BIAS_O);
    case LT_PART_GATE:
        return add_matrix(m, row, l, a->F, C, f0, m->Fl, 0, C, &b->up, 0, a->biases & LT_BIAS_GATE);
    case LT_PART_UP:
        return add_matrix(m, row, l, a->F, C, f0, m->Fl, 0, C, &b->up, up_at, a->biases & LT_BIAS_UP);
    case LT_PART_GATE_UP:
        LT_TRY(add_matrix(m, row, l, 2 * a->F, C, f0, m->Fl, 0, C, &b->up, 0, a->biases & LT_BIAS_GATE));
        return add_matrix(m, row, l, 2 * a->F, C, a->F + f0, m->Fl, 0, C, &b->up, up_at, a->biases & LT_BIAS_UP);
    case LT_PART_DOWN:
        return add_matrix(m, row, l, C, a->F, 0, C, f0, m->Fl, &b->down, 0, a->biases & LT_BIAS_DOWN);
    case LT_PART_Q_NORM:
        return a->qk_norm ? add_vector(m, row, l, "weight", D, b->q_norm, a->norm_plus_one) : LT_OK;
    case LT_PART_K_NORM:
        return a->qk_norm ? add_vector(m, row, l, "weight", D, b->k_norm, a->norm_plus_one) : LT_OK;
    default:
        return LT_FAIL(LT_ERR_INTERNAL, "part %d of tensor %s is none of a layer", (int)row->part, row->name);
    }
}

/* A row that stands once. */
static lt_status add_row(lt_model *m, const lt_row *row) {
    const lt_arch *a = &m->arch;
    int64_t C = a->C;
    switch (row->part) {
    case LT_PART_TOKENS:
        return add_words(m, row, m->tok);
    case LT_PART_HEAD:
        return m->with_head && !a->tied ? add_words(m, row, m->head) : LT_OK;
    case LT_PART_POSITIONS:
        return a->positions == LT_POS_TABLE ? add_table(m, row, a->max_pos + a->pos_offset, m->pos_tab) : LT_OK;
    case LT_PART_TYPES:
        return a->types ? add_table(m, row, a->types, m->type_tab) : LT_OK;
    case LT_PART_EMBED_NORM:
        return a->embed_norm ? add_norm(m, row, -1, C, m->embed_norm.w, m->embed_norm.b) : LT_OK;
    case LT_PART_FINAL_NORM:
        return a->final_norm ? add_norm(m, row, -1, C, m->final_norm.w, m->final_norm.b) : LT_OK;
    case LT_PART_REL_TABLE:
        return lt_arch_is_relative(a) ? add_table(m, row, 2 * a->relative.span, m->rel_tab) : LT_OK;
    case LT_PART_REL_NORM:
        return lt_arch_is_relative(a) && a->relative.norm ? add_norm(m, row, -1, C, m->rel_norm.w, m->rel_norm.b) : LT_OK;
    case LT_PART_CONV:
        return a->conv_kernel ? add_conv(m, row) : LT_OK;
    case LT_PART_CONV_NORM:
        return a->conv_kernel ? add_norm(m, row, -1, C, m->conv_norm.w, m->conv_norm.b) : LT_OK;
    case LT_PART_POOLER:
        return m->has_pooler ? add_matrix(m, row, -1, C, C, 0, C, 0, C, &m->pooler, 0, true) : LT_OK;
    default:
        return LT_FAIL(LT_ERR_INTERNAL, "part %d of tensor %s is one of a layer", (int)row->part, row->name);
    }
}

lt_status lt_model_impl_shard(lt_model *m) {
    int64_t filled = 0;
    m->n_weights = 0;
    LT_TRY(carve_places(m));
    for (const lt_row *row = m->arch.family->rows; row->part != LT_PART_END; row++) {
        if (!strstr(row->name, "%d"))
            LT_TRY(add_row(m, row));
        else
            for (int l = 0; l < m->arch.m; l++) LT_TRY(add_layer_row(m, row, l));
    }
    LT_TRY(lt_arena_ok(&m->weights));
    for (int64_t i = 0; i < m->n_weights; i++) filled += m->weight[i].rows * m->weight[i].cols;
    LT_CHECK(filled == m->places, LT_ERR_INTERNAL, "%s: the tensors of its table fill %lld of a rank's %lld numbers", m->arch.model_type,
             (long long)filled, (long long)m->places);
    return LT_OK;
}

/* ---- the file ---- */

/* A tensor by its plain name, with the family's prefix, and with the norm names of early checkpoints (gamma, beta). */
static const lt_st_tensor *find(const lt_model *m, const char *name) {
    static const char *const old[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}};
    char full[2 * LT_NAME_BYTES];
    for (int prefixed = 0; prefixed < 2; prefixed++) {
        (void)snprintf(full, sizeof full, "%s%s", prefixed ? m->arch.family->prefix : "", name);
        const lt_st_tensor *t = lt_st_find(m->st, full);
        for (int i = 0; !t && i < 2; i++) {
            size_t n = strlen(full), k = strlen(old[i][0]);
            if (n < k || strcmp(full + n - k, old[i][0]) != 0) continue;
            (void)snprintf(full + n - k, sizeof full - (n - k), "%s", old[i][1]);
            t = lt_st_find(m->st, full);
        }
        if (t) return t;
    }
    return NULL;
}

static const lt_row *row_of(const lt_model *m, lt_part part) {
    const lt_row *row = m->arch.family->rows;
    while (row->part != LT_PART_END && row->part != part) row++;
    return row->part == part ? row : NULL;
}

/* Tensor `suffix` of a part that stands once. */
static const lt_st_tensor *find_part(const lt_model *m, lt_part part, const char *suffix) {
    const lt_row *row = row_of(m, part);
    char name[LT_NAME_BYTES];
    if (!row) return NULL;
    (void)snprintf(name, sizeof name, "%.80s.%s", row->name, suffix);
    return find(m, name);
}

bool lt_model_impl_in_file(const lt_model *m, lt_part part) { return find_part(m, part, "weight") != NULL; }

lt_status lt_model_impl_check_head(const lt_model *m) {
    const lt_arch *a = &m->arch;
    const lt_row *row = row_of(m, LT_PART_HEAD);
    LT_TRY(lt_arch_check_writes(a));
    LT_CHECK(a->tied || find_part(m, LT_PART_HEAD, "weight"), LT_ERR_FORMAT,
             "%s has no output matrix (%s.weight), and its config.json does not tie it to the embedding: the folder was saved without its "
             "language-model head; generation needs one with it",
             lt_st_path(m->st), row->name);
    LT_CHECK(a->tied || !find_part(m, LT_PART_HEAD, "bias"), LT_ERR_FORMAT, "%s: %s.bias: an output matrix with a bias is not supported",
             lt_st_path(m->st), row->name);
    return LT_OK;
}

static void shape_text(char buf[64], int n_dims, const int64_t *dim) {
    int at = snprintf(buf, 64, "[");
    for (int i = 0; i < n_dims && at < 50; i++) at += snprintf(buf + at, 64 - (size_t)at, i ? ", %lld" : "%lld", (long long)dim[i]);
    (void)snprintf(buf + at, 64 - (size_t)at, "]");
}

lt_status lt_model_impl_match(lt_model *m) {
    char want[64], got[64];
    for (int64_t i = 0; i < m->n_weights; i++) {
        lt_weight *w = &m->weight[i];
        w->src = find(m, w->name);
        LT_CHECK(w->src, LT_ERR_FORMAT,
                 "tensor %s is missing in %s (architecture %s): the folder is incomplete or config.json belongs to another model", w->name,
                 lt_st_path(m->st), m->arch.model_type);
        shape_text(want, w->n_dims, w->dim);
        shape_text(got, w->src->n_dims, w->src->dim);
        LT_CHECK(strcmp(want, got) == 0, LT_ERR_FORMAT, "tensor %s in %s has shape %s, config.json asks for %s", w->name, lt_st_path(m->st),
                 got, want);
        LT_CHECK(w->src->dtype == LT_F32 || w->src->dtype == LT_BF16 || w->src->dtype == LT_F16, LT_ERR_FORMAT,
                 "tensor %s in %s has dtype %s; F32, F16 and BF16 can be read", w->name, lt_st_path(m->st), w->src->dtype_name);
    }
    return LT_OK;
}
