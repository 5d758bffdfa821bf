/* Fuzzes lt_arch_read and lt_generate_eos: an input is a config.json. */
#include "fuzz.h"

#include "model/cut.h"
#include "model/generate.h"

#include <math.h>

const char *const fuzz_words[] = {"\"model_type\":",
                                  "\"bert\"",
                                  "\"llama\"",
                                  "\"hidden_size\":",
                                  "\"intermediate_size\":",
                                  "\"vocab_size\":",
                                  "\"num_attention_heads\":",
                                  "\"num_hidden_layers\":",
                                  "\"max_position_embeddings\":",
                                  "\"num_key_value_heads\":",
                                  "\"head_dim\":",
                                  "\"rope_theta\":",
                                  "\"rope_scaling\":",
                                  "\"rope_parameters\":",
                                  "\"rope_type\":",
                                  "\"default\"",
                                  "\"layer_norm_eps\":",
                                  "\"rms_norm_eps\":",
                                  "\"hidden_act\":",
                                  "\"gelu\"",
                                  "\"gelu_new\"",
                                  "\"silu\"",
                                  "\"relu\"",
                                  "\"type_vocab_size\":",
                                  "\"position_embedding_type\":",
                                  "\"absolute\"",
                                  "\"is_decoder\":",
                                  "\"tie_word_embeddings\":",
                                  "\"attention_bias\":",
                                  "\"mistral\"",
                                  "\"gpt2\"",
                                  "\"deberta\"",
                                  "\"deberta-v2\"",
                                  "\"relative_attention\":",
                                  "\"max_relative_positions\":",
                                  "\"position_buckets\":",
                                  "\"position_biased_input\":",
                                  "\"pos_att_type\":",
                                  "\"c2p|p2c\"",
                                  "\"share_att_key\":",
                                  "\"norm_rel_ebd\":",
                                  "\"layer_norm\"",
                                  "\"conv_kernel_size\":",
                                  "\"conv_act\":",
                                  "\"sliding_window\":",
                                  "\"layer_types\":",
                                  "\"n_embd\":",
                                  "\"n_head\":",
                                  "\"n_inner\":",
                                  "\"eos_token_id\":",
                                  "[1, 2]",
                                  "\"activation_function\":",
                                  "true",
                                  "false",
                                  "null",
                                  "2147483647",
                                  "1e308",
                                  "1e-320",
                                  "-1",
                                  "0",
                                  "4096",
                                  NULL};

void fuzz_make_seeds(void) {
    static const char *const golden[] = {LT_GOLDEN "/tiny-bert/config.json",           LT_GOLDEN "/tiny-llama/config.json",
                                         LT_GOLDEN "/tiny-mistral/config.json",        LT_GOLDEN "/tiny-gpt2/config.json",
                                         LT_GOLDEN "/tiny-deberta/config.json",        LT_GOLDEN "/tiny-deberta-v2/config.json",
                                         LT_GOLDEN "/tiny-deberta-v2-conv/config.json"};
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        size_t bytes;
        char *text = fuzz_load(golden[i], &bytes);
        FUZZ_SEED({text, bytes});
        free(text);
    }
    FUZZ_SEED(
        FUZZ_TEXT("{\"model_type\":\"llama\",\"hidden_size\":64,\"intermediate_size\":128,\"vocab_size\":100,\"num_attention_heads\":4,"
                  "\"num_hidden_layers\":2,\"max_position_embeddings\":32,\"num_key_value_heads\":2,\"head_dim\":8,"
                  "\"rope_parameters\":{\"rope_theta\":1e4,\"rope_type\":\"default\"},\"tie_word_embeddings\":true}"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    lt_arch a;
    char text[512];
    int32_t eos[LT_MAX_EOS];
    int n_eos;
    fuzz_write("config.json", data, bytes);
    if (lt_generate_eos(fuzz_dir(), eos, &n_eos) == LT_OK)
        for (int i = 0; i < n_eos; i++) FUZZ_REQUIRE(n_eos <= LT_MAX_EOS && eos[i] >= 0);
    else
        FUZZ_REQUIRE(lt_err_last()->msg[0]);
    if (lt_arch_read(fuzz_dir(), &a) != LT_OK) {
        FUZZ_REQUIRE(lt_err_last()->msg[0]);
        return 0;
    }
    FUZZ_REQUIRE(a.C >= 1 && a.F >= 1 && a.V >= 1 && a.m >= 1 && a.max_pos >= 1 && a.D >= 1);
    FUZZ_REQUIRE(a.H >= 1 && a.Hkv >= 1 && a.H % a.Hkv == 0);
    FUZZ_REQUIRE(isfinite(a.eps) && a.eps > 0);
    FUZZ_REQUIRE((a.positions == LT_POS_ROTARY) == (a.n_ropes > 0) && a.n_ropes <= LT_MAX_ROPES);
    for (int i = 0; i < a.n_ropes; i++) FUZZ_REQUIRE(isfinite(a.rope[i].theta) && a.rope[i].theta > 0);
    for (int i = 0; i < a.m; i++) FUZZ_REQUIRE(a.layer[i].window >= 0 && (a.n_ropes == 0 || a.layer[i].rope < a.n_ropes));
    FUZZ_REQUIRE(lt_arch_block_weights(&a) > 0);
    FUZZ_OK(lt_arch_check_tp(&a, 1));
    for (int tp = 2; tp <= 64; tp++) FUZZ_REQUIRE((lt_arch_check_tp(&a, tp) == LT_OK) == lt_arch_tp_works(&a, tp));
    for (int tp = 1; tp <= 64 && lt_arch_tp_works(&a, tp); tp++) lt_arch_describe_cut(&a, tp, text, sizeof text);
    FUZZ_REQUIRE(isfinite(a.attn_scale) && a.attn_scale > 0);
    FUZZ_REQUIRE(a.positions != LT_POS_RELATIVE || lt_arch_is_relative(&a));
    for (int64_t d = -40; lt_arch_is_relative(&a) && d <= 40; d++) {
        int64_t row = lt_arch_relative_row(&a, d * d * d * 7), next = lt_arch_relative_row(&a, d * d * d * 7 + 1);
        FUZZ_REQUIRE(row >= 0 && row <= next && next < 2 * a.relative.span);
    }
    FUZZ_REQUIRE(a.conv_kernel >= 0 && (a.conv_kernel == 0 || a.conv_kernel % 2 == 1));
    lt_arch_describe(&a, text, sizeof text);
    FUZZ_REQUIRE(lt_arch_check_writes(&a) == LT_OK || !a.causal || lt_err_last()->msg[0]);
    return 0;
}
