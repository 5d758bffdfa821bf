/* Fuzzes what an assistant says and what a checkpoint says of it.  The first byte of an input says what the rest is:
 *   a   an answer: lt_prefix_repair, and a round of a dialogue with it (two answers where FUZZ_CUT stands between)
 *   s   the state of a dialogue as JSON: lt_dialogue_read, and written and read again */
#include "fuzz.h"

#include "assistant/dialogue_impl.h"

#include <math.h>

const char *const fuzz_words[] = {"\"version\":1",
                                  "\"in_use\":",
                                  "\"rounds\":",
                                  "\"stale\":",
                                  "\"prefixes\":",
                                  "\"text\":",
                                  "\"tokens\":",
                                  "\"gain\":",
                                  "\"accuracy\":",
                                  "\"loss\":",
                                  "\"rank\":",
                                  "\"of\":",
                                  "\"probed\":",
                                  "\"inf\"",
                                  "\"-inf\"",
                                  "null",
                                  "1e308",
                                  "-0.0",
                                  "9223372036854775807",
                                  "<start_of_turn>model\n",
                                  "<end_of_turn>",
                                  "<|im_end|>",
                                  "</s>",
                                  "[INST]",
                                  "Prefix:",
                                  "**New instruction 2:**",
                                  "Sure, here is one:\n",
                                  "```\n",
                                  "1. ",
                                  "(3) ",
                                  "## ",
                                  "\"",
                                  "''",
                                  "\xE2\x80\x9C",
                                  "\xE2\x80\x9D",
                                  "\xE2\x80\x9E",
                                  "\xC2\xAB",
                                  "\xEF\xBF\xBD",
                                  "\xE2\x80\xA8",
                                  "\xC0\x80",
                                  "\xED\xA0\x80",
                                  "\xF4\x90\x80\x80",
                                  FUZZ_CUT,
                                  NULL};

#define MODEL LT_GOLDEN "/tiny-bert"

void fuzz_make_seeds(void) {
    FUZZ_SEED(FUZZ_TEXT("aSure, here is one:\n\n1. **Prefix:** \"Read it\" (loss lower by 0.1)\n2. \"Look\""));
    FUZZ_SEED(FUZZ_TEXT("a<start_of_turn>model\n\xE2\x80\x9CRead\tit\xE2\x80\x9D<end_of_turn>"), FUZZ_TEXT(FUZZ_CUT),
              FUZZ_TEXT("- `read IT.`\r\n```"));
    FUZZ_SEED(FUZZ_TEXT("a[\"caf\xE9\", 12 34 ...] {\"prefix\": 'x'}"));
    FUZZ_SEED(FUZZ_TEXT("s{\"version\": 1, \"in_use\": 1, \"rounds\": 2, \"stale\": 0, \"prefixes\": [{\"text\": \"a film\", \"tokens\": "
                        "[5, 6], \"round\": 0, "
                        "\"gain\": null, \"accuracy\": null, \"loss\": null, \"rank\": 0, \"of\": 0, \"probed\": 0}, {\"text\": \"\", "
                        "\"tokens\": [], \"round\": "
                        "1, \"gain\": 0.125, \"accuracy\": -0.5, \"loss\": \"inf\", \"rank\": 1, \"of\": 9, \"probed\": 256}]}"));
}

static lt_tok *tokenizer(void) {
    static lt_tok *tok;
    if (!tok) FUZZ_OK(lt_tok_open(MODEL, &tok));
    return tok;
}

/* UTF-8 of one line, no blanks at its ends or two in a row, nothing that cannot be seen. */
static void check_text(const char *s) {
    size_t n = strlen(s);
    FUZZ_REQUIRE(n == 0 || (s[0] != ' ' && s[n - 1] != ' '));
    for (int bytes; n; s += bytes, n -= (size_t)bytes) {
        int32_t c = lt_char_at(s, n, &bytes);
        FUZZ_REQUIRE(c >= 0);
        lt_char_kind kind = lt_char_kind_of(c);
        FUZZ_REQUIRE(kind == LT_CHAR_LETTER || kind == LT_CHAR_OTHER || (c == ' ' && s[1] != ' '));
    }
}

static void check_same(const lt_dialogue *a, const lt_dialogue *b) {
#define SAME_BITS(x) (memcmp(&p->x, &q->x, sizeof p->x) == 0 || (isnan(p->x) && isnan(q->x)))
    FUZZ_REQUIRE(a->n == b->n && a->in_use == b->in_use && a->rounds == b->rounds && a->stale == b->stale && b->open0 == b->n);
    for (int i = 0; i < a->n; i++) {
        const lt_prefix *p = &a->prefix[i], *q = &b->prefix[i];
        FUZZ_REQUIRE(!strcmp(p->text, q->text) && p->n_tokens == q->n_tokens && p->round == q->round && p->rank == q->rank &&
                     p->of == q->of);
        FUZZ_REQUIRE(p->probed == q->probed && SAME_BITS(gain) && SAME_BITS(accuracy) && SAME_BITS(loss));
        FUZZ_REQUIRE(p->n_tokens == 0 || !memcmp(p->token, q->token, (size_t)p->n_tokens * sizeof *p->token));
    }
}

/* What was read is written and read again as the same. */
static void check_state(const lt_dialogue *d, const lt_method_cfg *cfg) {
    lt_dialogue again;
    char *text = NULL;
    lt_dialogue_init(&again, cfg);
    FUZZ_OK(lt_dialogue_write(d, &text));
    FUZZ_OK(lt_dialogue_read(&again, tokenizer(), text));
    check_same(d, &again);
    free(text);
    lt_dialogue_free(&again);
}

static void fuzz_answers(fuzz_input in, const lt_method_cfg *cfg) {
    enum { N = 3 };
    char *answer[N];
    lt_verdict verdict[N];
    int candidate[N];
    bool changed = false;
    lt_dialogue d;
    lt_dialogue_init(&d, cfg);
    for (int i = 0; i < N; i++) {
        fuzz_input part = fuzz_take_part(&in);
        char *text = NULL, *twice = NULL;
        answer[i] = fuzz_string(part);
        FUZZ_OK(lt_prefix_repair((const char *)part.data, part.bytes, &text));
        check_text(text);
        FUZZ_OK(lt_prefix_repair(text, strlen(text), &twice));
        check_text(twice);
        free(text);
        free(twice);
    }
    for (int round = 0; round < 2; round++) {
        FUZZ_OK(lt_dialogue_take(&d, tokenizer(), (const char *const *)answer, N, verdict, candidate));
        for (int i = 0; i < N; i++) {
            FUZZ_REQUIRE((verdict[i] == LT_ANSWER_TAKEN) == (candidate[i] >= 0) && candidate[i] < d.n);
            if (candidate[i] < 0) continue;
            const lt_prefix *p = &d.prefix[candidate[i]];
            FUZZ_REQUIRE(p->text[0] && p->n_tokens <= cfg->max_prefix_tokens);
            check_text(p->text);
        }
        for (int i = d.open0; i < d.n; i++) d.prefix[i].gain = i % 2 ? 0.5 : -1;
        lt_dialogue_close_round(&d, &changed);
    }
    check_state(&d, cfg);
    lt_dialogue_free(&d);
    for (int i = 0; i < N; i++) free(answer[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_input in = {data, bytes};
    const lt_method_cfg cfg = {.candidates = 2, .rounds = 4, .max_prefix_tokens = 8, .history = 4, .patience = 2};
    unsigned kind = fuzz_take_byte(&in);
    if (kind != 's') {
        fuzz_answers(in, &cfg);
        return 0;
    }
    lt_dialogue d;
    char *text = fuzz_string(in);
    lt_dialogue_init(&d, &cfg);
    if (lt_dialogue_read(&d, tokenizer(), text) == LT_OK) {
        FUZZ_REQUIRE(d.in_use >= -1 && d.in_use < d.n && d.open0 == d.n);
        for (int i = 0; i < d.n; i++)
            for (int k = 0; k < d.prefix[i].n_tokens; k++)
                FUZZ_REQUIRE(d.prefix[i].token[k] >= 0 && d.prefix[i].token[k] < lt_tok_vocab_size(tokenizer()));
        check_state(&d, &cfg);
    } else {
        FUZZ_REQUIRE(lt_err_last()->msg[0]);
        FUZZ_REQUIRE(d.n == 0 && d.in_use == -1 && d.rounds == 0);
    }
    free(text);
    lt_dialogue_free(&d);
    return 0;
}
