/* Agreement, the fatal exit and collectives on small host data.
 *
 * Agreement is one all-reduce of eight bytes: a failing rank sends (its rank, its code), a good one more than any rank, and the minimum is
 * the lowest failing rank with its code.  Only then, when speed no longer matters, the origin's message goes round.  A failure that was
 * agreed on in a smaller group before keeps the origin it had there, so that nested agreements still print once, where it happened.
 *
 * Sums are formed by every rank from everybody's numbers in rank order: MPI_Allreduce is free to change its order with the message size,
 * the number of ranks and their places. */
#include "comm/comm_impl.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

lt_status lt_comm_impl_mpi_error(int rc, const char *call, const char *file, int line, const char *func) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int len = 0;
    if (MPI_Error_string(rc, text, &len) != MPI_SUCCESS) (void)snprintf(text, sizeof text, "error %d", rc);
    return lt_err_raise(LT_ERR_MPI, file, line, func, "%s: %s", call, text);
}

void lt_comm_impl_count(lt_comm *c, size_t bytes, double t0) {
    c->stats.calls++;
    c->stats.bytes += (int64_t)bytes;
    c->stats.seconds += lt_time_s() - t0;
}

void lt_comm_impl_wait(lt_comm *c, MPI_Request *request, const char *what) {
    lt_waiting waiting = {0};
    int done = 0;
    for (;;) {
        LT_MPI_FATAL(c, MPI_Test(request, &done, MPI_STATUS_IGNORE));
        if (done) return;
        if (lt_comm_impl_yield_until(c, &waiting))
            lt_fatal(c,
                     LT_FAIL(LT_ERR_TIMEOUT,
                             "some rank of group \"%s\" did not come within %g s to the %s at which %s waits, and none reported progress\n"
                             "  what to do: look for the rank that says nothing, and at the network; a longer LT_DEADLINE_S waits longer",
                             c->name, c->deadline_s, what, c->host));
    }
}

/* One collective of MPI, waited for with the deadline. */
#define COLLECTIVE(c, what, name, ...)                                                                                                     \
    do {                                                                                                                                   \
        MPI_Request request_;                                                                                                              \
        LT_MPI_FATAL((c), MPI_I##name(__VA_ARGS__, (c)->mpi, &request_));                                                                  \
        lt_comm_impl_wait((c), &request_, (what));                                                                                         \
    } while (0)

lt_status lt_comm_impl_same(lt_comm *c, int64_t value, const char *what) {
    int64_t range[2] = {value, -value}; /* one maximum gives both ends */
    double t0 = lt_time_s();
    COLLECTIVE(c, "agreement", allreduce, MPI_IN_PLACE, range, 2, MPI_INT64_T, MPI_MAX);
    lt_comm_impl_count(c, sizeof range, t0);
    LT_CHECK(range[0] == -range[1], LT_ERR_ARG, "%s is not the same on all ranks: from %lld to %lld, here %lld", what, (long long)-range[1],
             (long long)range[0], (long long)value);
    return LT_OK;
}

/* What the origin tells the others. */
typedef struct verdict {
    int32_t code, origin_rank;
    char msg[LT_ERR_MSG_BYTES];
} verdict;

lt_status lt_agree(lt_comm *c, lt_status st) {
    verdict v;
    lt_err_record *rec = lt_err_last();
    double t0 = lt_time_s();
    int64_t first = st == LT_OK ? INT64_MAX : (int64_t)c->rank << 8 | st;
    COLLECTIVE(c, "agreement", allreduce, MPI_IN_PLACE, &first, 1, MPI_INT64_T, MPI_MIN);
    if (first == INT64_MAX) {
        lt_comm_impl_count(c, sizeof first, t0);
        return LT_OK;
    }
    int origin = (int)(first >> 8);
    memset(&v, 0, sizeof v);
    if (c->rank == origin) {
        if (rec->code != st) { /* a status without a record of its own: do not show an older failure */
            lt_err_clear();
            rec->code = st;
            (void)snprintf(rec->msg, sizeof rec->msg, "%s", lt_status_text(st));
        }
        v.code = (int32_t)st;
        v.origin_rank = rec->origin_rank >= 0 ? rec->origin_rank : c->world_rank[c->rank];
        memcpy(v.msg, rec->msg, sizeof v.msg);
    }
    COLLECTIVE(c, "broadcast", bcast, &v, sizeof v, MPI_BYTE, origin);
    /* frames tell of the place of the failure: they stay where they belong to this message */
    bool mine = st != LT_OK && v.origin_rank == c->world_rank[c->rank] && !strcmp(rec->msg, v.msg);
    if (!mine) rec->n_frames = 0;
    rec->code = (lt_status)v.code;
    rec->origin_rank = v.origin_rank;
    memcpy(rec->msg, v.msg, sizeof rec->msg);
    lt_comm_impl_count(c, sizeof first + sizeof v, t0);
    return rec->code;
}

/* What a rank has, and where it is. */
typedef struct digest {
    char hex[LT_SHA_HEX_BYTES], host[LT_HOST_BYTES];
} digest;

lt_status lt_agree_same(lt_comm *c, lt_status st, const void *data, size_t bytes, const char *what) {
    digest mine = {0}, *all = NULL;
    if (st == LT_OK) st = lt_sha_bytes(data, bytes, mine.hex);
    if (st == LT_OK) st = lt_calloc(&all, c->size, sizeof *all, "what the ranks have");
    (void)snprintf(mine.host, sizeof mine.host, "%s", c->host);
    st = lt_agree(c, st);
    if (st == LT_OK) lt_allgather_host(c, &mine, sizeof mine, all);
    for (int r = 1; st == LT_OK && r < c->size; r++)
        if (strcmp(all[r].hex, all[0].hex) != 0)
            st = LT_FAIL(LT_ERR_ARG,
                         "%s is not the same on all ranks: rank %d on %s has another than rank %d on %s\n"
                         "  what to do: give every rank the same command and the same files (a path may be another file on another host)",
                         what, c->world_rank[r], all[r].host, c->world_rank[0], all[0].host);
    free(all);
    return lt_agree(c, st);
}

void lt_fatal(lt_comm *c, lt_status st) {
    lt_err_record *rec = lt_err_last();
    if (st == LT_OK) st = LT_ERR_INTERNAL;
    if (rec->code != st) {
        lt_err_clear();
        rec->code = st;
    }
    (void)fflush(stdout);
    lt_err_print("ltune", c ? c->world_rank[c->rank] : 0, c ? c->world_size : 1, c ? c->host : "this host");
    _exit(lt_status_exit_code(st));
}

static void bcast(lt_comm *c, unsigned char *data, size_t bytes, int root) {
    for (size_t at = 0; at < bytes; at += c->chunk_bytes) {
        size_t n = bytes - at < c->chunk_bytes ? bytes - at : c->chunk_bytes;
        COLLECTIVE(c, "broadcast", bcast, data + at, (int)n, MPI_BYTE, root);
    }
}

void lt_bcast_host(lt_comm *c, void *data, size_t bytes, int root) {
    double t0 = lt_time_s();
    bcast(c, data, bytes, root);
    lt_comm_impl_count(c, bytes, t0);
}

void lt_allgather_host(lt_comm *c, const void *in, size_t bytes, void *out) {
    double t0 = lt_time_s();
    unsigned char *row = out;
    if (bytes <= c->chunk_bytes) {
        COLLECTIVE(c, "exchange of numbers", allgather, in, (int)bytes, MPI_BYTE, out, (int)bytes, MPI_BYTE);
    } else { /* rows beyond int counts: one broadcast each */
        memcpy(row + (size_t)c->rank * bytes, in, bytes);
        for (int r = 0; r < c->size; r++) bcast(c, row + (size_t)r * bytes, bytes, r);
    }
    lt_comm_impl_count(c, bytes, t0);
}

void lt_sum_host(lt_comm *c, double *x, int64_t n) {
    enum { BLOCK = 1 << 13 }; /* doubles of one round: bounds the memory at 64 KiB a rank */
    double t0 = lt_time_s(), *all = NULL;
    if (c->size == 1 || n == 0) return;
    lt_status st = lt_calloc(&all, (n < BLOCK ? n : BLOCK) * c->size, sizeof *all, "a sum over ranks");
    if (st != LT_OK) lt_fatal(c, st);
    for (int64_t at = 0; at < n; at += BLOCK) {
        int m = (int)(n - at < BLOCK ? n - at : BLOCK);
        COLLECTIVE(c, "exchange of numbers", allgather, x + at, m, MPI_DOUBLE, all, m, MPI_DOUBLE);
        memcpy(x + at, all, (size_t)m * sizeof *x);
        for (int r = 1; r < c->size; r++)
            for (int i = 0; i < m; i++) x[at + i] += all[(int64_t)r * m + i];
    }
    free(all);
    lt_comm_impl_count(c, (size_t)n * sizeof *x, t0);
}

int64_t lt_max_host(lt_comm *c, int64_t x) {
    double t0 = lt_time_s();
    COLLECTIVE(c, "agreement", allreduce, MPI_IN_PLACE, &x, 1, MPI_INT64_T, MPI_MAX);
    lt_comm_impl_count(c, sizeof x, t0);
    return x;
}

void lt_barrier(lt_comm *c) {
    double t0 = lt_time_s();
    MPI_Request request;
    LT_MPI_FATAL(c, MPI_Ibarrier(c->mpi, &request));
    lt_comm_impl_wait(c, &request, "barrier");
    lt_comm_impl_count(c, 0, t0);
}
