// TEST timeout: 60
/* What is enqueued: copies of all kinds, events, graphs, loaders that copy from several threads; and the counts of it. */
#include "device/emulated/emulated.h"
#include "device/timer.h"
#include "emulator/planted.h"
#include "lt_test.h"

#include <pthread.h>

enum { SEEDS = 20 };

static const lt_gpu *gpu;
static lt_stream *a, *b;

static float *device(int n) {
    void *p = NULL;
    CHECK_OK(gpu->alloc((size_t)n * 4, "a test", &p));
    return p;
}
static lt_gpu_event *event(bool timed) {
    lt_gpu_event *e = NULL;
    CHECK_OK(gpu->event_create(timed, &e));
    return e;
}
static bool all_are(const float *x, int n, float want) {
    for (int i = 0; i < n; i++)
        if (x[i] != want) return false;
    return true;
}

/* Rows with pitches, there and back, and within the device. */
static void test_rows(void) {
    unsigned char from[7 * 13], to[7 * 11], want[7 * 11];
    float *x = device(100), *y = device(100);
    for (size_t i = 0; i < sizeof from; i++) from[i] = (unsigned char)(i * 5);
    memset(to, 9, sizeof to);
    memset(want, 9, sizeof want);
    for (int r = 0; r < 7; r++) memcpy(want + r * 11, from + r * 13, 10);
    CHECK_OK(gpu->copy(a, LT_GPU_TO_DEVICE, x, 16, from, 13, 10, 7));
    CHECK_OK(gpu->copy(a, LT_GPU_ON_DEVICE, y, 20, x, 16, 10, 7));
    CHECK_OK(gpu->copy(a, LT_GPU_TO_HOST, to, 11, y, 20, 10, 7));
    CHECK(memcmp(to, want, sizeof to) == 0);
    CHECK_FAILS(gpu->copy(a, LT_GPU_TO_DEVICE, x, 66, from, 13, 10, 7), LT_ERR_CUDA, "406 bytes");
    lt_emulated_forget();
    CHECK_FAILS(gpu->copy(a, LT_GPU_TO_DEVICE, from, 13, from, 13, 10, 7), LT_ERR_CUDA, "is not device memory (memory of the host)");
    lt_emulated_forget();
    CHECK_FAILS(gpu->copy(a, LT_GPU_TO_HOST, y, 20, x, 16, 10, 7), LT_ERR_CUDA, "the destination of a copy is device memory");
    lt_emulated_forget();
    CHECK_FAILS(gpu->fill(a, y, 0, 401), LT_ERR_CUDA, "go past the end");
    lt_emulated_forget();
    gpu->free(x);
    gpu->free(y);
}

/* Pageable memory may change as soon as copy() is back. */
static void test_pageable(void) {
    float host[128], got[128], *x = device(128);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        lt_emulated_seed(seed);
        for (int i = 0; i < 128; i++) host[i] = (float)seed;
        CHECK_OK(gpu->copy(a, LT_GPU_TO_DEVICE, x, 0, host, 0, 512, 1));
        for (int i = 0; i < 128; i++) host[i] = -1;
        CHECK_OK(gpu->copy(a, LT_GPU_TO_HOST, got, 0, x, 0, 512, 1));
        CHECK(all_are(got, 128, (float)seed));
    }
    gpu->free(x);
}

static void test_events(void) {
    lt_gpu_event *e = event(false), *from = event(true), *to = event(true);
    float ms = -1, got[128], *y = device(128);
    CHECK_FAILS(gpu->stream_wait(b, e), LT_ERR_INTERNAL, "never recorded");
    CHECK_FAILS(gpu->wait_event(e), LT_ERR_INTERNAL, "never recorded");
    for (uint64_t seed = 0; seed < SEEDS; seed++) { /* there and back: both streams write the same array in turn */
        lt_emulated_seed(seed);
        CHECK_OK(gpu->record(from, a));
        CHECK_OK(planted_fill(a, 1, 128, y));
        CHECK_OK(gpu->record(e, a));
        CHECK_OK(gpu->stream_wait(b, e));
        CHECK_OK(planted_fill(b, 2, 128, y));
        CHECK_OK(gpu->record(e, b));
        CHECK_OK(gpu->stream_wait(a, e));
        CHECK_OK(planted_copy(a, y, y));
        CHECK_OK(gpu->record(to, a));
        CHECK_OK(gpu->wait_event(to));
        CHECK_OK(gpu->elapsed_ms(from, to, &ms));
        CHECK(ms > 0 && ms < 1000);
        CHECK_OK(gpu->copy(b, LT_GPU_TO_HOST, got, 0, y, 0, 512, 1));
        CHECK(all_are(got, 128, 2));
    }
    CHECK_FAILS(gpu->elapsed_ms(e, to, &ms), LT_ERR_CUDA, "not timed");
    gpu->event_destroy(e);
    gpu->event_destroy(from);
    gpu->event_destroy(to);
    gpu->free(y);
}

/* Device times: much work takes longer than little, whenever it runs; while the timer is off nothing is recorded; a host that does not wait is told so. */
static void test_timer(void) {
    const int64_t room[LT_TIMED_KINDS] = {2, 2, 1, 1};
    double s[LT_TIMED_KINDS], sum[LT_TIMED_KINDS] = {0};
    lt_gpu_timer *t = NULL;
    float *x = device(4096);
    CHECK_OK(lt_gpu_timer_create(gpu, room, &t));
    for (uint64_t seed = 0; t && seed < SEEDS; seed++) {
        lt_emulated_seed(seed);
        lt_gpu_timer_switch(t, seed > 0);
        CHECK_OK(lt_gpu_timer_begin(t, LT_TIMED_LINEAR, a));
        CHECK_OK(planted_fill(a, 1, 128, x));
        CHECK_OK(lt_gpu_timer_end(t, LT_TIMED_LINEAR, a));
        CHECK_OK(lt_gpu_timer_begin(t, LT_TIMED_ATTENTION, a));
        for (int i = 0; i < 20; i++) CHECK_OK(planted_fill(a, 2, 4096, x));
        CHECK_OK(lt_gpu_timer_end(t, LT_TIMED_ATTENTION, a));
        CHECK_OK(gpu->wait(a));
        CHECK_OK(lt_gpu_timer_read(t, s));
        CHECK(seed > 0 ? s[LT_TIMED_LINEAR] > 0 && s[LT_TIMED_ATTENTION] > 0 : s[LT_TIMED_LINEAR] + s[LT_TIMED_ATTENTION] == 0);
        CHECK(s[LT_TIMED_SUM] + s[LT_TIMED_MESSAGE] == 0);
        for (int k = 0; k < LT_TIMED_KINDS; k++) sum[k] += s[k];
    }
    CHECK(sum[LT_TIMED_ATTENTION] > 4 * sum[LT_TIMED_LINEAR]); /* 640 times the work */
    CHECK(!(sum[LT_TIMED_LINEAR] > 4 * sum[LT_TIMED_ATTENTION]));
    lt_gpu_timer_switch(t, true);
    CHECK_OK(lt_gpu_timer_begin(t, LT_TIMED_SUM, a));
    CHECK_FAILS(lt_gpu_timer_read(t, s), LT_ERR_CUDA, "not reached and waited for"); /* it has no end */
    CHECK_OK(gpu->wait(a));
    lt_gpu_timer_destroy(&t);
    gpu->free(x);
}

/* A recording that forks: x and y are filled side by side, then y := x + row sums of x ... by planted_sum, three launches. */
static lt_status record_fork(lt_gpu_graph **g, float *x, float *y, bool join) {
    lt_gpu_event *e = event(false), *f = event(false);
    lt_status st = gpu->capture_begin(a);
    if (st == LT_OK) st = gpu->record(e, a);
    if (st == LT_OK) st = gpu->stream_wait(b, e);
    if (st == LT_OK) st = planted_fill(b, 2, 256, y);
    if (st == LT_OK) st = planted_fill(a, 3, 256, x);
    if (st == LT_OK) st = gpu->record(f, b);
    if (st == LT_OK && join) st = gpu->stream_wait(a, f);
    if (st == LT_OK) st = planted_sum(a, 0, x, y);
    lt_status end = gpu->capture_end(a, g);
    gpu->event_destroy(e);
    gpu->event_destroy(f);
    return st == LT_OK ? end : st;
}

static void test_graph(void) {
    lt_gpu_graph *g = NULL;
    float got[256], *x = device(256), *y = device(256);
    CHECK_OK(record_fork(&g, x, y, true));
    CHECK_OK(gpu->fill(a, y, 0, 1024));
    CHECK_OK(gpu->copy(a, LT_GPU_TO_HOST, got, 0, y, 0, 1024, 1));
    CHECK(all_are(got, 256, 0)); /* nothing ran while it was recorded */
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        lt_emulated_seed(seed);
        CHECK_OK(gpu->fill(a, x, 0, 1024));
        CHECK_OK(gpu->graph_launch(g, a));
        CHECK_OK(gpu->graph_launch(g, a));
        CHECK_OK(gpu->copy(a, LT_GPU_TO_HOST, got, 0, y, 0, 1024, 1));
        CHECK(all_are(got, 256, 384));
    }
    gpu->graph_destroy(g);
    CHECK_FAILS(record_fork(&g, x, y, false), LT_ERR_CUDA, "is not waited for at its end");
    CHECK_OK(gpu->capture_begin(a));
    CHECK_FAILS(gpu->wait(a), LT_ERR_CUDA, "is being recorded");
    CHECK_FAILS(gpu->copy(a, LT_GPU_TO_HOST, got, 0, y, 0, 1024, 1), LT_ERR_CUDA, "cannot be recorded");
    CHECK_OK(gpu->capture_end(a, &g));
    gpu->graph_destroy(g);
    gpu->free(x);
    gpu->free(y);
}

/* Loaders: each copies its part, in pieces through pinned memory of its own, on one stream. */
enum { LOADERS = 4, PIECES = 40, PIECE = 1000 };
static float *loaded;
static void *load(void *arg) {
    int who = (int)(intptr_t)arg;
    void *h = NULL;
    lt_gpu_event *e = NULL;
    bool ok = gpu->alloc_host(PIECE * 4, "a piece", &h) == LT_OK && gpu->event_create(false, &e) == LT_OK;
    float *host = h;
    for (int i = 0; ok && i < PIECES; i++) {
        if (i) ok = gpu->wait_event(e) == LT_OK;
        for (int k = 0; k < PIECE; k++) host[k] = (float)((who * PIECES + i) * PIECE + k);
        ok = ok && gpu->copy(a, LT_GPU_TO_DEVICE, loaded + (who * PIECES + i) * PIECE, 0, host, 0, PIECE * 4, 1) == LT_OK &&
             gpu->record(e, a) == LT_OK;
    }
    ok = ok && gpu->wait_event(e) == LT_OK;
    gpu->event_destroy(e);
    gpu->free_host(h);
    return ok ? arg : NULL;
}
static void test_loaders(void) {
    enum { N = LOADERS * PIECES * PIECE };
    pthread_t thread[LOADERS];
    float *got = malloc(N * sizeof *got);
    int wrong = 0;
    loaded = device(N);
    for (intptr_t i = 0; i < LOADERS; i++) CHECK(pthread_create(&thread[i], NULL, load, (void *)i) == 0);
    for (intptr_t i = 0; i < LOADERS; i++) {
        void *result = NULL;
        CHECK(pthread_join(thread[i], &result) == 0);
        CHECK(result == (void *)i);
    }
    CHECK_OK(gpu->copy(b, LT_GPU_TO_HOST, got, 0, loaded, 0, N * 4, 1));
    for (int i = 0; i < N; i++) wrong += got[i] != (float)i;
    CHECK_INT(wrong, 0);
    gpu->free(loaded);
    free(got);
}

/* A stream that is destroyed still does what it holds; memory is freed when nobody works on it any more. */
static void test_ends(void) {
    lt_stream *s = NULL;
    float got[128], *x = device(128), *y = device(128);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        lt_emulated_seed(seed);
        lt_gpu_event *e = event(false);
        CHECK_OK(gpu->stream_create(false, &s));
        CHECK_OK(gpu->fill(s, y, 0, 512));
        CHECK_OK(planted_fill(s, (float)seed, 128, y));
        CHECK_OK(gpu->record(e, s));
        CHECK_OK(gpu->stream_wait(a, e));
        gpu->stream_destroy(s);
        CHECK_OK(gpu->copy(a, LT_GPU_TO_HOST, got, 0, y, 0, 512, 1));
        CHECK(all_are(got, 128, (float)seed));
        gpu->event_destroy(e);
        float *z = device(128);
        CHECK_OK(planted_copy(a, y, z));
        CHECK_OK(planted_copy(a, z, x));
        gpu->free(z);
        CHECK_OK(gpu->copy(a, LT_GPU_TO_HOST, got, 0, x, 0, 512, 1));
        CHECK(all_are(got, 128, (float)seed));
    }
    CHECK_FAILS(planted_fill(s, 1, 128, y), LT_ERR_CUDA, "on a stream that is not there");
    lt_emulated_forget();
    gpu->free(x);
    gpu->free(y);
    CHECK_OK(gpu->wait(a));
    gpu->free(y);
    CHECK_FAILS(gpu->wait(a), LT_ERR_CUDA, "which is not allocated so");
    lt_emulated_forget();
}

static void test_counts(void) {
    lt_gpu_counts was = *gpu->counts();
    float host[128] = {0}, *x = device(128);
    CHECK_OK(gpu->copy(a, LT_GPU_TO_DEVICE, x, 0, host, 0, 512, 1));
    CHECK_OK(planted_fill(a, 1, 128, x));
    CHECK_OK(planted_fill(a, 1, 128, x));
    CHECK_OK(gpu->copy(a, LT_GPU_TO_HOST, host, 0, x, 0, 100, 1));
    CHECK_OK(gpu->wait(a));
    const lt_gpu_counts *is = gpu->counts();
    CHECK(is->launches - was.launches == 2 && is->copies - was.copies == 2 && is->waits - was.waits == 1 && is->allocs - was.allocs == 1);
    CHECK(is->bytes_to_device - was.bytes_to_device == 512 && is->bytes_to_host - was.bytes_to_host == 100);
    gpu->free(x);
}

int main(void) {
    lt_gpu_info info;
    gpu = lt_gpu_emulated();
    CHECK_OK(gpu->open(0, &info));
    CHECK_OK(gpu->stream_create(false, &a));
    CHECK_OK(gpu->stream_create(true, &b));
    test_rows();
    test_pageable();
    test_events();
    test_timer();
    test_graph();
    test_loaders();
    test_ends();
    test_counts();
    gpu->stream_destroy(a);
    gpu->stream_destroy(b);
    return test_end();
}
