// TEST np: 0  rooms: kernels  labels: unit  timeout: 60  omp: 2
/* What the CPU back end says of this machine. */
#include "lt_test.h"
#include "kernels/cpu.h"
#include "kernels/ops.h"

int main(void) {
    lt_dtype best = LT_U8;
    double f32 = -1, bf16 = -1;
    CHECK_OK(lt_cpu_check());
    CHECK_OK(lt_cpu_probe_dtype(2, 100, 96, 64, &best, &f32, &bf16));
    CHECK(f32 > 0);
    CHECK(bf16 >= 0);
    CHECK_INT(best, bf16 > f32 ? LT_BF16 : LT_F32);
    CHECK_OK(lt_cpu_probe_dtype(1, 32, 48, 48, &best, NULL, NULL));
    printf("f32 %.1f, bf16 %.1f GFLOP/s\n", f32, bf16);
    return test_end();
}
