// TEST rooms: store  labels: io  timeout: 120
/* Ill pytorch_model.bin around good pickles: archives that lie, files of the old format that do, truncated files.  Each is a message that names what is
 * wrong, and each kind has a good twin that opens. */
#include "io/torch_bad.h"

/* --- archives that lie ------------------------------------------------------------------------------------------------------------------- */

/* Fields: offsets in a local header, in an entry of the directory, in the end record. */
enum {
    L_FLAGS = 6,
    L_METHOD = 8,
    L_CRC = 14,
    L_PACKED = 18,
    L_NAME = 30,
    C_FLAGS = 8,
    C_METHOD = 10,
    C_CRC = 16,
    C_PACKED = 20,
    C_PLAIN = 24,
    C_NAME_BYTES = 28,
    C_COMMENT = 32,
    C_DISK = 34,
    C_LOCAL = 42,
    C_NAME = 46,
    E_DISK = 4,
    E_COUNT = 8,
    E_BYTES = 12,
    E_AT = 16
};

/* One field changed, to be described by text. */
static void says_field(tf_zip_style style, int which, char where, size_t field, uint64_t v, int bytes, const char *text) {
    tf_bytes file = {0};
    one(&file, &good, style);
    size_t base = where == 'L' ? entry[which].local : where == 'C' ? entry[which].central : end_at;
    tf_set(file.p + base + field, v, bytes);
    const char *m = opened(&file);
    TEST_REPORT(strstr(m, text), "style %d, entry %d, %c+%zu = %llu: got \"%s\", expected \"%s\"", style, which, where, field,
                (unsigned long long)v, m, text);
    tf_free(&file);
}

static void test_archives(void) {
    tf_bytes file = {0};
    for (tf_zip_style style = TF_PLAIN; style <= TF_ZIP64; style++) {
        one(&file, &good, style);
        SAYS(&file, "");
        tf_free(&file);
        says_field(style, 2, 'C', C_METHOD, 8, 2, "zip entry m/data/0 is compressed (method 8)");
        says_field(style, 2, 'L', L_METHOD, 8, 2, "contradicts the directory");
        says_field(style, 2, 'C', C_FLAGS, 1, 2, "zip entry m/data/0 is encrypted");
        says_field(style, 2, 'L', L_FLAGS, 1, 2, "contradicts the directory");
        says_field(style, 2, 'L', L_CRC, 77, 4, "contradicts the directory");
        says_field(style, 2, 'L', L_PACKED, 77, 4, "contradicts the directory");
        says_field(style, 2, 'L', L_NAME, 'x', 1, "contradicts the directory");
        says_field(style, 2, 'L', 0, 0, 4, "has no header at byte");
        says_field(style, 2, 'C', C_NAME + 7, 'x', 1, "contradicts the directory");
        says_field(style, 2, 'C', C_NAME + 3, 0, 1, "with a zero byte");
        says_field(style, 2, 'C', C_NAME_BYTES, 0, 2, "empty or with a zero byte");
        says_field(style, 2, 'C', C_DISK, 1, 2, "another disk");
        says_field(style, 2, 'C', 0, 0, 4, "ends before its 4 entries do");
        says_field(style, 2, 'C', C_COMMENT, 60000, 2, "reaches past its end");
        says_field(style, 0, 'C', C_CRC, 77, 4, style == TF_DESCRIPTORS ? "zip entry m/data.pkl has CRC" : "contradicts the directory");
        says_field(style, 1, 'C', C_CRC, 77, 4, style == TF_DESCRIPTORS ? "zip entry m/byteorder has CRC" : "contradicts the directory");
        /* A weight's CRC is not compared with its bytes, only header with directory. */
        says_field(style, 2, 'C', C_CRC, 77, 4, style == TF_DESCRIPTORS ? "" : "contradicts the directory");
    }
    says_field(TF_PLAIN, 2, 'C', C_PLAIN, 49, 4, "is stored, but has 48 bytes in the archive and 49 outside");
    says_field(TF_PLAIN, 2, 'C', C_LOCAL, 0x7FFFFFFF, 4, "lies outside the file");
    says_field(TF_PLAIN, 2, 'C', C_LOCAL, 0xFFFFFFFF, 4, "a damaged zip64 field");
    says_field(TF_PLAIN, 2, 'C', C_LOCAL, 0, 4, "contradicts the directory"); /* the header of another entry */
    says_field(TF_PLAIN, 0, 'E', E_DISK, 1, 2, "several disks");
    says_field(TF_PLAIN, 0, 'E', E_COUNT, 3, 2, "several disks");
    says_field(TF_PLAIN, 0, 'E', E_COUNT, 0x00050005, 4, "5 entries do not fit into a zip directory");
    says_field(TF_PLAIN, 0, 'E', E_COUNT, 0x00030003, 4, "behind its 3 entries");
    says_field(TF_PLAIN, 0, 'E', E_COUNT, 0xFF00FF00, 4, "do not fit into a zip directory");
    says_field(TF_PLAIN, 0, 'E', E_BYTES, 0x7FFFFFFF, 4, "past its end record");
    says_field(TF_PLAIN, 0, 'E', E_AT, 0x7FFFFFFF, 4, "past its end record");
    says_field(TF_PLAIN, 0, 'E', E_AT, 3, 4, "ends before");
    says_field(TF_PLAIN, 0, 'E', 0, 0, 1, "has no end record");
    /* the wide end record: its fields, the locator's, and the narrow ones behind it */
    says_field(TF_ZIP64, 0, 'E', 0, 0, 1, "no zip64 end record at byte");
    says_field(TF_ZIP64, 0, 'E', 16, 1, 4, "several disks");
    says_field(TF_ZIP64, 0, 'E', 32, 5, 8, "several disks");
    says_field(TF_ZIP64, 0, 'E', 40, UINT64_MAX, 8, "past its end record");
    says_field(TF_ZIP64, 0, 'E', 48, UINT64_MAX, 8, "past its end record");
    says_field(TF_ZIP64, 0, 'E', 56 + 8, UINT64_MAX, 8, "outside the file");
    says_field(TF_ZIP64, 0, 'E', 56 + 16, 2, 4, "several disks");
    says_field(TF_ZIP64, 0, 'E', 76 + E_AT, 7, 4, "two end records of the zip archive contradict");
    says_field(TF_ZIP64, 2, 'C', C_NAME + 8, 2, 2, "a damaged zip64 field");  /* the extra has another id */
    says_field(TF_ZIP64, 2, 'C', C_NAME + 10, 8, 2, "a damaged zip64 field"); /* and is too short */
    says_field(TF_ZIP64, 2, 'C', C_NAME + 12, UINT64_MAX, 8, "is stored, but has");
    says_field(TF_ZIP64, 2, 'C', C_NAME + 28, UINT64_MAX, 8, "lies outside the file");
}

/* Archives that are whole, but not what they should be. */
static void says_entries(tf_entry *e, int n, const char *text) {
    tf_bytes file = {0};
    tf_zip(&file, e, n, TF_PLAIN, &end_at);
    SAYS(&file, text);
    tf_free(&file);
}

static void test_contents(void) {
    tf_bytes pickle = {0}, file = {0}, inner = {0};
    pk_dict(&pickle, &good, 1, 0);
    const tf_entry pkl = TF_ENTRY("m/data.pkl", pickle.p, pickle.n), data = TF_ENTRY("m/data/0", numbers, sizeof numbers),
                   version = TF_ENTRY("m/version", "3\n", 2), little = TF_ENTRY("m/byteorder", "little", 6),
                   big = TF_ENTRY("m/byteorder", "big", 3), other = TF_ENTRY("n/data.pkl", pickle.p, pickle.n),
                   script = TF_ENTRY("m/constants.pkl", "", 0), newer = TF_ENTRY("m/version", "11\n", 3),
                   words = TF_ENTRY("m/version", "a very long word, and no version at all", 39);
    says_entries((tf_entry[]){pkl, data, version}, 3, ""); /* torch before 2.1 writes no byte order */
    says_entries((tf_entry[]){data, version, little, pkl}, 4, "");
    says_entries((tf_entry[]){pkl, data, version, big}, 4, "in the byte order \"big\"");
    says_entries((tf_entry[]){pkl, data}, 2, "the archive's version is \"\"");
    says_entries((tf_entry[]){pkl, data, newer}, 3, "the archive's version is \"11\", 1 to 10 are read");
    says_entries((tf_entry[]){pkl, data, words}, 3, "zip entry version has 39 bytes");
    says_entries((tf_entry[]){pkl, version}, 2, "has no entry data/0");
    says_entries((tf_entry[]){data, version}, 2, "without a data.pkl");
    says_entries((tf_entry[]){pkl, data, version, other}, 4, "a data.pkl in two folders");
    says_entries((tf_entry[]){pkl, data, version, script}, 4, "TorchScript");
    says_entries((tf_entry[]){pkl, data, version, data}, 4, "two entries of the name m/data/0");
    says_entries((tf_entry[]){version}, 0, "without a data.pkl");

    /* An entry within the data of another: both headers true, the places overlap. */
    tf_zip(&inner, (tf_entry[]){data}, 1, TF_PLAIN, &end_at);
    tf_entry nest[] = {pkl, version, TF_ENTRY("m/data/x", inner.p, inner.n), data};
    tf_zip(&file, nest, 4, TF_PLAIN, &end_at);
    SAYS(&file, "");
    tf_set(file.p + nest[3].central + C_LOCAL, nest[2].at, 4);
    SAYS(&file, "overlap");
    tf_free(&file);
    tf_free(&inner);
    tf_put(&pickle, "}", 1);
    wrap(&file, &pickle, TF_PLAIN);
    SAYS(&file, "has 1 bytes behind its pickle");
    tf_free(&file);
    tf_free(&pickle);

    /* A comment at the end is part of the format; bytes that are none are not. */
    one(&file, &good, TF_PLAIN);
    tf_set(file.p + end_at + 20, 4, 2);
    tf_text(&file, "note");
    SAYS(&file, "");
    tf_text(&file, "x");
    SAYS(&file, "has no end record");
    tf_free(&file);
}

/* --- the old format ---------------------------------------------------------------------------------------------------------------------- */

static void legacy(tf_bytes *file, const tf_tensor *t, const char *const *key, int n_keys, uint64_t numel, size_t bytes) {
    tf_legacy_head(file);
    pk_dict(file, t, 1, 1);
    tf_legacy_keys(file, key, n_keys);
    for (int i = 0; i < n_keys; i++) tf_legacy_storage(file, numel, numbers, bytes);
}
static void says_legacy(tf_tensor t, const char *const *key, int n_keys, uint64_t numel, size_t bytes, const char *text) {
    tf_bytes file = {0};
    legacy(&file, &t, key, n_keys, numel, bytes);
    SAYS(&file, text);
    tf_free(&file);
}

static void test_old_format(void) {
    const char *const key[] = {"0", "0"}, *const others[] = {"1"};
    tf_tensor view = good;
    tf_bytes file = {0};
    says_legacy(good, key, 1, 12, 48, "");
    says_legacy(good, key, 1, 11, 48, "has 11 elements, the pickle says 12");
    says_legacy(good, key, 1, UINT64_MAX, 48, "has 18446744073709551615 elements");
    says_legacy(good, key, 1, 12, 47, "is truncated: storage 0 needs 48 bytes");
    says_legacy(good, key, 2, 12, 48, "storage 0 is listed twice");
    says_legacy(good, others, 1, 12, 48, "storage 1 belongs to no tensor");
    says_legacy(good, key, 0, 12, 48, "storage 0, which the pickle names, is not in the file");
    says_legacy(with(13, 0, 3, 4, 4, 1), key, 1, 13, 48, "is truncated");
    says_legacy(with(12, 1, 3, 4, 4, 1), key, 1, 12, 48, "tensor w has bytes [4, +48) of a storage of 48");
    view.view_at = 2;
    view.view_numel = 10;
    says_legacy(view, key, 1, 12, 48, "tensor w has bytes [0, +48) of a storage of 40");
    view.view_numel = 11;
    says_legacy(view, key, 1, 12, 48, "the view of a storage is not within it");
    legacy(&file, &good, key, 1, 12, 48);
    tf_text(&file, "x");
    SAYS(&file, "has 1 bytes behind its last storage");
    file.p[4] ^= 1;
    SAYS(&file, "does not begin with torch's magic number");
    file.p[4] ^= 1;
    file.p[18] ^= 1;
    SAYS(&file, "the protocol of the file is not 1001");
    file.p[18] ^= 1;
    for (size_t i = 0; i + 2 < file.n; i++)
        if (file.p[i] == 0x88 && file.p[i + 1] == 's') file.p[i] = 0x89;
    SAYS(&file, "big-endian");
    tf_free(&file);
    static unsigned char tar[512] = "storages";
    memcpy(tar + 257, "ustar", 5);
    tf_put(&file, tar, sizeof tar);
    SAYS(&file, "is a tar archive");
    tf_free(&file);
    tf_put(&file, "\x80\2}.", 4);
    SAYS(&file, "does not begin with torch's magic number");
    tf_free(&file);
}

/* Cut at every place: never accepted. */
static void test_truncated(void) {
    const char *const key[] = {"0"};
    for (int k = 0; k < 4; k++) {
        tf_bytes file = {0};
        int accepted = 0, silent = 0;
        if (k < 3)
            one(&file, &good, (tf_zip_style)k);
        else
            legacy(&file, &good, key, 1, 12, 48);
        for (size_t cut = 0; cut < file.n; cut++) {
            const tf_bytes part = {file.p, cut, 0};
            lt_err_clear();
            accepted += !*opened(&part);
            silent += !strstr(lt_err_last()->msg, "pytorch_model.bin");
        }
        CHECK_INT(accepted, 0);
        CHECK_INT(silent, 0);
        SAYS(&file, "");
        tf_free(&file);
    }
    /* Cut after it was opened. */
    tf_bytes file = {0};
    lt_st *st = NULL;
    float f[12];
    one(&file, &good, TF_DESCRIPTORS);
    file_save(path, file.p, file.n);
    CHECK_OK(lt_st_open(dir, &st));
    CHECK(truncate(path, 60) == 0);
    CHECK_FAILS(lt_st_read(st, lt_st_find(st, "w"), 0, 3, 0, 4, f, LT_F32), LT_ERR_FORMAT, "was cut after it was opened");
    lt_st_close(&st);
    tf_free(&file);
}

int main(void) {
    bad_begin();
    test_archives();
    test_contents();
    test_old_format();
    test_truncated();
    return test_end();
}
