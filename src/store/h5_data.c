/* HDF5 datasets: whole arrays, strings, arrays in parts, checked reading; see h5.h.
 *
 * Types are little-endian in the file, and so is every machine we build for: what HDF5 stores are the bytes of the array in memory, and
 * their SHA-256 is the attribute `sha256`.  In h5py: hashlib.sha256(d[...].tobytes()).hexdigest() == d.attrs["sha256"].
 *
 * Arrays too large for memory are created, filled in parts, and sealed: sealing reads them back block by block.  A block covers whole
 * trailing dimensions, so that blocks in order are the bytes in order. */
#include "store/h5_impl.h"

#include "base/mem.h"
#include "base/sha256.h"
#include "store/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "file and memory byte order are taken as equal");

enum { BLOCK_BYTES = 4 << 20 /* of a digest: large against a disk read, small against memory */, MAX_CHUNK = 8192, MIN_CHUNK = 64 };
enum { PACKED_CHUNK_BYTES = 1 << 20 /* HDF5's cache of chunks holds one */, DEFLATE_LEVEL = 4 };

/* How a dataset lies in the file. */
typedef enum layout { CONTIGUOUS, EXTENDIBLE, PACKED } layout;

static hid_t file_type(lt_dtype dt) {
    switch (dt) {
    case LT_F32:
        return H5T_IEEE_F32LE;
    case LT_F64:
        return H5T_IEEE_F64LE;
    case LT_I32:
        return H5T_STD_I32LE;
    case LT_I64:
        return H5T_STD_I64LE;
    case LT_U8:
        return H5T_STD_U8LE;
    default:
        return -1;
    }
}

static lt_dtype dtype_of(hid_t type) {
    static const lt_dtype known[] = {LT_F32, LT_F64, LT_I32, LT_I64, LT_U8};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (H5Tequal(type, file_type(known[i])) > 0) return known[i];
    return LT_DTYPE_COUNT;
}

static void shape_text(char *buf, size_t bytes, int n_dims, const int64_t *dim) {
    size_t at = (size_t)snprintf(buf, bytes, "[");
    for (int i = 0; i < n_dims && at < bytes; i++) {
        if (dim[i] < 0)
            at += (size_t)snprintf(buf + at, bytes - at, "%sany", i ? ", " : "");
        else
            at += (size_t)snprintf(buf + at, bytes - at, "%s%lld", i ? ", " : "", (long long)dim[i]);
    }
    if (at < bytes) (void)snprintf(buf + at, bytes - at, "]");
}

/* Type, rank and shape of an open dataset; *n_dims is -1 for more dimensions than we use. */
static void extent(hid_t dset, lt_dtype *dt, int *n_dims, int64_t dim[LT_H5_MAX_DIMS]) {
    hsize_t size[H5S_MAX_RANK] = {0};
    hid_t type = H5Dget_type(dset), space = H5Dget_space(dset);
    int n = H5Sget_simple_extent_dims(space, size, NULL);
    *dt = dtype_of(type);
    *n_dims = n <= LT_H5_MAX_DIMS ? n : -1;
    for (int i = 0; i < *n_dims; i++) dim[i] = (int64_t)size[i];
    (void)H5Sclose(space);
    (void)H5Tclose(type);
}

void lt_h5_impl_type_text(hid_t dataset, char *buf, size_t bytes) {
    lt_dtype dt;
    int n_dims;
    int64_t dim[LT_H5_MAX_DIMS];
    char shape[160], type_name[32];
    hid_t type = H5Dget_type(dataset);
    bool text = H5Tget_class(type) == H5T_STRING;
    extent(dataset, &dt, &n_dims, dim);
    shape_text(shape, sizeof shape, n_dims, dim);
    if (text && H5Tis_variable_str(type) > 0)
        (void)snprintf(type_name, sizeof type_name, "text");
    else if (text)
        (void)snprintf(type_name, sizeof type_name, "text%zu", H5Tget_size(type));
    else
        (void)snprintf(type_name, sizeof type_name, "%s", dt < LT_DTYPE_COUNT ? lt_dtype_name(dt) : "another type");
    (void)H5Tclose(type);
    (void)snprintf(buf, bytes, "%s %s", type_name, shape);
}

static lt_status put_digest(hid_t dset, const char *hex) { return lt_h5_put_str(dset, LT_ATTR_SHA, hex); }

/* --- writing -------------------------------------------------------------------------------------------------------------------------- */

/* Creates the groups that a dataset's name goes through. */
static lt_status make_parent(hid_t at, const char *name) {
    char *parent;
    hid_t g = -1;
    const char *slash = strrchr(name, '/');
    if (!slash || slash == name) return LT_OK;
    LT_TRY(lt_strdup(&parent, name));
    parent[slash - name] = 0;
    lt_status st = lt_h5_group(at, parent, &g);
    lt_h5_close(&g);
    free(parent);
    return st;
}

/* Rows of a chunk: of packed ones no more than the dataset is likely to fill, because a chunk is packed whole. */
static hsize_t chunk_rows(hsize_t rows, size_t row_bytes, layout how) {
    hsize_t chunk = how == PACKED ? 1 : MIN_CHUNK;
    while (chunk < MAX_CHUNK && chunk < rows && (how != PACKED || 2 * chunk * row_bytes <= PACKED_CHUNK_BYTES)) chunk *= 2;
    return chunk;
}

static lt_status create(hid_t at, const char *name, const char *where, hid_t type, int n_dims, const int64_t *dim, layout layout,
                        hid_t *out) {
    hsize_t size[LT_H5_MAX_DIMS], most[LT_H5_MAX_DIMS], chunk[LT_H5_MAX_DIMS];
    LT_CHECK(n_dims >= 1 && n_dims <= LT_H5_MAX_DIMS, LT_ERR_ARG, "%s: %d dimensions, from 1 to %d can be written", where, n_dims,
             LT_H5_MAX_DIMS);
    for (int i = 0; i < n_dims; i++) {
        LT_CHECK(dim[i] >= 0, LT_ERR_ARG, "%s: dimension %d is %lld", where, i, (long long)dim[i]);
        size[i] = most[i] = chunk[i] = (hsize_t)dim[i];
        if (chunk[i] == 0) chunk[i] = 1;
    }
    LT_TRY(make_parent(at, name));
    hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    (void)H5Pset_obj_track_times(how, false);
    if (layout != CONTIGUOUS) {
        chunk[0] = chunk_rows(size[0], H5Tget_size(type), layout);
        most[0] = H5S_UNLIMITED;
        (void)H5Pset_chunk(how, n_dims, chunk);
        if (layout == PACKED && H5Zfilter_avail(H5Z_FILTER_DEFLATE) > 0) (void)H5Pset_deflate(how, DEFLATE_LEVEL);
    }
    hid_t space = H5Screate_simple(n_dims, size, most);
    hid_t dset = H5Dcreate2(at, name, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
    lt_status st = dset < 0 ? lt_h5_raise(LT_ERR_HDF5, __FILE__, __LINE__, __func__, "cannot create the dataset %s", where) : LT_OK;
    (void)H5Sclose(space);
    (void)H5Pclose(how);
    *out = dset;
    return st;
}

/* Writes data into the selection. A full disk is noticed as soon as HDF5 empties a cache; at the commit at the latest. */
static lt_status write_data(hid_t dset, const char *where, hid_t type, hid_t mem_space, hid_t file_space, const void *data) {
    LT_H5(H5Dwrite(dset, type, mem_space, file_space, H5P_DEFAULT, data), "cannot write the dataset %s", where);
    const lt_h5_disk *disk = lt_h5_impl_disk(dset);
    int why = disk ? disk->error : 0;
    LT_CHECK(why == 0, LT_ERR_IO, "cannot write the dataset %s: %s", where, strerror(why));
    return LT_OK;
}

/* Creates and writes one dataset with its digest. */
static lt_status write_whole(hid_t at, const char *name, hid_t type, int n_dims, const int64_t *dim, const void *data, layout layout,
                             const char *hex) {
    char where[LT_H5_WHERE_BYTES];
    hid_t dset = -1;
    int64_t elems = 1;
    lt_h5_impl_where(at, name, where);
    LT_TRY(create(at, name, where, type, n_dims, dim, layout, &dset));
    for (int i = 0; i < n_dims; i++) elems *= dim[i];
    lt_status st = put_digest(dset, hex);
    if (st == LT_OK && elems > 0) st = write_data(dset, where, type, H5S_ALL, H5S_ALL, data);
    (void)H5Dclose(dset);
    return st;
}

static lt_status check_type(hid_t at, const char *name, lt_dtype dt) {
    char where[LT_H5_WHERE_BYTES];
    LT_CHECK(file_type(dt) >= 0, LT_ERR_ARG, "%s: arrays of %s have no HDF5 type here, convert to f32 first",
             lt_h5_impl_where(at, name, where), lt_dtype_name(dt));
    return LT_OK;
}

lt_status lt_h5_write(hid_t at, const char *name, lt_dtype dt, int n_dims, const int64_t *dim, const void *data, bool extendible) {
    char hex[LT_SHA_HEX_BYTES];
    size_t bytes = lt_dtype_bytes(dt);
    LT_TRY(check_type(at, name, dt));
    for (int i = 0; i < n_dims; i++) bytes *= dim[i] < 0 ? 0 : (size_t)dim[i];
    LT_TRY(lt_sha_bytes(data, bytes, hex));
    return write_whole(at, name, file_type(dt), n_dims, dim, data, extendible ? EXTENDIBLE : CONTIGUOUS, hex);
}

lt_status lt_h5_write_digested(hid_t at, const char *name, lt_dtype dt, int n_dims, const int64_t *dim, const void *data, const char *hex) {
    LT_TRY(check_type(at, name, dt));
    return write_whole(at, name, file_type(dt), n_dims, dim, data, CONTIGUOUS, hex);
}

static lt_status write_strings(hid_t at, const char *name, int64_t n, const char *const *s, layout layout) {
    size_t width = 1;
    char *flat = NULL, hex[LT_SHA_HEX_BYTES];
    for (int64_t i = 0; i < n; i++) width = strlen(s[i]) > width ? strlen(s[i]) : width;
    LT_TRY(lt_calloc(&flat, n, width, "a dataset of strings"));
    for (int64_t i = 0; i < n; i++) memcpy(flat + (size_t)i * width, s[i], strlen(s[i]));
    hid_t type = lt_h5_impl_text_type(width);
    lt_status st = lt_sha_bytes(flat, (size_t)n * width, hex);
    if (st == LT_OK) st = write_whole(at, name, type, 1, &n, flat, layout, hex);
    (void)H5Tclose(type);
    free(flat);
    return st;
}

lt_status lt_h5_write_strings(hid_t at, const char *name, int64_t n, const char *const *s, bool extendible) {
    return write_strings(at, name, n, s, extendible ? EXTENDIBLE : CONTIGUOUS);
}
lt_status lt_h5_write_texts(hid_t at, const char *name, int64_t n, const char *const *s) { return write_strings(at, name, n, s, PACKED); }

lt_status lt_h5_create(hid_t at, const char *name, lt_dtype dt, int n_dims, const int64_t *dim) {
    char where[LT_H5_WHERE_BYTES];
    hid_t dset = -1;
    lt_h5_impl_where(at, name, where);
    LT_TRY(check_type(at, name, dt));
    LT_TRY(create(at, name, where, file_type(dt), n_dims, dim, CONTIGUOUS, &dset));
    (void)H5Dclose(dset);
    return LT_OK;
}

static lt_status open_dataset(hid_t at, const char *name, const char *where, hid_t *dset) {
    LT_CHECK(lt_h5_has(at, name), LT_ERR_FORMAT, "dataset %s is missing", where);
    hid_t d = H5Dopen2(at, name, H5P_DEFAULT);
    LT_H5_READ(d, "cannot open the dataset %s", where);
    *dset = d;
    return LT_OK;
}

/* Selects [start, start + count) of a dataset; both ids are closed by the caller. */
static void select_block(hid_t dset, int n_dims, const hsize_t *start, const hsize_t *count, hid_t *file_space, hid_t *mem_space) {
    *file_space = H5Dget_space(dset);
    *mem_space = H5Screate_simple(n_dims, count, NULL);
    (void)H5Sselect_hyperslab(*file_space, H5S_SELECT_SET, start, NULL, count, NULL);
}

lt_status lt_h5_write_part(hid_t at, const char *name, const int64_t *start, const int64_t *count, const void *data) {
    char where[LT_H5_WHERE_BYTES];
    hid_t dset = -1, file_space, mem_space;
    lt_dtype dt;
    int n_dims;
    int64_t dim[LT_H5_MAX_DIMS];
    hsize_t from[LT_H5_MAX_DIMS], size[LT_H5_MAX_DIMS];
    lt_status st = LT_OK;
    lt_h5_impl_where(at, name, where);
    LT_TRY(open_dataset(at, name, where, &dset));
    extent(dset, &dt, &n_dims, dim);
    LT_CHECK_GOTO(dt < LT_DTYPE_COUNT && n_dims > 0, st, done, LT_ERR_ARG, "%s cannot be written in parts", where);
    for (int i = 0; i < n_dims; i++) {
        LT_CHECK_GOTO(start[i] >= 0 && count[i] >= 0 && start[i] <= dim[i] - count[i], st, done, LT_ERR_ARG,
                      "%s: part [%lld, +%lld) of dimension %d is outside [0, %lld)", where, (long long)start[i], (long long)count[i], i,
                      (long long)dim[i]);
        from[i] = (hsize_t)start[i];
        size[i] = (hsize_t)count[i];
    }
    select_block(dset, n_dims, from, size, &file_space, &mem_space);
    st = write_data(dset, where, file_type(dt), mem_space, file_space, data);
    (void)H5Sclose(mem_space);
    (void)H5Sclose(file_space);
done:
    (void)H5Dclose(dset);
    return st;
}

lt_status lt_h5_seal(hid_t at, const char *name) {
    char where[LT_H5_WHERE_BYTES], hex[LT_SHA_HEX_BYTES];
    hid_t dset = -1;
    lt_h5_impl_where(at, name, where);
    LT_TRY(open_dataset(at, name, where, &dset));
    lt_status st = lt_h5_impl_digest(dset, where, hex);
    if (st == LT_OK) st = put_digest(dset, hex);
    (void)H5Dclose(dset);
    return st;
}

lt_status lt_h5_seal_digested(hid_t at, const char *name, const char *hex) {
    char where[LT_H5_WHERE_BYTES];
    hid_t dset = -1;
    lt_h5_impl_where(at, name, where);
    LT_TRY(open_dataset(at, name, where, &dset));
    lt_status st = put_digest(dset, hex);
    (void)H5Dclose(dset);
    return st;
}

/* --- digests -------------------------------------------------------------------------------------------------------------------------- */

/* What the file has stored for the dataset must be enough for its shape; a damaged shape would otherwise ask for any amount of memory.
 * Filters: deflate, the strongest in use, packs at most 1032 to 1; the rest is for chunks that were never written. */
static lt_status check_storage(hid_t dset, const char *where, size_t bytes) {
    enum { MOST_PACKED = 1100, UNWRITTEN = 1 << 20 };
    hid_t how = H5Dget_create_plist(dset);
    hsize_t filters = H5Pget_nfilters(how) > 0, stored = H5Dget_storage_size(dset), most;
    (void)H5Pclose(how);
    if (!filters)
        most = stored;
    else if (__builtin_mul_overflow(stored, (hsize_t)MOST_PACKED, &most) || __builtin_add_overflow(most, (hsize_t)UNWRITTEN, &most))
        most = SIZE_MAX;
    LT_CHECK(most >= bytes, LT_ERR_FORMAT, "dataset %s is damaged: its shape needs %zu bytes, the file holds %llu", where, bytes,
             (unsigned long long)stored);
    return LT_OK;
}

lt_status lt_h5_impl_blocks(hid_t dset, const char *where, lt_h5_block_fn fn, void *user) {
    hsize_t size[H5S_MAX_RANK] = {0}, start[H5S_MAX_RANK] = {0}, count[H5S_MAX_RANK];
    int64_t from[H5S_MAX_RANK], many[H5S_MAX_RANK];
    hid_t type = H5Dget_type(dset), space = H5Dget_space(dset);
    int n_dims = H5Sget_simple_extent_dims(space, size, NULL), k;
    size_t elem = H5Tget_size(type), row = elem, total = elem; /* row: bytes of one index of dimension k */
    unsigned char *buf = NULL;
    lt_status st = LT_OK;
    LT_CHECK_GOTO(n_dims >= 1 && H5Tis_variable_str(type) <= 0, st, done, LT_ERR_FORMAT, "dataset %s is not one of ours: it has no digest",
                  where);
    for (int i = 0; i < n_dims; i++)
        LT_CHECK_GOTO(!__builtin_mul_overflow(total, (size_t)size[i], &total), st, done, LT_ERR_FORMAT,
                      "dataset %s is damaged: its shape overflows", where);
    LT_TRY_GOTO(check_storage(dset, where, total), st, done);
    for (k = n_dims - 1; k > 0 && row * (size_t)size[k] <= BLOCK_BYTES; k--) row *= (size_t)size[k];
    hsize_t step = row < BLOCK_BYTES ? BLOCK_BYTES / (row ? row : 1) : 1;
    if (step > size[k]) step = size[k];
    buf = malloc(row * (size_t)step + 1);
    LT_CHECK_GOTO(buf, st, done, LT_ERR_NOMEM, "no memory to read %s", where);
    while (total > 0 && start[0] < size[0]) {
        hid_t file_space, mem_space;
        for (int i = 0; i < n_dims; i++) count[i] = i < k ? 1 : i == k ? step : size[i];
        if (count[k] > size[k] - start[k]) count[k] = size[k] - start[k];
        select_block(dset, n_dims, start, count, &file_space, &mem_space);
        herr_t rc = H5Dread(dset, type, mem_space, file_space, H5P_DEFAULT, buf);
        if (rc < 0) st = lt_h5_raise(LT_ERR_FORMAT, __FILE__, __LINE__, __func__, "cannot read the dataset %s", where);
        (void)H5Sclose(mem_space);
        (void)H5Sclose(file_space);
        for (int i = 0; i < n_dims; i++) from[i] = (int64_t)start[i], many[i] = (int64_t)count[i];
        if (st == LT_OK) st = fn(user, buf, row * (size_t)count[k], from, many);
        if (st != LT_OK) goto done;
        start[k] += count[k];
        for (int i = k; i > 0 && start[i] >= size[i]; i--) start[i] = 0, start[i - 1]++;
    }
done:
    free(buf);
    (void)H5Sclose(space);
    (void)H5Tclose(type);
    return st;
}

static lt_status add_to_digest(void *user, const void *data, size_t bytes, const int64_t *start, const int64_t *count) {
    lt_sha_add(user, data, bytes);
    return LT_OK;
}

lt_status lt_h5_impl_digest(hid_t dset, const char *where, char hex[LT_SHA_HEX_BYTES]) {
    lt_sha *sha = NULL;
    LT_TRY(lt_sha_begin(&sha));
    lt_status st = lt_h5_impl_blocks(dset, where, add_to_digest, sha);
    LT_KEEP(st, lt_sha_finish(&sha, hex));
    return st;
}

/* --- reading -------------------------------------------------------------------------------------------------------------------------- */

lt_status lt_h5_shape(hid_t at, const char *name, lt_dtype *dt, int *n_dims, int64_t dim[LT_H5_MAX_DIMS]) {
    char where[LT_H5_WHERE_BYTES];
    hid_t dset = -1;
    lt_h5_impl_where(at, name, where);
    LT_TRY(open_dataset(at, name, where, &dset));
    extent(dset, dt, n_dims, dim);
    (void)H5Dclose(dset);
    LT_CHECK(*n_dims >= 0, LT_ERR_FORMAT, "dataset %s has more than %d dimensions", where, LT_H5_MAX_DIMS);
    return LT_OK;
}

/* Compares what was read with the dataset's digest, if it has one and the file as a whole is not vouched for. */
static lt_status check_digest(hid_t dset, const char *where, const void *data, size_t bytes) {
    char *stored = NULL, hex[LT_SHA_HEX_BYTES];
    const lt_h5_disk *disk = lt_h5_impl_disk(dset);
    if (disk && disk->sha256[0]) return LT_OK;
    if (H5Aexists(dset, LT_ATTR_SHA) <= 0) return LT_OK;
    LT_TRY(lt_h5_get_str(dset, LT_ATTR_SHA, &stored));
    lt_status st = lt_sha_bytes(data, bytes, hex);
    if (st == LT_OK && strcmp(stored, hex) != 0)
        st = LT_FAIL(
            LT_ERR_FORMAT,
            "dataset %s is damaged: its bytes have SHA-256 %.16s..., written were %.16s...; copy the file again or use an older one", where,
            hex, stored);
    free(stored);
    return st;
}

/* Opens a dataset and holds it against what is wanted; dim[i] = -1 receives the size found. */
static lt_status open_checked(hid_t at, const char *name, const char *where, lt_dtype dt, int n_dims, int64_t *dim, hid_t *out,
                              size_t *bytes) {
    char want[160], found[200];
    lt_dtype has;
    int has_dims;
    int64_t size[LT_H5_MAX_DIMS];
    hid_t dset = -1;
    lt_status st = LT_OK;
    LT_TRY(check_type(at, name, dt));
    LT_TRY(open_dataset(at, name, where, &dset));
    extent(dset, &has, &has_dims, size);
    bool same = has == dt && has_dims == n_dims;
    for (int i = 0; same && i < n_dims; i++) same = dim[i] < 0 || dim[i] == size[i];
    if (!same) {
        shape_text(want, sizeof want, n_dims, dim);
        lt_h5_impl_type_text(dset, found, sizeof found);
        st = LT_FAIL(LT_ERR_FORMAT, "dataset %s is %s, expected %s %s", where, found, lt_dtype_name(dt), want);
        goto done;
    }
    *bytes = lt_dtype_bytes(dt);
    for (int i = 0; i < n_dims; i++) {
        LT_CHECK_GOTO(!__builtin_mul_overflow(*bytes, (size_t)size[i], bytes), st, done, LT_ERR_FORMAT,
                      "dataset %s is damaged: its shape overflows", where);
    }
    LT_TRY_GOTO(check_storage(dset, where, *bytes), st, done);
    for (int i = 0; i < n_dims; i++) dim[i] = size[i];
    *out = dset;
done:
    if (st != LT_OK) (void)H5Dclose(dset);
    return st;
}

static lt_status fill(hid_t dset, const char *where, lt_dtype dt, void *dst, size_t bytes) {
    if (bytes > 0) LT_H5_READ(H5Dread(dset, file_type(dt), H5S_ALL, H5S_ALL, H5P_DEFAULT, dst), "cannot read the dataset %s", where);
    return check_digest(dset, where, dst, bytes);
}

lt_status lt_h5_read(hid_t at, const char *name, lt_dtype dt, int n_dims, int64_t *dim, void *out_ptr) {
    char where[LT_H5_WHERE_BYTES];
    hid_t dset = -1;
    size_t bytes;
    void *data = NULL;
    int64_t size[LT_H5_MAX_DIMS];
    lt_h5_impl_where(at, name, where);
    memcpy(size, dim, (size_t)n_dims * sizeof *dim);
    LT_TRY(open_checked(at, name, where, dt, n_dims, size, &dset, &bytes));
    lt_status st = lt_calloc(&data, (int64_t)bytes, 1, where);
    if (st == LT_OK) st = fill(dset, where, dt, data, bytes);
    (void)H5Dclose(dset);
    if (st != LT_OK) {
        free(data);
        return st;
    }
    memcpy(dim, size, (size_t)n_dims * sizeof *dim);
    memcpy(out_ptr, &data, sizeof data);
    return LT_OK;
}

lt_status lt_h5_read_into(hid_t at, const char *name, lt_dtype dt, int n_dims, const int64_t *dim, void *dst) {
    char where[LT_H5_WHERE_BYTES];
    hid_t dset = -1;
    size_t bytes;
    int64_t size[LT_H5_MAX_DIMS];
    lt_h5_impl_where(at, name, where);
    memcpy(size, dim, (size_t)n_dims * sizeof *dim);
    LT_TRY(open_checked(at, name, where, dt, n_dims, size, &dset, &bytes));
    lt_status st = fill(dset, where, dt, dst, bytes);
    (void)H5Dclose(dset);
    return st;
}

lt_status lt_h5_read_strings(hid_t at, const char *name, int64_t *n, char ***s) {
    char where[LT_H5_WHERE_BYTES], found[200], **list = NULL, *flat = NULL;
    hid_t dset = -1;
    lt_dtype dt;
    int n_dims;
    int64_t size[LT_H5_MAX_DIMS];
    lt_status st = LT_OK;
    lt_h5_impl_where(at, name, where);
    LT_TRY(open_dataset(at, name, where, &dset));
    extent(dset, &dt, &n_dims, size);
    lt_h5_impl_type_text(dset, found, sizeof found);
    hid_t type = H5Dget_type(dset), space = H5Dget_space(dset);
    LT_CHECK_GOTO(H5Tget_class(type) == H5T_STRING && n_dims == 1, st, done, LT_ERR_FORMAT, "dataset %s is %s, expected strings [any]",
                  where, found);
    bool variable = H5Tis_variable_str(type) > 0;
    size_t elem = H5Tget_size(type), rows = (size_t)size[0], text_bytes = 0, need;
    LT_CHECK_GOTO(!__builtin_mul_overflow(rows, elem, &need), st, done, LT_ERR_FORMAT, "dataset %s is damaged: its shape overflows", where);
    LT_TRY_GOTO(check_storage(dset, where, need), st, done);
    LT_TRY_GOTO(lt_calloc(&flat, size[0], elem, where), st, done);
    if (rows > 0) LT_H5_READ_GOTO(H5Dread(dset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, flat), st, done, "cannot read the dataset %s", where);
    char *const *theirs = (char *const *)(void *)flat; /* variable length: pointers that HDF5 allocated */
    for (size_t i = 0; i < rows; i++) text_bytes += variable ? (theirs[i] ? strlen(theirs[i]) + 1 : 1) : elem + 1;
    list = malloc((rows + 1) * sizeof *list + text_bytes);
    if (!list) st = LT_FAIL(LT_ERR_NOMEM, "no memory to read %s", where);
    char *text = (char *)(list + rows + 1);
    for (size_t i = 0; list && i < rows; i++) {
        const char *from = variable ? (theirs[i] ? theirs[i] : "") : flat + i * elem;
        size_t len = variable ? strlen(from) : strnlen(from, elem);
        memcpy(text, from, len);
        text[len] = 0;
        list[i] = text;
        text += len + 1;
    }
    if (variable)
        (void)H5Dvlen_reclaim(type, space, H5P_DEFAULT, flat);
    else if (st == LT_OK)
        st = check_digest(dset, where, flat, rows * elem);
    if (st != LT_OK) goto done;
    list[rows] = NULL;
    *s = list;
    *n = size[0];
    list = NULL;
done:
    free(list);
    free(flat);
    (void)H5Sclose(space);
    (void)H5Tclose(type);
    (void)H5Dclose(dset);
    return st;
}
