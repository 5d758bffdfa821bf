/* The guard back end: computations of `cpu` in an address space of its own.
 *
 * One range of addresses is reserved; alloc hands out pages of it, attach adds pages of others.  All of them are unreadable (mprotect) except while an entry
 * of the table runs or a collective library has bracketed its access.  Host code that follows a device pointer dies with SIGSEGV at the line that did it.
 * What a GPU and its copies would do wrongly in silence is so found on any machine.  For tests: every op pays two system calls. */
#include "kernels/ops.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_BLOCKS = 4096 };
#define RESERVED_BYTES ((size_t)64 << 30) /* of addresses, not of memory */

typedef struct block {
    unsigned char *p; /* NULL = free entry */
    size_t bytes;     /* whole pages */
    bool attached;
} block;

static struct {
    unsigned char *base;
    size_t used; /* bytes from base handed out so far; a freed block at the end gives its pages back */
    block list[MAX_BLOCKS];
    int depth; /* entries and brackets open now */
} space;

static size_t pages(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

static void protect(void *p, size_t bytes, bool readable) {
    if (bytes && mprotect(p, bytes, readable ? PROT_READ | PROT_WRITE : PROT_NONE) != 0) __builtin_trap();
}

static void set_all(bool readable) {
    protect(space.base, space.used, readable);
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (space.list[i].p && space.list[i].attached) protect(space.list[i].p, space.list[i].bytes, readable);
}

static void enter(void) {
    if (space.depth++ == 0) set_all(true);
}

static void leave(void) {
    if (--space.depth == 0) set_all(false);
}

static block *free_entry(void) {
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (!space.list[i].p) return &space.list[i];
    return NULL;
}

static block *entry_of(const void *p) {
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (space.list[i].p == p) return &space.list[i];
    return NULL;
}

static lt_status guard_alloc(const lt_ctx *c, size_t bytes, const char *what, void **p) {
    (void)c;
    block *b = free_entry();
    size_t whole = pages(bytes ? bytes : 1);
    if (!space.base) {
        void *at = mmap(NULL, RESERVED_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        LT_CHECK(at != MAP_FAILED, LT_ERR_NOMEM, "guard: cannot reserve addresses: %m");
        space.base = at;
    }
    LT_CHECK(b && whole <= RESERVED_BYTES - space.used, LT_ERR_NOMEM, "guard: no room for %zu bytes of %s", bytes, what);
    *b = (block){.p = space.base + space.used, .bytes = whole};
    space.used += whole;
    *p = b->p;
    return LT_OK;
}

static void guard_free(const lt_ctx *c, void *p) {
    (void)c;
    block *b = p ? entry_of(p) : NULL;
    if (!b) return;
    /* fresh zero pages, unreadable, for whoever comes here next */
    if (mmap(b->p, b->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) __builtin_trap();
    if (b->p + b->bytes == space.base + space.used) space.used -= b->bytes;
    *b = (block){0};
}

static lt_status guard_attach(const lt_ctx *c, void *p, size_t bytes) {
    (void)c;
    block *b = free_entry();
    LT_ASSERT(b && (uintptr_t)p % (uintptr_t)sysconf(_SC_PAGESIZE) == 0);
    *b = (block){.p = p, .bytes = pages(bytes), .attached = true};
    protect(b->p, b->bytes, space.depth > 0);
    return LT_OK;
}

static void guard_detach(const lt_ctx *c, void *p) {
    (void)c;
    block *b = p ? entry_of(p) : NULL;
    if (!b) return;
    protect(b->p, b->bytes, true);
    *b = (block){0};
}

static void guard_begin(const lt_ctx *c) {
    (void)c;
    enter();
}

static void guard_end(const lt_ctx *c) {
    (void)c;
    leave();
}

static void *guard_view(const lt_ctx *c, void *p, size_t bytes) {
    (void)c, (void)p, (void)bytes;
    return NULL;
}

/* The other entries are those of `cpu` with the memory open. */
#define ENTRY(name, args)                                                                                                                  \
    static lt_status guard_##name(const lt_ctx *c, const struct args *a) {                                                                 \
        enter();                                                                                                                           \
        lt_status st = lt_ops_cpu()->name(c, a);                                                                                           \
        leave();                                                                                                                           \
        return st;                                                                                                                         \
    }
LT_OPS_LIST(ENTRY)
ENTRY(copy, lt_copy_args)
ENTRY(rel_pack, lt_rel_pack_args)

static lt_status guard_lin_pack(const lt_ctx *c, lt_lin *lin, bool reorder) {
    enter();
    lt_status st = lt_ops_cpu()->lin_pack(c, lin, reorder);
    leave();
    return st;
}

static lt_status guard_lin_rows(const lt_ctx *c, const lt_lin *lin, int64_t row0, int64_t rows, const void *src) {
    enter();
    lt_status st = lt_ops_cpu()->lin_rows(c, lin, row0, rows, src);
    leave();
    return st;
}

static lt_status guard_fill(const lt_ctx *c, void *p, int byte, size_t bytes) {
    enter();
    lt_status st = lt_ops_cpu()->fill(c, p, byte, bytes);
    leave();
    return st;
}

const lt_ops *lt_ops_guard(void) {
    static lt_ops table;
    if (table.name) return &table;
    table = *lt_ops_cpu(); /* plan-time entries that touch no array: as they are */
    table.alloc = guard_alloc;
    table.free = guard_free;
    table.fill = guard_fill;
    table.lin_pack = guard_lin_pack;
    table.lin_rows = guard_lin_rows;
    table.attach = guard_attach;
    table.detach = guard_detach;
    table.host_begin = guard_begin;
    table.host_end = guard_end;
    table.host_view = guard_view;
#define SET(name, args) table.name = guard_##name;
    LT_OPS_LIST(SET)
    SET(copy, )
    SET(rel_pack, )
    table.name = "guard";
    return &table;
}
