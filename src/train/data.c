/* The data of a run; see data_impl.h. */
#include "train/data_impl.h"

#include "base/fault.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

lt_status lt_run_impl_data_open(lt_run_data *d, const lt_config *cfg) {
    LT_TRY(LT_FAULT_POINT("run.data"));
    LT_TRY(lt_config_require(cfg, "model.path"));
    LT_TRY(lt_config_require(cfg, "data.path"));
    LT_CHECK(access(cfg->model.path, F_OK) == 0, LT_ERR_IO, "cannot open the model folder %s: %m: check model.path", cfg->model.path);
    LT_TRY(lt_tok_open(cfg->model.path, &d->tok));
    LT_TRY(lt_tok_sha256(d->tok, d->tok_sha));
    LT_TRY(lt_dataset_open(cfg->data.path, &d->file));
    LT_TRY(lt_dataset_check_tokenizer(d->file, d->tok_sha, cfg->model.path));
    d->K = (int)lt_dataset_about(d->file)->n_labels;
    return LT_OK;
}

lt_status lt_run_impl_data_split(lt_run_data *d, const lt_config *cfg, int64_t vocab, const char *name, int64_t limit, bool labels,
                                 lt_samples *s) {
    lt_dataset_split split = {0};
    lt_status st = LT_OK;
    LT_TRY(lt_dataset_read(d->file, name, &split));
    if (labels && split.unlabelled)
        st = LT_FAIL(
            LT_ERR_CONFIG,
            "%s: split '%s' has no labels, so nothing can be learned from it or judged by it: name another split (data.train, data.eval, "
            "--split); ltune predict RUN.yaml --split %s says what its labels would be",
            cfg->data.path, name, name);
    if (st == LT_OK) st = lt_samples_create(&split, cfg->data.max_length, limit, d->tok, vocab, s);
    if (st == LT_OK && s->truncated)
        lt_info("split %s: %lld of %lld samples are longer than data.max_length = %d tokens and were cut", name, (long long)s->truncated,
                (long long)s->n, cfg->data.max_length);
    lt_dataset_split_fini(&split);
    return st;
}

static lt_status list_labels(lt_run_data *d) {
    size_t bytes = 0;
    FILE *f = open_memstream(&d->label_list, &bytes);
    LT_CHECK(f, LT_ERR_NOMEM, "no memory for the names of the labels");
    for (int k = 0; k < d->K; k++) fprintf(f, "%s%s", k ? "\n" : "", lt_dataset_about(d->file)->label_name[k]);
    LT_CHECK(fclose(f) == 0, LT_ERR_NOMEM, "no memory for the names of the labels");
    return LT_OK;
}

/* What a run learns from and is judged by: both splits as cut, and the labels. */
static lt_status fingerprint_data(lt_run_data *d) {
    const lt_dataset_info *info = lt_dataset_about(d->file);
    const lt_samples *both[] = {&d->train, &d->eval};
    lt_sha *sha = NULL;
    LT_TRY(lt_sha_begin(&sha));
    for (int i = 0; i < 2; i++) {
        const lt_samples *s = both[i];
        lt_sha_add(sha, &s->n, sizeof s->n);
        lt_sha_add(sha, s->offset, (size_t)(s->n + 1) * sizeof *s->offset);
        lt_sha_add(sha, s->segment, (size_t)s->n * sizeof *s->segment);
        if (s->label) lt_sha_add(sha, s->label, (size_t)s->n * sizeof *s->label);
        if (s->token_label) lt_sha_add(sha, s->token_label, (size_t)s->total_tokens * sizeof *s->token_label);
        lt_sha_add(sha, s->tokens, (size_t)s->total_tokens * sizeof *s->tokens);
        if (!s->word_offset) continue;
        lt_sha_add(sha, s->word_offset, (size_t)(s->n + 1) * sizeof *s->word_offset);
        lt_sha_add(sha, s->word_label, (size_t)s->word_offset[s->n] * sizeof *s->word_label);
    }
    for (int k = 0; k < d->K; k++) {
        lt_sha_add(sha, info->label_name[k], strlen(info->label_name[k]) + 1);
        lt_sha_add(sha, info->label_words[k], strlen(info->label_words[k]) + 1);
    }
    return lt_sha_finish(&sha, d->sha);
}

static lt_status make_judge(lt_run_data *d) {
    const lt_dataset_info *info = lt_dataset_about(d->file);
    const lt_metric_kind *kind = d->train.token_label          ? &lt_metric_tokens
                                 : !strcmp(info->task, "cola") ? &lt_metric_mcc
                                                               : &lt_metric_accuracy;
    const char *odd;
    LT_TRY(lt_judge_create(kind, (const char *const *)info->label_name, d->K, &d->judge, &odd));
    if (odd) lt_info("labels are no IOB tags (\"%s\" is none): tokens are judged, not entities", odd);
    return LT_OK;
}

lt_status lt_run_impl_data_read(lt_run_data *d, const lt_config *cfg, int64_t vocab, bool fingerprint) {
    LT_TRY(lt_run_impl_data_split(d, cfg, vocab, cfg->data.train, cfg->data.limit, true, &d->train));
    LT_TRY(lt_run_impl_data_split(d, cfg, vocab, cfg->data.eval, 0, true, &d->eval));
    LT_CHECK(!d->train.token_label == !d->eval.token_label, LT_ERR_FORMAT,
             "%s: one of the splits \"%s\" and \"%s\" labels tokens, the other sequences: a run needs one kind", cfg->data.path,
             cfg->data.train, cfg->data.eval);
    LT_TRY(make_judge(d));
    LT_TRY(list_labels(d));
    return fingerprint ? fingerprint_data(d) : LT_OK;
}

void lt_run_impl_data_close(lt_run_data *d) {
    lt_samples_destroy(&d->train);
    lt_samples_destroy(&d->eval);
    lt_dataset_close(&d->file);
    lt_tok_close(&d->tok);
    lt_judge_destroy(&d->judge);
    free(d->label_list);
    *d = (lt_run_data){0};
}
