#pragma once
/* Private to device/emulated: the running block, its warps and threads. */

#include "device/emulated/emulated_impl.h"
#include "device/emulated/fibre.h"
#include "device/emulated/launch.h"

#include <vector>

namespace lt_emu {

enum thread_state { THREAD_READY, THREAD_WAITS, THREAD_LEFT };

/* A cp.async that is on its way. */
struct flight {
    char *dst;
    const char *src;
    int bytes, group;
    bool landed;
    place at;
    const void *pc;
};

struct warp;
struct thread : identity {
    fibre context;
    warp *w;
    unsigned number, lane;
    thread_state state;
    const char *waits_for;
    place at;
    int result; /* of the last barrier */
    std::vector<flight> flights;
    int group;                 /* of cp.async */
    uint32_t clock, knows[32]; /* race build: when it met others last, and what it knows of the lanes */
};

/* Lanes that have come to one warp operation. */
struct meeting {
    warp_kind kind;
    unsigned mask, here;
    place at;
    const void *pc;
    void *operands[32];
};

struct warp {
    thread *lane[32];
    unsigned present; /* lanes that the block has */
    unsigned ready;
    uint32_t priority;
    int n_meetings; /* of disjoint masks */
    meeting meetings[32];
};

struct block {
    int n_threads, n_warps, alive, waiting;
    barrier_kind kind;
    place at;
    int value;
    thread threads[FIBRES_MAX];
    warp warps[32];
};
extern block *now;
extern thread *running;

/* grid.cpp.  The running thread goes to sleep (its state says why) or has just woken others. */
void sleep_until_woken();
void wake(thread *t);
void wake_lanes(warp *w, unsigned lanes); /* of one warp; each sets its own state when it goes on */
void woke_others();
/* Ends the kernel. */
[[noreturn]] void abandon();
/* New priorities of warps. */
void shuffle_priorities();
/* barrier.cpp: a thread has left. */
void barrier_left();
/* async.cpp. */
void async_begin(thread *t);
void async_left();

} // namespace lt_emu
