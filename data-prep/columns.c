/* Text files with columns: from lines to texts and labels, and which split a line belongs to. */
#include "data.h"

#include "base/sha256.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Splits a line at its tabs, in place.  Quotes have no meaning.  Returns the number of columns, also of those that col has no room for. */
static int columns(char *line, char *col[PREP_MAX_COLUMNS]) {
    int n = 0;
    for (char *p = line;; p++) {
        if (n < PREP_MAX_COLUMNS) col[n] = p;
        n++;
        p = strchr(p, '\t');
        if (!p) return n;
        *p = 0;
    }
}

/* Where a column is, from 1: given by number, or found by name in the header. */
static lt_status locate(const prep_lines *l, const prep_column *c, char *const *col, int n, int *number) {
    char found[400] = "";
    *number = c->number;
    if (c->number) return LT_OK;
    for (int i = 0; i < n && i < PREP_MAX_COLUMNS; i++) {
        size_t at = strlen(found);
        for (int k = 0; k < 2; k++)
            if (c->name[k] && !strcmp(col[i], c->name[k])) *number = i + 1;
        if (*number) return LT_OK;
        (void)snprintf(found + at, sizeof found - at, "%s\"%.40s\"", i ? ", " : "", col[i]);
    }
    return LT_FAIL(LT_ERR_FORMAT, "%s:%lld: the header has no column \"%s\"%s%s%s; found: %s; expected names separated by tabs", l->path,
                   (long long)l->number, c->name[0], c->name[1] ? " or \"" : "", c->name[1] ? c->name[1] : "", c->name[1] ? "\"" : "",
                   found);
}

/* The text of a column. */
static lt_status get(const prep_lines *l, const char *what, int number, char *const *col, int n, const char **text) {
    LT_CHECK(number <= n, LT_ERR_FORMAT, "%s:%lld: column %d (%s) is missing: the line has %d column(s) separated by tabs", l->path,
             (long long)l->number, number, what, n);
    *text = col[number - 1];
    return LT_OK;
}

/* The label's number; -1 leaves the line out (a rating of 0 has no sign). */
static lt_status get_label(prep_data *d, const prep_lines *l, int number, const char *text, int *k) {
    char list[600];
    if (d->spec.sign) {
        char *end;
        double rating = strtod(text, &end);
        end += strspn(end, " \r");
        LT_CHECK(end != text && !*end && !isnan(rating), LT_ERR_FORMAT,
                 "%s:%lld: column %d should be a number whose sign is the label, found \"%.60s\"%s", l->path, (long long)l->number, number,
                 text, l->number == 1 && !d->spec.header ? "; if this line is a header, add --header" : "");
        *k = rating > 0 ? 1 : rating < 0 ? 0 : -1;
        return LT_OK;
    }
    LT_CHECK(text[0], LT_ERR_FORMAT, "%s:%lld: column %d (the label) is empty", l->path, (long long)l->number, number);
    LT_TRY(prep_label_intern(&d->labels, text, k));
    if (*k >= 0) return LT_OK;
    prep_label_list(&d->labels, list, sizeof list);
    return LT_FAIL(LT_ERR_FORMAT, "%s:%lld: unknown label \"%.60s\" in column %d; expected one of: %s; %s", l->path, (long long)l->number,
                   text, number, list,
                   l->number == 1 && !d->spec.header ? "if this line is a header, add --header" : "correct the line or the columns");
}

/* Train, dev or test by the first 32 bits of the text's SHA-256: the same text always falls into the same split. */
static lt_status hash_split(prep_data *d, const char *text, const char *pair, prep_split **s) {
    static const char *const name[PREP_MAX_SHARES] = {"train", "dev", "test"};
    char hex[LT_SHA_HEX_BYTES];
    lt_sha *sha;
    int i = 0;
    LT_TRY(lt_sha_begin(&sha));
    lt_sha_add(sha, text, strlen(text));
    if (pair) {
        lt_sha_add(sha, "\t", 1);
        lt_sha_add(sha, pair, strlen(pair));
    }
    LT_TRY(lt_sha_finish(&sha, hex));
    hex[8] = 0;
    double at = 100.0 * (double)strtoul(hex, NULL, 16) / 4294967296.0, upto = d->spec.share[0];
    while (i + 1 < d->spec.n_shares && at >= upto) upto += d->spec.share[++i];
    return prep_split_get(d, name[i], s);
}

/* One line, its columns already apart. */
static lt_status add_line(prep_data *d, const prep_lines *l, const int number[3], char *const *col, int n, const char *split) {
    const char *text = NULL, *pair = NULL, *label = NULL;
    prep_split *s;
    int k;
    LT_TRY(get(l, "the text", number[0], col, n, &text));
    if (d->spec.has_pair) LT_TRY(get(l, "the second text", number[1], col, n, &pair));
    LT_TRY(get(l, "the label", number[2], col, n, &label));
    LT_TRY(get_label(d, l, number[2], label, &k));
    if (k < 0) {
        d->left_out++;
        return LT_OK;
    }
    LT_TRY(d->spec.n_shares ? hash_split(d, text, pair, &s) : prep_split_get(d, split, &s));
    lt_status st = prep_split_add(d, s, text, pair, k);
    if (st == LT_ERR_FORMAT) st = LT_FAIL(st, "%s:%lld: the text is empty and gives no tokens", l->path, (long long)l->number);
    return st;
}

static lt_status read_lines(prep_data *d, prep_lines *l, const char *split) {
    char *col[PREP_MAX_COLUMNS];
    int number[3] = {d->spec.text.number, d->spec.pair.number, d->spec.label.number};
    int64_t added = 0;
    for (bool more;;) {
        LT_TRY(prep_lines_next(l, &more));
        if (!more) break;
        LT_TRY(prep_lines_check_text(l));
        if (l->bytes == 0) {
            d->blank++;
            continue;
        }
        int n = columns(l->line, col);
        if (d->spec.header && l->number == 1) {
            LT_TRY(locate(l, &d->spec.text, col, n, &number[0]));
            if (d->spec.has_pair) LT_TRY(locate(l, &d->spec.pair, col, n, &number[1]));
            LT_TRY(locate(l, &d->spec.label, col, n, &number[2]));
            continue;
        }
        bool located = number[0] && number[2] && (number[1] || !d->spec.has_pair);
        LT_CHECK(located, LT_ERR_FORMAT, "%s:1: expected a header that names the columns, found an empty line", l->path);
        LT_TRY(add_line(d, l, number, col, n, split));
        added++;
    }
    LT_CHECK(added > 0, LT_ERR_FORMAT, "%s: no line with text in it%s", l->path, l->number ? " (after the header)" : ": the file is empty");
    return LT_OK;
}

lt_status prep_read_file(prep_data *d, const char *path, const char *split) {
    prep_lines l;
    lt_status st = prep_lines_open(&l, path, d->source);
    if (st == LT_OK) st = read_lines(d, &l, split);
    prep_lines_close(&l);
    return st;
}
