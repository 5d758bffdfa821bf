#pragma once
/* Helpers of the store tests: a scratch folder, whole files in memory, damage. */
#include "lt_test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_dir[256];

static int scratch_unlink(const char *path, const struct stat *info, int flag, struct FTW *where) {
    (void)info, (void)flag, (void)where;
    return remove(path);
}
static void scratch_remove(void) { (void)nftw(scratch_dir, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS); }

/* Makes the folder of this test; removed at exit of this process. */
static void scratch_make(void) {
    const char *base = getenv("TMPDIR");
    snprintf(scratch_dir, sizeof scratch_dir, "%.200s/ltune-store-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(scratch_dir)) {
        fprintf(stderr, "cannot make %s: %s\n", scratch_dir, strerror(errno));
        exit(1);
    }
    atexit(scratch_remove);
}

/* Path of a name in the scratch folder; lives as long as the test, the same pointer for the same name. */
__attribute__((format(printf, 1, 2))) static const char *in_scratch(const char *fmt, ...) {
    static char path[100][384];
    static int n;
    char name[120], full[384];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    snprintf(full, sizeof full, "%s/%s", scratch_dir, name);
    for (int i = 0; i < n; i++)
        if (!strcmp(path[i], full)) return path[i];
    if (n == 100) {
        fprintf(stderr, "more than 100 names in the scratch folder\n");
        exit(1);
    }
    return strcpy(path[n++], full);
}

static inline unsigned char *file_load(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    *n = 0;
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    unsigned char *data = malloc((size_t)size + 1);
    *n = fread(data, 1, (size_t)size, f);
    fclose(f);
    return data;
}
static inline void file_save(const char *path, const void *data, size_t n) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0) {
        fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
        exit(1);
    }
}
enum { SEAL_BYTES = 78 }; /* of the digest line behind the HDF5 data; a file without it is still read */
static inline bool file_exists(const char *path) { return access(path, F_OK) == 0; }
/* True if the folder holds a name with this text in it. */
static inline bool dir_has(const char *dir, const char *text) {
    char command[800], line[512];
    bool found = false;
    snprintf(command, sizeof command, "ls -A '%s'", dir);
    FILE *p = popen(command, "r");
    while (p && fgets(line, sizeof line, p)) found = found || strstr(line, text);
    if (p) pclose(p);
    return found;
}
/* Output of a shell command, at most bytes - 1 of it; returns its exit status. */
static inline int run_output(const char *command, char *out, size_t bytes) {
    FILE *p = popen(command, "r");
    size_t n = p ? fread(out, 1, bytes - 1, p) : 0;
    out[n] = 0;
    while (p && fgetc(p) != EOF) {}
    return p ? pclose(p) : -1;
}
