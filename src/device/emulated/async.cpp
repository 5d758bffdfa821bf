/* cp.async: 16 bytes that arrive at a moment drawn at random between the call and the wait for their group; until then nobody may read them. */
#include "device/emulated/shadow.h"

namespace lt_emu {

void async_begin(thread *t) {
    t->flights.clear();
    t->group = 0;
}

static void land(flight *f) {
    memcpy(f->dst, f->src, (size_t)f->bytes);
    memset(f->dst + f->bytes, 0, 16 - (size_t)f->bytes);
    f->landed = true;
}

void copy_async(void *shared, const void *global, int bytes, place at) {
    if (reinterpret_cast<uintptr_t>(shared) % 16 || reinterpret_cast<uintptr_t>(global) % 16)
        found_in_kernel(at, "lt_cp_async16: an address is not 16-byte aligned (to %p, from %p)", shared, global);
    if (bytes < 0 || bytes > 16) found_in_kernel(at, "lt_cp_async16 of %d bytes", bytes);
    if (!is_shared(shared, 16)) found_in_kernel(at, "lt_cp_async16 to %p, which is not in a shared array", shared);
    const void *pc = __builtin_return_address(0);
    shadow_access(shared, 16, true, false, pc);
    shadow_unknown(shared, 16);
    memset(shared, 0xFF, 16);
    running->flights.push_back({static_cast<char *>(shared), static_cast<const char *>(global), bytes, running->group, false, at, pc});
    if (draw(4) == 0) land(&running->flights.back());
}

/* For the race build it lands now in any case. */
static void end(flight *f) {
    if (!f->landed) land(f);
    shadow_access(f->src, (size_t)f->bytes, false, false, f->pc);
    shadow_access(f->dst, 16, true, false, f->pc);
}

void copy_commit() { running->group++; }

void copy_wait(int groups) {
    std::vector<flight> &all = running->flights;
    size_t kept = 0;
    for (flight &f : all) {
        if (f.group >= running->group - groups)
            all[kept++] = f;
        else
            end(&f);
    }
    all.resize(kept);
}

void async_left() {
    if (!running->flights.empty()) found_in_kernel(running->flights.front().at, "a thread leaves and has not waited for its lt_cp_async16");
}

} // namespace lt_emu
