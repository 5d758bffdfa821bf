/* What g++ -fsanitize=thread calls at every load and store of the kernels.  The program is not linked with its library: these are the hooks. */
#include "device/emulated/shadow.h"

#ifdef LT_EMULATE_RACE

using namespace lt_emu;

static inline void look(const void *p, size_t n, bool write, bool aligned, const void *pc) {
    if (!in_kernel()) return; /* the host's part of a .cu file */
    if (aligned && reinterpret_cast<uintptr_t>(p) % n)
        found_at(pc, "%s of %zu bytes at the misaligned address %p", write ? "a write" : "a read", n, p);
    shadow_access(p, n, write, false, pc);
}

#define HOOKS(n)                                                                                                                           \
    void __tsan_read##n(void *p);                                                                                                          \
    void __tsan_write##n(void *p);                                                                                                         \
    void __tsan_unaligned_read##n(void *p);                                                                                                \
    void __tsan_unaligned_write##n(void *p);                                                                                               \
    void __tsan_read##n(void *p) { look(p, n, false, true, __builtin_return_address(0)); }                                                 \
    void __tsan_write##n(void *p) { look(p, n, true, true, __builtin_return_address(0)); }                                                 \
    void __tsan_unaligned_read##n(void *p) { look(p, n, false, false, __builtin_return_address(0)); }                                      \
    void __tsan_unaligned_write##n(void *p) { look(p, n, true, false, __builtin_return_address(0)); }

extern "C" {
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)
void __tsan_read_range(void *p, size_t n);
void __tsan_write_range(void *p, size_t n);
void __tsan_func_entry(void *);
void __tsan_func_exit();
void __tsan_init();
uint8_t __tsan_atomic8_load(const volatile uint8_t *p, int);
uint32_t __tsan_atomic32_fetch_add(volatile uint32_t *p, uint32_t x, int);
void __tsan_read_range(void *p, size_t n) { look(p, n, false, false, __builtin_return_address(0)); }
void __tsan_write_range(void *p, size_t n) { look(p, n, true, false, __builtin_return_address(0)); }
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
void __tsan_init() {}
uint8_t __tsan_atomic8_load(const volatile uint8_t *p, int) { return *p; } /* guards of the host's static variables */
uint32_t __tsan_atomic32_fetch_add(volatile uint32_t *p, uint32_t x, int) {
    return __atomic_fetch_add(p, x, __ATOMIC_SEQ_CST);
} /* the host's */
}

#endif
