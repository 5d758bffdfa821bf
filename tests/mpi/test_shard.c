// TEST np: 1  rooms: model  labels: mpi  timeout: 120
/* The shard plan as a property: for random architectures (heads, key/value heads, widths, vocabularies, layouts, biases, relative positions, a convolution, a
 * pooler) and every tp from 1 to 8, what the ranks read out of the file is put back together where cut.h says that it lies, and gives every tensor whole:
 * each element once, those of key/value heads perhaps on several ranks, and then the same.  Every number in the file says what it is, so nothing can be
 * mistaken for something else.  Every part of family_impl.h's list must have stood in some file.
 *
 * No rank needs another to read: one process loads all parts, each under a grid that says who it is.  Controls: a plan with one cut shifted by one unit; one
 * number of a part that should be another. */
#define LT_TEST_MPI
#include "toy_shapes.h"

#include "model/pieces_impl.h"

#include "kernels/cpu.h"

enum { ARCHS = 320, MOST_TP = 8, LAYERS = 2, SEED = 21 };
enum { SHIFT_NONE, SHIFT_HEADS, SHIFT_KV, SHIFT_F, SHIFT_V, SHIFTS };

/* ---- random architectures ---- */

static uint32_t number; /* of the architecture, the seed of everything in it */
static uint64_t turn;

static int64_t below(int64_t n) {
    lt_rng r = {.seed = SEED, .purpose = LT_RNG_TEST, .a = number};
    return (int64_t)lt_rng_below(&r, (uint64_t)n, turn++, 0);
}

static shape now;
static bool with_pooler;
static int64_t drawn[LT_PARTS], noticed[LT_PARTS]; /* files that had the part; controls of it */

static void set_random(lt_arch *a) {
    bool heads = now.fused && now.qkv == LT_LAYOUT_HEADS;
    int group = heads ? 1 : 1 + (int)below(7);
    a->m = LAYERS;
    a->Hkv = 1 + (int)below(heads ? 9 : 6);
    a->H = a->Hkv * group;
    if (number == 0) { /* as in Falcon-7B */
        a->H = 71;
        a->Hkv = 1;
    }
    a->D = 2 * (1 + (int)below(3));
    a->C = 2 + below(30);
    a->F = below(4) ? 8 + below(60) : 100 + below(900); /* small ones are cut by the column, large ones in units */
    a->V = 3 + below(40);
    a->max_pos = 5;
    a->types = below(3);
    a->glu = now.fused_up || below(2);
    a->norms = 1 + (int)below(7);
    a->norm_bias = below(2);
    a->norm_plus_one = below(2);
    a->qk_norm = below(2);
    a->embed_norm = below(2);
    a->final_norm = below(2);
    a->tied = below(2);
    a->biases = (int)below(2 * LT_BIAS_POS_Q);
    if (now.fused) a->biases = below(2) ? a->biases | LT_BIAS_QKV : a->biases & ~LT_BIAS_QKV; /* one tensor has one bias */
    if (now.fused_up) a->biases = below(2) ? a->biases | LT_BIAS_UP | LT_BIAS_GATE : a->biases & ~(LT_BIAS_UP | LT_BIAS_GATE);
    if (now.bare) a->biases = (a->biases | LT_BIAS_Q | LT_BIAS_V) & ~LT_BIAS_K; /* as in DeBERTa */
    a->positions = (lt_positions)below(5);
    a->relative = (lt_relative){.c2p = below(2), .p2c = below(2), .shared = below(2), .span = 1 + below(4)};
    a->relative.norm = lt_arch_is_relative(a) && below(2);
    a->conv_kernel = below(3) ? 0 : 1 + 2 * (int)below(3);
}

/* Adds what make_toy() has no switch for. */
static void add_rows(const lt_arch *a, lt_row rows[32]) {
    int n = 0;
    while (rows[n].part != LT_PART_END) n++;
    if (with_pooler) put(rows, &n, "pooler", LT_PART_POOLER, false);
    if (!a->tied) put(rows, &n, "head", LT_PART_HEAD, false);
    rows[n] = (lt_row){.part = LT_PART_END};
}

/* What each number of a tensor is: exact in f32. */
static void number_all(toy *t) {
    for (int part = 0; part < TOY_PARTS; part++)
        for (int l = 0; l < LAYERS; l++)
            for (int bias = 0; bias < 2; bias++) {
                int64_t N, K, base = ((int64_t)(part * LAYERS + l) * 2 + bias) << 16;
                toy_shape(&t->arch, part, &N, &K);
                if (bias) K = 1;
                double *x = malloc((size_t)(N * K) * sizeof *x);
                for (int64_t i = 0; i < N * K; i++) x[i] = (double)(base + i);
                t->w[part][l][bias] = x;
            }
}

/* ---- one rank's part ---- */

static void load_rank(toy *t, lt_st *st, lt_grid *grid, int shift, lt_model *m) {
    *m = (lt_model){.arch = t->arch, .grid = grid, .st = st, .with_head = true};
    m->ctx = (lt_ctx){.ops = lt_ops_cpu(), .threads = 1, .compute = LT_F32};
    CHECK_OK(m->ctx.ops->ctx_init(&m->ctx));
    CHECK_OK(lt_model_impl_prepare(m));
    if (shift == SHIFT_HEADS) m->h_first += m->h_first > 0 ? -1 : 1;
    if (shift == SHIFT_KV) m->kv_first += m->kv_first > 0 ? -1 : 1;
    if (shift == SHIFT_F) m->f_first += m->f_first > 0 ? -1 : 1;
    if (shift == SHIFT_V && m->v0 > 0) m->v0--, m->v1--;
    CHECK_OK(lt_ctx_arena_init(&m->ctx, &m->weights, "weights", m->weights_bytes));
    CHECK_OK(lt_model_impl_shard(m));
    CHECK_OK(lt_model_impl_match(m));
    lt_pieces pieces = {0};
    CHECK_OK(lt_model_impl_pieces(m, &pieces));
    CHECK_OK(lt_model_impl_read(m, &pieces));
    lt_model_impl_pieces_free(&pieces);
}

static void drop_rank(lt_model *m) {
    lt_ctx_arena_fini(&m->ctx, &m->weights);
    m->ctx.ops->ctx_fini(&m->ctx);
    free(m->block);
    free(m->saved);
    free(m->weight);
}

/* ---- together again ---- */

typedef struct sheet {
    double *x; /* [N, K], NaN where nothing was put yet */
    int64_t N, K, wrong;
} sheet;

/* The part [rows, cols] of a rank at its place; shared: other ranks may have the same numbers. */
static void put_part(sheet *s, int64_t row0, int64_t rows, int64_t col0, int64_t cols, const void *part, bool shared) {
    const float *v = part;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < cols; k++) {
            double *at = &s->x[(row0 + i) * s->K + col0 + k], got = (double)v[i * cols + k];
            s->wrong += isnan(*at) ? 0 : !shared || *at != got;
            *at = got;
        }
}

static sheet blank(int64_t N, int64_t K) {
    sheet s = {.x = malloc((size_t)(N * K) * sizeof(double)), .N = N, .K = K};
    for (int64_t i = 0; i < N * K; i++) s.x[i] = (double)NAN;
    return s;
}

/* The numbers of a part that every rank has whole; NULL: it is cut. */
static const float *mirrored(const lt_model *m, int part, int l, bool bias) {
    const lt_block *b = &m->block[l];
    const lt_norm_weights *norm = part == LT_PART_EMBED_NORM   ? &m->embed_norm
                                  : part == LT_PART_FINAL_NORM ? &m->final_norm
                                  : part == LT_PART_REL_NORM   ? &m->rel_norm
                                  : part == LT_PART_CONV_NORM  ? &m->conv_norm
                                  : part >= LT_PART_NORM && part < LT_NORM_PARTS
                                      ? &b->norm[(part - LT_PART_NORM) / 3][(part - LT_PART_NORM) % 3]
                                      : NULL;
    const lt_lin *lin = part == LT_PART_POOLER ? &m->pooler : part == LT_PART_CONV ? &m->conv : NULL;
    if (norm) return bias ? norm->b : norm->w;
    if (lin) return bias ? lin->bias : lin->w;
    return part == LT_PART_POSITIONS   ? m->pos_tab
           : part == LT_PART_TYPES     ? m->type_tab
           : part == LT_PART_REL_TABLE ? m->rel_tab
           : part == LT_PART_Q_NORM    ? b->q_norm
           : part == LT_PART_K_NORM    ? b->k_norm
                                       : NULL;
}

/* Elements of one part that are wrong, missing, or held twice without reason, over all ranks of m. */
static int64_t wrong_in(toy *t, const lt_model *m, int tp, int part, int l, bool bias) {
    const lt_arch *a = &t->arch;
    int64_t N, K, D = a->D, wrong = 0;
    toy_shape(a, part, &N, &K);
    if (bias) K = 1;
    sheet s = blank(N, K);
    for (int r = 0; r < tp; r++) {
        lt_cut c = lt_arch_cut(a, tp, r);
        const lt_block *b = &m[r].block[l];
        int64_t kv = c.Hkv * D;
#define OF(lin, at) (bias ? (const void *)(b->lin.bias + (at)) : (const void *)((const float *)b->lin.w + (at)*b->lin.K))
        switch (part) {
        case LT_PART_TOKENS:
        case LT_PART_HEAD:
            put_part(&s, c.v0, c.v1 - c.v0, 0, K, part == LT_PART_HEAD ? m[r].head : m[r].tok, false);
            break;
        case LT_PART_Q:
            put_part(&s, c.h0 * D, c.H * D, 0, K, OF(q, 0), false);
            break;
        case LT_PART_POS_K:
            put_part(&s, c.h0 * D, c.H * D, 0, K, OF(pos_k, 0), false);
            break;
        case LT_PART_POS_Q:
            put_part(&s, c.h0 * D, c.H * D, 0, K, OF(pos_q, 0), false);
            break;
        case LT_PART_K:
            put_part(&s, c.kv0 * D, kv, 0, K, OF(kv, 0), a->Hkv < tp);
            break;
        case LT_PART_V:
            put_part(&s, c.kv0 * D, kv, 0, K, OF(kv, kv), a->Hkv < tp);
            break;
        case LT_PART_O:
            put_part(&s, 0, N, bias ? 0 : c.h0 * D, bias ? 1 : c.H * D, OF(o, 0), bias);
            break;
        case LT_PART_GATE:
            put_part(&s, c.f0, c.F, 0, K, OF(up, 0), false);
            break;
        case LT_PART_UP:
            put_part(&s, c.f0, c.F, 0, K, OF(up, a->glu ? c.F : 0), false);
            break;
        case LT_PART_DOWN:
            put_part(&s, 0, N, bias ? 0 : c.f0, bias ? 1 : c.F, OF(down, 0), bias);
            break;
        default:
            if (mirrored(&m[r], part, l, bias))
                put_part(&s, 0, N, 0, K, mirrored(&m[r], part, l, bias), true);
            else
                wrong++;
        }
#undef OF
    }
    bool plus_one = toy_is_norm(part) && !bias && a->norm_plus_one;
    for (int64_t i = 0; i < N * K; i++) wrong += !(s.x[i] == t->w[part][l][bias][i] + plus_one); /* NaN too */
    free(s.x);
    return wrong + s.wrong;
}

/* Does the model have the part?  Those that stand in tensors of others (QKV, GATE_UP, Q_BIAS, V_BIAS) are looked for there. */
static bool there(const lt_arch *a, int part, bool bias) {
    const lt_relative *r = &a->relative;
    if (part >= LT_PART_NORM && part < LT_NORM_PARTS)
        return lt_model_impl_has_norm(a, (part - LT_PART_NORM) / 3, (part - LT_PART_NORM) % 3) && (!bias || a->norm_bias);
    switch (part) {
    case LT_PART_QKV:
    case LT_PART_GATE_UP:
    case LT_PART_Q_BIAS:
    case LT_PART_V_BIAS:
        return false;
    case LT_PART_TOKENS:
        return !bias;
    case LT_PART_HEAD:
        return !bias && !a->tied;
    case LT_PART_POSITIONS:
        return !bias && a->positions == LT_POS_TABLE;
    case LT_PART_TYPES:
        return !bias && a->types > 0;
    case LT_PART_EMBED_NORM:
        return a->embed_norm && (!bias || a->norm_bias);
    case LT_PART_FINAL_NORM:
        return a->final_norm && (!bias || a->norm_bias);
    case LT_PART_Q_NORM:
    case LT_PART_K_NORM:
        return !bias && a->qk_norm;
    case LT_PART_REL_TABLE:
        return !bias && lt_arch_is_relative(a);
    case LT_PART_REL_NORM:
        return r->norm && (!bias || a->norm_bias);
    case LT_PART_CONV:
        return a->conv_kernel > 0;
    case LT_PART_CONV_NORM:
        return a->conv_kernel > 0 && (!bias || a->norm_bias);
    case LT_PART_POOLER:
        return with_pooler;
    case LT_PART_GATE:
        return a->glu && (!bias || a->biases & LT_BIAS_GATE);
    case LT_PART_POS_K:
    case LT_PART_POS_Q:
        if (r->shared || !(part == LT_PART_POS_K ? r->c2p : r->p2c)) return false;
        break;
    default:
        break;
    }
    return !bias || (a->biases & toy_bias_bit(part)) != 0;
}

/* Does it stand once, not once a layer? */
static bool is_once(int part) {
    return part <= LT_PART_POOLER || part == LT_PART_HEAD || part == LT_PART_REL_TABLE || part == LT_PART_REL_NORM ||
           part == LT_PART_CONV || part == LT_PART_CONV_NORM;
}

/* Over all parts. */
static int64_t wrong_in_all(toy *t, const lt_model *m, int tp) {
    int64_t wrong = 0;
    for (int part = LT_PART_END + 1; part < LT_PARTS; part++)
        for (int l = 0; l < (is_once(part) ? 1 : LAYERS); l++)
            for (int bias = 0; bias < 2; bias++)
                if (there(&t->arch, part, bias)) wrong += wrong_in(t, m, tp, part, l, bias);
    return wrong;
}

/* One number of each part that should be another: it alone is wrong. */
static void check_controls(toy *t, const lt_model *m, int tp) {
    for (int part = LT_PART_END + 1; part < LT_PARTS; part++) {
        int64_t N, K;
        int l = is_once(part) ? 0 : LAYERS - 1;
        if (!there(&t->arch, part, false)) continue;
        toy_shape(&t->arch, part, &N, &K);
        double *x = &t->w[part][l][0][below(N * K)];
        *x += 0.5;
        TEST_REPORT(wrong_in(t, m, tp, part, l, false) == 1, "architecture %u, tp %d: a number of part %d is not noticed", number, tp,
                    part);
        *x -= 0.5;
        noticed[part]++;
    }
}

/* Does the architecture have such a cut, so that shifting it must be seen? */
static bool can_shift(const lt_arch *a, int tp, int shift) {
    return tp > 1 && (shift == SHIFT_HEADS || shift == SHIFT_F || (shift == SHIFT_KV && a->Hkv > 1) ||
                      (shift == SHIFT_V && lt_arch_cut(a, tp, tp - 1).v0 > 0));
}

/* A table without one of its rows leaves a place unfilled, which is an error and not a matrix of zeros. */
static void check_gaps(toy *t, lt_st *st, lt_grid *world, lt_row rows[32]) {
    lt_grid grid = {.world = world->world, .size = 1, .tp_size = 1, .dp_size = 1};
    int n = 0;
    while (rows[n].part != LT_PART_END) n++;
    lt_row *gone = &rows[below(n)], kept = *gone;
    lt_model m = {.arch = t->arch, .grid = &grid, .st = st, .with_head = true};
    if (kept.part == LT_PART_POOLER) return; /* may be missing */
    m.ctx = (lt_ctx){.ops = lt_ops_cpu(), .threads = 1, .compute = LT_F32};
    CHECK_OK(m.ctx.ops->ctx_init(&m.ctx));
    *gone = rows[n - 1];
    rows[n - 1] = (lt_row){.part = LT_PART_END};
    CHECK_FAILS(lt_model_impl_prepare(&m), LT_ERR_INTERNAL, "the tensors of its table fill");
    rows[n - 1] = *gone;
    rows[n] = (lt_row){.part = LT_PART_END};
    *gone = kept;
    drop_rank(&m);
}

static void check_arch(toy *t, lt_grid *world, lt_row rows[32], const char *dir, int64_t counts[3]) {
    static lt_model m[MOST_TP];
    lt_grid grid[MOST_TP];
    lt_st *st = NULL;
    number_all(t);
    toy_write(t, dir);
    CHECK_OK(lt_st_open(dir, &st));
    if (st) check_gaps(t, st, world, rows);
    for (int tp = 1; st && tp <= MOST_TP; tp++) {
        if (!lt_arch_tp_works(&t->arch, tp)) continue;
        int shift = (int)(number % SHIFTS), last = tp - 1;
        for (int r = 0; r < tp; r++) {
            grid[r] = (lt_grid){.world = world->world, .size = tp, .tp_size = tp, .dp_size = 1, .tp_rank = r};
            load_rank(t, st, &grid[r], SHIFT_NONE, &m[r]);
        }
        int64_t wrong = wrong_in_all(t, m, tp);
        TEST_REPORT(wrong == 0, "architecture %u, tp %d: %lld elements are wrong (H %d, Hkv %d, D %d, C %lld, F %lld, V %lld, biases %d)",
                    number, tp, (long long)wrong, t->arch.H, t->arch.Hkv, t->arch.D, (long long)t->arch.C, (long long)t->arch.F,
                    (long long)t->arch.V, t->arch.biases);
        check_controls(t, m, tp);
        counts[0]++;
        counts[1] += lt_arch_widest(&t->arch, tp, NULL) > 1;
        if (can_shift(&t->arch, tp, shift)) { /* negative control */
            drop_rank(&m[last]);
            load_rank(t, st, &grid[last], shift, &m[last]);
            TEST_REPORT(wrong_in_all(t, m, tp) > 0, "architecture %u, tp %d: shift %d is not noticed", number, tp, shift);
            counts[2]++;
        }
        for (int r = 0; r < tp; r++) drop_rank(&m[r]);
    }
    lt_st_close(&st);
}

int main(void) {
    static toy t;
    static lt_row rows[32];
    lt_grid world = {0};
    int64_t counts[3] = {0};
    char dir[64] = "/tmp/test_shard-XXXXXX", path[128];
    CHECK_OK(lt_comm_init(NULL, NULL, &world.world));
    CHECK(mkdtemp(dir) != NULL);
    for (number = 0; number < ARCHS && test_failed < 20; number++) {
        turn = 0;
        now = (shape){.name = "random",
                      .set = set_random,
                      .fused = below(4) > 0,
                      .qkv = (lt_layout)below(3),
                      .turned = below(2),
                      .fused_up = below(2)};
        now.bare = now.fused && below(3) == 0;
        if (number == 0) now.fused = true, now.qkv = LT_LAYOUT_GROUPS;
        make_toy(&now, rows, &t);
        with_pooler = below(2);
        add_rows(&t.arch, rows);
        for (const lt_row *row = rows; row->part != LT_PART_END; row++) drawn[row->part]++;
        check_arch(&t, &world, rows, dir, counts);
        toy_free(&t);
    }
    printf("%d architectures, %lld cuts of them, %lld uneven, %lld controls\n", ARCHS, (long long)counts[0], (long long)counts[1],
           (long long)counts[2]);
    CHECK(counts[1] > counts[0] / 2 && counts[2] > counts[0] / 2);
    for (int part = LT_PART_END + 1; part < LT_PARTS; part++) {
        bool in_others = part == LT_PART_QKV || part == LT_PART_GATE_UP || part == LT_PART_Q_BIAS || part == LT_PART_V_BIAS;
        TEST_REPORT(drawn[part] > 0, "no file had part %d", part);
        TEST_REPORT(in_others || noticed[part] > 0, "part %d was never compared", part);
    }
    (void)snprintf(path, sizeof path, "%s/model.safetensors", dir);
    (void)unlink(path);
    CHECK(rmdir(dir) == 0);
    int rc = test_end();
    lt_comm_fini(&world.world);
    return rc;
}
