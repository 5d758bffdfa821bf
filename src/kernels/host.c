/* Memory of the back ends that compute in plain host memory: a copy is memcpy, and everything has happened when a call returns.
 *
 * alloc takes fresh pages from the kernel: zeroed, and resident only once touched, so that room for the largest step costs what steps use.  A page before
 * the block holds its size.  Large blocks ask for huge pages: 7 GB of weights are else 1.7 million page faults, and more misses of the TLB than lines of W. */
#include "kernels/host_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HEAD_BYTES = 4096, HUGE_FROM = 64 << 20 };

lt_status lt_host_pinned(const lt_ctx *c, size_t bytes, const char *what, void **p) {
    (void)c;
    return lt_calloc(p, (int64_t)bytes, 1, what);
}

void lt_host_pinned_free(const lt_ctx *c, void *p) {
    (void)c;
    free(p);
}

lt_status lt_host_alloc(const lt_ctx *c, size_t bytes, const char *what, void **p) {
    (void)c;
    char text[32];
    size_t whole = bytes + HEAD_BYTES;
    void *at = whole > bytes ? mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) : MAP_FAILED;
    LT_CHECK(at != MAP_FAILED, LT_ERR_NOMEM, "cannot allocate %s for %s", lt_bytes_str(text, (double)bytes), what);
    if (whole >= HUGE_FROM) (void)madvise(at, whole, MADV_HUGEPAGE); /* a wish */
    memcpy(at, &whole, sizeof whole);
    *p = (unsigned char *)at + HEAD_BYTES;
    return LT_OK;
}

void lt_host_free(const lt_ctx *c, void *p) {
    (void)c;
    size_t whole;
    if (!p) return;
    void *at = (unsigned char *)p - HEAD_BYTES;
    memcpy(&whole, at, sizeof whole);
    (void)munmap(at, whole);
}

lt_status lt_host_copy(const lt_ctx *c, const struct lt_copy_args *a) {
    (void)c;
    bool dense = a->rows == 1 || (a->dst_pitch == a->row_bytes && a->src_pitch == a->row_bytes);
    if (a->rows <= 0 || a->row_bytes == 0) return LT_OK;
    if (dense) {
        memcpy(a->dst, a->src, (size_t)a->rows * a->row_bytes);
        return LT_OK;
    }
    for (size_t r = 0; r < (size_t)a->rows; r++)
        memcpy((unsigned char *)a->dst + r * a->dst_pitch, (const unsigned char *)a->src + r * a->src_pitch, a->row_bytes);
    return LT_OK;
}

lt_status lt_host_fill(const lt_ctx *c, void *p, int byte, size_t bytes) {
    (void)c;
    if (bytes) memset(p, byte, bytes);
    return LT_OK;
}

lt_status lt_host_event(const lt_ctx *c, lt_event *e) {
    (void)c, (void)e;
    return LT_OK;
}

void lt_host_event_fini(const lt_ctx *c, lt_event *e) { (void)c, (void)e; }

lt_status lt_host_attach(const lt_ctx *c, void *p, size_t bytes) {
    (void)c, (void)p, (void)bytes;
    return LT_OK;
}

void lt_host_detach(const lt_ctx *c, void *p) { (void)c, (void)p; }

void lt_host_bracket(const lt_ctx *c) { (void)c; }

void *lt_host_view(const lt_ctx *c, void *p, size_t bytes) {
    (void)c, (void)bytes;
    return p;
}

/* Once a layer at load time: plain loops. */
lt_status lt_host_rel_pack(const lt_ctx *c, const struct lt_rel_pack_args *a) {
    int64_t D = a->head_dim, wide = lt_rel_width(D), rows = lt_rel_rows(a->reach), cols = lt_rel_cols(a->reach);
    (void)c;
    memset(a->to, 0, (size_t)lt_rel_elems(a->heads, D, a->reach, a->p2c) * sizeof *a->to);
    for (int64_t h = 0; h < a->heads; h++)
        for (int64_t s = 0; s < rows; s++) {
            const float *from = a->from + a->row[s] * a->ld + h * D;
            memcpy(a->to + (h * rows + (a->p2c ? s : rows - 1 - s)) * wide, from, (size_t)D * sizeof *from);
            float *turned = a->to + a->heads * rows * wide + h * D * cols + lt_rel_zero(a->reach) + s - (a->reach - 1);
            for (int64_t d = 0; a->p2c && d < D; d++) turned[d * cols] = a->scale * from[d];
        }
    return LT_OK;
}
