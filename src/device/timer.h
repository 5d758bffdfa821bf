#pragma once
/* How long a GPU is at kinds of work, by events in its streams: what the host's clock sees is how long asking takes.
 *
 * A timer has two events for each piece of work that it can time, made when it is.  While it is switched on a piece takes the next two, and read() adds up
 * after the host has waited for the stream anyway, so a step allocates nothing for it and waits no more often.  Pieces that find no events left are counted
 * and taken for as long as the timed ones of their kind: room for a pack of the model, forward and backward, is enough for a fair sample.
 *
 * Owned by who made it; pieces do not nest; one thread.  Never on while work is recorded: an event in a graph has no time. */

#include "device/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lt_timed {
    LT_TIMED_LINEAR,    /* products with frozen matrices */
    LT_TIMED_ATTENTION, /* attention, forward and backward */
    LT_TIMED_SUM,       /* the stream waits for a sum of activations over a tensor-parallel group */
    LT_TIMED_MESSAGE,   /* ... for any other sum over ranks */
    LT_TIMED_KINDS
} lt_timed;

typedef struct lt_gpu_timer lt_gpu_timer;

/* Local.  A timer, switched off, with room for so many pieces of each kind.  Errors: NOMEM, CUDA. */
lt_status lt_gpu_timer_create(const lt_gpu *gpu, const int64_t room[LT_TIMED_KINDS], lt_gpu_timer **timer);
/* Local.  Accepts NULL; sets NULL. */
void lt_gpu_timer_destroy(lt_gpu_timer **timer);
/* Local.  Forgets what was timed; what begins from now on is timed, or (on false) not. */
void lt_gpu_timer_switch(lt_gpu_timer *timer, bool on);
/* Local.  A piece of work begins, ends on s: what is enqueued between them is of this kind.  NULL, or a timer that is off: nothing.  Errors: CUDA. */
lt_status lt_gpu_timer_begin(lt_gpu_timer *timer, lt_timed kind, lt_stream *s);
lt_status lt_gpu_timer_end(lt_gpu_timer *timer, lt_timed kind, lt_stream *s);
/* Local.  Seconds of each kind since the timer was switched on; the host has waited for every stream that pieces were on.  Errors: CUDA. */
lt_status lt_gpu_timer_read(lt_gpu_timer *timer, double seconds[LT_TIMED_KINDS]);

#ifdef __cplusplus
}
#endif
