/* Decoders with RMS norms, rotary positions and a gated feed-forward: LLaMA, Mistral, Qwen 2 and 3, Gemma 3. */
#include "model/family_impl.h"

#include <math.h>

#define ATTENTION_AND_FFN                                                                                                                  \
    LT_ROW_PLAIN("embed_tokens", LT_PART_TOKENS), LT_ROW_PLAIN("lm_head", LT_PART_HEAD), LT_ROW_PLAIN("norm", LT_PART_FINAL_NORM),         \
        LT_ROW_PLAIN("layers.%d.self_attn.q_proj", LT_PART_Q), LT_ROW_PLAIN("layers.%d.self_attn.k_proj", LT_PART_K),                      \
        LT_ROW_PLAIN("layers.%d.self_attn.v_proj", LT_PART_V), LT_ROW_PLAIN("layers.%d.self_attn.o_proj", LT_PART_O),                      \
        LT_ROW_PLAIN("layers.%d.mlp.gate_proj", LT_PART_GATE), LT_ROW_PLAIN("layers.%d.mlp.up_proj", LT_PART_UP),                          \
        LT_ROW_PLAIN("layers.%d.mlp.down_proj", LT_PART_DOWN), LT_ROW_PLAIN("layers.%d.input_layernorm", LT_NORM_PART(0, 0))

/* ---- LLaMA (Touvron et al. 2023) ---- */
static void read_decoder(lt_reader *r, lt_arch *a, bool tied, const char *act_key, const char *act) {
    a->norm = LT_NORM_RMS;
    a->norms = LT_NORM_IN;
    a->glu = a->causal = a->final_norm = true;
    a->positions = LT_POS_ROTARY;
    a->tied = lt_reader_bool(r, "tie_word_embeddings", tied);
    a->Hkv = (int)lt_reader_int(r, "num_key_value_heads", a->H);
    a->D = (int)lt_reader_int(r, "head_dim", a->D);
    a->eps = (float)lt_reader_num(r, r->root, "rms_norm_eps", 1e-6);
    lt_reader_act(r, act_key, act, &a->act);
    if (lt_reader_bool(r, "attention_bias", false)) a->biases |= LT_BIAS_QKV | LT_BIAS_O;
    if (lt_reader_bool(r, "mlp_bias", false)) a->biases |= LT_BIAS_UP | LT_BIAS_GATE | LT_BIAS_DOWN;
}

static void read_llama(lt_reader *r, lt_arch *a) {
    read_decoder(r, a, false, "hidden_act", "silu");
    lt_reader_rope(r, a, "rope_theta");
}

static const lt_row llama_rows[] = {ATTENTION_AND_FFN, LT_ROW_PLAIN("layers.%d.post_attention_layernorm", LT_NORM_PART(1, 0)), LT_ROW_END};

const lt_family lt_family_llama = {.model_type = "llama", .prefix = "model.", .max_pos = 2048, .read = read_llama, .rows = llama_rows};

/* sliding_window: null is no window, but where the field is missing the families have one. */
static int64_t read_window(lt_reader *r) {
    return json_is_null(json_object_get(r->root, "sliding_window")) ? 0 : lt_reader_int(r, "sliding_window", 4096);
}

/* ---- Mistral (Jiang et al. 2023): the same with a window ---- */
static void read_mistral(lt_reader *r, lt_arch *a) {
    read_llama(r, a);
    lt_reader_windows(r, a, read_window(r), 0, 0);
}

const lt_family lt_family_mistral = {
    .model_type = "mistral", .prefix = "model.", .max_pos = 131072, .read = read_mistral, .rows = llama_rows};

/* ---- Qwen 2: biases of q, k and v; a window, where it is asked for, from some layer on ---- */
static void read_windows_above(lt_reader *r, lt_arch *a) {
    int64_t window = lt_reader_bool(r, "use_sliding_window", false) ? read_window(r) : 0;
    lt_reader_windows(r, a, window, lt_reader_whole(r, "max_window_layers", 28), 0);
}

static void read_qwen2(lt_reader *r, lt_arch *a) {
    read_llama(r, a);
    read_windows_above(r, a);
    a->biases |= LT_BIAS_QKV;
}

const lt_family lt_family_qwen2 = {.model_type = "qwen2", .prefix = "model.", .max_pos = 32768, .read = read_qwen2, .rows = llama_rows};

/* ---- Qwen 3: norms of the heads of q and k ---- */
#define HEAD_NORMS LT_ROW_PLAIN("layers.%d.self_attn.q_norm", LT_PART_Q_NORM), LT_ROW_PLAIN("layers.%d.self_attn.k_norm", LT_PART_K_NORM)

static void read_qwen3(lt_reader *r, lt_arch *a) {
    a->D = 128; /* the default, whatever the width */
    read_llama(r, a);
    read_windows_above(r, a);
    a->qk_norm = true;
}

static const lt_row qwen3_rows[] = {ATTENTION_AND_FFN, HEAD_NORMS, LT_ROW_PLAIN("layers.%d.post_attention_layernorm", LT_NORM_PART(1, 0)),
                                    LT_ROW_END};

const lt_family lt_family_qwen3 = {.model_type = "qwen3", .prefix = "model.", .max_pos = 32768, .read = read_qwen3, .rows = qwen3_rows};

/* ---- Gemma 3, text (Gemma team 2025): norms before and behind each branch, stored less one; local layers with a window and rotary table of their own ---- */
static void read_gemma3(lt_reader *r, lt_arch *a) {
    a->D = 256;
    read_decoder(r, a, true, "hidden_activation", "gelu_pytorch_tanh");
    a->norms = LT_NORM_IN | LT_NORM_OUT;
    a->norm_plus_one = a->qk_norm = true;
    a->embed_scale = sqrtf((float)a->C);
    a->attn_scale = (float)(1.0 / sqrt(lt_reader_num(r, r->root, "query_pre_attn_scalar", 256)));
    lt_reader_refuse(r, "attn_logit_softcapping");
    lt_reader_refuse(r, "final_logit_softcapping");
    lt_reader_expect(r, "use_bidirectional_attention", false);
    lt_reader_windows(r, a, lt_reader_int(r, "sliding_window", 4096), 0,
                      lt_reader_int(r, "sliding_window_pattern|_sliding_window_pattern", 6));
    const json_t *params = json_object_get(r->root, "rope_parameters"), *full = json_object_get(params, "full_attention"),
                 *local = json_object_get(params, "sliding_attention");
    if (r->st == LT_OK && params && !json_is_null(params) && !(full && local))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: rope_parameters must hold a table for full_attention and one for sliding_attention", r->path);
    lt_reader_rope_table(r, a, 0, full ? full : json_object_get(r->root, "rope_scaling"), lt_reader_num(r, r->root, "rope_theta", 1e6));
    lt_reader_rope_table(r, a, 1, local, lt_reader_num(r, r->root, "rope_local_base_freq", 1e4));
    for (int l = 0; r->st == LT_OK && l < a->m; l++) a->layer[l].rope = a->layer[l].window > 0;
}

static const lt_row gemma3_rows[] = {ATTENTION_AND_FFN,
                                     HEAD_NORMS,
                                     LT_ROW_PLAIN("layers.%d.post_attention_layernorm", LT_NORM_PART(0, 1)),
                                     LT_ROW_PLAIN("layers.%d.pre_feedforward_layernorm", LT_NORM_PART(1, 0)),
                                     LT_ROW_PLAIN("layers.%d.post_feedforward_layernorm", LT_NORM_PART(1, 1)),
                                     LT_ROW_END};

const lt_family lt_family_gemma3 = {
    .model_type = "gemma3_text", .prefix = "model.", .max_pos = 131072, .read = read_gemma3, .rows = gemma3_rows};
