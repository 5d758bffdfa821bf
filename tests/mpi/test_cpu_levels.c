// TEST np: 1 2 4  rooms: kernels  labels: mpi  timeout: 60
/* Levels of the CPU kernels: what LT_CPU may say; and ranks of different levels, which round differently, compute alike
 * on the lowest. */
#define LT_TEST_MPI
#include "kernels_util.h"

#include "comm/comm.h"
#include "kernels/cpu.h"

enum { ROWS = 7, F = 300, M = 24, N = 40, K = 96 };

/* The same numbers on every rank. */
static lt_arr numbers(int64_t n, uint32_t seed) {
    lt_arr a = test_new(n, LT_F32);
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        test_set(a, i, (double)(seed >> 8) / (1 << 22) - 2);
    }
    return a;
}

/* Bits of an activation, as one number that all ranks can compare. */
static int64_t bits_of_act(void) {
    lt_ctx c = test_ctx_bare(lt_ops_cpu(), 1);
    lt_arr u = numbers(ROWS * F, 1), h = test_new(ROWS * F, LT_F32);
    CHECK_OK(c.ops->act_fwd(&c, &(struct lt_act_args){.act = LT_ACT_GELU_ERF, .rows = ROWS, .F = F, .u = u, .h = h}));
    int64_t sum = 0;
    for (int64_t i = 0; i < ROWS * F; i++) sum = (sum * 31 + ((int32_t *)h.p)[i]) & 0xffffffffffff;
    return sum;
}
static int64_t bits_of_gemm(void) {
    lt_ctx c = test_ctx_bare(lt_ops_cpu(), 1);
    lt_arr a = numbers(M * K, 2), b = numbers(N * K, 3), y = test_new(M * N, LT_F32);
    CHECK_OK(c.ops->gemm(&c, &(struct lt_gemm_args){
                                 .tb = 1, .M = M, .N = N, .K = K, .alpha = 1, .A = a.p, .lda = K, .B = b.p, .ldb = K, .C = y.p, .ldc = N}));
    int64_t sum = 0;
    for (int64_t i = 0; i < M * N; i++) sum = (sum * 31 + ((int32_t *)y.p)[i]) & 0xffffffffffff;
    return sum;
}
static bool same(lt_comm *world, int64_t x) { return lt_max_host(world, x) == -lt_max_host(world, -x); }

static void wishes(void) {
    lt_cpu_level top = LT_CPU_V1;
    CHECK_OK(lt_cpu_check());
    for (int i = 0; i < LT_CPU_LEVELS; i++) {
        setenv("LT_CPU", lt_cpu_level_name((lt_cpu_level)i), 1);
        if (lt_cpu_check() == LT_OK) {
            CHECK(i == 0 || (int)top == i - 1); /* those that the CPU has come first */
            top = (lt_cpu_level)i;
        } else {
            CHECK_FAILS(lt_cpu_check(), LT_ERR_ARG, "no more than");
        }
    }
    setenv("LT_CPU", "pentium", 1);
    CHECK_FAILS(lt_cpu_check(), LT_ERR_ARG, "\"pentium\": expected x86-64, ");
    setenv("LT_CPU", "", 1);
    CHECK_OK(lt_cpu_check());
    unsetenv("LT_CPU");
    CHECK_INT(lt_cpu_level_now(), top); /* from now on this rank has its level */
}

int main(int argc, char **argv) {
    lt_comm *world = NULL;
    if (lt_comm_init(&argc, &argv, &world) != LT_OK) return 1;
    int rank = lt_comm_rank(world), size = lt_comm_size(world);
    if (size > 1 && rank == size - 1) {
        setenv("LT_CPU", lt_cpu_level_name(LT_CPU_V1), 1);
        CHECK_INT(lt_cpu_level_now(), LT_CPU_V1);
    } else {
        wishes();
    }
    lt_cpu_level before = lt_cpu_level_now();
    bool mixed = !same(world, before);
    if (mixed && strchr(lt_cpu_levels_built(), ',')) CHECK(!same(world, bits_of_act())); /* control: it is needed */
    lt_cpu_level least = (lt_cpu_level)-lt_max_host(world, -(int64_t)before);
    CHECK_OK(lt_cpu_use(least));
    CHECK_INT(lt_cpu_level_now(), size > 1 ? LT_CPU_V1 : before);
    CHECK(same(world, lt_cpu_level_now()));
    CHECK(same(world, bits_of_act()));
    CHECK(same(world, bits_of_gemm()));
    CHECK_OK(lt_cpu_use(least)); /* nothing left to do */
    if (least > LT_CPU_V1) CHECK_FAILS(lt_cpu_use(LT_CPU_V1), LT_ERR_INTERNAL, "after matrix products");
    tests_free();
    int rc = test_end();
    lt_comm_fini(&world);
    return rc;
}
