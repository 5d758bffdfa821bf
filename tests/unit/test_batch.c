// TEST np: 0  rooms: train  labels: unit  timeout: 60
/* Dealing and packing: every sequence is packed once, on one rank; sequences of a sentence that are scored against each other are on one rank, in one pack, in
 * the order of their candidates, whatever stands beside them; ranks get about equal numbers of rows; what does not fit is refused. */
#include "lt_test.h"

#include "train/batch.h"

#include <stdlib.h>
#include <string.h>

enum { N = 40, K = 5, P = 3, MAX_TEXT = 9, TRIALS = 4, ITEMS = 2 * N * (K + 1) };

/* Trials: prompt rows with rivals, K-way prefix, prefix with rivals, head alone. */
static const struct {
    bool rivals, trains;
    int prompts, slots;
} form[TRIALS] = {{true, true, K, 0}, {false, true, 0, 1}, {true, true, 0, K}, {false, false, 0, 0}};

typedef struct bench {
    lt_samples s;
    lt_tuner tuner[TRIALS], *list[TRIALS];
    lt_pack pack;
    lt_batch batch;
} bench;

static void setup(bench *b, int64_t max_tok, int64_t max_seq) {
    *b = (bench){.s = {.n = N}};
    b->s.offset = calloc(N + 1, sizeof *b->s.offset);
    b->s.segment = calloc(N, sizeof *b->s.segment);
    for (int i = 0; i < N; i++) {
        b->s.segment[i] = 1 + i * 7 % MAX_TEXT;
        b->s.offset[i + 1] = b->s.offset[i] + b->s.segment[i];
    }
    b->s.tokens = calloc((size_t)b->s.offset[N], sizeof *b->s.tokens);
    for (int t = 0; t < TRIALS; t++) {
        b->tuner[t] = (lt_tuner){.pairs = form[t].rivals,
                                 .P = P,
                                 .n_prompts = form[t].prompts * P,
                                 .n_slots = form[t].slots,
                                 .prompt0 = 100 * t,
                                 .slot0 = 10 * t};
        b->list[t] = &b->tuner[t];
    }
    CHECK_OK(lt_pack_create(max_tok, max_seq, &b->pack));
    CHECK_OK(lt_batch_create(ITEMS, &b->batch));
}

static void teardown(bench *b) {
    lt_batch_destroy(&b->batch);
    lt_pack_destroy(&b->pack);
    free(b->s.offset);
    free(b->s.segment);
    free(b->s.tokens);
}

/* The list as a step makes it. */
static void fill(bench *b) {
    lt_batch_clear(&b->batch);
    for (int t = 0; t < TRIALS; t++)
        for (int i = 0; i < N; i++)
            for (int k = 0, n = form[t].rivals ? K : 1; k < n; k++)
                CHECK_OK(lt_batch_add(&b->batch, &b->tuner[t], &b->s,
                                      (lt_item){.trial = t, .sample = i, .candidate = k, .rivals = n - 1 - k, .target = i % K}));
}

/* All packs of one rank: counts what was seen; *rows: in all; *packs. */
static void pack_all(bench *b, int64_t budget, int seen[TRIALS][N][K], int64_t *rows, int *packs) {
    lt_batch *q = &b->batch;
    int64_t first, count;
    lt_batch_plan(q, q->n, budget);
    for (;; (*packs)++) {
        CHECK_OK(lt_batch_next(q, &b->s, b->list, &b->pack, &first, &count));
        if (count == 0) break;
        const lt_item *it = q->item + first;
        CHECK(b->pack.n_tok <= budget && b->pack.n_seq == count);
        CHECK(it[count - 1].rivals == 0 && it[0].candidate == 0); /* no pack ends or begins inside a sentence */
        *rows += b->pack.n_tok;
        for (int64_t i = 0; i < count; i++) {
            seen[it[i].trial][it[i].sample][it[i].candidate]++;
            CHECK(form[it[i].trial].trains == form[it[0].trial].trains);
            CHECK_INT(b->pack.cu[i + 1] - b->pack.cu[i], it[i].rows);
            CHECK_INT(b->pack.slot[i], form[it[i].trial].slots ? 10 * it[i].trial + it[i].candidate % form[it[i].trial].slots : -1);
            if (it[i].rivals) CHECK(it[i + 1].sample == it[i].sample && it[i + 1].candidate == it[i].candidate + 1);
        }
    }
}

static void deal_and_pack(int dp, int64_t budget) {
    static int seen[TRIALS][N][K];
    bench b;
    int64_t rows = 0, all, least = INT64_MAX, most = 0;
    int packs = 0;
    setup(&b, budget, ITEMS);
    fill(&b);
    all = b.batch.rows;
    memset(seen, 0, sizeof seen);
    for (int rank = 0; rank < dp; rank++) {
        int64_t before = rows;
        fill(&b);
        lt_batch_deal(&b.batch, rank, dp);
        pack_all(&b, budget, seen, &rows, &packs);
        CHECK_INT(rows - before, b.batch.rows);
        if (b.batch.rows < least) least = b.batch.rows;
        if (b.batch.rows > most) most = b.batch.rows;
    }
    CHECK_INT(rows, all);
    for (int t = 0; t < TRIALS; t++)
        for (int i = 0; i < N; i++)
            for (int k = 0; k < K; k++) CHECK_INT(seen[t][i][k], form[t].rivals || k == 0);
    TEST_REPORT(most - least <= K * (MAX_TEXT + P), "dp %d: ranks have %lld to %lld rows", dp, (long long)least, (long long)most);
    if (budget > all) CHECK_INT(packs, 2 * dp); /* what trains an input, and what does not */
    TEST_REPORT(packs <= 3 * all / budget + 2 * dp, "dp %d, %lld rows: %d packs", dp, (long long)budget, packs);
    teardown(&b);
}

/* A sentence with all its candidates does not fit; without rivals the same sequences do. */
static void too_long(void) {
    bench b;
    int64_t first, count, room = K * (MAX_TEXT + P) - 1;
    setup(&b, room, 64);
    fill(&b);
    lt_batch_plan(&b.batch, b.batch.n, room);
    lt_status st = LT_OK;
    for (count = 1; st == LT_OK && count > 0;) st = lt_batch_next(&b.batch, &b.s, b.list, &b.pack, &first, &count);
    CHECK_FAILS(st, LT_ERR_SHAPE, "4 rivals");
    fill(&b);
    for (int64_t i = 0; i < b.batch.n; i++) b.batch.item[i].rivals = 0;
    lt_batch_plan(&b.batch, b.batch.n, room);
    for (st = LT_OK, count = 1; st == LT_OK && count > 0;) st = lt_batch_next(&b.batch, &b.s, b.list, &b.pack, &first, &count);
    CHECK_OK(st);
    teardown(&b);
    /* nor is there room for K sequences */
    setup(&b, 1000, K - 1);
    fill(&b);
    lt_batch_plan(&b.batch, b.batch.n, 1000);
    CHECK_FAILS(lt_batch_next(&b.batch, &b.s, b.list, &b.pack, &first, &count), LT_ERR_SHAPE, "rivals");
    teardown(&b);
}

int main(void) {
    for (int dp = 1; dp <= 5; dp++) {
        deal_and_pack(dp, K * (MAX_TEXT + P));
        deal_and_pack(dp, 101);
        deal_and_pack(dp, 1 << 14);
    }
    too_long();
    return test_end();
}
