/* The checkpoint file, written and read; see checkpoint.h.  The folder around it is in checkpoint_dir.c.
 *
 *     /                              kind, format_version, step, config, config_sha256, settings, labels, model_sha256, data_sha256,
 *                                    dtype, device, products, ranks, tp, dp
 *     /trials/<trial>                method, state, step, best_step ... whatever values the trainer puts
 *     /trials/<trial>/params         one f32 dataset a tensor, whole
 *     /trials/<trial>/adam_m, adam_v the same names and shapes
 *     /trials/<trial>/label_states   h_y of each label
 *
 * Values are attributes, so that h5dump and h5py show a checkpoint's state at a glance; arrays are datasets with a digest each.  A scalar tensor
 * (no dimensions) is stored as [1]. */
#include "store/checkpoint.h"

#include "base/config.h"
#include "base/fault.h"
#include "base/mem.h"
#include "store/checkpoint_impl.h"
#include "store/fs.h"
#include "store/h5.h"
#include "store/layout.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEVICE   "device"    /* attribute that files of earlier versions lack */
#define PRODUCTS "products"  /* the same */
#define ROWS     "pack_rows" /* the same */
#define BEST_OF  "best_of"   /* attribute: the one trial that the file is of, parameters only */

/* --- writing -------------------------------------------------------------------------------------------------------------------------- */

struct lt_ckpt_writer {
    lt_h5_writer *h5;
    bool best; /* one trial's best values: the folder is synced with the links (lt_ckpt_link_best) */
};

static lt_status put_head(hid_t file, const lt_ckpt_head *h) {
    LT_TRY(lt_h5_put_i64(file, "step", h->step));
    LT_TRY(lt_h5_put_str(file, "config", h->config));
    LT_TRY(lt_h5_put_str(file, "config_sha256", h->config_sha256));
    LT_TRY(lt_h5_put_str(file, "settings", h->settings));
    LT_TRY(lt_h5_put_str(file, "labels", h->labels));
    LT_TRY(lt_h5_put_str(file, "model_sha256", h->model_sha256));
    LT_TRY(lt_h5_put_str(file, "data_sha256", h->data_sha256));
    LT_TRY(lt_h5_put_str(file, "dtype", h->dtype));
    LT_TRY(lt_h5_put_str(file, DEVICE, h->device ? h->device : ""));
    LT_TRY(lt_h5_put_str(file, PRODUCTS, h->products ? h->products : ""));
    LT_TRY(lt_h5_put_i64(file, ROWS, h->pack_rows));
    LT_TRY(lt_h5_put_i64(file, "ranks", h->ranks));
    LT_TRY(lt_h5_put_i64(file, "tp", h->tp));
    return lt_h5_put_i64(file, "dp", h->dp);
}

static lt_status begin(const char *path, const lt_ckpt_head *head, const char *best_of, lt_ckpt_writer **out) {
    lt_ckpt_writer *w = NULL;
    lt_status st = LT_OK;
    LT_CHECK(head->step >= 0, LT_ERR_ARG, "a checkpoint of step %lld", (long long)head->step);
    LT_TRY(lt_calloc(&w, 1, sizeof *w, "a checkpoint writer"));
    w->best = best_of != NULL;
    LT_TRY_GOTO(lt_h5_write_begin(path, LT_KIND_CKPT, LT_CKPT_VERSION, &w->h5), st, done);
    LT_TRY_GOTO(put_head(lt_h5_writer_file(w->h5), head), st, done);
    if (best_of) LT_TRY_GOTO(lt_h5_put_str(lt_h5_writer_file(w->h5), BEST_OF, best_of), st, done);
    *out = w;
done:
    if (st != LT_OK) lt_ckpt_cancel(&w);
    return st;
}

lt_status lt_ckpt_begin(const char *dir, const lt_ckpt_head *head, lt_ckpt_writer **w) {
    char *path = NULL;
    LT_TRY(LT_FAULT_POINT("ckpt.begin"));
    LT_TRY(lt_fs_path(&path, LT_CKPT_PATH, dir, (long long)head->step));
    lt_status st = begin(path, head, NULL, w);
    free(path);
    return st;
}

lt_status lt_ckpt_begin_best(const char *dir, const lt_ckpt_head *head, const char *trial, lt_ckpt_writer **w) {
    char *path = NULL;
    LT_CHECK(trial[0] && !strchr(trial, '/'), LT_ERR_ARG, "\"%s\" cannot be the name of a trial in a file name", trial);
    LT_TRY(lt_fs_path(&path, "%s/" LT_CKPT_BEST, dir, (long long)head->step, trial));
    lt_status st = begin(path, head, trial, w);
    free(path);
    return st;
}

/* The group of a trial (of the file, when trial is NULL), made if absent; closed by the caller. */
static lt_status writer_group(lt_ckpt_writer *w, const char *trial, const char *group, hid_t *g) {
    char *path = NULL;
    hid_t file = lt_h5_writer_file(w->h5);
    if (!trial) return lt_h5_group(file, "/", g);
    LT_CHECK(trial[0] && !strchr(trial, '/'), LT_ERR_ARG, "\"%s\" cannot be the name of a trial in a file: it must have a name without '/'",
             trial);
    LT_TRY(lt_fs_path(&path, "/trials/%s%s%s", trial, group ? "/" : "", group ? group : ""));
    lt_status st = lt_h5_group(file, path, g);
    free(path);
    return st;
}

/* The three value functions differ in the type only. */
#define PUT(name, type, put)                                                                                                               \
    lt_status name(lt_ckpt_writer *w, const char *trial, const char *key, type value) {                                                    \
        hid_t g = -1;                                                                                                                      \
        LT_TRY(writer_group(w, trial, NULL, &g));                                                                                          \
        lt_status st = put(g, key, value);                                                                                                 \
        lt_h5_close(&g);                                                                                                                   \
        return st;                                                                                                                         \
    }
PUT(lt_ckpt_put_i64, int64_t, lt_h5_put_i64)
PUT(lt_ckpt_put_f64, double, lt_h5_put_f64)
PUT(lt_ckpt_put_str, const char *, lt_h5_put_str)
#undef PUT

/* Digests of a list of tensors, which the threads of digest_all share out. */
typedef struct digest_job {
    const lt_named *t;
    int n;
    char (*hex)[LT_SHA_HEX_BYTES];
    _Atomic int next, failed;
} digest_job;

static void *digest_some(void *arg) {
    digest_job *j = arg;
    for (int i; (i = j->next++) < j->n;)
        j->failed += lt_sha_bytes(j->t[i].data, (size_t)lt_named_elems(&j->t[i]) * sizeof(float), j->hex[i]) != LT_OK;
    return NULL;
}

/* Hashing is the larger part of writing, and HDF5 itself has one thread.  Threads of the moment, not OpenMP's: a program that forked after its
 * first parallel region could not write checkpoints. */
static lt_status digest_all(const lt_named *t, int n, char (*hex)[LT_SHA_HEX_BYTES]) {
    enum { MOST = 4 };
    digest_job j = {.t = t, .n = n, .hex = hex};
    pthread_t helper[MOST];
    cpu_set_t cores;
    int64_t elems = 0;
    int helpers = 0, most = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) - 1 : 0;
    for (int i = 0; i < n; i++) elems += lt_named_elems(&t[i]);
    if (most > MOST || elems < 1 << 16) most = elems < 1 << 16 ? 0 : MOST; /* a small trial is done before a thread has begun */
    while (helpers < most && pthread_create(&helper[helpers], NULL, digest_some, &j) == 0) helpers++;
    (void)digest_some(&j);
    for (int i = 0; i < helpers; i++) (void)pthread_join(helper[i], NULL);
    LT_CHECK(j.failed == 0, LT_ERR_INTERNAL, "libcrypto could not compute a SHA-256");
    return LT_OK;
}

lt_status lt_ckpt_put_named(lt_ckpt_writer *w, const char *trial, const char *group, const lt_named *t, int n) {
    static const int64_t one = 1;
    char(*hex)[LT_SHA_HEX_BYTES] = NULL;
    hid_t g = -1;
    lt_status st = LT_OK;
    for (int i = 0; i < n; i++)
        LT_CHECK(t[i].name[0] && !strchr(t[i].name, '/'), LT_ERR_ARG, "\"%s\" cannot be the name of a tensor in a file", t[i].name);
    LT_TRY(lt_calloc(&hex, n, sizeof *hex, "digests"));
    LT_TRY_GOTO(digest_all(t, n, hex), st, done);
    LT_TRY_GOTO(writer_group(w, trial, group, &g), st, done);
    for (int i = 0; i < n; i++)
        LT_TRY_GOTO(
            lt_h5_write_digested(g, t[i].name, LT_F32, t[i].n_dims ? t[i].n_dims : 1, t[i].n_dims ? t[i].dim : &one, t[i].data, hex[i]), st,
            done);
done:
    lt_h5_close(&g);
    free(hex);
    return st;
}

lt_status lt_ckpt_commit(lt_ckpt_writer **w) {
    char hex[LT_SHA_HEX_BYTES];
    lt_status st = LT_FAULT_POINT("ckpt.commit");
    if (st == LT_OK) st = lt_h5_write_commit_digest(&(*w)->h5, !(*w)->best, hex);
    lt_ckpt_cancel(w);
    return st == LT_OK ? LT_FAULT_POINT("ckpt.committed") : lt_err_trace(st, __FILE__, __LINE__, __func__);
}

void lt_ckpt_cancel(lt_ckpt_writer **w) {
    if (!*w) return;
    lt_h5_write_cancel(&(*w)->h5);
    free(*w);
    *w = NULL;
}

/* --- reading -------------------------------------------------------------------------------------------------------------------------- */

enum { N_TEXTS = 10 };

struct lt_ckpt {
    char *path;
    hid_t file;
    lt_ckpt_head head;
    char *text[N_TEXTS]; /* what the head's strings point at */
    const char *best_of; /* NULL: a checkpoint of all trials */
    char **trial;
    int64_t n_trials;
};

static lt_status get_head(lt_ckpt *ck) {
    lt_ckpt_head *h = &ck->head;
    static const char *const key[N_TEXTS] = {"config",      "config_sha256", "settings", "labels", "model_sha256",
                                             "data_sha256", "dtype",         BEST_OF,    DEVICE,   PRODUCTS};
    const char **field[N_TEXTS] = {&h->config,      &h->config_sha256, &h->settings, &h->labels, &h->model_sha256,
                                   &h->data_sha256, &h->dtype,         &ck->best_of, &h->device, &h->products};
    for (int i = 0; i < N_TEXTS; i++) {
        bool may_lack = !strcmp(key[i], BEST_OF) || !strcmp(key[i], DEVICE) ||
                        !strcmp(key[i], PRODUCTS); /* a checkpoint of all trials; one of an earlier version */
        if (may_lack && H5Aexists(ck->file, key[i]) <= 0) continue;
        LT_TRY(lt_h5_get_str(ck->file, key[i], &ck->text[i]));
        *field[i] = ck->text[i];
    }
    if (!h->device) h->device = "";
    if (!h->products) h->products = "";
    LT_TRY(lt_h5_get_i64(ck->file, "step", &h->step));
    LT_CHECK(h->step >= 0, LT_ERR_FORMAT, "%s says that it is of step %lld", ck->path, (long long)h->step);
    if (H5Aexists(ck->file, ROWS) > 0) LT_TRY(lt_h5_get_i64(ck->file, ROWS, &h->pack_rows));
    LT_CHECK(h->pack_rows >= 0, LT_ERR_FORMAT, "%s says that packs had %lld rows", ck->path, (long long)h->pack_rows);
    LT_TRY(lt_h5_get_i64(ck->file, "ranks", &h->ranks));
    LT_TRY(lt_h5_get_i64(ck->file, "tp", &h->tp));
    LT_TRY(lt_h5_get_i64(ck->file, "dp", &h->dp));
    return lt_h5_has(ck->file, "trials") ? lt_h5_list(ck->file, "trials", &ck->trial, &ck->n_trials) : LT_OK;
}

static lt_status open_ckpt(const char *path, lt_status (*open_file)(const char *, const char *, int64_t, hid_t *), lt_ckpt **out) {
    lt_ckpt *ck = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_calloc(&ck, 1, sizeof *ck, "a checkpoint"));
    ck->file = -1;
    LT_TRY_GOTO(lt_strdup(&ck->path, path), st, fail);
    LT_TRY_GOTO(open_file(path, LT_KIND_CKPT, LT_CKPT_VERSION, &ck->file), st, fail);
    LT_TRY_GOTO(get_head(ck), st, fail);
    *out = ck;
    return LT_OK;
fail:
    lt_ckpt_close(&ck);
    return st;
}

lt_status lt_ckpt_open(const char *path, lt_ckpt **ck) { return open_ckpt(path, lt_h5_open_kind, ck); }
lt_status lt_ckpt_open_checked(const char *path, lt_ckpt **ck) { return open_ckpt(path, lt_h5_open_checked, ck); }
lt_status lt_ckpt_impl_need_digest(const lt_ckpt *ck) { return lt_h5_need_digest(ck->file, ck->path); }

void lt_ckpt_close(lt_ckpt **out) {
    lt_ckpt *ck = *out;
    if (!ck) return;
    lt_h5_close(&ck->file);
    for (int i = 0; i < N_TEXTS; i++) free(ck->text[i]);
    free(ck->trial);
    free(ck->path);
    free(ck);
    *out = NULL;
}

const lt_ckpt_head *lt_ckpt_about(const lt_ckpt *ck) { return &ck->head; }
const char *lt_ckpt_path(const lt_ckpt *ck) { return ck->path; }
const char *lt_ckpt_best_of(const lt_ckpt *ck) { return ck->best_of; }

char *const *lt_ckpt_trials(const lt_ckpt *ck, int64_t *n) {
    *n = ck->n_trials;
    return ck->trial;
}

/* Do two lines "key: value" speak of one key? */
static bool same_key(const char *a, const char *b) {
    size_t n = strcspn(a, ":\n");
    return a[n] == ':' && n == strcspn(b, ":\n") && !memcmp(a, b, n);
}

/* Is a line of n bytes one of text's? */
static bool has_line(const char *text, const char *line, int n) {
    for (const char *at = text; at && *at && n > 0; at += strcspn(at, "\n"), at += *at == '\n')
        if ((int)strcspn(at, "\n") == n && !memcmp(at, line, (size_t)n)) return true;
    return false;
}

/* The settings of a run that says nothing; NULL if there is no memory. */
static char *default_settings(void) {
    lt_config *cfg = NULL;
    char *text = NULL;
    if (lt_config_load(NULL, 0, NULL, &cfg) == LT_OK) (void)lt_config_settings(cfg, &text);
    lt_config_free(&cfg);
    return text;
}

bool lt_ckpt_same_settings(const lt_ckpt *ck, const char *settings, char *text, size_t bytes) {
    const char *there = ck->head.settings, *here = settings, *trial = "";
    int n_trial = 0;
    bool same = true;
    if (!strcmp(here, there)) return true;
    char *defaults = default_settings();
    while (same && (*here || *there)) {
        int n = (int)strcspn(here, "\n"), m = (int)strcspn(there, "\n");
        bool equal = n == m && !memcmp(here, there, (size_t)n), one = equal || same_key(here, there);
        /* a key that one of two versions does not have is as if it were at its default there */
        bool only_here = !one && has_line(defaults, here, n), only_there = !one && !only_here && has_line(defaults, there, m);
        same = equal || only_here || only_there;
        if (!same)
            (void)snprintf(text, bytes, "%.*s%s\"%.*s\" here, \"%.*s\" there", n_trial, trial, n_trial ? ": " : "", n, here, m, there);
        if (!strncmp(here, "trial ", 6)) {
            trial = here;
            n_trial = n;
        }
        if (!only_there) here += n + (here[n] != 0);
        if (!only_here) there += m + (there[m] != 0);
    }
    free(defaults);
    return same;
}

lt_status lt_ckpt_match(const lt_ckpt *ck, const lt_ckpt_head *run) {
    const lt_ckpt_head *h = &ck->head;
    char difference[512];
    LT_CHECK(!run->settings || lt_ckpt_same_settings(ck, run->settings, difference, sizeof difference), LT_ERR_CONFIG,
             "%s belongs to another configuration (%s): set another run.dir, restore the old settings, or start over with run.resume=never",
             ck->path, difference);
    LT_CHECK(!run->model_sha256 || !strcmp(h->model_sha256, run->model_sha256), LT_ERR_CONFIG,
             "%s was trained on another base model (fingerprint %.16s..., model.path has %.16s...): set model.path to that model, or "
             "another run.dir",
             ck->path, h->model_sha256, run->model_sha256);
    LT_CHECK(!run->labels || !strcmp(h->labels, run->labels), LT_ERR_CONFIG,
             "%s was trained with other labels (in their order: %.200s; data.path has: %.200s): set data.path to a data set with those",
             ck->path, h->labels, run->labels);
    LT_CHECK(!run->data_sha256 || !strcmp(h->data_sha256, run->data_sha256), LT_ERR_CONFIG,
             "%s was trained or judged on other data (fingerprint of samples and label words %.16s..., now %.16s...): set data.path and "
             "data.eval as "
             "they were, or another run.dir",
             ck->path, h->data_sha256, run->data_sha256);
    return LT_OK;
}

static lt_status reader_group(lt_ckpt *ck, const char *trial, const char *group, hid_t *g) {
    char *path = NULL;
    lt_status st = LT_OK;
    if (!trial) return lt_h5_group(ck->file, "/", g);
    LT_TRY(lt_fs_path(&path, "/trials/%s%s%s", trial, group ? "/" : "", group ? group : ""));
    LT_CHECK_GOTO(lt_h5_has(ck->file, path), st, done, LT_ERR_FORMAT, "%s has no %s: it is of a run with other trials or methods", ck->path,
                  path);
    st = lt_h5_group(ck->file, path, g);
done:
    free(path);
    return st;
}

lt_status lt_ckpt_has(lt_ckpt *ck, const char *trial, const char *key, bool *there) {
    hid_t g = -1;
    LT_TRY(reader_group(ck, trial, NULL, &g));
    *there = H5Aexists(g, key) > 0;
    lt_h5_close(&g);
    return LT_OK;
}

#define GET(name, type, get)                                                                                                               \
    lt_status name(lt_ckpt *ck, const char *trial, const char *key, type *value) {                                                         \
        hid_t g = -1;                                                                                                                      \
        LT_TRY(reader_group(ck, trial, NULL, &g));                                                                                         \
        lt_status st = get(g, key, value);                                                                                                 \
        lt_h5_close(&g);                                                                                                                   \
        return st;                                                                                                                         \
    }
GET(lt_ckpt_get_i64, int64_t, lt_h5_get_i64)
GET(lt_ckpt_get_f64, double, lt_h5_get_f64)
GET(lt_ckpt_get_str, char *, lt_h5_get_str)
#undef GET

lt_status lt_ckpt_get_named(lt_ckpt *ck, const char *trial, const char *group, lt_named *t, int n) {
    static const int64_t one = 1;
    char **present = NULL;
    int64_t n_present = 0;
    hid_t g = -1;
    lt_status st = LT_OK;
    LT_TRY(reader_group(ck, trial, group, &g));
    for (int i = 0; i < n; i++)
        LT_TRY_GOTO(lt_h5_read_into(g, t[i].name, LT_F32, t[i].n_dims ? t[i].n_dims : 1, t[i].n_dims ? t[i].dim : &one, t[i].data), st,
                    done);
    LT_TRY_GOTO(lt_h5_list(g, ".", &present, &n_present), st, done);
    for (int64_t k = 0; k < n_present; k++) {
        int i = 0;
        while (i < n && strcmp(present[k], t[i].name) != 0) i++;
        LT_CHECK_GOTO(i < n, st, done, LT_ERR_FORMAT, "%s: /trials/%s/%s/%s is not a tensor of this run: its method or settings are others",
                      ck->path, trial, group, present[k]);
    }
done:
    free(present);
    lt_h5_close(&g);
    return st;
}

/* Shape of one dataset into t. */
static lt_status describe(hid_t g, const char *name, const char *path, lt_named *t) {
    lt_dtype dt;
    int64_t dim[LT_H5_MAX_DIMS];
    LT_TRY(lt_h5_shape(g, name, &dt, &t->n_dims, dim));
    LT_CHECK(dt == LT_F32 && t->n_dims <= LT_MAX_DIMS && strlen(name) < LT_NAME_BYTES, LT_ERR_FORMAT,
             "%s: %s is not a tensor of ours (f32, at most %d dimensions)", path, name, LT_MAX_DIMS);
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    for (int d = 0; d < t->n_dims; d++) t->dim[d] = dim[d];
    return LT_OK;
}

lt_status lt_ckpt_list_named(lt_ckpt *ck, const char *trial, const char *group, lt_named **out, int *n) {
    char path[2 * LT_NAME_BYTES + 32], **name = NULL;
    lt_named *t = NULL;
    int64_t count = 0;
    hid_t g = -1;
    lt_status st = LT_OK;
    (void)snprintf(path, sizeof path, "/trials/%s/%s", trial, group);
    if (lt_h5_has(ck->file, path)) {
        LT_TRY(lt_h5_group(ck->file, path, &g));
        LT_TRY_GOTO(lt_h5_list(g, ".", &name, &count), st, done);
    }
    LT_TRY_GOTO(lt_calloc(&t, count, sizeof *t, "a list of tensors"), st, done);
    for (int64_t i = 0; i < count; i++) LT_TRY_GOTO(describe(g, name[i], ck->path, &t[i]), st, done);
    *out = t;
    *n = (int)count;
    t = NULL;
done:
    free(t);
    free(name);
    lt_h5_close(&g);
    return st;
}
