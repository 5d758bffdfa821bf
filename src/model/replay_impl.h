#pragma once
/* Private to the model room: decoding steps as recorded work.
 *
 * A step in which every sequence brings one row starts hundreds of kernels that each read some rows and one matrix; starting them takes the host longer than
 * the device needs to run them.  Such steps differ in numbers alone: tokens, positions, lengths, places in the cache.  All of these lie in the block of words
 * that goes to the device before the step (plan.c), and lt_forward_args.repeats keeps them out of everything else.  So a step is recorded, once for every
 * number of sequences, and replayed: the block is uploaded, one launch does the rest. */
#include "model/generate.h"
#include "model/model_impl.h"

enum { LT_RECORDS = 8 }; /* kept; the one not used for longest goes */

typedef struct lt_record {
    int64_t seqs;           /* 0: free */
    int64_t used;           /* steps of the loop until then */
    bool ready;             /* work is there; else there was a step, not recorded */
    lt_work work;           /* forward and scores */
    lt_readout_rows rows;   /* what it puts out, */
    const float *scores;    /* and where */
    const int32_t *planned; /* last array of the block: it must lie there again */
} lt_record;

/* Owned by a loop: cache, bank and what stands before the texts must stay the same, their addresses are recorded. */
typedef struct lt_replay {
    lt_model *m;
    bool on;
    lt_record record[LT_RECORDS];
    int64_t steps, replayed;
} lt_replay;

/* Local, the same on all ranks.  r is zeroed; m is planned.  Errors: CONFIG (ON, but nothing can be recorded). */
lt_status lt_replay_init(lt_model *m, lt_graphs graphs, lt_replay *r);
/* Local.  Accepts what was never initialised. */
void lt_replay_fini(lt_replay *r);
/* Collective(tp).  lt_model_forward, and where scored lt_model_logits of all its rows, else NULL; by recorded work where this pack is of a kind that comes
 * again and again.  a: with a cache, reading out the last rows. */
const float *lt_replay_step(lt_replay *r, const lt_forward_args *a, bool scored, lt_readout_rows *rows);
