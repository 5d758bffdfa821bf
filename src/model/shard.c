/* The shard plan: which rectangle of which tensor of the file belongs where on this rank, as a list.
 *
 * One table of names a family; one function that walks it.  The same walk runs over a measuring arena (sizes) and over the real one (places), so the
 * printed memory is the memory.  tp rank r of t holds heads [r*H/t, (r+1)*H/t), the kv heads these read (replicated when t > Hkv), feed-forward
 * columns [r*F/t, (r+1)*F/t) and vocabulary rows [r*V/t, (r+1)*V/t); norms, positions and the pooler are mirrored. */
#include "model/model_impl.h"

#include <stdarg.h>
#include <string.h>

typedef struct names {
    const char *prefix; /* of every name, may be absent in the file */
    const char *tok, *pos, *type, *embed_norm, *final_norm, *pooler;
    const char *q, *k, *v, *o, *gate, *up, *down, *norm1, *norm2; /* with %d for the layer */
} names;

static const names family_names[] = {
    [LT_FAMILY_BERT] = {.prefix = "bert.",
                        .tok = "embeddings.word_embeddings",
                        .pos = "embeddings.position_embeddings",
                        .type = "embeddings.token_type_embeddings",
                        .embed_norm = "embeddings.LayerNorm",
                        .pooler = "pooler.dense",
                        .q = "encoder.layer.%d.attention.self.query",
                        .k = "encoder.layer.%d.attention.self.key",
                        .v = "encoder.layer.%d.attention.self.value",
                        .o = "encoder.layer.%d.attention.output.dense",
                        .up = "encoder.layer.%d.intermediate.dense",
                        .down = "encoder.layer.%d.output.dense",
                        .norm1 = "encoder.layer.%d.attention.output.LayerNorm",
                        .norm2 = "encoder.layer.%d.output.LayerNorm"},
    [LT_FAMILY_LLAMA] = {.prefix = "model.",
                         .tok = "embed_tokens",
                         .final_norm = "norm",
                         .q = "layers.%d.self_attn.q_proj",
                         .k = "layers.%d.self_attn.k_proj",
                         .v = "layers.%d.self_attn.v_proj",
                         .o = "layers.%d.self_attn.o_proj",
                         .gate = "layers.%d.mlp.gate_proj",
                         .up = "layers.%d.mlp.up_proj",
                         .down = "layers.%d.mlp.down_proj",
                         .norm1 = "layers.%d.input_layernorm",
                         .norm2 = "layers.%d.post_attention_layernorm"},
};

/* Adds one tensor; dst NULL while measuring. */
static lt_status add(lt_model *m, lt_weight w, const char *suffix, const char *fmt, int layer) {
    char stem[LT_NAME_BYTES];
    LT_ASSERT(m->n_weights < m->max_weights);
    switch (layer) {
    case -1:
        (void)snprintf(stem, sizeof stem, "%s", fmt);
        break;
    default: {
        /* the only conversion in a name is the layer number */
        const char *at = strstr(fmt, "%d");
        (void)snprintf(stem, sizeof stem, "%.*s%d%s", (int)(at - fmt), fmt, layer, at + 2);
    }
    }
    (void)snprintf(w.name, sizeof w.name, "%.80s.%s", stem, suffix);
    m->weight[m->n_weights++] = w;
    return LT_OK;
}

/* A mirrored f32 vector of n, e.g. a norm weight. */
static lt_status add_vector(lt_model *m, const char *fmt, int layer, const char *suffix, int64_t n, const float **out) {
    float *p = lt_arena_take(&m->weights, n, sizeof *p);
    *out = p;
    return add(m, (lt_weight){.n_dims = 1, .dim = {n, 1}, .rows = n, .cols = 1, .dst = p, .dt = LT_F32}, suffix, fmt, layer);
}

/* Rows or columns of a whole matrix [N, K] (dim) with its bias into rows [at, ...) of lin. */
static lt_status add_matrix(lt_model *m, const char *fmt, int layer, int64_t N, int64_t K, int64_t row0, int64_t rows, int64_t col0,
                            int64_t cols, lt_lin *lin, int64_t at, float *bias) {
    lt_weight w = {.n_dims = 2, .dim = {N, K}, .row0 = row0, .rows = rows, .col0 = col0, .cols = cols, .dt = lin->dt};
    if (lin->w) w.dst = (unsigned char *)lin->w + (size_t)(at * cols) * lt_dtype_bytes(lin->dt);
    LT_TRY(add(m, w, "weight", fmt, layer));
    if (!bias && !lin->bias) return LT_OK;
    return add(m,
               (lt_weight){.n_dims = 1, .dim = {N, 1}, .row0 = row0, .rows = rows, .cols = 1, .dst = bias ? bias + at : NULL, .dt = LT_F32},
               "bias", fmt, layer);
}

/* Makes room for a linear layer; with_bias: marks lin->bias (a placeholder while measuring, so that the list is the same). */
static lt_status make_lin(lt_model *m, int64_t N, int64_t K, bool with_bias, lt_lin *lin, float **bias) {
    static const float measuring = 0;
    LT_TRY(m->ctx.ops->lin_alloc(&m->ctx, &m->weights, N, K, lin));
    *bias = with_bias ? lt_arena_take(&m->weights, N, sizeof **bias) : NULL;
    lin->bias = !with_bias ? NULL : *bias ? *bias : &measuring;
    return LT_OK;
}

static lt_status add_block(lt_model *m, const names *nm, int l) {
    const lt_arch *a = &m->arch;
    lt_block *b = &m->block[l];
    int64_t hd = (int64_t)m->Hl * a->D, kd = (int64_t)m->Hkvl * a->D, C = a->C, r = m->grid->tp_rank;
    int64_t whole_q = (int64_t)a->H * a->D, whole_kv = (int64_t)a->Hkv * a->D, q0 = r * hd, k0 = (int64_t)m->kv_first * a->D,
            f0 = r * m->Fl;
    bool bias = a->family == LT_FAMILY_BERT;
    float *bb = NULL;
    LT_TRY(make_lin(m, hd, C, bias, &b->q, &bb));
    LT_TRY(add_matrix(m, nm->q, l, whole_q, C, q0, hd, 0, C, &b->q, 0, bb));
    LT_TRY(make_lin(m, 2 * kd, C, bias, &b->kv, &bb));
    LT_TRY(add_matrix(m, nm->k, l, whole_kv, C, k0, kd, 0, C, &b->kv, 0, bb));
    LT_TRY(add_matrix(m, nm->v, l, whole_kv, C, k0, kd, 0, C, &b->kv, kd, bb));
    LT_TRY(make_lin(m, C, hd, bias, &b->o, &bb));
    LT_TRY(add_matrix(m, nm->o, l, C, whole_q, 0, C, q0, hd, &b->o, 0, bb));
    LT_TRY(make_lin(m, a->glu ? 2 * m->Fl : m->Fl, C, bias, &b->up, &bb));
    if (a->glu) LT_TRY(add_matrix(m, nm->gate, l, a->F, C, f0, m->Fl, 0, C, &b->up, 0, bb));
    LT_TRY(add_matrix(m, nm->up, l, a->F, C, f0, m->Fl, 0, C, &b->up, a->glu ? m->Fl : 0, bb));
    LT_TRY(make_lin(m, C, m->Fl, bias, &b->down, &bb));
    LT_TRY(add_matrix(m, nm->down, l, C, a->F, 0, C, f0, m->Fl, &b->down, 0, bb));
    LT_TRY(add_vector(m, nm->norm1, l, "weight", C, &b->norm1_w));
    LT_TRY(add_vector(m, nm->norm2, l, "weight", C, &b->norm2_w));
    if (a->norm == LT_NORM_LAYER) {
        LT_TRY(add_vector(m, nm->norm1, l, "bias", C, &b->norm1_b));
        LT_TRY(add_vector(m, nm->norm2, l, "bias", C, &b->norm2_b));
    }
    return LT_OK;
}

/* A mirrored f32 table [rows, C]. */
static lt_status add_table(lt_model *m, const char *name, int64_t rows, float **out) {
    *out = lt_arena_take(&m->weights, rows * m->arch.C, sizeof **out);
    return add(m, (lt_weight){.n_dims = 2, .dim = {rows, m->arch.C}, .rows = rows, .cols = m->arch.C, .dst = *out, .dt = LT_F32}, "weight",
               name, -1);
}

lt_status lt_model_impl_shard(lt_model *m) {
    const lt_arch *a = &m->arch;
    const names *nm = &family_names[a->family];
    int64_t C = a->C;
    m->n_weights = 0;
    m->tok = lt_arena_take(&m->weights, (m->v1 - m->v0) * C, lt_dtype_bytes(m->ctx.compute));
    LT_TRY(add(
        m, (lt_weight){.n_dims = 2, .dim = {a->V, C}, .row0 = m->v0, .rows = m->v1 - m->v0, .cols = C, .dst = m->tok, .dt = m->ctx.compute},
        "weight", nm->tok, -1));
    if (a->learned_pos) LT_TRY(add_table(m, nm->pos, a->max_pos, &m->pos_tab));
    if (a->types) LT_TRY(add_table(m, nm->type, a->types, &m->type_tab));
    if (nm->embed_norm) {
        LT_TRY(add_vector(m, nm->embed_norm, -1, "weight", C, &m->embed_norm_w));
        LT_TRY(add_vector(m, nm->embed_norm, -1, "bias", C, &m->embed_norm_b));
    }
    for (int l = 0; l < a->m; l++) LT_TRY(add_block(m, nm, l));
    if (nm->final_norm) LT_TRY(add_vector(m, nm->final_norm, -1, "weight", C, &m->final_norm_w));
    if (m->has_pooler) {
        float *bias = NULL;
        LT_TRY(make_lin(m, C, C, true, &m->pooler, &bias));
        LT_TRY(add_matrix(m, nm->pooler, -1, C, C, 0, C, 0, C, &m->pooler, 0, bias));
    }
    return lt_arena_ok(&m->weights);
}

/* A tensor by its plain name, with the family's prefix, and with the norm names of early checkpoints (gamma, beta). */
static const lt_st_tensor *find(const lt_model *m, const char *name) {
    static const char *const old[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}};
    char full[2 * LT_NAME_BYTES];
    for (int prefixed = 0; prefixed < 2; prefixed++) {
        (void)snprintf(full, sizeof full, "%s%s", prefixed ? family_names[m->arch.family].prefix : "", name);
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

static void shape_text(char buf[64], int n_dims, const int64_t *dim) {
    int at = snprintf(buf, 64, "[");
    for (int i = 0; i < n_dims && at < 50; i++) at += snprintf(buf + at, 64 - (size_t)at, i ? ", %lld" : "%lld", (long long)dim[i]);
    (void)snprintf(buf + at, 64 - (size_t)at, "]");
}

lt_status lt_model_impl_match(lt_model *m) {
    char want[64], got[64];
    for (int i = 0; i < m->n_weights; i++) {
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
