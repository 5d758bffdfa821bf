// TEST rooms: store  labels: io  timeout: 120
/* Ill pytorch_model.bin: pickles that ask for more than tensors, pickles and archives that lie, truncated files.  Each is a message that names what is wrong,
 * and each kind has a good twin that opens. */
#include "io/store_test.h"
#include "torch_file.h"

#include "store/safetensors.h"

static const char *dir, *path;
static const float numbers[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static const tf_tensor good = {.name = "w", .type = "FloatStorage", .key = "0", .numel = 12, .n_dims = 2, .dim = {3, 4}, .stride = {4, 1}};

/* The archive around a pickle; entries as the last call made them. */
enum { N_ENTRIES = 4 };
static tf_entry entry[N_ENTRIES];
static size_t end_at;
static void wrap(tf_bytes *file, const tf_bytes *pickle, tf_zip_style style) {
    const tf_entry e[N_ENTRIES] = {TF_ENTRY("m/data.pkl", pickle->p, pickle->n), TF_ENTRY("m/byteorder", "little", 6),
                                   TF_ENTRY("m/data/0", numbers, sizeof numbers), TF_ENTRY("m/version", "3\n", 2)};
    memcpy(entry, e, sizeof e);
    tf_zip(file, entry, N_ENTRIES, style, &end_at);
}
/* The same around that of one tensor. */
static void one(tf_bytes *file, const tf_tensor *t, tf_zip_style style) {
    tf_bytes pickle = {0};
    pk_dict(&pickle, t, 1, 0);
    wrap(file, &pickle, style);
    tf_free(&pickle);
}

/* What opening this file says; "" when it opens. */
static const char *opened(const tf_bytes *file) {
    static char message[LT_ERR_MSG_BYTES];
    lt_st *st = NULL;
    file_save(path, file->p, file->n);
    lt_status rc = lt_st_open(dir, &st);
    snprintf(message, sizeof message, "%s", rc == LT_OK ? "" : rc == LT_ERR_FORMAT ? lt_err_last()->msg : "another code");
    CHECK((rc == LT_OK) == (st != NULL));
    lt_st_close(&st);
    return message;
}
#define SAYS(file, text)                                                                                                                   \
    do {                                                                                                                                   \
        const char *m_ = opened(file);                                                                                                     \
        TEST_REPORT(*(text) ? strstr(m_, text) != NULL : !*m_, "got \"%s\", expected \"%s\"", m_, text);                                   \
    } while (0)

static void says_tensor(tf_tensor t, const char *text) {
    tf_bytes file = {0};
    one(&file, &t, TF_DESCRIPTORS);
    SAYS(&file, text);
    tf_free(&file);
}
/* A pickle of these bytes, without protocol and STOP. */
static void says_bytes(const void *ops, size_t n, const char *text) {
    tf_bytes file = {0}, pickle = {0};
    pk_begin(&pickle);
    tf_put(&pickle, ops, n);
    tf_text(&pickle, ".");
    wrap(&file, &pickle, TF_DESCRIPTORS);
    SAYS(&file, text);
    tf_free(&file);
    tf_free(&pickle);
}
#define SAYS_OPS(ops, text) says_bytes(ops, sizeof(ops) - 1, text)

/* --- pickles that would do something ------------------------------------------------------------------------------------------------------ */

static void test_forbidden(void) {
    char place[64];
    tf_bytes file = {0}, pickle = {0};
    says_tensor(good, "");
    SAYS_OPS("cos\nsystem\nX\4\0\0\0echoR", "asks for the Python object os.system");
    SAYS_OPS("cposix\nsystem\nX\1\0\0\0x\x85R", "asks for the Python object posix.system");
    SAYS_OPS("\x8c\2os\x8c\6system\x93)R", "asks for the Python object os.system");
    SAYS_OPS("c__builtin__\neval\n)R", "__builtin__.eval");
    SAYS_OPS("ctorch._utils\n_rebuild_qtensor\n)R", "torch._utils._rebuild_qtensor");
    SAYS_OPS("ctorch\nFloatStorage.x\n)R", "torch.FloatStorage.x");
    SAYS_OPS("ca\33[2J\nb\n", "asks for the Python object a?[2J.b");
    SAYS_OPS("ctorch\nFloatStorage\n)R", "calls torch.FloatStorage, which is no function");
    SAYS_OPS("K\1)R", "what is no function");
    SAYS_OPS("ccollections\nOrderedDict\nK\1R", "what is no function");
    SAYS_OPS("ccollections\nOrderedDict\n)R}b", "holds no tensors"); /* state is passed over */
    SAYS_OPS("ccollections\nOrderedDict\n)RK\1b", "opcode BUILD");
    SAYS_OPS("K\1}b", "opcode BUILD");
    /* opcodes that instantiate, or that are of other protocols */
    SAYS_OPS("ccollections\nOrderedDict\n)\x81", "pickle opcode 0x81");
    SAYS_OPS("(ios\nsystem\n", "pickle opcode 0x69");
    SAYS_OPS("(cos\nsystem\n", "os.system");
    SAYS_OPS("\x82\1", "pickle opcode 0x82"); /* extension registry */
    SAYS_OPS("S'a'\n", "pickle opcode 0x53");
    SAYS_OPS("P1\n", "pickle opcode 0x50");
    SAYS_OPS("\x96", "pickle opcode 0x96");
    SAYS_OPS("\xff", "pickle opcode 0xff");
    /* The place is that of the file. */
    pk_begin(&pickle);
    pk_global(&pickle, "os", "system");
    wrap(&file, &pickle, TF_PLAIN);
    snprintf(place, sizeof place, ": byte %zu: the pickle asks for the Python object os.system", entry[0].at + 2);
    SAYS(&file, place);
    tf_free(&file);
    tf_free(&pickle);
    tf_legacy_head(&file);
    snprintf(place, sizeof place, ": byte %zu: the pickle asks for the Python object os.system", file.n + 2);
    pk_begin(&file);
    pk_global(&file, "os", "system");
    SAYS(&file, place);
    tf_free(&file);
}

/* --- pickles that lie -------------------------------------------------------------------------------------------------------------------- */

static tf_tensor with(int64_t numel, int64_t offset, int64_t a, int64_t b, int64_t x, int64_t y) {
    tf_tensor t = good;
    t.numel = numel;
    t.offset = offset;
    t.dim[0] = a, t.dim[1] = b, t.stride[0] = x, t.stride[1] = y;
    return t;
}

static void test_lies(void) {
    static const int64_t huge = INT64_MAX;
    says_tensor(with(12, 0, 4, 3, 1, 4), "");
    says_tensor(with(12, 4, 2, 4, 4, 1), "");
    says_tensor(with(12, 5, 2, 4, 4, 1), "tensor w has bytes [20, +32) of a storage of 48");
    says_tensor(with(12, 0, 4, 4, 4, 1), "tensor w has bytes [0, +64) of a storage of 48");
    says_tensor(with(12, 12, 0, 4, 4, 1), "");
    says_tensor(with(12, 13, 0, 4, 4, 1), "of a storage of 48");
    says_tensor(with(12, huge, 1, 1, 1, 1), "overflows");
    says_tensor(with(12, huge / 4, 1, 1, 1, 1), "of a storage of 48");
    says_tensor(with(12, -1, 1, 1, 1, 1), "the offset of a tensor is not a count");
    says_tensor(with(12, 0, huge, 2, 2, 1), "the shape overflows");
    says_tensor(with(12, 0, huge / 2, 1, 1, 1), "the shape or the offset overflows");
    says_tensor(with(12, 0, 0, huge, huge, 1), "");
    says_tensor(with(12, 0, -3, 4, 4, 1), "not a count");
    says_tensor(with(12, 0, 3, 4, -4, 1), "not a count");
    says_tensor(with(13, 0, 3, 4, 4, 1), "zip entry data/0 has 48 bytes, but the pickle says 13 elements of F32, 52 bytes");
    says_tensor(with(11, 0, 2, 4, 4, 1), "zip entry data/0 has 48 bytes");
    says_tensor(with(huge, 0, 3, 4, 4, 1), "the size of a storage is not a count");
    says_tensor(with(huge / 16, 0, 3, 4, 4, 1), "zip entry data/0 has 48 bytes");
    says_tensor(with(-12, 0, 3, 4, 4, 1), "the size of a storage is not a count");
    /* strides: none but dense and turned */
    says_tensor(with(12, 0, 3, 2, 4, 1), "tensor w does not lie in the file row by row");
    says_tensor(with(12, 0, 3, 4, 0, 1), "row by row");
    says_tensor(with(12, 0, 3, 4, 1, 1), "row by row");
    says_tensor(with(12, 0, 3, 4, 1, 4), "row by row");
    says_tensor(with(12, 0, 2, 2, 1, 3), "row by row");
    tf_tensor t = good;
    t.n_dims = 3;
    t.dim[2] = t.stride[2] = 1, t.dim[0] = 2, t.dim[1] = 6, t.stride[0] = 1, t.stride[1] = 2;
    says_tensor(t, "row by row");
    t.n_dims = 9;
    for (int i = 0; i < 9; i++) t.dim[i] = t.stride[i] = 1;
    says_tensor(t, "a tensor of 9 dimensions");
    t = good;
    t.key = "1";
    says_tensor(t, "has no entry data/1");
    t.key = "../data.pkl";
    says_tensor(t, "has no entry data/../data.pkl");
    t.key = "";
    says_tensor(t, "the key of a storage is no text");
    t = good;
    t.type = "LongStorage";
    t.numel = 6;
    says_tensor(t, "tensor w has bytes [0, +96) of a storage of 48");
    t.dim[0] = 2, t.dim[1] = 3, t.stride[0] = 3;
    says_tensor(t, "");
    t.name = "\xff\xfe";
    says_tensor(t, "the name of a tensor, \"??\", is not UTF-8");

    /* Two tensors: of one name; of one storage with two stories. */
    tf_bytes file = {0}, pickle = {0};
    tf_tensor two[2] = {good, good};
    pk_dict(&pickle, two, 2, 0);
    wrap(&file, &pickle, TF_DESCRIPTORS);
    SAYS(&file, "two tensors have the name w");
    tf_free(&file);
    tf_free(&pickle);
    two[1].name = "v";
    pk_dict(&pickle, two, 2, 0);
    wrap(&file, &pickle, TF_DESCRIPTORS);
    SAYS(&file, ""); /* tied */
    tf_free(&file);
    tf_free(&pickle);
    two[1].type = "IntStorage";
    pk_dict(&pickle, two, 2, 0);
    wrap(&file, &pickle, TF_DESCRIPTORS);
    SAYS(&file, "the pickle says of storage 0 both 12 elements of");
    tf_free(&file);
    tf_free(&pickle);
}

static void test_damage(void) {
    SAYS_OPS("", "ends with 0 values on its stack");
    SAYS_OPS("NN", "ends with 2 values");
    SAYS_OPS("(N", "ends with");
    SAYS_OPS("N", "not a dict of names and tensors");
    SAYS_OPS("]", "not a dict of names and tensors");
    SAYS_OPS("}", "holds no tensors, neither at its top (0 values: )");
    SAYS_OPS("}X\1\0\0\0aK\1sX\5\0\0\0model]sK\1K\2s", "at its top (3 values: a, model, (no text))");
    SAYS_OPS("}X\5\0\0\0model}X\1\0\0\0aNss", "holds no tensors");
    SAYS_OPS("\x85", "takes from an empty stack");
    SAYS_OPS("(\x85", "takes from an empty stack");
    SAYS_OPS("N(R", "takes from an empty stack");
    SAYS_OPS("q\0", "takes from an empty stack");
    SAYS_OPS("t", "looks for a mark");
    SAYS_OPS("u", "looks for a mark");
    SAYS_OPS("](K\1u", "adds 1 items to what is no dict");
    SAYS_OPS("}(K\1u", "adds 1 items");
    SAYS_OPS("NK\1a", "what is no list");
    SAYS_OPS("h\0", "asks for value 0, which it never remembered");
    SAYS_OPS("Nq\1h\0", "asks for value 0, which it never remembered");
    SAYS_OPS("Nr\xff\xff\xff\xff", "remembers value 4294967295, at most");
    SAYS_OPS("\x80\1", "pickle protocol 1");
    SAYS_OPS("\x80\6", "pickle protocol 6");
    SAYS_OPS("\x95\xff\xff\xff\xff\xff\xff\xff\xff", "a frame of 18446744073709551615 bytes");
    SAYS_OPS("X\xff\xff\xff\x7f", "a text of 2147483647 bytes");
    SAYS_OPS("X\xff\0\0\0", "the pickle needs 255 bytes at byte");
    SAYS_OPS("\x8d\xff\xff\xff\xff\xff\xff\xff\xff", "a text of 18446744073709551615 bytes");
    SAYS_OPS("\x8a\xff", "the pickle needs 255 bytes");
    SAYS_OPS("cos", "the pickle needs 1 bytes");
    SAYS_OPS("NN\x93", "the name of a Python object is no text");
    SAYS_OPS("NQ", "a persistent id is no tuple");
    SAYS_OPS(")Q", "a persistent id is no tuple");
    SAYS_OPS("X\6\0\0\0module\x85Q", "the file holds a whole module");
    SAYS_OPS("X\7\0\0\0storage\x85Q", "has not 5 or 6 parts");
    SAYS_OPS("ctorch._utils\n_rebuild_tensor_v2\n)R", "another number of arguments");
    SAYS_OPS("ctorch._utils\n_rebuild_tensor_v2\n(NK\0))\x89}tR", "made of what is no storage");
    SAYS_OPS("ctorch._utils\n_rebuild_parameter\n(N\x89}tR", "not made of a tensor");
    SAYS_OPS("ctorch\nSize\nN\x85R", "torch.Size");
    SAYS_OPS("ccollections\nOrderedDict\n]\x85R", "made of arguments");
    SAYS_OPS("}q\0X\1\0\0\0ah\0s", "holds no tensors"); /* a dict within itself */

    /* Depth and length: no recursion, no quadratic time, bounded memory. */
    tf_bytes ops = {0};
    for (int i = 0; i < 300000; i++) tf_text(&ops, "](");
    says_bytes(ops.p, ops.n, "ends with");
    tf_free(&ops);
    for (int i = 0; i < 300000; i++) tf_text(&ops, "]\x85");
    says_bytes(ops.p, ops.n, "ends with 300000 values");
    tf_free(&ops);
    for (int i = 0; i < 5000000; i++) tf_text(&ops, "N");
    says_bytes(ops.p, ops.n, "more than 4194304 values on its stack");
    tf_free(&ops);
    tf_put(&ops, "c", 1);
    for (int i = 0; i < 400; i++) tf_text(&ops, "x");
    says_bytes(ops.p, ops.n, "longer than 256 bytes");
    tf_free(&ops);
}

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
    scratch_make();
    dir = in_scratch("m");
    path = in_scratch("m/pytorch_model.bin");
    mkdir(dir, 0777);
    test_forbidden();
    test_lies();
    test_damage();
    test_archives();
    test_contents();
    test_old_format();
    test_truncated();
    return test_end();
}
