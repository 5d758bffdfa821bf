/* Cases of embeddings, of rows that are picked and put back, of convolutions' neighbours and of pooling. */
#include "check/side_impl.h"

#define N_OF(table) ((int)(sizeof(table) / sizeof *(table)))

static const int64_t sizes[][2] = {{1, 24}, {23, 72}, {9, 200}}; /* rows, C */

/* ---- embeddings ---- */

static struct lt_embed_args embed(lt_side *s) {
    enum { V = 30, V0 = 10, V1 = 25, PROMPTS = 6, POSITIONS = 40 };
    int64_t rows = sizes[s->shape][0], C = sizes[s->shape][1];
    int32_t id[23], pos[23], type[23];
    for (int32_t t = 0; t < rows; t++) { /* ids inside and outside of this rank's; prompt rows repeat */
        id[t] = t % 3 == 2 ? -(1 + t * 5 % PROMPTS) : t * 11 % V;
        pos[t] = t % POSITIONS;
        type[t] = t % 2;
    }
    struct lt_embed_args a = {.rows = rows, .C = C, .tok_dt = s->dt, .v0 = V0, .v1 = V1, .scale = 1.5f};
    a.id = lt_side_put(s, id, (size_t)rows * sizeof *id);
    a.pos = lt_side_put(s, pos, (size_t)rows * sizeof *pos);
    a.tok = lt_side_in(s, (V1 - V0) * C, s->dt, 1).p;
    a.prompt = lt_side_in(s, PROMPTS * C, LT_F32, 1).p;
    if (s->shape != 1) return a;
    a.type = lt_side_put(s, type, (size_t)rows * sizeof *type);
    a.type_tab = lt_side_in(s, 2 * C, LT_F32, 1).p;
    a.pos_tab = lt_side_in(s, POSITIONS * C, LT_F32, 1).p;
    return a;
}

bool lt_check_impl_embed_fwd(lt_side *s) {
    if (s->shape == N_OF(sizes)) return false;
    struct lt_embed_args a = embed(s);
    a.x = lt_side_out(s, "rows", a.rows * a.C, LT_F32, 1).p;
    LT_SIDE_CALL(s, embed_fwd, &a);
    return true;
}

bool lt_check_impl_embed_bwd(lt_side *s) {
    if (s->shape == N_OF(sizes)) return false;
    struct lt_embed_args a = embed(s);
    a.dx = lt_side_in(s, a.rows * a.C, LT_F32, 1).p;
    a.d_prompt = lt_side_out(s, "rows", 6 * a.C, LT_F32, 1).p;
    LT_SIDE_CALL(s, embed_bwd, &a);
    return true;
}

/* ---- rows ---- */

static struct lt_rows_args pick(lt_side *s) {
    int32_t index[23];
    int64_t rows = sizes[s->shape][0];
    for (int32_t t = 0; t < rows; t++) index[t] = 3 * ((int32_t)rows - 1 - t) + 1;
    struct lt_rows_args a = {.rows = rows, .C = sizes[s->shape][1]};
    a.index = lt_side_put(s, index, (size_t)rows * sizeof *index);
    return a;
}
static int64_t all_rows(const struct lt_rows_args *a) { return (3 * a->rows + 1) * a->C; }

bool lt_check_impl_gather_rows(lt_side *s) {
    if (s->shape == N_OF(sizes)) return false;
    struct lt_rows_args a = pick(s);
    a.big = lt_side_in(s, all_rows(&a), s->dt, 1);
    a.small = lt_side_out(s, "", a.rows * a.C, s->dt, 1);
    LT_SIDE_CALL(s, gather_rows, &a);
    return true;
}

bool lt_check_impl_put_rows(lt_side *s) {
    if (s->shape == N_OF(sizes)) return false;
    struct lt_rows_args a = pick(s);
    a.big = lt_side_out(s, "", all_rows(&a), s->dt, 1);
    a.small = lt_side_in(s, a.rows * a.C, s->dt, 1);
    LT_SIDE_CALL(s, put_rows, &a);
    return true;
}

bool lt_check_impl_scatter_add_rows(lt_side *s) {
    if (s->shape == N_OF(sizes)) return false;
    struct lt_rows_args a = pick(s);
    a.big = lt_side_out(s, "rows", all_rows(&a), s->dt, 1);
    a.small = lt_side_in(s, a.rows * a.C, s->dt, 1);
    LT_SIDE_CALL(s, scatter_add_rows, &a);
    return true;
}

/* ---- neighbours ---- */

static struct lt_unfold_args neighbours(lt_side *s) {
    static const int32_t cu[][4] = {{0, 1, 1, 1}, {0, 10, 11, 23}, {0, 4, 4, 9}};
    struct lt_unfold_args a = {.rows = sizes[s->shape][0], .C = sizes[s->shape][1], .n_seq = 3, .kernel = s->shape == 2 ? 5 : 3};
    a.cu = lt_side_put(s, cu[s->shape], sizeof cu[s->shape]);
    return a;
}

bool lt_check_impl_unfold(lt_side *s) {
    if (s->shape == N_OF(sizes)) return false;
    struct lt_unfold_args a = neighbours(s);
    a.x = lt_side_in(s, a.rows * a.C, s->dt, 1);
    a.y = lt_side_out(s, "", a.rows * a.C * a.kernel, s->dt, 1);
    LT_SIDE_CALL(s, unfold, &a);
    return true;
}

bool lt_check_impl_fold(lt_side *s) {
    if (s->shape == N_OF(sizes)) return false;
    struct lt_unfold_args a = neighbours(s);
    a.y = lt_side_in(s, a.rows * a.C * a.kernel, s->dt, 1);
    a.dx = lt_side_out(s, "rows", a.rows * a.C, LT_F32, 1).p;
    LT_SIDE_CALL(s, fold, &a);
    return true;
}

/* ---- pooling ---- */

static struct lt_pool_args pool(lt_side *s) {
    static const int32_t row0[][2] = {{0, 1}, {1, 12}, {0, 5}}, row1[][2] = {{1, 2}, {11, 23}, {3, 9}};
    struct lt_pool_args a = {.kind = s->shape == 1 ? LT_POOL_MAX : LT_POOL_MEAN, .n_seq = s->shape ? 2 : 1, .C = sizes[s->shape][1]};
    a.T = sizes[s->shape][0];
    a.row0 = lt_side_put(s, row0[s->shape], sizeof row0[s->shape]);
    a.row1 = lt_side_put(s, row1[s->shape], sizeof row1[s->shape]);
    a.x = lt_side_in(s, a.T * a.C, LT_F32, 1).p;
    return a;
}

bool lt_check_impl_pool_fwd(lt_side *s) {
    if (s->shape == N_OF(sizes)) return false;
    struct lt_pool_args a = pool(s);
    a.out = lt_side_out(s, "rows", a.n_seq * a.C, LT_F32, 1).p;
    if (a.kind == LT_POOL_MAX) a.argmax = lt_side_out(s, "", a.n_seq * a.C, LT_I32, 1).p;
    LT_SIDE_CALL(s, pool_fwd, &a);
    return true;
}

bool lt_check_impl_pool_bwd(lt_side *s) {
    if (s->shape == N_OF(sizes)) return false;
    struct lt_pool_args a = pool(s);
    a.out = lt_side_in(s, a.n_seq * a.C, LT_F32, 1).p;
    a.argmax = lt_side_in(s, a.n_seq * a.C, LT_I32, 0).p;
    LT_SIDE_CALL(s, pool_fwd, &a);
    a.dout = lt_side_in(s, a.n_seq * a.C, LT_F32, 1).p;
    a.dx = lt_side_out(s, "rows", a.T * a.C, LT_F32, 1).p;
    LT_SIDE_CALL(s, pool_bwd, &a);
    return true;
}
