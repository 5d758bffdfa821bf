// BENCH rooms: base
/* Writes a model folder with random bf16 weights of a family's true shapes, for the benchmarks and some end-to-end tests:
 *
 *     make_model llama|falcon|bloom DIR [name=value ...]
 *     layers, width, heads, kv_heads (llama), ffn, vocab    the shape; what is left out is Llama-2-7B's, Falcon-7B's, BLOOM-7b1's
 *     shard=MB     size of a file (default 5000); one file is model.safetensors, several have an index
 *     tokenizer=0  no tokenizer.json
 *
 * Numbers are random in sign and mantissa and share an exponent, which falls with the root of a matrix's inner dimension, so that activations stay near one
 * through any number of layers.  Four of them come from one step of xorshift64*: writing is as fast as the disk. */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK = 1 << 17 /* words of eight bytes */, MAX_PARTS = 16, NAME = 96 };

typedef struct shape {
    int64_t layers, C, H, Hkv, F, V, shard, tokenizer;
} shape;

/* A tensor: a matrix [rows, cols], or a vector (cols 0).  A vector that is called weight is a norm's: near one. */
typedef struct tensor {
    char name[NAME];
    int64_t rows, cols;
    int file;
} tensor;

typedef struct list {
    tensor *t;
    int64_t n;
} list;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static FILE *create(const char *dir, const char *name) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f) fail(path);
    return f;
}

static void finish(FILE *f, const char *name) {
    if (fclose(f)) fail(name);
}

static void add(list *l, const char *name, int64_t rows, int64_t cols) {
    tensor *t = &l->t[l->n++];
    *t = (tensor){.rows = rows, .cols = cols};
    (void)snprintf(t->name, sizeof t->name, "%s", name);
}

static void add_layer(list *l, const char *prefix, int64_t layer, const char *name, int64_t rows, int64_t cols) {
    char full[NAME];
    (void)snprintf(full, sizeof full, "%s%" PRId64 ".%s", prefix, layer, name);
    add(l, full, rows, cols);
}

/* ---- families: tensors in the order of the hub's files ---- */

static void llama_tensors(const shape *s, list *l) {
    int64_t C = s->C, kd = s->C / s->H * s->Hkv;
    add(l, "model.embed_tokens.weight", s->V, C);
    for (int64_t i = 0; i < s->layers; i++) {
        add_layer(l, "model.layers.", i, "input_layernorm.weight", C, 0);
        add_layer(l, "model.layers.", i, "mlp.down_proj.weight", C, s->F);
        add_layer(l, "model.layers.", i, "mlp.gate_proj.weight", s->F, C);
        add_layer(l, "model.layers.", i, "mlp.up_proj.weight", s->F, C);
        add_layer(l, "model.layers.", i, "post_attention_layernorm.weight", C, 0);
        add_layer(l, "model.layers.", i, "self_attn.k_proj.weight", kd, C);
        add_layer(l, "model.layers.", i, "self_attn.o_proj.weight", C, C);
        add_layer(l, "model.layers.", i, "self_attn.q_proj.weight", C, C);
        add_layer(l, "model.layers.", i, "self_attn.v_proj.weight", kd, C);
    }
    add(l, "model.norm.weight", C, 0);
    add(l, "lm_head.weight", s->V, C);
}

static void falcon_tensors(const shape *s, list *l) {
    int64_t C = s->C, D = C / s->H;
    add(l, "transformer.word_embeddings.weight", s->V, C);
    for (int64_t i = 0; i < s->layers; i++) {
        add_layer(l, "transformer.h.", i, "input_layernorm.weight", C, 0);
        add_layer(l, "transformer.h.", i, "input_layernorm.bias", C, 0);
        add_layer(l, "transformer.h.", i, "mlp.dense_4h_to_h.weight", C, s->F);
        add_layer(l, "transformer.h.", i, "mlp.dense_h_to_4h.weight", s->F, C);
        add_layer(l, "transformer.h.", i, "self_attention.dense.weight", C, C);
        add_layer(l, "transformer.h.", i, "self_attention.query_key_value.weight", C + 2 * D, C);
    }
    add(l, "transformer.ln_f.weight", C, 0);
    add(l, "transformer.ln_f.bias", C, 0);
}

static void bloom_tensors(const shape *s, list *l) {
    static const char *const norm[] = {"input_layernorm.weight", "input_layernorm.bias", "post_attention_layernorm.weight",
                                       "post_attention_layernorm.bias"};
    int64_t C = s->C;
    add(l, "word_embeddings.weight", s->V, C);
    add(l, "word_embeddings_layernorm.weight", C, 0);
    add(l, "word_embeddings_layernorm.bias", C, 0);
    for (int64_t i = 0; i < s->layers; i++) {
        for (int k = 0; k < 4; k++) add_layer(l, "h.", i, norm[k], C, 0);
        add_layer(l, "h.", i, "self_attention.query_key_value.weight", 3 * C, C);
        add_layer(l, "h.", i, "self_attention.query_key_value.bias", 3 * C, 0);
        add_layer(l, "h.", i, "self_attention.dense.weight", C, C);
        add_layer(l, "h.", i, "self_attention.dense.bias", C, 0);
        add_layer(l, "h.", i, "mlp.dense_h_to_4h.weight", s->F, C);
        add_layer(l, "h.", i, "mlp.dense_h_to_4h.bias", s->F, 0);
        add_layer(l, "h.", i, "mlp.dense_4h_to_h.weight", C, s->F);
        add_layer(l, "h.", i, "mlp.dense_4h_to_h.bias", C, 0);
    }
    add(l, "ln_f.weight", C, 0);
    add(l, "ln_f.bias", C, 0);
}

static void llama_config(const shape *s, FILE *f) {
    fprintf(f,
            "{\"architectures\": [\"LlamaForCausalLM\"], \"bos_token_id\": 1, \"eos_token_id\": 2, \"hidden_act\": \"silu\", "
            "\"hidden_size\": %" PRId64 ", \"initializer_range\": 0.02, \"intermediate_size\": %" PRId64
            ", \"max_position_embeddings\": 4096, \"model_type\": \"llama\", \"num_attention_heads\": %" PRId64
            ", \"num_hidden_layers\": %" PRId64 ", \"num_key_value_heads\": %" PRId64
            ", \"pretraining_tp\": 1, \"rms_norm_eps\": 1e-05, \"rope_scaling\": null, \"tie_word_embeddings\": false, "
            "\"torch_dtype\": \"bfloat16\", \"use_cache\": true, \"vocab_size\": %" PRId64 "}\n",
            s->C, s->F, s->H, s->layers, s->Hkv, s->V);
}

static void falcon_config(const shape *s, FILE *f) {
    fprintf(f,
            "{\"alibi\": false, \"apply_residual_connection_post_layernorm\": false, \"architectures\": [\"FalconForCausalLM\"], "
            "\"attention_dropout\": 0.0, \"bias\": false, \"bos_token_id\": 11, \"eos_token_id\": 11, \"hidden_dropout\": 0.0, "
            "\"hidden_size\": %" PRId64 ", \"initializer_range\": 0.02, \"layer_norm_epsilon\": 1e-05, \"model_type\": \"falcon\", "
            "\"multi_query\": true, \"new_decoder_architecture\": false, \"num_attention_heads\": %" PRId64
            ", \"num_hidden_layers\": %" PRId64
            ", \"parallel_attn\": true, \"torch_dtype\": \"bfloat16\", \"use_cache\": true, \"vocab_size\": %" PRId64 "}\n",
            s->C, s->H, s->layers, s->V);
}

static void bloom_config(const shape *s, FILE *f) {
    fprintf(f,
            "{\"apply_residual_connection_post_layernorm\": false, \"architectures\": [\"BloomForCausalLM\"], \"attention_dropout\": 0.0, "
            "\"attention_softmax_in_fp32\": true, \"bias_dropout_fusion\": true, \"bos_token_id\": 1, \"eos_token_id\": 2, "
            "\"pad_token_id\": 3, \"unk_token_id\": 0, \"hidden_dropout\": 0.0, \"hidden_size\": %" PRId64
            ", \"initializer_range\": 0.02, \"layer_norm_epsilon\": 1e-05, \"masked_softmax_fusion\": true, \"model_type\": \"bloom\", "
            "\"n_head\": %" PRId64 ", \"n_inner\": null, \"n_layer\": %" PRId64
            ", \"offset_alibi\": 100, \"pretraining_tp\": 1, \"skip_bias_add\": true, \"skip_bias_add_qkv\": false, \"use_cache\": true, "
            "\"vocab_size\": %" PRId64 "}\n",
            s->C, s->H, s->layers, s->V);
}

static const struct {
    const char *name;
    shape usual; /* kv_heads and ffn 0: as many as heads, four times the width */
    void (*tensors)(const shape *s, list *l);
    void (*config)(const shape *s, FILE *f);
} family[] = {{"llama", {.layers = 32, .C = 4096, .H = 32, .F = 11008, .V = 32000}, llama_tensors, llama_config},
              {"falcon", {.layers = 32, .C = 4544, .H = 71, .V = 65024}, falcon_tensors, falcon_config},
              {"bloom", {.layers = 30, .C = 4096, .H = 32, .V = 250880}, bloom_tensors, bloom_config}};

/* A tokenizer of letters and a few words, for families that bring none: whatever it says, the model does not understand. */
static void write_tokenizer(const char *dir) {
    static const char *const word[] = {"[PAD]", "[UNK]", "the", "film", "is", "good", "and", "plot", "not", "a"};
    int id = 0;
    FILE *f = create(dir, "tokenizer.json");
    fprintf(
        f,
        "{\"version\": \"1.0\", \"normalizer\": {\"type\": \"Lowercase\"}, \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"},\n"
        "\"decoder\": {\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true}, \"post_processor\": null, \"added_tokens\": [],\n"
        "\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": \"##\", "
        "\"max_input_chars_per_word\": 100,\n\"vocab\": {");
    for (size_t i = 0; i < sizeof word / sizeof *word; i++) fprintf(f, "%s\"%s\": %d", id ? ", " : "", word[i], id), id++;
    for (int c = 'a'; c <= 'z'; c++) {
        if (c != 'a') fprintf(f, ", \"%c\": %d", c, id++);
        fprintf(f, ", \"##%c\": %d", c, id++);
    }
    fprintf(f, "}}}\n");
    finish(f, "tokenizer.json");
    f = create(dir, "tokenizer_config.json");
    fprintf(f, "{\"tokenizer_class\": \"PreTrainedTokenizerFast\", \"pad_token\": \"[PAD]\", \"unk_token\": \"[UNK]\"}\n");
    finish(f, "tokenizer_config.json");
}

/* ---- numbers ---- */

static uint64_t state = 88172645463325252u;

static void write_numbers(FILE *f, const tensor *t) {
    static uint64_t block[BLOCK];
    int64_t n = t->rows * (t->cols ? t->cols : 1);
    size_t end = strlen(t->name);
    bool norm = !t->cols && end > 6 && strcmp(t->name + end - 6, "weight") == 0;
    /* |x| in [2^e, 2^(e+1)): 1 for a norm, 1/64 for a bias, for a matrix so that a sum of products with numbers near 1 is near 1 */
    int e = norm ? 0 : -6;
    if (t->cols && !strstr(t->name, "embed"))
        for (e = -1; (int64_t)1 << (-2 * e) < 2 * t->cols;) e--;
    uint64_t pattern = (uint64_t)(e + 127) << 7, keep = norm ? 0x001f001f001f001fu : 0x807f807f807f807fu;
    pattern |= pattern << 16;
    pattern |= pattern << 32;
    for (int64_t left = n; left > 0; left -= 4 * BLOCK) {
        int64_t now = left < 4 * BLOCK ? left : 4 * BLOCK;
        for (int64_t i = 0; i < (now + 3) / 4; i++) {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            block[i] = (state * 2685821657736338717u >> 3 & keep) | pattern;
        }
        if (fwrite(block, 2, (size_t)now, f) != (size_t)now) fail(t->name);
    }
}

/* ---- files ---- */

static int64_t bytes_of(const tensor *t) { return 2 * t->rows * (t->cols ? t->cols : 1); }

/* Deals the tensors out to files in order. */
static int deal(list *l, int64_t shard) {
    int64_t bytes = 0;
    int file = 0;
    for (int64_t i = 0; i < l->n; i++) {
        if (bytes > 0 && bytes + bytes_of(&l->t[i]) > shard) {
            file++;
            bytes = 0;
        }
        l->t[i].file = file;
        bytes += bytes_of(&l->t[i]);
    }
    return file + 1;
}

static void name_of(char name[64], int file, int files) {
    if (files == 1)
        (void)snprintf(name, 64, "model.safetensors");
    else
        (void)snprintf(name, 64, "model-%05d-of-%05d.safetensors", file + 1, files);
}

static void write_shard(const char *dir, const list *l, int file, int files) {
    char name[64], *header = NULL;
    size_t bytes = 0;
    int64_t at = 0;
    FILE *h = open_memstream(&header, &bytes);
    if (!h) fail("header");
    fprintf(h, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int64_t i = 0; i < l->n; i++) {
        const tensor *t = &l->t[i];
        if (t->file != file) continue;
        fprintf(h, ",\"%s\":{\"dtype\":\"BF16\",\"shape\":[%" PRId64, t->name, t->rows);
        if (t->cols) fprintf(h, ",%" PRId64, t->cols);
        fprintf(h, "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}", at, at + bytes_of(t));
        at += bytes_of(t);
    }
    fputc('}', h);
    while (ftell(h) % 8) fputc(' ', h);
    finish(h, "header");
    name_of(name, file, files);
    FILE *f = create(dir, name);
    uint64_t n = bytes;
    if (fwrite(&n, sizeof n, 1, f) != 1 || fwrite(header, 1, bytes, f) != bytes) fail(name);
    for (int64_t i = 0; i < l->n; i++)
        if (l->t[i].file == file) write_numbers(f, &l->t[i]);
    finish(f, name);
    free(header);
}

static void write_index(const char *dir, const list *l, int files) {
    char name[64];
    int64_t total = 0;
    FILE *f = create(dir, "model.safetensors.index.json");
    for (int64_t i = 0; i < l->n; i++) total += bytes_of(&l->t[i]);
    fprintf(f, "{\"metadata\": {\"total_size\": %" PRId64 "}, \"weight_map\": {", total);
    for (int64_t i = 0; i < l->n; i++) {
        name_of(name, l->t[i].file, files);
        fprintf(f, "%s\"%s\": \"%s\"", i ? ", " : "", l->t[i].name, name);
    }
    fprintf(f, "}}\n");
    finish(f, "index");
}

static bool set(shape *s, const char *arg) {
    const struct {
        const char *name;
        int64_t *to;
    } known[] = {{"layers", &s->layers}, {"width", &s->C}, {"heads", &s->H},     {"kv_heads", &s->Hkv},
                 {"ffn", &s->F},         {"vocab", &s->V}, {"shard", &s->shard}, {"tokenizer", &s->tokenizer}};
    const char *equal = strchr(arg, '=');
    for (size_t i = 0; equal && i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].name) != (size_t)(equal - arg) || strncmp(known[i].name, arg, (size_t)(equal - arg)) != 0) continue;
        char *end;
        *known[i].to = strtoll(equal + 1, &end, 10);
        return end > equal + 1 && !*end && *known[i].to >= (known[i].to == &s->tokenizer ? 0 : 1);
    }
    return false;
}

static int usage(void) {
    fprintf(stderr, "usage: make_model llama|falcon|bloom DIR [layers=N] [width=N] [heads=N] [kv_heads=N] [ffn=N] [vocab=N] [shard=MB] "
                    "[tokenizer=0]\n");
    return 2;
}

int main(int argc, char **argv) {
    size_t which = 0, n = sizeof family / sizeof *family;
    while (which < n && (argc < 3 || strcmp(argv[1], family[which].name) != 0)) which++;
    if (which == n) return usage();
    shape s = family[which].usual;
    s.shard = 5000;
    s.tokenizer = 1;
    for (int i = 3; i < argc; i++)
        if (!set(&s, argv[i])) return usage();
    if (!s.Hkv) s.Hkv = s.H;
    if (!s.F) s.F = 4 * s.C;
    if (s.C % s.H || s.H % s.Hkv) return fprintf(stderr, "make_model: heads must divide width, and kv_heads heads\n"), 2;
    list l = {.t = calloc((size_t)(s.layers + 1) * MAX_PARTS, sizeof *l.t)};
    if (!l.t) fail("tensors");
    (void)mkdir(argv[2], 0777);
    FILE *f = create(argv[2], "config.json");
    family[which].config(&s, f);
    finish(f, "config.json");
    if (s.tokenizer) write_tokenizer(argv[2]);
    family[which].tensors(&s, &l);
    int files = deal(&l, s.shard * 1000000);
    int64_t total = 0;
    for (int i = 0; i < files; i++) write_shard(argv[2], &l, i, files);
    if (files > 1) write_index(argv[2], &l, files);
    for (int64_t i = 0; i < l.n; i++) total += bytes_of(&l.t[i]);
    printf("%s: %s, %.1f MB in %d file%s, %" PRId64 " layers of width %" PRId64 "\n", argv[2], argv[1], 1e-6 * (double)total, files,
           files == 1 ? "" : "s", s.layers, s.C);
    free(l.t);
    return 0;
}
