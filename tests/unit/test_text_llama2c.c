// TEST np: 0  rooms: text  labels: unit  timeout: 60
/* The tokenizer of llama2.c: a vocabulary made here against ids of a plain Python reference (golden/text_cases.h), the way back, files that are wrong. */
#include "golden/text_cases.h"
#include "text_util.h"

enum { PIECES = sizeof case_piece / sizeof *case_piece, CASES = sizeof case_llama / sizeof *case_llama };
static const char *const files[] = {"tokenizer.bin", "bad.bin"};

static void put(FILE *f, float score, const char *text) {
    int32_t n = (int32_t)strlen(text);
    fwrite(&score, sizeof score, 1, f);
    fwrite(&n, sizeof n, 1, f);
    fwrite(text, 1, (size_t)n, f);
}

/* The vocabulary as a file in memory, caller frees; right: false turns the order of the scores round. */
static char *vocabulary(bool right, size_t *bytes) {
    char *data = NULL, text[8];
    int32_t longest = 6;
    FILE *f = open_memstream(&data, bytes);
    fwrite(&longest, sizeof longest, 1, f);
    put(f, 0, "<unk>");
    put(f, 0, "\n<s>\n");
    put(f, 0, "\n</s>\n");
    for (unsigned b = 0; b < 256; b++) {
        (void)snprintf(text, sizeof text, "<0x%02X>", b);
        put(f, 0, text);
    }
    for (int i = 0; i < PIECES; i++) put(f, right ? case_piece[i].score : -case_piece[i].score, case_piece[i].text);
    fclose(f);
    return data;
}

static int cases_that_differ(const lt_tok *t, bool show) {
    int differ = 0;
    for (int i = 0; i < CASES; i++) {
        lt_ids ids = {0};
        CHECK_OK(lt_tok_encode(t, case_llama[i].text, case_llama[i].bytes, true, &ids, NULL));
        bool same = text_same(&ids, case_llama[i].id, case_llama[i].n);
        if (!same && show) text_show(case_llama[i].text, &ids, case_llama[i].id, case_llama[i].n);
        differ += !same;
        lt_ids_free(&ids);
    }
    return differ;
}

static void right_files(void) {
    size_t bytes;
    lt_tok *t = NULL;
    char *data = vocabulary(true, &bytes);
    text_write("tokenizer.bin", data, bytes);
    free(data);
    CHECK_OK(lt_tok_open(text_dir(), &t));
    if (!t) return;
    CHECK_STR(lt_tok_kind_name(t), "llama2c");
    CHECK_INT(lt_tok_vocab_size(t), 259 + PIECES);
    CHECK_INT(lt_tok_bos(t), 1);
    CHECK_INT(lt_tok_eos(t), 2);
    CHECK_INT(lt_tok_unk(t), 0);
    CHECK_INT(lt_tok_cls(t), -1);
    CHECK_INT(cases_that_differ(t, true), 0);
    for (int i = 0; i < CASES; i++) { /* the way back gives the text, byte for byte (a NUL ends the string) */
        char *back = NULL;
        CHECK_OK(lt_tok_decode(t, case_llama[i].id, case_llama[i].n, true, &back, NULL));
        CHECK_STR(back ? back : "(none)", case_llama[i].text);
        free(back);
    }
    lt_ids ids = {0};
    CHECK_FAILS(lt_tok_encode(t, "caf\xe9", 4, true, &ids, NULL), LT_ERR_FORMAT, "byte 0xE9 at offset 3");
    CHECK_INT(ids.n, 0);
    lt_ids_free(&ids);
    lt_tok_close(&t);

    /* control: with the order of scores turned round other pairs merge first */
    data = vocabulary(false, &bytes);
    text_write("bad.bin", data, bytes);
    free(data);
    CHECK_OK(lt_tok_open(text_path("bad.bin"), &t));
    if (t) CHECK(cases_that_differ(t, false) > 0);
    lt_tok_close(&t);
}

static void refused(const void *data, size_t bytes, const char *says) {
    lt_tok *t = NULL;
    text_write("bad.bin", data, bytes);
    CHECK_FAILS(lt_tok_open(text_path("bad.bin"), &t), LT_ERR_FORMAT, says);
    CHECK(t == NULL);
}

static void wrong_files(void) {
    lt_tok *t = NULL;
    size_t bytes;
    char *data = vocabulary(true, &bytes);
    refused("", 0, "not a llama2.c vocabulary");
    refused("\377\377\377\377", 4, "not a llama2.c vocabulary");
    refused("not a vocabulary", 16, "not a llama2.c vocabulary");
    refused("\6\0\0\0", 4, "holds 0 tokens");
    refused("\6\0\0\0\0\0\0\0\7\0\0\0abcdefg", 19, "longer than 6 bytes");
    refused("\6\0\0\0\0\0\0\0\377\377\377\377", 12, "longer than 6 bytes");
    refused("\6\0\0\0\0\0\0\0\3\0\0\0a\0b", 15, "zero byte");
    refused("\6\0\0\0\0\0\xC0\x7F\1\0\0\0a", 13, "is no number");
    refused(data, bytes - 1, "cut short");
    refused(data, bytes / 2, "");
    /* a cut in the pieces falls between two of them (1 token after the 259 at least), or is refused */
    int accepted = 0;
    size_t pieces = 0;
    for (int i = 0; i < PIECES; i++) pieces += 8 + strlen(case_piece[i].text);
    for (size_t n = bytes - pieces; n < bytes; n++) {
        text_write("bad.bin", data, n);
        accepted += lt_tok_open(text_path("bad.bin"), &t) == LT_OK;
        lt_tok_close(&t);
    }
    CHECK_INT(accepted, PIECES - 1);
    free(data);
}

/* Merges as the format's author describes them: of all neighbours the best pair, the leftmost of equals, until none is left. */
static int naive(const lt_tok *t, const float *score, int32_t *id, int n) {
    for (;;) {
        int best = -1, joined = -1;
        for (int i = 0; i + 1 < n; i++) {
            char *a, *b, text[64];
            CHECK_OK(lt_tok_decode(t, (int32_t[]){259, id[i]}, 2, false, &a, NULL)); /* behind another token: a space in front stays */
            CHECK_OK(lt_tok_decode(t, (int32_t[]){259, id[i + 1]}, 2, false, &b, NULL));
            (void)snprintf(text, sizeof text, "%s%s", a + 1, b + 1);
            int32_t k = lt_tok_token_id(t, text);
            free(a);
            free(b);
            if (k >= 0 && (best < 0 || score[k] > score[joined])) best = i, joined = k;
        }
        if (best < 0) return n;
        id[best] = joined;
        memmove(id + best + 1, id + best + 2, (size_t)(n - best - 2) * sizeof *id);
        n--;
    }
}

/* Random texts over a small vocabulary, full of equal scores, against naive(); then one far too long for it. */
static void merges(void) {
    enum { LETTERS = 3, TOKENS = 259 + 1 + LETTERS + 9 + 27, LENGTH = 24, LONG = 200000 };
    static char text[LONG + 1];
    float score[TOKENS] = {0};
    char *data = NULL, token[4];
    size_t bytes;
    int wrong = 0, n = 260;
    unsigned state = 1;
    lt_tok *t = NULL;
    FILE *f = open_memstream(&data, &bytes);
    fwrite(&(int32_t){6}, sizeof(int32_t), 1, f);
    for (int i = 0; i < 259; i++) {
        char byte[8];
        (void)snprintf(byte, sizeof byte, "<0x%02X>", (unsigned)(i + 253) % 256);
        put(f, 0, byte);
    }
    put(f, 0, "_");
    for (int length = 1; length <= 3; length++)
        for (int i = 0; i < (length == 1 ? 3 : length == 2 ? 9 : 27); i++, n++) {
            token[0] = (char)('a' + i % 3), token[1] = (char)('a' + i / 3 % 3), token[2] = (char)('a' + i / 9 % 3), token[length] = 0;
            score[n] = (float)((i * 7 + length) % 5);
            put(f, score[n], token);
        }
    fclose(f);
    CHECK_INT(n, TOKENS);
    text_write("bad.bin", data, bytes);
    free(data);
    CHECK_OK(lt_tok_open(text_path("bad.bin"), &t));
    for (int round = 0; t && round < 200; round++) {
        int32_t want[LENGTH];
        lt_ids ids = {0};
        for (int i = 0; i < LENGTH; i++) {
            state = state * 1103515245u + 12345u;
            text[i] = (char)('a' + (state >> 16) % LETTERS);
            want[i] = lt_tok_token_id(t, (char[]){text[i], 0});
        }
        CHECK_OK(lt_tok_encode(t, text, LENGTH, false, &ids, NULL));
        wrong += !text_same(&ids, want, naive(t, score, want, LENGTH));
        if (round == 0) { /* control: another id is noticed */
            ids.id[ids.n - 1]++;
            CHECK(!text_same(&ids, want, (int)ids.n));
        }
        lt_ids_free(&ids);
    }
    CHECK_INT(wrong, 0);
    for (int i = 0; i < LONG; i++) {
        state = state * 1103515245u + 12345u;
        text[i] = (char)('a' + (state >> 16) % LETTERS);
    }
    lt_ids ids = {0};
    char *back = NULL;
    CHECK_OK(lt_tok_encode(t, text, LONG, false, &ids, NULL));
    CHECK(ids.n > LONG / 3 && ids.n < LONG);
    CHECK_OK(lt_tok_decode(t, ids.id, ids.n, false, &back, NULL));
    CHECK(back && !memcmp(back, text, LONG));
    free(back);
    lt_ids_free(&ids);
    lt_tok_close(&t);
}

int main(void) {
    right_files();
    merges();
    wrong_files();
    text_clean(files, sizeof files / sizeof *files);
    return test_end();
}
