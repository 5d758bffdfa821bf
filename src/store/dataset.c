/* The dataset file; see dataset.h and docs/FORMATS.md.
 *
 *     /                         kind, format_version, task, tokenizer_sha256, source_sha256, command
 *     /labels                   count
 *     /labels/name, words       strings [K]
 *     /splits/<name>            sequences, tokens, longest, truncated, max_token (counts)
 *     /splits/<name>/tokens     i32 [T]        offsets, segment_offsets  i64 [n + 1]        label  i32 [n]  or  token_label  i32 [T]
 *
 * One function, check(), holds for what is written and for what is read: a file that another program made (h5py is enough) gets the same
 * scrutiny, and nothing behind this room looks at offsets or labels again. */
#include "store/dataset.h"

#include "base/config.h"
#include "base/fault.h"
#include "base/mem.h"
#include "store/h5.h"
#include "store/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Holds a split against the rules of dataset.h and fills longest and max_token.  code: ARG when writing, FORMAT when reading. */
static lt_status check(lt_dataset_split *s, int64_t n_labels, const char *path, lt_status code) {
    const int64_t *at = s->offsets, *second = s->segment_offsets;
    const int32_t *label = s->label ? s->label : s->token_label;
    LT_CHECK(s->n > 0, code, "%s: split '%s' is empty: it has no sequences", path, s->name);
    LT_CHECK((s->label == NULL) != (s->token_label == NULL), code, "%s: split '%s' must have either label or token_label", path, s->name);
    LT_CHECK(at[0] == 0, code, "%s: split '%s': offsets[0] is %lld, expected 0", path, s->name, (long long)at[0]);
    s->longest = 0;
    for (int64_t i = 0; i < s->n; i++) {
        LT_CHECK(at[i + 1] > at[i], code, "%s: split '%s': sequence %lld has offsets %lld to %lld, expected at least one token", path,
                 s->name, (long long)i, (long long)at[i], (long long)at[i + 1]);
        LT_CHECK(second[i] >= at[i] && second[i] <= at[i + 1], code,
                 "%s: split '%s': sequence %lld has its second text at %lld, expected a position from %lld to %lld", path, s->name,
                 (long long)i, (long long)second[i], (long long)at[i], (long long)at[i + 1]);
        if (at[i + 1] - at[i] > s->longest) s->longest = at[i + 1] - at[i];
    }
    int64_t T = at[s->n], n_label = s->label ? s->n : T;
    LT_CHECK(second[s->n] == T, code, "%s: split '%s': segment_offsets[%lld] is %lld, expected %lld (all tokens)", path, s->name,
             (long long)s->n, (long long)second[s->n], (long long)T);
    for (int64_t i = 0; i < n_label; i++) {
        bool known = (label[i] >= 0 && label[i] < n_labels) || (s->token_label && label[i] == LT_IGNORED_LABEL);
        LT_CHECK(known, code, "%s: split '%s': %s %lld has label %d, which is not in the label set 0..%lld", path, s->name,
                 s->label ? "sequence" : "token", (long long)i, label[i], (long long)n_labels - 1);
    }
    s->max_token = 0;
    for (int64_t i = 0; i < T; i++) {
        LT_CHECK(s->tokens[i] >= 0, code, "%s: split '%s': token %lld has the negative id %d", path, s->name, (long long)i, s->tokens[i]);
        if (s->tokens[i] > s->max_token) s->max_token = s->tokens[i];
    }
    return LT_OK;
}

/* --- writing -------------------------------------------------------------------------------------------------------------------------- */

static lt_status write_split(hid_t file, const lt_dataset_split *s) {
    char name[LT_NAME_BYTES + 16];
    hid_t g = -1;
    int64_t T = s->offsets[s->n], ends = s->n + 1;
    lt_status st = LT_OK;
    (void)snprintf(name, sizeof name, "splits/%s", s->name);
    LT_TRY(lt_h5_group(file, name, &g));
    LT_TRY_GOTO(lt_h5_write(g, "tokens", LT_I32, 1, &T, s->tokens, false), st, done);
    LT_TRY_GOTO(lt_h5_write(g, "offsets", LT_I64, 1, &ends, s->offsets, false), st, done);
    LT_TRY_GOTO(lt_h5_write(g, "segment_offsets", LT_I64, 1, &ends, s->segment_offsets, false), st, done);
    if (s->label)
        st = lt_h5_write(g, "label", LT_I32, 1, &s->n, s->label, false);
    else
        st = lt_h5_write(g, "token_label", LT_I32, 1, &T, s->token_label, false);
    if (st != LT_OK) goto done;
    LT_TRY_GOTO(lt_h5_put_i64(g, "sequences", s->n), st, done);
    LT_TRY_GOTO(lt_h5_put_i64(g, "tokens", T), st, done);
    LT_TRY_GOTO(lt_h5_put_i64(g, "longest", s->longest), st, done);
    LT_TRY_GOTO(lt_h5_put_i64(g, "truncated", s->truncated), st, done);
    st = lt_h5_put_i64(g, "max_token", s->max_token);
done:
    lt_h5_close(&g);
    return st;
}

static lt_status write_all(hid_t file, const lt_dataset_info *info, const lt_dataset_split *split, int n_splits) {
    hid_t g = -1;
    lt_status st = LT_OK;
    LT_TRY(lt_h5_put_str(file, "task", info->task));
    LT_TRY(lt_h5_put_str(file, "command", info->command));
    LT_TRY(lt_h5_put_str(file, "tokenizer_sha256", info->tokenizer_sha256));
    LT_TRY(lt_h5_put_str(file, "source_sha256", info->source_sha256));
    LT_TRY(lt_h5_group(file, "labels", &g));
    LT_TRY_GOTO(lt_h5_put_i64(g, "count", info->n_labels), st, done);
    LT_TRY_GOTO(lt_h5_write_strings(g, "name", info->n_labels, (const char *const *)info->label_name, false), st, done);
    LT_TRY_GOTO(lt_h5_write_strings(g, "words", info->n_labels, (const char *const *)info->label_words, false), st, done);
    for (int i = 0; i < n_splits; i++) LT_TRY_GOTO(write_split(file, &split[i]), st, done);
done:
    lt_h5_close(&g);
    return st;
}

lt_status lt_dataset_write(const char *path, const lt_dataset_info *info, const lt_dataset_split *split, int n_splits) {
    lt_h5_writer *w = NULL;
    lt_dataset_split *checked = NULL;
    lt_status st = LT_OK;
    LT_CHECK(n_splits > 0, LT_ERR_ARG, "%s: there is no split to write", path);
    LT_TRY(lt_calloc(&checked, n_splits, sizeof *checked, "splits"));
    for (int i = 0; i < n_splits; i++) {
        checked[i] = split[i];
        LT_CHECK_GOTO(split[i].name[0] && !strchr(split[i].name, '/'), st, done, LT_ERR_ARG, "%s: \"%s\" cannot be the name of a split",
                      path, split[i].name);
        LT_TRY_GOTO(check(&checked[i], info->n_labels, path, LT_ERR_ARG), st, done);
    }
    LT_TRY_GOTO(lt_h5_write_begin(path, LT_KIND_DATASET, LT_DATASET_VERSION, &w), st, done);
    LT_TRY_GOTO(write_all(lt_h5_writer_file(w), info, checked, n_splits), st, done);
    st = lt_h5_write_commit(&w);
done:
    lt_h5_write_cancel(&w);
    free(checked);
    return st;
}

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
    if (H5Aexists(g, "truncated") > 0) LT_TRY_GOTO(lt_h5_get_i64(g, "truncated", &s.truncated), st, done);
    LT_TRY_GOTO(check(&s, d->info.n_labels, d->path, LT_ERR_FORMAT), st, done);
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
    *s = (lt_dataset_split){0};
}
