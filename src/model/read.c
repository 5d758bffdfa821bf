/* Weights from the file to their places: all threads read pieces of all rectangles at once; of a copy that ranks share, each rank the pieces of its part.
 *
 * Where the host sees the back end's memory, pieces are converted straight into place; elsewhere they go through a buffer of the thread and a copy.  A
 * matrix that the file holds as [in, out] is read as it lies and turned on the way. */
#include "model/model_impl.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* Pieces of at most this many bytes of destination are read as one task, so that one large table does not keep one thread busy alone. */
enum { PIECE_BYTES = 4 << 20, PIECES = 8 /* at least so many a rank, where several divide the work */ };

bool lt_model_impl_is_mine(const lt_model *m, size_t at, size_t bytes, size_t total) {
    if (!m->shared) return true;
    size_t size = (size_t)lt_shared_size(m->shared), middle = at + bytes / 2;
    return middle / (total / size + 1) == (size_t)lt_shared_rank(m->shared);
}

/* Rows [r, r + n) of a rectangle, as [n, cols] in w->dt, into dst (host). */
static lt_status read_piece(lt_model *m, const lt_weight *w, int64_t r, int64_t n, void *dst, void *turn) {
    size_t elem = lt_dtype_bytes(w->dt);
    if (!w->transposed) {
        LT_TRY(lt_st_read(m->st, w->src, w->row0 + r, n, w->col0, w->cols, dst, w->dt));
    } else {
        LT_TRY(lt_st_read(m->st, w->src, w->col0, w->cols, w->row0 + r, n, turn, w->dt));
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < w->cols; k++)
                memcpy((unsigned char *)dst + (size_t)(i * w->cols + k) * elem, (const unsigned char *)turn + (size_t)(k * n + i) * elem,
                       elem);
    }
    for (int64_t i = 0; w->plus_one && i < n * w->cols; i++) ((float *)dst)[i] += 1.0f;
    return LT_OK;
}

/* The same into its place on the device.  spare: two buffers of a piece, made when first needed. */
static lt_status place_piece(lt_model *m, const lt_weight *w, int64_t r, int64_t n, void *spare[2]) {
    size_t row_bytes = (size_t)w->cols * lt_dtype_bytes(w->dt), bytes = (size_t)n * row_bytes;
    unsigned char *to = (unsigned char *)w->dst + (size_t)r * row_bytes;
    void *view = m->ctx.ops->host_view(&m->ctx, to, bytes);
    for (int i = 0; i < 2; i++)
        if (!spare[i] && (i == 0 ? !view : w->transposed))
            LT_TRY(lt_calloc(&spare[i], PIECE_BYTES + (int64_t)row_bytes, 1, "a piece of the weights"));
    LT_TRY(read_piece(m, w, r, n, view ? view : spare[0], spare[1]));
    if (view) return LT_OK;
    LT_TRY(lt_ctx_upload(&m->ctx, to, spare[0], bytes));
    return m->ctx.ops->wait(&m->ctx, NULL);
}

lt_status lt_model_impl_read(lt_model *m) {
    lt_status st = LT_OK;
    size_t total = 0;
    char message[LT_ERR_MSG_BYTES] = "";
    for (int64_t i = 0; i < m->n_weights; i++) total += (size_t)(m->weight[i].rows * m->weight[i].cols) * lt_dtype_bytes(m->weight[i].dt);
    size_t piece = PIECE_BYTES, part = m->shared ? total / (size_t)lt_shared_size(m->shared) / PIECES : piece;
    if (part < piece) piece = part;
    /* copies go through one queue */
    int threads = m->ctx.ops->host_view(&m->ctx, m->tok, 1) ? m->ctx.threads : 1;
#pragma omp parallel num_threads(threads)
    {
        void *spare[2] = {NULL, NULL};
        size_t before = 0; /* bytes of the weights in front of this one */
        for (int64_t i = 0; i < m->n_weights; i++) {
            const lt_weight *w = &m->weight[i];
            size_t row_bytes = (size_t)w->cols * lt_dtype_bytes(w->dt);
            int64_t step = (int64_t)(piece / row_bytes) + 1;
#pragma omp for schedule(dynamic, 1) nowait
            for (int64_t r = 0; r < w->rows; r += step) {
                int64_t n = w->rows - r < step ? w->rows - r : step;
                if (!lt_model_impl_is_mine(m, before + (size_t)r * row_bytes, (size_t)n * row_bytes, total)) continue;
                lt_status s = lt_model_impl_check_stop();
                if (s == LT_OK) s = place_piece(m, w, r, n, spare);
                if (omp_get_thread_num() == 0) lt_comm_progress(m->grid->world); /* MPI knows the master thread only */
                if (s != LT_OK) {
#pragma omp critical(lt_model_load)
                    if (st == LT_OK) {
                        st = s;
                        memcpy(message, lt_err_last()->msg, sizeof message);
                    }
                }
            }
            before += (size_t)w->rows * row_bytes;
        }
        free(spare[0]);
        free(spare[1]);
    }
    /* the record of a worker thread is its own: say it again on this one */
    return st == LT_OK ? LT_OK : LT_FAIL(st, "%s", message);
}
