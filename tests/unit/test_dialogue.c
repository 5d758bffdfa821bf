// TEST rooms: assistant  labels: unit  timeout: 60
/* The dialogue with an assistant: prefixes in malformed answers, verdicts, rounds, templates and what they are filled with, the control whose
 * measures are dealt
 * anew, and the state as JSON, bit for bit. */
#include "lt_test.h"

#include "assistant/dialogue.h"

#include <sys/stat.h>
#include <unistd.h>

#define MODEL LT_GOLDEN "/tiny-bert"

static lt_tok *tok;

/* ---- repair ---- */

typedef struct repair_case {
    const char *answer, *want;
} repair_case;

static const repair_case repairs[] = {
    {"Read the film review.", "Read the film review."},
    {" \t Read  the\tfilm \n", "Read the film"},
    {"", ""},
    {"  \n\n\t\n", ""},
    {"1. Read it", "Read it"},
    {"12) Read it", "Read it"},
    {"(3) Read it", "Read it"},
    {"#4 Read it", "Read it"},
    {"a) Read it", "Read it"},
    {"2: Read it", "Read it"},
    {"- Read it", "Read it"},
    {"* Read it", "Read it"},
    {"\xE2\x80\xA2 Read it", "Read it"},
    {"> Read it", "Read it"},
    {"## Read it", "Read it"},
    {"3.5 stars or more?", "3.5 stars or more?"},
    {"10 films that I saw", "10 films that I saw"},
    {"Prefix: Read it", "Read it"},
    {"prefix 3: Read it", "Read it"},
    {"**Prefix:** Read it", "Read it"},
    {"**New instruction:** \"Read it\"", "Read it"},
    {"Instruction : Read it", "Read it"},
    {"Instructions help to read", "Instructions help to read"},
    {"The prefix: a study", "The prefix: a study"},
    {"1. Prefix: \"Read it\"", "Read it"},
    {"\"Read it\"", "Read it"},
    {"\"Read it\".", "Read it"},
    {"\"Read it\",", "Read it"},
    {"'Read it'", "Read it"},
    {"\xE2\x80\x9CRead it\xE2\x80\x9D", "Read it"},
    {"\xC2\xABRead it\xC2\xBB", "Read it"},
    {"`Read it`", "Read it"},
    {"**Read it**", "Read it"},
    {"\"Read it\" (loss lower by 0.1)", "Read it"},
    {"Read it\" (loss lower by 0.0341)", "Read it"},
    {"Read it\"", "Read it"},
    {"\"Read it", "Read it"},
    {"\"Read it\", \"Look at it\"", "Read it"},
    {"\"Good\" or \"bad\": which is it?", "\"Good\" or \"bad\": which is it?"},
    {"Say \"good\" or \"bad\".", "Say \"good\" or \"bad\"."},
    {"It's a critic's opinion", "It's a critic's opinion"},
    {"[\"Read it\", \"Look\"]", "Read it"},
    {"{\"prefix\": \"Read it\"}", "Read it"},
    {"Read it\nLook at it", "Read it"},
    {"\n\n---\nRead it", "Read it"},
    {"Prefix:\nRead it", "Read it"},
    {"Sure, here is one:\n\n1. \"Read it\"\n2. \"Look\"", "Read it"},
    {"Here are the sentences:", "Here are the sentences:"},
    {"```\nRead it\n```", "Read it"},
    {"```text\nRead it\n```", "Read it"},
    {"Read it<eos>", "Read it"},
    {"Read it<end_of_turn>\nmore", "Read it"},
    {"Read it</s></s>", "Read it"},
    {"Read it <|im_end|> x", "Read it"},
    {"<bos>Read it", "Read it"},
    {"<start_of_turn>model\nRead it<end_of_turn>", "Read it"},
    {"[INST] Read it [/INST] no", "Read it"},
    {"Read <text> and say a < b", "Read <text> and say a < b"},
    {"Read\x01it\x7F", "Read it"},
    {"Re\xFF"
     "ad it\xC3",
     "Read it"},
    {"Read \xEF\xBF\xBDit", "Read it"},
    {"\xEF\xBB\xBFRead\xC2\xA0it\xE2\x80\x8B", "Read it"},
    {"Lies den Text \xC3\xBC"
     "ber \xE5\x8C\x97\xE4\xBA\xAC",
     "Lies den Text \xC3\xBC"
     "ber \xE5\x8C\x97\xE4\xBA\xAC"},
    {"!!! ??? 123", "!!! ??? 123"},
    {"1. - * \"Prefix: 'Read it'\"", "Read it"},
};

static void check_repair(void) {
    int changed = 0;
    for (size_t i = 0; i < sizeof repairs / sizeof *repairs; i++) {
        char *text = NULL;
        CHECK_OK(lt_prefix_repair(repairs[i].answer, strlen(repairs[i].answer), &text));
        TEST_REPORT(text && !strcmp(text, repairs[i].want), "\"%s\" gives \"%s\", expected \"%s\"", repairs[i].answer, text,
                    repairs[i].want);
        changed += strcmp(repairs[i].answer, repairs[i].want) != 0;
        free(text);
    }
    CHECK(sizeof repairs / sizeof *repairs >= 40 && changed > 40); /* negative control: the answers as they are would not do */
    /* large ones: cut, and not slow */
    enum { LARGE = 1 << 16 };
    char *large = malloc(LARGE + 1), *text = NULL;
    for (int kind = 0; kind < 4; kind++) {
        static const char *const unit[] = {"ab ", "1. ", "<eos>", "\"\xC3"};
        for (size_t i = 0, n = strlen(unit[kind]); i < LARGE; i++) large[i] = unit[kind][i % n];
        large[LARGE] = 0;
        CHECK_OK(lt_prefix_repair(large, LARGE, &text));
        CHECK(strlen(text) < LARGE);
        free(text);
    }
    free(large);
    CHECK_OK(lt_prefix_repair("Read\0it", 7, &text)); /* a zero is a control like others */
    CHECK_STR(text, "Read it");
    free(text);
}

/* ---- verdicts and rounds ---- */

static lt_method_cfg settings(void) {
    static char description[] = "film reviews";
    return (lt_method_cfg){.description = description,
                           .candidates = 4,
                           .rounds = 10,
                           .patience = 3,
                           .history = 4,
                           .max_prefix_tokens = 8,
                           .feedback = LT_FEEDBACK_LOSS};
}

static void take(lt_dialogue *d, int n, const char *const *answer, const lt_verdict *want) {
    lt_verdict verdict[16];
    int candidate[16];
    CHECK_OK(lt_dialogue_take(d, tok, answer, n, verdict, candidate));
    for (int i = 0; i < n; i++) {
        TEST_REPORT(verdict[i] == want[i], "\"%s\" is %s, expected %s", answer[i], lt_verdict_word(verdict[i]), lt_verdict_word(want[i]));
        CHECK((candidate[i] >= 0) == (verdict[i] == LT_ANSWER_TAKEN));
        CHECK(candidate[i] < 0 || (candidate[i] >= d->open0 && candidate[i] < d->n));
    }
}

static void check_take(void) {
    lt_method_cfg c = settings();
    lt_dialogue d;
    lt_dialogue_init(&d, &c);
    take(&d, 8,
         (const char *const[]){"1. The film", "the  FILM!", "?!? 12", "", "\"a story\"", "the film was a good film and the plot was great",
                               "acting", "love"},
         (const lt_verdict[]){LT_ANSWER_TAKEN, LT_ANSWER_REPEATED, LT_ANSWER_GARBAGE, LT_ANSWER_EMPTY, LT_ANSWER_TAKEN, LT_ANSWER_TAKEN,
                              LT_ANSWER_TAKEN, LT_ANSWER_LEFT});
    CHECK_INT(d.n, 4);
    CHECK_STR(d.prefix[0].text, "The film");
    CHECK_STR(d.prefix[2].text, "the film was a good film and the"); /* 8 tokens, at a word */
    for (int i = 0; i < d.n; i++) {
        lt_ids ids = {0};
        CHECK_OK(lt_tok_encode(tok, d.prefix[i].text, strlen(d.prefix[i].text), false, &ids, NULL));
        CHECK(ids.n == d.prefix[i].n_tokens && ids.n <= 8 && !memcmp(ids.id, d.prefix[i].token, (size_t)ids.n * sizeof *ids.id));
        lt_ids_free(&ids);
        CHECK(isnan(d.prefix[i].gain) && d.prefix[i].rank == 0 && d.prefix[i].round == 0);
    }
    lt_dialogue_abandon_round(&d);
    CHECK(d.n == 0 && d.rounds == 0 && d.in_use == -1);
    /* one word of many tokens is cut inside */
    take(&d, 1, (const char *const[]){"filmfilmfilmfilmfilmfilmfilmfilmfilmfilmfilmfilm"}, (const lt_verdict[]){LT_ANSWER_TAKEN});
    CHECK(d.n == 1 && d.prefix[0].n_tokens <= 8 && d.prefix[0].text[0]);
    int32_t bad = (int32_t)lt_tok_vocab_size(tok), good[2] = {lt_tok_token_id(tok, "film"), lt_tok_token_id(tok, "the")};
    int at = -1;
    CHECK_FAILS(lt_dialogue_add_tokens(&d, tok, &bad, 1, &at), LT_ERR_ARG, "a prefix has token");
    bad = -1;
    CHECK_FAILS(lt_dialogue_add_tokens(&d, tok, &bad, 1, &at), LT_ERR_ARG, "a prefix has token");
    CHECK_OK(lt_dialogue_add_tokens(&d, tok, good, 2, &at));
    CHECK(at == 1 && d.n == 2 && d.prefix[1].n_tokens == 2 && d.prefix[1].token[1] == good[1]);
    CHECK_STR(d.prefix[1].text, "film the");
    lt_dialogue_free(&d);
}

static void measure(lt_dialogue *d, const double *gain) {
    for (int i = d->open0; i < d->n; i++) {
        d->prefix[i].gain = gain[i - d->open0];
        d->prefix[i].accuracy = gain[i - d->open0] / 3;
        d->prefix[i].loss = 1 - gain[i - d->open0];
        d->prefix[i].probed = 256;
    }
}

static void check_rounds(void) {
    lt_method_cfg c = settings();
    lt_dialogue d;
    bool changed;
    static const lt_verdict taken[4];
    lt_dialogue_init(&d, &c);
    CHECK(!lt_dialogue_ended(&d));
    /* nothing measured helps, but the first comes into use */
    take(&d, 2, (const char *const[]){"the film", "a story"}, taken);
    lt_dialogue_close_round(&d, &changed);
    CHECK(changed && d.in_use == 0 && d.rounds == 1 && d.stale == 0 && d.open0 == 2);
    /* the better of two, the unmeasured left aside */
    take(&d, 3, (const char *const[]){"acting", "the plot", "funny"}, taken);
    measure(&d, (const double[]){0.1, 0.3, NAN});
    lt_dialogue_close_round(&d, &changed);
    CHECK(changed && d.in_use == 3 && d.rounds == 2);
    CHECK(d.prefix[2].rank == 2 && d.prefix[3].rank == 1 && d.prefix[4].rank == 0 && d.prefix[2].of == 3 && d.prefix[4].of == 0);
    /* none is better: the old one stays, and patience goes */
    for (int i = 0; i < 3; i++) {
        static const char *const word[] = {"warm", "smart", "joy"};
        CHECK(!lt_dialogue_ended(&d));
        take(&d, 1, &word[i], taken);
        measure(&d, (const double[]){i == 2 ? 0 : -0.5});
        lt_dialogue_close_round(&d, &changed);
        CHECK(!changed && d.in_use == 3 && d.stale == i + 1);
    }
    CHECK_INT(d.prefix[5].rank, 2);
    CHECK_INT(d.prefix[7].rank, 1); /* as good as the one in use */
    CHECK(lt_dialogue_ended(&d));
    c.patience = 0;
    CHECK(!lt_dialogue_ended(&d));
    c.rounds = 5;
    CHECK(lt_dialogue_ended(&d));
    c.rounds = 10;
    static const int once[] = {LT_CONTROL_NO_PREFIX, LT_CONTROL_RANDOM, LT_CONTROL_FIRST}, on[] = {LT_CONTROL_NONE, LT_CONTROL_SHUFFLED};
    for (int i = 0; i < 3; i++) {
        c.control = once[i];
        CHECK(lt_dialogue_ended(&d));
    }
    for (int i = 0; i < 2; i++) {
        c.control = on[i];
        CHECK(!lt_dialogue_ended(&d));
    }
    lt_dialogue_free(&d);
}

/* ---- templates ---- */

static char dir[64];

static void put(const char *name, const char *text) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(text, 1, strlen(text), f) == strlen(text) && fclose(f) == 0);
}

static const char *const labels[] = {"positive", "negative"}, *const exemplars[] = {"a good film", "dull\nand cold"};

static void check_prompt_is(const lt_dialogue *d, const lt_templates *t, int n_exemplars, const char *want) {
    char *prompt = NULL;
    lt_rng rng = {.seed = 3, .purpose = LT_RNG_TEST};
    CHECK_OK(lt_dialogue_prompt(d, t, labels, 2, exemplars, n_exemplars, &rng, &prompt));
    TEST_REPORT(prompt && !strcmp(prompt, want), "prompt:\n%s\n-- expected:\n%s", prompt, want);
    free(prompt);
}

static void five(lt_dialogue *d) {
    static const lt_verdict taken[4];
    bool changed;
    take(d, 4, (const char *const[]){"the film", "a story", "acting", "funny"}, taken);
    measure(d, (const double[]){0.25, -0.5, 0.125, NAN});
    lt_dialogue_close_round(d, &changed);
    take(d, 2, (const char *const[]){"the plot", "joy"}, taken);
    measure(d, (const double[]){-0.3125, 0.25}); /* on top of 0.25: -0.0625 and 0.5 */
    lt_dialogue_close_round(d, &changed);
}

/* What is told of prefixes of different rounds, and what a failed first round leads to. */
static void check_chain(void) {
    lt_method_cfg c = settings();
    lt_dialogue d;
    bool changed;
    static const lt_verdict taken[4];
    lt_dialogue_init(&d, &c);
    /* nobody answered: nothing is in use, no patience is lost, and a control of one prefix waits for it */
    lt_dialogue_close_round(&d, &changed);
    CHECK(!changed && d.in_use == -1 && d.stale == 0 && d.rounds == 1);
    c.control = LT_CONTROL_FIRST;
    CHECK(!lt_dialogue_ended(&d));
    c.control = LT_CONTROL_NONE;
    /* measured against no prefix, and worse */
    take(&d, 2, (const char *const[]){"the film", "a story"}, taken);
    measure(&d, (const double[]){-0.5, -0.25});
    lt_dialogue_close_round(&d, &changed);
    CHECK(!changed && d.in_use == -1 && d.stale == 1);
    take(&d, 2, (const char *const[]){"acting", "the plot"}, taken);
    measure(&d, (const double[]){0.5, 0.25});
    lt_dialogue_close_round(&d, &changed);
    CHECK(changed && d.in_use == 2 && d.stale == 0);
    /* a little worse than what is in use now is better than what lost to it */
    take(&d, 2, (const char *const[]){"joy", "warm"}, taken);
    measure(&d, (const double[]){-0.125, 0.125});
    lt_dialogue_close_round(&d, &changed);
    CHECK(changed && d.in_use == 5);
    CHECK(lt_prefix_gain(&d.prefix[4]) == 0.375 && lt_prefix_gain(&d.prefix[3]) == 0.25 && lt_prefix_gain(&d.prefix[5]) == 0.625);
    CHECK(d.prefix[4].gain < d.prefix[3].gain); /* which the differences alone would have told */
    /* few sentences flatter: of two, the one that was measured on more comes into use */
    take(&d, 2, (const char *const[]){"smart", "love"}, taken);
    measure(&d, (const double[]){0.75, 0.25});
    d.prefix[6].probed = 8;
    d.prefix[7].probed = 128;
    lt_dialogue_close_round(&d, &changed);
    CHECK(changed && d.in_use == 7 && d.prefix[6].rank == 2 && d.prefix[7].rank == 1);
    lt_dialogue_free(&d);
}

static void check_templates(void) {
    lt_method_cfg c = settings();
    lt_templates t;
    lt_dialogue d;
    lt_dialogue_init(&d, &c);
    put("first.txt",
        "Task: {description}\nLabels: {labels}\nTexts: {exemplars}\n{{x}} {history}\nRound {round}, {candidates} of {max_words}\n\n");
    put("next.txt", "{history}\nbest {best}\nworst {worst}\nnow {in_use}\n");
    CHECK_OK(lt_templates_load(dir, &t));
    check_prompt_is(&d, &t, 0, "Task: film reviews\nLabels: positive, negative\nRound 1, 4 of 6\n");
    check_prompt_is(&d, &t, 2, "Task: film reviews\nLabels: positive, negative\nTexts: a good film\ndull and cold\nRound 1, 4 of 6\n");
    five(&d);
    check_prompt_is(&d, &t, 0,
                    "\"a story\" (loss higher by 0.5000, the worst)\n\"the plot\" (loss higher by 0.0625)\n\"the film\" (loss lower by "
                    "0.2500)\n\"joy\" (loss lower by 0.5000, the best)\nbest joy\nworst a story\nnow joy");
    c.history = 3;
    c.feedback = LT_FEEDBACK_ACCURACY;
    check_prompt_is(
        &d, &t, 0,
        "\"a story\" (accuracy lower by 16.7 points, the worst)\n\"the film\" (accuracy higher by 8.3 points)\n\"joy\" (accuracy "
        "higher by 16.7 points, the best)\nbest joy\nworst a story\nnow joy");
    c.history = 1;
    c.feedback = LT_FEEDBACK_RANK;
    check_prompt_is(&d, &t, 0, "\"joy\" (place 1 of 3)\nbest joy\nworst joy\nnow joy");
    c.history = 0; /* nothing to show: the first template */
    check_prompt_is(&d, &t, 0, "Task: film reviews\nLabels: positive, negative\nRound 3, 4 of 6\n");
    lt_templates_free(&t);
    lt_dialogue_free(&d);

    put("next.txt", "a\r\n{labels}\r\nb {labls} c\r\n");
    CHECK_FAILS(lt_templates_load(dir, &t), LT_ERR_FORMAT, "next.txt, line 3: \"{labls}");
    put("next.txt", "a } b");
    CHECK_FAILS(lt_templates_load(dir, &t), LT_ERR_FORMAT, "next.txt, line 1: \"} b\"");
    put("next.txt", "a {");
    CHECK_FAILS(lt_templates_load(dir, &t), LT_ERR_FORMAT, "begins no placeholder");
    put("next.txt", "a \xFF");
    CHECK_FAILS(lt_templates_load(dir, &t), LT_ERR_FORMAT, "not UTF-8");
    CHECK_FAILS(lt_templates_load("/nowhere", &t), LT_ERR_IO, "/nowhere/first.txt");

    /* the built-in ones end where a prefix begins */
    char *prompt = NULL;
    c = settings();
    CHECK_OK(lt_templates_load("", &t));
    CHECK(strstr(lt_template_first, "{description}") && strstr(lt_template_next, "{history}"));
    CHECK_OK(lt_dialogue_prompt(&d, &t, labels, 2, NULL, 0, NULL, &prompt));
    CHECK(strstr(prompt, "Task: film reviews\nLabels: positive, negative\nInstruction:") && prompt[strlen(prompt) - 1] == ':');
    free(prompt);
    five(&d);
    CHECK_OK(lt_dialogue_prompt(&d, &t, labels, 2, NULL, 0, NULL, &prompt));
    CHECK(strstr(prompt, ", the best)\n\"") && prompt[strlen(prompt) - 1] == '"');
    free(prompt);
    lt_templates_free(&t);
    lt_dialogue_free(&d);
}

/* Under `shuffled` the same prefixes are shown with the same measures, but seldom each with its own. */
static void check_shuffled(void) {
    lt_method_cfg c = settings();
    lt_dialogue d;
    lt_templates t;
    int kept = 0, orders = 0;
    char *before = NULL;
    enum { DRAWS = 400 };
    lt_dialogue_init(&d, &c);
    five(&d);
    c.control = LT_CONTROL_SHUFFLED;
    put("next.txt", "{history}\n{in_use}");
    CHECK_OK(lt_templates_load(dir, &t));
    for (uint32_t i = 0; i < DRAWS; i++) {
        char *prompt = NULL, *again = NULL;
        lt_rng rng = {.seed = 3, .purpose = LT_RNG_TEST, .a = i};
        CHECK_OK(lt_dialogue_prompt(&d, &t, labels, 2, NULL, 0, &rng, &prompt));
        CHECK_OK(lt_dialogue_prompt(&d, &t, labels, 2, NULL, 0, &rng, &again));
        CHECK_STR(prompt, again);
        CHECK(strstr(prompt, "\"a story\" (") && strstr(prompt, "\"the plot\" (") && strstr(prompt, "\"the film\" (") &&
              strstr(prompt, "\"joy\" ("));
        CHECK(strstr(prompt, "higher by 0.5000, the worst)") && strstr(prompt, "higher by 0.0625)") && strstr(prompt, "lower by 0.2500)") &&
              strstr(prompt, "lower by 0.5000, the best)"));
        kept += strstr(prompt, "\"joy\" (loss lower by 0.5000") != NULL;
        CHECK((strstr(prompt, "\"joy\" (loss lower by 0.5000") != NULL) == (strstr(prompt, "\njoy") != NULL)); /* {in_use} tells nothing */
        orders += before && strcmp(before, prompt) != 0;
        free(before);
        before = prompt;
        free(again);
    }
    free(before);
    TEST_REPORT(kept > DRAWS / 8 && kept < DRAWS / 2 - DRAWS / 8, "the best kept its measure %d times in %d", kept, DRAWS); /* a quarter */
    CHECK(orders > DRAWS / 2);
    lt_templates_free(&t);
    lt_dialogue_free(&d);
}

/* ---- state ---- */

static int differ(const lt_dialogue *a, const lt_dialogue *b) {
    int n = (a->n != b->n) + (a->in_use != b->in_use) + (a->rounds != b->rounds) + (a->stale != b->stale) + (a->open0 != b->open0);
    for (int i = 0; n == 0 && i < a->n; i++) {
        const lt_prefix *p = &a->prefix[i], *q = &b->prefix[i];
        n += strcmp(p->text, q->text) != 0;
        n += p->n_tokens != q->n_tokens || memcmp(p->token, q->token, (size_t)p->n_tokens * sizeof *p->token) != 0;
        n += p->round != q->round || p->rank != q->rank || p->of != q->of || p->probed != q->probed;
        n += memcmp(&p->gain, &q->gain, sizeof p->gain) != 0 || memcmp(&p->accuracy, &q->accuracy, sizeof p->gain) != 0 ||
             memcmp(&p->loss, &q->loss, sizeof p->loss) != 0 || memcmp(&p->base, &q->base, sizeof p->base) != 0 ||
             memcmp(&p->base_accuracy, &q->base_accuracy, sizeof p->base) != 0;
    }
    return n;
}

static void check_state(void) {
    lt_method_cfg c = settings();
    lt_dialogue d, back;
    char *text = NULL, *again = NULL;
    lt_rng r = {.seed = 4, .purpose = LT_RNG_TEST};
    lt_dialogue_init(&d, &c);
    lt_dialogue_init(&back, &c);
    CHECK_OK(lt_dialogue_write(&d, &text));
    CHECK_OK(lt_dialogue_read(&back, tok, text));
    CHECK_INT(differ(&d, &back), 0);
    free(text);
    five(&d);
    int at;
    bool changed;
    for (int i = 0; i < 40; i++) {
        static const double odd[] = {
            0.0, -0.0, 0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, INFINITY, -INFINITY, NAN, 1e15, 123456789012345678.0};
        CHECK_OK(lt_dialogue_add_tokens(&d, tok, &(int32_t){i + 5}, 1, &at));
        uint64_t bits = lt_rng_u64(&r, (uint64_t)i, 0);
        memcpy(&d.prefix[at].loss, &bits, sizeof bits); /* any number at all */
        if (isnan(d.prefix[at].loss)) d.prefix[at].loss = NAN;
        d.prefix[at].gain = i < 11 ? odd[i] : lt_rng_normal(&r, (uint64_t)i, 1);
        d.prefix[at].probed = INT64_MAX - i;
    }
    CHECK_FAILS(lt_dialogue_write(&d, &text), LT_ERR_INTERNAL, "open0"); /* a round is open */
    lt_dialogue_close_round(&d, &changed);
    CHECK_OK(lt_dialogue_write(&d, &text));
    CHECK_OK(lt_dialogue_read(&back, tok, text));
    CHECK_INT(differ(&d, &back), 0);
    CHECK_OK(lt_dialogue_write(&back, &again));
    CHECK_STR(again, text);
    /* negative control: the last bit of a number is seen */
    back.prefix[1].gain = nextafter(back.prefix[1].gain, 1);
    CHECK(differ(&d, &back) > 0);
    free(again);

    static const char *const broken[] = {
        "",
        "{",
        "[]",
        "{\"version\": 2, \"in_use\": -1, \"rounds\": 0, \"stale\": 0, \"prefixes\": []}",
        "{\"version\": 1, \"in_use\": 0, \"rounds\": 0, \"stale\": 0, \"prefixes\": []}",
        "{\"version\": 1, \"in_use\": -1, \"rounds\": 0, \"stale\": -1, \"prefixes\": []}",
        "{\"version\": 1, \"in_use\": -1, \"rounds\": 1.5, \"stale\": 0, \"prefixes\": []}",
        "{\"version\": 1, \"in_use\": -1, \"rounds\": 0, \"stale\": 0, \"prefixes\": [1]}",
        "{\"version\": 1, \"in_use\": -1, \"rounds\": 0, \"stale\": 0}",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        CHECK_FAILS(lt_dialogue_read(&back, tok, broken[i]), LT_ERR_FORMAT, "dialogue's state");
    static const struct {
        const char *from, *to;
    } edit[] = {{"\"tokens\":[", "\"tokens\":[-1,"},
                {"\"tokens\":[", "\"tokens\":[1000000,"},
                {"\"tokens\":[", "\"tokens\":[1.5,"},
                {"\"gain\":0.25", "\"gain\":\"x\""},
                {"\"rank\":1", "\"rank\":-1"},
                {"\"text\":\"the film\"", "\"text\":1"},
                {"\"text\":\"the film\"", "\"text\":\"the\\nfilm\""},
                {"\"probed\":256", "\"probed\":null"},
                {"\"round\":0", "\"round\":-1"}};
    for (size_t i = 0; i < sizeof edit / sizeof *edit; i++) {
        const char *place = strstr(text, edit[i].from);
        char *bad = malloc(strlen(text) + 64);
        CHECK(place != NULL);
        if (place) {
            (void)sprintf(bad, "%.*s%s%s", (int)(place - text), text, edit[i].to, place + strlen(edit[i].from));
            CHECK_FAILS(lt_dialogue_read(&back, tok, bad), LT_ERR_FORMAT, "dialogue's state");
        }
        free(bad);
    }
    CHECK(back.n == d.n); /* a failure leaves what was there */
    free(text);
    lt_dialogue_free(&d);
    lt_dialogue_free(&back);
}

int main(void) {
    (void)snprintf(dir, sizeof dir, "/tmp/lt_dialogue.XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    CHECK_OK(lt_tok_open(MODEL, &tok));
    check_repair();
    if (tok) {
        check_take();
        check_rounds();
        check_chain();
        check_templates();
        check_shuffled();
        check_state();
    }
    lt_tok_close(&tok);
    char path[128];
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s.txt", dir, i ? "next" : "first");
        (void)unlink(path);
    }
    (void)rmdir(dir);
    return test_end();
}
