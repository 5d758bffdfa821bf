#pragma once
/* Test harness: checks count and go on (a jump out of one rank would hang the others); test_end() sums failures over ranks, prints
 * "N passed, N failed" once and gives the exit code.  Tests that use MPI define LT_TEST_MPI before including this and call lt_comm_init first.
 * Exit 77 = skipped. */
#include "base/err.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef LT_TEST_MPI
#include <mpi.h>
#endif

static int test_passed, test_failed;

#define TEST_REPORT(ok, ...)                                                                                                               \
    do {                                                                                                                                   \
        if (ok) {                                                                                                                          \
            test_passed++;                                                                                                                 \
        } else {                                                                                                                           \
            test_failed++;                                                                                                                 \
            fprintf(stderr, "%s:%d: FAILED: ", __FILE__, __LINE__);                                                                        \
            fprintf(stderr, __VA_ARGS__);                                                                                                  \
            fputc('\n', stderr);                                                                                                           \
        }                                                                                                                                  \
    } while (0)
#define CHECK(cond) TEST_REPORT((cond), "%s", #cond)
#define CHECK_INT(got, want)                                                                                                               \
    do {                                                                                                                                   \
        long long g_ = (long long)(got), w_ = (long long)(want);                                                                           \
        TEST_REPORT(g_ == w_, "%s = %lld, expected %lld", #got, g_, w_);                                                                   \
    } while (0)
#define CHECK_STR(got, want)                                                                                                               \
    do {                                                                                                                                   \
        const char *g_ = (got), *w_ = (want);                                                                                              \
        TEST_REPORT(strcmp(g_, w_) == 0, "%s = \"%s\", expected \"%s\"", #got, g_, w_);                                                    \
    } while (0)
#define CHECK_NEAR(got, want, limit)                                                                                                       \
    do {                                                                                                                                   \
        double g_ = (double)(got), w_ = (double)(want), l_ = (double)(limit);                                                              \
        TEST_REPORT(fabs(g_ - w_) <= l_, "%s = %.9g, expected %.9g within %.2g", #got, g_, w_, l_);                                        \
    } while (0)
/* The call must succeed; prints its error record if not. */
#define CHECK_OK(call)                                                                                                                     \
    do {                                                                                                                                   \
        lt_status s_ = (call);                                                                                                             \
        TEST_REPORT(s_ == LT_OK, "%s: %s: %s", #call, lt_status_name(s_), lt_err_last()->msg);                                             \
    } while (0)
/* The call must fail with this code and a message that contains text. */
#define CHECK_FAILS(call, want, text)                                                                                                      \
    do {                                                                                                                                   \
        lt_status s_ = (call);                                                                                                             \
        TEST_REPORT(s_ == (want) && strstr(lt_err_last()->msg, (text)), "%s: got %s \"%s\", expected %s with \"%s\"", #call,               \
                    lt_status_name(s_), s_ ? lt_err_last()->msg : "", lt_status_name(want), (text));                                       \
    } while (0)

/* Largest |a - b| over n; NaN anywhere gives infinity. */
static inline double test_max_diff(const float *a, const float *b, int64_t n) {
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst)) worst = isnan(d) ? INFINITY : d;
    }
    return worst;
}
/* Normalised mean square error sum (a-b)^2 / sum b^2; NaN anywhere gives infinity. */
static inline double test_nmse(const float *a, const float *b, int64_t n) {
    double num = 0, den = 1e-300;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        num += d * d;
        den += (double)b[i] * (double)b[i];
    }
    return isnan(num / den) ? INFINITY : num / den;
}

static inline int test_end(void) {
    int n[2] = {test_passed, test_failed}, rank = 0;
#ifdef LT_TEST_MPI
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Allreduce(MPI_IN_PLACE, n, 2, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
#endif
    if (rank == 0) printf("%d passed, %d failed\n", n[0], n[1]);
    return n[1] ? 1 : 0;
}
