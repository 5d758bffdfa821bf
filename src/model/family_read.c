/* Reading fields of config.json for the families: their Hugging Face spellings and defaults, types and ranges; see family_impl.h. */
#include "model/family_impl.h"

#include <stdio.h>
#include <string.h>

/* Numbers beyond these are no model's, and sizes in bytes would overflow. */
static const double min_number = 1e-30, max_number = 1e30;

/* The first spelling that stands in the object with a value; name: that spelling, or the first. */
static json_t *field(const json_t *object, const char *key, char name[64]) {
    json_t *v = NULL;
    for (const char *at = key; at && !v; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
        (void)snprintf(name, 64, "%.*s", (int)strcspn(at, "|"), at);
        v = json_object_get(object, name);
        if (json_is_null(v)) v = NULL;
    }
    if (!v) (void)snprintf(name, 64, "%.*s", (int)strcspn(key, "|"), key);
    return v;
}

int64_t lt_reader_int(lt_reader *r, const char *key, int64_t fallback) {
    char name[64];
    json_t *v = field(r->root, key, name);
    if (r->st != LT_OK) return fallback;
    if (!v) {
        if (fallback < 0) r->st = LT_FAIL(LT_ERR_FORMAT, "%s: field \"%s\" is missing", r->path, name);
        return fallback;
    }
    if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > INT32_MAX) {
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: field \"%s\" must be a whole number from 1 to %d", r->path, name, INT32_MAX);
        return fallback;
    }
    return json_integer_value(v);
}

int64_t lt_reader_whole(lt_reader *r, const char *key, int64_t fallback) {
    json_t *v = json_object_get(r->root, key);
    if (r->st != LT_OK || !v || json_is_null(v)) return fallback;
    if (json_is_integer(v) && llabs(json_integer_value(v)) <= INT32_MAX) return json_integer_value(v);
    r->st = LT_FAIL(LT_ERR_FORMAT, "%s: field \"%s\" must be a whole number", r->path, key);
    return fallback;
}

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
    if (!v || json_is_null(v)) return fallback;
    if (!json_is_string(v) && r->st == LT_OK) r->st = LT_FAIL(LT_ERR_FORMAT, "%s: field \"%s\" must be a text", r->path, key);
    return json_is_string(v) ? json_string_value(v) : fallback;
}

bool lt_reader_bool(lt_reader *r, const char *key, bool fallback) {
    json_t *v = json_object_get(r->root, key);
    if (!v) return fallback;
    if (json_is_null(v)) return false;
    if (!json_is_boolean(v) && r->st == LT_OK) r->st = LT_FAIL(LT_ERR_FORMAT, "%s: field \"%s\" must be true or false", r->path, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

void lt_reader_act(lt_reader *r, const char *key, const char *fallback, lt_act *act) {
    static const struct {
        const char *name;
        lt_act act;
    } known[] = {{"gelu", LT_ACT_GELU_ERF},
                 {"gelu_new", LT_ACT_GELU_TANH},
                 {"gelu_fast", LT_ACT_GELU_TANH}, /* the same factored otherwise */
                 {"gelu_pytorch_tanh", LT_ACT_GELU_TANH},
                 {"silu", LT_ACT_SILU},
                 {"swish", LT_ACT_SILU},
                 {"relu", LT_ACT_RELU}};
    const char *name = lt_reader_str(r, key, fallback);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(name, known[i].name)) {
            *act = known[i].act;
            return;
        }
    if (r->st == LT_OK)
        r->st =
            LT_FAIL(LT_ERR_FORMAT, "%s: activation \"%s\" is not known; known: gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, silu, relu",
                    r->path, name);
}

void lt_reader_expect(lt_reader *r, const char *key, bool value) {
    if (r->st == LT_OK && lt_reader_bool(r, key, value) != value)
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: %s: %s is not supported", r->path, key, value ? "false" : "true");
}

void lt_reader_refuse(lt_reader *r, const char *key) {
    const json_t *v = json_object_get(r->root, key);
    if (r->st == LT_OK && v && !json_is_null(v)) r->st = LT_FAIL(LT_ERR_FORMAT, "%s: %s is not supported", r->path, key);
}

void lt_reader_rope_table(lt_reader *r, lt_arch *a, int k, const json_t *scaling, double theta) {
    lt_rope *rope = &a->rope[k];
    if (json_is_null(scaling)) scaling = NULL;
    if (r->st == LT_OK && scaling && !json_is_object(scaling))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: rope_scaling (or rope_parameters) is not an object", r->path);
    if (r->st != LT_OK) return;
    const json_t *type = json_object_get(scaling, "rope_type");
    if (!type) type = json_object_get(scaling, "type");
    const char *kind = scaling && json_is_string(type)                     ? json_string_value(type)
                       : scaling && json_object_get(scaling, "rope_theta") ? "default"
                                                                           : "?";
    if (a->n_ropes <= k) a->n_ropes = k + 1;
    *rope = (lt_rope){.theta = lt_reader_num(r, scaling, "rope_theta", theta), .factor = 1};
    if (!scaling || !strcmp(kind, "default")) return;
    rope->kind = !strcmp(kind, "linear") ? LT_ROPE_LINEAR : LT_ROPE_BANDS;
    if (rope->kind == LT_ROPE_BANDS && strcmp(kind, "llama3") != 0) {
        r->st = LT_FAIL(
            LT_ERR_FORMAT,
            "%s: rotary positions of type \"%s\" (rope_scaling or rope_parameters) are not supported; known: default, linear, llama3",
            r->path, kind);
        return;
    }
    static const char *const keys[] = {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"};
    for (int i = 0; i < (rope->kind == LT_ROPE_LINEAR ? 1 : 4); i++)
        if (r->st == LT_OK && !json_object_get(scaling, keys[i]))
            r->st = LT_FAIL(LT_ERR_FORMAT, "%s: rope_scaling of type \"%s\" has no field \"%s\"", r->path, kind, keys[i]);
    rope->factor = lt_reader_num(r, scaling, keys[0], 1);
    rope->low = lt_reader_num(r, scaling, keys[1], 1);
    rope->high = lt_reader_num(r, scaling, keys[2], 4);
    rope->original = lt_reader_num(r, scaling, keys[3], 1);
    if (r->st == LT_OK && rope->kind == LT_ROPE_BANDS && !(rope->high > rope->low))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: rope_scaling: high_freq_factor %g must be above low_freq_factor %g", r->path, rope->high,
                        rope->low);
}

void lt_reader_rope(lt_reader *r, lt_arch *a, const char *theta) {
    const json_t *scaling = json_object_get(r->root, "rope_scaling"), *params = json_object_get(r->root, "rope_parameters");
    lt_reader_rope_table(r, a, 0, params && !json_is_null(params) ? params : scaling, lt_reader_num(r, r->root, theta, 1e4));
}

void lt_reader_windows(lt_reader *r, lt_arch *a, int64_t window, int64_t first, int64_t every) {
    const json_t *types = json_object_get(r->root, "layer_types");
    if (json_is_null(types)) types = NULL;
    if (r->st == LT_OK && types && (!json_is_array(types) || json_array_size(types) != (size_t)a->m))
        r->st = LT_FAIL(LT_ERR_FORMAT, "%s: layer_types must be a list of %d entries, one a layer", r->path, a->m);
    for (int l = 0; r->st == LT_OK && window && l < a->m; l++) {
        bool slides = l >= first && (every == 0 || (l + 1) % every != 0);
        const char *type = json_string_value(json_array_get(types, (size_t)l));
        if (types && (!type || (strcmp(type, "sliding_attention") != 0 && strcmp(type, "full_attention") != 0)))
            r->st = LT_FAIL(LT_ERR_FORMAT, "%s: layer_types[%d] is \"%s\"; known: sliding_attention, full_attention", r->path, l,
                            type ? type : "?");
        else if (types ? !strcmp(type, "sliding_attention") : slides)
            a->layer[l].window = (int32_t)window;
    }
}
