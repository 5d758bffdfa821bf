/* Memory that the ranks of a group on one node share: windows of MPI, and blocks over them (one copy of the frozen weights a node).
 *
 * Windows live in /dev/shm, where a page too much is a SIGBUS at the first touch instead of an error.  So the free space is asked for before, for all
 * groups of this kind on the host together, since their windows are made at the same moment (tp groups, for example). */
#include "comm/comm_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

enum { PAGE = 4096 };

struct lt_shared {
    lt_comm *c;
    MPI_Win win;
    unsigned char *data;
    size_t bytes; /* whole pages: nothing of the library's lies in the last one */
};

lt_status lt_comm_impl_check_space(const lt_comm *c, size_t window, const char *what) {
    struct statvfs fs;
    char want[32], have[32];
    if (statvfs("/dev/shm", &fs) != 0) return LT_OK; /* not there: MPI keeps its windows elsewhere */
    int groups = c->host_ranks / c->local_size;
    double wanted = (double)window * groups, there = (double)fs.f_bavail * (double)fs.f_frsize;
    LT_CHECK(
        wanted <= there, LT_ERR_NOMEM,
        "/dev/shm on %s is too small for %s between %d ranks: wanted %s, free %s\n"
        "  what to do: give it more (docker run --shm-size=..., mount -o remount,size=... /dev/shm), remove what other jobs left there,\n"
        "  or use a smaller parallel.tokens or fewer ranks on this host",
        c->host, what, c->host_ranks, lt_bytes_str(want, wanted), lt_bytes_str(have, there));
    return LT_OK;
}

unsigned char *lt_comm_impl_map(lt_comm *c, size_t bytes, MPI_Win *win) {
    MPI_Aint size;
    int unit;
    void *own, *start;
    LT_MPI_FATAL(c, MPI_Win_allocate_shared(c->local_rank == 0 ? (MPI_Aint)(bytes + PAGE) : 0, 1, MPI_INFO_NULL, c->local, &own, win));
    LT_MPI_FATAL(c, MPI_Win_set_errhandler(*win, MPI_ERRORS_RETURN));
    LT_MPI_FATAL(c, MPI_Win_shared_query(*win, 0, &size, &unit, &start));
    LT_MPI_FATAL(c, MPI_Win_lock_all(MPI_MODE_NOCHECK, *win)); /* one epoch for life: order is kept by the users' barriers */
    /* mappings start on pages in every process, so this is the same place for all */
    return (unsigned char *)start + (PAGE - (uintptr_t)start % PAGE) % PAGE;
}

void lt_comm_impl_unmap(lt_comm *c, MPI_Win *win) {
    LT_MPI_FATAL(c, MPI_Win_unlock_all(*win));
    LT_MPI_FATAL(c, MPI_Win_free(win));
}

static lt_status prepare(lt_comm *c, size_t bytes, lt_shared **s) {
    LT_TRY(LT_FAULT_POINT("comm.shared"));
    LT_TRY(lt_calloc(s, 1, sizeof **s, "shared memory"));
    LT_CHECK(bytes < SIZE_MAX / 4, LT_ERR_NOMEM, "a block of %zu bytes that ranks share passes the address space", bytes);
    **s = (lt_shared){.c = c, .win = MPI_WIN_NULL, .bytes = (bytes + PAGE - 1) / PAGE * PAGE};
    if (c->local_size == 1) return LT_OK; /* MPI shares nothing then */
    /* the second fault pretends that there is no room, for callers that go on without */
    size_t window = lt_fault_hit("comm.space", "full") ? SIZE_MAX / 2 : (*s)->bytes + PAGE;
    return lt_comm_impl_check_space(c, window, "memory that ranks share");
}

lt_status lt_shared_alloc(lt_comm *c, size_t bytes, lt_shared **s) {
    lt_shared *made = NULL;
    lt_status st = lt_agree(c, prepare(c, bytes, &made));
    if (st != LT_OK) {
        free(made);
        return lt_err_trace(st, __FILE__, __LINE__, __func__);
    }
    made->data = lt_comm_impl_map(c, made->bytes, &made->win);
    *s = made;
    return LT_OK;
}

void lt_shared_free(lt_shared **s) {
    if (!*s) return;
    (void)mprotect((*s)->data, (*s)->bytes, PROT_READ | PROT_WRITE); /* as the library gave it */
    lt_comm_impl_unmap((*s)->c, &(*s)->win);
    free(*s);
    *s = NULL;
}

void lt_shared_protect(lt_shared *s) { (void)mprotect(s->data, s->bytes, PROT_READ); }

void *lt_shared_data(const lt_shared *s) { return s->data; }
int lt_shared_rank(const lt_shared *s) { return s->c->local_rank; }
int lt_shared_size(const lt_shared *s) { return s->c->local_size; }

void lt_shared_barrier(lt_shared *s) {
    MPI_Request request;
    double t0 = lt_time_s();
    LT_MPI_FATAL(s->c, MPI_Win_sync(s->win));
    LT_MPI_FATAL(s->c, MPI_Ibarrier(s->c->local, &request));
    lt_comm_impl_wait(s->c, &request, "barrier of a node");
    LT_MPI_FATAL(s->c, MPI_Win_sync(s->win));
    lt_comm_impl_count(s->c, 0, t0);
}
