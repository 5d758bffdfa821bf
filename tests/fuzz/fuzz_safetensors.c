/* Fuzzes lt_st_open, lt_st_read, lt_st_fingerprint.  The first byte of an input says what the rest is:
 *   r   a whole model.safetensors
 *   h   two bytes (number of data bytes), then the JSON of a header: its length and the data are put around it, so that mutations stay readable
 *   i   a model.safetensors.index.json beside two good shards */
#include "fuzz_weights.h"

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

void fuzz_make_seeds(void) {
    size_t bytes;
    FUZZ_SEED(FUZZ_TEXT("h"), {"\x20\0", 2}, FUZZ_TEXT(HEADER_XY));
    FUZZ_SEED(FUZZ_TEXT("h"), {"\x28\0", 2}, FUZZ_TEXT(header_many));
    FUZZ_SEED(FUZZ_TEXT("h"), {"\0\0", 2}, FUZZ_TEXT("{}"));
    FUZZ_SEED(FUZZ_TEXT("i"), FUZZ_TEXT(index_ab));
    fuzz_write_safetensors("model.safetensors", HEADER_XY, strlen(HEADER_XY), 32);
    char *file = fuzz_load(fuzz_path("model.safetensors"), &bytes);
    FUZZ_SEED(FUZZ_TEXT("r"), {file, bytes});
    free(file);
    file = fuzz_load(LT_GOLDEN "/tiny-bert/model.safetensors", &bytes);
    FUZZ_SEED(FUZZ_TEXT("r"), {file, bytes < 4096 ? bytes : 4096}); /* a truncated download */
    FUZZ_SEED(FUZZ_TEXT("h"), {"\x10\xA0", 2}, {file + 8, strcspn(file + 8, " ")});
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_input in = {data, bytes};
    unsigned kind = fuzz_take_byte(&in);
    fuzz_remove("model.safetensors");
    fuzz_remove("model.safetensors.index.json");
    if (kind == 'h') {
        size_t n = (size_t)fuzz_take_number(&in, 2);
        fuzz_write_safetensors("model.safetensors", in.data, in.bytes, n);
    } else if (kind == 'i') {
        static const char header_z[] = "{\"z\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[0,32]}}";
        fuzz_write_safetensors("a.safetensors", HEADER_XY, strlen(HEADER_XY), 32);
        fuzz_write_safetensors("b.safetensors", header_z, strlen(header_z), 32);
        fuzz_write("model.safetensors.index.json", in.data, in.bytes);
    } else {
        fuzz_write("model.safetensors", in.data, in.bytes);
    }
    fuzz_read_weights();
    return 0;
}
