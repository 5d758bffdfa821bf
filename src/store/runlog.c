/* The run log in memory; see runlog.h.  What is written when is in runlog_file.c. */
#include "base/log.h"
#include "base/mem.h"
#include "store/runlog_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* --- growing arrays ---------------------------------------------------------------------------------------------------------------------- */

/* Makes room for one more element of an array. */
static lt_status grow(void *array_ptr, int64_t n, int64_t *cap, size_t elem_bytes) {
    void *p;
    if (n < *cap) return LT_OK;
    int64_t more = *cap ? 2 * *cap : 16;
    memcpy(&p, array_ptr, sizeof p);
    p = realloc(p, (size_t)more * elem_bytes);
    LT_CHECK(p, LT_ERR_NOMEM, "no memory for %lld entries of the run log", (long long)more);
    memcpy(array_ptr, &p, sizeof p);
    *cap = more;
    return LT_OK;
}

lt_status lt_runlog_impl_push(lt_series *s, const void *row) {
    LT_TRY(grow(&s->row, s->n, &s->cap, s->row_bytes));
    memcpy(s->row + (size_t)s->n++ * s->row_bytes, row, s->row_bytes);
    return LT_OK;
}

/* Rows whose int64 at `offset` is larger than `last` go, wherever they stand.  True if any went. */
static bool truncate_series(lt_series *s, size_t offset, int64_t last) {
    int64_t kept = 0;
    for (int64_t i = 0; i < s->n; i++) {
        const unsigned char *row = s->row + (size_t)i * s->row_bytes;
        int64_t at;
        memcpy(&at, row + offset, sizeof at);
        if (at > last) continue;
        memmove(s->row + (size_t)kept++ * s->row_bytes, row, s->row_bytes);
    }
    bool cut = kept < s->n;
    s->n = kept;
    if (s->saved > kept) s->saved = kept;
    return cut;
}

lt_status lt_runlog_impl_fact(lt_facts *f, const char *key, const char *text, bool is_int) {
    char *copy = NULL, *name = NULL;
    LT_TRY(lt_strdup(&copy, text));
    for (int i = 0; i < f->n; i++) {
        if (strcmp(f->fact[i].key, key) != 0) continue;
        free(f->fact[i].text);
        f->fact[i].text = copy;
        f->fact[i].is_int = is_int;
        return LT_OK;
    }
    int64_t cap = f->cap;
    lt_status st = lt_strdup(&name, key);
    if (st == LT_OK) st = grow(&f->fact, f->n, &cap, sizeof *f->fact);
    if (st != LT_OK) {
        free(copy);
        free(name);
        return st;
    }
    f->cap = (int)cap;
    f->fact[f->n++] = (lt_fact){name, copy, is_int};
    return LT_OK;
}

static void facts_fini(lt_facts *f) {
    for (int i = 0; i < f->n; i++) {
        free(f->fact[i].key);
        free(f->fact[i].text);
    }
    free(f->fact);
}

lt_status lt_runlog_impl_trial(lt_runlog *log, const char *name, lt_log_trial **out) {
    int64_t cap = log->cap_trials;
    for (int i = 0; i < log->n_trials; i++) {
        if (strcmp(log->trial[i].name, name) != 0) continue;
        *out = &log->trial[i];
        return LT_OK;
    }
    LT_CHECK(name[0] && !strchr(name, '/') && strlen(name) < LT_NAME_BYTES, LT_ERR_ARG,
             "\"%s\" cannot be the name of a trial in a file: expected 1 to %d bytes without '/'", name, LT_NAME_BYTES - 1);
    LT_TRY(grow(&log->trial, log->n_trials, &cap, sizeof *log->trial));
    log->cap_trials = (int)cap;
    lt_log_trial *t = &log->trial[log->n_trials++];
    *t = (lt_log_trial){.order = log->n_trials - 1,
                        .train.row_bytes = sizeof(lt_train_row),
                        .eval.row_bytes = sizeof(lt_eval_row),
                        .detail.row_bytes = lt_runlog_impl_detail_bytes(log),
                        .dialogue.row_bytes = sizeof(lt_dialogue_row)};
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    log->dirty = log->reshaped = true;
    *out = t;
    return LT_OK;
}

/* --- life -------------------------------------------------------------------------------------------------------------------------------- */

lt_status lt_runlog_open(const char *path, double min_interval_s, lt_runlog **out) {
    lt_runlog *log = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_calloc(&log, 1, sizeof *log, "a run log"));
    log->journal = -1;
    log->min_interval_s = min_interval_s;
    log->opened_s = log->flushed_s = lt_time_s();
    log->perf.row_bytes = sizeof(lt_perf_row);
    LT_TRY_GOTO(lt_strdup(&log->path, path), st, fail);
    if (access(path, F_OK) == 0) LT_TRY_GOTO(lt_runlog_impl_load(log), st, fail);
    *out = log;
    return LT_OK;
fail:
    lt_runlog_close(&log);
    return st;
}

void lt_runlog_close(lt_runlog **out) {
    lt_runlog *log = *out;
    if (!log) return;
    if (log->journal >= 0) (void)close(log->journal);
    for (int i = 0; i < log->n_trials; i++) {
        free(log->trial[i].train.row);
        free(log->trial[i].eval.row);
        free(log->trial[i].detail.row);
        free(log->trial[i].dialogue.row);
        facts_fini(&log->trial[i].facts);
    }
    for (int i = 0; i < log->n_starts; i++) facts_fini(&log->start[i]);
    free(log->trial);
    free(log->start);
    free(log->perf.row);
    lt_runlog_impl_free_classes(log);
    lt_runlog_impl_free_texts(log);
    free(log->path);
    free(log);
    *out = NULL;
}

void lt_runlog_truncate_after(lt_runlog *log, int64_t step) {
    bool cut = truncate_series(&log->perf, 0, step); /* rows begin with their step */
    for (int i = 0; i < log->n_trials; i++) {
        cut |= truncate_series(&log->trial[i].train, 0, step);
        cut |= truncate_series(&log->trial[i].eval, 0, step);
        cut |= truncate_series(&log->trial[i].detail, 0, step);
        cut |= truncate_series(&log->trial[i].dialogue, 0, step);
    }
    if (cut) log->dirty = log->reshaped = true;
}

void lt_runlog_truncate_rounds(lt_runlog *log, const char *trial, int64_t rounds) {
    int i = lt_runlog_find_trial(log, trial);
    if (i < 0 || !truncate_series(&log->trial[i].dialogue, offsetof(lt_dialogue_row, round), rounds - 1)) return;
    log->dirty = log->reshaped = true;
}

/* --- adding ------------------------------------------------------------------------------------------------------------------------------ */

lt_status lt_runlog_add_train(lt_runlog *log, const char *trial, const lt_train_row *row) {
    lt_log_trial *t = NULL;
    LT_TRY(lt_runlog_impl_trial(log, trial, &t));
    log->dirty = true;
    return lt_runlog_impl_push(&t->train, row);
}

lt_status lt_runlog_add_eval(lt_runlog *log, const char *trial, const lt_eval_row *row) {
    lt_log_trial *t = NULL;
    LT_TRY(lt_runlog_impl_trial(log, trial, &t));
    log->dirty = true;
    return lt_runlog_impl_push(&t->eval, row);
}

lt_status lt_runlog_add_perf(lt_runlog *log, const lt_perf_row *row) {
    log->dirty = true;
    return lt_runlog_impl_push(&log->perf, row);
}

lt_status lt_runlog_start(lt_runlog *log) {
    int64_t cap = log->n_starts;
    LT_TRY(grow(&log->start, log->n_starts, &cap, sizeof *log->start));
    log->start[log->n_starts++] = (lt_facts){0};
    log->dirty = log->reshaped = true;
    return LT_OK;
}

static lt_status put_fact(lt_runlog *log, const char *key, const char *text, bool is_int) {
    LT_CHECK(log->n_starts > 0, LT_ERR_INTERNAL, "a fact of the run (%s) was put before lt_runlog_start", key);
    log->dirty = log->reshaped = true;
    return lt_runlog_impl_fact(&log->start[log->n_starts - 1], key, text, is_int);
}

lt_status lt_runlog_put_str(lt_runlog *log, const char *key, const char *value) { return put_fact(log, key, value, false); }

lt_status lt_runlog_put_i64(lt_runlog *log, const char *key, int64_t value) {
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    return put_fact(log, key, text, true);
}

lt_status lt_runlog_put_env(lt_runlog *log, const char *prefix) {
    static const char *const secret[] = {"TOKEN", "JWT", "KEY", "SECRET", "PASS"};
    for (char **e = environ; *e; e++) {
        char name[128];
        const char *equals = strchr(*e, '=');
        if (strncmp(*e, prefix, strlen(prefix)) != 0 || !equals || (size_t)(equals - *e) >= sizeof name) continue;
        memcpy(name, *e, (size_t)(equals - *e));
        name[equals - *e] = 0;
        bool show = true;
        for (size_t i = 0; i < sizeof secret / sizeof *secret; i++) show = show && !strstr(name, secret[i]);
        if (show) LT_TRY(lt_runlog_put_str(log, name, equals + 1));
    }
    return LT_OK;
}

lt_status lt_runlog_put_trial_str(lt_runlog *log, const char *trial, const char *key, const char *value) {
    lt_log_trial *t = NULL;
    LT_TRY(lt_runlog_impl_trial(log, trial, &t));
    log->dirty = log->reshaped = true;
    return lt_runlog_impl_fact(&t->facts, key, value, false);
}

lt_status lt_runlog_put_trial_i64(lt_runlog *log, const char *trial, const char *key, int64_t value) {
    lt_log_trial *t = NULL;
    char text[32];
    LT_TRY(lt_runlog_impl_trial(log, trial, &t));
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    log->dirty = log->reshaped = true;
    return lt_runlog_impl_fact(&t->facts, key, text, true);
}

/* --- queries ------------------------------------------------------------------------------------------------------------------------------ */

int lt_runlog_trials(const lt_runlog *log) { return log->n_trials; }
const char *lt_runlog_trial_name(const lt_runlog *log, int trial) { return log->trial[trial].name; }
int lt_runlog_find_trial(const lt_runlog *log, const char *name) {
    int i = log->n_trials - 1;
    while (i >= 0 && strcmp(log->trial[i].name, name) != 0) i--;
    return i;
}
int lt_runlog_starts(const lt_runlog *log) { return log->n_starts; }

static const void *rows(const lt_series *s, int64_t *n) {
    *n = s->n;
    return s->n ? s->row : NULL;
}

const lt_train_row *lt_runlog_train(const lt_runlog *log, int trial, int64_t *n) { return rows(&log->trial[trial].train, n); }
const lt_eval_row *lt_runlog_eval(const lt_runlog *log, int trial, int64_t *n) { return rows(&log->trial[trial].eval, n); }
const lt_perf_row *lt_runlog_perf(const lt_runlog *log, int64_t *n) { return rows(&log->perf, n); }
const lt_dialogue_row *lt_runlog_dialogue(const lt_runlog *log, int trial, int64_t *n) { return rows(&log->trial[trial].dialogue, n); }

const char *lt_runlog_fact(const lt_runlog *log, int trial, const char *key) {
    if (trial < 0 && log->n_starts == 0) return NULL;
    const lt_facts *f = trial < 0 ? &log->start[log->n_starts - 1] : &log->trial[trial].facts;
    for (int i = 0; i < f->n; i++)
        if (!strcmp(f->fact[i].key, key)) return f->fact[i].text;
    return NULL;
}
