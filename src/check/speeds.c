/* Speeds: products, copies, sums over ranks, a layer.  Every rank measures at the same time, and the slowest is told. */
#include "check/bench.h"
#include "check/check_impl.h"
#include "check/side_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { REPEATS = 10 };

static bool emulated(const lt_ops *ops) { return ops->gpu && ops->gpu == lt_gpu_emulated(); }

/* ---- products ---- */

typedef struct product {
    int64_t rows, N, K;
} product;

/* The narrowest and the widest product of 7B, smaller where that would take long. */
static product size_of(const lt_check *k, int which) {
    static const product full[] = {{8448, 4096, 4096}, {8448, 22016, 4096}}, cpu[] = {{1024, 1024, 1024}, {1024, 5504, 1024}},
                         tiny[] = {{64, 128, 128}, {64, 352, 128}};
    return (emulated(k->device->ops) ? tiny : k->device->ops->gpu ? full : cpu)[which];
}

static lt_status time_product(const lt_ctx *c, product p, bool backward, double *seconds) {
    lt_side s = {.ctx = c, .dt = c->compute};
    lt_watch w = {0};
    double t[REPEATS];
    struct lt_linear_args a = {.lin = lt_side_layer(&s, p.N, p.K, false), .rows = p.rows};
    a.x = lt_side_in(&s, p.rows * p.K, c->compute, 1);
    a.y = lt_side_in(&s, p.rows * p.N, c->compute, 1);
    lt_status st = s.st;
    if (st == LT_OK) st = lt_watch_init(&w, c);
    for (int i = -1; st == LT_OK && i < REPEATS; i++) { /* -1: warm */
        double once = 0;
        st = lt_watch_start(&w);
        if (st == LT_OK) st = backward ? c->ops->linear_bwd_x(c, &a) : c->ops->linear_fwd(c, &a);
        if (st == LT_OK) st = lt_watch_stop(&w, &once);
        if (i >= 0) t[i] = once;
    }
    if (st == LT_OK) *seconds = lt_check_median(t, REPEATS);
    lt_watch_fini(&w);
    lt_side_fini(&s);
    return st;
}

static void speed_of_products(lt_check *k, lt_dtype compute) {
    lt_ctx c = {.ops = k->device->ops, .threads = lt_comm_default_threads(k->world, 0), .compute = compute};
    product wide = size_of(k, 1);
    double peak = lt_bench_peak(k->device->info.name);
    lt_status st = c.ops->ctx_init(&c);
    c.ws_bytes =
        st == LT_OK ? c.ops->ws_bytes(&c, &(lt_dims){.rows = wide.rows, .width = wide.N, .heads = 1, .kv_heads = 1, .head_dim = 8}) : 0;
    if (st == LT_OK) st = c.ops->alloc(&c, c.ws_bytes + 1, "workspace", &c.ws);
    for (int i = 0; i < (compute == LT_BF16 ? 4 : 1); i++) {
        product p = size_of(k, i / 2);
        double seconds = 0, flops = 2.0 * (double)p.rows * (double)p.N * (double)p.K;
        lt_status did = st == LT_OK ? time_product(&c, p, i % 2 == 1, &seconds) : st;
        char note[64] = "";
        if (seconds > 0 && peak > 0 && compute == LT_BF16)
            (void)snprintf(note, sizeof note, "%.0f %% of peak", 100 * flops / seconds / peak);
        lt_check_add_speed(k, did, 1e-12 * flops / (seconds + 1e-30), "TFLOP/s", note, "product %s, %s [%lld, %lld, %lld]",
                           i % 2 ? "backward" : "forward", lt_dtype_name(compute), (long long)p.rows, (long long)p.N, (long long)p.K);
    }
    if (c.ws) c.ops->free(&c, c.ws);
    c.ops->ctx_fini(&c);
}

/* ---- copies ---- */

static lt_status time_copy(const lt_ctx *c, lt_copy_kind kind, void *dst, const void *src, size_t bytes, double *seconds) {
    lt_watch w = {0};
    double t[REPEATS];
    lt_status st = lt_watch_init(&w, c);
    for (int i = -1; st == LT_OK && i < REPEATS; i++) {
        double once = 0;
        st = lt_watch_start(&w);
        if (st == LT_OK) st = c->ops->copy(c, &(struct lt_copy_args){.kind = kind, .dst = dst, .src = src, .rows = 1, .row_bytes = bytes});
        if (st == LT_OK) st = lt_watch_stop(&w, &once);
        if (i >= 0) t[i] = once;
    }
    if (st == LT_OK) *seconds = lt_check_median(t, REPEATS);
    lt_watch_fini(&w);
    return st;
}

static void speed_of_copies(lt_check *k) {
    static const char *const name[] = {
        [LT_COPY_TO_DEVICE] = "host to device", [LT_COPY_TO_HOST] = "device to host", [LT_COPY_ON_DEVICE] = "on the device"};
    lt_ctx c = {.ops = k->device->ops, .threads = 1, .compute = LT_F32};
    size_t bytes = (size_t)(emulated(c.ops) ? 4 : c.ops->gpu ? 256 : 64) << 20;
    void *host = NULL, *a = NULL, *b = NULL;
    lt_status st = c.ops->ctx_init(&c);
    if (st == LT_OK) st = c.ops->host_alloc(&c, bytes, "a copy", &host);
    if (st == LT_OK) st = c.ops->alloc(&c, bytes, "a copy", &a);
    if (st == LT_OK) st = c.ops->alloc(&c, bytes, "a copy", &b);
    for (lt_copy_kind kind = LT_COPY_TO_DEVICE; kind <= LT_COPY_ON_DEVICE; kind++) {
        double seconds = 0;
        void *dst = kind == LT_COPY_TO_HOST ? host : a;
        lt_status did = st == LT_OK ? time_copy(&c, kind, dst, kind == LT_COPY_TO_DEVICE ? host : b, bytes, &seconds) : st;
        lt_check_add_speed(k, did, 1e-9 * (double)bytes / (seconds + 1e-30), "GB/s", "", "copy %s, %d MiB", name[kind], (int)(bytes >> 20));
    }
    if (a) c.ops->free(&c, a);
    if (b) c.ops->free(&c, b);
    if (host) c.ops->host_free(&c, host);
    c.ops->ctx_fini(&c);
}

/* ---- sums ---- */

/* Collective(world).  Seconds of one sum over all ranks. */
static double time_sum(lt_check *k, const lt_ctx *c, lt_buffer *b, int64_t elems) {
    double t[REPEATS];
    for (int i = -1; i < REPEATS; i++) {
        lt_barrier(k->world);
        double t0 = lt_check_now();
        lt_allreduce(b, 0, elems, c->stream);
        lt_status st = c->ops->wait(c, NULL);
        if (st != LT_OK) lt_fatal(k->world, st);
        if (i >= 0) t[i] = lt_check_now() - t0;
    }
    return lt_check_median(t, REPEATS);
}

static void speed_of_sums(lt_check *k) {
    lt_ctx c = {.ops = k->device->ops, .threads = 1, .compute = LT_F32};
    int n = lt_comm_size(k->world), most = emulated(c.ops) ? 18 : c.ops->gpu ? 26 : 24;
    lt_buffer *b = NULL;
    if (n == 1) return;
    lt_status st = lt_agree(k->world, c.ops->ctx_init(&c));
    if (st == LT_OK) st = lt_buffer_alloc(k->world, (size_t)1 << most, c.ops->gpu, &b);
    if (st == LT_OK) st = lt_agree(k->world, c.ops->attach(&c, lt_buffer_data(b), lt_buffer_bytes(b)));
    if (st != LT_OK) lt_check_add_speed(k, st, 0, "GB/s", "", "sum over %d ranks", n);
    if (st == LT_OK) {
        lt_ctx_hook_buffer(&c, b);
        for (int shift = most - 12; shift <= most; shift += 6) {
            size_t bytes = (size_t)1 << shift;
            double seconds = time_sum(k, &c, b, (int64_t)(bytes / sizeof(float)));
            char text[32], note[64];
            (void)snprintf(note, sizeof note, "%.1f us, %s", 1e6 * seconds, lt_comm_transport(k->world));
            lt_check_add_speed(k, LT_OK, 1e-9 * (double)bytes * 2 * (n - 1) / n / seconds, "GB/s", note,
                               "sum over %d ranks, %s: bus bandwidth", n, lt_bytes_str(text, (double)bytes));
        }
        c.ops->detach(&c, lt_buffer_data(b));
    }
    lt_buffer_free(&b);
    c.ops->ctx_fini(&c);
}

/* ---- a layer ---- */

static void speed_of_layer(lt_check *k) {
    lt_bench b = {.dtype = LT_BF16, .length = 80};
    const lt_ops *ops = k->device->ops;
    lt_status st = lt_bench_find(lt_bench_default(ops, &b.tokens), &b.shape);
    double peak = lt_bench_peak(k->device->info.name), flops = 0;
    if (st == LT_OK) st = lt_bench_run(ops, lt_comm_default_threads(k->world, 0), &b);
    for (int i = 0; i < b.n; i++) flops += b.line[i].flops;
    char note[64] = "";
    if (st == LT_OK && peak > 0) (void)snprintf(note, sizeof note, "%.1f %% of peak (MFU of a layer)", 100 * flops / b.whole_s / peak);
    lt_check_add_speed(k, st, 1e-12 * flops / (b.whole_s + 1e-30), "TFLOP/s", note, "layer of %s, bf16, %lld tokens of length %lld",
                       b.shape.name, (long long)b.tokens, (long long)b.length);
}

void lt_check_speeds(lt_check *k) {
    lt_check_heading(k, "\nspeeds, of the slowest rank\n");
    speed_of_products(k, LT_BF16);
    speed_of_products(k, LT_F32);
    speed_of_copies(k);
    speed_of_sums(k);
    if (!k->quick) speed_of_layer(k);
}
