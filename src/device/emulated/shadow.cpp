/* The race build: who has written and read each two bytes of memory that kernels reach, and whether that comes before what is done now.
 *
 * What orders accesses: __syncthreads within a block, __syncwarp among its lanes, a stream, an event, a wait of the host.  Nothing else does: no shuffle, no
 * atomic, no order of blocks.  A cell keeps the last write and the reads since: of one thread, of lanes of one warp, of threads of a block, or of several blocks;
 * a read that comes after all of them takes their place.  Two conflicting accesses without order are found whatever the order in which they happened. */
#include "device/emulated/shadow.h"

#ifdef LT_EMULATE_RACE

#include "device/emulated/memory.h"
#include "device/emulated/order.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

namespace lt_emu {

enum readers { ONE, LANES, BLOCK, BLOCKS };
struct cell {
    uint32_t w_run, w_clock, w_pc;
    uint32_t r_run, r_clock, r_pc, r_lanes;
    uint16_t w_thread, r_thread;
    unsigned w_bytes : 2, w_atomic : 1, r_bytes : 2, r_who : 2, known : 2; /* known: bytes that somebody has written */
};

/* Who does something now. */
struct actor {
    uint32_t run, op, clock, block_clock;
    unsigned thread;
    const uint32_t *knows; /* of the lanes of its warp; NULL: it has none */
};

static cell *cells;
static std::vector<uint32_t> op_of(1);       /* by run: a block of a kernel, or a piece of work */
static std::vector<const char *> name_of(1); /* by op */
static std::vector<uint32_t> bulk_run(1);    /* by op; 0: it has none */
static uint32_t now_clock = 1, block_clock, block_run, kernel_op;
static bool inside; /* hooks of what the hooks call */

extern "C" const char __executable_start, __data_start;
static uint32_t pack(const void *pc) { return pc ? (uint32_t)(static_cast<const char *>(pc) - &__executable_start) : 0; }
static const void *unpack(uint32_t pc) { return pc ? &__executable_start + pc : nullptr; }
/* Constants of the program, and what a thread knows of itself: the one memory of the host that kernels read. */
static bool in_program(const void *p) {
    size_t in_hand = (size_t)(static_cast<const char *>(p) - reinterpret_cast<const char *>(&at_hand));
    size_t in_block = (size_t)(static_cast<const char *>(p) - reinterpret_cast<const char *>(now));
    return (p >= &__executable_start && p < &__data_start) || in_hand < sizeof at_hand || in_block < sizeof *now;
}

static cell *cell_at(size_t at) {
    if (!cells) {
        size_t bytes = space_bytes() / 2 * sizeof(cell);
        void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) __builtin_trap();
        cells = static_cast<cell *>(p);
    }
    return &cells[at / 2];
}

static uint32_t new_run(uint32_t op, const char *name) {
    if (name_of.size() <= op) name_of.resize(op + 1, "");
    name_of[op] = name;
    op_of.push_back(op);
    return (uint32_t)op_of.size() - 1;
}

void shadow_new(const void *p, size_t bytes, bool written) {
    size_t at;
    if (!written || !in_space(p, &at)) return; /* fresh cells are zero */
    for (size_t i = 0; i < bytes; i += 2) cell_at(at + i)->known = 3;
}

void shadow_gone(const void *p, size_t bytes) {
    size_t at;
    if (!in_space(p, &at)) return;
    char *from = reinterpret_cast<char *>(cell_at(at)), *to = reinterpret_cast<char *>(cell_at(at + bytes));
    const uintptr_t page = 4096;
    from = reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(from) + page - 1) / page * page);
    to = reinterpret_cast<char *>(reinterpret_cast<uintptr_t>(to) / page * page);
    if (to > from) (void)madvise(from, (size_t)(to - from), MADV_DONTNEED);
}

void shadow_kernel(uint32_t op) { kernel_op = op; }
void shadow_block() {
    block_run = new_run(kernel_op, kernel_name());
    block_clock = ++now_clock;
    inside = false; /* a kernel that was ended had no time to */
    for (int i = 0; i < now->n_threads; i++) {
        now->threads[i].clock = 0;
        memset(now->threads[i].knows, 0, sizeof now->threads[i].knows);
    }
}
void shadow_barrier() { block_clock = ++now_clock; }

/* The lanes know of each other, and what each knew. */
void shadow_warp(warp *w, unsigned mask) {
    uint32_t all[32] = {}, t = ++now_clock;
    for (unsigned left = mask; left; left &= left - 1)
        for (int k = 0; k < 32; k++) all[k] = std::max(all[k], w->lane[__builtin_ctz(left)]->knows[k]);
    for (unsigned left = mask; left; left &= left - 1) all[__builtin_ctz(left)] = t;
    for (unsigned left = mask; left; left &= left - 1) {
        thread *l = w->lane[__builtin_ctz(left)];
        memcpy(l->knows, all, sizeof all);
        l->clock = t;
    }
}

static bool knows_lane(const actor &a, unsigned lane, uint32_t clock) { return a.knows && a.knows[lane] > clock; }

static bool after_write(const cell &c, const actor &a) {
    if (op_of[c.w_run] != a.op) return op_before(op_of[c.w_run], a.op);
    if (c.w_run != a.run) return false;
    return c.w_clock < a.block_clock || c.w_thread == a.thread ||
           (c.w_thread / 32 == a.thread / 32 && knows_lane(a, c.w_thread % 32, c.w_clock));
}

static bool after_reads(const cell &c, const actor &a) {
    if (op_of[c.r_run] != a.op) return op_before(op_of[c.r_run], a.op);
    if (c.r_who == BLOCKS || c.r_run != a.run) return false;
    if (c.r_clock < a.block_clock || (c.r_who == ONE && c.r_thread == a.thread)) return true;
    if (c.r_who == BLOCK || c.r_thread / 32 != a.thread / 32) return false;
    for (unsigned left = c.r_lanes & ~(1u << a.thread % 32); left; left &= left - 1)
        if (!knows_lane(a, (unsigned)__builtin_ctz(left), c.r_clock)) return false;
    return true;
}

static void add_read(cell *c, const actor &a, unsigned bytes, uint32_t pc) {
    if (!c->r_run || after_reads(*c, a)) {
        c->r_who = ONE;
        c->r_thread = (uint16_t)a.thread;
        c->r_lanes = 1u << a.thread % 32;
        c->r_bytes = bytes & 3;
        c->r_clock = a.clock;
    } else {
        bool same_warp = c->r_run == a.run && c->r_who <= LANES && c->r_thread / 32 == a.thread / 32;
        c->r_who = c->r_run != a.run || c->r_who == BLOCKS ? BLOCKS : same_warp ? LANES : BLOCK;
        c->r_lanes |= 1u << a.thread % 32;
        c->r_bytes |= bytes & 3;
        c->r_clock = std::max(c->r_clock, a.clock);
    }
    c->r_run = a.run;
    c->r_pc = pc;
}

/* What collides, as text: "race on shared memory: written at a.cu:1 by thread 3, read here by thread 4, and nothing orders the two". */
static void collide(char *text, size_t bytes, const char *memory, const cell &c, const actor &a, bool old_write, bool write) {
    char line[200];
    uint32_t run = old_write ? c.w_run : c.r_run, op = op_of[run];
    (void)line_of(unpack(old_write ? c.w_pc : c.r_pc), line, sizeof line);
    (void)snprintf(text, bytes, "race on %s memory, not ordered: %s before by %s%s%s (thread %u%s), %s here", memory,
                   old_write ? "written" : "read", op == a.op ? "this kernel" : name_of[op], *line ? " at " : "", line,
                   old_write ? c.w_thread : c.r_thread,
                   run == a.run ? ""
                   : op == a.op ? " of another block"
                                : " of other work",
                   write ? "written" : "read");
}

/* One cell; false: text says what is wrong. */
static bool touch(cell *c, const actor &a, unsigned bytes, bool write, bool atomic, bool must_be_known, uint32_t pc, const char *memory,
                  char *text, size_t size) {
    if (must_be_known && (c->known & bytes) != bytes) {
        (void)snprintf(text, size, "a read of %s memory that nobody wrote%s", memory,
                       *memory == 's' ? ", or that lt_cp_async16 still brings" : "");
        return false;
    }
    if (c->w_run && (c->w_bytes & bytes) && !(c->w_atomic && atomic) && !after_write(*c, a)) {
        collide(text, size, memory, *c, a, true, write);
        return false;
    }
    if (!write) {
        add_read(c, a, bytes, pc);
        return true;
    }
    if (c->r_run && (c->r_bytes & bytes) && !after_reads(*c, a)) {
        collide(text, size, memory, *c, a, false, true);
        return false;
    }
    bool goes_on = c->w_run == a.run && c->w_thread == a.thread && c->w_clock == a.clock && c->w_atomic == atomic;
    c->w_bytes = (goes_on ? c->w_bytes | bytes : bytes) & 3;
    c->w_run = a.run;
    c->w_clock = a.clock;
    c->w_thread = (uint16_t)a.thread;
    c->w_atomic = atomic;
    c->w_pc = pc;
    c->known |= bytes & 3;
    if ((c->r_bytes & bytes) == c->r_bytes) c->r_run = 0;
    return true;
}

/* Addresses outside of the device: which of them a thread may use. */
static void check_host(const char *p, bool write, const void *pc) {
    char text[200];
    if (!write && (in_program(p) || kernel_param(p))) return;
    if (fibre_on_stack(p)) found_at(pc, "%s of a local array of another thread", write ? "a write" : "a read");
    found_at(pc, "%s of %p: %s", write ? "a write" : "a read", static_cast<const void *>(p), describe(p, text, sizeof text));
}

static void access_as(thread *t, const void *address, size_t n, bool write, bool atomic, const void *pc) {
    const char *p = static_cast<const char *>(address);
    char text[600];
    size_t at;
    if (fibre_owns(&t->context, p) || !n) return;
    if (!in_space(p, &at)) {
        check_host(p, write, pc);
        return;
    }
    bool shared = at < SHARED_BYTES, device = !shared && in_device_range(p);
    if (shared ? !is_shared(p, n) : !is_live(p, n))
        found_at(pc, "%s of %zu bytes out of bounds of %s memory: %s", write ? "a write" : "a read", n, shared ? "shared" : "device",
                 shared ? "in no array of the block" : describe(p, text, sizeof text));
    actor a = {block_run, kernel_op, std::max(t->clock, block_clock), block_clock, t->number, t->knows};
    const char *memory = shared ? "shared" : device ? "device" : "managed";
    for (size_t b = at & ~(size_t)1; b < at + n; b += 2) {
        cell *c = cell_at(b);
        if (shared && c->w_run != block_run && c->r_run != block_run) *c = {};
        unsigned bytes = (b >= at ? 1u : 0) | (b + 1 < at + n ? 2u : 0);
        if (!touch(c, a, bytes, write, atomic, !write || atomic, pack(pc), memory, text, sizeof text)) found_at(pc, "%s", text);
    }
}

void shadow_access(const void *p, size_t n, bool write, bool atomic, const void *pc) { shadow_access_of(running, p, n, write, atomic, pc); }

void shadow_access_of(thread *t, const void *p, size_t n, bool write, bool atomic, const void *pc) {
    if (inside) return;
    inside = true;
    access_as(t, p, n, write, atomic, pc);
    inside = false;
}

void shadow_unknown(const void *p, size_t n) {
    size_t at;
    if (!in_space(p, &at)) return;
    for (size_t i = 0; i < n; i += 2) cell_at(at + i)->known = 0;
}

void shadow_bulk(const void *address, size_t pitch, size_t row_bytes, int64_t rows, bool write, uint32_t op, const char *what) {
    char text[600];
    if (bulk_run.size() <= op) bulk_run.resize(op + 1);
    if (!bulk_run[op]) bulk_run[op] = new_run(op, what);
    actor a = {bulk_run[op], op, ++now_clock, now_clock, 0, nullptr};
    for (int64_t r = 0; r < rows && !is_lost(); r++) {
        const char *p = static_cast<const char *>(address) + (size_t)r * pitch;
        size_t at;
        if (!in_space(p, &at)) return;
        for (size_t b = at & ~(size_t)1; b < at + row_bytes; b += 2) {
            unsigned bytes = (b >= at ? 1u : 0) | (b + 1 < at + row_bytes ? 2u : 0);
            bool must = !write && strcmp(what, "a copy") != 0;
            if (touch(cell_at(b), a, bytes, write, false, must, 0, in_device_range(p) ? "device" : "managed", text, sizeof text)) continue;
            found("%s: %s", what, text);
            break;
        }
    }
}

} // namespace lt_emu

#endif
