#pragma once
/* Private to the kernels room: memory, marks and layout of constants of back ends whose arrays lie in plain host memory (ref, cpu).  Entries of lt_ops;
 * meaning: ops.h. */

#include "kernels/ops.h"

#include <math.h>

lt_status lt_host_pinned(const lt_ctx *c, size_t bytes, const char *what, void **p);
void lt_host_pinned_free(const lt_ctx *c, void *p);
lt_status lt_host_alloc(const lt_ctx *c, size_t bytes, const char *what, void **p);
void lt_host_free(const lt_ctx *c, void *p);
lt_status lt_host_copy(const lt_ctx *c, const struct lt_copy_args *a);
lt_status lt_host_fill(const lt_ctx *c, void *p, int byte, size_t bytes);
lt_status lt_host_event(const lt_ctx *c, lt_event *e);
void lt_host_event_fini(const lt_ctx *c, lt_event *e);
lt_status lt_host_attach(const lt_ctx *c, void *p, size_t bytes);
void lt_host_detach(const lt_ctx *c, void *p);
void lt_host_bracket(const lt_ctx *c);
void *lt_host_view(const lt_ctx *c, void *p, size_t bytes);
lt_status lt_host_rel_pack(const lt_ctx *c, const struct lt_rel_pack_args *a);

/* The entries above as initialisers of a table. */
#define LT_HOST_MEMORY                                                                                                                     \
    .host_alloc = lt_host_pinned, .host_free = lt_host_pinned_free, .alloc = lt_host_alloc, .free = lt_host_free, .copy = lt_host_copy,    \
    .fill = lt_host_fill, .record = lt_host_event, .wait = lt_host_event, .event_fini = lt_host_event_fini, .attach = lt_host_attach,      \
    .detach = lt_host_detach, .host_begin = lt_host_bracket, .host_end = lt_host_bracket, .host_view = lt_host_view,                       \
    .rel_pack = lt_host_rel_pack

/* Whether this update happens, and the factor of its gradient that clips the norm of all to a->clip. */
static inline bool lt_adamw_scale(const struct lt_adamw_args *a, float *scale) {
    double norm = a->sumsq ? sqrt(*a->sumsq) : 0;
    *scale = 1;
    if (!isfinite(norm) || (a->loss && (!isfinite(a->loss[0]) || a->loss[1] != 0))) return false;
    if (a->clip > 0 && norm > (double)a->clip) *scale = (float)((double)a->clip / norm);
    return true;
}
/* p as a bound of 16 random bits. */
static inline uint32_t lt_dropout_bound(const struct lt_dropout_args *a) { return (uint32_t)lrint((double)a->p * 0x1p16); }
/* Whether a layer is made in E4M3: GPUs multiply it by sixteens. */
static inline bool lt_lin_takes_e4m3(const lt_ctx *c, int64_t N, int64_t K) {
    return c->e4m3 && c->compute == LT_BF16 && N % 16 == 0 && K % 16 == 0;
}
/* Row stride of a segment's matrix. */
static inline int64_t lt_segment_ld(const lt_segment *s) { return s->ld_w ? s->ld_w : s->K; }
/* alpha of one segment. */
static inline double lt_segment_alpha(const struct lt_segment_args *a, const lt_segment *s) {
    return (double)a->alpha * (s->scale != 0.0f ? (double)s->scale : 1.0);
}
