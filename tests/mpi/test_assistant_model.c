// TEST np: 1 2 4  rooms: assistant  labels: mpi  timeout: 120  ops: guard cuda-emulated
/* A decoder as assistant: its answers are those of one rank in every layout, fewer answers are the first of more, the student's own model gives those of
 * a model beside it; long questions lose their middle; answers are one line; a signal ends the question on all ranks.
 *
 * The toy decoder gets a byte-level vocabulary of letters, blanks and ends of lines, and as its weights are random it writes any of them. */
#define LT_TEST_MPI
#include "model_fixture.h"

#include "assistant/assistant.h"
#include "base/config.h"
#include "base/signal.h"
#include "model/device.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

enum { WORDS = 101, MOST = 6, LONGEST = 24, ASKED = 7 };
static const char question[] = "what is here";

typedef struct toy {
    lt_comm *world;
    char dir[64];
    lt_assistant_cfg cfg;
    lt_device device;
} toy;

static void name(const toy *t, const char *file, char path[128]) { (void)snprintf(path, 128, "%s/%s", t->dir, file); }

static const char *const links[] = {"config.json", "model.safetensors"}, *const made[] = {"vocab.json", "merges.txt",
                                                                                          "tokenizer_config.json"};

/* Rank 0: the folder of tiny-gqa with a tokenizer: 26 letters in both cases, a blank, three tokens with a line's end, words that begin with a blank. */
static void write_folder(toy *t) {
    char from[4200], to[128];
    FILE *f;
    CHECK(mkdtemp(t->dir) != NULL);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(from, sizeof from, "%s/tiny-gqa/%s", LT_GOLDEN, links[i]);
        name(t, links[i], to);
        CHECK(symlink(from, to) == 0);
    }
    name(t, made[0], to);
    if ((f = fopen(to, "w"))) {
        int id = 0;
        fprintf(f, "{\"<unk>\": 0, \"<s>\": 1, \"</s>\": 2, \"\\u0120\": 3, \"\\u010a\": 4, \"a\\u010a\": 5, \"\\u010ab\": 6");
        for (id = 7; id < 7 + 52; id++) fprintf(f, ", \"%c\": %d", id < 33 ? 'a' + id - 7 : 'A' + id - 33, id);
        for (; id < WORDS - 16; id++) fprintf(f, ", \"\\u0120%c\": %d", 'a' + id - 59, id); /* the last 16 rows are no words */
        fprintf(f, "}\n");
        CHECK(fclose(f) == 0);
    }
    name(t, made[1], to);
    if ((f = fopen(to, "w"))) {
        fprintf(f, "#version: 0.2\n");
        CHECK(fclose(f) == 0);
    }
    name(t, made[2], to);
    if ((f = fopen(to, "w"))) {
        fprintf(f, "{\"tokenizer_class\": \"GPT2Tokenizer\", \"unk_token\": \"<unk>\"}\n");
        CHECK(fclose(f) == 0);
    }
}

static void take_folder(const toy *t) {
    char path[128];
    for (int i = 0; i < 5; i++) {
        name(t, i < 2 ? links[i] : made[i - 2], path);
        CHECK(unlink(path) == 0);
    }
    CHECK(rmdir(t->dir) == 0);
}

static lt_assistant_args args_of(const toy *t) {
    return (lt_assistant_args){.cfg = &t->cfg, .most = MOST, .questions = ASKED, .longest = LONGEST, .ops = t->device.ops, .threads = 1};
}

static lt_answers ask(lt_assistant *a, const char *prompt, int n, uint64_t seed) {
    lt_answers out = {0};
    CHECK_OK(lt_assistant_ask(a, &(lt_question){prompt, seed}, 1, n, &out));
    return out;
}

static int differ(const lt_answers *a, const lt_answers *b) {
    int n = 0;
    for (int i = 0; i < a->n || i < b->n; i++) n += i >= a->n || i >= b->n || strcmp(a->text[i], b->text[i]) != 0;
    return n;
}

/* Answers in a layout, and what holds in each. */
static lt_answers answers_of(toy *t, int tp) {
    lt_assistant *a = NULL;
    lt_answers all = {0}, some, other;
    lt_assistant_args args = args_of(t);
    t->cfg.tp = tp;
    CHECK_OK(lt_assistant_open(&args, t->world, &a));
    if (!a) return all;
    all = ask(a, question, MOST, 7);
    CHECK_INT(all.n, MOST);
    CHECK(!all.problem && all.seconds > 0);
    some = ask(a, question, 4, 7);
    CHECK_INT(some.n, 4);
    for (int i = 0; i < some.n; i++) CHECK_STR(some.text[i], all.text[i]);
    other = ask(a, question, MOST, 8);
    CHECK(differ(&all, &other) >= MOST - 1); /* negative control: another seed */
    CHECK(differ(&some, &all) == MOST - 4);
    lt_answers_free(&some);
    lt_answers_free(&other);
    lt_assistant_close(&a);
    CHECK(a == NULL);
    return all;
}

static void check_layouts(toy *t, int ranks) {
    lt_answers one = answers_of(t, 1);
    CHECK_INT(one.read, strlen(question));                                        /* a letter a token */
    CHECK(one.written > MOST && one.written < (int64_t)MOST * t->cfg.max_tokens); /* some ended early */
    for (int tp = 0; tp <= ranks; tp = tp ? 2 * tp : 1) {
        lt_answers got = answers_of(t, tp);
        TEST_REPORT(differ(&got, &one) == 0, "assistant.tp %d on %d ranks: %d answers are others", tp, ranks, differ(&got, &one));
        CHECK_INT(got.written, one.written);
        lt_answers_free(&got);
    }
    int lines = 0, ended = 0;
    for (int i = 0; i < one.n; i++) {
        const char *s = one.text[i] + strspn(one.text[i], "\n ");
        lines += strchr(s, '\n') != NULL;
        ended += strlen(one.text[i]) > 0;
    }
    CHECK_INT(lines, 0);
    CHECK(ended == MOST);
    lt_answers_free(&one);
}

/* A long question is the one without its middle; another end is another question. */
static void check_long(toy *t) {
    char whole[LONGEST + 41], cut[LONGEST + 1], other[LONGEST + 41];
    lt_assistant *a = NULL;
    lt_assistant_args args = args_of(t);
    t->cfg.tp = 0;
    memset(whole, 0, sizeof whole);
    memset(cut, 0, sizeof cut);
    for (int i = 0; i < LONGEST + 40; i++) whole[i] = (char)('a' + i * 7 % 26);
    memcpy(other, whole, sizeof whole);
    other[LONGEST + 39] = 'Z';
    memcpy(cut, whole, LONGEST / 2);
    memcpy(cut + LONGEST / 2, whole + LONGEST + 40 - LONGEST / 2, LONGEST / 2);
    CHECK_OK(lt_assistant_open(&args, t->world, &a));
    if (!a) return;
    lt_answers x = ask(a, whole, MOST, 3), y = ask(a, cut, MOST, 3), z = ask(a, other, MOST, 3), none = ask(a, "", MOST, 3);
    CHECK_INT(differ(&x, &y), 0);
    CHECK_INT(x.read, y.read);
    CHECK(differ(&x, &z) > 0); /* negative control */
    CHECK(none.n == 0 && none.problem && strstr(none.problem, "no tokens"));
    lt_answers_free(&x);
    lt_answers_free(&y);
    lt_answers_free(&z);
    lt_answers_free(&none);
    lt_assistant_close(&a);
}

/* Questions that are asked at once, one of which cannot be, get the answers that they get alone, but for roundings that decide a draw (measured: 1 of 36 in
 * bf16); more of them than have room together. */
static void check_together(toy *t) {
    const lt_question all[ASKED] = {{question, 7}, {"who is it", 7}, {question, 8}, {"", 7}, {"why so long a question", 3},
                                    {"a", 4},      {question, 7}};
    lt_answers together[ASKED];
    int differ_in_all = 0;
    lt_assistant *a = NULL;
    lt_assistant_args args = args_of(t);
    t->cfg.tp = 0;
    CHECK_OK(lt_assistant_open(&args, t->world, &a));
    if (!a) return;
    CHECK_OK(lt_assistant_ask(a, all, ASKED, MOST, together));
    for (int i = 0; i < ASKED; i++) {
        lt_answers alone = ask(a, all[i].prompt, MOST, all[i].seed);
        CHECK_INT(together[i].n, i == 3 ? 0 : MOST);
        int others = differ(&together[i], &alone);
        differ_in_all += others;
        CHECK(together[i].read == alone.read && (others || together[i].written == alone.written) && together[i].seconds > 0);
        CHECK((i == 3) == (together[i].problem != NULL) && (i != 3 || strstr(together[i].problem, "no tokens")));
        lt_answers_free(&alone);
    }
    CHECK(differ_in_all <= 3);
    CHECK(differ(&together[0], &together[6]) <= 1);                                                      /* the same question twice */
    for (int i = 1; i < ASKED - 1; i++) CHECK(i == 3 || differ(&together[0], &together[i]) >= MOST - 1); /* negative control */
    for (int i = 0; i < ASKED; i++) lt_answers_free(&together[i]);
    lt_assistant_close(&a);
}

/* The student's model, planned for both. */
static void check_student(toy *t, int tp) {
    static lt_arch arch;
    fixture f = {.world = t->world};
    lt_model_limits limits = {.tokens = 8, .seqs = 2, .max_len = 8};
    lt_model_options opt = {.ops = t->device.ops, .compute = lt_generate_dtype(t->device.ops), .threads = 1, .head = true};
    lt_assistant_args args = args_of(t);
    lt_assistant *a = NULL;
    lt_answers want = answers_of(t, tp);
    CHECK_OK(lt_arch_read(t->dir, &arch));
    CHECK(lt_assistant_is_student(&t->cfg, t->dir) && !lt_assistant_is_student(&t->cfg, LT_GOLDEN));
    CHECK_OK(lt_assistant_limits(&args, &arch, &limits));
    CHECK_INT(limits.max_len, LONGEST + t->cfg.max_tokens - 1);
    CHECK_OK(lt_grid_create(t->world, tp, &f.grid));
    CHECK_OK(lt_model_create(t->dir, &f.grid, &opt, &f.model));
    CHECK_OK(lt_model_plan(f.model, &limits));
    CHECK_OK(lt_model_load(f.model));
    args.student = f.model;
    args.grid = &f.grid;
    CHECK_OK(lt_assistant_open(&args, t->world, &a));
    if (!a) return;
    lt_answers got = ask(a, question, MOST, 7);
    CHECK_INT(differ(&got, &want), 0);
    CHECK(strstr(lt_assistant_name(a), "student") != NULL);
    lt_answers_free(&got);
    lt_answers_free(&want);
    lt_assistant_close(&a);
    fixture_close(&f);
}

/* What came stays, so this is the last. */
static void check_stop(toy *t, int ranks) {
    lt_assistant *a = NULL;
    lt_answers out;
    lt_assistant_args args = args_of(t);
    t->cfg.tp = ranks >= 2 ? 2 : 1;
    CHECK_OK(lt_assistant_open(&args, t->world, &a));
    if (lt_comm_rank(t->world) == ranks - 1) CHECK(raise(SIGUSR1) == 0);
    CHECK_FAILS(lt_assistant_ask(a, &(lt_question){question, 7}, 1, MOST, &out), LT_ERR_STOPPED, "signal");
    CHECK(out.n == 0 && !out.text && !out.problem);
    lt_assistant_close(&a);
}

int main(void) {
    toy t = {.dir = "/tmp/assistant-XXXXXX"};
    lt_signal_install();
    CHECK_OK(lt_comm_init(NULL, NULL, &t.world));
    int ranks = lt_comm_size(t.world);
    if (lt_comm_rank(t.world) == 0) write_folder(&t);
    lt_bcast_host(t.world, t.dir, sizeof t.dir, 0);
    t.cfg = (lt_assistant_cfg){
        .model = t.dir, .command = (char[]){""}, .templates = (char[]){""}, .max_tokens = 20, .temperature = 1.2, .top_p = 0.95};
    CHECK_OK(lt_device_open(t.world, LT_DEVICE_CPU, true, &t.device));
    check_layouts(&t, ranks);
    check_long(&t);
    check_together(&t);
    check_student(&t, ranks >= 2 ? 2 : 1);
    check_stop(&t, ranks);
    if (lt_comm_rank(t.world) == 0) take_folder(&t);
    int rc = test_end();
    lt_comm_fini(&t.world);
    return rc;
}
