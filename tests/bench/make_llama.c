// BENCH rooms: base
/* Writes a LLaMA folder with random bf16 weights, for load.sh and layouts.sh: make_llama DIR LAYERS [WIDTH [VOCABULARY [KV_HEADS [FFN]]]].  With the
 * defaults (width 2,048, vocabulary 32,000, as many key/value heads as heads, a feed-forward of 5,632) a layer has 103 MB and nine layers make 1.06 GB. */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK = 1 << 20, HEAD = 64 };

typedef struct writer {
    FILE *file;
    char *header;
    size_t at, cap;
    int64_t offset;
} writer;

static void announce(writer *w, const char *name, int64_t rows, int64_t cols) {
    int64_t bytes = 2 * rows * (cols ? cols : 1);
    char dims[64];
    (void)snprintf(dims, sizeof dims, cols ? "%" PRId64 ",%" PRId64 : "%" PRId64, rows, cols);
    w->at += (size_t)snprintf(w->header + w->at, w->cap - w->at,
                              "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[%s],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}",
                              w->offset ? "," : "{", name, dims, w->offset, w->offset + bytes);
    w->offset += bytes;
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: make_llama DIR LAYERS [WIDTH [VOCABULARY [KV_HEADS [FFN]]]]\n"), 2;
    int layers = atoi(argv[2]), C = argc > 3 ? atoi(argv[3]) : 2048, V = argc > 4 ? atoi(argv[4]) : 32000,
        F = argc > 6 ? atoi(argv[6]) : C * 11 / 4;
    int Hkv = argc > 5 ? atoi(argv[5]) : C / HEAD, kd = Hkv * HEAD;
    char path[4096], name[128];
    writer w = {.cap = (size_t)(layers + 1) * 4096, .header = malloc((size_t)(layers + 1) * 4096)};
    (void)mkdir(argv[1], 0777);
    (void)snprintf(path, sizeof path, "%s/config.json", argv[1]);
    FILE *f = fopen(path, "w");
    if (!f) return perror(path), 1;
    fprintf(
        f,
        "{\"model_type\":\"llama\",\"architectures\":[\"LlamaForCausalLM\"],\"vocab_size\":%d,\"hidden_size\":%d,\"num_hidden_layers\":%d,"
        "\"num_attention_heads\":%d,\"num_key_value_heads\":%d,\"intermediate_size\":%d,\"hidden_act\":\"silu\",\"max_position_"
        "embeddings\":2048,"
        "\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,\"tie_word_embeddings\":true}\n",
        V, C, layers, C / HEAD, Hkv, F);
    if (fclose(f)) return perror(path), 1;
    const struct {
        const char *name;
        int64_t rows, cols;
    } part[] = {{"input_layernorm", C, 0},   {"self_attn.q_proj", C, C}, {"self_attn.k_proj", kd, C},
                {"self_attn.v_proj", kd, C}, {"self_attn.o_proj", C, C}, {"mlp.gate_proj", F, C},
                {"mlp.up_proj", F, C},       {"mlp.down_proj", C, F},    {"post_attention_layernorm", C, 0}};
    announce(&w, "model.embed_tokens.weight", V, C);
    for (int l = 0; l < layers; l++)
        for (size_t p = 0; p < sizeof part / sizeof *part; p++) {
            (void)snprintf(name, sizeof name, "model.layers.%d.%s.weight", l, part[p].name);
            announce(&w, name, part[p].rows, part[p].cols);
        }
    announce(&w, "model.norm.weight", C, 0);
    w.at += (size_t)snprintf(w.header + w.at, w.cap - w.at, "}");
    (void)snprintf(path, sizeof path, "%s/model.safetensors", argv[1]);
    w.file = fopen(path, "wb");
    if (!w.file) return perror(path), 1;
    uint64_t n = w.at;
    bool ok = fwrite(&n, sizeof n, 1, w.file) == 1 && fwrite(w.header, 1, w.at, w.file) == w.at;
    uint16_t *block = malloc(BLOCK * sizeof *block);
    for (int64_t left = w.offset / 2; ok && left > 0; left -= BLOCK) { /* small numbers of both signs: bf16 0x3c.. is near 0.01 */
        for (int64_t i = 0; i < BLOCK; i++) block[i] = (uint16_t)(0x3c00 | ((uint64_t)(i + left) * 2654435761u >> 16 & 0x807f));
        size_t now = (size_t)(left < BLOCK ? left : BLOCK);
        ok = fwrite(block, sizeof *block, now, w.file) == now;
    }
    ok = fclose(w.file) == 0 && ok;
    printf("%s: %.1f MB, %d layers of width %d\n", path, 1e-6 * (double)w.offset, layers, C);
    return ok ? 0 : 1;
}
