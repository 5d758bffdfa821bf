#pragma once
/* Private to the train room: the folder of a run as rank 0 holds it: its lock, where its checkpoints lie, and the one that the run goes on from. */

#include "base/config.h"
#include "model/model.h"
#include "store/checkpoint.h"
#include "store/lock.h"

typedef struct lt_run_folder {
    lt_lock *lock;     /* rank 0 */
    char *ck_dir;      /* run.dir/ck; rank 0 */
    char *resume_path; /* checkpoint to continue from, or NULL */
    bool resume_own;   /* it is of this folder */
    lt_dtype resume_dtype;
    char *resume_products;  /* how it computes products; "" = it does not say */
    char resume_device[16]; /* "" = it does not say */
    int64_t resume_rows;    /* of packs, where memory decided; 0 = it does not say */
} lt_run_folder;

/* Collective(world).  Makes the folder if needed, locks it, and finds the checkpoint that run.resume means.  Errors: IO, FORMAT, CONFIG (agreed). */
lt_status lt_run_impl_folder_claim(lt_run_folder *f, const lt_config *cfg, const lt_grid *grid);
/* Collective(world).  For commands that only read: the compute type of a checkpoint of the run, if there is one.  Errors: NOMEM (agreed). */
lt_status lt_run_impl_folder_peek(lt_run_folder *f, const lt_config *cfg, const lt_grid *grid);
/* Local.  Accepts a zeroed struct. */
void lt_run_impl_folder_fini(lt_run_folder *f);
