/* Layout of the constants of relative positions (struct lt_rel_pack_args); once a layer, when loading ends. */
#include "kernels/cuda/cuda_impl.h"

namespace LT_GPU_SPACE {

/* A piece of the host's table of rows, as a kernel parameter. */
enum { REL_PIECE = 896 };
struct rel_piece {
    int32_t row[REL_PIECE];
};

struct rel_shape {
    int D;
    int64_t reach, ld, rows, width, cols, zero;
    float scale;
    bool p2c;
    int64_t from; /* distance of row 0 of the piece, as a place in the whole table */
};

/* Grid (distances of the piece, heads), a thread a number. */
static __global__ void rel_pack_rows(rel_piece piece, rel_shape s, const float *from, float *to) {
    const int64_t at = s.from + blockIdx.x, head = blockIdx.y, heads = gridDim.y;
    for (int d = (int)threadIdx.x; d < s.D; d += (int)blockDim.x) {
        const float x = from[piece.row[blockIdx.x] * s.ld + head * s.D + d];
        to[(head * s.rows + (s.p2c ? at : s.rows - 1 - at)) * s.width + d] = x;
        if (s.p2c) to[heads * s.rows * s.width + (head * s.D + d) * s.cols + s.zero + at - (s.reach - 1)] = s.scale * x;
    }
}

lt_status rel_pack(const lt_ctx *c, const struct lt_rel_pack_args *a) {
    const state *st = state_of(c);
    rel_shape s = {};
    s.D = a->head_dim;
    s.reach = a->reach;
    s.ld = a->ld;
    s.rows = lt_rel_rows(a->reach);
    s.width = lt_rel_width(a->head_dim);
    s.cols = lt_rel_cols(a->reach);
    s.zero = lt_rel_zero(a->reach);
    s.scale = a->scale;
    s.p2c = a->p2c;
    LT_TRY(st->gpu->fill(st->stream, a->to, 0, (size_t)lt_rel_elems(a->heads, s.D, s.reach, s.p2c) * sizeof(float)));
    for (s.from = 0; s.from < s.rows; s.from += REL_PIECE) {
        rel_piece piece = {};
        const int64_t n = s.rows - s.from < REL_PIECE ? s.rows - s.from : (int64_t)REL_PIECE;
        for (int64_t i = 0; i < n; i++) piece.row[i] = a->row[s.from + i];
        LT_RUN(c, (rel_pack_rows), dim3((unsigned)n, (unsigned)a->heads), dim3(64), 0, piece, s, a->from, a->to);
    }
    return LT_OK;
}

} // namespace LT_GPU_SPACE
