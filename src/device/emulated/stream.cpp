/* Streams: so far everything happens when it is enqueued. */
#include "device/emulated/emulated_impl.h"
#include "device/emulated/launch.h"
#include "device/emulated/table.h"

#include <chrono>
#include <cstring>
#include <new>

struct lt_stream {
    bool high;
};
struct lt_gpu_event {
    bool recorded;
    double ms;
};

namespace lt_emu {

lt_status stream_create(bool high, lt_stream **s) {
    LT_EMU_ALIVE();
    *s = new (std::nothrow) lt_stream{high};
    LT_CHECK(*s, LT_ERR_NOMEM, "cannot allocate a stream");
    return LT_OK;
}
void stream_destroy(lt_stream *s) { delete s; }
lt_status event_create(bool, lt_gpu_event **e) {
    LT_EMU_ALIVE();
    *e = new (std::nothrow) lt_gpu_event{false, 0};
    LT_CHECK(*e, LT_ERR_NOMEM, "cannot allocate an event");
    return LT_OK;
}
void event_destroy(lt_gpu_event *e) { delete e; }
lt_status record(lt_gpu_event *e, lt_stream *) {
    LT_EMU_ALIVE();
    e->recorded = true;
    e->ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
    return LT_OK;
}
lt_status stream_wait(lt_stream *, lt_gpu_event *e) {
    LT_EMU_ALIVE();
    LT_CHECK(e->recorded, LT_ERR_INTERNAL, "a stream waits for an event that was never recorded");
    return LT_OK;
}
lt_status wait_event(lt_gpu_event *e) {
    counts.waits++;
    LT_EMU_ALIVE();
    LT_CHECK(e->recorded, LT_ERR_INTERNAL, "the host waits for an event that was never recorded");
    return LT_OK;
}
lt_status wait_stream(lt_stream *) {
    counts.waits++;
    LT_EMU_ALIVE();
    return LT_OK;
}
lt_status elapsed_ms(lt_gpu_event *from, lt_gpu_event *to, float *ms) {
    *ms = (float)(to->ms - from->ms);
    return LT_OK;
}

lt_status copy(lt_stream *, lt_gpu_dir dir, void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t row_bytes,
               int64_t rows) {
    int64_t *bytes[] = {&counts.bytes_to_device, &counts.bytes_to_host, &counts.bytes_on_device};
    counts.copies++;
    *bytes[dir] += (int64_t)row_bytes * rows;
    LT_EMU_ALIVE();
    if (dir != LT_GPU_TO_HOST) (void)fits("the destination of a copy", dst, dst_pitch, row_bytes, rows);
    if (dir != LT_GPU_TO_DEVICE) (void)fits("the source of a copy", src, src_pitch, row_bytes, rows);
    LT_EMU_ALIVE();
    for (int64_t i = 0; i < rows; i++)
        memmove(static_cast<char *>(dst) + (size_t)i * dst_pitch, static_cast<const char *>(src) + (size_t)i * src_pitch, row_bytes);
    return LT_OK;
}

lt_status fill(lt_stream *, void *p, int byte, size_t bytes) {
    LT_EMU_ALIVE();
    (void)fits("fill", p, 0, bytes, 1);
    LT_EMU_ALIVE();
    memset(p, byte, bytes);
    return LT_OK;
}

lt_status launch(const launch_args &l, lt_stream *, const void *const *pointers, size_t n) {
    size_t threads = (size_t)l.block.x * l.block.y * l.block.z;
    counts.launches++;
    LT_EMU_ALIVE();
    LT_CHECK(threads && threads <= 1024 && l.block.z <= 64 && l.grid.x && l.grid.y && l.grid.z && l.grid.x <= 0x7FFFFFFFu &&
                 l.grid.y <= 65535 && l.grid.z <= 65535 && l.shared <= (227 << 10),
             LT_ERR_CUDA, "CUDA (emulated): invalid configuration in %s: grid (%u, %u, %u), block (%u, %u, %u), %zu bytes of shared memory",
             l.name, l.grid.x, l.grid.y, l.grid.z, l.block.x, l.block.y, l.block.z, l.shared);
    for (size_t i = 0; i < n; i++) {
        memory_kind kind = MEMORY_DEVICE;
        if (pointers[i]) (void)room(pointers[i], &kind);
        if (kind != MEMORY_DEVICE && kind != MEMORY_MANAGED)
            found("kernel %s is given %p, which is not device memory", l.name, pointers[i]);
    }
    LT_EMU_ALIVE();
    run_grid(l);
    return LT_OK;
}

static lt_status no_graphs() { return LT_FAIL(LT_ERR_INTERNAL, "graphs: not in the emulator yet"); }
lt_status capture_begin(lt_stream *) { return no_graphs(); }
lt_status capture_end(lt_stream *, lt_gpu_graph **) { return no_graphs(); }
lt_status graph_launch(lt_gpu_graph *, lt_stream *) { return no_graphs(); }
void graph_destroy(lt_gpu_graph *) {}

} // namespace lt_emu
