/* How words become tokens one by one; see block.c.
 *
 * Hugging Face's AutoTokenizer(..., is_split_into_words=True) tokenises each word as a text of its own.  Its classes for GPT-2's byte-level vocabularies
 * refuse that unless they were opened with add_prefix_space=True, because " word" and "word" are different tokens there and a text has the first nearly
 * everywhere.  Which class a folder asks for is what its tokenizer_config.json says, or its config.json by the kind of model. */
#include "data.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

/* The string under a key of a JSON file beside the tokenizer, "" if there is none. */
static void read_key(const char *dir, const char *file, const char *key, char *text, size_t bytes) {
    char path[4200];
    json_error_t e;
    (void)snprintf(path, sizeof path, "%s/%s", dir, file);
    json_t *o = json_load_file(path, 0, &e);
    const char *s = json_string_value(json_object_get(o, key));
    (void)snprintf(text, bytes, "%s", s ? s : "");
    json_decref(o);
}

static bool among(const char *name, const char *const *list) {
    for (; *list; list++)
        if (!strcmp(name, *list)) return true;
    return false;
}

bool prep_words_need_space(const char *tokenizer) {
    static const char *const classes[] = {"GPT2",    "Roberta", "Bart",    "Blenderbot", "Longformer", "LED", "Mvp",
                                          "Deberta", "CodeGen", "Whisper", "Bloom",      "Cohere",     NULL};
    static const char *const models[] = {"gpt2",    "roberta",       "bart",    "blenderbot", "longformer", "led",     "mvp",
                                         "deberta", "codegen",       "whisper", "bloom",      "cohere",     "gpt_neo", "gptj",
                                         "opt",     "data2vec-text", "ibert",   "phi",        NULL};
    char dir[4096], name[128];
    struct stat info;
    const char *slash = strrchr(tokenizer, '/');
    if (stat(tokenizer, &info) == 0 && S_ISDIR(info.st_mode))
        (void)snprintf(dir, sizeof dir, "%s", tokenizer);
    else
        (void)snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - tokenizer) : 1, slash ? tokenizer : ".");
    read_key(dir, "tokenizer_config.json", "tokenizer_class", name, sizeof name);
    if (!name[0]) read_key(dir, "config.json", "tokenizer_class", name, sizeof name);
    char *end = strstr(name, "Tokenizer");
    if (end) {
        *end = 0;
        return among(name, classes);
    }
    read_key(dir, "config.json", "model_type", name, sizeof name);
    return among(name, models);
}
