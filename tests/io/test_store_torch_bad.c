// TEST rooms: store  labels: io  timeout: 120
/* Ill pickles in pytorch_model.bin: such as ask for more than tensors, such as lie, damaged ones.  Each is a message that names what is wrong, and each
 * kind has a good twin that opens. */
#include "io/torch_bad.h"

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

/* What a tensor may have beside its numbers, and a dict beside tensors. */
static void test_more_of_a_tensor(void) {
    static const struct {
        const char *more, *text; /* the arguments behind the strides; what opening says */
    } t[] = {{"\x89}", ""},
             {"\x88N", ""},
             {"\x89}}", ""},
             {"\x89}N", ""},
             {"\x89}}X\4\1\1\1conj\x88s", "the pickle needs 16843012 bytes at byte"},
             {"\x89}}K\1\x88s", "a tensor with bits that change its numbers"},
             {"\x89}K\1", "a tensor with bits that change its numbers"},
             {"\x89}NN", "another number of arguments"},
             {"K\1}", "requires_grad or the hooks"},
             {"\x89K\1", "requires_grad or the hooks"}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        tf_bytes ops = {0};
        tf_text(&ops, "}");
        pk_text(&ops, "w");
        pk_global(&ops, "torch._utils", "_rebuild_tensor_v2");
        tf_text(&ops, "(");
        pk_storage(&ops, &good, 0);
        pk_int(&ops, 0);
        pk_sizes(&ops, 2, good.dim);
        pk_sizes(&ops, 2, good.stride);
        tf_text(&ops, t[i].more);
        tf_text(&ops, "tRs");
        says_bytes(ops.p, ops.n, t[i].text);
        tf_free(&ops);
    }
    /* Beside the tensor: a number by a name, a tensor by a number; a long number. */
    tf_bytes file = {0}, pickle = {0};
    lt_st *st = NULL;
    pk_begin(&pickle);
    tf_text(&pickle, "}(");
    pk_text(&pickle, "epoch");
    tf_put(&pickle, "\x8b\2\0\0\0\xff\xffK\7", 9);
    pk_tensor(&pickle, &good, 0);
    pk_text(&pickle, "w");
    pk_tensor(&pickle, &good, 0);
    tf_text(&pickle, "u.");
    wrap(&file, &pickle, TF_DESCRIPTORS);
    SAYS(&file, "");
    CHECK_OK(lt_st_open(dir, &st));
    CHECK_STR(lt_st_note(st), "pytorch_model.bin holds 2 values that are not tensors: ignored");
    CHECK_INT(lt_st_total_bytes(st), 48);
    lt_st_close(&st);
    tf_free(&file);
    tf_free(&pickle);
}

int main(void) {
    bad_begin();
    test_forbidden();
    test_lies();
    test_damage();
    test_more_of_a_tensor();
    return test_end();
}
