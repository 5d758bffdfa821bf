/* Writing the dataset file, whole or in parts.
 *
 * A split's sizes are announced, so its arrays lie in the file as they would had they been written whole, and parts go to their places.  Digests are made on
 * the way: every array is written from its beginning to its end.  Offsets of a part begin at 0 and are moved to where the part stands, a block at a time. */
#include "store/dataset_impl.h"

#include "base/mem.h"
#include "store/h5.h"
#include "store/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 16 /* offsets moved at a time */, MAX_ARRAYS = 7 };

/* One array of the split at hand, filled up to `at`. */
typedef struct array {
    const char *name;
    lt_sha *sha;
    int64_t at, n;
} array;

struct lt_dataset_writer {
    lt_h5_writer *h5;
    char *path;
    lt_dataset_size size; /* of the split at hand */
    lt_dataset_place place;
    hid_t group; /* -1: no split is open */
    array array[MAX_ARRAYS];
    int n_arrays;
    int64_t moved[BLOCK];
};

/* --- arrays ------------------------------------------------------------------------------------------------------------------------- */

static lt_status array_create(lt_dataset_writer *w, const char *name, lt_dtype dt, int64_t n) {
    array *a = &w->array[w->n_arrays++];
    *a = (array){.name = name, .n = n};
    LT_TRY(lt_h5_create(w->group, name, dt, 1, &n));
    return lt_sha_begin(&a->sha);
}

static array *array_find(lt_dataset_writer *w, const char *name) {
    int i = 0;
    while (strcmp(w->array[i].name, name) != 0) i++;
    return &w->array[i];
}

/* n values behind those that are there. */
static lt_status array_put(lt_dataset_writer *w, const char *name, lt_dtype dt, const void *data, int64_t n) {
    array *a = array_find(w, name);
    LT_CHECK(n <= a->n - a->at, LT_ERR_ARG, "%s: split '%s': %s gets more than the %lld values announced", w->path, w->size.name, name,
             (long long)a->n);
    if (n == 0) return LT_OK;
    LT_TRY(lt_h5_write_part(w->group, name, &a->at, &n, data));
    lt_sha_add(a->sha, data, (size_t)n * lt_dtype_bytes(dt));
    a->at += n;
    return LT_OK;
}

/* The same for offsets, which count from `base`. */
static lt_status array_put_offsets(lt_dataset_writer *w, const char *name, const int64_t *offset, int64_t n, int64_t base) {
    for (int64_t done = 0, k; done < n; done += k) {
        for (k = 0; k < BLOCK && done + k < n; k++) w->moved[k] = base + offset[done + k];
        LT_TRY(array_put(w, name, LT_I64, w->moved, k));
    }
    return LT_OK;
}

static lt_status array_end(lt_dataset_writer *w, array *a) {
    char hex[LT_SHA_HEX_BYTES];
    LT_CHECK(a->at == a->n, LT_ERR_ARG, "%s: split '%s': %s has %lld of the %lld values announced", w->path, w->size.name, a->name,
             (long long)a->at, (long long)a->n);
    LT_TRY(lt_sha_finish(&a->sha, hex));
    return lt_h5_seal_digested(w->group, a->name, hex);
}

/* --- splits ------------------------------------------------------------------------------------------------------------------------- */

static lt_status put_facts(const lt_dataset_writer *w) {
    LT_TRY(lt_h5_put_i64(w->group, "sequences", w->size.n));
    LT_TRY(lt_h5_put_i64(w->group, "tokens", w->size.tokens));
    LT_TRY(lt_h5_put_i64(w->group, "longest", w->place.longest));
    LT_TRY(lt_h5_put_i64(w->group, "truncated", w->size.truncated));
    return lt_h5_put_i64(w->group, "max_token", w->place.max_token);
}

/* Ends the split at hand, if there is one. */
static lt_status end_split(lt_dataset_writer *w) {
    if (w->group < 0) return LT_OK;
    LT_TRY(array_put_offsets(w, "offsets", &w->size.tokens, 1, 0));
    LT_TRY(array_put_offsets(w, "segment_offsets", &w->size.tokens, 1, 0));
    if (w->size.words >= 0) LT_TRY(array_put_offsets(w, "word_offsets", &w->size.words, 1, 0));
    for (int i = 0; i < w->n_arrays; i++) LT_TRY(array_end(w, &w->array[i]));
    LT_TRY(put_facts(w));
    lt_h5_close(&w->group);
    return LT_OK;
}

lt_status lt_dataset_writer_begin(lt_dataset_writer *w, const lt_dataset_size *size) {
    char name[LT_NAME_BYTES + 16];
    int64_t ends = size->n + 1;
    LT_TRY(end_split(w));
    LT_CHECK(size->name[0] && !strchr(size->name, '/'), LT_ERR_ARG, "%s: \"%s\" cannot be the name of a split", w->path, size->name);
    LT_CHECK(size->n > 0, LT_ERR_ARG, "%s: split '%s' is empty: it has no sequences", w->path, size->name);
    LT_CHECK(size->tokens >= size->n && (size->words < 0 || size->token_labels), LT_ERR_ARG,
             "%s: split '%s': %lld tokens for %lld sequences, expected at least one each", w->path, size->name, (long long)size->tokens,
             (long long)size->n);
    w->size = *size;
    w->place = (lt_dataset_place){.path = w->path, .n_labels = w->place.n_labels, .code = LT_ERR_ARG};
    w->n_arrays = 0;
    (void)snprintf(name, sizeof name, "splits/%s", size->name);
    LT_CHECK(!lt_h5_has(lt_h5_writer_file(w->h5), name), LT_ERR_ARG, "%s: split '%s' is there twice", w->path, size->name);
    LT_TRY(lt_h5_group(lt_h5_writer_file(w->h5), name, &w->group));
    LT_TRY(array_create(w, "tokens", LT_I32, size->tokens));
    LT_TRY(array_create(w, "offsets", LT_I64, ends));
    LT_TRY(array_create(w, "segment_offsets", LT_I64, ends));
    LT_TRY(array_create(w, size->token_labels ? "token_label" : "label", LT_I32, size->token_labels ? size->tokens : size->n));
    if (size->words < 0) return LT_OK;
    LT_TRY(array_create(w, "word_offsets", LT_I64, ends));
    LT_TRY(array_create(w, "word_label", LT_I32, size->words));
    return array_create(w, "word_token", LT_I32, size->words);
}

lt_status lt_dataset_writer_add(lt_dataset_writer *w, const lt_dataset_split *part) {
    lt_dataset_split s = *part;
    LT_CHECK(w->group >= 0, LT_ERR_ARG, "%s: a part of no split", w->path);
    memcpy(s.name, w->size.name, sizeof s.name); /* for messages */
    int64_t tokens = w->place.tokens, words = w->place.words;
    LT_CHECK(!s.token_label == !w->size.token_labels || !s.label == !s.token_label, LT_ERR_ARG,
             "%s: split '%s': labels of %s were announced", w->path, s.name, w->size.token_labels ? "tokens" : "sequences");
    LT_CHECK(!s.word_offsets == (w->size.words < 0), LT_ERR_ARG, "%s: split '%s': labels of words were %sannounced", w->path, s.name,
             s.word_offsets ? "not " : "");
    LT_TRY(lt_dataset_impl_check(&s, &w->place));
    LT_TRY(array_put(w, "tokens", LT_I32, s.tokens, s.offsets[s.n]));
    LT_TRY(array_put_offsets(w, "offsets", s.offsets, s.n, tokens));
    LT_TRY(array_put_offsets(w, "segment_offsets", s.segment_offsets, s.n, tokens));
    LT_TRY(s.label ? array_put(w, "label", LT_I32, s.label, s.n) : array_put(w, "token_label", LT_I32, s.token_label, s.offsets[s.n]));
    if (!s.word_offsets) return LT_OK;
    LT_TRY(array_put_offsets(w, "word_offsets", s.word_offsets, s.n, words));
    LT_TRY(array_put(w, "word_label", LT_I32, s.word_label, s.word_offsets[s.n]));
    return array_put(w, "word_token", LT_I32, s.word_token, s.word_offsets[s.n]);
}

/* --- files -------------------------------------------------------------------------------------------------------------------------- */

static lt_status write_about(hid_t file, const lt_dataset_info *info) {
    hid_t g = -1;
    lt_status st = LT_OK;
    LT_TRY(lt_h5_put_str(file, "task", info->task));
    LT_TRY(lt_h5_put_str(file, "command", info->command));
    LT_TRY(lt_h5_put_str(file, "tokenizer_sha256", info->tokenizer_sha256));
    LT_TRY(lt_h5_put_str(file, "source_sha256", info->source_sha256));
    LT_TRY(lt_h5_group(file, "labels", &g));
    LT_TRY_GOTO(lt_h5_put_i64(g, "count", info->n_labels), st, done);
    LT_TRY_GOTO(lt_h5_write_strings(g, "name", info->n_labels, (const char *const *)info->label_name, false), st, done);
    st = lt_h5_write_strings(g, "words", info->n_labels, (const char *const *)info->label_words, false);
done:
    lt_h5_close(&g);
    return st;
}

lt_status lt_dataset_writer_create(const char *path, const lt_dataset_info *info, lt_dataset_writer **out) {
    lt_dataset_writer *w = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_calloc(&w, 1, sizeof *w, "a dataset writer"));
    w->group = -1;
    w->place.n_labels = info->n_labels;
    LT_TRY_GOTO(lt_strdup(&w->path, path), st, fail);
    LT_TRY_GOTO(lt_h5_write_begin(path, LT_KIND_DATASET, LT_DATASET_VERSION, &w->h5), st, fail);
    LT_TRY_GOTO(write_about(lt_h5_writer_file(w->h5), info), st, fail);
    *out = w;
    return LT_OK;
fail:
    lt_dataset_writer_cancel(&w);
    return st;
}

lt_h5_writer *lt_dataset_writer_h5(const lt_dataset_writer *w) { return w->h5; }

lt_status lt_dataset_writer_commit(lt_dataset_writer **w) {
    lt_status st = end_split(*w);
    if (st == LT_OK) st = lt_h5_write_commit(&(*w)->h5);
    lt_dataset_writer_cancel(w);
    return st;
}

void lt_dataset_writer_cancel(lt_dataset_writer **out) {
    lt_dataset_writer *w = *out;
    char hex[LT_SHA_HEX_BYTES];
    if (!w) return;
    lt_h5_close(&w->group);
    for (int i = 0; i < w->n_arrays; i++)
        if (w->array[i].sha) (void)lt_sha_finish(&w->array[i].sha, hex);
    lt_h5_write_cancel(&w->h5);
    free(w->path);
    free(w);
    *out = NULL;
}

lt_status lt_dataset_write(const char *path, const lt_dataset_info *info, const lt_dataset_split *split, int n_splits) {
    lt_dataset_writer *w = NULL;
    lt_status st = LT_OK;
    LT_CHECK(n_splits > 0, LT_ERR_ARG, "%s: there is no split to write", path);
    LT_TRY(lt_dataset_writer_create(path, info, &w));
    for (int i = 0; i < n_splits; i++) {
        const lt_dataset_split *s = &split[i];
        lt_dataset_size size = {.n = s->n,
                                .tokens = s->n > 0 ? s->offsets[s->n] : 0,
                                .words = s->n > 0 && s->word_offsets ? s->word_offsets[s->n] : -1,
                                .token_labels = s->token_label != NULL,
                                .truncated = s->truncated};
        memcpy(size.name, s->name, sizeof size.name);
        LT_TRY_GOTO(lt_dataset_writer_begin(w, &size), st, done);
        LT_TRY_GOTO(lt_dataset_writer_add(w, s), st, done);
    }
    st = lt_dataset_writer_commit(&w);
done:
    lt_dataset_writer_cancel(&w);
    return st;
}
