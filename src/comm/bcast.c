/* Broadcasts between GPUs; see bcast.h. */
#include "comm/bcast.h"
#include "comm/comm_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

enum { STAGE_BYTES = 8 << 20 /* on the way through the host: long against the start of a message */ };

struct lt_bcast {
    lt_comm *c;
    const lt_gpu *gpu;
    lt_stream *stream; /* of collectives */
    void *stage;       /* [STAGE_BYTES] pinned; NULL: NCCL */
    bool connected;    /* c has its communicator for this alone */
};

static lt_status prepare(lt_comm *c, const lt_gpu *gpu, lt_bcast **out) {
    lt_bcast *b;
    LT_TRY(LT_FAULT_POINT("comm.bcast"));
    LT_TRY(lt_calloc(&b, 1, sizeof *b, "a broadcast"));
    *out = b;
    *b = (lt_bcast){.c = c, .gpu = gpu};
    LT_TRY(lt_comm_impl_gpu_stream(c, gpu, &b->stream));
    return c->coll || c->size == 1 ? LT_OK : gpu->alloc_host(STAGE_BYTES, "weights on their way to other ranks", &b->stage);
}

static void release(lt_bcast *b) {
    if (b->stage) b->gpu->free_host(b->stage);
    free(b);
}

lt_status lt_bcast_open(lt_comm *c, const lt_gpu *gpu, lt_bcast **b) {
    lt_bcast *made = NULL;
    bool connected = c->gpu == NULL && c != c->root;
    lt_status st = lt_comm_impl_gpu_connect(c, gpu);
    if (st == LT_OK) st = prepare(c, gpu, &made);
    st = lt_agree(c, st);
    if (st != LT_OK) {
        if (made) release(made);
        return lt_err_trace(st, __FILE__, __LINE__, __func__);
    }
    made->connected = connected;
    *b = made;
    return LT_OK;
}

static lt_status by_nccl(lt_bcast *b, void *device, size_t bytes, int root) {
    LT_TRY(b->gpu->broadcast(b->c->coll, device, bytes, root, b->stream));
    return b->gpu->wait(b->stream);
}

/* Piece by piece through the stage. */
static lt_status by_host(lt_bcast *b, unsigned char *device, size_t bytes, int root) {
    const lt_gpu *gpu = b->gpu;
    for (size_t at = 0, n; at < bytes; at += n) {
        n = bytes - at < STAGE_BYTES ? bytes - at : STAGE_BYTES;
        if (b->c->rank == root) {
            LT_TRY(gpu->copy(b->stream, LT_GPU_TO_HOST, b->stage, n, device + at, n, n, 1));
            LT_TRY(gpu->wait(b->stream));
        }
        lt_bcast_host(b->c, b->stage, n, root);
        if (b->c->rank != root) {
            LT_TRY(gpu->copy(b->stream, LT_GPU_TO_DEVICE, device + at, n, b->stage, n, n, 1));
            LT_TRY(gpu->wait(b->stream));
        }
    }
    return LT_OK;
}

void lt_bcast_send(lt_bcast *b, void *device, size_t bytes, int root) {
    lt_comm *c = b->c;
    double t0 = lt_time_s();
    if (c->size == 1 || bytes == 0) return;
    lt_comm_impl_entered(c);
    lt_status st = c->coll ? by_nccl(b, device, bytes, root) : by_host(b, device, bytes, root);
    if (st != LT_OK) lt_fatal(c, st);
    if (c->coll) lt_comm_impl_count(c, bytes, t0);
}

void lt_bcast_close(lt_bcast **b) {
    if (!*b) return;
    if ((*b)->connected) lt_comm_impl_gpu_disconnect((*b)->c);
    release(*b);
    *b = NULL;
}
