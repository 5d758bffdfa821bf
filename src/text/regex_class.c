/* What one place of an expression can hold: escapes and classes in brackets, worked out into sets of code points as Oniguruma reads them. */
#include "text/regex_impl.h"

#include <stdio.h>
#include <string.h>

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Reads digits of \x{...}, \xHH and \uHHHH: ps->p stands behind the letter. */
static lt_status read_code(lt_regex_parser *ps, const char *at, int32_t *c) {
    bool brace = at[1] == 'x' && *ps->p == '{';
    int digits = 0, most = brace ? 8 : at[1] == 'x' ? 2 : 4;
    int64_t value = 0;
    if (brace) ps->p++;
    for (; digits < most && hex_value(*ps->p) >= 0; digits++) value = value * 16 + hex_value(*ps->p++);
    if (brace ? !digits || *ps->p != '}' : digits < most) LT_REGEX_REFUSE(ps, at, "this form of \\%c", at[1]);
    if (brace) ps->p++;
    if (value >= LT_CODES || (value >= 0xD800 && value < 0xE000)) LT_REGEX_REFUSE(ps, at, "a code that is no character");
    if (at[1] == 'x' && !brace && value > 0x7F) LT_REGEX_REFUSE(ps, at, "a byte above 7F (write \\u%04X)", (unsigned)value);
    *c = (int32_t)value;
    return LT_OK;
}

/* \p{name}, \p{^name}, \P{name}: ps->p stands behind the letter. */
static lt_status read_property(lt_regex_parser *ps, const char *at, bool in_brackets, lt_set *s) {
    bool not = at[1] == 'P', known;
    if (*ps->p != '{') LT_REGEX_REFUSE(ps, at, "\\%c without {", at[1]);
    ps->p++;
    if (*ps->p == '^') {
        not = !not ;
        ps->p++;
    }
    const char *end = strchr(ps->p, '}');
    if (!end) LT_REGEX_REFUSE(ps, at, "\\%c without }", at[1]);
    LT_TRY(lt_set_put_property(s, ps->p, end - ps->p, in_brackets ? LT_IN_BRACKETS : LT_ALONE, &known));
    if (!known) LT_REGEX_REFUSE(ps, at, "the property {%.*s}", (int)(end - ps->p > 40 ? 40 : end - ps->p), ps->p);
    ps->p = end + 1;
    lt_set_tidy(s);
    return not ? lt_set_invert(s) : LT_OK;
}

lt_status lt_regex_impl_read_escape(lt_regex_parser *ps, bool in_brackets, int32_t *c, lt_set *s, bool *known) {
    static const char plain[] = "t\tn\nr\rf\fv\va\ae\033";
    const char *at = ps->p;
    unsigned char e = (unsigned char)at[1];
    *known = true;
    *c = -1;
    if (!e) LT_REGEX_REFUSE(ps, at, "a backslash at the end");
    for (const char *p = plain; *p; p += 2)
        if (*p == (char)e) *c = (unsigned char)p[1];
    if (in_brackets && e == 'b') *c = '\b';
    if (*c >= 0) {
        ps->p += 2;
        return LT_OK;
    }
    if (e >= 0x80) {
        ps->p += 1 + lt_tok_impl_char(at + 1, c);
        return LT_OK;
    }
    ps->p += 2;
    switch (e) {
    case 'x':
    case 'u':
        return read_code(ps, at, c);
    case 'p':
    case 'P':
        return read_property(ps, at, in_brackets, s);
    case 'w':
    case 'W':
        LT_TRY(lt_set_put_property(s, "word", 4, in_brackets ? LT_IN_BRACKETS : LT_ALONE, known));
        break;
    case 's':
    case 'S':
        LT_TRY(lt_set_put_property(s, "space", 5, LT_ALONE, known));
        break;
    case 'd':
    case 'D':
        LT_TRY(lt_set_put_property(s, "digit", 5, LT_ALONE, known));
        break;
    case 'h':
    case 'H':
        LT_TRY(lt_set_put_property(s, "xdigit", 6, LT_ALONE, known));
        break;
    default:
        if ((e >= '0' && e <= '9') || (e >= 'A' && e <= 'Z') || (e >= 'a' && e <= 'z')) {
            ps->p = at;
            *known = false;
        } else {
            *c = e;
        }
        return LT_OK;
    }
    lt_set_tidy(s);
    return e >= 'A' && e <= 'Z' ? lt_set_invert(s) : LT_OK;
}

/* Does [:name:] or [:^name:] begin here?  Any other [: opens a class in the class. */
static bool is_posix(const char *p) {
    if (p[0] != '[' || p[1] != ':') return false;
    p += p[2] == '^' ? 3 : 2;
    const char *name = p;
    while ((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z')) p++;
    return p > name && p[0] == ':' && p[1] == ']';
}

static lt_status read_posix(lt_regex_parser *ps, lt_set *s) {
    const char *at = ps->p, *name = at + 2, *end = strchr(name, ':');
    bool not = *name == '^', known = false;
    lt_set one = {0};
    if (not ) name++;
    lt_status st = lt_set_put_property(&one, name, end - name, LT_POSIX, &known);
    lt_set_tidy(&one);
    if (st == LT_OK && not ) st = lt_set_invert(&one);
    if (st == LT_OK) st = lt_set_join(s, &one);
    lt_set_free(&one);
    LT_TRY(st);
    if (!known) LT_REGEX_REFUSE(ps, at, "the class [:%.*s:]", (int)(end - name > 40 ? 40 : end - name), name);
    ps->p = end + 2;
    return LT_OK;
}

/* One member of a class or a range of them, added to s.  *range: it was one, or a class; no hyphen may follow. */
static lt_status read_member(lt_regex_parser *ps, lt_set *s, bool *range) {
    const char *at = ps->p;
    int32_t c, last;
    bool known;
    lt_set one = {0};
    *range = true;
    if (*at == '[') {
        lt_status st = is_posix(at) ? read_posix(ps, &one) : lt_regex_impl_read_class(ps, &one);
        if (st == LT_OK) st = lt_set_join(s, &one);
        lt_set_free(&one);
        return st;
    }
    if (*at == '\\') {
        lt_status st = lt_regex_impl_read_escape(ps, true, &c, &one, &known);
        if (st == LT_OK) st = lt_set_join(s, &one);
        lt_set_free(&one);
        LT_TRY(st);
        if (!known) LT_REGEX_REFUSE(ps, at, "\\%c in brackets", at[1]);
        if (c < 0) return LT_OK;
    } else {
        ps->p += lt_tok_impl_char(ps->p, &c);
    }
    last = c;
    *range = ps->p[0] == '-' && ps->p[1] != ']';
    if (*range) {
        const char *to = ++ps->p;
        last = -1;
        if (*to == '\\') {
            LT_TRY(lt_regex_impl_read_escape(ps, true, &last, &one, &known));
            lt_set_free(&one);
        } else if (*to && *to != '[' && *to != '-' && strncmp(to, "&&", 2) != 0) {
            ps->p += lt_tok_impl_char(to, &last);
        }
        if (last < c) LT_REGEX_REFUSE(ps, at, "a range that does not end in a later character");
    }
    return lt_set_put(s, c, last);
}

/* What stands between [ (or ^) or && and the next && or ]. */
static lt_status read_members(lt_regex_parser *ps, lt_set *s) {
    const char *start = ps->p;
    bool range = false;
    while (*ps->p != ']' && strncmp(ps->p, "&&", 2) != 0) {
        if (!*ps->p) LT_REGEX_REFUSE(ps, start, "a class without ]");
        bool lonely = ps->p == start ? ps->p[1] != '-' : ps->p[1] == ']'; /* a hyphen that can be nothing but itself */
        if (*ps->p == '-' && (range || ps->p == start) && !lonely) LT_REGEX_REFUSE(ps, ps->p, "a hyphen that could be a range (write \\-)");
        LT_TRY(read_member(ps, s, &range));
    }
    if (ps->p == start) LT_REGEX_REFUSE(ps, start, "a class or a side of && without members (write \\] for a bracket)");
    lt_set_tidy(s);
    return LT_OK;
}

/* Case is the matter of the outermost brackets, and of what they hold before they are turned around. */
lt_status lt_regex_impl_read_class(lt_regex_parser *ps, lt_set *s) {
    const char *at = ps->p++;
    lt_set more = {0};
    lt_status st;
    bool outermost = !ps->brackets, not = *ps->p == '^', several = false;
    if (ps->brackets == LT_REGEX_MAX_DEPTH) LT_REGEX_REFUSE(ps, at, "more than %d brackets in one another", LT_REGEX_MAX_DEPTH);
    ps->brackets++;
    if (not ) ps->p++;
    LT_TRY_GOTO(read_members(ps, s), st, done);
    while (*ps->p == '&') {
        ps->p += 2;
        more.n = 0;
        LT_TRY_GOTO(read_members(ps, &more), st, done);
        LT_TRY_GOTO(lt_set_meet(s, &more), st, done);
    }
    ps->p++;
    if (outermost && ps->caseless) {
        LT_TRY_GOTO(lt_set_fold(s), st, done);
        for (int64_t i = 0; !not &&i < s->n; i++)
            for (int32_t c = s->at[i].first; c <= s->at[i].last; c++) several |= lt_regex_impl_folds_long(c);
    }
    if (not ) LT_TRY_GOTO(lt_set_invert(s), st, done);
done:
    ps->brackets--;
    lt_set_free(&more);
    LT_TRY(st);
    if (several) LT_REGEX_REFUSE(ps, at, "a caseless class with characters that stand for several letters (such as \xC3\x9F for ss)");
    return LT_OK;
}
