/* Atomic and durable file replacement; see fs.h. */
#include "store/fs.h"

#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

lt_status lt_fs_path(char **out, const char *fmt, ...) {
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    LT_CHECK(n >= 0, LT_ERR_NOMEM, "no memory for a file name");
    *out = s;
    return LT_OK;
}

lt_status lt_fs_mkdirs(const char *dir) {
    struct stat info;
    char *path;
    lt_status st = LT_OK;
    LT_CHECK(dir[0], LT_ERR_ARG, "the name of a folder is empty");
    LT_TRY(lt_strdup(&path, dir));
    for (char *p = path + 1;; p++) {
        if (*p != '/' && *p != 0) continue;
        char kept = *p;
        *p = 0;
        /* Some file systems say EROFS or EACCES for a folder that exists: only a missing one is an error. */
        if (mkdir(path, 0777) != 0 && errno != EEXIST) {
            int why = errno;
            if (stat(path, &info) != 0) st = LT_FAIL(LT_ERR_IO, "cannot create folder %s: %s", path, strerror(why));
        }
        *p = kept;
        if (st != LT_OK || kept == 0) break;
    }
    free(path);
    if (st == LT_OK && (stat(dir, &info) != 0 || !S_ISDIR(info.st_mode)))
        st = LT_FAIL(LT_ERR_IO, "%s is not a folder: choose another place", dir);
    return st;
}

lt_status lt_fs_temp_name(const char *path, char **tmp) {
    static unsigned count;
    char host[64] = "";
    (void)gethostname(host, sizeof host - 1);
    unsigned n = __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
    return lt_fs_path(tmp, "%s.tmp.%s.%ld.%u", path, host, (long)getpid(), n);
}

lt_status lt_fs_sync(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    LT_CHECK(fd >= 0, LT_ERR_IO, "cannot open %s to sync it: %s", path, strerror(errno));
    int rc = fsync(fd), why = errno;
    (void)close(fd);
    /* EINVAL: this kind of file cannot be synced (folders on some network file systems); nothing more can be done there. */
    LT_CHECK(rc == 0 || why == EINVAL, LT_ERR_IO, "cannot bring %s to the disk: %s", path, strerror(why));
    return LT_OK;
}

lt_status lt_fs_sync_parent(const char *path) {
    char *dir;
    LT_TRY(lt_strdup(&dir, path));
    char *slash = strrchr(dir, '/');
    if (slash == dir) slash++;
    if (slash) *slash = 0;
    lt_status st = lt_fs_sync(slash ? dir : ".");
    free(dir);
    return st;
}

lt_status lt_fs_replace(const char *tmp, const char *path, bool durable) {
    if (durable) LT_TRY(lt_fs_sync(tmp));
    return lt_fs_rename(tmp, path, durable);
}

lt_status lt_fs_rename(const char *tmp, const char *path, bool durable) {
    LT_CHECK(rename(tmp, path) == 0, LT_ERR_IO, "cannot rename %s to %s: %s", tmp, path, strerror(errno));
    return durable ? lt_fs_sync_parent(path) : LT_OK;
}

lt_status lt_fs_symlink(const char *target, const char *path, bool durable) {
    char *tmp = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_fs_temp_name(path, &tmp));
    (void)unlink(tmp);
    LT_CHECK_GOTO(symlink(target, tmp) == 0, st, done, LT_ERR_IO, "cannot create link %s: %s", tmp, strerror(errno));
    st = lt_fs_rename(tmp, path, durable);
    if (st != LT_OK) (void)unlink(tmp);
done:
    free(tmp);
    return st;
}

lt_status lt_fs_set_aside(const char *path) {
    char *bad = NULL;
    LT_TRY(lt_fs_path(&bad, "%s.bad", path));
    lt_status st = lt_fs_replace(path, bad, false);
    if (st == LT_OK) st = lt_fs_sync_parent(path);
    if (st == LT_OK) lt_warn("%s is kept as %s", path, bad);
    free(bad);
    return st;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

lt_status lt_fs_list(const char *dir, char ***names, int *n) {
    lt_status st = LT_OK;
    struct dirent **entry = NULL;
    int found = scandir(dir, &entry, NULL, NULL), kept = 0;
    LT_CHECK(found >= 0, LT_ERR_IO, "cannot list folder %s: %s", dir, strerror(errno));
    size_t bytes = (size_t)(found + 1) * sizeof(char *);
    for (int i = 0; i < found; i++) bytes += strlen(entry[i]->d_name) + 1;
    char **list = malloc(bytes);
    LT_CHECK_GOTO(list, st, done, LT_ERR_NOMEM, "no memory to list folder %s", dir);
    char *text = (char *)(list + found + 1);
    for (int i = 0; i < found; i++) {
        if (!strcmp(entry[i]->d_name, ".") || !strcmp(entry[i]->d_name, "..")) continue;
        list[kept++] = strcpy(text, entry[i]->d_name);
        text += strlen(text) + 1;
    }
    qsort(list, (size_t)kept, sizeof *list, by_name);
    list[kept] = NULL;
    *names = list;
    *n = kept;
done:
    for (int i = 0; i < found; i++) free(entry[i]);
    free(entry);
    return st;
}

/* True for what lt_fs_temp_name makes: "....tmp.HOST.PID.N", so that no file of a user's own naming is taken for one. */
static bool is_temp_name(const char *name) {
    const char *tail = NULL, *digits = "0123456789";
    for (const char *p = name; (p = strstr(p, ".tmp.")); p++) tail = p;
    if (!tail) return false;
    const char *n = strrchr(tail, '.'), *pid = n;
    while (pid > tail && *--pid != '.') {}
    return pid > tail && n[1] && !n[1 + strspn(n + 1, digits)] && pid + 1 < n && pid + 1 + strspn(pid + 1, digits) == n;
}

lt_status lt_fs_remove_temps(const char *dir) {
    char **names, *path;
    int n;
    lt_status st = LT_OK;
    LT_TRY(lt_fs_list(dir, &names, &n));
    for (int i = 0; i < n && st == LT_OK; i++) {
        if (!is_temp_name(names[i])) continue;
        LT_TRY_GOTO(lt_fs_path(&path, "%s/%s", dir, names[i]), st, done);
        if (unlink(path) != 0 && errno != ENOENT) st = LT_FAIL(LT_ERR_IO, "cannot delete the left-over file %s: %s", path, strerror(errno));
        free(path);
    }
done:
    free(names);
    return st;
}
