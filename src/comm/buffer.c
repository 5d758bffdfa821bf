/* Memory for collectives.
 *
 * One window of shared memory a node and buffer, taken whole by the leader so that it is one piece:
 *
 *     | flags: 128 bytes a rank | stage: 2 x 8 KiB a rank | slot of local rank 0 | slot of local rank 1 | ...
 *     ^ page                    ^ page                    ^ page                 ^ page
 *
 * Each rank zeroes its own stage and slot first: the pages then exist, on that rank's memory node, before anyone counts on them.
 *
 * A node with one rank of the group needs no window: its slot is plain memory. */
#include "comm/buffer_impl.h"

#include "base/fault.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

static size_t flags_bytes(const lt_comm *c) { return round_up((size_t)c->local_size * sizeof(lt_flag), LT_SLOT_ALIGN); }

static size_t stage_bytes(const lt_comm *c) { return (size_t)c->local_size * 2 * LT_SMALL_BYTES; }

/* Whole window.  Errors: NOMEM when the size overflows. */
static lt_status window_bytes(const lt_buffer *b, size_t *bytes) {
    size_t slots;
    LT_CHECK(!__builtin_mul_overflow((size_t)b->c->local_size, b->stride, &slots) && slots < SIZE_MAX / 2, LT_ERR_NOMEM,
             "a buffer of %zu bytes on %d ranks passes the address space", b->bytes, b->c->local_size);
    *bytes = flags_bytes(b->c) + stage_bytes(b->c) + slots;
    return LT_OK;
}

/* Part a of lt_buffer_alloc: all that can fail on one rank alone. */
static lt_status prepare(lt_comm *c, size_t bytes, const lt_gpu *gpu, lt_buffer **out, size_t *window) {
    lt_buffer *b;
    LT_TRY(LT_FAULT_POINT("comm.buffer"));
    LT_TRY(lt_calloc(&b, 1, sizeof *b, "a communication buffer"));
    *out = b;
    *b = (lt_buffer){.c = c, .bytes = bytes, .win = MPI_WIN_NULL, .gpu = gpu};
    LT_CHECK(bytes < SIZE_MAX / 4, LT_ERR_NOMEM, "a buffer of %zu bytes passes the address space", bytes);
    b->stride = round_up(bytes ? bytes : 1, LT_SLOT_ALIGN);
    if (gpu && (c->size == 1 || c->coll)) return LT_OK; /* nothing goes through the host */
    if (c->n_nodes > 1 && c->local_rank == 0) {
        LT_TRY(lt_calloc(&b->counts, 4 * (int64_t)c->n_nodes, sizeof *b->counts, "counts"));
        int64_t elems = (int64_t)(bytes / sizeof(float)) < LT_ACROSS_ELEMS ? (int64_t)(bytes / sizeof(float)) : LT_ACROSS_ELEMS;
        LT_TRY(lt_calloc(&b->across, elems + c->n_nodes, sizeof *b->across, "sums between hosts"));
    }
    if (c->local_size == 1) { /* whole pages here too: a device back end may take them over */
        b->slots = aligned_alloc(LT_SLOT_ALIGN, b->stride);
        LT_CHECK(b->slots, LT_ERR_NOMEM, "cannot allocate %zu bytes for a communication buffer", b->stride);
        memset(b->slots, 0, b->stride);
        return LT_OK;
    }
    LT_TRY(window_bytes(b, window));
    return lt_comm_impl_check_space(c, *window, "a communication buffer");
}

/* Part c. */
static void map_window(lt_buffer *b, size_t window) {
    lt_comm *c = b->c;
    unsigned char *at = lt_comm_impl_map(c, window, &b->win);
    b->flag = (lt_flag *)(void *)at;
    b->stage = at + flags_bytes(c);
    b->slots = b->stage + stage_bytes(c);
    atomic_init(&b->flag[c->local_rank].epoch, 0);
    for (int half = 0; half < 2; half++)
        memset(b->stage + (size_t)(half * c->local_size + c->local_rank) * LT_SMALL_BYTES, 0, LT_SMALL_BYTES);
    memset(lt_buffer_impl_slot(b, c->local_rank), 0, b->stride);
    LT_MPI_FATAL(c, MPI_Win_sync(b->win));
    LT_MPI_FATAL(c, MPI_Barrier(c->local)); /* not c->mpi: a node with one rank of the group maps no window and is not here */
}

static void release(lt_buffer *b) {
    if (b->gpu) lt_buffer_impl_device_fini(b);
    if (b->win == MPI_WIN_NULL) {
        free(b->slots);
    } else {
        lt_comm_impl_unmap(b->c, &b->win);
    }
    free(b->across);
    free(b->counts);
    free(b);
}

lt_status lt_buffer_alloc(lt_comm *c, size_t bytes, const lt_gpu *gpu, lt_buffer **buf) {
    lt_buffer *b = NULL;
    size_t window = 0;
    lt_status st = lt_comm_impl_same(c, bytes < INT64_MAX ? (int64_t)bytes : INT64_MAX, "the size of a communication buffer");
    if (st == LT_OK && gpu) st = lt_comm_impl_gpu_connect(c, gpu);
    if (st == LT_OK) st = prepare(c, bytes, gpu, &b, &window);
    st = lt_agree(c, st);
    if (st != LT_OK) {
        if (b) release(b);
        return lt_err_trace(st, __FILE__, __LINE__, __func__);
    }
    if (window) map_window(b, window);
    if (gpu && (st = lt_agree(c, lt_buffer_impl_device(b))) != LT_OK) {
        release(b);
        return lt_err_trace(st, __FILE__, __LINE__, __func__);
    }
    *buf = b;
    return LT_OK;
}

void lt_buffer_free(lt_buffer **buf) {
    if (!*buf) return;
    release(*buf);
    *buf = NULL;
}

void lt_buffer_any_order(lt_buffer *buf) { buf->any_order = true; }

void *lt_buffer_data(lt_buffer *buf) { return buf->gpu ? buf->device : lt_buffer_impl_slot(buf, buf->c->local_rank); }

size_t lt_buffer_bytes(const lt_buffer *buf) { return buf->stride; }

void lt_buffer_set_host_hooks(lt_buffer *buf, void (*begin)(void *arg), void (*end)(void *arg), void *arg) {
    buf->begin = begin;
    buf->end = end;
    buf->hook_arg = arg;
}
