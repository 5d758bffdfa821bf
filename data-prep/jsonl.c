/* Rows from JSON, an object a line.
 *
 * A text is a string; words are an array of strings, their tags an array of strings or whole numbers.  A field may lie deeper, a.b being field b of
 * the object in field a.  null and, where a preset allows it, a missing field mean no label.  jansson reads the line; it bounds the depth, and refuses
 * what is no UTF-8, so that such bytes are treated before. */
#include "rows_impl.h"

#include <string.h>

/* A field by the first of its names that is there, and that name. */
static const json_t *find(const json_t *object, const prep_column *c, const char **name) {
    for (int k = 0; k < PREP_COLUMN_NAMES && c->name[k]; k++) {
        const json_t *at = object, *whole = json_object_get(object, c->name[k]);
        *name = c->name[k];
        if (whole) return whole;
        for (const char *p = *name; at;) {
            size_t n = strcspn(p, ".");
            char key[128];
            if (n >= sizeof key) break;
            (void)snprintf(key, sizeof key, "%.*s", (int)n, p);
            at = json_object_get(at, key);
            if (!p[n]) {
                if (at) return at;
                break;
            }
            p += n + 1;
        }
    }
    return NULL;
}

static const char *type_name(const json_t *v) {
    static const char *const name[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string", [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a number",    [JSON_TRUE] = "true",      [JSON_FALSE] = "false",     [JSON_NULL] = "null"};
    return v ? name[json_typeof(v)] : "nothing";
}

/* The names of an object's fields, for messages. */
static const char *fields(const json_t *object, char *text, size_t bytes) {
    const char *key;
    json_t *value;
    text[0] = 0;
    json_object_foreach((json_t *)object, key, value) {
        size_t at = strlen(text);
        if (at + 60 > bytes) break;
        (void)snprintf(text + at, bytes - at, "%s\"%.40s\"", at ? ", " : "", key);
    }
    return text;
}

static lt_status missing(const prep_rows *r, const prep_column *c) {
    char wanted[200], found[400];
    return LT_FAIL(LT_ERR_FORMAT, "%s:%lld: the object has no field %s; found: %s", r->source.path, (long long)r->source.line,
                   prep_column_text(c, wanted, sizeof wanted), fields(r->object, found, sizeof found));
}

/* Four hexadecimal digits; 0 if there are none. */
static unsigned hex4(const char *s) {
    unsigned v = 0;
    for (int i = 0; i < 4; i++) {
        int c = s[i] | 0x20;
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) return 0;
        v = 16 * v + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return v;
}

/* Half of a pair of surrogates alone is no character, though exports of tweets hold such; jansson refuses the line.  Here each becomes \ufffd. */
static bool mend_surrogates(char *s, size_t n) {
    bool mended = false;
    for (size_t i = 0; i + 5 < n; i++) {
        if (s[i] != '\\') continue;
        if (s[i + 1] != 'u') {
            i++;
            continue;
        }
        unsigned code = hex4(s + i + 2), next = i + 11 < n && s[i + 6] == '\\' && s[i + 7] == 'u' ? hex4(s + i + 8) : 0;
        if (code < 0xD800 || code > 0xDFFF) continue;
        bool pair = code < 0xDC00 && next >= 0xDC00 && next <= 0xDFFF;
        if (!pair) memcpy(s + i + 2, "fffd", 4);
        mended |= !pair;
        i += pair ? 11 : 5;
    }
    return mended;
}

/* The line as an object in r->object. */
static lt_status parse(prep_rows *r, char *line, size_t bytes, prep_fate *fate) {
    static const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_error_t e;
    char hint[200];
    json_decref(r->object);
    r->object = json_loadb(line, bytes, flags, &e);
    /* a number that no integer holds is no reason to refuse the line: it may be some id */
    if (!r->object && json_error_code(&e) == json_error_numeric_overflow)
        r->object = json_loadb(line, bytes, flags | JSON_DECODE_INT_AS_REAL, &e);
    if (!r->object && r->layout.bad != PREP_BYTES_ERROR && mend_surrogates(line, bytes)) {
        r->object = json_loadb(line, bytes, flags, &e);
        if (r->object && r->layout.bad == PREP_BYTES_SKIP) *fate = PREP_SKIPPED;
        r->counts.invalid_skipped += r->object && r->layout.bad == PREP_BYTES_SKIP;
        r->counts.invalid_replaced += r->object && r->layout.bad == PREP_BYTES_REPLACE;
    }
    LT_CHECK(r->object, LT_ERR_FORMAT, "%s:%lld: not JSON, an object a line: %s (byte %d)%s", r->source.path, (long long)r->source.line,
             e.text, e.position, r->rows ? "" : prep_rows_hint(r, hint, sizeof hint));
    LT_CHECK(json_is_object(r->object), LT_ERR_FORMAT,
             "%s:%lld: expected an object, found %s; an array in a file is taken apart by: jq -c '.[]' FILE", r->source.path,
             (long long)r->source.line, type_name(r->object));
    return LT_OK;
}

/* NUL can come into a string as \u0000. */
static lt_status get_string(prep_rows *r, int slot, const prep_column *c, const char **text, size_t *bytes, prep_fate *fate) {
    const char *name = "";
    char where[160];
    const json_t *v = find(r->object, c, &name);
    if (!v) return missing(r, c);
    LT_CHECK(json_is_string(v), LT_ERR_FORMAT, "%s:%lld: field \"%s\" should be a string, found %s%s", r->source.path,
             (long long)r->source.line, name, type_name(v), json_is_array(v) ? "; for words with tags say so (--words)" : "");
    r->fits = true;
    *text = json_string_value(v);
    *bytes = json_string_length(v);
    (void)snprintf(where, sizeof where, "field \"%.100s\"", name);
    return prep_rows_clean(r, slot, r->source.line, where, -1, r->layout.keep_nul, text, bytes, fate);
}

/* A label or tag as text; NULL for null.  text has room for a number. */
static lt_status scalar(const prep_rows *r, const json_t *v, const char *name, char text[40], const char **s) {
    *s = text;
    if (json_is_string(v))
        *s = json_string_value(v);
    else if (json_is_integer(v))
        (void)snprintf(text, 40, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        (void)snprintf(text, 40, "%.15g", json_real_value(v));
    else if (json_is_boolean(v))
        *s = json_is_true(v) ? "true" : "false";
    else if (json_is_null(v))
        *s = NULL;
    else
        return LT_FAIL(LT_ERR_FORMAT, "%s:%lld: field \"%s\" should hold a string or a number, found %s%s", r->source.path,
                       (long long)r->source.line, name, type_name(v), json_is_array(v) ? "; for words with tags say so (--words)" : "");
    LT_CHECK(!*s || !json_is_string(v) || strlen(*s) == json_string_length(v), LT_ERR_FORMAT, "%s:%lld: field \"%s\" holds a NUL",
             r->source.path, (long long)r->source.line, name);
    return LT_OK;
}

static lt_status get_label(prep_rows *r, prep_row *row, bool *left_out) {
    const prep_column *c = &r->layout.label;
    const char *name = "", *raw;
    char number[40], where[160];
    if (!prep_column_there(c)) return LT_OK;
    const json_t *v = find(r->object, c, &name);
    r->labelled |= v != NULL;
    if (!v && r->layout.label_optional) return LT_OK;
    if (!v) return missing(r, c);
    LT_TRY(scalar(r, v, name, number, &raw));
    (void)snprintf(where, sizeof where, "field \"%.100s\"", name);
    return raw ? prep_rows_label(r, row->line, where, raw, &row->label, left_out) : LT_OK;
}

static lt_status text_row(prep_rows *r, prep_row *row, prep_fate *fate, bool *left_out) {
    const prep_layout *l = &r->layout;
    LT_TRY(get_string(r, 0, &l->text[0], &row->text[0], &row->bytes[0], fate));
    for (int k = 1; k < PREP_TEXT_PARTS && prep_column_there(&l->text[k]) && *fate == PREP_KEPT; k++) {
        const char *part, *name;
        size_t bytes;
        if (!find(r->object, &l->text[k], &name)) continue;
        LT_TRY(get_string(r, k, &l->text[k], &part, &bytes, fate));
        if (*fate != PREP_KEPT) break;
        if (row->text[0] != r->joined.at || !r->joined.at) {
            r->joined.n = 0;
            LT_TRY(prep_buffer_add(&r->joined, row->text[0], row->bytes[0]));
        }
        if (r->joined.n && bytes) LT_TRY(prep_buffer_add(&r->joined, " ", 1));
        LT_TRY(prep_buffer_add(&r->joined, part, bytes));
        row->text[0] = r->joined.at;
        row->bytes[0] = r->joined.n;
    }
    if (*fate == PREP_KEPT && prep_column_there(&l->pair)) LT_TRY(get_string(r, PREP_PAIR, &l->pair, &row->text[1], &row->bytes[1], fate));
    return *fate == PREP_KEPT ? get_label(r, row, left_out) : LT_OK;
}

/* One word and its tag. */
static lt_status word_at(prep_rows *r, const json_t *words, const json_t *tags, const char *names[2], size_t i, prep_fate *fate) {
    const json_t *w = json_array_get(words, i);
    const char *text, *raw = NULL, *tag = NULL;
    char number[40], where[160];
    size_t bytes;
    LT_CHECK(json_is_string(w), LT_ERR_FORMAT, "%s:%lld: field \"%s\": word %zu should be a string, found %s", r->source.path,
             (long long)r->source.line, names[0], i + 1, type_name(w));
    text = json_string_value(w);
    bytes = json_string_length(w);
    (void)snprintf(where, sizeof where, "field \"%.60s\", word %zu", names[0], i + 1);
    LT_TRY(prep_rows_clean(r, 0, r->source.line, where, -1, false, &text, &bytes, fate));
    if (*fate != PREP_KEPT) return LT_OK;
    if (tags) {
        LT_TRY(scalar(r, json_array_get(tags, i), names[1], number, &raw));
        LT_CHECK(raw && raw[0], LT_ERR_FORMAT, "%s:%lld: field \"%s\": word %zu has no tag", r->source.path, (long long)r->source.line,
                 names[1], i + 1);
        LT_TRY(prep_rows_tag(r, r->source.line, raw, &tag));
    }
    return prep_rows_push(r, text, bytes, tag, tag ? strlen(tag) : 0);
}

static lt_status words_row(prep_rows *r, prep_row *row, prep_fate *fate) {
    const prep_layout *l = &r->layout;
    const char *names[2] = {"", ""};
    const json_t *words = find(r->object, &l->text[0], &names[0]),
                 *tags = prep_column_there(&l->label) ? find(r->object, &l->label, &names[1]) : NULL;
    if (!words) return missing(r, &l->text[0]);
    if (!tags && prep_column_there(&l->label) && !l->label_optional) return missing(r, &l->label);
    r->labelled |= tags != NULL;
    if (json_is_null(tags)) tags = NULL;
    LT_CHECK(json_is_array(words), LT_ERR_FORMAT, "%s:%lld: field \"%s\" should be an array of words, found %s", r->source.path,
             (long long)r->source.line, names[0], type_name(words));
    r->fits = true;
    LT_CHECK(!tags || json_is_array(tags), LT_ERR_FORMAT, "%s:%lld: field \"%s\" should be an array of tags, found %s", r->source.path,
             (long long)r->source.line, names[1], type_name(tags));
    size_t n = json_array_size(words);
    LT_CHECK(!tags || json_array_size(tags) == n, LT_ERR_FORMAT, "%s:%lld: %zu words in \"%s\", but %zu tags in \"%s\"", r->source.path,
             (long long)r->source.line, n, names[0], json_array_size(tags), names[1]);
    for (size_t i = 0; i < n && *fate == PREP_KEPT; i++) LT_TRY(word_at(r, words, tags, names, i, fate));
    if (*fate == PREP_KEPT) return prep_rows_words(r, r->source.line, row);
    r->n_words = 0;
    r->arena.n = 0;
    return LT_OK;
}

lt_status prep_jsonl_next(prep_rows *r, prep_row *row, bool *more) {
    for (;;) {
        char *line;
        size_t bytes;
        prep_fate fate = PREP_KEPT;
        bool left_out = false;
        LT_TRY(prep_source_line(&r->source, &line, &bytes, more));
        if (!*more) return LT_OK;
        if (line[strspn(line, " \t\r")] == 0 && strlen(line) == bytes) {
            r->counts.blank++;
            continue;
        }
        const char *text = line;
        LT_TRY(prep_rows_clean(r, PREP_LABEL, r->source.line, "the line", 0, false, &text, &bytes, &fate));
        if (fate != PREP_KEPT) continue;
        LT_TRY(parse(r, text == line ? line : r->fixed[PREP_LABEL].at, bytes, &fate));
        if (fate != PREP_KEPT) continue;
        *row = (prep_row){.line = r->source.line};
        LT_TRY(r->layout.words ? words_row(r, row, &fate) : text_row(r, row, &fate, &left_out));
        if (fate != PREP_KEPT) continue;
        r->counts.left_out += left_out;
        if (r->layout.words && row->n_words == 0) {
            r->counts.blank++;
            continue;
        }
        if (!left_out) return LT_OK;
    }
}
