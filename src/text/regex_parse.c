/* Oniguruma's syntax taken apart.
 *
 * Whatever stands for one character (a letter, \s, \p{L}, a class in brackets with sets in it and && between them) becomes a set of code points, worked out
 * here by the tables of regex_set.c; what is left (groups, alternatives, repeats, looking around) means the same to PCRE2 and is handed on.
 * What is not known to mean the same is refused with its name and place: another meaning would be other ids. */
#include "text/regex_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 15, MAX_SETS = 1024 };

/* What was read at one place. */
typedef enum what { NOTHING, CHARACTER, ASSERTION } what;

void lt_regex_impl_parts_free(lt_regex_parts *p) {
    for (int64_t i = 0; i < p->n_sets; i++) lt_set_free(&p->set[i]);
    free(p->set);
    free(p->item);
    *p = (lt_regex_parts){0};
}

static lt_status put_item(lt_regex_parts *o, int32_t item) {
    if (o->n == o->cap) {
        int64_t cap = 2 * o->cap + 64;
        int32_t *grown = realloc(o->item, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for an expression");
        o->item = grown;
        o->cap = cap;
    }
    o->item[o->n++] = item;
    return LT_OK;
}

static lt_status put_syntax(lt_regex_parser *ps, const char *text) {
    for (; *text; text++) LT_TRY(put_item(ps->out, *text));
    return LT_OK;
}

/* Appends a set, which is taken over. */
static lt_status put_set(lt_regex_parser *ps, lt_set *s) {
    lt_regex_parts *o = ps->out;
    int64_t at = 0;
    lt_status st = LT_OK;
    lt_set_tidy(s);
    while (at < o->n_sets && (o->set[at].n != s->n || (s->n && memcmp(o->set[at].at, s->at, (size_t)s->n * sizeof *s->at) != 0))) at++;
    if (at == o->n_sets) {
        LT_CHECK_GOTO(at < MAX_SETS, st, done, LT_ERR_FORMAT, "%s: the expression \"%.300s\" holds more than %d classes of characters",
                      ps->where, ps->pattern, MAX_SETS);
        if (at == o->cap_sets) {
            int64_t cap = 2 * o->cap_sets + 16;
            lt_set *grown = realloc(o->set, (size_t)cap * sizeof *grown);
            LT_CHECK_GOTO(grown, st, done, LT_ERR_NOMEM, "no memory for an expression");
            o->set = grown;
            o->cap_sets = cap;
        }
        o->set[o->n_sets++] = *s;
        *s = (lt_set){0};
    }
    st = put_item(o, (int32_t)(-1 - at));
done:
    lt_set_free(s);
    return st;
}

static lt_status put_range(lt_regex_parser *ps, int32_t first, int32_t last, bool others) {
    lt_set s = {0};
    lt_status st = lt_set_put(&s, first, last);
    if (st == LT_OK && others) st = lt_set_invert(&s);
    if (st != LT_OK) lt_set_free(&s);
    LT_TRY(st);
    return put_set(ps, &s);
}

/* A letter of a caseless expression may stand for several characters of a text, or several letters for one: refused. */
static lt_status put_literal(lt_regex_parser *ps, const char *at, int32_t c) {
    lt_set s = {0};
    lt_status st = lt_set_put(&s, c, c);
    bool several = false;
    if (st == LT_OK && ps->caseless) {
        st = lt_set_fold(&s);
        several = lt_regex_impl_folds_long(c);
        const lt_set *left = ps->before < 0 ? NULL : &ps->out->set[ps->before];
        for (int64_t i = 0; left && i < left->n; i++)
            for (int32_t a = left->at[i].first; a <= left->at[i].last; a++)
                for (int64_t j = 0; j < s.n; j++)
                    for (int32_t b = s.at[j].first; b <= s.at[j].last; b++) several |= lt_regex_impl_folded_pair(a, b);
    }
    if (st == LT_OK && !several) st = put_set(ps, &s);
    lt_set_free(&s);
    LT_TRY(st);
    if (several) LT_REGEX_REFUSE(ps, at, "a caseless letter that stands for several (such as ss for \xC3\x9F)");
    ps->before = ps->caseless ? -1 - (int64_t)ps->out->item[ps->out->n - 1] : -1;
    return LT_OK;
}

/* U+000A alone, or everything else. */
static lt_status put_newline(lt_regex_parser *ps, bool others) { return put_range(ps, '\n', '\n', others); }

static lt_status put_word(lt_regex_parser *ps) {
    lt_set s = {0};
    bool known;
    lt_status st = lt_set_put_property(&s, "word", 4, LT_ALONE, &known);
    if (st == LT_OK) return put_set(ps, &s);
    lt_set_free(&s);
    return st;
}

/* An edge of a word: the classes of PCRE2 do not know ours. */
static lt_status put_word_edge(lt_regex_parser *ps, bool others) {
    LT_TRY(put_syntax(ps, "(?:(?<="));
    LT_TRY(put_word(ps));
    LT_TRY(put_syntax(ps, others ? ")(?=" : ")(?!"));
    LT_TRY(put_word(ps));
    LT_TRY(put_syntax(ps, ")|(?<!"));
    LT_TRY(put_word(ps));
    LT_TRY(put_syntax(ps, others ? ")(?!" : ")(?="));
    LT_TRY(put_word(ps));
    return put_syntax(ps, "))");
}

/* \R: one newline of any kind, never half of CR LF. */
static lt_status put_any_newline(lt_regex_parser *ps) {
    lt_set s = {0};
    LT_TRY(put_syntax(ps, "(?>"));
    LT_TRY(put_range(ps, '\r', '\r', false));
    LT_TRY(put_newline(ps, false));
    LT_TRY(put_syntax(ps, "|"));
    lt_status st = lt_set_put(&s, '\n', '\r');
    if (st == LT_OK) st = lt_set_put(&s, 0x85, 0x85);
    if (st == LT_OK) st = lt_set_put(&s, 0x2028, 0x2029);
    if (st == LT_OK) st = put_set(ps, &s);
    lt_set_free(&s);
    LT_TRY(st);
    return put_syntax(ps, ")");
}

/* Escapes that are neither a character nor a class. */
static lt_status read_special(lt_regex_parser *ps, what *is) {
    const char *at = ps->p;
    ps->p += 2;
    *is = ASSERTION;
    switch (at[1]) {
    case 'b':
        return put_word_edge(ps, false);
    case 'B':
        return put_word_edge(ps, true);
    case 'A':
        return put_syntax(ps, "\\A");
    case 'z':
        return put_syntax(ps, "\\z");
    case 'G':
        ps->out->relative = true;
        return put_syntax(ps, "\\G");
    case 'Z':
        LT_TRY(put_syntax(ps, "(?="));
        LT_TRY(put_newline(ps, false));
        return put_syntax(ps, "?\\z)");
    default:
        break;
    }
    *is = CHARACTER;
    switch (at[1]) {
    case 'R':
        return put_any_newline(ps);
    case 'N':
        return put_newline(ps, true);
    case 'O':
        return put_range(ps, 0, LT_CODES - 1, false);
    case 'k':
    case '1' ... '9':
        LT_REGEX_REFUSE(ps, at, "a reference to a group");
    default:
        LT_REGEX_REFUSE(ps, at, "\\%c", at[1]);
    }
}

static lt_status read_alternatives(lt_regex_parser *ps);

/* The rest of a group up to its ), or of the expression. */
static lt_status read_rest(lt_regex_parser *ps, const char *at, const char *open) {
    bool caseless = ps->caseless, dot_all = ps->dot_all;
    if (ps->depth == LT_REGEX_MAX_DEPTH) LT_REGEX_REFUSE(ps, at, "more than %d groups in one another", LT_REGEX_MAX_DEPTH);
    ps->depth++;
    LT_TRY(put_syntax(ps, open));
    LT_TRY(read_alternatives(ps));
    LT_TRY(put_syntax(ps, ")"));
    ps->depth--;
    ps->caseless = caseless;
    ps->dot_all = dot_all;
    return LT_OK;
}

static lt_status read_group_end(lt_regex_parser *ps, const char *at, const char *open) {
    LT_TRY(read_rest(ps, at, open));
    if (*ps->p != ')') LT_REGEX_REFUSE(ps, at, "a group without )");
    ps->p++;
    return LT_OK;
}

/* (?im-im) and (?im-im:...): ps->p stands behind the question mark.  Without a colon they hold up to the end of the group around them. */
static lt_status read_options(lt_regex_parser *ps, const char *at, what *is) {
    bool caseless = ps->caseless, dot_all = ps->dot_all, on = true;
    for (; *ps->p && *ps->p != ':' && *ps->p != ')'; ps->p++) {
        if (*ps->p == '-' && on)
            on = false;
        else if (*ps->p == 'i')
            ps->caseless = on;
        else if (*ps->p == 'm')
            ps->dot_all = on;
        else
            LT_REGEX_REFUSE(ps, at, "(?%c", *ps->p);
    }
    if (*ps->p == ':') {
        ps->p++;
        LT_TRY(read_group_end(ps, at, "(?:"));
    } else if (*ps->p == ')') {
        ps->p++;
        *is = NOTHING;
        LT_TRY(read_rest(ps, at, "(?:"));
    } else {
        LT_REGEX_REFUSE(ps, at, "a group without )");
    }
    ps->caseless = caseless;
    ps->dot_all = dot_all;
    return LT_OK;
}

/* Groups do not capture: what is not referred to need not be kept. */
static lt_status read_group(lt_regex_parser *ps, what *is) {
    static const char *const around[] = {"(?=", "(?!", "(?<=", "(?<!"};
    const char *at = ps->p;
    *is = CHARACTER;
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
        size_t bytes = strlen(around[i]);
        if (strncmp(at, around[i], bytes) != 0) continue;
        *is = ASSERTION;
        ps->p += bytes;
        return read_group_end(ps, at, around[i]);
    }
    if (at[1] == '*') LT_REGEX_REFUSE(ps, at, "(*");
    if (at[1] != '?') {
        ps->p++;
        return read_group_end(ps, at, "(?:");
    }
    ps->p += 2;
    switch (at[2]) {
    case '>':
        ps->p++;
        return read_group_end(ps, at, "(?>");
    case '#':
        *is = NOTHING;
        for (; *ps->p && *ps->p != ')'; ps->p++)
            if (*ps->p == '\\' && ps->p[1]) ps->p++;
        if (!*ps->p) LT_REGEX_REFUSE(ps, at, "a comment without )");
        ps->p++;
        return LT_OK;
    case '<':
    case '\'': {
        size_t name = strcspn(at + 3, at[2] == '<' ? ">)" : "')");
        char end = at[3 + name];
        if (!name || !end || end == ')') LT_REGEX_REFUSE(ps, at, "a group without a name");
        ps->p = at + 4 + name;
        return read_group_end(ps, at, "(?:");
    }
    default:
        return read_options(ps, at, is);
    }
}

/* One thing that can be repeated, or an assertion. */
static lt_status read_one(lt_regex_parser *ps, what *is) {
    const char *at = ps->p;
    lt_set s = {0};
    int32_t c;
    bool known = true;
    lt_status st = LT_OK;
    *is = CHARACTER;
    switch (*at) {
    case '(':
        return read_group(ps, is);
    case '.':
        ps->p++;
        return ps->dot_all ? put_range(ps, 0, LT_CODES - 1, false) : put_newline(ps, true);
    case '^':
        ps->p++;
        *is = ASSERTION;
        LT_TRY(put_syntax(ps, "(?:\\A|(?<="));
        LT_TRY(put_newline(ps, false));
        return put_syntax(ps, ")(?!\\z))");
    case '$':
        ps->p++;
        *is = ASSERTION;
        LT_TRY(put_syntax(ps, "(?="));
        LT_TRY(put_newline(ps, false));
        return put_syntax(ps, "|\\z)");
    case '*':
    case '+':
    case '?':
        LT_REGEX_REFUSE(ps, at, "%c that repeats nothing", *at);
    case '[':
    case '\\':
        if (*at == '[') {
            c = -1;
            st = lt_regex_impl_read_class(ps, &s);
        } else {
            st = lt_regex_impl_read_escape(ps, false, &c, &s, &known);
        }
        if (st == LT_OK && known && c < 0) {
            ps->before = -1;
            st = put_set(ps, &s);
        }
        lt_set_free(&s);
        LT_TRY(st);
        if (!known) return read_special(ps, is);
        return c < 0 ? LT_OK : put_literal(ps, at, c);
    default:
        ps->p += lt_tok_impl_char(at, &c);
        return put_literal(ps, at, c);
    }
}

/* {n}, {n,}, {,m} or {n,m} at p: its end, NULL if it is none and a brace like others.  most -1: no limit. */
static const char *read_braces(const char *p, int *least, int *most) {
    const char *digits = ++p;
    int64_t n[2] = {0, 0};
    bool given[2] = {false, false}, comma = false;
    for (; *p && *p != '}'; p++) {
        if (*p == ',' && !comma) {
            comma = true;
        } else if (*p >= '0' && *p <= '9' && p - digits < 16) {
            n[comma] = n[comma] * 10 + (*p - '0');
            given[comma] = true;
        } else {
            return NULL;
        }
    }
    if (!*p || (!given[0] && !given[1])) return NULL;
    *least = (int)(n[0] > 100000 ? 100000 : n[0]);
    *most = !comma ? *least : !given[1] ? -1 : (int)(n[1] > 100000 ? 100000 : n[1]);
    return p + 1;
}

/* Makes a group of the items from start on. */
static lt_status put_group(lt_regex_parser *ps, int64_t start) {
    lt_regex_parts *o = ps->out;
    LT_TRY(put_syntax(ps, "(?:)"));
    memmove(o->item + start + 3, o->item + start, (size_t)(o->n - 4 - start) * sizeof *o->item);
    for (int i = 0; i < 3; i++) o->item[start + i] = "(?:"[i];
    return LT_OK;
}

/* What follows something, whose items begin at start: how often it repeats, if it does, and perhaps how often that repeats.  After braces a + is a repeat of
 * the repeat, and so is a question mark after {n}; only after other repeats they say possessive and lazy. */
static lt_status read_repeat(lt_regex_parser *ps, what is, int64_t start) {
    for (int repeats = 0;; repeats++) {
        const char *at = ps->p, *braces = NULL;
        int least = 0, most = 0;
        char text[40] = {*at, 0, 0};
        if (*at == '{') braces = read_braces(at, &least, &most);
        if (!braces && *at != '*' && *at != '+' && *at != '?') return LT_OK;
        if (is != CHARACTER) LT_REGEX_REFUSE(ps, at, "a repeat of what takes no character");
        if (repeats == LT_REGEX_MAX_DEPTH) LT_REGEX_REFUSE(ps, at, "more than %d repeats of repeats", LT_REGEX_MAX_DEPTH);
        if (repeats) LT_TRY(put_group(ps, start));
        ps->before = -1;
        ps->p = braces ? braces : at + 1;
        if (!braces) {
            if (*ps->p == '?' || *ps->p == '+') text[1] = *ps->p++;
        } else if (most >= 0 && most < least) { /* Ruby's way to say possessive */
            (void)snprintf(text, sizeof text, "{%d,%d}+", most, least);
        } else {
            bool lazy = *ps->p == '?' && most != least;
            if (most < 0)
                (void)snprintf(text, sizeof text, "{%d,}%s", least, lazy ? "?" : "");
            else
                (void)snprintf(text, sizeof text, "{%d,%d}%s", least, most, lazy ? "?" : "");
            ps->p += lazy;
        }
        LT_TRY(put_syntax(ps, text));
    }
}

static lt_status read_alternatives(lt_regex_parser *ps) {
    what is;
    ps->before = -1;
    while (*ps->p && *ps->p != ')') {
        if (*ps->p == '|') {
            ps->p++;
            ps->before = -1;
            LT_TRY(put_syntax(ps, "|"));
            continue;
        }
        int64_t start = ps->out->n;
        LT_TRY(read_one(ps, &is));
        LT_TRY(read_repeat(ps, is, start));
    }
    return LT_OK;
}

lt_status lt_regex_impl_parse(const char *pattern, const char *where, lt_regex_parts *p) {
    lt_regex_parser ps = {.pattern = pattern, .p = pattern, .where = where, .out = p, .before = -1};
    LT_CHECK(strlen(pattern) <= MAX_BYTES, LT_ERR_FORMAT, "%s: an expression of more than %d bytes is not supported: \"%.100s\"...", where,
             MAX_BYTES, pattern);
    lt_status st = read_alternatives(&ps);
    if (st == LT_OK && *ps.p)
        st = LT_FAIL(LT_ERR_FORMAT, "%s: the expression \"%.300s\" has a ) without ( at byte %d", where, pattern, (int)(ps.p - pattern));
    if (st != LT_OK) lt_regex_impl_parts_free(p);
    return st;
}
