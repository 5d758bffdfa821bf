// TEST timeout: 60
/* The emulator computes: barriers, shuffles, matrices, products, copies. */
#include "device/emulated/emulated.h"
#include "emulator/kernels.h"
#include "lt_test.h"
#include "tensor/tensor.h"

static const lt_gpu *gpu;
static lt_stream *stream;

static float number(uint32_t *s) {
    *s = *s * 1664525u + 1013904223u;
    return (float)(*s >> 8) / 8388608.0f - 1.0f;
}

static void *managed(size_t bytes) {
    void *p = NULL;
    CHECK_OK(gpu->alloc_managed(bytes, &p));
    return p;
}

static void test_sum(void) {
    float *x = managed(256 * 4), *y = managed(256 * 4);
    int wrong = 0;
    for (int i = 0; i < 256; i++) x[i] = (float)i;
    for (uint64_t seed = 0; seed < 20; seed++) {
        lt_emulated_seed(seed);
        memset(y, 0, 256 * 4);
        CHECK_OK(k_sum(stream, x, y));
        CHECK_OK(gpu->wait(stream));
        for (int i = 0; i < 256; i++) wrong += y[i] != (i < 128 ? 8128.0f : 8128.0f + 128 * 128);
    }
    CHECK_INT(wrong, 0);
    gpu->free_managed(x);
    gpu->free_managed(y);
}

/* Operands are small integers: every sum is exact. */
static void test_multiply(void) {
    uint16_t *a = managed(16 * 16 * 2), *b = managed(16 * 8 * 2);
    float *d = managed(16 * 8 * 4);
    int wrong = 0;
    uint32_t s = 1;
    for (int i = 0; i < 256; i++) a[i] = lt_f32_to_bf16(roundf(number(&s) * 8));
    for (int i = 0; i < 128; i++) b[i] = lt_f32_to_bf16(roundf(number(&s) * 8));
    CHECK_OK(k_multiply(stream, a, b, d));
    CHECK_OK(gpu->wait(stream));
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++) {
            float want = 0;
            for (int k = 0; k < 16; k++) want += lt_bf16_to_f32(a[i * 16 + k]) * lt_bf16_to_f32(b[k * 8 + j]);
            wrong += d[i * 8 + j] != want;
        }
    CHECK_INT(wrong, 0);
    gpu->free_managed(a);
    gpu->free_managed(b);
    gpu->free_managed(d);
}

int main(void) {
    lt_gpu_info info;
    gpu = lt_gpu_emulated();
    CHECK_OK(gpu->open(0, &info));
    CHECK_OK(gpu->stream_create(false, &stream));
    test_sum();
    test_multiply();
    gpu->stream_destroy(stream);
    return test_end();
}
