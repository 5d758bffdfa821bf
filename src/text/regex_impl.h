#pragma once
/* Private to regex*.c: sets of code points, and an expression taken apart. */

#include "text/tokenizer_impl.h"

enum { LT_CODES = 0x110000 }; /* code points there are */

typedef struct lt_set_range {
    int32_t first, last;
} lt_set_range;

/* A set of code points.  Ranges may stand in any order and overlap until the set is tidied: then they rise, with a gap between any two. */
typedef struct lt_set {
    lt_set_range *at;
    int64_t n, cap;
} lt_set;
/* Adds [first, last]; the set is no longer tidy.  Errors: NOMEM. */
lt_status lt_set_put(lt_set *s, int32_t first, int32_t last);
/* Adds what another set holds.  Errors: NOMEM. */
lt_status lt_set_join(lt_set *s, const lt_set *other);
void lt_set_tidy(lt_set *s);
/* These three need tidy sets and leave tidy ones.  Errors: NOMEM. */
lt_status lt_set_invert(lt_set *s);
lt_status lt_set_meet(lt_set *s, const lt_set *other);
lt_status lt_set_fold(lt_set *s); /* adds what a caseless expression takes for a member */
bool lt_set_has(const lt_set *s, int32_t c);
void lt_set_free(lt_set *s);

/* Where the name of a property stands: \p{word} alone or as a member of a class, [:word:]; some names differ in what they hold. */
typedef enum lt_set_form { LT_ALONE = 1, LT_IN_BRACKETS = 2, LT_POSIX = 4 } lt_set_form;
/* Adds a property by its name.  *known false: there is none of that name.  Errors: NOMEM. */
lt_status lt_set_put_property(lt_set *s, const char *name, int64_t bytes, lt_set_form form, bool *known);
/* Becomes several characters when folded. */
bool lt_regex_impl_folds_long(int32_t c);
/* Two characters that begin what such a character becomes. */
bool lt_regex_impl_folded_pair(int32_t a, int32_t b);

/* An expression as PCRE2 shall read it, but with sets in place of characters: an item is an ASCII character of PCRE2's syntax, or -1 - the index of a set. */
typedef struct lt_regex_parts {
    int32_t *item;
    int64_t n, cap;
    lt_set *set; /* no two alike */
    int64_t n_sets, cap_sets;
    bool relative; /* asks where a search began (\G) */
} lt_regex_parts;
/* Takes an expression in Oniguruma's syntax apart.  Errors: FORMAT (what is not understood is named, with its place), NOMEM. */
lt_status lt_regex_impl_parse(const char *pattern, const char *where, lt_regex_parts *p);
void lt_regex_impl_parts_free(lt_regex_parts *p);

/* Where reading has come to. */
typedef struct lt_regex_parser {
    const char *pattern, *p, *where;
    lt_regex_parts *out;
    int depth, brackets; /* groups and brackets that are open */
    bool caseless, dot_all;
    int64_t before; /* set of the caseless letter before this place, -1 = none */
} lt_regex_parser;
enum { LT_REGEX_MAX_DEPTH = 100 };
/* Refuses what stands at `at`. */
#define LT_REGEX_REFUSE(ps, at, ...)                                                                                                       \
    do {                                                                                                                                   \
        char why_[160];                                                                                                                    \
        (void)snprintf(why_, sizeof why_, __VA_ARGS__);                                                                                    \
        return LT_FAIL(LT_ERR_FORMAT, "%s: the expression \"%.300s\" is not supported: %s (at byte %d)", (ps)->where, (ps)->pattern, why_, \
                       (int)((at) - (ps)->pattern));                                                                                       \
    } while (0)
/* regex_class.c.  An escape that stands for a character (*c) or a class (*c = -1, s filled).  ps->p stands at the backslash.  *known false: it is neither,
 * nothing is read. */
lt_status lt_regex_impl_read_escape(lt_regex_parser *ps, bool in_brackets, int32_t *c, lt_set *s, bool *known);
/* A class in brackets, in which there may be others: ps->p stands at the [. */
lt_status lt_regex_impl_read_class(lt_regex_parser *ps, lt_set *s);
