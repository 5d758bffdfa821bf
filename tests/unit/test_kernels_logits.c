// TEST np: 0  rooms: kernels  labels: unit  timeout: 60  omp: 2  ops: cuda-emulated
/* Scores of words: the op against ref for every number of rows of a step of generation and odd sizes, tables and rows of both types, on the CPU at every level;
 * the same bits on one and two threads and beside any other rows; columns behind the words stay. */
#include "kernels/cpu.h"
#include "kernels_util.h"

enum { PAD = 5 };

static lt_status call(const lt_ctx *c, int64_t rows, int64_t C, int64_t V, lt_arr tok, lt_arr x, lt_arr y) {
    return c->ops->logits(
        c, &(struct lt_logits_args){.rows = rows, .C = C, .V = V, .ld_y = V + PAD, .tok = tok.p, .tok_dt = tok.dt, .x = x, .y = y.p});
}

static void one(int64_t rows, int64_t C, int64_t V, lt_dtype tok_dt, lt_dtype x_dt) {
    lt_dims dims = {.rows = rows, .width = C};
    int64_t n = rows * (V + PAD);
    lt_arr tok = test_random(V * C, tok_dt, 1), x = test_random(rows * C, x_dt, 1), start = test_random(n, LT_F32, 1), y[3];
    char what[96];
    for (int i = 0; i < 3; i++) {
        lt_ctx c = test_ctx(i < 2 ? test_ops() : lt_ops_ref(), i + 1, LT_F32, &dims);
        y[i] = test_copy(start, n);
        CHECK_OK(call(&c, rows, C, V, tok, x, y[i]));
    }
    snprintf(what, sizeof what, "[%lld, %lld, %lld] of %s by %s", (long long)rows, (long long)V, (long long)C, lt_dtype_name(tok_dt),
             lt_dtype_name(x_dt));
    test_close("logits", y[0], y[2], n, what);
    CHECK(test_same_bits(y[0], y[1], n));
    for (int64_t r = 0; r < rows; r++) CHECK(test_same_bits(lt_arr_at(y[0], r * (V + PAD) + V), lt_arr_at(start, r * (V + PAD) + V), PAD));
    tests_free();
}

/* Scores of a row are the same bits in every company. */
static void alone(int64_t C, lt_dtype dt) {
    enum { ROWS = 70, V = 37 };
    lt_ctx c = test_ctx(test_ops(), 2, LT_F32, &(lt_dims){.rows = ROWS, .width = C});
    lt_arr tok = test_random(V * C, dt, 1), x = test_random(ROWS * C, LT_F32, 1), together = test_new(ROWS * (V + PAD), LT_F32),
           y = test_new(ROWS * (V + PAD), LT_F32);
    CHECK_OK(call(&c, ROWS, C, V, tok, x, together));
    for (int64_t rows = 1; rows < 18; rows++) {
        int64_t from = 3 * rows; /* other places in a pass */
        CHECK_OK(call(&c, rows, C, V, tok, lt_arr_at(x, from * C), y));
        for (int64_t r = 0; r < rows; r++)
            CHECK(test_same_bits(lt_arr_at(y, r * (V + PAD)), lt_arr_at(together, (from + r) * (V + PAD)), V));
    }
    tests_free();
}

/* A table of bf16 sees rows rounded to bf16: 1 + 2^-9 is 1 to it, one of f32 keeps it. */
static void by_hand(void) {
    lt_ctx c = test_ctx(test_ops(), 1, LT_F32, &(lt_dims){.rows = 1, .width = 2});
    lt_arr x = test_new(2, LT_F32), y = test_new(1 + PAD, LT_F32);
    test_set(x, 0, 1 + 0x1p-9);
    test_set(x, 1, 3);
    for (int dt = 0; dt < 2; dt++) {
        lt_arr tok = test_new(2, dt ? LT_BF16 : LT_F32);
        test_set(tok, 0, 2);
        test_set(tok, 1, -1);
        CHECK_OK(call(&c, 1, 2, 1, tok, x, y));
        CHECK_NEAR((double)test_get(y, 0), dt ? -1 : -1 + 0x1p-8, 1e-7);
    }
    tests_free();
}

/* A workspace that is too small is an error, not a write behind its end. */
static void small_workspace(void) {
    lt_ctx c = test_ctx(test_ops(), 1, LT_F32, &(lt_dims){.rows = 4, .width = 1024});
    lt_arr tok = test_new(4096, LT_BF16), x = test_new(4 * 1024, LT_F32), y = test_new(4 * (4 + PAD), LT_F32);
    CHECK_OK(call(&c, 4, 1024, 4, tok, x, y));
    c.ws_bytes = 4096;
    CHECK_FAILS(call(&c, 4, 1024, 4, tok, x, y), LT_ERR_INTERNAL, "ws_bytes");
    tests_free();
}

static void some(void) {
    for (int dt = 0; dt < 4; dt++) {
        one(0, 5, 7, dt & 1 ? LT_BF16 : LT_F32, dt & 2 ? LT_BF16 : LT_F32);
        one(3, 33, 7, dt & 1 ? LT_BF16 : LT_F32, dt & 2 ? LT_BF16 : LT_F32);
        one(17, 80, 37, dt & 1 ? LT_BF16 : LT_F32, dt & 2 ? LT_BF16 : LT_F32);
    }
    by_hand();
    small_workspace();
}

static void all(void) {
    const int64_t some_rows[] = {0, 1, 3, 16, 17, 40},
                  size[][2] = {{1, 1}, {7, 33}, {300, 5}, {37, 640}, {130, 515}, {65, 1056}, {18, 2100}};
    for (size_t s = 0; s < sizeof size / sizeof *size; s++)
        for (int dt = 0; dt < 4; dt++)
            for (size_t r = 0; r < sizeof some_rows / sizeof *some_rows; r++)
                one(some_rows[r], size[s][1], size[s][0], dt & 1 ? LT_BF16 : LT_F32, dt & 2 ? LT_BF16 : LT_F32);
    for (int64_t rows = 1; rows <= 17; rows++)
        for (int dt = 0; dt < 4; dt++) one(rows, 77, 50, dt & 1 ? LT_BF16 : LT_F32, dt & 2 ? LT_BF16 : LT_F32);
    for (int dt = 0; dt < 2; dt++) {
        alone(77, dt ? LT_BF16 : LT_F32);
        alone(640, dt ? LT_BF16 : LT_F32);
        alone(2100, dt ? LT_BF16 : LT_F32);
    }
    by_hand();
    small_workspace();
}

int main(void) {
    if (test_on_gpu()) {
        some();
    } else {
        for (int level = (int)lt_cpu_level_now(); level >= 0; level--) {
            CHECK_OK(lt_cpu_use((lt_cpu_level)level)); /* no product of oneDNN is made here, so the level may change */
            all();
        }
    }
    printf("largest share of a limit: %.2g\n", test_worst_share);
    return test_end();
}
