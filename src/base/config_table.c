/* The table of keys and all that follows from it: parsing, printing, help. */
#include "base/config_impl.h"

#include "base/cli.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUN(f)       LT_SEC_RUN, offsetof(lt_run_cfg, f)
#define MODEL(f)     LT_SEC_MODEL, offsetof(lt_model_cfg, f)
#define DATA(f)      LT_SEC_DATA, offsetof(lt_data_cfg, f)
#define PARALLEL(f)  LT_SEC_PARALLEL, offsetof(lt_parallel_cfg, f)
#define GENERATE(f)  LT_SEC_GENERATE, offsetof(lt_generate_cfg, f)
#define ASSISTANT(f) LT_SEC_ASSISTANT, offsetof(lt_assistant_cfg, f)
#define TRAIN(f)     LT_SEC_TRAIN, offsetof(lt_train_cfg, f)
#define METHOD(f)    LT_SEC_METHOD, offsetof(lt_method_cfg, f)
#define KEY_(path, sec, off, type, min, max, words, fallback, print, help)                                                                 \
    { path, sec, type, off, min, max, words, fallback, print, help }
#define INT(path, at, min, max, fallback, print, help) KEY_(path, at, LT_KEY_INT, min, max, NULL, fallback, print, help)
#define I64(path, at, min, max, fallback, print, help) KEY_(path, at, LT_KEY_I64, min, max, NULL, fallback, print, help)
#define NUM(path, at, min, max, fallback, print, help) KEY_(path, at, LT_KEY_NUM, min, max, NULL, fallback, print, help)
#define STR(path, at, fallback, print, help)           KEY_(path, at, LT_KEY_STR, 0, 0, NULL, fallback, print, help)
#define WORD(path, at, words, fallback, print, help)   KEY_(path, at, LT_KEY_WORD, 0, 0, words, fallback, print, help)
#define WORDS(path, at, words, fallback, print, help)  KEY_(path, at, LT_KEY_WORDS, 0, 0, words, fallback, print, help)

const lt_key lt_config_impl_keys[] = {
    STR("run.dir", RUN(dir), "runs/demo", false, "folder of the run's files, made if needed"),
    I64("run.seed", RUN(seed), 0, 9e15, "1", false, "initial values, sample order, wrong labels; trials may have their own"),
    WORD("run.device", RUN(device), "auto|cpu|cuda|cuda-emulated", "auto", false,
         "what computes; auto: GPUs if every rank sees one, else the CPU; cuda-emulated: the GPU kernels on the CPU, slow, for tests"),
    {"run.resume", LT_SEC_RUN, LT_KEY_RESUME, offsetof(lt_run_cfg, resume), 0, 0, "auto|never|PATH", "auto", false,
     "auto: continue from the newest checkpoint in run.dir; never: start anew and remove what is there; PATH: continue from this file"},
    STR("model.path", MODEL(path), NULL, false, "Hugging Face folder: config.json, *.safetensors, tokenizer (required)"),
    WORD("model.dtype", MODEL(dtype), "auto|f32|bf16|fp8", "auto", true,
         "type of matrix product operands; auto: bf16 unless clearly slower here, kept for the run; fp8: bf16, but the frozen matrices and "
         "what they multiply in E4M3. Trainables and sums are f32"),
    INT("model.fp8_keep", MODEL(fp8_keep), 0, 4096, "0", true, "with fp8: so many blocks at either end stay in bf16"),
    WORD("model.pool", MODEL(pool), "auto|first|cls|last|mean|max", "auto", true,
         "rows that the head reads; auto: cls for encoders, last for decoders; first: the first row, a prompt row if there is one"),
    {"model.bidirectional", LT_SEC_MODEL, LT_KEY_LAYERS, offsetof(lt_model_cfg, bidirectional), 0, 0, "auto|all|none|[layers]", "auto",
     true, "layers that see both ways, e.g. [0, 12-17]; auto: as the architecture; an added prefix is seen by all in any case"},
    STR("data.path", DATA(path), NULL, false, "data set made by ltune-prep data (required)"),
    STR("data.train", DATA(train), "train", true, "split to train on"),
    STR("data.eval", DATA(eval), "dev", false, "split to evaluate and to choose the best on"),
    INT("data.max_length", DATA(max_length), 4, 1 << 20, "128", true, "tokens of a sample; longer ones are cut and counted"),
    I64("data.limit", DATA(limit), 0, 9e15, "0", true, "most training samples used, from the front; 0 = all"),
    INT("parallel.tp", PARALLEL(tp), 1, 1024, "1", false, "ranks of a tensor-parallel group; dp = ranks / tp"),
    INT("parallel.threads", PARALLEL(threads), 0, 1024, "0", false, "OpenMP threads a rank; 0 = its physical cores"),
    {"parallel.tokens", LT_SEC_PARALLEL, LT_KEY_AUTO, offsetof(lt_parallel_cfg, tokens), 16, 1 << 24, "auto", "auto", false,
     "packed tokens a rank and micro-batch; auto: 4096 on a CPU, on a GPU what its memory holds, up to 16 waves of its SMs"},
    WORD("parallel.collectives", PARALLEL(collectives), "auto|nccl|mpi", "auto", false,
         "how sums between GPUs travel; auto: NCCL where each rank has a GPU of its own, else MPI through pinned host memory"),
    WORD("parallel.overlap", PARALLEL(overlap), "auto|on|off", "auto", false,
         "tensor parallel: a pack goes through the blocks in two halves, the sums of one behind the work of the other; auto: on GPUs, for "
         "packs of 2,048 rows and more"),
    INT("generate.max_tokens", GENERATE(max_tokens), 1, 1 << 20, "64", false, "most new tokens of a text"),
    NUM("generate.temperature", GENERATE(temperature), 0, 1e6, "0", false,
        "0 = the best token, always; else one is drawn: 1 = by the model's probabilities, less = nearer to the best"),
    INT("generate.top_k", GENERATE(top_k), 0, 1 << 24, "0", false, "draw among the k best tokens; 0 = all"),
    NUM("generate.top_p", GENERATE(top_p), 0, 1, "1", false, "draw among the best tokens that together have this probability; 1 = all"),
    I64("generate.seed", GENERATE(seed), 0, 9e15, "1", false, "of the draws; a text's are its own, whatever it is written beside"),
    INT("generate.batch", GENERATE(batch), 1, 1 << 16, "16", false, "texts written at once; each takes room for its keys and values"),
    WORD("generate.graphs", GENERATE(graphs), "auto|on|off", "auto", false,
         "GPUs: a step that adds a token to each text is recorded once and started as one; the texts are the same; auto: where it can be"),
    STR("assistant.model", ASSISTANT(model), "", false, "gpta: folder of the decoder that writes prefixes; all ranks hold it together"),
    STR("assistant.command", ASSISTANT(command), "", false,
        "gpta: instead a program, started by rank 0 with sh -c, that answers JSON lines (ltune help assistant)"),
    STR("assistant.templates", ASSISTANT(templates), "", false, "folder of prompt templates that replace the built-in ones"),
    INT("assistant.tp", ASSISTANT(tp), 0, 1024, "0", false, "ranks that hold the assistant's model together; 0 = as many as it allows"),
    INT("assistant.max_tokens", ASSISTANT(max_tokens), 1, 4096, "48", true, "most tokens of an answer"),
    NUM("assistant.temperature", ASSISTANT(temperature), 0, 1e6, "0.9", true, "of the draws, as generate.temperature"),
    NUM("assistant.top_p", ASSISTANT(top_p), 0, 1, "0.95", true, "as generate.top_p"),
    I64("assistant.seed", ASSISTANT(seed), 0, 9e15, "1", true, "of the draws, with the trial's seed"),
    NUM("assistant.timeout", ASSISTANT(timeout), 0.1, 1e6, "60", false,
        "seconds that a command has for the answers of a round, its start included, each time that it is started"),
    INT("assistant.retries", ASSISTANT(retries), 0, 1000, "2", false, "times that a command which failed is started again in a round"),
    INT("train.epochs", TRAIN(epochs), 1, 1e6, "3", true, "passes over the training split"),
    I64("train.steps", TRAIN(steps), 0, 9e15, "0", true, "optimizer steps; 0 = by epochs"),
    INT("train.batch", TRAIN(batch), 1, 1 << 20, "32", true,
        "sentences an optimizer step and trial, over all ranks; objective: all reads each once a label"),
    NUM("train.lr", TRAIN(lr), 0, 1e3, "5e-3", true, "peak learning rate"),
    WORD("train.schedule", TRAIN(schedule), "constant|linear|cosine", "linear", true, "learning rate after warm-up"),
    NUM("train.warmup", TRAIN(warmup), 0, 1, "0.06", true, "share of the steps with rising learning rate"),
    NUM("train.weight_decay", TRAIN(weight_decay), 0, 10, "0.01", true, "decoupled decay of matrices (vectors do not decay)"),
    NUM("train.beta1", TRAIN(beta1), 0, 0.999999, "0.9", true, "AdamW, first moment"),
    NUM("train.beta2", TRAIN(beta2), 0, 0.999999999, "0.999", true, "AdamW, second moment"),
    NUM("train.eps", TRAIN(eps), 1e-30, 1, "1e-8", true, "AdamW, added to the root"),
    NUM("train.clip", TRAIN(clip), 0, 1e9, "1.0", true, "largest gradient norm of a trial; 0 = no clipping"),
    I64("train.eval_every", TRAIN(eval_every), 0, 9e15, "0", true, "steps between evaluations; 0 = once an epoch. Always at the end"),
    I64("train.checkpoint_every", TRAIN(checkpoint_every), 0, 9e15, "0", false,
        "steps between checkpoints; 0 = by time. Always at a new best and at the end"),
    NUM("train.checkpoint_minutes", TRAIN(checkpoint_minutes), 0, 1e6, "10", false, "minutes between checkpoints; 0 = not by time"),
    INT("train.keep", TRAIN(keep), 1, 1e6, "2", false, "newest checkpoints kept, besides those that are some trial's best"),
    INT("train.patience", TRAIN(patience), 0, 1e6, "0", true, "evaluations without a new best after which a trial stops; 0 = never"),
    WORD("method.name", METHOD(name), LT_METHOD_WORDS, "lt_prefix", true, "see ltune help methods"),
    INT("method.length", METHOD(length), 1, 4096, "8", true, "P of prompt and prefix (L-Tuning: the length of the labels)"),
    WORD("method.init", METHOD(init), "auto|random|zero|vocab|text", "auto", true,
         "first values of prompt and prefix; vocab and text are real words' rows"),
    STR("method.text", METHOD(text), "", true, "the text of init: text"),
    STR("method.from", METHOD(from), "", true,
        "lora, prompt, prefix, head: folder of PEFT's or of ltune export that first values come from"),
    INT("method.mlp", METHOD(mlp), 0, 1 << 20, "0", true, "prefix: hidden width of the reparametrisation; 0 = direct"),
    WORD("method.pooling", METHOD(pooling), "auto|softmax|scores|none", "auto", true,
         "lt_prefix: how label states become prefixes; auto: none"),
    WORD("method.objective", METHOD(objective), "pairs|all", "pairs", true,
         "L-Tuning's loss. pairs: true or wrong, of one label a sentence; all: softmax over the scores of all labels, each read"),
    WORD("method.compat", METHOD(compat), "clean|authors", "clean", true,
         "lora, head: authors pads texts as the code of arXiv 2310.01208 does, and rows see it (ltune help methods)"),
    INT("method.rank", METHOD(rank), 1, 4096, "12", true, "lora: R, rows of A and columns of B"),
    NUM("method.alpha", METHOD(alpha), 1e-6, 1e6, "32", true, "lora: factor of the update, see scaling"),
    WORD("method.scaling", METHOD(scaling), "standard|rslora", "standard", true, "lora: alpha / rank, or alpha / sqrt(rank)"),
    NUM("method.dropout", METHOD(dropout), 0, 0.99, "0.1", true, "lora: share of the inputs of A that a training step leaves out"),
    WORDS("method.targets", METHOD(targets), LT_TARGET_WORDS, "q, v", true,
          "lora: matrices of each block that are updated: a list, or \"q, v\" where a sweep has lists"),
    WORD("method.head_bias", METHOD(head_bias), "true|false", "true", true, "the head has a bias; false: a plain matrix"),
    NUM("method.head_dropout", METHOD(head_dropout), 0, 0.99, "0", true,
        "share of the numbers that the head reads which a training step leaves out"),
    WORD("method.student", METHOD(student), "head|prompt|prefix|lora", "head", true,
         "gpta: what the student trains, with that method's keys"),
    STR("method.description", METHOD(description), "", true, "gpta: the task in words; all that the assistant knows of the data"),
    INT("method.candidates", METHOD(candidates), 1, 64, "8", true, "gpta: prefixes asked for in a round"),
    INT("method.rounds", METHOD(rounds), 1, 1e6, "10", true, "gpta: most rounds of the dialogue, the first before the first step"),
    I64("method.every", METHOD(every), 1, 9e15, "100", true, "gpta: steps between rounds"),
    INT("method.patience", METHOD(patience), 0, 1e6, "3", true, "gpta: rounds without a better prefix that end the dialogue; 0 = never"),
    INT("method.probe", METHOD(probe), 1, 1 << 20, "256", true,
        "gpta: training sentences that prefixes are measured on, the same in all rounds"),
    WORD("method.scoring", METHOD(scoring), "halving|full", "halving", true,
         "gpta: halving: all candidates on a few sentences of the probe, the better half on more, and so on; full: all on all"),
    WORD("method.feedback", METHOD(feedback), "loss|accuracy|rank", "loss", true, "gpta: what the assistant is told of its prefixes"),
    INT("method.history", METHOD(history), 0, 4096, "8", true, "gpta: earlier prefixes that the assistant is shown"),
    INT("method.exemplars", METHOD(exemplars), 0, 1000, "0", true,
        "gpta: training sentences that the assistant is shown; above 0 they leave the student's data: the log says so"),
    INT("method.max_prefix_tokens", METHOD(max_prefix_tokens), 1, 1024, "32", true, "gpta: longer prefixes are cut"),
    WORD("method.control", METHOD(control), LT_CONTROL_WORDS, "none", true,
         "gpta: what to compare with: no prefix; random tokens in the first prefix's length; measures fed back in random order; the first "
         "prefix throughout"),
    STR("method.init_dialogue", METHOD(init_dialogue), "", false,
        "gpta: RUN.h5 whose dialogue goes on here: prefixes of a related data set"),
};
const int lt_config_impl_n_keys = sizeof lt_config_impl_keys / sizeof *lt_config_impl_keys;

const lt_key *lt_config_impl_find(const char *path) {
    for (int i = 0; i < lt_config_impl_n_keys; i++)
        if (!strcmp(lt_config_impl_keys[i].path, path)) return &lt_config_impl_keys[i];
    return NULL;
}

const char *lt_config_impl_nearest(const char *path) {
    const char *best = NULL, *leaf = strrchr(path, '.');
    int least = 99;
    for (int i = 0; i < lt_config_impl_n_keys; i++) {
        const char *key = lt_config_impl_keys[i].path;
        int d = lt_cli_distance(path, key),
            by_leaf = lt_cli_distance(leaf ? leaf + 1 : path, strrchr(key, '.') + 1) + 1; /* right name, wrong section */
        if (by_leaf < d) d = by_leaf;
        if (d < least) {
            least = d;
            best = key;
        }
    }
    return least <= 4 ? best : NULL;
}

bool lt_config_impl_per_trial(const lt_key *k) {
    return k->section == LT_SEC_TRAIN || k->section == LT_SEC_METHOD || !strcmp(k->path, "run.seed");
}

void *lt_config_impl_field(const lt_key *k, lt_config *cfg, lt_trial_cfg *trial) {
    void *const section[LT_SEC_COUNT] = {&cfg->run,
                                         &cfg->model,
                                         &cfg->data,
                                         &cfg->parallel,
                                         &cfg->generate,
                                         &cfg->assistant,
                                         trial ? &trial->train : &cfg->train,
                                         trial ? &trial->method : &cfg->method};
    if (trial && !strcmp(k->path, "run.seed")) return &trial->seed;
    return (char *)section[k->section] + k->offset;
}

static lt_status bad(const lt_key *k, const lt_config_entry *v, const char *expected) {
    return LT_FAIL(LT_ERR_CONFIG, "%s: %s: %s must be %s", v->source, k->path, v->list ? "a list" : v->item[0], expected);
}

static lt_status set_number(const lt_key *k, const lt_config_entry *v, void *field) {
    char range[128], *end;
    const char *s = v->list ? "" : v->item[0];
    errno = 0;
    double x = strtod(s, &end);
    bool whole = k->type != LT_KEY_NUM;
    (void)snprintf(range, sizeof range, "%sa %s from %.10g to %.10g", k->type == LT_KEY_AUTO ? "auto or " : "",
                   whole ? "whole number" : "number", k->min, k->max);
    if (end == s || *end || errno == ERANGE || !(x >= k->min && x <= k->max) || (whole && x != floor(x))) return bad(k, v, range);
    if (k->type == LT_KEY_INT)
        *(int *)field = (int)x;
    else if (whole)
        *(int64_t *)field = (int64_t)x;
    else
        *(double *)field = x;
    return LT_OK;
}

/* Index of a word in "a|b|c", -1 if it is none of them. */
static int word_index(const char *words, const char *word) {
    size_t n = strlen(word);
    int i = 0;
    for (const char *at = words; at; at = strchr(at, '|'), i++) {
        if (i) at++;
        if (n && !strchr(word, '|') && !strncmp(at, word, n) && (at[n] == '|' || !at[n])) return i;
    }
    return -1;
}

/* A list of words, or one text of several: bits. */
static lt_status set_words(const lt_key *k, const lt_config_entry *v, int *field) {
    char expected[160], one[32];
    int bits = 0;
    (void)snprintf(expected, sizeof expected, "a list of some of %s", k->words);
    for (int i = 0; i < v->n_items; i++)
        for (const char *at = v->item[i]; *at; at += strcspn(at, ", ")) {
            at += strspn(at, ", ");
            (void)snprintf(one, sizeof one, "%.*s", (int)strcspn(at, ", "), at);
            int word = word_index(k->words, one);
            if (*at && word < 0) return LT_FAIL(LT_ERR_CONFIG, "%s: %s: \"%s\" is none of %s", v->source, k->path, one, k->words);
            if (*at) bits |= 1 << word;
        }
    if (bits == 0) return bad(k, v, expected);
    *field = bits;
    return LT_OK;
}

enum { MAX_LAYERS = 4096 };

/* "5" or "12-17" as first and last layer; false if it is neither. */
static bool read_layers(const char *text, int *first, int *last) {
    int end = 0;
    if (!isdigit((unsigned char)*text) || sscanf(text, "%4d%n", first, &end) != 1) return false;
    *last = *first;
    text += end;
    if (*text == '-') {
        if (!isdigit((unsigned char)text[1]) || sscanf(text, "-%4d%n", last, &end) != 1) return false;
        text += end;
    }
    return !*text && *first <= *last && *last < MAX_LAYERS;
}

/* The list in rising order, every layer once: however it was written, it is printed alike. */
static lt_status set_layers(const lt_key *k, const lt_config_entry *v, lt_model_cfg *m) {
    bool in[MAX_LAYERS] = {false};
    int first, last, n = 0;
    free(m->bidirectional_layers);
    m->bidirectional_layers = NULL;
    m->n_bidirectional_layers = 0;
    if (!v->list) {
        m->bidirectional = word_index("auto|all|none", v->item[0]);
        return m->bidirectional >= 0 ? LT_OK : bad(k, v, "auto, all, none or a list of layers such as [0, 12-17]");
    }
    for (int i = 0; i < v->n_items; i++) {
        if (!read_layers(v->item[i], &first, &last))
            return LT_FAIL(LT_ERR_CONFIG, "%s: %s: \"%s\" is neither a layer number nor a range of layers such as 12-17", v->source,
                           k->path, v->item[i]);
        for (int l = first; l <= last; l++) in[l] = true;
    }
    for (int l = 0; l < MAX_LAYERS; l++) n += in[l];
    LT_TRY(lt_calloc(&m->bidirectional_layers, n, sizeof *m->bidirectional_layers, "layers"));
    for (int l = 0; l < MAX_LAYERS; l++)
        if (in[l]) m->bidirectional_layers[m->n_bidirectional_layers++] = l;
    m->bidirectional = LT_BIDIRECTIONAL_LIST;
    return LT_OK;
}

static lt_status replace(char **to, const char *s) {
    free(*to);
    *to = NULL;
    return lt_strdup(to, s);
}

lt_status lt_config_impl_set(const lt_key *k, lt_config *cfg, lt_trial_cfg *trial, const lt_config_entry *v) {
    void *field = lt_config_impl_field(k, cfg, trial);
    char expected[160];
    switch (k->type) {
    case LT_KEY_AUTO:
        if (!v->list && !strcmp(v->item[0], "auto")) {
            *(int64_t *)field = 0;
            return LT_OK;
        }
        return set_number(k, v, field);
    case LT_KEY_INT:
    case LT_KEY_I64:
    case LT_KEY_NUM:
        return set_number(k, v, field);
    case LT_KEY_STR:
        if (v->list) return bad(k, v, "a text");
        return replace(field, v->item[0]);
    case LT_KEY_LAYERS:
        return set_layers(k, v, &cfg->model);
    case LT_KEY_RESUME: {
        int i = v->list ? -1 : word_index("auto|never", v->item[0]);
        if (v->list || !v->item[0][0]) return bad(k, v, "auto, never or the path of a checkpoint");
        cfg->run.resume = i >= 0 ? i : LT_RESUME_PATH;
        return replace(&cfg->run.resume_path, v->item[0]);
    }
    case LT_KEY_WORD: {
        int i = v->list ? -1 : word_index(k->words, v->item[0]);
        (void)snprintf(expected, sizeof expected, "one of %s", k->words);
        if (i < 0) return bad(k, v, expected);
        *(int *)field = i;
        return LT_OK;
    }
    case LT_KEY_WORDS:
        return set_words(k, v, field);
    }
    return LT_OK;
}

/* Code points that YAML reads as line breaks or refuses, as their UTF-8 bytes: they need an escape. */
static const struct {
    const char *bytes, *escape;
} escapes[] = {{"\\", "\\\\"},
               {"\"", "\\\""},
               {"\n", "\\n"},
               {"\t", "\\t"},
               {"\x7f", "\\x7f"},
               {"\xe2\x80\xa8", "\\L"},
               {"\xe2\x80\xa9", "\\P"},
               {"\xef\xbb\xbf", "\\ufeff"},
               {"\xef\xbf\xbe", "\\ufffe"},
               {"\xef\xbf\xbf", "\\uffff"}};

void lt_config_impl_print_text(const char *s, FILE *out) {
    fputc('"', out);
    while (*s) {
        const unsigned char *c = (const unsigned char *)s;
        size_t i = 0, n = sizeof escapes / sizeof *escapes;
        while (i < n && strncmp(s, escapes[i].bytes, strlen(escapes[i].bytes)) != 0) i++;
        if (i < n) {
            fputs(escapes[i].escape, out);
            s += strlen(escapes[i].bytes);
        } else if (c[0] < 0x20) {
            fprintf(out, "\\x%02x", c[0]);
            s++;
        } else if (c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0) { /* U+0080 to U+009F */
            fprintf(out, "\\x%02x", c[1]);
            s += 2;
        } else {
            fputc(*s++, out);
        }
    }
    fputc('"', out);
}

/* Shortest decimal that reads back as the same double. */
static void print_double(double x, FILE *out) {
    char s[32];
    for (int digits = 6; digits <= 17; digits++) {
        (void)snprintf(s, sizeof s, "%.*g", digits, x);
        if (strtod(s, NULL) == x) break;
    }
    fputs(s, out);
}

/* [0, 2, 12-17]: three and more in a row as a range. */
static void print_layers(const lt_model_cfg *m, FILE *out) {
    const int *layer = m->bidirectional_layers;
    fputc('[', out);
    for (int i = 0, end; i < m->n_bidirectional_layers; i = end) {
        for (end = i + 1; end < m->n_bidirectional_layers && layer[end] == layer[end - 1] + 1;) end++;
        if (end - i < 3) end = i + 1;
        fprintf(out, "%s%d", i ? ", " : "", layer[i]);
        if (end - i > 1) fprintf(out, "-%d", layer[end - 1]);
    }
    fputc(']', out);
}

void lt_config_impl_print(const lt_key *k, const lt_config *cfg, const lt_trial_cfg *trial, FILE *out) {
    const void *field = lt_config_impl_field(k, (lt_config *)cfg, (lt_trial_cfg *)trial);
    switch (k->type) {
    case LT_KEY_INT:
        fprintf(out, "%d", *(const int *)field);
        break;
    case LT_KEY_I64:
        fprintf(out, "%lld", (long long)*(const int64_t *)field);
        break;
    case LT_KEY_AUTO:
        if (*(const int64_t *)field == 0)
            fputs("auto", out);
        else
            fprintf(out, "%lld", (long long)*(const int64_t *)field);
        break;
    case LT_KEY_NUM:
        print_double(*(const double *)field, out);
        break;
    case LT_KEY_STR:
        lt_config_impl_print_text(*(char *const *)field ? *(char *const *)field : "", out);
        break;
    case LT_KEY_RESUME:
        lt_config_impl_print_text(cfg->run.resume_path, out);
        break;
    case LT_KEY_LAYERS:
        if (cfg->model.bidirectional != LT_BIDIRECTIONAL_LIST) {
            static const char *const words[] = {"auto", "all", "none"};
            fputs(words[cfg->model.bidirectional], out);
            break;
        }
        print_layers(&cfg->model, out);
        break;
    case LT_KEY_WORD: {
        const char *at = k->words;
        for (int i = *(const int *)field; i > 0; i--) at = strchr(at, '|') + 1;
        fprintf(out, "%.*s", (int)strcspn(at, "|"), at);
        break;
    }
    case LT_KEY_WORDS: {
        const char *at = k->words, *before = "[";
        for (int bits = *(const int *)field; bits; bits >>= 1, at += strcspn(at, "|"), at += *at == '|') {
            if (!(bits & 1)) continue;
            fprintf(out, "%s%.*s", before, (int)strcspn(at, "|"), at);
            before = ", ";
        }
        fputc(']', out);
        break;
    }
    }
}

void lt_config_help(FILE *out) {
    static const char *const type[] = {"whole number",  "whole number", "number",       "text",          "word",
                                       "list of words", "word or path", "word or list", "auto or number"};
    fprintf(out, "A run is a YAML file; key=value on the command line overrides a key. Keys, with type, range and default:\n");
    for (int i = 0; i < lt_config_impl_n_keys; i++) {
        const lt_key *k = &lt_config_impl_keys[i];
        char range[128] = "";
        if (i == 0 || k->section != k[-1].section) fputc('\n', out);
        if (k->words) (void)snprintf(range, sizeof range, "%s", k->words);
        if (k->type <= LT_KEY_NUM || k->type == LT_KEY_AUTO) (void)snprintf(range, sizeof range, "%.10g .. %.10g", k->min, k->max);
        fprintf(out, "  %-26s %s%s%s%s%s\n      %s\n", k->path, type[k->type], range[0] ? ", " : "", range, k->fallback ? ", default " : "",
                k->fallback ? (*k->fallback ? k->fallback : "none") : "", k->help);
    }
    fprintf(out, "\n  method.labels              map, default {}\n      words that replace the data set's for a label: {positive: "
                 "\"great\", negative: \"awful\"}\n"
                 "  trials                     list, default one trial\n      each entry has a name and overrides keys of train, method "
                 "and run.seed (also as seed:)\n"
                 "  sweep                      map of lists, default {}\n      cross product over keys of train, method and run.seed; "
                 "multiplies the trials (at most 1024)\n"
                 "\nA value of train, method or run.seed for the whole run is the default of every trial; a trial's own value wins over "
                 "it, also over one\n"
                 "from the command line; trials.0.train.lr=... reaches into a trial, while trials=[...], sweep={...} and "
                 "method.labels={...} replace\nwhat the file has. A key of method that changes nothing is refused: a trial's own that its "
                 "method does not read (ltune help\nmethods), or the run's that no trial reads.\n"
                 "\nexample:\n  run:    {dir: runs/demo, seed: 1}\n  model:  {path: all-MiniLM-L6-v2}\n  data:   {path: reviews.h5, "
                 "max_length: 128}\n"
                 "  train:  {epochs: 3, batch: 32}\n  trials:\n    - {name: a, method: {name: prefix, length: 8}, train: {lr: 1e-2}}\n"
                 "    - {name: b, method: {name: lt_prefix}, train: {lr: 2e-3}}\n  sweep:  {run.seed: [1, 2, 3]}\n");
}
