// TEST rooms: store  labels: io  timeout: 60
/* The writer of safetensors: what it writes is read back by the reader to the bit, in pieces of any size; nothing is left of what fails; misuse is named. */
#include "io/store_test.h"

#include "base/mem.h"
#include "store/fs.h"
#include "store/safetensors.h"
#include "store/safetensors_write.h"

enum { R = 5, C = 7, V = 3 };
static float a[R][C];
static uint16_t b[V] = {0x3f80, 0xc000, 0x7f80};
static const int64_t dim_a[2] = {R, C}, dim_b[1] = {V}, dim_s[1] = {1};
static const float scalar = 2.5f;

static int names_in_scratch(const char *dir) {
    char **names;
    int n = 0;
    CHECK_OK(lt_fs_list(dir, &names, &n));
    free(names);
    return n;
}

/* Three tensors, their bytes in pieces of `piece`. */
static lt_status write_all(const char *path, int64_t piece) {
    lt_st_writer *w = NULL;
    unsigned char all[sizeof a + sizeof scalar + sizeof b];
    memcpy(all, a, sizeof a);
    memcpy(all + sizeof a, &scalar, sizeof scalar);
    memcpy(all + sizeof a + sizeof scalar, b, sizeof b);
    LT_TRY(lt_st_write_begin(path, &w));
    CHECK_OK(lt_st_write_declare(w, "a.weight", LT_F32, 2, dim_a));
    CHECK_OK(lt_st_write_declare(w, "scalar", LT_F32, 0, NULL));
    CHECK_OK(lt_st_write_declare(w, "b \"quoted\"", LT_BF16, 1, dim_b));
    for (int64_t at = 0, n; at < (int64_t)sizeof all; at += n) {
        n = (int64_t)sizeof all - at < piece ? (int64_t)sizeof all - at : piece;
        CHECK_OK(lt_st_write_add(w, all + at, n));
    }
    return lt_st_write_commit(&w);
}

static void test_there_and_back(void) {
    static const int64_t piece[] = {1, 3, 16, 1000};
    for (size_t i = 0; i < sizeof piece / sizeof *piece; i++) {
        const char *path = in_scratch("x.safetensors");
        lt_st *st = NULL;
        float f[R][C], s = 0;
        uint16_t h[V];
        CHECK_OK(write_all(path, piece[i]));
        CHECK_OK(lt_st_open_file(path, &st));
        if (!st) return;
        const lt_st_tensor *t = lt_st_find(st, "a.weight"), *u = lt_st_find(st, "b \"quoted\""), *v = lt_st_find(st, "scalar");
        CHECK_INT(lt_st_count(st), 3);
        CHECK(t && u && v && t->offset % 8 == 0 && v->n_dims == 0 && u->dtype == LT_BF16);
        CHECK_OK(lt_st_read(st, t, 0, R, 0, C, f, LT_F32));
        CHECK_OK(lt_st_read(st, u, 0, V, 0, 1, h, LT_BF16));
        CHECK_OK(lt_st_read(st, v, 0, 1, 0, 1, &s, LT_F32));
        CHECK(memcmp(f, a, sizeof a) == 0 && memcmp(h, b, sizeof b) == 0 && s == scalar);
        f[R - 1][C - 1] += 1; /* negative control of the comparison */
        CHECK(memcmp(f, a, sizeof a) != 0);
        lt_st_close(&st);
    }
    CHECK_INT(names_in_scratch(in_scratch(".")), 1);
}

static void test_named(void) {
    const char *path = in_scratch("named.safetensors");
    lt_named t = {.name = "head.weight", .n_dims = 2, .dim = {R, C}, .data = &a[0][0]};
    lt_st *st = NULL;
    float f[R][C];
    CHECK_OK(lt_st_write_named(path, &t, 1));
    CHECK_OK(lt_st_open_file(path, &st));
    CHECK_OK(lt_st_read(st, lt_st_find(st, "head.weight"), 0, R, 0, C, f, LT_F32));
    CHECK(memcmp(f, a, sizeof a) == 0);
    lt_st_close(&st);
}

static void test_misuse(void) {
    char path[512];
    lt_st_writer *w = NULL;
    (void)snprintf(path, sizeof path, "%s", in_scratch("bad.safetensors"));
    CHECK_OK(lt_st_write_begin(path, &w));
    CHECK_OK(lt_st_write_declare(w, "b", LT_BF16, 1, dim_b));
    CHECK_FAILS(lt_st_write_declare(w, "b", LT_BF16, 1, dim_b), LT_ERR_ARG, "declared twice");
    CHECK_FAILS(lt_st_write_declare(w, "s", LT_F32, 1, dim_s), LT_ERR_ARG, "which its elements of 4 bytes do not divide");
    CHECK_FAILS(lt_st_write_declare(w, "s", LT_DTYPE_COUNT, 1, dim_s), LT_ERR_ARG, "has no type");
    CHECK_FAILS(lt_st_write_add(w, b, sizeof b + 2), LT_ERR_ARG, "2 bytes more than");
    CHECK_OK(lt_st_write_add(w, b, 2));
    CHECK_FAILS(lt_st_write_declare(w, "late", LT_BF16, 1, dim_b), LT_ERR_ARG, "too late");
    CHECK_FAILS(lt_st_write_commit(&w), LT_ERR_ARG, "4 bytes of the tensors");
    CHECK(w == NULL && access(path, F_OK) != 0);
    CHECK_FAILS(lt_st_write_begin(in_scratch("nowhere/x.safetensors"), &w), LT_ERR_IO, "cannot create");
    CHECK_INT(names_in_scratch(in_scratch(".")), 2);
}

/* Nearest f16, ties to even. */
static void test_f16(void) {
    static const struct {
        float x;
        uint16_t h;
    } c[] = {{0, 0},          {-0.0f, 0x8000}, {1, 0x3c00},        {1 + 0x1p-11f, 0x3c00}, {1 + 0x3p-11f, 0x3c02},
             {65504, 0x7bff}, {65519, 0x7bff}, {65520, 0x7c00},    {-1e9f, 0xfc00},        {0x1p-24f, 1},
             {0x1p-25f, 0},   {0x1.8p-24f, 2}, {0x1p-14f, 0x0400}, {0x1.ffcp-15f, 0x0400}, {INFINITY, 0x7c00},
             {-2.5f, 0xc100}};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        uint16_t h;
        CHECK_OK(lt_convert(&h, LT_F16, &c[i].x, LT_F32, 1));
        TEST_REPORT(h == c[i].h, "f16 of %a is %04x, expected %04x", (double)c[i].x, h, c[i].h);
    }
    uint16_t h = 0;
    CHECK_OK(lt_convert(&h, LT_F16, &(float){NAN}, LT_F32, 1));
    CHECK((h & 0x7c00) == 0x7c00 && (h & 0x3ff));
}

int main(void) {
    scratch_make();
    for (int r = 0; r < R; r++)
        for (int k = 0; k < C; k++) a[r][k] = (float)(r * 100 + k) + 0.25f;
    test_there_and_back();
    test_named();
    test_misuse();
    test_f16();
    return test_end();
}
