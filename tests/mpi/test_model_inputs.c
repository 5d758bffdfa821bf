// TEST np: 1 2 3 4  rooms: model  labels: mpi  timeout: 120  ops: guard cuda-emulated
/* Read-out rows and gradients of prefixes and prompt rows of models whose scores know distances, against tests/golden/make_deberta.py, tensor parallel over all
 * ranks of the test: sequences with a prefix of one length or another or none, with prompt rows or without, in one pack and in packs of one.
 *
 * Limits: rows 2e-5 absolute, gradients 1e-5 of their norm.  Controls: one element off; a prefix that is a row shorter. */
#define LT_TEST_MPI
#include "model_fixture.h"

#include "base/mem.h"
#include "store/h5.h"

static const double row_limit = 2e-5, gradient_limit = 1e-5;

typedef struct golden {
    int32_t *ids, *types, *slot, *slot_len, *prompted;
    int64_t *offsets, n, T, S, P, m, H, D, C, prompt_rows;
    float *prompt, *prefix, *rows, *upstream, *d_prompt, *d_prefix;
} golden;

static bool golden_read(golden *g, const char *name) {
    hid_t h = -1;
    char path[4096];
    int64_t t[1] = {-1}, offsets[1] = {-1}, n[1] = {-1}, S[1] = {-1}, rows[2] = {-1, -1}, out[2] = {-1, -1};
    int64_t prefix[6] = {-1, -1, -1, -1, -1, -1};
    (void)snprintf(path, sizeof path, "%s/inputs_%s.h5", LT_GOLDEN, name);
    *g = (golden){0};
    lt_status st = lt_h5_open(path, &h);
    if (st == LT_OK) st = lt_h5_read(h, "ids", LT_I32, 1, t, &g->ids);
    if (st == LT_OK) st = lt_h5_read(h, "offsets", LT_I64, 1, offsets, &g->offsets);
    if (st == LT_OK && lt_h5_has(h, "types")) st = lt_h5_read(h, "types", LT_I32, 1, t, &g->types);
    if (st == LT_OK) st = lt_h5_read(h, "slot", LT_I32, 1, n, &g->slot);
    if (st == LT_OK) st = lt_h5_read(h, "prompted", LT_I32, 1, n, &g->prompted);
    if (st == LT_OK) st = lt_h5_read(h, "slot_len", LT_I32, 1, S, &g->slot_len);
    if (st == LT_OK) st = lt_h5_read(h, "prompt", LT_F32, 2, rows, &g->prompt);
    if (st == LT_OK) st = lt_h5_read(h, "d_prompt", LT_F32, 2, rows, &g->d_prompt);
    if (st == LT_OK) st = lt_h5_read(h, "rows", LT_F32, 2, out, &g->rows);
    if (st == LT_OK) st = lt_h5_read(h, "upstream", LT_F32, 2, out, &g->upstream);
    if (st == LT_OK) st = lt_h5_read(h, "prefix", LT_F32, 6, prefix, &g->prefix);
    if (st == LT_OK) st = lt_h5_read(h, "d_prefix", LT_F32, 6, prefix, &g->d_prefix);
    lt_h5_close(&h);
    CHECK_OK(st);
    g->n = n[0];
    g->T = t[0];
    g->S = S[0];
    g->m = prefix[1];
    g->P = prefix[3];
    g->H = prefix[4];
    g->D = prefix[5];
    g->C = rows[1];
    g->prompt_rows = rows[0];
    return st == LT_OK;
}

static void golden_free(golden *g) {
    void *all[] = {g->ids,    g->types,  g->slot, g->slot_len, g->prompted, g->offsets,
                   g->prompt, g->prefix, g->rows, g->upstream, g->d_prompt, g->d_prefix};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static double distance(const float *x, const float *y, int64_t n) {
    double sum = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
        norm += (double)y[i] * (double)y[i];
    }
    return sqrt(sum / norm);
}

/* Heads [h0, h0 + n) of rows of H heads between a whole array and a rank's. */
static void cut(const golden *g, int h0, int n, float *whole, float *part, bool back) {
    size_t bytes = (size_t)(n * g->D) * sizeof *part;
    for (int64_t r = 0; r < g->S * g->m * 2 * g->P; r++) {
        float *w = whole + (r * g->H + h0) * g->D, *p = part + r * n * g->D;
        if (back)
            memcpy(w, p, bytes);
        else
            memcpy(p, w, bytes);
    }
}

static void add_sequence(const golden *g, lt_pack *pack, int64_t i, const int32_t *slot_len) {
    int64_t from = g->offsets[i], len = g->offsets[i + 1] - from, segment = len;
    for (int64_t t = len - 1; g->types && t >= 0 && g->types[from + t]; t--) segment = t;
    CHECK_OK(lt_pack_add(pack, &(lt_pack_seq){.tokens = g->ids + from,
                                              .n = len,
                                              .segment = segment,
                                              .prompt_rows = g->prompted[i] ? g->prompt_rows : 0,
                                              .slot = g->slot[i],
                                              .prefix_len = g->slot[i] < 0 ? 0 : slot_len[g->slot[i]]}));
}

/* Forward and backward of sequences [from, to); rows of the read-out go to rows. */
static void pass(fixture *f, const golden *g, const lt_bank *bank, int64_t from, int64_t to, float *upstream, float *rows) {
    const lt_ctx *c = lt_model_ctx(f->model);
    size_t bytes = (size_t)((to - from) * g->C) * sizeof *rows;
    lt_pack pack;
    lt_readout_rows out;
    CHECK_OK(lt_pack_create(g->T + g->n * g->prompt_rows, g->n, &pack));
    for (int64_t i = from; i < to; i++) add_sequence(g, &pack, i, bank->slot_len);
    lt_forward_args args = {.pack = &pack, .bank = bank, .readout = LT_READ_CLS, .backward = true};
    lt_model_forward(f->model, &args, &out);
    CHECK_OK(lt_ctx_download(c, rows + from * g->C, out.rows, bytes));
    lt_model_backward(f->model, &args, upstream + from * g->C);
    lt_pack_destroy(&pack);
}

/* Everything with slots of these lengths in packs of `together` sequences, into host arrays. */
static void run(fixture *f, golden *g, const int32_t *slot_len, int64_t together, float *rows, float *d_prompt, float *d_prefix) {
    int first, heads;
    const lt_ctx *c = lt_model_ctx(f->model);
    lt_model_kv_heads(f->model, &first, &heads);
    int64_t n_kv = g->S * g->m * 2 * g->P * heads * g->D, n_prompt = g->prompt_rows * g->C, whole = g->S * g->m * 2 * g->P * g->H * g->D;
    size_t kv_bytes = (size_t)n_kv * sizeof(float), prompt_bytes = (size_t)n_prompt * sizeof(float);
    size_t up_bytes = (size_t)(g->n * g->C) * sizeof(float);
    float *part = calloc((size_t)n_kv, sizeof *part);
    double *sum = calloc((size_t)whole, sizeof *sum);
    void *at[5];
    const size_t bytes[5] = {kv_bytes, kv_bytes, prompt_bytes, prompt_bytes, up_bytes};
    for (int i = 0; i < 5; i++) CHECK_OK(c->ops->alloc(c, bytes[i], "test array", &at[i]));
    cut(g, first, heads, g->prefix, part, false);
    CHECK_OK(lt_ctx_upload(c, at[0], part, kv_bytes));
    CHECK_OK(lt_ctx_upload(c, at[2], g->prompt, prompt_bytes));
    CHECK_OK(lt_ctx_upload(c, at[4], g->upstream, up_bytes));
    lt_bank bank = {.S = g->S,
                    .P_max = g->P,
                    .slot_len = slot_len,
                    .kv = at[0],
                    .d_kv = at[1],
                    .prompt_rows = g->prompt_rows,
                    .prompt = at[2],
                    .d_prompt = at[3]};
    for (int64_t i = 0; i < g->n; i += together) pass(f, g, &bank, i, i + together < g->n ? i + together : g->n, at[4], rows);
    CHECK_OK(lt_ctx_download(c, part, at[1], kv_bytes));
    CHECK_OK(lt_ctx_download(c, d_prompt, at[3], prompt_bytes));
    memset(d_prefix, 0, (size_t)whole * sizeof *d_prefix);
    cut(g, first, heads, d_prefix, part, true);
    for (int64_t i = 0; i < whole; i++) sum[i] = (double)d_prefix[i];
    lt_sum_host(f->grid.tp, sum, whole);
    for (int64_t i = 0; i < whole; i++) d_prefix[i] = (float)sum[i];
    for (int i = 0; i < 5; i++) c->ops->free(c, at[i]);
    free(part);
    free(sum);
}

static void check(fixture *f, const char *name, int tp) {
    golden g;
    lt_arch arch;
    char dir[4096];
    (void)snprintf(dir, sizeof dir, "%s/%s", LT_GOLDEN, name);
    CHECK_OK(lt_arch_read(dir, &arch));
    if (!lt_arch_tp_works(&arch, tp) || !golden_read(&g, name)) return;
    int64_t whole = g.S * g.m * 2 * g.P * g.H * g.D;
    float *rows = calloc((size_t)(g.n * g.C), sizeof *rows), *d_prompt = calloc((size_t)(g.prompt_rows * g.C), sizeof *d_prompt);
    float *d_prefix = calloc((size_t)whole, sizeof *d_prefix);
    lt_model_limits limits = {
        .tokens = g.T + g.n * g.prompt_rows, .seqs = g.n, .max_len = 43, .P_max = g.P, .slots = g.S, .backward = true};
    if (fixture_open(f, dir, tp, NULL, LT_F32, limits)) {
        for (int64_t together = g.n; together > 0; together = together > 1 ? 1 : 0) {
            run(f, &g, g.slot_len, together, rows, d_prompt, d_prefix);
            double worst = test_max_diff(rows, g.rows, g.n * g.C), prompt = distance(d_prompt, g.d_prompt, g.prompt_rows * g.C);
            double prefix = distance(d_prefix, g.d_prefix, whole);
            if (lt_comm_rank(f->world) == 0)
                printf("%s tp %d, packs of %lld: rows %.1e, gradients of prompt %.1e, prefix %.1e\n", name, tp, (long long)together, worst,
                       prompt, prefix);
            TEST_REPORT(worst <= row_limit, "%s: rows differ by %.2g", name, worst);
            TEST_REPORT(prompt <= gradient_limit, "%s: gradient of the prompt differs by %.2g", name, prompt);
            TEST_REPORT(prefix <= gradient_limit, "%s: gradient of the prefix differs by %.2g", name, prefix);
        }
        d_prompt[3] *= 1.01f;
        CHECK(distance(d_prompt, g.d_prompt, g.prompt_rows * g.C) > gradient_limit);
        g.slot_len[1]--;
        run(f, &g, g.slot_len, g.n, rows, d_prompt, d_prefix);
        CHECK(test_max_diff(rows, g.rows, g.n * g.C) > row_limit && distance(d_prefix, g.d_prefix, whole) > gradient_limit);
    }
    fixture_close(f);
    free(rows);
    free(d_prompt);
    free(d_prefix);
    golden_free(&g);
}

int main(void) {
    fixture f = {0};
    CHECK_OK(lt_comm_init(NULL, NULL, &f.world));
    int tp = lt_comm_size(f.world);
    check(&f, "tiny-deberta", tp);
    check(&f, "tiny-deberta-v2", tp);
    check(&f, "tiny-deberta-v2-conv", tp);
    int rc = test_end();
    lt_comm_fini(&f.world);
    return rc;
}
