/* Entries that nobody has written yet: weak, so that the table links; each goes away with the file that has the real one. */
#include "kernels/cuda/cuda_impl.h"

namespace LT_GPU_SPACE {

#define TODO(name, args)                                                                                                                   \
    __attribute__((weak)) lt_status name(const lt_ctx *, const struct args *) {                                                            \
        return LT_FAIL(LT_ERR_INTERNAL, "%s: not in this back end yet", #name);                                                            \
    }
LT_OPS_LIST(TODO)
__attribute__((weak)) lt_status lin_alloc(const lt_ctx *, lt_arena *, int64_t, int64_t, lt_lin *) {
    return LT_FAIL(LT_ERR_INTERNAL, "todo");
}
__attribute__((weak)) lt_status lin_pack(const lt_ctx *, lt_lin *, bool) { return LT_FAIL(LT_ERR_INTERNAL, "todo"); }
__attribute__((weak)) lt_status lin_rows(const lt_ctx *, const lt_lin *, int64_t, int64_t, const void *) {
    return LT_FAIL(LT_ERR_INTERNAL, "todo");
}
__attribute__((weak)) void lin_fini(lt_lin *) {}
__attribute__((weak)) void products_fini(state *) {}
__attribute__((weak)) lt_status rel_pack(const lt_ctx *, const struct lt_rel_pack_args *) { return LT_FAIL(LT_ERR_INTERNAL, "todo"); }
__attribute__((weak)) size_t linear_ws_bytes(const lt_ctx *, const lt_dims *) { return 0; }
__attribute__((weak)) size_t attention_ws_bytes(const lt_ctx *, const lt_dims *) { return 0; }

} // namespace LT_GPU_SPACE
