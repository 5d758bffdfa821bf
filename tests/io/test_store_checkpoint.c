// TEST rooms: store  labels: io  timeout: 120
/* Checkpoints: round trip, mismatches, the folder (links, pruning, order), damaged files passed over, and a writer killed at random instants. */
#include "io/store_test.h"

#include "base/mem.h"
#include "base/rng.h"
#include "store/checkpoint.h"
#include "store/fs.h"
#include "store/h5.h"
#include "store/layout.h"

#include <signal.h>
#include <sys/wait.h>

static float weight[6], bias[2], moment[6], scalar[1];

/* Tensors of a trial, filled from the step so that a mixture of two steps shows. */
static int tensors(lt_named t[3], int64_t step) {
    for (int i = 0; i < 6; i++) weight[i] = (float)step + (float)i / 8, moment[i] = -weight[i];
    bias[0] = (float)step;
    bias[1] = 0.5f;
    scalar[0] = (float)step * 2;
    t[0] = (lt_named){.name = "head.weight", .n_dims = 2, .dim = {2, 3}, .data = weight};
    t[1] = (lt_named){.name = "head.bias", .n_dims = 1, .dim = {2}, .data = bias};
    t[2] = (lt_named){.name = "scale", .n_dims = 0, .data = scalar};
    return 3;
}

static lt_ckpt_head head(int64_t step) {
    return (lt_ckpt_head){.step = step,
                          .config = "run: {seed: 1}\n",
                          .config_sha256 = "c0ffee",
                          .model_sha256 = "beef",
                          .data_sha256 = "da7a",
                          .settings = "train.lr: 1\ntrial a\nlength: 2\n",
                          .labels = "no\nyes",
                          .dtype = "f32",
                          .pack_rows = 1056,
                          .ranks = 4,
                          .tp = 2,
                          .dp = 2};
}

static lt_status save(const char *dir, int64_t step) {
    lt_ckpt_head h = head(step);
    lt_ckpt_writer *w = NULL;
    lt_named t[3];
    lt_status st = LT_OK;
    int n = tensors(t, step);
    LT_TRY(lt_ckpt_begin(dir, &h, &w));
    LT_TRY_GOTO(lt_ckpt_put_str(w, NULL, "note", "whole file"), st, done);
    for (int k = 0; k < 2; k++) {
        const char *trial = k ? "b" : "a";
        LT_TRY_GOTO(lt_ckpt_put_i64(w, trial, "cursor", 32 * step), st, done);
        LT_TRY_GOTO(lt_ckpt_put_f64(w, trial, "best_metric", 1.0 / (double)(step + 1)), st, done);
        LT_TRY_GOTO(lt_ckpt_put_str(w, trial, "method", "lt_prefix"), st, done);
        LT_TRY_GOTO(lt_ckpt_put_named(w, trial, "params", t, n), st, done);
        t[0].data = moment;
        LT_TRY_GOTO(lt_ckpt_put_named(w, trial, "adam_m", t, 1), st, done);
        t[0].data = weight;
    }
    return lt_ckpt_commit(&w);
done:
    lt_ckpt_cancel(&w);
    return st;
}

/* True if an open checkpoint is what save() wrote for its step. */
static bool intact(lt_ckpt *ck) {
    float w[6], b[2], s[1];
    lt_named want[3], got[3];
    int64_t step = lt_ckpt_about(ck)->step, cursor = 0;
    int n = tensors(want, step);
    memcpy(got, want, sizeof want);
    got[0].data = w, got[1].data = b, got[2].data = s;
    return lt_ckpt_get_named(ck, "b", "params", got, n) == LT_OK && !memcmp(w, weight, sizeof w) && !memcmp(b, bias, sizeof b) &&
           s[0] == scalar[0] && lt_ckpt_get_i64(ck, "a", "cursor", &cursor) == LT_OK && cursor == 32 * step;
}

/* A value of a trial as long as a dialogue's state: HDF5 keeps attributes of over 64 KiB in another way than short ones. */
static void test_long_text(const char *dir) {
    const size_t sizes[] = {65000, 65535, 65536, 65600, 300000, (size_t)1 << 20};
    enum { N = sizeof sizes / sizeof *sizes };
    lt_ckpt_head h = head(7);
    char *text[N], key[16], *got = NULL, path[400];
    bool there = false;
    CHECK_OK(lt_ckpt_dir_prepare(dir));
    for (int best = 0; best < 2; best++) {
        lt_ckpt_writer *w = NULL;
        lt_ckpt *ck = NULL;
        snprintf(path, sizeof path, "%s/%s", dir, best ? "best_00000007.a.h5" : "step_00000007.h5");
        CHECK_OK(best ? lt_ckpt_begin_best(dir, &h, "a", &w) : lt_ckpt_begin(dir, &h, &w));
        for (int i = 0; i < N; i++) {
            text[i] = malloc(sizes[i] + 1);
            for (size_t k = 0; k < sizes[i]; k++) text[i][k] = (char)(' ' + (k * 31 + (size_t)i + k / 95) % 95);
            text[i][sizes[i]] = 0;
            snprintf(key, sizeof key, "text%d", i);
            CHECK_OK(lt_ckpt_put_str(w, "a", key, text[i]));
        }
        CHECK_OK(lt_ckpt_put_i64(w, "a", "cursor", 5));
        CHECK_OK(lt_ckpt_commit(&w));
        CHECK_OK(lt_h5_verify(path));
        CHECK_OK(lt_ckpt_open(path, &ck));
        for (int i = 0; ck && i < N; i++) {
            snprintf(key, sizeof key, "text%d", i);
            CHECK(lt_ckpt_has(ck, "a", key, &there) == LT_OK && there);
            CHECK_OK(lt_ckpt_get_str(ck, "a", key, &got));
            TEST_REPORT(got && !strcmp(got, text[i]), "a text of %zu bytes", sizes[i]);
            if (got) got[sizes[i] - 1] ^= 1; /* the comparison sees the last byte */
            CHECK(got && strcmp(got, text[i]) != 0);
            free(got);
            got = NULL;
        }
        int64_t cursor = 0;
        CHECK(lt_ckpt_get_i64(ck, "a", "cursor", &cursor) == LT_OK && cursor == 5);
        lt_ckpt_close(&ck);
        for (int i = 0; i < N; i++) free(text[i]);
    }
}

static void test_round_trip(const char *dir) {
    lt_ckpt *ck = NULL;
    lt_named *t = NULL, one;
    int64_t n, v;
    int count;
    char *text = NULL;
    double f;
    CHECK_OK(lt_ckpt_dir_prepare(dir));
    CHECK_OK(save(dir, 7));
    CHECK_FAILS(lt_ckpt_open(in_scratch("ck/step_00000008.h5"), &ck), LT_ERR_IO, "No such file");
    CHECK_OK(lt_ckpt_open(in_scratch("ck/step_00000007.h5"), &ck));
    CHECK(intact(ck));
    const lt_ckpt_head *h = lt_ckpt_about(ck);
    CHECK_INT(h->pack_rows, 1056);
    CHECK(h->step == 7 && h->ranks == 4 && h->tp == 2 && h->dp == 2 && !strcmp(h->dtype, "f32") && !strcmp(h->config, "run: {seed: 1}\n"));
    CHECK_STR(lt_ckpt_trials(ck, &n)[1], "b");
    CHECK_INT(n, 2);
    CHECK_OK(lt_ckpt_get_str(ck, NULL, "note", &text));
    CHECK_STR(text, "whole file");
    free(text);
    CHECK_OK(lt_ckpt_get_f64(ck, "a", "best_metric", &f));
    CHECK_NEAR(f, 1.0 / 8, 0);
    CHECK_OK(lt_ckpt_list_named(ck, "a", "params", &t, &count));
    CHECK(count == 3 && !strcmp(t[1].name, "head.weight") && t[1].n_dims == 2 && t[1].dim[1] == 3 && t[1].data == NULL);
    free(t);
    CHECK_OK(lt_ckpt_list_named(ck, "a", "label_states", &t, &count));
    CHECK_INT(count, 0);
    free(t);

    /* What does not fit is named. */
    lt_ckpt_head run = {
        .settings = "train.lr: 1\ntrial a\nlength: 2\n", .labels = "no\nyes", .model_sha256 = "beef", .data_sha256 = "da7a"};
    CHECK_OK(lt_ckpt_match(ck, &run));
    CHECK_OK(lt_ckpt_match(ck, &(lt_ckpt_head){0}));
    run.settings = "train.lr: 1\ntrial a\nlength: 3\n";
    CHECK_FAILS(lt_ckpt_match(ck, &run), LT_ERR_CONFIG, "another configuration (trial a: \"length: 3\" here, \"length: 2\" there)");
    run.settings = "train.lr: 1\ntrial a\n";
    CHECK_FAILS(lt_ckpt_match(ck, &run), LT_ERR_CONFIG, "(trial a: \"\" here, \"length: 2\" there)");
    /* a key of a later version at its default, and at another value; the same of an earlier one */
    run.settings = "train.lr: 1\ntrial a\nmethod.rank: 12\nlength: 2\nmethod.targets: [q, v]\n";
    CHECK_OK(lt_ckpt_match(ck, &run));
    run.settings = "train.lr: 1\ntrial a\nmethod.rank: 8\nlength: 2\n";
    CHECK_FAILS(lt_ckpt_match(ck, &run), LT_ERR_CONFIG, "(trial a: \"method.rank: 8\" here, \"length: 2\" there)");
    run.settings = NULL;
    run.labels = "yes\nno";
    CHECK_FAILS(lt_ckpt_match(ck, &run), LT_ERR_CONFIG, "was trained with other labels");
    run.labels = NULL;
    run.model_sha256 = "bee";
    CHECK_FAILS(lt_ckpt_match(ck, &run), LT_ERR_CONFIG, "was trained on another base model");
    run.model_sha256 = NULL;
    run.data_sha256 = "da7";
    CHECK_FAILS(lt_ckpt_match(ck, &run), LT_ERR_CONFIG, "on other data");
    float buf[8];
    one = (lt_named){.name = "head.weight", .n_dims = 2, .dim = {2, 4}, .data = buf};
    CHECK_FAILS(lt_ckpt_get_named(ck, "a", "params", &one, 1), LT_ERR_FORMAT,
                "/trials/a/params/head.weight is f32 [2, 3], expected f32 [2, 4]");
    one.dim[1] = 3;
    CHECK_FAILS(lt_ckpt_get_named(ck, "a", "params", &one, 1), LT_ERR_FORMAT, "head.bias is not a tensor of this run");
    strcpy(one.name, "lora.a");
    CHECK_FAILS(lt_ckpt_get_named(ck, "a", "params", &one, 1), LT_ERR_FORMAT, "lora.a is missing");
    CHECK_FAILS(lt_ckpt_get_named(ck, "c", "params", &one, 1), LT_ERR_FORMAT, "has no /trials/c/params");
    CHECK_FAILS(lt_ckpt_get_i64(ck, "a", "epoch", &v), LT_ERR_FORMAT, "'epoch' is missing");
    lt_ckpt_close(&ck);
    lt_ckpt_writer *w = NULL;
    lt_ckpt_head again = head(9);
    CHECK_OK(lt_ckpt_begin(dir, &again, &w));
    CHECK_FAILS(lt_ckpt_put_i64(w, "a/b", "x", 1), LT_ERR_ARG, "cannot be the name of a trial");
    lt_ckpt_cancel(&w);
    CHECK(!file_exists(in_scratch("ck/step_00000009.h5")) && !dir_has(dir, ".tmp"));
    CHECK_FAILS(lt_ckpt_begin(in_scratch("not/there"), &again, &w), LT_ERR_IO, "No such file or directory");
}

static void test_folder(const char *dir) {
    int64_t *step;
    int n;
    char target[64] = "";
    for (int64_t s = 10; s <= 50; s += 10) CHECK_OK(save(dir, s));
    CHECK_OK(lt_ckpt_link(dir, "last", 50));
    CHECK_OK(lt_ckpt_link(dir, "best.a", 20));
    CHECK_OK(lt_ckpt_link(dir, "best.b", 7));
    CHECK_OK(lt_ckpt_link(dir, "best.b", 30)); /* replaced */
    CHECK(readlink(in_scratch("ck/best.b"), target, sizeof target - 1) > 0);
    CHECK_STR(target, "step_00000030.h5");
    CHECK_FAILS(lt_ckpt_link(dir, "last", 51), LT_ERR_ARG, "which is not there");
    CHECK_FAILS(lt_ckpt_link(dir, "step_00000010.h5", 10), LT_ERR_ARG, "expected last or best.");
    file_save(in_scratch("ck/step_00000099.h5.tmp.host.1.2"), "x", 1);
    file_save(in_scratch("ck/step_99.h5"), "x", 1); /* not ours by name */
    CHECK_OK(lt_ckpt_dir_prepare(dir));
    CHECK(!dir_has(dir, ".tmp"));
    CHECK_OK(lt_ckpt_prune(dir, 2));
    CHECK_OK(lt_ckpt_list(dir, &step, &n));
    CHECK(n == 4 && step[0] == 50 && step[1] == 40 && step[2] == 30 && step[3] == 20);
    free(step);
    CHECK(file_exists(in_scratch("ck/step_99.h5")));
    CHECK_OK(lt_ckpt_set_aside(dir, 35));
    CHECK(file_exists(in_scratch("ck/step_00000040.h5.bad")) && file_exists(in_scratch("ck/step_00000050.h5.bad")));
    CHECK_OK(lt_ckpt_list(dir, &step, &n));
    CHECK(n == 2 && step[0] == 30 && !file_exists(in_scratch("ck/last")) && file_exists(in_scratch("ck/best.b")));
    free(step);
    CHECK_OK(lt_ckpt_list(in_scratch("no-folder"), &step, &n));
    CHECK_INT(n, 0);
    free(step);
}

/* Restore takes the newest whole file, whatever happened to the others. */
static void test_damaged(const char *dir) {
    lt_ckpt *ck = NULL;
    size_t n;
    const char *newest = in_scratch("ck/step_00000060.h5");
    CHECK_OK(save(dir, 60));
    unsigned char *data = file_load(newest, &n);
    const char *what[] = {"flipped", "cut", "empty", "foreign", "version"};
    for (int k = 0; k < 5; k++) {
        file_save(newest, data, n);
        if (k == 0) {
            unsigned char *at = memmem(data, n, weight, sizeof weight);
            CHECK(at != NULL);
            at[5] ^= 4;
            file_save(newest, data, n);
            at[5] ^= 4;
        } else if (k < 4) {
            file_save(newest, k == 3 ? (const void *)"hello" : data, k == 1 ? n / 2 : k == 2 ? 0 : 5);
        } else {
            lt_h5_writer *w = NULL;
            CHECK_OK(lt_h5_write_begin(newest, LT_KIND_CKPT, LT_CKPT_VERSION + 1, &w));
            CHECK_OK(lt_h5_write_commit(&w));
        }
        CHECK_OK(lt_ckpt_open_newest(dir, &ck));
        TEST_REPORT(ck && lt_ckpt_about(ck)->step == 30 && intact(ck), "%s newest: the older one was not taken", what[k]);
        lt_ckpt_close(&ck);
    }
    file_save(newest, data, n);
    CHECK_OK(lt_ckpt_open_newest(dir, &ck));
    CHECK_INT(lt_ckpt_about(ck)->step, 60);
    lt_ckpt_close(&ck);
    /* One that cannot be read may be good: an error, and nothing older is taken. */
    CHECK_OK(lt_fs_mkdirs(in_scratch("ck/step_00000070.h5")));
    CHECK_FAILS(lt_ckpt_open_newest(dir, &ck), LT_ERR_IO, "step_00000070.h5");
    CHECK_INT(rmdir(in_scratch("ck/step_00000070.h5")), 0);
    free(data);
    /* All damaged is an error, none is not. */
    CHECK_OK(lt_fs_mkdirs(in_scratch("bad/ck")));
    CHECK_OK(lt_ckpt_open_newest(in_scratch("bad/ck"), &ck));
    CHECK(ck == NULL);
    file_save(in_scratch("bad/ck/step_00000001.h5"), "x", 1);
    CHECK_FAILS(lt_ckpt_open_newest(in_scratch("bad/ck"), &ck), LT_ERR_FORMAT, "none of the 1 checkpoints");
    CHECK_OK(lt_ckpt_clear(in_scratch("bad/ck")));
    CHECK_OK(lt_ckpt_open_newest(in_scratch("bad/ck"), &ck));
    CHECK(ck == NULL);
}

/* Writes checkpoints without end; tells each committed step through the pipe. */
static void writer_child(const char *dir, int64_t from, int pipe_out) {
    for (int64_t step = from;; step++) {
        if (save(dir, step) != LT_OK) _exit(1);
        if (write(pipe_out, &step, sizeof step) != sizeof step) _exit(1);
        if (lt_ckpt_link(dir, "last", step) != LT_OK || lt_ckpt_prune(dir, 2) != LT_OK) _exit(1);
    }
}

static void test_kill(void) {
    const char *dir = in_scratch("killed");
    const lt_rng rng = {.seed = 3, .purpose = LT_RNG_TEST};
    int64_t restored = 0, *step;
    int n, lost = 0;
    CHECK_OK(lt_ckpt_dir_prepare(dir));
    for (uint64_t round = 0; round < 20; round++) {
        int ends[2], wstatus = 0;
        int64_t acked = restored, next;
        lt_ckpt *ck = NULL;
        if (pipe(ends) != 0) exit(1);
        pid_t child = fork();
        if (child == 0) writer_child(dir, restored + 1, ends[1]);
        close(ends[1]);
        /* Every other writer gets far enough to commit something. */
        if (round % 2 == 0 && read(ends[0], &acked, sizeof acked) != sizeof acked) CHECK(!"the writer failed");
        usleep((useconds_t)(2000 + lt_rng_below(&rng, 60000, round, 0)));
        kill(child, SIGKILL);
        waitpid(child, &wstatus, 0);
        CHECK(WIFSIGNALED(wstatus));
        while (read(ends[0], &next, sizeof next) == sizeof next) acked = next;
        close(ends[0]);
        CHECK_OK(lt_ckpt_dir_prepare(dir));
        CHECK_OK(lt_ckpt_open_newest(dir, &ck));
        if (!ck && acked == 0) continue; /* killed before the first one was complete */
        TEST_REPORT(ck && intact(ck) && lt_ckpt_about(ck)->step >= acked, "round %d: restored %lld, committed was %lld", (int)round,
                    ck ? (long long)lt_ckpt_about(ck)->step : -1LL, (long long)acked);
        if (ck) lost += lt_ckpt_about(ck)->step < acked;
        if (ck) restored = lt_ckpt_about(ck)->step;
        lt_ckpt_close(&ck);
    }
    CHECK_INT(lost, 0);
    CHECK(restored >= 10);
    CHECK_OK(lt_ckpt_list(dir, &step, &n));
    CHECK(n >= 2 && n <= 4);
    free(step);
    printf("20 kills: %lld checkpoints committed, 0 lost\n", (long long)restored);
}

static void test_h5dump(void) {
    char command[800], out[20000];
    if (system("command -v h5dump >/dev/null 2>&1") != 0) {
        printf("h5dump is not installed: its part is skipped\n");
        return;
    }
    snprintf(command, sizeof command, "h5dump '%s' 2>&1", in_scratch("ck/step_00000060.h5"));
    CHECK_INT(run_output(command, out, sizeof out), 0);
    static const char *const shown[] = {"\"ltune-checkpoint\"",       "GROUP \"trials\"",          "GROUP \"adam_m\"",
                                        "DATASET \"head.weight\"",    "(0,0): 60, 60.125, 60.25,", "ATTRIBUTE \"best_metric\"",
                                        "ATTRIBUTE \"config_sha256\""};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) TEST_REPORT(strstr(out, shown[i]), "h5dump does not show %s", shown[i]);
}

int main(void) {
    setenv("LT_LOG", "error", 0); /* the warnings about damaged files are expected here */
    scratch_make();
    test_round_trip(in_scratch("ck"));
    test_folder(in_scratch("ck"));
    test_damaged(in_scratch("ck"));
    test_long_text(in_scratch("long"));
    test_kill();
    test_h5dump();
    return test_end();
}
