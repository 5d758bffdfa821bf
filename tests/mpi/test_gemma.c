// TEST np: 1 2  rooms: model  labels: mpi  timeout: 180
/* A real model, Gemma 3 270M, where its folder is there: it writes the 32 tokens that transformers' writes behind three prompts, one longer than its windows,
 * and some rows of some layers have the states of the golden.  These reach 1e5: limit 2e-5 of a row's length (transformers in f32 is 2e-6 from f64). */
#define LT_TEST_MPI
#include "writer.h"

#include "store/h5.h"

#include <string.h>

static const double limit = 2e-5;
enum { TEXTS = 3, TOKENS = 32 };

/* ---- Gemma 3 270M: in LT_GEMMA3, or in the shared folder or the cache ---- */
static bool find_gemma(char path[4096]) {
    const char *set = getenv("LT_GEMMA3"), *shared = fixture_shared(), *home = getenv("HOME");
    const char *const parent[] = {set, shared, home}, *const below[] = {"", "/models/gemma3-270m", "/.cache/ltune/gemma3-270m"};
    for (int i = set ? 0 : 1; i < (set ? 1 : 3); i++) {
        int n = snprintf(path, 4096, "%s%s", parent[i] ? parent[i] : "", below[i]);
        if (parent[i] && n < 4096 && access(path, R_OK) == 0) return true;
    }
    return false;
}

typedef struct gemma {
    int32_t *ids, *prompt, *layers, *rows;
    int64_t *offsets;
    float *hidden;
    int64_t n_layers, n_rows, C;
} gemma;

static bool gemma_read(gemma *g) {
    hid_t h = -1;
    int64_t n[1] = {-1}, o[1] = {TEXTS + 1}, p[1] = {TEXTS}, l[1] = {-1}, r[1] = {-1}, d[3] = {-1, -1, -1};
    *g = (gemma){0};
    lt_status st = lt_h5_open(LT_GOLDEN "/gemma3-270m.h5", &h);
    if (st == LT_OK) st = lt_h5_read(h, "ids", LT_I32, 1, n, &g->ids);
    if (st == LT_OK) st = lt_h5_read(h, "offsets", LT_I64, 1, o, &g->offsets);
    if (st == LT_OK) st = lt_h5_read(h, "prompt", LT_I32, 1, p, &g->prompt);
    if (st == LT_OK) st = lt_h5_read(h, "layers", LT_I32, 1, l, &g->layers);
    if (st == LT_OK) st = lt_h5_read(h, "rows", LT_I32, 1, r, &g->rows);
    if (st == LT_OK) st = lt_h5_read(h, "hidden", LT_F32, 3, d, &g->hidden);
    lt_h5_close(&h);
    CHECK_OK(st);
    g->n_layers = l[0];
    g->n_rows = r[0];
    g->C = d[2];
    return st == LT_OK;
}

static void gemma_free(gemma *g) {
    void *const owned[] = {g->ids, g->prompt, g->layers, g->rows, g->offsets, g->hidden};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
}

/* |a - b| / |b| */
static double relative(const float *a, const float *b, int64_t n) {
    double difference = 0, length = 0;
    for (int64_t i = 0; i < n; i++) {
        difference += pow((double)a[i] - (double)b[i], 2);
        length += pow((double)b[i], 2);
    }
    return sqrt(difference / length);
}

/* The prompts alone, one behind the other, continued two at a time. */
static void check_greedy(fixture *f, const gemma *g) {
    int64_t offset[TEXTS + 1] = {0};
    int wrong = 0, shifted = 0;
    int32_t *tokens = malloc((size_t)g->offsets[TEXTS] * sizeof *tokens);
    writer w = writer_create(TEXTS, TOKENS);
    for (int k = 0; k < TEXTS; k++) {
        memcpy(tokens + offset[k], g->ids + g->offsets[k], (size_t)g->prompt[k] * sizeof *tokens);
        offset[k + 1] = offset[k] + g->prompt[k];
    }
    writer_run(f,
               (lt_generate_args){
                   .n = TEXTS, .tokens = tokens, .offset = offset, .front = lt_front_none, .max_tokens = TOKENS, .batch = 2, .rows = 256},
               &w);
    for (int k = 0; k < TEXTS; k++)
        for (int t = 0; t < TOKENS; t++) {
            const int32_t *want = g->ids + g->offsets[k] + g->prompt[k];
            wrong += w.token[k * TOKENS + t] != want[t];
            shifted += w.token[k * TOKENS + t] != want[t - 1];
        }
    TEST_REPORT(wrong == 0, "Gemma 3 270M tp %d: %d tokens are others", f->grid.tp_size, wrong);
    CHECK(shifted > 0); /* negative control: the token before is not the next one */
    writer_destroy(&w);
    free(tokens);
}

static void check_states(fixture *f, const gemma *g) {
    int64_t T = g->offsets[TEXTS], m = lt_model_arch(f->model)->m;
    float *hidden = malloc((size_t)((m + 1) * T * g->C) * sizeof *hidden);
    double worst = 0;
    lt_pack p;
    lt_readout_rows out;
    CHECK_OK(lt_pack_create(T, TEXTS, &p));
    for (int k = 0; k < TEXTS; k++) {
        int64_t n = g->offsets[k + 1] - g->offsets[k];
        CHECK_OK(lt_pack_add(&p, &(lt_pack_seq){.tokens = g->ids + g->offsets[k], .n = n, .segment = n, .slot = -1}));
    }
    lt_model_forward(f->model, &(lt_forward_args){.pack = &p, .readout = LT_READ_TOKENS, .hidden = hidden}, &out);
    for (int64_t l = 0; l < g->n_layers; l++)
        for (int64_t r = 0; r < g->n_rows; r++) {
            const float *want = g->hidden + (l * g->n_rows + r) * g->C, *layer = hidden + g->layers[l] * T * g->C;
            double error = relative(layer + g->rows[r] * g->C, want, g->C);
            worst = error > worst ? error : worst;
            TEST_REPORT(error <= limit, "Gemma 3 270M tp %d, layer %d, row %d: relative difference %.2g, limit %.1g", f->grid.tp_size,
                        g->layers[l], g->rows[r], error, limit);
            /* negative control: the row before is seen as another */
            CHECK(relative(layer + (g->rows[r] - 1) * g->C, want, g->C) > limit);
        }
    if (getenv("LT_TEST_VERBOSE") && f->grid.rank == 0) printf("Gemma 3 270M tp %d: %.1e\n", f->grid.tp_size, worst);
    lt_pack_destroy(&p);
    free(hidden);
}

static void check_gemma(fixture *f, const char *dir, int tp) {
    gemma g;
    if (!gemma_read(&g)) return;
    int64_t longest = 0;
    for (int k = 0; k < TEXTS; k++) longest = g.offsets[k + 1] - g.offsets[k] > longest ? g.offsets[k + 1] - g.offsets[k] : longest;
    lt_model_limits limits = {.tokens = g.offsets[TEXTS], .seqs = TEXTS, .max_len = longest, .scored = TEXTS};
    if (fixture_open(f, dir, tp, NULL, LT_F32, limits)) {
        check_greedy(f, &g);
        check_states(f, &g);
    }
    fixture_close(f);
    gemma_free(&g);
}

int main(void) {
    char real[4096];
    fixture f = {0};
    bool found = find_gemma(real);
    CHECK_OK(lt_comm_init(NULL, NULL, &f.world));
    int rank = lt_comm_rank(f.world);
    if (found)
        check_gemma(&f, real, lt_comm_size(f.world));
    else if (rank == 0)
        printf("skipped: Gemma 3 270M is not in %s (or set LT_GEMMA3; tests/golden/make_gemma.py says what of it is compared)\n", real);
    int rc = test_end();
    lt_comm_fini(&f.world);
    return rc || found ? rc : 77;
}
