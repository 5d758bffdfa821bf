#pragma once
/* Shapes of transformers for tests: what known families have, and what nobody has, each with the switches whose loss must be noticed. */
#include "toy_model.h"

enum { MAX_CONTROLS = 6 };

typedef struct shape {
    const char *name;
    void (*set)(lt_arch *a);
    lt_layout qkv; /* used when fused */
    bool fused, turned, fused_up, bare;
    bool bf16;                              /* tried in bf16 too */
    void (*flip[MAX_CONTROLS])(lt_arch *a); /* each must be noticed when the truth has it and the model has not */
} shape;

static void bert(lt_arch *a) {
    a->norms = LT_NORM_AFTER;
    a->norm_bias = a->embed_norm = true;
    a->biases = LT_BIAS_ALL;
    a->positions = LT_POS_TABLE;
    a->types = 2;
}

static void llama(lt_arch *a) {
    a->norm = LT_NORM_RMS;
    a->norms = LT_NORM_IN;
    a->glu = a->causal = a->final_norm = true;
    a->act = LT_ACT_SILU;
    a->positions = LT_POS_ROTARY;
    a->Hkv = 2;
}

static void gpt2(lt_arch *a) {
    a->norms = LT_NORM_IN;
    a->norm_bias = a->causal = a->final_norm = true;
    a->biases = LT_BIAS_ALL;
    a->act = LT_ACT_GELU_TANH;
    a->positions = LT_POS_TABLE;
}

static void falcon(lt_arch *a) {
    a->norms = LT_NORM_IN;
    a->parallel = a->shared_in = a->norm_bias = a->causal = a->final_norm = true;
    a->positions = LT_POS_ROTARY;
    a->Hkv = 1;
}

static void falcon_groups(lt_arch *a) {
    falcon(a);
    a->shared_in = false;
    a->Hkv = 2;
}

static void neox(lt_arch *a) {
    a->norms = LT_NORM_IN;
    a->parallel = a->norm_bias = a->causal = a->final_norm = true;
    a->biases = LT_BIAS_ALL;
    a->positions = LT_POS_ROTARY;
    a->rot = 2;
}

static void bloom(lt_arch *a) {
    a->norms = LT_NORM_IN;
    a->embed_norm = a->norm_bias = a->causal = a->final_norm = true;
    a->biases = LT_BIAS_ALL;
    a->act = LT_ACT_GELU_TANH;
    a->positions = LT_POS_ALIBI;
    a->alibi_scale = 0.5f;
}

static void gemma3(lt_arch *a) {
    llama(a);
    a->norms = LT_NORM_IN | LT_NORM_OUT;
    a->norm_plus_one = a->qk_norm = true;
    a->act = LT_ACT_GELU_TANH;
    a->D = 6; /* heads wider than C / H */
    a->embed_scale = 2.5f;
    a->attn_scale = 0.3f;
    a->n_ropes = 2;
    a->layer[0] = (lt_layer){.rope = 1, .window = 3};
}

static void qwen2(lt_arch *a) {
    llama(a);
    a->biases = LT_BIAS_QKV;
}

/* Norms behind the branches only, and biases in odd places. */
static void olmo2(lt_arch *a) {
    llama(a);
    a->norms = LT_NORM_OUT;
    a->biases = LT_BIAS_K | LT_BIAS_GATE | LT_BIAS_O;
}

static void roberta(lt_arch *a) {
    bert(a);
    a->pos_offset = 2;
    a->types = 1;
}

/* All three norms; sees both ways through a window; no positions. */
static void odd(lt_arch *a) {
    a->norms = LT_NORM_IN | LT_NORM_OUT | LT_NORM_AFTER;
    a->norm_bias = a->final_norm = true;
    a->biases = LT_BIAS_V | LT_BIAS_DOWN;
    a->act = LT_ACT_RELU;
    a->layer[1].window = 2;
}

/* Norms before and after, on a stream that is scaled and normed at the start. */
static void odder(lt_arch *a) {
    gpt2(a);
    a->norms = LT_NORM_IN | LT_NORM_AFTER;
    a->embed_scale = 0.5f;
    a->embed_norm = true;
    a->final_norm = false;
}

/* Heads and columns that no number of ranks divides. */
static void falcon5(lt_arch *a) {
    falcon(a);
    a->H = 5;
    a->F = 50;
}

static void groups6(lt_arch *a) {
    llama(a);
    a->biases = LT_BIAS_ALL;
    a->H = 6;
    a->Hkv = 3;
    a->F = 50;
}

static void starcoder7(lt_arch *a) {
    gpt2(a);
    a->H = 7;
    a->Hkv = 1;
    a->F = 50;
}

static void bloom5(lt_arch *a) {
    bloom(a);
    a->C = 20;
    a->H = a->Hkv = 5;
    a->F = 40; /* two ranks have C columns each */
}

static void gemma8(lt_arch *a) {
    gemma3(a);
    a->H = 8;
}

/* Distances in the scores, clamped, and positions at the input. */
static void deberta(lt_arch *a) {
    bert(a);
    a->biases = (LT_BIAS_ALL & ~LT_BIAS_K) | LT_BIAS_POS_Q;
    a->relative = (lt_relative){.c2p = true, .p2c = true, .span = 3, .max_relative = 3};
    a->attn_scale = 1 / sqrtf(3.0f * (float)a->D);
}

/* Buckets, the layers' own matrices, and a convolution. */
static void deberta2(lt_arch *a) {
    deberta(a);
    a->types = 0;
    a->positions = LT_POS_RELATIVE;
    a->biases = LT_BIAS_ALL;
    a->relative = (lt_relative){.c2p = true, .p2c = true, .shared = true, .norm = true, .span = 4, .buckets = 4, .max_relative = 20};
    a->conv_kernel = 3;
    a->conv_act = LT_ACT_TANH;
}

static void deberta2_p2c(lt_arch *a) {
    deberta2(a);
    a->biases |= LT_BIAS_POS_K | LT_BIAS_POS_Q;
    a->relative.c2p = a->relative.shared = a->relative.norm = false;
    a->conv_kernel = 5;
    a->conv_act = LT_ACT_GELU_ERF;
}

static void flip_c2p(lt_arch *a) { a->relative.c2p = !a->relative.c2p; }
static void flip_p2c(lt_arch *a) { a->relative.p2c = !a->relative.p2c; }
static void flip_buckets(lt_arch *a) { a->relative.buckets = 0; }
static void flip_table_norm(lt_arch *a) { a->relative.norm = !a->relative.norm; }
static void flip_conv(lt_arch *a) { a->conv_kernel = 0; }
static void flip_conv_act(lt_arch *a) { a->conv_act = LT_ACT_RELU; }
static void flip_act(lt_arch *a) { a->act = a->act == LT_ACT_SILU ? LT_ACT_RELU : LT_ACT_SILU; }
static void flip_causal(lt_arch *a) {
    for (int l = 0; l < a->m; l++) a->layer[l].causal = !a->layer[l].causal;
}
static void flip_in(lt_arch *a) { a->norms ^= LT_NORM_IN; }
static void flip_out(lt_arch *a) { a->norms ^= LT_NORM_OUT; }
static void flip_after(lt_arch *a) { a->norms ^= LT_NORM_AFTER; }
static void flip_parallel(lt_arch *a) { a->parallel = !a->parallel; }
static void flip_shared(lt_arch *a) { a->shared_in = !a->shared_in; }
static void flip_alibi(lt_arch *a) { a->positions = LT_POS_NONE; }
static void flip_embed_norm(lt_arch *a) { a->embed_norm = !a->embed_norm; }
static void flip_plus_one(lt_arch *a) { a->norm_plus_one = !a->norm_plus_one; }
static void flip_qk_norm(lt_arch *a) { a->qk_norm = !a->qk_norm; }
static void flip_embed_scale(lt_arch *a) { a->embed_scale *= 1.01f; }
static void flip_rope(lt_arch *a) { a->layer[0].rope = !a->layer[0].rope; }
static void flip_window(lt_arch *a) {
    for (int l = 0; l < a->m; l++) a->layer[l].window += a->layer[l].window > 0;
}
static void flip_attn_scale(lt_arch *a) { a->attn_scale *= 1.01f; }
static void flip_biases(lt_arch *a) { a->biases = 0; }
static void flip_offset(lt_arch *a) { a->pos_offset = 0; }
static void flip_types(lt_arch *a) { a->types = 0; }
static void flip_rot(lt_arch *a) { a->rot = 4; }
static void flip_slopes(lt_arch *a) { a->alibi_scale = 1; }
static void flip_final(lt_arch *a) { a->final_norm = !a->final_norm; }

static const shape shapes[] = {
    {"bert", bert, .bf16 = true, .flip = {flip_act, flip_after, flip_types, flip_causal, flip_embed_norm}},
    {"llama", llama, .flip = {flip_act, flip_in, flip_final, flip_causal}},
    {"gpt2", gpt2, LT_LAYOUT_PLAIN, true, true, .flip = {flip_act, flip_biases}},
    {"falcon", falcon, LT_LAYOUT_GROUPS, true, .flip = {flip_parallel}},
    {"falcon, groups", falcon_groups, LT_LAYOUT_GROUPS, true, .flip = {flip_shared}},
    {"neox", neox, LT_LAYOUT_HEADS, true, .bf16 = true, .flip = {flip_parallel, flip_shared, flip_biases, flip_rot}},
    {"bloom", bloom, LT_LAYOUT_HEADS, true, .flip = {flip_alibi, flip_embed_norm, flip_slopes}},
    {"gemma3", gemma3, .bf16 = true, .flip = {flip_out, flip_plus_one, flip_qk_norm, flip_embed_scale, flip_rope, flip_window}},
    {"gemma3, gate and up in one", gemma3, .fused_up = true, .flip = {flip_attn_scale}},
    {"qwen2", qwen2, .flip = {flip_biases}},
    {"olmo2", olmo2, .flip = {flip_out, flip_biases}},
    {"roberta", roberta, .flip = {flip_offset}},
    {"deberta", deberta, LT_LAYOUT_HEADS, true, .bare = true, .bf16 = true, .flip = {flip_c2p, flip_p2c, flip_biases, flip_attn_scale}},
    {"deberta v2", deberta2, .flip = {flip_c2p, flip_p2c, flip_buckets, flip_table_norm, flip_conv, flip_conv_act}},
    {"deberta v2, p2c alone", deberta2_p2c, .flip = {flip_p2c, flip_conv}},
    {"odd", odd, .turned = true, .flip = {flip_window, flip_in, flip_after}},
    {"falcon, 5 heads on one", falcon5, LT_LAYOUT_GROUPS, true, .flip = {flip_parallel}},
    {"6 heads on 3", groups6, LT_LAYOUT_GROUPS, true, .bf16 = true, .fused_up = true, .flip = {flip_biases}},
    {"7 heads on one", starcoder7, LT_LAYOUT_PLAIN, true, true, .bf16 = true, .flip = {flip_biases}},
    {"bloom, 5 heads", bloom5, LT_LAYOUT_HEADS, true, .flip = {flip_alibi}},
    {"gemma3, 8 heads on 2", gemma8, .flip = {flip_qk_norm}},
    {"odder", odder, LT_LAYOUT_HEADS, true, true, .flip = {flip_after, flip_embed_norm}},
};

static void put(lt_row *rows, int *n, const char *name, lt_part part, bool turned) {
    rows[(*n)++] = (lt_row){.name = name, .part = part, .transposed = turned};
}

static void make_toy(const shape *s, lt_row rows[32], toy *t) {
    *t = (toy){.arch = {.C = 16,
                        .F = 20,
                        .V = 19,
                        .H = 4,
                        .Hkv = 4,
                        .D = 4,
                        .m = 2,
                        .max_pos = 24,
                        .norm = LT_NORM_LAYER,
                        .eps = 1e-5f,
                        .act = LT_ACT_GELU_ERF,
                        .embed_scale = 1,
                        .n_ropes = 0,
                        .rope = {{.theta = 10000}, {.theta = 100}},
                        .alibi_scale = 1}};
    lt_arch *a = &t->arch;
    (void)snprintf(a->model_type, sizeof a->model_type, "toy");
    s->set(a);
    if (a->positions == LT_POS_ROTARY && !a->n_ropes) a->n_ropes = 1;
    if (!a->rot) a->rot = a->D;
    if (a->attn_scale == 0) a->attn_scale = 1 / sqrtf((float)a->D);
    for (int l = 0; l < a->m; l++) a->layer[l].causal = a->causal;
    int n = 0;
    put(rows, &n, "tokens", LT_PART_TOKENS, false);
    if (a->positions == LT_POS_TABLE) put(rows, &n, "positions", LT_PART_POSITIONS, false);
    if (a->types) put(rows, &n, "types", LT_PART_TYPES, false);
    if (a->embed_norm) put(rows, &n, "embed_norm", LT_PART_EMBED_NORM, false);
    if (a->final_norm) put(rows, &n, "final_norm", LT_PART_FINAL_NORM, false);
    if (s->fused) {
        rows[n++] = (lt_row){.name = "l.%d.qkv", .part = LT_PART_QKV, .layout = s->qkv, .transposed = s->turned, .bare = s->bare};
        if (s->bare) put(rows, &n, "l.%d.q_bias", LT_PART_Q_BIAS, false);
        if (s->bare) put(rows, &n, "l.%d.v_bias", LT_PART_V_BIAS, false);
    } else {
        put(rows, &n, "l.%d.q", LT_PART_Q, s->turned);
        put(rows, &n, "l.%d.k", LT_PART_K, s->turned);
        put(rows, &n, "l.%d.v", LT_PART_V, s->turned);
    }
    put(rows, &n, "l.%d.o", LT_PART_O, s->turned);
    if (s->fused_up) {
        put(rows, &n, "l.%d.gate_up", LT_PART_GATE_UP, false);
    } else {
        if (a->glu) put(rows, &n, "l.%d.gate", LT_PART_GATE, s->turned);
        put(rows, &n, "l.%d.up", LT_PART_UP, s->turned);
    }
    put(rows, &n, "l.%d.down", LT_PART_DOWN, s->turned);
    if (a->qk_norm) put(rows, &n, "l.%d.q_norm", LT_PART_Q_NORM, false);
    if (a->qk_norm) put(rows, &n, "l.%d.k_norm", LT_PART_K_NORM, false);
    if (lt_arch_is_relative(a)) put(rows, &n, "relative", LT_PART_REL_TABLE, false);
    if (a->relative.norm) put(rows, &n, "relative_norm", LT_PART_REL_NORM, false);
    if (a->relative.c2p && !a->relative.shared) put(rows, &n, "l.%d.pos_k", LT_PART_POS_K, false);
    if (a->relative.p2c && !a->relative.shared) put(rows, &n, "l.%d.pos_q", LT_PART_POS_Q, false);
    if (a->conv_kernel) put(rows, &n, "conv", LT_PART_CONV, false);
    if (a->conv_kernel) put(rows, &n, "conv_norm", LT_PART_CONV_NORM, false);
    static const char *const names[2][3] = {{"l.%d.n00", "l.%d.n01", "l.%d.n02"}, {"l.%d.n10", "l.%d.n11", "l.%d.n12"}};
    for (int b = 0; b < 2; b++)
        for (int p = 0; p < 3; p++)
            if (lt_model_impl_has_norm(a, b, p)) put(rows, &n, names[b][p], LT_NORM_PART(b, p), false);
    rows[n] = (lt_row){.part = LT_PART_END};
    t->family = (lt_family){.model_type = "toy", .prefix = "", .rows = rows};
    a->family = &t->family;
}
