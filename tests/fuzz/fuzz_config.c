/* Fuzzes the configuration: an input is a YAML file, then after each FUZZ_CUT an override "key=value".  What loads must print as YAML that loads to the
 * same. */
#include "fuzz.h"

#include "base/config.h"

const char *const fuzz_words[] = {"run:",
                                  "model:",
                                  "data:",
                                  "parallel:",
                                  "train:",
                                  "method:",
                                  "trials:",
                                  "sweep:",
                                  "labels:",
                                  "dir:",
                                  "seed:",
                                  "resume:",
                                  "path:",
                                  "dtype: bf16",
                                  "bidirectional: [0, 1]",
                                  "max_length:",
                                  "tp:",
                                  "threads:",
                                  "epochs:",
                                  "batch:",
                                  "steps:",
                                  "lr: 1e-3",
                                  "schedule: cosine",
                                  "eval_every:",
                                  "keep:",
                                  "patience:",
                                  "name: lt_prefix",
                                  "name: prompt",
                                  "init: text",
                                  "text:",
                                  "length:",
                                  "pooling:",
                                  "- {",
                                  "- ",
                                  "[",
                                  "{",
                                  "---\n",
                                  "...\n",
                                  "\"\\u2028\"",
                                  "\"\\x00\"",
                                  "&a ",
                                  "*a",
                                  "? ",
                                  "|\n",
                                  ">-\n",
                                  "!!str ",
                                  "%TAG ! x\n",
                                  "# ",
                                  "train.lr=",
                                  "trials=[",
                                  "trials.0.name=",
                                  "sweep={run.seed: [1, 2]}",
                                  "method.labels={a: b}",
                                  "run.seed=18446744073709551615",
                                  "nan",
                                  ".inf",
                                  "1e400",
                                  "0x10",
                                  FUZZ_CUT,
                                  NULL};

static const char small[] = "run: {dir: runs/a, seed: 3, resume: auto}\nmodel: {path: m}\ndata: {path: d.h5, max_length: 64}\n";
static const char full[] =
    "run:\n  dir: \"runs/b\"\n  resume: never\nmodel:\n  path: m\n  dtype: f32\n  pool: mean\n  bidirectional: [0, 2]\n"
    "data: {path: d.h5, train: train, eval: dev, limit: 10}\nparallel: {tp: 2, threads: 1}\n"
    "train:\n  epochs: 2\n  batch: 8\n  lr: 1e-3\n  schedule: linear\n  warmup: 0.1\n"
    "method: {name: prefix, length: 4, labels: {positive: great, \"neg: x\": 'bad one'}}\n"
    "trials:\n  - {name: a, method: {name: lt_prefix, init: text, text: \"a b\"}}\n  - name: b\n    seed: 7\n    train:\n"
    "      lr: 0.02\n  - {method: {name: head}}\nsweep: {train.lr: [1e-3, 1e-2], run.seed: [1, 2]}\n";

void fuzz_make_seeds(void) {
    FUZZ_SEED(FUZZ_TEXT(small));
    FUZZ_SEED(FUZZ_TEXT(full));
    FUZZ_SEED(FUZZ_TEXT(small), FUZZ_TEXT(FUZZ_CUT), FUZZ_TEXT("train.lr=1e-2"), FUZZ_TEXT(FUZZ_CUT),
              FUZZ_TEXT("trials=[{name: z, method: {name: prompt}}, {name: y}]"), FUZZ_TEXT(FUZZ_CUT), FUZZ_TEXT("trials.1.seed=4"));
    FUZZ_SEED(FUZZ_TEXT(full), FUZZ_TEXT(FUZZ_CUT), FUZZ_TEXT("method.labels={a: \"b c\"}"), FUZZ_TEXT(FUZZ_CUT),
              FUZZ_TEXT("method.text=[x]: # y"), FUZZ_TEXT(FUZZ_CUT), FUZZ_TEXT("sweep={method.name: [head, prompt]}"));
    FUZZ_SEED(FUZZ_TEXT(""), FUZZ_TEXT(FUZZ_CUT), FUZZ_TEXT("model.path=\"a\\tb\""), FUZZ_TEXT(FUZZ_CUT), FUZZ_TEXT("run.resume=ck/last"));
}

/* Dump -> load -> dump gives the same text and fingerprint.  Very long dumps are no run files: the loader's limits may refuse them. */
static void check_round_trip(const lt_config *cfg) {
    char *text = NULL, *again = NULL, *settings = NULL, one[LT_SHA_HEX_BYTES], two[LT_SHA_HEX_BYTES];
    lt_config *copy = NULL;
    FUZZ_OK(lt_config_text(cfg, &text));
    FUZZ_OK(lt_config_settings(cfg, &settings));
    free(settings);
    if (strlen(text) < 64 << 10) {
        fuzz_write("again.yaml", text, strlen(text));
        FUZZ_OK(lt_config_load(fuzz_path("again.yaml"), 0, NULL, &copy));
        FUZZ_OK(lt_config_text(copy, &again));
        if (strcmp(text, again) != 0) fprintf(stderr, "FAILED: first dump:\n%s\nsecond dump:\n%s\n", text, again);
        FUZZ_REQUIRE(!strcmp(text, again));
        FUZZ_OK(lt_config_fingerprint(cfg, one));
        FUZZ_OK(lt_config_fingerprint(copy, two));
        FUZZ_REQUIRE(!strcmp(one, two));
    }
    lt_config_free(&copy);
    free(text);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    enum { MAX_OVERRIDES = 8 };
    fuzz_input in = {data, bytes}, file = fuzz_take_part(&in);
    char *over[MAX_OVERRIDES], *print = NULL;
    size_t printed;
    int n = 0;
    lt_config *cfg = NULL;
    while (in.bytes && n < MAX_OVERRIDES) over[n++] = fuzz_string(fuzz_take_part(&in));
    fuzz_write("run.yaml", file.data, file.bytes);
    lt_status st = lt_config_load(fuzz_path("run.yaml"), n, (const char *const *)over, &cfg);
    FUZZ_REQUIRE(st == LT_OK || (cfg == NULL && lt_err_last()->msg[0]));
    if (st == LT_OK) {
        FUZZ_REQUIRE(cfg->n_trials >= 1);
        FILE *f = open_memstream(&print, &printed);
        FUZZ_REQUIRE(f);
        FUZZ_OK(lt_config_dump(cfg, f, true));
        (void)fclose(f);
        free(print);
        (void)lt_config_require(cfg, "model.path");
        check_round_trip(cfg);
        lt_config_free(&cfg);
    }
    for (int i = 0; i < n; i++) free(over[i]);
    return 0;
}
