#pragma once
/* The emulator as tests of it see it; everything else goes through device/gpu.h.
 *
 * Settings, all by environment:
 *   LT_EMU_SEED      order of threads, blocks and streams (1)
 *   LT_EMU_DEVICES   GPUs of the machine (8); 0 = none.  CUDA_VISIBLE_DEVICES chooses among them: a list of numbers, or empty
 *   LT_EMU_MEMORY    bytes of a GPU (4 GiB)
 *   LT_EMU_ARCH      compute capability: 70 (too old), 80, 86, 89, 90 (default), 100
 *   LT_EMU_DRIVER    newest runtime that the driver serves, as 12040 (13000); 0 = no driver
 *   LT_EMU_FAIL      call[:rank]:n[:what]: the n-th call of an entry of the table ("alloc", "copy", "gemm", "all_reduce" ...) or the n-th "launch" of a
 *                    kernel fails, on that rank or on all.  what: ecc, xid, lost (the device is lost from there on), oom, busy, hang (what is enqueued never
 *                    ends); without it: an invalid argument */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Local.  Order of threads, blocks and streams from here on. */
void lt_emulated_seed(uint64_t seed);
/* Local.  What was found is forgotten and what is queued dropped: the device works again. */
void lt_emulated_forget(void);
/* Local.  The settings are read again: no device is open. */
void lt_emulated_read_settings(void);
/* Local.  Whether this is the race build. */
bool lt_emulated_race(void);

#ifdef __cplusplus
}
#endif
