// TEST np: 1 2 4  rooms: model  labels: mpi  timeout: 120  ops: guard cuda-emulated
/* A text before another, read once into a bank slot, against the same text among the rows: causal models of every family give the same read-out rows, tensor
 * parallel over all ranks of the test.  (A layer with a window sees a bank at any distance: there both are the same only within the window, and a model whose
 * window is shorter than these texts shows that the test can tell.)
 *
 * Limit 1e-5 absolute on rows of norm layers' size.  Controls: another text in the slot; the first special token twice. */
#define LT_TEST_MPI
#include "model_fixture.h"

#include "base/mem.h"

static const double limit = 1e-5;
enum { LEAD = 5, TEXTS = 3, LONGEST = 7, BEGIN = 1 };

static const char *const models[] = {"tiny-llama", "tiny-gqa",   "tiny-mistral",  "tiny-qwen2",     "tiny-qwen3",      "tiny-gemma3",
                                     "tiny-gpt2",  "tiny-bloom", "tiny-gpt-neox", "tiny-falcon-7b", "tiny-falcon-40b", "tiny-falcon-rw"};
static const int32_t lead[LEAD] = {11, 7, 23, 5, 17}, other[LEAD] = {11, 7, 23, 5, 18};
static const int32_t text[TEXTS][LONGEST] = {{1, 9, 14, 3, 22, 8, 6}, {1, 12, 4}, {1, 30, 31, 2, 19}};
static const int64_t length[TEXTS] = {7, 3, 5};

/* Keys and values of the first special token and a lead, of this rank's heads, to a slot of room P. */
static void fill_slot(fixture *f, const int32_t *words, int64_t P, float *slot) {
    const lt_arch *a = lt_model_arch(f->model);
    int first, heads;
    int32_t all[BEGIN + LEAD];
    int64_t n = BEGIN + LEAD, row = (int64_t)a->Hkv * a->D;
    lt_model_kv_heads(f->model, &first, &heads);
    int64_t part = (int64_t)heads * a->D;
    float *kv = calloc((size_t)(a->m * 2 * n * row), sizeof *kv), *host = calloc((size_t)(a->m * 2 * P * part), sizeof *host);
    all[0] = text[0][0];
    memcpy(all + BEGIN, words, sizeof lead);
    lt_model_text_kv(f->model, all, n, kv);
    for (int64_t l = 0; l < 2 * a->m; l++)
        for (int64_t t = 0; t < n; t++)
            memcpy(host + (l * P + t) * part, kv + (l * n + t) * row + first * a->D, (size_t)part * sizeof *host);
    CHECK_OK(lt_ctx_upload(lt_model_ctx(f->model), slot, host, (size_t)(a->m * 2 * P * part) * sizeof *host));
    CHECK_OK(lt_model_ctx(f->model)->ops->wait(lt_model_ctx(f->model), NULL));
    free(kv);
    free(host);
}

/* Read-out rows [TEXTS, C]; bank: NULL = the lead stands among the rows.  skip: of each text's tokens, which the slot has. */
static void read_out(fixture *f, const lt_bank *bank, int64_t skip, float *rows) {
    lt_pack pack;
    lt_readout_rows out;
    CHECK_OK(lt_pack_create(TEXTS * (LEAD + LONGEST), TEXTS, &pack));
    for (int i = 0; i < TEXTS; i++) {
        lt_pack_seq seq = {.tokens = text[i] + skip, .n = length[i] - skip, .segment = length[i] - skip, .slot = bank ? 0 : -1};
        if (bank) {
            seq.prefix_len = BEGIN + LEAD;
        } else {
            seq.lead = lead;
            seq.n_lead = LEAD;
            seq.lead_at = BEGIN;
        }
        CHECK_OK(lt_pack_add(&pack, &seq));
    }
    lt_forward_args args = {.pack = &pack, .bank = bank, .readout = LT_READ_LAST};
    lt_model_forward(f->model, &args, &out);
    CHECK_OK(lt_ctx_download(lt_model_ctx(f->model), rows, out.rows, (size_t)(TEXTS * lt_model_arch(f->model)->C) * sizeof *rows));
    lt_pack_destroy(&pack);
}

static double most(const float *x, const float *y, int64_t n) {
    double d = 0;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)x[i] - (double)y[i]) <= d)) d = fabs((double)x[i] - (double)y[i]);
    return d;
}

/* Some layer's window is shorter than a text with its lead. */
static bool windows(const lt_arch *a) {
    bool any = false;
    for (int64_t l = 0; l < a->m; l++) any = any || (a->layer[l].window > 0 && a->layer[l].window < BEGIN + LEAD + LONGEST);
    return any;
}

static void check(lt_comm *world, const char *name) {
    fixture f = {.world = world};
    char path[4096];
    lt_arch arch;
    (void)snprintf(path, sizeof path, "%s/%s", LT_GOLDEN, name);
    CHECK_OK(lt_arch_read(path, &arch));
    if (!lt_arch_tp_works(&arch, lt_comm_size(world))) return;
    enum { P = BEGIN + LEAD + 2 };
    lt_model_limits lim = {
        .tokens = TEXTS * (LEAD + LONGEST), .seqs = TEXTS, .max_len = LEAD + LONGEST, .P_max = P, .slots = 1, .backward = true};
    if (!fixture_open(&f, path, lt_comm_size(world), NULL, LT_F32, lim)) return;
    const lt_ctx *c = lt_model_ctx(f.model);
    const lt_arch *a = lt_model_arch(f.model);
    int first, heads;
    const int32_t slot_len[] = {BEGIN + LEAD};
    void *kv = NULL;
    lt_model_kv_heads(f.model, &first, &heads);
    CHECK_OK(c->ops->alloc(c, (size_t)(a->m * 2 * P * heads * a->D) * sizeof(float), "a slot", &kv));
    lt_bank bank = {.S = 1, .P_max = P, .slot_len = slot_len, .kv = kv};
    float *among = calloc((size_t)(TEXTS * a->C), sizeof *among), *before = calloc((size_t)(TEXTS * a->C), sizeof *before);
    read_out(&f, NULL, 0, among);
    fill_slot(&f, lead, P, kv);
    read_out(&f, &bank, BEGIN, before);
    double d = most(among, before, TEXTS * a->C);
    if (lt_comm_rank(world) == 0) printf("%-16s in a slot and among the rows: %.2g\n", name, d);
    CHECK(windows(a) ? d > limit : d <= limit);
    read_out(&f, &bank, 0, before);
    CHECK(most(among, before, TEXTS * a->C) > limit);
    fill_slot(&f, other, P, kv);
    read_out(&f, &bank, BEGIN, before);
    CHECK(most(among, before, TEXTS * a->C) > limit);
    c->ops->free(c, kv);
    free(among);
    free(before);
    fixture_close(&f);
}

int main(void) {
    lt_comm *world = NULL;
    CHECK_OK(lt_comm_init(NULL, NULL, &world));
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) check(world, models[i]);
    int rc = test_end();
    lt_comm_fini(&world);
    return rc;
}
