/* Properties of code points and normal forms of single ones, as Hugging Face's tokenizers have them.
 *
 * Ids must not depend on the version of Unicode that a machine's libraries hold, and the parts of Hugging Face's tokenizers keep to several: to old ones in the BERT
 * normaliser and the normal forms, where a newer mark is a letter like any other, to a newer one elsewhere.  Which properties a code point has is therefore written
 * down in unicode_table.h.  Decompositions and combining classes come from utf8proc, but only for code points that have one there: Unicode never changes those.
 *
 * The header's runs are spread out into two levels of tables by the first caller, in well under a millisecond; a look-up is then three loads. */
#include "text/unicode_impl.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

typedef struct lt_case_run {
    int32_t first, last, step, add;
} lt_case_run;

#include "text/unicode_table.h"

#define LENGTH(table) (sizeof(table) / sizeof *(table))

_Static_assert((int)BLOCK == (int)LT_CHAR_BLOCK, "unicode_table.h is made for another size of blocks");

/* --- hangul ------------------------------------------------------------------------------------------------------------------------------ */

enum { S_BASE = 0xAC00, L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11A7, L_COUNT = 19, V_COUNT = 21, T_COUNT = 28 };
enum { S_COUNT = L_COUNT * V_COUNT * T_COUNT };

static bool is_syllable(int32_t c) { return c >= S_BASE && c < S_BASE + S_COUNT; }

/* --- tables ------------------------------------------------------------------------------------------------------------------------------ */

enum { PAIRS = 2048 /* twice what there are */, CODES = 0x110000, COMPOSITES_END = 0x20000 /* above are only ideographs */ };

static uint16_t block_of[CODES / BLOCK];
static uint8_t block[BLOCKS][BLOCK];
static uint64_t pair[PAIRS]; /* a << 42 | b << 21 | what they become; 0 = empty */
static const lt_char_table table = {property_set, block_of, (const uint8_t (*)[BLOCK])block};
static _Atomic(bool) ready;

static uint64_t pair_key(int32_t a, int32_t b) { return (uint64_t)a << 21 | (uint64_t)b; }
static uint64_t pair_slot(uint64_t key) { return lt_trie_hash(key) >> 20 & (PAIRS - 1); }

static int32_t find_pair(int32_t a, int32_t b) {
    uint64_t key = pair_key(a, b);
    for (uint64_t at = pair_slot(key); pair[at]; at = (at + 1) & (PAIRS - 1))
        if (pair[at] >> 21 == key) return (int32_t)(pair[at] & 0x1FFFFF);
    return 0;
}

static int whole_decomposition(int32_t c, int options, int32_t part[LT_CHAR_MOST_PARTS]) {
    int last = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(c, part, LT_CHAR_MOST_PARTS, (utf8proc_option_t)options, &last);
    if (n >= 1 && n <= LT_CHAR_MOST_PARTS) return (int)n;
    part[0] = c; /* another library than the one known: nothing in Unicode is longer */
    return 1;
}

/* What NFD takes apart and NFC puts together again is the composite of its last part and of what the parts before it become. */
static void add_pairs(int parts) {
    int32_t part[LT_CHAR_MOST_PARTS];
    for (int32_t c = 0x80; c < COMPOSITES_END; c++) {
        uint32_t p = lt_char_properties(&table, c);
        if ((p & (LT_CHAR_CANONICAL | LT_CHAR_NOT_NFC)) != LT_CHAR_CANONICAL || is_syllable(c)) continue;
        if (whole_decomposition(c, UTF8PROC_DECOMPOSE, part) != parts) continue;
        int32_t first = part[0];
        for (int i = 1; i + 1 < parts && first; i++) first = find_pair(first, part[i]);
        if (!first) continue;
        uint64_t key = pair_key(first, part[parts - 1]), at = pair_slot(key);
        while (pair[at]) at = (at + 1) & (PAIRS - 1);
        pair[at] = key << 21 | (uint64_t)c;
    }
}

static void fill(void) {
    uint8_t now[BLOCK];
    int n = 0;
    size_t run = 0;
    for (int32_t first = 0; first < CODES; first += BLOCK) {
        for (int i = 0; i < BLOCK; i++) {
            while (run + 1 < LENGTH(property_run) && (int32_t)(property_run[run + 1] >> 8) <= first + i) run++;
            now[i] = (uint8_t)property_run[run];
        }
        if ((n == 0 || memcmp(now, block[n - 1], BLOCK) != 0) && n < BLOCKS) memcpy(block[n++], now, BLOCK);
        block_of[first / BLOCK] = (uint16_t)(n - 1);
    }
    for (int parts = 2; parts <= 4; parts++) add_pairs(parts);
    atomic_store_explicit(&ready, true, memory_order_release);
}

const lt_char_table *lt_tok_impl_chars(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!atomic_load_explicit(&ready, memory_order_acquire)) (void)pthread_once(&once, fill);
    return &table;
}

/* --- classes ----------------------------------------------------------------------------------------------------------------------------- */

static bool has(int32_t c, uint32_t flag) { return (lt_char_properties(lt_tok_impl_chars(), c) & flag) != 0; }

bool lt_tok_impl_is_space(int32_t c) { return c < 0x80 ? c == ' ' || (c >= 9 && c <= 13) : has(c, LT_CHAR_SPACE); }
bool lt_tok_impl_is_control(int32_t c) { return has(c, LT_CHAR_CONTROL); }
bool lt_tok_impl_is_punctuation(int32_t c) { return has(c, LT_CHAR_PUNCTUATION); }
bool lt_tok_impl_is_mark(int32_t c) { return has(c, LT_CHAR_MARK); }
bool lt_tok_impl_is_numeric(int32_t c) { return has(c, LT_CHAR_NUMERIC); }
bool lt_tok_impl_is_word(int32_t c) { return has(c, LT_CHAR_WORD); }
bool lt_tok_impl_is_cjk(int32_t c) { return has(c, LT_CHAR_CJK); }

int lt_tok_impl_char(const char *s, int32_t *c) { return lt_char_read(s, c); }
int lt_tok_impl_put_char(int32_t c, char *s) { return lt_char_write(c, s); }

/* --- forms ------------------------------------------------------------------------------------------------------------------------------- */

int32_t lt_tok_impl_lower(int32_t c) {
    if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
    if (c == 0x130) return 'i';
    size_t low = 0, high = LENGTH(case_run);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c > case_run[mid].last)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == LENGTH(case_run) || c < case_run[low].first || (c - case_run[low].first) % case_run[low].step != 0) return c;
    return c + case_run[low].add;
}

int lt_tok_impl_decompose(int32_t c, uint32_t properties, bool compat, int32_t part[LT_CHAR_MOST_PARTS]) {
    if (is_syllable(c)) {
        int32_t s = c - S_BASE, t = s % T_COUNT;
        part[0] = L_BASE + s / (V_COUNT * T_COUNT);
        part[1] = V_BASE + s / T_COUNT % V_COUNT;
        part[2] = T_BASE + t;
        return t ? 3 : 2;
    }
    if (properties & (compat ? LT_CHAR_CANONICAL | LT_CHAR_COMPAT : LT_CHAR_CANONICAL))
        return whole_decomposition(c, compat ? UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT : UTF8PROC_DECOMPOSE, part);
    part[0] = c;
    return 1;
}

int32_t lt_tok_impl_compose(int32_t a, int32_t b) {
    if (a >= L_BASE && a < L_BASE + L_COUNT && b >= V_BASE && b < V_BASE + V_COUNT)
        return S_BASE + ((a - L_BASE) * V_COUNT + b - V_BASE) * T_COUNT;
    if (is_syllable(a) && (a - S_BASE) % T_COUNT == 0 && b > T_BASE && b < T_BASE + T_COUNT) return a + b - T_BASE;
    return find_pair(a, b);
}
