/* config.json -> lt_arch.  Fields are read with their Hugging Face defaults; anything that would change the numbers and is not implemented here is an
 * error, never ignored. */
#include "model/family_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_HEADS = 4096 };
/* Numbers beyond these are no model's, and sizes in bytes would overflow. */
static const double min_number = 1e-30, max_number = 1e30, max_weights = 1e15;

int64_t lt_reader_int(lt_reader *r, const char *key, int64_t fallback) {
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
double lt_reader_num(lt_reader *r, const json_t *object, const char *key, double fallback) {
    json_t *v = json_object_get(object, key);
    if (r->st != LT_OK || !v || json_is_null(v)) return fallback;
    double x = json_number_value(v);
    if (!json_is_number(v) || !(x >= min_number && x <= max_number))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: field \"%s\" must be a number above 0, at most %g", r->path, key, max_number);
    return x;
}

const char *lt_reader_str(lt_reader *r, const char *key, const char *fallback) {
    json_t *v = json_object_get(r->root, key);
    return json_is_string(v) ? json_string_value(v) : fallback;
}

bool lt_reader_bool(lt_reader *r, const char *key, bool fallback) {
    json_t *v = json_object_get(r->root, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

void lt_reader_act(lt_reader *r, const char *key, const char *fallback, lt_act *act) {
    static const struct {
        const char *name;
        lt_act act;
    } known[] = {{"gelu", LT_ACT_GELU_ERF}, {"gelu_new", LT_ACT_GELU_TANH}, {"gelu_pytorch_tanh", LT_ACT_GELU_TANH},
                 {"silu", LT_ACT_SILU},     {"swish", LT_ACT_SILU},         {"relu", LT_ACT_RELU}};
    const char *name = lt_reader_str(r, key, fallback);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(name, known[i].name)) {
            *act = known[i].act;
            return;
        }
    if (r->st == LT_OK)
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: activation \"%s\" is not known; known: gelu, gelu_new, gelu_pytorch_tanh, silu, relu", r->path,
                        name);
}

void lt_reader_expect(lt_reader *r, const char *key, bool value) {
    if (r->st == LT_OK && lt_reader_bool(r, key, value) != value)
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: %s: %s is not supported", r->path, key, value ? "false" : "true");
}

/* Base of the rotary angles: rope_theta, since transformers 5 inside rope_parameters.  Scaled variants would change the numbers. */
void lt_reader_rope(lt_reader *r, lt_arch *a) {
    static const char *const kind_key[] = {"rope_type", "type"};
    json_t *scaling = json_object_get(r->root, "rope_scaling"), *params = json_object_get(r->root, "rope_parameters");
    a->n_ropes = 1;
    a->rope_theta[0] = lt_reader_num(r, r->root, "rope_theta", 10000.0);
    if (json_is_object(params)) {
        a->rope_theta[0] = lt_reader_num(r, params, "rope_theta", a->rope_theta[0]);
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

/* All weights, also the embeddings; in floating point, which does not overflow. */
static double weights_of(const lt_arch *a) {
    double C = (double)a->C, heads = 2.0 * a->H + 2.0 * a->Hkv, blocks = a->m * (C * heads * a->D + C * (double)a->F * (a->glu ? 3 : 2));
    double relative = 2 * (double)a->relative.span + (a->relative.shared ? 0 : 2.0 * a->m * a->H * a->D);
    return blocks + C * ((double)a->V + (double)a->max_pos + (double)a->types + relative + C * a->conv_kernel);
}

/* The fields that every family has, under its names for them. */
static void read_common(lt_reader *r, const lt_family *f, lt_arch *a) {
    static const char *const usual[] = {"hidden_size",         "intermediate_size", "vocab_size",
                                        "num_attention_heads", "num_hidden_layers", "max_position_embeddings"};
    const char *const *key = f->keys[0] ? f->keys : usual;
    a->family = f;
    a->C = lt_reader_int(r, key[0], -1);
    a->F = lt_reader_int(r, key[1], f->keys[0] ? 4 * a->C : -1); /* null means four times the width where the key has a name of its own */
    a->V = lt_reader_int(r, key[2], -1);
    a->H = (int)lt_reader_int(r, key[3], -1);
    a->m = (int)lt_reader_int(r, key[4], -1);
    a->max_pos = lt_reader_int(r, key[5], -1);
    if (r->st == LT_OK && (a->m > LT_MAX_LAYERS || a->H > MAX_HEADS))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: %d layers of %d heads; this version takes at most %d and %d", r->path, a->m, a->H,
                        LT_MAX_LAYERS, MAX_HEADS);
    if (r->st != LT_OK) return;
    a->Hkv = a->H;
    a->D = (int)(a->C / a->H);
    a->embed_scale = 1;
    a->pool_act = LT_ACT_TANH;
}

/* What follows from the fields, and what they must satisfy. */
static void finish(lt_reader *r, lt_arch *a) {
    if (r->st == LT_OK && (a->Hkv < 1 || a->H % a->Hkv != 0))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: %d attention heads do not divide into %d key/value heads", r->path, a->H, a->Hkv);
    if (r->st == LT_OK && (a->D < 1 || (a->positions == LT_POS_ROTARY ? a->D % 2 != 0 : a->C != (int64_t)a->H * a->D)))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: hidden_size %lld and %d heads give no usable head dimension", r->path, (long long)a->C, a->H);
    double weights = weights_of(a);
    if (r->st == LT_OK && weights > max_weights)
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: its sizes make a model of %.3g weights; this version takes at most %.3g", r->path, weights,
                        max_weights);
    if (r->st != LT_OK) return;
    if (a->attn_scale == 0) a->attn_scale = 1.0f / sqrtf((float)a->D);
    for (int l = 0; l < a->m; l++) a->layer[l].causal = a->causal;
}

lt_status lt_arch_read(const char *dir, lt_arch *arch) {
    char path[4096];
    lt_arch a = {0};
    json_error_t error;
    size_t family = 0, n_families;
    const lt_family *all = lt_families(&n_families);
    (void)snprintf(path, sizeof path, "%s/config.json", dir);
    FILE *f = fopen(path, "rb");
    LT_CHECK(f, LT_ERR_IO, "cannot open %s: %m; model.path must be a Hugging Face model folder", path);
    lt_reader r = {.path = path, .root = json_loadf(f, 0, &error)};
    fclose(f);
    LT_CHECK(r.root, LT_ERR_FORMAT, "%s:%d: not JSON: %s", path, error.line, error.text);
    const char *type = lt_reader_str(&r, "model_type", "");
    while (family < n_families && strcmp(type, all[family].model_type) != 0) family++;
    if (family == n_families) {
        char known[256] = "";
        for (size_t i = 0; i < n_families; i++) {
            size_t at = strlen(known);
            (void)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", all[i].model_type);
        }
        r.st = LT_FAIL(LT_ERR_FORMAT, "%s: model_type \"%s\" is not a known architecture; known: %s", path, type, known);
    } else {
        (void)snprintf(a.model_type, sizeof a.model_type, "%s", type);
        read_common(&r, &all[family], &a);
        if (r.st == LT_OK) all[family].read(&r, &a);
        finish(&r, &a);
    }
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
    static const char *const position_names[] = {"none", "learned", "rotary", "ALiBi", "relative"};
    (void)snprintf(
        buf, bytes,
        "%s: %d layers, width %lld, %d heads (%d key/value) of %d, feed-forward %lld%s, vocabulary %lld, positions %lld (%s%s), %s, "
        "%.1f M weights in linear layers",
        a->model_type, a->m, (long long)a->C, a->H, a->Hkv, a->D, (long long)a->F, a->glu ? " gated" : "", (long long)a->V,
        (long long)a->max_pos, position_names[a->positions],
        a->positions != LT_POS_RELATIVE && lt_arch_is_relative(a) ? " and relative" : "", a->causal ? "causal" : "bidirectional",
        1e-6 * (double)lt_arch_block_weights(a));
}
