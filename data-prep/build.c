/* Labels and samples of a data set as they are found, and the file made of them. */
#include "data.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

lt_status prep_label_intern(prep_labels *l, const char *name, int *k) {
    for (*k = 0; *k < l->n; (*k)++)
        if (!strcmp(l->name[*k], name)) return LT_OK;
    if (l->fixed) {
        *k = -1;
        return LT_OK;
    }
    LT_CHECK(
        l->n < LT_MAX_LABELS, LT_ERR_FORMAT,
        "more than %d different labels, the last one \"%.60s\": is that the label column? (--label N, or name the labels with --labels)",
        LT_MAX_LABELS, name);
    LT_TRY(lt_strdup(&l->name[l->n], name));
    *k = l->n++;
    return LT_OK;
}

void prep_label_list(const prep_labels *l, char *text, size_t bytes) {
    size_t at = 0;
    text[0] = 0;
    for (int k = 0; k < l->n && at + 80 < bytes; k++) at += (size_t)snprintf(text + at, bytes - at, "%s%.60s", k ? ", " : "", l->name[k]);
    if (at + 80 >= bytes) (void)snprintf(text + at, bytes - at, " ...");
}

lt_status prep_label_words(prep_labels *l, const char *name, const char *words, bool *known) {
    *known = false;
    for (int k = 0; k < l->n; k++) {
        if (strcmp(l->name[k], name)) continue;
        *known = true;
        free(l->words[k]);
        l->words[k] = NULL;
        return lt_strdup(&l->words[k], words);
    }
    return LT_OK;
}

lt_status prep_split_get(prep_data *d, const char *name, prep_split **split) {
    for (int i = 0; i < d->n_splits; i++) {
        *split = &d->split[i];
        if (!strcmp((*split)->name, name)) return LT_OK;
    }
    LT_CHECK(name[0] && strlen(name) < LT_NAME_BYTES && !strchr(name, '/'), LT_ERR_ARG, "\"%s\" cannot be the name of a split", name);
    LT_CHECK(d->n_splits < PREP_MAX_SPLITS, LT_ERR_ARG, "more than %d splits", PREP_MAX_SPLITS);
    *split = &d->split[d->n_splits++];
    (void)snprintf((*split)->name, sizeof(*split)->name, "%s", name);
    return LT_OK;
}

/* Room for one more sample. */
static lt_status grow(prep_split *s) {
    if (s->offsets && s->n < s->cap) return LT_OK;
    int64_t cap = s->cap ? 2 * s->cap : 1024;
    int64_t *offsets = realloc(s->offsets, (size_t)(cap + 1) * sizeof *offsets);
    if (offsets) s->offsets = offsets;
    int64_t *segment = realloc(s->segment_offsets, (size_t)(cap + 1) * sizeof *segment);
    if (segment) s->segment_offsets = segment;
    int32_t *label = realloc(s->label, (size_t)cap * sizeof *label);
    if (label) s->label = label;
    LT_CHECK(offsets && segment && label, LT_ERR_NOMEM, "no memory for %lld samples", (long long)cap);
    s->cap = cap;
    s->offsets[s->n] = s->tokens.n;
    return LT_OK;
}

lt_status prep_split_add(prep_data *d, prep_split *s, const char *text, const char *pair, int label) {
    int64_t segment = 0;
    bool cut = false;
    LT_TRY(grow(s));
    int64_t before = s->tokens.n;
    LT_TRY(lt_tok_encode_pair(d->tok, text, strlen(text), pair, pair ? strlen(pair) : 0, d->spec.max_length, LT_LONGEST_FIRST, &s->tokens,
                              NULL, &segment, &cut));
    int64_t n = s->tokens.n - before;
    LT_CHECK(n > 0, LT_ERR_FORMAT, "the text gives no tokens: it is empty, and this tokenizer has none that open a text");
    s->segment_offsets[s->n] = before + segment;
    s->label[s->n++] = label;
    s->offsets[s->n] = s->tokens.n;
    s->truncated += cut;
    s->empty += text[strspn(text, " \t\r\f\v")] == 0;
    s->over += n > PREP_DEFAULT_LENGTH;
    if (n > s->longest) s->longest = n;
    return LT_OK;
}

typedef struct ranked {
    const char *name;
    int old;
    bool numbers; /* of all labels */
} ranked;

static int by_rank(const void *x, const void *y) {
    const ranked *a = x, *b = y;
    long long p = a->numbers ? atoll(a->name) : 0, q = b->numbers ? atoll(b->name) : 0;
    return p != q ? (p < q ? -1 : 1) : strcmp(a->name, b->name);
}

static bool is_number(const char *s) {
    char *end;
    errno = 0;
    (void)strtoll(s, &end, 10);
    return end != s && !*end && !errno;
}

lt_status prep_labels_sort(prep_data *d) {
    prep_labels *l = &d->labels;
    ranked rank[LT_MAX_LABELS];
    int fresh[LT_MAX_LABELS];
    bool numbers = true;
    if (l->fixed) return LT_OK;
    for (int k = 0; k < l->n; k++) numbers &= is_number(l->name[k]);
    for (int k = 0; k < l->n; k++) rank[k] = (ranked){l->name[k], k, numbers};
    qsort(rank, (size_t)l->n, sizeof *rank, by_rank);
    for (int k = 0; k < l->n; k++) {
        fresh[rank[k].old] = k;
        l->name[k] = (char *)rank[k].name; /* the same strings in another order */
    }
    for (int i = 0; i < d->n_splits; i++)
        for (int64_t j = 0; j < d->split[i].n; j++) d->split[i].label[j] = fresh[d->split[i].label[j]];
    l->fixed = true;
    return LT_OK;
}

lt_status prep_data_write(prep_data *d, const char *path, char *command, lt_dataset_info *info) {
    lt_dataset_split out[PREP_MAX_SPLITS] = {0};
    info->task = (char *)d->spec.task; /* borrowed, read only */
    info->command = command;
    info->n_labels = d->labels.n;
    info->label_name = d->labels.name;
    info->label_words = d->labels.words;
    LT_TRY(lt_tok_sha256(d->tok, info->tokenizer_sha256));
    LT_TRY(lt_sha_finish(&d->source, info->source_sha256));
    for (int k = 0; k < d->labels.n; k++)
        if (!d->labels.words[k]) LT_TRY(lt_strdup(&d->labels.words[k], d->labels.name[k]));
    for (int i = 0; i < d->n_splits; i++) {
        prep_split *s = &d->split[i];
        LT_CHECK(s->n > 0, LT_ERR_FORMAT, "split '%s' got no samples: use more lines, or other shares in --hash-split", s->name);
        s->segment_offsets[s->n] = s->offsets[s->n];
        out[i] = (lt_dataset_split){.n = s->n,
                                    .tokens = s->tokens.id,
                                    .offsets = s->offsets,
                                    .segment_offsets = s->segment_offsets,
                                    .label = s->label,
                                    .truncated = s->truncated};
        (void)snprintf(out[i].name, sizeof out[i].name, "%s", s->name);
    }
    return lt_dataset_write(path, info, out, d->n_splits);
}

void prep_data_fini(prep_data *d) {
    char hex[LT_SHA_HEX_BYTES];
    for (int i = 0; i < d->n_splits; i++) {
        lt_ids_free(&d->split[i].tokens);
        free(d->split[i].offsets);
        free(d->split[i].segment_offsets);
        free(d->split[i].label);
    }
    for (int k = 0; k < d->labels.n; k++) {
        free(d->labels.name[k]);
        free(d->labels.words[k]);
    }
    lt_tok_close(&d->tok);
    if (d->source) (void)lt_sha_finish(&d->source, hex);
}
