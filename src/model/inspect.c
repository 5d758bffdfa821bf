/* What `ltune-prep model` prints of a folder: the same shard plan, the same checks and the same sizes as loading, without reading weights.  Memory comes from
 * the arena that only counts, under a grid that says which rank of how many this is: what `ltune plan` prints for that layout. */
#include "model/model_impl.h"

#include "kernels/cpu.h"

#include <stdlib.h>
#include <string.h>

enum { LISTED_TP = 64 };

/* The shard plan of one rank; m has architecture and file. */
static lt_status prepare(lt_model *m, lt_grid *grid, lt_dtype compute) {
    m->grid = grid;
    m->ctx = (lt_ctx){.ops = lt_ops_cpu(), .threads = 1, .compute = compute};
    LT_TRY(m->ctx.ops->ctx_init(&m->ctx));
    return lt_model_impl_prepare(m);
}

static lt_status open_whole(const char *dir, lt_grid *grid, lt_model *m) {
    LT_TRY(lt_arch_read(dir, &m->arch));
    LT_TRY(lt_st_open(dir, &m->st));
    LT_TRY(prepare(m, grid, LT_F32));
    LT_TRY(lt_model_impl_find_masks(m));
    return lt_model_impl_match(m);
}

/* Bytes of the weights on the rank that has most. */
static lt_status weights_of_rank(const lt_model *whole, int tp, lt_dtype compute, size_t *bytes) {
    lt_grid grid = {.size = tp, .tp_size = tp, .dp_size = 1};
    lt_model *m = NULL;
    (void)lt_arch_widest(&whole->arch, tp, &grid.tp_rank);
    LT_TRY(lt_calloc(&m, 1, sizeof *m, "a model"));
    m->arch = whole->arch;
    m->st = whole->st;
    lt_status st = prepare(m, &grid, compute);
    *bytes = m->weights_bytes;
    m->st = NULL; /* the whole model's */
    lt_model_destroy(&m);
    return st;
}

/* Files, and the bytes of each element type in them. */
static void print_files(const lt_model *m, FILE *out) {
    char size[32];
    int64_t n = lt_st_count(m->st);
    fprintf(out, "weights: %s, %lld tensors in %d file%s, %s:", lt_st_path(m->st), (long long)n, lt_st_files(m->st),
            lt_st_files(m->st) == 1 ? "" : "s", lt_bytes_str(size, (double)lt_st_total_bytes(m->st)));
    for (int64_t i = 0, types = 0; i < n; i++) {
        const char *type = lt_st_at(m->st, i)->dtype_name;
        int64_t bytes = 0, k = 0;
        while (k < i && strcmp(lt_st_at(m->st, k)->dtype_name, type) != 0) k++;
        if (k < i) continue;
        for (; k < n; k++) bytes += strcmp(lt_st_at(m->st, k)->dtype_name, type) ? 0 : lt_st_at(m->st, k)->bytes;
        fprintf(out, "%s %s %s", types++ ? "," : "", type, lt_bytes_str(size, (double)bytes));
    }
    fprintf(out, "\n");
    if (lt_st_note(m->st)) fprintf(out, "note: %s\n", lt_st_note(m->st));
}

/* What of the architecture was found, and what was not and need not be. */
static void print_used(const lt_model *m, FILE *out) {
    fprintf(out, "all tensors that %s needs are there with the right shapes\n", m->arch.model_type);
    for (const lt_row *row = m->arch.family->rows; row->part != LT_PART_END; row++)
        if (row->part == LT_PART_HEAD && m->arch.tied)
            fprintf(out, "tied: the output embedding is the token embedding\n");
        else if (row->part == LT_PART_HEAD && !lt_model_impl_in_file(m, LT_PART_HEAD))
            fprintf(out, "output embedding: none (no %s): the model can be tuned, but not write texts\n", row->name);
        else if (row->part == LT_PART_POOLER && m->has_pooler)
            fprintf(out, "pooler: %s, frozen, between the row that is read out and the heads\n", row->name);
        else if (row->part == LT_PART_POOLER)
            fprintf(out, "pooler: none (no %s): the row that is read out goes to the heads as it is\n", row->name);
}

/* A line of the table: what `ltune plan` prints as weights and as cut for this tp. */
static lt_status print_tp(const lt_model *m, int tp, FILE *out) {
    char f32_text[32], bf16_text[32], cut[512];
    size_t f32 = 0, bf16 = 0;
    if (!lt_arch_tp_works(&m->arch, tp)) {
        fprintf(out, "  %-11d  -            -            more ranks than %s\n", tp,
                tp > m->arch.H ? "attention heads" : "feed-forward columns");
        return LT_OK;
    }
    LT_TRY(weights_of_rank(m, tp, LT_F32, &f32));
    LT_TRY(weights_of_rank(m, tp, LT_BF16, &bf16));
    lt_arch_describe_cut(&m->arch, tp, cut, sizeof cut);
    fprintf(out, "  %-11d  %-11s  ", tp, lt_bytes_str(f32_text, (double)f32));
    fprintf(out, cut[0] ? "%-11s  uneven: %s\n" : "%s\n", lt_bytes_str(bf16_text, (double)bf16), cut);
    return LT_OK;
}

static lt_status print_memory(const lt_model *m, FILE *out) {
    static const int listed[] = {1, 2, 4, 8};
    char cut[512];
    int most = 1;
    fprintf(
        out,
        "memory for the weights on the rank that has most, as CPUs like this one keep them (data-parallel ranks of a node share a copy):\n"
        "  parallel.tp  f32          bf16\n");
    for (size_t i = 0; i < sizeof listed / sizeof *listed; i++) LT_TRY(print_tp(m, listed[i], out));
    fprintf(out, "parallel.tp that give even parts: 1");
    for (int tp = 2; lt_arch_tp_works(&m->arch, tp); most = tp++) {
        if (tp > LISTED_TP) continue;
        lt_arch_describe_cut(&m->arch, tp, cut, sizeof cut);
        if (!cut[0]) fprintf(out, ", %d", tp);
    }
    fprintf(out, "; others up to %d work too\n", most);
    return LT_OK;
}

lt_status lt_model_inspect(const char *dir, FILE *out) {
    lt_grid grid = {.size = 1, .tp_size = 1, .dp_size = 1};
    lt_model *m = NULL;
    char text[512];
    LT_TRY(lt_cpu_check());
    LT_TRY(lt_calloc(&m, 1, sizeof *m, "a model"));
    lt_status st = open_whole(dir, &grid, m);
    if (m->n_weights) { /* also where a tensor is missing or of another shape */
        lt_arch_describe(&m->arch, text, sizeof text);
        fprintf(out, "%s\n%s\n", dir, text);
        print_files(m, out);
    }
    if (st == LT_OK) {
        print_used(m, out);
        st = lt_model_impl_print_ignored(m, out);
    }
    if (st == LT_OK) st = print_memory(m, out);
    lt_model_destroy(&m);
    return st;
}
