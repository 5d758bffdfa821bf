// TEST rooms: text
/* write_tokens OUT.h5 MODEL_DIR SHUFFLED: a data set whose labels are on tokens, for the tokenizer of MODEL_DIR.
 *
 * Sequences of 4 to 15 tokens; the first and the last carry no label, nor does every seventh.  The label of a token is whether its id is odd; with SHUFFLED
 * 1 it is a coin's. */
#include "base/rng.h"
#include "store/dataset.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 240, LONGEST = 15, FIRST_ID = 20, IDS = 24 };

static uint64_t draw(uint64_t i, int what) { return lt_rng_u64(&(lt_rng){.seed = 5, .purpose = LT_RNG_TEST, .a = (uint32_t)what}, i, 0); }

static void fill(lt_dataset_split *s, int64_t seq0, int shuffled) {
    int64_t at = 0;
    s->offsets[0] = 0;
    for (int64_t i = 0; i < s->n; i++) {
        int64_t n = 4 + (int64_t)(draw((uint64_t)(seq0 + i), 0) % (LONGEST - 3));
        for (int64_t k = 0; k < n; k++, at++) {
            uint64_t place = (uint64_t)((seq0 + i) * LONGEST + k);
            s->tokens[at] = FIRST_ID + (int32_t)(draw(place, 1) % IDS);
            s->token_label[at] = shuffled ? (int32_t)(draw(place, 2) % 2) : s->tokens[at] % 2;
            if (k == 0 || k == n - 1 || place % 7 == 0) s->token_label[at] = LT_IGNORED_LABEL;
        }
        s->offsets[i + 1] = s->segment_offsets[i] = at;
    }
    s->segment_offsets[s->n] = at;
}

int main(int argc, char **argv) {
    static int32_t tokens[2][N * LONGEST], label[2][N * LONGEST];
    static int64_t offset[2][N + 1], segment[2][N + 1];
    static char *name[] = {"even", "odd"};
    lt_dataset_info info = {
        .task = (char[]){"tokens"}, .command = (char[]){"write_tokens"}, .n_labels = 2, .label_name = name, .label_words = name};
    lt_dataset_split split[2] = {{.name = "train", .n = N}, {.name = "dev", .n = N / 4}};
    lt_tok *tok = NULL;
    if (argc != 4) return 2;
    lt_status st = lt_tok_open(argv[2], &tok);
    if (st == LT_OK) st = lt_tok_sha256(tok, info.tokenizer_sha256);
    memset(info.source_sha256, '0', sizeof info.source_sha256 - 1);
    for (int i = 0; st == LT_OK && i < 2; i++) {
        split[i].tokens = tokens[i];
        split[i].token_label = label[i];
        split[i].offsets = offset[i];
        split[i].segment_offsets = segment[i];
        fill(&split[i], i * N, atoi(argv[3]));
    }
    if (st == LT_OK) st = lt_dataset_write(argv[1], &info, split, 2);
    if (st != LT_OK) lt_err_print("write_tokens", 0, 1, "this host");
    lt_tok_close(&tok);
    return st != LT_OK;
}
