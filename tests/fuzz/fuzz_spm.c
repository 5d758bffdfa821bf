/* Fuzzes sentencepiece's models (fuzz_text.c has the promises).  An input is one byte (how the model is written), parts, and two texts, with FUZZ_CUT
 * between:
 *   p   tokenizer_config.json, pieces, table of characters        q, r, s: the same in a file of another name, which chooses another class
 *   b   tokenizer_config.json, a file as it is (it may hold no FUZZ_CUT)
 * Pieces are lines, "type score text", behind a line "model_type byte_fallback unk_id unk_piece"; of these a protocol buffer is written, so that what
 * is changed is not always the lengths of its fields.  A table is given as its bytes. */
#include "fuzz_text.h"

#include <jansson.h>

/* --- protocol buffers -------------------------------------------------------------------------------------------------------------------- */

static void put_varint(FILE *f, uint64_t v) {
    for (; v >= 0x80; v >>= 7) fputc((int)(v & 0x7F) | 0x80, f);
    fputc((int)v, f);
}

static void put_number(FILE *f, int field, uint64_t v) {
    put_varint(f, (uint64_t)field << 3);
    put_varint(f, v);
}

static void put_bytes(FILE *f, int field, const void *data, size_t bytes) {
    put_varint(f, (uint64_t)field << 3 | 2);
    put_varint(f, bytes);
    if (bytes) fwrite(data, 1, bytes, f);
}

/* "type score text" */
static void put_piece(FILE *f, const char *line) {
    char *data = NULL, *end;
    size_t bytes = 0;
    uint64_t type = strtoull(line, &end, 10);
    float score = strtof(*end ? end + 1 : end, &end);
    const char *text = *end ? end + 1 : end;
    FILE *m = open_memstream(&data, &bytes);
    FUZZ_REQUIRE(m);
    put_bytes(m, 1, text, strlen(text));
    put_varint(m, 2 << 3 | 5);
    fwrite(&score, sizeof score, 1, m);
    if (type != 1) put_number(m, 3, type);
    (void)fclose(m);
    put_bytes(f, 1, data, bytes);
    free(data);
}

/* A model of its lines and its table, released by free(). */
static char *make_model(fuzz_input lines, fuzz_input table, size_t *bytes) {
    static const int field[] = {3, 35, 40};
    char *file = NULL, *part = NULL, *text = fuzz_string(lines), *rest = NULL, *line = strtok_r(text, "\n", &rest);
    size_t n = 0;
    FILE *f = open_memstream(&file, bytes), *m = open_memstream(&part, &n);
    FUZZ_REQUIRE(f && m);
    for (int i = 0; line && i < 3; i++) put_number(m, field[i], strtoull(line, &line, 10));
    if (line && *line) put_bytes(m, 45, line + 1, strlen(line + 1));
    (void)fclose(m);
    while ((line = strtok_r(NULL, "\n", &rest)) != NULL) put_piece(f, line);
    put_bytes(f, 2, part, n);
    free(part);
    m = open_memstream(&part, &n);
    FUZZ_REQUIRE(m);
    put_bytes(m, 1, "own", 3);
    if (table.bytes) put_bytes(m, 2, table.data, table.bytes);
    (void)fclose(m);
    put_bytes(f, 3, part, n);
    (void)fclose(f);
    free(part);
    free(text);
    return file;
}

/* --- seeds ------------------------------------------------------------------------------------------------------------------------------- */

#define CUT FUZZ_TEXT(FUZZ_CUT)

static int digit(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : 0;
}

/* Bytes of base64, released by free(). */
static char *decode_table(const char *text, size_t *bytes) {
    size_t length = strlen(text), n = 0;
    char *table = malloc(length + 3);
    FUZZ_REQUIRE(table);
    for (size_t i = 0; i + 3 < length; i += 4) {
        int v = digit(text[i]) << 18 | digit(text[i + 1]) << 12 | digit(text[i + 2]) << 6 | digit(text[i + 3]);
        for (int k = 0; k < 3; k++) table[n++] = (char)(v >> (16 - 8 * k));
    }
    for (size_t i = length; i > 0 && text[i - 1] == '=' && n > 0; i--) n--;
    *bytes = n;
    return table;
}

static void seed_model(const json_t *model, const char *config, const char *kind) {
    char *lines = NULL;
    size_t n = 0, i, table_bytes;
    const json_t *p;
    FILE *f = open_memstream(&lines, &n);
    FUZZ_REQUIRE(f);
    fprintf(f, "%d %d %d %s\n", (int)json_integer_value(json_object_get(model, "model_type")),
            json_is_true(json_object_get(model, "byte_fallback")), (int)json_integer_value(json_object_get(model, "unk_id")),
            json_string_value(json_object_get(model, "unk_piece")));
    json_array_foreach(json_object_get(model, "pieces"), i, p)
        fprintf(f, "%d %g %s\n", (int)json_integer_value(json_array_get(p, 2)), json_number_value(json_array_get(p, 1)),
                json_string_value(json_array_get(p, 0)));
    (void)fclose(f);
    char *table = decode_table(json_string_value(json_object_get(model, "charsmap")), &table_bytes);
    FUZZ_SEED(FUZZ_TEXT(kind), FUZZ_TEXT(config), CUT, {lines, n}, CUT, {table, table_bytes}, CUT, FUZZ_TEXT(fuzz_text_one), CUT,
              FUZZ_TEXT(fuzz_text_two));
    size_t bytes = 0;
    char *file = make_model((fuzz_input){(const uint8_t *)lines, n}, (fuzz_input){(const uint8_t *)table, table_bytes}, &bytes);
    if (!memmem(file, bytes, FUZZ_CUT, 2))
        FUZZ_SEED(FUZZ_TEXT("b"), FUZZ_TEXT(config), CUT, {file, bytes}, CUT, FUZZ_TEXT(fuzz_text_one), CUT, FUZZ_TEXT(fuzz_text_two));
    free(file);
    free(table);
    free(lines);
}

void fuzz_make_seeds(void) {
    static const char *const names[] = {"tokenizer.model", "spm.model", "sentencepiece.bpe.model", "spiece.model"};
    char path[4400];
    const char *name;
    size_t i;
    (void)snprintf(path, sizeof path, "%s/folder_cases.json", LT_GOLDEN);
    json_t *all = json_load_file(path, JSON_ALLOW_NUL, NULL), *o, *which;
    FUZZ_REQUIRE(all);
    json_array_foreach(json_object_get(all, "folders"), i, o)
        json_object_foreach(json_object_get(o, "files"), name, which) for (int k = 0; k < 4; k++) {
        if (strcmp(name, names[k]) != 0) continue;
        char *config = json_dumps(json_object_get(json_object_get(o, "objects"), "tokenizer_config.json"), JSON_COMPACT);
        seed_model(json_object_get(json_object_get(all, "models"), json_string_value(which)), config ? config : "",
                   (const char *[]){"p", "q", "r", "s"}[k]);
        free(config);
    }
    json_decref(all);
    FUZZ_SEED(FUZZ_TEXT("p"), CUT, FUZZ_TEXT("2 1 0 <unk>\n2 0 <unk>\n3 0 <s>\n3 0 </s>\n1 -1 a\n1 -2 b\n1 -3 ab\n4 -4 <u>\n6 0 <0xC3>\n"),
              CUT, CUT, FUZZ_TEXT("ab <u> ba \xC3\xA9"), CUT, FUZZ_TEXT("a"));
    FUZZ_SEED(FUZZ_TEXT("q"), FUZZ_TEXT("{\"split_by_punct\": true, \"do_lower_case\": true}"), CUT,
              FUZZ_TEXT("1 0 1 [UNK]\n3 0 [PAD]\n2 0 [UNK]\n3 0 [CLS]\n3 0 [SEP]\n1 -1 a\n1 -2 b\n1 -1.5 \xE2\x96\x81"
                        "ab\n"),
              CUT, CUT, FUZZ_TEXT("AB, ab  \xC3\xA9"), CUT, FUZZ_TEXT("a"));
}

/* --- inputs ------------------------------------------------------------------------------------------------------------------------------ */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_input in = {data, bytes};
    unsigned kind = fuzz_take_byte(&in);
    const char *name = kind == 'q'   ? "spm.model"
                       : kind == 'r' ? "sentencepiece.bpe.model"
                       : kind == 's' ? "spiece.model"
                                     : "tokenizer.model";
    fuzz_input config = fuzz_take_part(&in), file = fuzz_take_part(&in), table = kind == 'b' ? (fuzz_input){0} : fuzz_take_part(&in);
    fuzz_input one = fuzz_take_part(&in), two = fuzz_take_part(&in);
    fuzz_text_write("tokenizer_config.json", config);
    if (kind == 'b') {
        fuzz_write(name, file.data, file.bytes);
    } else {
        size_t n = 0;
        char *model = make_model(file, table, &n);
        fuzz_write(name, model, n);
        free(model);
    }
    fuzz_text_check(name, one, two);
    return 0;
}
