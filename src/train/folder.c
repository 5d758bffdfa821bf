/* The run folder; see folder_impl.h. */
#include "train/folder_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/fs.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What rank 0 finds and tells all: path of the checkpoint (empty = none), then its compute type. */
/* A checkpoint that says how a run computes; path "": none. */
typedef struct found {
    char path[4096], dtype[16], device[16];
    int64_t pack_rows;
    char *products; /* rank 0 */
} found;

static lt_status note(found *f, const lt_ckpt *ck) {
    (void)snprintf(f->path, sizeof f->path, "%s", lt_ckpt_path(ck));
    (void)snprintf(f->dtype, sizeof f->dtype, "%s", lt_ckpt_about(ck)->dtype);
    (void)snprintf(f->device, sizeof f->device, "%s", lt_ckpt_about(ck)->device);
    f->pack_rows = lt_ckpt_about(ck)->pack_rows;
    free(f->products);
    f->products = NULL;
    return lt_strdup(&f->products, lt_ckpt_about(ck)->products);
}

/* Is this file, links followed, one of the folder's?  Compared as files: a path can be written in many ways. */
static bool lies_in(const char *path, const char *dir) {
    char real[PATH_MAX];
    struct stat a, b;
    return realpath(path, real) && stat(dirname(real), &a) == 0 && stat(dir, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* run.resume: PATH.  A checkpoint of this folder takes the run back to its step; one of elsewhere is where the run begins, so once the folder has
 * checkpoints of its own, it goes on from these. */
static lt_status open_told(lt_run_folder *f, const lt_config *cfg, const char *path, lt_ckpt **ck) {
    lt_ckpt *newest = NULL;
    LT_TRY(lt_ckpt_open(path, ck));
    LT_CHECK(!lt_ckpt_best_of(*ck), LT_ERR_CONFIG,
             "run.resume: %s holds the best values of trial %s only, for evaluation: name a checkpoint of all trials (step_*.h5 or last)",
             path, lt_ckpt_best_of(*ck));
    f->resume_own = lies_in(path, f->ck_dir);
    if (f->resume_own) return LT_OK;
    lt_status st = lt_ckpt_open_newest(f->ck_dir, &newest);
    if (newest || st != LT_OK) lt_ckpt_close(ck);
    if (!newest) return st;
    lt_info("%s has checkpoints of its own: it goes on from them, not from %s", cfg->run.dir, path);
    *ck = newest;
    f->resume_own = true;
    return LT_OK;
}

/* The same without slashes at its end, which would make a folder of it. */
static lt_status open_path(lt_run_folder *f, const lt_config *cfg, lt_ckpt **ck) {
    char *path = NULL;
    LT_TRY(lt_strdup(&path, cfg->run.resume_path));
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--) path[n - 1] = 0;
    lt_status st = open_told(f, cfg, path, ck);
    if (st != LT_OK) lt_ckpt_close(ck);
    free(path);
    return st;
}

/* Rank 0: folder, lock, and which checkpoint to continue from (path empty = none). */
static lt_status claim_local(lt_run_folder *f, const lt_config *c, found *out) {
    lt_ckpt *ck = NULL;
    LT_TRY(LT_FAULT_POINT("run.claim"));
    LT_TRY(lt_fs_mkdirs(c->run.dir));
    LT_TRY(lt_lock_acquire(c->run.dir, &f->lock));
    LT_TRY(lt_fs_remove_temps(c->run.dir));
    LT_TRY(lt_fs_path(&f->ck_dir, "%s/ck", c->run.dir));
    LT_TRY(lt_ckpt_dir_prepare(f->ck_dir));
    switch (c->run.resume) {
    case LT_RESUME_NEVER:
        return LT_OK; /* what is there is removed once all input has been found good: lt_run_impl_resume */
    case LT_RESUME_PATH:
        LT_TRY(open_path(f, c, &ck));
        break;
    default:
        LT_TRY(lt_ckpt_open_newest(f->ck_dir, &ck));
        f->resume_own = true;
    }
    if (!ck) return LT_OK;
    lt_status st = note(out, ck);
    lt_ckpt_close(&ck);
    return st;
}

static lt_status take_found(lt_run_folder *f, lt_comm *world, found *what) {
    char *products = what->products;
    int64_t length = lt_max_host(world, products ? (int64_t)strlen(products) : 0);
    lt_bcast_host(world, what, sizeof *what, 0);
    lt_status st = lt_calloc(&f->resume_products, length + 1, 1, "ways of products");
    if (st == LT_OK && products) memcpy(f->resume_products, products, (size_t)length);
    free(products);
    if (st == LT_OK && what->path[0]) st = lt_strdup(&f->resume_path, what->path);
    LT_TRY(lt_agree(world, st));
    lt_bcast_host(world, f->resume_products, (size_t)length + 1, 0);
    if (!what->path[0]) return LT_OK;
    f->resume_dtype = !strcmp(what->dtype, "fp8") ? LT_E4M3 : !strcmp(what->dtype, lt_dtype_name(LT_BF16)) ? LT_BF16 : LT_F32;
    (void)snprintf(f->resume_device, sizeof f->resume_device, "%s", what->device);
    f->resume_rows = what->pack_rows;
    return LT_OK;
}

lt_status lt_run_impl_folder_claim(lt_run_folder *f, const lt_config *cfg, const lt_grid *grid) {
    found what = {0};
    LT_TRY(lt_agree(grid->world, grid->rank == 0 ? claim_local(f, cfg, &what) : LT_OK));
    lt_bcast_host(grid->world, &f->resume_own, sizeof f->resume_own, 0);
    return take_found(f, grid->world, &what);
}

/* Path of the i-th file that may say how this run computes, small ones first; NULL behind the last. */
static lt_status place_to_peek(const lt_config *c, int i, char **path) {
    *path = NULL;
    if (i < c->n_trials) return lt_fs_path(path, "%s/ck/best.%s", c->run.dir, c->trial[i].name);
    if (i == c->n_trials) return lt_fs_path(path, "%s/ck/last", c->run.dir);
    return i == c->n_trials + 1 && c->run.resume == LT_RESUME_PATH ? lt_strdup(path, c->run.resume_path) : LT_OK; /* where it begins */
}

/* Rank 0: path and compute type of a checkpoint of this run; none is no failure. */
static lt_status peek_local(const lt_config *c, found *out) {
    lt_ckpt *ck = NULL;
    char *path = NULL;
    for (int i = 0; !out->path[0]; i++) {
        LT_TRY(place_to_peek(c, i, &path));
        if (!path) break;
        if (access(path, F_OK) == 0 && lt_ckpt_open(path, &ck) == LT_OK) {
            LT_TRY(note(out, ck));
            (void)snprintf(out->path, sizeof out->path, "%s", path);
        }
        lt_ckpt_close(&ck);
        free(path);
    }
    lt_err_clear();
    return LT_OK;
}

/* A run without checkpoints, or with a damaged one, is told of when trained values are loaded. */
lt_status lt_run_impl_folder_peek(lt_run_folder *f, const lt_config *cfg, const lt_grid *grid) {
    found what = {0};
    LT_TRY(lt_agree(grid->world, grid->rank == 0 ? peek_local(cfg, &what) : LT_OK));
    return take_found(f, grid->world, &what);
}

void lt_run_impl_folder_fini(lt_run_folder *f) {
    lt_lock_release(&f->lock);
    free(f->ck_dir);
    free(f->resume_path);
    free(f->resume_products);
    *f = (lt_run_folder){0};
}
