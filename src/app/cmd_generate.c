/* `ltune generate`: texts that a decoder writes behind given ones, with or without what a trial has learned before them.
 *
 * Every rank reads the same texts and takes the same tokens; rank 0 prints.  One text is printed as its tokens come, several each when it is whole, in the
 * order given.  What is printed is what the answer adds to the text that the tokens of the prompt and its own give together, so that blanks between words
 * are right.  Ranks beyond one tensor-parallel group write texts of their own, which are printed when all are there. */
#include "app/texts.h"

#include "model/device.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* One text on its way. */
typedef struct answer {
    char *text; /* what was told so far; owned */
    size_t bytes;
    lt_tok_stream stream; /* has seen the prompt */
    bool begun, whole;    /* tokens were told; all of them */
} answer;

typedef struct job {
    const lt_app_args *args;
    lt_config *cfg;
    lt_arch arch;
    lt_app_texts in;
    lt_tok *tok;
    lt_ids ids;      /* of all prompts */
    int64_t *offset; /* [n + 1] */
    int64_t longest;
    /* the model: a run's, or one of its own */
    lt_run *run;
    lt_grid own_grid;
    lt_model *own_model;
    lt_model *model;     /* borrowed */
    const lt_grid *grid; /* borrowed */
    lt_written *written; /* [n] */
    answer *answer;      /* [n] */
    int64_t printed;     /* answers */
    bool json, prints;   /* prints: this rank, as tokens come */
    bool one;
} job;

static bool from_stdin(const lt_app_args *a) {
    const char *file = lt_cli_value(&a->cli, "text-file");
    return file && !strcmp(file, "-");
}

/* ---- input ---- */

static lt_status read_texts(job *j) {
    const lt_cli_args *c = &j->args->cli;
    const char *file = lt_cli_value(c, "text-file");
    LT_TRY(LT_FAULT_POINT("generate.input"));
    for (int i = 0; i < c->n_options; i++)
        if (!strcmp(c->option[i].name, "text")) LT_TRY(lt_app_texts_push(&j->in, c->option[i].value, NULL));
    LT_CHECK((j->in.n > 0) != (file != NULL), LT_ERR_ARG,
             "say what to continue: --text \"...\" (as often as you like), or --text-file FILE (- for standard input)");
    return file && !from_stdin(j->args) ? lt_app_texts_read(&j->in, file, false) : LT_OK;
}

static lt_status read_config(job *j) {
    const lt_cli_args *c = &j->args->cli;
    const char *dir = lt_cli_value(c, "model"), *const of_run[] = {"trial", "checkpoint", "label"};
    LT_CHECK(c->n_words <= 1, LT_ERR_ARG,
             "expected one RUN.yaml at most, found %d words: \"%s\" is neither an option (--name) nor a setting (key=value)", c->n_words,
             c->word[1]);
    LT_CHECK((dir != NULL) != (c->n_words == 1), LT_ERR_ARG,
             "say what writes: --model DIR, or a RUN.yaml whose trial stands before the text");
    for (int i = 0; dir && i < 3; i++)
        LT_CHECK(!lt_cli_value(c, of_run[i]), LT_ERR_ARG, "--%s belongs to a run: give its RUN.yaml in place of --model", of_run[i]);
    LT_TRY(lt_config_load(dir ? NULL : c->word[0], c->n_settings, c->setting, &j->cfg));
    if (!dir) return lt_config_require(j->cfg, "model.path");
    free(j->cfg->model.path);
    j->cfg->model.path = NULL;
    return lt_strdup(&j->cfg->model.path, dir);
}

/* Tokens of the texts, and what has to be known of them before there is a model. */
static lt_status tokenise(job *j) {
    LT_TRY(lt_arch_read(j->cfg->model.path, &j->arch));
    LT_TRY(lt_arch_check_writes(&j->arch));
    LT_CHECK(j->in.n > 0, LT_ERR_FORMAT, "no text to continue: the file is empty");
    LT_TRY(lt_tok_open(j->cfg->model.path, &j->tok));
    LT_TRY(lt_calloc(&j->offset, j->in.n + 1, sizeof *j->offset, "texts"));
    LT_TRY(lt_calloc(&j->written, j->in.n, sizeof *j->written, "answers"));
    LT_TRY(lt_calloc(&j->answer, j->in.n, sizeof *j->answer, "answers"));
    for (int64_t i = 0; i < j->in.n; i++) {
        lt_status st = lt_tok_encode(j->tok, j->in.text[i], strlen(j->in.text[i]), true, &j->ids, NULL);
        if (st == LT_ERR_FORMAT) st = lt_app_at(st, "text", i + 1);
        if (st != LT_OK) return st;
        int64_t n = (j->offset[i + 1] = j->ids.n) - j->offset[i];
        LT_CHECK(n > 0, LT_ERR_FORMAT, "text %lld is empty: there is nothing to continue", (long long)i + 1);
        LT_CHECK(n <= j->arch.max_pos, LT_ERR_SHAPE, "text %lld has %lld tokens, but this model has %lld positions: shorten it",
                 (long long)i + 1, (long long)n, (long long)j->arch.max_pos);
        if (n > j->longest) j->longest = n;
    }
    for (int64_t i = 0; i < j->ids.n; i++)
        LT_CHECK(j->ids.id[i] < j->arch.V, LT_ERR_FORMAT,
                 "the tokenizer of %s gives token %d, but the model has %lld words: they do not belong together", j->cfg->model.path,
                 j->ids.id[i], (long long)j->arch.V);
    return LT_OK;
}

/* ---- the model ---- */

/* Ranks of a group: parallel.tp where the command line has it, else as many as model and nodes allow. */
static int choose_tp(const job *j) {
    for (int i = 0; i < j->args->cli.n_settings; i++)
        if (!strncmp(j->args->cli.setting[i], "parallel.tp=", 12)) return j->cfg->parallel.tp;
    return lt_generate_tp(j->args->world, lt_comm_size(j->args->world), &j->arch);
}

static lt_status choose_layout(job *j) {
    j->cfg->parallel.tp = choose_tp(j);
    LT_TRY(lt_arch_check_tp(&j->arch, j->cfg->parallel.tp));
    if (j->in.n < j->cfg->generate.batch) j->cfg->generate.batch = (int)j->in.n; /* memory is for texts there are */
    return LT_OK;
}

static void tell_memory(const job *j) {
    size_t weights, activations, comm;
    char w[32], a[32], c[32];
    lt_model_memory(j->model, &weights, &activations, &comm);
    lt_info("memory per rank: weights %s, activations %s, communication %s", lt_bytes_str(w, (double)weights),
            lt_bytes_str(a, (double)activations), lt_bytes_str(c, (double)comm));
}

static void tell_cache(const job *j, const lt_generate_args *a) {
    int64_t room = lt_generate_room(&j->arch, a, j->longest);
    char size[32];
    lt_info("keys and values of %lld text%s of up to %lld tokens: %s per rank", (long long)a->batch, a->batch == 1 ? "" : "s",
            (long long)room, lt_bytes_str(size, (double)lt_cache_bytes(j->model, a->batch, room)));
}

/* Collective(world).  A model of its own. */
static lt_status open_model(job *j, const lt_generate_args *a) {
    lt_comm *world = j->args->world;
    lt_model_limits limits = {0};
    lt_device device;
    LT_TRY(lt_device_open(world, (lt_device_kind)j->cfg->run.device, true, &device));
    lt_comm_set_transport(world, (lt_transport)j->cfg->parallel.collectives);
    lt_model_options opt = {.ops = device.ops,
                            .compute = j->cfg->model.dtype == LT_DTYPE_CFG_AUTO ? lt_generate_dtype(device.ops)
                                                                                : lt_dtype_of_cfg(j->cfg->model.dtype),
                            .keep_blocks = j->cfg->model.fp8_keep,
                            .threads = (int)-lt_max_host(world, -lt_comm_default_threads(world, j->cfg->parallel.threads)),
                            .head = true};
    LT_TRY(lt_grid_create(world, j->cfg->parallel.tp, &j->own_grid));
    LT_TRY(lt_model_create(j->cfg->model.path, &j->own_grid, &opt, &j->own_model));
    j->model = j->own_model;
    j->grid = &j->own_grid;
    lt_generate_limits(lt_model_arch(j->model), a, j->longest, &limits);
    LT_TRY(lt_agree(world, lt_model_measure(j->model, &limits)));
    tell_memory(j);
    LT_TRY(lt_model_plan(j->model, &limits));
    return lt_model_load(j->model);
}

static lt_status find_label(const lt_run *r, const char *name, int *label) {
    char list[1024] = "";
    *label = -1;
    for (int k = 0; name && k < lt_run_n_labels(r); k++) {
        size_t at = strlen(list);
        if (!strcmp(lt_run_label_name(r, k), name)) *label = k;
        (void)snprintf(list + at, sizeof list - at, "%s%s", k ? ", " : "", lt_run_label_name(r, k));
    }
    LT_CHECK(!name || *label >= 0, LT_ERR_ARG, "no label \"%s\" in this run's data set; its labels: %s", name, list);
    return LT_OK;
}

/* Collective(world).  A run's, and what its trial puts before the texts. */
static lt_status open_run(job *j, lt_front *front) {
    const lt_cli_args *c = &j->args->cli;
    const char *which = lt_cli_value(c, "checkpoint");
    int trial = 0, label = -1;
    bool loaded;
    LT_TRY(lt_run_create(j->cfg, j->args->world, LT_RUN_GENERATE, j->longest, &j->run));
    j->model = lt_run_model(j->run);
    j->grid = lt_run_grid(j->run);
    lt_status st = lt_app_find_trial(j->run, lt_cli_value(c, "trial"), &trial);
    if (st == LT_OK) st = find_label(j->run, lt_cli_value(c, "label"), &label);
    LT_TRY(lt_agree(j->args->world, st));
    LT_TRY(lt_run_load(j->run, which ? which : "best", trial, 1, &loaded));
    return lt_run_front(j->run, trial, label, front);
}

/* ---- output ---- */

/* What the stream has to tell now, to the answer; with `print` to the screen as well. */
static lt_status tell(answer *w, bool print) {
    if (!w->stream.bytes) return LT_OK;
    char *grown = realloc(w->text, w->bytes + w->stream.bytes + 1);
    LT_CHECK(grown, LT_ERR_NOMEM, "no memory for an answer of %zu bytes", w->bytes);
    w->text = grown;
    memcpy(w->text + w->bytes, w->stream.text, w->stream.bytes);
    w->bytes += w->stream.bytes;
    w->text[w->bytes] = 0;
    if (print) (void)fwrite(w->stream.text, 1, w->stream.bytes, stdout);
    return LT_OK;
}

static lt_status tell_token(job *j, int64_t i, int32_t token, bool print) {
    answer *w = &j->answer[i];
    if (!w->begun) /* the prompt itself is not told again */
        for (int64_t t = j->offset[i]; t < j->offset[i + 1]; t++) LT_TRY(lt_tok_stream_add(j->tok, &w->stream, j->ids.id[t], true));
    w->begun = true;
    lt_status st = lt_tok_stream_add(j->tok, &w->stream, token, true);
    if (st == LT_OK) return tell(w, print);
    if (st != LT_ERR_ARG) return st;
    lt_err_clear(); /* a row of the matrix that is no word, for vocabularies are padded: it says nothing */
    return LT_OK;
}

static lt_status end_answer(job *j, int64_t i, bool print) {
    answer *w = &j->answer[i];
    LT_TRY(lt_tok_stream_end(j->tok, &w->stream));
    LT_TRY(tell(w, print));
    lt_tok_stream_free(&w->stream);
    w->whole = true;
    return LT_OK;
}

static lt_status print_json(const job *j, int64_t i) {
    const answer *w = &j->answer[i];
    const lt_written *written = &j->written[i];
    json_t *tokens = json_array(), *o;
    for (int64_t t = 0; t < written->token.n; t++) json_array_append_new(tokens, json_integer(written->token.id[t]));
    o = json_pack("{s:s, s:s%, s:o, s:s}", "prompt", j->in.text[i], "text", w->text ? w->text : "", w->bytes, "tokens", tokens, "reason",
                  written->end == LT_END_EOS ? "eos" : "length");
    LT_CHECK(o, LT_ERR_INTERNAL, "text %lld cannot be said in JSON", (long long)i + 1);
    json_dumpf(o, stdout, JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(o);
    return LT_OK;
}

/* Answers that are whole, as far as those before them are too. */
static lt_status print_answers(job *j) {
    for (; j->printed < j->in.n && j->answer[j->printed].whole; j->printed++) {
        const answer *w = &j->answer[j->printed];
        if (j->json) {
            LT_TRY(print_json(j, j->printed));
            continue;
        }
        if (j->in.n > 1) printf("%s==> %s <==\n", j->printed ? "\n" : "", j->in.text[j->printed]);
        if (w->bytes && !(j->one && j->prints)) (void)fwrite(w->text, 1, w->bytes, stdout);
        putchar('\n');
    }
    LT_CHECK(fflush(stdout) == 0 && !ferror(stdout), LT_ERR_IO, "cannot write the results to standard output: %m");
    return LT_OK;
}

static lt_status take(void *arg, int64_t i, int32_t token, lt_end end) {
    job *j = arg;
    bool print = j->prints && j->one && !j->json;
    LT_TRY(LT_FAULT_POINT("generate.take"));
    LT_TRY(lt_ids_push(&j->written[i].token, token));
    j->written[i].end = end;
    LT_TRY(tell_token(j, i, token, print));
    if (end != LT_END_NOT) LT_TRY(end_answer(j, i, print));
    return j->prints ? print_answers(j) : LT_OK;
}

/* ---- answers of other groups ---- */

/* Rank 0: tells what other groups wrote, and prints. */
static lt_status tell_others(job *j) {
    for (int64_t i = 0; i < j->in.n; i++) {
        if (j->answer[i].whole) continue;
        for (int64_t t = 0; t < j->written[i].token.n; t++) LT_TRY(tell_token(j, i, j->written[i].token.id[t], false));
        LT_TRY(end_answer(j, i, false));
    }
    return print_answers(j);
}

/* Collective(world).  Where groups wrote texts of their own: all to all ranks; rank 0 prints them. */
static lt_status gather(job *j) {
    LT_TRY(lt_generate_gather(j->grid, j->written, j->in.n));
    return lt_agree(j->args->world, j->grid->rank == 0 ? tell_others(j) : LT_OK);
}

/* Collective(world).  One line about all groups. */
static void tell_speed(const job *j, const lt_generate_counts *c) {
    double sum[] = {(double)c->read, (double)c->written};
    lt_sum_host(j->grid->dp, sum, 2);
    double seconds = 1e-6 * (double)lt_max_host(j->args->world, (int64_t)(1e6 * c->seconds) + 1);
    char replayed[64] = "";
    if (c->replayed) (void)snprintf(replayed, sizeof replayed, ", %lld of %lld replayed", (long long)c->replayed, (long long)c->steps);
    lt_info("%.0f tokens read and %.0f written in %.2f s: %.1f tokens/s, %.1f ms a step%s", sum[0], sum[1], seconds, sum[1] / seconds,
            1e3 * c->seconds / (double)(c->steps ? c->steps : 1), replayed);
}

/* ---- all of it ---- */

static lt_status run(const lt_app_args *a) {
    job j = {.args = a, .json = lt_cli_value(&a->cli, "json") != NULL};
    int32_t eos[LT_MAX_EOS];
    int n_eos = 0;
    lt_generate_counts counts;
    lt_status st = read_texts(&j);
    if (st == LT_OK) st = read_config(&j);
    LT_TRY_GOTO(lt_app_agree_config(a, st, j.cfg), st, done);
    if (from_stdin(a)) LT_TRY_GOTO(lt_app_texts_read_stdin(a->world, &j.in, false), st, done);
    LT_TRY_GOTO(lt_app_texts_same(a->world, &j.in), st, done);
    st = tokenise(&j);
    if (st == LT_OK) st = choose_layout(&j);
    if (st == LT_OK) st = lt_generate_eos(j.cfg->model.path, eos, &n_eos);
    LT_TRY_GOTO(lt_agree(a->world, st), st, done);
    lt_generate_args g = lt_run_generate_args(j.cfg);
    g.n = j.in.n;
    g.tokens = j.ids.id;
    g.offset = j.offset;
    g.eos = eos;
    g.n_eos = n_eos;
    g.take = take;
    g.arg = &j;
    LT_TRY_GOTO(a->cli.n_words ? open_run(&j, &g.front) : open_model(&j, &g), st, done);
    tell_cache(&j, &g);
    j.one = j.in.n == 1;
    j.prints = j.grid->rank == 0 && j.grid->dp_size == 1;
    LT_TRY_GOTO(lt_generate(j.model, &g, &counts), st, done);
    if (j.grid->dp_size > 1) LT_TRY_GOTO(gather(&j), st, done);
    tell_speed(&j, &counts);
done:
    for (int64_t i = 0; j.answer && i < j.in.n; i++) {
        lt_tok_stream_free(&j.answer[i].stream);
        free(j.answer[i].text);
    }
    free(j.answer);
    lt_written_free(j.written, j.in.n);
    lt_app_texts_free(&j.in);
    lt_ids_free(&j.ids);
    free(j.offset);
    lt_tok_close(&j.tok);
    lt_run_destroy(&j.run);
    lt_model_destroy(&j.own_model);
    if (j.own_grid.world) lt_grid_destroy(&j.own_grid);
    lt_config_free(&j.cfg);
    return st;
}

static const lt_cli_option options[] = {
    {"model", "DIR", "Hugging Face folder of a decoder", 0},
    {"text", "TEXT", "a text to continue; as often as you like", 0},
    {"text-file", "FILE", "a text a line, or JSON objects with \"text\"; - = standard input", 0},
    {"trial", "NAME", "of RUN.yaml: whose prompt or prefix stands before the texts, or whose adapters are used", 0},
    {"checkpoint", "WHICH", "best (default), last, or a checkpoint file", 0},
    {"label", "NAME", "methods that have a prompt for each label (lt_prompt, lt_prefix): which", 0},
    {"json", NULL, "one JSON object a text: prompt, text, tokens, reason (eos or length)", 0},
    {0}};

const lt_app_command lt_app_generate = {
    .cli =
        {.program = "ltune",
         .name = "generate",
         .summary = "texts that a decoder writes behind yours",
         .usage = "--model DIR (--text TEXT ... | --text-file FILE) [--json] [key=value ...]\n"
                  "RUN.yaml [--trial NAME] [--label NAME] [--checkpoint best|last|PATH] (--text TEXT ... | --text-file FILE) [--json] "
                  "[key=value ...]",
         .about =
             "Decoders: llama, mistral, qwen2, qwen3, gemma3_text, gpt2, gpt_neox, bloom, falcon.  All ranks together hold the model "
             "(parallel.tp).\n"
             "Standard output has the answers: one as its tokens come; several in order, each under \"==> text <==\" when it is whole.\n"
             "An answer ends with the model's end-of-text token (eos_token_id), after generate.max_tokens, or where its positions end.\n",
         .option = options,
         .notes =
             "key=value: generate.max_tokens, generate.temperature (0 = the best token), generate.top_k, generate.top_p, generate.seed,\n"
             "generate.batch (texts at once), model.dtype, parallel.tp, parallel.threads; `ltune help config` explains them.\n"
             "The same seed draws the same tokens for a text whatever is written beside it, on any number of ranks.\n",
         .examples = "ltune generate --model gemma-3-270m --text \"The capital of France is\"\n"
                     "mpirun -n 2 ltune generate --model llama --text-file prompts.txt --json generate.batch=32 >answers.jsonl\n"
                     "ltune generate --model gpt2 --text \"Once upon a time\" generate.temperature=0.8 generate.top_p=0.9 generate.seed=7\n"
                     "ltune generate run.yaml --trial p --text \"a great film\" --checkpoint last\n",
         .settings = true,
         .mpi = true},
    .stops = true,
    .run = run};
