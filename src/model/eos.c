/* Which tokens end a text; see generate.h. */
#include "model/generate.h"

#include <jansson.h>
#include <stdio.h>

static lt_status add(const char *path, const json_t *id, int32_t eos[LT_MAX_EOS], int *n) {
    LT_CHECK(json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) < INT32_MAX && *n < LT_MAX_EOS, LT_ERR_FORMAT,
             "%s: eos_token_id must be a token id or a list of at most %d", path, LT_MAX_EOS);
    eos[(*n)++] = (int32_t)json_integer_value(id);
    return LT_OK;
}

/* *n stays 0 where the file is not there or says nothing. */
static lt_status read_file(const char *path, int32_t eos[LT_MAX_EOS], int *n) {
    json_error_t error;
    FILE *f = fopen(path, "rb");
    if (!f) return LT_OK;
    json_t *root = json_loadf(f, 0, &error), *id = json_object_get(root, "eos_token_id");
    fclose(f);
    lt_status st = root ? LT_OK : LT_FAIL(LT_ERR_FORMAT, "%s:%d: not JSON: %s", path, error.line, error.text);
    if (id && !json_is_null(id) && !json_is_array(id)) st = add(path, id, eos, n);
    for (size_t i = 0; st == LT_OK && i < json_array_size(id); i++) st = add(path, json_array_get(id, i), eos, n);
    json_decref(root);
    return st;
}

lt_status lt_generate_eos(const char *dir, int32_t eos[LT_MAX_EOS], int *n) {
    static const char *const file[] = {"generation_config.json", "config.json"};
    char path[4096];
    *n = 0;
    for (int i = 0; i < 2 && *n == 0; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, file[i]);
        LT_TRY(read_file(path, eos, n));
    }
    return LT_OK;
}
