/* The set of labels. */
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

void prep_labels_fini(prep_labels *l) {
    for (int k = 0; k < l->n; k++) {
        free(l->name[k]);
        free(l->words[k]);
    }
    *l = (prep_labels){0};
}

/* --- tags of spans ------------------------------------------------------------------------------------------------------------------ */

static lt_status add_tag(prep_labels *l, char prefix, const char *type, const char *words) {
    char *tag = NULL;
    int k;
    bool known;
    LT_TRY(lt_calloc(&tag, (int64_t)strlen(type) + 3, 1, "a tag"));
    tag[0] = prefix;
    tag[1] = '-';
    memcpy(tag + 2, type, strlen(type));
    lt_status st = prep_label_intern(l, tag, &k);
    if (st == LT_OK && words) st = prep_label_words(l, tag, words, &known);
    free(tag);
    return st;
}

lt_status prep_label_spans(prep_labels *l, int n, const char *const *type, const char *const *words) {
    int k;
    LT_TRY(prep_label_intern(l, "O", &k));
    for (int i = 0; i < n; i++) {
        LT_TRY(add_tag(l, 'B', type[i], words ? words[i] : NULL));
        LT_TRY(add_tag(l, 'I', type[i], words ? words[i] : NULL));
    }
    return LT_OK;
}

/* --- order -------------------------------------------------------------------------------------------------------------------------- */

static int by_bytes(const void *x, const void *y) { return strcmp(*(const char *const *)x, *(const char *const *)y); }

static int by_value(const void *x, const void *y) {
    long long p = atoll(*(const char *const *)x), q = atoll(*(const char *const *)y);
    return p != q ? (p < q ? -1 : 1) : by_bytes(x, y);
}

static bool is_number(const char *s) {
    char *end;
    errno = 0;
    (void)strtoll(s, &end, 10);
    return end != s && !*end && !errno;
}

/* The set that found tags of spans belong to. */
static lt_status complete_spans(const prep_labels *found, prep_labels *l) {
    const char *type[LT_MAX_LABELS];
    int n = 0;
    for (int k = 0; k < found->n; k++)
        if (strcmp(found->name[k], "O") != 0) type[n++] = found->name[k] + 2;
    qsort(type, (size_t)n, sizeof *type, by_bytes);
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (kept == 0 || strcmp(type[kept - 1], type[i]) != 0) type[kept++] = type[i];
    return prep_label_spans(l, kept, type, NULL);
}

static lt_status sort_plain(const prep_labels *found, prep_labels *l) {
    const char *name[LT_MAX_LABELS];
    bool numbers = true;
    int k;
    for (int i = 0; i < found->n; i++) {
        name[i] = found->name[i];
        numbers &= is_number(name[i]);
    }
    qsort(name, (size_t)found->n, sizeof *name, numbers ? by_value : by_bytes);
    for (int i = 0; i < found->n; i++) LT_TRY(prep_label_intern(l, name[i], &k));
    return LT_OK;
}

lt_status prep_labels_sort(prep_labels *l, bool spans, int fresh[LT_MAX_LABELS]) {
    prep_labels *sorted = NULL;
    lt_status st = LT_OK;
    for (int k = 0; k < LT_MAX_LABELS; k++) fresh[k] = k;
    if (l->fixed) return LT_OK;
    LT_TRY(lt_calloc(&sorted, 1, sizeof *sorted, "labels"));
    LT_TRY_GOTO(spans ? complete_spans(l, sorted) : sort_plain(l, sorted), st, done);
    for (int k = 0; k < l->n; k++) LT_TRY_GOTO(prep_label_intern(sorted, l->name[k], &fresh[k]), st, done);
    prep_labels found = *l;
    *l = *sorted;
    *sorted = found;
    l->fixed = true;
done:
    prep_labels_fini(sorted);
    free(sorted);
    return st;
}
