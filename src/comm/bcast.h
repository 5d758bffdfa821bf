#pragma once
/* What one rank has on its GPU goes to the GPUs of a group: frozen weights, of which each rank of a data-parallel group has read a part.
 *
 * By NCCL where the group sums so, else through pinned memory of the host and MPI (gpu.c): the same choice as for sums, made once a group.  A group that
 * nothing else is summed over on GPUs has its communicator from open to close only. */

#include "comm/comm.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_bcast lt_bcast; /* opaque */

/* Collective(c).  gpu: whose memory it will be; the device is open.  Errors: NOMEM, CUDA, NCCL (agreed). */
lt_status lt_bcast_open(lt_comm *c, const lt_gpu *gpu, lt_bcast **b);
/* Collective(c of open).  `bytes` at `device` become those of rank root, on every rank.  The host has waited for what was enqueued on them before; they are
 * there when it returns.  A failure inside is fatal. */
void lt_bcast_send(lt_bcast *b, void *device, size_t bytes, int root);
/* Collective(c of open).  Accepts NULL; sets NULL. */
void lt_bcast_close(lt_bcast **b);

#ifdef __cplusplus
}
#endif
