#pragma once
/* Private to device/emulated: streams and what stands in them. */

#include "device/emulated/emulated_impl.h"
#include "device/emulated/order.h"

#include <deque>
#include <functional>
#include <memory>

namespace lt_emu {

/* How far a piece of work has come: to its end, a step further, or it waits for others. */
enum progress { DONE, FURTHER, STUCK };
/* op: its number in order.h. */
using work = std::function<progress(uint32_t op)>;

/* A place in a stream: reached when `count` pieces of it are done. */
struct mark {
    uint32_t stream;
    uint64_t count;
};

struct item {
    work run; /* empty: waits for `until` */
    mark until;
    uint32_t op;
};

struct node {
    work run;
    std::vector<size_t> after;
    size_t lane; /* the stream it was enqueued on, as a number of the graph */
};

} // namespace lt_emu

struct lt_gpu_graph {
    std::shared_ptr<std::vector<lt_emu::node>> nodes;
    std::vector<uint32_t> lanes;     /* numbers in order.h */
    std::vector<lt_stream *> forked; /* while recording: streams that take part */
    std::vector<std::function<void()>> at_launch;
};

struct lt_stream {
    uint32_t number;
    bool high, orphan;
    std::deque<lt_emu::item> queue;
    uint64_t enqueued, done;
    lt_emu::clock known; /* what happens before the next piece */
    lt_gpu_graph *graph; /* being recorded */
    size_t lane, last;   /* in it; last: node + 1, 0 = none yet */
};

struct lt_gpu_event {
    bool recorded, timed;
    lt_emu::mark at;
    lt_emu::clock known;
    std::shared_ptr<double> ms;
    lt_gpu_graph *graph; /* recorded in one that is being recorded */
    size_t node;         /* + 1 */
};

namespace lt_emu {

/* stream.cpp.  Inside the gate. */
void enqueue(lt_stream *s, work run);
void enqueue_wait(lt_stream *s, const mark &until);
bool reached(const mark &m);
/* One piece of work of some stream: FURTHER also if one was done; DONE: there is none. */
progress step();
/* Waits of the host; outside the gate.  Returns when `m` is reached or the device is lost. */
lt_status wait_for(const mark &m);
void go_on_a_little();
void coll_forget(); /* coll.cpp: none is under way */
mark end_of(const lt_stream *s);
lt_status check_stream(const lt_stream *s, const char *what);
uint32_t next_lane();
/* graph.cpp */
lt_status graph_join(lt_stream *s, lt_gpu_event *e);
void record_node(lt_stream *s, work run, size_t also_after);

} // namespace lt_emu
