/* Ids into text, whole or as a text that grows id by id.  The decoders themselves work token by token and hold back what may still change
 * (decode_run.c), so a stream is no more than their state, kept between calls: nothing is decoded twice, and all pieces together are what decoding
 * all ids at once gives. */
#include "text/tokenizer_impl.h"

#include <stdlib.h>
#include <string.h>

/* The token of an id; *text NULL: it is left out. */
static lt_status token_of(const lt_tok *tok, int32_t id, bool skip_special, const char **text, size_t *bytes) {
    const lt_vocab *v = &tok->tables->model->vocab;
    const lt_added *a = lt_tok_impl_added_of(tok->tables, id);
    *text = a ? a->text : lt_vocab_text(v, id, bytes);
    LT_CHECK(*text, LT_ERR_ARG, "token id %d is not in this vocabulary of %lld", id, (long long)lt_tok_vocab_size(tok));
    if (a) *bytes = strlen(a->text);
    if (!a && skip_special && v->repeated)
        a = lt_tok_impl_added_of(tok->tables, lt_vocab_find(v, *text, *bytes)); /* what is special is a text */
    if (a && a->special && skip_special) *text = NULL;
    return LT_OK;
}

/* What is certain now becomes s->text. */
static lt_status take(lt_tok_stream *s) {
    free(s->text);
    s->text = NULL;
    s->bytes = 0;
    return lt_tok_impl_decoding_take(s->decoding, &s->text, &s->bytes);
}

static lt_status start(const lt_tok *tok, lt_tok_stream *s) {
    return s->decoding ? LT_OK : lt_tok_impl_decoding_start(tok->tables->decoders, tok->tables->clean_up, &s->decoding);
}

lt_status lt_tok_stream_add(const lt_tok *tok, lt_tok_stream *s, int32_t id, bool skip_special) {
    const char *text;
    size_t bytes = 0;
    LT_TRY(token_of(tok, id, skip_special, &text, &bytes));
    LT_TRY(start(tok, s));
    lt_regex_allow(tok->work, 0, true); /* what lies between two calls is not the expressions' time */
    if (text) LT_TRY(lt_tok_impl_decoding_add(s->decoding, tok->work, text, bytes));
    return take(s);
}

lt_status lt_tok_stream_end(const lt_tok *tok, lt_tok_stream *s) {
    LT_TRY(start(tok, s));
    lt_regex_allow(tok->work, lt_tok_impl_decoding_given(s->decoding), true);
    LT_TRY(lt_tok_impl_decoding_end(s->decoding, tok->work));
    LT_TRY(take(s));
    lt_tok_impl_decoding_free(&s->decoding);
    return LT_OK;
}

void lt_tok_stream_free(lt_tok_stream *s) {
    lt_tok_impl_decoding_free(&s->decoding);
    free(s->text);
    *s = (lt_tok_stream){0};
}

lt_status lt_tok_decode(const lt_tok *tok, const int32_t *id, int64_t n, bool skip_special, char **text, size_t *text_bytes) {
    lt_decoding *d = NULL;
    lt_status st = LT_OK;
    size_t length = 0;
    *text = NULL;
    LT_TRY(lt_tok_impl_decoding_start(tok->tables->decoders, tok->tables->clean_up, &d));
    lt_regex_allow(tok->work, 0, true);
    for (int64_t i = 0; i < n; i++) {
        const char *token;
        size_t bytes = 0;
        LT_TRY_GOTO(token_of(tok, id[i], skip_special, &token, &bytes), st, done);
        if (token) LT_TRY_GOTO(lt_tok_impl_decoding_add(d, tok->work, token, bytes), st, done);
    }
    LT_TRY_GOTO(lt_tok_impl_decoding_end(d, tok->work), st, done);
    LT_TRY_GOTO(lt_tok_impl_decoding_take(d, text, &length), st, done);
    if (text_bytes) *text_bytes = length;
done:
    lt_tok_impl_decoding_free(&d);
    return st;
}
