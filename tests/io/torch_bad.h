#pragma once
/* Helpers of the tests of ill pytorch_model.bin files: an archive around a pickle, and what opening it says. */
#include "io/store_test.h"
#include "torch_file.h"

#include "store/safetensors.h"

static const char *dir, *path; /* of the folder and its only file */
static const float numbers[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static const tf_tensor good = {.name = "w", .type = "FloatStorage", .key = "0", .numel = 12, .n_dims = 2, .dim = {3, 4}, .stride = {4, 1}};

/* The archive around a pickle; entries as the last call made them. */
enum { N_ENTRIES = 4 };
static tf_entry entry[N_ENTRIES];
static size_t end_at;
static inline void wrap(tf_bytes *file, const tf_bytes *pickle, tf_zip_style style) {
    const tf_entry e[N_ENTRIES] = {TF_ENTRY("m/data.pkl", pickle->p, pickle->n), TF_ENTRY("m/byteorder", "little", 6),
                                   TF_ENTRY("m/data/0", numbers, sizeof numbers), TF_ENTRY("m/version", "3\n", 2)};
    memcpy(entry, e, sizeof e);
    tf_zip(file, entry, N_ENTRIES, style, &end_at);
}
/* The same around that of one tensor. */
static inline void one(tf_bytes *file, const tf_tensor *t, tf_zip_style style) {
    tf_bytes pickle = {0};
    pk_dict(&pickle, t, 1, 0);
    wrap(file, &pickle, style);
    tf_free(&pickle);
}

/* What opening this file says; "" when it opens. */
static inline const char *opened(const tf_bytes *file) {
    static char message[LT_ERR_MSG_BYTES];
    lt_st *st = NULL;
    file_save(path, file->p, file->n);
    lt_status rc = lt_st_open(dir, &st);
    snprintf(message, sizeof message, "%s", rc == LT_OK ? "" : rc == LT_ERR_FORMAT ? lt_err_last()->msg : "another code");
    CHECK((rc == LT_OK) == (st != NULL));
    lt_st_close(&st);
    return message;
}
#define SAYS(file, text)                                                                                                                   \
    do {                                                                                                                                   \
        const char *m_ = opened(file);                                                                                                     \
        TEST_REPORT(*(text) ? strstr(m_, text) != NULL : !*m_, "got \"%s\", expected \"%s\"", m_, text);                                   \
    } while (0)

/* The good tensor, with other numbers. */
static inline tf_tensor with(int64_t numel, int64_t offset, int64_t a, int64_t b, int64_t x, int64_t y) {
    tf_tensor t = good;
    t.numel = numel;
    t.offset = offset;
    t.dim[0] = a, t.dim[1] = b, t.stride[0] = x, t.stride[1] = y;
    return t;
}

static inline void bad_begin(void) {
    scratch_make();
    dir = in_scratch("m");
    path = in_scratch("m/pytorch_model.bin");
    mkdir(dir, 0777);
}
