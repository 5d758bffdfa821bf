/* Rows of a frozen bf16 matrix, as a file has them, straight into oneDNN's blocks.
 *
 * The library's own reorder wants the whole matrix twice and takes rows whose length is a power of two at 0.6 GB/s (its columns fall on one set of the
 * cache): three times as long as reading the file.  Here a panel of rows, small enough for the second-level cache, is turned into the blocks it fills,
 * [k][n][2]: pairs of columns are words of 32 bits, so a block is a matrix of words [n][k] turned round.  Rows are taken four at a time by whole cache
 * lines, whatever the length of a row; 2.3 to 3 GB/s a core, most of which is writing.
 *
 * Plain C over vectors of four words: every x86-64 has the shuffles, so the file needs no level. */
#include "kernels/cpu/cpu_impl.h"
#include "kernels/cpu/dnnl_compat.h"

#include <string.h>

enum { LINE = 16 /* words of a cache line */, TILE = 4 };

#if defined(__clang__) || __GNUC__ >= 12
typedef uint32_t words __attribute__((vector_size(16), aligned(2), may_alias)); /* rows of odd length begin at halves of a word */

/* Four words of four rows from src (ld bytes apart) turned to four rows of dst (ld_dst words apart). */
static inline void turn(const unsigned char *src, size_t ld, uint32_t *dst, int64_t ld_dst) {
    words a = *(const words *)(const void *)src, b = *(const words *)(const void *)(src + ld),
          c = *(const words *)(const void *)(src + 2 * ld), d = *(const words *)(const void *)(src + 3 * ld);
    words ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    words cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(words *)dst = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    *(words *)(dst + ld_dst) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    *(words *)(dst + 2 * ld_dst) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    *(words *)(dst + 3 * ld_dst) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}
#else /* compilers without the shuffles */
static inline void turn(const unsigned char *src, size_t ld, uint32_t *dst, int64_t ld_dst) {
    for (int i = 0; i < TILE; i++)
        for (int j = 0; j < TILE; j++) memcpy(dst + j * ld_dst + i, src + (size_t)i * ld + (size_t)j * sizeof *dst, sizeof *dst);
}
#endif

/* Words [word0, word0 + LINE) of the rows of a whole panel. */
static void turn_line(const lt_dnnl_pairs *p, const unsigned char *src, size_t ld, int64_t word0, unsigned char *panel) {
    for (int64_t i = 0; i < p->n; i += TILE)
        for (int64_t word = word0; word < word0 + LINE; word += TILE) {
            uint32_t *block = (uint32_t *)(void *)(panel + (size_t)(word / p->k * p->k_stride) * 2);
            turn(src + (size_t)i * ld + (size_t)word * 4, ld, block + word % p->k * p->n + i, p->n);
        }
}

/* The same element by element for what is left: columns [from, padded columns) of a panel of which `rows` rows are there; the rest is zero. */
static void turn_rest(const lt_dnnl_pairs *p, int64_t K, const unsigned char *src, int64_t rows, int64_t from, unsigned char *panel) {
    for (int64_t k = from; k < p->columns; k++) {
        uint16_t *block = (uint16_t *)(void *)panel + k / (2 * p->k) * p->k_stride + k / 2 % p->k * p->n * 2 + k % 2;
        for (int64_t i = 0; i < p->n; i++) {
            uint16_t v = 0;
            if (i < rows && k < K) memcpy(&v, src + (size_t)(i * K + k) * 2, sizeof v);
            block[2 * i] = v;
        }
    }
}

bool lt_cpu_impl_panels(const lt_lin *lin, int64_t *panel, int64_t *words) {
    lt_dnnl_pairs p;
    if (!lin->impl || lin->dt != LT_BF16 || !lt_dnnl_md_pairs(lin->impl, &p)) return false;
    if (p.k_stride != 2 * p.k * p.n || p.n_stride != p.columns * p.n) return false;
    *panel = p.n;
    *words = p.columns / 2;
    return true;
}

lt_status lt_cpu_lin_rows(const lt_ctx *c, const lt_lin *lin, int64_t row0, int64_t rows, const void *src) {
    lt_dnnl_pairs p;
    (void)c;
    LT_ASSERT(lin->impl && lin->panel > 0 && lt_dnnl_md_pairs(lin->impl, &p) && p.n == lin->panel);
    LT_ASSERT(row0 % p.n == 0 && row0 + rows <= lin->N && (rows % p.n == 0 || row0 + rows == lin->N));
    /* whole lines of whole panels; odd K leaves a word that begins in one row and ends in the next to the rest */
    int64_t lines = p.n % TILE == 0 && p.k % TILE == 0 ? lin->K / 2 / LINE : 0;
    for (int64_t at = 0; at < rows; at += p.n) {
        const unsigned char *from = (const unsigned char *)src + (size_t)(at * lin->K) * 2;
        unsigned char *panel = (unsigned char *)lin->w + (size_t)((row0 + at) / p.n * p.n_stride) * 2;
        int64_t done = rows - at >= p.n ? lines : 0;
        for (int64_t line = 0; line < done; line++) turn_line(&p, from, (size_t)lin->K * 2, line * LINE, panel);
        turn_rest(&p, lin->K, from, lt_cpu_min(rows - at, p.n), done * LINE * 2, panel);
    }
    return LT_OK;
}
