#pragma once
/* Private to decode.c and decode_run.c: the steps that a chain of decoders is made of.
 *
 * Hugging Face's decoders turn a list of texts into another one.  Most of them do several things at once; here each is taken apart into steps of one thing each
 * (WordPiece's clean-up alone is eleven replacements), so that there are few kinds of steps, and each of them can work on texts that arrive bit by bit. */

#include "text/tokenizer_impl.h"

typedef enum lt_decoder_kind {
    LT_DEC_REPLACE, /* every `pattern` of a text becomes `content` */
    LT_DEC_MATCH,   /* the same for matches of `regex` */
    LT_DEC_LAST,    /* as REPLACE, but in the last text of all it becomes nothing */
    LT_DEC_PREFIX,  /* a text that begins with `pattern` loses it, another gets a space in front; the first text stays */
    LT_DEC_BYTES,   /* characters that stand for bytes become bytes, all texts one */
    LT_DEC_HEX,     /* texts like <0x0A> become bytes, and those in a row a text */
    LT_DEC_STRIP,   /* at most `start` characters `pattern` go in front, at most `stop` behind */
    LT_DEC_FUSE,    /* all texts become one */
    LT_DEC_ONCE,    /* of equal texts in a row one stays */
    LT_DEC_FILLED,  /* empty texts go */
} lt_decoder_kind;

typedef struct lt_decoder {
    lt_decoder_kind kind;
    char *pattern;
    int64_t pattern_bytes;
    int32_t *
        border; /* [pattern_bytes] for each proper beginning of pattern, the length of the longest text that it both begins and ends with */
    char *content;
    int64_t content_bytes;
    bool first_empty; /* REPLACE: in the first text it becomes nothing */
    bool even_empty;  /* REPLACE, MATCH: an empty text has a place for an empty pattern */
    bool all;         /* PREFIX: pattern stays where it is, every text but the first gets a space */
    int64_t start, stop;
    lt_regex *regex;
} lt_decoder;

struct lt_decoders {
    lt_decoder *step; /* [n], then [n_clean] of transformers' clean-up, which a caller may ask for */
    int n, n_clean, cap;
};
