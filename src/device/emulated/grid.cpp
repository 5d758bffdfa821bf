/* Runs a kernel: its blocks one after another in an order drawn at random, the threads of a block as fibres.
 *
 * A fibre runs until it meets others.  Then a ready thread is drawn.  A block runs either fair (any warp, any lane) or, more often, with priorities of warps that
 * are drawn anew at barriers, so that one warp runs far ahead: a fair order alone hides most missing barriers. */
#include "device/emulated/shadow.h"

#include <algorithm>
#include <cstdio>

namespace lt_emu {

launched at_hand;
static block space;
block *now = &space;
thread *running;

static struct {
    const launch_args *l;
    warp *ready[32]; /* warps with a ready lane */
    int n_ready;
    bool fair, abandoned;
} sched;

static thread_local bool runs_here; /* this thread of the host runs the kernel */
bool in_kernel() { return runs_here && running; }

const char *kernel_name() { return sched.l ? sched.l->name : ""; }

bool kernel_param(const void *p) {
    return (size_t)(static_cast<const char *>(p) - static_cast<const char *>(sched.l->params)) < sched.l->bytes;
}

static void make_ready(thread *t) {
    warp *w = t->w;
    if (!w->ready) sched.ready[sched.n_ready++] = w;
    w->ready |= 1u << t->lane;
}

/* One number of the dice is enough for a choice: low bits are the lane, the next whether and which warp. */
static unsigned draw_lane(unsigned ready, unsigned by) {
    unsigned turned = by ? ready >> by | ready << (32 - by) : ready;
    return ((unsigned)__builtin_ctz(turned) + by) % 32;
}

/* The next thread to run; NULL = none is ready. */
static thread *pick() {
    int at = 0;
    if (!sched.n_ready) return nullptr;
    uint32_t dice = draw_bits();
    if (sched.n_ready > 1) {
        if (sched.fair || (dice >> 5 & 31) == 0)
            at = (int)((dice >> 10) % (uint32_t)sched.n_ready);
        else
            for (int i = 1; i < sched.n_ready; i++)
                if (sched.ready[i]->priority > sched.ready[at]->priority) at = i;
    }
    warp *w = sched.ready[at];
    unsigned lane = draw_lane(w->ready, dice & 31);
    w->ready &= ~(1u << lane);
    if (!w->ready) sched.ready[at] = sched.ready[--sched.n_ready];
    return w->lane[lane];
}

static void switch_to(thread *t) {
    thread *from = running;
    if (t == from) return;
    running = t;
    at_hand.self = t;
    fibre_switch(from ? &from->context : fibre_main(), t ? &t->context : fibre_main(),
                 from && (from->state == THREAD_LEFT || sched.abandoned));
}

void sleep_until_woken() { switch_to(pick()); }

void wake(thread *t) {
    t->state = THREAD_READY;
    if (t != running) make_ready(t);
}

void wake_lanes(warp *w, unsigned lanes) {
    if (!lanes) return;
    if (!w->ready) sched.ready[sched.n_ready++] = w;
    w->ready |= lanes;
}

void woke_others() {
    running->state = THREAD_READY;
    if (draw(2)) { /* who came last has no right to go on first */
        make_ready(running);
        sleep_until_woken();
    }
}

void abandon() {
    sched.abandoned = true;
    switch_to(nullptr);
    __builtin_trap();
}

void shuffle_priorities() {
    for (int i = 0; i < now->n_warps; i++) now->warps[i].priority = draw(1u << 31);
}

static void run_thread() {
    fibre_entered();
    sched.l->call(sched.l->params);
    async_left();
    running->state = THREAD_LEFT;
    now->alive--;
    barrier_left();
    sleep_until_woken();
    __builtin_trap();
}

static void set_up(const dim3 &size) {
    block *b = now;
    b->n_threads = (int)(size.x * size.y * size.z);
    b->n_warps = (b->n_threads + 31) / 32;
    b->alive = b->n_threads;
    b->waiting = 0;
    sched.n_ready = 0;
    for (int i = 0; i < b->n_warps; i++) {
        warp *w = &b->warps[i];
        w->present = w->ready = 0;
        w->n_meetings = 0;
    }
    for (unsigned i = 0; i < (unsigned)b->n_threads; i++) {
        thread *t = &b->threads[i];
        t->index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
        t->w = &b->warps[i / 32];
        t->number = i;
        t->lane = i % 32;
        t->state = THREAD_READY;
        async_begin(t);
        t->w->lane[t->lane] = t;
        t->w->present |= 1u << t->lane;
        fibre_reset(&t->context, i, run_thread);
        make_ready(t);
    }
    shuffle_priorities();
    sched.fair = draw(4) == 0;
}

/* No thread can go on: who waits where, a line for each place. */
static void deadlock() {
    char text[900] = "";
    int at = 0;
    for (int i = 0; i < now->n_threads && at < (int)sizeof text - 200; i++) {
        const thread *t = &now->threads[i];
        int same = 0;
        if (t->state == THREAD_LEFT) continue;
        for (int k = 0; k < now->n_threads; k++) {
            const thread *o = &now->threads[k];
            if (o->state == THREAD_LEFT || o->waits_for != t->waits_for || o->at.file != t->at.file || o->at.line != t->at.line) continue;
            if (k < i) same = -1;
            if (same >= 0) same++;
            if (k < i) break;
        }
        if (same > 0)
            at += snprintf(text + at, sizeof text - (size_t)at, "\n  %d threads wait in %s at %s:%d, thread %d the first", same,
                           t->waits_for, base_name(t->at.file), t->at.line, i);
    }
    found("kernel %s, block (%u, %u, %u): no thread can go on: a barrier or warp operation that not all of its threads reach%s",
          kernel_name(), at_hand.block.x, at_hand.block.y, at_hand.block.z, text);
}

static void run_block() {
    set_up(at_hand.size);
    shared_begin(sched.l->shared);
    shadow_block();
    switch_to(pick());
    if (!sched.abandoned && now->alive) deadlock();
    if (!is_lost()) shared_end();
    running = nullptr;
    at_hand.self = nullptr;
}

void run_grid(const launch_args &l) {
    size_t n = (size_t)l.grid.x * l.grid.y * l.grid.z;
    std::vector<uint32_t> order(n);
    sched.l = &l;
    sched.abandoned = false;
    at_hand.size = l.block;
    at_hand.grid = l.grid;
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) std::swap(order[i - 1], order[draw((uint32_t)i)]);
    signals_of_thread();
    runs_here = true;
    for (size_t i = 0; i < n && !is_lost(); i++) {
        uint32_t id = order[i];
        at_hand.block = {id % l.grid.x, id / l.grid.x % l.grid.y, id / l.grid.x / l.grid.y};
        run_block();
    }
    runs_here = false;
    if (!is_lost()) check_guards(l.name);
    sched.l = nullptr;
}

} // namespace lt_emu
