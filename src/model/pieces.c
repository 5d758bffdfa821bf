/* The pieces that weights are read in: some rows of a rectangle each, or panels, in the order of the files, and which rank reads which where several hold or
 * share the same.
 *
 * A rank's part is one stretch of that order: a disk reads on, and what a rank has read lies together where it goes as well, for the most part. */
#include "model/pieces_impl.h"

#include <stdlib.h>

enum { PIECES = 8 /* at least so many a rank, where several divide the work */ };

static int by_place(const void *a, const void *b) {
    const lt_weight *x = *(const lt_weight *const *)a, *y = *(const lt_weight *const *)b;
    return x->dst < y->dst ? -1 : x->dst > y->dst;
}

static int by_offset(const void *a, const void *b) {
    const lt_piece *x = a, *y = b;
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

static lt_status add(lt_pieces *k, const lt_weight *const *w, int64_t row0, int64_t rows, int64_t offset) {
    if (k->n == k->cap) {
        int64_t room = k->cap ? 2 * k->cap : 1024;
        lt_piece *grown = realloc(k->piece, (size_t)room * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for the list of pieces to read");
        k->piece = grown;
        k->cap = room;
    }
    k->piece[k->n++] = (lt_piece){.w = w, .row0 = row0, .rows = rows, .offset = offset};
    return LT_OK;
}

static lt_status cut_rectangle(lt_pieces *k, int64_t i) {
    const lt_weight *w = k->w[i];
    size_t row_bytes = (size_t)w->cols * lt_dtype_bytes(w->dt);
    int64_t step = (int64_t)(k->piece_bytes / (row_bytes ? row_bytes : 1)) + 1;
    if (row_bytes > k->row_bytes) k->row_bytes = row_bytes;
    for (int64_t r = 0; r < w->rows; r += step) LT_TRY(add(k, &k->w[i], r, w->rows - r < step ? w->rows - r : step, offset_of(w, r)));
    return LT_OK;
}

/* Panels of the matrix whose rectangles are w[i .. end). */
static lt_status cut_panels(lt_pieces *k, int64_t i, int64_t end) {
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
    size_t gathered = (size_t)lt_model_impl_rows_at_once(k->w[i]) * row_bytes;
    if (gathered > k->panel_bytes) k->panel_bytes = gathered;
    if (row_bytes > k->row_bytes) k->row_bytes = row_bytes;
    for (int64_t r = 0; r < lin->N; r += step) {
        while (k->w[i]->at + k->w[i]->rows <= r) i++;
        LT_TRY(add(k, &k->w[i], r, lin->N - r < step ? lin->N - r : step, offset_of(k->w[i], r - k->w[i]->at)));
    }
    return LT_OK;
}

int lt_model_impl_whose(size_t at, size_t bytes, size_t total, int ranks) { return (int)((at + bytes / 2) / (total / (size_t)ranks + 1)); }

/* One copy on the node: its ranks.  Copies on GPUs: the ranks that have the same. */
static void find_readers(const lt_model *m, lt_pieces *k) {
    k->readers = m->shared ? lt_shared_size(m->shared) : m->handout ? m->grid->dp_size : 1;
    k->reader = m->shared ? lt_shared_rank(m->shared) : m->handout ? m->grid->dp_rank : 0;
}

lt_status lt_model_impl_pieces(const lt_model *m, lt_pieces *k) {
    size_t total = 0, before = 0;
    LT_TRY(lt_calloc(&k->w, m->n_weights + 1, sizeof *k->w, "the list of pieces to read"));
    for (int64_t i = 0; i < m->n_weights; i++) {
        const lt_weight *w = &m->weight[i];
        total += (size_t)(w->rows * w->cols) * lt_dtype_bytes(w->dt);
        if (w->rows > 0) k->w[k->n_w++] = w;
    }
    qsort(k->w, (size_t)k->n_w, sizeof *k->w, by_place);
    find_readers(m, k);
    size_t part = k->readers > 1 ? total / (size_t)k->readers / PIECES : LT_PIECE_BYTES;
    k->piece_bytes = part < LT_PIECE_BYTES ? part : LT_PIECE_BYTES;
    for (int64_t i = 0, end; i < k->n_w; i = end) {
        bool panels = lt_model_impl_by_panels(k->w[i]);
        for (end = i + 1; panels && end < k->n_w && k->w[end]->lin == k->w[i]->lin; end++) {}
        LT_TRY(panels ? cut_panels(k, i, end) : cut_rectangle(k, i));
    }
    qsort(k->piece, (size_t)k->n, sizeof *k->piece, by_offset);
    for (int64_t i = 0; i < k->n; i++) {
        size_t bytes = lt_piece_bytes(&k->piece[i]);
        k->piece[i].reader = lt_model_impl_whose(before, bytes, total, k->readers);
        if (bytes > k->most_bytes) k->most_bytes = bytes;
        before += bytes;
    }
    return LT_OK;
}

void lt_model_impl_pieces_free(lt_pieces *k) {
    free(k->piece);
    free(k->w);
    *k = (lt_pieces){0};
}
