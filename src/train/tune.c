/* Ways of products over the starts of a run: bytes of the back end, written into checkpoints as hexadecimal digits. */
#include "train/run_impl.h"

#include "base/hex.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static lt_status to_text(const unsigned char *bytes, size_t n, char **text) {
    LT_TRY(lt_calloc(text, 2 * (int64_t)n + 1, 1, "ways of products"));
    lt_hex_write(bytes, n, *text);
    return LT_OK;
}

static lt_status to_bytes(const char *text, unsigned char **bytes, size_t *n) {
    *n = text ? strlen(text) / 2 : 0;
    if (!*n) return LT_OK;
    LT_TRY(lt_calloc(bytes, (int64_t)*n, 1, "ways of products"));
    LT_CHECK(lt_hex_read(text, *n, *bytes), LT_ERR_FORMAT, "the checkpoint's ways of products are not hexadecimal digits");
    return LT_OK;
}

lt_status lt_run_impl_tune(lt_run *r) {
    unsigned char *stored = NULL;
    void *bytes = NULL;
    size_t n_stored = 0, n = 0;
    if (!r->device.ops->tune || r->purpose != LT_RUN_TRAIN) return LT_OK;
    lt_status st = lt_agree(r->grid.world, to_bytes(r->folder.resume_products, &stored, &n_stored));
    if (st == LT_OK) st = lt_model_tune(r->model, stored, n_stored, &bytes, &n);
    if (st == LT_OK) st = lt_agree(r->grid.world, n ? to_text(bytes, n, &r->products) : LT_OK);
    free(stored);
    free(bytes);
    return st;
}
