/* Open files of samples: what all formats share.  A reader per format (delimited.c, jsonl.c, conll.c, pairs.c, trees.c) gives rows from the source's bytes;
 * here bytes are checked, words gathered, and rows counted. */
#include "rows_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const format_names[] = {[PREP_DETECT] = "detect", [PREP_TSV] = "tsv",     [PREP_CSV] = "csv",    [PREP_JSONL] = "jsonl",
                                           [PREP_CONLL] = "conll",   [PREP_LINES] = "lines", [PREP_TREES] = "trees"};

const char *prep_format_name(prep_format format) { return format_names[format]; }

lt_status prep_format_find(const char *name, prep_format *format) {
    for (size_t i = 0; i < sizeof format_names / sizeof *format_names; i++) {
        if (strcmp(format_names[i], name) != 0) continue;
        *format = (prep_format)i;
        return LT_OK;
    }
    return LT_FAIL(LT_ERR_ARG, "unknown format \"%s\"; known: tsv, csv, jsonl, conll, lines, trees", name);
}

bool prep_column_there(const prep_column *c) { return c->number || c->name[0]; }

const char *prep_column_text(const prep_column *c, char *text, size_t bytes) {
    size_t at = 0;
    text[0] = 0;
    for (int k = 0; k < PREP_COLUMN_NAMES && c->name[k] && at + 60 < bytes; k++)
        at += (size_t)snprintf(text + at, bytes - at, "%s\"%.40s\"", k ? " or " : "", c->name[k]);
    return text;
}

/* --- opening ------------------------------------------------------------------------------------------------------------------------ */

static lt_status begin(prep_rows *r) {
    r->tags.scheme = r->layout.scheme;
    switch (r->layout.format) {
    case PREP_TSV:
    case PREP_CSV:
        return prep_delimited_begin(r);
    case PREP_CONLL:
        prep_conll_begin(r);
        return LT_OK;
    case PREP_LINES:
        return prep_pairs_begin(r);
    default:
        return LT_OK;
    }
}

lt_status prep_rows_trial(const prep_layout *layout, const char *path, const char *data, size_t bytes, bool partial, prep_rows **out) {
    prep_rows *r;
    LT_TRY(lt_calloc(&r, 1, sizeof *r, "an open file"));
    r->layout = *layout;
    r->trial = true;
    lt_status st = prep_source_memory(&r->source, path, data, bytes, partial);
    r->labels.fd = -1;
    if (st == LT_OK) st = begin(r);
    if (st != LT_OK) prep_rows_close(&r);
    *out = r;
    return st;
}

lt_status prep_rows_open(const prep_layout *layout, const char *path, struct lt_sha *hash, prep_rows **out) {
    lt_status st;
    prep_rows *r;
    *out = NULL;
    LT_TRY(lt_calloc(&r, 1, sizeof *r, "an open file"));
    r->layout = *layout;
    r->source.fd = r->labels.fd = -1;
    LT_TRY_GOTO(prep_source_open(&r->source, path, hash), st, done);
    LT_TRY_GOTO(prep_source_fill(&r->source, PREP_HEAD), st, done);
    LT_TRY_GOTO(prep_source_skip_mark(&r->source), st, done);
    LT_TRY_GOTO(prep_rows_settle(r), st, done);
    LT_TRY_GOTO(begin(r), st, done);
done:
    if (st != LT_OK) prep_rows_close(&r);
    *out = r;
    return st;
}

void prep_rows_close(prep_rows **p) {
    prep_rows *r = *p;
    if (!r) return;
    prep_source_close(&r->source);
    prep_source_close(&r->labels);
    json_decref(r->object);
    for (int i = 0; i < PREP_SLOTS; i++) prep_buffer_free(&r->fixed[i]);
    prep_buffer_free(&r->joined);
    prep_buffer_free(&r->label);
    prep_buffer_free(&r->arena);
    free(r->word_at);
    free(r->tag_at);
    free(r->word);
    free(r->tag);
    prep_tags_fini(&r->tags);
    free(r);
    *p = NULL;
}

/* --- rows --------------------------------------------------------------------------------------------------------------------------- */

lt_status prep_rows_step(prep_rows *r, prep_row *row, bool *more) {
    switch (r->layout.format) {
    case PREP_TSV:
    case PREP_CSV:
        return prep_delimited_next(r, row, more);
    case PREP_JSONL:
        return prep_jsonl_next(r, row, more);
    case PREP_CONLL:
        return prep_conll_next(r, row, more);
    case PREP_LINES:
        return prep_pairs_next(r, row, more);
    case PREP_TREES:
        return prep_trees_next(r, row, more);
    default:
        return LT_FAIL(LT_ERR_INTERNAL, "%s: the format was not settled", r->source.path);
    }
}

lt_status prep_rows_next(prep_rows *r, prep_row *row, bool *more) {
    prep_row got;
    LT_TRY(prep_rows_step(r, &got, more));
    r->counts.lines = r->source.line;
    if (*more) {
        r->rows++;
        *row = got;
        return LT_OK;
    }
    LT_CHECK(r->rows + r->counts.left_out + r->counts.invalid_skipped > 0, LT_ERR_FORMAT, "%s: no line with text in it%s", r->source.path,
             r->header        ? " (after the header)"
             : r->source.line ? ""
                              : ": the file is empty");
    return LT_OK;
}

const prep_rows_counts *prep_rows_count(const prep_rows *r) { return &r->counts; }
int64_t prep_rows_bytes(const prep_rows *r) {
    off_t at = r->source.fd >= 0 ? lseek(r->source.fd, 0, SEEK_CUR) : -1;
    return at < 0 ? 0 : (int64_t)at;
}

const char *prep_rows_about(const prep_rows *r) { return r->about; }
prep_scheme prep_rows_scheme(const prep_rows *r) { return r->layout.scheme; }

/* --- bytes -------------------------------------------------------------------------------------------------------------------------- */

static lt_status refuse(const prep_rows *r, int64_t line, const char *where, int64_t line_byte, const char *text, size_t at) {
    char place[200];
    if (line_byte >= 0)
        (void)snprintf(place, sizeof place, "byte %lld of the line", (long long)line_byte + (long long)at + 1);
    else
        (void)snprintf(place, sizeof place, "byte %zu of %.100s", at + 1, where);
    if (!text[at])
        return LT_FAIL(LT_ERR_FORMAT, "%s:%lld: %s is NUL, expected UTF-8 text; UTF-16 must be converted first: iconv -f utf-16 -t utf-8",
                       r->source.path, (long long)line, place);
    return LT_FAIL(LT_ERR_FORMAT, "%s:%lld: %s (0x%02x) is not UTF-8; convert the file first, for example: iconv -f latin1 -t utf-8",
                   r->source.path, (long long)line, place, (unsigned char)text[at]);
}

lt_status prep_rows_clean(prep_rows *r, int slot, int64_t line, const char *where, int64_t line_byte, bool nul, const char **text,
                          size_t *bytes, prep_fate *fate) {
    size_t good = prep_utf8_check(*text, *bytes, nul);
    if (good == *bytes) return LT_OK;
    if (r->layout.bad == PREP_BYTES_ERROR) return refuse(r, line, where, line_byte, *text, good);
    bool first = r->bad_line != line;
    r->bad_line = line;
    if (r->layout.bad == PREP_BYTES_SKIP) {
        r->counts.invalid_skipped += first;
        *fate = PREP_SKIPPED;
        return LT_OK;
    }
    r->counts.invalid_replaced += first;
    prep_buffer *b = &r->fixed[slot];
    b->n = 0;
    LT_TRY(prep_utf8_replace(*text, *bytes, nul, b));
    *text = b->at;
    *bytes = b->n;
    return LT_OK;
}

/* --- words -------------------------------------------------------------------------------------------------------------------------- */

static lt_status more_words(prep_rows *r) {
    int64_t cap = r->cap_words ? 2 * r->cap_words : 256;
    LT_CHECK(cap < INT32_MAX, LT_ERR_FORMAT, "%s:%lld: more than %d words in a sample", r->source.path, (long long)r->source.line,
             r->n_words);
    void *grown[4];
    void **old[4] = {(void **)&r->word_at, (void **)&r->tag_at, (void **)&r->word, (void **)&r->tag};
    for (int i = 0; i < 4; i++) {
        grown[i] = realloc(*old[i], (size_t)cap * sizeof(size_t));
        LT_CHECK(grown[i], LT_ERR_NOMEM, "no memory for %lld words", (long long)cap);
        *old[i] = grown[i];
    }
    r->cap_words = cap;
    return LT_OK;
}

lt_status prep_rows_push(prep_rows *r, const char *word, size_t word_bytes, const char *tag, size_t tag_bytes) {
    if (r->n_words == r->cap_words) LT_TRY(more_words(r));
    r->word_at[r->n_words] = r->arena.n;
    LT_TRY(prep_buffer_add(&r->arena, word, word_bytes));
    r->arena.n++; /* the NUL counts here */
    r->tag_at[r->n_words] = r->arena.n;
    if (tag) LT_TRY(prep_buffer_add(&r->arena, tag, tag_bytes));
    r->arena.n += tag ? 1 : 0;
    r->tagged = tag;
    r->n_words++;
    return LT_OK;
}

lt_status prep_rows_words(prep_rows *r, int64_t line, prep_row *row) {
    int bad, n = r->n_words;
    r->n_words = 0;
    r->arena.n = 0;
    *row = (prep_row){.line = line, .n_words = n, .word = r->word};
    for (int i = 0; i < n; i++) {
        r->word[i] = r->arena.at + r->word_at[i];
        r->tag[i] = r->arena.at + r->tag_at[i];
    }
    if (!n || !r->tagged) return LT_OK;
    row->tag = r->tag;
    if (r->trial) {
        prep_tags_observe(&r->tags, r->tag, n);
        return LT_OK;
    }
    LT_TRY(prep_tags_convert(&r->tags, r->tag, n, &bad, &r->counts.stray));
    LT_CHECK(bad < 0, LT_ERR_FORMAT, "%s:%lld: the tag \"%.60s\" of word %d, \"%.60s\", does not belong to the tag scheme %s%s",
             r->source.path, (long long)line, r->tag[bad], bad + 1, r->word[bad], prep_scheme_name(r->layout.scheme),
             ", which the file's beginning shows or an option names; other schemes: iob1, iob2, bioes, io, begin, and plain for tags that "
             "are no spans");
    return LT_OK;
}
