/* Speeds: steps of a layer, copies, sums over ranks.  Every rank measures at the same time, and the slowest is told. */
#include "check/bench.h"
#include "check/check_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { REPEATS = 10 };

static bool emulated(const lt_ops *ops) { return ops->gpu && ops->gpu == lt_gpu_emulated(); }

/* ---- the steps of a layer ---- */

static double peak_of(const lt_check *k, lt_dtype dt) { return dt == LT_BF16 ? lt_bench_peak(k->device->info.name) : 0; }

/* The narrowest and the widest product, both ways, attention, and the layer as a whole. */
static void speed_of_layer(lt_check *k, lt_dtype dt) {
    static const char *const shown[] = {"q", "q, backward", "gate, up", "gate, up, backward", "attention", "attention, backward"};
    lt_bench b = {.dtype = dt, .length = 80, .repeats = k->quick ? 1 : 0};
    const lt_ops *ops = k->device->ops;
    double peak = peak_of(k, dt), flops = 0;
    lt_status st = lt_bench_find(lt_bench_default(ops, &b.tokens), &b.shape);
    if (st == LT_OK) st = lt_bench_run(ops, lt_comm_default_threads(k->world, 0), &b);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        const lt_bench_line *line = NULL;
        char note[64] = "";
        for (int n = 0; st == LT_OK && n < b.n; n++)
            if (strcmp(b.line[n].name, shown[i]) == 0) line = &b.line[n];
        double speed = line ? line->flops / line->seconds : 0;
        if (peak > 0) (void)snprintf(note, sizeof note, "%.0f %% of peak", 100 * speed / peak);
        lt_check_add_speed(k, st, 1e-12 * speed, "TFLOP/s", note, "%s, %s", shown[i], lt_dtype_name(dt));
    }
    for (int n = 0; n < b.n; n++) flops += b.line[n].flops;
    char note[64] = "";
    if (st == LT_OK && peak > 0) (void)snprintf(note, sizeof note, "MFU %.1f %%", 100 * flops / b.whole_s / peak);
    lt_check_add_speed(k, st, 1e-12 * flops / (b.whole_s + 1e-30), "TFLOP/s", note, "a layer of %s, %s, %lld tokens", b.shape.name,
                       lt_dtype_name(dt), (long long)b.tokens);
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

void lt_check_speeds(lt_check *k) {
    lt_check_heading(k, "\nspeeds, of the slowest rank\n");
    speed_of_layer(k, LT_BF16);
    if (!k->quick) speed_of_layer(k, LT_E4M3);
    if (!k->quick) speed_of_layer(k, LT_F32);
    speed_of_copies(k);
    speed_of_sums(k);
}
