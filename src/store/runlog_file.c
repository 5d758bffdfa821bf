/* The file of the run log; see runlog.h.
 *
 *     /                           kind, format_version
 *     /run                        facts of the newest start: config, version, git, hosts, ranks, devices, SLURM_* ...
 *     /run/start_0001 ...         the facts of every start, so that a resumed run can be traced
 *     /trials/<trial>             facts: method, trainable ...   (attribute `order`: position in the run)
 *     /trials/<trial>/train/{step i64, loss, lr, grad_norm f64}
 *     /trials/<trial>/eval/{step i64, split text, loss, accuracy, mcc, f1 f64, sequences i64, seconds f64, precision, recall, ... }
 *     /trials/<trial>/dialogue/{round, step, prompt, answer ... }     what an assistant was asked and said, where there is one (runlog_dialogue.c)
 *     /trials/<trial>/{best, last}, /run/labels, /run/types     what evaluations counted, class by class (runlog_detail.c)
 *     /perf/{step i64, seconds f64, tokens, sentences i64, t_compute, t_comm, t_data, t_io, t_linear, t_attention f64}
 *
 * Why the whole file is rewritten.  A log that is read while the job runs, and that must open after kill -9, can be had from HDF5 in two ways.
 * SWMR appends in place; readers must open it in SWMR mode, h5dump and HDFView cannot, and after a kill it needs a repair with a
 * particular order of steps before anything can be added.  Appending and flushing without SWMR leaves a file that cannot be opened if the
 * kill falls inside a flush.  Rewriting under a temporary name and renaming has neither problem: whatever carries the name run.h5 is complete.
 *
 * What that costs, and the journal.  A rewrite takes all rows each time: 32 bytes a training step and trial, two seconds for 16 trials of a million
 * steps.  So it is done when the flushes so far and one more take less than 1% of the time since the log was opened, when the run ends, and
 * when facts change.  Between, rows go to a journal beside the file (runlog_journal.c), at the cost of the new rows only; a flush that must be
 * durable (with each checkpoint) syncs it.  Our readers see both; other programs see run.h5, whose rows are up to a few seconds old in a short
 * run and up to 100 times a rewrite in a very long one. */
#include "store/runlog_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/fs.h"
#include "store/h5.h"
#include "store/layout.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double flush_share = 0.01; /* of the run's time that whole writes may take, beside the first and the last */

#define I64(type, name)                                                                                                                    \
    { #name, LT_I64, offsetof(type, name), 0, false }
#define F64(type, name)                                                                                                                    \
    { #name, LT_F64, offsetof(type, name), 0, false }
#define TEXT(type, name)                                                                                                                   \
    { #name, LT_DTYPE_COUNT, offsetof(type, name), sizeof(((type *)0)->name), false }
#define LATE(dtype, type, name)                                                                                                            \
    { #name, dtype, offsetof(type, name), 0, true }
const lt_column lt_runlog_impl_train[LT_TRAIN_COLUMNS] = {I64(lt_train_row, step), F64(lt_train_row, loss), F64(lt_train_row, lr),
                                                          F64(lt_train_row, grad_norm)};
const lt_column lt_runlog_impl_eval[LT_EVAL_COLUMNS] = {I64(lt_eval_row, step),
                                                        TEXT(lt_eval_row, split),
                                                        F64(lt_eval_row, loss),
                                                        F64(lt_eval_row, accuracy),
                                                        F64(lt_eval_row, mcc),
                                                        F64(lt_eval_row, f1),
                                                        I64(lt_eval_row, sequences),
                                                        F64(lt_eval_row, seconds),
                                                        LATE(LT_F64, lt_eval_row, precision),
                                                        LATE(LT_F64, lt_eval_row, recall),
                                                        LATE(LT_F64, lt_eval_row, micro_f1),
                                                        LATE(LT_F64, lt_eval_row, macro_f1),
                                                        LATE(LT_F64, lt_eval_row, weighted_f1),
                                                        LATE(LT_F64, lt_eval_row, precision_strict),
                                                        LATE(LT_F64, lt_eval_row, recall_strict),
                                                        LATE(LT_F64, lt_eval_row, f1_strict),
                                                        LATE(LT_F64, lt_eval_row, token_f1),
                                                        LATE(LT_I64, lt_eval_row, broken_truth),
                                                        LATE(LT_I64, lt_eval_row, broken_predicted)};
const lt_column lt_runlog_impl_perf[LT_PERF_COLUMNS] = {
    I64(lt_perf_row, step),      F64(lt_perf_row, seconds),    I64(lt_perf_row, tokens), I64(lt_perf_row, sentences),
    F64(lt_perf_row, t_compute), F64(lt_perf_row, t_comm),     F64(lt_perf_row, t_data), F64(lt_perf_row, t_io),
    F64(lt_perf_row, t_linear),  F64(lt_perf_row, t_attention)};

/* --- writing ------------------------------------------------------------------------------------------------------------------------------ */

static lt_status write_column(hid_t g, const lt_series *s, const lt_column *c) {
    void *flat = NULL;
    lt_status st;
    if (c->text_bytes) {
        const char **text = NULL;
        LT_TRY(lt_calloc(&text, s->n, sizeof *text, "a column"));
        for (int64_t i = 0; i < s->n; i++) text[i] = (const char *)s->row + (size_t)i * s->row_bytes + c->offset;
        st = lt_h5_write_strings(g, c->name, s->n, text, true);
        free(text);
        return st;
    }
    size_t bytes = lt_dtype_bytes(c->dtype);
    LT_TRY(lt_calloc(&flat, s->n, bytes, "a column"));
    for (int64_t i = 0; i < s->n; i++)
        memcpy((unsigned char *)flat + (size_t)i * bytes, s->row + (size_t)i * s->row_bytes + c->offset, bytes);
    st = lt_h5_write(g, c->name, c->dtype, 1, &s->n, flat, true);
    free(flat);
    return st;
}

lt_status lt_runlog_impl_write_series(hid_t at, const char *name, const lt_series *s, const lt_column *column, int n) {
    hid_t g = -1;
    lt_status st = LT_OK;
    LT_TRY(lt_h5_group(at, name, &g));
    for (int i = 0; i < n && st == LT_OK; i++) st = write_column(g, s, &column[i]);
    lt_h5_close(&g);
    return st;
}

static lt_status write_facts(hid_t g, const lt_facts *f) {
    for (int i = 0; i < f->n; i++) {
        const lt_fact *a = &f->fact[i];
        LT_TRY(a->is_int ? lt_h5_put_i64(g, a->key, strtoll(a->text, NULL, 10)) : lt_h5_put_str(g, a->key, a->text));
    }
    return LT_OK;
}

static lt_status write_trial(const lt_runlog *log, hid_t file, const lt_log_trial *t) {
    char name[LT_NAME_BYTES + 16];
    hid_t g = -1;
    lt_status st = LT_OK;
    (void)snprintf(name, sizeof name, "trials/%s", t->name);
    LT_TRY(lt_h5_group(file, name, &g));
    LT_TRY_GOTO(write_facts(g, &t->facts), st, done);
    LT_TRY_GOTO(lt_h5_put_i64(g, "order", t->order), st, done);
    LT_TRY_GOTO(lt_runlog_impl_write_series(g, "train", &t->train, lt_runlog_impl_train, LT_TRAIN_COLUMNS), st, done);
    LT_TRY_GOTO(lt_runlog_impl_write_series(g, "eval", &t->eval, lt_runlog_impl_eval, LT_EVAL_COLUMNS), st, done);
    LT_TRY_GOTO(lt_runlog_impl_write_details(log, t, g), st, done);
    st = lt_runlog_impl_write_dialogue(t, g);
done:
    lt_h5_close(&g);
    return st;
}

static lt_status write_starts(const lt_runlog *log, hid_t file) {
    char name[32];
    hid_t run = -1, g = -1;
    lt_status st = LT_OK;
    LT_TRY(lt_h5_group(file, "run", &run));
    if (log->n_starts > 0) LT_TRY_GOTO(write_facts(run, &log->start[log->n_starts - 1]), st, done);
    for (int i = 0; i < log->n_starts && st == LT_OK; i++) {
        (void)snprintf(name, sizeof name, "start_%04d", i + 1);
        LT_TRY_GOTO(lt_h5_group(run, name, &g), st, done);
        st = write_facts(g, &log->start[i]);
        lt_h5_close(&g);
    }
done:
    lt_h5_close(&run);
    return st;
}

static lt_status write_file(lt_runlog *log) {
    char hex[LT_SHA_HEX_BYTES] = "";
    lt_h5_writer *w = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_h5_write_begin(log->path, LT_KIND_RUN, LT_RUN_VERSION, &w));
    hid_t file = lt_h5_writer_file(w), trials = -1;
    LT_TRY_GOTO(lt_h5_group(file, "trials", &trials), st, done);
    lt_h5_close(&trials);
    LT_TRY_GOTO(write_starts(log, file), st, done);
    LT_TRY_GOTO(lt_runlog_impl_write_classes(log, file), st, done);
    for (int i = 0; i < log->n_trials; i++) LT_TRY_GOTO(write_trial(log, file, &log->trial[i]), st, done);
    LT_TRY_GOTO(lt_runlog_impl_write_series(file, "perf", &log->perf, lt_runlog_impl_perf, LT_PERF_COLUMNS), st, done);
    LT_TRY_GOTO(lt_h5_write_commit_digest(&w, true, hex), st, done);
    memcpy(log->base, hex, sizeof hex);
    lt_runlog_impl_journal_end(log);
    log->reshaped = false;
done:
    if (st != LT_OK && hex[0]) log->reshaped = true; /* it may have the name already: no journal continues the one before */
    lt_h5_write_cancel(&w);
    return st;
}

/* Everything into the file (whole), or new rows into the journal; the time goes on the bill. */
static lt_status write_out(lt_runlog *log, bool whole, bool durable) {
    double t0 = lt_time_s();
    LT_TRY(LT_FAULT_POINT("runlog.flush"));
    lt_status st = whole ? write_file(log) : lt_runlog_impl_journal(log, durable);
    log->flushed_s = lt_time_s();
    log->flush_cost_s += log->flushed_s - t0;
    if (whole) log->fold_cost_s = log->flushed_s - t0;
    if (st == LT_OK) log->dirty = false;
    return st == LT_OK ? st : lt_err_trace(st, __FILE__, __LINE__, __func__);
}

lt_status lt_runlog_flush(lt_runlog *log, bool force) {
    double now = lt_time_s();
    bool cheap = log->flush_cost_s + log->fold_cost_s <= flush_share * (now - log->opened_s);
    bool needed = log->reshaped || !log->base[0]; /* the journal would not do */
    if (force) return write_out(log, needed || cheap, true);
    if (!log->dirty || now - log->flushed_s < log->min_interval_s || (needed && !cheap)) return LT_OK;
    return write_out(log, cheap, false);
}

lt_status lt_runlog_finish(lt_runlog *log) { return log->dirty || log->journaled ? write_out(log, true, true) : LT_OK; }

/* --- reading ------------------------------------------------------------------------------------------------------------------------------ */

/* A column that the file does not have. */
static void leave_out(lt_series *s, const lt_column *c) {
    static const double none = NAN;
    static const int64_t unknown = -1;
    for (int64_t i = 0; i < s->n; i++)
        memcpy(s->row + (size_t)i * s->row_bytes + c->offset, c->dtype == LT_F64 ? (const void *)&none : &unknown, 8);
}

/* Reads one column into rows of s; the first column read makes the rows. */
static lt_status read_column(hid_t g, const char *path, lt_series *s, const lt_column *c, int64_t *n) {
    unsigned char *flat = NULL;
    char **text = NULL;
    int64_t found = *n;
    if (c->text_bytes)
        LT_TRY(lt_h5_read_strings(g, c->name, &found, &text));
    else
        LT_TRY(lt_h5_read(g, c->name, c->dtype, 1, &found, &flat));
    lt_status st = LT_OK;
    LT_CHECK_GOTO(*n < 0 || found == *n, st, done, LT_ERR_FORMAT, "%s: column %s has %lld rows, the others have %lld", path, c->name,
                  (long long)found, (long long)*n);
    if (*n < 0) {
        LT_TRY_GOTO(lt_calloc(&s->row, found, s->row_bytes, "rows of the run log"), st, done);
        s->n = s->cap = *n = found;
    }
    for (int64_t i = 0; i < found; i++) {
        unsigned char *member = s->row + (size_t)i * s->row_bytes + c->offset;
        if (text)
            (void)snprintf((char *)member, c->text_bytes, "%s", text[i]);
        else
            memcpy(member, flat + (size_t)i * lt_dtype_bytes(c->dtype), lt_dtype_bytes(c->dtype));
    }
done:
    free(flat);
    free(text);
    return st;
}

lt_status lt_runlog_impl_read_series(hid_t file, const char *name, const char *path, lt_series *s, const lt_column *column, int n_columns) {
    int64_t n = -1;
    hid_t g = -1;
    lt_status st = LT_OK;
    LT_CHECK(lt_h5_has(file, name), LT_ERR_FORMAT, "%s: %s is missing", path, name);
    LT_TRY(lt_h5_group(file, name, &g));
    for (int i = 0; i < n_columns && st == LT_OK; i++) {
        if (column[i].late && !lt_h5_has(g, column[i].name))
            leave_out(s, &column[i]);
        else
            st = read_column(g, path, s, &column[i], &n);
    }
    lt_h5_close(&g);
    return st;
}

static lt_status take_fact(void *user, const char *key, char type, const char *text) {
    return lt_runlog_impl_fact(user, key, text, type == 'i');
}

/* `order` is the trial's position, not a fact. */
static lt_status take_trial_fact(void *user, const char *key, char type, const char *text) {
    return strcmp(key, "order") == 0 ? LT_OK : take_fact(user, key, type, text);
}

static lt_status read_facts(hid_t file, const char *name, lt_facts *f) {
    hid_t g = -1;
    LT_TRY(lt_h5_group(file, name, &g));
    lt_status st = lt_h5_each_attr(g, take_fact, f);
    lt_h5_close(&g);
    return st;
}

static lt_status read_trial(lt_runlog *log, hid_t file, const char *name) {
    char group[2 * LT_NAME_BYTES];
    lt_log_trial *t = NULL;
    int64_t order = 0;
    hid_t g = -1;
    LT_TRY(lt_runlog_impl_trial(log, name, &t));
    (void)snprintf(group, sizeof group, "trials/%s", name);
    LT_TRY(lt_h5_group(file, group, &g));
    lt_status st = lt_h5_get_i64(g, "order", &order);
    if (st == LT_OK && (order < 0 || order >= INT_MAX))
        st = LT_FAIL(LT_ERR_FORMAT, "%s: trial %s has the position %lld in the run", log->path, name, (long long)order);
    t->order = (int)order;
    if (st == LT_OK) st = lt_h5_each_attr(g, take_trial_fact, &t->facts);
    if (st == LT_OK) st = lt_runlog_impl_read_details(log, t, g);
    if (st == LT_OK) st = lt_runlog_impl_read_dialogue(log, t, g);
    lt_h5_close(&g);
    if (st != LT_OK) return st;
    (void)snprintf(group, sizeof group, "trials/%s/train", name);
    LT_TRY(lt_runlog_impl_read_series(file, group, log->path, &t->train, lt_runlog_impl_train, LT_TRAIN_COLUMNS));
    (void)snprintf(group, sizeof group, "trials/%s/eval", name);
    return lt_runlog_impl_read_series(file, group, log->path, &t->eval, lt_runlog_impl_eval, LT_EVAL_COLUMNS);
}

/* HDF5 lists the trials by name; this puts them back into the order of the run. */
static int by_order(const void *a, const void *b) {
    int x = ((const lt_log_trial *)a)->order, y = ((const lt_log_trial *)b)->order;
    return (x > y) - (x < y);
}

static lt_status all_saved(void *user, uint32_t kind, uint32_t trial, lt_series *s) {
    s->saved = s->n;
    return LT_OK;
}

lt_status lt_runlog_impl_load(lt_runlog *log) {
    char **trial = NULL, name[32];
    int64_t n = 0, rows = 0;
    hid_t file = -1;
    lt_status st = LT_OK;
    LT_TRY(lt_h5_open_kind(log->path, LT_KIND_RUN, LT_RUN_VERSION, &file));
    LT_TRY_GOTO(lt_runlog_impl_read_classes(log, file), st, done);
    LT_TRY_GOTO(lt_h5_list(file, "trials", &trial, &n), st, done);
    for (int64_t i = 0; i < n; i++) LT_TRY_GOTO(read_trial(log, file, trial[i]), st, done);
    if (n > 0) qsort(log->trial, (size_t)n, sizeof *log->trial, by_order);
    for (int64_t i = 0; i < n; i++) log->trial[i].order = (int)i;
    LT_TRY_GOTO(lt_runlog_impl_read_series(file, "perf", log->path, &log->perf, lt_runlog_impl_perf, LT_PERF_COLUMNS), st, done);
    for (int i = 1;; i++) {
        (void)snprintf(name, sizeof name, "run/start_%04d", i);
        if (!lt_h5_has(file, name)) break;
        LT_TRY_GOTO(lt_runlog_start(log), st, done);
        LT_TRY_GOTO(read_facts(file, name, &log->start[i - 1]), st, done);
    }
    if (lt_h5_digest(file)) memcpy(log->base, lt_h5_digest(file), sizeof log->base);
    (void)lt_runlog_impl_each_series(log, all_saved, NULL);
    LT_TRY_GOTO(lt_runlog_impl_replay(log, &rows), st, done);
    log->dirty = log->reshaped = rows > 0; /* they come into the file with the next flush, and a new journal begins */
    log->journaled = rows > 0;
done:
    free(trial);
    lt_h5_close(&file);
    return st;
}
