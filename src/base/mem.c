/* Arenas and checked allocation; see mem.h. */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static size_t round_up(size_t bytes) { return (bytes + LT_ALIGN - 1) / LT_ALIGN * LT_ALIGN; }

void lt_arena_measure(lt_arena *a, const char *purpose) { *a = (lt_arena){.purpose = purpose, .cap = SIZE_MAX}; }

lt_status lt_arena_init(lt_arena *a, const char *purpose, size_t bytes) {
    char text[32];
    *a = (lt_arena){.purpose = purpose, .cap = round_up(bytes)};
    if (a->cap == 0) return LT_OK;
    /* Anonymous memory: pages are touched (and become resident) only when used. */
    void *p = mmap(NULL, a->cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    LT_CHECK(p != MAP_FAILED, LT_ERR_NOMEM, "cannot allocate %s for %s", lt_bytes_str(text, (double)bytes), purpose);
    a->base = p;
    return LT_OK;
}

void lt_arena_fini(lt_arena *a) {
    if (a->base) munmap(a->base, a->cap);
    *a = (lt_arena){0};
}

void *lt_arena_take(lt_arena *a, int64_t n, size_t elem_bytes) {
    size_t bytes;
    if (n < 0 || __builtin_mul_overflow((size_t)n, elem_bytes, &bytes) || bytes > SIZE_MAX / 4) {
        a->used = SIZE_MAX;
        return NULL;
    }
    size_t at = a->used;
    if (at == SIZE_MAX || round_up(bytes) > a->cap - at) {
        a->used = SIZE_MAX;
        return NULL;
    }
    a->used = at + round_up(bytes);
    return a->base ? a->base + at : NULL;
}

lt_status lt_arena_ok(const lt_arena *a) {
    LT_CHECK(a->used != SIZE_MAX, LT_ERR_INTERNAL, "the %s arena of %zu bytes was overdrawn", a->purpose, a->cap);
    return LT_OK;
}

lt_status lt_calloc(void *out_ptr, int64_t n, size_t elem_bytes, const char *what) {
    size_t bytes;
    void *p = NULL;
    LT_CHECK(n >= 0 && !__builtin_mul_overflow((size_t)n, elem_bytes, &bytes), LT_ERR_NOMEM, "size of %s overflows: %lld x %zu bytes", what,
             (long long)n, elem_bytes);
    if (bytes == 0) bytes = 1;
    LT_CHECK(posix_memalign(&p, LT_ALIGN, round_up(bytes)) == 0, LT_ERR_NOMEM, "cannot allocate %zu bytes for %s", bytes, what);
    memset(p, 0, round_up(bytes));
    memcpy(out_ptr, &p, sizeof p);
    return LT_OK;
}

lt_status lt_strdup(char **out, const char *s) {
    char *p = strdup(s);
    LT_CHECK(p, LT_ERR_NOMEM, "cannot allocate %zu bytes for a string", strlen(s) + 1);
    *out = p;
    return LT_OK;
}

void lt_mem_resident(size_t *now_bytes, size_t *peak_bytes) {
    char line[256];
    *now_bytes = *peak_bytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return;
    while (fgets(line, sizeof line, f)) {
        if (!strncmp(line, "VmRSS:", 6)) *now_bytes = 1024 * (size_t)strtoull(line + 6, NULL, 10);
        if (!strncmp(line, "VmHWM:", 6)) *peak_bytes = 1024 * (size_t)strtoull(line + 6, NULL, 10);
    }
    fclose(f);
}

const char *lt_bytes_str(char buf[32], double bytes) {
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int u = 0;
    while (bytes >= 1024 && u < 4) bytes /= 1024, u++;
    snprintf(buf, 32, u ? "%.2f %s" : "%.0f %s", bytes, unit[u]);
    return buf;
}
