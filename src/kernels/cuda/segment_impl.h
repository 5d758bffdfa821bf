#pragma once
/* Private to segment*.cu: the table of segments as a kernel parameter, and products of f32 numbers by tensor cores.
 *
 * Tensor cores take bf16.  An f32 number is the sum of three bf16 numbers (8 bits each), products of these are exact in f32, and those below 2^-24 of the
 * product are left out: three products for bf16 with f32, six for f32 with f32, as exact as f32 arithmetic.  The large ones and the small ones have sums of
 * their own, so that a small one is not cut off each time it meets the large sum.
 *
 * Fragments come straight from global memory: which element of a row a lane calls its k is free as long as both operands agree, so a lane takes eight
 * neighbours (16 bytes of bf16) where the instruction's own order would give it pairs. */

#include "kernels/cuda/products_impl.h"

namespace LT_GPU_SPACE {

enum { SEGMENTS = 32 /* a launch: 2.5 KB of parameters */ };

struct one_segment {
    const float *w, *b;
    float *dw, *db;
    int64_t row0, row1, ld;
    int64_t block0;     /* its first block in the launch */
    int64_t part0;      /* weight gradient: where its parts lie in the workspace */
    int64_t chunk_rows; /* rows that one part sums */
    int N, K, chunks;
    float alpha;
};
struct segment_table {
    int n;
    int64_t blocks;
    one_segment s[SEGMENTS];
};

one_segment segment_entry(const struct lt_segment_args *a, const lt_segment *s);
/* segment_bwd.cu: dw += alpha dy^T x, db += sums of dy. */
lt_status segment_gradients(const lt_ctx *c, const struct lt_segment_args *a);

/* The segment of this block; b becomes the block's number in it. */
LT_DEVICE const one_segment &segment_of(const segment_table &t, int64_t *b) {
    int i = 0;
    while (i + 1 < t.n && *b >= t.s[i + 1].block0) i++;
    *b -= t.s[i].block0;
    return t.s[i];
}

/* ---- eight neighbours of a row ---- */

template <typename T> struct eight;
template <> struct eight<lt_bf16> { uint32_t w[4]; };
template <> struct eight<float> { float v[8]; };

/* Of which `left` exist (the others are 0); whole: 16-byte accesses are possible. */
LT_DEVICE void load_eight(eight<lt_bf16> &e, const lt_bf16 *p, int64_t left, bool whole) {
    if (whole && left >= 8) {
        uint4 v = *reinterpret_cast<const uint4 *>(p);
        e.w[0] = v.x, e.w[1] = v.y, e.w[2] = v.z, e.w[3] = v.w;
        return;
    }
    LT_UNROLL
    for (int i = 0; i < 4; i++) {
        uint32_t low = 2 * i < left ? p[2 * i].bits : 0, high = 2 * i + 1 < left ? p[2 * i + 1].bits : 0;
        e.w[i] = low | high << 16;
    }
}
LT_DEVICE void load_eight(eight<float> &e, const float *p, int64_t left, bool whole) {
    if (whole && left >= 8) {
        LT_UNROLL
        for (int h = 0; h < 2; h++) {
            float4 v = reinterpret_cast<const float4 *>(p)[h];
            e.v[4 * h] = v.x, e.v[4 * h + 1] = v.y, e.v[4 * h + 2] = v.z, e.v[4 * h + 3] = v.w;
        }
        return;
    }
    LT_UNROLL
    for (int i = 0; i < 8; i++) e.v[i] = i < left ? p[i] : 0.0f;
}

/* ---- numbers as sums of bf16 ---- */

template <typename T> struct parts_of {
    enum { N = 3 };
};
template <> struct parts_of<lt_bf16> {
    enum { N = 1 };
};

/* Two numbers, as words of two bf16: high, middle and low parts. */
LT_DEVICE void split_pair(float a, float b, uint32_t (&p)[3]) {
    p[0] = lt_round_bf16x2(a, b);
    a -= lt_low_f32(p[0]), b -= lt_high_f32(p[0]);
    p[1] = lt_round_bf16x2(a, b);
    a -= lt_low_f32(p[1]), b -= lt_high_f32(p[1]);
    p[2] = lt_round_bf16x2(a, b);
}
/* Neighbours 2i and 2i + 1 of a row. */
LT_DEVICE void pair_along(const eight<lt_bf16> &e, int i, uint32_t (&p)[1]) { p[0] = e.w[i]; }
LT_DEVICE void pair_along(const eight<float> &e, int i, uint32_t (&p)[3]) { split_pair(e.v[2 * i], e.v[2 * i + 1], p); }
/* Element i of two rows. */
LT_DEVICE void pair_across(const eight<lt_bf16> &a, const eight<lt_bf16> &b, int i, uint32_t (&p)[1]) {
    p[0] = i % 2 ? a.w[i / 2] >> 16 | (b.w[i / 2] & 0xFFFF0000u) : (a.w[i / 2] & 0xFFFFu) | b.w[i / 2] << 16;
}
LT_DEVICE void pair_across(const eight<float> &a, const eight<float> &b, int i, uint32_t (&p)[3]) { split_pair(a.v[i], b.v[i], p); }
LT_DEVICE void pair_of(lt_bf16 a, lt_bf16 b, uint32_t (&p)[1]) { p[0] = a.bits | (uint32_t)b.bits << 16; }
LT_DEVICE void pair_of(float a, float b, uint32_t (&p)[3]) { split_pair(a, b, p); }

/* big + small += a b, operands in parts. */
template <int PA, int PB>
LT_DEVICE void multiply(float (&big)[4], float (&small)[4], const uint32_t (&a)[PA][4], const uint32_t (&b)[PB][2]) {
    lt_mma_bf16(big, a[0], b[0]);
    LT_UNROLL
    for (int i = 0; i < PA; i++) LT_UNROLL
    for (int j = 0; j < PB; j++)
        if (i + j > 0 && i + j < 3) lt_mma_bf16(small, a[i], b[j]);
}

} // namespace LT_GPU_SPACE
