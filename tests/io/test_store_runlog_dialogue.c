// TEST rooms: store  labels: io  timeout: 120
/* Run log: what an assistant was asked and said.  Rows pass the file, its journal and the way back to a step; texts of 64 KiB, of any UTF-8 and of none
 * do; prompts that repeat take little room; damaged tables are refused; a writer that is killed loses no row that it had flushed. */
#include "io/store_test.h"

#include "store/h5.h"
#include "store/runlog.h"

#include <signal.h>
#include <sys/wait.h>

static lt_runlog *opened(const char *path) {
    lt_runlog *log = NULL;
    CHECK_OK(lt_runlog_open(path, 3600, &log));
    if (!log) exit(1);
    return log;
}

/* Answer a of round r, which began at step 100 r: no two are the same. */
static lt_dialogue_row make(int r, int a, char text[3][96]) {
    snprintf(text[0], 96,
             "Task: tell gr\xC3\xBC"
             "n from \xE4\xBA\x94 (round %d)\nlines\t\"and\" \xF0\x9F\x8C\xBF",
             r);
    snprintf(text[1], 96, "1. \"answer %d of %d\"\n2. more", a, r);
    snprintf(text[2], 96, "answer %d of %d", a, r);
    lt_dialogue_row row = {.step = 100 * r, .round = r, .prompt = text[0], .answer = text[1], .prefix = text[2], .verdict = "taken"};
    row.probe_loss = 0.5 + 0.01 * a - 0.1 * r;
    row.gain = a == 2 ? NAN : 0.001 * (a + 10 * r);
    row.accuracy = a == 2 ? NAN : 0.25;
    row.probed = 256 - a;
    row.chosen = a == 1;
    return row;
}

static lt_status add_round(lt_runlog *log, const char *trial, int r, int answers) {
    char text[3][96];
    for (int a = 0; a < answers; a++) {
        lt_dialogue_row row = make(r, a, text);
        LT_TRY(lt_runlog_add_dialogue(log, trial, &row));
    }
    return LT_OK;
}

static bool same_number(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static bool is_row(const lt_dialogue_row *got, int r, int a) {
    char text[3][96];
    lt_dialogue_row want = make(r, a, text);
    return got->step == want.step && got->round == want.round && !strcmp(got->prompt, want.prompt) && !strcmp(got->answer, want.answer) &&
           !strcmp(got->prefix, want.prefix) && !strcmp(got->verdict, want.verdict) && same_number(got->probe_loss, want.probe_loss) &&
           same_number(got->gain, want.gain) && same_number(got->accuracy, want.accuracy) && got->probed == want.probed &&
           got->chosen == want.chosen;
}

/* The trial has rounds 0 .. rounds-1 of so many answers, and no more. */
static bool holds(const lt_runlog *log, int trial, int rounds, int answers) {
    int64_t n;
    const lt_dialogue_row *row = lt_runlog_dialogue(log, trial, &n);
    bool same = n == (int64_t)rounds * answers;
    for (int64_t i = 0; same && i < n; i++) same = is_row(&row[i], (int)i / answers, (int)i % answers);
    return same;
}

static void test_file(void) {
    const char *path = in_scratch("file.h5");
    lt_runlog *log = opened(path);
    int64_t n;
    CHECK_OK(lt_runlog_start(log));
    CHECK_OK(add_round(log, "a", 0, 4));
    CHECK_OK(lt_runlog_add_train(log, "b", &(lt_train_row){.step = 1}));
    CHECK_OK(add_round(log, "a", 1, 4));
    CHECK(holds(log, 0, 2, 4) && !holds(log, 0, 2, 3) && lt_runlog_dialogue(log, 1, &n) == NULL && n == 0);
    const lt_dialogue_row *row = lt_runlog_dialogue(log, 0, &n);
    CHECK(row[0].prompt == row[3].prompt && row[0].prompt != row[4].prompt); /* kept once a round */
    CHECK_OK(lt_runlog_finish(log));
    lt_runlog_close(&log);
    CHECK_OK(lt_h5_verify(path));
    log = opened(path);
    CHECK(holds(log, 0, 2, 4) && lt_runlog_dialogue(log, 1, &n) == NULL);
    CHECK_FAILS(lt_runlog_add_dialogue(log, "a/b", &(lt_dialogue_row){0}), LT_ERR_ARG, "a/b");
    /* back to step 50: the second round goes and comes again */
    lt_runlog_truncate_after(log, 50);
    CHECK(holds(log, 0, 1, 4));
    CHECK_OK(add_round(log, "a", 1, 4));
    /* a checkpoint that knows of one round: the second goes, whatever its step */
    lt_runlog_truncate_rounds(log, "nobody", 0);
    lt_runlog_truncate_rounds(log, "a", 2);
    CHECK(holds(log, 0, 2, 4));
    lt_runlog_truncate_rounds(log, "a", 1);
    CHECK(holds(log, 0, 1, 4));
    CHECK_OK(add_round(log, "a", 1, 4));
    CHECK_OK(lt_runlog_finish(log));
    lt_runlog_close(&log);
    log = opened(path);
    CHECK(holds(log, 0, 2, 4));
    lt_runlog_close(&log);
}

/* The layout of docs/FORMATS.md, by the library itself. */
static void test_layout(void) {
    char **prompt = NULL, **prefix = NULL, text[3][96];
    unsigned char *chosen = NULL;
    int64_t n = -1, *probed = NULL;
    double *gain = NULL;
    hid_t f = -1, g = -1;
    lt_dialogue_row want = make(1, 2, text);
    CHECK_OK(lt_h5_open(in_scratch("file.h5"), &f));
    CHECK_OK(lt_h5_group(f, "trials/a/dialogue", &g));
    CHECK_OK(lt_h5_read_strings(g, "prompt", &n, &prompt));
    CHECK(n == 8 && !strcmp(prompt[6], want.prompt));
    CHECK_OK(lt_h5_read_strings(g, "prefix", &n, &prefix));
    CHECK(n == 8 && !strcmp(prefix[6], want.prefix));
    CHECK_OK(lt_h5_read(g, "gain", LT_F64, 1, &n, &gain));
    CHECK_OK(lt_h5_read(g, "probed", LT_I64, 1, &n, &probed));
    CHECK_OK(lt_h5_read(g, "chosen", LT_U8, 1, &n, &chosen));
    CHECK(isnan(gain[6]) && gain[7] == 0.001 * 13 && probed[7] == 253 && chosen[5] == 1 && chosen[6] == 0);
    lt_h5_close(&g);
    CHECK(!lt_h5_has(f, "trials/b/dialogue"));
    lt_h5_close(&f);
    free(prompt);
    free(prefix);
    free(gain);
    free(probed);
    free(chosen);
}

/* Rows that only the journal has, in every order of saved and not saved, among rows of other kinds. */
static void test_journal(void) {
    const char *path = in_scratch("journal.h5");
    for (int first = 0; first < 4; first++) {
        (void)unlink(path);
        lt_runlog *log = opened(path);
        int64_t n;
        CHECK_OK(lt_runlog_start(log));
        CHECK_OK(lt_runlog_add_train(log, "z", &(lt_train_row){.step = 1}));
        CHECK_OK(lt_runlog_add_train(log, "a", &(lt_train_row){.step = 1}));
        if (first & 1) CHECK_OK(add_round(log, "a", 0, 3));
        CHECK_OK(lt_runlog_flush(log, true)); /* the file */
        if (!(first & 1)) CHECK_OK(add_round(log, "a", 0, 3));
        CHECK_OK(add_round(log, "z", 0, 2));
        CHECK_OK(add_round(log, "a", 1, 1));
        if (first & 2) CHECK_OK(lt_runlog_flush(log, true)); /* the journal: it is too early for a whole file, and inside a round */
        char text[3][96];
        for (int a = 1; a < 3; a++) {
            lt_dialogue_row row = make(1, a, text);
            CHECK_OK(lt_runlog_add_dialogue(log, "a", &row));
        }
        CHECK_OK(lt_runlog_add_train(log, "a", &(lt_train_row){.step = 2}));
        CHECK_OK(lt_runlog_add_perf(log, &(lt_perf_row){.step = 2, .tokens = 5}));
        CHECK_OK(lt_runlog_flush(log, true));
        CHECK(access(in_scratch("journal.h5.journal"), F_OK) == 0);
        lt_runlog_close(&log); /* as if killed */
        log = opened(path);
        TEST_REPORT(holds(log, 1, 2, 3) && holds(log, 0, 1, 2), "case %d: rows of the journal", first);
        CHECK(lt_runlog_perf(log, &n) && n == 1 && lt_runlog_train(log, 1, &n) && n == 2);
        lt_runlog_truncate_after(log, 99);
        CHECK(holds(log, 1, 1, 3) && holds(log, 0, 1, 2));
        CHECK_OK(add_round(log, "a", 1, 3));
        CHECK_OK(lt_runlog_finish(log));
        lt_runlog_close(&log);
        CHECK(access(in_scratch("journal.h5.journal"), F_OK) != 0);
        log = opened(path);
        CHECK(holds(log, 1, 2, 3) && holds(log, 0, 1, 2));
        lt_runlog_close(&log);
    }
}

/* A child adds rounds and says after each flush which it was; it is killed at some instant, and what it had said is there. */
static void test_killed(void) {
    enum { KILLS = 8 };
    const char *path = in_scratch("killed.h5");
    for (int k = 0; k < KILLS; k++) {
        int ends[2], said = 0, r = 0;
        (void)unlink(path);
        (void)unlink(in_scratch("killed.h5.journal"));
        CHECK(pipe(ends) == 0);
        pid_t child = fork();
        if (child == 0) {
            lt_runlog *log = NULL;
            if (lt_runlog_open(path, 0, &log) != LT_OK || lt_runlog_start(log) != LT_OK) _exit(1);
            for (int i = 1;; i++)
                if (add_round(log, "a", i - 1, 3) != LT_OK || lt_runlog_flush(log, true) != LT_OK || write(ends[1], &i, sizeof i) < 0)
                    _exit(1);
        }
        (void)close(ends[1]);
        for (int i = 0; i <= k && read(ends[0], &r, sizeof r) == sizeof r; i++) said = r; /* at least this much */
        usleep((useconds_t)(997 * k));
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        while (read(ends[0], &r, sizeof r) == sizeof r) said = r;
        (void)close(ends[0]);
        lt_runlog *log = opened(path);
        int64_t n;
        (void)lt_runlog_dialogue(log, 0, &n);
        TEST_REPORT(said > k && n >= 3 * (int64_t)said && n % 3 == 0 && holds(log, 0, (int)n / 3, 3), "killed after %d rounds: %lld rows",
                    said, (long long)n);
        lt_runlog_close(&log);
    }
}

/* A text of one character, so many bytes. */
static char *filled(const char *character, size_t bytes) {
    size_t n = strlen(character);
    char *text = malloc(bytes + 1);
    for (size_t i = 0; i + n <= bytes; i += n) memcpy(text + i, character, n), text[i + n] = 0;
    return text;
}

static void test_long(void) {
    enum { ANSWERS = 40 };
    const char *path = in_scratch("long.h5");
    char *prompt = filled("p", LT_DIALOGUE_TEXT_BYTES), *longer = filled("\xE2\x82\xAC", LT_DIALOGUE_TEXT_BYTES + 3000), text[3][96];
    for (int i = 0; i < LT_DIALOGUE_TEXT_BYTES; i++)
        prompt[i] = (char)('a' + i * 7919 % 26); /* the window of deflate does not reach the row before */
    lt_runlog *log = opened(path);
    int64_t n;
    size_t bytes;
    CHECK_OK(lt_runlog_start(log));
    for (int a = 0; a < ANSWERS; a++) {
        lt_dialogue_row row = make(0, a, text);
        row.prompt = prompt;
        row.answer = a == 1 ? longer : "short";
        CHECK_OK(lt_runlog_add_dialogue(log, "a", &row));
        if (a == 1) CHECK_OK(lt_runlog_flush(log, true));
    }
    CHECK_OK(lt_runlog_flush(log, true));
    lt_runlog_close(&log);
    for (int again = 0; again < 2; again++) { /* file and journal; the file alone */
        log = opened(path);
        const lt_dialogue_row *row = lt_runlog_dialogue(log, 0, &n);
        CHECK_INT(n, ANSWERS);
        CHECK(!strcmp(row[0].prompt, prompt) && !strcmp(row[ANSWERS - 1].prompt, prompt) && !strcmp(row[0].answer, "short"));
        size_t cut = strlen(row[1].answer); /* at a character */
        CHECK(cut <= LT_DIALOGUE_TEXT_BYTES && cut > LT_DIALOGUE_TEXT_BYTES - 3 && cut % 3 == 0 && !strncmp(row[1].answer, longer, cut));
        CHECK_OK(lt_runlog_finish(log));
        lt_runlog_close(&log);
    }
    free(file_load(path, &bytes));
    printf("%d prompts and answers of up to 64 KiB: a file of %zu bytes\n", ANSWERS, bytes);
    CHECK(bytes < (size_t)ANSWERS * LT_DIALOGUE_TEXT_BYTES / 4); /* of twice this without packing */
    free(prompt);
    free(longer);
}

static void test_not_utf8(void) {
    static const struct {
        const char *given, *kept;
    } text[] = {{"", ""},
                {NULL, ""},
                {"a\xFF"
                 "b",
                 "a\xEF\xBF\xBD"
                 "b"},
                {"\xC3", "\xEF\xBF\xBD"},                                   /* cut inside a character */
                {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                   /* longer than needed */
                {"\xED\xA0\x80x", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx"}, /* a surrogate */
                {"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
                {"\xF4\x8F\xBF\xBF\x01\x1B[0m", "\xF4\x8F\xBF\xBF\x01\x1B[0m"}}; /* the last character; controls are text */
    enum { N = sizeof text / sizeof *text };
    const char *path = in_scratch("bytes.h5");
    lt_runlog *log = opened(path);
    int64_t n;
    CHECK_OK(lt_runlog_start(log));
    for (int i = 0; i < N; i++)
        CHECK_OK(lt_runlog_add_dialogue(log, "a", &(lt_dialogue_row){.answer = text[i].given, .verdict = "garbage"}));
    CHECK_OK(lt_runlog_finish(log));
    lt_runlog_close(&log);
    log = opened(path);
    const lt_dialogue_row *row = lt_runlog_dialogue(log, 0, &n);
    CHECK_INT(n, N);
    for (int i = 0; i < N; i++) CHECK_STR(row[i].answer, text[i].kept);
    CHECK_STR(row[0].prompt, "");
    lt_runlog_close(&log);
}

/* Columns that do not fit each other; a file that another program has changed is read else. */
static void test_bad_files(void) {
    static const struct {
        const char *lost, *text;
        hsize_t rows; /* of the one that takes its place; 0: none does */
    } bad[] = {{"prompt", "prompt", 0}, {"gain", "gain", 0}, {"gain", "gain", 5}, {"verdict", "verdict", 3}, {NULL, NULL, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *path = in_scratch("bad.h5");
        size_t bytes;
        lt_runlog *log = NULL;
        unsigned char *data = file_load(in_scratch("file.h5"), &bytes);
        file_save(path, data, bytes - SEAL_BYTES); /* now it is a foreign file, which may be changed */
        free(data);
        hid_t f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), g = H5Gopen2(f, "trials/a/dialogue", H5P_DEFAULT);
        if (bad[i].lost) H5Ldelete(g, bad[i].lost, H5P_DEFAULT);
        if (bad[i].rows) {
            hid_t type = H5Tcopy(strcmp(bad[i].lost, "gain") ? H5T_C_S1 : H5T_IEEE_F64LE), space = H5Screate_simple(1, &bad[i].rows, NULL);
            hid_t dset = H5Dcreate2(g, bad[i].lost, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
            const char zeros[64] = {0};
            H5Dwrite(dset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros);
            H5Dclose(dset);
            H5Sclose(space);
            H5Tclose(type);
        }
        H5Gclose(g);
        H5Fclose(f);
        if (bad[i].text) {
            CHECK_FAILS(lt_runlog_open(path, 0, &log), LT_ERR_FORMAT, bad[i].text);
            CHECK(log == NULL);
        } else {
            log = opened(path);
            CHECK(holds(log, 0, 2, 4)); /* the packed columns pass the copy of a foreign file */
            lt_runlog_close(&log);
        }
    }
}

int main(void) {
    scratch_make();
    test_file();
    test_layout();
    test_journal();
    test_killed();
    test_long();
    test_not_utf8();
    test_bad_files();
    return test_end();
}
