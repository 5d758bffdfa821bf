/* Rows from trees in brackets, one a line, as treebanks have them: "(3 (2 It) (4 (2 's) (4 good)))".  A row's label is that of the whole tree, its text the
 * words joined by spaces.  Of the words -LRB-, -RRB- and \/ become the brackets and the slash that they stand for. */
#include "rows_impl.h"

#include <string.h>

static bool parts(char c) { return c == ' ' || c == '\t' || c == '(' || c == ')'; }

static lt_status add_word(prep_buffer *text, const char *word, size_t n) {
    if (text->n) LT_TRY(prep_buffer_add(text, " ", 1));
    if (n == 5 && !memcmp(word, "-LRB-", 5)) return prep_buffer_add(text, "(", 1);
    if (n == 5 && !memcmp(word, "-RRB-", 5)) return prep_buffer_add(text, ")", 1);
    for (size_t i = 0; i < n; i++) {
        if (word[i] == '\\' && i + 1 < n && (word[i + 1] == '/' || word[i + 1] == '*')) i++;
        LT_TRY(prep_buffer_add(text, word + i, 1));
    }
    return LT_OK;
}

/* Takes a line apart: words into r->joined, *label to the first label, which ends with NUL in place. */
static lt_status read_tree(prep_rows *r, char *line, size_t n, char **label) {
    int64_t depth = 0;
    bool opened = false; /* a label comes next */
    size_t label_end = 0;
    char hint[200];
    *label = NULL;
    r->joined.n = 0;
    for (size_t i = 0; i < n;) {
        size_t to = i;
        while (to < n && !parts(line[to])) to++;
        if (to == i) {
            LT_CHECK(!opened || line[i] == ' ' || line[i] == '\t', LT_ERR_FORMAT, "%s:%lld: byte %zu: a bracket without a label",
                     r->source.path, (long long)r->source.line, i + 1);
            LT_CHECK(line[i] != '(' || depth || !*label, LT_ERR_FORMAT, "%s:%lld: byte %zu: a second tree in one line", r->source.path,
                     (long long)r->source.line, i + 1);
            depth += line[i] == '(' ? 1 : line[i] == ')' ? -1 : 0;
            LT_CHECK(depth >= 0, LT_ERR_FORMAT, "%s:%lld: byte %zu: a bracket closes that was not opened", r->source.path,
                     (long long)r->source.line, i + 1);
            opened |= line[i++] == '(';
            continue;
        }
        LT_CHECK(depth > 0, LT_ERR_FORMAT, "%s:%lld: expected a tree such as (3 (2 It) (4 works)), found \"%.40s\"%s", r->source.path,
                 (long long)r->source.line, line + i, prep_rows_hint(r, hint, sizeof hint));
        if (!opened) LT_TRY(add_word(&r->joined, line + i, to - i));
        if (opened && !*label) {
            *label = line + i;
            label_end = to;
        }
        opened = false;
        i = to;
    }
    LT_CHECK(*label && depth == 0 && r->joined.n, LT_ERR_FORMAT, "%s:%lld: a tree %s", r->source.path, (long long)r->source.line,
             depth ? "that does not close its brackets" : "without words");
    line[label_end] = 0;
    return LT_OK;
}

lt_status prep_trees_next(prep_rows *r, prep_row *row, bool *more) {
    for (;;) {
        char *line, *label;
        size_t bytes;
        bool left_out;
        prep_fate fate = PREP_KEPT;
        LT_TRY(prep_source_line(&r->source, &line, &bytes, more));
        if (!*more) return LT_OK;
        if (bytes == strspn(line, " \t")) {
            r->counts.blank++;
            continue;
        }
        LT_TRY(read_tree(r, line, bytes, &label));
        r->labelled = true;
        *row = (prep_row){.line = r->source.line, .text[0] = r->joined.at, .bytes[0] = r->joined.n};
        LT_TRY(prep_rows_clean(r, 0, row->line, "the text", -1, r->layout.keep_nul, &row->text[0], &row->bytes[0], &fate));
        if (fate != PREP_KEPT) continue;
        LT_CHECK(prep_utf8_check(label, strlen(label), false) == strlen(label), LT_ERR_FORMAT, "%s:%lld: the label is not UTF-8",
                 r->source.path, (long long)row->line);
        LT_TRY(prep_rows_label(r, row->line, "the label", label, &row->label, &left_out));
        r->counts.left_out += left_out;
        if (!left_out) return LT_OK;
    }
}
