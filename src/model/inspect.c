/* What `ltune-prep model` prints of a folder: the same shard plan and the same checks as loading, without reading weights. */
#include "model/model_impl.h"

#include "kernels/cpu.h"

#include <string.h>

enum { LISTED_TP = 64 };

static lt_status open_whole(const char *dir, lt_grid *grid, lt_model *m) {
    LT_TRY(lt_arch_read(dir, &m->arch));
    LT_TRY(lt_st_open(dir, &m->st));
    m->grid = grid;
    m->ctx = (lt_ctx){.ops = lt_ops_cpu(), .threads = 1, .compute = LT_F32};
    LT_TRY(m->ctx.ops->ctx_init(&m->ctx));
    return lt_model_impl_prepare(m);
}

/* Tensors of the file that the architecture does not use. */
static void print_unused(const lt_model *m, FILE *out) {
    int64_t unused = 0;
    for (int64_t i = 0; i < lt_st_count(m->st); i++) {
        const lt_st_tensor *t = lt_st_at(m->st, i);
        bool used = false;
        for (int64_t k = 0; k < m->n_weights && !used; k++) used = m->weight[k].src == t;
        if (used) continue;
        if (unused++ < 10) fprintf(out, "  unused: %s\n", t->name);
    }
    if (unused > 10) fprintf(out, "  unused: and %lld more\n", (long long)(unused - 10));
}

/* Memory, and the tp that work: all up to some number, and which of them give every rank the same. */
static void print_memory(const lt_model *m, FILE *out) {
    char size[32], cut[512];
    int most = 1;
    fprintf(out, "memory for the weights in f32 on one rank: %s; parallel.tp that give even parts: 1",
            lt_bytes_str(size, (double)m->weights_bytes));
    for (int tp = 2; lt_arch_tp_works(&m->arch, tp); most = tp++) {
        if (tp > LISTED_TP) continue;
        lt_arch_describe_cut(&m->arch, tp, cut, sizeof cut);
        if (!cut[0]) fprintf(out, ", %d", tp);
    }
    fprintf(out, "; others up to %d work too\n", most);
}

lt_status lt_model_inspect(const char *dir, FILE *out) {
    lt_grid grid = {.size = 1, .tp_size = 1, .dp_size = 1};
    lt_model *m = NULL;
    char text[512], size[32];
    LT_TRY(lt_cpu_check());
    LT_TRY(lt_calloc(&m, 1, sizeof *m, "a model"));
    lt_status st = open_whole(dir, &grid, m);
    if (st == LT_OK) {
        lt_arch_describe(&m->arch, text, sizeof text);
        fprintf(out, "%s\n%s\n", dir, text);
        fprintf(out, "weights: %s, %lld tensors in %d file(s), %s as %s\n", lt_st_path(m->st), (long long)lt_st_count(m->st),
                lt_st_files(m->st), lt_bytes_str(size, (double)lt_st_total_bytes(m->st)),
                m->n_weights ? lt_st_at(m->st, 0)->dtype_name : "?");
        if (lt_st_note(m->st)) fprintf(out, "note: %s\n", lt_st_note(m->st));
    }
    if (st == LT_OK) st = lt_model_impl_match(m);
    if (st == LT_OK) {
        print_memory(m, out);
        fprintf(out, "all tensors that %s needs are there with the right shapes%s\n", m->arch.model_type,
                m->has_pooler ? ", pooler included" : "");
        print_unused(m, out);
    }
    lt_model_destroy(&m);
    return st;
}
