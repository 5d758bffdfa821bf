/* What was found wrong.  The first text stays until forget(); all later calls fail with it. */
#include "device/emulated/emulated.h"
#include "device/emulated/grid_impl.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace lt_emu {

static char first[1200];
static int n_found;

bool is_lost() { return n_found > 0; }

lt_status lost(const char *file, int line, const char *func) {
    return lt_err_raise(LT_ERR_CUDA, file, line, func, "CUDA (emulated): %s", first);
}

static void keep(const char *fmt, va_list ap) {
    if (n_found++ == 0) (void)vsnprintf(first, sizeof first, fmt, ap);
}

void found(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    keep(fmt, ap);
    va_end(ap);
}

void found_in_kernel(place at, const char *fmt, ...) {
    char what[700];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    const char *slash = at.file ? strrchr(at.file, '/') : nullptr;
    const uint3 &t = running->index;
    if (at.file)
        found("kernel %s, block (%u, %u, %u), thread (%u, %u, %u), %s:%d: %s", kernel_name(), block_now.x, block_now.y, block_now.z, t.x,
              t.y, t.z, slash ? slash + 1 : at.file, at.line, what);
    else
        found("kernel %s, block (%u, %u, %u), thread (%u, %u, %u): %s", kernel_name(), block_now.x, block_now.y, block_now.z, t.x, t.y, t.z,
              what);
    abandon();
}

void trap(const char *what, place at) { found_in_kernel(at, "%s", what); }

} // namespace lt_emu

void lt_emulated_forget(void) { lt_emu::n_found = 0; }
