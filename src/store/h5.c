/* HDF5: error text, groups and attributes; see h5.h.
 *
 * Errors.  HDF5's own printing is off.  Its error stack has the cause at the bottom and the failed call at the top; we show both.  When a
 * system call failed, the bottom text holds "errno = N": the message is then the system's, and the status IO, for that is what the user can act on.
 *
 * Locks.  HDF5 locks files with flock() by default, which fails on parallel file systems mounted without it.  Nothing here needs those
 * locks, since a file is never changed in place, so they are off.
 *
 * Strings have fixed length, in attributes as in datasets.  Those of variable length lie in a heap without checksums, whose reader in HDF5 1.10 loops or
 * runs past the end where the heap is damaged; they are read (other programs write them), never written.  An attribute may be longer than the
 * 64 KiB of an object header (a resolved configuration): HDF5 1.8's format then stores it beside. */
#include "store/h5_impl.h"

#include "base/mem.h"
#include "store/layout.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct stack_text {
    char inner[600], outer[200];
} stack_text;

static herr_t collect(unsigned n, const H5E_error2_t *e, void *user) {
    stack_text *t = user;
    if (n == 0) (void)snprintf(t->inner, sizeof t->inner, "%s", e->desc);
    (void)snprintf(t->outer, sizeof t->outer, "%s", e->desc);
    return 0;
}

lt_status lt_h5_raise(lt_status code, const char *file, int line, const char *func, const char *fmt, ...) {
    stack_text t = {{0}, {0}};
    char what[LT_ERR_MSG_BYTES / 2];
    va_list ap;
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, collect, &t);
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    const char *number = strstr(t.inner, "errno = ");
    int why = number ? atoi(number + 8) : 0;
    if (why) return lt_err_raise(LT_ERR_IO, file, line, func, "%s: %s", what, strerror(why));
    for (char *p = t.inner; *p; p++)
        if (*p == '\n') *p = ' ';
    return lt_err_raise(code, file, line, func, "%s%s (HDF5: %s: %s)", what,
                        code == LT_ERR_FORMAT ? ": the file is truncated or damaged" : "", t.outer, t.inner);
}

const char *lt_h5_impl_where(hid_t at, const char *name, char buf[LT_H5_WHERE_BYTES]) {
    char file[256] = "?", group[128] = "";
    (void)H5Fget_name(at, file, sizeof file);
    (void)H5Iget_name(at, group, sizeof group);
    if (!strcmp(group, "/")) group[0] = 0;
    (void)snprintf(buf, LT_H5_WHERE_BYTES, "%s%s%s%s%s", file, group[0] || name[0] ? ": " : "", group, name[0] && name[0] != '/' ? "/" : "",
                   name);
    return buf;
}

/* --- files ---------------------------------------------------------------------------------------------------------------------------- */

hid_t lt_h5_impl_access(void) {
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    (void)H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
#if H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 11, 0))
    (void)H5Pset_file_locking(access, false, true);
#endif
    return access;
}

void lt_h5_close(hid_t *id) {
    if (*id < 0) return;
    H5I_type_t kind = H5Iget_type(*id);
    if (kind == H5I_FILE) (void)H5Fclose(*id);
    if (kind == H5I_GROUP) (void)H5Gclose(*id);
    *id = -1;
}

/* --- groups ---------------------------------------------------------------------------------------------------------------------------- */

/* Creates one group whose parent exists. */
static lt_status create_group(hid_t at, const char *name) {
    hid_t how = H5Pcreate(H5P_GROUP_CREATE);
    (void)H5Pset_obj_track_times(how, false); /* the same state gives the same file, byte for byte */
    hid_t g = H5Gcreate2(at, name, H5P_DEFAULT, how, H5P_DEFAULT);
    lt_status st = g < 0 ? lt_h5_raise(LT_ERR_HDF5, __FILE__, __LINE__, __func__, "cannot create the group %s", name) : LT_OK;
    if (g >= 0) (void)H5Gclose(g);
    (void)H5Pclose(how);
    return st;
}

lt_status lt_h5_group(hid_t at, const char *name, hid_t *group) {
    char where[LT_H5_WHERE_BYTES], *part = NULL;
    lt_status st = LT_OK;
    lt_h5_impl_where(at, name, where);
    LT_TRY(lt_strdup(&part, name));
    for (size_t i = 1, n = strlen(name); i <= n && st == LT_OK; i++) {
        if (name[i] != '/' && name[i] != 0) continue;
        part[i] = 0;
        if (!lt_h5_has(at, part)) st = create_group(at, part);
        part[i] = name[i];
    }
    free(part);
    if (st != LT_OK) return st;
    hid_t g = H5Gopen2(at, name, H5P_DEFAULT);
    LT_H5_READ(g, "cannot open the group %s", where);
    *group = g;
    return LT_OK;
}

bool lt_h5_has(hid_t at, const char *name) {
    /* H5Lexists fails where a parent is missing, so each prefix is asked in turn. */
    char part[1024];
    if (!strcmp(name, ".") || !strcmp(name, "/")) return true;
    size_t n = strlen(name);
    if (n >= sizeof part) return false;
    for (size_t i = 1; i <= n; i++) {
        if (name[i] != '/' && name[i] != 0) continue;
        memcpy(part, name, i);
        part[i] = 0;
        if (H5Lexists(at, part, H5P_DEFAULT) <= 0) return false;
    }
    return true;
}

lt_status lt_h5_list(hid_t at, const char *name, char ***names, int64_t *n) {
    char where[LT_H5_WHERE_BYTES], **list = NULL;
    H5G_info_t info;
    lt_status st = LT_OK;
    lt_h5_impl_where(at, name, where);
    LT_CHECK(lt_h5_has(at, name), LT_ERR_FORMAT, "%s is missing", where);
    hid_t g = H5Gopen2(at, name, H5P_DEFAULT);
    LT_H5_READ(g, "cannot open the group %s", where);
    LT_H5_READ_GOTO(H5Gget_info(g, &info), st, done, "cannot list %s", where);
    size_t bytes = ((size_t)info.nlinks + 1) * sizeof *list;
    for (hsize_t i = 0; i < info.nlinks; i++) {
        ssize_t len = H5Lget_name_by_idx(g, ".", H5_INDEX_NAME, H5_ITER_INC, i, NULL, 0, H5P_DEFAULT);
        LT_H5_READ_GOTO(len, st, done, "cannot list %s", where);
        bytes += (size_t)len + 1;
    }
    list = malloc(bytes);
    LT_CHECK_GOTO(list, st, done, LT_ERR_NOMEM, "no memory to list %s", where);
    char *text = (char *)(list + info.nlinks + 1), *end = (char *)list + bytes;
    for (hsize_t i = 0; i < info.nlinks; i++) {
        list[i] = text;
        ssize_t len = H5Lget_name_by_idx(g, ".", H5_INDEX_NAME, H5_ITER_INC, i, text, (size_t)(end - text), H5P_DEFAULT);
        LT_H5_READ_GOTO(len, st, done, "cannot list %s", where);
        text += len + 1;
    }
    list[info.nlinks] = NULL;
    *names = list;
    *n = (int64_t)info.nlinks;
    list = NULL;
done:
    free(list);
    (void)H5Gclose(g);
    return st;
}

/* --- attributes ------------------------------------------------------------------------------------------------------------------------ */

static lt_status put(hid_t at, const char *key, hid_t file_type, hid_t mem_type, const void *value) {
    char where[LT_H5_WHERE_BYTES];
    lt_status st = LT_OK;
    lt_h5_impl_where(at, "", where);
    if (H5Aexists(at, key) > 0) LT_H5(H5Adelete(at, key), "cannot replace attribute '%s' of %s", key, where);
    hid_t space = H5Screate(H5S_SCALAR), attr = H5Acreate2(at, key, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
    LT_H5_GOTO(attr, st, done, "cannot create attribute '%s' of %s", key, where);
    LT_H5_GOTO(H5Awrite(attr, mem_type, value), st, done, "cannot write attribute '%s' of %s", key, where);
done:
    if (attr >= 0) (void)H5Aclose(attr);
    (void)H5Sclose(space);
    return st;
}

lt_status lt_h5_put_i64(hid_t at, const char *key, int64_t value) { return put(at, key, H5T_STD_I64LE, H5T_NATIVE_INT64, &value); }
lt_status lt_h5_put_f64(hid_t at, const char *key, double value) { return put(at, key, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value); }

hid_t lt_h5_impl_text_type(size_t bytes) {
    hid_t type = H5Tcopy(H5T_C_S1);
    (void)H5Tset_size(type, bytes ? bytes : 1);
    (void)H5Tset_strpad(type, H5T_STR_NULLPAD);
    (void)H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

lt_status lt_h5_put_str(hid_t at, const char *key, const char *value) {
    hid_t type = lt_h5_impl_text_type(strlen(value)); /* "" is one NUL */
    lt_status st = put(at, key, type, type, value);
    (void)H5Tclose(type);
    return st;
}

/* Opens an attribute that must exist and be of one class. */
static lt_status open_attr(hid_t at, const char *key, H5T_class_t class, const char *expected, hid_t *out) {
    char where[LT_H5_WHERE_BYTES];
    lt_h5_impl_where(at, "", where);
    LT_CHECK(H5Aexists(at, key) > 0, LT_ERR_FORMAT, "%s: attribute '%s' is missing, expected %s", where, key, expected);
    hid_t attr = H5Aopen(at, key, H5P_DEFAULT);
    LT_H5_READ(attr, "cannot open attribute '%s' of %s", key, where);
    hid_t type = H5Aget_type(attr), space = H5Aget_space(attr);
    bool fits = H5Tget_class(type) == class && H5Sget_simple_extent_npoints(space) == 1;
    (void)H5Tclose(type);
    (void)H5Sclose(space);
    if (fits) {
        *out = attr;
        return LT_OK;
    }
    (void)H5Aclose(attr);
    return LT_FAIL(LT_ERR_FORMAT, "%s: attribute '%s' has another type, expected %s", where, key, expected);
}

static lt_status get_number(hid_t at, const char *key, H5T_class_t class, const char *expected, hid_t mem_type, void *value) {
    hid_t attr;
    char where[LT_H5_WHERE_BYTES];
    LT_TRY(open_attr(at, key, class, expected, &attr));
    lt_h5_impl_where(at, "", where);
    herr_t rc = H5Aread(attr, mem_type, value);
    lt_status st =
        rc < 0 ? lt_h5_raise(LT_ERR_FORMAT, __FILE__, __LINE__, __func__, "cannot read attribute '%s' of %s", key, where) : LT_OK;
    (void)H5Aclose(attr);
    return st;
}

lt_status lt_h5_get_i64(hid_t at, const char *key, int64_t *value) {
    return get_number(at, key, H5T_INTEGER, "one integer", H5T_NATIVE_INT64, value);
}
lt_status lt_h5_get_f64(hid_t at, const char *key, double *value) {
    return get_number(at, key, H5T_FLOAT, "one floating-point number", H5T_NATIVE_DOUBLE, value);
}

lt_status lt_h5_get_str(hid_t at, const char *key, char **value) {
    char where[LT_H5_WHERE_BYTES], *text = NULL;
    hid_t attr;
    lt_status st = LT_OK;
    LT_TRY(open_attr(at, key, H5T_STRING, "one string", &attr));
    lt_h5_impl_where(at, "", where);
    hid_t type = H5Aget_type(attr);
    if (H5Tis_variable_str(type) > 0) {
        char *theirs = NULL;
        LT_H5_READ_GOTO(H5Aread(attr, type, &theirs), st, done, "cannot read attribute '%s' of %s", key, where);
        text = strdup(theirs ? theirs : "");
        (void)H5free_memory(theirs);
    } else {
        size_t n = H5Tget_size(type);
        text = calloc(n + 1, 1);
        if (text) LT_H5_READ_GOTO(H5Aread(attr, type, text), st, done, "cannot read attribute '%s' of %s", key, where);
    }
    LT_CHECK_GOTO(text, st, done, LT_ERR_NOMEM, "no memory for attribute '%s' of %s", key, where);
    *value = text;
    text = NULL;
done:
    free(text);
    (void)H5Tclose(type);
    (void)H5Aclose(attr);
    return st;
}

typedef struct attr_visit {
    lt_h5_attr_fn fn;
    void *user;
    lt_status st;
} attr_visit;

/* Class of an attribute with one value, H5T_NO_CLASS of others. */
static H5T_class_t class_of(hid_t at, const char *key) {
    hid_t attr = H5Aopen(at, key, H5P_DEFAULT);
    if (attr < 0) return H5T_NO_CLASS;
    hid_t file_type = H5Aget_type(attr), space = H5Aget_space(attr);
    H5T_class_t class = H5Sget_simple_extent_npoints(space) == 1 ? H5Tget_class(file_type) : H5T_NO_CLASS;
    (void)H5Sclose(space);
    (void)H5Tclose(file_type);
    (void)H5Aclose(attr);
    return class;
}

static herr_t visit_attr(hid_t at, const char *key, const H5A_info_t *info, void *user) {
    attr_visit *v = user;
    char number[32] = "", *text = NULL, type = '?';
    double d = 0;
    int64_t i = 0;
    H5T_class_t class = class_of(at, key);
    if (class == H5T_STRING) {
        type = 's';
        v->st = lt_h5_get_str(at, key, &text);
    } else if (class == H5T_INTEGER) {
        type = 'i';
        v->st = lt_h5_get_i64(at, key, &i);
        (void)snprintf(number, sizeof number, "%lld", (long long)i);
    } else if (class == H5T_FLOAT) {
        type = 'f';
        v->st = lt_h5_get_f64(at, key, &d);
        (void)snprintf(number, sizeof number, "%.17g", d);
    }
    if (v->st == LT_OK) v->st = v->fn(v->user, key, type, text ? text : number);
    free(text);
    return v->st == LT_OK ? 0 : -1;
}

lt_status lt_h5_each_attr(hid_t at, lt_h5_attr_fn fn, void *user) {
    char where[LT_H5_WHERE_BYTES];
    attr_visit v = {fn, user, LT_OK};
    lt_h5_impl_where(at, "", where);
    herr_t rc = H5Aiterate2(at, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_attr, &v);
    if (v.st != LT_OK) return v.st;
    LT_H5_READ(rc, "cannot read the attributes of %s", where);
    return LT_OK;
}
