/* GPT-2's bytes: every byte of a text becomes a character that can be seen, so that a vocabulary of such characters can say any text.
 *
 * 188 bytes, those of printable Latin-1, stand for the character of their number, the others for U+0100 and on; so each of ours is one or two bytes of UTF-8.
 * Words are cut first, by GPT-2's expression, and their bytes mapped afterwards, in one pass: most words are ASCII, where only the space becomes two bytes. */
#include "text/pretokenize_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const char gpt2_words[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

typedef struct byte_char {
    char s[3];
    unsigned char n;
} byte_char;

typedef struct byte_level {
    bool prefix;
    lt_regex *words; /* NULL: a piece is a word */
    byte_char to[256];
} byte_level;

void lt_pre_impl_close_bytelevel(void *state) {
    byte_level *b = state;
    if (!b) return;
    lt_regex_close(&b->words);
    free(b);
}

lt_status lt_pre_impl_open_bytelevel(const json_t *o, const char *where, void **state) {
    byte_level *b;
    bool words = true;
    lt_status st;
    LT_TRY(lt_calloc(&b, 1, sizeof *b, "a pre-tokeniser"));
    LT_TRY_GOTO(lt_pre_impl_get_bool(o, where, "add_prefix_space", -1, &b->prefix), st, done);
    LT_TRY_GOTO(lt_pre_impl_get_bool(o, where, "use_regex", true, &words), st, done);
    if (words) LT_TRY_GOTO(lt_regex_open(gpt2_words, where, &b->words), st, done);
    for (int byte = 0, others = 0; byte < 256; byte++) {
        bool same = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        b->to[byte].n = (unsigned char)lt_tok_impl_put_char(same ? byte : 256 + others++, b->to[byte].s);
    }
    *state = b;
    b = NULL;
done:
    lt_pre_impl_close_bytelevel(b);
    return st;
}

/* Appends text [bytes], mapped, to a stage that has room for two bytes each.  from: the spans of the text's bytes, NULL where none are kept. */
static void map_bytes(const byte_level *b, const char *text, int64_t bytes, const lt_span *from, lt_stage *out) {
    char *at = out->text.s + out->text.n;
    lt_span *to = from ? out->text.from + out->text.n : NULL;
    for (int64_t i = 0; i < bytes; i++) {
        const byte_char *c = &b->to[(unsigned char)text[i]];
        memcpy(at, c->s, 2);
        at += c->n;
        for (int n = c->n; from && n; n--) *to++ = from[i];
    }
    out->text.n = at - out->text.s;
}

/* A piece of text: cut into words and mapped.  prefix: a space that the text does not have stands before it, and has the span of the first character. */
static lt_status run_piece(const byte_level *b, lt_tok_work *w, const lt_stage *s, lt_piece p, lt_stage *out) {
    const char *text = s->text.s + p.begin;
    const lt_span *from = s->spans ? s->text.from + p.begin : NULL;
    int64_t bytes = p.end - p.begin, prefix = b->prefix && *text != ' ';
    if (prefix) {
        LT_TRY(lt_tok_impl_room(w, bytes + 1));
        w->bytes[0] = ' ';
        memcpy(w->bytes + 1, text, (size_t)bytes);
        text = w->bytes;
        bytes++;
    }
    LT_TRY(lt_stage_reserve(out, 2 * bytes));
    lt_finder f = {.re = b->words, .w = w, .text = text, .bytes = bytes, .last = -1};
    for (bool more = true;;) {
        if (b->words) {
            LT_TRY(lt_finder_next(&f, &more));
        } else {
            more = f.end < bytes;
            f.end = bytes;
        }
        if (!more) return LT_OK;
        lt_piece word = {.begin = out->text.n, .id = -1, .first = p.first && f.begin == 0};
        if (prefix && f.begin == 0) {
            map_bytes(b, text, 1, from, out);
            f.begin = 1;
        }
        map_bytes(b, text + f.begin, f.end - f.begin, from ? from + f.begin - prefix : NULL, out);
        word.end = out->text.n;
        LT_TRY(lt_stage_piece(out, word));
    }
}

lt_status lt_pre_impl_run_bytelevel(const void *state, lt_tok_work *w, lt_stage *s, lt_stage *spare) {
    for (int64_t i = 0; i < s->n; i++) {
        lt_piece p = s->piece[i];
        if (p.id < 0) {
            LT_TRY(run_piece(state, w, s, p, spare));
            continue;
        }
        int64_t begin = spare->text.n;
        LT_TRY(lt_stage_copy(spare, s, p.begin, p.end));
        p.begin = begin;
        p.end = spare->text.n;
        LT_TRY(lt_stage_piece(spare, p));
    }
    lt_stage_swap(s, spare);
    return LT_OK;
}
