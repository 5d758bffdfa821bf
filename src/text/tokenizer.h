#pragma once
/* Tokenizers: text <-> token ids, as Hugging Face has them.
 *
 * A folder decides the kind: tokenizer.json or vocab.txt of the BERT family (WordPiece), or a llama2.c vocabulary (*.bin; sentencepiece-style BPE by
 * scores).  A kind is a file with a vtable of two functions, pieces of text -> ids and ids -> text; specials, pairs and truncation are common.
 *
 * Text is UTF-8; anything else is FORMAT with the place of the first wrong byte, and nothing is appended.  Threads: an open tokenizer is read-only and may
 * be used by several threads. */

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

/* Local.  Opens the tokenizer of a model folder, or one file.  Errors: IO (none found: what was looked for), FORMAT (not JSON, a kind that is not known,
 * a field missing), NOMEM. */
lt_status lt_tok_open(const char *path, lt_tok **tok);
/* Local.  Accepts NULL inside; sets NULL. */
void lt_tok_close(lt_tok **tok);

/* Local.  Appends the ids of text [bytes] to ids; special: with the tokens that open and close a single text.  Errors: FORMAT (not
 * UTF-8), NOMEM. */
lt_status lt_tok_encode(const lt_tok *tok, const char *text, size_t bytes, bool special, lt_ids *ids);
/* Local.  Appends the ids of a text and, if b is not NULL, a second one, with specials, cut to max_length ids in all (0 = no limit), longest first.
 * Errors: FORMAT (not UTF-8), NOMEM.
 *   segment    out  index, counted from the first appended id, where the second text begins (without one: number of ids)
 *   truncated  out  true if anything was cut */
lt_status lt_tok_encode_pair(const lt_tok *tok, const char *a, const char *b, int64_t max_length, lt_ids *ids, int64_t *segment,
                             bool *truncated);
/* Local.  The lengths that two texts of *a and *b tokens keep when together they may have room: Hugging Face's longest_first. */
void lt_tok_longest_first(int64_t *a, int64_t *b, int64_t room);
/* Local.  ids -> text, released by free(); skip_special leaves specials out.  Errors: ARG (an id outside the vocabulary), NOMEM. */
lt_status lt_tok_decode(const lt_tok *tok, const int32_t *id, int64_t n, bool skip_special, char **text);

/* Local.  SHA-256 of the file that defines the tokenizer (tokenizer.json, else vocab.txt, else the *.bin). */
lt_status lt_tok_sha256(const lt_tok *tok, char hex[LT_SHA_HEX_BYTES]);
/* Local.  "wordpiece", "llama2c". */
const char *lt_tok_kind_name(const lt_tok *tok);
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
