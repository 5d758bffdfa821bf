/* Parts of a text made into pieces, and read from an expression.
 *
 * A pre-tokeniser finds matches, and cuts by one of five behaviours what lies before, in and between them.  A cutter is told these parts one after another and
 * writes pieces; it holds one part back where the next decides what becomes of it. */
#include "text/pretokenize_impl.h"

#include <string.h>

lt_status lt_cutter_emit(lt_cutter *c, int64_t begin, int64_t end) {
    return lt_stage_piece(c->out, (lt_piece){.begin = c->base + begin, .end = c->base + end, .id = -1, .first = c->first && begin == 0});
}

lt_status lt_cutter_end(lt_cutter *c) {
    bool held = c->held;
    c->held = false;
    return held ? lt_cutter_emit(c, c->begin, c->end) : LT_OK;
}

lt_status lt_cutter_put(lt_cutter *c, int64_t begin, int64_t end, bool match) {
    bool merge = false;
    switch (c->how) {
    case LT_REMOVED:
        return match ? LT_OK : lt_cutter_emit(c, begin, end);
    case LT_ISOLATED:
        return lt_cutter_emit(c, begin, end);
    case LT_MERGED_WITH_PREVIOUS:
        merge = match && !c->match;
        break;
    case LT_MERGED_WITH_NEXT:
        merge = !match && c->match;
        break;
    case LT_CONTIGUOUS:
        merge = match == c->match;
        break;
    }
    if (c->held && merge) {
        c->end = end;
    } else {
        LT_TRY(lt_cutter_end(c));
        c->held = true;
        c->begin = begin;
        c->end = end;
    }
    c->match = match;
    return LT_OK;
}

lt_status lt_finder_next(lt_finder *f, bool *more) {
    *more = true;
    while (!f->held) {
        bool found = false;
        int64_t begin = 0, end = 0;
        if (f->at <= f->bytes) LT_TRY(lt_regex_next(f->re, f->w, f->text, f->bytes, f->at, &found, &begin, &end));
        if (!found) {
            *more = f->done < f->bytes;
            f->begin = f->done;
            f->end = f->done = f->bytes;
            f->at = f->bytes + 1;
            f->match = false;
            return LT_OK;
        }
        if (begin == end && end == f->last) { /* nothing again: search on behind the next character */
            int32_t c;
            f->at += f->at < f->bytes ? lt_tok_impl_char(f->text + f->at, &c) : 1;
            continue;
        }
        f->at = f->last = end;
        f->held = true;
        f->held_begin = begin;
        f->held_end = end;
    }
    f->match = f->done == f->held_begin;
    f->begin = f->done;
    f->end = f->match ? f->held_end : f->held_begin;
    f->done = f->end;
    f->held = !f->match;
    return LT_OK;
}

lt_status lt_pre_impl_get_bool(const json_t *o, const char *where, const char *key, int fallback, bool *value) {
    const json_t *v = json_object_get(o, key);
    LT_CHECK(v ? json_is_boolean(v) : fallback >= 0, LT_ERR_FORMAT, "%s: \"%s\" shall be true or false", where, key);
    *value = v ? json_is_true(v) : fallback;
    return LT_OK;
}

lt_status lt_pre_impl_get_char(const json_t *o, const char *where, const char *key, lt_one_char *value) {
    const json_t *v = json_object_get(o, key);
    const char *text = json_is_string(v) ? json_string_value(v) : "";
    int32_t c;
    value->n = *text ? lt_tok_impl_char(text, &c) : 0;
    LT_CHECK(value->n && (size_t)value->n == json_string_length(v), LT_ERR_FORMAT, "%s: \"%s\" shall be one character", where, key);
    memcpy(value->s, text, (size_t)value->n);
    return LT_OK;
}
