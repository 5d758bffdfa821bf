/* Events. */
#include "device/emulated/queue.h"
#include "device/emulated/table.h"

#include <chrono>
#include <new>
#include <cstdlib>

namespace lt_emu {

lt_status event_create(bool timed, lt_gpu_event **e) {
    gate g;
    LT_EMU_ENTER("event_create");
    *e = new (std::nothrow) lt_gpu_event{};
    LT_CHECK(*e, LT_ERR_NOMEM, "cannot allocate an event");
    (*e)->timed = timed;
    return LT_OK;
}
void event_destroy(lt_gpu_event *e) {
    gate g;
    delete e;
}

static double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

lt_status record(lt_gpu_event *e, lt_stream *s) {
    gate g;
    LT_EMU_ENTER("record");
    LT_TRY(check_stream(s, "record"));
    e->recorded = true;
    e->graph = s->graph;
    if (s->graph) {
        enqueue(s, [](uint32_t) { return DONE; });
        e->node = s->last;
        return LT_OK;
    }
    auto ms = e->ms = std::make_shared<double>(0);
    e->at = {s->number, s->enqueued + 1};
    e->known = s->known;
    clock_join(&e->known, host_knows);
    enqueue(s, [ms](uint32_t) {
        *ms = now_ms();
        return DONE;
    });
    return LT_OK;
}

lt_status stream_wait(lt_stream *s, lt_gpu_event *e) {
    gate g;
    LT_EMU_ENTER("stream_wait");
    LT_TRY(check_stream(s, "stream_wait"));
    LT_CHECK(e->recorded, LT_ERR_INTERNAL, "a stream waits for an event that was never recorded");
    if (e->graph) return graph_join(s, e);
    LT_CHECK(!s->graph, LT_ERR_CUDA, "CUDA (emulated): a stream that is being recorded waits for an event from outside");
    enqueue_wait(s, e->at);
    clock_join(&s->known, e->known);
    return LT_OK;
}

lt_status wait_event(lt_gpu_event *e) {
    mark m;
    clock known;
    {
        gate g;
        LT_EMU_ENTER("wait_event");
        LT_CHECK(e->recorded, LT_ERR_INTERNAL, "the host waits for an event that was never recorded");
        LT_CHECK(!e->graph, LT_ERR_CUDA, "CUDA (emulated): the host waits for an event that was recorded in a graph");
        m = e->at;
        known = e->known;
        counts.waits += !reached(m);
    }
    LT_TRY(wait_for(m));
    clock_join(&host_knows, known);
    return LT_OK;
}

lt_status elapsed_ms(lt_gpu_event *from, lt_gpu_event *to, float *ms) {
    gate g;
    LT_EMU_ENTER("elapsed_ms");
    LT_CHECK(from->timed && to->timed && from->ms && to->ms && reached(from->at) && reached(to->at), LT_ERR_CUDA,
             "CUDA (emulated): the time between events that are not timed, or not reached and waited for");
    *ms = (float)(*to->ms - *from->ms);
    if (getenv("LT_EMU_STILL")) *ms = 1;
    return LT_OK;
}

} // namespace lt_emu
