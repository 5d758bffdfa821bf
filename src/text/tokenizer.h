#pragma once
/* Tokenizers: text <-> token ids, as Hugging Face's fast tokenizers have them.
 *
 * A folder decides what is built: tokenizer.json; vocab.txt (BERT); vocab.json with merges.txt (GPT-2, RoBERTa, DeBERTa); a sentencepiece *.model
 * (Llama, DeBERTa-v3, XLM-R, Gemma); a llama2.c vocabulary (*.bin).  tokenizer_config.json and special_tokens_map.json beside them are respected.
 *
 * Text is UTF-8; anything else is FORMAT with the place of the first wrong byte, and nothing is appended.  Zero bytes are characters like others.
 * Threads: what is open is shared, a handle has its own room to work in: one thread at a time a handle, and a twin for each other thread. */

#include "base/sha256.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_tok lt_tok;

/* Growing list of token ids, owned by the caller; start from {0}. */
typedef struct lt_ids {
    int32_t *id; /* [n] */
    int64_t n, cap;
} lt_ids;
/* Local.  Appends one id.  Errors: NOMEM. */
lt_status lt_ids_push(lt_ids *ids, int32_t id);
/* Local.  Frees and empties. */
void lt_ids_free(lt_ids *ids);

/* Bytes [begin, end) of a text. */
typedef struct lt_span {
    int32_t begin, end;
} lt_span;
/* Growing list of spans, owned by the caller; start from {0}. */
typedef struct lt_spans {
    lt_span *at; /* [n] */
    int64_t n, cap;
} lt_spans;
/* Local.  Frees and empties. */
void lt_spans_free(lt_spans *spans);

/* Local.  Opens the tokenizer of a model folder, or one file.  Errors: IO (none found: what was looked for), FORMAT (damaged; a component that is not
 * supported is named), NOMEM. */
lt_status lt_tok_open(const char *path, lt_tok **tok);
/* Local.  A second handle on the same tokenizer, for another thread.  Errors: NOMEM. */
lt_status lt_tok_twin(const lt_tok *tok, lt_tok **twin);
/* Local.  Accepts NULL inside; sets NULL.  What is shared goes with the last handle. */
void lt_tok_close(lt_tok **tok);

/* Local.  Appends the ids of text [at most 256 MB] to ids; special: with the tokens that belong around a single text.  spans, unless NULL, gets for
 * each id the bytes of text that it stands for ({0, 0} for tokens around it).  Errors: FORMAT (not UTF-8), ARG (too long), NOMEM. */
lt_status lt_tok_encode(const lt_tok *tok, const char *text, size_t bytes, bool special, lt_ids *ids, lt_spans *spans);

typedef enum lt_truncation {
    LT_LONGEST_FIRST, /* the longer of two gives way first */
    LT_ONLY_FIRST,    /* the first text gives way, the second is kept */
    LT_ONLY_SECOND
} lt_truncation;

/* Local.  Appends the ids of a text and, if b is not NULL, a second one, with specials, cut to max_length ids in all (0 = no limit).  spans as above;
 * those of the second text are places in it.  Errors: FORMAT (not UTF-8), ARG (max_length leaves no room the way `how` asks), NOMEM.
 *   segment    out  index, counted from the first appended id, where the second text begins (without one: number of ids)
 *   truncated  out  true if anything was cut */
lt_status lt_tok_encode_pair(const lt_tok *tok, const char *a, size_t a_bytes, const char *b, size_t b_bytes, int64_t max_length,
                             lt_truncation how, lt_ids *ids, lt_spans *spans, int64_t *segment, bool *truncated);
/* Local.  The lengths that two texts of *a and *b tokens keep when together they may have room: Hugging Face's longest_first. */
void lt_tok_longest_first(int64_t *a, int64_t *b, int64_t room);
/* Numbers of special tokens before the first text, between two (0 for a single one) and after the last: who cuts a sequence keeps them. */
typedef struct lt_tok_frame {
    int before, between, after;
} lt_tok_frame;
/* Local.  The frame of a single text or of a pair. */
lt_tok_frame lt_tok_frame_of(const lt_tok *tok, bool pair);

/* Local.  ids -> text, released by free(); skip_special leaves specials out.  text_bytes, unless NULL, gets its length: a text may hold zero bytes.
 * Errors: ARG (an id outside the vocabulary), NOMEM. */
lt_status lt_tok_decode(const lt_tok *tok, const int32_t *id, int64_t n, bool skip_special, char **text, size_t *text_bytes);
/* A text that grows id by id; start from {0}. */
typedef struct lt_tok_stream {
    char *text;                   /* what the last call added, never half a character; owned */
    size_t bytes;                 /* of text */
    struct lt_decoding *decoding; /* private */
} lt_tok_stream;
/* Local.  Adds an id; s->text is what it adds to the text, perhaps nothing: what may still change is held back (half a character, a space before
 * punctuation, a text that an expression is looked for in).  All that a stream gives together is what lt_tok_decode gives of all ids.  Errors: as
 * lt_tok_decode; an id outside the vocabulary adds nothing. */
lt_status lt_tok_stream_add(const lt_tok *tok, lt_tok_stream *s, int32_t id, bool skip_special);
/* Local.  s->text becomes what was held back, its incomplete characters as U+FFFD; the next id begins a new text. */
lt_status lt_tok_stream_end(const lt_tok *tok, lt_tok_stream *s);
/* Local.  Frees and empties. */
void lt_tok_stream_free(lt_tok_stream *s);

/* Local.  SHA-256 of the file that defines the tokenizer. */
lt_status lt_tok_sha256(const lt_tok *tok, char hex[LT_SHA_HEX_BYTES]);
/* Local.  "WordPiece", "BPE", "Unigram", "llama2c". */
const char *lt_tok_kind_name(const lt_tok *tok);
/* Local.  Largest id and one. */
int64_t lt_tok_vocab_size(const lt_tok *tok);
/* Local.  Id of a token by its text, -1 if there is none; and of the specials. */
int32_t lt_tok_token_id(const lt_tok *tok, const char *token);
int32_t lt_tok_cls(const lt_tok *tok);
int32_t lt_tok_sep(const lt_tok *tok);
int32_t lt_tok_pad(const lt_tok *tok);
int32_t lt_tok_unk(const lt_tok *tok);
int32_t lt_tok_mask(const lt_tok *tok);
int32_t lt_tok_bos(const lt_tok *tok);
int32_t lt_tok_eos(const lt_tok *tok);

#ifdef __cplusplus
}
#endif
