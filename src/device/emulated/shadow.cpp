/* Builds without race checks. */
#include "device/emulated/grid_impl.h"

#ifndef LT_EMULATE_RACE
namespace lt_emu {
void shadow_new(const void *, size_t, bool) {}
void shadow_gone(const void *, size_t) {}
void shadow_kernel(uint32_t) {}
void shadow_block() {}
void shadow_block_end() {}
void shadow_barrier() {}
void shadow_warp(unsigned) {}
void shadow_access(const void *, size_t, bool, bool, const void *) {}
void shadow_bulk(const void *, size_t, size_t, int64_t, bool, uint32_t, const char *) {}
} // namespace lt_emu
#endif
