#pragma once
/* Checked sizes and arenas.
 *
 * An arena is one block of memory for one purpose (weights, activations, trainable state ...) carved by bump allocation.  The code that
 * carves it runs twice: first over a measuring arena (no memory, pointers are NULL, only `used` grows), so that the size is known and printed
 * before anything is allocated, then over the real one.  Both runs make the same calls, so the printed number is the number.
 *
 * Ownership: the arena owns its block; what it hands out lives until lt_arena_fini.  Threads: not thread-safe. */

#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LT_ALIGN = 64 }; /* bytes: a cache line and an AVX-512 register */

typedef struct lt_arena {
    const char *purpose; /* static string for messages */
    unsigned char *base; /* NULL while measuring */
    size_t cap, used;    /* bytes */
} lt_arena;

/* Local.  A measuring arena: lt_arena_take returns NULL and counts. */
void lt_arena_measure(lt_arena *a, const char *purpose);
/* Local.  Allocates bytes (64-byte aligned, zeroed by the kernel on first touch).  Errors: NOMEM with the purpose and size. */
lt_status lt_arena_init(lt_arena *a, const char *purpose, size_t bytes);
/* Local.  Frees the block; accepts a zeroed or measuring arena. */
void lt_arena_fini(lt_arena *a);
/* Local.  Next n elements of elem_bytes, 64-byte aligned; NULL while measuring.  Taking more than was measured is a bug: the arena then
 * returns NULL and lt_arena_ok fails. */
void *lt_arena_take(lt_arena *a, int64_t n, size_t elem_bytes);
/* Local.  INTERNAL if a real arena was overdrawn. */
lt_status lt_arena_ok(const lt_arena *a);

/* Local.  Zeroed array of n elements, 64-byte aligned, released by free().  Errors: NOMEM, also when the product overflows. */
lt_status lt_calloc(void *out_ptr, int64_t n, size_t elem_bytes, const char *what);
/* Local.  Copy of a string, released by free().  Errors: NOMEM. */
lt_status lt_strdup(char **out, const char *s);
/* Local.  Resident set of this process in bytes now and its high-water mark (Linux /proc); 0 where unknown. */
void lt_mem_resident(size_t *now_bytes, size_t *peak_bytes);
/* Local.  "1.25 GiB", "384 KiB" into buf; returns buf. */
const char *lt_bytes_str(char buf[32], double bytes);

#ifdef __cplusplus
}
#endif
