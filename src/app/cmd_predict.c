/* `ltune predict`: label and probability of texts under one saved trial.
 *
 * Input is one --text (with --pair); or a file: lines of TSV (text, or text TAB second text) or, when a line starts with '{', JSON objects with "text" and
 * "pair"; or a split of the run's data set, whose texts are decoded for the output.  Every rank reads the same input; rank 0 prints. */
#include "app/texts.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts as samples without labels. */
static lt_status tokenise(lt_run *r, const lt_app_texts *in, lt_samples *s) {
    int64_t max_length = lt_run_max_length(r);
    lt_ids ids = {0};
    lt_status st = LT_OK;
    *s = (lt_samples){.n = in->n};
    LT_TRY_GOTO(lt_calloc(&s->offset, in->n + 1, sizeof *s->offset, "texts"), st, done);
    LT_TRY_GOTO(lt_calloc(&s->segment, in->n, sizeof *s->segment, "texts"), st, done);
    LT_TRY_GOTO(lt_calloc(&s->label, in->n, sizeof *s->label, "texts"), st, done);
    for (int64_t i = 0; i < in->n; i++) {
        int64_t before = ids.n, segment = 0;
        bool cut;
        st = lt_tok_encode_pair(lt_run_tokenizer(r), in->text[i], strlen(in->text[i]), in->pair[i], in->pair[i] ? strlen(in->pair[i]) : 0,
                                max_length, LT_LONGEST_FIRST, &ids, NULL, &segment, &cut);
        if (st == LT_ERR_FORMAT) st = lt_app_at(st, "text", i + 1);
        if (st != LT_OK) goto done;
        int64_t n = ids.n - before;
        LT_CHECK_GOTO(n > 0, st, done, LT_ERR_FORMAT, "text %lld gives no tokens", (long long)i + 1);
        s->truncated += cut;
        s->segment[i] = segment;
        s->offset[i + 1] = ids.n;
        if (n > s->max_len) s->max_len = n;
    }
    if (s->truncated)
        lt_info("%lld of %lld texts are longer than %lld tokens (data.max_length, and what model and packs have room for) and were cut",
                (long long)s->truncated, (long long)s->n, (long long)max_length);
    LT_TRY_GOTO(lt_samples_measure(s, lt_samples_pad_token(lt_run_tokenizer(r))), st, done);
    s->tokens = ids.id;
    s->total_tokens = ids.n;
    return LT_OK;
done:
    lt_ids_free(&ids);
    lt_samples_destroy(s);
    return st;
}

/* A split of the run's data set as samples, and its texts as the tokens tell them. */
static lt_status read_split(lt_run *r, const char *name, lt_app_texts *in, lt_samples *s) {
    lt_tok *tok = lt_run_tokenizer(r);
    LT_TRY(lt_run_split(r, name, s));
    LT_TRY(lt_calloc(&in->text, s->n, sizeof *in->text, "texts"));
    LT_TRY(lt_calloc(&in->pair, s->n, sizeof *in->pair, "texts"));
    in->n = in->cap = s->n;
    for (int64_t i = 0; i < s->n; i++) {
        int64_t from = s->offset[i], to = s->offset[i + 1], second = from + s->segment[i];
        LT_TRY(lt_tok_decode(tok, s->tokens + from, second - from, true, &in->text[i], NULL));
        if (second < to) LT_TRY(lt_tok_decode(tok, s->tokens + second, to - second, true, &in->pair[i], NULL));
    }
    return LT_OK;
}

/* On one line, in one column. */
static void print_text(const char *text) {
    for (; *text; text++) putchar(strchr("\t\n\r", *text) ? ' ' : *text);
}

static void print_one(const lt_run *r, const lt_app_texts *in, int64_t i, const double *score, bool json) {
    int K = lt_run_n_labels(r), best = 0;
    double sum = 0;
    for (int y = 1; y < K; y++)
        if (score[y] > score[best]) best = y;
    for (int y = 0; y < K; y++) sum += exp(score[y] - score[best]);
    if (!json) {
        printf("%s\t%.6f\t", lt_run_label_name(r, best), 1 / sum);
        print_text(in->text[i]);
        if (in->pair[i]) putchar('\t'), print_text(in->pair[i]);
        putchar('\n');
        return;
    }
    json_t *all = json_object(), *o = json_object();
    for (int y = 0; y < K; y++) json_object_set_new(all, lt_run_label_name(r, y), json_real(exp(score[y] - score[best]) / sum));
    json_object_set_new(o, "label", json_string(lt_run_label_name(r, best)));
    json_object_set_new(o, "probability", json_real(1 / sum));
    json_object_set_new(o, "probabilities", all);
    json_object_set_new(o, "text", json_string(in->text[i]));
    if (in->pair[i]) json_object_set_new(o, "pair", json_string(in->pair[i]));
    json_dumpf(o, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(o);
}

static bool from_stdin(const lt_app_args *a) { return a->cli.n_words == 2 && !strcmp(a->cli.word[1], "-"); }

static lt_status read_input(const lt_app_args *a, lt_app_texts *in) {
    const char *text = lt_cli_value(&a->cli, "text"), *split = lt_cli_value(&a->cli, "split");
    LT_TRY(LT_FAULT_POINT("predict.input"));
    LT_CHECK(a->cli.n_words >= 1 && a->cli.n_words <= 2, LT_ERR_ARG, "expected RUN.yaml and at most one input file");
    LT_CHECK((text != NULL) + (split != NULL) + (a->cli.n_words == 2) == 1, LT_ERR_ARG,
             "give one of --text \"...\", --split NAME, and an input file (- for standard input)");
    if (text) return lt_app_texts_push(in, text, lt_cli_value(&a->cli, "pair"));
    if (split) return LT_OK; /* read by the run */
    return from_stdin(a) ? LT_OK : lt_app_texts_read(in, a->cli.word[1], true);
}

static lt_status run(const lt_app_args *a) {
    lt_config *cfg = NULL;
    lt_run *r = NULL;
    lt_samples s = {0};
    lt_app_texts in = {0};
    double *score = NULL;
    int trial = 0;
    bool loaded;
    const char *which = lt_cli_value(&a->cli, "checkpoint");
    lt_status st = read_input(a, &in);
    if (st == LT_OK) st = lt_config_load(a->cli.word[0], a->cli.n_settings, a->cli.setting, &cfg);
    st = lt_app_agree_config(a, st, cfg);
    if (st == LT_OK && from_stdin(a)) st = lt_app_texts_read_stdin(a->world, &in, true);
    if (st == LT_OK) st = lt_app_texts_same(a->world, &in);
    if (st == LT_OK) st = lt_run_create(cfg, a->world, LT_RUN_EVAL, 0, &r);
    if (st == LT_OK) st = lt_agree(a->world, lt_app_find_trial(r, lt_cli_value(&a->cli, "trial"), &trial));
    if (st == LT_OK) st = lt_run_load(r, which ? which : "best", trial, 1, &loaded);
    if (st == LT_OK) {
        const char *split = lt_cli_value(&a->cli, "split");
        st = split ? read_split(r, split, &in, &s) : tokenise(r, &in, &s);
        if (st == LT_OK) st = lt_calloc(&score, in.n * lt_run_n_labels(r), sizeof *score, "scores");
        st = lt_agree(a->world, st);
    }
    if (st == LT_OK) st = lt_run_score(r, &s, trial, 1, score);
    for (int64_t i = 0; st == LT_OK && i < in.n; i++)
        print_one(r, &in, i, score + i * lt_run_n_labels(r), lt_cli_value(&a->cli, "json") != NULL);
    lt_app_texts_free(&in);
    free(score);
    lt_samples_destroy(&s);
    lt_run_destroy(&r);
    lt_config_free(&cfg);
    return st;
}

static const lt_cli_option options[] = {{"trial", "NAME", "the trial that judges (needed where the run has several)", 0},
                                        {"text", "TEXT", "one text", 0},
                                        {"pair", "TEXT", "its second text", 0},
                                        {"split", "NAME", "a split of the run's data set, with labels or without", 0},
                                        {"checkpoint", "WHICH", "best (default), last, or a checkpoint file", 0},
                                        {"json", NULL, "one JSON object a line with the probability of every label", 0},
                                        {0}};

const lt_app_command lt_app_predict = {
    .cli = {.program = "ltune",
            .name = "predict",
            .summary = "label and probability of texts under a saved trial",
            .usage = "RUN.yaml [--trial NAME] (--text TEXT [--pair TEXT] | FILE | --split NAME) [--checkpoint best|last|PATH] [--json] "
                     "[key=value ...]",
            .about = "FILE (- = standard input): a text a line, or text TAB second text, or JSON objects with \"text\" and \"pair\".\n"
                     "Prints label TAB probability TAB text; the texts of a split are what its tokens decode to.\n",
            .option = options,
            .examples = "ltune predict demo.yaml --trial lt_prefix --text \"a gripping and beautiful film\"\n"
                        "mpirun -n 4 ltune predict demo.yaml --trial a reviews.txt > labels.tsv\n"
                        "ltune predict demo.yaml --trial a --split test --json > test.jsonl\n",
            .settings = true,
            .mpi = true},
    .run = run};
