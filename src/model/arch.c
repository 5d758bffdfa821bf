/* config.json -> lt_arch.  The families read their fields (family_read.c, family_*.c); anything that would change the numbers and is not implemented here is an
 * error, never ignored. */
#include "model/family_impl.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_HEADS = 4096, UNLIMITED = 1 << 20 /* positions, where nothing but memory limits them */ };
/* More is no model's, and sizes in bytes would overflow. */
static const double max_weights = 1e15;

/* All weights, also the embeddings; in floating point, which does not overflow. */
static double weights_of(const lt_arch *a) {
    double C = (double)a->C, heads = 2.0 * a->H + 2.0 * a->Hkv, blocks = a->m * (C * heads * a->D + C * (double)a->F * (a->glu ? 3 : 2));
    double positions = a->positions == LT_POS_TABLE ? (double)a->max_pos : 0;
    double relative = 2 * (double)a->relative.span + (a->relative.shared ? 0 : 2.0 * a->m * a->H * a->D);
    return blocks + C * ((double)a->V + positions + (double)a->types + relative + C * a->conv_kernel);
}

/* The fields that every family has, under its names for them. */
static void read_common(lt_reader *r, const lt_family *f, lt_arch *a) {
    static const char *const usual[] = {"hidden_size",         "intermediate_size", "vocab_size",
                                        "num_attention_heads", "num_hidden_layers", "max_position_embeddings"};
    const char *const *key = f->keys[0] ? f->keys : usual;
    a->family = f;
    a->C = lt_reader_int(r, key[0], -1);
    a->F = key[1] ? lt_reader_int(r, key[1], f->keys[0] ? 4 * a->C : -1)
                  : 4 * a->C; /* absent is four times the width where the key has a name of its own */
    a->V = lt_reader_int(r, key[2], -1);
    a->H = (int)lt_reader_int(r, key[3], -1);
    a->m = (int)lt_reader_int(r, key[4], -1);
    a->max_pos = key[5] ? lt_reader_int(r, key[5], f->max_pos ? f->max_pos : -1) : UNLIMITED;
    if (r->st == LT_OK && (a->m > LT_MAX_LAYERS || a->H > MAX_HEADS))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: %d layers of %d heads; this version takes at most %d and %d", r->path, a->m, a->H,
                        LT_MAX_LAYERS, MAX_HEADS);
    if (r->st != LT_OK) return;
    a->Hkv = a->H;
    a->D = (int)(a->C / a->H);
    a->embed_scale = 1;
}

/* What follows from the fields, and what they must satisfy. */
static void finish(lt_reader *r, lt_arch *a) {
    if (r->st == LT_OK && (a->Hkv < 1 || a->H % a->Hkv != 0))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: %d attention heads do not divide into %d key/value heads", r->path, a->H, a->Hkv);
    if (r->st == LT_OK && (a->D < 1 || (a->positions == LT_POS_ROTARY ? a->D % 2 != 0 : a->C != (int64_t)a->H * a->D)))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: hidden_size %lld and %d heads give no usable head dimension", r->path, (long long)a->C, a->H);
    if (r->st == LT_OK && a->positions == LT_POS_ROTARY && a->rot == 0) a->rot = a->D;
    if (r->st == LT_OK && a->positions == LT_POS_ROTARY && (a->rot % 2 != 0 || a->rot < 2))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: %d of the %d numbers of a head would be rotated; it must be an even number from 2 on", r->path,
                        a->rot, a->D);
    if (a->positions == LT_POS_ALIBI || a->positions == LT_POS_RELATIVE) a->max_pos = UNLIMITED;
    double weights = weights_of(a);
    if (r->st == LT_OK && weights > max_weights)
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: its sizes make a model of %.3g weights; this version takes at most %.3g", r->path, weights,
                        max_weights);
    if (r->st != LT_OK) return;
    if (a->attn_scale == 0) a->attn_scale = 1.0f / sqrtf((float)a->D);
    for (int l = 0; l < a->m; l++) a->layer[l].causal = a->causal;
}

/* What a whole repository says of its weights that no reader here can honour. */
static void refuse(lt_reader *r) {
    const json_t *quant = json_object_get(r->root, "quantization_config");
    if (r->st == LT_OK && quant && !json_is_null(quant)) {
        const char *method = json_string_value(json_object_get(quant, "quant_method"));
        r->st =
            LT_FAIL(LT_ERR_FORMAT,
                    "%s: quantised weights (quantization_config, quant_method \"%s\") are not supported: use the F32, F16 or BF16 weights",
                    r->path, method ? method : "?");
    }
    lt_reader_expect(r, "is_encoder_decoder", false);
}

/* Says what is wrong with a folder without config.json. */
static lt_status not_a_model(const char *dir, const char *path) {
    char adapter[4096], snapshots[4096];
    int why = errno;
    (void)snprintf(adapter, sizeof adapter, "%s/adapter_config.json", dir);
    (void)snprintf(snapshots, sizeof snapshots, "%s/snapshots", dir);
    LT_CHECK(access(adapter, F_OK) != 0, LT_ERR_IO,
             "%s is the folder of a PEFT adapter, not of a model: model.path is the base model's folder (base_model_name_or_path in %s)",
             dir, adapter);
    LT_CHECK(access(snapshots, F_OK) != 0, LT_ERR_IO,
             "%s is a model's folder in the cache of the hub: model.path is one of the folders in %s", dir, snapshots);
    return LT_FAIL(LT_ERR_IO, "cannot open %s: %s; model.path must be a Hugging Face model folder", path, strerror(why));
}

lt_status lt_arch_read(const char *dir, lt_arch *arch) {
    char path[4096];
    lt_arch a = {0};
    json_error_t error;
    size_t family = 0, n_families;
    const lt_family *const *all = lt_families(&n_families);
    (void)snprintf(path, sizeof path, "%s/config.json", dir);
    FILE *f = fopen(path, "rb");
    if (!f) return not_a_model(dir, path);
    lt_reader r = {.path = path, .root = json_loadf(f, 0, &error)};
    fclose(f);
    LT_CHECK(r.root, LT_ERR_FORMAT, "%s:%d: not JSON: %s", path, error.line, error.text);
    const char *type = lt_reader_str(&r, "model_type", "");
    while (family < n_families && strcmp(type, all[family]->model_type) != 0) family++;
    if (family == n_families) {
        char known[256] = "";
        for (size_t i = 0; i < n_families; i++) {
            size_t at = strlen(known);
            (void)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", all[i]->model_type);
        }
        r.st = LT_FAIL(LT_ERR_FORMAT, "%s: model_type \"%s\" is not a known architecture; known: %s", path, type, known);
    } else {
        (void)snprintf(a.model_type, sizeof a.model_type, "%s", type);
        read_common(&r, all[family], &a);
        refuse(&r);
        if (r.st == LT_OK) all[family]->read(&r, &a);
        finish(&r, &a);
    }
    json_decref(r.root);
    if (r.st == LT_OK) *arch = a;
    return r.st;
}

static bool writes(const lt_family *f) {
    const lt_row *row = f->rows;
    while (row->part != LT_PART_END && row->part != LT_PART_HEAD) row++;
    return row->part == LT_PART_HEAD;
}

lt_status lt_arch_check_writes(const lt_arch *a) {
    char known[256] = "";
    size_t n;
    const lt_family *const *all = lt_families(&n);
    for (size_t i = 0; i < n; i++) {
        size_t at = strlen(known);
        if (writes(all[i])) (void)snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", all[i]->model_type);
    }
    LT_CHECK(a->causal && writes(a->family), LT_ERR_CONFIG,
             "%s cannot generate: it is an encoder, whose words see those behind them; decoders can: %s", a->model_type, known);
    for (int l = 0; l < a->m; l++)
        LT_CHECK(a->layer[l].causal, LT_ERR_CONFIG, "layer %d sees both ways (model.bidirectional): such a model cannot generate", l);
    return LT_OK;
}

/* Far distances in buckets.  In f32, operation by operation as the models were trained: the last bit decides at the edge of a bucket. */
static int64_t bucket_of(int64_t distance, int64_t buckets, int64_t max) {
    int64_t mid = buckets / 2, away = llabs(distance);
    if (away <= mid) return distance;
    float share = logf((float)away / (float)mid) / logf((float)((double)(max - 1) / (double)mid));
    int64_t bucket = (int64_t)(ceilf(share * (float)(mid - 1)) + (float)mid);
    return distance < 0 ? -bucket : bucket;
}

int64_t lt_arch_relative_row(const lt_arch *a, int64_t distance) {
    const lt_relative *r = &a->relative;
    int64_t row = r->span + (r->buckets ? bucket_of(distance, r->buckets, r->max_relative) : distance);
    return row < 0 ? 0 : row < 2 * r->span ? row : 2 * r->span - 1;
}

bool lt_arch_target(const lt_arch *a, lt_target t, int64_t *N, int64_t *K) {
    int64_t q = (int64_t)a->H * a->D, kv = (int64_t)a->Hkv * a->D;
    const int64_t shape[LT_TARGET_COUNT][2] = {
        [LT_TARGET_Q] = {q, a->C},     [LT_TARGET_K] = {kv, a->C},      [LT_TARGET_V] = {kv, a->C},     [LT_TARGET_O] = {a->C, q},
        [LT_TARGET_UP] = {a->F, a->C}, [LT_TARGET_GATE] = {a->F, a->C}, [LT_TARGET_DOWN] = {a->C, a->F}};
    *N = shape[t][0];
    *K = shape[t][1];
    return t != LT_TARGET_GATE || a->glu;
}

int64_t lt_arch_block_weights(const lt_arch *a) {
    int64_t attn = (int64_t)a->C * (2 * a->H + 2 * a->Hkv) * a->D;
    return a->m * (attn + a->C * a->F * (a->glu ? 3 : 2));
}

void lt_arch_describe(const lt_arch *a, char *buf, size_t bytes) {
    static const char *const position_names[] = {"none", "learned", "rotary", "ALiBi", "relative"};
    double weights = (double)lt_arch_block_weights(a);
    char positions[32] = "unlimited", windows[64] = "";
    int with_window = 0, widest = 0;
    if (a->positions != LT_POS_ALIBI && a->positions != LT_POS_RELATIVE)
        (void)snprintf(positions, sizeof positions, "%lld", (long long)a->max_pos);
    for (int l = 0; l < a->m; l++) {
        with_window += a->layer[l].window > 0;
        widest = a->layer[l].window > widest ? a->layer[l].window : widest;
    }
    if (with_window) (void)snprintf(windows, sizeof windows, " (%d layers with a window of %d)", with_window, widest);
    (void)snprintf(
        buf, bytes,
        "%s: %d layers, width %lld, %d heads (%d key/value) of %d, feed-forward %lld%s, vocabulary %lld, positions %s (%s%s), %s%s, "
        "%.1f %s weights in linear layers",
        a->model_type, a->m, (long long)a->C, a->H, a->Hkv, a->D, (long long)a->F, a->glu ? " gated" : "", (long long)a->V, positions,
        position_names[a->positions], a->positions != LT_POS_RELATIVE && lt_arch_is_relative(a) ? " and relative" : "",
        a->causal ? "causal" : "bidirectional", windows, weights < 1e6 ? 1e-3 * weights : 1e-6 * weights, weights < 1e6 ? "k" : "M");
}
