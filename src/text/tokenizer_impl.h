#pragma once
/* Private to the text room: what kinds share. */

#include "text/tokenizer.h"

enum { LT_TOK_LONGEST_WORD = 1000 }; /* code points; what a tokenizer file may ask for */

typedef struct lt_tok_kind {
    const char *name;
    /* Appends the ids of text without specials and without added tokens in it.  text is UTF-8: that is checked before. */
    lt_status (*encode)(const lt_tok *tok, const char *text, size_t bytes, lt_ids *ids);
    /* Writes the text of ids to f. */
    void (*decode)(const lt_tok *tok, const int32_t *id, int64_t n, void *file);
} lt_tok_kind;

/* Vocabulary: tokens by id and a hash table over their texts. */
typedef struct lt_vocab {
    char **token;  /* [n], NULL for ids that are not used */
    size_t *bytes; /* [n] of token, without the zero behind it */
    int64_t n, cap;
    int32_t *slot; /* [mask + 1] id + 1, 0 = empty */
    uint64_t mask;
} lt_vocab;

struct lt_tok {
    const lt_tok_kind *kind;
    char *path; /* the defining file */
    lt_vocab vocab;
    int32_t cls, sep, pad, unk, mask, bos, eos; /* -1 = none */
    int32_t before, middle, after;              /* ids around a single text, between two, after the last; -1 = none */
    int32_t *added;                             /* ids of tokens that are found in the raw text, longest text first */
    int n_added;
    bool added_start[256]; /* bytes that begin one of them */
    bool *special;         /* [vocab.n] */
    /* wordpiece */
    bool lower, strip_accents, split_cjk, clean;
    int64_t max_word_chars; /* at most LT_TOK_LONGEST_WORD */
    /* llama2c */
    float *score; /* [vocab.n] */
};

extern const lt_tok_kind lt_tok_impl_wordpiece, lt_tok_impl_llama2c;

/* unicode.c.  Classes of code points: white space; control, format or private use (U+FFFD too; tab, LF and CR not); punctuation; non-spacing
 * mark; ideograph. */
bool lt_tok_impl_is_space(int32_t c);
bool lt_tok_impl_is_control(int32_t c);
bool lt_tok_impl_is_punctuation(int32_t c);
bool lt_tok_impl_is_mark(int32_t c);
bool lt_tok_impl_is_cjk(int32_t c);

/* vocab.c.  Sets the text of an id, growing the table.  Errors: NOMEM, FORMAT (an id twice). */
lt_status lt_vocab_put(lt_vocab *v, int64_t id, const char *text, size_t bytes);
/* vocab.c.  Builds the hash table once all are put. */
lt_status lt_vocab_index(lt_vocab *v);
/* vocab.c.  Id of text [bytes], -1 if none. */
int32_t lt_vocab_find(const lt_vocab *v, const char *text, size_t bytes);
void lt_vocab_free(lt_vocab *v);

/* open_*.c: fill tok from a file. */
lt_status lt_tok_impl_open_json(lt_tok *tok, const char *path);
lt_status lt_tok_impl_open_vocab_txt(lt_tok *tok, const char *path, const char *dir);
lt_status lt_tok_impl_open_llama2c(lt_tok *tok, const char *path);
/* tokenizer.c.  Sets BERT's specials from the vocabulary and marks them. */
lt_status lt_tok_impl_bert_specials(lt_tok *tok);
/* tokenizer.c.  Lets an id be found in raw text; special: decoding can leave it out. */
lt_status lt_tok_impl_add(lt_tok *tok, int32_t id, bool special);
