/* Fuzzes ltune-prep's way from text files with columns, or words with tags, to a data set.  An input is two bytes of switches, one byte each for the columns
 * of text, second text and label, one byte for the maximum length, and the file, which is read twice: as train and as dev.  A column byte is a number from
 * 1, or from 200 on a name in the header.  What comes out must be a data set that reads. */
#include "fuzz.h"

#include "data.h"

#include "base/mem.h"

const char *const fuzz_words[] = {"\t",  "\r\n", "\n\n", "\xEF\xBB\xBF", "sentence", "content",    "label", "text",     "a\tb\tc\td", "0\t",
                                  "1\t", "-1.5", "nan",  "inf",          "1e999",    "entailment", "film",  "\xC3\xA9", NULL};

enum { HEADER = 1, SIGN = 2, FIXED = 4, SPLIT = 8, PAIR = 16, WORDS = 32, UNLABELLED = 64, THREADS = 128 };
enum { DROP = 1, DRAW = 2, SEED = 4, SPACE = 8, ONCE = 16 }; /* second byte */

static lt_tok *tok;

void fuzz_make_seeds(void) {
    FUZZ_SEED({"\0\0\2\3\1\x20", 6}, FUZZ_TEXT("0\tA film.\tto see\n1\tAnother film.\tnot\r\n\n0\tone\ttwo\n"));
    FUZZ_SEED({"\1\3\xC8\xC9\xCA\x20", 6}, FUZZ_TEXT("\xEF\xBB\xBFsentence\tlabel\npretty good\tpos\nvery bad\tneg\n"));
    FUZZ_SEED({"\x1B\6\xC8\3\xCA\x08", 6}, FUZZ_TEXT("sentence\tlabel\tother\nx y z\t1.5\tu v w\na\t-2\tb\nc\t0\td\n"));
    FUZZ_SEED({"\xCD\0\1\2\2\0", 6}, FUZZ_TEXT("text\tlabel\nsome words\ta\nother words\tb\n"));
    FUZZ_SEED({"\x20\x18\0\0\1\6", 6}, FUZZ_TEXT("film B-a\nfilms I-a\n. O\n\nsee O\nto B-b\n\xE2\x80\x8B I-b\n\na O\nfilm B-a\n"));
}

static void set_column(prep_column *c, unsigned byte) {
    static const char *const name[] = {"sentence", "text", "label", "content"};
    *c = byte >= 200 ? (prep_column){.name = {name[byte % 4], byte % 8 >= 4 ? name[(byte + 1) % 4] : NULL}}
                     : (prep_column){.number = (int)byte + 1};
}

/* The file as everybody else sees it. */
static void check(const char *path, const prep_data *d) {
    lt_dataset *file = NULL;
    int64_t n;
    FUZZ_OK(lt_dataset_open(path, &file));
    char *const *name = lt_dataset_splits(file, &n);
    FUZZ_REQUIRE(n >= 1 && lt_dataset_about(file)->n_labels == d->labels.n);
    for (int64_t i = 0; i < n; i++) {
        lt_dataset_split s;
        FUZZ_OK(lt_dataset_read(file, name[i], &s));
        FUZZ_REQUIRE(!d->spec.max_length || s.longest <= d->spec.max_length);
        FUZZ_REQUIRE(!d->spec.words == !s.word_offsets);
        lt_dataset_split_fini(&s);
    }
    lt_dataset_close(&file);
}

static lt_status make(prep_data *d, const char *path) {
    int fresh[LT_MAX_LABELS];
    lt_dataset_info info = {.task = "tsv", .command = "fuzz", .tokenizer_sha256 = "a", .source_sha256 = "b"};
    LT_TRY(prep_pipeline_run(d));
    LT_CHECK(d->labels.n > 0, LT_ERR_FORMAT, "no label");
    LT_TRY(prep_labels_sort(&d->labels, d->spec.words && d->spec.layout.scheme != PREP_SCHEME_PLAIN, fresh));
    for (int k = 0; k < d->labels.n; k++)
        if (!d->labels.words[k]) LT_TRY(lt_strdup(&d->labels.words[k], d->labels.name[k]));
    LT_TRY(prep_collect_end(d));
    info.n_labels = d->labels.n;
    info.label_name = d->labels.name;
    info.label_words = d->labels.words;
    d->spec.output = path;
    LT_TRY(prep_write(d, &info, fresh));
    check(path, d);
    return LT_OK;
}

static void add_file(prep_data *d, const char *split) {
    prep_file *grown = realloc(d->file, (size_t)(d->n_files + 1) * sizeof *grown);
    FUZZ_REQUIRE(grown);
    d->file = grown;
    d->file[d->n_files] = (prep_file){.spread = d->spec.n_shares > 0};
    FUZZ_OK(lt_strdup(&d->file[d->n_files].path, fuzz_path("text.tsv")));
    (void)snprintf(d->file[d->n_files++].split, LT_NAME_BYTES, "%s", split);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static prep_data d; /* large */
    fuzz_input in = {bytes, n};
    unsigned flags = fuzz_take_byte(&in), more = fuzz_take_byte(&in);
    int k;
    if (!tok) {
        static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nfilm\n##s\n.\nsee\nto\n";
        fuzz_write("vocab.txt", vocab, strlen(vocab));
        FUZZ_OK(lt_tok_open(fuzz_path("vocab.txt"), &tok));
    }
    memset(&d, 0, sizeof d);
    d.tok = tok;
    d.spec.task = "tsv";
    d.spec.words = flags & WORDS;
    d.spec.threads = flags & THREADS ? 2 : 1;
    d.spec.drop_leaks = more & DROP;
    d.spec.per_label = more & DRAW && !d.spec.words ? 2 : 0;
    d.spec.seed = more & SEED ? 7 : 0;
    d.spec.word_space = more & SPACE;
    prep_spool_place(fuzz_path("out.h5"), d.spool_dir, sizeof d.spool_dir);
    prep_repeats_init(&d.texts, d.spool_dir);
    d.spec.layout.format = d.spec.words ? PREP_CONLL : PREP_TSV;
    d.spec.layout.words = d.spec.words;
    d.spec.layout.label_optional = flags & UNLABELLED;
    if (flags & UNLABELLED) d.spec.layout.unlabelled[0] = "";
    set_column(&d.spec.layout.text[0], fuzz_take_byte(&in));
    set_column(&d.spec.layout.pair, fuzz_take_byte(&in));
    set_column(&d.spec.layout.label, fuzz_take_byte(&in));
    if (!(flags & PAIR)) d.spec.layout.pair = (prep_column){0};
    d.spec.layout.rule = flags & SIGN ? PREP_RULE_SIGN : PREP_RULE_NAME;
    d.spec.layout.header = flags & HEADER ? PREP_HEADER_YES : PREP_HEADER_NO;
    d.spec.max_length = fuzz_take_byte(&in);
    if (d.spec.max_length && d.spec.max_length < 4) d.spec.max_length = 4;
    if (flags & SPLIT) {
        d.spec.n_shares = 2;
        d.spec.share[0] = d.spec.share[1] = 50;
        FUZZ_OK(prep_split_get(&d, "train", &d.share[0]));
        FUZZ_OK(prep_split_get(&d, "dev", &d.share[1]));
    }
    if (flags & (SIGN | FIXED) && !d.spec.words) {
        FUZZ_OK(prep_label_intern(&d.labels, flags & SIGN ? "negative" : "0", &k));
        FUZZ_OK(prep_label_intern(&d.labels, flags & SIGN ? "positive" : "1", &k));
        d.labels.fixed = true;
    }
    FUZZ_OK(lt_sha_begin(&d.source));
    fuzz_write("text.tsv", in.data, in.bytes);
    add_file(&d, "train");
    if (!(more & ONCE)) add_file(&d, "dev");
    lt_status st = make(&d, fuzz_path("out.h5"));
    FUZZ_REQUIRE(st == LT_OK || lt_err_last()->msg[0]);
    d.tok = NULL; /* kept for the next input */
    prep_data_fini(&d);
    return 0;
}
