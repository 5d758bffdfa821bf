/* Rows from CoNLL columns: a word a line with its tag, an empty line behind each sentence.
 *
 * Columns are parted by tabs if the first word's line has one, otherwise by spaces; only these two, for words may hold other white space of Unicode.
 * -DOCSTART- lines part documents and are left out.  A '#' can be a word, so that a line with it is a comment only if it has another number of columns than
 * words have. */
#include "rows_impl.h"

#include <stdlib.h>
#include <string.h>

typedef struct piece {
    char *at;
    size_t bytes;
} piece;

static bool is_space(char c) { return c == ' ' || c == '\t'; }

/* Takes a line apart.  Runs of spaces part columns, but each tab does. */
static int split(char *line, size_t n, char separator, piece col[PREP_MAX_COLUMNS]) {
    int k = 0;
    while (n && is_space(line[n - 1])) n--;
    for (size_t i = 0; i <= n;) {
        size_t to = i;
        if (separator == ' ') {
            while (i < n && is_space(line[i])) i++;
            for (to = i; to < n && !is_space(line[to]);) to++;
            if (i == n) break;
        } else {
            while (to < n && line[to] != separator) to++;
        }
        size_t from = i, end = to;
        while (separator != ' ' && from < end && line[from] == ' ') from++;
        while (separator != ' ' && end > from && line[end - 1] == ' ') end--;
        if (k < PREP_MAX_COLUMNS) col[k] = (piece){line + from, end - from};
        k++;
        i = to + 1;
    }
    return k;
}

static bool is_comment_by_name(const prep_layout *l, const char *line, size_t n) {
    size_t m = l->comment ? strlen(l->comment) : 0;
    return m && n >= m && !memcmp(line, l->comment, m);
}

void prep_conll_begin(prep_rows *r) {
    prep_layout *l = &r->layout;
    piece col[PREP_MAX_COLUMNS];
    char *p = r->source.buf + r->source.at, *end = r->source.buf + r->source.end;
    for (; p && p < end; p = memchr(p, '\n', (size_t)(end - p)), p = p ? p + 1 : NULL) {
        char *to = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((to ? to : end) - p);
        if (n && p[n - 1] == '\r') n--;
        while (n && is_space(p[n - 1])) n--;
        if (!n || (p[0] == '#' && !l->comment) || is_comment_by_name(l, p, n)) continue;
        if (!l->separator) l->separator = memchr(p, '\t', n) ? '\t' : ' ';
        r->columns = split(p, n, l->separator, col);
        if (n >= 10 && !memcmp(p, "-DOCSTART-", 10)) continue; /* it may have fewer columns than the words */
        return;
    }
    if (!l->separator) l->separator = ' ';
}

/* Where a column is, from 0. */
static int place(int number, int n) { return number < 0 ? n + number : number - 1; }

static bool is_comment(const prep_rows *r, const char *line, size_t bytes, int n) {
    if (r->layout.comment) return is_comment_by_name(&r->layout, line, bytes);
    return line[0] == '#' && n != r->columns;
}

static lt_status missing(const prep_rows *r, const char *what, int number, int n) {
    char hint[200];
    return LT_FAIL(LT_ERR_FORMAT, "%s:%lld: column %d (%s) is missing: the line has %d column(s) separated by %s, words before it %d%s",
                   r->source.path, (long long)r->source.line, number, what, n, r->layout.separator == '\t' ? "tabs" : "spaces", r->columns,
                   r->rows ? "" : prep_rows_hint(r, hint, sizeof hint));
}

/* One line with a word. */
static lt_status take(prep_rows *r, char *line, piece *col, int n, prep_fate *fate) {
    const prep_layout *l = &r->layout;
    int w = place(l->text[0].number, n), t = l->label.number ? place(l->label.number, n) : -1;
    bool has_tag = l->label.number && (r->columns > 1 || !l->label_optional);
    /* a column counted from the end is only known in lines that are complete */
    if (w < 0 || w >= n || (l->text[0].number < 0 && n != r->columns)) return missing(r, "the word", l->text[0].number, n);
    if (has_tag && (t < 0 || t >= n || (l->label.number < 0 && n != r->columns) || t == w))
        return missing(r, "the tag", l->label.number, n);
    LT_CHECK(w < PREP_MAX_COLUMNS && t < PREP_MAX_COLUMNS, LT_ERR_FORMAT, "%s:%lld: more than %d columns", r->source.path,
             (long long)r->source.line, PREP_MAX_COLUMNS);
    const char *word = col[w].at, *tag = NULL;
    size_t bytes = col[w].bytes, tag_bytes = 0;
    LT_CHECK(bytes, LT_ERR_FORMAT, "%s:%lld: the word is empty", r->source.path, (long long)r->source.line);
    if (has_tag) col[t].at[col[t].bytes] = 0;
    r->labelled |= has_tag;
    LT_TRY(prep_rows_clean(r, 0, r->source.line, "the word", (int64_t)(word - line), false, &word, &bytes, fate));
    if (has_tag && *fate == PREP_KEPT) {
        const char *raw = col[t].at;
        tag_bytes = col[t].bytes;
        LT_CHECK(tag_bytes, LT_ERR_FORMAT, "%s:%lld: the tag is empty", r->source.path, (long long)r->source.line);
        LT_TRY(prep_rows_clean(r, PREP_LABEL, r->source.line, "the tag", (int64_t)(raw - line), false, &raw, &tag_bytes, fate));
        LT_TRY(prep_rows_tag(r, r->source.line, raw, &tag));
        tag_bytes = strlen(tag);
    }
    if (!r->n_words) r->first_line = r->source.line;
    LT_CHECK(r->arena.n < PREP_MAX_ROW, LT_ERR_FORMAT,
             "%s:%lld: a sentence of more than %d MiB begins here: expected an empty line behind each", r->source.path,
             (long long)r->first_line, PREP_MAX_ROW >> 20);
    return prep_rows_push(r, word, bytes, tag, tag_bytes);
}

lt_status prep_conll_next(prep_rows *r, prep_row *row, bool *more) {
    piece col[PREP_MAX_COLUMNS];
    bool skip = false;
    for (;;) {
        char *line;
        size_t bytes;
        prep_fate fate = PREP_KEPT;
        LT_TRY(prep_source_line(&r->source, &line, &bytes, more));
        if (!*more && r->source.partial) return LT_OK;
        int n = *more ? split(line, bytes, r->layout.separator, col) : 0;
        if (*more && (n > 1 || (n == 1 && col[0].bytes))) {
            if (is_comment(r, line, bytes, n)) continue;
            if (bytes >= 10 && !memcmp(line, "-DOCSTART-", 10)) {
                r->counts.left_out++;
                continue;
            }
            LT_TRY(take(r, line, col, n, &fate));
            skip |= fate == PREP_SKIPPED;
            continue;
        }
        bool there = r->n_words > 0;
        *row = (prep_row){.line = r->first_line};
        if (there) LT_TRY(prep_rows_words(r, r->first_line, row));
        if (there && !skip) {
            *more = true;
            return LT_OK;
        }
        skip = false;
        if (!*more) return LT_OK;
    }
}
