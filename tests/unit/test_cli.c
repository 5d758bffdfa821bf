// TEST rooms: base  labels: unit
/* Command lines: options in every form and order, settings, what is no option, every refusal, nearest names, the manual. */
#include "lt_test.h"

#include "base/cli.h"

#include <stdlib.h>
#include <string.h>

static const lt_cli_option options[] = {
    {"output", "FILE", "where to write", 'o'}, {"rows", "N", "how many\nrows", 0}, {"label", "L", "one", 0},
    {"labels", "L,..", "several", 0},          {"json", NULL, "a switch", 'j'},    {0}};
static const lt_cli_command command = {.program = "prog",
                                       .name = "do",
                                       .usage = "FILE [options]\nother",
                                       .about = "What it does.\n",
                                       .option = options,
                                       .notes = "A note.\n",
                                       .examples = "prog do x\n",
                                       .settings = true};

enum { MOST = 12 };
static char text[MOST][64];
/* Parses words parted by blanks ("_": an empty one). */
static lt_status parse(const lt_cli_command *c, const char *line, lt_cli_args *a) {
    char copy[256], *rest = copy, *word, *argv[MOST];
    int n = 0;
    (void)snprintf(copy, sizeof copy, "%s", line);
    while ((word = strsep(&rest, " ")) && n < MOST)
        if (*word) {
            (void)snprintf(text[n], sizeof text[n], "%s", strcmp(word, "_") ? word : "");
            argv[n] = text[n];
            n++;
        }
    return lt_cli_parse(c, n, argv, a);
}

static const char *joined(const char *const *list, int n) {
    static char out[512];
    out[0] = 0;
    for (int i = 0; i < n; i++) (void)snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s", i ? "|" : "", list[i]);
    return out;
}

static void test_forms(void) {
    static const char *const same[] = {"--output x --rows 3 --json w", "w --json --rows=3 --output=x", "-o x w -j --rows 3",
                                       "-jox --rows 3 w", "--out x --row 3 --js w"};
    lt_cli_args a;
    int64_t n;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        CHECK_OK(parse(&command, same[i], &a));
        CHECK_STR(lt_cli_value(&a, "output"), "x");
        CHECK_STR(lt_cli_value(&a, "json"), "");
        CHECK(!lt_cli_value(&a, "label"));
        CHECK_OK(lt_cli_int(&a, "rows", 1, 9, 7, &n));
        CHECK_INT(n, 3);
        CHECK_STR(joined(a.word, a.n_words), "w");
    }
    CHECK_OK(parse(&command, "--rows 1 --rows 2 --label _ --output -x", &a));
    CHECK_STR(lt_cli_value(&a, "rows"), "2"); /* the last counts; all are there */
    CHECK_INT(a.n_options, 4);
    CHECK_STR(lt_cli_value(&a, "label"), "");
    CHECK_STR(lt_cli_value(&a, "output"), "-x");
    CHECK_OK(parse(&command, "a", &a));
    CHECK_OK(lt_cli_int(&a, "rows", 1, 9, 7, &n));
    CHECK_INT(n, 7);
}

static void test_words(void) {
    lt_cli_command plain = command;
    lt_cli_args a;
    plain.settings = false;
    CHECK_OK(parse(&command, "b a k=1 - dir/x=y c.d=-2 =z -- --json k=2", &a));
    CHECK_STR(joined(a.word, a.n_words), "b|a|-|dir/x=y|=z|--json");
    CHECK_STR(joined(a.setting, a.n_settings), "k=1|c.d=-2|k=2");
    CHECK(!lt_cli_value(&a, "json"));
    CHECK_OK(parse(&plain, "b k=1", &a));
    CHECK_STR(joined(a.word, a.n_words), "b|k=1");
    CHECK_INT(a.n_settings, 0);
    CHECK_OK(parse(&command, "", &a));
    CHECK_INT(a.n_words + a.n_options + a.n_settings, 0);
}

static void test_refusals(void) {
    lt_cli_args a;
    int64_t n;
    CHECK_FAILS(parse(&command, "--outptu x", &a), LT_ERR_ARG, "unknown option --outptu; did you mean --output?");
    CHECK_FAILS(parse(&command, "--halp", &a), LT_ERR_ARG, "did you mean --help?");
    CHECK_FAILS(parse(&command, "--zebra=1", &a), LT_ERR_ARG, "unknown option --zebra");
    CHECK(!strstr(lt_err_last()->msg, "did you mean"));
    CHECK_FAILS(parse(&command, "-x", &a), LT_ERR_ARG, "unknown option -x");
    CHECK_FAILS(parse(&command, "--la x", &a), LT_ERR_ARG, "option --la could be several");
    CHECK_OK(parse(&command, "--label x", &a)); /* exact, though --labels begins so too */
    CHECK_STR(a.option[0].name, "label");
    CHECK_FAILS(parse(&command, "w --rows", &a), LT_ERR_ARG, "option --rows needs a value");
    CHECK_FAILS(parse(&command, "w -o", &a), LT_ERR_ARG, "option --output needs a value");
    CHECK_FAILS(parse(&command, "--json=1", &a), LT_ERR_ARG, "option --json takes no value");
    static const char *const bad[] = {"--rows x", "--rows 0", "--rows 10", "--rows 3x", "--rows _", "--rows 99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_OK(parse(&command, bad[i], &a));
        CHECK_FAILS(lt_cli_int(&a, "rows", 1, 9, 7, &n), LT_ERR_ARG, "expected a whole number from 1 to 9, found");
    }
    char *many[LT_CLI_MAX_WORDS], word[] = "w";
    for (int i = 0; i < LT_CLI_MAX_WORDS; i++) many[i] = word;
    CHECK_FAILS(lt_cli_parse(&command, LT_CLI_MAX_WORDS, many, &a), LT_ERR_ARG, "more than 255 words");
    CHECK_OK(lt_cli_parse(&command, LT_CLI_MAX_WORDS - 1, many, &a));
    char letters[LT_CLI_MAX_WORDS + 2] = "-", *cluster[] = {letters}; /* one word, as many options */
    memset(letters + 1, 'j', LT_CLI_MAX_WORDS);
    CHECK_FAILS(lt_cli_parse(&command, 1, cluster, &a), LT_ERR_ARG, "more than 255 options");
    letters[LT_CLI_MAX_WORDS] = 0;
    CHECK_OK(lt_cli_parse(&command, 1, cluster, &a));
    CHECK_INT(a.n_options, LT_CLI_MAX_WORDS - 1);
}

static const char *name_of(int i, const void *names) { return ((const char *const *)names)[i]; }

static void test_nearest(void) {
    static const char *const names[] = {"train", "eval", "plan"};
    CHECK_INT(lt_cli_distance("train", "train"), 0);
    CHECK_INT(lt_cli_distance("trian", "train"), 1);
    CHECK_INT(lt_cli_distance("kitten", "sitting"), 3);
    CHECK_INT(lt_cli_distance("", "abc"), 3);
    CHECK_STR(lt_cli_nearest("trian", 3, name_of, names), "train");
    CHECK_STR(lt_cli_nearest("evel", 3, name_of, names), "eval");
    CHECK(!lt_cli_nearest("predict", 3, name_of, names));
}

static void test_manual(void) {
    static const char wanted[] = "usage: prog do FILE [options]\n       prog do other\n\nWhat it does.\n\noptions:\n"
                                 "  -o, --output FILE  where to write\n      --rows N       how many\n                     rows\n"
                                 "      --label L      one\n      --labels L,..  several\n  -j, --json         a switch\n"
                                 "\nA note.\n\nexamples:\n  prog do x\n\nexit codes: `ltune help exit-codes`\n";
    char *out = NULL;
    size_t bytes;
    FILE *f = open_memstream(&out, &bytes);
    lt_cli_help(&command, f);
    fclose(f);
    CHECK_STR(out, wanted);
    free(out);
    CHECK(lt_cli_wants_help(2, (char *[]){"a", "-h"}));
    CHECK(lt_cli_wants_help(1, (char *[]){"--help"}));
    CHECK(!lt_cli_wants_help(2, (char *[]){"--", "--help"}));
    CHECK(!lt_cli_wants_help(1, (char *[]){"help"}));
}

int main(void) {
    test_forms();
    test_words();
    test_refusals();
    test_nearest();
    test_manual();
    return test_end();
}
