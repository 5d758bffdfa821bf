/* What all back ends of device/gpu.h share. */
#include "device/gpu.h"

#include <sched.h>

static struct {
    void (*call)(void *arg, bool first);
    void *arg;
} idle;
static _Thread_local bool idles; /* this thread set it */

void lt_gpu_set_idle(void (*call)(void *arg, bool first), void *arg) {
    idle.call = call;
    idle.arg = arg;
    idles = call != NULL;
}

void lt_gpu_idle(bool first) {
    if (idles && idle.call)
        idle.call(idle.arg, first);
    else
        (void)sched_yield();
}

static void (*progress)(void);

void lt_gpu_set_progress(void (*call)(void)) { progress = call; }

void lt_gpu_progress(void) {
    if (progress) progress();
}

#ifndef LT_HAVE_CUDA
const lt_gpu *lt_gpu_cuda(void) { return NULL; }
#endif
#ifndef LT_HAVE_EMULATED
const lt_gpu *lt_gpu_emulated(void) { return NULL; }
#endif
