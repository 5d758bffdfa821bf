#pragma once
/* Attention entries of the two back ends: written in attn*.c of ref/ and cpu/, named in the tables of ops_ref.c and ops_cpu.c.  Semantics
 * and arguments: struct lt_attn_args in ops.h. */

#include "kernels/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Local.  Entries attn_fwd and attn_bwd of lt_ops, f64 inside.  Errors: INTERNAL. */
lt_status lt_ref_attn_fwd(const lt_ctx *c, const struct lt_attn_args *a);
lt_status lt_ref_attn_bwd(const lt_ctx *c, const struct lt_attn_args *a);
/* Local.  The same, fast.  Errors: INTERNAL. */
lt_status lt_cpu_attn_fwd(const lt_ctx *c, const struct lt_attn_args *a);
lt_status lt_cpu_attn_bwd(const lt_ctx *c, const struct lt_attn_args *a);
/* Local.  Bytes of ctx->ws that the two need within the bounds d. */
size_t lt_cpu_attn_ws_bytes(const lt_ctx *c, const lt_dims *d);

#ifdef __cplusplus
}
#endif
