/* `ltune bench`: where the time of a training step goes, op by op. */
#include "app/app.h"

#include "base/log.h"
#include "check/bench.h"

#include <string.h>

/* Sums of a kind of lines. */
typedef struct total {
    double seconds, flops, bytes;
} total;

static total total_of(const lt_bench *b, const char *kind) {
    total t = {0};
    for (int i = 0; i < b->n; i++) {
        if (kind && strcmp(b->line[i].kind, kind) != 0) continue;
        t.seconds += b->line[i].seconds;
        t.flops += b->line[i].flops;
        t.bytes += b->line[i].bytes;
    }
    return t;
}

/* Microseconds a token of all layers of the model. */
static double per_token(const lt_bench *b, double seconds) { return 1e6 * seconds * b->shape.layers / (double)b->tokens; }

/* Weights of the matrices of all layers. */
static double layer_parameters(const lt_bench *b) {
    const lt_bench_shape *s = &b->shape;
    return (double)s->layers * (double)s->C * (2.0 * (s->H + s->Hkv) * s->D + 3.0 * (double)s->F);
}

static const char *dtype_word(const lt_bench *b) { return b->dtype == LT_E4M3 ? "fp8" : lt_dtype_name(b->dtype); }

static void print_line(const lt_bench *b, const lt_bench_line *l) {
    bool product = l->flops > 0 && strcmp(l->kind, "rows") != 0;
    printf("  %-22s %-10s %11.1f %8.2f %7.1f  %9.3f %s\n", l->name, l->kind, 1e6 * l->seconds, per_token(b, l->seconds),
           100 * l->seconds / b->sum_s, product ? 1e-12 * l->flops / l->seconds : 1e-9 * l->bytes / l->seconds,
           product ? "TFLOP/s" : "GB/s");
}

static void print_sum(const lt_bench *b, const char *what, const char *kind, const char *target) {
    total t = total_of(b, kind);
    printf("  %-33s %11.1f %8.2f %7.1f", what, 1e6 * t.seconds, per_token(b, t.seconds), 100 * t.seconds / b->sum_s);
    printf(target ? "  target %s\n" : "\n", target);
}

/* Targets of a 7B model on an H100 at 22,000 tokens/s: 45.4 us a token in all. */
static void print_sums(const lt_bench *b) {
    bool known = strcmp(b->shape.name, "llama-2-7b") == 0;
    printf("\n  %-33s %11s %8s %7s\n", "together", "us a layer", "us/token", "share %");
    print_sum(b, "products", "product", known ? "34.5 to 39.9 us/token (750 to 650 TFLOP/s)" : NULL);
    print_sum(b, "rows: norms, rotation, activation", "rows", known ? "4.0 to 4.4 us/token" : NULL);
    print_sum(b, "attention with a prefix", "attention", known ? "1.2 (length 14) to 4.7 (512) us/token" : NULL);
    print_sum(b, "all ops", NULL, known ? "45.4 us/token = 22,000 tokens/s" : NULL);
}

static void print_whole(const lt_bench *b) {
    double tokens_s = 1e6 / per_token(b, b->whole_s), executed = total_of(b, "product").flops, N = b->shape.parameters;
    printf("\nenqueued as one: %.1f us a layer, %.2f us/token, %.0f tokens/s for %d layers; %.3g TFLOP/s executed in products\n",
           1e6 * b->whole_s, per_token(b, b->whole_s), tokens_s, b->shape.layers, 1e-12 * executed / b->whole_s);
    printf("4N a token: %.3g TFLOP/s with N = %.3g (layers)", 4e-12 * layer_parameters(b) * tokens_s, layer_parameters(b));
    if (N > 0) printf(", %.3g with N = %.3g (the model)", 4e-12 * N * tokens_s, N);
    printf("\n");
    if (b->counts.launches > 0 || b->counts.products > 0)
        printf("a layer: %lld kernels, %lld products of the library, %lld copies, %lld allocations, %lld waits of the host\n",
               (long long)b->counts.launches, (long long)b->counts.products, (long long)b->counts.copies, (long long)b->counts.allocs,
               (long long)b->counts.waits);
}

static void print_maps(const lt_bench *b) {
    printf("\nonce a step: the map of an lt_prefix trial (spread over the ranks in a run)\n  %-33s %11s %8s\n", "", "us a layer",
           "ms in all");
    for (int i = 0; i < b->n_maps; i++)
        printf("  %-33s %11.1f %8.2f %7s  %9.3f GB/s\n", b->map[i].name, 1e6 * b->map[i].seconds, 1e3 * b->map[i].seconds * b->shape.layers,
               "", 1e-9 * b->map[i].bytes / b->map[i].seconds);
}

static void print_e4m3(const lt_bench *b) {
    if (b->n_e4m3 > 0) printf("\nproducts in FP8 (E4M3, a factor a row and a column), the library alone, forward\n");
    for (int i = 0; i < b->n_e4m3; i++)
        printf("  %-33s %11.1f %8.2f %7s  %9.3f TFLOP/s\n", b->e4m3[i].name, 1e6 * b->e4m3[i].seconds, per_token(b, b->e4m3[i].seconds), "",
               1e-12 * b->e4m3[i].flops / b->e4m3[i].seconds);
    if (b->no_e4m3[0]) printf("\nproducts in FP8: not here: %s\n", b->no_e4m3);
}

static void print_table(const lt_bench *b, const lt_device *d) {
    printf("layer of %s (C %lld, F %lld, %d heads on %d of %d), %s on %s%s%s: %lld tokens in sequences of %lld behind prefixes of %d\n\n",
           b->shape.name, (long long)b->shape.C, (long long)b->shape.F, b->shape.H, b->shape.Hkv, b->shape.D, dtype_word(b),
           lt_device_word(d), d->info.name[0] ? ", " : "", d->info.name, (long long)b->tokens, (long long)b->length, LT_BENCH_PREFIX);
    printf("  %-22s %-10s %11s %8s %7s  %9s\n", "op", "kind", "us", "us/token", "share %", "speed");
    for (int i = 0; i < b->n; i++) print_line(b, &b->line[i]);
    print_sums(b);
    print_whole(b);
    print_maps(b);
    print_e4m3(b);
}

static json_t *lines_json(const lt_bench_line *l, int n) {
    json_t *lines = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(lines, json_pack("{s:s, s:s, s:f, s:f, s:f}", "op", l[i].name, "kind", l[i].kind, "seconds", l[i].seconds,
                                               "flop", l[i].flops, "bytes", l[i].bytes));
    return lines;
}

static void print_json(const lt_bench *b, const lt_device *d) {
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:o, s:o, s:o}", "shape", b->shape.name, "dtype",
                  dtype_word(b), "device", lt_device_word(d), "gpu", d->info.name, "tokens", (json_int_t)b->tokens, "length",
                  (json_int_t)b->length, "layers", b->shape.layers, "parameters_of_layers", layer_parameters(b), "sum_s", b->sum_s,
                  "layer_s", b->whole_s, "us_per_token", per_token(b, b->whole_s), "launches", (json_int_t)b->counts.launches,
                  "library_products", (json_int_t)b->counts.products, "waits", (json_int_t)b->counts.waits, "ops",
                  lines_json(b->line, b->n), "maps", lines_json(b->map, b->n_maps), "e4m3", lines_json(b->e4m3, b->n_e4m3));
    json_dumpf(o, stdout, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(o);
}

static lt_status parse(const lt_app_args *a, const lt_device *d, lt_bench *b) {
    const char *dtype = lt_cli_value(&a->cli, "dtype"), *model = lt_cli_value(&a->cli, "model");
    int64_t tokens, repeats;
    const char *usual = lt_bench_default(d->ops, &tokens);
    b->dtype = !dtype || !strcmp(dtype, "bf16") ? LT_BF16 : !strcmp(dtype, "f32") ? LT_F32 : LT_E4M3;
    LT_CHECK(b->dtype != LT_E4M3 || !strcmp(dtype, "fp8"), LT_ERR_ARG, "--dtype is \"%s\"; known: bf16, f32, fp8", dtype);
    LT_TRY(lt_bench_find(model ? model : usual, &b->shape));
    LT_TRY(lt_cli_int(&a->cli, "tokens", 16, 1 << 20, tokens, &b->tokens));
    LT_TRY(lt_cli_int(&a->cli, "length", 1, 4096, 80, &b->length));
    LT_TRY(lt_cli_int(&a->cli, "repeats", 0, 20, 0, &repeats));
    b->repeats = (int)repeats;
    return LT_OK;
}

static lt_status run(const lt_app_args *a) {
    static lt_bench b; /* large */
    lt_device device;
    LT_TRY(lt_app_open_device(a, &device));
    lt_log_limit(LT_LOG_WARN);
    lt_status st = parse(a, &device, &b);
    if (st == LT_OK) st = lt_bench_run(device.ops, lt_comm_default_threads(a->world, 0), &b);
    LT_TRY(lt_agree(a->world, st));
    if (lt_cli_value(&a->cli, "json"))
        print_json(&b, &device);
    else
        print_table(&b, &device);
    return LT_OK;
}

static const lt_cli_option options[] = {
    {"device", "D", "auto (default), cpu, cuda or cuda-emulated", 0},
    {"model", "SHAPE",
     "llama-2-7b (default on GPUs), llama-2-13b, llama-3-8b, mistral-7b, llama-3-70b, or\n"
     "a part of one: llama-2-7b/4 (default on CPUs)",
     0},
    {"tokens", "T", "rows of a pack (default: 8448 on GPUs, 1024 on CPUs)", 0},
    {"length", "N", "tokens of a sequence (default 80): 14, 80 and 512 are of interest", 0},
    {"dtype", "TYPE", "bf16 (default), f32, or fp8: frozen matrices in E4M3", 0},
    {"repeats", "N", "of each op, the median counts (default: what a third of a second allows, 1 to 20)", 0},
    {"json", NULL, "one JSON object on stdout and nothing else there", 0},
    {0}};

const lt_app_command lt_app_bench = {
    .cli =
        {.program = "ltune",
         .name = "bench",
         .summary = "where the time of a training step goes, op by op, at the shapes of 7B models",
         .usage = "[--device D] [--model SHAPE] [--tokens T] [--length N] [--json]",
         .about =
             "One layer with random weights, forward and backward to its input, with a prefix bank: each op alone, then the layer as a "
             "run enqueues\n"
             "it. us/token are for all layers of the model. With several ranks all measure at once, as in a run, and rank 0's numbers are "
             "printed.\n",
         .option = options,
         .examples = "ltune bench\n"
                     "ltune bench --device cuda --length 512\n"
                     "ltune bench --device cpu --model llama-2-7b/8 --json\n",
         .mpi = true},
    .run = run};
