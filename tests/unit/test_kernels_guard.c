// TEST np: 0  rooms: kernels  labels: unit  timeout: 60  omp: 2
/* The guard back end: arrays behind the table cannot be read by host code, but by its ops and copies they can, with the numbers of `cpu`. */
#include "kernels_util.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Signal that a child dies of when it reads *p, 0 if it lives. */
static int reads(const volatile float *p) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would report it */
        float v = *p;
        _exit(v != v);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static lt_ctx start(const lt_ops *ops) { return test_ctx_bare(ops, 2); }

static void unreadable(void) {
    lt_ctx guard = start(lt_ops_guard()), cpu = start(lt_ops_cpu());
    float *p = NULL, *q = NULL, host[4] = {1, 2, 3, 4}, back[4] = {0};
    CHECK_OK(guard.ops->alloc(&guard, sizeof host, "a test", (void **)&p));
    CHECK_OK(cpu.ops->alloc(&cpu, sizeof host, "a test", (void **)&q));
    CHECK_OK(lt_ctx_upload(&guard, p, host, sizeof host));
    CHECK(reads(p) == SIGSEGV);
    CHECK(reads(q) == 0); /* control */
    CHECK_OK(lt_ctx_download(&guard, back, p, sizeof back));
    CHECK(memcmp(host, back, sizeof host) == 0);
    CHECK(guard.ops->host_view(&guard, p, sizeof host) == NULL);
    guard.ops->host_begin(&guard);
    CHECK(p[2] == 3);
    guard.ops->host_end(&guard);
    CHECK(reads(p) == SIGSEGV);
    guard.ops->free(&guard, p);
    CHECK(reads(p) == SIGSEGV); /* after free too */
    cpu.ops->free(&cpu, q);
}

static void attached(void) {
    lt_ctx c = start(lt_ops_guard());
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    float *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_OK(c.ops->attach(&c, p, page));
    CHECK(reads(p) == SIGSEGV);
    CHECK_OK(c.ops->fill(&c, p, 0, page));
    c.ops->detach(&c, p);
    CHECK(reads(p) == 0);
    munmap(p, page);
}

static void same_numbers(void) {
    enum { M = 9, N = 17, K = 33 };
    lt_arr a = test_random(M * K, LT_F32, 1), b = test_random(N * K, LT_F32, 1), want = test_new(M * N, LT_F32),
           got = test_new(M * N, LT_F32);
    struct lt_gemm_args g = {.tb = 1, .M = M, .N = N, .K = K, .alpha = 1, .A = a.p, .lda = K, .B = b.p, .ldb = K, .C = want.p, .ldc = N};
    lt_ctx cpu = start(lt_ops_cpu()), guard = start(lt_ops_guard());
    float *A, *B, *C;
    CHECK_OK(cpu.ops->gemm(&cpu, &g));
    CHECK_OK(guard.ops->alloc(&guard, M * K * sizeof(float), "a", (void **)&A));
    CHECK_OK(guard.ops->alloc(&guard, N * K * sizeof(float), "b", (void **)&B));
    CHECK_OK(guard.ops->alloc(&guard, M * N * sizeof(float), "c", (void **)&C));
    CHECK_OK(lt_ctx_upload(&guard, A, a.p, M * K * sizeof(float)));
    CHECK_OK(lt_ctx_upload(&guard, B, b.p, N * K * sizeof(float)));
    g.A = A;
    g.B = B;
    g.C = C;
    CHECK_OK(guard.ops->gemm(&guard, &g));
    CHECK_OK(lt_ctx_download(&guard, got.p, C, M * N * sizeof(float)));
    CHECK(test_same_bits(got, want, M * N));
    guard.ops->free(&guard, A);
    guard.ops->free(&guard, B);
    guard.ops->free(&guard, C);
    tests_free();
}

int main(void) {
    unreadable();
    attached();
    same_numbers();
    tests_free();
    return test_end();
}
