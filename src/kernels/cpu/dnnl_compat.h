#pragma once
/* What linear_dnnl.c and the bench ask of oneDNN that its C API says differently in 2.x and 3.x, in the words of 3.x.
 *
 * 3.x made memory descriptors opaque handles, which must be destroyed, and took away operation descriptors: a primitive descriptor is
 * created in one call.  Under 2.x a handle is the library's struct on the heap, so a caller needs no #if; calls that both versions take
 * as they are (memories, reorders, queries, sizes) go to the library directly, with an lt_dnnl_md or lt_dnnl_md_view where it wants a
 * descriptor.  A view is borrowed: from a handle, or from the primitive descriptor or memory that was asked for it.
 *
 * Attributes are always the default ones.  Every function is local and gives the library's own status; a handle or descriptor is written
 * only on success. */

#include <dnnl.h>
#include <stdbool.h>
#include <stdlib.h>

#if DNNL_VERSION_MAJOR < 3
typedef dnnl_memory_desc_t *lt_dnnl_md;
typedef const dnnl_memory_desc_t *lt_dnnl_md_view;
#else
typedef dnnl_memory_desc_t lt_dnnl_md;
typedef const_dnnl_memory_desc_t lt_dnnl_md_view;
#endif

/* Local.  A copy that is the caller's. */
static inline dnnl_status_t lt_dnnl_md_clone(lt_dnnl_md *md, lt_dnnl_md_view from) {
#if DNNL_VERSION_MAJOR < 3
    lt_dnnl_md copy = malloc(sizeof *copy);
    if (!copy) return dnnl_out_of_memory;
    *copy = *from;
    *md = copy;
    return dnnl_success;
#else
    return dnnl_memory_desc_clone(md, from);
#endif
}

/* Local.  n dimensions in the layout that the tag names. */
static inline dnnl_status_t lt_dnnl_md_create(lt_dnnl_md *md, int n, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag) {
#if DNNL_VERSION_MAJOR < 3
    dnnl_memory_desc_t d;
    dnnl_status_t s = dnnl_memory_desc_init_by_tag(&d, n, dims, type, tag);
    return s == dnnl_success ? lt_dnnl_md_clone(md, &d) : s;
#else
    return dnnl_memory_desc_create_with_tag(md, n, dims, type, tag);
#endif
}

/* Local.  Accepts a handle that is NULL and leaves NULL. */
static inline void lt_dnnl_md_destroy(lt_dnnl_md *md) {
#if DNNL_VERSION_MAJOR < 3
    free(*md);
#else
    if (*md) dnnl_memory_desc_destroy(*md);
#endif
    *md = NULL;
}

/* Local.  Levels of blocks in the layout: 0 = rows and columns as they are, or a layout that is not made of blocks. */
static inline int lt_dnnl_md_blocks(lt_dnnl_md_view md) {
#if DNNL_VERSION_MAJOR < 3
    return md->format_kind == dnnl_blocked ? md->format_desc.blocking.inner_nblks : 0;
#else
    int n = 0;
    return dnnl_memory_desc_query(md, dnnl_query_inner_nblks_s32, &n) == dnnl_success ? n : 0;
#endif
}

/* A layout of W [N, K] made of blocks [k][n][2]: k pairs of columns, n rows; strides (in elements) from block to block along N and along K; padded
 * columns. */
typedef struct lt_dnnl_pairs {
    int64_t n, k, n_stride, k_stride, columns;
} lt_dnnl_pairs;

/* Local.  False if the layout is another one. */
static inline bool lt_dnnl_md_pairs(lt_dnnl_md_view md, lt_dnnl_pairs *p) {
    if (lt_dnnl_md_blocks(md) != 3) return false;
#if DNNL_VERSION_MAJOR < 3
    const dnnl_dim_t *size = md->format_desc.blocking.inner_blks, *of = md->format_desc.blocking.inner_idxs,
                     *stride = md->format_desc.blocking.strides, *padded = md->padded_dims;
    if (md->extra.flags != dnnl_memory_extra_flag_none || md->offset0 != 0) return false;
#else
    const dnnl_dim_t *size, *of, *stride, *padded;
    if (dnnl_memory_desc_query(md, dnnl_query_inner_blks, (void *)&size) != dnnl_success ||
        dnnl_memory_desc_query(md, dnnl_query_inner_idxs, (void *)&of) != dnnl_success ||
        dnnl_memory_desc_query(md, dnnl_query_strides, (void *)&stride) != dnnl_success ||
        dnnl_memory_desc_query(md, dnnl_query_padded_dims, (void *)&padded) != dnnl_success)
        return false;
#endif
    *p = (lt_dnnl_pairs){.n = size[1], .k = size[0], .n_stride = stride[0], .k_stride = stride[1], .columns = padded[1]};
    return of[0] == 1 && of[1] == 0 && of[2] == 1 && size[2] == 2;
}

/* Local.  y [M, N] = x [M, K] w^T + bias, w [N, K]; bias [N] or NULL. */
static inline dnnl_status_t lt_dnnl_inner_fwd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, lt_dnnl_md_view x, lt_dnnl_md_view w,
                                              lt_dnnl_md_view bias, lt_dnnl_md_view y) {
#if DNNL_VERSION_MAJOR < 3
    dnnl_inner_product_desc_t d;
    dnnl_status_t s = dnnl_inner_product_forward_desc_init(&d, dnnl_forward_training, x, w, bias, y);
    return s == dnnl_success ? dnnl_primitive_desc_create(pd, &d, NULL, engine, NULL) : s;
#else
    return dnnl_inner_product_forward_primitive_desc_create(pd, engine, dnnl_forward_training, x, w, bias, y, NULL);
#endif
}

/* Local.  dx [M, K] = dy [M, N] w; hint is a forward descriptor of the same sizes. */
static inline dnnl_status_t lt_dnnl_inner_bwd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, lt_dnnl_md_view dx, lt_dnnl_md_view w,
                                              lt_dnnl_md_view dy, const_dnnl_primitive_desc_t hint) {
#if DNNL_VERSION_MAJOR < 3
    dnnl_inner_product_desc_t d;
    dnnl_status_t s = dnnl_inner_product_backward_data_desc_init(&d, dx, w, dy);
    return s == dnnl_success ? dnnl_primitive_desc_create(pd, &d, NULL, engine, hint) : s;
#else
    return dnnl_inner_product_backward_data_primitive_desc_create(pd, engine, dx, w, dy, hint, NULL);
#endif
}

/* Local.  c [M, N] = a [M, K] b [K, N]. */
static inline dnnl_status_t lt_dnnl_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, lt_dnnl_md_view a, lt_dnnl_md_view b,
                                           lt_dnnl_md_view c) {
#if DNNL_VERSION_MAJOR < 3
    dnnl_matmul_desc_t d;
    dnnl_status_t s = dnnl_matmul_desc_init(&d, a, b, NULL, c);
    return s == dnnl_success ? dnnl_primitive_desc_create(pd, &d, NULL, engine, NULL) : s;
#else
    return dnnl_matmul_primitive_desc_create(pd, engine, a, b, NULL, c, NULL);
#endif
}
