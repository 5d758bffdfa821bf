// TEST np: 0  rooms: kernels  labels: unit  timeout: 60  omp: 2
/* What the CPU back end says of this machine; and the choice between f32 and bf16 on a busy one, with timings that are made up. */
#include "lt_test.h"
#include "base/rng.h"
#include "kernels/cpu/cpu_impl.h"

enum { TIMINGS = 9, DISTURBED = (TIMINGS - 1) / 2, MACHINES = 500 };

/* A machine on which one timing in f32 takes 1 ms, in bf16 `ratio` ms, give or take 3 %; `spikes` timings of each type take up to 20 times as long. */
typedef struct machine {
    double ratio;
    int spikes;
    uint64_t seed;
    int calls[2], hit[2];
    double sum[2], first[2];
} machine;

static double random01(const machine *m, int dt, int call, uint32_t what) {
    lt_rng r = {.seed = m->seed, .purpose = LT_RNG_TEST, .a = what};
    return lt_rng_uniform(&r, (uint64_t)call, (uint32_t)dt);
}

static lt_status made_up(void *user, lt_dtype type, double *seconds) {
    machine *m = user;
    int dt = type == LT_BF16, call = m->calls[dt]++;
    *seconds = 1e-3 * (dt ? m->ratio : 1) * (0.97 + 0.06 * random01(m, dt, call, 1));
    if (call == 0) { /* the one that does not count */
        *seconds *= 1000;
        return LT_OK;
    }
    int left = TIMINGS + 1 - call, due = m->spikes - m->hit[dt];
    if (random01(m, dt, call, 2) * left < due) {
        m->hit[dt]++;
        *seconds *= 2 + 18 * random01(m, dt, call, 3);
    }
    m->sum[dt] += *seconds;
    if (call == 1) m->first[dt] = *seconds;
    return LT_OK;
}

/* Of MACHINES machines, how many choose bf16; *by_one, *by_sum: how many would by one timing of each, or by the sums, with the same bound. */
static int choices(double ratio, int spikes, int *by_one, int *by_sum) {
    int n = 0;
    *by_one = *by_sum = 0;
    for (int i = 0; i < MACHINES; i++) {
        machine m = {.ratio = ratio, .spikes = spikes, .seed = (uint64_t)i + 1};
        double median_s[2];
        lt_dtype best = LT_U8;
        CHECK_OK(lt_cpu_impl_choose(made_up, &m, median_s, &best));
        CHECK(m.calls[0] == TIMINGS + 1 && m.calls[1] == TIMINGS + 1 && m.hit[0] == spikes && m.hit[1] == spikes);
        CHECK(best == LT_BF16 || best == LT_F32);
        n += best == LT_BF16;
        *by_one += m.first[1] <= 1.1 * m.first[0];
        *by_sum += m.sum[1] <= 1.1 * m.sum[0];
    }
    return n;
}

static void noise(void) {
    int one, sum;
    /* bf16 as fast as f32, or a little slower: always bf16 */
    CHECK_INT(choices(0.5, DISTURBED, &one, &sum), MACHINES);
    CHECK_INT(choices(1.0, DISTURBED, &one, &sum), MACHINES);
    TEST_REPORT(one > 50 && one < MACHINES - 50, "control: one timing each chose bf16 %d times", one);
    TEST_REPORT(sum > 50 && sum < MACHINES - 50, "control: sums chose bf16 %d times", sum);
    CHECK_INT(choices(1.03, 0, &one, &sum), MACHINES);
    /* clearly slower: never */
    CHECK_INT(choices(1.25, DISTURBED, &one, &sum), 0);
    TEST_REPORT(one > 50, "control: one timing each chose bf16 %d times", one);
    CHECK_INT(choices(2, DISTURBED, &one, &sum), 0);
    /* control: more than half disturbed is more than a median bears */
    int n = choices(1.0, DISTURBED + 3, &one, &sum);
    TEST_REPORT(n > 0 && n < MACHINES, "control: %d of %d machines chose bf16 with most timings disturbed", n, MACHINES);
}

static lt_status broken(void *user, lt_dtype type, double *seconds) {
    *seconds = 1e-3;
    return --*(int *)user < 0 ? LT_FAIL(LT_ERR_INTERNAL, "the clock in %s stands still", lt_dtype_name(type)) : LT_OK;
}

/* Large layers: as few rounds as a median needs. */
static lt_status slow(void *user, lt_dtype type, double *seconds) {
    *seconds = type == LT_BF16 ? 2 : 1;
    ++*(int *)user;
    return LT_OK;
}

static void rounds(void) {
    double median_s[2] = {0};
    lt_dtype best = LT_U8;
    for (int left = 0; left < 2 * (TIMINGS + 1); left++) {
        int n = left;
        CHECK_FAILS(lt_cpu_impl_choose(broken, &n, median_s, &best), LT_ERR_INTERNAL, "stands still");
    }
    CHECK_INT(best, LT_U8);
    int n = 2 * (TIMINGS + 1);
    CHECK_OK(lt_cpu_impl_choose(broken, &n, median_s, &best));
    n = 0;
    CHECK_OK(lt_cpu_impl_choose(slow, &n, median_s, &best));
    CHECK_INT(n, 2 * 6);
    CHECK_NEAR(median_s[0], 1, 0);
    CHECK_NEAR(median_s[1], 2, 0);
    CHECK_INT(best, LT_F32);
    n = 0;
    CHECK_OK(lt_cpu_impl_medians(slow, &n, 1, (lt_dtype[]){LT_BF16}, median_s));
    CHECK_INT(n, 6);
    CHECK_NEAR(median_s[0], 2, 0);
}

int main(void) {
    lt_dtype best = LT_U8;
    double f32 = -1, bf16 = -1, alone = -1;
    CHECK_OK(lt_cpu_check());
    noise();
    rounds();
    CHECK_OK(lt_cpu_probe_dtype(2, 100, 96, 64, &best, &f32, &bf16));
    CHECK(f32 > 0);
    CHECK(bf16 >= 0);
    CHECK_INT(bf16 > 0, lt_cpu_impl_has_bf16());
    CHECK_INT(best, bf16 > 0 && 1.1 * bf16 >= f32 ? LT_BF16 : LT_F32);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(lt_cpu_probe_speed(2, 100, 96, 64, i ? LT_BF16 : LT_F32, &alone));
        CHECK(alone > 0);
    }
    CHECK_OK(lt_cpu_probe_dtype(1, 32, 48, 48, &best, NULL, NULL));
    printf("f32 %.1f, bf16 %.1f GFLOP/s\n", f32, bf16);
    return test_end();
}
