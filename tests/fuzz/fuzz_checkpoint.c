/* Fuzzes lt_ckpt_open and what reads an open checkpoint, by edits to a good one; see fuzz_h5.h. */
#include "fuzz_h5.h"

#include "store/checkpoint.h"
#include "store/layout.h"

const char *const fuzz_words[] = {"params", "adam_m", "adam_v",   "label_states", "head.weight",
                                  "trials", "config", "settings", FUZZ_CUT,       NULL};

static const lt_ckpt_head head = {.step = 7,
                                  .config = "run: {seed: 1}\n",
                                  .config_sha256 = "c0ffee",
                                  .settings = "train.lr: 1\ntrial a\nlength: 2\n",
                                  .labels = "no\nyes",
                                  .model_sha256 = "beef",
                                  .data_sha256 = "da7a",
                                  .dtype = "f32",
                                  .ranks = 4,
                                  .tp = 2,
                                  .dp = 2};
static const char *const groups[] = {"params", "adam_m", "label_states"};
static float weight[6], bias[2], scalar[1];

static void tensors(lt_named t[3]) {
    t[0] = (lt_named){.name = "head.weight", .n_dims = 2, .dim = {2, 3}, .data = weight};
    t[1] = (lt_named){.name = "head.bias", .n_dims = 1, .dim = {2}, .data = bias};
    t[2] = (lt_named){.name = "scale", .n_dims = 0, .data = scalar};
}

static void make(const char *path) {
    lt_ckpt_writer *w = NULL;
    lt_named t[3];
    size_t bytes;
    tensors(t);
    for (int i = 0; i < 6; i++) weight[i] = (float)i / 8;
    FUZZ_OK(lt_ckpt_begin(fuzz_dir(), &head, &w));
    FUZZ_OK(lt_ckpt_put_str(w, NULL, "note", "whole file"));
    for (int k = 0; k < 2; k++) {
        const char *trial = k ? "b" : "a";
        FUZZ_OK(lt_ckpt_put_i64(w, trial, "cursor", 32));
        FUZZ_OK(lt_ckpt_put_f64(w, trial, "best_metric", 0.5));
        FUZZ_OK(lt_ckpt_put_str(w, trial, "method", "lt_prefix"));
        for (int g = 0; g < 3; g++) FUZZ_OK(lt_ckpt_put_named(w, trial, groups[g], t, g ? 1 : 3));
    }
    FUZZ_OK(lt_ckpt_commit(&w));
    void *file = fuzz_load(fuzz_path("step_00000007.h5"), &bytes);
    fuzz_write(strrchr(path, '/') + 1, file, bytes);
    fuzz_remove("step_00000007.h5");
    free(file);
}

/* What the file lists, into memory of just that size, and what the run expects. */
static uint64_t read_group(lt_ckpt *ck, const char *trial, const char *group, uint64_t h) {
    lt_named *t = NULL, expected[3];
    int n = 0;
    if (lt_ckpt_list_named(ck, trial, group, &t, &n) == LT_OK) {
        bool small = true;
        for (int i = 0; i < n; i++) {
            size_t elems = 1;
            FUZZ_REQUIRE(t[i].n_dims >= 0 && t[i].n_dims <= LT_MAX_DIMS);
            for (int d = 0; d < t[i].n_dims; d++)
                if (__builtin_mul_overflow(elems, (size_t)t[i].dim[d], &elems) || elems > 1 << 16) small = false;
            if (small) t[i].data = calloc(elems ? elems : 1, sizeof(float));
        }
        if (small && lt_ckpt_get_named(ck, trial, group, t, n) == LT_OK) h = fuzz_h5_mix(h, &n, sizeof n);
        for (int i = 0; i < n; i++) free(t[i].data);
        free(t);
    }
    tensors(expected);
    if (lt_ckpt_get_named(ck, trial, group, expected, strcmp(group, "params") ? 1 : 3) == LT_OK) h = fuzz_h5_mix(h, weight, sizeof weight);
    return h;
}

static uint64_t read_all(const char *path) {
    lt_ckpt *ck = NULL;
    char text[300], *value = NULL;
    uint64_t h = 1;
    int64_t n, number;
    double real;
    if (lt_ckpt_open(path, &ck) != LT_OK) {
        FUZZ_REQUIRE(ck == NULL && lt_err_last()->msg[0]);
        return 0;
    }
    const lt_ckpt_head *a = lt_ckpt_about(ck);
    const char *const texts[] = {a->config, a->config_sha256, a->settings, a->labels, a->model_sha256, a->data_sha256, a->dtype};
    for (int i = 0; i < 7; i++) h = fuzz_h5_mix(h, texts[i], strlen(texts[i]));
    (void)lt_ckpt_match(ck, &head);
    (void)lt_ckpt_same_settings(ck, head.settings, text, sizeof text);
    if (lt_ckpt_get_str(ck, NULL, "note", &value) == LT_OK) h = fuzz_h5_mix(h, value, strlen(value));
    free(value);
    char *const *trial = lt_ckpt_trials(ck, &n);
    for (int64_t i = 0; i < n && i < 8; i++) {
        value = NULL;
        if (lt_ckpt_get_i64(ck, trial[i], "cursor", &number) == LT_OK) h = fuzz_h5_mix(h, &number, sizeof number);
        if (lt_ckpt_get_f64(ck, trial[i], "best_metric", &real) == LT_OK) h = fuzz_h5_mix(h, &real, sizeof real);
        if (lt_ckpt_get_str(ck, trial[i], "method", &value) == LT_OK) h = fuzz_h5_mix(h, value, strlen(value));
        free(value);
        for (int g = 0; g < 3; g++) h = read_group(ck, trial[i], groups[g], h);
    }
    lt_ckpt_close(&ck);
    return h | 1;
}

static const fuzz_h5 harness = {LT_KIND_CKPT, LT_CKPT_VERSION, make, read_all};

void fuzz_make_seeds(void) { fuzz_h5_seeds(); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_h5_input(&harness, data, bytes);
    return 0;
}
