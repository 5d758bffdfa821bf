#pragma once
/* Private to few*.c of the CPU back end: products y = x W^T of so few rows that reading W is what they cost.
 *
 * W passes once, in strips of at most LT_FEW_STRIP outputs; a thread owns strips, and a row's sums are its own, so results depend neither on the number of
 * threads nor on that of rows.  A kernel makes the
 * sums of a strip for all rows, LT_FEW_PASS rows at a time: the first pass takes a piece of the strip from memory, the others find it in the cache, and each
 * fetches its share of a piece to come, so that memory is never idle.  Four rows by four vectors are 16 sums in registers: enough to hide the latency of
 * the multiply-add, and every operand that is loaded serves four of them.
 *
 *   dots   W row-major: vectors run along rows of W, and the numbers of a sum are added at its end; a piece is a group of rows
 *   pairs  W in oneDNN's panels [words][panel], words of two bf16 columns: vectors run over outputs, and words of x are spread over them; a piece is
 *          a chunk of words
 *   tiles  bf16 in either form where the CPU has AMX (few_tiles.c): 16 rows in a pass; the first takes the strip from memory, others find it in the cache */

#include "kernels/cpu/cpu_impl.h"
#include "kernels/cpu/vec_impl.h"

enum {
    LT_FEW_PASS = 4,      /* rows */
    LT_FEW_STRIP = 64,    /* outputs; no panel has more */
    LT_FEW_TILE = 16,     /* rows of a pass by tiles */
    LT_FEW_AHEAD = 16384, /* bytes of W between a piece and the piece to come */
};

/* What the kernels see of a product. */
typedef struct lt_few {
    int64_t rows, N, K;
    const void *w;
    int64_t ld;           /* dots: from row to row of W, in elements */
    int64_t panel, words; /* pairs, tiles: rows of W in a panel; words of a row, padding included (tiles of row-major W: of a row of x) */
    int64_t turns;        /* rows of x whose words take turns; 1 = each row by itself; 0 = x is rows of numbers (dots) */
    const void *x;        /* as the kernel takes it */
} lt_few;

/* Local.  tile [rows, LT_FEW_STRIP] = products of all rows with outputs [n0, n0 + n), f32.  The tile lies on a vector boundary and has room for rows up to
 * a multiple of LT_FEW_PASS. */
typedef void (*lt_few_kernel)(const lt_few *f, int64_t n0, int64_t n, float *tile);

/* few_dots_strict.c: W f32, or bf16 that is widened; x [rows, K] f32.  The last, where native: W and x bf16. */
void lt_few_impl_dots_f32(const lt_few *f, int64_t n0, int64_t n, float *tile);
void lt_few_impl_dots_wide(const lt_few *f, int64_t n0, int64_t n, float *tile);
void lt_few_impl_dots_bf16(const lt_few *f, int64_t n0, int64_t n, float *tile);
/* few_pairs.c, where native: W bf16, n0 on a panel; x: the words of each pass as [words][lt_few_step()]. */
void lt_few_impl_pairs(const lt_few *f, int64_t n0, int64_t n, float *tile);

/* few_tiles.c, where lt_few_impl_tiled(): W bf16, row-major or in panels of LT_FEW_STRIP outputs; n0 on a strip.  x, 0 beyond K: for rows,
 * the words of each pass as [words][its rows]; for panels, [rows][words]. */
void lt_few_impl_tiles_rows(const lt_few *f, int64_t n0, int64_t n, float *tile);
void lt_few_impl_tiles_panels(const lt_few *f, int64_t n0, int64_t n, float *tile);

/* Local.  True if bf16 is multiplied by an instruction of the CPU. */
static inline bool lt_few_impl_native(void) { return LT_VF_DOTS_BF16 && lt_cpu_level_now() >= LT_CPU_V4_BF16; }

/* Local.  The same of tiles. */
static inline bool lt_few_impl_tiled(void) { return LT_VF_DOTS_BF16 && lt_cpu_level_now() >= LT_CPU_V4_AMX; }

/* Rows that a pass of LT_FEW_PASS over the rows from t on computes: one, two, or as if there were four. */
static inline int64_t lt_few_step(const lt_few *f, int64_t t) { return f->rows - t < 3 ? f->rows - t : LT_FEW_PASS; }

/* Lines of the piece to come that lie side by side: those of `all` that each pass fetches, so that together they fetch all. */
static inline int64_t lt_few_share(const lt_few *f, int64_t all) {
    int64_t passes = (f->rows + LT_FEW_PASS - 1) / LT_FEW_PASS;
    return (all + passes - 1) / passes;
}
/* To the second-level cache, which has room for some pieces. */
static inline void lt_few_fetch(const void *p) { __builtin_prefetch(p, 0, 2); }
