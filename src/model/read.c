/* Weights from the file to their places, as a list of pieces in the order of the file, which all threads work off together; of a copy that ranks share, each
 * rank does the pieces of its part.
 *
 * A piece is some rows of a rectangle, or panels of a matrix that the back end takes by panels: these are gathered from the rectangles they meet (q, k and v
 * of a fused matrix lie apart) in a buffer that stays in cache, and go from there into the back end's form, so that no second copy of a matrix ever exists and
 * packing costs no time of its own: the disk goes on with the pieces ahead, of which the system is told.  Elsewhere, where the host sees the back end's
 * memory, pieces are converted straight into place; else they go through a buffer of the thread and a copy.  A matrix that the file holds as [in, out] is
 * read as it lies and turned on the way. */
#include "model/model_impl.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* Pieces of at most this many bytes of destination are read as one task, so that one large table does not keep one thread busy alone. */
enum { PIECE_BYTES = 4 << 20, PIECES = 8 /* at least so many a rank, where several divide the work */, AHEAD = 16 /* pieces */ };
/* Panels that are gathered at once where the file has the matrix turned: a panel then is a few numbers of every row of the file, and a read of them costs
 * more than the numbers. */
enum { TURNED_PANELS = 8 };

typedef struct piece {
    const lt_weight *const *w; /* the rectangle, or the first of those that the panels meet */
    int64_t row0, rows;        /* of the rectangle, or of the matrix */
    int64_t offset;            /* in the file, of its first byte */
    bool mine;
} piece;

/* The work, made once by one thread. */
typedef struct work {
    const lt_weight **w; /* [n_w] by place: matrices' rectangles one behind the other */
    piece *piece;        /* [n] */
    int64_t n_w, n, cap;
    size_t piece_bytes, panel_bytes, row_bytes; /* of a piece; most that is gathered of panels, and row of a rectangle */
} work;

/* Buffers of a thread, made when first needed: a panel, a piece on its way, a piece to be turned. */
typedef struct spare {
    void *panel, *piece, *turn;
} spare;

bool lt_model_impl_is_mine(const lt_model *m, size_t at, size_t bytes, size_t total) {
    if (!m->shared) return true;
    size_t size = (size_t)lt_shared_size(m->shared), middle = at + bytes / 2;
    return middle / (total / size + 1) == (size_t)lt_shared_rank(m->shared);
}

static bool by_panels(const lt_weight *w) { return w->lin && w->lin->panel > 0; }

/* Rows of a matrix by panels that are gathered at once. */
static int64_t rows_at_once(const lt_weight *w) { return w->lin->panel * (w->transposed ? TURNED_PANELS : 1); }

/* ---- the list ---- */

static int by_place(const void *a, const void *b) {
    const lt_weight *x = *(const lt_weight *const *)a, *y = *(const lt_weight *const *)b;
    return x->dst < y->dst ? -1 : x->dst > y->dst;
}

static int by_offset(const void *a, const void *b) {
    const piece *x = a, *y = b;
    int fx = x->w[0]->src->file, fy = y->w[0]->src->file;
    if (fx != fy) return fx < fy ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x->row0 < y->row0 ? -1 : x->row0 > y->row0;
}

static int64_t offset_of(const lt_weight *w, int64_t r) {
    int64_t row = w->transposed ? w->col0 : w->row0 + r, col = w->transposed ? w->row0 + r : w->col0,
            cols = w->n_dims == 2 ? w->dim[1] : w->cols;
    return w->src->offset + (row * cols + col) * (int64_t)lt_dtype_bytes(w->src->dtype);
}

static lt_status add(work *k, const lt_weight *const *w, int64_t row0, int64_t rows, int64_t offset) {
    if (k->n == k->cap) {
        int64_t room = k->cap ? 2 * k->cap : 1024;
        piece *grown = realloc(k->piece, (size_t)room * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for the list of pieces to read");
        k->piece = grown;
        k->cap = room;
    }
    k->piece[k->n++] = (piece){.w = w, .row0 = row0, .rows = rows, .offset = offset};
    return LT_OK;
}

static lt_status cut_rectangle(work *k, int64_t i) {
    const lt_weight *w = k->w[i];
    size_t row_bytes = (size_t)w->cols * lt_dtype_bytes(w->dt);
    int64_t step = (int64_t)(k->piece_bytes / (row_bytes ? row_bytes : 1)) + 1;
    if (row_bytes > k->row_bytes) k->row_bytes = row_bytes;
    for (int64_t r = 0; r < w->rows; r += step) LT_TRY(add(k, &k->w[i], r, w->rows - r < step ? w->rows - r : step, offset_of(w, r)));
    return LT_OK;
}

/* Panels of the matrix whose rectangles are w[i .. end). */
static lt_status cut_panels(work *k, int64_t i, int64_t end) {
    const lt_lin *lin = k->w[i]->lin;
    size_t row_bytes = (size_t)lin->K * lt_dtype_bytes(lin->dt), panel = (size_t)lin->panel * row_bytes;
    int64_t step = lin->panel * ((int64_t)(k->piece_bytes / panel) + 1), there = 0;
    for (int64_t j = i; j < end; j++) {
        LT_CHECK(k->w[j]->at == there && k->w[j]->cols == lin->K, LT_ERR_INTERNAL, "tensor %s: rows %lld of a matrix come from nowhere",
                 k->w[j]->name, (long long)there);
        there += k->w[j]->rows;
    }
    LT_CHECK(there == lin->N, LT_ERR_INTERNAL, "tensor %s: %lld rows of a matrix of %lld", k->w[i]->name, (long long)there,
             (long long)lin->N);
    size_t gathered = (size_t)rows_at_once(k->w[i]) * row_bytes;
    if (gathered > k->panel_bytes) k->panel_bytes = gathered;
    if (row_bytes > k->row_bytes) k->row_bytes = row_bytes;
    for (int64_t r = 0; r < lin->N; r += step) {
        while (k->w[i]->at + k->w[i]->rows <= r) i++;
        LT_TRY(add(k, &k->w[i], r, lin->N - r < step ? lin->N - r : step, offset_of(k->w[i], r - k->w[i]->at)));
    }
    return LT_OK;
}

static size_t bytes_of(const piece *p) {
    const lt_weight *w = p->w[0];
    return (size_t)(p->rows * w->cols) * lt_dtype_bytes(w->dt);
}

static lt_status list(const lt_model *m, work *k) {
    size_t total = 0, before = 0;
    LT_TRY(lt_calloc(&k->w, m->n_weights + 1, sizeof *k->w, "the list of pieces to read"));
    for (int64_t i = 0; i < m->n_weights; i++) {
        const lt_weight *w = &m->weight[i];
        total += (size_t)(w->rows * w->cols) * lt_dtype_bytes(w->dt);
        if (w->rows > 0) k->w[k->n_w++] = w;
    }
    qsort(k->w, (size_t)k->n_w, sizeof *k->w, by_place);
    size_t part = m->shared ? total / (size_t)lt_shared_size(m->shared) / PIECES : PIECE_BYTES;
    k->piece_bytes = part < PIECE_BYTES ? part : PIECE_BYTES;
    for (int64_t i = 0, end; i < k->n_w; i = end) {
        for (end = i + 1; by_panels(k->w[i]) && end < k->n_w && k->w[end]->lin == k->w[i]->lin; end++) {}
        LT_TRY(by_panels(k->w[i]) ? cut_panels(k, i, end) : cut_rectangle(k, i));
    }
    qsort(k->piece, (size_t)k->n, sizeof *k->piece, by_offset);
    for (int64_t i = 0; i < k->n; i++) {
        size_t bytes = bytes_of(&k->piece[i]);
        k->piece[i].mine = lt_model_impl_is_mine(m, before, bytes, total);
        before += bytes;
    }
    return LT_OK;
}

/* ---- pieces ---- */

/* Rows [r, r + n) of a rectangle, as [n, cols] in w->dt, into dst (host). */
static lt_status read_rows(lt_model *m, const work *k, const lt_weight *w, int64_t r, int64_t n, void *dst, spare *s) {
    size_t elem = lt_dtype_bytes(w->dt);
    if (!w->transposed) {
        LT_TRY(lt_st_read(m->st, w->src, w->row0 + r, n, w->col0, w->cols, dst, w->dt));
    } else {
        size_t most = k->panel_bytes > PIECE_BYTES ? k->panel_bytes : PIECE_BYTES;
        if (!s->turn) LT_TRY(lt_calloc(&s->turn, (int64_t)(most + k->row_bytes), 1, "a piece of the weights"));
        LT_TRY(lt_st_read(m->st, w->src, w->col0, w->cols, w->row0 + r, n, s->turn, w->dt));
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < w->cols; j++)
                memcpy((unsigned char *)dst + (size_t)(i * w->cols + j) * elem, (const unsigned char *)s->turn + (size_t)(j * n + i) * elem,
                       elem);
    }
    for (int64_t i = 0; w->plus_one && i < n * w->cols; i++) ((float *)dst)[i] += 1.0f;
    return LT_OK;
}

/* Panels, gathered one by one, or some at once. */
static lt_status place_panels(lt_model *m, const work *k, const piece *p, spare *s) {
    const lt_weight *const *w = p->w;
    const lt_lin *lin = w[0]->lin;
    size_t row_bytes = (size_t)lin->K * lt_dtype_bytes(lin->dt);
    if (!s->panel) LT_TRY(lt_calloc(&s->panel, (int64_t)k->panel_bytes, 1, "rows on their way into a matrix"));
    int64_t most = rows_at_once(w[0]);
    for (int64_t row = p->row0, rows; row < p->row0 + p->rows; row += rows) {
        rows = p->row0 + p->rows - row < most ? p->row0 + p->rows - row : most;
        for (int64_t at = 0, n; at < rows; at += n) {
            while ((*w)->at + (*w)->rows <= row + at) w++;
            int64_t from = row + at - (*w)->at;
            n = (*w)->rows - from < rows - at ? (*w)->rows - from : rows - at;
            LT_TRY(read_rows(m, k, *w, from, n, (unsigned char *)s->panel + (size_t)at * row_bytes, s));
        }
        LT_TRY(m->ctx.ops->lin_rows(&m->ctx, lin, row, rows, s->panel));
    }
    return LT_OK;
}

/* Rows into their place on the device. */
static lt_status place_rows(lt_model *m, const work *k, const piece *p, spare *s) {
    const lt_weight *w = p->w[0];
    size_t row_bytes = (size_t)w->cols * lt_dtype_bytes(w->dt), bytes = (size_t)p->rows * row_bytes;
    unsigned char *to = (unsigned char *)w->dst + (size_t)p->row0 * row_bytes;
    void *view = m->ctx.ops->host_view(&m->ctx, to, bytes);
    if (!view && !s->piece) LT_TRY(lt_calloc(&s->piece, (int64_t)(PIECE_BYTES + k->row_bytes), 1, "a piece of the weights"));
    LT_TRY(read_rows(m, k, w, p->row0, p->rows, view ? view : s->piece, s));
    if (view) return LT_OK;
    LT_TRY(lt_ctx_upload(&m->ctx, to, s->piece, bytes));
    return m->ctx.ops->wait(&m->ctx, NULL);
}

/* Tells the system of a piece to come.  Columns are asked for by whole rows: the others' columns lie between. */
static void ask(const lt_model *m, const piece *p) {
    const lt_weight *w = p->w[0];
    if (!p->mine || w->transposed) return;
    int64_t from = by_panels(w) ? p->row0 - w->at : p->row0, rows = w->rows - from < p->rows ? w->rows - from : p->rows;
    lt_st_ahead(m->st, w->src, w->row0 + from, rows);
}

lt_status lt_model_impl_read(lt_model *m) {
    work k = {0};
    char message[LT_ERR_MSG_BYTES] = "";
    lt_status st = list(m, &k);
    if (st != LT_OK) goto done;
    /* into memory that the host sees, and to GPUs (device/gpu.h), threads copy by themselves; else one does */
    int threads = m->ctx.ops->host_view(&m->ctx, m->tok, 1) || m->ctx.ops->gpu ? m->ctx.threads : 1;
    for (int64_t i = 0; i < AHEAD && i < k.n; i++) ask(m, &k.piece[i]);
#pragma omp parallel num_threads(threads)
    {
        spare own = {0};
#pragma omp for schedule(dynamic, 1)
        for (int64_t i = 0; i < k.n; i++) {
            if (i + AHEAD < k.n) ask(m, &k.piece[i + AHEAD]);
            if (!k.piece[i].mine) continue;
            lt_status s;
#pragma omp atomic read
            s = st; /* behind a failure nothing more is read */
            if (s == LT_OK) s = lt_model_impl_check_stop();
            if (s == LT_OK) s = by_panels(k.piece[i].w[0]) ? place_panels(m, &k, &k.piece[i], &own) : place_rows(m, &k, &k.piece[i], &own);
            if (omp_get_thread_num() == 0) lt_comm_progress(m->grid->world); /* MPI knows the master thread only */
            if (s != LT_OK) {
#pragma omp critical(lt_model_load)
                if (st == LT_OK) {
#pragma omp atomic write
                    st = s;
                    memcpy(message, lt_err_last()->msg, sizeof message);
                }
            }
        }
        free(own.panel);
        free(own.piece);
        free(own.turn);
    }
    /* the record of a worker thread is its own: say it again on this one */
    if (st != LT_OK) st = LT_FAIL(st, "%s", message);
done:
    free(k.piece);
    free(k.w);
    return st;
}
