#pragma once
/* The emulator as tests of it see it; everything else goes through device/gpu.h. */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Local.  Order of threads, blocks and streams from here on; LT_EMU_SEED is the first. */
void lt_emulated_seed(uint64_t seed);
/* Local.  What was found is forgotten: the device works again. */
void lt_emulated_forget(void);

#ifdef __cplusplus
}
#endif
