#pragma once
/* What a thread of a kernel does with the others of its block: where it is, barriers, warp operations, shared memory, asynchronous copies, atomics.
 *
 * Every thread is a fibre.  It runs until one of these functions, where the scheduler (grid.cpp) goes on with a thread drawn at random.  They are ordinary
 * functions; a default argument says from which line they were called. */

#include "device/emulated/vector.h"

#include <cstddef>
#include <cstring>
#include <type_traits>

namespace lt_emu {

using lt_space_emulated::dim3;
using lt_space_emulated::uint3;

/* A line of a kernel. */
struct place {
    const char *file;
    int line;
};
const char *base_name(const char *file);
constexpr place here(const char *file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }

/* What a kernel reads of itself. */
struct identity {
    uint3 index;
};
struct launched {
    identity *self; /* of the running thread; NULL outside kernels */
    uint3 block;
    dim3 size, grid;
};
extern launched at_hand;

enum barrier_kind { BARRIER_PLAIN, BARRIER_COUNT, BARRIER_AND, BARRIER_OR };
int barrier(barrier_kind kind, bool value, place at);

enum warp_kind { WARP_SYNC, WARP_SHUFFLE, WARP_VOTE, WARP_MMA, WARP_LOAD };
enum shuffle_kind { SHUFFLE_INDEX, SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_XOR };
/* Operands of one lane, in and out. */
struct shuffle {
    uint64_t value, result;
    int lane, width; /* lane: index, delta or xor */
    shuffle_kind kind;
};
struct vote {
    bool value;
    unsigned result; /* the ballot */
};
struct mma {
    float *d;
    const uint32_t *a, *b;
};
struct load_matrix {
    const void *row;
    uint32_t *r;
    bool transposed;
};
/* The lanes of mask meet, the last computes all results. */
void warp_meet(warp_kind kind, unsigned mask, void *operands, place at);

void *shared_array(const void *tag, size_t bytes, size_t align);
void *shared_dynamic();

void copy_async(void *shared, const void *global, int bytes, place at);
void copy_commit();
void copy_wait(int groups);

/* Before the read and write of an atomic. */
void atomic_begin(const void *p, size_t bytes, const void *pc);
[[noreturn]] void trap(const char *what, place at);

template <typename T, typename F> __attribute__((noinline, no_sanitize("thread"))) T atomic(T *p, F change) { /* one fibre runs at a time */
    static_assert(std::is_integral_v<T>, "atomics are of integers: sums of floats would depend on the order");
    atomic_begin(p, sizeof(T), __builtin_return_address(0));
    T old;
    memcpy(&old, static_cast<const void *>(p), sizeof old);
    T now = change(old);
    memcpy(static_cast<void *>(p), &now, sizeof now);
    return old;
}

template <typename T> T exchange(unsigned mask, T value, int lane, int width, shuffle_kind kind, place at) {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>, "a shuffle moves up to 8 bytes");
    shuffle s = {0, 0, lane, width, kind};
    memcpy(&s.value, &value, sizeof value);
    warp_meet(WARP_SHUFFLE, mask, &s, at);
    memcpy(&value, &s.result, sizeof value);
    return value;
}

inline unsigned ballot(unsigned mask, bool value, place at) {
    vote v = {value, 0};
    warp_meet(WARP_VOTE, mask, &v, at);
    return v.result;
}

} // namespace lt_emu

#define threadIdx (lt_emu::at_hand.self->index)
#define blockIdx  lt_emu::at_hand.block
#define blockDim  lt_emu::at_hand.size
#define gridDim   lt_emu::at_hand.grid

/* A reference to memory of the block; the tag's address is the array's name. */
#define LT_SHARED(T, name, dims)                                                                                                           \
    static char name##_tag;                                                                                                                \
    using name##_type = T dims;                                                                                                            \
    name##_type &name = *static_cast<name##_type *>(lt_emu::shared_array(&name##_tag, sizeof(name##_type), alignof(T)))
#define LT_SHARED_DYN(T, name) T *name = static_cast<T *>(lt_emu::shared_dynamic())

namespace lt_space_emulated {

static inline void __syncthreads(lt_emu::place at = lt_emu::here()) { (void)lt_emu::barrier(lt_emu::BARRIER_PLAIN, false, at); }
static inline int __syncthreads_count(int p, lt_emu::place at = lt_emu::here()) { return lt_emu::barrier(lt_emu::BARRIER_COUNT, p, at); }
static inline int __syncthreads_and(int p, lt_emu::place at = lt_emu::here()) { return lt_emu::barrier(lt_emu::BARRIER_AND, p, at); }
static inline int __syncthreads_or(int p, lt_emu::place at = lt_emu::here()) { return lt_emu::barrier(lt_emu::BARRIER_OR, p, at); }

static inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, lt_emu::place at = lt_emu::here()) {
    lt_emu::warp_meet(lt_emu::WARP_SYNC, mask, nullptr, at);
}
template <typename T> static inline T __shfl_sync(unsigned mask, T x, int lane, int width = 32, lt_emu::place at = lt_emu::here()) {
    return lt_emu::exchange(mask, x, lane, width, lt_emu::SHUFFLE_INDEX, at);
}
template <typename T> static inline T __shfl_up_sync(unsigned mask, T x, unsigned by, int width = 32, lt_emu::place at = lt_emu::here()) {
    return lt_emu::exchange(mask, x, (int)by, width, lt_emu::SHUFFLE_UP, at);
}
template <typename T> static inline T __shfl_down_sync(unsigned mask, T x, unsigned by, int width = 32, lt_emu::place at = lt_emu::here()) {
    return lt_emu::exchange(mask, x, (int)by, width, lt_emu::SHUFFLE_DOWN, at);
}
template <typename T> static inline T __shfl_xor_sync(unsigned mask, T x, int with, int width = 32, lt_emu::place at = lt_emu::here()) {
    return lt_emu::exchange(mask, x, with, width, lt_emu::SHUFFLE_XOR, at);
}
static inline unsigned __ballot_sync(unsigned mask, int p, lt_emu::place at = lt_emu::here()) { return lt_emu::ballot(mask, p, at); }
static inline int __any_sync(unsigned mask, int p, lt_emu::place at = lt_emu::here()) { return lt_emu::ballot(mask, p, at) != 0; }
static inline int __all_sync(unsigned mask, int p, lt_emu::place at = lt_emu::here()) { return lt_emu::ballot(mask, p, at) == mask; }

template <typename T> static inline T atomicAdd(T *p, std::common_type_t<T> x) {
    return lt_emu::atomic(p, [=](T old) { return (T)(old + x); });
}
template <typename T> static inline T atomicMax(T *p, std::common_type_t<T> x) {
    return lt_emu::atomic(p, [=](T old) { return old > x ? old : x; });
}
template <typename T> static inline T atomicMin(T *p, std::common_type_t<T> x) {
    return lt_emu::atomic(p, [=](T old) { return old < x ? old : x; });
}
static inline void __trap(lt_emu::place at = lt_emu::here()) { lt_emu::trap("__trap", at); }

static inline void lt_mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], lt_emu::place at = lt_emu::here()) {
    lt_emu::mma m = {d, a, b};
    lt_emu::warp_meet(lt_emu::WARP_MMA, 0xFFFFFFFFu, &m, at);
}
static inline void lt_ldmatrix_x4(uint32_t (&r)[4], const void *row, lt_emu::place at = lt_emu::here()) {
    lt_emu::load_matrix l = {row, r, false};
    lt_emu::warp_meet(lt_emu::WARP_LOAD, 0xFFFFFFFFu, &l, at);
}
static inline void lt_ldmatrix_x4_trans(uint32_t (&r)[4], const void *row, lt_emu::place at = lt_emu::here()) {
    lt_emu::load_matrix l = {row, r, true};
    lt_emu::warp_meet(lt_emu::WARP_LOAD, 0xFFFFFFFFu, &l, at);
}
static inline void lt_cp_async16(void *shared, const void *global, int bytes = 16, lt_emu::place at = lt_emu::here()) {
    lt_emu::copy_async(shared, global, bytes, at);
}
static inline void lt_cp_async_commit() { lt_emu::copy_commit(); }
template <int n> static inline void lt_cp_async_wait() { lt_emu::copy_wait(n); }

} // namespace lt_space_emulated
