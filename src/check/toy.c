/* A tiny model and its data in a temporary folder; see toy_impl.h.
 *
 * Every number is a function of its place, so that all nodes make the same files.  A sentence is drawn from words of one half of the vocabulary more often than
 * from the other; which half is its label. */
#include "check/toy_impl.h"

#include "base/mem.h"
#include "base/rng.h"
#include "store/dataset.h"
#include "store/fs.h"
#include "store/safetensors_write.h"
#include "text/tokenizer.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    C = 64,
    HEADS = LT_TOY_HEADS,
    KV_HEADS = 2,
    D = 16,
    F = 96,
    LAYERS = 2,
    V = 64,
    MAX_TENSORS = 2 + 9 * LAYERS,
    SPECIAL = 5, /* [PAD] [UNK] [CLS] [SEP] [MASK] */
    TRAIN = 64,
    DEV = 16,
    LONGEST = 20
};

static const char config[] =
    "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"vocab_size\": %d, \"hidden_size\": %d,\n"
    " \"num_hidden_layers\": %d, \"num_attention_heads\": %d, \"num_key_value_heads\": %d, \"head_dim\": %d,\n"
    " \"intermediate_size\": %d, \"hidden_act\": \"silu\", \"max_position_embeddings\": 64, \"rms_norm_eps\": 1e-5,\n"
    " \"rope_theta\": 10000.0, \"bos_token_id\": 2, \"eos_token_id\": 3, \"tie_word_embeddings\": true}\n";

static const char trials[] = "trials:\n"
                             "  - {name: lt_prefix, method: {name: lt_prefix}}\n"
                             "  - {name: lt_prompt, method: {name: lt_prompt}}\n"
                             "  - {name: prefix, method: {name: prefix, length: 4}}\n"
                             "  - {name: prompt, method: {name: prompt, length: 4}}\n"
                             "  - {name: lora, method: {name: lora, rank: 4, alpha: 8, targets: [q, v, o, down], head_dropout: 0.1}}\n";

static lt_status write_text(const char *dir, const char *name, const char *text) {
    char path[480];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    LT_CHECK(f, LT_ERR_IO, "cannot make %s: %m", path);
    bool written = fputs(text, f) >= 0;
    LT_CHECK(fclose(f) == 0 && written, LT_ERR_IO, "cannot write %s: %m", path);
    return LT_OK;
}

/* ---- the model ---- */

static lt_status add_tensor(lt_named *t, int *n, const char *name, int64_t rows, int64_t cols, double mean, double std) {
    lt_named *a = &t[*n];
    *a = (lt_named){.n_dims = cols ? 2 : 1, .dim = {rows, cols}};
    (void)snprintf(a->name, sizeof a->name, "%s", name);
    int64_t elems = rows * (cols ? cols : 1);
    LT_TRY(lt_calloc(&a->data, elems, sizeof *a->data, "weights of the tiny model"));
    lt_rng r = {.seed = 64, .purpose = LT_RNG_INIT, .a = (uint32_t)*n};
    for (int64_t i = 0; i < elems; i++) a->data[i] = (float)(mean + std * lt_rng_normal(&r, (uint64_t)i, 0));
    ++*n;
    return LT_OK;
}

static lt_status add_layer(lt_named *t, int *n, int layer) {
    static const struct {
        const char *name;
        int rows, cols;
    } row[] = {{"self_attn.q_proj", HEADS * D, C},
               {"self_attn.k_proj", KV_HEADS * D, C},
               {"self_attn.v_proj", KV_HEADS * D, C},
               {"self_attn.o_proj", C, HEADS * D},
               {"mlp.gate_proj", F, C},
               {"mlp.up_proj", F, C},
               {"mlp.down_proj", C, F},
               {"input_layernorm", C, 0},
               {"post_attention_layernorm", C, 0}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        char name[LT_NAME_BYTES];
        (void)snprintf(name, sizeof name, "model.layers.%d.%s.weight", layer, row[i].name);
        bool norm = row[i].cols == 0;
        LT_TRY(add_tensor(t, n, name, row[i].rows, row[i].cols, norm ? 1 : 0, norm ? 0.1 : 1 / sqrt((double)row[i].cols)));
    }
    return LT_OK;
}

static lt_status write_weights(const char *dir) {
    static lt_named t[MAX_TENSORS];
    char path[480];
    int n = 0;
    lt_status st = add_tensor(t, &n, "model.embed_tokens.weight", V, C, 0, 0.5);
    for (int l = 0; st == LT_OK && l < LAYERS; l++) st = add_layer(t, &n, l);
    if (st == LT_OK) st = add_tensor(t, &n, "model.norm.weight", C, 0, 1, 0.1);
    (void)snprintf(path, sizeof path, "%s/model.safetensors", dir);
    if (st == LT_OK) st = lt_st_write_named(path, t, n);
    for (int i = 0; i < n; i++) free(t[i].data);
    return st;
}

static lt_status write_model(const char *dir) {
    char text[1024], *at = text;
    (void)snprintf(text, sizeof text, config, V, C, LAYERS, HEADS, KV_HEADS, D, F);
    LT_TRY(write_text(dir, "config.json", text));
    at += sprintf(text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    for (int i = 0; i < V - SPECIAL; i++) at += sprintf(at, "%c%c\n", 'a' + i / 26, 'a' + i % 26);
    LT_TRY(write_text(dir, "vocab.txt", text));
    LT_TRY(write_text(dir, "tokenizer_config.json", "{\"tokenizer_class\": \"BertTokenizer\", \"do_lower_case\": true}\n"));
    return write_weights(dir);
}

/* ---- the data ---- */

/* n sentences [CLS] ... [SEP]. */
static void make_split(lt_dataset_split *s, const char *name, int n, uint32_t stream) {
    lt_rng r = {.seed = 64, .purpose = LT_RNG_SAMPLE, .a = stream};
    int64_t at = 0;
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    s->n = n;
    for (int i = 0; i < n; i++) {
        int len = 4 + (int)lt_rng_below(&r, LONGEST - 3, (uint64_t)i, 0), half = (V - SPECIAL) / 2;
        s->label[i] = (int32_t)lt_rng_below(&r, 2, (uint64_t)i, 1);
        for (int t = 0; t < len; t++) {
            int side = lt_rng_uniform(&r, (uint64_t)i, (uint32_t)(10 + 2 * t)) < 0.75 ? s->label[i] : !s->label[i];
            int word = SPECIAL + side * half + (int)lt_rng_below(&r, (uint64_t)half, (uint64_t)i, (uint32_t)(11 + 2 * t));
            s->tokens[at++] = t == 0 ? 2 : t == len - 1 ? 3 : word;
        }
        s->offsets[i + 1] = at;
        s->segment_offsets[i] = at;
    }
    s->segment_offsets[n] = at;
}

static lt_status write_data(const char *dir, const char *model) {
    static int32_t tokens[2][TRAIN * LONGEST], label[2][TRAIN];
    static int64_t offsets[2][TRAIN + 1], segments[2][TRAIN + 1];
    char task[] = "selftest", command[] = "ltune selftest", down[] = "down", up[] = "up", aa[] = "aa", bz[] = "bz", path[480];
    char *names[] = {down, up}, *words[] = {aa, bz};
    lt_dataset_info info = {.task = task, .command = command, .n_labels = 2, .label_name = names, .label_words = words};
    lt_dataset_split split[2];
    lt_tok *tok = NULL;
    for (int i = 0; i < 2; i++) {
        split[i] = (lt_dataset_split){.tokens = tokens[i], .offsets = offsets[i], .segment_offsets = segments[i], .label = label[i]};
        make_split(&split[i], i ? "dev" : "train", i ? DEV : TRAIN, (uint32_t)i);
    }
    memset(info.source_sha256, '0', LT_SHA_HEX_BYTES - 1);
    (void)snprintf(path, sizeof path, "%s/data.h5", dir);
    LT_TRY(lt_tok_open(model, &tok));
    lt_status st = lt_tok_sha256(tok, info.tokenizer_sha256);
    if (st == LT_OK) st = lt_dataset_write(path, &info, split, 2);
    lt_tok_close(&tok);
    return st;
}

static lt_status write_run(const char *dir) {
    char text[2048];
    (void)snprintf(text, sizeof text,
                   "run:   {dir: %s/run, resume: never}\nmodel: {path: %s/model}\ndata:  {path: %s/data.h5, max_length: 24}\n"
                   "train: {steps: 20, batch: 8, lr: 1e-2, eval_every: 1000000, checkpoint_minutes: 0}\n%s",
                   dir, dir, dir, trials);
    return write_text(dir, "run.yaml", text);
}

/* ---- the folder ---- */

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *f) {
    (void)s, (void)kind, (void)f;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

/* By the first rank of a node.  Where nodes share the folder, several write the same. */
static lt_status make(const char *dir) {
    char model[440];
    LT_CHECK(mkdir(dir, 0700) == 0 || errno == EEXIST, LT_ERR_IO, "cannot make the folder %s: %m: name another with --scratch or TMPDIR",
             dir);
    (void)snprintf(model, sizeof model, "%s/model", dir);
    LT_CHECK(mkdir(model, 0700) == 0 || errno == EEXIST, LT_ERR_IO, "cannot make the folder %s: %m", model);
    LT_TRY(write_model(model));
    LT_TRY(write_data(dir, model));
    return write_run(dir);
}

static bool first_of_node(lt_comm *world) {
    int local, size;
    lt_comm_local(world, &local, &size);
    return local == 0;
}

lt_status lt_check_impl_toy_create(lt_comm *world, const char *scratch, lt_toy *toy) {
    const char *base = scratch ? scratch : getenv("TMPDIR");
    lt_status st = LT_OK;
    *toy = (lt_toy){.world = world};
    if (lt_comm_rank(world) == 0) { /* a name that nobody has, at least here */
        int n = snprintf(toy->dir, sizeof toy->dir, "%s/ltune-selftest-XXXXXX", base && *base ? base : "/tmp");
        if (n >= (int)sizeof toy->dir)
            st = LT_FAIL(LT_ERR_ARG, "the name of the folder for temporary files is too long");
        else if (!mkdtemp(toy->dir))
            st = LT_FAIL(LT_ERR_IO, "cannot make the folder %s: %m: name another with --scratch or TMPDIR", toy->dir);
    }
    if ((st = lt_agree(world, st)) != LT_OK) {
        *toy = (lt_toy){0};
        return st;
    }
    lt_bcast_host(world, toy->dir, sizeof toy->dir, 0);
    return lt_agree(world, first_of_node(world) ? make(toy->dir) : LT_OK);
}

void lt_check_impl_toy_destroy(lt_toy *toy) {
    if (!toy->world) return;
    lt_barrier(toy->world);
    if (first_of_node(toy->world)) (void)nftw(toy->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    *toy = (lt_toy){0};
}
