/* What was found wrong, or was made to fail.  The first stays until lt_emulated_forget(); all later calls fail with it. */
#include "device/emulated/emulated.h"
#include "device/emulated/grid_impl.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

void lt_emulated_impl_drop(void); /* stream.cpp */

namespace lt_emu {

static struct {
    bool lost;
    lt_gpu_failure kind;
    uint64_t seed;
    char text[1200], name[64], what[160];
} first;

const char *base_name(const char *file) {
    const char *slash = strrchr(file, '/');
    return slash ? slash + 1 : file;
}

bool is_lost() { return first.lost; }

lt_status lost() {
    const lt_gpu_info *info;
    int device = device_open(&info);
    if (*first.name) return lt_gpu_impl_failed(first.kind, first.text, first.name, first.what, device, info);
    return LT_FAIL(LT_ERR_CUDA, "CUDA (emulated, LT_EMU_SEED=%llu): %s", (unsigned long long)first.seed, first.text);
}

void broke(lt_gpu_failure kind, const char *text, const char *name, const char *what) {
    if (first.lost) return;
    first.lost = true;
    first.kind = kind;
    (void)snprintf(first.text, sizeof first.text, "%s", text);
    (void)snprintf(first.name, sizeof first.name, "%s", name);
    (void)snprintf(first.what, sizeof first.what, "%s", what);
}

void found(const char *fmt, ...) {
    va_list ap;
    if (first.lost) return;
    first.lost = true;
    first.seed = seed;
    *first.name = 0;
    va_start(ap, fmt);
    (void)vsnprintf(first.text, sizeof first.text, fmt, ap);
    va_end(ap);
}

/* "kernel k, block (0, 0, 0), thread (1, 0, 0), k.cu:12: what" */
[[noreturn]] static void found_here(const char *line, const char *what) {
    const uint3 &t = running->index;
    found("kernel %s, block (%u, %u, %u), thread (%u, %u, %u)%s%s: %s", kernel_name(), at_hand.block.x, at_hand.block.y, at_hand.block.z,
          t.x, t.y, t.z, *line ? ", " : "", line, what);
    abandon();
}

void found_in_kernel(place at, const char *fmt, ...) {
    char what[700], line[200] = "";
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (at.file) (void)snprintf(line, sizeof line, "%s:%d", base_name(at.file), at.line);
    found_here(line, what);
}

void found_at(const void *pc, const char *fmt, ...) {
    char what[700], line[200];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    found_here(line_of(pc, line, sizeof line), what);
}

void trap(const char *what, place at) { found_in_kernel(at, "%s", what); }

/* By addr2line, where there is one: the line, and of an inlined function the line that called it. */
const char *line_of(const void *pc, char *text, size_t bytes) {
    Dl_info from;
    char command[600], got[256];
    int n = 0, at = 0;
    const char *p = static_cast<const char *>(pc) - 1; /* of the call or access, not behind it */
    *text = 0;
    if (!pc || !dladdr(p, &from) || !from.dli_fname) return text;
    (void)snprintf(command, sizeof command, "addr2line -s -i -e '%s' 0x%zx 2>/dev/null", from.dli_fname,
                   (size_t)(p - static_cast<const char *>(from.dli_fbase)));
    FILE *f = popen(command, "r");
    if (!f) return text;
    while (n < 3 && fgets(got, sizeof got, f)) {
        got[strcspn(got, " \n")] = 0;
        if (*got != '?' && at < (int)bytes) at += snprintf(text + at, bytes - (size_t)at, "%s%s", n++ ? " from " : "", got);
    }
    (void)pclose(f);
    return text;
}

} // namespace lt_emu

void lt_emulated_forget(void) {
    lt_emu::gate g;
    lt_emu::first.lost = false;
    lt_emulated_impl_drop();
}
