/* What a layout leaves open, from the beginning of the file: which of a preset's forms it has, where class numbers begin, how spans are tagged.
 *
 * The first MiB is read by the same readers, as a trial.  What it shows holds for the whole file; what contradicts it later is an error there, with
 * its line. */
#include "preset.h"
#include "rows_impl.h"

#include <string.h>

/* --- files that are no text --------------------------------------------------------------------------------------------------------- */

static lt_status check_kind(const prep_rows *r) {
    static const struct {
        const char *magic;
        size_t bytes;
        const char *what;
    } known[] = {{"PK\3\4", 4, "a zip archive: unpack it first (unzip)"},
                 {"\x28\xB5\x2F\xFD", 4, "packed by zstd: unpack it first (zstd -d), or pack it with gzip"},
                 {"\xFD"
                  "7zXZ",
                  5, "packed by xz: unpack it first (xz -d), or pack it with gzip"},
                 {"BZh", 3, "packed by bzip2: unpack it first (bzip2 -d), or pack it with gzip"},
                 {"PAR1", 4, "a Parquet file: export it as JSON lines or CSV first"},
                 {"ARROW1", 6, "an Arrow file: export it as JSON lines or CSV first"},
                 {"\x89HDF\r\n\x1A\n", 8, "an HDF5 file; `ltune-prep show` says what is in it"},
                 {"version https://git-lfs", 23, "a pointer of Git LFS: fetch the file itself (git lfs pull)"},
                 {"\xFF\xFE", 2, "UTF-16: convert it first (iconv -f utf-16 -t utf-8)"},
                 {"\xFE\xFF", 2, "UTF-16: convert it first (iconv -f utf-16 -t utf-8)"}};
    const prep_source *s = &r->source;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        LT_CHECK(s->end - s->at < known[i].bytes || memcmp(s->buf + s->at, known[i].magic, known[i].bytes) != 0, LT_ERR_FORMAT,
                 "%s is no text but %s", s->path, known[i].what);
    return LT_OK;
}

/* The beginning of the first line that holds something, fit for a message. */
static void keep_first(prep_rows *r) {
    const prep_source *s = &r->source;
    size_t at = s->at, n = 0;
    while (at < s->end && (s->buf[at] == '\n' || s->buf[at] == '\r')) at++;
    for (; at < s->end && n + 1 < sizeof r->first && s->buf[at] != '\n' && s->buf[at] != '\r'; at++)
        r->first[n++] = s->buf[at] ? s->buf[at] : ' ';
    r->first[n] = 0;
    /* not into a character */
    size_t good = prep_utf8_check(r->first, n, true);
    if (good < n && n - good < 4) r->first[good] = 0;
}

static int occurs(const char *s, char c) {
    int n = 0;
    for (; *s; s++) n += *s == c;
    return n;
}

const char *prep_rows_hint(const prep_rows *r, char *text, size_t bytes) {
    const prep_layout *l = &r->layout;
    const char *first = r->first, *looks = NULL;
    int tabs = occurs(first, '\t'), commas = occurs(first, ','), semicolons = occurs(first, ';');
    bool columns = l->format == PREP_TSV || l->format == PREP_CSV;
    text[0] = 0;
    if (r->trial || !first[0]) return text;
    if (first[0] == '{' && l->format != PREP_JSONL)
        looks = "JSON: try --format jsonl";
    else if (l->format == PREP_JSONL && first[0] == '[')
        looks = "one array: take it apart by jq -c '.[]' FILE";
    else if (l->format == PREP_JSONL && !strcmp(first, "{"))
        looks = "JSON over several lines: put each object on one by jq -c . FILE";
    else if ((columns && l->separator != '\t' && tabs && !commas) || (!columns && l->format != PREP_CONLL && tabs))
        looks = "TSV: try --format tsv";
    else if (l->format == PREP_CSV && l->separator == ',' && semicolons > commas)
        looks = "columns separated by semicolons: try --separator ';'";
    else if ((l->format == PREP_TSV || l->format == PREP_JSONL) && !tabs && commas)
        looks = "CSV: try --format csv";
    else if (columns && !tabs && !commas && occurs(first, ' ') <= 3 && occurs(first, ' ') > 0 && strlen(first) < 60)
        looks = "a word with its tags: try --format conll";
    else if (l->format == PREP_CONLL && (tabs || commas) && strlen(first) > 60)
        looks = tabs ? "TSV: try --format tsv" : "CSV: try --format csv";
    if (looks) (void)snprintf(text, bytes, "; the first line looks like %s", looks);
    return text;
}

/* --- trials ------------------------------------------------------------------------------------------------------------------------- */

/* How well a layout fits the file's beginning.  Columns that were found by their names say more than those that are there by number. */
typedef enum fit { NO_FIT, TEXT_FITS /* and nothing is labelled */, COLUMNS_FIT /* but not what is in them */, ROW_FITS } fit;

/* Reads the first row.  error, if any, is in the thread's record. */
static lt_status try_layout(const prep_rows *r, const prep_layout *l, fit *f) {
    prep_rows *t = NULL;
    prep_row row;
    bool more;
    *f = NO_FIT;
    lt_status st = prep_rows_trial(l, r->source.path, r->source.buf + r->source.at, r->source.end - r->source.at, !r->source.eof, &t);
    if (st == LT_OK) {
        /* numbers as tags can fit by their range alone */
        do st = prep_rows_step(t, &row, &more);
        while (st == LT_OK && more && l->n_tags);
        bool labels = t->labelled || !prep_column_there(&l->label);
        if (st == LT_OK || t->fits) *f = !labels ? TEXT_FITS : st == LT_OK ? ROW_FITS : COLUMNS_FIT;
    }
    prep_rows_close(&t);
    return st == LT_ERR_NOMEM ? st : LT_OK;
}

/* The concrete layouts of a form whose columns have names. */
static int expand(const prep_layout *form, const prep_rows *r, prep_layout out[4]) {
    char first = r->first[0];
    int n = 0;
    if (form->format != PREP_DETECT) {
        out[n++] = *form;
    } else if (first == '{') {
        out[n] = *form;
        out[n++].format = PREP_JSONL;
    } else if (!form->words) {
        static const char separator[] = {'\t', ',', ';'};
        for (int i = 0; i < 3; i++, n++) {
            out[n] = *form;
            out[n].format = separator[i] == '\t' ? PREP_TSV : PREP_CSV;
            out[n].separator = separator[i];
        }
    }
    return n;
}

static void defaults(prep_layout *l) {
    if (l->format == PREP_TSV && !l->separator) l->separator = '\t';
    if (l->format == PREP_CSV && !l->separator) l->separator = ',';
    if (l->format == PREP_CSV && !l->quote) l->quote = '"';
    if (l->format == PREP_CONLL) {
        l->words = true;
        if (!l->text[0].number) l->text[0].number = 1;
        if (!l->label.number) l->label.number = -1;
        l->label_optional = true; /* a file of one column has none */
    }
}

/* What every form gets from the layout that was asked for. */
static void inherit(prep_layout *form, const prep_layout *l) {
    const prep_layout asked = *l;
    memcpy(form->unlabelled, asked.unlabelled, sizeof form->unlabelled);
    form->n_labels = asked.n_labels;
    form->label_name = asked.label_name;
    form->numbered = asked.numbered && !form->n_tags;
    if (asked.base >= 0) form->base = asked.base;
    if (asked.scheme != PREP_SCHEME_DETECT) form->scheme = asked.scheme;
    form->words = asked.words;
    form->label_optional = true;
    form->bad = asked.bad;
    form->keep_nul = asked.keep_nul;
    form->preset = asked.preset;
    if (!form->n_map) {
        form->n_map = asked.n_map;
        form->map = asked.map;
    }
}

static lt_status no_form(const prep_rows *r, const prep_layout *form, int n, const char *complaint) {
    char expected[700] = "";
    for (int i = 0; i < n; i++) {
        size_t at = strlen(expected);
        if (!form[i].about) continue;
        (void)snprintf(expected + at, sizeof expected - at, "%s%s", at ? "; or " : "", form[i].about);
    }
    return LT_FAIL(LT_ERR_FORMAT,
                   "%s is not as files of %s are; expected %s; found as first line: \"%.100s\" (%d columns by tabs, %d by commas)%s%.300s",
                   r->source.path, r->layout.preset ? r->layout.preset->name : "this kind", expected, r->first, occurs(r->first, '\t') + 1,
                   occurs(r->first, ',') + 1, complaint[0] ? "; nearest form: " : "", complaint);
}

/* Takes the form that fits best, the first of equals. */
static lt_status choose_form(prep_rows *r) {
    const prep_layout *forms = r->layout.preset ? r->layout.preset->form : &r->layout;
    int n_forms = r->layout.preset ? r->layout.preset->n_forms : 1;
    prep_layout best = {0};
    char complaint[300] = "";
    fit found = NO_FIT;
    for (int i = 0; i < n_forms && found != ROW_FITS; i++) {
        prep_layout out[4];
        int n = expand(&forms[i], r, out);
        for (int k = 0; k < n && found != ROW_FITS; k++) {
            fit f;
            if (r->layout.preset) inherit(&out[k], &r->layout);
            defaults(&out[k]);
            if (out[k].format == PREP_JSONL && r->first[0] != '{') continue;
            LT_TRY(try_layout(r, &out[k], &f));
            if (f == NO_FIT && !complaint[0] && !out[k].text[0].name[0])
                (void)snprintf(complaint, sizeof complaint, "%.*s", 290, lt_err_last()->msg);
            if (f <= found) continue;
            found = f;
            best = out[k];
        }
    }
    if (found == NO_FIT && r->source.at < r->source.end) return no_form(r, forms, n_forms, complaint);
    if (found != NO_FIT) r->layout = best;
    if (r->layout.format == PREP_DETECT) r->layout.format = PREP_TSV; /* an empty file, which is refused as such */
    return LT_OK;
}

/* --- base and scheme ---------------------------------------------------------------------------------------------------------------- */

/* Reads the whole beginning; errors end the trial and are met again later. */
static lt_status observe(prep_rows *r) {
    prep_layout *l = &r->layout;
    prep_rows *t = NULL;
    prep_row row;
    bool more = true;
    prep_layout open = *l;
    open.scheme = PREP_SCHEME_DETECT;
    lt_status st = prep_rows_trial(&open, r->source.path, r->source.buf + r->source.at, r->source.end - r->source.at, !r->source.eof, &t);
    while (st == LT_OK && more) st = prep_rows_step(t, &row, &more);
    if (t && l->words && l->scheme == PREP_SCHEME_DETECT) l->scheme = prep_tags_decide(&t->tags);
    if (t && l->numbered && l->base < 0 && t->n_numbers) {
        if (t->lowest == 0) l->base = 0;
        if (t->lowest > 0 && t->highest == l->n_labels) l->base = 1;
        r->n_numbers = t->n_numbers;
        r->lowest = t->lowest;
        r->highest = t->highest;
    } else if (t && l->numbered && l->base < 0) {
        l->base = 0; /* names */
    }
    prep_rows_close(&t);
    return st == LT_ERR_NOMEM ? st : LT_OK;
}

static void describe(prep_rows *r) {
    const prep_layout *l = &r->layout;
    char *p = r->about;
    size_t n = sizeof r->about, at = (size_t)snprintf(p, n, "%s", prep_format_name(l->format));
    if (r->source.packed) at += (size_t)snprintf(p + at, n - at, " in gzip");
    if (l->format == PREP_CSV && l->separator != ',') at += (size_t)snprintf(p + at, n - at, " by '%c'", l->separator);
    if (l->preset && l->about) at += (size_t)snprintf(p + at, n - at, ", %.200s", l->about);
    if (l->numbered && r->n_numbers && l->base >= 0 && l->n_labels > 0)
        at += (size_t)snprintf(p + at, n - at, ", labels count from %d (%.30s is %d)", l->base, l->label_name[0], l->base);
    if (l->words) (void)snprintf(p + at, n - at, ", tag scheme %s", prep_scheme_name(l->scheme));
}

lt_status prep_rows_settle(prep_rows *r) {
    prep_layout *l = &r->layout;
    LT_TRY(check_kind(r));
    keep_first(r);
    if (l->preset || l->format == PREP_DETECT) LT_TRY(choose_form(r));
    defaults(l);
    if ((l->words && l->scheme == PREP_SCHEME_DETECT) || (l->numbered && l->base < 0)) LT_TRY(observe(r));
    if (!l->words) l->scheme = PREP_SCHEME_PLAIN;
    describe(r);
    lt_err_clear(); /* of trials that failed */
    return LT_OK;
}
