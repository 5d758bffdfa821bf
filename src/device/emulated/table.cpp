/* The table. */
#include "device/emulated/table.h"
#include "device/emulated/emulated_impl.h"

namespace lt_emu {

static lt_gpu make_table() {
    lt_gpu t = {};
    t.name = "cuda-emulated";
    t.count = count;
    t.open = open_device;
    t.memory = memory_free;
    t.counts = get_counts;
    t.alloc = alloc;
    t.alloc_managed = alloc_managed;
    t.alloc_host = alloc_host;
    t.free = release;
    t.free_managed = release_managed;
    t.free_host = release_host;
    t.pin = pin;
    t.unpin = unpin;
    t.stream_create = stream_create;
    t.stream_destroy = stream_destroy;
    t.event_create = event_create;
    t.event_destroy = event_destroy;
    t.record = record;
    t.stream_wait = stream_wait;
    t.wait_event = wait_event;
    t.wait = wait_stream;
    t.elapsed_ms = elapsed_ms;
    t.copy = copy;
    t.fill = fill;
    t.capture_begin = capture_begin;
    t.capture_end = capture_end;
    t.graph_launch = graph_launch;
    t.graph_destroy = graph_destroy;
    t.gemm_algos = gemm_algos;
    t.gemm = gemm;
    t.coll_built = coll_built;
    t.coll_id = coll_id;
    t.coll_init = coll_init;
    t.all_reduce = all_reduce;
    t.all_gather = all_gather;
    t.broadcast = broadcast;
    t.coll_error = coll_error;
    t.coll_bytes = coll_bytes;
    t.coll_fini = coll_fini;
    t.sum_parts = lt_emulated_sum_parts;
    t.sum_bf16 = lt_emulated_sum_bf16;
    t.round_bf16 = lt_emulated_round_bf16;
    return t;
}

} // namespace lt_emu

extern "C" const lt_gpu *lt_gpu_emulated(void) {
    static const lt_gpu table = lt_emu::make_table();
    return &table;
}
