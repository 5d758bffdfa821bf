// TEST np: 1 2 4  rooms: model  labels: mpi  timeout: 120  ops: guard
/* Hidden states of every layer against transformers (goldens: make_hidden.py, make_deberta.py and make_minilm.py of tests/golden), tensor parallel over all
 * ranks of the test.  Limit 2e-5 absolute in f32: the goldens are f64 rounded to f32; states are of order 1 to 5. */
#define LT_TEST_MPI
#include "model_fixture.h"

#include "store/h5.h"

static const double limit = 2e-5;

typedef struct golden {
    int32_t *ids, *types;
    int64_t *offsets;
    float *hidden;
    int64_t T, n, layers, C;
} golden;

static bool golden_read(golden *g, const char *file, const char *hidden) {
    hid_t h = -1;
    char path[4096];
    int64_t t[1] = {-1}, n[1] = {-1}, d[3] = {-1, -1, -1};
    (void)snprintf(path, sizeof path, "%s/%s", LT_GOLDEN, file);
    *g = (golden){0};
    lt_status st = lt_h5_open(path, &h);
    if (st == LT_OK) st = lt_h5_read(h, "ids", LT_I32, 1, t, &g->ids);
    if (st == LT_OK) st = lt_h5_read(h, "offsets", LT_I64, 1, n, &g->offsets);
    if (st == LT_OK && lt_h5_has(h, "types")) st = lt_h5_read(h, "types", LT_I32, 1, t, &g->types);
    if (st == LT_OK) st = lt_h5_read(h, hidden, LT_F32, 3, d, &g->hidden);
    lt_h5_close(&h);
    CHECK_OK(st);
    g->T = t[0];
    g->n = n[0] - 1;
    g->layers = d[0];
    g->C = d[2];
    return st == LT_OK;
}

static void golden_free(golden *g) {
    free(g->ids);
    free(g->types);
    free(g->offsets);
    free(g->hidden);
}

/* The golden's sequences as one pack. */
static void fill(const golden *g, lt_pack *p) {
    CHECK_OK(lt_pack_create(g->T, g->n, p));
    for (int64_t i = 0; i < g->n; i++) {
        int64_t from = g->offsets[i], len = g->offsets[i + 1] - from, segment = len;
        for (int64_t t = 0; g->types && t < len; t++)
            if (g->types[from + t]) {
                segment = t;
                break;
            }
        CHECK_OK(lt_pack_add(p, &(lt_pack_seq){.tokens = g->ids + from, .n = len, .segment = segment, .slot = -1}));
    }
}

static void compare(fixture *f, const char *model, const char *file, const char *hidden, const int *bidirectional, int tp) {
    golden g;
    lt_pack pack = {0};
    char dir[4096];
    (void)snprintf(dir, sizeof dir, "%s%s%s", *model == '/' ? "" : LT_GOLDEN, *model == '/' ? "" : "/", model);
    if (!golden_read(&g, file, hidden)) return;
    fill(&g, &pack);
    lt_model_limits limits = {.tokens = g.T, .seqs = g.n, .max_len = pack.max_len};
    if (fixture_open(f, dir, tp, bidirectional, LT_F32, limits)) {
        float *all = calloc((size_t)(g.layers * g.T * g.C), sizeof *all);
        lt_readout_rows out;
        float *rows = calloc((size_t)(g.T * g.C), sizeof *rows);
        lt_model_forward(f->model, &(lt_forward_args){.pack = &pack, .readout = LT_READ_TOKENS, .hidden = all}, &out);
        CHECK_OK(lt_ctx_download(lt_model_ctx(f->model), rows, out.rows, (size_t)(g.T * g.C) * sizeof *rows));
        for (int64_t l = 0; l < g.layers; l++) {
            double worst = test_max_diff(all + l * g.T * g.C, g.hidden + l * g.T * g.C, g.T * g.C);
            TEST_REPORT(worst <= limit, "%s tp %d layer %lld: largest difference %.3g, limit %.1g", hidden, tp, (long long)l, worst, limit);
        }
        CHECK_NEAR(test_max_diff(rows, g.hidden + (g.layers - 1) * g.T * g.C, g.T * g.C), 0, limit);
        /* negative control: one value off by ten limits must be seen */
        all[g.C + 1] += (float)(10 * limit);
        CHECK(test_max_diff(all, g.hidden, g.T * g.C) > limit);
        free(rows);
        free(all);
    }
    fixture_close(f);
    lt_pack_destroy(&pack);
    golden_free(&g);
}

/* The real model: in LT_MINILM, or where jobs/quickstart.sh keeps it. */
static bool find_minilm(char path[4096]) {
    const char *set = getenv("LT_MINILM"), *cache = getenv("LTUNE_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (set)
        (void)snprintf(path, 4096, "%s", set);
    else if (cache)
        (void)snprintf(path, 4096, "%s/minilm", cache);
    else
        (void)snprintf(path, 4096, "%s%s/ltune/minilm", xdg ? xdg : home ? home : "", xdg ? "" : "/.cache");
    return access(path, R_OK) == 0;
}

int main(void) {
    char minilm[4096];
    fixture f = {0};
    static const int both[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    CHECK_OK(lt_comm_init(NULL, NULL, &f.world));
    int tp = lt_comm_size(f.world);
    compare(&f, "tiny-bert", "hidden_tiny-bert.h5", "hidden", NULL, tp);
    compare(&f, "tiny-llama", "hidden_tiny-llama.h5", "hidden", NULL, tp);
    compare(&f, "tiny-llama", "hidden_tiny-llama.h5", "hidden_bidirectional", both, tp);
    compare(&f, "tiny-mistral", "hidden_tiny-mistral.h5", "hidden", NULL, tp);
    compare(&f, "tiny-gpt2", "hidden_tiny-gpt2.h5", "hidden", NULL, tp);
    compare(&f, "tiny-deberta", "hidden_tiny-deberta.h5", "hidden", NULL, tp);
    compare(&f, "tiny-deberta-v2", "hidden_tiny-deberta-v2.h5", "hidden", NULL, tp);
    compare(&f, "tiny-deberta-v2-conv", "hidden_tiny-deberta-v2-conv.h5", "hidden", NULL, tp);
    if (find_minilm(minilm))
        compare(&f, minilm, "hidden_minilm.h5", "hidden", NULL, tp);
    else if (lt_comm_rank(f.world) == 0)
        printf("left out: MiniLM is not in %s (jobs/quickstart.sh fetches it; or set LT_MINILM)\n", minilm);
    int rc = test_end();
    lt_comm_fini(&f.world);
    return rc;
}
