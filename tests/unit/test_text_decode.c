// TEST np: 0  rooms: text  labels: unit  timeout: 60
/* Decoders against texts of Hugging Face (golden/decode_cases.h), as a list and token by token; streams of ids; settings that are refused. */
#include "golden/decode_cases.h"
#include "text/tokenizer_impl.h"
#include "text_util.h"

enum { N_CASES = sizeof decode_cases / sizeof *decode_cases, MOST = 64 };

static lt_tok_work work;

/* Tokens as decoders take them. */
typedef struct list {
    const char *token[MOST];
    size_t bytes[MOST];
    int n;
} list;

static list list_of(const json_t *tokens) {
    list l = {.n = (int)json_array_size(tokens)};
    CHECK(l.n <= MOST);
    for (int i = 0; i < l.n && i < MOST; i++) {
        l.token[i] = json_string_value(json_array_get(tokens, (size_t)i));
        l.bytes[i] = json_string_length(json_array_get(tokens, (size_t)i));
    }
    return l;
}

static json_t *parse(const char *text) {
    json_error_t e;
    json_t *o = json_loads(text, JSON_ALLOW_NUL | JSON_DECODE_ANY, &e);
    TEST_REPORT(o, "%s in %s", e.text, text);
    return o;
}

/* Half a character at either end is no text of JSON. */
static bool is_text(const char *s, size_t bytes) {
    json_t *o = json_stringn(s, bytes);
    json_decref(o);
    return o != NULL;
}

static bool same(const char *got, size_t bytes, const json_t *want) {
    return bytes == json_string_length(want) && !memcmp(got, json_string_value(want), bytes);
}

/* All that token by token gives, released by free(). */
static char *bit_by_bit(const lt_decoders *d, const list *l, bool clean_up, size_t *bytes) {
    lt_decoding *run = NULL;
    char *all = NULL;
    size_t n = 0;
    CHECK_OK(lt_tok_impl_decoding_start(d, clean_up, &run));
    for (int i = 0; i <= l->n; i++) {
        char *part = NULL;
        size_t part_bytes = 0;
        CHECK_OK(i < l->n ? lt_tok_impl_decoding_add(run, &work, l->token[i], l->bytes[i]) : lt_tok_impl_decoding_end(run, &work));
        CHECK_OK(lt_tok_impl_decoding_take(run, &part, &part_bytes));
        CHECK(is_text(part, part_bytes) && part[part_bytes] == 0);
        char *grown = realloc(all, n + part_bytes + 1);
        if (grown) memcpy((all = grown) + n, part, part_bytes + 1);
        n += part_bytes;
        free(part);
    }
    lt_tok_impl_decoding_free(&run);
    *bytes = n;
    return all;
}

/* All tokens at once. */
static lt_status decode(const lt_decoders *d, const char *const *token, const size_t *bytes, int64_t n, bool clean_up, char **text,
                        size_t *text_bytes) {
    lt_decoding *run = NULL;
    lt_status st = lt_tok_impl_decoding_start(d, clean_up, &run);
    for (int64_t i = 0; i < n && st == LT_OK; i++) st = lt_tok_impl_decoding_add(run, &work, token[i], bytes[i]);
    if (st == LT_OK) st = lt_tok_impl_decoding_end(run, &work);
    if (st == LT_OK) st = lt_tok_impl_decoding_take(run, text, text_bytes);
    lt_tok_impl_decoding_free(&run);
    return st;
}

/* How many texts of a case are not as expected; of the right one none is. */
static int compare(const lt_decoders *d, const json_t *lists, const char *name) {
    int wrong = 0;
    for (size_t i = 0; i < json_array_size(lists); i++) {
        const json_t *o = json_array_get(lists, i), *text = json_object_get(o, "text"), *clean = json_object_get(o, "clean");
        list l = list_of(json_object_get(o, "tokens"));
        char *got = NULL;
        size_t bytes = 0, part_bytes[2];
        CHECK_OK(decode(d, l.token, l.bytes, l.n, false, &got, &bytes));
        char *part[2] = {bit_by_bit(d, &l, false, &part_bytes[0]), bit_by_bit(d, &l, true, &part_bytes[1])};
        bool right = same(got, bytes, text);
        if (!right && name) fprintf(stderr, "%.100s, list %zu:\n  got  %s\n  want %s\n", name, i, got, json_string_value(text));
        if (name) CHECK(same(part[0], part_bytes[0], text) && same(part[1], part_bytes[1], clean ? clean : text));
        free(got);
        CHECK_OK(decode(d, l.token, l.bytes, l.n, true, &got, &bytes));
        if (name) CHECK(same(got, bytes, clean ? clean : text) && got[bytes] == 0);
        wrong += !right;
        free(part[0]);
        free(part[1]);
        free(got);
    }
    return wrong;
}

static void texts(void) {
    lt_decoders *none = NULL;
    int cleaned = 0;
    CHECK_OK(lt_tok_impl_open_decoders(NULL, "cases", &none));
    for (int i = 0; i < N_CASES; i++) {
        lt_decoders *d = NULL;
        json_t *o = parse(decode_cases[i]), *decoder = json_object_get(o, "decoder"), *lists = json_object_get(o, "lists");
        CHECK_OK(lt_tok_impl_open_decoders(decoder, "cases", &d));
        CHECK_INT(compare(d, lists, decode_cases[i]), 0);
        /* control: tokens with spaces between would have been seen */
        CHECK((compare(none, lists, NULL) > 0) == !json_is_null(decoder));
        for (size_t k = 0; k < json_array_size(lists); k++) cleaned += json_object_get(json_array_get(lists, k), "clean") != NULL;
        lt_tok_impl_close_decoders(&d);
        json_decref(o);
    }
    lt_tok_impl_close_decoders(&none);
    CHECK(cleaned > 5);
}

/* Text of tokens under a decoder, as a string. */
static void check_text(const char *decoder, const char *tokens, const char *want) {
    json_t *o = parse(decoder), *t = parse(tokens);
    list l = list_of(t);
    lt_decoders *d = NULL;
    char *got = NULL;
    size_t bytes;
    CHECK_OK(lt_tok_impl_open_decoders(o, "test", &d));
    CHECK_OK(decode(d, l.token, l.bytes, l.n, false, &got, &bytes));
    if (got) CHECK_STR(got, want);
    free(got);
    lt_tok_impl_close_decoders(&d);
    json_decref(o);
    json_decref(t);
}

/* What Hugging Face's code ends the program at. */
static void no_panic(void) {
    const char *strip = "{\"type\": \"Strip\", \"content\": \"H\", \"start\": 2, \"stop\": 9223372036854775807}";
    check_text(strip, "[\"H\", \"\", \"HHH\", \"HHaHHHH\", \"HHHaH\"]", "aHa");
    check_text("{\"type\": \"BPEDecoder\", \"suffix\": \"x\"}", "[]", "");
    /* from before prepend_scheme: what it said then */
    check_text("{\"type\": \"Metaspace\", \"replacement\": \"_\", \"add_prefix_space\": false}", "[\"_a\", \"_b\"]", " a b");
}

/* Tokens of a vocabulary that is not UTF-8: a character each that there is no text for, and nothing read behind them. */
static void broken_tokens(void) {
    lt_decoders *d = NULL;
    char *got = NULL;
    size_t bytes;
    static const char *const token[] = {"a\xE6\x97", "\xA5z", "\xF0\x9F\x98", "\xC3", "\xFF\xFF"};
    CHECK_OK(lt_tok_impl_open_decoders(NULL, "test", &d));
    CHECK_OK(decode(d, token, (const size_t[]){3, 2, 3, 1, 2}, 5, false, &got, &bytes));
    CHECK_STR(got, "a\uFFFD \uFFFDz \uFFFD \uFFFD \uFFFD\uFFFD");
    free(got);
    lt_tok_impl_close_decoders(&d);
}

static void refused(const char *decoder, const char *words) {
    json_t *o = parse(decoder);
    lt_decoders *d = NULL;
    CHECK_FAILS(lt_tok_impl_open_decoders(o, "x.json", &d), LT_ERR_FORMAT, words);
    CHECK(d == NULL && strstr(lt_err_last()->msg, "x.json"));
    json_decref(o);
}

static void settings(void) {
    refused("3", "\"type\"");
    refused("{}", "\"type\"");
    refused("{\"type\": \"Magic\"}", "\"Magic\" is not supported");
    refused("{\"type\": \"WordPiece\", \"cleanup\": true}", "\"prefix\" must be a text");
    refused("{\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": 1}", "\"cleanup\" must be true or false");
    refused("{\"type\": \"Metaspace\", \"replacement\": \"__\"}", "must be one character, not \"__\"");
    refused("{\"type\": \"Metaspace\", \"replacement\": \"\"}", "must be one character");
    refused("{\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": \"often\"}", "always, first or never");
    refused("{\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": \"first\", \"add_prefix_space\": false}", "is first");
    refused("{\"type\": \"Replace\", \"content\": \"\"}", "\"pattern\" must be");
    refused("{\"type\": \"Replace\", \"content\": \"\", \"pattern\": \"a\"}", "\"pattern\" must be");
    refused("{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}}", "\"content\" must be a text");
    refused("{\"type\": \"Replace\", \"content\": \"\", \"pattern\": {\"Regex\": \"(\"}}", "");
    refused("{\"type\": \"Replace\", \"content\": \"\", \"pattern\": {\"Regex\": \"a\\u0000b\"}}", "zero byte");
    refused("{\"type\": \"Strip\", \"content\": \"a\", \"start\": -1, \"stop\": 0}", "\"start\" must be a number");
    refused("{\"type\": \"Strip\", \"content\": \"a\", \"start\": 1, \"stop\": 0.5}", "\"stop\" must be a number");
    refused("{\"type\": \"BPEDecoder\"}", "\"suffix\" must be a text");
    refused("{\"type\": \"CTC\", \"pad_token\": \"a\", \"cleanup\": true}", "\"word_delimiter_token\" must be a text");
    refused("{\"type\": \"Sequence\", \"decoders\": {}}", "\"decoders\" must be a list");
    refused("{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Fuse\"}, null]}", "\"type\"");
}

/* A sequence of n times the same decoder, or of sequences n deep. */
static json_t *many(int n, const char *decoder, bool deep) {
    json_t *o = deep ? parse(decoder) : json_array();
    for (int i = 0; i < n; i++) {
        if (deep)
            o = json_pack("{s:s, s:[o]}", "type", "Sequence", "decoders", o);
        else
            json_array_append_new(o, parse(decoder));
    }
    return deep ? o : json_pack("{s:s, s:o}", "type", "Sequence", "decoders", o);
}

static void bounds(void) {
    const char *twice = "{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}, \"content\": \"aa\"}", *token[] = {"a"};
    lt_decoders *d = NULL;
    char *text = NULL;
    size_t bytes = 1;
    json_t *o = many(100, "{\"type\": \"Fuse\"}", true);
    CHECK_FAILS(lt_tok_impl_open_decoders(o, "x", &d), LT_ERR_FORMAT, "deep");
    json_decref(o);
    o = many(10000, "{\"type\": \"Fuse\"}", false);
    CHECK_FAILS(lt_tok_impl_open_decoders(o, "x", &d), LT_ERR_FORMAT, "decoders in a row");
    json_decref(o);
    o = many(200, twice, false);
    CHECK_OK(lt_tok_impl_open_decoders(o, "x", &d));
    CHECK_FAILS(decode(d, token, &bytes, 1, false, &text, &bytes), LT_ERR_FORMAT, "blow a text up");
    lt_tok_impl_close_decoders(&d);
    json_decref(o);
    o = many(10, twice, false);
    bytes = 1;
    CHECK_OK(lt_tok_impl_open_decoders(o, "x", &d));
    CHECK_OK(decode(d, token, &bytes, 1, false, &text, &bytes));
    CHECK_INT(bytes, 1024);
    free(text);
    lt_tok_impl_close_decoders(&d);
    json_decref(o);
}

/* A tokenizer of these tokens with one special behind them. */
typedef struct small {
    lt_tok tok;
    lt_tok_tables tables;
    lt_tok_model model;
    lt_added special;
} small;

static void small_open(small *s, const char *decoder, bool clean_up, const char *const *token, int n) {
    *s = (small){.tables = {.path = "small", .clean_up = clean_up, .n_added = 1}, .special = {.text = "<s>", .special = true, .id = n}};
    json_t *o = decoder ? parse(decoder) : NULL;
    for (int i = 0; i < n; i++) CHECK_OK(lt_vocab_put(&s->model.vocab, i, token[i], strlen(token[i])));
    CHECK_OK(lt_tok_impl_open_decoders(o, "small", &s->tables.decoders));
    s->tables.model = &s->model;
    s->tables.added = &s->special;
    s->tok = (lt_tok){.tables = &s->tables, .work = &work};
    json_decref(o);
}

static void small_close(small *s) {
    lt_tok_impl_close_decoders(&s->tables.decoders);
    lt_vocab_free(&s->model.vocab);
}

/* What each id adds, and the end, with | between. */
static void check_stream(const small *s, const int32_t *id, int n, bool skip, const char *want) {
    char got[512] = "", whole[512] = "", *text = NULL;
    lt_tok_stream stream = {0};
    for (int i = 0; i <= n; i++) {
        CHECK_OK(i < n ? lt_tok_stream_add(&s->tok, &stream, id[i], skip) : lt_tok_stream_end(&s->tok, &stream));
        CHECK_INT(stream.bytes, strlen(stream.text));
        (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i ? "|" : "", stream.text);
        (void)snprintf(whole + strlen(whole), sizeof whole - strlen(whole), "%s", stream.text);
    }
    CHECK_STR(got, want);
    CHECK_OK(lt_tok_decode(&s->tok, id, n, skip, &text, NULL));
    CHECK_STR(whole, text);
    free(text);
    lt_tok_stream_free(&stream);
}

#define STREAM(s, skip, want, ...)                                                                                                         \
    check_stream(&(s), (const int32_t[]){__VA_ARGS__}, (int)(sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t)), skip, want)

static void streams(void) {
    small s;
    static const char *const words[] = {"film", "##s", ".", "do", "not", "'", "x"};
    small_open(&s, "{\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true}", false, words, 7);
    STREAM(s, true, "film|s|.| do|", 0, 1, 2, 3);
    STREAM(s, true, "|film|s|", 7, 0, 1);
    STREAM(s, false, "<s>| film|s|", 7, 0, 1);
    small_close(&s);
    small_open(&s, NULL, true, words, 7);
    STREAM(s, true, "film|.| do| not|", 0, 2, 3, 4);
    STREAM(s, true, "film||'x|", 0, 5, 6); /* a space before an apostrophe waits for what follows */
    STREAM(s, true, "film|| '", 0, 5);
    small_close(&s);
    static const char *const marked[] = {"\u2581the", "\u2581film", "s", "<0xC3>", "<0xA9>", "\u2581"};
    small_open(&s, "{\"type\": \"Metaspace\", \"replacement\": \"\u2581\", \"prepend_scheme\": \"first\"}", false, marked, 6);
    STREAM(s, true, "the| film|s|", 0, 1, 2);
    STREAM(s, true, "|the| film|", 6, 0, 1); /* a special that is left out is not the first token */
    STREAM(s, false, "<s>| the|", 6, 0);
    small_close(&s);
    small_open(&s,
               "{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"\u2581\"}, \"content\": \" "
               "\"}, {\"type\": "
               "\"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]}",
               false, marked, 6);
    STREAM(s, true, "| the|s|||\u00E9s|", 5, 0, 2, 3, 4, 2);
    STREAM(s, true, "||\uFFFDs|", 3, 6, 2);
    STREAM(s, true, "|||\uFFFD\uFFFD\uFFFD|\uFFFD|s|", 3, 4, 6, 4, 4, 2); /* one byte too many: none of them was text */
    STREAM(s, true, "the||\uFFFD", 0, 3);
    small_close(&s);
    static const char *const spelt[] = {"\u0120a", "\u00E6\u0139", "\u00A5", "\u00FF", "\u00F0"};
    small_open(&s, "{\"type\": \"ByteLevel\"}", false, spelt, 5);
    STREAM(s, true, " a||\u65E5| a|", 0, 1, 2, 0);
    STREAM(s, true, "|\uFFFD a|\uFFFD||\uFFFD", 1, 0, 3, 4);
    /* an id that is none leaves the stream as it was; a stream that ended begins anew */
    lt_tok_stream stream = {0};
    CHECK_OK(lt_tok_stream_add(&s.tok, &stream, 1, true));
    CHECK_FAILS(lt_tok_stream_add(&s.tok, &stream, 6, true), LT_ERR_ARG, "token id 6 is not in this vocabulary of 6");
    CHECK_FAILS(lt_tok_stream_add(&s.tok, &stream, -1, true), LT_ERR_ARG, "token id -1");
    CHECK_OK(lt_tok_stream_add(&s.tok, &stream, 2, true));
    CHECK_STR(stream.text, "\u65E5");
    CHECK_OK(lt_tok_stream_end(&s.tok, &stream));
    CHECK_OK(lt_tok_stream_end(&s.tok, &stream));
    CHECK_STR(stream.text, "");
    CHECK_OK(lt_tok_stream_add(&s.tok, &stream, 1, true));
    lt_tok_stream_free(&stream);
    lt_tok_stream_free(&stream);
    small_close(&s);
}

/* A million ids one by one, in each kind of decoder that holds text back: work that grew with what was before would not end. */
static void long_stream(void) {
    static const char *const token[] = {"<0xC3>", "<0xFF>", "a", " ", ".", "\u00C3"}, *const decoder[] = {"{\"type\": \"ByteFallback\"}",
                                                                                                          "{\"type\": \"ByteLevel\"}",
                                                                                                          NULL};
    for (int i = 0; i < 3; i++) {
        small s;
        lt_tok_stream stream = {0};
        size_t bytes = 0;
        small_open(&s, decoder[i], true, token, 6);
        lt_status st = LT_OK;
        for (int k = 0; k < 1000000 && st == LT_OK; k++) {
            st = lt_tok_stream_add(&s.tok, &stream, i == 0 ? k > 0 : i == 1 ? 5 : k % 5, true);
            bytes += stream.bytes;
        }
        CHECK_OK(st);
        CHECK_OK(lt_tok_stream_end(&s.tok, &stream));
        bytes += stream.bytes;
        CHECK_INT(bytes, i < 2 ? 3000000 : 15 * 200000 + 999999 - 200000);
        lt_tok_stream_free(&stream);
        small_close(&s);
    }
}

int main(void) {
    texts();
    no_panic();
    broken_tokens();
    settings();
    bounds();
    streams();
    long_stream();
    lt_regex_room_free(work.regex);
    return test_end();
}
