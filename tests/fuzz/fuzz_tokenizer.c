/* Fuzzes tokenizers of JSON, lines and llama2.c's form (fuzz_text.c has the promises).  An input is one byte (the kind of file), its parts, and two
 * texts, with FUZZ_CUT between:
 *   j   tokenizer.json
 *   k   tokenizer.json, tokenizer_config.json
 *   v   vocab.txt, tokenizer_config.json
 *   m   vocab.json, merges.txt, tokenizer_config.json
 *   l   llama2.c's form, made of lines "score text" behind the unknown token, the ends of a text, and 256 bytes
 *   b   a llama2.c file as it is (it may hold no FUZZ_CUT) */
#include "fuzz_text.h"

#include <jansson.h>

/* --- seeds ------------------------------------------------------------------------------------------------------------------------------- */

#define CUT   FUZZ_TEXT(FUZZ_CUT)
#define TEXTS CUT, FUZZ_TEXT(fuzz_text_one), CUT, FUZZ_TEXT(fuzz_text_two)

static json_t *golden(const char *name) {
    char path[4400];
    (void)snprintf(path, sizeof path, "%s/%s", LT_GOLDEN, name);
    json_t *o = json_load_file(path, JSON_ALLOW_NUL, NULL);
    FUZZ_REQUIRE(o);
    return o;
}

/* The item of a list that has no end. */
static const char *item(const char *const *list, size_t i) {
    size_t n = 0;
    while (list[n]) n++;
    return list[i % n];
}

/* Every component once at least, each tokenizer with one of each kind. */
static void seed_components(void) {
    for (size_t i = 0; i < 20; i++) {
        char about[8000];
        (void)snprintf(about, sizeof about,
                       "{'added_tokens':[%s,%s],'normalizer':%s,'pre_tokenizer':%s,'post_processor':%s,'decoder':%s,'model':%s}",
                       item(fuzz_added, i), item(fuzz_added, i + 1), item(fuzz_normalizers, i), item(fuzz_pretokenizers, i),
                       item(fuzz_posts, i), item(fuzz_decoders, i), item(fuzz_models, i));
        char *json = fuzz_text_json(about), *config = fuzz_text_json(item(fuzz_configs, i));
        FUZZ_SEED(FUZZ_TEXT("j"), FUZZ_TEXT(json), TEXTS);
        FUZZ_SEED(FUZZ_TEXT("k"), FUZZ_TEXT(json), CUT, FUZZ_TEXT(config), TEXTS);
        free(json);
        free(config);
    }
}

static void seed_models(void) {
    json_t *all = golden("model_cases.json"), *o;
    size_t i;
    json_array_foreach(all, i, o) {
        char *about = json_dumps(json_object_get(o, "tokenizer"), JSON_COMPACT);
        json_t *text = json_object_get(json_array_get(json_object_get(o, "cases"), 3), "text");
        FUZZ_REQUIRE(about);
        FUZZ_SEED(FUZZ_TEXT("j"), FUZZ_TEXT(about), CUT, FUZZ_TEXT(json_is_string(text) ? json_string_value(text) : "a"), CUT,
                  FUZZ_TEXT(fuzz_text_two));
        free(about);
    }
    json_decref(all);
}

static void seed_folders(void) {
    json_t *all = golden("folder_cases.json"), *o;
    size_t i;
    json_array_foreach(json_object_get(all, "folders"), i, o) {
        const json_t *files = json_object_get(o, "files"), *objects = json_object_get(o, "objects"), *texts = json_object_get(all, "texts");
        const char *lines = json_string_value(json_object_get(texts, json_string_value(json_object_get(files, "vocab.txt")))),
                   *vocab = json_string_value(json_object_get(texts, json_string_value(json_object_get(files, "vocab.json")))),
                   *merges = json_string_value(json_object_get(texts, json_string_value(json_object_get(files, "merges.txt"))));
        char *config = json_dumps(json_object_get(objects, "tokenizer_config.json"), JSON_COMPACT),
             *about = json_dumps(json_object_get(objects, "tokenizer.json"), JSON_COMPACT);
        fuzz_piece laid = FUZZ_TEXT(config ? config : "");
        if (about) FUZZ_SEED(FUZZ_TEXT("k"), FUZZ_TEXT(about), CUT, laid, TEXTS);
        if (lines) FUZZ_SEED(FUZZ_TEXT("v"), FUZZ_TEXT(lines), CUT, laid, TEXTS);
        if (vocab && merges) FUZZ_SEED(FUZZ_TEXT("m"), FUZZ_TEXT(vocab), CUT, FUZZ_TEXT(merges), CUT, laid, TEXTS);
        free(config);
        free(about);
    }
    json_decref(all);
}

void fuzz_make_seeds(void) {
    seed_components();
    seed_models();
    seed_folders();
    FUZZ_SEED(FUZZ_TEXT("v"), FUZZ_TEXT("[UNK]\n[CLS]\n[SEP]\na\n##b\nc\n"), CUT, CUT, FUZZ_TEXT("ab cab"), CUT, FUZZ_TEXT("a"));
    FUZZ_SEED(FUZZ_TEXT("l"), FUZZ_TEXT("-1 a\n-2 b\n-3  \n-1 ab\n-0.5 aba\n-9 \xC3\xA9\n-4  a\n"), CUT,
              FUZZ_TEXT("abab \xC3\xA9\xE4\xB8\xAD ba"), CUT, FUZZ_TEXT("a"));
    FUZZ_SEED(FUZZ_TEXT("b"), {"\x04\0\0\0\0\0\0\0\x05\0\0\0<unk>", 17}, CUT, FUZZ_TEXT("a"));
}

/* --- inputs ------------------------------------------------------------------------------------------------------------------------------ */

/* A llama2.c vocabulary: unknown, begin and end of text, 256 bytes, then the lines. */
static void write_llama2c(const char *name, fuzz_input lines) {
    char *file = NULL, *text = fuzz_string(lines), *rest = NULL;
    size_t bytes;
    const int32_t longest = 1000;
    FILE *f = open_memstream(&file, &bytes);
    FUZZ_REQUIRE(f);
    fwrite(&longest, sizeof longest, 1, f);
    char *line = strtok_r(text, "\n", &rest);
    for (int i = 0; i < 259 || line; i++) {
        static const char *const first[] = {"<unk>", "<s>", "</s>"};
        char byte[8];
        const char *token = byte;
        float score = 0;
        (void)snprintf(byte, sizeof byte, "<0x%02X>", i - 3);
        if (i < 3) token = first[i];
        if (i >= 259) {
            char *end;
            score = strtof(line, &end);
            token = *end ? end + 1 : end;
            line = strtok_r(NULL, "\n", &rest);
        }
        int32_t n = (int32_t)strnlen(token, (size_t)longest);
        fwrite(&score, sizeof score, 1, f);
        fwrite(&n, sizeof n, 1, f);
        fwrite(token, 1, (size_t)n, f);
    }
    (void)fclose(f);
    fuzz_write(name, file, bytes);
    free(file);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_input in = {data, bytes};
    unsigned kind = fuzz_take_byte(&in);
    const char *name = kind == 'j' || kind == 'k' ? "tokenizer.json"
                       : kind == 'v'              ? "vocab.txt"
                       : kind == 'm'              ? "vocab.json"
                                                  : "tokenizer.bin";
    fuzz_input file = fuzz_take_part(&in), merges = kind == 'm' ? fuzz_take_part(&in) : (fuzz_input){0},
               config = kind == 'k' || kind == 'v' || kind == 'm' ? fuzz_take_part(&in) : (fuzz_input){0};
    fuzz_input one = fuzz_take_part(&in), two = fuzz_take_part(&in);
    fuzz_text_write("tokenizer_config.json", config);
    fuzz_text_write("merges.txt", merges);
    if (kind == 'l')
        write_llama2c(name, file);
    else
        fuzz_write(name, file.data, file.bytes);
    fuzz_text_check(name, one, two);
    return 0;
}
