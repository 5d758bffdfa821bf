#pragma once
/* Checkpoints: the state of all trials as whole named tensors in HDF5 (kind ltune-checkpoint; docs/FORMATS.md), and their folder run.dir/ck.
 *
 * The file knows nothing of ranks: whatever layout wrote it, any other reads it.  Rank 0 writes; the caller gathers before and distributes
 * after.  Writing hands over arrays as they lie in memory, without copies; a file is complete under its name or not there at all.
 *
 *     lt_ckpt_begin -> lt_ckpt_put_* ... -> lt_ckpt_commit -> lt_ckpt_link("last") -> lt_ckpt_prune          (or lt_ckpt_cancel)
 *     lt_ckpt_begin_best -> lt_ckpt_put_* ... -> lt_ckpt_commit, for each trial that has a new best -> lt_ckpt_link_best
 *     lt_ckpt_open_newest or lt_ckpt_open -> lt_ckpt_match -> lt_ckpt_get_* ... -> lt_ckpt_close */

#include "base/sha256.h"
#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What every checkpoint says of itself.  Strings: borrowed by the writer; owned by lt_ckpt when read. */
typedef struct lt_ckpt_head {
    int64_t step;              /* optimizer steps done, all trials */
    const char *config;        /* resolved YAML */
    const char *config_sha256; /* fingerprint of the keys that a resume must not change */
    const char *settings;      /* these keys, one "key: value" a line */
    const char *labels;        /* names of the labels in their order, one a line */
    const char *model_sha256;  /* lt_st_fingerprint of the base model */
    const char *data_sha256;   /* fingerprint of the samples and label words that the trials learn from and are judged by */
    const char *dtype;         /* compute type: "f32" or "bf16" */
    const char *device;        /* what computed: "cpu", "cuda"; "" in files of versions that had one kind */
    const char *products;      /* how that computes matrix products, for a start on the same kind; "" or NULL = nothing to say */
    int64_t pack_rows;         /* what parallel.tokens: auto was on a GPU, for a start on the same kind; 0 = nothing to say */
    int64_t ranks, tp, dp;     /* layout of the writer, for information */
} lt_ckpt_head;

/* --- writing ------------------------------------------------------------------------------------------------------------------------ */

typedef struct lt_ckpt_writer lt_ckpt_writer;

/* Local.  Starts DIR/step_%08d.h5 under a temporary name.  Errors: IO, HDF5, NOMEM. */
lt_status lt_ckpt_begin(const char *dir, const lt_ckpt_head *head, lt_ckpt_writer **w);
/* Local.  Starts the file of one trial's best values, for evaluation: whatever the caller puts, without the optimizer's state.  It counts once
 * lt_ckpt_link_best has made the link to it.  Errors: ARG (a trial's name with '/'), IO, HDF5, NOMEM. */
lt_status lt_ckpt_begin_best(const char *dir, const lt_ckpt_head *head, const char *trial, lt_ckpt_writer **w);
/* Local.  A named value of a trial, or of the file when trial is NULL.  Errors: ARG (a trial's name with '/'), HDF5, IO. */
lt_status lt_ckpt_put_i64(lt_ckpt_writer *w, const char *trial, const char *key, int64_t value);
lt_status lt_ckpt_put_f64(lt_ckpt_writer *w, const char *trial, const char *key, double value);
lt_status lt_ckpt_put_str(lt_ckpt_writer *w, const char *trial, const char *key, const char *value);
/* Local.  n whole tensors into a trial's group ("params", "adam_m", "adam_v", "label_states"); data is read before this returns.
 * Errors: ARG (a name with '/'), HDF5, IO. */
lt_status lt_ckpt_put_named(lt_ckpt_writer *w, const char *trial, const char *group, const lt_named *t, int n);
/* Local.  Closes, compares with what was written by reading back once, syncs, renames, syncs the folder (of a best file: lt_ckpt_link_best does).
 * *w becomes NULL also on failure, when what was there before is untouched.  Errors: IO, HDF5, FORMAT. */
lt_status lt_ckpt_commit(lt_ckpt_writer **w);
/* Local.  Gives up; accepts NULL inside. */
void lt_ckpt_cancel(lt_ckpt_writer **w);

/* --- reading ------------------------------------------------------------------------------------------------------------------------ */

typedef struct lt_ckpt lt_ckpt;

/* Local.  Opens one file and checks it whole, in one pass over its bytes.  Errors: IO, FORMAT, NOMEM. */
lt_status lt_ckpt_open(const char *path, lt_ckpt **ck);
/* Local.  The same for a file that this job has just checked, in this process or another: without the pass. */
lt_status lt_ckpt_open_checked(const char *path, lt_ckpt **ck);
/* Local.  Closes and sets *ck to NULL; accepts NULL inside. */
void lt_ckpt_close(lt_ckpt **ck);
/* Local.  Borrowed from ck. */
const lt_ckpt_head *lt_ckpt_about(const lt_ckpt *ck);
const char *lt_ckpt_path(const lt_ckpt *ck);
/* Local.  The one trial that a file of best values is of, borrowed; NULL for a checkpoint of all trials, from which a run can go on. */
const char *lt_ckpt_best_of(const lt_ckpt *ck);
/* Local.  CONFIG unless the checkpoint belongs to these settings, this base model, data and labels (NULL: not compared). */
lt_status lt_ckpt_match(const lt_ckpt *ck, const lt_ckpt_head *run);
/* Local.  True if the checkpoint was made under these settings; else text says the first that differs, with both values.  A key that only one side names (of a
 * version that the other does not know) counts as its default there. */
bool lt_ckpt_same_settings(const lt_ckpt *ck, const char *settings, char *text, size_t bytes);
/* Local.  Names of the trials, sorted; borrowed. */
char *const *lt_ckpt_trials(const lt_ckpt *ck, int64_t *n);
/* Local.  A named value of a trial, or of the file when trial is NULL: whether it is there, and what it is; the string is released by free().
 * Errors: FORMAT (no such trial or value, or of another type), NOMEM. */
lt_status lt_ckpt_has(lt_ckpt *ck, const char *trial, const char *key, bool *there);
lt_status lt_ckpt_get_i64(lt_ckpt *ck, const char *trial, const char *key, int64_t *value);
lt_status lt_ckpt_get_f64(lt_ckpt *ck, const char *trial, const char *key, double *value);
lt_status lt_ckpt_get_str(lt_ckpt *ck, const char *trial, const char *key, char **value);
/* Local.  Fills t[i].data for n tensors whose names and shapes are given; the group must hold these and no others.
 * Errors: FORMAT (missing, left over, of another shape, damaged). */
lt_status lt_ckpt_get_named(lt_ckpt *ck, const char *trial, const char *group, lt_named *t, int n);
/* Local.  Names and shapes of a group's tensors, data NULL; *t released by free().  An absent group has none.  Errors: FORMAT, NOMEM. */
lt_status lt_ckpt_list_named(lt_ckpt *ck, const char *trial, const char *group, lt_named **t, int *n);

/* --- the folder --------------------------------------------------------------------------------------------------------------------- */

/* Local.  Creates the folder if needed and deletes what killed writers left (*.tmp*).  Call it once at start, under the run's lock.  Errors: IO. */
lt_status lt_ckpt_dir_prepare(const char *dir);
/* Local.  Steps of the checkpoints in the folder, newest first; *step released by free().  A missing folder has none.  Errors: IO, NOMEM. */
lt_status lt_ckpt_list(const char *dir, int64_t **step, int *n);
/* Local.  Makes the link DIR/name ("last", "best.<trial>") point at the checkpoint of that step, in one step.  Errors: ARG, IO. */
lt_status lt_ckpt_link(const char *dir, const char *name, int64_t step);
/* Local.  Makes DIR/best.<trial> of n trials point at their best files of that step, each in one step; these files are durable before, the
 * links when it returns.  Errors: ARG (a file is not there), IO. */
lt_status lt_ckpt_link_best(const char *dir, const char *const *trial, int n, int64_t step);
/* Local.  Makes DIR/best.<trial> point at the trial's best file of that step if it is there; *there tells.  Errors: IO, NOMEM. */
lt_status lt_ckpt_find_best(const char *dir, const char *trial, int64_t step, bool *there);
/* Local.  Deletes all but the newest `keep` checkpoints and those that a link points at, and best files that none points at.  Errors: IO. */
lt_status lt_ckpt_prune(const char *dir, int keep);
/* Local.  Deletes every checkpoint, best file and link: for a run that starts over.  Errors: IO. */
lt_status lt_ckpt_clear(const char *dir);
/* Local.  Renames the checkpoints and best files after a step to NAME.bad and deletes the links to them: for a run that goes on from an older one because these
 * could not be used.  Errors: IO. */
lt_status lt_ckpt_set_aside(const char *dir, int64_t after);
/* Local.  Verifies from the newest on and opens the first that is whole; warns about each that is not, by name.  *ck is NULL if the folder
 * has none.  Errors: FORMAT (there are some, but none is whole), IO (one could not be read: it may be good, so none older is taken), NOMEM. */
lt_status lt_ckpt_open_newest(const char *dir, lt_ckpt **ck);

#ifdef __cplusplus
}
#endif
