// TEST np: 0  rooms: text  labels: unit  timeout: 60
/* WordPiece against ids of Hugging Face (golden/text_cases.h): one vocabulary, opened from vocab.txt with and without lower case and from a tokenizer.json
 * with other flags; pairs and truncation; decoding; files that are wrong.  Ids are equal or the test fails: there is no limit to choose. */
#include "golden/text_cases.h"
#include "text_util.h"

static const char *const files[] = {"tokenizer.json", "vocab.txt", "tokenizer_config.json", "bad.json"};
enum { N_FILES = sizeof files / sizeof *files };

static void write_text(const char *name, const char *text) { text_write(name, text, strlen(text)); }

/* vocab.txt of the first n words; every line ends in `end`. */
static void write_vocab(int n, const char *end) {
    FILE *f = fopen(text_path("vocab.txt"), "wb");
    for (int i = 0; f && i < n; i++) fprintf(f, "%s%s", case_vocab[i], end);
    CHECK(f != NULL);
    if (f) fclose(f);
}

/* The same vocabulary as tokenizer.json; caller frees. */
static char *json_text(const char *normalizer, const char *added, const char *more_model) {
    char *text = NULL;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);
    fprintf(f, "{\"added_tokens\": [%s], \"normalizer\": %s,\n \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"},\n", added, normalizer);
    fprintf(f, " \"post_processor\": {\"type\": \"BertProcessing\", \"cls\": [\"[CLS]\", 2], \"sep\": [\"[SEP]\", 3]},\n");
    fprintf(f, " \"decoder\": {\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true},\n");
    fprintf(f, " \"model\": {\"type\": \"WordPiece\", %s\n  \"vocab\": {", more_model);
    for (int i = 0; i < CASE_VOCAB; i++) {
        fprintf(f, "%s\"", i ? ", " : "");
        for (const char *s = case_vocab[i]; *s; s++) fprintf(f, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
        fprintf(f, "\": %d", i);
    }
    fprintf(f, "}}}\n");
    fclose(f);
    return text;
}

static const char bert_norm[] = "{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"lowercase\": true}";
static const char odd_norm[] =
    "{\"type\": \"BertNormalizer\", \"clean_text\": false, \"handle_chinese_chars\": false, \"strip_accents\": false, "
    "\"lowercase\": true}";

static lt_tok *open_variant(int variant) {
    lt_tok *t = NULL;
    char added[600];
    (void)unlink(text_path("tokenizer.json"));
    if (variant == ODD) {
        static const char *const special[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
        int at = 0;
        for (int i = 0; i < 5; i++)
            at += snprintf(added + at, sizeof added - (size_t)at, "{\"id\": %d, \"content\": \"%s\", \"special\": true}, ", i, special[i]);
        (void)snprintf(added + at, sizeof added - (size_t)at, "{\"id\": %d, \"content\": \"<ent>\", \"special\": false}", CASE_VOCAB);
        char *text = json_text(odd_norm, added, "\"unk_token\": \"[UNK]\", \"max_input_chars_per_word\": 5,");
        write_text("tokenizer.json", text);
        free(text);
    } else {
        write_vocab(CASE_VOCAB, variant == CASED ? "\r\n" : "\n");
        write_text("tokenizer_config.json", variant == CASED ? "{\"do_lower_case\": false}" : "{\"do_lower_case\": true}");
    }
    CHECK_OK(lt_tok_open(text_dir(), &t));
    return t;
}

static void encode_cases(void) {
    int differ_when_cased = 0;
    lt_tok *tok[3] = {open_variant(UNCASED), open_variant(CASED), open_variant(ODD)};
    for (size_t i = 0; tok[0] && tok[1] && tok[2] && i < sizeof case_encode / sizeof *case_encode; i++) {
        lt_ids ids = {0}, other = {0};
        CHECK_OK(lt_tok_encode(tok[case_encode[i].variant], case_encode[i].text, case_encode[i].bytes, true, &ids, NULL));
        bool same = text_same(&ids, case_encode[i].id, case_encode[i].n);
        CHECK(same);
        if (!same) text_show(case_encode[i].text, &ids, case_encode[i].id, case_encode[i].n);
        if (case_encode[i].variant == UNCASED) {
            CHECK_OK(lt_tok_encode(tok[CASED], case_encode[i].text, case_encode[i].bytes, true, &other, NULL));
            differ_when_cased += !text_same(&other, case_encode[i].id, case_encode[i].n);
        }
        if (ids.n > 2) { /* without specials: the same but the ends */
            other.n = 0;
            CHECK_OK(lt_tok_encode(tok[case_encode[i].variant], case_encode[i].text, case_encode[i].bytes, false, &other, NULL));
            CHECK(text_same(&other, case_encode[i].id + 1, case_encode[i].n - 2));
        }
        lt_ids_free(&ids);
        lt_ids_free(&other);
    }
    CHECK(differ_when_cased >= 5); /* control: the wrong tokenizer is seen */
    for (int i = 0; i < 3; i++) lt_tok_close(&tok[i]);
}

static void pair_cases(const lt_tok *t) {
    int differ_when_longer = 0;
    for (size_t i = 0; i < sizeof case_pair / sizeof *case_pair; i++) {
        lt_ids ids = {0};
        int64_t segment = -1;
        bool cut = false;
        CHECK_OK(lt_ids_push(&ids, 77)); /* appends: what is there stays, and segment counts from the first new id */
        CHECK_OK(text_encode_pair(t, case_pair[i].a, case_pair[i].b, case_pair[i].max, &ids, &segment, &cut));
        lt_ids mine = {.id = ids.id + 1, .n = ids.n - 1};
        bool same = ids.id[0] == 77 && text_same(&mine, case_pair[i].id, case_pair[i].n);
        CHECK(same);
        if (!same) text_show(case_pair[i].a, &mine, case_pair[i].id, case_pair[i].n);
        CHECK_INT(segment, case_pair[i].segment);
        CHECK_INT(cut, case_pair[i].cut);
        ids.n = 0;
        if (case_pair[i].cut) {
            CHECK_OK(text_encode_pair(t, case_pair[i].a, case_pair[i].b, case_pair[i].max + 1, &ids, &segment, &cut));
            differ_when_longer += !text_same(&ids, case_pair[i].id, case_pair[i].n);
        }
        lt_ids_free(&ids);
    }
    CHECK(differ_when_longer >= 5); /* control */
}

static void decode_cases(const lt_tok *t) {
    for (size_t i = 0; i < sizeof case_decode / sizeof *case_decode; i++) {
        lt_ids ids = {0};
        char *back = NULL;
        CHECK_OK(lt_tok_encode(t, case_decode[i].text, strlen(case_decode[i].text), true, &ids, NULL));
        CHECK_OK(lt_tok_decode(t, ids.id, ids.n, case_decode[i].skip, &back, NULL));
        CHECK_STR(back ? back : "(none)", case_decode[i].back);
        free(back);
        lt_ids_free(&ids);
    }
    char *back = NULL;
    CHECK_FAILS(lt_tok_decode(t, (int32_t[]){1, CASE_VOCAB}, 2, false, &back, NULL), LT_ERR_ARG, "not in this vocabulary");
    CHECK_FAILS(lt_tok_decode(t, (int32_t[]){-1}, 1, false, &back, NULL), LT_ERR_ARG, "token id -1");
    CHECK(back == NULL);
}

static void names(const lt_tok *t) {
    char hex[LT_SHA_HEX_BYTES], want[LT_SHA_HEX_BYTES];
    CHECK_STR(lt_tok_kind_name(t), "WordPiece");
    CHECK_INT(lt_tok_vocab_size(t), CASE_VOCAB);
    CHECK_INT(lt_tok_pad(t), 0);
    CHECK_INT(lt_tok_unk(t), 1);
    CHECK_INT(lt_tok_cls(t), 2);
    CHECK_INT(lt_tok_sep(t), 3);
    CHECK_INT(lt_tok_mask(t), 4);
    CHECK_INT(lt_tok_bos(t), -1);
    CHECK_INT(lt_tok_token_id(t, "the"), 5);
    CHECK_INT(lt_tok_token_id(t, "th"), -1);
    CHECK_OK(lt_tok_sha256(t, hex));
    CHECK_OK(lt_sha_file(text_path("vocab.txt"), want));
    CHECK_STR(hex, want);
}

/* Every text here is not UTF-8 from the given byte on. */
/* U+0000 stays in the text where nothing is cleaned away: no token is found in such a word, and lookups stay inside the tokens (under asan). */
static void zero_bytes(void) {
    char *file = json_text(odd_norm, "", ""), word[128];
    lt_tok *t = NULL;
    lt_ids ids = {0};
    int wrong = 0, words = 0;
    write_text("tokenizer.json", file);
    free(file);
    CHECK_OK(lt_tok_open(text_dir(), &t));
    for (int i = 0; t && i < CASE_VOCAB; i++) {
        size_t n = strlen(case_vocab[i]);
        if (n > 40 || strspn(case_vocab[i], "abcdefghijklmnopqrstuvwxyz") != n) continue;
        words++;
        for (size_t zeros = 1; zeros <= 50; zeros++) {
            memset(word, 0, sizeof word);
            memcpy(word, case_vocab[i], n);
            ids.n = 0;
            CHECK_OK(lt_tok_encode(t, word, n + zeros, false, &ids, NULL));
            wrong += ids.n != 1 || ids.id[0] != lt_tok_unk(t);
            memcpy(word + n + zeros, "ed", 2);
            ids.n = 0;
            CHECK_OK(lt_tok_encode(t, word, n + zeros + 2, false, &ids, NULL));
            wrong += ids.n != 1 || ids.id[0] != lt_tok_unk(t);
        }
        ids.n = 0; /* control: without zeros it is found */
        CHECK_OK(lt_tok_encode(t, word, n, false, &ids, NULL));
        CHECK(ids.n == 1 && ids.id[0] == lt_tok_token_id(t, case_vocab[i]));
    }
    CHECK(words > 10);
    CHECK_INT(wrong, 0);
    lt_ids_free(&ids);
    lt_tok_close(&t);
    (void)unlink(text_path("tokenizer.json"));
}

static void not_utf8(const lt_tok *t) {
    const struct {
        const char *text, *says;
    } bad[] = {{"caf\xe9", "byte 0xE9 at offset 3"},         {"\x80", "0x80 at offset 0"},      {"ab\xc3", "0xC3 at offset 2"},
               {"\xed\xa0\x80", "0xED at offset 0"},         {"a\xc0\xaf", "0xC0 at offset 1"}, {"\xf4\x90\x80\x80", "0xF4 at offset 0"},
               {"\xe4\xbd\xa0\xe4\xbd", "0xE4 at offset 3"}, {"[MASK]\xff", "0xFF at offset 6"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lt_ids ids = {0};
        int64_t segment;
        bool cut;
        CHECK_FAILS(lt_tok_encode(t, bad[i].text, strlen(bad[i].text), true, &ids, NULL), LT_ERR_FORMAT, bad[i].says);
        CHECK_INT(ids.n, 0);
        CHECK_FAILS(text_encode_pair(t, "good", bad[i].text, 0, &ids, &segment, &cut), LT_ERR_FORMAT, "not UTF-8");
        CHECK_INT(ids.n, 0);
        lt_ids_free(&ids);
    }
}

/* The file must be refused with a message that contains says. */
static void refused(const char *text, const char *says) {
    lt_tok *t = NULL;
    write_text("bad.json", text);
    CHECK_FAILS(lt_tok_open(text_path("bad.json"), &t), LT_ERR_FORMAT, says);
    CHECK(t == NULL);
    lt_tok_close(&t);
}

static void refused_json(const char *normalizer, const char *added, const char *more_model, const char *says) {
    char *text = json_text(normalizer, added, more_model);
    refused(text, says);
    free(text);
}

static void wrong_json(void) {
    lt_tok *t = NULL;
    refused("", "not JSON");
    refused("[]", "expected an object");
    refused("{}", "no \"model\"");
    refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {}}}", "model.merges should be a list");
    refused("{\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 0}}}", "\"WordLevel\" is not supported");
    refused("{\"model\": {\"vocab\": {\"a\": 0}}}", "\"?\" is not supported");
    refused("{\"model\": {\"type\": \"WordPiece\"}}", "model.vocab should be an object");
    refused("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {}}}", "model.vocab should be an object");
    refused("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"[CLS]\": 0, \"[SEP]\": 1}}}", "lacks the unknown token \"[UNK]\"");
    refused("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": \"b\"}}}", "no whole number");
    refused("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": -1}}}", "out of range");
    refused("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 99999999999}}}", "out of range");
    refused("{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 0, \"b\": 0}}}", "given twice");
    refused_json("{\"type\": \"Sequence\"}", "", "", "Sequence without a list");
    refused_json("{\"type\": \"Rot13\"}", "", "", "normalizer \"Rot13\" is not supported");
    refused_json(bert_norm, "", "\"max_input_chars_per_word\": 0,", "max_input_chars_per_word");
    refused_json(bert_norm, "", "\"continuing_subword_prefix\": 7,", "continuing_subword_prefix");
    refused_json(bert_norm, "", "\"unk_token\": \"<unk>\",", "lacks the unknown token \"<unk>\"");
    refused_json(bert_norm, "{\"id\": 1, \"content\": \"[PAD]\", \"special\": true}", "", "has id 1");
    refused_json(bert_norm, "{\"content\": \"[PAD]\"}", "", "lacks \"content\" or \"id\"");
    refused_json(bert_norm, "{\"id\": 500, \"content\": \"x\", \"normalized\": true}", "", "but the vocabulary has it at");

    /* cut short at every place: refused, never a crash; whole: accepted (the control) */
    char *text = json_text(bert_norm, "", "");
    size_t bytes = strlen(text);
    int accepted = 0;
    for (size_t n = 0; n < bytes - 2; n += n < 200 || n + 200 > bytes ? 1 : 13) {
        text_write("bad.json", text, n);
        accepted += lt_tok_open(text_path("bad.json"), &t) == LT_OK;
        lt_tok_close(&t);
    }
    CHECK_INT(accepted, 0);
    write_text("bad.json", text);
    CHECK_OK(lt_tok_open(text_path("bad.json"), &t));
    lt_tok_close(&t);
    free(text);
}

static void wrong_folder(void) {
    lt_tok *t = NULL;
    for (int i = 0; i < N_FILES; i++) (void)unlink(text_path(files[i]));
    CHECK_FAILS(lt_tok_open(text_dir(), &t), LT_ERR_IO, "looked for tokenizer.json, vocab.txt");
    CHECK_FAILS(lt_tok_open("/nowhere/at/all", &t), LT_ERR_IO, "/nowhere/at/all");
    text_write("vocab.txt", "", 0);
    CHECK_FAILS(lt_tok_open(text_dir(), &t), LT_ERR_FORMAT, "empty vocabulary");
    write_vocab(1, "\n"); /* [PAD] only */
    CHECK_FAILS(lt_tok_open(text_dir(), &t), LT_ERR_FORMAT, "lacks the unknown token \"[UNK]\"");
    write_vocab(CASE_VOCAB, "\n");
    write_text("tokenizer_config.json", "{\"do_lower_case\": fal");
    CHECK_FAILS(lt_tok_open(text_dir(), &t), LT_ERR_FORMAT, "tokenizer_config.json:1");
    write_text("tokenizer_config.json", "{\"added_tokens_decoder\": {\"3\": {\"content\": \"[X]\"}}}");
    CHECK_OK(lt_tok_open(text_dir(), &t)); /* as transformers has it: the id is taken, so the token gets the next free one */
    CHECK_INT(lt_tok_token_id(t, "[X]"), CASE_VOCAB);
    CHECK_INT(lt_tok_token_id(t, "[SEP]"), 3);
    lt_tok_close(&t);

    /* a token that only the configuration knows is found in text and can be left out of it */
    char config[200], *back = NULL;
    lt_ids ids = {0};
    (void)snprintf(config, sizeof config, "{\"added_tokens_decoder\": {\"%d\": {\"content\": \"[X]\", \"special\": true}}}", CASE_VOCAB);
    write_text("tokenizer_config.json", config);
    CHECK_OK(lt_tok_open(text_dir(), &t));
    CHECK_OK(lt_tok_encode(t, "a[X]b", 5, false, &ids, NULL));
    CHECK(ids.n == 3 && ids.id[1] == CASE_VOCAB);
    CHECK_OK(lt_tok_decode(t, ids.id, ids.n, true, &back, NULL));
    CHECK_STR(back, "a b");
    free(back);
    lt_ids_free(&ids);
    lt_tok_close(&t);
}

int main(void) {
    encode_cases();
    zero_bytes();
    lt_tok *t = open_variant(UNCASED);
    if (t) {
        pair_cases(t);
        decode_cases(t);
        names(t);
        not_utf8(t);
    }
    lt_tok_close(&t);
    wrong_json();
    wrong_folder();
    text_clean(files, N_FILES);
    return test_end();
}
