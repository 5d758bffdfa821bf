#pragma once
/* Private to the text room: a tokenizer as a pipeline.
 *
 *     text -> [added tokens] -> normalisers -> [added tokens, normalised] -> pre-tokenisers -> model (words -> ids) -> template
 *     ids  -> tokens -> decoders -> text
 *
 * Up to the model, a text travels as a *stage*: bytes, cut into pieces.  A step is one of Hugging Face's components, with its settings read from
 * JSON; it changes the bytes, or cuts pieces finer, or both.  Pieces that are added tokens already have their id and pass by.  Sequences are
 * flattened when a tokenizer is opened.  Folders without a tokenizer.json are opened by writing down, as JSON, what their family's tokenizer.json
 * would say: there is one way to build a pipeline.
 *
 * What a file defines is never changed after opening and shared by the handles of several threads; each handle has its own room to work in. */

#include "text/tokenizer.h"

#include <jansson.h>

struct lt_tok_work;
struct lt_tok_tables;
struct lt_tok_cache;

/* --- vocabulary (vocab.c) ------------------------------------------------------------------------------------------------------------- */

enum { LT_TOK_MAX_ID = (1 << 22) - 1 }; /* sixteen times the largest vocabulary there is; a table of so many ids is made in no time */

/* Texts of tokens by id, and a hash table over them.  Texts lie in one block; an id without a text has begin < 0. */
typedef struct lt_vocab {
    char *pool;
    int64_t pool_bytes, pool_cap;
    int64_t *begin; /* [n] of an id's text in pool; -1 = the id is not used */
    int32_t *bytes; /* [n] of its text; a zero byte follows, and texts may hold zero bytes */
    int64_t n, cap;
    uint64_t *slot; /* [mask + 1] upper half of the hash, id + 1; 0 = empty */
    uint64_t mask;
    bool repeated; /* some text has several ids */
} lt_vocab;
/* Sets the text of an id, growing the table.  Errors: NOMEM, FORMAT (an id out of range or twice). */
lt_status lt_vocab_put(lt_vocab *v, int64_t id, const char *text, size_t bytes);
/* Builds the hash table once all are put; of two ids with one text the later counts. */
lt_status lt_vocab_index(lt_vocab *v);
/* Id of text [bytes], -1 if none. */
int32_t lt_vocab_find(const lt_vocab *v, const char *text, size_t bytes);
/* Text of an id, NULL if the id is not used; *bytes may be NULL. */
const char *lt_vocab_text(const lt_vocab *v, int64_t id, size_t *bytes);
void lt_vocab_free(lt_vocab *v);
/* Hash of bytes, for every table of this room. */
uint64_t lt_tok_impl_hash(const void *data, size_t bytes);

/* --- byte tries (trie.c) -------------------------------------------------------------------------------------------------------------- */

/* Texts as paths of bytes from node 0; a hash table of edges, which costs what the texts cost whatever their alphabet. */
typedef struct lt_trie {
    uint64_t *edge; /* [mask + 1] (node << 8 | byte) + 1 in the upper half, child in the lower; 0 = empty */
    uint64_t mask;
    int32_t *value; /* [n] of the text that ends at a node, -1 = none */
    int64_t n, cap;
} lt_trie;
/* Adds a text; of two equal ones the first value stays (replace: the last).  An empty text is left out.  Errors: NOMEM, FORMAT (too many nodes). */
lt_status lt_trie_put(lt_trie *t, const char *text, size_t bytes, int32_t value, bool replace);
void lt_trie_free(lt_trie *t);
static inline uint64_t lt_trie_hash(uint64_t key) {
    key *= 0x9E3779B97F4A7C15u;
    return key ^ key >> 29;
}
/* The node behind `node` by a byte, -1 if there is none. */
static inline int32_t lt_trie_step(const lt_trie *t, int32_t node, unsigned char byte) {
    uint64_t key = ((uint64_t)(uint32_t)node << 8 | byte) + 1;
    if (!t->edge) return -1;
    for (uint64_t at = lt_trie_hash(key) & t->mask; t->edge[at]; at = (at + 1) & t->mask)
        if (t->edge[at] >> 32 == key) return (int32_t)(uint32_t)t->edge[at];
    return -1;
}

/* --- a text on its way (stage.c) ------------------------------------------------------------------------------------------------------ */

/* Bytes, and for each the bytes of the given text that it stands for. */
typedef struct lt_flow {
    char *s;       /* [n] UTF-8 */
    lt_span *from; /* [n]; only where spans are wanted, else NULL */
    int64_t n, cap;
} lt_flow;

typedef struct lt_piece {
    int64_t begin, end; /* bytes of the flow */
    int32_t id;         /* of an added token; -1: text */
    bool first;         /* begins where the given text begins */
} lt_piece;

typedef struct lt_stage {
    lt_flow text;
    lt_piece *piece; /* [n] in order; what lies between them is gone.  No piece of text is empty */
    int64_t n, cap;
    bool spans;   /* text.from is kept */
    int64_t most; /* bytes that the text may have; 0 = no limit */
} lt_stage;
void lt_stage_free(lt_stage *s);
/* Empties text and pieces; spans and the limit stay as they are. */
void lt_stage_clear(lt_stage *s);
/* The limit for a text of so many bytes: far above what any sensible normaliser makes of it, and such that places fit an lt_token. */
int64_t lt_stage_limit(int64_t bytes);
/* Room for n bytes more in s->text, and for their spans where these are kept, so that they can be written in place.  Errors: NOMEM, FORMAT (the text
 * has more bytes than it may have: steps that blow a text up, each doubling it, end here and not with the memory). */
lt_status lt_stage_reserve(lt_stage *s, int64_t n);
/* Appends bytes that all stand for one span of the given text.  Errors: NOMEM. */
lt_status lt_stage_put(lt_stage *s, const char *bytes, int64_t n, lt_span from);
/* Appends bytes [begin, end) of another stage, each with its span.  Errors: NOMEM. */
lt_status lt_stage_copy(lt_stage *s, const lt_stage *from, int64_t begin, int64_t end);
/* Appends a piece; an empty one of text is left out.  Errors: NOMEM, FORMAT (its end lies beyond the limit). */
lt_status lt_stage_piece(lt_stage *s, lt_piece p);
/* The span of bytes [begin, end) of a stage that keeps spans; {0, 0} in one that does not. */
lt_span lt_stage_span(const lt_stage *s, int64_t begin, int64_t end);

/* --- steps (normalize.c, pretokenize.c) ------------------------------------------------------------------------------------------------ */

/* A step's state, as its open() made it: settings, compiled expressions, tables.  Read-only once open.
 * run(): s is the text so far, all pieces valid UTF-8; spare is another stage, empty, with the same `spans`.  A step that only cuts writes
 * spare->piece and swaps the pieces of the two (lt_stage_swap_pieces); one that changes bytes writes both text and pieces of spare and swaps all
 * (lt_stage_swap); one that finds nothing to do returns at once.  Pieces with an id are passed on as they are (their bytes too, where the text is
 * rewritten). */
typedef struct lt_step_kind {
    const char *type; /* as tokenizer.json names it */
    /* o is the component's object, its type already read; where says file and component for messages ("x/tokenizer.json: normalizer").  NULL: no
     * settings. Errors: FORMAT (a setting missing or of a wrong type, a pattern that is not supported: named), NOMEM. */
    lt_status (*open)(const json_t *o, const char *where, void **state);
    void (*close)(void *state);
    lt_status (*run)(const void *state, struct lt_tok_work *w, lt_stage *s, lt_stage *spare);
} lt_step_kind;

typedef struct lt_step {
    const lt_step_kind *kind;
    void *state;
} lt_step;

/* Ended by an entry without type. */
extern const lt_step_kind lt_tok_impl_normalizers[], lt_tok_impl_pretokenizers[];

void lt_stage_swap_pieces(lt_stage *s, lt_stage *spare);
void lt_stage_swap(lt_stage *s, lt_stage *spare);

/* --- regular expressions (regex.c) ----------------------------------------------------------------------------------------------------- */

/* An expression in Oniguruma's Ruby syntax, as tokenizer.json has them, translated for PCRE2. */
typedef struct lt_regex lt_regex;
/* Errors: FORMAT (with the place and PCRE2's words; syntax that means something else in PCRE2 and is not translated), NOMEM. */
lt_status lt_regex_open(const char *pattern, const char *where, lt_regex **re);
/* The same for a plain text [bytes], which may hold zero bytes; an empty one is found everywhere. */
lt_status lt_regex_open_literal(const char *text, size_t bytes, const char *where, lt_regex **re);
void lt_regex_close(lt_regex **re);
/* The next match in text [bytes] at or after `at`; looks around over the whole text.  *found false: there is none.
 * Errors: FORMAT (the expression needs more time or memory than it may have), NOMEM. */
lt_status lt_regex_next(const lt_regex *re, struct lt_tok_work *w, const char *text, int64_t bytes, int64_t at, bool *found, int64_t *begin,
                        int64_t *end);
/* Begins a text (fresh) of so many bytes, or makes it longer: how long its expressions may take together depends on that.  Without it there is no limit. */
void lt_regex_allow(struct lt_tok_work *w, int64_t bytes, bool fresh);
/* What matching needs, one a handle: made when first used, in work.regex. */
void lt_regex_room_free(void *room);

/* --- classes and forms of characters (unicode.c) --------------------------------------------------------------------------------------- */

/* Code points by the versions of Unicode that Hugging Face's libraries have, whatever this machine's are.  is_space: White_Space.  is_control: Cc,
 * Cf, Co (U+FFFD too; tab, LF and CR not).  is_punctuation: ASCII punctuation and P*.  is_mark: Mn.  is_numeric: Nd, Nl, No.  is_word: \w of Rust's
 * regex. */
bool lt_tok_impl_is_space(int32_t c);
bool lt_tok_impl_is_control(int32_t c);
bool lt_tok_impl_is_punctuation(int32_t c);
bool lt_tok_impl_is_mark(int32_t c);
bool lt_tok_impl_is_numeric(int32_t c);
bool lt_tok_impl_is_word(int32_t c);
bool lt_tok_impl_is_cjk(int32_t c);
/* Decodes the character at s, which is valid UTF-8, into *c; its bytes. */
int lt_tok_impl_char(const char *s, int32_t *c);
/* Encodes c at s (4 bytes of room); its bytes. */
int lt_tok_impl_put_char(int32_t c, char *s);

/* --- models (bpe.c, wordpiece.c, unigram.c) -------------------------------------------------------------------------------------------- */

/* A token of a word and the word's bytes that it covers. */
typedef struct lt_token {
    int32_t id, begin, end;
} lt_token;
typedef struct lt_tokens {
    lt_token *at;
    int64_t n, cap;
} lt_tokens;
lt_status lt_tokens_push(lt_tokens *t, int32_t id, int64_t begin, int64_t end);

typedef struct lt_tok_model lt_tok_model;
typedef struct lt_tok_model_kind {
    const char *name; /* "WordPiece", "BPE", "Unigram" as tokenizer.json has it */
    /* Appends the tokens of one word: a piece of text as the pre-tokenisers leave it, not empty. */
    lt_status (*encode)(const lt_tok_model *m, struct lt_tok_work *w, const char *word, int64_t bytes, lt_tokens *out);
    /* Optional.  Where the part of a word ends that begins at `at` and whose tokens do not depend on the rest: parts are cached, and long words
     * become short. */
    int64_t (*part)(const lt_tok_model *m, const char *word, int64_t bytes, int64_t at);
    void (*close)(lt_tok_model *m); /* frees m with all it owns, the vocabulary too */
} lt_tok_model_kind;
/* The head of every model's own struct. */
struct lt_tok_model {
    const lt_tok_model_kind *kind;
    lt_vocab vocab;
    int32_t unk; /* id of the token for what is unknown, -1 = none */
};

/* Two tokens that become one; their order in a list is their rank. */
typedef struct lt_merge {
    int32_t left, right;
} lt_merge;
typedef struct lt_bpe_options {
    const char *unk_token, *prefix, *suffix; /* NULL or "": none; prefix of what continues a word, suffix of what ends it */
    bool fuse_unk, byte_fallback, ignore_merges;
    const int32_t *rank; /* [n] of the merges, NULL: their places; of neighbours with one rank the leftmost are merged first */
} lt_bpe_options;
/* Models from tables that are at hand; they take the vocabulary over (*v becomes empty), also on failure.  where is named in messages.
 * Errors: FORMAT (a merge whose result is not in the vocabulary, a byte token missing ...), NOMEM. */
lt_status lt_tok_impl_bpe_create(lt_vocab *v, const lt_merge *merge, int64_t n, const lt_bpe_options *o, const char *where,
                                 lt_tok_model **m);
lt_status lt_tok_impl_wordpiece_create(lt_vocab *v, const char *unk_token, const char *prefix, int64_t max_word_chars, const char *where,
                                       lt_tok_model **m);
/* score [v->n]: copied. */
lt_status lt_tok_impl_unigram_create(lt_vocab *v, const double *score, int32_t unk, bool byte_fallback, const char *where,
                                     lt_tok_model **m);
/* All merges that a vocabulary with scores implies (sentencepiece's BPE): best score of the joint token first.  *merge is released by free(). */
lt_status lt_tok_impl_merges_of_scores(const lt_vocab *v, const float *score, lt_merge **merge, int64_t *n);

/* What is big in the "model" of a tokenizer.json: all of it that is not a switch. */
typedef struct lt_tok_parts {
    lt_vocab vocab;   /* texts and ids, not indexed */
    lt_merge *merge;  /* [n_merges] of BPE */
    int64_t n_merges; /* */
    double *score;    /* [vocab.n] of Unigram, or NULL */
} lt_tok_parts;
void lt_tok_impl_parts_free(lt_tok_parts *p);
/* open_model.c: parts from JSON.  model: the "model" object.  Errors: FORMAT, NOMEM. */
lt_status lt_tok_impl_read_parts(const json_t *model, const char *path, lt_tok_parts *p);
/* A model from its switches and its parts, which it takes over (they become empty), also on failure.  Errors: FORMAT, NOMEM. */
lt_status lt_tok_impl_open_model(const json_t *model, lt_tok_parts *p, const char *path, lt_tok_model **m);
/* parts_cache.c: parts of a large tokenizer.json as an earlier opening kept them.  *about: the file's object without what is in parts.  *about NULL:
 * not there. */
void lt_tok_impl_parts_recall(const char *sha256, json_t **about, lt_tok_parts *p);
/* Keeps them; about loses its vocabulary, merges and scores.  A cache that cannot be written is no failure. */
void lt_tok_impl_parts_keep(const char *sha256, json_t *about, const lt_tok_parts *p);

/* --- post-processing (post.c) ---------------------------------------------------------------------------------------------------------- */

enum { LT_TPL_FIRST = -1, LT_TPL_SECOND = -2 };
/* What a sequence is made of: ids of special tokens, and the texts (LT_TPL_*). */
typedef struct lt_template {
    int32_t *item; /* [n] */
    int32_t *type; /* [n] segment (token type) of each */
    int n;
} lt_template;
typedef struct lt_post {
    lt_template single, pair;
} lt_post;
/* o: the post_processor of a tokenizer.json, JSON null or NULL for none.  token_id gives ids by text.  Errors: FORMAT (a type that is not known, two
 * components that both add tokens, a special token that the tokenizer lacks), NOMEM. */
lt_status lt_tok_impl_open_post(const json_t *o, const lt_tok *tok, const char *path, lt_post *p);
void lt_tok_impl_close_post(lt_post *p);

/* --- decoders (decode.c) --------------------------------------------------------------------------------------------------------------- */

typedef struct lt_decoders lt_decoders;
/* o: the decoder of a tokenizer.json; NULL or JSON null: tokens with spaces between.  Errors: FORMAT (a setting, a type that is not known), NOMEM. */
lt_status lt_tok_impl_open_decoders(const json_t *o, const char *path, lt_decoders **d);
void lt_tok_impl_close_decoders(lt_decoders **d);
/* Tokens into text, token by token (decode_run.c).  take() gives what is certain by now, never half a character, released by free(); after end() it
 * is the rest. clean_up: with transformers' clean-up of spaces before punctuation behind the decoders. */
typedef struct lt_decoding lt_decoding;
lt_status lt_tok_impl_decoding_start(const lt_decoders *chain, bool clean_up, lt_decoding **d);
lt_status lt_tok_impl_decoding_add(lt_decoding *d, struct lt_tok_work *w, const char *token, size_t bytes);
lt_status lt_tok_impl_decoding_end(lt_decoding *d, struct lt_tok_work *w);
lt_status lt_tok_impl_decoding_take(lt_decoding *d, char **text, size_t *bytes);
/* Bytes of the tokens so far. */
int64_t lt_tok_impl_decoding_given(const lt_decoding *d);
void lt_tok_impl_decoding_free(lt_decoding **d);

/* --- the tokenizer --------------------------------------------------------------------------------------------------------------------- */

typedef struct lt_added {
    char *text;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} lt_added;

/* added.c: finding added tokens in text.  which: those matched before normalisation, or after it (their own texts normalised by the tables' steps).
 * Errors: NOMEM, FORMAT. */
lt_status lt_tok_impl_added_open(struct lt_tok_tables *t, struct lt_tok_work *w, bool normalized);
/* Cuts the pieces of text at added tokens. */
lt_status lt_tok_impl_added_run(const struct lt_tok_tables *t, bool normalized, lt_stage *s, lt_stage *spare);
/* The added token of an id, NULL if there is none. */
const lt_added *lt_tok_impl_added_of(const struct lt_tok_tables *t, int64_t id);

/* cache.c: the tokens of a word, looked up or made by the model; read before the next call.  Errors: the model's. */
lt_status lt_tok_impl_word(const lt_tok_model *m, struct lt_tok_work *w, const char *word, int64_t bytes, const lt_token **token,
                           int64_t *n);
void lt_tok_impl_cache_free(struct lt_tok_cache *c);

/* What a folder defines; shared, counted. */
typedef struct lt_tok_tables {
    char *path;      /* the defining file */
    char *kind_name; /* as lt_tok_kind_name says it */
    lt_step *step;   /* [n_steps] normalisers, then pre-tokenisers */
    int n_steps, n_normalizers;
    lt_tok_model *model;
    lt_added *added; /* [n_added] sorted by id */
    int n_added;
    lt_trie raw, normalized; /* added.c: their texts, as they are and as normalisation leaves them; values are places in added */
    bool starts_raw[256], starts_normalized[256]; /* bytes that begin one of them */
    lt_post post;
    lt_decoders *decoders;
    bool clean_up;                              /* decoding ends with transformers' clean-up of spaces */
    int32_t cls, sep, pad, unk, mask, bos, eos; /* -1 = none */
    int handles;
} lt_tok_tables;

/* One handle's room. */
typedef struct lt_tok_work {
    lt_stage stage, spare;
    lt_tokens word;
    void *regex; /* regex.c */
    double regex_since,
        regex_late_since; /* regex.c: when this text began, and when it was first found late, by two clocks; 0 = no limit, not yet */
    int64_t regex_bytes, regex_calls; /* of this text */
    lt_ids one, two;                  /* of a pair */
    lt_spans one_spans, two_spans;
    struct lt_tok_cache *cache; /* cache.c: words and their tokens */
    char *bytes;                /* [bytes_cap] free for a step while it runs */
    int64_t bytes_cap;
} lt_tok_work;
/* Room of at least n bytes in w->bytes.  Errors: NOMEM. */
lt_status lt_tok_impl_room(lt_tok_work *w, int64_t n);

struct lt_tok {
    lt_tok_tables *tables;
    lt_tok_work *work;
};

/* tokenizer.c: text [bytes], which is UTF-8, as a stage of one piece through the first n_steps steps, with added tokens found on the way.  It ends in
 * w->stage. */
lt_status lt_tok_impl_run(const lt_tok_tables *t, lt_tok_work *w, const char *text, int64_t bytes, bool spans);
void lt_tok_impl_work_free(lt_tok_work *w);
void lt_tok_impl_tables_free(lt_tok_tables *t);

/* Builds tables from a description in tokenizer.json's form, whose "model" is at hand (*model is taken over, also on failure).  config:
 * tokenizer_config.json's object or NULL (names of special tokens, clean_up_tokenization_spaces).  Errors: FORMAT, NOMEM. */
lt_status lt_tok_impl_build(const json_t *about, lt_tok_model **model, const json_t *config, const char *path, lt_tok_tables **t);
/* JSON from a file, with its place in messages; *config of a folder is NULL where there is none.  Errors: IO, FORMAT, NOMEM. */
lt_status lt_tok_impl_load_json(const char *path, json_t **o);

/* open.c: finds what defines the tokenizer at path, a folder or a file, and opens it. */
lt_status lt_tok_impl_open_path(const char *path, lt_tok_tables **t);
/* open_config.c: changes a tokenizer.json's object as transformers does on behalf of tokenizer_config.json, whose special tokens become what the
 * class makes of them. Errors: FORMAT, NOMEM. */
lt_status lt_tok_impl_apply_config(json_t *about, const lt_tok_model *model, json_t *config, const char *path);
/* Openers (open_*.c): a defining file, and its folder's tokenizer_config.json with the files beside it merged in, which an opener may fill; only
 * open_json takes NULL. */
lt_status lt_tok_impl_open_json(const char *path, json_t *config, lt_tok_tables **t);
lt_status lt_tok_impl_open_vocab_txt(const char *path, json_t *config, lt_tok_tables **t);
lt_status lt_tok_impl_open_vocab_json(const char *path, json_t *config, lt_tok_tables **t);
lt_status lt_tok_impl_open_sentencepiece(const char *path, json_t *config, lt_tok_tables **t);
lt_status lt_tok_impl_open_llama2c(const char *path, lt_tok_tables **t);
