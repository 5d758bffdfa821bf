/* Gradients that the device computes, against differences of what it computes forward, in f32.
 *
 * The loss is <w, f(x)> with random w.  Along a random direction u its derivative is <g, u>, g from the op's backward entry with dy = w; beside it stands the
 * central difference of fourth order.  With h = 2^-5 the truncation is about 1e-6 and the rounding of f32 outputs 1e-5 of |g|, measured on cpu at most
 * 1e-4: the limit is 1e-3. */
#include "check/check_impl.h"
#include "check/side_impl.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INPUTS = 4, ROWS = 6, C = 48, HEADS = 4, KV_HEADS = 2, D = 16, SLOT = 5, N_OUT = 40 };
static const double limit = 1e-3;

/* x, dy are inputs, y and dx outputs, on the device.  Forward alone where dx is NULL. */
typedef struct gradient {
    const char *op;
    int n_in;
    int64_t in[MAX_INPUTS], out;
    void (*run)(lt_side *s, const lt_arr *x, lt_arr y, lt_arr dy, const lt_arr *dx);
} gradient;

static void linear(lt_side *s, const lt_arr *x, lt_arr y, lt_arr dy, const lt_arr *dx) {
    struct lt_linear_args a = {.lin = lt_side_layer(s, N_OUT, C, true), .rows = ROWS, .x = x[0], .y = y};
    LT_SIDE_CALL(s, linear_fwd, &a);
    if (!dx) return;
    a.x = dx[0];
    a.y = dy;
    LT_SIDE_CALL(s, linear_bwd_x, &a);
}

static void norm(lt_side *s, lt_norm_kind kind, const lt_arr *x, lt_arr y, lt_arr dy, const lt_arr *dx) {
    struct lt_norm_args a = {.kind = kind, .rows = ROWS, .C = C, .x = x[0].p, .eps = 1e-5f, .y = y};
    a.w = lt_side_in(s, C, LT_F32, 1).p;
    if (kind == LT_NORM_LAYER) a.b = lt_side_in(s, C, LT_F32, 1).p;
    a.mean = lt_side_in(s, ROWS, LT_F32, 1).p;
    a.rstd = lt_side_in(s, ROWS, LT_F32, 1).p;
    LT_SIDE_CALL(s, norm_fwd, &a);
    if (!dx) return;
    a.dy = dy;
    a.dx = dx[0].p;
    LT_SIDE_CALL(s, norm_bwd, &a);
}
static void layer_norm(lt_side *s, const lt_arr *x, lt_arr y, lt_arr dy, const lt_arr *dx) { norm(s, LT_NORM_LAYER, x, y, dy, dx); }
static void rms_norm(lt_side *s, const lt_arr *x, lt_arr y, lt_arr dy, const lt_arr *dx) { norm(s, LT_NORM_RMS, x, y, dy, dx); }

static void glu(lt_side *s, const lt_arr *x, lt_arr y, lt_arr dy, const lt_arr *dx) {
    struct lt_act_args a = {.act = LT_ACT_SILU, .rows = ROWS, .F = C, .u = x[0], .h = y};
    LT_SIDE_CALL(s, glu_fwd, &a);
    if (!dx) return;
    a.dh = dy;
    a.du = dx[0];
    LT_SIDE_CALL(s, glu_bwd, &a);
}

static void gelu(lt_side *s, const lt_arr *x, lt_arr y, lt_arr dy, const lt_arr *dx) {
    struct lt_act_args a = {.act = LT_ACT_GELU_ERF, .rows = ROWS, .F = C, .u = x[0], .h = y};
    LT_SIDE_CALL(s, act_fwd, &a);
    if (!dx) return;
    a.dh = dy;
    a.du = dx[0];
    LT_SIDE_CALL(s, act_bwd, &a);
}

/* One causal sequence behind a slot of the bank: inputs q, k, v, bank. */
static void attention(lt_side *s, const lt_arr *x, lt_arr y, lt_arr dy, const lt_arr *dx) {
    static const int32_t cu[] = {0, ROWS}, zero[ROWS], end[ROWS] = {1, 2, 3, 4, 5, 6}, place[ROWS] = {0, 1, 2, 3, 4, 5}, len[] = {ROWS},
                         slot_len[] = {SLOT};
    lt_attn_plan plan = {.n_seq = 1, .n_q = ROWS, .n_k = ROWS, .n_slots = 1, .max_q = ROWS, .max_k = ROWS, .P_max = SLOT};
    plan.cu_q = lt_side_put(s, cu, sizeof cu);
    plan.first = plan.k_row0 = plan.slot = lt_side_put(s, zero, sizeof zero);
    plan.end = lt_side_put(s, end, sizeof end);
    plan.q_index = lt_side_put(s, place, sizeof place);
    plan.k_len = lt_side_put(s, len, sizeof len);
    plan.slot_len = lt_side_put(s, slot_len, sizeof slot_len);
    struct lt_attn_args a = {.plan = &plan, .heads = HEADS, .kv_heads = KV_HEADS, .head_dim = D, .scale = 0.25f, .o = y};
    a.q = x[0];
    a.k = x[1];
    a.v = x[2];
    a.bank = x[3].p;
    a.ld_q = a.ld_dq = HEADS * D;
    a.ld_k = a.ld_v = a.ld_dk = a.ld_dv = KV_HEADS * D;
    a.slot_stride = 2 * SLOT * KV_HEADS * D;
    a.lse = lt_side_in(s, ROWS * HEADS, LT_F32, 1).p;
    LT_SIDE_CALL(s, attn_fwd, &a);
    if (!dx) return;
    a.d_o = dy;
    a.dq = dx[0];
    a.dk = dx[1];
    a.dv = dx[2];
    a.d_bank = dx[3].p;
    LT_SIDE_CALL(s, attn_bwd, &a);
}

static const gradient gradients[] = {
    {"linear_bwd_x", 1, {ROWS * C}, ROWS *N_OUT, linear},
    {"norm_bwd", 1, {ROWS * C}, ROWS *C, layer_norm},
    {"norm_bwd", 1, {ROWS * C}, ROWS *C, rms_norm},
    {"glu_bwd", 1, {2 * ROWS * C}, ROWS *C, glu},
    {"act_bwd", 1, {ROWS * C}, ROWS *C, gelu},
    {"attn_bwd", 4, {ROWS * HEADS * D, ROWS *KV_HEADS *D, ROWS *KV_HEADS *D, 2 * SLOT *KV_HEADS *D}, ROWS *HEADS *D, attention},
};
static const char *const names[] = {"linear layer", "layer norm", "RMS norm", "gated SiLU", "GELU", "attention with a bank: q, k, v, bank"};

/* Element i of array number `which`: inputs 0 .., their directions MAX_INPUTS .., w. */
enum { DIRECTIONS = MAX_INPUTS, WEIGHTS = 2 * MAX_INPUTS };
static double number(int which, int64_t i) {
    lt_rng r = {.seed = 4711, .purpose = LT_RNG_TEST, .a = (uint32_t)which};
    return lt_rng_normal(&r, (uint64_t)i, 0);
}

static lt_status put_moved(lt_side *s, const gradient *g, double h, lt_arr *x) {
    for (int k = 0; k < g->n_in; k++) {
        float *host;
        LT_TRY(lt_calloc(&host, g->in[k], sizeof *host, "an array of a check"));
        for (int64_t i = 0; i < g->in[k]; i++) host[i] = (float)(number(k, i) + h * number(DIRECTIONS + k, i));
        x[k] = lt_arr_f32(lt_side_put(s, host, (size_t)g->in[k] * sizeof *host));
        free(host);
    }
    return s->st;
}

/* The arrays of a case: the same on every side, so that what run() makes behind them is the same too. */
typedef struct arrays {
    lt_arr x[MAX_INPUTS], dx[MAX_INPUTS], y, dy;
    int out, first; /* places of y and of the first dx */
} arrays;

static lt_status put_arrays(lt_side *s, const gradient *g, double h, arrays *a) {
    static const float zero[2 * ROWS * HEADS * D]; /* the bank's gradient is added to what is there */
    float w[ROWS * HEADS * D];
    LT_TRY(put_moved(s, g, h, a->x));
    for (int64_t i = 0; i < g->out; i++) w[i] = (float)number(WEIGHTS, i);
    a->out = s->n;
    a->y = lt_side_out(s, "", g->out, LT_F32, 0);
    a->dy = lt_arr_f32(lt_side_put(s, w, (size_t)g->out * sizeof *w));
    a->first = s->n;
    for (int k = 0; k < g->n_in; k++) a->dx[k] = lt_side_put_out(s, "", zero, g->in[k], LT_F32);
    return s->st;
}

/* <w, f(x + h u)>. */
static lt_status loss_at(const lt_ctx *c, const gradient *g, double h, double *loss) {
    lt_side s = {.ctx = c, .dt = LT_F32};
    arrays a;
    lt_status st = put_arrays(&s, g, h, &a);
    if (st == LT_OK) g->run(&s, a.x, a.y, a.dy, NULL);
    if (st == LT_OK) st = lt_side_collect(&s);
    *loss = 0;
    for (int64_t i = 0; st == LT_OK && i < g->out; i++)
        *loss += number(WEIGHTS, i) * lt_side_get(s.array[a.out].host + LT_SIDE_RIM, LT_F32, i);
    lt_side_fini(&s);
    return st;
}

/* <g, u>, and |g|. */
static lt_status slope(const lt_ctx *c, const gradient *g, double *along, double *size) {
    lt_side s = {.ctx = c, .dt = LT_F32};
    arrays a;
    lt_status st = put_arrays(&s, g, 0, &a);
    if (st == LT_OK) g->run(&s, a.x, a.y, a.dy, a.dx);
    if (st == LT_OK) st = lt_side_collect(&s);
    *along = *size = 0;
    for (int k = 0; st == LT_OK && k < g->n_in; k++)
        for (int64_t i = 0; i < g->in[k]; i++) {
            double v = lt_side_get(s.array[a.first + k].host + LT_SIDE_RIM, LT_F32, i);
            *along += v * number(DIRECTIONS + k, i);
            *size += v * v;
        }
    *size = sqrt(*size);
    lt_side_fini(&s);
    return st;
}

static lt_status error_of(const lt_ctx *c, const gradient *g, bool wrong, double *error) {
    const double h = 0x1p-5;
    const int at[4] = {-2, -1, 1, 2};
    double f[4] = {0}, along, size;
    LT_TRY(slope(c, g, &along, &size));
    for (int i = 0; i < 4; i++) LT_TRY(loss_at(c, g, at[i] * h, &f[i]));
    if (wrong) along += 10 * limit * size;
    *error = fabs((f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h) - along) / (size + 1e-30);
    return LT_OK;
}

static lt_status open_ctx(lt_ctx *c, void **ws) {
    lt_dims dims = {.rows = ROWS, .width = 64, .seqs = 1, .max_len = ROWS, .max_prefix = SLOT, .slots = 1};
    dims.heads = HEADS;
    dims.kv_heads = KV_HEADS;
    dims.head_dim = D;
    LT_TRY(c->ops->ctx_init(c));
    c->ws_bytes = c->ops->ws_bytes(c, &dims);
    LT_TRY(c->ops->alloc(c, c->ws_bytes + 1, "workspace", ws));
    c->ws = *ws;
    return LT_OK;
}

void lt_check_gradients(lt_check *k) {
    lt_ctx c = {.ops = k->device->ops, .threads = lt_comm_default_threads(k->world, 0), .compute = LT_F32};
    void *ws = NULL;
    lt_check_heading(k, "\ngradients of %s against differences\n", k->device->ops->name);
    lt_status st = lt_agree(k->world, open_ctx(&c, &ws));
    if (st != LT_OK) lt_check_add(k, "gradients", st, INFINITY, limit, "handles");
    for (size_t i = 0; st == LT_OK && i < sizeof gradients / sizeof *gradients; i++) {
        double error = INFINITY;
        lt_status did = error_of(&c, &gradients[i], lt_check_breaks(k, gradients[i].op), &error);
        lt_check_add(k, "gradients", did, error, limit, "%s: off, part of |g|", names[i]);
    }
    c.ops->free(&c, ws);
    c.ops->ctx_fini(&c);
}
