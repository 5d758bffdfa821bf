/* mma.sync.m16n8k16 and ldmatrix.x4.  Lane l holds, with g = l / 4 and t = l % 4:
 *   A register r: rows g + 8 (r & 1), columns 2 t + 8 (r >> 1) and the next
 *   B register r: rows 2 t + 8 r and the next, column g
 *   D register r: row g + 8 (r >> 1), column 2 t + (r & 1) */
#include "device/emulated/matrix.h"

#include "device/emulated/number.h"
#include "device/emulated/shadow.h"

namespace lt_emu {

using lt_space_emulated::lt_bits_f32;

static float low(uint32_t two) { return lt_bits_f32(two << 16); }
static float high(uint32_t two) { return lt_bits_f32(two & 0xFFFF0000u); }

typedef float row8 __attribute__((vector_size(32)));

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE __attribute__((target_clones("avx2", "default"))) /* no fused products: the same bits on every machine */
#else
#define WIDE
#endif
WIDE static void multiply(const float (*a)[16], const row8 *b, row8 *d) {
    for (int i = 0; i < 16; i++) {
        row8 sum = {};
        for (int k = 0; k < 16; k++) sum += a[i][k] * b[k];
        d[i] = sum;
    }
}

void matrix_multiply(const meeting *m) {
    float a[16][16];
    row8 b[16], d[16];
    for (int l = 0; l < 32; l++) {
        const mma *o = static_cast<const mma *>(m->operands[l]);
        int g = l / 4, t = l % 4 * 2;
        for (int r = 0; r < 4; r++) {
            float *at = &a[g + 8 * (r & 1)][t + 8 * (r >> 1)];
            at[0] = low(o->a[r]);
            at[1] = high(o->a[r]);
        }
        for (int r = 0; r < 2; r++) {
            b[t + 8 * r][g] = low(o->b[r]);
            b[t + 8 * r + 1][g] = high(o->b[r]);
        }
    }
    multiply(a, b, d);
    for (int l = 0; l < 32; l++) {
        float *to = static_cast<mma *>(m->operands[l])->d;
        int g = l / 4, t = l % 4 * 2;
        to[0] += d[g][t];
        to[1] += d[g][t + 1];
        to[2] += d[g + 8][t];
        to[3] += d[g + 8][t + 1];
    }
}

/* The lane that receives elements reads them. */
static void read_by(thread *t, const meeting *m, const char *const *row, int g, int at, bool transposed) {
    for (int k = 0; k < 2; k++) shadow_access_of(t, transposed ? row[at + k] + 2 * g : row[g] + 2 * (at + k), 2, false, false, m->pc);
}

/* Matrix i has its rows at the addresses that lanes 8 i to 8 i + 7 gave; register i of lane l is its row l / 4 (transposed: column), elements 2 (l % 4) and next. */
void matrix_load(warp *w, const meeting *m) {
    const char *row[32];
    for (int l = 0; l < 32; l++) {
        row[l] = static_cast<const char *>(static_cast<const load_matrix *>(m->operands[l])->row);
        if (reinterpret_cast<uintptr_t>(row[l]) % 16 || !is_shared(row[l], 16))
            found_in_kernel(m->at, "lt_ldmatrix_x4: lane %d gives %p, which is not a row of 16 aligned bytes in shared memory", l,
                            static_cast<const void *>(row[l]));
    }
    for (int l = 0; l < 32; l++) {
        const load_matrix *o = static_cast<const load_matrix *>(m->operands[l]);
        int g = l / 4, t = l % 4 * 2;
        for (int i = 0; i < 4; i++) {
            uint16_t two[2];
            if (RACE) read_by(w->lane[l], m, row + 8 * i, g, t, o->transposed);
            if (o->transposed) {
                memcpy(&two[0], row[8 * i + t] + 2 * g, 2);
                memcpy(&two[1], row[8 * i + t + 1] + 2 * g, 2);
            } else {
                memcpy(two, row[8 * i + g] + 2 * t, 4);
            }
            o->r[i] = two[0] | (uint32_t)two[1] << 16;
        }
    }
}

} // namespace lt_emu
