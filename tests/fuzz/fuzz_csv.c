/* Fuzzes the readers of CSV and TSV.  An input is a byte of switches, a byte for the format, one each for the columns of text, second text and label, and the
 * file.  Formats: TSV, CSV, by semicolons, by spaces with a rest, and the presets of texts. */
#include "fuzz_rows.h"

#include <math.h>

const char *const fuzz_words[] = {"\"",       "\"\"", "\",\"",    "\"\n\"", "\r\n",      ",",     ";",      "\t", "\xEF\xBB\xBF",
                                  "sentence", "text", "label",    "title",  "sentence1", "stars", "\"1\",", "-1", "1.0",
                                  "1e999",    "nan",  "\xC3\xA9", "\xFF",   "\x1F\x8B",  "neg",   "World",  NULL};

static const char *const names[4] = {"sentence", "text", "label", "title"};

void fuzz_make_seeds(void) {
    FUZZ_SEED({"\0\1\0\1\2", 5}, FUZZ_TEXT("\"a \"\"b\"\" c\",\"d\ne\",pos\nx,y,neg\n\n"));
    FUZZ_SEED({"\1\1\xC8\xC9\xCA", 5}, FUZZ_TEXT("\xEF\xBB\xBFlabel,text,sentence\r\n0,\"a\r\nb\",c\r\n-1,d,\"e,f\"\r\n"));
    FUZZ_SEED({"\2\0\0\1\2", 5}, FUZZ_TEXT("a b\tc\"d\tpos\n\xFF\tb\t0\n"));
    FUZZ_SEED({"\0\2\0\1\2", 5}, FUZZ_TEXT("a;\"b;c\";1\nd;e;2\n"));
    FUZZ_SEED({"\0\3\1\1\0", 5}, FUZZ_TEXT("DESC:manner How did it begin ?\nNUM:count How many ?\n"));
    FUZZ_SEED({"\0\x0D\0\0\0", 5}, FUZZ_TEXT("\"3\",\"Title one\",\"A text.\"\n\"1\",\"Title two\",\"Other\"\n"));
    FUZZ_SEED({"\0\x08\0\0\0", 5}, FUZZ_TEXT("sentence\tlabel\ngood\t1\nbad\t0\n"));
    FUZZ_SEED({"\0\x12\0\0\0", 5}, FUZZ_TEXT("5,Great,\"It \"\"works\"\".\"\n1,Bad,no\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const char separators[] = {'\t', ',', ';', ' '};
    static const prep_bin bins[] = {{-1, "low"}, {1, "pos"}, {INFINITY, "neg"}};
    fuzz_input in = {bytes, n};
    prep_layout l = {0};
    unsigned switches = fuzz_take_byte(&in), format = fuzz_take_byte(&in);
    unsigned text = fuzz_take_byte(&in), pair = fuzz_take_byte(&in), label = fuzz_take_byte(&in);
    if (format % 32 >= 8) {
        int known = 0;
        while (prep_presets[known].name) known++;
        l = prep_preset_layout(&prep_presets[(int)(format % 32 - 8) % known]);
        l.bad = (prep_bytes)(switches % 3);
    } else {
        l.format = format % 4 == 0 ? PREP_TSV : PREP_CSV;
        l.separator = separators[format % 4];
        l.quote = format % 4 == 3 ? '\'' : 0;
        l.header = (prep_header)(format / 32 % 3);
        l.text[0] = fuzz_column(text, names);
        if (format & 4) l.text[1] = fuzz_column(text + 1, names);
        if (pair) l.pair = fuzz_column(pair, names);
        if (label) l.label = fuzz_column(label, names);
        l.rule = (prep_rule)(label / 8 % 3);
        l.bin = bins;
        l.n_bins = 3;
        l.rest = format % 4 == 3;
        l.columns = format % 4 == 3 ? 2 : 0;
        fuzz_switches(&l, switches);
    }
    fuzz_rows(&l, in);
    return 0;
}
