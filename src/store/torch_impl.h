#pragma once
/* Private to torch_*.c: the directory of a zip archive, and a pickle read into values.
 *
 *     torch_file.c     one pytorch_model.bin -> tensors
 *     torch_stream.c   the same in the format before torch 1.6
 *     torch_zip.c      the archive around it since then: which entry lies where
 *     torch_source.c   bytes of a file, taken one after the other
 *     torch_pickle.c   the machine that follows a pickle's opcodes
 *     torch_rebuild.c  the few Python objects that it may name, and what calling them means */

#include "store/safetensors_impl.h"

/* --- zip ------------------------------------------------------------------------------------------------------------------------------ */

typedef struct lt_st_entry {
    const char *name; /* within lt_st_zip.names */
    int64_t local;    /* of its local header */
    int64_t data;     /* of its first byte */
    int64_t bytes;
    uint32_t crc;
} lt_st_entry;

typedef struct lt_st_zip {
    lt_st_entry *entry; /* [n], sorted by name */
    int64_t n;
    char *names;
} lt_st_zip;

/* Reads and checks central directory and local headers: stored entries that do not overlap.  Errors: FORMAT, IO, NOMEM. */
lt_status lt_st_impl_zip_open(lt_st *st, const lt_st_file *f, lt_st_zip *zip);
void lt_st_impl_zip_close(lt_st_zip *zip);
const lt_st_entry *lt_st_impl_zip_find(const lt_st_zip *zip, const char *name);
/* Compares the content with the CRC of the directory.  Errors: FORMAT, IO. */
lt_status lt_st_impl_zip_check_crc(lt_st *st, const lt_st_file *f, const lt_st_entry *e);

/* --- pickles -------------------------------------------------------------------------------------------------------------------------- */

/* Bytes [at, end) of a file, taken from the front. */
typedef struct lt_st_source {
    lt_st *st;
    const lt_st_file *f;
    int64_t at, end;
    unsigned char *buf; /* bytes [buf_at, buf_at + buf_n) of the file */
    int64_t buf_at, buf_n, cap;
} lt_st_source;

/* Takes the next n bytes; *p is valid until the next call.  Errors: FORMAT (n < 0, or beyond the end), IO, NOMEM. */
lt_status lt_st_impl_take(lt_st_source *s, int64_t n, const unsigned char **p);

typedef enum lt_st_kind {
    LT_PK_NONE,
    LT_PK_BOOL,
    LT_PK_INT,
    LT_PK_LONG, /* an integer of more than 64 bits: its bytes, as text */
    LT_PK_FLOAT,
    LT_PK_TEXT,
    LT_PK_TUPLE,
    LT_PK_LIST,
    LT_PK_DICT,
    LT_PK_GLOBAL,
    LT_PK_STORAGE,
    LT_PK_TENSOR
} lt_st_kind;

/* One value; values are named by their index.  What n and at mean depends on the kind:
 *     BOOL, INT             n the number
 *     LONG, TEXT            n bytes from text[at]
 *     TUPLE                 n values, item[at ...]
 *     LIST, DICT            n cells in a chain from cell[at] to cell[last]; -1 when empty
 *     GLOBAL                n the row of the table in torch_rebuild.c
 *     STORAGE, TENSOR       at its place in storage[], tensor[] */
typedef struct lt_st_value {
    lt_st_kind kind;
    int32_t at, last;
    int64_t n;
} lt_st_value;

typedef struct lt_st_cell {
    int32_t key, value, next; /* key: -1 in lists */
} lt_st_cell;

/* What a persistent id says of a storage; several may speak of the same one. */
typedef struct lt_st_storage {
    int32_t key, key_bytes; /* text[key ...] */
    const lt_st_type *type;
    bool raw;                    /* without a type of its own: numel counts bytes */
    int64_t numel;               /* of the whole storage */
    int64_t view_at, view_numel; /* the part that is meant, in elements */
    int64_t place;               /* of its first byte in the file; -1 = not known yet */
} lt_st_storage;

typedef struct lt_st_ptensor {
    int32_t storage;
    const lt_st_type *type;
    int64_t offset; /* elements from the storage's (part's) first */
    int n_dims;
    int64_t dim[LT_ST_MAX_DIMS], stride[LT_ST_MAX_DIMS];
} lt_st_ptensor;

/* A pickle after its STOP, and the machine while it runs. */
typedef struct lt_st_pickle {
    lt_st_source *src;
    int64_t begin, place; /* of the pickle and of the present opcode, in the file */
    lt_st_value *value;
    int32_t *item, *stack, *mark, *memo; /* memo: -1 = unused */
    lt_st_cell *cell;
    char *text;
    lt_st_storage *storage;
    lt_st_ptensor *tensor;
    int64_t n_values, n_items, n_stack, n_marks, n_memo, n_cells, n_text, n_storages, n_tensors;
    int64_t cap_values, cap_items, cap_stack, cap_marks, cap_memo, cap_cells, cap_text, cap_storages, cap_tensors;
    int32_t result;
} lt_st_pickle;

/* Follows one pickle from src->at to behind its STOP.  Errors: FORMAT (damaged; asks for anything but the parts of a state dict: object or opcode
 * and its place are named; over a budget), IO, NOMEM.  The pickle must be freed in any case. */
lt_status lt_st_impl_unpickle(lt_st_source *src, lt_st_pickle *pk);
void lt_st_impl_pickle_free(lt_st_pickle *pk);

/* Room for one more element of an array that belongs to the machine.  Errors: NOMEM, FORMAT (over the budget). */
lt_status lt_st_impl_grow(const lt_st_pickle *pk, void *array, int64_t *cap, int64_t n, size_t bytes, const char *what);
/* A new value at the end of value[]; its index. */
lt_status lt_st_impl_new_value(lt_st_pickle *pk, lt_st_value v, int32_t *id);
/* The i-th of a tuple. */
static inline const lt_st_value *lt_st_impl_item(const lt_st_pickle *pk, const lt_st_value *tuple, int64_t i) {
    return &pk->value[pk->item[tuple->at + i]];
}
/* True if a value is this text. */
bool lt_st_impl_is_text(const lt_st_pickle *pk, const lt_st_value *v, const char *text);
/* The start of a text for messages, without bytes that a terminal would act on; returns out. */
const char *lt_st_impl_shown(const void *text, int64_t n, char out[80]);

/* torch_rebuild.c: the value of a name, of a call, of a persistent id.  Errors: FORMAT, NOMEM. */
lt_status lt_st_impl_find_global(lt_st_pickle *pk, const char *module, int64_t module_n, const char *name, int64_t name_n, int32_t *id);
lt_status lt_st_impl_reduce(lt_st_pickle *pk, int32_t fn, int32_t args, int32_t *id);
lt_status lt_st_impl_persistent(lt_st_pickle *pk, int32_t pid, int32_t *id);

/* --- from pickles to tensors ------------------------------------------------------------------------------------------------------------- */

/* A storage of a pickle by its key: text of the pickle. */
typedef struct lt_st_keyed {
    const char *key;
    int64_t bytes;
    lt_st_storage *s;
} lt_st_keyed;

/* For qsort and bsearch of lt_st_keyed. */
int lt_st_impl_by_key(const void *a, const void *b);
/* All storages of a pickle in order of key; those of one key must agree.  *by: released by free().  Errors: FORMAT, NOMEM. */
lt_status lt_st_impl_sort_storages(const lt_st_pickle *pk, lt_st_keyed **by);
/* Gives all storages of the key of by[i] their place; *next: the first of the next key. */
void lt_st_impl_set_place(lt_st_keyed *by, int64_t n, int64_t i, int64_t place, int64_t *next);
static inline int64_t lt_st_impl_storage_bytes(const lt_st_storage *s) { return s->numel * (s->type->bits / 8); }
/* Adds the tensors of the pickle of st->file[k], whose storages have their places.  Errors: FORMAT, NOMEM. */
lt_status lt_st_impl_add_tensors(lt_st *st, int k, const lt_st_pickle *pk);
/* The tensors of a file in the format before torch 1.6.  Errors: as lt_st_open. */
lt_status lt_st_impl_add_stream(lt_st *st, int k);
