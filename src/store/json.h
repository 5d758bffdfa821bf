#pragma once
/* JSON files of folders that we write. */

#include "base/err.h"

#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Local.  Writes o to dir/name, indented; takes o over, NULL (no memory for it) included.  flags: jansson's, for the order of keys.  Errors: IO, NOMEM. */
lt_status lt_json_write(const char *dir, const char *name, json_t *o, size_t flags);

#ifdef __cplusplus
}
#endif
