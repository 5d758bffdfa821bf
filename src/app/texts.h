#pragma once
/* What several commands read: texts, alone or in pairs, and the name of a trial. */

#include "app/app.h"
#include "train/run.h"

/* Owned by the caller; start from {0}. */
typedef struct lt_app_texts {
    char **text, **pair; /* [n]; a pair may be NULL */
    int64_t n, cap;
} lt_app_texts;

/* Local.  Appends copies; pair may be NULL.  Errors: NOMEM. */
lt_status lt_app_texts_push(lt_app_texts *in, const char *text, const char *pair);
/* Local.  Appends the lines of a file: a text, with pairs text TAB second text, or an object with "text" and "pair" where a line starts with '{'.
 * Errors: IO, FORMAT, NOMEM. */
lt_status lt_app_texts_read(lt_app_texts *in, const char *path, bool pairs);
/* Collective(world).  The same of standard input.  Errors: as above (agreed). */
lt_status lt_app_texts_read_stdin(lt_comm *world, lt_app_texts *in, bool pairs);
/* Collective(world).  Every rank must hold the same texts.  Errors: ARG, NOMEM (agreed). */
lt_status lt_app_texts_same(lt_comm *world, const lt_app_texts *in);
/* Local.  Frees and empties. */
void lt_app_texts_free(lt_app_texts *in);

/* Local.  Number of the trial of this name; NULL: of the only one.  Errors: ARG, with the names there are. */
lt_status lt_app_find_trial(const lt_run *r, const char *name, int *which);
