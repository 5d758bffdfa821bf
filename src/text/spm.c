/* sentencepiece's *.model files: a message of Google's protocol buffers, read by hand, for what is needed of it is six fields.
 *
 *   ModelProto      1 pieces (repeated), 2 trainer_spec, 3 normalizer_spec
 *   SentencePiece   1 piece (text), 2 score (f32), 3 type
 *   TrainerSpec     3 model_type, 35 byte_fallback, 40 unk_id, 45 unk_piece
 *   NormalizerSpec  2 precompiled_charsmap (bytes)
 *
 * A message is a row of fields: a varint of number and wire type, then a varint, 8 bytes, 4 bytes, or a length and as many bytes.  Fields
 * that are not known are passed over, the last of several counts.  Nothing is copied: pieces point into the file. */
#include "text/open_impl.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

/* A message that is being read: bytes [at, end) of the file. */
typedef struct reader {
    const unsigned char *data;
    int64_t at, end;
    const char *path;
} reader;

typedef struct field {
    int64_t number, wire;
    uint64_t value;     /* of a varint or a fixed one */
    int64_t begin, end; /* of bytes */
} field;

static lt_status get_varint(reader *r, uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        LT_CHECK(r->at < r->end, LT_ERR_FORMAT, "%s: cut short, or no sentencepiece model: a number does not end before byte %lld", r->path,
                 (long long)r->end);
        unsigned char byte = r->data[r->at++];
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return LT_OK;
    }
    return LT_FAIL(LT_ERR_FORMAT, "%s: no sentencepiece model: a number of more than 64 bits before byte %lld", r->path, (long long)r->at);
}

static lt_status get_field(reader *r, field *f) {
    uint64_t tag, length;
    LT_TRY(get_varint(r, &tag));
    *f = (field){.number = (int64_t)(tag >> 3), .wire = (int64_t)(tag & 7)};
    LT_CHECK(f->number > 0 && f->number < 1 << 29, LT_ERR_FORMAT, "%s: no sentencepiece model: a field without a number before byte %lld",
             r->path, (long long)r->at);
    if (f->wire == VARINT) return get_varint(r, &f->value);
    if (f->wire == BYTES)
        LT_TRY(get_varint(r, &length));
    else if (f->wire == FIXED32 || f->wire == FIXED64)
        length = f->wire == FIXED32 ? 4 : 8;
    else
        return LT_FAIL(LT_ERR_FORMAT, "%s: no sentencepiece model: wire type %lld before byte %lld", r->path, (long long)f->wire,
                       (long long)r->at);
    LT_CHECK(length <= (uint64_t)(r->end - r->at), LT_ERR_FORMAT,
             "%s: cut short, or no sentencepiece model: a field at byte %lld is %llu bytes long, but only %lld are left", r->path,
             (long long)r->at, (unsigned long long)length, (long long)(r->end - r->at));
    f->begin = r->at;
    r->at = f->end = r->at + (int64_t)length;
    for (int64_t i = f->end; i-- > f->begin && f->wire != BYTES;) f->value = f->value << 8 | r->data[i];
    return LT_OK;
}

static lt_status expect(const reader *r, const field *f, int64_t wire, const char *what) {
    LT_CHECK(f->wire == wire, LT_ERR_FORMAT, "%s: no sentencepiece model: %s before byte %lld has wire type %lld, expected %lld", r->path,
             what, (long long)r->at, (long long)f->wire, (long long)wire);
    return LT_OK;
}

static reader inside(const reader *r, const field *f) { return (reader){r->data, f->begin, f->end, r->path}; }

static lt_status read_text(const reader *r, const field *f, const char *what) {
    int32_t c;
    LT_TRY(expect(r, f, BYTES, what));
    for (int64_t at = f->begin; at < f->end;) {
        utf8proc_ssize_t used = utf8proc_iterate(r->data + at, f->end - at, &c);
        LT_CHECK(used > 0 && c != 0, LT_ERR_FORMAT, "%s: %s at byte %lld is no text", r->path, what, (long long)f->begin);
        at += used;
    }
    return LT_OK;
}

static lt_status read_piece(lt_spm *m, reader r) {
    lt_spm_piece p = {.type = LT_SPM_NORMAL};
    field f;
    while (r.at < r.end) {
        LT_TRY(get_field(&r, &f));
        if (f.number == 1) {
            LT_TRY(read_text(&r, &f, "a piece"));
            p.text = (const char *)r.data + f.begin;
            p.bytes = (int32_t)(f.end - f.begin);
        } else if (f.number == 2) {
            uint32_t bits = (uint32_t)f.value;
            LT_TRY(expect(&r, &f, FIXED32, "a score"));
            memcpy(&p.score, &bits, sizeof p.score);
        } else if (f.number == 3) {
            LT_TRY(expect(&r, &f, VARINT, "a type"));
            LT_CHECK(f.value >= LT_SPM_NORMAL && f.value <= LT_SPM_BYTE, LT_ERR_FORMAT,
                     "%s: piece %lld has type %llu, expected %d (normal) to %d (byte)", r.path, (long long)m->n,
                     (unsigned long long)f.value, LT_SPM_NORMAL, LT_SPM_BYTE);
            p.type = (int32_t)f.value;
        }
    }
    LT_CHECK(p.bytes > 0, LT_ERR_FORMAT, "%s: piece %lld has no text", r.path, (long long)m->n);
    LT_CHECK(isfinite(p.score), LT_ERR_FORMAT, "%s: the score of piece %lld (\"%.*s\") is no finite number", r.path, (long long)m->n,
             p.bytes < 60 ? p.bytes : 60, p.text);
    LT_CHECK(m->n < LT_TOK_MAX_ID, LT_ERR_FORMAT, "%s: more than %d pieces", r.path, LT_TOK_MAX_ID);
    if (m->n == m->cap) {
        int64_t cap = 2 * m->cap + 1024;
        lt_spm_piece *grown = realloc(m->piece, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld pieces", (long long)cap);
        m->piece = grown;
        m->cap = cap;
    }
    m->piece[m->n++] = p;
    return LT_OK;
}

static lt_status read_trainer(lt_spm *m, reader r) {
    field f;
    while (r.at < r.end) {
        LT_TRY(get_field(&r, &f));
        if (f.number == 3) {
            LT_TRY(expect(&r, &f, VARINT, "the model type"));
            m->model_type = f.value <= INT32_MAX ? (int32_t)f.value : 0;
        } else if (f.number == 35) {
            LT_TRY(expect(&r, &f, VARINT, "byte_fallback"));
            m->byte_fallback = f.value != 0;
        } else if (f.number == 40) {
            LT_TRY(expect(&r, &f, VARINT, "unk_id"));
            m->unk_id = f.value <= INT32_MAX ? (int32_t)f.value : -1;
        } else if (f.number == 45) {
            LT_TRY(read_text(&r, &f, "unk_piece"));
            free(m->unk_piece);
            m->unk_piece = NULL;
            LT_TRY(lt_calloc(&m->unk_piece, f.end - f.begin + 1, 1, "a tokenizer"));
            memcpy(m->unk_piece, r.data + f.begin, (size_t)(f.end - f.begin));
        }
    }
    return LT_OK;
}

static lt_status read_normalizer(lt_spm *m, reader r) {
    field f;
    while (r.at < r.end) {
        LT_TRY(get_field(&r, &f));
        if (f.number != 2) continue;
        LT_TRY(expect(&r, &f, BYTES, "precompiled_charsmap"));
        m->charsmap_bytes = f.end - f.begin;
        m->charsmap = m->charsmap_bytes ? r.data + f.begin : NULL;
    }
    return LT_OK;
}

/* Each text once: of two with one text an id could not be told. */
static lt_status check_pieces(const lt_spm *m, const char *path) {
    lt_vocab v = {0};
    lt_status st = LT_OK;
    for (int64_t i = 0; i < m->n; i++) LT_TRY_GOTO(lt_vocab_put(&v, i, m->piece[i].text, (size_t)m->piece[i].bytes), st, done);
    LT_TRY_GOTO(lt_vocab_index(&v), st, done);
    for (int64_t i = 0; i < m->n; i++) {
        int32_t id = lt_vocab_find(&v, m->piece[i].text, (size_t)m->piece[i].bytes);
        LT_CHECK_GOTO(id == i, st, done, LT_ERR_FORMAT, "%s: pieces %lld and %d are both \"%.*s\"", path, (long long)i, id,
                      m->piece[i].bytes < 60 ? m->piece[i].bytes : 60, m->piece[i].text);
    }
done:
    lt_vocab_free(&v);
    return st;
}

static lt_status read_model(lt_spm *m, const char *path) {
    reader r = {m->data, 0, m->bytes, path};
    field f;
    LT_TRY(lt_strdup(&m->unk_piece, "<unk>"));
    while (r.at < r.end) {
        LT_TRY(get_field(&r, &f));
        if (f.number > 3) continue;
        LT_TRY(expect(&r, &f, BYTES, f.number == 1 ? "a piece" : "a specification"));
        LT_TRY(f.number == 1   ? read_piece(m, inside(&r, &f))
               : f.number == 2 ? read_trainer(m, inside(&r, &f))
                               : read_normalizer(m, inside(&r, &f)));
    }
    LT_CHECK(m->n > 0, LT_ERR_FORMAT, "%s: a sentencepiece model without pieces", path);
    LT_CHECK(m->model_type == LT_SPM_UNIGRAM || m->model_type == LT_SPM_BPE, LT_ERR_FORMAT,
             "%s: sentencepiece model type %d is not supported; 1 (Unigram) and 2 (BPE) are", path, m->model_type);
    LT_CHECK(m->unk_id >= 0 && m->unk_id < m->n, LT_ERR_FORMAT, "%s: unk_id is %d, expected a piece of %lld", path, m->unk_id,
             (long long)m->n);
    return check_pieces(m, path);
}

lt_status lt_tok_impl_spm_open(const char *path, lt_spm *m) {
    *m = (lt_spm){.model_type = LT_SPM_UNIGRAM};
    LT_TRY(lt_tok_impl_read_file(path, (char **)&m->data, &m->bytes));
    lt_status st = read_model(m, path);
    if (st != LT_OK) lt_tok_impl_spm_free(m);
    return st;
}

void lt_tok_impl_spm_free(lt_spm *m) {
    free(m->data);
    free(m->piece);
    free(m->unk_piece);
    *m = (lt_spm){0};
}
