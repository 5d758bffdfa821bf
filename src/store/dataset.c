/* The dataset file; see dataset.h and docs/FORMATS.md.
 *
 *     /                         kind, format_version, task, tokenizer_sha256, source_sha256, command
 *     /labels                   count
 *     /labels/name, words       strings [K]
 *     /splits/<name>            sequences, tokens, longest, truncated, max_token (counts)
 *     /splits/<name>/tokens     i32 [T]        offsets, segment_offsets  i64 [n + 1]        label  i32 [n]  or  token_label  i32 [T]
 *     /splits/<name>/word_offsets  i64 [n + 1]     word_label, word_token  i32 [W]            where labels come from words
 *
 * Reading; dataset_write.c writes, dataset_check.c has the rules. */
#include "store/dataset_impl.h"

#include "base/config.h"
#include "base/fault.h"
#include "base/mem.h"
#include "store/h5.h"
#include "store/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- reading -------------------------------------------------------------------------------------------------------------------------- */

struct lt_dataset {
    char *path;
    hid_t file;
    lt_dataset_info info;
    char **split;
    int64_t n_splits;
};

static lt_status get_hash(hid_t file, const char *key, char hex[LT_SHA_HEX_BYTES]) {
    char *text = NULL;
    LT_TRY(lt_h5_get_str(file, key, &text));
    (void)snprintf(hex, LT_SHA_HEX_BYTES, "%s", text);
    free(text);
    return LT_OK;
}

static lt_status read_about(lt_dataset *d) {
    lt_dataset_info *info = &d->info;
    int64_t n_words;
    LT_TRY(lt_h5_get_str(d->file, "task", &info->task));
    LT_TRY(lt_h5_get_str(d->file, "command", &info->command));
    LT_TRY(get_hash(d->file, "tokenizer_sha256", info->tokenizer_sha256));
    LT_TRY(get_hash(d->file, "source_sha256", info->source_sha256));
    LT_TRY(lt_h5_read_strings(d->file, "labels/name", &info->n_labels, &info->label_name));
    LT_TRY(lt_h5_read_strings(d->file, "labels/words", &n_words, &info->label_words));
    LT_CHECK(n_words == info->n_labels && n_words > 0, LT_ERR_FORMAT,
             "%s: /labels has %lld names and %lld words, expected the same number, at least 1", d->path, (long long)info->n_labels,
             (long long)n_words);
    LT_CHECK(n_words <= LT_MAX_LABELS, LT_ERR_FORMAT,
             "%s: /labels has %lld labels, expected at most %d: is a column of texts taken for labels?", d->path, (long long)n_words,
             LT_MAX_LABELS);
    return lt_h5_list(d->file, "splits", &d->split, &d->n_splits);
}

lt_status lt_dataset_open(const char *path, lt_dataset **out) {
    lt_dataset *d = NULL;
    lt_status st = LT_OK;
    LT_TRY(LT_FAULT_POINT("dataset.open"));
    LT_TRY(lt_calloc(&d, 1, sizeof *d, "a dataset"));
    d->file = -1;
    LT_TRY_GOTO(lt_strdup(&d->path, path), st, fail);
    LT_TRY_GOTO(lt_h5_open_kind(path, LT_KIND_DATASET, LT_DATASET_VERSION, &d->file), st, fail);
    LT_TRY_GOTO(read_about(d), st, fail);
    *out = d;
    return LT_OK;
fail:
    lt_dataset_close(&d);
    return st;
}

void lt_dataset_close(lt_dataset **out) {
    lt_dataset *d = *out;
    if (!d) return;
    lt_h5_close(&d->file);
    free(d->info.task);
    free(d->info.command);
    free(d->info.label_name);
    free(d->info.label_words);
    free(d->split);
    free(d->path);
    free(d);
    *out = NULL;
}

const lt_dataset_info *lt_dataset_about(const lt_dataset *d) { return &d->info; }

char *const *lt_dataset_splits(const lt_dataset *d, int64_t *n) {
    *n = d->n_splits;
    return d->split;
}

lt_status lt_dataset_check_tokenizer(const lt_dataset *d, const char *tokenizer_sha256, const char *where) {
    LT_CHECK(!strcmp(d->info.tokenizer_sha256, tokenizer_sha256), LT_ERR_CONFIG,
             "%s was made with another tokenizer (SHA-256 %.16s...) than the one in %s (%.16s...): run ltune-prep data with -t %s", d->path,
             d->info.tokenizer_sha256, where, tokenizer_sha256, where);
    return LT_OK;
}

static lt_status find_split(const lt_dataset *d, const char *name) {
    char present[400] = "";
    for (int64_t i = 0; i < d->n_splits; i++) {
        if (!strcmp(d->split[i], name)) return LT_OK;
        size_t used = strlen(present);
        (void)snprintf(present + used, sizeof present - used, "%s%s", i ? ", " : "", d->split[i]);
    }
    return LT_FAIL(LT_ERR_CONFIG, "%s has no split '%s'; it has: %s", d->path, name, present[0] ? present : "none");
}

/* Labels of words; s has its sequences. */
static lt_status read_words(const lt_dataset *d, hid_t g, lt_dataset_split *s) {
    int64_t ends = s->n + 1, W = -1;
    LT_TRY(lt_h5_read(g, "word_offsets", LT_I64, 1, &ends, &s->word_offsets));
    LT_TRY(lt_h5_read(g, "word_label", LT_I32, 1, &W, &s->word_label));
    LT_TRY(lt_h5_read(g, "word_token", LT_I32, 1, &W, &s->word_token));
    LT_CHECK(s->word_offsets[s->n] == W, LT_ERR_FORMAT, "%s: split '%s': word_offsets end at %lld, but there are %lld words", d->path,
             s->name, (long long)s->word_offsets[s->n], (long long)W);
    return LT_OK;
}

lt_status lt_dataset_read(lt_dataset *d, const char *name, lt_dataset_split *out) {
    lt_dataset_split s = {0};
    char group[LT_NAME_BYTES + 16];
    int64_t T = -1, ends = -1;
    hid_t g = -1;
    lt_status st = LT_OK;
    LT_TRY(LT_FAULT_POINT("dataset.read"));
    LT_TRY(find_split(d, name));
    LT_CHECK(strlen(name) < LT_NAME_BYTES, LT_ERR_FORMAT, "%s: the split name '%s' is longer than %d bytes", d->path, name,
             LT_NAME_BYTES - 1);
    (void)snprintf(s.name, sizeof s.name, "%s", name);
    (void)snprintf(group, sizeof group, "splits/%s", name);
    LT_TRY(lt_h5_group(d->file, group, &g));
    LT_TRY_GOTO(lt_h5_read(g, "offsets", LT_I64, 1, &ends, &s.offsets), st, done);
    LT_CHECK_GOTO(ends > 1, st, done, LT_ERR_FORMAT, "%s: split '%s' is empty: it has no sequences", d->path, name);
    s.n = ends - 1;
    LT_TRY_GOTO(lt_h5_read(g, "segment_offsets", LT_I64, 1, &ends, &s.segment_offsets), st, done);
    LT_TRY_GOTO(lt_h5_read(g, "tokens", LT_I32, 1, &T, &s.tokens), st, done);
    LT_CHECK_GOTO(s.offsets[s.n] == T, st, done, LT_ERR_FORMAT, "%s: split '%s': offsets end at %lld, but there are %lld tokens", d->path,
                  name, (long long)s.offsets[s.n], (long long)T);
    if (lt_h5_has(g, "token_label"))
        st = lt_h5_read(g, "token_label", LT_I32, 1, &T, &s.token_label);
    else
        st = lt_h5_read(g, "label", LT_I32, 1, &s.n, &s.label);
    if (st != LT_OK) goto done;
    if (lt_h5_has(g, "word_offsets")) LT_TRY_GOTO(read_words(d, g, &s), st, done);
    if (H5Aexists(g, "truncated") > 0) LT_TRY_GOTO(lt_h5_get_i64(g, "truncated", &s.truncated), st, done);
    lt_dataset_place place = {.path = d->path, .n_labels = d->info.n_labels, .code = LT_ERR_FORMAT};
    LT_TRY_GOTO(lt_dataset_impl_check(&s, &place), st, done);
    s.longest = place.longest;
    s.max_token = place.max_token;
    s.unlabelled = !place.labelled;
    *out = s;
done:
    lt_h5_close(&g);
    if (st != LT_OK) lt_dataset_split_fini(&s);
    return st;
}

void lt_dataset_split_fini(lt_dataset_split *s) {
    free(s->tokens);
    free(s->offsets);
    free(s->segment_offsets);
    free(s->label);
    free(s->token_label);
    free(s->word_offsets);
    free(s->word_label);
    free(s->word_token);
    *s = (lt_dataset_split){0};
}
