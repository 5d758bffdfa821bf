/* Cases of what is trained: small matrices in segments, dropout, losses, f32 products' companions, the optimizer. */
#include "check/side_impl.h"

#include <math.h>

#define N_OF(table) ((int)(sizeof(table) / sizeof *(table)))

/* ---- segments of rows with a matrix each ---- */

enum { SEGMENTS = 3 };
static const struct {
    int64_t rows, N, K, cut[SEGMENTS + 1];
} segments[] = {{5, 2, 24, {0, 1, 1, 5}}, {41, 8, 72, {0, 17, 30, 38}}, {70, 96, 8, {2, 3, 40, 70}}};

static struct lt_segment_args segment(lt_side *s, lt_segment seg[SEGMENTS], bool backward) {
    int64_t rows = segments[s->shape].rows, N = segments[s->shape].N, K = segments[s->shape].K;
    struct lt_segment_args a = {.seg = seg, .n_seg = SEGMENTS, .ld_x = K, .ld_y = N, .alpha = 0.5f, .accumulate = s->shape == 2};
    for (int i = 0; i < SEGMENTS; i++) {
        seg[i] = (lt_segment){.row0 = segments[s->shape].cut[i], .row1 = segments[s->shape].cut[i + 1], .N = N, .K = K};
        seg[i].w = lt_side_in(s, N * K, LT_F32, 1).p;
        if (s->shape == 0) seg[i].b = lt_side_in(s, N, LT_F32, 1).p;
        if (i == 1) seg[i].scale = 2;
        if (!backward) continue;
        seg[i].dw = lt_side_out(s, "segment", N * K, LT_F32, 1).p;
        if (s->shape == 0) seg[i].db = lt_side_out(s, "segment", N, LT_F32, 1).p;
    }
    a.x = lt_side_in(s, rows * K, s->shape ? s->dt : LT_F32, 1);
    return a;
}

bool lt_check_impl_segment_fwd(lt_side *s) {
    lt_segment seg[SEGMENTS];
    if (s->shape == N_OF(segments)) return false;
    struct lt_segment_args a = segment(s, seg, false);
    a.y = lt_side_out(s, "segment", segments[s->shape].rows * a.ld_y, LT_F32, 1);
    LT_SIDE_CALL(s, segment_fwd, &a);
    return true;
}

bool lt_check_impl_segment_bwd(lt_side *s) {
    lt_segment seg[SEGMENTS];
    if (s->shape == N_OF(segments)) return false;
    struct lt_segment_args a = segment(s, seg, true);
    a.dy = lt_side_in(s, segments[s->shape].rows * a.ld_y, LT_F32, 1);
    a.dx = lt_side_out(s, "segment", segments[s->shape].rows * a.ld_x, LT_F32, 1);
    a.ld_dx = a.ld_x;
    LT_SIDE_CALL(s, segment_bwd, &a);
    return true;
}

bool lt_check_impl_dropout_rows(lt_side *s) {
    static const int32_t cu[] = {2, 3, 20, 26};
    static const uint64_t key[] = {5, (uint64_t)1 << 40, 77};
    static const int64_t widths[] = {24, 130, 300};
    if (s->shape == N_OF(widths)) return false;
    struct lt_dropout_args a = {.seq1 = 3, .C = widths[s->shape], .stream = 9, .c0 = s->shape == 1 ? 40 : 0, .p = 0.3f};
    a.accumulate = s->shape == 2;
    a.cu = lt_side_put(s, cu, sizeof cu);
    a.key = lt_side_put(s, key, sizeof key);
    a.x = lt_side_in(s, 30 * a.C, s->dt, 1);
    a.y = lt_side_out(s, "dropout_rows", 30 * a.C, s->dt, 1);
    LT_SIDE_CALL(s, dropout_rows, &a);
    return true;
}

/* ---- losses ---- */

bool lt_check_impl_xent(lt_side *s) {
    static const int64_t shapes[][2] = {{1, 2}, {37, 5}, {9, 1000}};
    int32_t label[37];
    if (s->shape == N_OF(shapes)) return false;
    struct lt_xent_args a = {.rows = shapes[s->shape][0], .K = shapes[s->shape][1], .ld = shapes[s->shape][1] + 1};
    for (int32_t r = 0; r < a.rows; r++) label[r] = r % 5 == 3 ? -100 : r * 7 % (int32_t)a.K;
    a.logits = lt_side_in(s, a.rows * a.ld, LT_F32, 3).p;
    a.label = lt_side_put(s, label, (size_t)a.rows * sizeof *label);
    if (s->shape) a.weight = lt_side_in(s, a.rows, LT_F32, 1).p;
    a.loss = lt_side_out(s, "xent", a.rows, LT_F32, 1).p;
    a.dlogits = lt_side_out(s, "xent", a.rows * a.ld, LT_F32, 1).p;
    LT_SIDE_CALL(s, xent, &a);
    return true;
}

bool lt_check_impl_choice(lt_side *s) {
    static const int64_t shapes[][2] = {{1, 2}, {11, 5}, {3, 77}};
    int32_t label[3 * 77];
    if (s->shape == N_OF(shapes)) return false;
    struct lt_choice_args a = {.groups = shapes[s->shape][0], .n = shapes[s->shape][1], .ld = 2 + s->shape};
    int64_t rows = a.groups * a.n;
    for (int32_t r = 0; r < rows; r++) label[r] = r / a.n % 4 == 3 ? -100 : r % (int32_t)a.n * 3 % (int32_t)a.n;
    a.logits = lt_side_in(s, rows * a.ld, LT_F32, 2).p;
    a.label = lt_side_put(s, label, (size_t)rows * sizeof *label);
    if (s->shape) a.weight = lt_side_in(s, rows, LT_F32, 1).p;
    a.loss = lt_side_out(s, "choice", rows, LT_F32, 1).p;
    a.dlogits = lt_side_out(s, "choice", rows * a.ld, LT_F32, 1).p;
    LT_SIDE_CALL(s, choice, &a);
    return true;
}

bool lt_check_impl_loss_sums(lt_side *s) {
    static const lt_segment seg[3] = {{.row0 = 0, .row1 = 2}, {.row0 = 2, .row1 = 130}, {.row0 = 140, .row1 = 150}};
    static const int32_t place[3] = {4, 0, 4};
    if (s->shape == 1) return false;
    struct lt_loss_args a = {.seg = seg, .place = place, .n_seg = 3};
    a.loss = lt_side_in(s, 150, LT_F32, 1).p;
    a.out = lt_side_out(s, "column_sums", 6, LT_F32, 1).p;
    LT_SIDE_CALL(s, loss_sums, &a);
    return true;
}

/* ---- rows of numbers ---- */

static const int64_t sizes[][2] = {{1, 24}, {40, 72}, {9, 300}}; /* rows, n */

bool lt_check_impl_convert(lt_side *s) {
    if (s->shape == 4) return false;
    struct lt_convert_args a = {.n = 1031};
    a.x = lt_side_in(s, a.n, s->shape & 1 ? LT_BF16 : LT_F32, 1);
    a.y = lt_side_out(s, "", a.n, s->shape & 2 ? LT_BF16 : LT_F32, 1);
    LT_SIDE_CALL(s, convert, &a);
    return true;
}

bool lt_check_impl_bias_rows(lt_side *s) {
    if (s->shape == N_OF(sizes)) return false;
    struct lt_bias_args a = {.rows = sizes[s->shape][0], .n = sizes[s->shape][1], .accumulate = s->shape == 1};
    a.ld = a.n + s->shape;
    a.v = lt_side_in(s, a.n, LT_F32, 1).p;
    a.y = lt_side_out(s, "bias_rows", a.rows * a.ld, LT_F32, 1).p;
    LT_SIDE_CALL(s, bias_rows, &a);
    return true;
}

bool lt_check_impl_column_sums(lt_side *s) {
    if (s->shape == N_OF(sizes)) return false;
    struct lt_colsum_args a = {.rows = sizes[s->shape][0], .n = sizes[s->shape][1], .accumulate = s->shape == 1};
    a.ld = a.n + s->shape;
    a.x = lt_side_in(s, a.rows * a.ld, LT_F32, 1).p;
    a.sum = lt_side_out(s, "column_sums", a.n, LT_F32, 1).p;
    LT_SIDE_CALL(s, column_sums, &a);
    return true;
}

bool lt_check_impl_softmax_fwd(lt_side *s) {
    if (s->shape == N_OF(sizes)) return false;
    struct lt_softmax_args a = {.rows = sizes[s->shape][0], .n = sizes[s->shape][1]};
    a.x = lt_side_in(s, a.rows * a.n, LT_F32, 2).p;
    a.y = lt_side_out(s, "softmax", a.rows * a.n, LT_F32, 1).p;
    LT_SIDE_CALL(s, softmax_fwd, &a);
    return true;
}

bool lt_check_impl_softmax_bwd(lt_side *s) {
    if (s->shape == N_OF(sizes)) return false;
    struct lt_softmax_args a = {.rows = sizes[s->shape][0], .n = sizes[s->shape][1]};
    a.x = lt_side_in(s, a.rows * a.n, LT_F32, 2).p;
    a.y = lt_side_in(s, a.rows * a.n, LT_F32, 1).p;
    LT_SIDE_CALL(s, softmax_fwd, &a);
    a.dy = lt_side_in(s, a.rows * a.n, LT_F32, 1).p;
    a.dx = lt_side_out(s, "softmax", a.rows * a.n, LT_F32, 1).p;
    LT_SIDE_CALL(s, softmax_bwd, &a);
    return true;
}

/* ---- the optimizer ---- */

bool lt_check_impl_sumsq(lt_side *s) {
    if (s->shape == 1) return false;
    const int64_t n[] = {1, 4097, 33};
    const float *x[3];
    for (int i = 0; i < 3; i++) x[i] = lt_side_in(s, n[i], LT_F32, 1).p;
    lt_arr out = lt_side_out(s, "sumsq", 1, LT_F64, 1);
    LT_SIDE_CALL(s, sumsq, &(struct lt_sumsq_args){.n = 3, .x = x, .elems = n, .out = out.p});
    return true;
}

bool lt_check_impl_adamw(lt_side *s) {
    enum { MOST = 4097 };
    static const int64_t lengths[] = {1, 1000, MOST};
    static const double sumsq = 9;
    static const float loss[] = {1, 0};
    float v[MOST];
    if (s->shape == N_OF(lengths)) return false;
    for (int i = 0; i < MOST; i++) v[i] = 0.01f * (float)(1 + i % 7);
    lt_adamw_array x[2] = {{.n = lengths[s->shape], .weight_decay = 0.01f}, {.n = 33}};
    struct lt_adamw_args a = {.n = s->shape ? 2 : 1, .x = x, .lr = 0.01f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .step = 3};
    if (s->shape) {
        a.clip = 1;
        a.sumsq = lt_side_put(s, &sumsq, sizeof sumsq);
        a.loss = lt_side_put(s, loss, sizeof loss);
    }
    for (int i = 0; i < a.n; i++) {
        x[i].p = lt_side_out(s, "adamw", x[i].n, LT_F32, 1).p;
        x[i].m = lt_side_out(s, "adamw", x[i].n, LT_F32, 0.1).p;
        x[i].v = lt_side_put_out(s, "adamw", v, x[i].n, LT_F32).p;
        x[i].g = lt_side_in(s, x[i].n, LT_F32, 1).p;
    }
    LT_SIDE_CALL(s, adamw, &a);
    return true;
}
