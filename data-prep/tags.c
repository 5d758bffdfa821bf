/* Tags of words: from the schemes in use to IOB2, where B- begins each span and I- continues it.
 *
 * With prefixes, one way of reading serves all schemes: a span goes on where a tag continues the type before it, and begins anew at B and S, at another type,
 * and behind O, E and S.  IOB1, IOB2 and BIOES files come out right so; which of them a file is written in matters for what is reported as stray (a tag that
 * continues nothing where its scheme demands a beginning), and for tags that the scheme does not have, which are errors.  Without prefixes the scheme decides
 * everything: PER PER is one span (IO), two (BEGIN) or no span at all (parts of speech). */
#include "rows_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TYPES = 4096 };

typedef enum kind { OUTSIDE, BARE, BEGIN, INSIDE, END, SINGLE } kind;

/* Takes a tag apart. */
static kind part(const char *tag, const char **type) {
    *type = tag;
    if (!strcmp(tag, "O")) return OUTSIDE;
    if (!tag[0] || tag[1] != '-' || !tag[2]) return BARE;
    *type = tag + 2;
    switch (tag[0]) {
    case 'B':
        return BEGIN;
    case 'I':
    case 'M':
        return INSIDE;
    case 'E':
    case 'L':
        return END;
    case 'S':
    case 'U':
        return SINGLE;
    default:
        *type = tag;
        return BARE;
    }
}

/* --- which scheme ------------------------------------------------------------------------------------------------------------------- */

static void observe_bare(prep_tags *t, const char *name) {
    t->seen.bare++;
    for (size_t i = 0; i < sizeof t->bare / sizeof *t->bare; i++) {
        if (!t->bare[i].n) (void)snprintf(t->bare[i].name, sizeof t->bare[i].name, "%s", name);
        if (strcmp(t->bare[i].name, name) != 0) continue;
        t->bare[i].n++;
        if (t->bare[i].n > t->seen.most_bare) t->seen.most_bare = t->bare[i].n;
        return;
    }
}

void prep_tags_observe(prep_tags *t, const char *const *tag, int n) {
    const char *before = NULL, *type; /* type of the span that could go on */
    for (int i = 0; i < n; i++) {
        kind k = part(tag[i], &type);
        bool same = before && !strcmp(before, type);
        t->seen.outside += k == OUTSIDE;
        t->seen.prefixed += k != OUTSIDE && k != BARE;
        t->seen.ends += k == END || k == SINGLE || tag[i][0] == 'M';
        t->seen.begins += k == BEGIN;
        t->seen.split_begins += k == BEGIN && same;
        t->seen.insides += k == INSIDE;
        t->seen.inside_begins += k == INSIDE && !same;
        if (k == BARE) observe_bare(t, tag[i]);
        before = k == BEGIN || k == INSIDE ? type : NULL;
    }
}

prep_scheme prep_tags_decide(const prep_tags *t) {
    const prep_evidence *e = &t->seen;
    /* in text with names most words are outside; "O" among parts of speech is one of many */
    if (e->bare > e->prefixed) return e->outside > e->most_bare && !e->prefixed ? PREP_SCHEME_IO : PREP_SCHEME_PLAIN;
    if (e->ends) return PREP_SCHEME_BIOES;
    /* a file in which every B- splits two spans, or that has none so far */
    if (e->inside_begins && e->begins == e->split_begins) return PREP_SCHEME_IOB1;
    return PREP_SCHEME_IOB2;
}

/* --- conversion --------------------------------------------------------------------------------------------------------------------- */

/* The type of that name, new if need be. */
static lt_status find_type(prep_tags *t, const char *name, const prep_type **type) {
    size_t n = strlen(name);
    for (int i = 0; i < t->n_types; i++) {
        int k = (t->last + i) % t->n_types;
        if (t->type[k].bytes != n || memcmp(t->type[k].begin + 2, name, n) != 0) continue;
        *type = &t->type[t->last = k];
        return LT_OK;
    }
    LT_CHECK(t->n_types < MAX_TYPES, LT_ERR_FORMAT,
             "more than %d different types of spans, the last one \"%.60s\": is that the column of tags?", MAX_TYPES, name);
    if (t->n_types == t->cap) {
        int cap = t->cap ? 2 * t->cap : 32;
        prep_type *grown = realloc(t->type, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %d types of spans", cap);
        t->type = grown;
        t->cap = cap;
    }
    prep_type made = {.bytes = n};
    made.begin = malloc(n + 3);
    made.inside = malloc(n + 3);
    if (!made.begin || !made.inside) {
        free(made.begin);
        free(made.inside);
        return LT_FAIL(LT_ERR_NOMEM, "no memory for a type of spans");
    }
    (void)snprintf(made.begin, n + 3, "B-%s", name);
    (void)snprintf(made.inside, n + 3, "I-%s", name);
    t->type[t->n_types] = made;
    *type = &t->type[t->last = t->n_types++];
    return LT_OK;
}

/* True if the scheme has tags of this kind. */
static bool belongs(prep_scheme scheme, kind k) {
    switch (scheme) {
    case PREP_SCHEME_IOB1:
    case PREP_SCHEME_IOB2:
        return k == OUTSIDE || k == BEGIN || k == INSIDE;
    case PREP_SCHEME_BIOES:
        return k != BARE;
    case PREP_SCHEME_IO:
        return k == OUTSIDE || k == INSIDE || k == BARE;
    case PREP_SCHEME_BEGIN:
        return k == OUTSIDE || k == BEGIN || k == BARE;
    default:
        return true;
    }
}

lt_status prep_tags_convert(prep_tags *t, const char **tag, int n, int *bad, int64_t *stray) {
    int before = -1; /* type that may go on */
    *bad = -1;
    if (t->scheme == PREP_SCHEME_PLAIN) return LT_OK;
    for (int i = 0; i < n; i++) {
        const char *name;
        const prep_type *type = NULL;
        kind k = part(tag[i], &name);
        if (!belongs(t->scheme, k)) {
            *bad = i;
            return LT_OK;
        }
        if (k == OUTSIDE) {
            tag[i] = "O";
            before = -1;
            continue;
        }
        LT_TRY(find_type(t, name, &type));
        int id = (int)(type - t->type);
        bool goes_on = id == before && (k == INSIDE || k == END || (k == BARE && t->scheme == PREP_SCHEME_IO));
        if (t->scheme == PREP_SCHEME_IOB2) *stray += k == INSIDE && !goes_on;
        if (t->scheme == PREP_SCHEME_BIOES) *stray += (k == INSIDE || k == END) && !goes_on;
        tag[i] = goes_on ? type->inside : type->begin;
        before = k == END || k == SINGLE ? -1 : id;
    }
    return LT_OK;
}

void prep_tags_fini(prep_tags *t) {
    for (int i = 0; i < t->n_types; i++) {
        free(t->type[i].begin);
        free(t->type[i].inside);
    }
    free(t->type);
    *t = (prep_tags){0};
}

/* --- names -------------------------------------------------------------------------------------------------------------------------- */

static const char *const scheme_names[] = {
    [PREP_SCHEME_DETECT] = "detect", [PREP_SCHEME_PLAIN] = "plain", [PREP_SCHEME_IOB1] = "iob1",  [PREP_SCHEME_IOB2] = "iob2",
    [PREP_SCHEME_BIOES] = "bioes",   [PREP_SCHEME_IO] = "io",       [PREP_SCHEME_BEGIN] = "begin"};

const char *prep_scheme_name(prep_scheme scheme) { return scheme_names[scheme]; }

lt_status prep_scheme_find(const char *name, prep_scheme *scheme) {
    for (size_t i = 0; i < sizeof scheme_names / sizeof *scheme_names; i++) {
        if (strcmp(scheme_names[i], name) != 0) continue;
        *scheme = (prep_scheme)i;
        return LT_OK;
    }
    return LT_FAIL(LT_ERR_ARG, "unknown tag scheme \"%s\"; known: detect, plain, iob1, iob2, bioes, io, begin", name);
}
