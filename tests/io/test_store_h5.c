// TEST rooms: store  labels: io  timeout: 60
/* HDF5 wrappers: round trips, checks of type and shape, digests, atomic commit, damage at random places, a disk that fills at every write. */
#include "io/store_test.h"

#include "base/rng.h"
#include "base/sha256.h"
#include "store/h5.h"

#include <sys/syscall.h>

/* The disk of this test: HDF5's writes go through here (an executable's symbol wins over libc's).  Bytes left before "no space"; files that
 * are unlinked or in memory are not on that disk. */
static int64_t disk_left = INT64_MAX;
__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *buf, size_t n, off_t at) {
    struct stat info;
    if (disk_left < INT64_MAX && fstat(fd, &info) == 0 && info.st_nlink > 0) {
        if (disk_left < (int64_t)n) {
            errno = ENOSPC;
            return -1;
        }
        disk_left -= (int64_t)n;
    }
    return syscall(SYS_pwrite64, fd, buf, n, at);
}

static const float sample_f32[6] = {1, -2.5f, 3e-20f, 4, 5, 6};
static const char *const sample_text[3] = {"negative", "", "s\xc3\xbc\xc3\x9f"};
enum { MANY = 3000 };

/* Some of everything.  First failure. */
static lt_status write_sample(const char *path) {
    lt_h5_writer *w = NULL;
    hid_t g = -1;
    lt_status st;
    int64_t d23[2] = {2, 3}, none = 0, many = MANY;
    static double series[MANY];
    for (int i = 0; i < MANY; i++) series[i] = i / 7.0;
    static const int32_t i32[6] = {1, 2, 3, -4, 5, 6};
    LT_TRY(lt_h5_write_begin(path, "test-kind", 3, &w));
    hid_t f = lt_h5_writer_file(w);
    LT_TRY_GOTO(lt_h5_group(f, "a/b", &g), st, done);
    LT_TRY_GOTO(lt_h5_put_i64(g, "answer", -42), st, done);
    LT_TRY_GOTO(lt_h5_put_f64(g, "third", 1.0 / 3), st, done);
    LT_TRY_GOTO(lt_h5_put_str(g, "empty", ""), st, done);
    LT_TRY_GOTO(lt_h5_put_str(g, "text", "first"), st, done);
    LT_TRY_GOTO(lt_h5_put_str(g, "text", "replaced \xe2\x82\xac"), st, done);
    LT_TRY_GOTO(lt_h5_write(g, "x", LT_F32, 2, d23, sample_f32, false), st, done);
    LT_TRY_GOTO(lt_h5_write(g, "i", LT_I32, 2, d23, i32, true), st, done);
    LT_TRY_GOTO(lt_h5_write(g, "none", LT_I64, 1, &none, NULL, true), st, done);
    LT_TRY_GOTO(lt_h5_write(f, "series", LT_F64, 1, &many, series, true), st, done);
    LT_TRY_GOTO(lt_h5_write_strings(g, "labels", 3, sample_text, false), st, done);
done:
    lt_h5_close(&g);
    if (st == LT_OK) return lt_h5_write_commit(&w);
    lt_h5_write_cancel(&w);
    return st;
}

/* Reads the sample back; true if every value is as written. */
static bool sample_intact(const char *path) {
    hid_t f = -1, g = -1;
    int64_t v = 0, dim[2] = {-1, 3}, n = 0, many = MANY;
    double third = 0, *series = NULL;
    float *x = NULL;
    char *text = NULL, **labels = NULL;
    lt_status st = lt_h5_open_kind(path, "test-kind", 3, &f);
    if (st == LT_OK && !lt_h5_has(f, "a/b")) st = LT_ERR_FORMAT;
    if (st == LT_OK) st = lt_h5_group(f, "a/b", &g);
    if (st == LT_OK) st = lt_h5_get_i64(g, "answer", &v);
    if (st == LT_OK) st = lt_h5_get_f64(g, "third", &third);
    if (st == LT_OK) st = lt_h5_get_str(g, "text", &text);
    if (st == LT_OK) st = lt_h5_read(g, "x", LT_F32, 2, dim, &x);
    if (st == LT_OK) st = lt_h5_read_strings(g, "labels", &n, &labels);
    if (st == LT_OK) st = lt_h5_read(f, "series", LT_F64, 1, &many, &series);
    bool same = st == LT_OK && v == -42 && third == 1.0 / 3 && !strcmp(text, "replaced \xe2\x82\xac") && dim[0] == 2 &&
                !memcmp(x, sample_f32, sizeof sample_f32) && n == 3;
    for (int i = 0; same && i < 3; i++) same = !strcmp(labels[i], sample_text[i]);
    for (int i = 0; same && i < MANY; i++) same = series[i] == i / 7.0;
    free(text), free(x), free(labels), free(series);
    lt_h5_close(&g);
    lt_h5_close(&f);
    return same;
}

static void test_round_trip(void) {
    const char *path = in_scratch("sample.h5");
    CHECK_OK(write_sample(path));
    CHECK(!dir_has(scratch_dir, ".tmp"));
    CHECK_OK(lt_h5_verify(path));
    CHECK(sample_intact(path));

    /* The stored digest is the plain SHA-256 of the array's bytes. */
    hid_t f = -1, g = -1;
    char hex[LT_SHA_HEX_BYTES], *stored = NULL, **names = NULL;
    int64_t n = 0;
    CHECK_OK(lt_h5_open(path, &f));
    CHECK_OK(lt_sha_bytes(sample_f32, sizeof sample_f32, hex));
    hid_t d = H5Dopen2(f, "/a/b/x", H5P_DEFAULT);
    CHECK_OK(lt_h5_get_str(d, "sha256", &stored));
    H5Dclose(d);
    CHECK_STR(stored, hex);
    free(stored);

    /* Every mismatch is named. */
    CHECK_OK(lt_h5_group(f, "a/b", &g));
    float buf[6], *p = NULL;
    int64_t dim[3] = {2, 4, 1}, any[2] = {-1, -1};
    CHECK_FAILS(lt_h5_read_into(g, "x", LT_F32, 2, dim, buf), LT_ERR_FORMAT, "/a/b/x is f32 [2, 3], expected f32 [2, 4]");
    CHECK_FAILS(lt_h5_read_into(g, "x", LT_F32, 3, dim, buf), LT_ERR_FORMAT, "expected f32 [2, 4, 1]");
    CHECK_FAILS(lt_h5_read(g, "x", LT_I32, 2, any, &p), LT_ERR_FORMAT, "expected i32 [any, any]");
    CHECK_INT(any[0], -1);
    CHECK_FAILS(lt_h5_read(g, "y", LT_F32, 2, any, &p), LT_ERR_FORMAT, "/a/b/y is missing");
    CHECK_FAILS(lt_h5_read(g, "labels", LT_F32, 1, any, &p), LT_ERR_FORMAT, "text8 [3]");
    CHECK_FAILS(lt_h5_read_strings(g, "x", &n, &names), LT_ERR_FORMAT, "expected strings");
    CHECK_FAILS(lt_h5_get_i64(g, "nothing", &n), LT_ERR_FORMAT, "'nothing' is missing");
    CHECK_FAILS(lt_h5_get_i64(g, "text", &n), LT_ERR_FORMAT, "another type");
    CHECK_FAILS(lt_h5_list(f, "nowhere/at/all", &names, &n), LT_ERR_FORMAT, "is missing");
    CHECK_OK(lt_h5_list(f, "a/b", &names, &n));
    CHECK_INT(n, 4);
    CHECK_STR(names[0], "i");
    CHECK_STR(names[3], "x");
    free(names);
    lt_dtype dt;
    int n_dims;
    int64_t shape[LT_H5_MAX_DIMS];
    CHECK_OK(lt_h5_shape(g, "i", &dt, &n_dims, shape));
    CHECK(dt == LT_I32 && n_dims == 2 && shape[0] == 2 && shape[1] == 3);
    lt_h5_close(&g);
    lt_h5_close(&f);

    /* The same content gives the same file. */
    size_t na, nb;
    sleep(1); /* no time of day gets in */
    CHECK_OK(write_sample(in_scratch("again.h5")));
    unsigned char *a = file_load(path, &na), *b = file_load(in_scratch("again.h5"), &nb);
    CHECK(na == nb && memcmp(a, b, na) == 0);
    free(a), free(b);
}

static void test_open_errors(void) {
    hid_t f = -1;
    const char *path = in_scratch("bad.h5");
    CHECK_FAILS(lt_h5_open(in_scratch("absent.h5"), &f), LT_ERR_IO, "No such file");
    CHECK_FAILS(lt_h5_open(scratch_dir, &f), LT_ERR_IO, "cannot read");
    file_save(path, "", 0);
    CHECK_FAILS(lt_h5_open(path, &f), LT_ERR_FORMAT, "is empty (0 bytes)");
    file_save(path, "step\tloss\n1\t0.5\n", 15);
    CHECK_FAILS(lt_h5_open(path, &f), LT_ERR_FORMAT, "is not an HDF5 file");
    CHECK_FAILS(lt_h5_open_kind(in_scratch("sample.h5"), "other-kind", 3, &f), LT_ERR_FORMAT, "is a test-kind file, expected other-kind");
    CHECK_FAILS(lt_h5_open_kind(in_scratch("sample.h5"), "test-kind", 2, &f), LT_ERR_FORMAT, "use the newer ltune");
    CHECK_FAILS(lt_h5_open_kind(in_scratch("sample.h5"), "test-kind", 4, &f), LT_ERR_FORMAT, "write it again");
    CHECK_INT(f, -1);
    lt_h5_writer *w = NULL;
    CHECK_FAILS(lt_h5_write_begin(in_scratch("no/such/folder.h5"), "k", 1, &w), LT_ERR_IO, "No such file or directory");
    CHECK(w == NULL);
}

/* Arrays written in parts: blocks of a digest must follow the bytes, whatever the shape. */
static void test_parts(void) {
    static const int64_t shapes[][3] = {{3, 700, 601}, {2100, 5, 101}, {1, 1, 1100000}, {2, 3, 0}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const int64_t *dim = shapes[s];
        size_t elems = (size_t)(dim[0] * dim[1] * dim[2]);
        float *all = malloc(elems * sizeof *all + 4);
        char want[LT_SHA_HEX_BYTES], *got = NULL;
        lt_h5_writer *w = NULL;
        for (size_t i = 0; i < elems; i++) all[i] = (float)i;
        CHECK_OK(lt_h5_write_begin(in_scratch("parts.h5"), "k", 1, &w));
        hid_t f = lt_h5_writer_file(w);
        CHECK_OK(lt_h5_create(f, "hidden", LT_F32, 3, dim));
        for (int64_t i = dim[0]; i-- > 0;) {
            int64_t start[3] = {i, 0, 0}, count[3] = {1, dim[1], dim[2]};
            CHECK_OK(lt_h5_write_part(f, "hidden", start, count, all + i * dim[1] * dim[2]));
        }
        int64_t start[3] = {dim[0], 0, 0}, count[3] = {1, 1, 1};
        CHECK_FAILS(lt_h5_write_part(f, "hidden", start, count, all), LT_ERR_ARG, "outside");
        CHECK_OK(lt_h5_seal(f, "hidden"));
        hid_t d = H5Dopen2(f, "hidden", H5P_DEFAULT);
        CHECK_OK(lt_h5_get_str(d, "sha256", &got));
        H5Dclose(d);
        CHECK_OK(lt_sha_bytes(all, elems * sizeof *all, want));
        CHECK_STR(got, want);
        CHECK_OK(lt_h5_write_commit(&w));
        free(got), free(all);
    }
    /* Unsealed data cannot be committed, and leaves nothing behind. */
    lt_h5_writer *w = NULL;
    int64_t n = 4;
    CHECK_OK(lt_h5_write_begin(in_scratch("unsealed.h5"), "k", 1, &w));
    CHECK_OK(lt_h5_create(lt_h5_writer_file(w), "x", LT_F32, 1, &n));
    CHECK_FAILS(lt_h5_write(lt_h5_writer_file(w), "h", LT_BF16, 1, &n, sample_f32, false), LT_ERR_ARG, "convert to f32");
    CHECK_FAILS(lt_h5_write_commit(&w), LT_ERR_FORMAT, "never sealed");
    CHECK(w == NULL && !file_exists(in_scratch("unsealed.h5")) && !dir_has(scratch_dir, ".tmp"));
}

/* Any damaged bit is seen. */
static void test_damage(void) {
    size_t n;
    int missed = 0;
    const lt_rng rng = {.seed = 7, .purpose = LT_RNG_TEST};
    const char *path = in_scratch("damaged.h5");
    unsigned char *data = file_load(in_scratch("sample.h5"), &n);
    for (uint64_t i = 0; i < 400; i++) {
        size_t at = i < 64 ? (size_t)i : (size_t)lt_rng_below(&rng, n, i, 0);
        unsigned char bit = (unsigned char)(1u << lt_rng_below(&rng, 8, i, 1));
        data[at] ^= bit;
        file_save(path, data, n);
        data[at] ^= bit;
        missed += lt_h5_verify(path) != LT_ERR_FORMAT;
    }
    CHECK_INT(missed, 0);
    file_save(path, data, n);
    CHECK_OK(lt_h5_verify(path)); /* undamaged, it passes */

    hid_t f = -1;
    for (int i = 1; i < 40; i++) {
        size_t cut = n * (size_t)i / 40;
        file_save(path, data, cut);
        TEST_REPORT(lt_h5_verify(path) == LT_ERR_FORMAT, "a file cut at %zu of %zu bytes was accepted", cut, n);
    }
    file_save(path, data, n - SEAL_BYTES - 1);
    CHECK_FAILS(lt_h5_open(path, &f), LT_ERR_FORMAT, "truncated or damaged");
    /* Without the line at the end the data is still guarded by its own digest. */
    unsigned char *at = memmem(data, n, sample_f32, sizeof sample_f32);
    CHECK(at != NULL);
    file_save(path, data, n - SEAL_BYTES);
    CHECK(sample_intact(path));
    at[3] ^= 8;
    file_save(path, data, n - SEAL_BYTES);
    CHECK(!sample_intact(path));
    CHECK(strstr(lt_err_last()->msg, "/a/b/x is damaged") != NULL);
    free(data);
}

/* A file changed with other tools after it was committed. */
static void test_changed(void) {
    const char *path = in_scratch("sample.h5");
    hid_t f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    CHECK_OK(lt_h5_put_i64(f, "note", 1));
    H5Fclose(f);
    CHECK_FAILS(lt_h5_verify(path), LT_ERR_FORMAT, "changed by another program");
    CHECK(sample_intact(path));
}

/* The disk fills at each write in turn: IO, the old file as it was, no left-overs, and the process goes on. */
static void test_disk_full(void) {
    const char *path = in_scratch("full.h5");
    size_t n, after;
    int failed = 0;
    CHECK_OK(write_sample(path));
    unsigned char *before = file_load(path, &n);
    for (int64_t room = 0; room < (int64_t)n + 4096; room += 307) {
        disk_left = room;
        lt_status st = write_sample(path);
        disk_left = INT64_MAX;
        if (st == LT_OK) continue;
        failed++;
        TEST_REPORT(st == LT_ERR_IO && strstr(lt_err_last()->msg, "No space left"), "room %lld: %s: %s", (long long)room,
                    lt_status_name(st), lt_err_last()->msg);
        unsigned char *now = file_load(path, &after);
        TEST_REPORT(now && after == n && !memcmp(now, before, n), "room %lld: the old file changed", (long long)room);
        free(now);
    }
    CHECK(failed > 50);
    CHECK(!dir_has(scratch_dir, ".tmp"));
    CHECK_OK(write_sample(path));
    CHECK(sample_intact(path));
    free(before);
}

/* The same with more metadata than HDF5 keeps in memory, so that writes fail anywhere. */
static lt_status write_many(const char *path, int groups) {
    lt_h5_writer *w = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_h5_write_begin(path, "many", 1, &w));
    for (int i = 0; i < groups; i++) {
        char name[32];
        hid_t g = -1;
        int64_t n = 40;
        float x[40] = {(float)i};
        snprintf(name, sizeof name, "trials/t%d/params", i);
        LT_TRY_GOTO(lt_h5_group(lt_h5_writer_file(w), name, &g), st, done);
        for (int k = 0; k < 5 && st == LT_OK; k++) {
            snprintf(name, sizeof name, "layer%d", k);
            st = lt_h5_write(g, name, LT_F32, 1, &n, x, false);
            if (st == LT_OK) st = lt_h5_put_str(g, name, "a value of some length, to fill heaps and headers");
        }
        lt_h5_close(&g);
        if (st != LT_OK) goto done;
    }
    return lt_h5_write_commit(&w);
done:
    lt_h5_write_cancel(&w);
    return st;
}

static void test_disk_full_metadata(void) {
    struct stat info;
    const char *path = in_scratch("many.h5");
    CHECK_OK(write_many(path, 100));
    CHECK(stat(path, &info) == 0 && info.st_size > 200000);
    CHECK_OK(lt_h5_verify(path));
    for (int i = 0; i < 8; i++) {
        disk_left = info.st_size / 8 * i + 1000 * i;
        lt_status st = write_many(path, 100);
        disk_left = INT64_MAX;
        TEST_REPORT(st == LT_ERR_IO && strstr(lt_err_last()->msg, "No space left"), "room %d/8: %s: %s", i, lt_status_name(st),
                    lt_err_last()->msg);
    }
    CHECK_OK(lt_h5_verify(path));
    CHECK(!dir_has(scratch_dir, ".tmp"));
}

static void test_h5dump(void) {
    char command[800], out[8192];
    if (system("command -v h5dump >/dev/null 2>&1") != 0) {
        printf("h5dump is not installed: its part is skipped\n");
        return;
    }
    snprintf(command, sizeof command, "h5dump -d /a/b/x -a /a/b/text -a /kind '%s' 2>&1", in_scratch("full.h5"));
    CHECK_INT(run_output(command, out, sizeof out), 0);
    CHECK(strstr(out, "DATATYPE  H5T_IEEE_F32LE") && strstr(out, "(0,0): 1, -2.5, 3e-20,"));
    CHECK(strstr(out, "\"test-kind\"") && strstr(out, "replaced"));
}

int main(void) {
    scratch_make();
    test_round_trip();
    test_open_errors();
    test_parts();
    test_damage();
    test_changed();
    test_disk_full();
    test_disk_full_metadata();
    test_h5dump();
    return test_end();
}
