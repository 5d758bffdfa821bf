/* One side of a comparison; see side_impl.h. */
#include "check/side_impl.h"

#include "base/rng.h"
#include "kernels/tol.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double lt_side_get(const void *p, lt_dtype dt, int64_t i) {
    switch (dt) {
    case LT_BF16:
        return (double)lt_bf16_to_f32(((const uint16_t *)p)[i]);
    case LT_I32:
        return (double)((const int32_t *)p)[i];
    case LT_F64:
        return ((const double *)p)[i];
    default:
        return (double)((const float *)p)[i];
    }
}

static void set(void *p, lt_dtype dt, int64_t i, double v) {
    if (dt == LT_BF16)
        ((uint16_t *)p)[i] = lt_f32_to_bf16((float)v);
    else if (dt == LT_F64)
        ((double *)p)[i] = v;
    else if (dt == LT_I32)
        ((int32_t *)p)[i] = (int32_t)v;
    else
        ((float *)p)[i] = (float)v;
}

void lt_side_did(lt_side *s, lt_status st) {
    if (s->st == LT_OK) s->st = st;
}

static void fill(void *p, int64_t n, lt_dtype dt, double scale, int stream) {
    lt_rng r = {.seed = 2024, .purpose = LT_RNG_TEST, .a = (uint32_t)stream};
    for (int64_t i = 0; i < n; i++) set(p, dt, i, scale * lt_rng_normal(&r, (uint64_t)i, 0));
}

/* host NULL: random numbers.  Its address on the device; NULL on failure, which the side keeps. */
static void *add(lt_side *s, const char *tol, const void *host, int64_t n, lt_dtype dt, double scale) {
    size_t bytes = (size_t)n * lt_dtype_bytes(dt), whole = bytes + 2 * LT_SIDE_RIM;
    unsigned char *copy = NULL;
    void *raw = NULL;
    lt_side_array *a = &s->array[s->n];
    if (s->st == LT_OK && s->n == LT_SIDE_ARRAYS) s->st = LT_FAIL(LT_ERR_INTERNAL, "a case with more than %d arrays", LT_SIDE_ARRAYS);
    if (s->st == LT_OK) s->st = lt_calloc(&copy, (int64_t)whole, 1, "an array of a check");
    if (s->st == LT_OK) s->st = s->ctx->ops->alloc(s->ctx, whole, "an array of a check", &raw);
    if (s->st != LT_OK) {
        free(copy);
        return NULL;
    }
    *a = (lt_side_array){.raw = raw, .n = n, .dt = dt, .tol = tol};
    memset(copy, LT_SIDE_RIM_BYTE, whole);
    if (host)
        memcpy(copy + LT_SIDE_RIM, host, bytes);
    else
        fill(copy + LT_SIDE_RIM, n, dt, scale, s->n);
    s->n++;
    lt_side_did(s, lt_ctx_upload(s->ctx, a->raw, copy, whole));
    lt_side_did(s, s->ctx->ops->wait(s->ctx, NULL));
    free(copy);
    return a->raw + LT_SIDE_RIM;
}

lt_arr lt_side_in(lt_side *s, int64_t n, lt_dtype dt, double scale) { return (lt_arr){add(s, NULL, NULL, n, dt, scale), dt}; }
lt_arr lt_side_in_rounded(lt_side *s, int64_t n) {
    float *host = NULL;
    lt_arr a = lt_arr_f32(NULL);
    if (s->st == LT_OK) s->st = lt_calloc(&host, n, sizeof *host, "an array of a check");
    if (s->st != LT_OK) return a;
    fill(host, n, LT_F32, 1, s->n);
    for (int64_t i = 0; i < n; i++) host[i] = lt_bf16_to_f32(lt_f32_to_bf16(host[i]));
    a.p = lt_side_put(s, host, (size_t)n * sizeof *host);
    free(host);
    return a;
}
lt_arr lt_side_out(lt_side *s, const char *tol, int64_t n, lt_dtype dt, double scale) {
    return (lt_arr){add(s, tol, NULL, n, dt, scale), dt};
}
void *lt_side_put(lt_side *s, const void *host, size_t bytes) { return add(s, NULL, host, (int64_t)bytes, LT_U8, 0); }
lt_arr lt_side_put_out(lt_side *s, const char *tol, const void *host, int64_t n, lt_dtype dt) {
    return (lt_arr){add(s, tol, host, n, dt, 0), dt};
}

/* W goes by panels where the back end takes them, else whole. */
static lt_status load(const lt_ctx *c, lt_lin *lin, const void *w) {
    size_t row = (size_t)lin->K * lt_dtype_bytes(lin->dt);
    if (lin->panel > 0) {
        LT_TRY(c->ops->lin_pack(c, lin, false));
        for (int64_t at = 0; at < lin->N; at += lin->panel) {
            int64_t rows = lin->N - at < lin->panel ? lin->N - at : lin->panel;
            LT_TRY(c->ops->lin_rows(c, lin, at, rows, (const unsigned char *)w + (size_t)at * row));
        }
        return LT_OK;
    }
    LT_TRY(lt_ctx_upload(c, lin->w, w, (size_t)lin->N * row));
    LT_TRY(c->ops->wait(c, NULL));
    return c->ops->lin_pack(c, lin, true);
}

static lt_status make_layer(lt_side *s, int64_t N, int64_t K) {
    const lt_ctx *c = s->ctx;
    void *w = NULL;
    lt_arena_measure(&s->weights, "weights of a check");
    LT_TRY(c->ops->lin_alloc(c, &s->weights, N, K, &s->lin));
    LT_TRY(lt_ctx_arena_init(c, &s->weights, "weights of a check", s->weights.used));
    LT_TRY(c->ops->lin_alloc(c, &s->weights, N, K, &s->lin));
    LT_TRY(lt_calloc(&w, N * K, lt_dtype_bytes(s->lin.dt), "weights of a check"));
    fill(w, N * K, s->lin.dt, 1 / sqrt((double)K), -1);
    lt_status st = load(c, &s->lin, w);
    LT_KEEP(st, c->ops->wait(c, NULL));
    free(w);
    return st;
}

lt_lin *lt_side_layer(lt_side *s, int64_t N, int64_t K, bool with_bias) {
    if (s->st == LT_OK) s->st = make_layer(s, N, K);
    s->lin.bias = with_bias ? lt_side_in(s, N, LT_F32, 1).p : NULL;
    return &s->lin;
}

/* A check of the checks: the middle element off by what makes ten times the error that is allowed. */
static void spoil(lt_side_array *a) {
    unsigned char *at = a->host + LT_SIDE_RIM;
    double sum = 0;
    for (int64_t i = 0; i < a->n; i++) {
        double v = lt_side_get(at, a->dt, i);
        if (isfinite(v)) sum += v * v;
    }
    set(at, a->dt, a->n / 2, lt_side_get(at, a->dt, a->n / 2) + (a->tol[0] ? sqrt(10 * lt_tol_limit(a->tol, a->dt) * sum) : 1));
}

static lt_status collect(lt_side *s, lt_side_array *a) {
    size_t bytes = (size_t)a->n * lt_dtype_bytes(a->dt);
    LT_TRY(lt_calloc(&a->host, (int64_t)(bytes + 2 * LT_SIDE_RIM), 1, "an array of a check"));
    LT_TRY(lt_ctx_download(s->ctx, a->host, a->raw, bytes + 2 * LT_SIDE_RIM));
    for (size_t i = 0; i < LT_SIDE_RIM; i++)
        LT_CHECK(a->host[i] == LT_SIDE_RIM_BYTE && a->host[LT_SIDE_RIM + bytes + i] == LT_SIDE_RIM_BYTE, LT_ERR_INTERNAL,
                 "%s wrote outside array %d of the case (shapes %d)", s->ctx->ops->name, (int)(a - s->array), s->shape);
    return LT_OK;
}

lt_status lt_side_collect(lt_side *s) {
    LT_TRY(s->st);
    LT_TRY(s->ctx->ops->wait(s->ctx, NULL));
    for (int i = 0; i < s->n; i++) {
        LT_TRY(collect(s, &s->array[i]));
        if (!s->array[i].tol || !s->wrong) continue;
        spoil(&s->array[i]);
        s->wrong = false;
    }
    return LT_OK;
}

void lt_side_fini(lt_side *s) {
    if (!s->ctx) return;
    (void)s->ctx->ops->wait(s->ctx, NULL);
    for (int i = 0; i < s->n; i++) {
        s->ctx->ops->free(s->ctx, s->array[i].raw);
        free(s->array[i].host);
    }
    s->ctx->ops->lin_fini(&s->lin);
    lt_ctx_arena_fini(s->ctx, &s->weights);
    *s = (lt_side){0};
}
