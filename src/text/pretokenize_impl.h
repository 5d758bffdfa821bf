#pragma once
/* Private to pretokenize.c and bytelevel.c. */

#include "text/tokenizer_impl.h"

/* A text as an expression cuts it: matches, and what lies between them. */
typedef struct lt_finder {
    const lt_regex *re;
    lt_tok_work *w;
    const char *text;
    int64_t bytes;
    int64_t at, done, last; /* where to search on, what has been given out, where the last match ended (-1: none yet) */
    bool held;              /* a match was found behind a part that had to be given out first */
    int64_t begin, end;     /* the part, or the held match */
    int64_t held_begin, held_end;
    bool match;
} lt_finder;
/* The next part; *more false: there is none.  Empty matches are parts too, unless they touch the match before.  Errors: those of lt_regex_next. */
lt_status lt_finder_next(lt_finder *f, bool *more);

/* A setting that is true or false; required unless fallback is 0 or 1.  Errors: FORMAT. */
lt_status lt_pre_impl_get_bool(const json_t *o, const char *where, const char *key, int fallback, bool *value);

lt_status lt_pre_impl_open_bytelevel(const json_t *o, const char *where, void **state);
void lt_pre_impl_close_bytelevel(void *state);
lt_status lt_pre_impl_run_bytelevel(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare);
