// TEST np: 1 2 4  rooms: model  labels: mpi  timeout: 120  ops: guard
/* Decoders write what transformers' write: the greedy continuations and first scores of the goldens, one text at a time, some, all at once, and read in small
 * pieces.  Rows that find the earlier ones in a cache have the scores that they have in the whole text, with prefixes and prompt rows before it, in windows
 * longer and shorter than the text.  Draws depend on neither ranks nor batches; several texts of a prompt are those
 * of as many equal prompts. */
#define LT_TEST_MPI
#include "golden_models.h"
#include "writer.h"

#include "store/h5.h"

static const double first_limit = 2e-5; /* of scores, of their largest: the limit of hidden states */
static const double cache_limit = 1e-5; /* the same; one rounding of sums in another order */

/* ---- greedy continuations ---- */

typedef struct greedy {
    int32_t *ids, *tokens; /* prompts one after another; [2][n_new] */
    int64_t *offsets, n_new;
    float *logits; /* [2][V] of the first step */
    int64_t V;
} greedy;

static bool greedy_read(const char *golden, greedy *g) {
    char path[4096];
    hid_t h = -1;
    int64_t n[1] = {-1}, o[1] = {3}, c[2] = {2, -1}, l[2] = {2, -1};
    *g = (greedy){0};
    (void)snprintf(path, sizeof path, "%s/hidden_%s.h5", LT_GOLDEN, golden);
    lt_status st = lt_h5_open(path, &h);
    if (st == LT_OK) st = lt_h5_read(h, "greedy/ids", LT_I32, 1, n, &g->ids);
    if (st == LT_OK) st = lt_h5_read(h, "greedy/offsets", LT_I64, 1, o, &g->offsets);
    if (st == LT_OK) st = lt_h5_read(h, "greedy/tokens", LT_I32, 2, c, &g->tokens);
    if (st == LT_OK) st = lt_h5_read(h, "greedy/logits", LT_F32, 2, l, &g->logits);
    CHECK_OK(st);
    lt_h5_close(&h);
    g->n_new = c[1];
    g->V = l[1];
    return st == LT_OK;
}

static void greedy_free(greedy *g) {
    free(g->ids);
    free(g->tokens);
    free(g->offsets);
    free(g->logits);
}

enum { TEXTS = 5 }; /* the two prompts in turn */

typedef struct prompts {
    int32_t *tokens;
    int64_t offset[TEXTS + 1], longest;
} prompts;

static prompts prompts_of(const greedy *g) {
    prompts p = {.tokens = malloc((size_t)(TEXTS * g->offsets[2]) * sizeof *p.tokens)};
    for (int k = 0; k < TEXTS; k++) {
        int64_t from = g->offsets[k % 2], len = g->offsets[k % 2 + 1] - from;
        memcpy(p.tokens + p.offset[k], g->ids + from, (size_t)len * sizeof *p.tokens);
        p.offset[k + 1] = p.offset[k] + len;
        p.longest = len > p.longest ? len : p.longest;
    }
    return p;
}

static lt_generate_args args_of(const prompts *p, int64_t max_tokens, int64_t batch, int64_t rows) {
    return (lt_generate_args){.n = TEXTS,
                              .tokens = p->tokens,
                              .offset = p->offset,
                              .front = lt_front_none,
                              .max_tokens = max_tokens,
                              .batch = batch,
                              .rows = rows};
}

static void check_greedy(const char *name, fixture *f, const greedy *g, const prompts *p) {
    static const int64_t ways[][2] = {{1, 1024}, {3, 1024}, {TEXTS, 1024}, {3, 5} /* prompts of 7 and 12 tokens in pieces */};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        int wrong = 0, shifted = 0;
        writer w = writer_create(TEXTS, g->n_new);
        writer_run(f, args_of(p, g->n_new, ways[i][0], ways[i][1]), &w);
        for (int k = 0; k < TEXTS; k++) {
            CHECK(w.written[k] == (double)g->n_new && w.end[k] == LT_END_LENGTH);
            for (int64_t t = 0; t < g->n_new; t++) {
                wrong += w.token[k * g->n_new + t] != g->tokens[k % 2 * g->n_new + t];
                shifted += t > 0 && w.token[k * g->n_new + t] != g->tokens[k % 2 * g->n_new + t - 1];
            }
        }
        TEST_REPORT(wrong == 0, "%s tp %d, batch %d, packs of %d rows: %d tokens are others", name, f->grid.tp_size, (int)ways[i][0],
                    (int)ways[i][1], wrong);
        CHECK(shifted > 0); /* negative control: the token before is not the next one */
        writer_destroy(&w);
    }
}

/* ---- scores with a cache and without ---- */

enum { LONG = 21, SEQS = 3, PREFIX = 3, PROMPT = 2 };

/* Scores of the last pack's rows, this rank's words, into out [row_of[i]][V]. */
static void add_scores(fixture *f, const lt_readout_rows *rows, const int64_t *row_of, float *out) {
    int64_t v0, v1, V = lt_model_arch(f->model)->V;
    lt_model_vocabulary(f->model, &v0, &v1);
    float *host = malloc((size_t)(rows->n * (v1 - v0)) * sizeof *host);
    CHECK_OK(lt_ctx_download(lt_model_ctx(f->model), host, lt_model_logits(f->model, rows), (size_t)(rows->n * (v1 - v0)) * sizeof *host));
    for (int64_t r = 0; r < rows->n; r++)
        for (int64_t v = v0; v < v1; v++) out[row_of[r] * V + v] = host[r * (v1 - v0) + v - v0];
    free(host);
}

/* largest |a - b|, of the largest |b| */
static double largest(const float *a, const float *b, int64_t n) {
    double most = 0, scale = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        most = fmax(most, isnan(d) ? INFINITY : fabs(d));
        scale = fmax(scale, fabs((double)b[i]));
    }
    return most / scale;
}

/* Texts of lengths LONG, LONG - 4, LONG - 8. */
static int64_t text_length(int i) { return LONG - 4 * i; }

static lt_pack_seq seq_of(const int32_t *tokens, int64_t n, bool prompt, bool prefix) {
    return (lt_pack_seq){.tokens = tokens,
                         .n = n,
                         .segment = n,
                         .prompt_rows = prompt ? PROMPT : 0,
                         .slot = prefix ? 0 : -1,
                         .prefix_len = prefix ? PREFIX : 0};
}

/* The three texts whole: rows of text i from i * (PROMPT + LONG) on. */
static void score_whole(fixture *f, const lt_bank *bank, bool prefix, const int32_t *tokens, float *out) {
    lt_pack p;
    lt_readout_rows rows;
    int64_t row_of[SEQS * (PROMPT + LONG)], n = 0;
    CHECK_OK(lt_pack_create(SEQS * (PROMPT + LONG), SEQS, &p));
    for (int i = 0; i < SEQS; i++) {
        lt_pack_seq s = seq_of(tokens + i * LONG, text_length(i), true, prefix);
        CHECK_OK(lt_pack_add(&p, &s));
        for (int64_t t = 0; t < PROMPT + s.n; t++) row_of[n++] = i * (PROMPT + LONG) + t;
    }
    lt_model_forward(f->model, &(lt_forward_args){.pack = &p, .bank = bank, .readout = LT_READ_TOKENS}, &rows);
    add_scores(f, &rows, row_of, out);
    lt_pack_destroy(&p);
}

/* The same in pieces over a cache, whose places are not the texts' numbers; pieces of a text differ in size from pack to pack.  error: the second text's rows
 * are put one place too early from the third piece on. */
static void score_pieces(fixture *f, const lt_bank *bank, bool prefix, bool error, const int32_t *tokens, float *out) {
    static const int64_t piece[] = {1, 5, 1, 9, 2};
    static const int32_t home[SEQS] = {2, 0, 1};
    lt_cache *cache = NULL;
    lt_pack p;
    int64_t done[SEQS] = {0};
    CHECK_OK(lt_pack_create(SEQS * (PROMPT + LONG), SEQS, &p));
    CHECK_OK(lt_cache_create(f->model, SEQS, PROMPT + LONG, &cache));
    for (int64_t k = 0; cache && done[0] < LONG; k++) {
        lt_readout_rows rows;
        int64_t row_of[SEQS * (PROMPT + LONG)], n = 0;
        lt_pack_clear(&p);
        for (int i = SEQS - 1; i >= 0; i--) { /* nor is their order */
            int64_t left = text_length(i) - done[i], len = piece[(k + i) % 5] < left ? piece[(k + i) % 5] : left;
            if (len == 0) continue;
            lt_pack_seq s = seq_of(tokens + i * LONG + done[i], len, done[i] == 0, prefix);
            s.start = (int32_t)(done[i] ? PROMPT + done[i] : 0) - (error && i == 1 && k > 1);
            s.home = home[i];
            CHECK_OK(lt_pack_add(&p, &s));
            for (int64_t t = 0; t < s.prompt_rows + len; t++) row_of[n++] = i * (PROMPT + LONG) + (done[i] ? PROMPT + done[i] : 0) + t;
            done[i] += len;
        }
        lt_model_forward(f->model, &(lt_forward_args){.pack = &p, .bank = bank, .cache = cache, .readout = LT_READ_TOKENS}, &rows);
        add_scores(f, &rows, row_of, out);
    }
    lt_cache_destroy(&cache);
    lt_pack_destroy(&p);
}

/* First scores of the prompts. */
static void check_first(const char *name, fixture *f, const greedy *g) {
    lt_pack p;
    lt_readout_rows rows;
    int64_t v0, v1;
    const int64_t row_of[2] = {0, 1};
    float *got = calloc((size_t)(2 * g->V), sizeof *got);
    CHECK_OK(lt_pack_create(g->offsets[2], 2, &p));
    for (int k = 0; k < 2; k++) {
        lt_pack_seq s = seq_of(g->ids + g->offsets[k], g->offsets[k + 1] - g->offsets[k], false, false);
        CHECK_OK(lt_pack_add(&p, &s));
    }
    lt_model_forward(f->model, &(lt_forward_args){.pack = &p, .readout = LT_READ_LAST}, &rows);
    add_scores(f, &rows, row_of, got);
    lt_model_vocabulary(f->model, &v0, &v1);
    for (int k = 0; k < 2; k++) {
        double d = largest(got + k * g->V + v0, g->logits + k * g->V + v0, v1 - v0);
        TEST_REPORT(d <= first_limit, "%s tp %d, prompt %d: first scores differ by %.2g, limit %.1g", name, f->grid.tp_size, k, d,
                    first_limit);
        CHECK(largest(got + k * g->V + v0, g->logits + (1 - k) * g->V + v0, v1 - v0) > first_limit); /* negative control */
    }
    lt_pack_destroy(&p);
    free(got);
}

static int front_changes; /* tokens that are not the one before them, over all models (one may repeat itself) */

/* Behind a prefix and prompt rows: every token that is written is the best behind what stands before it, which is run whole. */
static void check_front(const char *name, fixture *f, const lt_bank *bank, const int32_t *tokens) {
    enum { NEW = 8, OLD = LONG - NEW };
    const lt_front front = {.bank = bank, .slot = 0, .prefix_len = PREFIX, .prompt_rows = PROMPT};
    const int64_t offset[SEQS + 1] = {0, OLD, 2 * OLD, 3 * OLD}, V = lt_model_arch(f->model)->V, n = SEQS * (PROMPT + LONG) * V;
    int32_t prompt[SEQS * OLD], whole[SEQS * LONG];
    int wrong = 0;
    float *score = calloc((size_t)n, sizeof *score);
    double *sum = calloc((size_t)n, sizeof *sum);
    writer w = writer_create(SEQS, NEW);
    for (int i = 0; i < SEQS; i++) memcpy(prompt + i * OLD, tokens + i * LONG, OLD * sizeof *prompt);
    writer_run(f,
               (lt_generate_args){
                   .n = SEQS, .tokens = prompt, .offset = offset, .front = front, .max_tokens = NEW, .batch = 2, .rows = PROMPT + 6},
               &w);
    for (int i = 0; i < SEQS; i++)
        for (int t = 0; t < LONG; t++) whole[i * LONG + t] = t < OLD ? prompt[i * OLD + t] : (int32_t)w.token[i * NEW + t - OLD];
    score_whole(f, bank, true, whole, score);
    for (int64_t i = 0; i < n; i++) sum[i] = (double)score[i];
    lt_sum_host(f->grid.tp, sum, n);
    for (int i = 0; i < SEQS; i++)
        for (int t = OLD; t < text_length(i); t++) {
            const double *row = sum + (i * (PROMPT + LONG) + PROMPT + t - 1) * V;
            int64_t best = 0;
            for (int64_t v = 1; v < V; v++) best = row[v] > row[best] ? v : best;
            wrong += row[best] - row[whole[i * LONG + t]] > cache_limit * fabs(row[best]); /* equals may differ */
            front_changes += best != whole[i * LONG + t - 1];
        }
    TEST_REPORT(wrong == 0, "%s tp %d: behind a prefix and prompt rows %d tokens are not the best", name, f->grid.tp_size, wrong);
    writer_destroy(&w);
    free(score);
    free(sum);
}

static void check_cache(const char *name, fixture *f) {
    static const int32_t slot_len[1] = {PREFIX};
    const lt_arch *a = lt_model_arch(f->model);
    const lt_ctx *c = lt_model_ctx(f->model);
    int first, heads;
    int64_t n = SEQS * (PROMPT + LONG) * a->V;
    float *whole[2] = {calloc((size_t)n, sizeof(float)), calloc((size_t)n, sizeof(float))}, *pieces = calloc((size_t)n, sizeof(float));
    double worst = 0;
    int32_t tokens[SEQS * LONG];
    lt_rng r = {.seed = 6, .purpose = LT_RNG_TEST};
    for (int i = 0; i < SEQS * LONG; i++) tokens[i] = (int32_t)lt_rng_below(&r, (uint64_t)a->V, (uint64_t)i, 0);
    lt_model_kv_heads(f->model, &first, &heads);
    /* (each rank has a bank of its own numbers: with cache and without it is the same) */
    lt_bank bank = {.S = 1,
                    .P_max = PREFIX,
                    .slot_len = slot_len,
                    .kv = fixture_random(c, (int64_t)a->m * 2 * PREFIX * heads * a->D, 1, 1),
                    .prompt_rows = PROMPT,
                    .prompt = fixture_random(c, PROMPT * a->C, 1, 2)};
    for (int prefix = 0; prefix < 2; prefix++) {
        score_whole(f, &bank, prefix, tokens, whole[prefix]);
        memset(pieces, 0, (size_t)n * sizeof *pieces);
        score_pieces(f, &bank, prefix, false, tokens, pieces);
        double d = largest(pieces, whole[prefix], n);
        worst = fmax(worst, d);
        TEST_REPORT(d <= cache_limit, "%s tp %d%s: with a cache scores differ by %.2g, limit %.1g", name, f->grid.tp_size,
                    prefix ? ", with a prefix" : "", d, cache_limit);
        /* negative controls: rows at a wrong place; another prefix */
        score_pieces(f, &bank, prefix, true, tokens, pieces);
        CHECK(largest(pieces, whole[prefix], n) > cache_limit);
    }
    CHECK(largest(whole[0], whole[1], n) > cache_limit);
    check_front(name, f, &bank, tokens);
    if (getenv("LT_TEST_VERBOSE") && f->grid.rank == 0) printf("%s tp %d: cache %.1e\n", name, f->grid.tp_size, worst);
    c->ops->free(c, bank.kv);
    c->ops->free(c, bank.prompt);
    free(whole[0]);
    free(whole[1]);
    free(pieces);
}

static void check_model(fixture *f, const char *dir, const char *golden, int tp) {
    static lt_arch arch;
    lt_model_limits limits = {.tokens = SEQS * (PROMPT + LONG),
                              .seqs = TEXTS,
                              .max_len = PROMPT + LONG,
                              .P_max = PREFIX,
                              .slots = 1,
                              .scored = SEQS * (PROMPT + LONG)};
    greedy g;
    if (!greedy_read(golden, &g)) return;
    prompts p = prompts_of(&g);
    lt_generate_args a = args_of(&p, g.n_new, TEXTS, 1024);
    CHECK_OK(lt_arch_read(dir, &arch));
    lt_generate_limits(&arch, &a, p.longest, &limits);
    if (fixture_open(f, dir, tp, NULL, LT_F32, limits)) {
        check_first(golden, f, &g);
        check_greedy(golden, f, &g, &p);
        check_cache(golden, f);
    }
    fixture_close(f);
    free(p.tokens);
    greedy_free(&g);
}

/* ---- draws, ends ---- */

/* Tokens drawn by groups of tp ranks, which share the texts. */
static writer draw(fixture *f, const char *dir, int tp, const prompts *p, int64_t batch, uint64_t seed) {
    static lt_arch arch;
    lt_model_limits limits = {0};
    lt_generate_args a = args_of(p, 24, batch, 1024);
    a.sampling = (lt_sampling){.temperature = 1.3, .top_p = 0.95, .top_k = 40, .seed = seed};
    writer w = writer_create(TEXTS, 24);
    CHECK_OK(lt_arch_read(dir, &arch));
    lt_generate_limits(&arch, &a, p->longest, &limits);
    if (fixture_open(f, dir, tp, NULL, LT_F32, limits)) writer_run(f, a, &w);
    fixture_close(f);
    return w;
}

static int differ(const writer *a, const writer *b) {
    int n = 0;
    for (int64_t i = 0; i < a->n * a->max; i++) n += a->token[i] != b->token[i];
    return n;
}

static void check_draws(const char *name, fixture *f, const char *dir, const greedy *g, int ranks) {
    prompts p = prompts_of(g);
    writer one = draw(f, dir, 1, &p, 1, 9), other = draw(f, dir, 1, &p, 1, 10);
    for (int tp = 1; tp <= ranks; tp *= 2)
        for (int64_t batch = 1; batch <= 3; batch += 2) {
            writer w = draw(f, dir, tp, &p, batch, 9);
            TEST_REPORT(differ(&w, &one) == 0, "%s tp %d, batch %d: %d drawn tokens are others", name, tp, (int)batch, differ(&w, &one));
            writer_destroy(&w);
        }
    CHECK(differ(&other, &one) > 24); /* negative control: another seed */
    int same = 0;
    for (int t = 0; t < 24; t++) same += one.token[t] == one.token[2 * 24 + t]; /* the same prompt, as another text */
    CHECK(same < 16);
    writer_destroy(&one);
    writer_destroy(&other);
    free(p.tokens);
}

typedef struct breaking {
    int taken, at; /* fails as it takes token number `at`; -1 = never */
} breaking;

static lt_status take_until(void *arg, int64_t text, int32_t token, lt_end end) {
    (void)text, (void)token, (void)end;
    breaking *b = arg;
    LT_CHECK(b->taken++ != b->at, LT_ERR_IO, "the paper is at an end");
    return LT_OK;
}

/* Texts end at an end token, at the last position, and for all ranks where one cannot go on. */
static void check_ends(fixture *f, const char *dir, const greedy *g, int tp) {
    static lt_arch arch;
    lt_model_limits limits = {0};
    lt_generate_counts counts;
    prompts p = prompts_of(g);
    CHECK_OK(lt_arch_read(dir, &arch));
    lt_generate_args a = args_of(&p, 1000, 2, 1024);
    lt_generate_limits(&arch, &a, p.longest, &limits);
    if (fixture_open(f, dir, tp, NULL, LT_F32, limits)) {
        writer w = writer_create(TEXTS, arch.max_pos);
        writer_run(f, a, &w);
        for (int k = 0; k < TEXTS; k++) {
            CHECK_INT(w.written[k], arch.max_pos - (p.offset[k + 1] - p.offset[k]) + 1); /* the last is read by nobody */
            CHECK_INT(w.end[k], LT_END_LENGTH);
        }
        writer_destroy(&w);

        int32_t eos[2] = {(int32_t)arch.V - 1, g->tokens[10]};
        a.max_tokens = g->n_new;
        a.eos = eos;
        a.n_eos = 2;
        w = writer_create(TEXTS, g->n_new);
        writer_run(f, a, &w);
        for (int k = 0; k < TEXTS; k++) {
            const int32_t *want = g->tokens + k % 2 * g->n_new;
            int64_t n = 0;
            while (n < g->n_new && want[n] != eos[0] && want[n] != eos[1]) n++;
            CHECK_INT(w.written[k], n < g->n_new ? n + 1 : n);
            CHECK_INT(w.end[k], n < g->n_new ? LT_END_EOS : LT_END_LENGTH);
        }
        CHECK(w.written[0] <= 11);
        writer_destroy(&w);

        breaking b = {.at = f->grid.rank == tp - 1 ? 7 : -1};
        a.n_eos = 0;
        a.take = take_until;
        a.arg = &b;
        CHECK_FAILS(lt_generate(f->model, &a, &counts), LT_ERR_IO, "the paper is at an end");
        CHECK(b.taken >= 8 && b.taken <= 8 + 2 && counts.written >= 8); /* tokens of that step, and no step behind it */

        const int64_t whole[2] = {0, arch.max_pos + 1};
        int32_t *many = calloc((size_t)whole[1], sizeof *many);
        a.n = 1;
        a.tokens = many;
        a.offset = whole;
        CHECK_FAILS(lt_generate(f->model, &a, &counts), LT_ERR_SHAPE, "positions");
        free(many);
    }
    fixture_close(f);
    free(p.tokens);
}

/* ---- several texts of a prompt ---- */

enum { SAMPLES = 3, DRAWN = 24 };

typedef struct stopper {
    writer w;
    int32_t word; /* that ends a text; -1 = none */
    int64_t asked;
} stopper;

static lt_status stopper_take(void *arg, int64_t text, int32_t token, lt_end end) {
    return writer_take(&((stopper *)arg)->w, text, token, end);
}
static bool stopper_stops(void *arg, int64_t text, int32_t token) {
    (void)text;
    stopper *s = arg;
    s->asked++;
    return token == s->word;
}

/* Writes, sums over groups; tokens of prompts that this rank's group read. */
static int64_t sample(fixture *f, lt_generate_args a, stopper *s) {
    lt_generate_counts counts;
    a.stop = stopper_stops;
    a.take = stopper_take;
    a.arg = s;
    CHECK_OK(lt_generate(f->model, &a, &counts));
    CHECK_INT(s->asked, counts.written);
    lt_sum_host(f->grid.dp, s->w.token, s->w.n * s->w.max);
    lt_sum_host(f->grid.dp, s->w.written, s->w.n);
    lt_sum_host(f->grid.dp, s->w.end, s->w.n);
    return counts.read;
}

/* Samples are the texts that as many equal prompts give, whatever seats there are, and their prompt is read once a group. */
static void check_samples(const char *name, fixture *f, const char *dir, const greedy *g, int tp) {
    static const struct {
        int64_t batch, rows;
        double temperature;
    } ways[] = {{1, 1024, 1.3}, {2, 1024, 1.3}, {4, 5, 1.3}, {100, 1024, 1.3}, {3, 1024, 0}};
    static lt_arch arch;
    prompts p = prompts_of(g), many = {.tokens = malloc((size_t)(p.offset[TEXTS] * SAMPLES) * sizeof(int32_t))};
    int64_t offset[TEXTS * SAMPLES + 1] = {0}, one_group = p.offset[TEXTS];
    for (int i = 0; i < TEXTS * SAMPLES; i++) {
        int64_t from = p.offset[i / SAMPLES], len = p.offset[i / SAMPLES + 1] - from;
        memcpy(many.tokens + offset[i], p.tokens + from, (size_t)len * sizeof(int32_t));
        offset[i + 1] = offset[i] + len;
    }
    lt_generate_args one = args_of(&p, DRAWN, 100, 1024), each = one;
    one.sampling = (lt_sampling){.temperature = 1.3, .top_p = 0.95, .seed = 9};
    one.samples = SAMPLES;
    each.n = TEXTS * SAMPLES;
    each.tokens = many.tokens;
    each.offset = offset;
    each.batch = 2;
    lt_model_limits limits = {0};
    CHECK_OK(lt_arch_read(dir, &arch));
    lt_generate_limits(&arch, &one, p.longest, &limits);
    lt_generate_limits(&arch, &each, p.longest, &limits);
    if (fixture_open(f, dir, tp, NULL, LT_F32, limits))
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
            for (int kind = 0; kind < 3; kind++) { /* to the end; ended by a word that was drawn; by their first token */
                if ((kind == 2 && i != 2) || (lt_comm_size(f->world) > 2 && kind == 0 && i != 2)) continue; /* time: ranks share cores */
                stopper got = {writer_create(TEXTS * SAMPLES, DRAWN), -1, 0}, want = {writer_create(TEXTS * SAMPLES, DRAWN), -1, 0};
                int32_t eos = -1;
                one.batch = ways[i].batch;
                one.rows = ways[i].rows;
                one.sampling.temperature = ways[i].temperature;
                each.sampling = one.sampling;
                one.max_tokens = each.max_tokens = DRAWN;
                one.n_eos = each.n_eos = 0;
                (void)sample(f, each, &want);
                if (kind == 1) { /* words that were drawn: one stops, the first of another text is an end token */
                    got.word = (int32_t)want.w.token[4];
                    eos =
                        (int32_t)
                            want.w.token[ways[i].temperature > 0 ? DRAWN : SAMPLES * DRAWN]; /* the best ones are the same in all samples */
                    one.eos = each.eos = &eos;
                    one.n_eos = each.n_eos = 1;
                }
                if (kind == 2) one.max_tokens = each.max_tokens = 1;
                if (kind) {
                    writer_destroy(&want.w);
                    want = (stopper){writer_create(TEXTS * SAMPLES, DRAWN), got.word, 0};
                    (void)sample(f, each, &want);
                }
                int64_t read = sample(f, one, &got);
                int others = differ(&got.w, &want.w);
                int64_t ended[4] = {0};
                for (int k = 0; k < TEXTS * SAMPLES; k++) {
                    others += got.w.written[k] != want.w.written[k] || got.w.end[k] != want.w.end[k];
                    ended[(int)got.w.end[k]]++;
                }
                TEST_REPORT(others == 0, "%s tp %d, way %d, kind %d: samples differ from separate prompts in %d places", name, tp, (int)i,
                            kind, others);
                CHECK_INT(ended[LT_END_NOT], 0);
                CHECK(kind != 1 || (ended[LT_END_STOP] > 0 && ended[LT_END_EOS] > 0));
                if (f->grid.dp_size == 1) CHECK_INT(read, one_group);
                CHECK(read <= one_group);
                if (kind == 0 && ways[i].temperature > 0) { /* negative control: samples of a prompt are not one text */
                    int same = 0;
                    for (int t = 0; t < DRAWN; t++) same += got.w.token[t] == got.w.token[DRAWN + t];
                    CHECK(same < DRAWN / 2);
                }
                writer_destroy(&got.w);
                writer_destroy(&want.w);
            }
    fixture_close(f);
    free(many.tokens);
    free(p.tokens);
}

/* Rank 0: in dir, the model of `from` with one more tensor in its file, lm_head.bias. */
static void add_bias(const char *from, const char *dir) {
    enum { WORDS = 101 };
    static const char entry[] = "{\"lm_head.bias\":{\"dtype\":\"F32\",\"shape\":[101],\"data_offsets\":[%llu,%llu]},";
    char path[4200], to[4200], more[256];
    uint64_t head = 0;
    static const float bias[WORDS];
    (void)snprintf(path, sizeof path, "%s/config.json", from);
    (void)snprintf(to, sizeof to, "%s/config.json", dir);
    CHECK(symlink(path, to) == 0);
    (void)snprintf(path, sizeof path, "%s/model.safetensors", from);
    (void)snprintf(to, sizeof to, "%s/model.safetensors", dir);
    FILE *in = fopen(path, "rb"), *out = fopen(to, "wb");
    CHECK(in && out && fread(&head, sizeof head, 1, in) == 1 && fseek(in, 0, SEEK_END) == 0);
    long bytes = in ? ftell(in) : 0;
    uint64_t data = (uint64_t)bytes - sizeof head - head;
    uint64_t longer =
        head + (uint64_t)snprintf(more, sizeof more, entry, (unsigned long long)data, (unsigned long long)(data + sizeof bias)) - 1;
    CHECK(in && fseek(in, sizeof head + 1, SEEK_SET) == 0); /* behind the header's brace */
    CHECK(out && fwrite(&longer, sizeof longer, 1, out) == 1 && fputs(more, out) >= 0);
    for (int c; in && out && (c = fgetc(in)) != EOF;) (void)fputc(c, out);
    CHECK(out && fwrite(bias, sizeof bias, 1, out) == 1 && fclose(out) == 0);
    if (in) (void)fclose(in);
}

/* An output matrix with a bias is refused where scores are wanted, and is no matter where they are not. */
static void check_bias(fixture *f, const char *from, int tp) {
    char dir[4096] = "/tmp/bias-XXXXXX", path[4200];
    const lt_model_options opt[] = {{.compute = LT_F32, .threads = 1}, {.compute = LT_F32, .threads = 1, .head = true}};
    if (lt_comm_rank(f->world) == 0) {
        CHECK(mkdtemp(dir) != NULL);
        add_bias(from, dir);
    }
    lt_bcast_host(f->world, dir, sizeof dir, 0);
    CHECK_OK(lt_grid_create(f->world, tp, &f->grid));
    CHECK_OK(lt_model_create(dir, &f->grid, &opt[0], &f->model));
    lt_model_destroy(&f->model);
    CHECK_FAILS(lt_model_create(dir, &f->grid, &opt[1], &f->model), LT_ERR_FORMAT, "lm_head.bias");
    fixture_close(f);
    for (int i = 0; lt_comm_rank(f->world) == 0 && i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, i ? "model.safetensors" : "config.json");
        CHECK(unlink(path) == 0);
    }
    if (lt_comm_rank(f->world) == 0) CHECK(rmdir(dir) == 0);
}

int main(void) {
    fixture f = {0};
    CHECK_OK(lt_comm_init(NULL, NULL, &f.world));
    int tp = lt_comm_size(f.world), checked = 0;
    bool some = getenv("LT_OPS") != NULL; /* the guard protects its pages around every op: one model, with a matrix for scores */
    for (int i = 0; i < N_GOLDEN_MODELS; i++) {
        const golden_model *g = &golden_models[i];
        char dir[4096];
        if (some && strcmp(g->golden, "tiny-gqa") != 0) continue;
        golden_model_open(f.world, g, dir);
        if (golden_model_speaks(dir, tp)) {
            checked++;
            check_model(&f, dir, g->golden, tp);
            if (!strcmp(g->golden, "tiny-gqa")) check_bias(&f, dir, tp);
            greedy want;
            if ((!strcmp(g->golden, "tiny-llama") || (!strcmp(g->golden, "tiny-gqa") && !some)) && greedy_read(g->golden, &want)) {
                check_draws(g->golden, &f, dir, &want, tp);
                check_ends(&f, dir, &want, tp);
                if (!strcmp(g->golden, "tiny-llama")) check_samples(g->golden, &f, dir, &want, tp);
                if (!strcmp(g->golden, "tiny-llama") && tp > 1) check_samples(g->golden, &f, dir, &want, 1);
                greedy_free(&want);
            }
        }
        golden_model_close(f.world, g, dir);
    }
    CHECK(checked > 0 && front_changes > 0); /* negative control of check_front: the token before is not the next one */
    int rc = test_end();
    lt_comm_fini(&f.world);
    return rc;
}
