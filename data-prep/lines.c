/* Text files line by line, as `ltune-prep tokenize` reads them: bytes as they stand, whatever they are. */
#include "prep.h"

lt_status prep_lines_open(prep_lines *l, const char *path) {
    *l = (prep_lines){0};
    LT_TRY(prep_source_open(&l->source, path, NULL));
    l->path = l->source.path;
    return LT_OK;
}

lt_status prep_lines_next(prep_lines *l, bool *more) {
    LT_TRY(prep_source_line(&l->source, &l->line, &l->bytes, more));
    l->number = l->source.line;
    return LT_OK;
}

void prep_lines_close(prep_lines *l) {
    prep_source_close(&l->source);
    *l = (prep_lines){0};
}
