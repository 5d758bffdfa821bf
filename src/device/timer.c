/* Device times; see timer.h. */
#include "device/timer.h"

#include "base/mem.h"

#include <stdlib.h>

/* Pieces of one kind. */
typedef struct ring {
    lt_gpu_event **event; /* [2 * room] begin and end of each */
    int64_t room, begun;  /* begun: since the timer was switched on, also without events */
} ring;

struct lt_gpu_timer {
    const lt_gpu *gpu;
    bool on;
    ring kind[LT_TIMED_KINDS];
};

static lt_status fill_ring(const lt_gpu *gpu, ring *k, int64_t room) {
    LT_TRY(lt_calloc(&k->event, 2 * room, sizeof *k->event, "events of a timer"));
    k->room = room;
    for (int64_t i = 0; i < 2 * room; i++) LT_TRY(gpu->event_create(true, &k->event[i]));
    return LT_OK;
}

lt_status lt_gpu_timer_create(const lt_gpu *gpu, const int64_t room[LT_TIMED_KINDS], lt_gpu_timer **timer) {
    lt_gpu_timer *t = NULL;
    LT_TRY(lt_calloc(&t, 1, sizeof *t, "a timer"));
    t->gpu = gpu;
    lt_status st = LT_OK;
    for (int k = 0; st == LT_OK && k < LT_TIMED_KINDS; k++) st = fill_ring(gpu, &t->kind[k], room[k]);
    if (st == LT_OK)
        *timer = t;
    else
        lt_gpu_timer_destroy(&t);
    return st;
}

void lt_gpu_timer_destroy(lt_gpu_timer **timer) {
    lt_gpu_timer *t = *timer;
    for (int k = 0; t && k < LT_TIMED_KINDS; k++) {
        for (int64_t i = 0; i < 2 * t->kind[k].room; i++)
            if (t->kind[k].event[i]) t->gpu->event_destroy(t->kind[k].event[i]);
        free(t->kind[k].event);
    }
    free(t);
    *timer = NULL;
}

void lt_gpu_timer_switch(lt_gpu_timer *t, bool on) {
    t->on = on;
    for (int k = 0; k < LT_TIMED_KINDS; k++) t->kind[k].begun = 0;
}

lt_status lt_gpu_timer_begin(lt_gpu_timer *t, lt_timed kind, lt_stream *s) {
    if (!t || !t->on) return LT_OK;
    ring *k = &t->kind[kind];
    int64_t i = k->begun++;
    return i < k->room ? t->gpu->record(k->event[2 * i], s) : LT_OK;
}

lt_status lt_gpu_timer_end(lt_gpu_timer *t, lt_timed kind, lt_stream *s) {
    if (!t || !t->on) return LT_OK;
    ring *k = &t->kind[kind];
    int64_t i = k->begun - 1;
    LT_ASSERT(i >= 0);
    return i < k->room ? t->gpu->record(k->event[2 * i + 1], s) : LT_OK;
}

lt_status lt_gpu_timer_read(lt_gpu_timer *t, double seconds[LT_TIMED_KINDS]) {
    double found[LT_TIMED_KINDS] = {0};
    for (int k = 0; k < LT_TIMED_KINDS; k++) {
        const ring *r = &t->kind[k];
        int64_t n = r->begun < r->room ? r->begun : r->room;
        for (int64_t i = 0; i < n; i++) {
            float ms = 0;
            LT_TRY(t->gpu->elapsed_ms(r->event[2 * i], r->event[2 * i + 1], &ms));
            found[k] += 1e-3 * (double)ms;
        }
        if (n) found[k] *= (double)r->begun / (double)n;
    }
    for (int k = 0; k < LT_TIMED_KINDS; k++) seconds[k] = found[k];
    return LT_OK;
}
