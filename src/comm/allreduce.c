/* The all-reduce: sums f32 in place over the slots of a buffer.
 *
 * On one host, two shots.  After a barrier all partial sums are there; rank r adds up its r-th of the cache lines over all slots in rank
 * order and writes the sum back to every slot; after a second barrier every rank finds the whole result in its own slot.  Every byte is
 * read once and written once, and no element is summed twice, so all ranks hold the same bits.
 *
 * Small messages, one barrier.  Up to LT_SMALL_BYTES each rank copies its numbers to its stage, passes one barrier, and adds all stages up
 * into its own slot.  The next small message uses the other half of the stage: who writes a half again has passed the barrier in between,
 * and so has everyone, after reading it.  Measured on 2 cores, median: 0.5 us instead of 0.8 us at 4 KiB, level at 16 KiB; where ranks
 * outnumber cores a barrier costs a time slice, and the gain is half of the whole.
 *
 * Across hosts.  The parts are summed into the leader's slot, leaders add up node by node (each leader one part: all-to-all, ordered sum,
 * all-gather, which moves 2 (n - 1) / n of the bytes as a ring does), and every rank copies the result from its leader.  The order of a sum
 * is thus fixed by the layout alone: ranks in order inside a node, nodes in order.
 *
 * The barrier is a counter a rank, each on its own cache lines: arrive = write own counter, wait = see all others.  First a short spin,
 * then sched_yield; at once where ranks outnumber cores.  A wait longer than LT_DEADLINE_S in which
 * no rank made progress (progress.c) ends the process and names who is missing. */
#include "comm/buffer_impl.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum {
    SPINS = 1000, /* about 15 us: longer than ranks in step differ, shorter than a time slice */
    LINE = 16,    /* floats of a cache line: parts do not share one */
    BLOCK = 2048  /* floats summed at a time: stays in the first-level cache */
};

/* What is being waited for, for messages. */
typedef struct wait_info {
    const char *what;
    int64_t n_elems;
} wait_info;

static inline void pause_core(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool arrived(const lt_buffer *b, int local_rank) {
    return atomic_load_explicit(&b->flag[local_rank].epoch, memory_order_acquire) >= b->epoch;
}

static void fail_late(const lt_buffer *b, wait_info info) __attribute__((noreturn, cold));
static void fail_late(const lt_buffer *b, wait_info info) {
    lt_comm *c = b->c;
    char late[256] = "";
    int n_late = 0, leader = c->rank - c->local_rank;
    for (int r = 0; r < c->local_size; r++) {
        size_t at = strlen(late);
        if (arrived(b, r)) continue;
        (void)snprintf(late + at, sizeof late - at, "%s%d", n_late++ ? ", " : "", c->world_rank[leader + r]);
    }
    lt_fatal(c,
             LT_FAIL(LT_ERR_TIMEOUT,
                     "rank %s on %s did not arrive within %g s at the %s of %lld numbers in group \"%s\"\n"
                     "  what to do: look what it does there (stopped, swapping, waiting for a file?); a longer LT_DEADLINE_S waits longer",
                     late, c->host, c->deadline_s, info.what, (long long)info.n_elems, c->name));
}

/* All local ranks' writes before it are seen by all after it. */
static void barrier(lt_buffer *b, wait_info info) {
    const lt_comm *c = b->c;
    b->epoch++;
    atomic_store_explicit(&b->flag[c->local_rank].epoch, b->epoch, memory_order_release);
    for (int r = 0; r < c->local_size; r++) {
        lt_waiting waiting = {0};
        for (int spin = c->crowded ? SPINS : 0; spin < SPINS && !arrived(b, r); spin++) pause_core();
        while (!arrived(b, r))
            if (lt_comm_impl_yield_until(c, &waiting)) fail_late(b, info);
    }
}

/* out := row 0 + row 1 + ... + row count - 1, in that order; rows of n floats lie ld apart; count >= 2; out may be none of the rows. */
static void sum_rows(float *restrict out, const float *row, int64_t ld, int count, int64_t n) {
    const float *next = row + ld;
    for (int64_t i = 0; i < n; i++) out[i] = row[i] + next[i];
    for (int r = 2; r < count; r++) {
        next = row + r * ld;
        for (int64_t i = 0; i < n; i++) out[i] += next[i];
    }
}

/* This rank's part of the cache lines that elements [first, first + n) touch. */
static void part_of(const lt_comm *c, int64_t first, int64_t n, int64_t *from, int64_t *to) {
    int64_t line = first / LINE, lines = (first + n + LINE - 1) / LINE - line;
    *from = (line + lines * c->local_rank / c->local_size) * LINE;
    *to = (line + lines * (c->local_rank + 1) / c->local_size) * LINE;
    if (*from < first) *from = first;
    if (*to > first + n) *to = first + n;
}

/* Sums this rank's part over the slots and writes it to the first n_out of them. */
static void sum_part(lt_buffer *b, int64_t first, int64_t n, int n_out) {
    _Alignas(64) float acc[BLOCK];
    int64_t from, to, ld = (int64_t)(b->stride / sizeof(float));
    part_of(b->c, first, n, &from, &to);
    for (int64_t at = from; at < to; at += BLOCK) {
        int64_t m = to - at < BLOCK ? to - at : BLOCK;
        sum_rows(acc, lt_buffer_impl_slot(b, 0) + at, ld, b->c->local_size, m);
        for (int r = 0; r < n_out; r++) memcpy(lt_buffer_impl_slot(b, r) + at, acc, (size_t)m * sizeof *acc);
    }
}

static void sum_small(lt_buffer *b, int64_t first, int64_t n, wait_info info) {
    const lt_comm *c = b->c;
    size_t half = (size_t)b->parity * (size_t)c->local_size * LT_SMALL_BYTES;
    float *mine = lt_buffer_impl_slot(b, c->local_rank) + first;
    b->parity ^= 1;
    memcpy(b->stage + half + (size_t)c->local_rank * LT_SMALL_BYTES, mine, (size_t)n * sizeof *mine);
    barrier(b, info);
    sum_rows(mine, (const float *)(const void *)(b->stage + half), LT_SMALL_BYTES / sizeof(float), c->local_size, n);
}

/* x [n] of each leader := sum over leaders in node order; n <= LT_ACROSS_ELEMS. */
static void sum_leaders(lt_buffer *b, float *x, int n, wait_info info) {
    lt_comm *c = b->c;
    int nodes = c->n_nodes, *part = b->counts, *start = part + nodes, *recv = start + nodes, *recv_at = recv + nodes;
    MPI_Request request;
    for (int j = 0; j < nodes; j++) {
        start[j] = (int)((int64_t)n * j / nodes);
        part[j] = (int)((int64_t)n * (j + 1) / nodes) - start[j];
    }
    for (int j = 0; j < nodes; j++) {
        recv[j] = part[c->node];
        recv_at[j] = j * part[c->node];
    }
    LT_MPI_FATAL(c, MPI_Ialltoallv(x, part, start, MPI_FLOAT, b->across, recv, recv_at, MPI_FLOAT, c->leaders, &request));
    lt_comm_impl_wait(c, &request, info.what);
    sum_rows(x + start[c->node], b->across, part[c->node], nodes, part[c->node]);
    LT_MPI_FATAL(c, MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_FLOAT, x, part, start, MPI_FLOAT, c->leaders, &request));
    lt_comm_impl_wait(c, &request, info.what);
}

static void sum_across(lt_buffer *b, int64_t first, int64_t n) {
    const lt_comm *c = b->c;
    bool alone = c->local_size == 1;
    float *leader = lt_buffer_impl_slot(b, 0) + first;
    if (!alone) {
        barrier(b, (wait_info){"all-reduce", n});
        sum_part(b, first, n, 1);
        barrier(b, (wait_info){"all-reduce (sum on this host)", n});
    }
    if (c->local_rank == 0)
        for (int64_t at = 0; at < n; at += LT_ACROSS_ELEMS)
            sum_leaders(b, leader + at, (int)(n - at < LT_ACROSS_ELEMS ? n - at : LT_ACROSS_ELEMS),
                        (wait_info){"all-reduce between hosts", n});
    if (alone) return;
    barrier(b, (wait_info){"all-reduce (its leader waits for other hosts)", n});
    if (c->local_rank != 0) memcpy(lt_buffer_impl_slot(b, c->local_rank) + first, leader, (size_t)n * sizeof *leader);
    barrier(b, (wait_info){"all-reduce (copy from the leader)", n});
}

void lt_buffer_impl_sum(lt_buffer *buf, int64_t elem_offset, int64_t n_elems) {
    lt_comm *c = buf->c;
    if (c->n_nodes > 1) {
        sum_across(buf, elem_offset, n_elems);
    } else if (n_elems <= LT_SMALL_BYTES / (int64_t)sizeof(float)) {
        sum_small(buf, elem_offset, n_elems, (wait_info){"all-reduce", n_elems});
    } else {
        barrier(buf, (wait_info){"all-reduce", n_elems});
        sum_part(buf, elem_offset, n_elems, c->local_size);
        barrier(buf, (wait_info){"all-reduce (sum)", n_elems});
    }
}

/* This rank's part of [0, n), to all slots. */
static void sum_part_bf16(lt_buffer *b, int64_t n) {
    float acc[BLOCK];
    int64_t from, to;
    part_of(b->c, 0, n, &from, &to);
    for (int64_t at = from; at < to; at += BLOCK) {
        int64_t m = to - at < BLOCK ? to - at : BLOCK;
        for (int r = 0; r < b->c->local_size; r++) {
            const uint16_t *x = (const uint16_t *)(const void *)lt_buffer_impl_slot(b, r) + at;
            for (int64_t i = 0; i < m; i++) acc[i] = r ? acc[i] + lt_bf16_to_f32(x[i]) : lt_bf16_to_f32(x[i]);
        }
        for (int r = 0; r < b->c->local_size; r++) {
            uint16_t *x = (uint16_t *)(void *)lt_buffer_impl_slot(b, r) + at;
            for (int64_t i = 0; i < m; i++) x[i] = lt_f32_to_bf16(acc[i]);
        }
    }
}

void lt_buffer_impl_sum_bf16(lt_buffer *b, int64_t n) {
    barrier(b, (wait_info){"all-reduce", n});
    sum_part_bf16(b, n);
    barrier(b, (wait_info){"all-reduce (sum)", n});
}

void lt_allreduce(lt_buffer *buf, int64_t elem_offset, int64_t n_elems, lt_stream *s) {
    lt_allreduce_begin(buf, elem_offset, n_elems, s);
    lt_allreduce_end(buf, s);
}

void lt_allreduce_end(lt_buffer *buf, lt_stream *s) {
    if (buf->open) lt_buffer_impl_device_end(buf, s);
}

void lt_allreduce_bf16_begin(lt_buffer *buf, int64_t n_elems, lt_arr onto, lt_stream *s) {
    lt_comm *c = buf->c;
    int64_t room = (int64_t)(buf->bytes / sizeof(float));
    double t0 = lt_time_s();
    if (!buf->bf16 || c->size == 1 || n_elems < 0 || n_elems > room)
        lt_fatal(c,
                 LT_FAIL(LT_ERR_INTERNAL, "all-reduce of %lld numbers as bf16 in a buffer of %lld", (long long)n_elems, (long long)room));
    if (n_elems == 0) return;
    lt_buffer_impl_device_begin_bf16(buf, n_elems, onto, s);
    lt_comm_impl_count(c, (size_t)n_elems * sizeof(uint16_t), t0);
}

void lt_allreduce_begin(lt_buffer *buf, int64_t elem_offset, int64_t n_elems, lt_stream *s) {
    lt_comm *c = buf->c;
    int64_t room = (int64_t)(buf->bytes / sizeof(float));
    double t0;
    if (elem_offset < 0 || n_elems < 0 || elem_offset > room || n_elems > room - elem_offset)
        lt_fatal(c, LT_FAIL(LT_ERR_INTERNAL, "all-reduce of %lld numbers from %lld in a buffer of %lld", (long long)n_elems,
                            (long long)elem_offset, (long long)room));
    if (c->size == 1 || n_elems == 0) return;
    t0 = lt_time_s();
    if (buf->gpu) {
        lt_buffer_impl_device_begin(buf, elem_offset, n_elems, s);
    } else {
        if (buf->begin) buf->begin(buf->hook_arg);
        lt_buffer_impl_sum(buf, elem_offset, n_elems);
        if (buf->end) buf->end(buf->hook_arg);
    }
    lt_comm_impl_count(c, (size_t)n_elems * sizeof(float), t0);
}
