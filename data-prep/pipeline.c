/* From files to splits: one thread reads and collects, the others tokenise; when there is nothing to read into, the first tokenises too.
 *
 * Blocks go round in a ring: filled in the order of the input, tokenised in any, collected in the order of the input again.  So neither the file nor the first
 * error depends on the number of threads.  HDF5, which is not made for threads, is not met here. */
#include "block.h"
#include "progress.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/sha256.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCKS_A_THREAD = 3,
    BLOCK_ROWS = 1 << 15,
    BLOCK_BYTES = 1 << 19,      /* of text */
    RING_BYTES = 16 << 20,      /* of text, all blocks */
    LEAST_BLOCK_BYTES = 1 << 15 /* with very many threads */
};

typedef struct pool {
    prep_data *d;
    prep_maker maker;
    prep_block *ring;
    int64_t n_ring, block_bytes;
    int64_t filled, started, taken; /* blocks so far */
    bool stop;
    pthread_mutex_t lock;
    pthread_cond_t work, ready; /* a block was filled; one was tokenised */
    struct helper {
        struct pool *p;
        pthread_t thread;
        lt_tok *tok;
    } * helper;
    int n_helpers;
    prep_progress progress;
} pool;

static prep_block *block_of(pool *p, int64_t k) { return &p->ring[k % p->n_ring]; }

/* --- helpers ------------------------------------------------------------------------------------------------------------------------ */

static void *help(void *arg) {
    struct helper *h = arg;
    pool *p = h->p;
    (void)pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && p->started == p->filled) (void)pthread_cond_wait(&p->work, &p->lock);
        if (p->stop) break;
        prep_block *b = block_of(p, p->started++);
        (void)pthread_mutex_unlock(&p->lock);
        prep_block_make(b, &p->maker, h->tok);
        (void)pthread_mutex_lock(&p->lock);
        b->done = true;
        (void)pthread_cond_signal(&p->ready);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

static lt_status start_helpers(pool *p) {
    int n = p->d->spec.threads - 1;
    LT_TRY(lt_calloc(&p->helper, n, sizeof *p->helper, "threads"));
    for (; p->n_helpers < n; p->n_helpers++) {
        struct helper *h = &p->helper[p->n_helpers];
        h->p = p;
        LT_TRY(lt_tok_twin(p->d->tok, &h->tok));
        int why = pthread_create(&h->thread, NULL, help, h);
        if (why == 0) continue;
        lt_tok_close(&h->tok);
        lt_warn("no more than %d threads can be started: %s", p->n_helpers + 1, strerror(why));
        break;
    }
    return LT_OK;
}

static void stop_helpers(pool *p) {
    (void)pthread_mutex_lock(&p->lock);
    p->stop = true;
    (void)pthread_cond_broadcast(&p->work);
    (void)pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_helpers; i++) {
        (void)pthread_join(p->helper[i].thread, NULL);
        lt_tok_close(&p->helper[i].tok);
    }
}

/* --- the ring ----------------------------------------------------------------------------------------------------------------------- */

/* The oldest block, tokenised, into the splits. */
static lt_status take(pool *p) {
    prep_block *oldest = block_of(p, p->taken);
    (void)pthread_mutex_lock(&p->lock);
    while (!oldest->done) {
        if (p->started == p->filled) {
            (void)pthread_cond_wait(&p->ready, &p->lock);
            continue;
        }
        prep_block *b = block_of(p, p->started++);
        (void)pthread_mutex_unlock(&p->lock);
        prep_block_make(b, &p->maker, p->d->tok);
        (void)pthread_mutex_lock(&p->lock);
        b->done = true;
    }
    (void)pthread_mutex_unlock(&p->lock);
    p->taken++;
    if (oldest->failed != LT_OK) {
        if (oldest->error) *lt_err_last() = *oldest->error;
        return oldest->failed;
    }
    return prep_collect(p->d, oldest);
}

/* Hands the block that was filled over, and makes the next one free. */
static lt_status pass_on(pool *p) {
    (void)pthread_mutex_lock(&p->lock);
    p->filled++;
    (void)pthread_cond_signal(&p->work);
    (void)pthread_mutex_unlock(&p->lock);
    if (p->filled - p->taken == p->n_ring) LT_TRY(take(p));
    prep_block_clear(block_of(p, p->filled));
    return LT_OK;
}

static lt_status drain(pool *p) {
    while (p->taken < p->filled) LT_TRY(take(p));
    return LT_OK;
}

/* --- reading ------------------------------------------------------------------------------------------------------------------------ */

/* Numbers of tags; the last one is mostly that of the next word too. */
static lt_status intern_tags(prep_data *d, const prep_row *row, int32_t **tag, int64_t *cap) {
    if (row->n_words > *cap) {
        int64_t more = 2 * *cap + row->n_words;
        int32_t *grown = realloc(*tag, (size_t)more * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld tags", (long long)more);
        *tag = grown;
        *cap = more;
    }
    for (int i = 0, k = -1; i < row->n_words; i++) {
        if (k < 0 || strcmp(d->labels.name[k], row->tag[i]) != 0) LT_TRY(prep_label_intern(&d->labels, row->tag[i], &k));
        LT_CHECK(k >= 0, LT_ERR_FORMAT, "the tag \"%.60s\" of word %d is not among the labels", row->tag[i], i + 1);
        (*tag)[i] = k;
    }
    return LT_OK;
}

typedef struct reader {
    pool *p;
    int file;
    int split; /* -1: spread */
    int32_t *tag;
    int64_t cap_tag;
    int last; /* label of the row before */
} reader;

static lt_status add_row(reader *r, const prep_row *row) {
    pool *p = r->p;
    prep_data *d = p->d;
    bool words = !row->text[0], labelled = words ? row->tag || row->n_words == 0 : row->label != NULL;
    prep_given g = {.line = row->line, .file = r->file, .split = r->split, .label = labelled ? 0 : LT_IGNORED_LABEL};
    LT_CHECK(words == d->spec.words, LT_ERR_FORMAT, "expected %s", d->spec.words ? "words with tags" : "a text");
    if (words && row->tag) {
        LT_TRY(intern_tags(d, row, &r->tag, &r->cap_tag));
    } else if (!words && labelled) {
        if (r->last < 0 || strcmp(d->labels.name[r->last], row->label) != 0) LT_TRY(prep_label_intern(&d->labels, row->label, &r->last));
        LT_CHECK(r->last >= 0, LT_ERR_FORMAT, "unknown label \"%.60s\"", row->label);
        g.label = r->last;
    }
    prep_block *b = block_of(p, p->filled);
    LT_TRY(prep_block_add(b, &g, row, row->tag ? r->tag : NULL));
    if ((int64_t)b->arena.n < p->block_bytes && b->n < BLOCK_ROWS) return LT_OK;
    return pass_on(p);
}

static lt_status read_rows(reader *r, prep_rows *rows, const char *path) {
    prep_row row;
    for (bool more = true;;) {
        LT_TRY(prep_rows_next(rows, &row, &more));
        if (!more) return LT_OK;
        int64_t before = r->p->taken;
        lt_status st = add_row(r, &row);
        if (st == LT_ERR_FORMAT && r->p->taken == before) {
            char why[LT_ERR_MSG_BYTES];
            (void)snprintf(why, sizeof why, "%s", lt_err_last()->msg);
            st = LT_FAIL(st, "%s:%lld: %.1000s", path, (long long)row.line, why);
        }
        LT_TRY(st);
        if (r->p->taken > before) prep_progress_show(&r->p->progress, prep_rows_bytes(rows));
    }
}

static void count(prep_report *r, const prep_rows_counts *c) {
    r->lines += c->lines;
    r->blank += c->blank;
    r->left_out += c->left_out;
    r->invalid_replaced += c->invalid_replaced;
    r->invalid_skipped += c->invalid_skipped;
    r->stray += c->stray;
}

static lt_status read_file(pool *p, int file, reader *r) {
    prep_data *d = p->d;
    prep_file *f = &d->file[file];
    prep_rows *rows = NULL;
    r->file = file;
    r->split = -1;
    if (!f->spread) LT_TRY(prep_split_get(d, f->split, &r->split));
    lt_status st = prep_rows_open(&d->spec.layout, f->path, d->source, &rows);
    if (st == LT_OK && d->spec.words) d->spec.layout.scheme = prep_rows_scheme(rows); /* files of one set are read alike */
    if (st == LT_OK) st = read_rows(r, rows, f->path);
    if (rows) {
        count(&d->report, prep_rows_count(rows));
        if (st == LT_OK) st = prep_report_source(&d->report, f->path, f->spread ? "spread" : f->split, prep_rows_about(rows));
        prep_progress_file(&p->progress, prep_rows_bytes(rows));
    }
    prep_rows_close(&rows);
    return st;
}

static lt_status work(pool *p) {
    prep_data *d = p->d;
    reader r = {.p = p, .last = -1};
    lt_status st = start_helpers(p);
    for (int i = 0; i < d->n_files && st == LT_OK; i++) st = read_file(p, i, &r);
    if (st == LT_OK && block_of(p, p->filled)->n > 0) st = pass_on(p);
    free(r.tag);
    /* a row that failed before the reader did is told first, as if one thread had done all in turn */
    lt_err_record mine = *lt_err_last();
    lt_status earlier = drain(p);
    if (earlier == LT_OK && st != LT_OK) *lt_err_last() = mine;
    return earlier != LT_OK ? earlier : st;
}

lt_status prep_pipeline_run(prep_data *d) {
    pool *p = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_calloc(&p, 1, sizeof *p, "a pipeline"));
    p->d = d;
    p->n_ring = BLOCKS_A_THREAD * d->spec.threads;
    p->block_bytes = RING_BYTES / p->n_ring < BLOCK_BYTES ? RING_BYTES / p->n_ring : BLOCK_BYTES;
    if (p->block_bytes < LEAST_BLOCK_BYTES) p->block_bytes = LEAST_BLOCK_BYTES;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->work, NULL);
    (void)pthread_cond_init(&p->ready, NULL);
    prep_progress_start(&p->progress, d);
    LT_TRY_GOTO(prep_maker_init(&p->maker, d), st, done);
    LT_TRY_GOTO(lt_calloc(&p->ring, p->n_ring, sizeof *p->ring, "a ring of blocks"), st, done);
    st = work(p);
done:
    stop_helpers(p);
    prep_progress_end(&p->progress);
    for (int64_t i = 0; p->ring && i < p->n_ring; i++) prep_block_free(&p->ring[i]);
    prep_maker_fini(&p->maker);
    (void)pthread_cond_destroy(&p->ready);
    (void)pthread_cond_destroy(&p->work);
    (void)pthread_mutex_destroy(&p->lock);
    free(p->helper);
    free(p->ring);
    free(p);
    return st;
}
