#pragma once
/* Private to the text room: properties of code points, one look-up for all of them, and the parts of normal forms.
 *
 * A code point's properties are a set of flags and a grapheme class, found through two levels of tables that are filled from unicode_table.h when first asked for. */

#include "text/tokenizer_impl.h"

#include <utf8proc.h>

enum {
    LT_CHAR_SPACE = 1 << 0,       /* White_Space */
    LT_CHAR_CONTROL = 1 << 1,     /* what BertNormalizer's clean_text removes */
    LT_CHAR_PUNCTUATION = 1 << 2, /* ASCII punctuation, P* */
    LT_CHAR_MARK = 1 << 3,        /* Mn, as BertNormalizer's strip_accents has it */
    LT_CHAR_NUMERIC = 1 << 4,     /* Nd, Nl, No */
    LT_CHAR_WORD = 1 << 5,        /* \w of Rust's regex */
    LT_CHAR_CJK = 1 << 6,         /* what BertNormalizer's handle_chinese_chars sets apart */
    LT_CHAR_COMBINING = 1 << 7,   /* M*, as StripAccents has it */
    LT_CHAR_LOWER = 1 << 8,       /* has a lower case of its own */
    LT_CHAR_CLASS = 1 << 9,       /* its canonical combining class is not 0 */
    LT_CHAR_CANONICAL = 1 << 10,  /* NFD changes it */
    LT_CHAR_COMPAT = 1 << 11,     /* NFKD makes something else of it than NFD */
    LT_CHAR_SECOND = 1 << 12,     /* may become one character with one before it */
    LT_CHAR_NOT_NFC = 1 << 13,    /* NFC changes it */
    LT_CHAR_INCB_EXTEND = 1 << 14,
    LT_CHAR_INCB_LINKER = 1 << 15, /* of the rule for Indic conjuncts, GB9c */
    LT_CHAR_GRAPHEME_SHIFT = 16
};

/* Classes of extended grapheme clusters (UAX #29). */
typedef enum lt_grapheme_class {
    LT_GRAPHEME_OTHER,
    LT_GRAPHEME_CONTROL,
    LT_GRAPHEME_CR,
    LT_GRAPHEME_LF,
    LT_GRAPHEME_EXTEND,
    LT_GRAPHEME_ZWJ,
    LT_GRAPHEME_SPACING,
    LT_GRAPHEME_PREPEND,
    LT_GRAPHEME_REGIONAL,
    LT_GRAPHEME_PICTURE,
    LT_GRAPHEME_CONSONANT,
    LT_GRAPHEME_L,
    LT_GRAPHEME_V,
    LT_GRAPHEME_T,
    LT_GRAPHEME_LV,
    LT_GRAPHEME_LVT
} lt_grapheme_class;

enum { LT_CHAR_BLOCK_BITS = 7, LT_CHAR_BLOCK = 1 << LT_CHAR_BLOCK_BITS, LT_CHAR_MOST_PARTS = 18 };

typedef struct lt_char_table {
    const uint32_t *set;                   /* flags and class by number of the set */
    const uint16_t *block_of;              /* [0x110000 / LT_CHAR_BLOCK] */
    const uint8_t (*block)[LT_CHAR_BLOCK]; /* numbers of sets */
} lt_char_table;
/* The tables, filled by the first call. */
const lt_char_table *lt_tok_impl_chars(void);

static inline uint32_t lt_char_properties(const lt_char_table *t, int32_t c) {
    return t->set[t->block[t->block_of[c >> LT_CHAR_BLOCK_BITS]][c & (LT_CHAR_BLOCK - 1)]];
}

/* lt_tok_impl_char and lt_tok_impl_put_char for loops. */
static inline int lt_char_read(const char *text, int32_t *c) {
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) {
        *c = s[0];
        return 1;
    }
    if (s[0] < 0xE0) {
        *c = (s[0] & 0x1F) << 6 | (s[1] & 0x3F);
        return 2;
    }
    if (s[0] < 0xF0) {
        *c = (s[0] & 0x0F) << 12 | (s[1] & 0x3F) << 6 | (s[2] & 0x3F);
        return 3;
    }
    *c = (s[0] & 0x07) << 18 | (s[1] & 0x3F) << 12 | (s[2] & 0x3F) << 6 | (s[3] & 0x3F);
    return 4;
}

static inline int lt_char_write(int32_t c, char *s) {
    if (c < 0x80) {
        s[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        s[0] = (char)(0xC0 | c >> 6);
        s[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        s[0] = (char)(0xE0 | c >> 12);
        s[1] = (char)(0x80 | (c >> 6 & 0x3F));
        s[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    s[0] = (char)(0xF0 | c >> 18);
    s[1] = (char)(0x80 | (c >> 12 & 0x3F));
    s[2] = (char)(0x80 | (c >> 6 & 0x3F));
    s[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* The lower case of one code point; of U+0130, which has two, the first. */
int32_t lt_tok_impl_lower(int32_t c);
/* The whole decomposition of c, whose properties are given; number of its parts. */
int lt_tok_impl_decompose(int32_t c, uint32_t properties, bool compat, int32_t part[LT_CHAR_MOST_PARTS]);
/* The character that a and b become, 0 if they stay two. */
int32_t lt_tok_impl_compose(int32_t a, int32_t b);
/* The combining class of a character with LT_CHAR_CLASS. */
static inline int lt_char_class(int32_t c) { return utf8proc_get_property(c)->combining_class; }
