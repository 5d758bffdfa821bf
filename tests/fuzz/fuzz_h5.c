/* Edits to good HDF5 files; see fuzz_h5.h.
 *
 * A good file is opened once; its objects and attributes are listed in the order of a walk.  An input copies all of it into a new file of our writer and
 * applies its edits in order:
 *     byte   which target (modulo their number)
 *     byte   what to do (modulo the kinds of edit)
 *     ...    what that edit takes; see edit_attribute and edit_object */
#include "fuzz_h5.h"

#include "store/layout.h"

#include <sys/stat.h>
#include <unistd.h>

enum { MAX_TARGETS = 400, MAX_EDITS = 16, SEALED_TAIL = 78 /* bytes of the digest line: without it a file is a foreign one */ };

typedef struct target {
    char object[200], attribute[60]; /* attribute "" for the object itself */
} target;

static target targets[MAX_TARGETS];
static int n_targets;
static hid_t good = -1;
static unsigned char *good_bytes;
static size_t n_good;
static uint64_t good_digest;

uint64_t fuzz_h5_mix(uint64_t h, const void *data, size_t bytes) {
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++) h = (h ^ p[i]) * 1099511628211u;
    return h + 1;
}

/* --- the good file ------------------------------------------------------------------------------------------------------------------- */

static void add_target(const char *object, const char *attribute) {
    if (n_targets == MAX_TARGETS) return;
    target *t = &targets[n_targets++];
    (void)snprintf(t->object, sizeof t->object, "%s", object);
    (void)snprintf(t->attribute, sizeof t->attribute, "%s", attribute);
}

static herr_t add_attribute(hid_t at, const char *name, const H5A_info_t *info, void *object) {
    (void)at, (void)info;
    add_target(object, name);
    return 0;
}

static void add_object(hid_t at, const char *path) {
    char **name, child[400];
    int64_t n = 0;
    hid_t id = H5Oopen(at, path, H5P_DEFAULT);
    add_target(path, "");
    (void)H5Aiterate2(id, H5_INDEX_NAME, H5_ITER_INC, NULL, add_attribute, (void *)path);
    bool group = H5Iget_type(id) == H5I_GROUP;
    (void)H5Oclose(id);
    if (!group || lt_h5_list(at, path, &name, &n) != LT_OK) return;
    for (int64_t i = 0; i < n; i++) {
        (void)snprintf(child, sizeof child, "%s/%s", strcmp(path, "/") ? path : "", name[i]);
        add_object(at, child);
    }
    free(name);
}

static void make_good(const fuzz_h5 *h) {
    const char *path = fuzz_path("good.h5");
    h->make(path);
    good_bytes = fuzz_load(path, &n_good);
    good_digest = h->read(path);
    FUZZ_REQUIRE(good_digest != 0);
    FUZZ_OK(lt_h5_open(path, &good));
    add_object(good, "/");
}

/* --- edits --------------------------------------------------------------------------------------------------------------------------- */

/* A size, mostly small, sometimes any power of two. */
static hsize_t take_size(fuzz_input *in) {
    unsigned b = fuzz_take_byte(in);
    return b < 192 ? b % 16 : b < 224 ? fuzz_take_number(in, 2) : (hsize_t)1 << b % 64;
}

static hid_t take_type(fuzz_input *in) {
    hid_t type;
    unsigned b = fuzz_take_byte(in);
    const hid_t number[] = {H5T_STD_I32LE, H5T_STD_I64LE,  H5T_IEEE_F32LE, H5T_IEEE_F64LE,
                            H5T_STD_U8LE,  H5T_IEEE_F64BE, H5T_STD_U64LE,  H5T_STD_I16BE};
    if (b % 16 < 8) return H5Tcopy(number[b % 8]);
    if (b % 16 < 14) {
        type = H5Tcopy(H5T_C_S1);
        (void)H5Tset_size(type, b % 16 == 8 ? H5T_VARIABLE : b % 16 == 9 ? 1 : 1 + fuzz_take_byte(in));
        (void)H5Tset_strpad(type, b & 16 ? H5T_STR_NULLPAD : b & 32 ? H5T_STR_SPACEPAD : H5T_STR_NULLTERM);
        (void)H5Tset_cset(type, b & 64 ? H5T_CSET_UTF8 : H5T_CSET_ASCII);
        return type;
    }
    if (b % 16 == 14) return H5Tvlen_create(H5T_STD_I32LE);
    type = H5Tcreate(H5T_COMPOUND, 16);
    (void)H5Tinsert(type, "a", 0, H5T_STD_I64LE);
    (void)H5Tinsert(type, "b", 8, H5T_IEEE_F64LE);
    return type;
}

/* Values of n elements from the input, zeros once it has ended; NULL for types that hold pointers. */
static void *take_values(fuzz_input *in, hid_t type, hsize_t n) {
    size_t size = H5Tget_size(type), bytes;
    if (H5Tis_variable_str(type) > 0 || H5Tget_class(type) == H5T_VLEN || __builtin_mul_overflow((size_t)n, size, &bytes) ||
        bytes > 1 << 16)
        return NULL;
    unsigned char *data = calloc(bytes + 1, 1);
    for (size_t i = 0; data && i < bytes && in->bytes; i++) data[i] = (unsigned char)fuzz_take_byte(in);
    return data;
}

/* The attribute gets another type, size or value, or goes. */
static void edit_attribute(hid_t file, const target *t, unsigned what, fuzz_input *in) {
    hid_t at = H5Oopen(file, t->object, H5P_DEFAULT), type, space;
    if (at < 0) return;
    (void)H5Adelete(at, t->attribute);
    switch (what % 6) {
    case 0:
        break;
    case 1:
        (void)lt_h5_put_i64(at, t->attribute, (int64_t)fuzz_take_number(in, 8));
        break;
    case 2: {
        uint64_t bits = fuzz_take_number(in, 8);
        double x;
        memcpy(&x, &bits, sizeof x);
        (void)lt_h5_put_f64(at, t->attribute, x);
        break;
    }
    case 3: {
        fuzz_input part = fuzz_take_part(in);
        char *text = fuzz_string(part);
        (void)lt_h5_put_str(at, t->attribute, text);
        free(text);
        break;
    }
    default: {
        hsize_t n = fuzz_take_byte(in) % 8;
        type = take_type(in);
        space = what % 6 == 4 ? H5Screate(n ? H5S_SCALAR : H5S_NULL) : H5Screate_simple(1, &n, NULL);
        hid_t attr = H5Acreate2(at, t->attribute, type, space, H5P_DEFAULT, H5P_DEFAULT);
        void *data = take_values(in, type, what % 6 == 4 ? 1 : n);
        if (attr >= 0 && data) (void)H5Awrite(attr, type, data);
        free(data);
        if (attr >= 0) (void)H5Aclose(attr);
        (void)H5Sclose(space);
        (void)H5Tclose(type);
    }
    }
    (void)H5Oclose(at);
}

/* Some elements of a dataset get other values. */
static void overwrite(hid_t file, const char *path, fuzz_input *in) {
    hid_t set = H5Dopen2(file, path, H5P_DEFAULT);
    if (set < 0) return;
    (void)H5Adelete(set, LT_ATTR_SHA); /* a digest of the old values would hide the new ones */
    hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    int rank = H5Sget_simple_extent_ndims(space);
    hssize_t points = H5Sget_simple_extent_npoints(space);
    if (rank == 1 && points > 0) {
        hsize_t n = (hsize_t)points;
        hsize_t from = fuzz_take_number(in, 2) % n, count = 1 + fuzz_take_byte(in) % 4;
        if (count > n - from) count = n - from;
        (void)H5Sselect_hyperslab(space, H5S_SELECT_SET, &from, NULL, &count, NULL);
        hid_t mem = H5Screate_simple(1, &count, NULL);
        void *data = take_values(in, type, count);
        if (data) (void)H5Dwrite(set, type, mem, space, H5P_DEFAULT, data);
        free(data);
        (void)H5Sclose(mem);
    }
    (void)H5Tclose(type);
    (void)H5Sclose(space);
    (void)H5Dclose(set);
}

/* A dataset of any type and shape; large ones are chunked, and their elements are not in the file. */
static void new_dataset(hid_t file, const char *path, fuzz_input *in) {
    hsize_t dim[4], chunk[4] = {1, 1, 1, 1}, n = 1;
    int rank = (int)(fuzz_take_byte(in) % 5);
    for (int i = 0; i < rank; i++) {
        dim[i] = take_size(in);
        if (__builtin_mul_overflow(n, dim[i], &n)) n = UINT64_MAX;
    }
    hid_t type = take_type(in), space = H5Screate_simple(rank, dim, NULL), how = H5Pcreate(H5P_DATASET_CREATE);
    if (n > 1 << 16 && rank > 0) (void)H5Pset_chunk(how, rank, chunk);
    if (n > 1 << 16 && n % 3 == 1) (void)H5Pset_shuffle(how);
    hid_t set = H5Dcreate2(file, path, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
    void *data = set >= 0 ? take_values(in, type, n) : NULL;
    if (data) (void)H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    free(data);
    if (set >= 0) (void)H5Dclose(set);
    (void)H5Pclose(how);
    (void)H5Sclose(space);
    (void)H5Tclose(type);
}

/* The object goes, becomes another, or gets a neighbour.  One goes an input: HDF5 1.10 dies of a second link that it makes where it has just deleted one
 * (H5G__compact_lookup compares with the name of a link that is no more), and that is its writing, not our reading. */
static void edit_object(hid_t file, const target *t, unsigned what, bool *gone, fuzz_input *in) {
    char path[300];
    const char *last = strrchr(t->object, '/');
    hid_t group;
    if (!strcmp(t->object, "/")) return;
    (void)snprintf(path, sizeof path, "%s", t->object);
    what %= 10;
    if (what == 0) {
        overwrite(file, path, in);
        return;
    }
    if (what >= 8) { /* a neighbour with a name of the input */
        char *name = fuzz_string(fuzz_take_part(in));
        (void)snprintf(path, sizeof path, "%.*s/%.80s", (int)(last - t->object), t->object, *name ? name : "x");
        free(name);
    } else {
        if (*gone) return;
        *gone = true;
        (void)H5Ldelete(file, path, H5P_DEFAULT);
    }
    switch (what) {
    case 1:
        break;
    case 2:
    case 3:
    case 8:
        new_dataset(file, path, in);
        break;
    case 4:
    case 9:
        group = H5Gcreate2(file, path, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        if (group >= 0) (void)H5Gclose(group);
        break;
    case 5:
        (void)H5Lcreate_soft(in->bytes % 2 ? "/nowhere" : path, file, path, H5P_DEFAULT, H5P_DEFAULT);
        break;
    case 6: /* a circle */
        (void)H5Lcreate_hard(file, "/", file, path, H5P_DEFAULT, H5P_DEFAULT);
        break;
    case 7: {
        const target *other = &targets[fuzz_take_byte(in) % (unsigned)n_targets];
        (void)H5Lcreate_hard(file, other->object, file, path, H5P_DEFAULT, H5P_DEFAULT);
        break;
    }
    default:
        break;
    }
}

/* --- one input ----------------------------------------------------------------------------------------------------------------------- */

static herr_t copy_object(hid_t from, const char *name, const H5L_info_t *info, void *to) {
    (void)info;
    return H5Ocopy(from, name, *(hid_t *)to, name, H5P_DEFAULT, H5P_DEFAULT);
}

static lt_status copy_fact(void *to, const char *key, char type, const char *text) {
    hid_t file = *(hid_t *)to;
    if (H5Aexists(file, key) > 0) return LT_OK;
    if (type == 's') return lt_h5_put_str(file, key, text);
    return type == 'f' ? lt_h5_put_f64(file, key, strtod(text, NULL)) : lt_h5_put_i64(file, key, strtoll(text, NULL, 10));
}

/* Takes our digest off. */
static void drop_tail(const char *path) {
    struct stat info;
    FUZZ_REQUIRE(stat(path, &info) == 0 && info.st_size > SEALED_TAIL && truncate(path, info.st_size - SEALED_TAIL) == 0);
}

static void edited(const fuzz_h5 *h, const char *path, fuzz_input in, bool foreign) {
    lt_h5_writer *w = NULL;
    bool gone = false;
    FUZZ_OK(lt_h5_write_begin(path, h->kind, h->version, &w));
    hid_t file = lt_h5_writer_file(w);
    (void)H5Literate(good, H5_INDEX_NAME, H5_ITER_INC, NULL, copy_object, &file);
    FUZZ_OK(lt_h5_each_attr(good, copy_fact, &file));
    for (int i = 0; i < MAX_EDITS && in.bytes; i++) {
        const target *t = &targets[fuzz_take_byte(&in) % (unsigned)n_targets];
        unsigned what = fuzz_take_byte(&in);
        if (*t->attribute)
            edit_attribute(file, t, what, &in);
        else
            edit_object(file, t, what, &gone, &in);
    }
    if (lt_h5_write_commit(&w) != LT_OK) return;
    if (foreign) drop_tail(path);
    (void)h->read(path);
}

static void damaged(const fuzz_h5 *h, const char *path, fuzz_input in) {
    unsigned char *copy = malloc(n_good);
    FUZZ_REQUIRE(copy);
    memcpy(copy, good_bytes, n_good);
    while (in.bytes >= 5) {
        size_t place = fuzz_take_number(&in, 4) % (n_good - SEALED_TAIL);
        copy[place] = (unsigned char)fuzz_take_byte(&in);
    }
    fuzz_write("edited.h5", copy, n_good);
    bool same = !memcmp(copy, good_bytes, n_good);
    uint64_t digest = h->read(path);
    FUZZ_REQUIRE(digest == (same ? good_digest : 0));
    free(copy);
}

void fuzz_h5_input(const fuzz_h5 *h, const uint8_t *data, size_t bytes) {
    fuzz_input in = {data, bytes};
    if (good < 0) make_good(h);
    char path[400];
    (void)snprintf(path, sizeof path, "%s", fuzz_path("edited.h5"));
    unsigned kind = in.bytes ? *in.data : 0;
    if (kind == 'd' || kind == 'f') (void)fuzz_take_byte(&in);
    if (kind == 'd')
        damaged(h, path, in);
    else
        edited(h, path, in, kind == 'f');
    (void)unlink(path);
}

void fuzz_h5_seeds(void) {
    static const char *const kind[] = {"\0", "\1", "\2\0\0\0\0\0\0\0\xF0\x3F", "\3some text\xFF\xFF", "\5\3\1", "\0\1\0\2\7\0\0\0"};
    static const size_t bytes[] = {1, 1, 9, 12, 3, 8};
    FUZZ_SEED(FUZZ_TEXT("e"));
    FUZZ_SEED(FUZZ_TEXT("f"));
    FUZZ_SEED(FUZZ_TEXT("f"), {"\7\1", 2});
    FUZZ_SEED(FUZZ_TEXT("d"), {"\x40\1\0\0\7", 5});
    FUZZ_SEED(FUZZ_TEXT("d"), {"\0\0\0\0\x89", 5});
    for (unsigned i = 0; i < 240; i += 7) {
        unsigned char at = (unsigned char)i;
        unsigned k = i % 6;
        FUZZ_SEED({&at, 1}, {kind[k], bytes[k]});
    }
}
