// TEST np: 0  rooms: text  labels: unit  timeout: 60
/* What stands around one text and two against Hugging Face's (golden/post_cases.h), and post-processors that are refused. */
#include "text/tokenizer_impl.h"

#include "golden/post_cases.h"
#include "text_util.h"

enum { N_CASES = sizeof post_cases / sizeof *post_cases };

static json_t *parse(const char *text) {
    json_error_t e;
    json_t *o = json_loads(text, JSON_DECODE_ANY, &e);
    TEST_REPORT(o, "%s in %s", e.text, text);
    return o;
}

/* A tokenizer that knows the ids below n, but one (-1: all). */
typedef struct small {
    lt_tok tok;
    lt_tok_tables tables;
    lt_tok_model model;
} small;

static const lt_tok *small_open(small *s, int64_t n, int unused) {
    static int64_t begin[POST_VOCAB];
    static int32_t bytes[POST_VOCAB];
    static char pool[1]; /* texts do not count here: all are empty */
    for (int i = 0; i < POST_VOCAB; i++) begin[i] = i == unused ? -1 : 0;
    *s = (small){.model = {.vocab = {.n = n, .pool = pool, .begin = begin, .bytes = bytes}}};
    s->tables.model = &s->model;
    s->tok.tables = &s->tables;
    return &s->tok;
}

static bool same(const lt_template *got, const post_list *want) {
    return got->n == want->n && !memcmp(got->item, want->item, (size_t)got->n * sizeof *got->item) &&
           !memcmp(got->type, want->type, (size_t)got->n * sizeof *got->type);
}

static void templates(void) {
    small s;
    const lt_tok *tok = small_open(&s, POST_VOCAB, -1);
    for (int i = 0; i < N_CASES; i++) {
        json_t *o = parse(post_cases[i].json);
        lt_post p;
        int alike = 0;
        CHECK_OK(lt_tok_impl_open_post(o, tok, "cases", &p));
        TEST_REPORT(same(&p.single, &post_cases[i].single), "single of %s", post_cases[i].json);
        TEST_REPORT(same(&p.pair, &post_cases[i].pair), "pair of %s", post_cases[i].json);
        /* control: most other cases are none of this one */
        for (int k = 0; k < N_CASES; k++) alike += same(&p.pair, &post_cases[k].pair);
        CHECK(alike < N_CASES / 2 && !same(&p.single, &post_cases[i].pair));
        lt_tok_impl_close_post(&p);
        lt_tok_impl_close_post(&p);
        json_decref(o);
    }
    lt_post p;
    CHECK_OK(lt_tok_impl_open_post(NULL, tok, "cases", &p));
    CHECK(same(&p.pair, &post_cases[0].pair));
    lt_tok_impl_close_post(&p);
}

static void refused_json(json_t *o, const char *words) {
    small s;
    lt_post p;
    CHECK_FAILS(lt_tok_impl_open_post(o, small_open(&s, POST_VOCAB, 7), "x.json", &p), LT_ERR_FORMAT, words);
    CHECK(strstr(lt_err_last()->msg, "x.json"));
    CHECK(!p.single.item && !p.pair.item);
    json_decref(o);
}

static void refused(const char *json, const char *words) { refused_json(parse(json), words); }

#define A "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}"
#define B "{\"Sequence\": {\"id\": \"B\", \"type_id\": 0}}"
#define S "{\"SpecialToken\": {\"id\": \"s\", \"type_id\": 0}}"
#define TEMPLATE(single, pair, ids)                                                                                                        \
    "{\"type\": \"TemplateProcessing\", \"single\": [" single "], \"pair\": [" pair                                                        \
    "], \"special_tokens\": {\"s\": {\"id\": \"s\", \"ids\": " ids "}}}"
#define BERT(id) "{\"type\": \"BertProcessing\", \"sep\": [\"s\", 1], \"cls\": [\"c\", " id "]}"

static void settings(void) {
    refused("7", "\"type\"");
    refused("{\"type\": \"Magic\"}", "\"Magic\" is not supported");
    refused("{\"type\": \"BertProcessing\", \"sep\": [\"s\", 1]}", "\"cls\" must be a list of a token and its id");
    refused("{\"type\": \"RobertaProcessing\", \"sep\": \"s\", \"cls\": [\"s\", 1]}", "\"sep\" must be");
    refused(BERT("-1"), "-1 is no token id");
    refused(BERT("16777216"), "16777216 is no token id");
    refused(BERT("4294967296"), "4294967296 is no token id");
    refused(BERT("8"), "the tokenizer has 8 tokens, none of id 8");
    refused(BERT("7"), "the tokenizer has 8 tokens, none of id 7");
    refused(BERT("\"x\""), "must be a whole number");
    refused(BERT("1.5"), "must be a whole number");
    refused("{\"type\": \"Sequence\"}", "\"processors\" must be a list");
    refused("{\"type\": \"Sequence\", \"processors\": [" BERT("1") ", " TEMPLATE(A, A ", " B, "[1]") "]}",
            "BertProcessing and TemplateProcessing both place the texts");
}

static void wrong_templates(void) {
    refused("{\"type\": \"TemplateProcessing\", \"single\": []}", "\"single\" leaves a text out");
    refused("{\"type\": \"TemplateProcessing\", \"single\": [" A "]}", "\"pair\" must be a list");
    refused(TEMPLATE(S, A "," B, "[1]"), "\"single\" leaves a text out");
    refused(TEMPLATE(B, A "," B, "[1]"), "\"single\" repeats a text or has them in another order");
    refused(TEMPLATE(A "," A, A "," B, "[1]"), "\"single\" repeats a text");
    refused(TEMPLATE(A, B "," A, "[1]"), "\"pair\" repeats a text or has them in another order");
    refused(TEMPLATE(A, A "," B "," B, "[1]"), "\"pair\" repeats a text");
    refused(TEMPLATE(A, A, "[1]"), "\"pair\" leaves a text out");
    refused(TEMPLATE(A "," S, A "," B, "3"), "token \"s\" is not among its \"special_tokens\"");
    refused(TEMPLATE(A "," S, A "," B, "[1, -2]"), "-2 is no token id");
    refused(TEMPLATE(A "," S, A "," B, "[1, 99]"), "none of id 99");
    refused(TEMPLATE("\"$A\"", A "," B, "[1]"), "a piece must be");
    refused(TEMPLATE("{\"Sequence\": {\"id\": \"C\", \"type_id\": 0}}", A "," B, "[1]"), "\"C\" is neither A nor B");
    refused(TEMPLATE("{\"Sequence\": {\"id\": \"A\"}}", A "," B, "[1]"), "a piece must be");
    refused(TEMPLATE("{\"Sequence\": {\"id\": \"A\", \"type_id\": -1}}", A "," B, "[1]"), "segment -1 is out of range");
    refused(TEMPLATE("{\"Sequence\": {\"id\": \"A\", \"type_id\": 4294967296}}", A "," B, "[1]"), "segment 4294967296 is out of range");
}

/* Files that would need much room or a deep stack. */
static void bounds(void) {
    json_t *o = parse("{\"type\": \"ByteLevel\"}"), *ids = json_array(), *pieces = json_array();
    for (int i = 0; i < 1000; i++) o = json_pack("{s:s, s:[o]}", "type", "Sequence", "processors", o);
    refused_json(o, "deep");
    for (int i = 0; i < 1000; i++) {
        json_array_append_new(ids, json_integer(1));
        json_array_append_new(pieces, parse(S));
    }
    refused_json(json_pack("{s:s, s:o, s:[], s:{s:{s:o}}}", "type", "TemplateProcessing", "single", pieces, "pair", "special_tokens", "s",
                           "ids", ids),
                 "more than 4096 tokens");
}

int main(void) {
    templates();
    settings();
    wrong_templates();
    bounds();
    return test_end();
}
