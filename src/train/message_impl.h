#pragma once
/* Private to the train room: the one message of a step, f32, summed over all ranks:
 *
 *     [ d_bank | partial | d_prompt | direct | tail ]
 *
 * d_bank   gradients of the bank's trained slots, all heads; each rank adds those of its own
 * partial  gradients of which each rank of a tp group holds a share (adapters)
 * d_prompt, direct (heads), and the losses of the tail: every rank of a tp group holds them whole, so its first rank speaks for it
 * tail     per trial {sum of losses, count of losses that are not finite}, then the flags
 *
 * The message lies in comm's memory, which is device memory to ops: heads and model add their gradients there directly. */

#include "tuner/tuner.h"

enum { LT_TAIL_LOSS, LT_TAIL_BAD, LT_TAIL_PER_TRIAL };
enum { LT_FLAG_STOP, LT_FLAG_FAILED, LT_FLAG_SAVE, LT_FLAG_ABANDONED, LT_FLAG_TOKENS, LT_FLAG_COUNT };

typedef struct lt_message {
    const lt_ctx *ctx; /* borrowed */
    lt_buffer *buf;
    float *data;                                /* device: this rank's slot; the sums after lt_allreduce */
    int64_t partial, d_prompt, direct, tail, n; /* offsets in elements (the bank stands first); n: all */
    int n_trials;
    float flag[LT_FLAG_COUNT]; /* host: this rank's, on their way into the tail */
    float *told;               /* host [n_trials * LT_TAIL_PER_TRIAL + LT_FLAG_COUNT]: the tail as summed */
} lt_message;

/* Local.  Sizes; kv, prompt: elements of the bank.  Errors: NOMEM. */
lt_status lt_run_impl_message_init(lt_message *m, const lt_ctx *ctx, lt_tuner *const *tuner, int n, int64_t kv, int64_t prompt);
/* Collective(world).  Takes the memory and gives direct parameters their gradients in it.  Errors: NOMEM (agreed). */
lt_status lt_run_impl_message_connect(lt_message *m, lt_comm *world, lt_tuner *const *tuner, int n);
/* Local.  Accepts a zeroed struct. */
void lt_run_impl_message_fini(lt_message *m);
/* Local.  All to zero, or what a tp group holds in common. */
lt_status lt_run_impl_message_clear(lt_message *m);
lt_status lt_run_impl_message_clear_common(lt_message *m);
/* Local.  m->flag -> the tail; where void_losses, the losses are marked as not finite, so that no rank updates anything from this message. */
lt_status lt_run_impl_message_flags(lt_message *m, bool void_losses);
/* Local, enqueued: the tail -> m->told, which may be read after wait(). */
lt_status lt_run_impl_message_tell(lt_message *m);
/* Local. */
static inline float *lt_message_tail(const lt_message *m, int trial) { return m->data + m->tail + (int64_t)trial * LT_TAIL_PER_TRIAL; }
static inline const float *lt_message_told(const lt_message *m, int trial) { return m->told + (int64_t)trial * LT_TAIL_PER_TRIAL; }
static inline float lt_message_flag(const lt_message *m, int flag) { return m->told[(int64_t)m->n_trials * LT_TAIL_PER_TRIAL + flag]; }
