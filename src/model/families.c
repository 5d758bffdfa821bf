/* The families: one row each, how its config.json is read and what its tensors are called.  What would change the numbers and is not implemented is an
 * error that names it. */
#include "model/family_impl.h"

#include <string.h>

/* A tensor that lies as its part does; TURNED: the file has [in, out]. */
#define PLAIN(tensor, where)                                                                                                               \
    { .name = (tensor), .part = (where) }
#define TURNED(tensor, where)                                                                                                              \
    { .name = (tensor), .part = (where), .transposed = true }
#define END                                                                                                                                \
    { .part = LT_PART_END }

/* ---- BERT (Devlin et al. 2019) ---- */
static void read_bert(lt_reader *r, lt_arch *a) {
    a->norm = LT_NORM_LAYER;
    a->norms = LT_NORM_AFTER;
    a->norm_bias = a->embed_norm = a->tied = true;
    a->biases = LT_BIAS_ALL;
    a->positions = LT_POS_TABLE;
    a->eps = (float)lt_reader_num(r, r->root, "layer_norm_eps", 1e-12);
    a->types = lt_reader_int(r, "type_vocab_size", 2);
    lt_reader_act(r, "hidden_act", "gelu", &a->act);
    const char *pos = lt_reader_str(r, "position_embedding_type", "absolute");
    if (r->st == LT_OK && strcmp(pos, "absolute") != 0)
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: position_embedding_type \"%s\" is not supported (only \"absolute\")", r->path, pos);
    if (r->st == LT_OK && lt_reader_bool(r, "is_decoder", false))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: a BERT decoder (is_decoder: true) is not supported", r->path);
}

static const lt_row bert_rows[] = {PLAIN("embeddings.word_embeddings", LT_PART_TOKENS),
                                   PLAIN("embeddings.position_embeddings", LT_PART_POSITIONS),
                                   PLAIN("embeddings.token_type_embeddings", LT_PART_TYPES),
                                   PLAIN("embeddings.LayerNorm", LT_PART_EMBED_NORM),
                                   PLAIN("pooler.dense", LT_PART_POOLER),
                                   PLAIN("encoder.layer.%d.attention.self.query", LT_PART_Q),
                                   PLAIN("encoder.layer.%d.attention.self.key", LT_PART_K),
                                   PLAIN("encoder.layer.%d.attention.self.value", LT_PART_V),
                                   PLAIN("encoder.layer.%d.attention.output.dense", LT_PART_O),
                                   PLAIN("encoder.layer.%d.intermediate.dense", LT_PART_UP),
                                   PLAIN("encoder.layer.%d.output.dense", LT_PART_DOWN),
                                   PLAIN("encoder.layer.%d.attention.output.LayerNorm", LT_NORM_PART(0, 2)),
                                   PLAIN("encoder.layer.%d.output.LayerNorm", LT_NORM_PART(1, 2)),
                                   END};

/* ---- LLaMA (Touvron et al. 2023), and Mistral (Jiang et al. 2023): the same with a window ---- */
static void read_llama(lt_reader *r, lt_arch *a) {
    a->norm = LT_NORM_RMS;
    a->norms = LT_NORM_IN;
    a->glu = a->causal = a->final_norm = true;
    a->positions = LT_POS_ROTARY;
    a->tied = lt_reader_bool(r, "tie_word_embeddings", false);
    a->Hkv = (int)lt_reader_int(r, "num_key_value_heads", a->H);
    a->D = (int)lt_reader_int(r, "head_dim", a->D);
    a->eps = (float)lt_reader_num(r, r->root, "rms_norm_eps", 1e-6);
    lt_reader_act(r, "hidden_act", "silu", &a->act);
    lt_reader_rope(r, a);
    if (r->st == LT_OK && (lt_reader_bool(r, "attention_bias", false) || lt_reader_bool(r, "mlp_bias", false)))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: attention_bias / mlp_bias: true is not supported for LLaMA", r->path);
}

/* sliding_window counts the row itself, as transformers' masks do; layer_types (newer configs) says which layers have it. */
static void read_mistral(lt_reader *r, lt_arch *a) {
    read_llama(r, a);
    json_t *window = json_object_get(r->root, "sliding_window"), *types = json_object_get(r->root, "layer_types");
    if (r->st != LT_OK || !window || json_is_null(window)) return;
    int64_t w = lt_reader_int(r, "sliding_window", -1);
    for (int l = 0; l < a->m && r->st == LT_OK; l++) {
        const char *type = json_string_value(json_array_get(types, (size_t)l));
        if (json_is_array(types) && (!type || (strcmp(type, "sliding_attention") != 0 && strcmp(type, "full_attention") != 0)))
            r->st = LT_FAIL(LT_ERR_FORMAT, "%s: layer_types[%d] is \"%s\"; known: sliding_attention, full_attention", r->path, l,
                            type ? type : "?");
        else if (!json_is_array(types) || !strcmp(type, "sliding_attention"))
            a->layer[l].window = (int32_t)w;
    }
}

static const lt_row llama_rows[] = {PLAIN("embed_tokens", LT_PART_TOKENS),
                                    PLAIN("norm", LT_PART_FINAL_NORM),
                                    PLAIN("layers.%d.self_attn.q_proj", LT_PART_Q),
                                    PLAIN("layers.%d.self_attn.k_proj", LT_PART_K),
                                    PLAIN("layers.%d.self_attn.v_proj", LT_PART_V),
                                    PLAIN("layers.%d.self_attn.o_proj", LT_PART_O),
                                    PLAIN("layers.%d.mlp.gate_proj", LT_PART_GATE),
                                    PLAIN("layers.%d.mlp.up_proj", LT_PART_UP),
                                    PLAIN("layers.%d.mlp.down_proj", LT_PART_DOWN),
                                    PLAIN("layers.%d.input_layernorm", LT_NORM_PART(0, 0)),
                                    PLAIN("layers.%d.post_attention_layernorm", LT_NORM_PART(1, 0)),
                                    END};

/* ---- GPT-2 (Radford et al. 2019): matrices are stored [in, out], q, k, v in one ---- */
static void read_gpt2(lt_reader *r, lt_arch *a) {
    a->norm = LT_NORM_LAYER;
    a->norms = LT_NORM_IN;
    a->norm_bias = a->causal = a->final_norm = a->tied = true;
    a->biases = LT_BIAS_ALL;
    a->positions = LT_POS_TABLE;
    a->eps = (float)lt_reader_num(r, r->root, "layer_norm_epsilon", 1e-5);
    lt_reader_act(r, "activation_function", "gelu_new", &a->act);
    lt_reader_expect(r, "scale_attn_weights", true);
    lt_reader_expect(r, "scale_attn_by_inverse_layer_idx", false);
    lt_reader_expect(r, "add_cross_attention", false);
}

static const lt_row gpt2_rows[] = {PLAIN("wte", LT_PART_TOKENS),
                                   PLAIN("wpe", LT_PART_POSITIONS),
                                   PLAIN("ln_f", LT_PART_FINAL_NORM),
                                   TURNED("h.%d.attn.c_attn", LT_PART_QKV),
                                   TURNED("h.%d.attn.c_proj", LT_PART_O),
                                   TURNED("h.%d.mlp.c_fc", LT_PART_UP),
                                   TURNED("h.%d.mlp.c_proj", LT_PART_DOWN),
                                   PLAIN("h.%d.ln_1", LT_NORM_PART(0, 0)),
                                   PLAIN("h.%d.ln_2", LT_NORM_PART(1, 0)),
                                   END};

static const lt_family families[] = {
    {.model_type = "bert", .prefix = "bert.", .read = read_bert, .rows = bert_rows},
    {.model_type = "llama", .prefix = "model.", .read = read_llama, .rows = llama_rows},
    {.model_type = "mistral", .prefix = "model.", .read = read_mistral, .rows = llama_rows},
    {.model_type = "gpt2",
     .prefix = "transformer.",
     .read = read_gpt2,
     .keys = {"n_embd", "n_inner", "vocab_size", "n_head", "n_layer", "n_positions"},
     .rows = gpt2_rows},
    {.model_type = "deberta", .prefix = "deberta.", .read = lt_family_impl_read_deberta, .rows = lt_family_impl_deberta_rows},
    {.model_type = "deberta-v2", .prefix = "deberta.", .read = lt_family_impl_read_deberta_v2, .rows = lt_family_impl_deberta_v2_rows},
};

const lt_family *lt_families(size_t *n) {
    *n = sizeof families / sizeof *families;
    return families;
}
