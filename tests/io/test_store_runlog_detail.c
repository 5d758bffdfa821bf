// TEST rooms: store  labels: io  timeout: 60
/* Run log: what evaluations counted, class by class.  The best and the last are kept, through the file, its journal and the way back to a step; tables and
 * matrix are where other programs look for them; a log of an earlier version is read and gone on with. */
#include "io/store_test.h"

#include "store/h5.h"
#include "store/runlog.h"

enum { K = 3, TYPES = 2, ELEMS = 6 * TYPES + K * K };
static const char *const label[] = {"O", "B-PER", "B-LOC"}, *const type[] = {"LOC", "PER"};

/* The details of step s: no two numbers of two steps are the same. */
static int64_t elem(int64_t s, int64_t i) { return 100 * s + i; }

static lt_status add(lt_runlog *log, const char *trial, int64_t s, bool is_best) {
    int64_t elems[ELEMS];
    for (int64_t i = 0; i < ELEMS; i++) elems[i] = elem(s, i);
    return lt_runlog_add_detail(log, trial, s, "dev", is_best, elems);
}

static bool holds(const lt_runlog *log, int trial, bool best, int64_t s) {
    lt_detail d;
    if (!lt_runlog_detail(log, trial, best, &d)) return false;
    bool same = d.step == s && !strcmp(d.split, "dev") && d.entity[1].predicted == elem(s, 4) && d.strict[0].right == elem(s, 8);
    for (int64_t i = 0; same && i < K * K; i++) same = d.confusion[i] == elem(s, 6 * TYPES + i);
    return same;
}

static lt_runlog *opened(const char *path) {
    lt_runlog *log = NULL;
    CHECK_OK(lt_runlog_open(path, 3600, &log));
    if (!log) exit(1);
    return log;
}

static void begin(lt_runlog *log) {
    const lt_eval_row e = {.step = 1, .split = "dev", .f1 = 0.5, .macro_f1 = 0.25, .f1_strict = 0.125, .broken_truth = 7};
    CHECK_OK(lt_runlog_start(log));
    CHECK_OK(lt_runlog_set_classes(log, label, K, type, TYPES));
    CHECK_OK(lt_runlog_add_eval(log, "a", &e));
    CHECK_OK(lt_runlog_add_eval(log, "b", &e));
}

static void test_two_are_kept(void) {
    const char *path = in_scratch("kept.h5");
    lt_runlog *log = opened(path);
    lt_detail d;
    begin(log);
    CHECK(!lt_runlog_detail(log, 0, true, &d) && !lt_runlog_detail(log, 0, false, &d));
    CHECK_OK(add(log, "a", 10, true));
    CHECK(holds(log, 0, true, 10) && holds(log, 0, false, 10));
    CHECK_OK(add(log, "a", 20, false));
    CHECK(holds(log, 0, true, 10) && holds(log, 0, false, 20));
    CHECK_OK(add(log, "a", 30, false));
    CHECK(holds(log, 0, true, 10) && holds(log, 0, false, 30) && !holds(log, 0, false, 20));
    CHECK_OK(lt_runlog_flush(log, true));
    CHECK_OK(add(log, "a", 40, true));
    CHECK(holds(log, 0, true, 40) && holds(log, 0, false, 40));
    CHECK(!lt_runlog_detail(log, 1, true, &d));
    CHECK_OK(lt_runlog_finish(log));
    lt_runlog_close(&log);
    CHECK_OK(lt_h5_verify(path));
    log = opened(path);
    CHECK(holds(log, 0, true, 40) && holds(log, 0, false, 40) && !lt_runlog_detail(log, 1, false, &d));
    int64_t n;
    CHECK_STR(lt_runlog_labels(log, &n)[2], "B-LOC");
    CHECK_INT(n, K);
    CHECK_STR(lt_runlog_types(log, &n)[0], "LOC");
    CHECK_INT(n, TYPES);
    const lt_eval_row *e = lt_runlog_eval(log, 0, &n);
    CHECK(n == 1 && e->macro_f1 == 0.25 && e->f1_strict == 0.125 && e->broken_truth == 7 && e->broken_predicted == 0);
    lt_runlog_close(&log);
}

/* Rows that only the journal has, in every order of saved and not saved. */
static void test_journal(void) {
    const char *path = in_scratch("journal.h5");
    for (int first = 0; first < 4; first++) {
        lt_runlog *log = opened(path);
        (void)unlink(path);
        lt_runlog_close(&log);
        log = opened(path);
        begin(log);
        if (first & 1) CHECK_OK(add(log, "a", 10, true));
        CHECK_OK(lt_runlog_flush(log, true)); /* the file */
        if (!(first & 1)) CHECK_OK(add(log, "a", 10, true));
        CHECK_OK(add(log, "a", 20, false));
        if (first & 2) CHECK_OK(lt_runlog_flush(log, true)); /* the journal: it is too early for a whole file */
        CHECK_OK(add(log, "a", 30, false));
        CHECK_OK(add(log, "b", 30, true));
        CHECK_OK(lt_runlog_flush(log, true));
        lt_runlog_close(&log); /* as if killed */
        log = opened(path);
        TEST_REPORT(holds(log, 0, true, 10) && holds(log, 0, false, 30) && holds(log, 1, true, 30), "case %d: rows of the journal", first);
        /* back to step 20: what came later goes; the best stays */
        lt_detail d;
        lt_runlog_truncate_after(log, 20);
        CHECK(holds(log, 0, true, 10) && holds(log, 0, false, 10) && !lt_runlog_detail(log, 1, true, &d));
        CHECK_OK(add(log, "a", 25, true));
        CHECK_OK(lt_runlog_finish(log));
        lt_runlog_close(&log);
        log = opened(path);
        CHECK(holds(log, 0, true, 25) && holds(log, 0, false, 25));
        lt_runlog_close(&log);
    }
}

/* Other classes: what was counted of the ones before means nothing. */
static void test_other_classes(void) {
    lt_runlog *log = opened(in_scratch("kept.h5"));
    lt_detail d;
    CHECK_OK(lt_runlog_set_classes(log, label, K, type, TYPES));
    CHECK(holds(log, 0, true, 40));
    CHECK_OK(lt_runlog_set_classes(log, type, 2, NULL, 0));
    CHECK(!lt_runlog_detail(log, 0, true, &d));
    CHECK_OK(lt_runlog_add_detail(log, "a", 50, "dev", true, (int64_t[]){1, 2, 3, 4}));
    CHECK(lt_runlog_detail(log, 0, true, &d) && d.confusion[3] == 4);
    lt_runlog_close(&log);
    log = opened(in_scratch("none.h5"));
    CHECK_FAILS(add(log, "a", 1, true), LT_ERR_INTERNAL, "before lt_runlog_set_classes");
    lt_runlog_close(&log);
}

/* The layout of docs/FORMATS.md, by the library itself. */
static void test_layout(void) {
    int64_t one, dim[2], *matrix = NULL, *support = NULL;
    double *f1 = NULL;
    char **name = NULL;
    hid_t f = -1, g = -1;
    CHECK_OK(lt_h5_open(in_scratch("kept.h5"), &f));
    CHECK_OK(lt_h5_group(f, "trials/a/best", &g));
    CHECK_OK(lt_h5_get_i64(g, "step", &one));
    CHECK_INT(one, 40);
    dim[0] = dim[1] = -1;
    CHECK_OK(lt_h5_read(g, "confusion", LT_I64, 2, dim, &matrix));
    CHECK(dim[0] == K && dim[1] == K && matrix[5] == elem(40, 12 + 5));
    one = -1;
    CHECK_OK(lt_h5_read(g, "types/f1", LT_F64, 1, &one, &f1));
    CHECK_OK(lt_h5_read(g, "types_strict/support", LT_I64, 1, &one, &support));
    CHECK(one == TYPES && support[1] == elem(40, 9));
    CHECK_NEAR(f1[0], 2.0 * 4002 / (4000 + 4001), 1e-12);
    CHECK_OK(lt_h5_read_strings(g, "types/name", &one, &name));
    CHECK_STR(name[1], "PER");
    lt_h5_close(&g);
    lt_h5_close(&f);
    free(matrix);
    free(f1);
    free(support);
    free(name);
}

static void test_earlier_version(void) {
    size_t bytes;
    int64_t n;
    lt_detail d;
    unsigned char *data = file_load(LT_GOLDEN "/run_before_details.h5", &bytes);
    file_save(in_scratch("before.h5"), data, bytes);
    free(data);
    lt_runlog *log = opened(in_scratch("before.h5"));
    const lt_eval_row *e = lt_runlog_eval(log, 0, &n);
    CHECK(n == 2 && e[1].accuracy == 0.74 && e[1].f1 == 0.5 && isnan(e[1].macro_f1) && isnan(e[1].f1_strict) && e[1].broken_truth == -1);
    CHECK(!lt_runlog_detail(log, 0, true, &d) && lt_runlog_labels(log, &n) == NULL);
    CHECK_OK(lt_runlog_start(log));
    CHECK_OK(lt_runlog_set_classes(log, label, K, type, TYPES));
    CHECK_OK(add(log, "one", 30, true));
    CHECK_OK(lt_runlog_add_eval(log, "one", &(lt_eval_row){.step = 30, .split = "dev", .macro_f1 = 0.5}));
    CHECK_OK(lt_runlog_finish(log));
    lt_runlog_close(&log);
    log = opened(in_scratch("before.h5"));
    e = lt_runlog_eval(log, 0, &n);
    CHECK(n == 3 && isnan(e[1].macro_f1) && e[2].macro_f1 == 0.5 && holds(log, 0, true, 30));
    lt_runlog_close(&log);
}

/* Tables that do not fit the names, or hold what is no count. */
static void test_bad_files(void) {
    static const struct {
        const char *path, *text;
        int64_t value, n;
    } bad[] = {{"/trials/a/best/confusion", "confusion", 0, 4},
               {"/trials/a/best/types/right", "right", 0, 1},
               {"/trials/a/last/types/right", "no count", -1, TYPES}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *path = in_scratch("bad.h5");
        size_t bytes;
        lt_runlog *log = NULL;
        unsigned char *data = file_load(in_scratch("two.h5"), &bytes);
        file_save(path, data, bytes - SEAL_BYTES); /* now it is a foreign file, which may be changed */
        free(data);
        hid_t f = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), space = H5Screate_simple(1, (hsize_t[]){(hsize_t)bad[i].n}, NULL);
        H5Ldelete(f, bad[i].path, H5P_DEFAULT);
        hid_t dset = H5Dcreate2(f, bad[i].path, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        const int64_t value[4] = {bad[i].value, bad[i].value, bad[i].value, bad[i].value};
        H5Dwrite(dset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, value);
        H5Dclose(dset);
        H5Sclose(space);
        H5Fclose(f);
        CHECK_FAILS(lt_runlog_open(path, 0, &log), LT_ERR_FORMAT, bad[i].text);
        CHECK(log == NULL);
    }
}

static void make_two(void) {
    lt_runlog *log = opened(in_scratch("two.h5"));
    begin(log);
    CHECK_OK(add(log, "a", 10, true));
    CHECK_OK(add(log, "a", 20, false));
    CHECK_OK(lt_runlog_finish(log));
    lt_runlog_close(&log);
}

int main(void) {
    scratch_make();
    test_two_are_kept();
    test_journal();
    test_layout();
    test_other_classes();
    test_earlier_version();
    make_two();
    test_bad_files();
    return test_end();
}
