// TEST np: 0  rooms: text  labels: unit  timeout: 120
/* Folders without a tokenizer.json, and tokenizer.json under a tokenizer_config.json, against transformers (golden/folder_cases.json): one
 * small folder for each class and each switch, its files written here.  Ids, pairs, decoded texts and the ids of special tokens are equal
 * or the test fails.  Files that are wrong, and real folders where they are at hand. */
#include "text_util.h"

#include <dirent.h>
#include <jansson.h>
#include <sys/stat.h>

/* --- files --------------------------------------------------------------------------------------------------------------------------------- */

/* Removes what lies in the test's folder. */
static void empty_folder(void) {
    DIR *d = opendir(text_dir());
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') (void)unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
}

static void write_text(const char *name, const char *text) { text_write(name, text, strlen(text)); }

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
    fwrite(data, 1, bytes, f);
}
static void put_piece(FILE *f, const char *text, float score, int type) {
    char *data = NULL;
    size_t bytes = 0;
    FILE *m = open_memstream(&data, &bytes);
    put_bytes(m, 1, text, strlen(text));
    put_varint(m, 2 << 3 | 5);
    fwrite(&score, sizeof score, 1, m);
    if (type != 1) put_number(m, 3, (uint64_t)type);
    fclose(m);
    put_bytes(f, 1, data, bytes);
    free(data);
}

static int base64(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : 0;
}

/* A normalizer_spec: the table of characters, base64 in the golden. */
static void put_normalizer(FILE *f, const char *text) {
    char *data = NULL;
    size_t bytes = 0, n = 0, length = strlen(text);
    unsigned char *table = malloc(length + 3);
    FILE *m = open_memstream(&data, &bytes);
    for (size_t i = 0; table && i + 3 < length; i += 4) {
        int v = base64(text[i]) << 18 | base64(text[i + 1]) << 12 | base64(text[i + 2]) << 6 | base64(text[i + 3]);
        for (int k = 0; k < 3; k++) table[n++] = (unsigned char)(v >> (16 - 8 * k));
    }
    for (size_t i = length; i > 0 && text[i - 1] == '='; i--) n--;
    put_bytes(m, 1, "own", 3); /* a field that is passed over */
    if (n) put_bytes(m, 2, table, n);
    fclose(m);
    put_bytes(f, 3, data, bytes);
    free(table);
    free(data);
}

/* A sentencepiece model as its file, caller frees. */
static char *model_file(const json_t *o, size_t *bytes) {
    char *file = NULL, *data = NULL;
    size_t n = 0, i;
    const json_t *p;
    FILE *f = open_memstream(&file, bytes), *m = open_memstream(&data, &n);
    json_array_foreach(json_object_get(o, "pieces"), i, p)
        put_piece(f, json_string_value(json_array_get(p, 0)), (float)json_number_value(json_array_get(p, 1)),
                  (int)json_integer_value(json_array_get(p, 2)));
    put_number(m, 3, (uint64_t)json_integer_value(json_object_get(o, "model_type")));
    put_number(m, 35, json_is_true(json_object_get(o, "byte_fallback")));
    put_number(m, 40, (uint64_t)json_integer_value(json_object_get(o, "unk_id")));
    put_bytes(m, 45, json_string_value(json_object_get(o, "unk_piece")), json_string_length(json_object_get(o, "unk_piece")));
    fclose(m);
    put_bytes(f, 2, data, n);
    put_normalizer(f, json_string_value(json_object_get(o, "charsmap")));
    fclose(f);
    free(data);
    return file;
}

/* --- folders against transformers ------------------------------------------------------------------------------------------------------------ */

/* A folder's files; false: it is one of the shared ones, and they are not here. */
static bool write_folder(const json_t *golden, const json_t *folder) {
    const char *name;
    json_t *o;
    size_t i;
    empty_folder();
    json_array_foreach(json_object_get(folder, "links"), i, o) {
        char file[4400];
        (void)snprintf(file, sizeof file, "%s/tokenizers/%s/%s", text_shared() ? text_shared() : ".",
                       json_string_value(json_object_get(folder, "folder")), json_string_value(o));
        if (access(file, R_OK) != 0) return false;
        CHECK(symlink(file, text_path(json_string_value(o))) == 0);
    }
    json_object_foreach(json_object_get(folder, "files"), name, o) {
        const json_t *text = json_object_get(json_object_get(golden, "texts"), json_string_value(o));
        if (strstr(name, ".model")) {
            size_t bytes;
            char *data = model_file(json_object_get(json_object_get(golden, "models"), json_string_value(o)), &bytes);
            text_write(name, data, bytes);
            free(data);
        } else {
            text_write(name, json_string_value(text), json_string_length(text));
        }
    }
    json_object_foreach(json_object_get(folder, "objects"), name, o) CHECK(json_dump_file(o, text_path(name), JSON_COMPACT) == 0);
    return true;
}

static bool same(const lt_ids *got, const json_t *want) {
    bool equal = (size_t)got->n == json_array_size(want);
    for (size_t i = 0; equal && i < json_array_size(want); i++) equal = got->id[i] == json_integer_value(json_array_get(want, i));
    return equal;
}

static void show(const char *name, const json_t *o, const lt_ids *got) {
    char *want = json_dumps(o, JSON_COMPACT);
    fprintf(stderr, "%s: %s\n  got ", name, want);
    for (int64_t i = 0; i < got->n; i++) fprintf(stderr, " %d", got->id[i]);
    fputc('\n', stderr);
    free(want);
}

/* How many texts and pairs are cut otherwise than a folder's answers say. */
static int differing_ids(const lt_tok *t, const json_t *folder, bool loud) {
    const char *name = json_string_value(json_object_get(folder, "name"));
    const json_t *o;
    size_t i;
    int wrong = 0;
    json_array_foreach(json_object_get(folder, "cases"), i, o) {
        const json_t *text = json_object_get(o, "text");
        for (int special = 0; special < 2; special++) {
            lt_ids ids = {0};
            CHECK_OK(lt_tok_encode(t, json_string_value(text), json_string_length(text), special, &ids, NULL));
            bool equal = same(&ids, json_object_get(o, special ? "ids" : "plain"));
            if (loud && !equal) show(name, o, &ids);
            wrong += !equal;
            lt_ids_free(&ids);
        }
    }
    json_array_foreach(json_object_get(folder, "pairs"), i, o) {
        const json_t *a = json_object_get(o, "a"), *b = json_object_get(o, "b");
        lt_ids ids = {0};
        int64_t segment;
        bool cut;
        CHECK_OK(text_encode_pair(t, json_string_value(a), json_string_value(b), 0, &ids, &segment, &cut));
        if (loud && !same(&ids, json_object_get(o, "ids"))) show(name, o, &ids);
        wrong += !same(&ids, json_object_get(o, "ids"));
        lt_ids_free(&ids);
    }
    return wrong;
}

static void check_decoded(const lt_tok *t, const json_t *folder) {
    const json_t *o, *id;
    size_t i, k;
    json_array_foreach(json_object_get(folder, "decode"), i, o) {
        lt_ids ids = {0};
        char *text = NULL;
        size_t bytes = 0;
        json_array_foreach(json_object_get(o, "ids"), k, id) CHECK_OK(lt_ids_push(&ids, (int32_t)json_integer_value(id)));
        CHECK_OK(lt_tok_decode(t, ids.id, ids.n, json_is_true(json_object_get(o, "skip")), &text, &bytes));
        TEST_REPORT(text && !strcmp(text, json_string_value(json_object_get(o, "text"))), "%s decodes to \"%s\", expected \"%s\"",
                    json_string_value(json_object_get(folder, "name")), text ? text : "(nothing)",
                    json_string_value(json_object_get(o, "text")));
        free(text);
        lt_ids_free(&ids);
    }
}

static void check_roles(const lt_tok *t, const json_t *folder) {
    const struct {
        const char *role;
        int32_t id;
    } part[] = {{"cls", lt_tok_cls(t)},   {"sep", lt_tok_sep(t)}, {"pad", lt_tok_pad(t)}, {"unk", lt_tok_unk(t)},
                {"mask", lt_tok_mask(t)}, {"bos", lt_tok_bos(t)}, {"eos", lt_tok_eos(t)}};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        const json_t *want = json_object_get(json_object_get(folder, "roles"), part[i].role);
        /* the model's own unknown token is kept where the config names none */
        if (!strcmp(part[i].role, "unk") && json_is_null(want)) continue;
        TEST_REPORT(part[i].id == (json_is_null(want) ? -1 : json_integer_value(want)), "%s: %s is %d",
                    json_string_value(json_object_get(folder, "name")), part[i].role, part[i].id);
    }
}

static const json_t *folder_named(const json_t *golden, const char *name) {
    const json_t *o;
    size_t i;
    json_array_foreach(json_object_get(golden, "folders"), i, o) if (!strcmp(json_string_value(json_object_get(o, "name")), name)) return o;
    return NULL;
}

static void golden_folders(const json_t *golden) {
    const json_t *o;
    size_t i;
    json_array_foreach(json_object_get(golden, "folders"), i, o) {
        lt_tok *t = NULL;
        if (!write_folder(golden, o)) {
            printf("%s: skipped, its files are not here\n", json_string_value(json_object_get(o, "name")));
            continue;
        }
        CHECK_OK(lt_tok_open(text_dir(), &t));
        if (!t) continue;
        TEST_REPORT(differing_ids(t, o, true) == 0, "%s: ids differ", json_string_value(json_object_get(o, "name")));
        check_decoded(t, o);
        check_roles(t, o);
        lt_tok_close(&t);
    }
}

/* Controls: a folder is not mistaken for its neighbour. */
static void controls(const json_t *golden) {
    static const char *const pairs[][2] = {{"bert", "bert-cased"},
                                           {"bert", "bert-accents"},
                                           {"gpt2", "gpt2-prefix"},
                                           {"roberta", "roberta-prefix"},
                                           {"llama", "llama-new"},
                                           {"llama", "llama-bare"},
                                           {"t5", "t5-new"},
                                           {"deberta-v2", "deberta-v2-lower"},
                                           {"albert", "albert-cased"},
                                           {"gemma", "gemma-eos"},
                                           {"xlm-roberta", "camembert"},
                                           {"gpt2", "qwen2-plain"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        lt_tok *t = NULL;
        (void)write_folder(golden, folder_named(golden, pairs[i][0]));
        CHECK_OK(lt_tok_open(text_dir(), &t));
        if (t) TEST_REPORT(differing_ids(t, folder_named(golden, pairs[i][1]), false) > 0, "%s is taken for %s", pairs[i][1], pairs[i][0]);
        lt_tok_close(&t);
    }
}

/* A file opens as its folder does. */
static void lone_files(const json_t *golden) {
    static const char *const of[][2] = {{"bert-cased", "vocab.txt"},    {"roberta", "vocab.json"},
                                        {"roberta", "merges.txt"},      {"llama-new", "tokenizer.model"},
                                        {"deberta-v2", "spm.model"},    {"xlm-roberta", "sentencepiece.bpe.model"},
                                        {"json-bert", "tokenizer.json"}};
    lt_tok *t = NULL;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const json_t *o = folder_named(golden, of[i][0]);
        (void)write_folder(golden, o);
        CHECK_OK(lt_tok_open(text_path(of[i][1]), &t));
        if (t) CHECK_INT(differing_ids(t, o, true), 0);
        lt_tok_close(&t);
    }
    /* without any config the file's name and what is in it decide */
    for (size_t i = 0; i < 6; i++) {
        const json_t *o = folder_named(golden, i == 0 ? "bert" : i == 3 ? "llama" : of[i][0]);
        (void)write_folder(golden, o);
        (void)unlink(text_path("tokenizer_config.json"));
        CHECK_OK(lt_tok_open(text_dir(), &t));
        if (t) CHECK_INT(differing_ids(t, o, true), 0);
        lt_tok_close(&t);
    }
}

/* --- files that are wrong -------------------------------------------------------------------------------------------------------------------- */

static void refused(const char *says) {
    lt_tok *t = NULL;
    CHECK_FAILS(lt_tok_open(text_dir(), &t), LT_ERR_FORMAT, says);
    CHECK(t == NULL);
    lt_tok_close(&t);
}

static void wrong_config(const json_t *golden) {
    static const struct {
        const char *folder, *config, *says;
    } bad[] = {{"bert", "{", "not JSON"},
               {"bert", "[]", "expected an object"},
               {"bert", "{\"tokenizer_class\": 3}", "tokenizer_class"},
               {"bert", "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}", "BertJapaneseTokenizer"},
               {"bert", "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}", "Bert, DistilBert"},
               {"bert", "{\"tokenizer_class\": \"LlamaTokenizer\"}", "opened from a sentencepiece model"},
               {"llama", "{\"tokenizer_class\": \"PegasusTokenizer\"}", "Llama, Gemma"},
               {"bert", "{\"do_lower_case\": 1}", "do_lower_case"},
               {"bert", "{\"strip_accents\": \"no\"}", "strip_accents"},
               {"bert", "{\"cls_token\": 5}", "cls_token"},
               {"bert", "{\"cls_token\": {\"content\": 5}}", "cls_token"},
               {"bert", "{\"cls_token\": null}", "no cls_token"},
               {"bert", "{\"additional_special_tokens\": \"<x>\"}", "additional_special_tokens"},
               {"bert", "{\"additional_special_tokens\": [[]]}", "additional_special_tokens"},
               {"bert", "{\"added_tokens_decoder\": []}", "added_tokens_decoder"},
               {"bert", "{\"added_tokens_decoder\": {\"x\": {\"content\": \"<x>\"}}}", "\"x\""},
               {"bert", "{\"added_tokens_decoder\": {\"-1\": {\"content\": \"<x>\"}}}", "\"-1\""},
               {"bert", "{\"added_tokens_decoder\": {\"99999999999999999999\": {\"content\": \"<x>\"}}}", "added_tokens_decoder"},
               {"bert", "{\"added_tokens_decoder\": {\"7\": {}}}", "added_tokens_decoder"},
               {"bert", "{\"split_special_tokens\": true}", "split_special_tokens"},
               {"bert", "{\"truncation_side\": \"left\"}", "truncation_side"},
               {"gpt2", "{\"add_bos_token\": true, \"bos_token\": null}", "no bos_token"},
               {"llama", "{\"bos_token\": null}", "no bos_token"},
               {"llama", "{\"legacy\": \"yes\"}", "legacy"},
               {"t5", "{\"extra_ids\": -1}", "extra_ids"},
               {"t5", "{\"extra_ids\": \"two\"}", "extra_ids"},
               {"json-bert", "{\"tokenizer_class\": \"NllbTokenizer\"}", "language"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)write_folder(golden, folder_named(golden, bad[i].folder));
        write_text("tokenizer_config.json", bad[i].config);
        refused(bad[i].says);
    }
}

static void wrong_vocabularies(void) {
    static const struct {
        const char *vocab, *merges, *says;
    } bad[] = {{"{\"a\": 0", "", "not JSON"},
               {"[]", "", "expected an object"},
               {"{}", "", "expected an object"},
               {"{\"a\": -1}", "", "\"a\""},
               {"{\"a\": 1.5}", "", "\"a\""},
               {"{\"a\": \"0\"}", "", "\"a\""},
               {"{\"a\": 99999999999}", "", "0 to 4194303"},
               {"{\"a\": 0, \"b\": 0}", "", "both have id 0"},
               {"{\"a\": 0, \"b\": 1}", "#version\n", "tokenizer_class"},
               {"{\"<s>\": 0, \"<mask>\": 1, \"a\": 2}", "#version\na b\n", "merges.txt:2: token \"b\""},
               {"{\"<s>\": 0, \"<mask>\": 1, \"a\": 2}", "#version\na\n", "merges.txt:2"},
               {"{\"<s>\": 0, \"<mask>\": 1, \"a\": 2}", "#version\na a a\n", "expected two tokens"},
               {"{\"<s>\": 0, \"<mask>\": 1, \"a\": 2}", "#version\n\n", "merges.txt:2"},
               {"{\"<s>\": 0, \"<mask>\": 1, \"a\": 2}", "#version\na a\n", "lacks"},
               {"{\"<s>\": 0, \"<mask>\": 1, \"a\": 2}", "#version\n\377 a\n", "merges.txt:2: not UTF-8"}};
    lt_tok *t = NULL;
    empty_folder();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text("vocab.json", bad[i].vocab);
        write_text("merges.txt", bad[i].merges);
        refused(bad[i].says);
    }
    (void)unlink(text_path("merges.txt"));
    CHECK_FAILS(lt_tok_open(text_dir(), &t), LT_ERR_IO, "merges.txt");
    empty_folder();
    write_text("vocab.txt", "");
    refused("is empty");
    write_text("vocab.txt", "a\nb\n");
    refused("[UNK]");
    write_text("vocab.txt", "[UNK]\n\xC3\n");
    refused("vocab.txt:2: not UTF-8");
}

static void wrong_models(const json_t *golden) {
    char *data = NULL;
    size_t bytes = 0;
    int accepted = 0;
    lt_tok *t = NULL;
    empty_folder();
    const struct {
        const char *text, *says;
        float score;
        int type, model, unk;
    } bad[] = {{"a", "is no finite number", NAN, 1, 1, 0},
               {"a", "is no finite number", INFINITY, 1, 2, 0},
               {"", "has no text", 0, 1, 1, 0},
               {"a", "type 9", 0, 9, 1, 0},
               {"<unk>", "are both", 0, 1, 1, 0},
               {"a", "model type 3", 0, 1, 3, 0},
               {"a", "unk_id", 0, 1, 1, 9},
               {"a", "unk_id", 0, 1, 1, -2},
               {"\xC3(", "no text", 0, 1, 1, 0},
               {"a\xED\xA0\x80", "no text", 0, 1, 1, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        FILE *f = open_memstream(&data, &bytes), *m = fopen(text_path("trainer"), "wb");
        put_piece(f, "<unk>", 0, 2);
        put_piece(f, bad[i].text, bad[i].score, bad[i].type);
        put_number(m, 3, (uint64_t)bad[i].model);
        put_number(m, 40, (uint64_t)(int64_t)bad[i].unk);
        long n = ftell(m);
        fclose(m);
        put_varint(f, 2 << 3 | 2);
        put_varint(f, (uint64_t)n);
        m = fopen(text_path("trainer"), "rb");
        for (int c; m && (c = fgetc(m)) != EOF;) fputc(c, f);
        if (m) fclose(m);
        fclose(f);
        text_write("spiece.model", data, bytes);
        free(data);
        refused(bad[i].says);
    }
    static const char *const raw[] = {"",           "\n",  "\n\377\377\377\377\377\377\377\377\377\377\377",
                                      "\n\5\n",     "\13", "\n\200\200\200\200\200\200\200\200\177",
                                      "not a model"};
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++) {
        text_write("spiece.model", raw[i], strlen(raw[i]));
        refused("spiece.model");
    }
    /* cut anywhere: refused, or all pieces whole; bytes that are turned over: no crash */
    data = model_file(json_object_get(json_object_get(golden, "models"), "t5"), &bytes);
    for (size_t n = 0; n < bytes; n += 7) {
        text_write("spiece.model", data, n);
        accepted += lt_tok_open(text_dir(), &t) == LT_OK;
        lt_tok_close(&t);
    }
    CHECK(accepted < (int)bytes / 70);
    unsigned state = 1;
    for (int round = 0; round < 300; round++) {
        state = state * 1103515245u + 12345u;
        size_t at = (state >> 8) % bytes;
        char kept = data[at];
        data[at] = (char)(kept ^ (1 << (state & 7)));
        text_write("spiece.model", data, bytes);
        (void)lt_tok_open(text_dir(), &t);
        lt_tok_close(&t);
        data[at] = kept;
    }
    text_write("spiece.model", data, bytes);
    CHECK_OK(lt_tok_open(text_dir(), &t)); /* control: whole it opens */
    lt_tok_close(&t);
    free(data);
}

static void nothing_there(void) {
    lt_tok *t = NULL;
    empty_folder();
    CHECK_FAILS(lt_tok_open(text_dir(), &t), LT_ERR_IO,
                "looked for tokenizer.json, vocab.txt, vocab.json with merges.txt, tokenizer.model");
    CHECK_FAILS(lt_tok_open(text_path("none"), &t), LT_ERR_IO, "No such file");
    write_text("some.thing", "");
    CHECK_FAILS(lt_tok_open(text_path("some.thing"), &t), LT_ERR_FORMAT, "cannot be told from its name");
    CHECK_FAILS(lt_tok_open(text_path("some.model"), &t), LT_ERR_IO, "No such file");
}

int main(void) {
    json_error_t e;
    json_t *golden = json_load_file(LT_SOURCE "/tests/golden/folder_cases.json", 0, &e);
    CHECK(golden != NULL);
    if (golden) {
        golden_folders(golden);
        controls(golden);
        lone_files(golden);
        wrong_config(golden);
        wrong_vocabularies();
        wrong_models(golden);
    }
    nothing_there();
    json_decref(golden);
    empty_folder();
    text_clean(NULL, 0);
    return test_end();
}
