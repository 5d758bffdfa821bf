/* A model that writes on several ranks: how it is laid out, and who has the texts; see generate.h. */
#include "model/generate.h"

#include "base/fault.h"
#include "base/mem.h"
#include "kernels/cpu.h"

#include <stdlib.h>

int lt_generate_tp(const lt_comm *world, int ranks, const lt_arch *arch) {
    for (int tp = ranks; tp > 1; tp--) {
        bool works = ranks % tp == 0 && lt_arch_tp_works(arch, tp);
        for (int r = 0; world && works && r < ranks; r++) works = lt_comm_node(world, r) == lt_comm_node(world, r / tp * tp);
        if (works) return tp;
    }
    return 1;
}

lt_dtype lt_generate_dtype(const lt_ops *ops) { return ops->gpu || lt_cpu_level_now() >= LT_CPU_V4_BF16 ? LT_BF16 : LT_F32; }

void lt_written_free(lt_written *text, int64_t n) {
    for (int64_t i = 0; text && i < n; i++) lt_ids_free(&text[i].token);
    free(text);
}

/* A text that another group wrote; row: how it ended, its tokens' number, its tokens. */
static lt_status adopt(lt_written *w, const double *row) {
    for (int64_t t = 0; t < (int64_t)row[1]; t++) LT_TRY(lt_ids_push(&w->token, (int32_t)row[2 + t]));
    w->end = (lt_end)row[0];
    return LT_OK;
}

lt_status lt_generate_gather(const lt_grid *grid, lt_written *text, int64_t n) {
    int64_t longest = 0;
    double *row = NULL; /* [n, width] */
    if (grid->dp_size == 1) return LT_OK;
    for (int64_t i = 0; i < n; i++)
        if (text[i].token.n > longest) longest = text[i].token.n;
    int64_t width = 2 + lt_max_host(grid->world, longest);
    lt_status st = LT_FAULT_POINT("generate.gather");
    if (st == LT_OK) st = lt_calloc(&row, n * width, sizeof *row, "texts of all groups");
    LT_TRY_GOTO(lt_agree(grid->world, st), st, done);
    for (int64_t i = 0; i < n; i++) {
        row[i * width] = text[i].end;
        row[i * width + 1] = (double)text[i].token.n;
        for (int64_t t = 0; t < text[i].token.n; t++) row[i * width + 2 + t] = text[i].token.id[t];
    }
    lt_sum_host(grid->dp, row, n * width); /* of a text one group has numbers, the others zeros */
    for (int64_t i = 0; st == LT_OK && i < n; i++)
        if (text[i].end == LT_END_NOT) st = adopt(&text[i], row + i * width);
    st = lt_agree(grid->world, st);
done:
    free(row);
    return st;
}
