/* One layer with random weights, as steps; see layer_impl.h. */
#include "check/layer_impl.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 2, POSITIONS = 4096, PATTERN = 1 << 18 };

void lt_layer_matrix(const lt_bench_shape *s, int which, int64_t *N, int64_t *K) {
    int64_t q = (int64_t)s->H * s->D, kv = 2 * (int64_t)s->Hkv * s->D;
    const int64_t n[] = {q, kv, s->C, 2 * s->F, s->C}, k[] = {s->C, s->C, q, s->C, s->F};
    *N = n[which];
    *K = k[which];
}

/* ---- steps ---- */

static lt_status norm(lt_layer *l, const float *x, float *rstd) {
    return l->ctx.ops->norm_fwd(
        &l->ctx, &(struct lt_norm_args){
                     .kind = LT_NORM_RMS, .rows = l->T, .C = l->shape->C, .x = x, .w = l->norm_w, .eps = 1e-5f, .y = l->n, .rstd = rstd});
}
static lt_status norm_bwd(lt_layer *l, const float *x, float *rstd, const float *dres, float *dx, lt_arr low) {
    return l->ctx.ops->norm_bwd(&l->ctx, &(struct lt_norm_args){.kind = LT_NORM_RMS,
                                                                .rows = l->T,
                                                                .C = l->shape->C,
                                                                .x = x,
                                                                .w = l->norm_w,
                                                                .eps = 1e-5f,
                                                                .rstd = rstd,
                                                                .dy = lt_arr_f32(l->dn),
                                                                .dres = dres,
                                                                .dx = dx,
                                                                .dx_low = low});
}
/* A product of the step, or, while they are listed for tuning, a line of the list. */
static lt_status product(lt_layer *l, const struct lt_linear_args *a, bool backward) {
    if (!l->listing) return backward ? l->ctx.ops->linear_bwd_x(&l->ctx, a) : l->ctx.ops->linear_fwd(&l->ctx, a);
    l->call[l->n_calls] = *a;
    l->backward[l->n_calls++] = backward;
    return LT_OK;
}
static lt_status forward(lt_layer *l, int which, lt_arr x, lt_arr y, lt_arr resid) {
    return product(l, &(struct lt_linear_args){.lin = &l->lin[which], .rows = l->T, .x = x, .y = y, .resid = resid}, false);
}
static lt_status back(lt_layer *l, int which, lt_arr dy, lt_arr dx, lt_arr resid) {
    return product(l, &(struct lt_linear_args){.lin = &l->lin[which], .rows = l->T, .x = dx, .y = dy, .resid = resid}, true);
}
static lt_status rotate(lt_layer *l, lt_arr q, lt_arr kv, int inverse) {
    int64_t D = l->shape->D;
    struct lt_rope_args a = {.rows = l->T, .head_dim = l->shape->D, .rot = l->shape->D, .pos = l->pos, .cos_sin = l->cos_sin};
    a.inverse = inverse;
    a.heads = l->shape->H;
    a.x = q;
    a.ld_x = l->shape->H * D;
    a.heads2 = l->shape->Hkv;
    a.x2 = kv;
    a.ld_x2 = 2 * l->shape->Hkv * D;
    return l->ctx.ops->rope(&l->ctx, &a);
}
static struct lt_attn_args attention(const lt_layer *l) {
    int64_t hd = (int64_t)l->shape->H * l->shape->D, kd = (int64_t)l->shape->Hkv * l->shape->D;
    struct lt_attn_args a = {.plan = &l->plan, .heads = l->shape->H, .kv_heads = l->shape->Hkv, .head_dim = l->shape->D};
    a.scale = 1 / sqrtf((float)l->shape->D);
    a.q = l->q;
    a.k = l->kv;
    a.v = lt_arr_at(l->kv, kd);
    a.ld_q = a.ld_dq = hd;
    a.ld_k = a.ld_v = a.ld_dk = a.ld_dv = 2 * kd;
    a.bank = l->bank;
    a.slot_stride = 2 * LT_BENCH_PREFIX * kd;
    a.o = l->o;
    a.lse = l->lse;
    a.d_o = l->d_o;
    a.dq = l->dq;
    a.dk = l->dkv;
    a.dv = lt_arr_at(l->dkv, kd);
    a.d_bank = l->d_bank;
    return a;
}
static struct lt_act_args gated(const lt_layer *l) {
    return (struct lt_act_args){.act = LT_ACT_SILU, .rows = l->T, .F = l->shape->F, .u = l->u, .h = l->h, .dh = l->dh, .du = l->u};
}

static const lt_arr none = {0};
/* What a product multiplies: the gradient's rounded rows where there are some. */
static lt_arr operand(lt_arr low, float *rows) { return low.p ? low : lt_arr_f32(rows); }
static lt_status f_norm1(lt_layer *l) { return norm(l, l->x, l->rstd[0]); }
static lt_status f_q(lt_layer *l) { return forward(l, LT_LAYER_Q, l->n, l->q, none); }
static lt_status f_kv(lt_layer *l) { return forward(l, LT_LAYER_KV, l->n, l->kv, none); }
static lt_status f_rope(lt_layer *l) { return rotate(l, l->q, l->kv, 0); }
static lt_status f_attn(lt_layer *l) {
    struct lt_attn_args a = attention(l);
    return l->ctx.ops->attn_fwd(&l->ctx, &a);
}
static lt_status f_o(lt_layer *l) { return forward(l, LT_LAYER_O, l->o, lt_arr_f32(l->x2), lt_arr_f32(l->x)); }
static lt_status f_norm2(lt_layer *l) { return norm(l, l->x2, l->rstd[1]); }
static lt_status f_up(lt_layer *l) { return forward(l, LT_LAYER_UP, l->n, l->u, none); }
static lt_status f_glu(lt_layer *l) {
    struct lt_act_args a = gated(l);
    return l->ctx.ops->glu_fwd(&l->ctx, &a);
}
static lt_status f_down(lt_layer *l) { return forward(l, LT_LAYER_DOWN, l->h, lt_arr_f32(l->y), lt_arr_f32(l->x2)); }
static lt_status b_down(lt_layer *l) { return back(l, LT_LAYER_DOWN, operand(l->dy_low, l->dy), l->dh, none); }
static lt_status b_glu(lt_layer *l) {
    struct lt_act_args a = gated(l);
    return l->ctx.ops->glu_bwd(&l->ctx, &a);
}
static lt_status b_up(lt_layer *l) { return back(l, LT_LAYER_UP, l->u, lt_arr_f32(l->dn), none); }
static lt_status b_norm2(lt_layer *l) { return norm_bwd(l, l->x2, l->rstd[1], l->dy, l->dx2, l->dx2_low); }
static lt_status b_o(lt_layer *l) { return back(l, LT_LAYER_O, operand(l->dx2_low, l->dx2), l->d_o, none); }
static lt_status b_attn(lt_layer *l) {
    struct lt_attn_args a = attention(l);
    return l->ctx.ops->attn_bwd(&l->ctx, &a);
}
static lt_status b_rope(lt_layer *l) { return rotate(l, l->dq, l->dkv, 1); }
static lt_status b_q(lt_layer *l) { return back(l, LT_LAYER_Q, l->dq, lt_arr_f32(l->dn), none); }
static lt_status b_kv(lt_layer *l) { return back(l, LT_LAYER_KV, l->dkv, lt_arr_f32(l->dn), lt_arr_f32(l->dn)); }
static lt_status b_norm1(lt_layer *l) { return norm_bwd(l, l->x, l->rstd[0], l->dx2, l->dx, l->dx_low); }

static void add(lt_layer *l, const char *name, lt_layer_kind kind, double flops, double bytes, lt_status (*run)(lt_layer *)) {
    l->step[l->n_steps++] = (lt_layer_step){name, kind, flops, bytes, run};
}

static void add_product(lt_layer *l, const char *name, int which, lt_status (*run)(lt_layer *)) {
    int64_t N, K;
    lt_layer_matrix(l->shape, which, &N, &K);
    double b = (double)lt_dtype_bytes(l->ctx.compute);
    add(l, name, LT_LAYER_PRODUCT, 2.0 * (double)l->T * (double)N * (double)K, b * ((double)l->T * (double)(N + K) + (double)N * (double)K),
        run);
}

static void list_steps(lt_layer *l) {
    const lt_bench_shape *s = l->shape;
    double T = (double)l->T, C = (double)s->C, F = (double)s->F, b = (double)lt_dtype_bytes(l->ctx.compute), D = s->D, H = s->H;
    double qkv = (double)(s->H + 2 * s->Hkv) * D,
           keys = 0.5 * (double)(l->length + 1) + LT_BENCH_PREFIX; /* that a query sees in the mean */
    double rows = T * (qkv + H * D) * b, pairs = T * keys * H;
    double rotated = 2 * T * (double)(s->H + s->Hkv) * D * b;
    add(l, "norm", LT_LAYER_ROWS, 0, T * C * (4 + b), f_norm1);
    add_product(l, "q", LT_LAYER_Q, f_q);
    add_product(l, "k, v", LT_LAYER_KV, f_kv);
    add(l, "rotation", LT_LAYER_ROWS, 0, rotated, f_rope);
    add(l, "attention", LT_LAYER_ATTENTION, 4 * D * pairs, rows, f_attn);
    add_product(l, "o", LT_LAYER_O, f_o);
    add(l, "norm", LT_LAYER_ROWS, 0, T * C * (4 + b), f_norm2);
    add_product(l, "gate, up", LT_LAYER_UP, f_up);
    add(l, "gated SiLU", LT_LAYER_ROWS, 0, 3 * T * F * b, f_glu);
    add_product(l, "down", LT_LAYER_DOWN, f_down);
    add_product(l, "down, backward", LT_LAYER_DOWN, b_down);
    add(l, "gated SiLU, backward", LT_LAYER_ROWS, 0, 5 * T * F * b, b_glu);
    add_product(l, "gate, up, backward", LT_LAYER_UP, b_up);
    add(l, "norm, backward", LT_LAYER_ROWS, 0, (b == 2 ? 18 : 16) * T * C, b_norm2);
    add_product(l, "o, backward", LT_LAYER_O, b_o);
    add(l, "attention, backward", LT_LAYER_ATTENTION, 10 * D * pairs, 2 * rows, b_attn);
    add(l, "rotation, backward", LT_LAYER_ROWS, 0, rotated, b_rope);
    add_product(l, "q, backward", LT_LAYER_Q, b_q);
    add_product(l, "k, v, backward", LT_LAYER_KV, b_kv);
    add(l, "norm, backward", LT_LAYER_ROWS, 0, (b == 2 ? 18 : 16) * T * C, b_norm1);
}

/* ---- memory ---- */

static void carve(lt_layer *l) {
    const lt_bench_shape *s = l->shape;
    lt_arena *a = &l->acts;
    int64_t T = l->T, hd = (int64_t)s->H * s->D, kd2 = 2 * (int64_t)s->Hkv * s->D, seqs = (T + l->length - 1) / l->length;
    lt_dtype dt = l->ctx.compute;
    size_t b = lt_dtype_bytes(dt);
    float **const streams[] = {&l->x, &l->x2, &l->y, &l->dy, &l->dx, &l->dx2, &l->dn};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) *streams[i] = lt_arena_take(a, T * s->C, 4);
    l->rstd[0] = lt_arena_take(a, T, 4);
    l->rstd[1] = lt_arena_take(a, T, 4);
    l->lse = lt_arena_take(a, T * s->H, 4);
    l->norm_w = lt_arena_take(a, s->C, 4);
    l->bank = lt_arena_take(a, SLOTS * LT_BENCH_PREFIX * kd2, 4);
    l->d_bank = lt_arena_take(a, SLOTS * LT_BENCH_PREFIX * kd2, 4);
    l->cos_sin = lt_arena_take(a, (int64_t)POSITIONS * s->D, 4);
    l->n = (lt_arr){lt_arena_take(a, T * s->C, b), dt};
    l->q = (lt_arr){lt_arena_take(a, T * hd, b), dt};
    l->kv = (lt_arr){lt_arena_take(a, T * kd2, b), dt};
    l->o = (lt_arr){lt_arena_take(a, T * hd, b), dt};
    l->d_o = (lt_arr){lt_arena_take(a, T * hd, b), dt};
    l->dq = (lt_arr){lt_arena_take(a, T * hd, b), dt};
    l->dkv = (lt_arr){lt_arena_take(a, T * kd2, b), dt};
    l->u = (lt_arr){lt_arena_take(a, 2 * T * s->F, b), dt};
    l->h = (lt_arr){lt_arena_take(a, T * s->F, b), dt};
    l->dh = (lt_arr){lt_arena_take(a, T * s->F, b), dt};
    lt_arr *const low[] = {&l->dy_low, &l->dx2_low, &l->dx_low};
    for (size_t i = 0; dt == LT_BF16 && i < sizeof low / sizeof *low; i++) *low[i] = (lt_arr){lt_arena_take(a, T * s->C, b), dt};
    l->pos = lt_arena_take(a, T, 4);
    l->plan.cu_q = lt_arena_take(a, seqs + 1, 4);
    l->plan.k_row0 = l->plan.cu_q; /* all rows are queries and keys */
    l->plan.k_len = lt_arena_take(a, seqs, 4);
    l->plan.first = lt_arena_take(a, T, 4);
    l->plan.end = lt_arena_take(a, T, 4);
    l->plan.q_index = l->pos;
    l->plan.slot = lt_arena_take(a, seqs, 4);
    l->plan.slot_len = lt_arena_take(a, SLOTS, 4);
    l->plan.n_seq = seqs;
    l->plan.n_q = l->plan.n_k = T;
    l->plan.n_slots = SLOTS;
    l->plan.max_q = l->plan.max_k = l->length < T ? l->length : T;
    l->plan.P_max = LT_BENCH_PREFIX;
    l->ctx.ws = lt_arena_take(a, (int64_t)l->ctx.ws_bytes, 1);
}

/* n elements of device memory, random with this scale: a pattern of PATTERN numbers again and again. */
static lt_status scatter(const lt_ctx *c, void *device, int64_t n, lt_dtype dt, double mean, double scale, void *host) {
    size_t b = lt_dtype_bytes(dt);
    lt_rng r = {.seed = 7, .purpose = LT_RNG_TEST};
    for (int64_t i = 0; i < PATTERN && i < n; i++) {
        float v = (float)(mean + scale * lt_rng_normal(&r, (uint64_t)i, 0));
        if (dt == LT_BF16)
            ((uint16_t *)host)[i] = lt_f32_to_bf16(v);
        else
            ((float *)host)[i] = v;
    }
    for (int64_t at = 0; at < n; at += PATTERN)
        LT_TRY(lt_ctx_upload(c, (unsigned char *)device + (size_t)at * b, host, (size_t)(n - at < PATTERN ? n - at : PATTERN) * b));
    return c->ops->wait(c, NULL);
}

/* Cosines and sines, as many positions at a time as host has room for. */
static lt_status fill_rotation(lt_layer *l, float *host) {
    int D = l->shape->D, at_once = PATTERN / D;
    for (int p0 = 0; p0 < POSITIONS; p0 += at_once) {
        int n = POSITIONS - p0 < at_once ? POSITIONS - p0 : at_once;
        for (int p = 0; p < n; p++)
            for (int d = 0; d < D / 2; d++) {
                double angle = (p0 + p) * pow(10000, -2.0 * d / D);
                host[p * D + d] = (float)cos(angle);
                host[p * D + D / 2 + d] = (float)sin(angle);
            }
        LT_TRY(lt_ctx_upload(&l->ctx, l->cos_sin + (int64_t)p0 * D, host, (size_t)(n * D) * sizeof *host));
        LT_TRY(l->ctx.ops->wait(&l->ctx, NULL));
    }
    return LT_OK;
}

static lt_status fill_rows(lt_layer *l, void *host) {
    const lt_ctx *c = &l->ctx;
    const lt_bench_shape *s = l->shape;
    int64_t bank = SLOTS * LT_BENCH_PREFIX * 2 * (int64_t)s->Hkv * s->D;
    LT_TRY(scatter(c, l->x, l->T * s->C, LT_F32, 0, 1, host));
    LT_TRY(scatter(c, l->dy, l->T * s->C, LT_F32, 0, 0.01, host));
    if (l->dy_low.p) LT_TRY(scatter(c, l->dy_low.p, l->T * s->C, LT_BF16, 0, 0.01, host));
    LT_TRY(scatter(c, l->norm_w, s->C, LT_F32, 1, 0.1, host));
    LT_TRY(scatter(c, l->bank, bank, LT_F32, 0, 1, host));
    LT_TRY(c->ops->fill(c, l->d_bank, 0, (size_t)bank * sizeof *l->d_bank));
    return fill_rotation(l, host);
}

static lt_status upload_words(const lt_ctx *c, const int32_t *device, const int32_t *host, int64_t n) {
    LT_TRY(lt_ctx_upload(c, (void *)(uintptr_t)device, host, (size_t)n * sizeof *host));
    return c->ops->wait(c, NULL);
}

/* Sequences of one length, the last what is left, under the slots by turns. */
static lt_status fill_plan(lt_layer *l) {
    const lt_attn_plan *p = &l->plan;
    const int32_t slot_len[SLOTS] = {LT_BENCH_PREFIX, LT_BENCH_PREFIX};
    int32_t *w = NULL;
    LT_TRY(lt_calloc(&w, 3 * (p->n_seq + 1) + 3 * l->T, sizeof *w, "a plan of attention"));
    int32_t *cu = w, *len = cu + p->n_seq + 1, *slot = len + p->n_seq + 1, *pos = slot + p->n_seq + 1, *end = pos + l->T,
            *first = end + l->T;
    for (int64_t i = 0; i < p->n_seq; i++) {
        cu[i + 1] = (int32_t)((i + 1) * l->length < l->T ? (i + 1) * l->length : l->T);
        len[i] = cu[i + 1] - cu[i];
        slot[i] = (int32_t)(i * SLOTS / p->n_seq); /* as the packer sorts them: by slot */
        for (int32_t t = cu[i]; t < cu[i + 1]; t++) {
            pos[t] = t - cu[i];
            end[t] = pos[t] + 1;
        }
    }
    lt_status st = upload_words(&l->ctx, p->cu_q, cu, p->n_seq + 1);
    if (st == LT_OK) st = upload_words(&l->ctx, p->k_len, len, p->n_seq);
    if (st == LT_OK) st = upload_words(&l->ctx, p->slot, slot, p->n_seq);
    if (st == LT_OK) st = upload_words(&l->ctx, p->slot_len, slot_len, SLOTS);
    if (st == LT_OK) st = upload_words(&l->ctx, l->pos, pos, l->T);
    if (st == LT_OK) st = upload_words(&l->ctx, p->first, first, l->T);
    if (st == LT_OK) st = upload_words(&l->ctx, p->end, end, l->T);
    free(w);
    return st;
}

static lt_status alloc_lins(lt_layer *l) {
    for (int i = 0; i < LT_LAYER_LINS; i++) {
        int64_t N, K;
        lt_layer_matrix(l->shape, i, &N, &K);
        LT_TRY(l->ctx.ops->lin_alloc(&l->ctx, &l->weights, N, K, &l->lin[i]));
    }
    return LT_OK;
}

/* Rows of random weights by panels, or all of them. */
static lt_status load_lin(const lt_ctx *c, lt_lin *lin, void *host) {
    double scale = 1 / sqrt((double)lin->K);
    if (lin->panel == 0) {
        LT_TRY(scatter(c, lin->w, lin->N * lin->K, lin->dt, 0, scale, host));
        return c->ops->lin_pack(c, lin, true);
    }
    void *rows = NULL;
    LT_TRY(lt_calloc(&rows, lin->panel * lin->K, lt_dtype_bytes(lin->dt), "weights of a layer"));
    lt_rng r = {.seed = 8, .purpose = LT_RNG_TEST};
    for (int64_t i = 0; i < lin->panel * lin->K; i++) {
        float v = (float)(scale * lt_rng_normal(&r, (uint64_t)(i % PATTERN), 0));
        if (lin->dt == LT_BF16)
            ((uint16_t *)rows)[i] = lt_f32_to_bf16(v);
        else
            ((float *)rows)[i] = v;
    }
    lt_status st = c->ops->lin_pack(c, lin, false);
    for (int64_t at = 0; st == LT_OK && at < lin->N; at += lin->panel) {
        st = c->ops->lin_rows(c, lin, at, lin->N - at < lin->panel ? lin->N - at : lin->panel, rows);
        LT_KEEP(st, c->ops->wait(c, NULL));
    }
    free(rows);
    return st;
}

/* The fastest way of each product, where the back end has several: as the model has it done before its first step. */
static lt_status tune(lt_layer *l) {
    const lt_lin *lin[LT_LAYER_LINS];
    if (!l->ctx.ops->tune) return LT_OK;
    for (int i = 0; i < LT_LAYER_LINS; i++) lin[i] = &l->lin[i];
    l->listing = true;
    for (int i = 0; i < l->n_steps; i++)
        if (l->step[i].kind == LT_LAYER_PRODUCT) LT_TRY(l->step[i].run(l));
    l->listing = false;
    return l->ctx.ops->tune(
        &l->ctx,
        &(struct lt_tune_args){.call = l->call, .backward = l->backward, .n_calls = l->n_calls, .lin = lin, .n_lins = LT_LAYER_LINS});
}

static lt_status build(lt_layer *l) {
    const lt_bench_shape *s = l->shape;
    lt_dims dims = {.rows = l->T, .max_len = l->length, .max_prefix = LT_BENCH_PREFIX, .slots = SLOTS, .head_dim = s->D};
    void *host = NULL;
    dims.width = 2 * s->F > s->C ? 2 * s->F : s->C;
    dims.seqs = (l->T + l->length - 1) / l->length;
    dims.heads = s->H;
    dims.kv_heads = s->Hkv;
    LT_TRY(l->ctx.ops->ctx_init(&l->ctx));
    l->ctx.ws_bytes = l->ctx.ops->ws_bytes(&l->ctx, &dims);
    lt_arena_measure(&l->weights, "weights of a layer");
    LT_TRY(alloc_lins(l));
    LT_TRY(lt_ctx_arena_init(&l->ctx, &l->weights, "weights of a layer", l->weights.used));
    LT_TRY(alloc_lins(l));
    lt_arena_measure(&l->acts, "rows of a layer");
    carve(l);
    LT_TRY(lt_ctx_arena_init(&l->ctx, &l->acts, "rows of a layer", l->acts.used));
    carve(l);
    LT_TRY(lt_arena_ok(&l->acts));
    LT_TRY(lt_calloc(&host, PATTERN, sizeof(float), "random numbers"));
    lt_status st = fill_rows(l, host);
    for (int i = 0; st == LT_OK && i < LT_LAYER_LINS; i++) st = load_lin(&l->ctx, &l->lin[i], host);
    free(host);
    LT_TRY(st);
    LT_TRY(fill_plan(l));
    LT_TRY(tune(l));
    return l->ctx.ops->wait(&l->ctx, NULL);
}

lt_status lt_layer_create(const lt_ops *ops, const lt_bench_shape *shape, lt_dtype compute, int64_t tokens, int64_t length, int threads,
                          lt_layer **layer) {
    lt_layer *l;
    LT_CHECK(length <= POSITIONS && shape->D <= 256, LT_ERR_ARG, "lengths to %d and heads to 256 are measured", POSITIONS);
    LT_TRY(lt_calloc(&l, 1, sizeof *l, "a layer"));
    *l = (lt_layer){.shape = shape, .T = tokens, .length = length, .ctx = {.ops = ops, .threads = threads, .compute = compute}};
    l->ctx.e4m3 = compute == LT_E4M3;
    if (l->ctx.e4m3) l->ctx.compute = LT_BF16;
    list_steps(l);
    lt_status st = build(l);
    if (st != LT_OK) lt_layer_destroy(&l);
    *layer = l;
    return st;
}

void lt_layer_destroy(lt_layer **layer) {
    lt_layer *l = *layer;
    if (!l) return;
    for (int i = 0; i < LT_LAYER_LINS; i++) l->ctx.ops->lin_fini(&l->lin[i]);
    lt_ctx_arena_fini(&l->ctx, &l->acts);
    lt_ctx_arena_fini(&l->ctx, &l->weights);
    l->ctx.ops->ctx_fini(&l->ctx);
    free(l);
    *layer = NULL;
}
