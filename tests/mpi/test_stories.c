// TEST np: 1 2 4  rooms: model  labels: mpi  timeout: 120  ops: guard
/* A trained LLaMA (stories260K of llama2.c, 260 K parameters, 8 heads, 4 key/value heads) tells its story: the greedy continuation of "Once upon a
 * time" is the one that transformers 4.57.1 gives on the same weights.
 *
 * The weights lie in llama2.c's own file; rank 0 writes them as a Hugging Face folder.  That file pairs neighbouring channels for the rotation, Hugging
 * Face the two halves of a head: rows of the query and key matrices change places. */
#define LT_TEST_MPI
#include "model_fixture.h"
#include "text/tokenizer.h"

static const char *const expected =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a "
    "big, red ball. She wanted to play with it, but it was too high.\nLily's mom said, \"Lily, let's go to the park.\" Lily "
    "was sad and didn't know what to do. She said, \"I want to play with your ball, but I can't find it.\"";
enum { STEPS = 144 };

typedef struct shape {
    int32_t dim, hidden, layers, heads, kv_heads, vocab, positions;
} shape;

typedef struct writer {
    FILE *data; /* safetensors behind the header */
    char *header;
    size_t at, cap;
    long long offset;
} writer;

static void tensor(writer *w, const char *name, const float *x, int64_t rows, int64_t cols) {
    long long bytes = rows * (cols ? cols : 1) * 4;
    char dims[64];
    if (cols)
        (void)snprintf(dims, sizeof dims, "%lld,%lld", (long long)rows, (long long)cols);
    else
        (void)snprintf(dims, sizeof dims, "%lld", (long long)rows);
    w->at += (size_t)snprintf(w->header + w->at, w->cap - w->at, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%lld,%lld]}",
                              w->offset ? "," : "{", name, dims, w->offset, w->offset + bytes);
    w->offset += bytes;
    CHECK(fwrite(x, 1, (size_t)bytes, w->data) == (size_t)bytes);
}

/* Rows of one matrix [heads*D, dim]: channel pairs (2i, 2i + 1) of a head become (i, i + D/2). */
static void halves(const float *from, float *to, int heads, int D, int dim) {
    for (int h = 0; h < heads; h++)
        for (int i = 0; i < D; i++) {
            int source = h * D + (i < D / 2 ? 2 * i : 2 * (i - D / 2) + 1);
            memcpy(to + (h * D + i) * dim, from + source * dim, (size_t)dim * sizeof *to);
        }
}

/* `keep_pairs`: leaves the rows where they are, which is wrong; the negative control. */
static bool convert(const char *bin, const char *dir, bool keep_pairs) {
    shape s;
    char path[4200], name[128];
    FILE *f = fopen(bin, "rb");
    if (!f || fread(&s, sizeof s, 1, f) != 1) return false;
    int D = s.dim / s.heads, kd = s.kv_heads * D;
    int64_t per_layer = 2 * s.dim + 2 * s.dim * s.dim + 2 * kd * s.dim + 3 * (int64_t)s.hidden * s.dim,
            total = s.vocab * s.dim + s.layers * per_layer + s.dim;
    float *all = malloc((size_t)total * sizeof *all), *moved = malloc((size_t)(s.dim * s.dim) * sizeof *moved);
    writer w = {.header = malloc(65536), .cap = 65536, .data = tmpfile()};
    bool ok = fread(all, sizeof *all, (size_t)total, f) == (size_t)total;
    const float *p = all + s.vocab * s.dim;
    tensor(&w, "model.embed_tokens.weight", all, s.vocab, s.dim);
    /* the file goes by kind, each with all layers */
    const struct {
        const char *name;
        int64_t rows, cols;
        int heads;
    } kind[] = {
        {"input_layernorm", s.dim, 0, 0},      {"self_attn.q_proj", s.dim, s.dim, s.heads}, {"self_attn.k_proj", kd, s.dim, s.kv_heads},
        {"self_attn.v_proj", kd, s.dim, 0},    {"self_attn.o_proj", s.dim, s.dim, 0},       {"post_attention_layernorm", s.dim, 0, 0},
        {"mlp.gate_proj", s.hidden, s.dim, 0}, {"mlp.down_proj", s.dim, s.hidden, 0},       {"mlp.up_proj", s.hidden, s.dim, 0}};
    for (int k = 0; k < 9; k++)
        for (int l = 0; l < s.layers; l++) {
            (void)snprintf(name, sizeof name, "model.layers.%d.%s.weight", l, kind[k].name);
            if (kind[k].heads) halves(p, moved, kind[k].heads, D, s.dim);
            tensor(&w, name, kind[k].heads && !keep_pairs ? moved : p, kind[k].rows, kind[k].cols);
            p += kind[k].rows * (kind[k].cols ? kind[k].cols : 1);
        }
    tensor(&w, "model.norm.weight", p, s.dim, 0);
    w.at += (size_t)snprintf(w.header + w.at, w.cap - w.at, "}");
    (void)snprintf(path, sizeof path, "%s/model.safetensors", dir);
    FILE *out = fopen(path, "wb");
    uint64_t n = w.at;
    ok = ok && out && fwrite(&n, sizeof n, 1, out) == 1 && fwrite(w.header, 1, w.at, out) == w.at;
    rewind(w.data);
    for (size_t got; ok && (got = fread(all, 1, (size_t)total * 4, w.data)) > 0;) ok = fwrite(all, 1, got, out) == got;
    ok = out && fclose(out) == 0 && ok;
    (void)snprintf(path, sizeof path, "%s/config.json", dir);
    out = fopen(path, "w");
    if (out) {
        fprintf(out,
                "{\"model_type\":\"llama\",\"architectures\":[\"LlamaForCausalLM\"],\"vocab_size\":%d,\"hidden_size\":%d,\"num_hidden_"
                "layers\":%d,"
                "\"num_attention_heads\":%d,\"num_key_value_heads\":%d,\"intermediate_size\":%d,\"hidden_act\":\"silu\",\"max_position_"
                "embeddings\":%d,"
                "\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,\"tie_word_embeddings\":true}",
                s.vocab, s.dim, s.layers, s.heads, s.kv_heads, s.hidden, s.positions);
        ok = fclose(out) == 0 && ok;
    }
    fclose(f);
    fclose(w.data);
    free(w.header);
    free(moved);
    free(all);
    return ok;
}

/* Continues ids[1] greedily to `n` tokens; the scores are the tied embedding rows times the last hidden state. */
static void greedy(fixture *f, int32_t *ids, int64_t from, int64_t n) {
    const lt_arch *a = lt_model_arch(f->model);
    float *table = malloc((size_t)(a->V * a->C) * sizeof *table);
    int32_t *every = malloc((size_t)a->V * sizeof *every);
    for (int32_t v = 0; v < a->V; v++) every[v] = v;
    for (int64_t v = 0; v < a->V; v += n) { /* no more rows at a time than a pack has */
        int64_t rows = a->V - v < n ? a->V - v : n;
        lt_model_token_rows(f->model, every + v, rows, table + v * a->C);
    }
    float *rows = malloc((size_t)a->C * sizeof *rows);
    lt_pack p;
    CHECK_OK(lt_pack_create(n, 1, &p));
    for (int64_t t = from; t < n; t++) {
        lt_readout_rows out;
        double best = -1e30;
        lt_pack_clear(&p);
        CHECK_OK(lt_pack_add(&p, &(lt_pack_seq){.tokens = ids, .n = t, .segment = t, .slot = -1}));
        lt_model_forward(f->model, &(lt_forward_args){.pack = &p, .readout = LT_READ_LAST}, &out);
        CHECK_OK(lt_ctx_download(lt_model_ctx(f->model), rows, out.rows, (size_t)a->C * sizeof *rows));
        for (int32_t v = 0; v < a->V; v++) {
            double z = 0;
            for (int64_t c = 0; c < a->C; c++) z += (double)rows[c] * (double)table[v * a->C + c];
            if (z > best) {
                best = z;
                ids[t] = v;
            }
        }
    }
    lt_pack_destroy(&p);
    free(rows);
    free(every);
    free(table);
}

static void tell(fixture *f, const char *shared, const char *dir, bool keep_pairs) {
    char path[4200], *text = NULL;
    bool ok = true;
    lt_tok *tok = NULL;
    lt_ids ids = {0};
    (void)snprintf(path, sizeof path, "%s/models/stories260K/stories260K.bin", shared);
    if (lt_comm_rank(f->world) == 0) ok = convert(path, dir, keep_pairs);
    CHECK(ok);
    lt_barrier(f->world);
    (void)snprintf(path, sizeof path, "%s/models/stories260K/tok512.bin", shared);
    CHECK_OK(lt_tok_open(path, &tok));
    CHECK_OK(lt_tok_encode(tok, "Once upon a time", strlen("Once upon a time"), true, &ids, NULL));
    int32_t all[STEPS];
    memcpy(all, ids.id, (size_t)ids.n * sizeof *all);
    if (fixture_open(f, dir, lt_comm_size(f->world), NULL, LT_F32, (lt_model_limits){.tokens = STEPS, .seqs = 1, .max_len = STEPS})) {
        greedy(f, all, ids.n, STEPS);
        CHECK_OK(lt_tok_decode(tok, all, STEPS, true, &text, NULL));
        size_t n = strlen(expected);
        if (keep_pairs) /* negative control: the rotation must matter */
            CHECK(text && strncmp(text, expected, n) != 0);
        else
            TEST_REPORT(text && strncmp(text, expected, n) == 0, "story: %s", text ? text : "none");
    }
    free(text);
    fixture_close(f);
    lt_ids_free(&ids);
    lt_tok_close(&tok);
}

int main(void) {
    fixture f = {0};
    const char *shared = fixture_shared();
    char dir[64] = "/tmp/stories-XXXXXX", path[4200];
    CHECK_OK(lt_comm_init(NULL, NULL, &f.world));
    (void)snprintf(path, sizeof path, "%s/models/stories260K/stories260K.bin", shared ? shared : "");
    bool there = shared && access(path, R_OK) == 0;
    if (there) {
        if (lt_comm_rank(f.world) == 0) CHECK(mkdtemp(dir) != NULL);
        lt_bcast_host(f.world, dir, sizeof dir, 0);
        tell(&f, shared, dir, false);
        tell(&f, shared, dir, true);
        if (lt_comm_rank(f.world) == 0) {
            (void)snprintf(path, sizeof path, "%s/model.safetensors", dir);
            (void)unlink(path);
            (void)snprintf(path, sizeof path, "%s/config.json", dir);
            (void)unlink(path);
            (void)rmdir(dir);
        }
    } else if (lt_comm_rank(f.world) == 0) {
        printf("skipped: no stories260K.bin in LT_SHARED/models/stories260K\n");
    }
    int rc = there ? test_end() : 77;
    lt_comm_fini(&f.world);
    return rc;
}
