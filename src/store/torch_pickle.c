/* A restricted unpickler: follows the program that a pickle is, as torch.save writes it for a state dict, and refuses every other.
 *
 * A pickle is a program for a machine with a stack and a memo.  Python's own machine may import any object and call it, which is why a pickle from
 * elsewhere can do anything on the reader's account.  This machine builds values in tables of its own, knows the objects of one table
 * (torch_rebuild.c) by name, and "calls" them by filling in a record.  An opcode or a name that is not listed ends the reading, with its place.
 *
 * Bounds: time and memory are linear in the bytes of the pickle.  There is no recursion: values are indices into tables, containers are chains.  An
 * opcode that takes what lies above a mark also removes it.  A length is compared with what the file has left before memory is asked for.
 *
 * Opcodes: those of protocols 2 to 5 (Python's pickletools.py documents each). */
#include "store/torch_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 16 << 10,      /* by which room for texts grows */
    MAX_PICKLE = 64 << 20, /* bytes; 100,000 tensors take 15 MB */
    MAX_ITEMS = 4 << 20,   /* of each table, the memo included */
    MAX_LINE = 256         /* of a module or a name */
};
/* Values that every pickle has, made first. */
enum { ID_NONE, ID_FALSE, ID_TRUE, ID_FLOAT, ID_EMPTY };

/* --- bytes ------------------------------------------------------------------------------------------------------------------------------- */

static lt_status take_number(lt_st_pickle *pk, int bytes, uint64_t *v) {
    const unsigned char *p = NULL;
    LT_TRY(lt_st_impl_take(pk->src, bytes, &p));
    *v = 0;
    for (int i = bytes - 1; i >= 0; i--) *v = *v << 8 | p[i];
    return LT_OK;
}

/* The bytes of a line, without its end. */
static lt_status take_line(lt_st_pickle *pk, char line[MAX_LINE], int64_t *n) {
    const unsigned char *p = NULL;
    for (*n = 0;; line[(*n)++] = (char)*p) {
        LT_TRY(lt_st_impl_take(pk->src, 1, &p));
        if (*p == '\n') return LT_OK;
        LT_CHECK(*n < MAX_LINE, LT_ERR_FORMAT, "%s: byte %lld: the name of a Python object is longer than %d bytes: the pickle is damaged",
                 pk->src->f->path, (long long)pk->place, MAX_LINE);
    }
}

/* --- tables ------------------------------------------------------------------------------------------------------------------------------ */

lt_status lt_st_impl_grow(const lt_st_pickle *pk, void *array, int64_t *cap, int64_t n, size_t bytes, const char *what) {
    void *old;
    if (n < *cap) return LT_OK;
    LT_CHECK(n < MAX_ITEMS, LT_ERR_FORMAT, "%s: byte %lld: the pickle has more than %d %s: this is not a state dict", pk->src->f->path,
             (long long)pk->place, MAX_ITEMS, what);
    int64_t more = 2 * *cap > n ? 2 * *cap : n + 1;
    if (more < 64) more = 64;
    memcpy(&old, array, sizeof old);
    void *grown = realloc(old, (size_t)more * bytes);
    LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld %s of a pickle", (long long)more, what);
    memcpy(array, &grown, sizeof grown);
    *cap = more;
    return LT_OK;
}

lt_status lt_st_impl_new_value(lt_st_pickle *pk, lt_st_value v, int32_t *id) {
    LT_TRY(lt_st_impl_grow(pk, &pk->value, &pk->cap_values, pk->n_values, sizeof v, "values"));
    pk->value[pk->n_values] = v;
    *id = (int32_t)pk->n_values++;
    return LT_OK;
}

static lt_status push(lt_st_pickle *pk, int32_t id) {
    LT_TRY(lt_st_impl_grow(pk, &pk->stack, &pk->cap_stack, pk->n_stack, sizeof *pk->stack, "values on its stack"));
    pk->stack[pk->n_stack++] = id;
    return LT_OK;
}

static lt_status push_new(lt_st_pickle *pk, lt_st_value v) {
    int32_t id = 0;
    LT_TRY(lt_st_impl_new_value(pk, v, &id));
    return push(pk, id);
}

/* The lowest place of the stack that may be taken. */
static int64_t floor_of(const lt_st_pickle *pk) { return pk->n_marks ? pk->mark[pk->n_marks - 1] : 0; }

#define NEED(pk, n)                                                                                                                        \
    LT_CHECK((pk)->n_stack - floor_of(pk) >= (n), LT_ERR_FORMAT,                                                                           \
             "%s: byte %lld: a pickle opcode takes from an empty stack: it is damaged; " LT_ST_AGAIN, (pk)->src->f->path,                  \
             (long long)(pk)->place)

static int32_t pop(lt_st_pickle *pk) { return pk->stack[--pk->n_stack]; }

/* Takes the last mark off; *n values stand above it. */
static lt_status pop_mark(lt_st_pickle *pk, int64_t *n) {
    LT_CHECK(pk->n_marks > 0, LT_ERR_FORMAT,
             "%s: byte %lld: a pickle opcode looks for a mark that is not there: it is damaged; " LT_ST_AGAIN, pk->src->f->path,
             (long long)pk->place);
    *n = pk->n_stack - pk->mark[--pk->n_marks];
    return LT_OK;
}

static lt_status push_text(lt_st_pickle *pk, lt_st_kind kind, uint64_t n) {
    const unsigned char *p = NULL;
    LT_CHECK(n <= MAX_PICKLE, LT_ERR_FORMAT, "%s: byte %lld: a text of %llu bytes in a pickle: it is damaged", pk->src->f->path,
             (long long)pk->place, (unsigned long long)n);
    LT_TRY(lt_st_impl_take(pk->src, (int64_t)n, &p));
    if (pk->n_text + (int64_t)n > pk->cap_text) { /* bounded by the bytes of the pickle */
        int64_t cap = pk->n_text + (int64_t)n > 2 * pk->cap_text ? pk->n_text + (int64_t)n + BLOCK : 2 * pk->cap_text;
        char *grown = realloc(pk->text, (size_t)cap);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld bytes of texts of a pickle", (long long)cap);
        pk->text = grown;
        pk->cap_text = cap;
    }
    if (n) memcpy(pk->text + pk->n_text, p, (size_t)n);
    pk->n_text += (int64_t)n;
    return push_new(pk, (lt_st_value){.kind = kind, .at = (int32_t)(pk->n_text - (int64_t)n), .n = (int64_t)n});
}

/* A tuple of the n topmost values. */
static lt_status push_tuple(lt_st_pickle *pk, int64_t n) {
    NEED(pk, n);
    if (n == 0) return push(pk, ID_EMPTY);
    int64_t at = pk->n_items;
    for (int64_t i = 0; i < n; i++) {
        LT_TRY(lt_st_impl_grow(pk, &pk->item, &pk->cap_items, pk->n_items, sizeof *pk->item, "items of tuples"));
        pk->item[pk->n_items++] = pk->stack[pk->n_stack - n + i];
    }
    pk->n_stack -= n;
    return push_new(pk, (lt_st_value){.kind = LT_PK_TUPLE, .at = (int32_t)at, .n = n});
}

/* Adds the n topmost values to the container below them: keys and values for a dict. */
static lt_status add_items(lt_st_pickle *pk, int64_t n, lt_st_kind kind) {
    int step = kind == LT_PK_DICT ? 2 : 1;
    NEED(pk, n + 1);
    lt_st_value *into = &pk->value[pk->stack[pk->n_stack - n - 1]]; /* stays where it is: no value is made below */
    LT_CHECK(into->kind == kind && n % step == 0, LT_ERR_FORMAT,
             "%s: byte %lld: a pickle opcode adds %lld items to what is no %s: it is damaged; " LT_ST_AGAIN, pk->src->f->path,
             (long long)pk->place, (long long)n, kind == LT_PK_DICT ? "dict" : "list");
    for (int64_t i = pk->n_stack - n; i < pk->n_stack; i += step) {
        LT_TRY(lt_st_impl_grow(pk, &pk->cell, &pk->cap_cells, pk->n_cells, sizeof *pk->cell, "items of dicts and lists"));
        int32_t id = (int32_t)pk->n_cells++;
        pk->cell[id] = (lt_st_cell){.key = step == 2 ? pk->stack[i] : -1, .value = pk->stack[i + step - 1], .next = -1};
        if (into->at < 0)
            into->at = id;
        else
            pk->cell[into->last].next = id;
        into->last = id;
        into->n++;
    }
    pk->n_stack -= n;
    return LT_OK;
}

static lt_status memo_put(lt_st_pickle *pk, uint64_t i) {
    NEED(pk, 1);
    LT_CHECK(i < MAX_ITEMS, LT_ERR_FORMAT, "%s: byte %lld: the pickle remembers value %llu, at most %d are kept", pk->src->f->path,
             (long long)pk->place, (unsigned long long)i, MAX_ITEMS);
    LT_TRY(lt_st_impl_grow(pk, &pk->memo, &pk->cap_memo, (int64_t)i, sizeof *pk->memo, "values that it remembers"));
    while (pk->n_memo <= (int64_t)i) pk->memo[pk->n_memo++] = -1;
    pk->memo[i] = pk->stack[pk->n_stack - 1];
    return LT_OK;
}

static lt_status memo_get(lt_st_pickle *pk, uint64_t i) {
    LT_CHECK(i < (uint64_t)pk->n_memo && pk->memo[i] >= 0, LT_ERR_FORMAT,
             "%s: byte %lld: the pickle asks for value %llu, which it never remembered: it is damaged; " LT_ST_AGAIN, pk->src->f->path,
             (long long)pk->place, (unsigned long long)i);
    return push(pk, pk->memo[i]);
}

/* --- opcodes ----------------------------------------------------------------------------------------------------------------------------- */

static lt_status push_long(lt_st_pickle *pk, uint64_t n) {
    const unsigned char *p = NULL;
    uint64_t v = 0;
    if (n > 8) return push_text(pk, LT_PK_LONG, n);
    LT_TRY(lt_st_impl_take(pk->src, (int64_t)n, &p));
    if (n > 0 && p[n - 1] & 0x80) v = UINT64_MAX;
    for (int i = (int)n - 1; i >= 0; i--) v = v << 8 | p[i];
    return push_new(pk, (lt_st_value){.kind = LT_PK_INT, .n = (int64_t)v});
}

static lt_status push_global(lt_st_pickle *pk) {
    char module[MAX_LINE], name[MAX_LINE];
    int64_t module_n = 0, name_n = 0;
    int32_t id = 0;
    LT_TRY(take_line(pk, module, &module_n));
    LT_TRY(take_line(pk, name, &name_n));
    LT_TRY(lt_st_impl_find_global(pk, module, module_n, name, name_n, &id));
    return push(pk, id);
}

static lt_status stack_global(lt_st_pickle *pk) {
    int32_t id = 0;
    NEED(pk, 2);
    const lt_st_value *name = &pk->value[pop(pk)], *module = &pk->value[pop(pk)];
    LT_CHECK(name->kind == LT_PK_TEXT && module->kind == LT_PK_TEXT, LT_ERR_FORMAT,
             "%s: byte %lld: the name of a Python object is no text: the pickle is damaged; " LT_ST_AGAIN, pk->src->f->path,
             (long long)pk->place);
    LT_TRY(lt_st_impl_find_global(pk, pk->text + module->at, module->n, pk->text + name->at, name->n, &id));
    return push(pk, id);
}

static lt_status reduce(lt_st_pickle *pk) {
    int32_t id = 0;
    NEED(pk, 2);
    int32_t args = pop(pk), fn = pop(pk);
    LT_TRY(lt_st_impl_reduce(pk, fn, args, &id));
    return push(pk, id);
}

/* State of an object: modules give their OrderedDict a _metadata, which says nothing of weights. */
static lt_status build(lt_st_pickle *pk) {
    NEED(pk, 2);
    lt_st_kind state = pk->value[pop(pk)].kind, object = pk->value[pk->stack[pk->n_stack - 1]].kind;
    LT_CHECK(object == LT_PK_DICT && state == LT_PK_DICT, LT_ERR_FORMAT,
             "%s: byte %lld: the pickle sets the state of an object that is no dict (opcode BUILD): refused, a state dict has none",
             pk->src->f->path, (long long)pk->place);
    return LT_OK;
}

static lt_status persistent(lt_st_pickle *pk) {
    int32_t id = 0;
    NEED(pk, 1);
    LT_TRY(lt_st_impl_persistent(pk, pop(pk), &id));
    return push(pk, id);
}

static lt_status check_protocol(lt_st_pickle *pk, uint64_t v) {
    LT_CHECK(v >= 2 && v <= 5, LT_ERR_FORMAT, "%s: byte %lld: pickle protocol %llu; protocols 2 to 5 are read", pk->src->f->path,
             (long long)pk->place, (unsigned long long)v);
    return LT_OK;
}

/* A length before the bytes that it speaks of: protocol 4 cuts its program into such frames. */
static lt_status check_frame(lt_st_pickle *pk, uint64_t n) {
    LT_CHECK(n <= (uint64_t)(pk->src->end - pk->src->at), LT_ERR_FORMAT,
             "%s: byte %lld: a frame of %llu bytes, but only %lld follow: the pickle is truncated; " LT_ST_AGAIN, pk->src->f->path,
             (long long)pk->place, (unsigned long long)n, (long long)(pk->src->end - pk->src->at));
    return LT_OK;
}

static lt_status push_mark(lt_st_pickle *pk) {
    LT_TRY(lt_st_impl_grow(pk, &pk->mark, &pk->cap_marks, pk->n_marks, sizeof *pk->mark, "marks on its stack"));
    pk->mark[pk->n_marks++] = (int32_t)pk->n_stack;
    return LT_OK;
}

/* One opcode but STOP. */
static lt_status step(lt_st_pickle *pk, unsigned op) {
    /* Bytes of the number behind an opcode that has one, of which the text after it has the length or which is the value. */
    static const unsigned char bytes[256] = {
        ['X'] = 4, ['T'] = 4, ['U'] = 1,  ['J'] = 4,  ['G'] = 8,  ['K'] = 1,  ['M'] = 2,  ['q'] = 1, ['r'] = 4,
        ['h'] = 1, ['j'] = 4, [0x80] = 1, [0x8A] = 1, [0x8B] = 4, [0x8C] = 1, [0x8D] = 8, [0x95] = 8};
    uint64_t v = 0;
    int64_t n = 0;
    if (bytes[op]) LT_TRY(take_number(pk, bytes[op], &v));
    switch (op) {
    case 0x80:
        return check_protocol(pk, v);
    case 0x95:
        return check_frame(pk, v);
    case '(':
        return push_mark(pk);
    case 'N':
        return push(pk, ID_NONE);
    case 0x88:
        return push(pk, ID_TRUE);
    case 0x89:
        return push(pk, ID_FALSE);
    case 'G':
        return push(pk, ID_FLOAT); /* no weight is a number of the pickle */
    case 'J':
        return push_new(pk, (lt_st_value){.kind = LT_PK_INT, .n = (int32_t)(uint32_t)v});
    case 'K':
    case 'M':
        return push_new(pk, (lt_st_value){.kind = LT_PK_INT, .n = (int64_t)v});
    case 0x8A:
        return push_long(pk, v);
    case 0x8B:
        return push_long(pk, v);
    case 'X':
    case 'T':
    case 'U':
    case 0x8C:
    case 0x8D:
        return push_text(pk, LT_PK_TEXT, v);
    case '}':
        return push_new(pk, (lt_st_value){.kind = LT_PK_DICT, .at = -1});
    case ']':
        return push_new(pk, (lt_st_value){.kind = LT_PK_LIST, .at = -1});
    case ')':
        return push(pk, ID_EMPTY);
    case 't':
        LT_TRY(pop_mark(pk, &n));
        return push_tuple(pk, n);
    case 0x85:
        return push_tuple(pk, 1);
    case 0x86:
        return push_tuple(pk, 2);
    case 0x87:
        return push_tuple(pk, 3);
    case 'a':
        return add_items(pk, 1, LT_PK_LIST);
    case 'e':
        LT_TRY(pop_mark(pk, &n));
        return add_items(pk, n, LT_PK_LIST);
    case 's':
        return add_items(pk, 2, LT_PK_DICT);
    case 'u':
        LT_TRY(pop_mark(pk, &n));
        return add_items(pk, n, LT_PK_DICT);
    case 'q':
    case 'r':
        return memo_put(pk, v);
    case 0x94:
        return memo_put(pk, (uint64_t)pk->n_memo);
    case 'h':
    case 'j':
        return memo_get(pk, v);
    case 'c':
        return push_global(pk);
    case 0x93:
        return stack_global(pk);
    case 'R':
        return reduce(pk);
    case 'b':
        return build(pk);
    case 'Q':
        return persistent(pk);
    default:
        return LT_FAIL(LT_ERR_FORMAT,
                       "%s: byte %lld: pickle opcode 0x%02x, which no state dict needs: refused, nothing of the file was executed; if you "
                       "trust where it "
                       "is from, save its weights as safetensors in Python",
                       pk->src->f->path, (long long)pk->place, op);
    }
}

lt_status lt_st_impl_unpickle(lt_st_source *src, lt_st_pickle *pk) {
    static const lt_st_value first[] = {[ID_NONE] = {.kind = LT_PK_NONE},
                                        [ID_FALSE] = {.kind = LT_PK_BOOL, .n = 0},
                                        [ID_TRUE] = {.kind = LT_PK_BOOL, .n = 1},
                                        [ID_FLOAT] = {.kind = LT_PK_FLOAT},
                                        [ID_EMPTY] = {.kind = LT_PK_TUPLE}};
    const unsigned char *op = NULL;
    int32_t id = 0;
    *pk = (lt_st_pickle){.src = src, .begin = src->at, .place = src->at};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) LT_TRY(lt_st_impl_new_value(pk, first[i], &id));
    for (;;) {
        pk->place = src->at;
        LT_CHECK(src->at - pk->begin < MAX_PICKLE, LT_ERR_FORMAT,
                 "%s: the pickle at byte %lld is longer than %d bytes: this is not a state dict", src->f->path, (long long)pk->begin,
                 MAX_PICKLE);
        LT_TRY(lt_st_impl_take(src, 1, &op));
        if (*op == '.') break;
        LT_TRY(step(pk, *op));
    }
    LT_CHECK(pk->n_stack == 1 && pk->n_marks == 0, LT_ERR_FORMAT,
             "%s: byte %lld: the pickle ends with %lld values on its stack, expected 1: it is damaged; " LT_ST_AGAIN, src->f->path,
             (long long)pk->place, (long long)pk->n_stack);
    pk->result = pk->stack[0];
    return LT_OK;
}

void lt_st_impl_pickle_free(lt_st_pickle *pk) {
    free(pk->value);
    free(pk->item);
    free(pk->stack);
    free(pk->mark);
    free(pk->memo);
    free(pk->cell);
    free(pk->text);
    free(pk->storage);
    free(pk->tensor);
    *pk = (lt_st_pickle){0};
}

bool lt_st_impl_is_text(const lt_st_pickle *pk, const lt_st_value *v, const char *text) {
    return v->kind == LT_PK_TEXT && v->n == (int64_t)strlen(text) && memcmp(pk->text + v->at, text, (size_t)v->n) == 0;
}
