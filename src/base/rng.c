/* Philox4x32-10 with the constants of the paper's section 4.3; see rng.h. */
#include "base/rng.h"

#include <math.h>

void lt_rng_block(const lt_rng *r, uint64_t b, uint32_t c, uint32_t out[4]) {
    uint32_t k0 = (uint32_t)r->seed, k1 = (uint32_t)(r->seed >> 32) ^ (r->purpose * 0x85EBCA6Bu);
    uint32_t x0 = (uint32_t)b, x1 = (uint32_t)(b >> 32), x2 = c, x3 = r->a;
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * x0, p1 = (uint64_t)0xCD9E8D57u * x2;
        x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
        x1 = (uint32_t)p1;
        x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
        x3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = x0, out[1] = x1, out[2] = x2, out[3] = x3;
}

uint64_t lt_rng_u64(const lt_rng *r, uint64_t b, uint32_t c) {
    uint32_t w[4];
    lt_rng_block(r, b, c, w);
    return (uint64_t)w[1] << 32 | w[0];
}

double lt_rng_uniform(const lt_rng *r, uint64_t b, uint32_t c) { return (double)(lt_rng_u64(r, b, c) >> 11) * 0x1p-53; }

double lt_rng_normal(const lt_rng *r, uint64_t b, uint32_t c) {
    uint32_t w[4];
    lt_rng_block(r, b, c, w);
    /* u1 in (0, 1]: its logarithm is finite */
    double u1 = ((double)(((uint64_t)w[1] << 32 | w[0]) >> 11) + 1) * 0x1p-53, u2 = (double)(((uint64_t)w[3] << 32 | w[2]) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u1)) * cos(6.283185307179586476925 * u2);
}

uint64_t lt_rng_below(const lt_rng *r, uint64_t n, uint64_t b, uint32_t c) {
    return (uint64_t)(((unsigned __int128)lt_rng_u64(r, b, c) * n) >> 64);
}

void lt_rng_permutation(const lt_rng *r, int64_t n, int64_t *perm) {
    for (int64_t i = 0; i < n; i++) perm[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)lt_rng_below(r, (uint64_t)i + 1, (uint64_t)i, 0), t = perm[i];
        perm[i] = perm[j];
        perm[j] = t;
    }
}
