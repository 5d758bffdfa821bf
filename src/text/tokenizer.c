/* Text through the pipeline, and back: handles, encoding, pairs, truncation, decoding. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* --- lists ------------------------------------------------------------------------------------------------------------------------------- */

/* Room for n ids more. */
static lt_status reserve_ids(lt_ids *ids, int64_t n) {
    if (ids->n + n <= ids->cap) return LT_OK;
    int64_t cap = 2 * ids->cap + n + 64;
    int32_t *grown = realloc(ids->id, (size_t)cap * sizeof *grown);
    LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld token ids", (long long)cap);
    ids->id = grown;
    ids->cap = cap;
    return LT_OK;
}

static lt_status reserve_spans(lt_spans *spans, int64_t n) {
    if (spans->n + n <= spans->cap) return LT_OK;
    int64_t cap = 2 * spans->cap + n + 64;
    lt_span *grown = realloc(spans->at, (size_t)cap * sizeof *grown);
    LT_CHECK(grown, LT_ERR_NOMEM, "no memory for the places of %lld tokens", (long long)cap);
    spans->at = grown;
    spans->cap = cap;
    return LT_OK;
}

lt_status lt_ids_push(lt_ids *ids, int32_t id) {
    LT_TRY(reserve_ids(ids, 1));
    ids->id[ids->n++] = id;
    return LT_OK;
}

void lt_ids_free(lt_ids *ids) {
    free(ids->id);
    *ids = (lt_ids){0};
}

void lt_spans_free(lt_spans *spans) {
    free(spans->at);
    *spans = (lt_spans){0};
}

/* --- handles ----------------------------------------------------------------------------------------------------------------------------- */

void lt_tok_impl_work_free(lt_tok_work *w) {
    lt_stage_free(&w->stage);
    lt_stage_free(&w->spare);
    free(w->word.at);
    if (w->regex) lt_regex_room_free(w->regex);
    lt_tok_impl_cache_free(w->cache);
    free(w->bytes);
    lt_ids_free(&w->one);
    lt_ids_free(&w->two);
    lt_spans_free(&w->one_spans);
    lt_spans_free(&w->two_spans);
    *w = (lt_tok_work){0};
}

void lt_tok_impl_tables_free(lt_tok_tables *t) {
    for (int i = 0; i < t->n_steps; i++)
        if (t->step[i].kind->close) t->step[i].kind->close(t->step[i].state);
    free(t->step);
    if (t->model) t->model->kind->close(t->model);
    for (int i = 0; i < t->n_added; i++) free(t->added[i].text);
    free(t->added);
    lt_trie_free(&t->raw);
    lt_trie_free(&t->normalized);
    lt_tok_impl_close_post(&t->post);
    lt_tok_impl_close_decoders(&t->decoders);
    free(t->kind_name);
    free(t->path);
    free(t);
}

static lt_status handle(lt_tok_tables *t, lt_tok **out) {
    lt_tok *tok = NULL;
    LT_TRY(lt_calloc(&tok, 1, sizeof *tok, "a tokenizer"));
    lt_status st = lt_calloc(&tok->work, 1, sizeof *tok->work, "a tokenizer");
    if (st != LT_OK) {
        free(tok);
        return st;
    }
    tok->tables = t;
    __atomic_add_fetch(&t->handles, 1, __ATOMIC_RELAXED);
    *out = tok;
    return LT_OK;
}

lt_status lt_tok_open(const char *path, lt_tok **tok) {
    lt_tok_tables *t = NULL;
    LT_TRY(lt_tok_impl_open_path(path, &t));
    lt_status st = handle(t, tok);
    if (st != LT_OK) lt_tok_impl_tables_free(t);
    return st;
}

lt_status lt_tok_twin(const lt_tok *tok, lt_tok **twin) { return handle(tok->tables, twin); }

void lt_tok_close(lt_tok **tok) {
    lt_tok *t = *tok;
    if (!t) return;
    lt_tok_impl_work_free(t->work);
    free(t->work);
    if (__atomic_sub_fetch(&t->tables->handles, 1, __ATOMIC_ACQ_REL) == 0) lt_tok_impl_tables_free(t->tables);
    free(t);
    *tok = NULL;
}

/* --- encoding ---------------------------------------------------------------------------------------------------------------------------- */

/* Text that is not UTF-8 is another encoding or a damaged file: guessing would give wrong ids without a word. */
static lt_status check_utf8(const char *text, int64_t bytes) {
    for (int64_t at = 0; at < bytes;) {
        int32_t c;
        uint64_t eight;
        if (at + 8 <= bytes && (memcpy(&eight, text + at, 8), (eight & 0x8080808080808080u) == 0)) {
            at += 8;
            continue;
        }
        if ((unsigned char)text[at] < 0x80) {
            at++;
            continue;
        }
        utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(bytes - at), &c);
        LT_CHECK(used > 0, LT_ERR_FORMAT, "the text is not UTF-8: byte 0x%02X at offset %lld", (unsigned char)text[at], (long long)at);
        at += used;
    }
    return LT_OK;
}

lt_status lt_tok_impl_run(const lt_tok_tables *t, lt_tok_work *w, const char *text, int64_t bytes, bool spans) {
    lt_stage *s = &w->stage, *spare = &w->spare;
    s->spans = spare->spans = spans;
    s->most = spare->most = lt_stage_limit(bytes);
    lt_regex_allow(w, bytes, true);
    lt_stage_clear(s);
    LT_TRY(lt_stage_put(s, text, bytes, (lt_span){0, 0}));
    for (int64_t at = 0; spans && at < bytes;) {
        int32_t c;
        int n = lt_tok_impl_char(text + at, &c);
        for (int k = 0; k < n; k++) s->text.from[at + k] = (lt_span){(int32_t)at, (int32_t)at + n};
        at += n;
    }
    LT_TRY(lt_stage_piece(s, (lt_piece){0, bytes, -1, true}));
    LT_TRY(lt_tok_impl_added_run(t, false, s, spare));
    for (int i = 0; i < t->n_steps; i++) {
        if (i == t->n_normalizers) LT_TRY(lt_tok_impl_added_run(t, true, s, spare));
        lt_stage_clear(spare);
        LT_TRY(t->step[i].kind->run(t->step[i].state, w, s, spare));
    }
    return t->n_normalizers == t->n_steps ? lt_tok_impl_added_run(t, true, s, spare) : LT_OK;
}

/* The tokens of a piece of text, part by part. */
static lt_status encode_piece(const lt_tok_tables *t, lt_tok_work *w, lt_piece p, lt_ids *ids, lt_spans *spans) {
    const char *word = w->stage.text.s + p.begin;
    int64_t bytes = p.end - p.begin;
    for (int64_t from = 0, to; from < bytes; from = to) {
        const lt_token *token = NULL;
        int64_t n = 0;
        to = t->model->kind->part ? t->model->kind->part(t->model, word, bytes, from) : bytes;
        LT_TRY(lt_tok_impl_word(t->model, w, word + from, to - from, &token, &n));
        LT_TRY(reserve_ids(ids, n));
        for (int64_t i = 0; i < n; i++) ids->id[ids->n + i] = token[i].id;
        ids->n += n;
        if (!spans) continue;
        LT_TRY(reserve_spans(spans, n));
        for (int64_t i = 0; i < n; i++)
            spans->at[spans->n++] = lt_stage_span(&w->stage, p.begin + from + token[i].begin, p.begin + from + token[i].end);
    }
    return LT_OK;
}

/* The span of an added token, piece i; spans has those before it.  One that lies in the white space that the one before it has taken ends with that
 * one: of a million such tokens each must not go through a million characters. */
static lt_span added_span(const lt_stage *s, int64_t i, const lt_spans *spans) {
    lt_piece p = s->piece[i], before = s->piece[i > 0 ? i - 1 : 0];
    if (i > 0 && before.id >= 0 && p.begin >= before.begin && p.begin < before.end && p.end == before.end)
        return (lt_span){s->text.from[p.begin].begin, spans->at[spans->n - 1].end};
    return lt_stage_span(s, p.begin, p.end);
}

/* Ids of a text, nothing around them. */
static lt_status encode_plain(const lt_tok *tok, const char *text, size_t bytes, lt_ids *ids, lt_spans *spans) {
    lt_tok_work *w = tok->work;
    LT_CHECK(bytes < INT32_MAX / 8, LT_ERR_ARG, "a text of %zu bytes is too long: at most %d are expected", bytes, INT32_MAX / 8);
    LT_TRY(check_utf8(text, (int64_t)bytes));
    LT_TRY(lt_tok_impl_run(tok->tables, w, text, (int64_t)bytes, spans != NULL));
    for (int64_t i = 0; i < w->stage.n; i++) {
        lt_piece p = w->stage.piece[i];
        if (p.id < 0) {
            LT_TRY(encode_piece(tok->tables, w, p, ids, spans));
            continue;
        }
        LT_TRY(lt_ids_push(ids, p.id));
        if (!spans) continue;
        LT_TRY(reserve_spans(spans, 1));
        lt_span span = added_span(&w->stage, i, spans);
        spans->at[spans->n++] = span;
    }
    return LT_OK;
}

/* --- templates --------------------------------------------------------------------------------------------------------------------------- */

static lt_status append(lt_ids *to, const int32_t *id, int64_t n, lt_spans *spans, const lt_span *span) {
    LT_TRY(reserve_ids(to, n));
    if (n > 0) memcpy(to->id + to->n, id, (size_t)n * sizeof *id);
    to->n += n;
    if (!spans) return LT_OK;
    LT_TRY(reserve_spans(spans, n));
    for (int64_t i = 0; i < n; i++) spans->at[spans->n++] = span ? span[i] : (lt_span){0, 0};
    return LT_OK;
}

lt_status lt_tok_encode(const lt_tok *tok, const char *text, size_t bytes, bool special, lt_ids *ids, lt_spans *spans) {
    const lt_template *f = &tok->tables->post.single;
    int64_t first = ids->n, first_span = spans ? spans->n : 0;
    lt_status st = LT_OK;
    for (int i = 0; special && i < f->n && st == LT_OK; i++)
        st = f->item[i] == LT_TPL_FIRST ? encode_plain(tok, text, bytes, ids, spans) : append(ids, &f->item[i], 1, spans, NULL);
    if (!special) st = encode_plain(tok, text, bytes, ids, spans);
    if (st == LT_OK) return LT_OK;
    ids->n = first;
    if (spans) spans->n = first_span;
    return st;
}

void lt_tok_longest_first(int64_t *a, int64_t *b, int64_t room) {
    if (*a + *b <= room) return;
    int64_t *small = *a <= *b ? a : b, *large = *a <= *b ? b : a;
    *large = *small > room ? *small : (room - *small > *small ? room - *small : *small);
    if (*small + *large > room) {
        *small = room / 2;
        *large = room - *small;
    }
}

lt_tok_frame lt_tok_frame_of(const lt_tok *tok, bool pair) {
    const lt_template *t = pair ? &tok->tables->post.pair : &tok->tables->post.single;
    lt_tok_frame f = {0};
    int *part = &f.before;
    for (int i = 0; i < t->n; i++) {
        if (t->item[i] == LT_TPL_FIRST)
            part = pair ? &f.between : &f.after;
        else if (t->item[i] == LT_TPL_SECOND)
            part = &f.after;
        else
            ++*part;
    }
    return f;
}

/* What of n and m tokens is kept when together they may have room. */
static lt_status cut(lt_truncation how, bool pair, int64_t room, int64_t *n, int64_t *m) {
    LT_CHECK(room >= 0, LT_ERR_ARG, "the maximum length leaves no room for the special tokens, let alone a text");
    if (pair && how == LT_LONGEST_FIRST) {
        lt_tok_longest_first(n, m, room);
        return LT_OK;
    }
    int64_t *gives = pair && how == LT_ONLY_SECOND ? m : n, over = *n + *m - room;
    LT_CHECK(over < *gives || over <= 0 || !pair, LT_ERR_ARG,
             "the %s text has %lld tokens, but %lld must go: the other one alone fills the maximum length",
             how == LT_ONLY_SECOND ? "second" : "first", (long long)*gives, (long long)over);
    if (over > 0) *gives -= over < *gives ? over : *gives;
    return LT_OK;
}

lt_status lt_tok_encode_pair(const lt_tok *tok, const char *a, size_t a_bytes, const char *b, size_t b_bytes, int64_t max_length,
                             lt_truncation how, lt_ids *ids, lt_spans *spans, int64_t *segment, bool *truncated) {
    const lt_template *t = b ? &tok->tables->post.pair : &tok->tables->post.single;
    lt_tok_work *w = tok->work;
    lt_tok_frame frame = lt_tok_frame_of(tok, b != NULL);
    lt_spans *one_spans = spans ? &w->one_spans : NULL, *two_spans = spans ? &w->two_spans : NULL;
    int64_t first = ids->n;
    w->one.n = w->two.n = w->one_spans.n = w->two_spans.n = 0;
    LT_TRY(encode_plain(tok, a, a_bytes, &w->one, one_spans));
    if (b) LT_TRY(encode_plain(tok, b, b_bytes, &w->two, two_spans));
    int64_t n = w->one.n, m = w->two.n;
    if (max_length > 0) LT_TRY(cut(how, b != NULL, max_length - frame.before - frame.between - frame.after, &n, &m));
    *truncated = n < w->one.n || m < w->two.n;
    *segment = -1;
    for (int i = 0; i < t->n; i++) {
        if (t->item[i] == LT_TPL_FIRST) {
            LT_TRY(append(ids, w->one.id, n, spans, w->one_spans.at));
        } else if (t->item[i] == LT_TPL_SECOND) {
            *segment = ids->n - first;
            LT_TRY(append(ids, w->two.id, m, spans, w->two_spans.at));
        } else {
            LT_TRY(append(ids, &t->item[i], 1, spans, NULL));
        }
    }
    if (*segment < 0) *segment = ids->n - first;
    return LT_OK;
}

/* --- queries ----------------------------------------------------------------------------------------------------------------------------- */

lt_status lt_tok_sha256(const lt_tok *tok, char hex[LT_SHA_HEX_BYTES]) { return lt_sha_file(tok->tables->path, hex); }
const char *lt_tok_kind_name(const lt_tok *tok) { return tok->tables->kind_name; }

int64_t lt_tok_vocab_size(const lt_tok *tok) {
    const lt_tok_tables *t = tok->tables;
    int64_t added = t->n_added ? t->added[t->n_added - 1].id + 1 : 0;
    return added > t->model->vocab.n ? added : t->model->vocab.n;
}

int32_t lt_tok_token_id(const lt_tok *tok, const char *token) {
    for (int i = 0; i < tok->tables->n_added; i++)
        if (!strcmp(tok->tables->added[i].text, token)) return tok->tables->added[i].id;
    return lt_vocab_find(&tok->tables->model->vocab, token, strlen(token));
}

int32_t lt_tok_cls(const lt_tok *tok) { return tok->tables->cls; }
int32_t lt_tok_sep(const lt_tok *tok) { return tok->tables->sep; }
int32_t lt_tok_pad(const lt_tok *tok) { return tok->tables->pad; }
int32_t lt_tok_unk(const lt_tok *tok) { return tok->tables->unk; }
int32_t lt_tok_mask(const lt_tok *tok) { return tok->tables->mask; }
int32_t lt_tok_bos(const lt_tok *tok) { return tok->tables->bos; }
int32_t lt_tok_eos(const lt_tok *tok) { return tok->tables->eos; }
