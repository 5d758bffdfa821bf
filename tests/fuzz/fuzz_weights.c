/* Reading all of a folder's weights; see fuzz_weights.h. */
#include "fuzz_weights.h"

#include "store/safetensors.h"

#include <sys/stat.h>

void fuzz_write_safetensors(const char *name, const void *header, size_t bytes, size_t n) {
    unsigned char *all = calloc(8 + bytes + n + 1, 1);
    FUZZ_REQUIRE(all);
    for (int i = 0; i < 8; i++) all[i] = (unsigned char)(bytes >> 8 * i);
    if (bytes) memcpy(all + 8, header, bytes);
    for (size_t i = 0; i < n; i++) all[8 + bytes + i] = (unsigned char)(i * 37);
    fuzz_write(name, all, 8 + bytes + n);
    free(all);
}

/* Reads a tensor whole, and a column of it, into memory that is just large enough. */
static void read_tensor(lt_st *st, const lt_st_tensor *t) {
    int64_t rows = t->n_dims > 0 ? t->dim[0] : 1, cols = 1, elems;
    for (int i = 1; i < t->n_dims; i++)
        if (__builtin_mul_overflow(cols, t->dim[i], &cols)) return; /* only with a dimension of 0 */
    if (__builtin_mul_overflow(rows, cols, &elems) || elems > 1 << 18) return;
    const lt_dtype dst[] = {LT_F32, LT_BF16, t->dtype};
    for (int k = 0; k < 3; k++) {
        if (dst[k] >= LT_DTYPE_COUNT) continue;
        void *all = malloc((size_t)elems * lt_dtype_bytes(dst[k])), *column = malloc((size_t)rows * lt_dtype_bytes(dst[k]));
        FUZZ_REQUIRE(all && column);
        lt_status whole = lt_st_read(st, t, 0, rows, 0, cols, all, dst[k]);
        if (dst[k] == t->dtype) FUZZ_REQUIRE(whole == LT_OK);
        if (whole == LT_OK && cols > 1 && elems > 0) {
            size_t n = lt_dtype_bytes(dst[k]);
            FUZZ_OK(lt_st_read(st, t, 0, rows, cols / 2, 1, column, dst[k]));
            for (int64_t r = 0; r < rows; r++)
                FUZZ_REQUIRE(!memcmp((char *)column + (size_t)r * n, (char *)all + (size_t)(r * cols + cols / 2) * n, n));
        }
        free(all);
        free(column);
    }
    FUZZ_REQUIRE(lt_st_read(st, t, 0, rows + 1, 0, cols, NULL, LT_F32) != LT_OK);
}

void fuzz_read_weights(void) {
    lt_st *st = NULL;
    char hex[LT_SHA_HEX_BYTES];
    lt_err_clear();
    if (lt_st_open(fuzz_dir(), &st) != LT_OK) {
        FUZZ_REQUIRE(st == NULL && lt_err_last()->msg[0]);
        return;
    }
    int64_t sum = 0;
    for (int64_t i = 0; i < lt_st_count(st); i++) {
        const lt_st_tensor *t = lt_st_at(st, i);
        struct stat info;
        FUZZ_REQUIRE(lt_st_find(st, t->name) == t);
        FUZZ_REQUIRE(t->offset >= 8 && t->bytes >= 0 && t->file >= 0 && t->file < lt_st_files(st));
        FUZZ_REQUIRE(stat(lt_st_file_path(st, t->file), &info) == 0 && t->offset <= info.st_size && t->bytes <= info.st_size - t->offset);
        sum += t->bytes;
        if (i < 32) read_tensor(st, t);
    }
    FUZZ_REQUIRE(sum == lt_st_total_bytes(st));
    FUZZ_OK(lt_st_fingerprint(st, hex));
    lt_st_close(&st);
}
