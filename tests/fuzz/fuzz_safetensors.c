/* Fuzzes lt_st_open, lt_st_read, lt_st_fingerprint.  The first byte of an input says what the rest is:
 *   r   a whole model.safetensors
 *   h   two bytes (number of data bytes), then the JSON of a header: its length and the data are put around it, so that mutations stay readable
 *   i   a model.safetensors.index.json beside two good shards */
#include "fuzz.h"

#include "store/safetensors.h"

const char *const fuzz_words[] = {"\"dtype\":",
                                  "\"shape\":",
                                  "\"data_offsets\":",
                                  "\"__metadata__\":",
                                  "\"weight_map\":",
                                  "\"F32\"",
                                  "\"F16\"",
                                  "\"BF16\"",
                                  "\"F64\"",
                                  "\"I64\"",
                                  "\"F4\"",
                                  "\"F8_E4M3\"",
                                  "[0,0]",
                                  "[0,24]",
                                  "[2,3]",
                                  "9223372036854775807",
                                  "4611686018427387904",
                                  "-1",
                                  "{}",
                                  "\"a.safetensors\"",
                                  "\"b.safetensors\"",
                                  "../",
                                  "\"x\":",
                                  "\"y\":",
                                  NULL};

#define HEADER_XY                                                                                                                          \
    "{\"x\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},\"y\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[24,32]}" \
    "}"
static const char header_many[] =
    "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F16\",\"shape\":[2,2,2],\"data_offsets\":[0,16]},"
    "\"e\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[16,16]},\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[16,24]},"
    "\"f4\":{\"dtype\":\"F4\",\"shape\":[16],\"data_offsets\":[24,32]},\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[32,40]}}";
static const char index_ab[] =
    "{\"metadata\":{\"total_size\":64},\"weight_map\":{\"x\":\"a.safetensors\",\"y\":\"a.safetensors\",\"z\":\"b.safetensors\"}}";

/* A file of this header and n data bytes. */
static void write_file(const char *name, const void *header, size_t bytes, size_t n) {
    unsigned char *all = calloc(8 + bytes + n + 1, 1);
    FUZZ_REQUIRE(all);
    for (int i = 0; i < 8; i++) all[i] = (unsigned char)(bytes >> 8 * i);
    if (bytes) memcpy(all + 8, header, bytes);
    for (size_t i = 0; i < n; i++) all[8 + bytes + i] = (unsigned char)(i * 37);
    fuzz_write(name, all, 8 + bytes + n);
    free(all);
}

void fuzz_make_seeds(void) {
    size_t bytes;
    FUZZ_SEED(FUZZ_TEXT("h"), {"\x20\0", 2}, FUZZ_TEXT(HEADER_XY));
    FUZZ_SEED(FUZZ_TEXT("h"), {"\x28\0", 2}, FUZZ_TEXT(header_many));
    FUZZ_SEED(FUZZ_TEXT("h"), {"\0\0", 2}, FUZZ_TEXT("{}"));
    FUZZ_SEED(FUZZ_TEXT("i"), FUZZ_TEXT(index_ab));
    write_file("model.safetensors", HEADER_XY, strlen(HEADER_XY), 32);
    char *file = fuzz_load(fuzz_path("model.safetensors"), &bytes);
    FUZZ_SEED(FUZZ_TEXT("r"), {file, bytes});
    free(file);
    file = fuzz_load(LT_GOLDEN "/tiny-bert/model.safetensors", &bytes);
    FUZZ_SEED(FUZZ_TEXT("r"), {file, bytes < 4096 ? bytes : 4096}); /* a truncated download */
    FUZZ_SEED(FUZZ_TEXT("h"), {"\x10\xA0", 2}, {file + 8, strcspn(file + 8, " ")});
    free(file);
}

/* Reads a tensor whole, and a column of it, into memory that is just large enough. */
static void read_tensor(lt_st *st, const lt_st_tensor *t) {
    int64_t rows = t->n_dims > 0 ? t->dim[0] : 1, cols = 1, elems;
    for (int i = 1; i < t->n_dims; i++)
        if (__builtin_mul_overflow(cols, t->dim[i], &cols)) return; /* only with a dimension of 0 */
    if (__builtin_mul_overflow(rows, cols, &elems) || elems > 1 << 18) return;
    const lt_dtype dst[] = {LT_F32, LT_BF16, t->dtype};
    for (int k = 0; k < 3; k++) {
        if (dst[k] >= LT_DTYPE_COUNT) continue;
        void *all = malloc((size_t)elems * lt_dtype_bytes(dst[k])), *column = malloc((size_t)rows * lt_dtype_bytes(dst[k]));
        FUZZ_REQUIRE(all && column);
        if (lt_st_read(st, t, 0, rows, 0, cols, all, dst[k]) == LT_OK && cols > 1 && elems > 0)
            FUZZ_OK(lt_st_read(st, t, 0, rows, cols / 2, 1, column, dst[k]));
        free(all);
        free(column);
    }
    FUZZ_REQUIRE(lt_st_read(st, t, 0, rows + 1, 0, cols, NULL, LT_F32) != LT_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_input in = {data, bytes};
    lt_st *st = NULL;
    char hex[LT_SHA_HEX_BYTES];
    unsigned kind = fuzz_take_byte(&in);
    fuzz_remove("model.safetensors");
    fuzz_remove("model.safetensors.index.json");
    if (kind == 'h') {
        size_t n = (size_t)fuzz_take_number(&in, 2);
        write_file("model.safetensors", in.data, in.bytes, n);
    } else if (kind == 'i') {
        static const char header_z[] = "{\"z\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[0,32]}}";
        write_file("a.safetensors", HEADER_XY, strlen(HEADER_XY), 32);
        write_file("b.safetensors", header_z, strlen(header_z), 32);
        fuzz_write("model.safetensors.index.json", in.data, in.bytes);
    } else {
        fuzz_write("model.safetensors", in.data, in.bytes);
    }
    if (lt_st_open(fuzz_dir(), &st) != LT_OK) {
        FUZZ_REQUIRE(st == NULL && lt_err_last()->msg[0]);
        return 0;
    }
    int64_t sum = 0;
    for (int64_t i = 0; i < lt_st_count(st); i++) {
        const lt_st_tensor *t = lt_st_at(st, i);
        FUZZ_REQUIRE(lt_st_find(st, t->name) == t);
        FUZZ_REQUIRE(t->offset >= 8 && t->bytes >= 0 && t->file >= 0 && t->file < lt_st_files(st));
        sum += t->bytes;
        if (i < 32) read_tensor(st, t);
    }
    FUZZ_REQUIRE(sum == lt_st_total_bytes(st));
    FUZZ_OK(lt_st_fingerprint(st, hex));
    lt_st_close(&st);
    return 0;
}
