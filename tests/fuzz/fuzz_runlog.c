/* Fuzzes lt_runlog_open by edits to a good run log, then goes on with what was read: adds, drops and writes rows; see fuzz_h5.h. */
#include "fuzz_h5.h"

#include "store/layout.h"
#include "store/runlog.h"

const char *const fuzz_words[] = {"train", "eval", "perf", "step",      "split",    "run",    "start_0002", "order",  "trials", "labels",
                                  "types", "best", "last", "confusion", "dialogue", "prompt", "prefix",     "chosen", FUZZ_CUT, NULL};

static void make(const char *path) {
    lt_runlog *log = NULL;
    fuzz_remove(strrchr(path, '/') + 1);
    FUZZ_OK(lt_runlog_open(path, 0, &log));
    for (int k = 0; k < 2; k++) {
        FUZZ_OK(lt_runlog_start(log));
        FUZZ_OK(lt_runlog_put_str(log, "config", "run: {dir: x}\n"));
        FUZZ_OK(lt_runlog_put_i64(log, "ranks", 4));
    }
    FUZZ_OK(lt_runlog_set_classes(log, (const char *const[]){"O", "B-X", "I-X"}, 3, (const char *const[]){"X"}, 1));
    FUZZ_OK(lt_runlog_put_trial_str(log, "zeta", "method", "prefix"));
    FUZZ_OK(lt_runlog_put_trial_i64(log, "zeta", "trainable", 49152));
    for (int64_t s = 1; s <= 5; s++) {
        lt_train_row t = {.step = s, .loss = 1.0 / (double)s, .lr = 1e-3, .grad_norm = 2};
        lt_eval_row e = {.step = s, .split = "dev", .loss = 0.4, .accuracy = 0.75, .sequences = 872, .seconds = 1.5};
        lt_perf_row p = {.step = s, .seconds = 0.5, .tokens = 100, .sentences = 8};
        FUZZ_OK(lt_runlog_add_train(log, "zeta", &t));
        FUZZ_OK(lt_runlog_add_train(log, "alpha", &t));
        FUZZ_OK(lt_runlog_add_eval(log, "alpha", &e));
        FUZZ_OK(lt_runlog_add_perf(log, &p));
        lt_dialogue_row d = {.step = s,
                             .round = s / 2,
                             .prompt = s < 4 ? "Write a prefix.\nNow." : "Another.",
                             .answer = "1. gr\xC3\xBCn",
                             .prefix = s == 3 ? "" : "gr\xC3\xBCn",
                             .verdict = s == 3 ? "garbage" : "taken",
                             .gain = 0.01,
                             .probed = 256};
        d.chosen = s == 2;
        FUZZ_OK(lt_runlog_add_dialogue(log, "alpha", &d));
        FUZZ_OK(lt_runlog_add_detail(log, "alpha", s, "dev", s == 2, (int64_t[15]){s, 2, 1}));
    }
    FUZZ_OK(lt_runlog_flush(log, true));
    lt_runlog_close(&log);
}

/* What was counted, as tables show it: whatever the numbers are, they can be summed and divided. */
static uint64_t read_details(const lt_runlog *log, int trial, bool best, uint64_t h) {
    int64_t K, n;
    lt_detail d;
    (void)lt_runlog_labels(log, &K);
    (void)lt_runlog_types(log, &n);
    if (!lt_runlog_detail(log, trial, best, &d)) return h;
    lt_scores s = lt_scores_average(LT_AVERAGE_WEIGHTED, d.strict, n);
    h = fuzz_h5_mix(h, d.split, strlen(d.split));
    h = fuzz_h5_mix(h, d.entity, (size_t)n * sizeof *d.entity);
    if (d.confusion) h = fuzz_h5_mix(h, d.confusion, (size_t)(K * K) * sizeof *d.confusion);
    return fuzz_h5_mix(h, &s, sizeof s);
}

static uint64_t read_dialogue(const lt_runlog *log, int trial, uint64_t h) {
    int64_t n;
    const lt_dialogue_row *row = lt_runlog_dialogue(log, trial, &n);
    for (int64_t i = 0; i < n; i++) {
        const char *const text[] = {row[i].prompt, row[i].answer, row[i].prefix, row[i].verdict};
        for (size_t k = 0; k < sizeof text / sizeof *text; k++) {
            FUZZ_REQUIRE(strlen(text[k]) <= LT_DIALOGUE_TEXT_BYTES);
            h = fuzz_h5_mix(h, text[k], strlen(text[k]));
        }
        FUZZ_REQUIRE(row[i].chosen == 0 || row[i].chosen == 1);
        h = fuzz_h5_mix(h, &row[i].gain, sizeof row->gain);
    }
    return h;
}

static uint64_t read_rows(const lt_runlog *log, uint64_t h) {
    int64_t n;
    for (int t = 0; t < lt_runlog_trials(log); t++) {
        const char *name = lt_runlog_trial_name(log, t), *method = lt_runlog_fact(log, t, "method");
        h = fuzz_h5_mix(h, name, strlen(name));
        if (method) h = fuzz_h5_mix(h, method, strlen(method));
        const lt_train_row *row = lt_runlog_train(log, t, &n);
        if (n > 0) h = fuzz_h5_mix(h, row, (size_t)n * sizeof *row);
        const lt_eval_row *eval = lt_runlog_eval(log, t, &n);
        for (int64_t i = 0; i < n; i++) h = fuzz_h5_mix(h, eval[i].split, strlen(eval[i].split));
        if (n > 0) h = fuzz_h5_mix(h, &eval[n - 1].accuracy, sizeof eval->accuracy);
        h = read_dialogue(log, t, read_details(log, t, false, read_details(log, t, true, h)));
    }
    const lt_perf_row *perf = lt_runlog_perf(log, &n);
    if (n > 0) h = fuzz_h5_mix(h, &perf[n - 1].seconds, sizeof perf->seconds);
    const char *config = lt_runlog_fact(log, -1, "config");
    if (config) h = fuzz_h5_mix(h, config, strlen(config));
    FUZZ_REQUIRE(lt_runlog_starts(log) >= 0);
    return h;
}

static uint64_t read_all(const char *path) {
    lt_runlog *log = NULL, *again = NULL;
    lt_train_row row = {.step = 9};
    if (lt_runlog_open(path, 0, &log) != LT_OK) {
        FUZZ_REQUIRE(log == NULL && lt_err_last()->msg[0]);
        return 0;
    }
    uint64_t h = read_rows(log, 1) | 1;
    /* what was read can be gone on with, and what is written then can be read */
    lt_runlog_truncate_after(log, 3);
    FUZZ_OK(lt_runlog_start(log));
    FUZZ_OK(lt_runlog_put_str(log, "config", "new"));
    FUZZ_OK(lt_runlog_add_train(log, "alpha", &row));
    FUZZ_OK(lt_runlog_add_dialogue(log, "alpha", &(lt_dialogue_row){.step = 4, .answer = "\xFF"}));
    if (strcmp(strrchr(path, '/') + 1, "good.h5") != 0) {
        FUZZ_OK(lt_runlog_flush(log, true));
        FUZZ_OK(lt_runlog_open(path, 0, &again));
        FUZZ_REQUIRE(lt_runlog_trials(again) == lt_runlog_trials(log) && lt_runlog_starts(again) == lt_runlog_starts(log));
        lt_runlog_close(&again);
    }
    lt_runlog_close(&log);
    return h;
}

static const fuzz_h5 harness = {LT_KIND_RUN, LT_RUN_VERSION, make, read_all};

void fuzz_make_seeds(void) { fuzz_h5_seeds(); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_h5_input(&harness, data, bytes);
    return 0;
}
