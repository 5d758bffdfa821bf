#pragma once
/* LT_LAUNCH: a kernel and its arguments as a block of bytes that is queued on a stream. */

#include "base/err.h"
#include "device/emulated/vector.h"
#include "device/gpu.h"

#include <tuple>
#include <type_traits>

namespace lt_emu {

/* A launch as the host asked for it. */
struct launch_args {
    const char *name;
    lt_space_emulated::dim3 grid, block;
    size_t shared;
    void (*call)(const void *params); /* runs one thread */
    const void *params;               /* copied by launch() */
    size_t bytes;
};
lt_status launch(const launch_args &l, lt_stream *s, const void *const *pointers, size_t n_pointers);

template <typename T> const void *pointer_of(const T &x) {
    if constexpr (std::is_pointer_v<T>)
        return x;
    else
        return nullptr;
}

} // namespace lt_emu

namespace lt_space_emulated {

template <typename... P, typename... A>
static lt_status lt_launch(const char *name, lt_stream *s, void (*kernel)(P...), dim3 grid, dim3 block, size_t smem, A... a) {
    static_assert((std::is_trivially_copyable_v<P> && ...), "kernels take plain values");
    struct params {
        void (*kernel)(P...);
        std::tuple<P...> args;
    } p = {kernel, std::tuple<P...>(static_cast<P>(a)...)};
    static_assert(sizeof p <= 4096 + 64, "arguments of a kernel are at most 4 KB");
    const void *pointers[] = {lt_emu::pointer_of(static_cast<P>(a))..., nullptr};
    auto call = [](const void *q) { std::apply(static_cast<const params *>(q)->kernel, static_cast<const params *>(q)->args); };
    return lt_emu::launch({name, grid, block, smem, call, &p, sizeof p}, s, pointers, sizeof...(P));
}

} // namespace lt_space_emulated

#define LT_LAUNCH(stream, kernel, grid, block, smem, ...)                                                                                  \
    lt_space_emulated::lt_launch(#kernel, stream, LT_STRIP kernel, grid, block, smem, __VA_ARGS__)
#define LT_STRIP(...) __VA_ARGS__
