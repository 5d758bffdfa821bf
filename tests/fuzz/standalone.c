/* The engine of a fuzz harness where clang's libFuzzer is missing: runs the seeds, then simple mutations of them for a given time, without knowledge of
 * coverage.  It takes libFuzzer's options, uses those it knows, and keeps an input that fails in the same way:
 *     -max_total_time=S  -runs=N  -timeout=S  -rss_limit_mb=N  -max_len=N  -seed=N  -artifact_prefix=PATH  -dict=FILE  then files and folders */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if !defined(__SANITIZE_ADDRESS__)
#error "build the harnesses with -fsanitize=address: without it most faults go unseen"
#endif
#include <sanitizer/common_interface_defs.h>

enum { MAX_INPUTS = 4096, MAX_WORDS = 400 };

static struct {
    uint8_t *data;
    size_t bytes;
} input[MAX_INPUTS];
static int n_inputs;
static char *word[MAX_WORDS];
static size_t word_bytes[MAX_WORDS];
static int n_words;
static long max_time = 20, max_runs = -1, timeout_s = 5, rss_mb = 1024, max_len = 4096;
static const char *prefix = "./";
static uint64_t state;

/* The input that runs now. */
static const uint8_t *now;
static size_t now_bytes;

static uint64_t random_below(uint64_t n) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return n ? state % n : 0;
}

/* Only calls that a signal handler may make: it may run within malloc. */
static void keep_input(const char *what) {
    char path[4300];
    (void)snprintf(path, sizeof path, "%s%s-%016llx", prefix, what, (unsigned long long)state);
    FILE *f = fopen(path, "wb");
    if (!f || (now_bytes && fwrite(now, 1, now_bytes, f) != now_bytes) || fclose(f) != 0) fprintf(stderr, "cannot keep the input\n");
    fprintf(stderr, "Test unit written to %s\n", path);
}
static void on_death(void) { keep_input("crash"); }
static void on_alarm(int signal) {
    (void)signal;
    fprintf(stderr, "ERROR: timeout: an input ran for %ld seconds\n", timeout_s);
    keep_input("timeout");
    _exit(70);
}

static void run(const uint8_t *data, size_t bytes) {
    struct rusage use;
    uint8_t *copy = malloc(bytes ? bytes : 1); /* of just this size: reading past its end is seen */
    if (!copy) exit(1);
    if (bytes) memcpy(copy, data, bytes);
    now = copy;
    now_bytes = bytes;
    (void)alarm((unsigned)timeout_s);
    (void)LLVMFuzzerTestOneInput(copy, bytes);
    (void)alarm(0);
    (void)getrusage(RUSAGE_SELF, &use);
    if (use.ru_maxrss / 1024 > rss_mb) {
        fprintf(stderr, "ERROR: out of memory: %ld MiB used, at most %ld\n", use.ru_maxrss / 1024, rss_mb);
        keep_input("oom");
        _exit(71);
    }
    free(copy);
}

static void add_path(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return;
    if (S_ISDIR(info.st_mode)) {
        struct dirent **entry = NULL;
        int n = scandir(path, &entry, NULL, alphasort);
        for (int i = 0; i < n; i++) {
            char child[4400];
            (void)snprintf(child, sizeof child, "%s/%s", path, entry[i]->d_name);
            if (entry[i]->d_name[0] != '.') add_path(child);
            free(entry[i]);
        }
        free(entry);
    } else if (n_inputs < MAX_INPUTS) {
        input[n_inputs].data = fuzz_load(path, &input[n_inputs].bytes);
        n_inputs++;
    }
}

/* Lines "word" with \xNN escapes. */
static void read_words(const char *path) {
    char line[1000];
    FILE *f = fopen(path, "r");
    while (f && n_words < MAX_WORDS && fgets(line, sizeof line, f)) {
        size_t n = 0;
        if (line[0] != '"') continue;
        for (char *c = line + 1; *c && *c != '"' && *c != '\n'; c++) {
            unsigned byte;
            if (*c == '\\' && sscanf(c, "\\x%2x", &byte) == 1) {
                line[n++] = (char)byte;
                c += 3;
            } else {
                line[n++] = *c;
            }
        }
        word[n_words] = malloc(n + 1);
        if (!word[n_words]) exit(1);
        memcpy(word[n_words], line, n);
        word_bytes[n_words++] = n;
    }
    if (f) (void)fclose(f);
}

/* Replaces take bytes at a place by n others. */
static size_t splice(uint8_t *buf, size_t bytes, size_t at, size_t take, const void *from, size_t n) {
    if (take > bytes - at) take = bytes - at;
    if (bytes - take + n > (size_t)max_len) return bytes;
    memmove(buf + at + n, buf + at + take, bytes - at - take);
    if (n) memmove(buf + at, from, n);
    return bytes - take + n;
}

static size_t mutate(uint8_t *buf, size_t bytes) {
    static const uint8_t odd[] = {0, 1, 9, 10, 13, 32, 34, 44, 48, 58, 91, 92, 123, 127, 128, 254, 255};
    size_t at = random_below(bytes + 1), n = 1 + random_below(random_below(4) ? 4 : 64);
    uint8_t byte = (uint8_t)random_below(256), other[64];
    int k = (int)random_below((uint64_t)n_inputs), w = (int)random_below((uint64_t)n_words);
    switch (random_below(8)) {
    case 0:
        if (at < bytes) buf[at] ^= (uint8_t)(1u << random_below(8));
        return bytes;
    case 1:
        if (at < bytes) buf[at] = odd[random_below(sizeof odd)];
        return bytes;
    case 2:
        if (at < bytes) buf[at] = byte;
        return bytes;
    case 3:
        return splice(buf, bytes, at, n, NULL, 0);
    case 4: /* again what stands here */
        if (n > bytes - at) n = bytes - at;
        memcpy(other, buf + at, n);
        return splice(buf, bytes, random_below(bytes + 1), 0, other, n);
    case 5: /* a piece of another input */
        if (n > input[k].bytes) n = input[k].bytes;
        memcpy(other, input[k].data + random_below(input[k].bytes - n + 1), n);
        return splice(buf, bytes, at, random_below(2) * n, other, n);
    default:
        if (n_words == 0) return splice(buf, bytes, at, 0, &byte, 1);
        return splice(buf, bytes, at, random_below(2) * word_bytes[w], word[w], word_bytes[w]);
    }
}

static bool option(const char *arg, const char *name, long *value) {
    size_t n = strlen(name);
    if (strncmp(arg, name, n) != 0 || arg[n] != '=') return false;
    *value = strtol(arg + n + 1, NULL, 10);
    return true;
}

int main(int argc, char **argv) {
    long seed = (long)time(NULL) ^ (long)getpid(), runs = 0;
    bool folder = false;
    (void)LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        struct stat info;
        if (option(a, "-max_total_time", &max_time) || option(a, "-runs", &max_runs) || option(a, "-timeout", &timeout_s) ||
            option(a, "-rss_limit_mb", &rss_mb) || option(a, "-max_len", &max_len) || option(a, "-seed", &seed))
            continue;
        if (!strncmp(a, "-artifact_prefix=", 17))
            prefix = a + 17;
        else if (!strncmp(a, "-dict=", 6))
            read_words(a + 6);
        else if (a[0] != '-') {
            folder = folder || (stat(a, &info) == 0 && S_ISDIR(info.st_mode));
            add_path(a);
        }
    }
    state = (uint64_t)seed * 0x9E3779B97F4A7C15u + 1;
    if (!state) state = 1;
    (void)signal(SIGALRM, on_alarm);
    __sanitizer_set_death_callback(on_death);
    time_t end = time(NULL) + max_time;
    for (int i = 0; i < n_inputs; i++) run(input[i].data, input[i].bytes);
    runs = n_inputs;
    uint8_t *buf = malloc((size_t)max_len + 64);
    while (buf && folder && n_inputs > 0 && time(NULL) < end && (max_runs < 0 || runs < max_runs)) {
        int k = (int)random_below((uint64_t)n_inputs);
        size_t bytes = input[k].bytes < (size_t)max_len ? input[k].bytes : (size_t)max_len;
        memcpy(buf, input[k].data, bytes);
        for (uint64_t m = 1 + random_below(6); m > 0; m--) bytes = mutate(buf, bytes);
        run(buf, bytes);
        runs++;
    }
    free(buf);
    for (int i = 0; i < n_inputs; i++) free(input[i].data);
    for (int i = 0; i < n_words; i++) free(word[i]);
    printf("stat::number_of_executed_units: %ld\n", runs);
    return 0;
}
