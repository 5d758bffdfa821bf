// TEST np: 0  rooms: text  labels: unit  timeout: 60
/* Normalisers: texts and the places of their characters as Hugging Face's make them (golden/make_normalize_cases.py), some written out,
 * every code point and many random texts by digest; long runs of marks; added tokens in between; files that are wrong. */
#include "golden/normalize_cases.h"
#include "text_chain.h"

#include <time.h>

#define LENGTH(list) (sizeof(list) / sizeof *(list))

/* A text as a stage of one piece, through the chain. */
static lt_status run(const chain *c, lt_tok_work *w, const char *text, int bytes, bool spans) {
    lt_stage *s = &w->stage;
    lt_stage_clear(s);
    s->spans = spans;
    for (int i = 0, n; i < bytes; i += n) {
        int32_t code;
        n = lt_tok_impl_char(text + i, &code);
        LT_TRY(lt_stage_put(s, text + i, n, (lt_span){i, i + n}));
    }
    LT_TRY(lt_stage_piece(s, (lt_piece){.begin = 0, .end = bytes, .id = -1, .first = true}));
    for (int i = 0; i < c->n; i++) {
        lt_stage_clear(&w->spare);
        w->spare.spans = spans;
        LT_TRY(c->step[i].kind->run(c->step[i].state, w, s, &w->spare));
    }
    return LT_OK;
}

static lt_piece piece_of(const lt_stage *s) { return s->n ? s->piece[0] : (lt_piece){0}; }

static bool is_as(const lt_stage *s, const norm_case *want) {
    lt_piece p = piece_of(s);
    if (s->n > 1 || p.end - p.begin != want->bytes || (want->bytes && memcmp(s->text.s + p.begin, want->want, (size_t)want->bytes) != 0))
        return false;
    const unsigned char *place = norm_place + want->place;
    int32_t c;
    for (int64_t at = p.begin, n; s->spans && want->place >= 0 && at < p.end; at += n, place += 2) {
        n = lt_tok_impl_char(s->text.s + at, &c);
        lt_span span = lt_stage_span(s, at, at + n);
        if (span.begin != place[0] || span.end != place[1]) return false;
    }
    return true;
}

static void test_cases(lt_tok_work *w) {
    chain c;
    for (size_t i = 0; i < LENGTH(norm_chains); i++) {
        const norm_chain *t = &norm_chains[i];
        CHECK_OK(chain_open(lt_tok_impl_normalizers, t->steps, &c));
        for (int k = t->first; k < t->first + t->n; k++)
            for (int spans = 0; spans < 2; spans++) {
                const norm_text *text = &norm_texts[norm_cases[k].text];
                CHECK_OK(run(&c, w, text->s, text->bytes, spans));
                TEST_REPORT(is_as(&w->stage, &norm_cases[k]), "%.200s over text %d, spans %d: got \"%.*s\"", t->steps, norm_cases[k].text,
                            spans, (int)(piece_of(&w->stage).end - piece_of(&w->stage).begin), w->stage.text.s + piece_of(&w->stage).begin);
            }
        chain_close(&c);
    }
    /* negative controls: another form, a place that is one off */
    norm_case other = norm_cases[norm_chains[0].first];
    CHECK_OK(chain_open(lt_tok_impl_normalizers, norm_chains[1].steps, &c));
    CHECK_OK(run(&c, w, norm_texts[other.text].s, norm_texts[other.text].bytes, true));
    CHECK(!is_as(&w->stage, &other));
    chain_close(&c);
    CHECK_OK(chain_open(lt_tok_impl_normalizers, norm_chains[0].steps, &c));
    CHECK_OK(run(&c, w, norm_texts[other.text].s, norm_texts[other.text].bytes, true));
    CHECK(is_as(&w->stage, &other));
    other.place += 2;
    CHECK(!is_as(&w->stage, &other));
    chain_close(&c);
}

/* --- digests ------------------------------------------------------------------------------------------------------------------------ */

static void add_text(lt_sha *sha, const lt_stage *s) {
    lt_piece p = piece_of(s);
    if (p.end > p.begin) lt_sha_add(sha, s->text.s + p.begin, (size_t)(p.end - p.begin));
    lt_sha_add(sha, "\xFF", 1);
}

static void add_places(lt_sha *sha, const lt_stage *s) {
    lt_piece p = piece_of(s);
    int32_t c;
    for (int64_t at = p.begin, n; at < p.end; at += n) {
        n = lt_tok_impl_char(s->text.s + at, &c);
        lt_span span = lt_stage_span(s, at, at + n);
        lt_sha_add(sha, (const unsigned char[]){(unsigned char)span.begin, (unsigned char)span.end}, 2);
    }
    lt_sha_add(sha, "\xFF", 1);
}

static bool is_surrogate(int32_t c) { return c >= 0xD800 && c < 0xE000; }

static void digest_every(const chain *c, lt_tok_work *w, char hex[LT_SHA_HEX_BYTES]) {
    lt_sha *sha = NULL;
    CHECK_OK(lt_sha_begin(&sha));
    for (int32_t code = 0; code < 0x110000; code++) {
        char text[4];
        if (is_surrogate(code)) continue;
        if (run(c, w, text, lt_tok_impl_put_char(code, text), false) != LT_OK) test_failed++;
        add_text(sha, &w->stage);
    }
    CHECK_OK(lt_sha_finish(&sha, hex));
}

static uint32_t below(uint64_t *x, uint32_t n) {
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*x >> 33) % n);
}

static void digest_random(const chain *c, lt_tok_work *w, char texts[LT_SHA_HEX_BYTES], char places[LT_SHA_HEX_BYTES]) {
    lt_sha *sha = NULL, *at = NULL;
    uint64_t x = 1;
    CHECK_OK(lt_sha_begin(&sha));
    CHECK_OK(lt_sha_begin(&at));
    for (int i = 0; i < NORM_RANDOM; i++) {
        char text[4 * NORM_LONGEST];
        int bytes = 0;
        uint32_t range[2];
        for (int k = 0; k < 2; k++) range[k] = below(&x, NORM_RANGES);
        for (uint32_t n = 1 + below(&x, NORM_LONGEST); n > 0; n--) {
            uint32_t from = range[below(&x, 2)];
            bytes += lt_tok_impl_put_char(norm_range[from].first + (int32_t)below(&x, (uint32_t)norm_range[from].n), text + bytes);
        }
        if (run(c, w, text, bytes, true) != LT_OK) test_failed++;
        add_text(sha, &w->stage);
        add_places(at, &w->stage);
    }
    CHECK_OK(lt_sha_finish(&sha, texts));
    CHECK_OK(lt_sha_finish(&at, places));
}

static void test_digests(lt_tok_work *w) {
    char every[LT_SHA_HEX_BYTES], texts[LT_SHA_HEX_BYTES], places[LT_SHA_HEX_BYTES];
    for (size_t i = 0; i < LENGTH(norm_chains); i++) {
        const norm_chain *t = &norm_chains[i];
        chain c;
        CHECK_OK(chain_open(lt_tok_impl_normalizers, t->steps, &c));
        digest_every(&c, w, every);
        digest_random(&c, w, texts, places);
        chain_close(&c);
        TEST_REPORT(!strcmp(every, t->every), "%.200s over every code point", t->steps);
        TEST_REPORT(!strcmp(texts, t->random), "%.200s over random texts", t->steps);
        TEST_REPORT(!t->places || !strcmp(places, t->places), "%.200s: places in random texts", t->steps);
        CHECK(strcmp(every, texts) != 0 && strcmp(texts, norm_chains[(i + 1) % LENGTH(norm_chains)].random) != 0);
    }
}

static void test_classes(void) {
    static const struct {
        const char *name;
        bool (*is)(int32_t);
    } of[] = {{"space", lt_tok_impl_is_space},
              {"numeric", lt_tok_impl_is_numeric},
              {"word", lt_tok_impl_is_word},
              {"punctuation", lt_tok_impl_is_punctuation}};
    for (size_t i = 0; i < LENGTH(of); i++) {
        char hex[LT_SHA_HEX_BYTES];
        lt_sha *sha = NULL;
        CHECK_STR(of[i].name, norm_classes[i][0]);
        CHECK_OK(lt_sha_begin(&sha));
        for (int32_t c = 0; c < 0x110000; c++)
            if (!is_surrogate(c)) lt_sha_add(sha, of[i].is(c) ? "\1" : "\0", 1);
        lt_sha_add(sha, "\xFF", 1);
        CHECK_OK(lt_sha_finish(&sha, hex));
        TEST_REPORT(!strcmp(hex, norm_classes[i][1]), "the characters of class %s", of[i].name);
    }
}

/* --- what no golden shows ----------------------------------------------------------------------------------------------------------- */

/* A million marks on one letter, in the worst order, take no more than the sorting. */
static void test_long_runs(lt_tok_work *w) {
    static const char *const steps[] = {
        "[{\"type\": \"NFC\"}]", "[{\"type\": \"NFKD\"}]",
        "[{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"lowercase\": true}]"};
    enum { MARKS = 1 << 20 };
    char *text = malloc(2 * MARKS + 1);
    CHECK(text != NULL);
    if (!text) return;
    text[0] = 'a';
    for (int i = 0; i < MARKS; i++) memcpy(text + 1 + 2 * i, i % 3 ? "\xCC\x81" : "\xCC\xA3", 2); /* U+0301, U+0323 */
    for (size_t i = 0; i < LENGTH(steps); i++) {
        chain c;
        clock_t start = clock();
        CHECK_OK(chain_open(lt_tok_impl_normalizers, steps[i], &c));
        CHECK_OK(run(&c, w, text, 2 * MARKS + 1, false));
        CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 10); /* it takes a tenth of a second, quadratic work hours */
        lt_piece p = piece_of(&w->stage);
        CHECK_INT(p.end - p.begin, i == 0 ? 3 + 2 * (MARKS - 1) : i == 1 ? 2 * MARKS + 1 : 1);
        /* NFC: the first mark of the lower class became part of the letter, U+1EA1 */
        if (i == 0) CHECK(!memcmp(w->stage.text.s + p.begin, "\xE1\xBA\xA1\xCC\xA3\xCC\xA3", 7));
        chain_close(&c);
    }
    free(text);
}

/* Added tokens pass by with their id, bytes and spans; pieces beside them are texts of their own. */
static void test_added(lt_tok_work *w) {
    static const struct {
        const char *steps, *want; /* pieces, an added token with its id */
    } t[] = {
        {"[{\"type\": \"Prepend\", \"prepend\": \"_\"}]", "_ a|7:< E\xCC\x81>|_E\xCC\x81 |"},
        {"[{\"type\": \"NFC\"}]", " a|7:< E\xCC\x81>|\xC3\x89 |"},
        {"[{\"type\": \"Lowercase\"}]", " a|7:< E\xCC\x81>|e\xCC\x81 |"},
        {"[{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true}]", "a|7:< E\xCC\x81>|E\xCC\x81|"},
        {"[{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"^.\"}, \"content\": \"\"}]", "a|7:< E\xCC\x81>|\xCC\x81 |"},
        {"[{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"E.*\"}, \"content\": \"\"}]", " a|7:< E\xCC\x81>|"},
    };
    for (size_t i = 0; i < LENGTH(t); i++) {
        chain c;
        char got[64];
        int n = 0;
        CHECK_OK(chain_open(lt_tok_impl_normalizers, t[i].steps, &c));
        CHECK_OK(run(&(chain){.n = 0}, w, " a< E\xCC\x81>E\xCC\x81 ", 12, true));
        w->stage.n = 0;
        CHECK_OK(lt_stage_piece(&w->stage, (lt_piece){0, 2, -1, true}));
        CHECK_OK(lt_stage_piece(&w->stage, (lt_piece){2, 8, 7, false}));
        CHECK_OK(lt_stage_piece(&w->stage, (lt_piece){8, 12, -1, false}));
        lt_stage_clear(&w->spare);
        w->spare.spans = true;
        CHECK_OK(c.step[0].kind->run(c.step[0].state, w, &w->stage, &w->spare));
        for (int64_t k = 0; k < w->stage.n && n < 40; k++) {
            lt_piece p = w->stage.piece[k];
            lt_span span = lt_stage_span(&w->stage, p.begin, p.end);
            if (p.id >= 0) n += snprintf(got + n, sizeof got - (size_t)n, "%d:", p.id);
            n += snprintf(got + n, sizeof got - (size_t)n, "%.*s|", (int)(p.end - p.begin), w->stage.text.s + p.begin);
            CHECK(p.id < 0 || (span.begin == 2 && span.end == 8));
            CHECK(p.first == (k == 0));
        }
        CHECK_STR(got, t[i].want);
        chain_close(&c);
    }
}

static void test_refusals(lt_tok_work *w) {
    static const struct {
        const char *steps, *words;
    } t[] = {
        {"[{\"type\": \"BertNormalizer\", \"handle_chinese_chars\": true, \"lowercase\": true}]", "clean_text"},
        {"[{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"lowercase\": 1}]", "lowercase"},
        {"[{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"lowercase\": true, \"strip_accents\": "
         "0}]",
         "strip_accents"},
        {"[{\"type\": \"Strip\", \"strip_left\": true}]", "strip_right"},
        {"[{\"type\": \"Prepend\", \"prepend\": null}]", "prepend"},
        {"[{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}}]", "content"},
        {"[{\"type\": \"Replace\", \"pattern\": \"a\", \"content\": \"b\"}]", "pattern"},
        {"[{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(a\"}, \"content\": \"b\"}]", "x.json: component"},
        {"[{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a\\u0000\"}, \"content\": \"b\"}]", "zero byte"},
        {"[{\"type\": \"Precompiled\"}]", "precompiled_charsmap"},
        {"[{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"\"}]", "too few"},
        {"[{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AA=AAAAA\"}]", "not base64, at character 2 of 8"},
        {"[{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAAAAA\"}]", "not base64"},
        {"[{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAAAAAAAAAAAAAA\"}]", "0 entries"},
        {"[{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"/////wAAAAAAAAAA\"}]", "1073741823 entries"},
        {"[{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"BAAAAAAAAAD/////\"}]", "not UTF-8"},
    };
    chain c;
    for (size_t i = 0; i < LENGTH(t); i++) CHECK_FAILS(chain_open(lt_tok_impl_normalizers, t[i].steps, &c), LT_ERR_FORMAT, t[i].words);
    /* one entry, whose children lie at 4000 and on */
    CHECK_OK(chain_open(lt_tok_impl_normalizers, "[{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"BAAAAACAPgA=\"}]", &c));
    CHECK_FAILS(run(&c, w, "a", 1, false), LT_ERR_FORMAT, "x.json: component: \"precompiled_charsmap\" is damaged");
    chain_close(&c);
}

int main(void) {
    lt_tok_work w = {0};
    test_cases(&w);
    test_digests(&w);
    test_classes();
    test_long_runs(&w);
    test_added(&w);
    test_refusals(&w);
    lt_stage_free(&w.stage);
    lt_stage_free(&w.spare);
    lt_regex_room_free(w.regex);
    free(w.bytes);
    return test_end();
}
