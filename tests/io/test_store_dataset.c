// TEST rooms: store  labels: io  timeout: 60
/* Dataset file: round trip of sequence and token labels, every inconsistency named, damage, and what h5dump shows. */
#include "io/h5py_like.h"
#include "io/store_test.h"

#include "base/config.h"
#include "store/dataset.h"
#include "store/h5.h"
#include "store/layout.h"

static int32_t tokens[9] = {101, 7, 102, 101, 8, 102, 9, 102, 30521};
static int64_t offsets[4] = {0, 3, 8, 9}, segments[4] = {3, 6, 9, 9}; /* the second sequence is a pair */
static int32_t label[3] = {1, 0, 1}, token_label[9] = {-100, 1, -100, -100, 0, 1, -100, 0, 0};
static char *names[2] = {"0", "1"}, *words[2] = {"negative", "positive"};

static lt_dataset_info info(void) {
    lt_dataset_info i = {
        .task = "sst2", .command = "ltune-prep data --task sst2", .n_labels = 2, .label_name = names, .label_words = words};
    memset(i.tokenizer_sha256, 'a', 64);
    memset(i.source_sha256, 'b', 64);
    return i;
}

static lt_dataset_split split(const char *name) {
    lt_dataset_split s = {.n = 3, .tokens = tokens, .offsets = offsets, .segment_offsets = segments, .label = label, .truncated = 2};
    snprintf(s.name, sizeof s.name, "%s", name);
    return s;
}

static void test_round_trip(void) {
    const char *path = in_scratch("demo.h5");
    lt_dataset_info about = info();
    lt_dataset_split two[2] = {split("train"), split("dev")}, got;
    lt_dataset *d = NULL;
    int64_t n;
    two[1].label = NULL;
    two[1].token_label = token_label;
    CHECK_OK(lt_dataset_write(path, &about, two, 2));
    CHECK_OK(lt_h5_verify(path));
    CHECK_OK(lt_dataset_open(path, &d));
    CHECK_STR(lt_dataset_about(d)->task, "sst2");
    CHECK_STR(lt_dataset_about(d)->label_words[1], "positive");
    CHECK_STR(lt_dataset_about(d)->tokenizer_sha256, about.tokenizer_sha256);
    CHECK_STR(lt_dataset_splits(d, &n)[0], "dev");
    CHECK_INT(n, 2);
    CHECK_OK(lt_dataset_read(d, "train", &got));
    CHECK(got.n == 3 && !memcmp(got.tokens, tokens, sizeof tokens) && !memcmp(got.offsets, offsets, sizeof offsets));
    CHECK(!memcmp(got.segment_offsets, segments, sizeof segments) && !memcmp(got.label, label, sizeof label) && !got.token_label);
    CHECK_INT(got.truncated, 2);
    CHECK_INT(got.longest, 5);
    CHECK_INT(got.max_token, 30521);
    lt_dataset_split_fini(&got);
    CHECK_OK(lt_dataset_read(d, "dev", &got));
    CHECK(got.label == NULL && !memcmp(got.token_label, token_label, sizeof token_label));
    lt_dataset_split_fini(&got);
    CHECK_FAILS(lt_dataset_read(d, "test", &got), LT_ERR_CONFIG, "has no split 'test'; it has: dev, train");
    CHECK_OK(lt_dataset_check_tokenizer(d, about.tokenizer_sha256, "models/minilm"));
    CHECK_FAILS(lt_dataset_check_tokenizer(d, "cccc", "models/minilm"), LT_ERR_CONFIG, "another tokenizer (SHA-256 aaaaaaaaaaaaaaaa...)");
    lt_dataset_close(&d);
}

/* The writer refuses what a reader would; the file that was there stays. */
static void test_refused(void) {
    const char *path = in_scratch("refused.h5");
    lt_dataset_info about = info();
    lt_dataset_split s = split("train");
    file_save(path, "old", 3);
#define REFUSED(change, undo, message)                                                                                                     \
    do {                                                                                                                                   \
        change;                                                                                                                            \
        CHECK_FAILS(lt_dataset_write(path, &about, &s, 1), LT_ERR_ARG, message);                                                           \
        undo;                                                                                                                              \
    } while (0)
    REFUSED(label[1] = 2, label[1] = 0, "sequence 1 has label 2, which is not in the label set 0..1");
    REFUSED(label[1] = -100, label[1] = 0, "sequence 1 has label -100, others have one");
    REFUSED(label[0] = -100, label[0] = 1, "sequence 1 has label 0, others have none");
    REFUSED(offsets[1] = 9, offsets[1] = 3, "split 'train': sequence 1 has offsets 9 to 8");
    REFUSED(offsets[2] = 3, offsets[2] = 8, "expected at least one token");
    REFUSED(offsets[0] = 1, offsets[0] = 0, "offsets[0] is 1");
    REFUSED(segments[1] = 2, segments[1] = 6, "has its second text at 2, expected a position from 3 to 8");
    REFUSED(segments[3] = 8, segments[3] = 9, "segment_offsets[3] is 8, expected 9");
    REFUSED(tokens[4] = -1, tokens[4] = 8, "token 4 has the negative id -1");
    REFUSED(s.n = 0, s.n = 3, "split 'train' is empty");
    REFUSED(s.token_label = token_label, s.token_label = NULL, "either label or token_label");
    REFUSED(strcpy(s.name, "a/b"), strcpy(s.name, "train"), "cannot be the name of a split");
    size_t n;
    unsigned char *old = file_load(path, &n);
    CHECK(n == 3 && !memcmp(old, "old", 3));
    free(old);
    CHECK(!dir_has(scratch_dir, ".tmp"));
}

/* --- words -------------------------------------------------------------------------------------------------------------------------- */

/* Words of the three sequences behind token_label {-100, 1, -100 | -100, 0, 1, -100, 0 | 0}; the second word of the first and the last of all have no token. */
static int64_t word_offsets[4] = {0, 2, 5, 7};
static int32_t word_label[7] = {1, 0, 0, 1, 0, 0, 1}, word_token[7] = {1, -1, 1, 2, 4, 0, -1};

static lt_dataset_split with_words(void) {
    lt_dataset_split s = split("train");
    s.label = NULL;
    s.token_label = token_label;
    s.word_offsets = word_offsets;
    s.word_label = word_label;
    s.word_token = word_token;
    return s;
}

static void test_words(void) {
    const char *path = in_scratch("words.h5");
    lt_dataset_info about = info();
    lt_dataset_split s = with_words(), got;
    lt_dataset *d = NULL;
    CHECK_OK(lt_dataset_write(path, &about, &s, 1));
    CHECK_OK(lt_dataset_open(path, &d));
    CHECK_OK(lt_dataset_read(d, "train", &got));
    CHECK(!memcmp(got.word_offsets, word_offsets, sizeof word_offsets) && !memcmp(got.word_label, word_label, sizeof word_label));
    CHECK(!memcmp(got.word_token, word_token, sizeof word_token) && !got.unlabelled);
    lt_dataset_split_fini(&got);
    lt_dataset_close(&d);
    REFUSED(word_label[2] = 2, word_label[2] = 0, "word 2 has label 2, which is not in the label set 0..1");
    REFUSED(word_label[3] = 0, word_label[3] = 1, "token 5 has label 1, but the words of sequence 1 give it 0");
    REFUSED(word_token[3] = 1, word_token[3] = 2, "word 3 has token 1, expected one of 2 to 4, or -1");
    REFUSED(word_token[4] = 5, word_token[4] = 4, "word 4 has token 5");
    REFUSED(word_token[4] = -1, word_token[4] = 4, "token 7 has label 0, but the words of sequence 1 give it none");
    REFUSED(word_token[2] = -2, word_token[2] = 1, "word 2 has token -2");
    REFUSED(word_offsets[2] = 1, word_offsets[2] = 5, "sequence 1 has words 2 to 1");
    REFUSED(word_offsets[0] = 1, word_offsets[0] = 0, "word_offsets[0] is 1");
    REFUSED(s.word_token = NULL, s.word_token = word_token, "go together");
    REFUSED((s.token_label = NULL, s.label = label), (s.token_label = token_label, s.label = NULL), "");
}

/* Splits without labels are told from others. */
static void test_unlabelled(void) {
    const char *path = in_scratch("unlabelled.h5");
    static int32_t none[9] = {-100, -100, -100, -100, -100, -100, -100, -100, -100};
    lt_dataset_info about = info();
    lt_dataset_split three[3] = {split("train"), split("test"), split("words")}, got;
    lt_dataset *d = NULL;
    static const bool unlabelled[3] = {false, true, true};
    three[1].label = none;
    three[2].label = NULL;
    three[2].token_label = none;
    CHECK_OK(lt_dataset_write(path, &about, three, 3));
    CHECK_OK(lt_dataset_open(path, &d));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(lt_dataset_read(d, three[i].name, &got));
        CHECK_INT(got.unlabelled, unlabelled[i]);
        lt_dataset_split_fini(&got);
    }
    lt_dataset_close(&d);
}

/* --- parts -------------------------------------------------------------------------------------------------------------------------- */

/* Sequences [from, to) of a split as a part, in its own arrays. */
typedef struct piece {
    lt_dataset_split s;
    int64_t offsets[4], segments[4], words[4];
} piece;

static lt_status add_piece(lt_dataset_writer *w, const lt_dataset_split *whole, int64_t from, int64_t to) {
    piece p = {.s = *whole};
    int64_t base = whole->offsets[from], word = whole->word_offsets ? whole->word_offsets[from] : 0;
    for (int64_t i = from; i <= to; i++) {
        p.offsets[i - from] = whole->offsets[i] - base;
        p.segments[i - from] = (i < to ? whole->segment_offsets[i] : whole->offsets[to]) - base;
        if (whole->word_offsets) p.words[i - from] = whole->word_offsets[i] - word;
    }
    p.s.n = to - from;
    p.s.tokens += base;
    p.s.offsets = p.offsets;
    p.s.segment_offsets = p.segments;
    if (p.s.label) p.s.label += from;
    if (p.s.token_label) p.s.token_label += base;
    if (p.s.word_offsets) {
        p.s.word_offsets = p.words;
        p.s.word_label += word;
        p.s.word_token += word;
    }
    return lt_dataset_writer_add(w, &p.s);
}

/* A file written in parts is the file written whole, byte by byte, however it is cut. */
static void test_parts(void) {
    lt_dataset_info about = info();
    lt_dataset_split whole[2] = {split("train"), with_words()};
    static const int64_t cut[][4] = {{0, 3}, {0, 1, 3}, {0, 2, 3}, {0, 1, 2, 3}};
    size_t n, m;
    strcpy(whole[1].name, "words");
    CHECK_OK(lt_dataset_write(in_scratch("whole.h5"), &about, whole, 2));
    unsigned char *a = file_load(in_scratch("whole.h5"), &n);
    for (size_t c = 0; c < sizeof cut / sizeof *cut; c++) {
        lt_dataset_writer *w = NULL;
        CHECK_OK(lt_dataset_writer_create(in_scratch("parts.h5"), &about, &w));
        for (int i = 0; i < 2; i++) {
            lt_dataset_size size = {.n = 3, .tokens = 9, .words = i ? 7 : -1, .token_labels = i == 1, .truncated = 2};
            strcpy(size.name, whole[i].name);
            CHECK_OK(lt_dataset_writer_begin(w, &size));
            for (int k = 0; cut[c][k] < 3; k++) CHECK_OK(add_piece(w, &whole[i], cut[c][k], cut[c][k + 1]));
        }
        CHECK_OK(lt_dataset_writer_commit(&w));
        CHECK_OK(lt_h5_verify(in_scratch("parts.h5")));
        unsigned char *b = file_load(in_scratch("parts.h5"), &m);
        TEST_REPORT(n == m && !memcmp(a, b, n), "cut %zu: the file differs from the one written whole", c);
        free(b);
    }
    free(a);
    /* control: another value gives other bytes */
    tokens[4]++;
    CHECK_OK(lt_dataset_write(in_scratch("other.h5"), &about, whole, 2));
    tokens[4]--;
    unsigned char *b = file_load(in_scratch("other.h5"), &m);
    a = file_load(in_scratch("whole.h5"), &n);
    CHECK(n == m && memcmp(a, b, n) != 0);
    free(a);
    free(b);
}

static void test_parts_refused(void) {
    lt_dataset_info about = info();
    lt_dataset_split whole = split("train");
    lt_dataset_writer *w = NULL;
    const char *path = in_scratch("part.h5");
    lt_dataset_size size = {.name = "train", .n = 3, .tokens = 9, .words = -1};
    CHECK_OK(lt_dataset_writer_create(path, &about, &w));
    CHECK_FAILS(add_piece(w, &whole, 0, 1), LT_ERR_ARG, "a part of no split");
    CHECK_OK(lt_dataset_writer_begin(w, &size));
    CHECK_OK(add_piece(w, &whole, 0, 2));
    CHECK_FAILS(lt_dataset_writer_begin(w, &size), LT_ERR_ARG, "tokens has 8 of the 9 values announced");
    CHECK_FAILS(add_piece(w, &whole, 1, 3), LT_ERR_ARG, "tokens gets more than the 9 values announced");
    lt_dataset_writer_cancel(&w);
    CHECK_OK(lt_dataset_writer_create(path, &about, &w));
    CHECK_OK(lt_dataset_writer_begin(w, &size));
    CHECK_OK(add_piece(w, &whole, 0, 1));
    label[2] = 7;
    CHECK_FAILS(add_piece(w, &whole, 1, 3), LT_ERR_ARG, "sequence 2 has label 7");
    label[2] = 1;
    lt_dataset_writer_cancel(&w);
    CHECK_OK(lt_dataset_writer_create(path, &about, &w));
    CHECK_OK(lt_dataset_writer_begin(w, &size));
    CHECK_OK(add_piece(w, &whole, 0, 1));
    CHECK_FAILS(lt_dataset_writer_commit(&w), LT_ERR_ARG, "announced");
    CHECK(w == NULL && !file_exists(path) && !dir_has(scratch_dir, "part.h5.tmp"));
    size.token_labels = true;
    CHECK_OK(lt_dataset_writer_create(path, &about, &w));
    CHECK_OK(lt_dataset_writer_begin(w, &size));
    CHECK_FAILS(add_piece(w, &whole, 0, 1), LT_ERR_ARG, "labels of tokens were announced");
    lt_dataset_writer_cancel(&w);
    size.token_labels = false;
    CHECK_OK(lt_dataset_writer_create(path, &about, &w));
    CHECK_OK(lt_dataset_writer_begin(w, &size));
    CHECK_OK(add_piece(w, &whole, 0, 3));
    CHECK_FAILS(lt_dataset_writer_begin(w, &size), LT_ERR_ARG, "split 'train' is there twice");
    lt_dataset_writer_cancel(&w);
}

/* Files that another program wrote or changed: one thing wrong in each. */
static int64_t n_labels = 2; /* of write_foreign */
static void write_foreign(const char *path, const char *kind, int64_t version, int64_t n, const int64_t *off, int64_t T, bool with_labels) {
    lt_h5_writer *w = NULL;
    hid_t g = -1;
    int64_t ends = n + 1;
    static const char *text[LT_MAX_LABELS + 1];
    for (int64_t i = 0; i < n_labels; i++) text[i] = i % 2 ? "1" : "0";
    char *hash = info().tokenizer_sha256;
    CHECK_OK(lt_h5_write_begin(path, kind, version, &w));
    hid_t f = lt_h5_writer_file(w);
    CHECK_OK(lt_h5_put_str(f, "task", "t"));
    CHECK_OK(lt_h5_put_str(f, "command", "c"));
    CHECK_OK(lt_h5_put_str(f, "tokenizer_sha256", hash));
    CHECK_OK(lt_h5_put_str(f, "source_sha256", hash));
    CHECK_OK(lt_h5_write_strings(f, "labels/name", n_labels, text, false));
    CHECK_OK(lt_h5_write_strings(f, "labels/words", n_labels, text, false));
    CHECK_OK(lt_h5_group(f, "splits/train", &g));
    CHECK_OK(lt_h5_write(g, "tokens", LT_I32, 1, &T, tokens, false));
    CHECK_OK(lt_h5_write(g, "offsets", LT_I64, 1, &ends, off, false));
    CHECK_OK(lt_h5_write(g, "segment_offsets", LT_I64, 1, &ends, segments, false));
    if (with_labels) CHECK_OK(lt_h5_write(g, "label", LT_I32, 1, &n, label, false));
    lt_h5_close(&g);
    CHECK_OK(lt_h5_write_commit(&w));
}

static lt_status read_train(const char *path) {
    lt_dataset *d = NULL;
    lt_dataset_split s = {0};
    lt_status st = lt_dataset_open(path, &d);
    if (st == LT_OK) st = lt_dataset_read(d, "train", &s);
    lt_dataset_split_fini(&s);
    lt_dataset_close(&d);
    return st;
}

static void test_foreign(void) {
    const char *path = in_scratch("foreign.h5");
    int64_t bad[4] = {0, 5, 4, 9};
    write_foreign(path, LT_KIND_DATASET, LT_DATASET_VERSION, 3, offsets, 9, true);
    CHECK_OK(read_train(path));
    n_labels = LT_MAX_LABELS;
    write_foreign(path, LT_KIND_DATASET, LT_DATASET_VERSION, 3, offsets, 9, true);
    CHECK_OK(read_train(path));
    n_labels = LT_MAX_LABELS + 1;
    write_foreign(path, LT_KIND_DATASET, LT_DATASET_VERSION, 3, offsets, 9, true);
    CHECK_FAILS(read_train(path), LT_ERR_FORMAT, "has 1001 labels, expected at most 1000");
    n_labels = 2;
    write_foreign(path, LT_KIND_DATASET, LT_DATASET_VERSION, 3, bad, 9, true);
    CHECK_FAILS(read_train(path), LT_ERR_FORMAT, "sequence 1 has offsets 5 to 4");
    segments[0] = 4;
    write_foreign(path, LT_KIND_DATASET, LT_DATASET_VERSION, 3, offsets, 9, true);
    segments[0] = 3;
    CHECK_FAILS(read_train(path), LT_ERR_FORMAT, "sequence 0 has its second text at 4, expected a position from 0 to 3");
    write_foreign(path, LT_KIND_DATASET, LT_DATASET_VERSION, 3, offsets, 8, true);
    CHECK_FAILS(read_train(path), LT_ERR_FORMAT, "offsets end at 9, but there are 8 tokens");
    write_foreign(path, LT_KIND_DATASET, LT_DATASET_VERSION, 0, offsets, 0, true);
    CHECK_FAILS(read_train(path), LT_ERR_FORMAT, "split 'train' is empty");
    write_foreign(path, LT_KIND_DATASET, LT_DATASET_VERSION, 3, offsets, 9, false);
    CHECK_FAILS(read_train(path), LT_ERR_FORMAT, "label is missing");
    label[2] = 5;
    write_foreign(path, LT_KIND_DATASET, LT_DATASET_VERSION, 3, offsets, 9, true);
    label[2] = 1;
    CHECK_FAILS(read_train(path), LT_ERR_FORMAT, "sequence 2 has label 5, which is not in the label set 0..1");
    write_foreign(path, LT_KIND_DATASET, LT_DATASET_VERSION + 1, 3, offsets, 9, true);
    CHECK_FAILS(read_train(path), LT_ERR_FORMAT, "format_version 2, this ltune reads 1");
    write_foreign(path, LT_KIND_RUN, LT_RUN_VERSION, 3, offsets, 9, true);
    CHECK_FAILS(read_train(path), LT_ERR_FORMAT, "is a ltune-run file, expected ltune-dataset");
    file_save(path, "sentence\tlabel\n", 15);
    CHECK_FAILS(read_train(path), LT_ERR_FORMAT, "is not an HDF5 file");
    CHECK_FAILS(read_train(in_scratch("absent.h5")), LT_ERR_IO, "No such file");
}

static void test_damage(void) {
    size_t n;
    const char *path = in_scratch("damaged.h5");
    unsigned char *data = file_load(in_scratch("demo.h5"), &n);
    for (size_t cut = 0; cut < n - SEAL_BYTES; cut += 97) {
        file_save(path, data, cut);
        TEST_REPORT(read_train(path) == LT_ERR_FORMAT, "a file cut at %zu of %zu bytes was accepted", cut, n);
    }
    /* One token changed: the file's digest tells, and without it the one of the tokens. */
    unsigned char *at = memmem(data, n, tokens, sizeof tokens);
    CHECK(at != NULL);
    at[4] ^= 1;
    file_save(path, data, n);
    CHECK_FAILS(read_train(path), LT_ERR_FORMAT, "damaged.h5 is damaged");
    file_save(path, data, n - SEAL_BYTES);
    CHECK_FAILS(read_train(path), LT_ERR_FORMAT, "tokens is damaged");
    free(data);
}

/* What h5py writes is read, also with the line that its author may add; and no damage to the heap of its strings does more than be told. */
static void test_h5py(void) {
    const char *path = in_scratch("h5py.h5"), *damaged = in_scratch("h5py-damaged.h5");
    size_t n, heap;
    int refused = 0, other = 0;
    char command[1200], out[100];
    lt_dataset *d = NULL;
    lt_dataset_split s;
    CHECK_INT(h5py_like(path, info().tokenizer_sha256), 0);
    for (int line = 0; line < 2; line++) {
        CHECK_OK(lt_dataset_open(path, &d));
        CHECK_OK(lt_dataset_check_tokenizer(d, info().tokenizer_sha256, "m"));
        CHECK_STR(lt_dataset_about(d)->label_words[1], "positive");
        CHECK_OK(lt_dataset_read(d, "train", &s));
        CHECK(s.n == 12 && s.tokens[59] == 159 && s.label[11] == 1 && s.longest == 5);
        lt_dataset_split_fini(&s);
        lt_dataset_close(&d);
        CHECK_INT(lt_h5_verify(path), LT_ERR_FORMAT); /* its datasets have no digests */
        CHECK(strstr(lt_err_last()->msg, line ? "has no digest" : "no ltune-sha256 line") != NULL);
        /* by hand, as docs/FORMATS.md says */
        (void)snprintf(command, sizeof command, "d=$(sha256sum <'%s') && printf 'ltune-sha256 %%s\\n' \"${d%%%% *}\" >>'%s'", path, path);
        if (!line) CHECK_INT(run_output(command, out, sizeof out), 0);
    }
    CHECK_INT(h5py_like(path, info().tokenizer_sha256), 0);
    unsigned char *data = file_load(path, &n), *twice = memmem(data, n, "segment_offsets", 16), *at = memmem(data, n, "GCOL", 4);
    CHECK(twice != NULL);
    memcpy(twice, "offsets", 8);
    file_save(damaged, data, n);
    CHECK_FAILS(read_train(damaged), LT_ERR_FORMAT, "/splits/train/offsets twice");
    memcpy(twice, "segment_offsets", 16);
    CHECK(at != NULL);
    for (heap = (size_t)(at - data); heap < (size_t)(at - data) + 240; heap += 8) {
        static const unsigned char fill[] = {0x00, 0x01, 0xff};
        for (size_t k = 0; k < sizeof fill; k++) {
            unsigned char kept[8];
            memcpy(kept, data + heap, 8);
            memset(data + heap, fill[k], 8);
            file_save(damaged, data, n);
            memcpy(data + heap, kept, 8);
            lt_status st = read_train(damaged);
            refused += st == LT_ERR_FORMAT;
            other += st != LT_OK && st != LT_ERR_FORMAT;
        }
    }
    CHECK(refused > 10);
    CHECK_INT(other, 0);
    printf("90 damaged string heaps: %d refused\n", refused);
    free(data);
}

/* Files that once made reading hang or crash, where they are at hand. */
static void test_cases(void) {
    static const char *const name[] = {"1", "5", "9", "13", "17"};
    char path[600];
    int found = 0;
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        (void)snprintf(path, sizeof path, "%s/../shared/cases/damaged-h5/data-set-%s.h5", LT_SOURCE, name[i]);
        if (!file_exists(path)) continue;
        found++;
        CHECK_FAILS(read_train(path), LT_ERR_FORMAT, "is damaged: reading it c");
    }
    if (!found) printf("../shared/cases/damaged-h5 is not there: its part is skipped\n");
}

static void test_h5dump(void) {
    char command[800], out[20000];
    if (system("command -v h5dump >/dev/null 2>&1") != 0) {
        printf("h5dump is not installed: its part is skipped\n");
        return;
    }
    snprintf(command, sizeof command, "h5dump '%s' 2>&1", in_scratch("demo.h5"));
    CHECK_INT(run_output(command, out, sizeof out), 0);
    static const char *const shown[] = {"GROUP \"splits\"",  "GROUP \"train\"",   "DATASET \"tokens\"", "DATASET \"segment_offsets\"",
                                        "(0): 101, 7, 102,", "\"ltune-dataset\"", "\"format_version\"", "(0): \"negative\", \"positive\"",
                                        "H5T_STD_I64LE"};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) TEST_REPORT(strstr(out, shown[i]), "h5dump does not show %s", shown[i]);
}

int main(void) {
    scratch_make();
    test_round_trip();
    test_refused();
    test_words();
    test_unlabelled();
    test_parts();
    test_parts_refused();
    test_foreign();
    test_damage();
    test_h5py();
    test_cases();
    test_h5dump();
    return test_end();
}
