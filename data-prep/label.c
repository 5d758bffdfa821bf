/* From what stands in a file to the name of a label: markers of "none", rules for numbers, numbers of classes, and a map of names, in this order. */
#include "rows_impl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Whole numbers, also as 3.0: columns in which a value is missing become such when they are exported. */
static bool whole(const char *s, int64_t *value) {
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (end == s || errno) return false;
    if (*end == '.' && end[1]) end += 1 + strspn(end + 1, "0");
    *value = v;
    return !*end;
}

/* The known names as "a, b, c", shortened to fit. */
static void list(int n, const char *const *name, char *text, size_t bytes) {
    size_t at = 0;
    text[0] = 0;
    for (int k = 0; k < n && at + 80 < bytes; k++) at += (size_t)snprintf(text + at, bytes - at, "%s%.60s", k ? ", " : "", name[k]);
    if (at + 80 >= bytes) (void)snprintf(text + at, bytes - at, " ...");
}

/* What a first row that is none may be. */
static const char *header_advice(const prep_rows *r, int64_t line) {
    bool columns = r->layout.format == PREP_TSV || r->layout.format == PREP_CSV;
    return line == 1 && columns && !r->header && !r->layout.preset ? "; if this line is a header, add --header" : "";
}

static lt_status by_number(const prep_rows *r, int64_t line, const char *where, const char *raw, const char **name, bool *left_out) {
    const prep_layout *l = &r->layout;
    char *end;
    double x = strtod(raw, &end);
    LT_CHECK(end != raw && !*end && !isnan(x), LT_ERR_FORMAT, "%s:%lld: %s should be a number %s, found \"%.60s\"%s", r->source.path,
             (long long)line, where, l->rule == PREP_RULE_SIGN ? "whose sign is the label" : "that stands for the label", raw,
             header_advice(r, line));
    if (l->rule == PREP_RULE_SIGN) {
        *left_out = x == 0;
        *name = x > 0 ? "positive" : "negative";
        return LT_OK;
    }
    for (int i = 0; i < l->n_bins; i++)
        if (x < l->bin[i].below) {
            *name = l->bin[i].name;
            return LT_OK;
        }
    return LT_FAIL(LT_ERR_FORMAT, "%s:%lld: %s: %.60s is in none of the %d ranges that stand for labels", r->source.path, (long long)line,
                   where, raw, l->n_bins);
}

/* Class numbers, from a base that is known or to be found out. */
static lt_status by_class(prep_rows *r, int64_t line, const char *where, int64_t value, const char **name) {
    const prep_layout *l = &r->layout;
    if (!r->n_numbers || value < r->lowest) r->lowest = value;
    if (!r->n_numbers || value > r->highest) r->highest = value;
    r->n_numbers++;
    if (r->trial && l->base < 0) return LT_OK;
    LT_CHECK(l->base >= 0, LT_ERR_FORMAT,
             "%s:%lld: do labels count from 0 or from 1? The file begins with %lld to %lld, of %d labels: say it with --label-base",
             r->source.path, (long long)line, (long long)r->lowest, (long long)r->highest, l->n_labels);
    int64_t k = value - l->base;
    LT_CHECK(k >= 0 && k < l->n_labels, LT_ERR_FORMAT, "%s:%lld: unknown label %lld (%s); expected %d to %d: %s is %d, %s is %d",
             r->source.path, (long long)line, (long long)value, where, l->base, l->base + l->n_labels - 1, l->label_name[0], l->base,
             l->label_name[l->n_labels - 1], l->base + l->n_labels - 1);
    *name = l->label_name[k];
    return LT_OK;
}

static const char *mapped(const prep_layout *l, const char *name) {
    for (int i = 0; i < l->n_map; i++)
        if (!strcmp(l->map[i].from, name)) return l->map[i].to;
    return name;
}

/* The name as the set has it: letter case matters only where two names differ by nothing else. */
static const char *in_set(int n, const char *const *set, const char *name) {
    for (int i = 0; i < n; i++)
        if (!strcmp(set[i], name)) return set[i];
    for (int i = 0; i < n; i++)
        if (!strcasecmp(set[i], name)) return set[i];
    return NULL;
}

lt_status prep_rows_label(prep_rows *r, int64_t line, const char *where, const char *raw, const char **label, bool *left_out) {
    const prep_layout *l = &r->layout;
    char known[600];
    int64_t value;
    *label = NULL;
    *left_out = false;
    /* as the file has it, without spaces around it */
    raw += strspn(raw, " \t\r\n");
    size_t n = strlen(raw);
    while (n && strchr(" \t\r\n", raw[n - 1])) n--;
    r->label.n = 0;
    LT_TRY(prep_buffer_add(&r->label, raw, n));
    const char *name = r->label.at;
    for (int i = 0; i < PREP_UNLABELLED && l->unlabelled[i]; i++)
        if (!strcmp(l->unlabelled[i], name)) return LT_OK;
    LT_CHECK(name[0], LT_ERR_FORMAT, "%s:%lld: %s is empty: no label", r->source.path, (long long)line, where);
    char *cut = l->label_end ? strchr(r->label.at, l->label_end) : NULL;
    if (cut) *cut = 0;
    if (l->rule != PREP_RULE_NAME) LT_TRY(by_number(r, line, where, name, &name, left_out));
    const char *as_given = name;
    name = mapped(l, name);
    if (name == as_given && l->rule == PREP_RULE_NAME && l->numbered && l->n_labels && whole(name, &value))
        LT_TRY(by_class(r, line, where, value, &name));
    *label = name;
    if (l->n_labels == 0 || *left_out || (r->trial && l->base < 0)) return LT_OK;
    *label = in_set(l->n_labels, l->label_name, name);
    if (*label) return LT_OK;
    list(l->n_labels, l->label_name, known, sizeof known);
    const char *advice = header_advice(r, line);
    return LT_FAIL(LT_ERR_FORMAT, "%s:%lld: unknown label \"%.60s\" (%s); expected one of: %s%s%s", r->source.path, (long long)line, name,
                   where, known, l->numbered && l->base >= 0 ? ", or their numbers" : "",
                   advice[0] ? advice : "; correct the line or the columns");
}

lt_status prep_rows_tag(prep_rows *r, int64_t line, const char *raw, const char **tag) {
    const prep_layout *l = &r->layout;
    int64_t value;
    *tag = raw;
    if (l->n_tags && whole(raw, &value)) {
        if (!r->n_numbers || value > r->highest) r->highest = value;
        r->n_numbers++;
        LT_CHECK(value >= 0 && value < l->n_tags, LT_ERR_FORMAT, "%s:%lld: unknown tag %lld; expected 0 to %d: 0 is %s, %d is %s",
                 r->source.path, (long long)line, (long long)value, l->n_tags - 1, l->tag_name[0], l->n_tags - 1,
                 l->tag_name[l->n_tags - 1]);
        *tag = l->tag_name[value];
    }
    *tag = mapped(l, *tag);
    if (!l->n_labels) return LT_OK;
    /* types are known: O, a type, or a prefix and a type */
    const char *type = (*tag)[0] && (*tag)[1] == '-' ? *tag + 2 : *tag;
    if (!strcmp(*tag, "O")) return LT_OK;
    for (int i = 0; i < l->n_labels; i++)
        if (!strcmp(l->label_name[i], type)) return LT_OK;
    char known[600];
    list(l->n_labels, l->label_name, known, sizeof known);
    return LT_FAIL(LT_ERR_FORMAT, "%s:%lld: unknown tag \"%.60s\"; expected O, or B- or I- with one of: %s", r->source.path,
                   (long long)line, *tag, known);
}
