#pragma once
/* Private to checkpoint.c and checkpoint_dir.c. */

#include "store/checkpoint.h"

#define LT_CKPT_FILE "step_%08lld.h5"
#define LT_CKPT_PATH "%s/" LT_CKPT_FILE
#define LT_CKPT_BEST "best_%08lld.%s.h5" /* step, trial */

/* Local.  FORMAT unless the digest of the whole file was checked. */
lt_status lt_ckpt_impl_need_digest(const lt_ckpt *ck);
