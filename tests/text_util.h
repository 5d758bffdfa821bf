#pragma once
/* What the tokenizer tests share: files made for one test, and ids compared. */
#include "lt_test.h"
#include "text/tokenizer.h"

#include <unistd.h>

/* A folder for this test's files, made once. */
static inline const char *text_dir(void) {
    static char dir[64];
    if (!*dir) {
        (void)snprintf(dir, sizeof dir, "/tmp/lt-text.XXXXXX");
        if (!mkdtemp(dir)) perror(dir);
    }
    return dir;
}

/* Path of a file in that folder; valid until the third call after this one. */
static inline const char *text_path(const char *name) {
    static char path[4][256];
    static int next;
    char *p = path[next++ % 4];
    (void)snprintf(p, sizeof path[0], "%s/%s", text_dir(), name);
    return p;
}

static inline void text_write(const char *name, const void *data, size_t bytes) {
    FILE *f = fopen(text_path(name), "wb");
    CHECK(f && fwrite(data, 1, bytes, f) == bytes);
    if (f) fclose(f);
}

/* Removes the folder and the named files in it. */
static inline void text_clean(const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++) (void)unlink(text_path(names[i]));
    CHECK(rmdir(text_dir()) == 0);
}

/* A text, and a second one unless b is NULL, cut longest first. */
static inline lt_status text_encode_pair(const lt_tok *t, const char *a, const char *b, int64_t max, lt_ids *ids, int64_t *segment,
                                         bool *cut) {
    return lt_tok_encode_pair(t, a, strlen(a), b, b ? strlen(b) : 0, max, LT_LONGEST_FIRST, ids, NULL, segment, cut);
}

static inline bool text_same(const lt_ids *got, const int32_t *want, int n) {
    return got->n == n && (n == 0 || !memcmp(got->id, want, (size_t)n * sizeof *want));
}

/* Both lists on one line, for a failure. */
static inline void text_show(const char *what, const lt_ids *got, const int32_t *want, int n) {
    fprintf(stderr, "%s\n  got ", what);
    for (int64_t i = 0; i < got->n; i++) fprintf(stderr, " %d", got->id[i]);
    fprintf(stderr, "\n  want");
    for (int i = 0; i < n; i++) fprintf(stderr, " %d", want[i]);
    fputc('\n', stderr);
}

/* The folder with shared reference data, or NULL. */
static inline const char *text_shared(void) {
    static char path[4096];
    const char *set = getenv("LT_SHARED");
    (void)snprintf(path, sizeof path, "%s", set ? set : LT_SOURCE "/../shared");
    return access(path, R_OK) == 0 ? path : NULL;
}
