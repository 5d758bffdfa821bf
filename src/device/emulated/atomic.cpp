/* Atomics: one fibre runs at a time, so that they are atomic by themselves; what is checked is where. */
#include "device/emulated/shadow.h"

namespace lt_emu {

void atomic_begin(const void *p, size_t bytes, const void *pc) {
    if (reinterpret_cast<uintptr_t>(p) % bytes) found_at(pc, "an atomic at the misaligned address %p", p);
    shadow_access(p, bytes, true, true, pc);
}

} // namespace lt_emu
