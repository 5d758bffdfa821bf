/* Contexts of threads.  On x86-64 a switch saves the six registers that a call keeps (some 10 ns); elsewhere it is swapcontext's. */
#include "device/emulated/fibre.h"
#include "device/emulated/emulated_impl.h"

#include <cstdint>
#include <sys/mman.h>
#if !defined(__x86_64__) || defined(LT_EMULATE_UCONTEXT)
#define BY_UCONTEXT
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace lt_emu {

#if defined(__SANITIZE_ADDRESS__)
static const size_t STACK_BYTES = 256 << 10; /* frames have red zones */
#else
static const size_t STACK_BYTES = 64 << 10;
#endif
static const size_t PAGE = 4096;

static struct {
    char *base; /* of all stacks: a page that nobody may touch, then the stack */
    fibre main;
    const void *main_bottom; /* ASan: of the host's stack */
    size_t main_bytes;
} all;

lt_status fibres_begin() {
    const size_t each = STACK_BYTES + PAGE;
    if (all.base) return LT_OK;
    void *p = mmap(nullptr, each * FIBRES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    LT_CHECK(p != MAP_FAILED, LT_ERR_NOMEM, "an emulated GPU finds no memory for the stacks of threads");
    all.base = static_cast<char *>(p);
    for (size_t k = 0; k < FIBRES_MAX; k++) (void)mprotect(all.base + k * each, PAGE, PROT_NONE);
    return LT_OK;
}

bool fibre_on_stack(const void *p) {
    return all.base && (size_t)(static_cast<const char *>(p) - all.base) < (STACK_BYTES + PAGE) * FIBRES_MAX;
}

bool fibre_owns(const fibre *f, const void *p) { return (size_t)(static_cast<const char *>(p) - f->stack) < STACK_BYTES; }

char *fibre_top(fibre *f) {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(f->stack, STACK_BYTES);
#endif
    return f->stack + STACK_BYTES - 64;
}

fibre *fibre_main() { return &all.main; }

#ifndef BY_UCONTEXT

extern "C" void lt_emu_switch(void **save, void *to);
asm(".text\n"
    ".globl lt_emu_switch\n"
    ".type lt_emu_switch, @function\n"
    "lt_emu_switch:\n"
    "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, (%rdi)\n"
    "  mov %rsi, %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n"
    "  ret\n"
    ".size lt_emu_switch, . - lt_emu_switch\n");

static void prepare(fibre *f, size_t i, void (*entry)()) {
    /* Tops of stacks begin at different cache lines: at one distance of 64 KB they would share a few sets of every cache. */
    char *top = f->stack + STACK_BYTES - 64 - i % 32 * 320;
    void **sp = reinterpret_cast<void **>(reinterpret_cast<uintptr_t>(top) & ~(uintptr_t)63);
    *--sp = nullptr; /* where entry would return to: keeps the stack 16-byte aligned as after a call */
    *--sp = reinterpret_cast<void *>(entry);
    for (int r = 0; r < 6; r++) *--sp = nullptr;
    f->sp = sp;
}
static void swap(fibre *from, fibre *to) { lt_emu_switch(&from->sp, to->sp); }

#else

static void prepare(fibre *f, size_t i, void (*entry)()) {
    static ucontext_t contexts[FIBRES_MAX];
    ucontext_t *c = &contexts[i];
    (void)getcontext(c);
    c->uc_stack.ss_sp = f->stack;
    c->uc_stack.ss_size = STACK_BYTES;
    c->uc_link = nullptr;
    makecontext(c, entry, 0);
    f->sp = c;
}
static void swap(fibre *from, fibre *to) {
    static ucontext_t host;
    if (!from->sp) from->sp = &host;
    (void)swapcontext(static_cast<ucontext_t *>(from->sp), static_cast<ucontext_t *>(to->sp));
}

#endif

void fibre_reset(fibre *f, size_t i, void (*entry)()) {
    if (!f->stack) f->stack = all.base + i * (STACK_BYTES + PAGE) + PAGE;
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(f->stack, STACK_BYTES); /* of a kernel that was ended */
#endif
    prepare(f, i, entry);
}

void fibre_switch(fibre *from, fibre *to, bool leaving) {
#if defined(__SANITIZE_ADDRESS__)
    void *fake = nullptr;
    __sanitizer_start_switch_fiber(leaving ? nullptr : &fake, to == &all.main ? all.main_bottom : to->stack,
                                   to == &all.main ? all.main_bytes : STACK_BYTES);
    swap(from, to);
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#else
    (void)leaving;
    swap(from, to);
#endif
}

void fibre_entered() {
#if defined(__SANITIZE_ADDRESS__)
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
    if (!fibre_on_stack(bottom)) all.main_bottom = bottom, all.main_bytes = bytes;
#endif
}

} // namespace lt_emu
