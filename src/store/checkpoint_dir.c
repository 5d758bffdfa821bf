/* The folder of checkpoints; see checkpoint.h.
 *
 *     ck/step_00000400.h5   ck/step_00000500.h5   ck/last -> step_00000500.h5   ck/best_00000400.a.h5   ck/best.a -> best_00000400.a.h5
 *
 * Links are relative, so the folder can be moved and copied; they are replaced by rename, so they always point at a whole file.  Which
 * checkpoint is the newest is read from the names, not from `last`: a job killed between commit and link loses nothing.  Nothing is deleted
 * before the file that replaces it is committed. */
#include "store/checkpoint_impl.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/fs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Step of a checkpoint's file name, or -1. */
static int64_t step_of(const char *name) {
    long long step = -1;
    char again[48];
    if (sscanf(name, "step_%lld.h5", &step) != 1 || step < 0) return -1;
    (void)snprintf(again, sizeof again, LT_CKPT_FILE, step);
    return strcmp(again, name) == 0 ? (int64_t)step : -1;
}

/* Step of a best file's name, or -1. */
static int64_t best_step_of(const char *name) {
    long long step = -1;
    int end = 0;
    size_t n = strlen(name);
    bool fits = sscanf(name, "best_%lld.%n", &step, &end) == 1 && step >= 0 && end >= 14 && n > (size_t)end + 3;
    return fits && !strcmp(name + n - 3, ".h5") ? (int64_t)step : -1;
}

static bool is_link_name(const char *name) { return !strcmp(name, "last") || !strncmp(name, "best.", 5); }

lt_status lt_ckpt_dir_prepare(const char *dir) {
    LT_TRY(lt_fs_mkdirs(dir));
    return lt_fs_remove_temps(dir);
}

static int newest_first(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

lt_status lt_ckpt_list(const char *dir, int64_t **out, int *n) {
    char **name = NULL;
    int64_t *step = NULL;
    int n_names = 0, found = 0;
    lt_status st = LT_OK;
    if (access(dir, F_OK) == 0) LT_TRY(lt_fs_list(dir, &name, &n_names));
    LT_TRY_GOTO(lt_calloc(&step, n_names, sizeof *step, "a list of checkpoints"), st, done);
    for (int i = 0; i < n_names; i++)
        if (step_of(name[i]) >= 0) step[found++] = step_of(name[i]);
    qsort(step, (size_t)found, sizeof *step, newest_first);
    *out = step;
    *n = found;
done:
    free(name);
    return st;
}

lt_status lt_ckpt_link(const char *dir, const char *name, int64_t step) {
    char target[48], *path = NULL, *link = NULL;
    lt_status st = LT_OK;
    LT_CHECK(is_link_name(name) && !strchr(name, '/'), LT_ERR_ARG, "\"%s\" cannot be a link to a checkpoint, expected last or best.<trial>",
             name);
    (void)snprintf(target, sizeof target, LT_CKPT_FILE, (long long)step);
    LT_TRY_GOTO(lt_fs_path(&path, "%s/%s", dir, target), st, done);
    LT_TRY_GOTO(lt_fs_path(&link, "%s/%s", dir, name), st, done);
    LT_CHECK_GOTO(access(path, F_OK) == 0, st, done, LT_ERR_ARG, "%s cannot point at %s, which is not there", link, path);
    st = lt_fs_symlink(target, link, true);
done:
    free(path);
    free(link);
    return st;
}

/* there: whether the file is; NULL = it must be. */
static lt_status link_one_best(const char *dir, const char *trial, int64_t step, bool *there) {
    char *target = NULL, *path = NULL, *link = NULL;
    lt_status st = LT_OK;
    LT_TRY_GOTO(lt_fs_path(&target, LT_CKPT_BEST, (long long)step, trial), st, done);
    LT_TRY_GOTO(lt_fs_path(&path, "%s/%s", dir, target), st, done);
    LT_TRY_GOTO(lt_fs_path(&link, "%s/best.%s", dir, trial), st, done);
    bool found = access(path, F_OK) == 0;
    LT_CHECK_GOTO(found || there, st, done, LT_ERR_ARG, "%s cannot point at %s, which is not there", link, path);
    if (there) *there = found;
    if (found) st = lt_fs_symlink(target, link, false);
done:
    free(target);
    free(path);
    free(link);
    return st;
}

lt_status lt_ckpt_find_best(const char *dir, const char *trial, int64_t step, bool *there) {
    return link_one_best(dir, trial, step, there);
}

lt_status lt_ckpt_link_best(const char *dir, const char *const *trial, int n, int64_t step) {
    if (n == 0) return LT_OK;
    LT_TRY(lt_fs_sync(dir)); /* the files' names before the links to them */
    for (int i = 0; i < n; i++) LT_TRY(link_one_best(dir, trial[i], step, NULL));
    return lt_fs_sync(dir);
}

/* What a link points at into target; false for other names. */
static bool link_target(const char *dir, const char *name, char target[PATH_MAX]) {
    char *path;
    if (!is_link_name(name) || lt_fs_path(&path, "%s/%s", dir, name) != LT_OK) return false;
    ssize_t n = readlink(path, target, PATH_MAX - 1);
    free(path);
    target[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* Step of a checkpoint or best file, or of the one that a link points at; -1 for other names. */
static int64_t any_step(const char *dir, const char *name) {
    char target[PATH_MAX];
    const char *file = link_target(dir, name, target) ? target : name;
    return step_of(file) >= 0 ? step_of(file) : best_step_of(file);
}

static lt_status delete_file(const char *dir, const char *name) {
    char *path;
    lt_status st = LT_OK;
    LT_TRY(lt_fs_path(&path, "%s/%s", dir, name));
    if (unlink(path) != 0 && errno != ENOENT) st = LT_FAIL(LT_ERR_IO, "cannot delete the old checkpoint %s: %s", path, strerror(errno));
    free(path);
    return st;
}

static bool is_linked(const char *dir, char *const *name, int n, const char *file) {
    char target[PATH_MAX];
    for (int i = 0; i < n; i++)
        if (link_target(dir, name[i], target) && !strcmp(target, file)) return true;
    return false;
}

lt_status lt_ckpt_prune(const char *dir, int keep) {
    char **name = NULL, file[48];
    int64_t *step = NULL;
    int n_names = 0, n = 0;
    lt_status st = LT_OK;
    LT_TRY(lt_ckpt_list(dir, &step, &n));
    LT_TRY_GOTO(lt_fs_list(dir, &name, &n_names), st, done);
    for (int i = keep; i < n && st == LT_OK; i++) {
        (void)snprintf(file, sizeof file, LT_CKPT_FILE, (long long)step[i]);
        if (!is_linked(dir, name, n_names, file)) st = delete_file(dir, file);
    }
    for (int i = 0; i < n_names && st == LT_OK; i++)
        if (best_step_of(name[i]) >= 0 && !is_linked(dir, name, n_names, name[i])) st = delete_file(dir, name[i]);
done:
    free(name);
    free(step);
    return st;
}

/* Does something with every checkpoint and best file after a step; deletes the links to them first, so that none is left pointing at nothing. */
static lt_status for_each_after(const char *dir, int64_t step, lt_status (*act)(const char *dir, const char *name)) {
    char **name = NULL;
    int n = 0;
    lt_status st = LT_OK;
    LT_TRY(lt_fs_list(dir, &name, &n));
    for (int links = 1; links >= 0; links--)
        for (int i = 0; i < n && st == LT_OK; i++)
            if (is_link_name(name[i]) == links && any_step(dir, name[i]) > step) st = (links ? delete_file : act)(dir, name[i]);
    free(name);
    return st;
}

lt_status lt_ckpt_clear(const char *dir) { return for_each_after(dir, -1, delete_file); }

static lt_status set_aside(const char *dir, const char *name) {
    char *path = NULL;
    LT_TRY(lt_fs_path(&path, "%s/%s", dir, name));
    lt_status st = lt_fs_set_aside(path);
    free(path);
    return st;
}

lt_status lt_ckpt_set_aside(const char *dir, int64_t after) { return for_each_after(dir, after, set_aside); }

/* Opens a checkpoint that must be as it was written. */
static lt_status open_whole(const char *path, lt_ckpt **ck) {
    LT_TRY(lt_ckpt_open(path, ck));
    lt_status st = lt_ckpt_impl_need_digest(*ck);
    if (st != LT_OK) lt_ckpt_close(ck);
    return st;
}

lt_status lt_ckpt_open_newest(const char *dir, lt_ckpt **out) {
    int64_t *step = NULL;
    char *path = NULL;
    lt_ckpt *ck = NULL;
    int n = 0;
    lt_status st = LT_OK;
    LT_TRY(lt_ckpt_list(dir, &step, &n));
    for (int i = 0; i < n && !ck; i++) {
        LT_TRY_GOTO(lt_fs_path(&path, LT_CKPT_PATH, dir, (long long)step[i]), st, done);
        st = open_whole(path, &ck);
        if (st == LT_ERR_FORMAT || st == LT_ERR_HDF5)
            lt_warn("checkpoint %s cannot be used, looking for an older one: %s", path, lt_err_last()->msg);
        else if (st != LT_OK) /* not read is not damaged */
            goto done;
        free(path);
        path = NULL;
    }
    st = LT_OK;
    LT_CHECK_GOTO(ck || n == 0, st, done, LT_ERR_FORMAT,
                  "none of the %d checkpoints in %s can be used (the newest: step %lld; each is named in a warning above): restore one "
                  "from a copy, or start over "
                  "with run.resume=never",
                  n, dir, (long long)step[0]);
    *out = ck;
done:
    free(path);
    free(step);
    return st;
}
