/* Rows of the same text; see repeats.h.  An external merge sort: runs of RUN rows are sorted in memory and written, then merged by a heap of their heads. */
#include "repeats.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    RUN = 1 << 19,   /* rows sorted at once: 16 MiB */
    MERGE = 1 << 19, /* rows held while runs are merged, shared out among them */
    LEAST = 64       /* of a run */
};

void prep_repeats_init(prep_repeats *r, const char *dir) {
    *r = (prep_repeats){0};
    prep_spool_init(&r->runs, dir, sizeof(prep_text));
}

static int compare(const void *x, const void *y) {
    const prep_text *a = x, *b = y;
    for (int i = 0; i < 2; i++)
        if (a->digest[i] != b->digest[i]) return a->digest[i] < b->digest[i] ? -1 : 1;
    if (a->split != b->split) return a->split < b->split ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static lt_status end_run(prep_repeats *r) {
    if (r->n_runs == r->cap_runs) {
        int64_t cap = 2 * r->cap_runs + 16, *grown = realloc(r->end, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory to sort rows");
        r->end = grown;
        r->cap_runs = cap;
    }
    qsort(r->held, (size_t)r->n_held, sizeof *r->held, compare);
    LT_TRY(prep_spool_add(&r->runs, r->held, r->n_held));
    r->end[r->n_runs++] = r->runs.n;
    r->n_held = 0;
    return LT_OK;
}

lt_status prep_repeats_add(prep_repeats *r, const prep_text *t) {
    if (!r->held) LT_TRY(lt_calloc(&r->held, RUN, sizeof *r->held, "a sort of rows"));
    if (r->n_held == RUN) LT_TRY(end_run(r));
    r->held[r->n_held++] = *t;
    return LT_OK;
}

/* --- merging ------------------------------------------------------------------------------------------------------------------------ */

typedef struct run {
    prep_text *row;           /* [n] read ahead, the head at `at` */
    int64_t at, n, next, end; /* next: first of the spool that was not read */
} run;

typedef struct merge {
    prep_repeats *r;
    prep_text *rows;
    run *run;
    int64_t *heap, n; /* runs that are not at their end, by their heads */
    int64_t each;     /* rows read ahead of a run */
} merge;

static lt_status read_ahead(merge *m, run *u) {
    u->at = 0;
    u->n = u->end - u->next < m->each ? u->end - u->next : m->each;
    LT_TRY(prep_spool_read(&m->r->runs, u->next, u->n, u->row));
    u->next += u->n;
    return LT_OK;
}

static const prep_text *head(const merge *m, int64_t place) {
    const run *u = &m->run[m->heap[place]];
    return &u->row[u->at];
}

static void sink(merge *m, int64_t place) {
    for (int64_t child; (child = 2 * place + 1) < m->n; place = child) {
        if (child + 1 < m->n && compare(head(m, child + 1), head(m, child)) < 0) child++;
        if (compare(head(m, place), head(m, child)) <= 0) return;
        int64_t other = m->heap[place];
        m->heap[place] = m->heap[child];
        m->heap[child] = other;
    }
}

static lt_status start(merge *m) {
    prep_repeats *r = m->r;
    m->each = MERGE / r->n_runs > LEAST ? MERGE / r->n_runs : LEAST;
    LT_TRY(lt_calloc(&m->rows, m->each * r->n_runs, sizeof *m->rows, "a sort of rows"));
    LT_TRY(lt_calloc(&m->run, r->n_runs, sizeof *m->run, "a sort of rows"));
    LT_TRY(lt_calloc(&m->heap, r->n_runs, sizeof *m->heap, "a sort of rows"));
    for (int64_t i = 0; i < r->n_runs; i++) {
        m->run[i] = (run){.row = m->rows + i * m->each, .next = i ? r->end[i - 1] : 0, .end = r->end[i]};
        LT_TRY(read_ahead(m, &m->run[i]));
        m->heap[m->n++] = i;
    }
    for (int64_t i = m->n / 2; i-- > 0;) sink(m, i);
    return LT_OK;
}

static lt_status merge_runs(merge *m, prep_repeats_fn fn, void *user) {
    uint64_t last[2] = {0, 0};
    LT_TRY(start(m));
    for (bool any = false; m->n > 0; any = true) {
        run *u = &m->run[m->heap[0]];
        const prep_text *t = &u->row[u->at++];
        bool first = !any || memcmp(last, t->digest, sizeof last) != 0;
        memcpy(last, t->digest, sizeof last);
        LT_TRY(fn(user, t, first));
        if (u->at == u->n && u->next < u->end) LT_TRY(read_ahead(m, u));
        if (u->at == u->n) m->heap[0] = m->heap[--m->n];
        sink(m, 0);
    }
    return LT_OK;
}

lt_status prep_repeats_scan(prep_repeats *r, prep_repeats_fn fn, void *user) {
    merge m = {.r = r};
    if (r->n_held > 0) LT_TRY(end_run(r));
    free(r->held);
    r->held = NULL;
    lt_status st = r->n_runs > 0 ? merge_runs(&m, fn, user) : LT_OK;
    free(m.rows);
    free(m.run);
    free(m.heap);
    return st;
}

void prep_repeats_free(prep_repeats *r) {
    prep_spool_free(&r->runs);
    free(r->held);
    free(r->end);
    *r = (prep_repeats){0};
}
