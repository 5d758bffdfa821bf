#pragma once
/* Private to checkpoint.c and checkpoint_dir.c. */

#define LT_CKPT_FILE "step_%08lld.h5"
#define LT_CKPT_PATH "%s/" LT_CKPT_FILE
