/* Fuzzes the readers of CoNLL columns, of trees in brackets, and of texts with a file of labels.  An input is a byte of
 * switches, one of kinds (scheme, separator, comments), one of columns, and the file; for texts with labels, two files parted by FUZZ_CUT. */
#include "fuzz_rows.h"

const char *const fuzz_words[] = {"B-PER", "I-PER",       "E-PER", "S-LOC", "L-",       "U-LOC", "M-PER", "O\n", "PER",    "\n\n", "\t",
                                  " ",     "-DOCSTART- ", "# ",    "\r\n",  "\xC2\xA0", "NN",    "(2 ",   "))",  FUZZ_CUT, NULL};

void fuzz_make_seeds(void) {
    FUZZ_SEED({"\0\0\0", 3}, FUZZ_TEXT("-DOCSTART- -X- O\n\nNew NNP B-LOC\nYork NNP I-LOC\n\nis VBZ O\n"));
    FUZZ_SEED({"\0\0\0", 3}, FUZZ_TEXT("a\tI-PER\nb\tB-PER\n\n\nc\tO\n"));
    FUZZ_SEED({"\0\0\0", 3}, FUZZ_TEXT("# id = 1\na S-PER\nb B-LOC\nc E-LOC\nd O\n# O\n"));
    FUZZ_SEED({"\0\x28\x11", 3}, FUZZ_TEXT("a PER x\nb PER y\nc O z\n"));
    FUZZ_SEED({"\0\xC0\0", 3}, FUZZ_TEXT("(3 (2 It) (4 (2 's) (4 good)))\n\n(0 (1 a\\/b) (2 -LRB-))\r\n"));
    FUZZ_SEED({"\1\x87\0", 3}, FUZZ_TEXT("a text\nanother\n" FUZZ_CUT "pos\nneg\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    fuzz_input in = {bytes, n};
    unsigned switches = fuzz_take_byte(&in), kind = fuzz_take_byte(&in), columns = fuzz_take_byte(&in);
    prep_layout l = {.format = PREP_CONLL};
    fuzz_switches(&l, switches);
    if ((kind & 192) == 192) {
        l.format = PREP_TREES;
        fuzz_rows(&l, in);
        return 0;
    }
    if (kind & 128) {
        l.format = PREP_LINES;
        l.label_file = kind & 1 ? fuzz_path("labels.txt") : "";
        fuzz_input text = fuzz_take_part(&in);
        fuzz_write("labels.txt", in.data, in.bytes);
        fuzz_rows(&l, text);
        return 0;
    }
    l.scheme = (prep_scheme)(kind % 8 % 7);
    l.separator = kind & 8 ? (kind & 16 ? ' ' : '\t') : 0;
    l.comment = kind & 32 ? (kind & 64 ? "#" : "") : NULL;
    if (columns) {
        l.text[0].number = (int)(columns % 8) - 3;
        l.label.number = (int)(columns / 8 % 8) - 3;
    }
    fuzz_rows(&l, in);
    return 0;
}
