/* Words for failures of GPUs. */
#include "device/words_impl.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static const char *advice(lt_gpu_failure kind) {
    switch (kind) {
    case LT_GPU_FAILED_MEMORY:
        return "\n  what to do: lower parallel.tokens or the number of trials, use more ranks (parallel.tp), or a GPU with more memory; "
               "`ltune plan` shows what is needed";
    case LT_GPU_FAILED_NO_DEVICE:
        return "\n  what to do: ask for GPUs (sbatch --gpus-per-node), look at CUDA_VISIBLE_DEVICES, or set run.device: cpu";
    case LT_GPU_FAILED_OLD_DRIVER:
        return "\n  what to do: run on nodes with a newer driver, or build with an older CUDA toolkit";
    case LT_GPU_FAILED_NO_IMAGE:
        return "\n  what to do: build for this GPU (CMAKE_CUDA_ARCHITECTURES); the kernels need compute capability 8.0";
    case LT_GPU_FAILED_ECC:
        return "\n  what to do: the memory of this GPU is damaged: have the node drained, and run the same command again elsewhere";
    case LT_GPU_FAILED_LAUNCH:
        return "\n  what to do: look for an Xid of this GPU in the node's log (dmesg); if there is none this is a bug in ltune: send the "
               "log and the output of `ltune selftest`";
    case LT_GPU_FAILED_BUSY:
        return "\n  what to do: the GPU is used by another process in exclusive mode";
    default:
        return "";
    }
}

lt_status lt_gpu_impl_failed(lt_gpu_failure kind, const char *text, const char *name, const char *what, int device,
                             const lt_gpu_info *info) {
    char where[160] = "";
    if (info) (void)snprintf(where, sizeof where, " on GPU %d (%s, %s)", device, info->name, info->bus_id);
    return LT_FAIL(kind == LT_GPU_FAILED_MEMORY ? LT_ERR_NOMEM : LT_ERR_CUDA, "CUDA%s: %s (%s) in %s%s", where, text, name, what,
                   advice(kind));
}

lt_status lt_gpu_impl_no_room(size_t bytes, const char *kind, const char *what, size_t left, int device, const lt_gpu_info *info) {
    char want[32], free_text[32];
    return LT_FAIL(LT_ERR_NOMEM, "GPU %d (%s): cannot allocate %s of %s for %s; %s are free%s", device, info->name,
                   lt_bytes_str(want, (double)bytes), kind, what, lt_bytes_str(free_text, (double)left), advice(LT_GPU_FAILED_MEMORY));
}

void lt_gpu_impl_why_none(char *why, size_t bytes, bool too_old, int driver, int runtime, const char *text) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (driver == 0)
        (void)snprintf(why, bytes, "no NVIDIA driver is loaded on this machine (built with CUDA %d.%d)", runtime / 1000,
                       runtime % 1000 / 10);
    else if (too_old)
        (void)snprintf(why, bytes, "the driver is too old: it serves CUDA %d.%d, this program was built with %d.%d", driver / 1000,
                       driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    else if (visible && !*visible)
        (void)snprintf(why, bytes, "CUDA_VISIBLE_DEVICES is empty: this process may see no GPU");
    else
        (void)snprintf(why, bytes, "the driver finds no GPU%s%s (%s)", visible ? " with CUDA_VISIBLE_DEVICES=" : "", visible ? visible : "",
                       text);
}

lt_status lt_gpu_impl_check_arch(int device, const char *name, int major, int minor) {
    LT_CHECK(major >= 8, LT_ERR_CUDA, "GPU %d (%s) has compute capability %d.%d; the kernels need 8.0 (A100) or later", device, name, major,
             minor);
    return LT_OK;
}
