// TEST timeout: 60
/* What LT_EMU_* pretend: machines without a GPU or with an old one, too little memory, calls that fail. */
#include "device/emulated/emulated.h"
#include "emulator/planted.h"
#include "lt_test.h"

#include <sys/wait.h>
#include <unistd.h>

static const lt_gpu *gpu;
static lt_stream *stream;

/* A machine: settings as "NAME=value", until the next. */
static void machine(const char *a, const char *b) {
    static const char *const names[] = {"LT_EMU_DEVICES", "LT_EMU_MEMORY", "LT_EMU_ARCH",
                                        "LT_EMU_DRIVER",  "LT_EMU_FAIL",   "CUDA_VISIBLE_DEVICES"};
    const char *set[] = {a, b};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) (void)unsetenv(names[i]);
    for (int i = 0; i < 2; i++) {
        char name[64];
        if (!set[i]) continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(set[i], "="), set[i]);
        CHECK(setenv(name, strchr(set[i], '=') + 1, 1) == 0);
    }
    lt_emulated_forget();
    lt_emulated_read_settings();
}

static void test_count(void) {
    char why[200];
    int n = -1;
    machine(NULL, NULL);
    CHECK_OK(gpu->count(&n, why, sizeof why));
    CHECK_INT(n, 8);
    CHECK_STR(why, "");
    machine("LT_EMU_DEVICES=0", NULL);
    CHECK_OK(gpu->count(&n, why, sizeof why));
    CHECK_INT(n, 0);
    CHECK_STR(why, "the driver finds no GPU (no CUDA-capable device is detected)");
    machine("CUDA_VISIBLE_DEVICES=", NULL);
    CHECK_OK(gpu->count(&n, why, sizeof why));
    CHECK_INT(n, 0);
    CHECK_STR(why, "CUDA_VISIBLE_DEVICES is empty: this process may see no GPU");
    machine("CUDA_VISIBLE_DEVICES=3,1", NULL);
    CHECK_OK(gpu->count(&n, why, sizeof why));
    CHECK_INT(n, 2);
    machine("LT_EMU_DRIVER=12040", NULL);
    CHECK_OK(gpu->count(&n, why, sizeof why));
    CHECK_INT(n, 0);
    CHECK_STR(why, "the driver is too old: it serves CUDA 12.4, this program was built with 13.0");
    machine("LT_EMU_DRIVER=0", NULL);
    CHECK_OK(gpu->count(&n, why, sizeof why));
    CHECK_STR(why, "no NVIDIA driver is loaded on this machine (built with CUDA 13.0)");
}

static void test_open(void) {
    lt_gpu_info info, twin;
    machine("LT_EMU_DEVICES=2", NULL);
    CHECK_FAILS(gpu->open(2, &info), LT_ERR_CUDA, "cudaErrorInvalidDevice");
    CHECK_OK(gpu->open(1, &info));
    machine("CUDA_VISIBLE_DEVICES=1", NULL);
    CHECK_OK(gpu->open(0, &twin));
    CHECK_STR(twin.uuid, info.uuid);
    CHECK_STR(twin.bus_id, info.bus_id);
    machine("LT_EMU_DEVICES=0", NULL);
    CHECK_FAILS(gpu->open(LT_GPU_OPENED, &info), LT_ERR_CUDA, "sbatch --gpus-per-node");
    machine("LT_EMU_ARCH=70", NULL);
    CHECK_FAILS(gpu->open(0, &info), LT_ERR_CUDA, "has compute capability 7.0; the kernels need 8.0 (A100) or later");
    machine("LT_EMU_ARCH=80", NULL);
    CHECK_OK(gpu->open(0, &info));
    CHECK(info.major == 8 && info.minor == 0 && info.smem_block == 163 << 10);
}

static void test_memory(void) {
    lt_gpu_info info;
    void *a = NULL, *b = NULL;
    size_t left, total;
    machine("LT_EMU_MEMORY=1000000", NULL);
    CHECK_OK(gpu->open(0, &info));
    CHECK_OK(gpu->alloc(600000, "weights", &a));
    CHECK_OK(gpu->memory(&left, &total));
    CHECK(left == 400000 && total == 1000000);
    CHECK_FAILS(gpu->alloc(600000, "activations", &b), LT_ERR_NOMEM,
                "cannot allocate 585.94 KiB of device memory for activations; 390.62 KiB are free");
    CHECK(strstr(lt_err_last()->msg, "ltune plan"));
    gpu->free(a);
    CHECK_OK(gpu->alloc(600000, "activations", &b));
    gpu->free(b);
}

/* A small program: an allocation, a fill, three kernels, a wait. */
static lt_status steps(void **y) {
    lt_gpu_info info;
    LT_TRY(gpu->open(0, &info));
    LT_TRY(gpu->stream_create(false, &stream));
    LT_TRY(gpu->alloc(512, "numbers", y));
    LT_TRY(gpu->fill(stream, *y, 0, 512));
    for (int i = 0; i < 3; i++) LT_TRY(planted_fill(stream, 1, 128, *y));
    return gpu->wait(stream);
}
static lt_status program(void) {
    void *y = NULL;
    stream = NULL;
    lt_status st = steps(&y);
    lt_err_record keep = *lt_err_last();
    lt_emulated_forget();
    gpu->free(y);
    gpu->stream_destroy(stream);
    *lt_err_last() = keep;
    return st;
}

static void test_failures(void) {
    machine("LT_EMU_FAIL=launch:4", NULL); /* never comes */
    CHECK_OK(program());
    machine("LT_EMU_FAIL=launch:3", NULL);
    CHECK_FAILS(program(), LT_ERR_CUDA, "CUDA on GPU 0 (emulated GPU, 0000:01:00.0): invalid argument (cudaErrorInvalidValue) in launch");
    machine("LT_EMU_FAIL=launch:2:ecc", NULL);
    CHECK_FAILS(program(), LT_ERR_CUDA, "uncorrectable ECC error encountered (cudaErrorECCUncorrectable) in work that was waited for");
    CHECK(strstr(lt_err_last()->msg, "have the node drained"));
    machine("LT_EMU_FAIL=wait:1:xid", NULL);
    CHECK_FAILS(program(), LT_ERR_CUDA, "unspecified launch failure (cudaErrorLaunchFailure) in wait");
    CHECK(strstr(lt_err_last()->msg, "Xid"));
    machine("LT_EMU_FAIL=fill:1:lost", NULL);
    CHECK_FAILS(program(), LT_ERR_CUDA, "unknown error (cudaErrorUnknown) in fill");
    machine("LT_EMU_FAIL=alloc:1:oom", NULL);
    CHECK_FAILS(program(), LT_ERR_NOMEM, "out of memory (cudaErrorMemoryAllocation) in alloc");
    machine("LT_EMU_FAIL=open:1:busy", NULL);
    CHECK_FAILS(program(), LT_ERR_CUDA, "exclusive mode");
    machine("LT_EMU_FAIL=alloc:0:1", NULL); /* of rank 0, which this is */
    CHECK_FAILS(program(), LT_ERR_CUDA, "in alloc");
    machine("LT_EMU_FAIL=alloc:1:1", NULL); /* of rank 1 */
    CHECK_OK(program());
    for (int i = 0; i < 4; i++) {
        static const char *const bad[] = {"LT_EMU_FAIL=alloc", "LT_EMU_FAIL=alloc:x", "LT_EMU_FAIL=alloc:0", "LT_EMU_FAIL=alloc:1:fire"};
        machine(bad[i], NULL);
        CHECK_FAILS(program(), LT_ERR_ARG, "LT_EMU_FAIL is");
    }
}

/* A kernel that hangs: the wait goes on and on, and what it calls meanwhile ends the process, as comm's deadline does. */
static void patience(void *left, bool first) {
    (void)first;
    if (--*(int *)left == 0) _exit(42);
}
static void test_hang(void) {
    int left = 1000, status = 0;
    machine("LT_EMU_FAIL=launch:2:hang", NULL);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        lt_gpu_set_idle(patience, &left);
        _exit(program() == LT_OK ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

int main(void) {
    gpu = lt_gpu_emulated();
    test_count();
    test_open();
    test_memory();
    test_failures();
    test_hang();
    return test_end();
}
