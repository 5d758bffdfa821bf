// TEST np: 0  rooms: kernels  labels: unit  timeout: 60  omp: 2  ops: cuda-emulated
/* Segments as LoRA and heads have them, against ref: every combination of types, ranks on both sides of every tile, matrices that are a part of larger ones,
 * factors of their own, more segments than a launch takes, several segments with one gradient, views that no wide access fits, rows of nobody; the same bits
 * twice and beside any other segments. */
#include "kernels_util.h"

enum { MOST_SEGMENTS = 40, PAD_W = 5 };

typedef struct setup {
    int n; /* segments */
    int64_t rows[MOST_SEGMENTS], N[MOST_SEGMENTS], K[MOST_SEGMENTS];
    int64_t gap, pad_x, pad_y; /* rows of nobody between segments; columns beyond the widest */
    bool shared;               /* all segments add to the gradient of the first */
    lt_dtype x, y, dy, dx;
    int accumulate;
} setup;

/* One call of both directions. */
typedef struct call {
    lt_segment seg[MOST_SEGMENTS];
    lt_arr dw[MOST_SEGMENTS], db[MOST_SEGMENTS], y, dx;
} call;

typedef struct sizes {
    int64_t rows, ld_x, ld_y, width;
} sizes;

static sizes sizes_of(const setup *s) {
    sizes z = {.rows = s->gap};
    for (int i = 0; i < s->n; i++) {
        z.rows += s->rows[i] + s->gap;
        if (s->K[i] > z.ld_x) z.ld_x = s->K[i];
        if (s->N[i] > z.ld_y) z.ld_y = s->N[i];
    }
    z.width = z.ld_x > z.ld_y ? z.ld_x : z.ld_y;
    z.ld_x += s->pad_x;
    z.ld_y += s->pad_y;
    return z;
}

static void gradients(const setup *s, call *c) {
    for (int i = 0; i < s->n; i++) {
        int64_t n = s->N[i] * c->seg[i].ld_w;
        if (i == 0 || !s->shared) {
            c->dw[i] = test_new(n + s->N[i], LT_F32);
            c->db[i] = lt_arr_at(c->dw[i], n);
            memset(c->dw[i].p, 0x3f, (size_t)n * sizeof(float)); /* 0.747: gradients add to what is there */
        } else {
            c->dw[i] = c->dw[0];
            c->db[i] = c->db[0];
        }
        c->seg[i].dw = c->dw[i].p;
        c->seg[i].db = c->db[i].p;
    }
}

static void run(const lt_ctx *ctx, const setup *s, sizes z, call *c, lt_arr x, lt_arr dy, lt_arr y0, lt_arr dx0) {
    c->y = test_copy(y0, z.rows * z.ld_y);
    c->dx = test_copy(dx0, z.rows * z.ld_x);
    gradients(s, c);
    struct lt_segment_args a = {.seg = c->seg,
                                .n_seg = s->n,
                                .x = x,
                                .ld_x = z.ld_x,
                                .y = c->y,
                                .ld_y = z.ld_y,
                                .accumulate = s->accumulate,
                                .alpha = 0.7f,
                                .dy = dy,
                                .dx = c->dx,
                                .ld_dx = z.ld_x};
    CHECK_OK(ctx->ops->segment_fwd(ctx, &a));
    CHECK_OK(ctx->ops->segment_bwd(ctx, &a));
}

static void compare(const setup *s, sizes z, const call *got, const call *again, const call *want) {
    test_close(s->y == LT_BF16 ? "linear" : "segment", got->y, want->y, z.rows * z.ld_y, "forward");
    test_close(s->dx == LT_BF16 ? "linear" : "segment", got->dx, want->dx, z.rows * z.ld_x, "to the input");
    CHECK(test_same_bits(got->y, again->y, z.rows * z.ld_y) && test_same_bits(got->dx, again->dx, z.rows * z.ld_x));
    for (int i = 0; i < s->n; i++) {
        int64_t n = s->N[i] * want->seg[i].ld_w;
        test_close("segment", got->dw[i], want->dw[i], n, "to the weights");
        test_close("segment", got->db[i], want->db[i], s->N[i], "to the bias");
        CHECK(test_same_bits(got->dw[i], again->dw[i], n) && test_same_bits(got->db[i], again->db[i], s->N[i]));
    }
}

static void one(const setup *s) {
    sizes z = sizes_of(s);
    lt_dims dims = {.rows = z.rows, .width = z.width};
    lt_ctx mine = test_ctx(test_ops(), 2, LT_BF16, &dims), ref = test_ctx(lt_ops_ref(), 1, LT_BF16, &dims);
    lt_arr x = test_random(z.rows * z.ld_x, s->x, 1), dy = test_random(z.rows * z.ld_y, s->dy, 1),
           y0 = test_random(z.rows * z.ld_y, s->y, 1), dx0 = test_random(z.rows * z.ld_x, s->dx, 1);
    static call c[4];
    memset(c, 0, sizeof c);
    for (int64_t i = 0, row = s->gap; i < s->n; row += s->rows[i++] + s->gap) {
        int64_t ld = s->K[i] + (i % 2 && !s->shared ? PAD_W : 0);
        c[0].seg[i] = (lt_segment){.row0 = row,
                                   .row1 = row + s->rows[i],
                                   .w = test_random(s->N[i] * ld, LT_F32, 1).p,
                                   .b = i % 3 == 0 ? test_random(s->N[i], LT_F32, 1).p : NULL,
                                   .N = s->N[i],
                                   .K = s->K[i],
                                   .ld_w = ld,
                                   .scale = i % 2 ? 0.25f : 0};
    }
    for (int i = 1; i < 4; i++) memcpy(c[i].seg, c[0].seg, sizeof c[0].seg);
    run(&mine, s, z, &c[0], x, dy, y0, dx0);
    run(&mine, s, z, &c[1], x, dy, y0, dx0);
    run(&ref, s, z, &c[2], x, dy, y0, dx0);
    compare(s, z, &c[0], &c[1], &c[2]);
    for (int64_t r = 0; r < s->gap; r++) /* rows of nobody */
        CHECK(test_same_bits(lt_arr_at(c[0].y, r * z.ld_y), lt_arr_at(y0, r * z.ld_y), z.ld_y) &&
              test_same_bits(lt_arr_at(c[0].dx, r * z.ld_x), lt_arr_at(dx0, r * z.ld_x), z.ld_x));
    if (!s->shared && s->n > 1) { /* the last segment alone */
        setup last = *s;
        int i = s->n - 1;
        last.n = 1;
        last.rows[0] = s->rows[i], last.N[0] = s->N[i], last.K[0] = s->K[i];
        c[3].seg[0] = c[0].seg[i];
        run(&mine, &last, z, &c[3], x, dy, y0, dx0);
        int64_t at = c[0].seg[i].row0;
        CHECK(test_same_bits(lt_arr_at(c[0].y, at * z.ld_y), lt_arr_at(c[3].y, at * z.ld_y), s->rows[i] * z.ld_y));
        CHECK(test_same_bits(lt_arr_at(c[0].dx, at * z.ld_x), lt_arr_at(c[3].dx, at * z.ld_x), s->rows[i] * z.ld_x));
        CHECK(test_same_bits(c[0].dw[i], c[3].dw[0], s->N[i] * c[0].seg[i].ld_w));
    }
    tests_free();
}

/* Types that training meets and those that it could. */
static void types(setup s) {
    const int64_t cases = 16;
    for (int64_t v = 0; v < cases; v++) {
        s.x = v & 1 ? LT_BF16 : LT_F32;
        s.dy = v & 2 ? LT_BF16 : LT_F32;
        s.y = v & 4 ? LT_BF16 : LT_F32;
        s.dx = v & 8 ? LT_BF16 : LT_F32;
        s.accumulate = (v ^ v >> 1) & 1;
        one(&s);
    }
}

int main(void) {
    /* down to ranks around a tile of 16, from a width with a tail; up again; heads; views that wide accesses fit, and that they do not */
    types((setup){.n = 3, .rows = {35, 1, 40}, .N = {12, 16, 3}, .K = {264, 264, 264}, .gap = 2});
    types((setup){.n = 3, .rows = {33, 7, 18}, .N = {136, 136, 136}, .K = {12, 17, 1}, .gap = 1});
    types((setup){.n = 2, .rows = {20, 34}, .N = {17, 40}, .K = {75, 301}, .gap = 1, .pad_x = 3, .pad_y = 1});
    types((setup){.n = 2, .rows = {19, 3}, .N = {70, 300}, .K = {33, 70}, .pad_x = 4, .pad_y = 8});
    /* several chunks of rows; several segments with one gradient; more segments than a launch takes; no rows */
    types((setup){.n = 2, .rows = {530, 257}, .N = {5, 5}, .K = {24, 24}});
    types((setup){.n = 3, .rows = {10, 300, 20}, .N = {9, 9, 9}, .K = {9, 9, 9}, .shared = true});
    setup many = {.n = MOST_SEGMENTS, .x = LT_BF16, .y = LT_F32, .dy = LT_F32, .dx = LT_BF16, .accumulate = 1, .gap = 1};
    for (int i = 0; i < many.n; i++) many.rows[i] = i % 4, many.N[i] = 1 + i % 3, many.K[i] = i % 5 ? 8 : 2;
    one(&many);
    one(&(setup){.n = 2, .rows = {0, 0}, .N = {3, 4}, .K = {8, 8}, .gap = 2});
    printf("largest share of a limit: %.2g\n", test_worst_share);
    return test_end();
}
