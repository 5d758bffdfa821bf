// TEST np: 1 2 3 4  rooms: model  labels: mpi  timeout: 300  ops: guard ref
/* Every switch of lt_arch, and everything that is trained inside or in front of a block, against a forward in f64 that shares no code with the model
 * (toy_model.h) and its differences: shapes of known families and shapes that nobody has, tensor parallel over all ranks of the test.
 *
 * One pack holds trials of every kind: plain, prefix, prompt rows, LoRA with dropout on all seven matrices, LoRA of another rank beside a prefix.
 * Several ranks cut every shape, evenly or not (three ranks: none evenly); their gradients are also compared with those of the same model on one rank.
 * Limits: states 2e-5 absolute, as for goldens; gradients 2e-5 of the largest of their array.  In bf16 (8 bits a number, some thirty roundings in a row)
 * 0.06 shows that types and places are right, no more.  LT_TEST_VERBOSE=1 prints what was seen. */
#define LT_TEST_MPI
#include "toy_trained.h"

static double limit; /* as compute is */
static const double limit_f32 = 2e-5, limit_bf16 = 0.06;
enum { STRIDE = 5 };

/* ---- the truth ---- */

/* Prefix of slot s as the toy wants it: [m][2][P][Hkv][D]. */
static double *slot_values(bench *b, int s) {
    const lt_arch *a = &b->t.arch;
    int64_t row = (int64_t)a->Hkv * a->D, P = b->slot_len[s];
    double *out = malloc((size_t)(a->m * 2 * P * row) * sizeof *out);
    for (int64_t l = 0; l < a->m * 2; l++)
        memcpy(out + l * P * row, b->p[0].value + (s * a->m * 2 + l) * b->bank.P_max * row, (size_t)(P * row) * sizeof *out);
    return out;
}

static void make_seqs(bench *b) {
    b->coef = numbers((int64_t)N_SEQS * TOY_ROWS * b->t.arch.C, 1, 77);
    for (int i = 0; i < N_SEQS; i++) {
        lt_rng r = {.seed = 8, .purpose = LT_RNG_TEST, .a = (uint32_t)i};
        for (int t = 0; t < seq_len[i]; t++) b->ids[i][t] = (int32_t)lt_rng_below(&r, (uint64_t)b->t.arch.V, (uint64_t)t, 0);
        b->seq[i] = (toy_seq){.ids = b->ids[i],
                              .n = seq_len[i],
                              .segment = b->t.arch.types > 1 ? seq_len[i] / 2 : seq_len[i],
                              .prefix = seq_prefix[i],
                              .prompt_rows = seq_trial[i] == 2 ? PROMPT : 0,
                              .prompt = b->p[1].value,
                              .adapter = &b->adapter[seq_trial[i]],
                              .key = 1000 + (uint64_t)i * 77};
    }
}

/* Truth of sequence i: states [m + 1][rows][C] into out; returns rows. */
static int states_of(bench *b, int i, bool drop, double *out) {
    toy_seq s = b->seq[i];
    double *kv = s.prefix ? slot_values(b, i == 1 ? 0 : 1) : NULL;
    s.kv = kv;
    s.drop = drop && s.adapter->rank;
    toy_forward(&b->t, &s, out);
    free(kv);
    return s.prompt_rows + s.n;
}

/* Loss of the sequences of one trial. */
static double loss_of(bench *b, int trial, lt_readout r) {
    static double out[(TOY_LAYERS + 1) * TOY_ROWS * 64];
    int64_t C = b->t.arch.C;
    double sum = 0;
    for (int i = 0; i < N_SEQS; i++) {
        if (seq_trial[i] != trial) continue;
        int rows = states_of(b, i, true, out);
        const double *last = out + (int64_t)b->t.arch.m * rows * C, *coef = b->coef + (int64_t)i * TOY_ROWS * C;
        for (int t = 0; t < rows; t++)
            for (int64_t c = 0; c < C; c++) {
                if (r == LT_READ_TOKENS) sum += coef[t * C + c] * last[t * C + c];
                if (r == LT_READ_LAST && t == rows - 1) sum += coef[c] * last[t * C + c];
                if (r == LT_READ_MEAN && t >= b->seq[i].prompt_rows) sum += coef[c] * last[t * C + c] / b->seq[i].n;
            }
    }
    return sum;
}

/* want := differences, of every STRIDE-th element (the others stay 0), shared out over the ranks. */
static void differences(bench *b, param *p, lt_readout r) {
    const double h = 1e-4;
    int64_t n = p->outer * p->rows * p->cols, slot = n / 2;
    memset(p->want, 0, (size_t)n * sizeof *p->want);
    for (int64_t i = 0, turn = 0; i < n; i += STRIDE, turn++) {
        if (turn % b->grid->tp_size != b->grid->tp_rank) continue;
        int trial = p == &b->p[0] && i >= slot ? 4 : p->trial;
        double kept = p->value[i], side[2];
        for (int k = 0; k < 2; k++) {
            p->value[i] = kept + (k ? h : -h);
            side[k] = loss_of(b, trial, r);
        }
        p->value[i] = kept;
        p->want[i] = (side[1] - side[0]) / (2 * h);
    }
    lt_sum_host(b->grid->tp, p->want, n);
}

/* ---- the model ---- */

static void fill_pack(bench *b, bool reversed, lt_pack *pack, int order[N_SEQS]) {
    lt_pack_clear(pack);
    for (int k = 0; k < N_SEQS; k++) {
        int i = order[k] = reversed ? N_SEQS - 1 - k : k;
        const toy_seq *s = &b->seq[i];
        CHECK_OK(lt_pack_add(pack, &(lt_pack_seq){.tokens = s->ids,
                                                  .n = s->n,
                                                  .segment = s->segment,
                                                  .prompt_rows = s->prompt_rows,
                                                  .slot = i == 1   ? 0
                                                          : i == 5 ? 1
                                                                   : -1,
                                                  .prefix_len = s->prefix,
                                                  .trial = seq_trial[i],
                                                  .key = s->key}));
    }
}

static double worst_of(const double *got, const double *want, int64_t n) {
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs(got[i] - want[i]);
        if (!(d <= worst)) worst = isnan(d) ? INFINITY : d;
    }
    return worst;
}

/* Largest difference of all layers' states between the model's (hidden [m + 1][T][C]) and the truth. */
static double states_error(bench *b, const lt_pack *pack, const int order[N_SEQS], const float *hidden, bool drop) {
    static double out[(TOY_LAYERS + 1) * TOY_ROWS * 64], got[TOY_ROWS * 64];
    int64_t C = b->t.arch.C;
    double worst = 0;
    for (int k = 0; k < N_SEQS; k++) {
        int rows = states_of(b, order[k], drop, out);
        for (int64_t l = 0; l <= b->t.arch.m; l++) {
            for (int64_t i = 0; i < rows * C; i++) got[i] = (double)hidden[(l * pack->n_tok + pack->cu[k]) * C + i];
            worst = fmax(worst, worst_of(got, out + l * rows * C, rows * C));
        }
    }
    return worst;
}

static void check_states(bench *b, const shape *s, lt_pack *pack) {
    int order[N_SEQS];
    lt_readout_rows rows;
    fill_pack(b, false, pack, order);
    float *hidden = calloc((size_t)((b->t.arch.m + 1) * pack->n_tok * b->t.arch.C), sizeof *hidden);
    lt_model_forward(b->m, &(lt_forward_args){.pack = pack, .bank = &b->bank, .readout = LT_READ_TOKENS, .hidden = hidden}, &rows);
    double error = states_error(b, pack, order, hidden, false);
    TEST_REPORT(error <= limit, "%s tp %d: states off by %.3g", s->name, b->grid->tp_size, error);
    if (getenv("LT_TEST_VERBOSE") && b->grid->rank == 0) printf("%-28s tp %d states %.1e\n", s->name, b->grid->tp_size, error);
    for (int k = 0; limit < 1e-3 && k < MAX_CONTROLS && s->flip[k]; k++) { /* negative controls: each switch matters */
        lt_arch kept = b->t.arch;
        s->flip[k](&b->t.arch);
        error = states_error(b, pack, order, hidden, false);
        b->t.arch = kept;
        TEST_REPORT(error > 10 * limit, "%s: flip %d is not noticed: %.3g", s->name, k, error);
    }
    CHECK(states_error(b, pack, order, hidden, true) > 4 * limit); /* no dropout without backward */
    free(hidden);
}

/* d_out: the coefficients of the rows that are read out. */
static float *make_d_out(bench *b, const lt_pack *pack, const int order[N_SEQS], lt_readout r, int64_t n) {
    int64_t C = b->t.arch.C;
    float *host = calloc((size_t)(n * C), sizeof *host), *d = NULL;
    for (int k = 0; k < N_SEQS; k++)
        for (int64_t i = 0; i < (r == LT_READ_TOKENS ? (pack->cu[k + 1] - pack->cu[k]) * C : C); i++)
            host[(r == LT_READ_TOKENS ? pack->cu[k] : k) * C + i] = (float)b->coef[(int64_t)order[k] * TOY_ROWS * C + i];
    CHECK_OK(b->ctx->ops->alloc(b->ctx, (size_t)(n * C) * sizeof *d, "a gradient", (void **)&d));
    CHECK_OK(lt_ctx_upload(b->ctx, d, host, (size_t)(n * C) * sizeof *d));
    CHECK_OK(b->ctx->ops->wait(b->ctx, NULL));
    free(host);
    return d;
}

static void check_gradients(bench *b, const shape *s, lt_pack *pack, lt_readout r) {
    double most = 0;
    for (int i = 0; i < b->n; i++) differences(b, &b->p[i], r);
    for (int reversed = 0; reversed < 2;
         reversed++) { /* another place in the pack, another neighbour: the same gradients, dropout included */
        int order[N_SEQS];
        lt_readout_rows rows;
        fill_pack(b, reversed, pack, order);
        lt_forward_args args = {.pack = pack, .bank = &b->bank, .readout = r, .backward = true};
        lt_model_forward(b->m, &args, &rows);
        float *d_out = make_d_out(b, pack, order, r, rows.n);
        lt_model_backward(b->m, &args, d_out);
        b->ctx->ops->free(b->ctx, d_out);
        for (int i = 0; i < b->n; i++) {
            param *p = &b->p[i];
            int64_t n = p->outer * p->rows * p->cols;
            double top = 1e-30;
            gather(b, p);
            for (int64_t k = 0; k < n; k++) {
                top = fmax(top, fabs(p->got[k]));
                if (k % STRIDE) p->got[k] = 0;
            }
            double error = worst_of(p->got, p->want, n) / top;
            TEST_REPORT(error <= limit, "%s tp %d read-out %d%s: gradient of %s off by %.3g of its largest", s->name, b->grid->tp_size,
                        (int)r, reversed ? ", reversed" : "", p->name, error);
            most = fmax(most, error);
            p->got[STRIDE] += 10 * limit * top; /* negative control */
            CHECK(worst_of(p->got, p->want, n) / top > limit);
        }
    }
    if (getenv("LT_TEST_VERBOSE") && b->grid->rank == 0)
        printf("%-28s tp %d gradients %.1e, read-out %d\n", s->name, b->grid->tp_size, most, (int)r);
}

/* A pack in which nothing is trained costs no backward. */
static void check_nothing(bench *b, lt_pack *pack) {
    lt_readout_rows rows;
    const toy_seq *s = &b->seq[0];
    lt_pack_clear(pack);
    CHECK_OK(lt_pack_add(pack, &(lt_pack_seq){.tokens = s->ids, .n = s->n, .segment = s->n, .slot = -1}));
    lt_forward_args args = {.pack = pack, .bank = &b->bank, .readout = LT_READ_LAST, .backward = true};
    lt_model_forward(b->m, &args, &rows);
    double before = lt_model_get_times(b->m).linear;
    lt_model_backward(b->m, &args, NULL); /* not even the gradient is read */
    CHECK(lt_model_get_times(b->m).linear == before);
}

/* Gradients of all rows of one pack -> got. */
static void find_gradients(bench *b, lt_pack *pack) {
    int order[N_SEQS];
    lt_readout_rows rows;
    fill_pack(b, false, pack, order);
    lt_forward_args args = {.pack = pack, .bank = &b->bank, .readout = LT_READ_TOKENS, .backward = true};
    lt_model_forward(b->m, &args, &rows);
    float *d_out = make_d_out(b, pack, order, LT_READ_TOKENS, rows.n);
    lt_model_backward(b->m, &args, d_out);
    b->ctx->ops->free(b->ctx, d_out);
    for (int i = 0; i < b->n; i++) gather(b, &b->p[i]);
}

/* Every element of every gradient, as two models found it that differ in the order of sums, no more: those of a group of ranks and of one rank alone, or with
 * one product for q, k and v and with two. */
static void check_same(bench *b, bench *one, const shape *s, lt_pack *pack, const char *other) {
    const double most = 1e-5;
    double worst = 0;
    find_gradients(b, pack);
    find_gradients(one, pack);
    for (int i = 0; i < b->n; i++) {
        param *p = &b->p[i];
        int64_t n = p->outer * p->rows * p->cols;
        double top = 1e-30;
        for (int64_t k = 0; k < n; k++) top = fmax(top, fabs(one->p[i].got[k]));
        double error = worst_of(p->got, one->p[i].got, n) / top;
        TEST_REPORT(error <= most, "%s tp %d: gradient of %s is off that of %s by %.3g of its largest", s->name, b->grid->tp_size, p->name,
                    other, error);
        worst = fmax(worst, error);
        p->got[n - 1] += 4 * most * top; /* negative control */
        CHECK(worst_of(p->got, one->p[i].got, n) / top > most);
    }
    if (getenv("LT_TEST_VERBOSE") && b->grid->rank == 0) printf("%-28s tp %d against %s %.1e\n", s->name, b->grid->tp_size, other, worst);
}

static int64_t products(const bench *b) { return b->ctx->ops->gpu->counts()->products; }

/* The same with matrices of q and of keys and values apart, which takes a product more a block in each direction. */
static void check_apart(bench *b, bench *apart, const shape *s, lt_pack *pack) {
    int64_t before = products(b);
    find_gradients(b, pack);
    int64_t one = products(b) - before, m = b->t.arch.m;
    before = products(b);
    find_gradients(apart, pack);
    int64_t two = products(b) - before;
    TEST_REPORT(two - one == 2 * m || two - one == 2 * m - 1, "%s tp %d: %lld products with one matrix, %lld with two, %lld blocks",
                s->name, b->grid->tp_size, (long long)one, (long long)two,
                (long long)m); /* the first block may have nothing to give below */
    check_same(b, apart, s, pack, "matrices apart");
}

/* Keys and values of a text, all heads, on every rank. */
static void check_text_kv(bench *b, bench *one, const shape *s) {
    const lt_arch *a = &b->t.arch;
    int64_t n = seq_len[1], count = (int64_t)a->m * 2 * n * a->Hkv * a->D;
    float *kv = calloc((size_t)count, sizeof *kv), *want = calloc((size_t)count, sizeof *want);
    lt_model_text_kv(b->m, b->ids[1], n, kv);
    lt_model_text_kv(one->m, b->ids[1], n, want);
    double error = test_max_diff(kv, want, count);
    TEST_REPORT(error <= limit, "%s tp %d: keys and values of a text off by %.3g", s->name, b->grid->tp_size, error);
    kv[count - 1] += 1; /* negative control */
    CHECK(test_max_diff(kv, want, count) > limit);
    free(want);
    free(kv);
}

/* write: its file is not there yet. */
static bool begin(bench *b, const shape *s, lt_grid *grid, const char *dir, lt_dtype compute, bool write, bool apart) {
    if (write) write_toy(s, grid, dir);
    if (!open_bench(b, s, grid, dir, &(lt_model_options){.compute = compute, .threads = 1, .apart = apart})) return false;
    make_seqs(b);
    return true;
}

static void run(const shape *s, lt_grid *grid, lt_grid *alone, const char *dir, lt_dtype compute) {
    static bench b, one;
    lt_pack pack = {0};
    limit = compute == LT_F32 ? limit_f32 : limit_bf16;
    if (!begin(&b, s, grid, dir, compute, true, false)) return;
    CHECK_OK(lt_pack_create(64, N_SEQS, &pack));
    check_states(&b, s, &pack);
    check_gradients(&b, s, &pack, LT_READ_LAST);
    check_gradients(&b, s, &pack, LT_READ_TOKENS);
    if (s == shapes) check_gradients(&b, s, &pack, LT_READ_MEAN);
    check_nothing(&b, &pack);
    if (compute == LT_F32 && grid->tp_size > 1 && begin(&one, s, alone, dir, compute, false, false)) {
        check_same(&b, &one, s, &pack, "one rank");
        check_text_kv(&b, &one, s);
        close_bench(&one);
    }
    if (compute == LT_F32 && b.ctx->ops->plain_rows && begin(&one, s, grid, dir, compute, false, true)) {
        check_apart(&b, &one, s, &pack);
        check_text_kv(&b, &one, s);
        close_bench(&one);
    }
    lt_pack_destroy(&pack);
    close_bench(&b);
}

int main(void) {
    lt_comm *world = NULL;
    lt_grid grid = {0}, alone = {0};
    char dir[64] = "/tmp/test_block-XXXXXX", path[128];
    CHECK_OK(lt_comm_init(NULL, NULL, &world));
    CHECK_OK(lt_grid_create(world, lt_comm_size(world), &grid));
    CHECK_OK(lt_grid_create(world, 1, &alone));
    if (lt_comm_rank(world) == 0) CHECK(mkdtemp(dir) != NULL);
    lt_bcast_host(world, dir, sizeof dir, 0);
    const char *ops = getenv("LT_OPS");
    bool few = ops && strcmp(ops, "cuda-emulated") == 0 &&
               lt_comm_size(world) > 1; /* slow: those of which bf16 is checked, even and uneven ones */
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (shapes[i].bf16 || !few) run(&shapes[i], &grid, &alone, dir, LT_F32);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (shapes[i].bf16) run(&shapes[i], &grid, &alone, dir, LT_BF16);
    if (lt_comm_rank(world) == 0) {
        (void)snprintf(path, sizeof path, "%s/model.safetensors", dir);
        (void)unlink(path);
        (void)rmdir(dir);
    }
    lt_grid_destroy(&alone);
    lt_grid_destroy(&grid);
    int rc = test_end();
    lt_comm_fini(&world);
    return rc;
}
