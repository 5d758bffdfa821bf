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

/* Atomics of the host's part of a .cu file (kernels use CUDA's). */
#define ATOMIC_CHANGE(n, name)                                                                                                             \
    uint##n##_t __tsan_atomic##n##_##name(volatile uint##n##_t *p, uint##n##_t x, int);                                                    \
    uint##n##_t __tsan_atomic##n##_##name(volatile uint##n##_t *p, uint##n##_t x, int) { return __atomic_##name(p, x, __ATOMIC_SEQ_CST); }
#define ATOMICS(n)                                                                                                                         \
    ATOMIC_CHANGE(n, fetch_add)                                                                                                            \
    ATOMIC_CHANGE(n, fetch_sub)                                                                                                            \
    ATOMIC_CHANGE(n, fetch_and)                                                                                                            \
    ATOMIC_CHANGE(n, fetch_or)                                                                                                             \
    uint##n##_t __tsan_atomic##n##_exchange(volatile uint##n##_t *p, uint##n##_t x, int);                                                  \
    uint##n##_t __tsan_atomic##n##_load(const volatile uint##n##_t *p, int);                                                               \
    void __tsan_atomic##n##_store(volatile uint##n##_t *p, uint##n##_t x, int);                                                            \
    int __tsan_atomic##n##_compare_exchange_strong(volatile uint##n##_t *p, uint##n##_t *old, uint##n##_t x, int, int);                    \
    uint##n##_t __tsan_atomic##n##_exchange(volatile uint##n##_t *p, uint##n##_t x, int) {                                                 \
        return __atomic_exchange_n(p, x, __ATOMIC_SEQ_CST);                                                                                \
    }                                                                                                                                      \
    uint##n##_t __tsan_atomic##n##_load(const volatile uint##n##_t *p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }               \
    void __tsan_atomic##n##_store(volatile uint##n##_t *p, uint##n##_t x, int) { __atomic_store_n(p, x, __ATOMIC_SEQ_CST); }               \
    int __tsan_atomic##n##_compare_exchange_strong(volatile uint##n##_t *p, uint##n##_t *old, uint##n##_t x, int, int) {                   \
        return __atomic_compare_exchange_n(p, old, x, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                                          \
    }

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
void __tsan_read_range(void *p, size_t n) { look(p, n, false, false, __builtin_return_address(0)); }
void __tsan_write_range(void *p, size_t n) { look(p, n, true, false, __builtin_return_address(0)); }
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
void __tsan_init() {}
ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)
}

#endif
