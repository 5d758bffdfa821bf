// TEST np: 0  rooms: model  labels: unit  timeout: 60
/* config.json: families as read, and numbers that no model has: each is refused with the field's name, and a number just inside is not. */
#include "lt_test.h"

#include "model/arch.h"

#include <unistd.h>

static char dir[64], path[96];

static void write_config(const char *text) {
    FILE *f = fopen(path, "wb");
    CHECK(f && fputs(text, f) >= 0);
    if (f) fclose(f);
}

/* A LLaMA configuration with a field more at its end. */
static lt_status read_llama(const char *more, lt_arch *a) {
    char text[1000];
    (void)snprintf(text, sizeof text,
                   "{\"model_type\": \"llama\", \"hidden_size\": 64, \"intermediate_size\": 128, \"vocab_size\": 100, "
                   "\"num_attention_heads\": 4, \"num_hidden_layers\": 2, \"max_position_embeddings\": 32%s}",
                   more);
    write_config(text);
    return lt_arch_read(dir, a);
}

static void test_defaults(void) {
    lt_arch a;
    CHECK_OK(read_llama("", &a));
    CHECK(a.D == 16 && a.Hkv == 4 && a.rope[0].theta == 10000.0 && a.eps == 1e-6f && a.causal && a.glu);
    CHECK_OK(read_llama(", \"rope_theta\": 5e5, \"head_dim\": 8, \"num_key_value_heads\": 2, \"rms_norm_eps\": 1e-5", &a));
    CHECK(a.D == 8 && a.Hkv == 2 && a.rope[0].theta == 5e5 && a.eps == 1e-5f);
    CHECK_OK(read_llama(", \"rope_parameters\": {\"rope_theta\": 2e4, \"rope_type\": \"default\"}", &a));
    CHECK(a.rope[0].theta == 2e4);
    CHECK_INT(lt_arch_block_weights(&a), 2 * (64 * 4 * 64 + 3 * 64 * 128));
}

/* Each value would make NaN, a division by zero or an overflow further on. */
static void test_refused(void) {
    static const struct {
        const char *field, *message;
    } bad[] = {{", \"rope_theta\": 0", "\"rope_theta\" must be a number above 0"},
               {", \"rope_theta\": -1e4", "\"rope_theta\" must be a number above 0"},
               {", \"rope_theta\": true", "\"rope_theta\" must be a number above 0"},
               {", \"rope_parameters\": {\"rope_theta\": 0, \"rope_type\": \"default\"}", "\"rope_theta\" must be a number above 0"},
               {", \"rms_norm_eps\": 0", "\"rms_norm_eps\" must be a number above 0"},
               {", \"rms_norm_eps\": 1e300", "\"rms_norm_eps\" must be a number above 0"},
               {", \"rms_norm_eps\": 1e-320", "\"rms_norm_eps\" must be a number above 0"},
               {", \"head_dim\": 2147483648", "\"head_dim\" must be a whole number from 1 to 2147483647"},
               {", \"head_dim\": 7", "give no usable head dimension"}};
    lt_arch a;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK_FAILS(read_llama(bad[i].field, &a), LT_ERR_FORMAT, bad[i].message);
    write_config("{\"model_type\": \"llama\", \"hidden_size\": 1, \"intermediate_size\": 1, \"vocab_size\": 1, \"num_attention_heads\": 2, "
                 "\"num_hidden_layers\": 1, \"max_position_embeddings\": 1}");
    CHECK_FAILS(lt_arch_read(dir, &a), LT_ERR_FORMAT, "hidden_size 1 and 2 heads give no usable head dimension");
    write_config("{\"model_type\": \"bert\", \"hidden_size\": 2147483647, \"intermediate_size\": 2147483647, \"vocab_size\": 1, "
                 "\"num_attention_heads\": 1, \"num_hidden_layers\": 4096, \"max_position_embeddings\": 1}");
    CHECK_FAILS(lt_arch_read(dir, &a), LT_ERR_FORMAT, "its sizes make a model of");
}

/* A DeBERTa configuration, of version 1 or 2, with a field more at its end. */
static lt_status read_deberta(int version, const char *more, lt_arch *a) {
    char text[1000];
    (void)snprintf(text, sizeof text,
                   "{\"model_type\": \"deberta%s\", \"hidden_size\": 64, \"intermediate_size\": 128, \"vocab_size\": 100, "
                   "\"num_attention_heads\": 4, \"num_hidden_layers\": 2, \"max_position_embeddings\": 512%s}",
                   version == 2 ? "-v2" : "", more);
    write_config(text);
    return lt_arch_read(dir, a);
}

static void test_relative(void) {
    lt_arch a;
    CHECK_OK(read_deberta(1, "", &a)); /* relative attention is off where nothing is said */
    CHECK(!lt_arch_is_relative(&a) && a.positions == LT_POS_TABLE && a.types == 0 && a.eps == 1e-7f && a.pool_act == LT_ACT_GELU_ERF);
    CHECK_OK(read_deberta(1, ", \"relative_attention\": true, \"position_biased_input\": false, \"pos_att_type\": \"c2p|p2c\"", &a));
    CHECK(a.relative.c2p && a.relative.p2c && a.relative.span == 512 && a.positions == LT_POS_RELATIVE && !a.relative.shared);
    CHECK_NEAR(a.attn_scale, 1 / sqrt(3 * 16), 1e-7);
    CHECK(lt_arch_relative_row(&a, -511) == 1 && lt_arch_relative_row(&a, 0) == 512 && lt_arch_relative_row(&a, 511) == 1023);
    CHECK(lt_arch_relative_row(&a, 600) == 1023 && lt_arch_relative_row(&a, -600) == 0);
    CHECK_OK(read_deberta(
        2, ", \"relative_attention\": true, \"pos_att_type\": [\"p2c\"], \"position_buckets\": 256, \"share_att_key\": true", &a));
    CHECK(!a.relative.c2p && a.relative.p2c && a.relative.shared && a.relative.span == 256 && a.positions == LT_POS_TABLE);
    CHECK_NEAR(a.attn_scale, 1 / sqrt(2 * 16), 1e-7);
    static const int64_t row[][2] = {{0, 256},   {128, 384}, {-128, 128}, {129, 385}, {130, 386}, {131, 387},
                                     {200, 425}, {-200, 87}, {400, 489},  {511, 511}, {-511, 1},  {512, 511}}; /* transformers' */
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) CHECK_INT(lt_arch_relative_row(&a, row[i][0]), row[i][1]);
    CHECK_OK(read_deberta(2, ", \"conv_kernel_size\": 3, \"conv_act\": \"gelu\"", &a));
    CHECK(a.conv_kernel == 3 && a.conv_act == LT_ACT_GELU_ERF);
    static const struct {
        int version;
        const char *field, *message;
    } bad[] = {{1, ", \"talking_head\": true", "talking_head"},
               {1, ", \"pos_att_type\": [\"c2p\", \"p2p\"]", "pos_att_type \"p2p\" is not supported; known: c2p, p2c"},
               {2, ", \"pos_att_type\": \"c2p|x\"", "pos_att_type \"x\""},
               {2, ", \"pos_att_type\": [3]", "pos_att_type \"?\""},
               {2, ", \"embedding_size\": 32", "embedding_size: 32 is not supported, only 64"},
               {2, ", \"attention_head_size\": 32", "attention_head_size: 32"},
               {2, ", \"conv_kernel_size\": 4", "conv_kernel_size: 4"},
               {2, ", \"conv_kernel_size\": 3, \"conv_groups\": 2", "conv_groups: 2"},
               {2, ", \"type_vocab_size\": -1", "type_vocab_size: -1"},
               {2, ", \"position_buckets\": 1, \"relative_attention\": true", "position_buckets: 1"},
               {2, ", \"position_buckets\": 1022, \"relative_attention\": true", "position_buckets: 1022"},
               {2, ", \"position_buckets\": \"many\"", "\"position_buckets\" must be a whole number"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(read_deberta(bad[i].version, bad[i].field, &a), LT_ERR_FORMAT, bad[i].message);
}

/* A configuration of any family with fields more at its end. */
static lt_status read_of(const char *type, const char *more, lt_arch *a) {
    char text[1000];
    (void)snprintf(text, sizeof text,
                   "{\"model_type\": \"%s\", \"hidden_size\": 64, \"intermediate_size\": 128, \"vocab_size\": 100, \"n_head\": 4, "
                   "\"num_attention_heads\": 4, \"num_hidden_layers\": 2, \"max_position_embeddings\": 32, \"head_dim\": 16, %s}",
                   type, more);
    write_config(text);
    return lt_arch_read(dir, a);
}

/* Options that would change the numbers and are not implemented are named, in every family; the same with the value that is are read. */
static void test_options(void) {
    static const struct {
        const char *type, *field, *message; /* message NULL: read */
    } option[] = {
        {"bert", "\"position_embedding_type\": \"relative_key\"", "position_embedding_type \"relative_key\" is not supported"},
        {"bert", "\"position_embedding_type\": \"absolute\"", NULL},
        {"bert", "\"is_decoder\": true", "is_decoder: true"},
        {"bert", "\"hidden_act\": \"mish\"", "activation \"mish\" is not known"},
        {"bert", "\"quantization_config\": {\"quant_method\": \"gptq\"}", "quantised weights"},
        {"llama", "\"quantization_config\": {\"quant_method\": \"bitsandbytes\"}", "quant_method \"bitsandbytes\""},
        {"llama", "\"quantization_config\": null", NULL},
        {"llama", "\"is_encoder_decoder\": true", "is_encoder_decoder: true is not supported"},
        {"llama", "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 2}",
         "\"yarn\" (rope_scaling or rope_parameters) are not supported"},
        {"llama", "\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2}", "type \"dynamic\""},
        {"llama", "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}", NULL},
        {"llama", "\"rope_scaling\": {\"type\": \"linear\"}", "has no field \"factor\""},
        {"roberta", "\"pad_token_id\": 31", "pad_token_id must be a whole number from 0 to max_position_embeddings - 2"},
        {"qwen2", "\"use_sliding_window\": true, \"layer_types\": [\"full_attention\"]", "layer_types must be a list of 2 entries"},
        {"gemma3_text", "\"layer_types\": [\"full_attention\", \"chunked_attention\"]", "layer_types[1] is \"chunked_attention\""},
        {"gemma3_text", "\"attn_logit_softcapping\": 50.0", "attn_logit_softcapping is not supported"},
        {"gemma3_text", "\"final_logit_softcapping\": 30.0", "final_logit_softcapping is not supported"},
        {"gemma3_text", "\"final_logit_softcapping\": null", NULL},
        {"gemma3_text", "\"use_bidirectional_attention\": true", "use_bidirectional_attention: true"},
        {"gemma3", "\"text_config\": {}", "model_type \"gemma3\" is not a known architecture; known: bert, "},
        {"gpt2", "\"scale_attn_weights\": false", "scale_attn_weights: false"},
        {"gpt2", "\"scale_attn_by_inverse_layer_idx\": true", "scale_attn_by_inverse_layer_idx: true"},
        {"gpt2", "\"add_cross_attention\": true", "add_cross_attention: true"},
        {"gpt_neox", "\"rotary_pct\": 1.5", "\"rotary_pct\" must be a share of the head"},
        {"gpt_neox", "\"hidden_act\": \"gelu_fast\"", NULL},
        {"bloom", "\"apply_residual_connection_post_layernorm\": true", "apply_residual_connection_post_layernorm: true"},
        {"gemma3_text", "\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 10.0}",
         "rope_parameters must hold a table for "},
        {"gemma3_text", "\"rope_parameters\": null", NULL},
        {"falcon", "\"new_decoder_architecture\": true, \"parallel_attn\": false", "parallel_attn: false is not supported"},
        {"falcon", "\"new_decoder_architecture\": true, \"num_kv_heads\": 3", "4 attention heads do not divide into 3 key/value heads"},
    };
    lt_arch a;
    for (size_t i = 0; i < sizeof option / sizeof *option; i++)
        if (option[i].message)
            CHECK_FAILS(read_of(option[i].type, option[i].field, &a), LT_ERR_FORMAT, option[i].message);
        else
            CHECK_OK(read_of(option[i].type, option[i].field, &a));
}

/* What families make of a field that is null, missing, or spelt in another way, as transformers 4.57.1 does. */
static void test_spellings(void) {
    static const struct {
        const char *type, *fields;
        int32_t window[2];
        double theta;
    } model[] = {{"mistral", "\"rope_scaling\": null", {4096, 4096}, 1e4},
                 {"mistral", "\"sliding_window\": null", {0, 0}, 1e4},
                 {"qwen2", "\"sliding_window\": 8", {0, 0}, 1e4},
                 {"qwen2", "\"use_sliding_window\": true, \"max_window_layers\": 1", {0, 4096}, 1e4},
                 {"qwen2", "\"use_sliding_window\": true, \"max_window_layers\": 0, \"sliding_window\": 8", {8, 8}, 1e4},
                 {"qwen3", "\"use_sliding_window\": true, \"max_window_layers\": 0, \"sliding_window\": null", {0, 0}, 1e4},
                 {"gpt_neox", "\"rope_theta\": 50.0, \"rotary_emb_base\": 200", {0, 0}, 200},
                 {"gpt_neox", "\"rope_theta\": 50.0", {0, 0}, 1e4},
                 {"gpt_neox", "\"rope_parameters\": null, \"rotary_emb_base\": 50.0", {0, 0}, 50},
                 {"gpt_neox", "\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 70.0}", {0, 0}, 70}};
    lt_arch a;
    for (size_t i = 0; i < sizeof model / sizeof *model; i++) {
        CHECK_OK(read_of(model[i].type, model[i].fields, &a));
        for (int l = 0; l < 2; l++) CHECK_INT(a.layer[l].window, model[i].window[l]);
        CHECK_NEAR(a.rope[0].theta, model[i].theta, 0);
    }
    CHECK_OK(read_of("gpt_neox", "\"rope_parameters\": null, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}", &a));
    CHECK(a.rope[0].kind == LT_ROPE_LINEAR);
    CHECK(a.parallel && a.biases == LT_BIAS_ALL);
    CHECK_OK(read_of("gpt_neox", "\"use_parallel_residual\": null, \"attention_bias\": null", &a)); /* as false */
    CHECK(!a.parallel && !(a.biases & (LT_BIAS_QKV | LT_BIAS_O)));
    CHECK_FAILS(read_of("gpt2", "\"scale_attn_weights\": null", &a), LT_ERR_FORMAT, "scale_attn_weights: false");
    CHECK_OK(read_of("distilbert", "\"layer_norm_eps\": 1e-3", &a)); /* which its code does not read */
    CHECK(a.eps == 1e-12f);
    CHECK_OK(read_of("bloom", "\"n_embed\": 32, \"n_layer\": 2", &a));
    CHECK_INT(a.C, 32);
}

int main(void) {
    (void)snprintf(dir, sizeof dir, "/tmp/lt-arch.XXXXXX");
    if (!mkdtemp(dir)) perror(dir);
    (void)snprintf(path, sizeof path, "%s/config.json", dir);
    test_defaults();
    test_refused();
    test_relative();
    test_options();
    test_spellings();
    (void)unlink(path);
    CHECK(rmdir(dir) == 0);
    return test_end();
}
