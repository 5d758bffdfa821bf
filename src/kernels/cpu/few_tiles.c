/* Few rows with a bf16 matrix by AMX tiles (few_impl.h).
 *
 * A tile of W has 16 outputs and 32 columns, one of x 16 rows and the same columns.  They are multiplied in 16 cycles, however few rows there are, in which
 * a core's share of the memory delivers a small part of the next tile of W: up to 16 rows cost what one costs.  More rows find the strip in the second-level
 * cache.
 *
 *   row-major W is the first operand, whose tiles have rows as they lie in memory; x [words][rows] the second; sums [output][row] are turned afterwards
 *   panels of W are the second operand, [word][output]; x [row][words] the first; sums are [row][output]
 *
 * A step multiplies 32 columns of a strip: four tiles of W (tmm5, tmm6 by turns) by one of x (tmm4) into four of sums (tmm0-3).  Units of levels are compiled
 * without the instruction set, which the highest of them may or may not meet, hence the assembler, whose registers no other code knows; who calls has asked
 * lt_cpu_level_now() (LT_CPU_V4_AMX).  Tiles are configured for a pass and released behind it: nobody else meets a configuration that is not his. */
#include "kernels/cpu/few_impl.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#ifdef __AVX512F__

enum {
    T = LT_FEW_TILE,         /* rows of a tile; outputs; words of its row */
    LINE = 64,               /* bytes of a row */
    STEP = LT_FEW_STRIP * T, /* words of W in a step */
    WIDEST = 1 << 19,        /* bytes of a strip */
    AHEAD = 16,              /* steps between W that is multiplied and W that is fetched */
};

#define LOAD(tile, p, stride)   __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(p), "r"((int64_t)(stride)) : "memory")
#define STORE(tile, p, stride)  __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(p), "r"((int64_t)(stride)) : "memory")
#define ZERO(tile)              __asm__ volatile("tilezero %tmm" #tile)
#define DOT(sum, first, second) __asm__ volatile("tdpbf16ps %tmm" #second ", %tmm" #first ", %tmm" #sum)

/* A tile of W times that of x. */
#define TIMES_X(sum, w)                                                                                                                    \
    do {                                                                                                                                   \
        if (panels)                                                                                                                        \
            DOT(sum, 4, w);                                                                                                                \
        else                                                                                                                               \
            DOT(sum, w, 4);                                                                                                                \
    } while (0)

/* As ldtilecfg reads it. */
typedef struct tilecfg {
    uint8_t palette, start_row, none[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tilecfg;

/* Tiles of W are whole; those of x and of the sums have as many rows (where W is the second operand) or columns (where it is the first) as x has rows. */
static void configure(bool panels, int64_t rows) {
    tilecfg c = {.palette = 1};
    for (int i = 0; i < 7; i++) {
        c.row_bytes[i] = (uint16_t)(i > 4 || panels ? LINE : 4 * rows);
        c.rows[i] = (uint8_t)(i < 5 && panels ? rows : T);
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(c));
}

/* A step's part of a strip of W, whose tiles begin `tile` bytes apart and have rows `row` bytes apart. */
typedef struct part {
    const char *p;
    int64_t row, tile;
} part;

/* Words from `word` on.  What row-major W does not have is 0, in a copy [STEP]. */
INLINE part part_of(bool panels, const lt_few *f, int64_t n0, int64_t n, int64_t word, uint32_t *copy) {
    if (panels) return (part){(const char *)((const uint32_t *)f->w + n0 * f->words + word * LT_FEW_STRIP), 4 * LT_FEW_STRIP, LINE};
    const uint16_t *w = (const uint16_t *)f->w + n0 * f->ld + 2 * word;
    if (n == LT_FEW_STRIP && 2 * (word + T) <= f->K) return (part){(const char *)w, 2 * f->ld, 2 * f->ld * T};
    memset(copy, 0, STEP * sizeof *copy);
    for (int64_t i = 0; i < n; i++) memcpy(copy + i * T, w + i * f->ld, (size_t)lt_cpu_min(LINE, 2 * f->K - 4 * word));
    return (part){(const char *)copy, LINE, LINE * T};
}

/* Asks for a step's share of what comes: of panels the step AHEAD of it, of rows lines of the next strip one after the other, as memory likes to be read;
 * a strip that leaves no room for the next in the second-level cache is left to the processor. */
INLINE void fetch(bool panels, const lt_few *f, int64_t n0, int64_t word) {
    const char *w = (const char *)f->w + (panels ? 4 * (n0 * f->words + (word + AHEAD * T) * LT_FEW_STRIP)
                                                 : 2 * ((n0 + LT_FEW_STRIP) * f->ld + 2 * word * LT_FEW_STRIP));
    if (panels || 2 * LT_FEW_STRIP * f->ld <= WIDEST)
        for (int i = 0; i < LT_FEW_STRIP; i++) lt_few_fetch(w + i * LINE);
}

/* Rows [t, t + rows) of x, rows <= T. */
INLINE void pass(bool panels, const lt_few *f, int64_t n0, int64_t n, int64_t t, int64_t rows, float *tile) {
    _Alignas(LINE) uint32_t copy[STEP];
    const char *x = (const char *)f->x + t * f->words * 4;
    int64_t row = panels ? f->words * 4 : rows * 4,
            step = panels ? LINE : row * T; /* bytes of x between rows of a tile, and between tiles */
    configure(panels, rows);
    ZERO(0);
    ZERO(1);
    ZERO(2);
    ZERO(3);
    for (int64_t word = 0; word < f->words; word += T, x += step) {
        part w = part_of(panels, f, n0, n, word, copy);
        LOAD(4, x, row);
        LOAD(5, w.p, w.row);
        LOAD(6, w.p + w.tile, w.row);
        if (t == 0) fetch(panels, f, n0, word);
        TIMES_X(0, 5);
        LOAD(5, w.p + 2 * w.tile, w.row);
        TIMES_X(1, 6);
        LOAD(6, w.p + 3 * w.tile, w.row);
        TIMES_X(2, 5);
        TIMES_X(3, 6);
    }
    float turned[LT_FEW_STRIP][T], *to = panels ? tile + t * LT_FEW_STRIP : turned[0];
    int64_t apart = panels ? 4 * LT_FEW_STRIP : LINE, next = panels ? T : T * T;
    STORE(0, to, apart);
    STORE(1, to + next, apart);
    STORE(2, to + 2 * next, apart);
    STORE(3, to + 3 * next, apart);
    for (int64_t r = 0; !panels && r < rows; r++)
        for (int64_t i = 0; i < LT_FEW_STRIP; i++) tile[(t + r) * LT_FEW_STRIP + i] = turned[i][r];
    __asm__ volatile("tilerelease");
}

INLINE void strip(bool panels, const lt_few *f, int64_t n0, int64_t n, float *tile) {
    for (int64_t t = 0; t < f->rows; t += T) pass(panels, f, n0, n, t, lt_cpu_min(T, f->rows - t), tile);
}

void lt_few_impl_tiles_rows(const lt_few *f, int64_t n0, int64_t n, float *tile) { strip(false, f, n0, n, tile); }
void lt_few_impl_tiles_panels(const lt_few *f, int64_t n0, int64_t n, float *tile) { strip(true, f, n0, n, tile); }

#else /* never reached */
void lt_few_impl_tiles_rows(const lt_few *f, int64_t n0, int64_t n, float *tile) {}
void lt_few_impl_tiles_panels(const lt_few *f, int64_t n0, int64_t n, float *tile) {}
#endif
