/* Fuzzes lt_st_open on pytorch_model.bin, then reading and the fingerprint.  The first byte of an input says what the rest is:
 *   p   a pickle, put as data.pkl into an archive with its CRC and two storages of 48 and 8 bytes, so that mutations reach the machine
 *   l   what follows the three head pickles of the format before torch 1.6: state dict, list of keys, storages
 *   r   a whole file, in either format */
#include "fuzz_weights.h"
#include "torch_file.h"

const char *const fuzz_words[] = {"\x80\x02",
                                  "\x80\x04",
                                  "storage",
                                  "ccollections\nOrderedDict\n)R",
                                  "ctorch._utils\n_rebuild_tensor_v2\n",
                                  "ctorch._utils\n_rebuild_tensor_v3\n",
                                  "ctorch._utils\n_rebuild_tensor\n",
                                  "ctorch._utils\n_rebuild_parameter\n",
                                  "ctorch\nFloatStorage\n",
                                  "ctorch\nHalfStorage\n",
                                  "ctorch\nLongStorage\n",
                                  "ctorch.storage\nUntypedStorage\n",
                                  "ctorch\nSize\n",
                                  "ctorch\nuint16\n",
                                  "cos\nsystem\n",
                                  "\x85R",
                                  "tQ",
                                  "tR",
                                  "](",
                                  "}(",
                                  "u.",
                                  "e.",
                                  "N",
                                  "K\x01",
                                  "q\x01",
                                  "h\x01",
                                  "\x94",
                                  "\x93",
                                  "state_dict",
                                  "PK\x01\x02",
                                  "PK\x03\x04",
                                  "PK\x05\x06",
                                  "PK\x06\x06",
                                  "PK\x06\x07",
                                  "\xFF\xFF\xFF\xFF",
                                  "\x8A\x08",
                                  NULL};

static const tf_tensor two[] = {
    {.name = "a", .type = "FloatStorage", .key = "0", .numel = 12, .n_dims = 2, .dim = {3, 4}, .stride = {4, 1}},
    {.name = "t", .type = "FloatStorage", .key = "0", .numel = 12, .n_dims = 2, .dim = {4, 3}, .stride = {1, 4}},
    {.name = "s", .type = "LongStorage", .key = "1", .numel = 1, .n_dims = 0},
    {.name = "p", .type = "FloatStorage", .key = "0", .numel = 12, .offset = 2, .n_dims = 3, .dim = {2, 1, 5}, .stride = {5, 5, 1}}};
static const unsigned char numbers[48] = {1, 2, 3, 0x3f, 4, 5, 6, 0xc0, 0x7f};

static void archive(tf_bytes *file, const void *pickle, size_t bytes, tf_zip_style style) {
    size_t end;
    tf_entry e[] = {TF_ENTRY("m/data.pkl", pickle, bytes), TF_ENTRY("m/byteorder", "little", 6), TF_ENTRY("m/data/0", numbers, 48),
                    TF_ENTRY("m/data/1", numbers, 8), TF_ENTRY("m/version", "3\n", 2)};
    tf_zip(file, e, 5, style, &end);
}

static void old_format(tf_bytes *b, const tf_tensor *t) {
    pk_dict(b, t, 4, 1);
    tf_legacy_keys(b, (const char *const[]){"0", "1"}, 2);
    tf_legacy_storage(b, 12, numbers, 48);
    tf_legacy_storage(b, 1, numbers, 8);
}

void fuzz_make_seeds(void) {
    static const char *const golden[] = {"zip", "zip5", "legacy", "nested"};
    tf_bytes b = {0}, file = {0}, head = {0};
    tf_tensor view[4];
    memcpy(view, two, sizeof two);
    pk_dict(&b, two, 4, 0);
    FUZZ_SEED(FUZZ_TEXT("p"), {b.p, b.n});
    for (tf_zip_style style = TF_PLAIN; style <= TF_ZIP64; style++) {
        archive(&file, b.p, b.n, style);
        FUZZ_SEED(FUZZ_TEXT("r"), {file.p, file.n});
        tf_free(&file);
    }
    tf_free(&b);
    old_format(&b, two);
    FUZZ_SEED(FUZZ_TEXT("l"), {b.p, b.n});
    tf_legacy_head(&head);
    FUZZ_SEED(FUZZ_TEXT("r"), {head.p, head.n}, {b.p, b.n});
    tf_free(&b);
    view[0].view_at = 1, view[0].view_numel = 11, view[0].dim[0] = 2;
    old_format(&b, view);
    FUZZ_SEED(FUZZ_TEXT("l"), {b.p, b.n});
    tf_free(&b);
    tf_free(&head);
    /* Files of torch, and the pickles in them. */
    for (int i = 0; i < 4; i++) {
        char path[512];
        size_t n;
        snprintf(path, sizeof path, LT_GOLDEN "/torch/%s/pytorch_model.bin", golden[i]);
        unsigned char *data = fuzz_load(path, &n);
        FUZZ_SEED(FUZZ_TEXT("r"), {data, n});
        unsigned char *pickle = i < 2 ? memmem(data, n, "\x80", 1) : NULL,
                      *end = pickle ? memmem(pickle, n - (size_t)(pickle - data), ".PK\7\10", 5) : NULL;
        if (end) FUZZ_SEED(FUZZ_TEXT("p"), {pickle, (size_t)(end + 1 - pickle)});
        free(data);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_input in = {data, bytes};
    tf_bytes file = {0};
    unsigned kind = fuzz_take_byte(&in);
    if (kind == 'p')
        archive(&file, in.data, in.bytes, TF_DESCRIPTORS);
    else if (kind == 'l')
        tf_legacy_head(&file);
    if (kind != 'p') tf_put(&file, in.data, in.bytes);
    fuzz_write("pytorch_model.bin", file.p, file.n);
    tf_free(&file);
    fuzz_read_weights();
    return 0;
}
