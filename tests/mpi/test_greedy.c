// TEST np: 1 2  rooms: model  labels: mpi  timeout: 180
/* Decoders say what transformers' say: of every greedy continuation in the goldens each token has the best score behind the tokens before it.  The text
 * is run once, whole: a causal model's row t knows nothing behind t.  Scores are the tied embedding rows times the last states.
 *
 * The same for a real model, Gemma 3 270M, where its folder is there, with states of some rows and layers, which reach 1e5: limit 2e-5 of a row's length
 * (transformers in f32 is 2e-6 from f64). */
#define LT_TEST_MPI
#include "golden_models.h"

#include "store/h5.h"

static const double limit = 2e-5;
enum { MAX_TEXTS = 3, WIDTH = 8 };

typedef struct texts {
    int n;
    int32_t *id; /* one text after another */
    int64_t from[MAX_TEXTS], prompt[MAX_TEXTS], end[MAX_TEXTS], longest;
} texts;

static void add_text(texts *t, const int32_t *prompt, int64_t n_prompt, const int32_t *more, int64_t n_more) {
    int64_t at = t->n ? t->end[t->n - 1] : 0;
    memcpy(t->id + at, prompt, (size_t)n_prompt * sizeof *prompt);
    memcpy(t->id + at + n_prompt, more, (size_t)n_more * sizeof *more);
    t->from[t->n] = at;
    t->prompt[t->n] = n_prompt;
    t->end[t->n++] = at + n_prompt + n_more;
    if (n_prompt + n_more > t->longest) t->longest = n_prompt + n_more;
}

static float dot(const float *a, const float *b, int64_t n) {
    float part[WIDTH] = {0}, sum = 0;
    int64_t c = 0;
    for (; c + WIDTH <= n; c += WIDTH)
        for (int j = 0; j < WIDTH; j++) part[j] += a[c + j] * b[c + j];
    for (; c < n; c++) sum += a[c] * b[c];
    for (int j = 0; j < WIDTH; j++) sum += part[j];
    return sum;
}

/* The best next token of every row from the end of each prompt on; this rank's share of the rows, -1 elsewhere. */
static void best_tokens(fixture *f, const texts *t, const float *rows, int64_t planned, int32_t *best) {
    const lt_arch *a = lt_model_arch(f->model);
    int64_t T = t->end[t->n - 1];
    float *table = malloc((size_t)(planned * a->C) * sizeof *table), *top = malloc((size_t)T * sizeof *top);
    int32_t *id = malloc((size_t)planned * sizeof *id);
    for (int64_t r = 0; r < T; r++) best[r] = -1;
    for (int64_t v = 0; v < a->V; v += planned) {
        int64_t n = a->V - v < planned ? a->V - v : planned;
        for (int64_t i = 0; i < n; i++) id[i] = (int32_t)(v + i);
        lt_model_token_rows(f->model, id, n, table);
        for (int k = 0; k < t->n; k++)
            for (int64_t r = t->from[k] + t->prompt[k] - 1; r < t->end[k] - 1; r++)
                for (int64_t i = 0; i < n && r % lt_comm_size(f->world) == lt_comm_rank(f->world); i++) {
                    float score = dot(rows + r * a->C, table + i * a->C, a->C);
                    if (best[r] >= 0 && score <= top[r]) continue;
                    top[r] = score;
                    best[r] = (int32_t)(v + i);
                }
    }
    free(id);
    free(top);
    free(table);
}

/* Runs the texts; hidden: NULL, or [m + 1, T, C]. */
static void check_texts(fixture *f, const char *name, const texts *t, float *hidden) {
    int64_t T = t->end[t->n - 1], C = lt_model_arch(f->model)->C, wrong = 0;
    double shifted = 0;
    lt_pack p;
    lt_readout_rows out;
    float *rows = malloc((size_t)(T * C) * sizeof *rows);
    int32_t *best = malloc((size_t)T * sizeof *best);
    CHECK_OK(lt_pack_create(T, t->n, &p));
    for (int k = 0; k < t->n; k++) {
        int64_t n = t->end[k] - t->from[k];
        CHECK_OK(lt_pack_add(&p, &(lt_pack_seq){.tokens = t->id + t->from[k], .n = n, .segment = n, .slot = -1}));
    }
    lt_model_forward(f->model, &(lt_forward_args){.pack = &p, .readout = LT_READ_TOKENS, .hidden = hidden}, &out);
    CHECK_OK(lt_ctx_download(lt_model_ctx(f->model), rows, out.rows, (size_t)(T * C) * sizeof *rows));
    best_tokens(f, t, rows, T, best);
    for (int64_t r = 0; r + 1 < T; r++) {
        wrong += best[r] >= 0 && best[r] != t->id[r + 1];
        shifted += best[r] >= 0 && best[r] != t->id[r];
    }
    TEST_REPORT(wrong == 0, "%s tp %d: %lld tokens of the continuations are not the best ones", name, f->grid.tp_size, (long long)wrong);
    lt_sum_host(f->world, &shifted, 1);
    CHECK(shifted > 0); /* negative control: the token before is not the next one */
    lt_pack_destroy(&p);
    free(best);
    free(rows);
}

/* ---- small models ---- */
static void check_small(fixture *f, const char *dir, const char *golden, int tp) {
    char path[4096];
    hid_t h = -1;
    int32_t *ids = NULL, *tokens = NULL;
    int64_t *offsets = NULL, n[1] = {-1}, o[1] = {3}, c[2] = {2, -1};
    (void)snprintf(path, sizeof path, "%s/hidden_%s.h5", LT_GOLDEN, golden);
    lt_status st = lt_h5_open(path, &h);
    if (st == LT_OK) st = lt_h5_read(h, "greedy/ids", LT_I32, 1, n, &ids);
    if (st == LT_OK) st = lt_h5_read(h, "greedy/offsets", LT_I64, 1, o, &offsets);
    if (st == LT_OK) st = lt_h5_read(h, "greedy/tokens", LT_I32, 2, c, &tokens);
    CHECK_OK(st);
    if (st == LT_OK) {
        texts t = {.id = malloc((size_t)(n[0] + 2 * c[1]) * sizeof *t.id)};
        for (int k = 0; k < 2; k++) add_text(&t, ids + offsets[k], offsets[k + 1] - offsets[k], tokens + k * c[1], c[1]);
        lt_model_limits limits = {.tokens = t.end[1], .seqs = 2, .max_len = t.longest};
        if (fixture_open(f, dir, tp, NULL, LT_F32, limits)) check_texts(f, golden, &t, NULL);
        fixture_close(f);
        free(t.id);
    }
    lt_h5_close(&h);
    free(ids);
    free(offsets);
    free(tokens);
}

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
    int64_t n[1] = {-1}, o[1] = {MAX_TEXTS + 1}, p[1] = {MAX_TEXTS}, l[1] = {-1}, r[1] = {-1}, d[3] = {-1, -1, -1};
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

static void check_gemma(fixture *f, const char *dir, int tp) {
    gemma g;
    if (!gemma_read(&g)) return;
    texts t = {.id = malloc((size_t)g.offsets[MAX_TEXTS] * sizeof *t.id)};
    for (int k = 0; k < MAX_TEXTS; k++) {
        const int32_t *id = g.ids + g.offsets[k];
        add_text(&t, id, g.prompt[k], id + g.prompt[k], g.offsets[k + 1] - g.offsets[k] - g.prompt[k]);
    }
    int64_t T = t.end[t.n - 1];
    lt_model_limits limits = {.tokens = T, .seqs = MAX_TEXTS, .max_len = t.longest};
    if (fixture_open(f, dir, tp, NULL, LT_F32, limits)) {
        int64_t m = lt_model_arch(f->model)->m;
        float *hidden = malloc((size_t)((m + 1) * T * g.C) * sizeof *hidden);
        double worst = 0;
        check_texts(f, "Gemma 3 270M", &t, hidden);
        for (int64_t l = 0; l < g.n_layers; l++)
            for (int64_t r = 0; r < g.n_rows; r++) {
                const float *want = g.hidden + (l * g.n_rows + r) * g.C, *layer = hidden + g.layers[l] * T * g.C;
                double error = relative(layer + g.rows[r] * g.C, want, g.C);
                worst = error > worst ? error : worst;
                TEST_REPORT(error <= limit, "Gemma 3 270M tp %d, layer %d, row %d: relative difference %.2g, limit %.1g", tp, g.layers[l],
                            g.rows[r], error, limit);
                /* negative control: the row before is seen as another */
                CHECK(relative(layer + (g.rows[r] - 1) * g.C, want, g.C) > limit);
            }
        if (getenv("LT_TEST_VERBOSE") && f->grid.rank == 0) printf("Gemma 3 270M tp %d: %.1e\n", tp, worst);
        free(hidden);
    }
    fixture_close(f);
    free(t.id);
    gemma_free(&g);
}

int main(void) {
    char real[4096];
    fixture f = {0};
    CHECK_OK(lt_comm_init(NULL, NULL, &f.world));
    int tp = lt_comm_size(f.world), checked = 0;
    for (int i = 0; i < N_GOLDEN_MODELS; i++) {
        const golden_model *g = &golden_models[i];
        char dir[4096];
        golden_model_open(f.world, g, dir);
        if (golden_model_speaks(dir, tp)) {
            checked++;
            check_small(&f, dir, g->golden, tp);
        }
        golden_model_close(f.world, g, dir);
    }
    CHECK(checked > 0);
    if (find_gemma(real))
        check_gemma(&f, real, tp);
    else if (lt_comm_rank(f.world) == 0)
        printf("left out: Gemma 3 270M is not in %s (or set LT_GEMMA3; tests/golden/make_gemma.py says what of it is compared)\n", real);
    int rc = test_end();
    lt_comm_fini(&f.world);
    return rc;
}
