#pragma once
/* Private to the train room: the bank of all trials (device arrays).
 *
 * Tuners see all heads; the model sees this rank's.  With one tensor-parallel rank both are the same memory.  What tuners spread over the ranks comes
 * together in a buffer of comm, one sum over the world a filling. */

#include "tuner/tuner.h"

typedef struct lt_run_bank {
    const lt_ctx *ctx;           /* borrowed */
    lt_bank model;               /* as the model takes it: this rank's heads */
    int32_t *slot_len;           /* [S] */
    lt_adapter *adapter;         /* [n trials] */
    lt_arena arena;              /* device */
    float *kv;                   /* [S][m][2][P_max][Hkv][D] all heads; model.kv is the same memory when this rank holds all */
    float *d_kv_local;           /* gradient of this rank's heads; NULL when it lies in the message itself */
    float *prompt;               /* [prompt rows, C] */
    int64_t rows, d_rows;        /* S*m*2*P_max, and of the slots that are trained, which are the first */
    int64_t whole, local, first; /* elements a row of all heads, of this rank's, and where these start */
    lt_buffer *gather;           /* [gather_elems], NULL when nothing is spread */
    int64_t gather_elems;
} lt_run_bank;

/* Local.  Gives every tuner its slots (who trains nothing in them gets the last ones) and rows, and takes the arrays.  Errors: NOMEM. */
lt_status lt_run_impl_bank_init(lt_run_bank *b, const lt_model *m, lt_tuner *const *tuner, int n);
/* Collective(world).  The buffer of what is spread; before the first filling.  Errors: NOMEM (agreed). */
lt_status lt_run_impl_bank_connect(lt_run_bank *b, lt_comm *world, lt_tuner *const *tuner, int n);
/* Local.  The trials' adapters, once their gradients have a place.  Errors: NOMEM. */
lt_status lt_run_impl_bank_adapters(lt_run_bank *b, lt_tuner *const *tuner, int n);
/* Local.  Accepts a zeroed struct. */
void lt_run_impl_bank_fini(lt_run_bank *b);
/* Collective(world) when something is spread.  Parameters of the tuners with wanted[i] (NULL = all) -> bank.  Errors: those of ops: bugs. */
lt_status lt_run_impl_bank_fill(lt_run_bank *b, lt_tuner *const *tuner, int n, const bool *wanted);
/* Local.  Slots that were filled otherwise: all heads -> this rank's.  Errors: those of ops: bugs. */
lt_status lt_run_impl_bank_cut(lt_run_bank *b);
/* Local.  A message buffer as device memory, and back. */
lt_status lt_run_impl_attach(const lt_ctx *ctx, lt_buffer *buf);
void lt_run_impl_detach(const lt_ctx *ctx, lt_buffer *buf);
