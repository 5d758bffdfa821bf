#pragma once
/* A trained trial as files that other programs load: the folder of an adapter (tuner/peft.h), or the base model with the update added to its weights. */

#include "train/run.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_export_args {
    const char *dir;    /* made; must not be there, or be empty */
    const char *which;  /* checkpoint, as lt_run_load takes it */
    bool merged;        /* the whole model */
    lt_dtype dtype;     /* merged: of its weights; LT_DTYPE_COUNT = as the base has them */
    int64_t file_bytes; /* merged: most of one file of weights */
} lt_export_args;

/* Collective(world).  Writes a trial of a run made for LT_RUN_EXPORT; rank 0 does all of it, a tensor at a time.  What the format cannot say is a warning, with
 * what to do about it.  Errors: CONFIG (a method that the format has no form for, a checkpoint of other labels or another base), IO, FORMAT, NOMEM (agreed). */
lt_status lt_run_export(lt_run *r, int trial, const lt_export_args *args);

#ifdef __cplusplus
}
#endif
