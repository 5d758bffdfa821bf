// TEST np: 0  rooms: base  labels: unit  timeout: 60
/* The configuration: every key with its type, range and default; what is refused and how it is said; overrides; trials and sweeps; the dump loads to the
 * same; damaged files are refused or read, never a crash. */
#include "base/config.h"
#include "lt_test.h"

#include <time.h>
#include <unistd.h>

static char path[64]; /* the run file of this test */

static void write_bytes(const char *text, size_t n) {
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(text, 1, n, f) == n);
    if (f) fclose(f);
}

/* Loads a run file with this text (NULL: none) and up to three overrides. */
static lt_status load(const char *yaml, const char *a, const char *b, const char *c, lt_config **cfg) {
    const char *over[3] = {a, b, c};
    *cfg = NULL;
    if (yaml) write_bytes(yaml, strlen(yaml));
    return lt_config_load(yaml ? path : NULL, !!a + !!b + !!c, over, cfg);
}

/* The file must be refused; the message has both texts. */
static void refused(const char *yaml, const char *says, const char *and) {
    lt_config *cfg;
    CHECK_FAILS(load(yaml, NULL, NULL, NULL, &cfg), LT_ERR_CONFIG, says);
    TEST_REPORT(strstr(lt_err_last()->msg, and), "\"%s\" lacks \"%s\"", lt_err_last()->msg, and);
    CHECK(cfg == NULL);
    lt_config_free(&cfg);
}

static void refused_over(const char *over, const char *says) {
    lt_config *cfg;
    CHECK_FAILS(load(NULL, over, NULL, NULL, &cfg), LT_ERR_CONFIG, says);
    CHECK(cfg == NULL);
    lt_config_free(&cfg);
}

/* Value of a key in a dump, "" if it is not there. */
static const char *value_in(const char *dump, const char *key) {
    static char value[512];
    char section[64], leaf[64], *dot;
    (void)snprintf(section, sizeof section, "\n%s", key);
    dot = strchr(section, '.');
    (void)snprintf(leaf, sizeof leaf, "\n  %s: ", dot + 1);
    (void)snprintf(dot, 3, ":\n");
    const char *at = !strncmp(dump, section + 1, strlen(section + 1)) ? dump : strstr(dump, section);
    const char *end = at ? strstr(at, "\ntrials:") : NULL;
    at = at ? strstr(at, leaf) : NULL;
    if (!at || at > end) return "";
    at += strlen(leaf);
    (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\n"), at);
    return value;
}

/* What users are promised, written by hand and not from the table: key, default as dumped, then values that are good and that are not (NULL ends). */
static const struct {
    const char *key, *fallback, *good[7], *bad[5];
} keys[] = {
    {"run.dir", "\"runs/demo\"", {"a b"}, {NULL}},
    {"run.seed", "1", {"0", "9000000000"}, {"-1", "1.5", "x", "1e16", "[1]"}},
    {"run.resume", "\"auto\"", {"auto", "never", "runs/demo/ck/last.h5"}, {""}},
    {"model.path", "", {"DIR"}, {NULL}},
    {"model.dtype", "auto", {"auto", "f32", "bf16", "fp8"}, {"f16", "", "aut", "auto|f32"}},
    {"model.fp8_keep", "0", {"1", "32"}, {"-1", "x"}},
    {"model.pool", "auto", {"auto", "first", "cls", "last", "mean", "max"}, {"sum"}},
    {"model.bidirectional",
     "auto",
     {"auto", "all", "none", "[0, 3]", "[]", "[0, 12-17, 20]"},
     {"3-4", "[5-3]", "[-1]", "[1.5]", "[2-4096]"}},
    {"data.path", "", {"demo.h5"}, {NULL}},
    {"data.train", "\"train\"", {"part1"}, {NULL}},
    {"data.eval", "\"dev\"", {"test"}, {NULL}},
    {"data.max_length", "128", {"4", "512"}, {"3", "0", "1e9", "12x"}},
    {"data.limit", "0", {"0", "1000"}, {"-1", "nan"}},
    {"parallel.tp", "1", {"1", "8"}, {"0", "-2", "1025"}},
    {"parallel.threads", "0", {"0", "16"}, {"-1"}},
    {"parallel.tokens", "auto", {"16", "65536", "auto"}, {"15", "1e9", "0"}},
    {"parallel.collectives", "auto", {"nccl", "mpi"}, {"gloo"}},
    {"parallel.overlap", "auto", {"on", "off"}, {"maybe"}},
    {"run.device", "auto", {"cpu", "cuda", "cuda-emulated"}, {"gpu"}},
    {"generate.max_tokens", "64", {"1", "1000"}, {"0", "-1", "1.5"}},
    {"generate.temperature", "0", {"0", "0.7", "2"}, {"-1", "nan", "hot"}},
    {"generate.top_k", "0", {"0", "50"}, {"-1", "2.5"}},
    {"generate.top_p", "1", {"0", "0.95", "1"}, {"1.1", "-0.1"}},
    {"generate.seed", "1", {"0", "9000000000"}, {"-1", "x"}},
    {"generate.batch", "16", {"1", "64"}, {"0", "1e9"}},
    {"generate.graphs", "auto", {"on", "off"}, {"yes"}},
    {"assistant.model", "\"\"", {"models/a"}, {NULL}},
    {"assistant.command", "\"\"", {"./ask --fast"}, {NULL}},
    {"assistant.templates", "\"\"", {"words"}, {NULL}},
    {"assistant.tp", "0", {"1", "8"}, {"-1", "1025"}},
    {"assistant.max_tokens", "48", {"1", "4096"}, {"0", "4097"}},
    {"assistant.temperature", "0.9", {"0", "1.5"}, {"-1"}},
    {"assistant.top_p", "0.95", {"0.5", "1"}, {"1.1", "-0.1"}},
    {"assistant.seed", "1", {"0", "77"}, {"-1", "0.5"}},
    {"assistant.timeout", "60", {"0.5", "600"}, {"0"}},
    {"assistant.retries", "2", {"0", "5"}, {"-1"}},
    {"train.epochs", "3", {"1", "100"}, {"0", "0.5"}},
    {"train.steps", "0", {"0", "100000"}, {"-1", "2.5"}},
    {"train.batch", "32", {"1", "1e3"}, {"0", "many"}},
    {"train.lr", "0.005", {"1e-5", "0.1", "0"}, {"-1e-3", "inf", "nan", "1e-3x", "1e4"}},
    {"train.schedule", "linear", {"constant", "linear", "cosine"}, {"step"}},
    {"train.warmup", "0.06", {"0", "1"}, {"-0.1", "1.01"}},
    {"train.weight_decay", "0.01", {"0", "0.1"}, {"-1", "11"}},
    {"train.beta1", "0.9", {"0", "0.95"}, {"1", "-0.1"}},
    {"train.beta2", "0.999", {"0.98"}, {"1", "-0.1"}},
    {"train.eps", "1e-08", {"1e-6"}, {"0", "-1"}},
    {"train.clip", "1", {"0", "0.5"}, {"-1"}},
    {"train.eval_every", "0", {"0", "50"}, {"-1", "0.5"}},
    {"train.checkpoint_every", "0", {"0", "50"}, {"-1"}},
    {"train.checkpoint_minutes", "10", {"0", "0.5"}, {"-1"}},
    {"train.keep", "2", {"1", "5"}, {"0"}},
    {"train.patience", "0", {"0", "3"}, {"-1"}},
    {"method.name", "lt_prefix", {"head", "prompt", "prefix", "lt_prompt", "lt_prefix", "lora"}, {"gpt", "lt_lora", "ltprefix"}},
    {"method.length", "8", {"1", "64"}, {"0", "1.5"}},
    {"method.init", "auto", {"auto", "random", "zero", "vocab", "text"}, {"ones"}},
    {"method.text", "\"\"", {"It was great"}, {NULL}},
    {"method.from", "\"\"", {"adapters/a"}, {NULL}},
    {"method.mlp", "0", {"0", "512"}, {"-1"}},
    {"method.pooling", "auto", {"auto", "softmax", "scores", "none"}, {"mean"}},
    {"method.objective", "pairs", {"pairs", "all"}, {"one", "[all]"}},
    {"method.compat", "clean", {"clean", "authors"}, {"both"}},
    {"method.rank", "12", {"1", "256"}, {"0", "-4", "2.5"}},
    {"method.alpha", "32", {"0.5", "16"}, {"0", "-1"}},
    {"method.scaling", "standard", {"standard", "rslora"}, {"dora"}},
    {"method.dropout", "0.1", {"0", "0.5"}, {"1", "-0.1"}},
    {"method.targets", "[q, v]", {"[q]", "[q, k, v, o, up, gate, down]"}, {"[]", "[q, w]", "query"}},
    {"method.head_bias", "true", {"true", "false"}, {"no"}},
    {"method.head_dropout", "0", {"0", "0.1"}, {"1", "-0.1"}},
    {"method.student", "head", {"prompt", "prefix", "lora"}, {"lt_prefix", "gpta"}},
    {"method.description", "\"\"", {"Film reviews."}, {NULL}},
    {"method.candidates", "8", {"1", "64"}, {"0", "65"}},
    {"method.rounds", "10", {"1", "50"}, {"0"}},
    {"method.every", "100", {"1", "500"}, {"0", "0.5"}},
    {"method.patience", "3", {"0", "9"}, {"-1"}},
    {"method.probe", "256", {"1", "4096"}, {"0"}},
    {"method.scoring", "halving", {"full"}, {"half"}},
    {"method.feedback", "loss", {"accuracy", "rank"}, {"f1"}},
    {"method.history", "8", {"0", "40"}, {"-1"}},
    {"method.exemplars", "0", {"1", "16"}, {"-1"}},
    {"method.max_prefix_tokens", "32", {"1", "128"}, {"0", "1025"}},
    {"method.control", "none", {"no_prefix", "random", "shuffled", "first"}, {"prefix"}},
    {"method.init_dialogue", "\"\"", {"runs/a/run.h5"}, {NULL}},
};
enum { N_KEYS = sizeof keys / sizeof *keys };

/* "trials=[...]" with a trial of every method, so that every key has a reader. */
static const char *one_of_each(void) {
    static char over[1024];
    size_t at = (size_t)snprintf(over, sizeof over, "trials=[");
    for (int m = 0; m < LT_METHOD_COUNT; m++)
        at += (size_t)snprintf(over + at, sizeof over - at, "{method: {name: %s}}%s", lt_methods[m].name,
                               m + 1 < LT_METHOD_COUNT ? ", " : "]");
    return over;
}

static void every_key(void) {
    lt_config *cfg;
    char over[128], *dump = NULL, *help = NULL, *changed = NULL;
    size_t bytes;
    CHECK_OK(load(NULL, one_of_each(), NULL, NULL, &cfg));
    if (!cfg) return;
    CHECK_OK(lt_config_text(cfg, &dump));
    lt_config_free(&cfg);
    FILE *f = open_memstream(&help, &bytes);
    lt_config_help(f);
    fclose(f);
    int documented = 0;
    for (const char *at = help; (at = strstr(at, "\n  ")); at++) documented += at[3] != ' ' && strchr(at + 3, '.') < strpbrk(at + 3, " \n");
    for (int i = 0; i < N_KEYS; i++) {
        CHECK_STR(value_in(dump, keys[i].key), keys[i].fallback);
        (void)snprintf(over, sizeof over, "\n  %s ", keys[i].key);
        TEST_REPORT(strstr(help, over), "help lacks %s", keys[i].key);
        for (int k = 0; keys[i].good[k]; k++) {
            (void)snprintf(over, sizeof over, "%s=%s", keys[i].key, keys[i].good[k]);
            CHECK_OK(load(NULL, over, one_of_each(), NULL, &cfg));
            if (!cfg) continue;
            CHECK_OK(lt_config_check_used(cfg));
            CHECK_OK(lt_config_text(cfg, &changed));
            const char *got = value_in(changed, keys[i].key);
            size_t quote = *got == '"', n = strlen(keys[i].good[k]);
            bool same = strlen(got) == n + 2 * quote && !strncmp(got + quote, keys[i].good[k], n);
            double x = atof(keys[i].good[k]); /* numbers may be dumped in another spelling */
            TEST_REPORT(same || (x != 0 && atof(got) == x), "%s is dumped as %s", over, got);
            free(changed);
            lt_config_free(&cfg);
        }
        for (int k = 0; k < 5 && keys[i].bad[k]; k++) {
            (void)snprintf(over, sizeof over, "%s=%s", keys[i].key, keys[i].bad[k]);
            refused_over(over, *keys[i].bad[k] ? keys[i].key : "has no value");
        }
    }
    CHECK_INT(documented, N_KEYS + 1); /* no key that this list does not know; method.labels is a map */
    free(dump);
    free(help);
}

static void structs(void) {
    lt_config *cfg;
    CHECK_OK(load("run: {seed: 9000000000, resume: ck/last.h5}\nmodel: {path: M, dtype: bf16, pool: mean, bidirectional: [1, 3]}\n"
                  "data: {path: d.h5, limit: 5000000000}\ntrain.lr: 2e-3\ntrain: {steps: 7000000000, schedule: cosine}\n"
                  "method: {name: prompt, init: text, text: 'a b', labels: {pos: great, neg: awful}}\n",
                  NULL, NULL, NULL, &cfg));
    if (!cfg) return;
    CHECK(cfg->run.seed == 9000000000u && cfg->run.resume == LT_RESUME_PATH);
    CHECK_STR(cfg->run.resume_path, "ck/last.h5");
    CHECK_STR(cfg->model.path, "M");
    CHECK(cfg->model.dtype == LT_DTYPE_CFG_BF16 && cfg->model.pool == LT_POOL_CFG_MEAN &&
          cfg->model.bidirectional == LT_BIDIRECTIONAL_LIST);
    CHECK(cfg->model.n_bidirectional_layers == 2 && cfg->model.bidirectional_layers[0] == 1 && cfg->model.bidirectional_layers[1] == 3);
    CHECK(cfg->data.limit == 5000000000 && cfg->train.steps == 7000000000 && cfg->train.schedule == LT_SCHED_COSINE);
    CHECK(cfg->train.lr == 2e-3 && cfg->train.beta2 == 0.999 && cfg->train.batch == 32);
    CHECK(cfg->method.name == LT_METHOD_PROMPT && cfg->method.init == LT_INIT_TEXT && cfg->method.n_labels == 2);
    CHECK_INT(cfg->n_trials, 1);
    CHECK(cfg->trial[0].seed == 9000000000u && cfg->trial[0].train.lr == 2e-3);
    CHECK_STR(cfg->trial[0].name, "prompt");
    CHECK_STR(cfg->trial[0].method.text, "a b");
    CHECK_STR(cfg->trial[0].method.label_word[1], "awful");
    CHECK_OK(lt_config_require(cfg, "model.path"));
    lt_config_free(&cfg);
    CHECK_OK(load("model: {path: ''}\n", NULL, NULL, NULL, &cfg));
    CHECK_FAILS(lt_config_require(cfg, "model.path"), LT_ERR_CONFIG, "model.path is missing");
    CHECK_FAILS(lt_config_require(cfg, "data.path"), LT_ERR_CONFIG, "data.path is missing");
    lt_config_free(&cfg);
    CHECK(cfg == NULL);
    lt_config_free(&cfg); /* NULL is fine */
}

static void wrong_files(void) {
    lt_config *cfg;
    char *big = calloc(1, (1 << 20) + 2);
    CHECK_FAILS(lt_config_load("/nowhere/run.yaml", 0, NULL, &cfg), LT_ERR_IO, "/nowhere/run.yaml");
    CHECK_FAILS(lt_config_load("/tmp", 0, NULL, &cfg), LT_ERR_IO, "/tmp");
    refused("train:\n  lr: 1e-3\n  warmpu: 0.1\n", ":3: unknown key train.warmpu", "did you mean train.warmup?");
    refused("run: {dir: x}\ntrian: {lr: 1}\n", ":2: unknown key trian.lr", "did you mean train.lr?");
    refused("model: {lr: 1}\n", "unknown key model.lr", "did you mean train.lr?"); /* right name, wrong group */
    refused("trials:\n  - name: a\n    train:\n      lrr: 1\n", ":4: unknown key trials.0.train.lrr", "did you mean train.lr?");
    refused("sweep: {train.lrr: [1]}\n", ":1: unknown key sweep.train.lrr", "train.lr?");
    refused("completely_different_thing: 1\n", "unknown key completely_different_thing", "; `ltune help config`");
    refused("trialsx: 1\n", "unknown key trialsx", "");
    refused("train: {lr: 1}\nrun: {dir: x}\ntrain: {lr: 2}\n", ":3: train.lr was set before", ":1");
    refused("train: {lr: 1, lr: 2}\n", "train.lr was set before", path);
    refused("train:\n  batch: eight\n", ":2: train.batch: eight must be a whole number", "from 1 to");
    refused("train: {warmup: 3}\n", ":1: train.warmup: 3 must be a number from 0 to 1", "");
    refused("train: {lr: }\n", "train.lr", "must be a number");
    refused("train: {lr: [1, 2]}\n", "train.lr: a list must be", "");
    refused("data: {train: [a]}\n", "data.train: a list must be a text", "");
    refused("run: {resume: [a]}\n", "run.resume: a list must be", "");
    refused("train: {lr: {a: 1}}\n", "unknown key train.lr.a", "");
    refused("train: 5\n", ":1: train is a group", "");
    refused("sweep: 5\n", ":1: sweep is a group", "");
    refused("method: {labels: x}\n", "method.labels is a group", "");
    refused("method: {labels: {pos: [a, b]}}\n", "method.labels.pos must be", "");
    refused("method: {labels: {pos: ''}}\n", "method.labels.pos must be", "");
    refused("method: {labels.: x}\n", "has no name of a label", "");
    refused("trials: [{method: {labels.: x}}]\n", "trials.0.method.labels. has no name of a label", "");
    refused("model: {bidirectional: [[1]]}\n", "unknown key model.bidirectional.0", "did you mean model.bidirectional?");
    refused("model: {bidirectional: [1, [2]]}\n", "holds plain values only", "");
    refused("- a\n", "found a list", "");
    refused("hello\n", "found a plain value", "");
    refused("train: {lr: 1\n", "not YAML", path);
    refused("train:\n\tlr: 1\n", "not YAML", ":2");
    refused("a: &x 1\nb: *x\n", ":1: anchors and aliases", "");
    refused("run: {dir: a}\n---\nrun: {seed: 2}\n", "more than one YAML document", "");
    refused("run: {dir: \"a\\0b\"}\n", "zero byte", "");
    refused("\"run\\0x\": {dir: a}\n", "a key must be plain text", "");
    refused("? [a]\n: 1\n", "a key must be plain text", "");
    refused("a: {b: {c: {d: {e: {f: {g: {h: {i: {j: 1}}}}}}}}}\n", "nested too deeply", "");
    refused("run: {dir: caf\xe9}\n", "not YAML", "");
    memset(big, '#', (1 << 20) + 1);
    refused(big, "larger than 1 MiB", "");
    free(big);
    CHECK_OK(load("", NULL, NULL, NULL, &cfg)); /* control: these are fine */
    lt_config_free(&cfg);
    CHECK_OK(load("# nothing\ntrain:\nsweep:\nmethod: {labels: {}}\n", NULL, NULL, NULL, &cfg));
    lt_config_free(&cfg);
}

static void overrides(void) {
    lt_config *cfg;
    CHECK_OK(load("train: {lr: 1e-3}\ntrials: [{name: a}, {name: b, train: {lr: 5}}]\n", "train.lr=1e-2", "trials.0.method.length=16",
                  "train.lr=2e-2", &cfg));
    CHECK(cfg && cfg->train.lr == 2e-2 && cfg->trial[0].train.lr == 2e-2 &&
          cfg->trial[1].train.lr == 5); /* the last counts; a trial's own wins */
    CHECK(cfg && cfg->trial[0].method.length == 16 && cfg->trial[1].method.length == 8);
    lt_config_free(&cfg);
    CHECK_OK(load(NULL, "train={lr: 3, batch: 4}", "trials.0.name=x", "sweep.run.seed=[1, 2]", &cfg));
    CHECK(cfg && cfg->train.lr == 3 && cfg->train.batch == 4 && cfg->n_trials == 2 && !strcmp(cfg->trial[1].name, "x-seed2"));
    lt_config_free(&cfg);
    /* a list or map without keys of its own is replaced as a whole: nothing of the file's stays */
    const char *listed =
        "method: {labels: {pos: good, neg: bad}}\ntrials: [{name: a, train: {lr: 7, batch: 3}, method: {labels: {x: y}}}, {name: b}]\n"
        "sweep: {run.seed: [1, 2], train.keep: [3, 4]}\n";
    CHECK_OK(load(listed, "trials=[{name: c, train: {lr: 2}}]", "sweep={}", "trials.0.train.eps=1e-3", &cfg));
    CHECK(cfg && cfg->n_trials == 1 && cfg->trial[0].train.lr == 2 && cfg->trial[0].train.batch == 32 && cfg->trial[0].train.eps == 1e-3);
    CHECK(cfg && cfg->trial[0].method.n_labels == 2 && !strcmp(cfg->trial[0].name, "c"));
    lt_config_free(&cfg);
    CHECK_OK(load(listed, "sweep={train: {lr: [5]}}", "method.labels={pos: fine}", "trials.0.method.labels={z: w}", &cfg));
    CHECK(cfg && cfg->n_trials == 2 && cfg->trial[1].train.lr == 5 && cfg->trial[1].train.keep == 2 && cfg->method.n_labels == 1);
    CHECK(cfg && cfg->trial[0].method.n_labels == 2 && !strcmp(cfg->trial[0].method.label_name[1], "z"));
    lt_config_free(&cfg);
    CHECK_OK(load(listed, "method={labels: {new: word}, length: 3}", "train={keep: 9}", "sweep.run.seed=[1]", &cfg));
    CHECK(cfg && cfg->method.n_labels == 1 && cfg->method.length == 3 && cfg->train.keep == 9 &&
          cfg->n_trials == 4); /* groups are merged */
    lt_config_free(&cfg);
    CHECK_OK(load(listed, "trials=[{name: c}, {name: d}]", "trials=[{name: e}]", "sweep={}", &cfg)); /* also what was typed before */
    CHECK(cfg && cfg->n_trials == 1 && !strcmp(cfg->trial[0].name, "e"));
    lt_config_free(&cfg);
    /* texts are taken as typed, unless in quotes */
    CHECK_OK(load(NULL, "method.text=It was: [good] #1", "model.path=*a/b", "data.path=\"x\\ty\"", &cfg));
    CHECK_STR(cfg ? cfg->method.text : "", "It was: [good] #1");
    CHECK_STR(cfg ? cfg->model.path : "", "*a/b");
    CHECK_STR(cfg ? cfg->data.path : "", "x\ty");
    lt_config_free(&cfg);
    CHECK_OK(load(NULL, "trials.0.method.text=a: b", "method.labels.pos=so: good", "run.dir=C:\\x", &cfg));
    CHECK_STR(cfg ? cfg->trial[0].method.text : "", "a: b");
    CHECK_STR(cfg ? cfg->trial[0].method.label_word[0] : "", "so: good");
    CHECK_STR(cfg ? cfg->run.dir : "", "C:\\x");
    lt_config_free(&cfg);
    refused_over("train.lr", "is not key=value");
    refused_over("=1", "is not key=value");
    refused_over("method.labels.caf\xe9=x", "is not UTF-8 text"); /* could be stored, but not loaded again */
    CHECK_OK(load(NULL, "method.labels.caf\xc3\xa9=x", NULL, NULL, &cfg));
    CHECK(cfg && cfg->method.n_labels == 1);
    lt_config_free(&cfg);
    refused_over("train.lr=", "train.lr= has no value");
    refused_over("trian.lr=1", "command line: unknown key trian.lr; did you mean train.lr?");
    refused_over("train.batch=x", "command line: train.batch");
    refused_over("trials.2.train.lr=1", "there is no trials.0");
    refused_over("trials.99999.train.lr=1", "at most 1024");
    refused_over("trials.0x.train.lr=1", "trials must be a list of at most 1024");
}

static void trials_and_sweep(void) {
    lt_config *cfg;
    CHECK_OK(load("run: {seed: 4}\ntrain: {lr: 1, batch: 8}\nmethod: {labels: {pos: good}}\ntrials:\n  - {name: a, method: {name: prefix}, "
                  "train: {lr: 2}}\n"
                  "  - {method: {name: head, labels: {pos: fine, neg: bad}}, seed: 9}\n  - {method: {name: head}, run: {seed: 5}}\n",
                  NULL, NULL, NULL, &cfg));
    if (cfg) {
        CHECK_INT(cfg->n_trials, 3);
        CHECK(cfg->trial[0].train.lr == 2 && cfg->trial[1].train.lr == 1 && cfg->trial[0].train.batch == 8);
        CHECK(cfg->trial[0].seed == 4 && cfg->trial[1].seed == 9 && cfg->trial[2].seed == 5);
        CHECK_STR(cfg->trial[1].name, "head");
        CHECK_STR(cfg->trial[2].name, "head-2"); /* names are made different */
        CHECK_STR(cfg->trial[0].method.label_word[0], "good");
        CHECK_STR(cfg->trial[1].method.label_word[0], "fine");
        CHECK_INT(cfg->trial[1].method.n_labels, 2);
        CHECK_INT(cfg->trial[2].method.n_labels, 1);
    }
    lt_config_free(&cfg);
    CHECK_OK(load("trials: [{name: a, train: {lr: 7}}, {name: b}]\nsweep: {train.lr: [1e-3, 1e-2], run.seed: [1, 2, 3]}\n", NULL, NULL,
                  NULL, &cfg));
    if (cfg) {
        CHECK_INT(cfg->n_trials, 12);
        CHECK_STR(cfg->trial[0].name, "a-lr1e-3-seed1");
        CHECK_STR(cfg->trial[11].name, "b-lr1e-2-seed3");
        for (int t = 0; t < 12; t++)
            CHECK(cfg->trial[t].train.lr == (t / 3 % 2 ? 1e-2 : 1e-3) && cfg->trial[t].seed == (uint64_t)(t % 3 + 1));
    }
    lt_config_free(&cfg);
    CHECK_OK(load("sweep: {method.name: [head, prompt], train: {lr: [1, 2]}, method.text: ['a b', 'c/d']}\n", NULL, NULL, NULL, &cfg));
    if (cfg) {
        CHECK_INT(cfg->n_trials, 8);
        CHECK_STR(cfg->trial[0].name, "head-lr1-texta_b");
        CHECK_STR(cfg->trial[7].name, "prompt-lr2-textc_d");
        CHECK(cfg->trial[7].method.name == LT_METHOD_PROMPT && cfg->trial[7].train.lr == 2);
        CHECK_STR(cfg->trial[7].method.text, "c/d");
    }
    lt_config_free(&cfg);
    refused("trials: 5\n", "trials must be a list", "");
    refused("trials: []\n", "trials must be a list", "");
    refused("trials: [a, b]\n", "trials must be a list", "");
    refused("trials: {a: {name: x}}\n", "trials must be a list", "");
    refused("trials:\n  - {name: a}\n  - {}\n", ":3: trials.1 is empty", "");
    refused("trials: [{name: a}, {name: a}]\n", "two trials are called a", "");
    refused("trials: [{name: a/b}]\n", "trial name \"a/b\"", "");
    refused("trials: [{name: .a}]\n", "trial name \".a\"", "");
    refused("trials: [{name: a.tmp.1}]\n", "trial name \"a.tmp.1\"", "being written");
    refused("trials: [{name: a}]\nsweep: {method.text: [x.tmp.y]}\n", ".tmp.", "being written");
    refused("trials: [{name: [a]}]\n", "name must be text", "");
    refused("trials: [{model: {path: x}}]\n", "model.path is one for the whole run", "");
    refused("trials: [{train: 3}]\n", "trials.0.train is a group", "");
    refused("sweep: {data.limit: [1, 2]}\n", "data.limit is one for the whole run", "");
    refused("sweep: {train.lr: 1}\n", "sweep.train.lr must be a list", "");
    refused("sweep: {train.lr: []}\n", "sweep.train.lr must be a list", "");
    refused("sweep: {train.lr: [1, x]}\n", "train.lr: x must be", ":1");
    refused("sweep: {train.lr: [1, 1]}\n", "two trials are called", "");
    refused("sweep: {name: [a, b]}\n", "unknown key sweep.name", "");
}

/* The dump of a configuration must load to the same dump and the same fingerprint. */
static void round_trip(const char *yaml, const char *a, const char *b) {
    lt_config *one, *two;
    char *first = NULL, *second = NULL, *sourced = NULL, hex[2][LT_SHA_HEX_BYTES];
    size_t bytes;
    CHECK_OK(load(yaml, a, b, NULL, &one));
    if (!one) return;
    CHECK_OK(lt_config_text(one, &first));
    CHECK_OK(lt_config_fingerprint(one, hex[0]));
    FILE *f = open_memstream(&sourced, &bytes);
    CHECK_OK(lt_config_dump(one, f, true));
    fclose(f);
    for (int k = 0; k < 2; k++) {
        CHECK_OK(load(k ? sourced : first, NULL, NULL, NULL, &two));
        if (!two) continue;
        CHECK_OK(lt_config_text(two, &second));
        CHECK_OK(lt_config_fingerprint(two, hex[1]));
        CHECK_STR(second, first);
        CHECK_STR(hex[1], hex[0]);
        CHECK_INT(two->n_trials, one->n_trials);
        for (int t = 0; t < two->n_trials && t < one->n_trials; t++) {
            CHECK_STR(two->trial[t].name, one->trial[t].name);
            CHECK_STR(two->trial[t].method.text, one->trial[t].method.text);
            CHECK(!memcmp(&two->trial[t].train, &one->trial[t].train, sizeof two->trial[t].train) &&
                  two->trial[t].seed == one->trial[t].seed);
            CHECK_INT(two->trial[t].method.n_labels, one->trial[t].method.n_labels);
            for (int l = 0; l < two->trial[t].method.n_labels && l < one->trial[t].method.n_labels; l++) {
                CHECK_STR(two->trial[t].method.label_name[l], one->trial[t].method.label_name[l]);
                CHECK_STR(two->trial[t].method.label_word[l], one->trial[t].method.label_word[l]);
            }
        }
        free(second);
        lt_config_free(&two);
    }
    free(first);
    free(sourced);
    lt_config_free(&one);
}

/* Every value of a trial says where it comes from, its sweep included. */
static void sources(void) {
    static const char yaml[] = "train: {lr: 1e-2}\nmethod: {labels: {a: x}}\ntrials:\n  - {name: t, method: {name: prefix}}\n"
                               "  - {train: {lr: 1e-3}, method: {labels: {b: y}}}\nsweep:\n  run.seed: [4, 5]\n";
    lt_config *cfg;
    char *text = NULL, wanted[2][1024];
    size_t bytes;
    CHECK_OK(load(yaml, "trials.0.train.warmup=0.5", NULL, NULL, &cfg));
    if (!cfg) return;
    FILE *f = open_memstream(&text, &bytes);
    CHECK_OK(lt_config_dump(cfg, f, true));
    fclose(f);
    (void)snprintf(wanted[0], sizeof wanted[0],
                   "  - name: \"t-seed4\"  # %s:4\n    seed: 4  # %s:7\n    train:\n      warmup: 0.5  # command line\n    method:\n"
                   "      name: prefix  # %s:4\n  - name",
                   path, path, path);
    (void)snprintf(wanted[1], sizeof wanted[1],
                   "  - name: \"lt_prefix-seed5\"  # made of its settings\n    seed: 5  # %s:7\n    train:\n      lr: 0.001  # %s:5\n"
                   "    method:\n      labels:\n        \"b\": \"y\"  # %s:5\n", /* and not what it has from the run */
                   path, path, path);
    for (int i = 0; i < 2; i++) TEST_REPORT(strstr(text, wanted[i]), "the dump lacks\n%s\nand is\n%s", wanted[i], text);
    CHECK(!strstr(strstr(text, "lt_prefix-seed5"), "warmup")); /* another trial's */
    free(text);
    lt_config_free(&cfg);
}

static void methods(void) {
    CHECK(lt_method_reads(LT_METHOD_PREFIX, "length") && lt_method_reads(LT_METHOD_PREFIX, "mlp") &&
          lt_method_reads(LT_METHOD_HEAD, "name"));
    CHECK(!lt_method_reads(LT_METHOD_PROMPT, "mlp") && !lt_method_reads(LT_METHOD_LT_PREFIX, "length") &&
          !lt_method_reads(LT_METHOD_HEAD, "init"));
    CHECK_STR(LT_METHOD_WORDS, "head|prompt|prefix|lt_prompt|lt_prefix|lora|gpta");
}

static const char rich[] =
    "run: {dir: \"a \\\"b\\\" \\\\ c\", seed: 17}\nmodel: {path: \"caf\xc3\xa9 # x\", bidirectional: [0, 2, 5]}\ndata: {path: 'x: y', "
    "limit: 10}\n"
    "train: {lr: 0.1, warmup: 0.30000000000000004, eps: 1e-9}\n"
    "method: {name: prefix, text: \"tab\\t nl\\n q' \\x85 \\u2028 \\ufeff \\x07\", labels: {\"po\\\"s\": \"a\\\\b\", \"n: g\": \"#x\"}}\n"
    "trials:\n  - {name: -, train: {lr: 0.2}, method: {labels: {new: \"l\\no\"}}}\n  - {name: null, seed: 3, method: {text: other}}\n"
    "sweep: {train.batch: [8, 16]}\n";

static void dumps(void) {
    lt_config *cfg;
    char hex[3][LT_SHA_HEX_BYTES];
    round_trip("", NULL, NULL);
    round_trip("", "model.path=m", "run.resume=never");
    round_trip(rich, "data.eval=test", "model.bidirectional=[]");
    round_trip(rich, "method.text=a: b", "train.lr=1e-300");
    const char *over[3] = {"train.lr=0.3", "parallel.tokens=512", "trials.1.method.length=9"};
    CHECK_OK(load(rich, NULL, NULL, NULL, &cfg));
    CHECK_OK(lt_config_fingerprint(cfg, hex[0]));
    lt_config_free(&cfg);
    for (int i = 0; i < 3; i++) { /* control: results-changing keys change the fingerprint (here of a trial), others do not */
        CHECK_OK(load(rich, over[i], NULL, NULL, &cfg));
        CHECK_OK(lt_config_fingerprint(cfg, hex[1]));
        CHECK((strcmp(hex[0], hex[1]) != 0) == (i != 1));
        lt_config_free(&cfg);
    }
}

/* Every cut of a file, and every byte of it replaced: read or refused with CONFIG. */
static void damaged(void) {
    lt_config *cfg;
    size_t n = strlen(rich);
    char text[sizeof rich];
    static const char with[] = {'\0', '{', '[', ':', '\n', '"', '-', '&', '\x80'};
    int read = 0, refusals = 0;
    for (size_t i = 0; i < n * (1 + sizeof with); i++) {
        size_t kind = i / n, at = i % n, bytes = kind ? n : at;
        memcpy(text, rich, n);
        if (kind) text[at] = with[kind - 1];
        if (kind && at % 3 != kind % 3) continue;
        write_bytes(text, bytes);
        lt_err_clear();
        lt_status st = lt_config_load(path, 0, NULL, &cfg);
        if (st == LT_OK) {
            char *dump = NULL;
            CHECK_OK(lt_config_text(cfg, &dump));
            free(dump);
            lt_config_free(&cfg);
            read++;
        } else {
            TEST_REPORT(st == LT_ERR_CONFIG && lt_err_last()->msg[0], "damage %zu at %zu: %s", kind, at, lt_status_name(st));
            refusals++;
        }
    }
    printf("damaged files: %d read, %d refused\n", read, refusals);
    CHECK(read > 100 && refusals > 500);
}

/* head, n times part (a %d in it counts), tail: what would take minutes, or the stack, without a limit.  Refused with this message, or read where it
 * is NULL. */
static void large(const char *head, int n, const char *part, const char *tail, const char *says) {
    char *text = NULL;
    size_t bytes;
    lt_config *cfg = NULL;
    FILE *f = open_memstream(&text, &bytes);
    fputs(head, f);
    for (int i = 0; i < n; i++) {
        const char *at = strstr(part, "%d");
        if (at)
            fprintf(f, "%.*s%d%s", (int)(at - part), part, i, at + 2);
        else
            fputs(part, f);
    }
    fputs(tail, f);
    fclose(f);
    write_bytes(text, bytes);
    free(text);
    clock_t start = clock();
    if (says)
        CHECK_FAILS(lt_config_load(path, 0, NULL, &cfg), LT_ERR_CONFIG, says);
    else
        CHECK_OK(lt_config_load(path, 0, NULL, &cfg));
    double s = (double)(clock() - start) / CLOCKS_PER_SEC;
    TEST_REPORT(s < 5, "%d times \"%s\" took %.1f s", n, part, s); /* at most 0.3 s, under asan 2 s; without limits up to minutes */
    lt_config_free(&cfg);
}

static void limits(void) {
    large("", 20000, "a%d: 1\n", "", "more than 16384 values");
    large("method:\n labels:\n", 20000, "  a%d: w\n", "", "more than 16384 values");
    large("method:\n labels:\n", 1001, "  a%d: w\n", "", "more than 1000 labels");
    large("trials:\n", 20000, "- {name: a}\n", "", "at most 1024");
    large("trials:\n", 1025, "- {name: a%d}\n", "", "at most 1024");
    large("trials: [", 20000, "a: b, ", "]\n", "at most 1024");
    large("sweep: {train.lr: [", 20000, "%d, ", "1]}\n", "at most 1024");
    large("sweep:\n", 65, " method.labels.x%d: [w]\n", "", "sweep has more than 64 keys");
    large("", 200000, "[", "", "nested too deeply");
    large("", 200000, "[\n", "", "nested too deeply");
    large("", 200000, "{a: ", "", "nested too deeply");
    large("", 200000, "[? ", "", "nested too deeply");
    large("", 200000, "- ", "", "nested too deeply");
    large("", 200000, "? ", "", "nested too deeply");
    large("", 50000, "%TAG !a%d! tag:x\n", "---\nrun: {dir: a}\n", "directives");
    large("train: {lr: ", 1000000, "9", "}\n", "train.lr");
    large("trials: [{name: ", 1000000, "a", "}]\n", "trial name");
    large("", 1000000, "a", ": 1\n", "not YAML");
    /* control: as many as are allowed */
    large("trials:\n", 1024, "- {name: a%d, train: {lr: 1, batch: 2, steps: 3}, method: {length: 3}}\n", "", NULL);
    large("trials:\n", 1024, "- {seed: 1}\n", "", NULL);
    large("sweep: {run.seed: [1, 2, 3, 4]}\nmethod:\n labels:\n", 1000, "  a%d: w\n", "", NULL);
}

int main(void) {
    /* the file is written thousands of times: in memory where the machine has such a folder */
    (void)snprintf(path, sizeof path, "%s/lt-config.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    if (fd >= 0) close(fd);
    every_key();
    structs();
    wrong_files();
    overrides();
    trials_and_sweep();
    dumps();
    sources();
    methods();
    damaged();
    limits();
    (void)unlink(path);
    return test_end();
}
