// TEST np: 1 2 3 4  rooms: model  labels: mpi  timeout: 120  ops: guard
/* Hidden states of every layer, and what a head reads, against transformers (goldens from tests/golden/make_hidden.py and make_minilm.py), for every family,
 * tensor parallel over all ranks of the test where a model divides among them.
 * Limit 2e-5 absolute in f32: the goldens are f64 rounded to f32; states are of order 1 to 5. */
#define LT_TEST_MPI
#include "golden_models.h"

#include "store/h5.h"

static const double limit = 2e-5;
static int token_rows; /* models whose token rows were compared */

typedef struct golden {
    int32_t *ids, *types;
    int64_t *offsets;
    float *hidden, *pooled; /* pooled: NULL = the golden has none */
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
    if (st == LT_OK && lt_h5_has(h, "pooled")) st = lt_h5_read(h, "pooled", LT_F32, 2, (int64_t[]){-1, -1}, &g->pooled);
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
    free(g->pooled);
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

static lt_readout_rows forward(fixture *f, const lt_pack *pack, lt_readout readout, int64_t n, int64_t C, float *rows, float *hidden) {
    lt_readout_rows out;
    lt_model_forward(f->model, &(lt_forward_args){.pack = pack, .readout = readout, .hidden = hidden}, &out);
    CHECK_INT(out.n, n);
    CHECK_OK(lt_ctx_download(lt_model_ctx(f->model), rows, out.rows, (size_t)(n * C) * sizeof *rows));
    return out;
}

static void compare(fixture *f, const char *dir, const char *name, const char *file, const char *hidden, const int *bidirectional, int tp) {
    golden g;
    lt_pack pack = {0};
    if (!golden_read(&g, file, hidden)) return;
    fill(&g, &pack);
    lt_model_limits limits = {.tokens = g.T, .seqs = g.n, .max_len = pack.max_len};
    if (fixture_open(f, dir, tp, bidirectional, LT_F32, limits)) {
        float *all = calloc((size_t)(g.layers * g.T * g.C), sizeof *all);
        float *rows = calloc((size_t)(g.T * g.C), sizeof *rows);
        double most = 0;
        (void)forward(f, &pack, LT_READ_TOKENS, g.T, g.C, rows, all);
        for (int64_t l = 0; l < g.layers; l++) {
            double worst = test_max_diff(all + l * g.T * g.C, g.hidden + l * g.T * g.C, g.T * g.C);
            TEST_REPORT(worst <= limit, "%s %s tp %d layer %lld: largest difference %.3g, limit %.1g", name, hidden, tp, (long long)l,
                        worst, limit);
            most = worst > most ? worst : most;
        }
        CHECK_NEAR(test_max_diff(rows, g.hidden + (g.layers - 1) * g.T * g.C, g.T * g.C), 0, limit);
        const lt_arch *a = lt_model_arch(f->model);
        if (a->positions != LT_POS_TABLE && !a->types &&
            !a->embed_norm) { /* a prompt that starts as words starts as what the first layer reads */
            lt_model_token_rows(f->model, g.ids, g.T, rows);
            double worst = test_max_diff(rows, g.hidden, g.T * g.C);
            TEST_REPORT(worst <= limit, "%s tp %d token rows: largest difference %.3g, limit %.1g", name, tp, worst, limit);
            token_rows++;
        }
        if (g.pooled) {
            (void)forward(f, &pack, LT_READ_CLS, g.n, g.C, rows, NULL);
            double worst = test_max_diff(rows, g.pooled, g.n * g.C);
            TEST_REPORT(worst <= limit, "%s tp %d read-out: largest difference %.3g, limit %.1g", name, tp, worst, limit);
        }
        if (getenv("LT_TEST_VERBOSE") && f->grid.rank == 0) printf("%-22s tp %d: %.1e\n", name, tp, most);
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

/* Variants on the same weights must be seen as different: the fields that make them reach the numbers. */
static void check_variants_differ(void) {
    for (int i = 0; i < N_GOLDEN_MODELS; i++) {
        const golden_model *v = &golden_models[i];
        char a[256], b[256];
        golden plain, other;
        if (!v->variant || !strcmp(v->golden, v->folder)) continue;
        (void)snprintf(a, sizeof a, "hidden_%s.h5", v->golden);
        (void)snprintf(b, sizeof b, "hidden_%s.h5", v->folder);
        if (golden_read(&other, a, "hidden") && golden_read(&plain, b, "hidden")) {
            CHECK(test_max_diff(plain.hidden, other.hidden, plain.layers * plain.T * plain.C) > 100 * limit);
            golden_free(&plain);
            golden_free(&other);
        }
    }
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

/* Small models of other people, of the shared folder. */
static void compare_shared(fixture *f, int tp) {
    static const char *const names[] = {"tiny-random-BertForSequenceClassification", "tiny-random-BloomForCausalLM"};
    const char *shared = fixture_shared();
    for (int i = 0; i < 2; i++) {
        char dir[4300], file[256];
        (void)snprintf(dir, sizeof dir, "%s/models/%s", shared ? shared : "", names[i]);
        (void)snprintf(file, sizeof file, "hidden_%s.h5", names[i]);
        if (!shared || access(dir, R_OK) != 0) {
            if (lt_comm_rank(f->world) == 0) printf("left out: no models/%s in the shared folder (LT_SHARED)\n", names[i]);
        } else if (golden_model_fits(dir, tp)) {
            compare(f, dir, names[i], file, "hidden", NULL, tp);
        }
    }
}

int main(void) {
    char minilm[4096];
    fixture f = {0};
    static const int both[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    CHECK_OK(lt_comm_init(NULL, NULL, &f.world));
    int tp = lt_comm_size(f.world), compared = 0;
    for (int i = 0; i < N_GOLDEN_MODELS; i++) {
        const golden_model *g = &golden_models[i];
        char dir[4096], file[256];
        (void)snprintf(file, sizeof file, "hidden_%s.h5", g->golden);
        golden_model_open(f.world, g, dir);
        if (golden_model_fits(dir, tp)) {
            compared++;
            compare(&f, dir, g->golden, file, "hidden", NULL, tp);
            if (!strcmp(g->golden, "tiny-llama")) compare(&f, dir, g->golden, file, "hidden_bidirectional", both, tp);
        }
        golden_model_close(f.world, g, dir);
    }
    CHECK(compared > 0 && token_rows > 0);
    check_variants_differ();
    compare_shared(&f, tp);
    if (find_minilm(minilm))
        compare(&f, minilm, "MiniLM", "hidden_minilm.h5", "hidden", NULL, tp);
    else if (lt_comm_rank(f.world) == 0)
        printf("left out: MiniLM is not in %s (jobs/quickstart.sh fetches it; or set LT_MINILM)\n", minilm);
    int rc = test_end();
    lt_comm_fini(&f.world);
    return rc;
}
