// TEST np: 0  rooms: model  labels: unit  timeout: 60
/* Cuts over tensor-parallel ranks, by their rules: parts follow each other and are all there, query heads are with the key/value heads that they read and
 * divide among them, parts differ by as little as they can, and where everything divides the parts are the plain ones.  Words for people. */
#include "lt_test.h"

#include "base/rng.h"
#include "model/cut.h"

static int64_t below(uint32_t of, uint64_t n, uint64_t turn) {
    lt_rng r = {.seed = 3, .purpose = LT_RNG_TEST, .a = of};
    return (int64_t)lt_rng_below(&r, n, turn, 0);
}

/* What is wrong with a cut, as a count; the parts are what `of` gives. */
static int wrong_with(const lt_arch *a, int tp, lt_cut (*of)(const lt_arch *, int, int)) {
    int wrong = 0, group = a->H / a->Hkv, h = 0, least = a->H, most = 0;
    int64_t f = 0, v = 0, f_most = 0;
    bool even = a->H % tp == 0 && (a->Hkv % tp == 0 || tp % a->Hkv == 0) && a->F % tp == 0;
    for (int r = 0; r < tp; r++) {
        lt_cut c = of(a, tp, r);
        wrong += c.h0 != h || c.f0 != f || c.v0 != v || c.H < 1 || c.F < 1 || c.Hkv < 1;
        wrong += c.H % c.Hkv != 0 || c.kv0 != c.h0 / group || c.kv0 + c.Hkv - 1 != (c.h0 + c.H - 1) / group;
        wrong += c.Hkv > 1 && c.H != c.Hkv * group; /* of several key/value heads all query heads */
        if (even) wrong += c.h0 != r * (a->H / tp) || c.H != a->H / tp || c.f0 != r * (a->F / tp) || c.F != a->F / tp;
        least = c.H < least ? c.H : least;
        most = c.H > most ? c.H : most;
        f_most = c.F > f_most ? c.F : f_most;
        h += c.H;
        f += c.F;
        v = c.v1;
    }
    wrong += h != a->H || f != a->F || v != a->V;
    wrong += a->Hkv >= tp && most - least > group;
    wrong += a->Hkv == 1 && most - least > 1;
    wrong += f_most > (a->F + tp - 1) / tp && (double)f_most * tp > 1.02 * (double)a->F;
    wrong += even && lt_arch_widest(a, tp, NULL) != 1;
    return wrong;
}

static lt_cut shifted(const lt_arch *a, int tp, int rank) {
    lt_cut c = lt_arch_cut(a, tp, rank);
    if (rank == tp - 1) c.h0--;
    return c;
}
static lt_cut narrow(const lt_arch *a, int tp, int rank) {
    lt_cut c = lt_arch_cut(a, tp, rank);
    if (rank == 0) c.F--;
    return c;
}

static void test_rules(void) {
    static lt_arch a;
    int noticed = 0, cuts = 0;
    for (uint32_t i = 0; i < 4000; i++) {
        a = (lt_arch){.C = 8, .D = 4, .m = 1, .Hkv = 1 + (int)below(i, 9, 0), .F = 1 + below(i, below(i, 2, 1) ? 64 : 40000, 2)};
        a.H = a.Hkv * (1 + (int)below(i, 12, 3));
        a.V = 1 + below(i, 300, 4);
        a.glu = below(i, 2, 5);
        int most = a.H < a.F ? a.H : (int)a.F, tp = 1 + (int)below(i, (uint64_t)most, 6);
        CHECK(lt_arch_tp_works(&a, most) && !lt_arch_tp_works(&a, most + 1) && !lt_arch_tp_works(&a, 0));
        int wrong = wrong_with(&a, tp, lt_arch_cut);
        TEST_REPORT(wrong == 0, "H %d, Hkv %d, F %lld, V %lld, tp %d: %d things are wrong", a.H, a.Hkv, (long long)a.F, (long long)a.V, tp,
                    wrong);
        noticed += (wrong_with(&a, tp, shifted) > 0) + (wrong_with(&a, tp, narrow) > 0);
        cuts++;
    }
    CHECK_INT(noticed, 2 * cuts); /* negative controls */
}

/* Columns are cut at whole blocks where that is cheap. */
static void test_units(void) {
    static lt_arch a;
    static const struct {
        int64_t F;
        int tp, unit;
    } cases[] = {{18176, 3, 64}, {11008, 3, 64}, {11008, 7, 64}, {4000, 3, 64}, {1001, 3, 16}, {200, 3, 4}, {50, 4, 1}, {1376, 8, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t all = 0;
        a = (lt_arch){.H = 64, .Hkv = 64, .D = 1, .F = cases[i].F, .V = 1};
        for (int r = 0; r < cases[i].tp; r++) all |= lt_arch_cut(&a, cases[i].tp, r).f0;
        CHECK_INT(cases[i].F % cases[i].tp ? all & -all : cases[i].unit, cases[i].unit);
    }
}

static void test_words(void) {
    static lt_arch a;
    char text[512];
    int rank = -1;
    a = (lt_arch){.C = 4544, .D = 64, .H = 71, .Hkv = 1, .F = 18176, .V = 65024, .m = 32}; /* Falcon-7B */
    lt_arch_describe_cut(&a, 4, text, sizeof text);
    CHECK_STR(text, "71 heads over 4 ranks: 17, 18, 18, 18");
    CHECK(lt_arch_widest(&a, 4, &rank) > 1 && lt_arch_widest(&a, 4, &rank) < 1.01);
    CHECK_INT(rank, 1);
    lt_arch_describe_cut(&a, 1, text, sizeof text);
    CHECK_STR(text, "");
    lt_arch_describe_cut(&a, 71, text, sizeof text);
    CHECK_STR(text, "");
    lt_arch_describe_cut(&a, 32, text, sizeof text);
    CHECK_STR(text, "71 heads over 32 ranks: 2 to 3");
    a.Hkv = 71;
    a.F = 50;
    lt_arch_describe_cut(&a, 3, text, sizeof text);
    CHECK_STR(text,
              "71 heads over 3 ranks: 23, 24, 24; 71 key/value heads over 3 ranks: 23, 24, 24; 50 feed-forward columns over 3 ranks: 16, "
              "17, 17");
    CHECK_FAILS(lt_arch_check_tp(&a, 51), LT_ERR_SHAPE, "tp that work: 1 to 50");
    CHECK_OK(lt_arch_check_tp(&a, 50));
}

int main(void) {
    test_rules();
    test_units();
    test_words();
    return test_end();
}
