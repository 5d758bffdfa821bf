/* Fuzzes lt_peft_read: a trial of tiny-gpt2 (fused q, k, v) whose first values a folder of PEFT's gives.  The first byte of an input says what the rest is:
 *   c   adapter_config.json, beside the tensors of a good adapter
 *   p   the same of prompt rows
 *   h   two bytes (number of data bytes), then the JSON of the tensors' header, beside a good adapter_config.json */
#include "fuzz_weights.h"

#include "tuner/peft.h"

#include <math.h>
#include <unistd.h>

const char *const fuzz_words[] = {"\"peft_type\":",
                                  "\"LORA\"",
                                  "\"PROMPT_TUNING\"",
                                  "\"PREFIX_TUNING\"",
                                  "\"r\":",
                                  "\"lora_alpha\":",
                                  "\"use_rslora\":",
                                  "\"use_dora\":",
                                  "\"bias\":",
                                  "\"none\"",
                                  "\"all\"",
                                  "\"rank_pattern\":",
                                  "\"alpha_pattern\":",
                                  "\"target_modules\":",
                                  "\"c_attn\"",
                                  "\"attn.c_proj\":",
                                  "\"base_model.model.h.0.attn.c_attn.lora_A.weight\":",
                                  "\"base_model.model.transformer.h.0.attn.c_attn.lora_B.weight\":",
                                  "\"base_model.model.score.weight\":",
                                  "\"base_model.model.classifier.dense.weight\":",
                                  "\"prompt_embeddings\":",
                                  "\"data_offsets\":",
                                  "\"shape\":",
                                  "[2,32]",
                                  "[96,2]",
                                  "[6,32]",
                                  "1e308",
                                  "-1",
                                  "null",
                                  "true",
                                  "{}",
                                  NULL};

#define MODEL   LT_GOLDEN "/tiny-gpt2"
#define ADAPTER LT_GOLDEN "/peft/tiny-gpt2.some"
#define PROMPT  LT_GOLDEN "/peft/tiny-gpt2.prompt"

/* The header of a good adapter, its length and that of the data. */
static char *header_of(const char *path, size_t *bytes, size_t *data) {
    size_t all, n = 0;
    char *file = fuzz_load(path, &all);
    for (int i = 7; i >= 0; i--) n = n << 8 | (unsigned char)file[i];
    memmove(file, file + 8, n);
    *bytes = n;
    *data = all - 8 - n;
    return file;
}

static void seed_file(const char *kind, const char *path) {
    size_t bytes;
    char *text = fuzz_load(path, &bytes);
    FUZZ_SEED(FUZZ_TEXT(kind), {text, bytes});
    free(text);
}

void fuzz_make_seeds(void) {
    size_t bytes, data;
    seed_file("c", ADAPTER "/adapter_config.json");
    seed_file("p", PROMPT "/adapter_config.json");
    char *header = header_of(ADAPTER "/adapter_model.safetensors", &bytes, &data);
    unsigned char n[2] = {(unsigned char)data, (unsigned char)(data >> 8)};
    FUZZ_SEED(FUZZ_TEXT("h"), {n, 2}, {header, bytes});
    free(header);
}

static void copy(const char *name, const char *from) {
    size_t bytes;
    void *data = fuzz_load(from, &bytes);
    fuzz_write(name, data, bytes);
    free(data);
}

enum { K = 3, RANK = 2, P = 4 };

/* The trial's parameters, sentinels inside. */
static int make_values(const lt_arch *a, bool prompt, lt_named value[16], float **all) {
    static const char target[] = "qkvo";
    int64_t N, in, total = 0;
    int n = 0;
    for (int i = 0; !prompt && i < 4; i++) {
        FUZZ_REQUIRE(lt_arch_target(a, (lt_target)i, &N, &in));
        value[n] = (lt_named){.n_dims = 3, .dim = {a->m, RANK, in}};
        (void)snprintf(value[n++].name, LT_NAME_BYTES, "lora.%c.A", target[i]);
        value[n] = (lt_named){.n_dims = 3, .dim = {a->m, N, RANK}};
        (void)snprintf(value[n++].name, LT_NAME_BYTES, "lora.%c.B", target[i]);
    }
    if (prompt) value[n++] = (lt_named){.name = "prompt.rows", .n_dims = 2, .dim = {P, a->C}};
    value[n++] = (lt_named){.name = "head.weight", .n_dims = 2, .dim = {K, a->C}};
    for (int i = 0; i < n; i++) total += lt_named_elems(&value[i]);
    *all = malloc((size_t)total * sizeof **all);
    FUZZ_REQUIRE(*all != NULL);
    float *at = *all;
    for (int i = 0; i < n; i++) {
        value[i].data = at;
        for (int64_t k = 0; k < lt_named_elems(&value[i]); k++) *at++ = NAN;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static lt_arch arch;
    fuzz_input in = {data, bytes};
    unsigned kind = fuzz_take_byte(&in);
    bool prompt = kind == 'p', head = false;
    lt_named value[16];
    float *all;
    if (arch.C == 0) FUZZ_OK(lt_arch_read(MODEL, &arch));
    if (kind == 'h') {
        size_t n = (size_t)fuzz_take_number(&in, 2);
        fuzz_write_safetensors("adapter_model.safetensors", in.data, in.bytes, n);
        copy("adapter_config.json", ADAPTER "/adapter_config.json");
    } else {
        fuzz_write("adapter_config.json", in.data, in.bytes);
        copy("adapter_model.safetensors", prompt ? PROMPT "/adapter_model.safetensors" : ADAPTER "/adapter_model.safetensors");
    }
    lt_method_cfg cfg = {.name = prompt ? LT_METHOD_PROMPT : LT_METHOD_LORA,
                         .rank = RANK,
                         .alpha = 5,
                         .length = P,
                         .targets = 15,
                         .head_bias = LT_HEAD_NO_BIAS};
    lt_peft p = {.arch = &arch, .cfg = &cfg};
    int n = make_values(&arch, prompt, value, &all);
    if (lt_peft_read(fuzz_dir(), &p, value, n, &head) != LT_OK)
        FUZZ_REQUIRE(lt_err_last()->msg[0]);
    else
        for (int i = 0; i < n; i++) /* whatever it accepts it has filled */
            for (int64_t k = 0; kind != 'h' && k < lt_named_elems(&value[i]); k++)
                FUZZ_REQUIRE(!isnan(value[i].data[k]) || (i == n - 1 && !head));
    free(all);
    return 0;
}
