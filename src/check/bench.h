#pragma once
/* `ltune bench`: where the time of a training step goes, op by op, in one layer of a large model with random weights.
 *
 * Every step of the layer is timed alone, median of repeats, between events of the device; then the whole layer as a run enqueues it, so that what stands
 * between the ops shows too.  Microseconds a token are for all layers of the model.  Weights and rows are random numbers: zeros make GPUs faster than they
 * are. */

#include "comm/comm.h"
#include "model/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_bench_shape {
    char name[32];
    int64_t C, F;
    int H, Hkv, D, layers;
    double parameters; /* N of 4N: all of the model, embeddings included; 0: those of its layers */
} lt_bench_shape;

enum { LT_BENCH_LINES = 32, LT_BENCH_PREFIX = 16 };
typedef struct lt_bench_line {
    const char *name, *kind; /* static; kind: "product", "attention", "rows" */
    double seconds, flops, bytes;
} lt_bench_line;

typedef struct lt_bench {
    lt_bench_shape shape;
    lt_dtype dtype;
    int64_t tokens, length;
    int repeats, n;
    lt_bench_line line[LT_BENCH_LINES]; /* [n] of the step, in its order */
    double sum_s, whole_s;              /* of the lines; of the layer as it is enqueued in a run */
    lt_gpu_counts counts;               /* of one pass through the layer; zero on a CPU */
    int n_maps;
    lt_bench_line map[8]; /* of the map of an lt_prefix trial in one layer: once a step, whatever the tokens */
    int n_e4m3;
    lt_bench_line e4m3[LT_BENCH_LINES]; /* products by the library in FP8 alone, on GPUs that have it */
    char no_e4m3[160];                  /* why not */
} lt_bench;

/* Local.  A shape by name ("llama-2-7b"), or one that is a part of it ("llama-2-7b/4": width, heads and feed-forward divided).  Errors: ARG, with the names. */
lt_status lt_bench_find(const char *name, lt_bench_shape *shape);
/* Local.  What is measured where nothing was said: 7B as it is on a GPU, smaller ones elsewhere. */
const char *lt_bench_default(const lt_ops *ops, int64_t *tokens);
/* Local.  Fills the rest of b from its shape, dtype, tokens, length and repeats (0: as many as are worth it).  Errors: ARG, NOMEM, CUDA, INTERNAL. */
lt_status lt_bench_run(const lt_ops *ops, int threads, lt_bench *b);
/* Local.  Dense bf16 peak of a GPU by its name, in FLOP/s; 0 = not known. */
double lt_bench_peak(const char *gpu_name);

#ifdef __cplusplus
}
#endif
