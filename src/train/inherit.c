/* Transfer: the prefix that one run's dialogue came to stands before another's inputs (method.init_dialogue), on a data set of the same domain, say. */
#include "train/run_impl.h"

#include "base/mem.h"
#include "store/fs.h"

#include <string.h>
#include <unistd.h>

/* The trial of that log whose dialogue is meant: the one of this name, or the only one. */
static lt_status find(const lt_runlog *log, const char *path, const char *name, int *which) {
    int64_t n;
    int found = -1, with = 0;
    for (int i = 0; i < lt_runlog_trials(log); i++) {
        if (!lt_runlog_dialogue(log, i, &n) || n == 0) continue;
        with++;
        if (found < 0 || !strcmp(lt_runlog_trial_name(log, i), name)) found = i;
    }
    LT_CHECK(with > 0, LT_ERR_CONFIG, "method.init_dialogue: no trial of %s has a dialogue", path);
    LT_CHECK(
        with == 1 || !strcmp(lt_runlog_trial_name(log, found), name), LT_ERR_CONFIG,
        "method.init_dialogue: %s has the dialogues of %d trials, none of which is called %s: give this trial the name of the one that it "
        "goes on from",
        path, with, name);
    *which = found;
    return LT_OK;
}

lt_status lt_run_impl_gpta_inherit(const lt_run *r, int trial, char **text) {
    const lt_trial_cfg *c = r->trial[trial].cfg;
    const char *path = c->method.init_dialogue, *prefix = NULL;
    lt_runlog *log = NULL;
    int which = 0;
    int64_t n = 0;
    LT_CHECK(access(path, R_OK) == 0, LT_ERR_IO, "method.init_dialogue: cannot read %s: %m", path);
    LT_TRY(lt_runlog_open(path, 1, &log));
    lt_status st = find(log, path, c->name, &which);
    const lt_dialogue_row *row = st == LT_OK ? lt_runlog_dialogue(log, which, &n) : NULL;
    for (int64_t i = 0; i < n; i++)
        if (row[i].chosen) prefix = row[i].prefix;
    if (st == LT_OK && !prefix)
        st = LT_FAIL(LT_ERR_CONFIG, "method.init_dialogue: the dialogue of trial %s in %s never came to a prefix",
                     lt_runlog_trial_name(log, which), path);
    if (st == LT_OK) st = lt_strdup(text, prefix);
    lt_runlog_close(&log);
    return st;
}
