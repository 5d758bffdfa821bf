/* Fuzzes ltune-prep's reader of text files with columns.  An input is one byte of switches, one byte each for the columns of text, second text and label,
 * one byte for the maximum length, and the file.  A column byte is a number from 1, or from 200 on a name in the header. */
#include "fuzz.h"

#include "data.h"

const char *const fuzz_words[] = {"\t",  "\r\n", "\n\n", "\xEF\xBB\xBF", "sentence", "content",    "label", "text",     "a\tb\tc\td", "0\t",
                                  "1\t", "-1.5", "nan",  "inf",          "1e999",    "entailment", "film",  "\xC3\xA9", NULL};

enum { HEADER = 1, SIGN = 2, FIXED = 4, SPLIT = 8, PAIR = 16 };

static lt_tok *tok;

void fuzz_make_seeds(void) {
    FUZZ_SEED({"\0\2\3\1\x20", 5}, FUZZ_TEXT("0\tA film.\tto see\n1\tAnother film.\tnot\r\n\n0\tone\ttwo\n"));
    FUZZ_SEED({"\1\xC8\xC9\xCA\x20", 5}, FUZZ_TEXT("\xEF\xBB\xBFsentence\tlabel\npretty good\tpos\nvery bad\tneg\n"));
    FUZZ_SEED({"\x1B\xC8\3\xCA\x08", 5}, FUZZ_TEXT("sentence\tlabel\tother\nx y z\t1.5\tu v w\na\t-2\tb\nc\t0\td\n"));
    FUZZ_SEED({"\x0D\1\2\2\0", 5}, FUZZ_TEXT("text\tlabel\nsome words\ta\nother words\tb\n"));
}

static void set_column(prep_column *c, unsigned byte) {
    static const char *const name[] = {"sentence", "text", "label", "content"};
    *c = byte >= 200 ? (prep_column){.name = {name[byte % 4], byte % 8 >= 4 ? name[(byte + 1) % 4] : NULL}}
                     : (prep_column){.number = (int)byte + 1};
}

/* What holds of every split after any file. */
static void check(const prep_data *d) {
    for (int i = 0; i < d->n_splits; i++) {
        const prep_split *s = &d->split[i];
        if (s->n == 0) continue;
        FUZZ_REQUIRE(s->offsets[0] == 0 && s->offsets[s->n] == s->tokens.n);
        for (int64_t k = 0; k < s->n; k++) {
            FUZZ_REQUIRE(s->offsets[k] < s->offsets[k + 1]);
            FUZZ_REQUIRE(s->segment_offsets[k] >= s->offsets[k] && s->segment_offsets[k] <= s->offsets[k + 1]);
            FUZZ_REQUIRE(s->label[k] >= 0 && s->label[k] < d->labels.n);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static prep_data d; /* large */
    fuzz_input in = {bytes, n};
    unsigned flags = fuzz_take_byte(&in);
    int k;
    if (!tok) {
        static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nfilm\n##s\n.\nsee\nto\n";
        fuzz_write("vocab.txt", vocab, strlen(vocab));
        FUZZ_OK(lt_tok_open(fuzz_path("vocab.txt"), &tok));
    }
    memset(&d, 0, sizeof d);
    d.tok = tok;
    d.spec.task = "tsv";
    d.spec.layout.format = PREP_TSV;
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
    }
    if (flags & (SIGN | FIXED)) {
        FUZZ_OK(prep_label_intern(&d.labels, flags & SIGN ? "negative" : "0", &k));
        FUZZ_OK(prep_label_intern(&d.labels, flags & SIGN ? "positive" : "1", &k));
        d.labels.fixed = true;
    }
    FUZZ_OK(lt_sha_begin(&d.source));
    fuzz_write("text.tsv", in.data, in.bytes);
    lt_status st = prep_read_file(&d, fuzz_path("text.tsv"), "train");
    FUZZ_REQUIRE(st == LT_OK || lt_err_last()->msg[0]);
    check(&d);
    if (st == LT_OK) {
        FUZZ_OK(prep_labels_sort(&d));
        check(&d);
    }
    d.tok = NULL; /* kept for the next input */
    prep_data_fini(&d);
    return 0;
}
