#pragma once
/* Private to device/emulated: memory.cpp's types and what it tells the shadow (race build) and ASan. */

#include "device/emulated/emulated_impl.h"

#include <cstdio>
#include <vector>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace lt_emu {

struct allocation {
    char *p;
    size_t bytes;
    char *pages;    /* p lies in the first */
    size_t n_pages; /* bytes of them */
    const char *what;
};

/* Bytes around allocations, for ASan.  Local. */
inline void zone_poison(const void *p, size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    __asan_poison_memory_region(p, bytes);
#else
    (void)p, (void)bytes;
#endif
}
inline void zone_clear(const void *p, size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(p, bytes);
#else
    (void)p, (void)bytes;
#endif
}
#define NO_SANITIZE __attribute__((no_sanitize_address))

} // namespace lt_emu
