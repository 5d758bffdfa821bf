/* Decoders with LayerNorm: GPT-2, GPT-NeoX, BLOOM, Falcon. */
#include "model/family_impl.h"

#include <math.h>

static void read_decoder(lt_reader *r, lt_arch *a, const char *eps_key, bool tied) {
    a->norm = LT_NORM_LAYER;
    a->norms = LT_NORM_IN;
    a->norm_bias = a->causal = a->final_norm = true;
    a->biases = LT_BIAS_ALL;
    a->tied = lt_reader_bool(r, "tie_word_embeddings", tied);
    a->eps = (float)lt_reader_num(r, r->root, eps_key, 1e-5);
}

/* ---- GPT-2 (Radford et al. 2019): matrices are stored [in, out], q, k, v in one ---- */
static void read_gpt2(lt_reader *r, lt_arch *a) {
    read_decoder(r, a, "layer_norm_epsilon", true);
    a->positions = LT_POS_TABLE;
    lt_reader_act(r, "activation_function", "gelu_new", &a->act);
    lt_reader_expect(r, "scale_attn_weights", true);
    lt_reader_expect(r, "scale_attn_by_inverse_layer_idx", false);
    lt_reader_expect(r, "add_cross_attention", false);
}

static const lt_row gpt2_rows[] = {LT_ROW_PLAIN("wte", LT_PART_TOKENS),
                                   LT_ROW_PLAIN("lm_head", LT_PART_HEAD),
                                   LT_ROW_PLAIN("wpe", LT_PART_POSITIONS),
                                   LT_ROW_PLAIN("ln_f", LT_PART_FINAL_NORM),
                                   LT_ROW_TURNED("h.%d.attn.c_attn", LT_PART_QKV),
                                   LT_ROW_TURNED("h.%d.attn.c_proj", LT_PART_O),
                                   LT_ROW_TURNED("h.%d.mlp.c_fc", LT_PART_UP),
                                   LT_ROW_TURNED("h.%d.mlp.c_proj", LT_PART_DOWN),
                                   LT_ROW_PLAIN("h.%d.ln_1", LT_NORM_PART(0, 0)),
                                   LT_ROW_PLAIN("h.%d.ln_2", LT_NORM_PART(1, 0)),
                                   LT_ROW_END};

const lt_family lt_family_gpt2 = {.model_type = "gpt2",
                                  .prefix = "transformer.",
                                  .read = read_gpt2,
                                  .max_pos = 1024,
                                  .keys = {"n_embd|hidden_size", "n_inner", "vocab_size", "n_head|num_attention_heads",
                                           "n_layer|num_hidden_layers", "n_positions|max_position_embeddings"},
                                  .rows = gpt2_rows};

/* ---- GPT-NeoX (Black et al. 2022; Pythia): parallel branches with a norm each, a part of each head is rotated ---- */
static void read_gpt_neox(lt_reader *r, lt_arch *a) {
    read_decoder(r, a, "layer_norm_eps", false);
    a->positions = LT_POS_ROTARY;
    a->parallel = lt_reader_bool(r, "use_parallel_residual", true);
    if (!lt_reader_bool(r, "attention_bias", true)) a->biases &= ~(LT_BIAS_QKV | LT_BIAS_O);
    lt_reader_act(r, "hidden_act", "gelu", &a->act);
    double part = lt_reader_num(r, json_object_get(r->root, "rope_parameters"), "partial_rotary_factor",
                                lt_reader_num(r, r->root, "rotary_pct", 0.25));
    if (r->st == LT_OK && part > 1)
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: field \"rotary_pct\" must be a share of the head, above 0, at most 1", r->path);
    if (r->st != LT_OK) return;
    a->rot = (int)(a->D * part);
    lt_reader_rope(r, a, "rotary_emb_base"); /* its rope_theta is a copy that nobody reads */
}

static const lt_row gpt_neox_rows[] = {LT_ROW_PLAIN("embed_in", LT_PART_TOKENS),
                                       LT_ROW_PLAIN("embed_out", LT_PART_HEAD),
                                       LT_ROW_PLAIN("final_layer_norm", LT_PART_FINAL_NORM),
                                       LT_ROW_AS("layers.%d.attention.query_key_value", LT_PART_QKV, LT_LAYOUT_HEADS),
                                       LT_ROW_PLAIN("layers.%d.attention.dense", LT_PART_O),
                                       LT_ROW_PLAIN("layers.%d.mlp.dense_h_to_4h", LT_PART_UP),
                                       LT_ROW_PLAIN("layers.%d.mlp.dense_4h_to_h", LT_PART_DOWN),
                                       LT_ROW_PLAIN("layers.%d.input_layernorm", LT_NORM_PART(0, 0)),
                                       LT_ROW_PLAIN("layers.%d.post_attention_layernorm", LT_NORM_PART(1, 0)),
                                       LT_ROW_END};

const lt_family lt_family_gpt_neox = {
    .model_type = "gpt_neox", .prefix = "gpt_neox.", .max_pos = 2048, .read = read_gpt_neox, .rows = gpt_neox_rows};

/* ---- BLOOM (Scao et al. 2022): ALiBi, q, k, v head by head, a norm of the embeddings ---- */
#define BLOCK_MATRICES                                                                                                                     \
    LT_ROW_PLAIN("word_embeddings", LT_PART_TOKENS), LT_ROW_PLAIN("lm_head", LT_PART_HEAD), LT_ROW_PLAIN("ln_f", LT_PART_FINAL_NORM),      \
        LT_ROW_PLAIN("h.%d.self_attention.dense", LT_PART_O), LT_ROW_PLAIN("h.%d.mlp.dense_h_to_4h", LT_PART_UP),                          \
        LT_ROW_PLAIN("h.%d.mlp.dense_4h_to_h", LT_PART_DOWN)
#define TWO_NORMS                                                                                                                          \
    LT_ROW_PLAIN("h.%d.input_layernorm", LT_NORM_PART(0, 0)), LT_ROW_PLAIN("h.%d.post_attention_layernorm", LT_NORM_PART(1, 0))

static void read_bloom(lt_reader *r, lt_arch *a) {
    read_decoder(r, a, "layer_norm_epsilon", true);
    a->embed_norm = true;
    a->act = LT_ACT_GELU_TANH;
    a->positions = LT_POS_ALIBI;
    a->alibi_scale = 1;
    lt_reader_expect(r, "apply_residual_connection_post_layernorm", false);
}

static const lt_row bloom_rows[] = {BLOCK_MATRICES, TWO_NORMS, LT_ROW_PLAIN("word_embeddings_layernorm", LT_PART_EMBED_NORM),
                                    LT_ROW_AS("h.%d.self_attention.query_key_value", LT_PART_QKV, LT_LAYOUT_HEADS), LT_ROW_END};

const lt_family lt_family_bloom = {
    .model_type = "bloom",
    .prefix = "transformer.",
    .read = read_bloom,
    .keys = {"n_embed|hidden_size", NULL, "vocab_size", "n_head|num_attention_heads", "n_layer|num_hidden_layers", NULL},
    .rows = bloom_rows};

/* ---- Falcon (Almazrouei et al. 2023).  7B: parallel branches behind one norm, one key/value head.  40B ("new decoder architecture"): a norm for each branch,
 * groups.  RW: ALiBi, added before the scores are scaled, and branches one behind the other. ---- */
static const lt_row falcon_two_rows[] = {BLOCK_MATRICES, LT_ROW_AS("h.%d.self_attention.query_key_value", LT_PART_QKV, LT_LAYOUT_GROUPS),
                                         LT_ROW_PLAIN("h.%d.ln_attn", LT_NORM_PART(0, 0)), LT_ROW_PLAIN("h.%d.ln_mlp", LT_NORM_PART(1, 0)),
                                         LT_ROW_END};
static const lt_family falcon_two = {.prefix = "transformer.", .rows = falcon_two_rows};

static void read_falcon(lt_reader *r, lt_arch *a) {
    bool grouped = lt_reader_bool(r, "new_decoder_architecture", false), multi_query = lt_reader_bool(r, "multi_query", true);
    int64_t kv = lt_reader_int(r, "num_kv_heads|n_head_kv", a->H);
    read_decoder(r, a, "layer_norm_epsilon", true);
    a->biases = lt_reader_bool(r, "bias", false) ? LT_BIAS_ALL : 0;
    a->parallel = lt_reader_bool(r, "parallel_attn", true);
    if (grouped) lt_reader_expect(r, "parallel_attn", true); /* transformers cannot do this either */
    a->shared_in = a->parallel;
    lt_reader_act(r, "activation", "gelu", &a->act);
    a->Hkv = grouped ? (int)kv : multi_query ? 1 : a->H;
    if (grouped && lt_reader_int(r, "num_ln_in_parallel_attn", 2) == 2) {
        a->shared_in = false;
        a->family = &falcon_two;
    }
    if (lt_reader_bool(r, "alibi", false)) {
        a->positions = LT_POS_ALIBI;
        a->alibi_scale = 1.0f / sqrtf((float)a->D);
    } else {
        a->positions = LT_POS_ROTARY;
        lt_reader_rope(r, a, "rope_theta");
    }
}

static const lt_row falcon_rows[] = {BLOCK_MATRICES, TWO_NORMS,
                                     LT_ROW_AS("h.%d.self_attention.query_key_value", LT_PART_QKV, LT_LAYOUT_GROUPS), LT_ROW_END};

const lt_family lt_family_falcon = {.model_type = "falcon",
                                    .prefix = "transformer.",
                                    .read = read_falcon,
                                    .max_pos = 2048, /* the 7B's config.json does not say it */
                                    .keys = {"hidden_size", "ffn_hidden_size", "vocab_size", "num_attention_heads|n_head",
                                             "num_hidden_layers|n_layer", "max_position_embeddings"},
                                    .rows = falcon_rows};
