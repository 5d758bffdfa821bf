/* The Python objects that a state dict's pickle may name, and what calling them means here: a record of a storage or of a tensor is filled in.
 *
 *     persistent id   ("storage", torch.FloatStorage, key, location, numel)              numbers that lie elsewhere in the file
 *     tensor          _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)
 *     tensor          _rebuild_tensor_v3(..., hooks, dtype) of an untyped storage, for types that have no storage class
 *     parameter       _rebuild_parameter(tensor, requires_grad, hooks)                  the tensor
 *
 * Offset and strides count elements.  The numbers are checked against each other here, against the file in torch_file.c.  Whatever could make the
 * numbers of a tensor others than those of its storage (bits of conjugation or negation, quantisation, hooks) is refused. */
#include "store/torch_impl.h"

#include <string.h>

typedef enum lt_global {
    G_ORDERED_DICT,
    G_SIZE,
    G_TENSOR_V1, /* number of arguments: see rebuild_tensor() */
    G_TENSOR_V2,
    G_TENSOR_V3,
    G_PARAMETER,
    G_STORAGE,
    G_RAW_STORAGE,
    G_DTYPE
} lt_global;

static const struct {
    const char *module, *name;
    lt_global what;
    const char *type; /* of safetensors; storages and dtypes */
} known[] = {
    {"collections", "OrderedDict", G_ORDERED_DICT, NULL},
    {"torch", "Size", G_SIZE, NULL},
    {"torch._utils", "_rebuild_tensor", G_TENSOR_V1, NULL},
    {"torch._utils", "_rebuild_tensor_v2", G_TENSOR_V2, NULL},
    {"torch._utils", "_rebuild_tensor_v3", G_TENSOR_V3, NULL},
    {"torch._utils", "_rebuild_parameter", G_PARAMETER, NULL},
    {"torch", "FloatStorage", G_STORAGE, "F32"},
    {"torch", "HalfStorage", G_STORAGE, "F16"},
    {"torch", "BFloat16Storage", G_STORAGE, "BF16"},
    {"torch", "DoubleStorage", G_STORAGE, "F64"},
    {"torch", "LongStorage", G_STORAGE, "I64"},
    {"torch", "IntStorage", G_STORAGE, "I32"},
    {"torch", "ShortStorage", G_STORAGE, "I16"},
    {"torch", "CharStorage", G_STORAGE, "I8"},
    {"torch", "ByteStorage", G_STORAGE, "U8"},
    {"torch", "BoolStorage", G_STORAGE, "BOOL"},
    {"torch", "ComplexFloatStorage", G_STORAGE, "C64"},
    {"torch.storage", "UntypedStorage", G_RAW_STORAGE, "U8"},
    {"torch", "UntypedStorage", G_RAW_STORAGE, "U8"},
    {"torch", "float32", G_DTYPE, "F32"},
    {"torch", "float16", G_DTYPE, "F16"},
    {"torch", "bfloat16", G_DTYPE, "BF16"},
    {"torch", "float64", G_DTYPE, "F64"},
    {"torch", "int64", G_DTYPE, "I64"},
    {"torch", "int32", G_DTYPE, "I32"},
    {"torch", "int16", G_DTYPE, "I16"},
    {"torch", "int8", G_DTYPE, "I8"},
    {"torch", "uint8", G_DTYPE, "U8"},
    {"torch", "uint16", G_DTYPE, "U16"},
    {"torch", "uint32", G_DTYPE, "U32"},
    {"torch", "uint64", G_DTYPE, "U64"},
    {"torch", "bool", G_DTYPE, "BOOL"},
    {"torch", "complex64", G_DTYPE, "C64"},
    {"torch", "float8_e4m3fn", G_DTYPE, "F8_E4M3"},
    {"torch", "float8_e5m2", G_DTYPE, "F8_E5M2"},
    {"torch", "float8_e8m0fnu", G_DTYPE, "F8_E8M0"},
};

static bool same(const char *a, int64_t n, const char *b) { return n == (int64_t)strlen(b) && memcmp(a, b, (size_t)n) == 0; }

lt_status lt_st_impl_find_global(lt_st_pickle *pk, const char *module, int64_t module_n, const char *name, int64_t name_n, int32_t *id) {
    char a[80], b[80];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (same(module, module_n, known[i].module) && same(name, name_n, known[i].name))
            return lt_st_impl_new_value(pk, (lt_st_value){.kind = LT_PK_GLOBAL, .n = (int64_t)i}, id);
    return LT_FAIL(LT_ERR_FORMAT,
                   "%s: byte %lld: the pickle asks for the Python object %s.%s, which no weights need: refused, nothing of the file was "
                   "executed; if you "
                   "trust where it is from, save its weights as safetensors in Python",
                   pk->src->f->path, (long long)pk->place, lt_st_impl_shown(module, module_n, a), lt_st_impl_shown(name, name_n, b));
}

#define BAD(pk, cond, what)                                                                                                                \
    LT_CHECK(cond, LT_ERR_FORMAT, "%s: byte %lld: %s: the pickle is damaged or none of torch's; " LT_ST_AGAIN, (pk)->src->f->path,         \
             (long long)(pk)->place, what)

/* The table's row of a value, if it is a G. */
static bool is_global(const lt_st_value *v, lt_global what) { return v->kind == LT_PK_GLOBAL && known[v->n].what == what; }

/* --- storages ----------------------------------------------------------------------------------------------------------------------------- */

lt_status lt_st_impl_persistent(lt_st_pickle *pk, int32_t pid, int32_t *id) {
    const lt_st_value *p = &pk->value[pid];
    lt_st_storage s = {.place = -1};
    BAD(pk, p->kind == LT_PK_TUPLE && p->n >= 1, "a persistent id is no tuple");
    LT_CHECK(lt_st_impl_is_text(pk, lt_st_impl_item(pk, p, 0), "storage"), LT_ERR_FORMAT,
             "%s: byte %lld: a persistent id is no storage: the file holds a whole module and not a state dict; in Python, save "
             "module.state_dict()",
             pk->src->f->path, (long long)pk->place);
    BAD(pk, p->n == 5 || p->n == 6, "a persistent id has not 5 or 6 parts");
    const lt_st_value *type = lt_st_impl_item(pk, p, 1), *key = lt_st_impl_item(pk, p, 2), *numel = lt_st_impl_item(pk, p, 4);
    s.raw = is_global(type, G_RAW_STORAGE);
    BAD(pk, s.raw || is_global(type, G_STORAGE), "the type of a storage is not one");
    s.type = lt_st_impl_type(known[type->n].type);
    BAD(pk, key->kind == LT_PK_TEXT && key->n > 0 && !memchr(pk->text + key->at, 0, (size_t)key->n), "the key of a storage is no text");
    BAD(pk, lt_st_impl_item(pk, p, 3)->kind == LT_PK_TEXT, "the device of a storage is no text");
    BAD(pk, numel->kind == LT_PK_INT && numel->n >= 0 && numel->n <= INT64_MAX / 16, "the size of a storage is not a count");
    s.key = key->at;
    s.key_bytes = (int32_t)key->n;
    s.numel = s.view_numel = numel->n;
    const lt_st_value *view = p->n == 6 ? lt_st_impl_item(pk, p, 5) : &(lt_st_value){.kind = LT_PK_NONE};
    if (view->kind != LT_PK_NONE) { /* (key of the view, offset, size): torch before 0.4 */
        BAD(pk, view->kind == LT_PK_TUPLE && view->n == 3, "the view of a storage is not three values");
        const lt_st_value *at = lt_st_impl_item(pk, view, 1), *n = lt_st_impl_item(pk, view, 2);
        BAD(pk, at->kind == LT_PK_INT && n->kind == LT_PK_INT && at->n >= 0 && n->n >= 0 && at->n <= s.numel && n->n <= s.numel - at->n,
            "the view of a storage is not within it");
        s.view_at = at->n;
        s.view_numel = n->n;
    }
    LT_TRY(lt_st_impl_grow(pk, &pk->storage, &pk->cap_storages, pk->n_storages, sizeof s, "storages"));
    pk->storage[pk->n_storages] = s;
    return lt_st_impl_new_value(pk, (lt_st_value){.kind = LT_PK_STORAGE, .at = (int32_t)pk->n_storages++}, id);
}

/* --- tensors ------------------------------------------------------------------------------------------------------------------------------ */

static lt_status read_sizes(const lt_st_pickle *pk, const lt_st_value *v, int n, int64_t *out) {
    BAD(pk, v->kind == LT_PK_TUPLE && v->n == n, "size and strides of a tensor are not tuples of one length");
    for (int i = 0; i < n; i++) {
        const lt_st_value *d = lt_st_impl_item(pk, v, i);
        BAD(pk, d->kind == LT_PK_INT && d->n >= 0, "a size or stride of a tensor is not a count");
        out[i] = d->n;
    }
    return LT_OK;
}

static lt_status rebuild_tensor(lt_st_pickle *pk, lt_global how, const lt_st_value *args, int32_t *id) {
    /* Arguments; the one more that is allowed is metadata, which must be empty. */
    int n = how == G_TENSOR_V1 ? 4 : how == G_TENSOR_V2 ? 6 : 7;
    lt_st_ptensor t = {0};
    BAD(pk, args->n == n || (args->n == n + 1 && n > 4), "a tensor is made of another number of arguments");
    const lt_st_value *storage = lt_st_impl_item(pk, args, 0), *offset = lt_st_impl_item(pk, args, 1), *size = lt_st_impl_item(pk, args, 2);
    BAD(pk, storage->kind == LT_PK_STORAGE, "a tensor is made of what is no storage");
    BAD(pk, offset->kind == LT_PK_INT && offset->n >= 0, "the offset of a tensor is not a count");
    BAD(pk, size->kind == LT_PK_TUPLE, "the size of a tensor is no tuple");
    LT_CHECK(size->n <= LT_ST_MAX_DIMS, LT_ERR_FORMAT, "%s: byte %lld: a tensor of %lld dimensions, at most %d are read", pk->src->f->path,
             (long long)pk->place, (long long)size->n, LT_ST_MAX_DIMS);
    t.storage = storage->at;
    t.offset = offset->n;
    t.n_dims = (int)size->n;
    LT_TRY(read_sizes(pk, size, t.n_dims, t.dim));
    LT_TRY(read_sizes(pk, lt_st_impl_item(pk, args, 3), t.n_dims, t.stride));
    if (n > 4) {
        lt_st_kind hooks = lt_st_impl_item(pk, args, 5)->kind;
        BAD(pk, lt_st_impl_item(pk, args, 4)->kind == LT_PK_BOOL && (hooks == LT_PK_DICT || hooks == LT_PK_NONE),
            "requires_grad or the hooks of a tensor are not what they should be");
    }
    if (args->n == n + 1) {
        const lt_st_value *meta = lt_st_impl_item(pk, args, n);
        LT_CHECK(meta->kind == LT_PK_NONE || (meta->kind == LT_PK_DICT && meta->n == 0), LT_ERR_FORMAT,
                 "%s: byte %lld: a tensor with bits that change its numbers (conjugated or negated): in Python, save "
                 "tensor.resolve_conj().resolve_neg()",
                 pk->src->f->path, (long long)pk->place);
    }
    const lt_st_storage *s = &pk->storage[t.storage];
    t.type = s->type;
    if (how == G_TENSOR_V3) {
        const lt_st_value *dtype = lt_st_impl_item(pk, args, 6);
        BAD(pk, is_global(dtype, G_DTYPE), "the dtype of a tensor is not one");
        t.type = lt_st_impl_type(known[dtype->n].type);
    }
    BAD(pk, s->raw ? how == G_TENSOR_V3 : t.type == s->type, "tensor and storage are of different types");
    LT_TRY(lt_st_impl_grow(pk, &pk->tensor, &pk->cap_tensors, pk->n_tensors, sizeof t, "tensors"));
    pk->tensor[pk->n_tensors] = t;
    return lt_st_impl_new_value(pk, (lt_st_value){.kind = LT_PK_TENSOR, .at = (int32_t)pk->n_tensors++}, id);
}

lt_status lt_st_impl_reduce(lt_st_pickle *pk, int32_t fn, int32_t args, int32_t *id) {
    const lt_st_value *f = &pk->value[fn], *a = &pk->value[args];
    BAD(pk, f->kind == LT_PK_GLOBAL && a->kind == LT_PK_TUPLE, "a call (opcode REDUCE) of what is no function");
    switch (known[f->n].what) {
    case G_ORDERED_DICT:
        BAD(pk, a->n == 0, "an OrderedDict that is made of arguments");
        return lt_st_impl_new_value(pk, (lt_st_value){.kind = LT_PK_DICT, .at = -1}, id);
    case G_SIZE:
        BAD(pk, a->n == 1 && lt_st_impl_item(pk, a, 0)->kind == LT_PK_TUPLE, "a torch.Size that is not made of a tuple");
        *id = pk->item[a->at];
        return LT_OK;
    case G_TENSOR_V1:
    case G_TENSOR_V2:
    case G_TENSOR_V3:
        return rebuild_tensor(pk, known[f->n].what, a, id);
    case G_PARAMETER:
        BAD(pk, a->n == 3 && lt_st_impl_item(pk, a, 0)->kind == LT_PK_TENSOR, "a parameter that is not made of a tensor");
        *id = pk->item[a->at];
        return LT_OK;
    case G_STORAGE:
    case G_RAW_STORAGE:
    case G_DTYPE:
        break;
    }
    return LT_FAIL(LT_ERR_FORMAT,
                   "%s: byte %lld: the pickle calls %s.%s, which is no function of a state dict: refused, nothing was executed",
                   pk->src->f->path, (long long)pk->place, known[f->n].module, known[f->n].name);
}
