// TEST np: 0  rooms: train  labels: unit  timeout: 60
/* The order of samples and the candidate labels of L-Tuning's pairs: functions of seed, epoch and position alone, half true and half wrong whatever
 * the batch, wrong ones uniform over the other labels; and methods that need a wrong label refuse a data set of one. */
#include "lt_test.h"

#include "kernels/ops.h"
#include "train/samples.h"

#include <string.h>

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

int main(void) {
    test_order();
    test_candidates();
    test_one_label();
    return test_end();
}
