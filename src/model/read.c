/* Weights from the file to their places, as a list of pieces in the order of the file, which all threads work off together; of a copy that ranks share, or of
 * copies that are the same, each rank does the pieces of its part.
 *
 * A piece is some rows of a rectangle, or panels of a matrix that the back end takes by panels: these are gathered from the rectangles they meet (q, k and v
 * of a fused matrix lie apart) in a buffer that stays in cache, and go from there into the back end's form, so that no second copy of a matrix ever exists and
 * packing costs no time of its own: the disk goes on with the pieces ahead, of which the system is told.  Elsewhere, where the host sees the back end's
 * memory, pieces are converted straight into place; for a GPU into pinned memory, from which they travel by themselves; else they go through a buffer of the
 * thread and a copy.  A matrix that the file holds as [in, out] is read as it lies and turned on the way. */
#include "model/pieces_impl.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD = 16 /* pieces */ };

/* Buffers of a thread, made when first needed: a panel, a piece on its way, a piece to be turned. */
typedef struct spare {
    void *panel, *piece, *turn;
} spare;

/* Rows [r, r + n) of a rectangle, as [n, cols] in w->dt, into dst (host). */
static lt_status read_rows(lt_model *m, const lt_pieces *k, const lt_weight *w, int64_t r, int64_t n, void *dst, spare *s) {
    size_t elem = lt_dtype_bytes(w->dt);
    if (!w->transposed) {
        LT_TRY(lt_st_read(m->st, w->src, w->row0 + r, n, w->col0, w->cols, dst, w->dt));
    } else {
        size_t most = k->panel_bytes > LT_PIECE_BYTES ? k->panel_bytes : LT_PIECE_BYTES;
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
static lt_status place_panels(lt_model *m, const lt_pieces *k, const lt_piece *p, spare *s) {
    const lt_weight *const *w = p->w;
    const lt_lin *lin = w[0]->lin;
    size_t row_bytes = (size_t)lin->K * lt_dtype_bytes(lin->dt);
    if (!s->panel) LT_TRY(lt_calloc(&s->panel, (int64_t)k->panel_bytes, 1, "rows on their way into a matrix"));
    int64_t most = lt_model_impl_rows_at_once(w[0]);
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

/* Rows into a slot, which goes to its place by itself. */
static lt_status send_rows(lt_model *m, const lt_pieces *k, const lt_piece *p, unsigned char *to, spare *s) {
    void *slot;
    LT_TRY(m->ctx.ops->load_take(&m->ctx, &slot));
    lt_status st = read_rows(m, k, p->w[0], p->row0, p->rows, slot, s);
    LT_KEEP(st, m->ctx.ops->load_send(&m->ctx, slot, to, st == LT_OK ? lt_piece_bytes(p) : 0));
    return st;
}

/* Rows into their place on the device. */
static lt_status place_rows(lt_model *m, const lt_pieces *k, const lt_piece *p, spare *s) {
    const lt_weight *w = p->w[0];
    size_t bytes = lt_piece_bytes(p);
    unsigned char *to = lt_piece_dst(p);
    if (m->ctx.ops->load_take) return send_rows(m, k, p, to, s);
    void *view = m->ctx.ops->host_view(&m->ctx, to, bytes);
    if (!view && !s->piece) LT_TRY(lt_calloc(&s->piece, (int64_t)k->most_bytes, 1, "a piece of the weights"));
    LT_TRY(read_rows(m, k, w, p->row0, p->rows, view ? view : s->piece, s));
    if (view) return LT_OK;
    LT_TRY(lt_ctx_upload(&m->ctx, to, s->piece, bytes));
    return m->ctx.ops->wait(&m->ctx, NULL);
}

/* Tells the system of a piece to come.  Columns are asked for by whole rows: the others' columns lie between. */
static void ask(const lt_model *m, const lt_pieces *k, const lt_piece *p) {
    const lt_weight *w = p->w[0];
    if (p->reader != k->reader || w->transposed) return;
    int64_t from = lt_model_impl_by_panels(w) ? p->row0 - w->at : p->row0, rows = w->rows - from < p->rows ? w->rows - from : p->rows;
    lt_st_ahead(m->st, w->src, w->row0 + from, rows);
}

/* One piece, unless something has failed. */
static lt_status read_piece(lt_model *m, const lt_pieces *k, const lt_piece *p, spare *s) {
    LT_TRY(lt_model_impl_check_stop());
    return lt_model_impl_by_panels(p->w[0]) ? place_panels(m, k, p, s) : place_rows(m, k, p, s);
}

static lt_status read_all(lt_model *m, const lt_pieces *k) {
    char message[LT_ERR_MSG_BYTES] = "";
    lt_status st = LT_OK;
    /* into memory that the host sees, and to GPUs (device/gpu.h), threads copy by themselves; else one does */
    int threads = m->ctx.ops->host_view(&m->ctx, m->tok, 1) || m->ctx.ops->load_take ? m->ctx.threads : 1;
    for (int64_t i = 0; i < AHEAD && i < k->n; i++) ask(m, k, &k->piece[i]);
#pragma omp parallel num_threads(threads)
    {
        spare own = {0};
#pragma omp for schedule(dynamic, 1)
        for (int64_t i = 0; i < k->n; i++) {
            if (i + AHEAD < k->n) ask(m, k, &k->piece[i + AHEAD]);
            if (k->piece[i].reader != k->reader) continue;
            lt_status s;
#pragma omp atomic read
            s = st; /* behind a failure nothing more is read */
            if (s == LT_OK) s = read_piece(m, k, &k->piece[i], &own);
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
    return st == LT_OK ? LT_OK : LT_FAIL(st, "%s", message);
}

lt_status lt_model_impl_read(lt_model *m, const lt_pieces *k) {
    const lt_ops *ops = m->ctx.ops;
    if (!ops->load_begin) return read_all(m, k);
    lt_status st = ops->load_begin(&m->ctx, k->most_bytes);
    if (st == LT_OK) st = read_all(m, k);
    LT_KEEP(st, ops->load_end(&m->ctx));
    return st;
}
