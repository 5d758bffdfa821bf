#pragma once
/* Private to buffer.c and allreduce.c: one buffer and the map of its window. */

#include "comm/comm_impl.h"

#include <stdatomic.h>

enum {
    LT_SLOT_ALIGN = 4096,     /* a page: slots of different ranks never share one, so each lies on its writer's memory node */
    LT_FLAG_BYTES = 128,      /* two cache lines: processors fetch them in pairs */
    LT_SMALL_BYTES = 8192,    /* longest message of the one-barrier path: measured, see allreduce.c */
    LT_ACROSS_ELEMS = 1 << 22 /* floats of one round between hosts: bounds the leader's memory at 16 MiB */
};

/* A rank's count of barriers passed. */
typedef struct lt_flag {
    _Alignas(LT_FLAG_BYTES) _Atomic uint64_t epoch;
} lt_flag;

struct lt_buffer {
    lt_comm *c;
    size_t bytes, stride;                        /* of a slot: asked for, and rounded up to LT_SLOT_ALIGN */
    unsigned char *slots;                        /* [local_size][stride] of this node, in rank order */
    unsigned char *stage;                        /* [2][local_size][LT_SMALL_BYTES] */
    lt_flag *flag;                               /* [local_size] */
    MPI_Win win;                                 /* MPI_WIN_NULL where the node has one rank of the group: the slot is plain memory */
    uint64_t epoch;                              /* barriers begun */
    int parity;                                  /* half of stage for the next small message */
    float *across;                               /* leaders of several nodes: other nodes' parts [n_nodes][part] */
    int *counts;                                 /* leaders of several nodes: [4][n_nodes] */
    void (*begin)(void *arg), (*end)(void *arg); /* around the host's access in an all-reduce, or NULL */
    void *hook_arg;
    const lt_gpu *gpu; /* NULL: the slot is the memory.  Else that is `device`, and slots are there only where sums go through the host */
    void *device;
    lt_gpu_event *ready, *done;         /* the sum may begin; it is there */
    bool pinned, any_order, bf16, open; /* bf16: sums may travel so; open: a sum was begun and not ended */
};

/* allreduce.c.  Collective(b->c).  Sums the slots. */
void lt_buffer_impl_sum(lt_buffer *b, int64_t first, int64_t n);
/* allreduce.c.  Collective(b->c), on one node.  The same of slots that begin with n numbers in bf16: added in f32 in rank order, rounded once. */
void lt_buffer_impl_sum_bf16(lt_buffer *b, int64_t n);
/* gpu.c.  Local.  Memory and marks of a buffer on a GPU, and their end.  Errors: NOMEM, CUDA. */
lt_status lt_buffer_impl_device(lt_buffer *b);
void lt_buffer_impl_device_fini(lt_buffer *b);
/* gpu.c.  Collective(b->c), enqueued on s.  end: of a sum that is open. */
void lt_buffer_impl_device_begin(lt_buffer *b, int64_t first, int64_t n, lt_stream *s);
void lt_buffer_impl_device_begin_bf16(lt_buffer *b, int64_t n, lt_arr onto, lt_stream *s);
void lt_buffer_impl_device_end(lt_buffer *b, lt_stream *s);

static inline float *lt_buffer_impl_slot(const lt_buffer *b, int local_rank) {
    return (float *)(void *)(b->slots + (size_t)local_rank * b->stride);
}
