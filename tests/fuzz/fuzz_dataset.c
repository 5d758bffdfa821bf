/* Fuzzes lt_dataset_open and lt_dataset_read by edits to a good data set; see fuzz_h5.h. */
#include "fuzz_h5.h"

#include "store/dataset.h"
#include "store/layout.h"

const char *const fuzz_words[] = {"tokens",           "offsets",          "label",      "token_label",
                                  "splits",           "word_offsets",     "word_label", "word_token",
                                  "\xFF\xFF\xFF\x7F", "\x9C\xFF\xFF\xFF", FUZZ_CUT,     NULL};

static void make(const char *path) {
    static int32_t tokens[9] = {101, 7, 102, 101, 8, 102, 9, 102, 30521}, label[3] = {1, 0, 1};
    static int32_t token_label[9] = {-100, 1, -100, -100, 0, 1, -100, 0, 0};
    static int64_t offsets[4] = {0, 3, 8, 9}, segments[4] = {3, 6, 9, 9}, word_offsets[4] = {0, 2, 5, 7};
    static int32_t word_label[7] = {1, 0, 0, 1, 0, 0, 1}, word_token[7] = {1, -1, 1, 2, 4, 0, -1};
    static char *names[2] = {"0", "1"}, *words[2] = {"negative", "positive"};
    lt_dataset_info info = {.task = "tsv", .command = "ltune-prep data", .n_labels = 2, .label_name = names, .label_words = words};
    lt_dataset_split split[3] = {
        {.name = "train", .n = 3, .tokens = tokens, .offsets = offsets, .segment_offsets = segments, .label = label, .truncated = 1},
        {.name = "dev", .n = 3, .tokens = tokens, .offsets = offsets, .segment_offsets = segments, .token_label = token_label},
        {.name = "words",
         .n = 3,
         .tokens = tokens,
         .offsets = offsets,
         .segment_offsets = segments,
         .token_label = token_label,
         .word_offsets = word_offsets,
         .word_label = word_label,
         .word_token = word_token}};
    memset(info.tokenizer_sha256, 'a', 64);
    memset(info.source_sha256, 'b', 64);
    FUZZ_OK(lt_dataset_write(path, &info, split, 3));
}

static uint64_t read_split(const lt_dataset_split *s, int64_t K, uint64_t h) {
    int64_t T = s->offsets[s->n];
    FUZZ_REQUIRE(s->n >= 1 && s->offsets[0] == 0 && !s->label != !s->token_label);
    for (int64_t i = 0; i < s->n; i++) {
        FUZZ_REQUIRE(s->offsets[i] < s->offsets[i + 1] && s->offsets[i + 1] - s->offsets[i] <= s->longest);
        FUZZ_REQUIRE(s->segment_offsets[i] >= s->offsets[i] && s->segment_offsets[i] <= s->offsets[i + 1]);
        FUZZ_REQUIRE(!s->label || (s->label[i] >= 0 && s->label[i] < K) || (s->unlabelled && s->label[i] == LT_IGNORED_LABEL));
        for (int64_t w = s->word_offsets ? s->word_offsets[i] : 0; s->word_offsets && w < s->word_offsets[i + 1]; w++) {
            int32_t y = s->word_label[w], at = s->word_token[w];
            FUZZ_REQUIRE(y == LT_IGNORED_LABEL || (y >= 0 && y < K));
            FUZZ_REQUIRE(at == LT_NO_TOKEN ||
                         (at >= 0 && at < s->offsets[i + 1] - s->offsets[i] && s->token_label[s->offsets[i] + at] == y));
        }
    }
    for (int64_t i = 0; i < T; i++) {
        FUZZ_REQUIRE(s->tokens[i] >= 0 && s->tokens[i] <= s->max_token);
        FUZZ_REQUIRE(!s->token_label || s->token_label[i] == LT_IGNORED_LABEL || (s->token_label[i] >= 0 && s->token_label[i] < K));
    }
    h = fuzz_h5_mix(h, s->tokens, (size_t)T * sizeof *s->tokens);
    h = fuzz_h5_mix(h, s->label ? s->label : s->token_label, (size_t)(s->label ? s->n : T) * sizeof(int32_t));
    return fuzz_h5_mix(h, s->offsets, (size_t)s->n * sizeof *s->offsets);
}

static uint64_t read_all(const char *path) {
    lt_dataset *d = NULL;
    uint64_t h = 1;
    int64_t n;
    if (lt_dataset_open(path, &d) != LT_OK) {
        FUZZ_REQUIRE(d == NULL && lt_err_last()->msg[0]);
        return 0;
    }
    const lt_dataset_info *info = lt_dataset_about(d);
    FUZZ_REQUIRE(info->n_labels >= 1 && strlen(info->tokenizer_sha256) < LT_SHA_HEX_BYTES);
    for (int64_t k = 0; k < info->n_labels; k++) {
        h = fuzz_h5_mix(h, info->label_name[k], strlen(info->label_name[k]));
        h = fuzz_h5_mix(h, info->label_words[k], strlen(info->label_words[k]));
    }
    char *const *name = lt_dataset_splits(d, &n);
    for (int64_t i = 0; i < n; i++) {
        lt_dataset_split s;
        if (lt_dataset_read(d, name[i], &s) != LT_OK) continue;
        h = read_split(&s, info->n_labels, h);
        lt_dataset_split_fini(&s);
    }
    (void)lt_dataset_check_tokenizer(d, "c0ffee", "models/a");
    lt_dataset_close(&d);
    return h | 1;
}

static const fuzz_h5 harness = {LT_KIND_DATASET, LT_DATASET_VERSION, make, read_all};

void fuzz_make_seeds(void) { fuzz_h5_seeds(); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_h5_input(&harness, data, bytes);
    return 0;
}
