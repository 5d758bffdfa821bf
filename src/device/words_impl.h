#pragma once
/* Private to device: how its back ends say what failed, in one set of words. */

#include "device/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lt_gpu_failure {
    LT_GPU_FAILED,            /* no advice */
    LT_GPU_FAILED_MEMORY,     /* out of memory */
    LT_GPU_FAILED_NO_DEVICE,  /* no GPU is seen */
    LT_GPU_FAILED_OLD_DRIVER, /* it serves older runtimes only */
    LT_GPU_FAILED_NO_IMAGE,   /* no kernel for this GPU */
    LT_GPU_FAILED_ECC,        /* memory is damaged */
    LT_GPU_FAILED_LAUNCH,     /* a kernel died */
    LT_GPU_FAILED_BUSY        /* another process has it */
} lt_gpu_failure;

/* Local.  What failed (text and name of the error), in what, on which device (info NULL: none is open), and what to do.  Returns NOMEM or CUDA. */
lt_status lt_gpu_impl_failed(lt_gpu_failure kind, const char *text, const char *name, const char *what, int device,
                             const lt_gpu_info *info);
/* Local.  An allocation that did not fit.  Returns NOMEM. */
lt_status lt_gpu_impl_no_room(size_t bytes, const char *kind, const char *what, size_t left, int device, const lt_gpu_info *info);
/* Local.  Why there is no GPU, for count(): driver 0 = none is loaded; text: the driver's own words. */
void lt_gpu_impl_why_none(char *why, size_t bytes, bool too_old, int driver, int runtime, const char *text);
/* Local.  CUDA for a device that the kernels were not written for, else LT_OK. */
lt_status lt_gpu_impl_check_arch(int device, const char *name, int major, int minor);

#ifdef __cplusplus
}
#endif
