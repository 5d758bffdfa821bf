/* Classes of code points as Hugging Face's BERT tokenizer has them.  The tables are our own because ids must not depend on the version of Unicode that a
 * machine's library holds: Hugging Face keeps to an old one, in which a newer mark or quotation mark is a letter like any other. */
#include "text/tokenizer_impl.h"

typedef struct lt_code_range {
    int32_t first, last;
} lt_code_range;

#include "text/unicode_table.h"

static bool in_table(const lt_code_range *table, size_t n, int32_t c) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t at = (low + high) / 2;
        if (c > table[at].last)
            low = at + 1;
        else
            high = at;
    }
    return low < n && c >= table[low].first;
}

#define IN_TABLE(table, c) in_table(table, sizeof(table) / sizeof *(table), c)

bool lt_tok_impl_is_space(int32_t c) {
    if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

bool lt_tok_impl_is_control(int32_t c) {
    if (c < 0x80) return (c < 32 && c != '\t' && c != '\n' && c != '\r') || c == 127;
    return c == 0xFFFD || IN_TABLE(control, c);
}

bool lt_tok_impl_is_punctuation(int32_t c) {
    if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
    return IN_TABLE(punctuation, c);
}

bool lt_tok_impl_is_mark(int32_t c) { return c >= 0x300 && IN_TABLE(mark, c); }

bool lt_tok_impl_is_cjk(int32_t c) {
    /* the fifth block begins at 0x2B920, not at 0x2B820 where Unicode has it: ids are to be equal, not better */
    static const lt_code_range block[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
                                          {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
    return c >= 0x3400 && IN_TABLE(block, c);
}
