/* Which file of a folder defines its tokenizer, and what the files beside it say about it.
 *
 *   tokenizer_config.json     the class of tokenizer, special tokens, switches; without it the class comes from config.json, by name or by model_type
 *   special_tokens_map.json   special tokens of older folders: they count more, unless the config has an added_tokens_decoder
 *   added_tokens.json         tokens that older folders add, likewise
 *
 * A tokenizer.json defines everything.  Without one, the class says which files are read, and without a class the first that is there.  A file that
 * is there by name but cannot be read, such as a link to nowhere, is an error: without it, another tokenizer would be opened. */
#include "text/open_impl.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4400 };

typedef enum kind { JSON, VOCAB_TXT, VOCAB_JSON, SENTENCEPIECE, LLAMA2C } kind;

static const struct {
    const char *name;
    kind kind;
} files[] = {{"tokenizer.json", JSON},           {"vocab.txt", VOCAB_TXT},     {"vocab.json", VOCAB_JSON},
             {"tokenizer.model", SENTENCEPIECE}, {"spm.model", SENTENCEPIECE}, {"sentencepiece.bpe.model", SENTENCEPIECE},
             {"spiece.model", SENTENCEPIECE},    {"tokenizer.bin", LLAMA2C},   {"tok512.bin", LLAMA2C}};
enum { FILES = sizeof files / sizeof *files };
#define LOOKED_FOR                                                                                                                         \
    "tokenizer.json, vocab.txt, vocab.json with merges.txt, tokenizer.model, spm.model, sentencepiece.bpe.model, spiece.model, "           \
    "tokenizer.bin, tok512.bin"

/* --- what the files beside it say -------------------------------------------------------------------------------------------------------- */

static lt_status is_file(const char *path, bool *is) {
    struct stat info, link;
    *is = stat(path, &info) == 0;
    if (*is) {
        LT_CHECK(S_ISREG(info.st_mode), LT_ERR_IO, "%s is no file", path);
        return LT_OK;
    }
    LT_CHECK(errno == ENOENT || errno == ENOTDIR, LT_ERR_IO, "cannot open %s: %m", path);
    LT_CHECK(lstat(path, &link) != 0, LT_ERR_IO, "%s is a link to a file that is not there", path);
    return LT_OK;
}

lt_status lt_tok_impl_read_file(const char *path, char **data, int64_t *bytes) {
    enum { MOST = 1 << 30 };
    lt_status st = LT_OK;
    struct stat info;
    *data = NULL;
    FILE *f = fopen(path, "rb");
    LT_CHECK(f, LT_ERR_IO, "cannot open %s: %m", path);
    LT_CHECK_GOTO(fstat(fileno(f), &info) == 0 && S_ISREG(info.st_mode), st, done, LT_ERR_IO, "%s is no file", path);
    LT_CHECK_GOTO(info.st_size <= MOST, st, done, LT_ERR_FORMAT, "%s is %lld bytes long; a vocabulary has at most %d", path,
                  (long long)info.st_size, MOST);
    *bytes = info.st_size;
    LT_TRY_GOTO(lt_calloc(data, *bytes + 1, 1, "a vocabulary"), st, done);
    LT_CHECK_GOTO(fread(*data, 1, (size_t)*bytes, f) == (size_t)*bytes, st, done, LT_ERR_IO, "cannot read %s: %m", path);
done:
    fclose(f);
    if (st != LT_OK) free(*data);
    return st;
}

/* The object in a folder's file; *o stays NULL where there is no such file. */
static lt_status load(const char *dir, const char *name, json_t **o) {
    char path[PATH_BYTES];
    bool there;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    LT_TRY(is_file(path, &there));
    if (!there) return LT_OK;
    LT_TRY(lt_tok_impl_load_json(path, o));
    if (json_is_object(*o)) return LT_OK;
    json_decref(*o);
    *o = NULL;
    return LT_FAIL(LT_ERR_FORMAT, "%s: expected an object", path);
}

/* The class's name from config.json, where the tokenizer's own config has none. */
static lt_status add_class(const char *dir, json_t *config) {
    json_t *model = NULL, *name;
    lt_status st = LT_OK;
    if (!json_is_null(json_object_get(config, "tokenizer_class")) && json_object_get(config, "tokenizer_class")) return LT_OK;
    json_object_del(config, "tokenizer_class");
    LT_TRY(load(dir, "config.json", &model));
    name = json_object_get(model, "tokenizer_class");
    const char *type = json_string_value(json_object_get(model, "model_type"));
    const lt_tok_class *class = type ? lt_tok_impl_class_of_model(type) : NULL;
    if (json_is_string(name))
        st = lt_tok_impl_set(config, "tokenizer_class", json_incref(name));
    else if (class)
        st = lt_tok_impl_set(config, "tokenizer_class", json_sprintf("%sTokenizer", class->name));
    json_decref(model);
    return st;
}

static lt_status merge_map(json_t *config, json_t *map) {
    json_t *value, *o;
    const char *key;
    size_t i;
    json_object_foreach(map, key, value) {
        if (json_is_object(value)) LT_TRY(lt_tok_impl_set(value, "special", json_true()));
        json_t *list = json_object_get(config, key);
        if (json_is_array(list) && json_is_array(value)) {
            json_array_foreach(value, i, o) { /* (of those with one text the first will count) */
                if (json_is_object(o)) LT_TRY(lt_tok_impl_set(o, "special", json_true()));
                json_array_append(list, o);
            }
        } else {
            LT_TRY(lt_tok_impl_set(config, key, json_incref(value)));
        }
    }
    return LT_OK;
}

/* tokenizer_config.json with what else is known merged in; *config is empty where there is nothing. */
static lt_status read_config(const char *dir, json_t **config) {
    json_t *map = NULL, *added = NULL;
    lt_status st = LT_OK;
    *config = NULL;
    LT_TRY(load(dir, "tokenizer_config.json", config));
    if (!*config) *config = json_object();
    LT_CHECK(*config, LT_ERR_NOMEM, "no memory for a tokenizer");
    LT_TRY_GOTO(add_class(dir, *config), st, done);
    json_t *class = json_object_get(*config, "tokenizer_class");
    LT_CHECK_GOTO(!class || json_is_string(class), st, done, LT_ERR_FORMAT,
                  "%s/tokenizer_config.json: \"tokenizer_class\" should be a text", dir);
    if (json_object_get(*config, "added_tokens_decoder")) goto done;
    LT_TRY_GOTO(load(dir, "special_tokens_map.json", &map), st, done);
    if (map) LT_TRY_GOTO(merge_map(*config, map), st, done);
    LT_TRY_GOTO(load(dir, "added_tokens.json", &added), st, done);
    if (added) st = lt_tok_impl_set(*config, "added_tokens.json", json_incref(added));
done:
    json_decref(map);
    json_decref(added);
    if (st != LT_OK) {
        json_decref(*config);
        *config = NULL;
    }
    return st;
}

/* --- which file ---------------------------------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* The first file of a kind (-1: of any), unless one is found already. */
static lt_status find(const char *dir, int wanted, char *file, kind *k, bool *found) {
    for (int i = 0; i < FILES && !*found; i++) {
        if (wanted >= 0 && files[i].kind != (kind)wanted) continue;
        (void)snprintf(file, PATH_BYTES, "%s/%s", dir, files[i].name);
        LT_TRY(is_file(file, found));
        if (*found) *k = files[i].kind;
    }
    return LT_OK;
}

static lt_status find_in_folder(const char *dir, const json_t *config, char *file, kind *k) {
    static const kind of_class[] = {
        [LT_FILES_VOCAB_TXT] = VOCAB_TXT, [LT_FILES_VOCAB_JSON] = VOCAB_JSON, [LT_FILES_SENTENCEPIECE] = SENTENCEPIECE};
    const char *name = json_string_value(json_object_get(config, "tokenizer_class"));
    const lt_tok_class *class = name ? lt_tok_impl_class(name) : NULL;
    lt_tok_files has = class ? lt_tok_impl_class_files(class) : LT_FILES_NONE;
    const json_t *prefix = json_object_get(config, "add_prefix_space");
    /* these two classes then leave their tokenizer.json alone, and make a new one of the model */
    bool remade = class && (class->form == LT_FORM_LLAMA || class->form == LT_FORM_T5) && prefix && !json_is_null(prefix);
    bool found = false;
    if (remade) LT_TRY(find(dir, SENTENCEPIECE, file, k, &found));
    LT_TRY(find(dir, JSON, file, k, &found));
    if (has != LT_FILES_NONE) LT_TRY(find(dir, (int)of_class[has], file, k, &found));
    LT_TRY(find(dir, -1, file, k, &found));
    LT_CHECK(found, LT_ERR_IO, "no tokenizer in %s: looked for " LOOKED_FOR, dir);
    return LT_OK;
}

/* A file by its name. */
static lt_status kind_of_file(char *file, kind *k) {
    if (ends_with(file, "merges.txt")) {
        size_t n = strlen(file);
        memcpy(file + n - 10, "vocab.json", 10);
    }
    if (ends_with(file, ".json"))
        *k = ends_with(file, "vocab.json") ? VOCAB_JSON : JSON;
    else if (ends_with(file, ".txt"))
        *k = VOCAB_TXT;
    else if (ends_with(file, ".model"))
        *k = SENTENCEPIECE;
    else if (ends_with(file, ".bin"))
        *k = LLAMA2C;
    else
        return LT_FAIL(LT_ERR_FORMAT, "%s: what kind of tokenizer this is cannot be told from its name; expected one like " LOOKED_FOR,
                       file);
    return LT_OK;
}

lt_status lt_tok_impl_open_path(const char *path, lt_tok_tables **t) {
    char file[PATH_BYTES], dir[PATH_BYTES - 100];
    struct stat info;
    json_t *config = NULL;
    lt_status st = LT_OK;
    kind k = JSON;
    LT_CHECK(strlen(path) < 4096, LT_ERR_IO, "a path of %zu bytes is too long", strlen(path));
    LT_CHECK(stat(path, &info) == 0, LT_ERR_IO, "cannot open %s: %m; expected the folder of a tokenizer, or a file like " LOOKED_FOR, path);
    (void)snprintf(dir, sizeof dir, "%s", path);
    (void)snprintf(file, sizeof file, "%s", path);
    if (!S_ISDIR(info.st_mode)) {
        char *slash = strrchr(dir, '/');
        (void)snprintf(slash == dir ? dir + 1 : slash ? slash : dir, 2, "%s", slash ? "" : ".");
        LT_TRY(kind_of_file(file, &k));
    }
    LT_TRY(read_config(dir, &config));
    if (S_ISDIR(info.st_mode)) LT_TRY_GOTO(find_in_folder(dir, config, file, &k), st, done);
    switch (k) {
    case JSON:
        st = lt_tok_impl_open_json(file, json_object_size(config) ? config : NULL, t);
        break;
    case VOCAB_TXT:
        st = lt_tok_impl_open_vocab_txt(file, config, t);
        break;
    case VOCAB_JSON:
        st = lt_tok_impl_open_vocab_json(file, config, t);
        break;
    case SENTENCEPIECE:
        st = lt_tok_impl_open_sentencepiece(file, config, t);
        break;
    case LLAMA2C:
        st = lt_tok_impl_open_llama2c(file, t);
        break;
    }
done:
    json_decref(config);
    return st;
}
