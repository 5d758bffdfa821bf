/* Large tokenizer.json files, remembered in a form that loads faster than JSON does.
 *
 * What is kept is what was read (texts, ids, merges, scores), not what is built from it: building checks it again, so that a damaged cache can at
 * worst be refused.  A file is found by the SHA-256 of the tokenizer.json, so that a changed one is another file; it lies in $LTUNE_CACHE,
 * $XDG_CACHE_HOME/ltune or ~/.cache/ltune, is written under a temporary name and renamed, and may be deleted at any time.  LTUNE_CACHE set to
 * nothing: no cache.
 *
 *   header   magic, bytes of each section, hash of all sections
 *   about    the tokenizer.json's text without vocabulary, merges and scores
 *   lengths  int32 [n] bytes of an id's text, -1 = the id is not used
 *   texts    one after the other
 *   merges   int32 pairs        scores   f64 [n] or nothing */
#include "text/tokenizer_impl.h"

#include "base/mem.h"
#include "store/fs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

enum { ABOUT, LENGTHS, TEXTS, MERGES, SCORES, N_SECTIONS };
typedef struct header {
    char magic[16];
    int64_t bytes[N_SECTIONS];
    uint64_t hash;
} header;
static const char magic[16] = "ltune-parts 1\n"; /* also tells apart byte orders: lengths would not fit */

/* The cache's file for a tokenizer, released by free(); NULL: there is no cache. */
static char *file_of(const char *sha256) {
    const char *own = getenv("LTUNE_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *path = NULL;
    lt_status st = LT_OK;
    if (own ? !*own : !(xdg && *xdg) && !(home && *home)) return NULL;
    if (own)
        st = lt_fs_path(&path, "%s/tokenizer-%.32s.parts", own, sha256);
    else if (xdg && *xdg)
        st = lt_fs_path(&path, "%s/ltune/tokenizer-%.32s.parts", xdg, sha256);
    else
        st = lt_fs_path(&path, "%s/.cache/ltune/tokenizer-%.32s.parts", home, sha256);
    if (st != LT_OK) lt_err_clear();
    return path;
}

/* --- reading ----------------------------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *section[N_SECTIONS], const int64_t bytes[N_SECTIONS]) {
    uint64_t h = 0;
    for (int i = 0; i < N_SECTIONS; i++) h = h * 0x9E3779B97F4A7C15u + lt_tok_impl_hash(section[i], (size_t)bytes[i]);
    return h;
}

/* Finds the sections; false: this is no file of ours, or it is damaged. */
static bool find_sections(const char *data, int64_t size, header *h, const char *section[N_SECTIONS]) {
    if (size < (int64_t)sizeof *h) return false;
    memcpy(h, data, sizeof *h);
    if (memcmp(h->magic, magic, sizeof magic) != 0) return false;
    int64_t at = (int64_t)sizeof *h;
    for (int i = 0; i < N_SECTIONS; i++) {
        if (h->bytes[i] < 0 || h->bytes[i] > size - at) return false;
        section[i] = data + at;
        at += h->bytes[i];
    }
    return at == size && h->hash == hash_of(section, h->bytes);
}

static lt_status take(const header *h, const char *section[N_SECTIONS], json_t **about, lt_tok_parts *p) {
    int64_t n = h->bytes[LENGTHS] / 4, at = 0;
    for (int64_t id = 0; id < n; id++) {
        int32_t bytes;
        memcpy(&bytes, section[LENGTHS] + 4 * id, 4);
        if (bytes < 0) continue;
        LT_CHECK(bytes <= h->bytes[TEXTS] - at, LT_ERR_FORMAT, "texts are cut short");
        LT_TRY(lt_vocab_put(&p->vocab, id, section[TEXTS] + at, (size_t)bytes));
        at += bytes;
    }
    p->n_merges = h->bytes[MERGES] / (int64_t)sizeof *p->merge;
    LT_TRY(lt_calloc(&p->merge, p->n_merges + 1, sizeof *p->merge, "merges"));
    memcpy(p->merge, section[MERGES], (size_t)p->n_merges * sizeof *p->merge);
    LT_CHECK(h->bytes[SCORES] == 0 || h->bytes[SCORES] == 8 * p->vocab.n, LT_ERR_FORMAT, "scores are cut short");
    if (h->bytes[SCORES]) {
        LT_TRY(lt_calloc(&p->score, p->vocab.n, sizeof *p->score, "scores"));
        memcpy(p->score, section[SCORES], (size_t)h->bytes[SCORES]);
    }
    *about = json_loadb(section[ABOUT], (size_t)h->bytes[ABOUT], JSON_ALLOW_NUL, NULL);
    LT_CHECK(*about, LT_ERR_FORMAT, "the description is not JSON");
    return LT_OK;
}

void lt_tok_impl_parts_recall(const char *sha256, json_t **about, lt_tok_parts *p) {
    struct stat info;
    header h;
    const char *section[N_SECTIONS];
    char *path = file_of(sha256);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    *about = NULL;
    if (fd >= 0 && fstat(fd, &info) == 0 && info.st_size > 0) {
        char *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data != MAP_FAILED) {
            if (find_sections(data, info.st_size, &h, section) && take(&h, section, about, p) != LT_OK) {
                lt_err_clear(); /* the JSON itself is there */
                lt_tok_impl_parts_free(p);
                *about = NULL;
            }
            (void)munmap(data, (size_t)info.st_size);
        }
    }
    if (fd >= 0) (void)close(fd);
    free(path);
}

/* --- writing ----------------------------------------------------------------------------------------------------------------------------- */

static lt_status write_file(const char *path, const header *h, const char *section[N_SECTIONS]) {
    char *tmp = NULL, *dir = NULL, *slash;
    bool good = false;
    FILE *f = NULL;
    lt_status st = lt_strdup(&dir, path);
    LT_TRY(st);
    slash = strrchr(dir, '/');
    if (slash) *slash = 0;
    LT_TRY_GOTO(lt_fs_mkdirs(dir), st, done);
    LT_TRY_GOTO(lt_fs_temp_name(path, &tmp), st, done);
    f = fopen(tmp, "wb");
    LT_CHECK_GOTO(f, st, done, LT_ERR_IO, "cannot write %s: %m", tmp);
    good = fwrite(h, sizeof *h, 1, f) == 1;
    for (int i = 0; i < N_SECTIONS; i++) good &= fwrite(section[i], 1, (size_t)h->bytes[i], f) == (size_t)h->bytes[i];
    good &= fclose(f) == 0;
    st = good ? lt_fs_replace(tmp, path, false) : LT_FAIL(LT_ERR_IO, "cannot write %s: %m", tmp);
    if (st != LT_OK) (void)unlink(tmp);
done:
    free(tmp);
    free(dir);
    return st;
}

void lt_tok_impl_parts_keep(const char *sha256, json_t *about, const lt_tok_parts *p) {
    json_t *model = json_object_get(about, "model");
    char *path = file_of(sha256), *text = NULL, *texts = NULL;
    int32_t *bytes = NULL;
    int64_t n = p->vocab.n, at = 0;
    lt_status st = LT_OK;
    if (!path || !json_object_get(model, "type")) { /* without its type, what is left out shows which kind a model is */
        free(path);
        return;
    }
    json_object_del(model, "vocab");
    json_object_del(model, "merges");
    text = json_dumps(about, JSON_COMPACT);
    LT_CHECK_GOTO(text, st, done, LT_ERR_NOMEM, "no memory for a cache");
    LT_TRY_GOTO(lt_calloc(&bytes, n, sizeof *bytes, "a cache"), st, done);
    LT_TRY_GOTO(lt_calloc(&texts, p->vocab.pool_bytes + 1, 1, "a cache"), st, done);
    for (int64_t id = 0; id < n; id++) {
        size_t k = 0;
        const char *s = lt_vocab_text(&p->vocab, id, &k);
        bytes[id] = s ? (int32_t)k : -1;
        if (s) memcpy(texts + at, s, k);
        at += s ? (int64_t)k : 0;
    }
    const char *section[N_SECTIONS] = {text, (const char *)bytes, texts, (const char *)p->merge, (const char *)p->score};
    header h = {.bytes = {(int64_t)strlen(text), 4 * n, at, p->n_merges * (int64_t)sizeof *p->merge, p->score ? 8 * n : 0}};
    memcpy(h.magic, magic, sizeof magic);
    h.hash = hash_of(section, h.bytes);
    st = write_file(path, &h, section);
done:
    if (st != LT_OK) lt_err_clear();
    free(texts);
    free(bytes);
    free(text);
    free(path);
}
