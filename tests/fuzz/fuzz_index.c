/* Fuzzes lt_st_open on the index of shards.  The first byte of an input says of which: b pytorch_model.bin.index.json, else
 * model.safetensors.index.json; the rest is the JSON, beside two good shards of each. */
#include "fuzz_weights.h"
#include "torch_file.h"

const char *const fuzz_words[] = {"{\"metadata\":{\"total_size\":64},\"weight_map\":{",
                                  "\"weight_map\":",
                                  "\"x\":",
                                  "\"y\":",
                                  "\"z\":",
                                  "\"a.bin\"",
                                  "\"b.bin\"",
                                  "\"a.safetensors\"",
                                  "\"b.safetensors\"",
                                  "\"pytorch_model.bin.index.json\"",
                                  "../",
                                  ".",
                                  "\\u0000",
                                  "{}",
                                  "[]",
                                  "null",
                                  NULL};

static const char header_ab[] =
    "{\"x\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},\"y\":{\"dtype\":\"BF16\",\"shape\":[4],"
    "\"data_offsets\":[24,32]}}",
                  header_z[] = "{\"z\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[0,32]}}";

static void write_shards(void) {
    static const float numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const tf_tensor xy[] =
        {{.name = "x", .type = "FloatStorage", .key = "0", .numel = 6, .n_dims = 2, .dim = {2, 3}, .stride = {3, 1}},
         {.name = "y", .type = "FloatStorage", .key = "0", .numel = 6, .n_dims = 1, .dim = {4}, .stride = {1}}},
                           z[] = {{.name = "z", .type = "FloatStorage", .key = "0", .numel = 8, .n_dims = 1, .dim = {8}, .stride = {1}}};
    tf_bytes pickle = {0}, file = {0};
    size_t end;
    fuzz_write_safetensors("a.safetensors", header_ab, strlen(header_ab), 32);
    fuzz_write_safetensors("b.safetensors", header_z, strlen(header_z), 32);
    pk_dict(&pickle, xy, 2, 0);
    tf_entry e[] = {TF_ENTRY("m/data.pkl", pickle.p, pickle.n), TF_ENTRY("m/data/0", numbers, 24), TF_ENTRY("m/version", "3\n", 2)};
    tf_zip(&file, e, 3, TF_DESCRIPTORS, &end);
    fuzz_write("a.bin", file.p, file.n);
    tf_free(&pickle);
    tf_free(&file);
    tf_legacy_head(&file);
    pk_dict(&file, z, 1, 1);
    tf_legacy_keys(&file, (const char *const[]){"0"}, 1);
    tf_legacy_storage(&file, 8, numbers, 32);
    fuzz_write("b.bin", file.p, file.n);
    tf_free(&file);
}

void fuzz_make_seeds(void) {
    FUZZ_SEED(FUZZ_TEXT("b{\"metadata\":{\"total_size\":64},\"weight_map\":{\"x\":\"a.bin\",\"y\":\"a.bin\",\"z\":\"b.bin\"}}"));
    FUZZ_SEED(FUZZ_TEXT("s{\"metadata\":{},\"weight_map\":{\"x\":\"a.safetensors\",\"y\":\"a.safetensors\",\"z\":\"b.safetensors\"}}"));
    FUZZ_SEED(FUZZ_TEXT("b{\"weight_map\":{\"z\":\"b.bin\"}}"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static bool written;
    fuzz_input in = {data, bytes};
    bool torch = fuzz_take_byte(&in) == 'b';
    if (!written) write_shards();
    written = true;
    fuzz_remove(torch ? "model.safetensors.index.json" : "pytorch_model.bin.index.json");
    fuzz_write(torch ? "pytorch_model.bin.index.json" : "model.safetensors.index.json", in.data, in.bytes);
    fuzz_read_weights();
    return 0;
}
