// TEST timeout: 60
/* Kernels compute: barriers, shuffles, votes, atomics, matrices, shared memory, under 20 orders of threads; roundings bit for bit. */
#include "device/emulated/emulated.h"
#include "emulator/warp.h"
#include "lt_test.h"
#include "tensor/tensor.h"

enum { SEEDS = 20 };

static const lt_gpu *gpu;
static lt_stream *stream;

static void *managed(size_t bytes) {
    void *p = NULL;
    CHECK_OK(gpu->alloc_managed(bytes, &p));
    return p;
}

static void test_sum(void) {
    float *x = managed(256 * 4), *y = managed(256 * 4);
    int wrong = 0;
    for (int i = 0; i < 256; i++) x[i] = (float)i;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        lt_emulated_seed(seed);
        memset(y, 0, 256 * 4);
        CHECK_OK(warp_sum(stream, x, y));
        CHECK_OK(gpu->wait(stream));
        for (int i = 0; i < 256; i++) wrong += y[i] != (i < 128 ? 8128.0f : 8128.0f + 128 * 128);
    }
    CHECK_INT(wrong, 0);
    gpu->free_managed(x);
    gpu->free_managed(y);
}

static int small_integer(uint32_t *s) {
    *s = *s * 1664525u + 1013904223u;
    return (int)(*s >> 24) % 17 - 8;
}

/* Operands are small integers: every sum is exact, and a value in the wrong place shows. */
static void test_multiply(void) {
    uint16_t *a = managed(16 * 16 * 2), *b = managed(16 * 8 * 2);
    float *d = managed(16 * 8 * 4);
    int wrong = 0, moved = 0;
    uint32_t s = 1;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        lt_emulated_seed(seed);
        for (int i = 0; i < 256; i++) a[i] = lt_f32_to_bf16((float)small_integer(&s));
        for (int i = 0; i < 128; i++) b[i] = lt_f32_to_bf16((float)small_integer(&s));
        CHECK_OK(warp_multiply(stream, a, b, d));
        CHECK_OK(gpu->wait(stream));
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 8; j++) {
                float want = 0, other = 0; /* other: with rows of B changed round */
                for (int k = 0; k < 16; k++) want += lt_bf16_to_f32(a[i * 16 + k]) * lt_bf16_to_f32(b[k * 8 + j]);
                for (int k = 0; k < 16; k++) other += lt_bf16_to_f32(a[i * 16 + k]) * lt_bf16_to_f32(b[(k ^ 1) * 8 + j]);
                wrong += d[i * 8 + j] != want;
                moved += d[i * 8 + j] != other;
            }
    }
    CHECK_INT(wrong, 0);
    CHECK(moved > SEEDS * 64);
    gpu->free_managed(a);
    gpu->free_managed(b);
    gpu->free_managed(d);
}

/* Register i of lane l: elements (row l / 4, columns 2 (l % 4) and the next) of matrix i, or of its transpose. */
static void test_load(void) {
    uint16_t *x = managed(32 * 8 * 2);
    uint32_t *r = managed(32 * 4 * 4);
    for (int i = 0; i < 256; i++) x[i] = (uint16_t)(i * 3 + 1);
    for (int t = 0; t < 2; t++) {
        int wrong = 0;
        CHECK_OK(warp_load(stream, t, x, r));
        CHECK_OK(gpu->wait(stream));
        for (int l = 0; l < 32; l++)
            for (int i = 0; i < 4; i++) {
                int row = l / 4, col = l % 4 * 2;
                const uint16_t *m = x + i * 64;
                uint32_t want =
                    t ? m[col * 8 + row] | (uint32_t)m[(col + 1) * 8 + row] << 16 : m[row * 8 + col] | (uint32_t)m[row * 8 + col + 1] << 16;
                wrong += r[l * 4 + i] != want;
            }
        CHECK_INT(wrong, 0);
    }
    gpu->free_managed(x);
    gpu->free_managed(r);
}

static void test_shuffles(void) {
    int *y = managed(320 * 4), wrong = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        lt_emulated_seed(seed);
        CHECK_OK(warp_shuffles(stream, y));
        CHECK_OK(gpu->wait(stream));
        for (int l = 0; l < 32; l++) {
            int from[6] = {5, l < 3 ? l : l - 3, l > 28 ? l : l + 3, l ^ 6, l % 8 > 4 ? l : l + 3, l / 8 * 8 + 1};
            for (int k = 0; k < 6; k++) wrong += y[k * 32 + l] != 100 + from[k];
            wrong += (unsigned)y[192 + l] != 0xAAAAAAAAu || y[224 + l] != 1 || y[256 + l] != 1 || y[288 + l] != 0;
        }
    }
    CHECK_INT(wrong, 0);
    gpu->free_managed(y);
}

static void test_votes(void) {
    int *y = managed(195 * 4), wrong = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        lt_emulated_seed(seed);
        y[192] = y[193] = 0;
        y[194] = 1000;
        CHECK_OK(warp_votes(stream, y));
        CHECK_OK(gpu->wait(stream));
        for (int i = 0; i < 64; i++) wrong += y[i] != 32 || y[64 + i] != 1 || y[128 + i] != 0;
        wrong += y[192] != 255 * 128 || y[193] != 255 || y[194] != 3;
    }
    CHECK_INT(wrong, 0);
    gpu->free_managed(y);
}

static void test_dynamic(void) {
    enum { N = 40000 };
    float *x = managed(N * 4), *y = managed(N * 4);
    int wrong = 0;
    for (int i = 0; i < N; i++) x[i] = (float)i;
    CHECK_OK(warp_dynamic(stream, x, N, y));
    CHECK_OK(gpu->wait(stream));
    for (int i = 0; i < N; i++) wrong += y[i] != (float)(N - 1 - i);
    CHECK_INT(wrong, 0);
    CHECK_FAILS(warp_dynamic(stream, x, 60000, y), LT_ERR_CUDA, "cudaErrorInvalidConfiguration"); /* 234 KiB of 227 */
    gpu->free_managed(x);
    gpu->free_managed(y);
}

static void test_grid(void) {
    int *out = managed(30 * 4), wrong = 0;
    CHECK_OK(warp_grid(stream, 2, 3, 5, out));
    CHECK_OK(gpu->wait(stream));
    for (int i = 0; i < 30; i++) wrong += out[i] != i + 32000;
    CHECK_INT(wrong, 0);
    CHECK_FAILS(warp_grid(stream, 1, 70000, 1, out), LT_ERR_CUDA, "cudaErrorInvalidConfiguration");
    CHECK_FAILS(warp_grid(stream, 0, 1, 1, out), LT_ERR_CUDA, "cudaErrorInvalidConfiguration");
    gpu->free_managed(out);
}

/* E4M3 from its definition: sign, 4 bits of exponent with bias 7, 3 of fraction; the last pattern is NaN. */
static double e4m3_value(int bits) {
    int e = bits >> 3 & 15, m = bits & 7;
    return e ? ldexp(8 + m, e - 10) : ldexp(m, -9);
}
static unsigned nearest_e4m3(float x) {
    double v = fabs((double)x);
    unsigned best = 0, sign = signbit(x) ? 0x80u : 0;
    if (isnan(x)) return 0x7F;
    for (unsigned i = 1; i < 0x7F; i++) {
        double a = fabs(v - e4m3_value((int)best)), b = fabs(v - e4m3_value((int)i));
        if (isinf(v) || b < a || (b == a && i % 2 == 0)) best = i;
    }
    return sign | best;
}
static float of_bits(uint32_t u) {
    float x;
    memcpy(&x, &u, 4);
    return x;
}

/* Every pattern of the bits that can stay, with the ends, the middle and the neighbours of the middle of those that cannot. */
static void test_e4m3(void) {
    static const uint32_t rest[] = {0, 1, 0x7FFFF, 0x80000, 0x80001, 0xFFFFF};
    int wrong = 0;
    for (uint32_t top = 0; top < 1u << 12; top++)
        for (int i = 0; i < 6; i++) {
            float x = of_bits(top << 20 | rest[i]);
            wrong += (warp_round_e4m3x2(x, 1.0f) & 0xFF) != nearest_e4m3(x);
        }
    for (uint32_t u = 0; u < 1u << 16; u++) /* below the normal numbers other bits count: all of a finer grid */
        for (int e = 0; e < 12; e++) {
            float x = of_bits((uint32_t)(127 - 17 + e) << 23 | u << 7 | (u & 1));
            if (u % 64 == 0 || e > 8) wrong += (warp_round_e4m3x2(0.5f, x) >> 8) != nearest_e4m3(x);
        }
    CHECK_INT(wrong, 0);
    CHECK_INT(warp_round_e4m3x2(-500.0f, 464.0f), 0x7EFE);
    CHECK_INT(warp_round_e4m3x2(1.0f, INFINITY), 0x7E38);
}

static void test_bf16(void) {
    static const uint32_t rest[] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
    int wrong = 0;
    for (uint32_t top = 0; top < 1u << 16; top++)
        for (int i = 0; i < 6; i++) {
            float x = of_bits(top << 16 | rest[i]), back;
            uint32_t got = warp_round_bf16x2(x, 0) & 0xFFFF;
            back = of_bits(got << 16);
            wrong += isnan(x) ? !isnan(back) : got != lt_f32_to_bf16(x);
            wrong += warp_round_bf16x2(0, x) != got << 16;
        }
    CHECK_INT(wrong, 0);
    CHECK(warp_round_bf16x2(of_bits(0x3F808000), 0) == 0x3F80 && warp_round_bf16x2(of_bits(0x3F818000), 0) == 0x3F82); /* ties to even */
}

int main(void) {
    lt_gpu_info info;
    gpu = lt_gpu_emulated();
    CHECK_OK(gpu->open(0, &info));
    CHECK_OK(gpu->stream_create(false, &stream));
    test_sum();
    test_multiply();
    test_load();
    test_shuffles();
    test_votes();
    test_dynamic();
    test_grid();
    test_e4m3();
    test_bf16();
    gpu->stream_destroy(stream);
    return test_end();
}
