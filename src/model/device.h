#pragma once
/* Which device a process computes on. */

#include "comm/comm.h"
#include "kernels/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* run.device, in the order of its words. */
typedef enum lt_device_kind { LT_DEVICE_AUTO, LT_DEVICE_CPU, LT_DEVICE_CUDA, LT_DEVICE_EMULATED } lt_device_kind;

typedef struct lt_device {
    const lt_ops *ops; /* the table to compute with */
    int index;         /* of the GPU among those that the process sees; -1 = no GPU */
    lt_gpu_info info;  /* of a GPU */
} lt_device;

/* Collective(world).  Chooses the back end, the same on all ranks, and opens this rank's device: the only GPU it sees (batch systems that bind tasks), or else
 * that of its number among the ranks of its node.  auto: GPUs if the build has CUDA and every rank sees one, else the CPU, and why is told.  The
 * environment's LT_OPS wins
 * (tests).  open: false only chooses, for plans on machines without the device.
 * Errors: CONFIG (not in this build), CUDA (no device here, with the reason; some ranks see GPUs and others none). */
lt_status lt_device_open(lt_comm *world, lt_device_kind want, bool open, lt_device *d);
/* Local.  "cpu", "cuda" ...: as run.device and files say it. */
const char *lt_device_word(const lt_device *d);
/* Collective(world).  Ranks that have the GPU of this one, it among them; d is open.  Errors: NOMEM (agreed). */
lt_status lt_device_ranks(lt_comm *world, const lt_device *d, int *ranks);
/* Collective(world).  The GPU of every rank, a line each ("" on CPUs), into a malloc'ed string.  Errors: NOMEM (agreed). */
lt_status lt_device_describe(lt_comm *world, const lt_device *d, char **text);

#ifdef __cplusplus
}
#endif
