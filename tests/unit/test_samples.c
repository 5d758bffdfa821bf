// TEST np: 0  rooms: train  labels: unit  timeout: 60
/* Samples cut to a length are what the tokenizer gives when it cuts, whatever special tokens stand around the texts, and their labels and words go along.
 * The order of samples and the candidate labels of L-Tuning's pairs: functions of seed, epoch and position alone, half true and half wrong whatever
 * the batch, wrong ones uniform over the other labels; and methods that need a wrong label refuse a data set of one.
 * Lengths of padded samples, and a pack with padding. */
#include "lt_test.h"

#include "base/mem.h"
#include "kernels/ops.h"
#include "model/pack.h"
#include "train/samples.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 1000, EPOCHS = 6, K = 4 };

static void test_order(void) {
    lt_order o = {0}, again = {0}, other = {0};
    CHECK_OK(lt_order_create(5, N, &o));
    CHECK_OK(lt_order_create(5, N, &again));
    CHECK_OK(lt_order_create(6, N, &other));
    int seen[N], same_as_other = 0, same_as_next = 0;
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        memset(seen, 0, sizeof seen);
        for (int64_t i = 0; i < N; i++) {
            int64_t p = (int64_t)epoch * N + i, s = lt_order_sample(&o, p);
            CHECK(s >= 0 && s < N && !seen[s]);
            seen[s] = 1;
            same_as_other += s == lt_order_sample(&other, p);
            same_as_next += s == lt_order_sample(&o, p + N);
        }
    }
    /* read backwards and from the middle of a batch that straddles epochs: the same samples */
    for (int64_t p = (int64_t)N * EPOCHS; p-- > 0;) CHECK_INT(lt_order_sample(&again, p), lt_order_sample(&o, p));
    /* two random permutations share one place on average */
    CHECK(same_as_other < 10 * EPOCHS && same_as_next < 10 * EPOCHS);
    lt_order_destroy(&o);
    lt_order_destroy(&again);
    lt_order_destroy(&other);
}

static void test_candidates(void) {
    lt_order o = {0};
    int count[K] = {0}, n_true = 0, target;
    enum { TRUTH = 1, DRAWS = 6000 };
    CHECK_OK(lt_order_create(3, N, &o));
    for (int64_t p = 0; p < DRAWS; p++) {
        int y = lt_order_candidate(&o, p, TRUTH, K, &target);
        CHECK_INT(target, y == TRUTH);
        CHECK(y >= 0 && y < K);
        count[y]++;
        n_true += target;
        /* half and half in every batch of even size, and over two batches of any size */
        if (p % 2 == 1) CHECK_INT(n_true, (p + 1) / 2);
    }
    for (int y = 0; y < K; y++) /* 1,000 draws a wrong label: five standard deviations are 130 */
        if (y != TRUTH) TEST_REPORT(count[y] > 870 && count[y] < 1130, "label %d drawn %d times, expected about 1000", y, count[y]);
    lt_order_destroy(&o);
}

/* Lengths when texts are padded in blocks: 2,300 samples of 3 tokens, with 7 in the first block, 5 in the second, 9 in the third. */
static void test_padding(void) {
    enum { SAMPLES = 2 * LT_PADDED_BLOCK + 300 };
    lt_samples s = {.n = SAMPLES};
    CHECK_OK(lt_calloc(&s.offset, SAMPLES + 1, sizeof *s.offset, "a test"));
    for (int64_t i = 0; i < SAMPLES; i++) s.offset[i + 1] = s.offset[i] + (i == 999 ? 7 : i == 1000 ? 5 : i == SAMPLES - 1 ? 9 : 3);
    CHECK_OK(lt_samples_measure(&s, 11));
    CHECK_INT(s.pad, 11);
    CHECK_INT(lt_samples_padded(&s, 0), 7);
    CHECK_INT(lt_samples_padded(&s, 999), 7);
    CHECK_INT(lt_samples_padded(&s, 1000), 5);
    CHECK_INT(lt_samples_padded(&s, 1999), 5);
    CHECK_INT(lt_samples_padded(&s, 2000), 9);
    /* batches of 8 end where blocks end; of 16, one runs over an end: 992 .. 1007 */
    CHECK_INT(lt_samples_padded_in_order(&s, 1000, 8), 5);
    CHECK_INT(lt_samples_padded_in_order(&s, 999, 8), 7);
    CHECK_INT(lt_samples_padded_in_order(&s, 1000, 16), 7);
    CHECK_INT(lt_samples_padded_in_order(&s, 1007, 16), 7);
    CHECK_INT(lt_samples_padded_in_order(&s, 1008, 16), 5);
    CHECK_INT(lt_samples_padded_in_order(&s, 1992, 16), 5);
    CHECK_INT(lt_samples_padded_in_order(&s, 1992, 48), 9);
    CHECK_INT(lt_samples_padded_in_order(&s, 1500, 4096), 9);
    CHECK_INT(lt_samples_padded_in_order(&s, SAMPLES - 1, 16), 9);
    CHECK_INT(lt_samples_padding(&s, 999, 7), 0);
    CHECK_INT(lt_samples_padding(&s, 0, 7), 4);
    CHECK_INT(lt_samples_padding(&s, 999, 0), 0);
    lt_samples_destroy(&s);
}

/* A sequence with padding in a pack: where its text ends, what its padding is. */
static void test_padded_pack(void) {
    lt_pack p = {0};
    const int32_t tokens[] = {5, 6, 7};
    CHECK_OK(lt_pack_create(16, 4, &p));
    lt_pack_seq s = {.tokens = tokens, .n = 3, .segment = 3, .slot = -1, .padding = 2, .pad = 9};
    CHECK_OK(lt_pack_add(&p, &s));
    s.padding = 0;
    CHECK_OK(lt_pack_add(&p, &s));
    s.prompt_rows = 2;
    s.padding = 1;
    CHECK_OK(lt_pack_add(&p, &s));
    const int32_t id[] = {5, 6, 7, 9, 9, 5, 6, 7, -1, -2, 5, 6, 7, 9}, pos[] = {0, 1, 2, 3, 4, 0, 1, 2, 0, 1, 2, 3, 4, 5};
    CHECK_INT(p.n_tok, 14);
    CHECK_INT(p.max_len, 6);
    for (int i = 0; i < 14; i++) {
        CHECK_INT(p.id[i], id[i]);
        CHECK_INT(p.pos[i], pos[i]);
        CHECK_INT(p.type[i], 0);
    }
    const int32_t text0[] = {0, 5, 10}, text1[] = {3, 8, 13}, cu[] = {0, 5, 8, 14};
    for (int i = 0; i < 3; i++) {
        CHECK_INT(p.text0[i], text0[i]);
        CHECK_INT(p.text1[i], text1[i]);
        CHECK_INT(p.cu[i + 1], cu[i + 1]);
    }
    s.padding = 0;
    s.prompt_rows = 0;
    CHECK(!lt_pack_fits(&p, &s)); /* 17 rows */
    s.n = s.segment = 1;
    s.padding = 1;
    CHECK(lt_pack_fits(&p, &s));
    s.padding = 2;
    CHECK(!lt_pack_fits(&p, &s));
    lt_pack_destroy(&p);
}

static void test_one_label(void) {
    lt_arch arch = {.C = 8, .H = 2, .Hkv = 2, .D = 4, .m = 1, .F = 8, .V = 16, .max_pos = 16};
    lt_ctx ctx = {.ops = lt_ops_ref(), .threads = 1};
    lt_labels one = {.K = 1, .P = 3};
    lt_tuner t;
    CHECK_FAILS(lt_tuner_create(&(lt_method_cfg){.name = LT_METHOD_LT_PROMPT}, 1, &arch, &ctx, NULL, &one, &t), LT_ERR_CONFIG,
                "at least two labels");
    CHECK_FAILS(lt_tuner_create(&(lt_method_cfg){.name = LT_METHOD_LT_PREFIX}, 1, &arch, &ctx, NULL, &one, &t), LT_ERR_CONFIG,
                "at least two labels");
    CHECK_OK(lt_tuner_create(&(lt_method_cfg){.name = LT_METHOD_PREFIX, .length = 2}, 1, &arch, &ctx, NULL, &one, &t));
    lt_tuner_destroy(&t);
    one.K = 2;
    CHECK_OK(lt_tuner_create(&(lt_method_cfg){.name = LT_METHOD_LT_PROMPT}, 1, &arch, &ctx, NULL, &one, &t));
    lt_tuner_destroy(&t);
}

/* --- cutting ------------------------------------------------------------------------------------------------------------------------ */

/* A tokenizer of a few words, with a template of special tokens around texts. */
static lt_tok *tokenizer(const char *single, const char *pair) {
    char path[] = "/tmp/lt-samples-XXXXXX.json";
    lt_tok *tok = NULL;
    int fd = mkstemps(path, 5);
    FILE *f = fdopen(fd, "w");
    fprintf(
        f,
        "{\"added_tokens\":[{\"id\":0,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
        "\"special\":true},{\"id\":1,\"content\":\"</s>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
        "\"special\":true}],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},\"post_processor\":{\"type\":"
        "\"TemplateProcessing\",\"single\":[%s],\"pair\":[%s],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[0],\"tokens\":[\"<s>\"]}"
        ","
        "\"</s>\":{\"id\":\"</s>\",\"ids\":[1],\"tokens\":[\"</s>\"]}}},\"decoder\":null,\"model\":{\"type\":\"WordPiece\","
        "\"unk_token\":\"u\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,\"vocab\":{\"<s>\":0,\"</s>\":1,\"u\":2,"
        "\"a\":3,\"b\":4,\"c\":5,\"d\":6}}}",
        single, pair);
    fclose(f);
    CHECK_OK(lt_tok_open(path, &tok));
    unlink(path);
    return tok;
}

#define A "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"
#define B "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}"
#define S "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}}"
#define E "{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":0}}"

static void cut_all(const lt_tok *tok, const char *what) {
    static const char *const text[] = {"a", "a b", "a b c d a b", "d c b a d c b a d c b a d", "", "b b b b b b b"};
    enum { TEXTS = sizeof text / sizeof *text };
    for (int i = 0; i < TEXTS; i++)
        for (int j = -1; j < TEXTS; j++)
            for (int64_t max = 4; max < 24; max++) {
                const char *b = j < 0 ? NULL : text[j];
                lt_ids whole = {0}, cut = {0};
                int64_t at[2] = {0, 0}, second[2] = {0, 0}, expected;
                bool truncated;
                int32_t label = 0;
                lt_samples s;
                CHECK_OK(lt_tok_encode_pair(tok, text[i], strlen(text[i]), b, b ? strlen(b) : 0, 0, LT_LONGEST_FIRST, &whole, NULL,
                                            &second[0], &truncated));
                CHECK_OK(lt_tok_encode_pair(tok, text[i], strlen(text[i]), b, b ? strlen(b) : 0, max, LT_LONGEST_FIRST, &cut, NULL,
                                            &expected, &truncated));
                at[1] = second[1] = whole.n;
                lt_dataset_split split = {.n = 1, .tokens = whole.id, .offsets = at, .segment_offsets = second, .label = &label};
                /* (an empty second text with nothing behind it leaves no trace in a data set) */
                if (whole.n > 0 && cut.n > 0 && !(b && second[0] == whole.n)) {
                    CHECK_OK(lt_samples_create(&split, max, 0, tok, 7, &s));
                    TEST_REPORT(s.total_tokens == cut.n && !memcmp(s.tokens, cut.id, (size_t)cut.n * sizeof *cut.id) &&
                                    s.truncated == truncated && s.segment[0] == expected,
                                "%s: \"%s\" and \"%s\" cut to %d: %d tokens, second text at %d, expected %d and %d", what, text[i],
                                b ? b : "-", (int)max, (int)s.total_tokens, (int)s.segment[0], (int)cut.n, (int)expected);
                    lt_samples_destroy(&s);
                }
                lt_ids_free(&whole);
                lt_ids_free(&cut);
            }
}

static void test_cut(void) {
    static const struct {
        const char *what, *single, *pair;
    } form[] = {{"BERT", S "," A "," E, S "," A "," E "," B "," E},
                {"RoBERTa", S "," A "," E, S "," A "," E "," E "," B "," E},
                {"Llama", S "," A, S "," A "," S "," B},
                {"T5", A "," E, A "," E "," B "," E},
                {"none", A, A "," B},
                {"three before", S "," S "," S "," A, S "," S "," S "," A "," B}};
    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        lt_tok *tok = tokenizer(form[i].single, form[i].pair);
        cut_all(tok, form[i].what);
        lt_tok_close(&tok);
    }
}

/* Labels of tokens and words of a sample that is cut. */
static void test_cut_words(void) {
    lt_tok *tok = tokenizer(S "," A "," E, S "," A "," E "," B "," E);
    int32_t tokens[] = {0, 3, 4, 5, 6, 3, 1, 0, 3, 1}, label[] = {-100, 1, -100, 0, 1, 0, -100, -100, 1, -100};
    int64_t at[] = {0, 7, 10}, words[] = {0, 6, 8};
    int32_t word_label[] = {1, 0, 0, 1, 0, 1, 1, 0}, word_token[] = {1, LT_NO_TOKEN, 3, 4, 5, LT_NO_TOKEN, 1, LT_NO_TOKEN};
    static const int32_t cut_label[] = {-100, 1, -100, 0, -100, -100, 1, -100};
    static const int32_t cut_words[] = {1, LT_NO_TOKEN, 3, LT_NO_TOKEN, LT_NO_TOKEN, LT_NO_TOKEN, 1, LT_NO_TOKEN};
    lt_dataset_split split = {.n = 2,
                              .tokens = tokens,
                              .offsets = at,
                              .segment_offsets = (int64_t[]){7, 10, 10},
                              .token_label = label,
                              .word_offsets = words,
                              .word_label = word_label,
                              .word_token = word_token};
    lt_samples s;
    CHECK_OK(lt_samples_create(&split, 5, 0, tok, 7, &s));
    CHECK(s.total_tokens == 8 && s.tokens[4] == 1 && !memcmp(s.token_label, cut_label, sizeof cut_label));
    CHECK(s.word_offset[2] == 8 && !memcmp(s.word_label, word_label, sizeof word_label) &&
          !memcmp(s.word_token, cut_words, sizeof cut_words));
    lt_samples_destroy(&s);
    CHECK_OK(lt_samples_create(&split, 0, 1, tok, 7, &s)); /* control: nothing is cut */
    CHECK(s.n == 1 && s.total_tokens == 7 && !memcmp(s.word_token, word_token, 6 * sizeof *word_token));
    lt_samples_destroy(&s);
    CHECK_FAILS(lt_samples_create(&split, 5, 0, tok, 6, &s), LT_ERR_FORMAT, "token id 6 is outside");
    lt_tok_close(&tok);
}

int main(void) {
    test_cut();
    test_cut_words();
    test_order();
    test_candidates();
    test_padding();
    test_padded_pack();
    test_one_label();
    return test_end();
}
