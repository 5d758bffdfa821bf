// TEST np: 0  rooms: text  labels: unit  timeout: 120
/* What files of tokenizers may not do: take hours or all memory for a small text, by expressions that backtrack, steps that blow a text up, tokens of
 * great length, ids far beyond the vocabulary.  Each is refused with a word, in a moment, and its neighbour on the other side of the limit is not. */
#include "text_util.h"

#include <time.h>

enum { LONG = 7000 };
static char many[LONG + 1]; /* 'a' */

static double seconds(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#define BPE "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": []}"

/* Opens a tokenizer.json, and with a config unless it is NULL. */
static lt_status open_json(const char *json, const char *config, lt_tok **t) {
    *t = NULL;
    (void)unlink(text_path("tokenizer_config.json"));
    text_write("tokenizer.json", json, strlen(json));
    if (config) text_write("tokenizer_config.json", config, strlen(config));
    return lt_tok_open(text_path("tokenizer.json"), t);
}

/* The same of one part beside a small model; steps: a sequence of n equal ones. */
static lt_tok *open_part(const char *key, const char *list, const char *step, int n) {
    char *json = NULL;
    size_t bytes = 0;
    lt_tok *t = NULL;
    FILE *f = open_memstream(&json, &bytes);
    CHECK(f != NULL);
    if (!f) return NULL;
    fprintf(f, "{\"%s\": {\"type\": \"Sequence\", \"%s\": [", key, list);
    for (int i = 0; i < n; i++) fprintf(f, "%s%s", i ? ", " : "", step);
    fprintf(f, "]}, " BPE "}");
    fclose(f);
    CHECK_OK(open_json(json, NULL, &t));
    free(json);
    return t;
}

/* --- expressions ------------------------------------------------------------------------------------------------------------------------- */

#define SPLIT(re) "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"" re "\"}, \"behavior\": \"Isolated\", \"invert\": false}"

/* These need more steps for 7000 characters than there is time for; for 12 they do not. */
static void slow_expressions(void) {
    static const char *const split[] = {SPLIT("(?=(a*)*(?:c|d))"), SPLIT("a*a*a*(?:c|d)"), SPLIT("(?:(?:a|aa)+)+(?:c|d)")};
    for (int i = 0; i < 3; i++) {
        lt_tok *t = open_part("pre_tokenizer", "pretokenizers", split[i], 1);
        lt_ids ids = {0};
        if (!t) continue;
        double begin = seconds();
        CHECK_FAILS(lt_tok_encode(t, many, LONG, false, &ids, NULL), LT_ERR_FORMAT, "asks too much");
        CHECK_INT(ids.n, 0);
        CHECK(seconds() - begin < 30); /* without a limit: hours.  A second, and far more under a sanitizer on a busy machine */
        CHECK_OK(lt_tok_encode(t, many, 12, false, &ids, NULL));
        CHECK_INT(ids.n, 12);
        lt_ids_free(&ids);
        lt_tok_close(&t);
    }
}

/* A place of the text that needs many steps, between others that need few, is passed: the match behind it is found. */
static void places(void) {
    lt_tok *t = open_part("pre_tokenizer", "pretokenizers", SPLIT("a*a*c|b"), 1);
    lt_ids ids = {0};
    char text[401];
    if (!t) return;
    memset(text, 'a', 400);
    text[150] = text[399] = 'b';
    text[400] = 0;
    CHECK_OK(lt_tok_encode(t, text, 400, false, &ids, NULL));
    CHECK_INT(ids.n, 400);
    CHECK(ids.n == 400 && ids.id[149] == 0 && ids.id[150] == 1 && ids.id[151] == 0 && ids.id[399] == 1);
    lt_ids_free(&ids);
    lt_tok_close(&t);
}

/* What costs the square of a text's length is done as long as that is no time: digits in threes, counted from the end. */
static void threes(void) {
    lt_tok *t = open_part("normalizer", "normalizers",
                          "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a{1,3}(?=(?:a{3})*(?!a))\"}, \"content\": \"b\"}", 1);
    lt_ids ids = {0};
    if (!t) return;
    CHECK_OK(lt_tok_encode(t, many, LONG, false, &ids, NULL));
    CHECK_INT(ids.n, (LONG + 2) / 3);
    lt_ids_free(&ids);
    lt_tok_close(&t);
}

/* --- texts that grow ----------------------------------------------------------------------------------------------------------------------- */

static void growing(void) {
    static const char twice[] = "{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}, \"content\": \"aa\"}";
    lt_ids ids = {0};
    lt_spans spans = {0};
    lt_tok *t = open_part("normalizer", "normalizers", twice, 60);
    if (t) {
        double begin = seconds();
        CHECK_FAILS(lt_tok_encode(t, many, 1, false, &ids, NULL), LT_ERR_FORMAT, "blow a text up");
        CHECK_FAILS(lt_tok_encode(t, many, LONG, false, &ids, &spans), LT_ERR_FORMAT, "blow a text up");
        CHECK(ids.n == 0 && spans.n == 0);
        CHECK(seconds() - begin < 30);
    }
    lt_tok_close(&t);
    t = open_part("pre_tokenizer", "pretokenizers", /* what is not ASCII becomes twice as long */
                  "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}", 60);
    if (t) CHECK_FAILS(lt_tok_encode(t, "\xC3\xA9", 2, false, &ids, &spans), LT_ERR_FORMAT, "blow a text up");
    if (t) CHECK_OK(lt_tok_encode(t, many, LONG, false, &ids, NULL));
    CHECK_INT(ids.n, LONG);
    ids.n = 0;
    lt_tok_close(&t);
    t = open_part("normalizer", "normalizers", twice, 6);
    if (t) CHECK_OK(lt_tok_encode(t, many, LONG, false, &ids, &spans));
    CHECK(ids.n == 64 * LONG && spans.n == ids.n);
    lt_tok_close(&t);
    t = open_part("decoder", "decoders", twice, 60);
    char *text = NULL;
    if (t) {
        double begin = seconds();
        CHECK_FAILS(lt_tok_decode(t, &(int32_t){0}, 1, false, &text, NULL), LT_ERR_FORMAT, "blow a text up");
        CHECK(seconds() - begin < 30);
    }
    lt_tok_close(&t);
    t = open_part("decoder", "decoders", twice, 10);
    if (t) CHECK_OK(lt_tok_decode(t, &(int32_t){0}, 1, false, &text, NULL));
    CHECK_INT(text ? (int64_t)strlen(text) : -1, 1024);
    free(text);
    lt_tok_close(&t);
    lt_ids_free(&ids);
    lt_spans_free(&spans);
}

/* --- lengths and ids ----------------------------------------------------------------------------------------------------------------------- */

static void lengths(void) {
    char json[LONG + 300];
    lt_tok *t;
    for (int over = 0; over < 2; over++) {
        (void)snprintf(json, sizeof json, "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"%.*s\": 0}, \"merges\": []}}", 4096 + over, many);
        if (over)
            CHECK_FAILS(open_json(json, NULL, &t), LT_ERR_FORMAT, "4097 bytes long, at most 4096");
        else
            CHECK_OK(open_json(json, NULL, &t));
        lt_tok_close(&t);
        (void)snprintf(json, sizeof json, "{\"added_tokens\": [{\"id\": 2, \"content\": \"%.*s\"}], " BPE "}", 1024 + over, many);
        if (over)
            CHECK_FAILS(open_json(json, NULL, &t), LT_ERR_FORMAT, "1025 bytes long, at most 1024");
        else
            CHECK_OK(open_json(json, NULL, &t));
        lt_tok_close(&t);
    }
}

/* Added tokens whose texts the normalisers make long. */
static void long_added(void) {
    static const char form[] = "{\"added_tokens\": [{\"id\": 2, \"content\": \"%.*s\", \"normalized\": true}], \"normalizer\": {\"type\": "
                               "\"Replace\", \"pattern\": {\"String\": \"a\"}, \"content\": \"%.*s\"}, " BPE "}";
    char json[2000];
    lt_tok *t;
    (void)snprintf(json, sizeof json, form, 100, many, 163, many);
    CHECK_OK(open_json(json, NULL, &t));
    lt_tok_close(&t);
    (void)snprintf(json, sizeof json, form, 100, many, 164, many);
    CHECK_FAILS(open_json(json, NULL, &t), LT_ERR_FORMAT, "more than 16384 bytes");
}

static void large_ids(void) {
#define ADDED(id) "{\"added_tokens\": [{\"id\": " id ", \"content\": \"x\"}], " BPE "}"
#define MODEL(id) "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": " id "}, \"merges\": []}}"
    static const char config[] = "{\"pad_token\": \"<new>\"}"; /* gets the id behind all others */
    static const char refused[] = "expected 0 to 4194303";
    static const struct {
        const char *json, *config, *refused;
    } cases[] = {{ADDED("4194303"), NULL, NULL},
                 {ADDED("4194304"), NULL, refused},
                 {ADDED("-1"), config, refused},
                 {ADDED("9223372036854775807"), NULL, refused},
                 {ADDED("9223372036854775807"), config, refused},
                 {ADDED("4194302"), config, NULL},
                 {ADDED("4194303"), config, refused},
                 {MODEL("4194303"), NULL, NULL},
                 {MODEL("4194304"), NULL, refused}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lt_tok *t;
        double begin = seconds();
        if (cases[i].refused)
            CHECK_FAILS(open_json(cases[i].json, cases[i].config, &t), LT_ERR_FORMAT, cases[i].refused);
        else
            CHECK_OK(open_json(cases[i].json, cases[i].config, &t));
        CHECK(seconds() - begin < 20);
        lt_tok_close(&t);
    }
}

/* Words of which nothing is known, without a token for that, have no tokens: first and from the cache. */
static void no_tokens(void) {
    lt_tok *t;
    lt_ids ids = {0};
    CHECK_OK(open_json("{" BPE "}", NULL, &t));
    for (int i = 0; i < 2 && t; i++) CHECK_OK(lt_tok_encode(t, "zz", 2, false, &ids, NULL));
    CHECK_INT(ids.n, 0);
    if (t) CHECK_OK(lt_tok_encode(t, "zaz", 3, false, &ids, NULL));
    CHECK_INT(ids.n, 1);
    lt_ids_free(&ids);
    lt_tok_close(&t);
}

/* A stream may take any time between its ids. */
static void slow_stream(void) {
    lt_tok *t =
        open_part("decoder", "decoders", "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a*?(?:b|a)\"}, \"content\": \"c\"}", 1);
    lt_tok_stream s = {0};
    for (int i = 0; i < 400 && t; i++) { /* calls of an expression, so that the clock is asked */
        double begin = seconds();
        CHECK_OK(lt_tok_stream_add(t, &s, 0, false));
        CHECK_STR(s.text, "c");
        while (i % 40 == 0 && seconds() - begin < 0.08) continue;
    }
    if (t) CHECK_OK(lt_tok_stream_end(t, &s));
    lt_tok_stream_free(&s);
    lt_tok_close(&t);
}

int main(void) {
    static const char *const files[] = {"tokenizer.json", "tokenizer_config.json"};
    memset(many, 'a', LONG);
    slow_expressions();
    places();
    threes();
    slow_stream();
    growing();
    lengths();
    long_added();
    large_ids();
    no_tokens();
    text_clean(files, 2);
    return test_end();
}
