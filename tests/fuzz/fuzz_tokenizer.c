/* Fuzzes lt_tok_open, encoding and decoding.  An input is one byte (the kind of file), the file, FUZZ_CUT, and texts:
 *   j   tokenizer.json, text, second text
 *   v   vocab.txt, tokenizer_config.json (none if empty), text, second text
 *   l   two bytes: number of tokens; the file of these tokens in llama2.c's form, made of lines "score text"; text, second text
 *   b   a llama2.c file as it is; text, second text (the file may hold no FUZZ_CUT) */
#include "fuzz.h"

#include "golden/text_cases.h"
#include "text/tokenizer.h"

const char *const fuzz_words[] = {"\"model\":",
                                  "\"type\":",
                                  "\"WordPiece\"",
                                  "\"vocab\":",
                                  "\"unk_token\":",
                                  "\"[UNK]\"",
                                  "\"[CLS]\"",
                                  "\"[SEP]\"",
                                  "[MASK]",
                                  "[PAD]",
                                  "\"continuing_subword_prefix\":",
                                  "\"##\"",
                                  "\"max_input_chars_per_word\":",
                                  "\"normalizer\":",
                                  "\"BertNormalizer\"",
                                  "\"clean_text\":",
                                  "\"handle_chinese_chars\":",
                                  "\"strip_accents\":",
                                  "\"lowercase\":",
                                  "\"pre_tokenizer\":",
                                  "\"BertPreTokenizer\"",
                                  "\"added_tokens\":",
                                  "\"added_tokens_decoder\":",
                                  "\"id\":",
                                  "\"content\":",
                                  "\"special\":",
                                  "\"single_word\":",
                                  "\"normalized\":",
                                  "\"do_lower_case\":",
                                  "\"tokenize_chinese_chars\":",
                                  "true",
                                  "false",
                                  "16777215",
                                  "##ing",
                                  "\xC3\xA9",
                                  "\xCC\x81",
                                  "\xC7\x95",
                                  "\xC4\xB0",
                                  "\xE4\xB8\xAD",
                                  "\xEF\xBF\xBD",
                                  "\xF0\x9F\x98\x80",
                                  "\xED\x95\x9C",
                                  "\xEA\xB0\x81",
                                  "\xE0\xBD\xB3",
                                  "<0x41>",
                                  "<s>",
                                  FUZZ_CUT,
                                  NULL};

static const char json_seed[] =
    "{\"added_tokens\": [{\"id\": 0, \"content\": \"[PAD]\", \"special\": true}, {\"id\": 9, \"content\": \"<ent>\", \"special\": false}],"
    "\"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"strip_accents\": null, "
    "\"lowercase\": true}, \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"},"
    "\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": "
    "100,"
    "\"vocab\": {\"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3, \"[MASK]\": 4, \"a\": 5, \"film\": 6, \"##s\": 7, \".\": 8}}}";
static const char text_seed[] = "A Film: films, \xC3\xA9t\xC3\xA9 \xE4\xB8\xAD\xE6\x96\x87 <ent> [MASK] don't.";

void fuzz_make_seeds(void) {
    char *vocab = NULL;
    size_t bytes;
    FILE *f = open_memstream(&vocab, &bytes);
    FUZZ_REQUIRE(f);
    for (int i = 0; i < CASE_VOCAB; i++) fprintf(f, "%s\n", case_vocab[i]);
    (void)fclose(f);
    FUZZ_SEED(FUZZ_TEXT("j"), FUZZ_TEXT(json_seed), FUZZ_TEXT(FUZZ_CUT), FUZZ_TEXT(text_seed), FUZZ_TEXT(FUZZ_CUT),
              FUZZ_TEXT("Someone a film."));
    FUZZ_SEED(FUZZ_TEXT("v"), {vocab, bytes}, FUZZ_TEXT(FUZZ_CUT), FUZZ_TEXT(FUZZ_CUT), FUZZ_TEXT(text_seed));
    FUZZ_SEED(FUZZ_TEXT("v"), FUZZ_TEXT("[UNK]\n[CLS]\n[SEP]\na\n##b\nc\n"), FUZZ_TEXT(FUZZ_CUT),
              FUZZ_TEXT("{\"do_lower_case\": false, \"strip_accents\": true, \"tokenize_chinese_chars\": false, \"added_tokens_decoder\": "
                        "{\"6\": {\"content\": \"<x>\", \"special\": true}, \"0\": {\"content\": \"[UNK]\", \"special\": true}}}"),
              FUZZ_TEXT(FUZZ_CUT), FUZZ_TEXT("ab <x> cab"), FUZZ_TEXT(FUZZ_CUT), FUZZ_TEXT("a"));
    FUZZ_SEED(FUZZ_TEXT("l"), FUZZ_TEXT("-1 a\n-2 b\n-3  \n-1 ab\n-0.5 aba\n-9 \xC3\xA9\n-4  a\n"), FUZZ_TEXT(FUZZ_CUT),
              FUZZ_TEXT("abab \xC3\xA9\xE4\xB8\xAD ba"));
    FUZZ_SEED(FUZZ_TEXT("b"), {"\x04\0\0\0\0\0\0\0\x05\0\0\0<unk>", 17}, FUZZ_TEXT(FUZZ_CUT), FUZZ_TEXT("a"));
    free(vocab);
    for (size_t i = 0; i + 1 < sizeof case_encode / sizeof *case_encode; i += 4)
        FUZZ_SEED(FUZZ_TEXT("j"), FUZZ_TEXT(json_seed), FUZZ_TEXT(FUZZ_CUT), {case_encode[i].text, case_encode[i].bytes},
                  FUZZ_TEXT(FUZZ_CUT), {case_encode[i + 1].text, case_encode[i + 1].bytes});
}

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

static void check_ids(const lt_tok *t, const lt_ids *ids) {
    for (int64_t i = 0; i < ids->n; i++) FUZZ_REQUIRE(ids->id[i] >= 0 && ids->id[i] < lt_tok_vocab_size(t));
}

static void encode(const lt_tok *t, const char *a, size_t n, const char *b) {
    lt_ids ids = {0};
    int64_t segment;
    bool truncated;
    char *text;
    FUZZ_OK(lt_ids_push(&ids, 0));
    for (int special = 0; special < 2; special++) {
        int64_t before = ids.n;
        lt_status st = lt_tok_encode(t, a, n, special, &ids, NULL);
        FUZZ_REQUIRE(st == LT_OK || (st == LT_ERR_FORMAT && ids.n == before));
    }
    check_ids(t, &ids);
    for (int skip = 0; skip < 2; skip++)
        if (lt_tok_decode(t, ids.id, ids.n, skip, &text, NULL) == LT_OK) free(text);
    for (int64_t max = 0; max <= 16; max += 4)
        for (int pair = 0; pair < 2; pair++) {
            ids.n = 0;
            if (lt_tok_encode_pair(t, a, n, pair ? b : NULL, pair ? strlen(b) : 0, max, LT_LONGEST_FIRST, &ids, NULL, &segment,
                                   &truncated) != LT_OK)
                continue;
            FUZZ_REQUIRE(segment >= 0 && segment <= ids.n && (max == 0 || ids.n <= max) && (max > 0 || !truncated));
            check_ids(t, &ids);
        }
    lt_ids_free(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_input in = {data, bytes};
    lt_tok *t = NULL;
    char hex[LT_SHA_HEX_BYTES];
    unsigned kind = fuzz_take_byte(&in);
    const char *name = kind == 'j' ? "tokenizer.json" : kind == 'v' ? "vocab.txt" : "tokenizer.bin";
    fuzz_input file = fuzz_take_part(&in), config = kind == 'v' ? fuzz_take_part(&in) : (fuzz_input){0};
    fuzz_input one = fuzz_take_part(&in), two = fuzz_take_part(&in);
    fuzz_remove("tokenizer_config.json");
    if (kind == 'l')
        write_llama2c(name, file);
    else
        fuzz_write(name, file.data, file.bytes);
    if (config.bytes) fuzz_write("tokenizer_config.json", config.data, config.bytes);
    lt_status st = lt_tok_open(fuzz_path(name), &t);
    if (st == LT_OK) {
        char *a = fuzz_string(one), *b = fuzz_string(two);
        const int32_t named[] = {lt_tok_cls(t), lt_tok_sep(t), lt_tok_pad(t), lt_tok_unk(t), lt_tok_mask(t), lt_tok_bos(t), lt_tok_eos(t)};
        for (size_t i = 0; i < sizeof named / sizeof *named; i++) FUZZ_REQUIRE(named[i] >= -1 && named[i] < lt_tok_vocab_size(t));
        FUZZ_REQUIRE(lt_tok_token_id(t, "film") < lt_tok_vocab_size(t));
        encode(t, a, one.bytes, b);
        FUZZ_OK(lt_tok_sha256(t, hex));
        free(a);
        free(b);
        lt_tok_close(&t);
    }
    FUZZ_REQUIRE(st == LT_OK || (t == NULL && lt_err_last()->msg[0]));
    return 0;
}
