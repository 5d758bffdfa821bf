/* Streams.  Work is queued; when it runs is drawn: some of it while more is enqueued, the rest while the host waits, and of the streams that can go on any may.
 * So what is not ordered by a stream or an event happens in an order that some seed makes wrong. */
#include "device/emulated/queue.h"
#include "device/emulated/table.h"

#include <new>

namespace lt_emu {

enum { QUEUED_MAX = 4096 }; /* pieces: then some run, or memory would grow */

static std::recursive_mutex mutex;
gate::gate() { mutex.lock(); }
gate::~gate() { mutex.unlock(); }

static std::vector<lt_stream *> streams; /* by number; nullptr: it is gone */
static size_t n_queued;
static struct {
    int left; /* enqueued pieces until it changes */
    enum { LAZY, EAGER, MIXED } is;
} mood;

void new_mood() { mood.left = 0; }

bool reached(const mark &m) {
    const lt_stream *s = streams[m.stream];
    return !s || s->done >= m.count;
}
mark end_of(const lt_stream *s) { return {s->number, s->enqueued}; }

static void finish_head(lt_stream *s) {
    s->queue.pop_front();
    s->done++;
    n_queued--;
    if (!s->orphan || !s->queue.empty()) return;
    streams[s->number] = nullptr;
    delete s;
}

static progress run_head(lt_stream *s) {
    item &head = s->queue.front();
    progress p = DONE;
    if (head.run) {
        work run = head.run; /* it may enqueue */
        p = run(head.op);
    } else if (!reached(head.until)) {
        return STUCK;
    }
    if (p == DONE) finish_head(s);
    return p == DONE ? FURTHER : p;
}

/* A stream that waits for an event that no running piece can bring is stuck without hope; one whose piece waits for another rank is not. */
progress step() {
    size_t n = streams.size(), first = n ? draw((uint32_t)n) : 0;
    progress all = DONE;
    memory_open();
    for (size_t i = 0; i < n; i++) {
        lt_stream *s = streams[(first + i) % n];
        if (!s || s->queue.empty()) continue;
        bool hopes = (bool)s->queue.front().run;
        progress p = run_head(s);
        if (p == FURTHER) {
            memory_close();
            return FURTHER;
        }
        if (hopes) all = STUCK;
    }
    memory_close();
    return all;
}

static void run_some() {
    if (mood.left-- <= 0) {
        mood.left = 1 + (int)draw(100);
        mood.is = draw(4) ? mood.MIXED : draw(2) ? mood.LAZY : mood.EAGER;
    }
    uint32_t steps = mood.is == mood.EAGER && draw(4) == 0 ? 1000 : mood.is == mood.MIXED && draw(8) == 0 ? draw(16) : 0;
    if (n_queued > QUEUED_MAX) steps = QUEUED_MAX;
    if (!steps) return;
    memory_open();
    while (steps-- && !is_lost() && step() == FURTHER) {}
    memory_close();
}

static void push(lt_stream *s, work run, const mark &until) {
    if (run && injected_hang()) run = [](uint32_t) { return STUCK; };
    clock_join(&s->known, host_knows);
    uint32_t op = run ? op_new(s->number, &s->known) : 0;
    s->queue.push_back({std::move(run), until, op});
    s->enqueued++;
    n_queued++;
    run_some();
}

void enqueue(lt_stream *s, work run) {
    if (s->graph)
        record_node(s, std::move(run), 0);
    else
        push(s, std::move(run), {});
}
void enqueue_wait(lt_stream *s, const mark &until) { push(s, nullptr, until); }

lt_status check_stream(const lt_stream *s, const char *what) {
    for (const lt_stream *known : streams)
        if (known && known == s && !s->orphan) return LT_OK;
    found("%s on a stream that is not there (%p)", what, static_cast<const void *>(s));
    return lost();
}

/* Some pieces, until m is reached (NULL: all are done): DONE, or FURTHER, or STUCK. */
static progress go_on(const mark *m) {
    progress p = FURTHER;
    memory_open();
    for (int i = 0; i < 64 && p == FURTHER && !is_lost() && (m ? !reached(*m) : n_queued > 0); i++) p = step();
    memory_close();
    return p;
}

lt_status wait_for(const mark &m) {
    for (bool first = true;; first = false) {
        {
            gate g;
            progress p = go_on(&m);
            if (is_lost()) return lost();
            if (reached(m)) return LT_OK;
            if (p == DONE) found("the host waits for work that no stream can reach: events wait for each other");
        }
        lt_gpu_idle(first);
    }
}

void go_on_a_little() {
    gate g;
    if (n_queued) (void)go_on(nullptr);
}

void drain() {
    for (bool first = true;; first = false) {
        {
            gate g;
            if (is_lost() || !n_queued || go_on(nullptr) == DONE) break;
        }
        lt_gpu_idle(first);
    }
    if (RACE)
        for (const lt_stream *s : streams)
            if (s) clock_join(&host_knows, s->known);
}

uint32_t next_lane() {
    streams.push_back(nullptr);
    return (uint32_t)streams.size() - 1;
}

lt_status stream_create(bool high, lt_stream **s) {
    gate g;
    LT_EMU_ENTER("stream_create");
    lt_stream *made = new (std::nothrow) lt_stream{};
    LT_CHECK(made, LT_ERR_NOMEM, "cannot allocate a stream");
    made->number = next_lane();
    made->high = high;
    streams[made->number] = made;
    *s = made;
    return LT_OK;
}

/* What it holds is still done. */
void stream_destroy(lt_stream *s) {
    gate g;
    if (!s || (!is_lost() && check_stream(s, "stream_destroy") != LT_OK)) return;
    s->orphan = true;
    if (!s->queue.empty()) return;
    streams[s->number] = nullptr;
    delete s;
}

lt_status wait_stream(lt_stream *s) {
    mark m;
    counts.waits++;
    {
        gate g;
        LT_EMU_ENTER("wait");
        LT_TRY(check_stream(s, "wait"));
        LT_CHECK(!s->graph, LT_ERR_CUDA, "CUDA (emulated): the host waits for a stream that is being recorded");
        m = end_of(s);
    }
    LT_TRY(wait_for(m));
    clock_join(&host_knows, s->known);
    return LT_OK;
}

} // namespace lt_emu

/* Device lost: what is queued is dropped (tests go on with another). */
void lt_emulated_impl_drop(void);
void lt_emulated_impl_drop(void) {
    using namespace lt_emu;
    coll_forget();
    for (const lt_stream *s : streams)
        if (s) clock_join(&host_knows, s->known);
    for (lt_stream *s : streams)
        while (s && !s->queue.empty()) {
            bool last = s->orphan && s->queue.size() == 1;
            finish_head(s);
            if (last) break;
        }
}
