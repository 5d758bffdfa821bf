/* What evaluations counted, class by class; see runlog.h.
 *
 *     /run/labels/name text [K]      /run/types/name text [n]      what it is of: labels, and types of entities where there are any
 *     /trials/<trial>/best, /trials/<trial>/last           @step @split
 *         types/{name text, precision, recall, f1 f64, support, predicted, right i64}     [n], entities of each type
 *         types_strict/...                                                                the same, read strictly
 *         confusion i64 [K, K]                                                            rows of the true label, columns of the predicted one
 *
 * A trial has at most two rows of them: of the last evaluation, and of the best where that is an earlier one.  They are a series as others are, which
 * loses rows at its front; so the journal and the way back to a step need no word about them. */
#include "store/runlog_impl.h"

#include "base/config.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t elems_of(const lt_runlog *log) { return log->label.n ? lt_detail_elems(log->label.n, log->type.n) : 0; }

size_t lt_runlog_impl_detail_bytes(const lt_runlog *log) {
    return log->label.n ? sizeof(lt_detail_head) + (size_t)elems_of(log) * sizeof(int64_t) : 0;
}

/* ---- classes ---- */

static lt_status copy_names(lt_names *to, const char *const *name, int64_t n) {
    size_t bytes = 1;
    for (int64_t i = 0; i < n; i++) bytes += sizeof *to->name + strlen(name[i]) + 1;
    free(to->name);
    *to = (lt_names){0};
    LT_TRY(lt_calloc(&to->name, (int64_t)bytes, 1, "names of classes"));
    char *text = (char *)(to->name + n);
    for (int64_t i = 0; i < n; i++) {
        size_t size = strlen(name[i]) + 1;
        to->name[i] = memcpy(text, name[i], size);
        text += size;
    }
    to->n = n;
    return LT_OK;
}

static bool same_names(const lt_names *a, const char *const *name, int64_t n) {
    for (int64_t i = 0; i < n && a->n == n; i++)
        if (strcmp(a->name[i], name[i]) != 0) return false;
    return a->n == n;
}

lt_status lt_runlog_set_classes(lt_runlog *log, const char *const *label, int64_t K, const char *const *type, int64_t n_types) {
    if (same_names(&log->label, label, K) && same_names(&log->type, type, n_types)) return LT_OK;
    for (int i = 0; i < log->n_trials; i++) {
        free(log->trial[i].detail.row);
        log->trial[i].detail = (lt_series){0};
    }
    log->dirty = log->reshaped = true;
    LT_TRY(copy_names(&log->type, type, n_types));
    LT_TRY(copy_names(&log->label, label, K));
    for (int i = 0; i < log->n_trials; i++) log->trial[i].detail.row_bytes = lt_runlog_impl_detail_bytes(log);
    return LT_OK;
}

void lt_runlog_impl_free_classes(lt_runlog *log) {
    free(log->label.name);
    free(log->type.name);
}

/* ---- rows ---- */

static const lt_detail_head *row_at(const lt_series *s, int64_t i) {
    return (const lt_detail_head *)(const void *)(s->row + (size_t)i * s->row_bytes);
}

lt_status lt_runlog_impl_push_detail(lt_series *s, const void *row) {
    LT_TRY(lt_runlog_impl_push(s, row));
    int64_t last = s->n - 1, best = last, kept = 0;
    while (best > 0 && !row_at(s, best)->is_best) best--;
    bool saved = best < s->saved && best < last;
    if (best < last && row_at(s, best)->is_best) memmove(s->row, row_at(s, best), s->row_bytes), kept = 1;
    memmove(s->row + (size_t)kept * s->row_bytes, row_at(s, last), s->row_bytes);
    s->n = kept + 1;
    s->saved = kept && saved;
    return LT_OK;
}

lt_status lt_runlog_add_detail(lt_runlog *log, const char *trial, int64_t step, const char *split, bool is_best, const int64_t *elems) {
    lt_log_trial *t = NULL;
    lt_detail_head *row = NULL;
    LT_CHECK(log->label.n > 0, LT_ERR_INTERNAL, "details of trial %s came before lt_runlog_set_classes", trial);
    LT_TRY(lt_runlog_impl_trial(log, trial, &t));
    LT_TRY(lt_calloc(&row, 1, t->detail.row_bytes, "details of an evaluation"));
    row->step = step;
    row->is_best = is_best;
    (void)snprintf(row->split, sizeof row->split, "%s", split);
    memcpy(row + 1, elems, (size_t)elems_of(log) * sizeof *elems);
    lt_status st = lt_runlog_impl_push_detail(&t->detail, row);
    free(row);
    log->dirty = true;
    return st;
}

/* The row of the best or the last evaluation, or NULL. */
static const lt_detail_head *find(const lt_log_trial *t, bool best) {
    const lt_series *s = &t->detail;
    if (!best) return s->n ? row_at(s, s->n - 1) : NULL;
    for (int64_t i = s->n; i-- > 0;)
        if (row_at(s, i)->is_best) return row_at(s, i);
    return NULL;
}

bool lt_runlog_detail(const lt_runlog *log, int trial, bool best, lt_detail *out) {
    const lt_detail_head *row = find(&log->trial[trial], best);
    if (!row) return false;
    *out = lt_detail_view(log->label.n, log->type.n, (const int64_t *)(const void *)(row + 1));
    out->step = row->step;
    out->split = row->split;
    return true;
}

static const char *const *names(const lt_names *list, int64_t *n) {
    *n = list->n;
    return list->n ? (const char *const *)list->name : NULL;
}

const char *const *lt_runlog_labels(const lt_runlog *log, int64_t *K) { return names(&log->label, K); }
const char *const *lt_runlog_types(const lt_runlog *log, int64_t *n_types) { return names(&log->type, n_types); }

/* ---- writing ---- */

static lt_status write_names(hid_t at, const char *name, const lt_names *list) {
    return list->n ? lt_h5_write_strings(at, name, list->n, (const char *const *)list->name, false) : LT_OK;
}

static lt_status write_named_group(hid_t file, const char *name, const lt_names *list) {
    hid_t g = -1;
    if (list->n == 0) return LT_OK;
    LT_TRY(lt_h5_group(file, name, &g));
    lt_status st = write_names(g, "name", list);
    lt_h5_close(&g);
    return st;
}

lt_status lt_runlog_impl_write_classes(const lt_runlog *log, hid_t file) {
    LT_TRY(write_named_group(file, "run/labels", &log->label));
    return write_named_group(file, "run/types", &log->type);
}

enum { N_COUNTS = 3 };
static const char *const count_name[N_COUNTS] = {"support", "predicted", "right"};

static lt_status write_counts(hid_t g, const lt_hits *h, int64_t n) {
    int64_t *column = NULL;
    LT_TRY(lt_calloc(&column, n, sizeof *column, "a column"));
    lt_status st = LT_OK;
    for (int k = 0; k < N_COUNTS && st == LT_OK; k++) {
        for (int64_t i = 0; i < n; i++) column[i] = k == 0 ? h[i].truth : k == 1 ? h[i].predicted : h[i].right;
        st = lt_h5_write(g, count_name[k], LT_I64, 1, &n, column, false);
    }
    free(column);
    return st;
}

static lt_status write_scores(hid_t g, const lt_hits *h, int64_t n) {
    static const char *const name[] = {"precision", "recall", "f1"};
    double *column = NULL;
    LT_TRY(lt_calloc(&column, n, sizeof *column, "a column"));
    lt_status st = LT_OK;
    for (int k = 0; k < 3 && st == LT_OK; k++) {
        for (int64_t i = 0; i < n; i++) {
            lt_scores s = lt_scores_of(h[i]);
            column[i] = k == 0 ? s.precision : k == 1 ? s.recall : s.f1;
        }
        st = lt_h5_write(g, name[k], LT_F64, 1, &n, column, false);
    }
    free(column);
    return st;
}

static lt_status write_types(hid_t at, const char *name, const lt_names *types, const lt_hits *h) {
    hid_t g = -1;
    if (types->n == 0) return LT_OK;
    LT_TRY(lt_h5_group(at, name, &g));
    lt_status st = write_names(g, "name", types);
    if (st == LT_OK) st = write_scores(g, h, types->n);
    if (st == LT_OK) st = write_counts(g, h, types->n);
    lt_h5_close(&g);
    return st;
}

static lt_status write_one(const lt_runlog *log, hid_t at, const char *name, const lt_detail_head *row) {
    hid_t g = -1;
    lt_status st = LT_OK;
    if (!row) return LT_OK;
    const lt_detail d = lt_detail_view(log->label.n, log->type.n, (const int64_t *)(const void *)(row + 1));
    LT_TRY(lt_h5_group(at, name, &g));
    LT_TRY_GOTO(lt_h5_put_i64(g, "step", row->step), st, done);
    LT_TRY_GOTO(lt_h5_put_str(g, "split", row->split), st, done);
    LT_TRY_GOTO(write_types(g, "types", &log->type, d.entity), st, done);
    LT_TRY_GOTO(write_types(g, "types_strict", &log->type, d.strict), st, done);
    if (d.confusion) st = lt_h5_write(g, "confusion", LT_I64, 2, (int64_t[]){log->label.n, log->label.n}, d.confusion, false);
done:
    lt_h5_close(&g);
    return st;
}

lt_status lt_runlog_impl_write_details(const lt_runlog *log, const lt_log_trial *t, hid_t trial_group) {
    LT_TRY(write_one(log, trial_group, "best", find(t, true)));
    return write_one(log, trial_group, "last", find(t, false));
}

/* ---- reading ---- */

static lt_status read_names(hid_t file, const char *name, lt_names *list) {
    if (!lt_h5_has(file, name)) return LT_OK;
    return lt_h5_read_strings(file, name, &list->n, &list->name); /* one block, as here */
}

lt_status lt_runlog_impl_read_classes(lt_runlog *log, hid_t file) {
    LT_TRY(read_names(file, "run/labels/name", &log->label));
    LT_TRY(read_names(file, "run/types/name", &log->type));
    LT_CHECK(log->label.n <= LT_MAX_LABELS && log->type.n <= log->label.n, LT_ERR_FORMAT,
             "%s: /run/labels has %lld names and /run/types %lld, expected at most %d, and no more types than labels", log->path,
             (long long)log->label.n, (long long)log->type.n, LT_MAX_LABELS);
    return LT_OK;
}

/* Counts that can be summed and divided. */
static lt_status check_counts(const int64_t *count, int64_t n, const char *name) {
    for (int64_t i = 0; i < n; i++)
        LT_CHECK(count[i] >= 0 && count[i] < (int64_t)1 << 53, LT_ERR_FORMAT, "%s[%lld] is %lld, which is no count", name, (long long)i,
                 (long long)count[i]);
    return LT_OK;
}

static lt_status read_counts(hid_t at, const char *group, lt_hits *h, int64_t n) {
    char path[64];
    int64_t *column = NULL;
    LT_TRY(lt_calloc(&column, n, sizeof *column, "a column"));
    lt_status st = LT_OK;
    for (int k = 0; k < N_COUNTS && st == LT_OK; k++) {
        (void)snprintf(path, sizeof path, "%s/%s", group, count_name[k]);
        st = lt_h5_read_into(at, path, LT_I64, 1, &n, column);
        if (st == LT_OK) st = check_counts(column, n, path);
        for (int64_t i = 0; i < n; i++) *(k == 0 ? &h[i].truth : k == 1 ? &h[i].predicted : &h[i].right) = column[i];
    }
    free(column);
    return st;
}

static lt_status fill(const lt_runlog *log, hid_t g, lt_detail_head *row) {
    int64_t n = log->type.n, dim[] = {log->label.n, log->label.n}, *elems = (int64_t *)(void *)(row + 1);
    lt_hits *h = (lt_hits *)(void *)elems;
    char *split = NULL;
    LT_TRY(lt_h5_get_i64(g, "step", &row->step));
    LT_TRY(lt_h5_get_str(g, "split", &split));
    (void)snprintf(row->split, sizeof row->split, "%s", split);
    free(split);
    if (n > 0) LT_TRY(read_counts(g, "types", h, n));
    if (n > 0) LT_TRY(read_counts(g, "types_strict", h + n, n));
    if (lt_detail_confusion_elems(dim[0]) == 0) return LT_OK;
    LT_TRY(lt_h5_read_into(g, "confusion", LT_I64, 2, dim, elems + 6 * n));
    return check_counts(elems + 6 * n, dim[0] * dim[0], "confusion");
}

/* Reads the details of an evaluation into a row, which is added; `last` may be the evaluation that `best` was. */
static lt_status read_one(lt_runlog *log, lt_log_trial *t, hid_t at, const char *name, bool is_best) {
    lt_detail_head *row = NULL;
    hid_t g = -1;
    if (!lt_h5_has(at, name)) return LT_OK;
    LT_CHECK(log->label.n > 0, LT_ERR_FORMAT, "%s: trial %s has details (%s), but /run/labels/name is missing", log->path, t->name, name);
    LT_TRY(lt_calloc(&row, 1, lt_runlog_impl_detail_bytes(log), "details of an evaluation"));
    lt_status st = lt_h5_group(at, name, &g);
    if (st == LT_OK) st = fill(log, g, row);
    lt_h5_close(&g);
    row->is_best = is_best;
    bool again = t->detail.n > 0 && row_at(&t->detail, 0)->step == row->step;
    if (st == LT_OK && !again) st = lt_runlog_impl_push_detail(&t->detail, row);
    free(row);
    return st;
}

lt_status lt_runlog_impl_read_details(lt_runlog *log, lt_log_trial *t, hid_t trial_group) {
    LT_TRY(read_one(log, t, trial_group, "best", true));
    return read_one(log, t, trial_group, "last", false);
}
