// TEST rooms: store  labels: io fuzz  timeout: 120
/* Damaged HDF5 files of every kind, read by our readers: none may crash or take more than 5 seconds, and what is accepted is what was written.
 *
 *     mutate_h5 [FILES [SEED [KIND]]]      FILES damaged files of each kind and way (default 120, seed 1, all kinds)
 *
 * Ways: "line" keeps the line that vouches for the file (so the digest finds the damage, or the line itself is damaged), "bare" takes it away, so
 * that libhdf5 reads the damage.  The kind h5py is a data set as that library writes it: superblock 0, strings of variable length, no checksums.
 * A worker reads one file after the other and tells a watcher, through shared memory, which one it is at. */
#include "io/h5py_like.h"
#include "io/store_test.h"

#include "base/log.h"
#include "base/rng.h"
#include "store/checkpoint.h"
#include "store/dataset.h"
#include "store/h5.h"
#include "store/layout.h"
#include "store/runlog.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { LIMIT_S = 5, MOST_SPOTS = 8 };

/* --- whole files of each kind ------------------------------------------------------------------------------------------------------------ */

static lt_status make_dataset(const char *path) {
    static char *const name[] = {"0", "1"}, *const words[] = {"negative", "positive"};
    static int32_t tokens[60], label[12];
    static int64_t at[13];
    for (int i = 0; i < 60; i++) tokens[i] = 100 + i;
    for (int i = 0; i < 12; i++) label[i] = i % 2;
    for (int i = 0; i < 13; i++) at[i] = 5 * i;
    lt_dataset_split s = {.name = "train", .n = 12, .tokens = tokens, .offsets = at, .segment_offsets = at, .label = label};
    lt_dataset_info info = {.task = "sst2",
                            .command = "ltune-prep data --task sst2",
                            .tokenizer_sha256 = "11",
                            .source_sha256 = "22",
                            .n_labels = 2,
                            .label_name = (char **)name,
                            .label_words = (char **)words};
    return lt_dataset_write(path, &info, &s, 1);
}

static lt_status make_ckpt(const char *path) {
    char dir[300], from[400];
    float x[6] = {1, 2, 3, 4, 5, 6};
    lt_named t = {.name = "head.weight", .n_dims = 2, .dim = {2, 3}, .data = x};
    lt_ckpt_head h = {.step = 7,
                      .config = "run: {seed: 1}\n",
                      .config_sha256 = "c0ffee",
                      .settings = "lr: 1\n",
                      .labels = "no\nyes",
                      .model_sha256 = "beef",
                      .data_sha256 = "da7a",
                      .dtype = "f32",
                      .ranks = 1,
                      .tp = 1,
                      .dp = 1};
    lt_ckpt_writer *w = NULL;
    (void)snprintf(dir, sizeof dir, "%s.ck", path);
    LT_TRY(lt_ckpt_dir_prepare(dir));
    LT_TRY(lt_ckpt_begin(dir, &h, &w));
    LT_TRY(lt_ckpt_put_i64(w, "a", "cursor", 3));
    LT_TRY(lt_ckpt_put_named(w, "a", "params", &t, 1));
    LT_TRY(lt_ckpt_put_named(w, "a", "adam_m", &t, 1));
    LT_TRY(lt_ckpt_commit(&w));
    (void)snprintf(from, sizeof from, "%s/step_00000007.h5", dir);
    return rename(from, path) == 0 ? LT_OK : LT_FAIL(LT_ERR_IO, "rename");
}

static lt_status make_runlog(const char *path) {
    lt_runlog *log = NULL;
    LT_TRY(lt_runlog_open(path, 0, &log));
    LT_TRY(lt_runlog_start(log));
    LT_TRY(lt_runlog_put_str(log, "config", "run: {dir: x}\n"));
    for (int64_t s = 1; s <= 40; s++) {
        LT_TRY(lt_runlog_add_train(log, "a", &(lt_train_row){.step = s, .loss = 1.0 / (double)s, .lr = 1}));
        if (s % 10 == 0) LT_TRY(lt_runlog_add_eval(log, "a", &(lt_eval_row){.step = s, .split = "dev", .accuracy = 0.5}));
        LT_TRY(lt_runlog_add_perf(log, &(lt_perf_row){.step = s, .seconds = 1}));
    }
    LT_TRY(lt_runlog_flush(log, true));
    lt_runlog_close(&log);
    return LT_OK;
}

static lt_status make_features(const char *path) {
    float x[40];
    int64_t dim[2] = {10, 4}, n = 3, at[3] = {0, 4, 10};
    lt_h5_writer *w = NULL;
    for (int i = 0; i < 40; i++) x[i] = (float)i;
    LT_TRY(lt_h5_write_begin(path, "ltune-features", 1, &w));
    hid_t f = lt_h5_writer_file(w);
    LT_TRY(lt_h5_put_str(f, "model", "all-MiniLM-L6-v2"));
    LT_TRY(lt_h5_write(f, "hidden", LT_F32, 2, dim, x, false));
    LT_TRY(lt_h5_write(f, "offsets", LT_I64, 1, &n, at, false));
    return lt_h5_write_commit(&w);
}

static lt_status make_h5py(const char *path) { return h5py_like(path, "11") == 0 ? LT_OK : LT_FAIL(LT_ERR_IO, "cannot create %s", path); }

/* --- reading: each reader reads all and hashes what it got -------------------------------------------------------------------------------- */

static void add_text(lt_sha *sha, const char *s) { lt_sha_add(sha, s, strlen(s) + 1); }

static lt_status read_dataset(const char *path, lt_sha *sha) {
    lt_dataset *d = NULL;
    int64_t n;
    LT_TRY(lt_dataset_open(path, &d));
    lt_status st = LT_OK;
    const lt_dataset_info *info = lt_dataset_about(d);
    char *const *name = lt_dataset_splits(d, &n);
    add_text(sha, info->task), add_text(sha, info->command);
    for (int64_t k = 0; k < info->n_labels; k++) add_text(sha, info->label_name[k]), add_text(sha, info->label_words[k]);
    for (int64_t i = 0; i < n && st == LT_OK; i++) {
        lt_dataset_split s;
        st = lt_dataset_read(d, name[i], &s);
        if (st != LT_OK) break;
        add_text(sha, s.name);
        lt_sha_add(sha, s.tokens, (size_t)s.offsets[s.n] * sizeof *s.tokens);
        lt_sha_add(sha, s.offsets, (size_t)(s.n + 1) * sizeof *s.offsets);
        if (s.label) lt_sha_add(sha, s.label, (size_t)s.n * sizeof *s.label);
        lt_dataset_split_fini(&s);
    }
    lt_dataset_close(&d);
    return st;
}

static lt_status read_group(lt_ckpt *ck, const char *trial, const char *group, lt_sha *sha) {
    lt_named *t = NULL;
    int n = 0;
    lt_status st = lt_ckpt_list_named(ck, trial, group, &t, &n);
    for (int i = 0; st == LT_OK && i < n; i++) {
        float *data = NULL;
        int64_t elems = lt_named_elems(&t[i]);
        add_text(sha, t[i].name);
        if (elems < 0 || elems > 1 << 20) st = LT_FAIL(LT_ERR_FORMAT, "%s has %lld elements", t[i].name, (long long)elems);
        if (st == LT_OK) t[i].data = data = calloc((size_t)elems + 1, sizeof *data);
    }
    if (st == LT_OK) st = lt_ckpt_get_named(ck, trial, group, t, n);
    for (int i = 0; i < n; i++) {
        if (st == LT_OK) lt_sha_add(sha, t[i].data, (size_t)lt_named_elems(&t[i]) * sizeof(float));
        free(t[i].data);
    }
    free(t);
    return st;
}

static lt_status read_ckpt(const char *path, lt_sha *sha) {
    static const char *const group[] = {"params", "adam_m"};
    lt_ckpt *ck = NULL;
    int64_t n, v;
    LT_TRY(lt_ckpt_open(path, &ck));
    lt_status st = LT_OK;
    const lt_ckpt_head *h = lt_ckpt_about(ck);
    char *const *trial = lt_ckpt_trials(ck, &n);
    add_text(sha, h->config), add_text(sha, h->settings), add_text(sha, h->labels);
    lt_sha_add(sha, &h->step, sizeof h->step);
    for (int64_t i = 0; i < n && st == LT_OK; i++) {
        st = lt_ckpt_get_i64(ck, trial[i], "cursor", &v);
        for (int g = 0; g < 2 && st == LT_OK; g++) st = read_group(ck, trial[i], group[g], sha);
    }
    lt_ckpt_close(&ck);
    return st;
}

static lt_status read_runlog(const char *path, lt_sha *sha) {
    lt_runlog *log = NULL;
    int64_t n;
    LT_TRY(lt_runlog_open(path, 1e9, &log));
    for (int i = 0; i < lt_runlog_trials(log); i++) {
        const lt_train_row *t = lt_runlog_train(log, i, &n);
        for (int64_t k = 0; k < n; k++) lt_sha_add(sha, &t[k], sizeof t[k]);
        const lt_eval_row *e = lt_runlog_eval(log, i, &n);
        for (int64_t k = 0; k < n; k++) lt_sha_add(sha, &e[k], sizeof e[k]);
    }
    const char *config = lt_runlog_fact(log, -1, "config");
    if (config) add_text(sha, config);
    lt_runlog_close(&log);
    return LT_OK;
}

static lt_status read_features(const char *path, lt_sha *sha) {
    hid_t f = -1;
    int64_t dim[2] = {-1, -1}, n = -1, *at = NULL;
    float *x = NULL;
    char *model = NULL;
    LT_TRY(lt_h5_open_kind(path, "ltune-features", 1, &f));
    lt_status st = lt_h5_read(f, "hidden", LT_F32, 2, dim, &x);
    if (st == LT_OK) st = lt_h5_read(f, "offsets", LT_I64, 1, &n, &at);
    if (st == LT_OK) st = lt_h5_get_str(f, "model", &model);
    if (st == LT_OK) {
        lt_sha_add(sha, x, (size_t)(dim[0] * dim[1]) * sizeof *x);
        lt_sha_add(sha, at, (size_t)n * sizeof *at);
        add_text(sha, model);
    }
    free(x), free(at), free(model);
    lt_h5_close(&f);
    return st;
}

typedef struct kind {
    const char *name;
    lt_status (*make)(const char *path), (*read)(const char *path, lt_sha *sha);
    bool guarded; /* also without the line all its content has digests and checksums */
} kind;
static const kind kinds[] = {{"dataset", make_dataset, read_dataset, true},
                             {"checkpoint", make_ckpt, read_ckpt, true},
                             {"runlog", make_runlog, read_runlog, true},
                             {"features", make_features, read_features, true},
                             {"h5py", make_h5py, read_dataset, false}};

static lt_status read_hashed(const kind *k, const char *path, char hex[LT_SHA_HEX_BYTES]) {
    lt_sha *sha = NULL;
    LT_TRY(lt_sha_begin(&sha));
    lt_status st = k->read(path, sha);
    LT_KEEP(st, lt_sha_finish(&sha, hex));
    return st;
}

/* --- damage ------------------------------------------------------------------------------------------------------------------------------- */

/* Damages 1 to MOST_SPOTS places of data [n]; returns the new size. */
static size_t damage(unsigned char *data, size_t n, const lt_rng *rng, uint64_t file) {
    static const unsigned char bytes[] = {0, 1, 0x7f, 0x80, 0xff};
    uint32_t draw = 0;
#define DRAW(most) lt_rng_below(rng, (most), file, draw++)
    uint64_t spots = 1 + DRAW(MOST_SPOTS);
    for (uint64_t i = 0; i < spots; i++) {
        size_t at = (size_t)DRAW(n);
        switch (DRAW(5)) {
        case 0: /* a bit */
            data[at] ^= (unsigned char)(1u << DRAW(8));
            break;
        case 1: /* an awkward byte */
            data[at] = bytes[DRAW(sizeof bytes)];
            break;
        case 2: /* any byte */
            data[at] = (unsigned char)DRAW(256);
            break;
        case 3: { /* a number of 1 to 8 bytes */
            size_t width = (size_t)1 << DRAW(4);
            unsigned char fill = bytes[DRAW(sizeof bytes)];
            for (size_t k = at & ~(width - 1); k < n && k < (at & ~(width - 1)) + width; k++) data[k] = fill;
            break;
        }
        default: { /* bytes of another place */
            size_t from = (size_t)DRAW(n), width = 1 + (size_t)DRAW(16);
            for (size_t k = 0; k < width && at + k < n && from + k < n; k++) data[at + k] = data[from + k];
        }
        }
    }
    return DRAW(20) == 0 ? (size_t)DRAW(n) : n;
#undef DRAW
}

/* --- worker and watcher -------------------------------------------------------------------------------------------------------------------- */

typedef struct board {
    _Atomic int64_t at, accepted, changed, refused, unnamed; /* file in hand; accepted with other content; refused; not as FORMAT */
    char why[LT_ERR_MSG_BYTES + 32];                         /* the newest of those */
} board;

static void work(const kind *k, bool line, uint64_t seed, int64_t first, int64_t end, const unsigned char *whole, size_t n,
                 const char *good, const char *path, board *b) {
    const lt_rng rng = {.seed = seed, .purpose = LT_RNG_TEST, .a = line};
    unsigned char *data = malloc(n);
    char hex[LT_SHA_HEX_BYTES];
    for (int64_t i = first; i < end; i++) {
        b->at = i;
        memcpy(data, whole, n);
        file_save(path, data, damage(data, n, &rng, (uint64_t)i));
        lt_status st = read_hashed(k, path, hex);
        if (st == LT_OK) {
            b->accepted++;
            if (strcmp(hex, good) != 0) b->changed++;
        } else {
            b->refused++;
            if (st != LT_ERR_FORMAT) {
                b->unnamed++;
                (void)snprintf(b->why, sizeof b->why, "%s: %s", lt_status_name(st), lt_err_last()->msg);
            }
        }
    }
    b->at = end;
    _exit(0);
}

static void watch(const kind *k, bool line, uint64_t seed, int64_t files) {
    const char *good_path = in_scratch("%s.h5", k->name), *path = in_scratch("%s-damaged.h5", k->name);
    char good[LT_SHA_HEX_BYTES] = "";
    size_t n;
    int crashes = 0, hangs = 0;
    double t0 = lt_time_s(), slowest = 0;
    board *b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK_OK(k->make(good_path));
    CHECK_OK(read_hashed(k, good_path, good));
    unsigned char *whole = file_load(good_path, &n);
    if (!line && k->guarded) n -= SEAL_BYTES;
    for (int64_t next = 0; next < files;) {
        pid_t child = fork();
        if (child == 0) work(k, line, seed, next, files, whole, n, good, path, b);
        int64_t seen = -1;
        double since = lt_time_s();
        int end = 0;
        bool late = false;
        while (waitpid(child, &end, WNOHANG) == 0) {
            int64_t at = b->at;
            if (at != seen) seen = at, since = lt_time_s();
            if (lt_time_s() - since > slowest) slowest = lt_time_s() - since;
            if (lt_time_s() - since > LIMIT_S) {
                late = true;
                (void)kill(child, SIGKILL);
                (void)waitpid(child, &end, 0);
                break;
            }
            usleep(500);
        }
        next = b->at + 1;
        if (!late && WIFEXITED(end) && WEXITSTATUS(end) == 0) break;
        hangs += late;
        crashes += !late;
        fprintf(stderr, "%s, %s, seed %llu: file %lld %s\n", k->name, line ? "line" : "bare", (unsigned long long)seed, (long long)b->at,
                late ? "takes too long" : "crashes");
    }
    printf("%-10s %s  %lld files in %.1f s: %lld refused, %lld accepted; %d crashes, %d over %d s (slowest %.2f s)\n", k->name,
           line ? "line" : "bare", (long long)files, lt_time_s() - t0, (long long)b->refused, (long long)b->accepted, crashes, hangs,
           LIMIT_S, slowest);
    fflush(stdout);
    CHECK_INT(crashes, 0);
    CHECK_INT(hangs, 0);
    if (k->guarded) CHECK_INT(b->changed, 0);
    TEST_REPORT(b->unnamed == 0, "%s: %lld files were refused as something else than FORMAT: %s", k->name, (long long)b->unnamed, b->why);
    CHECK(b->refused > 0); /* the damage is seen at all */
    free(whole);
    (void)munmap(b, sizeof *b);
}

int main(int argc, char **argv) {
    int64_t files = argc > 1 ? atoll(argv[1]) : 120;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    setenv("LT_LOG", "error", 0);
    scratch_make();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (argc > 3 && strcmp(argv[3], kinds[i].name) != 0) continue;
        if (kinds[i].guarded) watch(&kinds[i], true, seed, files);
        watch(&kinds[i], false, seed, files);
    }
    return test_end();
}
