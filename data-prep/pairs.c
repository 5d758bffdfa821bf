/* Rows from two files, one with a text a line and one with the labels, line by line. */
#include "rows_impl.h"

#include "base/mem.h"
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The name of the labels' file: text.txt has labels.txt, dev_text.txt dev_labels.txt, others NAME.labels. */
static lt_status companion(const char *path, char **out) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *word = NULL;
    for (const char *p = name; (p = strstr(p, "text")); p += 4) word = p;
    size_t n = strlen(path) + sizeof ".labels";
    char *made = malloc(n);
    LT_CHECK(made, LT_ERR_NOMEM, "no memory for a file's name");
    if (word)
        (void)snprintf(made, n, "%.*slabels%s", (int)(word - path), path, word + 4);
    else
        (void)snprintf(made, n, "%s.labels", path);
    *out = made;
    return LT_OK;
}

lt_status prep_pairs_begin(prep_rows *r) {
    const char *given = r->layout.label_file;
    char *path = NULL;
    if (given && !given[0]) return LT_OK;
    if (given)
        LT_TRY(lt_strdup(&path, given));
    else
        LT_TRY(companion(r->source.path, &path));
    lt_status st = prep_source_open(&r->labels, path, NULL);
    if (st == LT_ERR_IO && !given)
        st = LT_FAIL(st, "%s: no file with its labels: looked for %s; name it, or say that there is none", r->source.path, path);
    free(path);
    return st;
}

/* The hash is that of the texts and then the labels, as of the files one behind the other. */
static lt_status hash_labels(prep_rows *r) {
    prep_source s = {.fd = -1};
    lt_status st = LT_OK;
    if (!r->labels.path || !r->source.hash) return LT_OK;
    LT_TRY_GOTO(prep_source_open(&s, r->labels.path, r->source.hash), st, done);
    while (!s.eof) {
        LT_TRY_GOTO(prep_source_more(&s), st, done);
        s.at = s.end;
    }
done:
    prep_source_close(&s);
    return st;
}

lt_status prep_pairs_next(prep_rows *r, prep_row *row, bool *more) {
    for (;;) {
        char *line, *label = NULL;
        size_t bytes, label_bytes = 0;
        bool labelled = false, left_out = false;
        prep_fate fate = PREP_KEPT;
        LT_TRY(prep_source_line(&r->source, &line, &bytes, more));
        if (r->labels.path) LT_TRY(prep_source_line(&r->labels, &label, &label_bytes, &labelled));
        if (!*more && labelled && label_bytes == 0) continue; /* an empty line at the end */
        LT_CHECK(!r->labels.path || *more == labelled || (*more && bytes == 0), LT_ERR_FORMAT,
                 "%s has %s lines than its labels in %s (%lld)", r->source.path, *more ? "more" : "fewer", r->labels.path,
                 (long long)(*more ? r->labels.line : r->source.line));
        if (!*more) return hash_labels(r);
        if (bytes == 0 && label_bytes == 0) {
            r->counts.blank++;
            continue;
        }
        *row = (prep_row){.line = r->source.line, .text[0] = line, .bytes[0] = bytes};
        LT_TRY(prep_rows_clean(r, 0, row->line, "the text", 0, r->layout.keep_nul, &row->text[0], &row->bytes[0], &fate));
        if (fate != PREP_KEPT) continue;
        if (labelled) {
            LT_CHECK(strlen(label) == label_bytes && prep_utf8_check(label, label_bytes, false) == label_bytes, LT_ERR_FORMAT,
                     "%s:%lld: not UTF-8", r->labels.path, (long long)r->labels.line);
            LT_TRY(prep_rows_label(r, row->line, "the line of labels", label, &row->label, &left_out));
        }
        r->counts.left_out += left_out;
        if (!left_out) return LT_OK;
    }
}
