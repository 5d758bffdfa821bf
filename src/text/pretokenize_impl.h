#pragma once
/* Private to the pre-tokenisers: pretokenize.c, bytelevel.c, metaspace.c and cut.c. */

#include "text/tokenizer_impl.h"

typedef enum lt_behaviour { LT_REMOVED, LT_ISOLATED, LT_MERGED_WITH_PREVIOUS, LT_MERGED_WITH_NEXT, LT_CONTIGUOUS } lt_behaviour;

/* Makes pieces of one piece's parts, which are places in it. */
typedef struct lt_cutter {
    lt_stage *out;
    int64_t base; /* of the piece that is cut, in the flow */
    bool first;   /* it begins where the given text begins */
    lt_behaviour how;
    bool held, match; /* a part is held back, and whether it, or what was last merged into it, is a match */
    int64_t begin, end;
} lt_cutter;
/* A part, whatever the behaviour.  Errors: NOMEM. */
lt_status lt_cutter_emit(lt_cutter *c, int64_t begin, int64_t end);
/* The next part; and that there is none any more.  Errors: NOMEM. */
lt_status lt_cutter_put(lt_cutter *c, int64_t begin, int64_t end, bool match);
lt_status lt_cutter_end(lt_cutter *c);

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

/* One character, as the bytes of a text. */
typedef struct lt_one_char {
    char s[5];
    int n;
} lt_one_char;

/* Settings: true or false, required unless fallback is 0 or 1; one character.  Errors: FORMAT. */
lt_status lt_pre_impl_get_bool(const json_t *o, const char *where, const char *key, int fallback, bool *value);
lt_status lt_pre_impl_get_char(const json_t *o, const char *where, const char *key, lt_one_char *value);

/* Components that change the text: a table's entries. */
lt_status lt_pre_impl_open_bytelevel(const json_t *o, const char *where, void **state);
void lt_pre_impl_close_bytelevel(void *state);
lt_status lt_pre_impl_run_bytelevel(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare);
lt_status lt_pre_impl_open_metaspace(const json_t *o, const char *where, void **state);
lt_status lt_pre_impl_run_metaspace(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare);
