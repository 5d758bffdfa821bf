/* WordPiece of the BERT family (Devlin et al. 2019), with Hugging Face's BertNormalizer and BertPreTokenizer before it:
 *
 *   clean        control characters, U+0000 and U+FFFD go; white space becomes a space
 *   CJK          ideographs become words of their own
 *   accents      NFD, then combining marks (Mn) go.  Marks of other classes keep their order: no vocabulary holds words with several
 *   lower case   character by character
 *   words        split at spaces; every punctuation character (ASCII, or Unicode P*) is a word
 *   pieces       greedy, longest first; continuations are marked ##; a word that cannot be covered, or that is too long, is [UNK]
 *
 * A sequence of code points is normalised at once; words are then looked up in UTF-8. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Appends one code point to the normalised text, lower-cased if asked.  out has room. */
static int64_t put(const lt_tok *t, int32_t c, int32_t *out, int64_t n) {
    if (t->lower && c == 0x130) { /* the one character whose lower case is two */
        out[n++] = 'i';
        c = 0x307;
    } else if (t->lower) {
        c = utf8proc_tolower(c);
    }
    out[n++] = c;
    return n;
}

/* Code points that a byte of text can become (the worst is U+01D5: 2 bytes, 3 code points), and room for what one may become at most. */
enum { GROWTH = 2, PARTS = 18 };

/* Code points of text, normalised, into out [GROWTH * bytes + PARTS]; their number. */
static lt_status normalise(const lt_tok *t, const char *text, size_t bytes, int32_t *out, int64_t *n_out) {
    int64_t n = 0;
    for (size_t at = 0; at < bytes;) {
        int32_t c, parts[PARTS];
        c = (unsigned char)text[at];
        if (c < 127 && c > 32) { /* the usual case: printable ASCII */
            out[n++] = t->lower && c >= 'A' && c <= 'Z' ? c + 32 : c;
            at++;
            continue;
        }
        at += (size_t)utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(bytes - at),
                                       &c); /* the caller checked the text */
        if (t->clean && lt_tok_impl_is_control(c)) continue;
        if (lt_tok_impl_is_space(c)) {
            out[n++] = ' ';
            continue;
        }
        bool alone = t->split_cjk && lt_tok_impl_is_cjk(c);
        if (alone) out[n++] = ' ';
        if (t->strip_accents) {
            int last = 0;
            utf8proc_ssize_t k = utf8proc_decompose_char(c, parts, PARTS, UTF8PROC_DECOMPOSE, &last);
            LT_CHECK(k >= 0 && k <= PARTS, LT_ERR_INTERNAL, "U+%04X cannot be decomposed", (unsigned)c);
            for (utf8proc_ssize_t i = 0; i < k; i++)
                if (!lt_tok_impl_is_mark(parts[i])) n = put(t, parts[i], out, n);
        } else {
            n = put(t, c, out, n);
        }
        if (alone) out[n++] = ' ';
    }
    *n_out = n;
    return LT_OK;
}

/* Pieces of one word of n code points. */
static lt_status encode_word(const lt_tok *t, const int32_t *word, int64_t n, lt_ids *ids) {
    char utf8[2 + 4 * LT_TOK_LONGEST_WORD];
    int at[LT_TOK_LONGEST_WORD + 1]; /* byte offset of every code point, after the two marks */
    int64_t first = ids->n;
    if (n > t->max_word_chars) return lt_ids_push(ids, t->unk);
    at[0] = 2;
    for (int64_t i = 0; i < n; i++) at[i + 1] = at[i] + (int)utf8proc_encode_char(word[i], (utf8proc_uint8_t *)utf8 + at[i]);
    for (int64_t from = 0; from < n;) {
        int32_t id = -1;
        int64_t to = n;
        for (; to > from; to--) {
            /* a continuation is looked up with the marks in front: they overwrite what was before it */
            char saved[2];
            char *start = utf8 + at[from] - (from ? 2 : 0);
            memcpy(saved, start, 2);
            if (from) memcpy(start, "##", 2);
            id = lt_vocab_find(&t->vocab, start, (size_t)(utf8 + at[to] - start));
            if (from) memcpy(start, saved, 2);
            if (id >= 0) break;
        }
        if (id < 0) {
            ids->n = first;
            return lt_ids_push(ids, t->unk);
        }
        LT_TRY(lt_ids_push(ids, id));
        from = to;
    }
    return LT_OK;
}

static lt_status encode(const lt_tok *t, const char *text, size_t bytes, lt_ids *ids) {
    int32_t *c = NULL;
    int64_t n = 0;
    LT_TRY(lt_calloc(&c, (int64_t)bytes * GROWTH + PARTS, sizeof *c, "a text"));
    lt_status st = normalise(t, text, bytes, c, &n);
    for (int64_t from = 0, to; st == LT_OK && from < n; from = to) {
        to = from + 1;
        if (lt_tok_impl_is_space(c[from])) continue;
        if (!lt_tok_impl_is_punctuation(c[from]))
            while (to < n && !lt_tok_impl_is_space(c[to]) && !lt_tok_impl_is_punctuation(c[to])) to++;
        st = encode_word(t, c + from, to - from, ids);
    }
    free(c);
    return st;
}

/* Whether no space belongs before a token: the rule of Hugging Face's decoder, which looks at one token at a time. */
static bool sticks(const char *s) {
    static const char *const start[] = {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"};
    for (size_t i = 0; i < sizeof start / sizeof *start; i++)
        if (!strncmp(s, start[i], strlen(start[i]))) return true;
    return false;
}

/* Words with a space between, continuations joined. */
static void decode(const lt_tok *t, const int32_t *id, int64_t n, void *file) {
    for (int64_t i = 0; i < n; i++) {
        const char *s = t->vocab.token[id[i]];
        bool joined = i > 0 && !strncmp(s, "##", 2);
        if (i > 0 && !joined && !sticks(s)) fputc(' ', file);
        fputs(joined ? s + 2 : s, file);
    }
}

const lt_tok_kind lt_tok_impl_wordpiece = {.name = "wordpiece", .encode = encode, .decode = decode};
