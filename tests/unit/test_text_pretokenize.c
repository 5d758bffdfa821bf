// TEST np: 0  rooms: text  labels: unit  timeout: 60
/* Pre-tokenisers: pieces and their places as Hugging Face's make them (golden/make_pretokenize_cases.py), beside added tokens, and without spans too. */
#include "golden/pretokenize_cases.h"
#include "text_chain.h"

/* A text as a stage of one piece. */
static void start(lt_stage *s, const char *text, int bytes, bool spans) {
    lt_stage_clear(s);
    s->spans = spans;
    for (int i = 0; i < bytes;) {
        int32_t c;
        int n = lt_tok_impl_char(text + i, &c);
        CHECK_OK(lt_stage_put(s, text + i, n, (lt_span){i, i + n}));
        i += n;
    }
    CHECK_OK(lt_stage_piece(s, (lt_piece){.begin = 0, .end = bytes, .id = -1, .first = true}));
}

static void run(const chain *c, lt_tok_work *w) {
    for (int i = 0; i < c->n; i++) {
        lt_stage_clear(&w->spare);
        w->spare.spans = w->stage.spans;
        CHECK_OK(c->step[i].kind->run(c->step[i].state, w, &w->stage, &w->spare));
    }
}

/* Is the stage what was expected?  The lengths stand in no list: a piece ends at its byte 037. */
static bool is_as(const lt_stage *s, const pre_case *want) {
    const char *p = want->piece;
    const unsigned char *place = pre_place + want->place;
    if (s->n != want->n) return false;
    for (int64_t i = 0; i < s->n; i++, place += 2) {
        lt_piece piece = s->piece[i];
        lt_span span = lt_stage_span(s, piece.begin, piece.end);
        int64_t bytes = piece.end - piece.begin;
        if (piece.id >= 0 || memcmp(p, s->text.s + piece.begin, (size_t)bytes) != 0 || p[bytes] != 037) return false;
        if (s->spans && (span.begin != place[0] || span.end != place[1])) return false;
        p += bytes + 1;
    }
    return true;
}

static void test_cases(lt_tok_work *w) {
    const int n = (int)(sizeof pre_cases / sizeof *pre_cases);
    for (int i = 0; i < n; i++) {
        const pre_case *t = &pre_cases[i];
        chain c;
        CHECK_OK(chain_open(lt_tok_impl_pretokenizers, t->steps, &c));
        for (int spans = 0; spans < 2; spans++) {
            start(&w->stage, t->text, t->bytes, spans);
            if (t->bytes == 0) CHECK_INT(w->stage.n, 0);
            run(&c, w);
            TEST_REPORT(is_as(&w->stage, t), "case %d: %s over \"%s\", spans %d", i, t->steps, t->text, spans);
        }
        chain_close(&c);
    }
    /* negative controls: another text, and a place that is one byte off */
    chain c;
    pre_case other = pre_cases[0];
    CHECK_OK(chain_open(lt_tok_impl_pretokenizers, other.steps, &c));
    start(&w->stage, "Hullo", 5, true);
    run(&c, w);
    CHECK(!is_as(&w->stage, &other));
    start(&w->stage, other.text, other.bytes, true);
    run(&c, w);
    CHECK(is_as(&w->stage, &other));
    other.place += 2;
    CHECK(!is_as(&w->stage, &other));
    chain_close(&c);
}

/* Added tokens pass by with their id, bytes and spans; pieces beside them are texts of their own. */
static void test_added(lt_tok_work *w) {
    static const struct {
        const char *steps, *want; /* pieces, an added token with its id */
    } t[] = {
        {"[{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true}]", "\304\240a|7:< >|\304\240b|"},
        {"[{\"type\": \"Metaspace\", \"replacement\": \"\342\226\201\"}]", "\342\226\201a|7:< >|\342\226\201b|"},
        {"[{\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": \"first\"}]", "_a|7:< >|b|"},
        {"[{\"type\": \"Split\", \"pattern\": {\"Regex\": \"a|< |b\"}, \"behavior\": \"Removed\", \"invert\": false}]", "7:< >|"},
        {"[{\"type\": \"WhitespaceSplit\"}, {\"type\": \"BertPreTokenizer\"}, {\"type\": \"FixedLength\"}]", "a|7:< >|b|"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        chain c;
        char got[64];
        int n = 0;
        CHECK_OK(chain_open(lt_tok_impl_pretokenizers, t[i].steps, &c));
        start(&w->stage, "a< >b", 5, true);
        w->stage.n = 0;
        CHECK_OK(lt_stage_piece(&w->stage, (lt_piece){0, 1, -1, true}));
        CHECK_OK(lt_stage_piece(&w->stage, (lt_piece){1, 4, 7, false}));
        CHECK_OK(lt_stage_piece(&w->stage, (lt_piece){4, 5, -1, false}));
        run(&c, w);
        for (int64_t j = 0; j < w->stage.n && n < 40; j++) {
            lt_piece p = w->stage.piece[j];
            lt_span span = lt_stage_span(&w->stage, p.begin, p.end);
            if (p.id >= 0) n += snprintf(got + n, sizeof got - (size_t)n, "%d:", p.id);
            n += snprintf(got + n, sizeof got - (size_t)n, "%.*s|", (int)(p.end - p.begin), w->stage.text.s + p.begin);
            if (p.id >= 0) CHECK(span.begin == 1 && span.end == 4);
        }
        CHECK_STR(got, t[i].want);
        chain_close(&c);
    }
}

static void test_refusals(void) {
    static const struct {
        const char *steps, *words;
    } t[] = {
        {"[{\"type\": \"ByteLevel\"}]", "add_prefix_space"},
        {"[{\"type\": \"ByteLevel\", \"add_prefix_space\": 1}]", "add_prefix_space"},
        {"[{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"use_regex\": null}]", "use_regex"},
        {"[{\"type\": \"Digits\"}]", "individual_digits"},
        {"[{\"type\": \"Punctuation\", \"behavior\": \"removed\"}]", "behavior"},
        {"[{\"type\": \"FixedLength\", \"length\": 0}]", "length"},
        {"[{\"type\": \"FixedLength\", \"length\": 2.5}]", "length"},
        {"[{\"type\": \"CharDelimiterSplit\", \"delimiter\": \"ab\"}]", "one character"},
        {"[{\"type\": \"CharDelimiterSplit\", \"delimiter\": \"\"}]", "one character"},
        {"[{\"type\": \"CharDelimiterSplit\"}]", "one character"},
        {"[{\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": \"maybe\"}]", "always, first or never"},
        {"[{\"type\": \"Metaspace\", \"replacement\": \"_\", \"add_prefix_space\": false}]", "does not go with"},
        {"[{\"type\": \"Split\", \"pattern\": {\"Regex\": \"a\"}, \"invert\": false}]", "behavior"},
        {"[{\"type\": \"Split\", \"pattern\": {\"Regex\": \"a\"}, \"behavior\": \"Removed\"}]", "invert"},
        {"[{\"type\": \"Split\", \"pattern\": \"a\", \"behavior\": \"Removed\", \"invert\": false}]", "pattern"},
        {"[{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(a\"}, \"behavior\": \"Removed\", \"invert\": false}]", "x.json: component"},
        {"[{\"type\": \"Split\", \"pattern\": {\"Regex\": \"a\\u0000b\"}, \"behavior\": \"Removed\", \"invert\": false}]", "U+0000"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        chain c;
        CHECK_FAILS(chain_open(lt_tok_impl_pretokenizers, t[i].steps, &c), LT_ERR_FORMAT, t[i].words);
    }
    chain c;
    CHECK_OK(chain_open(lt_tok_impl_pretokenizers, "[{\"type\": \"Digits\", \"individual_digits\": true}]", &c));
    chain_close(&c);
    for (const lt_step_kind *k = lt_tok_impl_pretokenizers; k->type; k++) CHECK(strcmp(k->type, "UnicodeScripts") != 0);
}

int main(void) {
    lt_tok_work w = {0};
    test_cases(&w);
    test_added(&w);
    test_refusals();
    lt_stage_free(&w.stage);
    lt_stage_free(&w.spare);
    lt_regex_room_free(w.regex);
    free(w.bytes);
    return test_end();
}
