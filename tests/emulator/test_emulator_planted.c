// TEST timeout: 60
/* What the emulator finds: each fault that is planted, under 20 seeds; and nothing where there is none.
 *
 * A fault shows as a finding (a status with the expected words) or, where only the order betrays it, as wrong numbers,
 * and in the race build always as a finding. */
#include "device/emulated/emulated.h"
#include "emulator/planted.h"
#include "lt_test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEEDS = 20, N = 256 };

static const lt_gpu *gpu;
static lt_stream *stream, *other;
static float *x, *y;   /* of the device: [256], [512] */
static float got[512]; /* y as it came back */

/* One run: launches, waits, fetches y. */
static lt_status fetch(lt_status launched) {
    LT_TRY(launched);
    return gpu->copy(stream, LT_GPU_TO_HOST, got, 0, y, 0, sizeof got, 1);
}

/* Integers: sums are exact in any order. */
static float x_at(int i) { return (float)(i * 7 % 61 + 1); }
static bool is_row_sum(void) {
    float want[2] = {0};
    for (int i = 0; i < N; i++) want[i / 128] += x_at(i);
    for (int i = 0; i < N; i++)
        if (got[i] != want[i / 128]) return false;
    return true;
}
static bool is_turned(int n, int by) {
    for (int i = 0; i < n; i++)
        if (got[i] != x_at(i ^ by)) return false;
    return true;
}
static bool is_column_sum(void) {
    for (int i = 0; i < 64; i++)
        if (got[i] != x_at(i) + x_at(i + 64) + x_at(i + 128) + x_at(i + 192)) return false;
    return true;
}
static bool is_all(float want, int n) {
    for (int i = 0; i < n; i++)
        if (got[i] != want) return false;
    return true;
}

/* One line a fault: run(bug) and whether the numbers are right; in plain builds `plain` of the message, "" = numbers or a message; in the race build `race`. */
typedef struct fault {
    const char *name;
    int bug;
    lt_status (*run)(int bug);
    bool (*right)(void);
    const char *plain, *race;
    int seeds_plain; /* of 20, at least */
} fault;

static lt_status run_sum(int bug) { return fetch(planted_sum(stream, bug, x, y)); }
static lt_status run_warp(int bug) { return fetch(planted_warp(stream, bug, x, y)); }
static bool right_warp(void) { return is_turned(64, 1); }
static lt_status run_async(int bug) { return fetch(planted_async(stream, bug, x, y)); }
static bool right_async(void) { return is_turned(64, 32); }
static lt_status run_tiles(int bug) { return fetch(planted_tiles(stream, bug, x, y)); }
static lt_status run_shared(int bug) { return fetch(planted_shared(stream, bug, x, y)); }
static bool right_copy(void) { return is_turned(128, 0); }
static lt_status run_divergent(int bug) { return fetch(planted_divergent(stream, bug, y)); }
static bool right_one(void) { return is_all(1, 128); }
static lt_status run_mask(int bug) { return fetch(planted_mask(stream, bug, y)); }
static bool right_mask(void) {
    for (int i = 0; i < 64; i++)
        if (got[i] != (i % 32 < 16 ? (float)(i ^ 1) : 0)) return false;
    return true;
}
static lt_status run_aligned(int bug) { return fetch(planted_aligned(stream, bug, x, y)); }
static bool right_aligned(void) { return is_turned(64, 0); }
static lt_status run_stack(int bug) { return fetch(planted_stack(stream, bug, y)); }
static bool right_stack(void) { return is_all(1, 4); }

/* Memory of its own: an overrun, and what was freed. */
static lt_status run_global(int bug) {
    void *z = NULL;
    LT_TRY(gpu->alloc(200 * 4, "numbers", &z));
    lt_status st = planted_global(stream, bug, x, z, 200);
    if (st == LT_OK) st = gpu->copy(stream, LT_GPU_ON_DEVICE, y, 0, z, 0, 128 * 4, 1);
    if (st == LT_OK) st = fetch(LT_OK);
    if (st != LT_OK) lt_emulated_forget();
    gpu->free(z);
    return st;
}
static lt_status run_managed(int bug) {
    void *z = NULL;
    LT_TRY(gpu->alloc_managed(200 * 4, &z));
    lt_status st = planted_global(stream, bug, x, z, 200);
    if (st == LT_OK) st = gpu->wait(stream);
    if (st == LT_OK) memcpy(got, z, 128 * 4);
    if (st != LT_OK) lt_emulated_forget();
    gpu->free_managed(z);
    return st;
}
static lt_status run_freed(int bug) {
    void *z = NULL;
    LT_TRY(gpu->alloc(512, "numbers", &z));
    LT_TRY(gpu->copy(stream, LT_GPU_ON_DEVICE, z, 0, x, 0, 512, 1));
    if (bug) gpu->free(z);
    lt_status st = fetch(bug == 1 ? planted_copy(stream, z, y) : planted_hidden(stream, (hidden){z}, y));
    if (!bug) gpu->free(z);
    return st;
}
static lt_status run_unwritten(int bug) {
    void *z = NULL;
    LT_TRY(gpu->alloc(512, "numbers", &z));
    if (!bug) LT_TRY(gpu->copy(stream, LT_GPU_ON_DEVICE, z, 0, x, 0, 512, 1));
    lt_status st = fetch(planted_copy(stream, z, y));
    if (st != LT_OK) lt_emulated_forget();
    gpu->free(z);
    return st;
}
static lt_status run_host_pointer(int bug) {
    static float host[128];
    const float *p = bug ? host : x;
    for (int i = 0; i < 128; i++) host[i] = x_at(i);
    return fetch(bug == 1 ? planted_copy(stream, p, y) : planted_hidden(stream, (hidden){p}, y));
}
static lt_status run_null(int bug) { return fetch(planted_hidden(stream, (hidden){bug ? NULL : x}, y)); }

/* The sum of the blocks' numbers differs with their order. */
static float first_sum;
static lt_status run_blocks(int bug) {
    LT_TRY(planted_fill(stream, 0.1f, 1, y));
    return fetch(planted_blocks(stream, bug, x, y));
}
static bool right_blocks(void) {
    if (first_sum == 0) first_sum = got[0];
    return got[0] == first_sum;
}

/* Two streams: the second reads what the first writes; bug: no event. */
static lt_status run_event(int bug) {
    lt_gpu_event *e = NULL;
    LT_TRY(gpu->event_create(false, &e));
    lt_status st = planted_fill(stream, 0, 128, y);
    if (st == LT_OK) st = gpu->wait(stream);
    if (st == LT_OK) st = planted_fill(stream, 1, 128, y);
    if (st == LT_OK) st = gpu->record(e, stream);
    if (st == LT_OK && !bug) st = gpu->stream_wait(other, e);
    if (st == LT_OK) st = gpu->copy(other, LT_GPU_TO_HOST, got, 0, y, 0, 128 * 4, 1);
    if (st == LT_OK) st = gpu->wait(stream);
    gpu->event_destroy(e);
    return st;
}
/* Pinned memory; bug 1: is read before the copy to it was waited for, 2: is written again before the copy from it was. */
static lt_status run_pinned(int bug) {
    void *h = NULL;
    LT_TRY(gpu->alloc_host(512, "numbers", &h));
    float *host = h;
    for (int i = 0; i < 128; i++) host[i] = 1;
    lt_status st = gpu->copy(stream, LT_GPU_TO_DEVICE, y, 0, host, 0, 512, 1);
    if (st == LT_OK && bug != 2) st = gpu->wait(stream);
    for (int i = 0; i < 128; i++) host[i] = 2;
    if (st == LT_OK) st = gpu->copy(stream, LT_GPU_TO_HOST, host, 0, y, 0, 512, 1);
    if (st == LT_OK && bug != 1) st = gpu->wait(stream);
    memcpy(got, host, 512);
    gpu->free_host(host);
    return st;
}

#define RACE "race|nobody wrote"
static const fault faults[] = {
    {"no barrier after writes", 1, run_sum, is_row_sum, "", RACE, 10},
    {"no barrier before the next writes", 2, run_sum, is_row_sum, "", RACE, 10},
    {"no __syncwarp", 1, run_warp, right_warp, "", RACE, 10},
    {"cp.async read before its wait", 1, run_async, right_async, "", RACE, 10},
    {"cp.async never waited for", 2, run_async, right_async, "has not waited", "nobody wrote", 20},
    {"a tile filled too early", 1, run_tiles, is_column_sum, "", RACE, 5},
    {"a write past shared memory", 1, run_shared, right_copy, "past the end of a shared array of 512 bytes", "shared memory", 20},
    {"a read past shared memory", 2, run_shared, right_copy, "", "shared memory", 20},
    {"a write past device memory", 1, run_global, right_copy, "past the end of an allocation of 800 bytes for numbers", "", 20},
    {"a write far past device memory", 2, run_global, right_copy, "planted.cu", "planted.cu", 20},
    {"a write past managed memory", 1, run_managed, right_copy, "past the end of an allocation of 800 bytes", "", 20},
    {"two barriers", 1, run_divergent, right_one, "threads of a block wait at different barriers", "", 20},
    {"lanes that have left", 2, run_divergent, right_one, "no thread can go on", "", 20},
    {"a mask that names too many", 1, run_mask, right_mask, "a shuffle at planted.cu", "", 20},
    {"a mask without the lane", 2, run_mask, right_mask, "is not in its mask|is not in the mask", "", 20},
    {"a lane outside the mask", 3, run_mask, right_mask, "a shuffle reads lane", "", 20},
    {"a float that blocks add to", 1, run_blocks, right_blocks, "", RACE, 1},
    {"a host pointer", 1, run_host_pointer, right_copy, "which is not device memory (memory of the host)", "", 20},
    {"a hidden host pointer", 2, run_host_pointer, right_copy, NULL, "memory of the host", 0},
    {"a hidden null pointer", 1, run_null, right_copy, "a null pointer", "", 20},
    {"memory that was freed", 1, run_freed, right_copy, "which is not device memory (memory that was freed)", "", 20},
    {"hidden memory that was freed", 2, run_freed, right_copy, "memory that was freed", "", 20},
    {"memory that nobody wrote", 1, run_unwritten, right_copy, "", "nobody wrote", 20},
    {"no event between streams", 1, run_event, right_one, "", "not ordered", 3},
    {"pinned memory read too early", 1, run_pinned, right_one, "", NULL, 3},
    {"pinned memory written too early", 2, run_pinned, right_one, "", NULL, 3},
    {"a misaligned vector", 1, run_aligned, right_aligned, "misaligned", "misaligned", 20},
    {"a stack that overflows", 1, run_stack, right_stack, "stack", "stack", 20},
};

/* Whether the message has one of the words, "a|b". */
static bool says(const char *words) {
    char copy[200], *rest = copy, *one;
    (void)snprintf(copy, sizeof copy, "%s", words);
    while ((one = strsep(&rest, "|")))
        if (strstr(lt_err_last()->msg, one)) return true;
    return false;
}

/* Whether this run betrayed itself, with the expected words where there are some. */
static int other_words;
static bool betrayed(const fault *f, int bug, const char *words) {
    memset(got, 0, sizeof got);
    lt_status st = f->run(bug);
    bool lost = st != LT_OK, wrong = !lost && !f->right();
    if (lost && words && !says(words)) {
        if (other_words++ == 0) fprintf(stderr, "%s: \"%s\", expected \"%s\"\n", f->name, lt_err_last()->msg, words);
        lost = false;
    }
    if (lost && !strstr(lt_err_last()->msg, "LT_EMU_SEED=")) TEST_REPORT(false, "no seed: %s", lt_err_last()->msg);
    if (lost && bug == 0) fprintf(stderr, "%s: %s\n", f->name, lt_err_last()->msg);
    if (st != LT_OK) lt_emulated_forget();
    return lost || wrong;
}

/* Sanitizers end the process themselves: a child, whose death is a finding as well. */
static bool betrayed_to_sanitizer(const fault *f) {
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr);
        _exit(betrayed(f, f->bug, f->plain));
    }
    return waitpid(child, &status, 0) == child && status != 0;
}

#ifdef __SANITIZE_ADDRESS__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

static void test_fault(const fault *f) {
    bool race = lt_emulated_race();
    const char *words = race && f->race ? (*f->race ? f->race : f->plain) : f->plain;
    int clean = 0, bad = 0, seeds = sanitized ? 3 : SEEDS, want = race && f->race ? SEEDS : f->seeds_plain * seeds / SEEDS;
    first_sum = 0;
    other_words = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
        lt_emulated_seed((uint64_t)seed);
        clean += betrayed(f, 0, NULL);
    }
    for (int seed = 0; seed < seeds && words; seed++) {
        lt_emulated_seed((uint64_t)seed);
        bad += sanitized ? betrayed_to_sanitizer(f) : betrayed(f, f->bug, words);
    }
    TEST_REPORT(clean == 0, "%s: without the fault %d of %d seeds found something", f->name, clean, SEEDS);
    TEST_REPORT(bad >= want, "%s: found under %d of %d seeds, expected %d", f->name, bad, seeds, want);
    if (getenv("LT_TEST_VERBOSE")) printf("%-34s %2d of %d\n", f->name, bad, seeds);
}

/* The host follows a device pointer: a process that dies with a word about it. */
static void test_device_pointer(void) {
    int out[2], status = 0;
    char text[2000] = "";
    CHECK_OK(gpu->wait(stream));
    CHECK(pipe(out) == 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(out[1], 2);
        signal(SIGABRT, SIG_DFL);
        volatile float v = *x;
        (void)v;
        _exit(0);
    }
    close(out[1]);
    for (size_t n = 0;;) {
        ssize_t k = read(out[0], text + n, sizeof text - 1 - n);
        if (k <= 0) break;
        n += (size_t)k;
    }
    close(out[0]);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
    TEST_REPORT(strstr(text, "the host reads or writes device memory"), "it said: %s", text);
    TEST_REPORT(strstr(text, "allocated for x"), "it said: %s", text);
}

int main(void) {
    lt_gpu_info info;
    float host[N];
    void *p;
    gpu = lt_gpu_emulated();
    for (int i = 0; i < N; i++) host[i] = x_at(i);
    CHECK_OK(gpu->open(0, &info));
    CHECK_OK(gpu->stream_create(false, &stream));
    CHECK_OK(gpu->stream_create(true, &other));
    CHECK_OK(gpu->alloc(N * 4, "x", &p));
    x = p;
    CHECK_OK(gpu->alloc(512 * 4, "y", &p));
    y = p;
    CHECK_OK(gpu->copy(stream, LT_GPU_TO_DEVICE, x, 0, host, 0, sizeof host, 1));
    CHECK_OK(gpu->fill(stream, y, 0, 512 * 4));
    CHECK_OK(gpu->wait(stream));
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) test_fault(&faults[i]);
    test_device_pointer();
    gpu->free(x);
    gpu->free(y);
    gpu->stream_destroy(stream);
    gpu->stream_destroy(other);
    return test_end();
}
