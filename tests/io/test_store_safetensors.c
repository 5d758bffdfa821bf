// TEST rooms: store  labels: io  timeout: 60  omp: 2
/* Safetensors: slices against the whole, conversions, shards, threads, counted bytes, fingerprints, and every kind of bad folder. */
#include "io/store_test.h"

#include "base/mem.h"
#include "store/safetensors.h"

#include <omp.h>

static const char *const single = "model.safetensors";
static const char *const index_name = "model.safetensors.index.json";

/* Writes a safetensors file: header text and data. */
static void st_save(const char *path, const char *header, const void *data, size_t bytes) {
    size_t n = strlen(header);
    unsigned char *all = malloc(8 + n + bytes);
    for (int i = 0; i < 8; i++) all[i] = (unsigned char)(n >> (8 * i));
    memcpy(all + 8, header, n);
    if (bytes) memcpy(all + 8 + n, data, bytes);
    file_save(path, all, 8 + n + bytes);
    free(all);
}

enum { R = 37, C = 29, V = 11 };
static struct {
    float a[R][C];    /* f32 matrix */
    uint16_t b[R][C]; /* bf16 matrix */
    uint16_t h[V];    /* f16 vector */
    int64_t ids[V];
    float scalar;
} values;

/* A folder with all of `values` in one file. */
static const char *make_folder(const char *name) {
    char header[1024];
    const char *dir = in_scratch("%s", name), *path = in_scratch("%s/%s", name, single);
    size_t a = sizeof values.a, b = a + sizeof values.b, h = b + sizeof values.h, i = h + sizeof values.ids, s = i + 4;
    unsigned char *data = malloc(s);
    mkdir(dir, 0777);
    memcpy(data, values.a, sizeof values.a);
    memcpy(data + a, values.b, sizeof values.b);
    memcpy(data + b, values.h, sizeof values.h);
    memcpy(data + h, values.ids, sizeof values.ids);
    memcpy(data + i, &values.scalar, 4);
    snprintf(header, sizeof header,
             "{\"__metadata__\":{\"format\":\"pt\"},\"ids\":{\"dtype\":\"I64\",\"shape\":[11],\"data_offsets\":[%zu,%zu]},"
             "\"a.weight\":{\"dtype\":\"F32\",\"shape\":[37,29],\"data_offsets\":[0,%zu]},"
             "\"b.weight\":{\"dtype\":\"BF16\",\"shape\":[37,29],\"data_offsets\":[%zu,%zu]},"
             "\"h.bias\":{\"dtype\":\"F16\",\"shape\":[11],\"data_offsets\":[%zu,%zu]},"
             "\"scale\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[%zu,%zu]},"
             "\"void\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[%zu,%zu]}}   ",
             h, i, a, a, b, b, h, i, s, s, s);
    st_save(path, header, data, s);
    free(data);
    return dir;
}

static void fill_values(void) {
    for (int r = 0; r < R; r++)
        for (int c = 0; c < C; c++) {
            values.a[r][c] = (float)(r * 1000 + c) + 0.125f;
            values.b[r][c] = lt_f32_to_bf16((float)(r - c) * 0.5f);
        }
    for (int i = 0; i < V; i++) {
        values.h[i] = (uint16_t)(0x3c00 + i); /* 1, 1 + 2^-10, ... */
        values.ids[i] = 100 - i;
    }
    values.scalar = 2.5f;
}

static void test_slices(const char *dir) {
    lt_st *st = NULL;
    float f[R * C + 1];
    uint16_t h[R * C + 1];
    CHECK_OK(lt_st_open(dir, &st));
    CHECK_INT(lt_st_count(st), 6);
    CHECK_STR(lt_st_at(st, 0)->name, "a.weight");
    CHECK(lt_st_find(st, "nothing") == NULL);
    CHECK_INT(lt_st_total_bytes(st), sizeof values.a + sizeof values.b + sizeof values.h + sizeof values.ids + 4);
    const lt_st_tensor *a = lt_st_find(st, "a.weight"), *b = lt_st_find(st, "b.weight"), *v = lt_st_find(st, "h.bias");
    CHECK(a && a->dtype == LT_F32 && a->n_dims == 2 && a->dim[0] == R && a->dim[1] == C);

    /* Every kind of rectangle, with a sentinel behind it and the bytes counted. */
    static const int rect[][4] = {{0, R, 0, C}, {5, 9, 0, C}, {0, R, 3, 7}, {36, 1, 28, 1}, {10, 20, 1, 28}, {4, 0, 0, C}};
    for (size_t k = 0; k < sizeof rect / sizeof *rect; k++) {
        const int *q = rect[k];
        int64_t before = lt_st_bytes_read(st), n = (int64_t)q[1] * q[3];
        f[n] = -77;
        h[n] = 0x7777;
        CHECK_OK(lt_st_read(st, a, q[0], q[1], q[2], q[3], f, LT_F32));
        CHECK_INT(lt_st_bytes_read(st) - before, 4 * n);
        CHECK_OK(lt_st_read(st, a, q[0], q[1], q[2], q[3], h, LT_BF16));
        int wrong = 0;
        for (int r = 0; r < q[1]; r++)
            for (int c = 0; c < q[3]; c++) {
                float want = values.a[q[0] + r][q[2] + c];
                wrong += f[r * q[3] + c] != want || h[r * q[3] + c] != lt_f32_to_bf16(want);
            }
        CHECK_INT(wrong, 0);
        CHECK(f[n] == -77 && h[n] == 0x7777);
        CHECK_OK(lt_st_read(st, b, q[0], q[1], q[2], q[3], h, LT_BF16));
        CHECK_OK(lt_st_read(st, b, q[0], q[1], q[2], q[3], f, LT_F32));
        for (int r = 0; r < q[1]; r++)
            for (int c = 0; c < q[3]; c++) {
                uint16_t want = values.b[q[0] + r][q[2] + c];
                wrong += h[r * q[3] + c] != want || f[r * q[3] + c] != lt_bf16_to_f32(want);
            }
        CHECK_INT(wrong, 0);
    }
    CHECK_OK(lt_st_read(st, v, 2, 5, 0, 1, f, LT_F32));
    for (int i = 0; i < 5; i++) CHECK_NEAR(f[i], 1 + (i + 2) / 1024.0, 0);
    CHECK_OK(lt_st_read(st, lt_st_find(st, "scale"), 0, 1, 0, 1, f, LT_F32));
    CHECK_NEAR(f[0], 2.5, 0);
    int64_t ids[V];
    CHECK_OK(lt_st_read(st, lt_st_find(st, "ids"), 0, V, 0, 1, ids, LT_I64));
    CHECK_INT(ids[V - 1], 100 - V + 1);
    CHECK_FAILS(lt_st_read(st, lt_st_find(st, "ids"), 0, V, 0, 1, f, LT_F32), LT_ERR_FORMAT, "dtype I64, which cannot be read as f32");
    CHECK_FAILS(lt_st_read(st, a, 30, 8, 0, C, f, LT_F32), LT_ERR_ARG, "a.weight is [37, 29]");
    CHECK_FAILS(lt_st_read(st, v, 0, V, 0, 2, f, LT_F32), LT_ERR_ARG, "not inside");
    lt_st_close(&st);
    CHECK(st == NULL);
}

/* Many threads read parts of one file at once. */
static void test_threads(const char *dir) {
    lt_st *st = NULL;
    static float f[R][C];
    int failed = 0;
    CHECK_OK(lt_st_open(dir, &st));
    const lt_st_tensor *a = lt_st_find(st, "a.weight");
    int64_t before = lt_st_bytes_read(st);
#pragma omp parallel for num_threads(4) reduction(+ : failed)
    for (int r = 0; r < R; r++) failed += lt_st_read(st, a, r, 1, 0, C, f[r], LT_F32) != LT_OK;
    CHECK_INT(failed, 0);
    CHECK(memcmp(f, values.a, sizeof f) == 0);
    CHECK_INT(lt_st_bytes_read(st) - before, sizeof values.a);
    lt_st_close(&st);
}

static void fingerprint(const char *dir, char hex[LT_SHA_HEX_BYTES]) {
    lt_st *st = NULL;
    strcpy(hex, "none");
    CHECK_OK(lt_st_open(dir, &st));
    CHECK_OK(lt_st_fingerprint(st, hex));
    lt_st_close(&st);
}

static void test_fingerprint(const char *dir) {
    char a[LT_SHA_HEX_BYTES], b[LT_SHA_HEX_BYTES];
    fingerprint(dir, a);
    fingerprint(make_folder("copy"), b);
    CHECK_STR(a, b); /* the same weights elsewhere */
    values.a[20][20] += 1;
    fingerprint(make_folder("other"), b);
    values.a[20][20] -= 1;
    CHECK(strcmp(a, b) != 0); /* other weights of the same shapes */
}

/* A file with more data than the fingerprint samples. */
static void test_large(void) {
    enum { ROWS = 1000, COLS = 700 };
    static float w[ROWS * COLS], part[ROWS][COLS / 2];
    char header[128];
    lt_st *st = NULL;
    for (int i = 0; i < ROWS * COLS; i++) w[i] = (float)i;
    mkdir(in_scratch("large"), 0777);
    snprintf(header, sizeof header, "{\"w\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[0,%zu]}}", ROWS, COLS, sizeof w);
    st_save(in_scratch("large/%s", single), header, w, sizeof w);
    CHECK_OK(lt_st_open(in_scratch("large"), &st));
    int64_t opened = lt_st_bytes_read(st);
    CHECK_INT(opened, 8 + strlen(header));
    CHECK_OK(lt_st_read(st, lt_st_find(st, "w"), 0, ROWS, COLS / 2, COLS / 2, part, LT_F32));
    CHECK_INT(lt_st_bytes_read(st) - opened, sizeof part); /* half of the columns: half of the bytes */
    CHECK(part[999][3] == w[999 * COLS + COLS / 2 + 3]);
    uint16_t *h = malloc(sizeof w / 2);
    CHECK_OK(lt_st_read(st, lt_st_find(st, "w"), 0, ROWS, 0, COLS, h, LT_BF16)); /* several pieces */
    int wrong = 0;
    for (int i = 0; i < ROWS * COLS; i++) wrong += h[i] != lt_f32_to_bf16((float)i);
    CHECK_INT(wrong, 0);
    free(h);
    char a[LT_SHA_HEX_BYTES], b[LT_SHA_HEX_BYTES];
    opened = lt_st_bytes_read(st);
    CHECK_OK(lt_st_fingerprint(st, a));
    CHECK_INT(lt_st_bytes_read(st) - opened, 64 * 4096);
    /* Cut after opening: an error, not a crash. */
    CHECK(truncate(in_scratch("large/%s", single), 1000000) == 0);
    CHECK_FAILS(lt_st_read(st, lt_st_find(st, "w"), 0, ROWS, 0, COLS, w, LT_F32), LT_ERR_FORMAT, "was cut after it was opened");
    lt_st_close(&st);
    for (int i = 0; i < ROWS * COLS; i++) w[i] = (float)i + 1;
    st_save(in_scratch("large/%s", single), header, w, sizeof w);
    fingerprint(in_scratch("large"), b);
    CHECK(strcmp(a, b) != 0);
}

static void test_shards(void) {
    static const float x[4] = {1, 2, 3, 4}, y[2] = {5, 6};
    float f[4];
    lt_st *st = NULL;
    mkdir(in_scratch("shards"), 0777);
    st_save(in_scratch("shards/m-1.safetensors"), "{\"x\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}", x, 16);
    st_save(in_scratch("shards/m-2.safetensors"), "{\"y\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", y, 8);
    static const char good[] = "{\"metadata\":{},\"weight_map\":{\"y\":\"m-2.safetensors\",\"x\":\"m-1.safetensors\"}}";
    const char *path = in_scratch("shards/%s", index_name);
    file_save(path, good, sizeof good - 1);
    CHECK_OK(lt_st_open(in_scratch("shards"), &st));
    CHECK_INT(lt_st_files(st), 2);
    CHECK_INT(lt_st_count(st), 2);
    CHECK_OK(lt_st_read(st, lt_st_find(st, "y"), 0, 2, 0, 1, f, LT_F32));
    CHECK_NEAR(f[1], 6, 0);
    CHECK_OK(lt_st_read(st, lt_st_find(st, "x"), 1, 1, 0, 2, f, LT_F32));
    CHECK_NEAR(f[0], 3, 0);
    lt_st_close(&st);

#define BAD_INDEX(text, code, message)                                                                                                     \
    do {                                                                                                                                   \
        file_save(path, text, strlen(text));                                                                                               \
        CHECK_FAILS(lt_st_open(in_scratch("shards"), &st), code, message);                                                                 \
    } while (0)
    BAD_INDEX("{\"weight_map\":{\"x\":\"m-2.safetensors\"}}", LT_ERR_FORMAT, "tensor x is not in m-2.safetensors");
    BAD_INDEX("{\"weight_map\":{\"x\":\"m-3.safetensors\"}}", LT_ERR_IO, "m-3.safetensors, named in");
    BAD_INDEX("{\"weight_map\":{\"x\":\"../m-1.safetensors\"}}", LT_ERR_FORMAT, "no file name beside the index");
    BAD_INDEX("{\"weight_map\":{\"x\":7}}", LT_ERR_FORMAT, "no file name");
    BAD_INDEX("{\"weight_map\":{}}", LT_ERR_FORMAT, "has no weight_map");
    BAD_INDEX("[1]", LT_ERR_FORMAT, "has no weight_map");
    BAD_INDEX("{\"weight_map\":", LT_ERR_FORMAT, "cannot be read as JSON");
    BAD_INDEX("", LT_ERR_FORMAT, "cannot be read as JSON");
}

static void test_bad_files(void) {
    lt_st *st = NULL;
    const char *dir = in_scratch("bad"), *path = in_scratch("bad/%s", single);
    static const float x[4] = {1, 2, 3, 4};
    CHECK_FAILS(lt_st_open(in_scratch("nowhere"), &st), LT_ERR_IO, "No such file");
    mkdir(dir, 0777);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_IO, "has neither model.safetensors nor");
    file_save(in_scratch("bad/pytorch_model.bin"), "x", 1);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_FORMAT, "begins with bytes 78 00 00 00: neither a zip archive nor a pickle");
    CHECK_FAILS(lt_st_open(in_scratch("bad/pytorch_model.bin"), &st), LT_ERR_IO, "is not a folder");

    file_save(path, "", 0);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_FORMAT, "is empty (0 bytes)");
    file_save(path, "abc", 3);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_FORMAT, "has 3 bytes, expected at least the 8");
    file_save(path, "\xff\x00\x00\x00\x00\x00\x00\x00{}", 10);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_FORMAT, "the header claims 255 bytes, but only 2 follow");
    file_save(path, "PK\x03\x04ZIPFILE", 11);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_FORMAT, "truncated or not safetensors");
    /* 200 MB claimed and (as a sparse file) there. */
    file_save(path, "\x00\xc2\xeb\x0b\x00\x00\x00\x00{}", 10);
    CHECK(truncate(path, 210000000) == 0);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_FORMAT, "more than the 100000000");

#define BAD_HEADER(header, message)                                                                                                        \
    do {                                                                                                                                   \
        st_save(path, header, x, sizeof x);                                                                                                \
        CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_FORMAT, message);                                                                         \
    } while (0)
    BAD_HEADER("{\"x\":", "is not JSON");
    BAD_HEADER("[]", "not an object");
    BAD_HEADER("{\"x\":{},\"x\":{}}", "is not JSON"); /* a name twice */
    st_save(path, "{}", NULL, 0);                     /* no tensors: strange, but whole */
    CHECK_OK(lt_st_open(dir, &st));
    CHECK(lt_st_count(st) == 0 && lt_st_total_bytes(st) == 0 && !lt_st_find(st, "x"));
    lt_st_close(&st);
    st_save(path, "{}", "junk", 4);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_FORMAT, "describes 10 bytes, the file has 14");
    BAD_HEADER("{\"x\":7}", "x has no dtype");
    BAD_HEADER("{\"x\":{\"dtype\":\"F31\",\"shape\":[4],\"data_offsets\":[0,16]}}", "unknown dtype \"F31\"");
    BAD_HEADER("{\"x\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}", "no shape");
    BAD_HEADER("{\"x\":{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]}}", "dimension 0 is not a count");
    BAD_HEADER("{\"x\":{\"dtype\":\"F32\",\"shape\":[4]}}", "no data_offsets");
    BAD_HEADER("{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]}}", "no data_offsets");
    BAD_HEADER("{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,0]}}", "are not a range");
    BAD_HEADER("{\"x\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,16]}}", "span 16 bytes, but its shape in F32 needs 12");
    BAD_HEADER("{\"x\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[0,32]}}",
               "is truncated: tensor x ends at byte 32 of the data, the file holds 16");
    BAD_HEADER("{\"x\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,16]}}", "overflows");
    BAD_HEADER(
        "{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},\"y\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}",
        "overlap");
    BAD_HEADER("{\"x\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[4,16]}}", "belong to no tensor");
    BAD_HEADER("{\"x\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", "the header describes");
    CHECK(st == NULL);

    /* A type that we can list but not read. */
    float f[4];
    st_save(path, "{\"q\":{\"dtype\":\"F8_E4M3\",\"shape\":[16],\"data_offsets\":[0,16]}}", x, sizeof x);
    CHECK_OK(lt_st_open(dir, &st));
    CHECK_STR(lt_st_find(st, "q")->dtype_name, "F8_E4M3");
    CHECK_FAILS(lt_st_read(st, lt_st_find(st, "q"), 0, 4, 0, 1, f, LT_F32), LT_ERR_FORMAT, "dtype F8_E4M3");
    lt_st_close(&st);

    /* No elements, and dimensions whose product passes 64 bits once the zero is left out. */
    st_save(path, "{\"e\":{\"dtype\":\"F32\",\"shape\":[0,4611686018427387904,4611686018427387904],\"data_offsets\":[0,0]}}", x, 0);
    CHECK_OK(lt_st_open(dir, &st));
    CHECK_FAILS(lt_st_read(st, lt_st_find(st, "e"), 0, 0, 0, 0, f, LT_F32), LT_ERR_FORMAT, "tensor e");
    lt_st_close(&st);

    /* Cut at every place: never accepted. */
    size_t n;
    unsigned char *data = file_load(in_scratch("one/%s", single), &n);
    int accepted = 0;
    for (size_t cut = 0; cut < n; cut += 53) {
        file_save(path, data, cut);
        if (lt_st_open(dir, &st) == LT_OK) accepted++;
        lt_st_close(&st);
    }
    CHECK_INT(accepted, 0);
    free(data);
}

int main(void) {
    scratch_make();
    fill_values();
    const char *one = make_folder("one");
    char dir[512];
    snprintf(dir, sizeof dir, "%s", one);
    test_slices(dir);
    test_threads(dir);
    test_fingerprint(dir);
    test_large();
    test_shards();
    test_bad_files();
    return test_end();
}
