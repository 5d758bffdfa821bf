/* Every entry of a step on the device against ref.
 *
 * The device runs a case twice; the bits must be the same.  What is measured is the worst part of its limit (kernels/tol.h) that the error of an output takes,
 * and the line shows the error and the limit of that output. */
#include "check/check_impl.h"
#include "check/side_impl.h"

#include "kernels/tol.h"

#include <math.h>
#include <string.h>

/* The worst output so far. */
typedef struct verdict {
    double nmse, limit, share;
    int shapes;
    bool uses_bf16;
} verdict;

typedef struct bench {
    lt_ctx ref, device;
} bench;

static size_t workspace(const lt_ctx *c) {
    lt_dims d = {.rows = 128, .width = 256, .seqs = 4, .max_len = 64, .heads = 1, .kv_heads = 1, .head_dim = 8};
    size_t most = c->ops->ws_bytes(c, &d);
    for (int i = 0; lt_check_impl_attn_dims(i, &d); i++) {
        size_t bytes = c->ops->ws_bytes(c, &d);
        if (bytes > most) most = bytes;
    }
    return most;
}

static lt_status open_ctx(lt_ctx *c, const lt_ops *ops, lt_dtype type, int threads) {
    *c = (lt_ctx){.ops = ops, .threads = threads, .compute = type == LT_E4M3 ? LT_BF16 : type, .e4m3 = type == LT_E4M3};
    LT_TRY(ops->ctx_init(c));
    c->ws_bytes = workspace(c);
    return ops->alloc(c, c->ws_bytes + 1, "workspace", &c->ws);
}

static void close_ctx(lt_ctx *c) {
    if (!c->ops) return;
    c->ops->free(c, c->ws);
    c->ops->ctx_fini(c);
    *c = (lt_ctx){0};
}

static double nmse(const lt_side_array *got, const lt_side_array *want) {
    double num = 0, den = 1e-300;
    for (int64_t i = 0; i < want->n; i++) {
        double a = lt_side_get(got->host + LT_SIDE_RIM, got->dt, i), b = lt_side_get(want->host + LT_SIDE_RIM, want->dt, i);
        if (a == b) continue; /* infinities among them */
        num += (a - b) * (a - b);
    }
    for (int64_t i = 0; i < want->n; i++) {
        double b = lt_side_get(want->host + LT_SIDE_RIM, want->dt, i);
        if (isfinite(b)) den += b * b;
    }
    return isnan(num / den) ? INFINITY : num / den;
}

/* One side: fresh arrays, a workspace of NaN, the case, its outputs on the host.  more: there were such shapes. */
static lt_status one_side(const lt_ctx *c, lt_check_case *run, lt_dtype dt, int shape, bool wrong, lt_side *s, bool *more) {
    *s = (lt_side){.ctx = c, .dt = dt, .shape = shape, .wrong = wrong};
    LT_TRY(c->ops->fill(c, c->ws, 0xFF, c->ws_bytes));
    *more = run(s);
    return *more ? lt_side_collect(s) : LT_OK;
}

static lt_status judge(const lt_side side[3], verdict *v) {
    for (int i = 0; i < side[0].n; i++) {
        const lt_side_array *want = &side[0].array[i], *got = &side[1].array[i], *again = &side[2].array[i];
        if (!want->tol) continue;
        size_t bytes = (size_t)want->n * lt_dtype_bytes(want->dt);
        LT_CHECK(memcmp(got->host + LT_SIDE_RIM, again->host + LT_SIDE_RIM, bytes) == 0, LT_ERR_INTERNAL,
                 "two runs differ in output %d of shapes %d", i, side[0].shape);
        double limit = got->tol[0] ? lt_tol_limit(got->tol, got->dt) : 0, /* back ends may have their own */
            error = nmse(got, want);
        double share = error == 0 ? 0 : error / limit;
        if (share >= v->share)
            *v = (verdict){.nmse = error, .limit = limit, .share = share, .shapes = v->shapes, .uses_bf16 = v->uses_bf16};
    }
    return LT_OK;
}

static void note_types(const lt_side *s, verdict *v) {
    v->uses_bf16 |= s->lin.N > 0;
    for (int i = 0; i < s->n; i++) v->uses_bf16 |= s->array[i].dt == LT_BF16;
}

/* All shapes of a case. */
static lt_status one_op(const bench *b, lt_check_case *run, lt_dtype dt, bool wrong, verdict *v) {
    lt_status st = LT_OK;
    *v = (verdict){0};
    for (bool more = true; st == LT_OK && more;) {
        lt_side side[3] = {{0}};
        for (int i = 0; i < 3 && st == LT_OK && more; i++)
            st = one_side(i ? &b->device : &b->ref, run, dt, v->shapes, wrong && i, &side[i], &more);
        note_types(&side[0], v);
        if (st == LT_OK && more) st = judge(side, v);
        for (int i = 0; i < 3; i++) lt_side_fini(&side[i]);
        v->shapes += more;
        if (wrong) break; /* one wrong output is enough */
    }
    return st;
}

/* type: LT_E4M3 for frozen layers in FP8, with rows in bf16. */
static void one_type(lt_check *k, lt_dtype type) {
    static const struct {
        const char *name;
        lt_check_case *run;
    } cases[] = {
#define CASE(name, args) {#name, lt_check_impl_##name},
        LT_OPS_LIST(CASE)
#undef CASE
    };
    const lt_dtype dt = type == LT_E4M3 ? LT_BF16 : type;
    bench b = {0};
    lt_status st = open_ctx(&b.ref, lt_ops_ref(), type, 1);
    if (st == LT_OK) st = open_ctx(&b.device, k->device->ops, type, lt_comm_default_threads(k->world, 0));
    st = lt_agree(k->world, st);
    if (st != LT_OK) lt_check_add(k, "ops", st, INFINITY, 0, "handles of %s for %s", k->device->ops->name, lt_dtype_name(type));
    for (size_t i = 0; st == LT_OK && i < sizeof cases / sizeof *cases; i++) {
        verdict v;
        if (type == LT_E4M3 && strncmp(cases[i].name, "linear_", 7) != 0) continue;
        lt_status did = one_op(&b, cases[i].run, dt, lt_check_breaks(k, cases[i].name), &v);
        if (dt == LT_BF16 && lt_max_host(k->world, v.uses_bf16) == 0) continue; /* an op in f32 alone: it had its line */
        lt_check_add(k, "ops", did, v.nmse, v.limit, "%s, %s, %d shape%s: NMSE; same bits twice", cases[i].name, lt_dtype_name(type),
                     v.shapes, v.shapes == 1 ? "" : "s");
    }
    close_ctx(&b.device);
    close_ctx(&b.ref);
}

void lt_check_ops(lt_check *k) {
    lt_check_heading(k, "\nops of %s against ref\n", k->device->ops->name);
    one_type(k, LT_F32);
    one_type(k, LT_BF16);
    one_type(k, LT_E4M3);
}
