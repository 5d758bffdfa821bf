/* The journal of the run log: rows since run.h5 was written; see runlog_file.c for why and when.
 *
 *     run.h5.journal     "ltune-journal 2 <digest of the run.h5 that it continues>\n"
 *                        batches: u64 bytes, u64 hash of the bytes | records: u32 kind, u32 trial, i64 n | n rows as they lie in memory
 *                        (those of dialogues: numbers, lengths, texts; runlog_dialogue.c)
 *
 * It is private to ltune: everything in it comes into run.h5.  A batch is taken whole or not at all, so a writer killed inside one loses no more
 * than that.  The digest in its first line ties it to one version of run.h5: after the next one has its name, the old journal means nothing, and a
 * reader that has opened the old run.h5 does not take rows of a newer journal. */
#include "store/runlog_impl.h"

#include "base/mem.h"
#include "store/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORD "ltune-journal 2 "
enum { HEADER_BYTES = sizeof WORD - 1 + LT_SHA_HEX_BYTES };

typedef struct batch_head {
    uint64_t bytes, hash;
} batch_head;
typedef struct record_head {
    uint32_t kind, trial;
    int64_t n;
} record_head;

/* A hash of 64 bits: finds batches that are not whole. */
static uint64_t hash_bytes(const unsigned char *p, size_t n) {
    uint64_t h = n, w;
    for (; n > 0; p += 8, n -= n < 8 ? n : 8) {
        w = 0;
        memcpy(&w, p, n < 8 ? n : 8);
        h = (h ^ w) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

lt_status lt_runlog_impl_each_series(lt_runlog *log, lt_series_fn fn, void *user) {
    for (int i = 0; i < log->n_trials; i++) {
        LT_TRY(fn(user, LT_LOG_TRAIN, (uint32_t)i, &log->trial[i].train));
        LT_TRY(fn(user, LT_LOG_EVAL, (uint32_t)i, &log->trial[i].eval));
        LT_TRY(fn(user, LT_LOG_DETAIL, (uint32_t)i, &log->trial[i].detail));
    }
    LT_TRY(fn(user, LT_LOG_PERF, 0, &log->perf));
    /* the last: a program that does not know them leaves the rest of a batch alone */
    for (int i = 0; i < log->n_trials; i++) LT_TRY(fn(user, LT_LOG_DIALOGUE, (uint32_t)i, &log->trial[i].dialogue));
    return LT_OK;
}

/* --- writing ------------------------------------------------------------------------------------------------------------------------------ */

static void header_of(const lt_runlog *log, char line[HEADER_BYTES + 1]) { (void)snprintf(line, HEADER_BYTES + 1, WORD "%s\n", log->base); }

static lt_status journal_path(const lt_runlog *log, char **path) { return lt_fs_path(path, "%s.journal", log->path); }

/* Of the rows that are not saved. */
static size_t bytes_of(uint32_t kind, const lt_series *s) {
    return kind == LT_LOG_DIALOGUE ? lt_runlog_impl_dialogue_bytes(s) : (size_t)(s->n - s->saved) * s->row_bytes;
}

static lt_status count_bytes(void *user, uint32_t kind, uint32_t trial, lt_series *s) {
    if (s->n > s->saved) *(size_t *)user += sizeof(record_head) + bytes_of(kind, s);
    return LT_OK;
}

static lt_status add_record(void *user, uint32_t kind, uint32_t trial, lt_series *s) {
    unsigned char **to = user;
    record_head head = {kind, trial, s->n - s->saved};
    if (head.n <= 0) return LT_OK;
    memcpy(*to, &head, sizeof head);
    *to += sizeof head;
    if (kind == LT_LOG_DIALOGUE) {
        *to = lt_runlog_impl_put_dialogue(s, *to);
        return LT_OK;
    }
    memcpy(*to, s->row + (size_t)s->saved * s->row_bytes, bytes_of(kind, s));
    *to += bytes_of(kind, s);
    return LT_OK;
}

static lt_status mark_saved(void *user, uint32_t kind, uint32_t trial, lt_series *s) {
    s->saved = s->n;
    return LT_OK;
}

static lt_status write_all(int fd, const char *path, const void *data, size_t bytes) {
    for (const unsigned char *p = data; bytes > 0;) {
        ssize_t n = write(fd, p, bytes);
        if (n < 0 && errno == EINTR) continue;
        LT_CHECK(n > 0, LT_ERR_IO, "cannot write %s: %s", path, strerror(n ? errno : ENOSPC));
        p += n, bytes -= (size_t)n;
    }
    return LT_OK;
}

static lt_status begin(lt_runlog *log, const char *path) {
    char line[HEADER_BYTES + 1];
    header_of(log, line);
    log->journal = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    LT_CHECK(log->journal >= 0, LT_ERR_IO, "cannot create %s: %s", path, strerror(errno));
    lt_status st = write_all(log->journal, path, line, HEADER_BYTES);
    log->journal_named = false;
    if (st == LT_OK) return LT_OK;
    (void)close(log->journal);
    log->journal = -1;
    return st;
}

/* One batch; on failure the journal is as it was. */
static lt_status append(lt_runlog *log, const char *path, bool durable) {
    unsigned char *data = NULL, *to;
    size_t bytes = 0;
    off_t before = lseek(log->journal, 0, SEEK_END);
    (void)lt_runlog_impl_each_series(log, count_bytes, &bytes);
    if (bytes > 0) {
        LT_TRY(lt_calloc(&data, 1, sizeof(batch_head) + bytes, "rows for the run log's journal"));
        to = data + sizeof(batch_head);
        (void)lt_runlog_impl_each_series(log, add_record, &to);
        memcpy(data, &(batch_head){bytes, hash_bytes(data + sizeof(batch_head), bytes)}, sizeof(batch_head));
    }
    lt_status st = bytes ? write_all(log->journal, path, data, sizeof(batch_head) + bytes) : LT_OK;
    free(data);
    if (st == LT_OK && durable && fdatasync(log->journal) != 0 && errno != EINVAL)
        st = LT_FAIL(LT_ERR_IO, "cannot bring %s to the disk: %s", path, strerror(errno));
    if (st == LT_OK)
        (void)lt_runlog_impl_each_series(log, mark_saved, NULL);
    else if (before < 0 || ftruncate(log->journal, before) != 0)
        log->reshaped = true; /* what follows could not be told from the broken batch: the whole file next time */
    return st;
}

lt_status lt_runlog_impl_journal(lt_runlog *log, bool durable) {
    char *path = NULL;
    lt_status st = LT_OK;
    LT_TRY(journal_path(log, &path));
    if (log->journal < 0) st = begin(log, path);
    if (st == LT_OK) st = append(log, path, durable);
    log->journaled |= st == LT_OK;
    if (st == LT_OK && durable && !log->journal_named) {
        st = lt_fs_sync_parent(path);
        log->journal_named = st == LT_OK;
    }
    free(path);
    return st;
}

void lt_runlog_impl_journal_end(lt_runlog *log) {
    char *path = NULL;
    if (log->journal >= 0) (void)close(log->journal);
    log->journal = -1;
    log->journaled = false;
    (void)lt_runlog_impl_each_series(log, mark_saved, NULL);
    if (journal_path(log, &path) == LT_OK) (void)unlink(path);
    free(path);
}

/* --- reading ------------------------------------------------------------------------------------------------------------------------------ */

/* The series that a record is of; NULL: the log has none. */
static lt_series *series_of(lt_runlog *log, record_head head) {
    if (head.kind == LT_LOG_PERF) return &log->perf; /* of no trial */
    if (head.kind > LT_LOG_DIALOGUE || head.trial >= (uint32_t)log->n_trials) return NULL;
    lt_log_trial *t = &log->trial[head.trial];
    lt_series *const series[] = {&t->train, &t->eval, &log->perf, &t->detail, &t->dialogue};
    return series[head.kind];
}

/* Rows of one whole batch; those of series that the file does not have are passed over. */
static lt_status take_batch(lt_runlog *log, unsigned char *p, size_t bytes, int64_t *rows) {
    while (bytes >= sizeof(record_head)) {
        record_head head;
        memcpy(&head, p, sizeof head);
        p += sizeof head, bytes -= sizeof head;
        lt_series *s = series_of(log, head);
        if (s && head.kind == LT_LOG_DIALOGUE) {
            size_t used = 0;
            LT_TRY(lt_runlog_impl_take_dialogue(log, s, p, bytes, head.n, &used));
            if (used == 0) return LT_OK;
            p += used, bytes -= used, *rows += head.n;
            continue;
        }
        if (!s || s->row_bytes == 0 || head.n < 0 || (uint64_t)head.n > bytes / s->row_bytes) return LT_OK;
        for (int64_t i = 0; i < head.n; i++, p += s->row_bytes, bytes -= s->row_bytes) {
            if (head.kind == LT_LOG_EVAL) p[offsetof(lt_eval_row, split) + LT_SPLIT_BYTES - 1] = 0;
            if (head.kind == LT_LOG_DETAIL) p[offsetof(lt_detail_head, split) + LT_SPLIT_BYTES - 1] = 0;
            LT_TRY(head.kind == LT_LOG_DETAIL ? lt_runlog_impl_push_detail(s, p) : lt_runlog_impl_push(s, p));
            s->saved = s->n;
            ++*rows;
        }
    }
    return LT_OK;
}

/* A file that cannot be read has no rows. */
static lt_status load(const char *path, unsigned char **data, size_t *bytes) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    lt_status st = LT_OK;
    *bytes = 0;
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        st = lt_calloc(data, info.st_size + 1, 1, "the run log's journal");
        ssize_t n = 0;
        while (st == LT_OK && *bytes < (size_t)info.st_size && (n = read(fd, *data + *bytes, (size_t)info.st_size - *bytes)) > 0)
            *bytes += (size_t)n;
    }
    if (fd >= 0) (void)close(fd);
    return st;
}

lt_status lt_runlog_impl_replay(lt_runlog *log, int64_t *rows) {
    char *path = NULL, line[HEADER_BYTES + 1];
    unsigned char *data = NULL;
    size_t bytes = 0, at = HEADER_BYTES;
    lt_status st = LT_OK;
    *rows = 0;
    if (!log->base[0]) return LT_OK;
    header_of(log, line);
    LT_TRY(journal_path(log, &path));
    LT_TRY_GOTO(load(path, &data, &bytes), st, done);
    if (bytes < HEADER_BYTES || memcmp(data, line, HEADER_BYTES) != 0) goto done;
    for (batch_head head; bytes - at >= sizeof head && st == LT_OK; at += head.bytes) {
        memcpy(&head, data + at, sizeof head);
        at += sizeof head;
        if (head.bytes > bytes - at || hash_bytes(data + at, head.bytes) != head.hash) break;
        st = take_batch(log, data + at, head.bytes, rows);
    }
done:
    free(data);
    free(path);
    return st;
}
