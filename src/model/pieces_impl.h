#pragma once
/* Private to load.c, pieces.c, read.c and handout.c: the work of loading as a list. */

#include "model/model_impl.h"

/* Some rows of a rectangle, or of a matrix that the back end takes by panels. */
typedef struct lt_piece {
    const lt_weight *const *w; /* the rectangle, or the first of those that the panels meet */
    int64_t row0, rows;        /* of the rectangle, or of the matrix */
    int64_t offset;            /* in the file, of its first byte */
    int reader;                /* of the ranks that share out the reading */
} lt_piece;

/* The work, made once by one thread; zeroed to begin with. */
typedef struct lt_pieces {
    const lt_weight **w; /* [n_w] by place: matrices' rectangles one behind the other */
    lt_piece *piece;     /* [n] in the order of the files */
    int64_t n_w, n, cap;
    int readers, reader;                        /* how many ranks share out the reading, and which of them this is */
    size_t piece_bytes, panel_bytes, row_bytes; /* of a piece; most that is gathered of panels, and row of a rectangle */
    size_t most_bytes;                          /* of a piece */
} lt_pieces;

static inline bool lt_model_impl_by_panels(const lt_weight *w) { return w->lin && w->lin->panel > 0; }
/* Panels that are gathered at once where the file has the matrix turned: a panel then is a few numbers of every row of the file, and a read of them costs
 * more than the numbers. */
enum { LT_TURNED_PANELS = 8 };
/* Rows of a matrix by panels that are gathered at once. */
static inline int64_t lt_model_impl_rows_at_once(const lt_weight *w) { return w->lin->panel * (w->transposed ? LT_TURNED_PANELS : 1); }
/* Bytes of a piece where it goes. */
static inline size_t lt_piece_bytes(const lt_piece *p) { return (size_t)(p->rows * p->w[0]->cols) * lt_dtype_bytes(p->w[0]->dt); }
/* Where it goes; of a rectangle. */
static inline unsigned char *lt_piece_dst(const lt_piece *p) {
    const lt_weight *w = p->w[0];
    return (unsigned char *)w->dst + (size_t)(p->row0 * w->cols) * lt_dtype_bytes(w->dt);
}

/* Pieces of at most this many bytes of destination, and one row more, are read as one task, so that one large table does not keep one thread busy alone; 0.1 ms
 * of PCIe 5, long against the cost of a copy. */
enum { LT_PIECE_BYTES = 4 << 20 };

/* pieces.c.  Local.  The list, the same on all ranks that share out the reading, but for k->reader; free ends it, also after a failure.  Errors: NOMEM,
 * INTERNAL. */
lt_status lt_model_impl_pieces(const lt_model *m, lt_pieces *k);
void lt_model_impl_pieces_free(lt_pieces *k);
/* pieces.c.  Local.  Of `total` bytes of work that `ranks` ranks divide, whose is the piece of `bytes` at `at`? */
int lt_model_impl_whose(size_t at, size_t bytes, size_t total, int ranks);
/* read.c.  Local.  Reads the pieces of k->reader to their places.  Errors: those of the files and of the device, STOPPED. */
lt_status lt_model_impl_read(lt_model *m, const lt_pieces *k);
/* handout.c.  Local.  The ranks that have the shard of this one. */
lt_comm *lt_model_impl_replicas(const lt_model *m);
/* handout.c.  Collective(replicas).  Through m->handout what each of them has read goes to the others.  Errors: NOMEM, ARG (their lists differ), STOPPED
 * (agreed among them). */
lt_status lt_model_impl_hand_out(lt_model *m, const lt_pieces *k);
