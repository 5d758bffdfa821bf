// TEST np: 1 2  rooms: model  labels: mpi  timeout: 120  ops: cuda-emulated
/* Decoding steps as recorded work: scores are those of steps that are not recorded, bit for bit, while lengths, places, prefixes and the number of sequences
 * change, with adapters, behind one piece of keys and two, and where records were dropped; a replayed step is one launch.  Texts are the same with graphs
 * and without, drawn, where seats end and are filled again.  Where nothing can be recorded (CPU, sums through the host) nothing is, and `on` is refused. */
#define LT_TEST_MPI
#include "golden_models.h"
#include "writer.h"

#include "model/device.h"
#include "model/replay_impl.h"

enum { SEATS = 10, ROOM = 300, LONGEST = 254 /* of the prompts: two steps before its keys take two pieces */, PREFIX = 3, RANK = 2 };

/* What steps do: how many seats bring a row, and how they are computed.  MIXED: seat 3 brings four more. */
enum { PLAIN, RECORDED, REPLAYED, MIXED };
static const struct {
    int seats, how;
} script[] = {
    {3, PLAIN},    {3, RECORDED}, {3, REPLAYED}, {4, MIXED}, {3, REPLAYED},  {4, PLAIN},     {4, RECORDED},
    {4, REPLAYED}, {5, PLAIN},    {6, PLAIN},    {7, PLAIN}, {8, PLAIN},     {9, PLAIN},     {10, PLAIN}, /* eight numbers are known */
    {1, PLAIN},    {3, PLAIN},    {3, RECORDED},                                                          /* 3 went for 1, and 4 for 3 */
    {5, RECORDED}, {5, REPLAYED}, {4, PLAIN},    {6, PLAIN}, {10, RECORDED}, {10, REPLAYED},
};

/* One way through the script. */
typedef struct way {
    lt_replay replay;
    lt_cache *cache;
    float *scores;
    int64_t launches; /* of the last step, products too */
} way;

static bool way_open(way *w, fixture *f, lt_graphs graphs) {
    w->scores = calloc((size_t)(SEATS * lt_model_arch(f->model)->V), sizeof(float));
    CHECK_OK(lt_replay_init(f->model, graphs, &w->replay));
    CHECK_OK(lt_cache_create(f->model, SEATS, ROOM, &w->cache));
    return w->cache != NULL;
}

static void way_close(way *w) {
    lt_replay_fini(&w->replay);
    lt_cache_destroy(&w->cache);
    free(w->scores);
}

/* Scores of the pack's last rows. */
static void way_step(way *w, fixture *f, const lt_pack *p, const lt_bank *bank) {
    const lt_ctx *c = lt_model_ctx(f->model);
    const lt_gpu_counts *counts = c->ops->gpu ? c->ops->gpu->counts() : NULL;
    int64_t v0, v1, before = counts ? counts->launches + counts->products : 0;
    lt_readout_rows rows;
    const lt_forward_args a = {.pack = p, .bank = bank, .cache = w->cache, .readout = LT_READ_LAST};
    const float *scores = lt_replay_step(&w->replay, &a, true, &rows);
    w->launches = counts ? counts->launches + counts->products - before : 0;
    lt_model_vocabulary(f->model, &v0, &v1);
    CHECK_INT(rows.n, p->n_seq);
    CHECK_OK(lt_ctx_download(c, w->scores, scores, (size_t)(rows.n * (v1 - v0)) * sizeof *scores));
}

/* Texts of tokens by chance; every other has the prefix. */
typedef struct texts {
    int32_t token[SEATS][ROOM], rows[SEATS];
} texts;

static void add(lt_pack *p, texts *t, int i, int n) {
    lt_pack_seq s = {.tokens = t->token[i] + t->rows[i], .n = n, .segment = n, .slot = -1, .start = t->rows[i], .home = SEATS - 1 - i};
    if (i % 2) {
        s.slot = 0;
        s.prefix_len = PREFIX;
    }
    CHECK_OK(lt_pack_add(p, &s));
    t->rows[i] += n;
}

static void read_prompts(fixture *f, way *w, int ways, lt_pack *p, texts *t, const lt_bank *bank) {
    lt_rng r = {.seed = 8, .purpose = LT_RNG_TEST};
    for (int i = 0; i < SEATS; i++)
        for (int k = 0; k < ROOM; k++)
            t->token[i][k] = (int32_t)lt_rng_below(&r, (uint64_t)lt_model_arch(f->model)->V, (uint64_t)(i * ROOM + k), 0);
    lt_pack_clear(p);
    for (int i = 0; i < SEATS; i++) add(p, t, i, i == 0 ? LONGEST : 2 + i);
    for (int k = 0; k < ways; k++) way_step(&w[k], f, p, bank);
}

/* The script with records and without. */
static void check_steps(const char *name, fixture *f, const lt_bank *bank) {
    way w[2] = {{.cache = NULL}};
    static texts t;
    lt_pack p;
    int64_t v0, v1;
    int wrong = 0, same = 0, replayed = 0;
    lt_model_vocabulary(f->model, &v0, &v1);
    size_t row = (size_t)(v1 - v0) * sizeof(float);
    float *last = calloc(SEATS, row);
    memset(&t, 0, sizeof t);
    CHECK_OK(lt_pack_create(2 * ROOM, SEATS, &p));
    if (way_open(&w[0], f, LT_GRAPHS_AUTO) && way_open(&w[1], f, LT_GRAPHS_OFF)) {
        bool records = w[0].replay.on;
        CHECK(!w[1].replay.on);
        read_prompts(f, w, 2, &p, &t, bank);
        for (size_t k = 0; k < sizeof script / sizeof *script; k++) {
            int how = script[k].how, n = script[k].seats;
            memcpy(last, w[0].scores, SEATS * row);
            lt_pack_clear(&p);
            for (int i = 0; i < n; i++) add(&p, &t, i, how == MIXED && i == 3 ? 4 : 1);
            for (int way = 0; way < 2; way++) way_step(&w[way], f, &p, bank);
            wrong += memcmp(w[0].scores, w[1].scores, (size_t)n * row) != 0;
            for (int i = 0; i < n; i++) same += memcmp((char *)last + (size_t)i * row, (char *)w[0].scores + (size_t)i * row, row) == 0;
            replayed += records && (how == RECORDED || how == REPLAYED);
            if (how == REPLAYED && records) CHECK_INT(w[0].launches, 1);
            if (records) CHECK(w[1].launches > 20);
            CHECK_INT(w[0].replay.replayed, replayed);
        }
    }
    TEST_REPORT(wrong == 0, "%s tp %d: scores of %d steps differ with records", name, f->grid.tp_size, wrong);
    CHECK_INT(same, 0); /* negative control: numbers of the step before are others */
    CHECK_INT(w[1].replay.replayed, 0);
    for (int k = 0; k < 2; k++) way_close(&w[k]);
    lt_pack_destroy(&p);
    free(last);
}

/* A bank of numbers by chance: a prefix, adapters of two matrices. */
static void check_model(fixture *f, const char *name, const char *dir, int tp, lt_dtype compute) {
    static lt_arch arch;
    static const int32_t slot_len[1] = {PREFIX};
    static const lt_target targets[] = {LT_TARGET_Q, LT_TARGET_DOWN};
    const lt_model_options opt = {.compute = compute, .threads = 1, .head = true};
    const lt_model_limits limits = {.tokens = 2 * ROOM,
                                    .seqs = SEATS,
                                    .max_len = ROOM,
                                    .P_max = PREFIX,
                                    .slots = 1,
                                    .scored = SEATS,
                                    .adapters = true,
                                    .max_rank = RANK};
    int first, heads;
    CHECK_OK(lt_arch_read(dir, &arch));
    arch.max_pos = 2 * ROOM; /* rotary: any number */
    CHECK_OK(lt_grid_create(f->world, tp, &f->grid));
    CHECK_OK(lt_model_impl_create(dir, &f->grid, &opt, &arch, &f->model));
    CHECK_OK(lt_model_plan(f->model, &limits));
    CHECK_OK(lt_model_load(f->model));
    const lt_ctx *c = lt_model_ctx(f->model);
    lt_model_kv_heads(f->model, &first, &heads);
    lt_adapter adapter = {.rank = RANK, .scale = 0.5F};
    for (int i = 0; i < 2; i++) {
        int64_t N, K;
        CHECK(lt_arch_target(&arch, targets[i], &N, &K));
        adapter.A[targets[i]] = fixture_random(c, arch.m * RANK * K, 0.2, 2);
        adapter.B[targets[i]] = fixture_random(c, arch.m * N * RANK, 0.2, 3);
    }
    lt_bank bank = {.S = 1,
                    .P_max = PREFIX,
                    .slot_len = slot_len,
                    .kv = fixture_random(c, (int64_t)arch.m * 2 * PREFIX * heads * arch.D, 1, 1),
                    .adapter = &adapter,
                    .n_adapters = 1};
    check_steps(name, f, &bank);
    for (int i = 0; i < 2; i++) {
        c->ops->free(c, (float *)(uintptr_t)adapter.A[targets[i]]);
        c->ops->free(c, (float *)(uintptr_t)adapter.B[targets[i]]);
    }
    c->ops->free(c, bank.kv);
    fixture_close(f);
}

/* ---- whole texts ---- */

enum { TEXTS = 5, NEW = 12 };

static lt_status write_texts(fixture *f, lt_generate_args a, lt_graphs graphs, writer *w, lt_generate_counts *counts) {
    a.graphs = graphs;
    a.take = writer_take;
    a.arg = w;
    return lt_generate(f->model, &a, counts);
}

/* Five drawn texts on three seats; may: something can be recorded. */
static void check_texts(fixture *f, const char *dir, int tp, bool may) {
    static lt_arch arch;
    static const int64_t offset[TEXTS + 1] = {0, 4, 5, 11, 13, 20};
    int32_t tokens[20], eos = 7;
    lt_generate_counts with, without;
    lt_model_limits limits = {.tokens = 0};
    writer w[3];
    for (int i = 0; i < 20; i++) tokens[i] = 10 + i;
    lt_generate_args a = {.n = TEXTS,
                          .tokens = tokens,
                          .offset = offset,
                          .front = lt_front_none,
                          .max_tokens = NEW,
                          .sampling = {.temperature = 1.3, .top_p = 1, .seed = 3},
                          .eos = &eos,
                          .n_eos = 1,
                          .batch = 3,
                          .rows = 8};
    CHECK_OK(lt_arch_read(dir, &arch));
    lt_generate_limits(&arch, &a, 7, &limits);
    for (int i = 0; i < 3; i++) w[i] = writer_create(TEXTS, NEW);
    if (fixture_open(f, dir, tp, NULL, LT_BF16, limits)) {
        int differ = 0, others = 0;
        CHECK_OK(write_texts(f, a, LT_GRAPHS_OFF, &w[0], &without));
        CHECK_OK(write_texts(f, a, LT_GRAPHS_AUTO, &w[1], &with));
        CHECK_INT(without.replayed, 0);
        CHECK_INT(with.steps, without.steps);
        CHECK(may ? 2 * with.replayed > with.steps : with.replayed == 0);
        if (!may) CHECK_FAILS(write_texts(f, a, LT_GRAPHS_ON, &w[2], &with), LT_ERR_CONFIG, "generate.graphs: on, but");
        a.sampling.seed = 4;
        CHECK_OK(write_texts(f, a, may ? LT_GRAPHS_ON : LT_GRAPHS_AUTO, &w[2], &with));
        for (int i = 0; i < TEXTS * NEW; i++) {
            differ += w[0].token[i] != w[1].token[i];
            others += w[0].token[i] != w[2].token[i];
        }
        TEST_REPORT(differ == 0, "tp %d: %d tokens are others with graphs", tp, differ);
        CHECK(others > NEW); /* negative control: another seed */
    }
    fixture_close(f);
    for (int i = 0; i < 3; i++) writer_destroy(&w[i]);
}

int main(void) {
    fixture f = {0};
    lt_device d;
    CHECK_OK(lt_comm_init(NULL, NULL, &f.world));
    CHECK_OK(lt_device_open(f.world, LT_DEVICE_CPU, true, &d));
    int tp = lt_comm_size(f.world);
    bool gpu = d.ops->gpu != NULL;
    check_model(&f, "tiny-gqa", LT_GOLDEN "/tiny-gqa", tp, LT_F32);
    check_model(&f, "tiny-gqa, bf16", LT_GOLDEN "/tiny-gqa", tp, LT_BF16);
    check_model(&f, "tiny-mistral, bf16", LT_GOLDEN "/tiny-mistral", tp, LT_BF16);
    check_texts(&f, LT_GOLDEN "/tiny-gqa", tp, gpu);
    lt_comm_set_transport(f.world, LT_TRANSPORT_MPI);
    if (tp > 1) check_texts(&f, LT_GOLDEN "/tiny-gqa", tp, false);
    int rc = test_end();
    lt_comm_fini(&f.world);
    return rc;
}
