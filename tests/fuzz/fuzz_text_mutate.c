/* Changes of inputs whose parts are JSON, for libFuzzer: a value of the tree is left out, doubled, replaced by another one of it or by a component, a
 * text or a number is changed.  Bytes that are changed at random are seldom JSON afterwards; so half of the changes are made here, and the other half,
 * and what is no JSON, is left to the engine. */
#include "fuzz_text.h"

#include <jansson.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed);

enum { MOST_NODES = 400 };

typedef struct node {
    json_t *parent, *value; /* parent NULL: the root */
    const char *key;        /* of an object */
    size_t index;           /* of an array */
} node;

typedef struct tree {
    node at[MOST_NODES];
    size_t n;
    uint64_t state;
} tree;

static size_t below(tree *t, size_t n) {
    t->state = t->state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(t->state >> 33) % n;
}

static void collect(tree *t, json_t *parent, json_t *value, const char *key, size_t index) {
    json_t *o;
    size_t i;
    if (t->n == MOST_NODES) return;
    t->at[t->n++] = (node){parent, value, key, index};
    json_object_foreach(value, key, o) collect(t, value, o, key, 0);
    json_array_foreach(value, i, o) collect(t, value, o, NULL, i);
}

static json_t *component(tree *t) {
    static const char *const *const lists[] = {fuzz_normalizers, fuzz_pretokenizers, fuzz_posts,  fuzz_decoders,
                                               fuzz_models,      fuzz_added,         fuzz_configs};
    const char *const *list = lists[below(t, sizeof lists / sizeof *lists)];
    size_t n = 0;
    while (list[n]) n++;
    char *text = fuzz_text_json(list[below(t, n)]);
    json_t *o = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    free(text);
    return o ? o : json_null();
}

static json_t *changed_text(tree *t, const json_t *old) {
    char s[600];
    size_t bytes = json_string_length(old);
    if (bytes > sizeof s / 2) bytes = sizeof s / 2;
    memcpy(s, json_string_value(old), bytes);
    if (below(t, 4) == 0 && 2 * bytes < sizeof s) { /* twice */
        memcpy(s + bytes, json_string_value(old), bytes);
        bytes *= 2;
    } else {
        bytes = LLVMFuzzerMutate((uint8_t *)s, bytes, sizeof s);
    }
    json_t *o = json_stringn(s, bytes);
    return o ? o : json_string("a");
}

static json_t *other_value(tree *t, const json_t *old) {
    static const json_int_t odd[] = {0, 1, -1, 2, 3, 100, 255, 65536, 4194303, INT32_MAX, INT64_MAX, INT64_MIN};
    if (json_is_string(old) && below(t, 4)) return changed_text(t, old);
    if (json_is_number(old) && below(t, 4))
        return below(t, 8) ? json_integer(odd[below(t, sizeof odd / sizeof *odd)]) : json_real((double)below(t, 1000) * -1e-2);
    if (json_is_boolean(old) && below(t, 4)) return json_boolean(!json_is_true(old));
    switch (below(t, 4)) {
    case 0:
        return json_deep_copy(t->at[below(t, t->n)].value);
    case 1:
        return json_null();
    default:
        return component(t);
    }
}

static void change(tree *t, json_t *root) {
    static const char *const keys[] = {"normalizer", "pre_tokenizer", "post_processor", "decoder", "model", "added_tokens"};
    t->n = 0;
    collect(t, NULL, root, NULL, 0);
    node *x = &t->at[below(t, t->n)];
    size_t way = below(t, 8);
    if (!x->parent) {
        (void)json_object_set_new(root, keys[below(t, 6)], component(t));
    } else if (way == 0) {
        (void)(x->key ? json_object_del(x->parent, x->key) : json_array_remove(x->parent, x->index));
    } else if (way == 1 && json_is_array(x->parent)) {
        (void)json_array_insert_new(x->parent, x->index, json_deep_copy(x->value));
    } else if (way == 2 && json_is_array(x->value)) {
        (void)json_array_append_new(x->value, component(t));
    } else {
        json_t *v = other_value(t, x->value);
        (void)(x->key ? json_object_set_new(x->parent, x->key, v) : json_array_set_new(x->parent, x->index, v));
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed) {
    tree t = {.state = seed};
    if (bytes < 2 || below(&t, 2)) return LLVMFuzzerMutate(data, bytes, most);
    fuzz_input rest = {data + 1, bytes - 1}, part = fuzz_take_part(&rest);
    for (size_t skip = below(&t, 4) ? 0 : 1 + below(&t, 2); skip > 0; skip--) part = fuzz_take_part(&rest);
    json_t *root = part.bytes ? json_loadb((const char *)part.data, part.bytes, JSON_ALLOW_NUL, NULL) : NULL;
    if (!root) return LLVMFuzzerMutate(data, bytes, most);
    for (size_t n = 1 + below(&t, 3); n > 0; n--) change(&t, root);
    char *text = json_dumps(root, JSON_COMPACT);
    size_t before = (size_t)(part.data - data), n = text ? strlen(text) : 0, after = bytes - before - part.bytes;
    json_decref(root);
    if (text && before + n + after <= most) {
        memmove(data + before + n, data + before + part.bytes, after);
        memcpy(data + before, text, n);
        bytes = before + n + after;
    }
    free(text);
    return bytes;
}
