/* Shared memory of the block that runs: arrays are cut from one arena as threads come to their declarations, with zones between them that must stay as they
 * are.  Arrays begin with poison (NaN as f32 and as bf16) and are aligned as their type and no better. */
#include "device/emulated/grid_impl.h"

#include <algorithm>
#include <cstring>

namespace lt_emu {

enum { ZONE = 64, ARRAYS_MAX = 64, STATIC_MAX = 48 << 10 };
static const unsigned char POISON = 0xFF, GUARD = 0xA5;

static struct {
    char *base;
    size_t used, dynamic_bytes, total;
    int n;
    struct {
        const void *tag;
        char *p;
        size_t bytes;
    } array[ARRAYS_MAX];
} arena;
static const char dynamic_tag = 0;

void shared_begin(size_t dynamic_bytes) {
    arena.base = shared_base();
    arena.used = arena.total = 0;
    arena.n = 0;
    arena.dynamic_bytes = dynamic_bytes;
}

static void *cut(const void *tag, size_t bytes, size_t align) {
    for (int i = 0; i < arena.n; i++)
        if (arena.array[i].tag == tag) return arena.array[i].p;
    align = std::max<size_t>(align, 4);
    size_t at = (arena.used + ZONE + 2 * align - 1) / (2 * align) * (2 * align) + align;
    if (arena.n == ARRAYS_MAX || at + bytes + ZONE > SHARED_BYTES) found_in_kernel({}, "more shared memory than any GPU has");
    if (tag != &dynamic_tag) arena.total += bytes;
    if (arena.total > STATIC_MAX) found_in_kernel({}, "LT_SHARED arrays of %zu bytes; 48 KB are allowed", arena.total);
    char *p = arena.base + at;
    arena.array[arena.n++] = {tag, p, bytes};
    memset(arena.base + arena.used, GUARD, at - arena.used);
    memset(p, POISON, bytes);
    memset(p + bytes, GUARD, ZONE);
    arena.used = at + bytes;
    return p;
}

void *shared_array(const void *tag, size_t bytes, size_t align) { return cut(tag, bytes, align); }
void *shared_dynamic() { return cut(&dynamic_tag, arena.dynamic_bytes, 16); }

static bool untouched(const char *from, const char *to) {
    while (from < to && (unsigned char)*from == GUARD) from++;
    return from == to;
}

void shared_end() {
    const char *from = arena.base;
    for (int i = 0; i <= arena.n && arena.n; i++) {
        const char *to = i < arena.n ? arena.array[i].p : arena.base + arena.used + ZONE;
        if (!untouched(from, to)) {
            bool before = i == 0;
            found("kernel %s, block (%u, %u, %u): a write %s a shared array of %zu bytes (the block's number %d)", kernel_name(),
                  at_hand.block.x, at_hand.block.y, at_hand.block.z, before ? "before" : "past the end of",
                  arena.array[before ? 0 : i - 1].bytes, before ? 0 : i - 1);
            return;
        }
        if (i < arena.n) from = to + arena.array[i].bytes;
    }
}

bool is_shared(const void *p, size_t bytes) {
    const char *q = static_cast<const char *>(p);
    for (int i = 0; i < arena.n; i++)
        if (q >= arena.array[i].p && q + bytes <= arena.array[i].p + arena.array[i].bytes) return true;
    return false;
}

} // namespace lt_emu
