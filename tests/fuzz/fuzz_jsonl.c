/* Fuzzes the reader of JSON lines.  An input is a byte of switches, one of kinds (words, pairs, tag names, scheme), and the file. */
#include "fuzz_rows.h"

const char *const fuzz_words[] = {"{\"text\":\"",
                                  "\"tokens\":[",
                                  "\"tags\":[",
                                  "\"label\":",
                                  "\"a\":{\"b\":",
                                  "null",
                                  "true",
                                  "-1",
                                  "1.0",
                                  "1e400",
                                  "123456789012345678901234567890",
                                  "\\u0000",
                                  "\\ud83d\\ude00",
                                  "\\ud800",
                                  "[[[[[[[[",
                                  "{\"a\":{\"a\":",
                                  "\"B-PER\"",
                                  "\"I-PER\"",
                                  "\"S-PER\"",
                                  "\"O\"",
                                  "}\n",
                                  NULL};

void fuzz_make_seeds(void) {
    FUZZ_SEED(
        {"\0\0", 2},
        FUZZ_TEXT("{\"text\": \"a b\", \"pair\": \"c\", \"label\": \"pos\"}\n{\"text\": \"\\u00e9\", \"pair\": \"\", \"label\": null}\n"));
    FUZZ_SEED({"\xC1\2", 2}, FUZZ_TEXT("{\"label\": 1, \"text\": \"a\"}\n{\"label\": 3.0, \"text\": \"\\ud800\"}\n"));
    FUZZ_SEED({"\0\1", 2},
              FUZZ_TEXT("{\"tokens\": [\"New\", \"York\"], \"tags\": [\"B-LOC\", \"I-LOC\"]}\n{\"tokens\": [], \"tags\": []}\n"));
    FUZZ_SEED({"\0\5", 2}, FUZZ_TEXT("{\"tokens\": [\"a\", \"b\", \"c\"], \"tags\": [0, 1, 2]}\r\n{\"tokens\": [\"x\"]}\n"));
    FUZZ_SEED({"\0\x0A", 2}, FUZZ_TEXT("{\"a\": {\"b\": \"deep\"}, \"label\": \"0\"}\n"));
    FUZZ_SEED({"\0\x10", 2}, FUZZ_TEXT("{\"tokens\": [\"a\", \"b\"], \"ner_tags\": [2, 0]}\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const char *const tags[] = {"O", "B-PER", "I-PER", "E-LOC", "LOC"};
    fuzz_input in = {bytes, n};
    unsigned switches = fuzz_take_byte(&in), kind = fuzz_take_byte(&in);
    prep_layout l = {.format = PREP_JSONL};
    if (kind & 16) {
        static const char *const task[] = {"conll2003", "ontonotes5", "wnut17", "agnews", "mnli", "amazon"};
        const prep_preset *p;
        FUZZ_OK(prep_preset_find(task[kind / 32 % 6], &p));
        l = prep_preset_layout(p);
        l.bad = (prep_bytes)(switches % 3);
    } else {
        l.words = kind & 1;
        l.text[0] = (prep_column){.name = {l.words ? "tokens" : kind & 8 ? "a.b" : "text"}};
        l.text[1] = (prep_column){.name = {kind & 8 ? "text" : NULL}};
        l.pair = (prep_column){.name = {kind & 6 ? NULL : "pair"}};
        l.label = (prep_column){.name = {l.words ? "tags" : "label"}};
        fuzz_switches(&l, switches);
        if (l.words && kind & 4) {
            l.n_tags = 5;
            l.tag_name = tags;
        }
        if (l.words) l.scheme = (prep_scheme)(kind / 32 % 7);
    }
    fuzz_rows(&l, in);
    return 0;
}
