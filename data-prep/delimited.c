/* Rows from TSV and CSV: the header, where the columns are, and a row's texts and label. */
#include "rows_impl.h"

#include <string.h>
#include <strings.h>

static const char *field(const prep_record *rec, int number) { return rec->base + rec->field[number - 1].at; }

/* The field of that name, from 1; 0 if there is none. */
static int find_name(const prep_record *rec, const prep_column *c) {
    int n = rec->n < PREP_MAX_COLUMNS ? rec->n : PREP_MAX_COLUMNS;
    for (int k = 0; k < PREP_COLUMN_NAMES && c->name[k]; k++) {
        for (int i = 1; i <= n; i++)
            if (!strcmp(field(rec, i), c->name[k])) return i;
        for (int i = 1; i <= n; i++)
            if (!strcasecmp(field(rec, i), c->name[k])) return i;
    }
    return 0;
}

static const prep_column *column(const prep_layout *l, int slot) {
    return slot < PREP_TEXT_PARTS ? &l->text[slot] : slot == PREP_PAIR ? &l->pair : &l->label;
}

static const char *slot_name(int slot) {
    return slot == 0 ? "the text" : slot < PREP_PAIR ? "a part of the text" : slot == PREP_PAIR ? "the second text" : "the label";
}

/* What a separator is called. */
static const char *separator_name(char c, char text[24]) {
    if (c == '\t') return "tabs";
    if (c == ',') return "commas";
    if (c == ' ') return "spaces";
    (void)snprintf(text, 24, "'%c'", c);
    return text;
}

/* Finds every column in the header, or takes its number. */
static lt_status locate(prep_rows *r) {
    const prep_layout *l = &r->layout;
    char found[400] = "", hint[200], wanted[200], kind[24];
    for (int slot = 0; slot < PREP_SLOTS; slot++) {
        const prep_column *c = column(l, slot);
        if (!prep_column_there(c)) continue;
        r->at[slot] = r->header && c->name[0] ? find_name(&r->record, c) : 0;
        if (!r->at[slot] && (!r->header || !c->name[0])) r->at[slot] = c->number;
        if (r->at[slot] || (slot == PREP_LABEL && l->label_optional) || (slot > 0 && slot < PREP_PAIR)) continue;
        for (int i = 1; i <= r->record.n && i <= PREP_MAX_COLUMNS; i++) {
            size_t at = strlen(found);
            if (at + 60 > sizeof found) break;
            (void)snprintf(found + at, sizeof found - at, "%s\"%.40s\"", i > 1 ? ", " : "", field(&r->record, i));
        }
        return LT_FAIL(LT_ERR_FORMAT, "%s:%lld: the header has no column %s; found: %s; expected names separated by %s%s", r->source.path,
                       (long long)r->record.line, prep_column_text(c, wanted, sizeof wanted), found, separator_name(l->separator, kind),
                       prep_rows_hint(r, hint, sizeof hint));
    }
    return LT_OK;
}

/* True if the record holds the name of a column. */
static bool is_header(const prep_rows *r) {
    for (int slot = 0; slot < PREP_SLOTS; slot++)
        if (find_name(&r->record, column(&r->layout, slot))) return true;
    return false;
}

static lt_status read_record(prep_rows *r, bool *more) {
    const prep_layout *l = &r->layout;
    return prep_record_next(&r->source, l->separator, l->quote, l->rest ? l->columns : 0, &r->record, more);
}

static bool is_blank(const prep_record *rec) { return rec->n == 1 && rec->field[0].bytes == 0; }

lt_status prep_delimited_begin(prep_rows *r) {
    const prep_layout *l = &r->layout;
    bool more, named = false;
    for (int slot = 0; slot < PREP_SLOTS; slot++) named |= column(l, slot)->name[0] && !column(l, slot)->number;
    bool required = l->header == PREP_HEADER_YES || named;
    LT_TRY(read_record(r, &more));
    while (more && is_blank(&r->record) && !required) {
        r->counts.blank++;
        LT_TRY(read_record(r, &more));
    }
    if (!more) return LT_OK;
    r->columns = r->record.n;
    LT_CHECK(!is_blank(&r->record), LT_ERR_FORMAT, "%s:%lld: expected a header that names the columns, found an empty line", r->source.path,
             (long long)r->record.line);
    r->header = required || (l->header == PREP_HEADER_DETECT && is_header(r));
    r->pending = !r->header;
    LT_CHECK(!l->columns || r->header || l->columns == r->record.n, LT_ERR_FORMAT, "%s:%lld: expected %d columns, found %d", r->source.path,
             (long long)r->record.line, l->columns, r->record.n);
    LT_TRY(locate(r));
    r->fits = r->header;
    r->labelled = r->at[PREP_LABEL] > 0;
    return LT_OK;
}

/* A row with more columns than the first has its texts in the wrong places.  TSV without a header is let be: some have notes behind the columns that count. */
static lt_status check_columns(const prep_rows *r) {
    const prep_record *rec = &r->record;
    char kind[24], hint[200];
    for (int slot = 0; slot < PREP_SLOTS; slot++)
        LT_CHECK(r->at[slot] <= rec->n && r->at[slot] <= PREP_MAX_COLUMNS, LT_ERR_FORMAT,
                 "%s:%lld: column %d (%s) is missing: the line has %d column(s) separated by %s%s", r->source.path, (long long)rec->line,
                 r->at[slot], slot_name(slot), rec->n, separator_name(r->layout.separator, kind),
                 r->rows ? "" : prep_rows_hint(r, hint, sizeof hint));
    LT_CHECK(rec->n <= r->columns || (!r->layout.quote && !r->header), LT_ERR_FORMAT,
             "%s:%lld: the line has %d columns separated by %s, the first line %d: a text with %s in it must be in quotes%s",
             r->source.path, (long long)rec->line, rec->n, separator_name(r->layout.separator, kind), r->columns,
             separator_name(r->layout.separator, kind), r->layout.quote ? "" : " (and the format be csv)");
    return LT_OK;
}

/* The checked text of a column. */
static lt_status get(prep_rows *r, int slot, const char **text, size_t *bytes, prep_fate *fate) {
    char where[64];
    const prep_field *f = &r->record.field[r->at[slot] - 1];
    *text = r->record.base + f->at;
    *bytes = f->bytes;
    (void)snprintf(where, sizeof where, "column %d (%s)", r->at[slot], slot_name(slot));
    return prep_rows_clean(r, slot, r->record.line, where, r->record.moved ? -1 : (int64_t)f->at, slot != PREP_LABEL && r->layout.keep_nul,
                           text, bytes, fate);
}

/* The parts of the first text, joined by a space. */
static lt_status get_text(prep_rows *r, prep_row *row, prep_fate *fate) {
    LT_TRY(get(r, 0, &row->text[0], &row->bytes[0], fate));
    bool joined = false;
    for (int slot = 1; slot < PREP_TEXT_PARTS && *fate == PREP_KEPT; slot++) {
        const char *part;
        size_t bytes;
        if (!r->at[slot]) continue;
        LT_TRY(get(r, slot, &part, &bytes, fate));
        if (*fate != PREP_KEPT) break;
        if (!joined) {
            r->joined.n = 0;
            LT_TRY(prep_buffer_add(&r->joined, row->text[0], row->bytes[0]));
            joined = true;
        }
        if (r->joined.n && bytes) LT_TRY(prep_buffer_add(&r->joined, " ", 1));
        LT_TRY(prep_buffer_add(&r->joined, part, bytes));
    }
    if (!joined) return LT_OK;
    row->text[0] = r->joined.at;
    row->bytes[0] = r->joined.n;
    return LT_OK;
}

lt_status prep_delimited_next(prep_rows *r, prep_row *row, bool *more) {
    for (;;) {
        prep_fate fate = PREP_KEPT;
        bool left_out = false;
        const char *label;
        size_t bytes;
        char where[64];
        if (r->pending) {
            r->pending = false;
            *more = true;
        } else {
            LT_TRY(read_record(r, more));
        }
        if (!*more) return LT_OK;
        if (is_blank(&r->record)) {
            r->counts.blank++;
            continue;
        }
        LT_TRY(check_columns(r));
        *row = (prep_row){.line = r->record.line};
        LT_TRY(get_text(r, row, &fate));
        if (fate == PREP_KEPT && r->at[PREP_PAIR]) LT_TRY(get(r, PREP_PAIR, &row->text[1], &row->bytes[1], &fate));
        if (fate == PREP_KEPT && r->at[PREP_LABEL]) {
            LT_TRY(get(r, PREP_LABEL, &label, &bytes, &fate));
            (void)snprintf(where, sizeof where, "column %d", r->at[PREP_LABEL]);
            if (fate == PREP_KEPT) LT_TRY(prep_rows_label(r, row->line, where, label, &row->label, &left_out));
        }
        r->counts.left_out += left_out;
        if (fate == PREP_KEPT && !left_out) return LT_OK;
    }
}
