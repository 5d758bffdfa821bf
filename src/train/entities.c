/* Spans of IOB tags; see entities.h.  One walk over both sequences, one word past their end: a span is right if both sides end one there that began at the same
 * word, with the same type. */
#include "train/entities.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- labels ---- */

/* The type that a label names, "" outside; NULL: it is no IOB tag.  (A type with a dash at an end would have two names in seqeval.) */
static const char *type_of(const char *label) {
    size_t n = strlen(label);
    if (!strcmp(label, "O")) return "";
    if (n == 0 || (label[0] != 'B' && label[0] != 'I') || (n > 1 && label[1] != '-')) return NULL;
    if (n <= 2) return "_";
    return label[2] == '-' || label[n - 1] == '-' ? NULL : label + 2;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The types of all labels, each once, in order, in one block. */
static lt_status list_types(const char *const *label, int K, lt_tagset *t) {
    const char **name = NULL;
    size_t bytes = 0;
    int n = 0, kept = 0;
    LT_TRY(lt_calloc(&name, K, sizeof *name, "types of entities"));
    for (int k = 0; k < K; k++)
        if (type_of(label[k])[0]) name[n++] = type_of(label[k]);
    qsort(name, (size_t)n, sizeof *name, by_bytes);
    for (int i = 0; i < n; i++) {
        if (i > 0 && !strcmp(name[i], name[kept - 1])) continue;
        name[kept++] = name[i];
        bytes += sizeof *t->type + strlen(name[i]) + 1;
    }
    lt_status st = lt_calloc(&t->type, (int64_t)bytes, 1, "types of entities");
    char *text = st == LT_OK ? (char *)(t->type + kept) : NULL;
    for (int i = 0; st == LT_OK && i < kept; i++) {
        size_t size = strlen(name[i]) + 1;
        t->type[i] = memcpy(text, name[i], size);
        text += size;
    }
    t->n_types = st == LT_OK ? kept : 0;
    free(name);
    return st;
}

lt_status lt_tagset_create(const char *const *label, int K, lt_tagset *t, int *odd) {
    *t = (lt_tagset){0};
    *odd = -1;
    for (int k = 0; k < K && *odd < 0; k++)
        if (!type_of(label[k])) *odd = k;
    if (*odd >= 0) return LT_OK;
    LT_TRY(list_types(label, K, t));
    lt_status st = lt_calloc(&t->tag, K, sizeof *t->tag, "tags");
    for (int k = 0; st == LT_OK && k < K; k++) {
        const char *type = type_of(label[k]);
        const char **found = bsearch(&type, t->type, (size_t)t->n_types, sizeof *t->type, by_bytes);
        t->tag[k] = (lt_tag){.type = found ? (int32_t)(found - (const char **)t->type) : LT_TAG_NONE, .begins = label[k][0] == 'B'};
    }
    if (st != LT_OK || t->n_types == 0) lt_tagset_destroy(t);
    return st;
}

void lt_tagset_destroy(lt_tagset *t) {
    free(t->tag);
    free(t->type);
    *t = (lt_tagset){0};
}

/* ---- spans ---- */

/* One side of the walk under one reading: the span that is open. */
typedef struct side {
    int32_t type; /* LT_TAG_NONE: none is */
    int64_t start;
} side;

/* Goes on to the tag of word i.  True if the open span ended before it, which *ended is. */
static bool advance(side *s, lt_tag now, int64_t i, bool strict, side *ended) {
    bool goes_on = s->type != LT_TAG_NONE && now.type == s->type && !now.begins, ends = s->type != LT_TAG_NONE && !goes_on;
    *ended = *s;
    if (!goes_on) *s = (side){.type = now.begins || !strict ? now.type : LT_TAG_NONE, .start = i};
    return ends;
}

/* Both sides advanced by one word; counts of this reading. */
static void step(side both[2], const lt_tag now[2], int64_t i, bool strict, double *counts) {
    side ended[2];
    bool truth = advance(&both[0], now[0], i, strict, &ended[0]), predicted = advance(&both[1], now[1], i, strict, &ended[1]);
    if (truth) counts[3 * ended[0].type]++;
    if (predicted) counts[3 * ended[1].type + 1]++;
    if (truth && predicted && ended[0].type == ended[1].type && ended[0].start == ended[1].start) counts[3 * ended[0].type + 2]++;
}

void lt_tagset_count(const lt_tagset *t, const int32_t *truth, const int32_t *predicted, int64_t n, double *counts) {
    static const lt_tag outside = {.type = LT_TAG_NONE};
    double *strict = counts + 3 * (int64_t)t->n_types, *broken = strict + 3 * (int64_t)t->n_types;
    side open[2][2] = {{{LT_TAG_NONE, 0}, {LT_TAG_NONE, 0}}, {{LT_TAG_NONE, 0}, {LT_TAG_NONE, 0}}};
    lt_tag before[2] = {outside, outside};
    for (int64_t i = 0; i <= n; i++) {
        int32_t label[2] = {i < n ? truth[i] : LT_TAG_NONE, i < n ? predicted[i] : LT_TAG_NONE};
        lt_tag now[2];
        for (int k = 0; k < 2; k++) {
            now[k] = label[k] == LT_TAG_NONE ? outside : t->tag[label[k]];
            broken[k] += now[k].type != LT_TAG_NONE && !now[k].begins && now[k].type != before[k].type;
            before[k] = now[k];
        }
        step(open[0], now, i, false, counts);
        step(open[1], now, i, true, strict);
    }
}
