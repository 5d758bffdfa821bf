/* config.json -> lt_arch.  Fields are read with their Hugging Face defaults; anything that would change the numbers and is not implemented here is an
 * error, never ignored. */
#include "model/arch.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 4096, MAX_HEADS = 4096 };
/* Numbers beyond these are no model's, and sizes in bytes would overflow. */
static const double min_number = 1e-30, max_number = 1e30, max_weights = 1e15;

typedef struct reader {
    const char *path;
    json_t *root;
    lt_status st; /* first failure; later reads do nothing */
} reader;

static int64_t read_int(reader *r, const char *key, int64_t fallback) {
    json_t *v = json_object_get(r->root, key);
    if (r->st != LT_OK) return fallback;
    if (!v || json_is_null(v)) {
        if (fallback < 0) r->st = LT_FAIL(LT_ERR_FORMAT, "%s: field \"%s\" is missing", r->path, key);
        return fallback;
    }
    if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > INT32_MAX) {
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: field \"%s\" must be a whole number from 1 to %d", r->path, key, INT32_MAX);
        return fallback;
    }
    return json_integer_value(v);
}

/* A number above 0 of an object that stands in the file. */
static double read_num(reader *r, const json_t *object, const char *key, double fallback) {
    json_t *v = json_object_get(object, key);
    if (r->st != LT_OK || !v || json_is_null(v)) return fallback;
    double x = json_number_value(v);
    if (!json_is_number(v) || !(x >= min_number && x <= max_number))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: field \"%s\" must be a number above 0, at most %g", r->path, key, max_number);
    return x;
}

static const char *read_str(reader *r, const char *key, const char *fallback) {
    json_t *v = json_object_get(r->root, key);
    return json_is_string(v) ? json_string_value(v) : fallback;
}

static bool read_bool(reader *r, const char *key, bool fallback) {
    json_t *v = json_object_get(r->root, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

static void read_act(reader *r, const char *key, const char *fallback, lt_act *act) {
    static const struct {
        const char *name;
        lt_act act;
    } known[] = {{"gelu", LT_ACT_GELU_ERF}, {"gelu_new", LT_ACT_GELU_TANH}, {"gelu_pytorch_tanh", LT_ACT_GELU_TANH},
                 {"silu", LT_ACT_SILU},     {"swish", LT_ACT_SILU},         {"relu", LT_ACT_RELU}};
    const char *name = read_str(r, key, fallback);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(name, known[i].name)) {
            *act = known[i].act;
            return;
        }
    if (r->st == LT_OK)
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: activation \"%s\" is not known; known: gelu, gelu_new, gelu_pytorch_tanh, silu, relu", r->path,
                        name);
}

static void read_bert(reader *r, lt_arch *a) {
    a->family = LT_FAMILY_BERT;
    a->norm = LT_NORM_LAYER;
    a->post_norm = a->learned_pos = a->tied = true;
    a->Hkv = a->H;
    a->eps = (float)read_num(r, r->root, "layer_norm_eps", 1e-12);
    a->types = read_int(r, "type_vocab_size", 2);
    read_act(r, "hidden_act", "gelu", &a->act);
    const char *pos = read_str(r, "position_embedding_type", "absolute");
    if (r->st == LT_OK && strcmp(pos, "absolute") != 0)
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: position_embedding_type \"%s\" is not supported (only \"absolute\")", r->path, pos);
    if (r->st == LT_OK && read_bool(r, "is_decoder", false))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: a BERT decoder (is_decoder: true) is not supported", r->path);
}

/* Base of the rotary angles: rope_theta, since transformers 5 inside rope_parameters.  Scaled variants would change the numbers. */
static void read_rope(reader *r, lt_arch *a) {
    static const char *const kind_key[] = {"rope_type", "type"};
    json_t *scaling = json_object_get(r->root, "rope_scaling"), *params = json_object_get(r->root, "rope_parameters");
    a->rope_theta = read_num(r, r->root, "rope_theta", 10000.0);
    if (json_is_object(params)) {
        a->rope_theta = read_num(r, params, "rope_theta", a->rope_theta);
        scaling = params;
    }
    if (r->st != LT_OK) return;
    if (!scaling || json_is_null(scaling)) return;
    const char *kind = NULL;
    for (size_t i = 0; !kind && i < sizeof kind_key / sizeof *kind_key; i++)
        kind = json_string_value(json_object_get(scaling, kind_key[i]));
    if (!kind || strcmp(kind, "default") != 0)
        r->st = LT_FAIL(
            LT_ERR_FORMAT,
            "%s: rotary positions of type \"%s\" (rope_scaling or rope_parameters) are not supported; this version knows plain ones only",
            r->path, kind ? kind : "?");
}

static void read_llama(reader *r, lt_arch *a) {
    a->family = LT_FAMILY_LLAMA;
    a->norm = LT_NORM_RMS;
    a->glu = a->causal = true;
    a->tied = read_bool(r, "tie_word_embeddings", false);
    a->Hkv = (int)read_int(r, "num_key_value_heads", a->H);
    a->D = (int)read_int(r, "head_dim", a->C / (a->H ? a->H : 1));
    a->eps = (float)read_num(r, r->root, "rms_norm_eps", 1e-6);
    read_act(r, "hidden_act", "silu", &a->act);
    read_rope(r, a);
    if (r->st == LT_OK && (read_bool(r, "attention_bias", false) || read_bool(r, "mlp_bias", false)))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: attention_bias / mlp_bias: true is not supported for LLaMA", r->path);
}

static const struct {
    const char *model_type;
    void (*read)(reader *, lt_arch *);
} families[] = {{"bert", read_bert}, {"llama", read_llama}};

/* All weights, also the embeddings; in floating point, which does not overflow. */
static double weights_of(const lt_arch *a) {
    double C = (double)a->C, heads = 2.0 * a->H + 2.0 * a->Hkv, blocks = a->m * (C * heads * a->D + C * (double)a->F * (a->glu ? 3 : 2));
    return blocks + C * ((double)a->V + (double)a->max_pos + (double)a->types);
}

lt_status lt_arch_read(const char *dir, lt_arch *arch) {
    char path[4096];
    lt_arch a = {0};
    json_error_t error;
    size_t family = 0, n_families = sizeof families / sizeof *families;
    (void)snprintf(path, sizeof path, "%s/config.json", dir);
    FILE *f = fopen(path, "rb");
    LT_CHECK(f, LT_ERR_IO, "cannot open %s: %m; model.path must be a Hugging Face model folder", path);
    reader r = {.path = path, .root = json_loadf(f, 0, &error)};
    fclose(f);
    LT_CHECK(r.root, LT_ERR_FORMAT, "%s:%d: not JSON: %s", path, error.line, error.text);
    const char *type = read_str(&r, "model_type", "");
    while (family < n_families && strcmp(type, families[family].model_type) != 0) family++;
    if (family == n_families) {
        char known[256] = "";
        for (size_t i = 0; i < n_families; i++) {
            size_t at = strlen(known);
            (void)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", families[i].model_type);
        }
        r.st = LT_FAIL(LT_ERR_FORMAT, "%s: model_type \"%s\" is not a known architecture; known: %s", path, type, known);
        goto done;
    }
    (void)snprintf(a.model_type, sizeof a.model_type, "%s", type);
    a.C = read_int(&r, "hidden_size", -1);
    a.F = read_int(&r, "intermediate_size", -1);
    a.V = read_int(&r, "vocab_size", -1);
    a.H = (int)read_int(&r, "num_attention_heads", -1);
    a.m = (int)read_int(&r, "num_hidden_layers", -1);
    a.max_pos = read_int(&r, "max_position_embeddings", -1);
    if (r.st == LT_OK && (a.m > MAX_LAYERS || a.H > MAX_HEADS))
        r.st = LT_FAIL(LT_ERR_FORMAT, "%s: %d layers of %d heads; this version takes at most %d and %d", path, a.m, a.H, MAX_LAYERS,
                       MAX_HEADS);
    if (r.st != LT_OK) goto done;
    a.D = (int)(a.C / a.H);
    families[family].read(&r, &a);
    if (r.st == LT_OK && (a.Hkv < 1 || a.H % a.Hkv != 0))
        r.st = LT_FAIL(LT_ERR_FORMAT, "%s: %d attention heads do not divide into %d key/value heads", path, a.H, a.Hkv);
    if (r.st == LT_OK && (a.D < 1 || (a.post_norm ? a.C != (int64_t)a.H * a.D : a.D % 2 != 0)))
        r.st = LT_FAIL(LT_ERR_FORMAT, "%s: hidden_size %lld and %d heads give no usable head dimension", path, (long long)a.C, a.H);
    double weights = weights_of(&a);
    if (r.st == LT_OK && weights > max_weights)
        r.st = LT_FAIL(LT_ERR_FORMAT, "%s: its sizes make a model of %.3g weights; this version takes at most %.3g", path, weights,
                       max_weights);
done:
    json_decref(r.root);
    if (r.st == LT_OK) *arch = a;
    return r.st;
}

int64_t lt_arch_block_weights(const lt_arch *a) {
    int64_t attn = (int64_t)a->C * (2 * a->H + 2 * a->Hkv) * a->D;
    return a->m * (attn + a->C * a->F * (a->glu ? 3 : 2));
}

bool lt_arch_tp_works(const lt_arch *a, int tp) { return a->H % tp == 0 && (a->Hkv % tp == 0 || tp % a->Hkv == 0) && a->F % tp == 0; }

lt_status lt_arch_check_tp(const lt_arch *a, int tp) {
    char works[256] = "";
    if (lt_arch_tp_works(a, tp)) return LT_OK;
    for (int t = 1; t <= a->H; t++)
        if (lt_arch_tp_works(a, t)) {
            size_t at = strlen(works);
            (void)snprintf(works + at, sizeof works - at, "%s%d", at ? ", " : "", t);
        }
    return LT_FAIL(
        LT_ERR_SHAPE,
        "parallel.tp = %d does not divide this model: %d attention heads, %d key/value heads, feed-forward width %lld; tp that work: %s",
        tp, a->H, a->Hkv, (long long)a->F, works);
}

void lt_arch_describe(const lt_arch *a, char *buf, size_t bytes) {
    (void)snprintf(
        buf, bytes,
        "%s: %d layers, width %lld, %d heads (%d key/value) of %d, feed-forward %lld%s, vocabulary %lld, positions %lld (%s), %s, "
        "%.1f M weights in linear layers",
        a->model_type, a->m, (long long)a->C, a->H, a->Hkv, a->D, (long long)a->F, a->glu ? " gated" : "", (long long)a->V,
        (long long)a->max_pos, a->learned_pos ? "learned" : "rotary", a->causal ? "causal" : "bidirectional",
        1e-6 * (double)lt_arch_block_weights(a));
}
