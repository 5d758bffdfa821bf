/* Reading tensors by rectangle, and the fingerprint of weights; see safetensors.h.
 *
 * pread, not mmap: a truncated or vanished file is an error code instead of a SIGBUS, network file systems get requests of a useful size, and the
 * bytes asked for can be counted.  Whole rows of the same type go straight into dst.  What must be converted passes through a piece small
 * enough to stay in a core's cache.  A column slice is one pread a row: at the widths of real models (kilobytes a slice) the call costs less
 * than the copy, and reading the gaps as well would read the whole matrix on every rank.  Of a matrix that lies turned a row slice is what a
 * column slice is of another. */
#include "store/safetensors_impl.h"

#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_BYTES = 256 << 10 /* half of a small L2 */, SAMPLES = 64, SAMPLE_BYTES = 4096 };

lt_status lt_st_impl_pread(lt_st *st, const lt_st_file *f, void *dst, int64_t bytes, int64_t offset) {
    unsigned char *p = dst;
    while (bytes > 0) {
        size_t want = bytes < (1 << 30) ? (size_t)bytes : (size_t)1 << 30; /* Linux reads at most 2 GiB a call */
        ssize_t n = pread(f->fd, p, want, offset);
        if (n < 0 && errno == EINTR) continue;
        LT_CHECK(n >= 0, LT_ERR_IO, "cannot read %s: %s", f->path, strerror(errno));
        LT_CHECK(n > 0, LT_ERR_FORMAT, "%s ends at byte %lld, expected %lld more: it was cut after it was opened", f->path,
                 (long long)offset, (long long)bytes);
        (void)__atomic_fetch_add(&st->bytes_read, (int64_t)n, __ATOMIC_RELAXED);
        p += n;
        offset += n;
        bytes -= n;
    }
    return LT_OK;
}

/* Copies n consecutive elements at byte offset into dst, converting through piece (NULL when types are equal). */
static lt_status read_run(lt_st *st, const lt_st_tensor *t, int64_t n, int64_t offset, unsigned char *dst, lt_dtype dst_dtype,
                          void *piece) {
    const lt_st_file *f = &st->file[t->file];
    int64_t src_bytes = (int64_t)lt_dtype_bytes(t->dtype), dst_bytes = (int64_t)lt_dtype_bytes(dst_dtype), most = PIECE_BYTES / src_bytes;
    if (!piece) return lt_st_impl_pread(st, f, dst, n * src_bytes, offset);
    for (int64_t at = 0; at < n; at += most) {
        int64_t k = n - at < most ? n - at : most;
        LT_TRY(lt_st_impl_pread(st, f, piece, k * src_bytes, offset + at * src_bytes));
        LT_TRY(lt_convert(dst + at * dst_bytes, dst_dtype, piece, t->dtype, k));
    }
    return LT_OK;
}

#define TURN(bytes)                                                                                                                        \
    for (int64_t i = 0; i < h; i++)                                                                                                        \
        for (int64_t k = 0; k < w; k++) memcpy(dst + (i * ld + k) * (bytes), src + (k * h + i) * (bytes), bytes)

/* [w, h] at src into [h, w] at dst, whose rows are ld elements apart. */
static void turn(unsigned char *dst, int64_t ld, const unsigned char *src, int64_t h, int64_t w, size_t bytes) {
    switch (bytes) {
    case 1:
        TURN(1);
        break;
    case 2:
        TURN(2);
        break;
    case 4:
        TURN(4);
        break;
    default:
        TURN(8);
    }
}

/* A rectangle of a matrix [R, C] that the file holds as [C, R]: pieces of whole columns where they fit, turned in cache. */
static lt_status read_turned(lt_st *st, const lt_st_tensor *t, int64_t row0, int64_t rows, int64_t col0, int64_t cols, unsigned char *dst,
                             lt_dtype dst_dtype) {
    const lt_st_file *f = &st->file[t->file];
    int64_t R = t->dim[0], elem = (int64_t)lt_dtype_bytes(t->dtype), dst_elem = (int64_t)lt_dtype_bytes(dst_dtype),
            room = PIECE_BYTES / elem, high = rows < room ? rows : room, wide = room / high < cols ? room / high : cols;
    unsigned char *piece = NULL, *as = NULL;
    lt_status rc = LT_OK;
    LT_TRY_GOTO(lt_calloc(&piece, high * wide, (size_t)elem, "a piece of a turned tensor"), rc, done);
    LT_TRY_GOTO(lt_calloc(&as, t->dtype == dst_dtype ? 0 : high * wide, (size_t)dst_elem, "a piece of a turned tensor"), rc, done);
    for (int64_t r = 0; r < rows; r += high) {
        int64_t h = rows - r < high ? rows - r : high;
        for (int64_t c = 0; c < cols; c += wide) {
            int64_t w = cols - c < wide ? cols - c : wide, each = h == R ? w : 1; /* columns a read */
            for (int64_t k = 0; k < w; k += each)
                LT_TRY_GOTO(
                    lt_st_impl_pread(st, f, piece + k * h * elem, each * h * elem, t->offset + ((col0 + c + k) * R + row0 + r) * elem), rc,
                    done);
            if (t->dtype != dst_dtype) LT_TRY_GOTO(lt_convert(as, dst_dtype, piece, t->dtype, h * w), rc, done);
            turn(dst + (r * cols + c) * dst_elem, cols, t->dtype == dst_dtype ? piece : as, h, w, (size_t)dst_elem);
        }
    }
done:
    free(piece);
    free(as);
    return rc;
}

lt_status lt_st_read(lt_st *st, const lt_st_tensor *t, int64_t row0, int64_t rows, int64_t col0, int64_t cols, void *dst,
                     lt_dtype dst_dtype) {
    int64_t R = t->n_dims > 0 ? t->dim[0] : 1, C = 1;
    void *piece = NULL;
    lt_status rc = LT_OK;
    for (int i = 1; i < t->n_dims; i++)
        LT_CHECK(!__builtin_mul_overflow(C, t->dim[i], &C), LT_ERR_FORMAT, "tensor %s in %s: the shape overflows", t->name,
                 st->file[t->file].path);
    LT_TRY(LT_FAULT_POINT("safetensors.read"));
    LT_CHECK(row0 >= 0 && rows >= 0 && row0 <= R - rows && col0 >= 0 && cols >= 0 && col0 <= C - cols, LT_ERR_ARG,
             "tensor %s is [%lld, %lld]: rows [%lld, +%lld) and columns [%lld, +%lld) are not inside", t->name, (long long)R, (long long)C,
             (long long)row0, (long long)rows, (long long)col0, (long long)cols);
    bool narrow = t->dtype == LT_F32 || t->dtype == LT_F16 || t->dtype == LT_BF16;
    LT_CHECK(t->dtype < LT_DTYPE_COUNT && (t->dtype == dst_dtype || (narrow && (dst_dtype == LT_F32 || dst_dtype == LT_BF16))),
             LT_ERR_FORMAT, "tensor %s in %s has dtype %s, which cannot be read as %s: F32, F16 and BF16 weights can", t->name,
             st->file[t->file].path, t->dtype_name, lt_dtype_name(dst_dtype));
    if (rows == 0 || cols == 0) return LT_OK;
    if (t->turned) return read_turned(st, t, row0, rows, col0, cols, dst, dst_dtype);
    int64_t elem = (int64_t)lt_dtype_bytes(t->dtype), dst_row = cols * (int64_t)lt_dtype_bytes(dst_dtype);
    if (t->dtype != dst_dtype) {
        int64_t run = (cols == C ? rows * cols : cols) * elem;
        piece = malloc((size_t)(run < PIECE_BYTES ? run : PIECE_BYTES));
        LT_CHECK(piece, LT_ERR_NOMEM, "no memory to convert tensor %s", t->name);
    }
    if (cols == C) {
        rc = read_run(st, t, rows * C, t->offset + row0 * C * elem, dst, dst_dtype, piece);
    } else {
        for (int64_t r = 0; r < rows && rc == LT_OK; r++)
            rc = read_run(st, t, cols, t->offset + ((row0 + r) * C + col0) * elem, (unsigned char *)dst + r * dst_row, dst_dtype, piece);
    }
    free(piece);
    return rc;
}

void lt_st_ahead(const lt_st *st, const lt_st_tensor *t, int64_t row0, int64_t rows) {
    int64_t all = t->n_dims > 0 && t->dim[0] > 0 ? t->dim[0] : 1, row = t->bytes / all;
    (void)posix_fadvise(st->file[t->file].fd, t->offset + row0 * row, rows * row, POSIX_FADV_WILLNEED);
}

lt_status lt_st_fingerprint(lt_st *st, char hex[LT_SHA_HEX_BYTES]) {
    lt_sha *sha = NULL;
    unsigned char *block = NULL;
    char line[512];
    lt_status rc = LT_OK;
    LT_TRY(lt_calloc(&block, SAMPLE_BYTES, 1, "a fingerprint block"));
    LT_TRY_GOTO(lt_sha_begin(&sha), rc, done);
    for (int64_t i = 0; i < st->n_tensors; i++) {
        const lt_st_tensor *t = &st->tensor[i];
        int n = snprintf(line, sizeof line, "%s %lld %lld", t->dtype_name, (long long)t->offset, (long long)t->bytes);
        for (int d = 0; d < t->n_dims; d++) n += snprintf(line + n, sizeof line - (size_t)n, " %lld", (long long)t->dim[d]);
        lt_sha_add(sha, t->name, strlen(t->name) + 1);
        lt_sha_add(sha, st->file[t->file].name, strlen(st->file[t->file].name) + 1);
        if (t->turned) n += snprintf(line + n, sizeof line - (size_t)n, " turned");
        lt_sha_add(sha, line, (size_t)n + 1);
    }
    for (int k = 0; k < st->n_files; k++) {
        const lt_st_file *f = &st->file[k];
        int64_t data = f->size - f->data,
                blocks = data <= (int64_t)SAMPLES * SAMPLE_BYTES ? (data + SAMPLE_BYTES - 1) / SAMPLE_BYTES : SAMPLES;
        int n = snprintf(line, sizeof line, "file %lld", (long long)f->size);
        lt_sha_add(sha, f->name, strlen(f->name) + 1);
        lt_sha_add(sha, line, (size_t)n + 1);
        for (int64_t b = 0; b < blocks; b++) {
            /* Evenly spread from the start to the end; end to end when the file is small. */
            int64_t at = b * (blocks < SAMPLES ? SAMPLE_BYTES : (data - SAMPLE_BYTES) / (SAMPLES - 1));
            int64_t bytes = data - at < SAMPLE_BYTES ? data - at : SAMPLE_BYTES;
            LT_TRY_GOTO(lt_st_impl_pread(st, f, block, bytes, f->data + at), rc, done);
            lt_sha_add(sha, block, (size_t)bytes);
        }
    }
done:
    if (sha) LT_KEEP(rc, lt_sha_finish(&sha, hex));
    free(block);
    return rc;
}
