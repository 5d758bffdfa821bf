/* Cases of products, norms, activations and rotation: shapes with tails, as layers of real models have them in small. */
#include "check/side_impl.h"

#include <math.h>

#define N_OF(table) ((int)(sizeof(table) / sizeof *(table)))

/* ---- frozen layers: bias and residual in every form ---- */

typedef struct product {
    int64_t rows, N, K;
} product;
static const product products[] = {{1, 80, 48}, {37, 96, 64}, {70, 208, 144}}; /* sixteens, which E4M3 wants */

bool lt_check_impl_linear_fwd(lt_side *s) {
    if (s->shape == N_OF(products)) return false;
    const product p = products[s->shape];
    struct lt_linear_args a = {.lin = lt_side_layer(s, p.N, p.K, s->shape == 1), .rows = p.rows};
    a.x = lt_side_in(s, p.rows * p.K, s->dt, 1);
    a.y = lt_side_out(s, "linear", p.rows * p.N, s->shape == 2 ? LT_F32 : s->dt, 1);
    if (s->shape == 2) a.resid = a.y; /* accumulates */
    if (s->shape == 0) a.resid = lt_side_in(s, p.rows * p.N, LT_F32, 1);
    LT_SIDE_CALL(s, linear_fwd, &a);
    return true;
}

bool lt_check_impl_linear_bwd_x(lt_side *s) {
    if (s->shape == N_OF(products)) return false;
    const product p = products[s->shape];
    struct lt_linear_args a = {.lin = lt_side_layer(s, p.N, p.K, false), .rows = p.rows};
    a.y = lt_side_in(s, p.rows * p.N, s->shape == 0 ? LT_F32 : s->dt, 1);
    a.x = lt_side_out(s, "linear", p.rows * p.K, s->shape == 2 ? s->dt : LT_F32, 1);
    if (s->shape == 1) a.resid = a.x;
    LT_SIDE_CALL(s, linear_bwd_x, &a);
    return true;
}

bool lt_check_impl_logits(lt_side *s) {
    static const product shapes[] = {{1, 97, 64}, {19, 130, 72}};
    if (s->shape == N_OF(shapes)) return false;
    const product p = shapes[s->shape];
    struct lt_logits_args a = {.rows = p.rows, .C = p.K, .V = p.N, .ld_y = p.N + 3, .tok_dt = s->dt};
    a.tok = lt_side_in(s, p.N * p.K, s->dt, 0.1).p;
    a.x = lt_side_in(s, p.rows * p.K, LT_F32, 1);
    a.y = lt_side_out(s, "logits", p.rows * a.ld_y, LT_F32, 1).p;
    LT_SIDE_CALL(s, logits, &a);
    return true;
}

bool lt_check_impl_gemm(lt_side *s) {
    static const product shapes[] = {{33, 20, 17}, {16, 64, 130}, {5, 70, 64}};
    if (s->shape == N_OF(shapes)) return false;
    const product p = shapes[s->shape];
    int ta = s->shape == 1, tb = s->shape != 2;
    struct lt_gemm_args a = {.ta = ta, .tb = tb, .M = p.rows, .N = p.N, .K = p.K, .alpha = 0.5f, .beta = s->shape == 0 ? 0.0f : 1.0f};
    a.lda = ta ? p.rows : p.K;
    a.ldb = tb ? p.K : p.N;
    a.ldc = p.N + 4;
    a.A = lt_side_in(s, p.rows * p.K, LT_F32, 1).p;
    a.B = lt_side_in(s, p.N * p.K, LT_F32, 1).p;
    a.C = lt_side_out(s, "gemm", p.rows * a.ldc, LT_F32, 1).p;
    LT_SIDE_CALL(s, gemm, &a);
    return true;
}

/* ---- norms ---- */

static const int64_t norms[][2] = {{1, 24}, {29, 72}, {11, 768}, {5, 2304}}; /* rows, C */

static struct lt_norm_args norm(lt_side *s) {
    int64_t rows = norms[s->shape][0], C = norms[s->shape][1];
    struct lt_norm_args a = {.kind = s->shape % 2 ? LT_NORM_LAYER : LT_NORM_RMS, .rows = rows, .C = C, .eps = 1e-5f};
    a.x = lt_side_in(s, rows * C, LT_F32, 1).p;
    a.w = lt_side_in(s, C, LT_F32, 1).p;
    if (a.kind == LT_NORM_LAYER) a.b = lt_side_in(s, C, LT_F32, 1).p;
    return a;
}

bool lt_check_impl_norm_fwd(lt_side *s) {
    if (s->shape == N_OF(norms)) return false;
    struct lt_norm_args a = norm(s);
    a.y = lt_side_out(s, "norm", a.rows * a.C, s->dt, 1);
    a.rstd = lt_side_out(s, "norm", a.rows, LT_F32, 1).p;
    if (a.kind == LT_NORM_LAYER) a.mean = lt_side_out(s, "norm", a.rows, LT_F32, 1).p;
    if (s->shape == 1) a.x_save = lt_side_out(s, "", a.rows * a.C, LT_F32, 1).p;
    if (s->shape == 2) a.resid = lt_side_in(s, a.rows * a.C, s->dt, 1);
    LT_SIDE_CALL(s, norm_fwd, &a);
    return true;
}

bool lt_check_impl_norm_bwd(lt_side *s) {
    if (s->shape == N_OF(norms)) return false;
    struct lt_norm_args a = norm(s);
    lt_arr y = lt_side_in(s, a.rows * a.C, LT_F32, 1), mean = lt_side_in(s, a.rows, LT_F32, 1), rstd = lt_side_in(s, a.rows, LT_F32, 1);
    a.y = y;
    a.mean = mean.p;
    a.rstd = rstd.p;
    LT_SIDE_CALL(s, norm_fwd, &a);
    a.dy = lt_side_in(s, a.rows * a.C, s->dt, 1);
    a.dx = lt_side_out(s, "norm", a.rows * a.C, LT_F32, 1).p;
    if (s->shape == 1) a.dres = a.dx;
    if (s->shape == 2) a.dres = lt_side_in(s, a.rows * a.C, LT_F32, 1).p;
    if (s->dt == LT_BF16) a.dx_low = lt_side_out(s, "norm", a.rows * a.C, LT_BF16, 1);
    LT_SIDE_CALL(s, norm_bwd, &a);
    return true;
}

static const int heads[][3] = {{7, 3, 16}, {5, 2, 64}, {3, 4, 256}}; /* rows, heads, D */

static struct lt_head_norm_args head_norm(const lt_side *s) {
    const int *h = heads[s->shape];
    return (struct lt_head_norm_args){.rows = h[0], .heads = h[1], .head_dim = h[2], .ld = h[1] * h[2] + 8, .eps = 1e-6f};
}

bool lt_check_impl_head_norm_fwd(lt_side *s) {
    if (s->shape == N_OF(heads)) return false;
    struct lt_head_norm_args a = head_norm(s);
    a.x = lt_side_out(s, "norm", a.rows * a.ld, s->dt, 1);
    a.w = lt_side_in(s, a.head_dim, LT_F32, 1).p;
    a.x_save = lt_side_out(s, "", a.rows * a.heads * a.head_dim, s->dt, 1);
    a.rstd = lt_side_out(s, "norm", a.rows * a.heads, LT_F32, 1).p;
    LT_SIDE_CALL(s, head_norm_fwd, &a);
    return true;
}

bool lt_check_impl_head_norm_bwd(lt_side *s) {
    if (s->shape == N_OF(heads)) return false;
    struct lt_head_norm_args a = head_norm(s);
    lt_arr x = lt_side_in(s, a.rows * a.ld, s->dt, 1), dy = lt_side_out(s, "norm", a.rows * a.ld, s->dt, 1);
    a.w = lt_side_in(s, a.head_dim, LT_F32, 1).p;
    a.x_save = lt_side_in(s, a.rows * a.heads * a.head_dim, s->dt, 1);
    a.rstd = lt_side_in(s, a.rows * a.heads, LT_F32, 1).p;
    a.x = x;
    LT_SIDE_CALL(s, head_norm_fwd, &a);
    a.x = dy;
    LT_SIDE_CALL(s, head_norm_bwd, &a);
    return true;
}

/* ---- activations ---- */

static const struct {
    lt_act act;
    int64_t rows, F;
} acts[] = {{LT_ACT_GELU_ERF, 1, 24}, {LT_ACT_SILU, 13, 88}, {LT_ACT_GELU_TANH, 7, 200}, {LT_ACT_RELU, 3, 33}, {LT_ACT_TANH, 3, 40}};

static struct lt_act_args act(const lt_side *s) {
    return (struct lt_act_args){.act = acts[s->shape].act, .rows = acts[s->shape].rows, .F = acts[s->shape].F};
}

bool lt_check_impl_act_fwd(lt_side *s) {
    if (s->shape == N_OF(acts)) return false;
    struct lt_act_args a = act(s);
    a.u = lt_side_in(s, a.rows * a.F, s->dt, 2);
    a.h = lt_side_out(s, "act", a.rows * a.F, s->dt, 1);
    a.add = s->shape == 2;
    LT_SIDE_CALL(s, act_fwd, &a);
    return true;
}

bool lt_check_impl_act_bwd(lt_side *s) {
    if (s->shape == N_OF(acts)) return false;
    struct lt_act_args a = act(s);
    a.u = lt_side_in(s, a.rows * a.F, s->dt, 2);
    a.dh = lt_side_in(s, a.rows * a.F, s->dt, 1);
    a.du = lt_side_out(s, "act", a.rows * a.F, s->dt, 1);
    LT_SIDE_CALL(s, act_bwd, &a);
    return true;
}

bool lt_check_impl_glu_fwd(lt_side *s) {
    if (s->shape == N_OF(acts)) return false;
    struct lt_act_args a = act(s);
    a.u = lt_side_in(s, 2 * a.rows * a.F, s->dt, 2);
    a.h = lt_side_out(s, "act", a.rows * a.F, s->dt, 1);
    LT_SIDE_CALL(s, glu_fwd, &a);
    return true;
}

bool lt_check_impl_glu_bwd(lt_side *s) {
    if (s->shape == N_OF(acts)) return false;
    struct lt_act_args a = act(s);
    a.u = a.du = lt_side_out(s, "act", 2 * a.rows * a.F, s->dt, 2); /* in place, as a step has it */
    a.dh = lt_side_in(s, a.rows * a.F, s->dt, 1);
    LT_SIDE_CALL(s, glu_bwd, &a);
    return true;
}

/* ---- rotation ---- */

bool lt_check_impl_rope(lt_side *s) {
    static const int shapes[][4] = {{1, 2, 16, 16}, {23, 3, 32, 24}, {9, 2, 128, 128}}; /* rows, heads, D, R */
    enum { POSITIONS = 40 };
    float table[POSITIONS * 128];
    int32_t pos[23];
    if (s->shape == N_OF(shapes)) return false;
    const int *k = shapes[s->shape], rot = k[3];
    for (int p = 0; p < POSITIONS; p++)
        for (int d = 0; d < rot / 2; d++) {
            double angle = p * pow(10000, -2.0 * d / rot);
            table[p * rot + d] = (float)cos(angle);
            table[p * rot + rot / 2 + d] = (float)sin(angle);
        }
    for (int t = 0; t < k[0]; t++) pos[t] = t * 7 % POSITIONS;
    struct lt_rope_args a = {.rows = k[0], .heads = k[1], .head_dim = k[2], .rot = rot, .ld_x = k[1] * k[2] + 8, .inverse = s->shape == 1};
    a.x = lt_side_out(s, "rope", k[0] * a.ld_x, s->dt, 1);
    if (s->shape == 2) { /* keys of half as many heads beside the queries */
        a.heads2 = 1;
        a.ld_x2 = 2 * k[2];
        a.x2 = lt_side_out(s, "rope", k[0] * a.ld_x2, s->dt, 1);
    }
    a.pos = lt_side_put(s, pos, (size_t)k[0] * sizeof *pos);
    a.cos_sin = lt_side_put(s, table, (size_t)(POSITIONS * rot) * sizeof *table);
    LT_SIDE_CALL(s, rope, &a);
    return true;
}
