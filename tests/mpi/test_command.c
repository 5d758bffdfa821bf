// TEST np: 1 2  rooms: assistant  labels: mpi  timeout: 120
/* An assistant that is a program: what it says well is had, the same on every rank; whatever it does wrong is fewer answers and a word about why, in time;
 * nothing of it is left.  The program is `test_command --assistant MODE NOTES` (command_program.h). */
#define LT_TEST_MPI
#include "command_program.h"
#include "lt_test.h"

#include "base/log.h"
#include "base/signal.h"
#include "comm/comm.h"
#include "store/json.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char self[400];
static int rank, size;

/* ---- helpers of the tests ---- */

static lt_assistant_cfg cfg;
static char command_line[600];

static lt_assistant *open_as(lt_comm *world, const char *mode, double timeout, int retries) {
    lt_assistant *a = NULL;
    static char none[] = "";
    if (rank == 0) (void)unlink(notes);
    (void)snprintf(command_line, sizeof command_line, "exec %s --assistant '%s' %s", self, mode, notes);
    cfg = (lt_assistant_cfg){.model = none,
                             .command = command_line,
                             .templates = none,
                             .max_tokens = 48,
                             .retries = retries,
                             .temperature = 0.9,
                             .top_p = 0.95,
                             .timeout = timeout};
    CHECK_OK(lt_assistant_open(&(lt_assistant_args){.cfg = &cfg, .most = 8, .questions = 1}, world, &a));
    return a;
}

/* Lines of the notes that begin with a word. */
static int noted(const char *word) {
    char text[4096];
    int n = 0;
    FILE *f = fopen(notes, "r");
    while (f && fgets(text, sizeof text, f)) n += !strncmp(text, word, strlen(word));
    if (f) (void)fclose(f);
    return n;
}

/* Does a process live?  A zombie that is not ours does not: whoever adopted it has not looked yet. */
static bool lives(long pid) {
    char path[64], text[400] = "";
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f) return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    char *close_bracket = n ? strrchr(text, ')') : NULL, state = close_bracket ? close_bracket[2] : 'X';
    return (state != 'Z' && state != 'X') || (close_bracket && strtol(close_bracket + 3, NULL, 10) == getpid());
}

/* After the assistant is closed: no process of it, and no child. */
static void check_nothing_left(const char *mode) {
    char text[4096];
    int n = 0;
    if (rank != 0) return;
    FILE *f = fopen(notes, "r");
    while (f && fgets(text, sizeof text, f)) {
        if (strncmp(text, "pid", 3) != 0) continue;
        long pid = strtol(text + 3, NULL, 10);
        for (int i = 0; i < 200 && lives(pid); i++) nap(0.01);
        TEST_REPORT(!lives(pid), "%s: process %ld lives on", mode, pid);
        n++;
    }
    if (f) (void)fclose(f);
    TEST_REPORT(n > 0, "%s: the program noted nothing", mode);
    errno = 0;
    int child = waitpid(-1, NULL, WNOHANG);
    TEST_REPORT(child < 0 && errno == ECHILD, "%s: a child is left (%d)", mode, child);
}

/* Every rank has the same. */
static void check_same(const lt_answers *a) {
    char mine[8192] = "", its[8192];
    size_t n = 0;
    for (int i = 0; i < a->n && n < sizeof mine; i++) n += (size_t)snprintf(mine + n, sizeof mine - n, "[%.900s]", a->text[i]);
    if (n < sizeof mine) (void)snprintf(mine + n, sizeof mine - n, "%d %.600s", a->n, a->problem ? a->problem : "-");
    memcpy(its, mine, sizeof its);
    MPI_Bcast(its, sizeof its, MPI_BYTE, 0, MPI_COMM_WORLD);
    CHECK_STR(mine, its);
}

static lt_answers ask(lt_assistant *a, int n) {
    lt_answers answers;
    CHECK_OK(lt_assistant_ask(a, &(lt_question){"Say \"something\"\nsh\xC3\xB6n", 0xFFEEDDCCBBAA9988u}, 1, n, &answers));
    check_same(&answers);
    CHECK((answers.problem != NULL) == (answers.n < n));
    return answers;
}

/* ---- tests ---- */

/* One question of three answers to a fresh program. */
typedef struct one_case {
    const char *mode;
    double timeout;
    int retries, n;      /* answers that it gives */
    const char *problem; /* NULL = none */
    int started;         /* times */
    double most_s;       /* that asking and closing may take */
} one_case;

static const one_case one_cases[] = {
    {"answers", 10, 0, 3, NULL, 1, 2},
    {"more", 10, 0, 3, NULL, 1, 2},
    {"fewer", 10, 2, 2, "holds 2", 1, 2},
    {"once", 10, 0, 3, NULL, 1, 2},
    {"no newline", 10, 0, 3, NULL, 1, 2},
    {"blank lines", 10, 0, 3, NULL, 1, 2},
    {"numbers", 10, 2, 1, "holds 1", 1, 2},
    {"bad UTF-8", 10, 0, 3, NULL, 1, 2},
    {"error", 10, 2, 0, "it says: no paper", 1, 2},
    {"murmurs", 10, 0, 3, NULL, 1, 5},
    {"dies", 10, 2, 0, "exit code 3 (the last of 3 tries)", 3, 3},
    {"is killed", 10, 1, 0, "signal 9", 2, 3},
    {"says why", 10, 0, 0, "exit code 4, and said:  [31mthe printer is on fire", 1, 3},
    {"late", 0.5, 1, 0, "no answer in 0.5 s (the last of 2 tries)", 2, 4},
    {"late", 2.5, 0, 0, "no answer in 2.5 s", 1, 5}, /* longer than the deadline of comm */
    {"silent", 0.5, 0, 0, "no answer in 0.5 s", 1, 3},
    {"garbage", 10, 1, 0, "no JSON: \"garbage\"", 2, 3},
    {"a list", 10, 0, 0, "neither a list \"answers\" nor", 1, 3},
    {"deep", 10, 0, 0, "no JSON", 1, 3},
    {"flood", 10, 1, 0, "longer than 4 MiB", 2, 5},
    {"long", 10, 0, 1, "holds 1", 1, 3},
    {"second time", 10, 2, 3, NULL, 3, 3},
    {"second time", 10, 1, 0, "exit code 1", 2, 3},
    {"parent", 10, 0, 3, NULL, 1, 3},
    {"ignores TERM", 10, 0, 3, NULL, 1, 6},
};

static void check_one(lt_comm *world, const one_case *c) {
    int before = test_failed;
    double t0 = lt_time_s();
    lt_assistant *a = open_as(world, c->mode, c->timeout, c->retries);
    lt_answers got = ask(a, 3);
    CHECK_INT(got.n, c->n);
    if (c->problem) TEST_REPORT(got.problem && strstr(got.problem, c->problem), "problem \"%s\"", got.problem ? got.problem : "none");
    for (int i = 0; i < got.n && !strcmp(c->mode, "answers"); i++)
        CHECK(strstr(got.text[i], " says ") && got.text[i][strlen(got.text[i]) - 1] == '0' + i);
    if (!strcmp(c->mode, "bad UTF-8") && got.n == 3) {
        CHECK_STR(got.text[0], "caf\xEF\xBF\xBD \xEF\xBF\xBD");
        CHECK_STR(got.text[1], "gut");
        CHECK_STR(got.text[2], "a");
    }
    if (!strcmp(c->mode, "long") && got.n == 1) {
        CHECK_INT(strlen(got.text[0]), LT_ANSWER_BYTES - 1); /* 1 + 2 n bytes: the last whole character */
        CHECK(got.text[0][LT_ANSWER_BYTES - 2] == '\xA4');
    }
    lt_answers_free(&got);
    CHECK(got.text == NULL && got.problem == NULL);
    lt_assistant_close(&a);
    CHECK(a == NULL);
    TEST_REPORT(lt_time_s() - t0 < c->most_s, "it took %.1f s, at most %.1f expected", lt_time_s() - t0, c->most_s);
    lt_barrier(world);
    if (rank == 0) CHECK_INT(noted("pid") - !strcmp(c->mode, "parent"), c->started);
    check_nothing_left(c->mode);
    lt_barrier(world);
    if (test_failed > before)
        fprintf(stderr, "the failures above: a program that '%s', timeout %g, %d retries\n", c->mode, c->timeout, c->retries);
}

/* What it is told. */
static void check_question(lt_comm *world) {
    lt_assistant *a = open_as(world, "answers", 10, 0);
    lt_answers got = ask(a, 4);
    lt_answers_free(&got);
    lt_assistant_close(&a);
    lt_barrier(world);
    if (rank != 0) return;
    char text[4096];
    json_t *o = NULL;
    FILE *f = fopen(notes, "r");
    while (f && fgets(text, sizeof text, f))
        if (!strncmp(text, "question ", 9)) o = json_loads(text + 9, JSON_REJECT_DUPLICATES, NULL);
    if (f) (void)fclose(f);
    CHECK_INT(json_object_size(o), 7);
    CHECK_INT(json_integer_value(json_object_get(o, "version")), 1);
    CHECK_INT(json_integer_value(json_object_get(o, "n")), 4);
    CHECK_INT(json_integer_value(json_object_get(o, "seed")), 0x0EDDCCBBAA9988);
    CHECK_INT(json_integer_value(json_object_get(o, "max_tokens")), 48);
    CHECK_NEAR(json_number_value(json_object_get(o, "temperature")), 0.9, 1e-15);
    CHECK_NEAR(json_number_value(json_object_get(o, "top_p")), 0.95, 1e-15);
    const char *prompt = json_string_value(json_object_get(o, "prompt"));
    CHECK_STR(prompt ? prompt : "none", "Say \"something\"\nsh\xC3\xB6n");
    CHECK_INT(noted("end"), 1); /* it saw the end of its input and was given the time to say so */
    json_decref(o);
}

/* Three questions, and how many programs answered them. */
static void check_programs(lt_comm *world, const char *mode, int programs) {
    lt_assistant *a = open_as(world, mode, 10, 0);
    for (int i = 0; i < 3; i++) {
        lt_answers got = ask(a, 8);
        CHECK_INT(got.n, 8);
        lt_answers_free(&got);
    }
    lt_assistant_close(&a);
    lt_barrier(world);
    if (rank == 0) CHECK_INT(noted("pid"), programs);
}

/* One program for several questions; one that ends behind its answer is started again and that counts for nothing. */
static void check_kept(lt_comm *world) {
    check_programs(world, "answers", 1);
    lt_barrier(world);
    check_programs(world, "once", 3);
    check_nothing_left("once");
    /* what it says unasked is not taken for the next answer */
    lt_assistant *a = open_as(world, "unasked", 10, 0);
    for (int i = 0; i < 3; i++) {
        lt_answers got = ask(a, 2);
        CHECK_INT(got.n, 2);
        lt_answers_free(&got);
        for (int k = 0; rank == 0 && k < 200 && noted("said") <= i; k++) nap(0.01);
    }
    lt_assistant_close(&a);
    lt_barrier(world);
    /* nobody asks */
    a = open_as(world, "answers", 10, 0);
    CHECK(strstr(lt_assistant_name(a), "the command exec "));
    lt_assistant_close(&a);
    lt_barrier(world);
    if (rank == 0) CHECK_INT(noted("pid"), 0);
}

/* A question that does not fit a pipe, to one who does not read it: the next one begins anew. */
static void check_deaf(lt_comm *world) {
    enum { BYTES = 1 << 20 };
    char *prompt = malloc(BYTES + 1);
    lt_assistant *a = open_as(world, "deaf", 10, 0);
    CHECK(prompt != NULL);
    if (prompt) {
        memset(prompt, 'p', BYTES);
        prompt[BYTES] = 0;
    }
    for (int i = 0; prompt && i < 2; i++) {
        lt_answers got;
        CHECK_OK(lt_assistant_ask(a, &(lt_question){prompt, 1}, 1, 1, &got));
        CHECK_INT(got.n, 1);
        lt_answers_free(&got);
    }
    free(prompt);
    lt_assistant_close(&a);
    lt_barrier(world);
    if (rank == 0) CHECK_INT(noted("pid"), 2);
    check_nothing_left("deaf");
}

/* Nothing of ours reaches it.  Control: a descriptor without close-on-exec and a blocked signal are there. */
static void check_inherited(lt_comm *world) {
    sigset_t usr2;
    (void)sigemptyset(&usr2);
    (void)sigaddset(&usr2, SIGUSR2);
    (void)pthread_sigmask(SIG_BLOCK, &usr2, NULL);
    int fd = dup(1);
    CHECK(fd > 2);
    lt_assistant *a = open_as(world, "inherited", 10, 0);
    lt_answers got = ask(a, 3);
    CHECK_INT(got.n, 3);
    if (got.n == 3) {
        CHECK_STR(got.text[0], "0 signals");
        CHECK_STR(got.text[1], "0 descriptors");
        CHECK_STR(got.text[2], "own group");
    }
    lt_answers_free(&got);
    lt_assistant_close(&a);
    (void)close(fd);
    (void)pthread_sigmask(SIG_UNBLOCK, &usr2, NULL);
    check_nothing_left("inherited");
    lt_barrier(world);
}

/* No process can be had: no error either. */
static void check_no_process(lt_comm *world) {
    struct rlimit was, few = {0};
    lt_assistant *a = open_as(world, "answers", 10, 1);
    (void)getrlimit(RLIMIT_NOFILE, &was);
    few = was;
    few.rlim_cur = 4;
    (void)setrlimit(RLIMIT_NOFILE, &few);
    lt_answers got;
    lt_status st = lt_assistant_ask(a, &(lt_question){"p", 1}, 1, 2, &got);
    (void)setrlimit(RLIMIT_NOFILE, &was);
    CHECK_INT(st, LT_OK);
    CHECK_INT(got.n, 0);
    TEST_REPORT(got.problem && strstr(got.problem, "cannot start a shell"), "problem \"%s\"", got.problem ? got.problem : "none");
    lt_answers_free(&got);
    got = ask(a, 2);
    CHECK_INT(got.n, 2);
    lt_answers_free(&got);
    lt_assistant_close(&a);
}

static void *term_soon(void *unused) {
    (void)unused;
    nap(0.7);
    (void)kill(getpid(), SIGTERM);
    return NULL;
}

/* A signal to one rank ends a question on all; last, because what came stays. */
static void check_signal(lt_comm *world) {
    pthread_t thread;
    bool mine = rank == size - 1;
    lt_answers got;
    lt_assistant *a = open_as(world, "late", 60, 0);
    double t0 = lt_time_s();
    if (mine) CHECK_INT(pthread_create(&thread, NULL, term_soon, NULL), 0);
    CHECK_FAILS(lt_assistant_ask(a, &(lt_question){"p", 1}, 1, 2, &got), LT_ERR_STOPPED, "stopped by a signal");
    CHECK(got.n == 0 && got.text == NULL && got.problem == NULL);
    if (mine) (void)pthread_join(thread, NULL);
    TEST_REPORT(lt_time_s() - t0 < 1.4, "stopped after %.2f s, of which 0.7 before the signal", lt_time_s() - t0);
    lt_assistant_close(&a);
    TEST_REPORT(lt_time_s() - t0 < 1.8, "closed after %.2f s", lt_time_s() - t0);
    lt_barrier(world);
    check_nothing_left("late");
}

int main(int argc, char **argv) {
    lt_comm *world = NULL;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (argc == 4 && !strcmp(argv[1], "--assistant")) {
        (void)snprintf(notes, sizeof notes, "%s", argv[3]);
        return assistant(argv[2]);
    }
    lt_signal_install();
    (void)setenv("LT_DEADLINE_S", "2", 1); /* waits must not depend on the program */
    if (lt_comm_init(&argc, &argv, &world) != LT_OK || n <= 0) return 1;
    rank = lt_comm_rank(world);
    size = lt_comm_size(world);
    long number = getpid();
    MPI_Bcast(&number, 1, MPI_LONG, 0, MPI_COMM_WORLD);
    (void)snprintf(notes, sizeof notes, "/tmp/lt_command.%ld", number);
    CHECK(lives(getpid()) && !lives(1 << 30)); /* controls */
    for (size_t i = 0; i < sizeof one_cases / sizeof *one_cases; i++) check_one(world, &one_cases[i]);
    check_question(world);
    check_kept(world);
    check_deaf(world);
    check_inherited(world);
    check_no_process(world);
    check_signal(world);
    lt_barrier(world);
    if (rank == 0) (void)unlink(notes);
    int rc = test_end();
    lt_comm_fini(&world);
    return rc;
}
