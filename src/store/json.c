/* JSON files; see json.h. */
#include "store/json.h"

#include "store/fs.h"

#include <stdlib.h>

lt_status lt_json_write(const char *dir, const char *name, json_t *o, size_t flags) {
    char *path = NULL;
    LT_CHECK(o, LT_ERR_NOMEM, "no memory for %s", name);
    lt_status st = lt_fs_path(&path, "%s/%s", dir, name);
    if (st == LT_OK && json_dump_file(o, path, JSON_INDENT(2) | flags) != 0) st = LT_FAIL(LT_ERR_IO, "cannot write %s: %m", path);
    free(path);
    json_decref(o);
    return st;
}
