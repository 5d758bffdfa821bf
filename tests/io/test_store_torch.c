// TEST rooms: store  labels: io  timeout: 60  omp: 2
/* pytorch_model.bin: files of torch itself against the same tensors as safetensors, bit by bit; own files of both formats; matrices that lie turned; which
 * file of a folder is read; caches of links; folders of something else.  Ill files are in test_store_torch_bad.c and test_store_torch_zip.c. */
#include "io/store_test.h"
#include "torch_file.h"

#include "base/mem.h"
#include "store/safetensors.h"

static const char *const bin = "pytorch_model.bin";

static int64_t rows_of(const lt_st_tensor *t) { return t->n_dims > 0 ? t->dim[0] : 1; }
static int64_t cols_of(const lt_st_tensor *t) {
    int64_t n = 1;
    for (int i = 1; i < t->n_dims; i++) n *= t->dim[i];
    return n;
}
static bool is_float(const lt_st_tensor *t) { return t->dtype == LT_F32 || t->dtype == LT_F16 || t->dtype == LT_BF16; }

/* The rectangle in this type, with a sentinel behind it that must stay; released by free(). */
static unsigned char *read_part(lt_st *st, const lt_st_tensor *t, int64_t r, int64_t rows, int64_t c, int64_t cols, lt_dtype dt,
                                size_t *bytes) {
    *bytes = (size_t)(rows * cols) * lt_dtype_bytes(dt);
    unsigned char *p = malloc(*bytes + 1);
    p[*bytes] = 0xA5;
    CHECK_OK(lt_st_read(st, t, r, rows, c, cols, p, dt));
    CHECK(p[*bytes] == 0xA5);
    return p;
}

/* Number of bytes that differ between two readings of a rectangle. */
static int64_t differ(lt_st *a, const lt_st_tensor *x, lt_st *b, const lt_st_tensor *y, const int64_t q[4], lt_dtype dt) {
    size_t n, m;
    int64_t wrong = 0;
    unsigned char *p = read_part(a, x, q[0], q[1], q[2], q[3], dt, &n), *s = read_part(b, y, q[0], q[1], q[2], q[3], dt, &m);
    for (size_t i = 0; i < n; i++) wrong += p[i] != s[i];
    free(p);
    free(s);
    return wrong;
}

/* All tensors of dir against those of the safetensors folder; the number of differing bytes. */
static int64_t compare(const char *dir, const char *whole, int64_t n_tensors) {
    lt_st *a = NULL, *b = NULL;
    int64_t wrong = 0;
    CHECK_OK(lt_st_open(dir, &a));
    CHECK_OK(lt_st_open(whole, &b));
    if (!a || !b) return -1;
    CHECK_INT(lt_st_count(a), n_tensors);
    for (int64_t i = 0; i < lt_st_count(a); i++) {
        const lt_st_tensor *x = lt_st_at(a, i), *y = lt_st_find(b, x->name);
        CHECK(y && x->n_dims == y->n_dims && x->bytes == y->bytes);
        if (!y) continue;
        CHECK_STR(x->dtype_name, y->dtype_name);
        for (int d = 0; d < x->n_dims; d++) CHECK_INT(x->dim[d], y->dim[d]);
        if (x->dtype >= LT_DTYPE_COUNT) continue;
        int64_t R = rows_of(x), C = cols_of(x);
        const int64_t part[][4] = {{0, R, 0, C}, {R / 3, R - R / 3, C / 2, C - C / 2}, {R / 2, R > 1, 0, C}, {0, R, C / 3, C > 1}};
        for (int k = 0; k < 4; k++) {
            wrong += differ(a, x, b, y, part[k], x->dtype);
            if (is_float(x)) wrong += differ(a, x, b, y, part[k], LT_F32) + differ(a, x, b, y, part[k], LT_BF16);
        }
    }
    lt_st_close(&a);
    lt_st_close(&b);
    return wrong;
}

static void fingerprint(const char *dir, char hex[LT_SHA_HEX_BYTES]) {
    lt_st *st = NULL;
    strcpy(hex, "none");
    CHECK_OK(lt_st_open(dir, &st));
    if (st) CHECK_OK(lt_st_fingerprint(st, hex));
    lt_st_close(&st);
}

/* --- files of torch --------------------------------------------------------------------------------------------------------------------- */

static void test_golden(void) {
    static const char *const dir[] = {"zip", "zip5", "shards", "legacy", "nested"};
    char path[512], whole[512], hex[2][LT_SHA_HEX_BYTES];
    lt_st *st = NULL;
    snprintf(whole, sizeof whole, "%s/torch/whole", LT_GOLDEN);
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%s/torch/%s", LT_GOLDEN, dir[i]);
        CHECK_INT(compare(path, whole, i < 3 ? 17 : 16), 0);
        CHECK_OK(lt_st_open(path, &st));
        CHECK_INT(lt_st_files(st), i == 2 ? 2 : 1);
        CHECK(lt_st_find(st, "turned.weight")->turned && !lt_st_find(st, "one.row")->turned && !lt_st_find(st, "proj.weight")->turned);
        /* Two names of one storage are one place, unless they went into two files. */
        CHECK((lt_st_find(st, "head.weight")->offset == lt_st_find(st, "embed.weight")->offset) == (i != 2));
        if (i == 4) CHECK_STR(lt_st_note(st), "pytorch_model.bin holds 4 values that are not tensors: ignored");
        if (i == 0) CHECK(lt_st_note(st) == NULL);
        lt_st_close(&st);
        fingerprint(path, hex[0]);
        fingerprint(path, hex[1]);
        CHECK_STR(hex[0], hex[1]);
    }

    /* Negative control: one bit of a weight changed. */
    size_t n;
    snprintf(path, sizeof path, "%s/torch/zip/%s", LT_GOLDEN, bin);
    unsigned char *data = file_load(path, &n);
    snprintf(path, sizeof path, "%s/torch/zip", LT_GOLDEN);
    CHECK_OK(lt_st_open(path, &st));
    int64_t at = lt_st_find(st, "proj.weight")->offset;
    lt_st_close(&st);
    mkdir(in_scratch("changed"), 0777);
    data[at] ^= 1;
    file_save(in_scratch("changed/%s", bin), data, n);
    free(data);
    CHECK(compare(in_scratch("changed"), whole, 17) > 0);
    fingerprint(path, hex[0]);
    fingerprint(in_scratch("changed"), hex[1]);
    CHECK(strcmp(hex[0], hex[1]) != 0);
}

/* --- own files --------------------------------------------------------------------------------------------------------------------------- */

enum { R = 900, C = 700, N = R * C }; /* larger than what is converted at a time */
static float weight[N];

static const tf_tensor large[] = {
    {.name = "plain", .type = "FloatStorage", .key = "w", .numel = N, .n_dims = 2, .dim = {R, C}, .stride = {C, 1}},
    {.name = "turned", .type = "FloatStorage", .key = "w", .numel = N, .n_dims = 2, .dim = {C, R}, .stride = {1, C}},
    {.name = "row", .type = "FloatStorage", .key = "w", .numel = N, .offset = 7 * C, .n_dims = 1, .dim = {C}, .stride = {1}},
    {.name = "cube", .type = "FloatStorage", .key = "w", .numel = N, .n_dims = 4, .dim = {30, 1, 30, C}, .stride = {30 * C, 999, C, 1}},
};

/* Writes the large tensors; *end as of tf_zip(). */
static void save_zip(const char *path, tf_zip_style style, const char *root, size_t *end) {
    tf_bytes pickle = {0}, file = {0};
    char name[4][64];
    static const char *const part[] = {"data.pkl", "byteorder", "data/w", "version"};
    for (int i = 0; i < 4; i++) snprintf(name[i], sizeof name[i], "%s/%s", root, part[i]);
    pk_dict(&pickle, large, 4, 0);
    tf_entry e[] = {TF_ENTRY(name[0], pickle.p, pickle.n), TF_ENTRY(name[1], "little", 6), TF_ENTRY(name[2], weight, sizeof weight),
                    TF_ENTRY(name[3], "3\n", 2)};
    tf_zip(&file, e, 4, style, end);
    file_save(path, file.p, file.n);
    tf_free(&pickle);
    tf_free(&file);
}

static void check_large(const char *dir) {
    lt_st *st = NULL;
    static const int64_t part[][4] = {{0, C, 0, R}, {0, C, 100, 3}, {650, 50, 0, R}, {699, 1, 899, 1}, {13, 400, 250, 600}};
    float *f = malloc(sizeof weight);
    uint16_t *h = malloc(sizeof weight / 2);
    CHECK_OK(lt_st_open(dir, &st));
    if (!st) return;
    CHECK(lt_st_bytes_read(st) < 20000); /* headers and no weights */
    const lt_st_tensor *t = lt_st_find(st, "turned");
    CHECK(t->turned);
    for (size_t k = 0; k < sizeof part / sizeof *part; k++) {
        const int64_t *q = part[k];
        int64_t wrong = 0, before = lt_st_bytes_read(st);
        CHECK_OK(lt_st_read(st, t, q[0], q[1], q[2], q[3], f, LT_F32));
        CHECK_INT(lt_st_bytes_read(st) - before, 4 * q[1] * q[3]); /* what is asked for and no more */
        CHECK_OK(lt_st_read(st, t, q[0], q[1], q[2], q[3], h, LT_BF16));
        for (int64_t r = 0; r < q[1]; r++)
            for (int64_t c = 0; c < q[3]; c++) {
                float want = weight[(q[2] + c) * C + q[0] + r];
                wrong += f[r * q[3] + c] != want || h[r * q[3] + c] != lt_f32_to_bf16(want);
            }
        CHECK_INT(wrong, 0);
    }
    CHECK_FAILS(lt_st_read(st, t, 1, C, 0, R, f, LT_F32), LT_ERR_ARG, "turned is [700, 900]");
    CHECK_OK(lt_st_read(st, lt_st_find(st, "plain"), 0, R, 0, C, f, LT_F32));
    CHECK(memcmp(f, weight, sizeof weight) == 0);
    CHECK_OK(lt_st_read(st, lt_st_find(st, "cube"), 0, 30, 0, 30 * C, f, LT_F32));
    CHECK(memcmp(f, weight, sizeof weight) == 0);
    CHECK_OK(lt_st_read(st, lt_st_find(st, "row"), 0, C, 0, 1, f, LT_F32));
    CHECK(memcmp(f, weight + 7 * C, C * sizeof *f) == 0);
    int64_t before = lt_st_bytes_read(st);
    char hex[LT_SHA_HEX_BYTES];
    CHECK_OK(lt_st_fingerprint(st, hex));
    CHECK(lt_st_bytes_read(st) - before <= 64 * 4096);
    lt_st_close(&st);
    free(f);
    free(h);
}

static void test_own_files(void) {
    size_t end;
    for (int i = 0; i < N; i++) weight[i] = (float)i * 0.5f;
    mkdir(in_scratch("own"), 0777);
    for (tf_zip_style style = TF_PLAIN; style <= TF_ZIP64; style++) {
        save_zip(in_scratch("own/%s", bin), style, style == TF_PLAIN ? "archive" : "pytorch_model", &end);
        check_large(in_scratch("own"));
    }
    /* The old format, and a view of a storage as the oldest torch wrote it. */
    tf_bytes file = {0};
    tf_tensor view = large[2];
    view.name = "view";
    view.offset = 3;
    view.dim[0] = 4;
    view.view_at = 100;
    view.view_numel = 7;
    tf_tensor all[5];
    memcpy(all, large, sizeof large);
    all[4] = view;
    tf_legacy_head(&file);
    pk_dict(&file, all, 5, 1);
    tf_legacy_keys(&file, (const char *const[]){"w"}, 1);
    tf_legacy_storage(&file, N, weight, sizeof weight);
    file_save(in_scratch("own/%s", bin), file.p, file.n);
    tf_free(&file);
    check_large(in_scratch("own"));
    lt_st *st = NULL;
    float f[4];
    CHECK_OK(lt_st_open(in_scratch("own"), &st));
    CHECK_OK(lt_st_read(st, lt_st_find(st, "view"), 0, 4, 0, 1, f, LT_F32));
    CHECK(memcmp(f, weight + 103, sizeof f) == 0);
    lt_st_close(&st);
}

/* --- which file of a folder -------------------------------------------------------------------------------------------------------------- */

static void copy_golden(const char *folder, const char *name, const char *to) {
    char path[512];
    size_t n;
    snprintf(path, sizeof path, "%s/torch/%s/%s", LT_GOLDEN, folder, name);
    unsigned char *data = file_load(path, &n);
    file_save(to, data, n);
    free(data);
}

static void test_choice(void) {
    lt_st *st = NULL;
    const char *dir = in_scratch("choice");
    mkdir(dir, 0777);
    copy_golden("zip", bin, in_scratch("choice/%s", bin));
    copy_golden("whole", "model.safetensors", in_scratch("choice/model.safetensors"));
    CHECK_OK(lt_st_open(dir, &st));
    CHECK_STR(lt_st_path(st), in_scratch("choice/model.safetensors"));
    CHECK_STR(lt_st_note(st), "pytorch_model.bin ignored: model.safetensors is there");
    lt_st_close(&st);
    CHECK(unlink(in_scratch("choice/model.safetensors")) == 0);
    CHECK_OK(lt_st_open(dir, &st));
    CHECK_STR(lt_st_path(st), in_scratch("choice/%s", bin));
    CHECK(lt_st_note(st) == NULL);
    lt_st_close(&st);
    /* A link whose file never came is not passed over. */
    CHECK(symlink("../blobs/none", in_scratch("choice/model.safetensors")) == 0);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_IO, "choice/model.safetensors is a link to a file that is not there");
    CHECK(unlink(in_scratch("choice/model.safetensors")) == 0);

    /* One that would not be read does not matter. */
    CHECK(rename(in_scratch("choice/%s", bin), in_scratch("choice/kept")) == 0);
    CHECK(symlink("../blobs/none", in_scratch("choice/%s", bin)) == 0);
    copy_golden("whole", "model.safetensors", in_scratch("choice/model.safetensors"));
    CHECK_OK(lt_st_open(dir, &st));
    CHECK(lt_st_note(st) == NULL);
    lt_st_close(&st);
    CHECK(unlink(in_scratch("choice/model.safetensors")) == 0);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_IO, "choice/pytorch_model.bin is a link to a file that is not there");
    CHECK(rename(in_scratch("choice/kept"), in_scratch("choice/%s", bin)) == 0);

    /* Shards, one of them absent. */
    CHECK(unlink(in_scratch("choice/%s", bin)) == 0);
    copy_golden("shards", "pytorch_model.bin.index.json", in_scratch("choice/pytorch_model.bin.index.json"));
    copy_golden("shards", "pytorch_model-00001-of-00002.bin", in_scratch("choice/pytorch_model-00001-of-00002.bin"));
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_IO, "pytorch_model-00002-of-00002.bin, named in");
    copy_golden("shards", "pytorch_model-00001-of-00002.bin", in_scratch("choice/pytorch_model-00002-of-00002.bin"));
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_FORMAT, "is not in pytorch_model-00002-of-00002.bin");
    CHECK(unlink(in_scratch("choice/pytorch_model.bin.index.json")) == 0);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_IO, "but pytorch_model-00001-of-00002.bin, pytorch_model-00002-of-00002.bin");
}

/* A hub's cache: snapshots/REVISION/NAME -> ../../blobs/HASH.  Names and fingerprint are those of the links. */
static void cache(const char *folder, const char *const *name, int n) {
    char hex[2][LT_SHA_HEX_BYTES], golden[512], shown[64];
    lt_st *st = NULL;
    const char *dir = in_scratch("%s.cache/snapshots/0123abc", folder);
    mkdir(in_scratch("%s.cache", folder), 0777);
    mkdir(in_scratch("%s.cache/blobs", folder), 0777);
    mkdir(in_scratch("%s.cache/snapshots", folder), 0777);
    mkdir(dir, 0777);
    for (int i = 0; i < n; i++) {
        char target[64];
        snprintf(target, sizeof target, "../../blobs/%d8d7f6e5c4b3a", i);
        copy_golden(folder, name[i], in_scratch("%s.cache/blobs/%d8d7f6e5c4b3a", folder, i));
        CHECK(symlink(target, in_scratch("%s.cache/snapshots/0123abc/%s", folder, name[i])) == 0);
    }
    snprintf(golden, sizeof golden, "%s/torch/%s", LT_GOLDEN, folder);
    fingerprint(golden, hex[0]);
    fingerprint(dir, hex[1]);
    CHECK_STR(hex[0], hex[1]);
    CHECK_OK(lt_st_open(dir, &st));
    snprintf(shown, sizeof shown, "/%s", name[0]);
    CHECK(strstr(lt_st_file_path(st, 0), shown) && !strstr(lt_st_path(st), "blobs"));
    lt_st_close(&st);
    file_save(in_scratch("%s.cache/blobs/08d7f6e5c4b3a", folder), "", 0);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_FORMAT, shown);
    CHECK(unlink(in_scratch("%s.cache/blobs/08d7f6e5c4b3a", folder)) == 0);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_IO, shown);
}

static void test_caches(void) {
    cache("whole", (const char *const[]){"model.safetensors"}, 1);
    cache("zip", (const char *const[]){bin}, 1);
    cache("shards",
          (const char *const[]){"pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin", "pytorch_model.bin.index.json"}, 3);
}

/* The same for shards of safetensors, which no golden file is. */
static void test_cache_of_safetensors(void) {
    static const char header[] = "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
                      index[] = "{\"weight_map\":{\"x\":\"model-00001-of-00001.safetensors\"}}";
    tf_bytes b = {0};
    char hex[2][LT_SHA_HEX_BYTES];
    lt_st *st = NULL;
    tf_number(&b, sizeof header - 1, 8);
    tf_text(&b, header);
    tf_put(&b, "\0\0\x80?", 4);
    mkdir(in_scratch("st"), 0777);
    mkdir(in_scratch("st/plain"), 0777);
    mkdir(in_scratch("st/links"), 0777);
    file_save(in_scratch("st/plain/model-00001-of-00001.safetensors"), b.p, b.n);
    file_save(in_scratch("st/plain/model.safetensors.index.json"), index, sizeof index - 1);
    file_save(in_scratch("st/a0"), b.p, b.n);
    file_save(in_scratch("st/a1"), index, sizeof index - 1);
    CHECK(symlink("../a0", in_scratch("st/links/model-00001-of-00001.safetensors")) == 0);
    CHECK(symlink("../a1", in_scratch("st/links/model.safetensors.index.json")) == 0);
    fingerprint(in_scratch("st/plain"), hex[0]);
    fingerprint(in_scratch("st/links"), hex[1]);
    CHECK_STR(hex[0], hex[1]);
    CHECK_OK(lt_st_open(in_scratch("st/links"), &st));
    CHECK(strstr(lt_st_file_path(st, 0), "links/model-00001-of-00001.safetensors"));
    lt_st_close(&st);
    CHECK(unlink(in_scratch("st/a0")) == 0);
    CHECK_FAILS(lt_st_open(in_scratch("st/links"), &st), LT_ERR_IO, "shard");
    tf_free(&b);
}

static void test_other_folders(void) {
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 440473133\n";
    lt_st *st = NULL;
    const char *dir = in_scratch("other");
    mkdir(dir, 0777);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_IO, "check the path or download");
    file_save(in_scratch("other/tf_model.h5"), "x", 1);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_IO, "but tf_model.h5: download");
    file_save(in_scratch("other/flax_model.msgpack"), "x", 1);
    file_save(in_scratch("other/a.Q4_K.gguf"), "x", 1);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_IO, "but a.Q4_K.gguf, flax_model.msgpack, tf_model.h5: download");
    file_save(in_scratch("other/adapter_model.safetensors"), "x", 1);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_IO,
                "PEFT adapter (adapter_model.safetensors) and no model of its own; its base model is not named");
    static const char config[] = "{\"peft_type\": \"LORA\", \"base_model_name_or_path\": \"some/base\"}";
    file_save(in_scratch("other/adapter_config.json"), config, sizeof config - 1);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_IO, "its base model is \"some/base\"");
    /* With a whole model beside it the adapter does not matter. */
    copy_golden("legacy", bin, in_scratch("other/%s", bin));
    CHECK_OK(lt_st_open(dir, &st));
    lt_st_close(&st);
    file_save(in_scratch("other/%s", bin), pointer, sizeof pointer - 1);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_FORMAT, "run git lfs pull");
    file_save(in_scratch("other/model.safetensors"), pointer, sizeof pointer - 1);
    CHECK_FAILS(lt_st_open(dir, &st), LT_ERR_FORMAT, "model.safetensors is a pointer of Git LFS");
}

int main(void) {
    scratch_make();
    test_golden();
    test_own_files();
    test_choice();
    test_caches();
    test_cache_of_safetensors();
    test_other_folders();
    return test_end();
}
