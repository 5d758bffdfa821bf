/* __syncthreads and its kin: all threads that have not left come to one line. */
#include "device/emulated/shadow.h"

namespace lt_emu {

static const char NAME[] = "__syncthreads";

static void open_if_complete() {
    block *b = now;
    if (!b->waiting || b->waiting < b->alive) return;
    b->waiting = 0;
    shadow_barrier();
    shuffle_priorities();
    for (int i = 0; i < b->n_threads; i++) {
        thread *t = &b->threads[i];
        if (t->state != THREAD_WAITS || t->waits_for != NAME) continue;
        t->result = b->value;
        wake(t);
    }
}

void barrier_left() { open_if_complete(); }

int barrier(barrier_kind kind, bool value, place at) {
    block *b = now;
    thread *me = running;
    if (!b->waiting) {
        b->kind = kind;
        b->at = at;
        b->value = kind == BARRIER_AND;
    } else if (b->at.line != at.line || b->at.file != at.file || b->kind != kind) {
        found_in_kernel(at, "threads of a block wait at different barriers: here and at %s:%d", base_name(b->at.file), b->at.line);
    }
    if (kind == BARRIER_COUNT)
        b->value += value;
    else
        b->value = kind == BARRIER_AND ? b->value & value : b->value | value;
    me->waits_for = NAME;
    me->at = at;
    me->state = THREAD_WAITS;
    b->waiting++;
    open_if_complete();
    if (me->state == THREAD_WAITS)
        sleep_until_woken();
    else
        woke_others();
    return me->result; /* not the block's value: a fast thread may be in the next barrier */
}

} // namespace lt_emu
