/* Collectives: the twin of NCCL over MPI, on copies of the host.
 *
 * A collective runs when its stream reaches it and all collectives that this rank has enqueued before, on any communicator, are over: ranks that enqueue in
 * different orders wait for each other for ever, as with NCCL.  First the ranks compare what they are about to do, then everybody's bytes go to everybody; sums
 * are formed in the order of ranks, in f32, with one rounding, so that bits depend on nothing else.  One that is recorded takes its turn whenever the recording
 * is launched. */
#include "device/emulated/number.h"
#include "device/emulated/queue.h"
#include "device/emulated/shadow.h"
#include "device/emulated/table.h"

#define OMPI_SKIP_MPICXX
#define MPICH_SKIP_MPICXX
#include <climits>
#include <cstdio>
#include <cstring>
#include <mpi.h>
#include <new>
#include <thread>

struct lt_gpu_coll {
    MPI_Comm mpi;
    int rank, size;
    void *taken; /* device memory, as the library takes some */
};

namespace lt_emu {

using lt_space_emulated::lt_bits_f32;
using lt_space_emulated::lt_round_bf16;

enum kind { ALL_REDUCE, ALL_GATHER, BROADCAST };
static const char *const names[] = {"all_reduce", "all_gather", "broadcast"};

/* What all ranks must agree on. */
struct header {
    int64_t kind, bytes, dt, root;
};

/* One collective, under way once or, where it is recorded, again and again. */
struct state {
    lt_gpu_coll *c;
    header mine;
    const void *in;
    void *out;
    std::deque<uint64_t> turn; /* of the times that are due */
    enum { WAITS, COMPARES, MOVES } phase;
    std::vector<header> all;
    std::vector<unsigned char> send, got;
    MPI_Request request;
};

static uint64_t enqueued, over; /* by this rank, over all communicators */
static std::thread::id master;

void coll_forget() { over = enqueued; }

static bool mpi_ok(int rc, const char *what) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;
    if (rc == MPI_SUCCESS) return true;
    (void)MPI_Error_string(rc, text, &n);
    found("%s: MPI: %s", what, text);
    return false;
}

static size_t parts(const state &s) { return s.mine.kind == BROADCAST ? 1 : (size_t)s.c->size; }

static void compare(state *s) {
    s->all.resize((size_t)s->c->size);
    int bytes = (int)sizeof(header);
    (void)mpi_ok(MPI_Iallgather(&s->mine, bytes, MPI_BYTE, s->all.data(), bytes, MPI_BYTE, s->c->mpi, &s->request), names[s->mine.kind]);
    s->phase = state::COMPARES;
}

static bool agree(const state &s) {
    for (int r = 0; r < s.c->size; r++) {
        const header &o = s.all[(size_t)r];
        if (memcmp(&o, &s.mine, sizeof o) == 0) continue;
        found("ranks call different collectives: rank %d %s of %lld bytes, rank %d %s of %lld bytes (or of another type or root)",
              s.c->rank, names[s.mine.kind], (long long)s.mine.bytes, r, names[o.kind], (long long)o.bytes);
        return false;
    }
    return true;
}

static void start(state *s, uint32_t op) {
    size_t n = (size_t)s->mine.bytes;
    bool sends = s->mine.kind != BROADCAST || s->c->rank == s->mine.root;
    const char *name = names[s->mine.kind];
    s->send.resize(n);
    s->got.resize(n * parts(*s));
    if (sends) {
        shadow_bulk(s->in, 0, n, 1, false, op, name);
        memcpy(s->send.data(), s->in, n);
    }
    if (s->mine.kind == BROADCAST)
        (void)mpi_ok(MPI_Ibcast(s->send.data(), (int)n, MPI_BYTE, (int)s->mine.root, s->c->mpi, &s->request), name);
    else
        (void)mpi_ok(MPI_Iallgather(s->send.data(), (int)n, MPI_BYTE, s->got.data(), (int)n, MPI_BYTE, s->c->mpi, &s->request), name);
    s->phase = state::MOVES;
}

static void sum(const state &s, unsigned char *out) {
    size_t bytes = (size_t)s.mine.bytes;
    const unsigned char *all = s.got.data();
    if (s.mine.dt == LT_F32) {
        for (size_t i = 0; i < bytes; i += 4) {
            float total = 0, x;
            for (size_t r = 0; r < (size_t)s.c->size; r++) {
                memcpy(&x, all + r * bytes + i, 4);
                total = r ? total + x : x;
            }
            memcpy(out + i, &total, 4);
        }
        return;
    }
    for (size_t i = 0; i < bytes; i += 2) {
        float total = 0;
        uint16_t x;
        for (size_t r = 0; r < (size_t)s.c->size; r++) {
            memcpy(&x, all + r * bytes + i, 2);
            total += lt_bits_f32((uint32_t)x << 16);
        }
        x = lt_round_bf16(total).bits;
        memcpy(out + i, &x, 2);
    }
}

static void finish(state *s, uint32_t op) {
    size_t n = (size_t)s->mine.bytes, out_bytes = s->mine.kind == ALL_GATHER ? s->got.size() : n;
    unsigned char *out = static_cast<unsigned char *>(s->out);
    if (s->mine.kind == ALL_REDUCE)
        sum(*s, out);
    else
        memcpy(out, s->mine.kind == BROADCAST ? s->send.data() : s->got.data(), out_bytes);
    shadow_bulk(out, 0, out_bytes, 1, true, op, names[s->mine.kind]);
    s->turn.pop_front();
    s->phase = state::WAITS;
    over++;
}

static progress go(state *s, uint32_t op) {
    int done = 0;
    if (s->turn.empty() || s->turn.front() != over || std::this_thread::get_id() != master) return STUCK;
    if (s->phase == state::WAITS) {
        compare(s);
        return FURTHER;
    }
    if (!mpi_ok(MPI_Test(&s->request, &done, MPI_STATUS_IGNORE), names[s->mine.kind]) || !done) return STUCK;
    if (s->phase == state::COMPARES) {
        if (agree(*s)) start(s, op);
        return FURTHER;
    }
    finish(s, op);
    return DONE;
}

static lt_status post(lt_gpu_coll *c, const header &h, const void *in, void *out, lt_stream *stream) {
    LT_TRY(check_stream(stream, names[h.kind]));
    if (h.bytes <= 0) return LT_OK;
    if (h.kind != BROADCAST) counts.bytes_summed += h.bytes;
    size_t all = (size_t)h.bytes * (h.kind == ALL_GATHER ? (size_t)c->size : 1);
    LT_CHECK(all <= INT_MAX, LT_ERR_NCCL, "the emulator moves at most 2 GiB in a collective, not %zu bytes", all);
    (void)(fits("the input of a collective", in, 0, (size_t)h.bytes, 1) && fits("the output of a collective", out, 0, all, 1));
    LT_EMU_ALIVE();
    auto s = std::make_shared<state>();
    s->c = c;
    s->mine = h;
    s->in = in;
    s->out = out;
    s->phase = state::WAITS;
    auto take_turn = [s] { s->turn.push_back(enqueued++); };
    if (stream->graph)
        stream->graph->at_launch.push_back(take_turn);
    else
        take_turn();
    enqueue(stream, [s](uint32_t op) { return go(s.get(), op); });
    return LT_OK;
}

lt_status all_reduce(lt_gpu_coll *c, const void *in, void *out, int64_t n, lt_dtype dt, lt_stream *s) {
    gate g;
    LT_EMU_ENTER("all_reduce");
    LT_CHECK(dt == LT_F32 || dt == LT_BF16, LT_ERR_INTERNAL, "a sum of %s over GPUs", lt_dtype_name(dt));
    return post(c, {ALL_REDUCE, n * (int64_t)lt_dtype_bytes(dt), dt, 0}, in, out, s);
}

lt_status all_gather(lt_gpu_coll *c, const void *in, void *out, int64_t n, lt_dtype dt, lt_stream *s) {
    gate g;
    LT_EMU_ENTER("all_gather");
    return post(c, {ALL_GATHER, n * (int64_t)lt_dtype_bytes(dt), dt, 0}, in, out, s);
}

lt_status broadcast(lt_gpu_coll *c, void *data, size_t bytes, int root, lt_stream *s) {
    gate g;
    LT_EMU_ENTER("broadcast");
    return post(c, {BROADCAST, (int64_t)bytes, LT_U8, root}, data, data, s);
}

bool coll_built() { return true; }

lt_status coll_id(unsigned char id[LT_GPU_COLL_ID_BYTES]) {
    gate g;
    LT_EMU_ENTER("coll_id");
    for (int i = 0; i < LT_GPU_COLL_ID_BYTES; i++) id[i] = (unsigned char)draw(256);
    return LT_OK;
}

enum { COLL_BYTES = 16 << 20 };

/* The host waits; streams go on meanwhile. */
static lt_status wait_for(MPI_Request *request) {
    for (bool first = true;; first = false) {
        int done = 0;
        if (!mpi_ok(MPI_Test(request, &done, MPI_STATUS_IGNORE), "coll_init")) return lost();
        if (done) return LT_OK;
        go_on_a_little();
        lt_gpu_idle(first);
    }
}

/* What NCCL refuses: another id, a GPU that two ranks have. */
struct member {
    unsigned char id[LT_GPU_COLL_ID_BYTES];
    char host[MPI_MAX_PROCESSOR_NAME], bus[24];
};

static lt_status check_members(lt_gpu_coll *c, const unsigned char *id) {
    std::vector<member> all((size_t)c->size);
    member mine = {};
    MPI_Request request;
    int n = 0, bytes = (int)sizeof mine;
    const lt_gpu_info *info;
    (void)device_open(&info);
    memcpy(mine.id, id, sizeof mine.id);
    (void)MPI_Get_processor_name(mine.host, &n);
    (void)snprintf(mine.bus, sizeof mine.bus, "%s", info ? info->bus_id : "");
    if (!mpi_ok(MPI_Iallgather(&mine, bytes, MPI_BYTE, all.data(), bytes, MPI_BYTE, c->mpi, &request), "coll_init")) return lost();
    LT_TRY(wait_for(&request));
    for (int a = 0; a < c->size; a++) {
        LT_CHECK(memcmp(all[(size_t)a].id, id, sizeof mine.id) == 0, LT_ERR_NCCL, "NCCL (emulated): rank %d has another id", a);
        for (int b = 0; b < a; b++)
            LT_CHECK(strcmp(all[(size_t)a].host, all[(size_t)b].host) || strcmp(all[(size_t)a].bus, all[(size_t)b].bus), LT_ERR_NCCL,
                     "NCCL (emulated): Duplicate GPU detected : rank %d and rank %d both on CUDA device %s", a, b, all[(size_t)a].bus);
    }
    return LT_OK;
}

lt_status coll_init(const unsigned char id[LT_GPU_COLL_ID_BYTES], int rank, int size, const void *mpi, lt_gpu_coll **c) {
    MPI_Request request;
    {
        gate g;
        LT_EMU_ENTER("coll_init");
        master = std::this_thread::get_id();
    }
    lt_gpu_coll *made = new (std::nothrow) lt_gpu_coll{MPI_COMM_NULL, rank, size, nullptr};
    LT_CHECK(made, LT_ERR_NOMEM, "cannot allocate a communicator");
    bool ok = mpi_ok(MPI_Comm_idup(*static_cast<const MPI_Comm *>(mpi), &made->mpi, &request), "coll_init");
    lt_status st = ok ? wait_for(&request) : lost();
    if (st == LT_OK) st = check_members(made, id);
    if (st == LT_OK) st = alloc(COLL_BYTES, "a communicator", &made->taken);
    if (st == LT_OK) {
        *c = made;
        return LT_OK;
    }
    if (made->mpi != MPI_COMM_NULL) (void)MPI_Comm_free(&made->mpi);
    delete made;
    return st;
}

lt_status coll_error(lt_gpu_coll *) {
    gate g;
    LT_EMU_ENTER("coll_error");
    return LT_OK;
}

size_t coll_bytes() { return COLL_BYTES; }

void coll_fini(lt_gpu_coll *c) {
    if (!c) return;
    drain();
    release(c->taken);
    if (!is_lost()) (void)MPI_Comm_free(&c->mpi);
    delete c;
}

} // namespace lt_emu
