/* Sets of code points for expressions.
 *
 * A set is a list of ranges.  What the classes of an expression hold comes from tables made by asking the tokenizers that are to be equalled, and from
 * the rules of Unicode (Annex C of UTS 18) by which most classes follow from the general category; make_regex_table.py checks them all. */
#include "text/regex_impl.h"

#include <stdlib.h>
#include <string.h>

/* Members of a ring lead to the next one; see the table. */
typedef struct lt_case_run {
    int32_t first, last, step, delta;
} lt_case_run;

enum { LU, LL, LT, LM, LO, MN, MC, ME, ND, NL, NO, PC, PD, PS, PE, PI, PF, PO, SM, SC, SK, SO, ZS, ZL, ZP, CC, CF, CO, CN, CS };

#include "text/regex_scripts.h"
#include "text/regex_table.h"

#define COUNT(table)  ((int64_t)(sizeof(table) / sizeof *(table)))
#define BIT(category) (1u << (category))

enum {
    LETTER = BIT(LU) | BIT(LL) | BIT(LT) | BIT(LM) | BIT(LO),
    MARK = BIT(MN) | BIT(MC) | BIT(ME),
    NUMBER = BIT(ND) | BIT(NL) | BIT(NO),
    PUNCTUATION = BIT(PC) | BIT(PD) | BIT(PS) | BIT(PE) | BIT(PI) | BIT(PF) | BIT(PO),
    SYMBOL = BIT(SM) | BIT(SC) | BIT(SK) | BIT(SO),
    SEPARATOR = BIT(ZS) | BIT(ZL) | BIT(ZP),
    OTHER = BIT(CC) | BIT(CF) | BIT(CO) | BIT(CN) | BIT(CS)
};

lt_status lt_set_put(lt_set *s, int32_t first, int32_t last) {
    if (s->n == s->cap) {
        int64_t cap = 2 * s->cap + 8;
        lt_set_range *grown = realloc(s->at, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for a set of characters");
        s->at = grown;
        s->cap = cap;
    }
    s->at[s->n++] = (lt_set_range){first, last};
    return LT_OK;
}

lt_status lt_set_join(lt_set *s, const lt_set *other) {
    for (int64_t i = 0; i < other->n; i++) LT_TRY(lt_set_put(s, other->at[i].first, other->at[i].last));
    return LT_OK;
}

static int by_first(const void *a, const void *b) {
    int32_t x = ((const lt_set_range *)a)->first, y = ((const lt_set_range *)b)->first;
    return (x > y) - (x < y);
}

void lt_set_tidy(lt_set *s) {
    if (s->n < 2) return;
    qsort(s->at, (size_t)s->n, sizeof *s->at, by_first);
    int64_t n = 1;
    for (int64_t i = 1; i < s->n; i++) {
        lt_set_range r = s->at[i], *end = &s->at[n - 1];
        if (r.first > end->last + 1)
            s->at[n++] = r;
        else if (r.last > end->last)
            end->last = r.last;
    }
    s->n = n;
}

lt_status lt_set_invert(lt_set *s) {
    lt_set out = {0};
    lt_status st = LT_OK;
    int32_t next = 0;
    for (int64_t i = 0; i < s->n; i++) {
        if (s->at[i].first > next) LT_TRY_GOTO(lt_set_put(&out, next, s->at[i].first - 1), st, done);
        next = s->at[i].last + 1;
    }
    if (next < LT_CODES) LT_TRY_GOTO(lt_set_put(&out, next, LT_CODES - 1), st, done);
    free(s->at);
    *s = out;
    out = (lt_set){0};
done:
    lt_set_free(&out);
    return st;
}

lt_status lt_set_meet(lt_set *s, const lt_set *other) {
    lt_set out = {0};
    lt_status st = LT_OK;
    for (int64_t i = 0, j = 0; i < s->n && j < other->n;) {
        lt_set_range a = s->at[i], b = other->at[j];
        int32_t first = a.first > b.first ? a.first : b.first, last = a.last < b.last ? a.last : b.last;
        if (first <= last) LT_TRY_GOTO(lt_set_put(&out, first, last), st, done);
        if (a.last < b.last)
            i++;
        else
            j++;
    }
    free(s->at);
    *s = out;
    out = (lt_set){0};
done:
    lt_set_free(&out);
    return st;
}

bool lt_set_has(const lt_set *s, int32_t c) {
    int64_t low = 0, high = s->n;
    while (low < high) {
        int64_t at = (low + high) / 2;
        if (c > s->at[at].last)
            low = at + 1;
        else
            high = at;
    }
    return low < s->n && c >= s->at[low].first;
}

void lt_set_free(lt_set *s) {
    free(s->at);
    *s = (lt_set){0};
}

/* A ring has six members at most, and a round takes each member's next one in. */
lt_status lt_set_fold(lt_set *s) {
    for (int round = 0; round < 6; round++) {
        int64_t n = s->n;
        lt_set more = {0};
        lt_status st = LT_OK;
        for (int64_t i = 0; i < COUNT(case_run) && st == LT_OK; i++) {
            lt_case_run r = case_run[i];
            for (int32_t c = r.first; c <= r.last && st == LT_OK; c += r.step)
                if (lt_set_has(s, c) && !lt_set_has(s, c + r.delta)) st = lt_set_put(&more, c + r.delta, c + r.delta);
        }
        if (st == LT_OK) st = lt_set_join(s, &more);
        lt_set_free(&more);
        LT_TRY(st);
        if (s->n == n) break;
        lt_set_tidy(s);
    }
    return LT_OK;
}

bool lt_regex_impl_folds_long(int32_t c) {
    lt_set all = {.at = (lt_set_range *)folds_long, .n = COUNT(folds_long)};
    return lt_set_has(&all, c);
}

bool lt_regex_impl_folded_pair(int32_t a, int32_t b) {
    for (int64_t i = 0; i < COUNT(folded_pair); i++)
        if (folded_pair[i].first == a && folded_pair[i].last == b) return true;
    return false;
}

static lt_status put_ranges(lt_set *s, const lt_set_range *r, int64_t n) {
    for (int64_t i = 0; i < n; i++) LT_TRY(lt_set_put(s, r[i].first, r[i].last));
    return LT_OK;
}

/* Adds the runs of a table whose kinds are wanted: bits of a mask, or one kind. */
static lt_status put_runs(lt_set *s, const uint32_t *run, int64_t n, uint32_t mask, int kind) {
    for (int64_t i = 0; i < n; i++) {
        int of = (int)(run[i] & 0xFF);
        if (kind < 0 ? !(mask >> of & 1) : of != kind) continue;
        int32_t first = (int32_t)(run[i] >> 8), next = i + 1 < n ? (int32_t)(run[i + 1] >> 8) : LT_CODES;
        LT_TRY(lt_set_put(s, first, next - 1));
    }
    return LT_OK;
}

static lt_status put_categories(lt_set *s, uint32_t mask) { return put_runs(s, category_run, COUNT(category_run), mask, -1); }

static lt_status put_alphabetic(lt_set *s) {
    LT_TRY(put_categories(s, LETTER | BIT(NL)));
    return put_ranges(s, other_alphabetic, COUNT(other_alphabetic));
}

static lt_status put_lower(lt_set *s) {
    LT_TRY(put_categories(s, BIT(LL)));
    return put_ranges(s, other_lower, COUNT(other_lower));
}

static lt_status put_upper(lt_set *s) {
    LT_TRY(put_categories(s, BIT(LU)));
    return put_ranges(s, other_upper, COUNT(other_upper));
}

static lt_status put_space(lt_set *s) {
    LT_TRY(put_categories(s, SEPARATOR));
    LT_TRY(lt_set_put(s, 9, 13));
    return lt_set_put(s, 0x85, 0x85);
}

/* What is seen: neither space nor control nor unassigned; print: and spaces. */
static lt_status put_graph(lt_set *s, bool print) {
    lt_set not = {0};
    lt_status st = put_space(&not );
    if (st == LT_OK) st = put_categories(&not, BIT(CC) | BIT(CN) | BIT(CS));
    lt_set_tidy(&not );
    if (st == LT_OK) st = lt_set_invert(&not );
    if (st == LT_OK) st = lt_set_join(s, &not );
    if (st == LT_OK && print) st = put_categories(s, BIT(ZS));
    lt_set_free(&not );
    return st;
}

/* In brackets Oniguruma leaves out those numbers of Latin-1 that are no digits. */
static lt_status put_word(lt_set *s, bool in_brackets) {
    LT_TRY(put_alphabetic(s));
    LT_TRY(put_categories(s, MARK | BIT(ND) | BIT(PC)));
    if (in_brackets) return LT_OK;
    LT_TRY(lt_set_put(s, 0xB2, 0xB3));
    LT_TRY(lt_set_put(s, 0xB9, 0xB9));
    return lt_set_put(s, 0xBC, 0xBE);
}

typedef enum class_kind {
    CATEGORIES,
    ALPHABETIC,
    ALNUM,
    LOWER,
    UPPER,
    SPACE,
    BLANK,
    GRAPH,
    PRINT,
    WORD,
    WORD_ALONE,
    XDIGIT,
    ASCII
} class_kind;
typedef struct named_class {
    const char *names; /* lower case, without hyphens and underscores; a space between two */
    class_kind kind;
    uint32_t mask; /* of categories */
    int forms;     /* lt_set_form */
} named_class;

enum { ANYWHERE = LT_ALONE | LT_IN_BRACKETS | LT_POSIX };

static const named_class class_of[] = {
    {"l letter", CATEGORIES, LETTER, LT_ALONE | LT_IN_BRACKETS},
    {"lc casedletter", CATEGORIES, BIT(LU) | BIT(LL) | BIT(LT), LT_ALONE | LT_IN_BRACKETS},
    {"lu uppercaseletter", CATEGORIES, BIT(LU), LT_ALONE | LT_IN_BRACKETS},
    {"ll lowercaseletter", CATEGORIES, BIT(LL), LT_ALONE | LT_IN_BRACKETS},
    {"lt titlecaseletter", CATEGORIES, BIT(LT), LT_ALONE | LT_IN_BRACKETS},
    {"lm modifierletter", CATEGORIES, BIT(LM), LT_ALONE | LT_IN_BRACKETS},
    {"lo otherletter", CATEGORIES, BIT(LO), LT_ALONE | LT_IN_BRACKETS},
    {"m mark combiningmark", CATEGORIES, MARK, LT_ALONE | LT_IN_BRACKETS},
    {"mn nonspacingmark", CATEGORIES, BIT(MN), LT_ALONE | LT_IN_BRACKETS},
    {"mc spacingmark", CATEGORIES, BIT(MC), LT_ALONE | LT_IN_BRACKETS},
    {"me enclosingmark", CATEGORIES, BIT(ME), LT_ALONE | LT_IN_BRACKETS},
    {"n number", CATEGORIES, NUMBER, LT_ALONE | LT_IN_BRACKETS},
    {"nd decimalnumber", CATEGORIES, BIT(ND), LT_ALONE | LT_IN_BRACKETS},
    {"nl letternumber", CATEGORIES, BIT(NL), LT_ALONE | LT_IN_BRACKETS},
    {"no othernumber", CATEGORIES, BIT(NO), LT_ALONE | LT_IN_BRACKETS},
    {"p punct punctuation", CATEGORIES, PUNCTUATION, LT_ALONE | LT_IN_BRACKETS},
    {"posixpunct", CATEGORIES, PUNCTUATION | SYMBOL, LT_ALONE | LT_IN_BRACKETS},
    {"punct", CATEGORIES, PUNCTUATION | SYMBOL, LT_POSIX},
    {"pc connectorpunctuation", CATEGORIES, BIT(PC), LT_ALONE | LT_IN_BRACKETS},
    {"pd dashpunctuation", CATEGORIES, BIT(PD), LT_ALONE | LT_IN_BRACKETS},
    {"ps openpunctuation", CATEGORIES, BIT(PS), LT_ALONE | LT_IN_BRACKETS},
    {"pe closepunctuation", CATEGORIES, BIT(PE), LT_ALONE | LT_IN_BRACKETS},
    {"pi initialpunctuation", CATEGORIES, BIT(PI), LT_ALONE | LT_IN_BRACKETS},
    {"pf finalpunctuation", CATEGORIES, BIT(PF), LT_ALONE | LT_IN_BRACKETS},
    {"po otherpunctuation", CATEGORIES, BIT(PO), LT_ALONE | LT_IN_BRACKETS},
    {"s symbol", CATEGORIES, SYMBOL, LT_ALONE | LT_IN_BRACKETS},
    {"sm mathsymbol", CATEGORIES, BIT(SM), LT_ALONE | LT_IN_BRACKETS},
    {"sc currencysymbol", CATEGORIES, BIT(SC), LT_ALONE | LT_IN_BRACKETS},
    {"sk modifiersymbol", CATEGORIES, BIT(SK), LT_ALONE | LT_IN_BRACKETS},
    {"so othersymbol", CATEGORIES, BIT(SO), LT_ALONE | LT_IN_BRACKETS},
    {"z separator", CATEGORIES, SEPARATOR, LT_ALONE | LT_IN_BRACKETS},
    {"zs spaceseparator", CATEGORIES, BIT(ZS), LT_ALONE | LT_IN_BRACKETS},
    {"zl lineseparator", CATEGORIES, BIT(ZL), LT_ALONE | LT_IN_BRACKETS},
    {"zp paragraphseparator", CATEGORIES, BIT(ZP), LT_ALONE | LT_IN_BRACKETS},
    {"c other", CATEGORIES, OTHER, LT_ALONE | LT_IN_BRACKETS},
    {"cc control", CATEGORIES, BIT(CC), LT_ALONE | LT_IN_BRACKETS},
    {"cf format", CATEGORIES, BIT(CF), LT_ALONE | LT_IN_BRACKETS},
    {"co privateuse", CATEGORIES, BIT(CO), LT_ALONE | LT_IN_BRACKETS},
    {"cn unassigned", CATEGORIES, BIT(CN), LT_ALONE | LT_IN_BRACKETS},
    {"cs surrogate", CATEGORIES, BIT(CS), LT_ALONE | LT_IN_BRACKETS},
    {"any", CATEGORIES, UINT32_MAX, LT_ALONE | LT_IN_BRACKETS},
    {"assigned", CATEGORIES, ~BIT(CN), LT_ALONE | LT_IN_BRACKETS},
    {"digit", CATEGORIES, BIT(ND), ANYWHERE},
    {"cntrl", CATEGORIES, BIT(CC), ANYWHERE},
    {"alphabetic", ALPHABETIC, 0, LT_ALONE | LT_IN_BRACKETS},
    {"lowercase", LOWER, 0, LT_ALONE | LT_IN_BRACKETS},
    {"uppercase", UPPER, 0, LT_ALONE | LT_IN_BRACKETS},
    {"whitespace", SPACE, 0, LT_ALONE | LT_IN_BRACKETS},
    {"alpha", ALPHABETIC, 0, ANYWHERE},
    {"alnum", ALNUM, 0, ANYWHERE},
    {"lower", LOWER, 0, ANYWHERE},
    {"upper", UPPER, 0, ANYWHERE},
    {"space", SPACE, 0, ANYWHERE},
    {"blank", BLANK, 0, ANYWHERE},
    {"graph", GRAPH, 0, ANYWHERE},
    {"print", PRINT, 0, ANYWHERE},
    {"xdigit", XDIGIT, 0, ANYWHERE},
    {"ascii", ASCII, 0, ANYWHERE},
    {"word", WORD, 0, LT_IN_BRACKETS | LT_POSIX},
    {"word", WORD_ALONE, 0, LT_ALONE},
};

static lt_status put_class(lt_set *s, const named_class *c) {
    switch (c->kind) {
    case CATEGORIES:
        return put_categories(s, c->mask);
    case ALPHABETIC:
        return put_alphabetic(s);
    case ALNUM:
        LT_TRY(put_alphabetic(s));
        return put_categories(s, BIT(ND));
    case LOWER:
        return put_lower(s);
    case UPPER:
        return put_upper(s);
    case SPACE:
        return put_space(s);
    case BLANK:
        LT_TRY(lt_set_put(s, 9, 9));
        return put_categories(s, BIT(ZS));
    case GRAPH:
        return put_graph(s, false);
    case PRINT:
        return put_graph(s, true);
    case WORD:
        return put_word(s, true);
    case WORD_ALONE:
        return put_word(s, false);
    case XDIGIT:
        LT_TRY(lt_set_put(s, '0', '9'));
        LT_TRY(lt_set_put(s, 'A', 'F'));
        return lt_set_put(s, 'a', 'f');
    case ASCII:
        return lt_set_put(s, 0, 127);
    }
    return LT_OK;
}

/* Is the word one of those in a list with spaces between? */
static bool is_listed(const char *list, const char *word) {
    size_t bytes = strlen(word);
    for (const char *p = list; p; p = strchr(p, ' ')) {
        if (*p == ' ') p++;
        if (!strncmp(p, word, bytes) && (p[bytes] == ' ' || !p[bytes])) return true;
    }
    return false;
}

lt_status lt_set_put_property(lt_set *s, const char *name, int64_t bytes, lt_set_form form, bool *known) {
    char plain[64];
    size_t n = 0;
    *known = false;
    for (int64_t i = 0; i < bytes; i++) {
        char c = name[i];
        if (form != LT_POSIX && (c == ' ' || c == '-' || c == '_')) continue;
        if (n == sizeof plain - 1 || c <= 0) return LT_OK;
        plain[n++] = form != LT_POSIX && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    plain[n] = 0;
    if (!n) return LT_OK;
    for (int64_t i = 0; i < COUNT(class_of); i++)
        if (class_of[i].forms & (int)form && is_listed(class_of[i].names, plain)) {
            *known = true;
            return put_class(s, &class_of[i]);
        }
    for (int i = 0; form != LT_POSIX && i < COUNT(script_name); i++)
        if (is_listed(script_name[i], plain)) {
            *known = true;
            return put_runs(s, script_run, COUNT(script_run), 0, i);
        }
    return LT_OK;
}
