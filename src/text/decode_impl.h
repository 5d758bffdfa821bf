#pragma once
/* Private to decode*.c: the steps that a chain of decoders is made of.
 *
 * Hugging Face's decoders turn a list of texts into another one, and most of them do several things at once.  Here each is taken apart into steps of
 * one thing each (WordPiece's clean-up alone is eleven replacements): there are few kinds of steps, and each can work on texts that arrive bit by
 * bit. */

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
    bool even_empty;  /* REPLACE, LAST: an empty text has a place for an empty pattern */
    bool all;         /* PREFIX: pattern stays where it is, every text but the first gets a space */
    int64_t start, stop;
    lt_regex *regex;
} lt_decoder;

struct lt_decoders {
    lt_decoder *step; /* [n], then [n_clean] of transformers' clean-up, which a caller may ask for */
    int n, n_clean, cap;
};

/* --- a text on its way ------------------------------------------------------------------------------------------------------------------ */

/* A growing row of bytes. */
typedef struct lt_row {
    char *s;
    int64_t n, cap;
} lt_row;

/* Where a step is. */
typedef struct lt_place {
    int64_t index;   /* of the present text */
    int64_t matched; /* bytes of the pattern that are held back */
    int64_t count;   /* STRIP: characters that went in front */
    int64_t tail;    /* STRIP: characters held back at the end.  HEX: bytes of `run` that are whole characters */
    bool any;        /* the present text has bytes */
    bool settled;    /* PREFIX, HEX, STRIP: the beginning of the present text is decided */
    bool broken;     /* HEX: the bytes of this row are no text */
    bool waits;      /* LAST: `held` is a whole text */
    lt_row held, run;
} lt_place;

struct lt_decoding {
    const lt_decoders *chain;
    int n; /* steps of the chain that count here */
    lt_tok_work *room;
    lt_place *at;        /* [n] */
    lt_row in;           /* what a token or bytes may end in: half a character */
    lt_row out;          /* text that is certain, and not yet taken */
    int64_t given, done; /* bytes of tokens, and bytes that went from step to step */
};

/* decode_run.c */
lt_status lt_row_put(lt_row *r, const char *s, int64_t n);
/* Bytes of the present text for step k, its end; behind the last step is the text that is certain. */
lt_status lt_tok_impl_decoding_put(lt_decoding *d, int k, const char *s, int64_t n);
lt_status lt_tok_impl_decoding_cut(lt_decoding *d, int k);
/* The same for bytes that need not be text: what is none becomes U+FFFD, half a character stays in `rest` unless it is the end. */
lt_status lt_tok_impl_decoding_lossy(lt_decoding *d, int k, lt_row *rest, const char *s, int64_t n, bool end);
/* Length of the character that s [n > 0] begins with; if *wrong, that of the longest beginning of one, as Rust has it (and Unicode recommends); 0:
 * what follows decides. */
int lt_tok_impl_utf8_unit(const char *s, int64_t n, bool *wrong);
enum { LT_UNKNOWN_BYTES = 3 };
extern const char lt_tok_impl_unknown[]; /* U+FFFD */

/* decode_steps.c: what step k does with bytes, at the end of a text, at the end of all. */
lt_status lt_tok_impl_step_put(lt_decoding *d, int k, const char *s, int64_t n);
lt_status lt_tok_impl_step_cut(lt_decoding *d, int k);
lt_status lt_tok_impl_step_end(lt_decoding *d, int k);
