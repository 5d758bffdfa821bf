#pragma once
/* Private to device/emulated: the race build's view of accesses; nothing in other builds. */

#include "device/emulated/grid_impl.h"

namespace lt_emu {

#ifdef LT_EMULATE_RACE
/* Memory that begins (written: its bytes count as written) and ends. */
void shadow_new(const void *p, size_t bytes, bool written);
void shadow_gone(const void *p, size_t bytes);
/* A kernel begins, a block of it, and what orders its threads. */
void shadow_kernel(uint32_t op);
void shadow_block();
void shadow_barrier();
void shadow_warp(warp *w, unsigned mask);
/* An access of a thread; ends the kernel if it must not be. */
void shadow_access(const void *p, size_t bytes, bool write, bool atomic, const void *pc);
void shadow_access_of(thread *t, const void *p, size_t bytes, bool write, bool atomic, const void *pc);
/* Bytes that are on their way: nobody has written them. */
void shadow_unknown(const void *p, size_t bytes);
/* A copy, a fill or a product. */
void shadow_bulk(const void *p, size_t pitch, size_t row_bytes, int64_t rows, bool write, uint32_t op, const char *what);
#else
inline void shadow_new(const void *, size_t, bool) {}
inline void shadow_gone(const void *, size_t) {}
inline void shadow_kernel(uint32_t) {}
inline void shadow_block() {}
inline void shadow_barrier() {}
inline void shadow_warp(warp *, unsigned) {}
inline void shadow_access(const void *, size_t, bool, bool, const void *) {}
inline void shadow_access_of(thread *, const void *, size_t, bool, bool, const void *) {}
inline void shadow_unknown(const void *, size_t) {}
inline void shadow_bulk(const void *, size_t, size_t, int64_t, bool, uint32_t, const char *) {}
#endif

} // namespace lt_emu
